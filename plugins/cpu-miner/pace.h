/* SPDX-License-Identifier: MIT */
/* pace.h: holds one hashing thread to a rate. Work is cut into slices that take about a hundredth
 * of a second at that rate, so that the CPU load is even and not one burst a second. */
#ifndef MINER_PACE_H
#define MINER_PACE_H

#include <stdint.h>

struct miner_pace {
	uint64_t rate;   /* hashes a second, 0: no limit */
	uint64_t due_ns; /* when the next slice may begin */
};

/* Hashes of the next slice: never so many that a new job would wait for milliseconds. */
uint32_t miner_pace_slice(const struct miner_pace *p);
/* TRIED hashes were done, it is NOW_NS. Returns how long to rest, in ns. Time that was lost is not
 * caught up. */
uint64_t miner_pace_rest(struct miner_pace *p, uint32_t tried, uint64_t now_ns);

#endif
