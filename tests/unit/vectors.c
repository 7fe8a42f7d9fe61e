/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "vectors.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void vectors_path(const char *name, char *out, size_t capacity)
{
	const char *source = getenv("srcdir");
	int size =
	    snprintf(out, capacity, "%s/tests/vectors/%s", source != NULL ? source : ".", name);

	ck_assert(size > 0 && (size_t)size < capacity);
}

void vectors_open(struct vectors *v, const char *name, char separator)
{
	char path[4096];

	memset(v, 0, sizeof(*v));
	v->separator = separator;
	vectors_path(name, path, sizeof(path));
	v->file = fopen(path, "r");
	ck_assert_msg(v->file != NULL, "%s: %s", path, strerror(errno));
}

static void split(struct vectors *v)
{
	char *at = v->line;

	for (v->count = 0; at != NULL && v->count < VECTORS_FIELDS_MAX; v->count++) {
		v->fields[v->count] = at;
		at = strchr(at, v->separator);
		if (at != NULL)
			*at++ = '\0';
	}
}

bool vectors_next(struct vectors *v)
{
	while (getline(&v->line, &v->capacity, v->file) > 0) {
		v->line[strcspn(v->line, "\r\n")] = '\0';
		if (v->line[0] == '\0' || v->line[0] == '#')
			continue;
		split(v);
		return true;
	}
	ck_assert(!ferror(v->file));
	(void)fclose(v->file);
	free(v->line);
	return false;
}
