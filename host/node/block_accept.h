/* SPDX-License-Identifier: MIT */
/* block_accept.h: takes blocks into the embedded chain: each is checked on the branch that it
 * belongs to, stored, and becomes the tip when its branch has more work than the active one. */
#ifndef NODE_BLOCK_ACCEPT_H
#define NODE_BLOCK_ACCEPT_H

#include <stddef.h>
#include <stdint.h>

#include "host/node/block_check.h"
#include "host/node/chain_store.h"
#include "lib/util/error.h"

struct acceptance {
	/* NULL: the block is the tip now. "inconclusive": it is valid and kept on another branch,
	 * which has not more work than the active one. Else why it was refused. */
	const char *reason;
	char text[32];             /* where REASON points when it is made up of parts */
	struct chain_block *known; /* with "duplicate": the block of the active branch */
	struct chain_block *before;
	struct chain_block *fork; /* highest common ancestor of the tip before and now */
};

/* BLOCK from outside: checked, with NOW as the clock, and when it is valid appended to STORE. */
int32_t block_accept(struct chain *c, struct chain_store *store, const uint8_t *block, size_t size,
		     uint32_t now, struct acceptance *out, struct error *e);
/* BLOCK from the store, at OFFSET. */
int32_t block_accept_stored(struct chain *c, uint64_t offset, const uint8_t *block, size_t size,
			    struct acceptance *out, struct error *e);
/* After either, when what was of interest about blocks that left the active branch is done with:
 * chain_settle(). */

#endif
