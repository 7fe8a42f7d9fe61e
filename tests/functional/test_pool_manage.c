/* SPDX-License-Identifier: MIT */
/*
 * A running pool of two workers with three miners is looked at and managed: by `aditctl pool`, and
 * by a module that calls it `stratum-v2`.
 */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/functional/harness.h"

#define NBITS "1d00ffff" /* no block is found here */
#define POOL_KEYS "shares_per_minute = 600\nmin_difficulty = 0.000000001\nmax_difficulty = 1000\n"
#define MS 60000
#define MINERS 3

static char *output;
static int status;

/* --- aditctl -----------------------------------------------------------------------------------
 */

static void aditctl(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void aditctl(const char *format, ...)
{
	char arguments[512];
	va_list list;

	va_start(list, format);
	vsnprintf(arguments, sizeof(arguments), format, list);
	va_end(list);
	free(output);
	status = harness_aditctl(arguments, &output);
}

static void says(const char *text)
{
	must(strstr(output, text) != NULL, "'%s' is not in:\n%s", text, output);
}

static void ends(int expected)
{
	must(status == expected, "status %d, not %d:\n%s", status, expected, output);
}

/* The output as one document, the caller's. */
static struct json_object *document(void)
{
	struct json_object *o = json_tokener_parse(output);

	must(o != NULL, "this is no JSON:\n%s", output);
	return o;
}

static int64_t sum(struct json_object *answers, const char *key)
{
	int64_t total = 0;

	for (size_t i = 0; i < json_count(answers); i++)
		total +=
		    json_integer(json_object_member(json_element(answers, i), "result"), key, 0);
	return total;
}

/* The lines of `--json pool LIST`: whatever entries MEMBER has, in one array; the caller's. */
static struct json_object *entries(const char *list, const char *member)
{
	struct json_object *all = json_object_new_array();
	char *at = NULL;

	aditctl("--json pool %s", list);
	ends(0);
	for (char *line = strtok_r(output, "\n", &at); line != NULL;
	     line = strtok_r(NULL, "\n", &at)) {
		struct json_object *o = json_tokener_parse(line);
		struct json_object *some =
		    json_array_member(json_object_member(o, "result"), member);

		must(some != NULL, "no %s in %s", member, line);
		for (size_t i = 0; i < json_count(some); i++)
			json_object_array_add(all, json_object_get(json_element(some, i)));
		json_object_put(o);
	}
	return all;
}

/* KEY of the entry of list MEMBER whose user is USER; "" when there is none. */
static const char *find(const char *list, const char *member, const char *user, const char *key)
{
	static char text[128];
	struct json_object *all = entries(list, member);

	text[0] = '\0';
	for (size_t i = 0; i < json_count(all); i++) {
		struct json_object *o = json_element(all, i);

		if (strcmp(json_text(o, "user", ""), user) == 0)
			snprintf(text, sizeof(text), "%s", json_text(o, key, ""));
	}
	json_object_put(all);
	return text;
}

/* --- the pool ----------------------------------------------------------------------------------
 */

static bool all_mine(void *user)
{
	static const char *const names[MINERS] = {"one", "two", "three"};

	(void)user;
	for (size_t i = 0; i < MINERS; i++) {
		struct json_object *all = entries("channels", "channels");
		bool found = false;

		for (size_t k = 0; k < json_count(all); k++) {
			struct json_object *o = json_element(all, k);

			found = found || (strcmp(json_text(o, "user", ""), names[i]) == 0 &&
					  json_integer(o, "accepted", 0) > 0);
		}
		json_object_put(all);
		if (!found)
			return false;
	}
	return true;
}

static void begin(void)
{
	harness.workers = 2;
	harness_configure_pool(NBITS, POOL_KEYS);
	harness_configure_miner("one", "standard", 2000);
	harness_configure_miner("two", "extended", 2000);
	harness_configure_miner("three", "extended", 2000);
	harness_start();
	harness_wait_running();
	harness_wait(MS, all_mine, NULL, "every miner has a share");
}

static void setup(void)
{
	output = NULL;
	harness_setup();
}

static void teardown(void)
{
	free(output);
	output = NULL;
	harness_teardown();
}

START_TEST(looking)
{
	struct json_object *o;

	begin();
	aditctl("pool");
	ends(0);
	says("WORKER");
	says("pool.1");
	says("pool.2");
	says("all");
	aditctl("--json pool stats");
	ends(0);
	o = document();
	ck_assert_uint_eq(json_count(o), 2);
	ck_assert_int_eq(sum(o, "channel_count"), MINERS);
	ck_assert_int_ge(sum(o, "accepted_shares"), MINERS);
	json_object_put(o);
	aditctl("pool miners");
	says("MINER");
	says("three");
	says("127.0.0.1:");
	aditctl("pool channels");
	says("standard");
	says("extended");
	aditctl("pool -n 1 channels");
	ends(0);
	says("there are more channels");
	aditctl("pool --role pool.1 stats");
	ends(0);
	ck_assert_ptr_null(strstr(output, "pool.2"));
	aditctl("pool workers"); /* cpu-miner names none */
	ends(0);
	says("no workers");
	aditctl("pool jobs");
	says("active");
	aditctl("pool template");
	says("prev_hash");
	says("height");
	aditctl("pool config");
	says("shares_per_minute");
	says("600");
	aditctl("--json pool config");
	o = document();
	ck_assert_str_eq(json_text(o, "max_difficulty", ""), "1000");
	json_object_put(o);
}
END_TEST

START_TEST(wrong_use)
{
	static const char *const usage[] = {
	    "pool nothing",
	    "pool stats more",
	    "pool set-difficulty pool.1/1/2",
	    "pool set-difficulty one 5",
	    "pool set-difficulty pool.1/1/2 0",
	    "pool set-difficulty pool.1/1/2 high",
	    "pool disconnect",
	    "pool disconnect one",
	    "pool disconnect pool.1/x",
	    "pool disconnect pool.1/1/2/3",
	    "pool disconnect /1",
	    "pool renew-extranonce one",
	    "pool -n 2 stats",
	};

	begin();
	for (size_t i = 0; i < sizeof(usage) / sizeof(usage[0]); i++) {
		aditctl("%s", usage[i]);
		must(status == 2, "aditctl %s: %d\n%s", usage[i], status, output);
		says("aditctl:");
	}
	aditctl("pool set-difficulty pool.1/99999 1");
	ends(1);
	says("aditctl pool miners");
	aditctl("pool set-difficulty pool.1/1/2 100000");
	ends(1);
	says("max_difficulty of the section [pool], 0.000000001 and 1000");
	aditctl("pool disconnect pool.1/99999");
	ends(1);
	says("there is no pool.1/99999");
	aditctl("pool disconnect pool.7/1");
	ends(1);
	says("aditctl status");
	aditctl("pool --role nobody stats");
	ends(1);
	says("--role");
}
END_TEST

/* It came back: as another connection than the one that FIND named before. */
static bool is_back(void *before)
{
	const char *now = find("miners", "miners", "two", "miner");

	return *now != '\0' && strcmp(now, before) != 0;
}

static bool has_prefix_of_old(void *before)
{
	return strcmp(find("channels", "channels", "one", "extranonce_prefix"), before) == 0;
}

START_TEST(changing)
{
	char name[128], prefix[128];

	begin();
	snprintf(name, sizeof(name), "%s", find("channels", "channels", "one", "channel"));
	aditctl("pool set-difficulty %s 0.0000005", name);
	ends(0);
	says(name);
	says("fixed");
	aditctl("pool channels");
	says("fixed 5e-07");
	aditctl("pool set-difficulty %s auto", name);
	ends(0);
	says("steered");
	snprintf(name, sizeof(name), "%s", find("miners", "miners", "two", "miner"));
	aditctl("pool disconnect %s 'to see it come back'", name);
	ends(0);
	says("is disconnected");
	harness_wait(MS, is_back, name, "the miner has come back");
	must(harness_log_has("to see it come back"), "the reason is not in the log");
	snprintf(prefix, sizeof(prefix), "%s",
		 find("channels", "channels", "one", "extranonce_prefix"));
	aditctl("pool renew-extranonce");
	ends(0);
	says("have another extranonce prefix");
	must(!has_prefix_of_old(prefix), "the prefix is the same");
	harness_wait(MS, all_mine, NULL, "every miner has a share");
}
END_TEST

/* --- limits ------------------------------------------------------------------------------------
 */

/* A counter of the limits, over all workers. */
static int64_t limit(const char *key)
{
	struct json_object *o;
	int64_t n = 0;

	aditctl("--json pool");
	ends(0);
	o = document();
	for (size_t i = 0; i < json_count(o); i++)
		n += json_integer(
		    json_object_member(json_object_member(json_element(o, i), "result"), "limits"),
		    key, 0);
	json_object_put(o);
	return n;
}

static bool was_limited(void *user)
{
	return limit(user) > 0;
}

/* Three want in, two may; who sends more than one share a second has some refused. Those that are
 * in mine on. */
START_TEST(limits_hold)
{
	struct json_object *o;
	int64_t before;

	harness_configure_pool(NBITS, POOL_KEYS
			       "max_total_channels = 2\nopen_rate = 1\nmax_share_rate = 1\n");
	harness_configure_miner("one", "standard", 2000);
	harness_configure_miner("two", "extended", 2000);
	harness_configure_miner("three", "extended", 2000);
	harness_start();
	harness_wait_running();
	harness_wait(MS, was_limited, (char[]){"refused_total_channels"}, "a channel is refused");
	harness_wait(MS, was_limited, (char[]){"refused_share_rate"}, "a share is refused");
	aditctl("pool");
	ends(0);
	says("LIMITS");
	says("refused_total_channels");
	says("share-rate-exceeded");
	o = entries("channels", "channels");
	ck_assert_uint_le(json_count(o), 2);
	json_object_put(o);
	before = harness_wait_number("pool", "shares_accepted", 1, MS);
	harness_wait_number("pool", "shares_accepted", before + 3, MS);
}
END_TEST

/* --- as modules call it ------------------------------------------------------------------------
 */

static void link_plugin(const char *folder, const char *file)
{
	char from[512], to[256];

	snprintf(from, sizeof(from), "%s/%s", folder, file);
	snprintf(to, sizeof(to), "%s/plugins/%s", harness.directory, file);
	ck_assert_int_eq(symlink(from, to), 0);
}

/* A plugin folder with the roles of a pool and the test plugin `echo`, which calls whom it is told
 * to. */
static void configure_with_echo(void)
{
	static const char *const roles[] = {"pool", "sv2-server", "template-provider"};
	char path[256], file[64];

	snprintf(path, sizeof(path), "%s/plugins", harness.directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		snprintf(file, sizeof(file), "%s.so", roles[i]);
		link_plugin(ADIT_STAGE_PLUGINS, file);
		snprintf(file, sizeof(file), "%s.manifest", roles[i]);
		link_plugin(ADIT_STAGE_PLUGINS, file);
	}
	link_plugin(ECHO_BUILT, "echo.so");
	link_plugin(ECHO_SOURCE, "echo.manifest");
	harness.workers = 2;
	harness.plugins = path;
	harness_configure_pool(NBITS, POOL_KEYS);
	harness_configure("\n[echo]\n");
}

static bool asked(void *user)
{
	aditctl("call echo ask '{\"to\":\"%s\"}'", (const char *)user);
	return status == 0;
}

START_TEST(alias)
{
	struct json_object *o;

	configure_with_echo();
	harness_start();
	harness_wait_running();
	harness_wait(MS, asked, (char[]){"stratum-v2 get_pool_stats"}, "the pool has answered");
	o = document();
	ck_assert_uint_eq(json_count(o), 2);
	ck_assert_str_eq(json_text(json_element(o, 0), "worker", ""), "pool.1");
	ck_assert_ptr_nonnull(
	    json_member(json_object_member(json_element(o, 0), "result"), "miner_count"));
	json_object_put(o);
	harness_wait(MS, asked, (char[]){"stratum-v2.2 list_channels"}, "pool.2 has answered");
	o = document();
	ck_assert_int_eq(json_integer(o, "count", -1), 0);
	json_object_put(o);
	aditctl("call stratum-v2 get_pool_config");
	ends(0);
	says("shares_per_minute");
	aditctl("pool --role stratum-v2 stats");
	ends(0);
	says("pool.2");
}
END_TEST

/* --- beside its template provider ---------------------------------------------------------------
 */

/* The log's position of TEXT; fails the test when it is not there. */
static long log_position(const char *text)
{
	FILE *f = fopen(harness.log, "r");
	char line[1024];
	long at = -1;

	ck_assert_ptr_nonnull(f);
	for (long number = 0; at < 0 && fgets(line, sizeof(line), f) != NULL; number++)
		if (strstr(line, text) != NULL)
			at = number;
	fclose(f);
	must(at >= 0, "'%s' is not in the log", text);
	return at;
}

/* It is started before the pool and ends after it: the pool never misses it. */
START_TEST(provider_outlives_pool)
{
	harness_configure_pool(NBITS, POOL_KEYS);
	harness_configure_miner("one", "standard", 1000);
	harness_start();
	harness_wait_running();
	harness_wait_number("pool", "shares_accepted", 1, MS);
	harness_stop();
	ck_assert_int_lt((int)log_position("templates.1: runs"),
			 (int)log_position("mining.1: started"));
	must(!harness_log_has("no template provider is left"), "it was lost at the stop");
}
END_TEST

static bool pool_runs(void *user)
{
	struct json_object *o = harness_status();
	bool runs = strcmp(json_text(harness_role(o, "pool"), "state", ""), "running") == 0;

	(void)user;
	json_object_put(o);
	return runs;
}

/* One that can't be started is not waited for: there may be others. */
START_TEST(provider_fails)
{
	char path[128], text[8192];
	char *at;
	FILE *f;
	size_t n;

	harness_configure_pool(NBITS, POOL_KEYS);
	f = fopen(harness.config, "r");
	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	/* Its key is a directory. */
	snprintf(path, sizeof(path), "%s/key", harness.directory);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	at = strstr(text, "tdp.sock\n");
	ck_assert_ptr_nonnull(at);
	at += strlen("tdp.sock");
	f = fopen(harness.config, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "%.*s, 127.0.0.1:0\nauthority_key = %s%s", (int)(at - text), text, path, at);
	ck_assert_int_eq(fclose(f), 0);
	harness_start();
	harness_wait(MS, pool_runs, NULL, "the pool runs");
	log_position("error templates.1");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool-manage");
	TCase *c = tcase_create("pool-manage");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_test(c, looking);
	tcase_add_test(c, wrong_use);
	tcase_add_test(c, changing);
	tcase_add_test(c, limits_hold);
	tcase_add_test(c, alias);
	tcase_add_test(c, provider_outlives_pool);
	tcase_add_test(c, provider_fails);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
