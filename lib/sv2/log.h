/* SPDX-License-Identifier: MIT */
/* log.h: the lines that lib/sv2 hands to its user: printf-style, and bounded in number where a peer
 * can cause them. */
#ifndef SV2_LOG_H
#define SV2_LOG_H

#include <stdint.h>

#include <adit/plugin.h>

#include "lib/sv2/server.h"

struct sv2_log {
	sv2_log_fn fn; /* may be NULL */
	void *user;
	uint64_t window; /* start of the present one, monotonic ms */
	uint32_t lines;  /* in it */
	uint32_t held;   /* in it, kept back */
};

void sv2_log(struct sv2_log *l, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* For what peers can cause: at most 20 lines in 10 s, then a count of the others. */
void sv2_log_limited(struct sv2_log *l, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
