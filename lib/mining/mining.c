/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/mining.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/mining/engine.h"
#include "lib/mining/server.h"
#include "lib/mining/work.h"
#include "lib/util/clock.h"

#define TICK_MS 1000
#define SWEEP_TICKS 5        /* between two looks at every channel */
#define NO_CHANNEL_MS 300000 /* a connection that never opened a channel */
#define DRAIN_MS 200         /* for Reconnect to leave before connections are closed */

void mining_log(struct mining *mining, int32_t level, const char *format, ...)
{
	char text[512];
	va_list ap;
	int size;

	if (!mining->hooks->log || !mining->api->log_enabled(mining->host, level))
		return;
	va_start(ap, format);
	size = vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (size < 0)
		return;
	if ((size_t)size >= sizeof text)
		size = sizeof text - 1;
	mining->hooks->log(mining->context, level, text, (size_t)size);
}

/* --- the clock ---------------------------------------------------------------------------------
 */

static void sweep_channel(struct channel *channel, uint64_t now)
{
	if (vardiff_check(&channel->vardiff, &channel->conn->mining->config.vardiff, now) &&
	    channel_set_target(channel))
		work_retarget(channel);
	else
		work_tick(channel, now);
}

static void close_unused(struct mining_conn *conn)
{
	conn->mining->stats.closed_unused++;
	adit_sv2_close(conn->sv2, "no channel was opened");
}

static void sweep(struct mining *mining)
{
	uint64_t now = clock_monotonic_ms();
	struct mining_conn *conn;

	TAILQ_FOREACH(conn, &mining->conns, link)
	{
		for (uint32_t i = 0; i < conn->count; i++)
			sweep_channel(conn->channels[i], now);
		if (conn->next_id == CHANNEL_FIRST && now - conn->opened_ms > NO_CHANNEL_MS)
			close_unused(conn);
	}
}

static void on_tick(void *user)
{
	struct mining *mining = user;

	mining->shares_second = 0;
	opens_tick(mining);
	work_late_jobs(mining);
	if (mining->hooks->tick)
		mining->hooks->tick(mining->context, clock_monotonic_ms());
	journal_follow(mining);
	if (++mining->ticks % SWEEP_TICKS != 0)
		return;
	sweep(mining);
	journal_retry(mining);
}

/* --- life --------------------------------------------------------------------------------------
 */

static uint32_t part_of(const struct mining *mining, uint32_t all)
{
	uint32_t workers = mining->info.workers > 0 ? mining->info.workers : 1;

	return (uint32_t)(((uint64_t)all + workers - 1) / workers);
}

static void divide_limits(struct mining *mining)
{
	const struct mining_config *c = &mining->config;

	mining->part = (struct mining_part){.channels = part_of(mining, c->max_total_channels),
					    .open_rate = part_of(mining, c->open_rate),
					    .share_rate = part_of(mining, c->max_total_share_rate)};
}

int32_t mining_init(struct mining *mining, const struct adit_host_api *api, struct adit_host *host,
		    const struct mining_config *config, const struct mining_hooks *hooks,
		    void *context, struct error *e)
{
	int32_t result;

	*mining = (struct mining){
	    .api = api, .host = host, .config = *config, .hooks = hooks, .context = context};
	mining->journal.fd = -1;
	mining->journal.former = -1;
	TAILQ_INIT(&mining->conns);
	mining->info.size = sizeof mining->info;
	result = api->info(host, &mining->info);
	if (result != ADIT_OK)
		return error_set(e, result, "the host does not say who this is");
	divide_limits(mining);
	opens_init(mining);
	workers_init(&mining->workers, config->max_workers);
	if (classes_init(&mining->classes, config->max_classes) != ADIT_OK ||
	    extranonce_init(&mining->extranonce, mining->info.server_id, mining->info.slice,
			    config->number_size, config->rollable) != ADIT_OK ||
	    duplicates_init(&mining->duplicates, config->duplicates_bytes) != ADIT_OK)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	return ADIT_OK;
}

void mining_fini(struct mining *mining)
{
	if (!mining->api)
		return;
	journal_stop(mining);
	blocks_fini(&mining->blocks);
	duplicates_fini(&mining->duplicates);
	extranonce_fini(&mining->extranonce);
	classes_fini(&mining->classes);
	workers_fini(&mining->workers);
	buf_free(&mining->frame);
	buf_free(&mining->tip_frame);
	mining->api = NULL;
}

static int32_t serve(struct mining *mining, struct error *e)
{
	const struct adit_sv2_server_service *server =
	    mining->api->service_find(mining->host, ADIT_SV2_SERVER_SERVICE);
	int32_t result;

	if (!server)
		return error_set(e, ADIT_E_NOT_FOUND,
				 "no role of this process offers " ADIT_SV2_SERVER_SERVICE
				 ": put [sv2-server] and [%s] into one process",
				 mining->info.role);
	result = adit_sv2_serve_mining(server, &server_handlers, mining);
	if (result != ADIT_OK)
		return error_set(e, result, "sv2-server: mining is served already: %s",
				 adit_error_name(result));
	mining->server = server;
	return ADIT_OK;
}

int32_t mining_start(struct mining *mining, struct error *e)
{
	struct event_base *base = mining->api->loop(mining->host, "libevent-2");
	int32_t result;

	if (!base)
		return error_set(e, ADIT_E_UNSUPPORTED, "the host's event loop is not libevent 2");
	rate_start(&mining->stats.rate, clock_monotonic_ms());
	result = journal_start(mining, e);
	if (result != ADIT_OK)
		return result;
	result = serve(mining, e);
	if (result != ADIT_OK)
		return result;
	mining_changed(mining);
	result =
	    mining->api->timer_add(mining->host, TICK_MS, TICK_MS, on_tick, mining, NULL, NULL);
	if (result != ADIT_OK)
		return error_set(e, result, "timer: %s", adit_error_name(result));
	return providers_start(mining, base, e);
}

bool mining_drain(struct mining *mining)
{
	if (mining->server && mining->open)
		mining->server->set_open(mining->server->server, ADIT_SV2_MINING, false);
	if (mining->conn_count == 0)
		return false;
	opens_stop(mining);
	server_reconnect_all(mining);
	return true;
}

void mining_stop(struct mining *mining)
{
	if (mining->server)
		mining->server->withdraw(mining->server->server, ADIT_SV2_MINING);
	mining->server = NULL;
	mining->open = false;
	providers_fini(mining);
	upstream_forget(mining);
	template_unref(mining->current);
	mining->current = NULL;
}

static void on_drained(void *user)
{
	struct mining *mining = user;

	mining->end(mining->context);
	mining->api->stopped(mining->host);
}

int32_t mining_leave(struct mining *mining, void (*end)(void *context))
{
	const struct adit_host_api *api = mining->api;
	bool anybody = mining_drain(mining);

	mining->end = end;
	api->status(mining->host, "stopping");
	if (anybody &&
	    api->timer_add(mining->host, DRAIN_MS, 0, on_drained, mining, NULL, NULL) == ADIT_OK)
		return ADIT_E_UNAVAILABLE;
	end(mining->context);
	return ADIT_OK;
}

/* --- another configuration ---------------------------------------------------------------------
 */

/* Every channel's target for the new rate and bounds, at the hash rate that it has. */
static void retarget_all(struct mining *mining, const struct vardiff_options *before)
{
	struct mining_conn *conn;

	TAILQ_FOREACH(conn, &mining->conns, link)
	{
		for (uint32_t i = 0; i < conn->count; i++) {
			struct channel *channel = conn->channels[i];

			(void)vardiff_apply(&channel->vardiff, before, &mining->config.vardiff);
			if (channel_set_target(channel))
				work_retarget(channel);
		}
	}
}

static bool same_difficulties(const struct vardiff_options *a, const struct vardiff_options *b)
{
	return a->shares_per_minute == b->shares_per_minute && a->min_work == b->min_work &&
	       a->max_work == b->max_work && a->fixed_work == b->fixed_work;
}

void mining_reload(struct mining *mining, const struct mining_config *config)
{
	struct mining_config before = mining->config;

	mining->config = *config;
	mining->config.number_size = before.number_size;
	mining->config.rollable = before.rollable;
	mining->config.duplicates_bytes = before.duplicates_bytes;
	mining->config.max_workers = before.max_workers;
	mining->config.version_rolling = before.version_rolling;
	mining->config.custom_work = before.custom_work;
	mining->classes.max = config->max_classes;
	divide_limits(mining);
	providers_reload(mining);
	if (!same_difficulties(&before.vardiff, &config->vardiff))
		retarget_all(mining, &before.vardiff);
}

void mining_set_limits(struct mining *mining, uint32_t size, uint16_t sigops)
{
	mining->limits = (struct mining_limits){.size = size, .sigops = sigops};
	providers_tell_limits(mining);
}

void mining_outputs_changed(struct mining *mining)
{
	mining->edition++;
	classes_forget_coinbases(&mining->classes);
}

struct coinbase *mining_coinbase(struct mining *mining, struct template *t)
{
	return coinbase_take(mining, t, mining->classes.own);
}

void mining_close_channels(struct mining *mining, const char *code)
{
	struct mining_conn *conn;

	opens_refuse(mining, code);
	TAILQ_FOREACH(conn, &mining->conns, link)
	{
		while (conn->count > 0)
			server_close_channel(conn->channels[conn->count - 1], code);
	}
}

void mining_refresh(struct mining *mining)
{
	work_refresh(mining);
}
