/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/status.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "lib/util/clock.h"
#include "plugins/pool/answers.h"
#include "plugins/pool/listing.h"
#include "plugins/pool/pool.h"

#define MINERS_MAX 200 /* an answer is bounded; `list_channels` has pages */

/* --- the state line ----------------------------------------------------------------------------
 */

/* Why work does not come from the first provider of the list: appends to TEXT. */
static void add_first(const struct providers *all, char *text, size_t capacity)
{
	size_t size = strlen(text);
	char why[200];

	if (all->count == 0 || all->active == all->items)
		return;
	provider_describe(all->items, why, sizeof why);
	if (why[0] != '\0')
		snprintf(text + size, capacity - size, " (%.100s is %s)", all->items[0].address,
			 why);
}

static void say_work(const struct pool *pool, char *text, size_t capacity)
{
	const struct providers *all = &pool->providers;
	bool connected = false;

	for (uint32_t i = 0; i < all->count; i++)
		connected = connected || all->items[i].conn;
	if (!pool->current)
		snprintf(text, capacity, "%s",
			 connected ? "waiting for a template"
				   : "connecting to the template provider");
	else if (all->active && all->active != all->items)
		snprintf(text, capacity, "mining at height %u, with templates of %.100s",
			 pool->current->height, all->active->address);
	else if (all->active)
		snprintf(text, capacity, "mining at height %u", pool->current->height);
	else
		snprintf(text, capacity, "mining at height %u on the last template: %s",
			 pool->current->height,
			 connected ? "no template provider has a usable one for the tip"
				   : "the template provider is away");
	if (pool->current || !connected)
		add_first(all, text, capacity);
}

void status_update(struct pool *pool)
{
	char text[700];
	size_t size;

	say_work(pool, text, 500);
	size = strlen(text);
	if (pool->journal.error[0] != '\0')
		snprintf(text + size, sizeof text - size,
			 "; found blocks can't be written to disk: %s", pool->journal.error);
	pool->api->status(pool->host, text);
}

static struct json_object *channels_json(const struct pool *pool, uint32_t max)
{
	struct json_object *list = json_object_new_array();
	uint64_t now = clock_monotonic_ms();
	const struct pool_conn *conn;

	TAILQ_FOREACH(conn, &pool->conns, link)
	{
		for (uint32_t i = 0; i < conn->count; i++) {
			if (max-- == 0)
				return list;
			json_object_array_add(list, listing_channel(conn->channels[i], now));
		}
	}
	return list;
}

/* --- the method `status`
 * -----------------------------------------------------------------------------------
 */

static uint64_t rejected_count(const struct pool *pool)
{
	uint64_t count = 0;

	for (int i = SHARE_INVALID_CHANNEL; i < SHARE_RESULTS; i++)
		count += i == SHARE_STALE ? 0 : pool->stats.results[i];
	return count;
}

void status_answer(void *user, struct adit_request *request, const struct adit_request_info *info)
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
	json_object_object_add(o, "rejects", listing_reasons(pool->stats.results));
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
	custom_status(pool, o);
	add_double(o, "best_difficulty", pool->stats.best_difficulty);
	json_object_object_add(o, "miners", channels_json(pool, MINERS_MAX));
	answer(pool, request, o);
}
