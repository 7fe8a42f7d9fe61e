/* SPDX-License-Identifier: MIT */
/* What an app-node and an OAuth2 server answer, in whatever shape. The first byte says what it is
 * taken for, the second its HTTP status. */
#include "config.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http/url.h"
#include "plugins/miningos/oauth_answers.h"
#include "plugins/miningos/rest_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_answer(enum rest_shape shape, long status, const uint8_t *data, size_t size)
{
	struct rest_verdict v;
	struct json_object *items;

	rest_answer_read(&v, shape, status, "http://x.example/?a", data, size);
	require(v.error <= ADIT_OK && v.failed <= v.orks);
	require(v.error == ADIT_OK || v.message[0] != '\0');
	require(v.error != ADIT_OK || v.json != NULL || shape == REST_BYTES);
	require(!v.refused || v.error == ADIT_E_PERMISSION_DENIED);
	for (const char *at = v.message; *at != '\0'; at++)
		require((unsigned char)*at >= ' ');
	if (v.error == ADIT_OK && (shape == REST_LISTS || shape == REST_PAGE)) {
		items = rest_answer_items(shape, v.json);
		require(json_object_is_type(items, json_type_array));
		json_object_put(items);
	}
	json_object_put(v.json);
}

static void check_tokens(const uint8_t *data, size_t size)
{
	static struct oauth_token token;
	struct oauth_user user;
	char text[OAUTH_TOKEN_MAX + 1];
	char word[40];
	struct error e = {0};
	bool write;

	(void)oauth_read_userinfo(data, size, &user, &e);
	require(user.roles.count <= OAUTH_ROLES);
	(void)oauth_read_permissions(data, size, &write, &e);
	if (oauth_read_renewal(data, size, text, &e) == ADIT_OK)
		require(oauth_token_is_good(text, strlen(text)));
	memset(&token, 0, sizeof(token));
	if (oauth_read_grant(data, size, &token, &e) == ADIT_OK)
		require(oauth_token_is_good(token.access, strlen(token.access)) &&
			token.lifetime >= 0);
	oauth_read_problem(data, size, word, sizeof(word));
	require(strlen(word) < sizeof(word));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const long statuses[] = {200, 201, 202, 204, 302, 307, 400, 401, 403,
					404, 409, 410, 413, 429, 431, 500, 503};

	if (size < 2)
		return 0;
	if (data[0] % 7 == 6)
		check_tokens(data + 2, size - 2);
	else
		check_answer((enum rest_shape)(data[0] % 7),
			     statuses[data[1] % (sizeof(statuses) / sizeof(statuses[0]))], data + 2,
			     size - 2);
	return 0;
}
