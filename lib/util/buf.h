/* SPDX-License-Identifier: MIT */
/* buf.h: a byte buffer that grows up to a bound. Zero-initialised is empty and valid. */
#ifndef UTIL_BUF_H
#define UTIL_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data;
	size_t size;
	size_t capacity;
	size_t limit; /* 0: 64 MiB */
	bool failed;  /* sticky: the limit was reached or memory ran out; data is intact */
};

void buf_free(struct buf *b);
void buf_clear(struct buf *b); /* keeps the storage */
/* Makes room for SIZE more bytes and returns where they go, or NULL; size is not changed. */
uint8_t *buf_reserve(struct buf *b, size_t size);
bool buf_append(struct buf *b, const void *data, size_t size);
bool buf_append_u8(struct buf *b, uint8_t value);
bool buf_append_u16(struct buf *b, uint16_t value); /* little-endian */
bool buf_append_u32(struct buf *b, uint32_t value);
bool buf_append_u64(struct buf *b, uint64_t value);
bool buf_append_compact_size(struct buf *b, uint64_t value);
bool buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops SIZE bytes from the front. */
void buf_drain(struct buf *b, size_t size);

#endif
