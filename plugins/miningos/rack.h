/* SPDX-License-Identifier: MIT */
/*
 * rack.h: the RPC methods of a MiningOS rack, as the ork calls them. The bridge hands in what
 * arrived; nothing here knows how it came.
 *
 * There are two racks: the miners' (settings.rack_id) and, with minerpool_enabled, the pool's
 * (settings.minerpool_rack_id). Both answer ping, echo and getRack.
 */
#ifndef MININGOS_RACK_H
#define MININGOS_RACK_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;
struct miningos;

/* The end of a call, exactly once. ERROR NULL: RESULT is the answer, borrowed (json null is a NULL
 * pointer). Otherwise ERROR is MiningOS's name of the error, such as "ERR_THING_NOTFOUND", without
 * the "[HRPC_ERR]=" that the wire puts in front; "UNKNOWN_METHOD" is the one that the transport
 * itself has to answer with. */
typedef void (*rack_reply_fn)(void *ctx, struct json_object *result, const char *error);

/* Calls METHOD of the rack RACK_ID with PARAMS (any JSON value, NULL for null; borrowed). FN is
 * called before this returns or later; at rack_end() at the latest, then with ERR_RACK_STOPPED.
 * Every action ends by itself after timeout_seconds. */
void rack_call(struct miningos *m, const char *rack_id, const char *method,
	       struct json_object *params, rack_reply_fn fn, void *ctx);

/* The racks there are: the INDEXth's id and type; false past the last. Their RPC public keys are
 * the bridge's to tell with rack_set_key(), for getRack. */
bool rack_describe(const struct miningos *m, size_t index, const char **id, const char **type);

/* The bridge knows the RPC public key of rack RACK_ID: 64 hex digits. */
void rack_set_key(struct miningos *m, const char *rack_id, const char *public_key);

/* The ork has the rack: publishes MiningOSRegistered and shows it in the status. */
void rack_registered(struct miningos *m, const char *rack_id);

#endif
