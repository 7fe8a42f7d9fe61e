/* SPDX-License-Identifier: MIT */
/*
 * calls.h: calls that are under way: who waits for an answer of whom until when. Every call ends
 * exactly once: with the answer, by its deadline, or because one side went away.
 */
#ifndef HOST_CALLS_H
#define HOST_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

#define CALLS_PER_CALLER 1024
#define CALLS_TARGETS_MAX 64

struct call_reply {
	int32_t error;
	const char *message; /* "" without an error */
	const void *json;
	size_t json_size;
	const void *attachment;
	size_t attachment_size;
};

/* The end of the call with the caller's number TAG. */
typedef void (*call_reply_fn)(void *user, uint64_t tag, const struct call_reply *reply);

struct event_base;
struct calls;
struct calls *calls_new(struct event_base *base);
/* Drops what is under way without telling anybody. */
void calls_free(struct calls *calls);

/* Whom a call goes to: an endpoint and its worker's name (borrowed for the call of calls_begin). */
struct call_target {
	uint32_t endpoint;
	const char *name;
};

/* Enters a call by CALLER (any pointer that identifies it; its FN and TAG) to COUNT targets.
 * GATHER: all answers become one array [{"worker":..,"result":..} or {"worker":..,"error":{..}}].
 * *ID is the number under which the targets answer. ADIT_E_LIMIT when CALLER has too many. */
int32_t calls_begin(struct calls *calls, const void *caller, call_reply_fn fn, void *user,
		    uint64_t tag, const struct call_target *targets, size_t count, bool gather,
		    uint32_t deadline_ms, uint64_t *id);

/* ENDPOINT's answer to call ID. False: no such call, or not to this endpoint, or answered before.
 */
bool calls_answer(struct calls *calls, uint64_t id, uint32_t endpoint,
		  const struct call_reply *reply);
/* ENDPOINT is gone: its calls get ADIT_E_UNAVAILABLE with TEXT. */
void calls_endpoint_gone(struct calls *calls, uint32_t endpoint, const char *text);
/* CALLER is gone: forget its calls. */
void calls_caller_gone(struct calls *calls, const void *caller);
/* CALLER doesn't want the answer TAG any more. */
void calls_cancel(struct calls *calls, const void *caller, uint64_t tag);
/* Calls under way that ENDPOINT has not answered: for choosing the least busy worker. */
size_t calls_open(const struct calls *calls, uint32_t endpoint);

#endif
