/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "test_bitcoin.h"

#include <string.h>

#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/util/hex.h"

/* Block 100000 of the main network: its four txids and the root in its header. */
START_TEST(root_of_block_100000)
{
	static const char *const txids[4] = {
	    "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
	    "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
	    "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
	    "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
	};
	static const char header_hex[] =
	    "0100000050120119172a610421a6c3011dd330d9df07b63616c2cc1f1cd00200000000006657a9252aacd5"
	    "c0b2940996"
	    "ecff952228c3067cc38d4885efb5a4ac4247e9f337221b4d4c86041b0f2b5710";
	uint8_t leaves[4][32];
	uint8_t header[80];
	uint8_t hash[32];

	ck_assert_uint_eq(unhex(header_hex, header, sizeof(header)), 80);
	sha256d_header(header, hash);
	assert_hash(hash, "000000000003ba27aa200b1cecaad478d2b00432346c3f1f3986da1afd33e506");
	for (size_t i = 0; i < 4; i++)
		ck_assert(hex_decode_reversed(txids[i], leaves[i], 32));
	merkle_root(leaves, 4, hash);
	ck_assert_mem_eq(hash, header + 36, 32);
}
END_TEST

static void make_leaves(uint8_t (*leaves)[32], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t seed = (uint8_t)i;

		sha256(&seed, 1, leaves[i]);
	}
}

/* A root made level by level with plain hashes of concatenated nodes. */
static void plain_root(const uint8_t (*leaves)[32], size_t count, uint8_t out[32])
{
	uint8_t nodes[64][32];

	memcpy(nodes, leaves, count * 32);
	while (count > 1) {
		if (count % 2 == 1) {
			memcpy(nodes[count], nodes[count - 1], 32);
			count++;
		}
		for (size_t i = 0; i < count / 2; i++) {
			uint8_t both[64];

			memcpy(both, nodes[2 * i], 32);
			memcpy(both + 32, nodes[2 * i + 1], 32);
			sha256d(both, 64, nodes[i]);
		}
		count /= 2;
	}
	memcpy(out, nodes[0], 32);
}

START_TEST(path_and_root_agree)
{
	for (size_t count = 1; count <= 40; count++) {
		uint8_t leaves[40][32];
		uint8_t copy[40][32];
		uint8_t path[MERKLE_MAX_DEPTH][32];
		uint8_t expected[32];
		uint8_t root[32];
		size_t depth;

		make_leaves(leaves, count);
		memcpy(copy, leaves, sizeof(copy));
		plain_root((const uint8_t(*)[32])copy, count, expected);
		merkle_root(copy, count, root);
		ck_assert_mem_eq(root, expected, 32);

		memcpy(copy, leaves, sizeof(copy));
		depth = merkle_path(copy + 1, count - 1, path);
		ck_assert_uint_le((size_t)1 << depth, 2 * count - 1);
		ck_assert_uint_ge((size_t)1 << depth, count);
		merkle_fold(leaves[0], path[0], depth, root);
		ck_assert_mem_eq(root, expected, 32);
	}
}
END_TEST

START_TEST(edges)
{
	static const uint8_t zeros[32];
	uint8_t leaf[1][32];
	uint8_t path[MERKLE_MAX_DEPTH][32];
	uint8_t root[32];

	make_leaves(leaf, 1);
	memset(root, 1, 32);
	merkle_root(leaf, 0, root);
	ck_assert_mem_eq(root, zeros, 32);
	ck_assert_uint_eq(merkle_path(leaf, 0, path), 0);
	merkle_fold(leaf[0], NULL, 0, root);
	ck_assert_mem_eq(root, leaf[0], 32);
}
END_TEST

Suite *merkle_suite(void)
{
	Suite *suite = suite_create("merkle");
	TCase *tcase = tcase_create("merkle");

	tcase_add_test(tcase, root_of_block_100000);
	tcase_add_test(tcase, path_and_root_agree);
	tcase_add_test(tcase, edges);
	suite_add_tcase(suite, tcase);
	return suite;
}
