/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/cpu-miner/pace.h"

/* 1 ms with SHA instructions, 8 ms without. */
#define MAX_SLICE 8192u
#define SLICES_A_SECOND 100u
#define NS 1000000000u

uint32_t miner_pace_slice(const struct miner_pace *p)
{
	uint64_t n = p->rate / SLICES_A_SECOND;

	if (p->rate == 0 || n > MAX_SLICE)
		return MAX_SLICE;
	return n > 0 ? (uint32_t)n : 1;
}

uint64_t miner_pace_rest(struct miner_pace *p, uint32_t tried, uint64_t now_ns)
{
	if (p->rate == 0)
		return 0;
	/* A pause (no job, a busy machine) must not be followed by a burst. */
	if (p->due_ns + NS / SLICES_A_SECOND < now_ns)
		p->due_ns = now_ns;
	p->due_ns += (uint64_t)tried * NS / p->rate;
	return p->due_ns > now_ns ? p->due_ns - now_ns : 0;
}
