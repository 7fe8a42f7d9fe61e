/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/opens.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/clock.h"
#include "plugins/pool/pool.h"
#include "plugins/pool/server.h"

#define TURN_MS 50 /* between two looks at what waits */

void opens_init(struct pool *pool)
{
	TAILQ_INIT(&pool->opens.conns);
	pool->opens.allowed = pool->part.open_rate;
	pool->opens.filled_ms = clock_monotonic_ms();
}

/* Whether one more may be opened now. At most a second's worth is saved up. */
static bool may_open(struct pool *pool)
{
	struct opens *o = &pool->opens;
	const struct pool_part *part = &pool->part;
	uint64_t now = clock_monotonic_ms();
	uint64_t passed = now - o->filled_ms;

	if (part->share_rate > 0 &&
	    (uint64_t)pool->shares_second * 4 >= (uint64_t)part->share_rate * 3)
		return false;
	o->filled_ms = now;
	o->allowed = fmin(part->open_rate, o->allowed + (double)passed * part->open_rate / 1000.0);
	return part->open_rate == 0 || o->allowed >= 1;
}

static int32_t open_now(struct pool_conn *conn, const struct open_request *request)
{
	if (conn->pool->part.open_rate > 0)
		conn->pool->opens.allowed -= 1;
	return server_open(conn, request);
}

/* --- waiting -----------------------------------------------------------------------------------
 */

static struct waiting_open *take_first(struct pool_conn *conn)
{
	struct opens *o = &conn->pool->opens;
	struct waiting_open *w = STAILQ_FIRST(&conn->opens);

	STAILQ_REMOVE_HEAD(&conn->opens, link);
	conn->open_count--;
	o->count--;
	TAILQ_REMOVE(&o->conns, conn, in_opens);
	if (conn->open_count > 0)
		TAILQ_INSERT_TAIL(&o->conns, conn, in_opens);
	return w;
}

static void on_turn(void *user);

/* Where that fails the tick tries again. */
static void set_timer(struct pool *pool)
{
	struct opens *o = &pool->opens;

	if (o->count > 0 && o->timer == 0 &&
	    pool->api->timer_add(pool->host, TURN_MS, 0, on_turn, pool, NULL, &o->timer) != ADIT_OK)
		o->timer = 0;
}

static void on_turn(void *user)
{
	struct pool *pool = user;
	struct opens *o = &pool->opens;

	o->timer = 0;
	while (o->count > 0 && may_open(pool)) {
		struct pool_conn *conn = TAILQ_FIRST(&o->conns);
		struct adit_sv2_conn *sv2 = conn->sv2;
		struct waiting_open *w = take_first(conn);

		if (open_now(conn, &w->request) != ADIT_OK)
			adit_sv2_close(sv2, "a channel can't be opened");
		free(w);
	}
	set_timer(pool);
}

void opens_tick(struct pool *pool)
{
	set_timer(pool);
}

static bool wait_turn(struct pool_conn *conn, const struct open_request *request)
{
	struct opens *o = &conn->pool->opens;
	struct waiting_open *w = malloc(sizeof *w + request->user.size);

	if (!w)
		return false;
	w->request = *request;
	if (request->user.size > 0)
		memcpy(w->user, request->user.data, request->user.size);
	w->request.user.data = w->user;
	STAILQ_INSERT_TAIL(&conn->opens, w, link);
	if (conn->open_count++ == 0)
		TAILQ_INSERT_TAIL(&o->conns, conn, in_opens);
	o->count++;
	o->delayed++;
	set_timer(conn->pool);
	return true;
}

void opens_forget(struct pool_conn *conn)
{
	while (conn->open_count > 0)
		free(take_first(conn));
}

void opens_stop(struct pool *pool)
{
	struct pool_conn *conn;

	while ((conn = TAILQ_FIRST(&pool->opens.conns)))
		opens_forget(conn);
}

/* --- arriving ----------------------------------------------------------------------------------
 */

/* Counts it and returns false when CONN or the role has as many channels as it may. */
static bool has_room(struct pool_conn *conn)
{
	struct pool *pool = conn->pool;

	if (conn->count + conn->open_count >= pool->config.max_channels) {
		pool->opens.refused_channels++;
		return false;
	}
	if (pool->channel_count + pool->opens.count >= pool->part.channels) {
		pool->opens.refused_total++;
		return false;
	}
	return true;
}

int32_t opens_arrived(struct pool_conn *conn, const struct open_request *request)
{
	struct pool *pool = conn->pool;
	const char *wrong = server_check_open(conn, request);

	if (wrong)
		return server_refuse_open(conn, request, wrong);
	if (!has_room(conn))
		return server_refuse_open(conn, request, "channel-capacity-exhausted");
	/* Nobody overtakes those that wait. */
	if (pool->opens.count == 0 && may_open(pool))
		return open_now(conn, request);
	if (conn->open_count >= pool->config.max_pending_opens || !wait_turn(conn, request)) {
		pool->opens.refused_waiting++;
		return server_refuse_open(conn, request, "channel-capacity-exhausted");
	}
	return ADIT_OK;
}
