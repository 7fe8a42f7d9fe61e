/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/chain.h"

#include <stdlib.h>
#include <string.h>

#include "host/node/retarget.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"

#define MEDIAN_SPAN 11
#define HALVING_INTERVAL 210000
#define COIN UINT64_C(100000000)

/* The block that Bitcoin's regtest begins with: the main network's first coinbase under the header
 * 0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206. */
const uint8_t chain_genesis[] =
    "\x01\x00\x00\x00"
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x3b\xa3\xed\xfd\x7a\x7b\x12\xb2\x7a\xc7\x2c\x3e\x67\x76\x8f\x61"
    "\x7f\xc8\x1b\xc3\x88\x8a\x51\x32\x3a\x9f\xb8\xaa\x4b\x1e\x5e\x4a"
    "\xda\xe5\x49\x4d\xff\xff\x7f\x20\x02\x00\x00\x00"
    "\x01"
    "\x01\x00\x00\x00\x01"
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    "\xff\xff\xff\xff\x4d\x04\xff\xff\x00\x1d\x01\x04\x45"
    "The Times 03/Jan/2009 Chancellor on brink of second bailout for banks"
    "\xff\xff\xff\xff\x01\x00\xf2\x05\x2a\x01\x00\x00\x00\x43\x41"
    "\x04\x67\x8a\xfd\xb0\xfe\x55\x48\x27\x19\x67\xf1\xa6\x71\x30\xb7"
    "\x10\x5c\xd6\xa8\x28\xe0\x39\x09\xa6\x79\x62\xe0\xea\x1f\x61\xde"
    "\xb6\x49\xf6\xbc\x3f\x4c\xef\x38\xc4\xf3\x55\x04\xe5\x1e\xc1\x12"
    "\xde\x5c\x38\x4d\xf7\xba\x0b\x8d\x57\x8a\x4c\x70\x2b\x6b\xf1\x1d"
    "\x5f\xac\x00\x00\x00\x00";
const size_t chain_genesis_size = sizeof(chain_genesis) - 1;

bool chain_init(struct chain *c, uint32_t nbits, uint32_t interval_ms)
{
	struct chain_block genesis = {.size = (uint32_t)chain_genesis_size};
	struct block_header header;

	memset(c, 0, sizeof(*c));
	c->nbits = nbits;
	c->interval_ms = interval_ms;
	block_header_read(chain_genesis, &header);
	sha256d_header(chain_genesis, genesis.hash);
	genesis.time = header.time;
	genesis.nbits = header.nbits;
	if (chain_add(c, &genesis) == NULL)
		return false;
	chain_settle(c);
	return true;
}

static void block_free(struct chain_block *block)
{
	free(block->numbers);
	free(block);
}

void chain_free(struct chain *c)
{
	for (size_t i = 0; i < CHAIN_BUCKETS; i++) {
		while (c->buckets[i] != NULL) {
			struct chain_block *block = c->buckets[i];

			c->buckets[i] = block->next;
			block_free(block);
		}
	}
	free(c->blocks);
	free(c->recent);
	traffic_set_free(&c->confirmed);
	memset(c, 0, sizeof(*c));
}

struct chain_block *chain_tip(const struct chain *c)
{
	return c->blocks[c->count - 1];
}

uint32_t chain_height(const struct chain *c)
{
	return (uint32_t)(c->count - 1);
}

static int compare_times(const void *a, const void *b)
{
	uint32_t left;
	uint32_t right;

	memcpy(&left, a, sizeof(left));
	memcpy(&right, b, sizeof(right));
	return (left > right) - (left < right);
}

uint32_t chain_median_time_at(const struct chain *c, uint32_t height)
{
	uint32_t times[MEDIAN_SPAN];
	size_t n = height + 1 < MEDIAN_SPAN ? height + 1 : MEDIAN_SPAN;

	for (size_t i = 0; i < n; i++)
		times[i] = c->blocks[height - i]->time;
	qsort(times, n, sizeof(times[0]), compare_times);
	return times[n / 2];
}

uint32_t chain_median_time(const struct chain *c)
{
	return chain_median_time_at(c, chain_height(c));
}

uint32_t chain_next_nbits(const struct chain *c)
{
	const struct chain_block *tip = chain_tip(c);

	/* The genesis block is of 2011: nothing can be learned from how long the first one took. */
	if (c->interval_ms == 0 || tip->height == 0)
		return c->nbits;
	if (tip->height == 1)
		return tip->nbits;
	return retarget_next(tip->nbits, (int64_t)tip->time - tip->parent->time, c->interval_ms);
}

uint64_t chain_subsidy(uint32_t height)
{
	uint32_t halvings = height / HALVING_INTERVAL;

	return halvings >= 64 ? 0 : (50 * COIN) >> halvings;
}

/* --- the tree -----------------------------------------------------------------------------------
 */

/* The first bytes of a hash, the last ones in display, are as good as random; zeros are at its
 * other end. */
static size_t bucket_of(const uint8_t hash[32])
{
	return ((size_t)hash[0] | (size_t)hash[1] << 8) % CHAIN_BUCKETS;
}

struct chain_block *chain_find(const struct chain *c, const uint8_t hash[32])
{
	struct chain_block *block = c->buckets[bucket_of(hash)];

	while (block != NULL && memcmp(block->hash, hash, 32) != 0)
		block = block->next;
	return block;
}

bool chain_is_active(const struct chain *c, const struct chain_block *block)
{
	return block->height < c->count && c->blocks[block->height] == block;
}

struct chain_block *chain_fork(const struct chain *c, struct chain_block *block)
{
	while (!chain_is_active(c, block))
		block = block->parent;
	return block;
}

size_t chain_side_count(const struct chain *c)
{
	return c->recent_count - (chain_height(c) - c->settled);
}

uint64_t chain_work(const struct chain_block *fork, const struct chain_block *block)
{
	uint64_t sum = 0;

	for (; block != fork; block = block->parent)
		sum += block->work;
	return sum;
}

static uint64_t work_of(uint32_t nbits)
{
	uint8_t target[32];
	double work = target_from_nbits(nbits, target) ? target_work(target) : 0;

	return work < (double)CHAIN_MAX_WORK ? (uint64_t)work : CHAIN_MAX_WORK;
}

/* Room for one more pointer in LIST. */
static bool list_grow(struct chain_block ***list, size_t count, size_t *capacity)
{
	size_t larger = *capacity > 0 ? *capacity * 2 : 1024;
	struct chain_block **grown;

	if (count < *capacity)
		return true;
	grown = reallocarray(*list, larger, sizeof(struct chain_block *));
	if (grown == NULL)
		return false;
	*list = grown;
	*capacity = larger;
	return true;
}

/* The tip leaves the active branch. */
static void pop(struct chain *c)
{
	const struct chain_block *block = c->blocks[--c->count];

	for (size_t i = 0; i < block->numbers_count; i++)
		traffic_set_remove(&c->confirmed, block->numbers[i]);
}

/* BLOCK, a child of the tip, becomes the tip. */
static bool push(struct chain *c, struct chain_block *block)
{
	if (!list_grow(&c->blocks, c->count, &c->capacity))
		return false;
	for (size_t i = 0; i < block->numbers_count; i++) {
		if (traffic_set_add(&c->confirmed, block->numbers[i]))
			continue;
		while (i > 0)
			traffic_set_remove(&c->confirmed, block->numbers[--i]);
		return false;
	}
	c->blocks[c->count++] = block;
	return true;
}

struct chain_block *chain_add(struct chain *c, const struct chain_block *facts)
{
	struct chain_block *block = malloc(sizeof(*block));
	struct chain_block **bucket = &c->buckets[bucket_of(facts->hash)];

	if (block == NULL)
		return NULL;
	*block = *facts;
	block->parent = c->count > 0 ? chain_tip(c) : NULL;
	block->height = (uint32_t)c->count;
	block->work = work_of(facts->nbits);
	if (!list_grow(&c->recent, c->recent_count, &c->recent_capacity) || !push(c, block)) {
		free(block);
		return NULL;
	}
	block->next = *bucket;
	*bucket = block;
	c->recent[c->recent_count++] = block;
	return block;
}

static void unlink_block(struct chain *c, struct chain_block *block)
{
	struct chain_block **at = &c->buckets[bucket_of(block->hash)];

	while (*at != block)
		at = &(*at)->next;
	*at = block->next;
	block_free(block);
}

void chain_undo(struct chain *c)
{
	struct chain_block *block = chain_tip(c);

	pop(c);
	c->recent_count--;
	unlink_block(c, block);
}

/* Makes FORK the tip, then what leads from it to BLOCK, lowest first. */
static bool walk(struct chain *c, const struct chain_block *fork, struct chain_block *block)
{
	while (chain_tip(c) != fork)
		pop(c);
	while (c->capacity <= block->height)
		if (!list_grow(&c->blocks, c->capacity, &c->capacity))
			return false;
	/* The way is only known from its end: written down where it will be. */
	for (struct chain_block *at = block; at != fork; at = at->parent)
		c->blocks[at->height] = at;
	while (c->count <= block->height)
		if (!push(c, c->blocks[c->count]))
			return false;
	return true;
}

bool chain_switch(struct chain *c, struct chain_block *block)
{
	struct chain_block *fork = chain_fork(c, block);
	struct chain_block *before = chain_tip(c);

	if (walk(c, fork, block))
		return true;
	(void)walk(c, fork, before);
	return false;
}

/* A parent arrives before its children, so what it is has been seen when they are looked at. */
static void mark_dead(struct chain *c)
{
	for (size_t i = 0; i < c->recent_count; i++) {
		struct chain_block *block = c->recent[i];
		const struct chain_block *parent = block->parent;

		block->dead =
		    parent != NULL && !chain_is_active(c, block) &&
		    (parent->dead || (chain_is_active(c, parent) && parent->height < c->settled));
	}
}

void chain_settle(struct chain *c)
{
	size_t kept = 0;

	if (chain_height(c) > c->settled + CHAIN_MAX_REORG)
		c->settled = chain_height(c) - CHAIN_MAX_REORG;
	mark_dead(c);
	for (size_t i = 0; i < c->recent_count; i++) {
		struct chain_block *block = c->recent[i];

		if (block->dead) {
			unlink_block(c, block);
		} else if (chain_is_active(c, block) && block->height <= c->settled) {
			free(block->numbers);
			block->numbers = NULL;
			block->numbers_count = 0;
		} else {
			c->recent[kept++] = block;
		}
	}
	c->recent_count = kept;
}
