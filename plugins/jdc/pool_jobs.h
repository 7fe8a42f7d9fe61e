/* SPDX-License-Identifier: MIT */
/*
 * pool_jobs.h: jobs as a pool sent them, for the time when its work begins to be mined: the one
 * that it wants mined, its tip, and the future ones. Bounded: the oldest future one makes way.
 */
#ifndef JDC_POOL_JOBS_H
#define JDC_POOL_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/sv2.h>

#include "lib/bitcoin/merkle.h"
#include "lib/util/buf.h"

#define POOL_JOBS_FUTURE_MAX 16

struct pool_job {
	struct adit_sv2_new_extended_mining_job message; /* its bytes are below */
	struct buf prefix;
	struct buf suffix;
	uint8_t path[MERKLE_MAX_DEPTH][32];
};

struct pool_jobs {
	struct pool_job *active;                        /* NULL: none */
	struct pool_job *futures[POOL_JOBS_FUTURE_MAX]; /* oldest first */
	uint32_t future_count;
	struct adit_sv2_set_new_prev_hash tip; /* once `active` is there */
};

/* Keeps a copy of M. False: no memory, or a path that is too long. */
bool pool_jobs_add(struct pool_jobs *j, const struct adit_sv2_new_extended_mining_job *m);
/* The job that M names is the active one, all others go. False: it is not there. */
bool pool_jobs_activate(struct pool_jobs *j, const struct adit_sv2_set_new_prev_hash *m);
void pool_jobs_clear(struct pool_jobs *j);

#endif
