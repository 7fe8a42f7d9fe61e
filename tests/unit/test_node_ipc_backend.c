/* SPDX-License-Identifier: MIT */
/* The backend bitcoin-ipc against a node that does what the test wants, without and with RPC. */
#include "config.h"

#include <check.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/node/traffic.h"
#include "lib/util/hex.h"
#include "tests/unit/fake_ipc_node.h"
#include "tests/unit/mock_node.h"
#include "tests/unit/node_rig.h"

static struct fake_ipc fake;
static struct mock_node mock;
static struct adit_host *host;

/* --- the test's hands ---------------------------------------------------------------------------
 */

static void setup(void)
{
	host = fake_host_new("node", adit_node_manifest, NULL, NULL);
	fake_ipc_init(&fake, fake_host_base(host));
	fake_host_set_config(host, "backend", "bitcoin-ipc");
	fake_host_set_config(host, "ipc_socket", fake.path);
	fake_host_set_config(host, "ipc_timeout", "800");
}

/* The node goes first: on the same loop it couldn't answer one that waits to leave. */
static void teardown(void)
{
	fake_ipc_down(&fake);
	fake_host_stop(host);
	fake_ipc_free(&fake);
	fake_host_free(host);
}

static void setup_both(void)
{
	char hash[80];

	setup();
	mock_node_init(&mock, fake_host_base(host));
	rig_use_rpc(host, mock.port, mock.cookie, "60000");
	/* The same tip in both. */
	fake_ipc_tip(&fake, 2, 0);
	mock_node_hash(2, hash);
	ck_assert(hex_decode_reversed(hash, fake.hash, 32));
}

static void teardown_both(void)
{
	fake_ipc_down(&fake);
	fake_host_stop(host);
	mock_node_free(&mock);
	fake_ipc_free(&fake);
	fake_host_free(host);
}

static const char *ask(const char *method)
{
	return rig_answer(host, method, "{}", NULL, 0);
}

static bool says(void *user)
{
	return strstr(ask("get_status"), user) != NULL;
}

static void wait_status(const char *part)
{
	char text[256];

	snprintf(text, sizeof(text), "%s", part);
	ck_assert_msg(fake_host_wait(host, says, text, 60000), "%s is not in %s", part,
		      ask("get_status"));
}

static void start(void)
{
	ck_assert_int_eq(fake_host_start(host, &adit_node_plugin), ADIT_OK);
}

static bool is_waiting(void *user)
{
	(void)user;
	return fake.waiting != NULL;
}

/* Ready, and waiting for a tip. */
static void start_and_settle(void)
{
	start();
	wait_status("\"state\":\"ready\"");
	ck_assert(fake_host_wait(host, is_waiting, NULL, 60000));
	fake_host_forget_events(host);
}

static void wait_event(const char *type, size_t count)
{
	for (int i = 0; i < 6000 && fake_host_published(host, type) < count; i++)
		fake_host_run(host, 10);
	ck_assert_uint_eq(fake_host_published(host, type), count);
}

static const char *submit(size_t size)
{
	uint8_t *block = calloc(1, size);
	const char *answer = rig_answer(host, "submit_block", "{}", block, size);

	free(block);
	return answer;
}

/* --- alone --------------------------------------------------------------------------------------
 */

START_TEST(it_connects)
{
	fake.dialect = (enum node_dialect)_i;
	start_and_settle();
	rig_must_have(ask("get_status"), "\"height\":7");
	rig_must_have(ask("get_status"), "\"backend\":\"bitcoin-ipc\"");
	ck_assert_ptr_null(strstr(ask("get_status"), "\"bits\""));
	rig_must_have(ask("get_status"), node_dialect_name(fake.dialect));
	rig_must_have(ask("get_chain_tip"), "\"hash\":\"0707");
	rig_must_have(ask("get_sync_status"), "\"synced\":true");
	/* What there is no way to tell. */
	rig_must_have(ask("get_block_template"), "unsupported: ");
	rig_must_have(ask("get_block_template"), "source = bitcoin-ipc");
	rig_must_have(ask("get_mempool_size"), "unsupported: ");
	rig_must_have(ask("get_mempool_size"), "rpc_url");
	rig_must_have(rig_answer(host, "get_block_by_height", "{\"height\":1}", NULL, 0),
		      "unsupported: ");
	rig_must_have(
	    rig_answer(host, "get_block",
		       "{\"hash\":\"00000000000000000000000000000000000000000000000000000000000000"
		       "00\"}",
		       NULL, 0),
	    "unsupported: ");
}
END_TEST

START_TEST(tips_are_told)
{
	start_and_settle();
	fake_ipc_tip(&fake, 8, 8);
	wait_event("NewBlock", 1);
	rig_must_have(fake_host_event(host, "NewBlock", 0), "\"height\":8");
	ck_assert(fake_host_wait(host, is_waiting, NULL, 60000));
	fake_ipc_tip(&fake, 9, 9);
	wait_event("NewBlock", 2);
	ck_assert(fake_host_wait(host, is_waiting, NULL, 60000));
	/* Two are replaced by one of their height. */
	fake_host_forget_events(host);
	fake_ipc_tip(&fake, 8, 80);
	wait_event("ChainReorg", 1);
	ck_assert_str_eq(fake_host_event_type(host, 0), "BlockDisconnected");
	rig_must_have(fake_host_event(host, "BlockDisconnected", 0), "\"height\":9");
	ck_assert_str_eq(fake_host_event_type(host, 1), "BlockDisconnected");
	rig_must_have(fake_host_event(host, "BlockDisconnected", 1), "\"height\":8");
	ck_assert_str_eq(fake_host_event_type(host, 2), "NewBlock");
	ck_assert_str_eq(fake_host_event_type(host, 3), "ChainReorg");
	/* One leaves, and nothing comes: it is as it was at the start. */
	ck_assert(fake_host_wait(host, is_waiting, NULL, 60000));
	fake_host_forget_events(host);
	fake_ipc_tip(&fake, 7, 7);
	wait_event("ChainReorg", 1);
	ck_assert_uint_eq(fake_host_published(host, "BlockDisconnected"), 1);
	ck_assert_uint_eq(fake_host_published(host, "NewBlock"), 0);
	rig_must_have(ask("get_block_height"), "{\"height\":7}");
}
END_TEST

START_TEST(initial_download_is_a_state)
{
	fake_host_set_network(host, "signet");
	fake.initial_download = true;
	start();
	wait_status("initial-download");
	rig_must_have(ask("get_status"), "block 7");
	rig_must_have(ask("get_sync_status"), "\"initial_block_download\":true");
	rig_must_have(ask("get_block_height"), "unavailable: ");
	fake.initial_download = false;
	wait_status("\"state\":\"ready\"");
	rig_must_have(ask("get_sync_status"), "\"initial_block_download\":false");
}
END_TEST

START_TEST(a_node_without_a_tip_starts)
{
	fake.no_tip = true;
	start();
	wait_status("\"state\":\"starting\"");
	fake.no_tip = false;
	wait_status("\"state\":\"ready\"");
}
END_TEST

START_TEST(another_network_is_refused)
{
	fake.test_chain = false;
	start();
	wait_status("\"state\":\"failing\"");
	rig_must_have(ask("get_status"), "is on the main network, but network = regtest");
	fake.test_chain = true;
	wait_status("\"state\":\"ready\"");
}
END_TEST

START_TEST(an_absent_node_is_said)
{
	fake_ipc_down(&fake);
	start();
	wait_status("no socket ");
	rig_must_have(ask("get_status"), "\"state\":\"connecting\"");
	rig_must_have(ask("get_status"), "-ipcbind=unix");
	fake_ipc_up(&fake);
	wait_status("\"state\":\"ready\"");
	/* Restarted, with a block more. */
	ck_assert(fake_host_wait(host, is_waiting, NULL, 60000));
	fake_host_forget_events(host);
	fake_ipc_down(&fake);
	wait_status("\"state\":\"connecting\"");
	fake_ipc_tip(&fake, 8, 8);
	fake_ipc_up(&fake);
	wait_status("\"state\":\"ready\"");
	ck_assert_uint_eq(fake_host_published(host, "NewBlock"), 1);
	ck_assert_uint_eq(fake_host_published(host, "BlockDisconnected"), 0);
}
END_TEST

/* The socket is the node's user's own. Who may open everything takes the place of another user. */
START_TEST(a_socket_of_another_user_is_said)
{
	uid_t user = geteuid();

	ck_assert_int_eq(chmod(fake.path, 0), 0);
	if (user == 0)
		ck_assert_int_eq(chmod(fake.dir, 0711) | seteuid(65534), 0);
	start();
	wait_status(" may not be opened: it is for the node's own user, as which aditd");
	if (user == 0)
		ck_assert_int_eq(seteuid(user), 0);
	ck_assert_int_eq(chmod(fake.path, 0600), 0);
	wait_status("\"state\":\"ready\"");
}
END_TEST

START_TEST(blocks_are_checked_and_submitted)
{
	start_and_settle();
	ck_assert_str_eq(rig_answer(host, "check_block", "{}", fake.path, 90), "{\"valid\":true}");
	ck_assert_uint_eq(fake.last_block_size, 90);
	ck_assert(!fake.last_check_pow);
	rig_must_have(submit(4000000), "\"accepted\":true");
	ck_assert_uint_eq(fake.last_block_size, 4000000);
	ck_assert_uint_eq(fake_host_published(host, "BlockMined"), 1);
	fake.refusal = "duplicate";
	rig_must_have(submit(100), "\"duplicate\":true");
	fake.refusal = "bad-cb-amount";
	rig_must_have(submit(100), "\"reason\":\"bad-cb-amount\"");
	ck_assert_str_eq(rig_answer(host, "check_block", "{}", fake.path, 90),
			 "{\"valid\":false,\"reason\":\"bad-cb-amount\"}");
	fake.refusal = "";
	rig_must_have(submit(100), "\"reason\":\"rejected\"");
}
END_TEST

START_TEST(old_dialects_check_but_do_not_submit)
{
	fake.dialect = (enum node_dialect)_i;
	start_and_settle();
	ck_assert_str_eq(rig_answer(host, "check_block", "{}", fake.path, 90), "{\"valid\":true}");
	ck_assert_uint_eq(fake.last_block_size, 90);
	ck_assert(!fake.last_check_pow);
	rig_must_have(submit(100), "unsupported: ");
	rig_must_have(submit(100), "rpc_url");
	rig_must_have(rig_answer(host, "get_transactions_by_wtxid", "{}", fake.path, 64),
		      "unsupported: ");
}
END_TEST

START_TEST(transactions_are_found)
{
	uint8_t wtxids[200][32];
	struct fake_reply *reply;
	const uint8_t *at;

	for (unsigned i = 0; i < 150; i++)
		fake.transactions[fake.transaction_count++] = i;
	for (unsigned i = 0; i < 200; i++) {
		struct traffic_tx t;

		traffic_make(i + 50, &t);
		memcpy(wtxids[i], t.wtxid, 32);
	}
	start_and_settle();
	reply = fake_host_call(host, "get_transactions_by_wtxid", "{}", wtxids, sizeof(wtxids));
	ck_assert_msg(reply->error == ADIT_OK, "%s", reply->message);
	ck_assert_str_eq(reply->json, "{\"count\":200,\"found\":100}");
	at = reply->attachment;
	for (unsigned i = 0; i < 200; i++) {
		struct traffic_tx t;
		uint32_t size;

		traffic_make(i + 50, &t);
		memcpy(&size, at, 4);
		ck_assert_uint_eq(size, i < 100 ? t.size : 0);
		ck_assert_mem_eq(at + 4, t.data, size);
		at += 4 + size;
	}
	ck_assert_ptr_eq(at, reply->attachment + reply->attachment_size);
	fake_reply_free(reply);
}
END_TEST

/* --- a node that is not well --------------------------------------------------------------------
 */

static void fault_hang(struct fake_ipc *f)
{
	f->hang = true;
}

static void fault_drop(struct fake_ipc *f)
{
	f->drop = true;
}

static void fault_exception(struct fake_ipc *f)
{
	f->exception = true;
}

static void fault_nothing(struct fake_ipc *f)
{
	f->nothing = true;
}

static void fault_types(struct fake_ipc *f)
{
	f->wrong_types = true;
}

static void (*const faults[])(struct fake_ipc *f) = {fault_hang, fault_drop, fault_exception,
						     fault_nothing, fault_types};
#define FAULTS ((int)(sizeof(faults) / sizeof(faults[0])))

static const enum node_method opening[] = {NODE_Init_construct,
					   NODE_Init_makeMining,
					   NODE_ThreadMap_makeThread,
					   NODE_Mining_isTestChain,
					   NODE_Mining_isInitialBlockDownload,
					   NODE_Mining_getTip};
#define OPENING ((int)(sizeof(opening) / sizeof(opening[0])))

/* Each step of the way to a tip with each fault: it is said, and when it is over, all is well. */
START_TEST(an_ill_opening_is_survived)
{
	fake.only = (int)opening[_i / FAULTS];
	faults[_i % FAULTS](&fake);
	start();
	for (int i = 0; i < 600 && fake.calls[fake.only] == 0; i++)
		fake_host_run(host, 100);
	ck_assert_uint_gt(fake.calls[fake.only], 0);
	fake_host_run(host, 200);
	fake_ipc_heal(&fake);
	wait_status("\"state\":\"ready\"");
	/* An answer without fields can be a right one: no test network, no download, no tip. */
	if (_i % FAULTS < 3)
		ck_assert_uint_ge(fake.sessions, 2);
}
END_TEST

/* The node's thread that waits for tips, and what a request meets. */
START_TEST(an_ill_wait_is_survived)
{
	fake.only = NODE_Mining_waitTipChanged;
	faults[_i](&fake);
	start();
	for (int i = 0; i < 600 && fake.calls[fake.only] == 0; i++)
		fake_host_run(host, 100);
	fake_ipc_heal(&fake);
	fake_ipc_tip(&fake, 8, 8);
	wait_status("\"height\":8");
	wait_status("\"state\":\"ready\"");
}
END_TEST

START_TEST(an_ill_check_is_answered)
{
	static const char *const expected[] = {
	    "unavailable: ", "unavailable: ", "protocol: as ordered", "\"valid\":false",
	    "\"valid\":false"};

	start_and_settle();
	fake.only = NODE_Mining_checkBlock;
	faults[_i](&fake);
	rig_must_have(rig_answer(host, "check_block", "{}", fake.path, 90), expected[_i]);
	fake_ipc_heal(&fake);
	wait_status("\"state\":\"ready\"");
	ck_assert_str_eq(rig_answer(host, "check_block", "{}", fake.path, 90), "{\"valid\":true}");
}
END_TEST

START_TEST(an_ill_search_is_answered)
{
	static const char *const expected[] = {
	    "unavailable: ", "unavailable: ", "protocol: as ordered", "\"found\":0", "\"found\":0"};

	start_and_settle();
	fake.only = NODE_Mining_getTransactionsByWitnessID;
	faults[_i](&fake);
	rig_must_have(rig_answer(host, "get_transactions_by_wtxid", "{}", fake.path, 64),
		      expected[_i]);
	fake_ipc_heal(&fake);
	wait_status("\"state\":\"ready\"");
	rig_must_have(rig_answer(host, "get_transactions_by_wtxid", "{}", fake.path, 64),
		      "\"found\":0");
}
END_TEST

static void heal(void *user)
{
	fake_ipc_heal(user);
}

/* A block is sent again until there is a verdict. */
START_TEST(a_block_waits_for_the_node)
{
	start_and_settle();
	fake.only = NODE_Mining_submitBlock;
	faults[_i](&fake);
	fake_host_api()->timer_add(host, 1000, 0, heal, &fake, NULL, NULL);
	rig_must_have(submit(100), _i == 2 ? "protocol: as ordered" : "\"accepted\":true");
	if (_i < 2)
		ck_assert_uint_ge(fake.calls[NODE_Mining_submitBlock], 2);
}
END_TEST

START_TEST(stopping_answers_what_is_open)
{
	start_and_settle();
	fake.only = NODE_Mining_submitBlock;
	fake.hang = true;
	if (_i == 1)
		fake_ipc_down(&fake);
	rig_stop_while_submitting(host);
}
END_TEST

/* --- with RPC -----------------------------------------------------------------------------------
 */

START_TEST(both_work_together)
{
	char hash[65];

	start();
	wait_status("\"state\":\"ready\"");
	wait_status("dialect v32");
	ck_assert(fake_host_wait(host, is_waiting, NULL, 60000));
	rig_must_have(ask("get_block_template"), "\"height\":3");
	mock_node_can(&mock, "getchaintips", "[{\"height\":9}]");
	rig_must_have(ask("get_chain_tips"), "\"height\":9");
	/* IPC for what it can. */
	rig_must_have(submit(100), "\"accepted\":true");
	ck_assert_uint_eq(fake.calls[NODE_Mining_submitBlock], 1);
	ck_assert_uint_eq(mock.calls[MOCK_SUBMIT], 0);
	/* A tip that IPC tells is looked at by RPC at once, which would not do so for a minute. */
	fake_host_forget_events(host);
	mock.chain[++mock.height] = 33;
	fake_ipc_tip(&fake, 3, 0);
	wait_event("NewBlock", 1);
	mock_node_hash(33, hash);
	rig_must_have(fake_host_event(host, "NewBlock", 0), hash);
}
END_TEST

START_TEST(rpc_does_what_ipc_does_not)
{
	fake.dialect = NODE_V31;
	start();
	wait_status("\"state\":\"ready\"");
	wait_status("dialect v31");
	rig_must_have(submit(100), "\"accepted\":true");
	ck_assert_uint_eq(mock.calls[MOCK_SUBMIT], 1);
	rig_must_have(rig_answer(host, "get_transactions_by_wtxid", "{}", fake.path, 64),
		      "\"found\":0");
	/* The socket goes: everything else stays. */
	fake_ipc_down(&fake);
	wait_status("\"ipc\":\"no socket");
	rig_must_have(ask("get_status"), "\"state\":\"ready\"");
	mock.submit_result = "\"bad-cb-amount\"";
	rig_must_have(rig_answer(host, "check_block", "{}", fake.path, 90), "bad-cb-amount");
	rig_must_have(submit(100), "bad-cb-amount");
}
END_TEST

START_TEST(a_failed_submission_goes_by_rpc)
{
	start();
	wait_status("\"state\":\"ready\"");
	wait_status("dialect v32");
	fake.only = NODE_Mining_submitBlock;
	faults[_i](&fake);
	rig_must_have(submit(100), _i < 3 ? "\"accepted\":true" : "\"reason\":\"rejected\"");
	ck_assert_uint_eq(mock.calls[MOCK_SUBMIT], _i < 3 ? 1 : 0);
}
END_TEST

START_TEST(wrong_configuration_is_explained)
{
	struct adit_host *h = fake_host_new("node", adit_node_manifest, NULL, NULL);
	char path[200];

	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	fake_host_set_config(h, "backend", "bitcoin-ipc");
	fake_host_set_config(h, "ipc_socket", path);
	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_E_CONFIG);
	fake_host_set_config(h, "ipc_socket", "/nowhere/node.sock");
	fake_host_set_config(h, "rpc_url", "nonsense");
	ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_E_CONFIG);
	rig_must_have(fake_host_error(h), "rpc_url: expected");
	fake_host_free(h);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node, bitcoin-ipc");
	TCase *alone = tcase_create("alone");
	TCase *ill = tcase_create("ill");
	TCase *both = tcase_create("both");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(alone, setup, teardown);
	tcase_add_checked_fixture(ill, setup, teardown);
	tcase_add_checked_fixture(both, setup_both, teardown_both);
	tcase_set_timeout(alone, 180);
	tcase_set_timeout(ill, 180);
	tcase_set_timeout(both, 180);
	tcase_add_loop_test(alone, it_connects, 0, NODE_DIALECTS);
	tcase_add_test(alone, tips_are_told);
	tcase_add_test(alone, initial_download_is_a_state);
	tcase_add_test(alone, a_node_without_a_tip_starts);
	tcase_add_test(alone, another_network_is_refused);
	tcase_add_test(alone, an_absent_node_is_said);
	tcase_add_test(alone, a_socket_of_another_user_is_said);
	tcase_add_test(alone, blocks_are_checked_and_submitted);
	tcase_add_loop_test(alone, old_dialects_check_but_do_not_submit, 0, NODE_V32);
	tcase_add_test(alone, transactions_are_found);
	tcase_add_loop_test(alone, stopping_answers_what_is_open, 0, 2);
	tcase_add_loop_test(ill, an_ill_opening_is_survived, 0, OPENING * FAULTS);
	tcase_add_loop_test(ill, an_ill_wait_is_survived, 0, FAULTS);
	tcase_add_loop_test(ill, an_ill_check_is_answered, 0, FAULTS);
	tcase_add_loop_test(ill, an_ill_search_is_answered, 0, FAULTS);
	tcase_add_loop_test(ill, a_block_waits_for_the_node, 0, 3);
	tcase_add_test(both, both_work_together);
	tcase_add_test(both, rpc_does_what_ipc_does_not);
	tcase_add_loop_test(both, a_failed_submission_goes_by_rpc, 0, FAULTS);
	tcase_add_test(both, wrong_configuration_is_explained);
	suite_add_tcase(suite, alone);
	suite_add_tcase(suite, ill);
	suite_add_tcase(suite, both);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
