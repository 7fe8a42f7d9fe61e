/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/cpu-miner/channel.h"

#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/util/reader.h"

static void drop_future(struct miner_channel *c)
{
	for (uint32_t i = 0; i < c->future_count; i++)
		miner_job_unref(c->future[i]);
	c->future_count = 0;
}

void miner_channel_reset(struct miner_channel *c)
{
	drop_future(c);
	miner_job_unref(c->active);
	*c = (struct miner_channel){0};
}

static int32_t set_extranonce(struct miner_channel *c, const struct adit_bytes *prefix,
			      uint32_t size, struct error *e)
{
	if (prefix->size > MINER_EXTRANONCE_MAX || size > MINER_EXTRANONCE_MAX - prefix->size)
		return error_set(e, ADIT_E_PROTOCOL, "extranonce of more than 32 bytes");
	if (prefix->size > 0)
		memcpy(c->extranonce_prefix, prefix->data, prefix->size);
	c->extranonce_prefix_size = prefix->size;
	c->extranonce_size = size;
	return ADIT_OK;
}

int32_t miner_channel_open_standard(struct miner_channel *c,
				    const struct adit_sv2_open_standard_mining_channel_success *m,
				    struct error *e)
{
	int32_t r = set_extranonce(c, &m->extranonce_prefix, 0, e);

	if (r != ADIT_OK)
		return r;
	c->open = c->standard = true;
	c->id = m->channel_id;
	c->has_group = true;
	c->group = m->group_channel_id;
	memcpy(c->target, m->target.b, 32);
	return ADIT_OK;
}

int32_t miner_channel_open_extended(struct miner_channel *c, uint32_t min_size,
				    const struct adit_sv2_open_extended_mining_channel_success *m,
				    struct error *e)
{
	int32_t r;

	if (m->extranonce_size < min_size)
		return error_set(e, ADIT_E_PROTOCOL,
				 "%u rollable bytes of extranonce, %u were asked for",
				 m->extranonce_size, min_size);
	r = set_extranonce(c, &m->extranonce_prefix, m->extranonce_size, e);
	if (r != ADIT_OK)
		return r;
	c->open = true;
	c->standard = false;
	c->id = m->channel_id;
	c->has_group = m->group_channel_id.present;
	c->group = m->group_channel_id.value;
	memcpy(c->target, m->target.b, 32);
	return ADIT_OK;
}

bool miner_channel_is(const struct miner_channel *c, uint32_t id)
{
	return c->open && (id == c->id || (c->has_group && id == c->group));
}

/* The job is mined on from now; it keeps the target that holds now for as long as it lives. */
static void activate(struct miner_channel *c, struct miner_job *job, uint32_t min_ntime,
		     uint64_t now_us)
{
	memcpy(job->prev_hash, c->prev_hash, 32);
	memcpy(job->target, c->target, 32);
	if (!target_from_nbits(c->nbits, job->block_target))
		memset(job->block_target, 0, 32);
	job->nbits = c->nbits;
	job->min_ntime = min_ntime;
	job->started_us = now_us;
	job->tip = c->tip;
	job->session = c->session;
	miner_job_unref(c->active);
	c->active = job;
}

static void remove_future(struct miner_channel *c, uint32_t i)
{
	c->future_count--;
	memmove(&c->future[i], &c->future[i + 1], (c->future_count - i) * sizeof(c->future[0]));
}

static uint32_t find_future(const struct miner_channel *c, uint32_t job_id)
{
	uint32_t i = 0;

	while (i < c->future_count && c->future[i]->job_id != job_id)
		i++;
	return i;
}

static void add_future(struct miner_channel *c, struct miner_job *job)
{
	uint32_t same = find_future(c, job->job_id);

	if (same == c->future_count && c->future_count == MINER_FUTURE_JOBS)
		same = 0;
	if (same < c->future_count) {
		miner_job_unref(c->future[same]);
		remove_future(c, same);
	}
	c->future[c->future_count++] = job;
}

/* Takes over the reference to JOB. */
static int32_t take(struct miner_channel *c, struct miner_job *job,
		    const struct adit_sv2_option_u32 *min_ntime, uint64_t now_us, struct error *e)
{
	if (min_ntime->present && !c->has_tip) {
		miner_job_unref(job);
		return error_set(e, ADIT_E_PROTOCOL,
				 "a job for now before the first SetNewPrevHash");
	}
	memcpy(job->extranonce_prefix, c->extranonce_prefix, sizeof(job->extranonce_prefix));
	job->extranonce_prefix_size = c->extranonce_prefix_size;
	job->extranonce_size = c->extranonce_size;
	job->version_rolling = job->version_rolling && !c->fixed_version;
	if (min_ntime->present)
		activate(c, job, min_ntime->value, now_us);
	else
		add_future(c, job);
	return ADIT_OK;
}

int32_t miner_channel_new_job(struct miner_channel *c, const struct adit_sv2_new_mining_job *m,
			      uint64_t now_us, struct error *e)
{
	struct miner_job *job;

	if (!c->open || m->channel_id != c->id)
		return ADIT_OK;
	if (!c->standard)
		return error_set(e, ADIT_E_PROTOCOL, "NewMiningJob on an extended channel");
	job = miner_job_new_standard(m);
	if (job == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "no memory for a job");
	return take(c, job, &m->ntime_start, now_us, e);
}

int32_t miner_channel_new_extended_job(struct miner_channel *c,
				       const struct adit_sv2_new_extended_mining_job *m,
				       uint64_t now_us, struct error *e)
{
	struct miner_job *job;

	if (!miner_channel_is(c, m->channel_id))
		return ADIT_OK;
	job = miner_job_new_extended(m);
	if (job == NULL)
		return error_set(e, ADIT_E_PROTOCOL,
				 "NewExtendedMiningJob with parts that make no coinbase");
	return take(c, job, &m->ntime_start, now_us, e);
}

int32_t miner_channel_set_prev_hash(struct miner_channel *c,
				    const struct adit_sv2_set_new_prev_hash *m, uint64_t now_us,
				    struct error *e)
{
	uint32_t i;
	struct miner_job *job;

	if (!miner_channel_is(c, m->channel_id))
		return ADIT_OK;
	i = find_future(c, m->job_id);
	if (i == c->future_count)
		return error_set(e, ADIT_E_PROTOCOL,
				 "SetNewPrevHash names job %u, which is no future job", m->job_id);
	job = c->future[i];
	remove_future(c, i);
	drop_future(c);
	c->has_tip = true;
	c->tip++;
	c->nbits = m->nbits;
	memcpy(c->prev_hash, m->prev_hash.b, 32);
	activate(c, job, m->ntime_start, now_us);
	return ADIT_OK;
}

void miner_channel_set_target(struct miner_channel *c, const struct adit_sv2_set_target *m)
{
	if (miner_channel_is(c, m->channel_id))
		memcpy(c->target, m->target.b, 32);
}

int32_t miner_channel_set_prefix(struct miner_channel *c,
				 const struct adit_sv2_set_extranonce_prefix *m, struct error *e)
{
	if (!c->open || m->channel_id != c->id)
		return ADIT_OK;
	return set_extranonce(c, &m->extranonce_prefix, c->extranonce_size, e);
}

void miner_channel_set_group(struct miner_channel *c, const struct adit_sv2_set_group_channel *m)
{
	struct reader r;

	reader_init(&r, m->channel_ids.data, m->channel_ids.size);
	for (uint32_t i = 0; c->open && i < m->channel_ids.count; i++) {
		if (reader_u32(&r) != c->id)
			continue;
		c->has_group = true;
		c->group = m->group_channel_id;
	}
}

bool miner_channel_wants(const struct miner_channel *c, const struct miner_job *job)
{
	return c->open && job->session == c->session && job->tip == c->tip;
}
