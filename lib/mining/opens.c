/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/opens.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mining/engine.h"
#include "lib/mining/server.h"
#include "lib/mining/work.h"
#include "lib/util/clock.h"

#define TURN_MS 50 /* between two looks at what waits */

void opens_init(struct mining *mining)
{
	TAILQ_INIT(&mining->opens.conns);
	mining->opens.allowed = mining->part.open_rate;
	mining->opens.filled_ms = clock_monotonic_ms();
}

/* Whether one more may be opened now. At most a second's worth is saved up. */
static bool may_open(struct mining *mining)
{
	struct opens *o = &mining->opens;
	const struct mining_part *part = &mining->part;
	uint64_t now = clock_monotonic_ms();
	uint64_t passed = now - o->filled_ms;

	if (!work_there(mining))
		return false;
	if (part->share_rate > 0 &&
	    (uint64_t)mining->shares_second * 4 >= (uint64_t)part->share_rate * 3)
		return false;
	o->filled_ms = now;
	o->allowed = fmin(part->open_rate, o->allowed + (double)passed * part->open_rate / 1000.0);
	return part->open_rate == 0 || o->allowed >= 1;
}

static int32_t open_now(struct mining_conn *conn, const struct open_request *request)
{
	if (conn->mining->part.open_rate > 0)
		conn->mining->opens.allowed -= 1;
	return server_open(conn, request);
}

/* --- waiting -----------------------------------------------------------------------------------
 */

static struct waiting_open *take_first(struct mining_conn *conn)
{
	struct opens *o = &conn->mining->opens;
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
static void set_timer(struct mining *mining)
{
	struct opens *o = &mining->opens;

	if (o->count > 0 && o->timer == 0 &&
	    mining->api->timer_add(mining->host, TURN_MS, 0, on_turn, mining, NULL, &o->timer) !=
		ADIT_OK)
		o->timer = 0;
}

static void on_turn(void *user)
{
	struct mining *mining = user;
	struct opens *o = &mining->opens;

	o->timer = 0;
	while (o->count > 0 && may_open(mining)) {
		struct mining_conn *conn = TAILQ_FIRST(&o->conns);
		struct adit_sv2_conn *sv2 = conn->sv2;
		struct waiting_open *w = take_first(conn);

		if (open_now(conn, &w->request) != ADIT_OK)
			adit_sv2_close(sv2, "a channel can't be opened");
		free(w);
	}
	set_timer(mining);
}

void opens_tick(struct mining *mining)
{
	set_timer(mining);
}

static bool wait_turn(struct mining_conn *conn, const struct open_request *request)
{
	struct opens *o = &conn->mining->opens;
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
	set_timer(conn->mining);
	return true;
}

void opens_forget(struct mining_conn *conn)
{
	while (conn->open_count > 0)
		free(take_first(conn));
}

void opens_refuse(struct mining *mining, const char *code)
{
	struct mining_conn *conn;

	while ((conn = TAILQ_FIRST(&mining->opens.conns))) {
		struct waiting_open *w = take_first(conn);

		(void)server_refuse_open(conn, &w->request, code);
		free(w);
	}
}

void opens_stop(struct mining *mining)
{
	struct mining_conn *conn;

	while ((conn = TAILQ_FIRST(&mining->opens.conns)))
		opens_forget(conn);
}

/* --- arriving ----------------------------------------------------------------------------------
 */

/* Counts it and returns false when CONN or the role has as many channels as it may. */
static bool has_room(struct mining_conn *conn)
{
	struct mining *mining = conn->mining;

	if (conn->count + conn->open_count >= mining->config.max_channels) {
		mining->opens.refused_channels++;
		return false;
	}
	if (mining->channel_count + mining->opens.count >= mining->part.channels) {
		mining->opens.refused_total++;
		return false;
	}
	return true;
}

int32_t opens_arrived(struct mining_conn *conn, const struct open_request *request)
{
	struct mining *mining = conn->mining;
	const char *wrong = server_check_open(conn, request);

	if (wrong)
		return server_refuse_open(conn, request, wrong);
	if (!has_room(conn))
		return server_refuse_open(conn, request, "channel-capacity-exhausted");
	/* Nobody overtakes those that wait. */
	if (mining->opens.count == 0 && may_open(mining))
		return open_now(conn, request);
	if (conn->open_count >= mining->config.max_pending_opens || !wait_turn(conn, request)) {
		mining->opens.refused_waiting++;
		return server_refuse_open(conn, request, "channel-capacity-exhausted");
	}
	return ADIT_OK;
}
