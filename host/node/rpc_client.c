/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/rpc_client.h"

#include <event2/event.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/value.h"
#include "lib/http/client.h"
#include "lib/util/buf.h"

#define MAX_CALLS 128

struct rpc_client {
	struct event_base *base;
	struct http_client *http;
	const char *url;
	struct rpc_auth *auth;
	struct rpc_call *calls;
	size_t count;
	uint64_t last_id;
};

struct rpc_call {
	struct rpc_call *next;
	struct rpc_client *client;
	struct http_call *http;
	struct event *early; /* delivers what failed before there was a connection */
	struct error early_error;
	struct buf request;
	size_t max_bytes;
	uint32_t timeout_ms;
	bool retried;
	bool answering;
	bool cancelled;
	bool batch;
	bool text;
	rpc_answer_fn fn;
	void *user;
};

/* --- one call -----------------------------------------------------------------------------------
 */

static void call_free(struct rpc_call *call)
{
	struct rpc_client *c = call->client;
	struct rpc_call **at = &c->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	c->count--;
	http_client_cancel(call->http);
	if (call->early != NULL)
		event_free(call->early);
	buf_free(&call->request);
	free(call);
}

/* Gives the answer and ends the call. */
static void call_answer(struct rpc_call *call, const struct rpc_answer *answer)
{
	call->answering = true;
	if (!call->cancelled)
		call->fn(call->user, answer);
	call_free(call);
}

static void call_fail(struct rpc_call *call, int32_t error, const char *message)
{
	struct rpc_answer answer = {.error = error, .message = message};

	call_answer(call, &answer);
}

static void on_early(evutil_socket_t fd, short what, void *user)
{
	struct rpc_call *call = user;

	(void)fd;
	(void)what;
	call_fail(call, call->early_error.code, call->early_error.text);
}

/* The node's own error object. */
static bool node_error(struct json_object *body, struct rpc_answer *answer)
{
	struct json_object *error;
	struct json_object *code;

	if (!json_object_object_get_ex(body, "error", &error) || error == NULL)
		return false;
	answer->code = -1;
	answer->message = value_text(error, "message");
	if (answer->message == NULL)
		answer->message = "an error without a message";
	if (json_object_is_type(error, json_type_object) &&
	    json_object_object_get_ex(error, "code", &code) &&
	    json_object_is_type(code, json_type_int) && json_object_get_int64(code) != 0)
		answer->code = json_object_get_int64(code);
	return true;
}

static void answer_text(struct rpc_call *call, struct buf *body)
{
	struct rpc_answer answer = {.message = "", .text = body};

	call_answer(call, &answer);
}

/* HTTP 200, or 404 and 500 with an error object in the older protocol. */
static void answer_body(struct rpc_call *call, const struct buf *text)
{
	struct json_object *body = value_parse((const char *)text->data, text->size);
	struct rpc_answer answer = {.message = ""};

	if (call->batch && json_object_is_type(body, json_type_array)) {
		answer.result = body;
	} else if (!json_object_is_type(body, json_type_object) ||
		   (!node_error(body, &answer) &&
		    (call->batch || !json_object_object_get_ex(body, "result", &answer.result)))) {
		answer.error = ADIT_E_PROTOCOL;
		answer.message =
		    "the answer is not JSON-RPC; is it a Bitcoin node's RPC server that"
		    " rpc_url leads to?";
	}
	call_answer(call, &answer);
	json_object_put(body);
}

static bool call_send(struct rpc_call *call);

/* The node makes a new cookie at each start: once, with another one, it is worth trying again. */
static void refused(struct rpc_call *call)
{
	struct rpc_auth *auth = call->client->auth;
	struct error e = {0};
	char text[600];
	bool changed;

	if (!call->retried && rpc_auth_refresh(auth, true, &changed, &e) == ADIT_OK && changed) {
		call->retried = true;
		if (call_send(call))
			return;
	}
	if (auth->cookie[0] != '\0')
		snprintf(text, sizeof(text),
			 "the node refuses the cookie %s: is it this node's? (rpc_datadir,"
			 " rpc_cookie_file, network)",
			 auth->cookie);
	else
		snprintf(text, sizeof(text), "the node refuses rpc_user and rpc_password");
	call_fail(call, ADIT_E_PERMISSION_DENIED, text);
}

/* What a status says that no RPC server gives with an answer; NULL: nothing in particular. */
static const char *status_hint(long status)
{
	if (status == 403)
		return "the node does not allow it: this address (rpcallowip of the node) or this"
		       " method for this user (its rpcwhitelist)";
	if (status >= 300 && status < 400)
		return "it refers to another place; rpc_url has to lead to the node itself";
	if (status == 404 || status == 405)
		return "there is no RPC server at that path; see rpc_url";
	if (status == 502 || status == 504)
		return "a proxy answers for the node; see rpc_url";
	return NULL;
}

static void answer_http(struct rpc_call *call, long status, struct buf *body)
{
	char text[256];
	const char *hint = status_hint(status);

	snprintf(text, sizeof(text), "HTTP status %ld%s%s", status, hint != NULL ? ": " : "",
		 hint != NULL ? hint : "");
	if (status == 401)
		refused(call);
	else if (status == 403)
		call_fail(call, ADIT_E_PERMISSION_DENIED, text);
	else if (status == 503)
		call_fail(call, ADIT_E_UNAVAILABLE, "the node has too many requests (HTTP 503)");
	else if (status == 502 || status == 504)
		call_fail(call, ADIT_E_UNAVAILABLE, text);
	else if (status == 200 && body->size == 0)
		/* As when the connection breaks between the lines of a header. */
		call_fail(call, ADIT_E_UNAVAILABLE, "the node's answer is empty");
	else if (status != 200 && status != 404 && status != 500)
		call_fail(call, ADIT_E_PROTOCOL, text);
	else if (status != 200 && body->size == 0)
		call_fail(call, ADIT_E_PROTOCOL, text);
	else if (call->text)
		answer_text(call, body);
	else
		answer_body(call, body);
}

static void on_answer(void *user, const struct http_answer *answer)
{
	struct rpc_call *call = user;
	char text[96];

	call->http = NULL;
	if (answer->error == ADIT_E_LIMIT) {
		snprintf(text, sizeof(text), "the node's answer is too large: more than %zu bytes",
			 call->max_bytes);
		call_fail(call, ADIT_E_LIMIT, text);
	} else if (answer->error == ADIT_OK)
		answer_http(call, answer->status, answer->body);
	else if (answer->error == ADIT_E_TIMEOUT)
		call_fail(call, ADIT_E_TIMEOUT, answer->message);
	else
		call_fail(call, ADIT_E_UNAVAILABLE, answer->message);
}

struct rpc_client *rpc_client_new(struct event_base *base, const char *url, struct rpc_auth *auth)
{
	struct rpc_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->base = base;
	c->url = url;
	c->auth = auth;
	c->http = http_client_new(base, MAX_CALLS, NULL);
	if (c->http == NULL) {
		rpc_client_free(c);
		return NULL;
	}
	return c;
}

void rpc_client_free(struct rpc_client *c)
{
	if (c == NULL)
		return;
	while (c->calls != NULL)
		call_free(c->calls);
	http_client_free(c->http);
	free(c);
}

/* --- sending ------------------------------------------------------------------------------------
 */

static bool call_send(struct rpc_call *call)
{
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	struct rpc_auth *auth = call->client->auth;
	struct http_request request = {
	    .method = "POST",
	    .url = call->client->url,
	    .headers = headers,
	    .body = call->request.data,
	    .size = call->request.size,
	    .user = auth->user,
	    .password = auth->password,
	    .timeout_ms = call->timeout_ms,
	    .max_bytes = call->max_bytes,
	};

	call->http = http_client_send(call->client->http, &request, on_answer, call);
	return call->http != NULL;
}

static void write_request(struct rpc_call *call, const char *method, const char *params,
			  size_t size)
{
	buf_printf(&call->request,
		   "{\"jsonrpc\":\"2.0\",\"id\":%" PRIu64 ",\"method\":\"%s\",\"params\":",
		   ++call->client->last_id, method);
	buf_append(&call->request, params, size);
	buf_append_u8(&call->request, '}');
}

/* Answers in the next turn of the loop. */
static bool fail_early(struct rpc_call *call)
{
	call->early = evtimer_new(call->client->base, on_early, call);
	if (call->early == NULL)
		return false;
	event_active(call->early, EV_TIMEOUT, 1);
	return true;
}

static struct rpc_call *call_new(struct rpc_client *c, size_t max_bytes, rpc_answer_fn fn,
				 void *user)
{
	struct rpc_call *call = c->count < MAX_CALLS ? calloc(1, sizeof(*call)) : NULL;

	if (call == NULL)
		return NULL;
	call->client = c;
	call->fn = fn;
	call->user = user;
	call->max_bytes = max_bytes;
	call->next = c->calls;
	c->calls = call;
	c->count++;
	return call;
}

/* With the request written; NULL, and CALL is gone, when it can't be sent. */
static struct rpc_call *call_begin(struct rpc_call *call, uint32_t timeout_ms)
{
	bool changed;
	bool ok;

	call->timeout_ms = timeout_ms;
	ok = !call->request.failed;
	if (ok &&
	    rpc_auth_refresh(call->client->auth, false, &changed, &call->early_error) != ADIT_OK)
		ok = fail_early(call);
	else if (ok)
		ok = call_send(call);
	if (!ok) {
		call_free(call);
		return NULL;
	}
	return call;
}

static struct rpc_call *call_method(struct rpc_call *call, const char *method, const char *params,
				    size_t size, uint32_t timeout_ms)
{
	if (call == NULL)
		return NULL;
	write_request(call, method, params, size);
	return call_begin(call, timeout_ms);
}

struct rpc_call *rpc_client_call(struct rpc_client *c, const char *method, const char *params,
				 size_t size, uint32_t timeout_ms, size_t max_bytes,
				 rpc_answer_fn fn, void *user)
{
	return call_method(call_new(c, max_bytes, fn, user), method, params, size, timeout_ms);
}

struct rpc_call *rpc_client_text(struct rpc_client *c, const char *method, const char *params,
				 size_t size, uint32_t timeout_ms, size_t max_bytes,
				 rpc_answer_fn fn, void *user)
{
	struct rpc_call *call = call_new(c, max_bytes, fn, user);

	if (call != NULL)
		call->text = true;
	return call_method(call, method, params, size, timeout_ms);
}

struct rpc_call *rpc_client_batch(struct rpc_client *c, const void *body, size_t size,
				  uint32_t timeout_ms, size_t max_bytes, rpc_answer_fn fn,
				  void *user)
{
	struct rpc_call *call = call_new(c, max_bytes, fn, user);

	if (call == NULL)
		return NULL;
	call->batch = true;
	buf_append(&call->request, body, size);
	return call_begin(call, timeout_ms);
}

void rpc_client_cancel(struct rpc_call *call)
{
	if (call == NULL)
		return;
	call->cancelled = true;
	if (!call->answering)
		call_free(call);
}
