/* SPDX-License-Identifier: MIT */
/* lines.h: splits a stream of bytes into lines, however it arrives in pieces. */
#ifndef MININGOS_LINES_H
#define MININGOS_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/util/buf.h"

/* How much is read at a time. */
#define LINES_CHUNK ((size_t)64 << 10)

struct lines {
	struct buf buf;
	size_t taken;   /* from the front: lines that were given out */
	size_t scanned; /* after those: bytes without a newline */
	size_t max;     /* the longest line, without its newline */
};

enum lines_result {
	LINES_NONE, /* no whole line: read on */
	LINES_LINE,
	LINES_LONG, /* the next line is longer than `max`; stays so until lines_skip() */
	LINES_NO_MEMORY
};

/* Zero-initialised and with `max` set, L is empty and valid. */
void lines_free(struct lines *l);

/* Room for LINES_CHUNK bytes, only right after lines_next() said LINES_NONE or at the beginning.
 * NULL: no memory. Then says how many bytes have been put there. */
uint8_t *lines_room(struct lines *l);
void lines_added(struct lines *l, size_t size);

/* The next line without its newline, valid until the next call with L; not ended by a NUL. */
enum lines_result lines_next(struct lines *l, const char **line, size_t *size);

/* After LINES_LONG: drops what is there of that line, up to its newline if that has come. The rest,
 * if there is one, follows as a line of its own. */
void lines_skip(struct lines *l);

#endif
