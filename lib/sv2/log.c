/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/util/clock.h"

#define WINDOW_MS 10000
#define WINDOW_LINES 20
#define LINE_SIZE 512

static void log_line(struct sv2_log *l, int32_t level, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void log_line(struct sv2_log *l, int32_t level, const char *format, va_list args)
{
	char text[LINE_SIZE];

	if (l->fn == NULL)
		return;
	(void)vsnprintf(text, sizeof(text), format, args);
	l->fn(l->user, level, text);
}

void sv2_log(struct sv2_log *l, int32_t level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(l, level, format, args);
	va_end(args);
}

void sv2_log_limited(struct sv2_log *l, int32_t level, const char *format, ...)
{
	uint64_t now = clock_monotonic_ms();
	va_list args;

	if (l->window == 0 || now - l->window >= WINDOW_MS) {
		if (l->held > 0)
			sv2_log(l, level, "%u more lines like these were left out", l->held);
		l->window = now;
		l->lines = 0;
		l->held = 0;
	}
	if (l->lines == WINDOW_LINES) {
		l->held++;
		return;
	}
	l->lines++;
	va_start(args, format);
	log_line(l, level, format, args);
	va_end(args);
}
