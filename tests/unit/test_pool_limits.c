/* SPDX-License-Identifier: MIT */
/* The pool's limits: each is kept, counted, and hurts nobody but who is past it. */
#include "config.h"

#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/pool_rig.h"

#define WAIT_MS 60000

/* The counter KEY as get_pool_stats tells it. Lets a moment pass. */
static int64_t limit(struct bench *b, const char *key)
{
	struct fake_reply *r = fake_host_call(b->host, "get_pool_stats", "{}", NULL, 0);
	struct json_object *o, *limits, *value;
	int64_t n;

	ck_assert_int_eq(r->error, ADIT_OK);
	o = json_tokener_parse(r->json);
	ck_assert(json_object_object_get_ex(o, "limits", &limits));
	ck_assert_msg(json_object_object_get_ex(limits, key, &value), "no %s", key);
	n = json_object_get_int64(value);
	json_object_put(o);
	fake_reply_free(r);
	return n;
}

static void ask(struct bench *b, struct fake_conn *c)
{
	send_open(b, c, false, 0, &any_target, 8);
}

/* The next answer to an open: a channel's number, 0 when it was refused for want of room. */
static uint32_t answered(struct fake_conn *c)
{
	const struct sent *s = fake_conn_next(c, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS);

	if (s)
		return s->body.open_extended_mining_channel_success.channel_id;
	s = fake_conn_next(c, ADIT_SV2_OPEN_MINING_CHANNEL_ERROR);
	ck_assert_msg(s != NULL, "no answer");
	ck_assert(sent_text_is(&s->body.open_mining_channel_error.error_code,
			       "channel-capacity-exhausted"));
	return 0;
}

static struct mining_conn *state(struct fake_conn *c)
{
	return c->user;
}

static bool has_channel(void *user)
{
	return state(user)->count > 0;
}

static bool none_waits(void *user)
{
	return ((struct bench *)user)->pool->mining.opens.count == 0;
}

/* Until the next second, which comes when the loop runs, all requests wait: as with shares near
 * max_total_share_rate. */
#define BUSY                                                                                       \
	{                                                                                          \
		"max_total_share_rate", "1000000"                                                  \
	}

static void make_busy(struct bench *b)
{
	b->pool->mining.shares_second = 1000000;
}

/* --- channels ----------------------------------------------------------------------------------
 */

/* What is past the rate waits, and connections take turns: the second does not wait for all of the
 * first one's. */
START_TEST(opens_wait_in_turns)
{
	static const struct fake_option slow[] = {{"open_rate", "1"}, BUSY, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c[2];

	bench_ready(&b, slow, NBITS_HARD);
	c[0] = connect_miner(&b, 1, 0);
	c[1] = connect_miner(&b, 2, 0);
	make_busy(&b);
	for (int i = 0; i < 6; i++)
		ask(&b, c[0]);
	ask(&b, c[1]);
	ck_assert_uint_eq(b.pool->mining.opens.count, 7);
	ck_assert(fake_host_wait(b.host, has_channel, c[1], WAIT_MS));
	ck_assert_uint_ge(state(c[0])->open_count, 4); /* one at a time */
	fake_host_set_config(b.host, "open_rate", "1000");
	ck_assert_int_eq(fake_host_reload(b.host), ADIT_OK);
	ck_assert(fake_host_wait(b.host, none_waits, &b, WAIT_MS));
	for (uint32_t i = 0; i < 6; i++) /* in order, each with work */
		ck_assert_uint_eq(answered(c[0]), CHANNEL_FIRST + i);
	ck_assert_uint_ne(answered(c[1]), 0);
	ck_assert_ptr_nonnull(fake_conn_next(c[1], ADIT_SV2_NEW_EXTENDED_MINING_JOB));
	ck_assert_int_eq(limit(&b, "opens_delayed"), 7);
	ck_assert_int_eq(limit(&b, "opens_waiting"), 0);
	leave(&b, c[0]);
	leave(&b, c[1]);
	bench_end(&b);
}
END_TEST

START_TEST(pending_opens_are_bounded)
{
	static const struct fake_option few[] = {BUSY, {"max_pending_opens", "1"}, {NULL, NULL}};
	static const struct adit_u256 zero;
	struct bench b;
	struct fake_conn *c;

	bench_ready(&b, few, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	make_busy(&b);
	ask(&b, c);
	ask(&b, c);
	ck_assert_uint_eq(answered(c), 0);
	/* What is wrong in any case need not wait for its answer. */
	send_open(&b, c, true, 0, &zero, 0);
	ck_assert(sent_text_is(&fake_conn_next(c, ADIT_SV2_OPEN_MINING_CHANNEL_ERROR)
				    ->body.open_mining_channel_error.error_code,
			       "max-target-out-of-range"));
	ck_assert(fake_host_wait(b.host, none_waits, &b, WAIT_MS));
	ck_assert_uint_ne(answered(c), 0);
	ck_assert_int_eq(limit(&b, "refused_pending_opens"), 1);
	ck_assert(!c->closed);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* Those that wait count. */
START_TEST(channels_of_a_connection)
{
	static const struct fake_option few[] = {BUSY, {"max_channels", "2"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c;

	bench_ready(&b, few, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	ask(&b, c);
	ck_assert_uint_ne(answered(c), 0);
	make_busy(&b);
	ask(&b, c);
	ask(&b, c);
	ck_assert_uint_eq(answered(c), 0);
	ck_assert_int_eq(limit(&b, "refused_channels"), 1);
	ck_assert(fake_host_wait(b.host, none_waits, &b, WAIT_MS));
	ck_assert_uint_ne(answered(c), 0);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(channels_of_all)
{
	static const struct fake_option few[] = {{"max_total_channels", "2"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c[2];
	struct miner m;

	bench_ready(&b, few, NBITS_HARD);
	c[0] = connect_miner(&b, 1, 0);
	c[1] = connect_miner(&b, 2, 0);
	ask(&b, c[0]);
	m = open_miner(&b, c[1], true);
	ask(&b, c[1]);
	ck_assert_uint_eq(answered(c[1]), 0);
	ck_assert_int_eq(limit(&b, "refused_total_channels"), 1);
	/* The others mine, and the place of one that leaves is taken. */
	solve(&m, m.target, true);
	expect_accepted(&m);
	leave(&b, c[0]);
	ask(&b, c[1]);
	ck_assert_uint_ne(answered(c[1]), 0);
	leave(&b, c[1]);
	bench_end(&b);
}
END_TEST

START_TEST(no_room_for_payouts)
{
	static const struct fake_option few[] = {{"max_payouts", "1"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c;

	bench_ready(&b, few, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	b.user = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
	ask(&b, c);
	ck_assert_uint_ne(answered(c), 0);
	b.user = "sri/donate/5/bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080/w";
	ask(&b, c);
	ck_assert_uint_eq(answered(c), 0);
	ck_assert_int_eq(limit(&b, "refused_room"), 1);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* Who leaves while it waits takes nothing with it; a reload lets all of them in; a stop, none. */
START_TEST(waiting_ends)
{
	static const struct fake_option slow[] = {BUSY, {"open_rate", "1"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c[3];

	bench_ready(&b, slow, NBITS_HARD);
	make_busy(&b);
	for (uint32_t i = 0; i < 3; i++) {
		c[i] = connect_miner(&b, i + 1, 0);
		for (int k = 0; k < 20; k++)
			ask(&b, c[i]);
	}
	ck_assert_uint_eq(b.pool->mining.opens.count, 60);
	leave(&b, c[1]);
	ck_assert_uint_eq(b.pool->mining.opens.count, 40);
	fake_host_set_config(b.host, "open_rate", "0");
	ck_assert_int_eq(fake_host_reload(b.host), ADIT_OK);
	ck_assert(fake_host_wait(b.host, none_waits, &b, WAIT_MS));
	ck_assert_uint_eq(state(c[0])->count, 20);
	ck_assert_uint_eq(state(c[2])->count, 20);
	make_busy(&b);
	ask(&b, c[0]);
	ask(&b, c[2]);
	leave(&b, c[2]);
	ck_assert_uint_eq(b.pool->mining.opens.count, 1);
	fake_conn_skip(c[0]);
	bench_stop(&b);
	ck_assert_uint_eq(fake_conn_count(c[0], ADIT_SV2_RECONNECT), 1);
	ck_assert_uint_eq(fake_conn_count(c[0], ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS), 0);
	fake_conn_free(c[0]);
	bench_free(&b);
}
END_TEST

/* --- shares ------------------------------------------------------------------------------------
 */

static void share(struct miner *m)
{
	solve(m, m->target, true);
	expect_accepted(m);
}

static bool next_second(void *user)
{
	const struct pool *pool = user;

	return pool->mining.shares_second == 0;
}

START_TEST(shares_of_a_connection)
{
	static const struct fake_option few[] = {{"max_share_rate", "3"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c[2];
	struct miner m[2];

	bench_ready(&b, few, NBITS_HARD);
	for (uint32_t i = 0; i < 2; i++) {
		c[i] = connect_miner(&b, i + 1, 0);
		m[i] = open_miner(&b, c[i], i == 0);
	}
	for (int i = 0; i < 3; i++)
		share(&m[0]);
	solve(&m[0], m[0].target, true);
	expect_refused(&m[0], "share-rate-exceeded");
	/* What is wrong with a share is told as ever, and others are not concerned. */
	solve(&m[0], m[0].target, false);
	expect_refused(&m[0], "difficulty-too-low");
	share(&m[1]);
	ck_assert_int_eq(limit(&b, "refused_share_rate"), 1);
	ck_assert(fake_host_wait(b.host, next_second, b.pool, WAIT_MS));
	share(&m[0]);
	/* A flood is closed. */
	for (int i = 0; i < 1003 && !c[0]->closed; i++) {
		solve(&m[0], m[0].target, true);
		submit(&m[0]);
	}
	ck_assert(c[0]->closed);
	ck_assert_int_eq(limit(&b, "closed_rubbish"), 1);
	ck_assert(!c[1]->closed);
	leave(&b, c[0]);
	leave(&b, c[1]);
	bench_end(&b);
}
END_TEST

START_TEST(blocks_are_never_refused)
{
	static const struct fake_option few[] = {
	    {"max_share_rate", "1"}, {"max_total_share_rate", "1"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c;
	struct miner m;

	bench_ready(&b, few, NBITS_EASY);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	for (int i = 0; i < 5; i++)
		share(&m);
	ck_assert_uint_eq(b.pool->mining.stats.blocks_found, 5);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* New channels wait before shares are refused; nobody is closed for the load that all make. */
START_TEST(shares_of_all)
{
	static const struct fake_option few[] = {{"max_total_share_rate", "8"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c[3];
	struct miner m[2];

	bench_ready(&b, few, NBITS_HARD);
	for (uint32_t i = 0; i < 3; i++)
		c[i] = connect_miner(&b, i + 1, 0);
	m[0] = open_miner(&b, c[0], true);
	m[1] = open_miner(&b, c[1], false);
	for (int i = 0; i < 6; i++)
		share(&m[i % 2]);
	ask(&b, c[2]);
	ck_assert_uint_eq(b.pool->mining.opens.count, 1);
	share(&m[0]);
	share(&m[1]);
	for (int i = 0; i < 1200; i++) {
		solve(&m[0], m[0].target, true);
		submit(&m[0]);
	}
	solve(&m[1], m[1].target, true);
	expect_refused(&m[1], "pool-overloaded");
	ck_assert(!c[0]->closed);
	ck_assert_int_eq(limit(&b, "refused_total_share_rate"), 1201);
	ck_assert(fake_host_wait(b.host, has_channel, c[2], WAIT_MS));
	ck_assert_uint_ne(answered(c[2]), 0);
	ck_assert(fake_host_wait(b.host, next_second, b.pool, WAIT_MS));
	share(&m[1]);
	for (int i = 0; i < 3; i++)
		leave(&b, c[i]);
	bench_end(&b);
}
END_TEST

/* A difficulty that an administrator fixed is no way to fill the table of duplicates. */
START_TEST(table_before_fixed_difficulty)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	struct channel *channel;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 7, 0);
	m = open_miner(&b, c, false);
	channel = channel_find(c->user, m.channel);
	fake_reply_free(fake_host_call(
	    b.host, "set_difficulty", "{\"channel\":\"7/2\",\"difficulty\":0.000000002}", NULL, 0));
	ck_assert_double_gt(channel->vardiff.fixed_work, 0);
	take_job(&m);
	channel->tip_number = b.pool->mining.tip_number;
	channel->tip_shares = (uint32_t)(b.pool->mining.duplicates.limit / 16);
	memcpy(m.target, channel->target, 32);
	share(&m);
	ck_assert_double_eq(channel->vardiff.fixed_work, 0);
	ck_assert_int_eq(limit(&b, "slowed_channels"), 1);
	channel->tip_shares = (uint32_t)(b.pool->mining.duplicates.limit / 4);
	solve(&m, m.target, true);
	submit(&m);
	batch_end(&m);
	ck_assert_ptr_null(channel_find(c->user, m.channel));
	ck_assert_int_eq(limit(&b, "closed_channels"), 1);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* A connection without a channel, five minutes on. */
static bool is_closed(void *user)
{
	return ((struct fake_conn *)user)->closed;
}

START_TEST(unused_connections)
{
	struct bench b;
	struct fake_conn *c[2];

	bench_ready(&b, NULL, NBITS_HARD);
	c[0] = connect_miner(&b, 1, 0);
	c[1] = connect_miner(&b, 2, 0);
	open_miner(&b, c[1], true);
	for (int i = 0; i < 2; i++)
		state(c[i])->opened_ms -= 300001;
	ck_assert(fake_host_wait(b.host, is_closed, c[0], WAIT_MS));
	ck_assert(!c[1]->closed);
	ck_assert_int_eq(limit(&b, "closed_unused"), 1);
	leave(&b, c[0]);
	leave(&b, c[1]);
	bench_end(&b);
}
END_TEST

/* Nothing is logged for what peers may repeat. */
START_TEST(limits_are_not_logged)
{
	static const struct fake_option few[] = {
	    BUSY, {"max_pending_opens", "0"}, {"max_share_rate", "1"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c;
	struct miner m;

	bench_ready(&b, few, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	share(&m);
	make_busy(&b);
	for (int i = 0; i < 10; i++) {
		ask(&b, c);
		ck_assert_uint_eq(answered(c), 0);
		solve(&m, m.target, true);
		expect_refused(&m, "share-rate-exceeded");
	}
	ck_assert(!fake_host_logged(b.host, "capacity"));
	ck_assert(!fake_host_logged(b.host, "exceeded"));
	leave(&b, c);
	bench_end(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pool-limits");
	TCase *c = tcase_create("limits");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(c, 180);
	tcase_add_test(c, opens_wait_in_turns);
	tcase_add_test(c, pending_opens_are_bounded);
	tcase_add_test(c, channels_of_a_connection);
	tcase_add_test(c, channels_of_all);
	tcase_add_test(c, no_room_for_payouts);
	tcase_add_test(c, waiting_ends);
	tcase_add_test(c, shares_of_a_connection);
	tcase_add_test(c, blocks_are_never_refused);
	tcase_add_test(c, shares_of_all);
	tcase_add_test(c, table_before_fixed_difficulty);
	tcase_add_test(c, unused_connections);
	tcase_add_test(c, limits_are_not_logged);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
