/* SPDX-License-Identifier: MIT */
/*
 * rest.h: the client of an app-node's REST API, and its login. What the rest of the role needs of
 * either is here; oauth.h is the login alone.
 *
 * Everything runs in the role's process on its one thread, and nothing blocks but the write of the
 * token's cache file (a few hundred bytes, synced). Callbacks come from the loop, never from inside
 * the function that asked for them.
 *
 * A token is never logged, and in no answer of any function here.
 */
#ifndef MININGOS_REST_H
#define MININGOS_REST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/util/error.h"

struct event_base;
struct json_object;
struct rest;
struct rest_call;
struct rest_pages;

/* Texts are borrowed for rest_new(), which copies them. NULL or "" where a text is not configured.
 * The key of the configuration is said where it is another word than the member's name. */
struct rest_settings {
	const char *app_node_url;
	const char *provider;      /* oauth_provider: google, microsoft, ...; none: no login */
	const char *client_id;     /* oauth_client_id */
	const char *client_secret; /* oauth_client_secret */
	const char *callback_url;  /* oauth_callback_url */
	const char *authorize_url; /* oauth_authorize_url */
	const char *token_url;     /* oauth_token_url */
	const char *scopes;        /* oauth_scopes, with spaces between */
	const char *token_cache;   /* token_cache_file, an absolute path */
	const char *ca_file;       /* http_ca_file, PEM; NULL: the system's */
	const char *access_token;  /* of the environment, used when the cache has none */
	uint32_t timeout_ms;       /* http_timeout: of one request */
	uint32_t token_ttl_ms; /* oauth_token_ttl: of tokens that don't tell how long they live */
	uint32_t login_timeout_ms; /* oauth_login_timeout */
	size_t max_bytes;          /* http_max_answer: of one answer */
};

/* Reads them from the configuration, and from the environment what is not configured:
 * MININGOS_ACCESS_TOKEN, MININGOS_OAUTH_TOKEN_URL and <PROVIDER>_OAUTH_TOKEN_URL, the provider in
 * upper case. ADIT_E_CONFIG with the key's name. */
int32_t rest_settings_read(struct rest_settings *s, const struct adit_host_api *api,
			   struct adit_host *host, struct error *e);

/* What the client tells its owner; both may be NULL. */
struct rest_owner {
	void *user;
	/* One line for the log, at LEVEL (enum adit_log_level). */
	void (*log)(void *user, int32_t level, const char *text);
	/* rest_state() or what rest_status() says is another than before. */
	void (*changed)(void *user);
};

enum rest_state {
	REST_LOGIN_NEEDED,  /* no token, or one that the app-node does not take any more */
	REST_LOGIN_PENDING, /* rest_login_start() was called, and the browser has not come back yet
			     */
	REST_CHECKING,      /* a token is tried; calls wait for the result */
	REST_READY,
	REST_RENEWING,   /* calls wait for the result */
	REST_UNREACHABLE /* there is a token, and the app-node has not been reached with it; tried
			  * again by itself */
};

/* --- life cycle --- */

/* A client that does nothing yet. ADIT_E_CONFIG: a URL that can't be used. ADIT_E_NO_MEMORY. */
int32_t rest_new(struct rest **out, struct event_base *base, const struct rest_settings *s,
		 const struct rest_owner *owner, struct error *e);
/* Reads the cache file and tries its token. What is wrong with the file is logged and shown by
 * rest_status(), and means: login needed. */
void rest_start(struct rest *r);
/* Ends all calls and the login without a callback, answers what is open of the role's methods, and
 * wipes the token from memory. From then on every call is refused; nothing is left in the loop. For
 * the role's stop. NULL is allowed. Not to be called from a callback of this client. */
void rest_stop(struct rest *r);
/* The same, and frees. */
void rest_free(struct rest *r);

/* --- state --- */

enum rest_state rest_state(const struct rest *r);
/* "login-needed", "login-pending", "checking", "ready", "renewing", "unreachable". */
const char *rest_state_name(enum rest_state state);
/*
 * What `aditctl miningos oauth-status` shows; the caller puts it. NULL without memory.
 *   state         as above
 *   app_node      its URL
 *   provider      oauth_provider
 *   kind          "app-node" (renewed by POST /auth/token) or "oauth2" (by a refresh token); with a
 * token user, email   of GET /auth/userinfo, when known roles         [..] of the token, when known
 *   lost_roles    [..] roles that an earlier token had and this one has not; when there are any
 *   write         bool, of GET /auth/permissions, when known
 *   expires_in, renews_in   seconds from now, when there is a token; negative: it was then
 *   clock_skew    seconds by which the app-node's clock is ahead of ours, when known
 *   renewals      since the start
 *   problem       the last error's text, when there is one
 *   next          what to do about it, when there is something to do
 *   login         {url, expires_in, listener?} while one is pending
 */
struct json_object *rest_status(const struct rest *r);

/* --- login --- */

/* Begins a login. *URL is what to open in a browser, *LISTENER where the answer is awaited (NULL:
 * nowhere, the token has to be handed to rest_login_token()); both live until the next call of a
 * login function. An earlier login that is pending ends. It is over by itself after
 * login_timeout_ms. ADIT_E_CONFIG: which keys do not fit each other. ADIT_E_IO: the listener's
 * address can't be bound. ADIT_E_UNSUPPORTED: provider is none. */
int32_t rest_login_start(struct rest *r, const char **url, const char **listener, struct error *e);

/* Called once a token that was handed over is judged. ERROR ADIT_OK: it is in use and stored. */
typedef void (*rest_login_fn)(void *user, int32_t error, const char *message);
/* Takes TEXT, SIZE bytes: a token, or the whole address that the browser was sent to at the end of
 * a login (with authToken=, or with code= and state= of the login that is pending). REFRESH (NULL:
 * none) is an OAuth2 refresh token that belongs to it. FN may be NULL; it is called later, once,
 * unless the client is freed. ADIT_E_INVALID_ARGUMENT: not a token, or an address of
 * another login. ADIT_E_PERMISSION_DENIED: the address says that the login failed. FN is not called
 * with an error here. */
int32_t rest_login_token(struct rest *r, const char *text, size_t size, const char *refresh,
			 rest_login_fn fn, void *user, struct error *e);
/* Ends a pending login, forgets the token and removes the cache file. */
void rest_logout(struct rest *r);

/* --- calls --- */

/* Everything is borrowed for the callback. */
struct rest_answer {
	/* ADIT_OK. Else:
	 * ADIT_E_UNAVAILABLE  no connection, it broke, or HTTP 5xx: again later
	 * ADIT_E_TIMEOUT
	 * ADIT_E_PERMISSION_DENIED  login needed (`login_needed` is set), or the user's role lacks
	 * a permission ADIT_E_INVALID_ARGUMENT   the app-node refuses an argument (its ERR_ word is
	 * in `message`) ADIT_E_NOT_FOUND, ADIT_E_EXISTS ADIT_E_LIMIT        an answer of more than
	 * max_bytes, or too many requests ADIT_E_PROTOCOL     not what the endpoint answers: no
	 * JSON, another shape, a redirect and for an answer of which every ork says that it failed:
	 * the error that fits its ERR_ word */
	int32_t error;
	const char *message; /* for people; "" without an error */
	bool login_needed;
	long http_status;         /* 0: there was no answer */
	struct json_object *json; /* the whole answer; NULL when there is none, or it is bytes */
	const void *bytes;        /* of a download */
	size_t size;
	size_t orks; /* elements of an answer that has one per ork */
	size_t
	    failed; /* of them are an error; `message` has the first one's text even if ADIT_OK */
};
typedef void (*rest_answer_fn)(void *user, const struct rest_answer *answer);

/* Calls ENDPOINT, a name of rest_endpoints(), with ARGUMENTS (an object, NULL for {}; borrowed):
 * each goes to its place, into path, query string or body, and is checked before. FN is called
 * exactly once, later, unless the call is cancelled. A call waits while a token is tried or
 * renewed, and is repeated once when its token was refused and there is a new one. *CALL may be
 * NULL. ADIT_E_NOT_FOUND: no such endpoint. ADIT_E_INVALID_ARGUMENT: which argument. ADIT_E_LIMIT:
 * too many calls under way, or the address would be too long. */
int32_t rest_call(struct rest *r, const char *endpoint, struct json_object *arguments,
		  rest_answer_fn fn, void *user, struct rest_call **call, struct error *e);
/* CALL may be NULL, and may be the one whose answer is being given. */
void rest_cancel(struct rest_call *call);

/* [{name, method, path, arguments: [{name, type, place, required}], answer, pages}]: what can be
 * called. The caller puts it. NULL without memory. */
struct json_object *rest_endpoints(void);

/* Everything that an endpoint with `offset` and `limit` has, page after page. FN gets each page, in
 * order: the items of all orks, one after the other (ITEMS, an array, borrowed), with ERROR ADIT_OK
 * and LAST set on the last one, which may be empty; or an error, which is the last, too. It returns
 * false to have no more; then nothing follows. */
struct rest_page {
	int32_t error;
	const char *message;
	struct json_object *items;
	size_t offset; /* pages before have asked for that many, of each rack */
	bool last;
};
typedef bool (*rest_page_fn)(void *user, const struct rest_page *page);
/* LIMIT items are asked for a page (200 at most of `miners`); racks count by themselves, so that
 * more can come. At most MAX items in all (ADIT_E_LIMIT past it). ARGUMENTS, borrowed, without
 * offset and limit. Errors as rest_call(), and ADIT_E_INVALID_ARGUMENT for an endpoint without
 * pages. */
int32_t rest_pages(struct rest *r, const char *endpoint, struct json_object *arguments,
		   uint32_t limit, size_t max, rest_page_fn fn, void *user,
		   struct rest_pages **pages, struct error *e);
/* PAGES may be NULL, and may be the one whose page is being given. */
void rest_pages_cancel(struct rest_pages *pages);

/* --- the role's methods --- */

/* Registers, on HOST, what others and aditctl may call: `oauth_status`, `oauth_login` ({}:
 * rest_status() with `url` and perhaps `listener`; or {token, refresh_token?}), `oauth_logout`,
 * `rest_endpoints` and `rest_call` ({endpoint, arguments?}; a download comes as the attachment). R
 * outlives the registrations. */
int32_t rest_register(struct rest *r, const struct adit_host_api *api, struct adit_host *host);

#endif
