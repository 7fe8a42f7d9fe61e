/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/buf.h"
#include "lib/util/file.h"
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

/* A file beside another has its mode whatever the umask is, and the text with its end; it is read
 * to its end, or to the end of the room. */
START_TEST(file_is_written_beside)
{
	char directory[] = "/tmp/adit-util.XXXXXX";
	char path[64], beside[PATH_MAX], text[16];
	struct stat st;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/file", directory);
	umask(077);
	ck_assert_ptr_null(file_write_beside(path, 0644, "abc", 3, "\n", beside));
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(stat(beside, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
	ck_assert_int_eq(rename(beside, path), 0);
	ck_assert(file_sync_directory_of(path));
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(file_read_all(fd, text, sizeof(text)), 4);
	ck_assert_mem_eq(text, "abc\n", 4);
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(file_read_all(fd, text, 3), 3);
	close(fd);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(file_says_what_failed)
{
	char longest[PATH_MAX], beside[PATH_MAX], text[4];
	int fd = open("/", O_RDONLY | O_DIRECTORY);

	ck_assert_str_eq(file_write_beside("/nonexistent/file", 0600, "a", 1, "", beside),
			 "create");
	ck_assert_int_eq(errno, ENOENT);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_str_eq(file_write_beside(longest, 0600, "a", 1, "", beside), "create");
	ck_assert_int_eq(errno, ENAMETOOLONG);
	ck_assert(!file_sync_directory_of("/nonexistent/file"));
	ck_assert_int_eq(file_read_all(fd, text, sizeof(text)), -1);
	ck_assert_int_eq(errno, EISDIR);
	ck_assert(!file_write_all(fd, "a", 1));
	close(fd);
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
	tcase_add_test(tcase, file_is_written_beside);
	tcase_add_test(tcase, file_says_what_failed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
