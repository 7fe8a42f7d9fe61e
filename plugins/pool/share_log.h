/* SPDX-License-Identifier: MIT */
/* share_log.h: a record in the host's share log (adit/share_log.h) for each share, accepted or
 * refused. Nothing is allocated, no system call is made. */
#ifndef POOL_SHARE_LOG_H
#define POOL_SHARE_LOG_H

#include "plugins/pool/shares.h"

/* Opens the log. A host that has none (older plugin interface), or does not grant it, is worth a line
 * in the log: then nothing is recorded. */
int32_t share_log_start(struct pool *pool);
/* S, submitted on CHANNEL_ID of CONN, was judged RESULT. CHANNEL and JOB are NULL when there is
 * none. HASH_DIFFICULTY is 0 when it was not hashed. */
void share_log_record(const struct pool_conn *conn, uint32_t channel_id,
		      const struct channel *channel, const struct job *job, const struct share *s,
		      enum share_result result, double hash_difficulty);

#endif
