/* SPDX-License-Identifier: MIT */
/*
 * link.h: a session with the node (session.h) that is begun anew whenever it ends: connecting with
 * growing pauses, seeing that the node is on the right network, threads of the node for what waits
 * and for what is submitted, and a regular question that shows whether the node lives and whether
 * its socket is still the one that was connected to. For each user of a node, with a say over its
 * own states.
 *
 * Used by the host (backend `bitcoin-ipc`) and by the template provider (source `bitcoin-ipc`).
 * Everything happens on the libevent loop of the process it is in.
 */
#ifndef NODE_IPC_LINK_H
#define NODE_IPC_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/node-ipc/path.h"
#include "lib/node-ipc/session.h"

/* How long a node is waited for that is left. Less when the link's timeout is less. */
#define NODE_LINK_LEAVE_MS 2000u
/* What a call may wait at a node where it can't be interrupted. */
#define NODE_LINK_V30_WAIT_MS 1000u

/* What a kind of user is like. All callbacks get the USER of node_link_start(); none may call
 * node_link_close(). */
struct node_link_type {
	const char *name;      /* of the session's thread, in the node's log */
	const char *where;     /* the keys that say where the socket is; ends a "are ... right?" */
	const char *runs_as;   /* after "it is for the node's own user, " */
	uint32_t retry_max_ms; /* longest pause between tries */
	/* The session stands; TEXT says with what, for the log. More is asked, then comes: */
	void (*opened)(void *user, const char *text);
	/* The node is the right one: ask whether it has its blocks. Again after
	 * node_link_ask_again(). */
	void (*check)(void *user);
	/* The answer to getTip, which is asked regularly after node_link_watch(). The call went
	 * well. */
	void (*pulse)(void *user, const struct capn_return *result);
	/* The session is of no use any more, TEXT says why; WRONG_NODE: the node's network is not
	 * ours. Another try follows. Once per try. */
	void (*down)(void *user, bool wrong_node, const char *text);
	/* The session still stands and is about to be closed, `down` is true: interrupt what waits,
	 * by node_ipc_call(). Then the calls that are under way are waited for, NODE_LINK_LEAVE_MS at
	 * most, so none should wait longer where nothing can be interrupted (v30). May be NULL. */
	void (*leaving)(void *user);
	/* The session is closed and its calls are answered: forget what was of it. May be NULL. */
	void (*closed)(void *user);
};

/* Zeros at first. To be set before the start: path, network, timeout_ms. Else for reading only. */
struct node_link {
	char path[NODE_IPC_PATH_MAX];
	const char *network; /* "main", "test", ...; borrowed */
	uint32_t timeout_ms; /* of each call */
	struct node_ipc *session;
	uint64_t number; /* of the session, counted from 1 */
	bool down;       /* the session is of no more use, what it still says is not heard */
	/* Of the session, from `check` on: threads of the node for themselves. */
	struct capn_cap *wait_thread;
	struct capn_cap *submit_thread;

	const struct node_link_type *type;
	void *user;
	struct event_base *loop;
	struct event *closer; /* closes a session that is down */
	struct event *retry;  /* connects again, asks at all, or has it checked again */
	struct event *beat;   /* looks whether the node lives */
	uint32_t delay_ms;    /* until the next try */
	uint64_t opened_ms;   /* monotonic */
	dev_t device;         /* of the socket when it was connected to; likewise the next two */
	ino_t inode;
	int64_t made_ms; /* Unix time */
	bool asked;      /* of the session: which network it is on */
};

/* Begins to connect, from the loop. TYPE and LOOP are borrowed. ADIT_E_NO_MEMORY with E, then only
 * node_link_close() is left to do. */
int32_t node_link_start(struct node_link *l, const struct node_link_type *type,
			struct event_base *loop, void *user, struct error *e);
/* Ends it for good, after at most NODE_LINK_LEAVE_MS in which the node may answer what it was asked.
 * Calls that are open then are answered with an exception, during which `down` is true; calls
 * `closed`, and `down` not. One that was never started is fine. */
void node_link_close(struct node_link *l);

/* Ends the session, from the loop, for the reason that is given; nothing when it is down. */
void node_link_drop(struct node_link *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* As node_ipc_call(); false: it could not be sent, DONE is not called, the session is dropped. */
bool node_link_call(struct node_link *l, struct capn_call *call, uint32_t timeout_ms,
		    capn_return_fn *done, void *user);
/* The same for METHOD of the node's Mining with PARAMS; the reason names the method. */
bool node_link_ask(struct node_link *l, enum node_method method, const void *params,
		   uint32_t timeout_ms, capn_return_fn *done, void *user);
/* The same for a method that takes no parameters but the session's thread; DONE gets the link's
 * user. */
void node_link_ask_plain(struct node_link *l, enum node_method method, capn_return_fn *done);
/* Whether RESULT of METHOD is one that is still wanted; drops the session when the call failed. */
bool node_link_answered(struct node_link *l, enum node_method method,
			const struct capn_return *result);
/* In `check`'s course: the node is not ready, `check` is to be called again after a second. */
void node_link_ask_again(struct node_link *l);
/* The node is ready: `pulse` is wanted from now on, until the session ends. */
void node_link_watch(struct node_link *l);

#endif
