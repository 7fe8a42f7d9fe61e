/* SPDX-License-Identifier: MIT */
/* rack_call.h: a call of a rack's method that is under way, for the files that answer methods. */
#ifndef MININGOS_RACK_CALL_H
#define MININGOS_RACK_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "plugins/miningos/rack.h"

struct rack_call {
	struct miningos *m;
	const char *rack_id; /* the settings' */
	struct json_object *params;
	rack_reply_fn fn;
	void *ctx;
	TAILQ_ENTRY(rack_call) link;
};

TAILQ_HEAD(rack_calls, rack_call);

/* A method's function answers CALL once, with one of these, before it returns or later; CALL is
 * gone then. RESULT is consumed; ERROR is a name as in rack.h. */
void rack_answer(struct rack_call *call, struct json_object *result);
void rack_answer_count(struct rack_call *call, int64_t count);
void rack_refuse(struct rack_call *call, const char *error);

typedef void (*rack_method_fn)(struct rack_call *call);

struct rack_method {
	const char *name;
	rack_method_fn fn;
};

/* The member KEY of the call's parameters; NULL when they are no object or do not have it. */
struct json_object *rack_param(const struct rack_call *call, const char *key);
/* The same of a text; NULL when it is none. */
const char *rack_text(const struct rack_call *call, const char *key);
/* A number of 0 or more, as the number or its text; FALLBACK when it is none. */
uint64_t rack_number(const struct rack_call *call, const char *key, uint64_t fallback);
/* As JavaScript sees it: not false, 0, "", null or absent. */
bool rack_truthy(const struct rack_call *call, const char *key);

/* What the miningos instance keeps of its racks. */
struct rack_state {
	struct rack_calls open;
	char keys[2][65]; /* RPC public keys of the miners' rack and of the pool's, "" at first */
	uint64_t registered_ms[2];
};

void rack_begin(struct miningos *m);
/* Ends open calls with ERR_RACK_STOPPED. */
void rack_end(struct miningos *m);

#endif
