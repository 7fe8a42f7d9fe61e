/* SPDX-License-Identifier: MIT */
/*
 * reader.h: the one bounds-checked cursor with which every byte from outside is read, and its
 * counterpart for writing into fixed storage. Integers are little-endian unless the name says be.
 *
 * Failure is sticky: a read past the end sets `failed`, yields zeros and moves nothing, so a parser
 * reads everything and asks once at the end.
 */
#ifndef UTIL_READER_H
#define UTIL_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

void reader_init(struct reader *r, const void *data, size_t size);
size_t reader_left(const struct reader *r);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u24(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* Borrows SIZE bytes of the input; NULL (and failed) when there are fewer. */
const uint8_t *reader_bytes(struct reader *r, size_t size);
/* Copies SIZE bytes to OUT; zeros when there are fewer. */
void reader_copy(struct reader *r, void *out, size_t size);
/* Bitcoin's CompactSize; a non-canonical encoding fails. */
uint64_t reader_compact_size(struct reader *r);

struct writer {
	uint8_t *at;
	uint8_t *start;
	uint8_t *end;
	bool failed; /* something did not fit; nothing past the end was written */
};

void writer_init(struct writer *w, void *out, size_t capacity);
size_t writer_size(const struct writer *w);
void writer_u8(struct writer *w, uint8_t value);
void writer_u16(struct writer *w, uint16_t value);
void writer_u24(struct writer *w, uint32_t value);
void writer_u32(struct writer *w, uint32_t value);
void writer_u64(struct writer *w, uint64_t value);
void writer_bytes(struct writer *w, const void *data, size_t size);
void writer_compact_size(struct writer *w, uint64_t value);

#endif
