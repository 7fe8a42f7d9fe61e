/* SPDX-License-Identifier: MIT */
/* events.h: what the pool publishes; nothing is built when nobody listens. adit-events(7). */
#ifndef POOL_EVENTS_H
#define POOL_EVENTS_H

#include "lib/mining/blocks.h"
#include "lib/mining/channels.h"
#include "lib/mining/templates.h"

struct pool;

/* MiningJobCreated: T went out to the channels. */
void events_job(struct pool *pool, const struct template *t);
/* MiningDifficultyChanged: T's tip asks for another difficulty than BEFORE, the one that was mined
 * on; said by the first worker alone. */
void events_difficulty(struct pool *pool, const struct tip *before, const struct template *t);
/* ShareSubmitted: an accepted share; called for one share a second at most.
 * WORKER found it, if it has a size (extension 0x0002). */
void events_share(const struct channel *channel, const struct job *job, const uint8_t hash[32],
		  const struct adit_bytes *worker);
/* BlockFound. */
void events_block(const struct channel *channel, const struct job *job, const uint8_t hash[32]);

#endif
