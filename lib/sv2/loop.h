/* SPDX-License-Identifier: MIT */
/*
 * loop.h: what all connections of one server or client share on its event loop: the storage that
 * reads go into, the list of connections with something to write, the tick that looks at deadlines.
 *
 * Writes and endings are put off to the flush event, which libevent runs after the events that are
 * active now: many sends become one write, and no callback runs inside of a send or close.
 */
#ifndef SV2_LOOP_H
#define SV2_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <event2/event.h>

/* One read takes at most this: at least a full sealed chunk. */
#define SV2_SCRATCH_SIZE 65536

struct sv2_conn;
struct sv2_tracer;
TAILQ_HEAD(sv2_conn_list, sv2_conn);

struct sv2_loop {
	struct event_base *base;
	uint8_t *scratch;
	struct event *flush_event;
	struct event *tick_event;
	struct sv2_conn_list conns; /* oldest first */
	struct sv2_conn_list flush; /* those with work for the flush event */
	uint64_t messages_in;
	uint64_t messages_out;
	uint64_t bytes_in;
	uint64_t bytes_out;
	const struct sv2_tracer *tracer; /* see trace.h; NULL: none */
	bool trace_all;                  /* connections to come are traced as well */
	/* Bytes of all connections: received of messages that are not complete, and not yet taken
	 * by the peers. Past a maximum (0: none) OVERLOAD is called, once all has been written that
	 * can be; false when it found nothing to end. */
	size_t held;
	size_t queued;
	size_t max_held;
	size_t max_queued;
	bool (*overload)(void *owner);
	uint32_t tick_ms;
	uint32_t depth; /* callbacks of ours that are on the stack */
	void (*destroy)(void *owner);
	void *owner;
	bool doomed; /* destroy the owner once the stack is clear */
};

/* TICK_MS: how often deadlines are looked at. DESTROY: see sv2_loop_doom(). */
int32_t sv2_loop_init(struct sv2_loop *l, struct event_base *base, uint32_t tick_ms,
		      void (*destroy)(void *owner), void *owner);
/* Another TICK_MS from now on. */
void sv2_loop_set_tick(struct sv2_loop *l, uint32_t tick_ms);
/* Ends every connection without a word and frees what the loop holds. */
void sv2_loop_fini(struct sv2_loop *l);

/* Around every callback from the event loop. Leaving may destroy the owner, the loop included: do
 * not touch anything afterwards. */
void sv2_loop_enter(struct sv2_loop *l);
void sv2_loop_leave(struct sv2_loop *l);
/* Calls DESTROY now, or when the outermost callback has returned. */
void sv2_loop_doom(struct sv2_loop *l);

/* A tick that suits the shortest of N timeouts (0: none). */
uint32_t sv2_loop_tick_for(const uint32_t *timeouts_ms, size_t n);

/* For conn.c: connections join and leave; C is to be looked at by the flush event. */
void sv2_loop_join(struct sv2_loop *l, struct sv2_conn *c);
void sv2_loop_part(struct sv2_loop *l, struct sv2_conn *c);
void sv2_loop_schedule(struct sv2_loop *l, struct sv2_conn *c);
/* `held` or `queued` has grown. */
void sv2_loop_grown(struct sv2_loop *l);

#endif
