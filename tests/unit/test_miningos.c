/* SPDX-License-Identifier: MIT */
/* The role miningos: things, and what the rack answers about them. */
#include "config.h"

#include <check.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/clock.h"
#include "plugins/miningos/jsons.h"
#include "plugins/miningos/query.h"
#include "tests/unit/miningos_rig.h"

extern const struct adit_plugin_descriptor adit_plugin;

#define MANY 10000u

static void setup(void)
{
	rig_begin(NULL);
}

static void teardown(void)
{
	rig_end();
}

/* --- every rack --- */

START_TEST(test_rack)
{
	char text[256];

	rig_expect("ping", "{\"a\":[1,\"x\",null]}", "{\"a\":[1,\"x\",null]}");
	rig_expect("echo", "\"hello\"", "\"hello\"");
	rig_expect("getRack", "{}", "{\"id\":\"blvm-node-001\",\"rpcPubKey\":null}");
	memset(text, 'a', 64);
	text[64] = '\0';
	rack_set_key(rig.m, "blvm-node-001", text);
	rack_set_key(rig.m, "blvm-node-001", "no key");
	rig_expect("getRack", "null",
		   "{\"id\":\"blvm-node-001\",\"rpcPubKey\":"
		   "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}");
	rig_expect_error("executeAction", "{}", "UNKNOWN_METHOD");
	rig_expect_error("", "{}", "UNKNOWN_METHOD");
	rig_expect("getReplicaConf", "{}", "{}");
	rig_expect("listFirmwares", "{}", "[]");
	json_object_put(rig_call_rack("another", "ping", "1"));
	ck_assert_str_eq(rig_error(), "ERR_RACK_NOTFOUND");
}
END_TEST

START_TEST(test_registered)
{
	fake_host_forget_events(rig.host);
	rack_registered(rig.m, "minerpool-sv2-blvm-node-001");
	ck_assert_uint_eq(fake_host_published(rig.host, "MiningOSRegistered"), 1);
	ck_assert_ptr_nonnull(
	    strstr(fake_host_event(rig.host, "MiningOSRegistered", 0), "minerpool-sv2"));
}
END_TEST

/* --- things --- */

START_TEST(test_thing)
{
	struct json_object *list, *t;
	char expected[1024], id[16];

	rig_channel(7, 2, "alice.rig1", "10.0.0.7:4028");
	rig_look();
	thing_make_id("pool/1/alice.rig1", id);
	ck_assert_str_eq(rig_thing("alice.rig1"), id);
	list = rig_call("listThings",
			"{\"fields\":{\"id\":1,\"code\":1,\"type\":1,\"tags\":1,\"rack\":1,"
			"\"comments\":1,\"address\":1,\"port\":1,\"last\":1}}");
	snprintf(
	    expected, sizeof(expected),
	    "[{\"id\":\"%s\",\"code\":\"SV2-0001\",\"type\":\"miner-sv2\","
	    "\"tags\":[\"t-miner-sv2\",\"t-miner\",\"sv2\",\"id-%s\",\"code-SV2-0001\"],"
	    "\"rack\":\"blvm-node-001\",\"comments\":[],\"address\":\"10.0.0.7\",\"port\":4028}]",
	    id, id);
	t = rig_parse(expected);
	ck_assert_msg(json_object_equal(list, t), "%s", json_object_to_json_string(list));
	json_object_put(t);
	json_object_put(list);
	rig_expect("getThingsCount", "{}", "1");
	rig_expect("getThingsCount", "{\"query\":{\"tags\":{\"$in\":[\"t-container\"]}}}", "0");
	rig_expect("getThingConf", "{\"requestType\":\"nextAvailableCode\"}", "\"SV2-0002\"");
}
END_TEST

/* Every field of `last`, by its name and unit in MiningOS. */
START_TEST(test_last)
{
	static const char *const numbers[] = {
	    "last.ts",
	    "last.snap.stats.uptime_ms",
	    "last.snap.stats.hashrate_mhs.avg",
	    "last.snap.stats.hashrate_mhs.t_5s",
	    "last.snap.stats.hashrate_mhs.t_5m",
	    "last.snap.stats.hashrate_mhs.t_30m",
	    "last.snap.stats.all_pools_shares.accepted",
	    "last.snap.stats.all_pools_shares.rejected",
	    "last.snap.stats.all_pools_shares.stale",
	};
	static const char *const present[] = {"last.err",
					      "last.alerts",
					      "last.snap.raw_errors",
					      "last.snap.stats.errors",
					      "last.snap.stats.pool_status",
					      "last.snap.config.pool_config",
					      "last.snap.config.power_mode",
					      "last.snap.config.led_status",
					      "last.snap.config.network_config"};
	struct json_object *list, *t;

	rig_channel(7, 2, "alice.rig1", "[::1]:4028");
	rig_look();
	list = rig_call("listThings", "{\"status\":1}");
	t = json_object_array_get_idx(list, 0);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)rig_number(t, numbers[i]);
	for (size_t i = 0; i < sizeof(present) / sizeof(present[0]); i++) {
		const char *dot = strrchr(present[i], '.');
		char parent[64];

		snprintf(parent, sizeof(parent), "%.*s", (int)(dot - present[i]), present[i]);
		ck_assert_msg(json_object_object_get_ex(query_at(t, parent), dot + 1, NULL), "%s",
			      present[i]);
	}
	ck_assert_str_eq(rig_text(t, "last.snap.stats.status"), "not_mining");
	ck_assert_str_eq(rig_text(t, "last.snap.config.power_mode"), "normal");
	ck_assert_str_eq(rig_text(t, "address"), "::1");
	json_object_put(list);
}
END_TEST

static struct json_object *last_of(const char *user)
{
	char query[128];
	struct json_object *list, *last;

	snprintf(query, sizeof(query), "{\"status\":1,\"query\":{\"id\":\"%s\"}}", rig_thing(user));
	list = rig_call("listThings", query);
	ck_assert_uint_eq(json_object_array_length(list), 1);
	last = json_object_get(get_member(json_object_array_get_idx(list, 0), "last"));
	json_object_put(list);
	return last;
}

/* What counters grow by is what a snapshot has, and all of them together are the pool's. */
START_TEST(test_share_deltas)
{
	static const unsigned steps[][3] = {{5, 0, 0}, {5, 0, 0}, {9, 2, 1}, {30, 2, 1}};
	double accepted = 0, rejected = 0, stale = 0;
	struct json_object *last;

	rig_channel(1, 1, "a", "10.0.0.1:1");
	rig_shares(1, 1, 3, 0, 0); /* before we came */
	rig_look();
	for (size_t i = 0; i < 4; i++) {
		rig_shares(1, 1, 3 + steps[i][0], steps[i][1], steps[i][2]);
		rig_look();
		last = last_of("a");
		accepted += rig_number(last, "snap.stats.all_pools_shares.accepted");
		rejected += rig_number(last, "snap.stats.all_pools_shares.rejected");
		stale += rig_number(last, "snap.stats.all_pools_shares.stale");
		ck_assert_double_eq(accepted, steps[i][0]);
		ck_assert_double_eq(rejected, steps[i][1]);
		ck_assert_double_eq(stale, steps[i][2]);
		ck_assert_str_eq(rig_text(last, "snap.stats.status"), "mining");
		json_object_put(last);
	}
}
END_TEST

/* The hash rate is the work of the last five minutes: shares of difficulty D are D * 2^32 hashes.
 */
START_TEST(test_hashrate)
{
	struct chan *chan;
	struct thing *t;
	struct share_counts one = {.accepted = 1};
	uint64_t now = 1700000000000u;

	rig_channel(1, 1, "a", "10.0.0.1:1");
	rig_look();
	chan = chans_find(&rig.m->chans, "pool.1/1/1");
	t = chan->thing;
	window_begin(&t->window, now);
	t->since_ms = now;
	/* An hour with a share of difficulty 1000 each 10 s. */
	for (int i = 0; i < 360; i++)
		chan_shares(chan, &one, 1000 * 4294967296.0, now + (uint64_t)i * 10000, true);
	thing_snap(t, now + 3600000);
	ck_assert_double_eq_tol(t->snap.mhs_5m, 1000 * 4294967296.0 / 10 / 1e6, 429496.7 * 0.05);
	ck_assert_double_eq_tol(t->snap.mhs_30m, 429496.7, 429496.7 * 0.02);
	ck_assert_double_eq_tol(t->snap.mhs_avg, 429496.7, 429496.7 * 0.02);
	ck_assert_int_eq(t->snap.status, THING_MINING);
	/* Half of it from then on, and after five minutes nothing is left of the first. */
	for (int i = 0; i < 40; i++)
		chan_shares(chan, &one, 1000 * 4294967296.0, now + 3600000 + (uint64_t)i * 20000,
			    true);
	thing_snap(t, now + 3600000 + 800000);
	ck_assert_double_eq_tol(t->snap.mhs_5m, 214748.4, 214748.4 * 0.08);
	/* Silence. */
	thing_snap(t, now + 3600000 + 780000 + 299000);
	ck_assert_int_eq(t->snap.status, THING_MINING);
	thing_snap(t, now + 3600000 + 780000 + 700000);
	ck_assert_int_eq(t->snap.status, THING_NOT_MINING);
	ck_assert_double_eq_tol(t->snap.mhs_5m, 0, 0.001);
}
END_TEST

START_TEST(test_statuses)
{
	struct json_object *last, *list;

	rig_channel(1, 1, "a", "10.0.0.1:1");
	rig_look();
	rig_shares(1, 1, 2, 0, 0);
	rig_look();
	last = last_of("a");
	ck_assert_str_eq(rig_text(last, "snap.stats.status"), "mining");
	json_object_put(last);
	rig_shares(1, 1, 3, 40, 3);
	rig_look();
	last = last_of("a");
	ck_assert_str_eq(rig_text(last, "snap.stats.status"), "error");
	list = query_at(last, "snap.stats.errors");
	ck_assert_str_eq(rig_text(json_object_array_get_idx(list, 0), "name"), "shares_refused");
	ck_assert_str_eq(
	    rig_text(json_object_array_get_idx(query_at(last, "alerts"), 0), "severity"), "medium");
	json_object_put(last);
	list = rig_call("getHistoricalLogs", "{\"logType\":\"alerts\"}");
	ck_assert_uint_eq(json_object_array_length(list), 1);
	ck_assert_str_eq(rig_text(json_object_array_get_idx(list, 0), "thing.code"), "SV2-0001");
	json_object_put(list);
	rig_no_channels();
	rig_look();
	last = last_of("a");
	ck_assert_str_eq(rig_text(last, "snap.stats.status"), "offline");
	ck_assert(!json_object_get_boolean(query_at(last, "snap.success")));
	json_object_put(last);
}
END_TEST

/* A role that answers "later" loses no miners, one that is gone loses them. */
START_TEST(test_pool_gone)
{
	struct json_object *last;

	rig_channel(1, 1, "a", "10.0.0.1:1");
	rig_look();
	rig.pool_gone = true;
	rig_look();
	last = last_of("a");
	ck_assert_str_eq(rig_text(last, "snap.stats.status"), "offline");
	json_object_put(last);
	rig.pool_gone = false;
	rig_look();
	last = last_of("a");
	ck_assert_str_eq(rig_text(last, "snap.stats.status"), "not_mining");
	json_object_put(last);
	rig_expect("getThingsCount", "{}", "1");
}
END_TEST

START_TEST(test_same_user)
{
	char first[65], second[65];

	for (unsigned i = 1; i <= 50; i++)
		rig_channel(i, 1, "farm", "10.0.0.1:1");
	rig_look();
	rig_expect("getThingsCount", "{}", "50");
	snprintf(first, sizeof(first), "%s", chans_find(&rig.m->chans, "pool.1/1/1")->thing->id);
	snprintf(second, sizeof(second), "%s", chans_find(&rig.m->chans, "pool.1/2/1")->thing->id);
	ck_assert_str_ne(first, second);
	/* All but the third go; who comes takes the first that is free. */
	json_object_array_del_idx(rig.channels, 3, 47);
	json_object_array_del_idx(rig.channels, 0, 2);
	rig_look();
	rig_channel(60, 1, "farm", "10.0.0.1:1");
	rig_look();
	ck_assert_str_eq(chans_find(&rig.m->chans, "pool.1/60/1")->thing->id, first);
	rig_expect("getThingsCount", "{}", "50");
}
END_TEST

/* Of a role that mines for another pool its miners show that pool, while it is mined for. */
START_TEST(test_upstream)
{
	static const char active[] =
	    "[{\"worker\":\"pool.1\",\"result\":{\"upstreams\":[{\"address\":\"one.example:1\","
	    "\"active\":"
	    "false},{\"address\":\"two.example:2\",\"user_identity\":\"farm\",\"active\":true}]}}]";
	struct json_object *last, *pool;

	rig_channel(1, 1, "a", "10.0.0.1:1");
	rig.status = rig_parse(active);
	rig_look();
	last = last_of("a");
	pool = json_object_array_get_idx(query_at(last, "snap.config.pool_config"), 0);
	ck_assert_str_eq(rig_text(pool, "url"), "stratum2+tcp://two.example:2");
	ck_assert_str_eq(rig_text(pool, "username"), "farm");
	json_object_put(last);
	json_object_put(rig.status);
	rig.status = rig_parse("{\"upstreams\":[]}");
	rig_look();
	last = last_of("a");
	pool = json_object_array_get_idx(query_at(last, "snap.config.pool_config"), 0);
	ck_assert_str_eq(rig_text(pool, "url"), "stratum2+tcp://pool");
	ck_assert_str_eq(rig_text(pool, "username"), "a");
	json_object_put(last);
}
END_TEST

/* A miner whose connection was replaced between two looks is the same thing. */
START_TEST(test_reconnected)
{
	rig_channel(1, 1, "a", "10.0.0.1:1");
	rig_look();
	rig_no_channels();
	rig_channel(2, 1, "a", "10.0.0.1:2");
	rig_look();
	rig_expect("getThingsCount", "{}", "1");
	ck_assert_str_eq(chan_name_of(things_find(&rig.m->things, rig_thing("a"))), "pool.1/2/1");
}
END_TEST

/* Shares that come before the look that finds the miner are not lost. */
START_TEST(test_early_shares)
{
	struct share_counts two = {.accepted = 2, .stale = 1};
	struct chan *chan;
	struct json_object *last;

	chan = chans_open(rig.m, "pool.1/5/1", "pool", "early");
	ck_assert_ptr_null(chan->thing);
	chan_shares(chan, &two, 1e9, mos_now_ms(), true);
	chan_shares(chan, &two, 1e9, mos_now_ms(), true);
	rig_channel(5, 1, "early", "10.0.0.1:2");
	rig_look();
	last = last_of("early");
	ck_assert_double_eq(rig_number(last, "snap.stats.all_pools_shares.accepted"), 4);
	ck_assert_double_eq(rig_number(last, "snap.stats.all_pools_shares.stale"), 2);
	ck_assert_str_eq(rig_text(last, "snap.stats.status"), "mining");
	json_object_put(last);
}
END_TEST

START_TEST(test_restart)
{
	char id[16];

	rig_channel(1, 1, "a", "10.0.0.1:1");
	rig_channel(2, 1, "b", "10.0.0.2:1");
	rig_look();
	snprintf(id, sizeof(id), "%s", rig_thing("b"));
	json_object_put(rig_call("updateThing", "{\"id\":\"none\"}"));
	ck_assert_str_eq(rig_error(), "ERR_THING_NOTFOUND");
	rig_no_channels();
	rig_channel(9, 9, "b", "10.0.0.2:1");
	rig_restart();
	ck_assert_str_eq(rig_thing("b"), id);
	ck_assert_str_eq(things_find(&rig.m->things, id)->code, "SV2-0002");
	rig_expect("getThingsCount", "{}", "2");
	rig_expect("getThingsCount", "{\"query\":{\"last.snap.stats.status\":\"offline\"}}", "1");
	rig_expect("getThingConf", "{\"requestType\":\"nextAvailableCode\"}", "\"SV2-0003\"");
}
END_TEST

static const struct fake_option few_things[] = {{"max_things", "5"}, {NULL, NULL}};

START_TEST(test_limit)
{
	char user[16];

	rig_end();
	rig_begin(few_things);
	for (unsigned i = 0; i < 20; i++) {
		rig_no_channels();
		snprintf(user, sizeof(user), "u%u", i);
		rig_channel(i + 1, 1, user, "10.0.0.1:1");
		rig_look();
	}
	rig_expect("getThingsCount", "{}", "5");
	(void)rig_thing("u19");
	(void)rig_thing("u15");
}
END_TEST

static const struct fake_option no_auto[] = {{"auto_register_miners", "false"}, {NULL, NULL}};

START_TEST(test_registered_by_hand)
{
	rig_end();
	rig_begin(no_auto);
	rig_channel(1, 1, "a", "10.0.0.1:1");
	rig_look();
	rig_expect("getThingsCount", "{}", "0");
	rig_expect("registerThing",
		   "{\"opts\":{\"user\":\"a\"},\"info\":{\"container\":\"c1\",\"pos\":\"1\"}}",
		   "1");
	rig_look();
	rig_expect("getThingsCount", "{\"query\":{\"last.snap.stats.status\":\"not_mining\"}}",
		   "1");
	rig_expect("getThingsCount",
		   "{\"query\":{\"tags\":{\"$all\":[\"container-c1\",\"pos-1\"]}}}", "1");
}
END_TEST

/* --- changing things --- */

START_TEST(test_register)
{
	struct json_object *list;

	rig_expect(
	    "registerThing",
	    "{\"id\":\"x1\",\"code\":\"SV2-0042\",\"opts\":{\"address\":\"10.0.0.9\"},"
	    "\"info\":{\"serialNum\":\"S1\",\"macAddress\":\"00:11:22:33:44:55\","
	    "\"container\":\"c1\",\"pos\":\"1-1\"},\"tags\":[\"mine\"],\"comment\":\"hello\","
	    "\"user\":\"ann\"}",
	    "1");
	rig_expect_error("registerThing", "{\"id\":\"x1\",\"opts\":{}}",
			 "ERR_THING_WITH_ID_ALREADY_EXISTS");
	rig_expect_error("registerThing", "{\"code\":\"SV2-0042\",\"opts\":{}}",
			 "ERR_THING_WITH_CODE_ALREADY_EXISTS");
	rig_expect_error("registerThing", "{\"code\":\"SV2\",\"opts\":{}}",
			 "ERR_THING_CODE_INVALID");
	rig_expect_error("registerThing", "{\"code\":\"SV2-\",\"opts\":{}}",
			 "ERR_THING_CODE_INVALID");
	rig_expect_error("registerThing", "{\"code\":7,\"opts\":{}}", "ERR_THING_CODE_INVALID");
	rig_expect_error("registerThing", "{}", "ERR_THING_VALIDATE_OPTS_INVALID");
	rig_expect_error("registerThing", "{\"opts\":[]}", "ERR_THING_VALIDATE_OPTS_INVALID");
	rig_expect_error("registerThing", "{\"opts\":{},\"info\":{\"serialNum\":\"S1\"}}",
			 "ERR_THING_SERIALNUM_EXISTS");
	rig_expect_error("registerThing", "{\"opts\":{},\"info\":{\"macAddress\":\"0011\"}}",
			 "ERR_THING_MACADDRESS_INVALID");
	rig_expect_error("registerThing",
			 "{\"opts\":{},\"info\":{\"macAddress\":\"01:11:22:33:44:55\"}}",
			 "ERR_THING_MACADDRESS_MULTICAST");
	rig_expect_error("registerThing",
			 "{\"opts\":{},\"info\":{\"macAddress\":\"00:11:22:33:44:55\"}}",
			 "ERR_THING_MACADDRESS_EXISTS");
	rig_expect_error("registerThing",
			 "{\"opts\":{},\"info\":{\"container\":\"c1\",\"pos\":\"1-1\"}}",
			 "ERR_THING_POS_EXISTS");
	rig_expect_error("registerThing", "{\"opts\":{\"address\":\"10.0.0.9\"}}",
			 "ERR_THING_IP_ADDRESS_EXISTS");
	rig_expect("registerThing", "{\"opts\":{},\"info\":{\"container\":\"c2\",\"pos\":\"1-1\"}}",
		   "1");
	list = rig_call("listThings", "{\"query\":{\"tags\":\"mine\"}}");
	ck_assert_uint_eq(json_object_array_length(list), 1);
	ck_assert_str_eq(rig_text(json_object_array_get_idx(list, 0), "code"), "SV2-0042");
	ck_assert_str_eq(rig_text(json_object_array_get_idx(
				      query_at(json_object_array_get_idx(list, 0), "comments"), 0),
				  "comment"),
			 "hello");
	json_object_put(list);
	list = rig_call("getHistoricalLogs", "{\"logType\":\"info\",\"query\":{\"user\":\"ann\"}}");
	ck_assert_uint_eq(json_object_array_length(list), 1);
	json_object_put(list);
}
END_TEST

START_TEST(test_update)
{
	struct json_object *list;

	rig_expect("registerThing",
		   "{\"id\":\"x1\",\"opts\":{\"a\":1},\"info\":{\"site\":\"s\",\"n\":1}}", "1");
	rig_expect("registerThing", "{\"id\":\"x2\",\"code\":\"SV2-0009\",\"opts\":{}}", "1");
	rig_expect("updateThing", "{\"id\":\"x1\",\"info\":{\"n\":2},\"tags\":[\"new\"]}", "1");
	rig_expect("getThingsCount",
		   "{\"query\":{\"info.site\":\"s\",\"info.n\":2,\"tags\":\"new\",\"opts.a\":1}}",
		   "1");
	rig_expect("updateThing", "{\"id\":\"x1\",\"info\":{\"n\":3},\"forceOverwrite\":true}",
		   "1");
	rig_expect("getThingsCount", "{\"query\":{\"info.site\":{\"$exists\":true}}}", "0");
	list = rig_call("listThings", "{\"query\":{\"id\":\"x1\"}}");
	ck_assert(rig_number(json_object_array_get_idx(list, 0), "info.createdAt") > 0);
	json_object_put(list);
	rig_expect_error("updateThing", "{\"id\":\"x1\",\"code\":\"SV2-0009\"}",
			 "ERR_THING_WITH_CODE_ALREADY_EXISTS");
	rig_expect("updateThing", "{\"id\":\"x1\",\"code\":\"SV2-0010\"}", "1");
	rig_expect("getThingsCount", "{\"query\":{\"tags\":\"code-SV2-0010\"}}", "1");
	rig_expect_error("updateThing", "{\"id\":5}", "ERR_THING_NOTFOUND");
}
END_TEST

START_TEST(test_forget)
{
	rig_expect("registerThing", "{\"id\":\"x1\",\"opts\":{}}", "1");
	rig_expect("registerThing", "{\"id\":\"x2\",\"opts\":{}}", "1");
	rig_expect("registerThing", "{\"id\":\"x3\",\"opts\":{}}", "1");
	rig_expect_error("forgetThings", "{}", "ERR_QUERY_INVALID");
	rig_expect_error("forgetThings", "{\"query\":{\"$bad\":1}}", "ERR_QUERY_INVALID");
	rig_expect("getThingsCount", "{}", "3");
	rig_expect("forgetThings", "{\"query\":{\"id\":\"x2\"}}", "1");
	rig_expect("getThingsCount", "{}", "2");
	ck_assert_ptr_null(things_find(&rig.m->things, "x2"));
	ck_assert_ptr_nonnull(things_find(&rig.m->things, "x3"));
	rig_expect("forgetThings", "{\"all\":true}", "1");
	rig_expect("getThingsCount", "{}", "0");
	/* A miner that is there comes back, with the same id. */
	rig_channel(1, 1, "a", "10.0.0.1:1");
	rig_look();
	rig_expect("forgetThings", "{\"all\":true}", "1");
	rig_look();
	rig_expect("getThingsCount", "{}", "1");
	(void)rig_thing("a");
}
END_TEST

START_TEST(test_comments)
{
	struct json_object *list, *comments;
	char params[256];

	rig_expect("registerThing", "{\"id\":\"x1\",\"opts\":{}}", "1");
	rig_expect_error("editThingComment", "{\"thingId\":\"x1\",\"id\":\"q\",\"comment\":\"c\"}",
			 "ERR_THING_COMMENTS_NOTFOUND");
	rig_expect_error("saveThingComment", "{\"thingId\":\"zz\",\"comment\":\"c\"}",
			 "ERR_THING_NOTFOUND");
	rig_expect("saveThingComment",
		   "{\"thingId\":\"x1\",\"comment\":\"c1\",\"user\":\"ann\",\"pos\":\"p\"}", "1");
	list = rig_call("listThings", "{}");
	comments = get_member(json_object_array_get_idx(list, 0), "comments");
	ck_assert_uint_eq(json_object_array_length(comments), 1);
	snprintf(params, sizeof(params),
		 "{\"thingId\":\"x1\",\"id\":\"%s\",\"comment\":\"c2\",\"user\":\"eve\"}",
		 rig_text(json_object_array_get_idx(comments, 0), "id"));
	rig_expect_error("editThingComment", params, "ERR_COMMENT_ACCESS_DENIED");
	rig_expect_error("deleteThingComment", params, "ERR_COMMENT_ACCESS_DENIED");
	snprintf(params, sizeof(params),
		 "{\"thingId\":\"x1\",\"ts\":%.0f,\"comment\":\"c2\",\"user\":\"ann\"}",
		 rig_number(json_object_array_get_idx(comments, 0), "ts"));
	rig_expect("editThingComment", params, "1");
	rig_expect("getThingsCount", "{\"query\":{\"comments.comment\":\"c2\"}}", "1");
	/* What was answered before does not change. */
	ck_assert_str_eq(rig_text(json_object_array_get_idx(comments, 0), "comment"), "c1");
	rig_expect("deleteThingComment", params, "1");
	rig_expect_error("deleteThingComment", params, "ERR_THING_COMMENTS_NOTFOUND");
	json_object_put(list);
}
END_TEST

/* --- lists --- */

START_TEST(test_paging)
{
	struct json_object *list;
	char user[16];

	for (unsigned i = 0; i < 250; i++) {
		snprintf(user, sizeof(user), "m%03u", i);
		rig_channel(i + 1, 1, user, "10.0.0.1:1");
	}
	rig_look();
	list = rig_call("listThings", "{}");
	ck_assert_uint_eq(json_object_array_length(list), 100);
	json_object_put(list);
	list = rig_call("listThings", "{\"offset\":240,\"limit\":100}");
	ck_assert_uint_eq(json_object_array_length(list), 10);
	json_object_put(list);
	list =
	    rig_call("listThings",
		     "{\"sort\":{\"code\":-1},\"offset\":1,\"limit\":2,\"fields\":{\"code\":1}}");
	ck_assert_str_eq(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN),
			 "[{\"code\":\"SV2-0249\"},{\"code\":\"SV2-0248\"}]");
	json_object_put(list);
	list =
	    rig_call("listThings",
		     "{\"query\":{\"opts.user\":{\"$regex\":\"^m24\"}},\"offset\":8,\"limit\":5}");
	ck_assert_uint_eq(json_object_array_length(list), 2);
	json_object_put(list);
	list = rig_call("listThings", "{\"limit\":0}");
	ck_assert_uint_eq(json_object_array_length(list), 0);
	json_object_put(list);
	rig_expect_error("listThings", "{\"query\":{\"a\":{\"$where\":1}}}", "ERR_QUERY_INVALID");
	rig_expect_error("listThings", "{\"query\":[1]}", "ERR_QUERY_INVALID");
	rig_expect_error("listThings", "{\"sort\":{\"a\":5}}", "ERR_SORT_INVALID");
}
END_TEST

/* Whatever is sent, there is an answer. */
START_TEST(test_any_parameters)
{
	static const char *const methods[] = {"listThings",
					      "getThingsCount",
					      "queryThing",
					      "applyThings",
					      "getWriteCalls",
					      "registerThing",
					      "updateThing",
					      "forgetThings",
					      "saveThingComment",
					      "editThingComment",
					      "deleteThingComment",
					      "tailLog",
					      "getHistoricalLogs",
					      "getWrkExtData",
					      "getWrkConf",
					      "getThingConf",
					      "getWrkSettings",
					      "saveWrkSettings",
					      "getReplicaConf",
					      "registerFirmware",
					      "getRack",
					      "ping"};
	static const char *const params[] = {"null",
					     "1",
					     "\"x\"",
					     "true",
					     "[]",
					     "[{}]",
					     "{}",
					     "{\"id\":null}",
					     "{\"id\":[1]}",
					     "{\"id\":{\"a\":1},\"method\":5,\"params\":\"x\"}",
					     "{\"query\":null,\"limit\":-1,\"offset\":1e300}",
					     "{\"limit\":\"x\",\"fields\":[],\"sort\":\"a\"}",
					     "{\"key\":1,\"tag\":{},\"start\":\"z\"}",
					     "{\"logType\":7}",
					     "{\"entries\":[]}",
					     "{\"thingId\":0,\"comment\":[]}",
					     "{\"action\":{},\"query\":1,\"params\":{}}",
					     "{\"opts\":1,\"info\":[],\"tags\":\"x\"}"};

	rig_channel(1, 1, "a", "10.0.0.1:1");
	rig_look();
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		for (size_t k = 0; k < sizeof(params) / sizeof(params[0]); k++)
			json_object_put(rig_call(methods[i], params[k]));
	}
	rig_expect("getThingsCount", "{}", "1");
}
END_TEST

START_TEST(test_many)
{
	struct json_object *list;
	uint64_t best = UINT64_MAX;
	unsigned pages;
	char user[16];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(user, sizeof(user), "m%u", i);
		rig_channel(i + 1, 1, user, "10.0.0.1:1");
	}
	rig_look();
	pages = rig.pages;
	ck_assert_uint_ge(pages, MANY / 500);
	rig_expect("getThingsCount", "{\"query\":{\"tags\":{\"$in\":[\"t-miner\"]}}}", "10000");
	for (int i = 0; i < 3; i++) {
		uint64_t began = clock_monotonic_ms();

		list = rig_call("listThings", "{\"query\":{\"tags\":{\"$in\":[\"t-miner\"]}},"
					      "\"status\":1,\"sort\":{\"code\":-1},"
					      "\"fields\":{\"id\":1,\"code\":1,\"last.snap.stats\":"
					      "1},\"offset\":9000,\"limit\":100}");
		if (clock_monotonic_ms() - began < best)
			best = clock_monotonic_ms() - began;
		ck_assert_uint_eq(json_object_array_length(list), 100);
		ck_assert_str_eq(rig_text(json_object_array_get_idx(list, 0), "code"), "SV2-1000");
		json_object_put(list);
	}
	fprintf(stderr, "a page of %u sorted things: %llu ms\n", MANY, (unsigned long long)best);
}
END_TEST

/* --- logs --- */

START_TEST(test_series)
{
	struct json_object *list, *one;
	uint64_t now = mos_now_ms() / 86400000 * 86400000 + 86400000; /* the next midnight */

	rig_channel(1, 1, "a", "10.0.0.1:1");
	rig_channel(2, 1, "b", "10.0.0.1:1");
	rig_look();
	rig_shares(1, 1, 6, 1, 0);
	rig_look();
	series_tick(rig.m, now);
	series_tick(rig.m, now + 60000);
	rig_shares(1, 1, 10, 1, 1);
	rig_look();
	series_tick(rig.m, now + 300000);
	list = rig_call("tailLog", "{\"key\":\"stat-5m\",\"tag\":\"t-miner\"}");
	ck_assert_uint_eq(json_object_array_length(list), 2);
	one = json_object_array_get_idx(list, 0);
	ck_assert_double_eq(rig_number(one, "ts"), (double)(now + 300000));
	ck_assert_double_eq(rig_number(one, "hashrate_mhs_1m_cnt"), 2);
	ck_assert_double_eq(rig_number(one, "online_or_minor_error_miners_cnt"), 1);
	ck_assert_double_eq(rig_number(one, "not_mining_miners_cnt"), 1);
	(void)rig_number(one, "hashrate_mhs_1m_sum");
	(void)rig_number(one, "hashrate_mhs_5m_avg");
	(void)rig_number(one, "hashrate_mhs_1m_type_group_sum.miner-sv2");
	(void)rig_number(one, "power_w_sum");
	(void)rig_number(one, "uptime_ms_avg");
	json_object_put(list);
	list = rig_call("tailLog", "{\"key\":\"stat-shares-1m\",\"tag\":\"t-miner\",\"limit\":1}");
	ck_assert_double_eq(
	    rig_number(json_object_array_get_idx(list, 0), "pools_accepted_shares_total"), 4);
	ck_assert_double_eq(
	    rig_number(json_object_array_get_idx(list, 0), "pools_stale_shares_total"), 1);
	json_object_put(list);
	list = rig_call(
	    "tailLog",
	    "{\"key\":\"stat-1D\",\"tag\":\"t-miner\",\"fields\":{\"hashrate_mhs_1m_cnt\":1}}");
	ck_assert_uint_eq(json_object_array_length(list), 1);
	ck_assert_double_eq(rig_number(json_object_array_get_idx(list, 0), "hashrate_mhs_1m_cnt"),
			    2);
	json_object_put(list);
	list = rig_call("tailLog", "{\"key\":\"stat-rtd\",\"tag\":\"t-miner\"}");
	ck_assert_uint_eq(json_object_array_length(list), 1);
	json_object_put(list);
}
END_TEST

START_TEST(test_thing_log)
{
	uint64_t now = mos_now_ms() / 300000 * 300000 + 300000;
	struct json_object *list;
	char params[160];

	rig_channel(1, 1, "a", "10.0.0.1:1");
	rig_look();
	for (unsigned i = 0; i < 400; i++) {
		things_find(&rig.m->things, rig_thing("a"))->sampled.accepted = i;
		series_tick(rig.m, now + i * 300000u);
	}
	snprintf(params, sizeof(params), "{\"key\":\"thing-5m\",\"tag\":\"%s\"}", rig_thing("a"));
	list = rig_call("tailLog", params);
	ck_assert_uint_eq(json_object_array_length(list), 100);
	ck_assert_double_eq(rig_number(json_object_array_get_idx(list, 0), "ts"),
			    (double)(now + 399 * 300000u));
	ck_assert_double_eq(
	    rig_number(json_object_array_get_idx(list, 0), "snap.stats.all_pools_shares.accepted"),
	    399);
	json_object_put(list);
	snprintf(params, sizeof(params),
		 "{\"key\":\"thing-5m\",\"tag\":\"%s\",\"start\":%llu,\"end\":%llu}",
		 rig_thing("a"), (unsigned long long)(now + 150 * 300000u),
		 (unsigned long long)(now + 160 * 300000u));
	list = rig_call("tailLog", params);
	ck_assert_uint_eq(json_object_array_length(list), 11);
	json_object_put(list);
	/* The ring holds a day. */
	snprintf(params, sizeof(params), "{\"key\":\"thing-5m\",\"tag\":\"%s\",\"start\":0}",
		 rig_thing("a"));
	list = rig_call("tailLog", params);
	ck_assert_uint_eq(json_object_array_length(list), THING_SAMPLES);
	ck_assert_double_eq(rig_number(json_object_array_get_idx(list, THING_SAMPLES - 1), "ts"),
			    (double)(now + (400 - THING_SAMPLES) * 300000u));
	json_object_put(list);
}
END_TEST

START_TEST(test_log_errors)
{
	rig_expect_error("tailLog", "{}", "ERR_LOG_KEY_NOTFOUND");
	rig_expect_error("tailLog", "{\"key\":\"nonsense\",\"tag\":\"t-miner\"}",
			 "ERR_LOG_KEY_NOTFOUND");
	rig_expect_error("tailLog", "{\"key\":\"stat-5m\"}", "ERR_LOG_TAG_INVALID");
	rig_expect_error("tailLog", "{\"key\":\"stat-5m\",\"tag\":\"t-container\"}",
			 "ERR_LOG_NOTFOUND");
	rig_expect_error("tailLog", "{\"key\":\"thing-5m\",\"tag\":\"nobody\"}",
			 "ERR_LOG_NOTFOUND");
	rig_expect("tailLog", "{\"key\":\"stat-5m\",\"tag\":\"t-miner\"}", "[]");
	rig_expect_error("getHistoricalLogs", "{}", "ERR_INFO_HISTORY_LOG_TYPE_INVALID");
	rig_expect_error("getThingConf", "{\"requestType\":\"x\"}", "ERR_INVALID_REQUEST_TYPE");
	rig_expect_error("saveWrkSettings", "{}", "ERR_ENTRIES_INVALID");
}
END_TEST

START_TEST(test_grouped_log)
{
	struct logs logs = {.count = 0};
	struct log_range range = {
	    .end = UINT64_MAX, .limit = 10, .group_ms = 1800000, .average = true};
	struct json_object *list;

	for (unsigned i = 0; i < 12; i++) {
		struct json_object *o = json_object_new_object(), *inner = json_object_new_object();

		add_double(o, "x", i);
		add_double(inner, "y", 2.0 * i);
		add_object(o, "in", inner);
		logs_add(&logs, "stat-5m", "t", 3600000 + i * 300000u, o);
	}
	list = log_read(logs_find(&logs, "stat-5m", "t"), &range);
	ck_assert_uint_eq(json_object_array_length(list), 2);
	ck_assert_double_eq(rig_number(json_object_array_get_idx(list, 0), "x"), 8.5);
	ck_assert_double_eq(rig_number(json_object_array_get_idx(list, 1), "in.y"), 5);
	json_object_put(list);
	range.average = false;
	list = log_read(logs_find(&logs, "stat-5m", "t"), &range);
	ck_assert_double_eq(rig_number(json_object_array_get_idx(list, 0), "x"), 11);
	json_object_put(list);
	logs_fini(&logs);
}
END_TEST

START_TEST(test_logs_kept)
{
	uint64_t now = mos_now_ms() / 300000 * 300000 + 300000;
	struct json_object *list;

	series_tick(rig.m, now);
	rig_expect("saveWrkSettings", "{\"entries\":{\"a\":1}}", "{\"a\":1}");
	rig_expect("saveWrkSettings", "{\"entries\":{\"b\":{\"c\":2}}}",
		   "{\"a\":1,\"b\":{\"c\":2}}");
	rig_restart();
	list = rig_call("tailLog", "{\"key\":\"stat-5m\",\"tag\":\"t-miner\"}");
	ck_assert_uint_eq(json_object_array_length(list), 1);
	json_object_put(list);
	rig_expect("getWrkSettings", "{}", "{\"a\":1,\"b\":{\"c\":2}}");
}
END_TEST

/* --- figures --- */

static bool has_figures(void *user)
{
	(void)user;
	return rig.m->node_stats.now != NULL && rig.m->template.now != NULL;
}

START_TEST(test_figures)
{
	struct json_object *o;

	ck_assert(fake_host_wait(rig.host, has_figures, NULL, 60000));
	o = rig_call("getWrkExtData", "{\"query\":{\"key\":\"node-stats\"}}");
	json_object_object_del(o, "timestamp");
	ck_assert_str_eq(
	    json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
	    "{\"chain_tip\":\"00ab\",\"height\":7,\"difficulty\":2.5,\"is_synced\":true,"
	    "\"peer_count\":8,\"hash_rate\":1e6,\"bytes_sent\":10,\"bytes_received\":20,"
	    "\"mempool_transaction_count\":3,\"mempool_size_bytes\":600,"
	    "\"mempool_total_fee_sats\":900}");
	json_object_put(o);
	rig_expect(
	    "getWrkExtData", "{\"query\":{\"key\":\"template\"}}",
	    "{\"version\":536870912,\"previousblockhash\":\"00ab\",\"coinbasevalue\":5000001000,"
	    "\"target\":\"7fff\",\"mintime\":1699999999,\"curtime\":1700000000,\"height\":8,"
	    "\"id\":12,\"bits\":545259519,\"transactions\":2}");
	rig_expect_error("getWrkExtData", "{\"query\":{\"key\":\"x\"}}", "ERR_KEY_INVALID");
	ck_assert_uint_ge(fake_host_published(rig.host, "MiningOSStatsUpdated"), 1);
	ck_assert_uint_ge(fake_host_published(rig.host, "MiningOSTemplateUpdated"), 1);
}
END_TEST

#define POOL_RACK "minerpool-sv2-blvm-node-001"

static struct json_object *pool_data(const char *query)
{
	char params[256];

	snprintf(params, sizeof(params), "{\"type\":\"minerpool\",\"query\":%s}", query);
	return rig_call_rack(POOL_RACK, "getWrkExtData", params);
}

START_TEST(test_minerpool)
{
	static const char *const wrong[][2] = {
	    {"5", "ERR_QUERY_INVALID"},
	    {"{}", "ERR_KEY_INVALID"},
	    {"{\"key\":\"x\"}", "ERR_KEY_INVALID"},
	    {"{\"key\":\"stats\",\"start\":\"x\"}", "ERR_START_INVALID"},
	    {"{\"key\":\"stats\",\"end\":[]}", "ERR_END_INVALID"}};
	static const char *const numbers[] = {"timestamp",
					      "balance",
					      "unsettled",
					      "revenue_24h",
					      "estimated_today_income",
					      "hashrate",
					      "hashrate_1h",
					      "hashrate_24h",
					      "hashrate_stale_1h",
					      "hashrate_stale_24h",
					      "worker_count",
					      "active_workers_count"};
	struct json_object *o, *one;

	ck_assert(fake_host_wait(rig.host, has_figures, NULL, 60000));
	rig_channel(1, 1, "a.w1", "10.0.0.1:1");
	rig_look();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		json_object_put(pool_data(wrong[i][0]));
		ck_assert_str_eq(rig_error(), wrong[i][1]);
	}
	o = pool_data("{\"key\":\"stats\"}");
	one = json_object_array_get_idx(get_member(o, "stats"), 0);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)rig_number(one, numbers[i]);
	ck_assert_str_eq(rig_text(one, "poolType"), "sv2");
	ck_assert_double_eq(rig_number(one, "worker_count"), 1);
	json_object_put(o);
	o = rig_parse("{\"block_hash\":\"00ff\",\"height\":8,\"user\":\"a.w1\"}");
	minerpool_found(rig.m, o);
	minerpool_mined(rig.m, o);
	json_object_put(o);
	o = pool_data("{\"key\":\"blocks\"}");
	ck_assert_str_eq(
	    rig_text(json_object_array_get_idx(get_member(o, "blocksData"), 0), "hash"), "00ff");
	json_object_put(o);
	o = pool_data("{\"key\":\"transactions\"}");
	one = json_object_array_get_idx(get_member(json_object_array_get_idx(o, 0), "transactions"),
					0);
	ck_assert_double_eq(rig_number(one, "satoshis_net_earned"), 5000001000.0);
	json_object_put(o);
	o = pool_data("{\"key\":\"transactions\",\"aggrHourly\":true}");
	ck_assert_double_eq(
	    rig_number(json_object_array_get_idx(get_member(o, "hourlyRevenues"), 0), "revenue"),
	    50.00001);
	json_object_put(o);
	o = pool_data("{\"key\":\"workers\",\"name\":\"w1\"}");
	ck_assert_str_eq(rig_text(json_object_array_get_idx(get_member(o, "workers"), 0), "name"),
			 "a.w1");
	json_object_put(o);
	o = pool_data("{\"key\":\"workers-count\"}");
	ck_assert_double_eq(rig_number(json_object_array_get_idx(o, 0), "count"), 1);
	json_object_put(o);
}
END_TEST

START_TEST(test_minerpool_history)
{
	uint64_t now = mos_now_ms() / 1800000 * 1800000 + 1800000;
	struct json_object *o;

	for (unsigned i = 0; i < 6; i++)
		series_tick(rig.m, now + i * 300000u);
	o = pool_data("{\"key\":\"stats-history\"}");
	ck_assert_uint_eq(json_object_array_length(o), 6);
	json_object_put(o);
	o = pool_data("{\"key\":\"stats-history\",\"interval\":\"30m\"}");
	ck_assert_uint_eq(json_object_array_length(o), 1);
	ck_assert_double_eq(rig_number(json_object_array_get_idx(
					   get_member(json_object_array_get_idx(o, 0), "stats"), 0),
				       "worker_count"),
			    0);
	json_object_put(o);
}
END_TEST

/* --- settings --- */

START_TEST(test_settings)
{
	static const struct {
		const char *key;
		const char *value;
		const char *says;
	} wrong[] = {{"rack_id", "a b", "rack_id"},
		     {"rack_type", "container", "miner"},
		     {"minerpool_rack_id", "blvm-node-001", "same"},
		     {"orchestrator_rpc_public_key",
		      "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "hex"}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_int_eq(fake_host_stop(rig.host), ADIT_OK);
		fake_host_set_config(rig.host, wrong[i].key, wrong[i].value);
		ck_assert_int_ne(fake_host_start(rig.host, &adit_plugin), ADIT_OK);
		ck_assert_ptr_nonnull(strstr(fake_host_error(rig.host), wrong[i].says));
		fake_host_set_config(rig.host, wrong[i].key,
				     strcmp(wrong[i].key, "rack_id") == 0     ? "blvm-node-001"
				     : strcmp(wrong[i].key, "rack_type") == 0 ? "miner"
									      : "");
		rig_restart();
	}
}
END_TEST

START_TEST(test_damaged_files)
{
	char path[512];
	FILE *f;

	rig_channel(1, 1, "a", "10.0.0.1:1");
	rig_look();
	snprintf(path, sizeof(path), "%s/things.json", rig.m->info.state_dir);
	ck_assert_int_eq(fake_host_stop(rig.host), ADIT_OK);
	f = fopen(path, "a");
	fputs("nonsense\n{\"id\":5}\n{\"id\":\"q\",\"code\":\"C-1\",\"info\":[]}\n{\"id\":\"q\","
	      "\"code\":\"C-2\"}\n[]\n",
	      f);
	fclose(f);
	ck_assert_int_eq(fake_host_start(rig.host, &adit_plugin), ADIT_OK);
	rig.m = fake_host_instance(rig.host);
	ck_assert(fake_host_logged(rig.host, "4 lines"));
	rig_expect("getThingsCount", "{}", "2");
	rig_expect("getThingsCount", "{\"query\":{\"code\":\"C-1\"}}", "1");
}
END_TEST

static void add_tests(TCase *c)
{
	tcase_add_test(c, test_rack);
	tcase_add_test(c, test_registered);
	tcase_add_test(c, test_thing);
	tcase_add_test(c, test_last);
	tcase_add_test(c, test_share_deltas);
	tcase_add_test(c, test_hashrate);
	tcase_add_test(c, test_statuses);
	tcase_add_test(c, test_pool_gone);
	tcase_add_test(c, test_same_user);
	tcase_add_test(c, test_upstream);
	tcase_add_test(c, test_reconnected);
	tcase_add_test(c, test_early_shares);
	tcase_add_test(c, test_restart);
	tcase_add_test(c, test_limit);
	tcase_add_test(c, test_registered_by_hand);
	tcase_add_test(c, test_register);
	tcase_add_test(c, test_update);
	tcase_add_test(c, test_forget);
	tcase_add_test(c, test_comments);
	tcase_add_test(c, test_paging);
	tcase_add_test(c, test_any_parameters);
	tcase_add_test(c, test_many);
	tcase_add_test(c, test_series);
	tcase_add_test(c, test_thing_log);
	tcase_add_test(c, test_log_errors);
	tcase_add_test(c, test_grouped_log);
	tcase_add_test(c, test_logs_kept);
	tcase_add_test(c, test_figures);
	tcase_add_test(c, test_minerpool);
	tcase_add_test(c, test_minerpool_history);
	tcase_add_test(c, test_settings);
	tcase_add_test(c, test_damaged_files);
}

int main(void)
{
	Suite *s = suite_create("miningos");
	TCase *c = tcase_create("rack");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	add_tests(c);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
