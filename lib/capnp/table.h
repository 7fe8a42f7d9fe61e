/* SPDX-License-Identifier: MIT */
/* table.h: a bounded map from 32-bit ids to pointers, which it does not own. Zero-initialised is
 * empty. Ids of our own are taken from the lowest free one, so they stay small. */
#ifndef CAPNP_TABLE_H
#define CAPNP_TABLE_H

#include <stdbool.h>
#include <stdint.h>

struct capn_entry {
	uint32_t id;
	void *value;
};

struct capn_table {
	struct capn_entry *entries; /* by id, ascending */
	uint32_t count;
	uint32_t capacity;
};

void capn_table_free(struct capn_table *t);
/* NULL: no such id. */
void *capn_table_get(const struct capn_table *t, uint32_t id);
/* False: ID is taken, MAX entries are there, or no memory. */
bool capn_table_put(struct capn_table *t, uint32_t id, void *value, uint32_t max);
/* The entry's value; NULL: no such id. */
void *capn_table_remove(struct capn_table *t, uint32_t id);
/* The lowest id that is not taken. */
uint32_t capn_table_unused(const struct capn_table *t);

#endif
