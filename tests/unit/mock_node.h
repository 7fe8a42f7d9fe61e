/* SPDX-License-Identifier: MIT */
/* mock_node.h: as much of a Bitcoin node's JSON-RPC server as the backend bitcoin-rpc speaks to,
 * with switches for everything that can go wrong. Runs on the loop of the test. */
#ifndef MOCK_NODE_H
#define MOCK_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOCK_BLOCKS 64

struct event_base;
struct evhttp;
struct evhttp_request;

enum mock_method {
	MOCK_CHAIN_INFO,
	MOCK_NETWORK_INFO,
	MOCK_MEMPOOL_INFO,
	MOCK_TEMPLATE,
	MOCK_LONGPOLL,
	MOCK_HEADER,
	MOCK_BLOCK,
	MOCK_BLOCK_HASH,
	MOCK_SUBMIT,
	MOCK_OTHER, /* what `canned` answers, or the node does not have */
	MOCK_METHODS
};

#define MOCK_CANNED 24
#define MOCK_POOL 2000

struct mock_node {
	struct event_base *base;
	struct evhttp *http;
	uint16_t port;
	char user_password[128]; /* what it accepts */
	char dir[64];
	char cookie[128]; /* path */
	unsigned calls[MOCK_METHODS];

	/* The chain: a number that stands for each block's hash; 0 for height 0. */
	uint32_t chain[MOCK_BLOCKS];
	uint32_t height;
	const char *network;
	bool initial_download;
	unsigned tx_count; /* in the template */
	struct evhttp_request *longpoll;
	bool longpoll_at_once;
	unsigned longpoll_ids; /* a new id each time, counted here from 1; 0: as the work is */
	size_t last_submitted_size;

	/* Answers to methods beside those of the enum: RESULT is JSON, or with CODE an error's
	 * text. */
	struct mock_canned {
		const char *method;
		int code;
		const char *result;
	} canned[MOCK_CANNED];
	char last_params[512]; /* of a canned method, as JSON */

	/* The mempool, unless it is empty: numbers of synthetic transactions (traffic.h). */
	struct event *dripper;
	struct bufferevent *dripping;
	size_t dripped;
	unsigned pool[MOCK_POOL];
	size_t pool_count;
	unsigned block_pool[MOCK_POOL]; /* those of every block that is asked for with its txids */
	size_t block_pool_count;
	unsigned lists;
	unsigned batches;
	unsigned batch_calls;
	bool no_entries; /* no method getmempoolentry */

	/* What goes wrong: for all methods or ONLY one. */
	int only;         /* -1: all */
	int http_status;  /* 0: as it should be */
	const char *body; /* instead of the answer */
	const char *raw;  /* bytes on the connection instead of an answer, which then ends */
	bool drip;        /* of RAW one byte each 20 ms, and no end */
	size_t flood;     /* bytes of an answer that is too large */
	unsigned drop;    /* the next so many requests find the connection closed */
	int rpc_error;    /* a JSON-RPC error with this code ... */
	const char *rpc_message;
	bool old_protocol;         /* ... with HTTP status 500 */
	const char *submit_result; /* JSON */
	bool hold;                 /* no answer at all */
};

void mock_node_init(struct mock_node *m, struct event_base *base);
void mock_node_free(struct mock_node *m);
/* METHOD answers RESULT from now on (borrowed); NULL: the node has no such method. */
void mock_node_can(struct mock_node *m, const char *method, const char *result);
/* METHOD answers an error. */
void mock_node_cannot(struct mock_node *m, const char *method, int code, const char *message);
/* Closes or opens the server's socket; the port stays the same. */
void mock_node_down(struct mock_node *m);
void mock_node_up(struct mock_node *m);
void mock_node_write_cookie(struct mock_node *m, const char *user_password);
/* A block on the tip; answers a long poll. */
void mock_node_add_block(struct mock_node *m, uint32_t number);
/* Replaces the last COUNT blocks by numbers FIRST, FIRST + 1 ... of them and one more. */
void mock_node_reorganise(struct mock_node *m, uint32_t count, uint32_t first);
/* More transactions; answers a long poll. */
void mock_node_add_tx(struct mock_node *m);
void mock_node_hash(uint32_t number, char out[65]);
/* Everything right again. */
void mock_node_heal(struct mock_node *m);

#endif
