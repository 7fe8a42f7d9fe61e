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

int main(void)
{
	SRunner *runner = srunner_create(sha256_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
