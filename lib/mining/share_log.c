/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/share_log.h"

#include <string.h>

#include <adit/share_log.h>

#include "lib/mining/engine.h"

int32_t share_log_start(struct mining *mining)
{
	int32_t result = ADIT_E_UNSUPPORTED;

	if (ADIT_HAS(mining->api, share_log_append))
		result = mining->api->share_log_writer(mining->host, &mining->share_log);
	if (result == ADIT_E_UNSUPPORTED || result == ADIT_E_PERMISSION_DENIED) {
		mining_log(mining, ADIT_LOG_WARNING, "shares are not recorded: share log: %s",
			   adit_error_name(result));
		result = ADIT_OK;
	}
	return result;
}

static uint8_t public_result(enum share_result result)
{
	switch (result) {
	case SHARE_ACCEPTED:
	case SHARE_BLOCK:
		return ADIT_SHARE_ACCEPTED;
	case SHARE_STALE:
		return ADIT_SHARE_STALE;
	case SHARE_DUPLICATE:
		return ADIT_SHARE_DUPLICATE;
	case SHARE_TOO_EASY:
		return ADIT_SHARE_LOW_DIFFICULTY;
	case SHARE_INVALID_JOB:
		return ADIT_SHARE_UNKNOWN_JOB;
	case SHARE_INVALID_CHANNEL:
		return ADIT_SHARE_UNKNOWN_CHANNEL;
	case SHARE_BAD_EXTRANONCE:
	case SHARE_INVALID:
	case SHARE_ROLLING_NOT_ALLOWED:
	case SHARE_ROLLED_TOO_MUCH:
		return ADIT_SHARE_INVALID;
	default:
		return ADIT_SHARE_REFUSED;
	}
}

void share_log_record(const struct mining *mining, const struct judged_share *judged)
{
	const struct channel *channel = judged->channel;
	const struct share *s = judged->share;
	const struct job *job = judged->job;
	size_t user = channel ? strlen(channel->user) : 0;
	struct adit_share record;

	if (!mining->share_log)
		return;
	if (user > ADIT_SHARE_USER_MAX)
		user = ADIT_SHARE_USER_MAX;
	/* all but the text, of which only its own bytes are read */
	memset(&record, 0, offsetof(struct adit_share, user));
	record.difficulty = job ? job->difficulty : 0;
	record.hash_difficulty = judged->difficulty;
	record.connection = adit_sv2_conn_id(judged->conn->sv2);
	record.channel = judged->channel_id;
	record.job_id = s->job_id;
	record.submit_sequence = s->sequence;
	record.height = job ? job->template->height : 0;
	record.slice = mining->info.slice;
	record.result = public_result(judged->result);
	record.flags = judged->result == SHARE_BLOCK ? ADIT_SHARE_BLOCK : 0;
	record.user_size = (uint16_t)user;
	if (channel)
		memcpy(record.user, channel->user, user);
	if (channel && s->worker.size > 0 && user + 1 + s->worker.size <= ADIT_SHARE_USER_MAX) {
		record.worker_size = (uint16_t)s->worker.size;
		record.user[user] = '\0';
		memcpy(record.user + user + 1, s->worker.data, s->worker.size);
	}
	mining->api->share_log_append(mining->share_log, &record);
}
