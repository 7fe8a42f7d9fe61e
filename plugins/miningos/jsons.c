/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/jsons.h"

#include <json-c/json.h>
#include <limits.h>
#include <math.h>

#define DEPTH_MAX 32
#define WHOLE_MAX 9007199254740992.0 /* 2^53 */

void add_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value != NULL ? json_object_new_string(value) : NULL);
}

void add_count(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)value));
}

void add_double(struct json_object *o, const char *key, double value)
{
	json_object_object_add(o, key, isfinite(value) ? json_object_new_double(value) : NULL);
}

void add_bool(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

void add_object(struct json_object *o, const char *key, struct json_object *value)
{
	json_object_object_add(o, key, value);
}

struct json_object *get_member(const struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	if (json_object_is_type(o, json_type_object))
		(void)json_object_object_get_ex(o, key, &value);
	return value;
}

const char *get_text(const struct json_object *o, const char *key, const char *fallback)
{
	struct json_object *value = get_member(o, key);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value)
							    : fallback;
}

double get_double(const struct json_object *o, const char *key, double fallback)
{
	struct json_object *value = get_member(o, key);

	if (!json_object_is_type(value, json_type_double) &&
	    !json_object_is_type(value, json_type_int))
		return fallback;
	return json_object_get_double(value);
}

uint64_t get_count(const struct json_object *o, const char *key, uint64_t fallback)
{
	double value = get_double(o, key, -1);

	return value >= 0 && value <= WHOLE_MAX ? (uint64_t)value : fallback;
}

bool parse_json(const char *text, size_t size, struct json_object **out)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	size_t end;
	bool whole;

	*out = NULL;
	if (tokener == NULL || size > INT_MAX) {
		if (tokener != NULL)
			json_tokener_free(tokener);
		return false;
	}
	*out = json_tokener_parse_ex(tokener, text, (int)size);
	end = json_tokener_get_parse_end(tokener);
	/* A number is whole only with what follows it. */
	if (json_tokener_get_error(tokener) == json_tokener_continue) {
		*out = json_tokener_parse_ex(tokener, "", 1);
		end = size;
	}
	whole = json_tokener_get_error(tokener) == json_tokener_success;
	for (size_t at = end; whole && at < size; at++)
		whole = text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r';
	json_tokener_free(tokener);
	if (!whole) {
		json_object_put(*out);
		*out = NULL;
	}
	return whole;
}

struct json_object *copy_json(struct json_object *value)
{
	struct json_object *copy = NULL;

	if (value != NULL && json_object_deep_copy(value, &copy, NULL) != 0)
		return NULL;
	return copy;
}
