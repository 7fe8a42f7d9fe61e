/* SPDX-License-Identifier: MIT */
/* http_script.h: an HTTP server in the test's own process, on the test's loop and on loopback. The
 * test decides by a function what each request is answered, right or wrong. */
#ifndef HTTP_SCRIPT_H
#define HTTP_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRIPT_LOG 64

struct event_base;
struct script_conn;

struct script_request {
	struct script_conn *conn;
	char method[16];
	char target[8192]; /* as it was sent: path and query */
	char head[16384];  /* all lines */
	char body[16384];
	size_t body_size;
};

typedef void (*script_fn)(void *user, struct script_request *request);

struct script_server {
	struct event_base *base;
	struct evconnlistener *listener;
	struct script_conn *conns;
	uint16_t port;
	script_fn fn;
	void *user;
	unsigned requests;
	unsigned connections;      /* accepted */
	unsigned open;             /* of them not closed yet */
	uint64_t sent;             /* bytes of script_flood() */
	char log[SCRIPT_LOG][256]; /* "GET /auth/list-things?limit=5" */
};

void script_server_init(struct script_server *s, struct event_base *base, script_fn fn, void *user);
void script_server_free(struct script_server *s);
/* The value of the header NAME of REQUEST, "" without; one buffer for all. */
const char *script_header(const struct script_request *request, const char *name);

/* STATUS with BODY as application/json; HEADERS are further complete lines with CRLF, or "". */
void script_answer(struct script_request *request, int status, const char *headers,
		   const char *body);
/* These bytes, and the end of the connection if CLOSE. */
void script_raw(struct script_request *request, const void *bytes, size_t size, bool close);
/* HEAD, then SIZE bytes, as fast as the client takes them. */
void script_flood(struct script_request *request, const char *head, uint64_t size);
/* HEAD, then a byte each 20 ms, without end. */
void script_drip(struct script_request *request, const char *head);
/* Nothing, the connection stays. */
void script_hang(struct script_request *request);

#endif
