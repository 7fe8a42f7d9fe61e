/* SPDX-License-Identifier: MIT */
/* The role jds: its life cycle. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <adit/plugin.h>

#include "lib/sv2/token.h"
#include "lib/util/clock.h"
#include "plugins/jds/clients.h"
#include "plugins/jds/node.h"
#include "plugins/jds/status.h"
#include "plugins/jds/submit.h"

#define ROTATION_LOOK_MS 10000

void jds_log(struct jds *jds, int32_t level, const char *format, ...)
{
	char text[512];
	va_list args;

	if (!jds->api->log_enabled(jds->host, level))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	jds->api->log(jds->host, level, text, strlen(text));
}

/* Keys stay for as long as tokens that they sealed can be used. */
static void on_rotation(void *user)
{
	struct jds *jds = user;
	struct error e = {0};
	bool rotated;

	if (jds->settings.token_rotation == 0)
		(void)token_keys_refresh(jds->keys, clock_monotonic_ms(), &e);
	else if (token_keys_rotate(jds->keys, clock_unix(), jds->settings.token_rotation,
				   jds->settings.token_lifetime, &rotated, &e) != ADIT_OK)
		jds_log(jds, ADIT_LOG_WARNING, "token keys: %s", e.text);
	else if (rotated)
		jds_log(jds, ADIT_LOG_INFO, "tokens are sealed with a new key, %zu open them",
			token_keys_count(jds->keys));
}

/* --- life cycle ---------------------------------------------------------------------------------
 */

static void jds_free(struct jds *jds)
{
	token_keys_free(jds->keys);
	txs_fini(&jds->txs);
	free(jds);
}

static int32_t prepare(struct jds *jds, struct error *e)
{
	int32_t result = settings_read(&jds->settings, jds->api, jds->host, jds->info.network, e);

	if (result == ADIT_OK && !txs_init(&jds->txs))
		result = error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	if (result == ADIT_OK)
		result = token_keys_open(&jds->keys, jds->settings.token_key, clock_unix(), e);
	return result;
}

static int32_t jds_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	struct jds *jds = calloc(1, sizeof(*jds));
	struct error e = {0};
	int32_t result;

	if (jds == NULL)
		return ADIT_E_NO_MEMORY;
	jds->api = api;
	jds->host = host;
	jds->info.size = sizeof(jds->info);
	TAILQ_INIT(&jds->line);
	TAILQ_INIT(&jds->clients);
	TAILQ_INIT(&jds->submissions);
	result = api->info(host, &jds->info);
	if (result == ADIT_OK)
		result = prepare(jds, &e);
	if (result != ADIT_OK) {
		api->set_error(host, e.text);
		jds_free(jds);
		return result;
	}
	/* Ids of tokens tell their givers apart, in logs. */
	jds->last_id = (uint64_t)jds->info.slice << 48;
	*instance = jds;
	return ADIT_OK;
}

static int32_t serve(struct jds *jds, struct error *e)
{
	const struct adit_sv2_server_service *server =
	    jds->api->service_find(jds->host, ADIT_SV2_SERVER_SERVICE);
	int32_t result;

	if (server == NULL)
		return error_set(e, ADIT_E_NOT_FOUND,
				 "no role of this process offers " ADIT_SV2_SERVER_SERVICE
				 ": put an [sv2-server] and [jds] into one process");
	result = adit_sv2_serve_job_declaration(server, &client_handlers, jds);
	if (result != ADIT_OK)
		return error_set(e, result, "sv2-server: job declaration is served already: %s",
				 adit_error_name(result));
	jds->server = server;
	return ADIT_OK;
}

static int32_t begin(struct jds *jds, struct error *e)
{
	int32_t result = status_start(jds);

	if (result == ADIT_OK)
		result = jds->api->timer_add(jds->host, ROTATION_LOOK_MS, ROTATION_LOOK_MS,
					     on_rotation, jds, NULL, NULL);
	if (result != ADIT_OK)
		return error_set(e, result, "the host refuses: %s", adit_error_name(result));
	result = serve(jds, e);
	if (result != ADIT_OK)
		return result;
	status_update(jds);
	on_rotation(jds);
	submit_resume(jds);
	return node_start(jds, e);
}

/* Undoes begin(), as far as it went; connections close, and with them all jobs end. */
static void end(struct jds *jds)
{
	if (jds->server != NULL)
		jds->server->withdraw(jds->server->server, ADIT_SV2_JOB_DECLARATION);
	jds->server = NULL;
	jds->open = false;
	submit_end(jds);
}

static int32_t jds_start(void *instance)
{
	struct jds *jds = instance;
	struct error e = {0};
	int32_t result = begin(jds, &e);

	if (result != ADIT_OK) {
		jds->api->set_error(jds->host, e.text);
		end(jds);
	}
	return result;
}

/* Clients are told to connect again; what they declared they have to declare anew, and the tokens
 * that they have stay good. */
static int32_t jds_stop(void *instance)
{
	end(instance);
	return ADIT_OK;
}

static void jds_fini(void *instance)
{
	struct jds *jds = instance;

	end(jds);
	jds_free(jds);
}

const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = "jds",
    .version = PACKAGE_VERSION,
    .init = jds_init,
    .start = jds_start,
    .stop = jds_stop,
    .fini = jds_fini,
};
