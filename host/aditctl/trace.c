/* SPDX-License-Identifier: MIT */
/* trace.c: `trace`: what Stratum V2 connections say, as they say it. */
#include "config.h"

#include "host/aditctl/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/aditctl/json.h"
#include "host/aditctl/text.h"

#define ROLE "sv2-server"
#define ANSWER_MS 15000
#define LINE_MAX_BYTES 8192

/* Whom to ask, and for what. */
struct trace {
	char target[80];    /* a role or one of its workers */
	int64_t connection; /* 0: all */
	size_t workers;     /* that trace; each says when it ends */
};

/* --- what is wanted ----------------------------------------------------------------------------
 */

/* "all", "7", "sv2-server.2/7", "sv2-server@name/all", or a channel's name as status and events
 * show it, "pool.2/7/1": worker 2 of the pool has its connections from worker 2 of the server. */
static bool parse(const char *text, struct trace *t)
{
	const char *slash = strchr(text, '/');
	size_t size = slash != NULL ? (size_t)(slash - text) : 0;
	const char *number = slash != NULL ? slash + 1 : text;
	char worker[64];
	const char *dot;
	char *end;

	*t = (struct trace){.target = ROLE};
	if (strcmp(text, "all") == 0)
		return true;
	if (size >= sizeof(worker) || (slash != NULL && size == 0))
		return false;
	snprintf(worker, sizeof(worker), "%.*s", (int)size, text);
	dot = strrchr(worker, '.');
	if (size > 0 && strncmp(worker, ROLE, strlen(ROLE)) == 0)
		snprintf(t->target, sizeof(t->target), "%s", worker);
	else if (size > 0 && dot != NULL)
		snprintf(t->target, sizeof(t->target), ROLE "%s", dot);
	else if (size > 0)
		return false;
	if (strcmp(number, "all") == 0)
		return true;
	t->connection = strtoll(number, &end, 10);
	return end != number && t->connection >= 1 && t->connection <= UINT32_MAX &&
	       (*end == '\0' || (*end == '/' && slash != NULL));
}

/* --- calls -------------------------------------------------------------------------------------
 */

static int32_t call(struct control *c, const struct trace *t, const char *method,
		    struct json_object *params, struct json_object **result, struct error *e)
{
	struct json_object *request = json_object_new_object();
	int32_t r;

	json_object_object_add(request, "target", json_object_new_string(t->target));
	json_object_object_add(request, "method", json_object_new_string(method));
	json_object_object_add(request, "params", params);
	r = control_request(c, "call", request, ANSWER_MS, result, e);
	json_object_put(request);
	return r;
}

static void count_one(struct trace *t, struct json_object *answer, int64_t *connections)
{
	int64_t n = json_integer(answer, "connections", -1);

	if (n < 0)
		return;
	*connections += n;
	t->workers += n > 0 || t->connection == 0;
}

/* Counts T->workers. */
static int32_t begin(struct control *c, struct trace *t, struct error *e)
{
	struct json_object *params = json_object_new_object();
	struct json_object *result;
	int64_t connections = 0;
	int32_t r;

	json_object_object_add(params, "connection",
			       t->connection > 0 ? json_object_new_int64(t->connection)
						 : json_object_new_string("all"));
	r = call(c, t, "trace_start", params, &result, e);
	if (r == ADIT_OK && json_object_is_type(result, json_type_array)) {
		for (size_t i = 0; i < json_count(result); i++)
			count_one(t, json_object_member(json_element(result, i), "result"),
				  &connections);
	} else if (r == ADIT_OK) {
		count_one(t, result, &connections);
	}
	json_object_put(result);
	if (r == ADIT_OK && t->workers == 0) {
		c->refused = true;
		return error_set(e, ADIT_E_NOT_FOUND, "no connection %" PRId64 " at %s",
				 t->connection, t->target);
	}
	return r;
}

static int32_t end(struct control *c, const struct trace *t, struct error *e)
{
	struct json_object *result;
	int32_t r = call(c, t, "trace_stop", json_object_new_object(), &result, e);

	json_object_put(result);
	return r;
}

/* --- following ---------------------------------------------------------------------------------
 */

static void put_time(int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm local;
	char text[32] = "--:--:--";

	if (localtime_r(&seconds, &local) != NULL)
		(void)strftime(text, sizeof(text), "%H:%M:%S", &local);
	printf("%s.%03d", text, (int)(ms % 1000));
}

static void show(const struct options *o, struct json_object *event)
{
	struct json_object *data = json_object_member(event, "data");
	const char *direction = json_text(data, "direction", "");
	const char *sign = strcmp(direction, "in") == 0    ? "<-"
			   : strcmp(direction, "out") == 0 ? "->"
							   : "--";
	int64_t lost = json_integer(event, "lost", 0);
	static char clean[LINE_MAX_BYTES];

	if (lost > 0)
		printf("(%" PRId64 " messages were missed here: this program read too slowly)\n",
		       lost);
	put_time(json_integer(event, "time_ms", 0));
	text_clean(json_text(event, "source", "?"), clean, TABLE_CELL_MAX);
	printf("  %s", clean);
	if (json_integer(data, "connection", 0) > 0)
		printf("/%" PRId64, json_integer(data, "connection", 0));
	text_clean(json_text(data, "peer", ""), clean, TABLE_CELL_MAX);
	printf("  %s%s%s ", clean, *clean != '\0' ? " " : "", sign);
	text_clean(json_text(data, "text", ""), clean, sizeof(clean));
	terminal_put(&o->terminal, stdout, STYLE_PLAIN, clean);
	fputc('\n', stdout);
}

static int follow(const struct options *o, struct control *c, struct trace *t)
{
	struct json_object *message, *event;
	long shown = 0;
	struct error e;

	while (!signals_came() && t->workers > 0 && (o->count == 0 || shown < o->count)) {
		int32_t code = control_receive(c, -1, &message, &e);

		if (code == ADIT_E_CANCELLED)
			continue;
		if (code != ADIT_OK)
			return command_failed(c, &e);
		event = json_object_member(message, "params");
		if (event != NULL && strcmp(json_text(message, "method", ""), "event") == 0) {
			shown++;
			t->workers -=
			    strcmp(json_text(json_object_member(event, "data"), "direction", ""),
				   "off") == 0;
			if (o->json)
				json_print(stdout, event);
			else
				show(o, event);
			fflush(stdout);
		}
		json_object_put(message);
	}
	return EXIT_OK;
}

static int32_t subscribe(struct control *c, struct error *e)
{
	struct json_object *params = json_object_new_object();
	struct json_object *types = json_object_new_array();
	struct json_object *result;
	int32_t r;

	json_object_array_add(types, json_object_new_string("Sv2Trace"));
	json_object_object_add(params, "types", types);
	r = control_request(c, "events", params, ANSWER_MS, &result, e);
	json_object_put(result);
	json_object_put(params);
	return r;
}

/* Two connections: an answer on the one does not get between the events of the other. */
static int run(const struct options *o, struct control *calls, struct trace *t)
{
	struct control events;
	struct error e;
	int status = command_connect(o, &events);

	if (status != EXIT_OK)
		return status;
	signals_catch(&events);
	if (subscribe(&events, &e) != ADIT_OK) {
		status = command_failed(&events, &e);
	} else if (begin(calls, t, &e) != ADIT_OK) {
		status = command_failed(calls, &e);
	} else {
		status = follow(o, &events, t);
		if (status == EXIT_OK && t->workers > 0 && end(calls, t, &e) != ADIT_OK)
			status = command_failed(calls, &e);
	}
	control_close(&events);
	return status;
}

int command_trace(const struct options *o)
{
	struct control calls;
	struct trace t;
	struct error e;
	int status;

	if (!parse(o->arguments[0], &t)) {
		fprintf(stderr,
			"aditctl: trace: expected all, the number of a connection, or one as "
			"sv2-server.1/7 or pool.1/7/2\n");
		return EXIT_USAGE;
	}
	status = command_connect(o, &calls);
	if (status != EXIT_OK)
		return status;
	if (!o->off)
		status = run(o, &calls, &t);
	else if (end(&calls, &t, &e) != ADIT_OK)
		status = command_failed(&calls, &e);
	control_close(&calls);
	return status;
}
