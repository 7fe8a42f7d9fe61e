/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/block_accept.h"

#include <stdio.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/tx.h"

/* A block from outside has a store to go to, one from the store has its place there. */
struct candidate {
	const uint8_t *data;
	size_t size;
	uint32_t now;
	struct chain_store *store;
	uint64_t offset;
};

/* Whether a block can still be put on PARENT: not on settled ones, and beside the active branch
 * only as long as there is room. */
static bool is_open(const struct chain *c, struct chain_block *parent)
{
	if (parent == chain_tip(c))
		return true;
	return chain_fork(c, parent)->height >= c->settled && chain_side_count(c) < CHAIN_MAX_SIDE;
}

/* The parent of the block, or NULL with the reason that it has none it could follow. */
static struct chain_block *find_parent(const struct chain *c, const struct candidate *b,
				       struct acceptance *out)
{
	struct chain_block *parent = NULL;
	struct chain_block *known;
	struct block_header header;
	uint8_t hash[32];

	out->reason = NULL;
	if (b->size < 80)
		return chain_tip(c);
	sha256d_header(b->data, hash);
	block_header_read(b->data, &header);
	known = chain_find(c, hash);
	if (known != NULL && chain_is_active(c, known)) {
		out->reason = "duplicate";
		out->known = known;
	} else if (known != NULL) {
		out->reason = "inconclusive";
	} else {
		parent = chain_find(c, header.prev_hash);
		if (parent == NULL)
			out->reason = "prev-blk-not-found";
		else if (!is_open(c, parent))
			out->reason = "inconclusive-not-best-prevblk";
	}
	return out->reason == NULL ? parent : NULL;
}

/* Puts the checked block on the tip, in the chain and in the store. */
static int32_t attach(struct chain *c, struct candidate *b, struct block_verdict *v,
		      struct error *e)
{
	struct chain_block facts = {.time = v->time,
				    .nbits = v->nbits,
				    .size = (uint32_t)b->size,
				    .offset = b->offset,
				    .numbers = v->numbers,
				    .numbers_count = v->count};
	struct chain_block *block;
	int32_t result = ADIT_OK;

	memcpy(facts.hash, v->hash, 32);
	block = chain_add(c, &facts);
	if (block == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	v->numbers = NULL;
	if (b->store != NULL)
		result = chain_store_append(b->store, b->data, b->size, &block->offset, e);
	if (result != ADIT_OK)
		chain_undo(c);
	return result;
}

/* Checks the block on top of the tip, and attaches it when it is valid. */
static int32_t check(struct chain *c, struct candidate *b, struct acceptance *out, struct error *e)
{
	const char *place = out->reason;
	struct block_verdict v;
	int32_t result = block_check(c, b->data, b->size, b->now, place, &v);

	if (result != ADIT_OK) {
		(void)error_set(e, result, "out of memory");
	} else if (v.reason != NULL) {
		snprintf(out->text, sizeof(out->text), "%s", v.reason);
		out->reason = v.reason == v.text ? out->text : v.reason;
	} else {
		out->reason = NULL;
		result = attach(c, b, &v, e);
	}
	block_verdict_free(&v);
	return result;
}

/* The first of two branches with the same work stays. */
static bool has_more_work(const struct chain_block *fork, const struct chain_block *block,
			  const struct chain_block *than)
{
	return chain_work(fork, block) > chain_work(fork, than);
}

static int32_t take(struct chain *c, struct candidate *b, struct acceptance *out, struct error *e)
{
	struct chain_block *tip = chain_tip(c);
	struct chain_block *parent;
	int32_t result;

	memset(out, 0, sizeof(*out));
	out->before = tip;
	parent = find_parent(c, b, out);
	out->fork = parent != NULL ? chain_fork(c, parent) : tip;
	if (parent != NULL && !chain_switch(c, parent))
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	result = check(c, b, out, e);
	if (result == ADIT_OK && out->reason == NULL && has_more_work(out->fork, chain_tip(c), tip))
		return ADIT_OK;
	if (result == ADIT_OK && out->reason == NULL)
		out->reason = "inconclusive";
	(void)chain_switch(c, tip);
	return result;
}

int32_t block_accept(struct chain *c, struct chain_store *store, const uint8_t *block, size_t size,
		     uint32_t now, struct acceptance *out, struct error *e)
{
	struct candidate b = {.data = block, .size = size, .now = now, .store = store};

	return take(c, &b, out, e);
}

int32_t block_accept_stored(struct chain *c, uint64_t offset, const uint8_t *block, size_t size,
			    struct acceptance *out, struct error *e)
{
	struct candidate b = {.data = block, .size = size, .offset = offset};

	return take(c, &b, out, e);
}
