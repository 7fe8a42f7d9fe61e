/* SPDX-License-Identifier: MIT */
/*
 * blocks.h: joins the two halves of a block's story: BlockFound (from a pool: which channel) and
 * BlockMined (from the node: accepted into the chain). They come from two processes, in either
 * order. Bounded: the oldest entry gives way.
 */
#ifndef ADITCTL_BLOCKS_H
#define ADITCTL_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCKS_MAX 64
#define BLOCKS_HASH_SIZE 65 /* hexadecimal digits and a NUL */
#define BLOCKS_CHANNEL_SIZE 96

struct block {
	char hash[BLOCKS_HASH_SIZE];
	char channel[BLOCKS_CHANNEL_SIZE]; /* "" while unknown */
	int64_t height;
	uint64_t since_ms; /* monotonic time of the first half */
	bool found;
	bool accepted;
};

struct blocks {
	struct block entries[BLOCKS_MAX]; /* oldest first */
	size_t used;
	/* Hashes that have been taken, so that a block reported twice is not counted twice. */
	char taken[BLOCKS_MAX][BLOCKS_HASH_SIZE];
	size_t taken_next;
};

/* One half arrived at NOW_MS. A hash that is no 64 hexadecimal digits is ignored. */
void blocks_found(struct blocks *b, const char *hash, int64_t height, const char *channel,
		  uint64_t now_ms);
void blocks_accepted(struct blocks *b, const char *hash, int64_t height, uint64_t now_ms);

/* Takes the oldest accepted block that is complete, or that has waited longer than GRACE_MS for its
 * other half. */
bool blocks_take_accepted(struct blocks *b, uint64_t now_ms, uint64_t grace_ms, struct block *out);
/* Takes the oldest block that was found longer than PATIENCE_MS ago and is still not accepted. */
bool blocks_take_overdue(struct blocks *b, uint64_t now_ms, uint64_t patience_ms,
			 struct block *out);

#endif
