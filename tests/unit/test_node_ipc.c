/* SPDX-License-Identifier: MIT */
/* The node's schema in its dialects, and a session with a node that was recorded. */
#include "config.h"

#include <check.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/capnp/rpc_schema.h"
#include "lib/capnp/socket.h"
#include "lib/capnp/wire.h"
#include "lib/node-ipc/path.h"
#include "lib/node-ipc/session.h"
#include "lib/util/hex.h"

/* --- the table
 * ---------------------------------------------------------------------------------------- */

static void ignore(void *user)
{
	(void)user;
}

static const struct capn_rpc_callbacks quiet = {ignore, NULL};

/* The parameters of METHOD as they would go out, read back; *BYTES has to be freed. */
static struct capn_ptr params_of(enum node_method method, enum node_dialect dialect,
				 const void *params, struct buf *bytes, struct capn_message *m,
				 uint16_t *ordinal)
{
	struct capn_rpc *rpc = capn_rpc_new(&quiet, NULL);
	struct capn_cap *target = capn_bootstrap(rpc);
	buf_clear(capn_rpc_flush(rpc));
	struct capn_call *call = node_call_new(target, method, dialect, params);
	ck_assert_ptr_nonnull(call);
	ck_assert_int_eq(capn_call_send(call, NULL, NULL, NULL), ADIT_OK);
	struct buf *out = capn_rpc_flush(rpc);
	buf_append(bytes, out->data, out->size);
	capn_cap_unref(target);
	capn_rpc_free(rpc);
	ck_assert_int_eq(capn_message_init(m, bytes->data, bytes->size, NULL), ADIT_OK);
	struct capn_ptr body = capn_getp(capn_root(m), 0);
	*ordinal = capn_read16(body, CALL_METHOD);
	return capn_getp(capn_getp(body, CALL_PARAMS), PAYLOAD_CONTENT);
}

START_TEST(create_new_block)
{
	static const uint16_t pointers[] = {1, 2, 2};
	struct node_CreateNewBlock p;
	struct capn_message m;
	struct buf bytes = {0};
	uint16_t ordinal;
	enum node_dialect dialect = (enum node_dialect)_i;
	bool old = dialect == NODE_V30;
	node_defaults(NODE_Mining_createNewBlock, &p);
	ck_assert(p.cooldown && p.options.useMempool);
	ck_assert_uint_eq(p.options.blockReservedWeight, 8000);
	p.options.blockReservedWeight = 4000;
	struct capn_ptr got =
	    params_of(NODE_Mining_createNewBlock, dialect, &p, &bytes, &m, &ordinal);
	ck_assert_uint_eq(ordinal, 4);
	ck_assert_uint_eq(got.pointer_count, pointers[_i]);
	/* Defaults are stored as zero since v31, and v30 has none. */
	ck_assert_uint_eq(capn_read_bit(got, 0), 0);
	struct capn_ptr options = capn_getp(got, old ? 0 : 1);
	ck_assert_uint_eq(options.data_size, 24);
	ck_assert_uint_eq(capn_read_bit(options, 0), old);
	ck_assert_uint_eq(capn_read64(options, 8), old ? 4000 : (4000 ^ 8000));
	ck_assert_uint_eq(capn_read64(options, 16), old ? 400 : 0);
	buf_free(&bytes);
}
END_TEST

START_TEST(wait_next)
{
	static const uint16_t ordinals[] = {10, 8, 8};
	struct node_WaitNext p;
	struct capn_message m;
	struct buf bytes = {0};
	uint16_t ordinal;
	uint64_t expected;
	bool old = _i == NODE_V30;
	double timeout = 1234.5;
	double most;
	node_defaults(NODE_BlockTemplate_waitNext, &p);
	most = p.options.timeout;
	ck_assert(most > 1.79e308);
	ck_assert_int_eq(p.options.feeThreshold, 2100000000000000);
	p.options.timeout = timeout;
	p.options.feeThreshold = 1000;
	struct capn_ptr got =
	    params_of(NODE_BlockTemplate_waitNext, (enum node_dialect)_i, &p, &bytes, &m, &ordinal);
	ck_assert_uint_eq(ordinal, ordinals[_i]);
	struct capn_ptr options = capn_getp(got, 1);
	memcpy(&expected, &timeout, 8);
	ck_assert_uint_eq(capn_read64(options, 0), old ? expected : expected ^ 0x7fefffffffffffff);
	ck_assert_uint_eq(capn_read64(options, 8), old ? 1000 : 1000 ^ 2100000000000000);
	buf_free(&bytes);
}
END_TEST

START_TEST(methods_by_dialect)
{
	static const int submit[] = {9, 7, 10};
	static const int path[] = {8, 6, 6};
	for (int d = 0; d < NODE_DIALECTS; d++) {
		enum node_dialect dialect = (enum node_dialect)d;
		ck_assert_int_eq(node_method_ordinal(NODE_BlockTemplate_submitSolution, dialect),
				 submit[d]);
		ck_assert_int_eq(
		    node_method_ordinal(NODE_BlockTemplate_getCoinbaseMerklePath, dialect),
		    path[d]);
	}
	ck_assert_int_eq(node_method_ordinal(NODE_Mining_submitBlock, NODE_V31), -1);
	ck_assert_str_eq(node_method_name(NODE_Mining_submitBlock), "Mining.submitBlock");
	ck_assert_str_eq(node_dialect_name(NODE_V32), "v32");
	ck_assert_ptr_null(node_call_new(NULL, NODE_Mining_submitBlock, NODE_V31, NULL));
}
END_TEST

/* --- a node that was recorded
 * --------------------------------------------------------------------------- */

#define RECORDED_MAX 128

/* What the recorded node said to each call, in order; `used` answers have been given. */
struct recording {
	struct {
		uint64_t interface; /* 0: the bootstrap */
		uint16_t method;
		uint8_t *bytes;
		size_t size;
		bool used;
	} answers[RECORDED_MAX];
	unsigned count;
	/* Questions of the recorded client, by their number. */
	uint64_t interface[RECORDED_MAX];
	uint16_t method[RECORDED_MAX];
};

static void note_message(struct recording *r, struct capn_message *m, const uint8_t *bytes,
			 size_t size)
{
	struct capn_ptr root = capn_root(m);
	struct capn_ptr body = capn_getp(root, 0);
	uint32_t id = capn_read32(body, 0);
	switch (capn_read16(root, 0)) {
	case MESSAGE_BOOTSTRAP:
		r->interface[id] = 0;
		break;
	case MESSAGE_CALL:
		ck_assert_uint_lt(id, RECORDED_MAX);
		r->interface[id] = capn_read64(body, CALL_INTERFACE);
		r->method[id] = capn_read16(body, CALL_METHOD);
		break;
	case MESSAGE_RETURN:
		ck_assert_uint_lt(r->count, RECORDED_MAX);
		r->answers[r->count].interface = r->interface[id];
		r->answers[r->count].method = r->method[id];
		r->answers[r->count].bytes = malloc(size);
		memcpy(r->answers[r->count].bytes, bytes, size);
		r->answers[r->count++].size = size;
		break;
	default:
		break;
	}
}

/* Takes the complete messages from the front of STREAM. */
static void note_stream(struct recording *r, struct buf *stream)
{
	for (;;) {
		struct capn_message m;
		struct error e;
		uint64_t size = capn_frame_size(stream->data, stream->size, 1 << 20);
		if (size == 0 || size > stream->size)
			return;
		ck_assert_int_eq(capn_message_init(&m, stream->data, (size_t)size, &e), ADIT_OK);
		note_message(r, &m, stream->data, (size_t)size);
		ck_assert_msg(!capn_failed(&m), "%s", m.failure);
		buf_drain(stream, (size_t)size);
	}
}

static void load_recording(struct recording *r)
{
	char path[1024];
	const char *source = getenv("srcdir");
	struct buf streams[2] = {{0}, {0}};
	char *line = NULL;
	size_t capacity = 0;
	snprintf(path, sizeof(path), "%s/tests/vectors/bitcoin-ipc/node-31.99-client-v31.jsonl",
		 source != NULL ? source : ".");
	FILE *f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s", path);
	memset(r, 0, sizeof(*r));
	while (getline(&line, &capacity, f) > 0) {
		struct json_object *o = json_tokener_parse(line);
		struct json_object *from;
		struct json_object *hex;
		ck_assert(json_object_object_get_ex(o, "from", &from) &&
			  json_object_object_get_ex(o, "hex", &hex));
		const char *text = json_object_get_string(hex);
		size_t n = strlen(text) / 2;
		struct buf *stream = &streams[strcmp(json_object_get_string(from), "node") == 0];
		uint8_t *at = buf_reserve(stream, n);
		ck_assert(hex_decode(text, at, n));
		stream->size += n;
		json_object_put(o);
		note_stream(r, stream);
	}
	ck_assert_uint_eq(streams[0].size + streams[1].size, 0);
	buf_free(&streams[0]);
	buf_free(&streams[1]);
	free(line);
	fclose(f);
}

static void free_recording(struct recording *r)
{
	for (unsigned i = 0; i < r->count; i++)
		free(r->answers[i].bytes);
}

/* A peer that answers each call as the recorded node answered the like of it. */
struct replay {
	struct recording recording;
	struct event_base *base;
	int listener;
	int fd;
	struct event *accepted;
	struct event *readable;
	struct buf in;
	char path[64];
	bool mute; /* answers nothing from now on */
};

static void send_all(int fd, const void *data, size_t size)
{
	ck_assert_int_eq(send(fd, data, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* What a node says to a method that it has not. */
static void answer_unimplemented(struct replay *replay, uint32_t id)
{
	struct capn_builder b = {0};
	struct buf bytes = {0};
	struct capn_ref root = capn_new_root(&b, SIZE_MESSAGE);
	capn_write16(root, 0, MESSAGE_RETURN);
	struct capn_ref answer = capn_new_struct(root, 0, SIZE_RETURN);
	capn_write32(answer, 0, id);
	capn_write16(answer, RETURN_WHICH, RETURN_EXCEPTION);
	struct capn_ref exception = capn_new_struct(answer, 0, SIZE_EXCEPTION);
	capn_write16(exception, EXCEPTION_TYPE, CAPN_UNIMPLEMENTED);
	capn_set_text(exception, 0, "Method not implemented.", 23);
	ck_assert_int_eq(capn_frame(&b, &bytes), ADIT_OK);
	send_all(replay->fd, bytes.data, bytes.size);
	capn_builder_free(&b);
	buf_free(&bytes);
}

static void answer_as_recorded(struct replay *replay, uint32_t id, uint64_t interface,
			       uint16_t method)
{
	struct recording *r = &replay->recording;
	for (unsigned i = 0; i < r->count; i++) {
		if (r->answers[i].used || r->answers[i].interface != interface ||
		    r->answers[i].method != method)
			continue;
		r->answers[i].used = true;
		/* Head, root pointer, Message; Return begins with the number. */
		wire_store(r->answers[i].bytes + 32, id, 4);
		send_all(replay->fd, r->answers[i].bytes, r->answers[i].size);
		return;
	}
	answer_unimplemented(replay, id);
}

static void replay_message(struct replay *replay, struct capn_message *m)
{
	struct capn_ptr root = capn_root(m);
	struct capn_ptr body = capn_getp(root, 0);
	if (replay->mute)
		return;
	if (capn_read16(root, 0) == MESSAGE_BOOTSTRAP)
		answer_as_recorded(replay, capn_read32(body, 0), 0, 0);
	else if (capn_read16(root, 0) == MESSAGE_CALL)
		answer_as_recorded(replay, capn_read32(body, 0), capn_read64(body, CALL_INTERFACE),
				   capn_read16(body, CALL_METHOD));
}

static void on_replay_readable(evutil_socket_t fd, short what, void *user)
{
	struct replay *replay = user;
	uint8_t bytes[4096];
	(void)what;
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n <= 0) {
		event_del(replay->readable);
		return;
	}
	buf_append(&replay->in, bytes, (size_t)n);
	for (;;) {
		struct capn_message m;
		uint64_t size = capn_frame_size(replay->in.data, replay->in.size, 1 << 20);
		if (size == 0 || size > replay->in.size)
			return;
		ck_assert_int_eq(capn_message_init(&m, replay->in.data, (size_t)size, NULL),
				 ADIT_OK);
		replay_message(replay, &m);
		ck_assert(!capn_failed(&m));
		buf_drain(&replay->in, (size_t)size);
	}
}

static void on_accept(evutil_socket_t fd, short what, void *user)
{
	struct replay *replay = user;
	(void)what;
	replay->fd = accept(fd, NULL, NULL);
	ck_assert_int_ge(replay->fd, 0);
	replay->readable =
	    event_new(replay->base, replay->fd, EV_READ | EV_PERSIST, on_replay_readable, replay);
	event_add(replay->readable, NULL);
}

static void replay_start(struct replay *replay)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	memset(replay, 0, sizeof(*replay));
	load_recording(&replay->recording);
	replay->base = event_base_new();
	replay->fd = -1;
	snprintf(replay->path, sizeof(replay->path), "/tmp/adit-test-ipc-%ld.sock", (long)getpid());
	unlink(replay->path);
	strcpy(address.sun_path, replay->path);
	replay->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(replay->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(replay->listener, 4), 0);
	replay->accepted = event_new(replay->base, replay->listener, EV_READ, on_accept, replay);
	event_add(replay->accepted, NULL);
}

static void replay_stop(struct replay *replay)
{
	event_free(replay->accepted);
	if (replay->readable != NULL)
		event_free(replay->readable);
	if (replay->fd >= 0)
		close(replay->fd);
	close(replay->listener);
	unlink(replay->path);
	buf_free(&replay->in);
	free_recording(&replay->recording);
	event_base_free(replay->base);
}

struct client {
	struct replay replay;
	struct node_ipc *session;
	bool ready;
	bool ended;
	struct error reason;
};

static void on_client_ready(void *user)
{
	struct client *c = user;
	c->ready = true;
	event_base_loopbreak(c->replay.base);
}

static void on_client_ended(void *user, const struct error *reason)
{
	struct client *c = user;
	c->ended = true;
	c->reason = *reason;
	event_base_loopbreak(c->replay.base);
}

static const struct node_ipc_callbacks client_callbacks = {on_client_ready, on_client_ended};

static void client_start(struct client *c)
{
	struct error e;
	memset(c, 0, sizeof(*c));
	replay_start(&c->replay);
	c->session =
	    node_ipc_open(c->replay.base, c->replay.path, "adit", 5000, &client_callbacks, c, &e);
	ck_assert_msg(c->session != NULL, "%s", e.text);
	event_base_dispatch(c->replay.base);
	ck_assert_msg(c->ready, "%s", c->reason.text);
}

static void client_stop(struct client *c)
{
	node_ipc_close(c->session);
	replay_stop(&c->replay);
}

/* The answer to one call: waited for, copied where it has to last. */
struct answer {
	struct client *client;
	enum node_method method;
	void *results;
	bool ok;
	enum capn_exception type;
	char reason[256];
	bool copy; /* the result is data: its begin is kept */
	uint8_t bytes[512];
	size_t size;
};

static void on_answer(void *user, const struct capn_return *result)
{
	struct answer *a = user;
	a->ok = result->ok;
	a->type = result->type;
	snprintf(a->reason, sizeof(a->reason), "%s", result->reason);
	if (result->ok) {
		node_results(a->method, node_ipc_dialect(a->client->session), result, a->results);
		struct capn_bytes first = {NULL, 0};
		if (a->copy)
			first = capn_get_data(result->results, 0);
		a->size = first.size < sizeof(a->bytes) ? first.size : sizeof(a->bytes);
		if (a->size > 0)
			memcpy(a->bytes, first.data, a->size);
	}
	event_base_loopbreak(a->client->replay.base);
}

static void ask_as(struct answer *a, struct capn_cap *target, const void *params, void *results,
		   unsigned ordinal)
{
	struct error e;
	a->results = results;
	struct capn_call *call =
	    node_call_as(target, a->method, ordinal, node_ipc_dialect(a->client->session), params);
	ck_assert_msg(node_ipc_call(a->client->session, call, 2000, on_answer, a, &e) == ADIT_OK,
		      "%s", e.text);
	event_base_dispatch(a->client->replay.base);
}

static struct answer ask(struct client *c, struct capn_cap *target, enum node_method method,
			 const void *params, void *results)
{
	struct answer a = {.client = c,
			   .method = method,
			   .copy = method == NODE_BlockTemplate_getBlock ||
				   method == NODE_BlockTemplate_getBlockHeader};
	ask_as(&a, target, params, results,
	       (unsigned)node_method_ordinal(method, node_ipc_dialect(c->session)));
	return a;
}

START_TEST(recorded_node)
{
	struct client c;
	client_start(&c);
	ck_assert_int_eq(node_ipc_dialect(c.session), NODE_V31);
	struct node_OnlyContext context = {node_ipc_context(c.session)};

	struct node_BoolResult loading = {true};
	struct answer a = ask(&c, node_ipc_mining(c.session), NODE_Mining_isInitialBlockDownload,
			      &context, &loading);
	ck_assert_msg(a.ok, "%s", a.reason);
	ck_assert(!loading.result);

	struct node_CreateNewBlock create;
	struct node_CapResult made;
	node_defaults(NODE_Mining_createNewBlock, &create);
	create.context = context.context;
	a = ask(&c, node_ipc_mining(c.session), NODE_Mining_createNewBlock, &create, &made);
	ck_assert_msg(a.ok, "%s", a.reason);
	ck_assert_ptr_nonnull(made.result);

	struct node_CoinbaseTxResult coinbase;
	a = ask(&c, made.result, NODE_BlockTemplate_getCoinbaseTx, &context, &coinbase);
	ck_assert_msg(a.ok, "%s", a.reason);
	ck_assert_uint_eq(coinbase.result.version, 2);
	ck_assert_uint_eq(coinbase.result.sequence, 0xfffffffe);
	ck_assert_int_eq(coinbase.result.blockRewardRemaining, 5000000000);
	ck_assert_uint_eq(coinbase.result.witness.size, 32);
	ck_assert_uint_eq(coinbase.result.requiredOutputs.count, 1);

	struct node_DatasResult path;
	a = ask(&c, made.result, NODE_BlockTemplate_getCoinbaseMerklePath, &context, &path);
	ck_assert_msg(a.ok, "%s", a.reason);

	/* The header is the begin of the block. */
	uint8_t header[80];
	struct node_DataResult data;
	a = ask(&c, made.result, NODE_BlockTemplate_getBlockHeader, &context, &data);
	ck_assert_uint_eq(a.size, sizeof(header));
	memcpy(header, a.bytes, sizeof(header));
	a = ask(&c, made.result, NODE_BlockTemplate_getBlock, &context, &data);
	ck_assert_uint_gt(a.size, 80);
	ck_assert_mem_eq(a.bytes, header, sizeof(header));
	capn_cap_unref(made.result);
	client_stop(&c);
}
END_TEST

/* How another program lost a block: the node answers submitSolution on the number of an older
 * dialect with an exception. It ends nothing: the next question is answered. */
START_TEST(recorded_exception_is_not_the_end)
{
	struct client c;
	client_start(&c);
	struct node_CreateNewBlock create;
	struct node_CapResult made;
	node_defaults(NODE_Mining_createNewBlock, &create);
	struct answer a =
	    ask(&c, node_ipc_mining(c.session), NODE_Mining_createNewBlock, &create, &made);
	ck_assert(a.ok);

	uint8_t coinbase[60] = {0};
	struct node_Solution solution = {.context = node_ipc_context(c.session),
					 .version = 0x20000000,
					 .coinbase = {coinbase, sizeof(coinbase)}};
	struct node_Verdict verdict;
	a.method = NODE_BlockTemplate_submitSolution;
	ask_as(&a, made.result, &solution, &verdict, 7);
	ck_assert(!a.ok);
	ck_assert_int_eq(a.type, CAPN_FAILED);
	ck_assert_msg(strstr(a.reason, "submitSolution") != NULL, "%s", a.reason);
	ck_assert(!c.ended);

	struct node_DataResult data;
	struct node_OnlyContext context = {node_ipc_context(c.session)};
	a = ask(&c, made.result, NODE_BlockTemplate_getBlock, &context, &data);
	ck_assert(a.ok && a.size > 80);
	capn_cap_unref(made.result);
	client_stop(&c);
}
END_TEST

/* A node that takes calls and never answers them. */
START_TEST(node_that_hangs)
{
	struct client c;
	struct error e;
	client_start(&c);
	struct node_OnlyContext context = {node_ipc_context(c.session)};
	struct node_TipResult tip;
	struct answer a = {.client = &c, .method = NODE_Mining_getTip, .results = &tip};
	c.replay.mute = true;
	struct capn_call *call = node_call_new(node_ipc_mining(c.session), NODE_Mining_getTip,
					       node_ipc_dialect(c.session), &context);
	ck_assert_int_eq(node_ipc_call(c.session, call, 50, on_answer, &a, &e), ADIT_OK);
	while (!c.ended)
		event_base_dispatch(c.replay.base);
	ck_assert(!a.ok);
	ck_assert_int_eq(a.type, CAPN_DISCONNECTED);
	ck_assert_int_eq(c.reason.code, ADIT_E_TIMEOUT);
	ck_assert_str_eq(c.reason.text, "the node has not answered for 50 ms");
	/* Nothing can be asked any more. */
	call = node_call_new(node_ipc_mining(c.session), NODE_Mining_getTip, NODE_V31, &context);
	ck_assert_int_eq(node_ipc_call(c.session, call, 50, on_answer, &a, &e), ADIT_E_UNAVAILABLE);
	client_stop(&c);
}
END_TEST

START_TEST(node_that_goes)
{
	struct client c;
	client_start(&c);
	shutdown(c.replay.fd, SHUT_RDWR);
	event_base_dispatch(c.replay.base);
	ck_assert(c.ended);
	/* Found out by reading or by writing, whichever came first. */
	ck_assert_int_eq(c.reason.code, ADIT_E_UNAVAILABLE);
	client_stop(&c);
}
END_TEST

START_TEST(path_of_the_socket)
{
	static const struct {
		const char *network;
		const char *datadir;
		const char *socket;
		const char *path;
	} cases[] = {
	    {"main", "/var/lib/bitcoind", NULL, "/var/lib/bitcoind/node.sock"},
	    {"testnet4", "/d", NULL, "/d/testnet4/node.sock"},
	    {"testnet3", "/d", NULL, "/d/testnet3/node.sock"},
	    {"signet", "/d", NULL, "/d/signet/node.sock"},
	    {"regtest", "/d", NULL, "/d/regtest/node.sock"},
	    {"main", NULL, NULL, "/home/b/.bitcoin/node.sock"},
	    {"regtest", NULL, NULL, "/home/b/.bitcoin/regtest/node.sock"},
	    {"regtest", "/d", "/run/n.sock", "/run/n.sock"},
	};
	char path[NODE_IPC_PATH_MAX], deep[200];
	struct error e;
	setenv("HOME", "/home/b", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(node_ipc_path(cases[i].network, cases[i].datadir, cases[i].socket,
					       path, sizeof(path), &e),
				 ADIT_OK);
		ck_assert_str_eq(path, cases[i].path);
	}
	ck_assert_int_eq(node_ipc_path("mars", "/d", NULL, path, sizeof(path), &e), ADIT_E_CONFIG);
	ck_assert_msg(strstr(e.text, "mars") != NULL, "%s", e.text);
	memset(deep, 'd', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	ck_assert_int_eq(node_ipc_path("main", deep, NULL, path, sizeof(path), &e), ADIT_E_CONFIG);
	ck_assert_msg(strstr(e.text, "107") != NULL, "%s", e.text);
	unsetenv("HOME");
	ck_assert_int_eq(node_ipc_path("main", NULL, NULL, path, sizeof(path), &e), ADIT_E_CONFIG);
}
END_TEST

START_TEST(no_node)
{
	struct event_base *base = event_base_new();
	struct error e;
	ck_assert_ptr_null(node_ipc_open(base, "/nonexistent/node.sock", "adit", 1000,
					 &client_callbacks, NULL, &e));
	ck_assert_int_eq(e.code, ADIT_E_NOT_FOUND);
	event_base_free(base);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node-ipc");
	TCase *table = tcase_create("schema");
	TCase *session = tcase_create("session");
	tcase_add_loop_test(table, create_new_block, 0, NODE_DIALECTS);
	tcase_add_loop_test(table, wait_next, 0, NODE_DIALECTS);
	tcase_add_test(table, methods_by_dialect);
	tcase_add_test(table, path_of_the_socket);
	tcase_add_test(session, recorded_node);
	tcase_add_test(session, recorded_exception_is_not_the_end);
	tcase_add_test(session, node_that_hangs);
	tcase_add_test(session, node_that_goes);
	tcase_add_test(session, no_node);
	suite_add_tcase(suite, table);
	suite_add_tcase(suite, session);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
