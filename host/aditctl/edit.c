/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/aditctl/edit.h"

#include <string.h>

/* A part of the text. */
struct span {
	size_t from;
	size_t to;
};

static bool edit_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The line that begins at FROM, without its newline, blanks at its ends and comment: as aditd reads
 * it (adit.conf(5)). *NEXT is where the following one begins. */
static struct span edit_line(const char *text, size_t size, size_t from, size_t *next)
{
	const char *newline = memchr(text + from, '\n', size - from);
	struct span s = {from, newline != NULL ? (size_t)(newline - text) : size};

	*next = newline != NULL ? s.to + 1 : size;
	while (s.from < s.to && edit_blank(text[s.from]))
		s.from++;
	if (s.from < s.to && (text[s.from] == '#' || text[s.from] == ';'))
		s.to = s.from;
	for (size_t i = s.from + 1; i < s.to; i++) {
		if (text[i] == ';' && edit_blank(text[i - 1]))
			s.to = i;
	}
	while (s.to > s.from && edit_blank(text[s.to - 1]))
		s.to--;
	return s;
}

static bool edit_is_section(const char *text, struct span s, const char *name)
{
	size_t size = strlen(name);

	return s.to - s.from == size + 2 && text[s.from] == '[' && text[s.to - 1] == ']' &&
	       memcmp(text + s.from + 1, name, size) == 0;
}

/* The value of a line `KEY = value` or `KEY: value`; false when it is another one. */
static bool edit_value(const char *text, struct span s, const char *key, struct span *value)
{
	size_t at = s.from + strlen(key);

	if (s.to <= at || memcmp(text + s.from, key, strlen(key)) != 0)
		return false;
	while (at < s.to && edit_blank(text[at]))
		at++;
	if (at == s.to || (text[at] != '=' && text[at] != ':'))
		return false;
	at++;
	while (at < s.to && edit_blank(text[at]))
		at++;
	*value = (struct span){at, s.to};
	return true;
}

/* The words of adit.conf(5) for yes and no: what stands there may mean the same already. */
static bool edit_means(const char *text, struct span value, bool enabled)
{
	static const char *const words[2][4] = {{"no", "false", "off", "0"},
						{"yes", "true", "on", "1"}};

	for (size_t i = 0; i < 4; i++) {
		const char *word = words[enabled ? 1 : 0][i];

		if (value.to - value.from == strlen(word) &&
		    memcmp(text + value.from, word, strlen(word)) == 0)
			return true;
	}
	return false;
}

/* Appends TEXT with INSERT in the place of WHERE. */
static enum edit_result edit_replace(const char *text, size_t size, struct span where,
				     const char *insert, struct buf *out)
{
	(void)buf_append(out, text, where.from);
	(void)buf_append(out, insert, strlen(insert));
	(void)buf_append(out, text + where.to, size - where.to);
	return EDIT_DONE;
}

enum edit_result edit_enabled(const char *text, size_t size, const char *name, bool enabled,
			      struct buf *out, unsigned *line)
{
	struct span below = {0, 0}; /* where the line goes when it is missing */
	bool inside = false;
	bool found = false;
	unsigned number = 0;
	size_t next = 0;

	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* byte order mark */
		next = 3;
	while (next < size) {
		struct span s = edit_line(text, size, next, &next);
		struct span value;

		number++;
		if (s.from < s.to && text[s.from] == '[') {
			inside = !found && edit_is_section(text, s, name);
			if (inside) {
				found = true;
				below = (struct span){next, next};
				*line = number + 1;
			}
		} else if (inside && edit_value(text, s, "enabled", &value)) {
			*line = number;
			if (edit_means(text, value, enabled))
				return EDIT_SAME;
			return edit_replace(text, size, value, enabled ? "yes" : "no", out);
		}
	}
	if (!found)
		return EDIT_MISSING;
	if (enabled) { /* the default */
		*line -= 1;
		return EDIT_SAME;
	}
	return edit_replace(text, size, below,
			    text[below.from - 1] == '\n' ? "enabled = no\n" : "\nenabled = no\n",
			    out);
}
