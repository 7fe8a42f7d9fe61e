/* SPDX-License-Identifier: MIT */
/* Bitcoin Core's answers about a template: the first byte chooses the dialect, the rest is a framed
 * message with a struct of six pointers to result structs (tests/unit/test_tp_ipc.c). What becomes
 * a snapshot must agree with itself, and with any reservation. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include "plugins/template-provider/ipc_parts.h"
#include "plugins/template-provider/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct capn_message message;

static void results(enum node_method method, enum node_dialect dialect, uint32_t index, void *out)
{
	struct capn_return r = {.ok = true, .results = capn_getp(capn_root(&message), index)};

	node_results(method, dialect, &r, out);
}

static int32_t take(struct tp_parts *p, enum node_dialect dialect, struct error *e)
{
	struct node_DataResult header, block, raw;
	struct node_NumbersResult fees, sigops;
	struct node_CoinbaseTxResult coinbase;
	int32_t r;

	results(NODE_BlockTemplate_getBlockHeader, dialect, 0, &header);
	results(NODE_BlockTemplate_getCoinbaseTx, dialect, 1, &coinbase);
	results(NODE_BlockTemplate_getTxFees, dialect, 2, &fees);
	results(NODE_BlockTemplate_getTxSigops, dialect, 3, &sigops);
	results(NODE_BlockTemplate_getBlock, dialect, 4, &block);
	results(NODE_BlockTemplate_getRawCoinbaseTx, dialect, 5, &raw);
	r = tp_parts_header(p, header.result, e);
	if (r == ADIT_OK)
		r = dialect == NODE_V30 ? tp_parts_raw_coinbase(p, raw.result, e)
					: tp_parts_coinbase(p, &coinbase.result, e);
	if (r == ADIT_OK)
		r = tp_parts_fees(p, &fees.result, e);
	if (r == ADIT_OK)
		r = tp_parts_sigops(p, &sigops.result, e);
	return r == ADIT_OK ? tp_parts_block(p, block.result, e) : r;
}

static void check(struct tp_snapshot *s)
{
	struct tp_template *t;
	struct error e;
	size_t offset = 0;

	for (uint32_t i = 0; i < s->tx_count; i++) {
		if (s->txs[i].offset != offset || s->txs[i].size == 0)
			abort();
		offset += s->txs[i].size;
	}
	if (offset != s->data_size || s->demanded_size > sizeof(s->demanded))
		abort();
	if (tp_template_new(s, 2000, 100, 1, &t, &e) != ADIT_OK)
		return;
	if (t->value > s->coinbase_value || t->fees > t->value)
		abort();
	tp_template_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tp_parts parts = {0};
	struct tp_snapshot *s;
	struct error e;

	if (size == 0 || capn_message_init(&message, data + 1, size - 1, NULL) != ADIT_OK)
		return 0;
	if (take(&parts, data[0] % NODE_DIALECTS, &e) == ADIT_OK) {
		if (tp_parts_partial(&parts, 1, 0, &s, &e) == ADIT_OK) {
			check(s);
			tp_snapshot_unref(s);
		}
		if (tp_parts_whole(&parts, 2, 0, &s, &e) == ADIT_OK) {
			check(s);
			tp_snapshot_unref(s);
		}
	}
	tp_parts_free(&parts);
	return 0;
}
