/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/calls.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "host/ipc.h"
#include "host/json_text.h"
#include "lib/util/buf.h"

#define CALLS_BUCKETS 256

struct call_part {
	uint32_t endpoint;
	char *name;
	bool done;
	struct buf text; /* gathered: its element of the array */
};

struct call {
	struct call *next; /* in its bucket */
	struct calls *calls;
	uint64_t id;
	const void *caller;
	call_reply_fn fn;
	void *user;
	uint64_t tag;
	bool gather;
	struct event *deadline;
	size_t open; /* parts that are not done */
	size_t count;
	struct call_part parts[];
};

struct calls {
	struct event_base *base;
	uint64_t last_id;
	struct call *buckets[CALLS_BUCKETS];
};

struct calls *calls_new(struct event_base *base)
{
	struct calls *calls = calloc(1, sizeof(*calls));

	if (calls != NULL)
		calls->base = base;
	return calls;
}

static void call_free(struct call *call)
{
	struct call **at = &call->calls->buckets[call->id % CALLS_BUCKETS];

	while (*at != NULL && *at != call)
		at = &(*at)->next;
	if (*at == call)
		*at = call->next;
	if (call->deadline != NULL)
		event_free(call->deadline);
	for (size_t i = 0; i < call->count; i++) {
		free(call->parts[i].name);
		buf_free(&call->parts[i].text);
	}
	free(call);
}

void calls_free(struct calls *calls)
{
	if (calls == NULL)
		return;
	for (size_t i = 0; i < CALLS_BUCKETS; i++) {
		while (calls->buckets[i] != NULL)
			call_free(calls->buckets[i]);
	}
	free(calls);
}

static struct call *calls_find(const struct calls *calls, uint64_t id)
{
	for (struct call *call = calls->buckets[id % CALLS_BUCKETS]; call != NULL;
	     call = call->next) {
		if (call->id == id)
			return call;
	}
	return NULL;
}

/* All parts of a gathered call as one array. What would make the answer too long is left out, with
 * an error in its place. */
static void call_gather(struct call *call, struct buf *out)
{
	static const char too_long[] =
	    ",\"error\":{\"code\":\"limit\",\"message\":\"the answers are too long together\"}}";

	(void)buf_append(out, "[", 1);
	for (size_t i = 0; i < call->count; i++) {
		struct call_part *part = &call->parts[i];

		(void)buf_printf(out, "%s{\"worker\":", i > 0 ? "," : "");
		(void)json_text_string(out, part->name);
		if (part->text.failed ||
		    out->size + part->text.size + (call->count - i) * 256 > IPC_JSON_MAX)
			(void)buf_append(out, too_long, strlen(too_long));
		else
			(void)buf_append(out, part->text.data, part->text.size);
	}
	(void)buf_append(out, "]", 1);
}

/* Ends CALL. It is out of the table before its caller hears of it. */
static void call_end(struct call *call, const struct call_reply *reply)
{
	call_reply_fn fn = call->fn;
	void *user = call->user;
	uint64_t tag = call->tag;
	struct buf array = {0};
	struct call_reply gathered = {.message = ""};

	if (call->gather) {
		call_gather(call, &array);
		gathered.json = array.data;
		gathered.json_size = array.size;
		reply = &gathered;
	}
	call_free(call);
	fn(user, tag, reply);
	buf_free(&array);
}

static void call_part_done(struct call *call, struct call_part *part,
			   const struct call_reply *reply)
{
	part->done = true;
	call->open--;
	if (!call->gather) {
		call_end(call, reply);
		return;
	}
	part->text.limit = IPC_JSON_MAX + 4096;
	if (reply->error == ADIT_OK) {
		(void)buf_printf(&part->text, ",\"result\":");
		(void)json_text_embed(&part->text, reply->json, reply->json_size);
	} else {
		(void)buf_printf(&part->text, ",\"error\":{\"code\":\"%s\",\"message\":",
				 adit_error_name(reply->error));
		(void)json_text_string(&part->text, reply->message);
		(void)buf_append(&part->text, "}", 1);
	}
	(void)buf_append(&part->text, "}", 1);
	if (call->open == 0)
		call_end(call, NULL);
}

static void call_on_deadline(evutil_socket_t fd, short what, void *user)
{
	const struct call_reply reply = {.error = ADIT_E_TIMEOUT, .message = "no answer in time"};
	struct call *call = user;
	size_t left = call->open;

	(void)fd;
	(void)what;
	/* the last part ends and frees the call */
	for (size_t i = 0; left > 0; i++) {
		if (call->parts[i].done)
			continue;
		left--;
		call_part_done(call, &call->parts[i], &reply);
	}
}

static size_t calls_of(const struct calls *calls, const void *caller)
{
	size_t count = 0;

	for (size_t i = 0; i < CALLS_BUCKETS; i++) {
		for (const struct call *call = calls->buckets[i]; call != NULL; call = call->next)
			count += call->caller == caller ? 1 : 0;
	}
	return count;
}

int32_t calls_begin(struct calls *calls, const void *caller, call_reply_fn fn, void *user,
		    uint64_t tag, const struct call_target *targets, size_t count, bool gather,
		    uint32_t deadline_ms, uint64_t *id)
{
	struct timeval wait = {deadline_ms / 1000, (suseconds_t)(deadline_ms % 1000) * 1000};
	struct call *call;
	struct call **bucket;

	if (count == 0 || count > CALLS_TARGETS_MAX)
		return ADIT_E_INVALID_ARGUMENT;
	if (calls_of(calls, caller) >= CALLS_PER_CALLER)
		return ADIT_E_LIMIT;
	call = calloc(1, sizeof(*call) + count * sizeof(call->parts[0]));
	if (call == NULL)
		return ADIT_E_NO_MEMORY;
	call->calls = calls;
	call->id = ++calls->last_id;
	call->caller = caller;
	call->fn = fn;
	call->user = user;
	call->tag = tag;
	call->gather = gather;
	call->open = count;
	call->count = count;
	for (size_t i = 0; i < count; i++) {
		call->parts[i].endpoint = targets[i].endpoint;
		call->parts[i].name = strdup(targets[i].name);
	}
	call->deadline = evtimer_new(calls->base, call_on_deadline, call);
	if (call->deadline == NULL || evtimer_add(call->deadline, &wait) != 0) {
		call_free(call);
		return ADIT_E_NO_MEMORY;
	}
	bucket = &calls->buckets[call->id % CALLS_BUCKETS];
	call->next = *bucket;
	*bucket = call;
	*id = call->id;
	return ADIT_OK;
}

bool calls_answer(struct calls *calls, uint64_t id, uint32_t endpoint,
		  const struct call_reply *reply)
{
	struct call *call = calls_find(calls, id);

	for (size_t i = 0; call != NULL && i < call->count; i++) {
		if (call->parts[i].endpoint != endpoint || call->parts[i].done)
			continue;
		call_part_done(call, &call->parts[i], reply);
		return true;
	}
	return false;
}

/* The first call, in the table's order, that waits for ENDPOINT. */
static struct call *calls_waiting_for(const struct calls *calls, uint32_t endpoint)
{
	for (size_t i = 0; i < CALLS_BUCKETS; i++) {
		for (struct call *call = calls->buckets[i]; call != NULL; call = call->next) {
			for (size_t j = 0; j < call->count; j++) {
				if (call->parts[j].endpoint == endpoint && !call->parts[j].done)
					return call;
			}
		}
	}
	return NULL;
}

void calls_endpoint_gone(struct calls *calls, uint32_t endpoint, const char *text)
{
	const struct call_reply reply = {.error = ADIT_E_UNAVAILABLE, .message = text};
	const struct call *call;

	/* a caller's function may do anything to the table: begin again each time */
	while ((call = calls_waiting_for(calls, endpoint)) != NULL)
		(void)calls_answer(calls, call->id, endpoint, &reply);
}

void calls_caller_gone(struct calls *calls, const void *caller)
{
	for (size_t i = 0; i < CALLS_BUCKETS; i++) {
		for (struct call *call = calls->buckets[i], *next; call != NULL; call = next) {
			next = call->next;
			if (call->caller == caller)
				call_free(call);
		}
	}
}

void calls_cancel(struct calls *calls, const void *caller, uint64_t tag)
{
	for (size_t i = 0; i < CALLS_BUCKETS; i++) {
		for (struct call *call = calls->buckets[i]; call != NULL; call = call->next) {
			if (call->caller == caller && call->tag == tag) {
				call_free(call);
				return;
			}
		}
	}
}

size_t calls_open(const struct calls *calls, uint32_t endpoint)
{
	size_t count = 0;

	for (size_t i = 0; i < CALLS_BUCKETS; i++) {
		for (const struct call *call = calls->buckets[i]; call != NULL; call = call->next) {
			for (size_t j = 0; j < call->count; j++)
				count +=
				    call->parts[j].endpoint == endpoint && !call->parts[j].done;
		}
	}
	return count;
}
