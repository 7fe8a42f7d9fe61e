/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/chain.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"

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

bool chain_init(struct chain *c, uint32_t nbits)
{
	struct chain_block genesis = {.size = (uint32_t)chain_genesis_size};
	struct block_header header;

	memset(c, 0, sizeof(*c));
	c->nbits = nbits;
	block_header_read(chain_genesis, &header);
	sha256d_header(chain_genesis, genesis.hash);
	genesis.time = header.time;
	genesis.nbits = header.nbits;
	return chain_add(c, &genesis);
}

void chain_free(struct chain *c)
{
	free(c->blocks);
	traffic_set_free(&c->confirmed);
	memset(c, 0, sizeof(*c));
}

const struct chain_block *chain_tip(const struct chain *c)
{
	return &c->blocks[c->count - 1];
}

uint32_t chain_height(const struct chain *c)
{
	return (uint32_t)(c->count - 1);
}

/* Newest first: that is what people and pools ask about. */
int64_t chain_find(const struct chain *c, const uint8_t hash[32])
{
	for (size_t i = c->count; i > 0; i--)
		if (memcmp(c->blocks[i - 1].hash, hash, 32) == 0)
			return (int64_t)i - 1;
	return -1;
}

static int compare_times(const void *a, const void *b)
{
	uint32_t left;
	uint32_t right;

	memcpy(&left, a, sizeof(left));
	memcpy(&right, b, sizeof(right));
	return (left > right) - (left < right);
}

uint32_t chain_median_time(const struct chain *c)
{
	uint32_t times[MEDIAN_SPAN];
	size_t n = c->count < MEDIAN_SPAN ? c->count : MEDIAN_SPAN;

	for (size_t i = 0; i < n; i++)
		times[i] = c->blocks[c->count - 1 - i].time;
	qsort(times, n, sizeof(times[0]), compare_times);
	return times[n / 2];
}

uint32_t chain_next_nbits(const struct chain *c)
{
	return c->nbits;
}

uint64_t chain_subsidy(uint32_t height)
{
	uint32_t halvings = height / HALVING_INTERVAL;

	return halvings >= 64 ? 0 : (50 * COIN) >> halvings;
}

bool chain_add(struct chain *c, const struct chain_block *block)
{
	if (c->count == c->capacity) {
		size_t larger = c->capacity > 0 ? c->capacity * 2 : 1024;
		struct chain_block *blocks = reallocarray(c->blocks, larger, sizeof(*blocks));

		if (blocks == NULL)
			return false;
		c->blocks = blocks;
		c->capacity = larger;
	}
	c->blocks[c->count++] = *block;
	return true;
}
