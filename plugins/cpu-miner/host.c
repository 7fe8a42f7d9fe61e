/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/cpu-miner/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void miner_log(const struct miner_host *h, int32_t level, const char *format, ...)
{
	char text[512];
	va_list args;

	if (!h->api->log_enabled(h->handle, level))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	h->api->log(h->handle, level, text, strlen(text));
}

void miner_state(const struct miner_host *h, const char *format, ...)
{
	char text[384];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	h->api->status(h->handle, text);
}
