/* SPDX-License-Identifier: MIT */
/*
 * ini_file.h: reads INI text through inih, with what inih as distributions build it lacks: line
 * numbers, sections without keys, all syntax errors instead of the first, and lines of up to 4096
 * bytes. Leading blanks mean nothing (there are no continuation lines); a comment begins with
 * `#` or `;` at the start of a line or with `;` after a blank.
 */
#ifndef HOST_INI_FILE_H
#define HOST_INI_FILE_H

#include <stddef.h>

#include "host/problems.h"

struct ini_sink {
	void *user;
	/* Strings are borrowed for the call. */
	void (*section)(void *user, const char *name, unsigned line);
	void (*value)(void *user, const char *key, const char *value, unsigned line);
};

/* Feeds TEXT to SINK; what is wrong with its form goes to PROBLEMS under the name FILE. A value
 * before the first section is such a problem. */
void ini_file_parse(const char *file, const char *text, size_t size, const struct ini_sink *sink,
		    struct problems *problems);

/* Reads a whole file of at most LIMIT bytes; NUL-terminated, owned by the caller. NULL after adding
 * to PROBLEMS. */
char *ini_file_load(const char *path, size_t limit, size_t *size, struct problems *problems);

#endif
