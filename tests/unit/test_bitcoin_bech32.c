/* SPDX-License-Identifier: MIT */
/* The encodings beneath addresses: bech32, bech32m, base58. */
#include "config.h"

#include "test_bitcoin.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/base58.h"
#include "lib/bitcoin/bech32.h"
#include "vectors.h"

/* BIP173 and BIP350, "Test vectors": strings that are valid whatever they stand for. */
static const struct {
	const char *text;
	bool is_bech32m;
} valid[] = {
    {"A12UEL5L", false},
    {"a12uel5l", false},
    {"an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
     false},
    {"abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", false},
    {"11qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc8247j",
     false},
    {"split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w", false},
    {"?1ezyfcl", false},
    {"A1LQFN3A", true},
    {"a1lqfn3a", true},
    {"an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
     true},
    {"abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx", true},
    {"11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllludsr8",
     true},
    {"split1checkupstagehandshakeupstreamerranterredcaperredlc445v", true},
    {"?1v759aa", true},
};

START_TEST(valid_bech32)
{
	struct bech32_text decoded;
	const char *wrong = bech32_decode(valid[_i].text, &decoded);

	ck_assert_msg(wrong == NULL, "%s: %s", valid[_i].text, wrong);
	ck_assert(decoded.is_bech32m == valid[_i].is_bech32m);
	ck_assert_uint_eq(strlen(decoded.hrp) + 1 + decoded.size + 6, strlen(valid[_i].text));
}
END_TEST

/* The same sections, strings that are not valid, with what the BIP says is wrong. */
static const struct {
	const char *text;
	const char *reason;
} invalid[] = {
    {" 1nwldj5", "a character"},
    {"\x7f"
     "1axkwrx",
     "a character"},
    {"\x80"
     "1eym55h",
     "a character"},
    {"an84characterslonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1569pvx",
     "longer than 90"},
    {"pzry9x0s0muk", "no network prefix"},
    {"1pzry9x0s0muk", "no network prefix"},
    {"x1b4n0q5v", "a character"},
    {"li1dgmt3", "too short"},
    {"de1lg7wt\xff", "a character"},
    {"A1G7SGD8", "checksum"},
    {"10a06t8", "no network prefix"},
    {"1qzzfhee", "no network prefix"},
    {" 1xj0phk", "a character"},
    {"\x7f"
     "1g6xzxy",
     "a character"},
    {"\x80"
     "1vctc34",
     "a character"},
    {"an84characterslonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11d6pts4",
     "longer than 90"},
    {"qyrz8wqd2c9m", "no network prefix"},
    {"1qyrz8wqd2c9m", "no network prefix"},
    {"y1b0jsk6g", "a character"},
    {"lt1igcx5c0", "a character"},
    {"in1muywd", "too short"},
    {"mm1crxm3i", "a character"},
    {"au1s5cgom", "a character"},
    {"M1VUXWEZ", "checksum"},
    {"16plkw9", "no network prefix"},
    {"1p2gdwpf", "no network prefix"},
};

START_TEST(invalid_bech32)
{
	struct bech32_text decoded;
	const char *wrong = bech32_decode(invalid[_i].text, &decoded);

	ck_assert_msg(wrong != NULL, "%s", invalid[_i].text);
	ck_assert_msg(strstr(wrong, invalid[_i].reason) != NULL, "%s: %s", invalid[_i].text, wrong);
}
END_TEST

static void check_base58(const char *hex, const char *text)
{
	uint8_t data[BASE58_BYTES_MAX + 200];
	uint8_t back[BASE58_BYTES_MAX];
	char encoded[400];
	size_t size = unhex(hex, data, sizeof(data));

	if (size > BASE58_BYTES_MAX) {
		ck_assert(!base58_encode(data, size, encoded, sizeof(encoded)));
		ck_assert_int_eq(base58_decode(text, back), -1);
		return;
	}
	ck_assert(base58_encode(data, size, encoded, sizeof(encoded)));
	ck_assert_str_eq(encoded, text);
	ck_assert_int_eq(base58_decode(text, back), (int)size);
	ck_assert_mem_eq(back, data, size);
}

/* src/test/data/base58_encode_decode.json of Bitcoin Core. One of its 256 bytes is longer than
 * anything in use, and refused here. */
START_TEST(vectors_of_base58)
{
	char path[4096];
	struct json_object *all;

	vectors_path("base58_encode_decode.json", path, sizeof(path));
	all = json_object_from_file(path);
	ck_assert_msg(all != NULL, "%s", json_util_get_last_err());
	ck_assert_uint_eq(json_object_array_length(all), 21);
	for (size_t i = 0; i < 21; i++) {
		struct json_object *entry = json_object_array_get_idx(all, i);

		check_base58(json_object_get_string(json_object_array_get_idx(entry, 0)),
			     json_object_get_string(json_object_array_get_idx(entry, 1)));
	}
	json_object_put(all);
}
END_TEST

Suite *bech32_suite(void)
{
	Suite *suite = suite_create("bech32");
	TCase *tcase = tcase_create("bech32");

	tcase_add_loop_test(tcase, valid_bech32, 0, (int)COUNT(valid));
	tcase_add_loop_test(tcase, invalid_bech32, 0, (int)COUNT(invalid));
	tcase_add_test(tcase, vectors_of_base58);
	suite_add_tcase(suite, tcase);
	return suite;
}
