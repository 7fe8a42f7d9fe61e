/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "test_bitcoin.h"

#include <string.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"

#define ZEROS32 "0000000000000000000000000000000000000000000000000000000000000000"

/* Inputs of the server test of the Stratum V2 reference implementation; sv2-protocol section 15.3
 * has every value up to the share's hash. */
#define SHARE_SCRIPT_PREFIX "5200"
#define SHARE_TAG "5376322f2f2f"
#define SHARE_PAYOUT "0014ebe1b7dcc293ccaa0ee743a86f89df8258c208fc"
#define SHARE_COMMITMENT                                                                           \
	"6a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9"
#define SHARE_PREFIX                                                                               \
	"020000000100000000000000000000000000000000000000000000000000000000"                       \
	"00000000ffffffff2a5200065376322f2f2f20"
#define SHARE_SUFFIX                                                                               \
	"ffffffff0200f2052a0100000016" SHARE_PAYOUT "000000000000000026" SHARE_COMMITMENT "000000" \
	"00"
#define SHARE_EXTRANONCE_PREFIX "000000000000000000000000000000000000000000000001"
#define SHARE_EXTRANONCE "0100000000000000"

struct share {
	uint8_t script_prefix[2];
	uint8_t tag[6];
	struct buf outputs;
	struct buf template_outputs;
	struct buf prefix;
	struct buf suffix;
	struct coinbase_spec spec;
};

static void add_output(struct buf *out, uint64_t value, const char *script_hex)
{
	uint8_t script[64];
	size_t size = unhex(script_hex, script, sizeof(script));

	coinbase_add_output(out, value, script, size);
}

static void share_make(struct share *s)
{
	memset(s, 0, sizeof(*s));
	(void)unhex(SHARE_SCRIPT_PREFIX, s->script_prefix, sizeof(s->script_prefix));
	(void)unhex(SHARE_TAG, s->tag, sizeof(s->tag));
	add_output(&s->outputs, 5000000000, SHARE_PAYOUT);
	add_output(&s->template_outputs, 0, SHARE_COMMITMENT);
	s->spec = (struct coinbase_spec){
	    .tx_version = 2,
	    .script_prefix = s->script_prefix,
	    .script_prefix_size = sizeof(s->script_prefix),
	    .tag = s->tag,
	    .tag_size = sizeof(s->tag),
	    .extranonce_size = 32,
	    .sequence = 0xffffffff,
	    .outputs = s->outputs.data,
	    .outputs_size = s->outputs.size,
	    .outputs_count = 1,
	    .template_outputs = s->template_outputs.data,
	    .template_outputs_size = s->template_outputs.size,
	    .template_outputs_count = 1,
	};
}

static void share_free(struct share *s)
{
	buf_free(&s->outputs);
	buf_free(&s->template_outputs);
	buf_free(&s->prefix);
	buf_free(&s->suffix);
}

START_TEST(split_of_the_share_example)
{
	struct share s;

	share_make(&s);
	ck_assert_int_eq(coinbase_split(&s.spec, &s.prefix, &s.suffix, NULL), ADIT_OK);
	assert_hex(s.prefix.data, s.prefix.size, SHARE_PREFIX);
	assert_hex(s.suffix.data, s.suffix.size, SHARE_SUFFIX);
	/* A second time into the same buffers: they are cleared first. */
	ck_assert_int_eq(coinbase_split(&s.spec, &s.prefix, &s.suffix, NULL), ADIT_OK);
	assert_hex(s.prefix.data, s.prefix.size, SHARE_PREFIX);
	assert_hex(s.suffix.data, s.suffix.size, SHARE_SUFFIX);
	share_free(&s);
}
END_TEST

/* From the parts of the coinbase to the hash of the share and the target it meets. */
START_TEST(hash_of_the_share_example)
{
	uint8_t prefix[64];
	uint8_t suffix[128];
	uint8_t extranonce_prefix[24];
	uint8_t extranonce[8];
	size_t prefix_size = unhex(SHARE_PREFIX, prefix, sizeof(prefix));
	size_t suffix_size = unhex(SHARE_SUFFIX, suffix, sizeof(suffix));
	struct block_header header = {
	    .version = 0x20000000, .time = 1745611105, .nbits = 453040064, .nonce = 16647};
	uint8_t bytes[80];
	uint8_t hash[32];
	uint8_t target[32];

	(void)unhex(SHARE_EXTRANONCE_PREFIX, extranonce_prefix, 24);
	(void)unhex(SHARE_EXTRANONCE, extranonce, 8);
	coinbase_txid(prefix, prefix_size, extranonce_prefix, 24, extranonce, 8, suffix,
		      suffix_size, hash);
	merkle_fold(hash, NULL, 0, header.merkle_root);
	assert_hex(header.merkle_root, 32,
		   "cae378f9a9dc0d816aa282f36506f209ece36dd90eb50781a25798a509763a05");
	(void)unhex("17cd48869956dc99e01cd892e478e39dd563a0a3803b8bbe9e3e000000000000",
		    header.prev_hash, 32);
	block_header_write(&header, bytes);
	assert_hex(bytes, 80,
		   "0000002017cd48869956dc99e01cd892e478e39dd563a0a3803b8bbe9e3e000000000000cae378f"
		   "9a9dc0d816a"
		   "a282f36506f209ece36dd90eb50781a25798a509763a05"
		   "61e90b68c0d7001b07410000");
	sha256d_header(bytes, hash);
	assert_hash(hash, "000054cc966c174fc21b056b994c0aa265c40126222040984f571230b9adde1f");
	target_from_hashrate(1000, 1, target);
	ck_assert(target_met(hash, target));
	ck_assert(target_from_nbits(header.nbits, target));
	ck_assert(!target_met(hash, target));
}
END_TEST

/* sv2-protocol section 15.4 (unit test of the reference implementation): parts with witness and
 * without it; the two outputs are made up. */
START_TEST(witness_is_put_in)
{
	static const char stripped_prefix[] = "0200000001" ZEROS32 "ffffffff3c0245080016"
					      "2f5374726174756d2056322053524920506f6f6c2f2f20";
	static const char stripped_suffix[] = "feffffff0200f2052a0100000000000000000000000000"
					      "44080000";
	static const char whole[] = "02000000"
				    "0001"
				    "01" ZEROS32 "ffffffff3c0245080016"
				    "2f5374726174756d2056322053524920506f6f6c2f2f20" ZEROS32
				    "feffffff0200f2052a0100000000000000000000000000"
				    "0120" ZEROS32 "44080000";
	uint8_t prefix[128];
	uint8_t suffix[128];
	uint8_t extranonce[32] = {0};
	size_t prefix_size = unhex(stripped_prefix, prefix, sizeof(prefix));
	size_t suffix_size = unhex(stripped_suffix, suffix, sizeof(suffix));
	struct buf out = {0};

	ck_assert_int_eq(
	    coinbase_join_witness(prefix, prefix_size, extranonce, 32, suffix, suffix_size, &out),
	    ADIT_OK);
	assert_hex(out.data, out.size, whole);
	buf_clear(&out);
	ck_assert_int_eq(
	    coinbase_join_witness(prefix, 3, extranonce, 32, suffix, suffix_size, &out),
	    ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(
	    coinbase_join_witness(prefix, prefix_size, extranonce, 32, suffix, 3, &out),
	    ADIT_E_INVALID_ARGUMENT);
	ck_assert_uint_eq(out.size, 0);
	out.limit = 100;
	ck_assert_int_ne(
	    coinbase_join_witness(prefix, prefix_size, extranonce, 32, suffix, suffix_size, &out),
	    ADIT_OK);
	buf_free(&out);
}
END_TEST

/* The joined coinbase is a transaction whose txid is that of the stripped parts. */
START_TEST(joined_coinbase_parses)
{
	uint8_t extranonce[32];
	uint8_t txid[32];
	uint8_t parts[32];
	struct buf out = {0};
	struct reader r;
	struct tx_input in;
	struct share s;
	struct tx tx;

	memset(extranonce, 0xab, sizeof(extranonce));
	share_make(&s);
	ck_assert_int_eq(coinbase_split(&s.spec, &s.prefix, &s.suffix, NULL), ADIT_OK);
	ck_assert_int_eq(coinbase_join_witness(s.prefix.data, s.prefix.size, extranonce, 32,
					       s.suffix.data, s.suffix.size, &out),
			 ADIT_OK);
	reader_init(&r, out.data, out.size);
	ck_assert(tx_parse(&r, &tx) && reader_left(&r) == 0 && tx.has_witness);
	ck_assert_uint_eq(tx.outputs, 2);
	tx_inputs(&tx, &r);
	ck_assert(tx_next_input(&r, &in));
	ck_assert_uint_eq(in.script_size, 42);
	ck_assert_mem_eq(in.script + 10, extranonce, 32);
	tx_txid(&tx, txid);
	for (size_t cut = 0; cut <= 32; cut++) {
		coinbase_txid(s.prefix.data, s.prefix.size, extranonce, cut, extranonce + cut,
			      32 - cut, s.suffix.data, s.suffix.size, parts);
		ck_assert_mem_eq(parts, txid, 32);
	}
	buf_free(&out);
	share_free(&s);
}
END_TEST

/* The script has 100 bytes at most, and a length of exactly 100 passes. */
START_TEST(script_limit)
{
	uint8_t tag[76] = {0};
	uint8_t height[100] = {0};
	struct error e = {0};
	struct share s;

	share_make(&s);
	s.spec.tag = tag;
	s.spec.tag_size = 64;
	ck_assert_int_eq(coinbase_split(&s.spec, &s.prefix, &s.suffix, &e), ADIT_OK);
	ck_assert_uint_eq(s.prefix.data[41], 100);
	s.spec.tag_size = 65;
	ck_assert_int_eq(coinbase_split(&s.spec, &s.prefix, &s.suffix, &e), ADIT_E_LIMIT);
	ck_assert_ptr_nonnull(strstr(e.text, "101"));
	s.spec.extranonce_size = 8;
	s.spec.tag_size = 76;
	ck_assert_int_eq(coinbase_split(&s.spec, &s.prefix, &s.suffix, &e), ADIT_E_LIMIT);
	s.spec.tag_size = 0;
	s.spec.script_prefix = height;
	s.spec.script_prefix_size = SIZE_MAX;
	ck_assert_int_eq(coinbase_split(&s.spec, &s.prefix, &s.suffix, &e), ADIT_E_LIMIT);
	s.spec.script_prefix_size = 91;
	ck_assert_int_eq(coinbase_split(&s.spec, &s.prefix, &s.suffix, &e), ADIT_OK);
	/* No push of an empty tag: the opcode of the extranonce follows the template's prefix. */
	ck_assert_uint_eq(s.prefix.size, 42 + 91 + 1);
	ck_assert_uint_eq(s.prefix.data[42 + 91], 8);
	s.spec.extranonce_size = 0;
	ck_assert_int_eq(coinbase_split(&s.spec, &s.prefix, &s.suffix, &e),
			 ADIT_E_INVALID_ARGUMENT);
	s.spec.extranonce_size = 33;
	ck_assert_int_eq(coinbase_split(&s.spec, &s.prefix, &s.suffix, &e),
			 ADIT_E_INVALID_ARGUMENT);
	share_free(&s);
}
END_TEST

/* 253 outputs: the count takes three bytes. */
START_TEST(many_outputs)
{
	struct buf outputs = {0};
	struct share s;

	share_make(&s);
	for (int i = 0; i < 252; i++)
		add_output(&outputs, 546, SHARE_PAYOUT);
	s.spec.outputs = outputs.data;
	s.spec.outputs_size = outputs.size;
	s.spec.outputs_count = 252;
	ck_assert_int_eq(coinbase_split(&s.spec, &s.prefix, &s.suffix, NULL), ADIT_OK);
	assert_hex(s.suffix.data + 4, 3, "fdfd00");
	ck_assert_uint_eq(s.suffix.size, 4 + 3 + outputs.size + s.template_outputs.size + 4);
	buf_free(&outputs);
	share_free(&s);
}
END_TEST

Suite *coinbase_suite(void)
{
	Suite *suite = suite_create("coinbase");
	TCase *tcase = tcase_create("coinbase");

	tcase_add_test(tcase, split_of_the_share_example);
	tcase_add_test(tcase, hash_of_the_share_example);
	tcase_add_test(tcase, witness_is_put_in);
	tcase_add_test(tcase, joined_coinbase_parses);
	tcase_add_test(tcase, script_limit);
	tcase_add_test(tcase, many_outputs);
	suite_add_tcase(suite, tcase);
	return suite;
}
