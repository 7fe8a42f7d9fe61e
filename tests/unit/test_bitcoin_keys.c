/* SPDX-License-Identifier: MIT */
/* Extended public keys (tests/vectors/bip32.txt) and taproot output keys
 * (tests/vectors/bip341_wallet_vectors.json). */
#include "config.h"

#include "test_bitcoin.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/address.h"
#include "lib/bitcoin/bip32.h"
#include "lib/bitcoin/taproot.h"
#include "vectors.h"

/* Derives the last step of PATH from PARENT, unless it is hardened, and compares. */
static bool check_step(const char *path, const struct bip32_key *parent,
		       const struct bip32_key *expected)
{
	const char *step = strrchr(path, '/');
	struct bip32_key child;
	struct error e = {0};

	if (step == NULL || strchr(step, 'H') != NULL)
		return false;
	ck_assert_msg(bip32_child(parent, (uint32_t)strtoul(step + 1, NULL, 10), &child, &e) ==
			  ADIT_OK,
		      "%s: %s", path, e.text);
	ck_assert_mem_eq(child.point, expected->point, sizeof(child.point));
	ck_assert_mem_eq(child.chain_code, expected->chain_code, sizeof(child.chain_code));
	ck_assert_uint_eq(child.depth, expected->depth);
	return true;
}

/* The private keys among the invalid ones are refused for being private: their turn is in
 * key_is_private(). */
START_TEST(vectors_of_bip32)
{
	struct bip32_key parent = {0};
	int keys = 0, steps = 0, invalid = 0;
	struct vectors v;

	for (vectors_open(&v, "bip32.txt", '\t'); vectors_next(&v);) {
		struct bip32_key key;
		struct error e = {0};

		ck_assert_uint_eq(v.count, 2);
		if (strcmp(v.fields[0], "invalid") == 0) {
			ck_assert_int_eq(bip32_parse(v.fields[1], BITCOIN_MAIN, &key, &e),
					 ADIT_E_INVALID_ARGUMENT);
			invalid++;
			continue;
		}
		ck_assert_msg(bip32_parse(v.fields[1], BITCOIN_MAIN, &key, &e) == ADIT_OK, "%s: %s",
			      v.fields[0], e.text);
		keys++;
		steps += check_step(v.fields[0], &parent, &key) ? 1 : 0;
		parent = key;
	}
	ck_assert_int_eq(keys, 17);
	ck_assert_int_eq(steps, 6);
	ck_assert_int_eq(invalid, 16);
}
END_TEST

START_TEST(hardened_children_are_out_of_reach)
{
	static const char xpub[] =
	    "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoCu1Rupje8YtGqse"
	    "fD265TMg7usUDFdp6W1EGMcet8";
	struct bip32_key key;
	struct error e = {0};

	ck_assert_int_eq(bip32_parse(xpub, BITCOIN_MAIN, &key, &e), ADIT_OK);
	ck_assert_int_eq(bip32_child(&key, BIP32_HARDENED, &key, &e), ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(bip32_child(&key, BIP32_HARDENED - 1, &key, &e), ADIT_OK);
	ck_assert_uint_eq(key.depth, 1);
	key.depth = 255;
	ck_assert_int_eq(bip32_child(&key, 0, &key, &e), ADIT_E_INVALID_ARGUMENT);
}
END_TEST

/* The string at PATH (two names) of OBJECT; NULL where the file has null. */
static const char *text_at(struct json_object *object, const char *outer, const char *inner)
{
	struct json_object *value;

	ck_assert(json_object_object_get_ex(object, outer, &object));
	ck_assert(json_object_object_get_ex(object, inner, &value));
	return json_object_get_string(value);
}

/* Output key, script and address of one entry of "scriptPubKey". */
static void check_taproot(struct json_object *entry)
{
	const char *root_text = text_at(entry, "intermediary", "merkleRoot");
	uint8_t internal[32], root[32], key[32];
	struct script script;
	struct error e = {0};

	ck_assert_uint_eq(unhex(text_at(entry, "given", "internalPubkey"), internal, 32), 32);
	if (root_text != NULL)
		ck_assert_uint_eq(unhex(root_text, root, 32), 32);
	ck_assert(taproot_output_key(internal, root_text != NULL ? root : NULL, key));
	assert_hex(key, sizeof(key), text_at(entry, "intermediary", "tweakedPubkey"));
	ck_assert_msg(address_to_script(text_at(entry, "expected", "bip350Address"), BITCOIN_MAIN,
					&script, &e) == ADIT_OK,
		      "%s", e.text);
	assert_hex(script.data, script.size, text_at(entry, "expected", "scriptPubKey"));
	ck_assert_mem_eq(script.data + 2, key, sizeof(key));
}

START_TEST(vectors_of_bip341)
{
	char path[4096];
	struct json_object *all;
	struct json_object *entries;

	vectors_path("bip341_wallet_vectors.json", path, sizeof(path));
	all = json_object_from_file(path);
	ck_assert_msg(all != NULL, "%s", json_util_get_last_err());
	ck_assert(json_object_object_get_ex(all, "scriptPubKey", &entries));
	ck_assert_uint_eq(json_object_array_length(entries), 7);
	for (size_t i = 0; i < 7; i++)
		check_taproot(json_object_array_get_idx(entries, i));
	json_object_put(all);
}
END_TEST

START_TEST(no_taproot_key_without_a_point)
{
	uint8_t internal[32];
	uint8_t key[32];

	memset(internal, 0xff, sizeof(internal));
	ck_assert(!taproot_output_key(internal, NULL, key));
}
END_TEST

Suite *keys_suite(void)
{
	Suite *suite = suite_create("keys");
	TCase *tcase = tcase_create("keys");

	tcase_add_test(tcase, vectors_of_bip32);
	tcase_add_test(tcase, hardened_children_are_out_of_reach);
	tcase_add_test(tcase, vectors_of_bip341);
	tcase_add_test(tcase, no_taproot_key_without_a_point);
	suite_add_tcase(suite, tcase);
	return suite;
}
