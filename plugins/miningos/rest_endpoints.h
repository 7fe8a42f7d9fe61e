/* SPDX-License-Identifier: MIT */
/* rest_endpoints.h: the app-node's endpoints as a table, and how a request of one is written. */
#ifndef MININGOS_REST_ENDPOINTS_H
#define MININGOS_REST_ENDPOINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

struct buf;
struct json_object;

#define REST_MAX_ARGUMENTS 14
#define REST_MAX_URL 15000 /* Node.js takes 16 KiB for all headers together */

enum rest_type {
	REST_TEXT,       /* 1 to 1024 bytes */
	REST_COMMENT,    /* text of 1 to 8192 bytes */
	REST_WHOLE,      /* a whole number of 0..2^53 */
	REST_BOOL,       /* "true" or "false" in a query */
	REST_FLAG,       /* a bool that is there, as 1, or not there */
	REST_OBJECT,     /* JSON text in a query */
	REST_ARRAY,      /* likewise */
	REST_JSON_VALUE, /* object or array, likewise */
	REST_IDS         /* an array of whole numbers, or one; "1,2,3" in a query */
};

enum rest_place { REST_PATH, REST_QUERY, REST_BODY };

/* What an answer with status 200 looks like. An element that stands for an ork may be its error. */
enum rest_shape {
	REST_OBJECT_ANSWER, /* {..} */
	REST_ANY_ANSWER,    /* any JSON */
	REST_PER_ORK,       /* [x, ..], one for each ork */
	REST_LISTS,         /* [[x, ..], ..], a list for each ork */
	REST_PAGE,          /* [x, ..], or {data: [x, ..], ..} */
	REST_BYTES          /* a file */
};

struct rest_argument {
	const char *name; /* NULL ends the list */
	enum rest_type type;
	enum rest_place place;
	bool required;
};

struct rest_endpoint {
	const char *name; /* of rest_call() */
	const char *method;
	const char *path; /* ":name" stands for an argument */
	enum rest_shape shape;
	struct rest_argument arguments[REST_MAX_ARGUMENTS];
};

/* NULL: there is none of that name. */
const struct rest_endpoint *rest_endpoint_find(const char *name);
/* Whether it has `offset` and `limit`, and answers lists. */
bool rest_endpoint_has_pages(const struct rest_endpoint *endpoint);

/* Appends to URL path and query, and to BODY the JSON text of the body (nothing for an endpoint
 * that has no body; "{}" at least for one that has). ARGUMENTS: an object or NULL.
 * ADIT_E_INVALID_ARGUMENT: which argument is missing, unknown or of another type. ADIT_E_LIMIT: the
 * address is too long. */
int32_t rest_endpoint_write(const struct rest_endpoint *endpoint, struct json_object *arguments,
			    struct buf *url, struct buf *body, struct error *e);

#endif
