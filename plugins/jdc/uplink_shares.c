/* SPDX-License-Identifier: MIT */
/* uplink_shares.c: shares and solutions go to the pool; what it says of them. */
#include "config.h"

#include "plugins/jdc/uplink.h"

#include <string.h>

struct adit_bytes uplink_worker_name(struct adit_bytes name)
{
	if (name.size <= UPLINK_WORKER_MAX)
		return name;
	name.size = UPLINK_WORKER_MAX;
	while (name.size > 0 && (name.data[name.size] & 0xc0) == 0x80)
		name.size--;
	return name;
}

bool uplink_submit(struct uplink *u, const struct uplink_share *s)
{
	struct adit_sv2_submit_shares_extended m = {
	    .channel_id = u->channel_id,
	    .sequence_number = u->sequence + 1,
	    .job_id = s->job_id,
	    .nonce = s->nonce,
	    .ntime = s->ntime,
	    .version = s->version,
	    .extranonce = s->extranonce,
	};

	if (!uplink_alive(u) || u->mining.conn == NULL || !u->open)
		return false;
	if (s->worker.size > 0 && (adit_sv2_extensions(u->mining.conn) & ADIT_SV2_WORKER_HASHRATE))
		m.user_identity = uplink_worker_name(s->worker);
	if (adit_sv2_send(u->mining.conn, ADIT_SV2_SUBMIT_SHARES_EXTENDED, &m) != ADIT_OK)
		return false;
	u->sequence++;
	u->sent[u->sequence % UPLINK_SENT_MAX].sequence = u->sequence;
	u->sent[u->sequence % UPLINK_SENT_MAX].tip_number = u->tip_number - s->passed;
	u->counts.submitted++;
	u->unanswered++;
	return true;
}

static bool push(struct uplink *u, const struct uplink_share *s, const uint8_t prev_hash[32],
		 uint32_t nbits)
{
	struct adit_sv2_push_solution m = {.extranonce = s->extranonce,
					   .nonce = s->nonce,
					   .ntime = s->ntime,
					   .nbits = nbits,
					   .version = s->version};

	memcpy(m.prev_hash.b, prev_hash, 32);
	if (adit_sv2_send(u->jds.conn, ADIT_SV2_PUSH_SOLUTION, &m) != ADIT_OK)
		return false;
	u->counts.solutions++;
	return true;
}

/* One of each job: a second one is a block beside the first. */
static bool keep_solution(struct declaration *d, const struct uplink_share *s)
{
	struct uplink_solution *k = &d->solution;

	if (k->there || s->extranonce.size > sizeof k->extranonce)
		return false;
	*k = (struct uplink_solution){.there = true,
				      .nonce = s->nonce,
				      .ntime = s->ntime,
				      .version = s->version,
				      .extranonce_size = (uint8_t)s->extranonce.size};
	memcpy(k->extranonce, s->extranonce.data, s->extranonce.size);
	return true;
}

bool uplink_push_solution(struct uplink *u, uint64_t id, const struct uplink_share *s,
			  const uint8_t prev_hash[32], uint32_t nbits)
{
	struct declaration *d = uplink_find_work(u, id);

	if (!u->connected || u->mode != JDC_FULL_TEMPLATE || u->jds.conn == NULL)
		return false;
	if (d != NULL && !d->declared)
		return keep_solution(d, s);
	return push(u, s, prev_hash, nbits);
}

void uplink_declared(struct uplink *u, struct declaration *d)
{
	struct uplink_solution *k = &d->solution;
	const struct uplink_share share = {
	    .nonce = k->nonce,
	    .ntime = k->ntime,
	    .version = k->version,
	    .extranonce = {.data = k->extranonce, .size = k->extranonce_size}};

	u->counts.declared++;
	d->declared = true;
	if (k->there)
		(void)push(u, &share, d->prev_hash, d->nbits);
	k->there = false;
}

/* --- answers -----------------------------------------------------------------------------------
 */

int32_t uplink_on_accepted(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_submit_shares_success *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;
	uint32_t count = m->new_submits_accepted_count;

	(void)conn;
	if (!uplink_alive(u) || !u->open || m->channel_id != u->channel_id)
		return ADIT_OK;
	/* A pool can't accept more than it was sent. */
	if (count > u->unanswered)
		count = (uint32_t)u->unanswered;
	u->unanswered -= count;
	u->counts.accepted += count;
	if (u->o.events->accepted)
		u->o.events->accepted(u->o.context, u, count, m->new_shares_sum);
	return ADIT_OK;
}

/* A share of a job that the pool knew, on the tip that is ours still: it does not keep its word.
 * Unless it says that the tip is old, and soon is right. */
int32_t uplink_on_refused(void *context, struct adit_sv2_conn *conn,
			  const struct adit_sv2_submit_shares_error *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;
	uint32_t at = m->sequence_number % UPLINK_SENT_MAX;
	char text[64];

	(void)conn;
	if (!uplink_alive(u) || !u->open || m->channel_id != u->channel_id ||
	    m->sequence_number == 0 || m->sequence_number > u->sequence)
		return ADIT_OK;
	u->counts.refused++;
	u->unanswered -= u->unanswered > 0;
	uplink_text(&m->error_code, text, sizeof text);
	if (u->o.events->refused)
		u->o.events->refused(u->o.context, u, text);
	if (u->sent[at].sequence != m->sequence_number || u->sent[at].tip_number != u->tip_number) {
		u->counts.refused_stale++;
		return ADIT_OK;
	}
	if (!uplink_code_stale(&m->error_code)) {
		uplink_fail(u, UPSTREAM_SHARE_REFUSED, "SubmitShares.Error: %s", text);
		return ADIT_OK;
	}
	u->counts.refused_stale++;
	uplink_called_stale(&u->stale_ms);
	return ADIT_OK;
}
