/* SPDX-License-Identifier: MIT */
/*
 * How long miners of jdc work for nobody when their pool goes away, in each way in which it can:
 * from what happens until the next pool has accepted a job of theirs, or they mine solo. A pool
 * that answers nothing is found out answer_timeout (10 s) after a request; what is told is what
 * comes after that. Not a test: run it by hand on a quiet machine (make
 * tests/functional/measure-jdc). Everything is configured as it is by default.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "tests/functional/farm.h"

#define ROUNDS 3

static struct fake_upstream first, second;
static struct fake_black_hole hole;

static void set_up(void)
{
	harness_setup();
	fake_upstream_start(&first, &(struct fake_options){0});
	fake_upstream_start(&second, &(struct fake_options){0});
	fake_black_hole_start(&hole);
}

static void tear_down(void)
{
	fake_upstream_stop(&first);
	fake_upstream_stop(&second);
	fake_black_hole_stop(&hole);
	harness_teardown();
}

static void start(bool with_hole, bool with_second)
{
	farm_configure(FARM_NO_BLOCKS, "", "");
	farm_fake("first", &first);
	if (with_hole)
		farm_pool(&(struct farm_pool){
		    .name = "hole", .port = hole.port, .key = second.key, .jds_port = hole.port});
	if (with_second)
		farm_fake("second", &second);
	farm_miners();
	farm_start();
	fake_upstream_wait(&first, FAKE_SHARE, 3);
}

static bool is_solo(void)
{
	struct json_object *status = harness_status();
	bool solo = json_truth(harness_said(status, "jdc"), "solo", false);

	json_object_put(status);
	return solo;
}

/* Milliseconds since START until the second pool has a job, or until solo. */
static uint64_t until_work(uint64_t start, bool solo)
{
	if (!solo) {
		fake_upstream_wait(&second, FAKE_CUSTOM_JOB, 1);
		return second.shared->records.at_ms[FAKE_CUSTOM_JOB] - start;
	}
	while (!is_solo())
		usleep(2000);
	return clock_monotonic_ms() - start;
}

static void refuse(enum fake_step step)
{
	fake_upstream_answer(&first, step, FAKE_REFUSED);
	if (step != FAKE_SHARE)
		farm_new_template(1);
}

static void dies(void)
{
	fake_upstream_kill(&first);
}

static void hangs_up_and_refuses(void)
{
	fake_upstream_answer(&first, FAKE_SETUP, FAKE_REFUSED);
	fake_upstream_order(&first, FAKE_CLOSE_POOL);
}

static void closes_the_channel(void)
{
	fake_upstream_answer(&first, FAKE_CHANNEL, FAKE_REFUSED);
	fake_upstream_order(&first, FAKE_CLOSE_CHANNEL);
}

static void refuses_a_declaration(void)
{
	refuse(FAKE_DECLARATION);
}

static void refuses_a_job(void)
{
	refuse(FAKE_CUSTOM_JOB);
}

static void refuses_a_share(void)
{
	refuse(FAKE_SHARE);
}

static void freezes(void)
{
	fake_upstream_freeze(&first, true);
	farm_new_template(1);
}

static const struct {
	const char *what;
	void (*happens)(void);
	bool hole;   /* a black hole is the next in order */
	bool second; /* there is a second pool */
	uint32_t found_out_ms;
} cases[] = {
    {"the pool's process dies", dies, false, true, 0},
    {"end of file, then SetupConnection.Error", hangs_up_and_refuses, false, true, 0},
    {"CloseChannel, then OpenMiningChannel.Error", closes_the_channel, false, true, 0},
    {"DeclareMiningJob.Error", refuses_a_declaration, false, true, 0},
    {"SetCustomMiningJob.Error", refuses_a_job, false, true, 0},
    {"a good share is refused", refuses_a_share, false, true, 0},
    {"nothing is answered (past the 10 s)", freezes, false, true, 10000},
    {"the process dies, a black hole is next", dies, true, true, 0},
    {"the process dies, there is no other: solo", dies, false, false, 0},
    {"the process dies, a black hole alone: solo", dies, true, false, 0},
};

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

START_TEST(measure)
{
	uint64_t took[ROUNDS];

	for (int k = 0; k < ROUNDS; k++) {
		uint64_t begin;

		set_up();
		start(cases[_i].hole, cases[_i].second);
		begin = clock_monotonic_ms();
		cases[_i].happens();
		took[k] = until_work(begin + cases[_i].found_out_ms, !cases[_i].second);
		harness_stop();
		tear_down();
	}
	qsort(took, ROUNDS, sizeof(took[0]), compare);
	printf("%-46s %6lld ms (%lld to %lld)\n", cases[_i].what, (long long)took[ROUNDS / 2],
	       (long long)took[0], (long long)took[ROUNDS - 1]);
	fflush(stdout);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("measured");
	TCase *c = tcase_create("jdc");
	SRunner *r;
	int failed;

	tcase_set_timeout(c, (double)harness_limit(HARNESS_TEST_S));
	tcase_add_loop_test(c, measure, 0, sizeof(cases) / sizeof(cases[0]));
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
