/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/tx.h"

#include <string.h>

#include "lib/bitcoin/sha256.h"

/* The least that an input takes: outpoint, empty script, sequence; an output: value, empty script.
 */
#define INPUT_MIN (36 + 1 + 4)
#define OUTPUT_MIN (8 + 1)
#define COMMITMENT_SIZE 38 /* of its script */

static const uint8_t *script_next(struct reader *r, size_t *size)
{
	uint64_t length = reader_compact_size(r);

	*size = 0;
	if (length > reader_left(r)) {
		r->failed = true;
		return NULL;
	}
	*size = (size_t)length;
	return reader_bytes(r, (size_t)length);
}

/* A count of things that take at least SIZE bytes each; more than can follow fails. */
static uint32_t count_next(struct reader *r, size_t size)
{
	uint64_t count = reader_compact_size(r);

	if (count > reader_left(r) / size || count > UINT32_MAX)
		r->failed = true;
	return r->failed ? 0 : (uint32_t)count;
}

static size_t compact_size_length(uint32_t value)
{
	if (value < 0xfd)
		return 1;
	return value <= 0xffff ? 3 : 5;
}

bool tx_next_input(struct reader *r, struct tx_input *in)
{
	reader_copy(r, in->prev_txid, 32);
	in->prev_index = reader_u32(r);
	in->script = script_next(r, &in->script_size);
	in->sequence = reader_u32(r);
	return !r->failed;
}

bool tx_next_output(struct reader *r, struct tx_output *out)
{
	out->value = reader_u64(r);
	out->script = script_next(r, &out->script_size);
	return !r->failed;
}

static void inputs_parse(struct reader *r, struct tx *tx)
{
	struct tx_input in;

	tx->inputs = count_next(r, INPUT_MIN);
	tx->inputs_at = r->at;
	for (uint32_t i = 0; i < tx->inputs && tx_next_input(r, &in); i++)
		;
}

static void outputs_parse(struct reader *r, struct tx *tx)
{
	struct tx_output out;

	tx->outputs = count_next(r, OUTPUT_MIN);
	tx->outputs_at = r->at;
	for (uint32_t i = 0; i < tx->outputs && tx_next_output(r, &out); i++)
		;
}

/* One stack per input. All of them empty is not a witness, and nodes refuse such a serialization.
 */
static void witness_parse(struct reader *r, struct tx *tx)
{
	uint64_t items = 0;

	tx->witness_at = r->at;
	for (uint32_t i = 0; i < tx->inputs && !r->failed; i++) {
		uint32_t count = count_next(r, 1);
		size_t size;

		items += count;
		for (uint32_t j = 0; j < count && !r->failed; j++)
			(void)script_next(r, &size);
	}
	if (items == 0)
		r->failed = true;
}

/* BIP144: a marker of 0, where the count of inputs would be, and a flag of 1 announce a witness. So
 * there is no transaction without inputs, as such a one cannot have a witness either. */
bool tx_parse(struct reader *r, struct tx *tx)
{
	size_t witness_size = 0;

	memset(tx, 0, sizeof(*tx));
	tx->data = r->at;
	tx->version = reader_u32(r);
	if (reader_left(r) > 0 && r->at[0] == 0) {
		(void)reader_u8(r);
		if (reader_u8(r) != 1)
			r->failed = true;
		tx->has_witness = true;
	}
	inputs_parse(r, tx);
	outputs_parse(r, tx);
	if (tx->has_witness) {
		witness_parse(r, tx);
		witness_size = 2 + (size_t)(r->at - tx->witness_at);
	}
	tx->lock_time = reader_u32(r);
	tx->size = (size_t)(r->at - tx->data);
	tx->stripped_size = tx->size - witness_size;
	return !r->failed;
}

void tx_inputs(const struct tx *tx, struct reader *r)
{
	const uint8_t *end = tx->outputs_at - compact_size_length(tx->outputs);

	reader_init(r, tx->inputs_at, (size_t)(end - tx->inputs_at));
}

/* What follows the outputs: the witness or the lock time. */
static const uint8_t *outputs_end(const struct tx *tx)
{
	return tx->has_witness ? tx->witness_at : tx->data + tx->size - 4;
}

void tx_outputs(const struct tx *tx, struct reader *r)
{
	reader_init(r, tx->outputs_at, (size_t)(outputs_end(tx) - tx->outputs_at));
}

void tx_txid(const struct tx *tx, uint8_t out[32])
{
	const uint8_t *body = tx->data + 4 + (tx->has_witness ? 2 : 0);
	struct sha256_stream s;

	sha256_start(&s);
	sha256_add(&s, tx->data, 4);
	sha256_add(&s, body, (size_t)(outputs_end(tx) - body));
	sha256_add(&s, tx->data + tx->size - 4, 4);
	sha256d_finish(&s, out);
}

void tx_wtxid(const struct tx *tx, uint8_t out[32])
{
	sha256d(tx->data, tx->size, out);
}

/* BIP141: three times the size without witness plus the size with it. */
uint64_t tx_weight(const struct tx *tx)
{
	return (uint64_t)tx->stripped_size * 3 + tx->size;
}

uint64_t tx_sigops(const struct tx *tx)
{
	struct tx_output output;
	struct tx_input input;
	struct reader r;
	uint64_t count = 0;

	tx_inputs(tx, &r);
	for (uint32_t i = 0; i < tx->inputs && tx_next_input(&r, &input); i++)
		count += script_sigops(input.script, input.script_size, false);
	tx_outputs(tx, &r);
	for (uint32_t i = 0; i < tx->outputs && tx_next_output(&r, &output); i++)
		count += script_sigops(output.script, output.script_size, false);
	return count;
}

bool tx_is_coinbase(const struct tx *tx, struct tx_input *in)
{
	static const uint8_t zeros[32];
	struct reader r;

	tx_inputs(tx, &r);
	return tx_next_input(&r, in) && tx->inputs == 1 && memcmp(in->prev_txid, zeros, 32) == 0 &&
	       in->prev_index == UINT32_MAX;
}

const uint8_t *tx_witness_commitment(const struct tx *coinbase)
{
	static const uint8_t start[6] = {0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed};
	const uint8_t *found = NULL;
	struct tx_output output;
	struct reader r;

	tx_outputs(coinbase, &r);
	for (uint32_t i = 0; i < coinbase->outputs && tx_next_output(&r, &output); i++)
		if (output.script_size >= COMMITMENT_SIZE &&
		    memcmp(output.script, start, sizeof(start)) == 0)
			found = output.script + sizeof(start);
	return found;
}
