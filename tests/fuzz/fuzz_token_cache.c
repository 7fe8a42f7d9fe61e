/* SPDX-License-Identifier: MIT */
/* The file of a token, and what tokens say: whatever is taken can be sent in a header, and is read
 * back as it was. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/token_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_claims(const char *text)
{
	struct oauth_claims claims;

	oauth_token_read(text, &claims);
	require(claims.issued >= 0 && claims.expires >= 0 && claims.roles.count <= OAUTH_ROLES);
	for (size_t i = 0; i < claims.roles.count; i++)
		require(claims.roles.names[i][0] != '\0' &&
			memchr(claims.roles.names[i], '\0', OAUTH_ROLE_MAX) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct oauth_token token;
	static char text[OAUTH_TOKEN_MAX + 1];
	struct error e = {0};

	if (token_cache_parse((const char *)data, size, &token, &e) == ADIT_OK) {
		require(oauth_token_is_good(token.access, strlen(token.access)));
		require(token.refresh[0] == '\0' ||
			oauth_token_is_good(token.refresh, strlen(token.refresh)));
		require(token.expires >= 0 && token.lifetime >= 0);
		check_claims(token.access);
	} else {
		require(e.text[0] != '\0' && token.access[0] == '\0' && token.refresh[0] == '\0');
	}
	if (oauth_token_is_good((const char *)data, size)) {
		memcpy(text, data, size);
		text[size] = '\0';
		check_claims(text);
	}
	return 0;
}
