/* SPDX-License-Identifier: MIT */
/* SetCustomMiningJob: tokens that another process has sealed, every reason to refuse a job, shares
 * and blocks on jobs that miners composed. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/tx.h"
#include "lib/sv2/token.h"
#include "lib/util/clock.h"
#include "tests/unit/pool_rig.h"

#define CUSTOM_FLAGS (ADIT_SV2_REQUIRES_WORK_SELECTION | ADIT_SV2_REQUIRES_VERSION_ROLLING)
#define FULL_EXTRANONCE 20 /* of a pool as configured by default */

static char directory[64];
static char key_path[96];
static struct token_keys *keys; /* the job declaration server's */

static void setup(void)
{
	struct error e = {0};

	snprintf(directory, sizeof(directory), "/tmp/test-pool-custom-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(key_path, sizeof(key_path), "%s/token.key", directory);
	ck_assert_int_eq(token_keys_open(&keys, key_path, clock_unix(), &e), ADIT_OK);
}

static void teardown(void)
{
	char lock[112];

	token_keys_free(keys);
	snprintf(lock, sizeof(lock), "%s.lock", key_path);
	unlink(lock);
	unlink(key_path);
	ck_assert_int_eq(rmdir(directory), 0);
}

/* A pool with POLICY, a connection for custom work, a channel on it. */
static struct miner start(struct bench *b, const char *policy, uint32_t nbits)
{
	struct fake_option options[] = {
	    {"custom_jobs", policy}, {"token_key", key_path}, {NULL, NULL}};
	struct miner m = {.bench = b};
	const struct adit_sv2_open_extended_mining_channel_success *x;
	const struct sent *s;

	bench_ready(b, options, nbits);
	m.conn = connect_miner(b, 1, CUSTOM_FLAGS);
	send_open(b, m.conn, false, 0, &any_target, 8);
	s = fake_conn_next(m.conn, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS);
	ck_assert_ptr_nonnull(s);
	x = &s->body.open_extended_mining_channel_success;
	m.channel = x->channel_id;
	memcpy(m.target, x->target.b, 32);
	m.rollable = x->extranonce_size;
	m.prefix_size = x->extranonce_prefix.size;
	memcpy(m.prefix, x->extranonce_prefix.data, m.prefix_size);
	return m;
}

/* --- a job declaration server and its client ----------------------------------------------------
 */

/* OP_1 and a taproot-like program: where the pool wants to be paid. */
static const uint8_t pay[34] = {0x51, 0x20, 1, 2, 3};

struct composed {
	struct adit_sv2_set_custom_mining_job m;
	struct job_token token;
	uint8_t sealed[JOB_TOKEN_MAX];
	uint8_t script[16];
	struct buf outputs;
	uint8_t path[3 * 32];
};

static void add_output(struct composed *c, uint64_t value, const uint8_t *script, size_t size)
{
	coinbase_add_output(&c->outputs, value, script, size);
	c->outputs.data[0]++;
	c->m.coinbase_tx_outputs =
	    (struct adit_bytes){.data = c->outputs.data, .size = (uint32_t)c->outputs.size};
}

/* What the client of a declaration says and what the server has sealed of it are the same. */
static void compose(struct composed *c, const struct miner *m, uint8_t kind)
{
	struct adit_sv2_set_custom_mining_job *job = &c->m;
	const struct tip *tip = &m->bench->pool->mining.tip;

	*c = (struct composed){.script = {0x01, m->bench->height, 0x04, 'm', 'i', 'n', 'e'}};
	buf_append_u8(&c->outputs, 0);
	*job = (struct adit_sv2_set_custom_mining_job){
	    .channel_id = m->channel,
	    .request_id = 5,
	    .version = BLOCK_VERSION,
	    .ntime_start = m->bench->now - 30,
	    .nbits = tip->nbits,
	    .coinbase_tx_version = 2,
	    .coinbase_prefix = {.data = c->script, .size = 7},
	    .coinbase_tx_input_n_sequence = 0xfffffffe,
	    .coinbase_tx_locktime = 100,
	};
	memcpy(job->prev_hash.b, tip->prev_hash, 32);
	add_output(c, 5000000000, pay, sizeof(pay));
	add_output(c, 0, (const uint8_t *)"\x6a\x01\x2a", 3);
	memset(c->path, 0x77, sizeof(c->path));
	job->merkle_path = (struct adit_sv2_seq){.data = c->path, .size = 96, .count = 3};
	c->token = (struct job_token){
	    .kind = kind, .expires = clock_unix() + 60, .id = 1, .pay_size = sizeof(pay)};
	memcpy(c->token.pay, pay, sizeof(pay));
	job_token_user((const uint8_t *)m->bench->user, strlen(m->bench->user), c->token.user);
}

static void seal(struct composed *c)
{
	size_t size = job_token_seal(keys, &c->token, c->sealed);

	ck_assert_uint_gt(size, 0);
	c->m.mining_job_token = (struct adit_bytes){.data = c->sealed, .size = (uint32_t)size};
}

static void declare(struct composed *c)
{
	const struct adit_sv2_set_custom_mining_job *m = &c->m;
	struct declared_job *j = &c->token.job;

	*j = (struct declared_job){.version = m->version,
				   .nbits = m->nbits,
				   .min_ntime = m->ntime_start - 1000,
				   .coinbase_version = m->coinbase_tx_version,
				   .sequence = m->coinbase_tx_input_n_sequence,
				   .lock_time = m->coinbase_tx_locktime,
				   .extranonce_size = FULL_EXTRANONCE};
	memcpy(j->prev_hash, m->prev_hash.b, 32);
	job_token_digest(m->coinbase_prefix.data, m->coinbase_prefix.size, j->script);
	job_token_digest(m->coinbase_tx_outputs.data, m->coinbase_tx_outputs.size, j->outputs);
	job_token_digest(m->merkle_path.data, m->merkle_path.size, j->merkle_path);
	seal(c);
}

static void composed_free(struct composed *c)
{
	buf_free(&c->outputs);
}

static void set_job(struct miner *m, const struct composed *c)
{
	const struct adit_sv2_mining_server_handlers *h = m->bench->server.handlers;

	fake_conn_skip(m->conn);
	ck_assert_int_eq(h->set_custom_mining_job(m->bench->server.context, &m->conn->head, &c->m),
			 ADIT_OK);
}

static void expect_error(struct miner *m, const struct composed *c, const char *code)
{
	const struct sent *s;

	set_job(m, c);
	s = fake_conn_next(m->conn, ADIT_SV2_SET_CUSTOM_MINING_JOB_ERROR);
	ck_assert_msg(s != NULL, "not refused: %s", code);
	ck_assert_uint_eq(s->body.set_custom_mining_job_error.channel_id, c->m.channel_id);
	ck_assert_uint_eq(s->body.set_custom_mining_job_error.request_id, 5);
	ck_assert_msg(sent_text_is(&s->body.set_custom_mining_job_error.error_code, code),
		      "%.*s, not %s", (int)s->body.set_custom_mining_job_error.error_code.size,
		      (const char *)s->body.set_custom_mining_job_error.error_code.data, code);
}

/* What a miner would hash: the coinbase is put together here, not by the pool. */
struct work {
	struct buf prefix, suffix;
	struct adit_sv2_new_extended_mining_job job;
};

static void expect_success(struct miner *m, const struct composed *c, struct work *w)
{
	static const uint8_t zeros[32];
	const struct sent *s;

	set_job(m, c);
	s = fake_conn_next(m->conn, ADIT_SV2_SET_CUSTOM_MINING_JOB_SUCCESS);
	ck_assert_msg(s != NULL, "the job was refused");
	ck_assert_uint_eq(s->body.set_custom_mining_job_success.channel_id, m->channel);
	ck_assert_uint_eq(s->body.set_custom_mining_job_success.request_id, 5);
	m->job = s->body.set_custom_mining_job_success.job_id;
	buf_clear(&w->prefix);
	buf_append_u32(&w->prefix, c->m.coinbase_tx_version);
	buf_append_u8(&w->prefix, 1);
	buf_append(&w->prefix, zeros, 32);
	buf_append_u32(&w->prefix, UINT32_MAX);
	buf_append_u8(&w->prefix, (uint8_t)(c->m.coinbase_prefix.size + FULL_EXTRANONCE));
	buf_append(&w->prefix, c->m.coinbase_prefix.data, c->m.coinbase_prefix.size);
	buf_clear(&w->suffix);
	buf_append_u32(&w->suffix, c->m.coinbase_tx_input_n_sequence);
	buf_append(&w->suffix, c->outputs.data, c->outputs.size);
	buf_append_u32(&w->suffix, c->m.coinbase_tx_locktime);
	w->job = (struct adit_sv2_new_extended_mining_job){
	    .merkle_path = c->m.merkle_path,
	    .coinbase_tx_prefix = {.data = w->prefix.data, .size = (uint32_t)w->prefix.size},
	    .coinbase_tx_suffix = {.data = w->suffix.data, .size = (uint32_t)w->suffix.size},
	};
	m->extended = &w->job;
	m->version = m->share_version = c->m.version;
	m->ntime = m->min_ntime = c->m.ntime_start;
	m->nbits = c->m.nbits;
	memcpy(m->prev_hash, c->m.prev_hash.b, 32);
}

static void work_free(struct work *w)
{
	buf_free(&w->prefix);
	buf_free(&w->suffix);
}

static void finish(struct bench *b, struct miner *m)
{
	leave(b, m->conn);
	bench_end(b);
}

/* --- connections --------------------------------------------------------------------------------
 */

START_TEST(a_connection_for_custom_work)
{
	struct bench b;
	struct miner m = start(&b, "any", NBITS_HARD);
	struct adit_sv2_setup_result result;
	struct fake_conn *other;
	const struct sent *s;

	/* It gets no jobs and no tips, whatever happens. */
	new_tip(&b, 0, 2, NBITS_HARD);
	send_template(&b, 0, false);
	ck_assert_uint_eq(fake_conn_count(m.conn, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 0);
	ck_assert_uint_eq(fake_conn_count(m.conn, ADIT_SV2_SET_NEW_PREV_HASH), 0);
	/* Standard channels are of no use there; the answer to setup says so already. */
	send_open(&b, m.conn, true, 0, &any_target, 0);
	s = fake_conn_next(m.conn, ADIT_SV2_OPEN_MINING_CHANNEL_ERROR);
	ck_assert_ptr_nonnull(s);
	ck_assert(sent_text_is(&s->body.open_mining_channel_error.error_code,
			       "standard-channels-not-supported-for-custom-work"));
	other = fake_server_connect(&b.server, 2, CUSTOM_FLAGS, &result);
	ck_assert_ptr_nonnull(other);
	ck_assert_uint_eq(result.flags, ADIT_SV2_REQUIRES_EXTENDED_CHANNELS);
	leave(&b, other);
	/* Others have their jobs beside it. */
	other = connect_miner(&b, 3, 0);
	(void)open_miner(&b, other, false);
	new_tip(&b, 0, 3, NBITS_HARD);
	ck_assert_uint_eq(fake_conn_count(other, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 1);
	ck_assert_uint_eq(fake_conn_count(m.conn, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 0);
	leave(&b, other);
	finish(&b, &m);
}
END_TEST

/* A new target is told; the job that it is for comes from the client. */
START_TEST(targets_and_prefixes)
{
	struct bench b;
	struct miner m = start(&b, "any", NBITS_HARD);
	struct adit_sv2_update_channel update = {
	    .channel_id = m.channel, .nominal_hash_rate = 1e12f, .max_target = any_target};
	struct composed c;
	struct work w = {0};
	const struct sent *s;

	compose(&c, &m, JOB_TOKEN_COINBASE_ONLY);
	seal(&c);
	expect_success(&m, &c, &w);
	ck_assert_int_eq(
	    b.server.handlers->update_channel(b.server.context, &m.conn->head, &update), ADIT_OK);
	ck_assert_ptr_nonnull(fake_conn_next(m.conn, ADIT_SV2_SET_TARGET));
	ck_assert_uint_eq(fake_conn_count(m.conn, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 0);
	/* the job that is out keeps the target that it was set with */
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert(channel_renew_prefix(channel_find(m.conn->user, m.channel)));
	expect_success(&m, &c, &w);
	m.nonce = 0;
	solve(&m, m.target, true);
	expect_refused(&m, "difficulty-too-low");
	s = fake_conn_next(m.conn, ADIT_SV2_NEW_EXTENDED_MINING_JOB);
	ck_assert_ptr_null(s);
	composed_free(&c);
	work_free(&w);
	finish(&b, &m);
}
END_TEST

/* --- jobs ---------------------------------------------------------------------------------------
 */

/* Both modes: shares count, others are refused as on any job, and a tip ends it all. */
START_TEST(shares_on_custom_jobs)
{
	uint8_t kind = _i ? JOB_TOKEN_DECLARED : JOB_TOKEN_COINBASE_ONLY;
	struct bench b;
	struct miner m = start(&b, _i ? "full-template" : "any", NBITS_HARD);
	struct miner first;
	struct composed c;
	struct work w = {0};

	compose(&c, &m, kind);
	_i ? declare(&c) : seal(&c);
	expect_success(&m, &c, &w);
	solve(&m, m.target, true);
	expect_accepted(&m);
	expect_refused(&m, "duplicate-share");
	solve(&m, m.target, false);
	expect_refused(&m, "difficulty-too-low");
	m.ntime--;
	solve(&m, m.target, true);
	expect_refused(&m, "invalid-share");
	m.ntime++;
	m.rollable--;
	expect_refused(&m, "bad-extranonce-size");
	m.rollable++;
	m.extranonce[3] = 9;
	solve(&m, m.target, true);
	expect_accepted(&m);
	/* The next job makes it a past one, on which shares still count. */
	first = m;
	expect_success(&m, &c, &w);
	ck_assert_uint_ne(m.job, first.job);
	m.job = first.job;
	m.nonce = 1000000;
	solve(&m, m.target, true);
	expect_accepted(&m);
	/* A tip ends them, and the custom job for the old one comes too late. */
	new_tip(&b, 0, 2, NBITS_HARD);
	m.nonce = 2000000;
	solve(&m, m.target, true);
	expect_refused(&m, "stale-share");
	expect_error(&m, &c, "stale-chain-tip");
	m.job = 123456;
	expect_refused(&m, "invalid-job-id");
	ck_assert_uint_eq(b.pool->custom.held, 0);
	composed_free(&c);
	work_free(&w);
	finish(&b, &m);
}
END_TEST

/* The pool does not have its transactions: it tells of the block, and sends it to nobody. */
START_TEST(a_block_on_a_custom_job)
{
	struct bench b;
	struct miner m = start(&b, "any", NBITS_EASY);
	struct composed c;
	struct work w = {0};
	uint8_t target[32];

	memset(target, 0xff, 31);
	target[31] = 0x7e;
	compose(&c, &m, JOB_TOKEN_COINBASE_ONLY);
	seal(&c);
	expect_success(&m, &c, &w);
	fake_conn_skip(b.tdp[0]);
	solve(&m, target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(b.pool->mining.stats.blocks_found, 1);
	ck_assert_uint_eq(b.pool->mining.blocks.count, 0);
	ck_assert_uint_eq(fake_conn_count(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION), 0);
	ck_assert_uint_eq(fake_host_published(b.host, "BlockFound"), 1);
	ck_assert_ptr_nonnull(strstr(fake_host_event(b.host, "BlockFound", 0), "\"height\":101"));
	composed_free(&c);
	work_free(&w);
	finish(&b, &m);
}
END_TEST

/* --- refusals -----------------------------------------------------------------------------------
 */

static void other_channel(struct composed *c)
{
	c->m.channel_id++;
}

static void other_user(struct composed *c)
{
	c->token.user[0] ^= 1;
}

static void expired(struct composed *c)
{
	c->token.expires = clock_unix();
}

static void to_declare(struct composed *c)
{
	c->token.kind = JOB_TOKEN_TO_DECLARE;
}

static void other_tip(struct composed *c)
{
	c->m.prev_hash.b[0] ^= 1;
}

static void other_nbits(struct composed *c)
{
	c->m.nbits--;
}

static void far_ahead(struct composed *c)
{
	c->m.ntime_start = (uint32_t)clock_unix() + 7300;
}

static void far_behind(struct composed *c)
{
	c->m.ntime_start -= 20000;
}

static void other_version(struct composed *c)
{
	c->m.version ^= 0x80000000;
}

static void other_coinbase_version(struct composed *c)
{
	c->m.coinbase_tx_version++;
}

static void other_height(struct composed *c)
{
	c->script[1]++;
}

static void other_sequence(struct composed *c)
{
	c->m.coinbase_tx_input_n_sequence--;
}

static void nothing_for_the_pool(struct composed *c)
{
	c->outputs.data[1 + 8 + 1 + 33] ^= 1;
}

static void a_second_payee(struct composed *c)
{
	add_output(c, 1, (const uint8_t *)"\x51", 1);
}

static void cut_outputs(struct composed *c)
{
	c->m.coinbase_tx_outputs.size--;
}

static void locked(struct composed *c)
{
	c->m.coinbase_tx_locktime = 101;
}

static void other_path(struct composed *c)
{
	c->path[95] ^= 1;
}

static void long_script(struct composed *c)
{
	static const uint8_t script[100] = {0x01, 101};

	c->m.coinbase_prefix = (struct adit_bytes){.data = script, .size = 81};
}

static void long_path(struct composed *c)
{
	static const uint8_t path[33 * 32];

	c->m.merkle_path = (struct adit_sv2_seq){.data = path, .size = sizeof(path), .count = 33};
}

struct refusal {
	void (*change)(struct composed *c);
	const char *undeclared; /* error code; NULL: fine in that mode */
	const char *declared;
};

/* Changes that a client makes to what it got a token for. */
static const struct refusal refusals[] = {
    {other_channel, "invalid-channel-id", "invalid-channel-id"},
    {other_tip, "stale-chain-tip", "stale-chain-tip"},
    {other_nbits, "invalid-nbits", "invalid-nbits"},
    {far_ahead, "invalid-min-ntime", "invalid-min-ntime"},
    {far_behind, "invalid-min-ntime", "invalid-min-ntime"},
    {other_version, "invalid-version", "invalid-version"},
    {other_coinbase_version, NULL, "invalid-coinbase-tx-version"},
    {other_height, "invalid-coinbase-prefix", "invalid-coinbase-prefix"},
    {other_sequence, NULL, "invalid-coinbase-tx-input-n-sequence"},
    {nothing_for_the_pool, "invalid-coinbase-tx-outputs", "invalid-coinbase-tx-outputs"},
    {a_second_payee, "invalid-coinbase-tx-outputs", "invalid-coinbase-tx-outputs"},
    {cut_outputs, "invalid-coinbase-tx-outputs", "invalid-coinbase-tx-outputs"},
    {locked, "invalid-coinbase-tx-locktime", "invalid-coinbase-tx-locktime"},
    {other_path, NULL, "invalid-merkle-path"},
    {long_path, "invalid-merkle-path", "invalid-merkle-path"},
    {long_script, "invalid-coinbase-tx", "invalid-coinbase-prefix"},
};

START_TEST(what_is_not_as_it_should_be)
{
	struct bench b;
	struct miner m = start(&b, "any", NBITS_HARD);

	for (size_t i = 0; i < 2 * (sizeof(refusals) / sizeof(refusals[0])); i++) {
		const struct refusal *r = &refusals[i / 2];
		const char *code = i % 2 ? r->declared : r->undeclared;
		struct work w = {0};
		struct composed c;

		compose(&c, &m, i % 2 ? JOB_TOKEN_DECLARED : JOB_TOKEN_COINBASE_ONLY);
		i % 2 ? declare(&c) : seal(&c);
		r->change(&c);
		if (code)
			expect_error(&m, &c, code);
		else
			expect_success(&m, &c, &w);
		composed_free(&c);
		work_free(&w);
	}
	ck_assert(!m.conn->closed);
	finish(&b, &m);
}
END_TEST

/* Tokens themselves: of somebody else, too old, not yet declared, made up. */
START_TEST(tokens)
{
	static const struct refusal changes[] = {
	    {other_user, "invalid-mining-job-token", "invalid-mining-job-token"},
	    {expired, "invalid-mining-job-token", "invalid-mining-job-token"},
	    {to_declare, "job-not-yet-validated", "job-not-yet-validated"},
	};
	struct bench b;
	struct miner m = start(&b, "any", NBITS_HARD);
	struct composed c;

	for (size_t i = 0; i < 6; i++) {
		compose(&c, &m, i % 2 ? JOB_TOKEN_DECLARED : JOB_TOKEN_COINBASE_ONLY);
		changes[i / 2].change(&c);
		i % 2 && i < 4 ? declare(&c) : seal(&c);
		expect_error(&m, &c, changes[i / 2].declared);
		composed_free(&c);
	}
	compose(&c, &m, JOB_TOKEN_COINBASE_ONLY);
	expect_error(&m, &c, "invalid-mining-job-token");
	seal(&c);
	c.sealed[30] ^= 1;
	expect_error(&m, &c, "invalid-mining-job-token");
	composed_free(&c);
	finish(&b, &m);
}
END_TEST

/* The coinbase that was checked had room for another extranonce. */
START_TEST(a_declaration_for_another_extranonce)
{
	struct bench b;
	struct miner m = start(&b, "any", NBITS_HARD);
	struct composed c;

	compose(&c, &m, JOB_TOKEN_DECLARED);
	declare(&c);
	c.token.job.extranonce_size++;
	seal(&c);
	expect_error(&m, &c, "invalid-coinbase-tx");
	/* It was checked on the tip before. */
	declare(&c);
	c.token.job.prev_hash[5] ^= 1;
	seal(&c);
	expect_error(&m, &c, "stale-chain-tip");
	composed_free(&c);
	finish(&b, &m);
}
END_TEST

/* With full-template only what was declared is taken. */
START_TEST(declared_jobs_only)
{
	struct bench b;
	struct miner m = start(&b, "full-template", NBITS_HARD);
	struct work w = {0};
	struct composed c;

	compose(&c, &m, JOB_TOKEN_COINBASE_ONLY);
	seal(&c);
	expect_error(&m, &c, "job-not-yet-validated");
	composed_free(&c);
	compose(&c, &m, JOB_TOKEN_DECLARED);
	declare(&c);
	expect_success(&m, &c, &w);
	composed_free(&c);
	work_free(&w);
	finish(&b, &m);
}
END_TEST

/* Who did not ask for custom work gets none. */
START_TEST(not_on_other_connections)
{
	struct bench b;
	struct miner m = start(&b, "any", NBITS_HARD);
	struct miner other = {.bench = &b};
	struct composed c;

	other.conn = connect_miner(&b, 2, 0);
	other = open_miner(&b, other.conn, false);
	compose(&c, &other, JOB_TOKEN_COINBASE_ONLY);
	seal(&c);
	expect_error(&other, &c, "jd-not-supported");
	composed_free(&c);
	leave(&b, other.conn);
	finish(&b, &m);
}
END_TEST

/* A part of the reward may go elsewhere when the pool says so. */
START_TEST(pool_share)
{
	struct fake_option options[] = {
	    {"custom_jobs", "any"}, {"token_key", key_path}, {"pool_share", "98.5"}, {NULL, NULL}};
	struct miner m = {0};
	struct composed c;
	struct work w = {0};
	struct bench b;
	const struct sent *s;

	bench_ready(&b, options, NBITS_HARD);
	m.bench = &b;
	m.conn = connect_miner(&b, 1, CUSTOM_FLAGS);
	send_open(&b, m.conn, false, 0, &any_target, 8);
	s = fake_conn_next(m.conn, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS);
	m.channel = s->body.open_extended_mining_channel_success.channel_id;
	compose(&c, &m, JOB_TOKEN_COINBASE_ONLY);
	add_output(&c, 76000000, (const uint8_t *)"\x51", 1);
	seal(&c);
	expect_success(&m, &c, &w);
	add_output(&c, 1000000, (const uint8_t *)"\x51", 1);
	expect_error(&m, &c, "invalid-coinbase-tx-outputs");
	composed_free(&c);
	work_free(&w);
	finish(&b, &m);
}
END_TEST

/* As a miner whose node has a block that the pool's has not: it claims the next height. */
static void compose_early(struct composed *c, const struct miner *m, uint8_t tip)
{
	compose(c, m, JOB_TOKEN_COINBASE_ONLY);
	c->script[1]++;
	memset(c->m.prev_hash.b, tip, 32);
	seal(c);
}

/* It is neither taken nor refused before the tip comes; only the newest of a channel waits. */
START_TEST(early_jobs)
{
	struct bench b;
	struct miner m = start(&b, "any", NBITS_HARD);
	struct composed c, older;
	const struct sent *s;

	compose_early(&older, &m, 9);
	older.m.request_id = 4;
	set_job(&m, &older);
	ck_assert_uint_eq(m.conn->count, m.conn->read);
	compose_early(&c, &m, 2);
	set_job(&m, &c);
	s = fake_conn_next(m.conn, ADIT_SV2_SET_CUSTOM_MINING_JOB_ERROR);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.set_custom_mining_job_error.request_id, 4);
	ck_assert_uint_eq(m.conn->count, m.conn->read);
	ck_assert_uint_gt(b.pool->custom.held, 0);
	b.height++;
	new_tip(&b, 0, 2, NBITS_HARD);
	s = fake_conn_next(m.conn, ADIT_SV2_SET_CUSTOM_MINING_JOB_SUCCESS);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.set_custom_mining_job_success.request_id, 5);
	/* Another tip than it was for: this was its turn. */
	composed_free(&c);
	compose_early(&c, &m, 7);
	set_job(&m, &c);
	b.height++;
	new_tip(&b, 0, 3, NBITS_HARD);
	s = fake_conn_next(m.conn, ADIT_SV2_SET_CUSTOM_MINING_JOB_ERROR);
	ck_assert_ptr_nonnull(s);
	ck_assert(sent_text_is(&s->body.set_custom_mining_job_error.error_code, "stale-chain-tip"));
	ck_assert_uint_eq(b.pool->custom.held, 0);
	composed_free(&c);
	composed_free(&older);
	finish(&b, &m);
}
END_TEST

/* The tip does not come; or the channel goes. */
START_TEST(early_jobs_end)
{
	struct bench b;
	struct miner m = start(&b, "any", NBITS_HARD);
	struct composed c;
	uint64_t now = clock_monotonic_ms();

	compose_early(&c, &m, 2);
	set_job(&m, &c);
	early_tick(b.pool, now + EARLY_MS - 1);
	ck_assert_uint_eq(m.conn->count, m.conn->read);
	early_tick(b.pool, clock_monotonic_ms() + EARLY_MS);
	ck_assert_ptr_nonnull(fake_conn_next(m.conn, ADIT_SV2_SET_CUSTOM_MINING_JOB_ERROR));
	set_job(&m, &c);
	ck_assert_uint_gt(b.pool->custom.held, 0);
	composed_free(&c);
	leave(&b, m.conn);
	ck_assert_uint_eq(b.pool->custom.held, 0);
	new_tip(&b, 0, 2, NBITS_HARD);
	bench_end(&b);
}
END_TEST

/* What custom jobs hold is bounded over all channels, and given back. */
START_TEST(memory_is_bounded)
{
	struct bench b;
	struct miner m = start(&b, "any", NBITS_HARD);
	static uint8_t script[60000];
	struct composed c;
	uint64_t before;
	uint32_t channels = 1;

	compose(&c, &m, JOB_TOKEN_COINBASE_ONLY);
	add_output(&c, 0, script, sizeof(script));
	seal(&c);
	do {
		before = b.pool->custom.accepted;
		for (int i = 0; i < 20; i++)
			set_job(&m, &c);
		fake_conn_skip(m.conn);
		send_open(&b, m.conn, false, 0, &any_target, 8);
		c.m.channel_id =
		    fake_conn_next(m.conn, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS)
			->body.open_extended_mining_channel_success.channel_id;
		channels++;
		ck_assert_uint_lt(channels, 200);
	} while (b.pool->custom.accepted - before == 20);
	ck_assert_uint_le(b.pool->custom.held, ((size_t)64 << 20) + 70000);
	expect_error(&m, &c, "too-many-jobs");
	leave(&b, m.conn);
	ck_assert_uint_eq(b.pool->custom.held, 0);
	composed_free(&c);
	bench_end(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pool-custom");
	TCase *c = tcase_create("custom jobs");
	SRunner *r;
	int failed;

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_connection_for_custom_work);
	tcase_add_test(c, targets_and_prefixes);
	tcase_add_loop_test(c, shares_on_custom_jobs, 0, 2);
	tcase_add_test(c, a_block_on_a_custom_job);
	tcase_add_test(c, what_is_not_as_it_should_be);
	tcase_add_test(c, tokens);
	tcase_add_test(c, a_declaration_for_another_extranonce);
	tcase_add_test(c, declared_jobs_only);
	tcase_add_test(c, not_on_other_connections);
	tcase_add_test(c, pool_share);
	tcase_add_test(c, early_jobs);
	tcase_add_test(c, early_jobs_end);
	tcase_add_test(c, memory_is_bounded);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
