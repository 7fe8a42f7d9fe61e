/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/rest_endpoints.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "lib/http/url.h"
#include "lib/util/buf.h"
#include "plugins/miningos/rest.h"
#include "plugins/miningos/rest_json.h"

#define TEXT_MAX 1024
#define COMMENT_MAX 8192
#define WHOLE_MAX (INT64_C(1) << 53) /* what a double holds exactly; so does JavaScript */
#define JSON_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

#define Q(name, type)                                                                              \
	{                                                                                          \
		name, type, REST_QUERY, false                                                      \
	}
#define NEED(name, type)                                                                           \
	{                                                                                          \
		name, type, REST_QUERY, true                                                       \
	}
#define PATH(name, type)                                                                           \
	{                                                                                          \
		name, type, REST_PATH, true                                                        \
	}
#define BODY(name, type)                                                                           \
	{                                                                                          \
		name, type, REST_BODY, true                                                        \
	}
#define MAY(name, type)                                                                            \
	{                                                                                          \
		name, type, REST_BODY, false                                                       \
	}
#define FRESH Q("overwriteCache", REST_BOOL)
#define WINDOW Q("offset", REST_WHOLE), Q("limit", REST_WHOLE)
#define RANGE Q("start", REST_WHOLE), Q("end", REST_WHOLE)

static const struct rest_endpoint endpoints[] = {
    /* things and racks */
    {"list-things",
     "GET",
     "/auth/list-things",
     REST_LISTS,
     {Q("query", REST_OBJECT), Q("status", REST_FLAG), WINDOW, Q("fields", REST_OBJECT),
      Q("sort", REST_OBJECT), FRESH}},
    {"list-racks", "GET", "/auth/list-racks", REST_LISTS, {NEED("type", REST_TEXT), FRESH}},
    {"miners",
     "GET",
     "/auth/miners",
     REST_PAGE,
     {Q("filter", REST_OBJECT), Q("sort", REST_OBJECT), Q("fields", REST_OBJECT),
      Q("search", REST_TEXT), WINDOW, FRESH}},
    {"list-firmwares", "GET", "/auth/list-firmwares", REST_PER_ORK, {FRESH}},
    {"add-comment",
     "POST",
     "/auth/thing/comment",
     REST_PER_ORK,
     {BODY("rackId", REST_TEXT), BODY("thingId", REST_TEXT), BODY("comment", REST_COMMENT),
      MAY("id", REST_TEXT), MAY("ts", REST_WHOLE)}},
    {"edit-comment",
     "PUT",
     "/auth/thing/comment",
     REST_PER_ORK,
     {BODY("rackId", REST_TEXT), BODY("thingId", REST_TEXT), BODY("comment", REST_COMMENT),
      MAY("id", REST_TEXT), MAY("ts", REST_WHOLE)}},
    {"delete-comment",
     "DELETE",
     "/auth/thing/comment",
     REST_PER_ORK,
     {BODY("rackId", REST_TEXT), BODY("thingId", REST_TEXT), MAY("id", REST_TEXT),
      MAY("ts", REST_WHOLE)}},
    {"settings", "GET", "/auth/settings", REST_PER_ORK, {NEED("rackId", REST_TEXT)}},
    {"save-settings",
     "PUT",
     "/auth/settings",
     REST_PER_ORK,
     {BODY("rackId", REST_TEXT), BODY("entries", REST_OBJECT)}},
    {"worker-config",
     "GET",
     "/auth/worker-config",
     REST_LISTS,
     {NEED("type", REST_TEXT), Q("fields", REST_OBJECT), FRESH}},
    {"thing-config",
     "GET",
     "/auth/thing-config",
     REST_LISTS,
     {NEED("type", REST_TEXT), NEED("requestType", REST_TEXT)}},
    {"ext-data",
     "GET",
     "/auth/ext-data",
     REST_PER_ORK,
     {NEED("type", REST_TEXT), Q("query", REST_OBJECT), FRESH}},
    /* pools */
    {"pools",
     "GET",
     "/auth/pools",
     REST_OBJECT_ANSWER,
     {Q("query", REST_OBJECT), Q("sort", REST_OBJECT), Q("fields", REST_OBJECT), FRESH}},
    {"pool-balance-history",
     "GET",
     "/auth/pools/:pool/balance-history",
     REST_OBJECT_ANSWER,
     {PATH("pool", REST_TEXT), NEED("start", REST_WHOLE), NEED("end", REST_WHOLE),
      Q("range", REST_TEXT), FRESH}},
    {"pool-config", "GET", "/auth/pools/config/:id", REST_OBJECT_ANSWER, {PATH("id", REST_TEXT)}},
    {"pool-containers", "GET", "/auth/pools/stats/containers", REST_ANY_ANSWER, {FRESH}},
    {"configs",
     "GET",
     "/auth/configs/:type",
     REST_ANY_ANSWER,
     {PATH("type", REST_TEXT), Q("query", REST_OBJECT), Q("fields", REST_OBJECT), FRESH}},
    /* actions */
    {"actions",
     "GET",
     "/auth/actions",
     REST_PER_ORK,
     {NEED("queries", REST_ARRAY), Q("groupBatch", REST_BOOL), Q("suffix", REST_TEXT), FRESH}},
    {"actions-batch", "GET", "/auth/actions/batch", REST_PER_ORK, {NEED("ids", REST_IDS), FRESH}},
    {"action",
     "GET",
     "/auth/actions/:type/:id",
     REST_PER_ORK,
     {PATH("type", REST_TEXT), PATH("id", REST_WHOLE), FRESH}},
    {"push-action",
     "POST",
     "/auth/actions/voting",
     REST_PER_ORK,
     {BODY("query", REST_OBJECT), BODY("action", REST_TEXT), BODY("params", REST_ARRAY)}},
    {"push-actions",
     "POST",
     "/auth/actions/voting/batch",
     REST_LISTS,
     {BODY("batchActionsPayload", REST_ARRAY), BODY("batchActionUID", REST_TEXT),
      MAY("suffix", REST_TEXT)}},
    {"vote-action",
     "PUT",
     "/auth/actions/voting/:id/vote",
     REST_PER_ORK,
     {PATH("id", REST_WHOLE), BODY("approve", REST_BOOL)}},
    {"cancel-actions",
     "DELETE",
     "/auth/actions/voting/cancel",
     REST_PER_ORK,
     {NEED("ids", REST_IDS)}},
    /* logs */
    {"start-miner-logs",
     "POST",
     "/auth/miners/:minerId/download-logs",
     REST_OBJECT_ANSWER,
     {PATH("minerId", REST_TEXT)}},
    {"miner-logs-status",
     "GET",
     "/auth/miners/:minerId/download-logs/:jobId/status",
     REST_OBJECT_ANSWER,
     {PATH("minerId", REST_TEXT), PATH("jobId", REST_TEXT)}},
    {"miner-logs-file",
     "GET",
     "/auth/miners/:minerId/download-logs/:jobId/file",
     REST_BYTES,
     {PATH("minerId", REST_TEXT), PATH("jobId", REST_TEXT)}},
    {"download-logs", "GET", "/auth/download-logs/:id", REST_BYTES, {PATH("id", REST_TEXT)}},
    {"tail-log",
     "GET",
     "/auth/tail-log",
     REST_LISTS,
     {NEED("key", REST_TEXT), Q("type", REST_TEXT), Q("tag", REST_TEXT), RANGE, WINDOW,
      Q("fields", REST_OBJECT), Q("aggrFields", REST_JSON_VALUE), Q("aggrTimes", REST_ARRAY),
      Q("applyAggrCrossthg", REST_BOOL), FRESH}},
    {"tail-log-multi",
     "GET",
     "/auth/tail-log/multi",
     REST_LISTS,
     {NEED("keys", REST_ARRAY), RANGE, WINDOW, Q("fields", REST_OBJECT),
      Q("aggrFields", REST_JSON_VALUE), Q("aggrTimes", REST_ARRAY), FRESH}},
    {"tail-log-range",
     "GET",
     "/auth/tail-log/range-aggr",
     REST_ANY_ANSWER,
     {NEED("keys", REST_ARRAY), FRESH}},
    {"history-log",
     "GET",
     "/auth/history-log",
     REST_LISTS,
     {NEED("logType", REST_TEXT), RANGE, WINDOW, Q("tag", REST_TEXT), Q("query", REST_OBJECT),
      Q("fields", REST_OBJECT), FRESH}},
    /* oneself */
    {"userinfo", "GET", "/auth/userinfo", REST_OBJECT_ANSWER, {{.name = NULL}}},
    {"permissions", "GET", "/auth/permissions", REST_OBJECT_ANSWER, {{.name = NULL}}},
};

#define COUNT (sizeof(endpoints) / sizeof(endpoints[0]))

const struct rest_endpoint *rest_endpoint_find(const char *name)
{
	for (size_t i = 0; i < COUNT; i++) {
		if (strcmp(endpoints[i].name, name) == 0)
			return &endpoints[i];
	}
	return NULL;
}

static const struct rest_argument *argument_find(const struct rest_endpoint *endpoint,
						 const char *name)
{
	for (size_t i = 0; i < REST_MAX_ARGUMENTS && endpoint->arguments[i].name != NULL; i++) {
		if (strcmp(endpoint->arguments[i].name, name) == 0)
			return &endpoint->arguments[i];
	}
	return NULL;
}

bool rest_endpoint_has_pages(const struct rest_endpoint *endpoint)
{
	/* Of several keys each has its own answer, in their order; nothing there can be joined. */
	return argument_find(endpoint, "offset") != NULL && argument_find(endpoint, "keys") == NULL;
}

/* --- checks -------------------------------------------------------------------------------------
 */

static bool is_whole(struct json_object *value)
{
	return json_object_is_type(value, json_type_int) && json_object_get_int64(value) >= 0 &&
	       json_object_get_int64(value) <= WHOLE_MAX;
}

/* In a path a number is text in any case, and ids of actions come from command lines. */
static bool is_digits(struct json_object *value)
{
	const char *text = json_object_get_string(value);
	size_t size = strlen(text);

	return json_object_is_type(value, json_type_string) && size >= 1 && size <= 15 &&
	       strspn(text, "0123456789") == size &&
	       (size_t)json_object_get_string_len(value) == size;
}

static bool is_text(struct json_object *value, size_t most)
{
	size_t size;

	if (!json_object_is_type(value, json_type_string))
		return false;
	size = (size_t)json_object_get_string_len(value);
	return size >= 1 && size <= most && strlen(json_object_get_string(value)) == size;
}

static bool are_ids(struct json_object *value)
{
	size_t count;

	if (is_whole(value))
		return true;
	if (!json_object_is_type(value, json_type_array))
		return false;
	count = json_object_array_length(value);
	for (size_t i = 0; i < count; i++) {
		if (!is_whole(json_object_array_get_idx(value, i)))
			return false;
	}
	return count > 0;
}

/* NULL when VALUE fits ARGUMENT, else what is expected. */
static const char *mismatch(const struct rest_argument *argument, struct json_object *value)
{
	switch (argument->type) {
	case REST_TEXT:
		return is_text(value, TEXT_MAX) ? NULL : "a text of 1 to 1024 bytes";
	case REST_COMMENT:
		return is_text(value, COMMENT_MAX) ? NULL : "a text of 1 to 8192 bytes";
	case REST_WHOLE:
		return is_whole(value) || (argument->place == REST_PATH && is_digits(value))
			   ? NULL
			   : "a whole number";
	case REST_BOOL:
	case REST_FLAG:
		return json_object_is_type(value, json_type_boolean) ? NULL : "true or false";
	case REST_OBJECT:
		return json_object_is_type(value, json_type_object) ? NULL : "an object {..}";
	case REST_ARRAY:
		return json_object_is_type(value, json_type_array) ? NULL : "an array [..]";
	case REST_JSON_VALUE:
		return json_object_is_type(value, json_type_object) ||
			       json_object_is_type(value, json_type_array)
			   ? NULL
			   : "an object {..} or an array [..]";
	case REST_IDS:
		return are_ids(value) ? NULL : "an array of whole numbers";
	}
	return "another type";
}

static int32_t check(const struct rest_endpoint *endpoint, struct json_object *arguments,
		     struct error *e)
{
	if (arguments != NULL && !json_object_is_type(arguments, json_type_object))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "arguments have to be an object {..}");
	if (arguments != NULL) {
		json_object_object_foreach(arguments, name, unused)
		{
			(void)unused;
			if (argument_find(endpoint, name) == NULL)
				return error_set(e, ADIT_E_INVALID_ARGUMENT,
						 "%s has no argument \"%.60s\"", endpoint->name,
						 name);
		}
	}
	for (size_t i = 0; i < REST_MAX_ARGUMENTS && endpoint->arguments[i].name != NULL; i++) {
		const struct rest_argument *argument = &endpoint->arguments[i];
		struct json_object *value = rest_json_member(arguments, argument->name);
		const char *expected;

		if (value == NULL && argument->required)
			return error_set(e, ADIT_E_INVALID_ARGUMENT, "%s needs the argument \"%s\"",
					 endpoint->name, argument->name);
		expected = value != NULL ? mismatch(argument, value) : NULL;
		if (expected != NULL)
			return error_set(e, ADIT_E_INVALID_ARGUMENT, "%s: \"%s\" has to be %s",
					 endpoint->name, argument->name, expected);
	}
	return ADIT_OK;
}

/* --- writing ------------------------------------------------------------------------------------
 */

static void write_ids(struct buf *out, struct json_object *value)
{
	if (is_whole(value)) {
		buf_printf(out, "%" PRId64, json_object_get_int64(value));
		return;
	}
	for (size_t i = 0; i < json_object_array_length(value); i++)
		buf_printf(out, "%s%" PRId64, i > 0 ? "," : "",
			   json_object_get_int64(json_object_array_get_idx(value, i)));
}

/* Of a path or a query, encoded. */
static void write_value(struct buf *out, enum rest_type type, struct json_object *value)
{
	size_t size;
	const char *text;

	switch (type) {
	case REST_IDS:
		write_ids(out, value);
		return;
	case REST_FLAG:
		buf_append_u8(out, '1');
		return;
	case REST_TEXT:
	case REST_COMMENT:
		http_url_encode(out, json_object_get_string(value),
				(size_t)json_object_get_string_len(value));
		return;
	case REST_WHOLE: /* digits, perhaps as a text */
		text = json_object_get_string(value);
		http_url_encode(out, text, strlen(text));
		return;
	default:
		text = json_object_to_json_string_length(value, JSON_FLAGS, &size);
		if (text != NULL)
			http_url_encode(out, text, size);
		else
			out->failed = true;
	}
}

static int32_t write_path(const struct rest_endpoint *endpoint, struct json_object *arguments,
			  struct buf *url, struct error *e)
{
	for (const char *at = endpoint->path; *at != '\0';) {
		size_t plain = strcspn(at, ":");
		const struct rest_argument *argument;
		struct json_object *value;
		char name[32] = {0};

		buf_append(url, at, plain);
		at += plain;
		if (*at == '\0')
			break;
		plain = strcspn(at, "/");
		memcpy(name, at + 1, plain - 1);
		at += plain;
		argument = argument_find(endpoint, name);
		value = rest_json_member(arguments, name);
		/* These two would be taken out of a path, with what is before them. */
		if (argument->type == REST_TEXT &&
		    (strcmp(json_object_get_string(value), ".") == 0 ||
		     strcmp(json_object_get_string(value), "..") == 0))
			return error_set(e, ADIT_E_INVALID_ARGUMENT,
					 "%s: \"%s\" can't be \".\" or \"..\"", endpoint->name,
					 name);
		write_value(url, argument->type, value);
	}
	return ADIT_OK;
}

static void write_query(const struct rest_endpoint *endpoint, struct json_object *arguments,
			struct buf *url)
{
	char before = '?';

	for (size_t i = 0; i < REST_MAX_ARGUMENTS && endpoint->arguments[i].name != NULL; i++) {
		const struct rest_argument *argument = &endpoint->arguments[i];
		struct json_object *value = rest_json_member(arguments, argument->name);

		if (argument->place != REST_QUERY || value == NULL ||
		    (argument->type == REST_FLAG && !json_object_get_boolean(value)))
			continue;
		buf_printf(url, "%c%s=", before, argument->name);
		write_value(url, argument->type, value);
		before = '&';
	}
}

static void write_body(const struct rest_endpoint *endpoint, struct json_object *arguments,
		       struct buf *body)
{
	struct json_object *o = NULL;
	const char *text;
	size_t size;

	for (size_t i = 0; i < REST_MAX_ARGUMENTS && endpoint->arguments[i].name != NULL; i++) {
		const struct rest_argument *argument = &endpoint->arguments[i];
		struct json_object *value = rest_json_member(arguments, argument->name);

		if (argument->place != REST_BODY)
			continue;
		if (o == NULL)
			o = json_object_new_object();
		if (value != NULL)
			json_object_object_add(o, argument->name, json_object_get(value));
	}
	if (o == NULL)
		return;
	text = json_object_to_json_string_length(o, JSON_FLAGS, &size);
	if (text != NULL)
		buf_append(body, text, size);
	else
		body->failed = true;
	json_object_put(o);
}

int32_t rest_endpoint_write(const struct rest_endpoint *endpoint, struct json_object *arguments,
			    struct buf *url, struct buf *body, struct error *e)
{
	int32_t result = check(endpoint, arguments, e);

	if (result == ADIT_OK)
		result = write_path(endpoint, arguments, url, e);
	if (result != ADIT_OK)
		return result;
	write_query(endpoint, arguments, url);
	write_body(endpoint, arguments, body);
	if (url->failed || body->failed)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	if (url->size > REST_MAX_URL)
		return error_set(
		    e, ADIT_E_LIMIT,
		    "%s: the address would have %zu bytes, and the app-node takes some "
		    "%d: ask for less at a time",
		    endpoint->name, url->size, REST_MAX_URL);
	return ADIT_OK;
}

/* --- for people ---------------------------------------------------------------------------------
 */

static struct json_object *describe_arguments(const struct rest_endpoint *endpoint)
{
	static const char *const types[] = {"text",   "text",  "whole number",    "bool", "bool",
					    "object", "array", "object or array", "ids"};
	static const char *const places[] = {"path", "query", "body"};
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < REST_MAX_ARGUMENTS && endpoint->arguments[i].name != NULL; i++) {
		const struct rest_argument *argument = &endpoint->arguments[i];
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "name", json_object_new_string(argument->name));
		json_object_object_add(o, "type", json_object_new_string(types[argument->type]));
		json_object_object_add(o, "place", json_object_new_string(places[argument->place]));
		json_object_object_add(o, "required", json_object_new_boolean(argument->required));
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *rest_endpoints(void)
{
	static const char *const shapes[] = {"object",       "any",  "one per ork",
					     "list per ork", "list", "file"};
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < COUNT; i++) {
		const struct rest_endpoint *at = &endpoints[i];
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "name", json_object_new_string(at->name));
		json_object_object_add(o, "method", json_object_new_string(at->method));
		json_object_object_add(o, "path", json_object_new_string(at->path));
		json_object_object_add(o, "arguments", describe_arguments(at));
		json_object_object_add(o, "answer", json_object_new_string(shapes[at->shape]));
		json_object_object_add(o, "pages",
				       json_object_new_boolean(rest_endpoint_has_pages(at)));
		json_object_array_add(list, o);
	}
	return list;
}
