/* SPDX-License-Identifier: MIT */
/*
 * Job declaration with a real node: it finds the transactions, checks the blocks of declared jobs,
 * and takes a pushed solution. Run by `make check-bitcoind`; over RPC, and over IPC where the node
 * has it.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/clock.h"
#include "tests/functional/bitcoind/node.h"
#include "tests/functional/harness.h"
#include "tests/functional/declaring_client.h"

#define WAIT_MS 60000
#define USER "farm"

static uint16_t tp_port, jds_port;

static void configure(const char *backend)
{
	tp_port = harness_free_port();
	jds_port = harness_free_port();
	harness_configure("[host]\nstate_dir = %s/state\nrun_dir = %s\nplugin_dir = %s\n"
			  "log_level = debug\n\n[node]\nbackend = %s\n"
			  "network = regtest\nrpc_datadir = %s\nrpc_url = http://127.0.0.1:%s/\n",
			  harness.directory, harness.directory, ADIT_STAGE_PLUGINS, backend,
			  getenv("BITCOIN_DATADIR"), getenv("BITCOIN_RPCPORT"));
	if (strstr(backend, "ipc") != NULL)
		harness_configure("ipc_socket = %s\n", getenv("BITCOIN_IPC"));
	harness_configure("\n[template-provider]\nprocess = templates\n"
			  "listen = unix:%s/tdp.sock, 127.0.0.1:%u\n"
			  "\n[sv2-server]\nprocess = mining\nlisten = 127.0.0.1:%u\n"
			  "\n[pool]\nprocess = mining\npayout = " HARNESS_ADDRESS "\n"
			  "template_provider = unix:%s/tdp.sock\n"
			  "custom_jobs = any\nmin_difficulty = 0.000000001\n",
			  harness.directory, tp_port, harness.port, harness.directory);
	harness_configure("\n[sv2-server@jds]\nprocess = jds\nlisten = 127.0.0.1:%u\n", jds_port);
	harness_configure("\n[jds]\nprocess = jds\npayout = " HARNESS_ADDRESS "\n");
}

/* What the node refuses is refused: a satoshi too much. */
static void too_much(struct declaring_client *j, uint32_t height)
{
	struct adit_bytes token = {.data = j->token};
	struct adit_sv2_declare_mining_job m;
	const struct adit_sv2_declare_mining_job_error *e;
	union sv2_body body;

	dc_templates(j, tp_port, height);
	j->work.value++;
	dc_allocate(j, USER);
	token.size = j->token_size;
	m = declarer_declaration(&j->work, 77, &token);
	must(dc_send(&j->declaration, ADIT_SV2_DECLARE_MINING_JOB, &m), "closed");
	probe_expect(&j->declaration, ADIT_SV2_DECLARE_MINING_JOB_ERROR, &body);
	e = &body.declare_mining_job_error;
	must(e->error_details.size == 13 && memcmp(e->error_details.data, "bad-cb-amount", 13) == 0,
	     "another reason: %.*s", (int)e->error_details.size,
	     (const char *)e->error_details.data);
}

START_TEST(a_declared_block)
{
	static const char *const backends[] = {"bitcoin-rpc", "bitcoin-ipc"};
	struct declaring_client j = {0};
	int64_t height;
	uint64_t until = clock_monotonic_ms() + harness_limit(WAIT_MS);

	if (_i == 1 && (getenv("BITCOIN_IPC") == NULL || *getenv("BITCOIN_IPC") == '\0'))
		return;
	ck_assert(node_add_transactions());
	height = node_number("getblockcount");
	configure(backends[_i]);
	harness_start();
	harness_wait_running();
	/* the first one may be empty, so that it comes early */
	while (j.work.tx_count == 0) {
		must(clock_monotonic_ms() < until, "no template has transactions");
		dc_templates(&j, tp_port, (uint32_t)height + 1);
		harness_pause();
	}
	dc_declaration(&j, jds_port, ADIT_SV2_DECLARE_TX_DATA);
	dc_mining(&j, harness.port, USER);
	dc_allocate(&j, USER);
	(void)dc_declare(&j);
	dc_allocate(&j, USER);
	ck_assert_uint_eq(dc_declare(&j), 0);
	ck_assert_ptr_null(dc_set_job(&j));
	ck_assert_ptr_null(dc_share(&j, true));
	dc_push(&j);
	(void)harness_wait_number("jds", "blocks_accepted", 1, WAIT_MS);
	ck_assert_int_eq(node_number("getblockcount"), height + 1);
	too_much(&j, (uint32_t)height + 2);
	dc_close(&j);
	harness_stop();
	must(!harness_log_has("can't check blocks"), "blocks were not checked");
}
END_TEST

/* The chain has coins to spend. */
static void prepare(void)
{
	node_generate(104, 0);
}

int main(void)
{
	Suite *s = suite_create("declaration on a real node");
	TCase *c = tcase_create("declare");
	SRunner *r;
	int failed;

	tcase_add_unchecked_fixture(c, prepare, NULL);
	tcase_add_checked_fixture(c, harness_setup, harness_teardown);
	tcase_set_timeout(c, (double)harness_limit(300));
	tcase_add_loop_test(c, a_declared_block, 0, 2);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
