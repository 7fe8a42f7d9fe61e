/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/work.h"

#include <string.h>

#include "lib/mining/engine.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"

#define RETARGET_JOB_MS 1000 /* between two jobs that only one channel gets */

uint32_t work_job_id(struct mining *mining)
{
	if (++mining->last_job_id == 0)
		mining->last_job_id = 1;
	return mining->last_job_id;
}

/* --- one message -------------------------------------------------------------------------------
 */

static struct adit_sv2_new_extended_mining_job
extended_job(const struct coinbase *c, uint32_t channel_id, uint32_t job_id, enum job_state state)
{
	const struct template *t = c->template;

	return (struct adit_sv2_new_extended_mining_job){
	    .channel_id = channel_id,
	    .job_id = job_id,
	    .ntime_start = {.present = state == JOB_ACTIVE, .value = t->tip.min_ntime},
	    .version = t->version,
	    .version_rolling_allowed = t->version_rolling,
	    .merkle_path = {.data = &t->path[0][0], .size = t->depth * 32, .count = t->depth},
	    .coinbase_tx_prefix = {.data = t->prefix.data, .size = (uint32_t)t->prefix.size},
	    .coinbase_tx_suffix = {.data = c->suffix.data, .size = (uint32_t)c->suffix.size},
	};
}

static struct adit_sv2_set_new_prev_hash new_prev_hash(const struct template *t,
						       uint32_t channel_id, uint32_t job_id)
{
	struct adit_sv2_set_new_prev_hash m = {
	    .channel_id = channel_id,
	    .job_id = job_id,
	    .ntime_start = t->tip.min_ntime,
	    .nbits = t->tip.nbits,
	};

	memcpy(m.prev_hash.b, t->tip.prev_hash, 32);
	return m;
}

/* Sends JOB, which CHANNEL has, on the channel's own id. */
static int32_t send_job(struct channel *channel, struct job *job)
{
	struct mining *mining = channel->conn->mining;
	enum job_state state = job->state;

	mining->stats.jobs_sent++;
	if (channel->standard) {
		struct adit_sv2_new_mining_job m = {
		    .channel_id = channel->id,
		    .job_id = job->id,
		    .ntime_start = {.present = state == JOB_ACTIVE, .value = job->min_ntime},
		    .version = job->template->version,
		};

		job_merkle_root(job, NULL, 0, m.merkle_root.b);
		return adit_sv2_send(channel->conn->sv2, ADIT_SV2_NEW_MINING_JOB, &m);
	}
	struct adit_sv2_new_extended_mining_job m =
	    extended_job(job->coinbase, channel->id, job->id, state);

	return adit_sv2_send(channel->conn->sv2, ADIT_SV2_NEW_EXTENDED_MINING_JOB, &m);
}

static struct job *record_job(struct channel *channel, struct coinbase *c, uint32_t id,
			      enum job_state state)
{
	struct job *job =
	    c ? jobs_add(&channel->jobs, c, id, state, channel->prefix, channel->prefix_size)
	      : NULL;

	if (!job) {
		adit_sv2_close(channel->conn->sv2, "out of memory");
		return NULL;
	}
	job_set_target(job, channel->target);
	if (state == JOB_ACTIVE)
		channel->needs_job = false;
	return job;
}

static struct coinbase *take_coinbase(struct mining *mining, struct payout_class *class,
				      struct template *t)
{
	return coinbase_take(mining, t, class);
}

/* A job of T for CHANNEL alone, recorded and sent. */
static int32_t give_job(struct channel *channel, struct template *t, uint32_t id,
			enum job_state state)
{
	struct coinbase *c = take_coinbase(channel->conn->mining, channel->group->class, t);
	struct job *job = record_job(channel, c, id, state);

	coinbase_unref(c);
	if (!job)
		return ADIT_E_NO_MEMORY;
	send_job(channel, job);
	return ADIT_OK;
}

/* --- everyone ----------------------------------------------------------------------------------
 */

/* Encodes a message to the groups of CLASS into FRAME, one of the engine's. False when there is
 * nobody to send it to, or it can't be encoded (a bug of ours: templates were checked). */
static bool encode_group(struct mining *mining, const struct payout_class *class, struct buf *frame,
			 int32_t message, const void *body)
{
	struct group *any = LIST_FIRST(&class->groups);
	size_t size = 0;
	uint8_t *out = NULL;

	if (!any)
		return false;
	buf_clear(frame);
	if (adit_sv2_encode(any->conn->sv2, message, body, NULL, 0, &size) == ADIT_OK)
		out = buf_reserve(frame, size);
	if (!out || adit_sv2_encode(any->conn->sv2, message, body, out, size, &size) != ADIT_OK) {
		mining_log(mining, ADIT_LOG_ERROR, "message %d to the groups can't be encoded",
			   message);
		return false;
	}
	frame->size = size;
	return true;
}

static void send_group(const struct group *group, const struct buf *frame)
{
	adit_sv2_send_frame(group->conn->sv2, frame->data, frame->size);
}

static void job_to_group(struct mining *mining, struct group *group, struct coinbase *c,
			 enum job_state state)
{
	uint32_t job_id = c->template->job_id;
	struct channel *channel;

	if (group->conn->custom_work)
		return;
	if (!group->conn->standard_jobs) {
		send_group(group, &mining->frame);
		mining->stats.jobs_sent++;
	}
	TAILQ_FOREACH(channel, &group->channels, in_group)
	{
		struct job *job = record_job(channel, c, job_id, state);

		if (!job)
			return;
		if (group->conn->standard_jobs)
			send_job(channel, job);
	}
}

/* The coinbase of T for CLASS, and the job's frame in mining->frame. The caller's; NULL: no job. */
static struct coinbase *make_job(struct mining *mining, struct payout_class *class,
				 struct template *t, enum job_state state)
{
	struct adit_sv2_new_extended_mining_job m;
	struct coinbase *c;

	if (LIST_EMPTY(&class->groups))
		return NULL;
	c = take_coinbase(mining, class, t);
	if (!c) {
		mining_log(mining, ADIT_LOG_ERROR, "a job is not sent: out of memory");
		return NULL;
	}
	m = extended_job(c, class->group_id, t->job_id, state);
	if (encode_group(mining, class, &mining->frame, ADIT_SV2_NEW_EXTENDED_MINING_JOB, &m))
		return c;
	coinbase_unref(c);
	return NULL;
}

static void job_to_class(struct mining *mining, struct payout_class *class, struct template *t,
			 enum job_state state)
{
	struct coinbase *c = make_job(mining, class, t, state);
	struct group *group;

	if (!c)
		return;
	LIST_FOREACH(group, &class->groups, of_class)
	job_to_group(mining, group, c, state);
	coinbase_unref(c);
}

static void prev_hash_to_group(struct mining *mining, struct group *group,
			       struct adit_sv2_set_new_prev_hash *m)
{
	struct channel *channel;

	if (group->conn->custom_work)
		return;
	if (!group->conn->standard_jobs)
		send_group(group, &mining->tip_frame);
	TAILQ_FOREACH(channel, &group->channels, in_group)
	{
		jobs_activate(&channel->jobs, m->job_id, channel->target);
		channel->needs_job = false;
		if (!group->conn->standard_jobs)
			continue;
		m->channel_id = channel->id;
		adit_sv2_send(group->conn->sv2, ADIT_SV2_SET_NEW_PREV_HASH, m);
	}
}

/* With ANNOUNCE the future job first. Each connection's part is written before the next one's is
 * made: the first miner does not wait for the last one's merkle root and seals. */
static void prev_hash_to_class(struct mining *mining, struct payout_class *class,
			       struct template *t, bool announce)
{
	struct adit_sv2_set_new_prev_hash m = new_prev_hash(t, class->group_id, t->job_id);
	struct coinbase *c = NULL;
	struct group *group;

	if (!encode_group(mining, class, &mining->tip_frame, ADIT_SV2_SET_NEW_PREV_HASH, &m))
		return;
	if (announce)
		c = make_job(mining, class, t, JOB_FUTURE);
	LIST_FOREACH(group, &class->groups, of_class)
	{
		if (c)
			job_to_group(mining, group, c, JOB_FUTURE);
		prev_hash_to_group(mining, group, &m);
		adit_sv2_flush(group->conn->sv2);
	}
	coinbase_unref(c);
}

/* The role's own class is the first: making coinbases for the others delays none of its channels.
 */
static void broadcast_job(struct mining *mining, struct template *t, enum job_state state)
{
	struct payout_class *class;

	TAILQ_FOREACH(class, &mining->classes.list, link)
	job_to_class(mining, class, t, state);
}

/* With ANNOUNCE the future job first, class by class: who is told of the job is told of the tip
 * before the next class's coinbase is made. */
static void broadcast_prev_hash(struct mining *mining, struct template *t, bool announce)
{
	struct payout_class *class;

	TAILQ_FOREACH(class, &mining->classes.list, link)
	prev_hash_to_class(mining, class, t, announce);
}

/* --- what is mined -----------------------------------------------------------------------------
 */

struct template *const *work_futures(const struct mining *mining, uint32_t *count)
{
	const struct provider *p = mining->providers.active;
	const struct upstream_work *u = &mining->upstream;

	if (mining->source == SOURCE_UPSTREAM) {
		*count = u->future_count;
		return u->futures;
	}
	*count = p && mining->source == SOURCE_TEMPLATES ? p->future_count : 0;
	return p ? p->futures : NULL;
}

/* A job of an upstream is for the extranonces that it was made for. */
bool work_there(const struct mining *mining)
{
	const struct template *t = mining->current;

	return t && (!t->only || t->base_edition == mining->base_edition);
}

/* A SetNewPrevHash ends all future jobs that it does not name (specification 05 section 5.3.20). */
void work_forget_announcements(struct mining *mining)
{
	struct providers *all = &mining->providers;

	for (uint32_t i = 0; i < all->count; i++) {
		for (uint32_t k = 0; k < all->items[i].future_count; k++)
			all->items[i].futures[k]->announced = false;
	}
	for (uint32_t i = 0; i < mining->upstream.future_count; i++)
		mining->upstream.futures[i]->announced = false;
}

/* Keeps account of what now is mined; everything was sent before. */
static void adopt(struct mining *mining, struct template *t)
{
	struct tip before = mining->tip;
	bool first = !mining->has_tip;
	bool new_tip = first || memcmp(before.prev_hash, t->tip.prev_hash, 32) != 0;

	template_ref(t);
	template_unref(mining->current);
	mining->current = t;
	mining->tip = t->tip;
	mining->has_tip = true;
	if (new_tip) {
		/* Only a new tip: on the same one an old share could be submitted again. */
		duplicates_clear(&mining->duplicates);
		mining->tip_number++;
	}
	if (mining->hooks->adopted)
		mining->hooks->adopted(mining->context, t, first ? NULL : &before, new_tip);
	if (!mining->open && mining->server) {
		mining->open = true;
		mining->server->set_open(mining->server->server, ADIT_SV2_MINING, true);
		mining_log(mining, ADIT_LOG_INFO, "open for miners");
	}
	mining_changed(mining);
}

void work_future(struct mining *mining, struct template *t)
{
	t->job_id = work_job_id(mining);
	t->announced = true;
	broadcast_job(mining, t, JOB_FUTURE);
	if (mining->hooks->announced)
		mining->hooks->announced(mining->context, t);
}

void work_now(struct mining *mining, struct template *t)
{
	t->job_id = work_job_id(mining);
	broadcast_job(mining, t, JOB_ACTIVE);
	adopt(mining, t);
}

void work_switch(struct mining *mining, struct template *t)
{
	bool same_tip = mining->has_tip && memcmp(mining->tip.prev_hash, t->tip.prev_hash, 32) == 0;

	if (!t->announced && same_tip && mining->tip.nbits == t->tip.nbits) {
		work_now(mining, t);
		return;
	}
	if (!t->announced)
		t->job_id = work_job_id(mining);
	broadcast_prev_hash(mining, t, !t->announced);
	work_forget_announcements(mining);
	adopt(mining, t);
}

void work_refresh(struct mining *mining)
{
	uint32_t count;
	struct template *const *futures = work_futures(mining, &count);

	/* Future jobs under new ids: the old ones are on their way with the old coinbase, and end
	 * with the SetNewPrevHash that does not name them. */
	for (uint32_t i = 0; i < count; i++) {
		if (futures[i]->announced)
			work_future(mining, futures[i]);
	}
	if (work_there(mining))
		work_now(mining, mining->current);
}

/* --- one channel -------------------------------------------------------------------------------
 */

/* Future jobs that went to everyone before CHANNEL was there: SetNewPrevHash may name them. */
static int32_t send_announced(struct channel *channel)
{
	int32_t result = ADIT_OK;
	uint32_t count;
	struct template *const *futures = work_futures(channel->conn->mining, &count);

	for (uint32_t i = 0; i < count && result == ADIT_OK; i++) {
		struct template *t = futures[i];

		if (t->announced)
			result = give_job(channel, t, t->job_id, JOB_FUTURE);
	}
	return result;
}

int32_t work_channel_start(struct channel *channel)
{
	struct template *t = channel->conn->mining->current;
	struct adit_sv2_set_new_prev_hash m;
	int32_t result;

	if (!work_there(channel->conn->mining))
		return ADIT_E_UNAVAILABLE;
	if (channel->conn->custom_work)
		return ADIT_OK;
	/* The first job of a channel is a future one, activated by the tip right after it
	 * (specification 05 section 5.3.15). */
	result = give_job(channel, t, t->job_id, JOB_FUTURE);
	if (result != ADIT_OK)
		return result;
	m = new_prev_hash(t, channel->id, t->job_id);
	adit_sv2_send(channel->conn->sv2, ADIT_SV2_SET_NEW_PREV_HASH, &m);
	jobs_activate(&channel->jobs, t->job_id, channel->target);
	return send_announced(channel);
}

void work_set_group(struct channel *channel)
{
	uint8_t id[4] = {(uint8_t)channel->id, (uint8_t)(channel->id >> 8),
			 (uint8_t)(channel->id >> 16), (uint8_t)(channel->id >> 24)};
	struct adit_sv2_set_group_channel m = {
	    .group_channel_id = channel->group->class->group_id,
	    .channel_ids = {.data = id, .size = sizeof id, .count = 1},
	};

	if (!channel->conn->standard_jobs && !channel->conn->custom_work)
		adit_sv2_send(channel->conn->sv2, ADIT_SV2_SET_GROUP_CHANNEL, &m);
}

void work_send_prefix(struct channel *channel)
{
	struct adit_sv2_set_extranonce_prefix m = {
	    .channel_id = channel->id,
	    .extranonce_prefix = {.data = channel->prefix, .size = channel->prefix_size},
	};

	adit_sv2_send(channel->conn->sv2, ADIT_SV2_SET_EXTRANONCE_PREFIX, &m);
	channel->needs_job = true;
	channel->conn->mining->jobs_due = true;
}

bool work_renew_prefix(struct channel *channel)
{
	if (!channel_renew_prefix(channel))
		return false;
	work_send_prefix(channel);
	work_tick(channel, clock_monotonic_ms());
	return true;
}

void work_send_target(struct channel *channel)
{
	struct adit_sv2_set_target m = {.channel_id = channel->id};

	memcpy(m.target.b, channel->target, 32);
	adit_sv2_send(channel->conn->sv2, ADIT_SV2_SET_TARGET, &m);
	channel->needs_job = true;
	channel->conn->mining->jobs_due = true;
}

void work_retarget(struct channel *channel)
{
	work_send_target(channel);
	work_tick(channel, clock_monotonic_ms());
}

void work_tick(struct channel *channel, uint64_t now_ms)
{
	struct mining *mining = channel->conn->mining;

	if (!channel->needs_job || !work_there(mining) || channel->conn->custom_work)
		return;
	if (channel->job_sent_ms && now_ms - channel->job_sent_ms < RETARGET_JOB_MS) {
		mining->jobs_due = true;
		return;
	}
	channel->job_sent_ms = now_ms;
	give_job(channel, mining->current, work_job_id(mining), JOB_ACTIVE);
}

void work_late_jobs(struct mining *mining)
{
	uint64_t now = clock_monotonic_ms();
	struct mining_conn *conn;

	if (!mining->jobs_due)
		return;
	mining->jobs_due = false;
	TAILQ_FOREACH(conn, &mining->conns, link)
	{
		for (uint32_t i = 0; i < conn->count; i++)
			work_tick(conn->channels[i], now);
	}
}
