/* SPDX-License-Identifier: MIT */
/* The methods by which a pool is looked at and managed, and its events. */
#include "config.h"

#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/util/hex.h"
#include "tests/unit/pool_rig.h"

#define NBITS_OTHER 0x1d00ffffu /* difficulty 1 */

/* --- asking ------------------------------------------------------------------------------------
 */

static struct json_object *call(struct bench *b, const char *method, const char *params)
{
	struct fake_reply *r = fake_host_call(b->host, method, params, NULL, 0);
	struct json_object *o;

	ck_assert_msg(r->error == ADIT_OK, "%s %s: %s", method, params, r->message);
	o = json_tokener_parse(r->json);
	ck_assert_ptr_nonnull(o);
	fake_reply_free(r);
	return o;
}

static void expect_wrong(struct bench *b, const char *method, const char *params, const char *word)
{
	struct fake_reply *r = fake_host_call(b->host, method, params, NULL, 0);

	ck_assert_msg(r->error == ADIT_E_INVALID_ARGUMENT, "%s %s: %d", method, params, r->error);
	ck_assert_msg(strstr(r->message, word) != NULL, "%s %s: \"%s\" has no %s", method, params,
		      r->message, word);
	fake_reply_free(r);
}

static struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *value = NULL;

	ck_assert_msg(json_object_object_get_ex(o, key, &value), "no %s in %s", key,
		      json_object_to_json_string(o));
	return value;
}

static int64_t number(struct json_object *o, const char *key)
{
	return json_object_get_int64(member(o, key));
}

static const char *text(struct json_object *o, const char *key)
{
	const char *value = json_object_get_string(member(o, key));

	return value ? value : "null";
}

static size_t count(struct json_object *o, const char *key)
{
	return json_object_array_length(member(o, key));
}

static struct json_object *item(struct json_object *o, const char *key, size_t i)
{
	ck_assert_uint_lt(i, count(o, key));
	return json_object_array_get_idx(member(o, key), i);
}

/* A pool with a miner that has one share of each fate. */
static struct miner some_shares(struct bench *b, struct fake_conn **c)
{
	struct miner m;

	bench_ready(b, NULL, NBITS_HARD);
	*c = connect_miner(b, 7, 0);
	m = open_miner(b, *c, false);
	solve(&m, m.target, true);
	expect_accepted(&m);
	expect_refused(&m, "duplicate-share");
	m.job += 1000;
	expect_refused(&m, "invalid-job-id");
	m.job -= 1000;
	m.channel = 99;
	expect_refused(&m, "invalid-channel-id");
	m.channel = 2;
	new_tip(b, 0, 2, NBITS_HARD);
	solve(&m, m.target, true);
	expect_refused(&m, "stale-share");
	return m;
}

/* --- looking -----------------------------------------------------------------------------------
 */

START_TEST(pool_stats)
{
	struct bench b;
	struct fake_conn *c;
	struct json_object *o;

	some_shares(&b, &c);
	o = call(&b, "get_pool_stats", "");
	ck_assert_int_eq(number(o, "miner_count"), 1);
	ck_assert_int_eq(number(o, "channel_count"), 1);
	ck_assert_int_eq(number(o, "total_shares"), 5);
	ck_assert_int_eq(number(o, "accepted_shares"), 1);
	ck_assert_int_eq(number(o, "rejected_shares"), 4);
	ck_assert_int_eq(number(o, "stale_shares"), 1);
	ck_assert_int_eq(number(member(o, "rejects"), "duplicate-share"), 1);
	ck_assert_int_eq(number(member(o, "rejects"), "invalid-channel-id"), 1);
	ck_assert_int_eq(number(o, "blocks_found"), 0);
	ck_assert_str_eq(text(o, "journal_error"), "null");
	ck_assert_int_eq(number(o, "height"), 101);
	json_object_put(o);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(connected_miners)
{
	struct bench b;
	struct fake_conn *c;
	struct json_object *o, *m;

	some_shares(&b, &c);
	o = call(&b, "get_connected_miners", "{}");
	ck_assert_int_eq(number(o, "count"), 1);
	m = item(o, "miners", 0);
	ck_assert_str_eq(text(m, "miner"), "pool.1/7");
	ck_assert_str_eq(text(m, "user"), "alice.rig1");
	ck_assert_int_gt((int)strlen(text(m, "endpoint")), 0);
	ck_assert_int_eq(number(m, "channels"), 1);
	ck_assert_int_eq(number(m, "accepted"), 1);
	ck_assert_int_eq(number(m, "rejected"), 3);
	ck_assert_int_eq(number(m, "stale"), 1);
	ck_assert_int_eq(number(member(m, "rejects"), "invalid-channel-id"), 1);
	ck_assert_int_eq(number(member(m, "rejects"), "invalid-job-id"), 1);
	ck_assert_double_gt(json_object_get_double(member(m, "best_difficulty")), 0);
	ck_assert_int_ge(number(m, "last_share_ms"), 0);
	json_object_put(o);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* Pages: each entry once, in order, until there is no next. */
START_TEST(lists_have_pages)
{
	struct bench b;
	struct fake_conn *c[3];
	struct json_object *o;
	char params[128] = "{\"limit\":2}";
	char last[64] = "";
	size_t seen = 0;

	bench_ready(&b, NULL, NBITS_HARD);
	/* Numbers are given when connections come, and set up they are in any order. */
	c[2] = connect_miner(&b, 7, 0);
	c[0] = connect_miner(&b, 5, 0);
	c[1] = connect_miner(&b, 6, 0);
	for (uint32_t i = 0; i < 3; i++) {
		for (uint32_t k = 0; k <= i; k++)
			open_miner(&b, c[i], k % 2);
	}
	for (;;) {
		o = call(&b, "list_channels", params);
		ck_assert_int_eq(number(o, "count"), 6);
		for (size_t i = 0; i < count(o, "channels"); i++) {
			struct json_object *channel = item(o, "channels", i);

			ck_assert_int_gt(strcmp(text(channel, "channel"), last), 0);
			snprintf(last, sizeof last, "%s", text(channel, "channel"));
			ck_assert_int_gt(number(channel, "jobs"), 0);
			seen++;
		}
		if (!member(o, "next"))
			break;
		ck_assert_uint_eq(count(o, "channels"), 2);
		ck_assert_str_eq(text(o, "next"), last);
		snprintf(params, sizeof params, "{\"limit\":2,\"after\":\"%s\"}", last);
		json_object_put(o);
	}
	json_object_put(o);
	ck_assert_uint_eq(seen, 6);
	o = call(&b, "get_connected_miners", "{\"limit\":1,\"after\":\"pool.1/5\"}");
	ck_assert_str_eq(text(item(o, "miners", 0), "miner"), "pool.1/6");
	ck_assert_str_eq(text(o, "next"), "pool.1/6");
	json_object_put(o);
	o = call(&b, "get_connected_miners", "{\"limit\":3,\"after\":\"6\"}");
	ck_assert_uint_eq(count(o, "miners"), 1);
	ck_assert_ptr_null(member(o, "next"));
	json_object_put(o);
	expect_wrong(&b, "list_channels", "{\"limit\":0}", "1..2000");
	expect_wrong(&b, "list_channels", "{\"limit\":2001}", "1..2000");
	expect_wrong(&b, "list_channels", "{\"limit\":\"all\"}", "1..2000");
	expect_wrong(&b, "list_channels", "{\"after\":\"pool.1\"}", "after");
	expect_wrong(&b, "list_channels", "{\"after\":7}", "after");
	expect_wrong(&b, "list_channels", "{\"after\":\"pool.2/7/2\"}", "another worker");
	expect_wrong(&b, "list_channels", "[1]", "object");
	expect_wrong(&b, "list_channels", "{", "object");
	for (int i = 0; i < 3; i++)
		leave(&b, c[i]);
	bench_end(&b);
}
END_TEST

/* Every key that the manifest has, and no other. */
static void check_all_keys(struct json_object *o)
{
	char *manifest = manifest_text();
	const char *at = strstr(manifest, "[config_schema]");
	int keys = 0;

	ck_assert_ptr_nonnull(at);
	while ((at = strchr(at, '\n')) && at[1] != '\0') {
		char key[64];

		if (sscanf(++at, "%63[a-z_] =", key) != 1)
			continue;
		member(o, key);
		keys++;
	}
	ck_assert_int_eq(keys, json_object_object_length(o));
	free(manifest);
}

START_TEST(template_and_config)
{
	static const struct fake_option more[] = {{"shares_per_minute", "12"}, {NULL, NULL}};
	struct bench b;
	struct json_object *o, *t;

	bench_make(&b, more);
	bench_start(&b);
	o = call(&b, "get_template", "{}");
	ck_assert_ptr_null(member(o, "template"));
	json_object_put(o);
	tdp_open(&b, 0);
	new_tip(&b, 0, 0xab, NBITS_HARD);
	o = call(&b, "get_template", "{}");
	t = member(o, "template");
	ck_assert_int_eq(strncmp(text(t, "prev_hash"), "abababab", 8), 0);
	ck_assert_str_eq(text(t, "bits"), "170331db");
	ck_assert_int_eq(number(t, "timestamp"), b.now - 600);
	ck_assert_int_eq(number(t, "height"), 101);
	ck_assert_int_eq(number(t, "merkle_depth"), 2);
	json_object_put(o);
	o = call(&b, "get_pool_config", "{}");
	ck_assert_str_eq(text(o, "payout"), "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080");
	ck_assert_str_eq(text(o, "shares_per_minute"), "12");
	ck_assert_str_eq(text(o, "max_channels"), "1000");
	check_all_keys(o);
	json_object_put(o);
	bench_end(&b);
}
END_TEST

/* --- changing ----------------------------------------------------------------------------------
 */

/* The answer's only channel. */
static void check_set(struct bench *b, const char *params, double difficulty, bool fixed)
{
	struct json_object *o = call(b, "set_difficulty", params);
	struct json_object *channel = item(o, "channels", 0);

	ck_assert_int_eq(number(o, "changed"), 1);
	ck_assert_double_eq_tol(json_object_get_double(member(channel, "difficulty")), difficulty,
				difficulty * 0.02);
	ck_assert(json_object_get_boolean(member(channel, "fixed")) == fixed);
	json_object_put(o);
}

/* Fixed until it is taken back: neither shares nor UpdateChannel change it; the client's own bound
 * is kept. */
START_TEST(difficulty_is_set)
{
	struct bench b;
	struct fake_conn *c;
	struct json_object *o;
	struct adit_sv2_update_channel update = {.nominal_hash_rate = 1e9f,
						 .max_target = any_target};
	struct channel *channel;
	struct miner m;
	uint8_t target[32];

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 7, 0);
	m = open_miner(&b, c, false);
	channel = channel_find(c->user, m.channel);
	fake_conn_skip(c);
	check_set(&b, "{\"channel\":\"pool.1/7/2\",\"difficulty\":0.00000002}", 2e-8, true);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_SET_TARGET), 1);
	ck_assert_uint_eq(fake_conn_count(c, ADIT_SV2_NEW_EXTENDED_MINING_JOB), 1);
	memcpy(target, channel->target, 32);
	ck_assert_double_eq_tol(target_difficulty(target), 2e-8, 2e-10);
	take_job(&m);
	for (int i = 0; i < 40; i++) { /* a flood, which else raises it */
		solve(&m, target, true);
		submit(&m);
	}
	batch_end(&m);
	update.channel_id = m.channel;
	b.server.handlers->update_channel(b.server.context, &c->head, &update);
	ck_assert_mem_eq(channel->target, target, 32);
	update.max_target.b[31] = 0; /* harder than what was set */
	update.max_target.b[30] = 0;
	update.max_target.b[29] = 0;
	b.server.handlers->update_channel(b.server.context, &c->head, &update);
	ck_assert_mem_eq(channel->target, update.max_target.b, 32);
	update.max_target = any_target;
	b.server.handlers->update_channel(b.server.context, &c->head, &update);
	o = call(&b, "list_channels", "{}");
	ck_assert(json_object_get_boolean(member(item(o, "channels", 0), "fixed_difficulty")));
	json_object_put(o);
	/* What the client said last, 1 GH/s at 6 shares a minute. */
	check_set(&b, "{\"channel\":\"7\",\"difficulty\":null}", 1e10 / 0x1p32, false);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(difficulty_refused)
{
	struct bench b;
	struct fake_conn *c;
	struct json_object *o;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 7, 0);
	open_miner(&b, c, false);
	expect_wrong(&b, "set_difficulty", "{}", "pool.1/7/2");
	expect_wrong(&b, "set_difficulty", "{\"channel\":\"alice\",\"difficulty\":1}", "pool.1/7");
	expect_wrong(&b, "set_difficulty", "{\"channel\":\"pool.1/7/2/3\",\"difficulty\":1}",
		     "name");
	expect_wrong(&b, "set_difficulty", "{\"channel\":\"pool.1/4294967296\",\"difficulty\":1}",
		     "name");
	expect_wrong(&b, "set_difficulty", "{\"channel\":\"7/2\"}", "difficulty");
	expect_wrong(&b, "set_difficulty", "{\"channel\":\"7/2\",\"difficulty\":0}", "above 0");
	expect_wrong(&b, "set_difficulty", "{\"channel\":\"7/2\",\"difficulty\":\"1\"}", "above 0");
	expect_wrong(&b, "set_difficulty", "{\"channel\":\"7/2\",\"difficulty\":1e-10}",
		     "min_difficulty");
	expect_wrong(&b, "set_difficulty", "{\"channel\":\"7/2\",\"difficulty\":1e30}",
		     "max_difficulty");
	/* Others' and what isn't there: nothing changed, no error, since every worker is asked. */
	o = call(&b, "set_difficulty", "{\"channel\":\"pool.2/7/2\",\"difficulty\":1}");
	ck_assert_int_eq(number(o, "changed"), 0);
	json_object_put(o);
	o = call(&b, "set_difficulty", "{\"channel\":\"pool.1/7/3\",\"difficulty\":1}");
	ck_assert_int_eq(number(o, "changed"), 0);
	json_object_put(o);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(miners_are_disconnected)
{
	struct bench b;
	struct fake_conn *c;
	struct json_object *o;
	const struct sent *s;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 7, 0);
	open_miner(&b, c, false);
	open_miner(&b, c, true);
	expect_wrong(&b, "disconnect_miner", "{\"miner\":\"bob\"}", "pool.1/7");
	o = call(&b, "disconnect_miner", "{\"miner\":\"pool.2/7\"}");
	ck_assert_int_eq(number(o, "disconnected"), 0);
	json_object_put(o);
	o = call(&b, "disconnect_miner", "{\"miner\":\"pool.1/7/2\",\"reason\":\"maintenance\"}");
	ck_assert_int_eq(number(o, "disconnected"), 1);
	json_object_put(o);
	s = fake_conn_next(c, ADIT_SV2_CLOSE_CHANNEL);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.close_channel.channel_id, 2);
	ck_assert(sent_text_is(&s->body.close_channel.reason_code, "maintenance"));
	ck_assert(!c->closed);
	o = call(&b, "disconnect_miner", "{\"miner\":\"pool.1/7\"}");
	ck_assert_int_eq(number(o, "disconnected"), 1);
	json_object_put(o);
	ck_assert(c->closed);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* --- events ------------------------------------------------------------------------------------
 */

static struct json_object *event(struct bench *b, const char *type, size_t i)
{
	const char *json = fake_host_event(b->host, type, i);

	ck_assert_msg(json != NULL, "no %s", type);
	return json_tokener_parse(json);
}

START_TEST(events)
{
	struct bench b;
	struct fake_conn *c;
	struct json_object *o;
	uint8_t target[32];
	struct miner m;
	char hash[65];

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 7, 0);
	m = open_miner(&b, c, false);
	o = event(&b, "MiningJobCreated", 0);
	ck_assert_int_eq(number(o, "job_id"), m.job);
	ck_assert_int_eq(number(o, "height"), 101);
	ck_assert_int_eq(strncmp(text(o, "prev_hash"), "0101", 4), 0);
	json_object_put(o);
	ck_assert_uint_eq(fake_host_published(b.host, "MiningDifficultyChanged"), 0);
	new_tip(&b, 0, 2, NBITS_HARD);
	ck_assert_uint_eq(fake_host_published(b.host, "MiningDifficultyChanged"), 0);
	new_tip(&b, 0, 3, NBITS_OTHER);
	o = event(&b, "MiningDifficultyChanged", 0);
	ck_assert_double_gt(json_object_get_double(member(o, "old_difficulty")), 8e13);
	ck_assert_double_eq_tol(json_object_get_double(member(o, "new_difficulty")), 1, 1e-6);
	ck_assert_str_eq(text(o, "bits"), "1d00ffff");
	ck_assert_int_eq(number(o, "height"), 101);
	json_object_put(o);
	new_tip(&b, 0, 4, NBITS_EASY);
	ck_assert_uint_eq(fake_host_published(b.host, "MiningDifficultyChanged"), 2);
	m = open_miner(&b, c, false);
	target_from_nbits(NBITS_EASY, target);
	solve(&m, target, true);
	expect_accepted(&m);
	hex_encode_reversed(m.hash, 32, hash);
	o = event(&b, "BlockFound", 0);
	ck_assert_str_eq(text(o, "block_hash"), hash);
	ck_assert_str_eq(text(o, "channel"), "pool.1/7/3");
	ck_assert_str_eq(text(o, "user"), "alice.rig1");
	ck_assert_int_eq(number(o, "job_id"), m.job);
	json_object_put(o);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* Nothing is built that nobody wants. */
START_TEST(unwanted_events)
{
	struct bench b;

	bench_make(&b, NULL);
	fake_host_want_events(b.host, false);
	bench_start(&b);
	tdp_open(&b, 0);
	new_tip(&b, 0, 1, NBITS_HARD);
	new_tip(&b, 0, 2, NBITS_OTHER);
	ck_assert_uint_eq(fake_host_published(b.host, NULL), 0);
	bench_end(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pool-api");
	TCase *c = tcase_create("api");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(c, 60);
	tcase_add_test(c, pool_stats);
	tcase_add_test(c, connected_miners);
	tcase_add_test(c, lists_have_pages);
	tcase_add_test(c, template_and_config);
	tcase_add_test(c, difficulty_is_set);
	tcase_add_test(c, difficulty_refused);
	tcase_add_test(c, miners_are_disconnected);
	tcase_add_test(c, events);
	tcase_add_test(c, unwanted_events);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
