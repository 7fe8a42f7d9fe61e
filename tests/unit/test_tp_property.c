/* SPDX-License-Identifier: MIT */
/* Whatever the node's list and the client's coinbase are: what is served makes a valid block with
 * the largest coinbase that was announced. The judge is the embedded chain's own check. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/block_check.h"
#include "host/node/mempool.h"
#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "plugins/template-provider/block.h"
#include "plugins/template-provider/classes.h"
#include "tests/unit/test_tp.h"
#include "tests/unit/tp_fixture.h"

#define NBITS 0x207fffff
#define NOW 1700000000u
#define OP_NOP 0x61
#define OP_CHECKSIG 0xac
#define BLOCK_WEIGHT 4000000u
#define BLOCK_SIGOPS 80000u

/* What a client announces: SIZE bytes of outputs with SIGOPS of cost. */
struct announced {
	uint32_t size;
	uint32_t sigops;
};

/* One output of so many bytes and signature operations (a legacy one costs four). */
static void make_output(const struct announced *a, uint64_t value, struct buf *out)
{
	size_t head = 8 + (a->size - 9 < 0xfd ? 1 : a->size - 11 <= 0xffff ? 3 : 5);
	size_t script_size = a->size - head;
	uint8_t *script = malloc(script_size + 1);

	ck_assert_uint_le(a->sigops / 4, script_size);
	memset(script, OP_NOP, script_size);
	memset(script, OP_CHECKSIG, a->sigops / 4);
	coinbase_add_output(out, value, script, script_size);
	/* Where the length of the length changes, two sizes can't be had. */
	ck_assert_uint_le(out->size, a->size);
	ck_assert_uint_ge(out->size + 2, a->size);
	free(script);
}

/* The largest coinbase that A allows: its scriptSig has all of the 100 bytes. */
static struct buf make_coinbase(const struct tp_template *t, const struct announced *a)
{
	static const uint8_t tag[75], extranonce[32];
	struct buf prefix = {0}, suffix = {0}, coinbase = {0}, outputs = {0};
	struct coinbase_spec spec = {
	    .tx_version = 2,
	    .script_prefix = t->prefix,
	    .script_prefix_size = t->prefix_size,
	    .tag = tag,
	    .tag_size = COINBASE_SCRIPT_MAX - t->prefix_size - 1 - 1 - sizeof(extranonce),
	    .extranonce_size = sizeof(extranonce),
	    .sequence = 0xffffffff,
	    .template_outputs = t->output,
	    .template_outputs_size = sizeof(t->output),
	    .template_outputs_count = 1,
	    .outputs_count = 1,
	};
	struct error e;

	make_output(a, t->value, &outputs);
	spec.outputs = outputs.data;
	spec.outputs_size = outputs.size;
	ck_assert_int_eq(coinbase_split(&spec, &prefix, &suffix, &e), ADIT_OK);
	coinbase_join_witness(prefix.data, prefix.size, extranonce, sizeof(extranonce), suffix.data,
			      suffix.size, &coinbase);
	buf_free(&prefix);
	buf_free(&suffix);
	buf_free(&outputs);
	return coinbase;
}

static void make_block(const struct tp_template *t, const struct announced *a, struct buf *block)
{
	struct buf coinbase = make_coinbase(t, a);
	struct tp_solution s = {
	    .version = t->snapshot->version,
	    .ntime = NOW,
	    .coinbase = coinbase.data,
	    .coinbase_size = coinbase.size,
	};
	uint8_t hash[32];
	struct error e;
	int32_t r;

	while ((r = tp_block_assemble(t, &s, block, hash, &e)) == ADIT_E_PROTOCOL) {
		buf_clear(block);
		s.nonce++;
	}
	ck_assert_msg(r == ADIT_OK, "%s", e.text);
	buf_free(&coinbase);
}

static struct tp_snapshot *read_snapshot(const struct node_template *n)
{
	struct tp_snapshot *s;
	struct buf json = {0};
	struct error e = {0};

	ck_assert(template_json(n, &json));
	ck_assert_msg(tp_snapshot_parse((char *)json.data, json.size, n->data.data, n->data.size, 0,
					&s, &e) == ADIT_OK,
		      "%s", e.text);
	buf_free(&json);
	return s;
}

/* Weight and signature operations of BLOCK from its own bytes, those of the transactions' witness
 * as the node reckons them. */
static uint64_t block_weight(const struct buf *block)
{
	struct reader r;
	struct tx tx;
	uint64_t count, weight;

	reader_init(&r, block->data, block->size);
	reader_bytes(&r, 80);
	count = reader_compact_size(&r);
	weight = 4 * (80 + (count < 0xfd ? 1u : 3u));
	for (uint64_t i = 0; i < count; i++) {
		ck_assert(tx_parse(&r, &tx));
		weight += tx_weight(&tx);
	}
	ck_assert_uint_eq(reader_left(&r), 0);
	return weight;
}

static void check_limits(const struct node_template *n, const struct tp_template *t,
			 const struct announced *a, const struct tp_class *class,
			 const struct buf *block)
{
	uint64_t sigops = a->sigops, weight = 0, class_sigops = class->sigops;

	for (uint32_t i = 0; i < t->tx_count; i++) {
		const struct template_tx *tx = &n->txs[i];

		sigops += tx->sigops;
		class_sigops += tx->sigops;
		weight += tx->weight;
		for (uint32_t k = 0; k < tx->depends_count; k++)
			ck_assert_uint_le(n->depends[tx->first_depends + k], i);
	}
	ck_assert_uint_le(sigops, n->sigop_limit);
	ck_assert_uint_le(block_weight(block), n->weight_limit);
	/* No room is given away: the next one would have been too much for the class. */
	if (t->tx_count < n->tx_count)
		ck_assert(class->weight + weight + n->txs[t->tx_count].weight > n->weight_limit ||
			  class_sigops + n->txs[t->tx_count].sigops > n->sigop_limit);
}

/* Serves the node's template N to a client that announces A; the count of transactions kept. */
static uint32_t serve(const struct chain *chain, const struct node_template *n,
		      const struct announced *a)
{
	struct tp_snapshot *s = read_snapshot(n);
	struct tp_classes classes = {0};
	struct tp_class *class =
	    tp_classes_join(&classes, tp_reserved_weight(a->size), a->sigops, false);
	struct tp_template *t;
	struct block_verdict verdict;
	struct buf block = {0};
	struct error e = {0};
	uint32_t kept;

	ck_assert_msg(tp_template_new(s, class->weight, class->sigops, 1, &t, &e) == ADIT_OK, "%s",
		      e.text);
	kept = t->tx_count;
	make_block(t, a, &block);
	check_limits(n, t, a, class, &block);
	ck_assert_int_eq(block_check(chain, block.data, block.size, NOW, NULL, &verdict), ADIT_OK);
	ck_assert_msg(verdict.reason == NULL, "%s: %u of %zu transactions, %u bytes, %u sigops",
		      verdict.reason, kept, n->tx_count, a->size, a->sigops);
	ck_assert_uint_eq(verdict.count, kept);
	ck_assert_uint_eq(verdict.fees, t->fees);
	block_verdict_free(&verdict);
	buf_free(&block);
	tp_template_free(t);
	tp_snapshot_unref(s);
	return kept;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)rand() % n;
}

static struct chain chain;
static struct mempool mempool;

static void chain_with(size_t transactions)
{
	ck_assert(chain_init(&chain, NBITS, 0));
	ck_assert(mempool_init(&mempool, transactions));
	while (mempool_grow(&mempool, &chain))
		;
}

static void chain_end(void)
{
	mempool_free(&mempool);
	chain_free(&chain);
}

/* Small lists, with limits anywhere from nothing to more than enough of either kind. */
START_TEST(any_list_any_coinbase)
{
	uint32_t cut = 0, empty = 0, whole = 0;

	srand(6021);
	chain_with(120);
	for (int round = 0; round < 400; round++) {
		struct node_template *n = mempool_template(&mempool, &chain, NOW);
		struct announced a = {.size = 9 + below(3000)};
		uint32_t kept;

		ck_assert_ptr_nonnull(n);
		a.sigops = 4 * below(a.size / 4 + 1 < 300 ? a.size / 4 + 1 : 300);
		if (a.size < 20)
			a.sigops = 0;
		if (round % 2 == 0)
			n->weight_limit = 1168 + 4 * a.size + TP_CLASS_WEIGHT_STEP +
					  below(round % 8 == 0 ? 300 : 100000);
		if (round % 3 == 0)
			n->sigop_limit = a.sigops + TP_CLASS_SIGOPS_STEP + below(4000);
		kept = serve(&chain, n, &a);
		empty += kept == 0;
		whole += kept == n->tx_count;
		cut += kept > 0 && kept < n->tx_count;
		template_free(n);
	}
	ck_assert_uint_gt(cut, 50);
	ck_assert_uint_gt(empty, 0);
	ck_assert_uint_gt(whole, 0);
	chain_end();
}
END_TEST

static uint64_t list_weight(const struct node_template *n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n->tx_count; i++)
		sum += n->txs[i].weight;
	return sum;
}

/* A full block under the rules of consensus, to the last weight unit. */
START_TEST(full_blocks)
{
	static const struct announced clients[] = {
	    {31, 0}, {34, 4}, {1708, 0}, {1709, 0}, {65546, 400}, {100000, 20000}, {999000, 4000},
	};
	uint32_t before = UINT32_MAX;

	chain_with(8000);
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		struct node_template *n = mempool_template(&mempool, &chain, NOW);
		uint32_t kept;

		ck_assert_ptr_nonnull(n);
		ck_assert_uint_eq(n->weight_limit, BLOCK_WEIGHT);
		ck_assert_uint_eq(n->sigop_limit, BLOCK_SIGOPS);
		/* The node leaves 8,000 weight units. */
		ck_assert_uint_gt(list_weight(n), BLOCK_WEIGHT - 8000 - 2000);
		kept = serve(&chain, n, &clients[i]);
		ck_assert_uint_le(kept, before);
		before = kept;
		template_free(n);
	}
	/* Next to nothing of the block is left to the last one. */
	ck_assert_uint_lt(before, 20);
	chain_end();
}
END_TEST

/* The empty template that goes ahead. */
START_TEST(empty_ones)
{
	struct announced a = {34, 4};
	struct node_template *n;
	struct tp_snapshot *s;
	struct tp_template *t;
	struct block_verdict verdict;
	struct buf json = {0}, block = {0};
	struct error e;

	chain_with(50);
	n = mempool_template(&mempool, &chain, NOW);
	ck_assert(template_empty_json(n, &json));
	ck_assert_int_eq(tp_snapshot_parse((char *)json.data, json.size, NULL, 0, 0, &s, &e),
			 ADIT_OK);
	ck_assert_int_eq(tp_template_new(s, 2000, 100, 1, &t, &e), ADIT_OK);
	make_block(t, &a, &block);
	ck_assert_int_eq(block_check(&chain, block.data, block.size, NOW, NULL, &verdict), ADIT_OK);
	ck_assert_ptr_null(verdict.reason);
	ck_assert_uint_eq(verdict.count, 0);
	block_verdict_free(&verdict);
	buf_free(&block);
	buf_free(&json);
	tp_template_free(t);
	tp_snapshot_unref(s);
	template_free(n);
	chain_end();
}
END_TEST

/* Any weights, signature operations and parents: kept are the first so many, which hold all of
 * their parents, and commitment and path are those of a plain computation. */
START_TEST(any_family)
{
	static const uint8_t coinbase[32] = {0xcb};
	struct fixture f;

	srand(21);
	for (int round = 0; round < 300; round++) {
		uint8_t script[38], expected[32], folded[32];
		struct tp_snapshot *s;
		struct tp_template *t;
		uint64_t weight, fees = 0;
		struct error e;

		fixture_init(&f, (uint32_t)round, below(FIXTURE_MAX_TXS));
		for (uint32_t i = 0; i < f.tx_count; i++) {
			f.txs[i].weight = 240 + below(100000);
			f.txs[i].sigops = below(3) == 0 ? below(20000) : 0;
			f.txs[i].parent = below(i + 1);
		}
		s = fixture_snapshot(&f, 0);
		weight = 2000 * (1 + below(1900));
		ck_assert_int_eq(tp_template_new(s, weight, 100 * below(100), 1, &t, &e), ADIT_OK);
		for (uint32_t i = 0; i < t->tx_count; i++) {
			ck_assert_uint_le(f.txs[i].parent, i);
			fees += f.txs[i].fee;
		}
		ck_assert_uint_eq(t->fees, fees);
		ck_assert_uint_eq(t->value, FIXTURE_SUBSIDY + fees);
		ck_assert_uint_le(weight + fixture_weight(&f, t->tx_count), f.weight_limit);
		fixture_commitment(&f, t->tx_count, script);
		ck_assert_mem_eq(t->output + 9, script, 38);
		fixture_root(&f, t->tx_count, coinbase, false, expected);
		merkle_fold(coinbase, t->path[0], t->depth, folded);
		ck_assert_mem_eq(folded, expected, 32);
		tp_template_free(t);
		tp_snapshot_unref(s);
		fixture_free(&f);
	}
}
END_TEST

Suite *tp_property_suite(void)
{
	Suite *s = suite_create("blocks of every template");
	TCase *c = tcase_create("properties");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, any_list_any_coinbase);
	tcase_add_test(c, full_blocks);
	tcase_add_test(c, empty_ones);
	tcase_add_test(c, any_family);
	suite_add_tcase(s, c);
	return s;
}
