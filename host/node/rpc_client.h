/* SPDX-License-Identifier: MIT */
/*
 * rpc_client.h: JSON-RPC over HTTP without blocking, on lib/http. The node is reached directly,
 * whatever proxy the environment names.
 */
#ifndef NODE_RPC_CLIENT_H
#define NODE_RPC_CLIENT_H

#include <json-c/json_types.h>
#include <stddef.h>
#include <stdint.h>

#include "host/node/rpc_auth.h"

struct buf;
struct event_base;
struct rpc_client;
struct rpc_call;

/* Everything is borrowed for the callback. */
struct rpc_answer {
	/* ADIT_OK: the node answered. ADIT_E_UNAVAILABLE: no connection, or it ended, or the node
	 * has no time (HTTP 503), or there is no cookie. ADIT_E_TIMEOUT. ADIT_E_PERMISSION_DENIED:
	 * it refuses user and password. ADIT_E_PROTOCOL: no JSON-RPC. ADIT_E_LIMIT: more than
	 * MAX_BYTES. */
	int32_t error;
	int64_t code;               /* of the node's own error object, 0 without */
	const char *message;        /* of either error, else "" */
	struct json_object *result; /* NULL for null */
	struct buf *text;           /* of rpc_client_text(): all of the answer, to be taken */
};

typedef void (*rpc_answer_fn)(void *user, const struct rpc_answer *answer);

/* URL and AUTH are borrowed and outlive the client. NULL without memory. */
struct rpc_client *rpc_client_new(struct event_base *base, const char *url, struct rpc_auth *auth);
/* Ends all calls without an answer. Not to be called from an answer. */
void rpc_client_free(struct rpc_client *c);
/* Calls METHOD with the JSON array PARAMS (SIZE bytes, copied). FN is called exactly once, later,
 * unless the call is cancelled. NULL without memory or with too many calls under way. */
struct rpc_call *rpc_client_call(struct rpc_client *c, const char *method, const char *params,
				 size_t size, uint32_t timeout_ms, size_t max_bytes,
				 rpc_answer_fn fn, void *user);
/* Sends BODY (SIZE bytes, copied), a JSON array of complete requests (JSON-RPC 2.0, section 6). The
 * answer's `result` is the array of their answers, in any order; an error is one of the whole. */
struct rpc_call *rpc_client_batch(struct rpc_client *c, const void *body, size_t size,
				  uint32_t timeout_ms, size_t max_bytes, rpc_answer_fn fn,
				  void *user);
/* The same as rpc_client_call() for an answer that is too large for a tree of values: it is not
 * looked into, `text` has it (an error of the node's too). FN may move the buffer out of it. */
struct rpc_call *rpc_client_text(struct rpc_client *c, const char *method, const char *params,
				 size_t size, uint32_t timeout_ms, size_t max_bytes,
				 rpc_answer_fn fn, void *user);
/* CALL may be NULL, and may be the one whose answer is being given. */
void rpc_client_cancel(struct rpc_call *call);

#endif
