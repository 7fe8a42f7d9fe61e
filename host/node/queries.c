/* SPDX-License-Identifier: MIT */
/* NodeAPI's methods that ask the backend something, limited by caller; and names that it refuses.
 */
#include "config.h"

#include "host/node/query.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/method.h"
#include "host/node/value.h"
#include "lib/util/hex.h"

#define MAX_TARGET_BLOCKS 1008 /* a week: as far as nodes estimate */
#define MAX_BAN_SECONDS (365u * 24 * 3600)

static const struct method {
	const char *name;
	const char *argument; /* for people, when it is missing or wrong */
} methods[QUERY_KINDS] = {
    [QUERY_BLOCK_HEADER] = {"get_block_header", "hash: 64 hexadecimal digits expected"},
    [QUERY_TRANSACTION] = {"get_transaction", "hash, and perhaps block_hash: 64 hexadecimal digits"
					      " expected"},
    [QUERY_HAS_TRANSACTION] = {"has_transaction", "hash: 64 hexadecimal digits expected"},
    [QUERY_UTXO] = {"get_utxo", "hash: 64 hexadecimal digits, and index: a number expected"},
    [QUERY_CHAIN_TIPS] = {"get_chain_tips", ""},
    [QUERY_MEMPOOL_TRANSACTIONS] = {"get_mempool_transactions", ""},
    [QUERY_MEMPOOL_TRANSACTION] = {"get_mempool_transaction",
				   "hash: 64 hexadecimal digits expected"},
    [QUERY_MEMPOOL_SIZE] = {"get_mempool_size", ""},
    [QUERY_IN_MEMPOOL] = {"check_transaction_in_mempool", "hash: 64 hexadecimal digits expected"},
    [QUERY_FEE_ESTIMATE] = {"get_fee_estimate", "target_blocks: a number of 1 to 1008 expected"},
    [QUERY_NETWORK_STATS] = {"get_network_stats", ""},
    [QUERY_NETWORK_PEERS] = {"get_network_peers", ""},
    [QUERY_BAN_PEER] = {"ban_peer", "address: an IP address, and perhaps seconds: a number of 1 to"
				    " 31536000 expected"},
    [QUERY_SEND_TRANSACTION] = {"send_transaction", "transaction: 1 to 400000 bytes in hexadecimal"
						    " expected"},
};

const char *query_name(enum query_kind kind)
{
	return methods[kind].name;
}

/* --- arguments ----------------------------------------------------------------------------------
 */

/* True as well when KEY is absent. */
static bool optional_flag(struct json_object *o, const char *key, bool *out)
{
	return value_bool(o, key, out) || !json_object_object_get_ex(o, key, NULL);
}

static bool take_utxo(struct json_object *o, struct query *q)
{
	q->flag = true;
	return value_hash(o, "hash", q->hash) && value_u32(o, "index", &q->number) &&
	       optional_flag(o, "mempool", &q->flag);
}

static bool take_transaction(struct json_object *o, struct query *q)
{
	q->in_block = json_object_object_get_ex(o, "block_hash", NULL);
	return value_hash(o, "hash", q->hash) &&
	       (!q->in_block || value_hash(o, "block_hash", q->block_hash));
}

static bool take_target(struct json_object *o, struct query *q)
{
	return value_u32(o, "target_blocks", &q->number) && q->number >= 1 &&
	       q->number <= MAX_TARGET_BLOCKS;
}

/* It goes into JSON as it is: what an address or a network can be written with. */
static bool take_peer(struct json_object *o, struct query *q)
{
	const char *text = value_text(o, "address");

	q->number = 24 * 3600;
	if (text == NULL || *text == '\0' || strlen(text) >= sizeof(q->address) ||
	    strspn(text, "0123456789abcdefABCDEFghijklmnopqrstuvwxyz.:/") != strlen(text))
		return false;
	strcpy(q->address, text);
	return !json_object_object_get_ex(o, "seconds", NULL) ||
	       (value_u32(o, "seconds", &q->number) && q->number >= 1 &&
		q->number <= MAX_BAN_SECONDS);
}

/* Whether it is a transaction is the node's to say. */
static bool take_hex(struct json_object *o, struct query *q)
{
	size_t size;

	q->hex = value_text(o, "transaction");
	if (q->hex == NULL)
		return false;
	size = strlen(q->hex);
	return size > 0 && size % 2 == 0 && size / 2 <= QUERY_MAX_TRANSACTION &&
	       strspn(q->hex, "0123456789abcdefABCDEF") == size;
}

static bool take_arguments(struct json_object *o, struct query *q)
{
	switch (q->kind) {
	case QUERY_BLOCK_HEADER:
	case QUERY_HAS_TRANSACTION:
	case QUERY_MEMPOOL_TRANSACTION:
	case QUERY_IN_MEMPOOL:
		return value_hash(o, "hash", q->hash);
	case QUERY_TRANSACTION:
		return take_transaction(o, q);
	case QUERY_UTXO:
		return take_utxo(o, q);
	case QUERY_FEE_ESTIMATE:
		return take_target(o, q);
	case QUERY_BAN_PEER:
		return take_peer(o, q);
	case QUERY_SEND_TRANSACTION:
		return take_hex(o, q);
	default:
		return true;
	}
}

/* --- the way to the backend ---------------------------------------------------------------------
 */

static void ask_backend(struct service *s, struct adit_request *request, const struct query *q)
{
	struct service_request *r;
	char text[128];

	if (s->backend->query == NULL) {
		snprintf(text, sizeof(text), "%s: not known to the backend %s", query_name(q->kind),
			 s->backend->name);
		method_refuse(s, request, ADIT_E_UNSUPPORTED, text);
		return;
	}
	r = method_request(s, request, SERVICE_MAX_QUERIES);
	if (r != NULL)
		s->backend->query(s->backend_self, q, r);
}

static void on_query(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	const struct service_method *slot = user;
	struct service *s = slot->service;
	struct query q = {.kind = (enum query_kind)slot->kind};
	struct json_object *o;

	if (q.kind == QUERY_BAN_PEER && !method_from_administrator(s, request, info))
		return;
	if (!method_within_limit(s, request, info))
		return;
	o = value_parse(info->json, info->json_size);
	if (!take_arguments(o, &q))
		method_refuse(s, request, ADIT_E_INVALID_ARGUMENT, methods[q.kind].argument);
	else if (method_ready(s, request))
		ask_backend(s, request, &q);
	json_object_put(o);
}

/* --- without the backend ------------------------------------------------------------------------
 */

/* Names of other systems' NodeAPI for which a Bitcoin node has nothing. */
static const char *const foreign[] = {"merge_block_serve_denylist",
				      "get_block_serve_denylist_snapshot",
				      "clear_block_serve_denylist",
				      "replace_block_serve_denylist",
				      "merge_tx_serve_denylist",
				      "get_tx_serve_denylist_snapshot",
				      "clear_tx_serve_denylist",
				      "replace_tx_serve_denylist",
				      "set_block_serve_maintenance_mode",
				      "get_lightning_node_url",
				      "get_lightning_info",
				      "get_payment_state",
				      "send_mesh_packet_to_peer",
				      "send_stratum_v2_message_to_peer"};

static void refuse_foreign(void *user, struct adit_request *request,
			   const struct adit_request_info *info)
{
	struct service *s = user;
	char text[128];

	snprintf(text, sizeof(text), "%.64s: not supported by any backend of adit", info->method);
	method_refuse(s, request, ADIT_E_UNSUPPORTED, text);
}

int32_t queries_register(struct service *s)
{
	const struct adit_host_api *api = s->api;
	int32_t result = ADIT_OK;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]) && result == ADIT_OK; i++)
		result = api->register_method(s->host, foreign[i], ADIT_METHOD_ANY, refuse_foreign,
					      s, NULL);
	for (int i = 0; i < QUERY_KINDS && result == ADIT_OK; i++) {
		s->methods[i] = (struct service_method){s, i};
		result = api->register_method(s->host, methods[i].name, ADIT_METHOD_ANY, on_query,
					      &s->methods[i], NULL);
	}
	return result;
}
