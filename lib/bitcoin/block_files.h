/* SPDX-License-Identifier: MIT */
/* block_files.h: found blocks on disk until the node has judged them: DIR/block-HASH.hex, mode
 * 0600, one line of hexadecimal that `bitcoin-cli submitblock` takes as it is. HASH is in display
 * order.
 */
#ifndef BITCOIN_BLOCK_FILES_H
#define BITCOIN_BLOCK_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

/* Blocks read back at a start; more files than that stay where they are. */
#define BLOCK_FILES_MAX 16
/* No block is larger, by consensus. */
#define BLOCK_FILES_SIZE_MAX 4000000u

typedef void (*block_files_fn)(void *user, const uint8_t hash[32], const uint8_t *block,
			       size_t size);

/* Written beside and renamed: the file is whole or absent. Not synced: the block has to be on its
 * way first. ADIT_E_IO. */
int32_t block_files_write(const char *dir, const uint8_t hash[32], const uint8_t *block,
			  size_t size, struct error *e);
/* Forces it to the disk: for a block that the node could not take at once. ADIT_E_IO. */
int32_t block_files_sync(const char *dir, const uint8_t hash[32], struct error *e);
void block_files_remove(const char *dir, const uint8_t hash[32]);
/* Calls FN for each block found in DIR, at most BLOCK_FILES_MAX; returns how many. A file whose
 * content is not the block of its name is left alone, and counted in *DAMAGED. */
size_t block_files_load(const char *dir, block_files_fn fn, void *user, size_t *damaged);

#endif
