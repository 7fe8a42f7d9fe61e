/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/blocks.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/tx.h"
#include "lib/mining/engine.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"

void pending_block_free(struct pending_block *block)
{
	free(block->provider);
	free(block->coinbase);
	*block = (struct pending_block){0};
}

static void remove_block(struct blocks *blocks, uint32_t at)
{
	pending_block_free(&blocks->items[at]);
	blocks->count--;
	memmove(&blocks->items[at], &blocks->items[at + 1],
		(blocks->count - at) * sizeof blocks->items[0]);
}

void blocks_fini(struct blocks *blocks)
{
	while (blocks->count > 0)
		remove_block(blocks, blocks->count - 1);
}

void blocks_keep(struct mining *mining, struct pending_block *block)
{
	struct blocks *blocks = &mining->blocks;

	if (blocks->count == BLOCKS_PENDING_MAX)
		remove_block(blocks, 0);
	blocks->items[blocks->count++] = *block;
	*block = (struct pending_block){0};
}

static void submit(struct mining *mining, struct provider *p, struct pending_block *block)
{
	struct block_header header;

	block_header_read(block->header, &header);
	struct adit_sv2_submit_solution m = {
	    .template_id = block->template_id,
	    .version = header.version,
	    .header_timestamp = header.time,
	    .header_nonce = header.nonce,
	    .coinbase_tx = {.data = block->coinbase, .size = (uint32_t)block->coinbase_size},
	};

	block->sent++;
	block->sent_ms = clock_monotonic_ms();
	adit_sv2_send(p->conn, ADIT_SV2_SUBMIT_SOLUTION, &m);
	providers_sent_block(mining, p, block->header + 4);
}

/* P is on the tip that BLOCK was mined on: it lost the block, or we lost P. Once more does no harm,
 * but a provider that ends the connection over it each time would never be of use again. */
static void submit_again(struct mining *mining, struct provider *p, struct pending_block *block)
{
	char hash[65];

	if (block->sent >= BLOCKS_SENT_OFTEN &&
	    clock_monotonic_ms() - block->sent_ms < BLOCKS_SENT_PAUSE_MS)
		return;
	submit(mining, p, block);
	if (block->sent != BLOCKS_SENT_OFTEN)
		return;
	hex_encode_reversed(block->hash, 32, hash);
	mining_log(mining, ADIT_LOG_ERROR,
		   "block %u %s was sent to %s %d times, and its tip is the one before still",
		   block->height, hash, p->address, BLOCKS_SENT_OFTEN);
}

static bool make_block(struct pending_block *block, const struct judged_share *s)
{
	const struct job *job = s->job;
	const struct share *share = s->share;
	const struct template *t = job->template;
	uint8_t full[EXTRANONCE_MAX];
	struct buf coinbase = {0};

	memcpy(full, job->prefix, job->prefix_size);
	if (share->extranonce_size)
		memcpy(full + job->prefix_size, share->extranonce, share->extranonce_size);
	if (coinbase_join_witness(
		t->prefix.data, t->prefix.size, full, job->prefix_size + share->extranonce_size,
		job->coinbase->suffix.data, job->coinbase->suffix.size, &coinbase) != ADIT_OK) {
		buf_free(&coinbase);
		return false;
	}
	memcpy(block->header, s->header, 80);
	memcpy(block->hash, s->hash, 32);
	block->provider = strdup(t->provider->address);
	block->template_id = t->id;
	block->height = t->height;
	block->coinbase = coinbase.data;
	block->coinbase_size = coinbase.size;
	return block->provider != NULL;
}

static void log_block(struct channel *channel, const struct pending_block *block, bool sent)
{
	char name[128];
	char hash[65];

	channel_name(channel, name, sizeof name);
	hex_encode_reversed(block->hash, 32, hash);
	mining_log(channel->conn->mining, ADIT_LOG_INFO,
		   "block found: height %u, %s, by %s \"%s\"%s", block->height, hash, name,
		   channel->user,
		   sent ? "" : "; the template provider is away, kept until it is back");
}

static void tell_role(const struct mining *mining, const struct judged_share *s)
{
	if (mining->hooks->block)
		mining->hooks->block(mining->context, s);
}

void blocks_found(struct mining *mining, const struct judged_share *s)
{
	struct provider *provider = s->job->template->provider;
	struct pending_block block = {0};

	mining->stats.blocks_found++;
	if (!provider) {
		tell_role(mining, s);
		return;
	}
	if (!make_block(&block, s)) {
		mining_log(mining, ADIT_LOG_ERROR, "a block is lost: out of memory");
		pending_block_free(&block);
		return;
	}
	/* The message leaves within adit_sv2_send(), before anything else is done. Whoever kills
	 * this process in between finds the block in the journal. */
	journal_write(mining, &block);
	if (provider->conn)
		submit(mining, provider, &block);
	log_block(s->channel, &block, provider->conn != NULL);
	tell_role(mining, s);
	blocks_keep(mining, &block);
}

/* The tip tells what became of BLOCK; true when it is settled. */
static bool settle(struct mining *mining, const struct pending_block *block, const struct tip *tip)
{
	char hash[65];

	if (memcmp(block->header + 4, tip->prev_hash, 32) == 0)
		return false; /* still open: the tip is the one it was mined on */
	hex_encode_reversed(block->hash, 32, hash);
	if (memcmp(block->hash, tip->prev_hash, 32) == 0)
		mining_log(mining, ADIT_LOG_INFO, "block %u %s is the tip", block->height, hash);
	else
		mining_log(mining, ADIT_LOG_INFO, "block %u %s: the chain has gone past its height",
			   block->height, hash);
	return true;
}

static bool is_kept(const struct blocks *blocks, const uint8_t hash[32])
{
	for (uint32_t i = 0; i < blocks->count; i++) {
		if (memcmp(blocks->items[i].hash, hash, 32) == 0)
			return true;
	}
	return false;
}

void blocks_adopt(struct mining *mining, struct pending_block *block)
{
	if (is_kept(&mining->blocks, block->hash))
		return;
	for (uint32_t i = 0; i < mining->providers.count; i++) {
		struct provider *p = &mining->providers.items[i];

		if (!p->conn || !p->has_tip || strcmp(block->provider, p->address) != 0)
			continue;
		if (settle(mining, block, &p->tip))
			return;
		submit_again(mining, p, block);
	}
	blocks_keep(mining, block);
}

void blocks_tip(struct mining *mining, struct provider *p)
{
	struct blocks *blocks = &mining->blocks;

	for (uint32_t i = 0; i < blocks->count;) {
		struct pending_block *block = &blocks->items[i];

		if (strcmp(block->provider, p->address) != 0) {
			i++;
			continue;
		}
		if (settle(mining, block, &p->tip)) {
			remove_block(blocks, i);
			continue;
		}
		submit_again(mining, p, block);
		i++;
	}
}
