/* SPDX-License-Identifier: MIT */
/*
 * jdc with a farm of its own and upstreams that a test plays: what each mode says to the pool, and
 * that every share and solution that reaches it is good.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/functional/farm.h"

static struct fake_upstream upstream;

static void setup_with(const struct fake_options *options)
{
	harness_setup();
	fake_upstream_start(&upstream, options);
}

static void setup(void)
{
	setup_with(&(struct fake_options){0});
}

static void setup_foreign(void)
{
	setup_with(&(struct fake_options){.no_jds = true, .no_worker_names = true});
}

static void teardown(void)
{
	fake_upstream_stop(&upstream);
	harness_teardown();
}

static void start(const char *nbits, const char *jdc_keys)
{
	farm_configure(nbits, "", jdc_keys);
	farm_fake("pool", &upstream);
	farm_miners();
	farm_start();
}

static const struct fake_records *records(void)
{
	return &upstream.shared->records;
}

static bool has_worker(const char *name)
{
	for (uint32_t i = 0; i < records()->worker_count; i++) {
		if (strcmp(records()->workers[i], name) == 0)
			return true;
	}
	return false;
}

static bool both_are_named(void *user)
{
	(void)user;
	return has_worker("one") && has_worker("two");
}

static void finish(void)
{
	fake_upstream_check(&upstream);
	farm_check_connections();
	harness_stop();
	must(!harness_log_has(" error "), "an error was logged");
}

/* --- declared -----------------------------------------------------------------------------------
 */

/* Transactions are shown, jobs follow templates and tips, blocks go both ways, and the pool learns
 * who found what. */
START_TEST(full_template)
{
	start(FARM_NBITS, "");
	fake_upstream_wait(&upstream, FAKE_CUSTOM_JOB, 1);
	fake_upstream_wait(&upstream, FAKE_SHARE, 5);
	farm_new_template(7);
	fake_upstream_wait_more(&upstream, FAKE_CUSTOM_JOB, 1);
	fake_upstream_wait(&upstream, FAKE_SOLUTION, 2);
	(void)harness_wait_number("node", "height", 2, HARNESS_WAIT_MS);
	harness_wait(HARNESS_WAIT_MS, both_are_named, NULL, "shares name their workers");
	ck_assert_str_eq(records()->user, FARM_USER);
	ck_assert_uint_eq(fake_upstream_asked(&upstream, FAKE_CHANNEL), 1);
	ck_assert_uint_ge(records()->transactions, 7);
	ck_assert_uint_gt(records()->blocks, 0);
	finish();
}
END_TEST

/* Nothing but the coinbase is shown. */
START_TEST(coinbase_only)
{
	start(FARM_NBITS, "mode = coinbase-only\n");
	fake_upstream_wait(&upstream, FAKE_SHARE, 10);
	(void)harness_wait_number("node", "height", 1, HARNESS_WAIT_MS);
	fake_upstream_wait_more(&upstream, FAKE_CUSTOM_JOB, 1);
	fake_upstream_wait_more(&upstream, FAKE_SHARE, 5);
	ck_assert_uint_eq(fake_upstream_asked(&upstream, FAKE_DECLARATION), 0);
	ck_assert_uint_eq(fake_upstream_asked(&upstream, FAKE_SOLUTION), 0);
	finish();
}
END_TEST

/* --- the pool's own jobs ------------------------------------------------------------------------
 */

static void expect_proxy(void)
{
	fake_upstream_wait(&upstream, FAKE_SHARE, 5);
	fake_upstream_order(&upstream, FAKE_NEW_TIP);
	fake_upstream_wait_more(&upstream, FAKE_SHARE, 5);
	fake_upstream_order(&upstream, FAKE_SET_PREFIX);
	fake_upstream_wait_more(&upstream, FAKE_SHARE, 5);
	fake_upstream_order(&upstream, FAKE_SET_TARGET);
	fake_upstream_order(&upstream, FAKE_NEW_TIP);
	fake_upstream_wait_more(&upstream, FAKE_SHARE, 5);
	ck_assert_uint_eq(fake_upstream_asked(&upstream, FAKE_CUSTOM_JOB), 0);
	ck_assert_uint_eq(fake_upstream_asked(&upstream, FAKE_CHANNEL), 1);
	ck_assert_int_eq(harness_number("node", "height"), 0);
}

START_TEST(proxy)
{
	start(FARM_NO_BLOCKS, "mode = proxy\n");
	expect_proxy();
	ck_assert_uint_eq(fake_upstream_asked(&upstream, FAKE_TOKEN), 0);
	finish();
}
END_TEST

/* A pool of others: no job declaration, no work selection, no names of workers. */
START_TEST(without_a_declaration_server)
{
	start(FARM_NO_BLOCKS, "");
	expect_proxy();
	ck_assert_uint_eq(records()->worker_count, 0);
	finish();
}
END_TEST

/* --- while it works -----------------------------------------------------------------------------
 */

/* The channel changes under declared jobs, too. */
START_TEST(the_channel_changes)
{
	start(FARM_NBITS, "");
	fake_upstream_wait(&upstream, FAKE_SHARE, 5);
	fake_upstream_order(&upstream, FAKE_SET_TARGET);
	farm_new_template(3);
	fake_upstream_wait_more(&upstream, FAKE_CUSTOM_JOB, 2);
	fake_upstream_wait_more(&upstream, FAKE_SHARE, 5);
	fake_upstream_order(&upstream, FAKE_SET_PREFIX);
	farm_new_template(3);
	fake_upstream_wait_more(&upstream, FAKE_CUSTOM_JOB, 2);
	fake_upstream_wait_more(&upstream, FAKE_SHARE, 5);
	ck_assert_uint_eq(fake_upstream_asked(&upstream, FAKE_SETUP), 1);
	finish();
}
END_TEST

static void answer_late(const char *nbits, uint32_t late_ms)
{
	static const enum fake_step steps[] = {FAKE_CHANNEL, FAKE_TOKEN, FAKE_DECLARATION,
					       FAKE_CUSTOM_JOB, FAKE_SHARE};

	farm_configure(nbits, "", "answer_timeout = 60s\n");
	farm_fake("pool", &upstream);
	farm_miners();
	upstream.shared->orders.late_ms = late_ms;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		fake_upstream_answer(&upstream, steps[i], FAKE_LATE);
	farm_start();
}

/* Answers that come late are no fault; shares found before wait for them. */
START_TEST(late_answers)
{
	uint64_t jobs;

	answer_late(FARM_NO_BLOCKS, 300);
	fake_upstream_wait(&upstream, FAKE_SHARE, 5);
	jobs = fake_upstream_answered(&upstream, FAKE_CUSTOM_JOB);
	farm_new_template(3);
	fake_upstream_wait(&upstream, FAKE_CUSTOM_JOB, jobs + 1);
	fake_upstream_wait_more(&upstream, FAKE_SHARE, 5);
	ck_assert_uint_eq(fake_upstream_asked(&upstream, FAKE_SETUP), 1);
	finish();
}
END_TEST

/* So late that the tip is another one by then. */
START_TEST(answers_of_old_tips)
{
	answer_late(FARM_NBITS, 400);
	fake_upstream_wait(&upstream, FAKE_DECLARATION, 3);
	(void)harness_wait_number("node", "height", harness_number("node", "height") + 3,
				  HARNESS_WAIT_MS);
	fake_upstream_wait_more(&upstream, FAKE_DECLARATION, 2);
	ck_assert_uint_eq(fake_upstream_asked(&upstream, FAKE_SETUP), 1);
	finish();
}
END_TEST

/* At a moment at which hardly one is on its way. */
static bool has_the_shares(void *user)
{
	uint64_t solutions = fake_upstream_asked(&upstream, FAKE_SOLUTION);

	(void)user;
	return solutions >= 8 && records()->blocks + 1 >= solutions;
}

/* Blocks that are found before the pool knows their job: its declaration server has them, and the
 * pool their shares, although they are the tip of the farm's own node at once. */
START_TEST(blocks_before_the_answer)
{
	answer_late(FARM_NBITS, 300);
	fake_upstream_answer(&upstream, FAKE_CHANNEL, FAKE_WELL);
	fake_upstream_answer(&upstream, FAKE_TOKEN, FAKE_WELL);
	harness_wait(HARNESS_WAIT_MS, has_the_shares, NULL,
		     "the pool has the shares of all blocks");
	finish();
}
END_TEST

/* Says nothing for longer than an answer may take, and has nothing to answer. */
START_TEST(silent_but_healthy)
{
	farm_configure(FARM_NO_BLOCKS, "", "mode = proxy\nanswer_timeout = 3s\n");
	farm_fake("pool", &upstream);
	harness_configure_miner("one", "standard", 1);
	farm_start();
	fake_upstream_wait(&upstream, FAKE_CHANNEL, 1);
	for (int i = 0; i < 40; i++)
		usleep(100000);
	ck_assert_uint_eq(fake_upstream_asked(&upstream, FAKE_SETUP), 1);
	ck_assert_uint_eq(records()->pool_connections, 1);
	fake_upstream_check(&upstream);
	harness_stop();
}
END_TEST

/* --- without a pool -----------------------------------------------------------------------------
 */

START_TEST(solo)
{
	farm_configure(FARM_NBITS, "", "mode = solo\n");
	farm_miners();
	farm_start();
	(void)harness_wait_number("node", "height", 2, HARNESS_WAIT_MS);
	farm_check_connections();
	harness_stop();
}
END_TEST

/* Nobody is there at the start: solo, until somebody is; and again. */
START_TEST(nobody_at_the_start)
{
	fake_upstream_kill(&upstream);
	start(FARM_NBITS, FARM_IMPATIENT);
	(void)harness_wait_number("node", "height", 1, HARNESS_WAIT_MS);
	fake_upstream_revive(&upstream);
	fake_upstream_wait(&upstream, FAKE_SHARE, 5);
	fake_upstream_kill(&upstream);
	(void)harness_wait_number("node", "height", harness_number("node", "height") + 2,
				  HARNESS_WAIT_MS);
	fake_upstream_revive(&upstream);
	fake_upstream_wait_more(&upstream, FAKE_SHARE, 5);
	fake_upstream_check(&upstream);
	farm_check_connections();
	harness_stop();
}
END_TEST

/* --- a pool that is ordered ---------------------------------------------------------------------
 */

/* `aditctl call jdc update_pool_config`; its exit status. */
static int order(const char *url, const char *jds_url, char **output)
{
	char arguments[800];

	snprintf(arguments, sizeof(arguments),
		 "call jdc update_pool_config '{\"pool_url\":\"%s\",\"jds_url\":\"%s\","
		 "\"pool_user\":\"ordered.user\",\"pool_password\":\"x\"}'",
		 url, jds_url);
	return harness_aditctl(arguments, output);
}

static void url_of(const struct fake_upstream *u, uint16_t port, char out[160])
{
	snprintf(out, 160, "stratum2+tcp://127.0.0.1:%u/%s", port, u->key);
}

static void expect_refused(const char *url, const char *says)
{
	char *output;

	must(order(url, "", &output) != 0, "%s was taken", url);
	must(strstr(output, says) != NULL, "%s: %s", url, output);
	free(output);
}

/* The pool is another one at once, without a restart; one that gives no job is not kept; and not
 * every pool may be named. */
START_TEST(another_pool_is_ordered)
{
	struct fake_upstream other;
	char url[160], jds[160], nobody[32];
	uint64_t shares;
	char *output;
	pid_t pid;

	fake_upstream_start(&other, &(struct fake_options){0});
	snprintf(nobody, sizeof(nobody), "127.0.0.1:%u", harness_free_port());
	start(FARM_NBITS, FARM_IMPATIENT "rollback_after = 1s\nallow_pool = 127.0.0.1\n");
	pid = harness_pid("jdc");
	fake_upstream_wait(&upstream, FAKE_SHARE, 3);
	url_of(&other, other.pool_port, url);
	url_of(&other, other.jds_port, jds);
	expect_refused("stratum2+tcp://pool.example.com:3333/"
		       "9b1Ymibrim8vDgo7TrPTsW5cD9bThFNVQYXYq58rtEYtT5XWbJ9",
		       "allow_pool");
	expect_refused(nobody, "key");
	must(order(url, jds, &output) == 0, "not ordered: %s", output);
	free(output);
	fake_upstream_wait(&other, FAKE_SHARE, 5);
	ck_assert_str_eq(other.shared->records.user, "ordered.user");
	ck_assert_uint_ge(fake_upstream_answered(&other, FAKE_DECLARATION), 1);
	harness_wait_log("update_pool_config by");
	/* Where nobody is: back to the one before. */
	snprintf(url, sizeof(url), "stratum2+tcp://%s/%s", nobody, other.key);
	must(order(url, "", &output) == 0, "not ordered: %s", output);
	free(output);
	harness_wait_log("rolled back");
	shares = fake_upstream_answered(&other, FAKE_SHARE);
	fake_upstream_wait(&other, FAKE_SHARE, shares + 5);
	ck_assert_int_eq(harness_pid("jdc"), pid);
	farm_check_connections();
	fake_upstream_check(&upstream);
	fake_upstream_check(&other);
	harness_stop();
	fake_upstream_stop(&other);
}
END_TEST

/* --- death --------------------------------------------------------------------------------------
 */

/* kill -9 of jdc: its successor goes on, and miners come back to it. */
START_TEST(jdc_is_killed)
{
	start(FARM_NBITS, "");
	for (int i = 0; i < 2; i++) {
		fake_upstream_wait_more(&upstream, FAKE_SHARE, 5);
		(void)harness_kill("jdc");
	}
	fake_upstream_wait_more(&upstream, FAKE_SHARE, 5);
	fake_upstream_check(&upstream);
	harness_stop();
}
END_TEST

static TCase *add(Suite *s, const char *name, void (*set_up)(void))
{
	TCase *c = tcase_create(name);

	tcase_add_checked_fixture(c, set_up, teardown);
	tcase_set_timeout(c, (double)harness_limit(HARNESS_TEST_S));
	suite_add_tcase(s, c);
	return c;
}

int main(void)
{
	Suite *s = suite_create("jdc");
	TCase *c = add(s, PROGRAM, setup);
	SRunner *r;
	int failed;

	if (strcmp(PROGRAM, "modes") == 0) {
		tcase_add_test(c, full_template);
		tcase_add_test(c, coinbase_only);
		tcase_add_test(c, proxy);
		tcase_add_test(add(s, "foreign", setup_foreign), without_a_declaration_server);
		tcase_add_test(c, solo);
		tcase_add_test(c, the_channel_changes);
	} else if (strcmp(PROGRAM, "times") == 0) {
		tcase_add_test(c, late_answers);
		tcase_add_test(c, answers_of_old_tips);
		tcase_add_test(c, blocks_before_the_answer);
	} else {
		tcase_add_test(c, silent_but_healthy);
		tcase_add_test(c, nobody_at_the_start);
		tcase_add_test(c, another_pool_is_ordered);
		tcase_add_test(c, jdc_is_killed);
	}
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
