/* SPDX-License-Identifier: MIT */
/* limiter.h: a token bucket for each caller, so that no role can keep the node busy for all others.
 */
#ifndef NODE_LIMITER_H
#define NODE_LIMITER_H

#include <stdint.h>

/* Callers that are told apart at a time. Beyond, the one that has been silent longest is forgotten:
 * it begins anew with a full bucket. */
#define LIMITER_CALLERS 64
#define LIMITER_NAME 64 /* longer names are cut: they share a bucket */

struct limiter {
	uint32_t rate;  /* queries a second that are put into a bucket; 0: no limit */
	uint32_t burst; /* what a bucket holds */
	struct limiter_bucket {
		char caller[LIMITER_NAME]; /* empty: free */
		uint64_t at_ms;            /* monotonic; when MILLI was right */
		uint64_t milli;            /* thousandths of a query */
	} buckets[LIMITER_CALLERS];
};

void limiter_init(struct limiter *l, uint32_t rate, uint32_t burst);
/* Takes COUNT (at least 1, and no more than `burst` of it) from CALLER's bucket at NOW_MS. Returns
 * 0, or the milliseconds after which it would succeed. */
uint32_t limiter_take(struct limiter *l, const char *caller, uint32_t count, uint64_t now_ms);

#endif
