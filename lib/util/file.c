/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_write_all(int fd, const void *data, size_t size)
{
	const uint8_t *at = data;

	while (size > 0) {
		ssize_t written = write(fd, at, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		at += written;
		size -= (size_t)written;
	}
	return true;
}

ssize_t file_read_all(int fd, void *out, size_t room)
{
	size_t size = 0;
	ssize_t got;

	do {
		got = read(fd, (uint8_t *)out + size, room - size);
		if (got > 0)
			size += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	return got < 0 ? -1 : (ssize_t)size;
}

const char *file_write_beside(const char *path, mode_t mode, const void *data, size_t size,
			      const char *end, char beside[PATH_MAX])
{
	int fd, why;
	bool ok;

	if (snprintf(beside, PATH_MAX, "%s.XXXXXX", path) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return "create";
	}
	fd = mkostemp(beside, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return "create";
	ok = file_write_all(fd, data, size) && file_write_all(fd, end, strlen(end)) &&
	     fchmod(fd, mode) == 0 && fsync(fd) == 0;
	why = errno;
	(void)close(fd);
	if (ok)
		return NULL;
	(void)unlink(beside);
	errno = why;
	return "write";
}

bool file_sync_directory_of(const char *path)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd;
	bool ok;

	if (slash == NULL)
		(void)snprintf(directory, sizeof(directory), ".");
	else
		(void)snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path) + 1, path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = fsync(fd) == 0;
	(void)close(fd);
	return ok;
}
