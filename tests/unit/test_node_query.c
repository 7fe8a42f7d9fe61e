/* SPDX-License-Identifier: MIT */
/* NodeAPI's queries: of the backend bitcoin-rpc against a node that says what the test wants, and
 * of the embedded chain. */
#include "config.h"

#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/node/limiter.h"
#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/tx.h"
#include "lib/util/hex.h"
#include "tests/unit/mock_node.h"
#include "tests/unit/node_rig.h"

static struct mock_node mock;
static struct adit_host *host;

/* --- the test's hands ---------------------------------------------------------------------------
 */

static void setup(void)
{
	host = fake_host_new("node", adit_node_manifest, NULL, NULL);
	mock_node_init(&mock, fake_host_base(host));
	fake_host_set_config(host, "backend", "bitcoin-rpc");
	rig_use_rpc(host, mock.port, mock.cookie, "100");
}

static void teardown(void)
{
	mock_node_free(&mock);
	fake_host_free(host);
}

static void start(void)
{
	ck_assert_int_eq(fake_host_start(host, &adit_node_plugin), ADIT_OK);
	ck_assert(fake_host_wait(host, rig_is_ready, host, 60000));
}

static const char *ask(const char *method, const char *json)
{
	return rig_answer(host, method, json, NULL, 0);
}

#define TXID "\"0000000000000000000000000000000000000000000000000000000000000007\""

/* --- what a node answers ------------------------------------------------------------------------
 */

/* The genesis block's header, whose hash is known. */
#define GENESIS "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"

START_TEST(a_header_is_put_together)
{
	static const char request[] = "{\"hash\":\"" GENESIS "\"}";
	static const char good[] =
	    "{\"hash\":\"" GENESIS "\",\"confirmations\":3,\"height\":0,\"version\":1,"
	    "\"versionHex\":\"00000001\",\"merkleroot\":"
	    "\"4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b\","
	    "\"time\":1296688602,\"nonce\":%s,\"bits\":\"207fffff\"}";
	struct fake_reply *reply;
	char body[600];
	char result[512];
	uint8_t hash[32];
	char text[65];

	start();
	mock.only = MOCK_HEADER;
	snprintf(result, sizeof(result), good, "2");
	snprintf(body, sizeof(body), "{\"result\":%s}", result);
	mock.body = body;
	reply = fake_host_call(host, "get_block_header", request, NULL, 0);
	ck_assert_msg(reply->error == ADIT_OK, "%s", reply->message);
	rig_must_have(reply->json, "\"confirmations\":3");
	rig_must_have(reply->json, "\"bits\":\"207fffff\"");
	ck_assert_uint_eq(reply->attachment_size, 80);
	sha256d_header(reply->attachment, hash);
	hex_encode_reversed(hash, 32, text);
	ck_assert_str_eq(text, GENESIS);
	fake_reply_free(reply);
	/* A header that is not the one that was asked for. */
	snprintf(result, sizeof(result), good, "3");
	snprintf(body, sizeof(body), "{\"result\":%s}", result);
	rig_must_have(ask("get_block_header", request), "protocol: getblockheader: ");
	mock.body = "{\"result\":{\"height\":0}}";
	rig_must_have(ask("get_block_header", request), "protocol: ");
	rig_must_have(ask("get_block_header", "{\"hash\":7}"), "invalid-argument: hash");
}
END_TEST

/* BIP143's first example, signed. */
#define RAW                                                                                        \
	"01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f0000000049" \
	"4830450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b19" \
	"4ba3f9281a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01eeffffffef51e1b804cc89d182d279" \
	"655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a91482" \
	"80b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2" \
	"d50ce2f0167faa815988ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb13" \
	"66d7f01cc44a0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee0121025"  \
	"476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee635711000000"

/* Its id, as the library computes it from the stripped form. */
static void raw_txid(char text[65])
{
	static uint8_t raw[512];
	size_t size = strlen(RAW) / 2;
	struct reader r;
	struct tx tx;
	uint8_t hash[32];

	ck_assert(hex_decode(RAW, raw, size));
	reader_init(&r, raw, size);
	ck_assert(tx_parse(&r, &tx));
	tx_txid(&tx, hash);
	hex_encode_reversed(hash, 32, text);
}

START_TEST(transactions_are_looked_up)
{
	char result[2048];
	char request[160];
	char txid[65];

	start();
	raw_txid(txid);
	snprintf(request, sizeof(request), "{\"hash\":\"%s\",\"block_hash\":\"" GENESIS "\"}",
		 txid);
	snprintf(result, sizeof(result),
		 "{\"hex\":\"" RAW "\",\"blockhash\":\"" GENESIS "\",\"confirmations\":9}");
	mock_node_can(&mock, "getrawtransaction", result);
	rig_must_have(ask("get_transaction", request), "\"confirmations\":9");
	rig_must_have(ask("get_transaction", request), txid);
	rig_must_have(mock.last_params, ",true,\"" GENESIS "\"]");
	/* Another one than was asked for. */
	rig_must_have(ask("get_transaction", "{\"hash\":" TXID "}"), "protocol: ");
	mock_node_can(&mock, "getrawtransaction", "\"00\"");
	ck_assert_str_eq(ask("has_transaction", request), "{\"found\":true}");
	rig_must_have(ask("get_transaction", request), "protocol: getrawtransaction");
	mock_node_cannot(&mock, "getrawtransaction", -5, "No such mempool transaction");
	ck_assert_str_eq(ask("has_transaction", request), "{\"found\":false}");
	rig_must_have(ask("get_transaction", request), "not-found: getrawtransaction: No such");
	/* The mempool's, in two steps. */
	mock_node_can(&mock, "getmempoolentry",
		      "{\"fees\":{\"base\":0.00001234},\"time\":1700000000}");
	rig_must_have(ask("get_mempool_transaction", request), "not-found: ");
	mock_node_can(&mock, "getrawtransaction", "\"" RAW "\"");
	rig_must_have(ask("get_mempool_transaction", request), "\"fee\":1234,\"time\":1700000000");
	ck_assert_str_eq(ask("check_transaction_in_mempool", request), "{\"in_mempool\":true}");
	mock_node_cannot(&mock, "getmempoolentry", -5, "Transaction not in mempool");
	ck_assert_str_eq(ask("check_transaction_in_mempool", request), "{\"in_mempool\":false}");
	rig_must_have(ask("get_transaction", "{\"hash\":\"00\"}"), "invalid-argument: hash");
	rig_must_have(ask("get_transaction", "{\"hash\":" TXID ",\"block_hash\":1}"),
		      "invalid-argument: ");
}
END_TEST

START_TEST(outputs_are_looked_up)
{
	static const char request[] = "{\"hash\":" TXID ",\"index\":3,\"mempool\":false}";

	start();
	mock_node_can(&mock, "gettxout",
		      "{\"bestblock\":\"\",\"confirmations\":12,\"value\":20999999.99999999,"
		      "\"scriptPubKey\":{\"hex\":\"51\"},\"coinbase\":true}");
	ck_assert_str_eq(ask("get_utxo", request),
			 "{\"value\":2099999999999999,\"script\":\"51\",\"confirmations\":12,"
			 "\"coinbase\":true}");
	rig_must_have(mock.last_params, ",3,false]");
	mock_node_can(&mock, "gettxout", "null");
	rig_must_have(ask("get_utxo", request), "not-found: gettxout: ");
	mock_node_can(&mock, "gettxout", "{\"value\":-1}");
	rig_must_have(ask("get_utxo", request), "protocol: ");
	mock_node_can(&mock, "gettxout", "7");
	rig_must_have(ask("get_utxo", request), "protocol: ");
	rig_must_have(ask("get_utxo", "{\"hash\":" TXID "}"), "invalid-argument: ");
}
END_TEST

START_TEST(the_mempool_is_told)
{
	struct fake_reply *reply;

	start();
	mock_node_can(&mock, "getrawmempool", "[" TXID ",\"" GENESIS "\"]");
	reply = fake_host_call(host, "get_mempool_transactions", "{}", NULL, 0);
	ck_assert_msg(reply->error == ADIT_OK, "%s", reply->message);
	rig_must_have(reply->json, "{\"count\":2,\"txids\":[" TXID ",");
	ck_assert_uint_eq(reply->attachment_size, 64);
	ck_assert_uint_eq(reply->attachment[0], 7);
	fake_reply_free(reply);
	mock_node_can(&mock, "getrawmempool", "[1]");
	rig_must_have(ask("get_mempool_transactions", "{}"), "protocol: ");
	mock.only = MOCK_MEMPOOL_INFO;
	mock.body = "{\"result\":{\"size\":3,\"bytes\":700,\"total_fee\":0.00001,"
		    "\"mempoolminfee\":0.000015}}";
	ck_assert_str_eq(ask("get_mempool_size", "{}"),
			 "{\"transaction_count\":3,\"size_bytes\":700,\"total_fee\":1000,"
			 "\"min_fee_rate\":1.500}");
	mock_node_can(&mock, "estimatesmartfee", "{\"feerate\":0.00012345,\"blocks\":8}");
	ck_assert_str_eq(ask("get_fee_estimate", "{\"target_blocks\":6}"),
			 "{\"target_blocks\":8,\"fee_rate\":12.345}");
	ck_assert_str_eq(mock.last_params, "[6]");
	mock_node_can(&mock, "estimatesmartfee",
		      "{\"errors\":[\"Insufficient data\"],\"blocks\":0}");
	rig_must_have(ask("get_fee_estimate", "{\"target_blocks\":6}"),
		      "unavailable: estimatesmartfee: Insufficient data");
	rig_must_have(ask("get_fee_estimate", "{\"target_blocks\":0}"), "invalid-argument: ");
	rig_must_have(ask("get_fee_estimate", "{\"target_blocks\":1009}"), "invalid-argument: ");
}
END_TEST

START_TEST(the_network_is_told)
{
	start();
	mock_node_can(&mock, "getnettotals", "{\"totalbytesrecv\":5,\"totalbytessent\":6}");
	mock_node_can(&mock, "getnetworkhashps", "1.5e18");
	mock.only = MOCK_NETWORK_INFO;
	mock.body = "{\"result\":{\"connections\":11,\"connections_in\":1,\"connections_out\":10}}";
	ck_assert_str_eq(ask("get_network_stats", "{}"),
			 "{\"peer_count\":11,\"inbound\":1,\"outbound\":10,\"bytes_sent\":6,"
			 "\"bytes_received\":5,\"hash_rate\":1.5e+18}");
	mock_node_can(&mock, "getpeerinfo",
		      "[{\"id\":4,\"addr\":\"1.2.3.4:8333\",\"subver\":\"/\\\"x\\u0001/\","
		      "\"version\":70016,\"inbound\":true,\"conntime\":1700000000},7]");
	rig_must_have(ask("get_network_peers", "{}"),
		      "\"addr\":\"1.2.3.4:8333\",\"transport\":\"tcp\"");
	rig_must_have(ask("get_network_peers", "{}"), "\"subversion\":\"\\/\\\"x\\u0001\\/\"");
	mock_node_can(&mock, "getpeerinfo", "{}");
	rig_must_have(ask("get_network_peers", "{}"), "protocol: ");
	mock_node_can(&mock, "getchaintips",
		      "[{\"height\":9,\"hash\":\"" GENESIS
		      "\",\"branchlen\":0,\"status\":\"active\"}]");
	ck_assert_str_eq(ask("get_chain_tips", "{}"),
			 "{\"tips\":[{\"hash\":\"" GENESIS
			 "\",\"height\":9,\"branch_length\":0,\"status\":\"active\"}]}");
	mock_node_can(&mock, "getchaintips", "[]");
	rig_must_have(ask("get_chain_tips", "{}"), "protocol: ");
	mock_node_can(&mock, "setban", "null");
	ck_assert_str_eq(ask("ban_peer", "{\"address\":\"1.2.3.4\",\"seconds\":60}"),
			 "{\"banned\":true}");
	ck_assert_str_eq(mock.last_params, "[\"1.2.3.4\",\"add\",60]");
	rig_must_have(ask("ban_peer", "{\"address\":\"1.2.3.4\\\"\"}"), "invalid-argument: ");
	rig_must_have(ask("ban_peer", "{\"address\":\"1.2.3.4\",\"seconds\":0}"),
		      "invalid-argument: ");
}
END_TEST

static const char *send_zeros(size_t digits)
{
	static char request[1 << 20];
	int head = snprintf(request, sizeof(request), "{\"transaction\":\"");

	memset(request + head, '0', digits);
	strcpy(request + head + digits, "\"}");
	return ask("send_transaction", request);
}

START_TEST(transactions_are_sent)
{
	static const struct {
		int code;
		const char *text;
	} refusals[] = {{-22, "TX decode failed"},
			{-25, "bad-txns-inputs-missingorspent"},
			{-26, "min relay fee not met"},
			{-27, "Transaction outputs already in utxo set"}};
	static const char request[] = "{\"transaction\":\"0a0B\"}";
	static const char *const wrong[] = {"{}", "{\"transaction\":7}", "{\"transaction\":\"\"}",
					    "{\"transaction\":\"000\"}",
					    "{\"transaction\":\"0\\\"\"}"};
	char expected[128];

	start();
	mock_node_can(&mock, "sendrawtransaction", TXID);
	ck_assert_str_eq(ask("send_transaction", request), "{\"txid\":" TXID "}");
	ck_assert_str_eq(mock.last_params, "[\"0a0B\"]");
	ck_assert_str_eq(send_zeros(800000), "{\"txid\":" TXID "}");
	rig_must_have(send_zeros(800002), "invalid-argument: transaction: 1 to 400000 bytes");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		rig_must_have(ask("send_transaction", wrong[i]), "invalid-argument: transaction: ");
	mock_node_can(&mock, "sendrawtransaction", "\"00\"");
	rig_must_have(ask("send_transaction", request), "protocol: sendrawtransaction: ");
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		mock_node_cannot(&mock, "sendrawtransaction", refusals[i].code, refusals[i].text);
		snprintf(expected, sizeof(expected), "invalid-argument: sendrawtransaction: %s",
			 refusals[i].text);
		ck_assert_str_eq(ask("send_transaction", request), expected);
	}
}
END_TEST

START_TEST(a_block_is_checked)
{
	uint8_t block[100] = {0};

	start();
	ck_assert_str_eq(rig_answer(host, "check_block", "{}", block, sizeof(block)),
			 "{\"valid\":true}");
	mock.submit_result = "\"bad-cb-amount\"";
	ck_assert_str_eq(rig_answer(host, "check_block", "{}", block, sizeof(block)),
			 "{\"valid\":false,\"reason\":\"bad-cb-amount\"}");
	rig_must_have(rig_answer(host, "check_block", "{}", block, 80), "invalid-argument: ");
}
END_TEST

START_TEST(height_and_sync_are_told)
{
	fake_host_set_network(host, "signet");
	mock.network = "signet";
	mock.initial_download = true;
	ck_assert_int_eq(fake_host_start(host, &adit_node_plugin), ADIT_OK);
	rig_must_have(ask("get_sync_status", "{}"), "{\"phase\":\"connecting\",");
	rig_must_have(ask("get_block_height", "{}"), "unavailable: ");
	for (int i = 0; i < 600 && strstr(ask("get_sync_status", "{}"), "initial-") == NULL; i++)
		fake_host_run(host, 100);
	rig_must_have(ask("get_sync_status", "{}"),
		      "\"synced\":false,\"initial_block_download\":true,"
		      "\"height\":2,\"headers\":102,\"progress\":0.5}");
	rig_must_have(ask("get_mempool_size", "{}"), "unavailable: ");
	mock.initial_download = false;
	ck_assert(fake_host_wait(host, rig_is_ready, host, 60000));
	ck_assert_str_eq(ask("get_block_height", "{}"), "{\"height\":2}");
	rig_must_have(ask("get_sync_status", "{}"), "\"synced\":true");
}
END_TEST

/* --- what a node has not ------------------------------------------------------------------------
 */

START_TEST(a_missing_method_is_said)
{
	mock.old_protocol = _i == 1;
	start();
	rig_must_have(
	    ask("get_fee_estimate", "{\"target_blocks\":6}"),
	    "unsupported: estimatesmartfee: the node (/Mock:1.0/) does not have this RPC method");
	rig_must_have(ask("get_status", "{}"), "\"missing_methods\":[\"estimatesmartfee\"]");
	rig_must_have(ask("get_lightning_info", "{}"),
		      "unsupported: get_lightning_info: not supported");
	rig_must_have(ask("get_mempool_size", "{}"), "protocol: ");
}
END_TEST

static bool knows_what_is_missing(void *user)
{
	(void)user;
	return strstr(ask("get_status", "{}"), "\"missing_methods\":[]") == NULL;
}

START_TEST(the_list_of_methods_is_read)
{
	mock_node_can(
	    &mock, "help",
	    "\"== Blockchain ==\\ngetrawmempool ( verbose )\\ngetmempoolinfo\\n"
	    "getmempoolentry \\\"txid\\\"\\ngettxout a b\\ngetchaintips\\n\\n== Mining ==\\n"
	    "getblocktemplate\\ngetnetworkhashps\\n== Rest ==\\ngetpeerinfo\\n"
	    "getnettotals\\ngetrawtransaction\\nestimatesmartfees\\nsetban\"");
	start();
	ck_assert(fake_host_wait(host, knows_what_is_missing, NULL, 60000));
	rig_must_have(ask("get_status", "{}"), "\"missing_methods\":[\"estimatesmartfee\"]");
	ck_assert(fake_host_logged(host, "the node has no estimatesmartfee"));
}
END_TEST

static const struct {
	int code;
	const char *error;
} node_errors[] = {
    {-5, "not-found: "}, {-8, "invalid-argument: "}, {-28, "unavailable: "}, {-1, "protocol: "}};

START_TEST(the_nodes_errors_have_names)
{
	start();
	mock_node_cannot(&mock, "gettxout", node_errors[_i].code, "as the node says");
	rig_must_have(ask("get_utxo", "{\"hash\":" TXID ",\"index\":0}"), node_errors[_i].error);
	rig_must_have(ask("get_utxo", "{\"hash\":" TXID ",\"index\":0}"),
		      "gettxout: as the node says");
}
END_TEST

START_TEST(a_forbidden_method_is_said)
{
	start();
	mock.only = MOCK_OTHER;
	mock.http_status = 403;
	rig_must_have(ask("get_utxo", "{\"hash\":" TXID ",\"index\":0}"),
		      "permission-denied: gettxout");
	rig_must_have(ask("get_utxo", "{\"hash\":" TXID ",\"index\":0}"), "rpcwhitelist");
	rig_must_have(ask("get_status", "{}"), "\"state\":\"ready\"");
}
END_TEST

START_TEST(stopping_answers_queries)
{
	struct adit_host *caller = fake_host_new("caller", NULL, NULL, host);

	start();
	mock.only = MOCK_OTHER;
	mock.hold = true;
	fake_host_api()->call(caller, "node", "get_network_peers", "{}", 2, NULL, 0, 60000, NULL,
			      NULL, NULL, NULL);
	fake_host_run(host, 50);
	ck_assert_int_eq(fake_host_stop(host), ADIT_OK);
	fake_host_free(caller);
}
END_TEST

/* --- limits -------------------------------------------------------------------------------------
 */

START_TEST(callers_are_limited)
{
	fake_host_set_config(host, "query_rate", "1");
	fake_host_set_config(host, "query_burst", "3");
	start();
	mock_node_can(&mock, "setban", "null");
	for (int i = 0; i < 3; i++)
		rig_must_have(ask("ban_peer", "{\"address\":\"1.2.3.4\"}"), "true");
	rig_must_have(
	    ask("ban_peer", "{\"address\":\"1.2.3.4\"}"),
	    "limit: ban_peer: control has reached its limit of 1 queries a second, 3 at once"
	    " (query_rate and query_burst of [node]); again in ");
	rig_must_have(ask("get_status", "{}"), "\"queries_limited\":1");
	/* Found blocks are not. */
	for (int i = 0; i < 10; i++) {
		uint8_t block[100] = {(uint8_t)i};

		rig_must_have(rig_answer(host, "submit_block", "{}", block, sizeof(block)),
			      "\"accepted\":true");
	}
}
END_TEST

START_TEST(buckets_fill)
{
	static struct limiter l;
	char name[32];

	limiter_init(&l, 10, 5);
	for (int i = 0; i < 5; i++)
		ck_assert_uint_eq(limiter_take(&l, "a", 1, 1000), 0);
	ck_assert_uint_eq(limiter_take(&l, "a", 1, 1000), 100);
	ck_assert_uint_eq(limiter_take(&l, "b", 1, 1000), 0);
	ck_assert_uint_eq(limiter_take(&l, "a", 1, 1050), 50);
	ck_assert_uint_eq(limiter_take(&l, "a", 1, 1100), 0);
	ck_assert_uint_eq(limiter_take(&l, "a", 3, 1100), 300);
	/* More than a bucket holds is a full bucket. */
	ck_assert_uint_eq(limiter_take(&l, "a", 100, 1600), 0);
	ck_assert_uint_ne(limiter_take(&l, "a", 1, 1600), 0);
	/* However long it was. */
	ck_assert_uint_eq(limiter_take(&l, "a", 5, UINT64_MAX / 2), 0);
	ck_assert_uint_ne(limiter_take(&l, "a", 1, UINT64_MAX / 2), 0);
	/* Who was silent longest makes room. */
	for (int i = 0; i < 2 * LIMITER_CALLERS; i++) {
		snprintf(name, sizeof(name), "caller.%d", i);
		for (int k = 0; k < 5; k++)
			ck_assert_uint_eq(limiter_take(&l, name, 1, UINT64_MAX / 2 + 1), 0);
		ck_assert_uint_ne(limiter_take(&l, name, 1, UINT64_MAX / 2 + 1), 0);
	}
	limiter_init(&l, 0, 1);
	for (int i = 0; i < 1000; i++)
		ck_assert_uint_eq(limiter_take(&l, "a", 1, 0), 0);
}
END_TEST

/* --- the embedded chain -------------------------------------------------------------------------
 */

START_TEST(the_embedded_chain_answers)
{
	struct json_object *o;
	struct fake_reply *reply;
	char request[256];
	char txid[65];

	host = rig_start(NULL);
	rig_mine(host);
	rig_must_have(ask("add_transactions", "{\"count\":3}"), "\"added\":3");
	o = rig_ask(host, "get_mempool_transactions");
	snprintf(txid, sizeof(txid), "%s",
		 json_object_get_string(
		     json_object_array_get_idx(json_object_object_get(o, "txids"), 0)));
	json_object_put(o);
	snprintf(request, sizeof(request), "{\"hash\":\"%s\"}", txid);
	rig_must_have(ask("get_mempool_transaction", request), "\"fee\":");
	rig_must_have(ask("get_transaction", request), txid);
	ck_assert_str_eq(ask("has_transaction", request), "{\"found\":true}");
	ck_assert_str_eq(ask("check_transaction_in_mempool", request), "{\"in_mempool\":true}");
	ck_assert_str_eq(ask("has_transaction", "{\"hash\":" TXID "}"), "{\"found\":false}");
	rig_must_have(ask("get_mempool_transaction", "{\"hash\":" TXID "}"), "not-found: ");
	rig_must_have(ask("get_mempool_size", "{}"), "\"transaction_count\":");
	rig_must_have(ask("get_network_stats", "{}"), "\"peer_count\":0");
	ck_assert_str_eq(ask("get_network_peers", "{}"), "{\"peers\":[]}");
	rig_must_have(ask("get_fee_estimate", "{\"target_blocks\":6}"), "unsupported: ");
	rig_must_have(ask("send_transaction", "{\"transaction\":\"00\"}"),
		      "unsupported: send_transaction: the embedded chain takes none");
	rig_must_have(ask("get_sync_status", "{}"), "\"synced\":true");
	reply = fake_host_call(host, "get_block_header", "{\"hash\":\"" GENESIS "\"}", NULL, 0);
	ck_assert_uint_eq(reply->attachment_size, 80);
	rig_must_have(reply->json, "\"height\":0,\"confirmations\":2");
	fake_reply_free(reply);
	rig_must_have(ask("get_block_header", "{\"hash\":" TXID "}"), "not-found: ");
	fake_host_free(host);
}
END_TEST

START_TEST(the_embedded_mempool_is_told)
{
	host = rig_start(NULL);
	rig_must_have(ask("add_transactions", "{\"count\":3}"), "\"added\":3");
	ck_assert_uint_eq(fake_host_published(host, "NewTransaction"), 3);
	ck_assert_uint_eq(fake_host_published(host, "MempoolTransactionAdded"), 3);
	rig_must_have(fake_host_event(host, "MempoolTransactionAdded", 0), "\"mempool_size\":15}");
	rig_mine(host);
	ck_assert_uint_eq(fake_host_published(host, "MempoolTransactionRemoved"), 15);
	rig_must_have(fake_host_event(host, "MempoolTransactionRemoved", 14),
		      "\"reason\":\"confirmed\",\"mempool_size\":0}");
	/* A block that is taken back gives them back. */
	fake_host_forget_events(host);
	rig_must_have(ask("reorganise", "{\"depth\":1}"), "\"done\":true");
	ck_assert_uint_eq(fake_host_published(host, "MempoolTransactionAdded") +
			      (size_t)rig_number(host, "get_status", "mempool_tx"),
			  2 * fake_host_published(host, "MempoolTransactionAdded"));
	/* Many at once. */
	fake_host_free(host);
	host = rig_with("embedded_mempool", "2000", NULL);
	ck_assert_int_eq(fake_host_start(host, &adit_node_plugin), ADIT_OK);
	ck_assert(fake_host_wait(host, rig_is_ready, host, 60000));
	rig_must_have(ask("add_transactions", "{\"count\":700}"), "\"added\":700");
	ck_assert_uint_eq(fake_host_published(host, "MempoolTransactionAdded"), 500);
	rig_must_have(ask("add_transactions", "{\"count\":1}"), "\"added\":1");
	rig_must_have(fake_host_event(host, "MempoolTransactionAdded", 500), "\"skipped\":200}");
	fake_host_free(host);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node, queries");
	TCase *rpc = tcase_create("rpc");
	TCase *alone = tcase_create("alone");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(rpc, setup, teardown);
	tcase_set_timeout(rpc, 180);
	tcase_set_timeout(alone, 180);
	tcase_add_test(rpc, a_header_is_put_together);
	tcase_add_test(rpc, transactions_are_looked_up);
	tcase_add_test(rpc, outputs_are_looked_up);
	tcase_add_test(rpc, the_mempool_is_told);
	tcase_add_test(rpc, the_network_is_told);
	tcase_add_test(rpc, transactions_are_sent);
	tcase_add_test(rpc, a_block_is_checked);
	tcase_add_test(rpc, height_and_sync_are_told);
	tcase_add_loop_test(rpc, a_missing_method_is_said, 0, 2);
	tcase_add_test(rpc, the_list_of_methods_is_read);
	tcase_add_loop_test(rpc, the_nodes_errors_have_names, 0,
			    (int)(sizeof(node_errors) / sizeof(node_errors[0])));
	tcase_add_test(rpc, a_forbidden_method_is_said);
	tcase_add_test(rpc, stopping_answers_queries);
	tcase_add_test(rpc, callers_are_limited);
	tcase_add_test(alone, buckets_fill);
	tcase_add_test(alone, the_embedded_chain_answers);
	tcase_add_test(alone, the_embedded_mempool_is_told);
	suite_add_tcase(suite, rpc);
	suite_add_tcase(suite, alone);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
