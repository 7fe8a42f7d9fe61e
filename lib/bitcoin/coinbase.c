/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/coinbase.h"

#include "lib/bitcoin/sha256.h"

#define TAG_MAX 75 /* the longest push whose opcode is its length */
#define EXTRANONCE_MAX 32

static const uint8_t zeros[32];

static size_t script_size(const struct coinbase_spec *spec)
{
	size_t tag = spec->tag_size > 0 ? 1 + spec->tag_size : 0;

	return spec->script_prefix_size + tag + 1 + spec->extranonce_size;
}

static int32_t spec_check(const struct coinbase_spec *spec, struct error *e)
{
	if (spec->extranonce_size < 1 || spec->extranonce_size > EXTRANONCE_MAX)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "an extranonce of %zu bytes; it takes 1 to %d",
				 spec->extranonce_size, EXTRANONCE_MAX);
	if (spec->tag_size > TAG_MAX)
		return error_set(e, ADIT_E_LIMIT, "a coinbase tag of %zu bytes; %d is the most",
				 spec->tag_size, TAG_MAX);
	if (spec->script_prefix_size > COINBASE_SCRIPT_MAX ||
	    script_size(spec) > COINBASE_SCRIPT_MAX)
		return error_set(
		    e, ADIT_E_LIMIT,
		    "the coinbase's script would have %zu bytes, %d is the most: template's "
		    "prefix %zu, tag %zu, extranonce %zu",
		    script_size(spec), COINBASE_SCRIPT_MAX, spec->script_prefix_size,
		    spec->tag_size, spec->extranonce_size);
	return ADIT_OK;
}

static void write_prefix(const struct coinbase_spec *spec, struct buf *out)
{
	buf_clear(out);
	buf_append_u32(out, spec->tx_version);
	buf_append_u8(out, 1); /* inputs */
	buf_append(out, zeros, 32);
	buf_append_u32(out, UINT32_MAX);
	buf_append_u8(out, (uint8_t)script_size(spec));
	buf_append(out, spec->script_prefix, spec->script_prefix_size);
	if (spec->tag_size > 0) {
		buf_append_u8(out, (uint8_t)spec->tag_size);
		buf_append(out, spec->tag, spec->tag_size);
	}
	buf_append_u8(out, (uint8_t)spec->extranonce_size);
}

bool coinbase_suffix(const struct coinbase_spec *spec, struct buf *out)
{
	buf_clear(out);
	buf_append_u32(out, spec->sequence);
	buf_append_compact_size(out, (uint64_t)spec->outputs_count + spec->template_outputs_count);
	buf_append(out, spec->outputs, spec->outputs_size);
	buf_append(out, spec->template_outputs, spec->template_outputs_size);
	buf_append_u32(out, spec->lock_time);
	return !out->failed;
}

int32_t coinbase_split(const struct coinbase_spec *spec, struct buf *prefix, struct buf *suffix,
		       struct error *e)
{
	int32_t rc = spec_check(spec, e);

	if (rc != ADIT_OK)
		return rc;
	write_prefix(spec, prefix);
	if (!coinbase_suffix(spec, suffix) || prefix->failed)
		return error_set(e, ADIT_E_NO_MEMORY, "no memory for a coinbase");
	return ADIT_OK;
}

/* Marker and flag go after the version, the witness before the lock time (BIP144). */
int32_t coinbase_join_witness(const uint8_t *prefix, size_t prefix_size, const uint8_t *extranonce,
			      size_t extranonce_size, const uint8_t *suffix, size_t suffix_size,
			      struct buf *out)
{
	if (prefix_size < 4 || suffix_size < 4)
		return ADIT_E_INVALID_ARGUMENT;
	buf_append(out, prefix, 4);
	buf_append_u8(out, 0);
	buf_append_u8(out, 1);
	buf_append(out, prefix + 4, prefix_size - 4);
	buf_append(out, extranonce, extranonce_size);
	buf_append(out, suffix, suffix_size - 4);
	buf_append_u8(out, 1);
	buf_append_u8(out, 32);
	buf_append(out, zeros, 32);
	buf_append(out, suffix + suffix_size - 4, 4);
	return out->failed ? ADIT_E_NO_MEMORY : ADIT_OK;
}

void coinbase_txid(const uint8_t *prefix, size_t prefix_size, const uint8_t *extranonce_prefix,
		   size_t extranonce_prefix_size, const uint8_t *extranonce, size_t extranonce_size,
		   const uint8_t *suffix, size_t suffix_size, uint8_t out[32])
{
	struct sha256_stream s;

	sha256_start(&s);
	sha256_add(&s, prefix, prefix_size);
	sha256_add(&s, extranonce_prefix, extranonce_prefix_size);
	sha256_add(&s, extranonce, extranonce_size);
	sha256_add(&s, suffix, suffix_size);
	sha256d_finish(&s, out);
}

void coinbase_add_output(struct buf *out, uint64_t value, const uint8_t *script, size_t size)
{
	buf_append_u64(out, value);
	buf_append_compact_size(out, size);
	buf_append(out, script, size);
}
