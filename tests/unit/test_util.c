/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/buf.h"
#include "lib/util/hex.h"
#include "lib/util/reader.h"

START_TEST(reader_stops_at_the_end)
{
	const uint8_t bytes[] = {1, 2, 3};
	struct reader r;

	reader_init(&r, bytes, sizeof(bytes));
	ck_assert_uint_eq(reader_u16(&r), 0x0201);
	ck_assert_uint_eq(reader_u16(&r), 0);
	ck_assert(r.failed);
	ck_assert_uint_eq(reader_u8(&r), 0);
	ck_assert_uint_eq(reader_left(&r), 1);
}
END_TEST

/* Boundaries of Bitcoin's CompactSize, and that a longer form than needed is refused. */
START_TEST(compact_size_is_canonical)
{
	static const uint64_t values[] = {0, 0xfc, 0xfd, 0xffff, 0x10000, 0xffffffff, 0x100000000};
	static const uint8_t padded[] = {0xfd, 0xfc, 0x00};
	struct reader r;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		uint8_t bytes[9];
		struct writer w;

		writer_init(&w, bytes, sizeof(bytes));
		writer_compact_size(&w, values[i]);
		ck_assert(!w.failed);
		reader_init(&r, bytes, writer_size(&w));
		ck_assert_uint_eq(reader_compact_size(&r), values[i]);
		ck_assert(!r.failed && reader_left(&r) == 0);
	}
	reader_init(&r, padded, sizeof(padded));
	(void)reader_compact_size(&r);
	ck_assert(r.failed);
}
END_TEST

START_TEST(writer_never_passes_its_end)
{
	uint8_t bytes[4] = {9, 9, 9, 9};
	struct writer w;

	writer_init(&w, bytes, 3);
	writer_u16(&w, 0x0201);
	writer_u16(&w, 0x0403);
	ck_assert(w.failed);
	ck_assert_uint_eq(writer_size(&w), 2);
	ck_assert_uint_eq(bytes[3], 9);
}
END_TEST

START_TEST(buf_keeps_its_limit)
{
	struct buf b = {.limit = 10};

	ck_assert(buf_printf(&b, "%d", 12345678));
	ck_assert_uint_eq(b.size, 8);
	ck_assert(!buf_append(&b, "abc", 3));
	ck_assert(b.failed);
	ck_assert_uint_eq(b.size, 8);
	buf_clear(&b);
	ck_assert(buf_append(&b, "abc", 3));
	buf_drain(&b, 1);
	ck_assert_mem_eq(b.data, "bc", 2);
	buf_free(&b);
}
END_TEST

START_TEST(hex_both_orders)
{
	uint8_t bytes[3];
	char text[7];

	ck_assert(hex_decode("0a0bFF", bytes, 3));
	hex_encode(bytes, 3, text);
	ck_assert_str_eq(text, "0a0bff");
	hex_encode_reversed(bytes, 3, text);
	ck_assert_str_eq(text, "ff0b0a");
	ck_assert(!hex_decode("0a0b", bytes, 3));
	ck_assert(!hex_decode("0a0bgg", bytes, 3));
}
END_TEST

/* Every byte in every place is a digit or is refused. */
START_TEST(hex_knows_its_digits)
{
	static const char digits[] = "0123456789abcdefABCDEF";

	for (int c = 1; c < 256; c++) {
		const char *at = strchr(digits, c);
		int value = at == NULL ? -1 : (int)(at - digits) - (at - digits > 15 ? 6 : 0);

		for (size_t place = 0; place < 4; place++) {
			char text[5] = "0000";
			uint8_t bytes[2] = {0xee, 0xee};
			int expected = place % 2 == 0 ? 16 * value : value;

			text[place] = (char)c;
			ck_assert_int_eq(hex_decode(text, bytes, 2), value >= 0);
			if (value >= 0)
				ck_assert_int_eq(bytes[place / 2], expected);
			ck_assert_int_eq(hex_decode_reversed(text, bytes, 2), value >= 0);
			if (value >= 0)
				ck_assert_int_eq(bytes[1 - place / 2], expected);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("util");
	TCase *tcase = tcase_create("util");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, reader_stops_at_the_end);
	tcase_add_test(tcase, compact_size_is_canonical);
	tcase_add_test(tcase, writer_never_passes_its_end);
	tcase_add_test(tcase, buf_keeps_its_limit);
	tcase_add_test(tcase, hex_both_orders);
	tcase_add_test(tcase, hex_knows_its_digits);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
