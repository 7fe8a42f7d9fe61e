/* SPDX-License-Identifier: MIT */
/* files.h: a file that is written whole. */
#ifndef MININGOS_FILES_H
#define MININGOS_FILES_H

#include <stdint.h>
#include <stdio.h>

#include "lib/util/error.h"

/* WRITE writes a new file, 0600, beside PATH; it is synced and takes the place of PATH. On
 * ADIT_E_IO PATH is as it was. */
int32_t file_replace(const char *path, void (*write)(FILE *f, void *user), void *user,
		     struct error *e);

#endif
