/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int32_t file_replace(const char *path, void (*write)(FILE *f, void *user), void *user,
		     struct error *e)
{
	char next[4096];
	FILE *f = NULL;
	int fd, saved = 0;

	if ((size_t)snprintf(next, sizeof(next), "%s.new", path) >= sizeof(next))
		return error_set(e, ADIT_E_IO, "%.100s...: the path is too long", path);
	fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)
		f = fdopen(fd, "w");
	if (f == NULL) {
		saved = errno;
		if (fd >= 0)
			close(fd);
		return error_set(e, ADIT_E_IO, "%.200s: %s", next, strerror(saved));
	}
	write(f, user);
	if (fflush(f) != 0 || ferror(f) || fsync(fd) != 0)
		saved = errno != 0 ? errno : EIO;
	if (fclose(f) != 0 && saved == 0)
		saved = errno;
	if (saved == 0 && rename(next, path) != 0)
		saved = errno;
	if (saved == 0)
		return ADIT_OK;
	(void)unlink(next);
	return error_set(e, ADIT_E_IO, "%.200s: %s", path, strerror(saved));
}

int32_t file_read_lines(const char *path, void (*line)(void *user, const char *text, size_t size),
			void *user, struct error *e)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	ssize_t size;

	if (f == NULL && errno == ENOENT)
		return ADIT_OK;
	if (f == NULL)
		return error_set(e, ADIT_E_IO, "%.200s: %s", path, strerror(errno));
	while ((size = getline(&text, &room, f)) > 0)
		line(user, text, (size_t)size);
	free(text);
	fclose(f);
	return ADIT_OK;
}
