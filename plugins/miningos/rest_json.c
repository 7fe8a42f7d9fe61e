/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/rest_json.h"

#include <json-c/json.h>
#include <limits.h>
#include <string.h>

#define JSON_DEPTH 32

/* Whether nothing but blanks follows AT. */
static bool ends(const char *text, size_t at, size_t size)
{
	while (at < size &&
	       (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n'))
		at++;
	return at == size;
}

struct json_object *rest_json_parse(const void *text, size_t size)
{
	struct json_tokener *tokener;
	struct json_object *o;
	bool whole;

	if (size == 0 || size > INT_MAX)
		return NULL;
	tokener = json_tokener_new_ex(JSON_DEPTH);
	if (tokener == NULL)
		return NULL;
	o = json_tokener_parse_ex(tokener, text, (int)size);
	whole = ends(text, json_tokener_get_parse_end(tokener), size);
	/* A bare number ends only where its text ends, which json-c learns from a NUL. */
	if (json_tokener_get_error(tokener) == json_tokener_continue)
		o = json_tokener_parse_ex(tokener, "", 1);
	if (json_tokener_get_error(tokener) != json_tokener_success || !whole) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(tokener);
	return o;
}

struct json_object *rest_json_member(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (o == NULL || !json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &value))
		return NULL;
	return value;
}

const char *rest_json_text(struct json_object *o, const char *key)
{
	struct json_object *value = rest_json_member(o, key);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

bool rest_json_copy(struct json_object *o, const char *key, char *out, size_t room)
{
	const char *text = rest_json_text(o, key);
	size_t size;

	if (text == NULL)
		return false;
	size = (size_t)json_object_get_string_len(rest_json_member(o, key));
	if (size >= room || strlen(text) != size)
		return false;
	memcpy(out, text, size + 1);
	return true;
}

bool rest_json_whole(struct json_object *o, const char *key, int64_t max, int64_t *out)
{
	struct json_object *value = rest_json_member(o, key);
	double number;

	if (json_object_is_type(value, json_type_int)) {
		int64_t whole = json_object_get_int64(value);

		if (whole < 0 || whole > max)
			return false;
		*out = whole;
		return true;
	}
	if (!json_object_is_type(value, json_type_double))
		return false;
	number = json_object_get_double(value);
	if (!(number >= 0 && number <= (double)max) || (double)(int64_t)number != number)
		return false;
	*out = (int64_t)number;
	return true;
}

void rest_json_show(const char *text, char *out, size_t room)
{
	size_t i;

	for (i = 0; i + 1 < room && text[i] != '\0'; i++)
		out[i] = text[i] < ' ' || text[i] == 127 ? '?' : text[i];
	out[i] = '\0';
}
