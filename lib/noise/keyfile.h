/* SPDX-License-Identifier: MIT */
/* keyfile.h: small text files that hold keys: read with care, and written so that they survive a
 * power cut. For lib/noise and lib/sv2. */
#ifndef NOISE_KEYFILE_H
#define NOISE_KEYFILE_H

#include <stdint.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/util/error.h"

enum keyfile_flags {
	KEYFILE_SECRET = 1, /* others than the owner may not get at it */
	KEYFILE_NO_LINK = 2 /* PATH is not a symbolic link */
};

/* Reads the regular file PATH into TEXT, CAPACITY bytes with the NUL that ends it; what is longer
 * is cut, which its form then shows. The caller wipes a secret. ST: what the file was, may be NULL.
 * ADIT_E_NOT_FOUND, ADIT_E_PERMISSION_DENIED (a secret that others can get at; what to do is in E),
 * ADIT_E_CONFIG (no regular file), ADIT_E_IO. */
int32_t keyfile_read(const char *path, unsigned flags, char *text, size_t capacity, struct stat *st,
		     struct error *e);
/* Writes TEXT and a newline beside PATH, syncs it and renames it. */
int32_t keyfile_replace(const char *path, mode_t mode, const char *text, struct error *e);

#endif
