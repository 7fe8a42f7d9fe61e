/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/capnp/rpc_internal.h"

static void wait_on(struct capn_call *call, struct call_list *list)
{
	call->waiting = list;
	TAILQ_INSERT_TAIL(list, call, wait);
}

static void stop_waiting(struct capn_call *call)
{
	if (call->waiting != NULL)
		TAILQ_REMOVE(call->waiting, call, wait);
	call->waiting = NULL;
}

static struct capn_call *call_new(struct capn_rpc *rpc)
{
	struct capn_call *call = calloc(1, sizeof(*call));
	if (call == NULL)
		return NULL;
	call->rpc = rpc;
	call->builder.limit = CAPN_MESSAGE_MAX;
	TAILQ_INIT(&call->promises);
	if (rpc != NULL)
		TAILQ_INSERT_TAIL(&rpc->unsent, call, all);
	return call;
}

struct capn_call *capn_call_new(struct capn_cap *target, uint64_t interface, uint16_t method,
				uint16_t data_words, uint16_t pointers)
{
	struct capn_call *call = call_new(target->rpc);
	if (call == NULL)
		return NULL;
	call->target = capn_cap_ref(target);
	call->interface = interface;
	call->method = method;
	call->call = rpc_new_message(&call->builder, MESSAGE_CALL, SIZE_CALL);
	capn_write16(call->call, CALL_METHOD, method);
	capn_write64(call->call, CALL_INTERFACE, interface);
	call->payload = capn_new_struct(call->call, CALL_PARAMS, SIZE_PAYLOAD);
	call->params = capn_new_struct(call->payload, PAYLOAD_CONTENT, data_words, pointers);
	return call;
}

struct capn_ref capn_call_params(struct capn_call *call)
{
	return call->params;
}

void capn_call_set_cap(struct capn_call *call, struct capn_ref in, uint32_t index,
		       struct capn_cap *cap)
{
	uint32_t at = caps_add(call->rpc, &call->caps, cap);
	if (at == UINT32_MAX)
		call->builder.failed = true;
	else
		capn_set_cap(in, index, at);
}

const struct capn_cap *capn_call_first_cap(const struct capn_call *call)
{
	return call->caps.count > 0 ? call->caps.items[0].cap : NULL;
}

static void break_promises(struct capn_call *call)
{
	struct capn_cap *cap;
	while ((cap = TAILQ_FIRST(&call->promises)) != NULL) {
		TAILQ_REMOVE(&call->promises, cap, promise);
		cap->question = NULL;
		cap_break(cap, CAPN_FAILED, "the call that promised it was given up");
	}
}

void call_free(struct capn_call *call)
{
	stop_waiting(call);
	if (call->rpc != NULL)
		TAILQ_REMOVE(call->sent ? &call->rpc->calls : &call->rpc->unsent, call, all);
	if (call->on_wire)
		capn_table_remove(&call->rpc->questions, call->id);
	if (call->local != NULL) {
		call->local->question = NULL;
		/* Nobody else has it: the answer was on its way to this call. */
		if (call->local->answered && !call->local->registered)
			incoming_free(call->local);
	}
	break_promises(call);
	caps_free(&call->caps);
	capn_cap_unref(call->target);
	capn_builder_free(&call->builder);
	free(call);
}

/* --- sending
 * --------------------------------------------------------------------------------------- */

static void mark_sent(struct capn_call *call)
{
	TAILQ_REMOVE(&call->rpc->unsent, call, all);
	TAILQ_INSERT_TAIL(&call->rpc->calls, call, all);
	call->sent = true;
}

static bool take_question(struct capn_call *call)
{
	call->id = capn_table_unused(&call->rpc->questions);
	call->on_wire = capn_table_put(&call->rpc->questions, call->id, call, CAPN_CALLS_MAX);
	return call->on_wire;
}

static void send_to_peer(struct capn_call *call, struct capn_cap *target)
{
	struct capn_cap *cap;
	caps_write(call->rpc, call->payload, &call->caps);
	if (!take_question(call) || call->builder.failed) {
		caps_unexport(call->rpc, &call->caps);
		call->refused = true;
		wait_on(call, &call->rpc->work);
		rpc_wake(call->rpc);
		return;
	}
	/* Whoever asked for promises while the call was held gets its number now. */
	TAILQ_FOREACH(cap, &call->promises, promise)
	cap->question_id = call->id;
	capn_write32(call->call, 0, call->id);
	cap_target(call->call, CALL_TARGET, target);
	/* The answer to a later call through a chain of promises may come back to us as well. */
	for (cap = call->target; cap != NULL; cap = cap == target ? NULL : cap->resolved)
		cap->called = true;
	rpc_send(call->rpc, &call->builder);
	/* The table of capabilities stays until the answer: it says what the peer was given. */
	capn_builder_free(&call->builder);
}

void call_route(struct capn_call *call)
{
	struct capn_cap *target = cap_end(call->target);
	if (target->holding || (target->kind == CAP_PROMISE && target->question != NULL &&
				!target->question->on_wire)) {
		target->holding = true;
		wait_on(call, &target->held);
	} else if (target->kind == CAP_LOCAL || target->kind == CAP_BROKEN) {
		wait_on(call, &call->rpc->work);
		rpc_wake(call->rpc);
	} else {
		send_to_peer(call, target);
	}
}

int32_t capn_call_send(struct capn_call *call, capn_return_fn *done, void *user, struct error *e)
{
	struct capn_cap *target = cap_end(call->target);
	int32_t rc = ADIT_OK;
	if (call->rpc == NULL || call->rpc->ended)
		rc = error_set(e, ADIT_E_UNAVAILABLE, "the connection is closed");
	else if (target->kind == CAP_BROKEN)
		rc = error_set(e, ADIT_E_UNAVAILABLE, "%s", target->reason);
	else if (call->builder.failed)
		rc = error_set(e, ADIT_E_NO_MEMORY, "the parameters of a call don't fit a message");
	else if (call->rpc->questions.count >= CAPN_CALLS_MAX)
		rc = error_set(e, ADIT_E_LIMIT, "%u calls are waiting for an answer",
			       CAPN_CALLS_MAX);
	if (rc != ADIT_OK) {
		call_free(call);
		return rc;
	}
	call->done = done;
	call->user = user;
	mark_sent(call);
	call_route(call);
	return ADIT_OK;
}

struct capn_cap *capn_call_promise(struct capn_call *call, const uint16_t *path, uint32_t n)
{
	struct capn_cap *cap =
	    n <= CAPN_PATH_MAX && call->rpc != NULL ? cap_new(call->rpc, CAP_PROMISE) : NULL;
	if (cap == NULL)
		return NULL;
	if (n > 0)
		memcpy(cap->path.fields, path, n * sizeof(*path));
	cap->path.count = n;
	cap->question = call;
	cap->question_id = call->id;
	TAILQ_INSERT_TAIL(&call->promises, cap, promise);
	return cap;
}

struct capn_cap *capn_bootstrap(struct capn_rpc *rpc)
{
	struct capn_call *call = rpc->ended ? NULL : call_new(rpc);
	if (call == NULL)
		return NULL;
	struct capn_cap *cap = capn_call_promise(call, NULL, 0);
	if (cap == NULL || !take_question(call)) {
		capn_cap_unref(cap);
		call_free(call);
		return NULL;
	}
	cap->question_id = call->id;
	mark_sent(call);
	capn_write32(rpc_new_message(&call->builder, MESSAGE_BOOTSTRAP, SIZE_BOOTSTRAP), 0,
		     call->id);
	rpc_send(rpc, &call->builder);
	capn_builder_free(&call->builder);
	return cap;
}

void capn_call_cancel(struct capn_call *call)
{
	struct capn_rpc *rpc = call->rpc;
	if (call->local != NULL && call->local->elsewhere) {
		/* The peer's call as well, which goes on for the peer unless that is through with it. */
		call->local->question = NULL;
		if (call->local->answered && !call->local->registered)
			incoming_free(call->local);
		call->local = NULL;
	} else if (call->local != NULL) {
		call->local->dead = true;
		if (call->local->answered) {
			incoming_free(call->local);
			call->local = NULL;
		}
	}
	if (!call->on_wire || rpc == NULL || rpc->ended) {
		call_free(call);
		return;
	}
	/* Its number is free for another call only when the peer has answered. */
	call->cancelled = true;
	call->done = NULL;
	break_promises(call);
	rpc_send_finish(rpc, call->id, false);
	if (call->returned)
		call_free(call);
}

/* --- answers
 * --------------------------------------------------------------------------------------- */

static void settle_promise(struct capn_cap *cap, const struct capn_return *result)
{
	struct capn_cap *target =
	    result->ok ? cap_at(result->results, result->caps, &cap->path) : NULL;
	cap->question = NULL;
	if (target != NULL)
		cap_resolve(cap, target);
	else
		cap_break(cap, result->ok ? CAPN_FAILED : result->type,
			  result->ok ? "the answer has no such capability" : result->reason);
}

void call_complete(struct capn_call *call, const struct capn_return *result)
{
	struct capn_rpc *rpc = call->rpc;
	struct capn_cap *cap;
	stop_waiting(call);
	while ((cap = TAILQ_FIRST(&call->promises)) != NULL) {
		TAILQ_REMOVE(&call->promises, cap, promise);
		capn_cap_ref(cap);
		settle_promise(cap, result);
		capn_cap_unref(cap);
	}
	/* The answer to a cancelled one crossed its finish. */
	if (call->on_wire && !call->cancelled)
		rpc_send_finish(rpc, call->id, true);
	/* Gone before its owner hears of it, who may end everything in the callback. */
	capn_return_fn *done = call->done;
	void *user = call->user;
	call_free(call);
	if (done != NULL)
		done(user, result);
}

void call_fail(struct capn_call *call, enum capn_exception type, const char *reason)
{
	struct capn_return result = {.ok = false, .type = type, .reason = reason};
	call_complete(call, &result);
}

/* --- calls of objects of ours
 * ------------------------------------------------------------------------ */

/* The answer of an object of ours, read back from the message that a peer would have got. */
static void complete_locally(struct capn_call *call, struct capn_incoming *answer)
{
	struct capn_message m;
	struct capn_return result = {.ok = !answer->failed,
				     .type = answer->type,
				     .reason = answer->reason != NULL ? answer->reason : "",
				     .caps = &answer->caps};
	call->local = NULL;
	answer->question = NULL;
	if (result.ok &&
	    capn_message_init(&m, answer->bytes.data, answer->bytes.size, NULL) == ADIT_OK) {
		struct capn_ptr payload = capn_getp(capn_getp(capn_root(&m), 0), 0);
		result.results = capn_getp(payload, PAYLOAD_CONTENT);
	}
	/* The peer may still call what is in the result of a call that is its own, too. */
	bool kept = answer->registered;
	call_complete(call, &result);
	if (!kept)
		incoming_free(answer);
}

static void serve_locally(struct capn_call *call, struct capn_cap *target)
{
	struct capn_message m;
	struct buf bytes = {0};
	struct capn_incoming *incoming = incoming_new(call->rpc);
	if (incoming == NULL || capn_frame(&call->builder, &bytes) != ADIT_OK ||
	    capn_message_init(&m, bytes.data, bytes.size, NULL) != ADIT_OK) {
		if (incoming != NULL)
			incoming_free(incoming);
		call_fail(call, CAPN_OVERLOADED, "out of memory");
	} else {
		struct capn_ptr body = capn_getp(capn_root(&m), 0);
		incoming->interface = call->interface;
		incoming->method = call->method;
		incoming->params = call->caps;
		call->caps = (struct capn_caps){NULL, 0};
		incoming->question = call;
		call->local = incoming;
		incoming_deliver(incoming, target,
				 capn_getp(capn_getp(body, CALL_PARAMS), PAYLOAD_CONTENT));
	}
	buf_free(&bytes);
}

void call_run(struct capn_call *call)
{
	stop_waiting(call);
	if (call->local != NULL) {
		complete_locally(call, call->local);
		return;
	}
	/* Lives as long as its text is used. */
	struct capn_cap *target = capn_cap_ref(cap_end(call->target));
	if (call->refused)
		call_fail(call, CAPN_OVERLOADED, "too many calls, or one too large");
	else if (target->kind == CAP_BROKEN)
		call_fail(call, target->type, target->reason != NULL ? target->reason : "");
	else
		serve_locally(call, target);
	capn_cap_unref(target);
}

void call_answered(struct capn_call *call)
{
	wait_on(call, &call->rpc->work);
	rpc_wake(call->rpc);
}
