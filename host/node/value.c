/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/value.h"

#include <json-c/json.h>
#include <limits.h>

#include "lib/util/hex.h"

#define JSON_DEPTH 16
#define COIN 100000000.0
#define MAX_COINS 21000000.0

struct json_object *value_parse(const char *text, size_t size)
{
	struct json_tokener *tokener;
	struct json_object *o;

	if (size == 0 || size > INT_MAX)
		return NULL;
	tokener = json_tokener_new_ex(JSON_DEPTH);
	if (tokener == NULL)
		return NULL;
	o = json_tokener_parse_ex(tokener, text, (int)size);
	/* A bare number ends only where its text ends, which json-c learns from a NUL. */
	if (json_tokener_get_error(tokener) == json_tokener_continue)
		o = json_tokener_parse_ex(tokener, "", 1);
	if (json_tokener_get_error(tokener) != json_tokener_success) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(tokener);
	return o;
}

static struct json_object *get(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *value;

	if (o == NULL || !json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

bool value_u64(struct json_object *o, const char *key, uint64_t max, uint64_t *out)
{
	struct json_object *value = get(o, key, json_type_int);
	uint64_t number;

	/* json-c reads a negative number as 0 when it is asked for an unsigned one. */
	if (value == NULL || json_object_get_int64(value) < 0)
		return false;
	number = json_object_get_uint64(value);
	if (number > max)
		return false;
	*out = number;
	return true;
}

bool value_u32(struct json_object *o, const char *key, uint32_t *out)
{
	uint64_t value;

	if (!value_u64(o, key, UINT32_MAX, &value))
		return false;
	*out = (uint32_t)value;
	return true;
}

bool value_amount(struct json_object *o, const char *key, uint64_t *satoshi)
{
	struct json_object *value = get(o, key, json_type_double);
	double coins;

	if (value == NULL)
		value = get(o, key, json_type_int);
	if (value == NULL)
		return false;
	coins = json_object_get_double(value);
	/* All satoshi there will be have less than the 53 bits of a double: rounding is exact. */
	if (!(coins >= 0 && coins <= MAX_COINS))
		return false;
	*satoshi = (uint64_t)(coins * COIN + 0.5);
	return true;
}

bool value_bool(struct json_object *o, const char *key, bool *out)
{
	struct json_object *value = get(o, key, json_type_boolean);

	if (value == NULL)
		return false;
	*out = json_object_get_boolean(value);
	return true;
}

const char *value_text(struct json_object *o, const char *key)
{
	struct json_object *value = get(o, key, json_type_string);

	return value != NULL ? json_object_get_string(value) : NULL;
}

bool value_hash(struct json_object *o, const char *key, uint8_t out[32])
{
	const char *text = value_text(o, key);

	return text != NULL && hex_decode_reversed(text, out, 32);
}

bool value_bits(struct json_object *o, const char *key, uint32_t *out)
{
	const char *text = value_text(o, key);
	uint8_t bytes[4];

	if (text == NULL || !hex_decode(text, bytes, 4))
		return false;
	*out = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
	return true;
}

struct json_object *value_array(struct json_object *o, const char *key)
{
	return get(o, key, json_type_array);
}
