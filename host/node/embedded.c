/* SPDX-License-Identifier: MIT */
/*
 * The backend `embedded`: a chain of its own, with real blocks and real proof of work, for a first
 * try and for tests. Its coins are worth nothing.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/block_check.h"
#include "host/node/chain_store.h"
#include "host/node/mempool.h"
#include "host/node/service.h"
#include "lib/bitcoin/target.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"

#define FIRST_TRANSACTIONS 12 /* in the mempool at start, so that the first template has some */
#define LOAD_SLICE_MS 50      /* how long loading may keep the loop from other work */

struct embedded {
	struct service *service;
	struct chain chain;
	struct chain_store store;
	struct mempool mempool;
	uint32_t tx_interval_ms;
	uint32_t template_interval_ms;
	bool mempool_changed;
};

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

static int32_t embedded_open(struct service *s, void **self, struct error *e)
{
	struct embedded *b;
	uint32_t nbits = 0;
	int32_t result = parse_nbits(s, &nbits, e);

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
	if (!chain_init(&b->chain, nbits) ||
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

static void tip_of(const struct chain *c, struct service_tip *tip)
{
	const struct chain_block *block = chain_tip(c);

	memcpy(tip->hash, block->hash, 32);
	tip->height = chain_height(c);
	tip->nbits = block->nbits;
	tip->time = block->time;
	tip->median_time = chain_median_time(c);
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

	if (mempool_grow(&b->mempool, &b->chain))
		b->mempool_changed = true;
	b->service->mempool_tx = b->mempool.count;
}

static void on_template_timer(void *user)
{
	struct embedded *b = user;

	if (b->mempool_changed)
		refresh_template(b);
}

static int32_t timer(struct embedded *b, uint32_t delay, uint32_t repeat, adit_timer_fn fn)
{
	const struct service *s = b->service;

	return s->api->timer_add(s->host, delay, repeat, fn, b, NULL, NULL);
}

/* The chain is loaded. */
static void go_to_work(struct embedded *b)
{
	struct service_tip tip;
	int32_t result = ADIT_OK;

	tip_of(&b->chain, &tip);
	service_set_tip(b->service, &tip);
	service_set_state(b->service, SERVICE_READY, "its coins are worthless");
	for (int i = 0; b->tx_interval_ms > 0 && i < FIRST_TRANSACTIONS; i++)
		(void)mempool_grow(&b->mempool, &b->chain);
	refresh_template(b);
	if (b->tx_interval_ms > 0) {
		result = timer(b, b->tx_interval_ms, b->tx_interval_ms, on_tx_timer);
		if (result == ADIT_OK)
			result = timer(b, b->template_interval_ms, b->template_interval_ms,
				       on_template_timer);
	}
	if (result != ADIT_OK)
		service_log(b->service, ADIT_LOG_ERROR, "no timer for synthetic transactions: %s",
			    adit_error_name(result));
}

/* Takes over a checked block that is at OFFSET in the store. */
static int32_t connect_block(struct embedded *b, const struct block_verdict *v, size_t size,
			     uint64_t offset)
{
	struct chain_block block = {
	    .time = v->time, .nbits = v->nbits, .offset = offset, .size = (uint32_t)size};

	memcpy(block.hash, v->hash, 32);
	if (!chain_add(&b->chain, &block))
		return ADIT_E_NO_MEMORY;
	for (size_t i = 0; i < v->count; i++)
		if (!traffic_set_add(&b->chain.confirmed, v->numbers[i]))
			return ADIT_E_NO_MEMORY;
	return ADIT_OK;
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

/* One record. ADIT_E_NOT_FOUND at the end. */
static int32_t load_record(struct embedded *b, struct buf *block, struct error *e)
{
	struct block_verdict v;
	uint64_t offset;
	int32_t result = chain_store_next(&b->store, block, &offset, e);

	if (result == ADIT_E_PROTOCOL)
		return drop_tail(b, e->text, e);
	if (result != ADIT_OK)
		return result;
	result = block_check(&b->chain, block->data, block->size, 0, &v);
	if (result == ADIT_OK && v.reason != NULL) {
		result = drop_tail(b, v.reason, e);
	} else if (result == ADIT_OK) {
		result = connect_block(b, &v, block->size, offset);
		chain_store_accept(&b->store, block->size);
	}
	block_verdict_free(&v);
	return result;
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
		result = timer(b, 0, 0, load_slice);
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
	return timer(b, 0, 0, load_slice);
}

static void embedded_close(void *self)
{
	embedded_free(self);
}

/* --- requests -----------------------------------------------------------------------------------
 */

static int32_t accept_block(struct embedded *b, const struct block_verdict *v, const uint8_t *block,
			    size_t size, struct error *e)
{
	uint64_t offset;
	int32_t result = chain_store_append(&b->store, block, size, &offset, e);
	struct service_tip tip;

	if (result != ADIT_OK)
		return result;
	if (connect_block(b, v, size, offset) != ADIT_OK) {
		/* It is on disk: the next start finds it there. */
		b->service->api->fail(b->service->host, "out of memory");
		return ADIT_E_NO_MEMORY;
	}
	mempool_forget_confirmed(&b->mempool, &b->chain);
	tip_of(&b->chain, &tip);
	service_block_connected(b->service, &tip);
	refresh_template(b);
	return ADIT_OK;
}

static void embedded_submit(void *self, const uint8_t *block, size_t size,
			    struct service_request *request)
{
	struct embedded *b = self;
	struct error e = {0};
	struct block_verdict v;
	int32_t result;

	if (b->service->state != SERVICE_READY) {
		service_failed(request, ADIT_E_UNAVAILABLE, "the chain is not loaded");
		return;
	}
	result = block_check(&b->chain, block, size, clock_unix(), &v);
	if (result == ADIT_OK && v.reason == NULL)
		result = accept_block(b, &v, block, size, &e);
	if (result != ADIT_OK)
		service_failed(request, result, e.text[0] != '\0' ? e.text : "out of memory");
	else if (v.reason != NULL && strcmp(v.reason, "duplicate") == 0)
		service_submitted(request, NULL, true, (uint32_t)chain_find(&b->chain, v.hash));
	else
		service_submitted(request, v.reason, false, chain_height(&b->chain));
	block_verdict_free(&v);
}

static void embedded_get_block_by_height(void *self, uint32_t height,
					 struct service_request *request)
{
	struct embedded *b = self;
	const struct chain_block *block;
	struct error e = {0};
	struct buf data = {0};
	int32_t result = ADIT_OK;

	if (height > chain_height(&b->chain)) {
		service_failed(request, ADIT_E_NOT_FOUND, "the chain is not that high");
		return;
	}
	block = &b->chain.blocks[height];
	if (height == 0)
		(void)buf_append(&data, chain_genesis, chain_genesis_size);
	else
		result = chain_store_read(&b->store, block->offset, block->size, &data, &e);
	if (result != ADIT_OK)
		service_failed(request, result, e.text);
	else
		service_block_found(request, block->hash, height,
				    chain_height(&b->chain) - height + 1, data.data, data.size);
	buf_free(&data);
}

static void embedded_get_block(void *self, const uint8_t hash[32], struct service_request *request)
{
	struct embedded *b = self;
	int64_t height = chain_find(&b->chain, hash);

	if (height < 0)
		service_failed(request, ADIT_E_NOT_FOUND, "no block of that hash");
	else
		embedded_get_block_by_height(self, (uint32_t)height, request);
}

const struct backend backend_embedded = {
    .name = "embedded",
    .open = embedded_open,
    .start = embedded_start,
    .close = embedded_close,
    .submit = embedded_submit,
    .get_block = embedded_get_block,
    .get_block_by_height = embedded_get_block_by_height,
};
