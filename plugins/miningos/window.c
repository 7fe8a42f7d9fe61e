/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/window.h"

#include <string.h>

#define LEAST_MS 10000u

void window_begin(struct window *w, uint64_t now_ms)
{
	memset(w, 0, sizeof(*w));
	w->begun_ms = now_ms;
	w->step = now_ms / WINDOW_STEP_MS;
}

/* Empties what has become too old when STEP is the newest. */
static void advance(struct window *w, uint64_t step)
{
	if (step <= w->step)
		return;
	if (step - w->step >= WINDOW_STEPS)
		memset(w->work, 0, sizeof(w->work));
	else
		for (uint64_t i = w->step + 1; i <= step; i++)
			w->work[i % WINDOW_STEPS] = 0;
	w->step = step;
}

void window_add(struct window *w, uint64_t at_ms, double hashes)
{
	uint64_t step = at_ms / WINDOW_STEP_MS;

	if (w->begun_ms == 0)
		window_begin(w, at_ms);
	advance(w, step);
	if (step + WINDOW_STEPS > w->step)
		w->work[step % WINDOW_STEPS] += (float)hashes;
}

double window_rate(const struct window *w, uint64_t now_ms, uint64_t span_ms)
{
	uint64_t newest = now_ms / WINDOW_STEP_MS;
	uint64_t steps = span_ms / WINDOW_STEP_MS;
	uint64_t covered, age;
	double sum = 0;

	if (w->begun_ms == 0 || now_ms < w->begun_ms + LEAST_MS)
		return 0;
	if (steps >= WINDOW_STEPS)
		steps = WINDOW_STEPS - 1;
	for (uint64_t i = 0; i <= steps && i <= newest; i++) {
		uint64_t step = newest - i;

		if (step <= w->step && step + WINDOW_STEPS > w->step)
			sum += (double)w->work[step % WINDOW_STEPS];
	}
	covered = steps * WINDOW_STEP_MS + now_ms % WINDOW_STEP_MS;
	age = now_ms - w->begun_ms;
	return sum / ((double)(age < covered ? age : covered) / 1000.0);
}
