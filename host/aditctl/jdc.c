/* SPDX-License-Identifier: MIT */
/* jdc.c: `jdc`: looks at a job declarator client and gives it another pool (adit-jdc(8)). */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/aditctl/commands.h"
#include "host/aditctl/json.h"
#include "host/aditctl/role_session.h"
#include "host/aditctl/text.h"

#define ROLE "jdc"

/* --- looking -----------------------------------------------------------------------------------
 */

static enum style state_style(const char *state)
{
	if (strcmp(state, "active") == 0)
		return STYLE_GOOD;
	return strcmp(state, "cooling") == 0 ? STYLE_BAD : STYLE_PLAIN;
}

static void add_pool(struct table *t, struct json_object *o)
{
	const char *state = json_text(o, "state", "?");
	const char *fault = json_text(o, "fault_text", NULL);

	table_add(t, STYLE_PLAIN, json_text(o, "name", "?"));
	table_add(t, STYLE_PLAIN, json_text(o, "address", ""));
	table_add(t, state_style(state), state);
	table_add_duration(t, json_integer(o, "since_ms", -1));
	table_add_duration(t, json_integer(o, "next_ms", -1));
	table_add(t, STYLE_PLAIN, json_text(o, "mode", ""));
	table_add_count(t, json_integer(o, "shares_sent", -1));
	table_add_count(t, json_integer(o, "shares_accepted", -1));
	table_add_count(t, json_integer(o, "shares_refused", -1));
	table_add(t, STYLE_PLAIN, fault != NULL ? fault : json_text(o, "fault", ""));
}

static void show_pools(const struct options *o, struct json_object *pools)
{
	struct table t;

	table_init(&t, "POOL|ADDRESS|STATE|>SINCE|>NEXT|MODE|>SENT|>ACCEPTED|>REFUSED|LAST FAULT");
	for (size_t i = 0; i < json_count(pools); i++)
		add_pool(&t, json_element(pools, i));
	if (t.used == 0)
		puts("no pools: each is a section [jdc/NAME] of the configuration");
	table_print(&t, stdout, &o->terminal);
	table_free(&t);
}

/* KEY of all POOLS summed up: what is no number or negative counts as 0. */
static int64_t sum(struct json_object *pools, const char *key)
{
	int64_t total = 0;

	for (size_t i = 0; i < json_count(pools); i++) {
		int64_t value = json_integer(json_element(pools, i), key, 0);

		if (value > 0)
			total = total > INT64_MAX - value ? INT64_MAX : total + value;
	}
	return total;
}

/* "NAME COUNT", with what separates it from the one before. */
static void put_count(const char *before, const char *name, int64_t count)
{
	char text[TEXT_UNIT_SIZE];

	text_count(count, text, sizeof(text));
	printf("%s%s %s", before, name, count < 0 ? "-" : text);
}

static void show_counts(struct json_object *o, struct json_object *pools)
{
	char order[TABLE_CELL_MAX], result[TABLE_CELL_MAX];

	put_count("jobs: ", "declared", sum(pools, "jobs_declared"));
	put_count(", ", "acknowledged", sum(pools, "jobs_acknowledged"));
	put_count(", ", "refused as stale", sum(pools, "jobs_stale"));
	put_count(", ", "dropped", sum(pools, "jobs_dropped"));
	put_count("\nshares: ", "held", json_integer(o, "held_shares", -1));
	put_count(", ", "held in vain", json_integer(o, "held_shares_dropped", -1));
	put_count(", ", "without a pool", json_integer(o, "lost_shares", -1));
	put_count("\ntimes: ", "solo", json_integer(o, "solo_times", -1));
	put_count(", ", "from pool to pool", json_integer(o, "switches", -1));
	fputc('\n', stdout);
	if (json_text(o, "order_result", NULL) == NULL)
		return;
	text_clean(json_text(o, "order", ""), order, sizeof(order));
	text_clean(json_text(o, "order_result", ""), result, sizeof(result));
	printf("order: %s%s%s\n", order, *order != '\0' ? ": " : "", result);
}

static void show_work(struct json_object *o)
{
	char pool[TABLE_CELL_MAX], mode[TABLE_CELL_MAX], rate[TEXT_UNIT_SIZE];

	text_clean(json_text(o, "upstream", ""), pool, sizeof(pool));
	text_clean(json_text(o, "mode", ""), mode, sizeof(mode));
	text_hashrate(json_number(o, "hashrate", -1), rate, sizeof(rate));
	if (*pool != '\0')
		printf("mining for %s, %s", pool, mode);
	else
		fputs(json_truth(o, "solo", false) ? "mining solo" : "looking for a pool", stdout);
	if (json_integer(o, "height", 0) > 0)
		printf(", at height %" PRId64, json_integer(o, "height", 0));
	else
		fputs(", no template yet: `aditctl status` says why", stdout);
	put_count("; ", "channels", json_integer(o, "channels", -1));
	printf(", %s\n", rate);
}

static int status(struct role_session *s)
{
	int status = EXIT_OK;
	struct json_object *answers = role_gather(s, s->role, "status", NULL, &status);

	if (answers == NULL)
		return status;
	if (s->o->json)
		json_print(stdout, answers);
	for (size_t i = 0; !s->o->json && i < json_count(answers); i++) {
		struct json_object *o = json_object_member(json_element(answers, i), "result");
		struct json_object *pools = json_array_member(o, "upstreams");

		if (o == NULL)
			continue;
		if (pools == NULL) {
			json_object_put(answers);
			return role_no_answer(s);
		}
		show_work(o);
		show_pools(s->o, pools);
		show_counts(o, pools);
	}
	status = role_report_errors(answers);
	json_object_put(answers);
	return status;
}

/* --- another pool ------------------------------------------------------------------------------
 */

static void show_order(struct json_object *result)
{
	char pool[TABLE_CELL_MAX], user[TABLE_CELL_MAX], mode[TABLE_CELL_MAX],
	    after[TEXT_UNIT_SIZE];

	text_clean(json_text(result, "pool_url", "?"), pool, sizeof(pool));
	text_clean(json_text(result, "user", "?"), user, sizeof(user));
	text_clean(json_text(result, "mode", "?"), mode, sizeof(mode));
	text_duration(json_integer(result, "rollback_after_ms", -1), after, sizeof(after));
	printf("trying %s for %s, %s; unless it gives work within %s, all is as before; `aditctl "
	       "jdc` shows\n",
	       pool, user, mode, after);
}

static int order(struct role_session *s, char **arguments)
{
	struct json_object *params = json_object_new_object(), *result;
	struct error e;
	int status = EXIT_OK;

	json_object_object_add(params, "pool_url", json_object_new_string(arguments[0]));
	json_object_object_add(params, "pool_user", json_object_new_string(arguments[1]));
	if (s->o->key != NULL)
		json_object_object_add(params, "authority_key", json_object_new_string(s->o->key));
	if (s->o->jds != NULL)
		json_object_object_add(params, "jds_url", json_object_new_string(s->o->jds));
	if (role_call(s, s->role, "update_pool_config", params, &result, &e) != ADIT_OK)
		return role_failed(s, &e);
	if (s->o->json)
		json_print(stdout, result);
	else if (json_object_is_type(result, json_type_object))
		show_order(result);
	else
		status = role_no_answer(s);
	json_object_put(result);
	return status;
}

/* --- the command -------------------------------------------------------------------------------
 */

static bool is_list(const char *name)
{
	return strcmp(name, "miners") == 0 || strcmp(name, "channels") == 0 ||
	       strcmp(name, "workers") == 0;
}

static int wrong(const char *problem)
{
	fprintf(stderr, "aditctl: jdc: %s; `aditctl --help` shows the usage\n", problem);
	return EXIT_USAGE;
}

int command_jdc(const struct options *o)
{
	const char *name = o->argument_count > 0 ? o->arguments[0] : "status";
	bool orders = strcmp(name, "order") == 0 && o->argument_count == 3;
	bool looks = strcmp(name, "status") == 0 && o->argument_count <= 1;
	bool lists = is_list(name) && o->argument_count == 1;
	struct options own = *o;
	struct role_session s;
	int result;

	if (!orders && !looks && !lists)
		return wrong("expected status, miners, channels, workers or order URL USER [--key "
			     "KEY] [--jds URL]");
	if (!orders && (o->key != NULL || o->jds != NULL))
		return wrong("--key and --jds go with order URL USER");
	if (!lists && o->count > 0)
		return wrong("there are no rows that -n could count");
	if (lists) { /* the methods are those of a pool */
		own.role = o->role != NULL ? o->role : ROLE;
		return command_pool(&own);
	}
	result = role_open(&s, o, ROLE);
	if (result != EXIT_OK)
		return result;
	result = orders ? order(&s, o->arguments + 1) : status(&s);
	control_close(&s.control);
	return result;
}
