/* SPDX-License-Identifier: MIT */
/* The role jdc as a whole: the test is template provider, pools, job declaration servers and
 * miners. */
#include "config.h"

#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/declared_coinbase.h"
#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/sv2/client.h"
#include "lib/util/clock.h"
#include "plugins/jdc/jdc.h"
#include "plugins/jdc/pools.h"
#include "plugins/jdc/sources.h"
#include "tests/unit/fake_sv2_client.h"
#include "tests/unit/pool_rig.h"

#define KEY "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
#define ONE "one.test:3333"
#define ONE_JDS "one.test:34264"
#define TWO "two.test:3333"
#define PREFIX_SIZE 7
#define ROLLABLE 13
#define CHANNEL 9
#define WAIT_MS 60000

static struct bench b;
static struct fake_clients clients;
static struct jdc *jdc;

/* --- life --------------------------------------------------------------------------------------
 */

static const struct fake_option options[] = {
    {"payout", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"},
    {"template_provider", "unix:/nonexistent/a.sock"},
    {"tag", "test"},
    {"min_difficulty", "0.000000001"},
    {"provider_patience", "0"},
    {"provider_return", "0"},
    {"upstream", "one,two"},
    {"one.address", ONE},
    {"one.authority_key", KEY},
    {"one.jds_address", ONE_JDS},
    {"one.user_identity", "account.farm"},
    {"two.address", "stratum2+tcp://" TWO "/" KEY},
    {"two.user_identity", "other"},
    {NULL, NULL},
};

static void make(void)
{
	const char *srcdir = getenv("srcdir");
	char path[1024];

	b = (struct bench){
	    .next_template = 1, .height = 101, .now = clock_unix(), .user = "farm.rig1"};
	snprintf(path, sizeof path, "%s/plugins/jdc/jdc.manifest", srcdir ? srcdir : ".");
	b.manifest = fake_host_read_file(path);
	ck_assert_msg(b.manifest != NULL, "%s is missing", path);
	b.host = fake_host_new("jdc", b.manifest, options, NULL);
	fake_host_set_network(b.host, "regtest");
	fake_server_init(&b.server);
	fake_clients_init(&clients);
	clients.grants = ADIT_SV2_WORKER_HASHRATE;
	b.server_host = fake_host_new("sv2-server", NULL, NULL, b.host);
	ck_assert_int_eq(fake_host_api()->service_offer(b.server_host, ADIT_SV2_SERVER_SERVICE,
							&b.server.service),
			 ADIT_OK);
	ck_assert_int_eq(fake_host_api()->service_offer(b.server_host, ADIT_SV2_CLIENT_SERVICE,
							&clients.service),
			 ADIT_OK);
}

static void set(const char *key, const char *value)
{
	fake_host_set_config(b.host, key, value);
}

static void begin(void)
{
	ck_assert_msg(fake_host_start(b.host, &adit_plugin) == ADIT_OK, "%s",
		      fake_host_error(b.host));
	jdc = fake_host_instance(b.host);
	b.mining = &jdc->mining;
	/* The test is the template provider: nobody else is to tell what became of connecting. */
	if (b.mining->providers.count > 0) {
		sv2_client_free(provider(&b, 0)->client);
		provider(&b, 0)->client = NULL;
	}
}

static void end(void)
{
	if (jdc)
		fake_host_stop(b.host);
	jdc = NULL;
	fake_clients_fini(&clients);
	if (b.tdp[0])
		fake_conn_free(b.tdp[0]);
	bench_free(&b);
}

static bool wait_for(bool (*condition)(void *user), void *user)
{
	return fake_host_wait(b.host, condition, user, WAIT_MS);
}

/* --- pools -------------------------------------------------------------------------------------
 */

struct pool_side {
	struct adit_sv2_client *client;
	struct fake_conn *conn;
	struct adit_sv2_client *jds_client;
	struct fake_conn *jds;
	uint8_t prefix[PREFIX_SIZE];
};

static bool is_dialled(void *user)
{
	return fake_client_find(&clients, ADIT_SV2_MINING, user) != NULL;
}

static struct adit_sv2_client *expect_dial(const char *address)
{
	ck_assert_msg(wait_for(is_dialled, (void *)(uintptr_t)address), "%s is not tried", address);
	return fake_client_find(&clients, ADIT_SV2_MINING, address);
}

#define SAYS(client_, type, field, message)                                                        \
	do {                                                                                       \
		const struct type *h_ = (client_)->handlers;                                       \
		ck_assert_int_eq(h_->field((client_)->context, &(client_)->conn->head, message),   \
				 ADIT_OK);                                                         \
	} while (0)
#define POOL_SAYS(p, field, message)                                                               \
	SAYS((p)->client, adit_sv2_mining_client_handlers, field, message)
#define JDS_SAYS(p, field, message)                                                                \
	SAYS((p)->jds_client, adit_sv2_job_declaration_client_handlers, field, message)

static struct adit_bytes bytes(const char *text)
{
	return (struct adit_bytes){.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
}

/* The pool at ADDRESS opens the channel, with a prefix of bytes FIRST. */
static struct pool_side open_pool(const char *address, uint8_t first)
{
	struct pool_side p = {.client = expect_dial(address)};
	struct adit_sv2_open_extended_mining_channel_success m = {
	    .channel_id = CHANNEL,
	    .extranonce_size = ROLLABLE,
	    .extranonce_prefix = {.data = p.prefix, .size = PREFIX_SIZE},
	};
	const struct sent *s;

	memset(p.prefix, first, PREFIX_SIZE);
	memset(m.target.b, 0xff, 32);
	p.conn = fake_client_open(&clients, p.client, 0);
	s = fake_conn_next(p.conn, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL);
	ck_assert_ptr_nonnull(s);
	m.request_id = s->body.open_extended_mining_channel.request_id;
	POOL_SAYS(&p, open_extended_mining_channel_success, &m);
	return p;
}

/* Output scripts of the pools' tokens: 22 bytes that begin with FIRST. */
static void make_outputs(struct buf *out, uint8_t first)
{
	uint8_t script[22] = {first, 20};

	buf_append_u8(out, 2);
	coinbase_add_output(out, 0, script, sizeof script);
	coinbase_add_output(out, 0, (const uint8_t *)"\x6a", 1);
}

static void give_tokens(struct pool_side *p, uint8_t first)
{
	struct buf outputs = {0};
	const struct sent *s;

	make_outputs(&outputs, first);
	while ((s = fake_conn_next(p->jds, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN)) != NULL) {
		struct adit_sv2_allocate_mining_job_token_success m = {
		    .request_id = s->body.allocate_mining_job_token.request_id,
		    .mining_job_token = bytes("token"),
		    .coinbase_tx_outputs = {outputs.data, (uint32_t)outputs.size},
		};

		JDS_SAYS(p, allocate_mining_job_token_success, &m);
	}
	buf_free(&outputs);
}

static void open_jds(struct pool_side *p, const char *address, uint8_t first)
{
	p->jds_client = fake_client_find(&clients, ADIT_SV2_JOB_DECLARATION, address);
	ck_assert_ptr_nonnull(p->jds_client);
	p->jds = fake_client_open(&clients, p->jds_client, 0);
	give_tokens(p, first);
}

static struct pool_side open_one(void)
{
	struct pool_side p = open_pool(ONE, 0xa1);

	open_jds(&p, ONE_JDS, 0xb1);
	return p;
}

static bool is_active(void *user)
{
	if (user == NULL)
		return jdc->source == SOURCE_SOLO;
	return jdc->active != NULL && strcmp(jdc->active->settings.name, user) == 0;
}

static void expect_active(const char *name)
{
	ck_assert_msg(wait_for(is_active, (void *)(uintptr_t)name), "%s does not become active",
		      name ? name : "solo");
}

/* --- declaring ---------------------------------------------------------------------------------
 */

static void add_tx(struct buf *list, uint32_t number)
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
	buf_append_u8(&tx, 0);
	buf_append_u32(&tx, 0);
	buf_append_u8(list, (uint8_t)tx.size);
	buf_append_u16(list, (uint16_t)(tx.size >> 8));
	buf_append(list, tx.data, tx.size);
	buf_free(&tx);
}

/* The template provider answers the next request for transactions. */
static void give_transactions(void)
{
	const struct sent *s = fake_conn_next(b.tdp[0], ADIT_SV2_REQUEST_TRANSACTION_DATA);
	struct adit_sv2_request_transaction_data_success m = {.transaction_list = {.count = 1}};
	struct buf list = {0};

	ck_assert_ptr_nonnull(s);
	add_tx(&list, 1);
	m.template_id = s->body.request_transaction_data.template_id;
	m.transaction_list.data = list.data;
	m.transaction_list.size = (uint32_t)list.size;
	ck_assert_int_eq(provider_handlers.request_transaction_data_success(provider(&b, 0),
									    &b.tdp[0]->head, &m),
			 ADIT_OK);
	buf_free(&list);
}

static const struct adit_sv2_declare_mining_job *expect_declaration(struct pool_side *p)
{
	const struct sent *s;

	give_transactions();
	s = fake_conn_next(p->jds, ADIT_SV2_DECLARE_MINING_JOB);
	ck_assert_msg(s != NULL, "nothing is declared");
	return &s->body.declare_mining_job;
}

static const struct adit_sv2_set_custom_mining_job *expect_custom_job(struct pool_side *p)
{
	const struct adit_sv2_declare_mining_job *d = expect_declaration(p);
	struct adit_sv2_declare_mining_job_success m = {.request_id = d->request_id,
							.new_mining_job_token = bytes("new")};
	const struct sent *s;

	JDS_SAYS(p, declare_mining_job_success, &m);
	s = fake_conn_next(p->conn, ADIT_SV2_SET_CUSTOM_MINING_JOB);
	ck_assert_msg(s != NULL, "no custom job");
	return &s->body.set_custom_mining_job;
}

static void job_set(struct pool_side *p, const struct adit_sv2_set_custom_mining_job *c,
		    uint32_t job_id)
{
	struct adit_sv2_set_custom_mining_job_success m = {
	    .channel_id = CHANNEL, .request_id = c->request_id, .job_id = job_id};

	POOL_SAYS(p, set_custom_mining_job_success, &m);
}

/* The hash that the pool gets for share S of custom job C, which is M's: its coinbase is what was
 * set, with the pool's prefix and the extranonce of the share. */
static void expect_same_hash(const struct pool_side *p,
			     const struct adit_sv2_set_custom_mining_job *c,
			     const struct adit_sv2_submit_shares_extended *s, const struct miner *m)
{
	struct block_header h = {
	    .version = s->version, .time = s->ntime, .nbits = c->nbits, .nonce = s->nonce};
	static const uint8_t zeros[32];
	struct buf prefix = {0};
	struct buf suffix = {0};
	uint8_t header[80];
	uint8_t hash[32];

	ck_assert_uint_eq(s->extranonce.size, ROLLABLE);
	buf_append_u32(&prefix, c->coinbase_tx_version);
	buf_append_u8(&prefix, 1);
	buf_append(&prefix, zeros, sizeof zeros);
	buf_append_u32(&prefix, UINT32_MAX);
	buf_append_u8(&prefix, (uint8_t)(c->coinbase_prefix.size + PREFIX_SIZE + ROLLABLE));
	buf_append(&prefix, c->coinbase_prefix.data, c->coinbase_prefix.size);
	buf_append_u32(&suffix, c->coinbase_tx_input_n_sequence);
	buf_append(&suffix, c->coinbase_tx_outputs.data, c->coinbase_tx_outputs.size);
	buf_append_u32(&suffix, c->coinbase_tx_locktime);
	coinbase_txid(prefix.data, prefix.size, p->prefix, PREFIX_SIZE, s->extranonce.data,
		      s->extranonce.size, suffix.data, suffix.size, h.merkle_root);
	merkle_fold(h.merkle_root, c->merkle_path.data, c->merkle_path.count, h.merkle_root);
	memcpy(h.prev_hash, c->prev_hash.b, 32);
	block_header_write(&h, header);
	sha256d_header(header, hash);
	ck_assert_mem_eq(hash, m->hash, 32);
	buf_free(&prefix);
	buf_free(&suffix);
}

static const struct adit_sv2_submit_shares_extended *expect_share(struct pool_side *p)
{
	const struct sent *s = fake_conn_next(p->conn, ADIT_SV2_SUBMIT_SHARES_EXTENDED);

	ck_assert_msg(s != NULL, "no share came to the pool");
	return &s->body.submit_shares_extended;
}

/* Script of the first output of the job that M works on. */
static const uint8_t *paid_script(const struct miner *m)
{
	return m->extended->coinbase_tx_suffix.data + 4 + 1 + 8 + 1;
}

/* A template provider with a template on tip 1, and pool one works. */
static struct pool_side ready(uint32_t nbits)
{
	struct pool_side p;

	begin();
	tdp_open(&b, 0);
	new_tip(&b, 0, 1, nbits);
	ck_assert(!b.server.open); /* nobody is let in before it is known whom they work for */
	p = open_one();
	expect_active("one");
	ck_assert(b.server.open);
	return p;
}

/* --- declared jobs -----------------------------------------------------------------------------
 */

START_TEST(full_template)
{
	const struct adit_sv2_submit_shares_extended *s;
	const struct adit_sv2_set_custom_mining_job *c;
	const struct adit_sv2_declare_mining_job *d;
	struct declared_coinbase coinbase;
	struct outputs_summary summary;
	struct pool_side p;
	struct miner m;
	uint8_t script[22] = {0xb1, 20};
	bool input;

	make();
	p = ready(NBITS_HARD);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	/* miners work before the pool knows */
	ck_assert_mem_eq(paid_script(&m), script, sizeof script);
	ck_assert_uint_eq(m.rollable, 8);
	ck_assert_mem_eq(m.prefix, p.prefix, PREFIX_SIZE);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_ptr_null(fake_conn_next(p.conn, ADIT_SV2_SUBMIT_SHARES_EXTENDED));
	ck_assert_uint_eq(jdc->held.count, 1);

	d = expect_declaration(&p);
	ck_assert_ptr_null(declared_coinbase_read(
	    d->coinbase_tx_prefix.data, d->coinbase_tx_prefix.size, d->coinbase_tx_suffix.data,
	    d->coinbase_tx_suffix.size, &coinbase, &input));
	ck_assert_uint_eq(coinbase.extranonce_size, PREFIX_SIZE + ROLLABLE);
	ck_assert(outputs_summarize(coinbase.outputs, coinbase.outputs_size, script, sizeof script,
				    &summary));
	ck_assert_uint_eq(summary.count, 3); /* two of the pool's, the template's */
	ck_assert_uint_eq(summary.paid, 5000001000);
	ck_assert_uint_eq(d->wtxid_list.count, 1);
	{
		struct adit_sv2_declare_mining_job_success ok = {
		    .request_id = d->request_id, .new_mining_job_token = bytes("new")};

		JDS_SAYS(&p, declare_mining_job_success, &ok);
	}
	c = &fake_conn_next(p.conn, ADIT_SV2_SET_CUSTOM_MINING_JOB)->body.set_custom_mining_job;
	job_set(&p, c, 55);
	/* the share that was held comes now */
	s = expect_share(&p);
	ck_assert_uint_eq(s->job_id, 55);
	ck_assert(sent_text_is(&s->user_identity, "farm.rig1"));
	expect_same_hash(&p, c, s, &m);
	ck_assert_uint_eq(jdc->held.count, 0);
	/* and the next ones at once */
	m.worker = "rig 2";
	m.extranonce[3] = 7;
	solve(&m, m.target, true);
	expect_accepted(&m);
	s = expect_share(&p);
	ck_assert(sent_text_is(&s->user_identity, "rig 2"));
	expect_same_hash(&p, c, s, &m);
	ck_assert_uint_eq(jdc->counts.lost_shares, 0);
	end();
}
END_TEST

/* The same worker has one name, whether its share was held or not. */
START_TEST(name_of_a_worker)
{
	static const char name[] = "0123456789012345678901234567890\xc3\xa9 and more";
	struct pool_side p;
	struct miner m;

	make();
	p = ready(NBITS_HARD);
	b.user = name;
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(jdc->held.count, 1);
	job_set(&p, expect_custom_job(&p), 55);
	ck_assert(
	    sent_text_is(&expect_share(&p)->user_identity, "0123456789012345678901234567890"));
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert(
	    sent_text_is(&expect_share(&p)->user_identity, "0123456789012345678901234567890"));
	end();
}
END_TEST

START_TEST(standard_channel)
{
	const struct adit_sv2_set_custom_mining_job *c;
	struct pool_side p;
	struct miner m;

	make();
	p = ready(NBITS_HARD);
	c = expect_custom_job(&p);
	job_set(&p, c, 55);
	b.user = "a name that is much longer than can be told.rig7";
	m = open_miner(&b, connect_miner(&b, 1, ADIT_SV2_REQUIRES_STANDARD_JOBS), true);
	ck_assert_uint_eq(m.prefix_size, PREFIX_SIZE + ROLLABLE);
	solve(&m, m.target, true);
	expect_accepted(&m);
	{
		const struct adit_sv2_submit_shares_extended *s = expect_share(&p);

		ck_assert(sent_text_is(&s->user_identity, "rig7"));
		expect_same_hash(&p, c, s, &m);
	}
	end();
}
END_TEST

START_TEST(next_template_and_tip)
{
	const struct adit_sv2_set_custom_mining_job *c;
	struct pool_side p;
	struct miner m;

	make();
	p = ready(NBITS_HARD);
	job_set(&p, expect_custom_job(&p), 55);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	give_tokens(&p, 0xb1);
	send_template(&b, 0, false); /* on the same tip */
	c = expect_custom_job(&p);
	job_set(&p, c, 56);
	/* the old job is good still */
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(expect_share(&p)->job_id, 55);
	fake_conn_skip(m.conn);
	m.conn->read = 0;
	take_job(&m);
	take_job(&m);
	solve(&m, m.target, true);
	expect_accepted(&m);
	{
		const struct adit_sv2_submit_shares_extended *s = expect_share(&p);

		ck_assert_uint_eq(s->job_id, 56);
		expect_same_hash(&p, c, s, &m);
	}
	/* shares that are held are worth nothing on the next tip */
	give_tokens(&p, 0xb1);
	send_template(&b, 0, false);
	take_job(&m);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(jdc->held.count, 1);
	c = expect_custom_job(&p); /* which the pool is about to take */
	b.height++;
	new_tip(&b, 0, 2, NBITS_HARD);
	ck_assert_uint_eq(jdc->held.count, 0);
	ck_assert_uint_eq(jdc->counts.held_dropped, 1);
	job_set(&p, c, 57);
	ck_assert_uint_eq(fake_conn_count(p.conn, ADIT_SV2_SUBMIT_SHARES_EXTENDED), 0);
	end();
}
END_TEST

START_TEST(coinbase_only)
{
	const struct sent *s;
	struct pool_side p;
	struct miner m;

	make();
	set("mode", "coinbase-only");
	p = ready(NBITS_HARD);
	ck_assert_ptr_null(fake_conn_next(b.tdp[0], ADIT_SV2_REQUEST_TRANSACTION_DATA));
	ck_assert_ptr_null(fake_conn_next(p.jds, ADIT_SV2_DECLARE_MINING_JOB));
	s = fake_conn_next(p.conn, ADIT_SV2_SET_CUSTOM_MINING_JOB);
	ck_assert(sent_text_is(&s->body.set_custom_mining_job.mining_job_token, "token"));
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	job_set(&p, &s->body.set_custom_mining_job, 3);
	solve(&m, m.target, true);
	expect_accepted(&m);
	expect_same_hash(&p, &s->body.set_custom_mining_job, expect_share(&p), &m);
	end();
}
END_TEST

START_TEST(shares_below_the_pools_target)
{
	struct adit_sv2_set_target target = {.channel_id = CHANNEL};
	struct pool_side p;
	struct miner m;

	make();
	p = ready(NBITS_HARD);
	memset(target.target.b, 0xff, 28); /* a 2^32nd of all hashes */
	POOL_SAYS(&p, set_target, &target);
	job_set(&p, expect_custom_job(&p), 55); /* at the new target */
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_ptr_null(fake_conn_next(p.conn, ADIT_SV2_SUBMIT_SHARES_EXTENDED));
	ck_assert_uint_eq(jdc->counts.easy_shares, 1);
	end();
}
END_TEST

/* The active pool's target is of DIFFICULTY from now on; 0: every hash is a share. */
static void set_pool_target(struct pool_side *p, double difficulty)
{
	struct adit_sv2_set_target target = {.channel_id = CHANNEL};

	memset(target.target.b, 0xff, 32);
	if (difficulty > 0)
		target_from_difficulty(difficulty, target.target.b);
	POOL_SAYS(p, set_target, &target);
	source_bound(jdc); /* which may have been a moment ago */
}

/* No channel gets a harder target than the pool's, which would cost the pool's shares. */
START_TEST(bound_by_the_pools_target)
{
	struct pool_side p;
	struct miner m;

	make();
	set("min_difficulty", "1");
	p = ready(NBITS_HARD);
	set_pool_target(&p, 0.5);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	ck_assert_mem_eq(m.target, jdc->active->link.target, 32);
	end();
}
END_TEST

static const struct {
	const char *key;
	const char *value;
} difficulties[] = {{"start_difficulty", "1000"}, {"fixed_difficulty", "1000"}};

/* A pool that was told of no hash rate yet may take every hash as a share. The first miner is not
 * to find out how many it can send, whatever its target was chosen by. */
START_TEST(not_flooded_before_a_claim)
{
	struct pool_side p;
	struct miner m;

	make();
	set(difficulties[_i].key, difficulties[_i].value);
	p = ready(NBITS_HARD);
	set_pool_target(&p, 0);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	ck_assert_double_ge(target_difficulty(m.target), 99);
	ck_assert_double_le(target_difficulty(m.target), 1000);
	end();
}
END_TEST

/* Nor is one that says what it has when another one's hash rate was claimed. */
START_TEST(not_flooded_by_a_larger_miner)
{
	const struct adit_sv2_open_extended_mining_channel_success *x;
	struct fake_conn *small, *large;
	struct pool_side p;
	const struct sent *s;

	make();
	p = ready(NBITS_HARD);
	small = connect_miner(&b, 1, 0);
	(void)open_miner(&b, small, false);
	set_pool_target(&p, 0);
	pools_second(jdc, clock_monotonic_ms());
	ck_assert_float_gt(jdc->active->link.wanted, 0);
	large = connect_miner(&b, 2, 0);
	fake_conn_skip(large);
	send_open(&b, large, false, 1e14F, &any_target, 8);
	s = fake_conn_next(large, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS);
	ck_assert_ptr_nonnull(s);
	x = &s->body.open_extended_mining_channel_success;
	/* 60 shares a minute: 1e14 hashes each */
	ck_assert_double_ge(target_difficulty(x->target.b), 1e14 / 0x1p32 - 1);
	end();
	fake_conn_free(small);
	fake_conn_free(large);
}
END_TEST

START_TEST(block)
{
	const struct adit_sv2_push_solution *push;
	const struct adit_sv2_submit_solution *solution;
	struct pool_side p;
	struct miner m;
	size_t full;

	make();
	p = ready(NBITS_EASY);
	job_set(&p, expect_custom_job(&p), 55);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	full = m.prefix_size + m.rollable;
	fake_conn_skip(p.conn);
	solve(&m, m.target, true);
	while (m.hash[31] >= 0x70) { /* a block of regtest */
		solve(&m, m.target, true);
	}
	expect_accepted(&m);
	solution = &fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION)->body.submit_solution;
	ck_assert_uint_eq(solution->header_nonce, m.nonce);
	push = &fake_conn_next(p.jds, ADIT_SV2_PUSH_SOLUTION)->body.push_solution;
	ck_assert_uint_eq(push->nonce, m.nonce);
	ck_assert_uint_eq(push->ntime, m.ntime);
	ck_assert_uint_eq(push->version, m.share_version);
	ck_assert_uint_eq(push->nbits, NBITS_EASY);
	ck_assert_mem_eq(push->prev_hash.b, m.prev_hash, 32);
	ck_assert_uint_eq(push->extranonce.size, full);
	ck_assert_mem_eq(push->extranonce.data, m.prefix, m.prefix_size);
	ck_assert_mem_eq(push->extranonce.data + m.prefix_size, m.extranonce, m.rollable);
	ck_assert_uint_eq(expect_share(&p)->nonce, m.nonce);
	ck_assert_uint_eq(fake_host_published(b.host, "BlockFound"), 1);
	end();
}
END_TEST

/* Before the pool has agreed the block goes out all the same, and its share is held. The
 * declaration server is told when it knows the job. */
START_TEST(block_before_the_pool_knows)
{
	struct pool_side p;
	struct miner m;

	make();
	p = ready(NBITS_EASY);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	do
		solve(&m, m.target, true);
	while (m.hash[31] >= 0x70);
	expect_accepted(&m);
	ck_assert_uint_eq(fake_conn_count(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION), 1);
	ck_assert_uint_eq(fake_conn_count(p.jds, ADIT_SV2_PUSH_SOLUTION), 0);
	ck_assert_uint_eq(jdc->held.count, 1);
	(void)expect_custom_job(&p);
	ck_assert_uint_eq(fake_conn_next(p.jds, ADIT_SV2_PUSH_SOLUTION)->body.push_solution.nonce,
			  m.nonce);
	end();
}
END_TEST

/* The share of a block that the pool hears of when its tip has passed: a pool that has forgotten
 * the job by then is well. */
START_TEST(late_block_refused)
{
	struct adit_sv2_submit_shares_error refused = {.channel_id = CHANNEL,
						       .error_code = bytes("invalid-job-id")};
	const struct adit_sv2_set_custom_mining_job *c;
	struct pool_side p;
	struct miner m;

	make();
	p = ready(NBITS_EASY);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	do
		solve(&m, m.target, true);
	while (m.hash[31] >= 0x70);
	expect_accepted(&m);
	c = expect_custom_job(&p); /* which the pool is about to take */
	b.height++;
	new_tip(&b, 0, 2, NBITS_EASY);
	job_set(&p, c, 55);
	refused.sequence_number = expect_share(&p)->sequence_number;
	POOL_SAYS(&p, submit_shares_error, &refused);
	ck_assert_uint_eq(jdc->pools[0]->link.counts.refused_stale, 1);
	ck_assert_int_eq(jdc->pools[0]->link.fault, UPSTREAM_NO_FAULT);
	end();
}
END_TEST

/* The block is on disk before it leaves: the next process sends it again, whatever became of the
 * first one. */
START_TEST(block_is_written_down)
{
	char directory[] = "/tmp/adit-test-jdc-XXXXXX";
	char command[64];
	const struct sent *s;
	struct miner m;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	make();
	fake_host_set_state_dir(b.host, directory);
	(void)ready(NBITS_EASY);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	do
		solve(&m, m.target, true);
	while (m.hash[31] >= 0x70);
	expect_accepted(&m);
	end();
	fake_conn_free(m.conn);

	make();
	fake_host_set_state_dir(b.host, directory);
	begin();
	ck_assert_uint_eq(jdc->mining.blocks.count, 1);
	tdp_open(&b, 0);
	new_tip(&b, 0, 1, NBITS_EASY);
	s = fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.submit_solution.header_nonce, m.nonce);
	end();
	(void)snprintf(command, sizeof command, "rm -rf %s", directory);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(held_shares_are_bounded)
{
	struct pool_side p;
	struct miner m;

	make();
	set("held_shares", "3");
	p = ready(NBITS_HARD);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	for (uint8_t i = 0; i < 5; i++) {
		m.extranonce[0] = i;
		solve(&m, m.target, true);
		expect_accepted(&m);
	}
	ck_assert_uint_eq(jdc->held.count, 3);
	ck_assert_uint_eq(jdc->counts.held_dropped, 2);
	job_set(&p, expect_custom_job(&p), 55);
	ck_assert_uint_eq(fake_conn_count(p.conn, ADIT_SV2_SUBMIT_SHARES_EXTENDED), 3);
	ck_assert_uint_eq(expect_share(&p)->extranonce.data[ROLLABLE - 8], 2); /* the latest */
	end();
}
END_TEST

static bool is_declared_again(void *user)
{
	return fake_conn_count(user, ADIT_SV2_DECLARE_MINING_JOB) > 0;
}

/* The pool's node is behind ours: shares found meanwhile are held. */
START_TEST(called_stale)
{
	struct adit_sv2_declare_mining_job_error stale = {.error_code = bytes("stale-chain-tip")};
	struct adit_sv2_declare_mining_job_success good = {.new_mining_job_token = bytes("new")};
	struct pool_side p;
	struct miner m;

	make();
	p = ready(NBITS_HARD);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	stale.request_id = expect_declaration(&p)->request_id;
	JDS_SAYS(&p, declare_mining_job_error, &stale);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(jdc->counts.lost_shares, 0);
	ck_assert_uint_eq(jdc->held.count, 1);
	give_tokens(&p, 0xb1);
	ck_assert(wait_for(is_declared_again, p.jds));
	good.request_id =
	    fake_conn_next(p.jds, ADIT_SV2_DECLARE_MINING_JOB)->body.declare_mining_job.request_id;
	JDS_SAYS(&p, declare_mining_job_success, &good);
	job_set(&p,
		&fake_conn_next(p.conn, ADIT_SV2_SET_CUSTOM_MINING_JOB)->body.set_custom_mining_job,
		55);
	ck_assert_uint_eq(expect_share(&p)->job_id, 55);
	ck_assert_uint_eq(jdc->held.count, 0);
	end();
}
END_TEST

START_TEST(transactions_can_not_be_had)
{
	struct adit_sv2_request_transaction_data_error m = {.error_code =
								bytes("stale-template-id")};
	struct pool_side p;
	struct miner miner;

	make();
	p = ready(NBITS_HARD);
	miner = open_miner(&b, connect_miner(&b, 1, 0), false);
	solve(&miner, miner.target, true);
	expect_accepted(&miner);
	ck_assert_uint_eq(jdc->held.count, 1);
	m.template_id = fake_conn_next(b.tdp[0], ADIT_SV2_REQUEST_TRANSACTION_DATA)
			    ->body.request_transaction_data.template_id;
	ck_assert_int_eq(
	    provider_handlers.request_transaction_data_error(provider(&b, 0), &b.tdp[0]->head, &m),
	    ADIT_OK);
	ck_assert_uint_eq(jdc->held.count, 0);
	ck_assert_uint_eq(jdc->counts.held_dropped, 1);
	/* the next template is another chance */
	send_template(&b, 0, false);
	job_set(&p, expect_custom_job(&p), 55);
	ck_assert_str_eq(jdc->active->settings.name, "one");
	end();
}
END_TEST

/* A template provider that never has them: the pool's own jobs, for a while. */
START_TEST(transactions_can_never_be_had)
{
	struct adit_sv2_request_transaction_data_error m = {.error_code =
								bytes("template-id-not-found")};
	struct pool_side p;

	make();
	p = ready(NBITS_HARD);
	for (int i = 0; i < 3; i++) {
		m.template_id = fake_conn_next(b.tdp[0], ADIT_SV2_REQUEST_TRANSACTION_DATA)
				    ->body.request_transaction_data.template_id;
		ck_assert_int_eq(provider_handlers.request_transaction_data_error(
				     provider(&b, 0), &b.tdp[0]->head, &m),
				 ADIT_OK);
		send_template(&b, 0, false);
	}
	while (!p.client->freed)
		fake_host_run(b.host, 10);
	p.client = expect_dial(ONE);
	ck_assert_uint_eq(p.client->flags, ADIT_SV2_REQUIRES_VERSION_ROLLING);
	ck_assert(fake_host_logged(b.host, "does not give the transactions"));
	end();
}
END_TEST

/* --- what a pool changes -----------------------------------------------------------------------
 */

START_TEST(pools_prefix_changes)
{
	static const uint8_t other[PREFIX_SIZE] = {5, 5, 5, 5, 5, 5, 5};
	struct adit_sv2_set_extranonce_prefix prefix = {.channel_id = CHANNEL,
							.extranonce_prefix = {other, PREFIX_SIZE}};
	const struct adit_sv2_set_custom_mining_job *c;
	const struct sent *s;
	struct pool_side p;
	struct miner m;

	make();
	p = ready(NBITS_HARD);
	job_set(&p, expect_custom_job(&p), 55);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	give_tokens(&p, 0xb1);
	POOL_SAYS(&p, set_extranonce_prefix, &prefix);
	s = fake_conn_next(m.conn, ADIT_SV2_SET_EXTRANONCE_PREFIX);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.set_extranonce_prefix.extranonce_prefix.size, m.prefix_size);
	memcpy(m.prefix, s->body.set_extranonce_prefix.extranonce_prefix.data, m.prefix_size);
	ck_assert_mem_eq(m.prefix, other, PREFIX_SIZE);
	memcpy(p.prefix, other, PREFIX_SIZE);
	take_job(&m);
	c = expect_custom_job(&p); /* as another job: the pool's old one has the old prefix */
	job_set(&p, c, 56);
	solve(&m, m.target, true);
	expect_accepted(&m);
	{
		const struct adit_sv2_submit_shares_extended *share = expect_share(&p);

		ck_assert_uint_eq(share->job_id, 56);
		expect_same_hash(&p, c, share, &m);
	}
	end();
}
END_TEST

START_TEST(pools_outputs_change)
{
	uint8_t script[22] = {0xc2, 20};
	struct pool_side p;
	struct miner m;

	make();
	p = ready(NBITS_HARD);
	job_set(&p, expect_custom_job(&p), 55);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	give_tokens(&p, 0xc2);
	take_job(&m);
	ck_assert_mem_eq(paid_script(&m), script, sizeof script);
	give_tokens(&p, 0xc2);
	job_set(&p, expect_custom_job(&p), 56);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(expect_share(&p)->job_id, 56);
	end();
}
END_TEST

/* --- from one to the other ---------------------------------------------------------------------
 */

static struct buf job_prefix, job_suffix;

/* Pool TWO's own job ID, future unless NOW. */
static void pool_job(struct pool_side *p, uint32_t id, bool now, uint8_t tag)
{
	uint8_t script[22] = {0xd1, 20};
	struct buf outputs = {0};
	struct coinbase_spec spec = {
	    .tx_version = 2,
	    .script_prefix = (const uint8_t *)"\x01\x66",
	    .script_prefix_size = 2,
	    .tag = &tag,
	    .tag_size = 1,
	    .extranonce_size = PREFIX_SIZE + ROLLABLE,
	    .sequence = UINT32_MAX,
	    .outputs_count = 1,
	};
	struct adit_sv2_new_extended_mining_job m = {.channel_id = CHANNEL,
						     .job_id = id,
						     .ntime_start = {now, b.now - 600},
						     .version = BLOCK_VERSION,
						     .version_rolling_allowed = true};

	coinbase_add_output(&outputs, 5000000000, script, sizeof script);
	spec.outputs = outputs.data;
	spec.outputs_size = outputs.size;
	ck_assert_int_eq(coinbase_split(&spec, &job_prefix, &job_suffix, NULL), ADIT_OK);
	buf_free(&outputs);
	m.coinbase_tx_prefix = (struct adit_bytes){job_prefix.data, (uint32_t)job_prefix.size};
	m.coinbase_tx_suffix = (struct adit_bytes){job_suffix.data, (uint32_t)job_suffix.size};
	POOL_SAYS(p, new_extended_mining_job, &m);
	buf_free(&job_prefix);
	buf_free(&job_suffix);
}

static void pool_tip(struct pool_side *p, uint32_t id, uint8_t tip)
{
	struct adit_sv2_set_new_prev_hash m = {
	    .channel_id = CHANNEL, .job_id = id, .ntime_start = b.now - 600, .nbits = NBITS_HARD};

	memset(m.prev_hash.b, tip, 32);
	POOL_SAYS(p, set_new_prev_hash, &m);
}

static struct pool_side open_two(void)
{
	struct pool_side p = open_pool(TWO, 0xa2);

	pool_job(&p, 1, false, 't');
	pool_tip(&p, 1, 9);
	return p;
}

/* SetExtranoncePrefix of M's channel. */
static void take_prefix(struct miner *m)
{
	const struct sent *s = fake_conn_next(m->conn, ADIT_SV2_SET_EXTRANONCE_PREFIX);

	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.set_extranonce_prefix.channel_id, m->channel);
	m->prefix_size = s->body.set_extranonce_prefix.extranonce_prefix.size;
	memcpy(m->prefix, s->body.set_extranonce_prefix.extranonce_prefix.data, m->prefix_size);
}

/* The newest SetTarget of M's channel, if there is one. */
static void take_target(struct miner *m)
{
	const struct sent *s = fake_conn_next(m->conn, ADIT_SV2_SET_TARGET);

	if (s)
		memcpy(m->target, s->body.set_target.target.b, 32);
}

/* A pool whose outputs are larger than any before: templates leave room for them. */
START_TEST(room_for_the_pools_outputs)
{
	static const uint8_t script[1000];
	struct adit_sv2_allocate_mining_job_token_success m = {.mining_job_token = bytes("token")};
	const struct sent *s;
	struct pool_side p;
	struct buf outputs = {0};

	make();
	p = ready(NBITS_HARD);
	(void)expect_declaration(&p);
	buf_append_u8(&outputs, 1);
	coinbase_add_output(&outputs, 0, script, sizeof script);
	m.coinbase_tx_outputs = (struct adit_bytes){outputs.data, (uint32_t)outputs.size};
	s = fake_conn_next(p.jds, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN);
	ck_assert_ptr_nonnull(s);
	m.request_id = s->body.allocate_mining_job_token.request_id;
	fake_conn_skip(b.tdp[0]);
	JDS_SAYS(&p, allocate_mining_job_token_success, &m);
	s = fake_conn_next(b.tdp[0], ADIT_SV2_COINBASE_OUTPUT_CONSTRAINTS);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_ge(s->body.coinbase_output_constraints.coinbase_output_max_additional_size,
			  8 + 3 + sizeof script);
	buf_free(&outputs);
	end();
}
END_TEST

/* Another pool knows nothing of the job that they are of. */
START_TEST(held_shares_at_a_switch)
{
	struct pool_side one, two;
	struct miner m;

	make();
	one = ready(NBITS_HARD);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(jdc->held.count, 1);
	fake_client_close(one.client, "end of file");
	two = open_two();
	expect_active("two");
	ck_assert_uint_eq(jdc->held.count, 0);
	ck_assert_uint_eq(jdc->counts.held_dropped, 1);
	ck_assert_uint_eq(fake_conn_count(two.conn, ADIT_SV2_SUBMIT_SHARES_EXTENDED), 0);
	end();
}
END_TEST

START_TEST(next_pool_then_solo_and_back)
{
	static const uint8_t own[22] = {0x00, 0x14, 0x75, 0x1e};
	struct pool_side one, two;
	struct miner m;

	make();
	set("upstream_return", "1");
	set("upstream_cooling", "1000");
	one = ready(NBITS_HARD);
	job_set(&one, expect_custom_job(&one), 55);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	fake_conn_skip(m.conn);

	/* the pool's own jobs */
	fake_client_close(one.client, "end of file");
	two = open_two();
	expect_active("two");
	take_prefix(&m);
	ck_assert_mem_eq(m.prefix, two.prefix, PREFIX_SIZE);
	take_job(&m);
	ck_assert_uint_eq(paid_script(&m)[0], 0xd1);
	solve(&m, m.target, true);
	expect_accepted(&m);
	{
		const struct adit_sv2_submit_shares_extended *s = expect_share(&two);

		ck_assert_uint_eq(s->job_id, 1);
		ck_assert_uint_eq(s->extranonce.size, ROLLABLE);
		ck_assert_uint_eq(s->nonce, m.nonce);
	}
	/* a job on the same tip, and one on the next */
	pool_job(&two, 2, true, 'u');
	take_job(&m);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(expect_share(&two)->job_id, 2);
	pool_job(&two, 3, false, 'v');
	pool_tip(&two, 3, 10);
	take_job(&m);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(expect_share(&two)->job_id, 3);

	/* nobody */
	fake_client_close(two.client, "end of file");
	while (jdc->source != SOURCE_SOLO) {
		struct adit_sv2_client *c = fake_client_find(&clients, ADIT_SV2_MINING, NULL);

		if (c != NULL)
			fake_client_close(c, "connection refused");
		fake_host_run(b.host, 10);
	}
	take_prefix(&m);
	take_target(&m); /* no pool's bound any more */
	take_job(&m);
	ck_assert_mem_eq(paid_script(&m), own, 4);
	solve(&m, m.target, true);
	expect_accepted(&m);

	/* and the first again, without a channel having been closed */
	one = open_one();
	expect_active("one");
	take_prefix(&m);
	take_job(&m);
	ck_assert_uint_eq(paid_script(&m)[0], 0xb1);
	job_set(&one, expect_custom_job(&one), 77);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(expect_share(&one)->job_id, 77);
	ck_assert_ptr_null(fake_conn_next(m.conn, ADIT_SV2_CLOSE_CHANNEL));
	ck_assert(!m.conn->closed);
	ck_assert_uint_eq(fake_host_published(b.host, "MiningPoolConnected"), 3);
	ck_assert_uint_eq(fake_host_published(b.host, "MiningPoolDisconnected"), 2);
	end();
}
END_TEST

START_TEST(no_pool_at_all)
{
	struct miner m;

	make();
	set("upstream", "");
	begin();
	tdp_open(&b, 0);
	new_tip(&b, 0, 1, NBITS_HARD);
	expect_active(NULL);
	ck_assert(b.server.open);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(jdc->counts.lost_shares, 0);
	ck_assert_str_eq(fake_host_status(b.host), "mining at height 101, solo");
	end();
}
END_TEST

START_TEST(solo_by_configuration)
{
	make();
	set("mode", "solo");
	begin();
	tdp_open(&b, 0);
	new_tip(&b, 0, 1, NBITS_HARD);
	expect_active(NULL);
	ck_assert_uint_eq(clients.count, 0);
	end();
}
END_TEST

/* Each fault makes the next pool the active one. */
START_TEST(faults)
{
	struct adit_sv2_open_standard_mining_channel_success standard = {0};
	struct adit_sv2_submit_shares_error share = {
	    .channel_id = CHANNEL, .sequence_number = 1, .error_code = bytes("invalid-share")};
	struct adit_sv2_close_channel close = {.channel_id = CHANNEL, .reason_code = bytes("x")};
	struct adit_sv2_declare_mining_job_error refused = {.error_code = bytes("invalid-job")};
	struct adit_sv2_set_custom_mining_job_error unset = {.channel_id = CHANNEL,
							     .error_code = bytes("invalid-nbits")};
	static const enum upstream_fault faults_of[] = {UPSTREAM_LOST,
							UPSTREAM_LOST,
							UPSTREAM_BROKE_PROTOCOL,
							UPSTREAM_CHANNEL_REFUSED,
							UPSTREAM_DECLARATION_REFUSED,
							UPSTREAM_DECLARATION_REFUSED,
							UPSTREAM_SHARE_REFUSED,
							UPSTREAM_UNANSWERED};
	struct pool_side p;
	struct miner m;

	make();
	set("answer_timeout", _i == 7 ? "1000" : "60000");
	p = ready(NBITS_HARD);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	switch (_i) {
	case 0:
		fake_client_close(p.client, "end of file");
		break;
	case 1:
		fake_client_close(p.jds_client, "end of file");
		break;
	case 2:
		POOL_SAYS(&p, open_standard_mining_channel_success, &standard);
		break;
	case 3:
		POOL_SAYS(&p, close_channel, &close);
		break;
	case 4:
		refused.request_id = expect_declaration(&p)->request_id;
		JDS_SAYS(&p, declare_mining_job_error, &refused);
		break;
	case 5:
		unset.request_id = expect_custom_job(&p)->request_id;
		POOL_SAYS(&p, set_custom_mining_job_error, &unset);
		break;
	case 6:
		job_set(&p, expect_custom_job(&p), 5);
		solve(&m, m.target, true);
		expect_accepted(&m);
		POOL_SAYS(&p, submit_shares_error, &share);
		break;
	default:
		(void)expect_declaration(&p); /* and no answer */
	}
	(void)open_two();
	expect_active("two");
	ck_assert_msg(jdc->pools[0]->upstream.fault == faults_of[_i], "%s",
		      upstream_fault_name(jdc->pools[0]->upstream.fault));
	end();
}
END_TEST

/* Without templates the same pool is asked for its own jobs, and back. */
START_TEST(templates_lost_and_back)
{
	struct pool_side p;
	struct miner m;

	make();
	p = ready(NBITS_HARD);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	tdp_close(&b, 0);
	while (p.client->freed == false)
		fake_host_run(b.host, 10);
	p = open_pool(ONE, 0xa3);
	ck_assert_uint_eq(p.client->flags, ADIT_SV2_REQUIRES_VERSION_ROLLING);
	pool_job(&p, 8, false, 'p');
	pool_tip(&p, 8, 20);
	expect_active("one");
	take_prefix(&m);
	take_job(&m);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(expect_share(&p)->job_id, 8);
	tdp_open(&b, 0);
	new_tip(&b, 0, 20, NBITS_HARD);
	while (p.client->freed == false)
		fake_host_run(b.host, 10);
	p = open_one();
	expect_active("one");
	ck_assert_int_eq(jdc->active->link.mode, JDC_FULL_TEMPLATE);
	ck_assert_uint_eq(fake_host_published(b.host, "MiningPoolConnected"), 3);
	ck_assert_uint_eq(fake_host_published(b.host, "MiningPoolDisconnected"), 2);
	end();
}
END_TEST

/* A pool whose extranonce is of another length: all channels get the same one. */
START_TEST(another_extranonce_length)
{
	struct adit_sv2_open_extended_mining_channel_success ok = {
	    .channel_id = CHANNEL, .extranonce_size = 10, .extranonce_prefix = {NULL, 3}};
	static const uint8_t prefix[3] = {1, 2, 3};
	struct pool_side p, two = {0};
	struct miner m;
	uint8_t tag = 'x';

	make();
	p = ready(NBITS_HARD);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	fake_client_close(p.client, "end of file");
	two.client = expect_dial(TWO);
	two.conn = fake_client_open(&clients, two.client, 0);
	ok.request_id = fake_conn_next(two.conn, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL)
			    ->body.open_extended_mining_channel.request_id;
	ok.extranonce_prefix.data = prefix;
	memset(ok.target.b, 0xff, 32);
	POOL_SAYS(&two, open_extended_mining_channel_success, &ok);
	{
		struct coinbase_spec spec = {.tx_version = 2,
					     .script_prefix = (const uint8_t *)"\x01\x66",
					     .script_prefix_size = 2,
					     .tag = &tag,
					     .tag_size = 1,
					     .extranonce_size = 13,
					     .sequence = UINT32_MAX,
					     .outputs = (const uint8_t *)"\0\0\0\0\0\0\0\0\0",
					     .outputs_size = 9,
					     .outputs_count = 1};
		struct adit_sv2_new_extended_mining_job job = {
		    .channel_id = CHANNEL, .job_id = 1, .version = BLOCK_VERSION};

		ck_assert_int_eq(coinbase_split(&spec, &job_prefix, &job_suffix, NULL), ADIT_OK);
		job.coinbase_tx_prefix =
		    (struct adit_bytes){job_prefix.data, (uint32_t)job_prefix.size};
		job.coinbase_tx_suffix =
		    (struct adit_bytes){job_suffix.data, (uint32_t)job_suffix.size};
		POOL_SAYS(&two, new_extended_mining_job, &job);
		buf_free(&job_prefix);
		buf_free(&job_suffix);
	}
	pool_tip(&two, 1, 9);
	expect_active("two");
	take_prefix(&m);
	ck_assert_uint_eq(m.prefix_size, 3 + 2);
	ck_assert_uint_eq(m.rollable, 8); /* as ever */
	take_job(&m);
	m.nonce = 0;
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(expect_share(&two)->extranonce.size, 10);
	end();
}
END_TEST

/* What it wants in the coinbase leaves no room for its extranonce. */
START_TEST(no_room_for_a_pools_extranonce)
{
	make();
	set("tag", "01234567890123456789012345678901234567890123456789012345678901234567890123");
	set("upstream", "one");
	begin();
	tdp_open(&b, 0);
	new_tip(&b, 0, 1, NBITS_HARD);
	(void)open_one();
	expect_active(NULL);
	ck_assert_int_eq(jdc->pools[0]->upstream.fault, UPSTREAM_CHANNEL_REFUSED);
	(void)open_miner(&b, connect_miner(&b, 1, 0), false);
	end();
}
END_TEST

/* Pools are not waited for when there are no templates, nor templates when there are pools. */
START_TEST(no_templates_at_the_start)
{
	struct pool_side p;
	struct miner m;

	make();
	begin();
	p = open_pool(ONE, 0xa1); /* as a proxy's */
	ck_assert_uint_eq(p.client->flags, ADIT_SV2_REQUIRES_VERSION_ROLLING);
	pool_job(&p, 1, false, 't');
	pool_tip(&p, 1, 9);
	expect_active("one");
	ck_assert(b.server.open);
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(expect_share(&p)->job_id, 1);
	end();
}
END_TEST

/* Jobs that came before the pool is worked for, future ones among them; and its prefix changes. */
START_TEST(proxy_from_the_middle)
{
	static const uint8_t other[PREFIX_SIZE] = {6, 6, 6};
	struct adit_sv2_set_extranonce_prefix prefix = {.channel_id = CHANNEL,
							.extranonce_prefix = {other, PREFIX_SIZE}};
	struct adit_sv2_set_target target = {.channel_id = CHANNEL};
	struct pool_side p;
	struct miner m;

	make();
	set("upstream", "two,one");
	set("upstream_return", "1");
	begin();
	tdp_open(&b, 0);
	new_tip(&b, 0, 1, NBITS_HARD);
	p = open_pool(TWO, 0xa2);
	for (uint32_t id = 1; id <= POOL_JOBS_FUTURE_MAX + 1; id++)
		pool_job(&p, id, false, (uint8_t)id);
	pool_job(&p, 17, false, 'x'); /* once more */
	pool_tip(&p, 17, 9);
	expect_active("two");
	pool_job(&p, 18, false, 'y');
	pool_job(&p, 19, false, 'z');
	m = open_miner(&b, connect_miner(&b, 1, 0), false);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(expect_share(&p)->job_id, 17);
	fake_conn_skip(m.conn);
	POOL_SAYS(&p, set_extranonce_prefix, &prefix);
	take_prefix(&m);
	take_job(&m);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(expect_share(&p)->job_id, 17);
	/* the future ones are there still; the target is that of the time of their tip */
	memset(target.target.b, 0xff, 28);
	POOL_SAYS(&p, set_target, &target);
	fake_host_run(b.host, 1100);
	POOL_SAYS(&p, set_target, &target);
	pool_tip(&p, 19, 10);
	ck_assert_uint_eq(works_find_job(&jdc->works, jdc->active, 19)->target[31], 0);
	end();
}
END_TEST

/* --- update_pool_config ------------------------------------------------------------------------
 */

static struct fake_reply *order(const char *json)
{
	return fake_host_call(b.host, "update_pool_config", json, NULL, 0);
}

START_TEST(orders_refused)
{
	static const struct {
		const char *json;
		int32_t error;
		const char *text;
	} cases[] = {
	    {"{}", ADIT_E_INVALID_ARGUMENT, "pool_url"},
	    {"{\"pool_url\":7}", ADIT_E_INVALID_ARGUMENT, "text"},
	    {"{\"pool_url\":\"http://x:1\"}", ADIT_E_INVALID_ARGUMENT, "pool_url"},
	    {"{\"pool_url\":\"evil.test:3333\",\"pool_user\":\"x\"}", ADIT_E_PERMISSION_DENIED,
	     "allow_pool"},
	    {"{\"pool_url\":\"three.ok.test:3333\",\"pool_user\":\"x\"}", ADIT_E_INVALID_ARGUMENT,
	     "authority_key"},
	    {"{\"pool_url\":\"three.ok.test:3333\",\"authority_key\":\"" KEY "\"}",
	     ADIT_E_INVALID_ARGUMENT, "pool_user"},
	    {"{\"pool_url\":\"three.ok.test:3333\",\"authority_key\":\"rubbish\"}",
	     ADIT_E_INVALID_ARGUMENT, "authority_key"},
	    {"{\"pool_url\":\"" ONE "\",\"jds_url\":\"evil.test:1\"}", ADIT_E_PERMISSION_DENIED,
	     "jds_url"},
	    {"{\"pool_url\":\"stratum+tcp://me:secret@" ONE "\"}", ADIT_E_INVALID_ARGUMENT,
	     "pool_user"},
	};
	struct fake_reply *r;

	make();
	set("allow_pool", "*.ok.test, four.test:1");
	(void)ready(NBITS_HARD);
	r = order(cases[_i].json);
	ck_assert_int_eq(r->error, cases[_i].error);
	ck_assert_msg(strstr(r->message, cases[_i].text) != NULL, "%s", r->message);
	fake_reply_free(r);
	ck_assert(fake_host_logged(b.host, "update_pool_config by control"));
	ck_assert(!fake_host_logged(b.host, "secret"));
	ck_assert_uint_eq(jdc->pool_count, 2);
	ck_assert_str_eq(jdc->active->settings.name, "one");
	end();
}
END_TEST

static bool order_done(void *user)
{
	(void)user;
	return jdc->order.pool == NULL;
}

START_TEST(order_that_holds)
{
	struct pool_side p;
	struct fake_reply *r;

	make();
	set("allow_pool", "three.test");
	(void)ready(NBITS_HARD);
	r = order("{\"pool_url\":\"stratum2+tcp://three.test:4444/" KEY
		  "\",\"pool_user\":\"me\",\"pool_password\":\"secret\"}");
	ck_assert_msg(r->error == ADIT_OK, "%s", r->message);
	ck_assert_ptr_nonnull(strstr(r->json, "\"previous\":\"" ONE "\""));
	fake_reply_free(r);
	p = open_pool("three.test:4444", 0xa4);
	pool_job(&p, 1, false, 't');
	pool_tip(&p, 1, 9);
	expect_active("ordered");
	ck_assert(wait_for(order_done, NULL));
	ck_assert_uint_eq(jdc->pool_count, 3);
	ck_assert(fake_host_logged(b.host, "it gives work, and stays"));
	ck_assert(!fake_host_logged(b.host, "secret"));
	/* the next one replaces it, once it holds */
	r = order("{\"pool_url\":\"" TWO "\"}");
	ck_assert_msg(r->error == ADIT_OK, "%s", r->message);
	fake_reply_free(r);
	(void)open_two();
	ck_assert(wait_for(order_done, NULL));
	ck_assert_uint_eq(jdc->pool_count, 3);
	ck_assert_str_eq(jdc->active->settings.pool.address, TWO);
	ck_assert_uint_eq(fake_host_published(b.host, "MiningPoolConnected"), 3);
	ck_assert_uint_eq(fake_host_published(b.host, "MiningPoolDisconnected"), 2);
	end();
}
END_TEST

/* Without a key of its own the declaration server has the pool's, here too. */
START_TEST(order_with_a_declaration_server)
{
	struct adit_sv2_client *c;
	struct fake_reply *r;

	make();
	set("allow_pool", "three.test");
	(void)ready(NBITS_HARD);
	r = order("{\"pool_url\":\"three.test:4444\",\"authority_key\":\"" KEY
		  "\",\"pool_user\":\"me\",\"jds_url\":\"three.test:5555\"}");
	ck_assert_msg(r->error == ADIT_OK, "%s", r->message);
	ck_assert_ptr_nonnull(strstr(r->json, "\"mode\":\"full-template\""));
	fake_reply_free(r);
	(void)expect_dial("three.test:4444");
	c = fake_client_find(&clients, ADIT_SV2_JOB_DECLARATION, "three.test:5555");
	ck_assert_ptr_nonnull(c);
	ck_assert_str_eq(c->authority, KEY);
	end();
}
END_TEST

START_TEST(order_after_order)
{
	struct fake_reply *r;

	make();
	(void)ready(NBITS_HARD);
	for (int i = 0; i < 2; i++) {
		r = order("{\"pool_url\":\"stratum+tcp://" TWO "\",\"pool_user\":\"me\"}");
		ck_assert_msg(r->error == ADIT_OK, "%s", r->message);
		fake_reply_free(r);
		ck_assert_uint_eq(jdc->pool_count, 3);
	}
	ck_assert(fake_host_logged(b.host, "replaced by another order"));
	ck_assert_str_eq(jdc->active->settings.name, "one");
	end();
}
END_TEST

/* What gives work holds, also when the next order comes at once. */
START_TEST(order_right_after_order)
{
	struct fake_reply *r;
	struct pool_side p;

	make();
	(void)ready(NBITS_HARD);
	r = order("{\"pool_url\":\"" TWO "\",\"pool_user\":\"me\"}");
	ck_assert_msg(r->error == ADIT_OK, "%s", r->message);
	fake_reply_free(r);
	p = open_two();
	jdc->order.until_ms = 0; /* nor is it too late for it */
	r = order("{\"pool_url\":\"" ONE "\"}");
	ck_assert_msg(r->error == ADIT_OK, "%s", r->message);
	fake_reply_free(r);
	ck_assert(fake_host_logged(b.host, "it gives work, and stays"));
	ck_assert(!fake_host_logged(b.host, "replaced by another order"));
	ck_assert(!p.client->freed);
	ck_assert_str_eq(jdc->active->settings.user, "me");
	end();
}
END_TEST

/* The role has started, and does not know yet whether there are templates. */
START_TEST(order_too_early)
{
	struct fake_reply *r;

	make();
	begin();
	r = order("{\"pool_url\":\"" TWO "\"}");
	ck_assert_int_eq(r->error, ADIT_E_UNAVAILABLE);
	fake_reply_free(r);
	end();
}
END_TEST

START_TEST(order_that_is_rolled_back)
{
	struct fake_reply *r;

	make();
	set("rollback_after", "1000");
	(void)ready(NBITS_HARD);
	r = order("{\"pool_url\":\"" TWO "\",\"pool_user\":\"me\"}");
	ck_assert_msg(r->error == ADIT_OK, "%s", r->message);
	fake_reply_free(r);
	(void)expect_dial(TWO);
	ck_assert(wait_for(order_done, NULL));
	ck_assert(fake_host_logged(b.host, "rolled back"));
	r = fake_host_call(b.host, "status", "{}", NULL, 0);
	ck_assert_ptr_nonnull(strstr(r->json, "\"order\":null"));
	ck_assert_ptr_nonnull(strstr(r->json, "rolled back"));
	fake_reply_free(r);
	ck_assert_uint_eq(jdc->pool_count, 2);
	ck_assert_str_eq(jdc->active->settings.name, "one");
	end();
}
END_TEST

/* --- configuration and status ------------------------------------------------------------------
 */

START_TEST(settings_refused)
{
	static const struct {
		const char *key;
		const char *value;
		const char *text;
	} cases[] = {
	    {"payout", "nonsense", "payout"},
	    {"payout",
	     "wpkh(xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJoC"
	     "u1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8/0/*)",
	     "payout"},
	    {"mode", "half", "mode"},
	    {"answer_timeout", "1", "answer_timeout"},
	    {"one.address", "", "one: address"},
	    {"one.address", "unix:/x", "one: address"},
	    {"one.authority_key", "x", "one: authority_key"},
	    {"one.authority_key", "", "one: authority_key"},
	    {"one.jds_address", "nowhere", "one: jds_address"},
	    {"one.user_identity", "", "one: user_identity"},
	    {"one.mode", "solo", "one: mode"},
	    {"one.hash_rate", "-1", "one: hash_rate"},
	    {"upstream", "one,a-name-that-is-longer-than-a-section-may-have", "name"},
	    {"extranonce_size", "3", "extranonce_size"},
	};

	make();
	set(cases[_i].key, cases[_i].value);
	ck_assert_int_ne(fake_host_start(b.host, &adit_plugin), ADIT_OK);
	ck_assert_msg(strstr(fake_host_error(b.host), cases[_i].text) != NULL, "%s",
		      fake_host_error(b.host));
	end();
}
END_TEST

static void expect_text(struct json_object *o, const char *key, const char *value)
{
	struct json_object *member;

	ck_assert_msg(json_object_object_get_ex(o, key, &member), "%s", key);
	ck_assert_str_eq(json_object_get_string(member), value);
}

/* A pool that was lost at once is left alone for a while: it is said how long. */
START_TEST(solo_while_the_only_pool_cools)
{
	struct json_object *o, *list, *next;
	struct fake_reply *r;
	struct pool_side p;

	make();
	set("upstream", "one");
	p = ready(NBITS_HARD);
	job_set(&p, expect_custom_job(&p), 55);
	fake_client_close(p.client, "end of file");
	expect_active(NULL);
	ck_assert(fake_host_logged(
	    b.host, "mining solo: no pool gives work; one (cooling) is tried again in "));
	r = fake_host_call(b.host, "status", "{}", NULL, 0);
	o = json_tokener_parse(r->json);
	fake_reply_free(r);
	ck_assert(json_object_object_get_ex(o, "upstreams", &list));
	list = json_object_array_get_idx(list, 0);
	expect_text(list, "state", "cooling");
	ck_assert(json_object_object_get_ex(list, "next_ms", &next));
	ck_assert_int_gt(json_object_get_int64(next), 0);
	json_object_put(o);
	end();
}
END_TEST

START_TEST(status)
{
	struct json_object *o, *list, *first;
	struct fake_reply *r;
	struct pool_side p;

	make();
	p = ready(NBITS_HARD);
	job_set(&p, expect_custom_job(&p), 55);
	r = fake_host_call(b.host, "status", "{}", NULL, 0);
	ck_assert_int_eq(r->error, ADIT_OK);
	o = json_tokener_parse(r->json);
	fake_reply_free(r);
	expect_text(o, "upstream", "one");
	expect_text(o, "mode", "full-template");
	ck_assert(json_object_object_get_ex(o, "upstreams", &list));
	ck_assert_uint_eq(json_object_array_length(list), 2);
	first = json_object_array_get_idx(list, 0);
	expect_text(first, "state", "active");
	expect_text(first, "jobs_acknowledged", "1");
	expect_text(first, "address", ONE);
	expect_text(json_object_array_get_idx(list, 1), "state", "waiting");
	json_object_put(o);
	ck_assert_str_eq(fake_host_status(b.host), "mining at height 101 for one, full-template");
	r = fake_host_call(b.host, "get_pool_stats", "{}", NULL, 0);
	ck_assert_int_eq(r->error, ADIT_OK);
	ck_assert_ptr_nonnull(strstr(r->json, "\"pool_url\":\"" ONE "\""));
	fake_reply_free(r);
	end();
}
END_TEST

START_TEST(reload)
{
	struct pool_side p;

	make();
	p = ready(NBITS_HARD);
	/* the active pool stays */
	set("upstream", "two,one");
	ck_assert_int_eq(fake_host_reload(b.host), ADIT_OK);
	ck_assert_str_eq(jdc->active->settings.name, "one");
	ck_assert(!p.client->freed);
	ck_assert_uint_eq(jdc->pool_count, 2);
	ck_assert_str_eq(jdc->pools[0]->settings.name, "two");
	/* it is gone: the next one */
	set("upstream", "two");
	ck_assert_int_eq(fake_host_reload(b.host), ADIT_OK);
	ck_assert(p.client->freed);
	(void)open_two();
	expect_active("two");
	ck_assert_uint_eq(jdc->pool_count, 1);
	/* rubbish changes nothing, and some things want a new start */
	set("two.user_identity", "");
	ck_assert_int_eq(fake_host_reload(b.host), ADIT_E_CONFIG);
	set("two.user_identity", "other");
	/* also what is only seen when all else was read; more than once, for a leak to show */
	set("payout", "wpkh(tpubD6NzVbkrYhZ4XgiXtGrdW5XDAPFCL9h7we1vwNCpn8tGbBcgfVYjXyhW"
		      "o4E1xkh56hjod1RhGjxbaTLV3X4FyWuejifB9jusQ46QzG87VKp/0/*)");
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(fake_host_reload(b.host), ADIT_E_CONFIG);
	set("payout", options[0].value);
	set("extranonce_size", "9");
	ck_assert_int_eq(fake_host_reload(b.host), ADIT_E_UNSUPPORTED);
	end();
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("jdc");
	TCase *c = tcase_create("declared jobs");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, full_template);
	tcase_add_test(c, name_of_a_worker);
	tcase_add_test(c, standard_channel);
	tcase_add_test(c, next_template_and_tip);
	tcase_add_test(c, coinbase_only);
	tcase_add_test(c, shares_below_the_pools_target);
	tcase_add_test(c, bound_by_the_pools_target);
	tcase_add_loop_test(c, not_flooded_before_a_claim, 0,
			    sizeof difficulties / sizeof difficulties[0]);
	tcase_add_test(c, not_flooded_by_a_larger_miner);
	tcase_add_test(c, block);
	tcase_add_test(c, block_before_the_pool_knows);
	tcase_add_test(c, late_block_refused);
	tcase_add_test(c, block_is_written_down);
	tcase_add_test(c, held_shares_are_bounded);
	tcase_add_test(c, called_stale);
	tcase_add_test(c, transactions_can_not_be_had);
	tcase_add_test(c, transactions_can_never_be_had);
	tcase_add_test(c, pools_prefix_changes);
	tcase_add_test(c, pools_outputs_change);
	suite_add_tcase(suite, c);
	c = tcase_create("pools");
	tcase_set_timeout(c, 120);
	tcase_add_test(c, room_for_the_pools_outputs);
	tcase_add_test(c, held_shares_at_a_switch);
	tcase_add_test(c, next_pool_then_solo_and_back);
	tcase_add_test(c, solo_while_the_only_pool_cools);
	tcase_add_test(c, no_pool_at_all);
	tcase_add_test(c, solo_by_configuration);
	tcase_add_loop_test(c, faults, 0, 8);
	tcase_add_test(c, templates_lost_and_back);
	tcase_add_test(c, another_extranonce_length);
	tcase_add_test(c, no_room_for_a_pools_extranonce);
	tcase_add_test(c, no_templates_at_the_start);
	tcase_add_test(c, proxy_from_the_middle);
	suite_add_tcase(suite, c);
	c = tcase_create("administration");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, orders_refused, 0, 9);
	tcase_add_test(c, order_that_holds);
	tcase_add_test(c, order_with_a_declaration_server);
	tcase_add_test(c, order_after_order);
	tcase_add_test(c, order_right_after_order);
	tcase_add_test(c, order_too_early);
	tcase_add_test(c, order_that_is_rolled_back);
	tcase_add_loop_test(c, settings_refused, 0, 14);
	tcase_add_test(c, status);
	tcase_add_test(c, reload);
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
