/* SPDX-License-Identifier: MIT */
/* template.h: a block template as every backend produces it and as NodeAPI hands it out. Hashes are
 * in internal order here, in display order in JSON. */
#ifndef NODE_TEMPLATE_H
#define NODE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/buf.h"

#define TEMPLATE_MAX_TXS 65536 /* a transaction has at least 61 bytes: a block can't hold more */
#define TEMPLATE_MAX_COMMITMENT 128

struct template_tx {
	uint8_t txid[32];
	uint8_t wtxid[32];
	uint64_t fee;
	uint32_t sigops; /* cost: legacy ones count four */
	uint32_t weight;
	uint32_t size;          /* bytes, with witness */
	uint32_t first_depends; /* where in `depends` */
	uint32_t depends_count;
};

struct node_template {
	uint64_t id;
	uint8_t prev_hash[32];
	uint32_t height;
	uint32_t version;
	uint32_t nbits;
	uint32_t curtime;
	uint32_t mintime;
	uint64_t coinbase_value;
	uint64_t fees;
	uint8_t commitment[TEMPLATE_MAX_COMMITMENT]; /* script; may be empty */
	size_t commitment_size;
	uint32_t sigop_limit;
	uint32_t weight_limit;
	uint32_t size_limit;
	struct template_tx *txs;
	size_t tx_count;
	size_t tx_capacity;
	uint32_t *depends; /* 1-based positions, all transactions' one after the other */
	size_t depends_count;
	size_t depends_capacity;
	struct buf data; /* the transactions, one after the other */
};

/* Empty, with consensus limits. NULL without memory. */
struct node_template *template_new(void);
void template_free(struct node_template *t);
/* Appends a transaction and returns it with everything but size and depends zeroed, for the caller
 * to fill in; `data` receives SIZE bytes of RAW, or, when RAW is NULL, what the caller put there
 * already. NULL when a bound is reached or memory runs out. */
struct template_tx *template_add(struct node_template *t, const uint8_t *raw, size_t size);
/* Says that the transaction added last needs the one at 1-based POSITION, an earlier one. */
bool template_add_depends(struct node_template *t, uint32_t position);
/* Sets the witness commitment of the transactions as they are now. False without memory. */
bool template_commit(struct node_template *t);
/* Whether both make the same work: everything is equal but id and curtime. */
bool template_same(const struct node_template *a, const struct node_template *b);
/* Appends the JSON object of adit/node.h. */
bool template_json(const struct node_template *t, struct buf *out);
/* The same of T without its transactions and their fees: what makes an empty block. */
bool template_empty_json(const struct node_template *t, struct buf *out);

#endif
