/* SPDX-License-Identifier: MIT */
/* Messages to and from the reference implementation's tool: what `capnp encode` writes is read
 * here, in one segment and in many; what is written here is what `capnp decode` prints. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/capnp/capnp.h"
#include "tests/capnp/trial.h"

/* As the tool prints it, so that both directions can be compared with it. */
static const char everything[] =
    "( flag = true, small = -5, medium = 65535, number = -7, large = 18446744073709551615,"
    " real = -0.25, other = false, text = \"abc \\\"d\\\"\", data = \"x~z\","
    " numbers = [1, 2, 1000000000000], bits = [true, false, true, true, false, false, false,"
    " false, true], names = [\"one\", \"\", \"three\"],"
    " inner = (id = 7, name = \"seven\", next = (id = 8, name = \"eight\")),"
    " inners = [(id = 1, name = \"x\"), (id = 2), (id = 3, name = \"z\")], shorts = [5, 6, 7] )";

static char directory[] = "/tmp/adit-test-capnp-XXXXXX";

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void teardown(void)
{
	char line[128];

	snprintf(line, sizeof(line), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(line), 0);
}

static void write_file(const char *name, const void *data, size_t size)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, size, f), size);
	ck_assert_int_eq(fclose(f), 0);
}

/* What `capnp ARGUMENTS trial.capnp Everything < DIRECTORY/in` prints. */
static size_t run_tool(const char *arguments, char *out, size_t capacity)
{
	const char *source = getenv("srcdir");
	char line[1024];
	FILE *f;
	size_t size;

	snprintf(line, sizeof(line), "'%s' %s '%s/tests/capnp/trial.capnp' Everything < %s/in",
		 CAPNP_TOOL, arguments, source != NULL ? source : ".", directory);
	f = popen(line, "re");
	ck_assert_ptr_nonnull(f);
	size = fread(out, 1, capacity - 1, f);
	out[size] = '\0';
	ck_assert_msg(pclose(f) == 0, "%s", line);
	return size;
}

static void must_be_text(struct capn_ptr p, uint32_t index, const char *expected)
{
	struct capn_bytes b = capn_get_text(p, index);

	ck_assert_uint_eq(b.size, strlen(expected));
	ck_assert_mem_eq(b.data, expected, b.size);
}

static void check_lists(struct capn_ptr p)
{
	static const bool bits[] = {1, 0, 1, 1, 0, 0, 0, 0, 1};
	static const char *const names[] = {"one", "", "three"};
	struct capn_ptr list = capn_getp(p, EVERYTHING_BITS);

	ck_assert_uint_eq(list.count, 9);
	for (uint32_t i = 0; i < 9; i++)
		ck_assert_int_eq(capn_read_bit(list, i), bits[i]);
	list = capn_getp(p, EVERYTHING_NUMBERS);
	ck_assert_uint_eq(list.count, 3);
	ck_assert_uint_eq(capn_read64(capn_element(list, 2), 0), 1000000000000);
	list = capn_getp(p, EVERYTHING_NAMES);
	ck_assert_uint_eq(list.count, 3);
	for (uint32_t i = 0; i < 3; i++)
		must_be_text(list, i, names[i]);
	list = capn_getp(p, EVERYTHING_INNERS);
	ck_assert_uint_eq(list.count, 3);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_uint_eq(capn_read32(capn_element(list, i), 0), i + 1);
	must_be_text(capn_element(list, 2), INNER_NAME, "z");
	list = capn_getp(p, EVERYTHING_SHORTS);
	ck_assert_uint_eq(list.count, 3);
	ck_assert_uint_eq(capn_read16(capn_element(list, 1), 0), 6);
}

static void check_everything(struct capn_ptr p)
{
	struct capn_bytes data = capn_get_data(p, EVERYTHING_DATA);
	uint64_t bits = capn_read64(p, EVERYTHING_REAL) ^ EVERYTHING_REAL_DEFAULT;
	struct capn_ptr inner = capn_getp(p, EVERYTHING_INNER);
	double real;

	memcpy(&real, &bits, sizeof(real));
	ck_assert(capn_read_bit(p, EVERYTHING_FLAG));
	ck_assert_int_eq((int8_t)capn_read8(p, EVERYTHING_SMALL), -5);
	ck_assert_uint_eq(capn_read16(p, EVERYTHING_MEDIUM), 65535);
	ck_assert_int_eq((int32_t)(capn_read32(p, EVERYTHING_NUMBER) ^ EVERYTHING_NUMBER_DEFAULT),
			 -7);
	ck_assert_uint_eq(capn_read64(p, EVERYTHING_LARGE) ^ EVERYTHING_LARGE_DEFAULT, UINT64_MAX);
	ck_assert(real == -0.25);
	ck_assert(!(capn_read_bit(p, EVERYTHING_OTHER) ^ EVERYTHING_OTHER_DEFAULT));
	must_be_text(p, EVERYTHING_TEXT, "abc \"d\"");
	ck_assert_uint_eq(data.size, 3);
	ck_assert_mem_eq(data.data, "x~z", 3);
	ck_assert_uint_eq(capn_read32(inner, 0), 7);
	must_be_text(inner, INNER_NAME, "seven");
	must_be_text(capn_getp(inner, INNER_NEXT), INNER_NAME, "eight");
	check_lists(p);
}

static const unsigned segment_sizes[] = {0, 1, 2, 3, 5, 8, 16, 64};
#define SIZES ((int)(sizeof(segment_sizes) / sizeof(segment_sizes[0])))

/* Small segments make the tool write far pointers, double ones too. */
START_TEST(reads_what_the_tool_writes)
{
	static struct capn_message m;
	static char bytes[65536];
	char arguments[64] = "encode";
	size_t size;

	if (segment_sizes[_i] > 0)
		snprintf(arguments, sizeof(arguments), "encode --segment-size=%u",
			 segment_sizes[_i]);
	write_file("in", everything, strlen(everything));
	size = run_tool(arguments, bytes, sizeof(bytes));
	ck_assert_uint_eq(capn_frame_size((uint8_t *)bytes, size, sizeof(bytes)), size);
	ck_assert_int_eq(capn_message_init(&m, (uint8_t *)bytes, size, NULL), ADIT_OK);
	ck_assert(segment_sizes[_i] == 0 || segment_sizes[_i] > 16 || m.count > 1);
	check_everything(capn_root(&m));
	ck_assert_msg(!capn_failed(&m), "%s", m.failure);
}
END_TEST

static void write_inner(struct capn_ref inner, uint32_t id, const char *name)
{
	capn_write32(inner, 0, id);
	if (name != NULL)
		capn_set_text(inner, INNER_NAME, name, strlen(name));
}

static void write_lists(struct capn_ref p)
{
	static const bool bits[] = {1, 0, 1, 1, 0, 0, 0, 0, 1};
	static const char *const names[] = {"one", "", "three"}, *const letters[] = {"x", NULL,
										     "z"};
	struct capn_ref list = capn_new_list(p, EVERYTHING_NUMBERS, CAPN_EIGHT_BYTES, 3);

	capn_set64(list, 0, 1);
	capn_set64(list, 1, 2);
	capn_set64(list, 2, 1000000000000);
	list = capn_new_list(p, EVERYTHING_BITS, CAPN_BIT, 9);
	for (uint32_t i = 0; i < 9; i++)
		capn_write_bit(list, i, bits[i]);
	list = capn_new_list(p, EVERYTHING_NAMES, CAPN_POINTER, 3);
	for (uint32_t i = 0; i < 3; i++)
		capn_set_text(list, i, names[i], strlen(names[i]));
	list = capn_new_composite(p, EVERYTHING_INNERS, 3, INNER_SIZE);
	for (uint32_t i = 0; i < 3; i++)
		write_inner(capn_ref_element(list, i), i + 1, letters[i]);
	list = capn_new_list(p, EVERYTHING_SHORTS, CAPN_TWO_BYTES, 3);
	for (uint32_t i = 0; i < 3; i++)
		capn_write16(list, 2 * i, (uint16_t)(5 + i));
}

static void write_everything(struct capn_builder *b)
{
	struct capn_ref p = capn_new_root(b, EVERYTHING_SIZE);
	double real = -0.25;
	uint64_t bits;
	struct capn_ref inner;

	memcpy(&bits, &real, sizeof(bits));
	capn_write_bit(p, EVERYTHING_FLAG, true);
	capn_write8(p, EVERYTHING_SMALL, (uint8_t)-5);
	capn_write16(p, EVERYTHING_MEDIUM, 65535);
	capn_write32(p, EVERYTHING_NUMBER, (uint32_t)-7 ^ EVERYTHING_NUMBER_DEFAULT);
	capn_write64(p, EVERYTHING_LARGE, UINT64_MAX ^ EVERYTHING_LARGE_DEFAULT);
	capn_write64(p, EVERYTHING_REAL, bits ^ EVERYTHING_REAL_DEFAULT);
	capn_write_bit(p, EVERYTHING_OTHER, false ^ EVERYTHING_OTHER_DEFAULT);
	capn_set_text(p, EVERYTHING_TEXT, "abc \"d\"", 7);
	capn_set_data(p, EVERYTHING_DATA, "x~z", 3);
	inner = capn_new_struct(p, EVERYTHING_INNER, INNER_SIZE);
	write_inner(inner, 7, "seven");
	write_inner(capn_new_struct(inner, INNER_NEXT, INNER_SIZE), 8, "eight");
	write_lists(p);
}

/* Blanks apart: the tool breaks lines where it likes. */
static void squeeze(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		if (*from != ' ' && *from != '\n')
			*to++ = *from;
	}
	*to = '\0';
}

START_TEST(the_tool_reads_what_is_written)
{
	struct capn_builder b = {.segment_words = segment_sizes[_i]};
	char expected[sizeof(everything)], said[8192];
	struct buf bytes = {0};

	write_everything(&b);
	ck_assert_int_eq(capn_frame(&b, &bytes), ADIT_OK);
	ck_assert(segment_sizes[_i] == 0 || segment_sizes[_i] > 16 || b.count > 1);
	write_file("in", bytes.data, bytes.size);
	(void)run_tool("decode", said, sizeof(said));
	memcpy(expected, everything, sizeof(everything));
	squeeze(expected);
	squeeze(said);
	ck_assert_str_eq(said, expected);
	buf_free(&bytes);
	capn_builder_free(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("capnp and the tool");
	TCase *c = tcase_create("tool");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, reads_what_the_tool_writes, 0, SIZES);
	tcase_add_loop_test(c, the_tool_reads_what_is_written, 0, SIZES);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
