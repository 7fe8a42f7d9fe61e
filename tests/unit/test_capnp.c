/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/capnp/capnp.h"
#include "lib/capnp/wire.h"
#include "lib/util/hex.h"

/* A framed message of one segment from words in hex, each 16 digits as they lie in memory. */
static size_t frame_of(const char *words, uint8_t *out)
{
	size_t n = strlen(words) / 2;
	memset(out, 0, 8);
	wire_store(out + 4, n / 8, 4);
	ck_assert(hex_decode(words, out + 8, n));
	return n + 8;
}

static struct capn_ptr root_of(struct capn_message *m, const uint8_t *bytes, size_t size)
{
	struct error e;
	ck_assert_msg(capn_message_init(m, bytes, size, &e) == ADIT_OK, "%s", e.text);
	return capn_root(m);
}

/* What B holds, read back. */
static struct capn_ptr read_back(const struct capn_builder *b, struct buf *bytes,
				 struct capn_message *m)
{
	ck_assert(!b->failed);
	ck_assert_int_eq(capn_frame(b, bytes), ADIT_OK);
	return root_of(m, bytes->data, bytes->size);
}

static void assert_data(struct capn_bytes got, const char *expected)
{
	ck_assert_ptr_nonnull(got.data);
	ck_assert_uint_eq(got.size, strlen(expected));
	ck_assert_mem_eq(got.data, expected, got.size);
}

/* --- reading
 * ---------------------------------------------------------------------------------------- */

START_TEST(struct_on_the_wire)
{
	/* One data word, one pointer: u32 7 at 0, bit 33, a list of three bytes. */
	uint8_t bytes[64];
	struct capn_message m;
	size_t n = frame_of("0000000001000100"
			    "0700000002000000"
			    "010000001a000000"
			    "6162630000000000",
			    bytes);
	struct capn_ptr p = root_of(&m, bytes, n);
	ck_assert_int_eq(p.type, CAPN_STRUCT);
	ck_assert_uint_eq(capn_read32(p, 0), 7);
	ck_assert_uint_eq(capn_read8(p, 0), 7);
	ck_assert_uint_eq(capn_read16(p, 2), 0);
	ck_assert_uint_eq(capn_read64(p, 0), 0x0000000200000007);
	ck_assert(capn_read_bit(p, 33));
	ck_assert(!capn_read_bit(p, 34));
	assert_data(capn_get_data(p, 0), "abc");
	ck_assert(!capn_failed(&m));
}
END_TEST

START_TEST(what_the_sender_did_not_have_is_zero)
{
	uint8_t bytes[64];
	struct capn_message m;
	size_t n = frame_of("0000000001000000"
			    "0700000000000000",
			    bytes);
	struct capn_ptr p = root_of(&m, bytes, n);
	ck_assert_uint_eq(capn_read64(p, 8), 0);
	ck_assert_uint_eq(capn_read32(p, 6), 0);
	ck_assert(!capn_read_bit(p, 64));
	ck_assert_int_eq(capn_getp(p, 0).type, CAPN_NULL);
	ck_assert_ptr_null(capn_get_data(p, 3).data);
	ck_assert_uint_eq(capn_read32(capn_getp(capn_getp(p, 5), 6), 0), 0);
	ck_assert(!capn_failed(&m));
}
END_TEST

/* The default of a field is exclusive-ored (encoding specification, "Default Values"). */
START_TEST(default_by_xor)
{
	struct capn_builder b = {0};
	struct buf bytes = {0};
	struct capn_message m;
	struct capn_ref r = capn_new_root(&b, 2, 0);
	capn_write64(r, 0, 8000 ^ 8000);
	capn_write64(r, 8, 9000 ^ 400);
	struct capn_ptr p = read_back(&b, &bytes, &m);
	ck_assert_uint_eq(capn_read64(p, 0), 0);
	ck_assert_uint_eq(capn_read64(p, 0) ^ 8000, 8000);
	ck_assert_uint_eq(capn_read64(p, 8) ^ 400, 9000);
	capn_builder_free(&b);
	buf_free(&bytes);
}
END_TEST

START_TEST(far_pointers)
{
	/* Segment 0: far to segment 1 word 0. Segment 1: landing pad (struct 1 data, 1 pointer,
	 * offset 1), a word of nothing, data 42, double far to segment 0's... its pad at segment 2
	 * word 0. Segment 2: far to segment 3 word 1, tag: list of 3 bytes. Segment 3: nothing,
	 * "xyz". */
	static const char text[] = "03000000"
				   "01000000"
				   "04000000"
				   "02000000"
				   "02000000"
				   "00000000"
				   "0200000001000000"
				   "0400000001000100"
				   "0000000000000000"
				   "2a00000000000000"
				   "0600000002000000"
				   "0a00000003000000"
				   "010000001a000000"
				   "0000000000000000"
				   "78797a0000000000";
	uint8_t bytes[128];
	struct capn_message m;
	ck_assert(hex_decode(text, bytes, strlen(text) / 2));
	struct capn_ptr p = root_of(&m, bytes, strlen(text) / 2);
	ck_assert_uint_eq(capn_read32(p, 0), 42);
	assert_data(capn_get_data(p, 0), "xyz");
	ck_assert(!capn_failed(&m));
}
END_TEST

static void assert_refused(const char *words)
{
	uint8_t bytes[256];
	struct capn_message m;
	size_t n = frame_of(words, bytes);
	struct capn_ptr p = root_of(&m, bytes, n);
	if (p.type != CAPN_NULL) {
		capn_get_data(p, 0);
		capn_get_text(p, 1);
		capn_element(capn_getp(p, 2), 0);
	}
	ck_assert_msg(capn_failed(&m), "%s", words);
}

START_TEST(hostile_pointers)
{
	assert_refused("0000000001000000");                 /* struct past the end */
	assert_refused("f8ffffff01000000");                 /* before the segment */
	assert_refused("000000000000ffff");                 /* 65535 pointers */
	assert_refused("010000001a000000");                 /* list past the end */
	assert_refused("01000000ffffffff");                 /* composite, all words of the world */
	assert_refused("0200000001000000");                 /* far to segment 1 of 1 */
	assert_refused("0a00000000000000");                 /* far past the end */
	assert_refused("02000000000000000000000000000000"); /* far to itself: pad is far */
	assert_refused("0e000000000000000000000000000000"); /* double far, one word left */
	assert_refused("0700000000000000");                 /* other kind, not a capability */
	/* Text without NUL; data that is a list of numbers; composite whose tag claims more. */
	assert_refused("0000000000000200"
		       "0000000000000000"
		       "010000001a000000"
		       "6162630000000000");
	assert_refused("0000000000000100"
		       "010000001c000000"
		       "0000000000000000");
	assert_refused("0000000000000300"
		       "00000000000000000000000000000000"
		       "010000000f000000"
		       "0800000001000000"
		       "0000000000000000");
}
END_TEST

START_TEST(heads_of_frames)
{
	uint8_t bytes[4096] = {0};
	ck_assert_uint_eq(capn_frame_size(bytes, 3, 1000), 0);
	ck_assert_uint_eq(capn_frame_size(bytes, 4, 1000), 0);
	ck_assert_uint_eq(capn_frame_size(bytes, 8, 1000), 8);
	bytes[4] = 200;
	ck_assert_uint_eq(capn_frame_size(bytes, 8, 2000), 1608);
	ck_assert_uint_eq(capn_frame_size(bytes, 8, 1600), UINT64_MAX);
	memset(bytes, 0xff, 4);
	ck_assert_uint_eq(capn_frame_size(bytes, 4, 1u << 30), UINT64_MAX);
	wire_store(bytes, 512, 4);
	ck_assert_uint_eq(capn_frame_size(bytes, 4, 1u << 30), UINT64_MAX);
	/* 511 segments of the largest size do not wrap around. */
	wire_store(bytes, 511, 4);
	memset(bytes + 4, 0xff, 2048);
	ck_assert_uint_eq(capn_frame_size(bytes, sizeof(bytes), UINT64_MAX - 1),
			  2056 + 512 * (uint64_t)UINT32_MAX * 8);

	struct capn_message m;
	struct error e;
	memset(bytes, 0, 8);
	ck_assert_int_eq(capn_message_init(&m, bytes, 16, &e), ADIT_E_PROTOCOL);
	ck_assert_int_eq(capn_message_init(&m, bytes, 0, &e), ADIT_E_PROTOCOL);
	ck_assert_int_eq(capn_message_init(&m, bytes, 8, &e), ADIT_OK);
	ck_assert_int_eq(capn_root(&m).type, CAPN_NULL);
	ck_assert(capn_failed(&m));
}
END_TEST

/* A struct that contains itself ends at the nesting limit; one that is visited often at the other.
 */
START_TEST(limits_of_reading)
{
	uint8_t bytes[64];
	struct capn_message m;
	unsigned depth = 0;
	size_t n = frame_of("0000000000000100"
			    "f8ffffff00000100",
			    bytes);
	wire_store(bytes + 16, wire_struct(-1, 0, 1), 8);
	struct capn_ptr p = root_of(&m, bytes, n);
	while (p.type == CAPN_STRUCT && depth < 1000) {
		p = capn_getp(p, 0);
		depth++;
	}
	ck_assert_uint_eq(depth, CAPN_NESTING);
	ck_assert(capn_failed(&m));

	p = root_of(&m, bytes, n);
	m.traversal = 100;
	for (depth = 0; depth < 1000 && !capn_failed(&m); depth++)
		capn_getp(p, 0);
	ck_assert_uint_eq(depth, 101);

	/* 2^28 elements of no size are charged as well. */
	n = frame_of("0000000000000100"
		     "0100000007000000"
		     "0000004000000000",
		     bytes);
	p = root_of(&m, bytes, n);
	ck_assert_int_eq(capn_getp(p, 0).type, CAPN_NULL);
	ck_assert(capn_failed(&m));
}
END_TEST

/* A list of numbers may be read as one of structs: how a schema grows ("Lists"). */
START_TEST(numbers_as_structs)
{
	struct capn_builder b = {0};
	struct buf bytes = {0};
	struct capn_message m;
	struct capn_ref root = capn_new_root(&b, 0, 2);
	struct capn_ref list = capn_new_list(root, 0, CAPN_EIGHT_BYTES, 3);
	for (uint32_t i = 0; i < 3; i++)
		capn_set64(list, i, 100 + i);
	struct capn_ref bits = capn_new_list(root, 1, CAPN_BIT, 10);
	capn_write_bit(bits, 9, true);
	struct capn_ptr p = read_back(&b, &bytes, &m);
	struct capn_ptr numbers = capn_getp(p, 0);
	ck_assert_uint_eq(numbers.count, 3);
	ck_assert_uint_eq(capn_read64(capn_element(numbers, 2), 0), 102);
	ck_assert_int_eq(capn_element(numbers, 3).type, CAPN_NULL);
	ck_assert(capn_read_bit(capn_getp(p, 1), 9));
	ck_assert(!capn_read_bit(capn_getp(p, 1), 10));
	ck_assert(!capn_failed(&m));
	capn_builder_free(&b);
	buf_free(&bytes);
}
END_TEST

/* --- writing
 * ---------------------------------------------------------------------------------------- */

/* A tree with everything in it, by segments of SEGMENT words. */
static void build_tree(struct capn_builder *b, uint32_t segment)
{
	b->segment_words = segment;
	struct capn_ref root = capn_new_root(b, 2, 5);
	capn_write32(root, 4, 0xdeadbeef);
	capn_write16(root, 8, 0x1234);
	capn_write8(root, 10, 0x56);
	capn_write_bit(root, 100, true);
	capn_set_text(root, 0, "text", 4);
	capn_set_data(root, 1, "data that takes some words of its own", 37);
	struct capn_ref list = capn_new_composite(root, 2, 5, 1, 1);
	for (uint32_t i = 0; i < 5; i++) {
		struct capn_ref element = capn_ref_element(list, i);
		capn_write64(element, 0, i * i);
		capn_set_text(element, 0, "element", i);
	}
	struct capn_ref pointers = capn_new_list(root, 3, CAPN_POINTER, 3);
	capn_set_data(pointers, 0, "first", 5);
	capn_new_struct(pointers, 1, 0, 0);
	capn_set_cap(pointers, 2, 77);
	struct capn_ref deep = capn_new_struct(root, 4, 0, 1);
	for (int i = 0; i < 20; i++)
		deep = capn_new_struct(deep, 0, 1, 1);
	capn_write64(deep, 0, 4711);
}

static void assert_tree(struct capn_ptr p)
{
	ck_assert_uint_eq(capn_read32(p, 4), 0xdeadbeef);
	ck_assert_uint_eq(capn_read16(p, 8), 0x1234);
	ck_assert_uint_eq(capn_read8(p, 10), 0x56);
	ck_assert(capn_read_bit(p, 100) && !capn_read_bit(p, 99));
	assert_data(capn_get_text(p, 0), "text");
	assert_data(capn_get_data(p, 1), "data that takes some words of its own");
	struct capn_ptr list = capn_getp(p, 2);
	ck_assert_uint_eq(list.count, 5);
	for (uint32_t i = 0; i < 5; i++) {
		struct capn_ptr element = capn_element(list, i);
		ck_assert_uint_eq(capn_read64(element, 0), i * i);
		struct capn_bytes text = capn_get_text(element, 0);
		ck_assert_uint_eq(text.size, i);
		ck_assert_mem_eq(text.data, "element", i);
	}
	struct capn_ptr pointers = capn_getp(p, 3);
	assert_data(capn_get_data(pointers, 0), "first");
	ck_assert_int_eq(capn_getp(pointers, 1).type, CAPN_STRUCT);
	ck_assert_int_eq(capn_getp(pointers, 2).type, CAPN_CAP);
	ck_assert_uint_eq(capn_getp(pointers, 2).cap, 77);
	struct capn_ptr deep = capn_getp(p, 4);
	for (int i = 0; i < 20; i++)
		deep = capn_getp(deep, 0);
	ck_assert_uint_eq(capn_read64(deep, 0), 4711);
	ck_assert_msg(!capn_failed(p.message), "%s", p.message->failure);
}

START_TEST(trees_over_segments)
{
	static const uint32_t sizes[] = {0, 1, 2, 3, 5, 8, 13, 21, 34};
	struct capn_builder b = {0};
	struct buf bytes = {0};
	struct capn_message m;
	build_tree(&b, sizes[_i]);
	assert_tree(read_back(&b, &bytes, &m));
	ck_assert_uint_eq(b.count == 1, sizes[_i] == 0);

	/* A copy, by the other sizes, is the same. */
	struct capn_builder copy = {.segment_words = sizes[(_i + 4) % 9]};
	struct buf copied = {0};
	struct capn_message m2;
	struct capn_ref root = capn_new_root(&copy, 0, 1);
	capn_copy(root, 0, capn_root(&m));
	assert_tree(capn_getp(read_back(&copy, &copied, &m2), 0));
	capn_builder_free(&b);
	capn_builder_free(&copy);
	buf_free(&bytes);
	buf_free(&copied);
}
END_TEST

START_TEST(links_to_older_objects)
{
	static const uint32_t sizes[] = {1, 2, 4, 6, 9, 100};
	struct capn_builder b = {.segment_words = sizes[_i]};
	struct buf bytes = {0};
	struct capn_message m;
	struct capn_ref root = capn_new_root(&b, 0, 4);
	struct capn_ref one = capn_new_struct(root, 0, 1, 0);
	capn_write64(one, 0, 11);
	struct capn_ref list = capn_new_composite(root, 1, 2, 1, 0);
	capn_write64(capn_ref_element(list, 1), 0, 22);
	/* Full segments have no room for a landing pad: double far. */
	capn_link(root, 2, one);
	capn_link(root, 3, list);
	struct capn_ptr p = read_back(&b, &bytes, &m);
	ck_assert_uint_eq(capn_read64(capn_getp(p, 2), 0), 11);
	ck_assert_uint_eq(capn_read64(capn_element(capn_getp(p, 3), 1), 0), 22);
	ck_assert(!capn_failed(&m));
	capn_builder_free(&b);
	buf_free(&bytes);
}
END_TEST

START_TEST(mistakes_of_a_writer)
{
	struct capn_builder b = {0};
	struct buf bytes = {0};
	struct capn_ref root = capn_new_root(&b, 1, 1);
	capn_write32(root, 6, 1);
	ck_assert(b.failed);
	ck_assert_int_eq(capn_frame(&b, &bytes), ADIT_E_NO_MEMORY);
	b.failed = false;
	capn_set_data(root, 1, "x", 1);
	ck_assert(b.failed);
	b.failed = false;
	capn_write_bit(root, 64, true);
	ck_assert(b.failed);
	capn_builder_free(&b);

	b.limit = 4096;
	root = capn_new_root(&b, 0, 2);
	struct capn_ref big = capn_new_list(root, 0, CAPN_EIGHT_BYTES, 1000);
	ck_assert(b.failed);
	capn_set64(big, 0, 1);
	capn_new_struct(big, 0, 1, 1);
	capn_builder_free(&b);
	buf_free(&bytes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("capnp");
	TCase *reading = tcase_create("reading");
	TCase *writing = tcase_create("writing");
	tcase_add_test(reading, struct_on_the_wire);
	tcase_add_test(reading, what_the_sender_did_not_have_is_zero);
	tcase_add_test(reading, default_by_xor);
	tcase_add_test(reading, far_pointers);
	tcase_add_test(reading, hostile_pointers);
	tcase_add_test(reading, heads_of_frames);
	tcase_add_test(reading, limits_of_reading);
	tcase_add_test(reading, numbers_as_structs);
	tcase_add_loop_test(writing, trees_over_segments, 0, 9);
	tcase_add_loop_test(writing, links_to_older_objects, 0, 6);
	tcase_add_test(writing, mistakes_of_a_writer);
	suite_add_tcase(suite, reading);
	suite_add_tcase(suite, writing);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
