/* SPDX-License-Identifier: MIT */
/* The role as a whole: its manifest, a node beside it, and TDP clients on its Unix socket. */
#include "config.h"

#include <check.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/sv2/client.h"
#include "lib/sv2/codec.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/test_tp.h"
#include "tests/unit/tp_fixture.h"

extern const struct adit_plugin_descriptor adit_plugin;

static struct adit_host *host, *node;
static struct fixture f;
static char dir[64];
static char address[96];
static bool node_away;
static bool blocks_refused; /* the node takes none now */
static struct buf block;    /* the last one that was submitted */
static int blocks;

/* One TDP client and what it heard. */
static struct client {
	struct sv2_client *c;
	struct adit_sv2_conn *conn;
	char order[64]; /* F and N: a future template and one of now, P: previous hash */
	int templates;
	int prev_hashes;
	int closed;
	uint64_t id;
	bool future;
	uint64_t value;
	uint8_t prefix[8];
	uint32_t prefix_size;
	uint8_t outputs[64];
	uint32_t outputs_size;
	uint8_t path[MERKLE_MAX_DEPTH * 32];
	uint32_t depth;
	struct adit_sv2_template_set_new_prev_hash tip;
	uint32_t data_count;
	char error[64];
} client;

/* --- the node --- */

static void give_template(void *user, struct adit_request *request,
			  const struct adit_request_info *info)
{
	(void)user;
	(void)info;
	if (node_away)
		fake_host_api()->reply(node, request, ADIT_E_UNAVAILABLE, "initial download: 12 %",
				       "", 0, NULL, 0);
	else
		fake_host_api()->reply(node, request, ADIT_OK, "", (const char *)f.json.data,
				       f.json.size, f.data.data, f.data.size);
}

static void take_block(void *user, struct adit_request *request,
		       const struct adit_request_info *info)
{
	static const char yes[] = "{\"accepted\":true}";

	(void)user;
	blocks++;
	if (blocks_refused) {
		fake_host_api()->reply(node, request, ADIT_E_UNAVAILABLE, "busy", "", 0, NULL, 0);
		return;
	}
	buf_clear(&block);
	buf_append(&block, info->attachment, info->attachment_size);
	fake_host_api()->reply(node, request, ADIT_OK, "", yes, strlen(yes), NULL, 0);
}

static void announce(const char *json)
{
	fake_host_api()->publish(node, "BlockTemplateUpdated", json, strlen(json), NULL, 0);
}

static void next_template(bool new_tip)
{
	f.id++;
	if (new_tip) {
		f.height++;
		f.prev_hash[0]++;
	}
	fixture_render(&f);
	announce(new_tip ? "{\"new_tip\":true}" : "{\"new_tip\":false}");
}

/* --- the client --- */

static void on_opened(void *context, struct adit_sv2_conn *conn,
		      const struct adit_sv2_setup_connection_success *m)
{
	(void)context;
	ck_assert_uint_eq(m->flags, 0);
	client.conn = conn;
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	(void)context;
	(void)conn;
	(void)reason;
	client.conn = NULL;
	client.closed++;
}

static int32_t on_template(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_new_template *m)
{
	(void)context;
	(void)conn;
	client.order[strlen(client.order) % (sizeof(client.order) - 1)] =
	    m->future_template ? 'F' : 'N';
	client.templates++;
	client.id = m->template_id;
	client.future = m->future_template;
	client.value = m->coinbase_tx_value_remaining;
	client.prefix_size = m->coinbase_prefix.size;
	memcpy(client.prefix, m->coinbase_prefix.data, m->coinbase_prefix.size);
	client.outputs_size = m->coinbase_tx_outputs.size;
	memcpy(client.outputs, m->coinbase_tx_outputs.data, m->coinbase_tx_outputs.size);
	client.depth = m->merkle_path.count;
	memcpy(client.path, m->merkle_path.data, m->merkle_path.size);
	return ADIT_OK;
}

static int32_t on_prev_hash(void *context, struct adit_sv2_conn *conn,
			    const struct adit_sv2_template_set_new_prev_hash *m)
{
	(void)context;
	(void)conn;
	client.order[strlen(client.order) % (sizeof(client.order) - 1)] = 'P';
	client.prev_hashes++;
	client.tip = *m;
	return ADIT_OK;
}

static int32_t on_data(void *context, struct adit_sv2_conn *conn,
		       const struct adit_sv2_request_transaction_data_success *m)
{
	(void)context;
	(void)conn;
	client.data_count = m->transaction_list.count;
	return ADIT_OK;
}

static int32_t on_data_error(void *context, struct adit_sv2_conn *conn,
			     const struct adit_sv2_request_transaction_data_error *m)
{
	(void)context;
	(void)conn;
	snprintf(client.error, sizeof(client.error), "%.*s", (int)m->error_code.size,
		 (const char *)m->error_code.data);
	return ADIT_OK;
}

static const struct adit_sv2_template_client_handlers handlers = {
    .size = sizeof(handlers),
    .opened = on_opened,
    .closed = on_closed,
    .new_template = on_template,
    .template_set_new_prev_hash = on_prev_hash,
    .request_transaction_data_success = on_data,
    .request_transaction_data_error = on_data_error,
};

static void connect_client(void)
{
	struct sv2_client_options options = {.address = address, .plain = true};
	struct error e = {0};

	client.c = sv2_client_new_template(fake_host_base(host), &options, &handlers, NULL, &e);
	ck_assert_msg(client.c != NULL, "%s", e.text);
}

static void constrain(uint32_t size)
{
	struct adit_sv2_coinbase_output_constraints m = {
	    .coinbase_output_max_additional_size = size,
	    .coinbase_output_max_additional_sigops = 4};

	ck_assert_int_eq(adit_sv2_send(client.conn, ADIT_SV2_COINBASE_OUTPUT_CONSTRAINTS, &m),
			 ADIT_OK);
}

static bool is_open(void *user)
{
	(void)user;
	return client.conn != NULL;
}

static bool has_tips(void *user)
{
	return client.prev_hashes >= *(int *)user;
}

static void wait_tips(int n)
{
	ck_assert(fake_host_wait(host, has_tips, &n, 5000));
}

static bool has_blocks(void *user)
{
	return blocks >= *(int *)user;
}

static void wait_blocks(int n)
{
	ck_assert(fake_host_wait(host, has_blocks, &n, 5000));
}

static void begin(void)
{
	ck_assert_msg(fake_host_start(host, &adit_plugin) == ADIT_OK, "%s", fake_host_error(host));
	connect_client();
	ck_assert(fake_host_wait(host, is_open, NULL, 5000));
}

static const char *manifest_path(void)
{
	static char path[512];
	const char *srcdir = getenv("srcdir"); /* `make check` sets it */

	snprintf(path, sizeof(path), "%s/plugins/template-provider/template-provider.manifest",
		 srcdir != NULL ? srcdir : ".");
	return path;
}

static void setup(void)
{
	char *manifest = fake_host_read_file(manifest_path());

	ck_assert_msg(manifest != NULL, "%s: not there", manifest_path());
	memset(&client, 0, sizeof(client));
	node_away = blocks_refused = false;
	blocks = 0;
	fixture_init(&f, 1, 5);
	fixture_render(&f);
	strcpy(dir, "/tmp/adit-test-tdp-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(address, sizeof(address), "unix:%s/tdp.sock", dir);
	host = fake_host_new("template-provider", manifest, NULL, NULL);
	free(manifest);
	node = fake_host_new("node", NULL, NULL, host);
	fake_host_api()->register_method(node, "get_block_template", ADIT_METHOD_ANY, give_template,
					 NULL, NULL);
	fake_host_api()->register_method(node, "submit_block", ADIT_METHOD_ANY, take_block, NULL,
					 NULL);
	ck_assert_ptr_nonnull(fake_host_listen(host, "listen", address));
}

static void teardown(void)
{
	if (client.c != NULL)
		sv2_client_free(client.c);
	fake_host_stop(host);
	ck_assert_uint_eq(fake_host_registrations(host), 0);
	fake_host_free(node);
	fake_host_free(host);
	fixture_free(&f);
	buf_free(&block);
	block = (struct buf){0};
	unlink(address + strlen("unix:"));
	rmdir(dir);
}

/* A value of the role's status. */
static long long status_of(const char *key)
{
	struct fake_reply *r = fake_host_call(host, "status", "{}", NULL, 0);
	char text[64];
	const char *at;
	long long value;

	ck_assert_int_eq(r->error, ADIT_OK);
	snprintf(text, sizeof(text), "\"%s\":", key);
	at = strstr(r->json, text);
	ck_assert_msg(at != NULL, "%s in %s", key, r->json);
	value = strtoll(at + strlen(text), NULL, 10);
	fake_reply_free(r);
	return value;
}

/* --- the tests --- */

START_TEST(template_and_tip)
{
	begin();
	constrain(34);
	wait_tips(1);
	ck_assert_int_eq(client.templates, 1);
	ck_assert(client.future);
	ck_assert_uint_eq(client.id, client.tip.template_id);
	ck_assert_mem_eq(client.tip.prev_hash.b, f.prev_hash, 32);
	ck_assert_int_eq(status_of("clients"), 1);
	ck_assert_int_eq(status_of("templates"), 1);
	ck_assert_int_eq(status_of("height"), 100);
	ck_assert_int_eq(status_of("tx_count"), 5);
	ck_assert_int_eq(status_of("fees"), 5010);
	ck_assert_uint_eq((uint64_t)status_of("template_id"), client.id);
	ck_assert_str_eq(fake_host_status(host), "serving height 100 to 1 clients");
	next_template(true);
	wait_tips(2);
	ck_assert_int_eq(client.templates, 2);
	ck_assert_uint_gt(client.tip.template_id, 1ull << 56);
	ck_assert_int_eq(status_of("height"), 101);
}
END_TEST

START_TEST(waiting_for_the_node)
{
	node_away = true;
	begin();
	constrain(34);
	fake_host_run(host, 100);
	ck_assert_int_eq(client.templates, 0);
	ck_assert_str_eq(fake_host_status(host), "waiting for the node: initial download: 12 %");
	node_away = false;
	wait_tips(1);
	ck_assert_str_eq(fake_host_status(host), "serving height 100 to 1 clients");
	/* It goes away again: what there is goes on, and the state says so. */
	node_away = true;
	next_template(true);
	fake_host_run(host, 100);
	ck_assert_ptr_nonnull(strstr(fake_host_status(host), "the node is away (initial download"));
}
END_TEST

/* No node behind the preferred source: the other one stands in, and both are shown. */
START_TEST(a_source_stands_in)
{
	fake_host_set_config(host, "source", "bitcoin-ipc,node");
	fake_host_set_config(host, "socket", "/nonexistent/node.sock");
	begin();
	constrain(34);
	wait_tips(1);
	ck_assert_ptr_nonnull(strstr(fake_host_status(host),
				     "serving height 100 from node to 1 clients; "
				     "bitcoin-ipc: no socket /nonexistent/node.sock: "));
	node_away = true;
	next_template(true);
	fake_host_run(host, 100);
	/* To other sources only a new start leads. */
	ck_assert_int_eq(fake_host_reload(host), ADIT_OK);
	fake_host_set_config(host, "datadir", "/nonexistent");
	ck_assert_int_eq(fake_host_reload(host), ADIT_E_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(fake_host_status(host),
				     "serving height 100 to 1 clients; the "
				     "node is away (bitcoin-ipc: no socket "));
	ck_assert_ptr_nonnull(strstr(fake_host_status(host), "; node: initial download: 12 %)"));
}
END_TEST

START_TEST(sources_that_can_not_be)
{
	fake_host_set_config(host, "source", "bitcoin-ipc");
	fake_host_set_config(host, "network", "mars");
	ck_assert_int_eq(fake_host_start(host, &adit_plugin), ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(fake_host_error(host), "mars"));
	fake_host_set_config(host, "source", "node,node");
	ck_assert_int_eq(fake_host_start(host, &adit_plugin), ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(fake_host_error(host), "node is named twice"));
}
END_TEST

/* Mines as a pool would: the coinbase pays everything to one script, the template's output comes
 * last. */
static struct buf make_coinbase(uint8_t extranonce)
{
	static const uint8_t script[22] = {0x00, 0x14};
	struct buf prefix = {0}, suffix = {0}, coinbase = {0}, output = {0};
	struct coinbase_spec spec = {
	    .tx_version = 2,
	    .script_prefix = client.prefix,
	    .script_prefix_size = client.prefix_size,
	    .extranonce_size = 1,
	    .sequence = 0xffffffff,
	    .template_outputs = client.outputs,
	    .template_outputs_size = client.outputs_size,
	    .template_outputs_count = 1,
	    .outputs_count = 1,
	};
	struct error e;

	coinbase_add_output(&output, client.value, script, sizeof(script));
	spec.outputs = output.data;
	spec.outputs_size = output.size;
	ck_assert_int_eq(coinbase_split(&spec, &prefix, &suffix, &e), ADIT_OK);
	coinbase_join_witness(prefix.data, prefix.size, &extranonce, 1, suffix.data, suffix.size,
			      &coinbase);
	buf_free(&prefix);
	buf_free(&suffix);
	buf_free(&output);
	return coinbase;
}

static uint32_t find_nonce(const struct buf *coinbase, uint32_t time)
{
	struct block_header h = {.version = 0x20000000, .time = time, .nbits = client.tip.n_bits};
	struct reader r;
	struct tx tx;
	uint8_t txid[32], header[80], hash[32];

	reader_init(&r, coinbase->data, coinbase->size);
	ck_assert(tx_parse(&r, &tx));
	tx_txid(&tx, txid);
	merkle_fold(txid, client.path, client.depth, h.merkle_root);
	memcpy(h.prev_hash, client.tip.prev_hash.b, 32);
	for (;; h.nonce++) {
		block_header_write(&h, header);
		sha256d_header(header, hash);
		if (target_met(hash, client.tip.target.b))
			return h.nonce;
	}
}

static void submit(uint64_t id, uint8_t extranonce, uint32_t nonce_offset)
{
	struct buf coinbase = make_coinbase(extranonce);
	struct adit_sv2_submit_solution m = {
	    .template_id = id,
	    .version = 0x20000000,
	    .header_timestamp = client.tip.ntime_start,
	    .header_nonce = find_nonce(&coinbase, client.tip.ntime_start) + nonce_offset,
	    .coinbase_tx = {.data = coinbase.data, .size = (uint32_t)coinbase.size},
	};

	ck_assert_int_eq(adit_sv2_send(client.conn, ADIT_SV2_SUBMIT_SOLUTION, &m), ADIT_OK);
	buf_free(&coinbase);
}

START_TEST(a_block_is_found)
{
	struct reader r;
	struct tx tx;

	begin();
	constrain(34);
	wait_tips(1);
	submit(client.id, 1, 0);
	wait_blocks(1);
	reader_init(&r, block.data, block.size);
	reader_bytes(&r, 80);
	ck_assert_uint_eq(reader_compact_size(&r), 6);
	for (int i = 0; i < 6; i++)
		ck_assert(tx_parse(&r, &tx));
	ck_assert_uint_eq(reader_left(&r), 0);
	fake_host_run(host, 20);
	/* Another one of the same template. */
	submit(client.id, 2, 0);
	wait_blocks(2);
	fake_host_run(host, 20);
	ck_assert_int_eq(status_of("solutions"), 2);
	ck_assert_int_eq(status_of("accepted"), 2);
	ck_assert_int_eq(status_of("rejected"), 0);
	ck_assert_int_eq(status_of("pending"), 0);
}
END_TEST

START_TEST(solutions_that_are_none)
{
	begin();
	constrain(34);
	wait_tips(1);
	submit(client.id + 7, 1, 0);
	fake_host_run(host, 50);
	ck_assert_int_eq(status_of("rejected"), 1);
	f.target[31] = 0; /* hard enough that the next nonce does not meet it by chance */
	next_template(true);
	wait_tips(2);
	submit(client.id, 1, 1);
	fake_host_run(host, 50);
	ck_assert_int_eq(status_of("rejected"), 2);
	ck_assert_int_eq(blocks, 0);
	ck_assert(fake_host_logged(host, "misses the target"));
	/* The connection has not suffered. */
	ck_assert_int_eq(client.closed, 0);
	submit(client.id, 1, 0);
	wait_blocks(1);
}
END_TEST

START_TEST(a_solution_right_after_the_tip_moved)
{
	uint64_t old;

	begin();
	constrain(34);
	wait_tips(1);
	old = client.id;
	struct client before = client;
	next_template(true);
	wait_tips(2);
	struct adit_sv2_conn *conn = client.conn;
	client = before;
	client.conn = conn;
	submit(old, 1, 0);
	wait_blocks(1);
}
END_TEST

/* A block that the node did not take has its last try when the tip moves, and stays on disk. */
START_TEST(a_block_that_comes_too_late)
{
	begin();
	constrain(34);
	wait_tips(1);
	blocks_refused = true;
	submit(client.id, 1, 0);
	wait_blocks(3);
	fake_host_run(host, 20);
	ck_assert_int_eq(status_of("pending"), 1);
	next_template(true);
	wait_tips(2);
	fake_host_run(host, 50);
	ck_assert_int_eq(status_of("pending"), 0);
	ck_assert_int_eq(status_of("rejected"), 1);
	ck_assert(fake_host_logged(host, "the tip moved"));
}
END_TEST

START_TEST(transactions_on_request)
{
	struct adit_sv2_request_transaction_data m;

	begin();
	constrain(34);
	wait_tips(1);
	m.template_id = client.id;
	adit_sv2_send(client.conn, ADIT_SV2_REQUEST_TRANSACTION_DATA, &m);
	fake_host_run(host, 50);
	ck_assert_uint_eq(client.data_count, 5);
	m.template_id++;
	adit_sv2_send(client.conn, ADIT_SV2_REQUEST_TRANSACTION_DATA, &m);
	fake_host_run(host, 50);
	ck_assert_str_eq(client.error, "template-id-not-found");
}
END_TEST

START_TEST(a_coinbase_too_large_closes)
{
	begin();
	constrain(2000000);
	fake_host_run(host, 100);
	ck_assert_int_eq(client.closed, 1);
	ck_assert(fake_host_logged(host, "fits no block"));
	ck_assert_int_eq(status_of("clients"), 0);
}
END_TEST

static bool has_templates(void *user)
{
	return client.templates >= *(int *)user;
}

static void append_message(struct buf *out, int32_t message, const void *body)
{
	uint8_t frame[512];
	size_t size;

	ck_assert_int_eq(sv2_encode_frame(message, body, frame, sizeof(frame), &size), ADIT_OK);
	ck_assert(buf_append(out, frame, size));
}

/* A client made of bytes, which are written at once and freed. */
static int connect_raw(struct buf *bytes)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", address + strlen("unix:"));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert_int_eq(write(fd, bytes->data, bytes->size), (ssize_t)bytes->size);
	buf_free(bytes);
	return fd;
}

static const struct adit_sv2_setup_connection setup_message = {
    .protocol = ADIT_SV2_TEMPLATE_DISTRIBUTION, .min_version = 2, .max_version = 2};

/* A client that asks for all the transactions, again and again, and reads nothing. */
static int connect_slow_client(void)
{
	struct adit_sv2_coinbase_output_constraints constraints = {
	    .coinbase_output_max_additional_size = 34};
	struct adit_sv2_request_transaction_data request = {.template_id = client.id};
	struct buf all = {0};

	append_message(&all, ADIT_SV2_SETUP_CONNECTION, &setup_message);
	append_message(&all, ADIT_SV2_COINBASE_OUTPUT_CONSTRAINTS, &constraints);
	for (int i = 0; i < 2000; i++)
		append_message(&all, ADIT_SV2_REQUEST_TRANSACTION_DATA, &request);
	return connect_raw(&all);
}

/* Neither somebody who does not read nor better fees that wait come before a new tip. */
START_TEST(a_new_tip_before_all)
{
	int slow;

	begin();
	constrain(34);
	wait_tips(1);
	slow = connect_slow_client();
	fake_host_run(host, 200);
	ck_assert_int_eq(status_of("clients"), 2);
	f.txs[0].fee += 50000;
	next_template(false); /* due in five seconds */
	fake_host_run(host, 50);
	next_template(true);
	wait_tips(2);
	ck_assert_str_eq(client.order, "FPFP");
	ck_assert_int_eq(status_of("clients"), 2);
	close(slow);
}
END_TEST

/* The event of a tip brings the empty template, the node's answer the whole one. */
START_TEST(empty_first_then_the_whole)
{
	struct fixture empty;
	struct buf json = {0};
	int three = 3;

	fake_host_set_config(host, "empty_first", "5");
	begin();
	constrain(34);
	wait_tips(1);
	f.id++;
	f.height++;
	f.prev_hash[0]++;
	fixture_render(&f);
	fixture_init(&empty, 1, 0);
	memcpy(empty.prev_hash, f.prev_hash, 32);
	empty.height = f.height;
	fixture_render(&empty);
	buf_printf(&json, "{\"new_tip\":true,\"tx_count\":5,\"empty\":%.*s}", (int)empty.json.size,
		   (char *)empty.json.data);
	buf_append_u8(&json, 0);
	announce((char *)json.data);
	ck_assert(fake_host_wait(host, has_templates, &three, 5000));
	ck_assert_str_eq(client.order, "FPFPN");
	ck_assert_mem_eq(client.tip.prev_hash.b, f.prev_hash, 32);
	ck_assert_uint_eq(client.value, FIXTURE_SUBSIDY + 5010);
	ck_assert_int_eq(status_of("tx_count"), 5);
	submit(client.id, 1, 0);
	wait_blocks(1);
	buf_free(&json);
	fixture_free(&empty);
}
END_TEST

struct waiting {
	int fd;
	int least;
};

static bool has_bytes(void *user)
{
	const struct waiting *w = user;
	int n = 0;

	return ioctl(w->fd, FIONREAD, &n) == 0 && n >= w->least;
}

static bool is_malformed(void *user)
{
	(void)user;
	return fake_host_logged(host, "malformed CoinbaseOutputConstraints");
}

/* The form of before 2025 says nothing of signature operations: room for 400 is left. */
START_TEST(constraints_of_before)
{
	static const uint8_t old_form[] = {0, 0, 0x70, 4, 0, 0, 34, 0, 0, 0};
	static const uint8_t neither[] = {0, 0, 0x70, 5, 0, 0, 34, 0, 0, 0, 0};
	struct buf all = {0};
	/* Template and previous hash follow on SetupConnection.Success, of 12 bytes. */
	const int least = 12 + 6 + 41 + 6 + 80;
	uint8_t answer[4096];
	struct waiting w = {.least = least};
	int wrong;

	begin();
	append_message(&all, ADIT_SV2_SETUP_CONNECTION, &setup_message);
	buf_append(&all, old_form, sizeof(old_form));
	w.fd = connect_raw(&all);
	ck_assert(fake_host_wait(host, has_bytes, &w, 60000));
	ck_assert_int_ge(read(w.fd, answer, sizeof(answer)), least);
	ck_assert_uint_eq(answer[14], 0x71);
	ck_assert_int_eq(status_of("clients"), 2);
	append_message(&all, ADIT_SV2_SETUP_CONNECTION, &setup_message);
	buf_append(&all, neither, sizeof(neither));
	wrong = connect_raw(&all);
	ck_assert(fake_host_wait(host, is_malformed, NULL, 60000));
	close(w.fd);
	close(wrong);
}
END_TEST

START_TEST(data_of_a_stale_template)
{
	struct adit_sv2_request_transaction_data m;

	begin();
	constrain(34);
	wait_tips(1);
	m.template_id = client.id;
	next_template(true);
	wait_tips(2);
	adit_sv2_send(client.conn, ADIT_SV2_REQUEST_TRANSACTION_DATA, &m);
	fake_host_run(host, 50);
	ck_assert_str_eq(client.error, "stale-template-id");
}
END_TEST

START_TEST(nowhere_to_listen)
{
	char *manifest = fake_host_read_file(manifest_path());
	struct adit_host *other = fake_host_new("template-provider", manifest, NULL, host);

	free(manifest);
	ck_assert_int_eq(fake_host_start(other, &adit_plugin), ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(fake_host_error(other), "listen"));
	fake_host_free(other);
}
END_TEST

Suite *tp_plugin_suite(void)
{
	Suite *s = suite_create("role template-provider");
	TCase *c = tcase_create("role");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 30);
	tcase_add_test(c, template_and_tip);
	tcase_add_test(c, waiting_for_the_node);
	tcase_add_test(c, a_source_stands_in);
	tcase_add_test(c, sources_that_can_not_be);
	tcase_add_test(c, a_block_is_found);
	tcase_add_test(c, solutions_that_are_none);
	tcase_add_test(c, a_solution_right_after_the_tip_moved);
	tcase_add_test(c, a_block_that_comes_too_late);
	tcase_add_test(c, transactions_on_request);
	tcase_add_test(c, a_coinbase_too_large_closes);
	tcase_add_test(c, a_new_tip_before_all);
	tcase_add_test(c, empty_first_then_the_whole);
	tcase_add_test(c, constraints_of_before);
	tcase_add_test(c, data_of_a_stale_template);
	tcase_add_test(c, nowhere_to_listen);
	suite_add_tcase(s, c);
	return s;
}
