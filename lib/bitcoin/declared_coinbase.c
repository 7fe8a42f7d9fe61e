/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/declared_coinbase.h"

#include <string.h>

#include "lib/bitcoin/coinbase.h"

#define MONEY_MAX UINT64_C(2100000000000000) /* satoshi */
#define SCRIPT_MIN 2                         /* consensus: scriptSig of 2..100 bytes */

static const uint8_t zeros[32];

/* The part before the extranonce. */
static const char *read_prefix(const uint8_t *prefix, size_t size, struct declared_coinbase *out,
			       bool *witness, bool *input)
{
	struct reader r;
	const uint8_t *hash;
	uint32_t index;
	uint64_t inputs;
	uint64_t script;

	reader_init(&r, prefix, size);
	out->version = reader_u32(&r);
	/* BIP144: no transaction has no inputs, so a zero is the marker. */
	*witness = reader_left(&r) >= 2 && r.at[0] == 0;
	if (*witness && reader_u16(&r) != 0x0100)
		return "the flag after the marker is not 1";
	inputs = reader_compact_size(&r);
	hash = reader_bytes(&r, 32);
	index = reader_u32(&r);
	script = reader_compact_size(&r);
	if (r.failed)
		return "the prefix ends too early";
	*input = true;
	if (inputs != 1)
		return "not exactly one input";
	if (memcmp(hash, zeros, 32) != 0 || index != UINT32_MAX)
		return "the input is not a coinbase's";
	if (script < SCRIPT_MIN || script > COINBASE_SCRIPT_MAX)
		return "a scriptSig that is not 2 to 100 bytes long";
	out->script = r.at;
	out->script_size = reader_left(&r);
	if (out->script_size >= script || script - out->script_size > COINBASE_EXTRANONCE_MAX)
		return "no room for an extranonce of 1 to 32 bytes in the scriptSig";
	out->extranonce_size = (size_t)script - out->script_size;
	*input = false;
	return NULL;
}

/* The part behind it. */
static const char *read_suffix(const uint8_t *suffix, size_t size, bool witness,
			       struct declared_coinbase *out)
{
	struct tx_output output;
	struct reader r;
	uint64_t count;

	reader_init(&r, suffix, size);
	out->sequence = reader_u32(&r);
	out->outputs = r.at;
	count = reader_compact_size(&r);
	if (r.failed || count == 0)
		return "no outputs";
	for (uint64_t i = 0; i < count; i++) {
		if (!tx_next_output(&r, &output))
			return "the outputs are malformed";
	}
	out->outputs_size = (size_t)(r.at - out->outputs);
	/* The one item of 32 bytes that BIP141 wants. */
	if (witness && (reader_u8(&r) != 1 || reader_u8(&r) != 32 || !reader_bytes(&r, 32)))
		return "its witness is not one item of 32 bytes";
	out->lock_time = reader_u32(&r);
	if (r.failed || reader_left(&r) != 0)
		return "it does not end with the lock time";
	return NULL;
}

const char *declared_coinbase_read(const uint8_t *prefix, size_t prefix_size, const uint8_t *suffix,
				   size_t suffix_size, struct declared_coinbase *out, bool *input)
{
	bool witness;
	const char *wrong;

	*out = (struct declared_coinbase){0};
	*input = false;
	wrong = read_prefix(prefix, prefix_size, out, &witness, input);
	return wrong != NULL ? wrong : read_suffix(suffix, suffix_size, witness, out);
}

bool outputs_summarize(const uint8_t *outputs, size_t size, const uint8_t *script,
		       size_t script_size, struct outputs_summary *out)
{
	struct tx_output output;
	struct reader r;
	uint64_t count;

	*out = (struct outputs_summary){0};
	reader_init(&r, outputs, size);
	count = reader_compact_size(&r);
	if (r.failed || count == 0 || count > reader_left(&r))
		return false;
	for (uint64_t i = 0; i < count; i++) {
		if (!tx_next_output(&r, &output) || output.value > MONEY_MAX - out->total)
			return false;
		out->total += output.value;
		out->sigops += 4 * script_sigops(output.script, output.script_size, false);
		if (output.script_size == script_size &&
		    memcmp(output.script, script, script_size) == 0)
			out->paid += output.value;
	}
	out->count = (uint32_t)count;
	return reader_left(&r) == 0;
}

bool declared_coinbase_write(const uint8_t *stripped_prefix, size_t prefix_size,
			     const uint8_t *stripped_suffix, size_t suffix_size, struct buf *prefix,
			     struct buf *suffix)
{
	if (prefix_size < 4 || suffix_size < 4)
		return false;
	buf_append(prefix, stripped_prefix, 4);
	buf_append_u16(prefix, 0x0100); /* marker 00, flag 01 */
	buf_append(prefix, stripped_prefix + 4, prefix_size - 4);
	buf_append(suffix, stripped_suffix, suffix_size - 4);
	buf_append_u8(suffix, 1);
	buf_append_u8(suffix, 32);
	buf_append(suffix, zeros, 32);
	buf_append(suffix, stripped_suffix + suffix_size - 4, 4);
	return !prefix->failed && !suffix->failed;
}
