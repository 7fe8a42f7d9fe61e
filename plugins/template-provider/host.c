/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/host.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tp_log(const struct tp_host *h, int32_t level, const char *format, ...)
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
