/* SPDX-License-Identifier: MIT */
/*
 * payouts.h: who the pool's reward goes to at present, and what happens when that changes: at a
 * reload, and after each found block when a descriptor of `payout` is ranged. All channels get a
 * new job then; jobs that are out already pay as they were made.
 */
#ifndef POOL_PAYOUTS_H
#define POOL_PAYOUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/util/error.h"

struct channel;
struct coinbase;
struct pool;
struct pool_config;

/* At init, after settings_read() and mining_init(): indexes, outputs and the constraints for
 * template providers. */
int32_t payouts_init(struct pool *pool, struct error *e);
void payouts_fini(struct pool *pool);
/* Whether CONFIG's outputs stay within what template providers were told. If not, templates on
 * their way could leave too little room in the block, and the pool has to start anew. */
int32_t payouts_check(struct pool *pool, const struct pool_config *config, struct error *e);
/* The configuration has been replaced (BEFORE is the old one): channels are put into the class that
 * their identity now says and told of their group, or closed when it is not admitted any more. */
void payouts_reload(struct pool *pool, const struct pool_config *before);
/* A block that pays COINBASE was found: the ranged descriptors in it step on, a moment later. */
void payouts_block(struct pool *pool, const struct coinbase *c);
/* Each second: what another worker has stepped on, or could not be done before. */
void payouts_tick(struct pool *pool);

#endif
