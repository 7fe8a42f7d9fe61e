/* SPDX-License-Identifier: MIT */
/* conf_override_edit.c: one change in the text of overrides.conf; what else stands there, comments
 * and lines by hand too, stays as it is. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "host/conf.h"
#include "host/ini_file.h"
#include "lib/util/buf.h"

/* What the text has of the section and the key, as line numbers from 1; 0: nothing. */
struct edit_find {
	const char *section;
	const char *key; /* NULL: all */
	bool inside;
	unsigned header; /* of the section */
	unsigned last;   /* line of the section that is not a comment */
	unsigned at;     /* line of the key */
	unsigned others; /* other keys in the section */
};

static void edit_on_section(void *user, const char *name, unsigned line)
{
	struct edit_find *f = user;

	f->inside = strcmp(name, f->section) == 0;
	if (f->inside)
		f->header = f->last = line;
}

static void edit_on_value(void *user, const char *key, const char *value, unsigned line)
{
	struct edit_find *f = user;

	(void)value;
	if (!f->inside)
		return;
	f->last = line;
	if (f->key == NULL || strcmp(f->key, key) == 0)
		f->at = line;
	else
		f->others++;
}

/* The comment at the end of a line, with the blank before it; its size is 0 when there is none. */
static const char *edit_comment(const char *line, size_t size, size_t *comment)
{
	for (size_t i = 1; i < size; i++) {
		if (line[i] == ';' && (line[i - 1] == ' ' || line[i - 1] == '\t')) {
			*comment = size - i + 1;
			return line + i - 1;
		}
	}
	*comment = 0;
	return line;
}

static bool edit_says_nothing(const char *line, size_t size)
{
	while (size > 0 && (*line == ' ' || *line == '\t' || *line == '\r')) {
		line++;
		size--;
	}
	return size == 0 || *line == '#' || *line == ';';
}

/* A line that goes: the key's, and the header that has no other. */
static bool edit_drops(const struct edit_find *f, const char *line, size_t size, unsigned number,
		       const char *value)
{
	if (value != NULL || f->header == 0)
		return false;
	if (f->key == NULL)
		return number >= f->header && number <= f->last && !edit_says_nothing(line, size);
	return f->at != 0 && (number == f->at || (number == f->header && f->others == 0));
}

static void edit_put(struct buf *out, const struct edit_find *f, const char *value,
		     const char *comment, size_t size)
{
	(void)buf_printf(out, "%s = %s", f->key, value);
	(void)buf_append(out, comment, size);
	(void)buf_append(out, "\n", 1);
}

/* Appends the line of SIZE bytes, or what comes of it. */
static void edit_line(struct buf *out, const struct edit_find *f, const char *line, size_t size,
		      unsigned number, const char *value)
{
	const char *comment;
	size_t rest;

	if (value != NULL && number == f->at) {
		comment = edit_comment(line, size, &rest);
		edit_put(out, f, value, comment, rest);
		return;
	}
	if (!edit_drops(f, line, size, number, value)) {
		(void)buf_append(out, line, size);
		(void)buf_append(out, "\n", 1);
	}
	if (value != NULL && f->at == 0 && number == f->last)
		edit_put(out, f, value, "", 0);
}

bool conf_override_edit(const char *text, size_t size, const char *section, const char *key,
			const char *value, struct buf *out)
{
	struct edit_find f = {.section = section, .key = key};
	const struct ini_sink sink = {&f, edit_on_section, edit_on_value};
	const char *end = text + size;
	unsigned number = 0;

	ini_file_parse("", text, size, &sink, NULL);
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline != NULL ? newline : end;

		edit_line(out, &f, text, (size_t)(stop - text), ++number, value);
		text = newline != NULL ? newline + 1 : end;
	}
	if (value != NULL && f.header == 0) {
		(void)buf_printf(out, "\n[%s]\n", section);
		edit_put(out, &f, value, "", 0);
	}
	return f.at != 0;
}
