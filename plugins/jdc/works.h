/* SPDX-License-Identifier: MIT */
/*
 * works.h: what miners work on, as the pool knows it. Each coinbase that jobs are made of has a
 * work (struct coinbase.role), which lives as long as it.
 *
 *   NEW --declared--> PENDING --SetCustomMiningJob.Success--> KNOWN
 *                        \-- refused, dropped --> NEW
 */
#ifndef JDC_WORKS_H
#define JDC_WORKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct coinbase;
struct jdc;
struct jdc_pool;
struct provider;

enum work_state { WORK_NEW, WORK_PENDING, WORK_KNOWN };

struct work {
	TAILQ_ENTRY(work) link;
	uint64_t id; /* not used again in this process */
	enum work_state state;
	struct jdc_pool *pool;     /* unless NEW: whose; borrowed */
	uint32_t attempt;          /* of the pool's */
	uint32_t job_id;           /* the pool's; KNOWN */
	uint8_t target[32];        /* KNOWN: what the pool takes shares at */
	struct coinbase *coinbase; /* borrowed: it owns this one. NULL: of the pool's own job */
};

struct works {
	TAILQ_HEAD(, work) list;
	uint64_t last_id;
	uint32_t count;
};

void works_init(struct works *w);
/* A work of C (may be NULL); NULL: no memory. */
struct work *work_new(struct works *w, struct coinbase *c);
void work_free(struct works *w, struct work *work);
struct work *works_find(struct works *w, uint64_t id);
/* Of POOL's present connection, by its job id; the newest. NULL: none. */
struct work *works_find_job(struct works *w, const struct jdc_pool *pool, uint32_t job_id);
/* Of POOL's connection: as if it had not been declared. */
void works_forget_pool(struct works *w, const struct jdc_pool *pool);

#endif
