/* SPDX-License-Identifier: MIT */
/*
 * oauth.h: the client's token: where it comes from, how it is kept good, and what is the matter
 * with it. rest.h says the same for the outside; rest.c is what uses this.
 *
 * An app-node's token lives for minutes, is good for the addresses it was made for, and is renewed
 * by POST /auth/token as long as it is good, with its roles repeated, which a renewal without them
 * would lose. There is no refresh token there, and no login without a browser. A gateway in front
 * of an app-node may have OAuth2 proper (RFC 6749): with oauth_authorize_url the login is its
 * authorization code flow with PKCE (RFC 7636) and a loopback address (RFC 8252), and its token is
 * renewed by the refresh token.
 *
 * The bearer token is sent to app_node_url alone, refresh token, code and client secret to
 * oauth_token_url alone.
 */
#ifndef MININGOS_OAUTH_H
#define MININGOS_OAUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"
#include "plugins/miningos/rest.h"

struct event_base;
struct http_client;
struct json_object;
struct oauth;

/* All as in rest.h; HTTP outlives it. OWNER is copied; its `changed` may be called from inside of
 * any function here. */
int32_t oauth_new(struct oauth **out, struct event_base *base, struct http_client *http,
		  const struct rest_settings *s, const struct rest_owner *owner, struct error *e);
void oauth_start(struct oauth *o);
/* Ends what is under way and wipes; HTTP may go after that. The cache file stays. */
void oauth_stop(struct oauth *o);
void oauth_free(struct oauth *o);

enum rest_state oauth_state(const struct oauth *o);
struct json_object *oauth_status(const struct oauth *o);
/* Of app_node_url, without "/" at its end: what paths are put behind. */
const char *oauth_base_url(const struct oauth *o);
/* What a caller is told when there is no token: the problem, and what to do. */
void oauth_explain(const struct oauth *o, char *out, size_t room);

/* Whether a call has to wait, since a token is tried or renewed. */
bool oauth_waits(const struct oauth *o);
/* The token for a call that does not wait: *BEARER is NULL when calls go without (provider none).
 * False: there is none, login needed. *GENERATION is another number for each token. */
bool oauth_bearer(const struct oauth *o, const char **bearer, uint64_t *generation);
/* The token of that generation was refused. Unless there is another one already, calls wait from
 * now on: it is renewed, or tried when it was renewed a moment ago. */
void oauth_refused(struct oauth *o, uint64_t generation);
/* A Date header of the app-node, as seconds since 1970; 0 is ignored. */
void oauth_saw_date(struct oauth *o, int64_t date);

int32_t oauth_login_start(struct oauth *o, const char **url, const char **listener,
			  struct error *e);
int32_t oauth_login_token(struct oauth *o, const char *text, size_t size, const char *refresh,
			  rest_login_fn fn, void *user, struct error *e);
void oauth_logout(struct oauth *o);

#endif
