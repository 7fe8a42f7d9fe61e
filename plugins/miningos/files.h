/* SPDX-License-Identifier: MIT */
/* files.h: a file that is written whole. */
#ifndef MININGOS_FILES_H
#define MININGOS_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/util/error.h"

/* WRITE writes a new file, 0600, beside PATH; it is synced and takes the place of PATH. On
 * ADIT_E_IO PATH is as it was. */
int32_t file_replace(const char *path, void (*write)(FILE *f, void *user), void *user,
		     struct error *e);
/* Calls LINE for each line of PATH, its newline included; SIZE > 0, a NUL follows. A file that is
 * not there has none. ADIT_E_IO. */
int32_t file_read_lines(const char *path, void (*line)(void *user, const char *text, size_t size),
			void *user, struct error *e);

#endif
