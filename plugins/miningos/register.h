/* SPDX-License-Identifier: MIT */
/*
 * register.h: makes the racks known to the ork (reference: the ork's RPC methods registerRack and
 * listRacks), and keeps them known.
 *
 * An ork never looks for racks: it asks those that were registered. Each rack is registered with
 * registerRack {id, type, info: {rpcPublicKey}}, again and again with a back-off until the ork says
 * 1; then listRacks {type, keys: true} is asked on a timer, and a rack that is gone from it, or is
 * in it with another key, is registered again. Without an ork's key, or when registering is left to
 * the operator, the log says once what to register by hand.
 *
 * In the process of the role `miningos`, on its loop.
 */
#ifndef MININGOS_REGISTER_H
#define MININGOS_REGISTER_H

#include <stdbool.h>
#include <stdint.h>

#include "plugins/miningos/bridge.h"

struct registrar;

/* RACK_ID is registered, with KEY: the first time, and each time that it had not been. */
typedef void (*registrar_fn)(void *user, const char *rack_id, const char *type, const char *key);

/* Borrowed until registrar_new() returns, but for `bridge`, which has to outlive the registrar. */
struct registrar_options {
	const struct adit_host_api *api;
	struct adit_host *host;
	struct bridge *bridge;
	const char *ork_key; /* 64 hex digits; NULL or "": there is none */
	bool automatic;      /* false: only say what to register */
	uint32_t retry_ms;   /* first wait after a failure (doubles, up to ten times); 0: 5 s */
	uint32_t check_ms;   /* between two listRacks; 0: 60 s */
	const struct bridge_rack *racks;
	size_t rack_count;
	registrar_fn on_registered; /* may be NULL */
	void *user;
};

/* ADIT_E_INVALID_ARGUMENT with a text in E, ADIT_E_NO_MEMORY. */
int32_t registrar_new(const struct registrar_options *options, struct registrar **registrar,
		      struct error *e);
/* To be called when the bridge's state has changed (bridge_state_fn): begins when there are keys.
 */
void registrar_kick(struct registrar *registrar);
/* Before bridge_free(). NULL is allowed. */
void registrar_free(struct registrar *registrar);

/* One line for people: "registered", or what the first rack that is not waits for: its key, when it
 * is left to the operator. */
const char *registrar_text(struct registrar *registrar);

bool registrar_done(const struct registrar *registrar, const char *rack_id);
/* For `status`: a new object (the caller's): ork, automatic, racks: [{id, registered, since (Unix
 * ms, 0), attempts, last_error, call (the method and JSON to register it by hand)}]. */
struct json_object *registrar_state(const struct registrar *registrar);

#endif
