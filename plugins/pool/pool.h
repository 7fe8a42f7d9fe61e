/* SPDX-License-Identifier: MIT */
/*
 * pool.h: one instance of the role `pool`.
 *
 *   providers.c  template providers (TDP clients): templates and tips come in
 *   preference.c whose templates are mined
 *   work.c       templates to all channels: jobs and tips go out
 *   server.c     messages of miners come in
 *   opens.c      which channels are opened, wait, or are refused
 *   channels.c   connections and channels;  jobs.c  the jobs of one channel
 *   identity.c   who a miner is;  payout.c  the outputs that pay;  classes.c  channels that pay
 * alike payouts.c    the present payout and its changes;  indexes.c  those of ranged descriptors
 *   shares.c     examination and acknowledgement;  duplicates.c;  share_log.c  for accounting
 *   custom.c     jobs that miners composed themselves
 *   blocks.c     found blocks to the template provider;  journal.c  and to disk
 *   status.c     what administrators see;  manage.c  what they ask;  listing.c  lists
 *   orders.c     what they change
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/plugin.h>
#include <adit/sv2.h>

#include "plugins/pool/blocks.h"
#include "plugins/pool/channels.h"
#include "plugins/pool/classes.h"
#include "plugins/pool/custom.h"
#include "plugins/pool/duplicates.h"
#include "plugins/pool/extranonce.h"
#include "plugins/pool/indexes.h"
#include "plugins/pool/journal.h"
#include "plugins/pool/payout.h"
#include "plugins/pool/providers.h"
#include "plugins/pool/settings.h"
#include "lib/mining/stats.h"
#include "plugins/pool/templates.h"
#include "plugins/pool/workers.h"

/* This worker's part of the limits that are for all workers of the role together; none is exceeded
 * by more than a worker's rounding. */
struct pool_part {
	uint32_t channels;
	uint32_t open_rate;  /* channels a second; 0: no limit */
	uint32_t share_rate; /* shares a second; 0: no limit */
};

struct pool {
	const struct adit_host_api *api;
	struct adit_host *host;
	struct adit_instance_info info;
	struct pool_config config;
	const struct adit_sv2_server_service *server; /* NULL: not serving */
	bool open;                                    /* set_open(.., true) was called */

	struct providers providers;
	struct template *current; /* what is mined; NULL at first */
	bool has_tip;
	struct tip tip;
	uint32_t tip_number;  /* grows when prev_hash changes */
	uint32_t last_job_id; /* one counter for all connections */
	struct buf frame;     /* scratch for broadcasts */
	struct buf tip_frame; /* likewise, of SetNewPrevHash */
	bool jobs_due;        /* a channel's own job had to wait, see work_tick() */

	struct payout payout;        /* the pool's own outputs */
	uint32_t payout_edition;     /* grows when they change */
	struct payout_limits limits; /* as template providers were told */
	struct indexes indexes;      /* of its ranged descriptors */
	bool advance_due;            /* a block was found that pays the present ones */
	uint64_t advance_timer;      /* 0: not set */
	struct classes classes;
	struct workers workers;
	struct extranonce extranonce;
	struct duplicates duplicates;
	struct pool_conn_list conns; /* by their numbers, ascending */
	uint32_t conn_count;
	uint32_t channel_count;
	struct pool_part part;
	struct opens opens;
	uint32_t shares_second; /* shares of all connections since the last tick */
	struct mining_stats stats;
	struct blocks blocks;
	struct journal journal;
	struct custom custom;
	struct adit_share_writer *share_log; /* NULL: nothing is recorded */
	bool sample_due;                     /* the next accepted share becomes an event */
	uint32_t ticks;                      /* seconds since the start */
};

/* One line for the log. */
void pool_log(struct pool *pool, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
