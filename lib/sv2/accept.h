/* SPDX-License-Identifier: MIT */
/*
 * accept.h: the listening sockets of a server. One connection is accepted a wake-up, and the owner
 * is asked before each one, so that workers which share a listener share its connections. A worker
 * that ought to leave a connection to the others looks again a moment later, and takes it when
 * nobody else has: no connection waits for longer than that because of what is known, or thought,
 * of other workers. A full server lets a waiting peer wait for a second for room, then refuses it.
 * When descriptors run out accepting rests for a moment.
 */
#ifndef SV2_ACCEPT_H
#define SV2_ACCEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/sv2/log.h"
#include "lib/sv2/loop.h"

/* How long a connection is left to the other workers. */
#define SV2_YIELD_MS 100

struct sv2_acceptor;

enum sv2_admission {
	SV2_ADMIT,
	SV2_ADMIT_YIELD, /* another worker ought to take it */
	SV2_ADMIT_FULL,  /* there is no room */
	SV2_ADMIT_LATER  /* in some ms */
};

struct sv2_acceptor_ops {
	/* A connection waits: is it to be taken? Sets *WAIT_MS (at least 1) for SV2_ADMIT_LATER. */
	enum sv2_admission (*admission)(void *owner, uint32_t *wait_ms);
	/* Takes ownership of FD (connected, non-blocking). */
	void (*accepted)(void *owner, int fd, bool is_unix);
	/* A connection was closed for want of room. */
	void (*refused)(void *owner);
	/* Whether it accepts has changed. */
	void (*accepting)(void *owner, bool accepting);
};

struct sv2_acceptor *sv2_acceptor_new(struct sv2_loop *loop, struct sv2_log *log,
				      const struct sv2_acceptor_ops *ops, void *owner);
void sv2_acceptor_free(struct sv2_acceptor *a);
/* Watches FD, which stays the caller's. */
int32_t sv2_acceptor_add(struct sv2_acceptor *a, int fd, bool is_unix);
/* OPEN: connections are wanted at all; not at first. */
void sv2_acceptor_open(struct sv2_acceptor *a, bool open);
/* There may be room now, or the limits have changed. */
void sv2_acceptor_room(struct sv2_acceptor *a);

#endif
