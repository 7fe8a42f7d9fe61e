/* SPDX-License-Identifier: MIT */
/* describe.c: `describe` and `node`. */
#include "config.h"

#include "host/aditctl/commands.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "host/aditctl/json.h"
#include "host/aditctl/text.h"

#define ANSWER_MS 15000

static void put_clean(const char *text)
{
	char clean[1024];

	text_clean(text, clean, sizeof(clean));
	fputs(clean, stdout);
}

/* --- describe -----------------------------------------------------------------------------------
 */

static void put_key(const struct options *o, struct json_object *key)
{
	const char *fallback = json_text(key, "default", NULL);
	const char *range = json_text(key, "range", "");
	char name[TABLE_CELL_MAX];

	fputs("  ", stdout);
	text_clean(json_text(key, "key", "?"), name, sizeof(name));
	terminal_put(&o->terminal, stdout, STYLE_HEADING, name);
	if (fallback != NULL) {
		fputs(" = ", stdout);
		put_clean(fallback);
	}
	fputs("  (", stdout);
	put_clean(json_text(key, "type", "?"));
	if (*range != '\0' && strcmp(range, "-") != 0) {
		fputs(", ", stdout);
		put_clean(range);
	}
	printf("%s%s)\n      ", json_truth(key, "required", false) ? ", required" : "",
	       json_truth(key, "secret", false) ? ", secret" : "");
	put_clean(json_text(key, "help", ""));
	fputc('\n', stdout);
}

/* "needs    node >=0.1, sv2-server" */
static void put_list(const char *label, struct json_object *list, const char *key, const char *more)
{
	if (json_count(list) == 0)
		return;
	printf("%-14s", label);
	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *item = json_element(list, i);
		const char *text = json_object_is_type(item, json_type_string)
				       ? json_object_get_string(item)
				       : json_text(item, key, "?");
		const char *extra = more != NULL ? json_text(item, more, "") : "";

		fputs(i > 0 ? ", " : "", stdout);
		put_clean(text);
		fputs(*extra != '\0' ? " " : "", stdout);
		put_clean(extra);
		fputs(json_truth(item, "optional", false) ? " (optional)" : "", stdout);
	}
	fputc('\n', stdout);
}

static void show_described(const struct options *o, struct json_object *result)
{
	struct json_object *keys = json_array_member(result, "keys");
	bool role = json_text(result, "plugin", NULL) != NULL;
	char name[TABLE_CELL_MAX];

	text_clean(json_text(result, "name", "?"), name, sizeof(name));
	terminal_put(&o->terminal, stdout, STYLE_HEADING, name);
	if (role) {
		fputc(' ', stdout);
		put_clean(json_text(result, "version", ""));
		printf("  %s\n", json_truth(result, "enabled", false) ? "enabled" : "not enabled");
		put_clean(json_text(result, "description", ""));
		printf("\n%-14s", "author");
		put_clean(json_text(result, "author", "-"));
		printf("\n%-14s", "manifest");
		put_clean(json_text(result, "manifest", "-"));
		printf("\n%-14s", "workers");
		put_clean(json_text(result, "workers", "-"));
		if (*json_text(result, "aliases", "") != '\0') {
			printf("\n%-14s", "also called");
			put_clean(json_text(result, "aliases", ""));
		}
	}
	fputc('\n', stdout);
	put_list("needs", json_array_member(result, "dependencies"), "name", "version");
	put_list("capabilities", json_array_member(result, "capabilities"), "", NULL);
	put_list("methods", json_array_member(result, "methods"), "name", NULL);
	if (role && json_member(result, "methods") == NULL)
		printf("%-14sknown while it runs\n", "methods");
	printf("\nkeys of [%s]\n", name);
	for (size_t i = 0; i < json_count(keys); i++)
		put_key(o, json_element(keys, i));
	keys = json_array_member(result, "part_keys");
	if (json_count(keys) == 0)
		return;
	printf("\nkeys of [%s/NAME], one section for each ", name);
	put_clean(json_text(result, "part", "?"));
	fputc('\n', stdout);
	for (size_t i = 0; i < json_count(keys); i++)
		put_key(o, json_element(keys, i));
}

int command_describe(const struct options *o)
{
	struct json_object *params = json_object_new_object();
	struct json_object *result;
	struct control c;
	struct error e;
	int status = command_connect(o, &c);

	json_object_object_add(params, "role", json_object_new_string(o->arguments[0]));
	if (status == EXIT_OK) {
		if (control_request(&c, "describe", params, ANSWER_MS, &result, &e) != ADIT_OK)
			status = command_failed(&c, &e);
		else if (o->json)
			json_print(stdout, result);
		else
			show_described(o, result);
		json_object_put(result);
		control_close(&c);
	}
	json_object_put(params);
	return status;
}

/* --- node ---------------------------------------------------------------------------------------
 */

static int32_t ask_node(struct control *c, const char *method, struct json_object **result,
			struct error *e)
{
	struct json_object *params = json_object_new_object();
	int32_t code;

	json_object_object_add(params, "target", json_object_new_string("node"));
	json_object_object_add(params, "method", json_object_new_string(method));
	code = control_request(c, "call", params, ANSWER_MS, result, e);
	json_object_put(params);
	return code;
}

static void put_text(const char *label, struct json_object *object, const char *key)
{
	const char *text = json_text(object, key, "");

	if (*text == '\0')
		return;
	printf("%-16s", label);
	put_clean(text);
	fputc('\n', stdout);
}

/* A time with its age: "2026-11-21 10:00:00 UTC, 3m 12s ago"; of the genesis block no age. */
static void put_time(const char *label, int64_t when, bool genesis)
{
	time_t time_of_it = (time_t)when, now = time(NULL);
	char text[64], ago[TEXT_UNIT_SIZE];
	struct tm tm;

	if (when <= 0 || gmtime_r(&time_of_it, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		return;
	printf("%-16s%s", label, text);
	if (genesis) {
		fputs(", genesis", stdout);
	} else if (time_of_it <= now) {
		text_duration((int64_t)(now - time_of_it) * 1000, ago, sizeof(ago));
		printf(", %s ago", ago);
	}
	fputc('\n', stdout);
}

static void show_node_chain(struct json_object *status, struct json_object *chain)
{
	char text[TEXT_UNIT_SIZE];
	int64_t height = json_integer(chain, "height", json_integer(status, "height", -1));
	int64_t interval = json_integer(chain, "block_interval_ms", 0);

	printf("%-16s%" PRId64 "\n", "height", height);
	put_text("tip", chain != NULL ? chain : status, "hash");
	put_time("tip's time", json_integer(status, "tip_time", 0), height == 0);
	put_time("median time", json_integer(chain, "median_time", 0), height == 0);
	text_difficulty(json_number(status, "difficulty", -1), text, sizeof(text));
	printf("%-16s%s\n", "difficulty", text);
	put_text("bits", status, "bits");
	put_text("next bits", chain, "next_bits");
	if (interval > 0) {
		text_duration(interval, text, sizeof(text));
		printf("%-16s%s\n", "block interval", text);
	}
	if (json_truth(chain, "initial_block_download", false))
		printf("%-16sthe node is still downloading the chain\n", "note");
}

/* What the node lacks does not keep anyone from mining: it is said, and no more. */
static void show_node_missing(struct json_object *status)
{
	struct json_object *missing = json_array_member(status, "missing_methods");

	if (json_count(missing) == 0)
		return;
	printf("%-16s", "without");
	for (size_t i = 0; i < json_count(missing); i++) {
		const char *name = json_object_get_string(json_element(missing, i));

		fputs(i > 0 ? ", " : "", stdout);
		put_clean(name != NULL ? name : "?");
	}
	fputc('\n', stdout);
}

static void show_node_state(const struct options *o, struct json_object *status)
{
	const char *state = json_text(status, "state", "?");
	char text[TABLE_CELL_MAX];

	put_text("backend", status, "backend");
	put_text("version", status, "version");
	put_text("network", status, "network");
	printf("%-16s", "state");
	text_clean(state, text, sizeof(text));
	terminal_put(&o->terminal, stdout,
		     strcmp(state, "ready") == 0     ? STYLE_GOOD
		     : strcmp(state, "failing") == 0 ? STYLE_BAD
						     : STYLE_WARN,
		     text);
	fputc('\n', stdout);
	put_text("detail", status, "detail");
	put_text("ipc", status, "ipc");
	show_node_missing(status);
}

static void show_node_all(const struct options *o, struct json_object *status,
			  struct json_object *chain)
{
	show_node_state(o, status);
	show_node_chain(status, chain);
	printf("%-16s%" PRId64 " transactions", "mempool", json_integer(status, "mempool_tx", 0));
	if (json_integer(status, "mempool_tx_by_wtxid", 0) > 0)
		printf(", %" PRId64 " known by wtxid",
		       json_integer(status, "mempool_tx_by_wtxid", 0));
	fputc('\n', stdout);
	printf("%-16s%" PRId64 " accepted, %" PRId64 " rejected\n", "blocks",
	       json_integer(status, "blocks_accepted", 0),
	       json_integer(status, "blocks_rejected", 0));
	if (json_integer(status, "queries_limited", 0) > 0)
		printf("%-16s%" PRId64 " refused: too many (query_rate)\n", "queries",
		       json_integer(status, "queries_limited", 0));
}

int command_node(const struct options *o)
{
	struct json_object *status = NULL, *chain = NULL;
	struct control c;
	struct error e, why;
	int result = command_connect(o, &c);

	if (result != EXIT_OK)
		return result;
	if (ask_node(&c, "get_status", &status, &e) != ADIT_OK) {
		result = command_failed(&c, &e);
	} else {
		/* a node that is not ready has a status, but no chain */
		bool known = ask_node(&c, "get_chain_info", &chain, &why) == ADIT_OK;

		if (o->json) {
			struct json_object *both = json_object_new_object();

			json_object_object_add(both, "status", json_object_get(status));
			json_object_object_add(both, "chain", json_object_get(chain));
			json_print(stdout, both);
			json_object_put(both);
		} else {
			show_node_all(o, status, chain);
		}
		if (!known)
			result = command_failed(&c, &why);
	}
	json_object_put(status);
	json_object_put(chain);
	control_close(&c);
	return result;
}
