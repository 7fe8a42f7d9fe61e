/* SPDX-License-Identifier: MIT */
/*
 * A reorganisation on request: a branch of blocks without transactions is mined beside the active
 * one, on the loop in short slices, until it has more work. Its blocks are checked and stored like
 * any other, so an end in the middle leaves an ordinary shorter branch.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/embedded.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"

#define SLICE_MS 5        /* how long mining may keep the loop from other work */
#define SLICE_HASHES 8192 /* between two looks at the clock: under 3 ms without SHA instructions   \
			   */
#define ANSWER_MS 8000    /* callers wait ten seconds */
#define SPARE_BLOCKS 50   /* more than depth + 1, when others mine against it */
#define BLOCK_MAX 200

struct reorg {
	struct service_request *request; /* NULL when it was answered before the end */
	uint64_t started_ms;
	uint32_t depth;
	uint32_t mined;
	uint8_t parent[32]; /* of the block that is being mined */
	bool ready;         /* there is a block to mine: */
	uint8_t block[BLOCK_MAX];
	size_t size;
	uint8_t target[32];
	struct sha256_midstate midstate;
	uint64_t nonce;
};

void reorg_end(struct embedded *b, int32_t error, const char *message)
{
	struct reorg *r = b->reorg;

	if (r == NULL)
		return;
	b->reorg = NULL;
	if (r->request != NULL)
		service_failed(r->request, error, message);
	else
		service_log(b->service, ADIT_LOG_WARNING, "reorganisation: %s", message);
	free(r);
}

/* --- a block ------------------------------------------------------------------------------------
 */

/* Worthless and spendable by everyone. SERIAL makes it differ from every other. */
static void write_coinbase(struct writer *w, uint32_t height, uint64_t serial)
{
	static const uint8_t zeros[32];
	uint8_t push[6];
	size_t push_size = bip34_push(height, push);

	writer_u32(w, 2);
	writer_u8(w, 1);
	writer_bytes(w, zeros, 32);
	writer_u32(w, UINT32_MAX);
	writer_u8(w, (uint8_t)(push_size + 9));
	writer_bytes(w, push, push_size);
	writer_u8(w, 8);
	writer_u64(w, serial);
	writer_u32(w, UINT32_MAX);
	writer_u8(w, 1);
	writer_u64(w, chain_subsidy(height));
	writer_u8(w, 1);
	writer_u8(w, 0x51); /* OP_TRUE */
	writer_u32(w, 0);
}

/* The block that follows the tip of C, but for its nonce. */
static void write_block(struct reorg *r, const struct chain *c, uint64_t serial)
{
	struct block_header header = {
	    .version = CHAIN_VERSION, .time = clock_unix(), .nbits = chain_next_nbits(c)};
	struct reader reader;
	struct writer w;
	struct tx tx;

	writer_init(&w, r->block + 80, sizeof(r->block) - 80);
	writer_u8(&w, 1);
	write_coinbase(&w, chain_height(c) + 1, serial);
	r->size = 80 + writer_size(&w);
	reader_init(&reader, r->block + 81, r->size - 81);
	(void)tx_parse(&reader, &tx);
	tx_txid(&tx, header.merkle_root);
	memcpy(header.prev_hash, chain_tip(c)->hash, 32);
	if (header.time <= chain_median_time(c))
		header.time = chain_median_time(c) + 1;
	block_header_write(&header, r->block);
	(void)target_from_nbits(header.nbits, r->target);
	sha256_midstate(r->block, &r->midstate);
	r->nonce = 0;
}

/* Prepares the next block; its parent's branch is active meanwhile. */
static int32_t prepare(struct embedded *b, struct error *e)
{
	struct chain *c = &b->chain;
	struct chain_block *tip = chain_tip(c);
	struct chain_block *parent = chain_find(c, b->reorg->parent);

	if (parent == NULL || chain_fork(c, parent)->height < c->settled)
		return error_set(e, ADIT_E_LIMIT, "the chain has grown too far meanwhile");
	if (!chain_switch(c, parent))
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	write_block(b->reorg, c, clock_unix_ms() << 16 | (b->reorg_serial++ & 0xffff));
	(void)chain_switch(c, tip);
	b->reorg->ready = true;
	return ADIT_OK;
}

/* Looks for the nonce until the slice ends at END; true when it was found. */
static bool search(struct reorg *r, uint64_t end)
{
	uint8_t hash[32];
	uint32_t nonce;

	while (r->nonce < UINT64_C(1) << 32) {
		if (sha256d_scan(&r->midstate, r->block + 64, (uint32_t)r->nonce, SLICE_HASHES,
				 r->target, &nonce, hash)) {
			struct writer w;

			writer_init(&w, r->block + 76, 4);
			writer_u32(&w, nonce);
			return true;
		}
		r->nonce += SLICE_HASHES;
		if (clock_monotonic_ms() >= end)
			return false;
	}
	r->ready = false; /* all nonces tried: another coinbase */
	return false;
}

/* --- the branch ---------------------------------------------------------------------------------
 */

static void answer_done(struct embedded *b, const struct acceptance *a)
{
	struct reorg *r = b->reorg;
	const struct chain_block *tip = chain_tip(&b->chain);
	char before[65];
	char now[65];
	char json[320];
	int size;

	hex_encode_reversed(a->before->hash, 32, before);
	hex_encode_reversed(tip->hash, 32, now);
	size = snprintf(json, sizeof(json),
			"{\"done\":true,\"old_tip\":\"%s\",\"new_tip\":\"%s\",\"height\":%u"
			",\"disconnected\":%u,\"connected\":%u}",
			before, now, tip->height, a->before->height - a->fork->height,
			tip->height - a->fork->height);
	b->reorg = NULL;
	embedded_announce(b, a);
	if (r->request != NULL)
		service_answer(r->request, json, (size_t)size);
	free(r);
}

/* The caller does not wait longer; events tell of the end. */
static void answer_later(struct reorg *r)
{
	char json[64];
	int size;

	if (r->request == NULL || clock_monotonic_ms() - r->started_ms < ANSWER_MS)
		return;
	size = snprintf(json, sizeof(json), "{\"done\":false,\"mined\":%u}", r->mined);
	service_answer(r->request, json, (size_t)size);
	r->request = NULL;
}

/* A block is mined. Ends with the whole when its branch is the active one. */
static int32_t add_block(struct embedded *b, struct error *e)
{
	struct reorg *r = b->reorg;
	struct acceptance a;
	int32_t result;

	r->ready = false;
	r->mined++;
	result = block_accept(&b->chain, &b->store, r->block, r->size, clock_unix(), &a, e);
	if (result != ADIT_OK)
		return result;
	if (a.reason == NULL) {
		answer_done(b, &a);
		return ADIT_OK;
	}
	if (strcmp(a.reason, "inconclusive") != 0)
		return error_set(e, ADIT_E_LIMIT, "the branch can't go on: %s", a.reason);
	if (r->mined > r->depth + SPARE_BLOCKS)
		return error_set(e, ADIT_E_LIMIT, "the active branch grows faster");
	sha256d_header(r->block, r->parent);
	return ADIT_OK;
}

static void on_slice(void *user)
{
	struct embedded *b = user;
	uint64_t end = clock_monotonic_ms() + SLICE_MS;
	struct error e = {0};
	int32_t result = ADIT_OK;

	do {
		if (!b->reorg->ready)
			result = prepare(b, &e);
		if (result == ADIT_OK && search(b->reorg, end))
			result = add_block(b, &e);
	} while (result == ADIT_OK && b->reorg != NULL && clock_monotonic_ms() < end);
	if (b->reorg == NULL)
		return;
	if (result == ADIT_OK) {
		answer_later(b->reorg);
		result = embedded_timer(b, 0, 0, on_slice);
	}
	if (result != ADIT_OK)
		reorg_end(b, result, e.text[0] != '\0' ? e.text : adit_error_name(result));
}

/* Why there can be no reorganisation now; ADIT_OK when there can. */
static int32_t refuse(const struct embedded *b, uint32_t depth, struct error *e)
{
	const struct chain *c = &b->chain;
	uint32_t most = chain_height(c) - c->settled;

	if (depth > most)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "depth: at most %u blocks of the chain can be replaced", most);
	if (b->reorg != NULL)
		return error_set(e, ADIT_E_UNAVAILABLE, "a reorganisation is under way");
	if (chain_side_count(c) + depth >= CHAIN_MAX_SIDE)
		return error_set(e, ADIT_E_LIMIT, "there are too many branches");
	return ADIT_OK;
}

void reorg_begin(struct embedded *b, uint32_t depth, struct service_request *request)
{
	const struct chain *c = &b->chain;
	struct error e = {0};
	int32_t result = refuse(b, depth, &e);
	struct reorg *r = result == ADIT_OK ? calloc(1, sizeof(*r)) : NULL;

	if (r == NULL) {
		service_failed(request, result != ADIT_OK ? result : ADIT_E_NO_MEMORY,
			       result != ADIT_OK ? e.text : "out of memory");
		return;
	}
	r->request = request;
	r->started_ms = clock_monotonic_ms();
	r->depth = depth;
	memcpy(r->parent, c->blocks[chain_height(c) - depth]->hash, 32);
	b->reorg = r;
	result = embedded_timer(b, 0, 0, on_slice);
	if (result != ADIT_OK)
		reorg_end(b, result, adit_error_name(result));
}
