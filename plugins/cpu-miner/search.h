/* SPDX-License-Identifier: MIT */
/* search.h: walks through the header space of a job: nonces, then versions, then extranonces, and
 * time as it passes. A part of the nonces belongs to each thread, so the parts never meet. No
 * locks, no allocation, no clock of its own. */
#ifndef MINER_SEARCH_H
#define MINER_SEARCH_H

#include "lib/bitcoin/sha256.h"
#include "plugins/cpu-miner/job.h"

/* Bits that are rolled: what BIP320 gave and BIP323 kept, so that old and new servers agree. */
#define MINER_VERSION_MASK 0x1fffe000u
#define MINER_VERSION_SHIFT 13
#define MINER_VERSIONS 0x10000u

/* A header that meets the target of its job. */
struct miner_found {
	uint32_t nonce;
	uint32_t ntime;
	uint32_t version;
	uint8_t extranonce[MINER_EXTRANONCE_MAX]; /* the rolled part */
	uint32_t extranonce_size;
	uint8_t hash[32];
};

struct miner_search {
	const struct miner_job *job;
	uint64_t first; /* this part's nonces */
	uint64_t size;
	uint64_t offset; /* where in them the walk begins; it wraps around */
	uint64_t tried;  /* of them, with the present version, extranonce and time */
	uint32_t ntime;
	uint32_t version;
	uint32_t versions; /* tried with the present extranonce and time */
	uint8_t extranonce[MINER_EXTRANONCE_MAX];
	uint8_t header[80];
	struct sha256_midstate mid;
};

/* Part INDEX of PARTS (1..65536). SEED varies where the walk begins: version bits, extranonce and
 * nonce. All parts of a job are given the same. JOB is borrowed for as long as the search is used.
 */
void miner_search_init(struct miner_search *s, const struct miner_job *job, uint32_t index,
		       uint32_t parts, uint64_t seed);
/* Tries at most LIMIT headers and stops at the first that meets the target: *HIT, *FOUND. Returns
 * how many were tried; 0 when there is nothing left to try before the clock shows another second.
 */
uint32_t miner_search_run(struct miner_search *s, uint64_t now_us, uint32_t limit,
			  struct miner_found *found, bool *hit);

#endif
