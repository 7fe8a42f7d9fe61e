/* SPDX-License-Identifier: MIT */
/* base58.h: base58 without a checksum; Base58Check is in address.h. Internal. */
#ifndef BITCOIN_BASE58_H
#define BITCOIN_BASE58_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounds the work, which grows with the square of the size; the longest thing in use is an extended
 * key of 78 bytes, 111 characters. */
#define BASE58_BYTES_MAX 128

/* Returns how many bytes TEXT stands for, or -1. */
int base58_decode(const char *text, uint8_t out[BASE58_BYTES_MAX]);
/* False when there are more than BASE58_BYTES_MAX bytes or OUT is too small. */
bool base58_encode(const uint8_t *data, size_t size, char *out, size_t capacity);

#endif
