/* SPDX-License-Identifier: MIT */
/*
 * channels.h: connections and their channels. Ids are counted per connection, from CHANNEL_FIRST
 * on, and never used again on it; the ids of groups are in ranges of their own (classes.h).
 */
#ifndef MINING_CHANNELS_H
#define MINING_CHANNELS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <adit/sv2.h>

#include "lib/mining/classes.h"
#include "lib/mining/jobs.h"
#include "lib/mining/opens.h"
#include "lib/mining/stats.h"
#include "lib/mining/workers.h"
#include "lib/sv2/vardiff.h"

struct mining;

#define CHANNEL_FIRST (CHANNEL_GROUP + 1)

/* Accepted shares that were not yet acknowledged. */
struct acknowledgement {
	uint32_t count;
	uint32_t last_sequence;
	double difficulty; /* their sum, and the fraction that earlier messages could not say */
	double hashes;
	bool queued; /* on the connection's list */
	struct channel *next;
};

struct channel {
	struct mining_conn *conn;
	struct group *group; /* it is a member of */
	TAILQ_ENTRY(channel) in_group;
	uint32_t id;
	uint32_t number;         /* of the extranonce prefix */
	uint32_t retired_number; /* of the one before, which jobs may still have */
	bool has_retired;
	bool standard;
	bool needs_job; /* its target changed but the job for that was not yet sent */
	uint8_t prefix_size;
	uint8_t prefix[EXTRANONCE_MAX];
	uint8_t target[32];     /* for jobs to come */
	uint8_t max_target[32]; /* easiest that the client can work with */
	uint64_t job_sent_ms;   /* last job that only this channel got, monotonic */
	uint32_t tip_shares;    /* entries in the table of duplicates ... */
	uint32_t tip_number;    /* ... since this tip */
	uint32_t table_refused; /* shares refused because that table was full */
	struct jobs jobs;
	struct acknowledgement ack;
	struct vardiff vardiff;
	struct channel_stats stats;
	struct worker_list workers; /* extension 0x0002 */
	uint32_t worker_count;
	void *role;  /* the role's, see mining.h; NULL at first */
	char user[]; /* printable UTF-8, from user_identity */
};

struct mining_conn {
	TAILQ_ENTRY(mining_conn) link;
	struct mining *mining;
	struct adit_sv2_conn *sv2;
	bool standard_jobs; /* REQUIRES_STANDARD_JOBS: no group messages */
	bool custom_work;   /* REQUIRES_WORK_SELECTION: no jobs of the role's */
	uint64_t opened_ms;
	uint32_t next_id;
	uint32_t refused_in_row;   /* refused shares since the last accepted one */
	uint64_t unknown_channel;  /* shares for channels that it doesn't have */
	struct channel **channels; /* by id, ascending */
	uint32_t count;
	uint32_t capacity;
	LIST_HEAD(, group) groups; /* those that have channels */
	struct channel *unacknowledged;
	struct waiting_opens opens; /* channels that it asked for and that wait */
	uint32_t open_count;        /* of these */
	TAILQ_ENTRY(mining_conn) in_opens;
	uint32_t share_second;  /* mining->ticks when `shares_second` began */
	uint32_t shares_second; /* shares since */
};

TAILQ_HEAD(mining_conn_list, mining_conn);

struct mining_conn *conn_new(struct mining *mining, struct adit_sv2_conn *sv2);
/* Frees the connection's state with all channels; sends nothing. */
void conn_free(struct mining_conn *conn);

/* What a client asks for; checked. */
struct channel_request {
	bool standard;
	struct adit_bytes user;
	const struct payee *payee; /* who gets its blocks */
	double hashrate;
	const uint8_t *max_target;
};

/* Opens a channel: id, extranonce, target, what the role has of it. NULL with *CODE (error_code of
 * OpenMiningChannel.Error).
 */
struct channel *channel_new(struct mining_conn *conn, const struct channel_request *request,
			    const char **code);
/* Gives CHANNEL another prefix of the same length, for jobs to come: those that are out keep
 * theirs. The old number comes back when no job has it any more; until then, or when the space is
 * full, there is no further one: false. */
bool channel_renew_prefix(struct channel *channel);
/* The base of the extranonce has changed: the prefix for jobs to come. */
void channel_remake_prefix(struct channel *channel);
/* Ends CHANNEL and forgets it; sends nothing. */
void channel_free(struct channel *channel);
struct channel *channel_find(struct mining_conn *conn, uint32_t id);
/* "pool.1/CONNECTION/CHANNEL" for logs and events. */
void channel_name(const struct channel *channel, char *out, size_t capacity);
/* Makes the target from what vardiff says, within the bounds of the client and of the upstream;
 * true when it is another one now. */
bool channel_set_target(struct channel *channel);

#endif
