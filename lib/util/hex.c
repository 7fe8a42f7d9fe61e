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

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool hex_decode_step(const char *text, uint8_t *out, size_t size, bool reversed)
{
	if (strlen(text) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[reversed ? size - 1 - i : i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool hex_decode(const char *text, void *out, size_t size)
{
	return hex_decode_step(text, out, size, false);
}

bool hex_decode_reversed(const char *text, void *out, size_t size)
{
	return hex_decode_step(text, out, size, true);
}
