/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/aditctl/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Sequence length by first byte, RFC 3629 section 4; 0: no sequence starts so. */
static size_t sequence_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	if (first >= 0xf0 && first <= 0xf4)
		return 4;
	return 0;
}

size_t text_decode(const char *text, uint32_t *code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *at = (const unsigned char *)text;
	size_t length = sequence_length(at[0]);
	uint32_t value;

	if (length == 0 || at[0] == 0)
		return 0;
	if (length == 1) {
		*code = at[0];
		return 1;
	}
	value = at[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80) /* also stops at the NUL */
			return 0;
		value = value << 6 | (at[i] & 0x3fu);
	}
	if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*code = value;
	return length;
}

bool text_is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) ||
	       (code >= 0x200b && code <= 0x200f) || /* zero width, left-to-right marks */
	       (code >= 0x2028 && code <= 0x202e) || /* separators, directional overrides */
	       (code >= 0x2066 && code <= 0x2069) || code == 0x061c || code == 0xfeff;
}

void text_clean(const char *text, char *out, size_t capacity)
{
	size_t used = 0;
	uint32_t code;

	if (capacity == 0)
		return;
	while (*text != '\0') {
		size_t n = text_decode(text, &code);
		bool bad = n == 0 || text_is_control(code);
		size_t width = bad ? 1 : n;

		if (used + width >= capacity)
			break;
		memcpy(out + used, bad ? "?" : text, width);
		used += width;
		text += n == 0 ? 1 : n;
	}
	out[used] = '\0';
}

size_t text_columns(const char *text)
{
	size_t columns = 0;

	for (; *text != '\0'; text++)
		columns += ((unsigned char)*text & 0xc0) != 0x80;
	return columns;
}

void text_cut(char *text, size_t columns)
{
	char *at = text;

	if (text_columns(text) <= columns)
		return;
	for (size_t left = columns == 0 ? 0 : columns - 1; left > 0; left--) {
		at++;
		while (((unsigned char)*at & 0xc0) == 0x80)
			at++;
	}
	/* At least one character is being dropped, so there is room for the mark. */
	if (columns > 0)
		*at++ = '>';
	*at = '\0';
}

/* Three significant digits for a value in 0..999.5. */
static int digits(double value)
{
	if (value >= 99.95)
		return 0;
	return value >= 9.995 ? 1 : 2;
}

static void scaled(double value, const char *unit, char *out, size_t capacity)
{
	static const char prefixes[] = {' ', 'k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'};
	size_t step = 0;

	while (value >= 999.5 && step + 1 < sizeof(prefixes)) {
		value /= 1000;
		step++;
	}
	if (step == 0 && *unit == '\0')
		snprintf(out, capacity, "%.*f", digits(value), value);
	else if (step == 0)
		snprintf(out, capacity, "%.*f %s", digits(value), value, unit);
	else
		snprintf(out, capacity, "%.*f %c%s", digits(value), value, prefixes[step], unit);
}

void text_hashrate(double hashes_per_second, char *out, size_t capacity)
{
	if (!isfinite(hashes_per_second) || hashes_per_second < 0 || hashes_per_second > 1e30)
		snprintf(out, capacity, "-");
	else if (hashes_per_second == 0)
		snprintf(out, capacity, "0 H/s");
	else
		scaled(hashes_per_second, "H/s", out, capacity);
}

void text_difficulty(double difficulty, char *out, size_t capacity)
{
	if (!isfinite(difficulty) || difficulty < 0)
		snprintf(out, capacity, "-");
	else if (difficulty < 0.01 || difficulty > 1e26)
		snprintf(out, capacity, "%.3g", difficulty);
	else
		scaled(difficulty, "", out, capacity);
}

void text_duration(int64_t ms, char *out, size_t capacity)
{
	int64_t s = ms / 1000;

	if (ms < 0)
		snprintf(out, capacity, "-");
	else if (s < 60)
		snprintf(out, capacity, "%" PRId64 "s", s);
	else if (s < 3600)
		snprintf(out, capacity, "%" PRId64 "m %02" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, capacity, "%" PRId64 "h %02" PRId64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(out, capacity, "%" PRId64 "d %02" PRId64 "h", s / 86400, s / 3600 % 24);
}

void text_count(int64_t count, char *out, size_t capacity)
{
	char plain[TEXT_UNIT_SIZE];
	size_t used = 0, length;
	const char *at = plain;

	snprintf(plain, sizeof(plain), "%" PRId64, count);
	if (capacity == 0)
		return;
	if (*at == '-' && capacity > 1)
		out[used++] = *at++;
	for (length = strlen(at); length > 0 && used + 2 < capacity; length--) {
		out[used++] = *at++;
		if (length % 3 == 1 && length > 1)
			out[used++] = ',';
	}
	out[used] = '\0';
}
