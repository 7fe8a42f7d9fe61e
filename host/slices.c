/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/slices.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Writes the first number that is not ours; the new file replaces the old one whole. */
static int32_t slices_store(const struct slices *s, struct error *e)
{
	char path[4200];
	char text[16];
	int size = snprintf(text, sizeof(text), "%u\n", s->reserved & 0xffff);
	int fd;
	bool ok;

	(void)snprintf(path, sizeof(path), "%s.new", s->path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ok = fd >= 0 && write(fd, text, (size_t)size) == size && fsync(fd) == 0;
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	if (!ok || rename(path, s->path) != 0)
		return error_set(e, ADIT_E_IO, "%s: %s", path, strerror(errno));
	return ADIT_OK;
}

static int32_t slices_reserve(struct slices *s, struct error *e)
{
	s->reserved = s->next + SLICES_AHEAD;
	return slices_store(s, e);
}

int32_t slices_open(struct slices *s, const char *directory, struct error *e)
{
	char text[16] = "";
	char *end = text;
	unsigned long value = 0;
	ssize_t size;
	int fd;

	memset(s, 0, sizeof(*s));
	if (asprintf(&s->path, "%s/slice", directory) < 0) {
		s->path = NULL;
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	fd = open(s->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return error_set(e, ADIT_E_IO, "%s: %s", s->path, strerror(errno));
	if (fd >= 0) {
		size = read(fd, text, sizeof(text) - 1);
		(void)close(fd);
		text[size > 0 ? size : 0] = '\0';
		value = strtoul(text, &end, 10);
		if (end == text || (*end != '\n' && *end != '\0') || value > 0xffff)
			return error_set(
			    e, ADIT_E_IO,
			    "%s: expected a number below 65536; without the file counting "
			    "begins again",
			    s->path);
	}
	s->next = (uint32_t)value;
	return slices_reserve(s, e);
}

int32_t slices_next(struct slices *s, uint16_t *slice, struct error *e)
{
	if (s->next == s->reserved) {
		int32_t error = slices_reserve(s, e);

		if (error != ADIT_OK)
			return error;
	}
	*slice = (uint16_t)(s->next++ & 0xffff);
	return ADIT_OK;
}

void slices_close(struct slices *s)
{
	free(s->path);
	s->path = NULL;
}
