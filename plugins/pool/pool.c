/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/pool.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/clock.h"
#include "plugins/pool/manage.h"
#include "plugins/pool/payouts.h"
#include "plugins/pool/server.h"
#include "plugins/pool/share_log.h"
#include "plugins/pool/status.h"
#include "plugins/pool/work.h"

#define TICK_MS 1000
#define SWEEP_TICKS 5        /* between two looks at every channel */
#define DRAIN_MS 200         /* for Reconnect to leave before connections are closed */
#define NO_CHANNEL_MS 300000 /* a connection that never opened a channel */

void pool_log(struct pool *pool, int32_t level, const char *format, ...)
{
	char text[512];
	va_list ap;
	int size;

	if (!pool->api->log_enabled(pool->host, level))
		return;
	va_start(ap, format);
	size = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (size < 0)
		return;
	if ((size_t)size >= sizeof text)
		size = sizeof text - 1;
	pool->api->log(pool->host, level, text, (size_t)size);
}

/* --- the clock ---------------------------------------------------------------------------------
 */

static void sweep_channel(struct channel *channel, uint64_t now)
{
	if (vardiff_check(&channel->vardiff, &channel->conn->pool->config.vardiff, now) &&
	    channel_set_target(channel))
		work_retarget(channel);
	else
		work_tick(channel, now);
}

static void close_unused(struct pool_conn *conn)
{
	conn->pool->stats.closed_unused++;
	adit_sv2_close(conn->sv2, "no channel was opened");
}

static void sweep(struct pool *pool)
{
	uint64_t now = clock_monotonic_ms();
	struct pool_conn *conn;

	TAILQ_FOREACH(conn, &pool->conns, link)
	{
		for (uint32_t i = 0; i < conn->count; i++)
			sweep_channel(conn->channels[i], now);
		if (conn->next_id == CHANNEL_FIRST && now - conn->opened_ms > NO_CHANNEL_MS)
			close_unused(conn);
	}
}

static void on_tick(void *user)
{
	struct pool *pool = user;

	pool->sample_due = true;
	pool->shares_second = 0;
	opens_tick(pool);
	work_late_jobs(pool);
	payouts_tick(pool);
	early_tick(pool, clock_monotonic_ms());
	journal_follow(pool);
	if (++pool->ticks % SWEEP_TICKS != 0)
		return;
	sweep(pool);
	journal_retry(pool);
}

/* --- life cycle --------------------------------------------------------------------------------
 */

static void pool_free(struct pool *pool)
{
	journal_stop(pool);
	blocks_fini(&pool->blocks);
	custom_fini(pool);
	duplicates_fini(&pool->duplicates);
	extranonce_fini(&pool->extranonce);
	payouts_fini(pool);
	workers_fini(&pool->workers);
	buf_free(&pool->frame);
	buf_free(&pool->tip_frame);
	settings_fini(&pool->config);
	free(pool);
}

static uint32_t part_of(const struct pool *pool, uint32_t all)
{
	uint32_t workers = pool->info.workers > 0 ? pool->info.workers : 1;

	return (uint32_t)(((uint64_t)all + workers - 1) / workers);
}

static void divide_limits(struct pool *pool)
{
	const struct pool_config *c = &pool->config;

	pool->part = (struct pool_part){.channels = part_of(pool, c->max_total_channels),
					.open_rate = part_of(pool, c->open_rate),
					.share_rate = part_of(pool, c->max_total_share_rate)};
}

static int32_t pool_prepare(struct pool *pool, struct error *e)
{
	int32_t result = settings_read(&pool->config, pool->api, pool->host, pool->info.network, e);

	if (result == ADIT_OK)
		result = payouts_init(pool, e);
	if (result == ADIT_OK)
		result = custom_init(pool, e);
	if (result != ADIT_OK)
		return result;
	divide_limits(pool);
	opens_init(pool);
	workers_init(&pool->workers, pool->config.max_workers);
	if (extranonce_init(&pool->extranonce, pool->info.server_id, pool->info.slice,
			    pool->config.extranonce_rollable) != ADIT_OK ||
	    duplicates_init(&pool->duplicates, pool->config.duplicates_bytes) != ADIT_OK)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	return ADIT_OK;
}

static int32_t pool_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	struct pool *pool = calloc(1, sizeof *pool);
	struct error e = {0};
	int32_t result;

	if (!pool)
		return ADIT_E_NO_MEMORY;
	pool->api = api;
	pool->host = host;
	pool->journal.fd = -1;
	pool->journal.former = -1;
	TAILQ_INIT(&pool->conns);
	pool->info.size = sizeof pool->info;
	result = api->info(host, &pool->info);
	if (result == ADIT_OK)
		result = pool_prepare(pool, &e);
	if (result != ADIT_OK) {
		api->set_error(host, e.text);
		pool_free(pool);
		return result;
	}
	*instance = pool;
	return ADIT_OK;
}

static int32_t serve(struct pool *pool, struct error *e)
{
	const struct adit_sv2_server_service *server =
	    pool->api->service_find(pool->host, ADIT_SV2_SERVER_SERVICE);
	int32_t result;

	if (!server)
		return error_set(e, ADIT_E_NOT_FOUND,
				 "no role of this process offers " ADIT_SV2_SERVER_SERVICE
				 ": put [sv2-server] and [pool] into one process");
	result = adit_sv2_serve_mining(server, &server_handlers, pool);
	if (result != ADIT_OK)
		return error_set(e, result, "sv2-server: mining is served already: %s",
				 adit_error_name(result));
	pool->server = server;
	return ADIT_OK;
}

static int32_t pool_begin(struct pool *pool, struct error *e)
{
	struct event_base *base = pool->api->loop(pool->host, "libevent-2");
	int32_t result;

	if (!base)
		return error_set(e, ADIT_E_UNSUPPORTED, "the host's event loop is not libevent 2");
	rate_start(&pool->stats.rate, clock_monotonic_ms());
	result = manage_start(pool);
	if (result != ADIT_OK)
		return error_set(e, result, "methods: %s", adit_error_name(result));
	result = share_log_start(pool);
	if (result != ADIT_OK)
		return error_set(e, result, "share log: %s", adit_error_name(result));
	result = journal_start(pool, e);
	if (result != ADIT_OK)
		return result;
	result = serve(pool, e);
	if (result != ADIT_OK)
		return result;
	status_update(pool);
	result = pool->api->timer_add(pool->host, TICK_MS, TICK_MS, on_tick, pool, NULL, NULL);
	if (result != ADIT_OK)
		return error_set(e, result, "timer: %s", adit_error_name(result));
	return providers_start(pool, base, e);
}

/* Undoes pool_begin(), as far as it went. */
static void pool_end(struct pool *pool)
{
	if (pool->server)
		pool->server->withdraw(pool->server->server, ADIT_SV2_MINING);
	pool->server = NULL;
	pool->open = false;
	providers_fini(pool);
	template_unref(pool->current);
	pool->current = NULL;
}

static int32_t pool_start(void *instance)
{
	struct pool *pool = instance;
	struct error e = {0};
	int32_t result = pool_begin(pool, &e);

	if (result != ADIT_OK) {
		pool->api->set_error(pool->host, e.text);
		pool_end(pool);
	}
	return result;
}

/* Every channel's target for the new rate and bounds, at the hash rate that it has. */
static void retarget_all(struct pool *pool, const struct vardiff_options *before)
{
	struct pool_conn *conn;

	TAILQ_FOREACH(conn, &pool->conns, link)
	{
		for (uint32_t i = 0; i < conn->count; i++) {
			struct channel *channel = conn->channels[i];

			(void)vardiff_apply(&channel->vardiff, before, &pool->config.vardiff);
			if (channel_set_target(channel))
				work_retarget(channel);
		}
	}
}

static bool same_difficulties(const struct pool_config *a, const struct pool_config *b)
{
	return a->vardiff.shares_per_minute == b->vardiff.shares_per_minute &&
	       a->vardiff.min_work == b->vardiff.min_work &&
	       a->vardiff.max_work == b->vardiff.max_work &&
	       a->vardiff.fixed_work == b->vardiff.fixed_work;
}

/* What of the new configuration is not for a running pool to change stays as it is in the old one,
 * which is the same: the providers know their addresses there. */
static void swap_config(struct pool *pool, struct pool_config *config)
{
	struct pool_config before = pool->config;

	memcpy(config->providers, before.providers, sizeof config->providers);
	config->provider_count = before.provider_count;
	pool->config = *config;
	*config = before;
	config->provider_count = 0;
}

/* Takes over payout, identities, share rate, bounds of the difficulty, tag (from the next template
 * on) and limits; for the rest the role is started again. */
static int32_t pool_reload(void *instance)
{
	struct pool *pool = instance;
	struct pool_config config;
	struct error e = {0};
	int32_t result = settings_read(&config, pool->api, pool->host, pool->info.network, &e);

	if (result == ADIT_OK)
		result = settings_same_fixed(&pool->config, &config)
			     ? payouts_check(pool, &config, &e)
			     : ADIT_E_UNSUPPORTED;
	if (result != ADIT_OK) {
		if (result != ADIT_E_UNSUPPORTED)
			pool->api->set_error(pool->host, e.text);
		settings_fini(&config);
		return result;
	}
	for (uint32_t i = 0; i < config.provider_count; i++)
		free(config.providers[i]);
	swap_config(pool, &config);
	divide_limits(pool);
	providers_reload(pool);
	payouts_reload(pool, &config);
	if (!same_difficulties(&pool->config, &config))
		retarget_all(pool, &config.vardiff);
	settings_fini(&config);
	return ADIT_OK;
}

static void on_drained(void *user)
{
	struct pool *pool = user;

	pool_end(pool);
	pool->api->stopped(pool->host);
}

static int32_t pool_stop(void *instance)
{
	struct pool *pool = instance;

	if (pool->server && pool->open)
		pool->server->set_open(pool->server->server, ADIT_SV2_MINING, false);
	pool->api->status(pool->host, "stopping");
	if (pool->conn_count == 0) {
		pool_end(pool);
		return ADIT_OK;
	}
	opens_stop(pool);
	server_reconnect_all(pool);
	if (pool->api->timer_add(pool->host, DRAIN_MS, 0, on_drained, pool, NULL, NULL) == ADIT_OK)
		return ADIT_E_UNAVAILABLE;
	pool_end(pool);
	return ADIT_OK;
}

static void pool_fini(void *instance)
{
	struct pool *pool = instance;

	pool_end(pool);
	pool_free(pool);
}

extern const struct adit_plugin_descriptor adit_plugin;
ADIT_EXPORT const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = "pool",
    .version = PACKAGE_VERSION,
    .init = pool_init,
    .start = pool_start,
    .reload = pool_reload,
    .stop = pool_stop,
    .fini = pool_fini,
};
