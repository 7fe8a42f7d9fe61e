/* SPDX-License-Identifier: MIT */
/* rack_conf.c: the rack's methods for configuration, settings and what is outside of things. */
#include "config.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "plugins/miningos/files.h"
#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"
#include "plugins/miningos/query.h"
#include "plugins/miningos/rack_methods.h"

#define SETTINGS_MAX 65536u /* bytes of all settings as text */

/* --- ext data and configuration --- */

/* Of the miners' rack: figures of the node, and the template; both under `query.key`. */
void rack_wrk_ext_data(struct rack_call *call)
{
	struct miningos *m = call->m;
	const char *key = get_text(rack_param(call, "query"), "key", NULL);
	struct json_object *o = json_object_new_object();
	bool template = m->settings.expose_via_p2p && m->settings.template_enabled;

	if (key == NULL) {
		add_object(o, "node-stats", node_stats_json(m));
		if (template)
			add_object(o, "template", template_json(m));
	} else if (strcmp(key, "node-stats") == 0 || strcmp(key, "stats") == 0) {
		json_object_put(o);
		o = node_stats_json(m);
	} else if (strcmp(key, "template") == 0 && template) {
		json_object_put(o);
		o = template_json(m);
	} else {
		json_object_put(o);
		rack_refuse(call, "ERR_KEY_INVALID");
		return;
	}
	rack_answer(call, o);
}

static struct json_object *configuration(const struct miningos *m)
{
	const struct mos_settings *s = &m->settings;
	struct json_object *o = json_object_new_object();

	add_text(o, "rack_id", s->rack_id);
	add_text(o, "rack_type", s->rack_type);
	add_text(o, "thingType", THING_TYPE);
	add_text(o, "version", PACKAGE_VERSION);
	add_text(o, "network", m->info.network);
	add_count(o, "collectSnapsItvMs", s->things_update_interval_seconds * 1000ull);
	add_count(o, "storeSnapItvMs", 300000);
	add_count(o, "collection_interval_seconds", s->collection_interval_seconds);
	add_count(o, "update_interval_seconds", s->update_interval_seconds);
	add_text(o, "hashrate_unit", s->hashrate_unit);
	add_text(o, "temperature_unit", s->temperature_unit);
	add_text(o, "power_unit", s->power_unit);
	add_bool(o, "actions_enabled", s->actions_enabled);
	add_bool(o, "require_approval", s->require_approval);
	add_count(o, "timeout_seconds", s->timeout_seconds);
	add_text(o, "supported_actions", m->api->config(m->host, "supported_actions"));
	add_object(o, "node", node_stats_json(m));
	return o;
}

void rack_wrk_conf(struct rack_call *call)
{
	struct json_object *all = configuration(call->m);

	rack_answer(call, query_project(all, rack_param(call, "fields")));
	json_object_put(all);
}

/* The pools that miners may be given: none are configured in the rack, so that setupPools always
 * names them; what was set last is known. */
void rack_thing_conf(struct rack_call *call)
{
	const char *type = rack_text(call, "requestType");
	char code[THING_CODE_MAX + 1];

	if (type != NULL && strcmp(type, "nextAvailableCode") == 0) {
		things_next_code(&call->m->things, code);
		rack_answer(call, json_object_new_string(code));
	} else if (type != NULL && strcmp(type, "poolConfig") == 0) {
		rack_answer(call, json_object_get(call->m->pool_config));
	} else {
		rack_refuse(call, "ERR_INVALID_REQUEST_TYPE");
	}
}

void rack_replica_conf(struct rack_call *call)
{
	rack_answer(call, json_object_new_object());
}

void rack_firmwares(struct rack_call *call)
{
	rack_answer(call, json_object_new_array());
}

/* There is no way to a miner's firmware over Stratum V2. */
void rack_register_firmware(struct rack_call *call)
{
	rack_refuse(call, "ERR_FIRMWARE_UNSUPPORTED");
}

/* --- settings, which MiningOS keeps here for itself --- */

void settings_file_load(struct miningos *m)
{
	char path[4096], text[SETTINGS_MAX + 1];
	size_t size;
	FILE *f;

	snprintf(path, sizeof(path), "%s/settings.json", m->info.state_dir);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	size = fread(text, 1, sizeof(text), f);
	fclose(f);
	if (size <= SETTINGS_MAX && parse_json(text, size, &m->rack_settings) &&
	    json_object_is_type(m->rack_settings, json_type_object))
		return;
	json_object_put(m->rack_settings);
	m->rack_settings = NULL;
	mos_log(m, ADIT_LOG_WARNING, "%s is no JSON object and is not used", path);
}

static void write_settings(FILE *f, void *user)
{
	fputs(json_object_to_json_string_ext(user, JSON_C_TO_STRING_PLAIN), f);
}

void rack_wrk_settings(struct rack_call *call)
{
	struct json_object *o = json_object_get(call->m->rack_settings);

	rack_answer(call, o != NULL ? o : json_object_new_object());
}

void rack_save_settings(struct rack_call *call)
{
	struct miningos *m = call->m;
	struct json_object *entries = rack_param(call, "entries"), *o;
	char path[4096];
	struct error e;

	if (!json_object_is_type(entries, json_type_object)) {
		rack_refuse(call, "ERR_ENTRIES_INVALID");
		return;
	}
	o = m->rack_settings != NULL ? copy_json(m->rack_settings) : json_object_new_object();
	json_object_object_foreach(entries, key, value)
	    json_object_object_add(o, key, copy_json(value));
	if (strlen(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)) > SETTINGS_MAX) {
		json_object_put(o);
		rack_refuse(call, "ERR_ENTRIES_INVALID");
		return;
	}
	json_object_put(m->rack_settings);
	m->rack_settings = o;
	snprintf(path, sizeof(path), "%s/settings.json", m->info.state_dir);
	if (file_replace(path, write_settings, o, &e) != ADIT_OK)
		mos_log(m, ADIT_LOG_ERROR, "%s", e.text);
	rack_answer(call, json_object_get(o));
}
