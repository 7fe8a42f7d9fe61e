/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/pool_rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/clock.h"

/* --- one pool with everything around it --------------------------------------------------------
 */

char *manifest_text(void)
{
	const char *srcdir = getenv("srcdir");
	char path[1024];
	char *text;

	snprintf(path, sizeof path, "%s/plugins/pool/pool.manifest", srcdir ? srcdir : ".");
	text = fake_host_read_file(path);
	ck_assert_msg(text != NULL, "%s is missing", path);
	return text;
}

/* Shares are found in a few tries and are no blocks, unless a test says otherwise. */
const struct fake_option usual[] = {
    {"payout", "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"},
    {"template_provider", "unix:/nonexistent/a.sock,unix:/nonexistent/b.sock"},
    {"tag", "test"},
    {"min_difficulty", "0.000000001"},
    {"provider_patience", "0"},
    {"provider_return", "0"},
    {NULL, NULL},
};

void bench_make(struct bench *b, const struct fake_option *more)
{
	*b = (struct bench){
	    .next_template = 1, .height = 101, .now = clock_unix(), .user = "alice.rig1"};
	b->manifest = manifest_text();
	b->host = fake_host_new("pool", b->manifest, usual, NULL);
	fake_host_set_network(b->host, "regtest");
	for (; more && more->key; more++)
		fake_host_set_config(b->host, more->key, more->value);
	fake_server_init(&b->server);
	b->server_host = fake_host_new("sv2-server", NULL, NULL, b->host);
	ck_assert_int_eq(fake_host_api()->service_offer(b->server_host, ADIT_SV2_SERVER_SERVICE,
							&b->server.service),
			 ADIT_OK);
}

void bench_start(struct bench *b)
{
	ck_assert_msg(fake_host_start(b->host, &adit_plugin) == ADIT_OK, "%s",
		      fake_host_error(b->host));
	b->pool = fake_host_instance(b->host);
	b->mining = &b->pool->mining;
}

void bench_stop(struct bench *b)
{
	fake_host_stop(b->host);
	b->pool = NULL;
	for (int i = 0; i < 2; i++) {
		if (b->tdp[i])
			fake_conn_free(b->tdp[i]);
		b->tdp[i] = NULL;
	}
}

void bench_free(struct bench *b)
{
	fake_host_free(b->server_host);
	fake_host_free(b->host);
	free(b->manifest);
}

struct provider *provider(struct bench *b, int i)
{
	return &b->mining->providers.items[i];
}

/* The template provider's side of its connection. */
void tdp_open(struct bench *b, int i)
{
	struct adit_sv2_setup_connection_success success = {.used_version = 2};

	b->tdp[i] = fake_conn_new(1000 + (uint32_t)i, 0);
	provider_handlers.opened(provider(b, i), &b->tdp[i]->head, &success);
}

void tdp_close(struct bench *b, int i)
{
	provider_handlers.closed(provider(b, i), &b->tdp[i]->head, "gone");
	fake_conn_free(b->tdp[i]);
	b->tdp[i] = NULL;
}

const uint8_t siblings[2][32] = {{0x11, 0x22}, {0x33}};

/* Two other transactions' branches, one output of the template (a commitment's size).
 */
struct adit_sv2_new_template template_message(struct bench *b, bool future)
{
	static uint8_t height[] = {0x01, 0};
	static const uint8_t output[8 + 1 + 6] = {0, 0,    0, 0,   0,   0,   0,  0,
						  6, 0x6a, 4, 'a', 'd', 'i', 't'};

	height[1] = b->height;
	return (struct adit_sv2_new_template){
	    .template_id = b->next_template++,
	    .future_template = future,
	    .version = BLOCK_VERSION,
	    .coinbase_tx_version = 2,
	    .coinbase_prefix = {.data = height, .size = sizeof height},
	    .coinbase_tx_input_sequence = 0xfffffffe,
	    /* Fees grow on the same tip: another coinbase, another header. */
	    .coinbase_tx_value_remaining = 5000001000 + (future ? 0 : b->next_template),
	    .coinbase_tx_outputs_count = 1,
	    .coinbase_tx_outputs = {.data = output, .size = sizeof output},
	    .coinbase_tx_locktime = 100,
	    .merkle_path = {.data = siblings[0], .size = 64, .count = 2},
	};
}

uint64_t send_template(struct bench *b, int i, bool future)
{
	struct adit_sv2_new_template m = template_message(b, future);

	ck_assert_int_eq(provider_handlers.new_template(provider(b, i), &b->tdp[i]->head, &m),
			 ADIT_OK);
	provider_handlers.batch_end(provider(b, i), &b->tdp[i]->head);
	return m.template_id;
}

int32_t send_tip(struct bench *b, int i, uint64_t id, uint8_t tip, uint32_t nbits)
{
	struct adit_sv2_template_set_new_prev_hash m = {
	    .template_id = id, .ntime_start = b->now - 600, .n_bits = nbits};

	memset(m.prev_hash.b, tip, 32);
	ck_assert(target_from_nbits(nbits, m.target.b));
	return provider_handlers.template_set_new_prev_hash(provider(b, i), &b->tdp[i]->head, &m);
}

void new_tip(struct bench *b, int i, uint8_t tip, uint32_t nbits)
{
	ck_assert_int_eq(send_tip(b, i, send_template(b, i, true), tip, nbits), ADIT_OK);
}

/* A pool that serves: connected, with a template on tip 1. */
void bench_ready(struct bench *b, const struct fake_option *more, uint32_t nbits)
{
	bench_make(b, more);
	bench_start(b);
	tdp_open(b, 0);
	new_tip(b, 0, 1, nbits);
	ck_assert(b->server.open);
}

void bench_end(struct bench *b)
{
	bench_stop(b);
	bench_free(b);
}

/* --- a miner -----------------------------------------------------------------------------------
 */

const struct adit_u256 any_target = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
				      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

void send_open(struct bench *b, struct fake_conn *conn, bool standard, float hashrate,
	       const struct adit_u256 *max_target, uint16_t min_extranonce)
{
	struct adit_bytes user = {(const uint8_t *)b->user, (uint32_t)strlen(b->user)};
	struct adit_sv2_open_standard_mining_channel s = {.request_id = 77,
							  .user_identity = user,
							  .nominal_hash_rate = hashrate,
							  .max_target = *max_target};
	struct adit_sv2_open_extended_mining_channel x = {.request_id = 78,
							  .user_identity = user,
							  .nominal_hash_rate = hashrate,
							  .max_target = *max_target,
							  .min_extranonce_size = min_extranonce};
	const struct adit_sv2_mining_server_handlers *h = b->server.handlers;

	if (standard)
		ck_assert_int_eq(
		    h->open_standard_mining_channel(b->server.context, &conn->head, &s), ADIT_OK);
	else
		ck_assert_int_eq(
		    h->open_extended_mining_channel(b->server.context, &conn->head, &x), ADIT_OK);
}

/* Takes the next job and, when it is a future one, the SetNewPrevHash that activates it. */
void take_job(struct miner *m)
{
	const struct sent *s;
	bool future;

	if (m->standard && m->extended == NULL) {
		s = fake_conn_next(m->conn, ADIT_SV2_NEW_MINING_JOB);
		ck_assert_ptr_nonnull(s);
		ck_assert_uint_eq(s->body.new_mining_job.channel_id, m->channel);
		m->job = s->body.new_mining_job.job_id;
		m->version = s->body.new_mining_job.version;
		memcpy(m->root, s->body.new_mining_job.merkle_root.b, 32);
		future = !s->body.new_mining_job.ntime_start.present;
	} else {
		s = fake_conn_next(m->conn, ADIT_SV2_NEW_EXTENDED_MINING_JOB);
		ck_assert_ptr_nonnull(s);
		m->extended = &s->body.new_extended_mining_job;
		m->job = m->extended->job_id;
		m->version = m->extended->version;
		future = !m->extended->ntime_start.present;
	}
	if (future) {
		s = fake_conn_next(m->conn, ADIT_SV2_SET_NEW_PREV_HASH);
		ck_assert_ptr_nonnull(s);
		ck_assert_uint_eq(s->body.set_new_prev_hash.job_id, m->job);
		memcpy(m->prev_hash, s->body.set_new_prev_hash.prev_hash.b, 32);
		m->nbits = s->body.set_new_prev_hash.nbits;
		m->min_ntime = s->body.set_new_prev_hash.ntime_start;
	}
	m->ntime = m->min_ntime;
	m->share_version = m->version;
}

struct miner open_miner(struct bench *b, struct fake_conn *conn, bool standard)
{
	struct miner m = {.bench = b, .conn = conn, .standard = standard};
	const struct sent *s;

	fake_conn_skip(conn);
	send_open(b, conn, standard, 0, &any_target, 8);
	if (standard) {
		s = fake_conn_next(conn, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL_SUCCESS);
		ck_assert_ptr_nonnull(s);
		m.channel = s->body.open_standard_mining_channel_success.channel_id;
		memcpy(m.target, s->body.open_standard_mining_channel_success.target.b, 32);
		m.prefix_size = s->body.open_standard_mining_channel_success.extranonce_prefix.size;
		memcpy(m.prefix,
		       s->body.open_standard_mining_channel_success.extranonce_prefix.data,
		       m.prefix_size);
	} else {
		const struct adit_sv2_open_extended_mining_channel_success *x;

		s = fake_conn_next(conn, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS);
		ck_assert_ptr_nonnull(s);
		x = &s->body.open_extended_mining_channel_success;
		m.channel = x->channel_id;
		memcpy(m.target, x->target.b, 32);
		m.rollable = x->extranonce_size;
		m.prefix_size = x->extranonce_prefix.size;
		memcpy(m.prefix, x->extranonce_prefix.data, m.prefix_size);
	}
	take_job(&m);
	return m;
}

struct fake_conn *connect_miner(struct bench *b, uint32_t id, uint32_t flags)
{
	struct fake_conn *c = fake_server_connect(&b->server, id, flags, NULL);

	ck_assert_ptr_nonnull(c);
	return c;
}

static void extended_root(struct miner *m, uint8_t root[32])
{
	const struct adit_sv2_new_extended_mining_job *j = m->extended;
	uint8_t txid[32];

	coinbase_txid(j->coinbase_tx_prefix.data, j->coinbase_tx_prefix.size, m->prefix,
		      m->prefix_size, m->extranonce, m->rollable, j->coinbase_tx_suffix.data,
		      j->coinbase_tx_suffix.size, txid);
	merkle_fold(txid, j->merkle_path.data, j->merkle_path.count, root);
}

void hash_header(struct miner *m)
{
	struct block_header h = {
	    .version = m->share_version, .time = m->ntime, .nbits = m->nbits, .nonce = m->nonce};

	memcpy(h.prev_hash, m->prev_hash, 32);
	if (m->extended)
		extended_root(m, h.merkle_root);
	else
		memcpy(h.merkle_root, m->root, 32);
	block_header_write(&h, m->header);
	sha256d_header(m->header, m->hash);
}

/* Goes on to the next nonce whose hash meets TARGET (or, with MEETS false, does not). */
void solve(struct miner *m, const uint8_t target[32], bool meets)
{
	do {
		m->nonce++;
		hash_header(m);
	} while (target_met(m->hash, target) != meets);
}

void submit(struct miner *m)
{
	const struct adit_sv2_mining_server_handlers *h = m->bench->server.handlers;
	void *context = m->bench->server.context;
	struct adit_sv2_submit_shares_standard s = {.channel_id = m->channel,
						    .sequence_number = ++m->sequence,
						    .job_id = m->job,
						    .nonce = m->nonce,
						    .ntime = m->ntime,
						    .version = m->share_version};
	struct adit_sv2_submit_shares_extended x = {
	    .channel_id = m->channel,
	    .sequence_number = m->sequence,
	    .job_id = m->job,
	    .nonce = m->nonce,
	    .ntime = m->ntime,
	    .version = m->share_version,
	    .extranonce = {.data = m->extranonce, .size = (uint32_t)m->rollable}};

	if (m->worker)
		x.user_identity =
		    (struct adit_bytes){(const uint8_t *)m->worker, (uint32_t)strlen(m->worker)};

	if (m->standard)
		ck_assert_int_eq(h->submit_shares_standard(context, &m->conn->head, &s), ADIT_OK);
	else
		ck_assert_int_eq(h->submit_shares_extended(context, &m->conn->head, &x), ADIT_OK);
}

void batch_end(struct miner *m)
{
	m->bench->server.handlers->batch_end(m->bench->server.context, &m->conn->head);
}

/* Submits and expects a SubmitShares.Success of this one share. */
void expect_accepted(struct miner *m)
{
	const struct sent *s;

	fake_conn_skip(m->conn);
	submit(m);
	batch_end(m);
	s = fake_conn_next(m->conn, ADIT_SV2_SUBMIT_SHARES_SUCCESS);
	ck_assert_msg(s != NULL, "the share was not accepted");
	ck_assert_uint_eq(s->body.submit_shares_success.channel_id, m->channel);
	ck_assert_uint_eq(s->body.submit_shares_success.last_sequence_number, m->sequence);
	ck_assert_uint_eq(s->body.submit_shares_success.new_submits_accepted_count, 1);
}

void expect_refused(struct miner *m, const char *code)
{
	const struct sent *s;

	fake_conn_skip(m->conn);
	submit(m);
	s = fake_conn_next(m->conn, ADIT_SV2_SUBMIT_SHARES_ERROR);
	ck_assert_msg(s != NULL, "%s was not refused", code);
	ck_assert_uint_eq(s->body.submit_shares_error.channel_id, m->channel);
	ck_assert_uint_eq(s->body.submit_shares_error.sequence_number, m->sequence);
	ck_assert_msg(sent_text_is(&s->body.submit_shares_error.error_code, code),
		      "expected %s, was refused as %.*s", code,
		      (int)s->body.submit_shares_error.error_code.size,
		      (const char *)s->body.submit_shares_error.error_code.data);
	batch_end(m);
	ck_assert_uint_eq(fake_conn_count(m->conn, ADIT_SV2_SUBMIT_SHARES_SUCCESS), 0);
}

void leave(struct bench *b, struct fake_conn *c)
{
	fake_server_disconnect(&b->server, c);
	fake_conn_free(c);
}
