/* SPDX-License-Identifier: MIT */
/*
 * chain_store.h: the embedded chain on disk: one file that only grows, `blocks.dat`: eight bytes of
 * identification, then records of magic (4), size (4, little-endian) and a serialized block.
 *
 * A crash can leave the last record torn: that is cut off. Damage anywhere else is an error, so
 * that nothing is thrown away silently.
 */
#ifndef NODE_CHAIN_STORE_H
#define NODE_CHAIN_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/buf.h"
#include "lib/util/error.h"

struct chain_store {
	int fd;
	char path[320];
	uint64_t size; /* of the file */
	uint64_t next; /* where loading goes on, then where the next record goes */
};

/* Opens or creates DIRECTORY/blocks.dat and locks it. */
int32_t chain_store_open(struct chain_store *s, const char *directory, struct error *e);
void chain_store_close(struct chain_store *s);
/* Reads the next record into BLOCK (cleared first) and gives its place. ADIT_E_NOT_FOUND at the end
 * of the file; ADIT_E_PROTOCOL when what follows is not a whole record. Moves on only by
 * chain_store_accept(). */
int32_t chain_store_next(struct chain_store *s, struct buf *block, uint64_t *offset,
			 struct error *e);
/* The record just read is good: go on behind it. */
void chain_store_accept(struct chain_store *s, size_t block_size);
/* The record at the present place can't be used: cuts it off when it can be the torn end of the
 * file, else ADIT_E_IO with a text that names file, place and remedy. CUT: bytes dropped. */
int32_t chain_store_cut_tail(struct chain_store *s, uint64_t *cut, struct error *e);
/* Appends a block and waits until it is on disk. A failure leaves the file as it was. */
int32_t chain_store_append(struct chain_store *s, const uint8_t *block, size_t size,
			   uint64_t *offset, struct error *e);
/* The SIZE bytes of the block at OFFSET, appended to BLOCK. */
int32_t chain_store_read(struct chain_store *s, uint64_t offset, size_t size, struct buf *block,
			 struct error *e);

#endif
