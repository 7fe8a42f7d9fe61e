/* SPDX-License-Identifier: MIT */
/* window.h: work (hashes) of the last half hour, in steps of 30 seconds. */
#ifndef MININGOS_WINDOW_H
#define MININGOS_WINDOW_H

#include <stdint.h>

#define WINDOW_STEP_MS 30000u
#define WINDOW_STEPS 61u /* half an hour, and the step that is not over */

struct window {
	uint64_t begun_ms; /* of the connection; 0: nothing yet. Any clock, the same in all calls */
	uint64_t step;     /* number of the newest step */
	float work[WINDOW_STEPS];
};

void window_begin(struct window *w, uint64_t now_ms);
void window_add(struct window *w, uint64_t at_ms, double hashes);
/* Hashes a second of the last SPAN_MS (at most half an hour), or since the beginning when that is
 * shorter; 0 before ten seconds have passed. */
double window_rate(const struct window *w, uint64_t now_ms, uint64_t span_ms);

#endif
