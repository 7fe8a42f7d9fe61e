/* SPDX-License-Identifier: MIT */
/* test_rights.c: what a plugin may do: requested by its manifest, granted to the installation's and
 * to those whose section says so; what is not granted is an answer. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/functional/abi_rig.h"

#define ALL                                                                                        \
	"subscribe_events, publish_events, call_module, register_module_api, read_blockchain, "    \
	"submit_block, send_transactions"
#define GOOD "subscribe_events, publish_events, call_module, register_module_api"
#define GRANT_ALL "grant = " ALL

static const char *const names[] = {"subscribe_events",    "publish_events",  "call_module",
				    "register_module_api", "read_blockchain", "submit_block",
				    "send_transactions"};

/* Puts the plugin there with a manifest that requests CAPABILITIES; FOREIGN: into a folder in which
 * others than root can write (also where the test is not root's). */
static void put_beggar(const char *capabilities, bool foreign)
{
	FILE *f;

	harness.no_grants = true;
	rig_put_plugin("abi-beggar");
	ck_assert_int_eq(unlink(rig_plugin_path("abi-beggar.manifest")), 0);
	f = fopen(rig_plugin_path("abi-beggar.manifest"), "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f,
		"[plugin]\nname = abi-beggar\nversion = 1.0\nentry_point = abi-beggar.so\n"
		"description = d\nauthor = a\ncapabilities = %s\n",
		capabilities);
	ck_assert_int_eq(fclose(f), 0);
	if (foreign)
		ck_assert_int_eq(chmod(rig_plugin_path(""), 0775), 0);
}

struct said {
	const char *instance;
	const char *part;
};

static bool has_said(void *user)
{
	const struct said *said = user;
	struct rig_state s = rig_state(said->instance);
	bool good = strstr(s.text, said->part) != NULL;

	rig_state_free(&s);
	return good;
}

static void wait_said(const char *instance, const char *part)
{
	struct said said = {instance, part};

	harness_wait(RIG_WAIT_MS, has_said, &said, part);
}

/* Fails unless the log of aditd has a line with both. */
static void logged(const char *one, const char *other)
{
	static char line[4096];
	FILE *f = fopen(harness.log, "r");
	bool found = false;

	ck_assert_ptr_nonnull(f);
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = strstr(line, one) != NULL && strstr(line, other) != NULL;
	fclose(f);
	must(found, "no line of the log has both `%s` and `%s`", one, other);
}

/* The list KEY of the role, with ", " between. Static. */
static const char *listed(struct json_object *role, const char *key)
{
	static char text[1024];
	struct json_object *list = json_array_member(role, key);
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < json_count(list); i++)
		used +=
		    (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i > 0 ? ", " : "",
				     json_object_get_string(json_element(list, i)));
	return text;
}

/* Output of aditctl with the rig's socket. Static. */
static const char *aditctl(const char *arguments)
{
	static char text[16384];
	char command[512];
	size_t size;
	FILE *f;

	snprintf(command, sizeof(command), ADITCTL " -s %s %s", harness.socket, arguments);
	f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	size = fread(text, 1, sizeof(text) - 1, f);
	text[size] = '\0';
	pclose(f);
	return text;
}

/* Without a grant it runs, is refused everything, and is told how to get it. */
START_TEST(nothing_granted)
{
	struct json_object *status, *role;
	char place[256];
	char *output;

	put_beggar(ALL, true);
	rig_role("abi-beggar", "%s", "");
	snprintf(place, sizeof(place), "%s/conf.d/abi-beggar.conf:1", harness.directory);
	ck_assert_int_eq(harness_run("--check", &output), 0);
	must(strstr(output, place) != NULL &&
		 strstr(output, "this line: " GRANT_ALL "\n") != NULL &&
		 strstr(output, "plugins can be written by others than root") != NULL,
	     "--check says: %s", output);
	free(output);
	harness_start();
	harness_wait_running();
	wait_said("abi-beggar", "submit=");
	wait_said("abi-beggar",
		  "subscribe=permission-denied publish=permission-denied core=permission-denied "
		  "register=permission-denied call=permission-denied read=permission-denied "
		  "submit=permission-denied send=permission-denied");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char refusal[128];

		snprintf(refusal, sizeof(refusal), "the capability %s is not granted; to grant it",
			 names[i]);
		logged(refusal, GRANT_ALL);
		logged(refusal, place);
	}
	logged("warning: [abi-beggar] is denied", GRANT_ALL);
	status = harness_status();
	role = harness_role(status, "abi-beggar");
	ck_assert_str_eq(json_text(role, "grant", ""), GRANT_ALL);
	ck_assert_str_eq(listed(role, "denied"), ALL);
	ck_assert_ptr_nonnull(strstr(json_text(role, "remedy", ""), place));
	json_object_put(status);
	must(strstr(aditctl("status"), "\n" GRANT_ALL "\n") != NULL, "status: %s",
	     aditctl("status"));
	must(strstr(aditctl("roles"), "\n" GRANT_ALL "\n") != NULL, "roles: %s", aditctl("roles"));
	/* and it is still there */
	rig_wait_state("abi-beggar", "running", 0);
}
END_TEST

/* What is granted works, what is not is refused; a changed grant is taken over by a reload. */
START_TEST(some_granted)
{
	put_beggar(ALL, true);
	rig_role("abi-beggar", "grant = publish_events, read_blockchain\n");
	harness_start();
	harness_wait_running();
	wait_said("abi-beggar", "submit=");
	wait_said("abi-beggar", "subscribe=permission-denied publish=ok core=permission-denied "
				"register=permission-denied call=permission-denied read=ok "
				"submit=permission-denied send=permission-denied");
	rig_role("abi-beggar", "grant = all\n");
	rig_reload();
	wait_said("abi-beggar",
		  "subscribe=ok publish=ok core=permission-denied register=ok "
		  "call=not-found read=ok submit=invalid-argument send=invalid-argument");
	must(strstr(aditctl("status"), " is denied ") == NULL, "status: %s", aditctl("status"));
}
END_TEST

/* What the manifest does not request nobody has, whoever grants it. */
START_TEST(not_requested)
{
	char *output;

	put_beggar("call_module", true);
	rig_role("abi-beggar", "grant = call_module, submit_block\n");
	ck_assert_int_eq(harness_run("--check", &output), 78);
	must(strstr(output, "abi-beggar.conf:2: grant: its manifest ") != NULL &&
		 strstr(output, "does not request submit_block; it requests call_module") != NULL,
	     "--check says: %s", output);
	free(output);
	rig_role("abi-beggar", "grant = call_modul\n");
	ck_assert_int_eq(harness_run("--check", &output), 78);
	must(strstr(output, "abi-beggar.conf:2: grant: `call_modul` is no capability; did you mean "
			    "`call_module`?") != NULL,
	     "--check says: %s", output);
	free(output);
	rig_role("abi-beggar", "grant = all\n");
	harness_start();
	harness_wait_running();
	wait_said("abi-beggar", "submit=");
	wait_said("abi-beggar", "call=not-found read=permission-denied submit=permission-denied "
				"send=permission-denied");
	logged("submit: the capability submit_block is missing in its manifest", "");
}
END_TEST

/* The installation's own folder: root's alone. */
START_TEST(granted_to_the_installation)
{
	if (geteuid() != 0)
		return; /* nothing here can be root's */
	put_beggar(ALL, false);
	rig_role("abi-beggar", "%s", "");
	harness_start();
	harness_wait_running();
	wait_said("abi-beggar", "submit=");
	wait_said("abi-beggar",
		  "subscribe=ok publish=ok core=permission-denied register=ok "
		  "call=not-found read=ok submit=invalid-argument send=invalid-argument");
}
END_TEST

/* A plugin that is not root's gets into another's process only when its own section says so; then
 * the process has the rights of both. */
START_TEST(foreign_in_a_process)
{
	struct json_object *result, *roles;

	put_beggar("submit_block", true);
	rig_put_plugin("abi-good");
	rig_role("abi-good", "grant = all\nprocess = abi-beggar\n");
	rig_role("abi-beggar", "grant = all\n");
	harness_start();
	rig_wait_state("abi-beggar", "failing", 0);
	wait_said("abi-beggar", "would share the process `abi-beggar` with [abi-good] and have its "
				"rights: write `process = abi-beggar` here");
	rig_role("abi-beggar", "grant = all\nprocess = abi-beggar\n");
	rig_reload();
	rig_wait_state("abi-beggar", "running", 0);
	result = harness_request("roles", NULL);
	roles = json_array_member(result, "roles");
	for (size_t i = 0; i < json_count(roles); i++) {
		struct json_object *role = json_element(roles, i);
		const char *name = json_text(role, "name", "");

		if (strncmp(name, "abi-", 4) != 0)
			continue;
		ck_assert_str_eq(listed(role, "process_rights"), GOOD ", submit_block");
		ck_assert_str_eq(listed(role, "rights"),
				 strcmp(name, "abi-good") == 0 ? GOOD : "submit_block");
	}
	json_object_put(result);
	must(strstr(aditctl("roles"), "all of it") != NULL, "roles: %s", aditctl("roles"));
}
END_TEST

/* Puts abi-wrong there, of which two processes may run at a time. */
static void put_wrong_of_many(void)
{
	FILE *f;

	rig_put_plugin("abi-wrong");
	ck_assert_int_eq(unlink(rig_plugin_path("abi-wrong.manifest")), 0);
	f = fopen(rig_plugin_path("abi-wrong.manifest"), "w");
	ck_assert_ptr_nonnull(f);
	fputs("[plugin]\nname = abi-wrong\nversion = 1.0\nentry_point = abi-wrong.so\n"
	      "description = d\nauthor = a\nworkers = many\ncapabilities = " GOOD "\n"
	      "[config_schema]\nhow = string | nothing | - | what goes wrong\n",
	      f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(rig_plugin_path(""), 0775), 0);
	harness.no_grants = true;
}

static bool has_rights(void *user)
{
	struct json_object *result = harness_request("roles", NULL);
	struct json_object *role = harness_role(result, "abi-wrong");
	bool good = strcmp(listed(role, "rights"), user) == 0 &&
		    strcmp(listed(role, "process_rights"), user) == 0;

	json_object_put(result);
	return good;
}

static bool one_failed(void *user)
{
	struct json_object *result = harness_request("roles", NULL);
	struct json_object *workers =
	    json_array_member(harness_role(result, "abi-wrong"), "workers");
	bool good = false;

	(void)user;
	for (size_t i = 0; i < json_count(workers); i++)
		good = good ||
		       strcmp(json_text(json_element(workers, i), "state", ""), "failing") == 0;
	json_object_put(result);
	return good;
}

/* While the new process does not come up the former one serves on, with the rights that it has. */
START_TEST(rights_of_who_serves)
{
	static char all[] = GOOD;
	static char one[] = "subscribe_events, register_module_api";

	put_wrong_of_many();
	rig_role("abi-wrong", "grant = all\n");
	harness_start();
	harness_wait_running();
	ck_assert(has_rights(all));
	rig_role("abi-wrong", "grant = subscribe_events, register_module_api\nhow = fail-init\n");
	rig_reload();
	harness_wait(RIG_WAIT_MS, one_failed, NULL, "the new process has failed");
	ck_assert(has_rights(all));
	rig_role("abi-wrong", "grant = subscribe_events, register_module_api\n");
	rig_reload();
	harness_wait(RIG_WAIT_MS, has_rights, one, "the new process serves");
}
END_TEST

/* A role writes where the overrides are: nothing is granted there. */
START_TEST(no_grant_by_override)
{
	char path[160];
	FILE *f;

	put_beggar(ALL, true);
	rig_role("abi-beggar", "%s", "");
	harness_start();
	harness_wait_running();
	ck_assert_ptr_null(strstr(aditctl("config set abi-beggar grant all 2>&1"), "restarted"));
	must(strstr(aditctl("config set abi-beggar grant all 2>&1"), "can't be overridden") != NULL,
	     "config set: %s", aditctl("config set abi-beggar grant all 2>&1"));
	snprintf(path, sizeof(path), "%s/state/overrides.conf", harness.directory);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs("[abi-beggar]\ngrant = all\n", f);
	ck_assert_int_eq(fclose(f), 0);
	must(strstr(aditctl("reload 2>&1"), "grant: can't be overridden") != NULL, "reload: %s",
	     aditctl("reload 2>&1"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rights");
	TCase *c = tcase_create("rights");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, rig_setup, rig_teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_test(c, nothing_granted);
	tcase_add_test(c, some_granted);
	tcase_add_test(c, not_requested);
	tcase_add_test(c, granted_to_the_installation);
	tcase_add_test(c, foreign_in_a_process);
	tcase_add_test(c, no_grant_by_override);
	tcase_add_test(c, rights_of_who_serves);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
