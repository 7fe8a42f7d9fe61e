/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jds/txs.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/tx.h"
#include "lib/util/random.h"

#define BUCKETS_FIRST 1024
#define TX_SIZE_MAX 4000000 /* consensus: a block's weight */

bool txs_init(struct txs *t)
{
	*t = (struct txs){.mask = BUCKETS_FIRST - 1};
	t->buckets = calloc(BUCKETS_FIRST, sizeof(struct jds_tx *));
	random_bytes(&t->seed, sizeof(t->seed));
	t->seed |= 1;
	return t->buckets != NULL;
}

void txs_fini(struct txs *t)
{
	free(t->buckets);
	*t = (struct txs){0};
}

/* The seed keeps others from choosing wtxids that all fall into one bucket. */
static struct jds_tx **bucket(const struct txs *t, const uint8_t wtxid[32])
{
	uint64_t key;

	memcpy(&key, wtxid, sizeof(key));
	key *= t->seed;
	return &t->buckets[(key ^ key >> 32) & t->mask];
}

static void grow(struct txs *t)
{
	struct txs larger = *t;

	if (t->count <= t->mask)
		return;
	larger.mask = t->mask * 2 + 1;
	larger.buckets = calloc(larger.mask + 1, sizeof(struct jds_tx *));
	if (larger.buckets == NULL)
		return; /* slower, but it works */
	for (size_t i = 0; i <= t->mask; i++) {
		struct jds_tx *tx;

		while ((tx = t->buckets[i]) != NULL) {
			struct jds_tx **at = bucket(&larger, tx->wtxid);

			t->buckets[i] = tx->next;
			tx->next = *at;
			*at = tx;
		}
	}
	free(t->buckets);
	*t = larger;
}

struct jds_tx *txs_find(struct txs *t, const uint8_t wtxid[32])
{
	struct jds_tx *tx = *bucket(t, wtxid);

	while (tx != NULL && memcmp(tx->wtxid, wtxid, 32) != 0)
		tx = tx->next;
	if (tx != NULL)
		tx->refs++;
	return tx;
}

struct jds_tx *txs_add(struct txs *t, const uint8_t wtxid[32], const uint8_t *data, size_t size)
{
	struct jds_tx *made = txs_find(t, wtxid);
	struct tx_input first;
	struct jds_tx **at;
	struct reader r;
	uint8_t own[32];
	struct tx tx;

	if (made != NULL)
		return made;
	reader_init(&r, data, size);
	if (size > TX_SIZE_MAX || !tx_parse(&r, &tx) || reader_left(&r) != 0 ||
	    tx_is_coinbase(&tx, &first))
		return NULL;
	tx_wtxid(&tx, own);
	if (memcmp(own, wtxid, 32) != 0)
		return NULL;
	made = malloc(sizeof(*made) + size);
	if (made == NULL)
		return NULL;
	*made = (struct jds_tx){.refs = 1, .size = (uint32_t)size};
	made->weight = (uint32_t)tx_weight(&tx);
	made->sigops = (uint32_t)tx_sigops(&tx) * 4;
	tx_txid(&tx, made->txid);
	memcpy(made->wtxid, wtxid, 32);
	memcpy(made->data, data, size);
	grow(t);
	at = bucket(t, wtxid);
	made->next = *at;
	*at = made;
	t->count++;
	t->bytes += sizeof(*made) + size;
	return made;
}

void txs_unref(struct txs *t, struct jds_tx *tx)
{
	struct jds_tx **at;

	if (tx == NULL || --tx->refs > 0)
		return;
	at = bucket(t, tx->wtxid);
	while (*at != tx)
		at = &(*at)->next;
	*at = tx->next;
	t->count--;
	t->bytes -= sizeof(*tx) + tx->size;
	free(tx);
}
