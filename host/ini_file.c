/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/ini_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/buf.h"

#define INI_LINE_MAX 4096
#define INI_NAME_MAX 48 /* inih cuts section and key names at 49 */

struct ini_state {
	const char *file;
	const char *at; /* rest of the text */
	const char *end;
	unsigned line;
	const struct ini_sink *sink;
	struct problems *problems;
	char text[INI_LINE_MAX + 1]; /* the current line, trimmed */
	const char *piece;           /* its rest that inih has not had yet; NULL: none */
	bool expect_value;           /* the current line has to be key = value */
	bool have_section;
	char key[INI_NAME_MAX + 1];
	struct buf value; /* of the current line; long ones arrive in pieces */
	bool have_value;
};

static bool ini_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Ends the line that inih has been given completely. */
static void ini_line_done(struct ini_state *s)
{
	if (!s->expect_value)
		return;
	s->expect_value = false;
	if (!s->have_value) {
		problems_add(s->problems, s->file, s->line,
			     "neither `[section]` nor `key = value`: %.60s", s->text);
		return;
	}
	s->have_value = false;
	if (!s->have_section) {
		problems_add(s->problems, s->file, s->line,
			     "`%s` stands before the first [section]", s->key);
		return;
	}
	if (buf_append_u8(&s->value, 0))
		s->sink->value(s->sink->user, s->key, (const char *)s->value.data, s->line);
}

/* Takes the next line of the text into s->text, without blanks at its ends and comment. */
static void ini_line_take(struct ini_state *s)
{
	const char *newline = memchr(s->at, '\n', (size_t)(s->end - s->at));
	const char *stop = newline != NULL ? newline : s->end;
	const char *from = s->at;
	size_t size;

	s->at = newline != NULL ? newline + 1 : s->end;
	s->line++;
	s->text[0] = '\0';
	while (from < stop && ini_blank(*from))
		from++;
	if (from < stop && (*from == '#' || *from == ';'))
		return;
	for (const char *p = from; p < stop; p++) {
		if (*p == ';' && p > from && ini_blank(p[-1]))
			stop = p;
		else if (((unsigned char)*p < 0x20 && !ini_blank(*p)) || *p == 0x7f) {
			problems_add(s->problems, s->file, s->line, "a control character (byte %u)",
				     (unsigned char)*p);
			return;
		}
	}
	while (stop > from && ini_blank(stop[-1]))
		stop--;
	size = (size_t)(stop - from);
	if (size > INI_LINE_MAX) {
		problems_add(s->problems, s->file, s->line, "the line is longer than %d bytes",
			     INI_LINE_MAX);
		return;
	}
	memcpy(s->text, from, size);
	s->text[size] = '\0';
}

/* A `[section]` line: told to the sink here, since inih tells only of sections that have keys. */
static void ini_line_section(struct ini_state *s)
{
	size_t size = strlen(s->text);

	if (s->text[size - 1] != ']' || size < 3) {
		problems_add(s->problems, s->file, s->line, "`]` is missing: %.60s", s->text);
		s->text[0] = '\0';
		return;
	}
	if (size - 2 > INI_NAME_MAX) {
		problems_add(s->problems, s->file, s->line,
			     "the section's name is longer than %d bytes", INI_NAME_MAX);
		s->text[0] = '\0';
		return;
	}
	s->text[size - 1] = '\0';
	s->have_section = true;
	s->sink->section(s->sink->user, s->text + 1, s->line);
	s->text[size - 1] = ']';
}

/* Where a line that is too long for inih's buffer may be cut: not beside a blank, which inih would
 * trim, and not before what it takes for a comment. */
static size_t ini_cut(const char *text, size_t room)
{
	for (size_t n = room; n > room / 2; n--) {
		if (!ini_blank(text[n - 1]) && !ini_blank(text[n]) && text[n] != ';' &&
		    text[n] != '#')
			return n;
	}
	return room;
}

/* inih's reader: one line a call, or the next piece of a long one as a continuation line (blank
 * first). */
static char *ini_reader_next(char *out, int capacity, void *user)
{
	struct ini_state *s = user;
	size_t room = (size_t)capacity - 3; /* blank, newline, NUL */
	size_t size;
	char *to = out;

	if (s->piece == NULL) {
		ini_line_done(s);
		if (s->at == s->end)
			return NULL;
		ini_line_take(s);
		buf_clear(&s->value);
		s->expect_value = s->text[0] != '\0' && s->text[0] != '[';
		if (s->text[0] == '[')
			ini_line_section(s);
		s->piece = s->text;
	} else {
		*to++ = ' ';
	}
	size = strlen(s->piece);
	if (size > room)
		size = ini_cut(s->piece, room);
	memcpy(to, s->piece, size);
	memcpy(to + size, "\n", 2);
	s->piece += size;
	if (*s->piece == '\0')
		s->piece = NULL;
	return out;
}

static int ini_handle(void *user, const char *section, const char *name, const char *value)
{
	struct ini_state *s = user;

	(void)section;
	if (!s->have_value) {
		size_t size = strlen(name);

		s->have_value = true;
		if (size > INI_NAME_MAX)
			size = INI_NAME_MAX;
		memcpy(s->key, name, size);
		s->key[size] = '\0';
	}
	(void)buf_append(&s->value, value, strlen(value));
	return 1;
}

void ini_file_parse(const char *file, const char *text, size_t size, const struct ini_sink *sink,
		    struct problems *problems)
{
	struct ini_state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return;
	s->file = file;
	s->at = text;
	s->end = text + size;
	s->sink = sink;
	s->problems = problems;
	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* byte order mark */
		s->at += 3;
	s->value.limit = INI_LINE_MAX + 1;
	(void)ini_parse_stream(ini_reader_next, s, ini_handle, s);
	buf_free(&s->value);
	free(s);
}

char *ini_file_load(const char *path, size_t limit, size_t *size, struct problems *problems)
{
	struct buf text = {.limit = limit + 2};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t got = -1;

	if (fd < 0 || fstat(fd, &st) != 0) {
		problems_add(problems, path, 0, "%s", strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)limit) {
		problems_add(problems, path, 0, "not a regular file of at most %zu KiB",
			     limit / 1024);
		goto out;
	}
	do {
		uint8_t *at = buf_reserve(&text, (size_t)st.st_size - text.size + 1);

		got = at != NULL ? read(fd, at, (size_t)st.st_size - text.size + 1) : -1;
		if (got > 0)
			text.size += (size_t)got;
	} while (got > 0 && text.size <= (size_t)st.st_size);
	if (got < 0 || !buf_append_u8(&text, 0)) {
		problems_add(problems, path, 0, "can't be read: %s", strerror(errno));
		got = -1;
	}
out:
	if (fd >= 0)
		(void)close(fd);
	if (got < 0) {
		buf_free(&text);
		return NULL;
	}
	*size = text.size - 1;
	return (char *)text.data;
}
