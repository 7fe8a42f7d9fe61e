/* SPDX-License-Identifier: MIT */
/*
 * A share costs no allocation: a real aditd runs with an allocator that counts (the preloaded
 * allocation_counter.c), and gets shares in windows. What else the process does now and then, such
 * as answering the host's watchdog, allocates in some of them; an allocation a share would be in
 * each.
 */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/functional/harness.h"
#include "tests/functional/probe.h"

#define NBITS "1d00ffff" /* no share is a block */
#define WINDOWS 40
#define WINDOW 100 /* shares */

static _Atomic uint64_t *counter; /* of process `mining` */

static void setup(void)
{
	harness_setup();
	counter = NULL;
}

static void teardown(void)
{
	if (counter != NULL)
		munmap(counter, sizeof(*counter));
	harness_teardown();
}

static void start(void)
{
	char prefix[96];

	/* Every hash is a share. */
	harness_configure_pool(NBITS, "fixed_difficulty = 0.000000000001\n");
	snprintf(prefix, sizeof(prefix), "%s/allocations", harness.directory);
	ck_assert_int_eq(setenv("ALLOCATION_COUNTER", prefix, 1), 0);
	ck_assert_int_eq(setenv("LD_PRELOAD", ALLOCATION_COUNTER_SO, 1), 0);
	harness_start();
	ck_assert_int_eq(unsetenv("LD_PRELOAD"), 0);
	ck_assert_int_eq(unsetenv("ALLOCATION_COUNTER"), 0);
	harness_wait_running();
}

static void map_counter(void)
{
	char path[128];
	void *map;
	int fd;

	snprintf(path, sizeof(path), "%s/allocations.%ld", harness.directory,
		 (long)harness_pid("pool"));
	fd = open(path, O_RDWR | O_CLOEXEC);
	must(fd >= 0, "%s: the process does not count", path);
	map = mmap(NULL, sizeof(*counter), PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	close(fd);
	counter = map;
	must(*counter > 0, "a process that has allocated nothing");
}

/* --- shares -------------------------------------------------------------------------------------
 */

static void open_extended(struct probe *p, struct probe_channel *c)
{
	struct adit_sv2_open_extended_mining_channel request = {.request_id = 1,
								.nominal_hash_rate = 1000};
	union sv2_body body;

	memset(c, 0, sizeof(*c));
	memset(request.max_target.b, 0xff, sizeof(request.max_target.b));
	must(probe_send(p, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL, &request), "closed");
	probe_expect(p, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS, &body);
	c->id = body.open_extended_mining_channel_success.channel_id;
	probe_expect(p, ADIT_SV2_NEW_EXTENDED_MINING_JOB, &body);
	c->job_id = body.new_extended_mining_job.job_id;
	c->version = body.new_extended_mining_job.version;
	probe_expect(p, ADIT_SV2_SET_NEW_PREV_HASH, &body);
	c->ntime = body.set_new_prev_hash.ntime_start;
}

static void submit_extended(struct probe *p, struct probe_channel *c, uint32_t nonce)
{
	static const uint8_t extranonce[13];
	struct adit_sv2_submit_shares_extended share = {
	    .channel_id = c->id,
	    .sequence_number = ++c->sequence,
	    .job_id = c->job_id,
	    .nonce = nonce,
	    .ntime = c->ntime,
	    .version = c->version,
	    .extranonce = {.data = extranonce, .size = sizeof(extranonce)},
	};

	must(probe_send(p, ADIT_SV2_SUBMIT_SHARES_EXTENDED, &share), "closed before the share");
}

/* Allocations of the server while it took WINDOW shares. */
static uint64_t window(struct probe *p, struct probe_channel *c, bool standard, uint32_t *nonce)
{
	uint64_t before = *counter;
	const char *refusal;

	for (int i = 0; i < WINDOW; i++) {
		if (standard)
			probe_submit(p, c, c->job_id, ++*nonce);
		else
			submit_extended(p, c, ++*nonce);
	}
	refusal = probe_verdict(p, c, c->sequence);
	must(refusal == NULL, "a share was refused: %s", refusal);
	return *counter - before;
}

static void measure(bool standard)
{
	struct probe p;
	struct probe_channel c;
	uint64_t least = UINT64_MAX;
	uint64_t sum = 0;
	uint32_t nonce = 0;

	probe_connect(&p, harness.port);
	probe_handshake(&p, NULL);
	probe_setup_flags(&p, standard ? ADIT_SV2_REQUIRES_STANDARD_JOBS : 0);
	if (standard)
		probe_open_standard(&p, &c);
	else
		open_extended(&p, &c);
	for (int i = 0; i < WINDOWS; i++) {
		uint64_t n = window(&p, &c, standard, &nonce);

		least = n < least ? n : least;
		sum += n;
	}
	fprintf(stderr,
		"%s: %d windows of %d shares: %llu allocations, %llu in the least of them\n",
		standard ? "standard" : "extended", WINDOWS, WINDOW, (unsigned long long)sum,
		(unsigned long long)least);
	must(least == 0, "each of %d windows of %d shares had at least %llu allocations", WINDOWS,
	     WINDOW, (unsigned long long)least);
	probe_close(&p);
}

START_TEST(none_a_share)
{
	uint64_t before;
	struct probe p;

	start();
	map_counter();
	before = *counter;
	probe_ready(&p, harness.port);
	must(*counter > before, "a connection was set up without an allocation: nobody counts");
	probe_close(&p);
	measure(true);
	measure(false);
}
END_TEST

/* Sanitizers have an allocator of their own. */
static bool can_count(void)
{
#if defined(__SANITIZE_ADDRESS__) || !defined(__GLIBC__)
	return false;
#elif defined(__has_feature)
	return !__has_feature(address_sanitizer);
#else
	return true;
#endif
}

static int run_suite(void)
{
	Suite *suite = suite_create("allocations");
	TCase *c = tcase_create("allocations");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_test(c, none_a_share);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(void)
{
	if (can_count())
		return run_suite();
	fputs("skipped: allocations are counted with glibc's allocator only\n", stderr);
	return 77;
}
