/* SPDX-License-Identifier: MIT */
/*
 * The file of a running aditd is replaced by something else, as an upgrade does, or removed. Processes
 * that it starts from then on still run the image that it runs itself. Also tells how long the start
 * of a whole system takes.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "tests/functional/harness.h"

static char copy[128];

/* PATH becomes what BYTES_OF is, by renaming: a running program's file can't be written to. */
static void install(const char *bytes_of, const char *path)
{
	char next[160];
	char buffer[65536];
	size_t n;
	snprintf(next, sizeof(next), "%s.next", path);
	FILE *in = fopen(bytes_of, "rb");
	FILE *out = fopen(next, "wb");
	must(in != NULL && out != NULL, "%s can't be copied to %s", bytes_of, next);
	while ((n = fread(buffer, 1, sizeof(buffer), in)) > 0)
		ck_assert_uint_eq(fwrite(buffer, 1, n, out), n);
	fclose(in);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_int_eq(chmod(next, 0755), 0);
	ck_assert_int_eq(rename(next, path), 0);
}

/* The file that process PID runs. */
static struct stat image_of(pid_t pid)
{
	char path[64];
	struct stat s;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	must(stat(path, &s) == 0, "%s can't be looked at", path);
	return s;
}

static bool has_blocks(void *user)
{
	return harness_number("node", "height") > *(const int64_t *)user;
}

START_TEST(children_run_the_image_of_the_host)
{
	bool removed = _i == 1;
	int64_t height = 0;
	snprintf(copy, sizeof(copy), "%s/aditd", harness.directory);
	install(ADITD, copy);
	harness.program = copy;
	harness_configure_pool("1f00ffff", "shares_per_minute = 600\nmin_difficulty = 0.000001\n");
	harness_configure_miner("one", "standard", 100000);
	uint64_t start = clock_monotonic_ms();
	harness_start();
	harness_wait_running();
	fprintf(stderr, "exec to every role running: %llu ms\n",
		(unsigned long long)(clock_monotonic_ms() - start));
	struct stat host = image_of(harness.pid);
	harness_wait(HARNESS_WAIT_MS, has_blocks, &height, "the first block is found");

	if (removed)
		ck_assert_int_eq(unlink(copy), 0);
	else
		install("/bin/false", copy);
	pid_t before = harness_pid("pool");
	height = harness_number("node", "height");
	harness_kill("pool");
	harness_kill("node");
	harness_wait(HARNESS_WAIT_MS, has_blocks, &height, "another block is found");
	harness_wait_running();
	ck_assert_int_ne(harness_pid("pool"), before);
	struct stat pool = image_of(harness_pid("pool"));
	struct stat node = image_of(harness_pid("node"));
	ck_assert(pool.st_ino == host.st_ino && pool.st_dev == host.st_dev);
	ck_assert(node.st_ino == host.st_ino && node.st_dev == host.st_dev);
	harness_stop();
	harness.program = NULL;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("image");
	TCase *c = tcase_create("image");

	tcase_add_checked_fixture(c, harness_setup, harness_teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_loop_test(c, children_run_the_image_of_the_host, 0, 2);
	suite_add_tcase(suite, c);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
