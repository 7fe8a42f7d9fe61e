/* SPDX-License-Identifier: MIT */
/* The role miningos: what can be done to miners, by votes and from here. */
#include "config.h"

#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/query.h"
#include "tests/unit/miningos_rig.h"

/* Of MiningOS's vote: the ork puts it behind the parameters. */
#define VOTE "{\"actionId\":17,\"user\":\"ann@site\"}"

/* `local` is the CPU miner of this machine, `other` is not. */
static void begin(const struct fake_option *options)
{
	rig_begin(options);
	rig_channel(1, 1, "local", "127.0.0.1:4001");
	rig_channel(2, 1, "other", "10.0.0.2:4028");
	rig_look();
}

static void setup(void)
{
	begin(NULL);
}

static void teardown(void)
{
	rig_end();
}

static void again(const struct fake_option *options)
{
	rig_end();
	begin(options);
}

/* The answer of queryThing for USER's thing; the caller's. */
static struct json_object *query_thing(const char *user, const char *method, const char *params)
{
	char text[512];

	snprintf(text, sizeof(text), "{\"id\":\"%s\",\"method\":\"%s\",\"params\":%s}",
		 rig_thing(user), method, params);
	return rig_call("queryThing", text);
}

static void query_succeeds(const char *user, const char *method, const char *params)
{
	struct json_object *o = query_thing(user, method, params);

	ck_assert_msg(json_object_get_boolean(get_member(o, "success")), "%s %s: %s %s", method,
		      params, rig_error(), json_object_to_json_string(o));
	json_object_put(o);
}

/* Of a change only that it was done. */
static void change_succeeds(const char *user, const char *method, const char *params)
{
	struct json_object *o = query_thing(user, method, params);

	ck_assert_str_eq(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
			 "{\"success\":true}");
	json_object_put(o);
}

static void query_refused(const char *user, const char *method, const char *params,
			  const char *error)
{
	struct json_object *o = query_thing(user, method, params);

	ck_assert_msg(strcmp(rig_error(), error) == 0, "%s %s: \"%s\" %s", method, params,
		      rig_error(), json_object_to_json_string(o));
	json_object_put(o);
}

/* --- getWriteCalls --- */

START_TEST(test_write_calls)
{
	char expected[512];
	struct json_object *o;

	snprintf(expected, sizeof(expected),
		 "{\"reqVotes\":1,\"calls\":[{\"id\":\"%s\",\"tags\":[\"t-miner-sv2\",\"t-miner\","
		 "\"sv2\","
		 "\"id-%s\",\"code-SV2-0002\"]}]}",
		 rig_thing("other"), rig_thing("other"));
	rig_expect("getWriteCalls",
		   "{\"query\":{\"opts.user\":\"other\"},\"action\":\"reboot\",\"params\":[]}",
		   expected);
	o = rig_call("getWriteCalls",
		     "{\"query\":{\"tags\":{\"$in\":[\"t-miner\"]}},\"action\":\"reboot\","
		     "\"params\":[]}");
	ck_assert_uint_eq(json_object_array_length(get_member(o, "calls")), 2);
	json_object_put(o);
	/* What is not whitelisted, or not known, has no calls. */
	rig_expect("getWriteCalls", "{\"query\":{},\"action\":\"queryStats\",\"params\":[]}",
		   "{\"reqVotes\":1,\"calls\":[]}");
	rig_expect("getWriteCalls", "{\"query\":{},\"action\":\"updateFirmware\",\"params\":[]}",
		   "{\"reqVotes\":1,\"calls\":[]}");
	rig_expect("getWriteCalls",
		   "{\"query\":{\"id\":\"nobody\"},\"action\":\"reboot\",\"params\":[]}",
		   "{\"reqVotes\":1,\"calls\":[]}");
	rig_expect_error("getWriteCalls",
			 "{\"query\":{\"$x\":1},\"action\":\"reboot\",\"params\":[]}",
			 "ERR_QUERY_INVALID");
}
END_TEST

START_TEST(test_write_calls_of_rack)
{
	rig_expect("getWriteCalls",
		   "{\"query\":{},\"action\":\"rackReboot\",\"params\":[],\"rackActionId\":\"blvm-"
		   "node-001\"}",
		   "{\"reqVotes\":2,\"calls\":[{\"id\":\"blvm-node-001\",\"tags\":[]}]}");
	rig_expect(
	    "getWriteCalls",
	    "{\"query\":{},\"action\":\"rackReboot\",\"params\":[],\"rackActionId\":\"another\"}",
	    "{\"reqVotes\":2,\"calls\":[]}");
	rig_expect(
	    "getWriteCalls",
	    "{\"query\":{},\"action\":\"registerThing\",\"params\":[{\"rackId\":\"another\"}]}",
	    "{\"reqVotes\":1,\"calls\":[]}");
	rig_expect("getWriteCalls",
		   "{\"query\":{},\"action\":\"forgetThings\",\"params\":[{\"rackId\":\"blvm-node-"
		   "001\"}]}",
		   "{\"reqVotes\":1,\"calls\":[{\"id\":\"blvm-node-001\",\"tags\":[]}]}");
}
END_TEST

/* One miner for whom it is not good fails the whole call. */
static const struct {
	const char *user;
	const char *action;
	const char *params;
	const char *error;
} wrong[] = {
    {"local", "setPowerMode", "[\"warp\"]", "ERR_SET_POWER_MODE_INVALID"},
    {"local", "setPowerMode", "[]", "ERR_SET_POWER_MODE_INVALID"},
    {"local", "setPowerMode", "[5]", "ERR_SET_POWER_MODE_INVALID"},
    {"local", "setPowerMode", "[\"high\"]", "ERR_SET_POWER_MODE_UNSUPPORTED"},
    {"other", "setPowerMode", "[\"sleep\"]", "ERR_SET_POWER_MODE_UNSUPPORTED"},
    {"local", "setLED", "[\"on\"]", "ERR_SET_LED_ENABLED_INVALID"},
    {"local", "setLED", "[true]", "ERR_SET_LED_UNSUPPORTED"},
    {"local", "setHashrate", "[]", "ERR_SET_HASHRATE_INVALID"},
    {"local", "setHashrate", "[\"1\"]", "ERR_SET_HASHRATE_INVALID"},
    {"local", "setHashrate", "[-1]", "ERR_SET_HASHRATE_INVALID"},
    {"local", "setHashrate", "[1e99]", "ERR_SET_HASHRATE_INVALID"},
    {"local", "setupPools", "[]", "ERR_POOL_CONFIG_INVALID"},
    {"local", "setupPools", "[{\"config\":{\"id\":\"p\",\"poolUrls\":[]}}]",
     "ERR_POOL_CONFIG_INVALID"},
    {"local", "setupPools", "[{\"config\":{\"id\":\"p\",\"poolUrls\":[{\"url\":\"pool\"}]}}]",
     "ERR_POOL_CONFIG_INVALID"},
    {"local", "setupPools", "[{\"config\":{\"poolUrls\":[{\"url\":\"http://pool:80\"}]}}]",
     "ERR_POOL_CONFIG_INVALID"},
    {"local", "updatePoolConfig", "[{\"pool_url\":\"a b:1\"}]", "ERR_POOL_CONFIG_INVALID"},
};

START_TEST(test_validation)
{
	char params[512];

	snprintf(params, sizeof(params),
		 "{\"query\":{\"opts.user\":\"%s\"},\"action\":\"%s\",\"params\":%s}",
		 wrong[_i].user, wrong[_i].action, wrong[_i].params);
	rig_expect_error("getWriteCalls", params, wrong[_i].error);
	/* And nobody comes past it. */
	snprintf(params, sizeof(params), "%.*s%s" VOTE "]", (int)strlen(wrong[_i].params) - 1,
		 wrong[_i].params, strcmp(wrong[_i].params, "[]") == 0 ? "" : ",");
	query_refused(wrong[_i].user, wrong[_i].action, params, wrong[_i].error);
	ck_assert_uint_eq(rig.asked_count, 0);
}
END_TEST

/* --- queryThing: what reaches whom --- */

START_TEST(test_reboot)
{
	query_succeeds("other", "reboot", "[" VOTE "]");
	ck_assert_str_eq(rig_asked(),
			 "pool disconnect_miner { \"miner\": \"pool.1\\/2\", \"reason\": "
			 "\"reboot, an action of MiningOS\" }");
	query_succeeds("local", "reboot", "[" VOTE "]");
	ck_assert_str_eq(rig_asked(), "cpu-miner host.restart {}");
	ck_assert(fake_host_logged(rig.host, "action 17: reboot on SV2-0001 for ann@site: done"));
	ck_assert_uint_eq(fake_host_published(rig.host, "MiningOSActionExecuted"), 2);
	ck_assert_ptr_nonnull(
	    strstr(fake_host_event(rig.host, "MiningOSActionExecuted", 0), "\"success\":true"));
}
END_TEST

static bool is_sleeping(void *user)
{
	(void)user;
	return things_find(&rig.m->things, rig_thing("local"))->snap.status == THING_SLEEPING;
}

START_TEST(test_power)
{
	query_succeeds("local", "setPowerMode", "[\"sleep\"," VOTE "]");
	ck_assert_str_eq(rig_asked(), "cpu-miner pause {}");
	/* It is seen without waiting for the next minute. */
	ck_assert(fake_host_wait(rig.host, is_sleeping, NULL, 60000));
	query_succeeds("local", "setPowerMode", "[\"normal\"," VOTE "]");
	ck_assert_str_eq(rig_asked(), "cpu-miner resume {}");
}
END_TEST

START_TEST(test_hashrate)
{
	query_succeeds("local", "setHashrate", "[5000," VOTE "]");
	ck_assert_str_eq(rig_asked(), "cpu-miner set_hashrate { \"hashrate\": 5000 }");
	query_succeeds("local", "setHashrate", "[null," VOTE "]");
	ck_assert_str_eq(rig_asked(), "cpu-miner set_hashrate { \"hashrate\": null }");
	/* 2^32 hashes a share of difficulty 1, six a minute: so much for 10 GH/s. */
	query_succeeds("other", "setHashrate", "[4294967296," VOTE "]");
	ck_assert_str_eq(
	    rig_asked(),
	    "pool set_difficulty { \"channel\": \"pool.1\\/2\\/1\", \"difficulty\": 10.0 }");
	query_succeeds("other", "setHashrate", "[null," VOTE "]");
	ck_assert_str_eq(
	    rig_asked(),
	    "pool set_difficulty { \"channel\": \"pool.1\\/2\\/1\", \"difficulty\": null }");
}
END_TEST

#define POOLS                                                                                      \
	"{\"config\":{\"id\":\"site\",\"poolUrls\":[{\"url\":\"sv2://pool.example:3333\","         \
	"\"workerName\":\"w\",\"workerPassword\":\"s3cret\"},{\"url\":\"other:1\"}]}}"

/* Of an action on many miners one changes the pool; all have the result, and no password is kept.
 */
START_TEST(test_pools)
{
	struct json_object *o;

	change_succeeds("local", "setupPools", "[" POOLS "," VOTE "]");
	ck_assert_str_eq(rig_asked(), "pool update_pool_config {\"pool_url\":\"pool.example:3333\","
				      "\"pool_user\":\"w\",\"pool_password\":\"s3cret\"}");
	query_succeeds("other", "setupPools", "[" POOLS "," VOTE "]");
	ck_assert_uint_eq(rig.asked_count, 1);
	/* Another action is another change. */
	query_succeeds("other", "setupPools", "[" POOLS ",{\"actionId\":18}]");
	ck_assert_uint_eq(rig.asked_count, 2);
	rig_expect("getThingsCount", "{\"query\":{\"info.poolConfig\":\"site\"}}", "2");
	o = rig_call("getThingConf", "{\"requestType\":\"poolConfig\"}");
	ck_assert_ptr_nonnull(strstr(json_object_to_json_string(o), "pool.example"));
	ck_assert_ptr_null(strstr(json_object_to_json_string(o), "s3cret"));
	json_object_put(o);
	ck_assert(!fake_host_logged(rig.host, "s3cret"));
}
END_TEST

static const struct fake_option unvoted[] = {{"require_approval", "false"}, {NULL, NULL}};

/* A call without a number is an action of its own: what is asked for anew is done anew. */
START_TEST(test_pools_anew)
{
	again(unvoted);
	query_succeeds("local", "setupPools", "[" POOLS "]");
	query_succeeds("local", "setupPools", "[" POOLS "]");
	ck_assert_uint_eq(rig.asked_count, 2);
	for (unsigned i = 0; i < 2; i++)
		rig_expect("applyThings", "{\"method\":\"setupPools\",\"params\":[" POOLS "]}",
			   "2");
	ck_assert_uint_eq(rig.asked_count, 4);
}
END_TEST

START_TEST(test_pools_refused)
{
	struct json_object *o;

	rig.pool_wrong = true;
	o = query_thing("local", "setupPools", "[" POOLS "," VOTE "]");
	ck_assert(!json_object_get_boolean(get_member(o, "success")));
	ck_assert_str_eq(rig_text(o, "error_msg"),
			 "ERR_POOL_CONFIG_REFUSED: pool_url: not allowed");
	json_object_put(o);
	rig_expect("getThingsCount", "{\"query\":{\"info.poolConfig\":\"site\"}}", "0");
	/* It may be tried again. */
	rig.pool_wrong = false;
	query_succeeds("local", "setupPools", "[" POOLS "," VOTE "]");
	ck_assert(fake_host_logged(rig.host, "ERR_POOL_CONFIG_REFUSED"));
}
END_TEST

static const struct fake_option impatient[] = {{"timeout_seconds", "1"}, {NULL, NULL}};

START_TEST(test_timeout)
{
	struct json_object *o;

	again(impatient);
	rig.pool_mute = true;
	o = query_thing("local", "setupPools", "[" POOLS "," VOTE "]");
	ck_assert_ptr_nonnull(strstr(rig_text(o, "error_msg"), "ERR_ACTION_TIMEOUT"));
	json_object_put(o);
}
END_TEST

START_TEST(test_query_errors)
{
	struct json_object *o;

	rig_expect_error("queryThing", "{\"id\":\"none\",\"method\":\"reboot\",\"params\":[]}",
			 "ERR_THING_NOTFOUND");
	rig_expect_error("queryThing", "{\"id\":7,\"method\":\"reboot\"}", "ERR_THING_NOTFOUND");
	query_refused("other", "explode", "[" VOTE "]", "ERR_THING_METHOD_NOTFOUND");
	query_refused("other", "rackReboot", "[" VOTE "]", "ERR_THING_METHOD_NOTFOUND");
	query_refused("other", "queryStats", "[" VOTE "]", "ERR_THING_METHOD_NOTFOUND");
	/* Without a vote. */
	query_refused("other", "reboot", "[]", "ERR_ACTION_NOT_APPROVED");
	o = query_thing("other", "getSnap", "[]");
	ck_assert(json_object_get_boolean(get_member(o, "success")));
	json_object_put(o);
	rig_no_channels();
	rig_look();
	query_refused("other", "reboot", "[" VOTE "]", "ERR_THING_NOT_CONNECTED");
	/* One who is away keeps nobody from acting on a fleet: the vote is, and its call fails. */
	o = rig_call("getWriteCalls", "{\"query\":{},\"action\":\"reboot\",\"params\":[]}");
	ck_assert_uint_ge(json_object_array_length(get_member(o, "calls")), 2);
	json_object_put(o);
	rig_expect_error("getWriteCalls",
			 "{\"query\":{},\"action\":\"setHashrate\",\"params\":[-1]}",
			 "ERR_SET_HASHRATE_INVALID");
}
END_TEST

static const struct fake_option lax[] = {{"require_approval", "false"},
					 {"supported_actions", "reboot,queryStats,refreshTemplate"},
					 {NULL, NULL}};

START_TEST(test_other_settings)
{
	again(lax);
	query_succeeds("other", "reboot", "[]");
	query_succeeds("other", "queryStats", "[]");
	query_succeeds("other", "refreshTemplate", "[]");
	query_refused("local", "setPowerMode", "[\"sleep\"]", "ERR_THING_METHOD_NOTFOUND");
}
END_TEST

static const struct fake_option off[] = {{"actions_enabled", "false"}, {NULL, NULL}};

START_TEST(test_actions_off)
{
	int32_t code;

	again(off);
	rig_expect("getWriteCalls", "{\"query\":{},\"action\":\"reboot\",\"params\":[]}",
		   "{\"reqVotes\":1,\"calls\":[]}");
	query_refused("other", "reboot", "[" VOTE "]", "ERR_THING_METHOD_NOTFOUND");
	rig_expect_error("rackReboot", "{}", "ERR_ACTION_NOT_ALLOWED");
	json_object_put(
	    rig_method("trigger_action", "{\"action_type\":\"refreshTemplate\"}", &code));
	ck_assert_int_eq(code, ADIT_E_PERMISSION_DENIED);
	ck_assert_ptr_nonnull(strstr(rig_error(), "actions_enabled"));
}
END_TEST

START_TEST(test_apply)
{
	rig_expect("applyThings",
		   "{\"method\":\"reboot\",\"query\":{\"tags\":\"t-miner\"},\"params\":[" VOTE "]}",
		   "2");
	/* Counted is who could. */
	rig_expect("applyThings", "{\"method\":\"setPowerMode\",\"params\":[\"sleep\"," VOTE "]}",
		   "1");
	rig_expect_error("applyThings", "{\"method\":\"nonsense\"}", "ERR_METHOD_INVALID");
	rig_expect_error("applyThings",
			 "{\"method\":\"reboot\",\"query\":[],\"params\":[" VOTE "]}",
			 "ERR_QUERY_INVALID");
	rig_expect_error("applyThings", "{\"method\":\"reboot\"}", "ERR_ACTION_NOT_APPROVED");
}
END_TEST

/* --- from here --- */

static bool is_over(void *user)
{
	struct json_object *o = rig_method("get_action_status", user, NULL);
	bool over = strcmp(rig_text(o, "status"), "EXECUTING") != 0;

	json_object_put(o);
	return over;
}

/* Triggers, waits for the end; the caller's. */
static struct json_object *trigger(const char *params)
{
	struct json_object *o = rig_method("trigger_action", params, NULL);
	char id[64];

	snprintf(id, sizeof(id), "{\"action_id\":%.0f}", rig_number(o, "action_id"));
	json_object_put(o);
	while (!is_over(id))
		fake_host_run(rig.host, 10);
	return rig_method("get_action_status", id, NULL);
}

START_TEST(test_trigger)
{
	struct json_object *o =
	    trigger("{\"action_type\":\"setPowerMode\",\"target\":\"SV2-0001\",\"mode\":"
		    "\"sleep\"}");

	ck_assert_str_eq(rig_text(o, "status"), "COMPLETED");
	ck_assert_str_eq(rig_text(o, "target"), rig_thing("local"));
	ck_assert_str_eq(rig_asked(), "cpu-miner pause {}");
	json_object_put(o);
	o = trigger("{\"action_type\":\"updatePoolConfig\",\"pool_url\":\"pool.example:1\",\"pool_"
		    "user\":\"u\","
		    "\"authority_key\":\"k\",\"jds_url\":\"j:2\"}");
	ck_assert_str_eq(rig_text(o, "status"), "COMPLETED");
	ck_assert_str_eq(rig_asked(),
			 "pool update_pool_config {\"pool_url\":\"pool.example:1\",\"pool_user\":"
			 "\"u\",\"authority_key\":\"k\",\"jds_url\":\"j:2\"}");
	json_object_put(o);
	rig.pool_wrong = true;
	o = trigger("{\"action_type\":\"updatePoolConfig\",\"pool_url\":\"pool.example:9\"}");
	ck_assert_str_eq(rig_text(o, "status"), "FAILED");
	ck_assert_str_eq(rig_text(o, "error"), "ERR_POOL_CONFIG_REFUSED: pool_url: not allowed");
	json_object_put(o);
	o = trigger("{\"action_type\":\"reboot\",\"target\":\"cpu-miner\"}");
	ck_assert_str_eq(rig_asked(), "cpu-miner host.restart {}");
	ck_assert_str_eq(rig_text(o, "target"), "cpu-miner");
	ck_assert(fake_host_logged(rig.host, "reboot on cpu-miner for control: done"));
	json_object_put(o);
	o = rig_method("list_actions", "{}", NULL);
	ck_assert_uint_eq(json_object_array_length(get_member(o, "actions")), 4);
	json_object_put(o);
}
END_TEST

static const struct {
	const char *params;
	int32_t code;
	const char *says;
} refused[] = {
    {"{}", ADIT_E_INVALID_ARGUMENT, "there is no action"},
    {"{\"action_type\":\"explode\"}", ADIT_E_INVALID_ARGUMENT, "reboot"},
    {"{\"action_type\":\"queryStats\"}", ADIT_E_PERMISSION_DENIED, "supported_actions"},
    {"{\"action_type\":\"registerThing\"}", ADIT_E_PERMISSION_DENIED, "for MiningOS"},
    {"{\"action_type\":\"setPowerMode\",\"target\":\"SV2-0001\"}", ADIT_E_INVALID_ARGUMENT,
     "ERR_SET_POWER_MODE_INVALID: mode=sleep or"},
    {"{\"action_type\":\"reboot\"}", ADIT_E_INVALID_ARGUMENT, "get_miner_list"},
    {"{\"action_type\":\"reboot\",\"target\":\"node\"}", ADIT_E_INVALID_ARGUMENT,
     "ERR_THING_NOTFOUND"},
    {"{\"action_type\":\"setLED\",\"target\":\"SV2-0001\",\"enabled\":true}",
     ADIT_E_INVALID_ARGUMENT, "ERR_SET_LED_UNSUPPORTED"},
    {"{\"action_type\":\"setHashrate\",\"target\":\"none\",\"hashrate\":1}", ADIT_E_NOT_FOUND,
     "none"},
    {"{\"action_type\":\"updatePoolConfig\"}", ADIT_E_INVALID_ARGUMENT, "ERR_POOL_CONFIG_INVALID"},
    {"[]", ADIT_E_INVALID_ARGUMENT, "object"},
    {"nonsense", ADIT_E_INVALID_ARGUMENT, "object"},
};

START_TEST(test_trigger_refused)
{
	int32_t code;

	json_object_put(rig_method("trigger_action", refused[_i].params, &code));
	ck_assert_msg(code == refused[_i].code && strstr(rig_error(), refused[_i].says) != NULL,
		      "%s: %d %s", refused[_i].params, (int)code, rig_error());
	ck_assert_uint_eq(rig.asked_count, 0);
}
END_TEST

/* --- what another role asks for --- */

static struct json_object *heard;

static void on_reply(void *user, const struct adit_reply *reply)
{
	(void)user;
	ck_assert_msg(reply->error == ADIT_OK, "%s", reply->message);
	ck_assert(parse_json(reply->json, reply->json_size, &heard));
}

static bool has_heard(void *user)
{
	(void)user;
	return heard != NULL;
}

/* A role calls; its answer is the caller's. */
static struct json_object *role_calls(struct adit_host *role, const char *method,
				      const char *params)
{
	heard = NULL;
	ck_assert_int_eq(fake_host_api()->call(role, "miningos", method, params, strlen(params),
					       NULL, 0, 10000, on_reply, NULL, NULL, NULL),
			 ADIT_OK);
	ck_assert(fake_host_wait(rig.host, has_heard, NULL, 60000));
	return heard;
}

START_TEST(test_approval)
{
	struct adit_host *role = fake_host_new("ledger", NULL, NULL, rig.host);
	struct json_object *o;
	char id[64];
	int32_t code;

	o = role_calls(role, "trigger_action",
		       "{\"action_type\":\"reboot\",\"target\":\"SV2-0002\"}");
	ck_assert_str_eq(rig_text(o, "status"), "VOTING");
	snprintf(id, sizeof(id), "{\"action_id\":%.0f}", rig_number(o, "action_id"));
	json_object_put(o);
	fake_host_run(rig.host, 50);
	ck_assert_uint_eq(rig.asked_count, 0);
	json_object_put(rig_method("approve_action", id, NULL));
	while (!is_over(id))
		fake_host_run(rig.host, 10);
	ck_assert_uint_eq(rig.asked_count, 1);
	json_object_put(rig_method("approve_action", id, &code)); /* once */
	ck_assert_int_eq(code, ADIT_E_INVALID_ARGUMENT);
	o = role_calls(role, "trigger_action",
		       "{\"action_type\":\"reboot\",\"target\":\"SV2-0002\"}");
	snprintf(id, sizeof(id), "{\"action_id\":\"%.0f\"}", rig_number(o, "action_id"));
	json_object_put(o);
	o = rig_method("deny_action", id, NULL);
	ck_assert_str_eq(rig_text(o, "status"), "DENIED");
	json_object_put(o);
	ck_assert_uint_eq(rig.asked_count, 1);
	fake_host_free(role);
}
END_TEST

/* Who approves sees what they approve, but no password. */
static const struct {
	const char *asked;
	const char *shown;
} shown[] = {
    {"{\"action_type\":\"updatePoolConfig\",\"pool_url\":\"pool.example:1\",\"pool_user\":\"u\","
     "\"pool_password\":\"s3cret\",\"authority_key\":\"k\"}",
     "{\"pool_url\":\"pool.example:1\",\"pool_user\":\"u\",\"authority_key\":\"k\"}"},
    {"{\"action_type\":\"setupPools\",\"target\":\"SV2-0001\",\"params\":[" POOLS "]}",
     "{\"pool_url\":\"pool.example:3333\",\"pool_user\":\"w\"}"},
    {"{\"action_type\":\"setPowerMode\",\"target\":\"SV2-0001\",\"mode\":\"sleep\"}",
     "{\"mode\":\"sleep\"}"},
    {"{\"action_type\":\"setHashrate\",\"target\":\"SV2-0001\",\"hashrate\":5000}",
     "{\"hashrate\":5000}"},
    {"{\"action_type\":\"setHashrate\",\"target\":\"SV2-0001\",\"hashrate\":null}",
     "{\"hashrate\":null}"},
    {"{\"action_type\":\"reboot\",\"target\":\"SV2-0002\"}", "{}"},
};

/* The action O, which is consumed, shows TEXT and no secret. */
static void shows(struct json_object *o, const char *text)
{
	ck_assert_str_eq(
	    json_object_to_json_string_ext(get_member(o, "params"), JSON_C_TO_STRING_PLAIN), text);
	ck_assert_ptr_null(strstr(json_object_to_json_string(o), "s3cret"));
	json_object_put(o);
}

START_TEST(test_approval_shows)
{
	struct adit_host *role = fake_host_new("ledger", NULL, NULL, rig.host);
	struct json_object *o = role_calls(role, "trigger_action", shown[_i].asked);
	char id[64];

	ck_assert_str_eq(rig_text(o, "status"), "VOTING");
	snprintf(id, sizeof(id), "{\"action_id\":%.0f}", rig_number(o, "action_id"));
	shows(o, shown[_i].shown);
	shows(rig_method("get_action_status", id, NULL), shown[_i].shown);
	o = rig_method("list_actions", "{}", NULL);
	shows(json_object_get(json_object_array_get_idx(get_member(o, "actions"), 0)),
	      shown[_i].shown);
	json_object_put(o);
	shows(rig_method("approve_action", id, NULL), shown[_i].shown);
	while (!is_over(id))
		fake_host_run(rig.host, 10);
	ck_assert_uint_eq(rig.asked_count, 1);
	/* And afterwards what was done. */
	shows(rig_method("get_action_status", id, NULL), shown[_i].shown);
	ck_assert(fake_host_logged(rig.host, shown[_i].shown));
	ck_assert(!fake_host_logged(rig.host, "s3cret"));
	fake_host_free(role);
}
END_TEST

/* Nobody lets what they want themselves. */
static int32_t denied;

static void on_denied(void *user, const struct adit_reply *reply)
{
	(void)user;
	denied = reply->error;
}

static bool was_denied(void *user)
{
	(void)user;
	return denied != 0;
}

START_TEST(test_approval_is_the_administrators)
{
	struct adit_host *role = fake_host_new("ledger", NULL, NULL, rig.host);

	denied = 0;
	ck_assert_int_eq(fake_host_api()->call(role, "miningos", "approve_action",
					       "{\"action_id\":1}", 15, NULL, 0, 10000, on_denied,
					       NULL, NULL, NULL),
			 ADIT_OK);
	ck_assert(fake_host_wait(rig.host, was_denied, NULL, 60000));
	ck_assert_int_eq(denied, ADIT_E_PERMISSION_DENIED);
	fake_host_free(role);
}
END_TEST

/* More are asked for than are remembered. */
START_TEST(test_many_actions)
{
	struct json_object *o;

	for (unsigned i = 0; i < LOCAL_ACTIONS + 20; i++)
		json_object_put(trigger("{\"action_type\":\"reboot\",\"target\":\"SV2-0002\"}"));
	o = rig_method("list_actions", "{}", NULL);
	ck_assert_uint_eq(json_object_array_length(get_member(o, "actions")), LOCAL_ACTIONS);
	json_object_put(o);
}
END_TEST

START_TEST(test_methods)
{
	struct json_object *o = rig_method("get_miner_list", "{\"limit\":1,\"offset\":1}", NULL);
	int32_t code;

	ck_assert_double_eq(rig_number(o, "count"), 2);
	ck_assert_str_eq(rig_text(json_object_array_get_idx(get_member(o, "miners"), 0), "user"),
			 "other");
	json_object_put(o);
	o = rig_method("status", "{}", NULL);
	ck_assert_double_eq(rig_number(o, "things"), 2);
	ck_assert_str_eq(rig_text(o, "bridge.state"), "disabled");
	json_object_put(o);
	json_object_put(rig_method("get_action_status", "{\"action_id\":5}", &code));
	ck_assert_int_eq(code, ADIT_E_NOT_FOUND);
	json_object_put(rig_method("get_stats", "{}", NULL));
	json_object_put(rig_method("get_template", "{}", NULL));
}
END_TEST

static bool was_restarted(void *user)
{
	(void)user;
	return fake_host_published(rig.host, "MiningOSActionExecuted") > 0;
}

/* The answer comes before the end. (There is no host here that could restart us.) */
START_TEST(test_rack_reboot)
{
	rig_expect("rackReboot", "{\"user\":\"ann\"}", "1");
	ck_assert(fake_host_wait(rig.host, was_restarted, NULL, 60000));
	ck_assert(fake_host_logged(rig.host, "rackReboot on the rack for ann"));
}
END_TEST

/* The end of the role is a reboot's success. */
START_TEST(test_rack_reboot_ends)
{
	struct json_object *o =
	    rig_method("trigger_action", "{\"action_type\":\"rackReboot\"}", NULL);

	ck_assert_str_eq(rig_text(o, "status"), "EXECUTING");
	json_object_put(o);
	actions_end(rig.m);
	ck_assert(fake_host_logged(rig.host, "rackReboot on the rack for control: done"));
}
END_TEST

#define COUNT(list) ((int)(sizeof(list) / sizeof((list)[0])))

int main(void)
{
	Suite *s = suite_create("miningos-actions");
	TCase *c = tcase_create("actions");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, test_write_calls);
	tcase_add_test(c, test_write_calls_of_rack);
	tcase_add_loop_test(c, test_validation, 0, COUNT(wrong));
	tcase_add_test(c, test_reboot);
	tcase_add_test(c, test_power);
	tcase_add_test(c, test_hashrate);
	tcase_add_test(c, test_pools);
	tcase_add_test(c, test_pools_anew);
	tcase_add_test(c, test_pools_refused);
	tcase_add_test(c, test_timeout);
	tcase_add_test(c, test_query_errors);
	tcase_add_test(c, test_other_settings);
	tcase_add_test(c, test_actions_off);
	tcase_add_test(c, test_apply);
	tcase_add_test(c, test_trigger);
	tcase_add_loop_test(c, test_trigger_refused, 0, COUNT(refused));
	tcase_add_test(c, test_approval);
	tcase_add_loop_test(c, test_approval_shows, 0, COUNT(shown));
	tcase_add_test(c, test_approval_is_the_administrators);
	tcase_add_test(c, test_many_actions);
	tcase_add_test(c, test_methods);
	tcase_add_test(c, test_rack_reboot);
	tcase_add_test(c, test_rack_reboot_ends);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
