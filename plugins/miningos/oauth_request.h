/* SPDX-License-Identifier: MIT */
/* oauth_request.h: the head of a request that a browser sends to the loopback listener. */
#ifndef MININGOS_OAUTH_REQUEST_H
#define MININGOS_OAUTH_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "plugins/miningos/oauth_token.h"

#define OAUTH_REQUEST_MAX 16384 /* bytes of a head */
#define OAUTH_COOKIE "adit_login"

/* Wiped by whoever has one: there may be a token in the query. */
struct oauth_request {
	char path[512]; /* as it was sent, not decoded: "/callback" */
	char query[2 * OAUTH_TOKEN_MAX];
	char host[288];  /* "127.0.0.1:8400" */
	char cookie[64]; /* value of OAUTH_COOKIE; empty without */
};

/* HEAD, SIZE bytes up to and with the empty line: a GET of HTTP/1.x with one Host. Returns the HTTP
 * status that it has to be refused with, or 0. */
int oauth_request_read(const char *head, size_t size, struct oauth_request *request);

/* The answer of a login in the query text QUERY: of an app-node `authToken`, of an OAuth2 server
 * `code` and `state`, of both `error`. Those that are not there are empty. To be wiped. */
struct oauth_result {
	char token[OAUTH_TOKEN_MAX + 1];
	char code[2048];
	char state[128];
	char error[128]; /* printable */
};
/* False: neither of them, or more than one kind. */
bool oauth_result_read(const char *query, size_t size, struct oauth_result *result);

#endif
