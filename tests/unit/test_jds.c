/* SPDX-License-Identifier: MIT */
/* The job declaration server: on the embedded chain, and with a node that a test plays. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/node/traffic.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/sv2/token.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"
#include "plugins/jds/clients.h"
#include "plugins/jds/jobs.h"
#include "plugins/jds/node.h"
#include "tests/unit/declarer.h"
#include "tests/unit/fake_sv2.h"
#include "tests/unit/node_rig.h"

extern const struct adit_plugin_descriptor adit_plugin;

#define WAIT_MS 60000

static struct adit_host *node, *host, *server_host;
static struct jds *jds;
static char directory[64];
static char key_path[96];

/* --- the service sv2.server/1 -------------------------------------------------------------------
 */

static const struct adit_sv2_job_declaration_server_handlers *handlers;
static void *context;
static bool is_open;
static struct fake_conn *conns[64];
static size_t conn_count;

static int32_t serve(void *server, uint8_t protocol, const void *h, void *c)
{
	(void)server;
	ck_assert_uint_eq(protocol, ADIT_SV2_JOB_DECLARATION);
	handlers = h;
	context = c;
	return ADIT_OK;
}

static void leave(struct fake_conn *c)
{
	for (size_t i = 0; i < conn_count; i++) {
		if (conns[i] == c)
			conns[i] = conns[--conn_count];
	}
	handlers->closed(context, &c->head, "gone");
	fake_conn_free(c);
}

static void withdraw(void *server, uint8_t protocol)
{
	(void)server;
	(void)protocol;
	while (conn_count > 0)
		leave(conns[0]);
}

static void set_open(void *server, uint8_t protocol, bool open)
{
	(void)server;
	(void)protocol;
	is_open = open;
}

static const struct adit_sv2_server_service service = {
    .size = sizeof(service),
    .version = 1,
    .serve = serve,
    .withdraw = withdraw,
    .set_open = set_open,
};

static bool server_is_open(void *user)
{
	(void)user;
	return is_open;
}

/* --- life ---------------------------------------------------------------------------------------
 */

static const struct fake_option usual[] = {
    {"payout", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"},
    {NULL, NULL},
};

/* In the directory that there is. */
static void start_again(const char *key, const char *value)
{
	const char *srcdir = getenv("srcdir");
	char path[1024];
	char *manifest;

	snprintf(path, sizeof(path), "%s/plugins/jds/jds.manifest", srcdir ? srcdir : ".");
	manifest = fake_host_read_file(path);
	ck_assert_msg(manifest != NULL, "%s is missing", path);
	host = fake_host_new("jds", manifest, usual, node);
	free(manifest);
	fake_host_set_network(host, "regtest");
	fake_host_set_state_dir(host, directory);
	fake_host_set_config(host, "token_key", key_path);
	if (key != NULL)
		fake_host_set_config(host, key, value);
	if (server_host == NULL) {
		server_host = fake_host_new("sv2-server", NULL, NULL, host);
		ck_assert_int_eq(
		    fake_host_api()->service_offer(server_host, ADIT_SV2_SERVER_SERVICE, &service),
		    ADIT_OK);
	}
	is_open = false;
	ck_assert_msg(fake_host_start(host, &adit_plugin) == ADIT_OK, "%s", fake_host_error(host));
	jds = fake_host_instance(host);
	ck_assert(fake_host_wait(host, server_is_open, NULL, WAIT_MS));
}

static void start_jds(const char *key, const char *value)
{
	snprintf(directory, sizeof(directory), "/tmp/test-jds-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(key_path, sizeof(key_path), "%s/token.key", directory);
	start_again(key, value);
}

static void start_with(const char *key, const char *value)
{
	node = rig_start(NULL);
	start_jds(key, value);
}

static void start(void)
{
	start_with(NULL, NULL);
}

static void stop(void)
{
	char lock[112];

	fake_host_stop(host);
	fake_host_free(server_host);
	server_host = NULL;
	fake_host_free(host);
	fake_host_free(node);
	snprintf(lock, sizeof(lock), "%s.lock", key_path);
	unlink(lock);
	unlink(key_path);
	ck_assert_int_eq(rmdir(directory), 0);
}

/* --- a client -----------------------------------------------------------------------------------
 */

static struct fake_conn *join(uint32_t flags)
{
	static uint32_t last_id;
	struct fake_conn *c = fake_conn_new(++last_id, flags);
	struct adit_sv2_setup_connection request = {.protocol = ADIT_SV2_JOB_DECLARATION,
						    .flags = flags};
	struct adit_sv2_setup_result result = {0};

	handlers->setup(context, &c->head, &request, &result);
	ck_assert_ptr_null(result.error_code);
	handlers->opened(context, &c->head);
	conns[conn_count++] = c;
	return c;
}

static struct adit_bytes text(const char *t)
{
	return (struct adit_bytes){.data = (const uint8_t *)t, .size = (uint32_t)strlen(t)};
}

static struct adit_sv2_allocate_mining_job_token_success allocate(struct fake_conn *c)
{
	struct adit_sv2_allocate_mining_job_token m = {.user_identifier = text("farm"),
						       .request_id = 11};
	const struct sent *s;

	ck_assert_int_eq(handlers->allocate_mining_job_token(context, &c->head, &m), ADIT_OK);
	s = fake_conn_next(c, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN_SUCCESS);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.allocate_mining_job_token_success.request_id, 11);
	return s->body.allocate_mining_job_token_success;
}

static void declare(struct fake_conn *c, const struct declarer *d, uint32_t id)
{
	struct adit_bytes token = allocate(c).mining_job_token;
	struct adit_sv2_declare_mining_job m = declarer_declaration(d, id, &token);

	ck_assert_int_eq(handlers->declare_mining_job(context, &c->head, &m), ADIT_OK);
}

struct awaited {
	struct fake_conn *c;
	int32_t message;
};

static bool has_come(void *user)
{
	const struct awaited *a = user;

	return fake_conn_count(a->c, a->message) > 0;
}

/* The next MESSAGE, for which the loop runs. */
static const struct sent *await(struct fake_conn *c, int32_t message)
{
	struct awaited a = {c, message};

	ck_assert_msg(fake_host_wait(host, has_come, &a, WAIT_MS), "message %d does not come",
		      message);
	return fake_conn_next(c, message);
}

static struct adit_bytes expect_success(struct fake_conn *c, uint32_t id)
{
	struct awaited error = {c, ADIT_SV2_DECLARE_MINING_JOB_ERROR};
	const struct sent *s;

	fake_host_run(host, 0);
	ck_assert_msg(!has_come(&error), "refused");
	s = await(c, ADIT_SV2_DECLARE_MINING_JOB_SUCCESS);
	ck_assert_uint_eq(s->body.declare_mining_job_success.request_id, id);
	return s->body.declare_mining_job_success.new_mining_job_token;
}

static void expect_error(struct fake_conn *c, uint32_t id, const char *code)
{
	const struct sent *s = await(c, ADIT_SV2_DECLARE_MINING_JOB_ERROR);
	const struct adit_sv2_declare_mining_job_error *e = &s->body.declare_mining_job_error;

	ck_assert_uint_eq(e->request_id, id);
	ck_assert_msg(sent_text_is(&e->error_code, code), "%.*s (%.*s), not %s",
		      (int)e->error_code.size, (const char *)e->error_code.data,
		      (int)e->error_details.size, (const char *)e->error_details.data, code);
	ck_assert_uint_gt(e->error_details.size, 0);
}

static int32_t provide(struct fake_conn *c, const struct declarer *d, const struct sent *asked)
{
	const struct adit_sv2_provide_missing_transactions *p =
	    &asked->body.provide_missing_transactions;
	struct buf out = {0};
	struct adit_sv2_provide_missing_transactions_success m =
	    declarer_provide(d, p->request_id, &p->unknown_tx_position_list, &out);
	int32_t result = handlers->provide_missing_transactions_success(context, &c->head, &m);

	buf_free(&out);
	return result;
}

static int32_t provide_nothing(struct fake_conn *c, uint32_t id)
{
	struct adit_sv2_provide_missing_transactions_success m = {.request_id = id};

	return handlers->provide_missing_transactions_success(context, &c->head, &m);
}

/* The node's own template, to be paid to the pool. */
static void from_template(struct declarer *d, struct fake_conn *c)
{
	struct adit_sv2_allocate_mining_job_token_success token = allocate(c);
	struct block_builder b;

	rig_builder(node, &b);
	*d = (struct declarer){.height = b.height,
			       .value = b.value,
			       .version = b.version,
			       .nbits = b.nbits,
			       .ntime = b.time};
	memcpy(d->prev_hash, b.prev_hash, 32);
	declarer_pay(d, &token.coinbase_tx_outputs);
	for (size_t i = 0; i < b.tx_count; i++)
		declarer_add_tx(d, block_builder_tx(&b, i), b.tx_sizes[i]);
	declarer_make(d);
	block_builder_free(&b);
}

/* A transaction that is good on the embedded chain, and not in its mempool. */
static void add_foreign(struct declarer *d, uint64_t *number)
{
	struct traffic_tx t;

	do
		traffic_make((*number)++, &t);
	while (t.parents_count > 0);
	declarer_add_tx(d, t.data, t.size);
}

/* --- tokens -------------------------------------------------------------------------------------
 */

START_TEST(tokens_say_what_they_are_for)
{
	struct fake_conn *full, *coinbase;
	struct adit_sv2_allocate_mining_job_token_success a;
	struct token_keys *other;
	struct job_token t;
	struct error e = {0};
	uint8_t user[JOB_TOKEN_USER];

	start();
	/* another process */
	ck_assert_int_eq(token_keys_open(&other, key_path, clock_unix(), &e), ADIT_OK);
	full = join(ADIT_SV2_DECLARE_TX_DATA);
	coinbase = join(0);
	a = allocate(full);
	/* one output of value 0, the address in `payout` */
	ck_assert_uint_eq(a.coinbase_tx_outputs.size, 1 + 8 + 1 + 22);
	ck_assert(job_token_open(other, a.mining_job_token.data, a.mining_job_token.size,
				 clock_unix(), &t));
	ck_assert_uint_eq(t.kind, JOB_TOKEN_TO_DECLARE);
	ck_assert_uint_eq(t.pay_size, 22);
	ck_assert_mem_eq(t.pay, a.coinbase_tx_outputs.data + 10, 22);
	job_token_user((const uint8_t *)"farm", 4, user);
	ck_assert_mem_eq(t.user, user, sizeof(user));
	ck_assert_uint_gt(t.expires, clock_unix() + 86000);
	a = allocate(coinbase);
	ck_assert(job_token_open(other, a.mining_job_token.data, a.mining_job_token.size,
				 clock_unix(), &t));
	ck_assert_uint_eq(t.kind, JOB_TOKEN_COINBASE_ONLY);
	token_keys_free(other);
	stop();
}
END_TEST

START_TEST(modes)
{
	static const struct {
		const char *mode;
		uint32_t flags;
		const char *code;
	} cases[] = {
	    {"full-template", 0, "missing-declare-tx-data-flag"},
	    {"full-template", ADIT_SV2_DECLARE_TX_DATA, NULL},
	    {"coinbase-only", 0, NULL},
	    {"coinbase-only", ADIT_SV2_DECLARE_TX_DATA, "unsupported-feature-flags"},
	};
	struct adit_sv2_setup_connection request = {.flags = cases[_i].flags};
	struct adit_sv2_setup_result result = {0};
	struct fake_conn *c = fake_conn_new(1, cases[_i].flags);

	start_with("modes", cases[_i].mode);
	handlers->setup(context, &c->head, &request, &result);
	if (cases[_i].code == NULL)
		ck_assert_ptr_null(result.error_code);
	else
		ck_assert_str_eq(result.error_code, cases[_i].code);
	fake_conn_free(c);
	stop();
}
END_TEST

START_TEST(endless_token_requests)
{
	struct fake_conn *c, *other;

	start();
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	other = join(ADIT_SV2_DECLARE_TX_DATA);
	for (uint32_t i = 0; i < 100 * JDS_TOKENS_BURST && !c->closed; i++) {
		struct adit_sv2_allocate_mining_job_token m = {.request_id = i};

		ck_assert_int_eq(handlers->allocate_mining_job_token(context, &c->head, &m),
				 ADIT_OK);
		ck_assert_uint_lt(c->count, FAKE_SENT_MAX - 1);
	}
	ck_assert_str_eq(c->reason, "too many tokens asked for");
	ck_assert_uint_ge(c->count, JDS_TOKENS_BURST);
	(void)allocate(other);
	stop();
}
END_TEST

/* --- declarations -------------------------------------------------------------------------------
 */

/* Nothing is missing: nothing is asked for. The token is good for this job alone. */
START_TEST(a_declared_job)
{
	struct adit_sv2_set_custom_mining_job job;
	struct adit_bytes token;
	struct fake_conn *c;
	struct job_token t;
	struct declarer d;
	uint8_t digest[JOB_TOKEN_DIGEST];

	start();
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	from_template(&d, c);
	ck_assert_uint_gt(d.tx_count, 4);
	declare(c, &d, 21);
	token = expect_success(c, 21);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS), 0);
	ck_assert(job_token_open(jds->keys, token.data, token.size, clock_unix(), &t));
	job = declarer_job(&d, 1, 1, &token);
	ck_assert_uint_eq(t.kind, JOB_TOKEN_DECLARED);
	ck_assert_uint_eq(t.job.version, job.version);
	ck_assert_mem_eq(t.job.prev_hash, d.prev_hash, 32);
	ck_assert_uint_eq(t.job.nbits, job.nbits);
	ck_assert_uint_le(t.job.min_ntime, job.ntime_start);
	ck_assert_uint_eq(t.job.coinbase_version, job.coinbase_tx_version);
	ck_assert_uint_eq(t.job.sequence, job.coinbase_tx_input_n_sequence);
	ck_assert_uint_eq(t.job.lock_time, job.coinbase_tx_locktime);
	ck_assert_uint_eq(t.job.extranonce_size, DECLARER_EXTRANONCE);
	job_token_digest(job.coinbase_prefix.data, job.coinbase_prefix.size, digest);
	ck_assert_mem_eq(t.job.script, digest, sizeof(digest));
	job_token_digest(job.coinbase_tx_outputs.data, job.coinbase_tx_outputs.size, digest);
	ck_assert_mem_eq(t.job.outputs, digest, sizeof(digest));
	job_token_digest(job.merkle_path.data, job.merkle_path.size, digest);
	ck_assert_mem_eq(t.job.merkle_path, digest, sizeof(digest));
	declarer_free(&d);
	stop();
}
END_TEST

START_TEST(a_job_without_transactions)
{
	struct fake_conn *c;
	struct declarer d;

	start();
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	from_template(&d, c);
	d.tx_count = 0;
	d.value = 5000000000;
	declarer_make(&d);
	declare(c, &d, 1);
	(void)expect_success(c, 1);
	declarer_free(&d);
	stop();
}
END_TEST

/* Only what nobody here knows is asked for, and only once. */
START_TEST(missing_transactions)
{
	uint64_t number = 1000;
	const struct adit_sv2_seq *positions;
	struct fake_conn *c, *other;
	const struct sent *asked;
	struct declarer d;
	uint32_t known;

	start();
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	other = join(ADIT_SV2_DECLARE_TX_DATA);
	from_template(&d, c);
	known = d.tx_count;
	add_foreign(&d, &number);
	add_foreign(&d, &number);
	declarer_make(&d);
	declare(c, &d, 1);
	asked = await(c, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS);
	ck_assert_uint_eq(asked->body.provide_missing_transactions.request_id, 1);
	positions = &asked->body.provide_missing_transactions.unknown_tx_position_list;
	ck_assert_uint_eq(positions->count, 2);
	ck_assert_uint_eq(positions->data[0], known);
	ck_assert_uint_eq(positions->data[2], known + 1);
	ck_assert_int_eq(provide(c, &d, asked), ADIT_OK);
	(void)expect_success(c, 1);
	/* The next declaration, of another client at that, has one more. */
	add_foreign(&d, &number);
	declarer_make(&d);
	declare(other, &d, 2);
	asked = await(other, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS);
	positions = &asked->body.provide_missing_transactions.unknown_tx_position_list;
	ck_assert_uint_eq(positions->count, 1);
	ck_assert_uint_eq(positions->data[0], known + 2);
	ck_assert_int_eq(provide(other, &d, asked), ADIT_OK);
	(void)expect_success(other, 2);
	ck_assert_uint_eq(jds->stats.asked, 3);
	ck_assert_uint_eq(jds->txs.count, d.tx_count);
	/* With the tip, and with its clients, all of it goes. */
	leave(other);
	ck_assert_uint_eq(jds->txs.count, d.tx_count - 1);
	leave(c);
	ck_assert_uint_eq(jds->txs.count, 0);
	ck_assert_uint_eq(jds->txs.bytes + jds->held, 0);
	declarer_free(&d);
	stop();
}
END_TEST

static bool tip_is_high(void *user)
{
	return jds->tip.height >= *(const uint32_t *)user;
}

/* The block of D, at a nonce that is good for none of OTHER: at this difficulty every other is. */
static void expect_block(struct fake_conn *c, struct declarer *d, const struct declarer *other)
{
	uint8_t extranonce[DECLARER_EXTRANONCE] = {1, 2, 3};
	struct adit_sv2_push_solution m = {
	    .extranonce = {.data = extranonce, .size = sizeof(extranonce)},
	    .nbits = d->nbits,
	    .ntime = d->ntime,
	    .version = d->version,
	};
	uint8_t target[32], hash[32], tip[32];
	uint32_t nonce;

	ck_assert(target_from_nbits(d->nbits, target));
	do {
		declarer_solve(d, extranonce, target, &m.nonce, hash);
		nonce = m.nonce - 1;
		declarer_solve(other, extranonce, target, &nonce, tip);
	} while (nonce == m.nonce);
	memcpy(m.prev_hash.b, d->prev_hash, 32);
	ck_assert_int_eq(handlers->push_solution(context, &c->head, &m), ADIT_OK);
	ck_assert(fake_host_wait(host, tip_is_high, &d->height, WAIT_MS));
	memcpy(tip, jds->tip.hash, 32);
	ck_assert_mem_eq(tip, hash, 32);
}

/* Of the job declared last, and of the one before, which another has overtaken. */
START_TEST(a_solution_becomes_a_block)
{
	uint64_t number = 1000;
	struct fake_conn *c;
	const struct sent *asked;
	struct declarer first, d;

	start();
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	from_template(&first, c);
	declare(c, &first, 1);
	(void)expect_success(c, 1);
	from_template(&d, c);
	add_foreign(&d, &number);
	declarer_make(&d);
	declare(c, &d, 2);
	asked = await(c, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS);
	ck_assert_int_eq(provide(c, &d, asked), ADIT_OK);
	(void)expect_success(c, 2);
	expect_block(c, _i ? &first : &d, _i ? &d : &first);
	ck_assert_uint_eq(jds->stats.blocks_accepted, 1);
	ck_assert_int_eq(rig_number(node, "get_chain_tip", "height"), 1);
	/* What was declared for the tip before is forgotten. */
	ck_assert_uint_eq(jds->txs.count, 0);
	declarer_free(&first);
	declarer_free(&d);
	stop();
}
END_TEST

START_TEST(solutions_that_fit_nothing)
{
	struct adit_sv2_push_solution m = {.nbits = 0x207fffff};
	struct fake_conn *c;

	start();
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	for (int i = 0; i <= JDS_WRONG_SOLUTIONS_MAX; i++) {
		ck_assert(!c->closed);
		ck_assert_int_eq(handlers->push_solution(context, &c->head, &m), ADIT_OK);
	}
	ck_assert(c->closed);
	ck_assert_uint_eq(jds->stats.solutions, 0);
	stop();
}
END_TEST

/* --- refusals -----------------------------------------------------------------------------------
 */

struct change {
	void (*change)(struct declarer *d, struct adit_sv2_declare_mining_job *m);
	const char *code;
};

static void no_token(struct declarer *d, struct adit_sv2_declare_mining_job *m)
{
	(void)d;
	m->mining_job_token.size = 0;
}

static void cut_prefix(struct declarer *d, struct adit_sv2_declare_mining_job *m)
{
	(void)d;
	m->coinbase_tx_prefix.size = 20;
}

static void cut_suffix(struct declarer *d, struct adit_sv2_declare_mining_job *m)
{
	(void)d;
	m->coinbase_tx_suffix.size--;
}

static void two_inputs(struct declarer *d, struct adit_sv2_declare_mining_job *m)
{
	(void)m;
	d->declared_prefix.data[6] = 2;
}

static void no_height(struct declarer *d, struct adit_sv2_declare_mining_job *m)
{
	(void)m;
	d->declared_prefix.data[4 + 2 + 1 + 36 + 1] = 0xff;
}

static void past_height(struct declarer *d, struct adit_sv2_declare_mining_job *m)
{
	/* 1 is OP_1 */
	(void)m;
	d->declared_prefix.data[4 + 2 + 1 + 36 + 1]--;
}

static void too_much(struct declarer *d, struct adit_sv2_declare_mining_job *m)
{
	(void)m;
	d->declared_suffix.data[4 + 1]++;
}

static void other_payee(struct declarer *d, struct adit_sv2_declare_mining_job *m)
{
	(void)m;
	d->declared_suffix.data[4 + 1 + 8 + 1 + 5] ^= 1;
}

static void old_version(struct declarer *d, struct adit_sv2_declare_mining_job *m)
{
	(void)d;
	m->version = 3;
}

static void twice(struct declarer *d, struct adit_sv2_declare_mining_job *m)
{
	(void)m;
	memcpy(d->wtxids.data + 32, d->wtxids.data, 32);
}

static void far_too_many(struct declarer *d, struct adit_sv2_declare_mining_job *m)
{
	(void)d;
	m->wtxid_list.count = 65535;
}

static void commitment(struct declarer *d, struct adit_sv2_declare_mining_job *m)
{
	(void)m;
	d->declared_suffix.data[d->declared_suffix.size - 40] ^= 1;
}

static const struct change changes[] = {
    {no_token, "invalid-mining-job-token"},
    {cut_prefix, "invalid-coinbase-tx"},
    {cut_suffix, "invalid-coinbase-tx"},
    {two_inputs, "invalid-coinbase-tx-input"},
    {no_height, "invalid-coinbase-tx-input"},
    {past_height, "stale-chain-tip"},
    {too_much, "invalid-job"},
    {other_payee, "invalid-coinbase-tx"},
    {old_version, "invalid-job"},
    {twice, "invalid-job"},
    {far_too_many, "invalid-job"},
    {commitment, "invalid-job"},
};

START_TEST(what_is_refused)
{
	const size_t count = sizeof(changes) / sizeof(changes[0]);
	struct fake_conn *c;
	struct declarer d;

	start();
	rig_mine(node);
	rig_mine(node);
	fake_reply_free(fake_host_call(node, "add_transactions", "{\"count\":5}", NULL, 0));
	ck_assert(fake_host_wait(host, tip_is_high, &(uint32_t){2}, WAIT_MS));
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	for (uint32_t i = 0; i < count; i++) {
		struct adit_bytes token = allocate(c).mining_job_token;
		struct adit_sv2_declare_mining_job m;

		from_template(&d, c);
		m = declarer_declaration(&d, i, &token);
		changes[i].change(&d, &m);
		ck_assert_int_eq(handlers->declare_mining_job(context, &c->head, &m), ADIT_OK);
		expect_error(c, i, changes[i].code);
		declarer_free(&d);
	}
	ck_assert_uint_eq(jds->stats.refused, count);
	ck_assert_uint_eq(jds->txs.count, 0);
	ck_assert_uint_eq(jds->held, 0);
	ck_assert(!c->closed);
	/* and all is well after that */
	from_template(&d, c);
	declare(c, &d, 99);
	(void)expect_success(c, 99);
	declarer_free(&d);
	stop();
}
END_TEST

/* Tokens that are for something else: of a coinbase-only client, of a declared job. */
START_TEST(tokens_for_something_else)
{
	struct fake_conn *c, *coinbase;
	struct declarer d;
	struct adit_bytes token;
	struct adit_sv2_declare_mining_job m;

	start();
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	coinbase = join(0);
	from_template(&d, c);
	declare(coinbase, &d, 1);
	expect_error(coinbase, 1, "invalid-mining-job-token");
	declare(c, &d, 2);
	token = expect_success(c, 2);
	m = declarer_declaration(&d, 3, &token);
	ck_assert_int_eq(handlers->declare_mining_job(context, &c->head, &m), ADIT_OK);
	expect_error(c, 3, "invalid-mining-job-token");
	declarer_free(&d);
	stop();
}
END_TEST

/* Other transactions than were asked for, or another number of them. */
START_TEST(wrong_transactions)
{
	uint64_t number = 1000;
	struct fake_conn *c;
	struct declarer d;

	start();
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	from_template(&d, c);
	add_foreign(&d, &number);
	declarer_make(&d);
	for (uint32_t i = 0; i < 3; i++) {
		const struct sent *asked;
		struct adit_sv2_provide_missing_transactions_success m;
		struct buf out = {0};

		declare(c, &d, i);
		asked = await(c, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS);
		m = declarer_provide(
		    &d, i, &asked->body.provide_missing_transactions.unknown_tx_position_list,
		    &out);
		if (i == 0)
			out.data[3 + 20] ^= 1;
		else if (i == 1)
			m.transaction_list.count = 0;
		else
			out.data[3] = 0; /* no transaction at all */
		ck_assert_int_eq(
		    handlers->provide_missing_transactions_success(context, &c->head, &m), ADIT_OK);
		expect_error(c, i, "invalid-job");
		buf_free(&out);
	}
	ck_assert_uint_eq(jds->txs.count, 0);
	declarer_free(&d);
	stop();
}
END_TEST

/* Who does not answer is told so, and a late answer is no fault; one that nobody asked for is. */
START_TEST(never_answering)
{
	uint64_t number = 1000;
	const struct sent *asked;
	struct fake_conn *c;
	struct declarer d;

	start_with("answer_timeout", "100");
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	from_template(&d, c);
	add_foreign(&d, &number);
	declarer_make(&d);
	declare(c, &d, 7);
	asked = await(c, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS);
	expect_error(c, 7, "missing-txs");
	ck_assert_int_eq(provide(c, &d, asked), ADIT_OK);
	ck_assert_int_eq(provide(c, &d, asked), ADIT_E_PROTOCOL);
	declarer_free(&d);
	stop();
}
END_TEST

/* The client's node was faster: its job waits for the tip. */
START_TEST(an_early_job)
{
	struct fake_conn *c;
	struct declarer d;

	start_with("answer_timeout", _i ? "100" : "60000");
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	from_template(&d, c);
	d.tx_count = 0;
	d.value = 5000000000;
	d.height++;
	declarer_make(&d);
	declare(c, &d, 1);
	ck_assert_uint_eq(((struct jds_client *)c->user)->pending, 1);
	if (_i) {
		expect_error(c, 1, "stale-chain-tip");
	} else {
		rig_mine(node);
		(void)expect_success(c, 1);
	}
	declarer_free(&d);
	stop();
}
END_TEST

/* --- a node that a test plays -------------------------------------------------------------------
 */

static int32_t node_error; /* what it answers with */
static int node_busy;      /* so many checks before that are answered "limit" */
static int node_checks;
static bool node_holds; /* it does not answer */
static struct adit_request *held_requests[64];
static size_t held_count;
static uint8_t node_tip = 1;

static void answer_info(void *user, struct adit_request *request,
			const struct adit_request_info *info)
{
	char json[256];

	(void)user;
	(void)info;
	snprintf(json, sizeof(json),
		 "{\"hash\":\"%062d%02x\",\"height\":100,\"next_bits\":\"207fffff\","
		 "\"median_time\":1700000000}",
		 0, node_tip);
	fake_host_api()->reply(node, request, ADIT_OK, "", json, strlen(json), NULL, 0);
}

static void answer_check(void *user, struct adit_request *request,
			 const struct adit_request_info *info)
{
	static const char valid[] = "{\"valid\":true}";

	(void)user;
	(void)info;
	node_checks++;
	if (node_holds)
		held_requests[held_count++] = request;
	else if (node_busy > 0 && node_busy--)
		fake_host_api()->reply(node, request, ADIT_E_LIMIT, "too many queries", "", 0, NULL,
				       0);
	else
		fake_host_api()->reply(node, request, node_error, "as it is told", valid,
				       strlen(valid), NULL, 0);
}

static void answer_lookup(void *user, struct adit_request *request,
			  const struct adit_request_info *info)
{
	(void)user;
	(void)info;
	if (node_holds)
		held_requests[held_count++] = request;
	else
		fake_host_api()->reply(node, request, ADIT_E_UNSUPPORTED, "not here", "", 0, NULL,
				       0);
}

static int32_t submit_error; /* what a block is answered with */
static size_t submits;

static void answer_submit(void *user, struct adit_request *request,
			  const struct adit_request_info *info)
{
	static const char taken[] = "{\"accepted\":true}";

	(void)user;
	(void)info;
	submits++;
	fake_host_api()->reply(node, request, submit_error, "no node", taken, strlen(taken), NULL,
			       0);
}

static void start_played(const char *key, const char *value)
{
	const struct adit_host_api *api = fake_host_api();

	node_error = ADIT_OK;
	node_holds = false;
	node_busy = node_checks = 0;
	held_count = 0;
	node = fake_host_new("node", NULL, NULL, NULL);
	api->register_method(node, "get_chain_info", ADIT_METHOD_ANY, answer_info, NULL, NULL);
	api->register_method(node, "check_block", ADIT_METHOD_ANY, answer_check, NULL, NULL);
	api->register_method(node, "submit_block", ADIT_METHOD_ANY, answer_submit, NULL, NULL);
	submit_error = ADIT_OK;
	submits = 0;
	api->register_method(node, "get_transactions_by_wtxid", ADIT_METHOD_ANY, answer_lookup,
			     NULL, NULL);
	start_jds(key, value);
}

/* A job for the played node's tip with one transaction of SIZE bytes of its own. */
static void made_up(struct declarer *d, struct fake_conn *c, uint32_t size)
{
	static uint32_t last;
	struct adit_sv2_allocate_mining_job_token_success token = allocate(c);
	struct buf tx = {0};

	*d = (struct declarer){.height = 101,
			       .value = 5000000000,
			       .version = 0x20000000,
			       .nbits = 0x207fffff,
			       .ntime = clock_unix()};
	d->prev_hash[0] = node_tip;
	declarer_pay(d, &token.coinbase_tx_outputs);
	buf_append_u32(&tx, 2);
	buf_append_u8(&tx, 1);
	for (int i = 0; i < 8; i++)
		buf_append_u32(&tx, last + 1);
	buf_append_u32(&tx, last++);
	buf_append_u8(&tx, 0);
	buf_append_u32(&tx, 0xffffffff);
	buf_append_u8(&tx, 1);
	buf_append_u64(&tx, 1000);
	buf_append_compact_size(&tx, size);
	memset(buf_reserve(&tx, size), 0x6a, size);
	tx.size += size;
	buf_append_u32(&tx, 0);
	declarer_add_tx(d, tx.data, tx.size);
	declarer_make(d);
	buf_free(&tx);
}

static void declare_all(struct fake_conn *c, struct declarer *d, uint32_t id)
{
	declare(c, d, id);
	ck_assert_int_eq(provide(c, d, await(c, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS)), ADIT_OK);
}

static bool was_tried(void *user)
{
	return submits >= *(const size_t *)user;
}

static bool has_accepted(void *user)
{
	(void)user;
	return jds->stats.blocks_accepted == 1;
}

static size_t block_files(void)
{
	char command[128];
	size_t count = 0;
	FILE *from;

	snprintf(command, sizeof(command), "ls %s", directory);
	from = popen(command, "r");
	while (from != NULL && fgets(command, sizeof(command), from) != NULL)
		count += strncmp(command, "block-", 6) == 0;
	ck_assert_int_eq(pclose(from), 0);
	return count;
}

/* A block that no node takes is written down, and sent again until one does: by this run, or by the
 * next. */
START_TEST(a_block_is_not_lost)
{
	const uint8_t extranonce[DECLARER_EXTRANONCE] = {7};
	struct adit_sv2_push_solution m = {
	    .extranonce = {.data = extranonce, .size = sizeof(extranonce)}};
	uint8_t target[32], hash[32];
	struct fake_conn *c;
	struct declarer d;
	size_t twice = 2;

	start_played(NULL, NULL);
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	made_up(&d, c, 100);
	declare_all(c, &d, 1);
	(void)expect_success(c, 1);
	m.nbits = d.nbits;
	m.ntime = d.ntime;
	m.version = d.version;
	memcpy(m.prev_hash.b, d.prev_hash, 32);
	ck_assert(target_from_nbits(d.nbits, target));
	declarer_solve(&d, extranonce, target, &m.nonce, hash);
	submit_error = ADIT_E_UNAVAILABLE;
	ck_assert_int_eq(handlers->push_solution(context, &c->head, &m), ADIT_OK);
	ck_assert(fake_host_wait(host, was_tried, &twice, WAIT_MS));
	ck_assert_uint_eq(block_files(), 1);
	if (_i == 1) {
		fake_host_stop(host);
		fake_host_free(host);
		ck_assert_uint_eq(block_files(), 1);
		start_again(NULL, NULL);
		ck_assert(fake_host_logged(host, "of an earlier run"));
	}
	submit_error = ADIT_OK;
	ck_assert(fake_host_wait(host, has_accepted, NULL, WAIT_MS));
	ck_assert_uint_eq(block_files(), 0);
	ck_assert_uint_eq(jds->submission_count, 0);
	declarer_free(&d);
	stop();
}
END_TEST

/* A node that can't check blocks or find transactions: what can be said without it is said. */
START_TEST(a_node_that_can_not_tell)
{
	struct fake_conn *c;
	struct declarer d;

	start_played(NULL, NULL);
	node_error = ADIT_E_UNSUPPORTED;
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	made_up(&d, c, 100);
	declare_all(c, &d, 1);
	(void)expect_success(c, 1);
	ck_assert(fake_host_logged(host, "can't check blocks"));
	/* it keeps what it was given */
	declare(c, &d, 2);
	(void)expect_success(c, 2);
	d.declared_suffix.data[d.declared_suffix.size - 40] ^= 1;
	declare(c, &d, 3);
	expect_error(c, 3, "invalid-job");
	node_error = ADIT_E_UNAVAILABLE;
	declarer_make(&d);
	declare(c, &d, 4);
	expect_error(c, 4, "internal-error");
	declarer_free(&d);
	stop();
}
END_TEST

static bool was_busy(void *user)
{
	(void)user;
	return node_busy < 1000;
}

/* A node that is asked too much is asked again, for as long as an answer may take. */
START_TEST(a_busy_node)
{
	struct fake_conn *c;
	struct declarer d;

	start_played("answer_timeout", _i == 0 ? "60000" : "500");
	node_busy = _i == 0 ? 2 : 1000;
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	made_up(&d, c, 100);
	declare(c, &d, 1);
	ck_assert_int_eq(provide(c, &d, await(c, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS)), ADIT_OK);
	if (_i == 0) {
		(void)expect_success(c, 1);
		ck_assert_int_eq(node_checks, 3);
	} else {
		expect_error(c, 1, "internal-error");
		ck_assert_int_ge(node_checks, 2);
	}
	ck_assert_uint_eq(jds->node_calls, 0);
	/* Who leaves meanwhile is forgotten. */
	if (_i == 0) {
		node_busy = 1000;
		declare(c, &d, 2);
		ck_assert(fake_host_wait(host, was_busy, NULL, WAIT_MS));
	}
	leave(c);
	fake_host_run(host, 300);
	ck_assert_uint_eq(jds->node_calls, 0);
	declarer_free(&d);
	stop();
}
END_TEST

static void publish(const char *type, const char *json)
{
	ck_assert_int_eq(fake_host_api()->publish(node, type, json, strlen(json), NULL, 0),
			 ADIT_OK);
}

static bool tip_is(void *user)
{
	return jds->tip.hash[0] == *(const uint8_t *)user;
}

/* Backends differ in which of its two events comes first when there is a block; the node tells the
 * new tip only with the second. */
START_TEST(a_new_tip)
{
	static const char *const types[] = {"NewBlock", "BlockTemplateUpdated"};
	static const char json[] = "{\"new_tip\":true}";

	start_played(NULL, NULL);
	publish(types[_i], json);
	fake_host_run(host, 50);
	ck_assert_uint_eq(jds->tip.hash[0], node_tip);
	node_tip++;
	publish(types[1 - _i], json);
	ck_assert(fake_host_wait(host, tip_is, &node_tip, WAIT_MS));
	stop();
}
END_TEST

static bool holds(void *user)
{
	return held_count >= *(const size_t *)user;
}

/* A few calls at a time; who waits has its turn when another one has had it, or has gone. */
START_TEST(the_node_is_spared)
{
	struct declarer d[3 * JDS_PENDING_MAX];
	struct fake_conn *c[3];
	size_t most = JDS_NODE_CALLS_MAX;
	size_t n = 0;

	start_played(NULL, NULL);
	node_holds = true;
	for (int i = 0; i < 3; i++) {
		c[i] = join(ADIT_SV2_DECLARE_TX_DATA);
		for (uint32_t k = 0; k < JDS_PENDING_MAX; k++) {
			made_up(&d[n], c[i], 100);
			declare(c[i], &d[n++], k);
		}
	}
	/* One more than a client may have at a time. */
	declare(c[0], &d[0], 77);
	expect_error(c[0], 77, "internal-error");
	ck_assert(fake_host_wait(host, holds, &most, WAIT_MS));
	fake_host_run(host, 20);
	ck_assert_uint_eq(held_count, most);
	ck_assert_uint_eq(jds->node_calls, most);
	/* The first client goes, and with it all that was asked for it. */
	leave(c[0]);
	most += JDS_NODE_CALLS_MAX;
	ck_assert(fake_host_wait(host, holds, &most, WAIT_MS));
	ck_assert_uint_eq(jds->node_calls, JDS_NODE_CALLS_MAX);
	node_holds = false;
	for (size_t i = 0; i < held_count; i++)
		fake_host_api()->reply(node, held_requests[i], ADIT_E_UNSUPPORTED, "not here", "",
				       0, NULL, 0);
	for (size_t i = JDS_PENDING_MAX; i < n; i++) {
		struct fake_conn *client = c[i / JDS_PENDING_MAX];

		ck_assert_int_eq(
		    provide(client, &d[i], await(client, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS)),
		    ADIT_OK);
	}
	for (size_t i = JDS_PENDING_MAX; i < n; i++)
		(void)await(c[i / JDS_PENDING_MAX], ADIT_SV2_DECLARE_MINING_JOB_SUCCESS);
	ck_assert_uint_eq(jds->node_calls, 0);
	for (size_t i = 0; i < n; i++)
		declarer_free(&d[i]);
	stop();
}
END_TEST

/* A client that fills the memory loses its own jobs; others keep theirs. */
START_TEST(memory_is_bounded)
{
	struct fake_conn *modest, *greedy[6];
	struct declarer d;

	start_played("memory", "16");
	modest = join(ADIT_SV2_DECLARE_TX_DATA);
	made_up(&d, modest, 1000);
	declare_all(modest, &d, 1);
	(void)expect_success(modest, 1);
	declarer_free(&d);
	for (int i = 0; i < 6; i++) {
		greedy[i] = join(ADIT_SV2_DECLARE_TX_DATA);
		for (uint32_t k = 0; k < 12; k++) {
			made_up(&d, greedy[i], 900000);
			declare_all(greedy[i], &d, k);
			(void)expect_success(greedy[i], k);
			ck_assert_uint_le(jds->txs.bytes + jds->held, (size_t)16 << 20);
			declarer_free(&d);
		}
	}
	ck_assert_uint_gt(jds->stats.evicted, 0);
	ck_assert_uint_eq(((struct jds_client *)modest->user)->declared, 1);
	stop();
}
END_TEST

/* Transactions that nobody has: COUNT wtxids at random. */
static void declare_unknown(struct fake_conn *c, const struct declarer *d,
			    const struct adit_bytes *token, uint32_t id, uint32_t count)
{
	struct adit_sv2_declare_mining_job m = declarer_declaration(d, id, token);
	uint8_t *wtxids = malloc((size_t)count * 32);

	ck_assert_ptr_nonnull(wtxids);
	random_bytes(wtxids, (size_t)count * 32);
	m.wtxid_list = (struct adit_sv2_seq){.data = wtxids, .size = count * 32, .count = count};
	ck_assert_int_eq(handlers->declare_mining_job(context, &c->head, &m), ADIT_OK);
	free(wtxids);
}

static bool nothing_waits(void *user)
{
	(void)user;
	return jds->node_calls == 0 && TAILQ_EMPTY(&jds->line);
}

/* Many clients fill the memory with declarations whose transactions never come. They give way to
 * each other, and are told; a modest one among them has its job declared. */
START_TEST(declarations_under_way_are_bounded)
{
	const size_t bound = (size_t)8 << 20; /* half of `memory` */
	struct fake_conn *modest, *bad[12];
	const struct sent *asked;
	struct declarer d;
	size_t errors = 0;

	start_played("memory", "16");
	modest = join(ADIT_SV2_DECLARE_TX_DATA);
	made_up(&d, modest, 1000);
	declare(modest, &d, 1);
	asked = await(modest, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS);
	for (size_t i = 0; i < 12; i++) {
		struct adit_bytes token;

		bad[i] = join(ADIT_SV2_DECLARE_TX_DATA);
		token = allocate(bad[i]).mining_job_token;
		for (uint32_t k = 0; k < JDS_PENDING_MAX; k++) {
			declare_unknown(bad[i], &d, &token, k, JDS_TXS_MAX);
			ck_assert_uint_le(jds->pending, bound);
			ck_assert(fake_host_wait(host, nothing_waits, NULL, WAIT_MS));
		}
	}
	ck_assert_uint_gt(jds->pending, bound / 2);
	ck_assert_uint_ge(jds->stats.shed, 12 * JDS_PENDING_MAX - bound / (JDS_TXS_MAX * 32));
	for (size_t i = 0; i < 12; i++)
		errors += fake_conn_count(bad[i], ADIT_SV2_DECLARE_MINING_JOB_ERROR);
	ck_assert_uint_eq(errors, jds->stats.shed);
	ck_assert_int_eq(provide(modest, &d, asked), ADIT_OK);
	(void)expect_success(modest, 1);
	/* Its transactions may have been on their way when the declaration gave way. */
	asked = await(bad[0], ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS);
	ck_assert_uint_eq(asked->body.provide_missing_transactions.request_id, 0);
	expect_error(bad[0], 0, "internal-error");
	ck_assert_int_eq(provide_nothing(bad[0], 0), ADIT_OK);
	ck_assert_int_eq(provide_nothing(bad[0], 0), ADIT_E_PROTOCOL);
	while (conn_count > 0)
		leave(conns[0]);
	ck_assert_uint_eq(jds->pending, 0);
	ck_assert_uint_eq(jds->txs.bytes + jds->held, 0);
	declarer_free(&d);
	stop();
}
END_TEST

/* At a new tip everybody declares much the same: what all have counts once. */
START_TEST(shared_transactions_count_once)
{
	struct fake_conn *c[20];
	struct declarer d;

	start_played("memory", "16");
	c[0] = join(ADIT_SV2_DECLARE_TX_DATA);
	made_up(&d, c[0], 900000);
	declare_all(c[0], &d, 0);
	(void)expect_success(c[0], 0);
	node_holds = true;
	for (uint32_t i = 1; i < 20; i++) {
		c[i] = join(ADIT_SV2_DECLARE_TX_DATA);
		declare(c[i], &d, i);
	}
	ck_assert_uint_eq(jds->stats.shed, 0);
	ck_assert_uint_eq(jds->txs.count, 1);
	node_holds = false;
	fake_host_run(host, 0);
	for (size_t i = 0; i < held_count; i++)
		fake_host_api()->reply(node, held_requests[i], ADIT_OK, "", "{\"valid\":true}", 14,
				       NULL, 0);
	for (uint32_t i = 1; i < 20; i++)
		(void)expect_success(c[i], i);
	declarer_free(&d);
	stop();
}
END_TEST

/* A client keeps a few declared jobs. */
START_TEST(jobs_of_a_client_are_bounded)
{
	struct fake_conn *c;
	struct declarer d;

	start_played(NULL, NULL);
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	for (uint32_t k = 0; k < 3 * JDS_DECLARED_MAX; k++) {
		made_up(&d, c, 100);
		declare_all(c, &d, k);
		(void)expect_success(c, k);
		declarer_free(&d);
	}
	ck_assert_uint_eq(((struct jds_client *)c->user)->declared, JDS_DECLARED_MAX);
	ck_assert_uint_eq(jds->txs.count, JDS_DECLARED_MAX);
	stop();
}
END_TEST

/* Too heavy for a block: 16 MB of transactions are not kept, nor is the node bothered. */
START_TEST(more_than_a_block)
{
	struct fake_conn *c;
	struct declarer d, more;

	start_played(NULL, NULL);
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	made_up(&d, c, 800000);
	made_up(&more, c, 800000);
	declarer_add_tx(&d, more.txs.data, more.txs.size);
	declarer_make(&d);
	declare_all(c, &d, 1);
	expect_error(c, 1, "invalid-job");
	ck_assert_uint_eq(jds->txs.count, 0);
	declarer_free(&d);
	declarer_free(&more);
	stop();
}
END_TEST

/* Whenever a client goes, nothing of it stays. */
START_TEST(clients_leave)
{
	struct fake_conn *c;
	struct declarer d;
	size_t one = 1;

	start_played(NULL, NULL);
	node_holds = _i == 0;
	c = join(ADIT_SV2_DECLARE_TX_DATA);
	made_up(&d, c, 100);
	declare(c, &d, 1);
	if (_i > 0) {
		const struct sent *asked = await(c, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS);

		node_holds = true;
		if (_i > 1)
			ck_assert_int_eq(provide(c, &d, asked), ADIT_OK);
	}
	if (_i != 1)
		ck_assert(fake_host_wait(host, holds, &one, WAIT_MS));
	leave(c);
	ck_assert_uint_eq(jds->txs.count, 0);
	ck_assert_uint_eq(jds->txs.bytes + jds->held, 0);
	ck_assert_uint_eq(jds->node_calls, 0);
	fake_host_run(host, 10);
	for (size_t i = 0; i < held_count; i++)
		fake_host_api()->reply(node, held_requests[i], ADIT_E_CANCELLED, "", "", 0, NULL,
				       0);
	declarer_free(&d);
	stop();
}
END_TEST

START_TEST(settings_are_checked)
{
	static const char *const bad[][2] = {
	    {"payout", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"},
	    {"payout",
	     "raw(515151515151515151515151515151515151515151515151515151515151515151515151"
	     "5151515151515151515151515151)"},
	    {"modes", "some"},
	    {"pool_share", "101"},
	    {"token_key", "/nonexistent/token.key"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *manifest;
		const char *srcdir = getenv("srcdir");
		char path[1024];
		struct adit_host *h;

		snprintf(path, sizeof(path), "%s/plugins/jds/jds.manifest", srcdir ? srcdir : ".");
		manifest = fake_host_read_file(path);
		h = fake_host_new("jds", manifest, usual, NULL);
		fake_host_set_network(h, "regtest");
		fake_host_set_config(h, bad[i][0], bad[i][1]);
		ck_assert_int_ne(fake_host_start(h, &adit_plugin), ADIT_OK);
		ck_assert_msg(strlen(fake_host_error(h)) > 10, "%s", bad[i][0]);
		fake_host_free(h);
		free(manifest);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jds");
	TCase *c = tcase_create("declaration");
	TCase *played = tcase_create("bounds");
	SRunner *r;
	int failed;

	tcase_set_timeout(c, 120);
	tcase_set_timeout(played, 120);
	tcase_add_test(c, tokens_say_what_they_are_for);
	tcase_add_loop_test(c, modes, 0, 4);
	tcase_add_test(c, endless_token_requests);
	tcase_add_test(c, a_declared_job);
	tcase_add_test(c, a_job_without_transactions);
	tcase_add_test(c, missing_transactions);
	tcase_add_loop_test(c, a_solution_becomes_a_block, 0, 2);
	tcase_add_test(c, solutions_that_fit_nothing);
	tcase_add_test(c, what_is_refused);
	tcase_add_test(c, tokens_for_something_else);
	tcase_add_test(c, wrong_transactions);
	tcase_add_test(c, never_answering);
	tcase_add_loop_test(c, an_early_job, 0, 2);
	tcase_add_loop_test(played, a_block_is_not_lost, 0, 2);
	tcase_add_test(played, a_node_that_can_not_tell);
	tcase_add_loop_test(played, a_new_tip, 0, 2);
	tcase_add_loop_test(played, a_busy_node, 0, 2);
	tcase_add_test(played, the_node_is_spared);
	tcase_add_test(played, memory_is_bounded);
	tcase_add_test(played, declarations_under_way_are_bounded);
	tcase_add_test(played, shared_transactions_count_once);
	tcase_add_test(played, jobs_of_a_client_are_bounded);
	tcase_add_test(played, more_than_a_block);
	tcase_add_loop_test(played, clients_leave, 0, 3);
	tcase_add_test(played, settings_are_checked);
	suite_add_tcase(s, c);
	suite_add_tcase(s, played);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
