/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/status.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"
#include "plugins/pool/pool.h"

#define JSON_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

#define MINERS_MAX 200    /* in `status` */
#define CHANNELS_MAX 2000 /* in `list_channels`; an answer is bounded */

/* --- the state line ----------------------------------------------------------------------------
 */

void status_update(struct pool *pool)
{
	const struct providers *all = &pool->providers;
	char text[300];
	int size;
	bool connected = false;

	for (uint32_t i = 0; i < all->count; i++)
		connected = connected || all->items[i].conn;
	if (!pool->current)
		size = snprintf(text, sizeof text, "%s",
				connected ? "waiting for a template"
					  : "connecting to the template provider");
	else if (all->active && all->active != all->items)
		size = snprintf(text, sizeof text, "mining at height %u, with templates of %.100s",
				pool->current->height, all->active->address);
	else if (all->active)
		size = snprintf(text, sizeof text, "mining at height %u", pool->current->height);
	else
		size = snprintf(text, sizeof text, "mining at height %u on the last template: %s",
				pool->current->height,
				connected ? "no template provider has a usable one for the tip"
					  : "the template provider is away");
	if (pool->journal.error[0] != '\0')
		snprintf(text + size, sizeof text - (size_t)size,
			 "; found blocks can't be written to disk: %s", pool->journal.error);
	pool->api->status(pool->host, text);
}

/* --- JSON helpers ------------------------------------------------------------------------------
 */

static void add_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

static void add_count(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static void add_double(struct json_object *o, const char *key, double value)
{
	json_object_object_add(o, key, json_object_new_double(value));
}

static void add_hash(struct json_object *o, const char *key, const uint8_t hash[32])
{
	char hex[65];

	hex_encode_reversed(hash, 32, hex);
	add_text(o, key, hex);
}

/* Answers REQUEST with OBJECT, which is freed. */
static void answer(struct pool *pool, struct adit_request *request, struct json_object *object)
{
	size_t size = 0;
	const char *text =
	    object ? json_object_to_json_string_length(object, JSON_FLAGS, &size) : NULL;

	if (text)
		pool->api->reply(pool->host, request, ADIT_OK, "", text, size, NULL, 0);
	else
		pool->api->reply(pool->host, request, ADIT_E_NO_MEMORY, "out of memory", "", 0,
				 NULL, 0);
	json_object_put(object);
}

/* --- channels ----------------------------------------------------------------------------------
 */

static struct json_object *channel_json(const struct channel *channel, uint64_t now)
{
	const struct channel_stats *stats = &channel->stats;
	struct json_object *o = json_object_new_object();
	char name[128];

	channel_name(channel, name, sizeof name);
	add_text(o, "channel", name);
	add_text(o, "user", channel->user);
	add_text(o, "kind", channel->standard ? "standard" : "extended");
	add_double(o, "hashrate", rate_get(&stats->rate, now));
	add_count(o, "accepted", stats->accepted);
	add_count(o, "rejected", stats->rejected);
	add_count(o, "stale", stats->stale);
	add_double(o, "difficulty", target_difficulty(channel->target));
	add_double(o, "best_difficulty", stats->best_difficulty);
	json_object_object_add(
	    o, "last_share_ms",
	    stats->last_share_ms ? json_object_new_uint64(now - stats->last_share_ms) : NULL);
	return o;
}

static struct json_object *channels_json(const struct pool *pool, uint32_t max, bool details)
{
	struct json_object *list = json_object_new_array();
	uint64_t now = clock_monotonic_ms();
	const struct pool_conn *conn;

	TAILQ_FOREACH(conn, &pool->conns, link)
	{
		for (uint32_t i = 0; i < conn->count; i++) {
			const struct channel *channel = conn->channels[i];
			struct json_object *o;
			char prefix[2 * EXTRANONCE_MAX + 1];

			if (max-- == 0)
				return list;
			o = channel_json(channel, now);
			if (details) {
				hex_encode(channel->prefix, channel->prefix_size, prefix);
				add_text(o, "peer", adit_sv2_peer(conn->sv2));
				add_text(o, "extranonce_prefix", prefix);
				add_hash(o, "target", channel->target);
				add_count(o, "jobs", channel->jobs.count);
			}
			json_object_array_add(list, o);
		}
	}
	return list;
}

/* --- methods -----------------------------------------------------------------------------------
 */

static struct json_object *rejects_json(const struct pool *pool)
{
	struct json_object *o = json_object_new_object();

	for (int i = SHARE_INVALID_CHANNEL; i < SHARE_RESULTS; i++) {
		if (pool->stats.results[i])
			add_count(o, share_result_code((enum share_result)i),
				  pool->stats.results[i]);
	}
	return o;
}

static uint64_t rejected_count(const struct pool *pool)
{
	uint64_t count = 0;

	for (int i = SHARE_INVALID_CHANNEL; i < SHARE_RESULTS; i++)
		count += i == SHARE_STALE ? 0 : pool->stats.results[i];
	return count;
}

static void on_status(void *user, struct adit_request *request,
		      const struct adit_request_info *info)
{
	struct pool *pool = user;
	struct json_object *o = json_object_new_object();

	(void)info;
	add_count(o, "connections", pool->conn_count);
	add_count(o, "channels", pool->channel_count);
	add_double(o, "hashrate", rate_get(&pool->stats.rate, clock_monotonic_ms()));
	add_count(o, "shares_accepted", pool->stats.accepted);
	add_count(o, "shares_rejected", rejected_count(pool));
	add_count(o, "shares_stale", pool->stats.stale);
	json_object_object_add(o, "rejects", rejects_json(pool));
	add_count(o, "blocks_found", pool->stats.blocks_found);
	add_text(o, "journal_error", pool->journal.error[0] ? pool->journal.error : NULL);
	add_count(o, "height", pool->current ? pool->current->height : 0);
	if (pool->current)
		add_hash(o, "prev_hash", pool->current->tip.prev_hash);
	else
		add_text(o, "prev_hash", NULL);
	add_count(o, "template_id", pool->current ? pool->current->id : 0);
	add_text(o, "template_provider",
		 pool->providers.active ? pool->providers.active->address : NULL);
	json_object_object_add(o, "template_providers", providers_json(pool));
	add_count(o, "jobs_sent", pool->stats.jobs_sent);
	add_double(o, "best_difficulty", pool->stats.best_difficulty);
	json_object_object_add(o, "miners", channels_json(pool, MINERS_MAX, false));
	answer(pool, request, o);
}

static void on_list_channels(void *user, struct adit_request *request,
			     const struct adit_request_info *info)
{
	struct pool *pool = user;
	struct json_object *o = json_object_new_object();

	(void)info;
	add_count(o, "count", pool->channel_count);
	json_object_object_add(o, "channels", channels_json(pool, CHANNELS_MAX, true));
	answer(pool, request, o);
}

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
	json_object_object_add(
	    o, "last_share_ms",
	    worker->last_share_ms ? json_object_new_uint64(now - worker->last_share_ms) : NULL);
	return o;
}

static void on_list_workers(void *user, struct adit_request *request,
			    const struct adit_request_info *info)
{
	struct pool *pool = user;
	const struct workers *w = &pool->workers;
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();
	uint64_t now = clock_monotonic_ms();
	uint32_t left = CHANNELS_MAX;

	(void)info;
	for (uint32_t i = 0; w->entries && i < w->max && left > 0; i++) {
		if (!w->entries[i].channel)
			continue;
		json_object_array_add(list, worker_json(&w->entries[i], now));
		left--;
	}
	add_count(o, "count", w->count);
	add_count(o, "max", w->max);
	add_count(o, "unlisted_shares", w->unlisted);
	json_object_object_add(o, "workers", list);
	answer(pool, request, o);
}

static struct json_object *job_json(const struct template *t, const char *state)
{
	struct json_object *o = json_object_new_object();

	add_count(o, "job_id", t->job_id);
	add_text(o, "state", state);
	add_count(o, "template_id", t->id);
	add_text(o, "template_provider", t->provider->address);
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

static void on_list_jobs(void *user, struct adit_request *request,
			 const struct adit_request_info *info)
{
	struct pool *pool = user;
	const struct provider *p = pool->providers.active;
	struct json_object *o = json_object_new_object();
	struct json_object *jobs = json_object_new_array();

	(void)info;
	if (pool->current)
		json_object_array_add(jobs, job_json(pool->current, "active"));
	for (uint32_t i = 0; p && i < p->future_count; i++) {
		if (p->futures[i]->announced)
			json_object_array_add(jobs, job_json(p->futures[i], "future"));
	}
	json_object_object_add(o, "jobs", jobs);
	answer(pool, request, o);
}

int32_t status_start(struct pool *pool)
{
	static const struct {
		const char *name;
		adit_method_fn fn;
	} methods[] = {
	    {"status", on_status},
	    {"list_channels", on_list_channels},
	    {"list_jobs", on_list_jobs},
	    {"list_workers", on_list_workers},
	};

	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		int32_t result = pool->api->register_method(
		    pool->host, methods[i].name, ADIT_METHOD_ALL, methods[i].fn, pool, NULL);

		if (result != ADIT_OK)
			return result;
	}
	return ADIT_OK;
}
