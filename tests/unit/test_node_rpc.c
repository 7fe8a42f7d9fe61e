/* SPDX-License-Identifier: MIT */
/* The backend bitcoin-rpc against a node that does what the test wants. */
#include "config.h"

#include <check.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* One field of get_status as text, in static storage. */
static const char *status(const char *key)
{
	static char text[512];
	struct fake_reply *reply = fake_host_call(host, "get_status", "{}", NULL, 0);
	struct json_object *o = json_tokener_parse(reply->json);
	struct json_object *value;

	ck_assert_int_eq(reply->error, ADIT_OK);
	ck_assert_msg(json_object_object_get_ex(o, key, &value), "no %s in the status", key);
	snprintf(text, sizeof(text), "%s", json_object_get_string(value));
	json_object_put(o);
	fake_reply_free(reply);
	return text;
}

struct wish {
	const char *key;
	const char *value;
};

static bool granted(void *user)
{
	const struct wish *wish = user;

	return strstr(status(wish->key), wish->value) != NULL;
}

static void wait_for(const char *key, const char *value)
{
	struct wish wish = {key, value};

	ck_assert_msg(fake_host_wait(host, granted, &wish, 8000), "%s is %s, not %s (%s)", key,
		      status(key), value, strcmp(key, "state") == 0 ? status("detail") : "");
}

static void start(void)
{
	ck_assert_int_eq(fake_host_start(host, &adit_node_plugin), ADIT_OK);
}

static bool longpolling(void *user)
{
	(void)user;
	return mock.longpoll != NULL;
}

static bool tip_is_known(void *user)
{
	return mock.calls[MOCK_HEADER] >= 3 && longpolling(user);
}

/* Ready, with a long poll waiting and the blocks at the tip known. */
static void start_and_settle(void)
{
	start();
	wait_for("state", "ready");
	ck_assert(fake_host_wait(host, tip_is_known, NULL, 5000));
	fake_host_run(host, 30);
	fake_host_forget_events(host);
}

static bool published(void *user)
{
	return fake_host_published(host, user) > 0;
}

static void wait_event(const char *type)
{
	char name[64];

	snprintf(name, sizeof(name), "%s", type);
	ck_assert_msg(fake_host_wait(host, published, name, 5000), "no event %s", type);
}

static void ck_assert_in(const char *text, const char *part)
{
	ck_assert_msg(text != NULL && strstr(text, part) != NULL, "%s is not in %s", part,
		      text != NULL ? text : "nothing");
}

static struct fake_reply *call(const char *method, const char *json)
{
	return fake_host_call(host, method, json, NULL, 0);
}

static int32_t error_of(const char *method, const char *json)
{
	struct fake_reply *reply = call(method, json);
	int32_t error = reply->error;

	fake_reply_free(reply);
	return error;
}

/* The JSON that answers a submission of SIZE bytes, in static storage; the error's name if it
 * failed. */
static const char *submit(size_t size)
{
	static char text[512];
	uint8_t *block = calloc(1, size);
	struct fake_reply *reply = fake_host_call(host, "submit_block", "{}", block, size);

	snprintf(text, sizeof(text), "%s",
		 reply->error == ADIT_OK ? reply->json : adit_error_name(reply->error));
	fake_reply_free(reply);
	free(block);
	return text;
}

/* --- tests --------------------------------------------------------------------------------------
 */

START_TEST(it_connects)
{
	struct fake_reply *reply;

	start();
	ck_assert_int_eq(error_of("get_block_template", "{}"), ADIT_E_UNAVAILABLE);
	wait_for("state", "ready");
	wait_for("version", "/Mock:1.0/");
	wait_for("mempool_tx", "42");
	ck_assert_str_eq(status("height"), "2");
	ck_assert_str_eq(status("backend"), "bitcoin-rpc");
	ck_assert_str_eq(status("bits"), "207fffff");
	reply = call("get_chain_info", "{}");
	ck_assert_in(reply->json, "\"median_time\":1");
	ck_assert_in(reply->json, "\"network\":\"regtest\"");
	fake_reply_free(reply);
	ck_assert_in(fake_host_event(host, "SyncStateChanged", 0), "\"new_state\":\"ready\"");
	ck_assert_uint_eq(fake_host_published(host, "NewBlock"), 0);
}
END_TEST

START_TEST(a_template_is_passed_on)
{
	struct fake_reply *reply;
	struct json_object *o;
	struct json_object *txs;
	struct json_object *tx;
	size_t size = 0;

	start_and_settle();
	reply = call("get_block_template", "{}");
	ck_assert_int_eq(reply->error, ADIT_OK);
	o = json_tokener_parse(reply->json);
	ck_assert_int_eq(json_object_get_int64(json_object_object_get(o, "height")), 3);
	ck_assert_int_eq(json_object_get_int64(json_object_object_get(o, "version")), 536870912);
	ck_assert_int_eq(json_object_get_int64(json_object_object_get(o, "mintime")), 1700000001);
	ck_assert_int_eq(json_object_get_int64(json_object_object_get(o, "coinbase_value")),
			 5000100000);
	ck_assert_str_eq(
	    json_object_get_string(json_object_object_get(o, "default_witness_commitment")),
	    "6a24aa21a9ed00");
	txs = json_object_object_get(o, "transactions");
	ck_assert_uint_eq(json_object_array_length(txs), 4);
	for (size_t i = 0; i < 4; i++)
		size += json_object_get_uint64(
		    json_object_object_get(json_object_array_get_idx(txs, i), "size"));
	ck_assert_uint_eq(size, reply->attachment_size);
	/* The fourth spends the third. */
	tx = json_object_array_get_idx(txs, 3);
	ck_assert_str_eq(json_object_to_json_string_ext(json_object_object_get(tx, "depends"),
							JSON_C_TO_STRING_PLAIN),
			 "[3]");
	json_object_put(o);
	fake_reply_free(reply);
}
END_TEST

START_TEST(warm_up_is_a_state)
{
	mock.rpc_error = -28;
	mock.rpc_message = "Loading block index";
	mock.old_protocol = _i == 1;
	start();
	wait_for("state", "starting");
	ck_assert_str_eq(status("detail"), "Loading block index");
	ck_assert_int_eq(error_of("get_chain_tip", "{}"), ADIT_E_UNAVAILABLE);
	mock_node_heal(&mock);
	wait_for("state", "ready");
	ck_assert_str_eq(status("detail"), "");
	/* And again, while it works. */
	mock.rpc_error = -28;
	wait_for("state", "starting");
	mock_node_heal(&mock);
	wait_for("state", "ready");
}
END_TEST

START_TEST(initial_download_is_a_state)
{
	fake_host_set_network(host, "signet");
	mock.network = "signet";
	mock.initial_download = true;
	start();
	wait_for("state", "initial-download");
	ck_assert_str_eq(status("detail"), "block 2 of 102, 50.00% verified");
	ck_assert_str_eq(status("height"), "2");
	ck_assert_uint_eq(mock.calls[MOCK_TEMPLATE], 0);
	mock.initial_download = false;
	wait_for("state", "ready");
}
END_TEST

/* Else nobody could mine the first block of a fresh regtest. */
START_TEST(a_fresh_regtest_is_ready)
{
	mock.initial_download = true;
	start();
	wait_for("state", "ready");
}
END_TEST

START_TEST(another_network_is_refused)
{
	mock.network = "test";
	start();
	wait_for("state", "failing");
	ck_assert_in(status("detail"), "is on testnet3, but network = regtest");
	mock.network = "regtest";
	wait_for("state", "ready");
}
END_TEST

START_TEST(a_cookie_may_come_late_and_change)
{
	unlink(mock.cookie);
	start();
	wait_for("detail", "is the node running");
	ck_assert_str_eq(status("state"), "connecting");
	ck_assert_in(status("detail"), mock.cookie);
	mock_node_write_cookie(&mock, mock.user_password);
	wait_for("state", "ready");
	strcpy(mock.user_password, "__cookie__:second, longer");
	mock_node_write_cookie(&mock, mock.user_password);
	fake_host_run(host, 500);
	ck_assert_str_eq(status("state"), "ready");
	ck_assert_in(submit(100), "\"accepted\":true");
}
END_TEST

/* The file looks as before, only the node's refusal tells that it is another. */
START_TEST(a_refusal_makes_it_read_the_cookie_again)
{
	struct timespec times[2];
	struct stat st;
	FILE *f;

	start_and_settle();
	ck_assert_int_eq(stat(mock.cookie, &st), 0);
	strcpy(mock.user_password, "__cookie__:other");
	f = fopen(mock.cookie, "r+");
	fputs(mock.user_password, f);
	fclose(f);
	times[0] = st.st_mtim;
	times[1] = st.st_mtim;
	ck_assert_int_eq(utimensat(AT_FDCWD, mock.cookie, times, 0), 0);
	fake_host_forget_events(host);
	fake_host_run(host, 500);
	ck_assert_str_eq(status("state"), "ready");
	ck_assert_uint_eq(fake_host_published(host, "SyncStateChanged"), 0);
}
END_TEST

START_TEST(a_wrong_password_is_said)
{
	fake_host_set_config(host, "rpc_user", "me");
	fake_host_set_config(host, "rpc_password", "secret");
	start();
	wait_for("state", "failing");
	ck_assert_in(status("detail"), "refuses rpc_user and rpc_password");
	ck_assert_ptr_null(strstr(status("detail"), "secret"));
	ck_assert(!fake_host_logged(host, "secret"));
	strcpy(mock.user_password, "me:secret");
	wait_for("state", "ready");
}
END_TEST

START_TEST(a_new_tip_comes_by_long_poll)
{
	char hash[65];
	struct fake_reply *reply;

	start_and_settle();
	mock_node_hash(77, hash);
	mock_node_add_block(&mock, 77);
	wait_event("BlockTemplateUpdated");
	ck_assert_in(fake_host_event(host, "BlockTemplateUpdated", 0), "\"new_tip\":true");
	ck_assert_in(fake_host_event(host, "BlockTemplateUpdated", 0), hash);
	/* 5,000,100,000 less the fees of four transactions, 12,197. */
	ck_assert_in(fake_host_event(host, "BlockTemplateUpdated", 0),
		     "\"coinbase_value\":5000087803,\"fees\":0,");
	ck_assert_in(fake_host_event(host, "BlockTemplateUpdated", 0), "\"transactions\":[]}}");
	wait_event("NewBlock");
	ck_assert_in(fake_host_event(host, "NewBlock", 0), hash);
	ck_assert_in(fake_host_event(host, "NewBlock", 0), "\"height\":3");
	reply = call("get_chain_tip", "{}");
	ck_assert_in(reply->json, hash);
	fake_reply_free(reply);
	ck_assert(fake_host_wait(host, longpolling, NULL, 1000));
	fake_host_forget_events(host);
	mock_node_add_tx(&mock);
	wait_event("BlockTemplateUpdated");
	ck_assert_in(fake_host_event(host, "BlockTemplateUpdated", 0), "\"new_tip\":false");
	ck_assert_in(fake_host_event(host, "BlockTemplateUpdated", 0), "\"tx_count\":5");
	ck_assert_uint_eq(fake_host_published(host, "NewBlock"), 0);
}
END_TEST

/* Without a word on the long poll the regular look finds the block. */
START_TEST(a_new_tip_is_found_without_long_poll)
{
	start_and_settle();
	mock.chain[++mock.height] = 5;
	mock.chain[++mock.height] = 6;
	wait_event("NewBlock");
	fake_host_run(host, 50);
	ck_assert_uint_eq(fake_host_published(host, "NewBlock"), 2);
	ck_assert_in(fake_host_event(host, "NewBlock", 0), "\"height\":3");
	ck_assert_in(fake_host_event(host, "NewBlock", 1), "\"height\":4");
	ck_assert_in(fake_host_event(host, "BlockTemplateUpdated", 0), "\"new_tip\":true");
}
END_TEST

START_TEST(a_reorganisation_is_told)
{
	static const char *const order[] = {"BlockDisconnected", "BlockDisconnected", "NewBlock",
					    "NewBlock",          "NewBlock",          "ChainReorg"};
	char old_tip[65];
	char new_tip[65];
	size_t at = 0;

	mock_node_add_block(&mock, 3);
	mock_node_add_block(&mock, 4);
	start_and_settle();
	mock_node_reorganise(&mock, 2, 30);
	wait_event("ChainReorg");
	for (size_t i = 0; fake_host_event_type(host, i) != NULL; i++) {
		const char *type = fake_host_event_type(host, i);

		if (strcmp(type, "BlockTemplateUpdated") == 0)
			continue;
		ck_assert_uint_lt(at, sizeof(order) / sizeof(order[0]));
		ck_assert_str_eq(type, order[at++]);
	}
	ck_assert_uint_eq(at, 6);
	mock_node_hash(4, old_tip);
	mock_node_hash(32, new_tip);
	ck_assert_in(fake_host_event(host, "BlockDisconnected", 0), old_tip);
	ck_assert_in(fake_host_event(host, "NewBlock", 2), new_tip);
	ck_assert_in(fake_host_event(host, "ChainReorg", 0), old_tip);
	ck_assert_in(fake_host_event(host, "ChainReorg", 0), new_tip);
}
END_TEST

/* As after `invalidateblock`. */
START_TEST(a_chain_may_get_shorter)
{
	mock_node_add_block(&mock, 3);
	start_and_settle();
	mock.height--;
	wait_event("ChainReorg");
	ck_assert_uint_eq(fake_host_published(host, "BlockDisconnected"), 1);
	ck_assert_uint_eq(fake_host_published(host, "NewBlock"), 0);
	ck_assert_str_eq(status("height"), "2");
}
END_TEST

START_TEST(the_same_work_keeps_its_number)
{
	struct fake_reply *a;
	struct fake_reply *b;

	fake_host_set_config(host, "template_interval", "100");
	start_and_settle();
	a = call("get_block_template", "{}");
	fake_host_run(host, 500);
	b = call("get_block_template", "{}");
	ck_assert_str_eq(a->json, b->json);
	ck_assert_uint_gt(mock.calls[MOCK_TEMPLATE], 2);
	ck_assert_uint_eq(fake_host_published(host, "BlockTemplateUpdated"), 0);
	fake_reply_free(a);
	fake_reply_free(b);
}
END_TEST

START_TEST(a_node_that_polls_back_at_once_is_not_hammered)
{
	mock.longpoll_at_once = true;
	mock.longpoll_ids = (unsigned)_i;
	start();
	wait_for("state", "ready");
	fake_host_run(host, 1500);
	ck_assert_uint_le(mock.calls[MOCK_LONGPOLL], _i == 0 ? 4 : 14);
}
END_TEST

START_TEST(verdicts_are_passed_on)
{
	start_and_settle();
	ck_assert_in(submit(4000000), "\"accepted\":true");
	ck_assert_uint_eq(mock.last_submitted_size, 4000000);
	ck_assert_uint_eq(fake_host_published(host, "BlockMined"), 1);
	mock.submit_result = "\"duplicate\"";
	ck_assert_in(submit(100), "\"duplicate\":true");
	ck_assert_uint_eq(fake_host_published(host, "BlockMined"), 1);
	ck_assert_str_eq(status("blocks_accepted"), "1");
	mock.submit_result = "\"bad-cb-amount\"";
	ck_assert_in(submit(100), "\"accepted\":false");
	ck_assert_in(submit(100), "\"reason\":\"bad-cb-amount\"");
	mock.submit_result = "\"a \\\"quote\\\\ \\u0001\"";
	ck_assert_in(submit(100), "\"reason\":\"a quote \"");
	mock.submit_result = "{}";
	ck_assert_in(submit(100), "\"reason\":\"rejected\"");
	mock.only = MOCK_SUBMIT;
	mock.rpc_error = -22;
	mock.rpc_message = "Block decode failed";
	ck_assert_in(submit(100), "\"reason\":\"block-decode-failed\"");
	mock.rpc_error = -1;
	ck_assert_str_eq(submit(100), "protocol");
	mock.rpc_error = 0;
	mock.body = "nonsense";
	ck_assert_str_eq(submit(100), "protocol");
	ck_assert_str_eq(status("blocks_rejected"), "5");
	ck_assert_str_eq(status("state"), "ready");
}
END_TEST

START_TEST(a_block_is_sent_until_the_node_is_there)
{
	start_and_settle();
	mock.only = MOCK_SUBMIT;
	mock.drop = 2;
	ck_assert_in(submit(100), "\"accepted\":true");
	ck_assert_uint_ge(mock.calls[MOCK_SUBMIT], 3);
	mock.calls[MOCK_SUBMIT] = 0;
	mock.only = MOCK_SUBMIT;
	mock.http_status = 503;
	fake_host_api()->timer_add(host, 400, 0, (adit_timer_fn)mock_node_heal, &mock, NULL, NULL);
	ck_assert_in(submit(100), "\"accepted\":true");
	ck_assert_uint_ge(mock.calls[MOCK_SUBMIT], 2);
}
END_TEST

START_TEST(blocks_are_fetched)
{
	struct fake_reply *reply;
	char hash[65];
	char json[128];

	start_and_settle();
	mock_node_hash(1, hash);
	snprintf(json, sizeof(json), "{\"hash\":\"%s\"}", hash);
	reply = call("get_block", json);
	ck_assert_int_eq(reply->error, ADIT_OK);
	ck_assert_in(reply->json, "\"height\":1");
	ck_assert_in(reply->json, "\"confirmations\":2");
	ck_assert_uint_eq(reply->attachment_size, 4);
	ck_assert_mem_eq(reply->attachment, "\x00\x11\x22\x33", 4);
	fake_reply_free(reply);
	reply = call("get_block_by_height", "{\"height\":2}");
	ck_assert_in(reply->json, "\"height\":2");
	fake_reply_free(reply);
	ck_assert_int_eq(error_of("get_block_by_height", "{\"height\":3}"), ADIT_E_NOT_FOUND);
	json[10] = 'f';
	ck_assert_int_eq(error_of("get_block", json), ADIT_E_NOT_FOUND);
	mock.only = MOCK_BLOCK;
	mock.body = "{\"result\":\"0g\"}";
	ck_assert_int_eq(error_of("get_block_by_height", "{\"height\":2}"), ADIT_E_PROTOCOL);
	mock.body = "{\"result\":7}";
	ck_assert_int_eq(error_of("get_block_by_height", "{\"height\":2}"), ADIT_E_PROTOCOL);
}
END_TEST

/* --- a node that is not well --------------------------------------------------------------------
 */

static const struct nonsense {
	int method;
	int status;
	const char *body;
	const char *state;
	const char *detail;
} nonsense[] = {
    {MOCK_CHAIN_INFO, 200, "", "connecting", "the node's answer is empty"},
    {MOCK_CHAIN_INFO, 200, "{", "failing", "not JSON-RPC"},
    {MOCK_CHAIN_INFO, 200, "[]", "failing", "not JSON-RPC"},
    {MOCK_CHAIN_INFO, 200, "null", "failing", "not JSON-RPC"},
    {MOCK_CHAIN_INFO, 200, "{\"id\":1}", "failing", "not JSON-RPC"},
    {MOCK_CHAIN_INFO, 200, "{\"result\":null}", "failing", "fields are missing"},
    {MOCK_CHAIN_INFO, 200, "{\"result\":[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]}",
     "failing", "not JSON-RPC"},
    {MOCK_CHAIN_INFO, 200, "{\"result\":{\"chain\":\"regtest\",\"blocks\":-1}}", "failing",
     "fields are missing"},
    {MOCK_CHAIN_INFO, 200, "{\"error\":7}", "failing", "without a message"},
    {MOCK_CHAIN_INFO, 200, "{\"error\":{\"code\":0,\"message\":\"odd\"}}", "failing", "odd"},
    {MOCK_CHAIN_INFO, 500, "<html>", "failing", "not JSON-RPC"},
    {MOCK_CHAIN_INFO, 302, "moved", "failing", "HTTP status 302"},
    {MOCK_CHAIN_INFO, 301, "moved", "failing", "rpc_url has to lead to the node itself"},
    {MOCK_CHAIN_INFO, 405, "no", "failing", "see rpc_url"},
    {MOCK_CHAIN_INFO, 404, "not found", "failing", "rpc_url"},
    {MOCK_CHAIN_INFO, 502, "<html>", "connecting", "a proxy answers for the node; see rpc_url"},
    {MOCK_CHAIN_INFO, 200, "<!DOCTYPE html><html></html>", "failing", "rpc_url leads to"},
    {MOCK_CHAIN_INFO, 403, "no", "failing", "rpcallowip"},
    {MOCK_CHAIN_INFO, 503, "busy", "connecting", "HTTP 503"},
    {MOCK_TEMPLATE, 200, "{\"result\":null}", "failing", "version"},
    {MOCK_TEMPLATE, 200, "{\"result\":{\"version\":\"x\"}}", "failing", "version"},
    {MOCK_TEMPLATE, 200, "{\"result\":{\"version\":1,\"previousblockhash\":\"zz\"}}", "failing",
     "previousblockhash"},
    {MOCK_TEMPLATE, 200, "{\"error\":{\"code\":-9,\"message\":\"no peers\"}}", "starting",
     "no peers"},
    {MOCK_TEMPLATE, 200, "{\"error\":{\"code\":-9,\"message\":\"Shutting down\"}}", "connecting",
     "shutting down"},
    {MOCK_TEMPLATE, 200, "{\"error\":{\"code\":-10,\"message\":\"syncing\"}}", "initial-download",
     "syncing"},
    {MOCK_TEMPLATE, 200, "{\"error\":{\"code\":-8,\"message\":\"rule\"}}", "failing", "rule"},
};

START_TEST(nonsense_is_survived)
{
	const struct nonsense *n = &nonsense[_i];

	mock.only = n->method;
	mock.http_status = n->status;
	mock.body = n->body;
	start();
	wait_for("detail", n->detail);
	ck_assert_str_eq(status("state"), n->state);
	ck_assert_int_eq(error_of("get_block_template", "{}"), ADIT_E_UNAVAILABLE);
	mock_node_heal(&mock);
	wait_for("state", "ready");
}
END_TEST

/* A template that is right but for one field, in each of which something else can be wrong. */
#define GOOD_START                                                                                 \
	"{\"version\":1,\"previousblockhash\":"                                                    \
	"\"0000000000000000000000000000000000000000000000000000000000000001\","                    \
	"\"bits\":\"207fffff\",\"curtime\":5,\"mintime\":4,\"height\":3,"
#define GOOD_TX                                                                                    \
	"\"txid\":\"0000000000000000000000000000000000000000000000000000000000000001\","           \
	"\"hash\":\"0000000000000000000000000000000000000000000000000000000000000001\","           \
	"\"sigops\":1,\"weight\":4"

static const char *const bad_templates[] = {
    ("{\"version\":4294967296}"),
    (GOOD_START "\"coinbasevalue\":-1,\"transactions\":[]}"),
    (GOOD_START "\"coinbasevalue\":2100000000000001,\"transactions\":[]}"),
    (GOOD_START "\"coinbasevalue\":1}"),
    (GOOD_START "\"coinbasevalue\":1,\"transactions\":{}}"),
    (GOOD_START "\"coinbasevalue\":1,\"transactions\":[7]}"),
    (GOOD_START "\"coinbasevalue\":1,\"transactions\":[{}]}"),
    (GOOD_START "\"coinbasevalue\":1,\"transactions\":[{\"data\":\"\"," GOOD_TX ",\"fee\":0}]}"),
    (GOOD_START "\"coinbasevalue\":1,\"transactions\":[{\"data\":\"000\"," GOOD_TX ",\"fee\":0}]}"),
    (GOOD_START "\"coinbasevalue\":1,\"transactions\":[{\"data\":\"0x\"," GOOD_TX ",\"fee\":0}]}"),
    (GOOD_START "\"coinbasevalue\":1,\"transactions\":[{\"data\":\"00\"," GOOD_TX ",\"fee\":2}]}"),
    (GOOD_START "\"coinbasevalue\":1,\"transactions\":[{\"data\":\"00\"," GOOD_TX "}]}"),
    (GOOD_START "\"coinbasevalue\":1,\"transactions\":[{\"data\":\"00\"," GOOD_TX
		",\"fee\":0,\"depends\":[1]}]}"),
    (GOOD_START "\"coinbasevalue\":1,\"transactions\":[{\"data\":\"00\"," GOOD_TX
		",\"fee\":0,\"depends\":[\"a\"]}]}"),
    (GOOD_START "\"coinbasevalue\":1,\"default_witness_commitment\":\"0\",\"transactions\":[]}"),
    ("{\"version\":1,\"previousblockhash\":"
     "\"0000000000000000000000000000000000000000000000000000000000000001\",\"bits\":\"00000000\"}"),
};

START_TEST(a_bad_template_is_refused)
{
	char body[2048];

	snprintf(body, sizeof(body), "{\"result\":%s,\"error\":null}", bad_templates[_i]);
	mock.only = MOCK_TEMPLATE;
	mock.body = body;
	start();
	wait_for("state", "failing");
	ck_assert_in(status("detail"), "getblocktemplate: ");
}
END_TEST

START_TEST(an_endless_answer_is_cut)
{
	mock.only = MOCK_CHAIN_INFO;
	mock.flood = 3 << 20;
	start();
	wait_for("state", "failing");
	ck_assert_in(status("detail"), "too large");
	mock_node_heal(&mock);
	wait_for("state", "ready");
}
END_TEST

/* 100 MB, of which no more is taken than an answer may have. */
START_TEST(a_template_of_any_size_is_cut)
{
	mock.only = MOCK_TEMPLATE;
	mock.flood = 100u << 20;
	start();
	wait_for("state", "failing");
	ck_assert_in(status("detail"), "too large: more than 33554432 bytes");
	mock_node_heal(&mock);
	wait_for("state", "ready");
}
END_TEST

/* What can come over a connection that is no answer at all, or not all of one. */
static const char *const torn[] = {
    "",
    "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"result\":{\"chain\":",
    "HTTP/1.1 200 OK\r\nContent-Le",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"res",
    "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    "HTTP/9.9 banana\r\n\r\n",
    "SSH-2.0-OpenSSH_9.2p1\r\n",
    "\001\002\003\004",
    "HTTP/1.1 100 Continue\r\n\r\n",
};

START_TEST(a_torn_answer_is_survived)
{
	start_and_settle();
	mock.raw = torn[_i];
	wait_for("state", "connecting");
	ck_assert_in(status("detail"), "http://127.0.0.1:");
	ck_assert_int_eq(error_of("get_block_template", "{}"), ADIT_E_UNAVAILABLE);
	mock_node_heal(&mock);
	wait_for("state", "ready");
}
END_TEST

/* A byte now and then is no life sign: the whole answer has its time. */
START_TEST(a_slow_node_times_out)
{
	fake_host_set_config(host, "rpc_timeout", "300");
	mock.raw =
	    "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"result\":{\"chain\":\"regtest\","
	    "\"blocks\":2,\"headers\":2,\"bestblockhash\":\"0000\"";
	mock.drip = true;
	start();
	wait_for("detail", "timed out");
	ck_assert_str_eq(status("state"), "connecting");
	mock_node_heal(&mock);
	wait_for("state", "ready");
}
END_TEST

static const struct {
	const char *content;
	const char *detail;
} cookies[] = {{"", "holds no user:password; see rpc_cookie_file"},
	       {"nonsense", "holds no user:password"},
	       {":password", "holds no user:password"},
	       {"__cookie__:of another node", "is it this node's? (rpc_datadir"}};

START_TEST(a_wrong_cookie_is_explained)
{
	mock_node_write_cookie(&mock, cookies[_i].content);
	start();
	wait_for("detail", cookies[_i].detail);
	ck_assert_in(status("detail"), mock.cookie);
	ck_assert_ptr_null(strstr(status("detail"), "another node"));
	mock_node_write_cookie(&mock, mock.user_password);
	wait_for("state", "ready");
}
END_TEST

START_TEST(an_unreadable_cookie_is_explained)
{
	fake_host_set_config(host, "rpc_cookie_file", mock.dir);
	start();
	wait_for("detail", "is not a regular file; see rpc_cookie_file");
	ck_assert_int_eq(fake_host_stop(host), ADIT_OK);
	fake_host_set_config(host, "rpc_cookie_file", mock.cookie);
	ck_assert_int_eq(chmod(mock.cookie, 0), 0);
	/* Root may read anything; this process is the test's alone. */
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	start();
	wait_for("detail", "rpccookieperms=group");
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(chmod(mock.cookie, 0600), 0);
	wait_for("state", "ready");
}
END_TEST

START_TEST(a_lost_node_comes_back)
{
	start_and_settle();
	mock_node_down(&mock);
	wait_for("state", "connecting");
	ck_assert_in(status("detail"), "127.0.0.1");
	ck_assert_int_eq(error_of("get_block_template", "{}"), ADIT_E_UNAVAILABLE);
	mock.chain[++mock.height] = 9;
	mock_node_up(&mock);
	wait_for("state", "ready");
	wait_event("NewBlock");
	ck_assert_in(fake_host_event(host, "NewBlock", 0), "\"height\":3");
	ck_assert(fake_host_wait(host, longpolling, NULL, 3000));
}
END_TEST

START_TEST(a_dropped_connection_is_tried_again)
{
	mock.drop = 3;
	start();
	wait_for("state", "connecting");
	wait_for("state", "ready");
}
END_TEST

START_TEST(a_silent_node_times_out)
{
	fake_host_set_config(host, "rpc_timeout", "200");
	mock.hold = true;
	start();
	wait_for("detail", "after 20");
	ck_assert_str_eq(status("state"), "connecting");
}
END_TEST

START_TEST(stopping_answers_what_is_open)
{
	start_and_settle();
	mock.only = MOCK_SUBMIT;
	mock.hold = true;
	rig_stop_while_submitting(host);
}
END_TEST

START_TEST(wrong_configuration_is_explained)
{
	static const struct {
		const char *key;
		const char *value;
		const char *text;
	} cases[] = {
	    {"rpc_url", "127.0.0.1:8332", "rpc_url: expected"},
	    {"rpc_url", "ftp://127.0.0.1/", "rpc_url: expected"},
	    {"rpc_url", "http://user:secret@127.0.0.1/", "rpc_user"},
	    {"rpc_user", "me", "together"},
	    {"rpc_password", "secret", "together"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct adit_host *h = fake_host_new("node", adit_node_manifest, NULL, NULL);

		fake_host_set_config(h, "backend", "bitcoin-rpc");
		fake_host_set_config(h, cases[i].key, cases[i].value);
		ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_E_CONFIG);
		ck_assert_in(fake_host_error(h), cases[i].text);
		ck_assert_ptr_null(strstr(fake_host_error(h), "secret"));
		fake_host_free(h);
	}
}
END_TEST

/* The cookie lies where Bitcoin Core puts it. */
START_TEST(the_cookie_is_found_by_network)
{
	static const char *const cases[][2] = {
	    {"main", "http://127.0.0.1:8332/, cookie /nowhere/.cookie"},
	    {"testnet4", "http://127.0.0.1:48332/, cookie /nowhere/testnet4/.cookie"},
	    {"testnet3", "http://127.0.0.1:18332/, cookie /nowhere/testnet3/.cookie"},
	    {"signet", "http://127.0.0.1:38332/, cookie /nowhere/signet/.cookie"},
	    {"regtest", "http://127.0.0.1:18443/, cookie /nowhere/regtest/.cookie"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct adit_host *h = fake_host_new("node", adit_node_manifest, NULL, NULL);

		fake_host_set_config(h, "backend", "bitcoin-rpc");
		fake_host_set_config(h, "rpc_datadir", "/nowhere");
		fake_host_set_network(h, cases[i][0]);
		ck_assert_int_eq(fake_host_start(h, &adit_node_plugin), ADIT_OK);
		ck_assert_msg(fake_host_logged(h, cases[i][1]), "%s", cases[i][0]);
		fake_host_free(h);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node, bitcoin-rpc");
	TCase *well = tcase_create("well");
	TCase *ill = tcase_create("ill");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(well, setup, teardown);
	tcase_add_checked_fixture(ill, setup, teardown);
	tcase_set_timeout(well, 60);
	tcase_set_timeout(ill, 60);
	tcase_add_test(well, it_connects);
	tcase_add_test(well, a_template_is_passed_on);
	tcase_add_loop_test(well, warm_up_is_a_state, 0, 2);
	tcase_add_test(well, initial_download_is_a_state);
	tcase_add_test(well, a_fresh_regtest_is_ready);
	tcase_add_test(well, another_network_is_refused);
	tcase_add_test(well, a_cookie_may_come_late_and_change);
	tcase_add_test(well, a_refusal_makes_it_read_the_cookie_again);
	tcase_add_test(well, a_wrong_password_is_said);
	tcase_add_test(well, a_new_tip_comes_by_long_poll);
	tcase_add_test(well, a_new_tip_is_found_without_long_poll);
	tcase_add_test(well, a_reorganisation_is_told);
	tcase_add_test(well, a_chain_may_get_shorter);
	tcase_add_test(well, the_same_work_keeps_its_number);
	tcase_add_loop_test(well, a_node_that_polls_back_at_once_is_not_hammered, 0, 2);
	tcase_add_test(well, verdicts_are_passed_on);
	tcase_add_test(well, a_block_is_sent_until_the_node_is_there);
	tcase_add_test(well, blocks_are_fetched);
	tcase_add_loop_test(ill, nonsense_is_survived, 0,
			    (int)(sizeof(nonsense) / sizeof(nonsense[0])));
	tcase_add_loop_test(ill, a_bad_template_is_refused, 0,
			    (int)(sizeof(bad_templates) / sizeof(bad_templates[0])));
	tcase_add_test(ill, an_endless_answer_is_cut);
	tcase_add_test(ill, a_template_of_any_size_is_cut);
	tcase_add_loop_test(ill, a_torn_answer_is_survived, 0,
			    (int)(sizeof(torn) / sizeof(torn[0])));
	tcase_add_test(ill, a_slow_node_times_out);
	tcase_add_loop_test(ill, a_wrong_cookie_is_explained, 0,
			    (int)(sizeof(cookies) / sizeof(cookies[0])));
	tcase_add_test(ill, an_unreadable_cookie_is_explained);
	tcase_add_test(ill, a_lost_node_comes_back);
	tcase_add_test(ill, a_dropped_connection_is_tried_again);
	tcase_add_test(ill, a_silent_node_times_out);
	tcase_add_test(ill, stopping_answers_what_is_open);
	tcase_add_test(ill, wrong_configuration_is_explained);
	tcase_add_test(ill, the_cookie_is_found_by_network);
	suite_add_tcase(suite, well);
	suite_add_tcase(suite, ill);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
