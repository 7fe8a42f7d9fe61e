/* SPDX-License-Identifier: MIT */
/*
 * A pool on template providers of other machines: the one of a second aditd, over TCP and Noise,
 * that dies and comes back; and some that do everything wrong, beside the pool's own.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/functional/fake_tdp.h"
#include "tests/functional/harness.h"

/* The pool's own chain is slow, the other one's fast: it stays ahead when it was away. */
#define HARD_NBITS "1f00ffff"
#define EASY_NBITS "1f7fffff"
#define POOL_KEYS                                                                                  \
	"shares_per_minute = 600\nmin_difficulty = 0.0000003\nprovider_patience = 200ms\n"         \
	"provider_return = 200ms\n"
#define HASHRATE 20000
#define WAIT_MS 120000
#define AHEAD 60 /* blocks: minutes of the slow chain */

/* --- two daemons -------------------------------------------------------------------------------
 */

enum which { POOL, OTHER, DAEMONS };

static struct harness daemons[DAEMONS];
static enum which present;

static void with(enum which next)
{
	daemons[present] = harness;
	present = next;
	harness = daemons[next];
}

static void two_setup(void)
{
	present = OTHER;
	harness_setup();
	harness.beside = true; /* the pool's aditd is there when this one ends */
	with(POOL);
	harness_setup();
}

static void two_teardown(void)
{
	with(OTHER);
	harness_teardown();
	with(POOL);
	harness_teardown();
}

static void read_line(const char *path, char *out, size_t capacity)
{
	FILE *f = fopen(path, "r");

	must(f != NULL && fgets(out, (int)capacity, f) != NULL, "%s can't be read", path);
	fclose(f);
	out[strcspn(out, "\n")] = '\0';
}

/* The other daemon, whose template provider is there for others; OUT gets what a pool writes into
 * its configuration. */
static void start_other(char *out, size_t capacity)
{
	char listen[32], path[160], key[NOISE_KEY_TEXT_SIZE];

	snprintf(listen, sizeof(listen), "127.0.0.1:%u", harness_free_port());
	harness.tp_listen = listen;
	harness_configure_pool(EASY_NBITS, POOL_KEYS);
	harness.tp_listen = NULL;
	harness_start();
	harness_wait_running();
	snprintf(path, sizeof(path), "%s/state/template-provider/authority.pub", harness.directory);
	read_line(path, key, sizeof(key));
	snprintf(out, capacity, "%s %s, ", listen, key);
}

/* --- what the pool says of its providers ---------------------------------------------------------
 */

struct seen {
	char state[16];
	char reason[200];
	char fault[200];
};

static void look(size_t index, struct seen *out)
{
	struct json_object *status = harness_status();
	struct json_object *p = json_element(
	    json_array_member(harness_said(status, "pool"), "template_providers"), index);

	snprintf(out->state, sizeof(out->state), "%s", json_text(p, "state", ""));
	snprintf(out->reason, sizeof(out->reason), "%s", json_text(p, "reason", ""));
	snprintf(out->fault, sizeof(out->fault), "%s", json_text(p, "fault", ""));
	json_object_put(status);
}

/* A state ("": any) and a part of reason or fault (""; any). */
struct expected {
	size_t index;
	const char *state;
	const char *text;
	struct seen seen;
};

static bool is_as_expected(void *user)
{
	struct expected *x = user;

	look(x->index, &x->seen);
	if (x->state[0] != '\0' && strcmp(x->state, x->seen.state) != 0)
		return false;
	return strstr(x->seen.reason, x->text) != NULL || strstr(x->seen.fault, x->text) != NULL;
}

static void wait_provider(size_t index, const char *state, const char *text)
{
	struct expected x = {.index = index, .state = state, .text = text};
	char what[200];

	snprintf(what, sizeof(what), "template provider %zu is \"%s\" with \"%s\"", index, state,
		 text);
	harness_wait(WAIT_MS, is_as_expected, &x, what);
}

/* So many blocks more than FROM are accepted by the present daemon's node. */
static int64_t accepted(void)
{
	return harness_number("template-provider", "accepted");
}

static void wait_accepted(int64_t more)
{
	int64_t before = accepted();

	harness_wait_number("template-provider", "accepted", (before > 0 ? before : 0) + more,
			    WAIT_MS);
}

/* --- the tests ---------------------------------------------------------------------------------
 */

START_TEST(the_other_one_dies_and_comes_back)
{
	char providers[200];
	int64_t mine;

	with(OTHER);
	start_other(providers, sizeof(providers));
	with(POOL);
	harness.providers = providers;
	harness_configure_pool(HARD_NBITS, POOL_KEYS);
	harness.providers = NULL;
	harness_configure_miner("one", "extended", HASHRATE);
	harness_configure_miner("two", "standard", HASHRATE);
	harness_start();
	harness_wait_running();
	wait_provider(0, "active", "");

	with(OTHER); /* has no miner: these are the pool's */
	harness_wait_number("template-provider", "accepted", AHEAD, WAIT_MS);
	must(harness_number("template-provider", "remote_clients") == 1, "not over TCP");
	harness_kill("template-provider");
	harness_wait_number("template-provider", "accepted", 2, WAIT_MS); /* counted anew */
	harness_stop();

	with(POOL);
	wait_provider(0, "away", "");
	wait_provider(1, "active", "");
	wait_accepted(1);
	must(harness_number("node", "height") >= 1, "no block in the pool's own chain");
	mine = accepted();

	with(OTHER);
	harness_start();
	harness_wait_running();
	harness_wait_number("template-provider", "accepted", 2, WAIT_MS);
	with(POOL);
	wait_provider(0, "active", "");
	must(accepted() >= mine, "the pool's own template provider was restarted");
	with(OTHER);
	harness_stop();
	with(POOL);
	harness_stop();
}
END_TEST

/* --- providers that do wrong -------------------------------------------------------------------
 */

#define FAKES_MAX 7

static struct fake_tdp fakes[FAKES_MAX];
static size_t fake_count;

static void fakes_setup(void)
{
	memset(fakes, 0, sizeof(fakes));
	fake_count = 0;
	harness_setup();
}

static void fakes_teardown(void)
{
	for (size_t i = 0; i < fake_count; i++)
		fake_tdp_stop(&fakes[i]);
	harness_teardown();
}

/* A pool that prefers FAULTS, COUNT of them, to its own template provider, and a miner. */
static void start_with(const enum fake_tdp_fault *faults, size_t count)
{
	char list[FAKES_MAX * 100] = "";

	for (size_t i = 0; i < count; i++) {
		fake_tdp_start(&fakes[i], faults[i], 0x1f00ffff);
		fake_count++;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "127.0.0.1:%u %s, ",
			 fakes[i].port, fakes[i].key);
	}
	harness.providers = list;
	harness_configure_pool(HARD_NBITS, POOL_KEYS);
	harness.providers = NULL;
	harness_configure_miner("one", "extended", HASHRATE * 5);
	harness_start();
	harness_wait_running();
}

/* The pool is what it was, and blocks come. */
static void expect_mining(pid_t pool)
{
	wait_accepted(2);
	must(harness_pid("pool") == pool, "the pool was restarted");
	must(!harness_log_has("can't be encoded"), "a job could not be sent");
}

static void stop_all(void)
{
	for (size_t i = 0; i < fake_count; i++)
		fake_tdp_stop(&fakes[i]);
	fake_count = 0;
	harness_stop();
}

/* None of these comes as far as a template that can be mined. */
START_TEST(nothing_to_mine)
{
	static const enum fake_tdp_fault faults[] = {
	    FAKE_SILENT, FAKE_NOISE,           FAKE_HANGS_UP,    FAKE_OTHER_KEY,
	    FAKE_MUTE,   FAKE_NEVER_ACTIVATED, FAKE_HUGE_OUTPUTS};
	pid_t pool;

	start_with(faults, 7);
	pool = harness_pid("pool");
	wait_provider(7, "active", "");
	wait_accepted(1);
	wait_provider(0, "away", "time");
	wait_provider(1, "away", "another Noise protocol");
	wait_provider(2, "away", "peer");
	wait_provider(3, "away", "authority");
	wait_provider(4, "waiting", "");
	wait_provider(5, "waiting", "");
	wait_provider(6, "refused", "leave no room");
	expect_mining(pool);
	stop_all();
}
END_TEST

/* These break the protocol once they are set up. */
START_TEST(protocol_is_broken)
{
	static const enum fake_tdp_fault faults[] = {FAKE_GARBAGE, FAKE_UNKNOWN_TIP};
	pid_t pool;

	start_with(faults, 2);
	pool = harness_pid("pool");
	wait_provider(2, "active", "");
	wait_provider(0, "", "malformed NewTemplate");
	wait_provider(1, "", "SetNewPrevHash for unknown template");
	expect_mining(pool);
	stop_all();
}
END_TEST

/* One provider whose blocks come to nothing, which is noticed. */
static void get_stuck(enum fake_tdp_fault fault)
{
	pid_t pool;

	start_with(&fault, 1);
	pool = harness_pid("pool");
	wait_provider(0, "stuck", "it was sent a block");
	wait_provider(1, "active", "");
	expect_mining(pool);
}

/* Believed for as long as its height is the greatest. In the end it is as low as the own chain's,
 * and nothing comes of a block that is found for it; then that chain leaves it behind. */
START_TEST(heights_that_fall)
{
	get_stuck(FAKE_FALLING);
	stop_all();
}
END_TEST

/* Its work looks good, but no block of it ever becomes a tip. */
START_TEST(blocks_that_vanish)
{
	get_stuck(FAKE_WRONG_PATH);
	must(harness_number("pool", "blocks_found") >= 1, "no block was found");
	stop_all();
}
END_TEST

START_TEST(templates_without_end)
{
	static const enum fake_tdp_fault faults[] = {FAKE_FLOOD};
	pid_t pool;

	start_with(faults, 1);
	pool = harness_pid("pool");
	wait_provider(0, "", "templates in 10 seconds");
	fake_tdp_stop(&fakes[0]);
	wait_provider(1, "active", "");
	expect_mining(pool);
	stop_all();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("foreign template providers");
	TCase *two = tcase_create("another aditd");
	TCase *fake = tcase_create("providers that do wrong");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(two, two_setup, two_teardown);
	tcase_set_timeout(two, HARNESS_TEST_S);
	tcase_add_test(two, the_other_one_dies_and_comes_back);
	suite_add_tcase(suite, two);
	tcase_add_checked_fixture(fake, fakes_setup, fakes_teardown);
	tcase_set_timeout(fake, HARNESS_TEST_S);
	tcase_add_test(fake, nothing_to_mine);
	tcase_add_test(fake, protocol_is_broken);
	tcase_add_test(fake, heights_that_fall);
	tcase_add_test(fake, blocks_that_vanish);
	tcase_add_test(fake, templates_without_end);
	suite_add_tcase(suite, fake);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
