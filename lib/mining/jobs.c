/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/jobs.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/target.h"

#define JOBS_MAX (JOBS_FUTURE_MAX + 1 + JOBS_PAST_MAX)

void jobs_fini(struct jobs *jobs)
{
	for (uint32_t i = 0; i < jobs->count; i++)
		coinbase_unref(jobs->items[i].coinbase);
	free(jobs->items);
	*jobs = (struct jobs){0};
}

static void remember_stale(struct jobs *jobs, uint32_t id)
{
	jobs->stale[jobs->stale_next] = id;
	jobs->stale_next = (jobs->stale_next + 1) % JOBS_STALE_MAX;
	if (jobs->stale_count < JOBS_STALE_MAX)
		jobs->stale_count++;
}

static void remove_at(struct jobs *jobs, uint32_t at)
{
	coinbase_unref(jobs->items[at].coinbase);
	jobs->count--;
	memmove(&jobs->items[at], &jobs->items[at + 1], (jobs->count - at) * sizeof *jobs->items);
}

/* Keeps at most MAX jobs in STATE: the oldest goes. What was given out turns stale. */
static void bound_state(struct jobs *jobs, enum job_state state, uint32_t max)
{
	uint32_t count = 0;
	uint32_t oldest = 0;

	for (uint32_t i = jobs->count; i-- > 0;) {
		if (jobs->items[i].state != state)
			continue;
		oldest = i;
		count++;
	}
	if (count <= max)
		return;
	if (state == JOB_PAST)
		remember_stale(jobs, jobs->items[oldest].id);
	remove_at(jobs, oldest);
}

static bool make_room(struct jobs *jobs)
{
	uint32_t capacity = jobs->capacity ? jobs->capacity * 2 : 4;
	struct job *items;

	if (jobs->count < jobs->capacity)
		return true;
	/* One more than can stay: bounds are applied after adding. */
	if (capacity > JOBS_MAX + 1)
		capacity = JOBS_MAX + 1;
	items = realloc(jobs->items, capacity * sizeof *items);
	if (!items)
		return false;
	jobs->items = items;
	jobs->capacity = capacity;
	return true;
}

static void retire_active(struct jobs *jobs)
{
	struct job *active = jobs_active(jobs);

	if (active)
		active->state = JOB_PAST;
	bound_state(jobs, JOB_PAST, JOBS_PAST_MAX);
}

struct job *jobs_add(struct jobs *jobs, struct coinbase *coinbase, uint32_t id,
		     enum job_state state, const uint8_t *prefix, size_t prefix_size)
{
	struct job *job;

	if (!make_room(jobs))
		return NULL;
	if (state == JOB_ACTIVE)
		retire_active(jobs);
	job = &jobs->items[jobs->count++];
	*job = (struct job){.coinbase = coinbase_ref(coinbase),
			    .template = coinbase->template,
			    .id = id,
			    .state = (uint8_t)state};
	job->min_ntime = job->template->tip.min_ntime;
	job->prefix_size = (uint8_t)prefix_size;
	memcpy(job->prefix, prefix, prefix_size);
	bound_state(jobs, JOB_FUTURE, JOBS_FUTURE_MAX);
	return &jobs->items[jobs->count - 1];
}

void job_set_target(struct job *job, const uint8_t target[32])
{
	memcpy(job->target, target, 32);
	job->difficulty = target_difficulty(target);
	job->hashes = target_work(target);
}

bool jobs_activate(struct jobs *jobs, uint32_t id, const uint8_t target[32])
{
	bool found = false;

	jobs->stale_count = 0;
	jobs->stale_next = 0;
	for (uint32_t i = 0; i < jobs->count;) {
		struct job *job = &jobs->items[i];

		if (job->state == JOB_FUTURE && job->id == id) {
			job->state = JOB_ACTIVE;
			job->min_ntime = job->template->tip.min_ntime;
			job_set_target(job, target);
			found = true;
			i++;
			continue;
		}
		if (job->state != JOB_FUTURE)
			remember_stale(jobs, job->id);
		remove_at(jobs, i);
	}
	return found;
}

struct job *jobs_find(struct jobs *jobs, uint32_t id)
{
	/* Newest first: nearly every share is for the active job. */
	for (uint32_t i = jobs->count; i-- > 0;) {
		if (jobs->items[i].id == id && jobs->items[i].state != JOB_FUTURE)
			return &jobs->items[i];
	}
	return NULL;
}

struct job *jobs_active(struct jobs *jobs)
{
	for (uint32_t i = jobs->count; i-- > 0;) {
		if (jobs->items[i].state == JOB_ACTIVE)
			return &jobs->items[i];
	}
	return NULL;
}

bool jobs_is_stale(const struct jobs *jobs, uint32_t id)
{
	for (uint32_t i = 0; i < jobs->stale_count; i++) {
		if (jobs->stale[i] == id)
			return true;
	}
	return false;
}

void job_merkle_root(struct job *job, const uint8_t *extranonce, size_t extranonce_size,
		     uint8_t out[32])
{
	if (extranonce_size > 0) {
		coinbase_merkle_root(job->coinbase, job->prefix, job->prefix_size, extranonce,
				     extranonce_size, out);
		return;
	}
	if (!job->has_root) {
		coinbase_merkle_root(job->coinbase, job->prefix, job->prefix_size, NULL, 0,
				     job->root);
		job->has_root = true;
	}
	memcpy(out, job->root, 32);
}
