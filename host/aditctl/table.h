/* SPDX-License-Identifier: MIT */
/*
 * table.h: aligned columns on standard output. Cells are made safe for a terminal as they come in.
 */
#ifndef ADITCTL_TABLE_H
#define ADITCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 12
#define TABLE_CELL_MAX 240 /* bytes; longer text is cut */

enum style { STYLE_PLAIN, STYLE_HEADING, STYLE_GOOD, STYLE_WARN, STYLE_BAD, STYLE_FAINT };

/* What the output is, as it was at start. */
struct terminal {
	bool tty;
	bool colour;
	size_t width; /* columns; 0: no limit (not a terminal) */
};

/* Columns of the terminal FD, which may change at any time; 80 when it does not say. */
size_t terminal_width(int fd);
/* FD as it is now: colour only on a terminal, without NO_COLOR and when TERM is not "dumb". */
void terminal_init(struct terminal *t, int fd);
/* Writes TEXT, which must be clean, in STYLE. */
void terminal_put(const struct terminal *t, FILE *out, enum style style, const char *text);

struct table_cell;

struct table {
	size_t columns;
	const char *headings[TABLE_COLUMNS_MAX];
	bool right[TABLE_COLUMNS_MAX];
	struct table_cell *cells;
	size_t used;
	size_t capacity;
	bool failed; /* out of memory: what is there is printed */
};

/* HEADINGS: "ROLE|STATE|>RESTARTS|TEXT" , '>' right-aligns; borrowed static text is copied. */
void table_init(struct table *t, const char *headings);
void table_free(struct table *t);
/* The next cell, row by row. */
void table_add(struct table *t, enum style style, const char *text);
void table_addf(struct table *t, enum style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A number with its unit as text.h writes it; "-" for what is not known (negative). */
void table_add_count(struct table *t, int64_t count);
void table_add_duration(struct table *t, int64_t ms);
void table_add_hashrate(struct table *t, double hashes_per_second);
void table_add_difficulty(struct table *t, double difficulty);
/* Headings and rows, each line cut to the terminal's width; columns that are "-" or empty in all
 * rows are left out. Nothing when there are no rows. */
void table_print(const struct table *t, FILE *out, const struct terminal *terminal);

#endif
