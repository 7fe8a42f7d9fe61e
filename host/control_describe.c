/* SPDX-License-Identifier: MIT */
/* control_describe.c: the method `describe` of the control socket: what a role is, which keys its
 * section may have, and which methods it has while it runs. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include <adit/plugin.h>

#include "host/control.h"
#include "host/json_text.h"

#define DESCRIBE_SIZE_MAX ((size_t)4 << 20)

static void describe_text(struct buf *out, const char *key, const char *text)
{
	(void)buf_printf(out, ",\"%s\":", key);
	if (text != NULL)
		(void)json_text_string(out, text);
	else
		(void)buf_printf(out, "null");
}

static void describe_keys(struct buf *out, const struct schema *schema, const char **separator)
{
	for (size_t i = 0; schema != NULL && i < schema->count; i++) {
		const struct schema_key *key = &schema->keys[i];

		(void)buf_printf(out, "%s{\"key\":", *separator);
		(void)json_text_string(out, key->name);
		describe_text(out, "type", schema_type_name(key->type));
		describe_text(out, "default", key->fallback);
		describe_text(out, "range", key->range);
		describe_text(out, "help", key->help);
		(void)buf_printf(out, ",\"required\":%s,\"secret\":%s}",
				 key->required ? "true" : "false", key->secret ? "true" : "false");
		*separator = ",";
	}
}

/* What [ROLE/NAME] stands for, and the keys of such a section. */
static void describe_parts(struct buf *out, const struct manifest *m)
{
	const char *separator = "";

	describe_text(out, "part", m->part);
	(void)buf_printf(out, ",\"part_keys\":[");
	describe_keys(out, &m->part_schema, &separator);
	(void)buf_printf(out, "]");
}

static void describe_dependencies(struct buf *out, const struct manifest *m)
{
	(void)buf_printf(out, ",\"dependencies\":[");
	for (size_t i = 0; i < m->dependency_count; i++) {
		(void)buf_printf(out, "%s{\"name\":", i > 0 ? "," : "");
		(void)json_text_string(out, m->dependencies[i].name);
		describe_text(out, "version", m->dependencies[i].version);
		(void)buf_printf(out, ",\"optional\":%s}",
				 m->dependencies[i].optional ? "true" : "false");
	}
	(void)buf_printf(out, "]");
}

/* A running worker of the plugin (or of INSTANCE alone), which has registered its methods. */
static const struct endpoint *describe_endpoint(const struct host *host, const char *plugin,
						const char *instance)
{
	for (const struct group *group = host->groups; group != NULL; group = group->next) {
		for (size_t i = 0; i < group->process_count; i++) {
			const struct process *p = group->processes[i];

			for (size_t j = 0; j < p->endpoint_count; j++) {
				const struct endpoint *e = &p->endpoints[j];

				if (p->state == PROCESS_RUNNING && strcmp(e->role, plugin) == 0 &&
				    (instance == NULL || strcmp(e->instance, instance) == 0))
					return e;
			}
		}
	}
	return NULL;
}

/* null while none runs: only the running plugin knows them. */
static void describe_methods(struct buf *out, const struct endpoint *e)
{
	if (e == NULL) {
		(void)buf_printf(out, ",\"methods\":null");
		return;
	}
	(void)buf_printf(out, ",\"methods\":[");
	for (size_t i = 0; i < e->method_count; i++) {
		const struct method *m = &e->methods[i];

		(void)buf_printf(out, "%s{\"name\":", i > 0 ? "," : "");
		(void)json_text_string(out, m->name);
		describe_text(out, "mode",
			      m->mode == ADIT_METHOD_ALL   ? "all"
			      : m->mode == ADIT_METHOD_ONE ? "one"
							   : "any");
		(void)buf_printf(out, ",\"looks\":%s}", m->looks ? "true" : "false");
	}
	(void)buf_printf(out, "]");
}

static void describe_manifest(struct buf *out, const struct host *host, const struct manifest *m,
			      const struct conf_role *role)
{
	describe_text(out, "plugin", m->name);
	describe_text(out, "version", m->version);
	describe_text(out, "description", m->description);
	describe_text(out, "author", m->author);
	describe_text(out, "manifest", m->file);
	describe_text(out, "workers", m->many_workers ? "many" : "one");
	describe_text(out, "aliases", m->aliases != NULL ? m->aliases : "");
	(void)buf_printf(out, ",\"enabled\":%s", role != NULL && role->enabled ? "true" : "false");
	(void)buf_printf(out, ",");
	control_put_rights(out, "capabilities", m->capabilities);
	describe_text(out, "not_of_root", m->foreign);
	describe_dependencies(out, m);
	describe_methods(out,
			 describe_endpoint(host, m->name, role != NULL ? role->instance : NULL));
}

static void describe_unknown(struct control_request *request, const char *name)
{
	const struct conf *conf = request->client->control->host->conf;
	const char *nearest = conf_nearest_section(conf, name);
	struct error e;

	(void)error_set(&e, ADIT_E_NOT_FOUND, "no role `%.80s` is installed%s%.80s%s", name,
			nearest != NULL ? "; did you mean `" : "; `aditctl roles` lists them",
			nearest != NULL ? nearest : "", nearest != NULL ? "`?" : "");
	control_error(request, CONTROL_FAILED, e.text, e.code);
}

void control_describe(struct control_request *request, struct json_object *params)
{
	const struct host *host = request->client->control->host;
	const char *name = control_string(params, "role");
	struct buf out = {.limit = DESCRIBE_SIZE_MAX};
	struct schema own = {0};
	const struct schema *keys = NULL;
	const struct manifest *m = NULL;
	const char *separator = "";
	char plugin[64];

	if (name == NULL) {
		control_error(request, CONTROL_PARAMS,
			      "describe: expected {\"role\":ROLE}, or host for the section [host]",
			      ADIT_E_INVALID_ARGUMENT);
		return;
	}
	if (!conf_schemas(host->conf, name, &own, &keys)) {
		schema_free(&own);
		describe_unknown(request, name);
		return;
	}
	(void)snprintf(plugin, sizeof(plugin), "%.*s", (int)strcspn(name, "@/"), name);
	m = manifests_find(&host->conf->manifests, plugin);
	(void)buf_printf(&out, "{\"name\":");
	(void)json_text_string(&out, name);
	if (m != NULL)
		describe_manifest(&out, host, m, conf_find(host->conf, name));
	(void)buf_printf(&out, ",\"keys\":[");
	describe_keys(&out, keys, &separator);
	describe_keys(&out, &own, &separator);
	(void)buf_printf(&out, "]");
	if (m != NULL && m->part != NULL && conf_part_name(name, NULL) == NULL)
		describe_parts(&out, m);
	(void)buf_printf(&out, "}");
	schema_free(&own);
	if (out.failed)
		control_error(request, CONTROL_FAILED, "the answer is too long", ADIT_E_LIMIT);
	else
		control_answer(request, out.data, out.size);
	buf_free(&out);
}
