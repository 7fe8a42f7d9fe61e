/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "test_bitcoin.h"

#include <string.h>

#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"

static const char *const implementations[] = {"sha-ni", "openssl"};
#define IMPLEMENTATIONS 2

/* The implementation of a loop test; false when this CPU has it not. */
static bool select_implementation(int i)
{
	if (!sha256_select(implementations[i]))
		return false;
	ck_assert_str_eq(sha256_implementation(), implementations[i]);
	return true;
}

/* Block 0 of the main network: hash 000000000019d6689c085ae165831e93
 * 4ff763ae46a2a6c172b3f1b60a8ce26f.
 */
static const char genesis_header[] =
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c"
    "3e"
    "67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c";
static const char genesis_hash[] =
    "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
#define GENESIS_NONCE 2083236893u

static void header_midstate(uint8_t header[80], struct sha256_midstate *mid)
{
	ck_assert_uint_eq(unhex(genesis_header, header, 80), 80);
	sha256_midstate(header, mid);
}

static void header_nonce(uint8_t header[80], uint32_t nonce)
{
	for (size_t b = 0; b < 4; b++)
		header[76 + b] = (uint8_t)(nonce >> (8 * b));
}

/* FIPS 180-2 appendix B.1 to B.3, and the empty message of NIST's CAVP (SHA256ShortMsg, Len = 0).
 */
START_TEST(messages_of_fips_180)
{
	static const struct {
		const char *message;
		const char *digest;
	} vectors[] = {
	    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	static uint8_t million[1000000];
	uint8_t digest[32];

	if (!select_implementation(_i))
		return;
	for (size_t i = 0; i < COUNT(vectors); i++) {
		sha256(vectors[i].message, strlen(vectors[i].message), digest);
		assert_hex(digest, 32, vectors[i].digest);
	}
	memset(million, 'a', sizeof(million));
	sha256(million, sizeof(million), digest);
	assert_hex(digest, 32, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

/* Every size around the padding's boundaries, in one piece and in pieces of every size. */
START_TEST(pieces_make_the_same_hash)
{
	uint8_t data[200];

	if (!select_implementation(_i))
		return;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + 1);
	for (size_t size = 0; size <= sizeof(data); size++) {
		uint8_t whole[32];
		uint8_t once[32];

		sha256(data, size, once);
		sha256d(data, size, whole);
		sha256(once, 32, once);
		ck_assert_mem_eq(once, whole, 32);
		for (size_t piece = 1; piece <= size; piece++) {
			struct sha256_stream s;
			uint8_t digest[32];

			sha256_start(&s);
			for (size_t at = 0; at < size; at += piece)
				sha256_add(&s, data + at, size - at < piece ? size - at : piece);
			sha256d_finish(&s, digest);
			ck_assert_mem_eq(digest, whole, 32);
		}
	}
}
END_TEST

START_TEST(implementations_agree)
{
	uint8_t data[300];
	uint8_t digests[2][32];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + 5);
	for (size_t size = 0; size <= sizeof(data); size++) {
		for (int i = 0; i < IMPLEMENTATIONS; i++) {
			if (!select_implementation(i))
				return;
			sha256(data, size, digests[i]);
		}
		ck_assert_mem_eq(digests[0], digests[1], 32);
	}
}
END_TEST

START_TEST(pair_is_the_hash_of_both)
{
	uint8_t both[64];
	uint8_t expected[32];
	uint8_t digest[32];

	if (!select_implementation(_i))
		return;
	for (size_t i = 0; i < sizeof(both); i++)
		both[i] = (uint8_t)(i + 1);
	sha256d(both, 64, expected);
	sha256d_pair(both, both + 32, digest);
	ck_assert_mem_eq(digest, expected, 32);
	sha256d_pair(both, both + 32, both + 32);
	ck_assert_mem_eq(both + 32, expected, 32);
}
END_TEST

START_TEST(genesis_header_hashes)
{
	struct sha256_midstate mid;
	uint8_t header[80];
	uint8_t hash[32];

	if (!select_implementation(_i))
		return;
	header_midstate(header, &mid);
	sha256d_header(header, hash);
	assert_hash(hash, genesis_hash);
	memset(hash, 0, 32);
	sha256d_header_tail(&mid, header + 64, hash);
	assert_hash(hash, genesis_hash);
	sha256d(header, 80, hash);
	assert_hash(hash, genesis_hash);
}
END_TEST

/* The genesis nonce, from starting points of both parities; the target is difficulty 1, then the
 * hash itself, then one below. */
START_TEST(scan_finds_the_genesis_nonce)
{
	struct sha256_midstate mid;
	uint8_t header[80];
	uint8_t target[32] = {0};
	uint8_t hash[32];
	uint32_t nonce = 0;

	if (!select_implementation(_i))
		return;
	header_midstate(header, &mid);
	memset(header + 76, 0xee, 4); /* what is there does not count */
	target[26] = 0xff;
	target[27] = 0xff;
	for (uint32_t before = 0; before < 6; before++) {
		uint32_t first = GENESIS_NONCE - before;

		ck_assert_int_eq(
		    sha256d_scan(&mid, header + 64, first, before + 1, target, &nonce, hash), 1);
		ck_assert_uint_eq(nonce, GENESIS_NONCE);
		assert_hash(hash, genesis_hash);
		ck_assert_int_eq(
		    sha256d_scan(&mid, header + 64, first, before, target, &nonce, hash), 0);
	}
	memcpy(target, hash, 32);
	ck_assert_int_eq(
	    sha256d_scan(&mid, header + 64, GENESIS_NONCE - 9, 20, target, &nonce, hash), 1);
	target[0]--;
	ck_assert_int_eq(
	    sha256d_scan(&mid, header + 64, GENESIS_NONCE - 9, 20, target, &nonce, hash), 0);
}
END_TEST

/* With an easy target: each hit of a range is found, in order, and nothing else. */
START_TEST(scan_agrees_with_the_header_hash)
{
	struct sha256_midstate mid;
	uint8_t header[80];
	uint8_t target[32];
	uint32_t next = 0xffffff00u; /* the range passes 2^32 */
	uint32_t left = 1024;
	int hits = 0;

	if (!select_implementation(_i))
		return;
	header_midstate(header, &mid);
	memset(target, 0xff, 32);
	target[31] = 0x07;
	target[28] = 0x80;
	for (uint32_t at = next, i = 0; i < 1024; i++, at++) {
		uint8_t expected[32];
		uint8_t hash[32];
		uint32_t nonce;

		header_nonce(header, at);
		sha256d_header(header, expected);
		if (expected[31] > 7 || (expected[31] == 7 && expected[30] == 0xff &&
					 expected[29] == 0xff && expected[28] > 0x80))
			continue;
		ck_assert_int_eq(sha256d_scan(&mid, header + 64, next, left, target, &nonce, hash),
				 1);
		ck_assert_uint_eq(nonce, at);
		ck_assert_mem_eq(hash, expected, 32);
		left -= nonce - next + 1;
		next = nonce + 1;
		hits++;
	}
	ck_assert_int_ge(hits, 10);
}
END_TEST

/* A hash that only the target's low bytes rule out, at the start of a range: the range still ends
 * where it should. */
START_TEST(scan_goes_on_after_a_near_miss)
{
	struct sha256_midstate mid;
	uint8_t header[80];

	if (!select_implementation(_i))
		return;
	header_midstate(header, &mid);
	for (uint32_t first = 0; first < 100; first++) {
		uint8_t target[32];
		uint8_t hash[32];
		uint32_t hit = first;
		uint32_t nonce;

		header_nonce(header, first);
		sha256d_header(header, target);
		if (target[0] == 0 || target[31] < 16)
			continue;
		target[0]--;
		do {
			header_nonce(header, ++hit);
			sha256d_header(header, hash);
		} while (!target_met(hash, target));
		ck_assert_int_eq(
		    sha256d_scan(&mid, header + 64, first, hit - first, target, &nonce, hash), 0);
		ck_assert_int_eq(
		    sha256d_scan(&mid, header + 64, first, hit - first + 1, target, &nonce, hash),
		    1);
		ck_assert_uint_eq(nonce, hit);
	}
}
END_TEST

START_TEST(unknown_implementation_is_refused)
{
	ck_assert(!sha256_select("abacus"));
	ck_assert(sha256_select(NULL));
	ck_assert_ptr_nonnull(sha256_implementation());
}
END_TEST

Suite *sha256_suite(void)
{
	Suite *suite = suite_create("sha256");
	TCase *tcase = tcase_create("sha256");

	tcase_add_loop_test(tcase, messages_of_fips_180, 0, IMPLEMENTATIONS);
	tcase_add_loop_test(tcase, pieces_make_the_same_hash, 0, IMPLEMENTATIONS);
	tcase_add_test(tcase, implementations_agree);
	tcase_add_loop_test(tcase, pair_is_the_hash_of_both, 0, IMPLEMENTATIONS);
	tcase_add_loop_test(tcase, genesis_header_hashes, 0, IMPLEMENTATIONS);
	tcase_add_loop_test(tcase, scan_finds_the_genesis_nonce, 0, IMPLEMENTATIONS);
	tcase_add_loop_test(tcase, scan_agrees_with_the_header_hash, 0, IMPLEMENTATIONS);
	tcase_add_loop_test(tcase, scan_goes_on_after_a_near_miss, 0, IMPLEMENTATIONS);
	tcase_add_test(tcase, unknown_implementation_is_refused);
	suite_add_tcase(suite, tcase);
	return suite;
}
