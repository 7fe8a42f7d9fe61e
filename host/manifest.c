/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/ini_file.h"
#include "lib/util/nearest.h"

#define MANIFEST_SIZE_MAX ((size_t)256 * 1024)
#define MANIFESTS_MAX 256

enum manifest_section {
	SECTION_NONE,
	SECTION_PLUGIN,
	SECTION_NEEDS,
	SECTION_WANTS,
	SECTION_SCHEMA,
	SECTION_PART_SCHEMA
};

struct manifest_parser {
	struct manifest *m;
	const char *file;
	const char *directory;
	struct problems *problems;
	enum manifest_section section;
	bool have_workers;
};

bool manifest_name_valid(const char *name)
{
	size_t size = strlen(name);

	return size > 0 && size <= 31 && name[0] != '-' && name[0] != '_' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == size;
}

static void manifest_section(void *user, const char *name, unsigned line)
{
	struct manifest_parser *p = user;
	static const char *const names[] = {"plugin", "dependencies", "optional_dependencies",
					    "config_schema", "part_schema"};
	const size_t count = sizeof(names) / sizeof(names[0]);
	const char *nearest;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(name, names[i]) == 0) {
			p->section = (enum manifest_section)(i + 1);
			return;
		}
	}
	p->section = SECTION_NONE;
	nearest = nearest_word(name, names, count);
	problems_add(p->problems, p->file, line, "[%s] is no section of a manifest%s%s", name,
		     nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "");
}

/* Stores VALUE; a second value for the same key is a problem. */
static void manifest_set(struct manifest_parser *p, char **field, const char *key,
			 const char *value, unsigned line)
{
	if (*field != NULL || value[0] == '\0') {
		problems_add(p->problems, p->file, line, "%s: %s", key,
			     value[0] == '\0' ? "expected a value" : "was given before");
		return;
	}
	*field = strdup(value);
}

/* The line of `capabilities` that is read, for what is wrong in it. */
struct manifest_line {
	struct manifest_parser *parser;
	unsigned line;
};

static void manifest_no_capability(void *user, const char *name, const char *nearest)
{
	const struct manifest_line *at = user;

	problems_add(at->parser->problems, at->parser->file, at->line,
		     "capabilities: `%s` is none%s%s", name,
		     nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "");
}

/* The next name of a comma-separated list; 0 at its end. *LIST goes past it. */
static size_t manifest_next_name(const char **list, const char **name)
{
	size_t size;

	*list += strspn(*list, ", \t");
	*name = *list;
	size = strcspn(*list, ", \t");
	*list += size;
	return size;
}

static void manifest_set_aliases(struct manifest_parser *p, const char *value, unsigned line)
{
	const char *name;
	char one[64];
	size_t size;

	manifest_set(p, &p->m->aliases, "aliases", value, line);
	while ((size = manifest_next_name(&value, &name)) > 0) {
		(void)snprintf(one, sizeof(one), "%.*s", (int)(size < 63 ? size : 63), name);
		if (!manifest_name_valid(one))
			problems_add(p->problems, p->file, line,
				     "aliases: expected names of at most 31 of a-z 0-9 - _, "
				     "not `%.60s`",
				     one);
	}
}

bool manifest_has_alias(const struct manifest *m, const char *name, size_t size)
{
	const char *list = m->aliases != NULL ? m->aliases : "";
	const char *one;
	size_t one_size;

	while ((one_size = manifest_next_name(&list, &one)) > 0) {
		if (one_size == size && memcmp(one, name, size) == 0)
			return true;
	}
	return false;
}

static bool manifest_key_valid(const char *key)
{
	return strcspn(key, "abcdefghijklmnopqrstuvwxyz") == 0 && key[0] != '\0' &&
	       strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(key);
}

static void manifest_set_most(struct manifest_parser *p, const char *value, unsigned line)
{
	char *end;
	unsigned long most = strtoul(value, &end, 10);

	if (value[0] < '1' || value[0] > '9' || *end != '\0' || most > MANIFEST_PARTS_MAX)
		problems_add(p->problems, p->file, line, "most_parts: expected 1..%d, not `%.60s`",
			     MANIFEST_PARTS_MAX, value);
	else
		p->m->most_parts = (unsigned)most;
}

static void manifest_plugin_key(struct manifest_parser *p, const char *key, const char *value,
				unsigned line)
{
	struct manifest *m = p->m;

	if (strcmp(key, "name") == 0) {
		manifest_set(p, &m->name, key, value, line);
		if (!manifest_name_valid(value))
			problems_add(p->problems, p->file, line,
				     "name: expected at most 31 of a-z 0-9 - _, not `%.60s`",
				     value);
	} else if (strcmp(key, "version") == 0) {
		manifest_set(p, &m->version, key, value, line);
	} else if (strcmp(key, "description") == 0) {
		manifest_set(p, &m->description, key, value, line);
	} else if (strcmp(key, "author") == 0) {
		manifest_set(p, &m->author, key, value, line);
	} else if (strcmp(key, "entry_point") == 0) {
		manifest_set(p, &m->entry_point, key, value, line);
		if (strchr(value, '/') != NULL)
			problems_add(
			    p->problems, p->file, line,
			    "entry_point: expected the name of a file beside the manifest");
	} else if (strcmp(key, "workers") == 0) {
		m->many_workers = strcmp(value, "many") == 0;
		if (!m->many_workers && strcmp(value, "one") != 0)
			problems_add(p->problems, p->file, line,
				     "workers: expected one or many, not `%.60s`", value);
	} else if (strcmp(key, "aliases") == 0) {
		manifest_set_aliases(p, value, line);
	} else if (strcmp(key, "parts") == 0) {
		manifest_set(p, &m->part, key, value, line);
		if (!manifest_key_valid(value))
			problems_add(p->problems, p->file, line,
				     "parts: expected a word of a-z 0-9 _, not `%.60s`", value);
	} else if (strcmp(key, "most_parts") == 0) {
		manifest_set_most(p, value, line);
	} else if (strcmp(key, "capabilities") == 0) {
		rights_parse(value, &m->capabilities, manifest_no_capability,
			     &(struct manifest_line){p, line});
	} else {
		problems_add(p->problems, p->file, line,
			     "%s: unknown key; expected name, version, entry_point, description, "
			     "author, workers, aliases, parts, most_parts or capabilities",
			     key);
	}
}

static void manifest_dependency(struct manifest_parser *p, const char *key, const char *value,
				unsigned line)
{
	struct manifest *m = p->m;
	struct manifest_dependency *list;

	if (!manifest_name_valid(key) || m->dependency_count >= 64) {
		problems_add(p->problems, p->file, line, "%s: expected a plugin's name", key);
		return;
	}
	list = realloc(m->dependencies, (m->dependency_count + 1) * sizeof(*list));
	if (list == NULL)
		return;
	m->dependencies = list;
	list[m->dependency_count++] = (struct manifest_dependency){
	    .name = strdup(key),
	    .version = strdup(value),
	    .optional = p->section == SECTION_WANTS,
	    .line = line,
	};
}

static void manifest_schema_key(struct manifest_parser *p, struct schema *schema, const char *key,
				const char *value, unsigned line)
{
	struct error e;

	if (schema->count >= 256 || !manifest_key_valid(key))
		problems_add(p->problems, p->file, line,
			     "%s: expected a key of a-z 0-9 _, and at most 256 of them", key);
	else if (schema_add(schema, key, value, line, &e) != ADIT_OK)
		problems_add(p->problems, p->file, line, "%s: %s", key, e.text);
}

static void manifest_value(void *user, const char *key, const char *value, unsigned line)
{
	struct manifest_parser *p = user;

	switch (p->section) {
	case SECTION_NONE:
		break;
	case SECTION_PLUGIN:
		manifest_plugin_key(p, key, value, line);
		break;
	case SECTION_NEEDS:
	case SECTION_WANTS:
		manifest_dependency(p, key, value, line);
		break;
	case SECTION_SCHEMA:
		manifest_schema_key(p, &p->m->schema, key, value, line);
		break;
	case SECTION_PART_SCHEMA:
		manifest_schema_key(p, &p->m->part_schema, key, value, line);
		break;
	}
}

/* Checks what only the whole manifest tells. */
static void manifest_finish(struct manifest_parser *p)
{
	struct manifest *m = p->m;
	const char *const names[] = {"name", "version", "description", "author", "entry_point"};
	char *const *const values[] = {&m->name, &m->version, &m->description, &m->author,
				       &m->entry_point};
	size_t needed = p->directory != NULL ? 5 : 4;

	for (size_t i = 0; i < needed; i++) {
		if (*values[i] == NULL)
			problems_add(p->problems, p->file, 0, "[plugin] %s is missing", names[i]);
	}
	if ((m->part != NULL) != (m->part_schema.count > 0))
		problems_add(p->problems, p->file, 0,
			     "parts = WORD and a section [part_schema] go together");
	for (size_t i = 0; i < m->part_schema.count; i++) {
		if (m->part_schema.keys[i].type == SCHEMA_LISTEN)
			problems_add(p->problems, p->file, m->part_schema.keys[i].line,
				     "%s: a part can't listen", m->part_schema.keys[i].name);
	}
	if (m->part != NULL && schema_find(&m->schema, m->part) != NULL)
		problems_add(p->problems, p->file, 0,
			     "parts: `%s` is a key of [config_schema], too", m->part);
	if (p->directory == NULL) {
		free(m->entry_point);
		m->entry_point = NULL;
	} else if (m->entry_point != NULL) {
		char *path = NULL;

		if (asprintf(&path, "%s/%s", p->directory, m->entry_point) < 0)
			path = NULL;
		free(m->entry_point);
		m->entry_point = path;
	}
}

struct manifest *manifest_parse(const char *file, const char *directory, const char *text,
				size_t size, struct problems *problems)
{
	struct manifest *m = calloc(1, sizeof(*m));
	struct manifest_parser p = {
	    .m = m, .file = file, .directory = directory, .problems = problems};
	const struct ini_sink sink = {&p, manifest_section, manifest_value};
	size_t before = problems->count;

	if (m == NULL)
		return NULL;
	m->file = strdup(file);
	ini_file_parse(file, text, size, &sink, problems);
	if (problems->count == before)
		manifest_finish(&p);
	if (problems->count == before && m->file != NULL)
		return m;
	manifest_free(m);
	return NULL;
}

void manifest_free(struct manifest *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->dependency_count; i++) {
		free(m->dependencies[i].name);
		free(m->dependencies[i].version);
	}
	free(m->dependencies);
	schema_free(&m->schema);
	schema_free(&m->part_schema);
	free(m->part);
	free(m->foreign);
	free(m->file);
	free(m->name);
	free(m->version);
	free(m->entry_point);
	free(m->description);
	free(m->author);
	free(m->aliases);
	free(m);
}

static int manifest_order(const void *a, const void *b)
{
	return strcmp((*(struct manifest *const *)a)->name, (*(struct manifest *const *)b)->name);
}

bool manifests_add(struct manifests *all, struct manifest *m)
{
	struct manifest **items = realloc(all->items, (all->count + 1) * sizeof(struct manifest *));

	if (items == NULL)
		return false;
	all->items = items;
	items[all->count++] = m;
	qsort(items, all->count, sizeof(struct manifest *), manifest_order);
	return true;
}

/* Who may have put the plugin into DIRECTORY: root alone, or also others, and then why. */
static void manifest_find_owner(struct manifest *m, const char *directory)
{
	char why[512];

	if (!rights_root_alone(directory, why, sizeof(why)) ||
	    !rights_root_alone(m->file, why, sizeof(why)) ||
	    !rights_root_alone(m->entry_point, why, sizeof(why)))
		m->foreign = strdup(why);
}

/* One file of the directory. */
static void manifests_load_one(struct manifests *all, const char *directory, const char *name,
			       struct problems *problems)
{
	char path[4096];
	size_t size;
	char *text;
	struct manifest *m;
	const struct manifest *other;

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		return;
	text = ini_file_load(path, MANIFEST_SIZE_MAX, &size, problems);
	if (text == NULL)
		return;
	m = manifest_parse(path, directory, text, size, problems);
	free(text);
	if (m == NULL)
		return;
	manifest_find_owner(m, directory);
	other = manifests_find(all, m->name);
	if (other != NULL || !manifests_add(all, m)) {
		problems_add(problems, path, 0, "the name %s is taken by %s", m->name,
			     other != NULL ? other->file : "?");
		manifest_free(m);
	}
}

void manifests_load(struct manifests *all, const char *directory, struct problems *problems)
{
	static const char suffix[] = ".manifest";
	DIR *dir = opendir(directory);
	const struct dirent *entry;

	if (dir == NULL) {
		problems_add(problems, directory, 0, "the plugin directory can't be read: %s",
			     strerror(errno));
		return;
	}
	while ((entry = readdir(dir)) != NULL && all->count < MANIFESTS_MAX) {
		size_t size = strlen(entry->d_name);

		if (size > strlen(suffix) && entry->d_name[0] != '.' &&
		    strcmp(entry->d_name + size - strlen(suffix), suffix) == 0)
			manifests_load_one(all, directory, entry->d_name, problems);
	}
	(void)closedir(dir);
}

void manifests_free(struct manifests *all)
{
	for (size_t i = 0; i < all->count; i++)
		manifest_free(all->items[i]);
	free(all->items);
	all->items = NULL;
	all->count = 0;
}

const struct manifest *manifests_find(const struct manifests *all, const char *name)
{
	for (size_t i = 0; i < all->count; i++) {
		if (strcmp(all->items[i]->name, name) == 0)
			return all->items[i];
	}
	return NULL;
}

/* Compares dotted numbers: negative, 0, positive. */
static int manifest_version_compare(const char *a, const char *b)
{
	while (*a != '\0' || *b != '\0') {
		char *a_end;
		char *b_end;
		unsigned long x = strtoul(a, &a_end, 10);
		unsigned long y = strtoul(b, &b_end, 10);

		if (x != y)
			return x < y ? -1 : 1;
		if (*a_end != '.' && *b_end != '.')
			return 0;
		a = *a_end == '.' ? a_end + 1 : "";
		b = *b_end == '.' ? b_end + 1 : "";
	}
	return 0;
}

bool manifest_version_meets(const char *version, const char *requirement)
{
	size_t sign = strspn(requirement, "<>=");
	const char *wanted = requirement + sign + strspn(requirement + sign, " ");
	int order;

	if (*requirement == '\0' || strcmp(requirement, "*") == 0)
		return true;
	order = manifest_version_compare(version, wanted);
	if (strncmp(requirement, ">=", 2) == 0)
		return order >= 0;
	if (strncmp(requirement, "<=", 2) == 0)
		return order <= 0;
	if (requirement[0] == '>')
		return order > 0;
	if (requirement[0] == '<')
		return order < 0;
	return order == 0;
}
