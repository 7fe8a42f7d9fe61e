/* SPDX-License-Identifier: MIT */
/* A template from Bitcoin Core's answers over IPC, in the dialects that differ. The answers stand
 * in one message: a struct of six pointers to result structs. tests/fuzz/fuzz_tp_ipc.c reads the
 * same. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "plugins/template-provider/ipc_parts.h"
#include "tests/unit/test_tp.h"
#include "tests/unit/tp_fixture.h"

enum { HEADER, COINBASE, FEES, SIGOPS, BLOCK, RAW, ANSWERS };

/* What the tests change about an otherwise good template. */
struct change {
	const char *what; /* that the refusal names; NULL: none is expected */
	int64_t value;    /* added to the coinbase's */
	int fees;         /* added to the count */
	int sigops;       /* likewise */
	uint64_t sigop;   /* of the first transaction, if not 0 */
	uint64_t fee;     /* likewise */
	uint8_t witness;  /* first byte */
	int header;       /* added to its size */
	bool other_header;
	int block; /* added to its size */
	bool no_height;
	bool other_output;
	bool bad_output;
};

static struct fixture f;
static struct capn_builder builder;
static struct buf bytes, coinbase, block;
static struct capn_message message;
static struct tp_parts parts;

static uint64_t fees_of(const struct fixture *from)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < from->tx_count; i++)
		sum += from->txs[i].fee;
	return sum;
}

static void write_header(uint8_t out[80])
{
	struct block_header h = {.version = 0x20000000, .time = f.curtime, .nbits = f.nbits};

	memcpy(h.prev_hash, f.prev_hash, 32);
	block_header_write(&h, out);
}

static void add_output(struct buf *out, uint64_t value, const uint8_t *script, size_t size)
{
	coinbase_add_output(out, value, script, size);
}

/* As Core 30 makes it: the height and OP_0, the reward to anyone, the commitment. */
static void write_raw_coinbase(const uint8_t commitment[38])
{
	static const uint8_t start[] = {2, 0, 0, 0, 0, 1, 1};
	static const uint8_t zeros[32], ff[4] = {0xff, 0xff, 0xff, 0xff}, anyone[] = {0x51};
	uint8_t script[6];
	size_t size = bip34_push(f.height, script);

	buf_clear(&coinbase);
	buf_append(&coinbase, start, sizeof(start));
	buf_append(&coinbase, zeros, 32);
	buf_append(&coinbase, ff, 4);
	buf_append_u8(&coinbase, (uint8_t)(size + 1));
	buf_append(&coinbase, script, size);
	buf_append_u8(&coinbase, 0);
	buf_append_u32(&coinbase, 0xfffffffe);
	buf_append_u8(&coinbase, 2);
	add_output(&coinbase, FIXTURE_SUBSIDY + fees_of(&f), anyone, sizeof(anyone));
	add_output(&coinbase, 0, commitment, 38);
	buf_append_u8(&coinbase, 1);
	buf_append_u8(&coinbase, 32);
	buf_append(&coinbase, zeros, 32);
	buf_append_u32(&coinbase, f.height - 1);
}

static void write_coinbase(struct capn_ref answer, const uint8_t commitment[38],
			   const struct change *c)
{
	struct capn_ref tx = capn_new_struct(answer, 0, 3, 3);
	uint8_t witness[32] = {c->witness}, script[6] = {0x6a};
	size_t size = c->no_height ? 1 : bip34_push(f.height, script);
	static const uint8_t demanded[] = {0x6a, 1, 7};
	struct buf output = {0};

	capn_write32(tx, 0, 2);
	capn_write32(tx, 4, 0xfffffffe);
	capn_write64(tx, 8, FIXTURE_SUBSIDY + fees_of(&f) + (uint64_t)c->value);
	capn_write32(tx, 16, f.height - 1);
	capn_set_data(tx, 0, script, size);
	capn_set_data(tx, 1, witness, sizeof(witness));
	struct capn_ref outputs = capn_new_list(tx, 2, CAPN_POINTER, c->other_output ? 2 : 1);

	add_output(&output, 0, commitment, 38);
	capn_set_data(outputs, 0, output.data, output.size - (c->bad_output ? 1 : 0));
	if (c->other_output) {
		buf_clear(&output);
		add_output(&output, 0, demanded, sizeof(demanded));
		capn_set_data(outputs, 1, output.data, output.size);
	}
	buf_free(&output);
}

static void write_numbers(struct capn_ref answer, bool sigops, const struct change *c)
{
	int count = (int)f.tx_count + (sigops ? c->sigops : c->fees);
	struct capn_ref list = capn_new_list(answer, 0, CAPN_EIGHT_BYTES, (uint32_t)count);

	for (int i = 0; i < count && i < (int)f.tx_count; i++)
		capn_set64(list, (uint32_t)i, sigops ? f.txs[i].sigops : f.txs[i].fee);
	if (sigops && c->sigop != 0)
		capn_set64(list, 0, c->sigop);
	if (!sigops && c->fee != 0)
		capn_set64(list, 0, c->fee);
}

static void write_answers(const struct change *c)
{
	struct capn_ref root = capn_new_root(&builder, 0, ANSWERS);
	struct capn_ref answer[ANSWERS];
	uint8_t header[81] = {0}, commitment[38];

	fixture_commitment(&f, f.tx_count, commitment);
	for (uint32_t i = 0; i < ANSWERS; i++)
		answer[i] = capn_new_struct(root, i, 0, 1);
	write_header(header);
	write_raw_coinbase(commitment);
	buf_clear(&block);
	buf_append(&block, header, 80);
	buf_append_compact_size(&block, f.tx_count + 1);
	buf_append(&block, coinbase.data, coinbase.size);
	buf_append(&block, f.data.data, f.data.size);
	if (c->block > 0)
		buf_append_u8(&block, 0);
	header[68] ^= c->other_header ? 1 : 0;
	capn_set_data(answer[HEADER], 0, header, (size_t)(80 + c->header));
	write_coinbase(answer[COINBASE], commitment, c);
	write_numbers(answer[FEES], false, c);
	write_numbers(answer[SIGOPS], true, c);
	capn_set_data(answer[BLOCK], 0, block.data, block.size - (c->block < 0 ? 1 : 0));
	capn_set_data(answer[RAW], 0, coinbase.data, coinbase.size);
	ck_assert_int_eq(capn_frame(&builder, &bytes), ADIT_OK);
	ck_assert_int_eq(capn_message_init(&message, bytes.data, bytes.size, NULL), ADIT_OK);
}

static void results(enum node_method method, enum node_dialect dialect, uint32_t index, void *out)
{
	struct capn_return r = {.ok = true, .results = capn_getp(capn_root(&message), index)};

	node_results(method, dialect, &r, out);
}

/* Takes the answers as the node would have sent them. */
static int32_t take_coinbase(enum node_dialect dialect, struct error *e)
{
	struct node_CoinbaseTxResult tx;
	struct node_DataResult d;

	if (dialect == NODE_V30) {
		results(NODE_BlockTemplate_getRawCoinbaseTx, dialect, RAW, &d);
		return tp_parts_raw_coinbase(&parts, d.result, e);
	}
	results(NODE_BlockTemplate_getCoinbaseTx, dialect, COINBASE, &tx);
	return tp_parts_coinbase(&parts, &tx.result, e);
}

static int32_t take_small(enum node_dialect dialect, struct error *e)
{
	struct node_NumbersResult n;
	struct node_DataResult d;
	int32_t r;

	results(NODE_BlockTemplate_getBlockHeader, dialect, HEADER, &d);
	r = tp_parts_header(&parts, d.result, e);
	if (r == ADIT_OK)
		r = take_coinbase(dialect, e);
	results(NODE_BlockTemplate_getTxFees, dialect, FEES, &n);
	return r == ADIT_OK ? tp_parts_fees(&parts, &n.result, e) : r;
}

static int32_t take_rest(enum node_dialect dialect, struct error *e)
{
	struct node_NumbersResult n;
	struct node_DataResult d;
	int32_t r;

	results(NODE_BlockTemplate_getTxSigops, dialect, SIGOPS, &n);
	r = tp_parts_sigops(&parts, &n.result, e);
	results(NODE_BlockTemplate_getBlock, dialect, BLOCK, &d);
	return r == ADIT_OK ? tp_parts_block(&parts, d.result, e) : r;
}

static void setup(void)
{
	fixture_init(&f, 1, 5);
	fixture_render(&f);
	memset(&parts, 0, sizeof(parts));
	builder = (struct capn_builder){0};
	bytes = coinbase = block = (struct buf){0};
}

static void teardown(void)
{
	tp_parts_free(&parts);
	capn_builder_free(&builder);
	buf_free(&bytes);
	buf_free(&coinbase);
	buf_free(&block);
	fixture_free(&f);
}

/* The snapshot is the one that the role `node` would have given. */
START_TEST(same_as_from_the_role_node)
{
	static const struct change none;
	struct tp_snapshot *expected = fixture_snapshot(&f, 7);
	struct tp_snapshot *s;
	uint8_t target[32];
	struct error e;

	write_answers(&none);
	ck_assert_msg(take_small((enum node_dialect)_i, &e) == ADIT_OK, "%s", e.text);
	ck_assert_uint_eq(parts.have, TP_PARTS_SMALL);
	ck_assert_msg(take_rest((enum node_dialect)_i, &e) == ADIT_OK, "%s", e.text);
	ck_assert_uint_eq(parts.have, TP_PARTS_ALL);
	ck_assert(!capn_failed(&message));
	ck_assert_msg(tp_parts_whole(&parts, 3, 7, &s, &e) == ADIT_OK, "%s", e.text);
	ck_assert_uint_eq(s->id, 3);
	ck_assert(!s->partial);
	ck_assert_mem_eq(s->prev_hash, expected->prev_hash, 32);
	ck_assert(target_from_nbits(f.nbits, target));
	ck_assert_mem_eq(s->target, target, 32);
	ck_assert_uint_eq(s->height, expected->height);
	ck_assert_uint_eq(s->version, expected->version);
	ck_assert_uint_eq(s->nbits, expected->nbits);
	ck_assert_uint_eq(s->curtime, expected->curtime);
	ck_assert_uint_eq(s->coinbase_value, expected->coinbase_value);
	ck_assert_uint_eq(s->commitment_size, expected->commitment_size);
	ck_assert_mem_eq(s->commitment, expected->commitment, TP_COMMITMENT_SIZE);
	ck_assert_uint_eq(s->coinbase_sequence, 0xfffffffe);
	ck_assert_uint_eq(s->coinbase_lock_time, f.height - 1);
	ck_assert_uint_eq(s->sigop_limit, expected->sigop_limit);
	ck_assert_uint_eq(s->weight_limit, expected->weight_limit);
	ck_assert_uint_eq(s->tx_count, expected->tx_count);
	ck_assert_mem_eq(s->txs, expected->txs, s->tx_count * sizeof(*s->txs));
	ck_assert_uint_eq(s->data_size, expected->data_size);
	ck_assert_mem_eq(s->data, expected->data, s->data_size);
	ck_assert_uint_eq(s->demanded_count, 0);
	tp_snapshot_unref(s);
	tp_snapshot_unref(expected);
}
END_TEST

/* Before the block is here: what an empty one pays, with nothing committed to but the coinbase. */
START_TEST(empty_block_first)
{
	static const struct change none;
	struct tp_snapshot *s;
	struct error e;

	write_answers(&none);
	ck_assert_int_eq(take_small((enum node_dialect)_i, &e), ADIT_OK);
	ck_assert_int_eq(tp_parts_partial(&parts, 3, 7, &s, &e), ADIT_OK);
	ck_assert(s->partial);
	ck_assert_uint_eq(s->coinbase_value, FIXTURE_SUBSIDY);
	ck_assert_uint_eq(s->tx_count, 0);
	ck_assert_uint_eq(s->commitment_size, 0);
	ck_assert_mem_eq(s->prev_hash, f.prev_hash, 32);
	tp_snapshot_unref(s);
}
END_TEST

static const struct change changes[] = {
    {.what = NULL},
    {.what = "getBlockHeader: not 80 bytes", .header = 1},
    {.what = "getBlockHeader: not 80 bytes", .header = -1},
    {.what = "getBlock: its header is not", .other_header = true},
    {.what = "getTxFees: not one for each", .fees = 1},
    {.what = "getTxFees: not one for each", .fees = -1},
    {.what = "getTxFees: more than the coinbase pays", .fee = 2000000000000u},
    {.what = "getTxFees: more than there can be", .fee = UINT64_MAX},
    {.what = "getTxFees: more than a block can have", .fees = 70000},
    {.what = "getTxSigops: not one for each", .sigops = 1},
    {.what = "getTxSigops: more than a block", .sigop = 80001},
    {.what = "getTxSigops: more than a block can have", .sigops = 70000},
    {.what = "blockRewardRemaining", .value = -5000100000},
    {.what = "blockRewardRemaining", .value = 2100000000000001},
    {.what = "witness", .witness = 1},
    {.what = "scriptSigPrefix has no height", .no_height = true},
    {.what = "a required output is none", .bad_output = true},
    {.what = "getBlock: a transaction is none", .block = -1},
    {.what = "getBlock: something follows", .block = 1},
};

START_TEST(parts_that_do_not_agree)
{
	const struct change *c = &changes[_i];
	struct tp_snapshot *s = NULL;
	struct error e = {0};
	int32_t r;

	write_answers(c);
	r = take_small(NODE_V32, &e);
	if (r == ADIT_OK)
		r = take_rest(NODE_V32, &e);
	if (r == ADIT_OK)
		r = tp_parts_whole(&parts, 3, 7, &s, &e);
	if (c->what == NULL) {
		ck_assert_msg(r == ADIT_OK, "%s", e.text);
		tp_snapshot_unref(s);
	} else {
		ck_assert_int_eq(r, ADIT_E_INVALID_ARGUMENT);
		ck_assert_msg(strstr(e.text, c->what) != NULL, "%s", e.text);
	}
}
END_TEST

/* An output of a kind that is not known today goes to clients as it came. */
START_TEST(other_required_outputs)
{
	static const struct change c = {.other_output = true};
	struct tp_snapshot *s;
	struct error e;

	write_answers(&c);
	ck_assert_int_eq(take_small(NODE_V31, &e), ADIT_OK);
	ck_assert_int_eq(take_rest(NODE_V31, &e), ADIT_OK);
	ck_assert_int_eq(tp_parts_whole(&parts, 3, 7, &s, &e), ADIT_OK);
	ck_assert_uint_eq(s->demanded_count, 1);
	ck_assert_uint_eq(s->demanded_size, 8 + 1 + 3);
	ck_assert_uint_eq(s->demanded[9], 0x6a);
	ck_assert_uint_eq(s->commitment_size, TP_COMMITMENT_SIZE);
	tp_snapshot_unref(s);
}
END_TEST

/* An answer of another kind, or none where one belongs. */
START_TEST(answers_of_another_kind)
{
	struct node_CoinbaseTxResult tx;
	struct node_NumbersResult n;
	struct node_DataResult d;
	struct error e;
	static const struct change none;

	write_answers(&none);
	results(NODE_BlockTemplate_getBlockHeader, NODE_V32, FEES, &d);
	ck_assert_int_eq(tp_parts_header(&parts, d.result, &e), ADIT_E_INVALID_ARGUMENT);
	results(NODE_BlockTemplate_getCoinbaseTx, NODE_V32, BLOCK, &tx);
	ck_assert_int_eq(tp_parts_coinbase(&parts, &tx.result, &e), ADIT_E_INVALID_ARGUMENT);
	results(NODE_BlockTemplate_getBlock, NODE_V32, COINBASE, &d);
	ck_assert_int_eq(tp_parts_block(&parts, d.result, &e), ADIT_E_INVALID_ARGUMENT);
	results(NODE_BlockTemplate_getRawCoinbaseTx, NODE_V30, BLOCK, &d);
	ck_assert_int_eq(tp_parts_raw_coinbase(&parts, d.result, &e), ADIT_E_INVALID_ARGUMENT);
	results(NODE_BlockTemplate_getTxFees, NODE_V32, ANSWERS, &n);
	ck_assert_int_eq(tp_parts_fees(&parts, &n.result, &e), ADIT_OK);
	ck_assert_uint_eq(parts.fee_count, 0);
}
END_TEST

Suite *tp_ipc_suite(void)
{
	Suite *s = suite_create("templates over IPC");
	TCase *c = tcase_create("parts");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, same_as_from_the_role_node, 0, NODE_DIALECTS);
	tcase_add_loop_test(c, empty_block_first, 0, NODE_DIALECTS);
	tcase_add_loop_test(c, parts_that_do_not_agree, 0,
			    (int)(sizeof(changes) / sizeof(changes[0])));
	tcase_add_test(c, other_required_outputs);
	tcase_add_test(c, answers_of_another_kind);
	suite_add_tcase(s, c);
	return s;
}
