/* SPDX-License-Identifier: MIT */
/* share_log.h: a record in the host's share log (adit/share_log.h) for each share, accepted or
 * refused. Nothing is allocated, no system call is made. */
#ifndef POOL_SHARE_LOG_H
#define POOL_SHARE_LOG_H

#include <stdint.h>

#include "lib/mining/mining.h"

struct pool;

/* Opens the log. A host that has none (older plugin interface), or does not grant it, is worth a
 * line in the log: then nothing is recorded. */
int32_t share_log_start(struct pool *pool);
void share_log_record(const struct pool *pool, const struct judged_share *judged);

#endif
