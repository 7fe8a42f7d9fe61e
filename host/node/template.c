/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/template.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/hex.h"

/* Consensus: BIP141 weight and signature operation cost; a block's bytes can't exceed its weight.
 */
#define BLOCK_WEIGHT 4000000
#define BLOCK_SIGOPS 80000

struct node_template *template_new(void)
{
	struct node_template *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->sigop_limit = BLOCK_SIGOPS;
	t->weight_limit = BLOCK_WEIGHT;
	t->size_limit = BLOCK_WEIGHT;
	t->data.limit = BLOCK_WEIGHT;
	return t;
}

void template_free(struct node_template *t)
{
	if (t == NULL)
		return;
	free(t->txs);
	free(t->depends);
	buf_free(&t->data);
	free(t);
}

/* Doubles *CAPACITY elements of SIZE bytes when COUNT is reached; false without memory. */
static bool grow(void **array, size_t *capacity, size_t count, size_t size)
{
	size_t larger = *capacity > 0 ? *capacity * 2 : 64;
	void *p;

	if (count < *capacity)
		return true;
	p = reallocarray(*array, larger, size);
	if (p == NULL)
		return false;
	*array = p;
	*capacity = larger;
	return true;
}

struct template_tx *template_add(struct node_template *t, const uint8_t *raw, size_t size)
{
	struct template_tx *tx;

	if (t->tx_count >= TEMPLATE_MAX_TXS || size > BLOCK_WEIGHT ||
	    !grow((void **)&t->txs, &t->tx_capacity, t->tx_count, sizeof(*t->txs)))
		return NULL;
	if (raw != NULL && !buf_append(&t->data, raw, size))
		return NULL;
	tx = &t->txs[t->tx_count++];
	memset(tx, 0, sizeof(*tx));
	tx->size = (uint32_t)size;
	tx->first_depends = (uint32_t)t->depends_count;
	return tx;
}

bool template_add_depends(struct node_template *t, uint32_t position)
{
	if (position == 0 || position >= t->tx_count)
		return false;
	if (!grow((void **)&t->depends, &t->depends_capacity, t->depends_count,
		  sizeof(*t->depends)))
		return false;
	t->depends[t->depends_count++] = position;
	t->txs[t->tx_count - 1].depends_count++;
	return true;
}

bool template_commit(struct node_template *t)
{
	uint8_t(*leaves)[32] = calloc(t->tx_count + 1, sizeof(*leaves));
	uint8_t root[32];

	if (leaves == NULL)
		return false;
	/* BIP141: the coinbase's wtxid counts as zeros. */
	for (size_t i = 0; i < t->tx_count; i++)
		memcpy(leaves[i + 1], t->txs[i].wtxid, 32);
	merkle_root(leaves, t->tx_count + 1, root);
	free(leaves);
	bip141_commitment(root, t->commitment);
	t->commitment_size = 38;
	return true;
}

static bool same_txs(const struct node_template *a, const struct node_template *b)
{
	if (a->tx_count != b->tx_count || a->depends_count != b->depends_count)
		return false;
	for (size_t i = 0; i < a->tx_count; i++)
		if (memcmp(a->txs[i].wtxid, b->txs[i].wtxid, 32) != 0 ||
		    a->txs[i].fee != b->txs[i].fee)
			return false;
	return true;
}

bool template_same(const struct node_template *a, const struct node_template *b)
{
	return memcmp(a->prev_hash, b->prev_hash, 32) == 0 && a->height == b->height &&
	       a->version == b->version && a->nbits == b->nbits && a->mintime == b->mintime &&
	       a->coinbase_value == b->coinbase_value && a->fees == b->fees &&
	       a->commitment_size == b->commitment_size &&
	       memcmp(a->commitment, b->commitment, a->commitment_size) == 0 &&
	       a->sigop_limit == b->sigop_limit && a->weight_limit == b->weight_limit &&
	       a->size_limit == b->size_limit && same_txs(a, b);
}

static void tx_json(const struct node_template *t, const struct template_tx *tx, struct buf *out)
{
	char txid[65];
	char wtxid[65];

	hex_encode_reversed(tx->txid, 32, txid);
	hex_encode_reversed(tx->wtxid, 32, wtxid);
	buf_printf(out,
		   "{\"txid\":\"%s\",\"wtxid\":\"%s\",\"fee\":%" PRIu64
		   ",\"sigops\":%u,\"weight\":%u,\"size\":%u,\"depends\":[",
		   txid, wtxid, tx->fee, tx->sigops, tx->weight, tx->size);
	for (uint32_t i = 0; i < tx->depends_count; i++)
		buf_printf(out, "%s%u", i > 0 ? "," : "", t->depends[tx->first_depends + i]);
	buf_printf(out, "]}");
}

bool template_json(const struct node_template *t, struct buf *out)
{
	uint8_t target[32] = {0};
	char target_hex[65];
	char prev_hash[65];
	char commitment[2 * TEMPLATE_MAX_COMMITMENT + 1];

	(void)target_from_nbits(t->nbits, target);
	hex_encode_reversed(target, 32, target_hex);
	hex_encode_reversed(t->prev_hash, 32, prev_hash);
	hex_encode(t->commitment, t->commitment_size, commitment);
	buf_printf(out,
		   "{\"id\":%" PRIu64 ",\"prev_hash\":\"%s\",\"height\":%u,\"version\":%u"
		   ",\"bits\":\"%08x\",\"target\":\"%s\",\"curtime\":%u,\"mintime\":%u",
		   t->id, prev_hash, t->height, t->version, t->nbits, target_hex, t->curtime,
		   t->mintime);
	buf_printf(out,
		   ",\"coinbase_value\":%" PRIu64 ",\"fees\":%" PRIu64
		   ",\"default_witness_commitment\":\"%s\",\"sigop_limit\":%u"
		   ",\"weight_limit\":%u,\"size_limit\":%u,\"transactions\":[",
		   t->coinbase_value, t->fees, commitment, t->sigop_limit, t->weight_limit,
		   t->size_limit);
	for (size_t i = 0; i < t->tx_count; i++) {
		if (i > 0)
			buf_append_u8(out, ',');
		tx_json(t, &t->txs[i], out);
	}
	buf_printf(out, "]}");
	return !out->failed;
}

bool template_empty_json(const struct node_template *t, struct buf *out)
{
	struct node_template empty = *t;

	empty.coinbase_value -= t->fees;
	empty.fees = 0;
	empty.txs = NULL;
	empty.tx_count = 0;
	empty.depends = NULL;
	empty.depends_count = 0;
	empty.data = (struct buf){0};
	/* A node that gives none has no use for one. */
	return (t->commitment_size == 0 || template_commit(&empty)) && template_json(&empty, out);
}
