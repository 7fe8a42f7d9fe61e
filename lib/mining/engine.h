/* SPDX-License-Identifier: MIT */
/*
 * engine.h: the state behind mining.h, for the parts of this library and for what a role shows of
 * it.
 *
 *   mining.c     life and clock
 *   providers.c  template providers (TDP clients): templates and tips come in
 *   preference.c whose templates are mined
 *   upstream.c   jobs of an upstream instead;  base.c  what it demands of ours
 *   work.c       templates to all channels: jobs and tips go out
 *   server.c     messages of miners come in
 *   opens.c      which channels are opened, wait, or are refused
 *   channels.c   connections and channels;  jobs.c  the jobs of one channel
 *   extranonce.c who searches where;  classes.c  channels that pay alike
 *   templates.c  templates, and their coinbases
 *   shares.c     examination and acknowledgement;  duplicates.c;  workers.c  behind a channel
 *   blocks.c     found blocks to the template provider;  journal.c  and to disk
 *   methods.c    what administrators call: listing.c  lists;  orders.c  what they change
 *   summary.c    state line and figures for them;  answers.c  JSON
 *   share_log.c  shares for accounting, where the role wants it
 *   payout.c     outputs by the key `payout`;  settings.c  the keys that roles have in common;
 *   keys.c       values of keys
 */
#ifndef MINING_ENGINE_H
#define MINING_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/plugin.h>
#include <adit/sv2.h>

#include "lib/mining/blocks.h"
#include "lib/mining/channels.h"
#include "lib/mining/classes.h"
#include "lib/mining/duplicates.h"
#include "lib/mining/extranonce.h"
#include "lib/mining/journal.h"
#include "lib/mining/mining.h"
#include "lib/mining/opens.h"
#include "lib/mining/providers.h"
#include "lib/mining/shares.h"
#include "lib/mining/stats.h"
#include "lib/mining/templates.h"
#include "lib/mining/upstream.h"
#include "lib/mining/workers.h"
#include "lib/util/buf.h"

/* This worker's part of the limits that are for all workers of the role together; none is exceeded
 * by more than a worker's rounding. */
struct mining_part {
	uint32_t channels;
	uint32_t open_rate;  /* channels a second; 0: no limit */
	uint32_t share_rate; /* shares a second; 0: no limit */
};

/* A role embeds it; zeros before mining_init(). */
struct mining {
	const struct adit_host_api *api;
	struct adit_host *host;
	struct adit_instance_info info;
	struct mining_config config; /* its `providers` are not owned */
	const struct mining_hooks *hooks;
	void *context;                                /* of the hooks: the role */
	void (*end)(void *context);                   /* see mining_leave() */
	const struct adit_sv2_server_service *server; /* NULL: not serving */
	bool open;                                    /* set_open(.., true) was called */

	struct providers providers;
	struct mining_limits limits; /* as template providers were told */
	enum mining_source source;
	struct upstream_work upstream;
	struct template *current; /* what is mined; NULL at first */
	bool has_tip;
	struct tip tip;
	uint32_t tip_number;               /* grows when prev_hash changes */
	uint32_t last_job_id;              /* one counter for all connections */
	uint32_t edition;                  /* of the outputs; grows when they change */
	uint32_t base_edition;             /* of the extranonce's base; likewise */
	char base_tag[MINING_TAG_MAX + 1]; /* with has_base_tag: instead of the configured one */
	bool has_base_tag;
	bool has_bound;
	uint8_t bound[32];    /* no channel's target is harder, see mining_set_bound() */
	struct buf frame;     /* scratch for broadcasts */
	struct buf tip_frame; /* likewise, of SetNewPrevHash */
	bool jobs_due;        /* a channel's own job had to wait, see work_tick() */

	struct classes classes;
	struct workers workers;
	struct extranonce extranonce;
	struct duplicates duplicates;
	struct mining_conn_list conns; /* by their numbers, ascending */
	uint32_t conn_count;
	uint32_t channel_count;
	struct mining_part part;
	struct opens opens;
	uint32_t shares_second; /* shares of all connections since the last tick */
	struct mining_stats stats;
	struct blocks blocks;
	struct journal journal;
	uint32_t ticks;                      /* seconds since the start */
	struct adit_share_writer *share_log; /* share_log.h; NULL: nothing is recorded */
};

/* The state line may be another. */
static inline void mining_changed(struct mining *mining)
{
	if (mining->hooks->changed)
		mining->hooks->changed(mining->context);
}

#endif
