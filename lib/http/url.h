/* SPDX-License-Identifier: MIT */
/* url.h: addresses of the web: taken apart, and written. RFC 3986; the query's form is that of
 * application/x-www-form-urlencoded. */
#ifndef HTTP_URL_H
#define HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

struct buf;

struct http_url {
	char scheme[8];   /* "http" or "https" */
	char host[256];   /* "localhost", "127.0.0.1", "[::1]" */
	uint16_t port;    /* the scheme's own when none was written */
	char path[512];   /* "/" at least */
	char origin[288]; /* scheme, host and port: "http://localhost:3000" */
};

/* TEXT: http or https, with a host, without user, query and fragment. ADIT_E_INVALID_ARGUMENT. */
int32_t http_url_parse(const char *text, struct http_url *url, struct error *e);
/* "localhost", 127.0.0.0/8 or ::1: what is sent there leaves this machine's kernel never. */
bool http_url_is_loopback(const struct http_url *url);

/* Appends TEXT, SIZE bytes, so that it may stand in a path or a query: all but letters, digits and
 * "-._~" as %XX. */
void http_url_encode(struct buf *out, const void *text, size_t size);
/* Decodes %XX and, in a query, "+". OUT has room for SIZE + 1 bytes and gets a NUL. False for
 * "%" without two digits, and for a NUL in the text. */
bool http_url_decode(const char *text, size_t size, char *out);
/* The value of NAME in the query text QUERY ("a=1&b=2", SIZE bytes), decoded. False without one,
 * with two of them, when it is not encoded properly, or not smaller than ROOM; OUT is empty then.
 */
bool http_query_value(const char *query, size_t size, const char *name, char *out, size_t room);

/* RFC 4648 section 5, without padding. Encoded: OUT has room for (SIZE * 4 + 2) / 3 + 1. */
void http_base64url_encode(const void *data, size_t size, char *out);
/* *GOT bytes; false when TEXT is not of that form or ROOM is too little. */
bool http_base64url_decode(const char *text, size_t size, void *out, size_t room, size_t *got);

#endif
