/* SPDX-License-Identifier: MIT */
/*
 * ipc.h: the parts of the backend `bitcoin-ipc`: what Bitcoin Core's Mining interface gives NodeAPI
 * (tip, initial download, checking and submitting a block, transactions by wtxid), and where that
 * ends or is not there, the backend `bitcoin-rpc` when its keys are set.
 *
 *   ipc.c          configuration, what the node says of itself, its tip; states when without RPC
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

#include "host/node/service.h"
#include "lib/node-ipc/link.h"

#define IPC_RECENT 64         /* tips that are remembered without RPC */
#define IPC_MAX_SUBMISSIONS 8 /* each holds a block */
#define IPC_MAX_FINDS 8       /* each may hold as much as an answer does */

struct ipc_request;

struct ipc {
	struct service *service;
	void *rpc; /* what backend_rpc calls itself; NULL without RPC */
	struct node_link link;
	struct event *pause; /* before the next wait for a tip */
	bool connected;      /* the node may be asked */
	bool closing;
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
