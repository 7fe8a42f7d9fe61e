/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/aditctl/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/aditctl/text.h"

#define GAP 2 /* columns between two cells */

struct table_cell {
	enum style style;
	char text[TABLE_CELL_MAX];
};

size_t terminal_width(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void terminal_init(struct terminal *t, int fd)
{
	const char *no_colour = getenv("NO_COLOR"); /* https://no-color.org: set and not empty */
	const char *term = getenv("TERM");

	memset(t, 0, sizeof(*t));
	t->tty = isatty(fd) == 1;
	if (!t->tty)
		return;
	t->colour =
	    (no_colour == NULL || *no_colour == '\0') && term != NULL && strcmp(term, "dumb") != 0;
	t->width = terminal_width(fd);
}

void terminal_put(const struct terminal *t, FILE *out, enum style style, const char *text)
{
	static const char *const codes[] = {"", "1", "32", "33", "31", "2"};

	if (t->colour && style != STYLE_PLAIN)
		fprintf(out, "\033[%sm%s\033[0m", codes[style], text);
	else
		fputs(text, out);
}

void table_init(struct table *t, const char *headings)
{
	memset(t, 0, sizeof(*t));
	t->right[0] = *headings == '>';
	t->headings[t->columns++] = headings + t->right[0];
	for (const char *at = headings; *at != '\0' && t->columns < TABLE_COLUMNS_MAX; at++) {
		if (*at != '|')
			continue;
		t->right[t->columns] = at[1] == '>';
		t->headings[t->columns] = at + 1 + t->right[t->columns];
		t->columns++;
	}
}

void table_free(struct table *t)
{
	free(t->cells);
	memset(t, 0, sizeof(*t));
}

void table_add(struct table *t, enum style style, const char *text)
{
	struct table_cell *cell;

	if (t->used == t->capacity) {
		size_t capacity = t->capacity == 0 ? 64 : t->capacity * 2;
		struct table_cell *cells = realloc(t->cells, capacity * sizeof(*cells));

		if (cells == NULL) {
			t->failed = true;
			return;
		}
		t->cells = cells;
		t->capacity = capacity;
	}
	cell = &t->cells[t->used++];
	cell->style = style;
	text_clean(text, cell->text, sizeof(cell->text));
}

void table_addf(struct table *t, enum style style, const char *format, ...)
{
	char text[TABLE_CELL_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	table_add(t, style, text);
}

void table_add_count(struct table *t, int64_t count)
{
	char text[TEXT_UNIT_SIZE];

	text_count(count, text, sizeof(text));
	table_add(t, STYLE_PLAIN, count < 0 ? "-" : text);
}

void table_add_duration(struct table *t, int64_t ms)
{
	char text[TEXT_UNIT_SIZE];

	text_duration(ms, text, sizeof(text));
	table_add(t, STYLE_PLAIN, text);
}

void table_add_hashrate(struct table *t, double hashes_per_second)
{
	char text[TEXT_UNIT_SIZE];

	text_hashrate(hashes_per_second, text, sizeof(text));
	table_add(t, STYLE_PLAIN, text);
}

void table_add_difficulty(struct table *t, double difficulty)
{
	char text[TEXT_UNIT_SIZE];

	text_difficulty(difficulty, text, sizeof(text));
	table_add(t, STYLE_PLAIN, text);
}

/* The heading without its separator. */
static void heading(const struct table *t, size_t column, char *out, size_t capacity)
{
	snprintf(out, capacity, "%.*s", (int)strcspn(t->headings[column], "|"),
		 t->headings[column]);
}

/* Width of each column; 0 for one that says nothing. */
static void measure(const struct table *t, size_t rows, size_t *widths)
{
	char title[TABLE_CELL_MAX];

	for (size_t c = 0; c < t->columns; c++) {
		bool says = false;

		heading(t, c, title, sizeof(title));
		widths[c] = text_columns(title);
		for (size_t r = 0; r < rows; r++) {
			const char *text = t->cells[r * t->columns + c].text;
			size_t width = text_columns(text);

			says = says || (*text != '\0' && strcmp(text, "-") != 0);
			if (width > widths[c])
				widths[c] = width;
		}
		if (!says)
			widths[c] = 0;
	}
}

static void pad(FILE *out, size_t columns)
{
	while (columns-- > 0)
		fputc(' ', out);
}

/* One cell at column *AT of the line; text past the terminal's width is cut. */
static void put_cell(const struct terminal *terminal, FILE *out, size_t *at, size_t width,
		     bool right, bool last, enum style style, const char *text)
{
	char cut[TABLE_CELL_MAX];
	size_t columns;

	snprintf(cut, sizeof(cut), "%s", text);
	if (terminal->width > 0) {
		if (*at >= terminal->width)
			return;
		text_cut(cut, terminal->width - *at);
	}
	columns = text_columns(cut);
	if (right && width > columns && (terminal->width == 0 || *at + width <= terminal->width))
		pad(out, width - columns);
	terminal_put(terminal, out, style, cut);
	if (!right && !last && width > columns)
		pad(out, width - columns);
	*at += width;
	if (!last && (terminal->width == 0 || *at + GAP < terminal->width))
		pad(out, GAP);
	*at += GAP;
}

/* Row -1 is the headings. */
static void put_row(const struct table *t, FILE *out, const struct terminal *terminal, long row,
		    const size_t *widths)
{
	char title[TABLE_CELL_MAX];
	size_t at = 0, last = 0;

	for (size_t c = 0; c < t->columns; c++)
		last = widths[c] > 0 ? c : last;
	for (size_t c = 0; c <= last; c++) {
		const struct table_cell *cell;

		if (widths[c] == 0)
			continue;
		if (row < 0) {
			heading(t, c, title, sizeof(title));
			put_cell(terminal, out, &at, widths[c], t->right[c], c == last,
				 STYLE_HEADING, title);
			continue;
		}
		cell = &t->cells[(size_t)row * t->columns + c];
		put_cell(terminal, out, &at, widths[c], t->right[c], c == last, cell->style,
			 cell->text);
	}
	fputc('\n', out);
}

void table_print(const struct table *t, FILE *out, const struct terminal *terminal)
{
	size_t widths[TABLE_COLUMNS_MAX];
	size_t rows = t->used / t->columns;

	if (rows == 0)
		return;
	measure(t, rows, widths);
	put_row(t, out, terminal, -1, widths);
	for (size_t r = 0; r < rows; r++)
		put_row(t, out, terminal, (long)r, widths);
}
