/* SPDX-License-Identifier: MIT */
/*
 * aditd on a real Bitcoin node: what the node says of itself and what aditd says of it agree, and
 * the CPU miner's blocks, found through Noise, are blocks for the node. Run by `make
 * check-bitcoind`.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/util/clock.h"
#include "tests/functional/bitcoind/node.h"
#include "tests/functional/harness.h"

#define BLOCKS 20
#define BLOCKS_MS 120000

static void configure(void)
{
	harness_configure("[host]\nstate_dir = %s/state\nrun_dir = %s\nplugin_dir = %s\n"
			  "log_level = debug\n\n[node]\nbackend = bitcoin-rpc\n"
			  "network = regtest\nrpc_datadir = %s\nrpc_url = http://127.0.0.1:%s/\n",
			  harness.directory, harness.directory, ADIT_STAGE_PLUGINS,
			  getenv("BITCOIN_DATADIR"), getenv("BITCOIN_RPCPORT"));
	harness_configure("\n[template-provider]\nprocess = templates\nlisten = unix:%s/tdp.sock\n"
			  "\n[sv2-server]\nprocess = mining\nlisten = 127.0.0.1:%u\n"
			  "\n[pool]\nprocess = mining\npayout = " HARNESS_ADDRESS "\n"
			  "template_provider = unix:%s/tdp.sock\n"
			  "shares_per_minute = 600\nmin_difficulty = 0.000000001\n",
			  harness.directory, harness.port, harness.directory);
}

static void start(void)
{
	harness_start();
	harness_wait_running();
}

/* What `aditctl status --json` prints; the caller's. */
static struct json_object *aditctl_status(void)
{
	static char text[1 << 20];
	struct json_object *status;
	char line[512];
	size_t size;
	FILE *from;

	snprintf(line, sizeof(line), "%s -s %s --json status", ADITCTL, harness.socket);
	from = popen(line, "re");
	ck_assert_ptr_nonnull(from);
	size = fread(text, 1, sizeof(text) - 1, from);
	text[size] = '\0';
	must(pclose(from) == 0, "aditctl status --json failed");
	status = json_tokener_parse(text);
	must(status != NULL, "aditctl status --json is not JSON: %s", text);
	return status;
}

static void must_be_text(struct json_object *o, const char *key, const char *expected)
{
	const char *text = json_text(o, key, "(nothing)");

	must(strcmp(text, expected) == 0, "%s is %s, and not %s as the node says", key, text,
	     expected);
}

static void must_be_number(struct json_object *o, const char *key, int64_t expected)
{
	int64_t number = json_integer(o, key, -1);

	must(number == expected, "%s is %lld, and not %lld as the node says", key,
	     (long long)number, (long long)expected);
}

static bool follows(void *user)
{
	char *best = node_text("getbestblockhash");
	struct json_object *status = aditctl_status();
	bool same = strcmp(json_text(harness_said(status, "node"), "hash", ""), best) == 0;

	(void)user;
	json_object_put(status);
	free(best);
	return same;
}

/* --- the same view ------------------------------------------------------------------------------
 */

static struct json_object *call_node(const char *method)
{
	struct json_object *params = json_object_new_object();
	struct json_object *answer;

	json_object_object_add(params, "target", json_object_new_string("node"));
	json_object_object_add(params, "method", json_object_new_string(method));
	json_object_object_add(params, "params", json_object_new_object());
	answer = harness_request("call", params);
	json_object_put(params);
	return answer;
}

/* Returns the fees. */
static int64_t compare_transactions(struct json_object *ours, struct json_object *nodes)
{
	struct json_object *a = json_array_member(ours, "transactions");
	struct json_object *b = json_array_member(nodes, "transactions");
	int64_t fees = 0;

	must(json_count(a) == json_count(b) && json_count(a) >= 30,
	     "%zu transactions in our template, %zu in the node's", json_count(a), json_count(b));
	for (size_t i = 0; i < json_count(a); i++) {
		struct json_object *x = json_element(a, i);
		struct json_object *y = json_element(b, i);

		must_be_text(x, "txid", json_text(y, "txid", ""));
		must_be_text(x, "wtxid", json_text(y, "hash", ""));
		must_be_number(x, "fee", json_integer(y, "fee", -2));
		must_be_number(x, "sigops", json_integer(y, "sigops", -2));
		must_be_number(x, "weight", json_integer(y, "weight", -2));
		fees += json_integer(y, "fee", 0);
	}
	must_be_number(ours, "fees", fees);
	return fees;
}

static int64_t compare_templates(void)
{
	struct json_object *ours = call_node("get_block_template");
	struct json_object *nodes = node_cli("getblocktemplate '{\"rules\":[\"segwit\"]}'");
	int64_t fees;

	must_be_text(ours, "prev_hash", json_text(nodes, "previousblockhash", ""));
	must_be_text(ours, "bits", json_text(nodes, "bits", ""));
	must_be_text(ours, "target", json_text(nodes, "target", ""));
	must_be_text(ours, "default_witness_commitment",
		     json_text(nodes, "default_witness_commitment", ""));
	must_be_number(ours, "height", json_integer(nodes, "height", -2));
	must_be_number(ours, "version", json_integer(nodes, "version", -2));
	must_be_number(ours, "mintime", json_integer(nodes, "mintime", -2));
	must_be_number(ours, "coinbase_value", json_integer(nodes, "coinbasevalue", -2));
	fees = compare_transactions(ours, nodes);
	json_object_put(ours);
	json_object_put(nodes);
	return fees;
}

static bool mempool_is_seen(void *user)
{
	struct json_object *mempool = node_cli("getmempoolinfo");
	int64_t size = json_integer(mempool, "size", -2);

	(void)user;
	json_object_put(mempool);
	return harness_number("node", "mempool_tx") == size;
}

/* The state of the node in one status. The mempool is looked at each two seconds only. */
static void compare_status(void)
{
	struct json_object *status;
	struct json_object *network = node_cli("getnetworkinfo");
	struct json_object *node;
	char *best = node_text("getbestblockhash");

	harness_wait(10000, mempool_is_seen, NULL, "the mempool is seen");
	status = aditctl_status();
	node = harness_said(status, "node");
	must_be_text(node, "hash", best);
	must_be_number(node, "height", node_number("getblockcount"));
	must_be_text(node, "version", json_text(network, "subversion", ""));
	must_be_text(node, "state", "ready");
	must_be_text(node, "bits", "207fffff");
	free(best);
	json_object_put(network);
	json_object_put(status);
}

static bool provider_has_the_fees(void *user)
{
	int64_t *fees = user;

	return harness_number("template-provider", "fees") == *fees;
}

START_TEST(views_agree)
{
	int64_t fees;

	for (int i = 0; i < 10; i++)
		ck_assert(node_add_transactions());
	configure();
	start();
	compare_status();
	fees = compare_templates();
	harness_wait(10000, provider_has_the_fees, &fees, "the template provider has the fees");
	harness_stop();
	must(!harness_log_has(" error "), "an error was logged");
}
END_TEST

/* Blocks that others find, and one branch that gives way to another. */
START_TEST(the_chain_is_followed)
{
	uint64_t before;
	char *hash;

	configure();
	start();
	before = clock_monotonic_ms();
	node_generate(1, 0);
	harness_wait(10000, follows, NULL, "the new block is seen");
	printf("a block of the node was seen within %llu ms\n",
	       (unsigned long long)(clock_monotonic_ms() - before));
	compare_status();
	hash = node_text("getblockhash %lld", (long long)node_number("getblockcount") - 1);
	free(node_text("invalidateblock %s", hash));
	free(hash);
	harness_wait(10000, follows, NULL, "the shorter chain is seen");
	must(harness_log_has("left the best chain"), "the reorganisation went unnoticed");
	node_generate(3, 1);
	harness_wait(10000, follows, NULL, "the other branch is seen");
	compare_status();
	harness_stop();
}
END_TEST

/* --- mining -------------------------------------------------------------------------------------
 */

/* A status in which the node's part and the others' belong to the same moment: every block since
 * BASE is one of ours. */
static bool counts_agree(void *user)
{
	struct json_object *status = aditctl_status();
	struct json_object *node = harness_said(status, "node");
	int64_t base = *(int64_t *)user;
	int64_t blocks = json_integer(node, "blocks_accepted", -1);
	bool agree =
	    json_integer(node, "height", -1) == base + blocks &&
	    json_integer(harness_said(status, "pool"), "blocks_found", -1) == blocks &&
	    json_integer(harness_said(status, "template-provider"), "accepted", -1) == blocks;
	const char *hash = json_text(node, "hash", "");
	char *at_height;

	if (agree) {
		at_height = node_text("getblockhash %lld", (long long)(base + blocks));
		must(strcmp(hash, at_height) == 0, "aditctl says %s at %lld, the node %s", hash,
		     (long long)(base + blocks), at_height);
		must(json_integer(node, "blocks_rejected", -1) == 0, "blocks were rejected");
		free(at_height);
	}
	json_object_put(status);
	return agree;
}

/* Transactions go into the mempool all the while. */
static void mine(int64_t base, int64_t blocks)
{
	uint64_t until = clock_monotonic_ms() + harness_limit(BLOCKS_MS);

	while (node_number("getblockcount") < base + blocks) {
		must(clock_monotonic_ms() < until, "only %lld blocks were found",
		     (long long)(node_number("getblockcount") - base));
		(void)node_add_transactions();
	}
}

static void mine_and_compare(const char *channel)
{
	int64_t base = node_number("getblockcount");
	int64_t fees = 0, count;

	configure();
	harness_configure_miner("one", channel, 8);
	start();
	mine(base, BLOCKS);
	harness_wait(20000, counts_agree, &base, "aditctl and the node count the same blocks");
	harness_stop();
	must(!harness_log_has(" error "), "an error was logged");
	count = node_number("getblockcount") - base;
	for (int64_t i = 1; i <= count; i++)
		fees += node_check_payout(base + i, PAYOUT_SCRIPT);
	must(fees > 0, "no block had fees");
	printf("%lld blocks over %s channels, %lld satoshi of fees\n", (long long)count, channel,
	       (long long)fees);
}

START_TEST(blocks_for_the_node)
{
	mine_and_compare(_i == 0 ? "extended" : "standard");
}
END_TEST

static bool is_ready(void *user)
{
	struct json_object *status = harness_status();
	bool ready = strcmp(json_text(harness_said(status, "node"), "state", ""), "ready") == 0;

	(void)user;
	json_object_put(status);
	return ready;
}

/* With a new cookie; the miner goes on, and what it finds meanwhile is submitted afterwards. */
START_TEST(the_node_restarts)
{
	int64_t base = node_number("getblockcount");

	configure();
	harness_configure_miner("one", "extended", 8);
	start();
	mine(base, 3);
	node_restart();
	harness_wait(30000, is_ready, NULL, "the node is ready again");
	base = node_number("getblockcount");
	mine(base, 3);
	must(harness_log_has("connecting"), "the restart went unnoticed");
	harness_stop();
}
END_TEST

/* Coins for transactions, and a tip that is not old. */
static void make_first_blocks(void)
{
	node_generate(150, 0);
}

int main(void)
{
	Suite *suite = suite_create("bitcoind");
	TCase *tcase = tcase_create("bitcoind");
	SRunner *runner;
	int failed;

	if (getenv("BITCOIN_CLI") == NULL) {
		fprintf(stderr, "run this by: make check-bitcoind BITCOIN_NODE=PATH\n");
		return 77;
	}
	tcase_set_timeout(tcase, 0);
	tcase_add_unchecked_fixture(tcase, make_first_blocks, NULL);
	tcase_add_checked_fixture(tcase, harness_setup, harness_teardown);
	tcase_add_test(tcase, views_agree);
	tcase_add_test(tcase, the_chain_is_followed);
	tcase_add_loop_test(tcase, blocks_for_the_node, 0, 2);
	tcase_add_test(tcase, the_node_restarts);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_VERBOSE);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
