/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/settings.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(struct mos_settings, member)

struct mos_key {
	const char *name;
	size_t at;
};

static const struct mos_key bools[] = {
    {"p2p_enabled", AT(p2p_enabled)},
    {"minerpool_enabled", AT(minerpool_enabled)},
    {"auto_register", AT(auto_register)},
    {"http_enabled", AT(http_enabled)},
    {"stats_enabled", AT(stats_enabled)},
    {"template_enabled", AT(template_enabled)},
    {"expose_via_http", AT(expose_via_http)},
    {"expose_via_p2p", AT(expose_via_p2p)},
    {"actions_enabled", AT(actions_enabled)},
    {"require_approval", AT(require_approval)},
    {"auto_register_miners", AT(auto_register_miners)},
};

static const struct mos_key numbers[] = {
    {"reconnect_interval_seconds", AT(reconnect_interval_seconds)},
    {"collection_interval_seconds", AT(collection_interval_seconds)},
    {"update_interval_seconds", AT(update_interval_seconds)},
    {"cache_duration_seconds", AT(cache_duration_seconds)},
    {"timeout_seconds", AT(timeout_seconds)},
    {"things_update_interval_seconds", AT(things_update_interval_seconds)},
    {"max_things", AT(max_things)},
};

/* Those that may be without a value come last, from orchestrator_rpc_public_key on. */
static const struct mos_key texts[] = {
    {"rack_id", AT(rack_id)},
    {"rack_type", AT(rack_type)},
    {"bridge_command", AT(bridge_command)},
    {"app_node_url", AT(app_node_url)},
    {"oauth_provider", AT(oauth_provider)},
    {"oauth_callback_url", AT(oauth_callback_url)},
    {"token_cache_file", AT(token_cache_file)},
    {"hashrate_unit", AT(hashrate_unit)},
    {"temperature_unit", AT(temperature_unit)},
    {"power_unit", AT(power_unit)},
    {"miner_tag", AT(miner_tag)},
    {"sources", AT(sources)},
    {"devices", AT(devices)},
    {"pool_config_target", AT(pool_config_target)},
    {"orchestrator_rpc_public_key", AT(orchestrator_rpc_public_key)},
    {"bridge_path", AT(bridge_path)},
    {"dht_bootstrap", AT(dht_bootstrap)},
    {"allow_keys", AT(allow_keys)},
    {"oauth_client_id", AT(oauth_client_id)},
    {"oauth_client_secret", AT(oauth_client_secret)},
    {"oauth_token_url", AT(oauth_token_url)},
};
#define TEXTS_WITH_VALUE 14

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void *member(struct mos_settings *s, size_t at)
{
	return (char *)s + at;
}

static int32_t read_bools(struct mos_settings *s, const struct adit_host_api *api,
			  struct adit_host *host, struct error *e)
{
	for (size_t i = 0; i < COUNT(bools); i++) {
		if (api->config_bool(host, bools[i].name, member(s, bools[i].at)) != ADIT_OK)
			return error_set(e, ADIT_E_CONFIG, "%s: expected yes or no", bools[i].name);
	}
	return ADIT_OK;
}

static int32_t read_numbers(struct mos_settings *s, const struct adit_host_api *api,
			    struct adit_host *host, struct error *e)
{
	for (size_t i = 0; i < COUNT(numbers); i++) {
		int64_t value;

		if (api->config_int(host, numbers[i].name, &value) != ADIT_OK || value < 0 ||
		    value > UINT32_MAX)
			return error_set(e, ADIT_E_CONFIG, "%s: expected a number",
					 numbers[i].name);
		*(uint32_t *)member(s, numbers[i].at) = (uint32_t)value;
	}
	return ADIT_OK;
}

static int32_t read_texts(struct mos_settings *s, const struct adit_host_api *api,
			  struct adit_host *host, struct error *e)
{
	for (size_t i = 0; i < COUNT(texts); i++) {
		const char *value = api->config(host, texts[i].name);

		if (value != NULL && value[0] == '\0')
			value = NULL;
		if (value == NULL && i < TEXTS_WITH_VALUE)
			return error_set(e, ADIT_E_CONFIG, "%s: expected a value", texts[i].name);
		*(const char **)member(s, texts[i].at) = value;
	}
	return ADIT_OK;
}

static uint32_t read_actions(const char *list)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} actions[] = {
	    {"reboot", MOS_REBOOT},
	    {"setPowerMode", MOS_SET_POWER_MODE},
	    {"updatePoolConfig", MOS_SETUP_POOLS},
	    {"setupPools", MOS_SETUP_POOLS},
	    {"setHashrate", MOS_SET_HASHRATE},
	    {"queryStats", MOS_QUERY_STATS},
	    {"refreshTemplate", MOS_REFRESH_TEMPLATE},
	};
	uint32_t set = 0;

	while (list != NULL && *list != '\0') {
		size_t size = strcspn(list, ", ");

		for (size_t i = 0; i < COUNT(actions); i++) {
			if (strlen(actions[i].name) == size &&
			    memcmp(actions[i].name, list, size) == 0)
				set |= actions[i].bit;
		}
		list += size;
		list += strspn(list, ", ");
	}
	return set;
}

static bool is_hex(const char *text)
{
	return strspn(text, "0123456789abcdefABCDEF") == strlen(text);
}

/* Ids and types go into tags and names of files of others. */
static bool is_name(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
	       strlen(text);
}

static int32_t check(const struct mos_settings *s, struct error *e)
{
	if (!is_name(s->rack_id) || !is_name(s->rack_type) || !is_name(s->minerpool_rack_id))
		return error_set(e, ADIT_E_CONFIG,
				 "rack_id, rack_type and minerpool_rack_id: expected letters, "
				 "digits, - _ and .");
	if (strcmp(s->rack_type, "miner") != 0 && strncmp(s->rack_type, "miner-", 6) != 0)
		return error_set(e, ADIT_E_CONFIG,
				 "rack_type: expected miner, or miner- and more, not \"%.64s\": "
				 "an ork keeps figures of types that it knows",
				 s->rack_type);
	if (strcmp(s->rack_id, s->minerpool_rack_id) == 0)
		return error_set(e, ADIT_E_CONFIG, "rack_id and minerpool_rack_id are the same");
	if (s->orchestrator_rpc_public_key != NULL && !is_hex(s->orchestrator_rpc_public_key))
		return error_set(e, ADIT_E_CONFIG,
				 "orchestrator_rpc_public_key: expected 64 hex digits");
	return ADIT_OK;
}

int32_t mos_settings_read(struct mos_settings *s, const struct adit_host_api *api,
			  struct adit_host *host, struct error *e)
{
	const char *pool_id = api->config(host, "minerpool_rack_id");
	const char *efficiency = api->config(host, "nominal_efficiency_w_ths");
	int32_t r;

	*s = (struct mos_settings){0};
	r = read_bools(s, api, host, e);
	if (r == ADIT_OK)
		r = read_numbers(s, api, host, e);
	if (r == ADIT_OK)
		r = read_texts(s, api, host, e);
	if (r != ADIT_OK)
		return r;
	if (pool_id != NULL && pool_id[0] != '\0')
		snprintf(s->minerpool_rack_id, sizeof(s->minerpool_rack_id), "%s", pool_id);
	else
		snprintf(s->minerpool_rack_id, sizeof(s->minerpool_rack_id), "minerpool-sv2-%s",
			 s->rack_id);
	s->supported_actions = read_actions(api->config(host, "supported_actions"));
	s->nominal_efficiency_w_ths = efficiency != NULL ? strtod(efficiency, NULL) : 0;
	return check(s, e);
}
