/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/util/clock.h"

#include <time.h>

static uint64_t clock_read_ns(clockid_t id)
{
	struct timespec now;

	if (clock_gettime(id, &now) != 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
	return clock_read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_monotonic_us(void)
{
	return clock_monotonic_ns() / 1000;
}

uint64_t clock_monotonic_ms(void)
{
	return clock_monotonic_us() / 1000;
}

uint32_t clock_unix(void)
{
	return (uint32_t)(clock_read_ns(CLOCK_REALTIME) / 1000000000u);
}

uint64_t clock_unix_ms(void)
{
	return clock_read_ns(CLOCK_REALTIME) / 1000000;
}
