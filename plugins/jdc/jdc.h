/* SPDX-License-Identifier: MIT */
/*
 * jdc.h: one instance of the role `jdc`, a job declarator client (specification 06): a pool for the
 * miners behind it (lib/mining), whose work is made known to, or comes from, one of several pools
 * before it (lib/sv2/upstreams.h).
 *
 *   plugin.c      life cycle
 *   settings.c    configuration;  pool_server.c  where a pool's server is
 *   uplink*.c     what is said to one pool
 *   pools.c       the pools, and which of them is worked for
 *   sources.c     what that means for the miners: extranonce, outputs, jobs
 *   works.c       jobs and what the pool knows of them;  held.c  shares that wait for it
 *   pool_jobs.c   the pool's own jobs
 *   hooks.c       what happens among the miners
 *   orders.c      update_pool_config
 *   status.c      what administrators see;  events.c  and others are told
 */
#ifndef JDC_JDC_H
#define JDC_JDC_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/plugin.h>
#include <adit/sv2.h>

#include "lib/mining/engine.h"
#include "lib/mining/payout.h"
#include "lib/sv2/upstreams.h"
#include "plugins/jdc/held.h"
#include "plugins/jdc/pool_jobs.h"
#include "plugins/jdc/settings.h"
#include "plugins/jdc/uplink.h"
#include "plugins/jdc/works.h"

struct jdc;

/* One of the pools. */
struct jdc_pool {
	struct upstream upstream; /* first: whose work it is */
	struct jdc *jdc;
	struct pool_settings settings;
	struct uplink link;
	struct pool_jobs jobs; /* of its own, in proxy mode */
	uint32_t attempt;      /* counts connections: job ids of one mean nothing on the next */
};

/* Where miners' jobs come from. */
enum jdc_source {
	SOURCE_NONE,     /* nowhere yet */
	SOURCE_DECLARED, /* our templates, for a pool */
	SOURCE_POOL,     /* the pool */
	SOURCE_SOLO      /* our templates, for us */
};

/* update_pool_config that is yet to prove itself. */
struct jdc_order {
	struct jdc_pool *pool;   /* NULL: none */
	struct jdc_pool *before; /* the one of an earlier order, which stays until this one holds */
	uint64_t until_ms;
	char caller[64];
	char result[96]; /* what came of the last one; "": there was none */
};

struct jdc_counts {
	uint64_t lost_shares;  /* found while no pool could be told */
	uint64_t easy_shares;  /* not good enough for the pool */
	uint64_t held_dropped; /* held, and of a job that did not become known, or too many */
	uint64_t switches;
	uint64_t solo_times;
};

struct jdc {
	struct mining mining;
	struct jdc_settings settings;
	struct payout payout; /* of solo mining */
	const struct adit_sv2_client_service *clients;

	struct upstreams upstreams;
	struct jdc_pool *pools[UPSTREAMS_MAX]; /* owned; as in `upstreams`, in their order */
	uint32_t pool_count;
	struct jdc_pool *active; /* NULL: none, see `source` */
	enum jdc_source source;
	bool started; /* upstreams_start() was called */
	bool templates;
	uint64_t start_ms;
	uint64_t bound_ms;             /* when miners' hardest target was set last */
	uint32_t starved;              /* templates in a row without their transactions */
	uint64_t without_templates_ms; /* until then it is as if there were none */
	uint64_t timer;                /* 0: not set */
	uint32_t attempts;             /* to connect to a pool, all together */
	struct jdc_order order;

	struct works works;
	struct coinbase *present; /* of the job that was declared last; a reference. NULL: none */
	struct held held;
	struct jdc_counts counts;
};

#endif
