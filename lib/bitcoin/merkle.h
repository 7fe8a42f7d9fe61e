/* SPDX-License-Identifier: MIT */
/* merkle.h: merkle trees over txids or wtxids (32 bytes each, internal order). */
#ifndef BITCOIN_MERKLE_H
#define BITCOIN_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#define MERKLE_MAX_DEPTH 32

/* Root over COUNT leaves, which are overwritten. COUNT 0 gives zeros. */
void merkle_root(uint8_t (*leaves)[32], size_t count, uint8_t out[32]);
/* Siblings of leaf 0, leaf level first: LEAVES are leaves 1..COUNT (leaf 0, the coinbase, is not
 * among them), and are overwritten. Returns how many, at most MERKLE_MAX_DEPTH. */
size_t merkle_path(uint8_t (*leaves)[32], size_t count, uint8_t path[MERKLE_MAX_DEPTH][32]);
/* Root from leaf 0 and its siblings; PATH is DEPTH times 32 bytes. */
void merkle_fold(const uint8_t leaf[32], const uint8_t *path, size_t depth, uint8_t out[32]);

#endif
