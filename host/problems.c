/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/problems.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/util/buf.h"

#define PROBLEMS_MAX 200

static bool problems_put(struct problems *p, const char *file, unsigned line, const char *kind,
			 const char *format, va_list args) __attribute__((format(printf, 5, 0)));
static bool problems_put(struct problems *p, const char *file, unsigned line, const char *kind,
			 const char *format, va_list args)
{
	struct buf text = {.limit = 16384};
	char body[2048];
	char **texts;

	if (p == NULL || p->count >= PROBLEMS_MAX)
		return false;
	(void)vsnprintf(body, sizeof(body), format, args);
	if (file != NULL && line > 0)
		(void)buf_printf(&text, "%s:%u: %s%s", file, line, kind, body);
	else if (file != NULL)
		(void)buf_printf(&text, "%s: %s%s", file, kind, body);
	else
		(void)buf_printf(&text, "%s%s", kind, body);
	(void)buf_append_u8(&text, 0);
	texts = realloc(p->texts, (p->count + 1) * sizeof(*texts));
	if (texts != NULL)
		p->texts = texts;
	if (texts == NULL || text.failed) {
		buf_free(&text);
		return false;
	}
	p->texts[p->count++] = (char *)text.data;
	return true;
}

void problems_add(struct problems *p, const char *file, unsigned line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)problems_put(p, file, line, "", format, args);
	va_end(args);
}

void problems_warn(struct problems *p, const char *file, unsigned line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (problems_put(p, file, line, "warning: ", format, args))
		p->warnings++;
	va_end(args);
}

size_t problems_errors(const struct problems *p)
{
	return p->count - p->warnings;
}

void problems_free(struct problems *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->texts[i]);
	free(p->texts);
	p->texts = NULL;
	p->count = 0;
	p->warnings = 0;
}
