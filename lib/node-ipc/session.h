/* SPDX-License-Identifier: MIT */
/*
 * session.h: a conversation with Bitcoin Core's node over its IPC socket, from connecting to the
 * Mining interface: bootstrap, Init.construct, a thread of the node for our calls, makeMining, and
 * finding out which dialect the node speaks by harmless questions. Every call has a deadline: a
 * node that does not answer ends the session with a reason, it never blocks or hangs us.
 *
 * Everything happens on the libevent loop; no callback is run inside of a function that asks.
 */
#ifndef NODE_IPC_SESSION_H
#define NODE_IPC_SESSION_H

#include <event2/event.h>

#include "lib/node-ipc/mining.h"
#include "lib/util/error.h"

struct node_ipc;

struct node_ipc_callbacks {
	/* The node may be asked now. */
	void (*ready)(void *user);
	/* The session is over: refused, closed, broken, or the node did not answer in time; before
	 * or after `ready`. Calls that were open have been answered with an exception. Called once
	 * at most, not by node_ipc_close(), which may be called in it. */
	void (*ended)(void *user, const struct error *reason);
};

/* Connects to the Unix socket PATH. NAME names the node's thread in its log, TIMEOUT_MS is the
 * deadline of each step of the opening. NULL with E, see capn_socket_connect(). CALLBACKS is
 * borrowed for the session's life. */
struct node_ipc *node_ipc_open(struct event_base *base, const char *path, const char *name,
			       uint32_t timeout_ms, const struct node_ipc_callbacks *callbacks,
			       void *user, struct error *e);
/* Before node_ipc_close(): lets the node answer what it was asked, for LIMIT_MS at most, for which it
 * blocks; from now on nothing more is asked. Up to v30 a node ends with an assertion when a waitNext
 * finds a template for a client that has left. What waits longer the caller interrupts before.
 * Does nothing when the session is over. */
void node_ipc_leave(struct node_ipc *s, uint32_t limit_ms);
/* Ends and frees it. Open calls are answered with an exception. */
void node_ipc_close(struct node_ipc *s);

/* These once it is ready. The Mining interface, borrowed: */
struct capn_cap *node_ipc_mining(const struct node_ipc *s);
enum node_dialect node_ipc_dialect(const struct node_ipc *s);
/* For parameters: the session's thread. A call that waits needs one of its own, or all later calls
 * wait behind it. */
struct node_Context node_ipc_context(const struct node_ipc *s);
/* Asks for another thread; its capability is the result of the call (node_CapResult). */
int32_t node_ipc_make_thread(struct node_ipc *s, const char *name, capn_return_fn *done, void *user,
			     struct error *e);

/* Sends CALL (NULL: out of memory, or not in the node's dialect) and gives the node TIMEOUT_MS to
 * answer, from when it is sent: up to v30 one call at a time is under way on each of the node's threads,
 * and the others wait; past it DONE gets the exception CAPN_DISCONNECTED and the session ends. DONE is called
 * exactly once when ADIT_OK is returned, and not at all otherwise. */
int32_t node_ipc_call(struct node_ipc *s, struct capn_call *call, uint32_t timeout_ms,
		      capn_return_fn *done, void *user, struct error *e);

#endif
