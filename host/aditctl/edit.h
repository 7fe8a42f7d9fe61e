/* SPDX-License-Identifier: MIT */
/* edit.h: changes one line of a configuration file and keeps all others as they are. */
#ifndef ADITCTL_EDIT_H
#define ADITCTL_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/util/buf.h"

enum edit_result {
	EDIT_DONE,    /* OUT holds the new text */
	EDIT_SAME,    /* it says so already */
	EDIT_MISSING, /* the section is not there */
};

/* Sets `enabled` in section [NAME] of the SIZE bytes at TEXT (may be NULL when SIZE is 0) to yes or
 * no. The value alone is replaced, blanks and comments stay; where the key is missing, a line is
 * put below the section's. *LINE is the line that says it now, from 1. */
enum edit_result edit_enabled(const char *text, size_t size, const char *name, bool enabled,
			      struct buf *out, unsigned *line);

#endif
