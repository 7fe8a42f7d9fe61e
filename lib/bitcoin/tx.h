/* SPDX-License-Identifier: MIT */
/* tx.h: transactions and blocks as far as mining has to look into them. Everything is borrowed from
 * the serialized bytes. BIP141 for the witness serialization. */
#ifndef BITCOIN_TX_H
#define BITCOIN_TX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/reader.h"

struct tx {
	const uint8_t *data; /* whole serialization */
	size_t size;
	bool has_witness;
	uint32_t version;
	uint32_t inputs;
	uint32_t outputs;
	const uint8_t *inputs_at;  /* first input, after the count */
	const uint8_t *outputs_at; /* first output, after the count */
	const uint8_t *witness_at; /* first witness stack, NULL without */
	uint32_t lock_time;
	size_t stripped_size; /* without marker, flag, witness */
};

struct tx_input {
	uint8_t prev_txid[32];
	uint32_t prev_index;
	const uint8_t *script;
	size_t script_size;
	uint32_t sequence;
};

struct tx_output {
	uint64_t value; /* satoshi */
	const uint8_t *script;
	size_t script_size;
};

/* Parses one transaction, which has an input at least, from R; on failure returns false and R is
 * failed. */
bool tx_parse(struct reader *r, struct tx *tx);
/* Reads the next input / output; R starts at inputs_at / outputs_at (tx_inputs(), tx_outputs()). */
void tx_inputs(const struct tx *tx, struct reader *r);
void tx_outputs(const struct tx *tx, struct reader *r);
bool tx_next_input(struct reader *r, struct tx_input *in);
bool tx_next_output(struct reader *r, struct tx_output *out);
void tx_txid(const struct tx *tx, uint8_t out[32]);
void tx_wtxid(const struct tx *tx, uint8_t out[32]);
uint64_t tx_weight(const struct tx *tx);
/* Legacy signature operations of TX, which was parsed: of all its input and output scripts, not
 * accurate, not yet times four (GetLegacySigOpCount() of Bitcoin Core). */
uint64_t tx_sigops(const struct tx *tx);
/* Whether TX, which was parsed, is a coinbase: one input, of no transaction and index 0xffffffff.
 * IN gets its first input also when it is none. */
bool tx_is_coinbase(const struct tx *tx, struct tx_input *in);
/* BIP141: the 32 bytes of COINBASE's commitment to the witnesses, borrowed from the serialization;
 * of several outputs that look like one, the last; NULL without. */
const uint8_t *tx_witness_commitment(const struct tx *coinbase);
/* Legacy signature operations of a script, counted without execution (an OP_CHECKMULTISIG as 20
 * unless ACCURATE). The block's cost is four times this for what is not witness. */
uint32_t script_sigops(const uint8_t *script, size_t size, bool accurate);

/* An 80-byte header as fields. */
struct block_header {
	uint32_t version;
	uint8_t prev_hash[32];
	uint8_t merkle_root[32];
	uint32_t time;
	uint32_t nbits;
	uint32_t nonce;
};
void block_header_write(const struct block_header *h, uint8_t out[80]);
void block_header_read(const uint8_t in[80], struct block_header *h);

/* BIP34: the minimal push of HEIGHT that a coinbase's scriptSig begins with; returns its size, 1..6
 * (heights 1..16 are OP_1..OP_16 in what bitcoind makes). */
size_t bip34_push(uint32_t height, uint8_t out[6]);
/* Reads it back; false when the script does not begin with a minimal height push. */
bool bip34_height(const uint8_t *script, size_t size, uint32_t *height);
/* BIP141: the commitment output script (38 bytes) over WITNESS_ROOT and a reserved value of zeros.
 */
void bip141_commitment(const uint8_t witness_root[32], uint8_t script[38]);

#endif
