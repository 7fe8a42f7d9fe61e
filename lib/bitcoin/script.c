/* SPDX-License-Identifier: MIT */
/* What mining has to know of scripts: signature operations, the height and the witness commitment.
 */
#include "config.h"

#include "lib/bitcoin/tx.h"

#include <string.h>

#include "lib/bitcoin/sha256.h"

enum opcode {
	OP_0 = 0x00,
	OP_PUSHDATA1 = 0x4c,
	OP_PUSHDATA2 = 0x4d,
	OP_PUSHDATA4 = 0x4e,
	OP_1 = 0x51,
	OP_16 = 0x60,
	OP_RETURN = 0x6a,
	OP_CHECKSIG = 0xac,
	OP_CHECKSIGVERIFY = 0xad,
	OP_CHECKMULTISIG = 0xae,
	OP_CHECKMULTISIGVERIFY = 0xaf
};

#define MULTISIG_KEYS_MAX 20

/* Moves past the data that OPCODE pushes. */
static void skip_push(struct reader *r, uint8_t opcode)
{
	size_t size = 0;

	if (opcode < OP_PUSHDATA1)
		size = opcode;
	else if (opcode == OP_PUSHDATA1)
		size = reader_u8(r);
	else if (opcode == OP_PUSHDATA2)
		size = reader_u16(r);
	else if (opcode == OP_PUSHDATA4)
		size = reader_u32(r);
	(void)reader_bytes(r, size);
}

static uint32_t multisig_keys(uint8_t previous, bool accurate)
{
	if (accurate && previous >= OP_1 && previous <= OP_16)
		return previous - OP_1 + 1u;
	return MULTISIG_KEYS_MAX;
}

/* Counting ends at a push that is cut off, as in nodes. */
uint32_t script_sigops(const uint8_t *script, size_t size, bool accurate)
{
	uint8_t previous = OP_0;
	uint32_t count = 0;
	struct reader r;

	reader_init(&r, script, size);
	while (reader_left(&r) > 0) {
		uint8_t opcode = reader_u8(&r);

		skip_push(&r, opcode);
		if (r.failed)
			break;
		if (opcode == OP_CHECKSIG || opcode == OP_CHECKSIGVERIFY)
			count++;
		else if (opcode == OP_CHECKMULTISIG || opcode == OP_CHECKMULTISIGVERIFY)
			count += multisig_keys(previous, accurate);
		previous = opcode;
	}
	return count;
}

/* A script number: little-endian with the sign in the highest bit, so a number with that bit set
 * takes one zero byte more. */
size_t bip34_push(uint32_t height, uint8_t out[6])
{
	size_t size = 0;

	if (height <= 16) {
		out[0] = (uint8_t)(height == 0 ? OP_0 : OP_1 + height - 1);
		return 1;
	}
	for (uint32_t rest = height; rest > 0; rest >>= 8)
		out[++size] = (uint8_t)rest;
	if ((out[size] & 0x80) != 0)
		out[++size] = 0;
	out[0] = (uint8_t)size;
	return size + 1;
}

/* Whatever was read is minimal when it is what would be written. */
bool bip34_height(const uint8_t *script, size_t size, uint32_t *height)
{
	uint8_t expected[6];
	uint64_t value = 0;
	size_t push;

	if (size == 0)
		return false;
	push = script[0] >= OP_1 && script[0] <= OP_16 ? 0 : script[0];
	if (push > 5 || push >= size)
		return false;
	for (size_t i = push; i > 0; i--)
		value = value << 8 | script[i];
	if (push == 0 && script[0] != OP_0)
		value = script[0] - OP_1 + 1u;
	if (value > UINT32_MAX || bip34_push((uint32_t)value, expected) != push + 1 ||
	    memcmp(expected, script, push + 1) != 0)
		return false;
	*height = (uint32_t)value;
	return true;
}

void bip141_commitment(const uint8_t witness_root[32], uint8_t script[38])
{
	static const uint8_t start[6] = {OP_RETURN, 36, 0xaa, 0x21, 0xa9, 0xed};
	static const uint8_t reserved[32];

	memcpy(script, start, sizeof(start));
	sha256d_pair(witness_root, reserved, script + sizeof(start));
}
