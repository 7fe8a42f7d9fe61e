/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/rpc_template.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "host/node/value.h"
#include "lib/bitcoin/target.h"
#include "lib/util/hex.h"

#define MAX_MONEY (UINT64_C(21000000) * 100000000)
#define MAX_LIMIT 100000000 /* far above what consensus allows for any of the three */

static int32_t bad(struct error *e, const char *field)
{
	return error_set(e, ADIT_E_PROTOCOL, "getblocktemplate: %s is missing or wrong", field);
}

static int32_t parse_header(struct json_object *o, struct node_template *t, struct error *e)
{
	uint8_t target[32];
	struct json_object *version;
	int64_t v;

	/* Signed in JSON: all bits of it may be used. */
	if (!json_object_object_get_ex(o, "version", &version) ||
	    !json_object_is_type(version, json_type_int))
		return bad(e, "version");
	v = json_object_get_int64(version);
	if (v < INT32_MIN || v > UINT32_MAX)
		return bad(e, "version");
	t->version = (uint32_t)v;
	if (!value_hash(o, "previousblockhash", t->prev_hash))
		return bad(e, "previousblockhash");
	if (!value_bits(o, "bits", &t->nbits) || !target_from_nbits(t->nbits, target))
		return bad(e, "bits");
	if (!value_u32(o, "curtime", &t->curtime))
		return bad(e, "curtime");
	if (!value_u32(o, "mintime", &t->mintime))
		return bad(e, "mintime");
	return ADIT_OK;
}

static int32_t parse_limits(struct json_object *o, struct node_template *t, struct error *e)
{
	uint64_t value;

	if (value_u64(o, "sigoplimit", MAX_LIMIT, &value))
		t->sigop_limit = (uint32_t)value;
	if (value_u64(o, "weightlimit", MAX_LIMIT, &value))
		t->weight_limit = (uint32_t)value;
	if (value_u64(o, "sizelimit", MAX_LIMIT, &value))
		t->size_limit = (uint32_t)value;
	if (!value_u64(o, "height", INT32_MAX, &value) || value == 0)
		return bad(e, "height");
	t->height = (uint32_t)value;
	if (!value_u64(o, "coinbasevalue", MAX_MONEY, &t->coinbase_value))
		return bad(e, "coinbasevalue");
	return ADIT_OK;
}

static int32_t parse_commitment(struct json_object *o, struct node_template *t, struct error *e)
{
	const char *text = value_text(o, "default_witness_commitment");
	size_t digits;

	if (text == NULL)
		return ADIT_OK;
	digits = strlen(text);
	if (digits % 2 != 0 || digits / 2 > sizeof(t->commitment) ||
	    !hex_decode(text, t->commitment, digits / 2))
		return bad(e, "default_witness_commitment");
	t->commitment_size = digits / 2;
	return ADIT_OK;
}

static bool parse_depends(struct json_object *o, struct node_template *t)
{
	struct json_object *list = value_array(o, "depends");
	size_t count = list != NULL ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *position = json_object_array_get_idx(list, i);
		int64_t value = json_object_get_int64(position);

		if (!json_object_is_type(position, json_type_int) || value < 1 ||
		    value > UINT32_MAX || !template_add_depends(t, (uint32_t)value))
			return false;
	}
	return true;
}

/* The transaction's bytes go straight to their place. */
static struct template_tx *parse_data(struct json_object *o, struct node_template *t)
{
	const char *text = value_text(o, "data");
	size_t digits = text != NULL ? strlen(text) : 0;
	uint8_t *at;

	if (digits == 0 || digits % 2 != 0)
		return NULL;
	at = buf_reserve(&t->data, digits / 2);
	if (at == NULL || !hex_decode(text, at, digits / 2))
		return NULL;
	t->data.size += digits / 2;
	return template_add(t, NULL, digits / 2);
}

static bool parse_tx(struct json_object *o, struct node_template *t)
{
	struct template_tx *tx = parse_data(o, t);
	uint64_t value;

	if (tx == NULL || !value_hash(o, "txid", tx->txid) || !value_hash(o, "hash", tx->wtxid))
		return false;
	if (!value_u64(o, "fee", MAX_MONEY, &tx->fee))
		return false;
	t->fees += tx->fee;
	if (!value_u64(o, "sigops", MAX_LIMIT, &value))
		return false;
	tx->sigops = (uint32_t)value;
	if (!value_u64(o, "weight", MAX_LIMIT, &value))
		return false;
	tx->weight = (uint32_t)value;
	return parse_depends(o, t);
}

static int32_t parse_txs(struct json_object *o, struct node_template *t, struct error *e)
{
	struct json_object *list = value_array(o, "transactions");
	size_t count;

	if (list == NULL)
		return bad(e, "transactions");
	count = json_object_array_length(list);
	if (count > TEMPLATE_MAX_TXS)
		return error_set(e, ADIT_E_LIMIT, "getblocktemplate: %zu transactions", count);
	for (size_t i = 0; i < count; i++)
		if (!parse_tx(json_object_array_get_idx(list, i), t))
			return error_set(e, ADIT_E_PROTOCOL,
					 "getblocktemplate: transaction %zu is wrong", i + 1);
	if (t->fees > t->coinbase_value)
		return error_set(e, ADIT_E_PROTOCOL,
				 "getblocktemplate: coinbasevalue is less than the fees");
	return ADIT_OK;
}

static void take_longpollid(struct json_object *o, char longpollid[RPC_LONGPOLLID_MAX])
{
	const char *text = value_text(o, "longpollid");

	longpollid[0] = '\0';
	if (text == NULL || strlen(text) >= RPC_LONGPOLLID_MAX)
		return;
	for (const char *c = text; *c != '\0'; c++)
		if (*c < 0x20 || *c >= 0x7f || *c == '"' || *c == '\\')
			return;
	strcpy(longpollid, text);
}

struct node_template *rpc_template_parse(struct json_object *result,
					 char longpollid[RPC_LONGPOLLID_MAX], struct error *e)
{
	struct node_template *t = template_new();
	int32_t error;

	longpollid[0] = '\0';
	if (t == NULL) {
		(void)error_set(e, ADIT_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	error = parse_header(result, t, e);
	if (error == ADIT_OK)
		error = parse_limits(result, t, e);
	if (error == ADIT_OK)
		error = parse_commitment(result, t, e);
	if (error == ADIT_OK)
		error = parse_txs(result, t, e);
	if (error != ADIT_OK) {
		template_free(t);
		return NULL;
	}
	take_longpollid(result, longpollid);
	return t;
}
