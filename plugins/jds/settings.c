/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jds/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/address.h"

static int32_t read_payout(struct jds_settings *s, const char *text, const char *network,
			   struct error *e)
{
	enum bitcoin_network net;
	struct script script;
	struct error why = {0};

	if (!network_parse(network, &net))
		return error_set(e, ADIT_E_CONFIG, "unknown network \"%s\"", network);
	if (descriptor_to_script(text, net, &script, &why) != ADIT_OK)
		return error_set(e, ADIT_E_CONFIG, "payout: \"%.120s\": %s", text, why.text);
	if (script.size > sizeof(s->pay))
		return error_set(e, ADIT_E_CONFIG,
				 "payout: a script of %zu bytes; an address has %zu at most",
				 script.size, sizeof(s->pay));
	memcpy(s->pay, script.data, script.size);
	s->pay_size = (uint8_t)script.size;
	return ADIT_OK;
}

static int32_t read_modes(struct jds_settings *s, const char *text, struct error *e)
{
	static const char *const words[] = {[JDS_ANY] = "any",
					    [JDS_FULL_TEMPLATE] = "full-template",
					    [JDS_COINBASE_ONLY] = "coinbase-only"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		s->modes = (enum jds_modes)i;
		return ADIT_OK;
	}
	return error_set(e, ADIT_E_CONFIG,
			 "modes: expected any, full-template or coinbase-only, not \"%s\"", text);
}

static int32_t read_share(struct jds_settings *s, const char *text, struct error *e)
{
	char *end;

	s->pool_share = strtod(text, &end);
	if (end != text && *end == '\0' && s->pool_share >= 0 && s->pool_share <= 100)
		return ADIT_OK;
	return error_set(e, ADIT_E_CONFIG, "pool_share: expected 0..100, not \"%s\"", text);
}

int32_t settings_read(struct jds_settings *s, const struct adit_host_api *api,
		      struct adit_host *host, const char *network, struct error *e)
{
	const char *payout = api->config(host, "payout");
	const char *modes = api->config(host, "modes");
	const char *share = api->config(host, "pool_share");
	const char *key = api->config(host, "token_key");
	int64_t lifetime, rotation, timeout, memory;

	if (payout == NULL || modes == NULL || share == NULL || key == NULL ||
	    strlen(key) >= sizeof(s->token_key) ||
	    api->config_int(host, "token_lifetime", &lifetime) != ADIT_OK ||
	    api->config_int(host, "token_rotation", &rotation) != ADIT_OK ||
	    api->config_int(host, "answer_timeout", &timeout) != ADIT_OK ||
	    api->config_int(host, "memory", &memory) != ADIT_OK)
		return error_set(e, ADIT_E_CONFIG, "a key without a usable value");
	*s = (struct jds_settings){.token_lifetime = (uint64_t)lifetime / 1000,
				   .token_rotation = ((uint64_t)rotation + 999) / 1000,
				   .answer_timeout_ms = (uint32_t)timeout,
				   .memory = (size_t)memory << 20};
	memcpy(s->token_key, key, strlen(key) + 1);
	if (read_payout(s, payout, network, e) != ADIT_OK || read_modes(s, modes, e) != ADIT_OK)
		return ADIT_E_CONFIG;
	return read_share(s, share, e);
}
