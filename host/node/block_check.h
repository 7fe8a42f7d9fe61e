/* SPDX-License-Identifier: MIT */
/* block_check.h: everything that makes a block valid on the embedded chain, in the order and with
 * the words of Bitcoin Core. Scripts are not executed: a transaction is valid when it is one of the
 * synthetic ones (traffic.h), unspent, with its parents before it. */
#ifndef NODE_BLOCK_CHECK_H
#define NODE_BLOCK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/node/chain.h"

struct block_verdict {
	/* NULL: valid. Else one of: block-decode-failed, high-hash, bad-txnmrklroot,
	 * bad-txns-duplicate, bad-blk-length, bad-cb-missing, bad-cb-multiple, bad-cb-length,
	 * bad-txns-vout-empty, bad-txns-vout-toolarge, bad-txns-txouttotal-toolarge,
	 * bad-blk-sigops, PLACE, bad-diffbits,
	 * time-too-old, time-too-new, bad-version(0x........), bad-txns-nonfinal, bad-cb-height,
	 * bad-witness-nonce-size, bad-witness-merkle-match, unexpected-witness, bad-blk-weight,
	 * bad-txns-inputs-missingorspent, bad-cb-amount. */
	const char *reason;
	char text[32]; /* where REASON points when it is made up of parts */
	uint8_t hash[32];
	uint32_t time;
	uint32_t nbits;
	uint64_t fees;
	uint64_t *numbers; /* the synthetic transactions in it */
	size_t count;
};

/* Checks BLOCK as the successor of C's tip. PLACE: why it can't be that ("duplicate",
 * "prev-blk-not-found" ...), which is said when nothing is wrong with the block alone; NULL when it
 * can. NOW: the clock, or 0 for a block from the store, which is then also allowed to have another
 * difficulty than configured. Returns ADIT_OK with a verdict to be released, or ADIT_E_NO_MEMORY.
 */
int32_t block_check(const struct chain *c, const uint8_t *block, size_t size, uint32_t now,
		    const char *place, struct block_verdict *out);
/* The same without a look at the proof of work: for a block that is yet to be mined. */
int32_t block_check_unmined(const struct chain *c, const uint8_t *block, size_t size, uint32_t now,
			    const char *place, struct block_verdict *out);
void block_verdict_free(struct block_verdict *v);

#endif
