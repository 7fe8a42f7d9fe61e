/* SPDX-License-Identifier: MIT */
/*
 * jobs.h: the jobs of one channel through their life:
 *
 *   future -> active -> past -> stale -> forgotten
 *
 * Shares count on the active job and on past ones (same tip, replaced by a newer job). A new tip
 * makes them stale: only their ids are kept, for one generation, to tell "stale" from "never heard
 * of". Each job keeps the extranonce prefix and the target it was given out with.
 */
#ifndef MINING_JOBS_H
#define MINING_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/mining/extranonce.h"
#include "lib/mining/templates.h"

#define JOBS_FUTURE_MAX 8
#define JOBS_PAST_MAX 16
#define JOBS_STALE_MAX 32

enum job_state { JOB_FUTURE, JOB_ACTIVE, JOB_PAST };

struct job {
	struct coinbase *coinbase; /* one reference */
	struct template *template; /* of `coinbase` */
	uint32_t id;
	uint32_t min_ntime;
	uint8_t state;
	bool has_root;
	uint8_t prefix_size;
	uint8_t prefix[EXTRANONCE_MAX];
	uint8_t root[32]; /* of a standard channel's job, made when first needed */
	uint8_t target[32];
	double difficulty; /* of the target */
	double hashes;     /* expected per share at it */
};

struct jobs {
	struct job *items; /* oldest first */
	uint32_t count;
	uint32_t capacity;
	uint32_t stale_count;
	uint32_t stale_next; /* the ring's next slot */
	uint32_t stale[JOBS_STALE_MAX];
};

void jobs_fini(struct jobs *jobs);
/* Adds a job of COINBASE (takes a reference of its own). An active one turns the active job past;
 * the oldest future or past job goes when there are too many. NULL: out of memory. The pointer
 * holds until the next change. */
struct job *jobs_add(struct jobs *jobs, struct coinbase *coinbase, uint32_t id,
		     enum job_state state, const uint8_t *prefix, size_t prefix_size);
void job_set_target(struct job *job, const uint8_t target[32]);
/* New tip: future job ID becomes active with TARGET, the newest one that was set (SetTarget applies
 * to future jobs, specification 05 section 5.3.21); everything else ends. False when there is no
 * such future job; then everything else has ended all the same. */
bool jobs_activate(struct jobs *jobs, uint32_t id, const uint8_t target[32]);
/* The active or past job ID, else NULL. */
struct job *jobs_find(struct jobs *jobs, uint32_t id);
struct job *jobs_active(struct jobs *jobs);
bool jobs_is_stale(const struct jobs *jobs, uint32_t id);
/* Merkle root of JOB with the rolled part of the extranonce (NULL for a standard channel's). */
void job_merkle_root(struct job *job, const uint8_t *extranonce, size_t extranonce_size,
		     uint8_t out[32]);

#endif
