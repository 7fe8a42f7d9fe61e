/* SPDX-License-Identifier: MIT */
/*
 * file.h: small files, read and written as a whole. What fails leaves its reason in errno; the
 * caller knows what the file is and says so. All of it blocks for as long as the disk takes.
 */
#ifndef UTIL_FILE_H
#define UTIL_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* All SIZE bytes, however many calls that takes. */
bool file_write_all(int fd, const void *data, size_t size);
/* Reads to the end, at most ROOM bytes: ROOM are returned when there are as many or more. -1: an
 * error, and OUT may hold a part. */
ssize_t file_read_all(int fd, void *out, size_t room);
/* Writes DATA and the text END to a new file beside PATH with mode MODE, and syncs it; BESIDE
 * receives its name, for rename() or link(). No moment in which others than MODE allows can get at
 * it. NULL, or the word for what failed ("create", "write"): then there is no such file. */
const char *file_write_beside(const char *path, mode_t mode, const void *data, size_t size,
			      const char *end, char beside[PATH_MAX]);
/* PATH's entry in its directory survives a power cut. */
bool file_sync_directory_of(const char *path);

#endif
