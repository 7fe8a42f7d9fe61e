/* SPDX-License-Identifier: MIT */
/*
 * rpc.h: the parts of the backend `bitcoin-rpc`, which speaks to a Bitcoin node by JSON-RPC.
 *
 *   rpc.c         configuration, the regular look at the node (getblockchaininfo), states
 *   rpc_work.c    templates: getblocktemplate, with long poll on a connection of its own
 *   rpc_chain.c   which blocks came and went between two tips
 *   rpc_request.c submissions and block fetches
 *   rpc_mempool.c the mempool's events, and which transactions wait in it
 *   rpc_find.c    transactions by wtxid
 *   rpc_query.c   everything else that NodeAPI asks, and which methods the node has
 */
#ifndef NODE_RPC_H
#define NODE_RPC_H

#include <stdbool.h>
#include <stdint.h>

#include "host/node/mirror.h"
#include "host/node/rpc_auth.h"
#include "host/node/rpc_client.h"
#include "host/node/rpc_template.h"
#include "host/node/service.h"
#include "host/node/txid_list.h"

#define RPC_SMALL_ANSWER (1u << 20)
#define RPC_BLOCK_ANSWER (9u << 20) /* 4 MB in hexadecimal */
#define RPC_TEMPLATE_ANSWER                                                                        \
	(32u << 20)           /* 4 MB in hexadecimal and what belongs to each transaction */
#define RPC_RECENT 64         /* blocks at the tip that are remembered */
#define RPC_IN_WARMUP (-28)   /* the node's error code while it is loading */
#define RPC_MAX_SUBMISSIONS 8 /* each holds a block in hexadecimal */

struct rpc_submission;
struct rpc_fetch;
struct rpc_query;
struct rpc_find;

#define RPC_MEMPOOL_ANSWER (64u << 20) /* a million transactions */
#define RPC_BATCH 100                  /* calls in one request */
#define RPC_MEMPOOL_BLOCKS                                                                         \
	16 /* new blocks whose transactions are asked for before the mempool's                     \
	    */

/* What is known of the node's mempool. */
struct rpc_mempool {
	struct mirror mirror;
	uint32_t interval_ms;
	uint64_t timer;    /* of the next list */
	uint64_t asked_at; /* when a wtxid was asked for; 0: never */
	bool complete;     /* there was a list since the node became usable */
	bool told_full;    /* that it does not all fit */
	/* The list: a block before it, the tip, the list, and the tip again. */
	struct rpc_call *list_call;
	struct buf text; /* what LIST reads */
	struct txid_list list;
	uint64_t slice_timer; /* it is being read */
	size_t listed;
	unsigned arrivals; /* told of this list */
	unsigned departures;
	uint8_t blocks[RPC_MEMPOOL_BLOCKS][32];
	size_t block_count;
	struct rpc_call *entries_call;
	uint64_t resolve_timer;
	uint8_t asked[RPC_BATCH][32]; /* txids that the call asks for */
	size_t asked_count;
	/* Not told one by one since the last event of the kind. */
	uint64_t arrivals_skipped;
	uint64_t departures_skipped;
};

struct rpc {
	struct service *service;
	struct rpc_client *client;
	struct rpc_auth auth;
	char url[256];
	uint32_t timeout_ms;
	uint32_t tip_interval_ms;
	uint32_t template_interval_ms;

	/* The regular look. */
	struct rpc_call *look;
	struct rpc_call *mempool_look;
	struct rpc_call *version_look;
	struct rpc_call *help_look;
	uint64_t look_timer; /* 0: none */
	uint32_t backoff_ms; /* 0: all is well */
	bool usable;         /* the node is there, on our network, and not in initial download */
	bool version_known;

	/* Templates. */
	struct rpc_call *template_call;
	struct rpc_call *longpoll_call;
	bool template_again; /* another one as soon as this one is there */
	bool template_known; /* since the node became usable */
	uint64_t template_at;
	uint64_t longpoll_at;
	uint64_t longpoll_timer;
	char longpollid[RPC_LONGPOLLID_MAX];
	char longpoll_asked[RPC_LONGPOLLID_MAX]; /* the one that was asked with */
	unsigned longpoll_quick;                 /* answers in a row that came at once */

	/* The chain: RECENT is its end, oldest first. WALK is the way back from the new tip. */
	struct service_tip recent[RPC_RECENT];
	size_t recent_count;
	struct rpc_call *walk_call;
	uint8_t walk_to[32];
	struct service_tip walk[RPC_RECENT];
	size_t walk_count;
	bool walk_again;
	uint8_t walk_next[32];

	/* Requests. */
	struct rpc_submission *submissions;
	size_t submission_count;
	struct rpc_fetch *fetches;
	struct rpc_query *queries;
	struct rpc_find *finds;
	size_t find_count;

	struct rpc_mempool *mempool;
};

/* rpc.c: a call without parameters beyond PARAMS, which is JSON. */
struct rpc_call *rpc_ask(struct rpc *b, const char *method, const char *params, uint32_t timeout_ms,
			 size_t max_bytes, rpc_answer_fn fn, void *user);
/* One timer; an ID that is not 0 is cancelled first. */
void rpc_timer(struct rpc *b, uint64_t *id, uint32_t delay_ms, adit_timer_fn fn, void *user);
void rpc_timer_end(struct rpc *b, uint64_t *id);
/* Looks at the node now. */
void rpc_look(struct rpc *b);
/* Something went wrong that says how the node is: shows it, stops the work, looks again later. */
void rpc_trouble(struct rpc *b, const struct rpc_answer *answer);
/* The node can't make templates for a while: STATE until it can. */
void rpc_not_ready(struct rpc *b, enum service_state state, const char *detail);

/* rpc_work.c */
void rpc_template_fetch(struct rpc *b);
void rpc_work_stop(struct rpc *b);

/* rpc_chain.c: brings RECENT to TIP, with events for each block when there was a tip before. */
void rpc_chain_follow(struct rpc *b, const uint8_t tip[32]);
void rpc_chain_stop(struct rpc *b);

/* rpc_request.c */
void rpc_submit(void *self, const uint8_t *block, size_t size, struct service_request *request);
void rpc_get_block(void *self, const uint8_t hash[32], struct service_request *request);
void rpc_get_block_by_height(void *self, uint32_t height, struct service_request *request);
/* Finishes what is open with ADIT_E_CANCELLED. */
void rpc_requests_cancel(struct rpc *b);

/* rpc_mempool.c */
void rpc_mempool_start(struct rpc *b);
/* The node is away: everything is forgotten. */
void rpc_mempool_stop(struct rpc *b);
void rpc_mempool_close(struct rpc *b);
/* A block became part of the chain. */
void rpc_mempool_block(struct rpc *b, const uint8_t hash[32]);
/* Someone asks for wtxids. */
void rpc_mempool_want(struct rpc *b);

/* rpc_find.c */
void rpc_get_transactions(void *self, const uint8_t *wtxids, size_t count,
			  struct service_request *request);
void rpc_finds_cancel(struct rpc *b);

/* rpc_query.c */
void rpc_query(void *self, const struct query *query, struct service_request *request);
void rpc_check_block(void *self, const uint8_t *block, size_t size,
		     struct service_request *request);
void rpc_queries_cancel(struct rpc *b);
/* Asks the node for its list of methods, and tells the service which are missing. */
void rpc_features_look(struct rpc *b);

#endif
