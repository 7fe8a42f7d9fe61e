/* SPDX-License-Identifier: MIT */
/* json_text.h: JSON as text: checking what a role says before it is embedded in an answer, and
 * writing strings. */
#ifndef HOST_JSON_TEXT_H
#define HOST_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/util/buf.h"

/* True when TEXT is exactly one JSON value (RFC 8259) nested at most 64 deep. */
bool json_text_valid(const char *text, size_t size);

/* Appends TEXT as a JSON string with its quotes. */
bool json_text_string(struct buf *out, const char *text);

/* Appends the value TEXT on one line; `null` when it is not valid. */
bool json_text_embed(struct buf *out, const char *text, size_t size);

#endif
