/* SPDX-License-Identifier: MIT */
/* template.h: what a TDP client mines on: a snapshot cut so that the block stays valid with the
 * largest coinbase that the client announced (specification 07, CoinbaseOutputConstraints). */
#ifndef TP_TEMPLATE_H
#define TP_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/bitcoin/merkle.h"
#include "lib/util/error.h"
#include "plugins/template-provider/snapshot.h"

/* Weight of a block with a coinbase but without transactions, outputs of the client not counted:
 * header 320, transaction count 12, fixed coinbase fields 236, scriptSig of 100 bytes 400, output
 * count 12, witness commitment output 188. */
#define TP_FIXED_WEIGHT 1168u

struct tp_template {
	uint64_t id;
	struct tp_snapshot *snapshot; /* one reference */
	uint32_t pins;                /* classes that serve it now: not to be evicted */
	bool remote;                  /* of a class of clients on other machines */
	uint32_t tx_count;            /* transactions kept: the first of the snapshot */
	uint64_t fees;                /* of those, satoshi */
	uint64_t value;               /* subsidy and fees: what the coinbase may pay */
	uint8_t prefix[6];            /* BIP34 height push */
	uint32_t prefix_size;
	uint8_t output[8 + 1 + TP_COMMITMENT_SIZE]; /* the commitment as a serialized output */
	uint8_t path[MERKLE_MAX_DEPTH][32];
	uint32_t depth;
};

/* Weight to reserve for a client that adds SIZE bytes of outputs. */
uint64_t tp_reserved_weight(uint32_t size);

/* How many transactions of S, counted from the front, leave room for WEIGHT (with header and
 * coinbase) and SIGOPS; their fees go to *FEES. -1 when not even an empty block has the room. */
int64_t tp_fit(const struct tp_snapshot *s, uint64_t weight, uint32_t sigops, uint64_t *fees);

/* Builds the template number ID. ADIT_E_LIMIT when the reservation leaves no block. */
int32_t tp_template_new(struct tp_snapshot *s, uint64_t weight, uint32_t sigops, uint64_t id,
			struct tp_template **out, struct error *e);
void tp_template_free(struct tp_template *t); /* NULL is fine */

/* Bytes of the kept transactions, at the front of the snapshot's data. */
size_t tp_template_data_size(const struct tp_template *t);

#endif
