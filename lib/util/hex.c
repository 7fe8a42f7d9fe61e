/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/util/hex.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";

void hex_encode(const void *data, size_t size, char *out)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

void hex_encode_reversed(const void *data, size_t size, char *out)
{
	const uint8_t *bytes = data;

	for (size_t i = size; i > 0; i--) {
		*out++ = digits[bytes[i - 1] >> 4];
		*out++ = digits[bytes[i - 1] & 15];
	}
	*out = '\0';
}

/* Value of a digit plus one, 0 for what is none: templates come as megabytes of digits. */
#define D(n) ((n) + 1)
static const uint8_t digit_values[256] = {
    ['0'] = D(0),  ['1'] = D(1),  ['2'] = D(2),  ['3'] = D(3),  ['4'] = D(4),  ['5'] = D(5),
    ['6'] = D(6),  ['7'] = D(7),  ['8'] = D(8),  ['9'] = D(9),  ['a'] = D(10), ['b'] = D(11),
    ['c'] = D(12), ['d'] = D(13), ['e'] = D(14), ['f'] = D(15), ['A'] = D(10), ['B'] = D(11),
    ['C'] = D(12), ['D'] = D(13), ['E'] = D(14), ['F'] = D(15),
};
#undef D

/* The value of two digits, or a number above 255. */
static unsigned hex_byte(const char *text)
{
	unsigned high = digit_values[(uint8_t)text[0]] - 1u;
	unsigned low = digit_values[(uint8_t)text[1]] - 1u;

	return (high | low) > 15 ? 256 : high << 4 | low;
}

bool hex_decode(const char *text, void *out, size_t size)
{
	uint8_t *bytes = out;

	if (strlen(text) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		unsigned byte = hex_byte(text + 2 * i);

		if (byte > 255)
			return false;
		bytes[i] = (uint8_t)byte;
	}
	return true;
}

bool hex_decode_reversed(const char *text, void *out, size_t size)
{
	uint8_t *bytes = out;

	if (strlen(text) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		unsigned byte = hex_byte(text + 2 * i);

		if (byte > 255)
			return false;
		bytes[size - 1 - i] = (uint8_t)byte;
	}
	return true;
}
