/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/node/rpc_client.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/value.h"
#include "lib/util/buf.h"

#define MAX_CALLS 128
#define CONNECT_TIMEOUT_MS 5000L
#define IDLE_CONNECTIONS 8L

struct rpc_client {
	struct event_base *base;
	struct event *timer;
	CURLM *multi;
	const char *url;
	struct rpc_auth *auth;
	struct rpc_call *calls;
	size_t count;
	uint64_t last_id;
};

struct rpc_call {
	struct rpc_call *next;
	struct rpc_client *client;
	CURL *easy;
	struct curl_slist *headers;
	struct event *early; /* delivers what failed before there was a connection */
	struct error early_error;
	struct buf request;
	struct buf response;
	bool in_multi;
	bool retried;
	bool answering;
	bool cancelled;
	bool batch;
	bool text;
	rpc_answer_fn fn;
	void *user;
	char curl_error[CURL_ERROR_SIZE];
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
	if (call->in_multi)
		curl_multi_remove_handle(c->multi, call->easy);
	if (call->easy != NULL)
		curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	if (call->early != NULL)
		event_free(call->early);
	buf_free(&call->request);
	buf_free(&call->response);
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

static void answer_text(struct rpc_call *call)
{
	struct rpc_answer answer = {.message = "", .text = &call->response};

	call_answer(call, &answer);
}

/* HTTP 200, or 404 and 500 with an error object in the older protocol. */
static void answer_body(struct rpc_call *call)
{
	struct json_object *body =
	    value_parse((const char *)call->response.data, call->response.size);
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
		buf_clear(&call->response);
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

static void answer_http(struct rpc_call *call)
{
	char text[256];
	long status = 0;
	const char *hint;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	hint = status_hint(status);
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
	else if (status == 200 && call->response.size == 0)
		/* As when the connection breaks between the lines of a header. */
		call_fail(call, ADIT_E_UNAVAILABLE, "the node's answer is empty");
	else if (status != 200 && status != 404 && status != 500)
		call_fail(call, ADIT_E_PROTOCOL, text);
	else if (status != 200 && call->response.size == 0)
		call_fail(call, ADIT_E_PROTOCOL, text);
	else if (call->text)
		answer_text(call);
	else
		answer_body(call);
}

static void call_done(struct rpc_call *call, CURLcode code)
{
	const char *message =
	    call->curl_error[0] != '\0' ? call->curl_error : curl_easy_strerror(code);
	char text[96];

	curl_multi_remove_handle(call->client->multi, call->easy);
	call->in_multi = false;
	if (call->response.failed) {
		snprintf(text, sizeof(text), "the node's answer is too large: more than %zu bytes",
			 call->response.limit);
		call_fail(call, ADIT_E_LIMIT, text);
	} else if (code == CURLE_OK)
		answer_http(call);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		call_fail(call, ADIT_E_TIMEOUT, message);
	else
		call_fail(call, ADIT_E_UNAVAILABLE, message);
}

/* --- libcurl on libevent ------------------------------------------------------------------------
 */

static void drain(struct rpc_client *c)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
		struct rpc_call *call = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		call_done(call, message->data.result);
	}
}

static void on_socket(evutil_socket_t fd, short what, void *user)
{
	struct rpc_client *c = user;
	int flags = ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
		    ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
	int running;

	curl_multi_socket_action(c->multi, fd, flags, &running);
	drain(c);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
	struct rpc_client *c = user;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	drain(c);
}

static int set_timer(CURLM *multi, long ms, void *user)
{
	struct rpc_client *c = user;
	struct timeval tv;

	(void)multi;
	if (ms < 0) {
		evtimer_del(c->timer);
		return 0;
	}
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	evtimer_add(c->timer, &tv);
	return 0;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *per_socket)
{
	struct rpc_client *c = user;
	struct event *event = per_socket;
	int flags = EV_PERSIST;

	(void)easy;
	if (event != NULL)
		event_free(event);
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(c->multi, fd, NULL);
		return 0;
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		flags |= EV_READ;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		flags |= EV_WRITE;
	event = event_new(c->base, fd, (short)flags, on_socket, c);
	curl_multi_assign(c->multi, fd, event);
	return event != NULL && event_add(event, NULL) == 0 ? 0 : -1;
}

struct rpc_client *rpc_client_new(struct event_base *base, const char *url, struct rpc_auth *auth)
{
	struct rpc_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->base = base;
	c->url = url;
	c->auth = auth;
	c->timer = evtimer_new(base, on_timer, c);
	c->multi = curl_multi_init();
	if (c->timer == NULL || c->multi == NULL) {
		rpc_client_free(c);
		return NULL;
	}
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS);
	return c;
}

void rpc_client_free(struct rpc_client *c)
{
	if (c == NULL)
		return;
	while (c->calls != NULL)
		call_free(c->calls);
	if (c->multi != NULL)
		curl_multi_cleanup(c->multi);
	if (c->timer != NULL)
		event_free(c->timer);
	free(c);
}

/* --- sending ------------------------------------------------------------------------------------
 */

static size_t on_data(char *data, size_t size, size_t count, void *user)
{
	struct rpc_call *call = user;

	return buf_append(&call->response, data, size * count) ? size * count : 0;
}

static void restrict_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static void set_options(struct rpc_call *call, uint32_t timeout_ms)
{
	CURL *easy = call->easy;

	restrict_protocols(easy);
	curl_easy_setopt(easy, CURLOPT_URL, call->client->url);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_error);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* The node is reached directly, whatever proxy the environment names. */
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->request.size);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)call->request.data);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
}

static bool call_send(struct rpc_call *call)
{
	struct rpc_auth *auth = call->client->auth;

	call->curl_error[0] = '\0';
	if (curl_easy_setopt(call->easy, CURLOPT_USERNAME, auth->user) != CURLE_OK ||
	    curl_easy_setopt(call->easy, CURLOPT_PASSWORD, auth->password) != CURLE_OK ||
	    curl_multi_add_handle(call->client->multi, call->easy) != CURLM_OK)
		return false;
	call->in_multi = true;
	return true;
}

/* Without an "Expect" of its own libcurl would wait a second before it sends a large body. */
static bool make_headers(struct rpc_call *call)
{
	static const char *const lines[] = {"Content-Type: application/json", "Expect:"};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct curl_slist *longer = curl_slist_append(call->headers, lines[i]);

		if (longer == NULL)
			return false;
		call->headers = longer;
	}
	return true;
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
	call->response.limit = max_bytes;
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

	call->easy = curl_easy_init();
	ok = call->easy != NULL && !call->request.failed && make_headers(call);
	if (ok &&
	    rpc_auth_refresh(call->client->auth, false, &changed, &call->early_error) != ADIT_OK) {
		ok = fail_early(call);
	} else if (ok) {
		set_options(call, timeout_ms);
		ok = call_send(call);
	}
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
