/* SPDX-License-Identifier: MIT */
/*
 * accept.h: the listening sockets of a server. One connection is accepted a wake-up, so that
 * workers which share a listener share its connections. A full server leaves a waiting peer to the
 * other workers for a second, then refuses it. When descriptors run out accepting rests for a
 * moment.
 */
#ifndef SV2_ACCEPT_H
#define SV2_ACCEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/sv2/log.h"
#include "lib/sv2/loop.h"

struct sv2_acceptor;

/* ACCEPTED takes ownership of FD (connected, non-blocking). REFUSED is told of each refusal. */
struct sv2_acceptor *sv2_acceptor_new(struct sv2_loop *loop, struct sv2_log *log,
				      void (*accepted)(void *owner, int fd, const char *peer),
				      void (*refused)(void *owner), void *owner);
void sv2_acceptor_free(struct sv2_acceptor *a);
/* Watches FD, which stays the caller's. */
int32_t sv2_acceptor_add(struct sv2_acceptor *a, int fd, bool is_unix);
/* OPEN: connections are wanted at all. FULL: but there is no room now. */
void sv2_acceptor_set(struct sv2_acceptor *a, bool open, bool full);

#endif
