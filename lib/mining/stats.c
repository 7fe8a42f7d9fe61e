/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/stats.h"

#include <math.h>

#define RATE_TAU_MS 300000.0

const char *share_result_code(enum share_result result)
{
	static const char *const codes[SHARE_RESULTS] = {
	    [SHARE_ACCEPTED] = "",
	    [SHARE_BLOCK] = "",
	    [SHARE_INVALID_CHANNEL] = "invalid-channel-id",
	    [SHARE_STALE] = "stale-share",
	    [SHARE_INVALID_JOB] = "invalid-job-id",
	    [SHARE_BAD_EXTRANONCE] = "bad-extranonce-size",
	    [SHARE_INVALID] = "invalid-share",
	    [SHARE_ROLLING_NOT_ALLOWED] = "version-rolling-not-allowed",
	    [SHARE_ROLLED_TOO_MUCH] = "invalid-non-rollable-version-bit",
	    [SHARE_DUPLICATE] = "duplicate-share",
	    [SHARE_TABLE_FULL] = "too-many-shares",
	    [SHARE_TOO_EASY] = "difficulty-too-low",
	    [SHARE_TOO_FAST] = "share-rate-exceeded",
	    [SHARE_OVERLOAD] = "pool-overloaded",
	};

	return codes[result];
}

void rate_start(struct rate *r, uint64_t now_ms)
{
	*r = (struct rate){.since_ms = now_ms, .updated_ms = now_ms};
}

static double decay(uint64_t ms)
{
	return exp(-(double)ms / RATE_TAU_MS);
}

void rate_add(struct rate *r, uint64_t now_ms, double hashes)
{
	r->value = r->value * decay(now_ms - r->updated_ms) + hashes * 1000.0 / RATE_TAU_MS;
	r->updated_ms = now_ms;
}

double rate_get(const struct rate *r, uint64_t now_ms)
{
	double seen;

	if (now_ms <= r->since_ms)
		return 0;
	/* A mean over a past of which the part before the start is missing. */
	seen = 1.0 - decay(now_ms - r->since_ms);
	return r->value * decay(now_ms - r->updated_ms) / seen;
}

void stats_refused(struct mining_stats *all, struct channel_stats *channel,
		   enum share_result result)
{
	all->results[result]++;
	if (channel)
		channel->reasons[result]++;
	if (result == SHARE_STALE) {
		all->stale++;
		if (channel)
			channel->stale++;
	} else if (channel) {
		channel->rejected++;
	}
}
