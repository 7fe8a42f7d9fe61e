/* SPDX-License-Identifier: MIT */
/* Descriptors: the vectors of BIP380 to BIP386 (tests/vectors/descriptors.txt), and what those
 * leave open. */
#include "config.h"

#include "test_bitcoin.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/bitcoin/address.h"
#include "lib/bitcoin/keyexpr.h"
#include "lib/bitcoin/sha256.h"
#include "vectors.h"

#define SECRET_RUN 12 /* characters of a key in a row that no error text may have */

/* No run of letters and digits of TEXT is in what an error says of it. */
static void assert_not_repeated(const char *text, const char *said)
{
	ck_assert_msg(said[0] != '\0', "no error text for %s", text);
	for (const char *c = text; strlen(c) >= SECRET_RUN; c++) {
		char run[SECRET_RUN + 1];
		bool plain = true;

		memcpy(run, c, SECRET_RUN);
		run[SECRET_RUN] = '\0';
		for (size_t i = 0; i < SECRET_RUN; i++)
			plain = plain && isalnum((unsigned char)run[i]);
		ck_assert_msg(!plain || strstr(said, run) == NULL, "%s: %s", text, said);
	}
}

static void assert_scripts(const struct vectors *v)
{
	const char *text = v->fields[1];
	size_t count = v->count - 2;

	ck_assert_uint_ge(count, 1);
	ck_assert_msg(descriptor_is_ranged(text) == (count > 1), "%s", text);
	for (uint32_t i = 0; i < count; i++) {
		struct script script;
		struct error e = {0};

		ck_assert_msg(descriptor_script_at(text, BITCOIN_MAIN, i, &script, &e) == ADIT_OK,
			      "%s: %s", text, e.text);
		assert_hex(script.data, script.size, v->fields[2 + i]);
		ck_assert_int_eq(descriptor_to_script(text, BITCOIN_MAIN, &script, &e),
				 count > 1 ? ADIT_E_INVALID_ARGUMENT : ADIT_OK);
	}
}

static void assert_refused(const char *text, int32_t code, const char *reason)
{
	struct script script = {.size = 7};
	struct error e = {0};

	ck_assert_msg(descriptor_script_at(text, BITCOIN_MAIN, 0, &script, &e) == code, "%s: %s",
		      text, e.text);
	ck_assert_uint_eq(script.size, 0);
	ck_assert_msg(strstr(e.text, reason) != NULL, "%s: %s", text, e.text);
	assert_not_repeated(text, e.text);
}

static void assert_key(const char *kind, const char *text)
{
	static const struct key_place place = {KEY_UNCOMPRESSED, BITCOIN_MAIN, 0};
	struct public_key key;
	struct error e = {0};
	int32_t rc = key_expression(text, strlen(text), &place, &key, &e);

	if (strcmp(kind, "key") == 0) {
		ck_assert_msg(rc == ADIT_OK, "%s: %s", text, e.text);
		return;
	}
	ck_assert_msg(rc == ADIT_E_INVALID_ARGUMENT, "%s", text);
	if (strcmp(kind, "key-private") == 0)
		ck_assert_msg(strstr(e.text, "private key") != NULL, "%s: %s", text, e.text);
	else if (strcmp(kind, "key-hardened") == 0)
		ck_assert_msg(strstr(e.text, "hardened") != NULL, "%s: %s", text, e.text);
	else
		ck_assert_str_eq(kind, "key-invalid");
	assert_not_repeated(text, e.text);
}

START_TEST(vectors_of_bip380_to_386)
{
	struct vectors v;
	int count = 0;

	for (vectors_open(&v, "descriptors.txt", '\t'); vectors_next(&v); count++) {
		const char *kind = v.fields[0];

		ck_assert_uint_ge(v.count, 2);
		if (strcmp(kind, "script") == 0 || strcmp(kind, "public") == 0)
			assert_scripts(&v);
		else if (strcmp(kind, "private") == 0)
			assert_refused(v.fields[1], ADIT_E_INVALID_ARGUMENT, "a private key: give");
		else if (strcmp(kind, "unsupported") == 0)
			assert_refused(v.fields[1], ADIT_E_UNSUPPORTED, "");
		else if (strcmp(kind, "invalid") == 0)
			assert_refused(v.fields[1], ADIT_E_INVALID_ARGUMENT, "");
		else
			assert_key(kind, v.fields[1]);
	}
	ck_assert_int_eq(count, 127);
}
END_TEST

#define KEY "03a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd"
#define KEY_X "a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd"
#define KEY_Y "5b8dec5235a0fa8722476c7709c02559e3aa73aa03918ba2d492eea75abea235"
#define XPUB                                                                                       \
	"xpub6ERApfZwUNrhLCkDtcHTcxd75RbzS1ed54G1LkBUHQVHQKqhMkhgbmJbZRkrgZw4koxb5JaHWkY4ALHY2grB" \
	"G"                                                                                        \
	"RjaDMzQLcgJvLJuZZvRcEL"

/* What the BIPs' lists do not have. */
static const struct {
	const char *text;
	int32_t code;
	const char *reason;
} refused[] = {
    {"wpkh(" KEY ")x", ADIT_E_INVALID_ARGUMENT, "follows the closing"},
    {"wpkh(" KEY "))", ADIT_E_INVALID_ARGUMENT, "follows the closing"},
    {"wpkh(" KEY, ADIT_E_INVALID_ARGUMENT, "parenthesis of wpkh()"},
    {"sh(wpkh(" KEY ")", ADIT_E_INVALID_ARGUMENT, "parenthesis of sh()"},
    {"wpkh(" KEY "," KEY ")", ADIT_E_INVALID_ARGUMENT, "parenthesis of wpkh()"},
    {"wpkh()", ADIT_E_INVALID_ARGUMENT, "neither"},
    {"wpkh( " KEY ")", ADIT_E_INVALID_ARGUMENT, "neither"},
    {"wpkh (" KEY ")", ADIT_E_INVALID_ARGUMENT, "expected"},
    {"WPKH(" KEY ")", ADIT_E_INVALID_ARGUMENT, "expected"},
    {"(" KEY ")", ADIT_E_INVALID_ARGUMENT, "expected"},
    {"wsh()", ADIT_E_INVALID_ARGUMENT, "expected"},
    {"wsh(sh(pk(" KEY ")))", ADIT_E_INVALID_ARGUMENT, "sh() is not possible in wsh()"},
    {"sh(combo(" KEY "))", ADIT_E_INVALID_ARGUMENT, "not possible"},
    {"wpkh(" KEY_X ")", ADIT_E_INVALID_ARGUMENT, "only tr()"},
    {"wpkh(06" KEY_X KEY_Y ")", ADIT_E_INVALID_ARGUMENT, "uncompressed"},
    {"pk(07" KEY_X KEY_Y ")", ADIT_E_INVALID_ARGUMENT, "no point"}, /* hybrid */
    {"pk(04" KEY_X KEY_X ")", ADIT_E_INVALID_ARGUMENT, "no point"},
    {"pk(05" KEY_X ")", ADIT_E_INVALID_ARGUMENT, "no point"},
    {"tr(ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff)",
     ADIT_E_INVALID_ARGUMENT, "no point"},
    {"wpkh(" KEY "/0)", ADIT_E_INVALID_ARGUMENT, "only extended keys"},
    {"wpkh(" KEY "/*)", ADIT_E_INVALID_ARGUMENT, "only extended keys"},
    {"wpkh(" XPUB "/)", ADIT_E_INVALID_ARGUMENT, "a step"},
    {"wpkh(" XPUB "//0)", ADIT_E_INVALID_ARGUMENT, "a step"},
    {"wpkh(" XPUB "/2147483648)", ADIT_E_INVALID_ARGUMENT, "a step"},
    {"wpkh(" XPUB "/99999999999999999999999999)", ADIT_E_INVALID_ARGUMENT, "a step"},
    {"wpkh(" XPUB "/-1)", ADIT_E_INVALID_ARGUMENT, "a step"},
    {"wpkh(" XPUB "/*/0)", ADIT_E_INVALID_ARGUMENT, "follows the path"},
    {"wpkh(" XPUB "/0*)", ADIT_E_INVALID_ARGUMENT, "follows the path"},
    {"wpkh(" XPUB "/<0;1>/*)", ADIT_E_UNSUPPORTED, "BIP389"},
    {"wpkh(" XPUB "x)", ADIT_E_INVALID_ARGUMENT, "neither"},
    {"multi(2," KEY ")", ADIT_E_INVALID_ARGUMENT, "must sign"},
    {"multi(1)", ADIT_E_INVALID_ARGUMENT, "must sign"},
    {"multi(1,)", ADIT_E_INVALID_ARGUMENT, "neither"},
    {"multi()", ADIT_E_INVALID_ARGUMENT, "must sign"},
    {"multi(4294967297," KEY ")", ADIT_E_INVALID_ARGUMENT, "must sign"},
    {"multi(1," KEY "," KEY "," KEY "," KEY ")", ADIT_E_INVALID_ARGUMENT, "at most 3"},
    {"rawtr(" KEY_X ")", ADIT_E_INVALID_ARGUMENT, "expected"},
};

START_TEST(refused_with_a_reason)
{
	assert_refused(refused[_i].text, refused[_i].code, refused[_i].reason);
}
END_TEST

/* An xpub is for the main network, a tpub for the others. */
START_TEST(extended_keys_know_their_network)
{
	static const char xpub[] = "wpkh(" XPUB "/0)";
	uint8_t payload[78];
	char text[150];
	char tpub[180];
	struct script script;
	struct error e = {0};

	ck_assert_int_eq(base58check_decode(XPUB, payload, sizeof(payload)), 78);
	memcpy(payload, "\x04\x35\x87\xcf", 4);
	ck_assert(base58check_encode(payload, sizeof(payload), text, sizeof(text)));
	ck_assert_int_eq(strncmp(text, "tpub", 4), 0);
	(void)snprintf(tpub, sizeof(tpub), "wpkh(%s/0)", text);
	ck_assert_int_eq(descriptor_to_script(xpub, BITCOIN_MAIN, &script, &e), ADIT_OK);
	for (int network = BITCOIN_TESTNET4; network <= BITCOIN_REGTEST; network++) {
		struct script other;

		ck_assert_int_eq(
		    descriptor_to_script(tpub, (enum bitcoin_network)network, &other, &e), ADIT_OK);
		ck_assert_uint_eq(other.size, script.size);
		ck_assert_mem_eq(other.data, script.data, script.size);
		ck_assert_int_eq(
		    descriptor_to_script(xpub, (enum bitcoin_network)network, &other, &e),
		    ADIT_E_INVALID_ARGUMENT);
		ck_assert_ptr_nonnull(strstr(e.text, "of main (xpub); the network is"));
	}
	ck_assert_int_eq(descriptor_to_script(tpub, BITCOIN_MAIN, &script, &e),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(e.text, "the network is main"));
}
END_TEST

/* The last index is 2^31 - 1; a descriptor without a star is the same at each. */
START_TEST(indices)
{
	struct script script;
	struct script other;
	struct error e = {0};

	ck_assert_int_eq(
	    descriptor_script_at("tr(" XPUB "/*)", BITCOIN_MAIN, 2147483647, &script, &e), ADIT_OK);
	ck_assert_int_eq(descriptor_to_script("tr(" XPUB "/2147483647)", BITCOIN_MAIN, &other, &e),
			 ADIT_OK);
	ck_assert_mem_eq(script.data, other.data, 34);
	ck_assert_int_eq(
	    descriptor_script_at("tr(" XPUB "/*)", BITCOIN_MAIN, 2147483648, &script, &e),
	    ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(
	    descriptor_script_at("tr(" XPUB ")", BITCOIN_MAIN, 2147483648, &script, &e), ADIT_OK);
	ck_assert(!descriptor_is_ranged("tr(" XPUB ")"));
	ck_assert(descriptor_is_ranged("tr(" XPUB "/*)#00000000"));
	ck_assert(!descriptor_is_ranged("tr(" XPUB ")#*"));
	ck_assert(!descriptor_is_ranged(""));
}
END_TEST

/* A path can be as long as depths can be counted: the key above has depth 4. */
START_TEST(depth_has_an_end)
{
	static char text[1024];
	struct script script;
	struct error e = {0};
	size_t size = (size_t)snprintf(text, sizeof(text), "wpkh(" XPUB);

	for (int i = 0; i < 251; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, "/0");
	(void)snprintf(text + size, sizeof(text) - size, ")");
	ck_assert_int_eq(descriptor_to_script(text, BITCOIN_MAIN, &script, &e), ADIT_OK);
	(void)snprintf(text + size, sizeof(text) - size, "/0)");
	ck_assert_int_eq(descriptor_to_script(text, BITCOIN_MAIN, &script, &e),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(e.text, "255 steps"));
}
END_TEST

/* 15 compressed keys make a redeem script of 513 bytes; 8 uncompressed ones one of 531. */
START_TEST(redeem_script_limit)
{
	static char text[2048];
	struct script script;
	struct error e = {0};
	size_t size = (size_t)snprintf(text, sizeof(text), "sh(multi(1");

	for (int i = 0; i < 7; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, ",04" KEY_X KEY_Y);
	(void)snprintf(text + size, sizeof(text) - size, "))");
	ck_assert_int_eq(descriptor_to_script(text, BITCOIN_MAIN, &script, &e), ADIT_OK);
	size += (size_t)snprintf(text + size, sizeof(text) - size, ",04" KEY_X KEY_Y);
	(void)snprintf(text + size, sizeof(text) - size, "))");
	ck_assert_int_eq(descriptor_to_script(text, BITCOIN_MAIN, &script, &e),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(e.text, "longer than 520"));
	size = (size_t)snprintf(text, sizeof(text), "sh(multi(15");
	for (int i = 0; i < 15; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, "," KEY);
	(void)snprintf(text + size, sizeof(text) - size, "))");
	ck_assert_int_eq(descriptor_to_script(text, BITCOIN_MAIN, &script, &e), ADIT_OK);
	ck_assert_uint_eq(script.size, 23);
	(void)snprintf(text + size, sizeof(text) - size, "," KEY "))");
	ck_assert_int_eq(descriptor_to_script(text, BITCOIN_MAIN, &script, &e),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(e.text, "at most 15 keys"));
}
END_TEST

/* 16 is the last number with an opcode of its own (OP_16, 60); 17 is a push (01 11). */
START_TEST(sixteen_and_seventeen_keys)
{
	static const char *const numbers[] = {"60", "0111"};

	for (int n = 16; n <= 17; n++) {
		static char text[2048], hex[2048];
		static uint8_t bytes[1024];
		uint8_t hash[32];
		struct script script;
		struct error e = {0};
		size_t size = (size_t)snprintf(text, sizeof(text), "wsh(multi(%d", n);
		size_t digits = (size_t)snprintf(hex, sizeof(hex), "%s", numbers[n - 16]);

		for (int i = 0; i < n; i++) {
			size += (size_t)snprintf(text + size, sizeof(text) - size, "," KEY);
			digits += (size_t)snprintf(hex + digits, sizeof(hex) - digits, "21" KEY);
		}
		(void)snprintf(text + size, sizeof(text) - size, "))");
		(void)snprintf(hex + digits, sizeof(hex) - digits, "%sae", numbers[n - 16]);
		sha256(bytes, unhex(hex, bytes, sizeof(bytes)), hash);
		ck_assert_msg(descriptor_to_script(text, BITCOIN_MAIN, &script, &e) == ADIT_OK,
			      "%s", e.text);
		ck_assert_uint_eq(script.size, 34);
		ck_assert_mem_eq(script.data + 2, hash, 32);
	}
}
END_TEST

/* One with a slip of the pen is one still. Where the key stands makes no difference. */
START_TEST(private_keys_are_named)
{
	static const char *const keys[] = {
	    "L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1",
	    "cNYfWuhDpbNM1JWc3c6JTrtrFVxU4AGhUKgw5f93NP2QaBqmxKkg",
	    "xprvA1RpRA33e1JQ7ifknakTFpgNXPmW2YvmhqLQYMmrj4xJXXWYpDPS3xz7iAxn8L39njGVyuoseXzU6rcxF"
	    "LJ8HFsTjSyQbLYnMpCqE2VbFWc",
	    "xprvA1RpRA33e1JQ7ifknakTFpgNXPmW2YvmhqLQYMmrj4xJXXWYpDPS3xz7iAxn8L39njGVyuoseXzU6rcxF"
	    "LJ8HFsTjSyQbLYnMpCqE2VbFWd",
	    "tprv8ZgxMBicQKsPd",
	};
	static const char *const before[] = {"", "addr(", "pk(", "wsh(multi(1,",
					     "tr([deadbeef/1h]"};
	static const char *const after[] = {"", ")", ")", "))", ")"};

	for (size_t k = 0; k < COUNT(keys); k++) {
		for (size_t f = 0; f < COUNT(before); f++) {
			char text[160];

			(void)snprintf(text, sizeof(text), "%s%s%s", before[f], keys[k], after[f]);
			assert_refused(text, ADIT_E_INVALID_ARGUMENT, "a private key: give");
		}
	}
}
END_TEST

Suite *descriptor_suite(void)
{
	Suite *suite = suite_create("descriptor");
	TCase *tcase = tcase_create("descriptor");

	tcase_add_test(tcase, vectors_of_bip380_to_386);
	tcase_add_loop_test(tcase, refused_with_a_reason, 0, (int)COUNT(refused));
	tcase_add_test(tcase, extended_keys_know_their_network);
	tcase_add_test(tcase, indices);
	tcase_add_test(tcase, depth_has_an_end);
	tcase_add_test(tcase, redeem_script_limit);
	tcase_add_test(tcase, sixteen_and_seventeen_keys);
	tcase_add_test(tcase, private_keys_are_named);
	suite_add_tcase(suite, tcase);
	return suite;
}
