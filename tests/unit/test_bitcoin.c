/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "test_bitcoin.h"

#include <stdlib.h>
#include <string.h>

#include "lib/util/hex.h"

size_t unhex(const char *text, uint8_t *out, size_t capacity)
{
	size_t size = strlen(text) / 2;

	ck_assert_uint_le(size, capacity);
	ck_assert(hex_decode(text, out, size));
	return size;
}

void assert_hex(const uint8_t *data, size_t size, const char *text)
{
	char *actual = malloc(2 * size + 1);

	ck_assert_ptr_nonnull(actual);
	hex_encode(data, size, actual);
	ck_assert_str_eq(actual, text);
	free(actual);
}

void assert_hash(const uint8_t hash[32], const char *text)
{
	char actual[65];

	hex_encode_reversed(hash, 32, actual);
	ck_assert_str_eq(actual, text);
}

int main(void)
{
	SRunner *runner = srunner_create(sha256_suite());
	int failed;

	srunner_add_suite(runner, merkle_suite());
	srunner_add_suite(runner, target_suite());
	srunner_add_suite(runner, tx_suite());
	srunner_add_suite(runner, script_suite());
	srunner_add_suite(runner, coinbase_suite());
	srunner_add_suite(runner, address_suite());
	srunner_add_suite(runner, bech32_suite());
	srunner_add_suite(runner, descriptor_suite());
	srunner_add_suite(runner, keys_suite());
	srunner_add_suite(runner, reward_suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
