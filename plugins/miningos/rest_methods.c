/* SPDX-License-Identifier: MIT */
/* The methods of the role that are about the REST client. */
#include "config.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/random.h"
#include "plugins/miningos/oauth_token.h"
#include "plugins/miningos/rest_impl.h"
#include "plugins/miningos/rest_json.h"

#define JSON_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* What an answer may have on its way to who asked (adit/plugin.h). */
#define MAX_JSON (8u << 20)
#define MAX_ATTACHMENT (32u << 20)

#define PAGE 200
#define MOST_ITEMS 100000

/* A request whose answer is awaited. */
struct rest_pending {
	struct rest_pending *next;
	struct rest *rest;
	struct adit_request *request;
	struct rest_call *call;
	struct rest_pages *pages;
	struct json_object *items; /* so far */
	char problem[256];         /* of an ork, while others answered */
};

/* --- answers ------------------------------------------------------------------------------------
 */

static void refuse(struct rest *r, struct adit_request *request, int32_t error, const char *text)
{
	r->api->reply(r->host, request, error, text, "", 0, NULL, 0);
}

/* RESULT is consumed. */
static void answer_with(struct rest *r, struct adit_request *request, struct json_object *result,
			const void *bytes, size_t size)
{
	size_t length = 0;
	const char *text =
	    result != NULL ? json_object_to_json_string_length(result, JSON_FLAGS, &length) : NULL;

	if (text == NULL)
		refuse(r, request, ADIT_E_NO_MEMORY, "out of memory");
	else if (length > MAX_JSON || size > MAX_ATTACHMENT)
		refuse(r, request, ADIT_E_LIMIT,
		       "the app-node's answer is too large to be handed on (8 MiB, a file 32): ask "
		       "for less with limit, offset or fields");
	else
		r->api->reply(r->host, request, ADIT_OK, "", text, length, bytes, size);
	json_object_put(result);
}

static struct rest_pending *pending_new(struct rest *r, struct adit_request *request)
{
	struct rest_pending *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		refuse(r, request, ADIT_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	p->rest = r;
	p->request = request;
	p->next = r->pending;
	r->pending = p;
	return p;
}

static void pending_free(struct rest_pending *p)
{
	struct rest_pending **at = &p->rest->pending;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	json_object_put(p->items);
	free(p);
}

void rest_methods_end(struct rest *r)
{
	while (r->pending != NULL) {
		struct rest_pending *p = r->pending;

		rest_cancel(p->call);
		rest_pages_cancel(p->pages);
		refuse(r, p->request, ADIT_E_CANCELLED, "the role ends");
		pending_free(p);
	}
}

/* --- methods ------------------------------------------------------------------------------------
 */

static void on_status(void *user, struct adit_request *request,
		      const struct adit_request_info *info)
{
	struct rest *r = user;

	(void)info;
	answer_with(r, request, rest_status(r), NULL, 0);
}

static void on_endpoints(void *user, struct adit_request *request,
			 const struct adit_request_info *info)
{
	(void)info;
	answer_with(user, request, rest_endpoints(), NULL, 0);
}

static void on_logout(void *user, struct adit_request *request,
		      const struct adit_request_info *info)
{
	struct rest *r = user;

	(void)info;
	rest_logout(r);
	answer_with(r, request, rest_status(r), NULL, 0);
}

static void on_judged(void *user, int32_t error, const char *message)
{
	struct rest_pending *p = user;
	struct rest *r = p->rest;

	if (error != ADIT_OK)
		refuse(r, p->request, error, message);
	else
		answer_with(r, p->request, rest_status(r), NULL, 0);
	pending_free(p);
}

static void begin_login(struct rest *r, struct adit_request *request)
{
	struct json_object *result;
	struct error e = {0};
	const char *listener;
	const char *url;

	if (rest_login_start(r, &url, &listener, &e) != ADIT_OK) {
		refuse(r, request, e.code, e.text);
		return;
	}
	result = rest_status(r);
	if (result == NULL) {
		refuse(r, request, ADIT_E_NO_MEMORY, "out of memory");
		return;
	}
	json_object_object_add(result, "url", json_object_new_string(url));
	if (listener != NULL)
		json_object_object_add(result, "listener", json_object_new_string(listener));
	answer_with(r, request, result, NULL, 0);
}

static void hand_over(struct rest *r, struct adit_request *request, struct json_object *arguments)
{
	struct rest_pending *p = pending_new(r, request);
	const char *token = rest_json_text(arguments, "token");
	struct error e = {0};
	size_t size;

	if (p == NULL)
		return;
	size = (size_t)json_object_get_string_len(rest_json_member(arguments, "token"));
	if (rest_login_token(r, token, size, rest_json_text(arguments, "refresh_token"), on_judged,
			     p, &e) != ADIT_OK) {
		refuse(r, request, e.code, e.text);
		pending_free(p);
	}
}

/* json-c's own copies of the secrets. */
static void wipe_member(struct json_object *o, const char *key)
{
	const char *text = rest_json_text(o, key);

	if (text != NULL)
		secure_wipe((void *)(uintptr_t)text,
			    (size_t)json_object_get_string_len(rest_json_member(o, key)));
}

static void on_login(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct rest *r = user;
	struct json_object *arguments = rest_json_parse(info->json, info->json_size);

	if (info->json_size > 0 && !json_object_is_type(arguments, json_type_object))
		refuse(r, request, ADIT_E_INVALID_ARGUMENT,
		       "expected {} to begin a login, or {\"token\": \"..\"} to hand one over");
	else if (rest_json_text(arguments, "token") != NULL)
		hand_over(r, request, arguments);
	else
		begin_login(r, request);
	wipe_member(arguments, "token");
	wipe_member(arguments, "refresh_token");
	json_object_put(arguments);
}

static void on_called(void *user, const struct rest_answer *answer)
{
	struct rest_pending *p = user;
	struct json_object *result;

	if (answer->error != ADIT_OK) {
		refuse(p->rest, p->request, answer->error, answer->message);
		pending_free(p);
		return;
	}
	result = json_object_new_object();
	if (answer->json != NULL)
		json_object_object_add(result, "answer", json_object_get(answer->json));
	else
		json_object_object_add(result, "bytes",
				       json_object_new_int64((int64_t)answer->size));
	if (answer->orks > 0)
		json_object_object_add(result, "orks",
				       json_object_new_int64((int64_t)answer->orks));
	if (answer->failed > 0)
		json_object_object_add(result, "failed",
				       json_object_new_int64((int64_t)answer->failed));
	if (answer->message[0] != '\0')
		json_object_object_add(result, "problem", json_object_new_string(answer->message));
	answer_with(p->rest, p->request, result, answer->bytes, answer->size);
	pending_free(p);
}

static void on_call(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct rest *r = user;
	struct json_object *o = rest_json_parse(info->json, info->json_size);
	const char *endpoint = rest_json_text(o, "endpoint");
	struct rest_pending *p;
	struct error e = {0};

	if (endpoint == NULL) {
		refuse(r, request, ADIT_E_INVALID_ARGUMENT,
		       "expected {\"endpoint\": \"..\", \"arguments\": {..}}; rest_endpoints lists "
		       "them");
	} else if ((p = pending_new(r, request)) != NULL &&
		   rest_call(r, endpoint, rest_json_member(o, "arguments"), on_called, p, &p->call,
			     &e) != ADIT_OK) {
		refuse(r, request, e.code, e.text);
		pending_free(p);
	}
	json_object_put(o);
}

static bool on_page(void *user, const struct rest_page *page)
{
	struct rest_pending *p = user;
	struct json_object *result;

	if (page->error != ADIT_OK) {
		refuse(p->rest, p->request, page->error, page->message);
		pending_free(p);
		return false;
	}
	for (size_t i = 0; i < json_object_array_length(page->items); i++)
		json_object_array_add(p->items,
				      json_object_get(json_object_array_get_idx(page->items, i)));
	if (page->message[0] != '\0')
		rest_json_show(page->message, p->problem, sizeof(p->problem));
	if (!page->last)
		return true;
	result = json_object_new_object();
	json_object_object_add(result, "count",
			       json_object_new_int64((int64_t)json_object_array_length(p->items)));
	if (p->problem[0] != '\0')
		json_object_object_add(result, "problem", json_object_new_string(p->problem));
	json_object_object_add(result, "items", json_object_get(p->items));
	answer_with(p->rest, p->request, result, NULL, 0);
	pending_free(p);
	return false;
}

static void on_list(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct rest *r = user;
	struct json_object *o = rest_json_parse(info->json, info->json_size);
	const char *endpoint = rest_json_text(o, "endpoint");
	int64_t limit = PAGE;
	int64_t most = MOST_ITEMS;
	struct rest_pending *p;
	struct error e = {0};

	if (endpoint == NULL ||
	    (rest_json_member(o, "limit") != NULL &&
	     (!rest_json_whole(o, "limit", 10000, &limit) || limit == 0)) ||
	    (rest_json_member(o, "most") != NULL &&
	     !rest_json_whole(o, "most", MOST_ITEMS, &most))) {
		refuse(r, request, ADIT_E_INVALID_ARGUMENT,
		       "expected {\"endpoint\": \"..\", \"arguments\": {..}, \"limit\": 1..10000 a "
		       "page, \"most\": 0..100000 items}");
	} else if ((p = pending_new(r, request)) != NULL) {
		p->items = json_object_new_array();
		if (rest_pages(r, endpoint, rest_json_member(o, "arguments"), (uint32_t)limit,
			       (size_t)most, on_page, p, &p->pages, &e) != ADIT_OK) {
			refuse(r, request, e.code, e.text);
			pending_free(p);
		}
	}
	json_object_put(o);
}

int32_t rest_register(struct rest *r, const struct adit_host_api *api, struct adit_host *host)
{
	static const struct {
		const char *name;
		int32_t mode;
		adit_method_fn fn;
	} methods[] = {
	    {"oauth_status", ADIT_METHOD_ANY | ADIT_METHOD_LOOKS, on_status},
	    {"oauth_login", ADIT_METHOD_ANY, on_login},
	    {"oauth_logout", ADIT_METHOD_ANY, on_logout},
	    {"rest_endpoints", ADIT_METHOD_ANY | ADIT_METHOD_LOOKS, on_endpoints},
	    {"rest_call", ADIT_METHOD_ANY, on_call},
	    {"rest_list", ADIT_METHOD_ANY, on_list},
	};

	r->api = api;
	r->host = host;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		int32_t result = api->register_method(host, methods[i].name, methods[i].mode,
						      methods[i].fn, r, NULL);

		if (result != ADIT_OK)
			return result;
	}
	return ADIT_OK;
}
