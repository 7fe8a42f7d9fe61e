/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/capnp/rpc_internal.h"

/* Calls of objects of our own that one flush runs. */
#define WORK_AT_ONCE 64u

const char *capn_exception_name(enum capn_exception type)
{
	static const char *const names[] = {"failed", "overloaded", "disconnected",
					    "unimplemented"};
	return (size_t)type < sizeof(names) / sizeof(names[0]) ? names[type] : "unknown";
}

struct capn_rpc *capn_rpc_new(const struct capn_rpc_callbacks *callbacks, void *user)
{
	struct capn_rpc *rpc = calloc(1, sizeof(*rpc));
	if (rpc == NULL)
		return NULL;
	rpc->callbacks = callbacks;
	rpc->user = user;
	/* The head of a message and the rest of a read come on top of what a message may have. */
	rpc->in.limit = CAPN_MESSAGE_MAX * 2;
	rpc->out.limit = CAPN_OUTPUT_MAX;
	TAILQ_INIT(&rpc->calls);
	TAILQ_INIT(&rpc->unsent);
	TAILQ_INIT(&rpc->work);
	TAILQ_INIT(&rpc->caps);
	TAILQ_INIT(&rpc->incoming);
	return rpc;
}

void rpc_wake(struct capn_rpc *rpc)
{
	rpc->callbacks->ready(rpc->user);
}

/* --- around everything that runs callbacks
 * ----------------------------------------------------------- */

static void enter(struct capn_rpc *rpc)
{
	rpc->depth++;
}

static void destroy(struct capn_rpc *rpc)
{
	struct capn_cap *cap;
	struct capn_incoming *incoming;
	struct capn_call *call;
	/* What the program still holds learns that there is no connection any more. */
	TAILQ_FOREACH(cap, &rpc->caps, all)
	cap->rpc = NULL;
	TAILQ_FOREACH(incoming, &rpc->incoming, all)
	incoming->rpc = NULL;
	TAILQ_FOREACH(call, &rpc->unsent, all)
	call->rpc = NULL;
	capn_table_free(&rpc->questions);
	capn_table_free(&rpc->answers);
	capn_table_free(&rpc->imports);
	capn_table_free(&rpc->exports);
	capn_table_free(&rpc->embargoes);
	buf_free(&rpc->in);
	buf_free(&rpc->out);
	free(rpc);
}

static void leave(struct capn_rpc *rpc)
{
	if (--rpc->depth == 0 && rpc->doomed)
		destroy(rpc);
}

/* --- the end
 * ------------------------------------------------------------------------------------------ */

static void end_answers(struct capn_rpc *rpc)
{
	while (rpc->answers.count > 0) {
		struct capn_incoming *incoming = rpc->answers.entries[0].value;
		capn_table_remove(&rpc->answers, incoming->id);
		incoming->registered = false;
		incoming->dead = true;
		if (!incoming->serving && incoming->forward == NULL)
			incoming_free(incoming);
	}
}

static void drop_all(struct capn_table *t)
{
	while (t->count > 0) {
		struct capn_cap *cap = capn_table_remove(t, t->entries[0].id);
		cap->exported = false;
		capn_cap_unref(cap);
	}
}

/* Everything that the conversation consists of ends. Callbacks may start nothing new: `ended`. */
static void end_all(struct capn_rpc *rpc, const char *reason)
{
	struct capn_call *call;
	struct capn_cap *cap;
	rpc->ended = true;
	TAILQ_FOREACH(cap, &rpc->caps, all)
	{
		if (cap->kind != CAP_IMPORT)
			continue;
		cap_break(cap, CAPN_DISCONNECTED, reason);
	}
	rpc->imports.count = 0;
	while ((call = TAILQ_FIRST(&rpc->calls)) != NULL)
		call_fail(call, CAPN_DISCONNECTED, reason);
	end_answers(rpc);
	drop_all(&rpc->exports);
	drop_all(&rpc->embargoes);
	cap = rpc->bootstrap;
	rpc->bootstrap = NULL;
	capn_cap_unref(cap);
}

void rpc_ended(struct capn_rpc *rpc, const struct error *reason)
{
	if (rpc->ended)
		return;
	end_all(rpc, reason->text);
	if (rpc->callbacks->ended != NULL)
		rpc->callbacks->ended(rpc->user, reason);
}

void rpc_fault(struct capn_rpc *rpc, const char *reason)
{
	struct error e;
	struct capn_builder b = {0};
	if (rpc->ended)
		return;
	struct capn_ref exception = rpc_new_message(&b, MESSAGE_ABORT, SIZE_EXCEPTION);
	capn_set_text(exception, 0, reason, strlen(reason));
	rpc_send(rpc, &b);
	capn_builder_free(&b);
	error_set(&e, ADIT_E_PROTOCOL, "the peer broke the protocol: %s", reason);
	rpc_ended(rpc, &e);
}

void capn_rpc_close(struct capn_rpc *rpc, const char *reason)
{
	if (rpc->ended)
		return;
	enter(rpc);
	end_all(rpc, reason);
	leave(rpc);
}

void capn_rpc_free(struct capn_rpc *rpc)
{
	enter(rpc);
	capn_rpc_close(rpc, "the connection was closed");
	rpc->doomed = true;
	leave(rpc);
}

/* --- bytes
 * -------------------------------------------------------------------------------------------- */

struct capn_ref rpc_new_message(struct capn_builder *b, uint16_t which, uint16_t data_words,
				uint16_t pointers)
{
	struct capn_ref message = capn_new_root(b, SIZE_MESSAGE);
	capn_write16(message, 0, which);
	return capn_new_struct(message, 0, data_words, pointers);
}

void rpc_send(struct capn_rpc *rpc, const struct capn_builder *b)
{
	if (rpc->ended)
		return;
	/* The next flush ends it: here callbacks would run inside of whatever asked. */
	if (capn_frame(b, &rpc->out) != ADIT_OK)
		rpc->overflow = true;
	rpc_wake(rpc);
}

/* One message, whose bytes are RPC's frame. */
static void handle_frame(struct capn_rpc *rpc)
{
	struct capn_message m;
	struct error e;
	if (capn_message_init(&m, rpc->frame, rpc->frame_size, &e) != ADIT_OK) {
		rpc_fault(rpc, e.text);
		return;
	}
	rpc_dispatch(rpc, capn_root(&m));
	if (capn_failed(&m))
		rpc_fault(rpc, m.failure);
}

void capn_rpc_input(struct capn_rpc *rpc, const void *data, size_t size)
{
	size_t done = 0;
	enter(rpc);
	if (!rpc->ended && !buf_append(&rpc->in, data, size))
		rpc_fault(rpc, "a message is too large");
	while (!rpc->ended) {
		uint64_t frame =
		    capn_frame_size(rpc->in.data + done, rpc->in.size - done, CAPN_MESSAGE_MAX);
		if (frame == UINT64_MAX)
			rpc_fault(rpc, "a message is too large");
		if (frame == 0 || frame > rpc->in.size - done)
			break;
		rpc->frame = rpc->in.data + done;
		rpc->frame_size = (size_t)frame;
		handle_frame(rpc);
		done += (size_t)frame;
	}
	buf_drain(&rpc->in, rpc->ended ? rpc->in.size : done);
	leave(rpc);
}

struct buf *capn_rpc_flush(struct capn_rpc *rpc)
{
	struct capn_call *call;
	struct error e;
	enter(rpc);
	if (rpc->overflow) {
		error_set(&e, ADIT_E_LIMIT, "more than %zu bytes wait for the peer",
			  CAPN_OUTPUT_MAX);
		rpc_ended(rpc, &e);
	}
	/* Bounded: an object that calls itself must not keep the loop from other things. */
	for (uint32_t i = 0; i < WORK_AT_ONCE && (call = TAILQ_FIRST(&rpc->work)) != NULL; i++)
		call_run(call);
	if (TAILQ_FIRST(&rpc->work) != NULL)
		rpc_wake(rpc);
	bool gone = rpc->doomed && rpc->depth == 1;
	leave(rpc);
	return gone ? NULL : &rpc->out;
}

struct capn_rpc_counts capn_rpc_count(const struct capn_rpc *rpc)
{
	return (struct capn_rpc_counts){rpc->questions.count, rpc->answers.count,
					rpc->imports.count, rpc->exports.count};
}
