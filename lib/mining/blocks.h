/* SPDX-License-Identifier: MIT */
/*
 * blocks.h: found blocks. Each is written to the journal (a copy into the kernel's memory, no wait
 * for a disk) and leaves for its template provider in the same wake-up. Until a new tip shows what
 * became of it, it is kept and sent again to a provider that connects anew on the same tip, also by
 * the process that comes after a crash.
 */
#ifndef MINING_BLOCKS_H
#define MINING_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/mining/channels.h"

#define BLOCKS_PENDING_MAX 16
/* A block that was sent so often to a provider which is on the tip before it still is sent again
 * when so much time has passed. */
#define BLOCKS_SENT_OFTEN 8
#define BLOCKS_SENT_PAUSE_MS 10000

struct judged_share;
struct mining;
struct provider;

struct pending_block {
	char *provider; /* address of the template provider it belongs to, owned */
	uint64_t template_id;
	uint32_t height;
	uint8_t header[80];
	uint8_t hash[32];
	uint8_t *coinbase; /* with witness, owned */
	size_t coinbase_size;
	bool journalled;
	uint32_t sent; /* how often, by this process */
	uint64_t sent_ms;
};

struct blocks {
	struct pending_block items[BLOCKS_PENDING_MAX]; /* oldest first */
	uint32_t count;
};

void blocks_fini(struct blocks *blocks);
/* S is a block: of a template provider it goes to disk and to that one, then the role is told. */
void blocks_found(struct mining *mining, const struct judged_share *s);
/* Keeps BLOCK, taking what it owns. */
void blocks_keep(struct mining *mining, struct pending_block *block);
/* The same of one out of the journal, of an earlier process or of the one that this one replaces,
 * unless it is kept already or settled: what it owns is the caller's still then. Sends it, if its
 * provider is there. */
void blocks_adopt(struct mining *mining, struct pending_block *block);
void pending_block_free(struct pending_block *block);
/* Provider P has announced a tip: settles what it decides, sends again what it does not know. */
void blocks_tip(struct mining *mining, struct provider *p);

#endif
