/* SPDX-License-Identifier: MIT */
/* tp_fixture.h: an answer of node.get_block_template, made of real (if worthless) transactions. */
#ifndef TP_FIXTURE_H
#define TP_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/util/buf.h"
#include "plugins/template-provider/snapshot.h"

#define FIXTURE_MAX_TXS 64
#define FIXTURE_SUBSIDY 5000000000u

struct fixture_tx {
	uint8_t txid[32];
	uint8_t wtxid[32];
	uint64_t fee;
	uint32_t sigops;
	uint32_t weight;
	uint32_t size;
	uint32_t parent; /* 1-based index, 0: none */
};

struct fixture {
	uint64_t id;
	uint8_t prev_hash[32];
	uint8_t target[32];
	uint32_t height;
	uint32_t nbits;
	uint32_t curtime;
	uint32_t mintime;
	uint32_t sigop_limit;
	uint32_t weight_limit;
	uint32_t tx_count;
	struct fixture_tx txs[FIXTURE_MAX_TXS];
	struct buf data; /* the attachment */
	struct buf json; /* after fixture_render() */
};

/* A template at height 100 with COUNT transactions: fee 1000 + i, sigops 4, different sizes. SEED
 * tells templates apart: transactions and prev_hash follow from it. */
void fixture_init(struct fixture *f, uint32_t seed, uint32_t count);
void fixture_free(struct fixture *f);
/* Writes the JSON from the fields, the commitment being that over all transactions. */
void fixture_render(struct fixture *f);
/* Renders and parses; fails the test if that is refused. */
struct tp_snapshot *fixture_snapshot(struct fixture *f, uint64_t now_ms);
uint64_t fixture_weight(const struct fixture *f, uint32_t count); /* of the first COUNT */

/* Merkle root the plain way: whole levels, the last node of an odd one twice. */
void plain_merkle_root(const uint8_t (*leaves)[32], size_t count, uint8_t out[32]);
/* Root over coinbase id FIRST and the first COUNT transactions. */
void fixture_root(const struct fixture *f, uint32_t count, const uint8_t first[32], bool wtxids,
		  uint8_t out[32]);
/* The commitment script of BIP141 over the first COUNT transactions. */
void fixture_commitment(const struct fixture *f, uint32_t count, uint8_t script[38]);

#endif
