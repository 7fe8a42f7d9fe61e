/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/duplicates.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include <adit/error.h>

#include "lib/util/random.h"

#define GENERATION_BITS 16
#define GENERATION_MASK ((UINT64_C(1) << GENERATION_BITS) - 1)

/* Every share looks at another place of the table: with large pages, where the system has them to
 * give, that costs a third of what it does with small ones, whose addresses are forgotten between
 * two looks. */
static uint64_t *table_make(size_t bytes)
{
	void *table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (table == MAP_FAILED)
		return NULL;
#ifdef MADV_HUGEPAGE
	(void)madvise(table, bytes, MADV_HUGEPAGE);
#endif
	return table;
}

int32_t duplicates_init(struct duplicates *d, size_t bytes)
{
	size_t slots = 1024;

	while (slots * 2 * sizeof(uint64_t) <= bytes)
		slots *= 2;
	*d = (struct duplicates){.mask = slots - 1, .limit = slots / 4 * 3, .generation = 1};
	random_bytes(d->key, sizeof d->key);
	d->key[1] |= 1; /* an odd factor keeps multiplication a permutation */
	d->slots = table_make(slots * sizeof *d->slots);
	return d->slots ? ADIT_OK : ADIT_E_NO_MEMORY;
}

void duplicates_fini(struct duplicates *d)
{
	if (d->slots)
		(void)munmap(d->slots, (d->mask + 1) * sizeof *d->slots);
	d->slots = NULL;
}

static uint64_t load_u64(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof value);
	return value;
}

static size_t first_slot(const struct duplicates *d, const uint8_t hash[32])
{
	uint64_t mixed = (load_u64(hash + 8) ^ d->key[0]) * d->key[1];

	return (size_t)(mixed >> 24) & d->mask;
}

void duplicates_expect(const struct duplicates *d, const uint8_t hash[32])
{
	__builtin_prefetch(&d->slots[first_slot(d, hash)], 1);
}

enum duplicates_result duplicates_add(struct duplicates *d, const uint8_t hash[32])
{
	uint64_t entry = (load_u64(hash) & ~GENERATION_MASK) | d->generation;

	/* Linear probing: nothing is removed inside a generation, so the first slot of another
	 * generation ends the chain. A quarter of the slots stays free, so the loop ends. */
	for (size_t i = first_slot(d, hash);; i = (i + 1) & d->mask) {
		if (d->slots[i] == entry)
			return DUPLICATES_SEEN;
		if ((d->slots[i] & GENERATION_MASK) == d->generation)
			continue;
		if (d->count >= d->limit)
			return DUPLICATES_FULL;
		d->slots[i] = entry;
		d->count++;
		return DUPLICATES_NEW;
	}
}

void duplicates_clear(struct duplicates *d)
{
	d->count = 0;
	if (++d->generation == 0) {
		memset(d->slots, 0, (d->mask + 1) * sizeof *d->slots);
		d->generation = 1;
	}
}
