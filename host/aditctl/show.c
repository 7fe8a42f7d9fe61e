/* SPDX-License-Identifier: MIT */
/* show.c: `status` and `roles`. */
#include "config.h"

#include "host/aditctl/commands.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "host/aditctl/json.h"
#include "host/aditctl/text.h"

#define ANSWER_MS 15000

/* --- helpers ------------------------------------------------------------------------------------
 */

static enum style state_style(const char *state)
{
	if (strcmp(state, "running") == 0 || strcmp(state, "ready") == 0)
		return STYLE_GOOD;
	if (strcmp(state, "failing") == 0)
		return STYLE_BAD;
	if (strcmp(state, "disabled") == 0 || strcmp(state, "stopped") == 0)
		return STYLE_FAINT;
	return STYLE_WARN;
}

static void put_clean(const char *text)
{
	char clean[TABLE_CELL_MAX];

	text_clean(text, clean, sizeof(clean));
	fputs(clean, stdout);
}

/* The strings of ARRAY, comma-separated. */
static void join(struct json_object *array, char *out, size_t capacity)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < json_count(array) && used < capacity; i++) {
		struct json_object *item = json_element(array, i);
		int n;

		if (!json_object_is_type(item, json_type_string))
			continue;
		n = snprintf(out + used, capacity - used, "%s%s", used > 0 ? ", " : "",
			     json_object_get_string(item));
		used += n > 0 ? (size_t)n : 0;
	}
}

/* TEXT, made safe, in STYLE. */
static void terminal_put_clean(const struct options *o, enum style style, const char *text)
{
	char clean[TABLE_CELL_MAX];

	text_clean(text, clean, sizeof(clean));
	terminal_put(&o->terminal, stdout, style, clean);
}

/* --- status -------------------------------------------------------------------------------------
 */

static void show_host(const struct options *o, struct json_object *status)
{
	char up[TEXT_UNIT_SIZE];

	terminal_put(&o->terminal, stdout, STYLE_HEADING, "adit ");
	put_clean(json_text(status, "version", "?"));
	text_duration(json_integer(status, "uptime_ms", -1), up, sizeof(up));
	printf("  pid %" PRId64 "  up %s  network ", json_integer(status, "pid", -1), up);
	put_clean(json_text(status, "network", "?"));
	fputs("  ", stdout);
	put_clean(json_text(status, "config", ""));
	fputc('\n', stdout);
}

/* Seconds since the Unix time TIME, as an age; clocks may differ by a little. */
static void age(int64_t when, char *out, size_t capacity)
{
	int64_t now = (int64_t)time(NULL);

	if (when <= 0 || when > now + 7200)
		snprintf(out, capacity, "-");
	else
		text_duration(when < now ? (now - when) * 1000 : 0, out, capacity);
}

static void show_node(const struct options *o, struct json_object *node)
{
	char text[TABLE_CELL_MAX], unit[TEXT_UNIT_SIZE], tip[TEXT_UNIT_SIZE];
	const char *detail = json_text(node, "detail", "");

	if (node == NULL)
		return;
	terminal_put(&o->terminal, stdout, STYLE_HEADING, "node ");
	put_clean(json_text(node, "backend", "?"));
	fputs("  ", stdout);
	text_clean(json_text(node, "state", "?"), text, sizeof(text));
	terminal_put(&o->terminal, stdout, state_style(text), text);
	age(json_integer(node, "tip_time", 0), tip, sizeof(tip));
	if (json_integer(node, "height", -1) == 0) /* its age says nothing about the node */
		printf("  height 0  tip genesis");
	else
		printf("  height %" PRId64 "  tip %s old", json_integer(node, "height", -1), tip);
	text_difficulty(json_number(node, "difficulty", -1), unit, sizeof(unit));
	printf("  difficulty %s  mempool %" PRId64 "  blocks accepted %" PRId64
	       ", rejected %" PRId64,
	       unit, json_integer(node, "mempool_tx", 0), json_integer(node, "blocks_accepted", 0),
	       json_integer(node, "blocks_rejected", 0));
	if (*detail != '\0') {
		fputs("  ", stdout);
		put_clean(detail);
	}
	fputc('\n', stdout);
}

/* What a role says of itself; when it is in trouble, how it ended last. */
static void role_text(struct json_object *role, char *out, size_t capacity)
{
	const char *text = json_text(role, "text", "");
	const char *exit = json_text(role, "last_exit", "");
	bool running = strcmp(json_text(role, "state", ""), "running") == 0;

	if (*exit != '\0' && !running && strcmp(exit, text) != 0)
		snprintf(out, capacity, "%.*s%s%.*s", (int)capacity / 3, exit,
			 *text != '\0' ? "; " : "", (int)capacity / 2, text);
	else
		snprintf(out, capacity, "%s", text);
}

/* A row a worker; the role's own row when it has none. */
static void add_role(struct table *t, struct json_object *role)
{
	struct json_object *workers = json_array_member(role, "workers");
	size_t rows = json_count(workers) > 0 ? json_count(workers) : 1;
	const char *state = json_text(role, "state", "?");
	char text[TABLE_CELL_MAX];

	role_text(role, text, sizeof(text));
	for (size_t i = 0; i < rows; i++) {
		struct json_object *worker = json_element(workers, i);
		const char *worker_state = json_text(worker, "state", state);

		table_add(t, STYLE_PLAIN,
			  rows > 1 ? json_text(worker, "name", "?") : json_text(role, "name", "?"));
		table_add(t, state_style(worker_state), worker_state);
		table_add(t, STYLE_PLAIN, json_text(role, "process", "-"));
		if (json_integer(worker, "pid", 0) > 0)
			table_addf(t, STYLE_PLAIN, "%" PRId64, json_integer(worker, "pid", 0));
		else
			table_add(t, STYLE_PLAIN, "-");
		table_add_duration(t, json_integer(worker, "uptime_ms", -1));
		if (i == 0)
			table_add_count(t, json_integer(role, "restarts", 0));
		else
			table_add(t, STYLE_PLAIN, "");
		table_add(t, STYLE_PLAIN, i == 0 ? text : "");
	}
}

static void show_roles(const struct options *o, struct json_object *roles)
{
	struct table t;

	table_init(&t, "ROLE|STATE|PROCESS|>PID|>UP|>RESTARTS|TEXT");
	for (size_t i = 0; i < json_count(roles); i++)
		add_role(&t, json_element(roles, i));
	if (t.used > 0)
		fputc('\n', stdout);
	table_print(&t, stdout, &o->terminal);
	table_free(&t);
}

static void add_miner(struct table *t, struct json_object *miner)
{
	table_add(t, STYLE_PLAIN, json_text(miner, "channel", "?"));
	table_add(t, STYLE_PLAIN, json_text(miner, "user", ""));
	table_add(t, STYLE_PLAIN, json_text(miner, "kind", ""));
	table_add_hashrate(t, json_number(miner, "hashrate", -1));
	table_add_difficulty(t, json_number(miner, "difficulty", -1));
	table_add_count(t, json_integer(miner, "accepted", -1));
	table_add_count(t, json_integer(miner, "rejected", -1));
	table_add_duration(t, json_integer(miner, "last_share_ms", -1));
}

static void show_miners(const struct options *o, struct json_object *roles)
{
	struct table t;

	table_init(&t, "MINER|USER|KIND|>HASHRATE|>DIFFICULTY|>ACCEPTED|>REJECTED|>LAST SHARE");
	for (size_t i = 0; i < json_count(roles); i++) {
		struct json_object *workers = json_array_member(json_element(roles, i), "workers");

		for (size_t k = 0; k < json_count(workers); k++) {
			struct json_object *status =
			    json_member(json_element(workers, k), "status");
			struct json_object *miners = json_array_member(status, "miners");

			for (size_t m = 0; m < json_count(miners); m++)
				add_miner(&t, json_element(miners, m));
		}
	}
	if (t.used > 0)
		fputc('\n', stdout);
	table_print(&t, stdout, &o->terminal);
	table_free(&t);
}

static enum style upstream_style(const char *state)
{
	if (strcmp(state, "active") == 0)
		return STYLE_GOOD;
	return strcmp(state, "cooling") == 0 ? STYLE_WARN : STYLE_PLAIN;
}

/* A pool that a proxy works for, or may. */
static void add_upstream(struct table *t, const char *role, struct json_object *upstream)
{
	const char *state = json_text(upstream, "state", "?");

	table_add(t, STYLE_PLAIN, role);
	table_add(t, STYLE_PLAIN, json_text(upstream, "name", "?"));
	table_add(t, STYLE_PLAIN, json_text(upstream, "address", ""));
	table_add(t, upstream_style(state), state);
	table_add(t, STYLE_PLAIN, json_text(upstream, "mode", "-"));
	table_add_duration(t, json_integer(upstream, "since_ms", -1));
	table_add_count(t, json_integer(upstream, "jobs_acknowledged", -1));
	table_add_count(t, json_integer(upstream, "shares_accepted", -1));
	table_add_count(t, json_integer(upstream, "shares_refused", -1));
	table_add(t, STYLE_PLAIN, json_text(upstream, "fault_text", ""));
}

static void show_upstreams(const struct options *o, struct json_object *roles)
{
	struct table t;

	table_init(
	    &t, "UPSTREAM OF|NAME|ADDRESS|STATE|MODE|>SINCE|>JOBS|>ACCEPTED|>REFUSED|LAST FAULT");
	for (size_t i = 0; i < json_count(roles); i++) {
		struct json_object *workers = json_array_member(json_element(roles, i), "workers");

		for (size_t k = 0; k < json_count(workers); k++) {
			struct json_object *worker = json_element(workers, k);
			struct json_object *list =
			    json_array_member(json_member(worker, "status"), "upstreams");

			for (size_t m = 0; m < json_count(list); m++)
				add_upstream(&t, json_text(worker, "name", "?"),
					     json_element(list, m));
		}
	}
	if (t.used > 0)
		fputc('\n', stdout);
	table_print(&t, stdout, &o->terminal);
	table_free(&t);
}

/* A row for each reader of a ring; one without a reader when it has none. */
static void add_ring(struct table *t, struct json_object *ring)
{
	struct json_object *readers = json_array_member(ring, "readers");
	size_t rows = json_count(readers) > 0 ? json_count(readers) : 1;

	for (size_t i = 0; i < rows; i++) {
		struct json_object *reader = json_element(readers, i);

		table_add(t, STYLE_PLAIN, i == 0 ? json_text(ring, "producer", "?") : "");
		if (i == 0)
			table_add_count(t, json_integer(ring, "written", -1));
		else
			table_add(t, STYLE_PLAIN, "");
		table_add(t, STYLE_PLAIN, json_text(reader, "name", "-"));
		table_add_count(t, json_integer(reader, "behind", -1));
		table_add_count(t, json_integer(reader, "lost", -1));
	}
}

static void show_share_log(const struct options *o, struct json_object *rings)
{
	struct table t;

	table_init(&t, "SHARE LOG|>WRITTEN|READER|>BEHIND|>LOST");
	for (size_t i = 0; i < json_count(rings); i++)
		add_ring(&t, json_element(rings, i));
	if (t.used > 0)
		fputc('\n', stdout);
	table_print(&t, stdout, &o->terminal);
	table_free(&t);
}

/* Asks METHOD and shows the answer with SHOW, or raw. */
static int ask_and_show(const struct options *o, const char *method,
			void (*show)(const struct options *, struct json_object *))
{
	struct json_object *result;
	struct control c;
	struct error e;
	int status = command_connect(o, &c);

	if (status != EXIT_OK)
		return status;
	if (control_request(&c, method, NULL, ANSWER_MS, &result, &e) != ADIT_OK) {
		status = command_failed(&c, &e);
	} else if (o->json) {
		json_print(stdout, result);
	} else if (!json_object_is_type(result, json_type_object)) {
		error_set(&e, ADIT_E_PROTOCOL, "the answer to `%s` is no object", method);
		status = command_failed(&c, &e);
	} else {
		show(o, result);
	}
	json_object_put(result);
	control_close(&c);
	return status;
}

/* What roles are denied, with the line that grants it: whole and alone, to be copied. */
static void show_denied(const struct options *o, struct json_object *roles)
{
	char text[TABLE_CELL_MAX];

	for (size_t i = 0; i < json_count(roles); i++) {
		struct json_object *role = json_element(roles, i);
		const char *remedy = json_text(role, "remedy", "");
		const char *place = strstr(remedy, ": grant = ");

		if (place == NULL)
			continue;
		fputc('\n', stdout);
		snprintf(text, sizeof(text), "%.80s", json_text(role, "name", "?"));
		terminal_put_clean(o, STYLE_WARN, text);
		join(json_array_member(role, "denied"), text, sizeof(text));
		fputs(" is denied ", stdout);
		put_clean(text);
		snprintf(text, sizeof(text), "%.*s", (int)(place - remedy), remedy);
		fputs("; if you trust its plugin, ", stdout);
		put_clean(text);
		fputs(":\n", stdout);
		put_clean(json_text(role, "grant", ""));
		fputc('\n', stdout);
	}
}

static void show_status(const struct options *o, struct json_object *status)
{
	struct json_object *roles = json_array_member(status, "roles");

	show_host(o, status);
	show_node(o, json_object_member(status, "node"));
	show_roles(o, roles);
	show_denied(o, roles);
	show_upstreams(o, roles);
	show_miners(o, roles);
	show_share_log(o, json_array_member(status, "share_log"));
}

int command_status(const struct options *o)
{
	return ask_and_show(o, "status", show_status);
}

/* --- roles --------------------------------------------------------------------------------------
 */

/* What the rows of RIGHTS say of the process of ROLE; its other roles follow. */
static void add_process_rights(struct table *t, struct json_object *roles, const char *process)
{
	bool first = true;
	char text[TABLE_CELL_MAX];

	for (size_t i = 0; i < json_count(roles); i++) {
		struct json_object *role = json_element(roles, i);

		if (!json_truth(role, "enabled", false) ||
		    strcmp(json_text(role, "process", ""), process) != 0)
			continue;
		if (first) {
			join(json_array_member(role, "process_rights"), text, sizeof(text));
			table_add(t, STYLE_PLAIN, process);
			table_add(t, STYLE_PLAIN, "all of it");
			table_add(t, STYLE_PLAIN, text);
		}
		first = false;
		join(json_array_member(role, "rights"), text, sizeof(text));
		table_add(t, STYLE_PLAIN, "");
		table_add(t, STYLE_PLAIN, json_text(role, "name", "?"));
		table_add(t, STYLE_PLAIN, text);
	}
}

/* What each process may do, which is what all its roles may together, and each role. */
static void show_rights(const struct options *o, struct json_object *roles)
{
	struct table t;

	table_init(&t, "PROCESS|ROLE|RIGHTS");
	for (size_t i = 0; i < json_count(roles); i++) {
		const char *process = json_text(json_element(roles, i), "process", "");
		bool seen = false;

		for (size_t k = 0; k < i && !seen; k++)
			seen =
			    json_truth(json_element(roles, k), "enabled", false) &&
			    strcmp(json_text(json_element(roles, k), "process", ""), process) == 0;
		if (!seen)
			add_process_rights(&t, roles, process);
	}
	if (t.used > 0)
		fputc('\n', stdout);
	table_print(&t, stdout, &o->terminal);
	table_free(&t);
}

static void show_installed(const struct options *o, struct json_object *result)
{
	struct json_object *roles = json_array_member(result, "roles");
	char text[TABLE_CELL_MAX];
	struct table t;

	table_init(&t, "ROLE|VERSION|STATE|PROCESS|>WORKERS|LISTEN|NEEDS|DESCRIPTION");
	for (size_t i = 0; i < json_count(roles); i++) {
		struct json_object *role = json_element(roles, i);
		const char *state = json_text(role, "state", "?");
		size_t workers = json_count(json_array_member(role, "workers"));

		table_add(&t, STYLE_PLAIN, json_text(role, "name", "?"));
		table_add(&t, STYLE_PLAIN, json_text(role, "version", "?"));
		table_add(&t, state_style(state), state);
		table_add(&t, STYLE_PLAIN, json_text(role, "process", "-"));
		if (workers > 0)
			table_addf(&t, STYLE_PLAIN, "%zu", workers);
		else
			table_add(&t, STYLE_PLAIN, "-");
		join(json_array_member(role, "listen"), text, sizeof(text));
		table_add(&t, STYLE_PLAIN, text);
		join(json_array_member(role, "dependencies"), text, sizeof(text));
		table_add(&t, STYLE_PLAIN, text);
		table_add(&t, STYLE_PLAIN, json_text(role, "description", ""));
	}
	table_print(&t, stdout, &o->terminal);
	table_free(&t);
	show_rights(o, roles);
	show_denied(o, roles);
}

int command_roles(const struct options *o)
{
	return ask_and_show(o, "roles", show_installed);
}
