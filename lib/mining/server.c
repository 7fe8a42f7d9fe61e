/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/server.h"

#include <math.h>
#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/mining/engine.h"
#include "lib/mining/shares.h"
#include "lib/mining/work.h"
#include "lib/util/clock.h"

static struct adit_bytes text_bytes(const char *text)
{
	return (struct adit_bytes){.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
}

/* --- connections -------------------------------------------------------------------------------
 */

static void on_setup(void *context, struct adit_sv2_conn *sv2,
		     const struct adit_sv2_setup_connection *request,
		     struct adit_sv2_setup_result *result)
{
	const struct mining *mining = context;
	bool custom = request->flags & ADIT_SV2_REQUIRES_WORK_SELECTION;

	(void)sv2;
	/* Bits of the answer mean other things than those of the request. */
	if (!mining->config.version_rolling)
		result->flags = ADIT_SV2_REQUIRES_FIXED_VERSION;
	if (custom)
		result->flags |= ADIT_SV2_REQUIRES_EXTENDED_CHANNELS;
	if (custom && !mining->config.custom_work)
		result->error_flags |= ADIT_SV2_REQUIRES_WORK_SELECTION;
	if (!mining->config.version_rolling)
		result->error_flags |= request->flags & ADIT_SV2_REQUIRES_VERSION_ROLLING;
	if (result->error_flags)
		result->error_code = "unsupported-feature-flags";
	if (mining->hooks->setup)
		mining->hooks->setup(mining->context, request, result);
}

static void on_opened(void *context, struct adit_sv2_conn *sv2)
{
	struct mining_conn *conn = conn_new(context, sv2);

	if (conn)
		adit_sv2_set_user(sv2, conn);
	else
		adit_sv2_close(sv2, "out of memory");
}

static void on_closed(void *context, struct adit_sv2_conn *sv2, const char *reason)
{
	struct mining_conn *conn = adit_sv2_user(sv2);

	(void)context;
	(void)reason;
	if (conn)
		conn_free(conn);
	adit_sv2_set_user(sv2, NULL);
}

static void on_batch_end(void *context, struct adit_sv2_conn *sv2)
{
	struct mining_conn *conn = adit_sv2_user(sv2);

	(void)context;
	if (conn)
		shares_flush(conn);
}

/* --- opening -----------------------------------------------------------------------------------
 */

int32_t server_refuse_open(struct mining_conn *conn, const struct open_request *request,
			   const char *code)
{
	struct adit_sv2_open_mining_channel_error m = {.request_id = request->request_id,
						       .error_code = text_bytes(code)};

	adit_sv2_send(conn->sv2, ADIT_SV2_OPEN_MINING_CHANNEL_ERROR, &m);
	return ADIT_OK;
}

static bool hashrate_valid(float hashrate)
{
	return isfinite(hashrate) && hashrate >= 0;
}

/* No hash is at or below zero in practice: such a bound can't be worked with. */
static bool target_valid(const struct adit_u256 *target)
{
	static const uint8_t zero[32];

	return memcmp(target->b, zero, 32) != 0;
}

/* What is wrong with REQUEST, or NULL and who gets the channel's blocks. */
static const char *check_open(const struct mining_conn *conn, const struct open_request *request,
			      struct payee *payee)
{
	static const struct payee own = {.own_percent = 100};
	const struct mining *mining = conn->mining;

	if (request->standard && conn->custom_work)
		return "standard-channels-not-supported-for-custom-work";
	if (!request->standard && conn->standard_jobs)
		return "extended-channels-not-supported-for-standard-jobs";
	if (!request->standard && request->min_extranonce > mining->extranonce.size.rollable)
		return "min-extranonce-size-too-large";
	if (!hashrate_valid(request->hashrate))
		return "invalid-nominal-hashrate";
	if (!target_valid(&request->max_target))
		return "max-target-out-of-range";
	*payee = own;
	return mining->hooks->identify
		   ? mining->hooks->identify(mining->context, &request->user, payee)
		   : NULL;
}

const char *server_check_open(const struct mining_conn *conn, const struct open_request *request)
{
	struct payee payee;

	return check_open(conn, request, &payee);
}

static void send_opened_standard(const struct channel *channel, uint32_t request_id)
{
	struct adit_sv2_open_standard_mining_channel_success answer = {
	    .request_id = request_id,
	    .channel_id = channel->id,
	    .extranonce_prefix = {.data = channel->prefix, .size = channel->prefix_size},
	    .group_channel_id = channel->group->class->group_id,
	};

	memcpy(answer.target.b, channel->target, 32);
	adit_sv2_send(channel->conn->sv2, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL_SUCCESS, &answer);
}

static void send_opened_extended(const struct channel *channel, uint32_t request_id)
{
	struct adit_sv2_open_extended_mining_channel_success answer = {
	    .request_id = request_id,
	    .channel_id = channel->id,
	    .extranonce_size = channel->conn->mining->extranonce.size.rollable,
	    .extranonce_prefix = {.data = channel->prefix, .size = channel->prefix_size},
	    .group_channel_id = {.present = true, .value = channel->group->class->group_id},
	};

	memcpy(answer.target.b, channel->target, 32);
	adit_sv2_send(channel->conn->sv2, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS, &answer);
}

int32_t server_open(struct mining_conn *conn, const struct open_request *request)
{
	struct payee payee;
	struct channel_request wanted = {.standard = request->standard,
					 .user = request->user,
					 .payee = &payee,
					 .hashrate = (double)request->hashrate,
					 .max_target = request->max_target.b};
	const char *code = check_open(conn, request, &payee);
	struct channel *channel;

	if (code)
		return server_refuse_open(conn, request, code);
	channel = channel_new(conn, &wanted, &code);
	if (!channel) {
		conn->mining->opens.refused_room++;
		return server_refuse_open(conn, request, code);
	}
	if (request->standard)
		send_opened_standard(channel, request->request_id);
	else
		send_opened_extended(channel, request->request_id);
	return work_channel_start(channel);
}

static int32_t on_open_standard(void *context, struct adit_sv2_conn *sv2,
				const struct adit_sv2_open_standard_mining_channel *m)
{
	struct mining_conn *conn = adit_sv2_user(sv2);
	struct open_request request = {.request_id = m->request_id,
				       .standard = true,
				       .user = m->user_identity,
				       .hashrate = m->nominal_hash_rate,
				       .max_target = m->max_target};

	(void)context;
	return conn ? opens_arrived(conn, &request) : ADIT_E_UNAVAILABLE;
}

static int32_t on_open_extended(void *context, struct adit_sv2_conn *sv2,
				const struct adit_sv2_open_extended_mining_channel *m)
{
	struct mining_conn *conn = adit_sv2_user(sv2);
	struct open_request request = {.request_id = m->request_id,
				       .user = m->user_identity,
				       .hashrate = m->nominal_hash_rate,
				       .max_target = m->max_target,
				       .min_extranonce = m->min_extranonce_size};

	(void)context;
	return conn ? opens_arrived(conn, &request) : ADIT_E_UNAVAILABLE;
}

/* --- changing and closing ----------------------------------------------------------------------
 */

static int32_t refuse_update(struct adit_sv2_conn *sv2, uint32_t channel_id, const char *code)
{
	struct adit_sv2_update_channel_error m = {.channel_id = channel_id,
						  .error_code = text_bytes(code)};

	adit_sv2_send(sv2, ADIT_SV2_UPDATE_CHANNEL_ERROR, &m);
	return ADIT_OK;
}

static int32_t on_update(void *context, struct adit_sv2_conn *sv2,
			 const struct adit_sv2_update_channel *m)
{
	struct mining_conn *conn = adit_sv2_user(sv2);
	struct channel *channel = conn ? channel_find(conn, m->channel_id) : NULL;

	(void)context;
	if (!channel)
		return refuse_update(sv2, m->channel_id, "invalid-channel-id");
	if (!hashrate_valid(m->nominal_hash_rate))
		return refuse_update(sv2, m->channel_id, "invalid-nominal-hashrate");
	if (!target_valid(&m->max_target))
		return refuse_update(sv2, m->channel_id, "max-target-out-of-range");
	memcpy(channel->max_target, m->max_target.b, 32);
	(void)vardiff_update(&channel->vardiff, &conn->mining->config.vardiff,
			     (double)m->nominal_hash_rate, target_work(channel->max_target),
			     clock_monotonic_ms());
	channel_set_target(channel);
	work_retarget(channel);
	return ADIT_OK;
}

/* Ends all members; the group goes with the last one. */
static void close_group(struct group *group)
{
	struct channel *channel;
	struct channel *next;

	for (channel = TAILQ_FIRST(&group->channels); channel; channel = next) {
		next = TAILQ_NEXT(channel, in_group);
		channel_free(channel);
	}
}

static int32_t on_close(void *context, struct adit_sv2_conn *sv2,
			const struct adit_sv2_close_channel *m)
{
	struct mining_conn *conn = adit_sv2_user(sv2);
	struct group *group;
	struct channel *channel;

	(void)context;
	if (!conn)
		return ADIT_OK;
	shares_flush(conn);
	group = conn->standard_jobs ? NULL : group_find(conn, m->channel_id);
	if (group) {
		close_group(group);
		return ADIT_OK;
	}
	channel = channel_find(conn, m->channel_id);
	if (channel)
		channel_free(channel);
	return ADIT_OK;
}

void server_close_channel(struct channel *channel, const char *code)
{
	struct adit_sv2_close_channel m = {.channel_id = channel->id,
					   .reason_code = text_bytes(code)};
	struct adit_sv2_conn *sv2 = channel->conn->sv2;
	char name[128];

	channel_name(channel, name, sizeof name);
	mining_log(channel->conn->mining, ADIT_LOG_WARNING, "channel %s \"%s\" closed: %s", name,
		   channel->user, code);
	shares_flush_channel(channel);
	channel_free(channel);
	adit_sv2_send(sv2, ADIT_SV2_CLOSE_CHANNEL, &m);
}

void server_reconnect_all(struct mining *mining)
{
	struct adit_sv2_reconnect m = {.new_host = text_bytes("")};
	struct mining_conn *conn;

	TAILQ_FOREACH(conn, &mining->conns, link)
	{
		shares_flush(conn);
		adit_sv2_send(conn->sv2, ADIT_SV2_RECONNECT, &m);
	}
}

/* --- shares and jobs ---------------------------------------------------------------------------
 */

static int32_t on_share_standard(void *context, struct adit_sv2_conn *sv2,
				 const struct adit_sv2_submit_shares_standard *m)
{
	struct mining_conn *conn = adit_sv2_user(sv2);
	struct share share = {.sequence = m->sequence_number,
			      .job_id = m->job_id,
			      .nonce = m->nonce,
			      .ntime = m->ntime,
			      .version = m->version};

	(void)context;
	return conn ? shares_submitted(conn, m->channel_id, true, &share) : ADIT_E_UNAVAILABLE;
}

static int32_t on_share_extended(void *context, struct adit_sv2_conn *sv2,
				 const struct adit_sv2_submit_shares_extended *m)
{
	struct mining_conn *conn = adit_sv2_user(sv2);
	struct share share = {.sequence = m->sequence_number,
			      .job_id = m->job_id,
			      .nonce = m->nonce,
			      .ntime = m->ntime,
			      .version = m->version,
			      .extranonce = m->extranonce.data,
			      .extranonce_size = m->extranonce.size,
			      .worker = m->user_identity};

	(void)context;
	return conn ? shares_submitted(conn, m->channel_id, false, &share) : ADIT_E_UNAVAILABLE;
}

static int32_t on_custom_job(void *context, struct adit_sv2_conn *sv2,
			     const struct adit_sv2_set_custom_mining_job *m)
{
	struct mining_conn *conn = adit_sv2_user(sv2);

	(void)context;
	return conn && conn->mining->hooks->custom_job
		   ? conn->mining->hooks->custom_job(conn->mining->context, conn, m)
		   : ADIT_E_UNAVAILABLE;
}

const struct adit_sv2_mining_server_handlers server_handlers = {
    .size = sizeof(struct adit_sv2_mining_server_handlers),
    .supported_flags = ADIT_SV2_REQUIRES_STANDARD_JOBS | ADIT_SV2_REQUIRES_WORK_SELECTION |
		       ADIT_SV2_REQUIRES_VERSION_ROLLING,
    .supported_extensions = ADIT_SV2_WORKER_HASHRATE,
    .setup = on_setup,
    .opened = on_opened,
    .closed = on_closed,
    .batch_end = on_batch_end,
    .open_standard_mining_channel = on_open_standard,
    .open_extended_mining_channel = on_open_extended,
    .update_channel = on_update,
    .close_channel = on_close,
    .submit_shares_standard = on_share_standard,
    .submit_shares_extended = on_share_extended,
    .set_custom_mining_job = on_custom_job,
};
