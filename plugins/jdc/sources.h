/* SPDX-License-Identifier: MIT */
/* sources.h: what miners get: jobs of our own for a pool, the pool's, or our own for nobody. */
#ifndef JDC_SOURCES_H
#define JDC_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include "plugins/jdc/uplink.h"

struct coinbase;
struct jdc;
struct jdc_pool;
struct judged_share;
struct template;
struct buf;
struct provider;

/* The work is for POOL from now on; NULL: for nobody, it is solo. */
void source_switch(struct jdc *jdc, struct jdc_pool *pool);
/* The extranonce's first part, target or outputs of the active pool are others. */
void source_prefix(struct jdc *jdc);
void source_outputs(struct jdc *jdc);
/* What is the hardest target that miners get: each second. */
void source_bound(struct jdc *jdc);
/* The active pool's target is another one. */
void source_target(struct jdc *jdc);
/* Room for POOL's outputs in templates to come. */
void source_make_room(struct jdc *jdc, const struct jdc_pool *pool);

/* What is kept of the present work is let go; at stop. */
void source_forget(struct jdc *jdc);

/* Hooks of lib/mining: the outputs of a coinbase; T is mined now. */
uint32_t source_coinbase(struct jdc *jdc, uint64_t value, struct buf *out);
void source_adopted(struct jdc *jdc, struct template *t, bool new_tip);
/* An accepted share goes to the pool, or is held. */
void source_share(struct jdc *jdc, const struct judged_share *s);
/* A block goes to the declaration server. */
void source_block(struct jdc *jdc, const struct judged_share *s);

/* What a pool tells, see struct uplink_events. */
bool source_need_transactions(struct jdc *jdc, struct jdc_pool *pool, uint64_t id);
void source_known(struct jdc *jdc, struct jdc_pool *pool, uint64_t id, uint32_t job_id);
void source_dropped(struct jdc *jdc, uint64_t id);
int32_t source_pool_job(struct jdc *jdc, struct jdc_pool *pool,
			const struct adit_sv2_new_extended_mining_job *m, struct error *e);
int32_t source_pool_tip(struct jdc *jdc, struct jdc_pool *pool,
			const struct adit_sv2_set_new_prev_hash *m, struct error *e);

/* What a template provider answers, or not. */
void source_starved(struct jdc *jdc);
void source_transactions(struct jdc *jdc, struct provider *provider,
			 const struct adit_sv2_request_transaction_data_success *m);
void source_no_transactions(struct jdc *jdc, struct provider *provider, uint64_t template_id);

#endif
