/* SPDX-License-Identifier: MIT */
/* problems.h: what is wrong with a configuration, collected as "FILE:LINE: text" so that one run
 * shows everything. Warnings are those that keep nothing from starting. */
#ifndef HOST_PROBLEMS_H
#define HOST_PROBLEMS_H

#include <stddef.h>

struct problems {
	char **texts; /* owned */
	size_t count;
	size_t warnings; /* of them: "FILE:LINE: warning: text" */
};

/* Adds a line; FILE may be NULL (no place), LINE 0 (the whole file). The 200th is the last kept. */
void problems_add(struct problems *p, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void problems_warn(struct problems *p, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* How many errors there are. */
size_t problems_errors(const struct problems *p);
void problems_free(struct problems *p);

#endif
