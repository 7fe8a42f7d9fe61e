/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/ipc_parts.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"

#define HEADER_SIZE 80u
#define WITNESS_SIZE 32u

void tp_parts_free(struct tp_parts *p)
{
	free(p->fees);
	free(p->sigops);
	free(p->data);
	*p = (struct tp_parts){0};
}

static int32_t wrong(struct error *e, const char *method, const char *what)
{
	return error_set(e, ADIT_E_INVALID_ARGUMENT, "template of the node: %s: %s", method, what);
}

int32_t tp_parts_header(struct tp_parts *p, struct capn_bytes header, struct error *e)
{
	if (header.size != HEADER_SIZE)
		return wrong(e, "getBlockHeader", "not 80 bytes");
	memcpy(p->header, header.data, HEADER_SIZE);
	p->have |= TP_PART_HEADER;
	return ADIT_OK;
}

/* --- the coinbase -------------------------------------------------------------------------------
 */

static bool is_commitment(const uint8_t *script, size_t size)
{
	static const uint8_t marker[] = {0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed};

	return size == TP_COMMITMENT_SIZE && memcmp(script, marker, sizeof(marker)) == 0;
}

/* An output that the coinbase has to have, serialized. */
static int32_t take_output(struct tp_parts *p, struct capn_bytes bytes, struct error *e)
{
	struct tx_output output;
	struct reader r;

	reader_init(&r, bytes.data, bytes.size);
	if (!tx_next_output(&r, &output) || reader_left(&r) != 0)
		return wrong(e, "getCoinbaseTx", "a required output is none");
	if (is_commitment(output.script, output.script_size)) {
		memcpy(p->commitment, output.script, TP_COMMITMENT_SIZE);
		p->commitment_size = TP_COMMITMENT_SIZE;
		return ADIT_OK;
	}
	if (bytes.size > sizeof(p->demanded) - p->demanded_size)
		return wrong(e, "getCoinbaseTx", "more required outputs than can be served");
	memcpy(p->demanded + p->demanded_size, bytes.data, bytes.size);
	p->demanded_size += (uint32_t)bytes.size;
	p->demanded_count++;
	return ADIT_OK;
}

/* BIP141: the commitment is made with it, so clients have to use the same, and they use zeros. */
static bool is_usual_witness(struct capn_bytes witness)
{
	static const uint8_t zeros[WITNESS_SIZE];

	return witness.size == 0 ||
	       (witness.size == WITNESS_SIZE && memcmp(witness.data, zeros, WITNESS_SIZE) == 0);
}

int32_t tp_parts_coinbase(struct tp_parts *p, const struct node_CoinbaseTx *c, struct error *e)
{
	if (c->blockRewardRemaining < 0 || (uint64_t)c->blockRewardRemaining > TP_MAX_MONEY)
		return wrong(e, "getCoinbaseTx", "blockRewardRemaining is no amount");
	if (!is_usual_witness(c->witness))
		return wrong(e, "getCoinbaseTx", "the witness is not the 32 zero bytes of BIP141");
	if (!bip34_height(c->scriptSigPrefix.data, c->scriptSigPrefix.size, &p->height))
		return wrong(e, "getCoinbaseTx", "scriptSigPrefix has no height");
	for (uint32_t i = 0; i < c->requiredOutputs.count; i++) {
		int32_t r = take_output(p, node_list_data(&c->requiredOutputs, i), e);

		if (r != ADIT_OK)
			return r;
	}
	p->value = (uint64_t)c->blockRewardRemaining;
	p->version = c->version;
	p->sequence = c->sequence;
	p->lock_time = c->lockTime;
	p->have |= TP_PART_COINBASE;
	return ADIT_OK;
}

/* What pays is the reward, to be paid otherwise; the commitment stays. */
static int32_t take_raw_outputs(struct tp_parts *p, const struct tx *tx, struct error *e)
{
	struct tx_output output;
	struct reader r;

	tx_outputs(tx, &r);
	for (uint32_t i = 0; i < tx->outputs; i++) {
		if (!tx_next_output(&r, &output))
			return wrong(e, "getCoinbaseTx", "an output is none");
		if (output.value > TP_MAX_MONEY - p->value)
			return wrong(e, "getCoinbaseTx", "pays more than there can be");
		p->value += output.value;
		if (is_commitment(output.script, output.script_size)) {
			memcpy(p->commitment, output.script, TP_COMMITMENT_SIZE);
			p->commitment_size = TP_COMMITMENT_SIZE;
		}
	}
	return ADIT_OK;
}

int32_t tp_parts_raw_coinbase(struct tp_parts *p, struct capn_bytes raw, struct error *e)
{
	struct tx_input input;
	struct reader r;
	struct tx tx;

	reader_init(&r, raw.data, raw.size);
	if (!tx_parse(&r, &tx) || reader_left(&r) != 0 || tx.inputs != 1)
		return wrong(e, "getCoinbaseTx", "not one transaction with one input");
	tx_inputs(&tx, &r);
	if (!tx_next_input(&r, &input) ||
	    !bip34_height(input.script, input.script_size, &p->height))
		return wrong(e, "getCoinbaseTx", "the scriptSig has no height");
	int32_t result = take_raw_outputs(p, &tx, e);

	if (result != ADIT_OK)
		return result;
	p->version = tx.version;
	p->sequence = input.sequence;
	p->lock_time = tx.lock_time;
	p->have |= TP_PART_COINBASE;
	return ADIT_OK;
}

/* --- lists --------------------------------------------------------------------------------------
 */

int32_t tp_parts_fees(struct tp_parts *p, const struct node_list *fees, struct error *e)
{
	if (fees->count > TP_MAX_TXS)
		return wrong(e, "getTxFees", "more than a block can have");
	free(p->fees);
	p->fees = calloc((size_t)fees->count + 1, sizeof(*p->fees));
	if (p->fees == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "no memory for a template");
	p->fee_count = fees->count;
	p->fee_sum = 0;
	for (uint32_t i = 0; i < fees->count; i++) {
		p->fees[i] = node_list_number(fees, i);
		if (p->fees[i] > TP_MAX_MONEY - p->fee_sum)
			return wrong(e, "getTxFees", "more than there can be");
		p->fee_sum += p->fees[i];
	}
	p->have |= TP_PART_FEES;
	return ADIT_OK;
}

int32_t tp_parts_sigops(struct tp_parts *p, const struct node_list *sigops, struct error *e)
{
	if (sigops->count > TP_MAX_TXS)
		return wrong(e, "getTxSigops", "more than a block can have");
	free(p->sigops);
	p->sigops = calloc((size_t)sigops->count + 1, sizeof(*p->sigops));
	if (p->sigops == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "no memory for a template");
	p->sigops_count = sigops->count;
	for (uint32_t i = 0; i < sigops->count; i++) {
		uint64_t n = node_list_number(sigops, i);

		if (n > TP_MAX_SIGOPS)
			return wrong(e, "getTxSigops", "more than a block can have");
		p->sigops[i] = (uint32_t)n;
	}
	p->have |= TP_PART_SIGOPS;
	return ADIT_OK;
}

/* --- the block ----------------------------------------------------------------------------------
 */

int32_t tp_parts_block(struct tp_parts *p, struct capn_bytes block, struct error *e)
{
	struct tx coinbase;
	struct reader r;

	if (block.size > TP_MAX_TX_DATA)
		return wrong(e, "getBlock", "larger than a block can be");
	reader_init(&r, block.data, block.size);
	reader_copy(&r, p->block_header, HEADER_SIZE);
	uint64_t count = reader_compact_size(&r);
	if (r.failed || count == 0 || count - 1 > TP_MAX_TXS || !tx_parse(&r, &coinbase))
		return wrong(e, "getBlock", "not a block");
	free(p->data);
	p->data_size = reader_left(&r);
	p->data = malloc(p->data_size + 1);
	if (p->data == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "no memory for a template");
	reader_copy(&r, p->data, p->data_size);
	p->tx_count = (uint32_t)(count - 1);
	p->have |= TP_PART_BLOCK;
	return ADIT_OK;
}

/* --- the snapshot -------------------------------------------------------------------------------
 */

static int32_t new_snapshot(const struct tp_parts *p, uint64_t id, uint64_t now_ms,
			    struct tp_snapshot **out, struct error *e)
{
	struct tp_snapshot *s = calloc(1, sizeof(*s));
	struct block_header h;

	if (s == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "no memory for a template");
	block_header_read(p->header, &h);
	s->refs = 1;
	s->id = id;
	s->fetched_ms = now_ms;
	memcpy(s->prev_hash, h.prev_hash, sizeof(s->prev_hash));
	s->height = p->height;
	s->version = h.version;
	s->nbits = h.nbits;
	s->curtime = h.time;
	/* The node tells no lower bound, but its time of now is none below. */
	s->mintime = h.time;
	s->coinbase_version = p->version;
	s->coinbase_sequence = p->sequence;
	s->coinbase_lock_time = p->lock_time;
	memcpy(s->demanded, p->demanded, p->demanded_size);
	s->demanded_size = p->demanded_size;
	s->demanded_count = p->demanded_count;
	s->sigop_limit = TP_MAX_SIGOPS;
	s->weight_limit = TP_MAX_WEIGHT;
	*out = s;
	if (!target_from_nbits(h.nbits, s->target))
		return wrong(e, "getBlockHeader", "no target below 2^256");
	if (p->fee_sum > p->value)
		return wrong(e, "getTxFees", "more than the coinbase pays");
	return ADIT_OK;
}

static int32_t take_txs(struct tp_parts *p, struct tp_snapshot *s, struct error *e)
{
	struct reader r;

	s->txs = calloc((size_t)p->tx_count + 1, sizeof(*s->txs));
	if (s->txs == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "no memory for a template");
	reader_init(&r, p->data, p->data_size);
	for (uint32_t i = 0; i < p->tx_count; i++) {
		struct tp_tx *out = &s->txs[i];
		struct tx tx;

		if (!tx_parse(&r, &tx))
			return wrong(e, "getBlock", "a transaction is none");
		tx_txid(&tx, out->txid);
		out->fee = p->fees[i];
		out->sigops = p->sigops[i];
		out->weight = (uint32_t)tx_weight(&tx);
		out->offset = (uint32_t)(tx.data - p->data);
		out->size = (uint32_t)tx.size;
	}
	if (reader_left(&r) != 0)
		return wrong(e, "getBlock", "something follows the transactions");
	s->tx_count = p->tx_count;
	s->data = p->data;
	s->data_size = p->data_size;
	p->data = NULL;
	return ADIT_OK;
}

static int32_t check_agreement(const struct tp_parts *p, struct error *e)
{
	if (memcmp(p->header, p->block_header, HEADER_SIZE) != 0)
		return wrong(e, "getBlock", "its header is not that of getBlockHeader");
	if (p->fee_count != p->tx_count)
		return wrong(e, "getTxFees", "not one for each transaction");
	if (p->sigops_count != p->tx_count)
		return wrong(e, "getTxSigops", "not one for each transaction");
	return ADIT_OK;
}

int32_t tp_parts_whole(struct tp_parts *p, uint64_t id, uint64_t now_ms, struct tp_snapshot **out,
		       struct error *e)
{
	struct tp_snapshot *s = NULL;
	int32_t r = check_agreement(p, e);

	*out = NULL;
	if (r == ADIT_OK)
		r = new_snapshot(p, id, now_ms, &s, e);
	if (r == ADIT_OK)
		r = take_txs(p, s, e);
	if (r != ADIT_OK) {
		tp_snapshot_unref(s);
		return r;
	}
	s->coinbase_value = p->value;
	memcpy(s->commitment, p->commitment, p->commitment_size);
	s->commitment_size = p->commitment_size;
	*out = s;
	return ADIT_OK;
}

int32_t tp_parts_partial(const struct tp_parts *p, uint64_t id, uint64_t now_ms,
			 struct tp_snapshot **out, struct error *e)
{
	struct tp_snapshot *s = NULL;
	int32_t r = new_snapshot(p, id, now_ms, &s, e);

	*out = NULL;
	if (r != ADIT_OK) {
		tp_snapshot_unref(s);
		return r;
	}
	s->partial = true;
	s->coinbase_value = p->value - p->fee_sum;
	*out = s;
	return ADIT_OK;
}
