/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"
#include "plugins/miningos/query.h"

#define POOL_TYPE "sv2"
#define HOUR_MS 3600000u
#define DAY_MS 86400000u
#define BTC 1e8
#define BLOCKS_A_DAY 144.0
#define WORKERS_MAX 100u
#define MHS 1e6
#define LIST_MAX 1000u

/* --- blocks --- */

void minerpool_found(struct miningos *m, struct json_object *data)
{
	struct minerpool *p = &m->minerpool;
	struct found_block *b = &p->blocks[p->next];

	*b = (struct found_block){.ts = mos_now_ms(), .height = get_count(data, "height", 0)};
	snprintf(b->hash, sizeof(b->hash), "%s", get_text(data, "block_hash", ""));
	snprintf(b->user, sizeof(b->user), "%s", get_text(data, "user", ""));
	if (m->template.value_height == b->height)
		b->value = m->template.value;
	p->next = (p->next + 1) % MINERPOOL_BLOCKS;
	if (p->count < MINERPOOL_BLOCKS)
		p->count++;
}

void minerpool_mined(struct miningos *m, struct json_object *data)
{
	struct minerpool *p = &m->minerpool;
	const char *hash = get_text(data, "block_hash", "");

	for (size_t i = 0; i < p->count; i++) {
		if (strcmp(p->blocks[i].hash, hash) == 0)
			p->blocks[i].accepted = true;
	}
}

/* The INDEXth from the newest on; NULL past the oldest. */
static const struct found_block *block_at(const struct minerpool *p, size_t index)
{
	return index < p->count
		   ? &p->blocks[(p->next + MINERPOOL_BLOCKS - 1 - index) % MINERPOOL_BLOCKS]
		   : NULL;
}

/* BTC of accepted blocks since START. */
static double revenue_since(const struct minerpool *p, uint64_t start)
{
	const struct found_block *b;
	double sum = 0;

	for (size_t i = 0; (b = block_at(p, i)) != NULL && b->ts >= start; i++)
		sum += b->accepted ? (double)b->value / BTC : 0;
	return sum;
}

/* --- stats --- */

/* The mean hash rate of the last SPAN_MS, H/s. */
static double mean_rate(const struct miningos *m, uint64_t span_ms, double now)
{
	const struct log *log = logs_find(&m->logs, "stat-5m", "t-miner");
	uint64_t end = mos_now_ms();
	double sum = now;
	size_t count = 1;
	const struct log_entry *entry;

	for (size_t i = 0;
	     log != NULL && (entry = log_at(log, i)) != NULL && entry->ts + span_ms > end; i++) {
		struct json_object *o;

		if (entry->json == NULL || !parse_json(entry->json, strlen(entry->json), &o))
			continue;
		sum += get_double(o, "hashrate_mhs_5m_sum", 0) * MHS;
		count++;
		json_object_put(o);
	}
	return sum / (double)count;
}

static double stale_part(const struct miningos *m)
{
	const struct share_counts *s = &m->series.shares;
	uint64_t all = s->accepted + s->stale;

	return all > 0 ? (double)s->stale / (double)all : 0;
}

/* What a day of RATE (H/s) finds on average, BTC. */
static double daily_income(const struct miningos *m, double rate)
{
	double difficulty = get_double(m->node_stats.now, "difficulty", 0);
	double blocks;

	if (difficulty <= 0)
		return 0;
	/* No more than the chain has: the difficulty follows who is faster. */
	blocks = fmin(rate * 86400 / (difficulty * 4294967296.0), BLOCKS_A_DAY);
	return blocks * (double)m->template.value / BTC;
}

static struct json_object *yearly_balances(const struct minerpool *p)
{
	struct json_object *list = json_object_new_array(), *months = json_object_new_object();
	const struct found_block *b;

	for (size_t i = 0; (b = block_at(p, i)) != NULL; i++) {
		time_t seconds = (time_t)(b->ts / 1000);
		struct tm tm;
		char month[32];

		gmtime_r(&seconds, &tm);
		(void)snprintf(month, sizeof(month), "%02d-%d", tm.tm_mon + 1, tm.tm_year + 1900);
		if (b->accepted)
			add_double(months, month,
				   get_double(months, month, 0) + (double)b->value / BTC);
	}
	json_object_object_foreach(months, key, sum)
	{
		struct json_object *o = json_object_new_object();

		add_text(o, "month", key);
		add_object(o, "balance", json_object_get(sum));
		json_object_array_add(list, o);
	}
	json_object_put(months);
	return list;
}

static struct json_object *account(const struct miningos *m)
{
	struct json_object *o = json_object_new_object();
	uint64_t now = mos_now_ms(), workers = 0, active = 0;
	double rate = 0, hour, day;

	for (size_t i = 0; i < m->things.count; i++) {
		const struct snapshot *s = &m->things.list[i]->snap;

		workers++;
		active += s->status == THING_MINING;
		rate += s->mhs_5m * MHS;
	}
	hour = mean_rate(m, HOUR_MS, rate);
	day = mean_rate(m, DAY_MS, rate);
	add_text(o, "poolType", POOL_TYPE);
	add_text(o, "username", m->settings.rack_id);
	add_count(o, "timestamp", now);
	/* A block pays at once: nothing is owed, and what was paid is in the wallet. */
	add_double(o, "balance", 0);
	add_double(o, "unsettled", 0);
	add_double(o, "revenue_24h", revenue_since(&m->minerpool, now - DAY_MS));
	add_double(o, "estimated_today_income", daily_income(m, rate));
	add_double(o, "hashrate", rate);
	add_double(o, "hashrate_1h", hour);
	add_double(o, "hashrate_24h", day);
	add_double(o, "hashrate_stale_1h", hour * stale_part(m));
	add_double(o, "hashrate_stale_24h", day * stale_part(m));
	add_count(o, "worker_count", workers);
	add_count(o, "active_workers_count", active);
	add_object(o, "yearlyBalances", yearly_balances(&m->minerpool));
	return o;
}

static struct json_object *stats(const struct miningos *m)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	json_object_array_add(list, account(m));
	add_count(o, "ts", mos_now_ms());
	add_object(o, "stats", list);
	return o;
}

void minerpool_sample(struct miningos *m, uint64_t ts)
{
	if (m->settings.minerpool_enabled)
		logs_add(&m->logs, "pool-stats", POOL_TYPE, ts, stats(m));
}

/* --- answers by key --- */

struct asked {
	struct miningos *m;
	struct json_object *query;
	uint64_t start, end;
	size_t offset, limit;
};

static struct json_object *answer_stats(const struct asked *a)
{
	return stats(a->m);
}

static uint64_t span_of(const char *interval)
{
	return strcmp(interval, "5m") == 0    ? 300000
	       : strcmp(interval, "30m") == 0 ? 1800000
	       : strcmp(interval, "3h") == 0  ? 10800000
	       : strcmp(interval, "1D") == 0  ? DAY_MS
					      : 0;
}

/* The accounts in entries of LIST from *INDEX on that are of the same span, as one with their mean.
 */
static struct json_object *mean_of_span(struct json_object *list, size_t *index, uint64_t span)
{
	struct json_object *group = json_object_new_array(), *accounts = json_object_new_array();
	struct json_object *first = json_object_array_get_idx(list, *index);
	struct json_object *entry = json_object_new_object();
	uint64_t number = get_count(first, "ts", 0) / span;

	for (; *index < json_object_array_length(list); (*index)++) {
		struct json_object *one = json_object_array_get_idx(list, *index);
		struct json_object *members = get_member(one, "stats");

		if (get_count(one, "ts", 0) / span != number)
			break;
		if (json_object_is_type(members, json_type_array))
			json_object_array_add(
			    group, json_object_get(json_object_array_get_idx(members, 0)));
	}
	add_object(entry, "ts", json_object_get(get_member(first, "ts")));
	json_object_array_add(accounts, logs_mean(group));
	add_object(entry, "stats", accounts);
	json_object_put(group);
	return entry;
}

static struct json_object *answer_history(const struct asked *a)
{
	const struct log *log = logs_find(&a->m->logs, "pool-stats", POOL_TYPE);
	struct log_range range = {.start = a->start, .end = a->end, .limit = LIST_MAX};
	uint64_t span = span_of(get_text(a->query, "interval", "5m"));
	struct json_object *list, *out;

	if (log == NULL)
		return json_object_new_array();
	list = log_read(log, &range);
	if (span <= 300000)
		return list;
	out = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(list);)
		json_object_array_add(out, mean_of_span(list, &i, span));
	json_object_put(list);
	return out;
}

static struct json_object *worker(const struct miningos *m, const struct thing *t)
{
	struct json_object *o = json_object_new_object();
	double rate = t->snap.mhs_5m * MHS;

	add_text(o, "poolType", POOL_TYPE);
	add_text(o, "username", m->settings.rack_id);
	add_text(o, "id", t->id);
	add_text(o, "name", get_text(t->opts, "user", t->code));
	add_count(o, "online", t->snap.status == THING_MINING);
	add_count(o, "last_updated", t->last_share_ms != 0 ? t->last_share_ms : t->snap.ts);
	add_double(o, "hashrate", rate);
	add_double(o, "hashrate_1h", t->snap.mhs_30m * MHS);
	add_double(o, "hashrate_24h", t->snap.mhs_avg * MHS);
	add_double(o, "hashrate_stale_1h", 0);
	add_double(o, "hashrate_stale_24h", 0);
	return o;
}

static struct json_object *answer_workers(const struct asked *a)
{
	const char *name = get_text(a->query, "name", NULL);
	size_t limit = a->limit < WORKERS_MAX ? a->limit : WORKERS_MAX, skipped = 0;
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	for (size_t i = 0; i < a->m->things.count && json_object_array_length(list) < limit; i++) {
		const struct thing *t = a->m->things.list[i];

		if (name != NULL && strstr(get_text(t->opts, "user", t->code), name) == NULL)
			continue;
		if (skipped++ >= a->offset)
			json_object_array_add(list, worker(a->m, t));
	}
	add_count(o, "ts", mos_now_ms());
	add_object(o, "workers", list);
	return o;
}

static struct json_object *answer_workers_count(const struct asked *a)
{
	struct json_object *list = json_object_new_array(), *o = json_object_new_object();

	add_count(o, "ts", mos_now_ms());
	add_count(o, "count", a->m->things.count);
	json_object_array_add(list, o);
	return list;
}

static struct json_object *block_json(const struct found_block *b)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "hash", b->hash);
	add_count(o, "height", b->height);
	add_count(o, "ts", b->ts);
	add_text(o, "user", b->user);
	add_double(o, "reward", (double)b->value / BTC);
	add_bool(o, "accepted", b->accepted);
	return o;
}

static struct json_object *answer_blocks(const struct asked *a)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	const struct found_block *b;

	for (size_t i = 0; (b = block_at(&a->m->minerpool, i)) != NULL && b->ts >= a->start; i++) {
		if (b->ts <= a->end)
			json_object_array_add(list, block_json(b));
	}
	add_count(o, "ts", mos_now_ms());
	add_object(o, "blocksData", list);
	return o;
}

/* An accepted block is a payment: its coinbase. */
static struct json_object *payment(const struct miningos *m, const struct found_block *b)
{
	struct json_object *entry = json_object_new_object(), *list = json_object_new_array(),
			   *o = json_object_new_object(), *extra = json_object_new_object();

	add_text(o, "username", m->settings.rack_id);
	add_count(o, "satoshis_net_earned", b->value);
	add_double(o, "changed_balance", (double)b->value / BTC);
	add_double(extra, "hash_rate", get_double(m->node_stats.now, "hash_rate", 0));
	add_object(o, "mining_extra", extra);
	json_object_array_add(list, o);
	add_count(entry, "ts", b->ts);
	add_object(entry, "transactions", list);
	return entry;
}

/* {ts, hourlyRevenues}: of accepted blocks. */
static struct json_object *hourly(const struct asked *a)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	const struct found_block *b;
	struct json_object *last = NULL;
	uint64_t hour = 0;

	for (size_t i = 0; (b = block_at(&a->m->minerpool, i)) != NULL && b->ts >= a->start; i++) {
		if (b->ts > a->end || !b->accepted)
			continue;
		if (last == NULL || hour != b->ts / HOUR_MS) {
			hour = b->ts / HOUR_MS;
			last = json_object_new_object();
			add_count(last, "ts", hour * HOUR_MS);
			json_object_array_add(list, last);
		}
		add_double(last, "revenue",
			   get_double(last, "revenue", 0) + (double)b->value / BTC);
	}
	add_count(o, "ts", mos_now_ms());
	add_object(o, "hourlyRevenues", list);
	return o;
}

static struct json_object *answer_transactions(const struct asked *a)
{
	struct json_object *list;
	const struct found_block *b;

	if (json_object_get_boolean(get_member(a->query, "aggrHourly")))
		return hourly(a);
	list = json_object_new_array();
	for (size_t i = 0; (b = block_at(&a->m->minerpool, i)) != NULL && b->ts >= a->start; i++) {
		if (b->ts <= a->end && b->accepted)
			json_object_array_add(list, payment(a->m, b));
	}
	return list;
}

static struct json_object *answer_template(const struct asked *a)
{
	return a->m->settings.expose_via_p2p ? template_json(a->m) : json_object_new_object();
}

static struct json_object *answer_node(const struct asked *a)
{
	return node_stats_json(a->m);
}

static const struct {
	const char *key;
	struct json_object *(*fn)(const struct asked *a);
} keys[] = {
    {"stats", answer_stats},
    {"stats-history", answer_history},
    {"workers", answer_workers},
    {"workers-count", answer_workers_count},
    {"transactions", answer_transactions},
    {"blocks", answer_blocks},
    {"template", answer_template},
    {"node-stats", answer_node},
};

/* A time in ms, as number or text; FALLBACK when it is not there. */
static bool read_time(struct json_object *query, const char *key, uint64_t fallback, uint64_t *out)
{
	struct json_object *value = get_member(query, key);

	*out = fallback;
	if (value == NULL)
		return true;
	*out = get_count(query, key, UINT64_MAX);
	return *out != UINT64_MAX;
}

void minerpool_answer(struct rack_call *call)
{
	struct asked a = {.m = call->m, .query = rack_param(call, "query")};
	const char *key = get_text(a.query, "key", NULL);

	if (!json_object_is_type(a.query, json_type_object)) {
		rack_refuse(call, "ERR_QUERY_INVALID");
		return;
	}
	if (!read_time(a.query, "start", 0, &a.start)) {
		rack_refuse(call, "ERR_START_INVALID");
		return;
	}
	if (!read_time(a.query, "end", INT64_MAX, &a.end) || a.end < a.start) {
		rack_refuse(call, "ERR_END_INVALID");
		return;
	}
	a.offset = (size_t)get_count(a.query, "offset", 0);
	a.limit = (size_t)get_count(a.query, "limit", WORKERS_MAX);
	for (size_t i = 0; key != NULL && i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i].key, key) == 0) {
			struct json_object *raw = keys[i].fn(&a);
			struct json_object *answer =
			    json_object_is_type(raw, json_type_object)
				? query_project(raw, get_member(a.query, "fields"))
				: json_object_get(raw);

			json_object_put(raw);
			rack_answer(call, answer);
			return;
		}
	}
	rack_refuse(call, "ERR_KEY_INVALID");
}
