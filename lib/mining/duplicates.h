/* SPDX-License-Identifier: MIT */
/*
 * duplicates.h: which shares of the current tip were seen, in a table of fixed size.
 *
 * Nothing is ever forgotten before the tip changes: a full table says so and the share is refused.
 * Clearing is a step of the generation number. An entry is 48 bits of the header hash beside the 16
 * of the generation; its place comes from another 64 bits of the hash under a key of this process,
 * so that nobody outside can aim at one corner of the table.
 */
#ifndef MINING_DUPLICATES_H
#define MINING_DUPLICATES_H

#include <stddef.h>
#include <stdint.h>

struct duplicates {
	uint64_t *slots;
	size_t mask;  /* slots - 1, a power of two less one */
	size_t count; /* of this generation */
	size_t limit; /* three quarters of the slots */
	uint16_t generation;
	uint64_t key[2];
};

enum duplicates_result { DUPLICATES_NEW, DUPLICATES_SEEN, DUPLICATES_FULL };

/* As many slots as fit into BYTES, rounded down to a power of two (at least 1024). */
int32_t duplicates_init(struct duplicates *d, size_t bytes);
void duplicates_fini(struct duplicates *d);
/* The header hash will be looked for soon: begins to load its place. */
void duplicates_expect(const struct duplicates *d, const uint8_t hash[32]);
/* Looks for the header hash and remembers it. */
enum duplicates_result duplicates_add(struct duplicates *d, const uint8_t hash[32]);
/* The tip has changed. */
void duplicates_clear(struct duplicates *d);

#endif
