/* SPDX-License-Identifier: MIT */
/* control_methods.c: what a client of the control socket can ask for. */
#include "config.h"

#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <json-c/json.h>

#include "host/control.h"
#include "host/json_text.h"
#include "lib/util/clock.h"

#define CALL_DEADLINE_MS 10000
#define FOLLOWER_QUEUE_MAX ((size_t)4 << 20)

/* Gives an event to a client that follows events. */
static bool control_deliver(void *user, const struct bus_event *event, uint64_t lost)
{
	struct control_client *client = user;
	struct buf line = {.limit = 2 * event->json_size + 4096};
	bool ok;

	if (client->closing ||
	    evbuffer_get_length(bufferevent_get_output(client->stream)) > FOLLOWER_QUEUE_MAX)
		return false;
	(void)buf_printf(&line,
			 "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"type\":\"%s\","
			 "\"source\":",
			 event->type);
	(void)json_text_string(&line, event->source);
	(void)buf_printf(&line, ",\"sequence\":%llu,\"lost\":%llu,\"time_ms\":%llu,\"data\":",
			 (unsigned long long)event->sequence, (unsigned long long)lost,
			 (unsigned long long)clock_unix_ms());
	(void)json_text_embed(&line, event->json, event->json_size);
	(void)buf_append(&line, "}}\n", 3);
	ok = control_write(client, &line);
	buf_free(&line);
	return ok;
}

static void control_events(struct control_request *request, struct json_object *params)
{
	struct control_client *client = request->client;
	struct bus *bus = &client->control->host->bus;
	static const char subscribed[] = "{\"subscribed\":true}";
	struct json_object *types = NULL;
	int32_t error = ADIT_OK;

	if (params != NULL)
		(void)json_object_object_get_ex(params, "types", &types);
	if (types != NULL && !json_object_is_type(types, json_type_array)) {
		control_error(request, CONTROL_PARAMS, "types: expected an array of event types",
			      ADIT_E_INVALID_ARGUMENT);
		return;
	}
	bus_leave(bus, &client->subscriber); /* a new list replaces the old one */
	bus_join(bus, &client->subscriber, control_deliver, client);
	for (size_t i = 0; types != NULL && i < json_object_array_length(types); i++) {
		const char *type = json_object_get_string(json_object_array_get_idx(types, i));

		if (error == ADIT_OK)
			error = bus_subscribe(bus, &client->subscriber, type != NULL ? type : "");
	}
	if (types == NULL)
		error = bus_subscribe(bus, &client->subscriber, "*");
	if (error != ADIT_OK) {
		bus_leave(bus, &client->subscriber);
		control_error(request, CONTROL_PARAMS,
			      "types: expected at most 64 names of event types", error);
		return;
	}
	control_answer(request, subscribed, strlen(subscribed));
}

static void control_call_done(void *user, uint64_t tag, const struct call_reply *reply)
{
	(void)tag;
	if (reply->error == ADIT_OK)
		control_answer(user, reply->json, reply->json_size);
	else
		control_error(user, CONTROL_FAILED, reply->message, reply->error);
}

const char *control_string(struct json_object *params, const char *key)
{
	struct json_object *value;

	if (params == NULL || !json_object_object_get_ex(params, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

static void control_call(struct control_request *request, struct json_object *params)
{
	const char *target = control_string(params, "target");
	const char *method = control_string(params, "method");
	struct json_object *inner = NULL;
	const char *json = "{}";

	if (target == NULL || method == NULL || strlen(target) > IPC_NAME_MAX ||
	    strlen(method) > IPC_NAME_MAX) {
		control_error(request, CONTROL_PARAMS,
			      "call: expected {\"target\":ROLE,\"method\":NAME,\"params\":{}}",
			      ADIT_E_INVALID_ARGUMENT);
		return;
	}
	if (json_object_object_get_ex(params, "params", &inner) && inner != NULL)
		json = json_object_to_json_string_ext(inner, JSON_C_TO_STRING_PLAIN);
	router_call(request->client->control->host, request, "control", control_call_done, request,
		    0, target, method, json, strlen(json), NULL, 0, CALL_DEADLINE_MS);
}

/* Calls that only look, and cost little: open to readers, too. */
static bool control_is_look(const struct host *host, struct json_object *params)
{
	const char *target = control_string(params, "target");
	const char *method = control_string(params, "method");

	if (target == NULL || method == NULL)
		return false;
	return strcmp(method, "status") == 0 || router_only_looks(host, target, method) ||
	       (strcmp(target, "node") == 0 &&
		(strcmp(method, "get_status") == 0 || strcmp(method, "get_chain_info") == 0));
}

static void control_stop(struct control_request *request, struct json_object *params)
{
	static const char stopping[] = "{\"stopping\":true}";
	struct host *host = request->client->control->host;

	(void)params;
	control_answer(request, stopping, strlen(stopping));
	if (!host->stopping)
		supervisor_stop(host);
}

static void control_status_method(struct control_request *request, struct json_object *params)
{
	(void)params;
	control_status(request);
}

static void control_roles_method(struct control_request *request, struct json_object *params)
{
	(void)params;
	control_roles(request);
}

static void control_reload_method(struct control_request *request, struct json_object *params)
{
	(void)params;
	control_reload(request);
}

enum control_right {
	RIGHT_READ,
	RIGHT_ADMIN,
	RIGHT_CALL, /* some calls only look */
	RIGHT_LEVEL /* looking at the log level is free */
};

static const struct {
	const char *name;
	enum control_right right;
	void (*run)(struct control_request *request, struct json_object *params);
} control_methods[] = {
    {"status", RIGHT_READ, control_status_method},
    {"roles", RIGHT_READ, control_roles_method},
    {"describe", RIGHT_READ, control_describe},
    {"config", RIGHT_READ, control_config},
    {"events", RIGHT_READ, control_events},
    {"call", RIGHT_CALL, control_call},
    {"log", RIGHT_LEVEL, control_log},
    {"restart", RIGHT_ADMIN, control_restart},
    {"reload", RIGHT_ADMIN, control_reload_method},
    {"config_set", RIGHT_ADMIN, control_config_set},
    {"config_reset", RIGHT_ADMIN, control_config_reset},
    {"stop", RIGHT_ADMIN, control_stop},
};

static bool control_may(const struct control_client *client, enum control_right right,
			struct json_object *params)
{
	if (client->admin || right == RIGHT_READ)
		return true;
	if (right == RIGHT_LEVEL)
		return params == NULL || !json_object_object_get_ex(params, "level", NULL);
	return right == RIGHT_CALL && control_is_look(client->control->host, params);
}

void control_dispatch(struct control_request *request, const char *method,
		      struct json_object *params)
{
	static const size_t count = sizeof(control_methods) / sizeof(control_methods[0]);
	struct buf text = {0};

	for (size_t i = 0; i < count; i++) {
		if (strcmp(control_methods[i].name, method) != 0)
			continue;
		if (control_may(request->client, control_methods[i].right, params))
			control_methods[i].run(request, params);
		else
			control_error(request, CONTROL_FAILED,
				      "only root and the user of aditd may do this",
				      ADIT_E_PERMISSION_DENIED);
		return;
	}
	(void)buf_printf(&text, "there is no such method, but");
	for (size_t i = 0; i < count; i++)
		(void)buf_printf(&text, "%s %s", i > 0 ? "," : "", control_methods[i].name);
	(void)buf_append(&text, "", 1);
	control_error(request, CONTROL_NO_METHOD,
		      text.failed ? "there is no such method" : (const char *)text.data,
		      ADIT_E_NOT_FOUND);
	buf_free(&text);
}
