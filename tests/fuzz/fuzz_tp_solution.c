/* SPDX-License-Identifier: MIT */
/* SubmitSolution: version, time and nonce (little-endian), then a coinbase. What becomes a block
 * must parse as one, and have the merkle root of its transactions. */
#include "config.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/tx.h"
#include "plugins/template-provider/block.h"

/* Two transactions of 60 bytes: one input, one output, nothing in their scripts. */
#define TXS 2
#define TX_SIZE 60

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static uint8_t bytes[TXS * TX_SIZE];
static struct tp_tx txs[TXS];
static struct tp_snapshot snapshot = {
    .height = 100,
    .nbits = 0x207fffff,
    .coinbase_value = 5000000000u,
    .sigop_limit = 80000,
    .weight_limit = 4000000,
    .tx_count = TXS,
    .txs = txs,
    .data = bytes,
    .data_size = sizeof(bytes),
};

static void make_snapshot(void)
{
	snapshot.refs = 1000; /* never freed: it is static */
	memset(snapshot.target, 0xff, 32);
	for (uint32_t i = 0; i < TXS; i++) {
		uint8_t *at = bytes + i * TX_SIZE;
		struct reader r;
		struct tx tx;

		at[0] = 2;
		at[4] = 1;                /* inputs */
		at[5] = (uint8_t)(i + 1); /* spent output */
		at[46] = 1;               /* outputs, behind outpoint, script length and sequence */
		reader_init(&r, at, TX_SIZE);
		require(tx_parse(&r, &tx) && reader_left(&r) == 0);
		tx_txid(&tx, txs[i].txid);
		txs[i].offset = i * TX_SIZE;
		txs[i].size = TX_SIZE;
		txs[i].weight = 4 * TX_SIZE;
	}
}

static void check_block(const struct buf *block, const uint8_t hash[32])
{
	struct block_header h;
	struct reader r;
	struct tx tx;
	uint8_t ids[TXS + 1][32], root[32], again[32];

	reader_init(&r, block->data, block->size);
	block_header_read(reader_bytes(&r, 80), &h);
	sha256d_header(block->data, again);
	require(memcmp(again, hash, 32) == 0);
	require(reader_compact_size(&r) == TXS + 1);
	for (uint32_t i = 0; i <= TXS; i++) {
		require(tx_parse(&r, &tx));
		require(i > 0 || tx.has_witness);
		tx_txid(&tx, ids[i]);
	}
	require(reader_left(&r) == 0);
	merkle_root(ids, TXS + 1, root);
	require(memcmp(root, h.merkle_root, 32) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tp_template *t;
	struct tp_solution s;
	struct buf block = {0};
	uint8_t hash[32];
	struct reader r;
	struct error e;

	if (t == NULL) {
		make_snapshot();
		require(tp_template_new(&snapshot, 2000, 0, 1, &t, &e) == ADIT_OK);
	}
	reader_init(&r, data, size);
	s.version = reader_u32(&r);
	s.ntime = reader_u32(&r);
	s.nonce = reader_u32(&r);
	s.coinbase_size = reader_left(&r);
	s.coinbase = reader_bytes(&r, s.coinbase_size);
	if (r.failed)
		return 0;
	if (tp_block_assemble(t, &s, &block, hash, &e) == ADIT_OK)
		check_block(&block, hash);
	else
		require(block.size == 0);
	buf_free(&block);
	return 0;
}
