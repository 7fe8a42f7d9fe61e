/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/answers.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mining/engine.h"
#include "lib/util/hex.h"

#define JSON_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
#define PARAMS_MAX 65536 /* bytes */

void add_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

void add_count(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

void add_double(struct json_object *o, const char *key, double value)
{
	json_object_object_add(o, key, json_object_new_double(value));
}

void add_hash(struct json_object *o, const char *key, const uint8_t hash[32])
{
	char hex[65];

	hex_encode_reversed(hash, 32, hex);
	add_text(o, key, hex);
}

void answer(struct mining *mining, struct adit_request *request, struct json_object *object)
{
	size_t size = 0;
	const char *text =
	    object ? json_object_to_json_string_length(object, JSON_FLAGS, &size) : NULL;

	if (text)
		mining->api->reply(mining->host, request, ADIT_OK, "", text, size, NULL, 0);
	else
		answer_error(mining, request, ADIT_E_NO_MEMORY, "out of memory");
	json_object_put(object);
}

void answer_error(struct mining *mining, struct adit_request *request, int32_t code,
		  const char *text)
{
	mining->api->reply(mining->host, request, code, text, "", 0, NULL, 0);
}

struct json_object *read_params(struct mining *mining, struct adit_request *request,
				const struct adit_request_info *info)
{
	struct json_tokener *t;
	struct json_object *o = NULL;

	if (info->json_size == 0)
		return json_object_new_object();
	t = json_tokener_new();
	if (t && info->json_size <= PARAMS_MAX)
		o = json_tokener_parse_ex(t, info->json, (int)info->json_size);
	if (t)
		json_tokener_free(t);
	if (o && json_object_is_type(o, json_type_object))
		return o;
	json_object_put(o);
	answer_error(mining, request, ADIT_E_INVALID_ARGUMENT, "expected a JSON object");
	return NULL;
}

/* A number of at least 1 up to a '/' or the end; *AT goes past both. 0: it isn't one. */
static uint32_t next_number(const char **at)
{
	char *end;
	unsigned long value;

	if (**at < '0' || **at > '9')
		return 0;
	value = strtoul(*at, &end, 10);
	if ((*end != '\0' && *end != '/') || value > UINT32_MAX)
		return 0;
	*at = *end == '/' ? end + 1 : end;
	return (uint32_t)value;
}

bool miner_name_parse(const struct mining *mining, const char *text, struct miner_name *name)
{
	size_t size = strcspn(text, "/");

	*name = (struct miner_name){.own = true};
	if (*text < '0' || *text > '9') {
		if (text[size] != '/')
			return false;
		name->own = strlen(mining->info.worker_name) == size &&
			    memcmp(mining->info.worker_name, text, size) == 0;
		text += size + 1;
	}
	name->conn = next_number(&text);
	if (name->conn == 0)
		return false;
	if (*text != '\0') {
		name->channel = next_number(&text);
		if (name->channel == 0)
			return false;
	}
	return *text == '\0';
}
