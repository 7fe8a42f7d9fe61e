/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/aditctl/blocks.h"

#include <string.h>

#include "host/aditctl/text.h"

static bool is_hash(const char *text)
{
	return strlen(text) == BLOCKS_HASH_SIZE - 1 &&
	       strspn(text, "0123456789abcdef") == BLOCKS_HASH_SIZE - 1;
}

static void drop(struct blocks *b, size_t index)
{
	b->used--;
	memmove(&b->entries[index], &b->entries[index + 1],
		(b->used - index) * sizeof(b->entries[0]));
}

/* The entry for HASH, made if there is none; NULL when the block has been taken before. */
static struct block *entry(struct blocks *b, const char *hash, int64_t height, uint64_t now_ms)
{
	struct block *block;

	if (!is_hash(hash))
		return NULL;
	for (size_t i = 0; i < BLOCKS_MAX; i++)
		if (strcmp(b->taken[i], hash) == 0)
			return NULL;
	for (size_t i = 0; i < b->used; i++)
		if (strcmp(b->entries[i].hash, hash) == 0)
			return &b->entries[i];
	if (b->used == BLOCKS_MAX)
		drop(b, 0);
	block = &b->entries[b->used++];
	memset(block, 0, sizeof(*block));
	memcpy(block->hash, hash, BLOCKS_HASH_SIZE);
	block->height = height;
	block->since_ms = now_ms;
	return block;
}

void blocks_found(struct blocks *b, const char *hash, int64_t height, const char *channel,
		  uint64_t now_ms)
{
	struct block *block = entry(b, hash, height, now_ms);

	if (block == NULL)
		return;
	block->found = true;
	text_clean(channel, block->channel, sizeof(block->channel));
}

void blocks_accepted(struct blocks *b, const char *hash, int64_t height, uint64_t now_ms)
{
	struct block *block = entry(b, hash, height, now_ms);

	if (block == NULL)
		return;
	block->accepted = true;
	block->height = height;
}

static void take(struct blocks *b, size_t index, struct block *out)
{
	*out = b->entries[index];
	drop(b, index);
	memcpy(b->taken[b->taken_next], out->hash, BLOCKS_HASH_SIZE);
	b->taken_next = (b->taken_next + 1) % BLOCKS_MAX;
}

bool blocks_take_accepted(struct blocks *b, uint64_t now_ms, uint64_t grace_ms, struct block *out)
{
	for (size_t i = 0; i < b->used; i++) {
		const struct block *block = &b->entries[i];

		if (block->accepted && (block->found || now_ms - block->since_ms > grace_ms)) {
			take(b, i, out);
			return true;
		}
	}
	return false;
}

bool blocks_take_overdue(struct blocks *b, uint64_t now_ms, uint64_t patience_ms, struct block *out)
{
	for (size_t i = 0; i < b->used; i++) {
		if (!b->entries[i].accepted && now_ms - b->entries[i].since_ms > patience_ms) {
			*out = b->entries[i];
			drop(b, i); /* it may still be accepted: not `taken` */
			return true;
		}
	}
	return false;
}
