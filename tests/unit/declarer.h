/* SPDX-License-Identifier: MIT */
/*
 * declarer.h: what a job declarator makes of transactions and a tip, for tests and benchmarks: the
 * declaration, the custom job, the block. Failures say where, and end the process.
 */
#ifndef DECLARER_H
#define DECLARER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/sv2.h>

#include "lib/bitcoin/merkle.h"
#include "lib/util/buf.h"

#define DECLARER_TXS_MAX 5000 /* as many as the embedded node has waiting */
#define DECLARER_EXTRANONCE 20 /* the full one, of a pool as configured by default */

struct declarer {
	/* To be set; a change after declarer_make() takes effect with the next one. */
	uint32_t height; /* of the block */
	uint64_t value;  /* all of it for the first output, as it came with the token */
	uint32_t version;
	uint8_t prev_hash[32];
	uint32_t nbits;
	uint32_t ntime;
	struct buf pool_output; /* script of it */

	/* The transactions, one after the other. */
	struct buf txs;
	size_t tx_at[DECLARER_TXS_MAX];
	size_t tx_size[DECLARER_TXS_MAX];
	uint32_t tx_count;

	/* Made of it. */
	struct buf prefix, suffix; /* stripped */
	struct buf declared_prefix, declared_suffix;
	struct buf outputs; /* with their count */
	struct buf wtxids;
	uint8_t path[MERKLE_MAX_DEPTH][32];
	uint32_t depth;
};

void declarer_free(struct declarer *d);
/* The first of the outputs in AllocateMiningJobToken.Success. */
void declarer_pay(struct declarer *d, const struct adit_bytes *outputs);
void declarer_add_tx(struct declarer *d, const uint8_t *tx, size_t size);
/* Makes the coinbase, with its commitment, and the rest. */
void declarer_make(struct declarer *d);
struct adit_sv2_declare_mining_job
declarer_declaration(const struct declarer *d, uint32_t request_id, const struct adit_bytes *token);
struct adit_sv2_set_custom_mining_job declarer_job(const struct declarer *d, uint32_t channel_id,
						   uint32_t request_id,
						   const struct adit_bytes *token);
/* The answer to ProvideMissingTransactions, into OUT. */
struct adit_sv2_provide_missing_transactions_success
declarer_provide(const struct declarer *d, uint32_t request_id,
		 const struct adit_sv2_seq *positions, struct buf *out);
/* Searches a nonce, from *NONCE + 1 on, for which the block with EXTRANONCE has a hash at or below
 * TARGET; HASH receives it. */
void declarer_solve(const struct declarer *d, const uint8_t extranonce[DECLARER_EXTRANONCE],
		    const uint8_t target[32], uint32_t *nonce, uint8_t hash[32]);

#endif
