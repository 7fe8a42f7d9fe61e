/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/block_builder.h"

#include <check.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/hex.h"

static const uint8_t zeros[64];

static struct json_object *field(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	ck_assert_msg(json_object_object_get_ex(o, key, &value), "the template has no %s", key);
	return value;
}

static uint64_t number(struct json_object *o, const char *key)
{
	return json_object_get_uint64(field(o, key));
}

static void take_txs(struct block_builder *b, struct json_object *list, const uint8_t *data,
		     size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		size_t n = (size_t)number(json_object_array_get_idx(list, i), "size");

		ck_assert_uint_le(n, size - at);
		block_builder_add_tx(b, data + at, n);
		at += n;
	}
	ck_assert_uint_eq(at, size);
}

void block_builder_init(struct block_builder *b, const char *json, const uint8_t *attachment,
			size_t attachment_size)
{
	struct json_object *o = json_tokener_parse(json);

	ck_assert_msg(o != NULL, "the template is not JSON: %s", json);
	memset(b, 0, sizeof(*b));
	b->template_id = number(o, "id");
	b->version = (uint32_t)number(o, "version");
	b->time = (uint32_t)number(o, "curtime");
	b->mintime = (uint32_t)number(o, "mintime");
	b->nbits = (uint32_t)strtoul(json_object_get_string(field(o, "bits")), NULL, 16);
	ck_assert(
	    hex_decode_reversed(json_object_get_string(field(o, "prev_hash")), b->prev_hash, 32));
	b->height = (uint32_t)number(o, "height");
	b->value = number(o, "coinbase_value");
	b->fees = number(o, "fees");
	b->sequence = UINT32_MAX;
	b->script_padding = 8;
	b->reserved_size = 32;
	buf_append_u8(&b->payout, 0x51);
	take_txs(b, field(o, "transactions"), attachment, attachment_size);
	json_object_put(o);
}

void block_builder_free(struct block_builder *b)
{
	buf_free(&b->payout);
	buf_free(&b->txs);
	free(b->tx_sizes);
}

static size_t tx_offset(struct block_builder *b, size_t index)
{
	size_t at = 0;

	for (size_t i = 0; i < index; i++)
		at += b->tx_sizes[i];
	return at;
}

uint8_t *block_builder_tx(struct block_builder *b, size_t index)
{
	return b->txs.data + tx_offset(b, index);
}

void block_builder_drop_tx(struct block_builder *b, size_t index)
{
	size_t at = tx_offset(b, index);
	size_t n = b->tx_sizes[index];

	memmove(b->txs.data + at, b->txs.data + at + n, b->txs.size - at - n);
	b->txs.size -= n;
	b->tx_count--;
	memmove(b->tx_sizes + index, b->tx_sizes + index + 1,
		(b->tx_count - index) * sizeof(b->tx_sizes[0]));
}

void block_builder_add_tx(struct block_builder *b, const uint8_t *tx, size_t size)
{
	b->tx_sizes = realloc(b->tx_sizes, (b->tx_count + 1) * sizeof(b->tx_sizes[0]));
	ck_assert(buf_append(&b->txs, tx, size));
	b->tx_sizes[b->tx_count++] = size;
}

/* txid or wtxid of transaction SIZE bytes at DATA. */
static void identify(const uint8_t *data, size_t size, bool witness, uint8_t out[32])
{
	struct reader r;
	struct tx tx;

	reader_init(&r, data, size);
	ck_assert(tx_parse(&r, &tx));
	if (witness)
		tx_wtxid(&tx, out);
	else
		tx_txid(&tx, out);
}

static void commitment_script(struct block_builder *b, uint8_t script[38])
{
	uint8_t(*leaves)[32] = calloc(b->tx_count + 1, 32);
	uint8_t root[32];

	for (size_t i = 0; i < b->tx_count; i++)
		identify(block_builder_tx(b, i), b->tx_sizes[i], true, leaves[i + 1]);
	merkle_root(leaves, b->tx_count + 1, root);
	free(leaves);
	bip141_commitment(root, script);
	if (b->damage_commitment)
		script[20] ^= 1;
}

static void add_output(struct buf *out, uint64_t value, const uint8_t *script, size_t size)
{
	buf_append_u64(out, value);
	buf_append_compact_size(out, size);
	buf_append(out, script, size);
}

static void make_coinbase(struct block_builder *b, uint64_t value, struct buf *out)
{
	bool witness = !b->no_commitment && !b->no_coinbase_witness;
	uint8_t height[6];
	uint8_t script[38];
	size_t height_size = bip34_push(b->height, height);

	buf_append_u32(out, 2);
	if (witness)
		buf_append(out, "\x00\x01", 2);
	buf_append_u8(out, 1);
	buf_append(out, zeros, 32);
	buf_append_u32(out, UINT32_MAX);
	buf_append_compact_size(out, height_size + b->script_padding);
	buf_append(out, height, height_size);
	for (size_t i = 0; i < b->script_padding; i++)
		buf_append_u8(out, 0);
	buf_append_u32(out, b->sequence);
	buf_append_u8(out, b->no_outputs ? 0 : b->no_commitment ? 1 : 2);
	if (!b->no_outputs)
		add_output(out, value, b->payout.data, b->payout.size);
	if (!b->no_outputs && !b->no_commitment) {
		commitment_script(b, script);
		add_output(out, b->commitment_value, script, sizeof(script));
	}
	if (witness) {
		buf_append_u8(out, 1);
		buf_append_u8(out, (uint8_t)b->reserved_size);
		buf_append(out, zeros, b->reserved_size);
	}
	buf_append_u32(out, b->lock_time);
}

static void mine(struct block_builder *b, uint8_t header[80], uint8_t hash[32])
{
	uint8_t target[32];

	ck_assert(target_from_nbits(b->nbits, target));
	for (uint32_t nonce = 0;; nonce++) {
		memcpy(header + 76, &nonce, 4);
		sha256d_header(header, hash);
		if (target_met(hash, target) != b->too_little_work)
			return;
	}
}

static void add_leaf(uint8_t (*leaves)[32], size_t *count, const uint8_t *tx, size_t size)
{
	identify(tx, size, false, leaves[(*count)++]);
}

void block_builder_make(struct block_builder *b, struct buf *out, uint8_t hash[32])
{
	struct block_header header = {.version = b->version, .time = b->time, .nbits = b->nbits};
	uint8_t(*leaves)[32] = calloc(b->tx_count + 2, 32);
	struct buf first = {0};
	struct buf second = {0};
	uint8_t bytes[80];
	size_t count = 0;

	make_coinbase(b, b->value, &first);
	if (!b->leave_out_coinbase)
		add_leaf(leaves, &count, first.data, first.size);
	for (size_t i = 0; i < b->tx_count; i++)
		add_leaf(leaves, &count, block_builder_tx(b, i), b->tx_sizes[i]);
	if (b->second_coinbase) {
		make_coinbase(b, 1, &second);
		add_leaf(leaves, &count, second.data, second.size);
	}
	merkle_root(leaves, count, header.merkle_root);
	free(leaves);
	header.merkle_root[5] ^= b->damage_root;
	memcpy(header.prev_hash, b->prev_hash, 32);
	block_header_write(&header, bytes);
	mine(b, bytes, hash);
	buf_clear(out);
	buf_append(out, bytes, sizeof(bytes));
	buf_append_compact_size(out, count);
	if (!b->leave_out_coinbase)
		buf_append(out, first.data, first.size);
	buf_append(out, b->txs.data, b->txs.size);
	buf_append(out, second.data, second.size);
	buf_free(&first);
	buf_free(&second);
	ck_assert(!out->failed);
}
