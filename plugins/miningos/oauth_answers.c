/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/oauth_answers.h"

#include <json-c/json.h>
#include <string.h>
#include <strings.h>

#include "lib/util/random.h"
#include "plugins/miningos/rest_json.h"

#define LONGEST_LIFE (INT64_C(366) * 86400) /* seconds */

static struct json_object *object(const void *text, size_t size)
{
	struct json_object *o = rest_json_parse(text, size);

	if (json_object_is_type(o, json_type_object))
		return o;
	json_object_put(o);
	return NULL;
}

/* A text or a number, as a text. */
static void take_id(struct json_object *o, const char *key, char *out, size_t room)
{
	struct json_object *value = rest_json_member(o, key);

	if (json_object_is_type(value, json_type_string) ||
	    json_object_is_type(value, json_type_int))
		rest_json_show(json_object_get_string(value), out, room);
}

int32_t oauth_read_userinfo(const void *text, size_t size, struct oauth_user *user, struct error *e)
{
	struct json_object *o = object(text, size);
	struct json_object *metadata = rest_json_member(o, "metadata");

	memset(user, 0, sizeof(*user));
	if (o == NULL)
		return error_set(e, ADIT_E_PROTOCOL, "userinfo is no JSON object");
	take_id(o, "userId", user->user, sizeof(user->user));
	take_id(o, "email", user->email, sizeof(user->email));
	take_id(metadata, "email", user->email, sizeof(user->email));
	if (!oauth_roles_read(rest_json_member(metadata, "roles"), &user->roles))
		(void)oauth_roles_read(rest_json_member(o, "roles"), &user->roles);
	json_object_put(o);
	return ADIT_OK;
}

int32_t oauth_read_permissions(const void *text, size_t size, bool *write, struct error *e)
{
	struct json_object *o = object(text, size);
	struct json_object *permissions = rest_json_member(o, "permissions");
	struct json_object *value = rest_json_member(permissions, "write");
	bool ok = json_object_is_type(value, json_type_boolean);

	if (ok)
		*write = json_object_get_boolean(value);
	json_object_put(o);
	return ok ? ADIT_OK : error_set(e, ADIT_E_PROTOCOL, "permissions do not say `write`");
}

/* The text is the object's own storage, though it is handed out as const. */
static void wipe_member(struct json_object *o, const char *key)
{
	const char *text = rest_json_text(o, key);

	if (text != NULL)
		secure_wipe((void *)(uintptr_t)text,
			    (size_t)json_object_get_string_len(rest_json_member(o, key)));
}

static bool take_token(struct json_object *o, const char *key, char out[OAUTH_TOKEN_MAX + 1])
{
	bool ok = rest_json_copy(o, key, out, OAUTH_TOKEN_MAX + 1) &&
		  oauth_token_is_good(out, strlen(out));

	wipe_member(o, key);
	return ok;
}

int32_t oauth_read_renewal(const void *text, size_t size, char token[OAUTH_TOKEN_MAX + 1],
			   struct error *e)
{
	struct json_object *o = object(text, size);
	bool ok = take_token(o, "token", token);

	json_object_put(o);
	return ok ? ADIT_OK : error_set(e, ADIT_E_PROTOCOL, "there is no token in the answer");
}

int32_t oauth_read_grant(const void *text, size_t size, struct oauth_token *token, struct error *e)
{
	struct json_object *o = object(text, size);
	const char *type = rest_json_text(o, "token_type");
	char refresh[OAUTH_TOKEN_MAX + 1];
	int32_t result = ADIT_OK;

	token->lifetime = 0;
	if (!take_token(o, "access_token", token->access))
		result = error_set(e, ADIT_E_PROTOCOL, "there is no access token in the answer");
	else if (type == NULL || strcasecmp(type, "bearer") != 0)
		result = error_set(e, ADIT_E_PROTOCOL, "the token is not of the type Bearer");
	else
		(void)rest_json_whole(o, "expires_in", LONGEST_LIFE, &token->lifetime);
	if (rest_json_member(o, "refresh_token") != NULL) {
		if (take_token(o, "refresh_token", refresh))
			memcpy(token->refresh, refresh, sizeof(refresh));
		secure_wipe(refresh, sizeof(refresh));
	}
	wipe_member(o, "access_token");
	wipe_member(o, "id_token");
	json_object_put(o);
	return result;
}

void oauth_read_problem(const void *text, size_t size, char *out, size_t room)
{
	struct json_object *o = object(text, size);
	const char *message = rest_json_text(o, "message");
	const char *error = rest_json_text(o, "error");

	/* The app-node's words are in `message`, where one that is kept to itself is "Bad Request";
	 * a few of its answers, and all of RFC 6749, have but `error`. */
	if (message == NULL || (error != NULL && strncmp(error, "ERR_", 4) == 0))
		message = error;
	rest_json_show(message != NULL ? message : "", out, room);
	json_object_put(o);
}
