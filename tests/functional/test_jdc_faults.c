/* SPDX-License-Identifier: MIT */
/*
 * jdc when its pool does wrong. There are two upstreams: the first one fails in some way and heals,
 * the second is always well. Whatever the first does, the miners' work goes to the second, comes
 * back to the first when that is well again, and no miner loses its connection.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/functional/farm.h"

static struct fake_upstream first, second;

static void setup(void)
{
	harness_setup();
	fake_upstream_start(&first, &(struct fake_options){0});
	fake_upstream_start(&second, &(struct fake_options){0});
}

static void teardown(void)
{
	fake_upstream_stop(&first);
	fake_upstream_stop(&second);
	harness_teardown();
}

static void start(const char *keys)
{
	char all[512];

	snprintf(all, sizeof(all), FARM_IMPATIENT "%s", keys);
	farm_configure(FARM_NBITS, "", all);
	farm_fake("first", &first);
	farm_fake("second", &second);
	farm_miners();
	farm_start();
	fake_upstream_wait(&first, FAKE_SHARE, 3);
}

static void finish(void)
{
	fake_upstream_check(&first);
	fake_upstream_check(&second);
	farm_check_connections();
	harness_stop();
}

/* The second has the miners' work, now that the first has done WHAT. */
static void expect_second(const char *what)
{
	fprintf(stderr, "first: %s\n", what);
	fake_upstream_wait_more(&second, FAKE_SHARE, 1);
}

static void expect_first(void)
{
	fake_upstream_wait_more(&first, FAKE_SHARE, 2);
}

/* --- what it answers ----------------------------------------------------------------------------
 */

/* A few at a time: who does wrong again is left alone for twice as long each time. */
#define GROUP 3

struct fault {
	enum fake_step step;
	enum fake_answer answer;
	const char *what;
};

/* As it works: new templates and tips come all the time. */
static const struct fault working[] = {
    {FAKE_DECLARATION, FAKE_REFUSED, "a declaration is refused"},
    {FAKE_DECLARATION, FAKE_NEVER, "a declaration is not answered"},
    {FAKE_DECLARATION, FAKE_FOREIGN, "an answer to another declaration"},
    {FAKE_CUSTOM_JOB, FAKE_REFUSED, "a custom job is refused"},
    {FAKE_CUSTOM_JOB, FAKE_NEVER, "a custom job is not answered"},
    {FAKE_CUSTOM_JOB, FAKE_FOREIGN, "an answer to another custom job"},
    {FAKE_SHARE, FAKE_REFUSED, "good shares are refused"},
    {FAKE_SHARE, FAKE_HANG_UP, "end of file instead of an answer to a share"},
    {FAKE_TOKEN, FAKE_FOREIGN, "tokens that are good for nothing"},
    {FAKE_TOKEN, FAKE_TWICE, "each token is given twice"},
    {FAKE_DECLARATION, FAKE_TWICE, "each declaration is answered twice"},
    {FAKE_CUSTOM_JOB, FAKE_TWICE, "each custom job is answered twice"},
};

START_TEST(while_it_works)
{
	start("");
	for (const struct fault *f = working + _i * GROUP; f < working + (_i + 1) * GROUP; f++) {
		fake_upstream_answer(&first, f->step, f->answer);
		expect_second(f->what);
		fake_upstream_answer(&first, f->step, FAKE_WELL);
		expect_first();
	}
	finish();
}
END_TEST

/* When it is connected to. */
static const struct fault starting[] = {
    {FAKE_SETUP, FAKE_REFUSED, "SetupConnection.Error of the pool"},
    {FAKE_JDS_SETUP, FAKE_REFUSED, "SetupConnection.Error of the declaration server"},
    {FAKE_CHANNEL, FAKE_REFUSED, "OpenMiningChannel.Error"},
    {FAKE_CHANNEL, FAKE_NEVER, "a channel is not opened"},
    {FAKE_CHANNEL, FAKE_TWICE, "a channel is opened twice"},
    {FAKE_TOKEN, FAKE_NEVER, "a token is not given"},
    {FAKE_SETUP, FAKE_HANG_UP, "end of file instead of SetupConnection.Success"},
    {FAKE_JDS_SETUP, FAKE_HANG_UP, "end of file at the declaration server"},
    {FAKE_CHANNEL, FAKE_HANG_UP, "end of file instead of a channel"},
    {FAKE_TOKEN, FAKE_HANG_UP, "end of file instead of a token"},
    {FAKE_DECLARATION, FAKE_HANG_UP, "end of file instead of an answer to a declaration"},
    {FAKE_CUSTOM_JOB, FAKE_HANG_UP, "end of file instead of a custom job"},
};

START_TEST(when_it_starts)
{
	start("");
	for (const struct fault *f = starting + _i * GROUP; f < starting + (_i + 1) * GROUP; f++) {
		uint64_t asked = fake_upstream_asked(&first, f->step);

		fake_upstream_kill(&first);
		fake_upstream_answer(&first, f->step, f->answer);
		fake_upstream_revive(&first);
		expect_second(f->what);
		fake_upstream_wait_asked(&first, f->step, asked + 1);
		expect_second("the same, tried again");
		fake_upstream_answer(&first, f->step, FAKE_WELL);
		expect_first();
	}
	finish();
}
END_TEST

/* --- what it does -------------------------------------------------------------------------------
 */

/* Connections and channels end. Who was well and is there again is taken again. */
START_TEST(it_hangs_up)
{
	static const enum fake_order orders[] = {FAKE_CLOSE_POOL, FAKE_CLOSE_JDS,
						 FAKE_CLOSE_CHANNEL};

	start("");
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		uint64_t channels = fake_upstream_asked(&first, FAKE_CHANNEL);

		fake_upstream_order(&first, orders[i]);
		fake_upstream_wait_asked(&first, FAKE_CHANNEL, channels + 1);
		expect_first();
	}
	finish();
}
END_TEST

/* It stops in the midst of all: connections stay, and nothing is said any more. */
START_TEST(it_freezes)
{
	start("");
	fake_upstream_freeze(&first, true);
	expect_second("it stops");
	fake_upstream_freeze(&first, false);
	expect_first();
	fake_upstream_kill(&first);
	expect_second("it dies");
	fake_upstream_revive(&first);
	expect_first();
	finish();
}
END_TEST

START_TEST(it_sends_elsewhere)
{
	start("");
	fake_upstream_order(&first, FAKE_RECONNECT);
	fake_upstream_wait_asked(&first, FAKE_CHANNEL, 2);
	expect_first();
	finish();
}
END_TEST

/* The miners' extranonces don't fit into what it gives. */
START_TEST(it_gives_too_short_an_extranonce)
{
	start("");
	fake_upstream_kill(&first);
	first.shared->options.rolled_size = 4;
	fake_upstream_revive(&first);
	expect_second("four bytes of extranonce");
	fake_upstream_wait_asked(&first, FAKE_CHANNEL, 2);
	expect_second("the same, tried again");
	first.shared->options.rolled_size = 16;
	expect_first();
	/* Another size that is enough. */
	fake_upstream_kill(&first);
	expect_second("it dies");
	first.shared->options.prefix_size = 6;
	fake_upstream_revive(&first);
	expect_first();
	finish();
}
END_TEST

/* Jobs of the pool's own that can be no jobs. */
START_TEST(its_jobs_do_not_match)
{
	static const enum fake_order orders[] = {FAKE_BAD_COINBASE, FAKE_BAD_PATH, FAKE_BAD_TIP};

	start("mode = proxy\n");
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		uint64_t shares = fake_upstream_answered(&second, FAKE_SHARE);

		fake_upstream_order(&first, orders[i]);
		fake_upstream_wait(&second, FAKE_SHARE, shares + 1);
		expect_first();
	}
	finish();
}
END_TEST

/* --- those that never come so far ---------------------------------------------------------------
 */

/* One whose key is another, one that is not there, one where connections never come about, and one
 * that is silent: the fifth one gets the work. */
START_TEST(four_that_are_none)
{
	struct fake_black_hole hole;
	struct fake_upstream other;
	struct farm_pool p = {.key = first.key};

	fake_upstream_start(&other, &(struct fake_options){0});
	fake_black_hole_start(&hole);
	farm_configure(FARM_NBITS, "", FARM_IMPATIENT);
	p.name = "impostor";
	p.port = other.pool_port;
	p.jds_port = other.jds_port;
	farm_pool(&p);
	p.name = "nobody";
	p.port = p.jds_port = harness_free_port();
	farm_pool(&p);
	p.name = "hole";
	p.port = p.jds_port = hole.port;
	farm_pool(&p);
	farm_fake("silent", &first);
	farm_fake("well", &second);
	farm_miners();
	fake_upstream_freeze(&first, true);
	farm_start();
	fake_upstream_wait(&second, FAKE_SHARE, 3);
	ck_assert_uint_eq(fake_upstream_asked(&other, FAKE_SETUP), 0);
	fake_upstream_freeze(&first, false);
	expect_first();
	fake_black_hole_stop(&hole);
	fake_upstream_stop(&other);
	finish();
}
END_TEST

/* All fail: solo, and no miner stands still. */
START_TEST(all_of_them)
{
	start("");
	fake_upstream_refuse(&first, FAKE_DECLARATION, "invalid-job");
	fake_upstream_kill(&second);
	(void)harness_wait_number("node", "height", harness_number("node", "height") + 2,
				  HARNESS_WAIT_MS);
	farm_wait_accepted(5);
	fake_upstream_revive(&second);
	expect_second("all failed");
	fake_upstream_answer(&first, FAKE_DECLARATION, FAKE_WELL);
	expect_first();
	finish();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jdc's faulty pools");
	TCase *c = tcase_create(PROGRAM);
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, (double)harness_limit(HARNESS_TEST_S));
	if (strcmp(PROGRAM, "working") == 0) {
		tcase_add_loop_test(c, while_it_works, 0, 2);
	} else if (strcmp(PROGRAM, "going") == 0) {
		tcase_add_loop_test(c, while_it_works, 2,
				    sizeof(working) / sizeof(working[0]) / GROUP);
		tcase_add_test(c, it_hangs_up);
		tcase_add_test(c, it_freezes);
	} else if (strcmp(PROGRAM, "starting") == 0) {
		tcase_add_loop_test(c, when_it_starts, 0, 2);
	} else if (strcmp(PROGRAM, "ending") == 0) {
		tcase_add_loop_test(c, when_it_starts, 2,
				    sizeof(starting) / sizeof(starting[0]) / GROUP);
	} else {
		tcase_add_test(c, it_sends_elsewhere);
		tcase_add_test(c, it_gives_too_short_an_extranonce);
		tcase_add_test(c, its_jobs_do_not_match);
		tcase_add_test(c, four_that_are_none);
		tcase_add_test(c, all_of_them);
	}
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
