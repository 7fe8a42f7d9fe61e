/* SPDX-License-Identifier: MIT */
/*
 * bridge.h: the child process in Node.js that speaks MiningOS's wire, and our end of it.
 *
 * MiningOS talks JSON over HyperDHT RPC, for which there is no library in C. So the role starts
 * bridge/bridge.js, gives it one end of a socketpair as descriptor 3 and exchanges JSON lines with
 * it (bridge/README has both formats). The child is kept alive: it is started anew with a back-off
 * that is capped at a minute, for as long as the bridge runs. Where Node.js or the child's modules
 * are missing the role runs on without it; the state says what is missing and which command mends
 * it, and once that was done it comes up by itself.
 *
 * All of this is in the process of the role `miningos`, on its loop. No callback comes from inside
 * the function that registers it, none after bridge_free(), and none after the plugin has stopped.
 */
#ifndef MININGOS_BRIDGE_H
#define MININGOS_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/util/error.h"

struct bridge;
struct json_object;

/* The longest line in either direction, the longest request that is let in from outside (the bridge
 * answers longer ones itself), requests of others that are open at a time, and our own calls. */
#define BRIDGE_LINE_MAX ((size_t)16 << 20)
#define BRIDGE_REQUEST_MAX ((size_t)1 << 20)
#define BRIDGE_REQUESTS_MAX 256u
#define BRIDGE_CALLS_MAX 64u
/* Racks of one bridge, and the digits of a key as text, with the NUL. */
#define BRIDGE_RACKS_MAX 4u
#define BRIDGE_KEY_TEXT 65u

/* A rack is what an ork knows by one RPC key. */
struct bridge_rack {
	const char *id;   /* "miner-sv2-shard-1" */
	const char *type; /* "miner-sv2" */
	/* Which key pair is the rack's: "" is that of `seedRpc` itself, any other word one that is
	 * derived from it by that word. So a rack that is renamed keeps its key. No two alike. */
	const char *seed;
};

/* A request for RACK_ID by the peer with the client key PEER (hex; "" when it is not known). PARAMS
 * is its JSON, valid until the callback returns; it can be of any type (NULL is JSON's null).
 * REQUEST has to be answered exactly once with bridge_answer(), now or later. `ping`, `echo` and
 * `getInstanceId` are answered by the bridge, and so are methods outside of bridge/methods.json,
 * JSON that is none, and write methods of a peer that may only read. */
typedef void (*bridge_request_fn)(void *user, uint64_t request, const char *rack_id,
				  const char *method, const char *peer, struct json_object *params);
/* The state has changed: keys became known, a rack is reachable, the child died. */
typedef void (*bridge_state_fn)(void *user);

/* Borrowed until bridge_new() returns. Strings that are NULL are taken as "". */
struct bridge_options {
	const struct adit_host_api *api;
	struct adit_host *host;
	const char *node_binary; /* name in PATH, or path; "": `node`, then `nodejs` */
	const char *folder;      /* of bridge.js; "": where it was installed to */
	const char *state_dir;   /* where bridge-keys.json (0600) is made and kept */
	const char *transport;   /* "dht" (also ""), or "socket": see bridge/README */
	const char *socket_dir;  /* of transport `socket`: where the sockets are */
	const char *bootstrap;   /* "host:port, ..." of the DHT; "": the public one */
	const char *bind;        /* own address in the DHT, "host" or "host:port"; "": any */
	/* Client keys in hex, commas between. Both NULL or "": everybody may do everything. "none":
	 * a list without keys. One of both given: whoever is in neither is refused. */
	const char *allow;
	const char *allow_read_only;
	uint32_t memory_mib; /* heap of Node.js; 0: 256 */
	/* First wait after the child has ended, doubled up to 60 times that; half of the latter
	 * where something is missing. 0: 1 s. */
	uint32_t retry_ms;
	const struct bridge_rack *racks;
	size_t rack_count;
	bridge_request_fn on_request;
	bridge_state_fn on_state; /* may be NULL */
	void *user;
};

/* Checks and copies OPTIONS. ADIT_E_INVALID_ARGUMENT with a text in E that names the value (a key
 * that is none, a list too long), ADIT_E_NO_MEMORY. Nothing is started. */
int32_t bridge_new(const struct bridge_options *options, struct bridge **bridge, struct error *e);

/* Starts the child, from the loop. A child that can't be started is no error here. */
void bridge_start(struct bridge *bridge);

/* Asks the child to end: it takes its announcements out of the DHT, for which it gets two seconds.
 * Calls that are open end with ERR_BRIDGE_DOWN before this returns. False: it has ended. True: not
 * yet; DONE is called when it has, unless bridge_free() is before. */
bool bridge_stop(struct bridge *bridge, void (*done)(void *user), void *user);

/* Kills the child if there is one, drops open calls without calling back. Not from inside a
 * callback of the bridge's, but for DONE. NULL is allowed. */
void bridge_free(struct bridge *bridge);

/* Answers REQUEST: with ERROR (a word such as "ERR_THING_NOTFOUND") or, when that is NULL, with
 * SIZE bytes of JSON at JSON (one value, no newline: what json-c and the ABI give). An answer to a
 * child that has died meanwhile is dropped; one that is too long becomes ERR_ANSWER_TOO_LONG. */
void bridge_answer(struct bridge *bridge, uint64_t request, const char *error, const char *json,
		   size_t size);

/* The answer to a call: ERROR is NULL and RESULT the JSON value (borrowed; NULL is JSON's null), or
 * ERROR is the ork's word ("ERR_RACK_ID_INVALID"), the transport's (UNKNOWN_METHOD, CHANNEL_CLOSED,
 * TIMEOUT_EXCEEDED, PEER_NOT_FOUND ...), or ours: ERR_BRIDGE_DOWN (there is no child, or it died),
 * ERR_BRIDGE_BUSY (too many calls, or it does not read), ERR_BRIDGE_TIMEOUT (it did not answer). */
typedef void (*bridge_reply_fn)(void *user, const char *error, const struct json_object *result);

/* Calls METHOD of the RPC server with the public key KEY (64 hex digits), e.g. registerRack of the
 * ork, with the JSON PARAMS (NULL or "": null). FN is called exactly once, within DEADLINE_MS and
 * some seconds. */
void bridge_call(struct bridge *bridge, const char *key, const char *method, const char *params,
		 uint32_t deadline_ms, bridge_reply_fn fn, void *user);

/* Drops the open calls with that USER: their FN is not called. */
void bridge_forget(struct bridge *bridge, const void *user);

/* The public key of a rack as 64 digits, "" until the child has told it; the key by which other
 * firewalls know us. Known from the first start on, also while the DHT does not answer. */
const char *bridge_rack_key(const struct bridge *bridge, const char *rack_id);
const char *bridge_client_key(const struct bridge *bridge);

/* Whether the child runs and RACK_ID can be reached by others, as far as the child knows. */
bool bridge_listening(const struct bridge *bridge, const char *rack_id);
/* One line for people: "running", "Node.js is missing: apt-get install nodejs" ... Valid until the
 * next call into the bridge or turn of the loop. */
const char *bridge_text(struct bridge *bridge);
/* For `status`: a new object (the caller's): state (stopped, starting, running, waiting, missing),
 * text, remedy (a command, or null), pid, starts, last_exit, node_binary, node_version, transport,
 * rpc_client_key, racks: [{id, type, rpc_public_key, listening}], requests, requests_open, calls,
 * calls_open, bad_lines. NULL when memory is short. */
struct json_object *bridge_state(struct bridge *bridge);

#endif
