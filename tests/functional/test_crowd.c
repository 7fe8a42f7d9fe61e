/* SPDX-License-Identifier: MIT */
/*
 * A thousand connections over the workers of one role: each worker gets its share, also after one
 * was killed and came back; and one that is dead or hangs keeps nobody waiting.
 */
#include "config.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/util/clock.h"
#include "tests/functional/harness.h"
#include "tests/functional/probe.h"

#define NBITS "1d00ffff"
#define CROWD 1000
#define MOST_WORKERS 4
#define MS HARNESS_WAIT_MS

static struct probe crowd[CROWD];

static void raise_descriptors(void)
{
	struct rlimit files;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	ck_assert_msg(files.rlim_cur >= CROWD + 100, "RLIMIT_NOFILE: %llu descriptors are too few",
		      (unsigned long long)files.rlim_cur);
}

static void setup(void)
{
	harness_setup();
	raise_descriptors();
	for (size_t i = 0; i < CROWD; i++)
		crowd[i].fd = -1;
}

static void teardown(void)
{
	for (size_t i = 0; i < CROWD; i++)
		probe_close(&crowd[i]);
	harness_teardown();
}

static bool all_accept(void *user)
{
	struct json_object *status = harness_status();
	unsigned count = 0;

	(void)user;
	for (size_t i = 0; i < harness.workers; i++)
		if (json_truth(harness_worker_said(status, "sv2-server", i), "accepting", false))
			count++;
	json_object_put(status);
	return count == harness.workers;
}

static void start(unsigned workers)
{
	harness.workers = workers;
	harness_configure_pool(NBITS, "");
	harness_start();
	harness_wait_running();
	harness_wait(MS, all_accept, NULL, "all workers accept");
}

static bool is_closed(const struct probe *p)
{
	struct pollfd watch = {.fd = p->fd, .events = POLLRDHUP};

	return p->fd < 0 || poll(&watch, 1, 0) > 0;
}

/* Connects those of the first COUNT who are not; how many there were. */
static size_t connect_missing(size_t count)
{
	size_t fresh = 0;

	for (size_t i = 0; i < count; i++) {
		if (!is_closed(&crowd[i]))
			continue;
		probe_close(&crowd[i]);
		probe_ready(&crowd[i], harness.port);
		fresh++;
	}
	return fresh;
}

/* Connections of each worker; their sum. */
static int64_t loads(int64_t load[MOST_WORKERS])
{
	struct json_object *status = harness_status();
	int64_t sum = 0;

	for (size_t i = 0; i < harness.workers; i++) {
		load[i] =
		    json_integer(harness_worker_said(status, "sv2-server", i), "connections", -1);
		sum += load[i];
	}
	json_object_put(status);
	return sum;
}

static bool crowd_is_counted(void *user)
{
	int64_t load[MOST_WORKERS];

	return loads(load) == *(int64_t *)user;
}

/* CROWD connections, and no worker has more than MOST percent of them. */
static void share_is_fair(int64_t most, const char *when)
{
	int64_t load[MOST_WORKERS] = {0};
	int64_t all = CROWD;

	harness_wait(MS, crowd_is_counted, &all, "every connection is counted");
	(void)loads(load);
	fprintf(stderr, "%s: %d connections over %u workers: %lld %lld %lld %lld\n", when, CROWD,
		harness.workers, (long long)load[0], (long long)load[1], (long long)load[2],
		(long long)load[3]);
	for (size_t i = 0; i < harness.workers; i++)
		must(load[i] * 100 <= CROWD * most, "%s: worker %zu has %lld of %d connections",
		     when, i + 1, (long long)load[i], CROWD);
}

/* Of 1,000 connections over 2 workers none holds more than 60%; over 4, more than 30%. */
START_TEST(workers_share)
{
	start(_i == 0 ? 2 : 4);
	ck_assert_uint_eq(connect_missing(CROWD), CROWD);
	share_is_fair(_i == 0 ? 60 : 30, "at first");
}
END_TEST

/* One worker is killed. Who comes meanwhile is let in by the other, and once it is back those that
 * were thrown out are shared anew: whoever has fewer gets more. */
START_TEST(killed_worker)
{
	struct json_object *status;
	size_t lost, meanwhile;
	pid_t pid;

	start(2);
	(void)connect_missing(CROWD);
	status = harness_status();
	pid = harness_worker_pid(status, "sv2-server", 1);
	json_object_put(status);
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	while (!is_closed(&crowd[0]) && !is_closed(&crowd[1]) && !is_closed(&crowd[2]) &&
	       !is_closed(&crowd[3]))
		harness_pause();
	meanwhile = connect_missing(CROWD / 20);
	ck_assert_uint_gt(meanwhile, 0);
	harness_wait(MS, all_accept, NULL, "the killed worker is back");
	lost = connect_missing(CROWD);
	fprintf(stderr, "killed worker: %zu came back at once, %zu when it was back\n", meanwhile,
		lost);
	share_is_fair(60, "after a kill");
}
END_TEST

/* A worker that hangs believes in its old count, and so do the others: nobody waits for it for
 * long. */
START_TEST(hanging_worker)
{
	struct json_object *status;
	uint64_t longest = 0;
	pid_t pid;

	start(2);
	(void)connect_missing(20);
	status = harness_status();
	pid = harness_worker_pid(status, "sv2-server", 1);
	json_object_put(status);
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	for (size_t i = 20; i < 60; i++) {
		uint64_t from = clock_monotonic_ms();

		probe_ready(&crowd[i], harness.port);
		if (clock_monotonic_ms() - from > longest)
			longest = clock_monotonic_ms() - from;
	}
	fprintf(stderr, "hanging worker: the longest of 40 connects took %llu ms\n",
		(unsigned long long)longest);
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crowd");
	TCase *c = tcase_create("crowd");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_loop_test(c, workers_share, 0, 2);
	tcase_add_test(c, killed_worker);
	tcase_add_test(c, hanging_worker);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
