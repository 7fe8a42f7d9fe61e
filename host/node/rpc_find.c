/* SPDX-License-Identifier: MIT */
/*
 * Transactions by wtxid from a node that can be asked by txid only: those of the newest template
 * are here, of others the mirror of the mempool knows the txid, and the node is asked for many in a
 * call.
 */
#include "config.h"

#include "host/node/rpc.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/value.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/buf.h"
#include "lib/util/hex.h"

#define MAX_FINDS 8 /* each may hold as much as an answer does */

/* One that is asked for. */
struct wish {
	uint8_t wtxid[32];
	uint8_t txid[32];
	size_t offset; /* in DATA */
	uint32_t size; /* 0: not found (yet) */
	bool ask;      /* TXID is known, the node has to be asked */
};

struct rpc_find {
	struct rpc_find *next;
	struct rpc *backend;
	struct service_request *request;
	struct rpc_call *call;
	struct wish *wishes;
	size_t count;
	size_t next_wish;        /* from here on they are to be asked for */
	size_t asked[RPC_BATCH]; /* positions of what the call under way asks for */
	size_t asked_count;
	struct buf data;
};

static void find_free(struct rpc_find *f)
{
	struct rpc *b = f->backend;
	struct rpc_find **at = &b->finds;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	b->find_count--;
	rpc_client_cancel(f->call);
	buf_free(&f->data);
	free(f->wishes);
	free(f);
}

static void find_failed(struct rpc_find *f, int32_t error, const char *message)
{
	service_failed(f->request, error, message);
	find_free(f);
}

static void find_answer(struct rpc_find *f)
{
	struct buf out = {0};
	size_t found = 0;

	for (size_t i = 0; i < f->count; i++) {
		const struct wish *w = &f->wishes[i];
		bool has = w->size > 0 &&
			   out.size + w->size + 4 * (f->count - i) <= SERVICE_MAX_TRANSACTIONS;

		buf_append_u32(&out, has ? w->size : 0);
		if (has)
			buf_append(&out, f->data.data + w->offset, w->size);
		found += has;
	}
	if (out.failed) {
		find_failed(f, ADIT_E_NO_MEMORY, "out of memory");
	} else {
		service_transactions(f->request, f->count, found, &out);
		find_free(f);
	}
	buf_free(&out);
}

/* --- from the template --------------------------------------------------------------------------
 */

struct place {
	const struct template_tx *tx;
	size_t offset;
};

static int by_wtxid(const void *a, const void *b)
{
	return memcmp(((const struct place *)a)->tx->wtxid, ((const struct place *)b)->tx->wtxid,
		      32);
}

static int against_wtxid(const void *wtxid, const void *place)
{
	return memcmp(wtxid, ((const struct place *)place)->tx->wtxid, 32);
}

/* False without memory. */
static bool find_in_template(struct rpc_find *f, const struct node_template *t)
{
	struct place *places;
	size_t offset = 0;

	if (t == NULL || t->tx_count == 0)
		return true;
	places = calloc(t->tx_count, sizeof(*places));
	if (places == NULL)
		return false;
	for (size_t i = 0; i < t->tx_count; i++) {
		places[i] = (struct place){&t->txs[i], offset};
		offset += t->txs[i].size;
	}
	qsort(places, t->tx_count, sizeof(*places), by_wtxid);
	for (size_t i = 0; i < f->count; i++) {
		struct wish *w = &f->wishes[i];
		const struct place *p =
		    bsearch(w->wtxid, places, t->tx_count, sizeof(*places), against_wtxid);

		if (p == NULL)
			continue;
		w->offset = f->data.size;
		if (buf_append(&f->data, t->data.data + p->offset, p->tx->size))
			w->size = p->tx->size;
	}
	free(places);
	return !f->data.failed;
}

/* --- from the node ------------------------------------------------------------------------------
 */

static void find_next(struct rpc_find *f);

/* What the node says is taken only when it is what was asked for. */
static void take_transaction(struct rpc_find *f, struct wish *w, struct json_object *item)
{
	const char *hex = value_text(item, "result");
	size_t size = hex != NULL ? strlen(hex) / 2 : 0;
	uint8_t *at = size > 0 ? buf_reserve(&f->data, size) : NULL;
	struct reader r;
	struct tx tx;
	uint8_t wtxid[32];

	if (at == NULL || size > SERVICE_MAX_BLOCK || !hex_decode(hex, at, size))
		return;
	reader_init(&r, at, size);
	if (!tx_parse(&r, &tx) || reader_left(&r) != 0)
		return;
	tx_wtxid(&tx, wtxid);
	if (memcmp(wtxid, w->wtxid, 32) != 0)
		return;
	w->offset = f->data.size;
	w->size = (uint32_t)size;
	f->data.size += size;
}

static void on_transactions(void *user, const struct rpc_answer *answer)
{
	struct rpc_find *f = user;
	size_t count = answer->error == ADIT_OK && answer->code == 0
			   ? json_object_array_length(answer->result)
			   : 0;
	uint64_t id;

	f->call = NULL;
	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(answer->result, i);

		if (value_u64(item, "id", f->asked_count - 1, &id) &&
		    f->wishes[f->asked[id]].size == 0)
			take_transaction(f, &f->wishes[f->asked[id]], item);
	}
	/* A node that does not answer now is not asked for the rest either. */
	if (count == 0)
		f->next_wish = f->count;
	find_next(f);
}

static void add_call(struct rpc_find *f, size_t position, struct buf *body)
{
	char txid[65];

	hex_encode_reversed(f->wishes[position].txid, 32, txid);
	buf_printf(body,
		   "%s{\"jsonrpc\":\"2.0\",\"id\":%zu,\"method\":\"getrawtransaction\","
		   "\"params\":[\"%s\",false]}",
		   f->asked_count > 0 ? "," : "", f->asked_count, txid);
	f->asked[f->asked_count++] = position;
}

/* The next so many, or the answer when there are none. */
static void find_next(struct rpc_find *f)
{
	struct rpc *b = f->backend;
	struct buf body = {0};

	f->asked_count = 0;
	buf_append_u8(&body, '[');
	for (; f->next_wish < f->count && f->asked_count < RPC_BATCH &&
	       f->data.size < SERVICE_MAX_TRANSACTIONS;
	     f->next_wish++)
		if (f->wishes[f->next_wish].ask)
			add_call(f, f->next_wish, &body);
	buf_append_u8(&body, ']');
	if (f->asked_count > 0 && !body.failed)
		f->call = rpc_client_batch(b->client, body.data, body.size, b->timeout_ms,
					   RPC_TEMPLATE_ANSWER, on_transactions, f);
	buf_free(&body);
	if (f->call == NULL)
		find_answer(f);
}

static struct rpc_find *find_new(struct rpc *b, const uint8_t *wtxids, size_t count,
				 struct service_request *request)
{
	struct rpc_find *f = calloc(1, sizeof(*f));

	if (f != NULL)
		f->wishes = calloc(count, sizeof(*f->wishes));
	if (f == NULL || f->wishes == NULL) {
		free(f);
		service_failed(request, ADIT_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	f->backend = b;
	f->request = request;
	f->count = count;
	for (size_t i = 0; i < count; i++)
		memcpy(f->wishes[i].wtxid, wtxids + 32 * i, 32);
	f->next = b->finds;
	b->finds = f;
	b->find_count++;
	return f;
}

void rpc_get_transactions(void *self, const uint8_t *wtxids, size_t count,
			  struct service_request *request)
{
	struct rpc *b = self;
	struct rpc_find *f;

	if (b->find_count >= MAX_FINDS) {
		service_failed(request, ADIT_E_LIMIT, "too many requests for transactions at once");
		return;
	}
	rpc_mempool_want(b);
	f = find_new(b, wtxids, count, request);
	if (f == NULL)
		return;
	if (!find_in_template(f, b->service->template)) {
		find_failed(f, ADIT_E_NO_MEMORY, "out of memory");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct wish *w = &f->wishes[i];
		const struct mirror_entry *e =
		    w->size == 0 ? mirror_find_wtxid(&b->mempool->mirror, w->wtxid) : NULL;

		if (e == NULL)
			continue;
		memcpy(w->txid, e->txid, 32);
		w->ask = true;
	}
	find_next(f);
}

void rpc_finds_cancel(struct rpc *b)
{
	while (b->finds != NULL)
		find_failed(b->finds, ADIT_E_CANCELLED, "the node service is stopping");
}
