/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "test_bitcoin.h"

#include <adit/sv2.h>
#include <string.h>

#include "lib/bitcoin/tx.h"

/* What CScript() << height gives in Bitcoin Core (src/script/script.h, push_int64 and CScriptNum).
 * The one of 500000 is also in block 500000 of the main network. */
static const struct {
	uint32_t height;
	const char *push;
} heights[] = {
    {0, "00"},
    {1, "51"},
    {2, "52"},
    {16, "60"},
    {17, "0111"},
    {127, "017f"},
    {128, "028000"},
    {255, "02ff00"},
    {256, "020001"},
    {32767, "02ff7f"},
    {32768, "03008000"},
    {500000, "0320a107"},
    {8388607, "03ffff7f"},
    {8388608, "0400008000"},
    {2147483647, "04ffffff7f"},
    {2147483648, "050000008000"},
    {4294967295, "05ffffffff00"},
};

START_TEST(height_push)
{
	uint8_t push[6];
	uint8_t script[8];
	size_t size = bip34_push(heights[_i].height, push);
	uint32_t height = 77;

	assert_hex(push, size, heights[_i].push);
	ck_assert(bip34_height(push, size, &height));
	ck_assert_uint_eq(height, heights[_i].height);
	/* With something after it, and cut off. */
	memcpy(script, push, size);
	script[size] = 0xff;
	height = 77;
	ck_assert(bip34_height(script, size + 1, &height));
	ck_assert_uint_eq(height, heights[_i].height);
	height = 77;
	ck_assert(!bip34_height(push, size - 1, &height));
	ck_assert_uint_eq(height, 77);
}
END_TEST

static const char *const no_heights[] = {
    "0110",           /* 16 must be OP_16 */
    "0100",           /* 0 must be OP_0 */
    "021100",         /* a zero byte too many */
    "0191",           /* -17 */
    "0281ff",         /* negative */
    "050000000001",   /* 2^32 */
    "06000000000100", /* no number of that size */
    "4c0111",         /* OP_PUSHDATA1 for one byte */
    "4f",             /* OP_1NEGATE */
    "61",             /* OP_NOP */
    "6a",
    "ff",
};

START_TEST(no_height_push)
{
	uint8_t script[16];
	size_t size = unhex(no_heights[_i], script, sizeof(script));
	uint32_t height;

	ck_assert(!bip34_height(script, size, &height));
}
END_TEST

/* The commitment of a block without transactions besides its coinbase, as bitcoind makes it: root
 * of the single leaf zero. Also in the coinbase of sv2-protocol's share example. */
START_TEST(commitment_of_an_empty_block)
{
	static const uint8_t root[32];
	uint8_t script[38];

	bip141_commitment(root, script);
	assert_hex(script, sizeof(script),
		   "6a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9");
}
END_TEST

/* BIP323 leaves bits 5 to 28 of the version to the miner, BIP320 had left bits 13 to 28. Neither
 * touches the three bits at the top that mark versions as BIP9's (001). */
START_TEST(version_bits_of_the_miner)
{
	const uint32_t bip320 = 0x1fffe000;
	uint32_t bip323 = 0;

	for (unsigned bit = 5; bit <= 28; bit++)
		bip323 |= UINT32_C(1) << bit;
	ck_assert_uint_eq(ADIT_SV2_VERSION_ROLLING_MASK, bip323);
	ck_assert_uint_eq(bip320 & ~ADIT_SV2_VERSION_ROLLING_MASK, 0);
	ck_assert_uint_eq(ADIT_SV2_VERSION_ROLLING_MASK & UINT32_C(0xe0000000), 0);
}
END_TEST

#define HASH20 "14cd2b3298b7f455f39805377e5f213093df3cc09a"
#define KEY33 "21025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee6357"

/* The scripts of Bitcoin Core's src/test/sigopcount_tests.cpp (CountSigOps,
 * CountSigOpsKnownTemplates, CountSigOpsErrors) with their counts. */
static const struct {
	const char *script;
	uint32_t legacy;
	uint32_t accurate;
} sigops[] = {
    {"", 0, 0},
    {"51" HASH20 HASH20 "52ae", 20, 2},
    {"51" HASH20 HASH20 "52ae63ac68", 21, 3},
    {"51" KEY33 KEY33 KEY33 "53ae", 20, 3},
    {"51" KEY33 KEY33 "52af", 20, 2},
    {KEY33 "ac", 1, 1},
    {"76a9" HASH20 "88ac", 1, 1},
    {"a9" HASH20 "87", 0, 0},
    {"00" HASH20, 0, 0},
    {"6a76a9" HASH20 "88ac", 1, 1},
    {"ad", 1, 1},
    {"ae", 20, 20},
    {"60ae", 20, 16},
    {"00ae", 20, 20},
    {"4b", 0, 0},
    {"ac4b", 1, 1},
    {"ac02ad", 1, 1},
    {"ac4c", 1, 1},
    {"ac4cffad", 1, 1},
    {"ac4d", 1, 1},
    {"ac4dff", 1, 1},
    {"ac4dffffacadaeaf", 1, 1},
    {"ac4e", 1, 1},
    {"ac4effffff", 1, 1},
    {"ac4e64ffffffacadaeaf", 1, 1},
    {"4c01acac", 1, 1}, /* what is pushed does not count */
    {"4d0200acacac", 1, 1},
    {"4e02000000acacac", 1, 1},
};

START_TEST(signature_operations)
{
	uint8_t script[256];
	size_t size = unhex(sigops[_i].script, script, sizeof(script));

	ck_assert_uint_eq(script_sigops(script, size, false), sigops[_i].legacy);
	ck_assert_uint_eq(script_sigops(script, size, true), sigops[_i].accurate);
}
END_TEST

Suite *script_suite(void)
{
	Suite *suite = suite_create("script");
	TCase *tcase = tcase_create("script");

	tcase_add_loop_test(tcase, height_push, 0, (int)COUNT(heights));
	tcase_add_loop_test(tcase, no_height_push, 0, (int)COUNT(no_heights));
	tcase_add_test(tcase, commitment_of_an_empty_block);
	tcase_add_test(tcase, version_bits_of_the_miner);
	tcase_add_loop_test(tcase, signature_operations, 0, (int)COUNT(sigops));
	suite_add_tcase(suite, tcase);
	return suite;
}
