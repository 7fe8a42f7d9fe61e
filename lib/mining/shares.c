/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/shares.h"

#include <math.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/mining/engine.h"
#include "lib/mining/server.h"
#include "lib/mining/work.h"
#include "lib/util/clock.h"

#define NTIME_AHEAD_MAX 7200 /* seconds; consensus: MAX_FUTURE_BLOCK_TIME */
/* A connection that only sends rubbish is closed. */
#define REFUSED_IN_ROW_MAX 1000
/* One channel's part of the table of duplicates: from a 16th on it is slowed down, at a quarter
 * closed, so that no channel fills the table for the others. */
#define TABLE_SLOW_PART 16
#define TABLE_CLOSE_PART 4
#define TABLE_REFUSED_MAX 100
#define SLOW_DOWN_FACTOR 4.0

/* A share that was examined. */
struct examined {
	struct job *job;        /* valid when the share's job was found */
	enum share_result rate; /* SHARE_ACCEPTED, or which limit of shares a second it is past */
	uint8_t header[80];
	uint8_t hash[32];
	double difficulty; /* of `hash` */
};

/* Version bits may change inside of BIP323's mask only, if at all. */
static enum share_result examine_version(const struct template *t, uint32_t version)
{
	uint32_t changed = version ^ t->version;

	if (changed == 0)
		return SHARE_ACCEPTED;
	if (!t->version_rolling)
		return SHARE_ROLLING_NOT_ALLOWED;
	if (changed & ~ADIT_SV2_VERSION_ROLLING_MASK)
		return SHARE_ROLLED_TOO_MUCH;
	return SHARE_ACCEPTED;
}

static void hash_share(struct examined *x, const struct share *s)
{
	const struct template *t = x->job->template;
	struct block_header header = {
	    .version = s->version,
	    .time = s->ntime,
	    .nbits = t->tip.nbits,
	    .nonce = s->nonce,
	};

	memcpy(header.prev_hash, t->tip.prev_hash, 32);
	job_merkle_root(x->job, s->extranonce, s->extranonce_size, header.merkle_root);
	block_header_write(&header, x->header);
	sha256d_header(x->header, x->hash);
}

/* What the hash is good for. */
static enum share_result examine_hash(struct mining *mining, struct channel *channel,
				      const struct examined *x)
{
	bool block = target_met(x->hash, x->job->template->tip.target);

	if (!block && !target_met(x->hash, x->job->target))
		return SHARE_TOO_EASY;
	if (x->rate != SHARE_ACCEPTED && !block)
		return x->rate;
	switch (duplicates_add(&mining->duplicates, x->hash)) {
	case DUPLICATES_SEEN:
		return SHARE_DUPLICATE;
	case DUPLICATES_FULL:
		/* A block is never given away: the node tells whether it knows it. */
		return block ? SHARE_BLOCK : SHARE_TABLE_FULL;
	case DUPLICATES_NEW:
		break;
	}
	if (channel->tip_number != mining->tip_number) {
		channel->tip_number = mining->tip_number;
		channel->tip_shares = 0;
		channel->table_refused = 0;
	}
	channel->tip_shares++;
	return block ? SHARE_BLOCK : SHARE_ACCEPTED;
}

/* The order is that of the reference implementation (protocol digest 9.9). */
static enum share_result examine(struct mining *mining, struct channel *channel,
				 const struct share *s, struct examined *x)
{
	uint32_t rollable = channel->standard ? 0 : mining->extranonce.size.rollable;
	enum share_result result;

	x->job = jobs_find(&channel->jobs, s->job_id);
	if (!x->job)
		return jobs_is_stale(&channel->jobs, s->job_id) ? SHARE_STALE : SHARE_INVALID_JOB;
	if (s->extranonce_size != rollable)
		return SHARE_BAD_EXTRANONCE;
	if (s->ntime < x->job->min_ntime || s->ntime > (uint64_t)clock_unix() + NTIME_AHEAD_MAX)
		return SHARE_INVALID;
	result = examine_version(x->job->template, s->version);
	if (result != SHARE_ACCEPTED)
		return result;
	hash_share(x, s);
	duplicates_expect(&mining->duplicates, x->hash);
	x->difficulty = target_difficulty(x->hash);
	return examine_hash(mining, channel, x);
}

/* Whether examine() came as far as the hash. */
static bool was_hashed(enum share_result result)
{
	return result == SHARE_ACCEPTED || result == SHARE_BLOCK || result == SHARE_TOO_EASY ||
	       result == SHARE_DUPLICATE || result == SHARE_TABLE_FULL ||
	       result == SHARE_TOO_FAST || result == SHARE_OVERLOAD;
}

/* Counts a share of CONN for this second, which is the time between two ticks. */
static enum share_result count_share(struct mining_conn *conn)
{
	struct mining *mining = conn->mining;
	uint32_t most = mining->config.max_share_rate;

	if (conn->share_second != mining->ticks) {
		conn->share_second = mining->ticks;
		conn->shares_second = 0;
	}
	mining->shares_second++;
	if (++conn->shares_second > most && most > 0)
		return SHARE_TOO_FAST;
	if (mining->shares_second > mining->part.share_rate && mining->part.share_rate > 0)
		return SHARE_OVERLOAD;
	return SHARE_ACCEPTED;
}

static void tell_role(const struct mining *mining, const struct judged_share *s)
{
	if (mining->hooks->share)
		mining->hooks->share(mining->context, s);
}

static struct judged_share judged(struct mining_conn *conn, uint32_t channel_id,
				  struct channel *channel, const struct share *share,
				  const struct examined *x, enum share_result result)
{
	struct judged_share s = {.conn = conn,
				 .channel_id = channel_id,
				 .channel = channel,
				 .job = x->job,
				 .share = share,
				 .result = result};

	if (was_hashed(result)) {
		s.header = x->header;
		s.hash = x->hash;
		s.difficulty = x->difficulty;
	}
	return s;
}

static void close_for_table(struct channel *channel)
{
	channel->conn->mining->stats.closed_channels++;
	server_close_channel(channel, share_result_code(SHARE_TABLE_FULL));
}

static int32_t refuse(struct mining_conn *conn, struct channel *channel, uint32_t channel_id,
		      const struct share *s, enum share_result result)
{
	const char *code = share_result_code(result);
	struct adit_sv2_submit_shares_error m = {
	    .channel_id = channel_id,
	    .sequence_number = s->sequence,
	    .error_code = {.data = (const uint8_t *)code, .size = (uint32_t)strlen(code)},
	};

	stats_refused(&conn->mining->stats, channel ? &channel->stats : NULL, result);
	conn->unknown_channel += !channel;
	/* Others' load is not its fault. */
	conn->refused_in_row += result != SHARE_OVERLOAD;
	if (conn->refused_in_row > REFUSED_IN_ROW_MAX) {
		conn->mining->stats.closed_rubbish++;
		adit_sv2_close(conn->sv2, "too many shares refused in a row");
		return ADIT_OK;
	}
	adit_sv2_send(conn->sv2, ADIT_SV2_SUBMIT_SHARES_ERROR, &m);
	if (channel && result == SHARE_TABLE_FULL && ++channel->table_refused > TABLE_REFUSED_MAX)
		close_for_table(channel);
	return ADIT_OK;
}

static void accept_share(struct channel *channel, const struct share *s, const struct examined *x)
{
	struct mining_conn *conn = channel->conn;
	struct mining *mining = conn->mining;
	struct acknowledgement *ack = &channel->ack;
	/* Blocks count, too, when the network's target is the easier one: so that is what a share
	 * is worth on such a chain. */
	double hashes = fmin(x->job->hashes, x->job->template->tip.hashes);

	ack->count++;
	ack->last_sequence = s->sequence;
	ack->difficulty += x->job->difficulty;
	ack->hashes += hashes;
	if (!ack->queued) {
		ack->queued = true;
		ack->next = conn->unacknowledged;
		conn->unacknowledged = channel;
	}
	vardiff_share(&channel->vardiff, hashes);
	conn->refused_in_row = 0;
	if (x->difficulty > channel->stats.best_difficulty)
		channel->stats.best_difficulty = x->difficulty;
	if (x->difficulty > mining->stats.best_difficulty)
		mining->stats.best_difficulty = x->difficulty;
}

int32_t shares_submitted(struct mining_conn *conn, uint32_t channel_id, bool standard,
			 const struct share *share)
{
	struct channel *channel = channel_find(conn, channel_id);
	struct examined x = {.rate = count_share(conn)};
	struct judged_share s;
	enum share_result result;

	if (!channel || channel->standard != standard) {
		s = judged(conn, channel_id, NULL, share, &x, SHARE_INVALID_CHANNEL);
		tell_role(conn->mining, &s);
		return refuse(conn, NULL, channel_id, share, SHARE_INVALID_CHANNEL);
	}
	result = examine(conn->mining, channel, share, &x);
	if (share->worker.size > 0)
		workers_share(&conn->mining->workers, channel, &share->worker, result,
			      x.job ? fmin(x.job->hashes, x.job->template->tip.hashes) : 0);
	s = judged(conn, channel_id, channel, share, &x, result);
	if (result == SHARE_BLOCK)
		blocks_found(conn->mining, &s);
	tell_role(conn->mining, &s);
	if (result != SHARE_ACCEPTED && result != SHARE_BLOCK)
		return refuse(conn, channel, channel_id, share, result);
	accept_share(channel, share, &x);
	if (result == SHARE_BLOCK) {
		conn->mining->stats.results[SHARE_BLOCK]++;
		shares_flush_channel(channel);
	}
	return ADIT_OK;
}

/* --- acknowledgement ---------------------------------------------------------------------------
 */

static void send_success(struct channel *channel)
{
	struct acknowledgement *ack = &channel->ack;
	uint64_t sum =
	    ack->difficulty < 1e18 ? (uint64_t)ack->difficulty : UINT64_C(1000000000000000000);
	struct adit_sv2_submit_shares_success m = {
	    .channel_id = channel->id,
	    .last_sequence_number = ack->last_sequence,
	    .new_submits_accepted_count = ack->count,
	    .new_shares_sum = sum,
	};

	adit_sv2_send(channel->conn->sv2, ADIT_SV2_SUBMIT_SHARES_SUCCESS, &m);
	/* The message is integral; the fraction goes into the next one, so that a small miner's sum
	 * is right in the long run. */
	ack->difficulty -= (double)sum;
}

static void count_accepted(struct channel *channel, uint64_t now)
{
	struct mining_stats *all = &channel->conn->mining->stats;
	struct channel_stats *own = &channel->stats;
	struct acknowledgement *ack = &channel->ack;

	own->accepted += ack->count;
	all->accepted += ack->count;
	own->last_share_ms = now;
	rate_add(&own->rate, now, ack->hashes);
	rate_add(&all->rate, now, ack->hashes);
	ack->count = 0;
	ack->hashes = 0;
}

/* Acknowledges one channel that is no longer queued. */
static void acknowledge(struct channel *channel)
{
	struct mining *mining = channel->conn->mining;
	uint64_t now = clock_monotonic_ms();

	if (channel->ack.count == 0)
		return;
	send_success(channel);
	count_accepted(channel, now);
	if (vardiff_check(&channel->vardiff, &mining->config.vardiff, now) &&
	    channel_set_target(channel))
		work_retarget(channel);
}

/* Slows down or closes a channel that takes more than its part of the table of duplicates. */
static void bound_table_use(struct channel *channel)
{
	struct mining *mining = channel->conn->mining;
	size_t limit = mining->duplicates.limit;
	const struct vardiff_options *options = &mining->config.vardiff;
	struct vardiff *v = &channel->vardiff;
	double present = v->work * options->shares_per_minute / 60.0;

	if (channel->tip_number != mining->tip_number ||
	    channel->tip_shares < limit / TABLE_SLOW_PART)
		return;
	if (channel->tip_shares >= limit / TABLE_CLOSE_PART) {
		close_for_table(channel);
		return;
	}
	if (channel->needs_job)
		return;
	v->fixed_work = 0; /* the table is everybody's */
	(void)vardiff_update(v, options, present * SLOW_DOWN_FACTOR, v->least_work,
			     clock_monotonic_ms());
	mining->stats.slowed_channels++;
	if (channel_set_target(channel))
		work_retarget(channel);
}

void shares_flush_channel(struct channel *channel)
{
	/* It stays queued: shares_flush() finds nothing left to say. */
	acknowledge(channel);
}

void shares_flush(struct mining_conn *conn)
{
	struct channel *channel;

	while ((channel = conn->unacknowledged)) {
		conn->unacknowledged = channel->ack.next;
		channel->ack.next = NULL;
		channel->ack.queued = false;
		acknowledge(channel);
		bound_table_use(channel);
	}
}
