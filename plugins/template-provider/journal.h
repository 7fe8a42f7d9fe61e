/* SPDX-License-Identifier: MIT */
/* journal.h: found blocks on disk until the node has judged them: DIR/block-HASH.hex, mode 0600,
 * one line of hexadecimal that `bitcoin-cli submitblock` takes as it is. HASH is in display order.
 */
#ifndef TP_JOURNAL_H
#define TP_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

/* Blocks read back at a start; more files than that stay where they are. */
#define TP_JOURNAL_MAX 16
/* No block is larger, by consensus. */
#define TP_BLOCK_MAX 4000000u

typedef void (*tp_journal_fn)(void *user, const uint8_t hash[32], const uint8_t *block,
			      size_t size);

/* Written beside and renamed: the file is whole or absent. Not synced: the block has to be on its
 * way first. ADIT_E_IO. */
int32_t tp_journal_write(const char *dir, const uint8_t hash[32], const uint8_t *block, size_t size,
			 struct error *e);
/* Forces it to the disk: for a block that the node could not take at once. ADIT_E_IO. */
int32_t tp_journal_sync(const char *dir, const uint8_t hash[32], struct error *e);
void tp_journal_remove(const char *dir, const uint8_t hash[32]);
/* Calls FN for each block found in DIR, at most TP_JOURNAL_MAX; returns how many. A file whose
 * content is not the block of its name is left alone, and counted in *DAMAGED. */
size_t tp_journal_load(const char *dir, tp_journal_fn fn, void *user, size_t *damaged);

#endif
