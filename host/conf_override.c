/* SPDX-License-Identifier: MIT */
/* conf_override.c: STATE/overrides.conf: what was changed with `aditctl config set`. It is read
 * last and has the last word; its values carry their own file and line, so that each setting can
 * say where it comes from. */
#include "config.h"

#include "host/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/ini_file.h"
#include "lib/util/buf.h"
#include "lib/util/nearest.h"

#define OVERRIDES_MAX ((size_t)256 * 1024)
#define OVERRIDE_VALUE_MAX 2000

/* What the files have to say: aditd finds the overrides through the first four, extranonces must
 * not change unseen, `enabled` is a line that everybody looks for in the role's own file, and a
 * role, which may write in state_dir, must not grant itself anything. */
static bool override_refused(const char *section, const char *key)
{
	static const char *const host[] = {"state_dir",  "run_dir",   "control_socket",
					   "plugin_dir", "server_id", "include"};

	if (strcmp(section, "host") != 0)
		return strcmp(key, "enabled") == 0 || strcmp(key, "grant") == 0;
	for (size_t i = 0; i < sizeof(host) / sizeof(host[0]); i++) {
		if (strcmp(host[i], key) == 0)
			return true;
	}
	return false;
}

static struct conf_section *override_section(struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->section_count; i++) {
		if (strcmp(conf->sections[i].name, name) == 0)
			return &conf->sections[i];
	}
	return NULL;
}

/* Puts a copy of S over the setting of the same key in SECTION, or after the others. */
static void override_put(struct conf_section *section, const struct conf_setting *s)
{
	struct conf_setting *at = NULL;

	for (size_t i = 0; i < section->count; i++) {
		if (strcmp(section->settings[i].key, s->key) == 0)
			at = &section->settings[i];
	}
	if (at == NULL) {
		at = realloc(section->settings, (section->count + 1) * sizeof(*at));
		if (at == NULL)
			return;
		section->settings = at;
		at += section->count++;
		*at = (struct conf_setting){.key = strdup(s->key)};
	}
	free(at->value);
	free(at->file);
	at->value = strdup(s->value);
	at->file = strdup(s->file);
	at->line = s->line;
	at->origin = CONF_OVERRIDE;
}

/* Sections that no file need have: what they stand for is always there. */
static struct conf_section *override_create(struct conf *conf, const struct conf_section *from)
{
	struct conf_section *sections;

	if (strcmp(from->name, "host") != 0 && strcmp(from->name, "node") != 0)
		return NULL;
	sections = realloc(conf->sections, (conf->section_count + 1) * sizeof(*sections));
	if (sections == NULL)
		return NULL;
	conf->sections = sections;
	sections[conf->section_count] = (struct conf_section){
	    .name = strdup(from->name), .file = strdup(from->file), .line = from->line};
	return &sections[conf->section_count++];
}

void conf_override(struct conf *conf, struct problems *problems)
{
	if (access(conf->overrides, F_OK) != 0) {
		if (errno == EACCES) /* of the directory: aditd, which owns it, may */
			problems_warn(problems, conf->overrides, 0,
				      "this user may not look for it: what it overrides is not "
				      "seen");
		if (errno == EACCES || errno == ENOENT || errno == ENOTDIR)
			return;
	}
	conf_read_list(conf->overrides, &conf->overridden, &conf->overridden_count, problems);
	for (size_t i = 0; i < conf->overridden_count; i++) {
		const struct conf_section *from = &conf->overridden[i];
		struct conf_section *to = override_section(conf, from->name);

		if (to == NULL)
			to = override_create(conf, from);
		if (to == NULL) {
			problems_warn(problems, from->file, from->line,
				      "[%s] is in no other file: these overrides mean nothing",
				      from->name);
			continue;
		}
		for (size_t j = 0; j < from->count; j++) {
			if (override_refused(from->name, from->settings[j].key))
				problems_add(problems, from->file, from->settings[j].line,
					     "%s: can't be overridden", from->settings[j].key);
			else
				override_put(to, &from->settings[j]);
		}
	}
}

/* --- changing it --------------------------------------------------------------------------------
 */

/* Whether VALUE reads back as it was written: one line, no comment in it, no blanks at its ends. */
static bool override_writable(const char *value)
{
	size_t size = strlen(value);

	if (size == 0 || size > OVERRIDE_VALUE_MAX || value[0] == ' ' || value[size - 1] == ' ' ||
	    value[0] == ';' || strstr(value, " ;") != NULL)
		return false;
	for (size_t i = 0; i < size; i++) {
		if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
			return false;
	}
	return true;
}

static int32_t override_no_key(const struct schema *own, const struct schema *plugin,
			       const char *section, const char *key, struct error *e)
{
	const char *names[600];
	size_t count = 0;
	const char *nearest;

	for (size_t i = 0; i < own->count && count < 300; i++)
		names[count++] = own->keys[i].name;
	for (size_t i = 0; plugin != NULL && i < plugin->count && count < 600; i++)
		names[count++] = plugin->keys[i].name;
	nearest = nearest_word(key, names, count);
	return error_set(e, ADIT_E_NOT_FOUND, "%s: unknown key in [%s]%s%s%s", key, section,
			 nearest != NULL ? "; did you mean `" : "", nearest != NULL ? nearest : "",
			 nearest != NULL ? "`?" : "");
}

static int32_t override_value(const struct conf *conf, const struct schema_key *k,
			      const char *value, struct error *e)
{
	const struct schema_place place = {conf->state_dir, conf->network};
	struct error why;
	char *normal;

	if (!override_writable(value))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "%s: expected one line of 1..%d bytes without blanks at its ends "
				 "and without ` ;`",
				 k->name, OVERRIDE_VALUE_MAX);
	if (schema_value(k, value, &place, &normal, &why) != ADIT_OK)
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "%s: %s", k->name, why.text);
	free(normal);
	return ADIT_OK;
}

int32_t conf_override_check(const struct conf *conf, const char *section, const char *key,
			    const char *value, struct error *e)
{
	const struct schema *plugin;
	struct schema own = {0};
	const struct schema_key *k;
	int32_t error = ADIT_OK;
	bool always = strcmp(section, "host") == 0 || strcmp(section, "node") == 0;

	if ((!always && conf_section_find(conf, section) == NULL) ||
	    !conf_schemas(conf, section, &own, &plugin)) {
		const char *nearest = conf_nearest_section(conf, section);

		schema_free(&own);
		return error_set(e, ADIT_E_NOT_FOUND, "there is no section [%s]%s%s%s", section,
				 nearest != NULL ? "; did you mean `" : "",
				 nearest != NULL ? nearest : "", nearest != NULL ? "`?" : "");
	}
	k = schema_find(&own, key);
	if (k == NULL && plugin != NULL)
		k = schema_find(plugin, key);
	if (override_refused(section, key))
		error = error_set(e, ADIT_E_UNSUPPORTED, "%s: can't be overridden%s", key,
				  strcmp(key, "enabled") == 0
				      ? "; use `aditctl enable` and `aditctl disable`"
				  : strcmp(key, "grant") == 0
				      ? ", write it into the file of its section and reload"
				      : ", edit the file and restart aditd");
	else if (k == NULL)
		error = override_no_key(&own, plugin, section, key, e);
	else if (value != NULL)
		error = override_value(conf, k, value, e);
	schema_free(&own);
	return error;
}

/* Writes TEXT under the name PATH in one step: whoever reads sees the old file or the new one. */
static int32_t override_store(const char *path, const struct buf *text, struct error *e)
{
	char temporary[4096];
	size_t done = 0;
	ssize_t n = 0;
	int fd;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.new", path) >= sizeof(temporary))
		return error_set(e, ADIT_E_IO, "%s: too long", path);
	(void)unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_set(e, ADIT_E_IO, "%s: %s", temporary, strerror(errno));
	while (done < text->size && (n = write(fd, text->data + done, text->size - done)) > 0)
		done += (size_t)n;
	if (done < text->size || fsync(fd) != 0) {
		(void)error_set(e, ADIT_E_IO, "%s: %s", temporary, strerror(errno));
		(void)close(fd);
		(void)unlink(temporary);
		return ADIT_E_IO;
	}
	if (close(fd) != 0 || rename(temporary, path) != 0) {
		(void)error_set(e, ADIT_E_IO, "%s: %s", path, strerror(errno));
		(void)unlink(temporary);
		return ADIT_E_IO;
	}
	return ADIT_OK;
}

/* What the file holds now, in BEFORE; nothing when there is none. One that aditd could not read is
 * left as it is: E says where it is wrong. */
static int32_t override_load(const struct conf *conf, struct buf *before, struct error *e)
{
	struct problems problems = {0};
	struct conf_section *sections = NULL;
	size_t count = 0;
	size_t size = 0;
	char *text;

	if (access(conf->overrides, F_OK) != 0 && errno == ENOENT)
		return ADIT_OK;
	text = ini_file_load(conf->overrides, OVERRIDES_MAX, &size, &problems);
	if (text != NULL)
		conf_read_list(conf->overrides, &sections, &count, &problems);
	for (size_t i = 0; i < count; i++)
		conf_section_free(&sections[i]);
	free(sections);
	if (text != NULL && problems.count == 0)
		(void)buf_append(before, text, size);
	free(text);
	if (problems.count > 0)
		(void)error_set(e, ADIT_E_CONFIG, "%s: mend it first", problems.texts[0]);
	else if (before->failed)
		(void)error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	size = problems.count;
	problems_free(&problems);
	return size > 0 ? ADIT_E_CONFIG : before->failed ? ADIT_E_NO_MEMORY : ADIT_OK;
}

int32_t conf_override_write(const struct conf *conf, const char *section, const char *key,
			    const char *value, struct buf *before, struct error *e)
{
	struct buf text = {.limit = OVERRIDES_MAX};
	int32_t error;
	bool found;

	buf_clear(before);
	error = override_load(conf, before, e);
	if (error != ADIT_OK)
		return error;
	if (before->size == 0)
		(void)buf_printf(&text, "# Written by `aditctl config set` and `reset`; has the "
					"last word over adit.conf and conf.d.\n");
	found = conf_override_edit(before->size > 0 ? (const char *)before->data : "", before->size,
				   section, key, value, &text);
	if (value == NULL && !found)
		error = error_set(e, ADIT_E_NOT_FOUND, "[%s]%s%s is not overridden", section,
				  key != NULL ? " " : "", key != NULL ? key : "");
	else if (text.failed)
		error = error_set(e, ADIT_E_LIMIT, "%s: would be longer than %zu KiB",
				  conf->overrides, OVERRIDES_MAX / 1024);
	else
		error = override_store(conf->overrides, &text, e);
	buf_free(&text);
	return error;
}

int32_t conf_override_restore(const struct conf *conf, const struct buf *before, struct error *e)
{
	if (before->size > 0)
		return override_store(conf->overrides, before, e);
	if (unlink(conf->overrides) != 0 && errno != ENOENT)
		return error_set(e, ADIT_E_IO, "%s: %s", conf->overrides, strerror(errno));
	return ADIT_OK;
}
