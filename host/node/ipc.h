/* SPDX-License-Identifier: MIT */
/*
 * ipc.h: the parts of the backend `bitcoin-ipc`: what Bitcoin Core's Mining interface gives NodeAPI
 * (tip, initial download, checking and submitting a block, transactions by wtxid), and where that
 * ends or is not there, the backend `bitcoin-rpc` when its keys are set.
 *
 *   ipc.c          configuration, the session with the node, its tip; states when there is no RPC
 *   ipc_request.c  submissions, checks, transactions
 *
 * Every call has a deadline. A call that the node refuses ends that call; one that it does not
 * answer, or a broken conversation, ends the session, which is begun anew.
 */
#ifndef NODE_IPC_BACKEND_H
#define NODE_IPC_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "host/node/service.h"
#include "lib/node-ipc/path.h"
#include "lib/node-ipc/session.h"

#define IPC_RECENT 64         /* tips that are remembered without RPC */
#define IPC_MAX_SUBMISSIONS 8 /* each holds a block */
#define IPC_MAX_FINDS 8       /* each may hold as much as an answer does */

struct ipc_request;

struct ipc {
	struct service *service;
	void *rpc; /* what backend_rpc calls itself; NULL without RPC */
	struct event_base *loop;
	char path[NODE_IPC_PATH_MAX];
	uint32_t timeout_ms; /* of each call */
	struct node_ipc *session;
	struct event *closer; /* closes a session that is down */
	struct event *retry;  /* connects again, or asks again whether the node is ready */
	struct event *beat;   /* looks whether the node lives */
	struct event *pause;  /* before the next wait for a tip */
	uint32_t delay_ms;    /* until the next try */
	uint64_t opened_ms;
	dev_t device; /* of the socket when it was connected to; likewise the next */
	ino_t inode;
	bool down;      /* the session is of no use any more */
	bool connected; /* the node may be asked */
	bool closing;

	/* Of the session: waiting and submitting have threads of the node for themselves. */
	struct capn_cap *wait_thread;
	struct capn_cap *submit_thread;
	uint64_t wait_began_ms;
	uint8_t tip[32]; /* that it told last; internal order */
	bool tip_known;
	/* Without RPC: what was told as the end of the chain, oldest first. */
	struct service_tip recent[IPC_RECENT];
	size_t recent_count;

	LIST_HEAD(, ipc_request) requests;
	size_t submissions;
	size_t finds;
};

/* --- ipc.c --- */
/* Ends the session, from the loop, for the reason that is given. */
void ipc_drop(struct ipc *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Whether METHOD can be asked for now. */
bool ipc_can(const struct ipc *b, enum node_method method);
/* Sends METHOD of Mining with PARAMS; false when that failed, and DONE is not called. */
bool ipc_ask(struct ipc *b, enum node_method method, const void *params, capn_return_fn *done,
	     void *user);
struct node_Context ipc_submit_context(const struct ipc *b);

/* --- ipc_request.c --- */
void ipc_submit(void *self, const uint8_t *block, size_t size, struct service_request *request);
void ipc_check_block(void *self, const uint8_t *block, size_t size,
		     struct service_request *request);
void ipc_get_transactions(void *self, const uint8_t *wtxids, size_t count,
			  struct service_request *request);
/* The node is there again: what waits for it goes out. */
void ipc_requests_resume(struct ipc *b);
/* Finishes what is open with ADIT_E_CANCELLED. The session is closed already. */
void ipc_requests_cancel(struct ipc *b);

#endif
