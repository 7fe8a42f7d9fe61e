/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/status.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "lib/mining/answers.h"
#include "lib/mining/listing.h"
#include "lib/util/clock.h"
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
	const struct providers *all = &pool->mining.providers;
	bool connected = false;

	for (uint32_t i = 0; i < all->count; i++)
		connected = connected || all->items[i].conn;
	if (!pool->mining.current)
		snprintf(text, capacity, "%s",
			 connected ? "waiting for a template"
				   : "connecting to the template provider");
	else if (all->active && all->active != all->items)
		snprintf(text, capacity, "mining at height %u, with templates of %.100s",
			 pool->mining.current->height, all->active->address);
	else if (all->active)
		snprintf(text, capacity, "mining at height %u", pool->mining.current->height);
	else
		snprintf(text, capacity, "mining at height %u on the last template: %s",
			 pool->mining.current->height,
			 connected ? "no template provider has a usable one for the tip"
				   : "the template provider is away");
	if (pool->mining.current || !connected)
		add_first(all, text, capacity);
}

void status_update(struct pool *pool)
{
	char text[700];
	size_t size;

	say_work(pool, text, 500);
	size = strlen(text);
	if (pool->mining.journal.error[0] != '\0')
		snprintf(text + size, sizeof text - size,
			 "; found blocks can't be written to disk: %s", pool->mining.journal.error);
	pool->mining.api->status(pool->mining.host, text);
}

static struct json_object *channels_json(const struct pool *pool, uint32_t max)
{
	struct json_object *list = json_object_new_array();
	uint64_t now = clock_monotonic_ms();
	const struct mining_conn *conn;

	TAILQ_FOREACH(conn, &pool->mining.conns, link)
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
		count += i == SHARE_STALE ? 0 : pool->mining.stats.results[i];
	return count;
}

void status_answer(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct pool *pool = user;
	struct json_object *o = json_object_new_object();

	(void)info;
	add_count(o, "connections", pool->mining.conn_count);
	add_count(o, "channels", pool->mining.channel_count);
	add_double(o, "hashrate", rate_get(&pool->mining.stats.rate, clock_monotonic_ms()));
	add_count(o, "shares_accepted", pool->mining.stats.accepted);
	add_count(o, "shares_rejected", rejected_count(pool));
	add_count(o, "shares_stale", pool->mining.stats.stale);
	json_object_object_add(o, "rejects", listing_reasons(pool->mining.stats.results));
	add_count(o, "blocks_found", pool->mining.stats.blocks_found);
	add_text(o, "journal_error",
		 pool->mining.journal.error[0] ? pool->mining.journal.error : NULL);
	add_count(o, "height", pool->mining.current ? pool->mining.current->height : 0);
	if (pool->mining.current)
		add_hash(o, "prev_hash", pool->mining.current->tip.prev_hash);
	else
		add_text(o, "prev_hash", NULL);
	add_count(o, "template_id", pool->mining.current ? pool->mining.current->id : 0);
	add_text(o, "template_provider",
		 pool->mining.providers.active ? pool->mining.providers.active->address : NULL);
	json_object_object_add(o, "template_providers", providers_json(&pool->mining));
	add_count(o, "jobs_sent", pool->mining.stats.jobs_sent);
	custom_status(pool, o);
	add_double(o, "best_difficulty", pool->mining.stats.best_difficulty);
	json_object_object_add(o, "miners", channels_json(pool, MINERS_MAX));
	answer(&pool->mining, request, o);
}
