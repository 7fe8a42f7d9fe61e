/* SPDX-License-Identifier: MIT */
/* Snapshots (what the node said, checked) and templates (cut to a client's constraints). */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/tx.h"
#include "plugins/template-provider/template.h"
#include "tests/unit/test_tp.h"
#include "tests/unit/tp_fixture.h"

static struct fixture f;

static void setup(void)
{
	fixture_init(&f, 1, 9);
}

static void teardown(void)
{
	fixture_free(&f);
}

/* The template over COUNT kept transactions is what a second, plain computation says. */
static void check_template(const struct tp_template *t, uint32_t count)
{
	static const uint8_t coinbase[32] = {0xcb, 1, 2, 3};
	uint8_t script[38], expected[32], folded[32];
	uint64_t fees = 0;
	size_t size = 0;

	ck_assert_uint_eq(t->tx_count, count);
	for (uint32_t i = 0; i < count; i++) {
		fees += f.txs[i].fee;
		size += f.txs[i].size;
	}
	ck_assert_uint_eq(t->fees, fees);
	ck_assert_uint_eq(t->value, FIXTURE_SUBSIDY + fees);
	ck_assert_uint_eq(tp_template_data_size(t), size);
	fixture_commitment(&f, count, script);
	for (int i = 0; i < 8; i++)
		ck_assert_uint_eq(t->output[i], 0);
	ck_assert_uint_eq(t->output[8], 38);
	ck_assert_mem_eq(t->output + 9, script, 38);
	fixture_root(&f, count, coinbase, false, expected);
	merkle_fold(coinbase, t->path[0], t->depth, folded);
	ck_assert_mem_eq(folded, expected, 32);
}

static struct tp_template *build(struct tp_snapshot *s, uint64_t weight, uint32_t sigops)
{
	struct tp_template *t;
	struct error e = {0};

	ck_assert_msg(tp_template_new(s, weight, sigops, 7, &t, &e) == ADIT_OK, "%s", e.text);
	ck_assert_uint_eq(t->id, 7);
	return t;
}

START_TEST(snapshot_has_every_field)
{
	struct tp_snapshot *s = fixture_snapshot(&f, 5);

	ck_assert_uint_eq(s->id, 1);
	ck_assert_mem_eq(s->prev_hash, f.prev_hash, 32);
	ck_assert_mem_eq(s->target, f.target, 32);
	ck_assert_uint_eq(s->height, 100);
	ck_assert_uint_eq(s->version, 0x20000000);
	ck_assert_uint_eq(s->nbits, 0x207fffff);
	ck_assert_uint_eq(s->curtime, 1700000000);
	ck_assert_uint_eq(s->mintime, 1699999000);
	ck_assert_uint_eq(s->fetched_ms, 5);
	ck_assert_uint_eq(s->tx_count, 9);
	ck_assert_mem_eq(s->txs[8].txid, f.txs[8].txid, 32);
	ck_assert_uint_eq(s->txs[8].offset + s->txs[8].size, s->data_size);
	tp_snapshot_unref(s);
}
END_TEST

/* Replaces the first FROM in the JSON by TO (which may be longer) and expects a refusal that names
 * KEY. */
static void refused(const char *from, const char *to, const char *key)
{
	char *json, *at;
	char text[65536];
	struct tp_snapshot *s;
	struct error e = {0};

	fixture_render(&f);
	json = strndup((const char *)f.json.data, f.json.size);
	at = strstr(json, from);
	ck_assert_ptr_nonnull(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - json), json, to, at + strlen(from));
	free(json);
	ck_assert_int_eq(tp_snapshot_parse(text, strlen(text), f.data.data, f.data.size, 0, &s, &e),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_ptr_null(s);
	ck_assert_msg(strstr(e.text, key) != NULL, "\"%s\" does not name %s", e.text, key);
}

START_TEST(snapshot_refuses_what_is_wrong)
{
	refused("\"id\":1,", "", "id");
	refused("\"id\":1", "\"id\":-1", "id");
	refused("\"height\":100", "\"height\":4294967296", "height");
	refused("\"height\":100", "\"height\":\"100\"", "height");
	refused("\"prev_hash\":\"", "\"prev_hash\":\"00", "prev_hash");
	refused("\"prev_hash\":\"", "\"prev_hash\":null,\"x\":\"", "prev_hash");
	refused("\"bits\":\"207fffff\"", "\"bits\":\"207ffff\"", "bits");
	refused("\"target\":\"7f", "\"target\":\"zz", "target");
	refused("\"coinbase_value\":5", "\"coinbase_value\":5000000", "coinbase_value");
	refused("\"coinbase_value\":5000009036", "\"coinbase_value\":9035", "fee");
	refused("\"default_witness_commitment\":\"6a", "\"default_witness_commitment\":\"",
		"default_witness_commitment");
	refused("\"fee\":1000", "\"fee\":1e3", "fee");
	refused("\"size\":", "\"size\":0,\"x\":", "size");
	refused("\"size\":", "\"size\":1", "size");
	refused("\"depends\":[]", "\"depends\":[1]", "depends"); /* itself */
	refused("\"depends\":[]", "\"depends\":[2]", "depends"); /* a later one */
	refused("\"depends\":[]", "\"depends\":[0]", "depends");
	refused("\"depends\":[]", "\"depends\":{}", "depends");
	refused("\"transactions\":[", "\"transactions\":[null,", "txid");
	refused("\"transactions\":[", "\"transactions\":{},\"x\":[", "transactions");
	refused("]}]}", "]}]", "JSON");
	refused("{\"id\"", "[{\"id\"", "JSON");
}
END_TEST

START_TEST(snapshot_wants_the_whole_attachment)
{
	struct tp_snapshot *s;
	struct error e;
	const char *json;

	fixture_render(&f);
	json = (const char *)f.json.data;
	ck_assert_int_ne(
	    tp_snapshot_parse(json, f.json.size, f.data.data, f.data.size - 1, 0, &s, &e), ADIT_OK);
	ck_assert_int_ne(tp_snapshot_parse(json, f.json.size, NULL, 0, 0, &s, &e), ADIT_OK);
	buf_append_u8(&f.data, 0);
	ck_assert_int_ne(tp_snapshot_parse(json, f.json.size, f.data.data, f.data.size, 0, &s, &e),
			 ADIT_OK);
}
END_TEST

START_TEST(target_follows_from_bits)
{
	uint8_t expected[32] = {0};
	struct tp_snapshot *s;
	struct error e;
	char *json, *at;

	expected[29] = expected[30] = 0xff; /* 0x207fffff: 7fffff followed by 29 zero bytes */
	expected[31] = 0x7f;
	fixture_render(&f);
	json = strndup((const char *)f.json.data, f.json.size);
	at = strstr(json, "\"target\"");
	memcpy(at, "\"ignore\"", 8);
	ck_assert_int_eq(tp_snapshot_parse(json, f.json.size, f.data.data, f.data.size, 0, &s, &e),
			 ADIT_OK);
	ck_assert_mem_eq(s->target, expected, 32);
	tp_snapshot_unref(s);
	free(json);
}
END_TEST

START_TEST(a_child_after_its_parent_is_fine)
{
	struct tp_snapshot *s;

	f.txs[5].parent = 5;
	s = fixture_snapshot(&f, 0);
	tp_snapshot_unref(s);
}
END_TEST

/* The table for CoinbaseOutputConstraints in specification 07: 1168 + 4 * size. */
START_TEST(reserved_weight)
{
	ck_assert_uint_eq(tp_reserved_weight(0), 1168);
	ck_assert_uint_eq(tp_reserved_weight(43), 1340);
	ck_assert_uint_eq(tp_reserved_weight(UINT32_MAX), 1168 + 4 * 0xffffffffull);
}
END_TEST

START_TEST(everything_fits)
{
	struct tp_snapshot *s = fixture_snapshot(&f, 0);
	struct tp_template *t = build(s, 2000, 100);

	check_template(t, 9);
	ck_assert_uint_eq(t->prefix_size, 2); /* 100 = 0x64: one byte and its length */
	ck_assert_uint_eq(t->prefix[0], 1);
	ck_assert_uint_eq(t->prefix[1], 100);
	tp_template_free(t);
	tp_snapshot_unref(s);
}
END_TEST

/* Each count of kept transactions in turn, by weight: one unit less of room drops one more. */
START_TEST(weight_drops_from_the_end)
{
	for (uint32_t keep = 0; keep < 9; keep++) {
		struct tp_snapshot *s;
		struct tp_template *t;

		f.weight_limit = (uint32_t)(2000 + fixture_weight(&f, keep + 1));
		s = fixture_snapshot(&f, 0);
		t = build(s, 2000, 0);
		check_template(t, keep + 1);
		tp_template_free(t);
		t = build(s, 2001, 0);
		check_template(t, keep);
		tp_template_free(t);
		tp_snapshot_unref(s);
	}
}
END_TEST

START_TEST(sigops_drop_from_the_end)
{
	struct tp_snapshot *s;
	struct tp_template *t;

	f.sigop_limit = 36 + 100;
	s = fixture_snapshot(&f, 0);
	t = build(s, 2000, 100);
	check_template(t, 9);
	tp_template_free(t);
	t = build(s, 2000, 101);
	check_template(t, 8);
	tp_template_free(t);
	t = build(s, 2000, 136);
	check_template(t, 0);
	tp_template_free(t);
	tp_snapshot_unref(s);
}
END_TEST

/* A transaction in the middle that does not fit ends the list: its children may come later. */
START_TEST(nothing_is_taken_behind_a_gap)
{
	struct tp_snapshot *s;
	struct tp_template *t;

	f.txs[3].sigops = 70000;
	f.txs[4].parent = 4;
	f.sigop_limit = 60000;
	s = fixture_snapshot(&f, 0);
	t = build(s, 2000, 0);
	check_template(t, 3);
	tp_template_free(t);
	tp_snapshot_unref(s);
}
END_TEST

START_TEST(a_coinbase_larger_than_the_block)
{
	struct tp_snapshot *s = fixture_snapshot(&f, 0);
	struct tp_template *t;
	struct error e;
	uint64_t fees;

	ck_assert_int_eq(tp_fit(s, 4000000, 80000, &fees), 0);
	ck_assert_int_eq(tp_fit(s, 4000001, 0, &fees), -1);
	ck_assert_int_eq(tp_fit(s, 0, 80001, &fees), -1);
	ck_assert_int_eq(tp_template_new(s, 4000001, 0, 1, &t, &e), ADIT_E_LIMIT);
	ck_assert_ptr_null(t);
	tp_snapshot_unref(s);
}
END_TEST

START_TEST(an_empty_block)
{
	struct tp_snapshot *s;
	struct tp_template *t;

	f.tx_count = 0;
	buf_clear(&f.data);
	s = fixture_snapshot(&f, 0);
	t = build(s, 2000, 0);
	check_template(t, 0);
	ck_assert_uint_eq(t->depth, 0);
	tp_template_free(t);
	tp_snapshot_unref(s);
}
END_TEST

/* What the node says about its commitment is used for its own list, and only for that. */
START_TEST(the_nodes_commitment_is_taken_over)
{
	struct tp_snapshot *s = fixture_snapshot(&f, 0);
	struct tp_template *t;

	s->commitment[37] ^= 1;
	t = build(s, 2000, 0);
	ck_assert_mem_eq(t->output + 9, s->commitment, 38);
	tp_template_free(t);
	s->weight_limit = (uint32_t)(2000 + fixture_weight(&f, 8));
	t = build(s, 2000, 0);
	check_template(t, 8);
	tp_template_free(t);
	s->weight_limit = 4000000;
	s->commitment_size = 0;
	t = build(s, 2000, 0);
	check_template(t, 9);
	tp_template_free(t);
	tp_snapshot_unref(s);
}
END_TEST

Suite *tp_template_suite(void)
{
	Suite *s = suite_create("templates");
	TCase *c = tcase_create("templates");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, snapshot_has_every_field);
	tcase_add_test(c, snapshot_refuses_what_is_wrong);
	tcase_add_test(c, snapshot_wants_the_whole_attachment);
	tcase_add_test(c, target_follows_from_bits);
	tcase_add_test(c, a_child_after_its_parent_is_fine);
	tcase_add_test(c, reserved_weight);
	tcase_add_test(c, everything_fits);
	tcase_add_test(c, weight_drops_from_the_end);
	tcase_add_test(c, sigops_drop_from_the_end);
	tcase_add_test(c, nothing_is_taken_behind_a_gap);
	tcase_add_test(c, a_coinbase_larger_than_the_block);
	tcase_add_test(c, an_empty_block);
	tcase_add_test(c, the_nodes_commitment_is_taken_over);
	suite_add_tcase(s, c);
	return s;
}
