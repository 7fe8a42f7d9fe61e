/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/rack.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/util/clock.h"
#include "lib/util/hex.h"
#include "plugins/miningos/minerpool.h"
#include "plugins/miningos/miningos.h"
#include "plugins/miningos/rack_methods.h"

/* --- answers --- */

static void end_call(struct rack_call *call, struct json_object *result, const char *error)
{
	TAILQ_REMOVE(&call->m->rack.open, call, link);
	call->fn(call->ctx, result, error);
	json_object_put(result);
	json_object_put(call->params);
	free(call);
}

void rack_answer(struct rack_call *call, struct json_object *result)
{
	end_call(call, result, NULL);
}

void rack_answer_count(struct rack_call *call, int64_t count)
{
	end_call(call, json_object_new_int64(count), NULL);
}

void rack_refuse(struct rack_call *call, const char *error)
{
	end_call(call, NULL, error);
}

/* --- parameters --- */

struct json_object *rack_param(const struct rack_call *call, const char *key)
{
	struct json_object *value = NULL;

	if (json_object_is_type(call->params, json_type_object))
		(void)json_object_object_get_ex(call->params, key, &value);
	return value;
}

const char *rack_text(const struct rack_call *call, const char *key)
{
	struct json_object *value = rack_param(call, key);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

uint64_t rack_number(const struct rack_call *call, const char *key, uint64_t fallback)
{
	struct json_object *value = rack_param(call, key);
	double number = json_object_get_double(value);
	bool text = json_object_is_type(value, json_type_string);

	if (text) {
		const char *at = json_object_get_string(value);

		if (*at < '0' || *at > '9')
			return fallback;
	} else if (!json_object_is_type(value, json_type_int) &&
		   !json_object_is_type(value, json_type_double)) {
		return fallback;
	}
	return number >= 0 && number < 9007199254740992.0 ? (uint64_t)number : fallback;
}

bool rack_truthy(const struct rack_call *call, const char *key)
{
	struct json_object *value = rack_param(call, key);

	switch (json_object_get_type(value)) {
	case json_type_null:
		return false;
	case json_type_array:
	case json_type_object:
		return true;
	case json_type_string:
		return json_object_get_string_len(value) > 0;
	default:
		return json_object_get_double(value) != 0;
	}
}

/* --- methods of every rack --- */

static void on_ping(struct rack_call *call)
{
	rack_answer(call, json_object_get(call->params));
}

/* 0: the miners' rack, 1: the pool's. */
static size_t rack_index(const struct miningos *m, const char *rack_id)
{
	return strcmp(rack_id, m->settings.rack_id) == 0 ? 0 : 1;
}

static void on_get_rack(struct rack_call *call)
{
	const char *key = call->m->rack.keys[rack_index(call->m, call->rack_id)];
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "id", json_object_new_string(call->rack_id));
	json_object_object_add(o, "rpcPubKey", key[0] ? json_object_new_string(key) : NULL);
	rack_answer(call, o);
}

static const struct rack_method every_rack[] = {
    {"ping", on_ping},
    {"echo", on_ping},
    {"getRack", on_get_rack},
    {"getWrkConf", rack_wrk_conf},
    {"getThingConf", rack_thing_conf},
    {"getWrkSettings", rack_wrk_settings},
    {"saveWrkSettings", rack_save_settings},
    {"getReplicaConf", rack_replica_conf},
    {"rackReboot", rack_reboot},
    {NULL, NULL},
};

static const struct rack_method miners_rack[] = {
    {"listThings", rack_list_things},
    {"getThingsCount", rack_things_count},
    {"queryThing", rack_query_thing},
    {"applyThings", rack_apply_things},
    {"getWriteCalls", rack_write_calls},
    {"registerThing", rack_register_thing},
    {"updateThing", rack_update_thing},
    {"forgetThings", rack_forget_things},
    {"saveThingComment", rack_save_comment},
    {"editThingComment", rack_edit_comment},
    {"deleteThingComment", rack_delete_comment},
    {"tailLog", rack_tail_log},
    {"getHistoricalLogs", rack_historical_logs},
    {"getWrkExtData", rack_wrk_ext_data},
    {"listFirmwares", rack_firmwares},
    {"registerFirmware", rack_register_firmware},
    {NULL, NULL},
};

/* A rack of a pool has no things. */
static void on_no_list(struct rack_call *call)
{
	rack_answer(call, json_object_new_array());
}

static void on_no_count(struct rack_call *call)
{
	rack_answer_count(call, 0);
}

static void on_no_thing(struct rack_call *call)
{
	rack_refuse(call, "ERR_THING_NOTFOUND");
}

static void on_no_log(struct rack_call *call)
{
	rack_refuse(call, "ERR_LOG_NOTFOUND");
}

static void on_no_calls(struct rack_call *call)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "reqVotes", json_object_new_int(1));
	json_object_object_add(o, "calls", json_object_new_array());
	rack_answer(call, o);
}

static const struct rack_method pool_rack[] = {
    {"getWrkExtData", minerpool_answer},
    {"listThings", on_no_list},
    {"getThingsCount", on_no_count},
    {"queryThing", on_no_thing},
    {"getWriteCalls", on_no_calls},
    {"saveThingComment", on_no_thing},
    {"editThingComment", on_no_thing},
    {"deleteThingComment", on_no_thing},
    {"tailLog", on_no_log},
    {"getHistoricalLogs", on_no_list},
    {NULL, NULL},
};

/* --- dispatch --- */

static const struct rack_method *find(const struct rack_method *table, const char *name)
{
	for (; table->name != NULL; table++) {
		if (strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

void rack_call(struct miningos *m, const char *rack_id, const char *method,
	       struct json_object *params, rack_reply_fn fn, void *ctx)
{
	const struct rack_method *found;
	const char *id, *type;
	struct rack_call *call;
	size_t i = 0;

	while (rack_describe(m, i, &id, &type) && strcmp(id, rack_id) != 0)
		i++;
	if (!rack_describe(m, i, &id, &type)) {
		fn(ctx, NULL, "ERR_RACK_NOTFOUND");
		return;
	}
	found = find(every_rack, method);
	if (found == NULL)
		found = find(i == 0 ? miners_rack : pool_rack, method);
	if (found == NULL) {
		fn(ctx, NULL, "UNKNOWN_METHOD");
		return;
	}
	call = calloc(1, sizeof(*call));
	if (call == NULL) {
		fn(ctx, NULL, "ERR_NO_MEMORY");
		return;
	}
	*call = (struct rack_call){
	    .m = m, .rack_id = id, .params = json_object_get(params), .fn = fn, .ctx = ctx};
	TAILQ_INSERT_TAIL(&m->rack.open, call, link);
	found->fn(call);
}

bool rack_describe(const struct miningos *m, size_t index, const char **id, const char **type)
{
	if (index > (m->settings.minerpool_enabled ? 1 : 0))
		return false;
	*id = index == 0 ? m->settings.rack_id : m->settings.minerpool_rack_id;
	*type = index == 0 ? m->settings.rack_type : "minerpool-sv2";
	return true;
}

void rack_set_key(struct miningos *m, const char *rack_id, const char *public_key)
{
	char *to = m->rack.keys[rack_index(m, rack_id)];
	uint8_t bytes[32];

	if (hex_decode(public_key, bytes, sizeof(bytes)))
		memcpy(to, public_key, 65);
}

void rack_registered(struct miningos *m, const char *rack_id)
{
	size_t index = rack_index(m, rack_id);
	const char *id, *type;
	struct json_object *o;

	m->rack.registered_ms[index] = clock_unix_ms();
	mos_log(m, ADIT_LOG_INFO, "the ork has the rack %s", rack_id);
	if (!rack_describe(m, index, &id, &type) ||
	    !m->api->event_wanted(m->host, "MiningOSRegistered"))
		return;
	o = json_object_new_object();
	json_object_object_add(o, "rack_id", json_object_new_string(id));
	json_object_object_add(o, "rack_type", json_object_new_string(type));
	json_object_object_add(o, "rpc_public_key", json_object_new_string(m->rack.keys[index]));
	mos_publish(m, "MiningOSRegistered", o);
}

void rack_begin(struct miningos *m)
{
	TAILQ_INIT(&m->rack.open);
}

void rack_end(struct miningos *m)
{
	struct rack_call *call;

	while ((call = TAILQ_FIRST(&m->rack.open)) != NULL)
		rack_refuse(call, "ERR_RACK_STOPPED");
}
