/* SPDX-License-Identifier: MIT */
/*
 * print.h: messages as text for people and as JSON for tools. U256 values appear in display order
 * (most significant byte first, as block explorers print hashes), byte strings in hexadecimal as
 * they are on the wire, STR0_255 as text in which bytes that are not printable UTF-8 are escaped.
 */
#ifndef SV2_PRINT_H
#define SV2_PRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/sv2/codec.h"
#include "lib/util/buf.h"

enum sv2_print_style {
	SV2_PRINT_TEXT, /* SetTarget channel_id=1 target=00ff...; transactions are counted
			   only */
	SV2_PRINT_JSON  /* {"message":"SetTarget","channel_id":1,"target":"00ff..."} */
};

/* Appends BODY, the struct of MESSAGE as sv2_decode() leaves it, to OUT; false when OUT is full. */
bool sv2_print(struct buf *out, int32_t message, const void *body, enum sv2_print_style style);

#endif
