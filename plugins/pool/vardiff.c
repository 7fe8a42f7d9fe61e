/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/vardiff.h"

#include <math.h>

#define WINDOW_MIN_S 30.0  /* no quiet decision before */
#define WINDOW_MAX_S 300.0 /* then also a small deviation counts */
#define FLOOD_SHARES 32.0  /* so many, four times too fast: decide at once */
#define FLOOD_FACTOR 4.0
#define SIGMAS 2.5
#define SMALL_DEVIATION 0.15
#define STEP_UP_MAX 16.0 /* of the hash rate, in one decision */
#define STEP_DOWN_MAX 4.0

void vardiff_restart(struct vardiff *v, uint64_t now_ms)
{
	v->since_ms = now_ms;
	v->shares = 0;
	v->hashes = 0;
}

static bool deviates(const struct vardiff *v, double seconds, double expected)
{
	double deviation = fabs(v->shares - expected);

	if (v->shares >= FLOOD_SHARES && v->shares > FLOOD_FACTOR * expected)
		return true;
	if (seconds < WINDOW_MIN_S)
		return false;
	if (deviation > SIGMAS * sqrt(fmax(expected, 1.0)))
		return true;
	return seconds >= WINDOW_MAX_S && deviation > SMALL_DEVIATION * expected &&
	       deviation > sqrt(expected);
}

bool vardiff_check(struct vardiff *v, uint64_t now_ms, double shares_per_minute,
		   double target_hashes, double *hashrate)
{
	double seconds = fmax((double)(now_ms - v->since_ms) / 1000.0, 0.05);
	double expected = shares_per_minute * seconds / 60.0;
	double present = target_hashes * shares_per_minute / 60.0;

	if (now_ms < v->since_ms || !deviates(v, seconds, expected)) {
		if (now_ms < v->since_ms || seconds >= WINDOW_MAX_S)
			vardiff_restart(v, now_ms);
		return false;
	}
	*hashrate = v->hashes / seconds;
	*hashrate = fmin(*hashrate, present * STEP_UP_MAX);
	*hashrate = fmax(*hashrate, present / STEP_DOWN_MAX);
	vardiff_restart(v, now_ms);
	return true;
}
