/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/snapshot.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/util/hex.h"

static int32_t wrong(struct error *e, const char *key, const char *expected)
{
	return error_set(e, ADIT_E_INVALID_ARGUMENT, "template of the node: %s: expected %s", key,
			 expected);
}

static int32_t get_u64(struct json_object *o, const char *key, uint64_t max, uint64_t *out,
		       struct error *e)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_int))
		return wrong(e, key, "a number");
	int64_t n = json_object_get_int64(v);
	if (n < 0 || (uint64_t)n > max)
		return wrong(e, key, "a number in range");
	*out = (uint64_t)n;
	return ADIT_OK;
}

static int32_t get_u32(struct json_object *o, const char *key, uint32_t *out, struct error *e)
{
	uint64_t n;
	int32_t r = get_u64(o, key, UINT32_MAX, &n, e);

	if (r == ADIT_OK)
		*out = (uint32_t)n;
	return r;
}

/* A hash or target in display order. */
static int32_t get_hash(struct json_object *o, const char *key, uint8_t out[32], struct error *e)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_string) ||
	    !hex_decode_reversed(json_object_get_string(v), out, 32))
		return wrong(e, key, "64 hexadecimal digits");
	return ADIT_OK;
}

/* `bits` is eight digits, most significant first; the target has to be there, or follows from it.
 */
static int32_t parse_target(struct json_object *o, struct tp_snapshot *s, struct error *e)
{
	struct json_object *v;
	uint8_t b[4];

	if (!json_object_object_get_ex(o, "bits", &v) ||
	    !json_object_is_type(v, json_type_string) ||
	    !hex_decode(json_object_get_string(v), b, sizeof(b)))
		return wrong(e, "bits", "8 hexadecimal digits");
	s->nbits = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	if (json_object_object_get_ex(o, "target", NULL))
		return get_hash(o, "target", s->target, e);
	if (!target_from_nbits(s->nbits, s->target))
		return wrong(e, "bits", "a positive target below 2^256");
	return ADIT_OK;
}

static int32_t parse_commitment(struct json_object *o, struct tp_snapshot *s, struct error *e)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, "default_witness_commitment", &v) || v == NULL)
		return ADIT_OK;
	if (!json_object_is_type(v, json_type_string) ||
	    !hex_decode(json_object_get_string(v), s->commitment, TP_COMMITMENT_SIZE))
		return wrong(e, "default_witness_commitment", "a script of 38 bytes");
	s->commitment_size = TP_COMMITMENT_SIZE;
	return ADIT_OK;
}

static int32_t parse_head(struct json_object *o, struct tp_snapshot *s, struct error *e)
{
	uint64_t id;
	int32_t r = get_u64(o, "id", INT64_MAX, &id, e);

	if (r == ADIT_OK)
		r = get_hash(o, "prev_hash", s->prev_hash, e);
	if (r == ADIT_OK)
		r = get_u32(o, "height", &s->height, e);
	if (r == ADIT_OK)
		r = get_u32(o, "version", &s->version, e);
	if (r == ADIT_OK)
		r = get_u32(o, "curtime", &s->curtime, e);
	if (r == ADIT_OK)
		r = get_u32(o, "mintime", &s->mintime, e);
	if (r == ADIT_OK)
		r = get_u64(o, "coinbase_value", TP_MAX_MONEY, &s->coinbase_value, e);
	if (r == ADIT_OK)
		r = get_u32(o, "sigop_limit", &s->sigop_limit, e);
	if (r == ADIT_OK)
		r = get_u32(o, "weight_limit", &s->weight_limit, e);
	if (r == ADIT_OK)
		r = parse_target(o, s, e);
	if (r == ADIT_OK)
		r = parse_commitment(o, s, e);
	if (r == ADIT_OK)
		s->id = id;
	return r;
}

/* Every parent has to stand before its child (BIP22): only then may the list be cut at the end. */
static int32_t check_depends(struct json_object *o, uint32_t index, struct error *e)
{
	struct json_object *list;

	if (!json_object_object_get_ex(o, "depends", &list) || list == NULL)
		return ADIT_OK;
	if (!json_object_is_type(list, json_type_array))
		return wrong(e, "depends", "a list");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *v = json_object_array_get_idx(list, i);
		int64_t parent =
		    json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;

		/* 1-based, so the index of the transaction before this one is INDEX itself. */
		if (parent < 1 || parent > (int64_t)index)
			return wrong(e, "depends", "positions of earlier transactions");
	}
	return ADIT_OK;
}

static int32_t parse_tx(struct json_object *o, uint32_t index, struct tp_tx *tx, struct error *e)
{
	int32_t r = get_hash(o, "txid", tx->txid, e);

	if (r == ADIT_OK)
		r = get_u64(o, "fee", TP_MAX_MONEY, &tx->fee, e);
	if (r == ADIT_OK)
		r = get_u32(o, "sigops", &tx->sigops, e);
	if (r == ADIT_OK)
		r = get_u32(o, "weight", &tx->weight, e);
	if (r == ADIT_OK)
		r = get_u32(o, "size", &tx->size, e);
	if (r == ADIT_OK)
		r = check_depends(o, index, e);
	return r;
}

static int32_t parse_tx_list(struct json_object *list, size_t data_size, struct tp_snapshot *s,
			     struct error *e)
{
	size_t offset = 0;
	uint64_t fees = 0;

	for (uint32_t i = 0; i < s->tx_count; i++) {
		struct tp_tx *tx = &s->txs[i];
		int32_t r = parse_tx(json_object_array_get_idx(list, i), i, tx, e);

		if (r != ADIT_OK)
			return r;
		if (tx->size == 0 || tx->size > data_size - offset)
			return wrong(e, "size", "sizes that add up to the attachment's");
		tx->offset = (uint32_t)offset;
		offset += tx->size;
		/* Below the check fees can't overflow: both terms are at most TP_MAX_MONEY. */
		fees += tx->fee;
		if (fees > s->coinbase_value)
			return wrong(e, "fee", "fees within coinbase_value");
	}
	if (offset != data_size)
		return wrong(e, "size", "sizes that add up to the attachment's");
	return ADIT_OK;
}

static int32_t parse_txs(struct json_object *o, const void *data, size_t data_size,
			 struct tp_snapshot *s, struct error *e)
{
	struct json_object *list;

	if (!json_object_object_get_ex(o, "transactions", &list) ||
	    !json_object_is_type(list, json_type_array) ||
	    json_object_array_length(list) > TP_MAX_TXS)
		return wrong(e, "transactions", "a list of at most 65535");
	if (data_size > TP_MAX_TX_DATA)
		return wrong(e, "attachment", "at most 12 MiB of transactions");
	s->tx_count = (uint32_t)json_object_array_length(list);
	s->txs = calloc(s->tx_count > 0 ? s->tx_count : 1, sizeof(*s->txs));
	s->data = malloc(data_size > 0 ? data_size : 1);
	if (s->txs == NULL || s->data == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "no memory for a template");
	if (data_size > 0)
		memcpy(s->data, data, data_size);
	s->data_size = data_size;
	return parse_tx_list(list, data_size, s, e);
}

static struct json_object *parse_json(const char *json, size_t size)
{
	struct json_tokener *t = size <= INT32_MAX ? json_tokener_new() : NULL;
	struct json_object *o = NULL;

	if (t == NULL)
		return NULL;
	o = json_tokener_parse_ex(t, json, (int)size);
	/* A bare number has no end of its own; an object that ended is complete. */
	if (json_tokener_get_error(t) != json_tokener_success ||
	    !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(t);
	return o;
}

int32_t tp_snapshot_parse(const char *json, size_t json_size, const void *attachment,
			  size_t attachment_size, uint64_t now_ms, struct tp_snapshot **out,
			  struct error *e)
{
	struct json_object *o = parse_json(json, json_size);
	struct tp_snapshot *s = calloc(1, sizeof(*s));
	int32_t r;

	*out = NULL;
	if (o == NULL || s == NULL) {
		json_object_put(o);
		free(s);
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "template of the node: not a JSON object");
	}
	s->refs = 1;
	s->fetched_ms = now_ms;
	s->coinbase_version = TP_COINBASE_VERSION;
	s->coinbase_sequence = TP_COINBASE_SEQUENCE;
	r = parse_head(o, s, e);
	if (r == ADIT_OK)
		r = parse_txs(o, attachment, attachment_size, s, e);
	json_object_put(o);
	if (r != ADIT_OK) {
		tp_snapshot_unref(s);
		return r;
	}
	*out = s;
	return ADIT_OK;
}

struct tp_snapshot *tp_snapshot_ref(struct tp_snapshot *s)
{
	s->refs++;
	return s;
}

void tp_snapshot_unref(struct tp_snapshot *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	if (s->origin != NULL)
		s->origin->release(s->origin);
	free(s->txs);
	free(s->data);
	free(s);
}
