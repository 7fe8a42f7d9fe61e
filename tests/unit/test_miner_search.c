/* SPDX-License-Identifier: MIT */
/* The walk through the header space. */
#include "config.h"

#include <check.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/util/hex.h"
#include "plugins/cpu-miner/search.h"
#include "tests/unit/test_miner.h"

/* A share from a server test of the Stratum V2 reference implementation, hashes recomputed: with
 * 1000 H/s and one share a minute as target, nonce 16647 is a share. */
static const char vector_prefix[] =
    "02000000010000000000000000000000000000000000000000000000000000000000000000ffffffff2a5200065376"
    "322f2f2f20";
static const char vector_suffix[] =
    "ffffffff0200f2052a01000000160014ebe1b7dcc293ccaa0ee743a86f89df8258c208fc0000000000000000266a24"
    "aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf900000000";
static const char vector_root[] =
    "cae378f9a9dc0d816aa282f36506f209ece36dd90eb50781a25798a509763a05";
static const char vector_prev[] =
    "17cd48869956dc99e01cd892e478e39dd563a0a3803b8bbe9e3e000000000000";
static const char vector_hash[] =
    "000054cc966c174fc21b056b994c0aa265c40126222040984f571230b9adde1f";
static const char vector_target[] =
    "0001179d9861a761ffdadd11c307c4fc04eea3a418f7d687584e4434af158205";

static struct miner_job *vector_job(bool rolling)
{
	uint8_t prefix[80], suffix[120];
	struct adit_sv2_new_extended_mining_job m = {
	    .job_id = 1,
	    .version = 0x20000000,
	    .version_rolling_allowed = rolling,
	    .coinbase_tx_prefix = {.data = prefix, .size = sizeof(vector_prefix) / 2},
	    .coinbase_tx_suffix = {.data = suffix, .size = sizeof(vector_suffix) / 2},
	};
	struct miner_job *job;

	hex_decode(vector_prefix, prefix, m.coinbase_tx_prefix.size);
	hex_decode(vector_suffix, suffix, m.coinbase_tx_suffix.size);
	job = miner_job_new_extended(&m);
	ck_assert_ptr_nonnull(job);
	job->extranonce_prefix_size = 24;
	job->extranonce_prefix[23] = 1;
	job->extranonce_size = 8;
	hex_decode(vector_prev, job->prev_hash, 32);
	job->nbits = 0x1b00d7c0;
	job->min_ntime = 1745611105;
	hex_decode_reversed(vector_target, job->target, 32);
	return job;
}

START_TEST(root_of_an_extended_job)
{
	struct miner_job *job = vector_job(false);
	const uint8_t extranonce[8] = {1};
	uint8_t root[32], expected[32];

	miner_job_root(job, extranonce, root);
	hex_decode(vector_root, expected, 32);
	ck_assert_mem_eq(root, expected, 32);
	miner_job_unref(job);
}
END_TEST

START_TEST(known_share_is_found)
{
	struct miner_job *job = vector_job(false);
	struct miner_search s;
	struct miner_found found;
	uint8_t expected[32];
	uint64_t tried = 0;
	bool hit = false;

	/* Seed 1: extranonce 0100000000000000, and nonces from 0 on. */
	miner_search_init(&s, job, 0, 1, 1);
	while (!hit && tried < 20000)
		tried += miner_search_run(&s, 0, 1000, &found, &hit);
	ck_assert(hit);
	ck_assert_uint_eq(tried, 16648);
	ck_assert_uint_eq(found.nonce, 16647);
	ck_assert_uint_eq(found.version, 0x20000000);
	ck_assert_uint_eq(found.ntime, 1745611105);
	ck_assert_uint_eq(found.extranonce_size, 8);
	ck_assert_uint_eq(found.extranonce[0], 1);
	hex_decode_reversed(vector_hash, expected, 32);
	ck_assert_mem_eq(found.hash, expected, 32);
	miner_job_unref(job);
}
END_TEST

/* PARTS so many that one part has 65536 nonces. */
#define PARTS 65536u
#define PART_SIZE 65536u

/* Runs LIMIT hashes at NOW_US; every header meets the target, so that each is seen and checked. */
static void each(struct miner_search *s, uint64_t now_us, uint32_t n,
		 void (*fn)(const struct miner_found *found, void *user), void *user)
{
	for (uint32_t i = 0; i < n; i++) {
		struct miner_found found;
		uint8_t root[32], hash[32];
		bool hit;

		ck_assert_uint_eq(miner_search_run(s, now_us, 1000, &found, &hit), 1);
		ck_assert(hit);
		miner_job_root(s->job, found.extranonce, root);
		test_header(s->job, root, found.version, found.ntime, found.nonce, hash);
		ck_assert_mem_eq(hash, found.hash, 32);
		fn(&found, user);
	}
}

struct seen {
	uint64_t count;
	uint64_t first;
	uint64_t end;
	uint8_t nonces[PART_SIZE];
	uint32_t version;
	uint32_t ntime;
};

static void see_nonce(const struct miner_found *found, void *user)
{
	struct seen *seen = user;

	ck_assert_uint_ge(found->nonce, seen->first);
	ck_assert_uint_lt(found->nonce, seen->end);
	ck_assert_uint_eq(seen->nonces[found->nonce - seen->first]++, 0);
	seen->version = found->version;
	seen->ntime = found->ntime;
	seen->count++;
}

/* Every nonce of the part once, wherever the walk begins. */
START_TEST(a_part_is_walked_once)
{
	static struct seen seen;
	struct miner_job *job = test_job(NULL);
	struct miner_search s;

	job->version_rolling = false;
	memset(&seen, 0, sizeof(seen));
	seen.first = 3 * PART_SIZE;
	seen.end = 4 * PART_SIZE;
	miner_search_init(&s, job, 3, PARTS, 0x123456789abcdefull);
	each(&s, 0, PART_SIZE, see_nonce, &seen);
	ck_assert_uint_eq(seen.count, PART_SIZE);
	ck_assert_uint_eq(seen.version, 0x20000000);
	miner_job_unref(job);
}
END_TEST

/* A standard job without version rolling has nothing more to try until the next second. */
START_TEST(nothing_left_in_this_second)
{
	struct miner_job *job = test_job((const uint8_t[32]){0});
	struct miner_search s;
	struct miner_found found;
	bool hit;

	job->version_rolling = false;
	job->started_us = 5000000;
	miner_search_init(&s, job, 0, PARTS, 0);
	ck_assert_uint_eq(miner_search_run(&s, 5000000, 0xffffffff, &found, &hit), PART_SIZE);
	ck_assert(!hit);
	ck_assert_uint_eq(miner_search_run(&s, 5999999, 1000, &found, &hit), 0);
	ck_assert_uint_eq(s.ntime, 1700000000);
	ck_assert_uint_eq(miner_search_run(&s, 6000000, 1000, &found, &hit), 1000);
	ck_assert_uint_eq(s.ntime, 1700000001);
	miner_job_unref(job);
}
END_TEST

/* The time never runs ahead of the seconds that have passed. */
START_TEST(time_moves_with_the_clock)
{
	struct miner_job *job = test_job(NULL);
	struct miner_search s;
	struct miner_found found;
	bool hit;

	job->started_us = 1000000;
	miner_search_init(&s, job, 0, 1, 0);
	miner_search_run(&s, 0, 1, &found, &hit); /* a clock before the job's start */
	ck_assert_uint_eq(found.ntime, 1700000000);
	miner_search_run(&s, 1999999, 1, &found, &hit);
	ck_assert_uint_eq(found.ntime, 1700000000);
	miner_search_run(&s, 4500000, 1, &found, &hit);
	ck_assert_uint_eq(found.ntime, 1700000003);
	miner_job_unref(job);
	job = test_job(NULL);
	job->min_ntime = 0xfffffffe;
	miner_search_init(&s, job, 0, 1, 0);
	miner_search_run(&s, 4500000, 1, &found, &hit);
	ck_assert_uint_eq(found.ntime, 0xffffffff);
	miner_job_unref(job);
}
END_TEST

static void see_version(const struct miner_found *found, void *user)
{
	((struct seen *)user)->version = found->version;
}

/* Versions change within the mask only, and each value comes once before something else has to. */
START_TEST(versions_are_rolled)
{
	static uint8_t versions[MINER_VERSIONS];
	static const uint8_t never[32];
	struct miner_job *job = test_job(never);
	struct miner_search s;
	struct miner_found found;
	bool hit;

	memset(versions, 0, sizeof(versions));
	job->version = 0x3fffffff;
	miner_search_init(&s, job, 0, PARTS, 0xffff);
	/* Only a few hundred of the 2^32 headers are looked at: the position is set to a part's
	 * end. */
	for (uint32_t i = 0; i < MINER_VERSIONS; i++) {
		ck_assert_uint_eq(miner_search_run(&s, 0, 1, &found, &hit), 1);
		ck_assert_uint_eq(s.version & ~MINER_VERSION_MASK,
				  0x3fffffff & ~MINER_VERSION_MASK);
		ck_assert_uint_eq(versions[(s.version >> MINER_VERSION_SHIFT) & 0xffff]++, 0);
		s.tried = s.size;
	}
	ck_assert_uint_eq(miner_search_run(&s, 0, 1, &found, &hit), 0);
	miner_job_unref(job);
}
END_TEST

/* After the versions the extranonce; the header has the root that belongs to it. */
START_TEST(extranonces_are_rolled)
{
	struct miner_job *job = vector_job(false);
	struct miner_search s;
	struct seen seen;

	memset(job->target, 0xff, 32);
	miner_search_init(&s, job, 0, PARTS, 0xffff);
	ck_assert_uint_eq(s.extranonce[0], 0xff);
	ck_assert_uint_eq(s.extranonce[1], 0xff);
	each(&s, 0, 3, see_version, &seen);
	s.tried = s.size;
	each(&s, 0, 3, see_version, &seen);
	ck_assert_uint_eq(s.extranonce[0], 0);
	ck_assert_uint_eq(s.extranonce[1], 0);
	ck_assert_uint_eq(s.extranonce[2], 1);
	miner_job_unref(job);

	job = vector_job(true);
	memset(job->target, 0xff, 32);
	miner_search_init(&s, job, 0, PARTS, 0);
	s.tried = s.size;
	each(&s, 0, 1, see_version, &seen);
	ck_assert_uint_eq(seen.version, 0x20002000);
	ck_assert_uint_eq(s.extranonce[0], 0);
	s.versions = MINER_VERSIONS - 1;
	s.tried = s.size;
	each(&s, 0, 1, see_version, &seen);
	ck_assert_uint_eq(s.extranonce[0], 1);
	miner_job_unref(job);
}
END_TEST

/* Parts cover the nonces without gap or overlap. */
START_TEST(parts_meet)
{
	struct miner_job *job = test_job(NULL);
	static const uint32_t counts[] = {1, 2, 3, 7, 256};
	struct miner_search s;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		uint64_t next = 0;

		for (uint32_t k = 0; k < counts[i]; k++) {
			miner_search_init(&s, job, k, counts[i], 1);
			ck_assert_uint_eq(s.first, next);
			next = s.first + s.size;
		}
		ck_assert_uint_eq(next, 0x100000000u);
	}
	miner_job_unref(job);
}
END_TEST

/* A hash exactly at the target is a share. */
START_TEST(the_target_itself)
{
	struct miner_job *job = vector_job(false);
	struct miner_search s;
	struct miner_found found;
	bool hit;

	hex_decode_reversed(vector_hash, job->target, 32);
	miner_search_init(&s, job, 0, 1, 1);
	s.tried = 16647;
	miner_search_run(&s, 0, 1, &found, &hit);
	ck_assert(hit);
	job->target[0]--;
	s.tried = 16647;
	miner_search_run(&s, 0, 1, &found, &hit);
	ck_assert(!hit);
	miner_job_unref(job);
}
END_TEST

Suite *miner_search_suite(void)
{
	Suite *s = suite_create("search");
	TCase *t = tcase_create("search");

	tcase_add_test(t, root_of_an_extended_job);
	tcase_add_test(t, known_share_is_found);
	tcase_add_test(t, a_part_is_walked_once);
	tcase_add_test(t, nothing_left_in_this_second);
	tcase_add_test(t, time_moves_with_the_clock);
	tcase_add_test(t, versions_are_rolled);
	tcase_add_test(t, extranonces_are_rolled);
	tcase_add_test(t, parts_meet);
	tcase_add_test(t, the_target_itself);
	suite_add_tcase(s, t);
	return s;
}
