/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/aditctl/pool_show.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "host/aditctl/json.h"
#include "host/aditctl/text.h"

/* --- lists -------------------------------------------------------------------------------------
 */

static void add_shares(struct table *t, struct json_object *o)
{
	table_add_count(t, json_integer(o, "accepted", -1));
	table_add_count(t, json_integer(o, "rejected", -1));
}

static void add_miner(struct table *t, struct json_object *o)
{
	table_add(t, STYLE_PLAIN, json_text(o, "miner", "?"));
	table_add(t, STYLE_PLAIN, json_text(o, "endpoint", ""));
	table_add(t, STYLE_PLAIN, json_text(o, "user", ""));
	table_add_count(t, json_integer(o, "channels", -1));
	table_add_hashrate(t, json_number(o, "hashrate", -1));
	add_shares(t, o);
	table_add_count(t, json_integer(o, "stale", -1));
	table_add_difficulty(t, json_number(o, "best_difficulty", -1));
	table_add_duration(t, json_integer(o, "last_share_ms", -1));
	table_add_duration(t, json_integer(o, "connected_ms", -1));
}

static void add_channel(struct table *t, struct json_object *o)
{
	char difficulty[TEXT_UNIT_SIZE];

	table_add(t, STYLE_PLAIN, json_text(o, "channel", "?"));
	table_add(t, STYLE_PLAIN, json_text(o, "user", ""));
	table_add(t, STYLE_PLAIN, json_text(o, "kind", ""));
	table_add_hashrate(t, json_number(o, "hashrate", -1));
	text_difficulty(json_number(o, "difficulty", -1), difficulty, sizeof(difficulty));
	table_addf(t, STYLE_PLAIN, "%s%s", json_truth(o, "fixed_difficulty", false) ? "fixed " : "",
		   difficulty);
	add_shares(t, o);
	table_add_count(t, json_integer(o, "stale", -1));
	table_add_difficulty(t, json_number(o, "best_difficulty", -1));
	table_add_duration(t, json_integer(o, "last_share_ms", -1));
	table_add(t, STYLE_PLAIN, json_text(o, "endpoint", ""));
}

static void add_worker(struct table *t, struct json_object *o)
{
	table_add(t, STYLE_PLAIN, json_text(o, "channel", "?"));
	table_add(t, STYLE_PLAIN, json_text(o, "worker", ""));
	table_add_hashrate(t, json_number(o, "hashrate", -1));
	add_shares(t, o);
	table_add_duration(t, json_integer(o, "last_share_ms", -1));
}

const struct pool_list *pool_list_find(const char *name)
{
	static const struct pool_list lists[] = {
	    {"get_connected_miners", "miners", "miners",
	     "MINER|ENDPOINT|USER|>CHANNELS|>HASHRATE|>ACCEPTED|>REJECTED|>STALE|>BEST SHARE|"
	     ">LAST SHARE|>CONNECTED",
	     add_miner},
	    {"list_channels", "channels", "channels",
	     "CHANNEL|USER|KIND|>HASHRATE|>DIFFICULTY|>ACCEPTED|>REJECTED|>STALE|>BEST SHARE|"
	     ">LAST SHARE|ENDPOINT",
	     add_channel},
	    {"list_workers", "workers", "workers",
	     "CHANNEL|WORKER|>HASHRATE|>ACCEPTED|>REJECTED|>LAST SHARE", add_worker},
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (strcmp(lists[i].word, name) == 0)
			return &lists[i];
	return NULL;
}

/* --- stats -------------------------------------------------------------------------------------
 */

static void add_stats(struct table *t, struct json_object *answer)
{
	struct json_object *o = json_object_member(answer, "result");
	int64_t seconds = json_integer(o, "uptime_seconds", -1);

	table_add(t, STYLE_PLAIN, json_text(answer, "worker", "?"));
	table_add_count(t, json_integer(o, "miner_count", -1));
	table_add_count(t, json_integer(o, "channel_count", -1));
	table_add_hashrate(t, json_number(o, "hashrate", -1));
	table_add_count(t, json_integer(o, "accepted_shares", -1));
	table_add_count(t, json_integer(o, "rejected_shares", -1));
	table_add_count(t, json_integer(o, "stale_shares", -1));
	table_add_difficulty(t, json_number(o, "best_difficulty", -1));
	table_add_count(t, json_integer(o, "blocks_found", -1));
	table_add_count(t, json_integer(o, "height", -1));
	table_add_duration(t, seconds > INT64_MAX / 1000 ? -1 : 1000 * seconds);
}

int64_t pool_sum(struct json_object *answers, const char *key)
{
	int64_t total = 0;

	for (size_t i = 0; i < json_count(answers); i++) {
		int64_t value =
		    json_integer(json_object_member(json_element(answers, i), "result"), key, 0);

		if (value > 0)
			total = total > INT64_MAX - value ? INT64_MAX : total + value;
	}
	return total;
}

static void add_total(struct table *t, struct json_object *answers)
{
	double hashrate = 0, best = 0;

	for (size_t i = 0; i < json_count(answers); i++) {
		struct json_object *o = json_object_member(json_element(answers, i), "result");

		hashrate += json_number(o, "hashrate", 0);
		best = fmax(best, json_number(o, "best_difficulty", 0));
	}
	table_add(t, STYLE_HEADING, "all");
	table_add_count(t, pool_sum(answers, "miner_count"));
	table_add_count(t, pool_sum(answers, "channel_count"));
	table_add_hashrate(t, hashrate);
	table_add_count(t, pool_sum(answers, "accepted_shares"));
	table_add_count(t, pool_sum(answers, "rejected_shares"));
	table_add_count(t, pool_sum(answers, "stale_shares"));
	table_add_difficulty(t, best);
	table_add_count(t, pool_sum(answers, "blocks_found"));
	table_add(t, STYLE_PLAIN, "");
	table_add(t, STYLE_PLAIN, "");
}

/* A row for each count of MEMBER, an object of counts, that is not 0. */
static void show_counts(const struct options *o, struct json_object *answers, const char *member,
			const char *headings)
{
	struct table t;

	table_init(&t, headings);
	for (size_t i = 0; i < json_count(answers); i++) {
		struct json_object *answer = json_element(answers, i);
		struct json_object *counts =
		    json_object_member(json_object_member(answer, "result"), member);

		if (counts == NULL)
			continue;
		json_object_object_foreach(counts, name, value)
		{
			if (!json_object_is_type(value, json_type_int) ||
			    json_object_get_int64(value) == 0)
				continue;
			table_add(&t, STYLE_PLAIN, json_text(answer, "worker", "?"));
			table_add(&t, STYLE_PLAIN, name);
			table_add_count(&t, json_object_get_int64(value));
		}
	}
	if (t.used > 0)
		fputc('\n', stdout);
	table_print(&t, stdout, &o->terminal);
	table_free(&t);
}

void pool_show_stats(const struct options *o, struct json_object *answers)
{
	struct table t;
	size_t rows = 0;

	table_init(&t, "WORKER|>MINERS|>CHANNELS|>HASHRATE|>ACCEPTED|>REJECTED|>STALE|>BEST SHARE|"
		       ">BLOCKS|>HEIGHT|>UP");
	for (size_t i = 0; i < json_count(answers); i++) {
		if (json_object_member(json_element(answers, i), "result") == NULL)
			continue;
		add_stats(&t, json_element(answers, i));
		rows++;
	}
	if (rows > 1)
		add_total(&t, answers);
	table_print(&t, stdout, &o->terminal);
	table_free(&t);
	show_counts(o, answers, "rejects", "WORKER|REJECTED|>SHARES");
	show_counts(o, answers, "limits", "WORKER|LIMITS|>TIMES");
}

/* --- work --------------------------------------------------------------------------------------
 */

static void add_job(struct table *t, struct json_object *answer, struct json_object *job)
{
	table_add(t, STYLE_PLAIN, json_text(answer, "worker", "?"));
	table_addf(t, STYLE_PLAIN, "%" PRId64, json_integer(job, "job_id", -1));
	table_add(t, STYLE_PLAIN, json_text(job, "state", "?"));
	table_addf(t, STYLE_PLAIN, "%" PRId64, json_integer(job, "height", -1));
	table_add_count(t, json_integer(job, "value", -1));
	table_add(t, STYLE_PLAIN, json_text(job, "template_provider", ""));
	table_add(t, STYLE_PLAIN, json_text(job, "prev_hash", "not known yet"));
}

void pool_show_jobs(const struct options *o, struct json_object *answers)
{
	struct table t;

	table_init(&t, "WORKER|>JOB|STATE|>HEIGHT|>SATOSHI|TEMPLATE PROVIDER|PREVIOUS BLOCK");
	for (size_t i = 0; i < json_count(answers); i++) {
		struct json_object *answer = json_element(answers, i);
		struct json_object *jobs =
		    json_array_member(json_object_member(answer, "result"), "jobs");

		for (size_t k = 0; k < json_count(jobs); k++)
			add_job(&t, answer, json_element(jobs, k));
	}
	if (t.used == 0)
		puts("no jobs: the pool has no template yet; `aditctl status` says why");
	table_print(&t, stdout, &o->terminal);
	table_free(&t);
}

/* Every member of OBJECT that is one value. */
static void show_members(const struct options *o, struct json_object *object, const char *headings)
{
	struct table t;

	table_init(&t, headings);
	if (object != NULL) {
		json_object_object_foreach(object, key, value)
		{
			if (value == NULL || json_object_is_type(value, json_type_object) ||
			    json_object_is_type(value, json_type_array))
				continue;
			table_add(&t, STYLE_PLAIN, key);
			table_add(&t, STYLE_PLAIN, json_object_get_string(value));
		}
	}
	table_print(&t, stdout, &o->terminal);
	table_free(&t);
}

void pool_show_template(const struct options *o, struct json_object *answer)
{
	struct json_object *t = json_object_member(answer, "template");

	if (t == NULL)
		puts("no template yet; `aditctl status` says why");
	show_members(o, t, "TEMPLATE|");
}

void pool_show_config(const struct options *o, struct json_object *answer)
{
	show_members(o, answer, "KEY|VALUE");
}
