/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/lines.h"

#include <string.h>

/* A buffer that a long line has left behind is not kept. */
#define LINES_KEPT ((size_t)1 << 20)

void lines_free(struct lines *l)
{
	buf_free(&l->buf);
	l->taken = 0;
	l->scanned = 0;
}

uint8_t *lines_room(struct lines *l)
{
	l->buf.limit = l->max + 1 + LINES_CHUNK;
	return buf_reserve(&l->buf, LINES_CHUNK);
}

void lines_added(struct lines *l, size_t size)
{
	l->buf.size += size;
}

/* Nothing more to give out: the rest goes to the front. */
static void lines_compact(struct lines *l)
{
	if (l->taken == 0)
		return;
	buf_drain(&l->buf, l->taken);
	l->taken = 0;
	if (l->buf.size == 0 && l->buf.capacity > LINES_KEPT)
		buf_free(&l->buf);
}

enum lines_result lines_next(struct lines *l, const char **line, size_t *size)
{
	const uint8_t *begin = l->buf.data + l->taken;
	size_t left = l->buf.size - l->taken;
	const uint8_t *end =
	    left > l->scanned ? memchr(begin + l->scanned, '\n', left - l->scanned) : NULL;

	if (l->buf.failed)
		return LINES_NO_MEMORY;
	if (end == NULL) {
		l->scanned = left;
		if (left > l->max)
			return LINES_LONG;
		lines_compact(l);
		return LINES_NONE;
	}
	l->scanned = (size_t)(end - begin);
	if (l->scanned > l->max)
		return LINES_LONG;
	*line = (const char *)begin;
	*size = l->scanned;
	l->taken += l->scanned + 1;
	l->scanned = 0;
	return LINES_LINE;
}

void lines_skip(struct lines *l)
{
	l->taken += l->scanned;
	if (l->taken < l->buf.size)
		l->taken++; /* the newline */
	l->scanned = 0;
	lines_compact(l);
}
