/* SPDX-License-Identifier: MIT */
/*
 * journal.h: found blocks on disk: one JSON object a line in the state directory,
 *
 *   {"time":.., "height":.., "hash":"..", "provider":"unix:/..", "template_id":..,
 *    "header":"80 bytes in hex", "coinbase":"with witness, in hex"}
 *
 * A line is written when the block is found and synced a moment later, when the block has left for
 * the template provider: what a crash of this process must not lose is in the kernel's hands at
 * once.
 */
#ifndef POOL_JOURNAL_H
#define POOL_JOURNAL_H

#include <stdint.h>

struct pending_block;
struct pool;

struct journal {
	int fd; /* -1: not open */
	char *path;
	uint64_t sync_timer; /* 0: nothing to sync */
};

/* Opens it and brings back the youngest blocks as pending ones. */
int32_t journal_start(struct pool *pool);
void journal_stop(struct pool *pool);
void journal_write(struct pool *pool, const struct pending_block *block);

#endif
