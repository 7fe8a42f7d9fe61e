/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/token_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/file.h"
#include "lib/util/random.h"
#include "plugins/miningos/rest_json.h"

#define FILE_VERSION 1
#define FAR_FUTURE INT64_C(253402300799) /* the last second of the year 9999 */

static int32_t io_error(struct error *e, const char *path, const char *what)
{
	return error_set(e, errno == ENOENT ? ADIT_E_NOT_FOUND : ADIT_E_IO, "%s: %s: %s", path,
			 what, strerror(errno));
}

/* --- text ---------------------------------------------------------------------------------------
 */

/* Copies the token KEY; "" when it is not there. */
static bool take_token(struct json_object *o, const char *key, char *out)
{
	if (rest_json_member(o, key) == NULL)
		return true;
	return rest_json_copy(o, key, out, OAUTH_TOKEN_MAX + 1) &&
	       oauth_token_is_good(out, strlen(out));
}

static bool take(struct json_object *o, struct oauth_token *token)
{
	const char *kind = rest_json_text(o, "kind");
	int64_t version;

	if (!rest_json_whole(o, "version", FILE_VERSION, &version) || version != FILE_VERSION ||
	    kind == NULL)
		return false;
	if (strcmp(kind, "oauth2") == 0)
		token->kind = OAUTH_OAUTH2;
	else if (strcmp(kind, "app-node") != 0)
		return false;
	(void)rest_json_whole(o, "expires", FAR_FUTURE, &token->expires);
	(void)rest_json_whole(o, "lifetime", FAR_FUTURE, &token->lifetime);
	(void)rest_json_copy(o, "user", token->user, sizeof(token->user));
	(void)rest_json_copy(o, "email", token->email, sizeof(token->email));
	(void)oauth_roles_read(rest_json_member(o, "roles"), &token->roles);
	return take_token(o, "access_token", token->access) &&
	       take_token(o, "refresh_token", token->refresh) && token->access[0] != '\0' &&
	       rest_json_copy(o, "app_node", token->app_node, sizeof(token->app_node));
}

/* json-c's own copies of the secrets. */
static void wipe_texts(struct json_object *o)
{
	static const char *const secrets[] = {"access_token", "refresh_token"};

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		struct json_object *value = rest_json_member(o, secrets[i]);
		size_t size;

		if (!json_object_is_type(value, json_type_string))
			continue;
		size = (size_t)json_object_get_string_len(value);
		/* The text is the object's own storage, though it is handed out as const. */
		secure_wipe((void *)(uintptr_t)json_object_get_string(value), size);
	}
}

int32_t token_cache_parse(const char *text, size_t size, struct oauth_token *token, struct error *e)
{
	struct json_object *o = rest_json_parse(text, size);
	bool ok;

	memset(token, 0, sizeof(*token));
	ok = take(o, token);
	wipe_texts(o);
	json_object_put(o);
	if (ok)
		return ADIT_OK;
	secure_wipe(token, sizeof(*token));
	return error_set(e, ADIT_E_CONFIG, "not a file of this version that holds a token");
}

static struct json_object *describe(const struct oauth_token *token)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "version", json_object_new_int(FILE_VERSION));
	json_object_object_add(o, "app_node", json_object_new_string(token->app_node));
	json_object_object_add(
	    o, "kind", json_object_new_string(token->kind == OAUTH_OAUTH2 ? "oauth2" : "app-node"));
	json_object_object_add(o, "access_token", json_object_new_string(token->access));
	if (token->refresh[0] != '\0')
		json_object_object_add(o, "refresh_token", json_object_new_string(token->refresh));
	json_object_object_add(o, "expires", json_object_new_int64(token->expires));
	json_object_object_add(o, "lifetime", json_object_new_int64(token->lifetime));
	json_object_object_add(o, "user", json_object_new_string(token->user));
	json_object_object_add(o, "email", json_object_new_string(token->email));
	if (token->roles.known)
		json_object_object_add(o, "roles", oauth_roles_json(&token->roles));
	return o;
}

/* --- the file -----------------------------------------------------------------------------------
 */

static int32_t check_file(int fd, const char *path, struct error *e)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return io_error(e, path, "fstat");
	if (!S_ISREG(st.st_mode))
		return error_set(e, ADIT_E_CONFIG, "%s: not a regular file", path);
	if (st.st_uid != geteuid())
		return error_set(e, ADIT_E_PERMISSION_DENIED,
				 "%s: belongs to user %u, not to the one that adit runs as (%u); "
				 "remove it and log in anew",
				 path, (unsigned)st.st_uid, (unsigned)geteuid());
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return error_set(
		    e, ADIT_E_PERMISSION_DENIED,
		    "%s: others than its owner can get at the token in it (mode %04o): "
		    "remove it and log in anew",
		    path, (unsigned)(st.st_mode & 07777u));
	if (st.st_size > TOKEN_CACHE_MAX)
		return error_set(e, ADIT_E_CONFIG, "%s: too large for a token", path);
	return ADIT_OK;
}

int32_t token_cache_load(const char *path, struct oauth_token *token, struct error *e)
{
	char text[TOKEN_CACHE_MAX + 1];
	struct error why = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	ssize_t size = 0;
	int32_t result;

	memset(token, 0, sizeof(*token));
	if (fd < 0 && errno == ELOOP)
		return error_set(e, ADIT_E_CONFIG, "%s: a symbolic link is not followed here",
				 path);
	if (fd < 0)
		return io_error(e, path, "open");
	result = check_file(fd, path, e);
	if (result == ADIT_OK && (size = file_read_all(fd, text, sizeof(text))) < 0)
		result = io_error(e, path, "read");
	(void)close(fd);
	if (result == ADIT_OK && size == (ssize_t)sizeof(text))
		result = error_set(e, ADIT_E_CONFIG, "%s: too large for a token", path);
	else if (result == ADIT_OK && token_cache_parse(text, (size_t)size, token, &why) != ADIT_OK)
		result =
		    error_set(e, ADIT_E_CONFIG, "%s: %s; a new login replaces it", path, why.text);
	/* Of a file that could not be read to its end there may be a part. */
	secure_wipe(text, size < 0 ? sizeof(text) : (size_t)size);
	return result;
}

static int32_t replace(const char *path, const char *text, size_t size, struct error *e)
{
	char beside[PATH_MAX];
	const char *failed = file_write_beside(path, S_IRUSR | S_IWUSR, text, size, "", beside);

	if (failed != NULL)
		return error_set(e, ADIT_E_IO, "%s: %s: %s", path, failed, strerror(errno));
	if (rename(beside, path) == 0 && file_sync_directory_of(path))
		return ADIT_OK;
	(void)error_set(e, ADIT_E_IO, "%s: write: %s", path, strerror(errno));
	(void)unlink(beside);
	return ADIT_E_IO;
}

int32_t token_cache_store(const char *path, const struct oauth_token *token, struct error *e)
{
	struct json_object *o = describe(token);
	size_t size = 0;
	const char *text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, &size);
	int32_t result;

	if (text == NULL)
		result = error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	else
		result = replace(path, text, size, e);
	if (text != NULL)
		secure_wipe((void *)(uintptr_t)text, size);
	wipe_texts(o);
	json_object_put(o);
	return result;
}

int32_t token_cache_remove(const char *path, struct error *e)
{
	if (unlink(path) == 0 || errno == ENOENT)
		return ADIT_OK;
	return error_set(e, ADIT_E_IO, "%s: remove: %s", path, strerror(errno));
}
