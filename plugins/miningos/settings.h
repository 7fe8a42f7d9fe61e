/* SPDX-License-Identifier: MIT */
/* settings.h: what the section [miningos] says, with the manifest's defaults. */
#ifndef MININGOS_SETTINGS_H
#define MININGOS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/util/error.h"

#define MOS_ID_MAX 64

/* Actions on miners, as bits of `supported_actions`. */
enum mos_action_bit {
	MOS_REBOOT = 1 << 0,
	MOS_SET_POWER_MODE = 1 << 1,
	MOS_SETUP_POOLS = 1 << 2, /* setupPools, updatePoolConfig */
	MOS_SET_HASHRATE = 1 << 3,
	MOS_QUERY_STATS = 1 << 4,
	MOS_REFRESH_TEMPLATE = 1 << 5
};

/* Texts are the host's and live as long as the instance; NULL where nothing is configured and there
 * is no default. Keys have the names of the members; what is in seconds there is here, too. */
struct mos_settings {
	/* the bridge */
	bool p2p_enabled;
	const char *orchestrator_rpc_public_key;
	const char *rack_id;
	const char *rack_type;
	bool minerpool_enabled;
	char minerpool_rack_id[MOS_ID_MAX + 16];
	bool auto_register;
	uint32_t reconnect_interval_seconds;
	const char *bridge_command;
	const char *bridge_path;
	const char *dht_bootstrap;
	const char *allow_keys;
	/* REST */
	bool http_enabled;
	const char *app_node_url;
	const char *oauth_provider;
	const char *oauth_client_id;
	const char *oauth_client_secret; /* a secret: never logged, never answered */
	const char *oauth_callback_url;
	const char *oauth_token_url;
	const char *token_cache_file; /* absolute */
	/* statistics and template */
	bool stats_enabled;
	uint32_t collection_interval_seconds;
	const char *hashrate_unit;
	const char *temperature_unit;
	const char *power_unit;
	bool template_enabled;
	uint32_t update_interval_seconds;
	bool expose_via_http;
	bool expose_via_p2p;
	uint32_t cache_duration_seconds;
	/* actions */
	bool actions_enabled;
	uint32_t supported_actions; /* bits of enum mos_action_bit */
	bool require_approval;
	uint32_t timeout_seconds;
	/* things */
	bool auto_register_miners;
	const char *miner_tag;
	uint32_t things_update_interval_seconds;
	uint32_t max_things;
	const char *sources;
	const char *devices;
	const char *pool_config_target;
	double nominal_efficiency_w_ths;
};

/* Fills *S. ADIT_E_CONFIG with a text that names the key. */
int32_t mos_settings_read(struct mos_settings *s, const struct adit_host_api *api,
			  struct adit_host *host, struct error *e);

#endif
