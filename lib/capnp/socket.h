/* SPDX-License-Identifier: MIT */
/*
 * socket.h: a conversation (rpc.h) over a Unix stream socket on a libevent loop. Never blocks: many
 * calls of one wake-up become one write, nothing is sent or called inside of a function that asks.
 */
#ifndef CAPNP_SOCKET_H
#define CAPNP_SOCKET_H

#include <event2/event.h>

#include "lib/capnp/rpc.h"

struct capn_socket;

/* The conversation is over: the peer closed or broke it. Called once at most, from the loop, and
 * not by capn_socket_close(). capn_socket_close() may be called in it. */
typedef void capn_socket_ended_fn(void *user, const struct error *reason);

/* Connects to PATH. NULL with E: ADIT_E_NOT_FOUND (no such socket), ADIT_E_UNAVAILABLE (nobody
 * listens, or its queue is full), ADIT_E_PERMISSION_DENIED, ADIT_E_INVALID_ARGUMENT (path too
 * long). */
struct capn_socket *capn_socket_connect(struct event_base *base, const char *path,
					capn_socket_ended_fn *ended, void *user, struct error *e);
/* The same with FD, a connected stream socket, which is taken over also when it fails. */
struct capn_socket *capn_socket_adopt(struct event_base *base, int fd, capn_socket_ended_fn *ended,
				      void *user, struct error *e);
struct capn_rpc *capn_socket_rpc(struct capn_socket *s);
/* What the loop would do for S, once, without the loop: sends what there is to be sent, waits at most
 * TIMEOUT_MS for something to read, and reads it. For who is about to close and has no loop any more;
 * callbacks run inside. False: the conversation is over, or S is in a callback of its own. */
bool capn_socket_turn(struct capn_socket *s, uint32_t timeout_ms);
/* Ends the conversation (open calls are answered with CAPN_DISCONNECTED), closes, frees. */
void capn_socket_close(struct capn_socket *s);

#endif
