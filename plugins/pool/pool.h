/* SPDX-License-Identifier: MIT */
/*
 * pool.h: one instance of the role `pool`: the engine for miners (lib/mining/) and what makes it a
 * pool.
 *
 *   pool.c       life cycle;  hooks.c  what the engine asks and tells
 *   identity.c   who a miner is and who is paid for its blocks
 *   payouts.c    the present payout and its changes;  indexes.c  those of ranged descriptors
 *   custom.c     jobs that miners composed themselves;  early.c  those that wait for the tip
 *   events.c     what is published
 *   status.c     what administrators see;  manage.c  what they ask
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/mining/engine.h"
#include "lib/mining/payout.h"
#include "plugins/pool/custom.h"
#include "plugins/pool/indexes.h"
#include "plugins/pool/settings.h"

struct pool {
	struct mining mining;
	struct pool_config config;

	struct payout payout;   /* the pool's own outputs */
	struct indexes indexes; /* of its ranged descriptors */
	bool advance_due;       /* a block was found that pays the present ones */
	uint64_t advance_timer; /* 0: not set */
	struct custom custom;
	bool sample_due;                     /* the next accepted share becomes an event */
};

/* The pool that CONN is of. */
static inline struct pool *pool_of(const struct mining_conn *conn)
{
	return conn->mining->context;
}

#endif
