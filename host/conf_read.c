/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/conf.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/ini_file.h"

#define CONF_FILE_MAX ((size_t)256 * 1024)
#define CONF_FILES_MAX 256
#define CONF_SECTIONS_MAX 256
#define CONF_SETTINGS_MAX 512

struct conf_reader {
	struct conf *conf;
	const char *file;
	bool main_file;
	struct problems *problems;
	struct conf_section *section; /* the current one, NULL: skipped */
};

void conf_settings_free(struct conf_setting *settings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(settings[i].key);
		free(settings[i].value);
	}
	free(settings);
}

void conf_section_free(struct conf_section *section)
{
	free(section->name);
	free(section->file);
	conf_settings_free(section->settings, section->count);
}

static void conf_read_section(void *user, const char *name, unsigned line)
{
	struct conf_reader *r = user;
	struct conf *conf = r->conf;
	struct conf_section *sections;

	r->section = NULL;
	if (!r->main_file && (strcmp(name, "host") == 0 || strcmp(name, "node") == 0)) {
		problems_add(r->problems, r->file, line, "[%s] belongs into %s", name, conf->file);
		return;
	}
	for (size_t i = 0; i < conf->section_count; i++) {
		if (strcmp(conf->sections[i].name, name) == 0) {
			problems_add(r->problems, r->file, line, "[%s] stands at %s:%u, too", name,
				     conf->sections[i].file, conf->sections[i].line);
			return;
		}
	}
	if (conf->section_count >= CONF_SECTIONS_MAX) {
		problems_add(r->problems, r->file, line, "more than %d sections",
			     CONF_SECTIONS_MAX);
		return;
	}
	sections = realloc(conf->sections, (conf->section_count + 1) * sizeof(*sections));
	if (sections == NULL)
		return;
	conf->sections = sections;
	r->section = &sections[conf->section_count++];
	*r->section = (struct conf_section){
	    .name = strdup(name),
	    .file = strdup(r->file),
	    .line = line,
	};
}

static void conf_read_value(void *user, const char *key, const char *value, unsigned line)
{
	struct conf_reader *r = user;
	struct conf_section *s = r->section;
	struct conf_setting *settings;

	if (s == NULL)
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
	    .line = line,
	};
}

void conf_read_text(struct conf *conf, const char *file, bool main_file, const char *text,
		    size_t size, struct problems *problems)
{
	struct conf_reader r = {
	    .conf = conf, .file = file, .main_file = main_file, .problems = problems};
	const struct ini_sink sink = {&r, conf_read_section, conf_read_value};

	ini_file_parse(file, text, size, &sink, problems);
}

static void conf_read_file(struct conf *conf, const char *file, bool main_file,
			   struct problems *problems)
{
	size_t size;
	char *text = ini_file_load(file, CONF_FILE_MAX, &size, problems);

	if (text != NULL)
		conf_read_text(conf, file, main_file, text, size, problems);
	free(text);
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
		(void)snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		if (i < CONF_FILES_MAX)
			conf_read_file(conf, path, false, problems);
		else if (i == CONF_FILES_MAX)
			problems_add(problems, directory, 0, "more than %d files", CONF_FILES_MAX);
		free(entries[i]);
	}
	free(entries);
}

void conf_read(struct conf *conf, struct problems *problems)
{
	conf_read_file(conf, conf->file, true, problems);
	conf_read_directory(conf, problems);
}
