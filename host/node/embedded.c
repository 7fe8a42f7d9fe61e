/* SPDX-License-Identifier: MIT */
/*
 * The backend `embedded`: a chain of its own, with real blocks and real proof of work, for a first
 * try and for tests. Its coins are worth nothing.
 */
#include "config.h"

#include "host/node/embedded.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/retarget.h"
#include "lib/bitcoin/target.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"

#define HEADER_SIZE 80
#define FIRST_TRANSACTIONS 12 /* in the mempool at start, so that the first template has some */
#define LOAD_SLICE_MS 50      /* how long loading may keep the loop from other work */

static void embedded_free(struct embedded *b)
{
	chain_free(&b->chain);
	mempool_free(&b->mempool);
	chain_store_close(&b->store);
	free(b);
}

static int32_t parse_nbits(struct service *s, uint32_t *nbits, struct error *e)
{
	const char *text = service_config(s, "embedded_nbits");
	uint8_t bytes[4];
	uint8_t target[32];

	if (text == NULL)
		text = "1e03ffff";
	if (hex_decode(text, bytes, sizeof(bytes))) {
		*nbits = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
			 (uint32_t)bytes[2] << 8 | bytes[3];
		if (target_from_nbits(*nbits, target))
			return ADIT_OK;
	}
	return error_set(e, ADIT_E_CONFIG,
			 "embedded_nbits: expected a target in compact form, eight hexadecimal"
			 " digits such as 207fffff or 1e03ffff, got \"%s\"",
			 text);
}

/* Block times are whole seconds: a shorter interval could not be seen. */
static int32_t parse_interval(struct service *s, uint32_t *interval_ms, struct error *e)
{
	int64_t ms = service_config_int(s, "embedded_block_interval", 0);

	if (ms != 0 && (ms < 1000 || ms > RETARGET_MAX_MS))
		return error_set(e, ADIT_E_CONFIG,
				 "embedded_block_interval: expected 0, or 1s to 1h, got %lldms",
				 (long long)ms);
	*interval_ms = (uint32_t)ms;
	return ADIT_OK;
}

static int32_t embedded_open(struct service *s, void **self, struct error *e)
{
	struct embedded *b;
	uint32_t nbits = 0;
	int32_t result = parse_nbits(s, &nbits, e);

	if (result == ADIT_OK)
		result = parse_interval(s, &s->block_interval_ms, e);
	if (result != ADIT_OK)
		return result;
	if (strcmp(s->network, "regtest") != 0)
		return error_set(e, ADIT_E_CONFIG,
				 "network: the embedded chain is a regtest, not \"%s\"; a Bitcoin"
				 " node takes backend = bitcoin-rpc",
				 s->network);
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	b->service = s;
	b->store.fd = -1;
	b->tx_interval_ms = (uint32_t)service_config_int(s, "embedded_tx_interval", 700);
	b->template_interval_ms = (uint32_t)service_config_int(s, "template_interval", 15000);
	if (!chain_init(&b->chain, nbits, s->block_interval_ms) ||
	    !mempool_init(&b->mempool, (size_t)service_config_int(s, "embedded_mempool", 500))) {
		embedded_free(b);
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	snprintf(s->version, sizeof(s->version), "/adit-embedded:" PACKAGE_VERSION "/");
	*self = b;
	return ADIT_OK;
}

/* --- at work ------------------------------------------------------------------------------------
 */

/* The block of the active branch at HEIGHT. */
static void tip_at(const struct chain *c, uint32_t height, struct service_tip *tip)
{
	const struct chain_block *block = c->blocks[height];

	memcpy(tip->hash, block->hash, 32);
	tip->height = height;
	tip->nbits = block->nbits;
	tip->time = block->time;
	tip->median_time = chain_median_time_at(c, height);
}

static void refresh_template(struct embedded *b)
{
	struct node_template *t = mempool_template(&b->mempool, &b->chain, clock_unix());

	b->mempool_changed = false;
	b->service->mempool_tx = b->mempool.count;
	if (t != NULL)
		service_set_template(b->service, t);
	else
		service_log(b->service, ADIT_LOG_ERROR, "no memory for a template");
}

static void on_tx_timer(void *user)
{
	struct embedded *b = user;
	struct pool_image image;

	embedded_pool_before(b, &image);
	if (mempool_grow(&b->mempool, &b->chain))
		b->mempool_changed = true;
	b->service->mempool_tx = b->mempool.count;
	embedded_pool_after(b, &image);
}

static void on_template_timer(void *user)
{
	struct embedded *b = user;

	if (b->mempool_changed)
		refresh_template(b);
}

int32_t embedded_timer(struct embedded *b, uint32_t delay, uint32_t repeat, adit_timer_fn fn)
{
	const struct service *s = b->service;

	return s->api->timer_add(s->host, delay, repeat, fn, b, NULL, NULL);
}

/* The chain is loaded. */
static void go_to_work(struct embedded *b)
{
	struct service_tip tip;
	int32_t result = ADIT_OK;

	tip_at(&b->chain, chain_height(&b->chain), &tip);
	service_set_tip(b->service, &tip);
	service_set_state(b->service, SERVICE_READY, "its coins are worthless");
	for (int i = 0; b->tx_interval_ms > 0 && i < FIRST_TRANSACTIONS; i++)
		(void)mempool_grow(&b->mempool, &b->chain);
	refresh_template(b);
	if (b->tx_interval_ms > 0) {
		result = embedded_timer(b, b->tx_interval_ms, b->tx_interval_ms, on_tx_timer);
		if (result == ADIT_OK)
			result = embedded_timer(b, b->template_interval_ms, b->template_interval_ms,
						on_template_timer);
	}
	if (result != ADIT_OK)
		service_log(b->service, ADIT_LOG_ERROR, "no timer for synthetic transactions: %s",
			    adit_error_name(result));
}

/* Newest first; what was in them waits for a block again. */
static void announce_disconnected(struct embedded *b, const struct acceptance *a)
{
	for (const struct chain_block *block = a->before; block != a->fork; block = block->parent) {
		service_block_disconnected(b->service, block->hash, block->height);
		mempool_return(&b->mempool, &b->chain, block->numbers, block->numbers_count);
	}
}

void embedded_announce(struct embedded *b, const struct acceptance *a)
{
	struct service_tip tip;
	struct pool_image image;

	embedded_pool_before(b, &image);
	announce_disconnected(b, a);
	for (uint32_t h = a->fork->height + 1; h <= chain_height(&b->chain); h++) {
		tip_at(&b->chain, h, &tip);
		service_block_connected(b->service, &tip);
	}
	if (a->before != a->fork)
		service_reorganised(b->service, a->before->hash, chain_tip(&b->chain)->hash);
	chain_settle(&b->chain);
	mempool_forget_confirmed(&b->mempool, &b->chain);
	refresh_template(b);
	embedded_pool_after(b, &image);
}

/* --- loading ------------------------------------------------------------------------------------
 */

static int32_t drop_tail(struct embedded *b, const char *why, struct error *e)
{
	uint64_t cut;
	int32_t result = chain_store_cut_tail(&b->store, &cut, e);

	if (result == ADIT_OK)
		service_log(b->service, ADIT_LOG_WARNING,
			    "%s: the last %llu bytes are not a whole block (%s) and were cut off",
			    b->store.path, (unsigned long long)cut, why);
	return result;
}

/* One record. ADIT_E_NOT_FOUND at the end. What was kept beside the active branch is valid, too. */
static int32_t load_record(struct embedded *b, struct buf *block, struct error *e)
{
	struct acceptance a;
	uint64_t offset;
	int32_t result = chain_store_next(&b->store, block, &offset, e);

	if (result == ADIT_E_PROTOCOL)
		return drop_tail(b, e->text, e);
	if (result != ADIT_OK)
		return result;
	result = block_accept_stored(&b->chain, offset, block->data, block->size, &a, e);
	if (result != ADIT_OK)
		return result;
	if (a.reason != NULL && strcmp(a.reason, "inconclusive") != 0)
		return drop_tail(b, a.reason, e);
	chain_settle(&b->chain);
	chain_store_accept(&b->store, block->size);
	return ADIT_OK;
}

static void load_slice(void *user)
{
	struct embedded *b = user;
	uint64_t end = clock_monotonic_ms() + LOAD_SLICE_MS;
	struct error e = {0};
	struct buf block = {0};
	char detail[64];
	int32_t result;

	do
		result = load_record(b, &block, &e);
	while (result == ADIT_OK && clock_monotonic_ms() < end);
	buf_free(&block);
	if (result == ADIT_E_NOT_FOUND) {
		go_to_work(b);
		return;
	}
	if (result == ADIT_OK) {
		snprintf(detail, sizeof(detail), "loading block %u", chain_height(&b->chain));
		service_set_state(b->service, SERVICE_STARTING, detail);
		result = embedded_timer(b, 0, 0, load_slice);
	}
	if (result != ADIT_OK)
		service_set_state(b->service, SERVICE_FAILING,
				  e.text[0] != '\0' ? e.text : adit_error_name(result));
}

static int32_t embedded_start(void *self, struct error *e)
{
	struct embedded *b = self;
	int32_t result = chain_store_open(&b->store, b->service->state_dir, e);

	if (result != ADIT_OK)
		return result;
	service_log(b->service, ADIT_LOG_INFO,
		    "embedded chain in %s, difficulty %08x: its coins are worthless, it is for"
		    " trying out and for tests",
		    b->store.path, b->chain.nbits);
	service_set_state(b->service, SERVICE_STARTING, "loading the chain");
	return embedded_timer(b, 0, 0, load_slice);
}

static void embedded_close(void *self)
{
	struct embedded *b = self;

	reorg_end(b, ADIT_E_CANCELLED, "the node service is stopping");
	embedded_free(b);
}

/* --- requests -----------------------------------------------------------------------------------
 */

static void embedded_submit(void *self, const uint8_t *block, size_t size,
			    struct service_request *request)
{
	struct embedded *b = self;
	struct acceptance a;
	struct error e = {0};
	int32_t result;

	if (b->service->state != SERVICE_READY) {
		service_failed(request, ADIT_E_UNAVAILABLE, "the chain is not loaded");
		return;
	}
	result = block_accept(&b->chain, &b->store, block, size, clock_unix(), &a, &e);
	if (result != ADIT_OK) {
		service_failed(request, result, e.text);
	} else if (a.known != NULL && strcmp(a.reason, "duplicate") == 0) {
		service_submitted(request, NULL, true, a.known->height);
	} else {
		if (a.reason == NULL)
			embedded_announce(b, &a);
		service_submitted(request, a.reason, false, chain_height(&b->chain));
	}
}

static void embedded_check_block(void *self, const uint8_t *block, size_t size,
				 struct service_request *request)
{
	struct embedded *b = self;
	const char *place = memcmp(block + 4, chain_tip(&b->chain)->hash, 32) == 0
				? NULL
				: "inconclusive-not-best-prevblk";
	struct block_verdict v;
	int32_t result = block_check_unmined(&b->chain, block, size, clock_unix(), place, &v);

	if (result != ADIT_OK)
		service_failed(request, result, "out of memory");
	else
		service_checked(request, v.reason);
	block_verdict_free(&v);
}

static void embedded_get_transactions(void *self, const uint8_t *wtxids, size_t count,
				      struct service_request *request)
{
	struct embedded *b = self;
	const struct traffic_tx **txs = calloc(count, sizeof(const struct traffic_tx *));
	struct buf data = {0};
	size_t found = 0;
	bool done = txs != NULL && mempool_find(&b->mempool, wtxids, count, txs);

	for (size_t i = 0; done && i < count; i++) {
		const struct traffic_tx *t = txs[i];

		if (t != NULL && data.size + t->size + 4 * (count - i) > SERVICE_MAX_TRANSACTIONS)
			t = NULL;
		buf_append_u32(&data, t != NULL ? t->size : 0);
		if (t != NULL)
			buf_append(&data, t->data, t->size);
		found += t != NULL;
	}
	if (!done || data.failed)
		service_failed(request, ADIT_E_NO_MEMORY, "out of memory");
	else
		service_transactions(request, count, found, &data);
	buf_free(&data);
	free(txs);
}

/* Appends the first SIZE bytes of BLOCK, or all of it when it has fewer. */
static int32_t read_block(struct embedded *b, const struct chain_block *block, size_t size,
			  struct buf *data, struct error *e)
{
	if (block->height == 0) {
		(void)buf_append(data, chain_genesis,
				 size < chain_genesis_size ? size : chain_genesis_size);
		return ADIT_OK;
	}
	return chain_store_read(&b->store, block->offset, size < block->size ? size : block->size,
				data, e);
}

/* 0: it is not on the best chain. */
static uint32_t confirmations(const struct embedded *b, const struct chain_block *block)
{
	return chain_is_active(&b->chain, block) ? chain_height(&b->chain) - block->height + 1 : 0;
}

static void answer_block(struct embedded *b, const struct chain_block *block,
			 struct service_request *request)
{
	struct error e = {0};
	struct buf data = {0};
	int32_t result = read_block(b, block, SIZE_MAX, &data, &e);

	if (result != ADIT_OK)
		service_failed(request, result, e.text);
	else
		service_block_found(request, block->hash, block->height, confirmations(b, block),
				    data.data, data.size);
	buf_free(&data);
}

static void embedded_get_block_by_height(void *self, uint32_t height,
					 struct service_request *request)
{
	struct embedded *b = self;

	if (height > chain_height(&b->chain))
		service_failed(request, ADIT_E_NOT_FOUND, "the chain is not that high");
	else
		answer_block(b, b->chain.blocks[height], request);
}

static void embedded_get_block(void *self, const uint8_t hash[32], struct service_request *request)
{
	struct embedded *b = self;
	const struct chain_block *block = chain_find(&b->chain, hash);

	if (block == NULL)
		service_failed(request, ADIT_E_NOT_FOUND, "no block of that hash");
	else
		answer_block(b, block, request);
}

static void embedded_add_transactions(void *self, uint32_t count, struct service_request *request)
{
	struct embedded *b = self;
	struct pool_image image;
	uint32_t added = 0;
	char json[96];
	int size;

	embedded_pool_before(b, &image);
	while (added < count && mempool_grow(&b->mempool, &b->chain))
		added++;
	if (added > 0)
		refresh_template(b);
	embedded_pool_after(b, &image);
	size = snprintf(json, sizeof(json), "{\"added\":%u,\"mempool_tx\":%zu}", added,
			b->mempool.count);
	service_answer(request, json, (size_t)size);
}

static void answer_header(struct embedded *b, const uint8_t hash[32],
			  struct service_request *request)
{
	const struct chain_block *block = chain_find(&b->chain, hash);
	struct error e = {0};
	struct buf data = {0};
	int32_t result;

	if (block == NULL)
		result = error_set(&e, ADIT_E_NOT_FOUND, "no block of that hash");
	else
		result = read_block(b, block, HEADER_SIZE, &data, &e);
	if (result != ADIT_OK)
		service_failed(request, result, e.text);
	else
		service_header_found(request, data.data, block->height, confirmations(b, block));
	buf_free(&data);
}

static void embedded_query_any(void *self, const struct query *q, struct service_request *request)
{
	struct embedded *b = self;

	if (q->kind == QUERY_BLOCK_HEADER)
		answer_header(b, q->hash, request);
	else
		embedded_query(b, q, request);
}

static void embedded_reorganise(void *self, uint32_t depth, struct service_request *request)
{
	reorg_begin(self, depth, request);
}

const struct backend backend_embedded = {
    .name = "embedded",
    .open = embedded_open,
    .start = embedded_start,
    .close = embedded_close,
    .submit = embedded_submit,
    .get_block = embedded_get_block,
    .get_block_by_height = embedded_get_block_by_height,
    .get_transactions = embedded_get_transactions,
    .check_block = embedded_check_block,
    .query = embedded_query_any,
    .reorganise = embedded_reorganise,
    .add_transactions = embedded_add_transactions,
};
