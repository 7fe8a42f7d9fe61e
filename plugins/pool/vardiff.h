/* SPDX-License-Identifier: MIT */
/*
 * vardiff.h: steers a channel to a number of shares a minute. It estimates the hash rate from the
 * work that the accepted shares of a window stand for, and proposes a change when the deviation is
 * more than chance explains (shares arrive as a Poisson process).
 */
#ifndef POOL_VARDIFF_H
#define POOL_VARDIFF_H

#include <stdbool.h>
#include <stdint.h>

struct vardiff {
	uint64_t since_ms; /* begin of the window, monotonic */
	double shares;     /* accepted in it */
	double hashes;     /* expected hashes behind them */
};

void vardiff_restart(struct vardiff *v, uint64_t now_ms);
/* One accepted share of a job whose target takes HASHES expected hashes. */
static inline void vardiff_share(struct vardiff *v, double hashes)
{
	v->shares++;
	v->hashes += hashes;
}
/* True when the target should change: *HASHRATE is the new estimate in hashes a second, and a new
 * window begins. TARGET_HASHES is what a share takes at the present target. */
bool vardiff_check(struct vardiff *v, uint64_t now_ms, double shares_per_minute,
		   double target_hashes, double *hashrate);

#endif
