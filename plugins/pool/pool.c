/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/pool.h"

#include <stdlib.h>

#include "plugins/pool/hooks.h"
#include "plugins/pool/manage.h"
#include "plugins/pool/payouts.h"

static void pool_free(struct pool *pool)
{
	custom_fini(pool);
	payouts_fini(pool);
	mining_fini(&pool->mining);
	settings_fini(&pool->config);
	free(pool);
}

static int32_t pool_prepare(struct pool *pool, const struct adit_host_api *api,
			    struct adit_host *host, struct error *e)
{
	struct adit_instance_info info = {.size = sizeof info};
	int32_t result = api->info(host, &info);

	if (result != ADIT_OK)
		return error_set(e, result, "the host does not say who this is");
	result = settings_read(&pool->config, api, host, info.network, e);
	if (result == ADIT_OK)
		result = mining_init(&pool->mining, api, host, &pool->config.mining, &pool_hooks,
				     pool, e);
	if (result == ADIT_OK)
		result = payouts_init(pool, e);
	return result == ADIT_OK ? custom_init(pool, e) : result;
}

static int32_t pool_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	struct pool *pool = calloc(1, sizeof *pool);
	struct error e = {0};
	int32_t result;

	if (!pool)
		return ADIT_E_NO_MEMORY;
	result = pool_prepare(pool, api, host, &e);
	if (result != ADIT_OK) {
		api->set_error(host, e.text);
		pool_free(pool);
		return result;
	}
	*instance = pool;
	return ADIT_OK;
}

static int32_t pool_begin(struct pool *pool, struct error *e)
{
	int32_t result = manage_start(pool, e);

	return result == ADIT_OK ? mining_start(&pool->mining, e) : result;
}

static int32_t pool_start(void *instance)
{
	struct pool *pool = instance;
	struct error e = {0};
	int32_t result = pool_begin(pool, &e);

	if (result != ADIT_OK) {
		pool->mining.api->set_error(pool->mining.host, e.text);
		mining_stop(&pool->mining);
	}
	return result;
}

/* What of the new configuration is not for a running pool to change is the same in the old one. */
static void swap_config(struct pool *pool, struct pool_config *config)
{
	struct pool_config before = pool->config;

	pool->config = *config;
	*config = before;
}

/* Takes over payout, identities, share rate, bounds of the difficulty, tag (from the next template
 * on) and limits; for the rest the role is started again. */
static int32_t pool_reload(void *instance)
{
	struct pool *pool = instance;
	const struct adit_host_api *api = pool->mining.api;
	struct pool_config config;
	struct error e = {0};
	int32_t result =
	    settings_read(&config, api, pool->mining.host, pool->mining.info.network, &e);

	if (result == ADIT_OK)
		result = settings_same_fixed(&pool->config, &config)
			     ? payouts_check(pool, &config, &e)
			     : ADIT_E_UNSUPPORTED;
	if (result != ADIT_OK) {
		if (result != ADIT_E_UNSUPPORTED)
			api->set_error(pool->mining.host, e.text);
		settings_fini(&config);
		return result;
	}
	swap_config(pool, &config);
	payouts_reload(pool, &config);
	mining_reload(&pool->mining, &pool->config.mining);
	settings_fini(&config);
	return ADIT_OK;
}

static void pool_end(void *instance)
{
	struct pool *pool = instance;

	mining_stop(&pool->mining);
}

static int32_t pool_stop(void *instance)
{
	struct pool *pool = instance;

	return mining_leave(&pool->mining, pool_end);
}

static void pool_fini(void *instance)
{
	pool_end(instance);
	pool_free(instance);
}

extern const struct adit_plugin_descriptor adit_plugin;
ADIT_EXPORT const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = "pool",
    .version = PACKAGE_VERSION,
    .init = pool_init,
    .start = pool_start,
    .reload = pool_reload,
    .stop = pool_stop,
    .fini = pool_fini,
};
