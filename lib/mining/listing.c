/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/listing.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/mining/answers.h"
#include "lib/mining/engine.h"
#include "lib/mining/work.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"

#define PAGE_DEFAULT 200
#define PAGE_MAX 2000

/* Which part of a list is wanted. */
struct page {
	uint32_t limit;
	struct miner_name after; /* zeros: from the beginning */
	uint32_t position;       /* of the table of workers: the same */
};

/* `after` as VALUE has it: a name, or with POSITIONS a number. What is WRONG with it, or NULL. */
static const char *read_after(const struct mining *mining, struct json_object *value,
			      bool positions, struct page *page)
{
	if (!value)
		return NULL;
	if (positions) {
		int64_t position =
		    json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;

		page->position = (uint32_t)position;
		return position >= 1 && position <= UINT32_MAX
			   ? NULL
			   : "after: expected the `next` of the page before, a number";
	}
	if (!json_object_is_type(value, json_type_string) ||
	    !miner_name_parse(mining, json_object_get_string(value), &page->after))
		return "after: expected the `next` of the page before, WORKER/CONNECTION/CHANNEL";
	return page->after.own ? NULL : "after: that is another worker; ask it by its name";
}

/* A page of COUNT things, LIST, which is consumed. NEXT: where the next one begins, NULL after the
 * last. */
static void answer_page(struct mining *mining, struct adit_request *request, const char *key,
			struct json_object *list, uint32_t count, const char *next)
{
	struct json_object *o = json_object_new_object();

	add_count(o, "count", count);
	json_object_object_add(o, key, list);
	add_text(o, "next", next);
	answer(mining, request, o);
}

/* False after the request was answered with what is wrong. */
static bool read_page(struct mining *mining, struct adit_request *request,
		      const struct adit_request_info *info, bool positions, struct page *page)
{
	struct json_object *params = read_params(mining, request, info);
	struct json_object *value;
	const char *wrong = NULL;

	if (!params)
		return false;
	*page = (struct page){.limit = PAGE_DEFAULT};
	if (json_object_object_get_ex(params, "after", &value))
		wrong = read_after(mining, value, positions, page);
	if (json_object_object_get_ex(params, "limit", &value)) {
		int64_t limit =
		    json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;

		if (limit < 1 || limit > PAGE_MAX)
			wrong = "limit: expected 1..2000";
		page->limit = (uint32_t)limit;
	}
	json_object_put(params);
	if (wrong)
		answer_error(mining, request, ADIT_E_INVALID_ARGUMENT, wrong);
	return !wrong;
}

static void add_age(struct json_object *o, uint64_t then_ms, uint64_t now_ms)
{
	json_object_object_add(o, "last_share_ms",
			       then_ms ? json_object_new_uint64(now_ms - then_ms) : NULL);
}

struct json_object *listing_reasons(const uint64_t *counts)
{
	struct json_object *o = json_object_new_object();

	for (int i = SHARE_INVALID_CHANNEL; i < SHARE_RESULTS; i++) {
		if (counts[i])
			add_count(o, share_result_code((enum share_result)i), counts[i]);
	}
	return o;
}

/* --- channels ----------------------------------------------------------------------------------
 */

struct json_object *listing_channel(const struct channel *channel, uint64_t now_ms)
{
	const struct channel_stats *stats = &channel->stats;
	struct json_object *o = json_object_new_object();
	char name[128];

	channel_name(channel, name, sizeof name);
	add_text(o, "channel", name);
	add_text(o, "user", channel->user);
	add_text(o, "kind", channel->standard ? "standard" : "extended");
	add_double(o, "hashrate", rate_get(&stats->rate, now_ms));
	add_count(o, "accepted", stats->accepted);
	add_count(o, "rejected", stats->rejected);
	add_count(o, "stale", stats->stale);
	add_double(o, "difficulty", target_difficulty(channel->target));
	add_double(o, "best_difficulty", stats->best_difficulty);
	add_age(o, stats->last_share_ms, now_ms);
	return o;
}

static struct json_object *detailed_channel(const struct channel *channel, uint64_t now_ms)
{
	struct json_object *o = listing_channel(channel, now_ms);
	char prefix[2 * EXTRANONCE_MAX + 1];

	hex_encode(channel->prefix, channel->prefix_size, prefix);
	json_object_object_add(o, "rejects", listing_reasons(channel->stats.reasons));
	json_object_object_add(o, "fixed_difficulty",
			       json_object_new_boolean(channel->vardiff.fixed_work > 0));
	add_text(o, "endpoint", adit_sv2_peer(channel->conn->sv2));
	add_text(o, "extranonce_prefix", prefix);
	add_hash(o, "target", channel->target);
	add_count(o, "jobs", channel->jobs.count);
	return o;
}

/* Connections come in the order of their numbers, channels of one in the order of theirs. */
static bool is_after(const struct page *page, uint32_t conn, uint32_t channel)
{
	return conn > page->after.conn ||
	       (conn == page->after.conn && channel > page->after.channel);
}

void on_list_channels(void *user, struct adit_request *request,
		      const struct adit_request_info *info)
{
	struct mining *mining = user;
	struct json_object *list;
	uint64_t now = clock_monotonic_ms();
	const struct channel *last = NULL;
	const struct mining_conn *conn;
	struct page page;
	char next[128];
	bool more = false;

	if (!read_page(mining, request, info, false, &page))
		return;
	list = json_object_new_array();
	TAILQ_FOREACH(conn, &mining->conns, link)
	{
		uint32_t number = adit_sv2_conn_id(conn->sv2);

		for (uint32_t i = 0; i < conn->count && !more; i++) {
			if (!is_after(&page, number, conn->channels[i]->id))
				continue;
			more = page.limit-- == 0;
			if (more)
				break;
			last = conn->channels[i];
			json_object_array_add(list, detailed_channel(last, now));
		}
	}
	if (last)
		channel_name(last, next, sizeof next);
	answer_page(mining, request, "channels", list, mining->channel_count,
		    more && last ? next : NULL);
}

/* --- connections -------------------------------------------------------------------------------
 */

static void conn_name(const struct mining_conn *conn, char *out, size_t capacity)
{
	snprintf(out, capacity, "%s/%u", conn->mining->info.worker_name,
		 adit_sv2_conn_id(conn->sv2));
}

/* What its channels have done together; those that were closed are not among them. */
struct conn_sum {
	uint64_t accepted;
	uint64_t rejected;
	uint64_t stale;
	uint64_t reasons[SHARE_RESULTS];
	uint64_t last_share_ms;
	double hashrate;
	double best_difficulty;
};

static void sum_channels(const struct mining_conn *conn, uint64_t now, struct conn_sum *sum)
{
	*sum = (struct conn_sum){.rejected = conn->unknown_channel};
	sum->reasons[SHARE_INVALID_CHANNEL] = conn->unknown_channel;
	for (uint32_t i = 0; i < conn->count; i++) {
		const struct channel_stats *stats = &conn->channels[i]->stats;

		sum->accepted += stats->accepted;
		sum->rejected += stats->rejected;
		sum->stale += stats->stale;
		for (int k = 0; k < SHARE_RESULTS; k++)
			sum->reasons[k] += stats->reasons[k];
		sum->hashrate += rate_get(&stats->rate, now);
		if (stats->last_share_ms > sum->last_share_ms)
			sum->last_share_ms = stats->last_share_ms;
		if (stats->best_difficulty > sum->best_difficulty)
			sum->best_difficulty = stats->best_difficulty;
	}
}

static struct json_object *miner_json(const struct mining_conn *conn, uint64_t now)
{
	struct json_object *o = json_object_new_object();
	struct conn_sum sum;
	char name[128];

	sum_channels(conn, now, &sum);
	conn_name(conn, name, sizeof name);
	add_text(o, "miner", name);
	add_text(o, "endpoint", adit_sv2_peer(conn->sv2));
	add_text(o, "user", conn->count > 0 ? conn->channels[0]->user : NULL);
	add_count(o, "channels", conn->count);
	add_count(o, "connected_ms", now - conn->opened_ms);
	add_double(o, "hashrate", sum.hashrate);
	add_count(o, "accepted", sum.accepted);
	add_count(o, "rejected", sum.rejected);
	add_count(o, "stale", sum.stale);
	json_object_object_add(o, "rejects", listing_reasons(sum.reasons));
	add_double(o, "best_difficulty", sum.best_difficulty);
	add_age(o, sum.last_share_ms, now);
	return o;
}

void on_list_miners(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct mining *mining = user;
	struct json_object *list;
	uint64_t now = clock_monotonic_ms();
	const struct mining_conn *last = NULL;
	const struct mining_conn *conn;
	struct page page;
	char next[128];

	if (!read_page(mining, request, info, false, &page))
		return;
	list = json_object_new_array();
	TAILQ_FOREACH(conn, &mining->conns, link)
	{
		if (adit_sv2_conn_id(conn->sv2) <= page.after.conn)
			continue;
		if (page.limit-- == 0)
			break;
		last = conn;
		json_object_array_add(list, miner_json(conn, now));
	}
	if (last)
		conn_name(last, next, sizeof next);
	answer_page(mining, request, "miners", list, mining->conn_count,
		    conn && last ? next : NULL);
}

/* --- jobs --------------------------------------------------------------------------------------
 */

static struct json_object *job_json(const struct template *t, const char *state)
{
	struct json_object *o = json_object_new_object();

	add_count(o, "job_id", t->job_id);
	add_text(o, "state", state);
	add_count(o, "template_id", t->id);
	add_text(o, "template_provider", t->provider ? t->provider->address : NULL);
	add_count(o, "height", t->height);
	add_count(o, "value", t->value);
	add_count(o, "merkle_depth", t->depth);
	if (t->announced && strcmp(state, "future") == 0)
		return o; /* its tip is not known yet */
	add_hash(o, "prev_hash", t->tip.prev_hash);
	add_hash(o, "target", t->tip.target);
	add_count(o, "min_ntime", t->tip.min_ntime);
	return o;
}

void on_list_jobs(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct mining *mining = user;
	uint32_t count;
	struct template *const *futures = work_futures(mining, &count);
	struct json_object *o = json_object_new_object();
	struct json_object *jobs = json_object_new_array();

	(void)info;
	if (mining->current)
		json_object_array_add(jobs, job_json(mining->current, "active"));
	for (uint32_t i = 0; i < count; i++) {
		if (futures[i]->announced)
			json_object_array_add(jobs, job_json(futures[i], "future"));
	}
	json_object_object_add(o, "jobs", jobs);
	answer(mining, request, o);
}

/* --- workers behind extended channels ----------------------------------------------------------
 */

static struct json_object *worker_json(const struct worker *worker, uint64_t now)
{
	struct json_object *o = json_object_new_object();
	char name[128];

	channel_name(worker->channel, name, sizeof name);
	add_text(o, "channel", name);
	add_text(o, "worker", worker->name);
	add_double(o, "hashrate", rate_get(&worker->rate, now));
	add_count(o, "accepted", worker->accepted);
	add_count(o, "rejected", worker->rejected);
	add_age(o, worker->last_share_ms, now);
	return o;
}

/* A page begins at a place in the table, where an entry stays as long as its channel lives. */
void on_list_workers(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct mining *mining = user;
	const struct workers *w = &mining->workers;
	uint64_t now = clock_monotonic_ms();
	struct json_object *o, *list;
	struct page page;
	uint32_t i;

	if (!read_page(mining, request, info, true, &page))
		return;
	o = json_object_new_object();
	list = json_object_new_array();
	for (i = page.position; w->entries && i < w->max; i++) {
		if (!w->entries[i].channel)
			continue;
		if (page.limit-- == 0)
			break;
		json_object_array_add(list, worker_json(&w->entries[i], now));
	}
	add_count(o, "count", w->count);
	add_count(o, "max", w->max);
	add_count(o, "unlisted_shares", w->unlisted);
	json_object_object_add(o, "workers", list);
	json_object_object_add(o, "next",
			       w->entries && i < w->max ? json_object_new_uint64(i) : NULL);
	answer(mining, request, o);
}
