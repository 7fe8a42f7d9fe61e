/* SPDX-License-Identifier: MIT */
/* bridge_calls.c: our calls, from asking to the one end that each of them has. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/clock.h"
#include "lib/util/hex.h"
#include "plugins/miningos/bridge_impl.h"

/* The child ends a call at its deadline; this much later we do. */
#define CALL_GRACE_MS 5000u

static void call_end(struct bridge *b, struct bridge_call *call, const char *error,
		     const struct json_object *result)
{
	b->calls_open--;
	call->fn(call->user, error, result);
	free(call);
}

/* Takes those out of the list that MATCH, oldest first. */
static struct bridge_call *
calls_take(struct bridge *b, bool (*match)(const struct bridge_call *, uint64_t), uint64_t value)
{
	struct bridge_call *taken = NULL;
	struct bridge_call **end = &taken;

	for (struct bridge_call **at = &b->calls; *at != NULL;) {
		struct bridge_call *call = *at;

		if (!match(call, value)) {
			at = &call->next;
			continue;
		}
		*at = call->next;
		call->next = NULL;
		*end = call;
		end = &call->next;
	}
	return taken;
}

static void calls_end(struct bridge *b, struct bridge_call *taken, const char *error)
{
	while (taken != NULL) {
		struct bridge_call *next = taken->next;

		call_end(b, taken, taken->failed != NULL ? taken->failed : error, NULL);
		taken = next;
	}
}

static bool call_has_id(const struct bridge_call *call, uint64_t id)
{
	return call->failed == NULL && call->id == id;
}

static bool call_is_late(const struct bridge_call *call, uint64_t now_ms)
{
	return call->failed != NULL || call->deadline_ms <= now_ms;
}

static bool call_any(const struct bridge_call *call, uint64_t value)
{
	(void)call;
	(void)value;
	return true;
}

static void calls_later(void *user)
{
	struct bridge *b = user;

	b->timer_later = 0;
	bridge_calls_expire(b, 0); /* those that have failed only */
}

bool bridge_calls_answer(struct bridge *b, uint32_t id, const char *error,
			 const struct json_object *result)
{
	struct bridge_call *call = calls_take(b, call_has_id, id);

	if (call == NULL)
		return false;
	call_end(b, call, error, result);
	return true;
}

void bridge_calls_expire(struct bridge *b, uint64_t now_ms)
{
	calls_end(b, calls_take(b, call_is_late, now_ms), "ERR_BRIDGE_TIMEOUT");
}

void bridge_calls_fail(struct bridge *b, const char *error)
{
	calls_end(b, calls_take(b, call_any, 0), error);
}

void bridge_forget(struct bridge *b, const void *user)
{
	for (struct bridge_call **at = &b->calls; *at != NULL;) {
		struct bridge_call *call = *at;

		if (call->user != user) {
			at = &call->next;
			continue;
		}
		*at = call->next;
		b->calls_open--;
		free(call);
	}
}

void bridge_calls_free(struct bridge *b)
{
	struct bridge_call *call = calls_take(b, call_any, 0);

	while (call != NULL) {
		struct bridge_call *next = call->next;

		free(call);
		call = next;
	}
	b->calls_open = 0;
}

void bridge_ask(struct bridge *b, const char *head, const char *body, size_t size,
		uint32_t deadline_ms, bool may_wait, bridge_reply_fn fn, void *user)
{
	struct bridge_call *call = calloc(1, sizeof(*call));

	if (call == NULL) {
		fn(user, "ERR_BRIDGE_BUSY", NULL);
		return;
	}
	b->last_id = b->last_id < INT32_MAX ? b->last_id + 1 : 1;
	*call = (struct bridge_call){
	    .next = b->calls,
	    .id = b->last_id,
	    .deadline_ms = clock_monotonic_ms() + deadline_ms + CALL_GRACE_MS,
	    .fn = fn,
	    .user = user,
	};
	b->calls = call;
	b->calls_open++;
	if (may_wait && b->phase != BRIDGE_RUNNING)
		call->failed = "ERR_BRIDGE_DOWN";
	else if ((may_wait && b->calls_open > BRIDGE_CALLS_MAX) ||
		 !bridge_send(b, call->id, head, body, size))
		call->failed = "ERR_BRIDGE_BUSY";
	if (call->failed != NULL && b->timer_later == 0 &&
	    b->api->timer_add(b->host, 0, 0, calls_later, b, NULL, &b->timer_later) != ADIT_OK)
		b->timer_later = 0; /* the tick ends it */
}

void bridge_call(struct bridge *b, const char *key, const char *method, const char *params,
		 uint32_t deadline_ms, bridge_reply_fn fn, void *user)
{
	struct buf body = {.limit = BRIDGE_LINE_MAX};
	uint8_t bytes[32];

	/* neither comes from outside, and neither may break the line */
	if (!hex_decode(key, bytes, sizeof(bytes)) || method[strcspn(method, "\"\\\n")] != '\0')
		key = method = "";
	b->calls_made++;
	(void)buf_printf(&body, "{\"key\":\"%s\",\"method\":\"%s\",\"timeout\":%u,\"params\":", key,
			 method, deadline_ms);
	if (params == NULL || params[0] == '\0')
		params = "null";
	(void)buf_append(&body, params, strlen(params));
	(void)buf_append_u8(&body, '}');
	bridge_ask(b, "\"method\":\"call\",\"params\":", (const char *)body.data,
		   body.failed ? 0 : body.size, deadline_ms, true, fn, user);
	buf_free(&body);
}
