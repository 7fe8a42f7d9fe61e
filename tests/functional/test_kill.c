/* SPDX-License-Identifier: MIT */
/*
 * kill -9 of each process while miners mine: the others go on with the processes they have, the
 * killed one is back, and within seconds there are new blocks.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/clock.h"
#include "tests/functional/harness.h"

#define NBITS "1f00ffff" /* 65,000 hashes a block */
#define POOL_KEYS "shares_per_minute = 600\nmin_difficulty = 0.000001\n"
#define HASHRATE 100000
#define BACK_MS HARNESS_WAIT_MS /* until there is another block; a few seconds on an idle machine  \
				 */

/* One role of each process, and the roles that share it. */
static const struct {
	const char *role;
	const char *process;
} processes[] = {
    {"node", "node"},
    {"template-provider", "templates"},
    {"pool", "mining"},
    {"cpu-miner@one", "cpu-miner.one"},
    {"cpu-miner@two", "cpu-miner.two"},
};
#define COUNT (sizeof(processes) / sizeof(processes[0]))

static void all_pids(pid_t *pids)
{
	for (size_t i = 0; i < COUNT; i++) {
		pids[i] = harness_pid(processes[i].role);
		must(pids[i] > 0, "%s has no process", processes[i].role);
	}
}

struct progress {
	int64_t height;
	int64_t shares[2];
};

static void take(struct progress *p)
{
	p->height = harness_number("node", "height");
	p->shares[0] = harness_number("cpu-miner@one", "shares_accepted");
	p->shares[1] = harness_number("cpu-miner@two", "shares_accepted");
}

/* Two more blocks and more shares of both miners: a miner that was killed counts from zero. */
static bool has_progressed(void *user)
{
	const struct progress *before = user;
	struct progress now;

	take(&now);
	return now.height >= before->height + 2 && now.shares[0] > before->shares[0] &&
	       now.shares[1] > before->shares[1];
}

START_TEST(killed_process_comes_back)
{
	size_t killed = (size_t)_i;
	pid_t before[COUNT], after[COUNT];
	struct progress progress;
	uint64_t start;

	harness_configure_pool(NBITS, POOL_KEYS);
	harness_configure_miner("one", "standard", HASHRATE);
	harness_configure_miner("two", "extended", HASHRATE);
	harness_start();
	harness_wait_running();
	memset(&progress, 0, sizeof(progress));
	harness_wait(HARNESS_WAIT_MS, has_progressed, &progress, "the first blocks are found");
	all_pids(before);
	take(&progress);
	start = clock_monotonic_ms();
	harness_kill(processes[killed].role);
	if (strncmp(processes[killed].role, "cpu-miner", 9) == 0)
		progress.shares[processes[killed].role[10] == 'o' ? 0 : 1] = 0;
	harness_wait(BACK_MS, has_progressed, &progress,
		     "both miners have new shares and the "
		     "chain new blocks");
	fprintf(stderr, "kill -9 of process %s: mining again after %llu ms\n",
		processes[killed].process, (unsigned long long)(clock_monotonic_ms() - start));
	harness_wait_running();
	all_pids(after);
	for (size_t i = 0; i < COUNT; i++)
		must((before[i] == after[i]) == (i != killed), "process of %s: was %d, is %d",
		     processes[i].role, (int)before[i], (int)after[i]);
	harness_stop();
}
END_TEST

/* Everything at once, host excepted. */
START_TEST(all_killed_come_back)
{
	struct progress progress;
	int64_t height;

	harness_configure_pool(NBITS, POOL_KEYS);
	harness_configure_miner("one", "standard", HASHRATE);
	harness_configure_miner("two", "extended", HASHRATE);
	harness_start();
	harness_wait_running();
	memset(&progress, 0, sizeof(progress));
	harness_wait(HARNESS_WAIT_MS, has_progressed, &progress, "the first blocks are found");
	height = harness_number("node", "height");
	for (size_t i = 0; i < COUNT; i++)
		harness_kill(processes[i].role);
	memset(&progress, 0, sizeof(progress));
	progress.height = height;
	harness_wait(UINT64_C(2) * BACK_MS, has_progressed, &progress, "everybody mines again");
	harness_stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kill");
	TCase *c = tcase_create("kill");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, harness_setup, harness_teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_loop_test(c, killed_process_comes_back, 0, (int)COUNT);
	tcase_add_test(c, all_killed_come_back);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
