/* SPDX-License-Identifier: MIT */
/*
 * limits.c: what a server does when it has too much. The order in which load is shed:
 *
 *  1. At three quarters of max_queued or max_unfinished, at max_connections and at max_handshakes,
 *     new connections are left waiting for a second and then refused.
 *  2. Past max_queued or max_unfinished connections are closed that hold such bytes: at first those
 *     that are ending anyway, then those that are not set up, oldest first, then those that never
 *     sent a share, and last those that mine; of these two kinds who holds most goes first. Queued
 *     bytes are counted after all has been written that the sockets take, so that a broadcast is no
 *     overload, and a peer that reads is not among the victims.
 */
#include "config.h"

#include "lib/sv2/server_impl.h"
#include "lib/sv2/socket.h"
#include "lib/util/clock.h"

enum full { ROOM, FULL_CONNECTIONS, FULL_HANDSHAKES, FULL_MEMORY };

void sv2_limits_changed(struct sv2_server *s)
{
	sv2_workers_set(s->workers, s->stats.connections, s->stats.handshakes);
	sv2_acceptor_room(s->acceptor);
}

/* --- accepting ---------------------------------------------------------------------------------
 */

static bool is_near(size_t now, size_t most)
{
	return now >= most / 4 * 3;
}

static enum full limits_full(const struct sv2_server *s)
{
	const struct sv2_server_options *o = &s->options;
	struct sv2_workers_sum sum = sv2_workers_sum(s->workers, clock_monotonic_ms());

	if (sum.connections >= o->max_connections)
		return FULL_CONNECTIONS;
	if (sum.handshakes >= o->max_handshakes)
		return FULL_HANDSHAKES;
	if (is_near(s->loop.queued, s->loop.max_queued) || is_near(s->loop.held, s->loop.max_held))
		return FULL_MEMORY;
	return ROOM;
}

enum sv2_admission sv2_limits_admission(void *server, uint32_t *wait_ms)
{
	struct sv2_server *s = server;
	uint32_t wait;

	if (limits_full(s) != ROOM)
		return SV2_ADMIT_FULL;
	wait = sv2_workers_accept_wait(s->workers, clock_monotonic_us(), s->options.accept_rate);
	if (wait > 0) {
		s->stats.accept_delays++;
		*wait_ms = wait;
		return SV2_ADMIT_LATER;
	}
	if (!sv2_workers_over_share(s->workers, clock_monotonic_ms()))
		return SV2_ADMIT;
	s->stats.accept_yields++;
	return SV2_ADMIT_YIELD;
}

void sv2_limits_refused(void *server)
{
	struct sv2_server *s = server;

	switch (limits_full(s)) {
	case ROOM: /* there is some again, a moment too late */
	case FULL_CONNECTIONS:
		s->stats.refused_connections++;
		break;
	case FULL_HANDSHAKES:
		s->stats.refused_handshakes++;
		break;
	case FULL_MEMORY:
		s->stats.refused_memory++;
		break;
	}
}

bool sv2_limits_address(struct sv2_server *s, int fd, uint64_t *address)
{
	uint32_t most = s->options.max_per_address;
	uint64_t key = sv2_socket_key(fd);
	char peer[SV2_PEER_SIZE];

	sv2_workers_accept_took(s->workers, clock_monotonic_us(), s->options.accept_rate);
	if (most > 0 && sv2_workers_address(s->workers, clock_monotonic_ms(), key) >= most) {
		s->stats.refused_address++;
		sv2_socket_peer(fd, false, peer);
		sv2_log_limited(&s->log, ADIT_LOG_INFO,
				"%s: refused: its address has %u connections (max_per_address)",
				peer, most);
		return false;
	}
	*address = sv2_workers_address_add(s->workers, key) ? key : 0;
	return true;
}

void sv2_limits_release(struct sv2_server *s, uint64_t address)
{
	sv2_workers_address_remove(s->workers, address);
}

/* --- shedding ----------------------------------------------------------------------------------
 */

enum rank { RANK_ENDING, RANK_HANDSHAKE, RANK_IDLE, RANK_MINING, RANKS };

static enum rank rank_of(const struct sv2_conn *c)
{
	if (c->phase >= SV2_ENDING)
		return RANK_ENDING;
	if (c->phase < SV2_OPEN)
		return RANK_HANDSHAKE;
	return ((const struct server_conn *)c)->mines ? RANK_MINING : RANK_IDLE;
}

/* Who goes next; NULL when nobody holds such bytes. The list is in order of age. */
static struct sv2_conn *choose(const struct sv2_server *s, bool queued)
{
	struct sv2_conn *chosen = NULL;
	enum rank lowest = RANKS;
	size_t most = 0;
	struct sv2_conn *c;

	TAILQ_FOREACH(c, &s->loop.conns, link)
	{
		size_t size = queued ? sv2_conn_pending(c) : c->held;
		enum rank rank = rank_of(c);

		if (size == 0 || c->drop || rank > lowest)
			continue;
		if (rank == lowest && (rank == RANK_HANDSHAKE || size <= most))
			continue;
		chosen = c;
		lowest = rank;
		most = size;
	}
	return chosen;
}

bool sv2_limits_shed(void *server)
{
	struct sv2_server *s = server;
	bool queued = s->loop.queued > s->loop.max_queued;
	struct sv2_conn *c = choose(s, queued);

	if (c == NULL)
		return false;
	switch (rank_of(c)) {
	case RANK_HANDSHAKE:
		s->stats.shed_handshakes++;
		break;
	case RANK_IDLE:
		s->stats.shed_idle++;
		break;
	case RANK_MINING:
		s->stats.shed_mining++;
		break;
	case RANK_ENDING:
	case RANKS:
		break;
	}
	sv2_conn_end(c, SV2_END_LIMIT,
		     queued ? "too many bytes wait on all connections (max_queued)"
			    : "too many bytes of incomplete messages (max_unfinished)");
	c->drop = c->reset = true;
	sv2_loop_schedule(&s->loop, c);
	return true;
}
