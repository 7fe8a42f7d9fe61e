/* SPDX-License-Identifier: MIT */
/* text.h: bytes of a peer made fit for logs and JSON. */
#ifndef MINING_TEXT_H
#define MINING_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Copies SIZE bytes to OUT (SIZE + 1 bytes) as valid UTF-8 without control characters,
 * NUL-terminated: a byte that does not fit becomes '?'. */
void text_printable(const uint8_t *data, size_t size, char *out);

#endif
