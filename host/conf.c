/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/log.h"
#include "host/paths.h"
#include "lib/util/nearest.h"

/* The keys of [host], and those every role section may have. A schema like a manifest's. */
static const char *const conf_host_keys[][2] = {
    {"state_dir", "path | " ADIT_STATEDIR " | - | where roles keep their files"},
    {"run_dir", "path | " ADIT_RUNDIR " | - | where sockets are made"},
    {"control_socket", "path | - | - | socket of aditctl; RUN_DIR/control.sock by default"},
    {"plugin_dir", "path | " ADIT_PLUGINDIR " | - | where plugins and their manifests are"},
    {"log_level", "enum | info | error,warning,info,debug,trace | what is logged"},
    {"server_id", "int | 0 | 0..65535 | first part of every extranonce prefix of this host"},
    {"watchdog", "duration | 5s | 1s..10m | a process silent for so long is killed"},
    {"share_log_records",
     "int | 32768 | 64..4194304 | shares that each worker's ring of the share log holds"},
};
static const char *const conf_role_keys[][2] = {
    {"enabled", "bool | true | - | whether the role is started"},
    {"process", "string | - | 1..31 | process that the role shares with others"},
    {"workers", "int | 1 | 1..64 | copies of the process"},
    {"grant", "string | - | 1..500 | capabilities for a plugin that is not root's, or all"},
};

static bool conf_schema(struct schema *s, const char *const (*keys)[2], size_t count)
{
	struct error e;

	for (size_t i = 0; i < count; i++) {
		if (schema_add(s, keys[i][0], keys[i][1], 0, &e) != ADIT_OK)
			return false;
	}
	return true;
}

/* Tells of a key that is in neither schema, with the nearest that is. */
static void conf_unknown_key(const struct conf_section *section, const struct conf_setting *setting,
			     const struct schema *first, const struct schema *second,
			     struct problems *problems)
{
	const char *names[601];
	size_t count = 0;
	const char *nearest;

	for (size_t i = 0; i < first->count && count < 300; i++)
		names[count++] = first->keys[i].name;
	for (size_t i = 0; second != NULL && i < second->count && count < 600; i++)
		names[count++] = second->keys[i].name;
	if (strcmp(section->name, "host") == 0)
		names[count++] = "include";
	nearest = nearest_word(setting->key, names, count);
	if (nearest != NULL)
		problems_add(problems, setting->file, setting->line,
			     "%s: unknown key in [%s]; did you mean `%s`?", setting->key,
			     section->name, nearest);
	else
		problems_add(problems, setting->file, setting->line, "%s: unknown key in [%s]",
			     setting->key, section->name);
}

/* Appends the checked VALUE, which becomes the list's, of KEY as GIVEN (NULL: the default). */
static bool conf_settings_add(struct conf_setting **settings, size_t *count,
			      const struct schema_key *key, const struct conf_setting *given,
			      char *value)
{
	struct conf_setting *list = realloc(*settings, (*count + 1) * sizeof(*list));
	struct conf_setting s = {
	    .key = strdup(key->name),
	    .value = value,
	    .text = strdup(given != NULL ? given->value : key->fallback),
	    .type = key->type,
	    .secret = key->secret,
	    .origin = given != NULL ? given->origin : CONF_DEFAULT,
	    .file = given != NULL ? strdup(given->file) : NULL,
	    .line = given != NULL ? given->line : 0,
	};

	if (list != NULL)
		*settings = list;
	if (list == NULL || s.key == NULL || s.text == NULL || (given != NULL && s.file == NULL)) {
		free(s.key);
		free(s.value);
		free(s.text);
		free(s.file);
		return false;
	}
	list[(*count)++] = s;
	return true;
}

const struct conf_setting *conf_section_get(const struct conf_section *section, const char *key)
{
	for (size_t i = 0; section != NULL && i < section->count; i++) {
		if (strcmp(section->settings[i].key, key) == 0)
			return &section->settings[i];
	}
	return NULL;
}

/* A pool's key stands behind its address or in one of the keys that the schema names. */
static void conf_check_pool_key(const struct conf_section *section, const struct schema_key *key,
				const struct conf_setting *given, const char *value,
				struct problems *problems)
{
	if (section == NULL || given == NULL || !schema_wants_key(key, value))
		return;
	for (size_t i = 0; i < section->count; i++) {
		if (schema_in_list(key->range, section->settings[i].key) &&
		    section->settings[i].value[0] != '\0')
			return;
	}
	problems_add(problems, given->file, given->line,
		     "%s: expected the authority public key that the pool shows, here as "
		     "stratum2+tcp://HOST:PORT/KEY or in one of %s",
		     key->name, key->range);
}

void conf_check_values(const struct conf_section *section, const struct schema *schema,
		       const struct schema_place *place, struct conf_setting **settings,
		       size_t *count, struct problems *problems)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct schema_key *key = &schema->keys[i];
		const struct conf_setting *given = conf_section_get(section, key->name);
		const char *text = given != NULL ? given->value : key->fallback;
		char *value;
		struct error e;

		if (text == NULL && key->required && section != NULL)
			problems_add(problems, section->file, section->line,
				     "%s: is required in [%s]: %s", key->name, section->name,
				     key->help);
		if (text == NULL)
			continue;
		if (schema_value(key, text, place, &value, &e) == ADIT_OK) {
			conf_check_pool_key(section, key, given, value, problems);
			(void)conf_settings_add(settings, count, key, given, value);
		} else if (section != NULL)
			problems_add(problems, given != NULL ? given->file : section->file,
				     given != NULL ? given->line : section->line, "%s: %s",
				     key->name, e.text);
	}
}

void conf_check_keys(const struct conf_section *section, const struct schema *schema,
		     const struct schema *also, struct problems *problems)
{
	for (size_t i = 0; section != NULL && i < section->count; i++) {
		const struct conf_setting *s = &section->settings[i];

		if (schema_find(schema, s->key) == NULL &&
		    (also == NULL || schema_find(also, s->key) == NULL))
			conf_unknown_key(section, s, schema, also, problems);
	}
}

static const char *conf_setting_value(const struct conf_setting *settings, size_t count,
				      const char *key)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(settings[i].key, key) == 0)
			return settings[i].value;
	}
	return NULL;
}

const struct conf_section *conf_section_find(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->section_count; i++) {
		if (strcmp(conf->sections[i].name, name) == 0)
			return &conf->sections[i];
	}
	return NULL;
}

/* A copy of the value of KEY in [host]; NULL when it has none. */
static char *conf_host_copy(const struct conf *conf, const char *key)
{
	const char *value = conf_setting_value(conf->host, conf->host_count, key);

	return value != NULL ? strdup(value) : NULL;
}

static long conf_host_number(const struct conf *conf, const char *key, long otherwise)
{
	const char *value = conf_setting_value(conf->host, conf->host_count, key);

	return value != NULL ? atol(value) : otherwise;
}

/* Reads [host] into conf->host. */
static void conf_host_values(struct conf *conf, struct problems *problems)
{
	const struct conf_section *section = conf_section_find(conf, "host");
	struct schema schema = {0};
	char base[4096];
	const struct schema_place place = {base, NULL};

	(void)conf_schema(&schema, conf_host_keys,
			  sizeof(conf_host_keys) / sizeof(conf_host_keys[0]));
	(void)snprintf(base, sizeof(base), "%.*s", (int)(strrchr(conf->file, '/') - conf->file),
		       conf->file);
	conf_settings_free(conf->host, conf->host_count);
	conf->host = NULL;
	conf->host_count = 0;
	conf_check_values(section, &schema, &place, &conf->host, &conf->host_count, problems);
	conf_check_keys(section, &schema, NULL, problems);
	schema_free(&schema);
}

/* The overrides lie in state_dir: that is looked for first, its problems are told of later. */
static void conf_host_overrides(struct conf *conf, struct problems *problems)
{
	const char *directory;

	conf_host_values(conf, NULL);
	directory = conf_setting_value(conf->host, conf->host_count, "state_dir");
	if (directory == NULL || asprintf(&conf->overrides, "%s/overrides.conf", directory) < 0)
		conf->overrides = NULL;
	if (conf->overrides != NULL)
		conf_override(conf, problems);
}

void conf_host(struct conf *conf, struct problems *problems)
{
	const char *level;

	conf_host_overrides(conf, problems);
	conf_host_values(conf, problems);
	conf->state_dir = conf_host_copy(conf, "state_dir");
	conf->run_dir = conf_host_copy(conf, "run_dir");
	conf->plugin_dir = conf_host_copy(conf, "plugin_dir");
	conf->control_socket = conf_host_copy(conf, "control_socket");
	level = conf_setting_value(conf->host, conf->host_count, "log_level");
	if (level != NULL)
		conf->log_level = log_level_parse(level);
	conf->server_id = (uint16_t)conf_host_number(conf, "server_id", 0);
	conf->watchdog_ms = (uint32_t)conf_host_number(conf, "watchdog", conf->watchdog_ms);
	conf->share_log_records =
	    (uint32_t)conf_host_number(conf, "share_log_records", conf->share_log_records);
	if (conf->control_socket == NULL &&
	    asprintf(&conf->control_socket, "%s/control.sock",
		     conf->run_dir != NULL ? conf->run_dir : "") < 0)
		conf->control_socket = NULL;
}

static struct conf_role *conf_role_new(struct conf *conf)
{
	struct conf_role **roles = realloc(conf->roles, (conf->role_count + 1) * sizeof(*roles));
	struct conf_role *role = calloc(1, sizeof(*role));

	if (roles != NULL)
		conf->roles = roles;
	if (roles == NULL || role == NULL) {
		free(role);
		return NULL;
	}
	roles[conf->role_count++] = role;
	return role;
}

/* The service process `node`, whose plugin is linked in. */
static void conf_node(struct conf *conf, const char *text, struct problems *problems)
{
	const struct conf_section *section = conf_section_find(conf, "node");
	struct manifest *m;
	struct conf_role *role;
	struct conf_section absent = {.name = (char[]){"node"}, .file = conf->file, .line = 0};
	const struct schema_place place = {conf->state_dir, NULL};

	if (text == NULL)
		return;
	m = manifest_parse("node.manifest (linked in)", NULL, text, strlen(text), problems);
	role = m != NULL && manifests_add(&conf->manifests, m) ? conf_role_new(conf) : NULL;
	if (role == NULL)
		return;
	if (section == NULL)
		section = &absent;
	role->instance = strdup("node");
	role->role = strdup("node");
	role->process = strdup("node");
	role->file = strdup(section->file);
	role->line = section->line;
	role->enabled = true;
	role->workers = 1;
	role->manifest = m;
	role->rights = m->capabilities;
	conf_check_values(section, &m->schema, &place, &role->settings, &role->setting_count,
			  problems);
	conf_check_keys(section, &m->schema, NULL, problems);
}

/* "role" or "role@name" of a section. */
static bool conf_role_name(struct conf_role *role, const struct conf_section *section,
			   struct problems *problems)
{
	const char *at = strchr(section->name, '@');
	size_t size = at != NULL ? (size_t)(at - section->name) : strlen(section->name);

	role->instance = strdup(section->name);
	role->role = strndup(section->name, size);
	role->process = strdup(section->name);
	role->file = strdup(section->file);
	role->line = section->line;
	if (role->instance == NULL || role->role == NULL || role->process == NULL)
		return false;
	if (at != NULL)
		role->process[size] = '.';
	if (strcmp(role->role, "node") == 0) {
		problems_add(problems, section->file, section->line,
			     "[%s]: there is one node, [node], on which all roles work",
			     section->name);
		return false;
	}
	if (!manifest_name_valid(role->role) || (at != NULL && !manifest_name_valid(at + 1)) ||
	    strcmp(role->role, "host") == 0 || strcmp(role->role, "control") == 0) {
		problems_add(problems, section->file, section->line,
			     "[%s]: expected a role or role@name of a-z 0-9 - _", section->name);
		return false;
	}
	return true;
}

/* The keys every role has. */
static void conf_role_common(struct conf_role *role, const struct conf_section *section,
			     const struct schema *common, struct problems *problems)
{
	static const struct schema_place nowhere = {"/", NULL};
	const char *enabled;
	const char *process;

	conf_check_values(section, common, &nowhere, &role->common, &role->common_count, problems);
	enabled = conf_setting_value(role->common, role->common_count, "enabled");
	role->enabled = enabled == NULL || strcmp(enabled, "true") == 0;
	role->workers = 1;
	for (size_t i = 0; i < role->common_count; i++) {
		if (strcmp(role->common[i].key, "workers") == 0) {
			role->workers = (unsigned)atoi(role->common[i].value);
			role->workers_line = role->common[i].line;
		}
	}
	process = conf_setting_value(role->common, role->common_count, "process");
	if (process == NULL)
		return;
	if (!manifest_name_valid(process) || strcmp(process, "node") == 0) {
		const struct conf_setting *given = conf_section_get(section, "process");

		problems_add(problems, given->file, given->line,
			     "process: expected at most 31 of a-z 0-9 - _, and not `node`");
	}
	free(role->process);
	role->process = strdup(process);
}

const char *conf_nearest_section(const struct conf *conf, const char *name)
{
	const char *names[258] = {"host", "node"};
	size_t count = 2;

	for (size_t i = 0; i < conf->manifests.count && count < 258; i++)
		names[count++] = conf->manifests.items[i]->name;
	return nearest_word(name, names, count);
}

static void conf_role_no_plugin(struct conf *conf, const struct conf_role *role,
				struct problems *problems)
{
	const char *nearest = conf_nearest_section(conf, role->role);

	conf->soft_problems++;
	problems_add(problems, role->file, role->line, "[%s]: no usable plugin `%s` in %s%s%s%s",
		     role->instance, role->role, conf->plugin_dir,
		     nearest != NULL ? "; did you mean `" : "", nearest != NULL ? nearest : "",
		     nearest != NULL ? "`?" : "");
}

static void conf_roles(struct conf *conf, struct problems *problems)
{
	const struct schema_place place = {conf->state_dir, conf->network};
	struct schema common = {0};

	(void)conf_schema(&common, conf_role_keys,
			  sizeof(conf_role_keys) / sizeof(conf_role_keys[0]));
	for (size_t i = 0; i < conf->section_count; i++) {
		const struct conf_section *section = &conf->sections[i];
		struct conf_role *role;

		if (strcmp(section->name, "host") == 0 || strcmp(section->name, "node") == 0 ||
		    conf_part_name(section->name, NULL) != NULL)
			continue;
		role = conf_role_new(conf);
		if (role == NULL)
			break;
		if (!conf_role_name(role, section, problems))
			continue;
		conf_role_common(role, section, &common, problems);
		role->manifest = manifests_find(&conf->manifests, role->role);
		if (role->manifest == NULL) {
			if (role->enabled)
				conf_role_no_plugin(conf, role, problems);
			role->trouble = strdup("there is no usable plugin of this name");
			continue;
		}
		if (!role->enabled)
			continue;
		conf_check_values(section, &role->manifest->schema, &place, &role->settings,
				  &role->setting_count, problems);
		conf_check_keys(section, &role->manifest->schema, &common, problems);
		conf_parts(conf, role, &place, problems);
		conf_rights(role, section, problems);
	}
	conf_parts_alone(conf, problems);
	schema_free(&common);
}

bool conf_schemas(const struct conf *conf, const char *name, struct schema *own,
		  const struct schema **plugin)
{
	char role[64];
	const struct manifest *m;

	*plugin = NULL;
	if (strcmp(name, "host") == 0)
		return conf_schema(own, conf_host_keys,
				   sizeof(conf_host_keys) / sizeof(conf_host_keys[0]));
	(void)snprintf(role, sizeof(role), "%.*s", (int)strcspn(name, "@/"), name);
	m = manifests_find(&conf->manifests, role);
	if (m == NULL)
		return false;
	if (conf_part_name(name, NULL) != NULL) {
		*plugin = &m->part_schema;
		return m->part != NULL;
	}
	*plugin = &m->schema;
	return strcmp(name, "node") == 0 ||
	       conf_schema(own, conf_role_keys, sizeof(conf_role_keys) / sizeof(conf_role_keys[0]));
}

const char *conf_role_value(const struct conf_role *role, const char *key)
{
	return conf_setting_value(role->settings, role->setting_count, key);
}

const struct conf_role *conf_find(const struct conf *conf, const char *instance)
{
	for (size_t i = 0; i < conf->role_count; i++) {
		if (strcmp(conf->roles[i]->instance, instance) == 0)
			return conf->roles[i];
	}
	return NULL;
}

/* FILE as an absolute path. */
static char *conf_absolute(const char *file)
{
	char here[4096];
	char *path;

	if (file[0] == '/')
		return strdup(file);
	if (getcwd(here, sizeof(here)) == NULL || asprintf(&path, "%s/%s", here, file) < 0)
		return NULL;
	return path;
}

struct conf *conf_new(const char *file)
{
	struct conf *conf = calloc(1, sizeof(*conf));

	if (conf == NULL)
		return NULL;
	conf->log_level = ADIT_LOG_INFO;
	conf->watchdog_ms = 5000;
	conf->share_log_records = 32768;
	conf->file = conf_absolute(file);
	if (conf->file == NULL) {
		conf_free(conf);
		return NULL;
	}
	return conf;
}

bool conf_check(struct conf *conf, const char *node_manifest, struct problems *problems)
{
	const struct conf_role *node;
	const char *network = NULL;

	conf_node(conf, node_manifest, problems);
	node = conf_find(conf, "node");
	if (node != NULL)
		network = conf_role_value(node, "network");
	conf->network = strdup(network != NULL ? network : "regtest");
	if (conf->network == NULL)
		return false;
	conf_roles(conf, problems);
	conf_known_secrets(conf, problems);
	return conf_plan(conf, problems);
}

struct conf *conf_load(const char *file, const char *node_manifest, struct problems *problems,
		       bool *usable)
{
	struct conf *conf = conf_new(file);
	size_t before = problems_errors(problems);

	*usable = false;
	if (conf == NULL)
		return NULL;
	conf_read(conf, problems);
	conf_host(conf, problems);
	if (conf->state_dir == NULL || conf->plugin_dir == NULL || conf->run_dir == NULL)
		return conf;
	/* a broken manifest is the trouble of its role only */
	conf->soft_problems = problems_errors(problems);
	manifests_load(&conf->manifests, conf->plugin_dir, problems);
	conf->soft_problems = problems_errors(problems) - conf->soft_problems;
	*usable = conf_check(conf, node_manifest, problems) &&
		  problems_errors(problems) - before == conf->soft_problems;
	return conf;
}

static void conf_role_free(struct conf_role *role)
{
	free(role->instance);
	free(role->role);
	free(role->process);
	free(role->file);
	free(role->trouble);
	free(role->grant);
	free(role->remedy);
	conf_settings_free(role->common, role->common_count);
	conf_settings_free(role->settings, role->setting_count);
	free(role);
}

void conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	for (size_t i = 0; i < conf->section_count; i++)
		conf_section_free(&conf->sections[i]);
	free(conf->sections);
	for (size_t i = 0; i < conf->overridden_count; i++)
		conf_section_free(&conf->overridden[i]);
	free(conf->overridden);
	conf_settings_free(conf->host, conf->host_count);
	free(conf->overrides);
	for (size_t i = 0; i < conf->role_count; i++)
		conf_role_free(conf->roles[i]);
	free(conf->roles);
	for (size_t i = 0; i < conf->group_count; i++) {
		free(conf->groups[i].name);
		free(conf->groups[i].roles);
		free(conf->groups[i].after);
		free(conf->groups[i].loose);
	}
	free(conf->groups);
	manifests_free(&conf->manifests);
	free(conf->file);
	free(conf->state_dir);
	free(conf->run_dir);
	free(conf->control_socket);
	free(conf->plugin_dir);
	free(conf->network);
	free(conf);
}
