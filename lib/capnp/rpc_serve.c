/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/capnp/rpc_internal.h"

struct capn_incoming *incoming_new(struct capn_rpc *rpc)
{
	struct capn_incoming *incoming = calloc(1, sizeof(*incoming));
	if (incoming == NULL)
		return NULL;
	incoming->rpc = rpc;
	incoming->builder.limit = CAPN_MESSAGE_MAX;
	TAILQ_INIT(&incoming->queue);
	TAILQ_INIT(&incoming->promises);
	TAILQ_INSERT_TAIL(&rpc->incoming, incoming, all);
	return incoming;
}

/* INCOMING, which waits for the answer of another call, waits no more. */
static void leave_queue(struct capn_incoming *incoming)
{
	TAILQ_REMOVE(&incoming->behind->queue, incoming, wait);
	incoming->behind = NULL;
	incoming->rpc->queued -= incoming->bytes.size;
}

void incoming_free(struct capn_incoming *incoming)
{
	struct capn_cap *cap;
	struct capn_rpc *rpc = incoming->rpc;
	if (incoming->behind != NULL)
		leave_queue(incoming);
	while (TAILQ_FIRST(&incoming->queue) != NULL)
		leave_queue(TAILQ_FIRST(&incoming->queue));
	while ((cap = TAILQ_FIRST(&incoming->promises)) != NULL) {
		TAILQ_REMOVE(&incoming->promises, cap, promise);
		cap->owner = NULL;
		cap_break(cap, CAPN_FAILED, "the call that promised it was given up");
	}
	if (rpc != NULL) {
		TAILQ_REMOVE(&rpc->incoming, incoming, all);
		if (incoming->registered)
			capn_table_remove(&rpc->answers, incoming->id);
	}
	caps_free(&incoming->params);
	caps_free(&incoming->caps);
	capn_builder_free(&incoming->builder);
	buf_free(&incoming->bytes);
	free(incoming->reason);
	free(incoming);
}

/* --- calls on the result of a call that was not answered yet
 * ------------------------------------------ */

struct capn_cap *incoming_result(struct capn_incoming *incoming, const struct cap_path *path)
{
	struct capn_message m;
	if (incoming->failed || incoming->caps.count == 0 ||
	    capn_message_init(&m, incoming->bytes.data, incoming->bytes.size, NULL) != ADIT_OK)
		return NULL;
	struct capn_ptr payload = capn_getp(capn_getp(capn_root(&m), 0), 0);
	return cap_at(capn_getp(payload, PAYLOAD_CONTENT), &incoming->caps, path);
}

static void deliver_result(struct capn_incoming *incoming, struct capn_incoming *answer,
			   struct capn_ptr params)
{
	struct capn_cap *target = incoming_result(answer, &incoming->path);
	if (target != NULL)
		incoming_deliver(incoming, target, params);
	else if (answer->failed)
		capn_answer_fail(incoming, answer->type,
				 answer->reason != NULL ? answer->reason : "");
	else
		capn_answer_fail(incoming, CAPN_FAILED, "the result has no such capability");
}

static void enqueue(struct capn_incoming *incoming, struct capn_incoming *answer)
{
	struct capn_rpc *rpc = incoming->rpc;
	size_t size = rpc->frame_size;
	if (rpc->queued + size > CAPN_QUEUED_MAX ||
	    !buf_append(&incoming->bytes, rpc->frame, size)) {
		capn_answer_fail(incoming, CAPN_OVERLOADED, "too much waits for an earlier answer");
		return;
	}
	rpc->queued += size;
	incoming->behind = answer;
	TAILQ_INSERT_TAIL(&answer->queue, incoming, wait);
}

/* ANSWER is known: what waited for it goes on, in the order in which it came. */
static void run_queue(struct capn_incoming *answer)
{
	struct capn_incoming *incoming;
	struct capn_cap *cap;
	while ((cap = TAILQ_FIRST(&answer->promises)) != NULL) {
		struct capn_cap *target = incoming_result(answer, &cap->path);
		TAILQ_REMOVE(&answer->promises, cap, promise);
		cap->owner = NULL;
		if (target != NULL)
			cap_resolve(cap, target);
		else
			cap_break(cap, CAPN_FAILED, "the result has no such capability");
	}
	while ((incoming = TAILQ_FIRST(&answer->queue)) != NULL) {
		struct capn_message m;
		struct buf bytes;
		leave_queue(incoming);
		bytes = incoming->bytes;
		incoming->bytes = (struct buf){0};
		if (capn_message_init(&m, bytes.data, bytes.size, NULL) == ADIT_OK)
			deliver_result(
			    incoming, answer,
			    capn_getp(capn_getp(capn_getp(capn_root(&m), 0), CALL_PARAMS),
				      PAYLOAD_CONTENT));
		buf_free(&bytes);
	}
}

/* --- answers
 * ------------------------------------------------------------------------------------------ */

static void begin_answer(struct capn_incoming *incoming, uint16_t which)
{
	incoming->answer = rpc_new_message(&incoming->builder, MESSAGE_RETURN, SIZE_RETURN);
	/* Capabilities of the parameters are released one by one, except those that were never
	 * read. */
	capn_write_bit(incoming->answer, RETURN_KEEP_CAPS, incoming->registered);
	capn_write16(incoming->answer, RETURN_WHICH, which);
}

static void begin_results(struct capn_incoming *incoming)
{
	if (incoming->payload.builder != NULL)
		return;
	begin_answer(incoming, RETURN_RESULTS);
	incoming->payload = capn_new_struct(incoming->answer, 0, SIZE_PAYLOAD);
}

struct capn_ref capn_answer_results(struct capn_incoming *incoming, uint16_t data_words,
				    uint16_t pointers)
{
	if (incoming->payload.builder == NULL) {
		begin_results(incoming);
		incoming->results =
		    capn_new_struct(incoming->payload, PAYLOAD_CONTENT, data_words, pointers);
	}
	return incoming->results;
}

void capn_answer_set_cap(struct capn_incoming *incoming, struct capn_ref in, uint32_t index,
			 struct capn_cap *cap)
{
	uint32_t at = incoming->rpc != NULL ? caps_add(incoming->rpc, &incoming->caps, cap) : 0;
	if (at == UINT32_MAX)
		incoming->builder.failed = true;
	else
		capn_set_cap(in, index, at);
}

static void write_exception(struct capn_incoming *incoming)
{
	const char *reason = incoming->reason != NULL ? incoming->reason : "";
	capn_builder_free(&incoming->builder);
	begin_answer(incoming, RETURN_EXCEPTION);
	struct capn_ref exception = capn_new_struct(incoming->answer, 0, SIZE_EXCEPTION);
	capn_write16(exception, EXCEPTION_TYPE, (uint16_t)incoming->type);
	capn_set_text(exception, 0, reason, strlen(reason));
}

static void send_elsewhere(struct capn_incoming *incoming)
{
	struct capn_builder b = {0};
	struct capn_ref answer = rpc_new_message(&b, MESSAGE_RETURN, SIZE_RETURN);
	capn_write32(answer, 0, incoming->id);
	capn_write_bit(answer, RETURN_KEEP_CAPS, true);
	capn_write16(answer, RETURN_WHICH, RETURN_ELSEWHERE);
	rpc_send(incoming->rpc, &b);
	capn_builder_free(&b);
}

/* The answer is complete: to the peer, or to the call of ours that asked. */
static void give_answer(struct capn_incoming *incoming)
{
	struct capn_rpc *rpc = incoming->rpc;
	incoming->serving = false;
	if (rpc == NULL || incoming->dead || rpc->ended) {
		if (incoming->question != NULL)
			incoming->question->local = NULL;
		incoming_free(incoming);
		return;
	}
	incoming->answered = true;
	if (incoming->elsewhere) {
		if (incoming->registered)
			send_elsewhere(incoming);
	} else if (incoming->question == NULL) {
		capn_write32(incoming->answer, 0, incoming->id);
		caps_write(rpc, incoming->payload, &incoming->caps);
		rpc_send(rpc, &incoming->builder);
	}
	/* For calls on a capability in it, and for a caller of our own. */
	if (incoming->caps.count > 0 || incoming->question != NULL || incoming->elsewhere)
		capn_frame(&incoming->builder, &incoming->bytes);
	capn_builder_free(&incoming->builder);
	caps_free(&incoming->params);
	run_queue(incoming);
	if (incoming->question != NULL)
		call_answered(incoming->question);
	else if (!incoming->registered)
		incoming_free(incoming);
}

void capn_answer_send(struct capn_incoming *incoming)
{
	begin_results(incoming);
	if (incoming->builder.failed)
		capn_answer_fail(incoming, CAPN_FAILED, "the results don't fit a message");
	else
		give_answer(incoming);
}

void capn_answer_fail(struct capn_incoming *incoming, enum capn_exception type, const char *reason)
{
	char *copy = strdup(reason);
	free(incoming->reason);
	incoming->failed = true;
	incoming->type = type;
	incoming->reason = copy;
	caps_free(&incoming->caps);
	incoming->payload = (struct capn_ref){.builder = NULL};
	write_exception(incoming);
	give_answer(incoming);
}

/* --- delivery
 * ----------------------------------------------------------------------------------------- */

static void forwarded(void *user, const struct capn_return *result)
{
	struct capn_incoming *incoming = user;
	incoming->forward = NULL;
	if (!result->ok) {
		capn_answer_fail(incoming, result->type, result->reason);
		return;
	}
	begin_results(incoming);
	capn_copy(incoming->payload, PAYLOAD_CONTENT, result->results);
	for (uint32_t i = 0; result->caps != NULL && i < result->caps->count; i++) {
		struct capn_cap *cap = result->caps->items[i].cap;
		if (cap == NULL)
			cap = cap_broken(incoming->rpc, CAPN_FAILED, "no capability");
		else
			capn_cap_ref(cap);
		if (cap == NULL || caps_add(incoming->rpc, &incoming->caps, cap) == UINT32_MAX)
			incoming->builder.failed = true;
		capn_cap_unref(cap);
	}
	capn_answer_send(incoming);
}

/* The object is the peer's own, or not known yet: the call goes on to it. */
static void forward(struct capn_incoming *incoming, struct capn_cap *target, struct capn_ptr params)
{
	struct error e;
	struct capn_call *call = capn_call_new(target, incoming->interface, incoming->method, 0, 0);
	if (call == NULL) {
		capn_answer_fail(incoming, CAPN_OVERLOADED, "out of memory");
		return;
	}
	capn_copy(call->payload, PAYLOAD_CONTENT, params);
	call->caps = incoming->params;
	incoming->params = (struct capn_caps){NULL, 0};
	incoming->forward = call;
	if (capn_call_send(call, forwarded, incoming, &e) != ADIT_OK) {
		incoming->forward = NULL;
		capn_answer_fail(incoming, CAPN_FAILED, e.text);
	}
}

void incoming_deliver(struct capn_incoming *incoming, struct capn_cap *target,
		      struct capn_ptr params)
{
	struct capn_cap *end = cap_end(target);
	if (end->holding || end->kind == CAP_IMPORT || end->kind == CAP_PROMISE) {
		forward(incoming, end, params);
	} else if (end->kind == CAP_BROKEN) {
		capn_answer_fail(incoming, end->type, end->reason != NULL ? end->reason : "");
	} else {
		incoming->serving = true;
		capn_cap_ref(end);
		end->server->call(end->user, incoming, incoming->interface, incoming->method,
				  params);
		capn_cap_unref(end);
	}
}

/* --- the peer's messages
 * ------------------------------------------------------------------------------ */

/* A call or bootstrap with the number that the peer chose; NULL: the connection has ended. */
static struct capn_incoming *accept_question(struct capn_rpc *rpc, uint32_t id)
{
	if (capn_table_get(&rpc->answers, id) != NULL) {
		rpc_fault(rpc, "the number of a call is in use");
		return NULL;
	}
	struct capn_incoming *incoming = incoming_new(rpc);
	if (incoming == NULL) {
		rpc_fault(rpc, "out of memory");
		return NULL;
	}
	incoming->id = id;
	incoming->registered = capn_table_put(&rpc->answers, id, incoming, CAPN_CALLS_MAX);
	return incoming;
}

void serve_call(struct capn_rpc *rpc, struct capn_ptr message)
{
	struct capn_ptr target = capn_getp(message, CALL_TARGET);
	struct capn_ptr payload = capn_getp(message, CALL_PARAMS);
	struct capn_incoming *incoming = accept_question(rpc, capn_read32(message, 0));
	if (incoming == NULL)
		return;
	incoming->interface = capn_read64(message, CALL_INTERFACE);
	incoming->method = capn_read16(message, CALL_METHOD);
	if (!incoming->registered) {
		capn_answer_fail(incoming, CAPN_OVERLOADED, "too many calls at the same time");
		return;
	}
	if (!caps_read(rpc, payload, &incoming->params)) {
		rpc_fault(rpc, "a call with capabilities that don't exist");
		return;
	}
	incoming->elsewhere = capn_read16(message, CALL_RESULTS_TO) == RESULTS_TO_YOURSELF;
	if (capn_read16(message, CALL_RESULTS_TO) > RESULTS_TO_YOURSELF) {
		capn_answer_fail(incoming, CAPN_UNIMPLEMENTED, "results go to the two of us only");
		return;
	}
	struct capn_ptr params = capn_getp(payload, PAYLOAD_CONTENT);
	if (capn_read16(target, TARGET_WHICH) == TARGET_IMPORTED) {
		struct capn_cap *cap = capn_table_get(&rpc->exports, capn_read32(target, 0));
		if (cap == NULL)
			rpc_fault(rpc, "a call of an object that was not given out");
		else
			incoming_deliver(incoming, cap, params);
		return;
	}
	struct capn_ptr promised = capn_getp(target, 0);
	struct capn_incoming *answer = capn_table_get(&rpc->answers, capn_read32(promised, 0));
	if (capn_read16(target, TARGET_WHICH) != TARGET_ANSWER || answer == NULL ||
	    answer == incoming || !path_read(promised, &incoming->path))
		rpc_fault(rpc, "a call with a target that doesn't exist");
	else if (answer->answered)
		deliver_result(incoming, answer, params);
	else
		enqueue(incoming, answer);
}

void serve_bootstrap(struct capn_rpc *rpc, struct capn_ptr message)
{
	struct capn_incoming *incoming = accept_question(rpc, capn_read32(message, 0));
	if (incoming == NULL)
		return;
	if (!incoming->registered) {
		capn_answer_fail(incoming, CAPN_OVERLOADED, "too many calls at the same time");
	} else if (rpc->bootstrap == NULL) {
		capn_answer_fail(incoming, CAPN_UNIMPLEMENTED, "there is no bootstrap object here");
	} else {
		begin_results(incoming);
		capn_answer_set_cap(incoming, incoming->payload, PAYLOAD_CONTENT, rpc->bootstrap);
		capn_answer_send(incoming);
	}
}

static void send_canceled(struct capn_rpc *rpc, uint32_t id)
{
	struct capn_builder b = {0};
	struct capn_ref answer = rpc_new_message(&b, MESSAGE_RETURN, SIZE_RETURN);
	capn_write32(answer, 0, id);
	capn_write_bit(answer, RETURN_KEEP_CAPS, true);
	capn_write16(answer, RETURN_WHICH, RETURN_CANCELED);
	rpc_send(rpc, &b);
	capn_builder_free(&b);
}

void serve_finish(struct capn_rpc *rpc, struct capn_ptr message)
{
	uint32_t id = capn_read32(message, 0);
	struct capn_incoming *incoming = capn_table_remove(&rpc->answers, id);
	if (incoming == NULL)
		return; /* was refused as one too many */
	incoming->registered = false;
	/* A call of ours waits for the result. */
	if (incoming->question != NULL)
		return;
	if (incoming->answered) {
		if (!capn_read_bit(message, FINISH_KEEP_CAPS))
			caps_unexport(rpc, &incoming->caps);
		incoming_free(incoming);
		return;
	}
	send_canceled(rpc, id);
	incoming->dead = true;
	incoming->failed = true;
	incoming->type = CAPN_FAILED;
	incoming->reason = strdup("the call that promised the object was cancelled");
	run_queue(incoming);
	if (incoming->forward != NULL) {
		capn_call_cancel(incoming->forward);
		incoming->forward = NULL;
	}
	if (!incoming->serving)
		incoming_free(incoming);
}
