/* SPDX-License-Identifier: MIT */
/*
 * oauth_listener.h: waits on loopback for a browser to come back from a login. It serves one page:
 * few connections, each with one small request and little time. A request whose Host is not the
 * listener's own is refused, so that no page of another name can speak to it (DNS rebinding).
 */
#ifndef MININGOS_OAUTH_LISTENER_H
#define MININGOS_OAUTH_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/http/url.h"
#include "lib/util/error.h"
#include "plugins/miningos/oauth_request.h"

struct event_base;
struct oauth_listener;

/* What to answer. Texts are borrowed until the function that fills it is called again. */
struct oauth_reply {
	int status;           /* 200, 302, 400, 404, 410 */
	const char *location; /* of 302; else NULL */
	const char *cookie;   /* value of OAUTH_COOKIE to set; NULL: none */
	const char *text;     /* for people, plain and without markup */
};
/* It may close the listener, not free it. */
typedef void (*oauth_listener_fn)(void *user, const struct oauth_request *request,
				  struct oauth_reply *reply);

/* Listens where URL says, whose host has to be loopback; "localhost" is 127.0.0.1, and ::1 where
 * there is IPv6. ADIT_E_IO: the port is taken. */
int32_t oauth_listener_new(struct oauth_listener **out, struct event_base *base,
			   const struct http_url *url, oauth_listener_fn fn, void *user,
			   struct error *e);
/* No more connections are accepted, and who has not asked yet is not answered; answers that are
 * being written are finished. */
void oauth_listener_close(struct oauth_listener *l);
/* Closes everything at once. NULL is allowed. */
void oauth_listener_free(struct oauth_listener *l);

#endif
