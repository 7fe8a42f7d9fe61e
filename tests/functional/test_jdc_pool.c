/* SPDX-License-Identifier: MIT */
/*
 * Farm and pool, each with a node of its own: an aditd with jdc behind another one with pool (two
 * workers) and jds. Their nodes know the same chain and other transactions. No node talks to the
 * other: what both have, both were given.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "tests/functional/farm.h"
#include "tests/functional/probe.h"

/* The daemons. */
enum { POOL, FARM, OTHER };

static uint16_t jds_port;
static char pool_key[NOISE_KEY_TEXT_SIZE], jds_key[NOISE_KEY_TEXT_SIZE];

static void two(void)
{
	farm_daemons_setup(2);
}

static void three(void)
{
	farm_daemons_setup(3);
}

static void teardown(void)
{
	farm_daemons_teardown();
}

/* The pool; TRANSACTIONS wait at its node. */
static void start_pool(const char *nbits, const char *custom_jobs, unsigned transactions)
{
	char node[128], keys[256];

	farm_with(POOL);
	jds_port = harness_free_port();
	snprintf(node, sizeof(node), "%s\nembedded_tx_interval = 0\n", nbits);
	snprintf(keys, sizeof(keys),
		 "min_difficulty = 0.0000001\nfixed_difficulty = " FARM_DIFFICULTY
		 "\ncustom_jobs = %s\n",
		 custom_jobs);
	harness.workers = 2;
	harness_configure_pool(node, keys);
	harness_configure("\n[sv2-server@jds]\n"
			  "process = jds\n"
			  "listen = 127.0.0.1:%u\n",
			  jds_port);
	harness_configure("\n[jds]\n"
			  "process = jds\n"
			  "payout = " HARNESS_ADDRESS "\n");
	harness_start();
	harness_wait_running();
	if (transactions > 0)
		farm_new_template(transactions);
	farm_authority("sv2-server", pool_key);
	farm_authority("sv2-server@jds", jds_key);
}

/* What the present daemon's jdc has above it. */
static void add_pool(uint16_t port, const char *key, bool declares)
{
	farm_pool(&(struct farm_pool){.name = "pool",
				      .port = port,
				      .key = key,
				      .jds_port = declares ? jds_port : 0,
				      .jds_key = jds_key});
}

static void start_farm(unsigned number, const char *nbits, const char *jdc_keys)
{
	uint16_t port;

	farm_with(POOL);
	port = harness.port;
	farm_with(number);
	farm_configure(nbits, "embedded_tx_interval = 0\n", jdc_keys);
	add_pool(port, pool_key, true);
}

static void stop_all(unsigned count)
{
	while (count-- > 0) {
		farm_with(count);
		harness_stop();
		must(!harness_log_has(" error "), "an error was logged");
	}
	farm_with(POOL);
}

/* --- numbers ------------------------------------------------------------------------------------
 */

/* Sum over the pool's workers, of the daemon POOL. */
static int64_t of_pool(const char *key)
{
	struct json_object *status = harness_status();
	int64_t sum = 0;

	for (size_t i = 0; i < 2; i++)
		sum += json_integer(harness_worker_said(status, "pool", i), key, 0);
	json_object_put(status);
	return sum;
}

struct least {
	const char *key;
	int64_t count;
};

static bool pool_has(void *user)
{
	const struct least *l = user;

	return of_pool(l->key) >= l->count;
}

/* Leaves the daemon POOL present. */
static void wait_pool(const char *key, int64_t count)
{
	struct least l = {key, count};
	char what[100];

	farm_with(POOL);
	snprintf(what, sizeof(what), "the pool's %s are %lld", key, (long long)count);
	harness_wait(HARNESS_WAIT_MS, pool_has, &l, what);
}

static int64_t pool_number(const char *key)
{
	farm_with(POOL);
	return of_pool(key);
}

static void block_hash(unsigned daemon, int height, char out[65])
{
	struct json_object *params = json_object_new_object();
	struct json_object *own = json_object_new_object();
	struct json_object *block;

	farm_with(daemon);
	json_object_object_add(own, "height", json_object_new_int(height));
	json_object_object_add(params, "target", json_object_new_string("node"));
	json_object_object_add(params, "method", json_object_new_string("get_block_by_height"));
	json_object_object_add(params, "params", own);
	block = harness_request("call", params);
	snprintf(out, 65, "%s", json_text(block, "hash", ""));
	ck_assert_uint_eq(strlen(out), 64);
	json_object_put(block);
	json_object_put(params);
}

/* --- a miner that a test plays ------------------------------------------------------------------
 */

struct miner {
	struct probe probe;
	struct probe_channel work;
};

static uint32_t shares_made;

static bool is_block(const struct probe_channel *work, uint32_t nonce)
{
	struct block_header h = {
	    .version = work->version, .time = work->ntime, .nbits = work->nbits, .nonce = nonce};
	uint8_t header[80], hash[32], target[32];

	memcpy(h.prev_hash, work->prev_hash.b, 32);
	memcpy(h.merkle_root, work->merkle_root.b, 32);
	block_header_write(&h, header);
	sha256d_header(header, hash);
	must(target_from_nbits(work->nbits, target), "no target");
	return target_met(hash, target);
}

/* Each at a time of its own, so that none is like another; and none is a block by chance. */
static void make_share(struct probe_channel *work, uint32_t *nonce)
{
	do {
		work->ntime += ++shares_made;
		*nonce = probe_mine(work, true);
	} while (is_block(work, *nonce));
}

static void make_block(struct probe_channel *work, uint32_t *nonce)
{
	must(target_from_nbits(work->nbits, work->target.b), "no target");
	work->ntime += ++shares_made;
	*nonce = probe_mine(work, true);
}

static void join(struct miner *m)
{
	memset(m, 0, sizeof(*m));
	probe_ready(&m->probe, harness.port);
	probe_open_standard(&m->probe, &m->work);
}

/* Takes what has come meanwhile. */
static void drain(struct miner *m)
{
	union sv2_body body;
	int32_t message;

	while ((message = probe_receive(&m->probe, 0, &body)) >= 0)
		probe_take(&m->work, message, &body);
	must(message == -1, "jdc closed a miner's connection");
}

/* Shares until one of the present job has come to the pool: the pool knows that job then. */
static void until_known(struct miner *m)
{
	uint32_t job;

	do {
		int64_t before = pool_number("shares_accepted");

		farm_with(FARM);
		drain(m);
		job = m->work.job_id;
		must(probe_share(&m->probe, &m->work, make_share) == NULL, "a share is refused");
		wait_pool("shares_accepted", before + 1);
		farm_with(FARM);
		drain(m);
	} while (m->work.job_id != job);
}

/* A new job, on a tip that is not PREV. */
static void await_tip(struct miner *m, const uint8_t prev[32])
{
	union sv2_body body;

	while (memcmp(m->work.prev_hash.b, prev, 32) == 0) {
		int32_t message =
		    probe_receive(&m->probe, (int)harness_limit(PROBE_WAIT_MS), &body);

		must(message >= 0, "no job on the new tip");
		probe_take(&m->work, message, &body);
	}
}

/* --- blocks -------------------------------------------------------------------------------------
 */

/* The farm's node has transactions that the pool's has not; the pool asks for them, and the farm's
 * blocks get into both chains. */
START_TEST(blocks_of_the_farm)
{
	struct miner m;

	start_pool(FARM_NBITS, "full-template", 4);
	start_farm(FARM, FARM_NBITS, "");
	farm_start();
	farm_new_template(30);
	join(&m);
	farm_with(POOL);
	(void)harness_wait_number("jds", "transactions_asked", 1, HARNESS_WAIT_MS);
	for (int height = 1; height <= 2; height++) {
		uint8_t prev[32];
		char ours[65], theirs[65];

		until_known(&m);
		memcpy(prev, m.work.prev_hash.b, 32);
		must(probe_share(&m.probe, &m.work, make_block) == NULL, "a block is refused");
		farm_with(FARM);
		(void)harness_wait_number("node", "height", height, HARNESS_WAIT_MS);
		farm_with(POOL);
		(void)harness_wait_number("node", "height", height, HARNESS_WAIT_MS);
		wait_pool("blocks_found", height);
		block_hash(FARM, height, ours);
		block_hash(POOL, height, theirs);
		ck_assert_str_eq(ours, theirs);
		farm_with(FARM);
		await_tip(&m, prev);
		farm_new_template(5);
	}
	farm_with(POOL);
	ck_assert_int_eq(harness_number("jds", "blocks_rejected"), 0);
	ck_assert_int_eq(of_pool("custom_jobs_refused"), 0);
	probe_close(&m.probe);
	stop_all(2);
}
END_TEST

/* The pool sees the coinbase alone: the farm's node has the block, the pool pays for it. */
START_TEST(coinbase_only)
{
	struct miner m;

	start_pool(FARM_NBITS, "any", 0);
	start_farm(FARM, FARM_NBITS, "mode = coinbase-only\n");
	farm_start();
	join(&m);
	until_known(&m);
	must(probe_share(&m.probe, &m.work, make_block) == NULL, "a block is refused");
	farm_with(FARM);
	(void)harness_wait_number("node", "height", 1, HARNESS_WAIT_MS);
	wait_pool("blocks_found", 1);
	ck_assert_int_eq(harness_number("jds", "declared"), 0);
	ck_assert_int_eq(harness_number("node", "height"), 0);
	probe_close(&m.probe);
	stop_all(2);
}
END_TEST

/* --- several ------------------------------------------------------------------------------------
 */

/* Two farms on one pool with two workers. */
START_TEST(two_farms)
{
	start_pool(FARM_NO_BLOCKS, "full-template", 0);
	for (unsigned i = FARM; i <= OTHER; i++) {
		start_farm(i, FARM_NO_BLOCKS, "");
		farm_miners();
		farm_start();
		farm_new_template(10 * i);
	}
	wait_pool("channels", 2);
	(void)harness_wait_number("jds", "transactions_asked", 10, HARNESS_WAIT_MS);
	wait_pool("shares_accepted", 30);
	for (unsigned i = FARM; i <= OTHER; i++) {
		farm_with(i);
		farm_wait_accepted(5);
		farm_check_connections();
	}
	ck_assert_int_eq(pool_number("shares_rejected"), 0);
	stop_all(3);
}
END_TEST

/* A jdc behind a jdc: the inner one's pool is the outer one, of which it takes the jobs. */
START_TEST(jdc_behind_jdc)
{
	char key[NOISE_KEY_TEXT_SIZE];
	uint16_t port;

	start_pool(FARM_NO_BLOCKS, "full-template", 0);
	start_farm(FARM, FARM_NO_BLOCKS, "");
	farm_start();
	farm_authority("sv2-server", key);
	port = harness.port;
	farm_with(OTHER);
	/* it needs two bytes of what the outer one leaves to its miners */
	farm_configure(FARM_NO_BLOCKS, "", "extranonce_size = 4\n");
	add_pool(port, key, false);
	farm_miners();
	farm_start();
	wait_pool("shares_accepted", 10);
	ck_assert_int_ge(of_pool("custom_jobs"), 1);
	ck_assert_int_eq(of_pool("shares_rejected"), 0);
	farm_with(FARM);
	farm_new_template(10);
	wait_pool("shares_accepted", pool_number("shares_accepted") + 10);
	farm_with(OTHER);
	farm_check_connections();
	stop_all(3);
}
END_TEST

/* --- death --------------------------------------------------------------------------------------
 */

/* kill -9 of one process after the other: shares come to the pool again each time. */
START_TEST(processes_are_killed)
{
	start_pool(FARM_NO_BLOCKS, "full-template", 0);
	start_farm(FARM, FARM_NO_BLOCKS, FARM_IMPATIENT);
	farm_miners();
	farm_start();
	wait_pool("shares_accepted", 5);
	(void)harness_kill("jds");
	wait_pool("shares_accepted", pool_number("shares_accepted") + 5);
	farm_with(FARM);
	(void)harness_kill("jdc");
	wait_pool("shares_accepted", pool_number("shares_accepted") + 5);
	(void)harness_kill("pool"); /* one of its two workers; counts begin anew */
	wait_pool("shares_accepted", 5);
	farm_with(FARM);
	farm_wait_accepted(5);
	farm_with(POOL);
	harness_stop();
	farm_with(FARM);
	farm_wait_accepted(5); /* solo */
	farm_with(POOL);
	harness_start();
	harness_wait_running();
	wait_pool("shares_accepted", 5);
	harness_stop();
	farm_with(FARM);
	harness_stop();
}
END_TEST

/* The farm's templates come from another machine, which goes and comes back: meanwhile the same
 * pool's own jobs are mined. */
START_TEST(templates_are_lost)
{
	struct fake_upstream upstream;
	char listen[64], key[NOISE_KEY_TEXT_SIZE];
	uint64_t custom;

	fake_upstream_start(&upstream, &(struct fake_options){0});
	farm_with(POOL); /* no pool here: its template provider is used */
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", harness_free_port());
	harness.tp_listen = listen;
	harness_configure_pool(FARM_NO_BLOCKS, "");
	harness_start();
	harness_wait_running();
	farm_authority("template-provider", key);
	farm_with(FARM);
	harness.beside = true;
	farm_remote_templates(FARM_NO_BLOCKS, listen, key, "");
	farm_fake("pool", &upstream);
	farm_miners();
	farm_start();
	fake_upstream_wait(&upstream, FAKE_CUSTOM_JOB, 1);
	fake_upstream_wait(&upstream, FAKE_SHARE, 5);
	farm_with(POOL);
	harness_stop();
	/* a channel without work selection */
	fake_upstream_wait_asked(&upstream, FAKE_CHANNEL, 2);
	custom = fake_upstream_asked(&upstream, FAKE_CUSTOM_JOB);
	fake_upstream_wait_more(&upstream, FAKE_SHARE, 10);
	ck_assert_uint_eq(fake_upstream_asked(&upstream, FAKE_CUSTOM_JOB), custom);
	custom = fake_upstream_answered(&upstream, FAKE_CUSTOM_JOB);
	harness_start();
	harness_wait_running();
	fake_upstream_wait(&upstream, FAKE_CUSTOM_JOB, custom + 1);
	fake_upstream_wait_more(&upstream, FAKE_SHARE, 5);
	fake_upstream_check(&upstream);
	farm_with(FARM);
	farm_check_connections();
	harness_stop();
	farm_with(POOL);
	harness_stop();
	fake_upstream_stop(&upstream);
}
END_TEST

static TCase *add(Suite *s, const char *name, void (*setup)(void))
{
	TCase *c = tcase_create(name);

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, (double)harness_limit(HARNESS_TEST_S));
	suite_add_tcase(s, c);
	return c;
}

int main(void)
{
	Suite *s = suite_create("jdc, pool and jds");
	TCase *c = add(s, "two", two);
	TCase *more = add(s, "three", three);
	SRunner *r;
	int failed;

	tcase_add_test(c, blocks_of_the_farm);
	tcase_add_test(c, coinbase_only);
	tcase_add_test(c, processes_are_killed);
	tcase_add_test(c, templates_are_lost);
	tcase_add_test(more, two_farms);
	tcase_add_test(more, jdc_behind_jdc);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
