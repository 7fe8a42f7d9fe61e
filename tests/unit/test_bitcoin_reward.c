/* SPDX-License-Identifier: MIT */
/* lib/bitcoin/reward.h: lists of payees with percentages. */
#include "config.h"

#include <string.h>

#include "lib/bitcoin/reward.h"
#include "test_bitcoin.h"

/* Examples of BIP173 and BIP350, for the main network. */
#define WPKH "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
#define TAPROOT "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"
/* An address of a block's coinbase in the main chain; it begins with a digit as a percentage does.
 */
#define BASE58 "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
/* BIP32 test vector 1, chain m. */
#define XPUB                                                                                       \
	"xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqsefD2" \
	"65TMg7usUDFdp6W1EGMcet8"

static void expect_reward(const char *text, uint32_t count, const uint32_t *parts, uint32_t rest)
{
	struct reward r;
	struct error e = {0};

	ck_assert_msg(reward_parse(&r, text, BITCOIN_MAIN, &e) == ADIT_OK, "%s: %s", text, e.text);
	ck_assert_uint_eq(r.count, count);
	ck_assert_uint_eq(r.rest, rest);
	for (uint32_t i = 0; i < count; i++)
		ck_assert_msg(r.items[i].parts == parts[i], "%s: %u of %u", text, r.items[i].parts,
			      i);
	reward_free(&r);
	ck_assert_uint_eq(r.count, 0);
}

START_TEST(shares)
{
	expect_reward(WPKH, 1, (uint32_t[]){1000000}, 0);
	expect_reward("100% " WPKH, 1, (uint32_t[]){1000000}, 0);
	expect_reward(BASE58, 1, (uint32_t[]){1000000}, 0);
	expect_reward("97.5% " WPKH ", 2.5% " TAPROOT, 2, (uint32_t[]){975000, 25000}, 0);
	expect_reward("2.5%" TAPROOT "," WPKH, 2, (uint32_t[]){25000, 975000}, 1);
	expect_reward("\t0.0001 % " BASE58 " , " WPKH " ", 2, (uint32_t[]){1, 999999}, 1);
	expect_reward("33.3333% " WPKH ",33.3333% " TAPROOT ",33.3334%" BASE58, 3,
		      (uint32_t[]){333333, 333333, 333334}, 0);
	/* A comma inside of parentheses separates keys. */
	expect_reward(
	    "50% sh(multi(1,"
	    "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798,"
	    "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5)),50%" WPKH,
	    2, (uint32_t[]){500000, 500000}, 0);
}
END_TEST

START_TEST(ranged_items)
{
	struct reward r;
	struct error e = {0};

	ck_assert_int_eq(reward_parse(&r, "1% " WPKH ", wpkh(" XPUB "/0/*)", BITCOIN_MAIN, &e),
			 ADIT_OK);
	ck_assert(!r.items[0].ranged);
	ck_assert(r.items[1].ranged);
	ck_assert_str_eq(r.items[1].descriptor, "wpkh(" XPUB "/0/*)");
	reward_free(&r);
}
END_TEST

static void expect_wrong(const char *text, const char *word)
{
	struct reward r;
	struct error e = {0};

	ck_assert_msg(reward_parse(&r, text, BITCOIN_MAIN, &e) != ADIT_OK, "%s was taken", text);
	ck_assert_uint_eq(r.count, 0);
	ck_assert_msg(strstr(e.text, word) != NULL, "%s: \"%s\" has no %s", text, e.text, word);
}

START_TEST(wrong_lists)
{
	char many[2048] = "";

	expect_wrong("", "expected an address");
	expect_wrong(" , ", "expected an address");
	expect_wrong("5%", "expected an address");
	expect_wrong(WPKH ",", "expected an address");
	expect_wrong("raw()", "raw()");
	expect_wrong("0% " WPKH, "percentage");
	expect_wrong("101% " WPKH, "percentage");
	expect_wrong("4294967396% " WPKH, "percentage");
	expect_wrong("1.00001% " WPKH "," TAPROOT, "percentage");
	expect_wrong("1.2.3% " WPKH "," TAPROOT, "percentage");
	expect_wrong(".% " WPKH, "percentage");
	expect_wrong("97.5% " WPKH, "97.5, not 100");
	expect_wrong("97.5% " WPKH ", 3% " TAPROOT, "100.5, not 100");
	expect_wrong("100% " WPKH ", " TAPROOT, "nothing is left");
	expect_wrong(WPKH ", " TAPROOT, "no percentage");
	expect_wrong("1% " WPKH ", bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "regtest");
	for (int i = 0; i <= REWARD_ITEMS_MAX; i++)
		strcat(many, "1% " WPKH ",");
	expect_wrong(many, "more than 16");
}
END_TEST

Suite *reward_suite(void)
{
	Suite *suite = suite_create("reward");
	TCase *tcase = tcase_create("reward");

	tcase_add_test(tcase, shares);
	tcase_add_test(tcase, ranged_items);
	tcase_add_test(tcase, wrong_lists);
	suite_add_tcase(suite, tcase);
	return suite;
}
