/* SPDX-License-Identifier: MIT */
/* What jdc says to a pool and its job declaration server, and what it makes of their answers. The
 * test plays both, over the service sv2.client/1 without sockets. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/declared_coinbase.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"
#include "plugins/jdc/uplink.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/fake_sv2_client.h"

#define KEY "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
#define POOL "pool.test:3333"
#define JDS "jds.test:34264"
#define PREFIX_SIZE 7
#define ROLLABLE 13
#define CHANNEL 9
#define GROUP 1
#define WAIT_MS 60000

/* --- the rig -----------------------------------------------------------------------------------
 */

static struct adit_host *host;
static struct fake_clients clients;
static struct jdc_settings settings;
static struct pool_settings pool;
static struct uplink link_;
static struct fake_conn *mining, *jds;

/* What was told. */
static struct {
	unsigned starved;
	unsigned ready, failed, outputs, prefix, target, needs, known, dropped, jobs, tips, refused;
	enum upstream_fault fault;
	char text[160];
	uint64_t id;
	uint64_t dropped_id;
	uint32_t job_id;
	uint32_t accepted;
	bool no_provider;
	int32_t verdict; /* of a job or tip */
} told;

static void on_ready(void *context, struct uplink *u)
{
	(void)context;
	(void)u;
	told.ready++;
}

static void on_failed(void *context, struct uplink *u, enum upstream_fault fault, const char *text)
{
	(void)context;
	(void)u;
	told.failed++;
	told.fault = fault;
	snprintf(told.text, sizeof told.text, "%s", text);
}

static void on_outputs(void *context, struct uplink *u)
{
	(void)context;
	(void)u;
	told.outputs++;
}

static void on_prefix(void *context, struct uplink *u)
{
	(void)context;
	(void)u;
	told.prefix++;
}

static void on_target(void *context, struct uplink *u)
{
	(void)context;
	(void)u;
	told.target++;
}

static bool on_need(void *context, struct uplink *u, uint64_t id)
{
	(void)context;
	(void)u;
	told.needs++;
	told.id = id;
	return !told.no_provider;
}

static void on_known(void *context, struct uplink *u, uint64_t id, uint32_t job_id)
{
	(void)context;
	(void)u;
	told.known++;
	told.id = id;
	told.job_id = job_id;
}

static void on_dropped(void *context, struct uplink *u, uint64_t id)
{
	(void)context;
	(void)u;
	told.dropped++;
	told.dropped_id = id;
}

static int32_t on_job(void *context, struct uplink *u,
		      const struct adit_sv2_new_extended_mining_job *m, struct error *e)
{
	(void)context;
	(void)u;
	(void)m;
	told.jobs++;
	return told.verdict == ADIT_OK ? ADIT_OK : error_set(e, told.verdict, "as the test said");
}

static int32_t on_tip(void *context, struct uplink *u, const struct adit_sv2_set_new_prev_hash *m,
		      struct error *e)
{
	(void)context;
	(void)u;
	(void)m;
	told.tips++;
	return told.verdict == ADIT_OK ? ADIT_OK : error_set(e, told.verdict, "as the test said");
}

static void on_accepted(void *context, struct uplink *u, uint32_t count, uint64_t difficulty)
{
	(void)context;
	(void)u;
	(void)difficulty;
	told.accepted += count;
}

static void on_refused(void *context, struct uplink *u, const char *code)
{
	(void)context;
	(void)u;
	(void)code;
	told.refused++;
}

static void on_starved(void *context, struct uplink *u)
{
	(void)context;
	(void)u;
	told.starved++;
}

static const struct uplink_events events = {
    .starved = on_starved,
    .ready = on_ready,
    .failed = on_failed,
    .outputs = on_outputs,
    .prefix = on_prefix,
    .target = on_target,
    .need_transactions = on_need,
    .known = on_known,
    .dropped = on_dropped,
    .job = on_job,
    .tip = on_tip,
    .accepted = on_accepted,
    .refused = on_refused,
};

static void setup(void)
{
	struct uplink_options options = {
	    .clients = &clients.service, .settings = &settings, .pool = &pool, .events = &events};

	memset(&told, 0, sizeof told);
	settings = (struct jdc_settings){.answer_timeout_ms = 10000,
					 .connect_timeout_ms = 2000,
					 .tokens = 2,
					 .max_declarations = 3,
					 .template_bytes = 4096,
					 .worker_identity = true};
	settings.mining.rollable = 8;
	settings.mining.version_rolling = true;
	pool = (struct pool_settings){.name = "first", .user = "account.farm"};
	strcpy(pool.pool.address, POOL);
	strcpy(pool.pool.key, KEY);
	strcpy(pool.jds.address, JDS);
	strcpy(pool.jds.key, KEY);
	host = fake_host_new("jdc", NULL, NULL, NULL);
	fake_clients_init(&clients);
	clients.grants = ADIT_SV2_WORKER_HASHRATE;
	options.api = fake_host_api();
	options.host = host;
	uplink_init(&link_, &options);
	mining = jds = NULL;
}

static void teardown(void)
{
	uplink_fini(&link_);
	fake_clients_fini(&clients);
	fake_host_free(host);
}

static struct adit_sv2_client *pool_client(void)
{
	return fake_client_find(&clients, ADIT_SV2_MINING, NULL);
}

static struct adit_sv2_client *jds_client(void)
{
	return fake_client_find(&clients, ADIT_SV2_JOB_DECLARATION, NULL);
}

static struct adit_bytes bytes(const char *text)
{
	return (struct adit_bytes){.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
}

/* Calls the handler FIELD of the pool's or declaration server's client. */
#define POOL_SAYS(field, message)                                                                  \
	do {                                                                                       \
		struct adit_sv2_client *c_ = pool_client();                                        \
		const struct adit_sv2_mining_client_handlers *h_ = c_->handlers;                   \
		ck_assert_int_eq(h_->field(c_->context, &c_->conn->head, message), ADIT_OK);       \
	} while (0)
#define JDS_SAYS(field, message)                                                                   \
	do {                                                                                       \
		struct adit_sv2_client *c_ = jds_client();                                         \
		const struct adit_sv2_job_declaration_client_handlers *h_ = c_->handlers;          \
		ck_assert_int_eq(h_->field(c_->context, &c_->conn->head, message), ADIT_OK);       \
	} while (0)

static bool has_failed(void *user)
{
	(void)user;
	return told.failed > 0;
}

static void expect_fault(enum upstream_fault fault)
{
	ck_assert_uint_eq(told.failed, 0); /* never from inside of what caused it */
	ck_assert(fake_host_wait(host, has_failed, NULL, WAIT_MS));
	ck_assert_msg(told.fault == fault, "%s: %s", upstream_fault_name(told.fault), told.text);
	ck_assert(!uplink_alive(&link_));
}

static void expect_no_fault(void)
{
	fake_host_run(host, 5);
	ck_assert_msg(told.failed == 0, "%s: %s", upstream_fault_name(told.fault), told.text);
}

/* --- a pool that does what it should -----------------------------------------------------------
 */

static const uint8_t pool_prefix[PREFIX_SIZE] = {1, 2, 3, 4, 5, 6, 7};

static struct adit_sv2_open_extended_mining_channel_success opened(uint32_t request_id)
{
	struct adit_sv2_open_extended_mining_channel_success m = {
	    .request_id = request_id,
	    .channel_id = CHANNEL,
	    .extranonce_size = ROLLABLE,
	    .extranonce_prefix = {.data = pool_prefix, .size = sizeof pool_prefix},
	    .group_channel_id = {true, GROUP},
	};

	memset(m.target.b, 0x7f, 32);
	return m;
}

static uint32_t expect_open(void)
{
	const struct sent *s = fake_conn_next(mining, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL);

	ck_assert_ptr_nonnull(s);
	ck_assert(
	    sent_text_is(&s->body.open_extended_mining_channel.user_identity, "account.farm"));
	ck_assert_uint_eq(s->body.open_extended_mining_channel.min_extranonce_size, 10);
	ck_assert_ptr_null(fake_conn_next(mining, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL));
	return s->body.open_extended_mining_channel.request_id;
}

static void open_channel(void)
{
	struct adit_sv2_open_extended_mining_channel_success m = opened(expect_open());

	POOL_SAYS(open_extended_mining_channel_success, &m);
}

/* One output of value 0, to a script of 22 bytes that begins with FIRST. */
static void make_outputs(struct buf *out, uint8_t first)
{
	uint8_t script[22] = {first, 20};

	buf_append_u8(out, 1);
	coinbase_add_output(out, 0, script, sizeof script);
}

/* Answers the next request for a token; false: there is none. */
static bool give_token(const char *token, uint8_t first)
{
	const struct sent *s = fake_conn_next(jds, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN);
	struct adit_sv2_allocate_mining_job_token_success m = {.mining_job_token = bytes(token)};
	struct buf outputs = {0};

	if (!s)
		return false;
	ck_assert(sent_text_is(&s->body.allocate_mining_job_token.user_identifier, "account.farm"));
	make_outputs(&outputs, first);
	m.request_id = s->body.allocate_mining_job_token.request_id;
	m.coinbase_tx_outputs = (struct adit_bytes){outputs.data, (uint32_t)outputs.size};
	JDS_SAYS(allocate_mining_job_token_success, &m);
	buf_free(&outputs);
	return true;
}

static void connect_pool(enum jdc_mode mode)
{
	uplink_connect(&link_, mode, 0);
	mining = fake_client_open(&clients, pool_client(), 0);
	if (mode != JDC_PROXY)
		jds = fake_client_open(&clients, jds_client(), 0);
}

static void start(enum jdc_mode mode)
{
	connect_pool(mode);
	open_channel();
	if (mode == JDC_PROXY)
		return;
	ck_assert(give_token("token 1", 0));
	ck_assert(give_token("token 2", 0));
	ck_assert_uint_eq(told.ready, 1);
}

/* --- work --------------------------------------------------------------------------------------
 */

static struct buf work_prefix, work_suffix;
static const uint8_t tip_a[32] = {0xaa};
static const uint8_t tip_b[32] = {0xbb};

static struct uplink_work make_work(uint64_t id, const uint8_t tip[32])
{
	static const uint8_t path[64] = {0x11, 0x22};
	uint8_t script[22] = {0, 20};
	struct buf outputs = {0};
	struct coinbase_spec spec = {
	    .tx_version = 2,
	    .script_prefix = (const uint8_t *)"\x02\x00\x01",
	    .script_prefix_size = 3,
	    .tag = (const uint8_t *)"tag",
	    .tag_size = 3,
	    .extranonce_size = PREFIX_SIZE + ROLLABLE,
	    .sequence = 0xfffffffe,
	    .outputs_count = 1,
	    .lock_time = 77,
	};
	struct uplink_work w = {.id = id,
				.version = 0x20000000,
				.path = path,
				.depth = 2,
				.nbits = 0x207fffff,
				.min_ntime = 1700000000};

	coinbase_add_output(&outputs, 5000000000, script, sizeof script);
	spec.outputs = outputs.data;
	spec.outputs_size = outputs.size;
	ck_assert_int_eq(coinbase_split(&spec, &work_prefix, &work_suffix, NULL), ADIT_OK);
	buf_free(&outputs);
	w.prefix = (struct adit_bytes){work_prefix.data, (uint32_t)work_prefix.size};
	w.suffix = (struct adit_bytes){work_suffix.data, (uint32_t)work_suffix.size};
	memcpy(w.prev_hash, tip, 32);
	return w;
}

static void free_work(void)
{
	buf_free(&work_prefix);
	buf_free(&work_suffix);
}

/* A transaction of one input and output, without witness; NUMBER makes it another one. */
static void add_tx(struct buf *list, uint32_t number, size_t script_size)
{
	struct buf tx = {0};

	buf_append_u32(&tx, 2);
	buf_append_u8(&tx, 1);
	for (int i = 0; i < 8; i++)
		buf_append_u32(&tx, number);
	buf_append_u32(&tx, 0);
	buf_append_u8(&tx, 0);
	buf_append_u32(&tx, UINT32_MAX);
	buf_append_u8(&tx, 1);
	buf_append_u64(&tx, 1000);
	buf_append_compact_size(&tx, script_size);
	for (size_t i = 0; i < script_size; i++)
		buf_append_u8(&tx, 0x51);
	buf_append_u32(&tx, 0);
	buf_append_u8(list, (uint8_t)tx.size);
	buf_append_u16(list, (uint16_t)(tx.size >> 8));
	buf_append(list, tx.data, tx.size);
	buf_free(&tx);
}

static void give_transactions(uint64_t id, uint32_t count, size_t script_size)
{
	static const struct adit_bytes excess = {(const uint8_t *)"more", 4};
	struct adit_sv2_seq list = {.count = count};
	struct buf txs = {0};

	for (uint32_t i = 0; i < count; i++)
		add_tx(&txs, i, script_size);
	list.data = txs.data;
	list.size = (uint32_t)txs.size;
	uplink_transactions(&link_, id, &excess, &list);
	buf_free(&txs);
}

/* Work ID on tip_a is declared; returns the request id of DeclareMiningJob. */
static uint32_t declare(uint64_t id)
{
	struct uplink_work w = make_work(id, tip_a);
	const struct sent *s;

	uplink_set_tip(&link_, tip_a);
	ck_assert(uplink_declare(&link_, &w));
	give_transactions(id, 3, 10);
	s = fake_conn_next(jds, ADIT_SV2_DECLARE_MINING_JOB);
	ck_assert_ptr_nonnull(s);
	free_work();
	return s->body.declare_mining_job.request_id;
}

static void declared(uint32_t request_id)
{
	struct adit_sv2_declare_mining_job_success m = {.request_id = request_id,
							.new_mining_job_token = bytes("new")};

	JDS_SAYS(declare_mining_job_success, &m);
}

static uint32_t expect_custom_job(void)
{
	const struct sent *s = fake_conn_next(mining, ADIT_SV2_SET_CUSTOM_MINING_JOB);

	ck_assert_ptr_nonnull(s);
	return s->body.set_custom_mining_job.request_id;
}

static void job_set(uint32_t request_id, uint32_t job_id)
{
	struct adit_sv2_set_custom_mining_job_success m = {
	    .channel_id = CHANNEL, .request_id = request_id, .job_id = job_id};

	POOL_SAYS(set_custom_mining_job_success, &m);
}

static void make_known(uint64_t id, uint32_t job_id)
{
	declared(declare(id));
	job_set(expect_custom_job(), job_id);
	ck_assert_uint_eq(told.job_id, job_id);
}

static bool send_share_of(uint32_t job_id, const char *worker, bool passed)
{
	static const uint8_t extranonce[ROLLABLE];
	const struct uplink_share share = {.job_id = job_id,
					   .nonce = 1,
					   .ntime = 2,
					   .version = 3,
					   .extranonce = {extranonce, sizeof extranonce},
					   .worker = bytes(worker),
					   .passed = passed};

	return uplink_submit(&link_, &share);
}

static bool send_share(uint32_t job_id, const char *worker)
{
	return send_share_of(job_id, worker, false);
}

static void refuse_share(uint32_t sequence, const char *code)
{
	struct adit_sv2_submit_shares_error m = {
	    .channel_id = CHANNEL, .sequence_number = sequence, .error_code = bytes(code)};

	POOL_SAYS(submit_shares_error, &m);
}

/* --- connecting --------------------------------------------------------------------------------
 */

START_TEST(flags_say_what_is_wanted)
{
	static const struct {
		enum jdc_mode mode;
		uint32_t mining, jds;
	} cases[] = {
	    {JDC_FULL_TEMPLATE,
	     ADIT_SV2_REQUIRES_WORK_SELECTION | ADIT_SV2_REQUIRES_VERSION_ROLLING,
	     ADIT_SV2_DECLARE_TX_DATA},
	    {JDC_COINBASE_ONLY,
	     ADIT_SV2_REQUIRES_WORK_SELECTION | ADIT_SV2_REQUIRES_VERSION_ROLLING, 0},
	    {JDC_PROXY, ADIT_SV2_REQUIRES_VERSION_ROLLING, 0},
	};

	uplink_connect(&link_, cases[_i].mode, 0);
	ck_assert_uint_eq(pool_client()->flags, cases[_i].mining);
	ck_assert_str_eq(pool_client()->address, POOL);
	ck_assert_str_eq(pool_client()->authority, KEY);
	if (cases[_i].mode == JDC_PROXY) {
		ck_assert_ptr_null(jds_client());
		return;
	}
	ck_assert_uint_eq(jds_client()->flags, cases[_i].jds);
	ck_assert_str_eq(jds_client()->address, JDS);
}
END_TEST

START_TEST(fixed_versions_are_not_asked_against)
{
	settings.mining.version_rolling = false;
	uplink_connect(&link_, JDC_PROXY, 0);
	ck_assert_uint_eq(pool_client()->flags, 0);
	mining = fake_client_open(&clients, pool_client(), ADIT_SV2_REQUIRES_FIXED_VERSION);
	expect_no_fault();
}
END_TEST

START_TEST(fixed_versions_where_ours_roll)
{
	uplink_connect(&link_, JDC_PROXY, 0);
	mining = fake_client_open(&clients, pool_client(), ADIT_SV2_REQUIRES_FIXED_VERSION);
	expect_fault(UPSTREAM_SETUP_REFUSED);
}
END_TEST

START_TEST(ready_when_all_is_there)
{
	connect_pool(JDC_FULL_TEMPLATE);
	ck_assert(give_token("token 1", 0));
	ck_assert_uint_eq(told.ready, 0);
	open_channel();
	ck_assert_uint_eq(told.ready, 1);
	ck_assert_uint_eq(link_.prefix_size, PREFIX_SIZE);
	ck_assert_uint_eq(link_.extranonce_size, ROLLABLE);
	ck_assert(give_token("token 2", 0));
	ck_assert_uint_eq(told.ready, 1);
	ck_assert(!give_token("token 3", 0)); /* as many as configured are asked for */
	expect_no_fault();
	uplink_disconnect(&link_);
	ck_assert_uint_eq(fake_clients_live(&clients), 0);
}
END_TEST

START_TEST(connection_faults)
{
	static const struct {
		bool jds, open;
		const char *reason;
		enum upstream_fault fault;
	} cases[] = {
	    {false, false, "connection refused", UPSTREAM_NOT_REACHED},
	    {true, false, "connection refused", UPSTREAM_NOT_REACHED},
	    {false, false, "refused: unsupported-feature-flags (flags 0x2)",
	     UPSTREAM_SETUP_REFUSED},
	    {true, false, "refused: x (flags 0x0)", UPSTREAM_SETUP_REFUSED},
	    {false, true, "end of file", UPSTREAM_LOST},
	    {true, true, "end of file", UPSTREAM_LOST},
	};

	if (cases[_i].open)
		start(JDC_FULL_TEMPLATE);
	else
		uplink_connect(&link_, JDC_FULL_TEMPLATE, 0);
	fake_client_close(cases[_i].jds ? jds_client() : pool_client(), cases[_i].reason);
	expect_fault(cases[_i].fault);
	uplink_disconnect(&link_);
	ck_assert_uint_eq(fake_clients_live(&clients), 0);
}
END_TEST

START_TEST(no_client_at_all)
{
	clients.verdict = ADIT_E_CONFIG;
	uplink_connect(&link_, JDC_FULL_TEMPLATE, 0);
	expect_fault(UPSTREAM_NOT_REACHED);
	ck_assert_str_eq(told.text, "as the test said");
}
END_TEST

START_TEST(key_file_is_not_there)
{
	pool.pool.key[0] = '\0';
	strcpy(pool.pool.key_file, "/nonexistent/authority.pub");
	uplink_connect(&link_, JDC_PROXY, 0);
	expect_fault(UPSTREAM_NOT_REACHED);
	ck_assert_ptr_null(pool_client());
}
END_TEST

/* The first fault is the one that counts, and nothing else is told after it. */
START_TEST(one_fault_an_attempt)
{
	start(JDC_FULL_TEMPLATE);
	fake_client_close(jds_client(), "end of file");
	fake_client_close(pool_client(), "end of file");
	expect_fault(UPSTREAM_LOST);
	fake_host_run(host, 20);
	ck_assert_uint_eq(told.failed, 1);
	/* the next attempt is a new one */
	told.ready = told.failed = 0;
	start(JDC_FULL_TEMPLATE);
	expect_no_fault();
}
END_TEST

START_TEST(disconnected_before_the_fault_was_told)
{
	uplink_connect(&link_, JDC_PROXY, 0);
	fake_client_close(pool_client(), "connection refused");
	uplink_disconnect(&link_);
	fake_host_run(host, 20);
	ck_assert_uint_eq(told.failed, 0);
}
END_TEST

/* A pool that does not know of extensions is asked once; then without. */
START_TEST(no_answer_about_extensions)
{
	struct adit_sv2_client *first;

	uplink_connect(&link_, JDC_PROXY, 0);
	first = pool_client();
	fake_client_close(first, "no answer to RequestExtensions");
	ck_assert(first->freed);
	ck_assert_ptr_nonnull(pool_client());
	ck_assert_ptr_eq(pool_client()->handlers, &uplink_mining_plain_handlers);
	mining = fake_client_open(&clients, pool_client(), 0);
	open_channel();
	expect_no_fault();
	uplink_disconnect(&link_);
	uplink_connect(&link_, JDC_PROXY, 0);
	ck_assert_ptr_eq(pool_client()->handlers, &uplink_mining_plain_handlers);
}
END_TEST

static void reconnect_to(const char *name, uint16_t port)
{
	struct adit_sv2_reconnect m = {.new_host = bytes(name), .new_port = port};

	POOL_SAYS(reconnect, &m);
}

START_TEST(reconnect_while_tried)
{
	connect_pool(JDC_PROXY);
	reconnect_to("other.test", 0);
	ck_assert(mining->closed);
	fake_client_close(pool_client(), "the pool asked to reconnect");
	ck_assert_str_eq(pool_client()->address, "other.test:3333");
	ck_assert_str_eq(pool_client()->authority, KEY); /* it can't change pools */
	mining = fake_client_open(&clients, pool_client(), 0);
	open_channel();
	expect_no_fault();
	/* the next attempt is to the configured place */
	uplink_disconnect(&link_);
	uplink_connect(&link_, JDC_PROXY, 0);
	ck_assert_str_eq(pool_client()->address, POOL);
}
END_TEST

/* What the first connection had said is worth nothing on the second. */
START_TEST(reconnect_after_the_channel_was_opened)
{
	connect_pool(JDC_FULL_TEMPLATE);
	open_channel();
	reconnect_to("other.test", 0);
	fake_client_close(pool_client(), "the pool asked to reconnect");
	ck_assert(give_token("token 1", 0));
	ck_assert_uint_eq(told.ready, 0); /* its channel is gone */
	mining = fake_client_open(&clients, pool_client(), 0);
	open_channel();
	expect_no_fault();
	ck_assert_uint_eq(told.ready, 1);
}
END_TEST

START_TEST(reconnect_of_the_declaration_server_while_tried)
{
	struct adit_sv2_reconnect m = {.new_host = bytes("other.test")};

	connect_pool(JDC_FULL_TEMPLATE);
	if (_i == 0)
		ck_assert(give_token("of the first one", 0));
	JDS_SAYS(reconnect, &m);
	fake_client_close(jds_client(), "the pool asked to reconnect");
	ck_assert_str_eq(jds_client()->address, "other.test:34264");
	jds = fake_client_open(&clients, jds_client(), 0);
	open_channel();
	ck_assert_uint_eq(told.ready, 0);
	ck_assert(give_token("token 1", 0));
	ck_assert(give_token("token 2", 0));
	ck_assert_uint_eq(told.ready, 1);
	ck_assert_uint_eq(link_.token_count, 2);
	uplink_tick(&link_, clock_monotonic_ms() + 11000);
	expect_no_fault();
}
END_TEST

START_TEST(reconnect_of_an_established_pool)
{
	start(JDC_FULL_TEMPLATE);
	reconnect_to("", 4444);
	expect_fault(UPSTREAM_LOST);
	uplink_disconnect(&link_);
	uplink_connect(&link_, JDC_FULL_TEMPLATE, 0);
	ck_assert_str_eq(pool_client()->address, "pool.test:4444");
	uplink_disconnect(&link_);
	uplink_connect(&link_, JDC_FULL_TEMPLATE, 0);
	ck_assert_str_eq(pool_client()->address, POOL);
}
END_TEST

START_TEST(reconnect_without_end)
{
	connect_pool(JDC_PROXY);
	for (int i = 0; i <= UPLINK_REDIRECTS_MAX; i++) {
		reconnect_to("other.test", (uint16_t)(5000 + i));
		if (i == UPLINK_REDIRECTS_MAX)
			break;
		fake_client_close(pool_client(), "the pool asked to reconnect");
		mining = fake_client_open(&clients, pool_client(), 0);
	}
	expect_fault(UPSTREAM_LOST);
}
END_TEST

START_TEST(reconnect_to_no_name)
{
	struct adit_sv2_reconnect m = {.new_host = bytes("a b"), .new_port = 1};
	const struct adit_sv2_mining_client_handlers *h;

	connect_pool(JDC_PROXY);
	h = pool_client()->handlers;
	ck_assert_int_eq(h->reconnect(pool_client()->context, &mining->head, &m), ADIT_E_PROTOCOL);
}
END_TEST

/* --- the channel -------------------------------------------------------------------------------
 */

START_TEST(channel_refused)
{
	struct adit_sv2_open_mining_channel_error m = {.error_code = bytes("unknown-user")};

	connect_pool(JDC_PROXY);
	POOL_SAYS(open_mining_channel_error, &m);
	expect_fault(UPSTREAM_CHANNEL_REFUSED);
}
END_TEST

START_TEST(channel_unusable)
{
	struct adit_sv2_open_extended_mining_channel_success m;
	static const uint8_t zeros[32];
	enum upstream_fault fault = UPSTREAM_CHANNEL_REFUSED;

	connect_pool(JDC_PROXY);
	m = opened(expect_open());
	switch (_i) {
	case 0:
		m.extranonce_size = 9; /* we need two and eight */
		break;
	case 1:
		m.extranonce_prefix = (struct adit_bytes){zeros, 25};
		m.extranonce_size = 10;
		break;
	case 2:
		m.request_id++;
		fault = UPSTREAM_BROKE_PROTOCOL;
		break;
	default:
		memset(m.target.b, 0, 32);
		fault = UPSTREAM_BROKE_PROTOCOL;
	}
	POOL_SAYS(open_extended_mining_channel_success, &m);
	expect_fault(fault);
	ck_assert_uint_eq(told.ready, 0);
}
END_TEST

START_TEST(second_channel)
{
	struct adit_sv2_open_extended_mining_channel_success m;

	connect_pool(JDC_PROXY);
	m = opened(expect_open());
	POOL_SAYS(open_extended_mining_channel_success, &m);
	expect_no_fault();
	POOL_SAYS(open_extended_mining_channel_success, &m);
	expect_fault(UPSTREAM_BROKE_PROTOCOL);
}
END_TEST

START_TEST(standard_channel)
{
	struct adit_sv2_open_standard_mining_channel_success m = {0};

	connect_pool(JDC_PROXY);
	POOL_SAYS(open_standard_mining_channel_success, &m);
	expect_fault(UPSTREAM_BROKE_PROTOCOL);
}
END_TEST

START_TEST(channel_closed)
{
	struct adit_sv2_close_channel m = {.channel_id = 77, .reason_code = bytes("bye")};

	start(JDC_PROXY);
	POOL_SAYS(close_channel, &m);
	expect_no_fault();
	m.channel_id = _i == 0 ? CHANNEL : GROUP;
	POOL_SAYS(close_channel, &m);
	expect_fault(UPSTREAM_CHANNEL_REFUSED);
}
END_TEST

START_TEST(target_prefix_and_group)
{
	static const uint8_t other[PREFIX_SIZE] = {9, 9};
	struct adit_sv2_set_target target = {.channel_id = GROUP};
	struct adit_sv2_set_extranonce_prefix prefix = {.channel_id = GROUP,
							.extranonce_prefix = {other, PREFIX_SIZE}};
	uint8_t ids[8] = {CHANNEL, 0, 0, 0, 50, 0, 0, 0};
	struct adit_sv2_set_group_channel group = {.group_channel_id = 40,
						   .channel_ids = {ids, 8, 2}};

	start(JDC_FULL_TEMPLATE);
	memset(target.target.b, 0x11, 32);
	POOL_SAYS(set_target, &target);
	ck_assert_uint_eq(told.target, 1);
	ck_assert_uint_eq(link_.target[5], 0x11);
	POOL_SAYS(set_extranonce_prefix, &prefix); /* to a group: ignored */
	ck_assert_uint_eq(told.prefix, 0);
	prefix.channel_id = CHANNEL;
	POOL_SAYS(set_extranonce_prefix, &prefix);
	POOL_SAYS(set_extranonce_prefix, &prefix); /* the same again is none */
	ck_assert_uint_eq(told.prefix, 1);
	ck_assert_mem_eq(link_.prefix, other, PREFIX_SIZE);
	POOL_SAYS(set_group_channel, &group);
	target.channel_id = 40;
	POOL_SAYS(set_target, &target);
	ck_assert_uint_eq(told.target, 2);
	target.channel_id = GROUP; /* not ours any more */
	POOL_SAYS(set_target, &target);
	ck_assert_uint_eq(told.target, 2);
	expect_no_fault();
}
END_TEST

START_TEST(prefix_of_another_length)
{
	static const uint8_t other[PREFIX_SIZE + 1];
	struct adit_sv2_set_extranonce_prefix prefix = {.channel_id = CHANNEL,
							.extranonce_prefix = {other, sizeof other}};

	start(JDC_FULL_TEMPLATE);
	POOL_SAYS(set_extranonce_prefix, &prefix);
	expect_fault(UPSTREAM_BROKE_PROTOCOL);
}
END_TEST

START_TEST(target_zero)
{
	struct adit_sv2_set_target target = {.channel_id = CHANNEL};

	start(JDC_FULL_TEMPLATE);
	POOL_SAYS(set_target, &target);
	expect_fault(UPSTREAM_BROKE_PROTOCOL);
}
END_TEST

START_TEST(group_with_our_channels_id)
{
	struct adit_sv2_set_group_channel group = {.group_channel_id = CHANNEL};

	start(JDC_FULL_TEMPLATE);
	POOL_SAYS(set_group_channel, &group);
	expect_fault(UPSTREAM_BROKE_PROTOCOL);
}
END_TEST

START_TEST(hash_rate_is_told)
{
	uint64_t now;
	const struct sent *s;
	struct adit_sv2_update_channel_error error = {.channel_id = CHANNEL,
						      .error_code = bytes("no")};

	start(JDC_PROXY);
	now = clock_monotonic_ms() + 2000;
	uplink_hash_rate(&link_, 1e6);
	uplink_tick(&link_, now);
	s = fake_conn_next(mining, ADIT_SV2_UPDATE_CHANNEL);
	ck_assert_ptr_nonnull(s);
	ck_assert_float_eq(s->body.update_channel.nominal_hash_rate, 1e6f);
	uplink_hash_rate(&link_, 1.05e6); /* not for every breath */
	uplink_tick(&link_, now + 5000);
	ck_assert_ptr_null(fake_conn_next(mining, ADIT_SV2_UPDATE_CHANNEL));
	uplink_hash_rate(&link_, 2e6);
	uplink_tick(&link_, now + 500); /* nor more than once a second */
	ck_assert_ptr_null(fake_conn_next(mining, ADIT_SV2_UPDATE_CHANNEL));
	uplink_tick(&link_, now + 1000);
	ck_assert_ptr_nonnull(fake_conn_next(mining, ADIT_SV2_UPDATE_CHANNEL));
	uplink_hash_rate(&link_, 0);
	uplink_tick(&link_, now + 2000);
	ck_assert_ptr_nonnull(fake_conn_next(mining, ADIT_SV2_UPDATE_CHANNEL));
	POOL_SAYS(update_channel_error, &error);
	expect_no_fault();
}
END_TEST

/* --- tokens ------------------------------------------------------------------------------------
 */

START_TEST(tokens_unasked)
{
	struct adit_sv2_allocate_mining_job_token_success m = {.mining_job_token = bytes("x")};
	const struct sent *s;
	struct buf outputs = {0};

	connect_pool(JDC_FULL_TEMPLATE);
	s = fake_conn_next(jds, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN);
	make_outputs(&outputs, 0);
	m.coinbase_tx_outputs = (struct adit_bytes){outputs.data, (uint32_t)outputs.size};
	m.request_id = s->body.allocate_mining_job_token.request_id;
	if (_i == 0)
		JDS_SAYS(allocate_mining_job_token_success, &m); /* then the same again */
	else
		m.request_id += 1000;
	expect_no_fault();
	JDS_SAYS(allocate_mining_job_token_success, &m);
	expect_fault(UPSTREAM_BROKE_PROTOCOL);
	buf_free(&outputs);
}
END_TEST

START_TEST(token_with_bad_outputs)
{
	static const char *const cases[] = {
	    "",                         /* nothing */
	    "00",                       /* none */
	    "010000000000000000",       /* cut */
	    "0101000000000000000151",   /* of some value */
	    "010000000000000000015151", /* more than it says */
	};
	struct adit_sv2_allocate_mining_job_token_success m = {.mining_job_token = bytes("x")};
	size_t size = strlen(cases[_i]) / 2;
	uint8_t outputs[64];

	connect_pool(JDC_FULL_TEMPLATE);
	ck_assert(size == 0 || hex_decode(cases[_i], outputs, size));
	m.request_id = fake_conn_next(jds, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN)
			   ->body.allocate_mining_job_token.request_id;
	m.coinbase_tx_outputs = (struct adit_bytes){outputs, (uint32_t)size};
	JDS_SAYS(allocate_mining_job_token_success, &m);
	expect_fault(UPSTREAM_BROKE_PROTOCOL);
}
END_TEST

START_TEST(outputs_too_large)
{
	struct adit_sv2_allocate_mining_job_token_success m = {.mining_job_token = bytes("x")};
	static const uint8_t script[UPLINK_OUTPUTS_MAX];
	struct buf outputs = {0};

	connect_pool(JDC_FULL_TEMPLATE);
	buf_append_u8(&outputs, 1);
	coinbase_add_output(&outputs, 0, script, sizeof script);
	m.request_id = fake_conn_next(jds, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN)
			   ->body.allocate_mining_job_token.request_id;
	m.coinbase_tx_outputs = (struct adit_bytes){outputs.data, (uint32_t)outputs.size};
	JDS_SAYS(allocate_mining_job_token_success, &m);
	expect_fault(UPSTREAM_BROKE_PROTOCOL);
	buf_free(&outputs);
}
END_TEST

/* Other outputs: the coinbase is another one, and old tokens are worth nothing. */
START_TEST(outputs_change)
{
	struct uplink_work w;

	start(JDC_COINBASE_ONLY);
	w = make_work(1, tip_a);
	ck_assert(uplink_declare(&link_, &w));
	ck_assert_ptr_nonnull(fake_conn_next(mining, ADIT_SV2_SET_CUSTOM_MINING_JOB));
	ck_assert_uint_eq(link_.token_count, 1);
	ck_assert(give_token("token 3", 1));
	ck_assert_uint_eq(told.outputs, 1);
	ck_assert_uint_eq(link_.token_count, 1);
	expect_no_fault();
	free_work();
}
END_TEST

/* A job that was not said yet has the outputs of before: no new token is for it. */
START_TEST(outputs_change_under_a_job)
{
	struct uplink_work w;

	start(JDC_FULL_TEMPLATE);
	(void)declare(1);
	w = make_work(2, tip_a);
	ck_assert(uplink_declare(&link_, &w));
	ck_assert(give_token("token 3", 1));
	ck_assert_uint_eq(told.outputs, 1);
	ck_assert_uint_eq(told.dropped, 1);
	give_transactions(2, 3, 10);
	ck_assert_ptr_null(fake_conn_next(jds, ADIT_SV2_DECLARE_MINING_JOB));
	ck_assert_uint_eq(uplink_pending(&link_), 1); /* the one that was said */
	expect_no_fault();
	free_work();
}
END_TEST

START_TEST(tokens_grow_old)
{
	uint64_t now;

	start(JDC_FULL_TEMPLATE);
	ck_assert_uint_eq(link_.token_count, 2);
	now = clock_monotonic_ms() + TOKEN_AGE_MS;
	uplink_tick(&link_, now);
	ck_assert_uint_eq(link_.token_count, 0);
	ck_assert_uint_eq(fake_conn_count(jds, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN), 2);
	expect_no_fault();
}
END_TEST

START_TEST(requests_unanswered)
{
	uint64_t late = clock_monotonic_ms() + 11000;
	struct uplink_work w;

	switch (_i) {
	case 0: /* OpenExtendedMiningChannel */
		connect_pool(JDC_PROXY);
		break;
	case 1: /* AllocateMiningJobToken */
		connect_pool(JDC_FULL_TEMPLATE);
		open_channel();
		break;
	case 2: /* DeclareMiningJob */
		start(JDC_FULL_TEMPLATE);
		(void)declare(1);
		while (give_token("more", 0))
			;
		break;
	case 3: /* SetCustomMiningJob */
		start(JDC_FULL_TEMPLATE);
		declared(declare(1));
		while (give_token("more", 0))
			;
		break;
	default:
		start(JDC_COINBASE_ONLY);
		w = make_work(1, tip_a);
		ck_assert(uplink_declare(&link_, &w));
		free_work();
		while (give_token("more", 0))
			;
	}
	uplink_tick(&link_, clock_monotonic_ms() + 5000);
	expect_no_fault();
	uplink_tick(&link_, late + 1000);
	expect_fault(UPSTREAM_UNANSWERED);
}
END_TEST

/* Silence is no fault: a pool has nothing to say when nothing is asked. */
START_TEST(silence)
{
	start(JDC_FULL_TEMPLATE);
	make_known(1, 100);
	while (give_token("more", 0))
		;
	ck_assert(send_share(100, ""));
	for (uint64_t t = 0; t < 200000; t += 5000)
		uplink_tick(&link_, clock_monotonic_ms() + t);
	expect_no_fault();
}
END_TEST

/* --- declaring ---------------------------------------------------------------------------------
 */

START_TEST(declare_and_set)
{
	struct uplink_work w = make_work(5, tip_a);
	const struct adit_sv2_declare_mining_job *d;
	const struct adit_sv2_set_custom_mining_job *c;
	struct declared_coinbase coinbase;
	bool input;

	start(JDC_FULL_TEMPLATE);
	uplink_set_tip(&link_, tip_a);
	ck_assert(uplink_declare(&link_, &w));
	ck_assert_uint_eq(told.needs, 1);
	ck_assert_ptr_null(fake_conn_next(jds, ADIT_SV2_DECLARE_MINING_JOB));
	give_transactions(5, 3, 10);
	d = &fake_conn_next(jds, ADIT_SV2_DECLARE_MINING_JOB)->body.declare_mining_job;
	ck_assert(sent_text_is(&d->mining_job_token, "token 1"));
	ck_assert(sent_text_is(&d->excess_data, "more"));
	ck_assert_uint_eq(d->version, 0x20000000);
	ck_assert_uint_eq(d->wtxid_list.count, 3);
	ck_assert_ptr_null(declared_coinbase_read(
	    d->coinbase_tx_prefix.data, d->coinbase_tx_prefix.size, d->coinbase_tx_suffix.data,
	    d->coinbase_tx_suffix.size, &coinbase, &input));
	ck_assert_uint_eq(coinbase.extranonce_size, PREFIX_SIZE + ROLLABLE);
	ck_assert_uint_eq(coinbase.lock_time, 77);

	declared(d->request_id);
	c = &fake_conn_next(mining, ADIT_SV2_SET_CUSTOM_MINING_JOB)->body.set_custom_mining_job;
	ck_assert(sent_text_is(&c->mining_job_token, "new"));
	ck_assert_uint_eq(c->channel_id, CHANNEL);
	ck_assert_mem_eq(c->prev_hash.b, tip_a, 32);
	ck_assert_uint_eq(c->nbits, 0x207fffff);
	ck_assert_uint_eq(c->ntime_start, 1700000000);
	ck_assert_uint_eq(c->coinbase_tx_version, coinbase.version);
	ck_assert_uint_eq(c->coinbase_prefix.size, coinbase.script_size);
	ck_assert_mem_eq(c->coinbase_prefix.data, coinbase.script, coinbase.script_size);
	ck_assert_uint_eq(c->coinbase_tx_input_n_sequence, coinbase.sequence);
	ck_assert_uint_eq(c->coinbase_tx_outputs.size, coinbase.outputs_size);
	ck_assert_mem_eq(c->coinbase_tx_outputs.data, coinbase.outputs, coinbase.outputs_size);
	ck_assert_uint_eq(c->coinbase_tx_locktime, coinbase.lock_time);
	ck_assert_uint_eq(c->merkle_path.count, 2);
	ck_assert_mem_eq(c->merkle_path.data, w.path, 64);

	job_set(c->request_id, 123);
	ck_assert_uint_eq(told.known, 1);
	ck_assert_uint_eq(told.id, 5);
	ck_assert_uint_eq(told.job_id, 123);
	ck_assert_uint_eq(uplink_pending(&link_), 0);
	ck_assert_uint_eq(link_.held, 0);
	expect_no_fault();
	free_work();
}
END_TEST

START_TEST(coinbase_only)
{
	struct uplink_work w = make_work(5, tip_a);
	const struct adit_sv2_set_custom_mining_job *c;

	start(JDC_COINBASE_ONLY);
	ck_assert(uplink_declare(&link_, &w));
	ck_assert_uint_eq(told.needs, 0);
	c = &fake_conn_next(mining, ADIT_SV2_SET_CUSTOM_MINING_JOB)->body.set_custom_mining_job;
	ck_assert(sent_text_is(&c->mining_job_token, "token 1"));
	job_set(c->request_id, 7);
	ck_assert_uint_eq(told.known, 1);
	ck_assert_ptr_null(fake_conn_next(jds, ADIT_SV2_DECLARE_MINING_JOB));
	free_work();
}
END_TEST

static void ask_for(uint32_t request_id, const uint8_t *positions, uint32_t count)
{
	struct adit_sv2_provide_missing_transactions m = {
	    .request_id = request_id, .unknown_tx_position_list = {positions, 2 * count, count}};

	JDS_SAYS(provide_missing_transactions, &m);
}

START_TEST(missing_transactions)
{
	static const uint8_t positions[] = {2, 0, 0, 0};
	const struct adit_sv2_provide_missing_transactions_success *p;
	struct buf expected = {0};
	uint32_t request;

	start(JDC_FULL_TEMPLATE);
	request = declare(1);
	ask_for(request, positions, 2);
	p = &fake_conn_next(jds, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS_SUCCESS)
		 ->body.provide_missing_transactions_success;
	ck_assert_uint_eq(p->request_id, request);
	ck_assert_uint_eq(p->transaction_list.count, 2);
	add_tx(&expected, 2, 10);
	add_tx(&expected, 0, 10);
	ck_assert_uint_eq(p->transaction_list.size, expected.size);
	ck_assert_mem_eq(p->transaction_list.data, expected.data, expected.size);
	buf_free(&expected);
	ask_for(request, positions, 0); /* none is none */
	p = &fake_conn_next(jds, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS_SUCCESS)
		 ->body.provide_missing_transactions_success;
	ck_assert_uint_eq(p->transaction_list.count, 0);
	declared(request);
	job_set(expect_custom_job(), 3);
	expect_no_fault();
}
END_TEST

static struct declaration *only_declaration(void)
{
	uint32_t i = 0;

	ck_assert_uint_eq(uplink_pending(&link_), 1);
	while (link_.declarations[i].state == DECLARATION_NONE)
		i++;
	return &link_.declarations[i];
}

static void refuse_declaration(uint32_t request, const char *code)
{
	struct adit_sv2_declare_mining_job_error m = {.request_id = request,
						      .error_code = bytes(code)};

	JDS_SAYS(declare_mining_job_error, &m);
}

static void refuse_custom(uint32_t request, const char *code)
{
	struct adit_sv2_set_custom_mining_job_error m = {
	    .channel_id = CHANNEL, .request_id = request, .error_code = bytes(code)};

	POOL_SAYS(set_custom_mining_job_error, &m);
}

/* A server that has asked is at work: its time begins again, but not for ever. */
START_TEST(missing_transactions_take_time)
{
	static const uint8_t positions[] = {2, 0};
	uint32_t request;

	start(JDC_FULL_TEMPLATE);
	request = declare(1);
	while (give_token("more", 0))
		;
	for (int i = 0; i < UPLINK_PROVIDES_MAX; i++) {
		only_declaration()->since_ms -= 8000;
		ask_for(request, positions, 1);
		uplink_tick(&link_, clock_monotonic_ms() + 5000);
		expect_no_fault();
	}
	ask_for(request, positions, 1);
	expect_fault(UPSTREAM_BROKE_PROTOCOL);
}
END_TEST

/* Nobody asks for the transactions of a declared job: others may have their memory, also when the
 * pool has yet to answer. */
START_TEST(transactions_go_when_declared)
{
	struct uplink_work w;
	uint32_t custom;

	start(JDC_FULL_TEMPLATE);
	declared(declare(1));
	custom = expect_custom_job();
	ck_assert_uint_gt(link_.held, 0);
	w = make_work(2, tip_a);
	ck_assert(uplink_declare(&link_, &w));
	give_transactions(2, 1, settings.template_bytes - link_.held);
	ck_assert_uint_eq(told.dropped, 0);
	ck_assert_uint_le(link_.held, settings.template_bytes);
	ck_assert_ptr_nonnull(fake_conn_next(jds, ADIT_SV2_DECLARE_MINING_JOB));
	/* without them it can't be declared again */
	refuse_custom(custom, "stale-chain-tip");
	ck_assert_uint_eq(told.dropped, 1);
	ck_assert_uint_eq(told.dropped_id, 1);
	expect_no_fault();
	free_work();
}
END_TEST

START_TEST(missing_transactions_nonsense)
{
	static const uint8_t past[] = {3, 0};
	static const uint8_t many[] = {0, 0, 1, 0, 2, 0, 0, 0};
	static const uint8_t one[] = {1, 0};
	uint32_t request;

	start(JDC_FULL_TEMPLATE);
	request = declare(1);
	switch (_i) {
	case 0:
		ask_for(request, past, 1);
		break;
	case 1:
		ask_for(request, many, 4);
		break;
	case 2:
		ask_for(request + 1, one, 1);
		break;
	default:
		for (int i = 0; i < UPLINK_PROVIDES_MAX; i++)
			ask_for(request, one, 1);
		expect_no_fault();
		ask_for(request, one, 1);
	}
	expect_fault(UPSTREAM_BROKE_PROTOCOL);
}
END_TEST

START_TEST(answers_to_nothing)
{
	struct adit_sv2_declare_mining_job_error refused = {.request_id = 4711,
							    .error_code = bytes("x")};
	struct adit_sv2_set_custom_mining_job_error unset = {
	    .channel_id = CHANNEL, .request_id = 4711, .error_code = bytes("x")};
	uint32_t request, custom;

	start(JDC_FULL_TEMPLATE);
	request = declare(1);
	switch (_i) {
	case 0:
		declared(4711);
		break;
	case 1: /* twice */
		declared(request);
		declared(request);
		break;
	case 2:
		JDS_SAYS(declare_mining_job_error, &refused);
		break;
	case 3:
		job_set(4711, 1);
		break;
	case 4: /* twice */
		declared(request);
		custom = expect_custom_job();
		job_set(custom, 1);
		job_set(custom, 1);
		break;
	case 5: /* the wrong kind of answer */
		job_set(request, 1);
		break;
	default:
		POOL_SAYS(set_custom_mining_job_error, &unset);
	}
	expect_fault(UPSTREAM_BROKE_PROTOCOL);
}
END_TEST

START_TEST(declaration_refused)
{
	start(JDC_FULL_TEMPLATE);
	refuse_declaration(declare(1), "invalid-job");
	expect_fault(UPSTREAM_DECLARATION_REFUSED);
}
END_TEST

START_TEST(custom_job_refused)
{
	start(JDC_FULL_TEMPLATE);
	declared(declare(1));
	refuse_custom(expect_custom_job(), "invalid-merkle-path");
	expect_fault(UPSTREAM_DECLARATION_REFUSED);
}
END_TEST

/* Whatever the code says: when our tip has moved on, the refusal is of no interest. */
START_TEST(refused_of_a_passed_tip)
{
	uint32_t request;

	start(JDC_FULL_TEMPLATE);
	request = declare(1);
	if (_i == 1)
		declared(request);
	uplink_set_tip(&link_, tip_b);
	if (_i == 0)
		refuse_declaration(request, "invalid-job");
	else
		refuse_custom(expect_custom_job(), "whatever");
	expect_no_fault();
	ck_assert_uint_eq(told.dropped, 1);
	ck_assert_uint_eq(link_.counts.stale, 1);
}
END_TEST

/* The pool may know of a tip before we do. If there is none, it does not. */
START_TEST(called_stale)
{
	uint64_t now;

	start(JDC_FULL_TEMPLATE);
	refuse_declaration(declare(1), "stale-chain-tip");
	while (give_token("more", 0))
		;
	expect_no_fault();
	now = clock_monotonic_ms();
	if (_i == 0) {
		uplink_set_tip(&link_, tip_b);
		uplink_tick(&link_, now + 20000);
		expect_no_fault();
	} else {
		uplink_tick(&link_, now + 5000);
		expect_no_fault();
		uplink_tick(&link_, now + 20000);
		expect_fault(UPSTREAM_SHARE_REFUSED);
	}
}
END_TEST

/* Its time runs from the first one on: who says it of each job is found out. */
START_TEST(called_stale_again_and_again)
{
	start(JDC_FULL_TEMPLATE);
	refuse_declaration(declare(1), "stale-chain-tip");
	while (give_token("more", 0))
		;
	link_.stale_job_ms -= 9000;
	refuse_declaration(declare(2), "stale-chain-tip");
	while (give_token("more", 0))
		;
	expect_no_fault();
	uplink_tick(&link_, clock_monotonic_ms() + 5000);
	expect_fault(UPSTREAM_SHARE_REFUSED);
}
END_TEST

/* It was behind, and has come: from then on it has nothing to prove. */
START_TEST(called_stale_and_then_acknowledged)
{
	uint64_t now;

	start(JDC_FULL_TEMPLATE);
	refuse_declaration(declare(1), "stale-chain-tip");
	while (give_token("more", 0))
		;
	make_known(2, 9);
	while (give_token("more", 0))
		;
	now = clock_monotonic_ms();
	uplink_tick(&link_, now + 20000);
	expect_no_fault();
}
END_TEST

/* Refuses what was declared with REQUEST as a pool does whose node is behind. */
static void call_stale(uint32_t request, bool by_the_pool)
{
	if (by_the_pool) {
		declared(request);
		refuse_custom(expect_custom_job(), "stale-chain-tip");
	} else {
		refuse_declaration(request, "stale-chain-tip");
	}
	while (give_token("more", 0))
		;
}

static uint32_t expect_declared_again(void)
{
	const struct sent *s;

	uplink_tick(&link_, clock_monotonic_ms() + UPLINK_AGAIN_MS / 2);
	ck_assert_uint_eq(fake_conn_count(jds, ADIT_SV2_DECLARE_MINING_JOB), 0);
	uplink_tick(&link_, clock_monotonic_ms() + UPLINK_AGAIN_MS);
	s = fake_conn_next(jds, ADIT_SV2_DECLARE_MINING_JOB);
	ck_assert_msg(s != NULL, "it is not declared again");
	ck_assert_uint_eq(s->body.declare_mining_job.wtxid_list.count, 3);
	return s->body.declare_mining_job.request_id;
}

/* A pool whose node is behind knows the tip soon: miners must not work for nothing until the next
 * template. The server may ask for transactions each time. */
START_TEST(declared_again)
{
	static const uint8_t positions[] = {1, 0};
	uint32_t request;

	start(JDC_FULL_TEMPLATE);
	request = declare(1);
	for (unsigned i = 0; i < UPLINK_PROVIDES_MAX + 1; i++) {
		ask_for(request, positions, 1);
		call_stale(request, _i == 1);
		ck_assert_uint_eq(told.dropped, 0);
		request = expect_declared_again();
	}
	declared(request);
	job_set(expect_custom_job(), 9);
	ck_assert_uint_eq(told.known, 1);
	ck_assert_uint_eq(told.id, 1);
	ck_assert_uint_eq(told.needs, 1);
	ck_assert_uint_eq(uplink_pending(&link_), 0);
	ck_assert_uint_eq(link_.held, 0);
	expect_no_fault();
}
END_TEST

START_TEST(coinbase_only_declared_again)
{
	struct uplink_work w = make_work(1, tip_a);

	start(JDC_COINBASE_ONLY);
	uplink_set_tip(&link_, tip_a);
	ck_assert(uplink_declare(&link_, &w));
	refuse_custom(expect_custom_job(), "stale-chain-tip");
	while (give_token("more", 0))
		;
	uplink_tick(&link_, clock_monotonic_ms() + UPLINK_AGAIN_MS);
	job_set(expect_custom_job(), 9);
	ck_assert_uint_eq(told.known, 1);
	ck_assert_uint_eq(told.dropped, 0);
	expect_no_fault();
	free_work();
}
END_TEST

/* When the tip passes while it waits the pool was right. */
START_TEST(declared_again_unless_passed)
{
	start(JDC_FULL_TEMPLATE);
	call_stale(declare(1), _i == 1);
	uplink_set_tip(&link_, tip_b);
	uplink_tick(&link_, clock_monotonic_ms() + UPLINK_AGAIN_MS);
	ck_assert_uint_eq(told.dropped, 1);
	ck_assert_uint_eq(told.dropped_id, 1);
	ck_assert_uint_eq(fake_conn_count(jds, ADIT_SV2_DECLARE_MINING_JOB), 0);
	expect_no_fault();
}
END_TEST

/* Also when the pool takes other jobs of this tip. */
START_TEST(declared_again_but_not_for_ever)
{
	uint32_t request;

	start(JDC_FULL_TEMPLATE);
	call_stale(declare(1), true);
	request = expect_declared_again();
	only_declaration()->stale_ms -= settings.answer_timeout_ms;
	call_stale(request, true);
	ck_assert_uint_eq(told.dropped, 1);
	ck_assert_uint_eq(uplink_pending(&link_), 0);
	ck_assert_uint_eq(link_.held, 0);
	expect_no_fault();
}
END_TEST

/* The declaration server has the solution once: as soon as it has accepted the job. */
START_TEST(solution_of_a_job_called_stale)
{
	static const uint8_t extranonce[PREFIX_SIZE + ROLLABLE] = {1, 2};
	const struct uplink_share share = {.nonce = 7,
					   .extranonce = {extranonce, sizeof extranonce}};
	bool by_the_pool = _i == 1;

	start(JDC_FULL_TEMPLATE);
	call_stale(declare(1), by_the_pool);
	ck_assert(uplink_push_solution(&link_, 1, &share, tip_a, 0x207fffff));
	ck_assert_uint_eq(fake_conn_count(jds, ADIT_SV2_PUSH_SOLUTION), by_the_pool ? 1 : 0);
	/* it is the tip of our own node */
	uplink_set_tip(&link_, tip_b);
	if (!by_the_pool)
		declared(expect_declared_again());
	uplink_tick(&link_, clock_monotonic_ms() + UPLINK_AGAIN_MS);
	ck_assert_uint_eq(fake_conn_count(jds, ADIT_SV2_PUSH_SOLUTION), 1);
	ck_assert_uint_eq(fake_conn_count(jds, ADIT_SV2_DECLARE_MINING_JOB), 0);
	expect_no_fault();
}
END_TEST

START_TEST(declarations_are_bounded)
{
	start(JDC_FULL_TEMPLATE);
	for (uint64_t id = 1; id <= 5; id++) {
		struct uplink_work w = make_work(id, tip_a);

		ck_assert(uplink_declare(&link_, &w)); /* what was not said makes way */
	}
	ck_assert_uint_eq(uplink_pending(&link_), 3);
	ck_assert_uint_eq(told.dropped, 2);
	ck_assert_uint_eq(told.dropped_id, 2);
	/* two were said: they stay; the third makes way */
	give_transactions(4, 1, 10);
	give_transactions(5, 1, 10);
	ck_assert_uint_eq(fake_conn_count(jds, ADIT_SV2_DECLARE_MINING_JOB), 2);
	for (uint64_t id = 6; id <= 8; id++) {
		struct uplink_work w = make_work(id, tip_a);

		ck_assert(uplink_declare(&link_, &w));
	}
	while (give_token("more", 0))
		;
	give_transactions(8, 1, 10);
	ck_assert_uint_eq(fake_conn_count(jds, ADIT_SV2_DECLARE_MINING_JOB), 1);
	{
		struct uplink_work w = make_work(9, tip_a);

		ck_assert(!uplink_declare(&link_, &w)); /* all three wait for an answer */
	}
	ck_assert_uint_eq(uplink_pending(&link_), 3);
	expect_no_fault();
	free_work();
}
END_TEST

START_TEST(passed_tips_are_not_declared)
{
	struct uplink_work a = make_work(1, tip_a);
	struct uplink_work b;

	start(JDC_FULL_TEMPLATE);
	ck_assert(uplink_declare(&link_, &a));
	b = make_work(2, tip_b);
	ck_assert(uplink_declare(&link_, &b));
	ck_assert_uint_eq(told.dropped, 1);
	give_transactions(1, 1, 10);
	ck_assert_ptr_null(fake_conn_next(jds, ADIT_SV2_DECLARE_MINING_JOB));
	free_work();
}
END_TEST

/* Bytes of transactions are bounded over all declarations. */
START_TEST(transactions_are_bounded)
{
	struct uplink_work w = make_work(1, tip_a);

	start(JDC_FULL_TEMPLATE);
	ck_assert(uplink_declare(&link_, &w));
	give_transactions(1, 2, 3000);
	ck_assert_uint_eq(told.dropped, 1);
	ck_assert_ptr_null(fake_conn_next(jds, ADIT_SV2_DECLARE_MINING_JOB));
	w = make_work(2, tip_a);
	ck_assert(uplink_declare(&link_, &w));
	give_transactions(2, 1, 3000);
	ck_assert_ptr_nonnull(fake_conn_next(jds, ADIT_SV2_DECLARE_MINING_JOB));
	w = make_work(3, tip_a);
	ck_assert(uplink_declare(&link_, &w));
	give_transactions(3, 1, 3000); /* the other one is said, and stays */
	ck_assert_uint_eq(told.dropped_id, 3);
	ck_assert_uint_eq(told.dropped, 2);
	expect_no_fault();
	free_work();
}
END_TEST

START_TEST(what_is_no_transaction)
{
	static const uint8_t junk[] = {4, 0, 0, 1, 2, 3, 4};
	static const struct adit_bytes nothing;
	struct adit_sv2_seq list = {junk, sizeof junk, 1};
	struct uplink_work w = make_work(1, tip_a);

	start(JDC_FULL_TEMPLATE);
	ck_assert(uplink_declare(&link_, &w));
	uplink_transactions(&link_, 1, &nothing, &list);
	ck_assert_uint_eq(told.dropped, 1);
	uplink_transactions(&link_, 1, &nothing, &list); /* it is gone */
	ck_assert_uint_eq(told.dropped, 1);
	expect_no_fault(); /* the template provider's, not the pool's */
	free_work();
}
END_TEST

START_TEST(transactions_can_not_be_had)
{
	struct uplink_work w = make_work(1, tip_a);

	start(JDC_FULL_TEMPLATE);
	told.no_provider = true;
	ck_assert(uplink_declare(&link_, &w));
	ck_assert_uint_eq(told.needs, 1);
	uplink_tick(&link_, clock_monotonic_ms());
	ck_assert_uint_eq(told.needs, 2);
	told.no_provider = false;
	uplink_tick(&link_, clock_monotonic_ms());
	uplink_tick(&link_, clock_monotonic_ms());
	ck_assert_uint_eq(told.needs, 3); /* asked once it was there */
	uplink_ask_again(&link_);
	uplink_tick(&link_, clock_monotonic_ms());
	ck_assert_uint_eq(told.needs, 4);
	uplink_drop(&link_, 1);
	ck_assert_uint_eq(told.dropped, 1);
	ck_assert_uint_eq(uplink_pending(&link_), 0);
	free_work();
}
END_TEST

START_TEST(transactions_do_not_come)
{
	struct uplink_work w = make_work(1, tip_a);

	start(JDC_FULL_TEMPLATE);
	ck_assert(uplink_declare(&link_, &w));
	uplink_tick(&link_, clock_monotonic_ms() + 5000);
	ck_assert_uint_eq(told.starved, 0);
	while (give_token("more", 0))
		;
	uplink_tick(&link_, clock_monotonic_ms() + 11000);
	ck_assert_uint_eq(told.starved, 1);
	ck_assert_uint_eq(told.dropped_id, 1);
	expect_no_fault(); /* not the pool's */
	free_work();
}
END_TEST

/* Each change is a job for every miner. */
START_TEST(changes_are_bounded)
{
	uint8_t other[PREFIX_SIZE] = {9};
	struct adit_sv2_set_extranonce_prefix prefix = {.channel_id = CHANNEL,
							.extranonce_prefix = {other, PREFIX_SIZE}};
	unsigned i;

	start(JDC_FULL_TEMPLATE);
	for (i = 0; i < UPLINK_CHANGES_MAX - 1; i++) {
		other[1]++;
		POOL_SAYS(set_extranonce_prefix, &prefix);
	}
	expect_no_fault();
	for (i = 0; i < 5; i++) {
		other[1]++;
		POOL_SAYS(set_extranonce_prefix, &prefix);
	}
	expect_fault(UPSTREAM_BROKE_PROTOCOL);
	ck_assert_uint_le(told.prefix, UPLINK_CHANGES_MAX);
}
END_TEST

START_TEST(no_token_left)
{
	struct adit_sv2_allocate_mining_job_token_success token = {.mining_job_token =
								       bytes("late")};
	struct buf outputs = {0};
	const struct sent *s;

	start(JDC_FULL_TEMPLATE);
	(void)declare(1);
	(void)declare(2);
	{
		struct uplink_work w = make_work(3, tip_a);

		ck_assert(uplink_declare(&link_, &w));
		give_transactions(3, 1, 10);
		ck_assert_ptr_null(fake_conn_next(jds, ADIT_SV2_DECLARE_MINING_JOB));
	}
	/* the next token is for it */
	ck_assert_uint_eq(link_.asked_count, 2);
	token.request_id = link_.asked_tokens[0];
	make_outputs(&outputs, 0);
	token.coinbase_tx_outputs = (struct adit_bytes){outputs.data, (uint32_t)outputs.size};
	JDS_SAYS(allocate_mining_job_token_success, &token);
	s = fake_conn_next(jds, ADIT_SV2_DECLARE_MINING_JOB);
	ck_assert_ptr_nonnull(s);
	ck_assert(sent_text_is(&s->body.declare_mining_job.mining_job_token, "late"));
	buf_free(&outputs);
	expect_no_fault();
	free_work();
}
END_TEST

START_TEST(nothing_is_declared_before_ready_or_in_proxy_mode)
{
	struct uplink_work w = make_work(1, tip_a);

	ck_assert(!uplink_declare(&link_, &w));
	start(_i == 0 ? JDC_PROXY : JDC_FULL_TEMPLATE);
	if (_i == 0)
		ck_assert(!uplink_declare(&link_, &w));
	w.suffix.size = 8;
	ck_assert(!uplink_declare(&link_, &w));
	free_work();
}
END_TEST

/* --- shares ------------------------------------------------------------------------------------
 */

START_TEST(shares_go_out)
{
	const struct adit_sv2_submit_shares_extended *s;
	struct adit_sv2_submit_shares_success m = {
	    .channel_id = CHANNEL, .last_sequence_number = 2, .new_submits_accepted_count = 2};
	char longer[64];

	start(JDC_FULL_TEMPLATE);
	make_known(1, 100);
	ck_assert(send_share(100, "worker"));
	s = &fake_conn_next(mining, ADIT_SV2_SUBMIT_SHARES_EXTENDED)->body.submit_shares_extended;
	ck_assert_uint_eq(s->sequence_number, 1);
	ck_assert_uint_eq(s->job_id, 100);
	ck_assert_uint_eq(s->extranonce.size, ROLLABLE);
	ck_assert(sent_text_is(&s->user_identity, "worker"));
	memset(longer, 'a', 31);
	strcpy(longer + 31, "\xc3\xa9 and more"); /* cut before the character, not within */
	ck_assert(send_share(100, longer));
	s = &fake_conn_next(mining, ADIT_SV2_SUBMIT_SHARES_EXTENDED)->body.submit_shares_extended;
	ck_assert_uint_eq(s->user_identity.size, 31);
	POOL_SAYS(submit_shares_success, &m);
	ck_assert_uint_eq(told.accepted, 2);
	m.new_submits_accepted_count = 1000; /* more than it was sent */
	POOL_SAYS(submit_shares_success, &m);
	ck_assert_uint_eq(told.accepted, 2);
	expect_no_fault();
}
END_TEST

START_TEST(workers_are_told_only_where_negotiated)
{
	const struct sent *s;

	clients.grants = 0;
	start(JDC_FULL_TEMPLATE);
	make_known(1, 100);
	ck_assert(send_share(100, "worker"));
	s = fake_conn_next(mining, ADIT_SV2_SUBMIT_SHARES_EXTENDED);
	ck_assert_ptr_null(s->body.submit_shares_extended.user_identity.data);
}
END_TEST

START_TEST(share_refused)
{
	start(JDC_FULL_TEMPLATE);
	make_known(1, 100);
	ck_assert(send_share(100, ""));
	refuse_share(99, "invalid-share"); /* never sent */
	expect_no_fault();
	refuse_share(1, "invalid-share");
	expect_fault(UPSTREAM_SHARE_REFUSED);
	ck_assert_uint_eq(told.refused, 1);
}
END_TEST

START_TEST(share_of_a_passed_tip_refused)
{
	start(JDC_FULL_TEMPLATE);
	make_known(1, 100);
	ck_assert(send_share(100, ""));
	uplink_set_tip(&link_, tip_b);
	refuse_share(1, "invalid-share");
	expect_no_fault();
	ck_assert_uint_eq(link_.counts.refused_stale, 1);
}
END_TEST

START_TEST(late_share_of_a_passed_tip_refused)
{
	start(JDC_FULL_TEMPLATE);
	make_known(1, 100);
	uplink_set_tip(&link_, tip_b);
	ck_assert(send_share_of(100, "", true));
	refuse_share(1, "invalid-job-id");
	expect_no_fault();
	ck_assert_uint_eq(link_.counts.refused_stale, 1);
	ck_assert(send_share_of(100, "", false)); /* so it is with the present tip only */
	refuse_share(2, "invalid-job-id");
	expect_fault(UPSTREAM_SHARE_REFUSED);
}
END_TEST

START_TEST(share_called_stale)
{
	uint64_t now;

	start(JDC_FULL_TEMPLATE);
	make_known(1, 100);
	while (give_token("more", 0))
		;
	ck_assert(send_share(100, ""));
	refuse_share(1, "stale-share");
	expect_no_fault();
	now = clock_monotonic_ms();
	uplink_tick(&link_, now + 20000);
	expect_fault(UPSTREAM_SHARE_REFUSED);
}
END_TEST

START_TEST(shares_of_long_ago)
{
	start(JDC_FULL_TEMPLATE);
	make_known(1, 100);
	for (int i = 0; i < UPLINK_SENT_MAX + 1; i++)
		ck_assert(send_share(100, ""));
	refuse_share(1, "invalid-share"); /* nobody knows any more what it was of */
	expect_no_fault();
	refuse_share(2, "invalid-share");
	expect_fault(UPSTREAM_SHARE_REFUSED);
}
END_TEST

START_TEST(no_shares_without_a_pool)
{
	ck_assert(!send_share(1, ""));
	start(JDC_FULL_TEMPLATE);
	fake_client_close(pool_client(), "end of file");
	ck_assert(!send_share(1, ""));
}
END_TEST

START_TEST(solutions)
{
	static const uint8_t extranonce[PREFIX_SIZE + ROLLABLE] = {1, 2};
	const struct uplink_share share = {
	    .nonce = 7, .ntime = 8, .version = 9, .extranonce = {extranonce, sizeof extranonce}};
	const struct adit_sv2_push_solution *m;

	start(_i == 0 ? JDC_FULL_TEMPLATE : JDC_COINBASE_ONLY);
	if (_i == 1) {
		ck_assert(!uplink_push_solution(&link_, 1, &share, tip_a, 0x207fffff));
		return;
	}
	ck_assert(uplink_push_solution(&link_, 1, &share, tip_a, 0x207fffff));
	m = &fake_conn_next(jds, ADIT_SV2_PUSH_SOLUTION)->body.push_solution;
	ck_assert_uint_eq(m->extranonce.size, sizeof extranonce);
	ck_assert_mem_eq(m->prev_hash.b, tip_a, 32);
	ck_assert_uint_eq(m->nonce, 7);
	ck_assert_uint_eq(m->ntime, 8);
	ck_assert_uint_eq(m->version, 9);
	ck_assert_uint_eq(m->nbits, 0x207fffff);
}
END_TEST

/* Before the declaration server knows the job it could make no block of it. */
START_TEST(solution_of_a_job_on_its_way)
{
	static const uint8_t extranonce[PREFIX_SIZE + ROLLABLE] = {3};
	const struct uplink_share share = {.nonce = 7,
					   .extranonce = {extranonce, sizeof extranonce}};
	const struct uplink_share second = {.nonce = 8,
					    .extranonce = {extranonce, sizeof extranonce}};
	const struct adit_sv2_push_solution *m;
	struct uplink_work a, b;
	const struct sent *s;

	start(JDC_FULL_TEMPLATE);
	a = make_work(1, tip_a);
	uplink_set_tip(&link_, tip_a);
	ck_assert(uplink_declare(&link_, &a));
	ck_assert(uplink_push_solution(&link_, 1, &share, tip_a, a.nbits));
	ck_assert(!uplink_push_solution(&link_, 1, &second, tip_a, a.nbits));
	ck_assert_uint_eq(fake_conn_count(jds, ADIT_SV2_PUSH_SOLUTION), 0);
	/* The block is the tip of our own node at once; its job is declared all the same. */
	b = make_work(2, tip_b);
	uplink_set_tip(&link_, tip_b);
	ck_assert(uplink_declare(&link_, &b));
	ck_assert_uint_eq(told.dropped, 0);
	give_transactions(1, 3, 10);
	s = fake_conn_next(jds, ADIT_SV2_DECLARE_MINING_JOB);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(fake_conn_count(jds, ADIT_SV2_PUSH_SOLUTION), 0);
	declared(s->body.declare_mining_job.request_id);
	m = &fake_conn_next(jds, ADIT_SV2_PUSH_SOLUTION)->body.push_solution;
	ck_assert_uint_eq(m->nonce, 7);
	ck_assert_mem_eq(m->prev_hash.b, tip_a, 32);
	ck_assert_uint_eq(m->nbits, a.nbits);
	ck_assert_uint_eq(m->extranonce.size, sizeof extranonce);
	ck_assert_mem_eq(m->extranonce.data, extranonce, sizeof extranonce);
	/* From then on at once. */
	ck_assert(uplink_push_solution(&link_, 1, &second, tip_a, a.nbits));
	ck_assert_uint_eq(fake_conn_next(jds, ADIT_SV2_PUSH_SOLUTION)->body.push_solution.nonce, 8);
	free_work();
}
END_TEST

/* --- the pool's jobs ---------------------------------------------------------------------------
 */

static struct adit_sv2_new_extended_mining_job pool_job(uint32_t id, bool now)
{
	struct uplink_work w = make_work(1, tip_a);

	return (struct adit_sv2_new_extended_mining_job){
	    .channel_id = GROUP,
	    .job_id = id,
	    .ntime_start = {now, 1700000000},
	    .version = 0x20000000,
	    .coinbase_tx_prefix = w.prefix,
	    .coinbase_tx_suffix = w.suffix,
	};
}

static void say_job(uint32_t id, bool now)
{
	struct adit_sv2_new_extended_mining_job m = pool_job(id, now);

	POOL_SAYS(new_extended_mining_job, &m);
	free_work();
}

static void say_tip(uint32_t id, const uint8_t tip[32])
{
	struct adit_sv2_set_new_prev_hash m = {
	    .channel_id = GROUP, .job_id = id, .ntime_start = 1700000000, .nbits = 0x207fffff};

	memcpy(m.prev_hash.b, tip, 32);
	POOL_SAYS(set_new_prev_hash, &m);
}

START_TEST(proxy)
{
	start(JDC_PROXY);
	say_job(1, false);
	ck_assert_uint_eq(told.ready, 0);
	say_tip(1, tip_a);
	ck_assert_uint_eq(told.ready, 1);
	say_job(2, true);
	say_job(3, false);
	say_tip(3, tip_b);
	ck_assert_uint_eq(told.jobs, 3);
	ck_assert_uint_eq(told.tips, 2);
	ck_assert_uint_eq(told.ready, 1);
	ck_assert(send_share(3, ""));
	expect_no_fault();
}
END_TEST

START_TEST(proxy_faults)
{
	struct adit_sv2_new_extended_mining_job m;

	start(JDC_PROXY);
	switch (_i) {
	case 0: /* a tip for a job that was not sent */
		say_tip(1, tip_a);
		break;
	case 1: /* that was ended by the last tip */
		say_job(1, false);
		say_job(2, false);
		say_tip(1, tip_a);
		say_tip(2, tip_b);
		break;
	case 2: /* that was pushed out by others */
		for (uint32_t id = 1; id <= UPLINK_FUTURES_MAX + 1; id++)
			say_job(id, false);
		say_tip(1, tip_a);
		break;
	case 3: /* a job for the tip, of which there is none */
		say_job(1, true);
		break;
	case 4: /* no room for our extranonce */
		m = pool_job(1, false);
		m.coinbase_tx_prefix.size--;
		POOL_SAYS(new_extended_mining_job, &m);
		free_work();
		break;
	case 5: /* shorter than any coinbase */
		m = pool_job(1, false);
		m.coinbase_tx_prefix.size = 41;
		POOL_SAYS(new_extended_mining_job, &m);
		free_work();
		break;
	case 6:
		told.verdict = ADIT_E_PROTOCOL;
		say_job(1, false);
		break;
	default:
		say_job(1, false);
		told.verdict = ADIT_E_PROTOCOL;
		say_tip(1, tip_a);
	}
	expect_fault(UPSTREAM_BROKE_PROTOCOL);
}
END_TEST

/* Who selects work gets no jobs; pools that send them all the same do no harm. */
START_TEST(jobs_where_none_are_wanted)
{
	struct adit_sv2_new_mining_job standard = {.channel_id = CHANNEL};

	start(JDC_FULL_TEMPLATE);
	say_job(1, false);
	say_tip(1, tip_a);
	POOL_SAYS(new_mining_job, &standard);
	ck_assert_uint_eq(told.jobs + told.tips, 0);
	ck_assert_uint_eq(link_.counts.ignored, 3);
	expect_no_fault();
}
END_TEST

/* --- all ---------------------------------------------------------------------------------------
 */

static TCase *declaring_cases(void)
{
	TCase *c = tcase_create("declaring");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, tokens_unasked, 0, 2);
	tcase_add_loop_test(c, token_with_bad_outputs, 0, 5);
	tcase_add_test(c, outputs_too_large);
	tcase_add_test(c, outputs_change);
	tcase_add_test(c, outputs_change_under_a_job);
	tcase_add_test(c, tokens_grow_old);
	tcase_add_loop_test(c, requests_unanswered, 0, 5);
	tcase_add_test(c, silence);
	tcase_add_test(c, declare_and_set);
	tcase_add_test(c, coinbase_only);
	tcase_add_test(c, missing_transactions);
	tcase_add_test(c, missing_transactions_take_time);
	tcase_add_test(c, transactions_go_when_declared);
	tcase_add_loop_test(c, missing_transactions_nonsense, 0, 4);
	tcase_add_loop_test(c, answers_to_nothing, 0, 7);
	tcase_add_test(c, declaration_refused);
	tcase_add_test(c, custom_job_refused);
	tcase_add_loop_test(c, refused_of_a_passed_tip, 0, 2);
	tcase_add_loop_test(c, called_stale, 0, 2);
	tcase_add_test(c, called_stale_again_and_again);
	tcase_add_test(c, called_stale_and_then_acknowledged);
	tcase_add_loop_test(c, declared_again, 0, 2);
	tcase_add_test(c, coinbase_only_declared_again);
	tcase_add_loop_test(c, declared_again_unless_passed, 0, 2);
	tcase_add_test(c, declared_again_but_not_for_ever);
	tcase_add_loop_test(c, solution_of_a_job_called_stale, 0, 2);
	tcase_add_test(c, declarations_are_bounded);
	tcase_add_test(c, passed_tips_are_not_declared);
	tcase_add_test(c, transactions_are_bounded);
	tcase_add_test(c, what_is_no_transaction);
	tcase_add_test(c, transactions_can_not_be_had);
	tcase_add_test(c, transactions_do_not_come);
	tcase_add_test(c, changes_are_bounded);
	tcase_add_test(c, no_token_left);
	tcase_add_loop_test(c, nothing_is_declared_before_ready_or_in_proxy_mode, 0, 2);
	return c;
}

static Suite *make_suite(void)
{
	Suite *suite = suite_create("jdc uplink");
	TCase *c = tcase_create("connecting");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, flags_say_what_is_wanted, 0, 3);
	tcase_add_test(c, fixed_versions_are_not_asked_against);
	tcase_add_test(c, fixed_versions_where_ours_roll);
	tcase_add_test(c, ready_when_all_is_there);
	tcase_add_loop_test(c, connection_faults, 0, 6);
	tcase_add_test(c, no_client_at_all);
	tcase_add_test(c, key_file_is_not_there);
	tcase_add_test(c, one_fault_an_attempt);
	tcase_add_test(c, disconnected_before_the_fault_was_told);
	tcase_add_test(c, no_answer_about_extensions);
	tcase_add_test(c, reconnect_while_tried);
	tcase_add_test(c, reconnect_after_the_channel_was_opened);
	tcase_add_loop_test(c, reconnect_of_the_declaration_server_while_tried, 0, 2);
	tcase_add_test(c, reconnect_of_an_established_pool);
	tcase_add_test(c, reconnect_without_end);
	tcase_add_test(c, reconnect_to_no_name);
	suite_add_tcase(suite, c);

	c = tcase_create("channel");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, channel_refused);
	tcase_add_loop_test(c, channel_unusable, 0, 4);
	tcase_add_test(c, second_channel);
	tcase_add_test(c, standard_channel);
	tcase_add_loop_test(c, channel_closed, 0, 2);
	tcase_add_test(c, target_prefix_and_group);
	tcase_add_test(c, prefix_of_another_length);
	tcase_add_test(c, target_zero);
	tcase_add_test(c, group_with_our_channels_id);
	tcase_add_test(c, hash_rate_is_told);
	suite_add_tcase(suite, c);

	suite_add_tcase(suite, declaring_cases());

	c = tcase_create("shares and jobs");
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, shares_go_out);
	tcase_add_test(c, workers_are_told_only_where_negotiated);
	tcase_add_test(c, share_refused);
	tcase_add_test(c, share_of_a_passed_tip_refused);
	tcase_add_test(c, late_share_of_a_passed_tip_refused);
	tcase_add_test(c, share_called_stale);
	tcase_add_test(c, shares_of_long_ago);
	tcase_add_test(c, no_shares_without_a_pool);
	tcase_add_loop_test(c, solutions, 0, 2);
	tcase_add_test(c, solution_of_a_job_on_its_way);
	tcase_add_test(c, proxy);
	tcase_add_loop_test(c, proxy_faults, 0, 8);
	tcase_add_test(c, jobs_where_none_are_wanted);
	suite_add_tcase(suite, c);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(make_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
