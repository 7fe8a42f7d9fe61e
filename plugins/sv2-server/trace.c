/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/sv2-server/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/sv2/client.h"
#include "lib/sv2/print.h"
#include "plugins/sv2-server/instance.h"

#define EVENT "Sv2Trace"
#define TEXT_MAX 4096 /* bytes of a message's text; the rest is left out */
#define MESSAGES_DEFAULT 10000
#define MESSAGES_MAX 1000000
#define SECONDS_DEFAULT 600
#define SECONDS_MAX 86400

static const char *const directions[] = {
    [SV2_TRACE_IN] = "in", [SV2_TRACE_OUT] = "out", [SV2_TRACE_END] = "end"};

static void trace_set(struct instance *in, uint32_t id, const struct sv2_tracer *tracer,
		      uint32_t *count)
{
	*count = clients_trace(&in->clients, id, tracer);
	if (in->server != NULL)
		*count += sv2_server_trace(in->server, id, tracer);
}

/* --- showing -----------------------------------------------------------------------------------
 */

static void show_log(const struct instance *in, const struct sv2_traced *t, const char *text)
{
	static const char *const signs[] = {
	    [SV2_TRACE_IN] = "<-", [SV2_TRACE_OUT] = "->", [SV2_TRACE_END] = "--"};
	char line[TEXT_MAX + 160];
	int n = snprintf(line, sizeof(line), "%s (%u) %s %s", t->peer, t->id, signs[t->what], text);

	if (n > 0)
		in->api->log(in->host, ADIT_LOG_TRACE, line, strnlen(line, sizeof(line)));
}

static void show_event(const struct instance *in, const struct sv2_traced *t, const char *text)
{
	struct json_object *o = json_object_new_object();
	const char *json;

	(void)json_object_object_add(o, "connection", json_object_new_int64(t->id));
	(void)json_object_object_add(o, "peer", json_object_new_string(t->peer));
	(void)json_object_object_add(o, "direction", json_object_new_string(directions[t->what]));
	(void)json_object_object_add(o, "text", json_object_new_string(text));
	json = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	(void)in->api->publish(in->host, EVENT, json, strlen(json), NULL, 0);
	(void)json_object_put(o);
}

/* The text of what happened; the caller frees OUT. The printer escapes what is not printable. */
static void print_traced(const struct sv2_traced *t, struct buf *out)
{
	out->limit = TEXT_MAX;
	if (t->what == SV2_TRACE_END)
		(void)buf_printf(out, "ends: %s", t->reason);
	else if (!sv2_print(out, t->message, t->body, SV2_PRINT_TEXT)) {
		out->limit += 5;
		out->failed = false;
		(void)buf_append(out, " ...", 4);
	}
	(void)buf_append_u8(out, 0);
}

static void on_end_timer(void *user)
{
	struct instance *in = user;

	trace_end(in, in->trace.left == 0 ? "as many messages as were asked for"
					  : "as long as was asked for");
}

static void on_traced(void *user, const struct sv2_traced *t)
{
	struct instance *in = user;
	struct trace *trace = &in->trace;
	struct buf text = {0};
	bool event = in->api->event_wanted(in->host, EVENT);
	bool log = in->api->log_enabled(in->host, ADIT_LOG_TRACE);

	if (trace->left == 0 || (!event && !log))
		return;
	print_traced(t, &text);
	if (!text.failed && log)
		show_log(in, t, (const char *)text.data);
	if (!text.failed && event)
		show_event(in, t, (const char *)text.data);
	buf_free(&text);
	if (--trace->left > 0)
		return;
	/* Not from inside of the connection. */
	in->api->timer_cancel(in->host, trace->timer);
	if (in->api->timer_add(in->host, 0, 0, on_end_timer, in, NULL, &trace->timer) != ADIT_OK)
		trace->timer = 0;
}

/* As before there was a trace. */
static void trace_clear(struct instance *in)
{
	struct trace *trace = &in->trace;
	uint32_t count;

	trace->on = false;
	if (trace->timer != 0)
		in->api->timer_cancel(in->host, trace->timer);
	trace->timer = 0;
	trace_set(in, 0, NULL, &count);
}

void trace_end(struct instance *in, const char *reason)
{
	char json[160];
	int n;

	if (!in->trace.on)
		return;
	trace_clear(in);
	n = snprintf(json, sizeof(json), "{\"direction\":\"off\",\"text\":\"the trace ends: %s\"}",
		     reason);
	if (n > 0 && in->api->event_wanted(in->host, EVENT))
		(void)in->api->publish(in->host, EVENT, json, (size_t)n, NULL, 0);
}

void trace_client(struct instance *in, struct sv2_client *client)
{
	if (in->trace.on && in->trace.connection == 0)
		(void)sv2_client_trace(client, 0, &in->trace.tracer);
}

/* --- methods -----------------------------------------------------------------------------------
 */

struct wish {
	int64_t connection;
	int64_t messages;
	int64_t seconds;
};

/* *VALUE stays as it is without KEY; false when it is no number from 1 to MOST. */
static bool read_number(struct json_object *o, const char *key, int64_t most, int64_t *value)
{
	struct json_object *member;

	if (!json_object_object_get_ex(o, key, &member))
		return true;
	if (!json_object_is_type(member, json_type_int))
		return false;
	*value = json_object_get_int64(member);
	return *value >= 1 && *value <= most;
}

static bool read_wish(const struct adit_request_info *info, struct wish *w)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *o =
	    tokener != NULL && info->json_size <= 4096
		? json_tokener_parse_ex(tokener, info->json, (int)info->json_size)
		: NULL;
	struct json_object *member;
	bool good;

	*w = (struct wish){.messages = MESSAGES_DEFAULT, .seconds = SECONDS_DEFAULT};
	good = json_object_is_type(o, json_type_object) &&
	       json_object_object_get_ex(o, "connection", &member);
	if (good && (!json_object_is_type(member, json_type_string) ||
		     strcmp(json_object_get_string(member), "all") != 0))
		good = read_number(o, "connection", UINT32_MAX, &w->connection);
	good = good && read_number(o, "messages", MESSAGES_MAX, &w->messages) &&
	       read_number(o, "seconds", SECONDS_MAX, &w->seconds);
	(void)json_object_put(o);
	if (tokener != NULL)
		json_tokener_free(tokener);
	return good;
}

static void answer_count(const struct instance *in, struct adit_request *request, uint32_t count)
{
	char json[64];
	int n = snprintf(json, sizeof(json), "{\"connections\":%" PRIu32 "}", count);

	in->api->reply(in->host, request, ADIT_OK, NULL, json, (size_t)n, NULL, 0);
}

static void on_start(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct instance *in = user;
	struct trace *trace = &in->trace;
	struct wish w;
	uint32_t count;

	if (!read_wish(info, &w)) {
		in->api->reply(in->host, request, ADIT_E_INVALID_ARGUMENT,
			       "expected {\"connection\": NUMBER or \"all\"}, and perhaps "
			       "\"messages\": 1..1000000, \"seconds\": 1..86400",
			       NULL, 0, NULL, 0);
		return;
	}
	trace_clear(in);
	trace->tracer = (struct sv2_tracer){.traced = on_traced, .user = in};
	trace->connection = (uint32_t)w.connection;
	trace->left = (uint64_t)w.messages;
	trace_set(in, trace->connection, &trace->tracer, &count);
	trace->on = true;
	/* Of the workers that are asked one has the connection; the others have nothing to say. */
	if (count == 0 && w.connection != 0)
		trace_clear(in);
	else if (in->api->timer_add(in->host, (uint32_t)w.seconds * 1000, 0, on_end_timer, in, NULL,
				    &trace->timer) != ADIT_OK)
		trace_end(in, "no timer");
	answer_count(in, request, count);
}

static void on_stop(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct instance *in = user;

	(void)info;
	trace_end(in, "it was stopped");
	answer_count(in, request, 0);
}

int32_t trace_register(struct instance *in)
{
	int32_t r =
	    in->api->register_method(in->host, "trace_start", ADIT_METHOD_ALL, on_start, in, NULL);

	if (r != ADIT_OK)
		return r;
	return in->api->register_method(in->host, "trace_stop", ADIT_METHOD_ALL, on_stop, in, NULL);
}
