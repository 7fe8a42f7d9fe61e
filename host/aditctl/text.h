/* SPDX-License-Identifier: MIT */
/*
 * text.h: text for people: untrusted strings made safe for a terminal, numbers with units.
 * All functions that write take the capacity of OUT and always end it with a NUL.
 */
#ifndef ADITCTL_TEXT_H
#define ADITCTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_UNIT_SIZE 32 /* enough for every function below that formats a number */

/* The UTF-8 sequence at TEXT (NUL-terminated): its length and code point; 0 when it is malformed,
 * overlong, a surrogate, or TEXT is at its end. */
size_t text_decode(const char *text, uint32_t *code);
/* True for what a terminal may act on: C0, DEL, C1, line separators, and the marks that change the
 * direction of writing. */
bool text_is_control(uint32_t code);
/* Copies TEXT with every such character and every malformed byte as '?'; cut at a character. */
void text_clean(const char *text, char *out, size_t capacity);
/* Columns on a terminal, one a code point. */
size_t text_columns(const char *text);
/* Cuts TEXT in place to at most COLUMNS columns, the last of them ">" when something was cut. */
void text_cut(char *text, size_t columns);

/* "1.52 MH/s"; "-" for what is no rate (negative, NaN, infinite). */
void text_hashrate(double hashes_per_second, char *out, size_t capacity);
/* "812", "2.35 k", "1.27 G", "4.66e-10"; "-" as above. */
void text_difficulty(double difficulty, char *out, size_t capacity);
/* "0s", "12s", "3m 12s", "2h 05m", "4d 03h"; "-" when negative. */
void text_duration(int64_t ms, char *out, size_t capacity);
/* "1,234,567" */
void text_count(int64_t count, char *out, size_t capacity);

#endif
