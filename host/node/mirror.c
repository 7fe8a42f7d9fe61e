/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/mirror.h"

#include <stdlib.h>
#include <string.h>

#include "lib/util/random.h"

#define FIRST_SLOTS 1024

void mirror_init(struct mirror *m, size_t limit)
{
	memset(m, 0, sizeof(*m));
	m->limit = limit < UINT32_MAX / 2 ? limit : UINT32_MAX / 2;
	random_bytes(m->key, sizeof(m->key));
}

void mirror_clear(struct mirror *m)
{
	size_t limit = m->limit;

	free(m->entries);
	free(m->by_txid);
	free(m->by_wtxid);
	mirror_init(m, limit);
}

/* --- tables -------------------------------------------------------------------------------------
 */

/* Ids can be ground to have chosen bits in common, so the place depends on a key that nobody knows.
 */
static size_t slot_of(const struct mirror *m, const uint8_t id[32])
{
	uint64_t a;
	uint64_t b;
	uint64_t h;

	memcpy(&a, id, 8);
	memcpy(&b, id + 8, 8);
	h = (a ^ m->key[0]) * (m->key[1] | 1);
	h = (h ^ h >> 32 ^ b) * (m->key[0] | 1);
	return (size_t)(h >> 32 ^ h) & (m->slots - 1);
}

static const uint8_t *id_of(const struct mirror_entry *e, bool wtxid)
{
	return wtxid ? e->wtxid : e->txid;
}

/* Where ID is in TABLE, or the empty place where it would go. */
static size_t probe(const struct mirror *m, const uint32_t *table, const uint8_t id[32], bool wtxid)
{
	size_t at = slot_of(m, id);

	while (table[at] != 0 && memcmp(id_of(&m->entries[table[at] - 1], wtxid), id, 32) != 0)
		at = (at + 1) & (m->slots - 1);
	return at;
}

/* Takes the place AT out; what was pushed on past it moves up. */
static void unlink_slot(struct mirror *m, uint32_t *table, size_t at, bool wtxid)
{
	size_t hole = at;
	size_t mask = m->slots - 1;

	table[hole] = 0;
	for (size_t i = (hole + 1) & mask; table[i] != 0; i = (i + 1) & mask) {
		size_t home = slot_of(m, id_of(&m->entries[table[i] - 1], wtxid));

		/* It may move when its home is not between hole (exclusive) and here. */
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			table[hole] = table[i];
			table[i] = 0;
			hole = i;
		}
	}
}

static bool rehash(struct mirror *m, size_t slots)
{
	uint32_t *by_txid = calloc(slots, sizeof(*by_txid));
	uint32_t *by_wtxid = calloc(slots, sizeof(*by_wtxid));

	if (by_txid == NULL || by_wtxid == NULL) {
		free(by_txid);
		free(by_wtxid);
		return false;
	}
	free(m->by_txid);
	free(m->by_wtxid);
	m->by_txid = by_txid;
	m->by_wtxid = by_wtxid;
	m->slots = slots;
	for (size_t i = 0; i < m->high; i++) {
		struct mirror_entry *e = &m->entries[i];

		if (!e->used)
			continue;
		by_txid[probe(m, by_txid, e->txid, false)] = (uint32_t)i + 1;
		if (e->resolved)
			by_wtxid[probe(m, by_wtxid, e->wtxid, true)] = (uint32_t)i + 1;
	}
	return true;
}

/* --- entries ------------------------------------------------------------------------------------
 */

static bool grow(struct mirror *m, size_t capacity)
{
	struct mirror_entry *entries = realloc(m->entries, capacity * sizeof(*entries));

	if (entries == NULL)
		return false;
	m->entries = entries;
	m->capacity = capacity;
	return true;
}

void mirror_reserve(struct mirror *m, size_t count)
{
	size_t slots = m->slots > 0 ? m->slots : FIRST_SLOTS;

	if (count > m->limit)
		count = m->limit;
	while (slots < 2 * count)
		slots *= 2;
	if (slots > m->slots)
		(void)rehash(m, slots);
	if (count > m->capacity)
		(void)grow(m, count);
}

static struct mirror_entry *take_entry(struct mirror *m)
{
	struct mirror_entry *e;

	if (m->free != 0) {
		e = &m->entries[m->free - 1];
		m->free = e->next;
	} else {
		if (m->high == m->capacity &&
		    !grow(m, m->capacity > 0 ? 2 * m->capacity : FIRST_SLOTS / 2))
			return NULL;
		e = &m->entries[m->high++];
	}
	memset(e, 0, sizeof(*e));
	return e;
}

void mirror_list_begin(struct mirror *m)
{
	m->list++;
	m->end_at = 0;
	m->left_out = 0;
}

bool mirror_list_add(struct mirror *m, const uint8_t txid[32], struct mirror_entry **entry)
{
	struct mirror_entry *e = mirror_find(m, txid);

	if (e != NULL) {
		e->list = m->list;
		return false;
	}
	/* At most half of the places are taken, so that probes are short. */
	if (m->count == m->limit ||
	    (2 * (m->count + 1) > m->slots &&
	     !rehash(m, m->slots > 0 ? 2 * m->slots : FIRST_SLOTS)) ||
	    (e = take_entry(m)) == NULL) {
		m->left_out++;
		return false;
	}
	memcpy(e->txid, txid, 32);
	e->used = true;
	e->list = m->list;
	m->by_txid[probe(m, m->by_txid, txid, false)] = (uint32_t)(e - m->entries) + 1;
	m->count++;
	m->unresolved++;
	*entry = e;
	return true;
}

bool mirror_list_end(struct mirror *m, size_t many,
		     void (*fn)(void *user, const struct mirror_entry *entry), void *user)
{
	for (; m->end_at < m->high && many > 0; m->end_at++, many--) {
		struct mirror_entry *e = &m->entries[m->end_at];

		if (!e->used || e->list == m->list)
			continue;
		fn(user, e);
		mirror_remove(m, e);
	}
	return m->end_at == m->high;
}

struct mirror_entry *mirror_find(struct mirror *m, const uint8_t txid[32])
{
	uint32_t at = m->slots > 0 ? m->by_txid[probe(m, m->by_txid, txid, false)] : 0;

	return at != 0 ? &m->entries[at - 1] : NULL;
}

struct mirror_entry *mirror_find_wtxid(struct mirror *m, const uint8_t wtxid[32])
{
	uint32_t at = m->slots > 0 ? m->by_wtxid[probe(m, m->by_wtxid, wtxid, true)] : 0;

	return at != 0 ? &m->entries[at - 1] : NULL;
}

void mirror_resolve(struct mirror *m, struct mirror_entry *entry, const uint8_t wtxid[32])
{
	size_t at;

	if (entry->resolved)
		return;
	memcpy(entry->wtxid, wtxid, 32);
	entry->resolved = true;
	m->unresolved--;
	at = probe(m, m->by_wtxid, wtxid, true);
	/* Two transactions with one wtxid: a node does not have them, and the first stays. */
	if (m->by_wtxid[at] == 0)
		m->by_wtxid[at] = (uint32_t)(entry - m->entries) + 1;
}

void mirror_remove(struct mirror *m, struct mirror_entry *entry)
{
	uint32_t number = (uint32_t)(entry - m->entries) + 1;
	size_t at = probe(m, m->by_txid, entry->txid, false);

	unlink_slot(m, m->by_txid, at, false);
	if (entry->resolved) {
		at = probe(m, m->by_wtxid, entry->wtxid, true);
		if (m->by_wtxid[at] == number)
			unlink_slot(m, m->by_wtxid, at, true);
	} else {
		m->unresolved--;
	}
	m->count--;
	entry->used = false;
	entry->next = m->free;
	m->free = number;
}

struct mirror_entry *mirror_next_unresolved(struct mirror *m)
{
	if (m->unresolved == 0)
		return NULL;
	for (size_t i = 0; i < m->high; i++) {
		struct mirror_entry *e;

		if (m->cursor >= m->high)
			m->cursor = 0;
		e = &m->entries[m->cursor++];
		if (e->used && !e->resolved)
			return e;
	}
	return NULL;
}
