/* SPDX-License-Identifier: MIT */
/* uplink_mining.c: the channel at the pool, and the pool's own jobs. */
#include "config.h"

#include "plugins/jdc/uplink.h"

#include <string.h>

#include "lib/util/clock.h"

#define EXTRANONCE_MAX 32
/* A stripped coinbase up to the scriptSig's length: version, one input, no transaction, its index.
 */
#define SCRIPT_SIZE_AT (4 + 1 + 32 + 4)

/* --- the channel -------------------------------------------------------------------------------
 */

/* Exactly one, extended, whatever miners there are. */
static void open_channel(struct uplink *u)
{
	const char *user = u->o.pool->user;
	struct adit_sv2_open_extended_mining_channel m = {
	    .request_id = ++u->last_request,
	    .user_identity = {.data = (const uint8_t *)user, .size = (uint32_t)strlen(user)},
	    .nominal_hash_rate = u->wanted,
	    .min_extranonce_size = (uint16_t)(u->o.settings->mining.rollable + JDC_NUMBER_SIZE),
	};

	memset(m.max_target.b, 0xff, sizeof m.max_target.b);
	u->open_request = m.request_id;
	u->opening_ms = u->claimed_ms = clock_monotonic_ms();
	u->claimed = u->wanted;
	adit_sv2_send(u->mining.conn, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL, &m);
}

static void on_opened(void *context, struct adit_sv2_conn *conn,
		      const struct adit_sv2_setup_connection_success *success)
{
	struct uplink_side *side = context;
	struct uplink *u = side->uplink;

	uplink_side_opened(side, conn);
	if (!uplink_alive(u))
		return;
	if ((success->flags & ADIT_SV2_REQUIRES_FIXED_VERSION) &&
	    u->o.settings->mining.version_rolling) {
		uplink_fail(u, UPSTREAM_SETUP_REFUSED,
			    "it wants the block version unchanged: version_rolling = no");
		return;
	}
	open_channel(u);
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	(void)conn;
	uplink_side_closed(context, reason);
}

/* All bits zero: no share would ever meet it. */
static bool target_valid(const struct adit_u256 *target)
{
	static const uint8_t zero[32];

	return memcmp(target->b, zero, 32) != 0;
}

static int32_t on_channel(void *context, struct adit_sv2_conn *conn,
			  const struct adit_sv2_open_extended_mining_channel_success *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;
	uint32_t least = u->o.settings->mining.rollable + JDC_NUMBER_SIZE;

	(void)conn;
	if (!uplink_alive(u))
		return ADIT_OK;
	if (u->open || u->opening_ms == 0 || m->request_id != u->open_request) {
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL, "a channel that was not asked for");
		return ADIT_OK;
	}
	u->opening_ms = 0;
	if (m->extranonce_size < least ||
	    m->extranonce_prefix.size + m->extranonce_size > EXTRANONCE_MAX) {
		uplink_fail(u, UPSTREAM_CHANNEL_REFUSED,
			    "an extranonce of %u bytes behind %u: expected %u at least, and %d "
			    "together at most",
			    m->extranonce_size, m->extranonce_prefix.size, least, EXTRANONCE_MAX);
		return ADIT_OK;
	}
	if (!target_valid(&m->target)) {
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL, "a target of zero");
		return ADIT_OK;
	}
	u->open = true;
	u->channel_id = m->channel_id;
	u->has_group = m->group_channel_id.present;
	u->group_id = m->group_channel_id.value;
	u->extranonce_size = m->extranonce_size;
	u->prefix_size = (uint8_t)m->extranonce_prefix.size;
	memcpy(u->prefix, m->extranonce_prefix.data, u->prefix_size);
	memcpy(u->target, m->target.b, 32);
	uplink_check_ready(u);
	return ADIT_OK;
}

static int32_t on_standard_channel(void *context, struct adit_sv2_conn *conn,
				   const struct adit_sv2_open_standard_mining_channel_success *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;

	(void)conn;
	(void)m;
	uplink_fail(u, UPSTREAM_BROKE_PROTOCOL, "a standard channel, which was not asked for");
	return ADIT_OK;
}

static int32_t on_open_error(void *context, struct adit_sv2_conn *conn,
			     const struct adit_sv2_open_mining_channel_error *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;
	char text[64];

	(void)conn;
	uplink_fail(u, UPSTREAM_CHANNEL_REFUSED, "OpenMiningChannel.Error: %s",
		    uplink_text(&m->error_code, text, sizeof text));
	return ADIT_OK;
}

/* Whether a message to ID is to our channel. */
static bool is_ours(const struct uplink *u, uint32_t id, bool groups)
{
	return u->open && (id == u->channel_id || (groups && u->has_group && id == u->group_id));
}

static int32_t on_update_error(void *context, struct adit_sv2_conn *conn,
			       const struct adit_sv2_update_channel_error *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;
	char text[64];

	(void)conn;
	uplink_log(u, u->update_refused ? ADIT_LOG_DEBUG : ADIT_LOG_WARNING,
		   "UpdateChannel.Error: %s", uplink_text(&m->error_code, text, sizeof text));
	u->update_refused = true;
	return ADIT_OK;
}

static int32_t on_close_channel(void *context, struct adit_sv2_conn *conn,
				const struct adit_sv2_close_channel *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;
	char text[64];

	(void)conn;
	if (is_ours(u, m->channel_id, true))
		uplink_fail(u, UPSTREAM_CHANNEL_REFUSED, "CloseChannel: %s",
			    uplink_text(&m->reason_code, text, sizeof text));
	return ADIT_OK;
}

/* For custom jobs that come after it, and new jobs (specification 05 section 5.3.10). A message to
 * a group is ignored. The length can't change: jobs of the group say it. */
static int32_t on_prefix(void *context, struct adit_sv2_conn *conn,
			 const struct adit_sv2_set_extranonce_prefix *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;

	(void)conn;
	if (!uplink_alive(u) || !is_ours(u, m->channel_id, false))
		return ADIT_OK;
	if (m->extranonce_prefix.size != u->prefix_size) {
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL,
			    "SetExtranoncePrefix: %u bytes where there were %u",
			    m->extranonce_prefix.size, u->prefix_size);
		return ADIT_OK;
	}
	if (memcmp(u->prefix, m->extranonce_prefix.data, u->prefix_size) == 0 ||
	    !uplink_may_change(u))
		return ADIT_OK;
	memcpy(u->prefix, m->extranonce_prefix.data, u->prefix_size);
	if (u->ready && u->o.events->prefix)
		u->o.events->prefix(u->o.context, u);
	return ADIT_OK;
}

static int32_t on_target(void *context, struct adit_sv2_conn *conn,
			 const struct adit_sv2_set_target *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;

	(void)conn;
	if (!uplink_alive(u) || !is_ours(u, m->channel_id, true))
		return ADIT_OK;
	if (!target_valid(&m->target)) {
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL, "SetTarget: a target of zero");
		return ADIT_OK;
	}
	memcpy(u->target, m->target.b, 32);
	if (u->ready && u->o.events->target)
		u->o.events->target(u->o.context, u);
	return ADIT_OK;
}

static int32_t on_group(void *context, struct adit_sv2_conn *conn,
			const struct adit_sv2_set_group_channel *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;

	(void)conn;
	if (!uplink_alive(u) || !u->open)
		return ADIT_OK;
	if (m->group_channel_id == u->channel_id) {
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL, "SetGroupChannel: the id of our channel");
		return ADIT_OK;
	}
	for (uint32_t i = 0; i < m->channel_ids.count; i++) {
		const uint8_t *at = m->channel_ids.data + 4 * (size_t)i;
		uint32_t id =
		    at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;

		if (id != u->channel_id)
			continue;
		u->has_group = true;
		u->group_id = m->group_channel_id;
	}
	return ADIT_OK;
}

/* --- the pool's jobs ---------------------------------------------------------------------------
 */

/* Whether the coinbase has room for exactly the extranonce that was agreed on. */
static bool job_fits(const struct uplink *u, const struct adit_sv2_new_extended_mining_job *m)
{
	const struct adit_bytes *prefix = &m->coinbase_tx_prefix;
	size_t full = (size_t)u->prefix_size + u->extranonce_size;

	if (prefix->size <= SCRIPT_SIZE_AT || prefix->size > SCRIPT_SIZE_AT + 101 ||
	    prefix->data[4] != 1)
		return false;
	return prefix->data[SCRIPT_SIZE_AT] == prefix->size - SCRIPT_SIZE_AT - 1 + full;
}

static void remember_future(struct uplink *u, uint32_t id)
{
	if (u->future_count == UPLINK_FUTURES_MAX)
		memmove(u->futures, u->futures + 1, --u->future_count * sizeof u->futures[0]);
	u->futures[u->future_count++] = id;
}

static bool knows_future(const struct uplink *u, uint32_t id)
{
	for (uint32_t i = 0; i < u->future_count; i++) {
		if (u->futures[i] == id)
			return true;
	}
	return false;
}

static void got_job(struct uplink *u)
{
	u->has_job = true;
	uplink_check_ready(u);
}

/* Whether what the pool says of its jobs on CHANNEL_ID is to be looked at; else it is counted. With
 * work selection there are none (specification 05 section 5.3.1); older pools send them. */
static bool is_pool_work(struct uplink *u, uint32_t channel_id)
{
	if (!uplink_alive(u))
		return false;
	if (u->mode == JDC_PROXY && is_ours(u, channel_id, true))
		return true;
	u->counts.ignored++;
	return false;
}

static int32_t on_job(void *context, struct adit_sv2_conn *conn,
		      const struct adit_sv2_new_extended_mining_job *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;
	struct error e = {0};

	(void)conn;
	if (!is_pool_work(u, m->channel_id))
		return ADIT_OK;
	if (!job_fits(u, m)) {
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL, "a job without room for our extranonce");
		return ADIT_OK;
	}
	if (m->ntime_start.present && !u->has_pool_tip) {
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL, "a job before any tip");
		return ADIT_OK;
	}
	if (u->o.events->job && u->o.events->job(u->o.context, u, m, &e) != ADIT_OK) {
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL, "a job: %.120s", e.text);
		return ADIT_OK;
	}
	if (m->ntime_start.present)
		got_job(u);
	else
		remember_future(u, m->job_id);
	return ADIT_OK;
}

static int32_t on_new_prev_hash(void *context, struct adit_sv2_conn *conn,
				const struct adit_sv2_set_new_prev_hash *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;
	struct error e = {0};

	(void)conn;
	if (!is_pool_work(u, m->channel_id))
		return ADIT_OK;
	if (!knows_future(u, m->job_id)) {
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL,
			    "SetNewPrevHash for job %u, which it has not sent", m->job_id);
		return ADIT_OK;
	}
	if (u->o.events->tip && u->o.events->tip(u->o.context, u, m, &e) != ADIT_OK) {
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL, "SetNewPrevHash: %.120s", e.text);
		return ADIT_OK;
	}
	u->future_count = 0;
	u->has_pool_tip = true;
	uplink_set_tip(u, m->prev_hash.b);
	got_job(u);
	return ADIT_OK;
}

/* We have no standard channel. */
static int32_t on_standard_job(void *context, struct adit_sv2_conn *conn,
			       const struct adit_sv2_new_mining_job *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;

	(void)conn;
	(void)m;
	u->counts.ignored++;
	return ADIT_OK;
}

/* --- custom jobs -------------------------------------------------------------------------------
 */

static int32_t on_custom_success(void *context, struct adit_sv2_conn *conn,
				 const struct adit_sv2_set_custom_mining_job_success *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;
	struct declaration *d = uplink_find_request(u, DECLARATION_SET, m->request_id);
	uint64_t id;

	(void)conn;
	if (!uplink_alive(u))
		return ADIT_OK;
	if (!d || m->channel_id != u->channel_id) {
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL,
			    "SetCustomMiningJob.Success for nothing that was asked");
		return ADIT_OK;
	}
	id = d->id;
	u->counts.known++;
	if (memcmp(d->prev_hash, u->tip, 32) == 0)
		u->stale_job_ms = 0;
	uplink_declaration_end(u, d, false);
	if (u->o.events->known)
		u->o.events->known(u->o.context, u, id, m->job_id);
	return ADIT_OK;
}

static int32_t on_custom_error(void *context, struct adit_sv2_conn *conn,
			       const struct adit_sv2_set_custom_mining_job_error *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;
	struct declaration *d = uplink_find_request(u, DECLARATION_SET, m->request_id);

	(void)conn;
	if (!uplink_alive(u))
		return ADIT_OK;
	if (d)
		uplink_refused(u, d, "SetCustomMiningJob.Error", &m->error_code);
	else
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL,
			    "SetCustomMiningJob.Error for nothing that was asked");
	return ADIT_OK;
}

static int32_t on_reconnect(void *context, struct adit_sv2_conn *conn,
			    const struct adit_sv2_reconnect *m)
{
	(void)conn;
	return uplink_redirect(context, m);
}

#define MINING_HANDLERS                                                                            \
	.size = sizeof(struct adit_sv2_mining_client_handlers), .opened = on_opened,               \
	.closed = on_closed, .reconnect = on_reconnect,                                            \
	.open_standard_mining_channel_success = on_standard_channel,                               \
	.open_mining_channel_error = on_open_error,                                                \
	.open_extended_mining_channel_success = on_channel, .new_mining_job = on_standard_job,     \
	.update_channel_error = on_update_error, .close_channel = on_close_channel,                \
	.set_extranonce_prefix = on_prefix, .submit_shares_success = uplink_on_accepted,           \
	.submit_shares_error = uplink_on_refused, .new_extended_mining_job = on_job,               \
	.set_new_prev_hash = on_new_prev_hash, .set_target = on_target,                            \
	.set_custom_mining_job_success = on_custom_success,                                        \
	.set_custom_mining_job_error = on_custom_error, .set_group_channel = on_group

const struct adit_sv2_mining_client_handlers uplink_mining_handlers = {
    MINING_HANDLERS, .wanted_extensions = ADIT_SV2_WORKER_HASHRATE};
const struct adit_sv2_mining_client_handlers uplink_mining_plain_handlers = {MINING_HANDLERS};
