/* SPDX-License-Identifier: MIT */
/* NodeAPI's queries (query.h) as calls of the node's RPC: which call, and what of its answer. */
#include "config.h"

#include "host/node/rpc.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/value.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/buf.h"
#include "lib/util/hex.h"

/* What the node's RPC says with its numbers. */
#define RPC_METHOD_NOT_FOUND (-32601)
#define RPC_NOT_THERE (-5)
#define RPC_INVALID_PARAMETER (-8)
#define RPC_NO_TRANSACTION (-22)
#define RPC_VERIFY_ERROR (-25)
#define RPC_VERIFY_REJECTED (-26)
#define RPC_VERIFY_ALREADY (-27) /* it is in a block */

/* A block that is checked is no query, but goes the same way. */
#define CHECK_BLOCK QUERY_KINDS

struct rpc_query {
	struct rpc_query *next;
	struct rpc *backend;
	struct service_request *request;
	struct rpc_call *call;
	enum query_kind kind;
	unsigned step;       /* which of several calls is under way */
	const char *method;  /* of the call that is under way */
	uint8_t hash[32];    /* internal order */
	uint32_t number;     /* UTXO: output; FEE_ESTIMATE: blocks */
	char hash_text[65];  /* display order */
	char block_text[65]; /* of the block that a transaction is in; may be empty */
	bool flag;
	char extra[512];            /* members of the answer from earlier steps */
	struct json_object *answer; /* the same as an object */
};

static void query_free(struct rpc_query *q)
{
	struct rpc_query **at = &q->backend->queries;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	rpc_client_cancel(q->call);
	json_object_put(q->answer);
	free(q);
}

static void query_failed(struct rpc_query *q, int32_t error, const char *message)
{
	char text[512];

	snprintf(text, sizeof(text), "%s: %s", q->method, message);
	service_failed(q->request, error, text);
	query_free(q);
}

/* Takes over OBJECT. */
static void query_answer(struct rpc_query *q, struct json_object *object)
{
	size_t size = 0;
	const char *text =
	    object != NULL
		? json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN, &size)
		: NULL;

	if (text != NULL) {
		service_answer(q->request, text, size);
		query_free(q);
	} else {
		query_failed(q, ADIT_E_NO_MEMORY, "out of memory");
	}
	json_object_put(object);
}

static void query_wrong(struct rpc_query *q)
{
	query_failed(q, ADIT_E_PROTOCOL, "the node's answer is not what it should be");
}

static void query_send(struct rpc_query *q);

/* --- the node's errors --------------------------------------------------------------------------
 */

static void query_refused(struct rpc_query *q, const struct rpc_answer *answer)
{
	struct service *s = q->backend->service;
	char text[256];

	if (answer->code == RPC_METHOD_NOT_FOUND) {
		service_lacks(s, q->method);
		snprintf(text, sizeof(text), "the node (%s) does not have this RPC method",
			 s->version[0] != '\0' ? s->version : "its version is not known");
		query_failed(q, ADIT_E_UNSUPPORTED, text);
	} else if (answer->code == RPC_NOT_THERE) {
		query_failed(q, ADIT_E_NOT_FOUND, answer->message);
	} else if (answer->code == RPC_INVALID_PARAMETER) {
		query_failed(q, ADIT_E_INVALID_ARGUMENT, answer->message);
	} else if (answer->code == RPC_IN_WARMUP) {
		query_failed(q, ADIT_E_UNAVAILABLE, answer->message);
	} else {
		query_failed(q, ADIT_E_PROTOCOL, answer->message);
	}
}

/* The verdict about a transaction, after which nothing is to be gained by sending it again. */
static bool is_verdict(int64_t code)
{
	return code == RPC_NO_TRANSACTION || code == RPC_VERIFY_ERROR ||
	       code == RPC_VERIFY_REJECTED || code == RPC_VERIFY_ALREADY;
}

/* "Not there" is an answer to whether something is there. */
static bool answered_by_error(struct rpc_query *q, const struct rpc_answer *answer)
{
	static const char none[] = "{\"in_mempool\":false}";
	static const char unknown[] = "{\"found\":false}";

	if (answer->code != RPC_NOT_THERE)
		return false;
	if (q->kind == QUERY_IN_MEMPOOL)
		service_answer(q->request, none, sizeof(none) - 1);
	else if (q->kind == QUERY_HAS_TRANSACTION)
		service_answer(q->request, unknown, sizeof(unknown) - 1);
	else
		return false;
	query_free(q);
	return true;
}

/* --- blocks and transactions --------------------------------------------------------------------
 */

/* The header is put together from its fields; that it has the hash that was asked for shows that
 * they are right. */
static void take_header(struct rpc_query *q, struct json_object *result)
{
	struct block_header h = {0};
	uint8_t bytes[80];
	uint8_t hash[32];
	uint64_t height;
	uint64_t confirmations = 0;

	if (!value_u64(result, "height", INT32_MAX, &height) ||
	    !value_bits(result, "versionHex", &h.version) ||
	    !value_hash(result, "merkleroot", h.merkle_root) ||
	    !value_u32(result, "time", &h.time) || !value_bits(result, "bits", &h.nbits) ||
	    !value_u32(result, "nonce", &h.nonce) ||
	    (height > 0 && !value_hash(result, "previousblockhash", h.prev_hash))) {
		query_wrong(q);
		return;
	}
	(void)value_u64(result, "confirmations", INT32_MAX, &confirmations);
	block_header_write(&h, bytes);
	sha256d_header(bytes, hash);
	if (memcmp(hash, q->hash, 32) != 0) {
		query_wrong(q);
		return;
	}
	service_header_found(q->request, bytes, (uint32_t)height, confirmations);
	query_free(q);
}

/* HEX: the transaction, or NULL. */
static void take_raw(struct rpc_query *q, const char *hex)
{
	size_t size = hex != NULL ? strlen(hex) / 2 : 0;
	uint8_t *raw = malloc(size + 1);

	if (raw == NULL || size == 0 || !hex_decode(hex, raw, size)) {
		query_wrong(q);
	} else {
		service_transaction_found(q->request, q->hash, raw, size, q->extra);
		query_free(q);
	}
	free(raw);
}

static void take_transaction(struct rpc_query *q, struct json_object *result)
{
	uint8_t block[32];
	char text[65];
	uint64_t confirmations = 0;

	(void)value_u64(result, "confirmations", INT32_MAX, &confirmations);
	if (value_hash(result, "blockhash", block)) {
		hex_encode_reversed(block, 32, text);
		snprintf(q->extra, sizeof(q->extra),
			 ",\"block_hash\":\"%s\",\"confirmations\":%" PRIu64, text, confirmations);
	}
	take_raw(q, value_text(result, "hex"));
}

static void take_utxo(struct rpc_query *q, struct json_object *result)
{
	struct json_object *script = NULL;
	struct json_object *o;
	const char *hex;
	uint64_t value;
	uint64_t confirmations;
	bool coinbase;

	if (result == NULL) {
		query_failed(q, ADIT_E_NOT_FOUND, "no such output, or it is spent");
		return;
	}
	if (!value_amount(result, "value", &value) ||
	    !value_u64(result, "confirmations", INT32_MAX, &confirmations) ||
	    !value_bool(result, "coinbase", &coinbase) ||
	    !json_object_object_get_ex(result, "scriptPubKey", &script) ||
	    (hex = value_text(script, "hex")) == NULL) {
		query_wrong(q);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "value", json_object_new_uint64(value));
	json_object_object_add(o, "script", json_object_new_string(hex));
	json_object_object_add(o, "confirmations", json_object_new_uint64(confirmations));
	json_object_object_add(o, "coinbase", json_object_new_boolean(coinbase));
	query_answer(q, o);
}

/* As the node lists them: highest first. */
static void take_tips(struct rpc_query *q, struct json_object *result)
{
	struct json_object *tips = json_object_new_array();
	struct json_object *o = json_object_new_object();
	size_t count =
	    json_object_is_type(result, json_type_array) ? json_object_array_length(result) : 0;

	for (size_t i = 0; i < count && i < QUERY_MAX_TIPS; i++) {
		struct json_object *from = json_object_array_get_idx(result, i);
		struct json_object *tip = json_object_new_object();
		const char *status = value_text(from, "status");
		const char *hash = value_text(from, "hash");
		uint64_t height = 0;
		uint64_t length = 0;

		(void)value_u64(from, "height", INT32_MAX, &height);
		(void)value_u64(from, "branchlen", INT32_MAX, &length);
		json_object_object_add(tip, "hash",
				       json_object_new_string(hash != NULL ? hash : ""));
		json_object_object_add(tip, "height", json_object_new_uint64(height));
		json_object_object_add(tip, "branch_length", json_object_new_uint64(length));
		json_object_object_add(tip, "status",
				       json_object_new_string(status != NULL ? status : ""));
		json_object_array_add(tips, tip);
	}
	json_object_object_add(o, "tips", tips);
	if (count > 0) {
		query_answer(q, o);
	} else {
		json_object_put(o);
		query_wrong(q);
	}
}

/* --- mempool ------------------------------------------------------------------------------------
 */

static void take_txids(struct rpc_query *q, struct json_object *result)
{
	size_t count = json_object_is_type(result, json_type_array)
			   ? json_object_array_length(result)
			   : SIZE_MAX;
	struct buf json = {0};
	struct buf all = {0};
	uint8_t txid[32];
	bool ok = count != SIZE_MAX;

	buf_printf(&json, "{\"count\":%zu,\"txids\":[", count);
	for (size_t i = 0; ok && i < count; i++) {
		struct json_object *item = json_object_array_get_idx(result, i);

		ok = json_object_is_type(item, json_type_string) &&
		     hex_decode_reversed(json_object_get_string(item), txid, 32);
		if (ok && i < QUERY_MAX_TXIDS_SHOWN)
			buf_printf(&json, "%s\"%s\"", i > 0 ? "," : "",
				   json_object_get_string(item));
		buf_append(&all, txid, 32);
	}
	buf_printf(&json, "]}");
	if (!ok) {
		query_wrong(q);
	} else if (json.failed || all.failed) {
		query_failed(q, ADIT_E_NO_MEMORY, "out of memory");
	} else {
		service_answer_with(q->request, (const char *)json.data, json.size, all.data,
				    all.size);
		query_free(q);
	}
	buf_free(&json);
	buf_free(&all);
}

/* Nodes before 0.17 have the fee beside, not among the fees. */
static void take_entry(struct rpc_query *q, struct json_object *result)
{
	static const char there[] = "{\"in_mempool\":true}";
	struct json_object *fees = NULL;
	uint64_t fee;
	uint32_t time = 0;

	if (!json_object_is_type(result, json_type_object)) {
		query_wrong(q);
		return;
	}
	if (q->kind == QUERY_IN_MEMPOOL) {
		service_answer(q->request, there, sizeof(there) - 1);
		query_free(q);
		return;
	}
	(void)json_object_object_get_ex(result, "fees", &fees);
	if (!value_amount(fees, "base", &fee) && !value_amount(result, "fee", &fee)) {
		query_wrong(q);
		return;
	}
	(void)value_u32(result, "time", &time);
	snprintf(q->extra, sizeof(q->extra), ",\"fee\":%" PRIu64 ",\"time\":%u", fee, time);
	q->step++;
	query_send(q);
}

/* Satoshi per 1000 virtual bytes as satoshi per virtual byte, without what floating point adds. */
static struct json_object *fee_rate(uint64_t rate)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 ".%03u", rate / 1000, (unsigned)(rate % 1000));
	return json_object_new_double_s((double)rate / 1000, text);
}

static void take_mempool_size(struct rpc_query *q, struct json_object *result)
{
	struct json_object *o;
	uint64_t count;
	uint64_t bytes;
	uint64_t amount;

	if (!value_u64(result, "size", UINT32_MAX, &count) ||
	    !value_u64(result, "bytes", INT64_MAX, &bytes)) {
		query_wrong(q);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "transaction_count", json_object_new_uint64(count));
	json_object_object_add(o, "size_bytes", json_object_new_uint64(bytes));
	if (value_amount(result, "total_fee", &amount))
		json_object_object_add(o, "total_fee", json_object_new_uint64(amount));
	if (value_amount(result, "mempoolminfee", &amount))
		json_object_object_add(o, "min_fee_rate", fee_rate(amount));
	query_answer(q, o);
}

/* The node's rate is in coins per 1000 virtual bytes. */
static void take_estimate(struct rpc_query *q, struct json_object *result)
{
	struct json_object *errors = value_array(result, "errors");
	struct json_object *o;
	uint64_t rate;
	uint64_t blocks = q->number;
	const char *why = NULL;

	if (!value_amount(result, "feerate", &rate)) {
		if (errors != NULL && json_object_array_length(errors) > 0)
			why = json_object_get_string(json_object_array_get_idx(errors, 0));
		if (why != NULL)
			query_failed(q, ADIT_E_UNAVAILABLE, why);
		else
			query_wrong(q);
		return;
	}
	(void)value_u64(result, "blocks", INT32_MAX, &blocks);
	o = json_object_new_object();
	json_object_object_add(o, "target_blocks", json_object_new_uint64(blocks));
	json_object_object_add(o, "fee_rate", fee_rate(rate));
	query_answer(q, o);
}

/* --- network ------------------------------------------------------------------------------------
 */

static void copy_number(struct json_object *to, const char *key, struct json_object *from,
			const char *name)
{
	uint64_t number;

	if (value_u64(from, name, INT64_MAX, &number))
		json_object_object_add(to, key, json_object_new_uint64(number));
}

static void copy_text(struct json_object *to, const char *key, struct json_object *from,
		      const char *name)
{
	const char *text = value_text(from, name);

	if (text != NULL)
		json_object_object_add(to, key, json_object_new_string(text));
}

/* Three calls, each of which adds what it knows. */
static void take_stats(struct rpc_query *q, struct json_object *result)
{
	if (q->answer == NULL)
		q->answer = json_object_new_object();
	if (q->step == 0) {
		copy_number(q->answer, "peer_count", result, "connections");
		copy_number(q->answer, "inbound", result, "connections_in");
		copy_number(q->answer, "outbound", result, "connections_out");
	} else if (q->step == 1) {
		copy_number(q->answer, "bytes_sent", result, "totalbytessent");
		copy_number(q->answer, "bytes_received", result, "totalbytesrecv");
	} else {
		if (json_object_is_type(result, json_type_double) ||
		    json_object_is_type(result, json_type_int))
			json_object_object_add(
			    q->answer, "hash_rate",
			    json_object_new_double(json_object_get_double(result)));
		query_answer(q, json_object_get(q->answer));
		return;
	}
	q->step++;
	query_send(q);
}

static struct json_object *make_peer(struct json_object *from)
{
	struct json_object *peer = json_object_new_object();
	const char *transport = value_text(from, "transport_protocol_type");
	bool inbound = false;

	copy_number(peer, "id", from, "id");
	copy_text(peer, "addr", from, "addr");
	json_object_object_add(peer, "transport",
			       json_object_new_string(transport != NULL ? transport : "tcp"));
	copy_text(peer, "network", from, "network");
	copy_text(peer, "services", from, "services");
	copy_number(peer, "version", from, "version");
	copy_text(peer, "subversion", from, "subver");
	copy_number(peer, "connected_since", from, "conntime");
	if (value_bool(from, "inbound", &inbound))
		json_object_object_add(peer, "inbound", json_object_new_boolean(inbound));
	return peer;
}

static void take_peers(struct rpc_query *q, struct json_object *result)
{
	struct json_object *peers = json_object_new_array();
	struct json_object *o = json_object_new_object();

	if (!json_object_is_type(result, json_type_array)) {
		json_object_put(peers);
		json_object_put(o);
		query_wrong(q);
		return;
	}
	for (size_t i = 0; i < json_object_array_length(result) && i < QUERY_MAX_PEERS; i++)
		json_object_array_add(peers, make_peer(json_object_array_get_idx(result, i)));
	json_object_object_add(o, "count",
			       json_object_new_uint64(json_object_array_length(result)));
	json_object_object_add(o, "peers", peers);
	query_answer(q, o);
}

/* --- a transaction that is sent -----------------------------------------------------------------
 */

static void take_sent(struct rpc_query *q, struct json_object *result)
{
	char json[96];
	uint8_t txid[32];
	char text[65];
	int size;

	if (!json_object_is_type(result, json_type_string) ||
	    !hex_decode_reversed(json_object_get_string(result), txid, 32)) {
		query_wrong(q);
		return;
	}
	hex_encode_reversed(txid, 32, text);
	size = snprintf(json, sizeof(json), "{\"txid\":\"%s\"}", text);
	service_answer(q->request, json, (size_t)size);
	query_free(q);
}

/* --- a block that is not submitted --------------------------------------------------------------
 */

/* BIP23, as submitblock: null is valid, a text the reason. */
static void take_verdict(struct rpc_query *q, struct json_object *result)
{
	const char *reason = json_object_is_type(result, json_type_string)
				 ? json_object_get_string(result)
				 : "rejected";

	service_checked(q->request, result == NULL ? NULL : reason);
	query_free(q);
}

static bool proposal_params(const struct rpc *b, const uint8_t *block, size_t size,
			    struct buf *params)
{
	uint8_t *at;

	buf_printf(params, "[{\"mode\":\"proposal\",\"rules\":[\"segwit\"%s],\"data\":\"",
		   strcmp(b->service->network, "signet") == 0 ? ",\"signet\"" : "");
	at = buf_reserve(params, 2 * size + 1);
	if (at == NULL)
		return false;
	hex_encode(block, size, (char *)at);
	params->size += 2 * size;
	return buf_append(params, "\"}]", 3);
}

/* --- sending ------------------------------------------------------------------------------------
 */

static void query_take(struct rpc_query *q, struct json_object *result)
{
	static const char yes[] = "{\"found\":true}";
	static const char done[] = "{\"banned\":true}";

	switch (q->kind) {
	case QUERY_BLOCK_HEADER:
		take_header(q, result);
		break;
	case QUERY_TRANSACTION:
		take_transaction(q, result);
		break;
	case QUERY_HAS_TRANSACTION:
		service_answer(q->request, yes, sizeof(yes) - 1);
		query_free(q);
		break;
	case QUERY_UTXO:
		take_utxo(q, result);
		break;
	case QUERY_CHAIN_TIPS:
		take_tips(q, result);
		break;
	case QUERY_MEMPOOL_TRANSACTIONS:
		take_txids(q, result);
		break;
	case QUERY_MEMPOOL_TRANSACTION:
	case QUERY_IN_MEMPOOL:
		if (q->step == 0)
			take_entry(q, result);
		else
			take_raw(q, json_object_is_type(result, json_type_string)
					? json_object_get_string(result)
					: NULL);
		break;
	case QUERY_MEMPOOL_SIZE:
		take_mempool_size(q, result);
		break;
	case QUERY_FEE_ESTIMATE:
		take_estimate(q, result);
		break;
	case QUERY_NETWORK_STATS:
		take_stats(q, result);
		break;
	case QUERY_NETWORK_PEERS:
		take_peers(q, result);
		break;
	case QUERY_BAN_PEER:
		service_answer(q->request, done, sizeof(done) - 1);
		query_free(q);
		break;
	case QUERY_SEND_TRANSACTION:
		take_sent(q, result);
		break;
	default:
		take_verdict(q, result);
		break;
	}
}

static void on_answer(void *user, const struct rpc_answer *answer)
{
	struct rpc_query *q = user;

	q->call = NULL;
	if (answer->error != ADIT_OK)
		query_failed(q, answer->error, answer->message);
	else if (answer->code == 0)
		query_take(q, answer->result);
	else if (q->kind == QUERY_SEND_TRANSACTION && is_verdict(answer->code))
		query_failed(q, ADIT_E_INVALID_ARGUMENT, answer->message);
	else if (!answered_by_error(q, answer))
		query_refused(q, answer);
}

/* The call of each step: its method, what of the query is its parameters, and how much it may
 * answer. */
enum parameters { NOTHING, HASH, HASH_PLAIN, TX_VERBOSE, OUTPUT, NUMBER };

static const struct call {
	const char *method;
	enum parameters parameters;
	size_t max_bytes;
} calls[QUERY_KINDS + 1][3] = {
    [QUERY_BLOCK_HEADER] = {{"getblockheader", HASH, RPC_SMALL_ANSWER}},
    [QUERY_TRANSACTION] = {{"getrawtransaction", TX_VERBOSE, RPC_TEMPLATE_ANSWER}},
    [QUERY_HAS_TRANSACTION] = {{"getrawtransaction", HASH_PLAIN, RPC_BLOCK_ANSWER}},
    [QUERY_UTXO] = {{"gettxout", OUTPUT, RPC_SMALL_ANSWER}},
    [QUERY_CHAIN_TIPS] = {{"getchaintips", NOTHING, RPC_SMALL_ANSWER}},
    [QUERY_MEMPOOL_TRANSACTIONS] = {{"getrawmempool", NOTHING, RPC_TEMPLATE_ANSWER}},
    [QUERY_MEMPOOL_TRANSACTION] = {{"getmempoolentry", HASH, RPC_SMALL_ANSWER},
				   {"getrawtransaction", HASH_PLAIN, RPC_BLOCK_ANSWER}},
    [QUERY_MEMPOOL_SIZE] = {{"getmempoolinfo", NOTHING, RPC_SMALL_ANSWER}},
    [QUERY_IN_MEMPOOL] = {{"getmempoolentry", HASH, RPC_SMALL_ANSWER}},
    [QUERY_FEE_ESTIMATE] = {{"estimatesmartfee", NUMBER, RPC_SMALL_ANSWER}},
    [QUERY_NETWORK_STATS] = {{"getnetworkinfo", NOTHING, RPC_SMALL_ANSWER},
			     {"getnettotals", NOTHING, RPC_SMALL_ANSWER},
			     {"getnetworkhashps", NOTHING, RPC_SMALL_ANSWER}},
    [QUERY_NETWORK_PEERS] = {{"getpeerinfo", NOTHING, RPC_BLOCK_ANSWER}},
    [QUERY_BAN_PEER] = {{"setban", NOTHING, RPC_SMALL_ANSWER}},
    [QUERY_SEND_TRANSACTION] = {{"sendrawtransaction", NOTHING, RPC_SMALL_ANSWER}},
    [CHECK_BLOCK] = {{"getblocktemplate", NOTHING, RPC_SMALL_ANSWER}},
};

static void write_parameters(const struct rpc_query *q, enum parameters what, char *out,
			     size_t capacity)
{
	switch (what) {
	case HASH:
		snprintf(out, capacity, "[\"%s\"]", q->hash_text);
		break;
	case HASH_PLAIN:
		snprintf(out, capacity, "[\"%s\",false]", q->hash_text);
		break;
	case TX_VERBOSE:
		snprintf(out, capacity, "[\"%s\",true%s%s%s]", q->hash_text,
			 q->block_text[0] != '\0' ? ",\"" : "", q->block_text,
			 q->block_text[0] != '\0' ? "\"" : "");
		break;
	case OUTPUT:
		snprintf(out, capacity, "[\"%s\",%u,%s]", q->hash_text, q->number,
			 q->flag ? "true" : "false");
		break;
	case NUMBER:
		snprintf(out, capacity, "[%u]", q->number);
		break;
	default:
		snprintf(out, capacity, "[]");
		break;
	}
}

static void query_send_params(struct rpc_query *q, const void *params, size_t size)
{
	const struct call *call = &calls[q->kind][q->step];
	struct rpc *b = q->backend;

	q->method = call->method;
	q->call = rpc_client_call(b->client, call->method, params, size, b->timeout_ms,
				  call->max_bytes, on_answer, q);
	if (q->call == NULL)
		query_failed(q, ADIT_E_LIMIT, "too many calls to the node are under way");
}

static void query_send(struct rpc_query *q)
{
	char params[256];

	write_parameters(q, calls[q->kind][q->step].parameters, params, sizeof(params));
	query_send_params(q, params, strlen(params));
}

static void ban_peer(struct rpc_query *q, const struct query *query)
{
	char params[160];

	snprintf(params, sizeof(params), "[\"%s\",\"add\",%u]", query->address, query->number);
	query_send_params(q, params, strlen(params));
}

static void send_transaction(struct rpc_query *q, const char *hex)
{
	struct buf params = {0};

	buf_append(&params, "[\"", 2);
	buf_append(&params, hex, strlen(hex));
	if (buf_append(&params, "\"]", 2))
		query_send_params(q, params.data, params.size);
	else
		query_failed(q, ADIT_E_NO_MEMORY, "out of memory");
	buf_free(&params);
}

static struct rpc_query *query_new(struct rpc *b, enum query_kind kind,
				   struct service_request *request)
{
	struct rpc_query *q = calloc(1, sizeof(*q));

	if (q == NULL) {
		service_failed(request, ADIT_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	q->backend = b;
	q->request = request;
	q->kind = kind;
	q->method = calls[kind][0].method;
	q->next = b->queries;
	b->queries = q;
	return q;
}

void rpc_query(void *self, const struct query *query, struct service_request *request)
{
	struct rpc_query *q = query_new(self, query->kind, request);

	if (q == NULL)
		return;
	q->number = query->number;
	q->flag = query->flag;
	memcpy(q->hash, query->hash, 32);
	hex_encode_reversed(query->hash, 32, q->hash_text);
	if (query->in_block)
		hex_encode_reversed(query->block_hash, 32, q->block_text);
	if (query->kind == QUERY_BAN_PEER)
		ban_peer(q, query);
	else if (query->kind == QUERY_SEND_TRANSACTION)
		send_transaction(q, query->hex);
	else
		query_send(q);
}

void rpc_check_block(void *self, const uint8_t *block, size_t size, struct service_request *request)
{
	struct rpc_query *q = query_new(self, CHECK_BLOCK, request);
	struct buf params = {0};

	if (q == NULL)
		return;
	if (proposal_params(q->backend, block, size, &params))
		query_send_params(q, params.data, params.size);
	else
		query_failed(q, ADIT_E_NO_MEMORY, "out of memory");
	buf_free(&params);
}

void rpc_queries_cancel(struct rpc *b)
{
	while (b->queries != NULL)
		query_failed(b->queries, ADIT_E_CANCELLED, "the node service is stopping");
}

/* --- what the node has --------------------------------------------------------------------------
 */

/* What no version of a node that makes templates lacks is not worth looking for. */
static const char *const optional[] = {"estimatesmartfee",  "getmempoolentry", "getrawmempool",
				       "getmempoolinfo",    "getpeerinfo",     "getnettotals",
				       "getnetworkhashps",  "getchaintips",    "gettxout",
				       "getrawtransaction", "setban"};

/* Whether TEXT has a line that begins with the word METHOD. */
static bool help_has(const char *text, const char *method)
{
	size_t size = strlen(method);

	for (const char *at = strstr(text, method); at != NULL; at = strstr(at + 1, method))
		if ((at == text || at[-1] == '\n') &&
		    (at[size] == '\0' || at[size] == ' ' || at[size] == '\n'))
			return true;
	return false;
}

static void on_help(void *user, const struct rpc_answer *answer)
{
	struct rpc *b = user;
	const char *text;

	b->help_look = NULL;
	if (answer->error != ADIT_OK || !json_object_is_type(answer->result, json_type_string))
		return;
	text = json_object_get_string(answer->result);
	b->service->missing_count = 0;
	/* A text without this is no list of methods. */
	if (!help_has(text, "getblocktemplate"))
		return;
	for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++)
		if (!help_has(text, optional[i]))
			service_lacks(b->service, optional[i]);
}

void rpc_features_look(struct rpc *b)
{
	if (b->help_look == NULL)
		b->help_look =
		    rpc_ask(b, "help", "[]", b->timeout_ms, RPC_SMALL_ANSWER, on_help, b);
}
