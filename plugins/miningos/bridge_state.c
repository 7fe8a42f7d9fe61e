/* SPDX-License-Identifier: MIT */
/* bridge_state.c: what the bridge shows of itself. */
#include "config.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "plugins/miningos/bridge_impl.h"

static const struct bridge_rack_state *state_rack(const struct bridge *b, const char *id)
{
	for (size_t i = 0; i < b->rack_count; i++) {
		if (strcmp(b->racks[i].id, id) == 0)
			return &b->racks[i];
	}
	return NULL;
}

const char *bridge_rack_key(const struct bridge *b, const char *rack_id)
{
	const struct bridge_rack_state *rack = state_rack(b, rack_id);

	return rack != NULL ? rack->key : "";
}

const char *bridge_client_key(const struct bridge *b)
{
	return b->client_key;
}

bool bridge_listening(const struct bridge *b, const char *rack_id)
{
	const struct bridge_rack_state *rack = state_rack(b, rack_id);

	return b->phase == BRIDGE_RUNNING && rack != NULL && rack->listening;
}

static const char *state_name(const struct bridge *b)
{
	static const char *const names[] = {"stopped", "waiting", "starting", "running",
					    "stopping"};

	return b->phase == BRIDGE_WAITING && b->missing ? "missing" : names[b->phase];
}

static bool state_reachable(const struct bridge *b)
{
	for (size_t i = 0; i < b->rack_count; i++) {
		if (!b->racks[i].listening)
			return false;
	}
	return true;
}

const char *bridge_text(struct bridge *b)
{
	if (b->trouble[0] != '\0' && b->phase != BRIDGE_RUNNING)
		(void)snprintf(b->text, sizeof(b->text), "%.300s%s%.300s", b->trouble,
			       b->remedy[0] != '\0' ? "; do: " : "", b->remedy);
	else if (b->phase == BRIDGE_RUNNING && !state_reachable(b))
		(void)snprintf(b->text, sizeof(b->text), "running, but the %s does not answer",
			       strcmp(b->transport, "dht") == 0 ? "DHT" : "transport");
	else
		(void)snprintf(b->text, sizeof(b->text), "%s", state_name(b));
	return b->text;
}

static void add_text(struct json_object *o, const char *key, const char *text)
{
	json_object_object_add(o, key, text[0] != '\0' ? json_object_new_string(text) : NULL);
}

static void add_number(struct json_object *o, const char *key, uint64_t number)
{
	json_object_object_add(o, key, json_object_new_uint64(number));
}

static struct json_object *state_racks(const struct bridge *b)
{
	struct json_object *racks = json_object_new_array();

	for (size_t i = 0; i < b->rack_count; i++) {
		struct json_object *o = json_object_new_object();

		add_text(o, "id", b->racks[i].id);
		add_text(o, "type", b->racks[i].type);
		add_text(o, "rpc_public_key", b->racks[i].key);
		json_object_object_add(
		    o, "listening", json_object_new_boolean(bridge_listening(b, b->racks[i].id)));
		json_object_array_add(racks, o);
	}
	return racks;
}

struct json_object *bridge_state(struct bridge *b)
{
	struct json_object *o = json_object_new_object();

	if (o == NULL)
		return NULL;
	add_text(o, "state", state_name(b));
	add_text(o, "text", bridge_text(b));
	add_text(o, "remedy", b->remedy);
	add_number(o, "pid", b->child.pid > 0 ? (uint64_t)b->child.pid : 0);
	add_number(o, "starts", b->starts);
	add_text(o, "last_exit", b->last_exit);
	add_text(o, "node_binary", b->node_path);
	add_text(o, "node_version", b->node_version);
	add_text(o, "transport", b->transport);
	add_text(o, "rpc_client_key", b->client_key);
	json_object_object_add(o, "racks", state_racks(b));
	add_number(o, "requests", b->requests);
	add_number(o, "requests_open", b->requests_open);
	add_number(o, "calls", b->calls_made);
	add_number(o, "calls_open", b->calls_open);
	add_number(o, "bad_lines", b->bad_lines);
	return o;
}
