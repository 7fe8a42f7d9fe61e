/* SPDX-License-Identifier: MIT */
/* SetExtranoncePrefix: jobs keep the prefix they were given out with. And the last moments of a
 * pool. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mining/work.h"
#include "tests/unit/pool_rig.h"

/* Orders a new prefix for M's channel (or all) and returns how many got one. */
static uint32_t renew(struct bench *b, const struct miner *m)
{
	char json[64] = "{}";
	struct fake_reply *r;
	unsigned count = 99;

	if (m)
		snprintf(json, sizeof json, "{\"channel\":\"pool.1/%u/%u\"}", m->conn->id,
			 m->channel);
	r = fake_host_call(b->host, "renew_extranonce", json, NULL, 0);
	ck_assert_int_eq(r->error, ADIT_OK);
	ck_assert_int_eq(sscanf(r->json, "{\"renewed\":%u}", &count), 1);
	fake_reply_free(r);
	return count;
}

/* The same without the loop, which would find out that nobody is behind the template provider. */
static bool renew_now(const struct miner *m)
{
	return work_renew_prefix(channel_find(m->conn->user, m->channel));
}

static void take_prefix(struct miner *m)
{
	const struct sent *s = fake_conn_next(m->conn, ADIT_SV2_SET_EXTRANONCE_PREFIX);

	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.set_extranonce_prefix.channel_id, m->channel);
	ck_assert_uint_eq(s->body.set_extranonce_prefix.extranonce_prefix.size, m->prefix_size);
	ck_assert_mem_ne(s->body.set_extranonce_prefix.extranonce_prefix.data, m->prefix,
			 m->prefix_size);
	memcpy(m->prefix, s->body.set_extranonce_prefix.extranonce_prefix.data, m->prefix_size);
}

START_TEST(shares_of_both_prefixes)
{
	struct bench b;
	struct fake_conn *c;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	for (int standard = 0; standard < 2; standard++) {
		struct miner m = open_miner(&b, c, standard);
		struct miner old = m;

		fake_conn_skip(c);
		ck_assert(renew_now(&m));
		take_prefix(&m);
		take_job(&m);
		ck_assert_uint_ne(m.job, old.job);
		solve(&m, m.target, true);
		expect_accepted(&m);
		/* What was out goes on with the prefix that it had ... */
		old.sequence = m.sequence;
		solve(&old, old.target, true);
		expect_accepted(&old);
		/* ... which therefore can't be let go yet. */
		ck_assert(!renew_now(&m));
		ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_EXTRANONCE_PREFIX), 0);
		new_tip(&b, 0, (uint8_t)(2 + standard), NBITS_HARD);
		ck_assert(renew_now(&m));
		take_prefix(&m);
		ck_assert_mem_ne(m.prefix, old.prefix, m.prefix_size);
	}
	/* Two channels, the numbers that they have and the ones before. */
	ck_assert_uint_eq(b.pool->mining.extranonce.live, 4);
	leave(&b, c);
	ck_assert_uint_eq(b.pool->mining.extranonce.live, 0);
	bench_end(&b);
}
END_TEST

/* A future job that was announced with the old prefix is mined with it after the tip, too. */
START_TEST(futures_keep_their_prefix)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	uint8_t before[32];
	uint64_t id;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	memcpy(before, m.prefix, 32);
	fake_conn_skip(c);
	id = send_template(&b, 0, true);
	ck_assert(renew_now(&m));
	ck_assert_int_eq(send_tip(&b, 0, id, 2, NBITS_HARD), ADIT_OK);
	take_job(&m); /* the announced one, and the tip that activates it */
	memcpy(m.prefix, before, 32);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert(!renew_now(&m));
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(orders)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	struct fake_reply *r;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	open_miner(&b, c, true);
	fake_conn_skip(c);
	ck_assert_uint_eq(renew(&b, &m), 1);
	take_prefix(&m);
	ck_assert_uint_eq(renew(&b, NULL), 1); /* the other; the first has jobs of the old one */
	m.channel += 7;
	ck_assert_uint_eq(renew(&b, &m), 0);
	r = fake_host_call(b.host, "renew_extranonce", "{\"channel\":7}", NULL, 0);
	ck_assert_int_eq(r->error, ADIT_E_INVALID_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(r->message, "list_channels"));
	fake_reply_free(r);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* What arrived before the stop is acknowledged before Reconnect, which names no other place. */
START_TEST(acknowledged_before_reconnect)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	const struct sent *s;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	solve(&m, m.target, true);
	fake_conn_skip(c);
	submit(&m); /* its batch has not ended */
	ck_assert_int_eq(fake_host_stop(b.host), ADIT_OK);
	s = fake_conn_next(c, ADIT_SV2_SUBMIT_SHARES_SUCCESS);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.submit_shares_success.last_sequence_number, m.sequence);
	s = fake_conn_next(c, ADIT_SV2_RECONNECT);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.reconnect.new_host.size, 0);
	ck_assert_uint_eq(s->body.reconnect.new_port, 0);
	fake_conn_free(c);
	bench_end(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pool prefix");
	TCase *c = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(c, shares_of_both_prefixes);
	tcase_add_test(c, futures_keep_their_prefix);
	tcase_add_test(c, orders);
	tcase_add_test(c, acknowledged_before_reconnect);
	tcase_set_timeout(c, 60);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
