/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/capnp/rpc_internal.h"

struct capn_cap *cap_new(struct capn_rpc *rpc, enum cap_kind kind)
{
	struct capn_cap *cap = calloc(1, sizeof(*cap));
	if (cap == NULL)
		return NULL;
	cap->rpc = rpc;
	cap->refs = 1;
	cap->kind = kind;
	TAILQ_INIT(&cap->held);
	TAILQ_INSERT_TAIL(&rpc->caps, cap, all);
	return cap;
}

void cap_break(struct capn_cap *cap, enum capn_exception type, const char *reason)
{
	cap->kind = CAP_BROKEN;
	cap->type = type;
	free(cap->reason);
	cap->reason = strdup(reason);
	if (cap->holding)
		cap_let_go(cap);
}

struct capn_cap *cap_broken(struct capn_rpc *rpc, enum capn_exception type, const char *reason)
{
	struct capn_cap *cap = cap_new(rpc, CAP_BROKEN);
	if (cap != NULL)
		cap_break(cap, type, reason);
	return cap;
}

struct capn_cap *capn_cap_ref(struct capn_cap *cap)
{
	cap->refs++;
	return cap;
}

static void send_release(struct capn_rpc *rpc, uint32_t id, uint32_t count)
{
	struct capn_builder b = {0};
	struct capn_ref r = rpc_new_message(&b, MESSAGE_RELEASE, SIZE_RELEASE);
	capn_write32(r, 0, id);
	capn_write32(r, RELEASE_COUNT, count);
	rpc_send(rpc, &b);
	capn_builder_free(&b);
}

void import_drop(struct capn_cap *cap)
{
	if (capn_table_get(&cap->rpc->imports, cap->id) != cap)
		return;
	capn_table_remove(&cap->rpc->imports, cap->id);
	send_release(cap->rpc, cap->id, cap->peer_refs);
}

static void leave_connection(struct capn_cap *cap)
{
	struct capn_rpc *rpc = cap->rpc;
	if (rpc == NULL)
		return;
	TAILQ_REMOVE(&rpc->caps, cap, all);
	if (cap->kind == CAP_IMPORT)
		import_drop(cap);
}

/* Long chains of promises are let go one after the other, not by recursion. */
void capn_cap_unref(struct capn_cap *cap)
{
	while (cap != NULL && --cap->refs == 0) {
		struct capn_cap *next = cap->resolved;
		leave_connection(cap);
		if (cap->question != NULL)
			TAILQ_REMOVE(&cap->question->promises, cap, promise);
		else if (cap->owner != NULL)
			TAILQ_REMOVE(&cap->owner->promises, cap, promise);
		if (cap->kind == CAP_LOCAL && cap->server->destroy != NULL)
			cap->server->destroy(cap->user);
		free(cap->reason);
		free(cap);
		cap = next;
	}
}

struct capn_cap *cap_end(struct capn_cap *cap)
{
	while (cap->resolved != NULL && !cap->holding)
		cap = cap->resolved;
	return cap;
}

void cap_let_go(struct capn_cap *cap)
{
	struct call_list held;
	TAILQ_INIT(&held);
	TAILQ_CONCAT(&held, &cap->held, wait);
	cap->holding = false;
	for (struct capn_call *call = TAILQ_FIRST(&held); call != NULL; call = TAILQ_FIRST(&held)) {
		TAILQ_REMOVE(&held, call, wait);
		call->waiting = NULL;
		call_route(call);
	}
}

/* Calls that went out by the promise CAP come back to our own object; what is called from now on
 * must not overtake them (rpc.capnp, Disembargo). */
static void start_embargo(struct capn_cap *cap)
{
	struct capn_rpc *rpc = cap->rpc;
	uint32_t id = capn_table_unused(&rpc->embargoes);
	struct capn_builder b = {0};
	if (!capn_table_put(&rpc->embargoes, id, cap, CAPN_CAPS_MAX))
		return;
	capn_cap_ref(cap);
	cap->holding = true;
	struct capn_ref r = rpc_new_message(&b, MESSAGE_DISEMBARGO, SIZE_DISEMBARGO);
	cap_target(r, 0, cap);
	capn_write32(r, 0, id);
	capn_write16(r, DISEMBARGO_WHICH, DISEMBARGO_SENDER_LOOPBACK);
	rpc_send(rpc, &b);
	capn_builder_free(&b);
}

void cap_resolve(struct capn_cap *cap, struct capn_cap *target)
{
	struct capn_cap *end = cap_end(target);
	if (end == cap) {
		cap_break(cap, CAPN_FAILED, "a promise that resolves to itself");
		return;
	}
	cap->resolved = capn_cap_ref(target);
	if (cap->called && end->kind == CAP_LOCAL && !cap->rpc->ended)
		start_embargo(cap);
	else if (cap->holding)
		cap_let_go(cap);
}

/* --- descriptors ---------------------------------------------------------------------------------
 */

bool path_read(struct capn_ptr promised_answer, struct cap_path *out)
{
	struct capn_ptr ops = capn_getp(promised_answer, 0);
	out->count = 0;
	/* Steps that do nothing are allowed, but not any number of them. */
	if (ops.count > 4 * CAPN_PATH_MAX)
		return false;
	for (uint32_t i = 0; i < ops.count; i++) {
		struct capn_ptr op = capn_element(ops, i);
		uint16_t which = capn_read16(op, 0);
		if (which == 0)
			continue;
		if (which != 1 || out->count == CAPN_PATH_MAX)
			return false;
		out->fields[out->count++] = capn_read16(op, OP_FIELD);
	}
	return true;
}

static void write_promised_answer(struct capn_ref parent, uint32_t index, uint32_t question,
				  const struct cap_path *path)
{
	struct capn_ref answer = capn_new_struct(parent, index, SIZE_ANSWER);
	capn_write32(answer, 0, question);
	if (path->count == 0)
		return;
	struct capn_ref ops = capn_new_composite(answer, 0, path->count, SIZE_OP);
	for (uint32_t i = 0; i < path->count; i++) {
		struct capn_ref op = capn_ref_element(ops, i);
		capn_write16(op, 0, 1);
		capn_write16(op, OP_FIELD, path->fields[i]);
	}
}

void cap_target(struct capn_ref message, uint32_t index, const struct capn_cap *cap)
{
	struct capn_ref target = capn_new_struct(message, index, SIZE_TARGET);
	if (cap->kind == CAP_IMPORT) {
		capn_write32(target, 0, cap->id);
		return;
	}
	capn_write16(target, TARGET_WHICH, TARGET_ANSWER);
	write_promised_answer(target, 0, cap->question_id, &cap->path);
}

static bool export_cap(struct capn_rpc *rpc, struct capn_cap *cap)
{
	if (!cap->exported) {
		uint32_t id = capn_table_unused(&rpc->exports);
		if (!capn_table_put(&rpc->exports, id, cap, CAPN_CAPS_MAX))
			return false;
		capn_cap_ref(cap);
		cap->exported = true;
		cap->id = id;
		cap->peer_refs = 0;
	}
	cap->peer_refs++;
	return true;
}

void export_release(struct capn_rpc *rpc, uint32_t id, uint32_t count)
{
	struct capn_cap *cap = capn_table_get(&rpc->exports, id);
	if (cap == NULL || count > cap->peer_refs) {
		rpc_fault(rpc, "a release of more references than were given");
		return;
	}
	cap->peer_refs -= count;
	if (cap->peer_refs > 0)
		return;
	capn_table_remove(&rpc->exports, id);
	cap->exported = false;
	capn_cap_unref(cap);
}

/* SLOT's capability for the peer. */
static void describe(struct capn_rpc *rpc, struct capn_ref descriptor, struct cap_slot *slot)
{
	struct capn_cap *cap = slot->cap != NULL ? cap_end(slot->cap) : NULL;
	if (cap == NULL || cap->kind == CAP_BROKEN)
		return;
	if (cap->kind == CAP_IMPORT) {
		capn_write16(descriptor, 0, DESCRIPTOR_RECEIVER_HOSTED);
		capn_write32(descriptor, DESCRIPTOR_ID, cap->id);
	} else if (cap->kind == CAP_PROMISE && cap->question != NULL && cap->question->on_wire) {
		capn_write16(descriptor, 0, DESCRIPTOR_RECEIVER_ANSWER);
		write_promised_answer(descriptor, 0, cap->question_id, &cap->path);
	} else if (export_cap(rpc, cap)) {
		capn_write16(descriptor, 0, DESCRIPTOR_SENDER_HOSTED);
		capn_write32(descriptor, DESCRIPTOR_ID, cap->id);
		slot->exported = true;
		/* What was exported is what has to be released, whatever the promise becomes. */
		capn_cap_ref(cap);
		capn_cap_unref(slot->cap);
		slot->cap = cap;
	}
}

void caps_write(struct capn_rpc *rpc, struct capn_ref payload, const struct capn_caps *caps)
{
	if (caps->count == 0)
		return;
	struct capn_ref list =
	    capn_new_composite(payload, PAYLOAD_CAPS, caps->count, SIZE_DESCRIPTOR);
	for (uint32_t i = 0; i < caps->count && list.builder != NULL; i++)
		describe(rpc, capn_ref_element(list, i), &caps->items[i]);
}

void caps_unexport(struct capn_rpc *rpc, const struct capn_caps *caps)
{
	for (uint32_t i = 0; i < caps->count; i++) {
		struct cap_slot *slot = &caps->items[i];
		if (slot->exported && slot->cap->exported)
			export_release(rpc, slot->cap->id, 1);
		slot->exported = false;
	}
}

static struct capn_cap *import(struct capn_rpc *rpc, uint32_t id)
{
	struct capn_cap *cap = capn_table_get(&rpc->imports, id);
	if (cap != NULL) {
		cap->peer_refs++;
		return capn_cap_ref(cap);
	}
	cap = cap_new(rpc, CAP_IMPORT);
	if (cap == NULL)
		return NULL;
	cap->id = id;
	cap->peer_refs = 1;
	if (!capn_table_put(&rpc->imports, id, cap, CAPN_CAPS_MAX)) {
		capn_cap_unref(cap);
		return NULL;
	}
	return cap;
}

/* The result at a place of an answer of ours, maybe one that was not given yet. */
static bool import_answer(struct capn_rpc *rpc, struct capn_ptr promised, struct capn_cap **out)
{
	struct cap_path path;
	struct capn_incoming *answer = capn_table_get(&rpc->answers, capn_read32(promised, 0));
	if (answer == NULL || !path_read(promised, &path))
		return false;
	if (answer->answered) {
		struct capn_cap *cap = incoming_result(answer, &path);
		*out = cap != NULL ? capn_cap_ref(cap) : NULL;
		return true;
	}
	struct capn_cap *cap = cap_new(rpc, CAP_PROMISE);
	*out = cap;
	if (cap == NULL)
		return false;
	cap->path = path;
	cap->holding = true;
	cap->owner = answer;
	TAILQ_INSERT_TAIL(&answer->promises, cap, promise);
	return true;
}

bool cap_import(struct capn_rpc *rpc, struct capn_ptr descriptor, struct capn_cap **out)
{
	uint32_t id = capn_read32(descriptor, DESCRIPTOR_ID);
	*out = NULL;
	switch (capn_read16(descriptor, 0)) {
	case DESCRIPTOR_NONE:
		return true;
	case DESCRIPTOR_SENDER_HOSTED:
	case DESCRIPTOR_SENDER_PROMISE:
		*out = import(rpc, id);
		return *out != NULL;
	case DESCRIPTOR_RECEIVER_HOSTED:
		*out = capn_table_get(&rpc->exports, id);
		if (*out != NULL)
			capn_cap_ref(*out);
		return *out != NULL;
	case DESCRIPTOR_RECEIVER_ANSWER:
		return import_answer(rpc, capn_getp(descriptor, 0), out);
	default:
		return false;
	}
}

/* --- tables that travel with messages
 * -------------------------------------------------------------- */

bool caps_read(struct capn_rpc *rpc, struct capn_ptr payload, struct capn_caps *out)
{
	struct capn_ptr list = capn_getp(payload, PAYLOAD_CAPS);
	*out = (struct capn_caps){NULL, 0};
	if (list.type != CAPN_LIST || list.count == 0)
		return true;
	if (list.count > CAPN_CAPS_MAX)
		return false;
	out->items = calloc(list.count, sizeof(*out->items));
	if (out->items == NULL)
		return false;
	for (; out->count < list.count; out->count++)
		if (!cap_import(rpc, capn_element(list, out->count), &out->items[out->count].cap)) {
			caps_free(out);
			return false;
		}
	return true;
}

uint32_t caps_add(struct capn_rpc *rpc, struct capn_caps *t, struct capn_cap *cap)
{
	if (cap->rpc != rpc || t->count >= CAPN_CAPS_MAX)
		return UINT32_MAX;
	struct cap_slot *items = realloc(t->items, (t->count + 1) * sizeof(*items));
	if (items == NULL)
		return UINT32_MAX;
	t->items = items;
	items[t->count] = (struct cap_slot){capn_cap_ref(cap), false};
	return t->count++;
}

void caps_free(struct capn_caps *t)
{
	for (uint32_t i = 0; i < t->count; i++)
		capn_cap_unref(t->items[i].cap);
	free(t->items);
	*t = (struct capn_caps){NULL, 0};
}

static struct capn_cap *caps_get(const struct capn_caps *caps, struct capn_ptr p)
{
	return p.type == CAPN_CAP && p.cap < caps->count ? caps->items[p.cap].cap : NULL;
}

struct capn_cap *cap_at(struct capn_ptr content, const struct capn_caps *caps,
			const struct cap_path *path)
{
	for (uint32_t i = 0; i < path->count; i++)
		content = content.type == CAPN_STRUCT ? capn_getp(content, path->fields[i])
						      : (struct capn_ptr){.type = CAPN_NULL};
	return caps_get(caps, content);
}

struct capn_cap *capn_return_cap(const struct capn_return *result, struct capn_ptr p)
{
	struct capn_cap *cap = result->caps != NULL ? caps_get(result->caps, p) : NULL;
	return cap != NULL ? capn_cap_ref(cap) : NULL;
}

struct capn_cap *capn_incoming_cap(const struct capn_incoming *incoming, struct capn_ptr p)
{
	struct capn_cap *cap = caps_get(&incoming->params, p);
	return cap != NULL ? capn_cap_ref(cap) : NULL;
}

/* --- objects of ours
 * ------------------------------------------------------------------------------- */

struct capn_cap *capn_export(struct capn_rpc *rpc, const struct capn_server *server, void *user)
{
	struct capn_cap *cap = cap_new(rpc, CAP_LOCAL);
	if (cap == NULL)
		return NULL;
	cap->server = server;
	cap->user = user;
	return cap;
}

void capn_set_bootstrap(struct capn_rpc *rpc, struct capn_cap *cap)
{
	struct capn_cap *old = rpc->bootstrap;
	rpc->bootstrap = cap != NULL ? capn_cap_ref(cap) : NULL;
	capn_cap_unref(old);
}
