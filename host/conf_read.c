/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/conf.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/ini_file.h"

#define CONF_FILE_MAX ((size_t)256 * 1024)
#define CONF_FILES_MAX 256
#define CONF_SECTIONS_MAX 256
#define CONF_SETTINGS_MAX 512

#define CONF_INCLUDES_MAX 32

/* What a file may hold. */
enum conf_kind {
	CONF_MAIN,     /* everything */
	CONF_INCLUDED, /* everything but [host] */
	CONF_ROLES,    /* roles */
	CONF_OVERRIDES
};

struct conf_include {
	char *pattern;
	unsigned line;
};

struct conf_reader {
	struct conf_section **sections;
	size_t *count;
	const char *file;
	const char *main_file;
	enum conf_kind kind;
	struct problems *problems;
	size_t section; /* index + 1 of the current one, 0: skipped */
	struct conf_include includes[CONF_INCLUDES_MAX];
	size_t include_count;
};

void conf_settings_free(struct conf_setting *settings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(settings[i].key);
		free(settings[i].value);
		free(settings[i].text);
		free(settings[i].file);
	}
	free(settings);
}

void conf_section_free(struct conf_section *section)
{
	free(section->name);
	free(section->file);
	conf_settings_free(section->settings, section->count);
}

/* Whether a section NAME may stand in a file of R's kind. */
static bool conf_read_allowed(const struct conf_reader *r, const char *name, unsigned line)
{
	bool host = strcmp(name, "host") == 0;
	bool node = strcmp(name, "node") == 0;

	if ((host && (r->kind == CONF_INCLUDED || r->kind == CONF_ROLES)) ||
	    (node && r->kind == CONF_ROLES)) {
		problems_add(r->problems, r->file, line, "[%s] belongs into %s", name,
			     r->main_file);
		return false;
	}
	return true;
}

static void conf_read_section(void *user, const char *name, unsigned line)
{
	struct conf_reader *r = user;
	struct conf_section *sections = *r->sections;

	r->section = 0;
	if (!conf_read_allowed(r, name, line))
		return;
	for (size_t i = 0; i < *r->count; i++) {
		if (strcmp(sections[i].name, name) == 0) {
			problems_add(r->problems, r->file, line, "[%s] stands at %s:%u, too", name,
				     sections[i].file, sections[i].line);
			return;
		}
	}
	if (*r->count >= CONF_SECTIONS_MAX) {
		problems_add(r->problems, r->file, line, "more than %d sections",
			     CONF_SECTIONS_MAX);
		return;
	}
	sections = realloc(sections, (*r->count + 1) * sizeof(*sections));
	if (sections == NULL)
		return;
	*r->sections = sections;
	sections[(*r->count)++] = (struct conf_section){
	    .name = strdup(name),
	    .file = strdup(r->file),
	    .line = line,
	};
	r->section = *r->count;
}

/* `include` in [host] of the main file may be given more than once. */
static bool conf_read_include(struct conf_reader *r, const struct conf_section *s, const char *key,
			      const char *value, unsigned line)
{
	if (r->kind != CONF_MAIN || strcmp(s->name, "host") != 0 || strcmp(key, "include") != 0)
		return false;
	if (value[0] == '\0')
		problems_add(r->problems, r->file, line, "include: expected a file or a pattern");
	else if (r->include_count >= CONF_INCLUDES_MAX)
		problems_add(r->problems, r->file, line, "include: more than %d of them",
			     CONF_INCLUDES_MAX);
	else
		r->includes[r->include_count++] =
		    (struct conf_include){.pattern = strdup(value), .line = line};
	return true;
}

static void conf_read_value(void *user, const char *key, const char *value, unsigned line)
{
	struct conf_reader *r = user;
	struct conf_section *s = r->section > 0 ? &(*r->sections)[r->section - 1] : NULL;
	struct conf_setting *settings;

	if (s == NULL || conf_read_include(r, s, key, value, line))
		return;
	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(s->settings[i].key, key) == 0) {
			problems_add(r->problems, r->file, line, "%s: was given in line %u, too",
				     key, s->settings[i].line);
			return;
		}
	}
	if (s->count >= CONF_SETTINGS_MAX) {
		problems_add(r->problems, r->file, line, "more than %d keys in a section",
			     CONF_SETTINGS_MAX);
		return;
	}
	settings = realloc(s->settings, (s->count + 1) * sizeof(*settings));
	if (settings == NULL)
		return;
	s->settings = settings;
	settings[s->count++] = (struct conf_setting){
	    .key = strdup(key),
	    .value = strdup(value),
	    .file = strdup(r->file),
	    .line = line,
	    .origin = r->kind == CONF_OVERRIDES ? CONF_OVERRIDE : CONF_FILE,
	};
}

static void conf_reader_parse(struct conf_reader *r, const char *text, size_t size)
{
	const struct ini_sink sink = {r, conf_read_section, conf_read_value};

	ini_file_parse(r->file, text, size, &sink, r->problems);
}

static void conf_reader_free(struct conf_reader *r)
{
	for (size_t i = 0; i < r->include_count; i++)
		free(r->includes[i].pattern);
}

void conf_read_text(struct conf *conf, const char *file, bool main_file, const char *text,
		    size_t size, struct problems *problems)
{
	struct conf_reader r = {.sections = &conf->sections,
				.count = &conf->section_count,
				.file = file,
				.main_file = conf->file,
				.kind = main_file ? CONF_MAIN : CONF_ROLES,
				.problems = problems};

	conf_reader_parse(&r, text, size);
	conf_reader_free(&r);
}

static void conf_read_file(struct conf_reader *r)
{
	size_t size;
	char *text = ini_file_load(r->file, CONF_FILE_MAX, &size, r->problems);

	if (text != NULL)
		conf_reader_parse(r, text, size);
	free(text);
}

void conf_read_list(const char *file, struct conf_section **sections, size_t *count,
		    struct problems *problems)
{
	struct conf_reader r = {.sections = sections,
				.count = count,
				.file = file,
				.main_file = file,
				.kind = CONF_OVERRIDES,
				.problems = problems};

	conf_read_file(&r);
}

/* The files of one `include`, in name order. A pattern may match none, a plain name must be there.
 */
static void conf_read_included(struct conf *conf, const struct conf_reader *from,
			       const struct conf_include *include)
{
	char pattern[4096 + 4096];
	const char *slash = strrchr(conf->file, '/');
	glob_t found;
	int result;

	(void)snprintf(pattern, sizeof(pattern), "%.*s%s",
		       include->pattern[0] == '/' ? 0 : (int)(slash - conf->file) + 1, conf->file,
		       include->pattern);
	result = glob(pattern, GLOB_NOMAGIC, NULL, &found);
	if (result != 0 && result != GLOB_NOMATCH)
		problems_add(from->problems, conf->file, include->line, "include: %s can't be read",
			     pattern);
	for (size_t i = 0; result == 0 && i < found.gl_pathc; i++) {
		struct conf_reader r = *from;

		r.file = found.gl_pathv[i];
		r.kind = CONF_INCLUDED;
		r.include_count = 0;
		if (i < CONF_FILES_MAX)
			conf_read_file(&r);
	}
	if (result == 0)
		globfree(&found);
}

static void conf_read_main(struct conf *conf, struct problems *problems)
{
	struct conf_reader r = {.sections = &conf->sections,
				.count = &conf->section_count,
				.file = conf->file,
				.main_file = conf->file,
				.kind = CONF_MAIN,
				.problems = problems};

	conf_read_file(&r);
	for (size_t i = 0; i < r.include_count; i++) {
		if (r.includes[i].pattern != NULL)
			conf_read_included(conf, &r, &r.includes[i]);
	}
	conf_reader_free(&r);
}

static int conf_read_filter(const struct dirent *entry)
{
	size_t size = strlen(entry->d_name);

	return size > 5 && entry->d_name[0] != '.' &&
	       strcmp(entry->d_name + size - 5, ".conf") == 0;
}

static int conf_read_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The files of conf.d beside the main file. No such directory: no such files. */
static void conf_read_directory(struct conf *conf, struct problems *problems)
{
	const char *slash = strrchr(conf->file, '/');
	char directory[4096];
	char path[4096 + 260];
	struct dirent **entries;
	int count;

	(void)snprintf(directory, sizeof(directory), "%.*s/conf.d",
		       slash != NULL ? (int)(slash - conf->file) : 1,
		       slash != NULL ? conf->file : ".");
	count = scandir(directory, &entries, conf_read_filter, conf_read_order);
	if (count < 0) {
		if (errno != ENOENT)
			problems_add(problems, directory, 0, "%s", strerror(errno));
		return;
	}
	for (int i = 0; i < count; i++) {
		struct conf_reader r = {.sections = &conf->sections,
					.count = &conf->section_count,
					.file = path,
					.main_file = conf->file,
					.kind = CONF_ROLES,
					.problems = problems};

		(void)snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		if (i < CONF_FILES_MAX)
			conf_read_file(&r);
		else if (i == CONF_FILES_MAX)
			problems_add(problems, directory, 0, "more than %d files", CONF_FILES_MAX);
		free(entries[i]);
	}
	free(entries);
}

void conf_read(struct conf *conf, struct problems *problems)
{
	conf_read_main(conf, problems);
	conf_read_directory(conf, problems);
}
