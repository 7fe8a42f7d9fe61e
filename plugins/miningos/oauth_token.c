/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/oauth_token.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "lib/http/url.h"
#include "lib/util/random.h"
#include "plugins/miningos/rest_json.h"

#define FAR_FUTURE INT64_C(253402300799) /* the last second of the year 9999 */

bool oauth_token_is_good(const char *text, size_t size)
{
	if (size == 0 || size > OAUTH_TOKEN_MAX)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	return true;
}

/* --- roles --------------------------------------------------------------------------------------
 */

static void add_role(struct oauth_roles *roles, const char *name, size_t size)
{
	char *to = roles->names[roles->count];

	if (roles->count == OAUTH_ROLES || !oauth_token_is_good(name, size) ||
	    size >= OAUTH_ROLE_MAX)
		return;
	memcpy(to, name, size);
	to[size] = '\0';
	for (size_t i = 0; i < roles->count; i++) {
		if (strcmp(roles->names[i], to) == 0)
			return;
	}
	roles->count++;
}

static void add_roles(struct oauth_roles *roles, const char *text)
{
	while (*text != '\0') {
		size_t size = strcspn(text, ":, ");

		add_role(roles, text, size);
		text += size;
		text += *text != '\0';
	}
}

bool oauth_roles_read(struct json_object *value, struct oauth_roles *roles)
{
	memset(roles, 0, sizeof(*roles));
	if (json_object_is_type(value, json_type_string)) {
		roles->known = true;
		add_roles(roles, json_object_get_string(value));
	} else if (json_object_is_type(value, json_type_array)) {
		roles->known = true;
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			struct json_object *name = json_object_array_get_idx(value, i);

			if (json_object_is_type(name, json_type_string))
				add_role(roles, json_object_get_string(name),
					 (size_t)json_object_get_string_len(name));
		}
	}
	return roles->known;
}

bool oauth_roles_have(const struct oauth_roles *roles, const char *name)
{
	for (size_t i = 0; i < roles->count; i++) {
		if (strcmp(roles->names[i], name) == 0)
			return true;
	}
	return false;
}

struct json_object *oauth_roles_json(const struct oauth_roles *roles)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list != NULL && i < roles->count; i++)
		json_object_array_add(list, json_object_new_string(roles->names[i]));
	return list;
}

void oauth_roles_text(const struct oauth_roles *roles, char *out, size_t room)
{
	size_t size = 0;

	out[0] = '\0';
	for (size_t i = 0; i < roles->count && size < room; i++)
		size += (size_t)snprintf(out + size, room - size, "%s%s", i > 0 ? ", " : "",
					 roles->names[i]);
}

void oauth_roles_lost(const struct oauth_roles *before, const struct oauth_roles *now,
		      struct oauth_roles *lost)
{
	memset(lost, 0, sizeof(*lost));
	if (!before->known || !now->known)
		return;
	lost->known = true;
	for (size_t i = 0; i < before->count; i++) {
		if (!oauth_roles_have(now, before->names[i]))
			add_role(lost, before->names[i], strlen(before->names[i]));
	}
}

/* --- what tokens say ----------------------------------------------------------------------------
 */

/* HEADER.CLAIMS.SIGNATURE */
static bool read_jwt(const char *token, struct oauth_claims *claims)
{
	char text[OAUTH_TOKEN_MAX];
	const char *first = strchr(token, '.');
	const char *second = first != NULL ? strchr(first + 1, '.') : NULL;
	struct json_object *o = NULL;
	size_t size;

	if (second == NULL || strchr(second + 1, '.') != NULL)
		return false;
	first++;
	if (http_base64url_decode(first, (size_t)(second - first), text, sizeof(text), &size))
		o = rest_json_parse(text, size);
	secure_wipe(text, sizeof(text));
	if (!json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		return false;
	}
	(void)rest_json_whole(o, "iat", FAR_FUTURE, &claims->issued);
	(void)rest_json_whole(o, "exp", FAR_FUTURE, &claims->expires);
	(void)oauth_roles_read(rest_json_member(o, "roles"), &claims->roles);
	json_object_put(o);
	return true;
}

void oauth_token_read(const char *token, struct oauth_claims *claims)
{
	static const char mark[] = "-roles:";
	const char *roles;

	memset(claims, 0, sizeof(*claims));
	if (read_jwt(token, claims) || strchr(token, ':') == NULL)
		return;
	roles = strstr(token, mark);
	if (roles == NULL)
		return;
	claims->roles.known = true;
	add_roles(&claims->roles, roles + strlen(mark));
}
