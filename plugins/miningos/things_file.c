/* SPDX-License-Identifier: MIT */
/* things_file.c: things.json, read and written. */
#include "config.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "plugins/miningos/files.h"
#include "plugins/miningos/jsons.h"
#include "plugins/miningos/things.h"

#define LINE_MAX_BYTES ((size_t)1 << 20)

/* The member KEY of LINE when it has the type of *INTO, which it replaces. */
static void take(struct json_object *line, const char *key, struct json_object **into)
{
	struct json_object *value = get_member(line, key);

	if (value == NULL || json_object_get_type(value) != json_object_get_type(*into))
		return;
	json_object_put(*into);
	*into = json_object_get(value);
}

static bool load_line(struct things *things, const char *text, size_t size)
{
	struct json_object *line;
	const char *id, *code, *name;
	struct thing *t = NULL;

	if (!parse_json(text, size, &line))
		return false;
	id = get_text(line, "id", "");
	code = get_text(line, "code", "");
	name = get_text(line, "name", NULL);
	if (get_member(line, "next_code") != NULL) {
		things->next_code = get_count(line, "next_code", 1);
		json_object_put(line);
		return true;
	}
	if (id[0] != '\0' && strlen(id) <= THING_ID_MAX && code[0] != '\0' &&
	    strlen(code) <= THING_CODE_MAX && things->count < things->most &&
	    things_find(things, id) == NULL && things_find_code(things, code) == NULL &&
	    (name == NULL || things_find_name(things, name) == NULL))
		t = things_add(things, id, code, name);
	if (t != NULL) {
		take(line, "opts", &t->opts);
		take(line, "info", &t->info);
		take(line, "tags", &t->tags);
		take(line, "comments", &t->comments);
		t->since_ms = get_count(line, "seen", 0);
	}
	json_object_put(line);
	return t != NULL;
}

struct loading {
	struct things *things;
	size_t *bad;
};

static void on_line(void *user, const char *text, size_t size)
{
	const struct loading *l = user;

	if (size > LINE_MAX_BYTES || !load_line(l->things, text, size))
		(*l->bad)++;
	l->things->dirty = false; /* as the file says */
}

int32_t things_load(struct things *things, const char *file, size_t *bad, struct error *e)
{
	struct loading l = {things, bad};

	*bad = 0;
	return file_read_lines(file, on_line, &l, e);
}

static struct json_object *line_of(const struct thing *t)
{
	struct json_object *line = json_object_new_object();

	add_text(line, "id", t->id);
	add_text(line, "code", t->code);
	if (t->name != NULL)
		add_text(line, "name", t->name);
	add_object(line, "opts", json_object_get(t->opts));
	add_object(line, "info", json_object_get(t->info));
	add_object(line, "tags", json_object_get(t->tags));
	add_object(line, "comments", json_object_get(t->comments));
	add_count(line, "seen", t->since_ms);
	return line;
}

static void write_things(FILE *f, void *user)
{
	const struct things *things = user;

	fprintf(f, "{\"next_code\":%llu}\n", (unsigned long long)things->next_code);
	for (size_t i = 0; i < things->count; i++) {
		struct json_object *line = line_of(things->list[i]);

		fprintf(f, "%s\n", json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN));
		json_object_put(line);
	}
}

int32_t things_save(struct things *things, const char *file, struct error *e)
{
	int32_t r = file_replace(file, write_things, things, e);

	if (r == ADIT_OK)
		things->dirty = false;
	return r;
}
