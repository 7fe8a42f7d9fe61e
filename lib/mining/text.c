/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/text.h"

#include <stdbool.h>
#include <string.h>

/* Length of the well-formed UTF-8 sequence at P (RFC 3629 section 4), 0 if there is none. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
	uint32_t code;
	size_t size;

	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f ? 1 : 0;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		size = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		size = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		size = 4;
	else
		return 0;
	if (size > left)
		return 0;
	code = p[0] & (0xffu >> (size + 1));
	for (size_t i = 1; i < size; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fu);
	}
	if ((size == 3 && code < 0x800) || (size == 4 && code < 0x10000) || code > 0x10ffff)
		return 0;
	/* Surrogates, and the C1 control characters. */
	if ((code >= 0xd800 && code <= 0xdfff) || (code >= 0x80 && code < 0xa0))
		return 0;
	return size;
}

void text_printable(const uint8_t *data, size_t size, char *out)
{
	for (size_t i = 0; i < size;) {
		size_t n = utf8_sequence(data + i, size - i);

		if (n == 0) {
			out[i++] = '?';
			continue;
		}
		memcpy(out + i, data + i, n);
		i += n;
	}
	out[size] = '\0';
}
