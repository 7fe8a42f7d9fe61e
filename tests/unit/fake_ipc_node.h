/* SPDX-License-Identifier: MIT */
/* fake_ipc_node.h: as much of Bitcoin Core's node behind its IPC socket as the backend bitcoin-ipc
 * speaks to, in each dialect, with switches for what can go wrong. On lib/capnp, and on the loop of
 * the test. */
#ifndef FAKE_IPC_NODE_H
#define FAKE_IPC_NODE_H

#include <event2/util.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/node-ipc/mining.h"

#define FAKE_IPC_TXS 300
#define FAKE_IPC_HUNG 64

struct event;
struct event_base;
struct capn_socket;
struct capn_incoming;

struct fake_ipc {
	struct event_base *base;
	char dir[64];
	char path[96];
	int listener; /* -1: down */
	struct event *accept;
	struct capn_socket *socket; /* one client at a time ... */
	int client;                 /* ... and its descriptor */
	struct capn_cap *bootstrap;
	struct capn_incoming *waiting; /* a waitTipChanged */
	struct capn_incoming *hung[FAKE_IPC_HUNG];
	size_t hung_count;

	enum node_dialect dialect;
	bool test_chain;
	bool initial_download;
	bool no_tip;
	int32_t height;
	uint8_t hash[32];
	unsigned
	    transactions[FAKE_IPC_TXS]; /* numbers of synthetic ones (traffic.h) that it knows */
	size_t transaction_count;
	const char *refusal; /* what checkBlock and submitBlock say; NULL: all is well */

	unsigned sessions;
	unsigned calls[NODE_METHOD_COUNT];
	size_t last_block_size;
	bool last_check_pow;

	/* What goes wrong, with one method: */
	int only;         /* -1: nothing */
	bool hang;        /* no answer */
	bool drop;        /* the connection ends */
	bool exception;   /* "failed: as ordered" */
	bool nothing;     /* an answer without fields */
	bool wrong_types; /* ... with a list where a capability or bytes should be */
};

void fake_ipc_init(struct fake_ipc *f, struct event_base *base);
void fake_ipc_free(struct fake_ipc *f);
/* Listens, at the same path each time; ends listening and the session. */
void fake_ipc_up(struct fake_ipc *f);
void fake_ipc_down(struct fake_ipc *f);
/* Another tip, which is told to who waits for one. */
void fake_ipc_tip(struct fake_ipc *f, int32_t height, uint8_t number);
void fake_ipc_heal(struct fake_ipc *f);

#endif
