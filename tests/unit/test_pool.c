/* SPDX-License-Identifier: MIT */
/* The pool through its handlers: the test is the template provider, the miners and the host. */
#include "config.h"

#include <check.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <adit/share_log.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/mining/work.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"
#include "tests/unit/pool_rig.h"

/* --- start -------------------------------------------------------------------------------------
 */

static void expect_no_start(const char *key, const char *value, const char *word)
{
	struct fake_option option[] = {{key, value}, {NULL, NULL}};
	struct bench b;

	bench_make(&b, option);
	ck_assert_int_ne(fake_host_start(b.host, &adit_plugin), ADIT_OK);
	ck_assert_msg(strstr(fake_host_error(b.host), word) != NULL, "%s = %s: \"%s\" has no %s",
		      key, value, fake_host_error(b.host), word);
	bench_free(&b);
}

START_TEST(wrong_configuration)
{
	expect_no_start("payout", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "payout");
	expect_no_start("payout", "nonsense", "payout");
	expect_no_start("extranonce_size", "26", "extranonce_size");
	expect_no_start("extranonce_size", "7", "extranonce_size");
	/* 8 of the template, 1 + 71 of the tag, 1 + 20 of the extranonce: 101 bytes of scriptSig.
	 */
	expect_no_start("tag",
			"01234567890123456789012345678901234567890123456789012345678901234567890",
			"scriptSig");
	expect_no_start("min_difficulty", "0", "min_difficulty");
	expect_no_start("fixed_difficulty", "soon", "fixed_difficulty");
	expect_no_start("start_difficulty", "-1", "start_difficulty");
	expect_no_start("min_difficulty", "1e13", "max_difficulty");
	expect_no_start("template_provider", "", "template_provider");
	expect_no_start("template_provider", "127.0.0.1:8442", "authority");
}
END_TEST

START_TEST(no_server)
{
	struct adit_host *host;
	char *manifest = manifest_text();

	host = fake_host_new("pool", manifest, usual, NULL);
	fake_host_set_network(host, "regtest");
	ck_assert_int_eq(fake_host_start(host, &adit_plugin), ADIT_E_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(fake_host_error(host), "sv2-server"));
	fake_host_free(host);
	free(manifest);
}
END_TEST

START_TEST(opens_with_template_and_tip)
{
	struct bench b;
	const struct sent *s;
	uint64_t id;

	bench_make(&b, NULL);
	bench_start(&b);
	ck_assert_str_eq(fake_host_status(b.host), "connecting to the template provider");
	tdp_open(&b, 0);
	s = fake_conn_next(b.tdp[0], ADIT_SV2_COINBASE_OUTPUT_CONSTRAINTS);
	ck_assert_ptr_nonnull(s);
	/* 31 bytes for the pool's output and 51 for the largest of a miner's, P2PKH's operations.
	 */
	ck_assert_uint_eq(s->body.coinbase_output_constraints.coinbase_output_max_additional_size,
			  128);
	ck_assert_uint_eq(s->body.coinbase_output_constraints.coinbase_output_max_additional_sigops,
			  16);
	ck_assert_str_eq(fake_host_status(b.host), "waiting for a template");
	id = send_template(&b, 0, true);
	ck_assert(!b.server.open);
	ck_assert_int_eq(send_tip(&b, 0, id, 1, NBITS_HARD), ADIT_OK);
	ck_assert(b.server.open);
	ck_assert_str_eq(fake_host_status(b.host), "mining at height 101");
	/* It stays open without a template provider, and says so. */
	tdp_close(&b, 0);
	ck_assert(b.server.open);
	ck_assert_uint_eq(b.server.opened_times, 1);
	ck_assert_ptr_nonnull(strstr(fake_host_status(b.host), "is away"));
	ck_assert(fake_host_logged(b.host, "goes on with the last template"));
	bench_end(&b);
}
END_TEST

START_TEST(stop_sends_reconnect)
{
	struct bench b;
	struct fake_conn *c;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	open_miner(&b, c, false);
	ck_assert_int_eq(fake_host_stop(b.host), ADIT_OK);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_RECONNECT), 1);
	ck_assert_uint_eq(b.server.withdrawn, 1);
	ck_assert(!b.server.open);
	fake_conn_free(c);
	bench_end(&b);
}
END_TEST

/* --- channels ----------------------------------------------------------------------------------
 */

START_TEST(first_jobs)
{
	struct bench b;
	struct fake_conn *c;
	struct miner x;
	struct miner s;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	x = open_miner(&b, c, false);
	s = open_miner(&b, c, true);
	ck_assert_uint_ne(x.channel, s.channel);
	ck_assert_uint_ne(x.channel, CHANNEL_GROUP);
	/* One full length in the group, and different ranges. */
	ck_assert_uint_eq(x.prefix_size + x.rollable, s.prefix_size);
	ck_assert_mem_ne(x.prefix, s.prefix, x.prefix_size);
	ck_assert_uint_eq(x.prefix_size, 7);
	ck_assert_uint_eq(x.rollable, 13);
	for (int i = 0; i < 2; i++) {
		struct miner *m = i ? &s : &x;

		solve(m, m->target, true);
		expect_accepted(m);
	}
	ck_assert_uint_eq(b.pool->mining.stats.accepted, 2);
	leave(&b, c);
	ck_assert_uint_eq(b.pool->mining.channel_count, 0);
	ck_assert_uint_eq(b.pool->mining.extranonce.live, 0);
	bench_end(&b);
}
END_TEST

static void expect_open_refused(struct bench *b, struct fake_conn *c, const char *code)
{
	const struct sent *s = fake_conn_next(c, ADIT_SV2_OPEN_MINING_CHANNEL_ERROR);

	ck_assert_msg(s != NULL, "not refused: %s", code);
	ck_assert_msg(sent_text_is(&s->body.open_mining_channel_error.error_code, code), "not %s",
		      code);
	ck_assert_uint_ge(s->body.open_mining_channel_error.request_id, 77);
	ck_assert_uint_eq(b->pool->mining.channel_count, 0);
}

START_TEST(open_refused)
{
	static const struct adit_u256 zero;
	static const float rates[] = {NAN, INFINITY, -INFINITY, -1.0f};
	struct bench b;
	struct fake_conn *c;
	struct fake_conn *standard;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	standard = connect_miner(&b, 2, ADIT_SV2_REQUIRES_STANDARD_JOBS);
	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
		send_open(&b, c, i % 2, rates[i], &any_target, 8);
		expect_open_refused(&b, c, "invalid-nominal-hashrate");
	}
	send_open(&b, c, false, 0, &any_target, 14);
	expect_open_refused(&b, c, "min-extranonce-size-too-large");
	send_open(&b, c, true, 0, &zero, 0);
	expect_open_refused(&b, c, "max-target-out-of-range");
	send_open(&b, standard, false, 0, &any_target, 8);
	expect_open_refused(&b, standard, "extended-channels-not-supported-for-standard-jobs");
	leave(&b, c);
	leave(&b, standard);
	bench_end(&b);
}
END_TEST

START_TEST(open_limit)
{
	static const struct fake_option few[] = {{"max_channels", "3"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c;
	struct miner m[3];

	bench_ready(&b, few, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	for (int i = 0; i < 3; i++)
		m[i] = open_miner(&b, c, i % 2);
	send_open(&b, c, false, 0, &any_target, 8);
	ck_assert(sent_text_is(&fake_conn_next(c, ADIT_SV2_OPEN_MINING_CHANNEL_ERROR)
				    ->body.open_mining_channel_error.error_code,
			       "channel-capacity-exhausted"));
	/* A closed one makes room; its id does not come back. */
	struct adit_sv2_close_channel close = {.channel_id = m[1].channel};

	b.server.handlers->close_channel(b.server.context, &c->head, &close);
	expect_refused(&m[1], "invalid-channel-id");
	ck_assert_uint_gt(open_miner(&b, c, true).channel, m[2].channel);
	/* The group's id closes all of them. */
	close.channel_id = CHANNEL_GROUP;
	b.server.handlers->close_channel(b.server.context, &c->head, &close);
	ck_assert_uint_eq(b.pool->mining.channel_count, 0);
	expect_refused(&m[0], "invalid-channel-id");
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* REQUIRES_WORK_SELECTION is refused by its flag; custom jobs are answered, not ignored. */
START_TEST(work_selection)
{
	struct adit_sv2_setup_result result;
	struct adit_sv2_set_custom_mining_job job = {.channel_id = 2, .request_id = 9};
	struct bench b;
	struct fake_conn *c;
	const struct sent *s;

	bench_ready(&b, NULL, NBITS_HARD);
	ck_assert_ptr_null(
	    fake_server_connect(&b.server, 1, ADIT_SV2_REQUIRES_WORK_SELECTION, &result));
	ck_assert_uint_eq(result.error_flags, ADIT_SV2_REQUIRES_WORK_SELECTION);
	c = fake_server_connect(&b.server, 2, ADIT_SV2_REQUIRES_VERSION_ROLLING, &result);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(result.flags, 0); /* the request's bits are not echoed */
	ck_assert_int_eq(b.server.handlers->set_custom_mining_job(b.server.context, &c->head, &job),
			 ADIT_OK);
	s = fake_conn_next(c, ADIT_SV2_SET_CUSTOM_MINING_JOB_ERROR);
	ck_assert(
	    sent_text_is(&s->body.set_custom_mining_job_error.error_code, "jd-not-supported"));
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* Prefixes differ between all channels of a process, and between starts of it. */
START_TEST(extranonce_is_unique)
{
	struct bench b;
	struct fake_conn *c[3];
	struct miner m[12];

	bench_ready(&b, NULL, NBITS_HARD);
	for (uint32_t i = 0; i < 3; i++) {
		c[i] = connect_miner(&b, i + 1, 0);
		for (uint32_t k = 0; k < 4; k++)
			m[i * 4 + k] = open_miner(&b, c[i], k % 2);
	}
	for (int i = 0; i < 12; i++) {
		/* server_id 1 and slice 1, as the fake host says */
		ck_assert_mem_eq(m[i].prefix, "\0\1\0\1", 4);
		for (int k = 0; k < i; k++)
			ck_assert_mem_ne(m[i].prefix, m[k].prefix, 7);
	}
	leave(&b, c[0]);
	c[0] = connect_miner(&b, 9, 0);
	struct miner again = open_miner(&b, c[0], false);

	for (int i = 0; i < 12; i++)
		ck_assert_mem_ne(again.prefix, m[i].prefix, 7);
	for (int i = 0; i < 3; i++)
		leave(&b, c[i]);
	bench_end(&b);
}
END_TEST

START_TEST(update_channel)
{
	struct adit_sv2_update_channel u = {.nominal_hash_rate = 1e6f, .max_target = any_target};
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	const struct sent *s;
	uint8_t target[32];
	uint32_t job;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	job = m.job;
	u.channel_id = m.channel;
	b.server.handlers->update_channel(b.server.context, &c->head, &u);
	s = fake_conn_next(c, ADIT_SV2_SET_TARGET);
	ck_assert_ptr_nonnull(s);
	target_from_hashrate(1e6, 6, target);
	ck_assert_mem_eq(s->body.set_target.target.b, target, 32);
	/* A new job makes it count; the old one keeps the target that it had. */
	solve(&m, m.target, true);
	while (target_met(m.hash, target))
		solve(&m, m.target, true);
	expect_accepted(&m);
	c->read = 0;
	fake_conn_next(c, ADIT_SV2_SET_TARGET);
	take_job(&m);
	ck_assert_uint_ne(m.job, job);
	solve(&m, target, false);
	expect_refused(&m, "difficulty-too-low");
	/* The device's bound is kept. */
	memset(u.max_target.b, 0, 32);
	u.max_target.b[20] = 1;
	u.nominal_hash_rate = 0;
	fake_conn_skip(c);
	b.server.handlers->update_channel(b.server.context, &c->head, &u);
	s = fake_conn_next(c, ADIT_SV2_SET_TARGET);
	ck_assert_mem_eq(s->body.set_target.target.b, u.max_target.b, 32);
	/* A job a second at most for one channel: the client could ask for ever more. */
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 0);
	work_tick(channel_find(c->user, m.channel), clock_monotonic_ms() + 2000);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 1);
	work_tick(channel_find(c->user, m.channel), clock_monotonic_ms() + 9000);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 1);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

static bool has_job(void *user)
{
	return fake_conn_count(user, ADIT_SV2_NEW_EXTENDED_MINING_JOB) > 0;
}

/* The job that a SetTarget had to wait for comes with the next tick, not with the next look at all
 * channels, which may be five seconds away. */
START_TEST(late_job_comes_soon)
{
	struct adit_sv2_update_channel u = {.max_target = any_target};
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	uint32_t ticks;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	u.channel_id = m.channel;
	for (int i = 1; i <= 2; i++) {
		fake_conn_skip(c);
		u.nominal_hash_rate = (float)i * 1e6f;
		b.server.handlers->update_channel(b.server.context, &c->head, &u);
		ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_TARGET), 1);
		ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB),
				  i == 1 ? 1 : 0);
	}
	/* A second has passed since the first one's job. */
	channel_find(c->user, m.channel)->job_sent_ms -= 1000;
	ticks = b.pool->mining.ticks;
	ck_assert(fake_host_wait(b.host, has_job, c, 10000));
	ck_assert_uint_le(b.pool->mining.ticks, ticks + 2);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 1);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(update_refused)
{
	struct adit_sv2_update_channel u = {.nominal_hash_rate = 1, .max_target = any_target};
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	const struct sent *s;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, true);
	for (int i = 0; i < 3; i++) {
		static const char *const codes[] = {
		    "invalid-channel-id", "invalid-nominal-hashrate", "max-target-out-of-range"};

		u.channel_id = i == 0 ? 99 : m.channel;
		u.nominal_hash_rate = i == 1 ? NAN : 1;
		memset(u.max_target.b, i == 2 ? 0 : 0xff, 32);
		b.server.handlers->update_channel(b.server.context, &c->head, &u);
		s = fake_conn_next(c, ADIT_SV2_UPDATE_CHANNEL_ERROR);
		ck_assert_ptr_nonnull(s);
		ck_assert(sent_text_is(&s->body.update_channel_error.error_code, codes[i]));
	}
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_TARGET), 0);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* --- shares ------------------------------------------------------------------------------------
 */

/* Protocol digest 15.3: inputs from a test of the reference implementation's server, hashes
 * recomputed. */
START_TEST(vector_share)
{
	static const struct fake_option options[] = {
	    {"payout", "raw(0014ebe1b7dcc293ccaa0ee743a86f89df8258c208fc)"},
	    {"tag", "Sv2///"},
	    {"extranonce_size", "25"},
	    {"shares_per_minute", "1"},
	    {NULL, NULL}};
	static const uint8_t height[] = {0x52, 0x00};
	uint8_t commitment[47];
	struct adit_sv2_new_template t = {.template_id = 1,
					  .future_template = true,
					  .version = 0x20000000,
					  .coinbase_tx_version = 2,
					  .coinbase_prefix = {height, 2},
					  .coinbase_tx_input_sequence = 0xffffffff,
					  .coinbase_tx_value_remaining = 5000000000,
					  .coinbase_tx_outputs_count = 1,
					  .coinbase_tx_outputs = {commitment, 47}};
	struct adit_sv2_template_set_new_prev_hash p = {
	    .template_id = 1, .ntime_start = 1745611000, .n_bits = 453040064};
	struct miner m;
	struct bench b;
	struct fake_conn *c;
	uint8_t bytes[80];

	ck_assert(
	    hex_decode("0000000000000000266a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689"
		       "799962b48bebd836974e8cf9",
		       commitment, sizeof commitment));
	ck_assert(hex_decode("17cd48869956dc99e01cd892e478e39dd563a0a3803b8bbe9e3e000000000000",
			     p.prev_hash.b, 32));
	ck_assert(target_from_nbits(p.n_bits, p.target.b));
	bench_make(&b, options);
	bench_start(&b);
	/* The vector's extranonce is 23 zeros, 01, 01, 7 zeros: prefix 0, the rest rolled. */
	memset(b.pool->mining.extranonce.base, 0, EXTRANONCE_OWN_BASE);
	tdp_open(&b, 0);
	provider_handlers.new_template(provider(&b, 0), &b.tdp[0]->head, &t);
	provider_handlers.template_set_new_prev_hash(provider(&b, 0), &b.tdp[0]->head, &p);
	c = connect_miner(&b, 1, 0);
	send_open(&b, c, false, 1000, &any_target, 25);
	m = (struct miner){
	    .bench = &b, .conn = c, .channel = CHANNEL_GROUP + 1, .rollable = 25, .prefix_size = 7};
	take_job(&m);
	ck_assert(
	    hex_decode("02000000010000000000000000000000000000000000000000000000000000000000000000"
		       "ffffffff2a5200065376322f2f2f20",
		       bytes, 52));
	ck_assert_uint_eq(m.extended->coinbase_tx_prefix.size, 52);
	ck_assert_mem_eq(m.extended->coinbase_tx_prefix.data, bytes, 52);
	m.nonce = 16647;
	m.ntime = 1745611105;
	m.extranonce[16] = 1;
	m.extranonce[17] = 1;
	hash_header(&m);
	ck_assert(
	    hex_decode("0000002017cd48869956dc99e01cd892e478e39dd563a0a3803b8bbe9e3e000000000000"
		       "cae378f9a9dc0d816aa282f36506f209ece36dd90eb50781a25798a509763a0561e90b68"
		       "c0d7001b07410000",
		       bytes, 80));
	ck_assert_mem_eq(m.header, bytes, 80);
	ck_assert(hex_decode_reversed(
	    "0001179d9861a761ffdadd11c307c4fc04eea3a418f7d687584e4434af158205", bytes, 32));
	c->read = 0;
	ck_assert_mem_eq(fake_conn_next(c, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS)
			     ->body.open_extended_mining_channel_success.target.b,
			 bytes, 32);
	expect_accepted(&m);
	ck_assert_uint_eq(b.pool->mining.stats.blocks_found, 0);
	/* The very next nonce is no share. */
	m.nonce++;
	expect_refused(&m, "difficulty-too-low");
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(every_error)
{
	struct bench b;
	struct fake_conn *c;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	for (int standard = 0; standard < 2; standard++) {
		struct miner m = open_miner(&b, c, standard);
		struct miner good;

		solve(&m, m.target, true);
		good = m;
		m.channel = 99;
		expect_refused(&m, "invalid-channel-id");
		m = good;
		m.standard = !standard; /* the other kind's message */
		expect_refused(&m, "invalid-channel-id");
		m = good;
		m.job += 1000;
		expect_refused(&m, "invalid-job-id");
		m = good;
		if (!standard) {
			m.rollable--;
			expect_refused(&m, "bad-extranonce-size");
			m.rollable += 2;
			expect_refused(&m, "bad-extranonce-size");
		}
		m = good;
		m.ntime = m.min_ntime - 1;
		expect_refused(&m, "invalid-share");
		m.ntime = clock_unix() + 7210;
		expect_refused(&m, "invalid-share");
		m = good;
		m.share_version = BLOCK_VERSION ^ 0x10;
		expect_refused(&m, "invalid-non-rollable-version-bit");
		m.share_version = BLOCK_VERSION ^ 0x20000000;
		expect_refused(&m, "invalid-non-rollable-version-bit");
		m = good;
		solve(&m, m.target, false);
		expect_refused(&m, "difficulty-too-low");
		/* None of these made the good one a duplicate. */
		good.sequence = m.sequence;
		expect_accepted(&good);
		expect_refused(&good, "duplicate-share");
		/* Rolling is fine inside of BIP323's mask, and ntime a little ahead. */
		good.share_version = BLOCK_VERSION ^ 0x1fffffe0;
		good.ntime = clock_unix() + 7000;
		solve(&good, good.target, true);
		expect_accepted(&good);
	}
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(fixed_version)
{
	static const struct fake_option fixed[] = {{"version_rolling", "false"}, {NULL, NULL}};
	struct adit_sv2_setup_result result;
	struct bench b;
	struct fake_conn *c;
	struct miner m;

	bench_ready(&b, fixed, NBITS_HARD);
	ck_assert_ptr_null(
	    fake_server_connect(&b.server, 1, ADIT_SV2_REQUIRES_VERSION_ROLLING, &result));
	ck_assert_uint_eq(result.error_flags, ADIT_SV2_REQUIRES_VERSION_ROLLING);
	c = fake_server_connect(&b.server, 2, 0, &result);
	ck_assert_uint_eq(result.flags, ADIT_SV2_REQUIRES_FIXED_VERSION);
	m = open_miner(&b, c, false);
	ck_assert(!m.extended->version_rolling_allowed);
	m.share_version = BLOCK_VERSION ^ 0x20;
	solve(&m, m.target, true);
	expect_refused(&m, "version-rolling-not-allowed");
	m.share_version = BLOCK_VERSION;
	solve(&m, m.target, true);
	expect_accepted(&m);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* future, active, past, stale: specification 05 and digest 9.5. */
START_TEST(jobs_over_time)
{
	struct bench b;
	struct fake_conn *c;
	uint64_t id;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	for (uint8_t tip = 2; tip < 6; tip += 2) {
		struct miner m = open_miner(&b, c, tip == 2);
		struct miner first = m;

		/* A better template of the same tip: the old job goes on to count. */
		fake_conn_skip(c);
		send_template(&b, 0, false);
		if (m.standard) { /* from here on by the group's extended jobs */
			m.extended = (const void *)1;
			m.rollable = 0;
		}
		take_job(&m);
		ck_assert_uint_ne(m.job, first.job);
		solve(&m, m.target, true);
		expect_accepted(&m);
		first.sequence = m.sequence;
		solve(&first, first.target, true);
		expect_accepted(&first);
		/* A job for a tip to come: not to be mined yet, the present ones still are. */
		id = send_template(&b, 0, true);
		m.job = b.pool->mining.last_job_id;
		expect_refused(&m, "invalid-job-id");
		m.job = b.pool->mining.last_job_id - 1;
		m.sequence++;
		solve(&first, first.target, true);
		expect_accepted(&first);
		ck_assert_int_eq(send_tip(&b, 0, id, tip, NBITS_HARD), ADIT_OK);
		expect_refused(&m, "stale-share");
		expect_refused(&first, "stale-share");
		/* One generation later nobody knows it any more. */
		new_tip(&b, 0, tip + 1, NBITS_HARD);
		expect_refused(&first, "invalid-job-id");
	}
	ck_assert_uint_eq(b.pool->mining.stats.stale, 4);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* A new tip whose template comes in the same read goes to one connection after the other, job and
 * tip in one write; a template without one is announced when the read is over. */
START_TEST(tip_in_one_read)
{
	const struct adit_sv2_template_client_handlers *h = &provider_handlers;
	struct fake_conn *c[2];
	struct adit_sv2_new_template t;
	struct bench b;

	bench_ready(&b, NULL, NBITS_HARD);
	for (uint32_t i = 0; i < 2; i++) {
		c[i] = connect_miner(&b, i + 1, i > 0 ? ADIT_SV2_REQUIRES_STANDARD_JOBS : 0);
		open_miner(&b, c[i], i > 0);
		fake_conn_skip(c[i]);
		c[i]->flushed = 0;
	}
	t = template_message(&b, true);
	ck_assert_int_eq(h->new_template(provider(&b, 0), &b.tdp[0]->head, &t), ADIT_OK);
	for (int i = 0; i < 2; i++)
		ck_assert_uint_eq(c[i]->read, c[i]->count);
	ck_assert_int_eq(send_tip(&b, 0, t.template_id, 2, NBITS_HARD), ADIT_OK);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(c[i]->count - c[i]->read, 2);
		ck_assert_uint_eq(c[i]->flushed, c[i]->count);
		ck_assert_int_eq(c[i]->sent[c[i]->read]->message,
				 i > 0 ? ADIT_SV2_NEW_MINING_JOB
				       : ADIT_SV2_NEW_EXTENDED_MINING_JOB);
		ck_assert_ptr_nonnull(fake_conn_next(c[i], ADIT_SV2_SET_NEW_PREV_HASH));
	}
	h->batch_end(provider(&b, 0), &b.tdp[0]->head);
	t = template_message(&b, true);
	ck_assert_int_eq(h->new_template(provider(&b, 0), &b.tdp[0]->head, &t), ADIT_OK);
	for (int i = 0; i < 2; i++)
		ck_assert_uint_eq(c[i]->read, c[i]->count);
	for (int i = 0; i < 2; i++) /* the second read has no news of it */
		h->batch_end(provider(&b, 0), &b.tdp[0]->head);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(c[i]->count - c[i]->read, 1);
		leave(&b, c[i]);
	}
	bench_end(&b);
}
END_TEST

/* What counted once may not count again because the same tip was announced anew. */
START_TEST(duplicates_outlive_reannouncement)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	struct miner twin;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	solve(&m, m.target, true);
	expect_accepted(&m);
	/* The provider comes back with the same work: byte for byte the same block header. */
	tdp_close(&b, 0);
	tdp_open(&b, 0);
	new_tip(&b, 0, 1, NBITS_HARD);
	c->read = 0;
	while (fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB) > 1)
		fake_conn_next(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB);
	twin = m;
	take_job(&twin);
	ck_assert_uint_ne(twin.job, m.job);
	twin.ntime = m.ntime;
	hash_header(&twin);
	ck_assert_mem_eq(twin.header, m.header, 80);
	expect_refused(&twin, "duplicate-share");
	expect_refused(&m, "duplicate-share"); /* nor did its job go stale */
	ck_assert_uint_eq(b.pool->mining.duplicates.count, 1);
	/* A new tip makes room: shares of the old one are stale, whatever they are. */
	new_tip(&b, 0, 2, NBITS_HARD);
	ck_assert_uint_eq(b.pool->mining.duplicates.count, 0);
	expect_refused(&m, "stale-share");
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(acknowledged_in_batches)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m[2];
	const struct sent *s;
	uint64_t sum = 0;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m[0] = open_miner(&b, c, false);
	m[1] = open_miner(&b, c, true);
	fake_conn_skip(c);
	for (int i = 0; i < 5; i++) {
		solve(&m[0], m[0].target, true);
		submit(&m[0]);
	}
	solve(&m[0], m[0].target, false);
	submit(&m[0]);
	solve(&m[1], m[1].target, true);
	submit(&m[1]);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SUBMIT_SHARES_SUCCESS), 0);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SUBMIT_SHARES_ERROR), 1); /* at once */
	batch_end(&m[0]);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SUBMIT_SHARES_SUCCESS), 2);
	for (int i = 0; i < 2; i++) {
		s = fake_conn_next(c, ADIT_SV2_SUBMIT_SHARES_SUCCESS);
		if (s->body.submit_shares_success.channel_id != m[0].channel)
			continue;
		ck_assert_uint_eq(s->body.submit_shares_success.last_sequence_number, 5);
		ck_assert_uint_eq(s->body.submit_shares_success.new_submits_accepted_count, 5);
	}
	batch_end(&m[0]);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SUBMIT_SHARES_SUCCESS), 0);
	/* Shares of difficulty 0.4: integral sums, nothing lost in the long run. */
	target_from_difficulty(0.4,
			       jobs_active(&channel_find(c->user, m[0].channel)->jobs)->target);
	jobs_active(&channel_find(c->user, m[0].channel)->jobs)->difficulty = 0.4;
	channel_find(c->user, m[0].channel)->ack.difficulty = 0;
	memset(jobs_active(&channel_find(c->user, m[0].channel)->jobs)->target, 0xff, 32);
	for (int i = 0; i < 10; i++) {
		m[0].nonce++;
		hash_header(&m[0]);
		submit(&m[0]);
		batch_end(&m[0]);
	}
	while ((s = fake_conn_next(c, ADIT_SV2_SUBMIT_SHARES_SUCCESS)))
		sum += s->body.submit_shares_success.new_shares_sum;
	ck_assert_uint_ge(sum, 3);
	ck_assert_uint_le(sum, 4);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* One channel can't fill the table for the others: slowed down, then closed. */
START_TEST(table_of_duplicates)
{
	static const struct fake_option small[] = {{"share_memory", "1"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	struct miner other;
	size_t limit;

	bench_ready(&b, small, NBITS_HARD);
	limit = b.pool->mining.duplicates.limit;
	ck_assert_uint_eq(limit, 98304);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	other = open_miner(&b, c, false);
	/* Some shares for the table to hold, as if many had come. */
	solve(&m, m.target, true);
	expect_accepted(&m);
	channel_find(c->user, m.channel)->tip_shares = (uint32_t)(limit / 16);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert(target_compare(channel_find(c->user, m.channel)->target, m.target) < 0);
	channel_find(c->user, m.channel)->tip_shares = (uint32_t)(limit / 4);
	solve(&m, m.target, true);
	expect_accepted(&m);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_CLOSE_CHANNEL), 1);
	ck_assert_ptr_null(channel_find(c->user, m.channel));
	/* Full all the same: refused, not forgotten; who goes on is closed. */
	solve(&other, other.target, true);
	expect_accepted(&other);
	b.pool->mining.duplicates.count = limit;
	for (int i = 0; i < 100; i++) {
		solve(&other, other.target, true);
		expect_refused(&other, "too-many-shares");
	}
	ck_assert_ptr_nonnull(channel_find(c->user, other.channel));
	solve(&other, other.target, true);
	expect_refused(&other, "too-many-shares");
	ck_assert_ptr_null(channel_find(c->user, other.channel));
	ck_assert(!c->closed);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(rubbish_closes_connection)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, true);
	solve(&m, m.target, true);
	m.job = 9999;
	for (int i = 0; i < 1000; i++)
		submit(&m);
	ck_assert(!c->closed);
	submit(&m);
	ck_assert(c->closed);
	ck_assert_ptr_nonnull(strstr(c->reason, "refused"));
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* --- broadcasts --------------------------------------------------------------------------------
 */

START_TEST(group_broadcast)
{
	struct bench b;
	struct fake_conn *mixed;
	struct fake_conn *solo;
	struct fake_conn *idle;
	struct miner m[3];
	struct miner st[2];
	uint64_t id;

	bench_ready(&b, NULL, NBITS_HARD);
	mixed = connect_miner(&b, 1, 0);
	solo = connect_miner(&b, 2, ADIT_SV2_REQUIRES_STANDARD_JOBS);
	idle = connect_miner(&b, 3, 0);
	for (int i = 0; i < 3; i++)
		m[i] = open_miner(&b, mixed, i == 2);
	for (int i = 0; i < 2; i++)
		st[i] = open_miner(&b, solo, true);
	fake_conn_skip(mixed);
	fake_conn_skip(solo);
	/* One frame for three channels; a message each where standard jobs are required. */
	send_template(&b, 0, false);
	ck_assert_uint_eq(mixed->count - mixed->read, 1);
	ck_assert(mixed->sent[mixed->read]->by_frame);
	ck_assert_uint_eq(solo->count - solo->read, 2);
	ck_assert_uint_eq(fake_conn_count(solo, ADIT_SV2_NEW_MINING_JOB), 2);
	ck_assert_uint_eq(idle->count, 0);
	for (int i = 0; i < 3; i++) {
		size_t read = mixed->read;

		m[i].extended = (const void *)1;
		take_job(&m[i]);
		ck_assert_uint_eq(m[i].extended->channel_id, CHANNEL_GROUP);
		mixed->read = read;
		solve(&m[i], m[i].target, true);
		submit(&m[i]);
	}
	batch_end(&m[0]);
	ck_assert_uint_eq(fake_conn_count(mixed, ADIT_SV2_SUBMIT_SHARES_SUCCESS), 3);
	for (int i = 0; i < 2; i++) {
		take_job(&st[i]);
		solve(&st[i], st[i].target, true);
	}
	expect_accepted(&st[0]);
	expect_accepted(&st[1]);
	/* A tip: future jobs, then one SetNewPrevHash for the group, one each for the others. */
	fake_conn_skip(mixed);
	fake_conn_skip(solo);
	id = send_template(&b, 0, true);
	ck_assert_uint_eq(mixed->count - mixed->read, 1);
	ck_assert_int_eq(send_tip(&b, 0, id, 2, NBITS_HARD), ADIT_OK);
	ck_assert_uint_eq(mixed->count - mixed->read, 2);
	ck_assert_uint_eq(mixed->sent[mixed->read + 1]->body.set_new_prev_hash.channel_id,
			  CHANNEL_GROUP);
	ck_assert_uint_eq(solo->count - solo->read, 4);
	for (int i = 0; i < 3; i++) {
		size_t read = mixed->read;

		take_job(&m[i]);
		mixed->read = read;
		solve(&m[i], m[i].target, true);
		submit(&m[i]);
	}
	batch_end(&m[0]);
	ck_assert_uint_eq(fake_conn_count(mixed, ADIT_SV2_SUBMIT_SHARES_ERROR), 0);
	leave(&b, mixed);
	leave(&b, solo);
	leave(&b, idle);
	bench_end(&b);
}
END_TEST

/* Who opens between a future job and its SetNewPrevHash must know that job too. */
START_TEST(opened_between_job_and_tip)
{
	struct bench b;
	struct fake_conn *c;
	struct miner first;
	struct miner late;
	uint64_t id;
	const struct sent *s;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	first = open_miner(&b, c, false);
	id = send_template(&b, 0, true);
	late = open_miner(&b, c, false);
	s = fake_conn_next(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.new_extended_mining_job.channel_id, late.channel);
	ck_assert(!s->body.new_extended_mining_job.ntime_start.present);
	late.extended = &s->body.new_extended_mining_job;
	ck_assert_int_eq(send_tip(&b, 0, id, 2, NBITS_HARD), ADIT_OK);
	s = fake_conn_next(c, ADIT_SV2_SET_NEW_PREV_HASH);
	ck_assert_uint_eq(s->body.set_new_prev_hash.job_id, late.extended->job_id);
	late.job = late.extended->job_id;
	memcpy(late.prev_hash, s->body.set_new_prev_hash.prev_hash.b, 32);
	solve(&late, late.target, true);
	expect_accepted(&late);
	expect_refused(&first, "stale-share");
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* --- template providers ------------------------------------------------------------------------
 */

START_TEST(provider_breaks_protocol)
{
	struct bench b;
	struct adit_sv2_new_template t;
	const struct adit_sv2_template_client_handlers *h = &provider_handlers;

	bench_make(&b, NULL);
	bench_start(&b);
	tdp_open(&b, 0);
	t = template_message(&b, false);
	ck_assert_int_eq(h->new_template(provider(&b, 0), &b.tdp[0]->head, &t), ADIT_E_PROTOCOL);
	ck_assert_int_eq(send_tip(&b, 0, 77, 1, NBITS_HARD), ADIT_E_PROTOCOL);
	for (int i = 0; i < 5; i++) {
		t = template_message(&b, true);
		switch (i) {
		case 0:
			t.coinbase_tx_outputs_count = 2;
			break;
		case 1:
			t.coinbase_tx_outputs.size--;
			break;
		case 2:
			t.coinbase_tx_value_remaining = UINT64_MAX;
			break;
		case 3:
			t.coinbase_tx_outputs_count = 0;
			break;
		default:
			/* 100 bytes of scriptSig are all that there is. */
			t.coinbase_prefix = (struct adit_bytes){t.coinbase_tx_outputs.data, 15};
			t.coinbase_prefix.size = 90;
			t.coinbase_prefix.data = (const uint8_t *)&t; /* any 90 bytes */
			break;
		}
		ck_assert_int_eq(h->new_template(provider(&b, 0), &b.tdp[0]->head, &t), ADIT_OK);
		ck_assert_uint_eq(provider(&b, 0)->refused, (unsigned)i + 1);
		ck_assert_uint_eq(provider(&b, 0)->future_count, 0);
	}
	ck_assert(!b.server.open);
	/* nBits that are no target; the state stays as it was. */
	new_tip(&b, 0, 1, NBITS_HARD);
	ck_assert_int_eq(send_tip(&b, 0, send_template(&b, 0, true), 1, NBITS_HARD), ADIT_OK);
	struct adit_sv2_template_set_new_prev_hash p = {.template_id = send_template(&b, 0, true),
							.n_bits = 0x03800000};

	ck_assert_int_eq(h->template_set_new_prev_hash(provider(&b, 0), &b.tdp[0]->head, &p),
			 ADIT_E_PROTOCOL);
	ck_assert_uint_eq(b.pool->mining.tip.nbits, NBITS_HARD);
	/* Futures that nobody activates are bounded. */
	for (int i = 0; i < 50; i++)
		send_template(&b, 0, true);
	ck_assert_uint_eq(provider(&b, 0)->future_count, PROVIDER_FUTURES_MAX);
	bench_end(&b);
}
END_TEST

START_TEST(provider_goes_and_comes)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	tdp_close(&b, 0);
	/* The last work goes on, for new channels too. */
	solve(&m, m.target, true);
	expect_accepted(&m);
	open_miner(&b, c, true);
	/* The second in the list takes over, on a newer tip. */
	tdp_open(&b, 1);
	fake_conn_skip(c);
	new_tip(&b, 1, 2, NBITS_HARD);
	ck_assert_ptr_eq(b.pool->mining.providers.active, provider(&b, 1));
	ck_assert_str_eq(fake_host_status(b.host),
			 "mining at height 101, with templates of unix:/nonexistent/b.sock "
			 "(unix:/nonexistent/a.sock is away: gone)");
	take_job(&m);
	solve(&m, m.target, true);
	expect_accepted(&m);
	/* The first comes back: with a tip of its own it is preferred again, work of the same tip
	 * replaces without making anything stale. */
	tdp_open(&b, 0);
	fake_conn_skip(c);
	new_tip(&b, 0, 2, NBITS_HARD);
	ck_assert_ptr_eq(b.pool->mining.providers.active, provider(&b, 0));
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_NEW_PREV_HASH), 0);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 1);
	solve(&m, m.target, true);
	expect_accepted(&m);
	/* What the second says meanwhile is kept, not sent. */
	fake_conn_skip(c);
	new_tip(&b, 1, 3, NBITS_HARD);
	ck_assert_uint_eq(c->count, c->read);
	tdp_close(&b, 0);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_NEW_PREV_HASH), 1);
	ck_assert_int_eq(b.pool->mining.tip.prev_hash[0], 3);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* A future job of one provider is ended by the tip of another: it has to be sent again. */
START_TEST(announcement_ended_by_other_provider)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	uint64_t id;

	bench_ready(&b, NULL, NBITS_HARD);
	tdp_close(&b, 0);
	tdp_open(&b, 1);
	new_tip(&b, 1, 1, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	id = send_template(&b, 1, true); /* announced */
	tdp_open(&b, 0);
	b.height = 102;
	new_tip(&b, 0, 2, NBITS_HARD); /* ends it */
	tdp_close(&b, 0);
	fake_conn_skip(c);
	ck_assert_int_eq(send_tip(&b, 1, id, 3, NBITS_HARD), ADIT_OK);
	take_job(&m);
	ck_assert_int_eq(m.prev_hash[0], 3);
	solve(&m, m.target, true);
	expect_accepted(&m);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* --- blocks ------------------------------------------------------------------------------------
 */

/* Puts the block together as a node would and checks all of it. */
static void check_solution(struct miner *m, const struct adit_sv2_submit_solution *s)
{
	struct block_header h;
	struct reader r;
	struct tx tx;
	struct tx_input in;
	struct tx_output out;
	uint8_t txid[32];
	uint8_t header[80];
	uint8_t hash[32];
	static const uint8_t script[] = {0x00, 0x14, 0x75, 0x1e, 0x76, 0xe8, 0x19, 0x91,
					 0x96, 0xd4, 0x54, 0x94, 0x1c, 0x45, 0xd1, 0xb3,
					 0xa3, 0x23, 0xf1, 0x43, 0x3b, 0xd6};

	reader_init(&r, s->coinbase_tx.data, s->coinbase_tx.size);
	ck_assert(tx_parse(&r, &tx));
	ck_assert_uint_eq(reader_left(&r), 0);
	ck_assert(tx.has_witness);
	ck_assert_uint_eq(tx.lock_time, 100);
	tx_inputs(&tx, &r);
	ck_assert(tx_next_input(&r, &in));
	ck_assert_uint_eq(in.prev_index, 0xffffffff);
	ck_assert_uint_eq(in.sequence, 0xfffffffe);
	ck_assert_uint_eq(in.script_size, 2 + 1 + 4 + 1 + 20);
	ck_assert_mem_eq(in.script, "\x01\x65\x04test\x14", 8);
	ck_assert_mem_eq(in.script + 8, m->prefix, m->prefix_size);
	ck_assert_mem_eq(in.script + 8 + m->prefix_size, m->extranonce, m->rollable);
	ck_assert_uint_eq(tx.outputs, 2);
	tx_outputs(&tx, &r);
	ck_assert(tx_next_output(&r, &out));
	ck_assert_uint_eq(out.value, 5000001000);
	ck_assert_uint_eq(out.script_size, sizeof script);
	ck_assert_mem_eq(out.script, script, sizeof script);
	ck_assert(tx_next_output(&r, &out));
	ck_assert_uint_eq(out.value, 0);
	tx_txid(&tx, txid);
	h = (struct block_header){.version = s->version,
				  .time = s->header_timestamp,
				  .nbits = m->nbits,
				  .nonce = s->header_nonce};
	memcpy(h.prev_hash, m->prev_hash, 32);
	merkle_fold(txid, siblings[0], 2, h.merkle_root);
	block_header_write(&h, header);
	ck_assert_mem_eq(header, m->header, 80);
	sha256d_header(header, hash);
	ck_assert_mem_eq(hash, m->hash, 32);
}

static char *read_journal(struct bench *b)
{
	char *text = fake_host_read_file(b->pool->mining.journal.path);

	ck_assert_ptr_nonnull(text);
	return text;
}

START_TEST(block_found)
{
	struct bench b;
	struct fake_conn *c;

	bench_ready(&b, NULL, NBITS_EASY);
	c = connect_miner(&b, 7, 0);
	for (int standard = 0; standard < 2; standard++) {
		struct miner m = open_miner(&b, c, standard);
		uint8_t block_target[32];
		const struct sent *s;
		char hash[65];
		char *journal;

		target_from_nbits(NBITS_EASY, block_target);
		memset(m.extranonce, 0xa5, m.rollable);
		m.share_version = BLOCK_VERSION ^ 0x20;
		solve(&m, block_target, true);
		hex_encode_reversed(m.hash, 32, hash);
		fake_conn_skip(c);
		submit(&m);
		s = fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION);
		ck_assert_ptr_nonnull(s);
		ck_assert_uint_eq(s->body.submit_solution.template_id, b.next_template - 1);
		check_solution(&m, &s->body.submit_solution);
		/* Acknowledged at once, not at the end of the batch, and not twice. */
		ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SUBMIT_SHARES_SUCCESS), 1);
		batch_end(&m);
		ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SUBMIT_SHARES_SUCCESS), 1);
		journal = read_journal(&b);
		ck_assert_ptr_nonnull(strstr(journal, hash));
		free(journal);
		ck_assert_uint_eq(fake_host_published(b.host, "BlockFound"),
				  1u + (unsigned)standard);
		ck_assert_ptr_nonnull(
		    strstr(fake_host_event(b.host, "BlockFound", (size_t)standard), hash));
		ck_assert_ptr_nonnull(
		    strstr(fake_host_event(b.host, "BlockFound", (size_t)standard), "\"pool.1/7/"));
		ck_assert(fake_host_logged(b.host, hash));
		/* The same block again is a duplicate, not a second block. */
		expect_refused(&m, "duplicate-share");
		ck_assert_ptr_null(fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION));
	}
	ck_assert_uint_eq(b.pool->mining.stats.blocks_found, 2);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* A block counts even where the channel's own target is harder than the network's. */
START_TEST(block_above_share_target)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	uint8_t easy[32];

	bench_ready(&b, NULL, NBITS_EASY);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	target_from_nbits(NBITS_EASY, easy);
	ck_assert(target_compare(m.target, easy) < 0);
	do
		solve(&m, easy, true);
	while (target_met(m.hash, m.target));
	expect_accepted(&m);
	ck_assert_uint_eq(b.pool->mining.stats.blocks_found, 1);
	/* It is worth the hashes of a block, not those of the harder share (300 s: the mean's
	 * time). */
	ck_assert_double_le(channel_find(c->user, m.channel)->stats.rate.value * 300,
			    target_work(easy) * 1.001);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

static void find_block(struct miner *m)
{
	uint8_t target[32];

	target_from_nbits(NBITS_EASY, target);
	solve(m, target, true);
	expect_accepted(m);
}

START_TEST(block_while_provider_is_away)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	const struct sent *s;

	bench_ready(&b, NULL, NBITS_EASY);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	tdp_close(&b, 0);
	find_block(&m);
	ck_assert(fake_host_logged(b.host, "kept until it is back"));
	tdp_open(&b, 0);
	/* Not before it is known that the tip is still the same. */
	ck_assert_uint_eq(fake_conn_count(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION), 0);
	new_tip(&b, 0, 1, NBITS_EASY);
	s = fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.submit_solution.template_id, 1);
	check_solution(&m, &s->body.submit_solution);
	/* The chain went on: settled. */
	new_tip(&b, 0, 2, NBITS_EASY);
	new_tip(&b, 0, 2, NBITS_EASY);
	ck_assert_ptr_null(fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION));
	ck_assert_uint_eq(b.pool->mining.blocks.count, 0);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* The process dies right after a block: the next one sends it again. */
START_TEST(block_survives_restart)
{
	char directory[] = "/tmp/adit-test-pool-XXXXXX";
	char command[128];
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	const struct sent *s;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	bench_make(&b, NULL);
	fake_host_set_state_dir(b.host, directory);
	bench_start(&b);
	tdp_open(&b, 0);
	new_tip(&b, 0, 1, NBITS_EASY);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	find_block(&m);
	leave(&b, c);
	bench_end(&b);
	for (int i = 0; i < 2; i++) {
		bench_make(&b, NULL);
		fake_host_set_state_dir(b.host, directory);
		bench_start(&b);
		ck_assert_uint_eq(b.pool->mining.blocks.count, 1);
		tdp_open(&b, 0);
		new_tip(&b, 0, i == 0 ? 1 : 2, NBITS_EASY);
		s = fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION);
		if (i == 0)
			check_solution(&m, &s->body.submit_solution);
		else
			ck_assert_ptr_null(s);
		bench_end(&b);
	}
	snprintf(command, sizeof command, "rm -rf %s", directory);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

/* A damaged journal is no reason not to start. */
START_TEST(damaged_journal)
{
	char directory[] = "/tmp/adit-test-pool-XXXXXX";
	char path[128];
	char command[128];
	struct bench b;
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/blocks-1.journal", directory);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(
	    f,
	    "rubbish\n{\"time\":%u,\"header\":\"00\",\"coinbase\":\"zz\"}\n{\"time\":9999999999,"
	    "\"coinbase\":7}\n{\n[1]\n{\"a\":",
	    clock_unix());
	fclose(f);
	bench_make(&b, NULL);
	fake_host_set_state_dir(b.host, directory);
	bench_start(&b);
	ck_assert_uint_eq(b.pool->mining.blocks.count, 0);
	bench_end(&b);
	snprintf(command, sizeof command, "rm -rf %s", directory);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

/* --- status, events, difficulty ----------------------------------------------------------------
 */

static struct json_object *call(struct bench *b, const char *method)
{
	struct fake_reply *r = fake_host_call(b->host, method, "{}", NULL, 0);
	struct json_object *o;

	ck_assert_int_eq(r->error, ADIT_OK);
	o = json_tokener_parse(r->json);
	ck_assert_ptr_nonnull(o);
	fake_reply_free(r);
	return o;
}

static int64_t number(struct json_object *o, const char *key)
{
	struct json_object *v;

	ck_assert_msg(json_object_object_get_ex(o, key, &v), "no %s", key);
	return json_object_get_int64(v);
}

START_TEST(status_method)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	struct json_object *o;
	struct json_object *list;
	struct json_object *miner;

	bench_make(&b, NULL);
	bench_start(&b);
	o = call(&b, "status"); /* before there is anything */
	ck_assert_int_eq(number(o, "height"), 0);
	json_object_put(o);
	tdp_open(&b, 0);
	new_tip(&b, 0, 1, NBITS_HARD);
	c = connect_miner(&b, 5, 0);
	m = open_miner(&b, c, false);
	open_miner(&b, c, true);
	solve(&m, m.target, true);
	expect_accepted(&m);
	expect_refused(&m, "duplicate-share");
	o = call(&b, "status");
	ck_assert_int_eq(number(o, "connections"), 1);
	ck_assert_int_eq(number(o, "channels"), 2);
	ck_assert_int_eq(number(o, "shares_accepted"), 1);
	ck_assert_int_eq(number(o, "shares_rejected"), 1);
	ck_assert_int_eq(number(o, "shares_stale"), 0);
	ck_assert_int_eq(number(o, "height"), 101);
	ck_assert(json_object_object_get_ex(o, "rejects", &list));
	ck_assert_int_eq(number(list, "duplicate-share"), 1);
	ck_assert(json_object_object_get_ex(o, "miners", &list));
	ck_assert_uint_eq(json_object_array_length(list), 2);
	miner = json_object_array_get_idx(list, 0);
	ck_assert_int_eq(number(miner, "accepted"), 1);
	ck_assert_int_eq(number(miner, "rejected"), 1);
	ck_assert(json_object_object_get_ex(miner, "user", &list));
	ck_assert_str_eq(json_object_get_string(list), "alice.rig1");
	json_object_put(o);
	o = call(&b, "list_channels");
	ck_assert_int_eq(number(o, "count"), 2);
	json_object_put(o);
	send_template(&b, 0, true);
	o = call(&b, "list_jobs");
	ck_assert(json_object_object_get_ex(o, "jobs", &list));
	ck_assert_uint_eq(json_object_array_length(list), 2);
	json_object_put(o);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(events_are_sampled)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;

	bench_ready(&b, NULL, NBITS_HARD);
	ck_assert_uint_eq(fake_host_published(b.host, "MiningJobCreated"), 1);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	fake_host_run(b.host, 1100); /* a tick */
	for (int i = 0; i < 5; i++) {
		solve(&m, m.target, true);
		expect_accepted(&m);
	}
	ck_assert_uint_eq(fake_host_published(b.host, "ShareSubmitted"), 1);
	ck_assert_ptr_nonnull(
	    strstr(fake_host_event(b.host, "ShareSubmitted", 0), "\"miner_id\":\"alice.rig1\""));
	fake_host_want_events(b.host, false);
	fake_host_forget_events(b.host);
	fake_host_run(b.host, 1100);
	solve(&m, m.target, true);
	expect_accepted(&m);
	new_tip(&b, 0, 2, NBITS_HARD);
	ck_assert_uint_eq(fake_host_published(b.host, NULL), 0);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* The record of the newest share. */
static const struct adit_share *recorded(struct bench *b, uint8_t result)
{
	size_t count = fake_host_share_count(b->host);
	const struct adit_share *s = fake_host_share(b->host, count - 1);

	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->sequence, count);
	ck_assert_uint_eq(s->result, result);
	ck_assert_uint_eq(s->slice, b->pool->mining.info.slice);
	return s;
}

/* Each share is one record, whatever became of it. */
START_TEST(shares_are_recorded)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	const struct adit_share *s;
	uint32_t channel;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	channel = m.channel;
	ck_assert_uint_eq(fake_host_share_count(b.host), 0);
	solve(&m, m.target, true);
	expect_accepted(&m);
	s = recorded(&b, ADIT_SHARE_ACCEPTED);
	ck_assert_str_eq(s->user, "alice.rig1");
	ck_assert_uint_eq(s->user_size, 10);
	ck_assert(s->connection == 1 && s->channel == channel && s->job_id == m.job);
	ck_assert_uint_eq(s->height, b.pool->mining.current->height);
	ck_assert_uint_eq(s->flags, 0);
	ck_assert_double_eq_tol(s->difficulty, target_difficulty(m.target), 1e-9);
	ck_assert_double_eq_tol(s->hash_difficulty, target_difficulty(m.hash), 1e-9);
	expect_refused(&m, "duplicate-share");
	s = recorded(&b, ADIT_SHARE_DUPLICATE);
	ck_assert_double_eq_tol(s->hash_difficulty, target_difficulty(m.hash), 1e-9);
	solve(&m, m.target, false);
	expect_refused(&m, "difficulty-too-low");
	s = recorded(&b, ADIT_SHARE_LOW_DIFFICULTY);
	ck_assert(s->hash_difficulty > 0 && s->hash_difficulty < s->difficulty);
	m.job += 1000;
	expect_refused(&m, "invalid-job-id");
	s = recorded(&b, ADIT_SHARE_UNKNOWN_JOB);
	ck_assert(s->job_id == m.job && s->height == 0 && s->difficulty <= 0);
	m.job -= 1000;
	m.ntime = 0;
	expect_refused(&m, "invalid-share");
	s = recorded(&b, ADIT_SHARE_INVALID);
	ck_assert(s->hash_difficulty <= 0 && s->height == b.pool->mining.current->height);
	m.channel = 99;
	expect_refused(&m, "invalid-channel-id");
	s = recorded(&b, ADIT_SHARE_UNKNOWN_CHANNEL);
	ck_assert(s->channel == 99 && s->user_size == 0);
	m.channel = channel;
	new_tip(&b, 0, 2, NBITS_HARD);
	expect_refused(&m, "stale-share");
	s = recorded(&b, ADIT_SHARE_STALE);
	ck_assert_str_eq(s->user, "alice.rig1");
	ck_assert_uint_eq(fake_host_share_count(b.host), 7);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* A flood is met within the batch that brings it: SetTarget, then a job of its own. */
START_TEST(vardiff_in_use)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	const struct sent *s;
	uint8_t old[32];
	uint32_t job;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	memcpy(old, m.target, 32);
	job = m.job;
	for (int i = 0; i < 40; i++) {
		solve(&m, m.target, true);
		submit(&m);
	}
	fake_conn_skip(c);
	batch_end(&m);
	s = fake_conn_next(c, ADIT_SV2_SET_TARGET);
	ck_assert_ptr_nonnull(s);
	ck_assert(target_compare(s->body.set_target.target.b, old) < 0);
	memcpy(m.target, s->body.set_target.target.b, 32);
	s = fake_conn_next(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.new_extended_mining_job.channel_id, m.channel);
	ck_assert(s->body.new_extended_mining_job.ntime_start.present);
	/* The job before goes on with the target that it was given out with. */
	do
		solve(&m, old, true);
	while (target_met(m.hash, m.target));
	expect_accepted(&m);
	m.job = s->body.new_extended_mining_job.job_id;
	ck_assert_uint_ne(m.job, job);
	do
		solve(&m, old, true);
	while (target_met(m.hash, m.target));
	expect_refused(&m, "difficulty-too-low");
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* Fixed by the administrator: also within bounds that say otherwise, and whatever comes. */
START_TEST(fixed_difficulty)
{
	static const struct fake_option options[] = {
	    {"fixed_difficulty", "0.00000001"}, {"min_difficulty", "1"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c;
	struct miner m;

	bench_ready(&b, options, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	ck_assert_double_eq_tol(target_difficulty(m.target), 1e-8, 1e-10);
	for (int i = 0; i < 100; i++) {
		solve(&m, m.target, true);
		submit(&m);
	}
	batch_end(&m);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_TARGET), 0);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(start_difficulty)
{
	static const struct fake_option options[] = {{"start_difficulty", "3"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c;
	struct miner m;

	bench_ready(&b, options, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	ck_assert_double_eq_tol(target_difficulty(m.target), 3, 1e-6);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_test(c, wrong_configuration);
	tcase_add_test(c, no_server);
	tcase_add_test(c, opens_with_template_and_tip);
	tcase_add_test(c, stop_sends_reconnect);
	tcase_add_test(c, first_jobs);
	tcase_add_test(c, open_refused);
	tcase_add_test(c, open_limit);
	tcase_add_test(c, work_selection);
	tcase_add_test(c, extranonce_is_unique);
	tcase_add_test(c, update_channel);
	tcase_add_test(c, late_job_comes_soon);
	tcase_add_test(c, update_refused);
	tcase_add_test(c, vector_share);
	tcase_add_test(c, every_error);
	tcase_add_test(c, fixed_version);
	tcase_add_test(c, jobs_over_time);
	tcase_add_test(c, tip_in_one_read);
	tcase_add_test(c, duplicates_outlive_reannouncement);
	tcase_add_test(c, acknowledged_in_batches);
	tcase_add_test(c, table_of_duplicates);
	tcase_add_test(c, rubbish_closes_connection);
	tcase_add_test(c, group_broadcast);
	tcase_add_test(c, opened_between_job_and_tip);
	tcase_add_test(c, provider_breaks_protocol);
	tcase_add_test(c, provider_goes_and_comes);
	tcase_add_test(c, announcement_ended_by_other_provider);
	tcase_add_test(c, block_found);
	tcase_add_test(c, block_above_share_target);
	tcase_add_test(c, block_while_provider_is_away);
	tcase_add_test(c, block_survives_restart);
	tcase_add_test(c, damaged_journal);
	tcase_add_test(c, status_method);
	tcase_add_test(c, events_are_sampled);
	tcase_add_test(c, shares_are_recorded);
	tcase_add_test(c, vardiff_in_use);
	tcase_add_test(c, fixed_difficulty);
	tcase_add_test(c, start_difficulty);
}

int main(void)
{
	Suite *s = suite_create("pool");
	TCase *c = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	add_tests(c);
	tcase_set_timeout(c, 60);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
