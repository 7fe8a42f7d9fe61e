/* SPDX-License-Identifier: MIT */
/*
 * The share log of a real pool with real miners and two readers: kill -9 of either end, a reader
 * that is stopped until its ring has gone round, rings that come later, rights. Whatever happens, a
 * share that a miner was told of is read, or counted as lost.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/functional/harness.h"

#define NBITS "1f00ffff"
/* one difficulty: some 40 shares a second of a miner with this rate */
#define POOL_KEYS "min_difficulty = 0.000001\nmax_difficulty = 0.000001\n"
#define HASHRATE 200000
#define WAIT_MS HARNESS_WAIT_MS

static void link_plugin(const char *folder, const char *name)
{
	static const char *const endings[] = {"so", "manifest"};

	for (size_t i = 0; i < 2; i++) {
		char from[512], to[512];

		snprintf(from, sizeof(from), "%s/%s.%s", folder, name, endings[i]);
		snprintf(to, sizeof(to), "%s/plugins/%s.%s", harness.directory, name, endings[i]);
		ck_assert_msg(access(from, R_OK) == 0, "%s is missing", from);
		ck_assert_int_eq(symlink(from, to), 0);
	}
}

static void setup(void)
{
	static const char *const shipped[] = {"sv2-server", "pool", "template-provider",
					      "cpu-miner"};
	char path[512];

	harness_setup();
	snprintf(path, sizeof(path), "%s/plugins", harness.directory);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++)
		link_plugin(ADIT_STAGE_PLUGINS, shipped[i]);
	link_plugin(ABI_PLUGINS, "share-reader");
	link_plugin(ABI_PLUGINS, "share-blind");
}

/* Host, node, templates and two readers; the first one stores how far it is. */
static void configure(const char *host_keys)
{
	harness_configure("[host]\n"
			  "state_dir = %s/state\n"
			  "run_dir = %s\n"
			  "plugin_dir = %s/plugins\n"
			  "watchdog = 10m\n"
			  "%s\n"
			  "[node]\n"
			  "backend = embedded\n"
			  "network = regtest\n"
			  "embedded_nbits = " NBITS "\n\n"
			  "[template-provider]\n"
			  "listen = unix:%s/tdp.sock\n\n"
			  "[share-reader@one]\n"
			  "keep = true\n\n"
			  "[share-reader@two]\n",
			  harness.directory, harness.directory, harness.directory, host_keys,
			  harness.directory);
}

static void configure_pool(void)
{
	harness_configure("\n[sv2-server]\n"
			  "process = mining\n"
			  "workers = %u\n"
			  "listen = 127.0.0.1:%u\n\n"
			  "[pool]\n"
			  "process = mining\n"
			  "workers = %u\n"
			  "payout = " HARNESS_ADDRESS "\n"
			  "template_provider = unix:%s/tdp.sock\n" POOL_KEYS,
			  harness.workers, harness.port, harness.workers, harness.directory);
	harness_configure_miner("alice", "standard", HASHRATE);
	harness_configure_miner("bob", "extended", HASHRATE);
}

/* Both readers keep the rules: nothing is missing that was not counted. */
static void books_are_right(void)
{
	static const char *const names[] = {"share-reader@one", "share-reader@two"};
	struct json_object *status = harness_status();

	for (size_t i = 0; i < 2; i++) {
		struct json_object *said = harness_said(status, names[i]);

		must(said != NULL, "%s does not answer", names[i]);
		must(json_truth(said, "complete", false), "%s: %s", names[i],
		     json_object_to_json_string(said));
		must(json_integer(said, "faults", -1) == 0, "%s: %s", names[i],
		     json_object_to_json_string(said));
	}
	json_object_put(status);
}

static int64_t miners_count(void)
{
	int64_t alice = harness_number("cpu-miner@alice", "shares_accepted");
	int64_t bob = harness_number("cpu-miner@bob", "shares_accepted");

	must(alice >= 0 && bob >= 0, "a miner does not answer");
	return alice + bob;
}

/* What a miner was told has been written before: a reader that looks later sees it. */
static void all_is_read(void)
{
	int64_t count = miners_count();

	harness_wait_number("share-reader@one", "accepted", count, WAIT_MS);
	harness_wait_number("share-reader@two", "accepted", count, WAIT_MS);
	must(harness_number("share-reader@one", "lost") == 0 &&
		 harness_number("share-reader@two", "lost") == 0,
	     "records were lost");
	books_are_right();
}

START_TEST(either_end_is_killed)
{
	pid_t two;

	harness.workers = 2;
	configure("");
	configure_pool();
	harness_start();
	harness_wait_running();
	harness_wait_number("share-reader@one", "accepted", 100, WAIT_MS);
	two = harness_pid("share-reader@two");
	for (int round = 0; round < 3; round++) {
		int64_t before = miners_count();

		harness_kill("pool");
		harness_wait_number("share-reader@two", "accepted", before + 100, WAIT_MS);
		harness_kill("share-reader@one");
		harness_wait_number("share-reader@one", "accepted", before + 200, WAIT_MS);
		all_is_read();
	}
	must(harness_number("share-reader@one", "blocks") > 0, "no block was read");
	must(harness_pid("share-reader@two") == two, "share-reader@two did not survive");
	harness_stop();
}
END_TEST

/* --- overflow -----------------------------------------------------------------------------------
 */

/* The entry of READER in ring PRODUCER of the status. */
static struct json_object *reader_entry(struct json_object *status, const char *producer,
					const char *reader)
{
	struct json_object *rings = json_array_member(status, "share_log");

	for (size_t i = 0; i < json_count(rings); i++) {
		struct json_object *ring = json_element(rings, i);
		struct json_object *readers = json_array_member(ring, "readers");

		if (strcmp(json_text(ring, "producer", ""), producer) != 0)
			continue;
		if (reader == NULL)
			return ring;
		for (size_t j = 0; j < json_count(readers); j++) {
			if (strcmp(json_text(json_element(readers, j), "name", ""), reader) == 0)
				return json_element(readers, j);
		}
	}
	return NULL;
}

static int64_t log_number(const char *reader, const char *key)
{
	struct json_object *status = harness_status();
	int64_t number = json_integer(reader_entry(status, "pool.1", reader), key, -1);

	json_object_put(status);
	return number;
}

static bool is_written(void *user)
{
	return log_number(NULL, "written") >= *(int64_t *)user;
}

/* The host's figures are the reader's own. */
static bool is_reported(void *user)
{
	struct json_object *status = harness_status();
	struct json_object *said = harness_said(status, "share-reader@two");
	struct json_object *entry = reader_entry(status, "pool.1", "share-reader@two.1");
	int64_t lost = json_integer(entry, "lost", -1);
	bool good = lost > 0 && lost == json_integer(said, "lost", -2) &&
		    json_integer(entry, "read", 0) > *(int64_t *)user;

	json_object_put(status);
	return good;
}

START_TEST(overflow_is_exact)
{
	int64_t goal, lost;
	pid_t two;

	configure("share_log_records = 64\n");
	configure_pool();
	harness_start();
	harness_wait_running();
	harness_wait_number("share-reader@two", "accepted", 100, WAIT_MS);
	ck_assert_int_eq(log_number(NULL, "capacity"), 64);
	two = harness_pid("share-reader@two");
	lost = harness_number("share-reader@two", "lost");
	ck_assert_int_eq(kill(two, SIGSTOP), 0);
	goal = log_number(NULL, "written") + 500;
	harness_wait(WAIT_MS, is_written, &goal, "500 more shares have been written");
	ck_assert_int_eq(kill(two, SIGCONT), 0);
	/* it was within 64 of the newest when it was stopped, or had counted those as lost */
	harness_wait_number("share-reader@two", "lost", lost + 500 - 2 * 64, WAIT_MS);
	harness_wait_number("share-reader@two", "last", goal, WAIT_MS);
	books_are_right();
	harness_wait(WAIT_MS, is_reported, &goal, "the status has what the reader lost");
	must(harness_pid("share-reader@two") == two, "share-reader@two did not survive");
	harness_stop();
}
END_TEST

/* --- rings that come later, rights --------------------------------------------------------------
 */

START_TEST(later_rings)
{
	pid_t one, two;

	configure("");
	harness_start();
	harness_wait_running();
	one = harness_pid("share-reader@one");
	two = harness_pid("share-reader@two");
	must(harness_number("share-reader@one", "last") == 0, "there are shares before a pool");
	harness.workers = 2;
	configure_pool();
	json_object_put(harness_request("reload", NULL));
	harness_wait_number("share-reader@one", "accepted", 50, WAIT_MS);
	all_is_read();
	must(harness_pid("share-reader@one") == one && harness_pid("share-reader@two") == two,
	     "a reader was started again");
	harness_stop();
}
END_TEST

/* While a pool is replaced two processes of the same name write shares: each has its own ring. */
START_TEST(replaced_pool)
{
	struct json_object *params = json_object_new_object();

	configure("");
	configure_pool();
	harness_start();
	harness_wait_running();
	harness_wait_number("share-reader@one", "accepted", 50, WAIT_MS);
	json_object_object_add(params, "role", json_object_new_string("pool"));
	for (int round = 0; round < 2; round++) {
		int64_t before = miners_count();

		json_object_put(harness_request("restart", params));
		harness_wait_number("share-reader@one", "accepted", before + 100, WAIT_MS);
		harness_wait_running();
		all_is_read();
	}
	json_object_put(params);
	harness_stop();
}
END_TEST

static bool says(const char *role, const char *key, const char *value)
{
	struct json_object *status = harness_status();
	bool good = strcmp(json_text(harness_said(status, role), key, ""), value) == 0;

	json_object_put(status);
	return good;
}

static bool blind_has_looked(void *user)
{
	(void)user;
	return says("share-blind", "ring", "permission-denied");
}

START_TEST(rights)
{
	configure("");
	configure_pool();
	harness_configure("\n[share-blind]\n");
	harness_start();
	harness_wait_running();
	harness_wait_number("share-reader@one", "accepted", 10, WAIT_MS);
	must(says("share-reader@one", "writer", "permission-denied"), "a reader may write");
	must(says("share-reader@one", "ring", "not-found"), "the rings have no end");
	harness_wait(WAIT_MS, blind_has_looked, NULL, "share-blind was refused");
	must(says("share-blind", "writer", "permission-denied"), "share-blind may write");
	harness_stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("share_log");
	TCase *c = tcase_create("share_log");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, setup, harness_teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_test(c, either_end_is_killed);
	tcase_add_test(c, overflow_is_exact);
	tcase_add_test(c, later_rings);
	tcase_add_test(c, replaced_pool);
	tcase_add_test(c, rights);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
