/* SPDX-License-Identifier: MIT */
/* keyfile.h: writing small text files that have to survive a power cut. For lib/noise and
 * lib/sv2. */
#ifndef NOISE_KEYFILE_H
#define NOISE_KEYFILE_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/util/error.h"

/* Writes TEXT and a newline beside PATH, syncs it and renames it. */
int32_t keyfile_replace(const char *path, mode_t mode, const char *text, struct error *e);

#endif
