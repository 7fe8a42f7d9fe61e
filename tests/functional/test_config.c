/* SPDX-License-Identifier: MIT */
/*
 * Configuration: every error with file and line, all of them at once; what is shipped is valid and
 * mentions no key that does not exist.
 */
#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/functional/harness.h"

static char *output;

static void setup(void)
{
	output = NULL;
	harness_setup();
}

static void teardown(void)
{
	free(output);
	harness_teardown();
}

/* The number of the line of adit.conf that contains TEXT. */
static int line_of(const char *text)
{
	FILE *f = fopen(harness.config, "r");
	char line[1024];
	int number = 0, found = 0;

	ck_assert_ptr_nonnull(f);
	while (found == 0 && fgets(line, sizeof(line), f) != NULL) {
		number++;
		if (strstr(line, text) != NULL)
			found = number;
	}
	fclose(f);
	ck_assert_int_gt(found, 0);
	return found;
}

/* The output complains about KEY at the line with TEXT. */
static void complains(const char *text, const char *key)
{
	char expected[256];

	snprintf(expected, sizeof(expected), "%s:%d: %s", harness.config, line_of(text), key);
	ck_assert_msg(strstr(output, expected) != NULL, "'%s' is not in:\n%s", expected, output);
}

START_TEST(good_configuration)
{
	harness_configure_pool("1f00ffff", "");
	harness_configure_miner("one", "standard", 1000);
	ck_assert_msg(harness_run("--check", &output) == 0, "%s", output);
}
END_TEST

START_TEST(all_errors_at_once)
{
	harness_configure_pool("1f00ffff", "shares_per_minute = often\n"
					   "extranonce_size = 99\n"
					   "shares_per_minut = 5\n"
					   "version_rolling = perhaps\n");
	harness_configure("[cpu-miner]\n"
			  "upstream = 127.0.0.1:1\n"
			  "channel = sideways\n"
			  "threads = 0\n"
			  "this is no line\n");
	ck_assert_int_ne(harness_run("--check", &output), 0);
	complains("= often", "shares_per_minute");
	complains("= 99", "extranonce_size");
	complains("shares_per_minut =", "shares_per_minut: unknown key");
	ck_assert_ptr_nonnull(strstr(output, "shares_per_minute"));
	complains("perhaps", "version_rolling");
	complains("sideways", "channel");
	complains("threads = 0", "threads");
	complains("this is no line", "");
}
END_TEST

/* Of the pools that jdc mines for, before it is started. */
START_TEST(wrong_pools)
{
	harness_configure_pool("1f00ffff", "");
	harness_configure("[jdc]\npayout = " HARNESS_ADDRESS "\n"
			  "[jdc/one]\nuser_identity = me\naddress = 127.0.0.1\n"
			  "[jdc/two]\nuser_identity = me\naddress = 127.0.0.1:3\n"
			  "jds_address = 127.0.0.2\n"
			  "[jdc/three]\nuser_identity = me\naddress = 127.0.0.1:5/typo\n"
			  "jds_authority_key = typo\n");
	for (int i = 4; i <= 15; i++)
		harness_configure("[jdc/n%d]\nuser_identity = me\naddress = 127.0.0.1:4\n"
				  "authority_key_file = key\n",
				  i);
	ck_assert_int_ne(harness_run("--check", &output), 0);
	complains("address = 127.0.0.1\n", "address: 127.0.0.1: expected HOST:PORT");
	complains("address = 127.0.0.1:3\n", "address: expected the authority public key");
	complains("jds_address = 127.0.0.2", "jds_address: 127.0.0.2: expected HOST:PORT");
	complains("127.0.0.1:5/typo", "address: authority public key: not Base58Check");
	complains("jds_authority_key = typo", "jds_authority_key: authority public key: not");
	complains("[jdc/n15]", "[jdc/n15]: more than 14 of them");
	ck_assert_ptr_null(strstr(output, "[jdc/n14]: "));
}
END_TEST

START_TEST(missing_key_and_unknown_role)
{
	harness_configure("[host]\nstate_dir = %s/state\nrun_dir = %s\nplugin_dir = %s\n"
			  "[pool]\nprocess = mining\n"
			  "[poool]\nprocess = mining\n"
			  "[sv2-server]\nprocess = mining\nlisten = nowhere\n"
			  "[host]\nlog_level = info\n",
			  harness.directory, harness.directory, ADIT_STAGE_PLUGINS);
	ck_assert_int_ne(harness_run("--check", &output), 0);
	complains("[pool]", "payout");
	complains("[poool]", "");
	complains("nowhere", "listen");
	ck_assert_ptr_nonnull(strstr(output, "[host]"));
}
END_TEST

/* A wrong configuration starts nothing and ends with an error. */
START_TEST(aditd_refuses_to_start)
{
	harness_configure_pool("1f00ffff", "extranonce_size = 99\n");
	ck_assert_int_ne(harness_run(NULL, &output), 0);
	complains("= 99", "extranonce_size");
}
END_TEST

static bool said_what_is_left_out(void *user)
{
	(void)user;
	return harness_log_has("1 of the enabled roles can't be started");
}

/* A role without a plugin keeps nobody else from running, and is not passed over in silence. */
START_TEST(role_without_plugin)
{
	harness_configure_pool("207fffff", "");
	harness_configure("[ghost]\n");
	harness_start();
	harness_wait(HARNESS_WAIT_MS, said_what_is_left_out, NULL,
		     "aditd says what it can't start");
	ck_assert(!harness_log_has("all roles run"));
	ck_assert_int_gt(harness_pid("pool"), 0);
	harness_stop();
}
END_TEST

START_TEST(missing_file)
{
	ck_assert_int_ne(harness_run("--check", &output), 0);
	ck_assert_ptr_nonnull(strstr(output, harness.config));
}
END_TEST

/* --- what is shipped ----------------------------------------------------------------------------
 */

/* Copies FROM to TO with a real address and the plugins of the build tree. With UNCOMMENT, a
 * comment
 * `#key = value` becomes a setting: the schema has to know every key that is mentioned. */
static void copy_uncommented(const char *from, const char *to, bool uncomment)
{
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	char line[1024];

	ck_assert_msg(in != NULL && out != NULL, "%s", from);
	while (fgets(line, sizeof(line), in) != NULL) {
		bool setting = uncomment && line[0] == '#' && islower((unsigned char)line[1]) &&
			       strstr(line, " =") != NULL;
		const char *text = setting ? line + 1 : line;

		if (strncmp(text + (*text == '#'), "payout", 6) == 0)
			fputs("payout = " HARNESS_ADDRESS "\n", out);
		else if (strncmp(text, "network = ", 10) == 0)
			fputs("network = regtest\n", out); /* the address's */
		else if (strncmp(text, "listen = ", 9) == 0 && strstr(text, ":3333") != NULL)
			fprintf(out, "listen = 127.0.0.1:%u\n", harness.port);
		else if (strncmp(text, "plugin_dir", 10) == 0)
			fputs("plugin_dir = " ADIT_STAGE_PLUGINS "\n", out);
		else if (strncmp(text, "rpc_password", 12) == 0)
			fputs("rpc_password = secret\n", out);
		else
			fputs(text, out);
	}
	fclose(in);
	fclose(out);
}

/* Writes plugin_dir into [host] where the file leaves it to the installation. */
static void add_plugin_dir(void)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "cd %s && if grep -q '^.host.$' adit.conf; then sed -i 's|^.host.$|&\\nplugin_dir "
		 "= %s|' "
		 "adit.conf; else printf '[host]\\nplugin_dir = %s\\n' >>adit.conf; fi",
		 harness.directory, ADIT_STAGE_PLUGINS, ADIT_STAGE_PLUGINS);
	ck_assert_int_eq(system(command), 0);
}

static void shipped(bool uncomment)
{
	char directory[128], path[512], to[512];
	struct dirent *entry;
	DIR *d;

	copy_uncommented(ADIT_BUILT_CONF, harness.config, uncomment);
	add_plugin_dir();
	snprintf(directory, sizeof(directory), "%s/conf.d", harness.directory);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	d = opendir(ADIT_SHIPPED_CONF);
	ck_assert_ptr_nonnull(d);
	while ((entry = readdir(d)) != NULL) {
		const char *dot = strrchr(entry->d_name, '.');

		if (dot == NULL || strcmp(dot, ".conf") != 0 ||
		    strcmp(entry->d_name, "adit.conf") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", ADIT_SHIPPED_CONF, entry->d_name);
		snprintf(to, sizeof(to), "%s/%s", directory, entry->d_name);
		copy_uncommented(path, to, uncomment);
	}
	closedir(d);
	ck_assert_msg(harness_run("--check", &output) == 0, "%s", output);
}

START_TEST(shipped_configuration)
{
	shipped(false);
}
END_TEST

START_TEST(shipped_configuration_with_every_key)
{
	shipped(true);
}
END_TEST

START_TEST(shipped_pool_wants_a_payout)
{
	char directory[128], to[512];

	copy_uncommented(ADIT_BUILT_CONF, harness.config, false);
	add_plugin_dir();
	snprintf(directory, sizeof(directory), "%s/conf.d", harness.directory);
	ck_assert_int_eq(mkdir(directory, 0700), 0);
	snprintf(to, sizeof(to), "cp %s/*.conf %s", ADIT_SHIPPED_CONF, directory);
	ck_assert_int_eq(system(to), 0);
	ck_assert_int_ne(harness_run("--check", &output), 0);
	ck_assert_msg(strstr(output, "20-pool.conf:4: payout") != NULL, "%s", output);
}
END_TEST

START_TEST(examples)
{
	static const char *const names[] = {"demo.conf", "solo.conf", "miner.conf",
					    "templates.conf", "jdc-hosted.conf",
					    "jdc-local.conf", "jdc-ipc-hosted.conf",
					    "jdc-ipc-local.conf"};
	char path[512];

	snprintf(path, sizeof(path), "%s/examples/%s", ADIT_SHIPPED_CONF, names[_i]);
	copy_uncommented(path, harness.config, true);
	if (_i != 0) /* demo.conf names it, in a comment */
		add_plugin_dir();
	ck_assert_msg(harness_run("--check", &output) == 0, "%s", output);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *c = tcase_create("config");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_test(c, good_configuration);
	tcase_add_test(c, all_errors_at_once);
	tcase_add_test(c, wrong_pools);
	tcase_add_test(c, missing_key_and_unknown_role);
	tcase_add_test(c, aditd_refuses_to_start);
	tcase_add_test(c, role_without_plugin);
	tcase_add_test(c, missing_file);
	tcase_add_test(c, shipped_configuration);
	tcase_add_test(c, shipped_configuration_with_every_key);
	tcase_add_test(c, shipped_pool_wants_a_payout);
	tcase_add_loop_test(c, examples, 0, 8);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
