/* SPDX-License-Identifier: MIT */
/* block.h: a solution and its template make a block. */
#ifndef TP_BLOCK_H
#define TP_BLOCK_H

#include "lib/util/buf.h"
#include "lib/util/error.h"
#include "plugins/template-provider/template.h"

struct tp_solution {
	uint32_t version;
	uint32_t ntime;
	uint32_t nonce;
	const uint8_t *coinbase; /* serialized, with witness; borrowed */
	size_t coinbase_size;
};

/* Appends the serialized block to BLOCK and stores its hash (internal order). A coinbase that came
 * without witness gets the one that BIP141 demands: a single item of 32 zero bytes. Nothing but
 * what makes a block hopeless is refused, the node judges the rest: ADIT_E_INVALID_ARGUMENT when
 * the coinbase is not one transaction with one input, ADIT_E_PROTOCOL when the hash misses the
 * target. */
int32_t tp_block_assemble(const struct tp_template *t, const struct tp_solution *s,
			  struct buf *block, uint8_t hash[32], struct error *e);

#endif
