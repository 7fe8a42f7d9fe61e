/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/loop.h"

#include <stdlib.h>

#include "lib/sv2/conn.h"
#include "lib/util/clock.h"

#define TICK_MIN_MS 10
#define TICK_MAX_MS 1000
#define OVERLOAD_BATCH 64 /* connections that are ended a turn */

static void flush_all(struct sv2_loop *l)
{
	struct sv2_conn *c;

	while ((c = TAILQ_FIRST(&l->flush)) != NULL) {
		TAILQ_REMOVE(&l->flush, c, flush_link);
		c->flush_queued = false;
		sv2_conn_flush(c);
	}
}

static bool loop_overloaded(const struct sv2_loop *l)
{
	return l->overload != NULL && ((l->max_held > 0 && l->held > l->max_held) ||
				       (l->max_queued > 0 && l->queued > l->max_queued));
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct sv2_loop *l = arg;

	(void)fd;
	(void)what;
	sv2_loop_enter(l);
	flush_all(l);
	for (int i = 0; i < OVERLOAD_BATCH && loop_overloaded(l) && l->overload(l->owner); i++)
		flush_all(l);
	sv2_loop_leave(l);
}

/* Deadlines only mark connections; what follows from it happens in the flush event. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct sv2_loop *l = arg;
	uint64_t now = clock_monotonic_ms();
	struct sv2_conn *c;

	(void)fd;
	(void)what;
	sv2_loop_enter(l);
	TAILQ_FOREACH(c, &l->conns, link)
	sv2_conn_check_deadlines(c, now);
	sv2_loop_leave(l);
}

int32_t sv2_loop_init(struct sv2_loop *l, struct event_base *base, uint32_t tick_ms,
		      void (*destroy)(void *owner), void *owner)
{
	*l =
	    (struct sv2_loop){.base = base, .tick_ms = tick_ms, .destroy = destroy, .owner = owner};
	TAILQ_INIT(&l->conns);
	TAILQ_INIT(&l->flush);
	l->scratch = malloc(SV2_SCRATCH_SIZE);
	l->flush_event = event_new(base, -1, EV_PERSIST, on_flush, l);
	l->tick_event = event_new(base, -1, EV_PERSIST, on_tick, l);
	if (l->scratch == NULL || l->flush_event == NULL || l->tick_event == NULL) {
		sv2_loop_fini(l);
		return ADIT_E_NO_MEMORY;
	}
	return ADIT_OK;
}

void sv2_loop_fini(struct sv2_loop *l)
{
	struct sv2_conn *c;

	while ((c = TAILQ_FIRST(&l->conns)) != NULL)
		sv2_conn_destroy(c);
	if (l->flush_event != NULL)
		event_free(l->flush_event);
	if (l->tick_event != NULL)
		event_free(l->tick_event);
	free(l->scratch);
	l->flush_event = NULL;
	l->tick_event = NULL;
	l->scratch = NULL;
}

void sv2_loop_enter(struct sv2_loop *l)
{
	l->depth++;
}

void sv2_loop_leave(struct sv2_loop *l)
{
	if (--l->depth == 0 && l->doomed)
		l->destroy(l->owner);
}

void sv2_loop_doom(struct sv2_loop *l)
{
	l->doomed = true;
	if (l->depth == 0)
		l->destroy(l->owner);
}

uint32_t sv2_loop_tick_for(const uint32_t *timeouts_ms, size_t n)
{
	uint32_t tick = TICK_MAX_MS;

	for (size_t i = 0; i < n; i++)
		if (timeouts_ms[i] > 0 && timeouts_ms[i] / 4 < tick)
			tick = timeouts_ms[i] / 4;
	return tick > TICK_MIN_MS ? tick : TICK_MIN_MS;
}

static void loop_start_tick(struct sv2_loop *l)
{
	struct timeval tick = {.tv_sec = l->tick_ms / 1000,
			       .tv_usec = (suseconds_t)(l->tick_ms % 1000) * 1000};

	(void)event_add(l->tick_event, &tick);
}

void sv2_loop_set_tick(struct sv2_loop *l, uint32_t tick_ms)
{
	l->tick_ms = tick_ms;
	if (!TAILQ_EMPTY(&l->conns))
		loop_start_tick(l);
}

void sv2_loop_grown(struct sv2_loop *l)
{
	if (loop_overloaded(l))
		event_active(l->flush_event, EV_WRITE, 0);
}

void sv2_loop_join(struct sv2_loop *l, struct sv2_conn *c)
{
	c->traced = l->trace_all;
	if (TAILQ_EMPTY(&l->conns))
		loop_start_tick(l);
	TAILQ_INSERT_TAIL(&l->conns, c, link);
}

void sv2_loop_part(struct sv2_loop *l, struct sv2_conn *c)
{
	TAILQ_REMOVE(&l->conns, c, link);
	if (c->flush_queued)
		TAILQ_REMOVE(&l->flush, c, flush_link);
	c->flush_queued = false;
	if (TAILQ_EMPTY(&l->conns))
		(void)event_del(l->tick_event);
}

void sv2_loop_schedule(struct sv2_loop *l, struct sv2_conn *c)
{
	if (c->flush_queued)
		return;
	if (TAILQ_EMPTY(&l->flush))
		event_active(l->flush_event, EV_WRITE, 0);
	TAILQ_INSERT_TAIL(&l->flush, c, flush_link);
	c->flush_queued = true;
}
