/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/util/reader.h"

#include <string.h>

void reader_init(struct reader *r, const void *data, size_t size)
{
	static const uint8_t nothing;

	r->at = size > 0 ? data : &nothing;
	r->end = r->at + size;
	r->failed = false;
}

size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

const uint8_t *reader_bytes(struct reader *r, size_t size)
{
	const uint8_t *at = r->at;

	if (r->failed || size > reader_left(r)) {
		r->failed = true;
		return NULL;
	}
	r->at += size;
	return at;
}

void reader_copy(struct reader *r, void *out, size_t size)
{
	const uint8_t *at = reader_bytes(r, size);

	if (size == 0)
		return;
	if (at != NULL)
		memcpy(out, at, size);
	else
		memset(out, 0, size);
}

/* Little-endian integer of SIZE bytes. */
static uint64_t reader_le(struct reader *r, size_t size)
{
	const uint8_t *at = reader_bytes(r, size);
	uint64_t value = 0;

	if (at == NULL)
		return 0;
	for (size_t i = size; i > 0; i--)
		value = value << 8 | at[i - 1];
	return value;
}

uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)reader_le(r, 1);
}

uint16_t reader_u16(struct reader *r)
{
	return (uint16_t)reader_le(r, 2);
}

uint32_t reader_u24(struct reader *r)
{
	return (uint32_t)reader_le(r, 3);
}

uint32_t reader_u32(struct reader *r)
{
	return (uint32_t)reader_le(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
	return reader_le(r, 8);
}

uint64_t reader_compact_size(struct reader *r)
{
	uint8_t first = reader_u8(r);
	uint64_t value;
	uint64_t least;

	if (first < 0xfd)
		return first;
	if (first == 0xfd) {
		value = reader_u16(r);
		least = 0xfd;
	} else if (first == 0xfe) {
		value = reader_u32(r);
		least = 0x10000;
	} else {
		value = reader_u64(r);
		least = 0x100000000;
	}
	if (value < least) {
		r->failed = true;
		return 0;
	}
	return value;
}

void writer_init(struct writer *w, void *out, size_t capacity)
{
	w->at = out;
	w->start = out;
	w->end = w->start + capacity;
	w->failed = false;
}

size_t writer_size(const struct writer *w)
{
	return (size_t)(w->at - w->start);
}

void writer_bytes(struct writer *w, const void *data, size_t size)
{
	if (w->failed || size > (size_t)(w->end - w->at)) {
		w->failed = true;
		return;
	}
	if (size > 0)
		memcpy(w->at, data, size);
	w->at += size;
}

static void writer_le(struct writer *w, uint64_t value, size_t size)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	writer_bytes(w, bytes, size);
}

void writer_u8(struct writer *w, uint8_t value)
{
	writer_le(w, value, 1);
}

void writer_u16(struct writer *w, uint16_t value)
{
	writer_le(w, value, 2);
}

void writer_u24(struct writer *w, uint32_t value)
{
	writer_le(w, value, 3);
}

void writer_u32(struct writer *w, uint32_t value)
{
	writer_le(w, value, 4);
}

void writer_u64(struct writer *w, uint64_t value)
{
	writer_le(w, value, 8);
}

void writer_compact_size(struct writer *w, uint64_t value)
{
	if (value < 0xfd) {
		writer_u8(w, (uint8_t)value);
	} else if (value <= 0xffff) {
		writer_u8(w, 0xfd);
		writer_u16(w, (uint16_t)value);
	} else if (value <= 0xffffffff) {
		writer_u8(w, 0xfe);
		writer_u32(w, (uint32_t)value);
	} else {
		writer_u8(w, 0xff);
		writer_u64(w, value);
	}
}
