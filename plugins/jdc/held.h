/* SPDX-License-Identifier: MIT */
/* held.h: shares that were found before the pool knew their job. Bounded: the oldest make way. */
#ifndef JDC_HELD_H
#define JDC_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/sv2.h>

#define HELD_WORKER_MAX 32

struct held_share {
	uint64_t work; /* its id */
	uint32_t nonce;
	uint32_t ntime;
	uint32_t version;
	uint8_t extranonce_size;
	uint8_t worker_size;
	bool block; /* good for the network, whatever the pool's target */
	uint8_t extranonce[32];
	uint8_t worker[HELD_WORKER_MAX];
	uint8_t hash[32];
};

struct held {
	struct held_share *items; /* a ring */
	uint32_t capacity;
	uint32_t first;
	uint32_t count;
};

/* For CAPACITY shares, which may be 0. False: no memory. */
bool held_init(struct held *h, uint32_t capacity);
void held_fini(struct held *h);
/* Where the next share goes; NULL: none is held. *DROPPED is increased when another one made way
 * for it, or there is no room at all. */
struct held_share *held_add(struct held *h, uint64_t *dropped);
/* Calls FN, unless it is NULL, for each share of WORK in the order in which they came, and forgets
 * them. Returns how many there were. */
uint32_t held_take(struct held *h, uint64_t work,
		   void (*fn)(void *context, const struct held_share *s), void *context);
void held_clear(struct held *h);
/* Forgets all but blocks; of WORK, or of all works when that is 0. Returns how many. */
uint32_t held_keep_blocks(struct held *h, uint64_t work);

#endif
