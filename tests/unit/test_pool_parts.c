/* SPDX-License-Identifier: MIT */
/* The parts of the pool that stand alone: extranonce, duplicates, jobs, rates, text,
 * payout. */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <adit/error.h>

#include "lib/bitcoin/target.h"
#include "lib/mining/duplicates.h"
#include "lib/mining/extranonce.h"
#include "lib/mining/jobs.h"
#include "lib/mining/stats.h"
#include "lib/mining/templates.h"
#include "lib/mining/text.h"

/* --- extranonce --------------------------------------------------------------------------------
 */

START_TEST(extranonce_layout)
{
	struct extranonce x;
	uint8_t prefix[EXTRANONCE_MAX];
	static const uint8_t expected[20] = {0x12, 0x34, 0xab, 0xcd, 0x01, 0x02, 0x03};

	ck_assert_int_eq(extranonce_init(&x, 0x1234, 0xabcd, 3, 13), ADIT_OK);
	ck_assert_uint_eq(extranonce_size(&x), 20);
	ck_assert_uint_eq(extranonce_prefix(&x, 0x010203, false, prefix), 7);
	ck_assert_mem_eq(prefix, expected, 7);
	ck_assert_uint_eq(extranonce_prefix(&x, 0x010203, true, prefix), 20);
	ck_assert_mem_eq(prefix, expected, 20);
	extranonce_fini(&x);
}
END_TEST

/* A number that was given back comes last, and one in use never. */
START_TEST(extranonce_numbers)
{
	struct extranonce x;
	uint32_t number;

	ck_assert_int_eq(extranonce_init(&x, 1, 1, 3, 13), ADIT_OK);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert(extranonce_take(&x, &number));
		ck_assert_uint_eq(number, i);
	}
	extranonce_give(&x, 1);
	ck_assert(extranonce_take(&x, &number));
	ck_assert_uint_eq(number, 3);
	x.next = x.numbers - 1;
	ck_assert(extranonce_take(&x, &number));
	ck_assert_uint_eq(number, x.numbers - 1);
	ck_assert(extranonce_take(&x, &number));
	ck_assert_uint_eq(number, 1);
	ck_assert(extranonce_take(&x, &number));
	ck_assert_uint_eq(number, 4);
	x.live = x.numbers;
	ck_assert(!extranonce_take(&x, &number));
	extranonce_fini(&x);
}
END_TEST

/* --- duplicates --------------------------------------------------------------------------------
 */

static void make_hash(uint32_t n, uint8_t hash[32])
{
	uint64_t state = UINT64_C(0x9e3779b97f4a7c15) * (n + 1);

	for (int i = 0; i < 32; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		hash[i] = (uint8_t)(state >> 24);
	}
}

START_TEST(duplicates_until_full)
{
	struct duplicates d;
	uint8_t hash[32];

	ck_assert_int_eq(duplicates_init(&d, 1), ADIT_OK);
	ck_assert_uint_eq(d.limit, 768);
	for (uint32_t i = 0; i < 768; i++) {
		make_hash(i, hash);
		ck_assert_int_eq(duplicates_add(&d, hash), DUPLICATES_NEW);
	}
	/* Full: new ones are refused, the old ones all still known. */
	make_hash(1000, hash);
	ck_assert_int_eq(duplicates_add(&d, hash), DUPLICATES_FULL);
	for (uint32_t i = 0; i < 768; i++) {
		make_hash(i, hash);
		ck_assert_int_eq(duplicates_add(&d, hash), DUPLICATES_SEEN);
	}
	duplicates_clear(&d);
	for (uint32_t i = 0; i < 768; i++) {
		make_hash(i, hash);
		ck_assert_int_eq(duplicates_add(&d, hash), DUPLICATES_NEW);
	}
	duplicates_fini(&d);
}
END_TEST

/* Generations come around; what an ancient one left must not be taken for a share of today. */
START_TEST(duplicates_generations)
{
	struct duplicates d;
	uint8_t hash[32];

	ck_assert_int_eq(duplicates_init(&d, 1), ADIT_OK);
	make_hash(7, hash);
	for (uint32_t i = 0; i < 70000; i++) {
		ck_assert_int_eq(duplicates_add(&d, hash), DUPLICATES_NEW);
		ck_assert_int_eq(duplicates_add(&d, hash), DUPLICATES_SEEN);
		duplicates_clear(&d);
	}
	duplicates_fini(&d);
}
END_TEST

/* --- jobs --------------------------------------------------------------------------------------
 */

static const uint8_t some_target[32] = {[31] = 1};

/* The caller's reference is the only one. */
static struct coinbase *some_coinbase(void)
{
	struct template *t = calloc(1, sizeof *t);
	struct coinbase *c = calloc(1, sizeof *c);

	t->refs = 1;
	t->tip.min_ntime = 100;
	c->refs = 1;
	c->template = t;
	return c;
}

static void add_job(struct jobs *jobs, struct coinbase *c, uint32_t id, enum job_state state)
{
	static const uint8_t prefix[7] = {1, 2, 3, 4, 5, 6, 7};
	struct job *job = jobs_add(jobs, c, id, state, prefix, sizeof prefix);

	ck_assert_ptr_nonnull(job);
	job_set_target(job, some_target);
}

START_TEST(jobs_life)
{
	struct jobs jobs = {0};
	struct coinbase *c = some_coinbase();

	add_job(&jobs, c, 1, JOB_FUTURE);
	ck_assert_ptr_null(jobs_find(&jobs, 1)); /* future: not to be mined yet */
	ck_assert(!jobs_is_stale(&jobs, 1));
	ck_assert(jobs_activate(&jobs, 1, some_target));
	ck_assert_ptr_nonnull(jobs_find(&jobs, 1));
	add_job(&jobs, c, 2, JOB_ACTIVE);
	ck_assert_int_eq(jobs_find(&jobs, 1)->state, JOB_PAST);
	ck_assert_uint_eq(jobs_active(&jobs)->id, 2);
	add_job(&jobs, c, 3, JOB_FUTURE);
	add_job(&jobs, c, 4, JOB_FUTURE);
	ck_assert(jobs_activate(&jobs, 4, some_target));
	ck_assert_uint_eq(jobs_active(&jobs)->id, 4);
	for (uint32_t id = 1; id <= 3; id++)
		ck_assert_ptr_null(jobs_find(&jobs, id));
	ck_assert(jobs_is_stale(&jobs, 1));
	ck_assert(jobs_is_stale(&jobs, 2));
	ck_assert(!jobs_is_stale(&jobs, 3)); /* never was to be mined */
	/* One generation of stale jobs. */
	add_job(&jobs, c, 5, JOB_FUTURE);
	ck_assert(jobs_activate(&jobs, 5, some_target));
	ck_assert(jobs_is_stale(&jobs, 4));
	ck_assert(!jobs_is_stale(&jobs, 1));
	ck_assert(!jobs_is_stale(&jobs, 2));
	ck_assert(!jobs_activate(&jobs, 77, some_target));
	ck_assert_uint_eq(jobs.count, 0);
	jobs_fini(&jobs);
	ck_assert_uint_eq(c->refs, 1);
	coinbase_unref(c);
}
END_TEST

START_TEST(jobs_bounds)
{
	struct jobs jobs = {0};
	struct coinbase *c = some_coinbase();

	for (uint32_t id = 1; id <= 40; id++)
		add_job(&jobs, c, id, JOB_ACTIVE);
	ck_assert_uint_eq(jobs.count, 1 + JOBS_PAST_MAX);
	ck_assert_ptr_nonnull(jobs_find(&jobs, 40 - JOBS_PAST_MAX));
	ck_assert_ptr_null(jobs_find(&jobs, 40 - JOBS_PAST_MAX - 1));
	/* What fell out was a job once: late, not unknown. */
	ck_assert(jobs_is_stale(&jobs, 40 - JOBS_PAST_MAX - 1));
	for (uint32_t id = 41; id <= 60; id++)
		add_job(&jobs, c, id, JOB_FUTURE);
	ck_assert_uint_eq(jobs.count, 1 + JOBS_PAST_MAX + JOBS_FUTURE_MAX);
	ck_assert_uint_eq(jobs_active(&jobs)->id, 40);
	ck_assert(jobs_activate(&jobs, 60 - JOBS_FUTURE_MAX + 1, some_target));
	ck_assert_uint_eq(jobs.count, 1);
	jobs_fini(&jobs);
	coinbase_unref(c);
}
END_TEST

/* A new target is for jobs to come and for futures, never for what is mined already. */
START_TEST(jobs_targets)
{
	struct jobs jobs = {0};
	struct coinbase *c = some_coinbase();
	static const uint8_t harder[32] = {[30] = 1};

	add_job(&jobs, c, 1, JOB_ACTIVE);
	add_job(&jobs, c, 2, JOB_FUTURE);
	add_job(&jobs, c, 3, JOB_ACTIVE);
	ck_assert_mem_eq(jobs_find(&jobs, 1)->target, some_target, 32);
	ck_assert(jobs_activate(&jobs, 2, harder));
	ck_assert_mem_eq(jobs_find(&jobs, 2)->target, harder, 32);
	/* 2^256 / 2^240 */
	ck_assert_double_eq_tol(jobs_find(&jobs, 2)->hashes, 65536.0, 0.001);
	jobs_fini(&jobs);
	coinbase_unref(c);
}
END_TEST

/* --- rate --------------------------------------------------------------------------------------
 */

START_TEST(rate_decays)
{
	struct rate r;

	rate_start(&r, 1000);
	ck_assert_double_eq(rate_get(&r, 1000), 0);
	for (uint64_t s = 1; s <= 60; s++)
		rate_add(&r, 1000 + s * 1000, 5e6);
	/* Right after one minute already, and after hours; gone when the miner is. */
	ck_assert_double_eq_tol(rate_get(&r, 61000), 5e6, 5e4);
	for (uint64_t s = 61; s <= 7200; s++)
		rate_add(&r, 1000 + s * 1000, 5e6);
	ck_assert_double_eq_tol(rate_get(&r, 7201000), 5e6, 5e4);
	ck_assert_double_le(rate_get(&r, 7201000 + 3600000), 100);
}
END_TEST

/* --- text --------------------------------------------------------------------------------------
 */

static void check_text(const char *in, size_t size, const char *expected)
{
	char out[64];

	text_printable((const uint8_t *)in, size, out);
	ck_assert_str_eq(out, expected);
}

START_TEST(text_is_printable)
{
	check_text("", 0, "");
	check_text("worker.1", 8, "worker.1");
	check_text("a\nb\0c\x7f", 6, "a?b?c?");
	check_text("gr\xc3\xbc\xc3\x9f", 6, "gr\xc3\xbc\xc3\x9f");
	check_text("\xe2\x9b\x8f\xf0\x9f\x92\x8e", 7, "\xe2\x9b\x8f\xf0\x9f\x92\x8e");
	check_text("\xc3", 1, "?");           /* cut */
	check_text("\xc0\xaf", 2, "??");      /* overlong */
	check_text("\xed\xa0\x80", 3, "???"); /* a surrogate */
	check_text("\xc2\x9b", 2, "??");      /* CSI, a control character of its own */
	check_text("\xf4\x90\x80\x80", 4, "????");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pool parts");
	TCase *c = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(c, extranonce_layout);
	tcase_add_test(c, extranonce_numbers);
	tcase_add_test(c, duplicates_until_full);
	tcase_add_test(c, duplicates_generations);
	tcase_add_test(c, jobs_life);
	tcase_add_test(c, jobs_bounds);
	tcase_add_test(c, jobs_targets);
	tcase_add_test(c, rate_decays);
	tcase_add_test(c, text_is_printable);
	tcase_set_timeout(c, 60);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
