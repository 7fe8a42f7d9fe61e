/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jdc/pools.h"

#include <stdlib.h>
#include <string.h>

#include "lib/util/clock.h"
#include "lib/util/random.h"
#include "plugins/jdc/events.h"
#include "plugins/jdc/jdc.h"
#include "plugins/jdc/orders.h"
#include "plugins/jdc/sources.h"

#define TICK_MS 100
/* A role that was just started does not know yet whether there are templates. */
#define TEMPLATES_WAIT_MS 2000

static struct jdc_pool *pool_of(struct upstream *u)
{
	return (struct jdc_pool *)u; /* its first member */
}

static double hash_rate(const struct jdc *jdc)
{
	const struct mining_conn *conn;
	double sum = 0;

	TAILQ_FOREACH(conn, &jdc->mining.conns, link)
	{
		for (uint32_t i = 0; i < conn->count; i++)
			sum += vardiff_hashrate(&conn->channels[i]->vardiff);
	}
	return sum;
}

/* --- what the state machine wants --------------------------------------------------------------
 */

static void act_connect(void *context, struct upstream *u)
{
	struct jdc *jdc = context;
	struct jdc_pool *pool = pool_of(u);

	pool->attempt = ++jdc->attempts;
	pool_jobs_clear(&pool->jobs);
	uplink_connect(&pool->link, u->with_templates ? pool->settings.mode : JDC_PROXY,
		       hash_rate(jdc));
	if (jdc->mining.has_tip)
		uplink_set_tip(&pool->link, jdc->mining.tip.prev_hash);
}

static void act_disconnect(void *context, struct upstream *u)
{
	struct jdc *jdc = context;
	struct jdc_pool *pool = pool_of(u);

	if (jdc->active == pool) { /* for other work, see upstreams_templates() */
		jdc->active = NULL;
		events_pool_disconnected(jdc, pool, "it is connected to anew");
	}
	uplink_disconnect(&pool->link);
	pool->attempt = ++jdc->attempts; /* job ids of before are worth nothing */
	pool_jobs_clear(&pool->jobs);
}

static const char *source_text(const struct jdc_pool *pool)
{
	switch (pool->link.mode) {
	case JDC_FULL_TEMPLATE:
		return "our jobs, declared";
	case JDC_COINBASE_ONLY:
		return "our jobs";
	default:
		return "its jobs";
	}
}

uint64_t pool_next_ms(const struct jdc_pool *pool, uint64_t now_ms)
{
	const struct upstream *u = &pool->upstream;

	if (u->state == UPSTREAM_TRYING)
		return 0;
	if (u->state != UPSTREAM_WAITING && u->state != UPSTREAM_COOLING)
		return UINT64_MAX;
	return u->at_ms > now_ms ? u->at_ms - now_ms : 0;
}

/* Says when there may be an end of it: a pool that cools is left alone for minutes. */
static void say_solo(struct jdc *jdc)
{
	const struct jdc_pool *next = NULL;
	uint64_t now = clock_monotonic_ms();
	uint64_t soonest = UINT64_MAX;

	for (uint32_t i = 0; i < jdc->pool_count; i++) {
		uint64_t ms = pool_next_ms(jdc->pools[i], now);

		if (ms >= soonest)
			continue;
		soonest = ms;
		next = jdc->pools[i];
	}
	if (jdc->pool_count == 0)
		mining_log(&jdc->mining, ADIT_LOG_INFO, "mining solo");
	else if (!next)
		mining_log(&jdc->mining, ADIT_LOG_WARNING, "mining solo: no pool gives work");
	else if (soonest == 0)
		mining_log(&jdc->mining, ADIT_LOG_WARNING,
			   "mining solo: no pool gives work; %s is tried now", next->settings.name);
	else
		mining_log(&jdc->mining, ADIT_LOG_WARNING,
			   "mining solo: no pool gives work; %s (%s) is tried again in %u s",
			   next->settings.name, upstream_state_name(next->upstream.state),
			   (unsigned)((soonest + 999) / 1000));
}

static void act_switched(void *context, struct upstream *from, struct upstream *to)
{
	struct jdc *jdc = context;
	struct jdc_pool *pool = to ? pool_of(to) : NULL;

	if (from)
		events_pool_disconnected(jdc, pool_of(from), "another pool is preferred");
	source_switch(jdc, pool);
	if (pool) {
		mining_log(&jdc->mining, ADIT_LOG_INFO, "mining for pool %s, %s: %s",
			   pool->settings.name, pool->settings.pool.address, source_text(pool));
		events_pool_connected(jdc, pool);
	} else {
		say_solo(jdc);
	}
	mining_changed(&jdc->mining);
}

static const struct upstreams_actions actions = {
    .connect = act_connect,
    .disconnect = act_disconnect,
    .switched = act_switched,
    .random_below = random_below,
};

/* --- what a pool tells -------------------------------------------------------------------------
 */

static struct jdc_pool *pool_of_link(struct uplink *link)
{
	return (struct jdc_pool *)((char *)link - offsetof(struct jdc_pool, link));
}

static void on_ready(void *context, struct uplink *link)
{
	struct jdc *jdc = context;

	upstreams_ready(&jdc->upstreams, &pool_of_link(link)->upstream, clock_monotonic_ms());
}

static void on_failed(void *context, struct uplink *link, enum upstream_fault fault,
		      const char *text)
{
	struct jdc *jdc = context;
	struct jdc_pool *pool = pool_of_link(link);
	bool again = pool->upstream.fault == fault && fault == UPSTREAM_NOT_REACHED;

	mining_log(&jdc->mining, again ? ADIT_LOG_DEBUG : ADIT_LOG_WARNING, "pool %s: %s: %s",
		   pool->settings.name, upstream_fault_name(fault), text);
	if (jdc->active == pool) {
		jdc->active = NULL;
		events_pool_disconnected(jdc, pool, text);
	}
	upstreams_failed(&jdc->upstreams, &pool->upstream, fault, clock_monotonic_ms());
	mining_changed(&jdc->mining);
}

static void on_outputs(void *context, struct uplink *link)
{
	struct jdc *jdc = context;

	if (jdc->active == pool_of_link(link))
		source_outputs(jdc);
}

static void on_prefix(void *context, struct uplink *link)
{
	struct jdc *jdc = context;

	if (jdc->active == pool_of_link(link))
		source_prefix(jdc);
}

static void on_target(void *context, struct uplink *link)
{
	struct jdc *jdc = context;

	if (jdc->active == pool_of_link(link))
		source_target(jdc);
}

static void on_starved(void *context, struct uplink *link)
{
	(void)link;
	source_starved(context);
}

static bool on_need_transactions(void *context, struct uplink *link, uint64_t id)
{
	return source_need_transactions(context, pool_of_link(link), id);
}

static void on_known(void *context, struct uplink *link, uint64_t id, uint32_t job_id)
{
	source_known(context, pool_of_link(link), id, job_id);
}

static void on_dropped(void *context, struct uplink *link, uint64_t id)
{
	(void)link;
	source_dropped(context, id);
}

static int32_t on_job(void *context, struct uplink *link,
		      const struct adit_sv2_new_extended_mining_job *m, struct error *e)
{
	return source_pool_job(context, pool_of_link(link), m, e);
}

static int32_t on_tip(void *context, struct uplink *link,
		      const struct adit_sv2_set_new_prev_hash *m, struct error *e)
{
	return source_pool_tip(context, pool_of_link(link), m, e);
}

static const struct uplink_events events = {
    .ready = on_ready,
    .failed = on_failed,
    .outputs = on_outputs,
    .prefix = on_prefix,
    .target = on_target,
    .need_transactions = on_need_transactions,
    .known = on_known,
    .dropped = on_dropped,
    .starved = on_starved,
    .job = on_job,
    .tip = on_tip,
};

/* --- the list ----------------------------------------------------------------------------------
 */

static struct jdc_pool *add(struct jdc *jdc, const struct pool_settings *settings, uint32_t at)
{
	struct jdc_pool *pool = calloc(1, sizeof *pool);
	struct uplink_options options = {
	    .api = jdc->mining.api,
	    .host = jdc->mining.host,
	    .clients = jdc->clients,
	    .settings = &jdc->settings,
	    .events = &events,
	    .context = jdc,
	};

	if (!pool)
		return NULL;
	pool->jdc = jdc;
	pool->settings = *settings;
	pool->upstream.declares = settings->mode != JDC_PROXY;
	options.pool = &pool->settings;
	uplink_init(&pool->link, &options);
	if (!upstreams_add(&jdc->upstreams, &pool->upstream, at, clock_monotonic_ms())) {
		uplink_fini(&pool->link);
		free(pool);
		return NULL;
	}
	memmove(&jdc->pools[at + 1], &jdc->pools[at],
		(jdc->pool_count - at) * sizeof(struct jdc_pool *));
	jdc->pools[at] = pool;
	jdc->pool_count++;
	return pool;
}

struct jdc_pool *pools_add_first(struct jdc *jdc, const struct pool_settings *settings)
{
	return add(jdc, settings, 0);
}

static void forget(struct jdc *jdc, struct jdc_pool *pool)
{
	uint32_t at = 0;

	while (at < jdc->pool_count && jdc->pools[at] != pool)
		at++;
	if (at == jdc->pool_count)
		return;
	jdc->pool_count--;
	memmove(&jdc->pools[at], &jdc->pools[at + 1],
		(jdc->pool_count - at) * sizeof(struct jdc_pool *));
}

void pools_remove(struct jdc *jdc, struct jdc_pool *pool)
{
	if (jdc->active == pool) {
		jdc->active = NULL;
		events_pool_disconnected(jdc, pool, "it is not configured any more");
	}
	forget(jdc, pool);
	upstreams_remove(&jdc->upstreams, &pool->upstream, clock_monotonic_ms());
	works_forget_pool(&jdc->works, pool);
	pool_jobs_clear(&pool->jobs);
	uplink_fini(&pool->link);
	free(pool);
}

void pools_prefer(struct jdc *jdc, struct jdc_pool *pool)
{
	upstreams_prefer(&jdc->upstreams, &pool->upstream, clock_monotonic_ms());
}

static int32_t add_configured(struct jdc *jdc, struct error *e)
{
	if (jdc->settings.mode == JDC_SOLO)
		return ADIT_OK;
	for (uint32_t i = 0; i < jdc->settings.pool_count; i++) {
		if (!add(jdc, &jdc->settings.pools[i], jdc->pool_count))
			return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	return ADIT_OK;
}

/* The one that is worked for stays if it is among the new ones; else it goes last of all, so that
 * mining goes from it to another one. */
int32_t pools_reload(struct jdc *jdc, struct error *e)
{
	const struct jdc_settings *s = &jdc->settings;
	struct jdc_pool *stays = jdc->active;
	uint32_t wanted = s->mode == JDC_SOLO ? 0 : s->pool_count;
	bool found = false;

	order_forget(jdc);
	for (uint32_t i = jdc->pool_count; i > 0; i--) {
		if (jdc->pools[i - 1] != stays)
			pools_remove(jdc, jdc->pools[i - 1]);
	}
	for (uint32_t i = 0; i < wanted; i++) {
		if (stays && !found && pool_settings_same(&stays->settings, &s->pools[i]))
			found = true;
		else if (!add(jdc, &s->pools[i], i))
			return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	if (stays && !found)
		pools_remove(jdc, stays);
	return ADIT_OK;
}

/* --- time --------------------------------------------------------------------------------------
 */

static void begin(struct jdc *jdc, uint64_t now)
{
	if (!jdc->templates && jdc->settings.mining.provider_count > 0 &&
	    now - jdc->start_ms < TEMPLATES_WAIT_MS)
		return;
	jdc->started = true;
	upstreams_start(&jdc->upstreams, jdc->templates, now);
}

static void on_tick(void *user)
{
	struct jdc *jdc = user;
	uint64_t now = clock_monotonic_ms();
	bool templates = jdc->templates && now >= jdc->without_templates_ms;

	if (!jdc->started) {
		begin(jdc, now);
		return;
	}
	for (uint32_t i = 0; i < jdc->pool_count; i++)
		uplink_tick(&jdc->pools[i]->link, now);
	if (templates != jdc->upstreams.templates) {
		mining_log(&jdc->mining, ADIT_LOG_WARNING, "%s",
			   templates ? "templates are there again"
				     : "no template provider is left: pools are asked for "
				       "their own jobs");
		upstreams_templates(&jdc->upstreams, templates, now);
	}
	(void)upstreams_tick(&jdc->upstreams, now);
	order_tick(jdc, now);
}

void pools_templates(struct jdc *jdc, bool there)
{
	jdc->templates = there; /* acted upon by the tick: this may be called from anywhere */
}

void pools_second(struct jdc *jdc, uint64_t now_ms)
{
	double sum = hash_rate(jdc);

	(void)now_ms;
	for (uint32_t i = 0; i < jdc->pool_count; i++) {
		struct jdc_pool *pool = jdc->pools[i];
		double claim = (double)pool->settings.hash_rate;

		uplink_hash_rate(&pool->link, sum > 0 || !(claim > 0) ? sum : claim);
	}
	if (jdc->active)
		source_bound(jdc);
}

/* --- life --------------------------------------------------------------------------------------
 */

int32_t pools_start(struct jdc *jdc, struct error *e)
{
	const struct adit_host_api *api = jdc->mining.api;
	int32_t result;

	upstreams_init(&jdc->upstreams, &jdc->settings.upstreams, &actions, jdc);
	result = add_configured(jdc, e);
	if (result != ADIT_OK)
		return result;
	jdc->start_ms = clock_monotonic_ms();
	result =
	    api->timer_add(jdc->mining.host, TICK_MS, TICK_MS, on_tick, jdc, NULL, &jdc->timer);
	return result == ADIT_OK ? ADIT_OK
				 : error_set(e, result, "timer: %s", adit_error_name(result));
}

void pools_stop(struct jdc *jdc)
{
	if (jdc->timer)
		jdc->mining.api->timer_cancel(jdc->mining.host, jdc->timer);
	jdc->timer = 0;
	jdc->active = NULL;
	if (jdc->started)
		upstreams_stop(&jdc->upstreams, clock_monotonic_ms());
	jdc->started = false;
	order_forget(jdc);
	while (jdc->pool_count > 0)
		pools_remove(jdc, jdc->pools[jdc->pool_count - 1]);
}
