/* SPDX-License-Identifier: MIT */
/* stats.h: counters of a channel and of the process, and a hash rate that decays. */
#ifndef MINING_STATS_H
#define MINING_STATS_H

#include <stdint.h>

/* What became of a share, in the order in which it is examined. */
enum share_result {
	SHARE_ACCEPTED,
	SHARE_BLOCK, /* accepted, and a block */
	SHARE_INVALID_CHANNEL,
	SHARE_STALE,
	SHARE_INVALID_JOB,
	SHARE_BAD_EXTRANONCE,
	SHARE_INVALID, /* ntime out of range */
	SHARE_ROLLING_NOT_ALLOWED,
	SHARE_ROLLED_TOO_MUCH, /* version bits outside of BIP323's */
	SHARE_DUPLICATE,
	SHARE_TABLE_FULL, /* can't be told from a duplicate any more */
	SHARE_TOO_EASY,
	SHARE_TOO_FAST, /* past what a connection may send a second */
	SHARE_OVERLOAD, /* past what the role takes a second */
	SHARE_RESULTS
};

/* error_code of SubmitShares.Error; "" for the accepted ones. */
const char *share_result_code(enum share_result result);

/* Exponentially decaying mean of hashes a second; corrected for its short past at first. */
struct rate {
	double value;
	uint64_t since_ms; /* 0: nothing yet */
	uint64_t updated_ms;
};

void rate_start(struct rate *r, uint64_t now_ms);
void rate_add(struct rate *r, uint64_t now_ms, double hashes);
double rate_get(const struct rate *r, uint64_t now_ms);

struct channel_stats {
	uint64_t accepted;
	uint64_t rejected; /* stale ones not among them */
	uint64_t stale;
	uint64_t reasons[SHARE_RESULTS];
	uint64_t last_share_ms; /* monotonic; 0: none yet */
	double best_difficulty;
	struct rate rate;
};

struct mining_stats {
	uint64_t accepted;
	uint64_t stale;
	uint64_t results[SHARE_RESULTS];
	uint64_t blocks_found;
	uint64_t closed_rubbish;  /* connections: too many shares refused in a row */
	uint64_t closed_unused;   /* connections that opened no channel */
	uint64_t slowed_channels; /* for their part of the table of duplicates */
	uint64_t closed_channels; /* likewise */
	uint64_t jobs_sent;       /* job messages, a broadcast counts once a connection */
	double best_difficulty;
	struct rate rate;
};

/* Counts a refused share. */
void stats_refused(struct mining_stats *all, struct channel_stats *channel,
		   enum share_result result);

#endif
