/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/aditctl/json.h"

#include <limits.h>
#include <string.h>

#include "host/aditctl/text.h"

int32_t json_parse(const char *text, size_t size, struct json_object **out, struct error *e)
{
	struct json_tokener *tokener;
	enum json_tokener_error result;
	size_t used;

	*out = NULL;
	if (size >= INT_MAX)
		return error_set(e, ADIT_E_PROTOCOL, "the JSON text is too long");
	tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
	if (tokener == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
	/* With the NUL: only what follows it ends a bare number. */
	*out = json_tokener_parse_ex(tokener, text, (int)size + 1);
	result = json_tokener_get_error(tokener);
	used = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);
	if (result == json_tokener_success) {
		if (used >= size || strspn(text + used, " \t\r\n") == size - used)
			return ADIT_OK;
		json_object_put(*out);
		*out = NULL;
		return error_set(e, ADIT_E_PROTOCOL, "not valid JSON: text after its end");
	}
	return error_set(e, ADIT_E_PROTOCOL, "not valid JSON: %s",
			 result == json_tokener_continue ? "it ends too early"
							 : json_tokener_error_desc(result));
}

struct json_object *json_member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	if (!json_object_is_type(object, json_type_object))
		return NULL;
	json_object_object_get_ex(object, key, &value);
	return value;
}

static struct json_object *member_of_type(struct json_object *object, const char *key,
					  enum json_type type)
{
	struct json_object *value = json_member(object, key);

	return value != NULL && json_object_is_type(value, type) ? value : NULL;
}

struct json_object *json_object_member(struct json_object *object, const char *key)
{
	return member_of_type(object, key, json_type_object);
}

struct json_object *json_array_member(struct json_object *object, const char *key)
{
	return member_of_type(object, key, json_type_array);
}

const char *json_text(struct json_object *object, const char *key, const char *otherwise)
{
	struct json_object *value = member_of_type(object, key, json_type_string);

	return value != NULL ? json_object_get_string(value) : otherwise;
}

int64_t json_integer(struct json_object *object, const char *key, int64_t otherwise)
{
	struct json_object *value = member_of_type(object, key, json_type_int);

	return value != NULL ? json_object_get_int64(value) : otherwise;
}

double json_number(struct json_object *object, const char *key, double otherwise)
{
	struct json_object *value = json_member(object, key);

	if (!json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double))
		return otherwise;
	return json_object_get_double(value);
}

bool json_truth(struct json_object *object, const char *key, bool otherwise)
{
	struct json_object *value = member_of_type(object, key, json_type_boolean);

	return value != NULL ? json_object_get_boolean(value) : otherwise;
}

size_t json_count(struct json_object *array)
{
	return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

struct json_object *json_element(struct json_object *array, size_t index)
{
	return index < json_count(array) ? json_object_array_get_idx(array, index) : NULL;
}

void json_print(FILE *out, struct json_object *value)
{
	const char *text =
	    value == NULL ? "null"
			  : json_object_to_json_string_ext(
				value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	uint32_t code;
	size_t n;

	for (; text != NULL && *text != '\0'; text += n) {
		n = text_decode(text, &code);
		if (n == 0)
			n = 1, fputs("\\ufffd", out);
		else if (text_is_control(code))
			fprintf(out, "\\u%04x", (unsigned int)code);
		else
			fwrite(text, 1, n, out);
	}
	fputc('\n', out);
}
