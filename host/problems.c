/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/problems.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/util/buf.h"

#define PROBLEMS_MAX 200

void problems_add(struct problems *p, const char *file, unsigned line, const char *format, ...)
{
	struct buf text = {.limit = 16384};
	char body[2048];
	char **texts;
	va_list args;

	if (p == NULL || p->count >= PROBLEMS_MAX)
		return;
	va_start(args, format);
	(void)vsnprintf(body, sizeof(body), format, args);
	va_end(args);
	if (file != NULL && line > 0)
		(void)buf_printf(&text, "%s:%u: %s", file, line, body);
	else if (file != NULL)
		(void)buf_printf(&text, "%s: %s", file, body);
	else
		(void)buf_printf(&text, "%s", body);
	(void)buf_append_u8(&text, 0);
	texts = realloc(p->texts, (p->count + 1) * sizeof(*texts));
	if (texts == NULL || text.failed) {
		buf_free(&text);
		return;
	}
	p->texts = texts;
	p->texts[p->count++] = (char *)text.data;
}

void problems_free(struct problems *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->texts[i]);
	free(p->texts);
	p->texts = NULL;
	p->count = 0;
}
