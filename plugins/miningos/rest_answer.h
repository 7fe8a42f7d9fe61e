/* SPDX-License-Identifier: MIT */
/* rest_answer.h: what an answer of the app-node means. Its text is from outside. */
#ifndef MININGOS_REST_ANSWER_H
#define MININGOS_REST_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugins/miningos/rest_endpoints.h"

struct http_answer;
struct json_object;

struct rest_verdict {
	int32_t error;     /* as in struct rest_answer */
	char message[384]; /* "" without an error; of the first ork that failed even with ADIT_OK */
	bool refused;      /* the token */
	struct json_object *json; /* to be put; NULL for a file, and when it is none */
	size_t orks;
	size_t failed;
};

/* STATUS is HTTP's, LOCATION where a redirect leads (""), TEXT the body, SIZE bytes. */
void rest_answer_read(struct rest_verdict *out, enum rest_shape shape, long status,
		      const char *location, const void *text, size_t size);
/* The same for an answer that may not have arrived. */
void rest_answer_take(struct rest_verdict *out, enum rest_shape shape,
		      const struct http_answer *answer);
/* The error that fits an ERR_ word of the app-node, an ork or a rack. */
int32_t rest_error_of(const char *word);
/* All items of an answer of REST_LISTS or REST_PAGE, in order, in a new array that the caller puts;
 * they are shared with JSON. NULL without memory. */
struct json_object *rest_answer_items(enum rest_shape shape, struct json_object *json);

#endif
