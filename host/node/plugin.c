/* SPDX-License-Identifier: MIT */
/* The life cycle of the role `node`. */
#include "config.h"

#include "host/node/node_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/service.h"

static const struct backend *backend_find(const char *name)
{
	static const struct backend *const backends[] = {&backend_embedded, &backend_rpc,
							 &backend_ipc};

	for (size_t i = 0; name != NULL && i < sizeof(backends) / sizeof(backends[0]); i++)
		if (strcmp(backends[i]->name, name) == 0)
			return backends[i];
	return NULL;
}

/* Who and where we are; FALSE when the host does not say. */
static bool learn_instance(struct service *s)
{
	struct adit_instance_info info = {.size = sizeof(info)};

	if (s->api->info(s->host, &info) != ADIT_OK || info.network == NULL ||
	    info.state_dir == NULL || strlen(info.network) >= sizeof(s->network) ||
	    strlen(info.state_dir) >= sizeof(s->state_dir))
		return false;
	strcpy(s->network, info.network);
	strcpy(s->state_dir, info.state_dir);
	return true;
}

static int32_t node_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	struct service *s = calloc(1, sizeof(*s));
	struct error e = {0};
	int32_t result;

	if (s == NULL)
		return ADIT_E_NO_MEMORY;
	s->api = api;
	s->host = host;
	s->progress = -1;
	limiter_init(&s->limiter, (uint32_t)service_config_int(s, "query_rate", 1000),
		     (uint32_t)service_config_int(s, "query_burst", 10000));
	s->backend = backend_find(service_config(s, "backend"));
	if (!learn_instance(s))
		result = error_set(&e, ADIT_E_INTERNAL, "the host gives no network or directory");
	else if (s->backend == NULL)
		result = error_set(&e, ADIT_E_CONFIG,
				   "backend: expected one of embedded, bitcoin-rpc, bitcoin-ipc");
	else
		result = s->backend->open(s, &s->backend_self, &e);
	if (result != ADIT_OK) {
		api->set_error(host, e.text);
		free(s);
		return result;
	}
	s->opened = true;
	*instance = s;
	return ADIT_OK;
}

static int32_t node_start(void *instance)
{
	struct service *s = instance;
	struct error e = {0};
	int32_t result = service_register_methods(s);

	if (result == ADIT_OK)
		result = s->backend->start(s->backend_self, &e);
	if (result != ADIT_OK)
		s->api->set_error(s->host, e.text);
	return result;
}

static int32_t node_stop(void *instance)
{
	struct service *s = instance;

	if (s->opened)
		s->backend->close(s->backend_self);
	s->opened = false;
	return ADIT_OK;
}

static void node_fini(void *instance)
{
	struct service *s = instance;

	(void)node_stop(s);
	template_free(s->template);
	free(s);
}

const struct adit_plugin_descriptor adit_node_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = "node",
    .version = PACKAGE_VERSION,
    .init = node_init,
    .start = node_start,
    .stop = node_stop,
    .fini = node_fini,
};
