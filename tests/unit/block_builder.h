/* SPDX-License-Identifier: MIT */
/* block_builder.h: makes blocks from what get_block_template of adit/node.h answers, right ones
 * and, field by field, wrong ones. Failures end the test. */
#ifndef BLOCK_BUILDER_H
#define BLOCK_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/buf.h"

struct block_builder {
	/* The header; the merkle root is computed. */
	uint32_t version;
	uint8_t prev_hash[32];
	uint32_t time;
	uint32_t nbits;
	bool damage_root;
	bool too_little_work;
	/* The coinbase. */
	uint32_t height;
	uint64_t value;
	uint32_t lock_time;
	uint32_t sequence;
	size_t script_padding; /* bytes after the height in its scriptSig */
	bool no_outputs;       /* also none for the commitment */
	bool no_commitment;
	uint64_t commitment_value; /* of the output with the commitment */
	bool damage_commitment;
	bool no_coinbase_witness;
	size_t reserved_size; /* 32 */
	struct buf payout;    /* script of its first output */
	bool leave_out_coinbase;
	bool second_coinbase;
	/* The transactions after it. */
	struct buf txs;
	size_t tx_count;
	size_t *tx_sizes;
	/* Of the template. */
	uint32_t mintime;
	uint64_t fees;
	uint64_t template_id;
};

/* From the JSON and the attachment of a template. */
void block_builder_init(struct block_builder *b, const char *json, const uint8_t *attachment,
			size_t attachment_size);
void block_builder_free(struct block_builder *b);
/* Start of transaction INDEX in `txs`. */
uint8_t *block_builder_tx(struct block_builder *b, size_t index);
void block_builder_drop_tx(struct block_builder *b, size_t index);
void block_builder_add_tx(struct block_builder *b, const uint8_t *tx, size_t size);
/* The mined block, appended to OUT (cleared first), and its hash in internal order. */
void block_builder_make(struct block_builder *b, struct buf *out, uint8_t hash[32]);

#endif
