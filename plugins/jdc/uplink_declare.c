/* SPDX-License-Identifier: MIT */
/* uplink_declare.c: jobs on their way to be known by the pool. */
#include "config.h"

#include "plugins/jdc/uplink.h"

#include <string.h>

#include "lib/bitcoin/declared_coinbase.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/clock.h"
#include "lib/util/reader.h"

/* Of a stripped coinbase: version, one input, no transaction, its index, length of the scriptSig.
 */
#define SCRIPT_AT (4 + 1 + 32 + 4 + 1)

/* --- places ------------------------------------------------------------------------------------
 */

static bool is_used(const struct declaration *d)
{
	return d->state != DECLARATION_NONE;
}

static void release(struct uplink *u, struct declaration *d)
{
	u->held -= d->txs.size;
	buf_free(&d->prefix);
	buf_free(&d->suffix);
	buf_free(&d->txs);
	buf_free(&d->excess);
	buf_free(&d->wtxids);
	*d = (struct declaration){0};
}

void uplink_declaration_end(struct uplink *u, struct declaration *d, bool tell)
{
	uint64_t id = d->id;

	release(u, d);
	if (tell && u->o.events->dropped)
		u->o.events->dropped(u->o.context, u, id);
}

void uplink_forget_declarations(struct uplink *u)
{
	for (uint32_t i = 0; i < UPLINK_DECLARATIONS_MAX; i++) {
		if (is_used(&u->declarations[i]))
			release(u, &u->declarations[i]);
	}
}

uint32_t uplink_pending(const struct uplink *u)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < UPLINK_DECLARATIONS_MAX; i++)
		count += is_used(&u->declarations[i]);
	return count;
}

struct declaration *uplink_find_work(struct uplink *u, uint64_t id)
{
	for (uint32_t i = 0; i < UPLINK_DECLARATIONS_MAX; i++) {
		if (is_used(&u->declarations[i]) && u->declarations[i].id == id)
			return &u->declarations[i];
	}
	return NULL;
}

struct declaration *uplink_find_request(struct uplink *u, enum declaration_state state,
					uint32_t request_id)
{
	for (uint32_t i = 0; i < UPLINK_DECLARATIONS_MAX; i++) {
		struct declaration *d = &u->declarations[i];

		if (d->state == state && d->request_id == request_id)
			return d;
	}
	return NULL;
}

/* Whether D was said to nobody yet, or has to be said again. */
static bool is_unsaid(const struct declaration *d)
{
	return d->state == DECLARATION_TRANSACTIONS || d->state == DECLARATION_TOKEN ||
	       d->state == DECLARATION_REFUSED;
}

/* Whether D may be dropped for others. One that makes a block has to be declared. */
static bool may_go(const struct declaration *d)
{
	return is_unsaid(d) && !d->solution.there;
}

static void drop(struct uplink *u, struct declaration *d)
{
	u->counts.dropped++;
	uplink_declaration_end(u, d, true);
}

/* The oldest one that may be dropped; NULL: none. */
static struct declaration *oldest_that_may_go(struct uplink *u)
{
	struct declaration *oldest = NULL;

	for (uint32_t i = 0; i < UPLINK_DECLARATIONS_MAX; i++) {
		struct declaration *d = &u->declarations[i];

		if (may_go(d) && (!oldest || d->id < oldest->id))
			oldest = d;
	}
	return oldest;
}

static struct declaration *take_place(struct uplink *u)
{
	if (uplink_pending(u) >= u->o.settings->max_declarations) {
		struct declaration *oldest = oldest_that_may_go(u);

		if (!oldest)
			return NULL;
		drop(u, oldest);
	}
	for (uint32_t i = 0; i < UPLINK_DECLARATIONS_MAX; i++) {
		if (!is_used(&u->declarations[i]))
			return &u->declarations[i];
	}
	return NULL;
}

/* --- messages ----------------------------------------------------------------------------------
 */

static void enter(struct declaration *d, enum declaration_state state, uint64_t now_ms)
{
	d->state = state;
	d->since_ms = now_ms;
}

static uint32_t read_u32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* DeclareMiningJob (specification 06 section 6.4.4). */
static void send_declaration(struct uplink *u, struct declaration *d,
			     const struct uplink_token *token, uint64_t now_ms)
{
	struct adit_sv2_declare_mining_job m = {
	    .request_id = ++u->last_request,
	    .mining_job_token = {.data = token->data, .size = token->size},
	    .version = d->version,
	    .wtxid_list = {.data = d->wtxids.data,
			   .size = (uint32_t)d->wtxids.size,
			   .count = d->tx_count},
	    .excess_data = {.data = d->excess.data, .size = (uint32_t)d->excess.size},
	};
	struct buf prefix = {0};
	struct buf suffix = {0};

	if (declared_coinbase_write(d->prefix.data, d->prefix.size, d->suffix.data, d->suffix.size,
				    &prefix, &suffix)) {
		m.coinbase_tx_prefix =
		    (struct adit_bytes){.data = prefix.data, .size = (uint32_t)prefix.size};
		m.coinbase_tx_suffix =
		    (struct adit_bytes){.data = suffix.data, .size = (uint32_t)suffix.size};
		d->request_id = m.request_id;
		d->provided = 0;
		enter(d, DECLARATION_DECLARED, now_ms);
		adit_sv2_send(u->jds.conn, ADIT_SV2_DECLARE_MINING_JOB, &m);
	} else {
		drop(u, d);
	}
	buf_free(&prefix);
	buf_free(&suffix);
}

/* SetCustomMiningJob (specification 05 section 5.3.18): the coinbase in its parts. */
void uplink_set_job(struct uplink *u, struct declaration *d, const struct adit_bytes *token,
		    uint64_t now_ms)
{
	const uint8_t *prefix = d->prefix.data;
	const uint8_t *suffix = d->suffix.data;
	size_t end = d->suffix.size - 4;
	struct adit_sv2_set_custom_mining_job m = {
	    .channel_id = u->channel_id,
	    .request_id = ++u->last_request,
	    .mining_job_token = *token,
	    .version = d->version,
	    .ntime_start = d->min_ntime,
	    .nbits = d->nbits,
	    .coinbase_tx_version = read_u32(prefix),
	    .coinbase_prefix = {.data = prefix + SCRIPT_AT,
				.size = (uint32_t)(d->prefix.size - SCRIPT_AT)},
	    .coinbase_tx_input_n_sequence = read_u32(suffix),
	    .coinbase_tx_outputs = {.data = suffix + 4, .size = (uint32_t)(end - 4)},
	    .coinbase_tx_locktime = read_u32(suffix + end),
	    .merkle_path = {.data = &d->path[0][0], .size = d->depth * 32, .count = d->depth},
	};

	memcpy(m.prev_hash.b, d->prev_hash, 32);
	if (u->mining.conn == NULL || !u->open)
		return;
	d->request_id = m.request_id;
	enter(d, DECLARATION_SET, now_ms);
	adit_sv2_send(u->mining.conn, ADIT_SV2_SET_CUSTOM_MINING_JOB, &m);
}

/* D, which was refused as stale, waits to be declared again: to a pool whose node is behind ours
 * the tip is not there yet, and without this its miners would work for nothing until the next
 * template. False: it has waited enough, or what it takes has made way for others. */
static bool wait_again(struct uplink *u, struct declaration *d)
{
	uint64_t now = clock_monotonic_ms();

	if (d->stale_ms == 0)
		d->stale_ms = now;
	if (now - d->stale_ms >= u->o.settings->answer_timeout_ms ||
	    (d->tx_count > 0 && d->txs.size == 0))
		return false;
	enter(d, DECLARATION_REFUSED, now);
	return true;
}

/* A refusal is our own fault when the tip has passed. When the code says so and we know of no other
 * tip, the pool may be faster, or slower: it has answer_timeout to be right. */
void uplink_refused(struct uplink *u, struct declaration *d, const char *what,
		    const struct adit_bytes *code)
{
	bool passed = !u->has_tip || memcmp(d->prev_hash, u->tip, 32) != 0;
	bool stale = uplink_code_stale(code);
	char text[64];

	uplink_text(code, text, sizeof text);
	if (!passed && !stale) {
		uplink_fail(u, UPSTREAM_DECLARATION_REFUSED, "%s: %s", what, text);
		return;
	}
	u->counts.stale++;
	if (!passed)
		uplink_called_stale(&u->stale_job_ms);
	uplink_log(u, ADIT_LOG_DEBUG, "%s: %s, of %s", what, text,
		   passed ? "a tip that has passed" : "our present tip");
	if (passed || !wait_again(u, d))
		uplink_declaration_end(u, d, true);
}

/* --- steps -------------------------------------------------------------------------------------
 */

/* A job with a solution is of a tip that has passed, most likely: of that the provider need not
 * have the transactions any more. */
static void step_transactions(struct uplink *u, struct declaration *d, uint64_t now_ms)
{
	bool solved = d->solution.there;

	if (!d->asked && u->o.events->need_transactions)
		d->asked = u->o.events->need_transactions(u->o.context, u, d->id);
	if (now_ms < d->since_ms || now_ms - d->since_ms < u->o.settings->answer_timeout_ms)
		return;
	drop(u, d);
	if (!solved && u->o.events->starved)
		u->o.events->starved(u->o.context, u);
}

static void step_token(struct uplink *u, struct declaration *d, uint64_t now_ms)
{
	struct uplink_token token;
	struct adit_bytes bytes;

	if (u->jds.conn == NULL || u->mining.conn == NULL || !u->open ||
	    !uplink_take_token(u, now_ms, &token))
		return;
	bytes = (struct adit_bytes){.data = token.data, .size = token.size};
	if (u->mode == JDC_COINBASE_ONLY)
		uplink_set_job(u, d, &bytes, now_ms);
	else
		send_declaration(u, d, &token, now_ms);
}

static void step_refused(struct uplink *u, struct declaration *d, uint64_t now_ms)
{
	if (memcmp(d->prev_hash, u->tip, 32) != 0 && may_go(d)) {
		drop(u, d);
		return;
	}
	if (now_ms < d->since_ms || now_ms - d->since_ms < UPLINK_AGAIN_MS)
		return;
	enter(d, DECLARATION_TOKEN, now_ms);
	step_token(u, d, now_ms);
}

static void check_answer(struct uplink *u, const struct declaration *d, uint64_t now_ms)
{
	if (now_ms - d->since_ms < u->o.settings->answer_timeout_ms || now_ms < d->since_ms)
		return;
	uplink_fail(u, UPSTREAM_UNANSWERED, "%s: no answer",
		    d->state == DECLARATION_SET ? "SetCustomMiningJob" : "DeclareMiningJob");
}

/* The newest first: what miners work on now matters most. */
void uplink_step(struct uplink *u, uint64_t now_ms)
{
	uint64_t below = UINT64_MAX;

	while (uplink_alive(u)) {
		struct declaration *d = NULL;

		for (uint32_t i = 0; i < UPLINK_DECLARATIONS_MAX; i++) {
			struct declaration *at = &u->declarations[i];

			if (is_used(at) && at->id < below && (!d || at->id > d->id))
				d = at;
		}
		if (!d)
			break;
		below = d->id;
		if (d->state == DECLARATION_TRANSACTIONS)
			step_transactions(u, d, now_ms);
		else if (d->state == DECLARATION_TOKEN)
			step_token(u, d, now_ms);
		else if (d->state == DECLARATION_REFUSED)
			step_refused(u, d, now_ms);
		else
			check_answer(u, d, now_ms);
	}
	if (uplink_alive(u) && u->jds.conn != NULL)
		uplink_fill_tokens(u, now_ms);
}

/* --- from outside ------------------------------------------------------------------------------
 */

static bool work_fits(const struct uplink_work *w)
{
	return w->prefix.size > SCRIPT_AT && w->suffix.size > 8 && w->depth <= MERKLE_MAX_DEPTH;
}

static bool copy_work(struct declaration *d, const struct uplink_work *w)
{
	d->id = w->id;
	d->version = w->version;
	d->depth = w->depth;
	if (w->depth > 0)
		memcpy(d->path, w->path, (size_t)w->depth * 32);
	memcpy(d->prev_hash, w->prev_hash, 32);
	d->nbits = w->nbits;
	d->min_ntime = w->min_ntime;
	return buf_append(&d->prefix, w->prefix.data, w->prefix.size) &&
	       buf_append(&d->suffix, w->suffix.data, w->suffix.size);
}

void uplink_drop_unsaid(struct uplink *u)
{
	for (uint32_t i = 0; i < UPLINK_DECLARATIONS_MAX; i++) {
		if (is_unsaid(&u->declarations[i]))
			drop(u, &u->declarations[i]);
	}
}

static void drop_passed(struct uplink *u, const uint8_t prev_hash[32])
{
	for (uint32_t i = 0; i < UPLINK_DECLARATIONS_MAX; i++) {
		struct declaration *d = &u->declarations[i];

		if (may_go(d) && memcmp(d->prev_hash, prev_hash, 32) != 0)
			drop(u, d);
	}
}

bool uplink_declare(struct uplink *u, const struct uplink_work *w)
{
	uint64_t now = clock_monotonic_ms();
	struct declaration *d;

	if (!uplink_alive(u) || !u->ready || u->mode == JDC_PROXY || !work_fits(w))
		return false;
	drop_passed(u, w->prev_hash);
	d = take_place(u);
	if (!d || !copy_work(d, w)) {
		if (d)
			release(u, d);
		u->counts.dropped++;
		return false;
	}
	enter(d, u->mode == JDC_FULL_TEMPLATE ? DECLARATION_TRANSACTIONS : DECLARATION_TOKEN, now);
	uplink_step(u, now);
	return true;
}

/* Each transaction's wtxid, and all of them as they came. */
static bool read_transactions(struct declaration *d, const struct adit_sv2_seq *list)
{
	struct reader r;

	reader_init(&r, list->data, list->size);
	for (uint32_t i = 0; i < list->count; i++) {
		uint32_t size = reader_u24(&r);
		const uint8_t *data = reader_bytes(&r, size);
		uint8_t wtxid[32];
		struct reader one;
		struct tx tx;

		if (r.failed)
			return false;
		reader_init(&one, data, size);
		if (!tx_parse(&one, &tx) || reader_left(&one) > 0)
			return false;
		tx_wtxid(&tx, wtxid);
		if (!buf_append(&d->wtxids, wtxid, 32))
			return false;
	}
	d->tx_count = list->count;
	return buf_append(&d->txs, list->data, list->size);
}

static void forget_transactions(struct uplink *u, struct declaration *d)
{
	u->held -= d->txs.size;
	buf_free(&d->txs);
}

/* Lets go what is kept of jobs that the declaration server has, for the case only that the pool
 * refuses them as stale. Nobody asks for it. */
static void forget_kept(struct uplink *u, size_t size)
{
	for (uint32_t i = 0; i < UPLINK_DECLARATIONS_MAX; i++) {
		if (u->held + size <= u->o.settings->template_bytes)
			return;
		if (u->declarations[i].state == DECLARATION_SET)
			forget_transactions(u, &u->declarations[i]);
	}
}

/* Room for SIZE bytes of transactions: what was not said yet makes way, but not D. */
static bool make_room(struct uplink *u, struct declaration *d, size_t size)
{
	forget_kept(u, size);
	while (u->held + size > u->o.settings->template_bytes) {
		struct declaration *victim = NULL;

		for (uint32_t i = 0; i < UPLINK_DECLARATIONS_MAX; i++) {
			struct declaration *at = &u->declarations[i];

			if (at != d && may_go(at) && at->txs.size > 0 &&
			    (!victim || at->id < victim->id))
				victim = at;
		}
		if (!victim)
			return false;
		drop(u, victim);
	}
	return true;
}

void uplink_transactions(struct uplink *u, uint64_t id, const struct adit_bytes *excess,
			 const struct adit_sv2_seq *list)
{
	struct declaration *d = uplink_find_work(u, id);
	uint64_t now = clock_monotonic_ms();
	bool taken;

	if (!d || d->state != DECLARATION_TRANSACTIONS)
		return;
	taken = make_room(u, d, list->size) && read_transactions(d, list) &&
		buf_append(&d->excess, excess->data, excess->size);
	u->held += d->txs.size;
	if (!taken) {
		uplink_log(u, ADIT_LOG_WARNING, "a job of %u transactions is not declared: %s",
			   list->count,
			   d->wtxids.failed || d->txs.failed ? "out of memory"
			   : d->tx_count == 0 ? "they are no transactions, or too many bytes"
					      : "out of memory");
		drop(u, d);
		return;
	}
	enter(d, DECLARATION_TOKEN, now);
	uplink_step(u, now);
}

void uplink_drop(struct uplink *u, uint64_t id)
{
	struct declaration *d = uplink_find_work(u, id);

	if (!d || !is_unsaid(d))
		return;
	uplink_log(u, ADIT_LOG_DEBUG, "a job is not declared: its transactions can't be had");
	drop(u, d);
}

void uplink_ask_again(struct uplink *u)
{
	for (uint32_t i = 0; i < UPLINK_DECLARATIONS_MAX; i++) {
		if (u->declarations[i].state == DECLARATION_TRANSACTIONS)
			u->declarations[i].asked = false;
	}
}
