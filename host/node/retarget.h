/* SPDX-License-Identifier: MIT */
/* retarget.h: the difficulty of the embedded chain when it is to keep a block interval. */
#ifndef NODE_RETARGET_H
#define NODE_RETARGET_H

#include <stdint.h>

#define RETARGET_LIMIT 0x207fffffu /* never easier than this: regtest's own limit */
#define RETARGET_SPAN 8            /* blocks over which a change of hash rate is followed */
#define RETARGET_MAX_MS 3600000u   /* the longest interval */

/* The bits that follow a block of NBITS which came SPENT seconds after the one before it, for an
 * interval of INTERVAL_MS (1..RETARGET_MAX_MS):
 *
 *	target * (SPAN * interval + spent - interval) / (SPAN * interval)
 *
 * with SPENT held to 0..(SPAN + 1) * interval, so that a step makes a block at most an eighth
 *harder or half as hard. An exponential average: blocks of just the interval change nothing, and
 *what a block's wrong time moves, the right time of the next one takes back. Integers only, so that
 *every machine comes to the same bits. */
uint32_t retarget_next(uint32_t nbits, int64_t spent, uint32_t interval_ms);

#endif
