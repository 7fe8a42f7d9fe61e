/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/start.h"

#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "lib/util/buf.h"

#define START_DEPTH 8

static struct json_object *start_listeners(const struct start_instance *instance)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < instance->listener_count; i++) {
		const struct start_listener *l = &instance->listeners[i];
		struct json_object *o = json_object_new_object();

		(void)json_object_object_add(o, "key", json_object_new_string(l->key));
		(void)json_object_object_add(o, "address", json_object_new_string(l->address));
		(void)json_object_object_add(o, "fd", json_object_new_int(l->fd));
		(void)json_object_object_add(o, "unix", json_object_new_boolean(l->is_unix));
		(void)json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *start_settings(const struct start_setting *settings, size_t count)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < count; i++) {
		struct json_object *pair = json_object_new_array();

		(void)json_object_array_add(pair, json_object_new_string(settings[i].key));
		(void)json_object_array_add(pair, json_object_new_string(settings[i].value));
		(void)json_object_array_add(list, pair);
	}
	return list;
}

static struct json_object *start_instance(const struct start_instance *instance)
{
	struct json_object *o = json_object_new_object();

	(void)json_object_object_add(o, "id", json_object_new_int64(instance->id));
	(void)json_object_object_add(o, "slice", json_object_new_int(instance->slice));
	(void)json_object_object_add(o, "capabilities",
				     json_object_new_int64(instance->capabilities));
	(void)json_object_object_add(o, "requested", json_object_new_int64(instance->requested));
	(void)json_object_object_add(
	    o, "remedy",
	    json_object_new_string(instance->remedy != NULL ? instance->remedy : ""));
	(void)json_object_object_add(o, "role", json_object_new_string(instance->role));
	(void)json_object_object_add(o, "instance", json_object_new_string(instance->instance));
	(void)json_object_object_add(o, "worker_name",
				     json_object_new_string(instance->worker_name));
	(void)json_object_object_add(o, "path", json_object_new_string(instance->path));
	(void)json_object_object_add(o, "state_dir", json_object_new_string(instance->state_dir));
	(void)json_object_object_add(o, "config",
				     start_settings(instance->settings, instance->setting_count));
	(void)json_object_object_add(o, "listeners", start_listeners(instance));
	(void)json_object_object_add(o, "share_ring", json_object_new_int(instance->share_ring));
	return o;
}

/* Appends the text of O, and frees O. */
static bool start_write(struct json_object *o, struct buf *out)
{
	const char *text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	bool ok = text != NULL && buf_append(out, text, strlen(text));

	(void)json_object_put(o);
	return ok;
}

bool start_encode_settings(const struct start_setting *settings, size_t count, struct buf *out)
{
	return start_write(start_settings(settings, count), out);
}

bool start_encode(const struct start *start, struct buf *out)
{
	struct json_object *o = json_object_new_object();
	struct json_object *list = json_object_new_array();

	(void)json_object_object_add(o, "process", json_object_new_string(start->process));
	(void)json_object_object_add(o, "network", json_object_new_string(start->network));
	(void)json_object_object_add(o, "worker", json_object_new_int64(start->worker));
	(void)json_object_object_add(o, "workers", json_object_new_int64(start->workers));
	(void)json_object_object_add(o, "server_id", json_object_new_int(start->server_id));
	(void)json_object_object_add(o, "log_level", json_object_new_int(start->log_level));
	(void)json_object_object_add(o, "share_socket", json_object_new_int(start->share_socket));
	for (size_t i = 0; i < start->instance_count; i++)
		(void)json_object_array_add(list, start_instance(&start->instances[i]));
	(void)json_object_object_add(o, "instances", list);
	return start_write(o, out);
}

/* VALUE's text, owned by the caller; "" for null. */
static char *start_copy(struct json_object *value)
{
	const char *text = json_object_get_string(value);

	return strdup(text != NULL ? text : "");
}

/* A member's string, owned by the caller; "" when it is missing. */
static char *start_string(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? start_copy(value) : strdup("");
}

static int64_t start_number(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_int64(value) : 0;
}

/* A member's array and its length; 0 when it is missing. */
static size_t start_array(struct json_object *o, const char *key, struct json_object **array)
{
	if (!json_object_object_get_ex(o, key, array) ||
	    !json_object_is_type(*array, json_type_array))
		return 0;
	return json_object_array_length(*array);
}

void start_settings_free(struct start_setting *settings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(settings[i].key);
		free(settings[i].value);
	}
	free(settings);
}

/* Reads LIST, [["key","value"],..], of SIZE elements; NULL when it is something else. */
static struct start_setting *start_read_settings(struct json_object *list, size_t size)
{
	struct start_setting *settings = calloc(size + 1, sizeof(*settings));

	for (size_t i = 0; settings != NULL && i < size; i++) {
		struct json_object *pair = json_object_array_get_idx(list, i);

		if (!json_object_is_type(pair, json_type_array) ||
		    json_object_array_length(pair) != 2) {
			start_settings_free(settings, i);
			return NULL;
		}
		settings[i].key = start_copy(json_object_array_get_idx(pair, 0));
		settings[i].value = start_copy(json_object_array_get_idx(pair, 1));
	}
	return settings;
}

static bool start_read_instance(struct json_object *o, struct start_instance *instance)
{
	struct json_object *config = NULL;
	struct json_object *listeners = NULL;
	size_t settings = start_array(o, "config", &config);
	size_t sockets = start_array(o, "listeners", &listeners);

	instance->id = (uint32_t)start_number(o, "id");
	instance->slice = (uint16_t)start_number(o, "slice");
	instance->capabilities = (uint32_t)start_number(o, "capabilities");
	instance->requested = (uint32_t)start_number(o, "requested");
	instance->remedy = start_string(o, "remedy");
	instance->role = start_string(o, "role");
	instance->instance = start_string(o, "instance");
	instance->worker_name = start_string(o, "worker_name");
	instance->path = start_string(o, "path");
	instance->state_dir = start_string(o, "state_dir");
	instance->share_ring = (int)start_number(o, "share_ring");
	instance->settings = start_read_settings(config, settings);
	instance->setting_count = instance->settings != NULL ? settings : 0;
	instance->listeners = calloc(sockets + 1, sizeof(*instance->listeners));
	if (instance->settings == NULL || instance->listeners == NULL)
		return false;
	for (size_t i = 0; i < sockets; i++) {
		struct json_object *l = json_object_array_get_idx(listeners, i);

		instance->listeners[instance->listener_count++] = (struct start_listener){
		    .key = start_string(l, "key"),
		    .address = start_string(l, "address"),
		    .fd = (int)start_number(l, "fd"),
		    .is_unix = start_number(l, "unix") != 0,
		};
	}
	return true;
}

/* Parses SIZE bytes of TEXT. */
static struct json_object *start_parse(const char *text, size_t size)
{
	struct json_tokener *tokener = json_tokener_new_ex(START_DEPTH);
	struct json_object *o;

	if (tokener == NULL)
		return NULL;
	o = json_tokener_parse_ex(tokener, text, (int)size);
	json_tokener_free(tokener);
	return o;
}

struct start *start_decode(const char *text, size_t size)
{
	struct json_object *o = start_parse(text, size);
	struct json_object *list = NULL;
	struct start *start = calloc(1, sizeof(*start));
	size_t count = o != NULL ? start_array(o, "instances", &list) : 0;

	if (start != NULL)
		start->instances = calloc(count + 1, sizeof(*start->instances));
	if (start == NULL || start->instances == NULL || o == NULL) {
		(void)json_object_put(o);
		start_free(start);
		return NULL;
	}
	start->process = start_string(o, "process");
	start->network = start_string(o, "network");
	start->worker = (uint32_t)start_number(o, "worker");
	start->workers = (uint32_t)start_number(o, "workers");
	start->server_id = (uint16_t)start_number(o, "server_id");
	start->log_level = (int)start_number(o, "log_level");
	start->share_socket = (int)start_number(o, "share_socket");
	for (size_t i = 0; i < count; i++) {
		if (!start_read_instance(json_object_array_get_idx(list, i),
					 &start->instances[start->instance_count++])) {
			(void)json_object_put(o);
			start_free(start);
			return NULL;
		}
	}
	(void)json_object_put(o);
	return start;
}

bool start_decode_settings(struct start_instance *instance, const char *text, size_t size)
{
	struct json_object *list = start_parse(text, size);
	struct start_setting *settings = NULL;
	size_t count = 0;

	if (json_object_is_type(list, json_type_array)) {
		count = json_object_array_length(list);
		settings = start_read_settings(list, count);
	}
	(void)json_object_put(list);
	if (settings == NULL)
		return false;
	instance->settings = settings;
	instance->setting_count = count;
	return true;
}

static void start_instance_free(struct start_instance *instance)
{
	for (size_t i = 0; i < instance->listener_count; i++) {
		free(instance->listeners[i].key);
		free(instance->listeners[i].address);
	}
	start_settings_free(instance->settings, instance->setting_count);
	free(instance->listeners);
	free(instance->remedy);
	free(instance->role);
	free(instance->instance);
	free(instance->worker_name);
	free(instance->path);
	free(instance->state_dir);
}

void start_free(struct start *start)
{
	if (start == NULL)
		return;
	for (size_t i = 0; i < start->instance_count; i++)
		start_instance_free(&start->instances[i]);
	free(start->instances);
	free(start->process);
	free(start->network);
	free(start);
}
