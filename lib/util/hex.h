/* SPDX-License-Identifier: MIT */
/* hex.h: hexadecimal text. `hex_reversed` forms are Bitcoin's display order of hashes. */
#ifndef UTIL_HEX_H
#define UTIL_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* OUT receives 2 * SIZE digits and a NUL. */
void hex_encode(const void *data, size_t size, char *out);
void hex_encode_reversed(const void *data, size_t size, char *out);
/* Exactly 2 * SIZE digits in TEXT (NUL-terminated); false otherwise. */
bool hex_decode(const char *text, void *out, size_t size);
bool hex_decode_reversed(const char *text, void *out, size_t size);

#endif
