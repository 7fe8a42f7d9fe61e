/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/template.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/tx.h"

uint64_t tp_reserved_weight(uint32_t size)
{
	return TP_FIXED_WEIGHT + 4 * (uint64_t)size;
}

int64_t tp_fit(const struct tp_snapshot *s, uint64_t weight, uint32_t sigops, uint64_t *fees)
{
	uint64_t used_weight = weight + 4 * (uint64_t)s->demanded_size;
	uint64_t used_sigops = sigops;
	uint32_t n = 0;

	*fees = 0;
	if (used_weight > s->weight_limit || used_sigops > s->sigop_limit)
		return -1;
	for (; n < s->tx_count; n++) {
		const struct tp_tx *tx = &s->txs[n];

		used_weight += tx->weight;
		used_sigops += tx->sigops;
		if (used_weight > s->weight_limit || used_sigops > s->sigop_limit)
			break;
		*fees += tx->fee;
	}
	return n;
}

/* BIP141: the root over wtxids, the coinbase's being zeros. SCRATCH has room for tx_count + 1.
 * Wtxids are made here: the whole list, which is the rule, has the node's commitment. */
static void commitment(const struct tp_template *t, uint8_t (*scratch)[32], uint8_t script[38])
{
	const struct tp_snapshot *s = t->snapshot;
	uint8_t root[32];

	memset(scratch[0], 0, 32);
	for (uint32_t i = 0; i < t->tx_count; i++)
		sha256d(s->data + s->txs[i].offset, s->txs[i].size, scratch[i + 1]);
	merkle_root(scratch, (size_t)t->tx_count + 1, root);
	bip141_commitment(root, script);
}

/* Value 0, script length, script. The node's own commitment holds for the whole list only. */
static void write_output(struct tp_template *t, uint8_t (*scratch)[32])
{
	const struct tp_snapshot *s = t->snapshot;

	memset(t->output, 0, 8);
	t->output[8] = TP_COMMITMENT_SIZE;
	if (t->tx_count == s->tx_count && s->commitment_size == TP_COMMITMENT_SIZE)
		memcpy(t->output + 9, s->commitment, TP_COMMITMENT_SIZE);
	else
		commitment(t, scratch, t->output + 9);
}

static void write_path(struct tp_template *t, uint8_t (*scratch)[32])
{
	for (uint32_t i = 0; i < t->tx_count; i++)
		memcpy(scratch[i], t->snapshot->txs[i].txid, 32);
	t->depth = (uint32_t)merkle_path(scratch, t->tx_count, t->path);
}

/* Fees of what was dropped leave the reward with it. */
static void count_fees(struct tp_template *t)
{
	const struct tp_snapshot *s = t->snapshot;

	t->value = s->coinbase_value;
	for (uint32_t i = t->tx_count; i < s->tx_count; i++)
		t->value -= s->txs[i].fee;
}

int32_t tp_template_new(struct tp_snapshot *s, uint64_t weight, uint32_t sigops, uint64_t id,
			struct tp_template **out, struct error *e)
{
	uint64_t fees;
	int64_t kept = tp_fit(s, weight, sigops, &fees);
	struct tp_template *t;
	uint8_t(*scratch)[32];

	*out = NULL;
	if (kept < 0)
		return error_set(
		    e, ADIT_E_LIMIT,
		    "a coinbase of %llu weight units and %u signature operations fits no block",
		    (unsigned long long)weight, sigops);
	t = calloc(1, sizeof(*t));
	scratch = malloc(((size_t)kept + 1) * 32);
	if (t == NULL || scratch == NULL) {
		free(t);
		free(scratch);
		return error_set(e, ADIT_E_NO_MEMORY, "no memory for a template");
	}
	t->id = id;
	t->snapshot = tp_snapshot_ref(s);
	t->tx_count = (uint32_t)kept;
	t->fees = fees;
	t->prefix_size = (uint32_t)bip34_push(s->height, t->prefix);
	count_fees(t);
	write_output(t, scratch);
	write_path(t, scratch);
	free(scratch);
	*out = t;
	return ADIT_OK;
}

void tp_template_free(struct tp_template *t)
{
	if (t == NULL)
		return;
	tp_snapshot_unref(t->snapshot);
	free(t);
}

size_t tp_template_data_size(const struct tp_template *t)
{
	const struct tp_snapshot *s = t->snapshot;

	return t->tx_count < s->tx_count ? s->txs[t->tx_count].offset : s->data_size;
}
