/* SPDX-License-Identifier: MIT */
/*
 * aditd with pool, two CPU miners and miningos, without the bridge and the app-node: miners are
 * things with their hash rate, and actions act on them.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/aditctl/json.h"
#include "tests/functional/harness.h"

#define RATE_A 100000
#define RATE_B 50000

static void begin(void)
{
	harness_configure_pool("1f00ffff", "min_difficulty = 0.0000001\nshares_per_minute = 120\n");
	harness_configure_miner("a", "standard", RATE_A);
	harness_configure_miner("b", "extended", RATE_B);
	harness_configure("\n[miningos]\n"
			  "p2p_enabled = no\n"
			  "http_enabled = no\n"
			  "things_update_interval_seconds = 1\n");
	harness_start();
	harness_wait_running();
}

/* `aditctl --json miningos ARGUMENTS`, which has to succeed; the caller's. */
static struct json_object *miningos(const char *arguments)
{
	char command[256], *output;
	struct json_object *o;
	struct error e;
	int status;

	snprintf(command, sizeof(command), "--json miningos %s", arguments);
	status = harness_aditctl(command, &output);
	must(status == 0, "%s: %d %s", arguments, status, output);
	output[strcspn(output, "\n")] = '\0';
	must(json_parse(output, strlen(output), &o, &e) == ADIT_OK, "%s: %s", arguments, output);
	free(output);
	return o;
}

/* The miner of USER in get_miner_list; the caller's, NULL while there is none. */
static struct json_object *miner(const char *user)
{
	struct json_object *o = miningos("list-miners"), *list = json_array_member(o, "miners");
	struct json_object *found = NULL;

	for (size_t i = 0; i < json_count(list); i++) {
		struct json_object *one = json_element(list, i);

		if (strcmp(json_text(one, "user", ""), user) == 0)
			found = json_object_get(one);
	}
	json_object_put(o);
	return found;
}

struct wanted {
	const char *user;
	const char *status;
	double least, most; /* hashes a second */
	bool device;
};

static bool is_so(void *user)
{
	const struct wanted *w = user;
	struct json_object *o = miner(w->user);
	double rate = json_number(o, "hashrate", -1);
	bool so = o != NULL && strcmp(json_text(o, "status", ""), w->status) == 0 &&
		  rate >= w->least && rate <= w->most &&
		  (!w->device || strncmp(json_text(o, "device", ""), "cpu-miner@", 10) == 0);

	json_object_put(o);
	return so;
}

static void wait_for(struct wanted w, const char *what)
{
	harness_wait(2 * HARNESS_WAIT_MS, is_so, &w, what);
}

/* What comes back is what is done: a factor of two is far outside of chance after a while. */
START_TEST(test_miners_and_actions)
{
	struct json_object *o;
	pid_t before;
	char command[96], *output;

	begin();
	wait_for((struct wanted){"a", "mining", RATE_A * 0.6, RATE_A * 1.6, true},
		 "the first miner has its hash rate");
	wait_for((struct wanted){"b", "mining", RATE_B * 0.6, RATE_B * 1.6, true},
		 "the second miner has its hash rate");
	o = miner("a");
	must(json_integer(o, "accepted", 0) > 0, "no share was accepted");
	json_object_put(o);
	/* Sleep, and on. */
	json_object_put(miningos("trigger-action setPowerMode SV2-0001 mode=sleep"));
	o = miningos("list-miners");
	wait_for(
	    (struct wanted){json_text(json_element(json_array_member(o, "miners"), 0), "user", ""),
			    "sleeping", 0, 1e12, true},
	    "the miner sleeps");
	json_object_put(miningos("trigger-action setPowerMode SV2-0001 mode=normal"));
	wait_for(
	    (struct wanted){json_text(json_element(json_array_member(o, "miners"), 0), "user", ""),
			    "mining", 0, 1e12, true},
	    "the miner mines again");
	json_object_put(o);
	/* A reboot is of the role's process, and the miner stays the thing that it was. */
	o = miner("b");
	before = harness_pid("cpu-miner@b");
	must(before > 0, "no process");
	snprintf(command, sizeof(command), "trigger-action reboot %.40s", json_text(o, "id", "?"));
	json_object_put(miningos(command));
	json_object_put(o);
	while (harness_pid("cpu-miner@b") == before || harness_pid("cpu-miner@b") == 0)
		harness_pause();
	wait_for((struct wanted){"b", "mining", 0, 1e12, true}, "the miner is back");
	o = miningos("status");
	must(json_integer(o, "things", 0) == 2, "%lld things",
	     (long long)json_integer(o, "things", 0));
	json_object_put(o);
	harness_wait_log("reboot on SV2-000");
	/* What can't be is refused in words. */
	must(harness_aditctl("miningos trigger-action setLED SV2-0001 enabled=true", &output) ==
		     1 &&
		 strstr(output, "ERR_SET_LED_UNSUPPORTED") != NULL,
	     "%s", output);
	free(output);
	harness_stop();
}
END_TEST

static bool has_things(void *user)
{
	struct json_object *o = miningos("status");
	bool so = json_integer(o, "things", 0) == *(int *)user;

	json_object_put(o);
	return so;
}

/* Killed, it has its things again. */
START_TEST(test_killed)
{
	struct json_object *before, *after;
	char *output;
	int two = 2;

	begin();
	harness_wait(HARNESS_WAIT_MS, has_things, &two, "both miners are things");
	wait_for((struct wanted){"a", "mining", 0, 1e12, false}, "the first one mines");
	before = miner("a");
	/* Things are written within seconds; a clean restart writes them at once. */
	must(harness_aditctl("restart miningos", &output) == 0, "%s", output);
	free(output);
	harness_wait_running();
	(void)harness_kill("miningos");
	harness_wait_running();
	wait_for((struct wanted){"a", "mining", 0, 1e12, false}, "the first one mines");
	after = miner("a");
	ck_assert_str_eq(json_text(before, "id", "?"), json_text(after, "id", "??"));
	ck_assert_str_eq(json_text(before, "code", "?"), json_text(after, "code", "??"));
	json_object_put(before);
	json_object_put(after);
	harness_stop();
}
END_TEST

static bool is_told(void *user)
{
	char *output;
	bool told;

	/* The role has to know its sources before. */
	(void)harness_aditctl("miningos trigger-action reboot pool", &output);
	told = strstr(output, user) != NULL;
	free(output);
	return told;
}

/* Without the right to it a role has no other one started again, and says which right that is. */
START_TEST(test_right_to_restart)
{
	char folder[96], command[sizeof(ADIT_STAGE_PLUGINS) + 256];
	pid_t pool;

	/* Plugins that are not root's alone have only what they are granted. */
	snprintf(folder, sizeof(folder), "%s/plugins", harness.directory);
	snprintf(command, sizeof(command), "cp -r '%s' '%s' && chmod 0775 '%s'", ADIT_STAGE_PLUGINS,
		 folder, folder);
	ck_assert_int_eq(system(command), 0);
	harness.plugins = folder;
	harness_configure_pool("1f00ffff", "");
	harness.no_grants = true;
	harness_configure("\n[miningos]\n"
			  "grant = subscribe_events, publish_events, call_module, "
			  "register_module_api, read_blockchain, read_share_log\n"
			  "p2p_enabled = no\n"
			  "http_enabled = no\n");
	harness_start();
	harness_wait_running();
	pool = harness_pid("pool");
	harness_wait(HARNESS_WAIT_MS, is_told, "restart_roles", "the refusal names the right");
	ck_assert_int_eq(harness_pid("pool"), pool);
	harness_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("miningos");
	TCase *c = tcase_create("things");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, harness_setup, harness_teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_test(c, test_miners_and_actions);
	tcase_add_test(c, test_killed);
	tcase_add_test(c, test_right_to_restart);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
