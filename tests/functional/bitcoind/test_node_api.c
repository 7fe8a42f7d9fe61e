/* SPDX-License-Identifier: MIT */
/*
 * NodeAPI on a real node, in this process: by RPC, by IPC, and by both. What it answers is what
 * bitcoin-cli says, events come in their order, and a restart is survived. Run by `make
 * check-bitcoind`.
 */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/aditctl/json.h"
#include "host/node/node_plugin.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/hex.h"
#include "tests/functional/bitcoind/node.h"
#include "tests/unit/fake_host.h"

enum mode { BY_RPC, BY_BOTH, BY_IPC, MODES };

static struct adit_host *host;

/* --- the test's hands ---------------------------------------------------------------------------
 */

static bool node_has_ipc(void)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "%s/regtest/node.sock", getenv("BITCOIN_DATADIR"));
	return stat(path, &st) == 0;
}

static struct fake_reply *call(const char *method, const char *json, const void *data, size_t size)
{
	return fake_host_call(host, method, json, data, size);
}

/* The answer; the caller's. */
static struct json_object *ask(const char *method, const char *json)
{
	struct fake_reply *reply = call(method, json, NULL, 0);
	struct json_object *o = json_tokener_parse(reply->json);

	ck_assert_msg(reply->error == ADIT_OK, "%s: %s", method, reply->message);
	ck_assert_ptr_nonnull(o);
	fake_reply_free(reply);
	return o;
}

struct wish {
	const char *key;
	const char *value;
};

static bool granted(void *user)
{
	const struct wish *wish = user;
	struct json_object *status = ask("get_status", "{}");
	struct json_object *value = json_member(status, wish->key);
	bool same = value != NULL && strcmp(json_object_get_string(value), wish->value) == 0;

	json_object_put(status);
	return same;
}

static void wait_for(const char *key, const char *value)
{
	struct wish wish = {key, value};
	struct json_object *status;

	if (fake_host_wait(host, granted, &wish, 60000))
		return;
	status = ask("get_status", "{}");
	ck_abort_msg("%s is not %s: %s", key, value, json_object_get_string(status));
}

static void wait_tip(void)
{
	char *best = node_text("getbestblockhash");

	wait_for("hash", best);
	free(best);
}

static void start(enum mode mode)
{
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%s/", getenv("BITCOIN_RPCPORT"));
	host = fake_host_new("node", adit_node_manifest, NULL, NULL);
	fake_host_set_config(host, "backend", mode == BY_RPC ? "bitcoin-rpc" : "bitcoin-ipc");
	fake_host_set_config(host, "datadir", getenv("BITCOIN_DATADIR"));
	fake_host_set_config(host, "mempool_interval", "500");
	if (mode != BY_IPC)
		fake_host_set_config(host, "rpc_url", url);
	ck_assert_int_eq(fake_host_start(host, &adit_node_plugin), ADIT_OK);
	wait_for("state", "ready");
	wait_tip();
	/* The blocks at the tip become known after it; what follows is measured against them. */
	fake_host_run(host, 500);
	fake_host_forget_events(host);
}

static void end(void)
{
	fake_host_free(host);
	host = NULL;
}

static void must_be(struct json_object *ours, const char *key, struct json_object *nodes,
		    const char *name)
{
	const char *a = json_object_get_string(json_member(ours, key));
	const char *b = json_object_get_string(json_member(nodes, name));

	ck_assert_msg(a != NULL && b != NULL && strcmp(a, b) == 0, "%s is %s, and the node says %s",
		      key, a != NULL ? a : "absent", b != NULL ? b : "nothing");
}

/* --- answers ------------------------------------------------------------------------------------
 */

static void compare_header(void)
{
	char *best = node_text("getbestblockhash");
	struct json_object *nodes = node_cli("getblockheader %s", best);
	char request[128];
	struct fake_reply *reply;
	struct json_object *ours;
	uint8_t hash[32];
	char text[65];

	snprintf(request, sizeof(request), "{\"hash\":\"%s\"}", best);
	reply = call("get_block_header", request, NULL, 0);
	ck_assert_msg(reply->error == ADIT_OK, "%s", reply->message);
	ours = json_tokener_parse(reply->json);
	must_be(ours, "height", nodes, "height");
	must_be(ours, "merkle_root", nodes, "merkleroot");
	must_be(ours, "bits", nodes, "bits");
	must_be(ours, "prev_hash", nodes, "previousblockhash");
	sha256d_header(reply->attachment, hash);
	hex_encode_reversed(hash, 32, text);
	ck_assert_str_eq(text, best);
	json_object_put(ours);
	json_object_put(nodes);
	fake_reply_free(reply);
	free(best);
}

static void compare_mempool(void)
{
	struct json_object *nodes = node_cli("getmempoolinfo");
	struct json_object *ours = ask("get_mempool_size", "{}");
	struct json_object *list = ask("get_mempool_transactions", "{}");
	const char *txid =
	    json_object_get_string(json_element(json_array_member(list, "txids"), 0));
	struct json_object *entry = node_cli("getmempoolentry %s", txid);
	char request[128];
	struct json_object *o;

	must_be(ours, "transaction_count", nodes, "size");
	must_be(ours, "size_bytes", nodes, "bytes");
	must_be(list, "count", nodes, "size");
	snprintf(request, sizeof(request), "{\"hash\":\"%s\"}", txid);
	o = ask("get_mempool_transaction", request);
	must_be(o, "wtxid", entry, "wtxid");
	must_be(o, "weight", entry, "weight");
	ck_assert_int_eq(json_integer(o, "fee", -1),
			 node_amount(json_member(json_object_member(entry, "fees"), "base")));
	json_object_put(o);
	o = ask("check_transaction_in_mempool", request);
	ck_assert(json_truth(o, "in_mempool", false));
	json_object_put(o);
	json_object_put(entry);
	json_object_put(list);
	json_object_put(ours);
	json_object_put(nodes);
}

static void compare_utxo(void)
{
	char *hash = node_text("getblockhash %lld", (long long)node_number("getblockcount"));
	struct json_object *block = node_cli("getblock %s 1", hash);
	const char *txid = json_object_get_string(json_element(json_array_member(block, "tx"), 0));
	struct json_object *nodes = node_cli("gettxout %s 0", txid);
	char request[256];
	struct json_object *ours;

	snprintf(request, sizeof(request), "{\"hash\":\"%s\",\"index\":0}", txid);
	ours = ask("get_utxo", request);
	ck_assert_int_eq(json_integer(ours, "value", -1), node_amount(json_member(nodes, "value")));
	ck_assert(json_truth(ours, "coinbase", false));
	must_be(ours, "script", json_object_member(nodes, "scriptPubKey"), "hex");
	json_object_put(ours);
	snprintf(request, sizeof(request), "{\"hash\":\"%s\",\"block_hash\":\"%s\"}", txid, hash);
	ours = ask("get_transaction", request);
	ck_assert_int_eq(json_integer(ours, "confirmations", -1), 1);
	json_object_put(ours);
	json_object_put(nodes);
	json_object_put(block);
	free(hash);
}

/* What the node has already is taken again, what it can't use is refused with its reason. */
static void send_transactions(void)
{
	struct json_object *mempool = node_cli("getrawmempool");
	const char *txid = json_object_get_string(json_element(mempool, 0));
	char *hex = node_text("getrawtransaction %s", txid);
	struct fake_reply *reply;
	struct json_object *o;
	char request[4096];

	snprintf(request, sizeof(request), "{\"transaction\":\"%s\"}", hex);
	o = ask("send_transaction", request);
	ck_assert_str_eq(json_text(o, "txid", ""), txid);
	json_object_put(o);
	reply = call("send_transaction", "{\"transaction\":\"00\"}", NULL, 0);
	ck_assert_int_eq(reply->error, ADIT_E_INVALID_ARGUMENT);
	ck_assert_msg(strstr(reply->message, "sendrawtransaction: TX decode failed") != NULL, "%s",
		      reply->message);
	fake_reply_free(reply);
	free(hex);
	json_object_put(mempool);
}

START_TEST(answers_agree)
{
	struct json_object *o;
	struct fake_reply *reply;

	if (_i == BY_BOTH && !node_has_ipc())
		return;
	ck_assert(node_add_transactions());
	start((enum mode)_i);
	compare_header();
	compare_mempool();
	compare_utxo();
	send_transactions();
	o = ask("get_network_stats", "{}");
	ck_assert_int_eq(json_integer(o, "peer_count", -1), 0);
	json_object_put(o);
	json_object_put(ask("get_network_peers", "{}"));
	json_object_put(ask("get_chain_tips", "{}"));
	reply = call("get_fee_estimate", "{\"target_blocks\":6}", NULL, 0);
	ck_assert_int_eq(reply->error, ADIT_E_UNAVAILABLE);
	fake_reply_free(reply);
	o = ask("get_status", "{}");
	ck_assert_uint_eq(json_count(json_array_member(o, "missing_methods")), 0);
	json_object_put(o);
	end();
}
END_TEST

/* --- wtxids -------------------------------------------------------------------------------------
 */

/* Versions from which on the node knows transactions by wtxid over IPC. */
#define WTXIDS_FROM 319900

static bool node_knows_wtxids(void)
{
	return node_has_ipc() && node_version() >= WTXIDS_FROM;
}

static bool mirror_is_full(void *user)
{
	struct json_object *status = ask("get_status", "{}");
	bool full = json_integer(status, "mempool_tx_by_wtxid", -1) == *(int64_t *)user;

	json_object_put(status);
	return full;
}

/* The first COUNT of the mempool by their wtxids. */
static size_t find_mempool(size_t *count)
{
	struct json_object *mempool = node_cli("getrawmempool true");
	uint8_t *wtxids = calloc(
	    json_object_object_length(mempool) > 0 ? (size_t)json_object_object_length(mempool) : 1,
	    32);
	struct fake_reply *reply;
	struct json_object *o;
	size_t n = 0;
	size_t found;

	json_object_object_foreach(mempool, txid, entry)
	{
		(void)txid;
		ck_assert(hex_decode_reversed(json_text(entry, "wtxid", ""), wtxids + 32 * n, 32));
		n++;
	}
	reply = call("get_transactions_by_wtxid", "{}", wtxids, 32 * n);
	ck_assert_msg(reply->error == ADIT_OK, "%s", reply->message);
	o = json_tokener_parse(reply->json);
	found = (size_t)json_integer(o, "found", -1);
	*count = n;
	json_object_put(o);
	fake_reply_free(reply);
	json_object_put(mempool);
	free(wtxids);
	return found;
}

START_TEST(transactions_are_found_by_wtxid)
{
	struct json_object *info;
	int64_t size;
	size_t count;

	if ((_i == BY_BOTH && !node_has_ipc()) || (_i == BY_IPC && !node_knows_wtxids()))
		return;
	ck_assert(node_add_transactions());
	start((enum mode)_i);
	/* More, which are in no template yet. */
	ck_assert(node_add_transactions());
	info = node_cli("getmempoolinfo");
	size = json_integer(info, "size", -1);
	json_object_put(info);
	if (_i == BY_RPC || !node_knows_wtxids()) {
		(void)find_mempool(&count);
		ck_assert(fake_host_wait(host, mirror_is_full, &size, 60000));
	}
	ck_assert_uint_eq(find_mempool(&count), (size_t)size);
	ck_assert_uint_eq(count, (size_t)size);
	ck_assert_uint_ge(count, 6);
	end();
}
END_TEST

/* --- events -------------------------------------------------------------------------------------
 */

static bool reorganised(void *user)
{
	(void)user;
	return fake_host_published(host, "ChainReorg") > 0;
}

/* Three blocks give way to four. In what order the node tells of the way there is its own business:
 * each time blocks leave before others come, and the sum is right. */
START_TEST(a_reorganisation_is_told)
{
	int64_t height = node_number("getblockcount");
	int64_t seen = height;
	char *hash;

	if (_i != BY_RPC && !node_has_ipc())
		return;
	start((enum mode)_i);
	for (int i = 0; i < 3; i++) {
		node_generate(1, 0);
		wait_tip();
	}
	fake_host_forget_events(host);
	seen = node_number("getblockcount");
	hash = node_text("getblockhash %lld", (long long)height + 1);
	free(node_text("invalidateblock %s", hash));
	node_generate(4, 1);
	ck_assert(fake_host_wait(host, reorganised, NULL, 60000));
	wait_tip();
	fake_host_run(host, 300);
	for (size_t i = 0; fake_host_event_type(host, i) != NULL; i++) {
		const char *type = fake_host_event_type(host, i);

		if (strcmp(type, "BlockDisconnected") == 0)
			seen--;
		else if (strcmp(type, "NewBlock") == 0)
			seen++;
		else if (strcmp(type, "ChainReorg") == 0)
			ck_assert_int_ge(seen, height);
	}
	if (_i != BY_IPC) {
		ck_assert_uint_eq(fake_host_published(host, "BlockDisconnected"), 3);
		ck_assert_int_eq(seen, node_number("getblockcount"));
		ck_assert_str_eq(fake_host_event_type(host, 0), "BlockDisconnected");
	}
	/* And back, when the other branch is allowed again and grows longer. */
	fake_host_forget_events(host);
	free(node_text("reconsiderblock %s", hash));
	free(hash);
	hash = node_text("getbestblockhash");
	free(node_text("invalidateblock %s", hash));
	wait_tip();
	ck_assert_uint_ge(fake_host_published(host, "BlockDisconnected"), 1);
	free(node_text("reconsiderblock %s", hash));
	free(hash);
	wait_tip();
	end();
}
END_TEST

static bool has_events(void *user)
{
	const struct wish *wish = user;

	return fake_host_published(host, wish->key) >= (size_t)atoi(wish->value);
}

static void wait_events(const char *type, const char *count)
{
	struct wish wish = {type, count};

	ck_assert_msg(fake_host_wait(host, has_events, &wish, 60000), "%zu of %s %s",
		      fake_host_published(host, type), count, type);
}

START_TEST(the_mempool_is_told)
{
	struct json_object *info;
	int64_t size;

	if (_i == BY_BOTH && !node_has_ipc())
		return;
	ck_assert(node_add_transactions());
	start((enum mode)_i);
	info = node_cli("getmempoolinfo");
	size = json_integer(info, "size", -1);
	json_object_put(info);
	ck_assert(fake_host_wait(host, mirror_is_full, &size, 60000));
	fake_host_forget_events(host);
	ck_assert(node_add_transactions());
	wait_events("MempoolTransactionAdded", "3");
	ck_assert_uint_eq(fake_host_published(host, "NewTransaction"), 3);
	node_generate(1, 0);
	wait_events("MempoolTransactionRemoved", "3");
	for (size_t i = 0; fake_host_event(host, "MempoolTransactionRemoved", i) != NULL; i++)
		ck_assert_ptr_nonnull(strstr(fake_host_event(host, "MempoolTransactionRemoved", i),
					     "\"reason\":\"confirmed\""));
	end();
}
END_TEST

/* --- blocks -------------------------------------------------------------------------------------
 */

/* The best block once more: the node knows it. Changed in its last byte it is none. */
START_TEST(blocks_are_judged)
{
	struct fake_reply *reply;
	struct json_object *o;
	char *hash;
	char *hex;
	uint8_t *block;
	size_t size;

	if (_i != BY_RPC && !node_has_ipc())
		return;
	node_generate(1, 0);
	start((enum mode)_i);
	hash = node_text("getbestblockhash");
	hex = node_text("getblock %s 0", hash);
	size = strlen(hex) / 2;
	block = malloc(size);
	ck_assert(hex_decode(hex, block, size));
	reply = call("check_block", "{}", block, size);
	ck_assert_msg(reply->error == ADIT_OK, "%s", reply->message);
	ck_assert_ptr_nonnull(strstr(reply->json, "\"valid\":false"));
	fake_reply_free(reply);
	free(node_text("invalidateblock %s", hash));
	wait_tip();
	reply = call("check_block", "{}", block, size);
	ck_assert_msg(reply->error == ADIT_OK, "%s", reply->message);
	free(node_text("reconsiderblock %s", hash));
	wait_tip();
	fake_reply_free(reply);
	block[size - 1] ^= 1;
	reply = call("submit_block", "{}", block, size);
	o = json_tokener_parse(reply->json);
	if (reply->error == ADIT_OK)
		ck_assert(!json_truth(o, "accepted", true));
	else
		ck_assert_int_eq(reply->error, ADIT_E_UNSUPPORTED);
	json_object_put(o);
	fake_reply_free(reply);
	free(block);
	free(hex);
	free(hash);
	end();
}
END_TEST

/* The loop stands still meanwhile: by RPC only the cookie is another then. */
START_TEST(a_restart_is_survived)
{
	if (_i != BY_RPC && !node_has_ipc())
		return;
	start((enum mode)_i);
	node_restart();
	if (_i == BY_IPC)
		wait_events("SyncStateChanged", "2");
	wait_for("state", "ready");
	node_generate(1, 0);
	wait_tip();
	end();
}
END_TEST

static void make_first_blocks(void)
{
	node_generate(150, 0);
}

int main(void)
{
	Suite *suite = suite_create("NodeAPI on a node");
	TCase *tcase = tcase_create("node");
	SRunner *runner;
	int failed;

	if (getenv("BITCOIN_CLI") == NULL) {
		fprintf(stderr, "run this by: make check-bitcoind BITCOIN_NODE=PATH\n");
		return 77;
	}
	tcase_set_timeout(tcase, 0);
	tcase_add_unchecked_fixture(tcase, make_first_blocks, NULL);
	tcase_add_loop_test(tcase, a_restart_is_survived, BY_RPC, MODES);
	tcase_add_loop_test(tcase, answers_agree, BY_RPC, BY_IPC);
	tcase_add_loop_test(tcase, transactions_are_found_by_wtxid, BY_RPC, MODES);
	tcase_add_loop_test(tcase, a_reorganisation_is_told, BY_RPC, MODES);
	tcase_add_loop_test(tcase, the_mempool_is_told, BY_RPC, BY_IPC);
	tcase_add_loop_test(tcase, blocks_are_judged, BY_RPC, MODES);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_VERBOSE);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
