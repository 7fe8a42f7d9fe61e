/* SPDX-License-Identifier: MIT */
/* bridge_options.c: what the bridge is told at its start, checked while an administrator looks. */
#include "config.h"

#include <ctype.h>
#include <dlfcn.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/hex.h"
#include "plugins/miningos/bridge_impl.h"

/* Client keys in a list, nodes to bootstrap from. */
#define KEYS_MAX 256
#define NODES_MAX 32
#define HOST_MAX 253

typedef struct json_object *(*item_fn)(const char *item, const char *what, struct error *e);

static bool given(const char *text)
{
	return text != NULL && text[0] != '\0';
}

static struct json_object *item_key(const char *item, const char *what, struct error *e)
{
	char lower[BRIDGE_KEY_TEXT];
	uint8_t key[32];

	if (!hex_decode(item, key, sizeof(key))) {
		(void)error_set(e, ADIT_E_INVALID_ARGUMENT,
				"%s: \"%.80s\" is no key: a key is 64 hex digits", what, item);
		return NULL;
	}
	hex_encode(key, sizeof(key), lower);
	return json_object_new_string(lower);
}

/* "host:port", or "host" where a port is not needed. */
static struct json_object *item_node(const char *item, const char *what, struct error *e)
{
	const bool bind = strcmp(what, "dht_bind") == 0;
	size_t length = strspn(item, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789.-");
	char *end = NULL;
	unsigned long port = 0;
	struct json_object *o;

	if (item[length] == ':' && isdigit((unsigned char)item[length + 1]))
		port = strtoul(item + length + 1, &end, 10);
	if (length == 0 || length > HOST_MAX || port > 65535 ||
	    (end != NULL ? *end != '\0' || port == 0 : item[length] != '\0' || !bind)) {
		(void)error_set(e, ADIT_E_INVALID_ARGUMENT, "%s: \"%.80s\" is not HOST:PORT", what,
				item);
		return NULL;
	}
	o = json_object_new_object();
	json_object_object_add(o, "host", json_object_new_string_len(item, (int)length));
	if (port != 0)
		json_object_object_add(o, "port", json_object_new_int((int32_t)port));
	return o;
}

/* TEXT at its commas, each piece without blanks around it. NULL with *E filled. */
static struct json_object *list(const char *text, size_t most, const char *what, item_fn fn,
				struct error *e)
{
	struct json_object *array = json_object_new_array();
	char *copy = strdup(text);
	char *at = NULL;

	for (char *item = copy != NULL ? strtok_r(copy, ", \t", &at) : NULL; item != NULL;
	     item = strtok_r(NULL, ", \t", &at)) {
		struct json_object *o = fn(item, what, e);

		if (o == NULL || json_object_array_length(array) >= most) {
			if (o != NULL)
				(void)error_set(e, ADIT_E_INVALID_ARGUMENT,
						"%s: more than %zu in the list", what, most);
			json_object_put(o);
			json_object_put(array);
			array = NULL;
			break;
		}
		json_object_array_add(array, o);
	}
	free(copy);
	return array;
}

/* NAME is the key in the configuration. */
static int32_t add_list(struct json_object *o, const char *key, const char *name, const char *text,
			size_t most, item_fn fn, struct error *e)
{
	struct json_object *array;

	if (!given(text))
		return ADIT_OK;
	array = strcmp(text, "none") == 0 ? json_object_new_array() : list(text, most, name, fn, e);
	if (array == NULL)
		return e->code;
	json_object_object_add(o, key, array);
	return ADIT_OK;
}

static int32_t add_network(struct json_object *o, const struct bridge_options *options,
			   struct error *e)
{
	int32_t error =
	    add_list(o, "bootstrap", "dht_bootstrap", options->bootstrap, NODES_MAX, item_node, e);

	if (error == ADIT_OK && given(options->bind)) {
		struct json_object *bind = item_node(options->bind, "dht_bind", e);

		if (bind == NULL)
			return e->code;
		json_object_object_add(o, "bind", bind);
	}
	if (error == ADIT_OK)
		error = add_list(o, "allow", "allow_keys", options->allow, KEYS_MAX, item_key, e);
	if (error == ADIT_OK)
		error = add_list(o, "allow_read_only", "allow_read_only_keys",
				 options->allow_read_only, KEYS_MAX, item_key, e);
	return error;
}

static void add_racks(struct json_object *o, const struct bridge_options *options)
{
	struct json_object *racks = json_object_new_array();

	for (size_t i = 0; i < options->rack_count; i++) {
		const struct bridge_rack *rack = &options->racks[i];
		struct json_object *one = json_object_new_object();

		json_object_object_add(one, "id", json_object_new_string(rack->id));
		json_object_object_add(one, "type", json_object_new_string(rack->type));
		json_object_object_add(
		    one, "seed", json_object_new_string(rack->seed != NULL ? rack->seed : ""));
		json_object_array_add(racks, one);
	}
	json_object_object_add(o, "racks", racks);
}

static int32_t make_configuration(struct bridge *b, const struct bridge_options *options,
				  struct error *e)
{
	struct json_object *o = json_object_new_object();
	char keys[PATH_MAX + 32];
	int32_t error;

	(void)snprintf(keys, sizeof(keys), "%s/bridge-keys.json", b->state_dir);
	json_object_object_add(o, "keys_file", json_object_new_string(keys));
	json_object_object_add(o, "transport", json_object_new_string(b->transport));
	if (given(options->socket_dir))
		json_object_object_add(o, "socket_dir",
				       json_object_new_string(options->socket_dir));
	add_racks(o, options);
	error = add_network(o, options, e);
	if (error == ADIT_OK) {
		b->configuration = strdup(json_object_to_json_string_ext(
		    o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
		if (b->configuration == NULL)
			error = error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	json_object_put(o);
	return error;
}

/* Absolute, since the child works in another directory. */
static char *absolute(const char *path)
{
	char *real = realpath(path, NULL);

	return real != NULL ? real : strdup(path);
}

/* LIB/adit/miningos-bridge for a plugin LIB/adit/plugins/miningos.so. */
static char *installed_folder(void)
{
	static const char here = 0;
	Dl_info info = {0};
	char *path = NULL;
	char *file = dladdr(&here, &info) != 0 && info.dli_fname != NULL ? strdup(info.dli_fname)
									 : strdup("");

	for (int i = 0; i < 2 && file != NULL; i++) {
		char *slash = strrchr(file, '/');

		if (slash != NULL)
			*slash = '\0';
	}
	if (file == NULL || asprintf(&path, "%s/miningos-bridge", file) < 0)
		path = NULL;
	free(file);
	return path;
}

static int32_t check_options(const struct bridge_options *options, struct error *e)
{
	const bool socket = given(options->transport) && strcmp(options->transport, "socket") == 0;

	if (given(options->transport) && !socket && strcmp(options->transport, "dht") != 0)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "bridge_transport: \"%.80s\" is neither dht nor socket",
				 options->transport);
	if (socket && !given(options->socket_dir))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "bridge_transport = socket needs a bridge_socket_dir");
	if (options->rack_count == 0 || options->rack_count > BRIDGE_RACKS_MAX)
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "1 to %u racks can be served",
				 BRIDGE_RACKS_MAX);
	for (size_t i = 0; i < options->rack_count; i++) {
		for (size_t j = 0; j < i; j++) {
			if (strcmp(options->racks[i].id, options->racks[j].id) == 0)
				return error_set(e, ADIT_E_INVALID_ARGUMENT,
						 "two racks have the id \"%.80s\"",
						 options->racks[i].id);
		}
	}
	return ADIT_OK;
}

int32_t bridge_options_copy(struct bridge *b, const struct bridge_options *options, struct error *e)
{
	int32_t error = check_options(options, e);

	if (error != ADIT_OK)
		return error;
	b->node_binary = strdup(given(options->node_binary) ? options->node_binary : "node");
	b->folder = given(options->folder) ? absolute(options->folder) : installed_folder();
	b->state_dir = absolute(given(options->state_dir) ? options->state_dir : ".");
	b->transport = strdup(given(options->transport) ? options->transport : "dht");
	b->memory_mib = options->memory_mib != 0 ? options->memory_mib : 256;
	b->retry_ms = options->retry_ms != 0 ? options->retry_ms : 1000;
	if (b->node_binary == NULL || b->folder == NULL || b->state_dir == NULL ||
	    b->transport == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < options->rack_count; i++) {
		b->rack_count++;
		b->racks[i].id = strdup(options->racks[i].id);
		b->racks[i].type = strdup(options->racks[i].type);
		if (b->racks[i].id == NULL || b->racks[i].type == NULL)
			return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	return make_configuration(b, options, e);
}

void bridge_options_free(struct bridge *b)
{
	free(b->node_binary);
	free(b->folder);
	free(b->state_dir);
	free(b->transport);
	free(b->configuration);
	for (size_t i = 0; i < b->rack_count; i++) {
		free(b->racks[i].id);
		free(b->racks[i].type);
	}
}
