/* SPDX-License-Identifier: MIT */
/*
 * Job declaration with real processes: a template provider, a job declaration server and a pool
 * with two workers, each a process of its own, that share nothing but the file of the token keys;
 * and a job declarator that a test plays.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/node/traffic.h"
#include "lib/util/clock.h"
#include "tests/functional/harness.h"
#include "tests/functional/declaring_client.h"

#define WAIT_MS 60000
/* About 65,000 hashes a block, and a few a share. */
#define NBITS "1f00ffff"
#define POOL_KEYS "min_difficulty = 0.000001\nfixed_difficulty = 0.000001\n"
#define USER "farm"

static uint16_t tp_port, jds_port;

/* NODE_KEYS and PROVIDER_KEYS are more lines for [node] and [template-provider]. */
static void start_on(const char *node_keys, const char *provider_keys, const char *custom_jobs,
		     const char *jds_keys)
{
	char listen[128], node[128], keys[256];

	tp_port = harness_free_port();
	jds_port = harness_free_port();
	snprintf(listen, sizeof(listen), "127.0.0.1:%u\n%s", tp_port, provider_keys);
	snprintf(node, sizeof(node), NBITS "\n%s", node_keys);
	snprintf(keys, sizeof(keys), POOL_KEYS "custom_jobs = %s\n", custom_jobs);
	harness.workers = 2;
	harness.tp_listen = listen;
	harness_configure_pool(node, keys);
	harness.tp_listen = NULL;
	harness_configure("\n[sv2-server@jds]\n"
			  "process = jds\n"
			  "listen = 127.0.0.1:%u\n",
			  jds_port);
	harness_configure("\n[jds]\n"
			  "process = jds\n"
			  "payout = " HARNESS_ADDRESS "\n"
			  "%s",
			  jds_keys);
	harness_start();
	harness_wait_running();
	(void)harness_wait_number("jds", "token_keys", 1, WAIT_MS);
	(void)harness_wait_number("pool", "jobs_sent", 0, WAIT_MS);
}

static void start(const char *custom_jobs, const char *jds_keys)
{
	start_on("", "", custom_jobs, jds_keys);
}

static void finish(struct declaring_client *j)
{
	dc_close(j);
	harness_stop();
	must(!harness_log_has(" error "), "an error was logged");
}

/* Sum of a number over the pool's workers; *LEAST (may be NULL) is the smallest of them. */
static int64_t of_workers(const char *key, int64_t *least)
{
	struct json_object *status = harness_status();
	int64_t sum = 0;
	int64_t low = INT64_MAX;

	for (size_t i = 0; i < 2; i++) {
		int64_t n = json_integer(harness_worker_said(status, "pool", i), key, -1);

		sum += n;
		low = n < low ? n : low;
	}
	json_object_put(status);
	if (least != NULL)
		*least = low;
	return sum;
}

/* A transaction that is good on the embedded chain, but that its node has not seen. */
static void add_foreign(struct declaring_client *j, uint64_t *number)
{
	struct traffic_tx t;

	do
		traffic_make((*number)++, &t);
	while (t.parents_count > 0);
	declarer_add_tx(&j->work, t.data, t.size);
}

/* --- full-template ------------------------------------------------------------------------------
 */

/* The farm's node has transactions that the pool's has not; its block is found, and both ways lead
 * to the chain. */
START_TEST(a_declared_block)
{
	uint64_t number = 2000;
	struct declaring_client j = {0};
	char hash[65];
	int64_t after;

	start("full-template", "");
	dc_templates(&j, tp_port, 1);
	add_foreign(&j, &number);
	add_foreign(&j, &number);
	dc_declaration(&j, jds_port, ADIT_SV2_DECLARE_TX_DATA);
	dc_mining(&j, harness.port, USER);
	dc_allocate(&j, USER);
	ck_assert_str_eq(dc_set_job(&j), "job-not-yet-validated");
	ck_assert_uint_eq(dc_declare(&j), 2);
	/* once more: now they are known */
	dc_allocate(&j, USER);
	ck_assert_uint_eq(dc_declare(&j), 0);
	ck_assert_ptr_null(dc_set_job(&j));
	ck_assert_ptr_null(dc_share(&j, false));
	ck_assert_ptr_null(dc_share(&j, false));
	ck_assert_ptr_null(dc_share(&j, true));
	ck_assert_int_eq(of_workers("blocks_found", NULL), 1);
	/* The pool has not the transactions: nothing happens before the solution is pushed. */
	ck_assert_int_eq(harness_number("node", "height"), 0);
	dc_push(&j);
	after = harness_wait_number("node", "height", 1, WAIT_MS);
	ck_assert_int_eq(after, 1);
	(void)harness_wait_number("jds", "blocks_accepted", 1, WAIT_MS);
	ck_assert_int_eq(harness_number("jds", "blocks_rejected"), 0);
	for (int i = 0; i < 32; i++)
		snprintf(hash + 2 * i, 3, "%02x", j.hash[31 - i]);
	must(harness_log_has(hash), "the block's hash is not in the log");
	finish(&j);
}
END_TEST

/* --- a full block -------------------------------------------------------------------------------
 */

#define WAITING 5000 /* transactions at the node, numbers from 0 on */
#define KNOWN 3700   /* of them in the declaration */
#define FOREIGN 300  /* others in it */
/* The largest of each family are left out, or 4,000 would be heavier than a block may be; so a
 * template of the embedded node never has as many. */
#define WEIGHT_MOST 2000

/* Declares NUMBER if its parents are in the block, and it is not too heavy. TAKEN is by number. */
static bool add_numbered(struct declaring_client *j, uint64_t number, bool *taken)
{
	struct traffic_tx t;

	traffic_make(number, &t);
	for (uint32_t i = 0; i < t.parents_count; i++) {
		if (!taken[t.parents[i]])
			return false;
	}
	if (t.weight > WEIGHT_MOST)
		return false;
	taken[number] = true;
	declarer_add_tx(&j->work, t.data, t.size);
	j->work.value += t.fee;
	return true;
}

/* Instead of those of the template. */
static void choose_many(struct declaring_client *j)
{
	static bool taken[2 * WAITING];
	uint32_t known = 0;
	uint32_t foreign = 0;

	memset(taken, 0, sizeof(taken));
	buf_clear(&j->work.txs);
	j->work.tx_count = 0;
	j->work.value = 0;
	for (uint64_t number = 0; known < KNOWN; number++) {
		must(number < WAITING, "too few transactions are light enough");
		known += add_numbered(j, number, taken);
	}
	for (uint64_t number = WAITING; foreign < FOREIGN; number++) {
		must(number < 2 * WAITING, "too few transactions are light enough");
		foreign += add_numbered(j, number, taken);
	}
}

static void add_waiting(void)
{
	struct json_object *params = json_object_new_object();
	struct json_object *count = json_object_new_object();
	struct json_object *result;

	json_object_object_add(count, "count", json_object_new_int(WAITING));
	json_object_object_add(params, "target", json_object_new_string("node"));
	json_object_object_add(params, "method", json_object_new_string("add_transactions"));
	json_object_object_add(params, "params", count);
	result = harness_request("call", params);
	ck_assert_int_eq(json_integer(result, "mempool_tx", 0), WAITING);
	json_object_put(result);
	json_object_put(params);
}

/* A full template, as it is: some 3,200 of them. */
static bool has_transactions(void *user)
{
	struct declaring_client *j = user;

	dc_templates(j, tp_port, 1);
	return j->work.tx_count > 0;
}

static void start_large(struct declaring_client *j)
{
	start_on("embedded_tx_interval = 0\nembedded_mempool = 5000",
		 "min_interval = 100ms\nfee_threshold = 0", "full-template",
		 "answer_timeout = 5m\n");
	add_waiting();
	harness_wait(WAIT_MS, has_transactions, j, "the template has transactions");
	dc_declaration(j, jds_port, ADIT_SV2_DECLARE_TX_DATA);
	dc_mining(j, harness.port, USER);
}

/* What is sent is longer than a read, a Noise chunk and a socket's buffer, both over TCP and
 * between the processes. */
START_TEST(four_thousand_transactions)
{
	struct declaring_client j = {0};

	start_large(&j);
	dc_allocate(&j, USER);
	ck_assert_uint_eq(dc_declare(&j), 0);
	choose_many(&j);
	dc_allocate(&j, USER);
	ck_assert_uint_eq(dc_declare(&j), FOREIGN);
	ck_assert_ptr_null(dc_set_job(&j));
	ck_assert_ptr_null(dc_share(&j, true));
	dc_push(&j);
	(void)harness_wait_number("node", "height", 1, WAIT_MS);
	(void)harness_wait_number("jds", "blocks_accepted", 1, WAIT_MS);
	finish(&j);
}
END_TEST

/* The node dies with the question for 3,700 transactions in its socket. All are asked of the client
 * then; whether the block can be checked afterwards is open, but the client is told. */
START_TEST(the_node_dies_meanwhile)
{
	struct declaring_client j = {0};
	struct adit_bytes token = {.data = j.token};
	struct adit_sv2_declare_mining_job m;
	union sv2_body body;
	int32_t came;
	pid_t node;

	start_large(&j);
	choose_many(&j);
	dc_allocate(&j, USER);
	token.size = j.token_size;
	m = declarer_declaration(&j.work, ++j.requests, &token);
	node = harness_pid("node");
	ck_assert_int_gt(node, 0);
	ck_assert_int_eq(kill(node, SIGSTOP), 0);
	must(dc_send(&j.declaration, ADIT_SV2_DECLARE_MINING_JOB, &m), "closed");
	(void)harness_wait_number("jds", "pending", 1, WAIT_MS);
	(void)kill(node, SIGKILL); /* unless the host has, as it does not answer */
	came = probe_receive(&j.declaration, (int)harness_limit(WAIT_MS), &body);
	ck_assert_int_eq(came, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS);
	ck_assert_uint_eq(body.provide_missing_transactions.unknown_tx_position_list.count,
			  KNOWN + FOREIGN);
	(void)dc_provide(&j, &body.provide_missing_transactions);
	came = probe_receive(&j.declaration, (int)harness_limit(WAIT_MS), &body);
	ck_assert(came == ADIT_SV2_DECLARE_MINING_JOB_SUCCESS ||
		  came == ADIT_SV2_DECLARE_MINING_JOB_ERROR);
	ck_assert_int_eq(harness_number("jds", "pending"), 0);
	dc_close(&j);
	harness_stop();
}
END_TEST

/* --- coinbase-only ------------------------------------------------------------------------------
 */

START_TEST(coinbase_only)
{
	struct declaring_client j = {0};

	start("any", "");
	dc_templates(&j, tp_port, 1);
	dc_declaration(&j, jds_port, 0);
	dc_mining(&j, harness.port, USER);
	dc_allocate(&j, USER);
	ck_assert_ptr_null(dc_set_job(&j));
	ck_assert_ptr_null(dc_share(&j, false));
	ck_assert_ptr_null(dc_share(&j, true));
	ck_assert_int_eq(of_workers("blocks_found", NULL), 1);
	/* a token of somebody else's */
	dc_allocate(&j, "stranger");
	ck_assert_str_eq(dc_set_job(&j), "invalid-mining-job-token");
	finish(&j);
}
END_TEST

/* One token, given out by the server's process, is good at whatever worker of the pool a connection
 * lands. */
START_TEST(on_any_worker)
{
	struct declaring_client j = {0};
	struct probe mining[32];
	int64_t least = 0;
	size_t n = 0;

	start("full-template", "");
	dc_templates(&j, tp_port, 1);
	dc_declaration(&j, jds_port, ADIT_SV2_DECLARE_TX_DATA);
	dc_allocate(&j, USER);
	(void)dc_declare(&j);
	while (least < 1) {
		must(n < sizeof(mining) / sizeof(mining[0]), "one worker gets all connections");
		dc_mining(&j, harness.port, USER);
		mining[n++] = j.mining;
		ck_assert_ptr_null(dc_set_job(&j));
		ck_assert_ptr_null(dc_share(&j, false));
		mining[n - 1] = j.mining;
		ck_assert_int_eq(of_workers("custom_jobs", &least), (int64_t)n);
	}
	for (size_t i = 0; i < n; i++)
		probe_close(&mining[i]);
	memset(&j.mining, 0, sizeof(j.mining));
	j.mining.fd = -1;
	finish(&j);
}
END_TEST

/* Server and pool die; a token from before is good with those that follow them. */
START_TEST(tokens_outlive_processes)
{
	struct declaring_client j = {0};

	start("full-template", "");
	dc_templates(&j, tp_port, 1);
	dc_declaration(&j, jds_port, ADIT_SV2_DECLARE_TX_DATA);
	dc_allocate(&j, USER);
	(void)harness_kill("jds");
	probe_close(&j.declaration);
	dc_declaration(&j, jds_port, ADIT_SV2_DECLARE_TX_DATA);
	(void)dc_declare(&j);
	(void)harness_kill("pool");
	(void)harness_kill("jds");
	dc_mining(&j, harness.port, USER);
	ck_assert_ptr_null(dc_set_job(&j));
	ck_assert_ptr_null(dc_share(&j, false));
	dc_close(&j);
	harness_stop();
}
END_TEST

/* A key is nobody else's, is made once, and is replaced while all run. */
START_TEST(keys_are_rotated)
{
	struct declaring_client j = {0};
	char path[160];
	struct stat st;

	start("full-template", "token_rotation = 1s\ntoken_lifetime = 10m\n");
	snprintf(path, sizeof(path), "%s/state/token.key", harness.directory);
	must(stat(path, &st) == 0, "%s: %s", path, strerror(errno));
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	dc_templates(&j, tp_port, 1);
	dc_declaration(&j, jds_port, ADIT_SV2_DECLARE_TX_DATA);
	dc_mining(&j, harness.port, USER);
	dc_allocate(&j, USER);
	(void)harness_wait_number("jds", "token_keys", harness_number("jds", "token_keys") + 1,
				  WAIT_MS);
	/* the old one opens the token, the new one seals the next, which the pool has yet to learn
	 * of */
	(void)dc_declare(&j);
	ck_assert_ptr_null(dc_set_job(&j));
	finish(&j);
}
END_TEST

/* --- hostile clients ----------------------------------------------------------------------------
 */

/* A good client that works all the while. */
static void still_works(struct declaring_client *j)
{
	dc_allocate(j, USER);
	(void)dc_declare(j);
	must(dc_set_job(j) == NULL, "a custom job is refused");
	must(dc_share(j, false) == NULL, "a share is refused");
}

static void garbage(void)
{
	static const uint8_t types[] = {0x50, 0x57, 0x56, 0x60, 0x10, 0x7f};
	struct probe p;

	for (size_t i = 0; i < sizeof(types); i++) {
		uint8_t frame[6 + 90];

		dc_setup(&p, jds_port, ADIT_SV2_JOB_DECLARATION, ADIT_SV2_DECLARE_TX_DATA);
		memset(frame, 0xfe, sizeof(frame));
		probe_header(frame, 0, types[i], sizeof(frame) - 6);
		(void)probe_send_frame(&p, frame, sizeof(frame));
		probe_expect_close(&p);
		probe_close(&p);
	}
}

/* 16 MB of transactions that nobody asked for, and as many that never end. */
static void sixteen_megabytes(void)
{
	const uint32_t size = 16777215;
	uint8_t *frame = calloc(1, 6 + size);
	struct probe whole, half;

	must(frame != NULL, "out of memory");
	dc_setup(&whole, jds_port, ADIT_SV2_JOB_DECLARATION, ADIT_SV2_DECLARE_TX_DATA);
	dc_setup(&half, jds_port, ADIT_SV2_JOB_DECLARATION, ADIT_SV2_DECLARE_TX_DATA);
	probe_header(frame, 0, 0x56, size);
	/* request id, one transaction of the rest */
	frame[6 + 4] = 1;
	frame[6 + 6] = (uint8_t)(size - 9);
	frame[6 + 7] = (uint8_t)((size - 9) >> 8);
	frame[6 + 8] = (uint8_t)((size - 9) >> 16);
	(void)probe_send_frame(&whole, frame, 6 + size);
	probe_expect_close(&whole);
	probe_close(&whole);
	/* the frame is not complete: it is held until the client goes */
	(void)probe_send_raw(&half, frame, 22 + 65536);
	probe_close(&half);
	free(frame);
}

/* Nothing is read of the answers, either. */
static void endless_tokens(void)
{
	struct adit_sv2_allocate_mining_job_token m = {.request_id = 1};
	uint64_t until = clock_monotonic_ms() + harness_limit(WAIT_MS);
	struct probe p;

	dc_setup(&p, jds_port, ADIT_SV2_JOB_DECLARATION, ADIT_SV2_DECLARE_TX_DATA);
	while (dc_send(&p, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN, &m))
		must(clock_monotonic_ms() < until, "tokens are given out without end");
	probe_close(&p);
	must(harness_log_has("too many tokens asked for"), "the client left for another reason");
}

/* What is missing never comes: the client is told so, and may go on. */
static void never_answering(struct declaring_client *j)
{
	uint64_t number = 5000;
	struct adit_bytes token = {.data = j->token};
	struct adit_sv2_declare_mining_job m;
	union sv2_body body;

	dc_templates(j, tp_port, 1);
	add_foreign(j, &number);
	dc_allocate(j, USER);
	token.size = j->token_size;
	for (uint32_t i = 0; i < 4; i++) {
		m = declarer_declaration(&j->work, 900 + i, &token);
		must(dc_send(&j->declaration, ADIT_SV2_DECLARE_MINING_JOB, &m), "closed");
	}
	for (uint32_t i = 0; i < 4; i++) {
		probe_expect(&j->declaration, ADIT_SV2_DECLARE_MINING_JOB_ERROR, &body);
		must(body.declare_mining_job_error.error_code.size == 11 &&
			 memcmp(body.declare_mining_job_error.error_code.data, "missing-txs", 11) ==
			     0,
		     "another reason");
	}
	dc_allocate(j, USER);
}

START_TEST(hostile_clients)
{
	struct declaring_client good = {0}, bad = {0};
	pid_t pid;

	start("full-template", "answer_timeout = 1s\n");
	pid = harness_pid("jds");
	dc_templates(&good, tp_port, 1);
	dc_declaration(&good, jds_port, ADIT_SV2_DECLARE_TX_DATA);
	dc_mining(&good, harness.port, USER);
	still_works(&good);
	garbage();
	still_works(&good);
	sixteen_megabytes();
	still_works(&good);
	endless_tokens();
	still_works(&good);
	dc_declaration(&bad, jds_port, ADIT_SV2_DECLARE_TX_DATA);
	never_answering(&bad);
	still_works(&good);
	bad.mining.fd = bad.templates.fd = -1;
	dc_close(&bad);
	ck_assert_int_eq(harness_pid("jds"), pid);
	ck_assert_int_le(harness_number("jds", "memory"), 4000000);
	finish(&good);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("job declaration");
	TCase *c = tcase_create("jds");
	TCase *large = tcase_create("large");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(c, harness_setup, harness_teardown);
	tcase_set_timeout(c, (double)harness_limit(300));
	tcase_add_test(c, a_declared_block);
	tcase_add_test(c, coinbase_only);
	tcase_add_test(c, on_any_worker);
	tcase_add_test(c, tokens_outlive_processes);
	tcase_add_test(c, keys_are_rotated);
	tcase_add_test(c, hostile_clients);
	tcase_add_checked_fixture(large, harness_setup, harness_teardown);
	tcase_set_timeout(large, (double)harness_limit(300));
	tcase_add_test(large, four_thousand_transactions);
	tcase_add_test(large, the_node_dies_meanwhile);
	suite_add_tcase(s, c);
	suite_add_tcase(s, large);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
