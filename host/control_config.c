/* SPDX-License-Identifier: MIT */
/* control_config.c: the methods `config`, `config_set`, `config_reset` and `reload` of the control
 * socket: what is configured and where it stands, overrides, and taking over what was changed. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "host/control.h"
#include "host/json_text.h"

#define CONFIG_SIZE_MAX ((size_t)4 << 20)

static const char *const config_origins[] = {"default", "file", "override"};

static const char *config_param(struct json_object *params, const char *key)
{
	struct json_object *value;

	if (params == NULL || !json_object_object_get_ex(params, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

/* A URL's user and password are nobody's business: "http://user:password@host" loses them. */
static void config_text(struct buf *out, const char *text)
{
	const char *scheme = strstr(text, "://");
	const char *from = scheme != NULL ? scheme + 3 : NULL;
	size_t size = from != NULL ? strcspn(from, "/") : 0;
	struct buf shown = {.limit = 65536};

	while (size > 0 && from[size - 1] != '@')
		size--;
	if (size > 0)
		(void)buf_printf(&shown, "%.*s...@%s", (int)(from - text), text, from + size);
	else
		(void)buf_printf(&shown, "%s", text);
	(void)json_text_string(out, shown.failed ? "" : (const char *)shown.data);
	buf_free(&shown);
}

/* One setting; a secret one without its value. A secret path is no secret, what lies there is. */
static void config_setting(struct buf *out, const struct conf_setting *s, const char **separator)
{
	const char *text = s->text != NULL ? s->text : s->value;
	bool secret = s->secret && s->type != SCHEMA_PATH;

	(void)buf_printf(out, "%s{\"key\":", *separator);
	(void)json_text_string(out, s->key);
	(void)buf_printf(out, ",\"value\":");
	if (secret)
		(void)buf_printf(out, "null");
	else
		config_text(out, text);
	(void)buf_printf(out,
			 ",\"secret\":%s,\"origin\":\"%s\",\"file\":", secret ? "true" : "false",
			 config_origins[s->origin]);
	if (s->file != NULL)
		(void)json_text_string(out, s->file);
	else
		(void)buf_printf(out, "null");
	(void)buf_printf(out, ",\"line\":%u}", s->line);
	*separator = ",";
}

static void config_begin(struct buf *out, const char *name, const char *file, unsigned line,
			 bool enabled, const char **separator)
{
	(void)buf_printf(out, "%s{\"name\":", *separator);
	(void)json_text_string(out, name);
	(void)buf_printf(out, ",\"file\":");
	(void)json_text_string(out, file);
	(void)buf_printf(out, ",\"line\":%u,\"enabled\":%s,\"settings\":[", line,
			 enabled ? "true" : "false");
	*separator = ",";
}

/* A role that is not enabled is not checked: its keys are shown as they were written, secret ones
 * by the schema, if there is one. */
static void config_unchecked(struct buf *out, const struct conf_section *section,
			     const struct conf_role *role, const struct schema *schema,
			     const char **separator)
{
	for (size_t i = 0; section != NULL && i < section->count; i++) {
		struct conf_setting shown = section->settings[i];
		const struct schema_key *key =
		    schema != NULL ? schema_find(schema, shown.key) : NULL;

		shown.type = key != NULL ? key->type : SCHEMA_STRING;
		/* what nobody knows may be anything */
		shown.secret = key != NULL ? key->secret : schema == NULL;
		for (size_t j = 0; j < role->common_count; j++) {
			if (strcmp(role->common[j].key, shown.key) == 0)
				shown.secret = false;
		}
		config_setting(out, &shown, separator);
	}
}

/* The settings of ROLE itself, or of its part NAME. */
static void config_checked(struct buf *out, const struct conf_role *role, const char *name,
			   const char **separator)
{
	size_t size = name != NULL ? strlen(name) : 0;

	for (size_t i = 0; i < role->setting_count; i++) {
		struct conf_setting shown = role->settings[i];
		const char *dot = strchr(shown.key, '.');

		if ((dot != NULL ? (size_t)(dot - shown.key) : 0) != size ||
		    (name != NULL && strncmp(shown.key, name, size) != 0))
			continue;
		if (name != NULL)
			shown.key += size + 1;
		config_setting(out, &shown, separator);
	}
}

static bool config_is_unchecked(const struct conf_role *role)
{
	return role->setting_count == 0 && (!role->enabled || role->manifest == NULL);
}

static void config_part(struct buf *out, const struct conf_role *role,
			const struct conf_section *section, const char *name,
			const char **separator)
{
	const struct schema *schema = role->manifest != NULL ? &role->manifest->part_schema : NULL;
	const char *inner = "";

	config_begin(out, section->name, section->file, section->line, role->enabled, separator);
	if (config_is_unchecked(role))
		config_unchecked(out, section, role, schema, &inner);
	else
		config_checked(out, role, name, &inner);
	(void)buf_printf(out, "]}");
}

static void config_role(struct buf *out, const struct conf *conf, const struct conf_role *role,
			const char **separator)
{
	const struct schema *schema = role->manifest != NULL ? &role->manifest->schema : NULL;
	const char *inner = "";

	config_begin(out, role->instance, role->file, role->line, role->enabled, separator);
	if (config_is_unchecked(role)) {
		config_unchecked(out, conf_section_find(conf, role->instance), role, schema,
				 &inner);
	} else {
		for (size_t i = 0; i < role->common_count; i++)
			config_setting(out, &role->common[i], &inner);
		config_checked(out, role, NULL, &inner);
	}
	(void)buf_printf(out, "]}");
}

/* The parts of ROLE; ONLY (may be NULL): the one that has this section. */
static void config_parts(struct buf *out, const struct conf *conf, const struct conf_role *role,
			 const char *only, const char **separator)
{
	for (size_t i = 0; i < conf->section_count; i++) {
		const struct conf_section *section = &conf->sections[i];
		const char *name = conf_part_name(section->name, role->instance);

		if (name != NULL && (only == NULL || strcmp(section->name, only) == 0))
			config_part(out, role, section, name, separator);
	}
}

static void config_host(struct buf *out, const struct conf *conf, const char **separator)
{
	const struct conf_section *section = conf_section_find(conf, "host");
	const char *inner = "";

	config_begin(out, "host", section != NULL ? section->file : conf->file,
		     section != NULL ? section->line : 0, true, separator);
	for (size_t i = 0; i < conf->host_count; i++)
		config_setting(out, &conf->host[i], &inner);
	(void)buf_printf(out, "]}");
}

static void config_unknown(struct control_request *request, const struct conf *conf,
			   const char *name)
{
	const char *nearest = conf_nearest_section(conf, name);
	struct error e;

	(void)error_set(&e, ADIT_E_NOT_FOUND, "[%s] stands in no file of the configuration%s%s%s",
			name, nearest != NULL ? "; did you mean `" : "",
			nearest != NULL ? nearest : "", nearest != NULL ? "`?" : "");
	control_error(request, CONTROL_FAILED, e.text, e.code);
}

void control_config(struct control_request *request, struct json_object *params)
{
	const struct conf *conf = request->client->control->host->conf;
	const char *only = config_param(params, "role");
	struct buf out = {.limit = CONFIG_SIZE_MAX};
	const char *separator = "";

	if (only != NULL && strcmp(only, "host") != 0 && conf_find(conf, only) == NULL &&
	    (conf_part_name(only, NULL) == NULL || conf_section_find(conf, only) == NULL)) {
		config_unknown(request, conf, only);
		return;
	}
	(void)buf_printf(&out, "{\"file\":");
	(void)json_text_string(&out, conf->file);
	(void)buf_printf(&out, ",\"overrides\":");
	(void)json_text_string(&out, conf->overrides != NULL ? conf->overrides : "");
	(void)buf_printf(&out, ",\"sections\":[");
	if (only == NULL || strcmp(only, "host") == 0)
		config_host(&out, conf, &separator);
	for (size_t i = 0; i < conf->role_count; i++) {
		const struct conf_role *role = conf->roles[i];
		bool whole = only == NULL || strcmp(only, role->instance) == 0;

		if (whole)
			config_role(&out, conf, role, &separator);
		config_parts(&out, conf, role, whole ? NULL : only, &separator);
	}
	(void)buf_printf(&out, "]}");
	if (out.failed)
		control_error(request, CONTROL_FAILED, "the answer is too long", ADIT_E_LIMIT);
	else
		control_answer(request, out.data, out.size);
	buf_free(&out);
}

/* {"reloaded":BOOL,"problems":[TEXT..]}: errors, or the warnings of what was taken over. */
static void config_answer(struct control_request *request, bool reloaded,
			  const struct problems *problems)
{
	struct buf out = {.limit = CONFIG_SIZE_MAX};

	(void)buf_printf(&out, "{\"reloaded\":%s,\"problems\":[", reloaded ? "true" : "false");
	for (size_t i = 0; i < problems->count; i++) {
		(void)buf_printf(&out, "%s", i > 0 ? "," : "");
		(void)json_text_string(&out, problems->texts[i]);
	}
	(void)buf_printf(&out, "]}");
	if (out.failed)
		control_error(request, CONTROL_FAILED, "the answer is too long", ADIT_E_LIMIT);
	else
		control_answer(request, out.data, out.size);
	buf_free(&out);
}

void control_reload(struct control_request *request)
{
	struct problems problems = {0};
	bool good = host_reload(request->client->control->host, &problems);

	config_answer(request, good, &problems);
	problems_free(&problems);
}

/* Writes the overrides and takes them over; when that fails they are as they were before. */
static void config_change(struct control_request *request, const char *role, const char *key,
			  const char *value)
{
	struct host *host = request->client->control->host;
	const struct conf *conf = host->conf;
	struct problems problems = {0};
	struct buf before = {0};
	struct error e;
	bool good;

	if (conf_override_write(conf, role, key, value, &before, &e) != ADIT_OK) {
		control_error(request, CONTROL_FAILED, e.text, e.code);
		buf_free(&before);
		return;
	}
	good = host_reload(host, &problems);
	if (!good && conf_override_restore(conf, &before, &e) != ADIT_OK)
		problems_add(&problems, NULL, 0, "%s", e.text);
	buf_free(&before);
	config_answer(request, good, &problems);
	problems_free(&problems);
}

void control_config_set(struct control_request *request, struct json_object *params)
{
	const struct host *host = request->client->control->host;
	const char *role = config_param(params, "role");
	const char *key = config_param(params, "key");
	const char *value = config_param(params, "value");
	struct error e;

	if (role == NULL || key == NULL || value == NULL)
		control_error(request, CONTROL_PARAMS,
			      "config_set: expected {\"role\":ROLE,\"key\":KEY,\"value\":TEXT}",
			      ADIT_E_INVALID_ARGUMENT);
	else if (conf_override_check(host->conf, role, key, value, &e) != ADIT_OK)
		control_error(request, CONTROL_FAILED, e.text, e.code);
	else
		config_change(request, role, key, value);
}

void control_config_reset(struct control_request *request, struct json_object *params)
{
	const char *role = config_param(params, "role");

	if (role == NULL)
		control_error(request, CONTROL_PARAMS,
			      "config_reset: expected {\"role\":ROLE} and perhaps \"key\"",
			      ADIT_E_INVALID_ARGUMENT);
	else
		config_change(request, role, config_param(params, "key"), NULL);
}
