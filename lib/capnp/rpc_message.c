/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "lib/capnp/rpc_internal.h"

void rpc_copy_reason(struct capn_ptr exception, char *out, size_t capacity)
{
	struct capn_bytes text = capn_get_text(exception, 0);
	size_t n = text.size < capacity ? text.size : capacity - 1;
	for (size_t i = 0; i < n; i++)
		out[i] = text.data[i] >= 0x20 && text.data[i] != 0x7f ? (char)text.data[i] : ' ';
	out[n] = '\0';
}

void rpc_send_finish(struct capn_rpc *rpc, uint32_t question, bool keep_caps)
{
	struct capn_builder b = {0};
	struct capn_ref finish = rpc_new_message(&b, MESSAGE_FINISH, SIZE_FINISH);
	capn_write32(finish, 0, question);
	capn_write_bit(finish, FINISH_KEEP_CAPS, keep_caps);
	rpc_send(rpc, &b);
	capn_builder_free(&b);
}

static void on_results(struct capn_call *call, struct capn_ptr payload)
{
	struct capn_rpc *rpc = call->rpc;
	struct capn_caps caps;
	struct capn_return result = {.ok = true, .reason = ""};
	/* Of what was cancelled the peer was told to release the capabilities itself. */
	if (call->cancelled) {
		call_complete(call, &result);
		return;
	}
	if (!caps_read(rpc, payload, &caps)) {
		rpc_fault(rpc, "an answer with capabilities that don't exist");
		return;
	}
	result.results = capn_getp(payload, PAYLOAD_CONTENT);
	result.caps = &caps;
	call_complete(call, &result);
	caps_free(&caps);
}

/* The peer has sent our call back to us, as a call of its own to an object of ours: what that one
 * brings is the answer. */
static void take_from(struct capn_call *call, uint32_t id)
{
	struct capn_rpc *rpc = call->rpc;
	struct capn_incoming *answer = capn_table_get(&rpc->answers, id);
	if (call->cancelled) {
		call_fail(call, CAPN_FAILED, "cancelled");
	} else if (answer == NULL || !answer->elsewhere || answer->question != NULL) {
		rpc_fault(rpc, "an answer that is to be taken from nowhere");
	} else {
		call->returned = true;
		call->local = answer;
		answer->question = call;
		if (answer->answered)
			call_answered(call);
	}
}

static void on_return(struct capn_rpc *rpc, struct capn_ptr message)
{
	char reason[512];
	struct capn_ptr body = capn_getp(message, 0);
	struct capn_call *call = capn_table_get(&rpc->questions, capn_read32(message, 0));
	if (call == NULL || call->returned) {
		rpc_fault(rpc, "an answer to a call that was not made");
		return;
	}
	if (!capn_read_bit(message, RETURN_KEEP_CAPS))
		caps_unexport(rpc, &call->caps);
	switch (capn_read16(message, RETURN_WHICH)) {
	case RETURN_RESULTS:
		on_results(call, body);
		break;
	case RETURN_EXCEPTION:
		rpc_copy_reason(body, reason, sizeof(reason));
		call_fail(call, (enum capn_exception)capn_read16(body, EXCEPTION_TYPE), reason);
		break;
	case RETURN_CANCELED:
		call_fail(call, CAPN_FAILED, "the peer cancelled the call");
		break;
	case RETURN_TAKE:
		take_from(call, capn_read32(message, RETURN_TAKEN_FROM));
		break;
	default:
		call_fail(call, CAPN_UNIMPLEMENTED, "the peer sent the results elsewhere");
		break;
	}
}

/* A promise that the peer gave us is settled. */
static void on_resolve(struct capn_rpc *rpc, struct capn_ptr message)
{
	char reason[512];
	struct capn_ptr body = capn_getp(message, 0);
	struct capn_cap *target = NULL;
	struct capn_cap *cap = capn_table_get(&rpc->imports, capn_read32(message, 0));
	bool ok = capn_read16(message, RESOLVE_WHICH) == 0;
	if (ok && !cap_import(rpc, body, &target)) {
		rpc_fault(rpc, "a promise resolves to what doesn't exist");
		return;
	}
	/* Unknown: we have released it meanwhile; what it became is released again. */
	if (cap != NULL && cap->resolved == NULL) {
		capn_cap_ref(cap);
		if (target != NULL) {
			cap_resolve(cap, target);
		} else {
			rpc_copy_reason(body, reason, sizeof(reason));
			import_drop(cap);
			cap_break(cap, (enum capn_exception)capn_read16(body, EXCEPTION_TYPE),
				  ok ? "a promise resolved to nothing" : reason);
		}
		capn_cap_unref(cap);
	}
	capn_cap_unref(target);
}

/* The capability that TARGET of a message names (borrowed); NULL: none. */
static struct capn_cap *find_target(struct capn_rpc *rpc, struct capn_ptr target)
{
	struct cap_path path;
	if (capn_read16(target, TARGET_WHICH) == TARGET_IMPORTED)
		return capn_table_get(&rpc->exports, capn_read32(target, 0));
	struct capn_ptr promised = capn_getp(target, 0);
	struct capn_incoming *answer = capn_table_get(&rpc->answers, capn_read32(promised, 0));
	if (answer == NULL || !answer->answered || !path_read(promised, &path))
		return NULL;
	return incoming_result(answer, &path);
}

static void on_disembargo(struct capn_rpc *rpc, struct capn_ptr message)
{
	uint32_t id = capn_read32(message, 0);
	struct capn_cap *cap;
	uint16_t which = capn_read16(message, DISEMBARGO_WHICH);
	if (which == DISEMBARGO_RECEIVER_LOOPBACK) {
		cap = capn_table_remove(&rpc->embargoes, id);
		if (cap == NULL) {
			rpc_fault(rpc, "the end of an embargo that was not asked for");
			return;
		}
		cap_let_go(cap);
		capn_cap_unref(cap);
		return;
	}
	cap = which == DISEMBARGO_SENDER_LOOPBACK ? find_target(rpc, capn_getp(message, 0)) : NULL;
	cap = cap != NULL ? cap_end(cap) : NULL;
	/* It must be the peer's own: calls to it were sent back before this answer. */
	if (cap == NULL || cap->kind != CAP_IMPORT) {
		rpc_fault(rpc, "an embargo on what is not the sender's");
		return;
	}
	struct capn_builder b = {0};
	struct capn_ref r = rpc_new_message(&b, MESSAGE_DISEMBARGO, SIZE_DISEMBARGO);
	cap_target(r, 0, cap);
	capn_write32(r, 0, id);
	capn_write16(r, DISEMBARGO_WHICH, DISEMBARGO_RECEIVER_LOOPBACK);
	rpc_send(rpc, &b);
	capn_builder_free(&b);
}

static void on_abort(struct capn_rpc *rpc, struct capn_ptr exception)
{
	char reason[256];
	struct error e;
	rpc_copy_reason(exception, reason, sizeof(reason));
	error_set(&e, ADIT_E_UNAVAILABLE, "the peer ended the conversation: %s",
		  reason[0] != '\0' ? reason : "without a reason");
	rpc_ended(rpc, &e);
}

/* What we sent and the peer doesn't know. Of the messages we send it may be only these. */
static void on_unimplemented(struct capn_rpc *rpc, struct capn_ptr message)
{
	uint16_t which = capn_read16(message, 0);
	struct capn_ptr body = capn_getp(message, 0);
	struct capn_call *call = capn_table_get(&rpc->questions, capn_read32(body, 0));
	if ((which == MESSAGE_CALL || which == MESSAGE_BOOTSTRAP) && call != NULL)
		call_fail(call, CAPN_UNIMPLEMENTED, "the peer does not know calls");
	else if (which == MESSAGE_DISEMBARGO || which == MESSAGE_RETURN)
		rpc_fault(rpc, "a message that every peer must know came back");
}

static void send_unimplemented(struct capn_rpc *rpc, struct capn_ptr message)
{
	struct capn_builder b = {.limit = CAPN_MESSAGE_MAX};
	struct capn_ref root = capn_new_root(&b, SIZE_MESSAGE);
	capn_write16(root, 0, MESSAGE_UNIMPLEMENTED);
	capn_copy(root, 0, message);
	rpc_send(rpc, &b);
	capn_builder_free(&b);
}

void rpc_dispatch(struct capn_rpc *rpc, struct capn_ptr message)
{
	struct capn_ptr body = capn_getp(message, 0);
	switch (capn_read16(message, 0)) {
	case MESSAGE_CALL:
		serve_call(rpc, body);
		break;
	case MESSAGE_RETURN:
		on_return(rpc, body);
		break;
	case MESSAGE_FINISH:
		serve_finish(rpc, body);
		break;
	case MESSAGE_BOOTSTRAP:
		serve_bootstrap(rpc, body);
		break;
	case MESSAGE_RESOLVE:
		on_resolve(rpc, body);
		break;
	case MESSAGE_RELEASE:
		export_release(rpc, capn_read32(body, 0), capn_read32(body, RELEASE_COUNT));
		break;
	case MESSAGE_DISEMBARGO:
		on_disembargo(rpc, body);
		break;
	case MESSAGE_ABORT:
		on_abort(rpc, body);
		break;
	case MESSAGE_UNIMPLEMENTED:
		on_unimplemented(rpc, body);
		break;
	default:
		send_unimplemented(rpc, message);
		break;
	}
}
