/* SPDX-License-Identifier: MIT */
/* mempool.h: the synthetic transactions that wait for a block, in order of their numbers, so that
 * parents come before their children. */
#ifndef NODE_MEMPOOL_H
#define NODE_MEMPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/node/chain.h"
#include "host/node/template.h"

struct mempool {
	struct traffic_tx **txs;
	size_t count;
	size_t limit;
	uint64_t next; /* numbers below are in the chain or in `txs`, or not wanted */
};

/* Empty, for at most LIMIT transactions. False without memory. */
bool mempool_init(struct mempool *m, size_t limit);
void mempool_free(struct mempool *m);
/* Lets one more transaction arrive that CHAIN does not have; false when it is full. */
bool mempool_grow(struct mempool *m, const struct chain *chain);
/* Takes back transactions of a block that left CHAIN, except those that it has again. When there is
 * no room the highest numbers wait: they arrive once more later. */
void mempool_return(struct mempool *m, const struct chain *chain, const uint64_t *numbers,
		    size_t count);
/* Drops what CHAIN has confirmed. */
void mempool_forget_confirmed(struct mempool *m, const struct chain *chain);
/* Those of M with the COUNT WTXIDS of 32 bytes, in order, into FOUND: NULL for what is not there.
 * False without memory. */
bool mempool_find(const struct mempool *m, const uint8_t *wtxids, size_t count,
		  const struct traffic_tx **found);
/* A template on top of CHAIN with as much of M as fits; NULL without memory. NOW: the clock. */
struct node_template *mempool_template(const struct mempool *m, const struct chain *chain,
				       uint32_t now);

#endif
