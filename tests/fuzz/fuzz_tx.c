/* SPDX-License-Identifier: MIT */
/* Transactions: whatever parses must walk to its very end, and say the same once it is stripped. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/address.h"
#include "lib/bitcoin/tx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void walk_inputs(const struct tx *tx)
{
	struct tx_input in;
	struct reader r;
	uint32_t height;

	tx_inputs(tx, &r);
	for (uint32_t i = 0; i < tx->inputs; i++) {
		require(tx_next_input(&r, &in));
		(void)script_sigops(in.script, in.script_size, true);
		(void)bip34_height(in.script, in.script_size, &height);
	}
	require(reader_left(&r) == 0);
}

static void walk_outputs(const struct tx *tx)
{
	struct tx_output out;
	struct reader r;
	char address[100];

	tx_outputs(tx, &r);
	for (uint32_t i = 0; i < tx->outputs; i++) {
		struct script back;

		require(tx_next_output(&r, &out));
		require(script_sigops(out.script, out.script_size, true) <=
			script_sigops(out.script, out.script_size, false));
		if (!script_to_address(out.script, out.script_size, BITCOIN_REGTEST, address,
				       sizeof(address)))
			continue;
		require(address_to_script(address, BITCOIN_REGTEST, &back, NULL) == ADIT_OK);
		require(back.size == out.script_size);
		require(memcmp(back.data, out.script, back.size) == 0);
	}
	require(reader_left(&r) == 0);
}

/* The serialization without witness, parsed again, has the same txid. */
static void check_stripped(const struct tx *tx)
{
	uint8_t *bytes = malloc(tx->stripped_size);
	const uint8_t *body = tx->data + 6;
	size_t body_size = tx->stripped_size - 8;
	uint8_t before[32];
	uint8_t after[32];
	struct tx stripped;
	struct reader r;

	require(bytes != NULL);
	memcpy(bytes, tx->data, 4);
	memcpy(bytes + 4, body, body_size);
	memcpy(bytes + 4 + body_size, tx->data + tx->size - 4, 4);
	reader_init(&r, bytes, tx->stripped_size);
	require(tx_parse(&r, &stripped) && reader_left(&r) == 0);
	require(stripped.size == tx->stripped_size && !stripped.has_witness);
	tx_txid(tx, before);
	tx_wtxid(&stripped, after);
	require(memcmp(before, after, 32) == 0);
	free(bytes);
}

static void check_as_coinbase(const struct tx *tx)
{
	const uint8_t *commitment = tx_witness_commitment(tx);
	struct tx_input in;

	require(commitment == NULL ||
		(commitment > tx->data && commitment + 32 < tx->data + tx->size));
	require(!tx_is_coinbase(tx, &in) || tx->inputs == 1);
	require(tx_sigops(tx) <= 20 * (uint64_t)tx->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r;
	struct tx tx;

	reader_init(&r, data, size);
	while (reader_left(&r) > 0 && tx_parse(&r, &tx)) {
		require(tx.stripped_size <= tx.size && tx_weight(&tx) >= tx.size);
		walk_inputs(&tx);
		walk_outputs(&tx);
		check_as_coinbase(&tx);
		if (tx.has_witness)
			check_stripped(&tx);
	}
	return 0;
}
