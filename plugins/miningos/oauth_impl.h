/* SPDX-License-Identifier: MIT */
/* oauth_impl.h: what oauth.c, oauth_login.c and oauth_status.c share. */
#ifndef MININGOS_OAUTH_IMPL_H
#define MININGOS_OAUTH_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/http/client.h"
#include "lib/http/url.h"
#include "plugins/miningos/oauth.h"
#include "plugins/miningos/oauth_token.h"

#define OAUTH_SECRET_TEXT 44 /* 32 random bytes in base64url, and a NUL */
#define OAUTH_ANSWER_MAX (64 * 1024)

struct event;
struct oauth_listener;

/* The request about the token that is under way; one at a time. */
enum oauth_op {
	OAUTH_NOTHING,
	OAUTH_CHECK,      /* userinfo; calls wait */
	OAUTH_RENEW,      /* calls wait */
	OAUTH_VERIFY,     /* userinfo of a new token: has it its roles? */
	OAUTH_RELEARN,    /* userinfo, since the roles were refused; calls wait */
	OAUTH_PERMISSIONS /* may it write? */
};

struct oauth_login {
	bool pending;
	bool code_flow;
	char state[OAUTH_SECRET_TEXT];    /* of the code flow; else of the start page and cookie */
	char verifier[OAUTH_SECRET_TEXT]; /* PKCE */
	char target[4096];                /* where the browser is sent to */
	char url[4096];                   /* what people open */
	struct oauth_listener *listener;  /* may be closed already */
	struct event *timer;
	uint64_t until_ms;
	unsigned wrong; /* requests that were not the answer */

	/* A token that is tried before it is taken. */
	struct http_call *call;
	struct oauth_token candidate;
	rest_login_fn fn;
	void *user;
};

struct oauth {
	struct event_base *base;
	struct http_client *http;
	struct rest_owner owner;
	struct rest_settings settings; /* its texts are ours, NULL where not configured */
	struct http_url app_node;
	struct http_url callback; /* host "" without */
	bool callback_is_ours;    /* it is loopback, and not the app-node's own */
	char base_url[800];
	char token_url[1024];

	enum rest_state state;
	struct oauth_token token; /* `roles`: those that are asked for */
	struct oauth_roles have;  /* those it has */
	struct oauth_roles lost;
	bool from_cache;
	uint64_t generation;
	uint64_t expires_ms; /* monotonic; 0: not known */
	uint64_t renews_ms;  /* 0: never */
	uint64_t renewed_ms; /* when there was a renewal; 0: not yet */
	uint64_t renewals;
	bool write_known;
	bool write;
	bool skew_known;
	int64_t skew;
	char problem[400];
	char next[400];

	enum oauth_op op;
	struct http_call *call;
	struct event *timer;
	enum oauth_op timer_op; /* what it begins */
	unsigned failures;      /* one after the other */
	bool relearned;

	struct oauth_login login;
};

/* oauth.c */
void oauth_log(const struct oauth *o, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void oauth_set_problem(struct oauth *o, const char *next, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void oauth_set_state(struct oauth *o, enum rest_state state);
/* The token to be used from now on, which was just made if FRESH. TOKEN is copied. */
void oauth_adopt(struct oauth *o, const struct oauth_token *token, bool fresh);
/* GET of a path of the app-node with that token; FN gets the answer. NULL: no memory, or too much.
 */
struct http_call *oauth_get(struct oauth *o, const char *path, const char *token, http_answer_fn fn,
			    void *user);
/* POST of FORM, a text of application/x-www-form-urlencoded, to the token endpoint, with the
 * client's name and secret (RFC 6749 section 2.3.1). */
struct http_call *oauth_post_form(struct oauth *o, struct buf *form, http_answer_fn fn, void *user);
/* "&NAME=VALUE", encoded; without "&" when FORM is empty. */
void oauth_form_add(struct buf *form, const char *name, const char *value);

/* oauth_login.c */
void oauth_login_end(struct oauth *o); /* what is pending, and what is tried */

#endif
