/* SPDX-License-Identifier: MIT */
/*
 * Cap'n Proto from a hostile peer. The first byte chooses: 'M' the rest is a framed message, which
 * is visited wholly and copied; else the rest goes to one end of a conversation that has an object
 * to give, a call and a promise open.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>

#include "lib/capnp/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned visited;

static void visit(struct capn_ptr p)
{
	if (++visited > 10000)
		return;
	for (uint32_t i = 0; i < p.pointer_count && p.type == CAPN_STRUCT; i++) {
		capn_get_text(p, i);
		visit(capn_getp(p, i));
	}
	for (uint32_t i = 0; i < p.count && i < 64 && p.type == CAPN_LIST; i++) {
		capn_read_bit(p, i);
		visit(p.element == CAPN_POINTER ? capn_getp(p, i) : capn_element(p, i));
	}
	capn_read64(p, 0);
	capn_read_bit(p, 77);
}

/* What could be read can be written, and reads the same way. */
static void check_message(const uint8_t *data, size_t size)
{
	static struct capn_message m;
	static struct capn_message again;
	struct capn_builder b = {.segment_words = 8, .limit = 1 << 20};
	struct buf bytes = {0};
	if (capn_message_init(&m, data, size, NULL) != ADIT_OK)
		return;
	visited = 0;
	m.traversal = 1 << 16;
	visit(capn_root(&m));
	m.traversal = 1 << 16;
	capn_copy(capn_new_root(&b, 0, 1), 0, capn_root(&m));
	if (!capn_failed(&m) && capn_frame(&b, &bytes) == ADIT_OK) {
		if (capn_message_init(&again, bytes.data, bytes.size, NULL) != ADIT_OK)
			abort();
		visited = 0;
		visit(capn_getp(capn_root(&again), 0));
		if (capn_failed(&again) && visited < 10000)
			abort();
	}
	capn_builder_free(&b);
	buf_free(&bytes);
}

static void on_ready(void *user)
{
	(void)user;
}

static void on_return(void *user, const struct capn_return *result)
{
	unsigned *times = user;
	if (++*times > 1)
		abort();
	if (result->ok)
		capn_cap_unref(capn_return_cap(result, capn_getp(result->results, 0)));
}

/* An object that answers at once, later, or by calling what it was given. */
static void on_call(void *user, struct capn_incoming *incoming, uint64_t interface, uint16_t method,
		    struct capn_ptr params)
{
	struct capn_incoming **later = user;
	struct capn_cap *cap = capn_incoming_cap(incoming, capn_getp(params, 0));
	(void)interface;
	if (method % 3 == 1 && *later == NULL) {
		*later = incoming;
	} else if (cap != NULL) {
		capn_answer_set_cap(incoming, capn_answer_results(incoming, 1, 1), 0, cap);
		capn_answer_send(incoming);
	} else {
		capn_answer_fail(incoming, CAPN_FAILED, "no");
	}
	capn_cap_unref(cap);
}

static const struct capn_server server = {on_call, NULL};
static const struct capn_rpc_callbacks callbacks = {on_ready, NULL};

static void check_conversation(const uint8_t *data, size_t size)
{
	static const uint16_t path[] = {0};
	struct capn_incoming *later = NULL;
	unsigned times[2] = {0, 0};
	struct capn_rpc *rpc = capn_rpc_new(&callbacks, NULL);
	struct capn_cap *object = capn_export(rpc, &server, &later);
	struct capn_cap *peer = capn_bootstrap(rpc);
	capn_set_bootstrap(rpc, object);
	struct capn_call *call = capn_call_new(peer, 1, 2, 1, 1);
	capn_call_set_cap(call, capn_call_params(call), 0, object);
	capn_call_send(call, on_return, &times[0], NULL);
	struct capn_cap *promise = capn_call_promise(call, path, 1);
	call = capn_call_new(promise, 3, 4, 1, 1);
	capn_call_send(call, on_return, &times[1], NULL);
	capn_rpc_input(rpc, data, size / 2);
	for (int i = 0; i < 4; i++)
		buf_clear(capn_rpc_flush(rpc));
	capn_rpc_input(rpc, data + size / 2, size - size / 2);
	if (later != NULL)
		capn_answer_fail(later, CAPN_FAILED, "later");
	for (int i = 0; i < 4; i++)
		buf_clear(capn_rpc_flush(rpc));
	capn_cap_unref(promise);
	capn_cap_unref(peer);
	capn_cap_unref(object);
	capn_rpc_free(rpc);
	if (times[0] != 1 || times[1] != 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 'M')
		check_message(data + 1, size - 1);
	else
		check_conversation(data + 1, size - 1);
	return 0;
}
