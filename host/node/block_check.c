/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/block_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <adit/error.h>

#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"

#define MAX_WEIGHT 4000000
#define MAX_SIGOPS 80000
#define MAX_MONEY (UINT64_C(21000000) * 100000000)
#define MIN_TX_SIZE 10 /* what a parser needs at least: version, two counts, lock time */
#define LOCK_TIME_IS_TIME 500000000 /* a lock time below is a height */
#define SEQUENCE_FINAL 0xffffffffu

struct check {
	const struct chain *chain;
	const char *place;
	uint32_t now;
	bool unmined; /* its hash says nothing */
	struct block_header header;
	struct tx *txs;
	size_t count;
	uint8_t (*ids)[32]; /* scratch for a tree, COUNT of them */
	uint64_t stripped_size;
	uint64_t weight;
	struct block_verdict *out;
};

static size_t compact_size_bytes(uint64_t n)
{
	return n < 0xfd ? 1 : n <= 0xffff ? 3 : 5;
}

/* --- taking it apart ----------------------------------------------------------------------------
 */

/* Memory for what the block says it has, after seeing that it can have that many. */
static int32_t allocate(struct check *k, uint64_t count)
{
	k->txs = calloc((size_t)count, sizeof(*k->txs));
	k->ids = calloc((size_t)count, sizeof(*k->ids));
	k->out->numbers = calloc((size_t)count, sizeof(*k->out->numbers));
	if (k->txs == NULL || k->ids == NULL || k->out->numbers == NULL)
		return ADIT_E_NO_MEMORY;
	k->count = (size_t)count;
	return ADIT_OK;
}

static int32_t decode(struct check *k, const uint8_t *block, size_t size)
{
	struct reader r;
	uint64_t count;

	k->out->reason = "block-decode-failed";
	reader_init(&r, block, size);
	if (reader_left(&r) < 81)
		return ADIT_OK;
	block_header_read(reader_bytes(&r, 80), &k->header);
	count = reader_compact_size(&r);
	if (r.failed || count > reader_left(&r) / MIN_TX_SIZE)
		return ADIT_OK;
	if (count == 0) {
		k->out->reason = reader_left(&r) == 0 ? "bad-blk-length" : "block-decode-failed";
		return ADIT_OK;
	}
	if (allocate(k, count) != ADIT_OK)
		return ADIT_E_NO_MEMORY;
	k->stripped_size = 80 + compact_size_bytes(count);
	k->weight = k->stripped_size * 4;
	for (size_t i = 0; i < k->count; i++) {
		if (!tx_parse(&r, &k->txs[i]))
			return ADIT_OK;
		k->stripped_size += k->txs[i].stripped_size;
		k->weight += tx_weight(&k->txs[i]);
	}
	if (reader_left(&r) == 0)
		k->out->reason = NULL;
	return ADIT_OK;
}

/* --- what needs no chain (CheckBlock) -----------------------------------------------------------
 */

static const char *check_work(struct check *k)
{
	uint8_t target[32];

	if (!target_from_nbits(k->header.nbits, target) || !target_met(k->out->hash, target))
		return "high-hash";
	return NULL;
}

/* A list that repeats its end has the same root as one without the repetition (CVE-2012-2459): on
 * some level of the tree two neighbours are alike. Overwrites the ids. */
static bool tree_is_ambiguous(uint8_t (*ids)[32], size_t count)
{
	while (count > 1) {
		size_t pairs = (count + 1) / 2;

		for (size_t i = 0; i + 1 < count; i += 2)
			if (memcmp(ids[i], ids[i + 1], 32) == 0)
				return true;
		for (size_t i = 0; i < pairs; i++) {
			size_t right = 2 * i + 1 < count ? 2 * i + 1 : 2 * i;

			sha256d_pair(ids[2 * i], ids[right], ids[i]);
		}
		count = pairs;
	}
	return false;
}

static void fill_txids(struct check *k)
{
	for (size_t i = 0; i < k->count; i++)
		tx_txid(&k->txs[i], k->ids[i]);
}

static const char *check_merkle_root(struct check *k)
{
	uint8_t root[32];

	fill_txids(k);
	merkle_root(k->ids, k->count, root);
	if (memcmp(root, k->header.merkle_root, 32) != 0)
		return "bad-txnmrklroot";
	fill_txids(k);
	return tree_is_ambiguous(k->ids, k->count) ? "bad-txns-duplicate" : NULL;
}

static const char *check_outputs(const struct tx *tx, uint64_t *sum)
{
	struct tx_output output;
	struct reader r;

	*sum = 0;
	if (tx->outputs == 0)
		return "bad-txns-vout-empty";
	tx_outputs(tx, &r);
	for (uint32_t i = 0; i < tx->outputs && tx_next_output(&r, &output); i++) {
		if (output.value > MAX_MONEY)
			return "bad-txns-vout-toolarge";
		*sum += output.value;
		if (*sum > MAX_MONEY)
			return "bad-txns-txouttotal-toolarge";
	}
	return NULL;
}

static const char *check_coinbase_form(struct check *k)
{
	struct tx_input in;

	if (!tx_is_coinbase(&k->txs[0], &in))
		return "bad-cb-missing";
	if (in.script_size < 2 || in.script_size > 100)
		return "bad-cb-length";
	for (size_t i = 1; i < k->count; i++) {
		struct tx_input other;

		if (tx_is_coinbase(&k->txs[i], &other))
			return "bad-cb-multiple";
	}
	return NULL;
}

static const char *check_transactions(struct check *k)
{
	uint64_t sigops = 0;
	uint64_t sum;

	for (size_t i = 0; i < k->count; i++) {
		const char *reason = check_outputs(&k->txs[i], &sum);

		if (reason != NULL)
			return reason;
		sigops += tx_sigops(&k->txs[i]);
	}
	return sigops * 4 > MAX_SIGOPS ? "bad-blk-sigops" : NULL;
}

static const char *check_alone(struct check *k)
{
	const char *reason = k->unmined ? NULL : check_work(k);

	if (reason == NULL)
		reason = check_merkle_root(k);
	if (reason == NULL && k->stripped_size * 4 > MAX_WEIGHT)
		reason = "bad-blk-length";
	if (reason == NULL)
		reason = check_coinbase_form(k);
	if (reason == NULL)
		reason = check_transactions(k);
	return reason;
}

/* --- what depends on the blocks before (ContextualCheckBlock) -----------------------------------
 */

static const char *check_header(struct check *k)
{
	if (k->now != 0 && k->header.nbits != chain_next_nbits(k->chain))
		return "bad-diffbits";
	if (k->header.time <= chain_median_time(k->chain))
		return "time-too-old";
	if (k->now != 0 && k->header.time > (uint64_t)k->now + CHAIN_MAX_FUTURE)
		return "time-too-new";
	/* Compared as signed, BIP34, BIP66 and BIP65 being in force. */
	if ((int32_t)k->header.version < 4) {
		snprintf(k->out->text, sizeof(k->out->text), "bad-version(0x%08x)",
			 k->header.version);
		return k->out->text;
	}
	return NULL;
}

/* BIP113: lock times are compared with the median time. */
static bool is_final(const struct check *k, const struct tx *tx)
{
	uint64_t limit =
	    tx->lock_time < LOCK_TIME_IS_TIME ? k->chain->count : chain_median_time(k->chain);
	struct tx_input input;
	struct reader r;

	if (tx->lock_time == 0 || tx->lock_time < limit)
		return true;
	tx_inputs(tx, &r);
	for (uint32_t i = 0; i < tx->inputs && tx_next_input(&r, &input); i++)
		if (input.sequence != SEQUENCE_FINAL)
			return false;
	return true;
}

static const char *check_height(struct check *k)
{
	uint8_t expected[6];
	size_t size = bip34_push((uint32_t)k->chain->count, expected);
	struct tx_input in;

	(void)tx_is_coinbase(&k->txs[0], &in);
	if (in.script_size < size || memcmp(in.script, expected, size) != 0)
		return "bad-cb-height";
	return NULL;
}

/* The coinbase's witness: one item of 32 bytes, the reserved value. */
static const uint8_t *reserved_value(const struct tx *coinbase)
{
	const uint8_t *end = coinbase->data + coinbase->size - 4;
	const uint8_t *w = coinbase->witness_at;

	if (!coinbase->has_witness || end - w != 34 || w[0] != 1 || w[1] != 32)
		return NULL;
	return w + 2;
}

static const char *check_witness(struct check *k)
{
	const uint8_t *commitment = tx_witness_commitment(&k->txs[0]);
	const uint8_t *reserved = reserved_value(&k->txs[0]);
	uint8_t root[32];

	if (commitment == NULL) {
		for (size_t i = 0; i < k->count; i++)
			if (k->txs[i].has_witness)
				return "unexpected-witness";
		return NULL;
	}
	if (reserved == NULL)
		return "bad-witness-nonce-size";
	memset(k->ids[0], 0, 32);
	for (size_t i = 1; i < k->count; i++)
		tx_wtxid(&k->txs[i], k->ids[i]);
	merkle_root(k->ids, k->count, root);
	sha256d_pair(root, reserved, root);
	return memcmp(root, commitment, 32) == 0 ? NULL : "bad-witness-merkle-match";
}

static const char *check_in_context(struct check *k)
{
	const char *reason = k->place;

	if (reason == NULL)
		reason = check_header(k);
	for (size_t i = 0; i < k->count && reason == NULL; i++)
		if (!is_final(k, &k->txs[i]))
			reason = "bad-txns-nonfinal";
	if (reason == NULL)
		reason = check_height(k);
	if (reason == NULL)
		reason = check_witness(k);
	if (reason == NULL && k->weight > MAX_WEIGHT)
		reason = "bad-blk-weight";
	return reason;
}

/* --- what it spends (ConnectBlock) --------------------------------------------------------------
 */

/* In the chain or before it in the block. BEFORE counts from the first number that is not in the
 * chain, which keeps it small. */
static bool is_spendable(const struct check *k, const struct traffic_set *before, uint64_t number)
{
	const struct traffic_set *confirmed = &k->chain->confirmed;

	return traffic_set_has(confirmed, number) ||
	       (number >= confirmed->floor && traffic_set_has(before, number - confirmed->floor));
}

static int32_t spend(struct check *k, const struct tx *tx, struct traffic_set *before,
		     struct traffic_tx *t, const char **reason)
{
	*reason = "bad-txns-inputs-missingorspent";
	if (!traffic_identify(tx, t) || t->number >= k->chain->confirmed.next + CHAIN_MAX_AHEAD ||
	    is_spendable(k, before, t->number))
		return ADIT_OK;
	for (uint32_t i = 0; i < t->parents_count; i++)
		if (!is_spendable(k, before, t->parents[i]))
			return ADIT_OK;
	*reason = NULL;
	k->out->numbers[k->out->count++] = t->number;
	if (!traffic_set_add(before, t->number - k->chain->confirmed.floor))
		return ADIT_E_NO_MEMORY;
	return ADIT_OK;
}

static int32_t check_spending(struct check *k)
{
	uint64_t sigops = 4 * tx_sigops(&k->txs[0]);
	struct traffic_set before = {0};
	int32_t result = ADIT_OK;
	uint64_t reward = chain_subsidy((uint32_t)k->chain->count);
	uint64_t paid;
	struct traffic_tx t = {0};

	for (size_t i = 1; i < k->count && k->out->reason == NULL && result == ADIT_OK; i++) {
		result = spend(k, &k->txs[i], &before, &t, &k->out->reason);
		k->out->fees += t.fee;
		sigops += t.sigops;
	}
	traffic_set_free(&before);
	if (k->out->reason != NULL || result != ADIT_OK)
		return result;
	(void)check_outputs(&k->txs[0], &paid);
	if (sigops > MAX_SIGOPS)
		k->out->reason = "bad-blk-sigops";
	else if (paid > reward + k->out->fees)
		k->out->reason = "bad-cb-amount";
	return ADIT_OK;
}

static int32_t check(struct check *k, const uint8_t *block, size_t size)
{
	struct block_verdict *out = k->out;
	int32_t result;

	memset(out, 0, sizeof(*out));
	result = decode(k, block, size);
	if (result == ADIT_OK && out->reason == NULL) {
		sha256d_header(block, out->hash);
		out->time = k->header.time;
		out->nbits = k->header.nbits;
		out->reason = check_alone(k);
		if (out->reason == NULL)
			out->reason = check_in_context(k);
		if (out->reason == NULL)
			result = check_spending(k);
	}
	free(k->txs);
	free(k->ids);
	return result;
}

int32_t block_check(const struct chain *c, const uint8_t *block, size_t size, uint32_t now,
		    const char *place, struct block_verdict *out)
{
	struct check k = {.chain = c, .place = place, .now = now, .out = out};

	return check(&k, block, size);
}

int32_t block_check_unmined(const struct chain *c, const uint8_t *block, size_t size, uint32_t now,
			    const char *place, struct block_verdict *out)
{
	struct check k = {.chain = c, .place = place, .now = now, .unmined = true, .out = out};

	return check(&k, block, size);
}

void block_verdict_free(struct block_verdict *v)
{
	free(v->numbers);
	v->numbers = NULL;
	v->count = 0;
}
