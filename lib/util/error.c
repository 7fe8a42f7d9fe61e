/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/util/error.h"

#include <stdarg.h>
#include <stdio.h>

int32_t error_set(struct error *e, int32_t code, const char *format, ...)
{
	va_list args;

	if (e == NULL)
		return code;
	e->code = code;
	va_start(args, format);
	(void)vsnprintf(e->text, sizeof(e->text), format, args);
	va_end(args);
	return code;
}
