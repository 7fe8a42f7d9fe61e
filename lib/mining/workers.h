/* SPDX-License-Identifier: MIT */
/*
 * workers.h: the workers behind extended channels, as extension 0x0002 names them in each share.
 * They are entries of one table of fixed size: a worker's first share takes a free one, with the
 * end of its channel it is free again. One channel gets a quarter of the table at most. Shares of
 * workers for whom there is no entry count for the channel as any share does, and are counted here
 * as unlisted.
 */
#ifndef MINING_WORKERS_H
#define MINING_WORKERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <adit/sv2.h>

#include "lib/mining/stats.h"

#define WORKER_NAME_MAX 32 /* bytes; the extension's bound */
#define WORKERS_CHANNEL_PART 4

struct channel;

struct worker {
	LIST_ENTRY(worker) in_bucket;
	LIST_ENTRY(worker) in_channel;
	const struct channel *channel; /* NULL: free */
	uint64_t accepted;
	uint64_t rejected;      /* stale ones among them */
	uint64_t last_share_ms; /* accepted, monotonic; 0: none yet */
	struct rate rate;
	char name[WORKER_NAME_MAX + 1]; /* printable UTF-8 */
};

LIST_HEAD(worker_list, worker);

struct workers {
	uint32_t max;
	uint32_t count;
	uint32_t seed;
	uint64_t unlisted;      /* shares */
	struct worker *entries; /* `max` of them, from the first use on */
	struct worker_list free;
	struct worker_list *buckets; /* `mask` + 1 */
	uint32_t mask;
};

/* Nothing is allocated before the first worker comes. */
void workers_init(struct workers *w, uint32_t max);
void workers_fini(struct workers *w);
/* A share of worker NAME on CHANNEL, with what became of it; HASHES as it counts if it was
 * accepted. */
void workers_share(struct workers *w, struct channel *channel, const struct adit_bytes *name,
		   enum share_result result, double hashes);
/* CHANNEL ends: its entries are free. */
void workers_release(struct workers *w, struct channel *channel);

#endif
