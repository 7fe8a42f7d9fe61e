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

static const char *control_string(struct json_object *params, const char *key)
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

void control_dispatch(struct control_request *request, const char *method,
		      struct json_object *params)
{
	static const char stopping[] = "{\"stopping\":true}";
	struct host *host = request->client->control->host;
	bool writes = strcmp(method, "call") == 0 || strcmp(method, "stop") == 0 ||
		      strcmp(method, "reload") == 0 || strcmp(method, "config_set") == 0 ||
		      strcmp(method, "config_reset") == 0;

	if (writes && !request->client->admin) {
		control_error(request, CONTROL_FAILED,
			      "only root and the user of aditd may do this",
			      ADIT_E_PERMISSION_DENIED);
	} else if (strcmp(method, "status") == 0) {
		control_status(request);
	} else if (strcmp(method, "roles") == 0) {
		control_roles(request);
	} else if (strcmp(method, "events") == 0) {
		control_events(request, params);
	} else if (strcmp(method, "call") == 0) {
		control_call(request, params);
	} else if (strcmp(method, "stop") == 0) {
		control_answer(request, stopping, strlen(stopping));
		if (!host->stopping)
			supervisor_stop(host);
	} else if (strcmp(method, "reload") == 0) {
		control_reload(request);
	} else if (strcmp(method, "config") == 0) {
		control_config(request, params);
	} else if (strcmp(method, "config_set") == 0) {
		control_config_set(request, params);
	} else if (strcmp(method, "config_reset") == 0) {
		control_config_reset(request, params);
	} else {
		control_error(request, CONTROL_NO_METHOD,
			      "expected status, roles, events, call, config, "
			      "config_set, config_reset, reload or stop",
			      ADIT_E_NOT_FOUND);
	}
}
