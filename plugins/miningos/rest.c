/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/rest.h"

#include <event2/event.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/http/client.h"
#include "lib/util/buf.h"
#include "lib/util/random.h"
#include "plugins/miningos/oauth.h"
#include "plugins/miningos/oauth_token.h"
#include "plugins/miningos/rest_answer.h"
#include "plugins/miningos/rest_endpoints.h"
#include "plugins/miningos/rest_impl.h"

#define MAX_CALLS 64
#define OWN_CALLS 4 /* about the token, beside those */

struct rest_call {
	struct rest_call *next;
	struct rest *rest;
	const struct rest_endpoint *endpoint;
	struct buf url;
	struct buf body;
	struct http_call *http; /* NULL: it waits */
	uint64_t generation;
	bool retried;
	bool answering;
	bool cancelled;
	rest_answer_fn fn;
	void *user;
};

/* --- one call -----------------------------------------------------------------------------------
 */

static void call_free(struct rest_call *call)
{
	struct rest_call **at = &call->rest->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	call->rest->count--;
	http_client_cancel(call->http);
	buf_free(&call->url);
	buf_free(&call->body);
	free(call);
}

/* Gives the answer and ends the call. */
static void call_answer(struct rest_call *call, const struct rest_answer *answer)
{
	call->answering = true;
	if (!call->cancelled)
		call->fn(call->user, answer);
	call_free(call);
}

static void call_fail(struct rest_call *call, int32_t error, const char *message, bool login)
{
	struct rest_answer answer = {.error = error, .message = message, .login_needed = login};

	call_answer(call, &answer);
}

/* What waits is looked at from the loop. */
static void wake(struct rest *r)
{
	event_active(r->wake, EV_TIMEOUT, 1);
}

static void call_judge(struct rest_call *call, const struct rest_verdict *verdict,
		       const struct http_answer *http)
{
	struct rest_answer answer = {.error = verdict->error,
				     .message = verdict->message,
				     .http_status = http->status,
				     .json = verdict->json,
				     .orks = verdict->orks,
				     .failed = verdict->failed};

	if (call->endpoint->shape == REST_BYTES && verdict->error == ADIT_OK) {
		answer.bytes = http->body->data;
		answer.size = http->body->size;
	}
	call_answer(call, &answer);
}

static void on_answer(void *user, const struct http_answer *http)
{
	struct rest_call *call = user;
	struct rest *r = call->rest;
	struct rest_verdict verdict;
	char text[500];

	call->http = NULL;
	oauth_saw_date(r->oauth, http->date);
	rest_answer_take(&verdict, call->endpoint->shape, http);
	if (!verdict.refused) {
		call_judge(call, &verdict, http);
	} else if (!call->retried) {
		call->retried = true;
		oauth_refused(r->oauth, call->generation);
		wake(r);
	} else {
		snprintf(text, sizeof(text),
			 "%.280s, though it takes it elsewhere or it was just renewed; log in: "
			 "aditctl miningos login",
			 verdict.message);
		call_fail(call, ADIT_E_PERMISSION_DENIED, text, true);
	}
	json_object_put(verdict.json);
}

static bool call_send(struct rest_call *call, const char *bearer)
{
	struct rest *r = call->rest;
	char authorization[OAUTH_TOKEN_MAX + 32];
	const char *headers[4];
	size_t count = 0;
	struct http_request request = {.method = call->endpoint->method,
				       .url = (const char *)call->url.data,
				       .headers = headers,
				       .timeout_ms = r->timeout_ms,
				       .max_bytes = r->max_bytes,
				       .secret = true};

	if (call->body.size > 0) {
		request.body = call->body.data;
		request.size = call->body.size;
		headers[count++] = "Content-Type: application/json";
	}
	headers[count++] = "Accept: application/json, application/octet-stream;q=0.5";
	if (bearer != NULL) {
		snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s", bearer);
		headers[count++] = authorization;
	}
	headers[count] = NULL;
	call->http = http_client_send(r->http, &request, on_answer, call);
	secure_wipe(authorization, sizeof(authorization));
	return call->http != NULL;
}

/* Sends it or ends it, now that no token is being tried. */
static void call_go(struct rest_call *call)
{
	const char *bearer;
	char text[900];

	if (!oauth_bearer(call->rest->oauth, &bearer, &call->generation)) {
		oauth_explain(call->rest->oauth, text, sizeof(text));
		call_fail(call, ADIT_E_PERMISSION_DENIED, text, true);
	} else if (!call_send(call, bearer)) {
		call_fail(call, ADIT_E_LIMIT, "too many calls under way, or out of memory", false);
	}
}

/* The oldest one that waits. A callback may end any of them. */
static struct rest_call *find_waiting(struct rest *r)
{
	struct rest_call *oldest = NULL;

	for (struct rest_call *call = r->calls; call != NULL; call = call->next) {
		if (call->http == NULL && !call->answering)
			oldest = call;
	}
	return oldest;
}

static void on_wake(evutil_socket_t fd, short what, void *user)
{
	struct rest *r = user;
	size_t most = r->count; /* those that a callback adds have a turn of their own */
	struct rest_call *call;

	(void)fd;
	(void)what;
	while (most-- > 0 && !oauth_waits(r->oauth) && (call = find_waiting(r)) != NULL)
		call_go(call);
	if (!oauth_waits(r->oauth) && find_waiting(r) != NULL)
		wake(r);
}

/* --- calls --------------------------------------------------------------------------------------
 */

static struct rest_call *call_new(struct rest *r, const struct rest_endpoint *endpoint,
				  rest_answer_fn fn, void *user)
{
	struct rest_call *call = calloc(1, sizeof(*call));

	if (call == NULL)
		return NULL;
	call->rest = r;
	call->endpoint = endpoint;
	call->fn = fn;
	call->user = user;
	call->next = r->calls;
	r->calls = call;
	r->count++;
	return call;
}

int32_t rest_call(struct rest *r, const char *endpoint, struct json_object *arguments,
		  rest_answer_fn fn, void *user, struct rest_call **out, struct error *e)
{
	const struct rest_endpoint *found = rest_endpoint_find(endpoint);
	const char *base = oauth_base_url(r->oauth);
	struct rest_call *call;
	int32_t result;

	if (found == NULL)
		return error_set(e, ADIT_E_NOT_FOUND,
				 "there is no endpoint \"%.60s\"; rest_endpoints lists them",
				 endpoint);
	if (r->stopped)
		return error_set(e, ADIT_E_UNAVAILABLE, "the role ends");
	if (r->count >= MAX_CALLS)
		return error_set(e, ADIT_E_LIMIT, "%d calls are under way already", MAX_CALLS);
	call = call_new(r, found, fn, user);
	if (call == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	buf_append(&call->url, base, strlen(base));
	result = rest_endpoint_write(found, arguments, &call->url, &call->body, e);
	buf_append_u8(&call->url, '\0');
	if (result == ADIT_OK && call->url.failed)
		result = error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	if (result != ADIT_OK) {
		call_free(call);
		return result;
	}
	if (out != NULL)
		*out = call;
	wake(r);
	return ADIT_OK;
}

void rest_cancel(struct rest_call *call)
{
	if (call == NULL)
		return;
	call->cancelled = true;
	if (!call->answering)
		call_free(call);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void on_log(void *user, int32_t level, const char *text)
{
	const struct rest *r = user;

	if (r->owner.log != NULL)
		r->owner.log(r->owner.user, level, text);
}

static void on_changed(void *user)
{
	struct rest *r = user;

	wake(r);
	if (r->owner.changed != NULL)
		r->owner.changed(r->owner.user);
}

int32_t rest_new(struct rest **out, struct event_base *base, const struct rest_settings *s,
		 const struct rest_owner *owner, struct error *e)
{
	struct rest *r = calloc(1, sizeof(*r));
	struct rest_owner own = {.user = r, .log = on_log, .changed = on_changed};
	const char *ca_file = s->ca_file != NULL && s->ca_file[0] != '\0' ? s->ca_file : NULL;
	int32_t result;

	*out = NULL;
	if (r == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	r->base = base;
	r->owner = *owner;
	r->timeout_ms = s->timeout_ms;
	r->max_bytes = s->max_bytes;
	r->wake = evtimer_new(base, on_wake, r);
	r->http = http_client_new(base, MAX_CALLS + OWN_CALLS, ca_file);
	if (r->wake == NULL || r->http == NULL)
		result = error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	else
		result = oauth_new(&r->oauth, base, r->http, s, &own, e);
	if (result != ADIT_OK) {
		rest_free(r);
		return result;
	}
	*out = r;
	return ADIT_OK;
}

void rest_start(struct rest *r)
{
	oauth_start(r->oauth);
}

void rest_stop(struct rest *r)
{
	if (r == NULL || r->stopped)
		return;
	r->stopped = true;
	r->owner = (struct rest_owner){0};
	rest_methods_end(r); /* cancels what it began, so before the rest of that */
	rest_pages_end(r);
	while (r->calls != NULL)
		call_free(r->calls);
	if (r->oauth != NULL)
		oauth_stop(r->oauth);
	if (r->wake != NULL)
		evtimer_del(r->wake);
	http_client_free(r->http);
	r->http = NULL;
}

void rest_free(struct rest *r)
{
	if (r == NULL)
		return;
	rest_stop(r);
	oauth_free(r->oauth);
	if (r->wake != NULL)
		event_free(r->wake);
	free(r);
}

enum rest_state rest_state(const struct rest *r)
{
	return oauth_state(r->oauth);
}

struct json_object *rest_status(const struct rest *r)
{
	return oauth_status(r->oauth);
}

int32_t rest_login_start(struct rest *r, const char **url, const char **listener, struct error *e)
{
	if (r->stopped)
		return error_set(e, ADIT_E_UNAVAILABLE, "the role ends");
	return oauth_login_start(r->oauth, url, listener, e);
}

int32_t rest_login_token(struct rest *r, const char *text, size_t size, const char *refresh,
			 rest_login_fn fn, void *user, struct error *e)
{
	if (r->stopped)
		return error_set(e, ADIT_E_UNAVAILABLE, "the role ends");
	return oauth_login_token(r->oauth, text, size, refresh, fn, user, e);
}

void rest_logout(struct rest *r)
{
	if (!r->stopped)
		oauth_logout(r->oauth);
}
