/* SPDX-License-Identifier: MIT */
/* share_log.h: a record in the host's share log (adit/share_log.h) for each share, accepted or
 * refused. Nothing is allocated, no system call is made. */
#ifndef MINING_SHARE_LOG_H
#define MINING_SHARE_LOG_H

#include <stdint.h>

#include "lib/mining/mining.h"

struct mining;

/* Opens the log. A host that has none (older plugin interface), or does not grant it, is worth a
 * line in the log: then nothing is recorded. */
int32_t share_log_start(struct mining *mining);
void share_log_record(const struct mining *mining, const struct judged_share *judged);

#endif
