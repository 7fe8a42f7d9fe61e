/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jdc/status.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "lib/mining/answers.h"
#include "lib/mining/methods.h"
#include "lib/mining/orders.h"
#include "lib/mining/summary.h"
#include "lib/util/clock.h"
#include "plugins/jdc/jdc.h"
#include "plugins/jdc/orders.h"
#include "plugins/jdc/pools.h"

static const char *mode_name(enum jdc_mode mode)
{
	static const char *const names[] = {"full-template", "coinbase-only", "proxy", "solo"};

	return names[mode];
}

/* --- the state line ----------------------------------------------------------------------------
 */

static void say_work(const struct jdc *jdc, char *text, size_t capacity)
{
	const struct jdc_pool *pool = jdc->active;

	if (!jdc->mining.current)
		snprintf(text, capacity, "%s",
			 jdc->source == SOURCE_SOLO ? "waiting for a template to mine solo"
						    : "waiting for a pool and templates");
	else if (pool)
		snprintf(text, capacity, "mining at height %u for %s, %s",
			 jdc->mining.current->height, pool->settings.name,
			 mode_name(pool->link.mode));
	else if (jdc->source == SOURCE_SOLO)
		snprintf(text, capacity, "mining at height %u, solo%s", jdc->mining.current->height,
			 jdc->pool_count > 0 ? ": no pool gives work" : "");
	else
		snprintf(text, capacity, "mining at height %u, looking for a pool",
			 jdc->mining.current->height);
}

void status_update(struct jdc *jdc)
{
	char text[400];

	say_work(jdc, text, sizeof text);
	summary_state(&jdc->mining, text);
}

/* --- the method `status` -----------------------------------------------------------------------
 */

static void add_uplink(struct json_object *o, const struct uplink *u)
{
	add_text(o, "mode", u->connected ? mode_name(u->mode) : NULL);
	json_object_object_add(o, "pool_connected",
			       json_object_new_boolean(u->mining.conn != NULL));
	json_object_object_add(o, "jds_connected", json_object_new_boolean(u->jds.conn != NULL));
	add_count(o, "extranonce_size", u->open ? u->extranonce_size : 0);
	add_double(o, "hashrate_claimed", (double)u->claimed);
	add_count(o, "tokens", u->token_count);
	add_count(o, "declarations", uplink_pending(u));
	add_count(o, "tokens_received", u->counts.tokens);
	add_count(o, "jobs_declared", u->counts.declared);
	add_count(o, "jobs_acknowledged", u->counts.known);
	add_count(o, "jobs_stale", u->counts.stale);
	add_count(o, "jobs_dropped", u->counts.dropped);
	add_count(o, "transactions_provided", u->counts.provided);
	add_count(o, "shares_sent", u->counts.submitted);
	add_count(o, "shares_accepted", u->counts.accepted);
	add_count(o, "shares_refused", u->counts.refused);
	add_count(o, "shares_refused_stale", u->counts.refused_stale);
	add_count(o, "solutions", u->counts.solutions);
	add_count(o, "messages_ignored", u->counts.ignored);
}

static struct json_object *pool_json(const struct jdc *jdc, const struct jdc_pool *pool,
				     uint64_t now)
{
	const struct upstream *u = &pool->upstream;
	uint64_t next_ms = pool_next_ms(pool, now);
	struct json_object *o = json_object_new_object();

	add_text(o, "name", pool->settings.name);
	add_text(o, "address", pool->settings.pool.address);
	add_text(o, "jds_address",
		 pool->settings.jds.address[0] ? pool->settings.jds.address : NULL);
	add_text(o, "user_identity", pool->settings.user);
	add_text(o, "state", upstream_state_name(u->state));
	json_object_object_add(o, "active", json_object_new_boolean(jdc->active == pool));
	add_count(o, "since_ms", now > u->since_ms ? now - u->since_ms : 0);
	if (next_ms == UINT64_MAX)
		json_object_object_add(o, "next_ms", NULL);
	else
		add_count(o, "next_ms", next_ms);
	add_text(o, "fault", u->fault != UPSTREAM_NO_FAULT ? upstream_fault_name(u->fault) : NULL);
	add_text(o, "fault_text", pool->link.fault_text[0] ? pool->link.fault_text : NULL);
	add_count(o, "failures", u->failures);
	add_count(o, "coolings", u->coolings);
	add_uplink(o, &pool->link);
	return o;
}

static struct json_object *pools_json(const struct jdc *jdc)
{
	struct json_object *list = json_object_new_array();
	uint64_t now = clock_monotonic_ms();

	for (uint32_t i = 0; i < jdc->pool_count; i++)
		json_object_array_add(list, pool_json(jdc, jdc->pools[i], now));
	return list;
}

static const char *present_mode(const struct jdc *jdc)
{
	if (jdc->active)
		return mode_name(jdc->active->link.mode);
	return jdc->source == SOURCE_SOLO ? "solo" : NULL;
}

static void on_status(void *user, struct adit_request *request,
		      const struct adit_request_info *info)
{
	struct jdc *jdc = user;
	struct json_object *o = json_object_new_object();

	(void)info;
	add_text(o, "upstream", jdc->active ? jdc->active->settings.name : NULL);
	add_text(o, "mode", present_mode(jdc));
	json_object_object_add(o, "solo", json_object_new_boolean(jdc->source == SOURCE_SOLO));
	json_object_object_add(o, "templates", json_object_new_boolean(jdc->templates));
	add_count(o, "switches", jdc->counts.switches);
	add_count(o, "solo_times", jdc->counts.solo_times);
	add_count(o, "held_shares", jdc->held.count);
	add_count(o, "held_shares_dropped", jdc->counts.held_dropped);
	add_count(o, "lost_shares", jdc->counts.lost_shares);
	add_count(o, "easy_shares", jdc->counts.easy_shares);
	add_text(o, "order", jdc->order.pool ? jdc->order.pool->settings.pool.address : NULL);
	add_text(o, "order_result", jdc->order.result[0] ? jdc->order.result : NULL);
	json_object_object_add(o, "upstreams", pools_json(jdc));
	summary_shares(o, &jdc->mining);
	add_count(o, "blocks_pending", jdc->mining.blocks.count);
	summary_tip(o, &jdc->mining);
	summary_providers(o, &jdc->mining);
	add_double(o, "best_difficulty", jdc->mining.stats.best_difficulty);
	summary_miners(o, &jdc->mining);
	answer(&jdc->mining, request, o);
}

/* As the pool's, as far as there is such a thing here. */
static void on_get_pool_stats(void *user, struct adit_request *request,
			      const struct adit_request_info *info)
{
	struct jdc *jdc = user;
	const struct mining_stats *stats = &jdc->mining.stats;
	struct json_object *o = json_object_new_object();

	(void)info;
	summary_totals(o, &jdc->mining);
	add_text(o, "pool_url", jdc->active ? jdc->active->settings.pool.address : NULL);
	add_text(o, "pool_user", jdc->active ? jdc->active->settings.user : NULL);
	add_double(o, "best_difficulty", stats->best_difficulty);
	add_count(o, "blocks_found", stats->blocks_found);
	add_count(o, "height", jdc->mining.current ? jdc->mining.current->height : 0);
	add_count(o, "uptime_seconds", jdc->mining.ticks);
	answer(&jdc->mining, request, o);
}

/* --- methods -----------------------------------------------------------------------------------
 */

int32_t status_start(struct jdc *jdc, struct error *e)
{
	static const struct mining_method methods[] = {
	    {"status", ADIT_METHOD_ALL | ADIT_METHOD_LOOKS, on_status},
	    {"get_pool_stats", ADIT_METHOD_ALL | ADIT_METHOD_LOOKS, on_get_pool_stats},
	    {"update_pool_config", ADIT_METHOD_ANY, on_update_pool_config},
	};

	return mining_begin(&jdc->mining, methods, sizeof methods / sizeof methods[0], e);
}
