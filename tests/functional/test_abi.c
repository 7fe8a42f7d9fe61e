/* SPDX-License-Identifier: MIT */
/*
 * The plugin interface, kept and broken, in a real aditd: plugins that must not be loaded, that
 * fail to start, that crash in each of their callbacks, that do not stop; what is revoked at a
 * stop; what plugins export. Whatever one does, the others do not notice.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <adit/plugin.h>

#include "lib/util/clock.h"
#include "tests/functional/abi_rig.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define OWN_VERSION TEXT(ADIT_ABI_MAJOR) "." TEXT(ADIT_ABI_MINOR)

/* --- the others ---------------------------------------------------------------------------------
 */

static pid_t good_pid, node_pid;

static void setup(void)
{
	rig_setup();
	rig_put_plugin("abi-good");
	rig_put_plugin("abi-wrong");
	rig_put_plugin("abi-count");
	rig_role("abi-good", "%s", "");
}

static bool good_answers(void)
{
	struct json_object *params = json_object_new_object(), *result;
	bool good;

	json_object_object_add(params, "target", json_object_new_string("abi-good.1"));
	json_object_object_add(params, "method", json_object_new_string("status"));
	result = harness_request("call", params);
	good = json_truth(result, "good", false);
	json_object_put(result);
	json_object_put(params);
	return good;
}

static void start_with_others(void)
{
	harness_start();
	rig_wait_state("abi-good", "running", 0);
	good_pid = harness_pid("abi-good");
	node_pid = harness_pid("node");
	must(good_pid > 0 && node_pid > 0, "abi-good or node has no process");
}

/* The rest of the system is as it was. */
static void others_live(void)
{
	must(harness_pid("abi-good") == good_pid, "abi-good has another process");
	must(harness_pid("node") == node_pid, "node has another process");
	must(good_answers(), "abi-good does not answer");
}

/* --- plugins that are not loaded ----------------------------------------------------------------
 */

/* What is said beside the file's name: the matter, and the remedy. */
static const struct refusal {
	const char *name;
	const char *matter;
	const char *remedy;
} refusals[] = {
    {"abi-magic", "is no plugin descriptor", "build it with <adit/plugin.h>"},
    {"abi-major", "plugin interface 2." TEXT(ADIT_ABI_MINOR) ", this aditd has " OWN_VERSION,
     "install a newer aditd"},
    {"abi-ancient", "plugin interface 0." TEXT(ADIT_ABI_MINOR) ", this aditd has " OWN_VERSION,
     "build the plugin against this aditd's <adit/plugin.h>"},
    {"abi-minor", ", this aditd has " OWN_VERSION, "install a newer aditd"},
    {"abi-short", "its descriptor of 32 bytes is shorter than", "build it again"},
    {"abi-beyond", "says that it has 4096 bytes", "sizeof(struct adit_plugin_descriptor)"},
    {"abi-nameless", "calls itself ``", "its manifest says `abi-nameless`"},
    {"abi-name", "calls itself `another`", "its manifest says `abi-name`"},
    {"abi-stopless", "init, start, stop or fini is missing", "descriptor"},
    {"abi-symbol", "exports no `adit_plugin`", "is it a plugin of adit?"},
    {"abi-number", "is no plugin descriptor", "build it with <adit/plugin.h>"},
    {"abi-undefined", "can't load", "abi_nowhere"},
    {"abi-missing", "No such file", "abi-missing.so"},
    {"abi-text", "can't load", "invalid ELF header"},
    {"abi-writable", "others than root and the user of aditd can write it", "chmod 755"},
};
#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

/* A plugin NAME with the manifest of abi-good and no shared object. */
static void put_manifest(const char *name)
{
	char file[64], line[512];
	FILE *from = fopen(ABI_PLUGINS "/abi-good.manifest", "r"), *to;

	snprintf(file, sizeof(file), "%s.manifest", name);
	to = fopen(rig_plugin_path(file), "w");
	ck_assert(from != NULL && to != NULL);
	while (fgets(line, sizeof(line), from) != NULL) {
		if (strncmp(line, "name =", 6) == 0)
			fprintf(to, "name = %s\n", name);
		else if (strncmp(line, "entry_point =", 13) == 0)
			fprintf(to, "entry_point = %s.so\n", name);
		else
			fputs(line, to);
	}
	fclose(from);
	ck_assert_int_eq(fclose(to), 0);
}

/* The shared object of the plugin NAME: a text. */
static void put_text(const char *name, mode_t mode)
{
	static const char text[] = "this is a text and nothing that can be loaded, however long "
				   "one looks at it, from front or back\n";
	char file[64];
	int fd;

	snprintf(file, sizeof(file), "%s.so", name);
	fd = open(rig_plugin_path(file), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

START_TEST(refused_plugins)
{
	for (size_t i = 0; i < REFUSALS; i++) {
		if (i < REFUSALS - 3)
			rig_put_plugin(refusals[i].name);
		else
			put_manifest(refusals[i].name);
		rig_role(refusals[i].name, "%s", "");
	}
	put_text("abi-text", 0755);
	put_text("abi-writable", 0777);
	start_with_others();
	for (size_t i = 0; i < REFUSALS; i++) {
		const struct refusal *r = &refusals[i];

		rig_wait_state(r->name, "failing", 0);
		rig_says(r->name, "could not be started: ");
		rig_says(r->name, r->matter);
		rig_says(r->name, r->remedy);
		rig_says(r->name, rig_plugin_path(r->name));
	}
	others_live();
}
END_TEST

/* One of an older interface, and one with more in its descriptor than this host knows. */
START_TEST(accepted_plugins)
{
	struct json_object *status;

	rig_put_plugin("abi-old");
	rig_put_plugin("abi-longer");
	rig_role("abi-old", "%s", "");
	rig_role("abi-longer", "%s", "");
	start_with_others();
	rig_wait_state("abi-old", "running", 0);
	rig_wait_state("abi-longer", "running", 0);
	status = harness_status();
	must(json_truth(harness_said(status, "abi-longer"), "good", false),
	     "abi-longer does not answer");
	json_object_put(status);
	for (int i = 0; i < 500; i++) { /* until it has seen an event and a timer */
		status = harness_status();
		if (json_truth(harness_said(status, "abi-old"), "good", false))
			break;
		json_object_put(status);
		harness_pause();
	}
	must(json_truth(harness_said(status, "abi-old"), "good", false),
	     "abi-old: event, timer or call did not come");
	must(strcmp(json_text(harness_role(status, "abi-old"), "text", ""), "has seen an event") ==
		 0,
	     "abi-old: its state line did not arrive");
	json_object_put(status);
	others_live();
}
END_TEST

/* --- plugins that do not start ------------------------------------------------------------------
 */

static const struct {
	const char *how;
	const char *class;
	const char *text;
} failures[] = {
    {"fail-init", "could not be started", "init: the thing it needs is not there; put it there"},
    {"silent-init", "could not be started", "init: not-found"},
    {"config-init", "refused its configuration", "init: how: can't be `config-init`"},
    {"fail-start", "could not be started", "start: the other side does not answer"},
};

START_TEST(failing_starts)
{
	char name[64];

	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		snprintf(name, sizeof(name), "abi-wrong@%s", failures[i].how);
		rig_role(name, "how = %s\n", failures[i].how);
	}
	start_with_others();
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		snprintf(name, sizeof(name), "abi-wrong@%s", failures[i].how);
		rig_wait_state(name, "failing", 0);
		rig_says(name, failures[i].class);
		rig_says(name, failures[i].text);
	}
	others_live();
}
END_TEST

/* --- plugins that crash -------------------------------------------------------------------------
 */

static const char *const callbacks[] = {"init",   "start", "event", "reply",
					"method", "timer", "io",    "destroy"};
#define CALLBACKS (sizeof(callbacks) / sizeof(callbacks[0]))

#ifndef RIG_SANITIZED
/* The line with the reason, which the dying process writes. */
static void leaves_trace(const char *callback)
{
	char line[128];

	snprintf(line, sizeof(line), "fatal abi-wrong.%s.1: SIGSEGV at address 0x0", callback);
	harness_wait_log(line);
}
#endif

/* The process dies, is back by itself, and does not do it again. */
START_TEST(crash_in_each_callback)
{
	char name[64];

	for (size_t i = 0; i < CALLBACKS; i++) {
		snprintf(name, sizeof(name), "abi-wrong@%s", callbacks[i]);
		rig_role(name, "how = crash-%s\n", callbacks[i]);
	}
	rig_role("abi-wrong@fail", "how = fail\n");
	start_with_others();
	for (size_t i = 0; i < CALLBACKS; i++) {
		struct rig_state s;

		snprintf(name, sizeof(name), "abi-wrong@%s", callbacks[i]);
		rig_wait_state(name, "running", 1);
		s = rig_state(name);
		must(strcmp(s.last_exit, "killed by signal 11 (SIGSEGV)") == 0, "%s: %s", name,
		     s.last_exit);
		rig_state_free(&s);
#ifndef RIG_SANITIZED /* then there is no handler of ours */
		leaves_trace(callbacks[i]);
#endif
	}
	rig_wait_state("abi-wrong@fail", "running", 1);
	harness_wait_log("gave up: the thing it works on has gone; bring it back");
	others_live();
}
END_TEST

START_TEST(crash_in_reload)
{
	struct rig_state s;

	rig_role("abi-wrong", "how = crash-reload\nword = one\n");
	start_with_others();
	rig_wait_state("abi-wrong", "running", 0);
	rig_role("abi-wrong", "how = crash-reload\nword = two\n");
	rig_reload();
	rig_wait_state("abi-wrong", "running", 1);
	s = rig_state("abi-wrong");
	must(strcmp(s.last_exit, "killed by signal 11 (SIGSEGV)") == 0, "%s", s.last_exit);
	rig_state_free(&s);
	others_live();
}
END_TEST

/* --- plugins that do not stop as they should ----------------------------------------------------
 */

static const struct {
	const char *how;
	const char *said; /* in the log, after the process's name */
} bad_stops[] = {
    {"crash-drain", "killed by signal 11 (SIGSEGV) while stopping"},
    {"never-drained", "did not stop within 5 s: it is killed"},
    {"crash-stop", "killed by signal 11 (SIGSEGV) while stopping"},
    {"crash-fini", "killed by signal 11 (SIGSEGV) while stopping"},
    {"never-stopped", "did not stop within 5 s: it is killed"},
    {"hang-stop", "did not stop within 5 s: it is killed"},
};
#define BAD_STOPS (sizeof(bad_stops) / sizeof(bad_stops[0]))

static void configure_bad_stops(const char *enabled)
{
	for (size_t i = 0; i < BAD_STOPS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "abi-wrong@%s", bad_stops[i].how);
		rig_role(name, "how = %s\nenabled = %s\n", bad_stops[i].how, enabled);
	}
}

static bool has_no_process(void *pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", (int)*(const pid_t *)pid);
	return access(path, F_OK) != 0;
}

START_TEST(bad_stop_of_a_role)
{
	pid_t pids[BAD_STOPS];
	uint64_t start, took;
	char name[64], line[128];

	configure_bad_stops("true");
	start_with_others();
	for (size_t i = 0; i < BAD_STOPS; i++) {
		snprintf(name, sizeof(name), "abi-wrong@%s", bad_stops[i].how);
		rig_wait_state(name, "running", 0);
		pids[i] = harness_pid(name);
	}
	configure_bad_stops("false");
	start = clock_monotonic_ms();
	rig_reload();
	others_live(); /* while three of them hang */
	for (size_t i = 0; i < BAD_STOPS; i++) {
		harness_wait(RIG_WAIT_MS, has_no_process, &pids[i], "the process has ended");
		snprintf(line, sizeof(line), "abi-wrong.%s.1: %s", bad_stops[i].how,
			 bad_stops[i].said);
		harness_wait_log(line);
		snprintf(name, sizeof(name), "abi-wrong@%s", bad_stops[i].how);
		rig_wait_state(name, "disabled", 0);
	}
	took = clock_monotonic_ms() - start;
	must(took >= 4900, "the stop took %llu ms", (unsigned long long)took);
	others_live();
}
END_TEST

/* The same when all of aditd stops: it ends in good order, status 0, and nobody is left. */
START_TEST(bad_stop_of_all)
{
	configure_bad_stops("true");
	start_with_others();
	harness_wait_running();
	harness_stop();
	for (size_t i = 0; i < BAD_STOPS; i++)
		harness_wait_log(bad_stops[i].said);
}
END_TEST

/* --- what a stop revokes ------------------------------------------------------------------------
 */

static long report_number(const char *text, const char *name)
{
	char line[64];
	const char *at;

	snprintf(line, sizeof(line), "\n%s=", name);
	at = strstr(text, line);
	must(at != NULL, "%s is not in the report:%s", name, text);
	return strtol(at + strlen(line), NULL, 10);
}

static bool has_report(void *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size > 0;
}

/* The books of abi-count: no call after the end, each destructor once, nothing left in the loop. */
static void check_report(const char *instance)
{
	static const char *const zeros[] = {"late", "unended", "twice", "events_left"};
	static const char *const kinds[] = {"event", "reply", "method", "timer", "io"};
	char path[256], text[1024] = "\n";
	FILE *f;

	snprintf(path, sizeof(path), "%s/state/%s/report", harness.directory, instance);
	harness_wait(RIG_WAIT_MS, has_report, path, "the plugin has written its report");
	f = fopen(path, "r");
	must(f != NULL && fread(text + 1, 1, sizeof(text) - 2, f) > 0, "no report of %s", instance);
	fclose(f);
	for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++)
		must(report_number(text, zeros[i]) == 0, "%s: %s is not 0:%s", instance, zeros[i],
		     text);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		must(report_number(text, kinds[i]) > 0, "%s: no %s at all:%s", instance, kinds[i],
		     text);
}

/* Sends a call that the role leaves open; the answer comes when the role ends. */
static uint64_t call_hold(const char *target)
{
	struct json_object *params = json_object_new_object();
	struct error e;
	uint64_t id = 0;

	json_object_object_add(params, "target", json_object_new_string(target));
	json_object_object_add(params, "method", json_object_new_string("hold"));
	must(control_send(&harness.control, "call", params, &id, &e) == ADIT_OK, "%s", e.text);
	json_object_put(params);
	return id;
}

static void await_unavailable(uint64_t id)
{
	struct json_object *message = NULL, *result = NULL;
	int32_t code = ADIT_OK;
	struct error e;

	do {
		json_object_put(message);
		must(control_receive(&harness.control, (int)harness_limit(RIG_WAIT_MS), &message,
				     &e) == ADIT_OK,
		     "%s", e.text);
	} while (!control_answer(message, id, &result, &code, &e));
	json_object_put(message);
	must(code == ADIT_E_UNAVAILABLE, "the open call was answered with %s: %s",
	     adit_error_name(code), e.text);
}

static bool counts(void *role)
{
	return harness_number(role, "reply") > 20 && harness_number(role, "io") > 5;
}

START_TEST(stop_revokes)
{
	static char now[] = "abi-count@now", later[] = "abi-count@later";

	rig_role(now, "stop = now\n");
	rig_role(later, "stop = later\n");
	start_with_others();
	harness_wait(RIG_WAIT_MS, counts, now, "much has happened in abi-count@now");
	harness_wait(RIG_WAIT_MS, counts, later, "much has happened in abi-count@later");
	rig_role(now, "stop = now\nenabled = false\n");
	rig_role(later, "stop = later\nenabled = false\n");
	rig_reload();
	check_report(now);
	check_report(later);
	others_live();
}
END_TEST

/* The caller of an open call gets its answer when the role stops. */
START_TEST(stop_answers_open_calls)
{
	uint64_t id, reload;
	struct error e;

	rig_role("abi-count", "stop = now\n");
	start_with_others();
	harness_wait(RIG_WAIT_MS, counts, (char[]){"abi-count"}, "much has happened in abi-count");
	id = call_hold("abi-count.1");
	rig_role("abi-count", "enabled = false\n");
	must(control_send(&harness.control, "reload", NULL, &reload, &e) == ADIT_OK, "%s", e.text);
	await_unavailable(id);
	others_live();
}
END_TEST

/* --- what plugins export ------------------------------------------------------------------------
 */

/* Each shipped plugin exports `adit_plugin` and nothing else. */
START_TEST(one_symbol)
{
	FILE *f = popen("cd " ADIT_STAGE_PLUGINS " && for p in *.so; do echo $p $(nm -D "
			"--defined-only $p | sed 's/.* //'); done",
			"r");
	char line[4096];
	int plugins = 0;

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		char *at = strchr(line, ' ');

		ck_assert_msg(at != NULL && strcmp(at, " adit_plugin\n") == 0, "exports: %s", line);
		plugins++;
	}
	ck_assert_int_eq(pclose(f), 0);
	ck_assert_int_ge(plugins, 4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plugin interface");
	TCase *c = tcase_create("plugin interface");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, setup, rig_teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_test(c, refused_plugins);
	tcase_add_test(c, accepted_plugins);
	tcase_add_test(c, failing_starts);
	tcase_add_test(c, crash_in_each_callback);
	tcase_add_test(c, crash_in_reload);
	tcase_add_test(c, bad_stop_of_a_role);
	tcase_add_test(c, bad_stop_of_all);
	tcase_add_test(c, stop_revokes);
	tcase_add_test(c, stop_answers_open_calls);
	tcase_add_test(c, one_symbol);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
