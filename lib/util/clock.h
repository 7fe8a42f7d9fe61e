/* SPDX-License-Identifier: MIT */
/* clock.h: the two clocks. Durations and deadlines use the monotonic one, only. */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stdint.h>

uint64_t clock_monotonic_ns(void);
uint64_t clock_monotonic_us(void);
uint64_t clock_monotonic_ms(void);
uint32_t clock_unix(void);    /* seconds since 1970 */
uint64_t clock_unix_ms(void);

#endif
