/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/rest.h"

/* PROVIDER in upper case, what is no letter and no digit as "_", and SUFFIX. */
static const char *environment_of(const char *provider, const char *suffix)
{
	char name[128];
	size_t size = strlen(provider);

	if (size + strlen(suffix) >= sizeof(name))
		return NULL;
	for (size_t i = 0; i < size; i++)
		name[i] = isalnum((unsigned char)provider[i])
			      ? (char)toupper((unsigned char)provider[i])
			      : '_';
	strcpy(name + size, suffix);
	return getenv(name);
}

int32_t rest_settings_read(struct rest_settings *s, const struct adit_host_api *api,
			   struct adit_host *host, struct error *e)
{
	int64_t timeout, ttl, login, most;

	if (api->config_int(host, "http_timeout", &timeout) != ADIT_OK ||
	    api->config_int(host, "http_max_answer", &most) != ADIT_OK ||
	    api->config_int(host, "oauth_token_ttl", &ttl) != ADIT_OK ||
	    api->config_int(host, "oauth_login_timeout", &login) != ADIT_OK)
		return error_set(e, ADIT_E_CONFIG,
				 "http_timeout, http_max_answer, oauth_token_ttl or "
				 "oauth_login_timeout has no usable value");
	*s = (struct rest_settings){
	    .app_node_url = api->config(host, "app_node_url"),
	    .provider = api->config(host, "oauth_provider"),
	    .client_id = api->config(host, "oauth_client_id"),
	    .client_secret = api->config(host, "oauth_client_secret"),
	    .callback_url = api->config(host, "oauth_callback_url"),
	    .authorize_url = api->config(host, "oauth_authorize_url"),
	    .token_url = api->config(host, "oauth_token_url"),
	    .scopes = api->config(host, "oauth_scopes"),
	    .token_cache = api->config(host, "token_cache_file"),
	    .ca_file = api->config(host, "http_ca_file"),
	    .access_token = getenv("MININGOS_ACCESS_TOKEN"),
	    .timeout_ms = (uint32_t)timeout,
	    .token_ttl_ms = (uint32_t)ttl,
	    .login_timeout_ms = (uint32_t)login,
	    .max_bytes = (size_t)most << 20,
	};
	if (s->app_node_url == NULL || s->provider == NULL)
		return error_set(e, ADIT_E_CONFIG, "app_node_url and oauth_provider are needed");
	if (s->token_url == NULL)
		s->token_url = getenv("MININGOS_OAUTH_TOKEN_URL");
	if (s->token_url == NULL)
		s->token_url = environment_of(s->provider, "_OAUTH_TOKEN_URL");
	return ADIT_OK;
}
