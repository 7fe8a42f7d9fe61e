/* SPDX-License-Identifier: MIT */
/* The hashing threads and their pace. */
#include "config.h"

#include <check.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "lib/util/clock.h"
#include "plugins/cpu-miner/hasher.h"
#include "plugins/cpu-miner/pace.h"
#include "tests/unit/test_miner.h"

#define PATIENCE_MS 60000

static bool is_readable(struct miner_hasher *h, int ms)
{
	struct pollfd p = {.fd = miner_hasher_fd(h), .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static void sleep_ms(long ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static struct miner_hasher *start(uint32_t threads, uint64_t rate)
{
	struct error e = {0};
	struct miner_hasher *h = miner_hasher_new(threads, rate, &e);

	ck_assert_msg(h != NULL, "%s", e.text);
	return h;
}

/* The hasher has a part of JOB no longer, nor have its threads. */
static void until_let_go(const struct miner_job *job)
{
	uint64_t end = clock_monotonic_ms() + PATIENCE_MS;

	while (atomic_load(&job->refs) > 1) {
		ck_assert_uint_lt(clock_monotonic_ms(), end);
		sleep_ms(1);
	}
}

static void until_hashed(struct miner_hasher *h, uint64_t least)
{
	uint64_t end = clock_monotonic_ms() + PATIENCE_MS;

	while (miner_hasher_hashes(h) < least) {
		ck_assert_uint_lt(clock_monotonic_ms(), end);
		sleep_ms(1);
	}
}

/* An easy target: one hash in 65536. */
static const uint8_t easy[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

START_TEST(finds_and_tells)
{
	struct miner_hasher *h = start(2, 0);
	struct miner_job *job = test_job(easy);
	struct miner_result r;
	uint8_t hash[32];

	ck_assert(!miner_hasher_take(h, &r));
	miner_hasher_set_job(h, job, 3);
	for (int i = 0; i < 20; i++) {
		ck_assert(is_readable(h, PATIENCE_MS));
		ck_assert(miner_hasher_take(h, &r));
		ck_assert_ptr_eq(r.job, job);
		test_header(job, job->root, r.found.version, r.found.ntime, r.found.nonce, hash);
		ck_assert_mem_eq(hash, r.found.hash, 32);
		ck_assert_uint_eq(hash[31], 0);
		ck_assert_uint_eq(hash[30], 0);
		miner_job_unref(r.job);
	}
	ck_assert_uint_gt(miner_hasher_hashes(h), 20);
	miner_hasher_free(h);
	ck_assert_uint_eq(atomic_load(&job->refs), 1);
	miner_job_unref(job);
}
END_TEST

START_TEST(rests_without_a_job)
{
	struct miner_hasher *h = start(2, 0);
	struct miner_job *job = test_job((const uint8_t[32]){0});
	uint64_t before;

	sleep_ms(30);
	ck_assert_uint_eq(miner_hasher_hashes(h), 0);
	miner_hasher_set_job(h, job, 0);
	until_hashed(h, 1);
	miner_hasher_set_job(h, NULL, 0);
	until_let_go(job);
	before = miner_hasher_hashes(h);
	sleep_ms(50);
	ck_assert_uint_eq(miner_hasher_hashes(h), before);
	miner_hasher_free(h);
	miner_job_unref(job);
}
END_TEST

/* Nobody takes: the threads stop at 64 instead of filling memory, and go on afterwards. */
START_TEST(results_are_bounded)
{
	struct miner_hasher *h = start(2, 0);
	struct miner_job *job = test_job(NULL); /* each hash is a share */
	struct miner_result r;
	uint64_t hashes, end;
	int n = 0;

	miner_hasher_set_job(h, job, 0);
	sleep_ms(50);
	hashes = miner_hasher_hashes(h);
	ck_assert_uint_le(hashes, 64 + 2);
	while (n < 500) {
		ck_assert(is_readable(h, PATIENCE_MS));
		while (miner_hasher_take(h, &r)) {
			miner_job_unref(r.job);
			n++;
		}
	}
	/* A job that comes while they wait frees them too. */
	sleep_ms(20);
	miner_hasher_set_job(h, NULL, 0);
	end = clock_monotonic_ms() + PATIENCE_MS;
	while (atomic_load(&job->refs) > 1) {
		ck_assert_uint_lt(clock_monotonic_ms(), end);
		while (miner_hasher_take(h, &r))
			miner_job_unref(r.job);
	}
	ck_assert(!is_readable(h, 20));
	miner_hasher_free(h);
	miner_job_unref(job);
}
END_TEST

/* How long it takes until a share of JOB is there, in the midst of a rest of a second. */
static uint64_t wake(struct miner_hasher *h, struct miner_job *none, struct miner_job *job)
{
	uint64_t hashes = miner_hasher_hashes(h);
	struct miner_result r;
	uint64_t begin;

	miner_hasher_set_job(h, none, 0);
	until_hashed(h, hashes + 1);
	sleep_ms(20);
	begin = clock_monotonic_ms();
	miner_hasher_set_job(h, job, 0);
	ck_assert(is_readable(h, PATIENCE_MS));
	begin = clock_monotonic_ms() - begin;
	ck_assert(miner_hasher_take(h, &r));
	ck_assert_ptr_eq(r.job, job);
	miner_job_unref(r.job);
	return begin;
}

/* A limited thread sleeps most of the time; a new job wakes it at once. A busy machine may keep it
 * waiting, but not each time. */
START_TEST(a_new_job_comes_through)
{
	struct miner_hasher *h = start(1, 1);
	struct miner_job *none = test_job((const uint8_t[32]){0});
	struct miner_job *job = test_job(NULL);
	uint64_t took = 1000;

	for (int i = 0; i < 10 && took > 300; i++)
		took = wake(h, none, job);
	ck_assert_uint_le(took, 300);
	miner_hasher_free(h);
	miner_job_unref(job);
	miner_job_unref(none);
}
END_TEST

START_TEST(the_limit_holds)
{
	struct miner_job *job = test_job((const uint8_t[32]){0});
	uint64_t begin = clock_monotonic_ms();
	struct miner_hasher *h = start(2, 100000);
	uint64_t hashes;

	miner_hasher_set_job(h, job, 0);
	sleep_ms(500);
	hashes = miner_hasher_hashes(h);
	ck_assert_uint_le(hashes, (clock_monotonic_ms() - begin) * 100 + 5000);
	until_hashed(h, 20000); /* however long a busy machine takes */
	miner_hasher_free(h);
	miner_job_unref(job);
}
END_TEST

START_TEST(pace_is_even)
{
	struct miner_pace p = {.rate = 1000000};
	uint64_t now = 1000000000, tried = 0;

	ck_assert_uint_eq(miner_pace_slice(&p), 8192);
	for (int i = 0; i < 1000; i++) {
		uint32_t n = miner_pace_slice(&p);

		tried += n;
		now += miner_pace_rest(&p, n, now);
	}
	/* 8.192 s at 1 MH/s. */
	ck_assert_uint_eq(tried, 8192000);
	ck_assert_uint_eq(now, 1000000000 + 8192000000u);
	/* An hour of pause is not caught up. */
	now += 3600ull * 1000000000;
	ck_assert_uint_eq(miner_pace_rest(&p, 1000, now), 1000000);
}
END_TEST

START_TEST(pace_of_slow_and_fast)
{
	struct miner_pace p = {.rate = 0};

	ck_assert_uint_eq(miner_pace_slice(&p), 8192);
	ck_assert_uint_eq(miner_pace_rest(&p, 8192, 5), 0);
	p.rate = 1;
	ck_assert_uint_eq(miner_pace_slice(&p), 1);
	ck_assert_uint_eq(miner_pace_rest(&p, 1, 1000000000), 1000000000);
	p.rate = 50000;
	ck_assert_uint_eq(miner_pace_slice(&p), 500);
}
END_TEST

START_TEST(a_measure)
{
	double rate = miner_hasher_measure();

	ck_assert(rate > 1000 && rate < 1e10);
}
END_TEST

Suite *miner_hasher_suite(void)
{
	Suite *s = suite_create("hasher");
	TCase *t = tcase_create("hasher");

	tcase_set_timeout(t, 30);
	tcase_add_test(t, finds_and_tells);
	tcase_add_test(t, rests_without_a_job);
	tcase_add_test(t, results_are_bounded);
	tcase_add_test(t, a_new_job_comes_through);
	tcase_add_test(t, the_limit_holds);
	tcase_add_test(t, pace_is_even);
	tcase_add_test(t, pace_of_slow_and_fast);
	tcase_add_test(t, a_measure);
	suite_add_tcase(s, t);
	return s;
}
