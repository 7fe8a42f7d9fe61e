/* SPDX-License-Identifier: MIT */
/* Who gets which template when. Time and node are the test's. */
#include "config.h"

#include <check.h>
#include <string.h>

#include "plugins/template-provider/provider.h"
#include "tests/unit/test_tp.h"
#include "tests/unit/tp_conn.h"
#include "tests/unit/tp_fixture.h"

#define START_MS 1000000u
#define THRESHOLD 1000u
#define INTERVAL 5000u
/* Ids begin behind the clock's milliseconds, 16 bits up. */
#define UNIX_MS 1700000000000u
#define BASE (UNIX_MS << 16)

static struct tp_provider p;
static struct fixture f;
static struct tp_conn a, b;
static struct tp_client *client_a, *client_b;

static void setup(void)
{
	fixture_init(&f, 1, 3);
	tp_provider_init(&p, THRESHOLD, INTERVAL, UNIX_MS);
	tp_conn_init(&a);
	tp_conn_init(&b);
	client_a = tp_provider_join(&p, &a.base, false, START_MS);
	client_b = tp_provider_join(&p, &b.base, false, START_MS);
}

static void teardown(void)
{
	if (client_a != NULL)
		tp_provider_leave(&p, client_a);
	if (client_b != NULL)
		tp_provider_leave(&p, client_b);
	tp_provider_fini(&p);
	tp_conn_clear(&a);
	tp_conn_clear(&b);
	fixture_free(&f);
}

static void constrain(struct tp_client *c, uint32_t size, uint64_t now)
{
	struct error e = {0};

	ck_assert_msg(tp_provider_constrain(&p, c, size, 0, now, &e) == ADIT_OK, "%s", e.text);
}

/* Everything that is due now. */
static void settle(uint64_t now)
{
	while (tp_provider_tick(&p, now) == now)
		;
}

/* The node's next answer: another tip, or the fees of the first transaction raised. */
static bool update(bool new_tip, uint64_t more_fees, uint64_t now)
{
	bool r;

	if (new_tip) {
		f.prev_hash[0]++;
		f.height++;
	}
	f.txs[0].fee += more_fees;
	r = tp_provider_update(&p, fixture_snapshot(&f, now), now);
	settle(now);
	return r;
}

static void expect(struct tp_conn *c, const char *trace)
{
	ck_assert_str_eq(tp_conn_trace(c, BASE), trace);
	tp_conn_clear(c);
}

START_TEST(nothing_before_the_constraints)
{
	ck_assert(update(true, 0, START_MS));
	expect(&a, "");
	constrain(client_a, 40, START_MS + 10);
	expect(&a, "F1 P1");
	expect(&b, "");
}
END_TEST

START_TEST(without_a_template_clients_wait)
{
	constrain(client_a, 40, START_MS);
	expect(&a, "");
	update(true, 0, START_MS + 1);
	expect(&a, "F1 P1");
}
END_TEST

START_TEST(fields_of_the_pair)
{
	const struct adit_sv2_new_template *t = &a.sent[0].body.new_template;
	const struct adit_sv2_template_set_new_prev_hash *h = &a.sent[1].body.prev_hash;

	update(true, 0, START_MS);
	constrain(client_a, 40, START_MS + 7500);
	ck_assert_uint_eq(a.count, 2);
	ck_assert_uint_eq(t->version, 0x20000000);
	ck_assert_uint_eq(t->coinbase_tx_version, 2);
	ck_assert_uint_eq(t->coinbase_tx_input_sequence, 0xffffffff);
	ck_assert_uint_eq(t->coinbase_tx_locktime, 0);
	ck_assert_uint_eq(t->coinbase_tx_value_remaining, FIXTURE_SUBSIDY + 3003);
	ck_assert_uint_eq(t->coinbase_tx_outputs_count, 1);
	ck_assert_uint_eq(t->coinbase_tx_outputs.size, 47);
	ck_assert_uint_eq(t->coinbase_prefix.size, 2);
	ck_assert_uint_eq(t->merkle_path.count, 2);
	ck_assert_uint_eq(t->merkle_path.size, 64);
	ck_assert_mem_eq(h->prev_hash.b, f.prev_hash, 32);
	ck_assert_mem_eq(h->target.b, f.target, 32);
	ck_assert_uint_eq(h->n_bits, 0x207fffff);
	/* The node's clock, moved on by the time since its answer. */
	ck_assert_uint_eq(h->ntime_start, 1700000007);
}
END_TEST

START_TEST(time_is_never_below_what_consensus_wants)
{
	f.mintime = 1700000500;
	update(true, 0, START_MS);
	constrain(client_a, 40, START_MS);
	ck_assert_uint_eq(a.sent[1].body.prev_hash.ntime_start, 1700000500);
}
END_TEST

/* Classes share; each class gets its own template on a new tip, at once and without any throttle.
 */
START_TEST(a_new_tip_goes_to_everyone)
{
	update(true, 0, START_MS);
	constrain(client_a, 40, START_MS);
	constrain(client_b, 40, START_MS);
	expect(&a, "F1 P1");
	expect(&b, "F1 P1");
	ck_assert(update(true, 0, START_MS + 1));
	expect(&a, "F2 P2");
	expect(&b, "F2 P2");
	constrain(client_b, 4000, START_MS + 2);
	expect(&b, "F3 P3");
	ck_assert(update(true, 0, START_MS + 3));
	expect(&a, "F4 P4");
	expect(&b, "F5 P5");
}
END_TEST

/* Of a new tip one class is served at a time, the largest first; who waits gets the newest. */
START_TEST(no_class_waits_for_another)
{
	struct tp_conn c;
	struct tp_client *client_c;

	tp_conn_init(&c);
	client_c = tp_provider_join(&p, &c.base, false, START_MS);
	update(true, 0, START_MS);
	constrain(client_a, 4000, START_MS);
	constrain(client_b, 40, START_MS);
	constrain(client_c, 40, START_MS);
	tp_conn_clear(&a);
	tp_conn_clear(&b);
	tp_conn_clear(&c);
	f.prev_hash[0]++;
	ck_assert(tp_provider_update(&p, fixture_snapshot(&f, START_MS + 1), START_MS + 1));
	expect(&b, "");
	ck_assert_uint_eq(tp_provider_tick(&p, START_MS + 1), START_MS + 1);
	expect(&b, "F3 P3");
	expect(&c, "F3 P3");
	expect(&a, "");
	/* Another tip before the second class had its turn: it never sees the first. */
	f.prev_hash[0]++;
	ck_assert(tp_provider_update(&p, fixture_snapshot(&f, START_MS + 2), START_MS + 2));
	ck_assert_uint_eq(tp_provider_tick(&p, START_MS + 2), START_MS + 2);
	expect(&b, "F4 P4");
	expect(&a, "");
	/* Someone comes to a class whose turn is next: no template of the old tip for him. */
	constrain(client_b, 4000, START_MS + 3);
	expect(&b, "");
	ck_assert_uint_ne(tp_provider_tick(&p, START_MS + 3), START_MS + 3);
	ck_assert_mem_eq(a.sent[1].body.prev_hash.prev_hash.b, f.prev_hash, 32);
	expect(&a, "F5 P5");
	expect(&b, "F5 P5");
	expect(&c, "F4 P4");
	tp_provider_leave(&p, client_c);
	tp_conn_clear(&c);
}
END_TEST

/* The tip without its transactions, as the node's event tells it. */
static void update_empty(uint64_t now)
{
	struct fixture e;
	struct tp_snapshot *s;

	fixture_init(&e, 1, 0);
	f.prev_hash[0]++;
	f.height++;
	memcpy(e.prev_hash, f.prev_hash, 32);
	e.height = f.height;
	s = fixture_snapshot(&e, now);
	s->partial = true;
	ck_assert(tp_provider_update(&p, s, now));
	settle(now);
	fixture_free(&e);
}

START_TEST(empty_then_full)
{
	const struct adit_sv2_new_template *t = &a.sent[0].body.new_template;

	update(true, 0, START_MS);
	constrain(client_a, 40, START_MS);
	tp_conn_clear(&a);
	update_empty(START_MS + 10);
	ck_assert_uint_eq(t->merkle_path.count, 0);
	ck_assert_uint_eq(t->coinbase_tx_value_remaining, FIXTURE_SUBSIDY);
	ck_assert_mem_eq(a.sent[1].body.prev_hash.prev_hash.b, f.prev_hash, 32);
	expect(&a, "F2 P2");
	/* Who comes now gets it, too. */
	constrain(client_b, 4000, START_MS + 11);
	expect(&b, "F3 P3");
	/* The whole one waits for no interval and no threshold. */
	f.txs[0].fee = f.txs[1].fee = f.txs[2].fee = 0;
	ck_assert(!update(false, 0, START_MS + 12));
	ck_assert_uint_eq(t->merkle_path.count, 2);
	expect(&a, "N4");
	expect(&b, "N5");
	/* From there on the usual rules. */
	update(false, 5000, START_MS + 13);
	expect(&a, "");
	update(false, 0, START_MS + 12 + INTERVAL);
	expect(&a, "N6");
}
END_TEST

START_TEST(an_empty_one_that_comes_late)
{
	struct fixture e;
	struct tp_snapshot *s;

	update(true, 0, START_MS);
	constrain(client_a, 40, START_MS);
	tp_conn_clear(&a);
	fixture_init(&e, 1, 0);
	memcpy(e.prev_hash, f.prev_hash, 32);
	s = fixture_snapshot(&e, START_MS + 1);
	s->partial = true;
	ck_assert(!tp_provider_update(&p, s, START_MS + 1));
	settle(START_MS + 1);
	expect(&a, "");
	ck_assert_uint_eq(p.latest->tx_count, 3);
	fixture_free(&e);
}
END_TEST

START_TEST(changed_bits_are_a_new_tip)
{
	update(true, 0, START_MS);
	constrain(client_a, 40, START_MS);
	tp_conn_clear(&a);
	f.nbits = 0x207ffffe;
	ck_assert(update(false, 0, START_MS + 1));
	expect(&a, "F2 P2");
}
END_TEST

START_TEST(better_fees_have_a_threshold)
{
	update(true, 0, START_MS);
	constrain(client_a, 40, START_MS);
	tp_conn_clear(&a);
	ck_assert(!update(false, THRESHOLD - 1, START_MS + INTERVAL));
	expect(&a, "");
	update(false, 1, START_MS + INTERVAL + 1);
	expect(&a, "N2");
}
END_TEST

START_TEST(better_fees_wait_for_the_interval)
{
	update(true, 0, START_MS);
	constrain(client_a, 40, START_MS);
	tp_conn_clear(&a);
	update(false, 5000, START_MS + 100);
	expect(&a, "");
	ck_assert_uint_eq(tp_provider_tick(&p, START_MS + 200), START_MS + INTERVAL);
	tp_provider_tick(&p, START_MS + INTERVAL - 1);
	expect(&a, "");
	ck_assert_uint_eq(tp_provider_tick(&p, START_MS + INTERVAL), 0);
	expect(&a, "N2");
	/* And the next interval counts from there; a tip does not wait for it. */
	update(false, 5000, START_MS + INTERVAL + 1);
	expect(&a, "");
	update(true, 0, START_MS + INTERVAL + 2);
	expect(&a, "F3 P3");
}
END_TEST

START_TEST(constraints_sent_again)
{
	update(true, 0, START_MS);
	constrain(client_a, 40, START_MS);
	constrain(client_b, 40, START_MS);
	tp_conn_clear(&a);
	tp_conn_clear(&b);
	/* The same class: a number of its own, the same previous hash, and the others are left
	 * alone. */
	constrain(client_a, 50, START_MS + 1);
	ck_assert_mem_eq(a.sent[1].body.prev_hash.prev_hash.b, f.prev_hash, 32);
	expect(&a, "F2 P2");
	expect(&b, "");
	/* The old number still works. */
	tp_provider_transactions(&p, client_a, BASE + 1, START_MS);
	expect(&a, "D1");
}
END_TEST

/* A client that sends its constraints again does not put off the better template of all. */
START_TEST(renewal_keeps_the_interval)
{
	update(true, 0, START_MS);
	constrain(client_a, 40, START_MS);
	constrain(client_a, 50, START_MS + INTERVAL - 1);
	tp_conn_clear(&a);
	update(false, 5000, START_MS + INTERVAL);
	expect(&a, "N3");
}
END_TEST

START_TEST(constraints_sent_too_often)
{
	struct error e;
	int32_t r = ADIT_OK;
	uint32_t n = 0;

	update(true, 0, START_MS);
	while (r == ADIT_OK && n < 100) {
		tp_conn_clear(&a);
		n++;
		r = tp_provider_constrain(&p, client_a, 40 + n, 0, START_MS + n, &e);
	}
	ck_assert_int_eq(r, ADIT_E_LIMIT);
	ck_assert_uint_eq(n, 1 + TP_MAX_RENEWALS + 1);
	/* A minute later it is forgiven. */
	tp_conn_clear(&a);
	constrain(client_a, 40, START_MS + 60000 + 10);
}
END_TEST

START_TEST(constraints_that_no_block_meets)
{
	struct error e;

	update(true, 0, START_MS);
	ck_assert_int_eq(tp_provider_constrain(&p, client_a, 4000000, 0, START_MS, &e),
			 ADIT_E_LIMIT);
	expect(&a, "");
	/* Without a template yet that turns out later. */
	ck_assert_int_eq(tp_provider_constrain(&p, client_b, UINT32_MAX, 65535, START_MS, &e),
			 ADIT_E_LIMIT);
}
END_TEST

START_TEST(too_large_before_the_first_template)
{
	constrain(client_a, UINT32_MAX, START_MS);
	constrain(client_b, 40, START_MS);
	update(true, 0, START_MS);
	ck_assert(a.closed);
	ck_assert(!b.closed);
	expect(&a, "");
	expect(&b, "F1 P1");
}
END_TEST

/* When all slots are taken a class may grow: those who were in it get the smaller block too. */
START_TEST(a_class_that_grows)
{
	struct tp_conn more[3];
	struct tp_client *clients[3];

	update(true, 0, START_MS);
	for (uint32_t i = 0; i < 3; i++) {
		tp_conn_init(&more[i]);
		clients[i] = tp_provider_join(&p, &more[i].base, false, START_MS);
		constrain(clients[i], 1000 * i, START_MS);
	}
	constrain(client_a, 10000, START_MS);
	expect(&a, "F4 P4");
	constrain(client_b, 11000, START_MS);
	expect(&b, "F5 P5");
	expect(&a, "N5");
	expect(&more[2], "F3 P3");
	for (uint32_t i = 0; i < 3; i++) {
		tp_provider_leave(&p, clients[i]);
		tp_conn_clear(&more[i]);
	}
}
END_TEST

START_TEST(transaction_data)
{
	const struct adit_sv2_request_transaction_data_success *m = &a.sent[0].body.transactions;
	const uint8_t *at;

	update(true, 0, START_MS);
	constrain(client_a, 40, START_MS);
	tp_conn_clear(&a);
	tp_provider_transactions(&p, client_a, BASE + 1, START_MS);
	ck_assert_uint_eq(m->transaction_list.count, 3);
	ck_assert_uint_eq(m->excess_data.size, 0);
	at = a.sent[0].list.data;
	for (uint32_t i = 0, offset = 0; i < 3; i++) {
		ck_assert_uint_eq(at[0] | at[1] << 8 | at[2] << 16, f.txs[i].size);
		ck_assert_mem_eq(at + 3, f.data.data + offset, f.txs[i].size);
		at += 3 + f.txs[i].size;
		offset += f.txs[i].size;
	}
	ck_assert_uint_eq((size_t)(at - a.sent[0].list.data), a.sent[0].list.size);
	expect(&a, "D1");
}
END_TEST

START_TEST(transaction_data_of_old_and_unknown)
{
	update(true, 0, START_MS);
	constrain(client_a, 40, START_MS);
	update(true, 0, START_MS + 1000);
	tp_conn_clear(&a);
	tp_provider_transactions(&p, client_a, BASE + 1, START_MS);
	ck_assert_str_eq(a.sent[0].code, "stale-template-id");
	expect(&a, "E1");
	tp_provider_tick(&p, START_MS + 11000);
	tp_provider_transactions(&p, client_a, BASE + 1, START_MS);
	ck_assert_str_eq(a.sent[0].code, "template-id-not-found");
	expect(&a, "E1");
	tp_provider_transactions(&p, client_a, BASE + 2, START_MS);
	expect(&a, "D2");
	tp_provider_transactions(&p, client_a, BASE + 3, START_MS);
	expect(&a, "E3");
}
END_TEST

/* A superseded template of the same tip is still good: miners may be working on it. */
START_TEST(superseded_is_not_stale)
{
	update(true, 0, START_MS);
	constrain(client_a, 40, START_MS);
	update(false, 5000, START_MS + INTERVAL);
	expect(&a, "F1 P1 N2");
	tp_provider_tick(&p, START_MS + 10 * INTERVAL);
	tp_provider_transactions(&p, client_a, BASE + 1, START_MS);
	expect(&a, "D1");
}
END_TEST

START_TEST(who_left_hears_nothing)
{
	update(true, 0, START_MS);
	constrain(client_a, 40, START_MS);
	constrain(client_b, 40, START_MS);
	tp_conn_clear(&a);
	tp_conn_clear(&b);
	tp_provider_leave(&p, client_a);
	client_a = NULL;
	update(true, 0, START_MS + 1);
	expect(&a, "");
	expect(&b, "F2 P2");
	tp_provider_leave(&p, client_b);
	client_b = NULL;
	/* Nobody is there: nothing is built. */
	update(true, 0, START_MS + 2);
	ck_assert_uint_eq(p.last_id, BASE + 2);
	ck_assert_uint_eq(p.client_count, 0);
}
END_TEST

Suite *tp_provider_suite(void)
{
	Suite *s = suite_create("distribution");
	TCase *c = tcase_create("distribution");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, nothing_before_the_constraints);
	tcase_add_test(c, without_a_template_clients_wait);
	tcase_add_test(c, fields_of_the_pair);
	tcase_add_test(c, time_is_never_below_what_consensus_wants);
	tcase_add_test(c, a_new_tip_goes_to_everyone);
	tcase_add_test(c, no_class_waits_for_another);
	tcase_add_test(c, empty_then_full);
	tcase_add_test(c, an_empty_one_that_comes_late);
	tcase_add_test(c, changed_bits_are_a_new_tip);
	tcase_add_test(c, better_fees_have_a_threshold);
	tcase_add_test(c, better_fees_wait_for_the_interval);
	tcase_add_test(c, constraints_sent_again);
	tcase_add_test(c, renewal_keeps_the_interval);
	tcase_add_test(c, constraints_sent_too_often);
	tcase_add_test(c, constraints_that_no_block_meets);
	tcase_add_test(c, too_large_before_the_first_template);
	tcase_add_test(c, a_class_that_grows);
	tcase_add_test(c, transaction_data);
	tcase_add_test(c, transaction_data_of_old_and_unknown);
	tcase_add_test(c, superseded_is_not_stale);
	tcase_add_test(c, who_left_hears_nothing);
	suite_add_tcase(s, c);
	return s;
}
