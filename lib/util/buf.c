/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/util/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/reader.h"

#define BUF_DEFAULT_LIMIT ((size_t)64 << 20)

void buf_free(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->size = 0;
	b->capacity = 0;
	b->failed = false;
}

void buf_clear(struct buf *b)
{
	b->size = 0;
	b->failed = false;
}

uint8_t *buf_reserve(struct buf *b, size_t size)
{
	size_t limit = b->limit > 0 ? b->limit : BUF_DEFAULT_LIMIT;
	size_t capacity = b->capacity > 0 ? b->capacity : 64;
	uint8_t *data;

	if (b->failed || size > limit || b->size > limit - size) {
		b->failed = true;
		return NULL;
	}
	if (b->data != NULL && b->capacity - b->size >= size)
		return b->data + b->size;
	while (capacity - b->size < size)
		capacity *= 2;
	data = realloc(b->data, capacity);
	if (data == NULL) {
		b->failed = true;
		return NULL;
	}
	b->data = data;
	b->capacity = capacity;
	return b->data + b->size;
}

bool buf_append(struct buf *b, const void *data, size_t size)
{
	uint8_t *at = buf_reserve(b, size);

	if (at == NULL)
		return false;
	if (size > 0)
		memcpy(at, data, size);
	b->size += size;
	return true;
}

static bool buf_append_le(struct buf *b, uint64_t value, size_t size)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	return buf_append(b, bytes, size);
}

bool buf_append_u8(struct buf *b, uint8_t value)
{
	return buf_append_le(b, value, 1);
}

bool buf_append_u16(struct buf *b, uint16_t value)
{
	return buf_append_le(b, value, 2);
}

bool buf_append_u32(struct buf *b, uint32_t value)
{
	return buf_append_le(b, value, 4);
}

bool buf_append_u64(struct buf *b, uint64_t value)
{
	return buf_append_le(b, value, 8);
}

bool buf_append_compact_size(struct buf *b, uint64_t value)
{
	uint8_t bytes[9];
	struct writer w;

	writer_init(&w, bytes, sizeof(bytes));
	writer_compact_size(&w, value);
	return buf_append(b, bytes, writer_size(&w));
}

bool buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	int size;
	uint8_t *at;

	va_start(args, format);
	size = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (size < 0)
		return false;
	at = buf_reserve(b, (size_t)size + 1);
	if (at == NULL)
		return false;
	va_start(args, format);
	(void)vsnprintf((char *)at, (size_t)size + 1, format, args);
	va_end(args);
	b->size += (size_t)size;
	return true;
}

void buf_drain(struct buf *b, size_t size)
{
	if (size >= b->size) {
		b->size = 0;
		return;
	}
	memmove(b->data, b->data + size, b->size - size);
	b->size -= size;
}
