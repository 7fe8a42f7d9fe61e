/* SPDX-License-Identifier: MIT */
/* chain.h: the embedded chain in memory: one branch from Bitcoin's regtest genesis block, and the
 * rules that say what the next block has to look like. */
#ifndef NODE_CHAIN_H
#define NODE_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/node/traffic.h"

#define CHAIN_VERSION 0x20000000u /* BIP9: no deployment signalled */
#define CHAIN_MAX_FUTURE 7200     /* seconds that a block's time may be ahead of the clock */
/* How far beyond the highest confirmed transaction a block may reach: what may have been in a
 * template before a restart. */
#define CHAIN_MAX_AHEAD 8192

struct chain_block {
	uint8_t hash[32];
	uint32_t time;
	uint32_t nbits;
	uint64_t offset; /* in the store; the genesis block has none */
	uint32_t size;
};

struct chain {
	struct chain_block *blocks; /* by height */
	size_t count;
	size_t capacity;
	uint32_t nbits; /* of new blocks */
	struct traffic_set confirmed;
};

extern const uint8_t chain_genesis[];
extern const size_t chain_genesis_size;

/* With the genesis block. False without memory. */
bool chain_init(struct chain *c, uint32_t nbits);
void chain_free(struct chain *c);
const struct chain_block *chain_tip(const struct chain *c);
uint32_t chain_height(const struct chain *c);
/* The height of HASH, -1 when it is not on the chain. */
int64_t chain_find(const struct chain *c, const uint8_t hash[32]);
/* Median of the last eleven times: the next block's time must exceed it. */
uint32_t chain_median_time(const struct chain *c);
/* What the next block's bits must be. Constant so far; a retarget belongs here. */
uint32_t chain_next_nbits(const struct chain *c);
/* New coins at HEIGHT: 50, halved each 210000 blocks as on the main network (regtest's 150 would
 * leave a demonstration without a reward within the hour). */
uint64_t chain_subsidy(uint32_t height);
/* Appends a checked block. False without memory. */
bool chain_add(struct chain *c, const struct chain_block *block);

#endif
