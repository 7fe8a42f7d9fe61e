/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jdc/sources.h"

#include <math.h>
#include <string.h>

#include "lib/bitcoin/declared_coinbase.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/clock.h"
#include "plugins/jdc/jdc.h"

/* More than that many shares a minute are not asked of all miners together, whatever a pool's
 * target is that has yet to learn their hash rate. */
#define SHARES_PER_MINUTE_MAX 600
/* That many templates in a row without their transactions, and for so long they are not declared.
 */
#define STARVED_MAX 3
#define STARVED_MS 60000
/* Targets of the pool's are passed on to the miners once in that time. */
#define BOUND_MS 1000
/* Outputs that templates have room for from the start, whoever demands them. */
#define ROOM_MIN 256
#define ROOM_SIGOPS_MIN 80

/* --- switching ---------------------------------------------------------------------------------
 */

static bool set_base(struct jdc *jdc, struct jdc_pool *pool)
{
	struct mining_base base = {0};
	struct error e = {0};

	if (pool) {
		base.size = pool->link.prefix_size;
		base.room = (uint8_t)pool->link.extranonce_size;
		memcpy(base.bytes, pool->link.prefix, base.size);
	}
	if (mining_set_base(&jdc->mining, pool ? &base : NULL, &e) == ADIT_OK)
		return true;
	if (pool)
		uplink_fail(&pool->link, UPSTREAM_CHANNEL_REFUSED, "its extranonce: %.120s",
			    e.text);
	else
		mining_log(&jdc->mining, ADIT_LOG_ERROR, "solo mining: %s", e.text);
	return false;
}

static enum jdc_source source_of(const struct jdc_pool *pool)
{
	if (!pool)
		return SOURCE_SOLO;
	return pool->link.mode == JDC_PROXY ? SOURCE_POOL : SOURCE_DECLARED;
}

static void replay_pool_jobs(struct jdc *jdc, struct jdc_pool *pool);

void source_switch(struct jdc *jdc, struct jdc_pool *pool)
{
	enum jdc_source before = jdc->source;

	jdc->active = pool;
	jdc->counts.switches++;
	jdc->counts.solo_times += !pool;
	jdc->counts.held_dropped += jdc->held.count;
	held_clear(&jdc->held);
	source_forget(jdc);
	if (!set_base(jdc, pool))
		return; /* it fails: what is mined is as it was, until another one is found */
	jdc->source = source_of(pool);
	source_make_room(jdc, pool);
	source_bound(jdc);
	mining_outputs_changed(&jdc->mining);
	if (jdc->source == SOURCE_POOL) {
		mining_use_upstream(&jdc->mining);
		replay_pool_jobs(jdc, pool);
		return;
	}
	if (before == SOURCE_NONE || before == SOURCE_POOL)
		mining_use_templates(&jdc->mining);
	else
		mining_refresh(&jdc->mining);
}

void source_prefix(struct jdc *jdc)
{
	if (!set_base(jdc, jdc->active))
		return;
	if (jdc->source == SOURCE_POOL) {
		replay_pool_jobs(jdc, jdc->active);
		return;
	}
	mining_outputs_changed(&jdc->mining);
	mining_refresh(&jdc->mining);
}

void source_outputs(struct jdc *jdc)
{
	source_make_room(jdc, jdc->active);
	mining_outputs_changed(&jdc->mining);
	mining_refresh(&jdc->mining);
}

void source_make_room(struct jdc *jdc, const struct jdc_pool *pool)
{
	struct mining_limits room = payout_limits(&jdc->payout, false);
	struct mining_limits now = jdc->mining.limits;
	struct outputs_summary s;

	if (room.size < ROOM_MIN)
		room.size = ROOM_MIN;
	if (room.sigops < ROOM_SIGOPS_MIN)
		room.sigops = ROOM_SIGOPS_MIN;
	if (pool && outputs_summarize(pool->link.outputs.data, pool->link.outputs.size,
				      (const uint8_t *)"", 0, &s)) {
		if (pool->link.outputs.size > room.size)
			room.size = (uint32_t)pool->link.outputs.size;
		if (s.sigops > room.sigops)
			room.sigops = s.sigops < UINT16_MAX ? (uint16_t)s.sigops : UINT16_MAX;
	}
	/* It only grows: each change is a new template for everyone. */
	if (room.size > now.size || room.sigops > now.sigops)
		mining_set_limits(&jdc->mining, room.size > now.size ? room.size : now.size,
				  room.sigops > now.sigops ? room.sigops : now.sigops);
}

/* Shares that the pool would pay are not to be lost; but before it knows how many miners there are
 * its target may be much too easy for them. (Told of none it may take every hash; then the limit
 * that mining_set_bound() has for each channel is all there is until the first claim.) */
void source_bound(struct jdc *jdc)
{
	const struct jdc_pool *pool = jdc->active;
	uint8_t flood[32];

	jdc->bound_ms = clock_monotonic_ms();
	if (!pool) {
		mining_set_bound(&jdc->mining, NULL);
		return;
	}
	target_from_hashrate((double)pool->link.wanted, SHARES_PER_MINUTE_MAX, flood);
	mining_set_bound(&jdc->mining,
			 target_compare(flood, pool->link.target) < 0 ? flood : pool->link.target);
}

void source_target(struct jdc *jdc)
{
	if (clock_monotonic_ms() - jdc->bound_ms >= BOUND_MS)
		source_bound(jdc); /* else with the next second */
}

/* --- our own jobs ------------------------------------------------------------------------------
 */

/* The pool's: the first gets all of the reward, the others are of value 0 (specification 06 section
 * 6.4.3). Ours, when there is no pool. */
uint32_t source_coinbase(struct jdc *jdc, uint64_t value, struct buf *out)
{
	static const struct payee own = {.own_percent = 100};
	const struct jdc_pool *pool = jdc->active;
	struct outputs_summary s;
	size_t start = out->size;
	size_t count_size;

	if (jdc->source != SOURCE_DECLARED || !pool ||
	    !outputs_summarize(pool->link.outputs.data, pool->link.outputs.size,
			       (const uint8_t *)"", 0, &s))
		return payout_outputs(&jdc->payout, &own, value, out);
	count_size = s.count < 0xfd ? 1 : 3;
	if (!buf_append(out, pool->link.outputs.data + count_size,
			pool->link.outputs.size - count_size))
		return 0;
	for (size_t i = 0; i < 8; i++)
		out->data[start + i] = (uint8_t)(value >> (8 * i));
	return s.count;
}

/* Keeps C, also while there is no channel that has a job of it. */
static void keep(struct jdc *jdc, struct coinbase *c)
{
	struct coinbase *before = jdc->present;

	jdc->present = c;
	coinbase_unref(before);
}

void source_forget(struct jdc *jdc)
{
	keep(jdc, NULL);
}

static struct uplink_work make_work(const struct work *work, const struct template *t,
				    const struct coinbase *c)
{
	struct uplink_work w = {
	    .id = work->id,
	    .version = t->version,
	    .prefix = {.data = t->prefix.data, .size = (uint32_t)t->prefix.size},
	    .suffix = {.data = c->suffix.data, .size = (uint32_t)c->suffix.size},
	    .path = &t->path[0][0],
	    .depth = t->depth,
	    .nbits = t->tip.nbits,
	    .min_ntime = t->tip.min_ntime,
	};

	memcpy(w.prev_hash, t->tip.prev_hash, 32);
	return w;
}

static void declare(struct jdc *jdc, struct template *t)
{
	struct jdc_pool *pool = jdc->active;
	struct coinbase *c = mining_coinbase(&jdc->mining, t);
	struct work *work = c ? c->role : NULL;
	struct uplink_work w;

	keep(jdc, c);
	if (!work ||
	    (work->state != WORK_NEW && work->pool == pool && work->attempt == pool->attempt))
		return;
	w = make_work(work, t, c);
	work->state = WORK_PENDING;
	work->pool = pool;
	work->attempt = pool->attempt;
	if (!uplink_declare(&pool->link, &w))
		work->state = WORK_NEW;
}

void source_adopted(struct jdc *jdc, struct template *t, bool new_tip)
{
	/* A block of ours is the tip of our node at once: the pool has yet to know of it. */
	if (new_tip)
		jdc->counts.held_dropped += held_keep_blocks(&jdc->held, 0);
	if (jdc->source != SOURCE_DECLARED || !jdc->active || !t->provider)
		return;
	uplink_set_tip(&jdc->active->link, t->tip.prev_hash);
	declare(jdc, t);
}

/* --- what a pool makes of them -----------------------------------------------------------------
 */

static const struct work *work_of(const struct judged_share *s)
{
	return s->job->coinbase->role;
}

static bool is_present(const struct jdc *jdc, const struct work *work)
{
	return work && work->state != WORK_NEW && jdc->active && work->pool == jdc->active &&
	       work->attempt == jdc->active->attempt;
}

bool source_need_transactions(struct jdc *jdc, struct jdc_pool *pool, uint64_t id)
{
	const struct work *work = works_find(&jdc->works, id);
	const struct template *t = work && work->coinbase ? work->coinbase->template : NULL;
	struct adit_sv2_request_transaction_data m;

	(void)pool;
	if (!t || !t->provider || !t->provider->conn)
		return false;
	m.template_id = t->id;
	return adit_sv2_send(t->provider->conn, ADIT_SV2_REQUEST_TRANSACTION_DATA, &m) == ADIT_OK;
}

struct forward {
	struct jdc *jdc;
	const struct work *work;
};

/* Only blocks are held longer than their tip; of jobs that are gone there are none on the present.
 */
static bool has_passed(const struct jdc *jdc, const struct work *work)
{
	return !work->coinbase ||
	       memcmp(work->coinbase->template->tip.prev_hash, jdc->active->link.tip, 32) != 0;
}

static void forward(void *context, const struct held_share *s)
{
	const struct forward *f = context;
	const struct uplink_share share = {
	    .job_id = f->work->job_id,
	    .nonce = s->nonce,
	    .ntime = s->ntime,
	    .version = s->version,
	    .extranonce = {.data = s->extranonce, .size = s->extranonce_size},
	    .worker = {.data = s->worker, .size = s->worker_size},
	    .passed = has_passed(f->jdc, f->work),
	};

	if (!s->block && !target_met(s->hash, f->work->target))
		f->jdc->counts.easy_shares++;
	else if (!uplink_submit(&f->jdc->active->link, &share))
		f->jdc->counts.lost_shares++;
}

void source_known(struct jdc *jdc, struct jdc_pool *pool, uint64_t id, uint32_t job_id)
{
	struct work *work = works_find(&jdc->works, id);
	struct work gone = {.pool = pool, .attempt = pool->attempt};
	struct forward f = {jdc, work};

	if (!work) /* of a tip that has passed: its blocks wait still */
		f.work = work = &gone;
	if (pool != jdc->active || work->pool != pool || work->attempt != pool->attempt)
		return;
	work->state = WORK_KNOWN;
	work->job_id = job_id;
	memcpy(work->target, pool->link.target, 32);
	(void)held_take(&jdc->held, id, forward, &f);
}

void source_dropped(struct jdc *jdc, uint64_t id)
{
	struct work *work = works_find(&jdc->works, id);

	jdc->counts.held_dropped += held_take(&jdc->held, id, NULL, NULL);
	if (work)
		work->state = WORK_NEW;
}

/* Of the works whose transactions are waited for, those of TEMPLATE_ID. */
static bool is_of(const struct work *work, const struct provider *provider, uint64_t template_id)
{
	return work->state == WORK_PENDING && work->coinbase &&
	       work->coinbase->template->provider == provider &&
	       work->coinbase->template->id == template_id;
}

/* A template that was superseded just now is nothing unusual. One after the other without their
 * transactions are as good as none. */
void source_starved(struct jdc *jdc)
{
	if (++jdc->starved < STARVED_MAX)
		return;
	jdc->starved = 0;
	jdc->without_templates_ms = clock_monotonic_ms() + STARVED_MS;
	mining_log(&jdc->mining, ADIT_LOG_WARNING,
		   "the template provider does not give the transactions of its templates: for a "
		   "minute pools are asked for their own jobs");
}

void source_transactions(struct jdc *jdc, struct provider *provider,
			 const struct adit_sv2_request_transaction_data_success *m)
{
	struct work *work;
	struct work *next;

	jdc->starved = 0;
	if (!jdc->active)
		return;
	for (work = TAILQ_FIRST(&jdc->works.list); work; work = next) {
		next = TAILQ_NEXT(work, link);
		if (is_of(work, provider, m->template_id))
			uplink_transactions(&jdc->active->link, work->id, &m->excess_data,
					    &m->transaction_list);
	}
}

void source_no_transactions(struct jdc *jdc, struct provider *provider, uint64_t template_id)
{
	struct work *work;
	struct work *next;

	source_starved(jdc);
	if (!jdc->active)
		return;
	for (work = TAILQ_FIRST(&jdc->works.list); work; work = next) {
		next = TAILQ_NEXT(work, link);
		if (is_of(work, provider, template_id))
			uplink_drop(&jdc->active->link, work->id);
	}
}

/* --- the pool's jobs ---------------------------------------------------------------------------
 */

/* Hands M to the miners; its coinbase knows the pool's job id. */
static int32_t give_job(struct jdc *jdc, struct jdc_pool *pool,
			const struct adit_sv2_new_extended_mining_job *m, struct error *e)
{
	struct work *work = work_new(&jdc->works, NULL);
	int32_t result;

	if (!work)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	work->state = WORK_KNOWN;
	work->pool = pool;
	work->attempt = pool->attempt;
	work->job_id = m->job_id;
	memcpy(work->target, pool->link.target, 32);
	result = mining_upstream_job(&jdc->mining, m, work, e);
	if (result != ADIT_OK)
		work_free(&jdc->works, work);
	return result;
}

/* A future job takes the newest target when its time comes (specification 05 section 5.3.21). */
static int32_t give_tip(struct jdc *jdc, struct jdc_pool *pool,
			const struct adit_sv2_set_new_prev_hash *m, struct error *e)
{
	struct work *work = works_find_job(&jdc->works, pool, m->job_id);

	if (work)
		memcpy(work->target, pool->link.target, 32);
	return mining_upstream_tip(&jdc->mining, m, e);
}

/* What is mined as a future job with its tip, then the future ones. */
static void replay_pool_jobs(struct jdc *jdc, struct jdc_pool *pool)
{
	struct pool_jobs *jobs = &pool->jobs;
	struct error e = {0};
	int32_t result = ADIT_OK;

	if (jobs->active) {
		struct adit_sv2_new_extended_mining_job m = jobs->active->message;
		struct adit_sv2_set_new_prev_hash tip = jobs->tip;

		tip.job_id = m.job_id;
		tip.ntime_start = m.ntime_start.value;
		m.ntime_start.present = false;
		result = give_job(jdc, pool, &m, &e);
		if (result == ADIT_OK)
			result = give_tip(jdc, pool, &tip, &e);
	}
	for (uint32_t i = 0; i < jobs->future_count && result == ADIT_OK; i++)
		result = give_job(jdc, pool, &jobs->futures[i]->message, &e);
	if (result != ADIT_OK)
		uplink_fail(&pool->link, UPSTREAM_BROKE_PROTOCOL, "a job: %.120s", e.text);
}

int32_t source_pool_job(struct jdc *jdc, struct jdc_pool *pool,
			const struct adit_sv2_new_extended_mining_job *m, struct error *e)
{
	if (!pool_jobs_add(&pool->jobs, m))
		return error_set(e, ADIT_E_PROTOCOL, "it is too large");
	if (pool != jdc->active || jdc->source != SOURCE_POOL)
		return ADIT_OK;
	return give_job(jdc, pool, m, e);
}

int32_t source_pool_tip(struct jdc *jdc, struct jdc_pool *pool,
			const struct adit_sv2_set_new_prev_hash *m, struct error *e)
{
	if (!pool_jobs_activate(&pool->jobs, m))
		return error_set(e, ADIT_E_PROTOCOL, "there is no such job");
	if (pool != jdc->active || jdc->source != SOURCE_POOL)
		return ADIT_OK;
	return give_tip(jdc, pool, m, e);
}

/* --- shares ------------------------------------------------------------------------------------
 */

/* Who found it, as the pool may be told: the name that the miner said with the share, else the
 * channel's; of a long one what follows the account. */
static struct adit_bytes worker_of(const struct judged_share *s)
{
	const char *user = s->channel->user;
	const char *dot;

	if (s->share->worker.size > 0)
		return s->share->worker;
	if (strlen(user) > HELD_WORKER_MAX && (dot = strrchr(user, '.')) != NULL)
		user = dot + 1;
	return (struct adit_bytes){.data = (const uint8_t *)user, .size = (uint32_t)strlen(user)};
}

_Static_assert(HELD_WORKER_MAX >= UPLINK_WORKER_MAX, "a name that the pool is told fits");

static void hold(struct jdc *jdc, const struct judged_share *s, const struct work *work)
{
	struct held_share *h = held_add(&jdc->held, &jdc->counts.held_dropped);
	struct adit_bytes worker = uplink_worker_name(worker_of(s));

	if (!h)
		return;
	h->work = work->id;
	h->nonce = s->share->nonce;
	h->ntime = s->share->ntime;
	h->version = s->share->version;
	h->block = s->result == SHARE_BLOCK;
	h->extranonce_size = (uint8_t)mining_share_extranonce(s, h->extranonce);
	h->worker_size = (uint8_t)worker.size;
	memcpy(h->worker, worker.data, h->worker_size);
	memcpy(h->hash, s->hash, 32);
}

static void submit(struct jdc *jdc, const struct judged_share *s, const struct work *work)
{
	uint8_t extranonce[32];
	const struct uplink_share share = {
	    .job_id = work->job_id,
	    .nonce = s->share->nonce,
	    .ntime = s->share->ntime,
	    .version = s->share->version,
	    .extranonce = {.data = extranonce,
			   .size = (uint32_t)mining_share_extranonce(s, extranonce)},
	    .worker = worker_of(s),
	};

	if (s->result != SHARE_BLOCK && !target_met(s->hash, work->target))
		jdc->counts.easy_shares++;
	else if (!uplink_submit(&jdc->active->link, &share))
		jdc->counts.lost_shares++;
}

void source_share(struct jdc *jdc, const struct judged_share *s)
{
	const struct work *work;

	if (jdc->source == SOURCE_SOLO)
		return;
	work = work_of(s);
	if (!is_present(jdc, work))
		jdc->counts.lost_shares++;
	else if (work->state == WORK_KNOWN)
		submit(jdc, s, work);
	else
		hold(jdc, s, work);
}

/* The template provider has it already. The declaration server, which knows the transactions, too,
 * makes a block of it as well. */
void source_block(struct jdc *jdc, const struct judged_share *s)
{
	const struct template *t = s->job->template;
	const struct work *work = work_of(s);
	uint8_t extranonce[32];
	struct uplink_share share = {
	    .nonce = s->share->nonce, .ntime = s->share->ntime, .version = s->share->version};

	if (!t->provider || !is_present(jdc, work))
		return;
	memcpy(extranonce, s->job->prefix, s->job->prefix_size);
	if (s->share->extranonce_size > 0)
		memcpy(extranonce + s->job->prefix_size, s->share->extranonce,
		       s->share->extranonce_size);
	share.extranonce = (struct adit_bytes){
	    .data = extranonce, .size = s->job->prefix_size + s->share->extranonce_size};
	(void)uplink_push_solution(&jdc->active->link, work->id, &share, t->tip.prev_hash,
				   t->tip.nbits);
}
