/* SPDX-License-Identifier: MIT */
/* What the embedded chain answers beside blocks, headers and templates. */
#include "config.h"

#include "host/node/embedded.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/tx.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"

/* --- branches -----------------------------------------------------------------------------------
 */

static bool has_child(const struct chain *c, const struct chain_block *block)
{
	for (size_t i = 0; i < c->recent_count; i++)
		if (c->recent[i]->parent == block)
			return true;
	return false;
}

static void add_tip(const struct chain *c, struct chain_block *block, struct buf *out)
{
	char hash[65];

	hex_encode_reversed(block->hash, 32, hash);
	buf_printf(out, "%s{\"hash\":\"%s\",\"height\":%u,\"branch_length\":%u,\"status\":\"%s\"}",
		   block == chain_tip(c) ? "" : ",", hash, block->height,
		   block->height - chain_fork(c, block)->height,
		   block == chain_tip(c) ? "active" : "valid-fork");
}

static void answer_text(struct buf *json, struct service_request *request)
{
	if (json->failed)
		service_failed(request, ADIT_E_NO_MEMORY, "out of memory");
	else
		service_answer(request, (const char *)json->data, json->size);
	buf_free(json);
}

/* The active one, then the others, newest first. */
static void answer_tips(struct embedded *b, struct service_request *request)
{
	const struct chain *c = &b->chain;
	struct buf json = {0};
	size_t listed = 1;

	buf_printf(&json, "{\"tips\":[");
	add_tip(c, chain_tip(c), &json);
	for (size_t i = c->recent_count; i > 0 && listed < QUERY_MAX_TIPS; i--) {
		struct chain_block *block = c->recent[i - 1];

		if (chain_is_active(c, block) || has_child(c, block))
			continue;
		add_tip(c, block, &json);
		listed++;
	}
	buf_printf(&json, "]}");
	answer_text(&json, request);
}

/* --- mempool ------------------------------------------------------------------------------------
 */

static const struct traffic_tx *waiting(const struct embedded *b, const uint8_t txid[32])
{
	for (size_t i = 0; i < b->mempool.count; i++)
		if (memcmp(b->mempool.txs[i]->txid, txid, 32) == 0)
			return b->mempool.txs[i];
	return NULL;
}

static void answer_list(struct embedded *b, struct service_request *request)
{
	const struct mempool *m = &b->mempool;
	struct buf json = {0};
	struct buf all = {0};
	char hash[65];

	buf_printf(&json, "{\"count\":%zu,\"txids\":[", m->count);
	for (size_t i = 0; i < m->count; i++) {
		hex_encode_reversed(m->txs[i]->txid, 32, hash);
		if (i < QUERY_MAX_TXIDS_SHOWN)
			buf_printf(&json, "%s\"%s\"", i > 0 ? "," : "", hash);
		buf_append(&all, m->txs[i]->txid, 32);
	}
	buf_printf(&json, "]}");
	if (json.failed || all.failed)
		service_failed(request, ADIT_E_NO_MEMORY, "out of memory");
	else
		service_answer_with(request, (const char *)json.data, json.size, all.data,
				    all.size);
	buf_free(&json);
	buf_free(&all);
}

static void answer_size(struct embedded *b, struct service_request *request)
{
	const struct mempool *m = &b->mempool;
	struct buf json = {0};
	uint64_t bytes = 0;
	uint64_t fees = 0;

	for (size_t i = 0; i < m->count; i++) {
		bytes += (m->txs[i]->weight + 3) / 4;
		fees += m->txs[i]->fee;
	}
	buf_printf(&json,
		   "{\"transaction_count\":%zu,\"size_bytes\":%" PRIu64 ",\"total_fee\":%" PRIu64
		   ",\"min_fee_rate\":0}",
		   m->count, bytes, fees);
	answer_text(&json, request);
}

static void answer_waiting(struct embedded *b, const struct query *q,
			   struct service_request *request)
{
	const struct traffic_tx *t = waiting(b, q->hash);
	char extra[64];

	if (q->kind == QUERY_IN_MEMPOOL) {
		const char *json = t != NULL ? "{\"in_mempool\":true}" : "{\"in_mempool\":false}";

		service_answer(request, json, strlen(json));
	} else if (q->kind == QUERY_HAS_TRANSACTION) {
		const char *json = t != NULL ? "{\"found\":true}" : "{\"found\":false}";

		service_answer(request, json, strlen(json));
	} else if (t == NULL) {
		service_failed(request, ADIT_E_NOT_FOUND,
			       "no transaction of that id waits for a block; those in blocks are"
			       " not kept by id");
	} else {
		snprintf(extra, sizeof(extra), ",\"fee\":%" PRIu64, t->fee);
		service_transaction_found(request, t->txid, t->data, t->size,
					  q->kind == QUERY_MEMPOOL_TRANSACTION ? extra : "");
	}
}

static void unsupported(const struct query *q, struct service_request *request)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: the embedded chain %s", query_name(q->kind),
		 q->kind == QUERY_SEND_TRANSACTION
		     ? "takes none from others: add_transactions makes some"
		     : "has nothing to tell");
	service_failed(request, ADIT_E_UNSUPPORTED, text);
}

void embedded_query(struct embedded *b, const struct query *q, struct service_request *request)
{
	static const char nobody[] = "{\"peers\":[]}";
	static const char silence[] =
	    "{\"peer_count\":0,\"inbound\":0,\"outbound\":0,\"bytes_sent\":0,\"bytes_received\":0}";

	switch (q->kind) {
	case QUERY_CHAIN_TIPS:
		answer_tips(b, request);
		break;
	case QUERY_MEMPOOL_TRANSACTIONS:
		answer_list(b, request);
		break;
	case QUERY_MEMPOOL_SIZE:
		answer_size(b, request);
		break;
	case QUERY_TRANSACTION:
	case QUERY_HAS_TRANSACTION:
	case QUERY_MEMPOOL_TRANSACTION:
	case QUERY_IN_MEMPOOL:
		answer_waiting(b, q, request);
		break;
	case QUERY_NETWORK_PEERS:
		service_answer(request, nobody, sizeof(nobody) - 1);
		break;
	case QUERY_NETWORK_STATS:
		service_answer(request, silence, sizeof(silence) - 1);
		break;
	default:
		unsupported(q, request);
		break;
	}
}
