/* SPDX-License-Identifier: MIT */
/*
 * The node's mempool as far as anyone wants to know: who follows its events, or asks for
 * transactions by wtxid. Every `mempool_interval` the list of txids is compared with the mirror of
 * the last one; of new ones the wtxid and the fee are asked for, many in a call.
 *
 * A list counts only when the tip was the one that is known before and after it was made. So what
 * left the mempool with a block is told from what left it otherwise.
 */
#include "config.h"

#include "host/node/rpc.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "host/node/value.h"
#include "lib/util/buf.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"

#define WANTED_MS 600000u /* so long after the last question for a wtxid the mirror is kept */
#define SOON_MS 300       /* a list that does not count is asked for again */
#define BATCH_PAUSE_MS 10 /* so that a first list does not keep the node from other work */
#define MAX_ARRIVALS 500  /* of one list that are told one by one */
#define MAX_DEPARTURES 500
#define SLICE 2000 /* of a list, in one turn of the loop */
#define RPC_METHOD_NOT_FOUND (-32601)

static void look_later(struct rpc *b, uint32_t delay_ms);

static bool events_wanted(const struct service *s)
{
	return s->api->event_wanted(s->host, "NewTransaction") ||
	       s->api->event_wanted(s->host, "MempoolTransactionAdded") ||
	       s->api->event_wanted(s->host, "MempoolTransactionRemoved");
}

static bool wanted(const struct rpc *b)
{
	struct rpc_mempool *m = b->mempool;

	return (m->asked_at != 0 && clock_monotonic_ms() - m->asked_at < WANTED_MS) ||
	       events_wanted(b->service);
}

static void forget(struct rpc *b)
{
	struct rpc_mempool *m = b->mempool;

	mirror_clear(&m->mirror);
	buf_free(&m->text);
	m->complete = false;
	m->block_count = 0;
	b->service->mirror_tx = 0;
}

static void show(struct rpc *b)
{
	struct mirror *m = &b->mempool->mirror;

	b->service->mirror_tx = m->count - m->unresolved;
}

/* --- fees and wtxids of new ones ----------------------------------------------------------------
 */

static void resolve(struct rpc *b);

static void on_resolve_timer(void *user)
{
	struct rpc *b = user;

	b->mempool->resolve_timer = 0;
	resolve(b);
}

/* Satoshi per virtual byte, from the fee and the size that policy counts. */
static double rate_of(struct json_object *entry)
{
	struct json_object *fees = NULL;
	uint64_t fee = 0;
	uint64_t size = 0;

	(void)json_object_object_get_ex(entry, "fees", &fees);
	if (!value_amount(fees, "base", &fee))
		(void)value_amount(entry, "fee", &fee);
	(void)value_u64(entry, "vsize", UINT32_MAX, &size);
	return size > 0 ? (double)fee / (double)size : 0;
}

/* False when the node can't tell what is needed, and will not for any other. */
static bool take_entry(struct rpc *b, const uint8_t txid[32], struct json_object *item)
{
	struct rpc_mempool *m = b->mempool;
	struct mirror_entry *e = mirror_find(&m->mirror, txid);
	struct json_object *result = NULL;
	struct json_object *error = NULL;
	struct json_object *code = NULL;
	uint8_t wtxid[32];

	(void)json_object_object_get_ex(item, "result", &result);
	(void)json_object_object_get_ex(item, "error", &error);
	if (json_object_is_type(error, json_type_object) &&
	    json_object_object_get_ex(error, "code", &code) &&
	    json_object_get_int64(code) == RPC_METHOD_NOT_FOUND) {
		service_lacks(b->service, "getmempoolentry");
		return false;
	}
	if (e == NULL || e->resolved)
		return true;
	/* An error: it has left again. */
	if (!value_hash(result, "wtxid", wtxid)) {
		mirror_remove(&m->mirror, e);
		return true;
	}
	if (e->announce)
		service_transaction_added(b->service, txid, rate_of(result), &m->arrivals_skipped);
	mirror_resolve(&m->mirror, e, wtxid);
	return true;
}

static void on_entries(void *user, const struct rpc_answer *answer)
{
	struct rpc *b = user;
	struct rpc_mempool *m = b->mempool;
	size_t count = answer->error == ADIT_OK && answer->code == 0
			   ? json_object_array_length(answer->result)
			   : 0;
	bool more = count > 0;

	m->entries_call = NULL;
	for (size_t i = 0; i < count && more; i++) {
		struct json_object *item = json_object_array_get_idx(answer->result, i);
		uint64_t id;

		if (value_u64(item, "id", m->asked_count - 1, &id))
			more = take_entry(b, m->asked[id], item);
	}
	show(b);
	/* After an error the next list asks again. */
	if (more && m->mirror.unresolved > 0)
		rpc_timer(b, &m->resolve_timer, BATCH_PAUSE_MS, on_resolve_timer, b);
}

static void resolve(struct rpc *b)
{
	struct rpc_mempool *m = b->mempool;
	struct buf body = {0};
	char txid[65];

	if (m->entries_call != NULL || m->resolve_timer != 0 || m->mirror.unresolved == 0)
		return;
	m->asked_count = 0;
	buf_append_u8(&body, '[');
	while (m->asked_count < RPC_BATCH && m->asked_count < m->mirror.unresolved) {
		struct mirror_entry *e = mirror_next_unresolved(&m->mirror);

		memcpy(m->asked[m->asked_count], e->txid, 32);
		hex_encode_reversed(e->txid, 32, txid);
		buf_printf(&body,
			   "%s{\"jsonrpc\":\"2.0\",\"id\":%zu,\"method\":\"getmempoolentry\","
			   "\"params\":[\"%s\"]}",
			   m->asked_count > 0 ? "," : "", m->asked_count, txid);
		m->asked_count++;
	}
	buf_append_u8(&body, ']');
	if (!body.failed)
		m->entries_call = rpc_client_batch(b->client, body.data, body.size, b->timeout_ms,
						   RPC_BLOCK_ANSWER, on_entries, b);
	buf_free(&body);
}

/* --- the list -----------------------------------------------------------------------------------
 */

static void on_departure(void *user, const struct mirror_entry *e)
{
	struct rpc *b = user;
	struct rpc_mempool *m = b->mempool;

	if (m->departures++ < MAX_DEPARTURES)
		service_transaction_left(b->service, e->txid,
					 e->confirmed ? "confirmed" : "unknown",
					 &m->departures_skipped);
	else
		m->departures_skipped++;
}

static void on_arrival(struct rpc *b, struct mirror_entry *e)
{
	struct rpc_mempool *m = b->mempool;

	/* What was there at first is no news. */
	if (!m->complete)
		return;
	e->announce = m->arrivals++ < MAX_ARRIVALS;
	if (e->announce)
		service_transaction_seen(b->service, e->txid);
	else
		m->arrivals_skipped++;
}

static void list_done(struct rpc *b)
{
	struct rpc_mempool *m = b->mempool;

	buf_free(&m->text);
	if (m->mirror.left_out > 0 && !m->told_full) {
		m->told_full = true;
		service_log(b->service, ADIT_LOG_WARNING,
			    "the node's mempool has %zu transactions, of which only %zu are known"
			    " by wtxid (mempool_mirror)",
			    m->listed, m->mirror.count);
	}
	m->complete = true;
	show(b);
	look_later(b, m->interval_ms);
	resolve(b);
}

/* So much at a time that other work is not kept waiting. */
static void on_slice(void *user)
{
	struct rpc *b = user;
	struct rpc_mempool *m = b->mempool;
	uint8_t txid[32];
	bool done = false;

	m->slice_timer = 0;
	for (size_t i = 0; i < SLICE && txid_list_next(&m->list, txid); i++) {
		struct mirror_entry *e;

		m->listed++;
		if (mirror_list_add(&m->mirror, txid, &e))
			on_arrival(b, e);
	}
	if (m->list.failed) {
		/* Half a list is none: what it lacks has not left. */
		service_log(b->service, ADIT_LOG_WARNING,
			    "getrawmempool: the node's answer is no list of txids");
		buf_free(&m->text);
		look_later(b, m->interval_ms);
		return;
	}
	if (m->list.ended) {
		b->service->mempool_tx = m->listed;
		done = mirror_list_end(&m->mirror, SLICE, on_departure, b);
	}
	if (done)
		list_done(b);
	else
		rpc_timer(b, &m->slice_timer, 0, on_slice, b);
}

static void take_list(struct rpc *b)
{
	struct rpc_mempool *m = b->mempool;

	txid_list_init(&m->list, (const char *)m->text.data, m->text.size);
	mirror_reserve(&m->mirror, m->text.size / 67);
	mirror_list_begin(&m->mirror);
	m->listed = 0;
	m->arrivals = 0;
	m->departures = 0;
	rpc_timer(b, &m->slice_timer, 0, on_slice, b);
}

/* --- the three questions ------------------------------------------------------------------------
 */

static bool is_tip(const struct rpc *b, const struct rpc_answer *answer)
{
	uint8_t hash[32];

	return answer->error == ADIT_OK && answer->code == 0 &&
	       json_object_is_type(answer->result, json_type_string) &&
	       hex_decode_reversed(json_object_get_string(answer->result), hash, 32) &&
	       memcmp(hash, b->service->tip.hash, 32) == 0;
}

/* The tip is another than is known: that first. */
static void tip_moved(struct rpc *b)
{
	buf_free(&b->mempool->text);
	look_later(b, SOON_MS);
	rpc_look(b);
}

static void ask(struct rpc *b, const char *method, rpc_answer_fn fn)
{
	struct rpc_mempool *m = b->mempool;

	m->list_call = rpc_ask(b, method, "[]", b->timeout_ms, RPC_SMALL_ANSWER, fn, b);
	if (m->list_call == NULL)
		look_later(b, m->interval_ms);
}

static void on_tip_after(void *user, const struct rpc_answer *answer)
{
	struct rpc *b = user;

	b->mempool->list_call = NULL;
	if (is_tip(b, answer) && b->mempool->block_count == 0)
		take_list(b);
	else
		tip_moved(b);
}

static void on_text(void *user, const struct rpc_answer *answer)
{
	struct rpc *b = user;
	struct rpc_mempool *m = b->mempool;

	m->list_call = NULL;
	if (answer->error != ADIT_OK) {
		look_later(b, m->interval_ms);
		return;
	}
	m->text = *answer->text;
	memset(answer->text, 0, sizeof(*answer->text));
	ask(b, "getbestblockhash", on_tip_after);
}

static void on_tip_before(void *user, const struct rpc_answer *answer)
{
	struct rpc *b = user;
	struct rpc_mempool *m = b->mempool;

	m->list_call = NULL;
	if (!is_tip(b, answer)) {
		tip_moved(b);
		return;
	}
	m->list_call = rpc_client_text(b->client, "getrawmempool", "[]", 2, b->timeout_ms,
				       RPC_MEMPOOL_ANSWER, on_text, b);
	if (m->list_call == NULL)
		look_later(b, m->interval_ms);
}

/* --- blocks -------------------------------------------------------------------------------------
 */

static void look(struct rpc *b);

static void on_block(void *user, const struct rpc_answer *answer)
{
	struct rpc *b = user;
	struct rpc_mempool *m = b->mempool;
	struct json_object *txids = answer->error == ADIT_OK && answer->code == 0
					? value_array(answer->result, "tx")
					: NULL;
	size_t count = txids != NULL ? json_object_array_length(txids) : 0;
	uint8_t txid[32];

	m->list_call = NULL;
	for (size_t i = 0; i < count; i++) {
		struct json_object *item = json_object_array_get_idx(txids, i);
		struct mirror_entry *e;

		if (json_object_is_type(item, json_type_string) &&
		    hex_decode_reversed(json_object_get_string(item), txid, 32) &&
		    (e = mirror_find(&m->mirror, txid)) != NULL)
			e->confirmed = true;
	}
	if (m->block_count > 0)
		memmove(m->blocks, m->blocks + 1, --m->block_count * sizeof(m->blocks[0]));
	look(b);
}

/* First the blocks that came, then the list. */
static void look(struct rpc *b)
{
	struct rpc_mempool *m = b->mempool;
	char text[65];
	char params[80];

	if (m->block_count == 0) {
		ask(b, "getbestblockhash", on_tip_before);
		return;
	}
	hex_encode_reversed(m->blocks[0], 32, text);
	snprintf(params, sizeof(params), "[\"%s\",1]", text);
	m->list_call = rpc_ask(b, "getblock", params, b->timeout_ms, RPC_BLOCK_ANSWER, on_block, b);
	if (m->list_call == NULL)
		look_later(b, m->interval_ms);
}

static void on_timer(void *user)
{
	struct rpc *b = user;
	struct rpc_mempool *m = b->mempool;

	m->timer = 0;
	if (m->list_call != NULL || m->slice_timer != 0)
		return;
	if (b->usable && b->service->tip_known && wanted(b)) {
		look(b);
		return;
	}
	if (m->mirror.count > 0 || m->complete)
		forget(b);
	look_later(b, m->interval_ms);
}

static void look_later(struct rpc *b, uint32_t delay_ms)
{
	rpc_timer(b, &b->mempool->timer, delay_ms, on_timer, b);
}

void rpc_mempool_start(struct rpc *b)
{
	struct rpc_mempool *m = b->mempool;

	mirror_init(&m->mirror, (size_t)service_config_int(b->service, "mempool_mirror", 300000));
	m->interval_ms = (uint32_t)service_config_int(b->service, "mempool_interval", 5000);
	look_later(b, m->interval_ms);
}

void rpc_mempool_block(struct rpc *b, const uint8_t hash[32])
{
	struct rpc_mempool *m = b->mempool;

	if (!m->complete)
		return;
	/* So many at once: what they took along is not worth asking for. */
	if (m->block_count == RPC_MEMPOOL_BLOCKS)
		memmove(m->blocks, m->blocks + 1, --m->block_count * sizeof(m->blocks[0]));
	memcpy(m->blocks[m->block_count++], hash, 32);
}

void rpc_mempool_stop(struct rpc *b)
{
	struct rpc_mempool *m = b->mempool;

	rpc_client_cancel(m->list_call);
	rpc_client_cancel(m->entries_call);
	m->list_call = NULL;
	m->entries_call = NULL;
	rpc_timer_end(b, &m->resolve_timer);
	rpc_timer_end(b, &m->slice_timer);
	forget(b);
	if (m->timer == 0 && m->interval_ms > 0)
		look_later(b, m->interval_ms);
}

void rpc_mempool_close(struct rpc *b)
{
	rpc_mempool_stop(b);
	rpc_timer_end(b, &b->mempool->timer);
}

void rpc_mempool_want(struct rpc *b)
{
	struct rpc_mempool *m = b->mempool;
	bool first = m->asked_at == 0 || !wanted(b);

	m->asked_at = clock_monotonic_ms();
	if (first && m->list_call == NULL && m->slice_timer == 0)
		look_later(b, 0);
}
