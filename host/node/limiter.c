/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/limiter.h"

#include <stdio.h>
#include <string.h>

#define MILLI 1000u

void limiter_init(struct limiter *l, uint32_t rate, uint32_t burst)
{
	memset(l, 0, sizeof(*l));
	l->rate = rate;
	l->burst = burst > 0 ? burst : 1;
}

/* CALLER's bucket; a new one takes a free place, else that of who was silent longest. */
static struct limiter_bucket *bucket_of(struct limiter *l, const char *caller, uint64_t now_ms)
{
	struct limiter_bucket *oldest = &l->buckets[0];

	for (size_t i = 0; i < LIMITER_CALLERS; i++) {
		struct limiter_bucket *b = &l->buckets[i];

		if (b->caller[0] != '\0' && strncmp(b->caller, caller, LIMITER_NAME - 1) == 0)
			return b;
		if (oldest->caller[0] != '\0' && (b->caller[0] == '\0' || b->at_ms < oldest->at_ms))
			oldest = b;
	}
	snprintf(oldest->caller, sizeof(oldest->caller), "%s", *caller != '\0' ? caller : "?");
	oldest->at_ms = now_ms;
	oldest->milli = (uint64_t)l->burst * MILLI;
	return oldest;
}

uint32_t limiter_take(struct limiter *l, const char *caller, uint32_t count, uint64_t now_ms)
{
	uint64_t full = (uint64_t)l->burst * MILLI;
	uint64_t wanted = (uint64_t)(count < l->burst ? count : l->burst) * MILLI;
	struct limiter_bucket *b;
	uint64_t wait;

	if (l->rate == 0)
		return 0;
	b = bucket_of(l, caller, now_ms);
	/* A query a second is a thousandth of one a millisecond. A long silence fills it, and must
	 * not overflow the product. */
	if (now_ms - b->at_ms > full / l->rate)
		b->milli = full;
	else
		b->milli += (now_ms - b->at_ms) * l->rate;
	if (b->milli > full)
		b->milli = full;
	b->at_ms = now_ms;
	if (b->milli >= wanted) {
		b->milli -= wanted;
		return 0;
	}
	wait = (wanted - b->milli + l->rate - 1) / l->rate;
	return wait < UINT32_MAX ? (uint32_t)wait : UINT32_MAX;
}
