/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/manage.h"

#include <json-c/json.h>
#include <stdio.h>

#include "lib/mining/answers.h"
#include "lib/mining/listing.h"
#include "lib/mining/methods.h"
#include "lib/mining/orders.h"
#include "lib/mining/summary.h"
#include "plugins/pool/pool.h"
#include "plugins/pool/status.h"

/* What each limit has done. */
static struct json_object *limits_json(const struct pool *pool)
{
	struct json_object *o = json_object_new_object();
	const struct opens *opens = &pool->mining.opens;

	add_count(o, "opens_waiting", opens->count);
	add_count(o, "opens_delayed", opens->delayed);
	add_count(o, "refused_pending_opens", opens->refused_waiting);
	add_count(o, "refused_channels", opens->refused_channels);
	add_count(o, "refused_total_channels", opens->refused_total);
	add_count(o, "refused_room", opens->refused_room);
	add_count(o, "refused_share_rate", pool->mining.stats.results[SHARE_TOO_FAST]);
	add_count(o, "refused_total_share_rate", pool->mining.stats.results[SHARE_OVERLOAD]);
	add_count(o, "refused_table", pool->mining.stats.results[SHARE_TABLE_FULL]);
	add_count(o, "slowed_channels", pool->mining.stats.slowed_channels);
	add_count(o, "closed_channels", pool->mining.stats.closed_channels);
	add_count(o, "closed_rubbish", pool->mining.stats.closed_rubbish);
	add_count(o, "closed_unused", pool->mining.stats.closed_unused);
	add_count(o, "unlisted_worker_shares", pool->mining.workers.unlisted);
	return o;
}

static void on_get_pool_stats(void *user, struct adit_request *request,
			      const struct adit_request_info *info)
{
	struct pool *pool = user;
	const struct mining_stats *stats = &pool->mining.stats;
	struct json_object *o = json_object_new_object();

	(void)info;
	summary_totals(o, &pool->mining);
	json_object_object_add(o, "rejects", listing_reasons(stats->results));
	json_object_object_add(o, "limits", limits_json(pool));
	add_double(o, "best_difficulty", stats->best_difficulty);
	add_count(o, "blocks_found", stats->blocks_found);
	add_count(o, "blocks_pending", pool->mining.blocks.count);
	add_text(o, "journal_error",
		 pool->mining.journal.error[0] ? pool->mining.journal.error : NULL);
	add_count(o, "jobs_sent", stats->jobs_sent);
	add_count(o, "height", pool->mining.current ? pool->mining.current->height : 0);
	add_count(o, "uptime_seconds", pool->mining.ticks);
	answer(&pool->mining, request, o);
}

static struct json_object *template_json(const struct template *t)
{
	struct json_object *o = json_object_new_object();
	char bits[9];

	snprintf(bits, sizeof bits, "%08x", t->tip.nbits);
	add_hash(o, "prev_hash", t->tip.prev_hash);
	/* Every channel has a root of its own, and the provider keeps the transactions. */
	add_text(o, "merkle_root", NULL);
	add_text(o, "tx_count", NULL);
	add_count(o, "timestamp", t->tip.min_ntime);
	add_text(o, "bits", bits);
	add_hash(o, "target", t->tip.target);
	add_count(o, "height", t->height);
	add_count(o, "version", t->version);
	add_count(o, "coinbase_value", t->value);
	add_count(o, "merkle_depth", t->depth);
	add_count(o, "template_id", t->id);
	add_text(o, "template_provider", t->provider->address);
	add_count(o, "job_id", t->job_id);
	return o;
}

static void on_get_template(void *user, struct adit_request *request,
			    const struct adit_request_info *info)
{
	struct pool *pool = user;
	struct json_object *o = json_object_new_object();

	(void)info;
	json_object_object_add(o, "template",
			       pool->mining.current ? template_json(pool->mining.current) : NULL);
	answer(&pool->mining, request, o);
}

/* As configured, defaults included; of this section nothing is secret. */
static void on_get_pool_config(void *user, struct adit_request *request,
			       const struct adit_request_info *info)
{
	static const char *const keys[] = {
	    "payout",
	    "identities",
	    "max_payouts",
	    "template_provider",
	    "provider_patience",
	    "provider_return",
	    "tag",
	    "shares_per_minute",
	    "min_difficulty",
	    "max_difficulty",
	    "start_difficulty",
	    "fixed_difficulty",
	    "extranonce_size",
	    "max_channels",
	    "max_total_channels",
	    "open_rate",
	    "max_pending_opens",
	    "max_share_rate",
	    "max_total_share_rate",
	    "max_workers",
	    "version_rolling",
	    "custom_jobs",
	    "token_key",
	    "pool_share",
	    "share_memory",
	};
	struct pool *pool = user;
	struct json_object *o = json_object_new_object();

	(void)info;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		add_text(o, keys[i], pool->mining.api->config(pool->mining.host, keys[i]));
	answer(&pool->mining, request, o);
}

/* Not among the methods of all roles: the jdc has none. */
static void on_renew(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct pool *pool = user;

	on_renew_extranonce(&pool->mining, request, info);
}

int32_t manage_start(struct pool *pool, struct error *e)
{
	static const struct mining_method methods[] = {
	    {"status", ADIT_METHOD_ALL | ADIT_METHOD_LOOKS, status_answer},
	    {"get_pool_stats", ADIT_METHOD_ALL | ADIT_METHOD_LOOKS, on_get_pool_stats},
	    {"get_template", ADIT_METHOD_ANY | ADIT_METHOD_LOOKS, on_get_template},
	    {"get_pool_config", ADIT_METHOD_ANY | ADIT_METHOD_LOOKS, on_get_pool_config},
	    {"renew_extranonce", ADIT_METHOD_ALL, on_renew},
	};

	return mining_begin(&pool->mining, methods, sizeof methods / sizeof methods[0], e);
}
