/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jdc/pool_jobs.h"

#include <stdlib.h>
#include <string.h>

static void job_free(struct pool_job *job)
{
	if (!job)
		return;
	buf_free(&job->prefix);
	buf_free(&job->suffix);
	free(job);
}

static struct pool_job *job_copy(const struct adit_sv2_new_extended_mining_job *m)
{
	struct pool_job *job;

	if (m->merkle_path.count > MERKLE_MAX_DEPTH)
		return NULL;
	job = calloc(1, sizeof *job);
	if (!job)
		return NULL;
	if (!buf_append(&job->prefix, m->coinbase_tx_prefix.data, m->coinbase_tx_prefix.size) ||
	    !buf_append(&job->suffix, m->coinbase_tx_suffix.data, m->coinbase_tx_suffix.size)) {
		job_free(job);
		return NULL;
	}
	job->message = *m;
	if (m->merkle_path.count > 0)
		memcpy(job->path, m->merkle_path.data, (size_t)m->merkle_path.count * 32);
	job->message.merkle_path.data = &job->path[0][0];
	job->message.coinbase_tx_prefix.data = job->prefix.data;
	job->message.coinbase_tx_suffix.data = job->suffix.data;
	return job;
}

static void remove_future(struct pool_jobs *j, uint32_t at)
{
	job_free(j->futures[at]);
	j->future_count--;
	memmove(&j->futures[at], &j->futures[at + 1],
		(j->future_count - at) * sizeof(struct pool_job *));
}

static uint32_t find_future(const struct pool_jobs *j, uint32_t id)
{
	uint32_t at = 0;

	while (at < j->future_count && j->futures[at]->message.job_id != id)
		at++;
	return at;
}

bool pool_jobs_add(struct pool_jobs *j, const struct adit_sv2_new_extended_mining_job *m)
{
	struct pool_job *job = job_copy(m);
	uint32_t at;

	if (!job)
		return false;
	if (m->ntime_start.present) {
		job_free(j->active);
		j->active = job;
		return true;
	}
	at = find_future(j, m->job_id);
	if (at < j->future_count)
		remove_future(j, at);
	else if (j->future_count == POOL_JOBS_FUTURE_MAX)
		remove_future(j, 0);
	j->futures[j->future_count++] = job;
	return true;
}

bool pool_jobs_activate(struct pool_jobs *j, const struct adit_sv2_set_new_prev_hash *m)
{
	uint32_t at = find_future(j, m->job_id);

	if (at == j->future_count)
		return false;
	job_free(j->active);
	j->active = j->futures[at];
	j->futures[at] = NULL;
	while (j->future_count > 0)
		remove_future(j, j->future_count - 1);
	j->active->message.ntime_start = (struct adit_sv2_option_u32){true, m->ntime_start};
	j->tip = *m;
	return true;
}

void pool_jobs_clear(struct pool_jobs *j)
{
	job_free(j->active);
	j->active = NULL;
	while (j->future_count > 0)
		remove_future(j, j->future_count - 1);
}
