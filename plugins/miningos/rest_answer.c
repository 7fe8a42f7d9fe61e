/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/rest_answer.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/http/client.h"
#include "lib/util/buf.h"
#include "plugins/miningos/oauth_answers.h"
#include "plugins/miningos/rest_json.h"

#define HRPC_ERROR "[HRPC_ERR]="

static void set(struct rest_verdict *out, int32_t error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void set(struct rest_verdict *out, int32_t error, const char *format, ...)
{
	va_list args;

	out->error = error;
	va_start(args, format);
	vsnprintf(out->message, sizeof(out->message), format, args);
	va_end(args);
}

/* --- words --------------------------------------------------------------------------------------
 */

int32_t rest_error_of(const char *word)
{
	static const struct {
		const char *part;
		int32_t error;
	} known[] = {
	    {"NOTFOUND", ADIT_E_NOT_FOUND},         {"NOT_FOUND", ADIT_E_NOT_FOUND},
	    {"UNKNOWN_METHOD", ADIT_E_UNSUPPORTED}, {"EXISTS", ADIT_E_EXISTS},
	    {"PERM", ADIT_E_PERMISSION_DENIED},     {"DENIED", ADIT_E_PERMISSION_DENIED},
	    {"ERR_AUTH", ADIT_E_PERMISSION_DENIED}, {"TIMEOUT", ADIT_E_TIMEOUT},
	    {"CHANNEL_CLOSED", ADIT_E_UNAVAILABLE}, {"LIMIT_EXCEEDED", ADIT_E_LIMIT},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strstr(word, known[i].part) != NULL)
			return known[i].error;
	}
	return ADIT_E_INVALID_ARGUMENT;
}

/* --- per ork ------------------------------------------------------------------------------------
 */

/* The text of an error that stands where a result should; NULL when VALUE is none. */
static const char *error_text(struct json_object *value)
{
	if (json_object_is_type(value, json_type_string)) {
		const char *text = json_object_get_string(value);

		return strncmp(text, HRPC_ERROR, strlen(HRPC_ERROR)) == 0
			   ? text + strlen(HRPC_ERROR)
			   : NULL;
	}
	if (json_object_is_type(value, json_type_array) && json_object_array_length(value) > 0)
		return rest_json_text(
		    json_object_array_get_idx(value, json_object_array_length(value) - 1), "error");
	return NULL;
}

/* {error}, {success: false, error} */
static const char *plain_failure(struct json_object *value)
{
	struct json_object *success = rest_json_member(value, "success");
	const char *error = rest_json_text(value, "error");

	if (json_object_is_type(success, json_type_boolean))
		return json_object_get_boolean(success) ? NULL : error != NULL ? error : "failed";
	/* An action, and a thing in a list, may have an error of their own among other members. */
	return error != NULL && rest_json_member(value, "id") == NULL ? error : NULL;
}

/* {id: null, errors: [..]}, of an action that was not accepted. The first word is the cause, where
 * a rack gave one; the last the ork's ERR_ORK_ACTION_CALLS_EMPTY. */
static const char *push_failure(struct json_object *value)
{
	struct json_object *errors = rest_json_member(value, "errors");
	struct json_object *first;
	struct json_object *id;

	if (!json_object_is_type(errors, json_type_array) ||
	    !json_object_object_get_ex(value, "id", &id))
		return NULL;
	if (json_object_array_length(errors) == 0)
		return id == NULL ? "the ork accepted no action" : NULL;
	first = json_object_array_get_idx(errors, 0);
	return json_object_is_type(first, json_type_string) ? json_object_get_string(first)
							    : "an error that is no text";
}

/* {res: 1}, {res: {success, error}}, {res: [{id, success, error?}]} */
static const char *res_failure(struct json_object *value)
{
	struct json_object *res = rest_json_member(value, "res");

	if (!json_object_is_type(res, json_type_array))
		return plain_failure(res);
	for (size_t i = 0; i < json_object_array_length(res); i++) {
		struct json_object *one = json_object_array_get_idx(res, i);
		struct json_object *success = rest_json_member(one, "success");
		const char *error = rest_json_text(one, "error");

		if (error != NULL || (json_object_is_type(success, json_type_boolean) &&
				      !json_object_get_boolean(success)))
			return error != NULL ? error : "failed";
	}
	return NULL;
}

/* What is wrong with one ork's answer. *ALL: nothing of it is good. */
static const char *ork_failure(struct json_object *value, bool *all)
{
	const char *text = error_text(value);
	struct json_object *id;

	*all = true;
	if (json_object_is_type(value, json_type_string))
		return text;
	text = plain_failure(value);
	if (text == NULL)
		text = res_failure(value);
	if (text == NULL) {
		text = push_failure(value);
		*all = json_object_object_get_ex(value, "id", &id) && id == NULL;
	}
	return text;
}

static const char *list_failure(struct json_object *list, bool *all)
{
	const char *first = NULL;
	size_t failed = 0;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		bool whole = true;
		const char *text = push_failure(json_object_array_get_idx(list, i));
		struct json_object *id;

		if (text == NULL)
			continue;
		(void)json_object_object_get_ex(json_object_array_get_idx(list, i), "id", &id);
		whole = id == NULL;
		failed += whole;
		if (first == NULL)
			first = text;
	}
	*all = failed > 0 && failed == json_object_array_length(list);
	return first;
}

static void read_orks(struct rest_verdict *out, enum rest_shape shape)
{
	out->orks = json_object_array_length(out->json);
	for (size_t i = 0; i < out->orks; i++) {
		struct json_object *value = json_object_array_get_idx(out->json, i);
		bool all = true;
		const char *text;

		if (shape == REST_LISTS && json_object_is_type(value, json_type_array)) {
			text = list_failure(value, &all);
		} else {
			text = ork_failure(value, &all);
			if (shape == REST_LISTS && text == NULL) {
				set(out, ADIT_E_PROTOCOL, "%s",
				    "the answer is not a list of lists, one for each ork");
				return;
			}
		}
		if (text == NULL)
			continue;
		out->failed += all;
		if (out->message[0] == '\0')
			rest_json_show(text[0] != '\0' ? text : "an error without a word",
				       out->message, sizeof(out->message));
	}
	if (out->orks > 0 && out->failed == out->orks)
		out->error = rest_error_of(out->message);
}

/* --- status -------------------------------------------------------------------------------------
 */

static void read_ok(struct rest_verdict *out, enum rest_shape shape, const void *text, size_t size)
{
	const char *wrong = NULL;
	bool list;

	if (shape == REST_BYTES)
		return;
	out->json = rest_json_parse(text, size);
	list = json_object_is_type(out->json, json_type_array);
	if (out->json == NULL)
		wrong = "no JSON";
	else if (shape == REST_OBJECT_ANSWER && !json_object_is_type(out->json, json_type_object))
		wrong = "no object";
	else if ((shape == REST_PER_ORK || shape == REST_LISTS) && !list)
		wrong = "no list with an element for each ork";
	else if (shape == REST_PAGE && !list &&
		 !json_object_is_type(rest_json_member(out->json, "data"), json_type_array))
		wrong = "no list";
	else if (shape == REST_PER_ORK || shape == REST_LISTS)
		read_orks(out, shape);
	if (wrong != NULL)
		set(out, ADIT_E_PROTOCOL,
		    "the answer is not what this endpoint answers: %s; is it an app-node that "
		    "app_node_url leads to?",
		    wrong);
}

static void read_400(struct rest_verdict *out, const char *word)
{
	if (strcmp(word, "ERR_WRITE_PERM_REQUIRED") == 0)
		set(out, ADIT_E_PERMISSION_DENIED,
		    "%s: the user's role may not write (actions:w); log in as one who may", word);
	else if (strncmp(word, "ERR_", 4) == 0)
		set(out, rest_error_of(word), "the app-node refuses: %s", word);
	else
		set(out, ADIT_E_INVALID_ARGUMENT,
		    "the app-node refuses without a reason (%s), as it does with errors of its "
		    "orks, too; its log has more",
		    word[0] != '\0' ? word : "HTTP 400");
}

/* 401, or 400 with one of its words: an app-node answers a thrown error with 400. */
static void read_401(struct rest_verdict *out, const char *word)
{
	if (strcmp(word, "ERR_AUTH_FAIL_NO_PERMS") == 0) {
		set(out, ADIT_E_PERMISSION_DENIED, "%s: the user's role lacks the permission",
		    word);
		return;
	}
	out->refused = true;
	set(out, ADIT_E_PERMISSION_DENIED, "the app-node does not take the token (%s)",
	    word[0] != '\0' ? word : "HTTP 401");
}

static void read_status(struct rest_verdict *out, long status, const char *word,
			const char *location)
{
	char text[128];

	snprintf(text, sizeof(text), "HTTP status %ld%s%.80s", status, word[0] != '\0' ? ": " : "",
		 word);
	if (status == 401 || (status == 400 && strncmp(word, "ERR_AUTH_FAIL", 13) == 0))
		read_401(out, word);
	else if (status == 400 || status == 403)
		read_400(out, word);
	else if (status == 404)
		set(out, ADIT_E_NOT_FOUND,
		    "%s; an older app-node may not have it, and app_node_url may lead to another "
		    "place",
		    text);
	else if (status == 410)
		set(out, ADIT_E_NOT_FOUND, "%s: it is gone", text);
	else if (status == 409)
		set(out, ADIT_E_EXISTS, "%s", text);
	else if (status == 413 || status == 414 || status == 431 || status == 429)
		set(out, ADIT_E_LIMIT, "%s: too much at a time", text);
	else if (status >= 500)
		set(out, ADIT_E_UNAVAILABLE, "%s", text);
	else if (status >= 300 && status < 400)
		set(out, ADIT_E_PROTOCOL,
		    "it refers to %.100s, which is not followed; app_node_url has to lead to the "
		    "app-node itself",
		    location[0] != '\0' ? location : "another place");
	else
		set(out, ADIT_E_PROTOCOL, "%s", text);
	if (status == 403)
		out->error = ADIT_E_PERMISSION_DENIED;
}

void rest_answer_read(struct rest_verdict *out, enum rest_shape shape, long status,
		      const char *location, const void *text, size_t size)
{
	char word[160];
	char where[128];

	memset(out, 0, sizeof(*out));
	if (status == 200 || status == 201 || status == 202) {
		read_ok(out, shape, text, size);
		return;
	}
	oauth_read_problem(text, size, word, sizeof(word));
	/* Without its query, which may hold what is nobody's business. */
	rest_json_show(location, where, sizeof(where));
	where[strcspn(where, "?#")] = '\0';
	read_status(out, status, word, where);
}

void rest_answer_take(struct rest_verdict *out, enum rest_shape shape,
		      const struct http_answer *answer)
{
	if (answer->error == ADIT_OK) {
		rest_answer_read(out, shape, answer->status, answer->location, answer->body->data,
				 answer->body->size);
		return;
	}
	memset(out, 0, sizeof(*out));
	set(out, answer->error, "the app-node: %s", answer->message);
}

struct json_object *rest_answer_items(enum rest_shape shape, struct json_object *json)
{
	struct json_object *items = json_object_new_array();

	if (shape == REST_PAGE && json_object_is_type(json, json_type_object))
		json = rest_json_member(json, "data");
	if (items == NULL || !json_object_is_type(json, json_type_array))
		return items;
	for (size_t i = 0; i < json_object_array_length(json); i++) {
		struct json_object *value = json_object_array_get_idx(json, i);

		if (shape == REST_PAGE) {
			json_object_array_add(items, json_object_get(value));
			continue;
		}
		for (size_t k = 0; json_object_is_type(value, json_type_array) &&
				   k < json_object_array_length(value);
		     k++)
			json_object_array_add(items,
					      json_object_get(json_object_array_get_idx(value, k)));
	}
	return items;
}
