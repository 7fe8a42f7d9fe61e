/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/mempool.h"

#include <stdlib.h>
#include <string.h>

/* Left free for header, counts and coinbase, as bitcoind's -blockreservedweight does. */
#define RESERVED_WEIGHT 8000
#define RESERVED_SIGOPS 400

bool mempool_init(struct mempool *m, size_t limit)
{
	memset(m, 0, sizeof(*m));
	m->limit = limit;
	m->txs = calloc(limit > 0 ? limit : 1, sizeof(struct traffic_tx *));
	return m->txs != NULL;
}

void mempool_free(struct mempool *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->txs[i]);
	free(m->txs);
	memset(m, 0, sizeof(*m));
}

/* Where NUMBER is in `txs` or belongs: they are in order. */
static size_t lower_bound(const struct mempool *m, uint64_t number)
{
	size_t low = 0;
	size_t high = m->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->txs[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has(const struct mempool *m, uint64_t number)
{
	size_t at = lower_bound(m, number);

	return at < m->count && m->txs[at]->number == number;
}

/* Makes transaction NUMBER; there is room for it, and it is not there yet. */
static bool insert(struct mempool *m, uint64_t number)
{
	size_t at = lower_bound(m, number);
	struct traffic_tx *t = malloc(sizeof(*t));

	if (t == NULL)
		return false;
	traffic_make(number, t);
	memmove(m->txs + at + 1, m->txs + at, (m->count - at) * sizeof(struct traffic_tx *));
	m->txs[at] = t;
	m->count++;
	return true;
}

bool mempool_grow(struct mempool *m, const struct chain *chain)
{
	if (m->count == m->limit)
		return false;
	if (m->next < chain->confirmed.floor)
		m->next = chain->confirmed.floor;
	while (traffic_set_has(&chain->confirmed, m->next) || has(m, m->next))
		m->next++;
	if (!insert(m, m->next))
		return false;
	m->next++;
	return true;
}

/* NUMBER is to arrive once more. */
static void postpone(struct mempool *m, uint64_t number)
{
	if (number < m->next)
		m->next = number;
}

static void return_one(struct mempool *m, uint64_t number)
{
	if (m->count == m->limit) {
		struct traffic_tx *last = m->count > 0 ? m->txs[m->count - 1] : NULL;

		if (last == NULL || last->number < number) {
			postpone(m, number);
			return;
		}
		postpone(m, last->number);
		free(last);
		m->count--;
	}
	if (!insert(m, number))
		postpone(m, number);
}

void mempool_return(struct mempool *m, const struct chain *chain, const uint64_t *numbers,
		    size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!traffic_set_has(&chain->confirmed, numbers[i]) && !has(m, numbers[i]))
			return_one(m, numbers[i]);
}

void mempool_forget_confirmed(struct mempool *m, const struct chain *chain)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->count; i++) {
		if (traffic_set_has(&chain->confirmed, m->txs[i]->number))
			free(m->txs[i]);
		else
			m->txs[kept++] = m->txs[i];
	}
	m->count = kept;
}

/* Where NUMBER is in T, whose transactions are the first of ORDER: 1-based, 0 when it is not there.
 * Parents are close by, so the search goes backwards. */
static uint32_t position_of(const uint64_t *order, size_t count, uint64_t number)
{
	for (size_t i = count; i > 0; i--) {
		if (order[i - 1] == number)
			return (uint32_t)i;
		if (order[i - 1] < number)
			break;
	}
	return 0;
}

/* Positions of the parents that are not confirmed; false when one is missing. */
static bool parents_of(const struct traffic_tx *t, const struct chain *chain, const uint64_t *order,
		       size_t count, uint32_t positions[TRAFFIC_MAX_PARENTS])
{
	for (uint32_t i = 0; i < t->parents_count; i++) {
		positions[i] = position_of(order, count, t->parents[i]);
		if (positions[i] == 0 && !traffic_set_has(&chain->confirmed, t->parents[i]))
			return false;
	}
	return true;
}

static bool add_tx(struct node_template *out, const struct traffic_tx *t,
		   const uint32_t positions[TRAFFIC_MAX_PARENTS])
{
	struct template_tx *tx = template_add(out, t->data, t->size);

	if (tx == NULL)
		return false;
	memcpy(tx->txid, t->txid, 32);
	memcpy(tx->wtxid, t->wtxid, 32);
	tx->fee = t->fee;
	tx->sigops = t->sigops;
	tx->weight = t->weight;
	out->fees += t->fee;
	for (uint32_t i = 0; i < t->parents_count; i++)
		if (positions[i] > 0 && !template_add_depends(out, positions[i]))
			return false;
	return true;
}

static bool add_txs(const struct mempool *m, const struct chain *chain, struct node_template *out)
{
	uint64_t weight = RESERVED_WEIGHT;
	uint64_t sigops = RESERVED_SIGOPS;
	uint64_t *order = calloc(m->count + 1, sizeof(*order));
	bool ok = order != NULL;

	for (size_t i = 0; i < m->count && ok; i++) {
		const struct traffic_tx *t = m->txs[i];
		uint32_t positions[TRAFFIC_MAX_PARENTS];

		if (weight + t->weight > out->weight_limit ||
		    sigops + t->sigops > out->sigop_limit ||
		    !parents_of(t, chain, order, out->tx_count, positions))
			continue;
		ok = add_tx(out, t, positions);
		order[out->tx_count - 1] = t->number;
		weight += t->weight;
		sigops += t->sigops;
	}
	free(order);
	return ok;
}

struct node_template *mempool_template(const struct mempool *m, const struct chain *chain,
				       uint32_t now)
{
	struct node_template *t = template_new();
	const struct chain_block *tip = chain_tip(chain);

	if (t == NULL)
		return NULL;
	memcpy(t->prev_hash, tip->hash, 32);
	t->height = chain_height(chain) + 1;
	t->version = CHAIN_VERSION;
	t->nbits = chain_next_nbits(chain);
	t->mintime = chain_median_time(chain) + 1;
	t->curtime = now > t->mintime ? now : t->mintime;
	if (!add_txs(m, chain, t) || !template_commit(t)) {
		template_free(t);
		return NULL;
	}
	t->coinbase_value = chain_subsidy(t->height) + t->fees;
	return t;
}

static int by_wtxid(const void *a, const void *b)
{
	const struct traffic_tx *const *x = a;
	const struct traffic_tx *const *y = b;

	return memcmp((*x)->wtxid, (*y)->wtxid, 32);
}

static int compare_wtxid(const void *key, const void *entry)
{
	const struct traffic_tx *const *t = entry;

	return memcmp(key, (*t)->wtxid, 32);
}

bool mempool_find(const struct mempool *m, const uint8_t *wtxids, size_t count,
		  const struct traffic_tx **found)
{
	const struct traffic_tx **sorted =
	    calloc(m->count > 0 ? m->count : 1, sizeof(const struct traffic_tx *));

	if (sorted == NULL)
		return false;
	for (size_t i = 0; i < m->count; i++)
		sorted[i] = m->txs[i];
	qsort(sorted, m->count, sizeof(const struct traffic_tx *), by_wtxid);
	for (size_t i = 0; i < count; i++) {
		const struct traffic_tx **at =
		    bsearch(wtxids + 32 * i, sorted, m->count, sizeof(*sorted), compare_wtxid);

		found[i] = at != NULL ? *at : NULL;
	}
	free(sorted);
	return true;
}
