/* SPDX-License-Identifier: MIT */
/*
 * chain.h: the embedded chain in memory: a tree of blocks from Bitcoin's regtest genesis block, one
 * branch of which is active, and the rules that say what the next block has to look like.
 *
 * What a block is checked against is always the active branch, so a block of another branch is
 * checked by making that one active for the moment: chain_switch() is cheap. Only the last
 * CHAIN_MAX_REORG blocks can be left: older ones are settled, and branches from below them are
 * forgotten.
 */
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

/* How many blocks a reorganisation can take back. */
#define CHAIN_MAX_REORG 100
/* Blocks beside the active branch that are kept. */
#define CHAIN_MAX_SIDE 1000
#define CHAIN_BUCKETS 4096

struct chain_block {
	uint8_t hash[32];
	struct chain_block *parent; /* NULL: the genesis block */
	struct chain_block *next;   /* in the table of hashes */
	uint32_t height;
	uint32_t time;
	uint32_t nbits;
	uint32_t size;
	uint64_t offset;   /* in the store; the genesis block has none */
	uint64_t work;     /* hashes expected for it, at most CHAIN_MAX_WORK */
	uint64_t *numbers; /* the synthetic transactions in it; forgotten when it is settled */
	size_t numbers_count;
	bool dead; /* a branch that can't be active any more */
};

/* Above it (a quarter of an hour of 5 TH/s) all blocks weigh alike, so that sums can't overflow. */
#define CHAIN_MAX_WORK (UINT64_C(1) << 52)

struct chain {
	struct chain_block **blocks; /* the active branch, by height */
	size_t count;
	size_t capacity;
	struct chain_block **recent; /* all that are not settled, in order of arrival */
	size_t recent_count;
	size_t recent_capacity;
	uint32_t settled;     /* the highest block that can't be replaced */
	uint32_t nbits;       /* of the first block, and of all without an interval */
	uint32_t interval_ms; /* between blocks; 0: difficulty is constant */
	struct traffic_set confirmed;
	struct chain_block *buckets[CHAIN_BUCKETS];
};

extern const uint8_t chain_genesis[];
extern const size_t chain_genesis_size;

/* With the genesis block. INTERVAL_MS: 0 or up to RETARGET_MAX_MS. False without memory. */
bool chain_init(struct chain *c, uint32_t nbits, uint32_t interval_ms);
void chain_free(struct chain *c);

/* --- the active branch --------------------------------------------------------------------------
 */

struct chain_block *chain_tip(const struct chain *c);
uint32_t chain_height(const struct chain *c);
/* Median of the last eleven times: the next block's time must exceed it. */
uint32_t chain_median_time(const struct chain *c);
/* The same as it was when HEIGHT was the tip's. */
uint32_t chain_median_time_at(const struct chain *c, uint32_t height);
/* What the next block's bits must be. */
uint32_t chain_next_nbits(const struct chain *c);
/* New coins at HEIGHT: 50, halved each 210000 blocks as on the main network (regtest's 150 would
 * leave a demonstration without a reward within the hour). */
uint64_t chain_subsidy(uint32_t height);

/* --- the tree -----------------------------------------------------------------------------------
 */

/* The block of that hash on any branch, or NULL. */
struct chain_block *chain_find(const struct chain *c, const uint8_t hash[32]);
bool chain_is_active(const struct chain *c, const struct chain_block *block);
/* The highest ancestor of BLOCK, or itself, on the active branch. */
struct chain_block *chain_fork(const struct chain *c, struct chain_block *block);
/* Blocks beside the active branch. */
size_t chain_side_count(const struct chain *c);
/* Work from FORK, an ancestor, to BLOCK. */
uint64_t chain_work(const struct chain_block *fork, const struct chain_block *block);
/* A checked block as the successor of the tip, with facts (hash, time, nbits, size, offset,
 * numbers) from FACTS; `numbers` are the chain's from now on. NULL without memory. */
struct chain_block *chain_add(struct chain *c, const struct chain_block *facts);
/* Takes back a chain_add() that was the last change. */
void chain_undo(struct chain *c);
/* Makes BLOCK of the tree the tip. Its fork is not below `settled`. False without memory: nothing
 * changed. The way back can't fail. */
bool chain_switch(struct chain *c, struct chain_block *block);
/* The tip stays: settles what is deep enough, and forgets branches from below. */
void chain_settle(struct chain *c);

#endif
