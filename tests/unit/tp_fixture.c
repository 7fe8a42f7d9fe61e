/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/tp_fixture.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/hex.h"

static void append_fill(struct buf *b, uint32_t seed, size_t size)
{
	uint8_t block[32];

	for (uint32_t i = 0; size > 0; i++) {
		uint32_t in[2] = {seed, i};
		size_t n = size < 32 ? size : 32;

		sha256(in, sizeof(in), block);
		buf_append(b, block, n);
		size -= n;
	}
}

/* One input with an empty script, one output, one witness item: BIP144 serialization. */
static void append_tx(struct buf *b, uint32_t seed)
{
	size_t script = 22 + seed % 13;
	size_t witness = 64 + seed % 90;

	buf_append_u32(b, 2);
	buf_append_u8(b, 0);
	buf_append_u8(b, 1);
	buf_append_u8(b, 1);
	append_fill(b, seed, 36);
	buf_append_u8(b, 0);
	buf_append_u32(b, 0xfffffffd);
	buf_append_u8(b, 1);
	buf_append_u64(b, 1000 + seed);
	buf_append_compact_size(b, script);
	append_fill(b, seed + 1, script);
	buf_append_u8(b, 1);
	buf_append_compact_size(b, witness);
	append_fill(b, seed + 2, witness);
	buf_append_u32(b, 0);
}

static void add_tx(struct fixture *f, uint32_t seed)
{
	struct fixture_tx *t = &f->txs[f->tx_count];
	size_t before = f->data.size;
	struct reader r;
	struct tx tx;

	append_tx(&f->data, seed);
	reader_init(&r, f->data.data + before, f->data.size - before);
	ck_assert(tx_parse(&r, &tx));
	ck_assert_uint_eq(reader_left(&r), 0);
	tx_txid(&tx, t->txid);
	tx_wtxid(&tx, t->wtxid);
	t->weight = (uint32_t)tx_weight(&tx);
	t->size = (uint32_t)tx.size;
	t->fee = 1000 + f->tx_count;
	t->sigops = 4;
	f->tx_count++;
}

void fixture_init(struct fixture *f, uint32_t seed, uint32_t count)
{
	memset(f, 0, sizeof(*f));
	sha256(&seed, sizeof(seed), f->prev_hash);
	memset(f->target, 0xff, 31);
	f->target[31] = 0x7f;
	f->id = seed;
	f->height = 100;
	f->nbits = 0x207fffff;
	f->curtime = 1700000000;
	f->mintime = 1699999000;
	f->sigop_limit = 80000;
	f->weight_limit = 4000000;
	ck_assert_uint_le(count, FIXTURE_MAX_TXS);
	for (uint32_t i = 0; i < count; i++)
		add_tx(f, seed * 1000 + i);
}

void fixture_free(struct fixture *f)
{
	buf_free(&f->data);
	buf_free(&f->json);
}

static void render_tx(struct fixture *f, uint32_t i)
{
	const struct fixture_tx *t = &f->txs[i];
	char txid[65], wtxid[65], parent[16] = "";

	hex_encode_reversed(t->txid, 32, txid);
	hex_encode_reversed(t->wtxid, 32, wtxid);
	if (t->parent > 0)
		snprintf(parent, sizeof(parent), "%u", t->parent);
	buf_printf(&f->json,
		   "%s{\"txid\":\"%s\",\"wtxid\":\"%s\",\"fee\":%llu,\"sigops\":%u,\"weight\":%u,"
		   "\"size\":%u,\"depends\":[%s]}",
		   i > 0 ? "," : "", txid, wtxid, (unsigned long long)t->fee, t->sigops, t->weight,
		   t->size, parent);
}

void fixture_render(struct fixture *f)
{
	char prev[65], target[65], commitment[77];
	uint8_t script[38];
	uint64_t fees = 0;

	for (uint32_t i = 0; i < f->tx_count; i++)
		fees += f->txs[i].fee;
	fixture_commitment(f, f->tx_count, script);
	hex_encode_reversed(f->prev_hash, 32, prev);
	hex_encode_reversed(f->target, 32, target);
	hex_encode(script, 38, commitment);
	buf_clear(&f->json);
	buf_printf(
	    &f->json,
	    "{\"id\":%llu,\"prev_hash\":\"%s\",\"height\":%u,\"version\":536870912,"
	    "\"bits\":\"%08x\",\"target\":\"%s\",\"curtime\":%u,\"mintime\":%u,"
	    "\"coinbase_value\":%llu,\"fees\":%llu,\"default_witness_commitment\":\"%s\","
	    "\"sigop_limit\":%u,\"weight_limit\":%u,\"size_limit\":4000000,\"transactions\":[",
	    (unsigned long long)f->id, prev, f->height, f->nbits, target, f->curtime, f->mintime,
	    (unsigned long long)(FIXTURE_SUBSIDY + fees), (unsigned long long)fees, commitment,
	    f->sigop_limit, f->weight_limit);
	for (uint32_t i = 0; i < f->tx_count; i++)
		render_tx(f, i);
	buf_printf(&f->json, "]}");
	ck_assert(!f->json.failed);
}

struct tp_snapshot *fixture_snapshot(struct fixture *f, uint64_t now_ms)
{
	struct tp_snapshot *s;
	struct error e = {0};

	fixture_render(f);
	ck_assert_msg(tp_snapshot_parse((const char *)f->json.data, f->json.size, f->data.data,
					f->data.size, now_ms, &s, &e) == ADIT_OK,
		      "%s", e.text);
	return s;
}

uint64_t fixture_weight(const struct fixture *f, uint32_t count)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += f->txs[i].weight;
	return sum;
}

void plain_merkle_root(const uint8_t (*leaves)[32], size_t count, uint8_t out[32])
{
	uint8_t level[FIXTURE_MAX_TXS + 2][32], pair[64];

	ck_assert_uint_le(count, FIXTURE_MAX_TXS + 1);
	memcpy(level, leaves, 32 * count);
	while (count > 1) {
		if (count % 2 == 1) {
			memcpy(level[count], level[count - 1], 32);
			count++;
		}
		for (size_t i = 0; i < count / 2; i++) {
			memcpy(pair, level[2 * i], 32);
			memcpy(pair + 32, level[2 * i + 1], 32);
			sha256d(pair, 64, level[i]);
		}
		count /= 2;
	}
	memcpy(out, level[0], 32);
}

void fixture_root(const struct fixture *f, uint32_t count, const uint8_t first[32], bool wtxids,
		  uint8_t out[32])
{
	uint8_t leaves[FIXTURE_MAX_TXS + 1][32];

	memcpy(leaves[0], first, 32);
	for (uint32_t i = 0; i < count; i++)
		memcpy(leaves[i + 1], wtxids ? f->txs[i].wtxid : f->txs[i].txid, 32);
	plain_merkle_root((const uint8_t(*)[32])leaves, count + 1, out);
}

/* BIP141: 6a 24 aa21a9ed sha256d(witness root, reserved value), the coinbase's wtxid being zeros.
 */
void fixture_commitment(const struct fixture *f, uint32_t count, uint8_t script[38])
{
	static const uint8_t head[] = {0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed};
	uint8_t zeros[32] = {0}, both[64] = {0};

	fixture_root(f, count, zeros, true, both);
	memcpy(script, head, sizeof(head));
	sha256d(both, 64, script + 6);
}
