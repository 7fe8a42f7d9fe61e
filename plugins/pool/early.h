/* SPDX-License-Identifier: MIT */
/*
 * early.h: custom jobs for a tip that the pool does not have yet. A miner's node may hear of a
 * block before the pool's, at each block anew; such a job waits a little, one a channel.
 */
#ifndef POOL_EARLY_H
#define POOL_EARLY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <adit/sv2.h>

struct channel;
struct pool;

/* How long. Half of what a jdc waits for an answer by default: a refusal as stale is no fault to it,
 * no answer is. */
#define EARLY_MS 5000

struct early_job {
	TAILQ_ENTRY(early_job) link;
	struct channel *channel;
	uint64_t since_ms; /* monotonic */
	size_t size;
	struct adit_sv2_set_custom_mining_job m; /* borrows from `bytes` */
	uint8_t bytes[];
};

TAILQ_HEAD(early_jobs, early_job);

/* Whether M says to be for the block after the next one. */
bool early_is(const struct pool *pool, const struct adit_sv2_set_custom_mining_job *m);
/* Keeps M for CHANNEL. One that was kept before is refused as stale. False without memory, or when
 * all custom jobs hold too much. */
bool early_keep(struct channel *channel, const struct adit_sv2_set_custom_mining_job *m);
/* The tip is another one: they have their turn, and this was it. */
void early_new_tip(struct pool *pool);
/* Refuses those that have waited for EARLY_MS at NOW_MS. */
void early_tick(struct pool *pool, uint64_t now_ms);
/* CHANNEL, which is for custom jobs, goes. */
void early_forget(struct channel *channel);

#endif
