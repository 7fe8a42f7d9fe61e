/* SPDX-License-Identifier: MIT */
/*
 * The slice from end to end: CPU miners connect through Noise, the pool takes their shares, found
 * blocks go through the template provider into the embedded chain, and everybody tells the same
 * numbers.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/functional/harness.h"

#define BLOCKS 5
#define BLOCKS_MS HARNESS_WAIT_MS

/* About 65,000 hashes a block and 4,300 a share. */
#define NBITS "1f00ffff"
#define POOL_KEYS "shares_per_minute = 600\nmin_difficulty = 0.000001\n"
#define HASHRATE 100000

static void start(const char *channel)
{
	harness_configure_pool(NBITS, POOL_KEYS);
	harness_configure_miner("one", channel, HASHRATE);
	harness_start();
	harness_wait_running();
}

/* What different roles say of the same thing, in one status. A miner may find a second block on a
 * tip before it hears of the first one: that one the node refuses, and all have to agree on this
 * too. */
static bool numbers_agree(void *user)
{
	struct json_object *status = harness_status();
	struct json_object *node = harness_said(status, "node");
	struct json_object *pool = harness_said(status, "pool");
	struct json_object *provider = harness_said(status, "template-provider");
	struct json_object *miner = harness_said(status, "cpu-miner@one");
	int64_t blocks = json_integer(node, "blocks_accepted", -1);
	int64_t refused = json_integer(node, "blocks_rejected", -1);
	int64_t shares = json_integer(pool, "shares_accepted", -2);
	bool agree;

	(void)user;
	agree =
	    blocks > 0 && json_integer(node, "height", -1) == blocks &&
	    json_integer(pool, "blocks_found", -1) == blocks + refused &&
	    json_integer(provider, "accepted", -1) == blocks &&
	    json_integer(provider, "rejected", -1) == refused &&
	    json_integer(miner, "shares_accepted", -1) == shares &&
	    json_integer(miner, "shares_rejected", -1) == json_integer(pool, "shares_rejected", -2);
	json_object_put(status);
	return agree;
}

START_TEST(blocks_are_found_through_noise)
{
	static const char *const channels[] = {"standard", "extended"};
	struct json_object *status, *miner;
	int64_t blocks;

	start(channels[_i]);
	harness_wait_number("node", "blocks_accepted", BLOCKS, BLOCKS_MS);
	harness_wait(HARNESS_WAIT_MS, numbers_agree, NULL, "all roles tell the same numbers");
	status = harness_status();
	blocks = json_integer(harness_said(status, "node"), "blocks_accepted", -1);
	miner = json_element(json_array_member(harness_said(status, "pool"), "miners"), 0);
	ck_assert_str_eq(json_text(miner, "kind", ""), channels[_i]);
	ck_assert_str_eq(json_text(miner, "user", ""), "one");
	ck_assert_int_gt(json_integer(miner, "accepted", -1), 0);
	ck_assert_int_ge(blocks, BLOCKS);
	json_object_put(status);
	harness_stop();
	must(!harness_log_has(" error "), "an error was logged");
}
END_TEST

/* The entry of USER in the pool's list, as it says accepted shares; -1: not there. */
static int64_t accepted_of(struct json_object *pool, const char *user)
{
	struct json_object *miners = json_array_member(pool, "miners");

	for (size_t i = 0; i < json_count(miners); i++)
		if (strcmp(json_text(json_element(miners, i), "user", ""), user) == 0)
			return json_integer(json_element(miners, i), "accepted", -1);
	return -1;
}

static bool both_have_shares(void *user)
{
	struct json_object *status = harness_status();
	struct json_object *pool = harness_said(status, "pool");
	bool both = accepted_of(pool, "one") >= 5 && accepted_of(pool, "two") >= 5;

	(void)user;
	json_object_put(status);
	return both;
}

/* Runs aditctl with ARGUMENTS; its output goes to the file OUT in the test's directory. */
static int run(const char *arguments, const char *out)
{
	char line[640];
	int status;

	snprintf(line, sizeof(line), "%s -s %s %s >%s/%s 2>&1", ADITCTL, harness.socket, arguments,
		 harness.directory, out);
	status = system(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int lines_with(const char *out, const char *needle)
{
	char path[128], line[1024];
	int count = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", harness.directory, out);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		count += strstr(line, needle) != NULL;
	if (f != NULL)
		fclose(f);
	return count;
}

/* For each block that `watch` wrote to the file OUT: the pool's log tells of the same hash and
 * channel. */
static int blocks_as_logged(const char *out)
{
	char path[128], line[1024], hash[80], channel[80], logged[256];
	int count = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", harness.directory, out);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "block %*d %79s channel %79s", hash, channel) != 2)
			continue;
		snprintf(logged, sizeof(logged), "%s, by %s ", hash, channel);
		harness_wait_log(logged);
		count++;
	}
	if (f != NULL)
		fclose(f);
	return count;
}

START_TEST(two_miners_and_aditctl)
{
	harness_configure_pool(NBITS, POOL_KEYS);
	harness_configure_miner("one", "standard", HASHRATE);
	harness_configure_miner("two", "extended", HASHRATE);
	harness_start();
	harness_wait_running();
	harness_wait(HARNESS_WAIT_MS, both_have_shares, NULL, "both miners have shares");
	ck_assert_int_eq(run("watch --blocks 3", "watch"), 0);
	ck_assert_int_eq(lines_with("watch", "block "), 3);
	ck_assert_int_eq(lines_with("watch", "channel pool.1/"), 3);
	ck_assert_int_eq(blocks_as_logged("watch"), 3);
	ck_assert_int_eq(run("status", "status"), 0);
	ck_assert_int_eq(lines_with("status", "standard"), 1);
	ck_assert_int_eq(lines_with("status", "extended"), 1);
	ck_assert_int_eq(run("roles", "roles"), 0);
	/* its row, its rights, pool needs it, and so may others that are installed */
	ck_assert_int_ge(lines_with("roles", "sv2-server"), 3);
	ck_assert_int_eq(run("--json events -n 2 NewBlock", "events"), 0);
	ck_assert_int_eq(lines_with("events", "\"NewBlock\""), 2);
	ck_assert_int_eq(run("call pool status", "call"), 0);
	ck_assert_int_eq(lines_with("call", "blocks_found"), 1);
	ck_assert_int_eq(run("call pool no_such_method", "call"), 1);
	ck_assert_int_eq(run("call nobody status", "call"), 1);
	ck_assert_int_eq(run("stop", "stop"), 0);
	harness_await_end();
	ck_assert_int_eq(run("status", "status"), 3);
}
END_TEST

/* Several processes serve one listener; they share neither channels nor extranonces, but the chain.
 */
START_TEST(two_workers)
{
	struct json_object *status, *workers;
	int64_t found = 0;

	harness.workers = 2;
	harness_configure_pool(NBITS, POOL_KEYS);
	harness_configure_miner("one", "standard", HASHRATE);
	harness_configure_miner("two", "extended", HASHRATE);
	harness_configure_miner("three", "standard", HASHRATE);
	harness_configure_miner("four", "extended", HASHRATE);
	harness_start();
	harness_wait_running();
	ck_assert_int_eq(run("watch --blocks 8", "watch"), 0);
	ck_assert_int_eq(blocks_as_logged("watch"), 8);
	status = harness_status();
	workers = json_array_member(harness_role(status, "pool"), "workers");
	ck_assert_uint_eq(json_count(workers), 2);
	for (size_t i = 0; i < json_count(workers); i++)
		found += json_integer(json_object_member(json_element(workers, i), "status"),
				      "blocks_found", -100);
	ck_assert_int_ge(found, 8);
	json_object_put(status);
	harness_stop();
}
END_TEST

/* What connections say: of all, of one by its channel's name; and wishes that can't be met. */
START_TEST(connections_are_traced)
{
	struct json_object *status;
	char line[128];

	/* One that is there for clients alone. */
	harness_configure("\n[sv2-server@clients]\nprocess = clients\nlisten =\n");
	start("standard");
	harness_wait_number("pool", "shares_accepted", 1, BLOCKS_MS);
	ck_assert_int_eq(run("trace -n 40 all", "all"), 0);
	ck_assert_int_eq(lines_with("all", "sv2-server.1/"), 40);
	ck_assert_int_ge(lines_with("all", "<- SubmitSharesStandard channel_id="), 1);
	ck_assert_int_ge(lines_with("all", "-> SubmitShares.Success channel_id="), 1);
	status = harness_status();
	snprintf(
	    line, sizeof(line), "--json trace -n 5 %s",
	    json_text(json_element(json_array_member(harness_said(status, "pool"), "miners"), 0),
		      "channel", ""));
	json_object_put(status);
	ck_assert_int_eq(run(line, "one"), 0);
	ck_assert_int_eq(lines_with("one", "\"Sv2Trace\""), 5);
	/* The follower has ended its trace. */
	ck_assert_int_eq(run("call sv2-server status", "call"), 0);
	ck_assert_int_ge(lines_with("call", "\"tracing\""), 1);
	ck_assert_int_eq(lines_with("call", "\"tracing\":true"), 0);
	ck_assert_int_eq(lines_with("call", "\"tracing\": true"), 0);
	ck_assert_int_eq(run("call sv2-server trace_start '{\"connection\":\"all\"}'", "call"), 0);
	ck_assert_int_eq(run("trace --off all", "off"), 0);
	ck_assert_int_eq(run("trace --off sv2-server@clients/all", "off"), 0);
	ck_assert_int_eq(run("trace sv2-server@clients/1", "none"), 1);
	ck_assert_int_eq(run("trace 99999", "none"), 1);
	ck_assert_int_eq(lines_with("none", "no connection 99999"), 1);
	ck_assert_int_eq(run("trace sv2-server.9/1", "none"), 1);
	ck_assert_int_eq(run("trace pool/", "none"), 2);
	ck_assert_int_eq(run("trace some", "none"), 2);
	harness_stop();
}
END_TEST

/* The embedded chain is kept: what was mined is there after a restart, and mining goes on above it.
 */
START_TEST(chain_survives_a_restart)
{
	int64_t height;

	start("standard");
	harness_wait_number("node", "height", 3, BLOCKS_MS);
	harness_stop();
	harness_start();
	harness_wait_running();
	height = harness_number("node", "height");
	ck_assert_int_ge(height, 3);
	harness_wait_number("node", "height", height + 2, BLOCKS_MS);
	harness_stop();
}
END_TEST

/* The same wish twice, as timeout(1) sends it to a process and to its group, is one wish. */
START_TEST(asked_twice_to_stop)
{
	start("standard");
	ck_assert_int_eq(kill(harness.pid, SIGTERM), 0);
	ck_assert_int_eq(kill(harness.pid, SIGINT), 0);
	harness_await_end();
	must(!harness_log_has("killed"), "a role was killed");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("slice");
	TCase *c = tcase_create("slice");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, harness_setup, harness_teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_loop_test(c, blocks_are_found_through_noise, 0, 2);
	tcase_add_test(c, two_miners_and_aditctl);
	tcase_add_test(c, two_workers);
	tcase_add_test(c, connections_are_traced);
	tcase_add_test(c, chain_survives_a_restart);
	tcase_add_test(c, asked_twice_to_stop);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
