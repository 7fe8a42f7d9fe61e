/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/capnp/table.h"

#include <stdlib.h>
#include <string.h>

void capn_table_free(struct capn_table *t)
{
	free(t->entries);
	*t = (struct capn_table){NULL, 0, 0};
}

/* The first entry whose id is not below ID. */
static uint32_t find(const struct capn_table *t, uint32_t id)
{
	uint32_t low = 0;
	uint32_t high = t->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (t->entries[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void *capn_table_get(const struct capn_table *t, uint32_t id)
{
	uint32_t at = find(t, id);
	return at < t->count && t->entries[at].id == id ? t->entries[at].value : NULL;
}

bool capn_table_put(struct capn_table *t, uint32_t id, void *value, uint32_t max)
{
	uint32_t at = find(t, id);
	if (t->count >= max || (at < t->count && t->entries[at].id == id))
		return false;
	if (t->count == t->capacity) {
		uint32_t capacity = t->capacity > 0 ? t->capacity * 2 : 8;
		struct capn_entry *entries = realloc(t->entries, capacity * sizeof(*entries));
		if (entries == NULL)
			return false;
		t->entries = entries;
		t->capacity = capacity;
	}
	memmove(&t->entries[at + 1], &t->entries[at], (t->count - at) * sizeof(*t->entries));
	t->entries[at] = (struct capn_entry){id, value};
	t->count++;
	return true;
}

void *capn_table_remove(struct capn_table *t, uint32_t id)
{
	uint32_t at = find(t, id);
	if (at == t->count || t->entries[at].id != id)
		return NULL;
	void *value = t->entries[at].value;
	t->count--;
	memmove(&t->entries[at], &t->entries[at + 1], (t->count - at) * sizeof(*t->entries));
	return value;
}

uint32_t capn_table_unused(const struct capn_table *t)
{
	/* Ids ascend and differ: as long as none is missing entry i has id i. */
	uint32_t low = 0;
	uint32_t high = t->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (t->entries[middle].id > middle)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}
