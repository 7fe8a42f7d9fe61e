/* SPDX-License-Identifier: MIT */
/* vectors.h: the files of published test vectors in tests/vectors, whose README names the sources.
 * Whatever is wrong with a file fails the test. */
#ifndef TEST_VECTORS_H
#define TEST_VECTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define VECTORS_FIELDS_MAX 24

struct vectors {
	FILE *file;
	char separator;
	char *line;
	size_t capacity;
	char *fields[VECTORS_FIELDS_MAX];
	size_t count; /* of the current line's fields */
};

/* The path of file NAME, in OUT; $srcdir is the top of the source tree, "." without. */
void vectors_path(const char *name, char *out, size_t capacity);
void vectors_open(struct vectors *v, const char *name, char separator);
/* Takes the next line apart, passing over empty ones and those that begin with #. False, and all is
 * closed, at the end. */
bool vectors_next(struct vectors *v);

#endif
