/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/p2p.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "plugins/miningos/bridge.h"
#include "plugins/miningos/miningos.h"
#include "plugins/miningos/rack.h"
#include "plugins/miningos/register.h"

/* A request whose answer is awaited from a rack. */
struct p2p_request {
	struct p2p *p2p; /* NULL: nobody waits any more */
	uint64_t number;
	LIST_ENTRY(p2p_request) link;
};

LIST_HEAD(p2p_requests, p2p_request);

struct p2p {
	struct miningos *m;
	struct bridge *bridge;
	struct registrar *registrar;
	struct p2p_requests open;
	const char *ids[BRIDGE_RACKS_MAX];
	size_t rack_count;
	char text[600];
};

/* --- requests --- */

static void p2p_answer(void *ctx, struct json_object *result, const char *error)
{
	struct p2p_request *request = ctx;
	size_t size = 0;
	const char *text = NULL;

	if (request->p2p != NULL) {
		if (error == NULL)
			text = json_object_to_json_string_length(
			    result, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
		if (error == NULL && text == NULL)
			error = "ERR_NO_MEMORY";
		bridge_answer(request->p2p->bridge, request->number, error, text, size);
		LIST_REMOVE(request, link);
	}
	free(request);
}

static void p2p_on_request(void *user, uint64_t number, const char *rack_id, const char *method,
			   const char *peer, struct json_object *params)
{
	struct p2p *p2p = user;
	struct p2p_request *request = calloc(1, sizeof(*request));

	if (p2p->m->api->log_enabled(p2p->m->host, ADIT_LOG_DEBUG))
		mos_log(p2p->m, ADIT_LOG_DEBUG, "%s: %s from %.16s", rack_id, method,
			peer[0] != '\0' ? peer : "-");
	if (request == NULL) {
		bridge_answer(p2p->bridge, number, "ERR_NO_MEMORY", NULL, 0);
		return;
	}
	request->p2p = p2p;
	request->number = number;
	LIST_INSERT_HEAD(&p2p->open, request, link);
	rack_call(p2p->m, rack_id, method, params, p2p_answer, request);
}

/* --- keys and registration --- */

static void p2p_on_state(void *user)
{
	struct p2p *p2p = user;

	for (size_t i = 0; i < p2p->rack_count; i++) {
		const char *key = bridge_rack_key(p2p->bridge, p2p->ids[i]);

		if (key[0] != '\0')
			rack_set_key(p2p->m, p2p->ids[i], key);
	}
	if (p2p->registrar != NULL)
		registrar_kick(p2p->registrar);
}

static void p2p_on_registered(void *user, const char *rack_id, const char *type, const char *key)
{
	struct p2p *p2p = user;

	(void)type;
	(void)key;
	rack_registered(p2p->m, rack_id);
}

/* --- start and end --- */

static const char *p2p_config(const struct miningos *m, const char *key)
{
	return m->api->config(m->host, key);
}

static int32_t p2p_make_bridge(struct p2p *p2p, const struct bridge_rack *racks, struct error *e)
{
	const struct miningos *m = p2p->m;
	int64_t memory = 0;
	struct bridge_options options = {
	    .api = m->api,
	    .host = m->host,
	    .node_binary = m->settings.bridge_command,
	    .folder = m->settings.bridge_path,
	    .state_dir = m->info.state_dir,
	    .transport = p2p_config(m, "bridge_transport"),
	    .socket_dir = p2p_config(m, "bridge_socket_dir"),
	    .bootstrap = m->settings.dht_bootstrap,
	    .bind = p2p_config(m, "dht_bind"),
	    .allow = m->settings.allow_keys,
	    .allow_read_only = p2p_config(m, "allow_read_only_keys"),
	    .racks = racks,
	    .rack_count = p2p->rack_count,
	    .on_request = p2p_on_request,
	    .on_state = p2p_on_state,
	    .user = p2p,
	};

	if (m->api->config_int(m->host, "bridge_memory", &memory) == ADIT_OK)
		options.memory_mib = (uint32_t)memory;
	if ((options.allow == NULL || options.allow[0] == '\0') &&
	    (options.allow_read_only == NULL || options.allow_read_only[0] == '\0'))
		mos_log(
		    m, ADIT_LOG_WARNING,
		    "whoever knows the key of a rack may do everything with it: set allow_keys to "
		    "the ork's client key (rpcClientKey)");
	return bridge_new(&options, &p2p->bridge, e);
}

static int32_t p2p_make_registrar(struct p2p *p2p, const struct bridge_rack *racks, struct error *e)
{
	const struct mos_settings *s = &p2p->m->settings;
	const struct registrar_options options = {
	    .api = p2p->m->api,
	    .host = p2p->m->host,
	    .bridge = p2p->bridge,
	    .ork_key = s->orchestrator_rpc_public_key,
	    .automatic = s->auto_register,
	    .retry_ms = s->reconnect_interval_seconds * 1000,
	    .check_ms = s->reconnect_interval_seconds * 2000,
	    .racks = racks,
	    .rack_count = p2p->rack_count,
	    .on_registered = p2p_on_registered,
	    .user = p2p,
	};

	return registrar_new(&options, &p2p->registrar, e);
}

int32_t p2p_begin(struct miningos *m, struct p2p **out, struct error *e)
{
	struct bridge_rack racks[BRIDGE_RACKS_MAX];
	struct p2p *p2p;
	int32_t error;

	if (!m->settings.p2p_enabled)
		return ADIT_OK;
	p2p = calloc(1, sizeof(*p2p));
	if (p2p == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	p2p->m = m;
	LIST_INIT(&p2p->open);
	while (p2p->rack_count < BRIDGE_RACKS_MAX) {
		struct bridge_rack *rack = &racks[p2p->rack_count];

		if (!rack_describe(m, p2p->rack_count, &rack->id, &rack->type))
			break;
		/* the first has the key of the seed itself, as a worker of MiningOS */
		rack->seed = p2p->rack_count == 0 ? "" : rack->type;
		p2p->ids[p2p->rack_count++] = rack->id;
	}
	error = p2p_make_bridge(p2p, racks, e);
	if (error == ADIT_OK)
		error = p2p_make_registrar(p2p, racks, e);
	if (error != ADIT_OK) {
		p2p_free(p2p);
		return error == ADIT_E_INVALID_ARGUMENT ? ADIT_E_CONFIG : error;
	}
	bridge_start(p2p->bridge);
	*out = p2p;
	return ADIT_OK;
}

bool p2p_stop(struct p2p *p2p, void (*done)(void *user), void *user)
{
	registrar_free(p2p->registrar);
	p2p->registrar = NULL;
	return bridge_stop(p2p->bridge, done, user);
}

void p2p_free(struct p2p *p2p)
{
	struct p2p_request *request;

	if (p2p == NULL)
		return;
	LIST_FOREACH(request, &p2p->open, link)
	request->p2p = NULL;
	registrar_free(p2p->registrar);
	bridge_free(p2p->bridge);
	free(p2p);
}

/* --- what it shows --- */

void p2p_status(struct p2p *p2p, struct json_object *o)
{
	struct json_object *bridge;

	if (p2p == NULL) {
		bridge = json_object_new_object();
		json_object_object_add(bridge, "state", json_object_new_string("disabled"));
		json_object_object_add(o, "bridge", bridge);
		return;
	}
	json_object_object_add(o, "bridge", bridge_state(p2p->bridge));
	if (p2p->registrar != NULL)
		json_object_object_add(o, "register", registrar_state(p2p->registrar));
}

const char *p2p_text(struct p2p *p2p)
{
	const char *bridge = p2p != NULL ? bridge_text(p2p->bridge) : "";

	if (p2p == NULL || p2p->registrar == NULL || strcmp(bridge, "running") != 0)
		return bridge;
	(void)snprintf(p2p->text, sizeof(p2p->text), "running, %s", registrar_text(p2p->registrar));
	return p2p->text;
}
