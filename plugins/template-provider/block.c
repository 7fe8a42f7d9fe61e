/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/block.h"

#include <string.h>

#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"

#define HEADER_SIZE 80

static int32_t parse_coinbase(const struct tp_solution *s, struct tx *tx, struct error *e)
{
	struct reader r;

	reader_init(&r, s->coinbase, s->coinbase_size);
	if (!tx_parse(&r, tx) || reader_left(&r) != 0 || tx->inputs != 1)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "the coinbase is not one transaction with one input");
	return ADIT_OK;
}

static void write_header(const struct tp_template *t, const struct tp_solution *s,
			 const struct tx *coinbase, uint8_t out[HEADER_SIZE])
{
	struct block_header h = {
	    .version = s->version,
	    .time = s->ntime,
	    .nbits = t->snapshot->nbits,
	    .nonce = s->nonce,
	};
	uint8_t txid[32];

	tx_txid(coinbase, txid);
	merkle_fold(txid, t->path[0], t->depth, h.merkle_root);
	memcpy(h.prev_hash, t->snapshot->prev_hash, 32);
	block_header_write(&h, out);
}

/* BIP141 serialization of a coinbase that came in the old form. */
static void append_with_witness(const struct tx *tx, struct buf *out)
{
	static const uint8_t marker_flag[] = {0x00, 0x01};
	static const uint8_t witness[34] = {0x01, 0x20};

	buf_append(out, tx->data, 4);
	buf_append(out, marker_flag, sizeof(marker_flag));
	buf_append(out, tx->data + 4, tx->size - 8);
	buf_append(out, witness, sizeof(witness));
	buf_append(out, tx->data + tx->size - 4, 4);
}

static int32_t append_body(const struct tp_template *t, const struct tx *coinbase, struct buf *out,
			   struct error *e)
{
	buf_append_compact_size(out, (uint64_t)t->tx_count + 1);
	if (coinbase->has_witness)
		buf_append(out, coinbase->data, coinbase->size);
	else
		append_with_witness(coinbase, out);
	buf_append(out, t->snapshot->data, tp_template_data_size(t));
	if (out->failed)
		return error_set(e, ADIT_E_NO_MEMORY, "no memory for a block");
	return ADIT_OK;
}

int32_t tp_block_assemble(const struct tp_template *t, const struct tp_solution *s,
			  struct buf *block, uint8_t hash[32], struct error *e)
{
	uint8_t header[HEADER_SIZE];
	struct tx coinbase;
	int32_t r = parse_coinbase(s, &coinbase, e);

	if (r != ADIT_OK)
		return r;
	write_header(t, s, &coinbase, header);
	sha256d_header(header, hash);
	if (!target_met(hash, t->snapshot->target))
		return error_set(e, ADIT_E_PROTOCOL, "the hash misses the target of the block");
	buf_append(block, header, sizeof(header));
	return append_body(t, &coinbase, block, e);
}
