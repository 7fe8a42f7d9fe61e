/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/fake_ipc_node.h"

#include <check.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/node/traffic.h"
#include "lib/capnp/socket.h"

/* --- answers ------------------------------------------------------------------------------------
 */

static void put_tip(struct fake_ipc *f, struct capn_ref to)
{
	struct capn_ref tip = capn_new_struct(to, 0, 1, 1);

	capn_write32(tip, 0, (uint32_t)f->height);
	capn_set_data(tip, 0, f->hash, sizeof(f->hash));
}

static void send_tip(struct fake_ipc *f, struct capn_incoming *incoming, bool waited)
{
	struct capn_ref to = capn_answer_results(incoming, waited ? 0 : 1, 1);

	if (!f->no_tip)
		put_tip(f, to);
	if (!waited)
		capn_write_bit(to, 0, !f->no_tip);
	capn_answer_send(incoming);
}

static void send_bit(struct capn_incoming *incoming, bool bit)
{
	capn_write_bit(capn_answer_results(incoming, 1, 0), 0, bit);
	capn_answer_send(incoming);
}

static void send_verdict(struct fake_ipc *f, struct capn_incoming *incoming)
{
	struct capn_ref to = capn_answer_results(incoming, 1, 2);

	capn_write_bit(to, 0, f->refusal == NULL);
	if (f->refusal != NULL)
		capn_set_text(to, 0, f->refusal, strlen(f->refusal));
	capn_answer_send(incoming);
}

static void send_cap(struct capn_incoming *incoming, struct capn_cap *cap)
{
	capn_answer_set_cap(incoming, capn_answer_results(incoming, 0, 1), 0, cap);
	capn_answer_send(incoming);
	capn_cap_unref(cap);
}

/* In the order of the question, empty where there is none. */
static void send_transactions(struct fake_ipc *f, struct capn_incoming *incoming,
			      struct capn_ptr params)
{
	struct capn_ptr ids = capn_getp(params, 1);
	struct capn_ref list =
	    capn_new_list(capn_answer_results(incoming, 0, 1), 0, CAPN_POINTER, ids.count);

	for (uint32_t i = 0; i < ids.count; i++) {
		struct capn_bytes id = capn_get_data(ids, i);

		ck_assert_uint_eq(id.size, 32);
		for (size_t k = 0; k < f->transaction_count; k++) {
			struct traffic_tx t;

			traffic_make(f->transactions[k], &t);
			if (memcmp(t.wtxid, id.data, 32) == 0)
				capn_set_data(list, i, t.data, t.size);
		}
	}
	capn_answer_send(incoming);
}

/* --- what goes wrong ----------------------------------------------------------------------------
 */

static bool misbehave(struct fake_ipc *f, enum node_method method, struct capn_incoming *incoming)
{
	f->calls[method]++;
	if (f->only != (int)method)
		return false;
	if (f->hang || f->drop) {
		ck_assert_uint_lt(f->hung_count, FAKE_IPC_HUNG);
		f->hung[f->hung_count++] = incoming;
		if (f->drop)
			shutdown(f->client, SHUT_RDWR);
	} else if (f->exception) {
		capn_answer_fail(incoming, CAPN_FAILED, "as ordered");
	} else if (f->nothing) {
		(void)capn_answer_results(incoming, 0, 0);
		capn_answer_send(incoming);
	} else if (f->wrong_types) {
		struct capn_ref to = capn_answer_results(incoming, 1, 2);

		capn_new_list(to, 0, CAPN_POINTER, 3);
		capn_new_list(to, 1, CAPN_POINTER, 3);
		capn_answer_send(incoming);
	} else {
		return false;
	}
	return true;
}

/* --- objects ------------------------------------------------------------------------------------
 */

static void unknown(struct capn_incoming *incoming)
{
	capn_answer_fail(incoming, CAPN_UNIMPLEMENTED, "no such method");
}

static int method_of(const struct fake_ipc *f, uint64_t interface, uint64_t wanted, uint16_t number,
		     enum node_method first, enum node_method last)
{
	if (interface != wanted)
		return -1;
	for (int m = (int)first; m <= (int)last; m++)
		if (node_method_ordinal((enum node_method)m, f->dialect) == (int)number)
			return m;
	return -1;
}

static void take_block(struct fake_ipc *f, struct capn_ptr params, uint32_t at, int options)
{
	f->last_block_size = capn_get_data(params, at).size;
	/* The default, true, is stored as zero since v31. */
	if (options >= 0)
		f->last_check_pow = capn_read_bit(capn_getp(params, (uint32_t)options), 1) !=
				    (f->dialect != NODE_V30);
}

static void mining_call(void *user, struct capn_incoming *incoming, uint64_t interface,
			uint16_t number, struct capn_ptr params)
{
	struct fake_ipc *f = user;
	bool old = f->dialect == NODE_V30;
	int method = method_of(f, interface, node_interface_Mining, number, NODE_Mining_isTestChain,
			       NODE_Mining_getTransactionsByWitnessID);

	if (method < 0) {
		unknown(incoming);
		return;
	}
	if (misbehave(f, (enum node_method)method, incoming))
		return;
	switch (method) {
	case NODE_Mining_isTestChain:
		send_bit(incoming, f->test_chain);
		break;
	case NODE_Mining_isInitialBlockDownload:
		send_bit(incoming, f->initial_download);
		break;
	case NODE_Mining_getTip:
		send_tip(f, incoming, false);
		break;
	case NODE_Mining_waitTipChanged:
		f->waiting = incoming;
		break;
	case NODE_Mining_checkBlock:
		take_block(f, params, old ? 0 : 1, old ? 1 : 2);
		send_verdict(f, incoming);
		break;
	case NODE_Mining_submitBlock:
		take_block(f, params, 1, -1);
		send_verdict(f, incoming);
		break;
	case NODE_Mining_getTransactionsByTxID:
	case NODE_Mining_getTransactionsByWitnessID:
		send_transactions(f, incoming, params);
		break;
	default:
		unknown(incoming);
		break;
	}
}

static const struct capn_server mining_server = {mining_call, NULL};

static void thread_call(void *user, struct capn_incoming *incoming, uint64_t interface,
			uint16_t number, struct capn_ptr params)
{
	(void)user;
	(void)interface;
	(void)number;
	(void)params;
	unknown(incoming);
}

static const struct capn_server thread_server = {thread_call, NULL};

static void thread_map_call(void *user, struct capn_incoming *incoming, uint64_t interface,
			    uint16_t number, struct capn_ptr params)
{
	struct fake_ipc *f = user;

	(void)params;
	if (interface != node_interface_ThreadMap || number != 0)
		unknown(incoming);
	else if (!misbehave(f, NODE_ThreadMap_makeThread, incoming))
		send_cap(incoming, capn_export(capn_socket_rpc(f->socket), &thread_server, f));
}

static const struct capn_server thread_map_server = {thread_map_call, NULL};

static void init_call(void *user, struct capn_incoming *incoming, uint64_t interface,
		      uint16_t number, struct capn_ptr params)
{
	struct fake_ipc *f = user;
	struct capn_rpc *rpc = capn_socket_rpc(f->socket);
	int method = method_of(f, interface, node_interface_Init, number, NODE_Init_construct,
			       NODE_Init_makeMining);

	(void)params;
	if (method < 0)
		unknown(incoming);
	else if (misbehave(f, (enum node_method)method, incoming))
		return;
	else if (method == NODE_Init_construct)
		send_cap(incoming, capn_export(rpc, &thread_map_server, f));
	else
		send_cap(incoming, capn_export(rpc, &mining_server, f));
}

static const struct capn_server init_server = {init_call, NULL};

/* --- connections --------------------------------------------------------------------------------
 */

static void end_session(struct fake_ipc *f)
{
	struct capn_socket *socket = f->socket;

	f->socket = NULL;
	if (f->waiting != NULL)
		capn_answer_fail(f->waiting, CAPN_DISCONNECTED, "the end");
	f->waiting = NULL;
	while (f->hung_count > 0)
		capn_answer_fail(f->hung[--f->hung_count], CAPN_DISCONNECTED, "the end");
	capn_cap_unref(f->bootstrap);
	f->bootstrap = NULL;
	if (socket != NULL)
		capn_socket_close(socket);
}

static void on_socket_ended(void *user, const struct error *reason)
{
	(void)reason;
	end_session(user);
}

static void on_accept(evutil_socket_t fd, short what, void *user)
{
	struct fake_ipc *f = user;
	struct error e = {0};
	int client = accept(fd, NULL, NULL);

	(void)what;
	ck_assert_int_ge(client, 0);
	end_session(f);
	ck_assert_int_eq(evutil_make_socket_nonblocking(client), 0);
	f->sessions++;
	f->client = client;
	f->socket = capn_socket_adopt(f->base, client, on_socket_ended, f, &e);
	ck_assert_msg(f->socket != NULL, "%s", e.text);
	f->bootstrap = capn_export(capn_socket_rpc(f->socket), &init_server, f);
	capn_set_bootstrap(capn_socket_rpc(f->socket), f->bootstrap);
}

void fake_ipc_up(struct fake_ipc *f)
{
	static const struct timespec long_ago[2] = {{1000000000, 0}, {1000000000, 0}};
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(f->listener, 0);
	unlink(f->path);
	ck_assert_int_eq(bind(f->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(f->listener, 8), 0);
	/* One that has just been started is left alone. */
	ck_assert_int_eq(utimensat(AT_FDCWD, f->path, long_ago, 0), 0);
	f->accept = event_new(f->base, f->listener, EV_READ | EV_PERSIST, on_accept, f);
	event_add(f->accept, NULL);
}

void fake_ipc_down(struct fake_ipc *f)
{
	end_session(f);
	if (f->listener < 0)
		return;
	event_free(f->accept);
	close(f->listener);
	f->listener = -1;
	unlink(f->path);
}

void fake_ipc_tip(struct fake_ipc *f, int32_t height, uint8_t number)
{
	struct capn_incoming *waiting = f->waiting;

	f->height = height;
	memset(f->hash, number, sizeof(f->hash));
	f->waiting = NULL;
	if (waiting != NULL)
		send_tip(f, waiting, true);
}

void fake_ipc_heal(struct fake_ipc *f)
{
	f->only = -1;
	f->hang = false;
	f->drop = false;
	f->exception = false;
	f->nothing = false;
	f->wrong_types = false;
	f->refusal = NULL;
}

void fake_ipc_init(struct fake_ipc *f, struct event_base *base)
{
	memset(f, 0, sizeof(*f));
	f->base = base;
	f->listener = -1;
	f->dialect = NODE_V32;
	f->test_chain = true;
	fake_ipc_heal(f);
	fake_ipc_tip(f, 7, 7);
	strcpy(f->dir, "/tmp/adit-ipc-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/node.sock", f->dir);
	fake_ipc_up(f);
}

void fake_ipc_free(struct fake_ipc *f)
{
	fake_ipc_down(f);
	rmdir(f->dir);
}
