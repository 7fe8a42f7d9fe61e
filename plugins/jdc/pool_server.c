/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jdc/pool_server.h"

#include <string.h>

#include "lib/sv2/url.h"

int32_t pool_server_parse(struct pool_server *server, const char *text, struct error *e)
{
	struct sv2_url url;
	int32_t result = sv2_url_parse(text, strlen(text), &url, e);

	if (result != ADIT_OK)
		return result;
	sv2_address_format(&url.address, server->address, sizeof server->address);
	if (url.has_key)
		noise_public_format(url.authority_x, server->key);
	return ADIT_OK;
}

int32_t pool_server_key(const struct pool_server *server, char out[NOISE_KEY_TEXT_SIZE],
			struct error *e)
{
	uint8_t x[32];
	int32_t result;

	if (server->key[0] != '\0') {
		memcpy(out, server->key, NOISE_KEY_TEXT_SIZE);
		return ADIT_OK;
	}
	if (server->key_file[0] == '\0')
		return error_set(e, ADIT_E_CONFIG, "no authority key");
	result = noise_public_load(server->key_file, x, e);
	if (result == ADIT_OK)
		noise_public_format(x, out);
	return result;
}
