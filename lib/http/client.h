/* SPDX-License-Identifier: MIT */
/*
 * client.h: HTTP without blocking: libcurl's multi interface on the process's loop. Each call that
 * is under way has a connection of its own; idle ones are used again.
 *
 * What holds for every call: http and https alone; certificates are checked, TLS is 1.2 at least;
 * no redirect is followed (who asks decides what an answer of 3xx means); no proxy, whatever the
 * environment names; what comes is bounded, headers and body.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct event_base;
struct http_client;
struct http_call;

/* Everything is borrowed for http_client_send(), but METHOD, a literal. */
struct http_request {
	const char *method; /* "GET" */
	const char *url;
	const char *const *headers; /* complete lines, ended by NULL; NULL: none of one's own */
	const void *body;           /* NULL: none, and no Content-Type is due then */
	size_t size;
	const char *user; /* HTTP Basic; NULL: none */
	const char *password;
	uint32_t timeout_ms; /* of all of it */
	size_t max_bytes;    /* of the answer's body */
	bool secret;         /* both bodies and the headers are wiped when the call ends */
};

/* Everything is borrowed for the callback. */
struct http_answer {
	/* ADIT_OK: there is an answer, whatever its status. ADIT_E_UNAVAILABLE: no connection, or
	 * it ended, or TLS failed. ADIT_E_TIMEOUT. ADIT_E_LIMIT: more than max_bytes, or headers of
	 * more than 64 KiB. ADIT_E_PROTOCOL: no HTTP. */
	int32_t error;
	const char *message;  /* of such an error, else "" */
	long status;          /* 200; 0 without an answer */
	struct buf *body;     /* may be taken: moved out, and left empty */
	const char *type;     /* Content-Type, "" without */
	const char *location; /* Location, "" without */
	int64_t date;         /* Date as seconds since 1970; 0 without */
};

typedef void (*http_answer_fn)(void *user, const struct http_answer *answer);

/* MAX_CALLS under way at a time. CA_FILE: certificates (PEM) that sign servers instead of the
 * system's; NULL: those. Copied. NULL without memory. */
struct http_client *http_client_new(struct event_base *base, size_t max_calls, const char *ca_file);
/* Ends all calls without an answer. Not to be called from an answer. NULL is allowed. */
void http_client_free(struct http_client *c);
/* FN is called exactly once, later, unless the call is cancelled. NULL without memory or with too
 * many calls under way. */
struct http_call *http_client_send(struct http_client *c, const struct http_request *request,
				   http_answer_fn fn, void *user);
/* CALL may be NULL, and may be the one whose answer is being given. */
void http_client_cancel(struct http_call *call);

#endif
