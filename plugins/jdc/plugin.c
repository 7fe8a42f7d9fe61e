/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdlib.h>

#include "plugins/jdc/hooks.h"
#include "plugins/jdc/jdc.h"
#include "plugins/jdc/pools.h"
#include "plugins/jdc/sources.h"
#include "plugins/jdc/status.h"

static void jdc_free(struct jdc *jdc)
{
	mining_fini(&jdc->mining);
	held_fini(&jdc->held);
	jdc_settings_fini(&jdc->settings);
	free(jdc);
}

static int32_t make_payout(struct payout *payout, const struct reward *reward, const char *network,
			   struct error *e)
{
	static const uint32_t indexes[REWARD_ITEMS_MAX];

	for (uint32_t i = 0; i < reward->count; i++) {
		if (reward->items[i].ranged)
			return error_set(e, ADIT_E_CONFIG,
					 "payout: a descriptor with a star is for the pool: name "
					 "one script");
	}
	return payout_make(payout, reward, indexes, network, e);
}

static int32_t prepare(struct jdc *jdc, const struct adit_host_api *api, struct adit_host *host,
		       struct error *e)
{
	struct adit_instance_info info = {.size = sizeof info};
	int32_t result = api->info(host, &info);

	if (result != ADIT_OK)
		return error_set(e, result, "the host does not say who this is");
	result = jdc_settings_read(&jdc->settings, api, host, info.network, e);
	if (result == ADIT_OK)
		result = make_payout(&jdc->payout, &jdc->settings.reward, info.network, e);
	if (result != ADIT_OK)
		return result;
	works_init(&jdc->works);
	if (!held_init(&jdc->held, jdc->settings.held_shares))
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	return mining_init(&jdc->mining, api, host, &jdc->settings.mining, &jdc_hooks, jdc, e);
}

static int32_t jdc_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	struct jdc *jdc = calloc(1, sizeof *jdc);
	struct error e = {0};
	int32_t result;

	if (!jdc)
		return ADIT_E_NO_MEMORY;
	result = prepare(jdc, api, host, &e);
	if (result != ADIT_OK) {
		api->set_error(host, e.text);
		jdc_free(jdc);
		return result;
	}
	*instance = jdc;
	return ADIT_OK;
}

static int32_t begin(struct jdc *jdc, struct error *e)
{
	const struct adit_host_api *api = jdc->mining.api;
	int32_t result = status_start(jdc, e);

	if (result != ADIT_OK)
		return result;
	jdc->clients = api->service_find(jdc->mining.host, ADIT_SV2_CLIENT_SERVICE);
	if (!jdc->clients)
		return error_set(e, ADIT_E_NOT_FOUND,
				 "no role of this process offers " ADIT_SV2_CLIENT_SERVICE
				 ": put [sv2-server] and [jdc] into one process");
	/* Nobody is let in before it is known whom they work for. */
	mining_use_nothing(&jdc->mining);
	source_make_room(jdc, NULL);
	result = mining_start(&jdc->mining, e);
	return result == ADIT_OK ? pools_start(jdc, e) : result;
}

static void end(void *instance)
{
	struct jdc *jdc = instance;

	pools_stop(jdc);
	source_forget(jdc);
	mining_stop(&jdc->mining);
}

static int32_t jdc_start(void *instance)
{
	struct jdc *jdc = instance;
	struct error e = {0};
	int32_t result = begin(jdc, &e);

	if (result != ADIT_OK) {
		jdc->mining.api->set_error(jdc->mining.host, e.text);
		end(jdc);
	}
	return result;
}

/* Takes over pools, share rate, bounds of the difficulty, limits and times; for the rest the role
 * is started again. */
static int32_t jdc_reload(void *instance)
{
	struct jdc *jdc = instance;
	const struct adit_host_api *api = jdc->mining.api;
	struct jdc_settings settings;
	struct payout payout;
	struct error e = {0};
	struct jdc_settings before;
	int32_t result =
	    jdc_settings_read(&settings, api, jdc->mining.host, jdc->mining.info.network, &e);

	if (result == ADIT_OK)
		result = make_payout(&payout, &settings.reward, jdc->mining.info.network, &e);
	if (result != ADIT_OK) {
		api->set_error(jdc->mining.host, e.text);
		jdc_settings_fini(&settings);
		return result;
	}
	if (!jdc_settings_same_fixed(&jdc->settings, &settings) ||
	    settings.mode != jdc->settings.mode) {
		jdc_settings_fini(&settings);
		return ADIT_E_UNSUPPORTED;
	}
	before = jdc->settings;
	jdc->settings = settings;
	jdc->payout = payout;
	mining_reload(&jdc->mining, &jdc->settings.mining);
	source_make_room(jdc, jdc->active);
	if (!jdc_settings_same_pools(&before, &settings))
		result = pools_reload(jdc, &e);
	if (jdc->source == SOURCE_SOLO)
		source_outputs(jdc);
	jdc_settings_fini(&before);
	return result;
}

static int32_t jdc_stop(void *instance)
{
	struct jdc *jdc = instance;

	return mining_leave(&jdc->mining, end);
}

static void jdc_fini(void *instance)
{
	end(instance);
	jdc_free(instance);
}

extern const struct adit_plugin_descriptor adit_plugin;
ADIT_EXPORT const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = "jdc",
    .version = PACKAGE_VERSION,
    .init = jdc_init,
    .start = jdc_start,
    .reload = jdc_reload,
    .stop = jdc_stop,
    .fini = jdc_fini,
};
