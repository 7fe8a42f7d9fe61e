/* SPDX-License-Identifier: MIT */
/* Blocks made of a solution and its template. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/hex.h"
#include "plugins/template-provider/block.h"
#include "tests/unit/test_tp.h"
#include "tests/unit/tp_fixture.h"

/* A share from a server test of the Stratum V2 reference implementation (hashes recomputed): its
 * coinbase in stripped form, header, and the share target that the hash meets. Here the target
 * plays the block's. */
static const char vector_coinbase[] =
    "02000000010000000000000000000000000000000000000000000000000000000000000000ffffffff2a5200065376"
    "322f2f2f20000000000000000000000000000000000000000000000001"
    "0100000000000000"
    "ffffffff0200f2052a01000000160014ebe1b7dcc293ccaa0ee743a86f89df8258c208fc0000000000000000266a24"
    "aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf900000000";
static const char vector_prev[] =
    "17cd48869956dc99e01cd892e478e39dd563a0a3803b8bbe9e3e000000000000";
static const char vector_header[] =
    "0000002017cd48869956dc99e01cd892e478e39dd563a0a3803b8bbe9e3e000000000000cae378f9a9dc0d816aa282"
    "f36506f209ece36dd90eb50781a25798a509763a0561e90b68c0d7001b07410000";
static const char vector_hash[] =
    "000054cc966c174fc21b056b994c0aa265c40126222040984f571230b9adde1f";
static const char vector_target[] =
    "0001179d9861a761ffdadd11c307c4fc04eea3a418f7d687584e4434af158205";
#define VECTOR_NBITS 0x1b00d7c0u
#define VECTOR_TIME 1745611105u
#define VECTOR_NONCE 16647u

static struct fixture f;
static struct tp_snapshot *snapshot;
static struct tp_template *template;
static uint8_t coinbase[512];
static struct tp_solution solution;

static void load(const char *hex, struct tp_solution *s)
{
	s->coinbase = coinbase;
	s->coinbase_size = strlen(hex) / 2;
	ck_assert(hex_decode(hex, coinbase, s->coinbase_size));
}

static void make_template(void)
{
	struct error e = {0};

	snapshot = fixture_snapshot(&f, 0);
	ck_assert_int_eq(tp_template_new(snapshot, 2000, 0, 1, &template, &e), ADIT_OK);
}

static void setup(void)
{
	fixture_init(&f, 3, 0);
	hex_decode(vector_prev, f.prev_hash, 32);
	hex_decode_reversed(vector_target, f.target, 32);
	f.nbits = VECTOR_NBITS;
	make_template();
	solution = (struct tp_solution){
	    .version = 0x20000000, .ntime = VECTOR_TIME, .nonce = VECTOR_NONCE};
	load(vector_coinbase, &solution);
}

static void teardown(void)
{
	tp_template_free(template);
	tp_snapshot_unref(snapshot);
	fixture_free(&f);
}

/* The coinbase with marker, flag and the witness of zeros, as a pool sends it. */
static void add_witness(void)
{
	uint8_t bare[sizeof(coinbase)];
	size_t n = solution.coinbase_size;
	struct buf out = {0};

	memcpy(bare, coinbase, n);
	buf_append(&out, bare, 4);
	buf_append_u8(&out, 0);
	buf_append_u8(&out, 1);
	buf_append(&out, bare + 4, n - 8);
	buf_append_u8(&out, 1);
	buf_append_u8(&out, 32);
	memset(coinbase, 0, 32);
	buf_append(&out, coinbase, 32);
	buf_append(&out, bare + n - 4, 4);
	ck_assert(!out.failed);
	memcpy(coinbase, out.data, out.size);
	solution.coinbase_size = out.size;
	buf_free(&out);
}

START_TEST(known_share)
{
	struct buf block = {0};
	uint8_t hash[32], expected[80];
	struct error e = {0};

	add_witness();
	ck_assert_msg(tp_block_assemble(template, &solution, &block, hash, &e) == ADIT_OK, "%s",
		      e.text);
	hex_decode(vector_header, expected, 80);
	ck_assert_mem_eq(block.data, expected, 80);
	hex_decode_reversed(vector_hash, expected, 32);
	ck_assert_mem_eq(hash, expected, 32);
	ck_assert_uint_eq(block.size, 81 + solution.coinbase_size);
	ck_assert_uint_eq(block.data[80], 1);
	ck_assert_mem_eq(block.data + 81, coinbase, solution.coinbase_size);
	buf_free(&block);
}
END_TEST

/* A client that forgot the witness would lose its block. */
START_TEST(missing_witness_is_added)
{
	struct buf without = {0}, with = {0};
	uint8_t hash[32];
	struct error e;

	ck_assert_int_eq(tp_block_assemble(template, &solution, &without, hash, &e), ADIT_OK);
	add_witness();
	ck_assert_int_eq(tp_block_assemble(template, &solution, &with, hash, &e), ADIT_OK);
	ck_assert_uint_eq(with.size, without.size);
	ck_assert_mem_eq(with.data, without.data, with.size);
	buf_free(&without);
	buf_free(&with);
}
END_TEST

START_TEST(a_hash_above_the_target)
{
	struct buf block = {0};
	uint8_t hash[32];
	struct error e;

	solution.nonce++;
	ck_assert_int_eq(tp_block_assemble(template, &solution, &block, hash, &e), ADIT_E_PROTOCOL);
	ck_assert_uint_eq(block.size, 0);
	solution.nonce--;
	/* Exactly at the target is a block. */
	hex_decode_reversed(vector_hash, snapshot->target, 32);
	ck_assert_int_eq(tp_block_assemble(template, &solution, &block, hash, &e), ADIT_OK);
	buf_clear(&block);
	snapshot->target[0]--;
	ck_assert_int_eq(tp_block_assemble(template, &solution, &block, hash, &e), ADIT_E_PROTOCOL);
	buf_free(&block);
}
END_TEST

START_TEST(a_coinbase_that_is_none)
{
	struct buf block = {0};
	uint8_t hash[32];
	struct error e;
	size_t size = solution.coinbase_size;

	for (size_t n = 0; n < size; n++) {
		solution.coinbase_size = n;
		ck_assert_int_eq(tp_block_assemble(template, &solution, &block, hash, &e),
				 ADIT_E_INVALID_ARGUMENT);
	}
	solution.coinbase_size = size + 1;
	ck_assert_int_eq(tp_block_assemble(template, &solution, &block, hash, &e),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_uint_eq(block.size, 0);
}
END_TEST

/* A transaction that spends two outputs is no coinbase, whatever else it is. */
START_TEST(a_coinbase_with_two_inputs)
{
	static const char two[] =
	    "0200000002"
	    "0000000000000000000000000000000000000000000000000000000000000000ffffffff0151ffffffff"
	    "0000000000000000000000000000000000000000000000000000000000000000ffffffff0151ffffffff"
	    "01000000000000000000"
	    "00000000";
	struct buf block = {0};
	uint8_t hash[32];
	struct error e;

	memset(snapshot->target, 0xff, 32);
	ck_assert_int_eq(tp_block_assemble(template, &solution, &block, hash, &e), ADIT_OK);
	buf_clear(&block);
	load(two, &solution);
	ck_assert_int_eq(tp_block_assemble(template, &solution, &block, hash, &e),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(e.text, "one input"));
	buf_free(&block);
}
END_TEST

/* With transactions: read the block back as a node would and compare root and commitment. */
static void check_block(const struct buf *block, uint32_t count)
{
	struct block_header h;
	struct reader r;
	struct tx tx;
	uint8_t txids[FIXTURE_MAX_TXS + 1][32], root[32];

	reader_init(&r, block->data, block->size);
	block_header_read(reader_bytes(&r, 80), &h);
	ck_assert_uint_eq(reader_compact_size(&r), count + 1);
	for (uint32_t i = 0; i <= count; i++) {
		ck_assert(tx_parse(&r, &tx));
		tx_txid(&tx, txids[i]);
		if (i > 0)
			ck_assert_mem_eq(txids[i], f.txs[i - 1].txid, 32);
	}
	ck_assert(!r.failed);
	ck_assert_uint_eq(reader_left(&r), 0);
	plain_merkle_root((const uint8_t(*)[32])txids, count + 1, root);
	ck_assert_mem_eq(h.merkle_root, root, 32);
	ck_assert_mem_eq(h.prev_hash, f.prev_hash, 32);
	ck_assert_uint_eq(h.nbits, f.nbits);
}

START_TEST(transactions_follow_the_coinbase)
{
	for (uint32_t keep = 0; keep <= 12; keep++) {
		struct buf block = {0};
		uint8_t hash[32], again[32];
		struct error e = {0};

		teardown();
		fixture_init(&f, 4, 12);
		memset(f.target, 0xff, 32);
		f.weight_limit = (uint32_t)(2000 + fixture_weight(&f, keep));
		make_template();
		ck_assert_uint_eq(template->tx_count, keep);
		ck_assert_int_eq(tp_block_assemble(template, &solution, &block, hash, &e), ADIT_OK);
		check_block(&block, keep);
		sha256d_header(block.data, again);
		ck_assert_mem_eq(hash, again, 32);
		buf_free(&block);
	}
}
END_TEST

Suite *tp_block_suite(void)
{
	Suite *s = suite_create("blocks");
	TCase *c = tcase_create("blocks");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, known_share);
	tcase_add_test(c, missing_witness_is_added);
	tcase_add_test(c, a_hash_above_the_target);
	tcase_add_test(c, a_coinbase_that_is_none);
	tcase_add_test(c, a_coinbase_with_two_inputs);
	tcase_add_test(c, transactions_follow_the_coinbase);
	suite_add_tcase(s, c);
	return s;
}
