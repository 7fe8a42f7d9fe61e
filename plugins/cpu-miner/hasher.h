/* SPDX-License-Identifier: MIT */
/* hasher.h: the hashing threads, the one place of the project with threads beside an event loop.
 * The loop hands them a job through a slot under a lock; they hand back what they find through a
 * bounded queue and make a descriptor readable. All functions are for the loop's thread and return
 * without waiting, miner_hasher_free() apart, which joins the threads (milliseconds). */
#ifndef MINER_HASHER_H
#define MINER_HASHER_H

#include <stdint.h>

#include "lib/util/error.h"
#include "plugins/cpu-miner/search.h"

#define MINER_MAX_THREADS 256

struct miner_hasher;

struct miner_result {
	struct miner_job *job; /* a reference: the taker gives it back */
	struct miner_found found;
};

/* RATE: hashes a second of all THREADS together, 0 for no limit. NULL with E filled: the system
 * gives no more threads or descriptors. */
struct miner_hasher *miner_hasher_new(uint32_t threads, uint64_t rate, struct error *e);
void miner_hasher_free(struct miner_hasher *h); /* NULL is fine */

/* What to hash from now on; NULL: nothing. Takes a reference of its own. The threads leave the old
 * job within milliseconds; what they find in that time still comes. SEED as for
 * miner_search_init(). */
void miner_hasher_set_job(struct miner_hasher *h, struct miner_job *job, uint64_t seed);
/* Readable when there are results. miner_hasher_take() makes it quiet when it says there are none
 * left. */
int miner_hasher_fd(const struct miner_hasher *h);
/* False when there is none. While nobody takes, the threads stop at 64. */
bool miner_hasher_take(struct miner_hasher *h, struct miner_result *out);
/* Hashes tried since the start. */
uint64_t miner_hasher_hashes(const struct miner_hasher *h);

/* Hashes a second of one thread, from a run of some milliseconds. */
double miner_hasher_measure(void);

#endif
