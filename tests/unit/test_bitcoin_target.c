/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "test_bitcoin.h"

#include <math.h>
#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/util/hex.h"

#define MAX_TARGET "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define DIFF1_TARGET "00000000ffff0000000000000000000000000000000000000000000000000000"

static void parse(const char *text, uint8_t out[32])
{
	ck_assert(hex_decode_reversed(text, out, 32));
}

/* Bitcoin Core, src/test/arith_uint256_tests.cpp, bignum_SetCompact; what is zero, negative or too
 * large there has no value here. The second number is GetCompact() of the first one's value. */
static const struct {
	uint32_t nbits;
	uint32_t again;
	const char *target;
} compact[] = {
    {0x00000000, 0, NULL},
    {0x00123456, 0, NULL},
    {0x01003456, 0, NULL},
    {0x02000056, 0, NULL},
    {0x03000000, 0, NULL},
    {0x04000000, 0, NULL},
    {0x00923456, 0, NULL},
    {0x01803456, 0, NULL},
    {0x02800056, 0, NULL},
    {0x03800000, 0, NULL},
    {0x04800000, 0, NULL},
    {0x01fedcba, 0, NULL},
    {0x04923456, 0, NULL},
    {0xff123456, 0, NULL},
    {0x01123456, 0x01120000, "0000000000000000000000000000000000000000000000000000000000000012"},
    {0x02008000, 0x02008000, "0000000000000000000000000000000000000000000000000000000000000080"},
    {0x02123456, 0x02123400, "0000000000000000000000000000000000000000000000000000000000001234"},
    {0x03123456, 0x03123456, "0000000000000000000000000000000000000000000000000000000000123456"},
    {0x04123456, 0x04123456, "0000000000000000000000000000000000000000000000000000000012345600"},
    {0x05009234, 0x05009234, "0000000000000000000000000000000000000000000000000000000092340000"},
    {0x20123456, 0x20123456, "1234560000000000000000000000000000000000000000000000000000000000"},
    /* By the rule of that class, beyond its tests: the last sizes that still fit, and the first
     * that do not. */
    {0x21001234, 0x20123400, "1234000000000000000000000000000000000000000000000000000000000000"},
    {0x22000012, 0x20120000, "1200000000000000000000000000000000000000000000000000000000000000"},
    {0x21012345, 0, NULL},
    {0x22000123, 0, NULL},
    {0x23000001, 0, NULL},
    /* Minimum difficulty of the main network and of regtest (chainparams). */
    {0x1d00ffff, 0x1d00ffff, DIFF1_TARGET},
    {0x207fffff, 0x207fffff, "7fffff0000000000000000000000000000000000000000000000000000000000"},
};

START_TEST(compact_form)
{
	uint8_t target[32];

	if (compact[_i].target == NULL) {
		ck_assert(!target_from_nbits(compact[_i].nbits, target));
		return;
	}
	ck_assert(target_from_nbits(compact[_i].nbits, target));
	assert_hash(target, compact[_i].target);
	ck_assert_uint_eq(target_to_nbits(target), compact[_i].again);
}
END_TEST

START_TEST(compact_form_of_odd_targets)
{
	uint8_t target[32] = {0};

	ck_assert_uint_eq(target_to_nbits(target), 0);
	parse(MAX_TARGET, target);
	ck_assert_uint_eq(target_to_nbits(target), 0x2100ffff);
	parse("00000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffff", target);
	ck_assert_uint_eq(target_to_nbits(target), 0x1d00ffff);
}
END_TEST

START_TEST(comparison_starts_at_the_top)
{
	uint8_t a[32] = {0};
	uint8_t b[32] = {0};

	ck_assert_int_eq(target_compare(a, b), 0);
	ck_assert(target_met(a, b));
	a[0] = 0xff;
	b[31] = 1;
	ck_assert_int_lt(target_compare(a, b), 0);
	ck_assert_int_gt(target_compare(b, a), 0);
	ck_assert(target_met(a, b) && !target_met(b, a));
}
END_TEST

/* Bitcoin Core, src/test/blockchain_tests.cpp; then the usual example of the number's meaning
 * (en.bitcoin.it, "Difficulty") and what `getblockchaininfo` says on regtest. */
START_TEST(difficulty_of_nbits)
{
	static const struct {
		uint32_t nbits;
		double difficulty;
	} vectors[] = {
	    {0x1d00ffff, 1.0},
	    {0x1f111111, 0.000001},
	    {0x12345678, 5913134931067755359633408.0},
	    {0x1b0404cb, 16307.420938523983},
	    {0x207fffff, 4.6565423739069247e-10},
	};

	for (size_t i = 0; i < COUNT(vectors); i++) {
		uint8_t target[32];
		double expected = vectors[i].difficulty;
		double tolerance = expected == 0.000001 ? 0.0000005 : expected * 1e-15;

		ck_assert(target_from_nbits(vectors[i].nbits, target));
		ck_assert_double_eq_tol(target_difficulty(target), expected, tolerance);
	}
}
END_TEST

START_TEST(difficulty_and_back)
{
	uint8_t target[32];
	uint8_t expected[32];

	target_from_difficulty(1, target);
	assert_hash(target, DIFF1_TARGET);
	target_from_difficulty(16307.420938523983, target);
	ck_assert_uint_eq(target_to_nbits(target), 0x1b0404cb);
	target_from_difficulty(2, target);
	assert_hash(target, "000000007fff8000000000000000000000000000000000000000000000000000");
	target_from_difficulty(0.5, target);
	assert_hash(target, "00000001fffe0000000000000000000000000000000000000000000000000000");
	target_from_difficulty(3, target); /* 0xffff / 3 = 0x5555 */
	assert_hash(target, "0000000055550000000000000000000000000000000000000000000000000000");
	target_from_difficulty(7, target); /* rounded down: 0xffff = 7 * 0x2492 + 1 */
	assert_hash(target, "0000000024922492492492492492492492492492492492492492492492492492");
	parse(MAX_TARGET, expected);
	target_from_difficulty(1e-12, target);
	ck_assert_mem_eq(target, expected, 32);
	target_from_difficulty(5e-324, target);
	ck_assert_mem_eq(target, expected, 32);
	target_from_difficulty(0, target);
	ck_assert_mem_eq(target, expected, 32);
	target_from_difficulty(-1, target);
	ck_assert_mem_eq(target, expected, 32);
	target_from_difficulty(NAN, target);
	ck_assert_mem_eq(target, expected, 32);
	memset(expected, 0, 32);
	target_from_difficulty(1e300, target);
	ck_assert_mem_eq(target, expected, 32);
	target_from_difficulty(INFINITY, target);
	ck_assert_mem_eq(target, expected, 32);
	expected[0] = 1; /* diff1 / (2^224 - 2^208) = 1 */
	target_from_difficulty(ldexp(0xffff, 208), target);
	ck_assert_mem_eq(target, expected, 32);
}
END_TEST

/* The first two: sv2-protocol's example of 1000 H/s and one share a minute; W = 60000 there. The
 * others were computed with Python's integers: (2**256 - 1 - W) // (W + 1). */
START_TEST(target_of_a_hashrate)
{
	static const struct {
		double hashrate;
		double shares_per_minute;
		const char *target;
	} vectors[] = {
	    {1000, 1, "0001179d9861a761ffdadd11c307c4fc04eea3a418f7d687584e4434af158205"},
	    {2000, 2, "0001179d9861a761ffdadd11c307c4fc04eea3a418f7d687584e4434af158205"},
	    {0, 6, MAX_TARGET},
	    {0.01, 6, MAX_TARGET},
	    {0.1, 6, "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	    {1e14, 6, "000000000000480ebe7b9d5842243bcfafbe0c2a514ec93ee949ee6b312011d5"},
	    {5.5, 3, "024e6a171024e6a171024e6a171024e6a171024e6a171024e6a171024e6a170f"},
	    {1e21, 0.5, "0000000000000000000a130ab007ca4c876376781ce0720a4806e98cfe7aa493"},
	    {1e50, 7, "0000000000000000000000000000000000000000006fbe955ba2af6461e23fe5"},
	    {-5, 6, MAX_TARGET},
	    {NAN, 6, MAX_TARGET},
	    {1e300, 6, "0000000000000000000000000000000000000000000000000000000000000002"},
	    {INFINITY, 6, "0000000000000000000000000000000000000000000000000000000000000002"},
	};
	uint8_t target[32];

	for (size_t i = 0; i < COUNT(vectors); i++) {
		target_from_hashrate(vectors[i].hashrate, vectors[i].shares_per_minute, target);
		assert_hash(target, vectors[i].target);
	}
}
END_TEST

START_TEST(work_of_a_target)
{
	uint8_t target[32];

	parse(MAX_TARGET, target);
	ck_assert_double_eq(target_work(target), 1);
	ck_assert(target_from_nbits(0x1d00ffff, target));
	ck_assert_double_eq_tol(target_work(target), 4295032833.0,
				0.001); /* chainwork of block 0 */
	memset(target, 0, 32);
	ck_assert_double_eq(target_work(target), ldexp(1, 256));
	target_from_hashrate(1000, 1, target);
	ck_assert_double_eq_tol(target_work(target), 60001, 0.001);
}
END_TEST

Suite *target_suite(void)
{
	Suite *suite = suite_create("target");
	TCase *tcase = tcase_create("target");

	tcase_add_loop_test(tcase, compact_form, 0, (int)COUNT(compact));
	tcase_add_test(tcase, compact_form_of_odd_targets);
	tcase_add_test(tcase, comparison_starts_at_the_top);
	tcase_add_test(tcase, difficulty_of_nbits);
	tcase_add_test(tcase, difficulty_and_back);
	tcase_add_test(tcase, target_of_a_hashrate);
	tcase_add_test(tcase, work_of_a_target);
	suite_add_tcase(suite, tcase);
	return suite;
}
