/* SPDX-License-Identifier: MIT */
/*
 * test_vardiff.c: what lib/sv2/vardiff.c promises, on simulated time: shares arrive as a Poisson
 * process, the timer runs each five seconds, a new target reaches the miner after a latency.
 * Each promise is judged over the seeds 1 to 1000; nothing here depends on the machine.
 */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/sv2/vardiff.h"

#define SEEDS 1000
#define RATE 1e12 /* hashes a second of the miner */
#define TIMER_S 5.0
#define NEVER 1e300

/* --- a miner -----------------------------------------------------------------------------------
 */

struct miner {
	struct vardiff v;
	struct vardiff_options options;
	uint64_t random;
	double now;     /* seconds */
	double timer;   /* its next run */
	double latency; /* seconds until the miner works at a new target */
	double job_work;
	double next_work; /* on its way ... */
	double next_at;   /* ... until then */
	double first;     /* when the first share came */
	uint64_t shares;
	uint64_t changes; /* of the target */
};

/* splitmix64 */
static double uniform(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return ((double)(z >> 11) + 1.0) / 9007199254740993.0;
}

static double exponential(uint64_t *state)
{
	return -log(uniform(state));
}

/* Claims CLAIM times RATE. */
static void miner_start(struct miner *m, unsigned seed, double shares_per_minute, double claim,
			double latency)
{
	*m = (struct miner){.random = seed * UINT64_C(7919), .latency = latency, .timer = TIMER_S};
	m->options = (struct vardiff_options){
	    .shares_per_minute = shares_per_minute, .min_work = 1, .max_work = 1e30};
	m->first = m->next_at = NEVER;
	vardiff_start(&m->v, &m->options, claim * RATE, 1, 1000);
	m->job_work = m->v.work;
}

static void miner_check(struct miner *m)
{
	if (!vardiff_check(&m->v, &m->options, 1000 + (uint64_t)(m->now * 1000)))
		return;
	m->changes++;
	m->next_work = m->v.work;
	m->next_at = m->now + m->latency;
}

/* What comes first: a share, the timer, a target, END. Poisson has no memory, so the time to the
 * next share is drawn anew after each. */
static void miner_run(struct miner *m, double seconds, double rate)
{
	double end = m->now + seconds;

	for (;;) {
		double share =
		    rate > 0 ? m->now + exponential(&m->random) * m->job_work / rate : NEVER;
		double event = fmin(fmin(share, m->timer), fmin(m->next_at, end));

		m->now = event;
		if (event == end)
			return;
		if (event == m->next_at) {
			m->job_work = m->next_work;
			m->next_at = NEVER;
		} else if (event == m->timer) {
			m->timer += TIMER_S;
			miner_check(m);
		} else {
			m->first = fmin(m->first, event);
			m->shares++;
			vardiff_share(&m->v, m->job_work);
			miner_check(m);
		}
	}
}

/* --- numbers over all seeds --------------------------------------------------------------------
 */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double values[SEEDS], double part)
{
	qsort(values, SEEDS, sizeof(values[0]), by_size);
	return values[(size_t)(part * (SEEDS - 1))];
}

static double mean(const double values[SEEDS])
{
	double sum = 0;

	for (size_t i = 0; i < SEEDS; i++)
		sum += values[i];
	return sum / SEEDS;
}

/* Part of VALUES that are within WIDTH of 1. */
static double part_within(const double values[SEEDS], double width)
{
	unsigned count = 0;

	for (size_t i = 0; i < SEEDS; i++)
		count += fabs(values[i] - 1.0) <= width;
	return (double)count / SEEDS;
}

/* --- a changed hash rate -----------------------------------------------------------------------
 */

/* After WARM seconds the hash rate becomes FACTOR times what it was; AFTER seconds later the
 * estimate's median has to be within MEDIAN, and a part of PART within 50%. */
static void check_step(double shares_per_minute, double factor, double warm, double after,
		       double latency, double median, double part)
{
	static double estimates[SEEDS];
	double middle;
	double near;

	for (unsigned i = 0; i < SEEDS; i++) {
		struct miner m;

		miner_start(&m, i + 1, shares_per_minute, 1, latency);
		miner_run(&m, warm, RATE);
		miner_run(&m, after, RATE * factor);
		estimates[i] = vardiff_hashrate(&m.v) / (RATE * factor);
	}
	near = part_within(estimates, 0.5);
	middle = quantile(estimates, 0.5);
	printf("hash rate x %-4g at %2g a minute, %4g s before, %4g s later: median %+.1f%%, "
	       "%.1f%% within 50%%\n",
	       factor, shares_per_minute, warm, after, 100 * (middle - 1), 100 * near);
	ck_assert_double_le(fabs(middle - 1), median);
	ck_assert_double_ge(near, part);
}

START_TEST(halved_and_doubled)
{
	static const double warm[] = {600, 1200, 3600, 7200};

	for (size_t i = 0; i < sizeof(warm) / sizeof(warm[0]); i++) {
		check_step(6, 0.5, warm[i], 300, 0, 0.15, 0.9);
		check_step(6, 2.0, warm[i], 300, 0, 0.15, 0.9);
		check_step(6, 0.5, warm[i], 300, 3, 0.15, 0.9);
		check_step(6, 2.0, warm[i], 300, 3, 0.15, 0.9);
	}
}
END_TEST

/* As many shares as in five minutes at six: 30. */
START_TEST(halved_and_doubled_at_other_rates)
{
	check_step(1, 0.5, 7200, 1800, 2, 0.15, 0.9);
	check_step(1, 2.0, 7200, 1800, 2, 0.15, 0.9);
	check_step(20, 0.5, 3600, 90, 0, 0.15, 0.9);
	check_step(20, 2.0, 3600, 90, 0, 0.15, 0.9);
	check_step(20, 0.5, 3600, 300, 2, 0.15, 0.95);
	check_step(20, 2.0, 3600, 300, 2, 0.15, 0.95);
	check_step(60, 0.5, 3600, 300, 2, 0.15, 0.95);
	check_step(60, 2.0, 3600, 300, 2, 0.15, 0.95);
}
END_TEST

START_TEST(large_steps)
{
	check_step(6, 10, 3600, 300, 2, 0.15, 0.9);
	check_step(6, 100, 3600, 300, 2, 0.15, 0.9);
	check_step(6, 0.1, 3600, 600, 2, 0.15, 0.9);
	check_step(6, 0.01, 3600, 1800, 2, 0.15, 0.9);
}
END_TEST

/* --- a steady one ------------------------------------------------------------------------------
 */

/* For two hours after WARM seconds: the mean of the share rates in LOW..HIGH times the wanted one,
 * 90% of runs too within 15%, and on average at most CHANGES changes of the target an hour. */
static void check_steady(double shares_per_minute, double claim, double warm, double latency,
			 double changes_max)
{
	static double rates[SEEDS];
	static double changes[SEEDS];
	const double hours = 2;

	for (unsigned i = 0; i < SEEDS; i++) {
		struct miner m;
		uint64_t shares;
		uint64_t before;

		miner_start(&m, i + 1, shares_per_minute, claim, latency);
		miner_run(&m, warm, RATE);
		shares = m.shares;
		before = m.changes;
		miner_run(&m, hours * 3600, RATE);
		rates[i] = (double)(m.shares - shares) / hours / 60 / shares_per_minute;
		changes[i] = (double)(m.changes - before) / hours;
	}
	printf("steady at %2g a minute, claim x %-4g, after %4g s: %.2f a minute, %.1f%% within "
	       "15%%, %.2f changes an hour\n",
	       shares_per_minute, claim, warm, mean(rates) * shares_per_minute,
	       100 * part_within(rates, 0.15), mean(changes));
	/* 5.5 to 6.5 at 6 */
	ck_assert_double_ge(mean(rates), 5.5 / 6);
	ck_assert_double_le(mean(rates), 6.5 / 6);
	ck_assert_double_le(mean(changes), changes_max);
	if (shares_per_minute >= 6)
		ck_assert_double_ge(part_within(rates, 0.15), 0.9);
}

START_TEST(steady)
{
	check_steady(6, 1, 0, 0, 4);
	check_steady(6, 1, 1800, 0, 4);
	check_steady(6, 1, 1800, 3, 4);
	check_steady(6, 1.3, 1800, 3, 4);
	check_steady(6, 0.3, 1800, 3, 4);
	check_steady(6, 100, 1800, 3, 4);
	check_steady(6, 0.01, 1800, 3, 4);
}
END_TEST

START_TEST(steady_at_other_rates)
{
	check_steady(1, 1, 3600, 2, 4);
	check_steady(20, 1, 1800, 2, 4);
	check_steady(60, 1, 1800, 2, 4);
}
END_TEST

/* --- a wrong claim -----------------------------------------------------------------------------
 */

/* A miner that claims CLAIM times what it has: PART of all have their first share in three
 * minutes. */
static void check_first(double shares_per_minute, double claim, double latency, double part)
{
	static double first[SEEDS];
	unsigned in_time = 0;

	for (unsigned i = 0; i < SEEDS; i++) {
		struct miner m;

		miner_start(&m, i + 1, shares_per_minute, claim, latency);
		miner_run(&m, 1200, RATE);
		first[i] = m.first;
		in_time += m.first < 180;
	}
	printf("claims %g times too much at %g a minute: first share after %.0f s (median), "
	       "%.0f s (99%%), %.0f s (all)\n",
	       claim, shares_per_minute, quantile(first, 0.5), quantile(first, 0.99),
	       quantile(first, 1));
	ck_assert_double_ge((double)in_time / SEEDS, part);
}

START_TEST(first_share)
{
	check_first(6, 100, 0, 1);
	check_first(6, 100, 5, 1);
	check_first(20, 100, 2, 1);
	check_first(60, 100, 2, 1);
	check_first(1, 100, 2, 0.99);
	check_first(6, 1000, 0, 0.95);
}
END_TEST

/* A miner 100 times faster than it claimed does not flood for long. */
START_TEST(claims_too_little)
{
	static double shares[SEEDS];

	for (unsigned i = 0; i < SEEDS; i++) {
		struct miner m;

		miner_start(&m, i + 1, 6, 0.01, 1);
		miner_run(&m, 60, RATE);
		shares[i] = (double)m.shares;
	}
	printf("claims 100 times too little: %.0f shares in the first minute (99%%)\n",
	       quantile(shares, 0.99));
	ck_assert_double_le(quantile(shares, 0.99), 100);
}
END_TEST

/* --- other miners ------------------------------------------------------------------------------
 */

/* Switched off for a while: found again soon, and not with a flood. */
START_TEST(off_and_on)
{
	static double shares[SEEDS];
	static double estimates[SEEDS];

	for (unsigned i = 0; i < SEEDS; i++) {
		struct miner m;
		uint64_t before;

		miner_start(&m, i + 1, 6, 1, 2);
		miner_run(&m, 3600, RATE);
		miner_run(&m, 600, 0);
		before = m.shares;
		miner_run(&m, 300, RATE);
		shares[i] = (double)(m.shares - before);
		estimates[i] = vardiff_hashrate(&m.v) / RATE;
	}
	printf("off for 10 minutes: 5 minutes later median %+.1f%%, %.1f%% within 50%%, %.0f "
	       "shares (99%%)\n",
	       100 * (quantile(estimates, 0.5) - 1), 100 * part_within(estimates, 0.5),
	       quantile(shares, 0.99));
	ck_assert_double_le(fabs(quantile(estimates, 0.5) - 1), 0.15);
	ck_assert_double_ge(part_within(estimates, 0.5), 0.9);
	ck_assert_double_le(quantile(shares, 0.99), 150);
}
END_TEST

/* FACTOR times the hash rate within two hours, little by little. */
static void check_drift(double factor)
{
	static double estimates[SEEDS];
	static double rates[SEEDS];
	const int steps = 360;

	for (unsigned i = 0; i < SEEDS; i++) {
		struct miner m;
		double rate = RATE;
		uint64_t before;

		miner_start(&m, i + 1, 6, 1, 2);
		miner_run(&m, 1800, RATE);
		before = m.shares;
		for (int k = 1; k <= steps; k++) {
			rate = RATE * pow(factor, (double)k / steps);
			miner_run(&m, 20, rate);
		}
		estimates[i] = vardiff_hashrate(&m.v) / rate;
		rates[i] = (double)(m.shares - before) / 120;
	}
	printf("drift to x %g in 2 h: %.2f shares a minute, estimate's median %+.1f%%\n", factor,
	       mean(rates), 100 * (quantile(estimates, 0.5) - 1));
	ck_assert_double_ge(mean(rates), 5);
	ck_assert_double_le(mean(rates), 7);
	ck_assert_double_le(fabs(quantile(estimates, 0.5) - 1), 0.15);
	ck_assert_double_ge(part_within(estimates, 0.5), 0.9);
}

START_TEST(drift)
{
	check_drift(4);
	check_drift(0.25);
	check_drift(1.3);
}
END_TEST

/* A proxy that passes its shares on each EVERY seconds: how many they are is chance, when they come
 * is not. */
static void check_bundles(double shares_per_minute, double every, double changes_max)
{
	static double rates[SEEDS];
	static double changes[SEEDS];
	double minutes = 120;

	for (unsigned i = 0; i < SEEDS; i++) {
		struct miner m;
		uint64_t before = 0;

		miner_start(&m, i + 1, shares_per_minute, 1, 0);
		for (double due = every; due <= (minutes + 30) * 60; due += every) {
			double left = RATE * every / m.v.work;

			miner_run(&m, every, 0);
			while ((left -= exponential(&m.random)) > 0) {
				m.shares++;
				vardiff_share(&m.v, m.v.work);
			}
			miner_check(&m);
			if (due < 1800) {
				before = m.shares;
				m.changes = 0;
			}
		}
		rates[i] = (double)(m.shares - before) / minutes / shares_per_minute;
		changes[i] = (double)m.changes * 60 / minutes;
	}
	printf("bundles each %g s at %g a minute: %.2f a minute, %.2f changes an hour\n", every,
	       shares_per_minute, mean(rates) * shares_per_minute, mean(changes));
	ck_assert_double_ge(mean(rates), 0.75);
	ck_assert_double_le(mean(rates), 1.3);
	ck_assert_double_le(mean(changes), changes_max);
}

START_TEST(bundles)
{
	check_bundles(6, 10, 4);
	check_bundles(6, 30, 4);
	check_bundles(6, 60, 12);
	check_bundles(20, 10, 8);
	check_bundles(60, 5, 8);
}
END_TEST

/* --- options -----------------------------------------------------------------------------------
 */

/* Shares for the target before the last change, for ten seconds after each, leave the estimate
 * where it is: they count with their own work. */
START_TEST(old_shares_count_right)
{
	static double estimates[SEEDS];

	for (unsigned i = 0; i < SEEDS; i++) {
		struct miner m;

		miner_start(&m, i + 1, 6, 1, 10);
		miner_run(&m, 3600, RATE);
		for (int k = 0; k < 6; k++) { /* by the administrator, up and down */
			(void)vardiff_fix(&m.v, &m.options, RATE * (k % 2 == 0 ? 2.5 : 40));
			m.next_work = m.v.work;
			m.next_at = m.now + m.latency;
			miner_run(&m, 120, RATE);
		}
		estimates[i] = vardiff_hashrate(&m.v) / RATE;
	}
	printf("fixed work x 16 and back each 2 minutes: median %+.1f%%, %.1f%% within 50%%\n",
	       100 * (quantile(estimates, 0.5) - 1), 100 * part_within(estimates, 0.5));
	ck_assert_double_le(fabs(quantile(estimates, 0.5) - 1), 0.15);
	ck_assert_double_ge(part_within(estimates, 0.5), 0.9);
}
END_TEST

START_TEST(bounds)
{
	struct miner m;

	miner_start(&m, 1, 6, 1, 0);
	m.options.min_work = RATE;
	m.options.max_work = RATE * 5;
	vardiff_start(&m.v, &m.options, RATE, 1, 1000);
	ck_assert_double_eq(m.v.work, RATE * 5);
	vardiff_start(&m.v, &m.options, 0, 1, 1000);
	ck_assert_double_eq(m.v.work, RATE);
	m.job_work = m.v.work;
	miner_run(&m, 600, RATE); /* ten would be right */
	ck_assert_double_eq(m.v.work, RATE * 5);
	miner_run(&m, 3600, 0); /* in silence it moves by factors of 2 */
	ck_assert_double_ge(m.v.work, RATE);
	ck_assert_double_le(m.v.work, RATE * 2);
	/* The device's bound wins. */
	vardiff_start(&m.v, &m.options, 0, RATE * 7, 1000);
	ck_assert_double_eq(m.v.work, RATE * 7);
	/* No target is easier than all. */
	m.options.min_work = 0;
	vardiff_start(&m.v, &m.options, 0, 0, 1000);
	ck_assert_double_eq(m.v.work, 1);
}
END_TEST

START_TEST(start_and_update)
{
	struct miner m;

	miner_start(&m, 1, 6, 1, 0);
	ck_assert_double_eq(m.v.work, RATE * 10);
	m.options.start_work = 4096;
	vardiff_start(&m.v, &m.options, RATE, 1, 1000);
	ck_assert_double_eq(m.v.work, 4096);
	/* Who says later what it has is believed. */
	ck_assert(vardiff_update(&m.v, &m.options, RATE, 1, 2000));
	ck_assert_double_eq(m.v.work, RATE * 10);
	ck_assert_double_eq_tol(vardiff_hashrate(&m.v), RATE, 1);
	ck_assert(!vardiff_update(&m.v, &m.options, RATE, 1, 3000));
	ck_assert(vardiff_update(&m.v, &m.options, RATE, RATE * 20, 3000));
	ck_assert_double_eq(m.v.work, RATE * 20);
}
END_TEST

START_TEST(fixed)
{
	struct vardiff_options before;
	struct miner m;

	miner_start(&m, 1, 6, 1, 0);
	m.options.fixed_work = RATE;
	vardiff_start(&m.v, &m.options, RATE * 100, 1, 1000);
	m.job_work = m.v.work;
	ck_assert_double_eq(m.v.work, RATE);
	miner_run(&m, 3600, RATE);
	ck_assert_uint_eq(m.changes, 0);
	ck_assert_double_eq_tol(vardiff_hashrate(&m.v) / RATE, 1, 0.3);
	/* One channel has its own, and it stays through an update. */
	ck_assert(vardiff_fix(&m.v, &m.options, RATE * 2));
	ck_assert(!vardiff_update(&m.v, &m.options, RATE, 1, 4000000));
	ck_assert_double_eq(m.v.work, RATE * 2);
	ck_assert(vardiff_fix(&m.v, &m.options, 0));
	ck_assert_double_eq(m.v.work, RATE);
	/* The administrator changes his mind. */
	before = m.options;
	m.options.fixed_work = 0;
	(void)vardiff_apply(&m.v, &before, &m.options);
	/* It was begun anew above, with the claim. */
	ck_assert_double_eq_tol(m.v.work / RATE, 10, 1e-6);
	before = m.options;
	m.options.shares_per_minute = 60;
	ck_assert(vardiff_apply(&m.v, &before, &m.options));
	ck_assert_double_eq_tol(m.v.work / RATE, 1, 1e-6);
	ck_assert(!vardiff_apply(&m.v, &m.options, &m.options));
}
END_TEST

/* A clock that stands still or goes back, and silence for years, lead to no nonsense. */
START_TEST(odd_times)
{
	struct miner m;

	miner_start(&m, 1, 6, 1, 0);
	for (int i = 0; i < 1000; i++) {
		vardiff_share(&m.v, m.v.work);
		(void)vardiff_check(&m.v, &m.options, 1000 - (uint64_t)i % 2);
		ck_assert(isfinite(m.v.work) && m.v.work >= 1 && m.v.work <= 1e30);
	}
	ck_assert(isfinite(vardiff_hashrate(&m.v)));
	for (uint64_t day = 1; day < 4000; day++) {
		(void)vardiff_check(&m.v, &m.options, day * 86400000);
		ck_assert(isfinite(m.v.work) && m.v.work >= 1);
		ck_assert(isfinite(vardiff_hashrate(&m.v)));
	}
	/* The same for one whose target can't follow. */
	m.options.min_work = m.options.max_work = 1e25;
	vardiff_start(&m.v, &m.options, RATE, 1, 0);
	vardiff_share(&m.v, 1e25);
	for (uint64_t day = 1; day < 4000; day++) {
		(void)vardiff_check(&m.v, &m.options, day * 86400000);
		ck_assert(isfinite(vardiff_hashrate(&m.v)));
	}
	ck_assert_double_eq(m.v.work, 1e25);
	/* Tens of thousands of channels have one each. */
	ck_assert_uint_le(sizeof(struct vardiff), 256);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vardiff");
	TCase *c = tcase_create("promises");
	TCase *others = tcase_create("others");
	SRunner *r;
	int failed;

	tcase_set_timeout(c, 300);
	tcase_set_timeout(others, 300);
	tcase_add_test(c, halved_and_doubled);
	tcase_add_test(c, steady);
	tcase_add_test(c, first_share);
	tcase_add_test(others, halved_and_doubled_at_other_rates);
	tcase_add_test(others, large_steps);
	tcase_add_test(others, steady_at_other_rates);
	tcase_add_test(others, claims_too_little);
	tcase_add_test(others, off_and_on);
	tcase_add_test(others, drift);
	tcase_add_test(others, bundles);
	tcase_add_test(others, old_shares_count_right);
	tcase_add_test(others, bounds);
	tcase_add_test(others, start_and_update);
	tcase_add_test(others, fixed);
	tcase_add_test(others, odd_times);
	suite_add_tcase(s, c);
	suite_add_tcase(s, others);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
