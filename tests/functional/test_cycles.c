/* SPDX-License-Identifier: MIT */
/*
 * A role enabled and disabled 1,000 times in a running aditd, by writing its file in conf.d anew
 * and reloading: descriptors, children and memory of the host are where they were. (Role processes
 * are new each time; what one of them leaves behind, tests/unit/test_role_cycles.c looks at.)
 *
 * $ADIT_TEST_CYCLES is another number of times.
 */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "tests/functional/abi_rig.h"

#ifdef RIG_SANITIZED /* each start of a process takes many times as long */
#define CYCLES 100
#define GROWTH_KIB SIZE_MAX /* freed memory is kept for a while; leaks are reported at the end */
#else
#define CYCLES 1000
#define GROWTH_KIB 128
#endif
#define WARM_UP 50

static size_t descriptors(void)
{
	char path[64];
	DIR *dir;
	size_t count = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)harness.pid);
	dir = opendir(path);
	must(dir != NULL, "no %s", path);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static size_t resident_kib(void)
{
	unsigned long total, resident;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)harness.pid);
	f = fopen(path, "r");
	must(f != NULL && fscanf(f, "%lu %lu", &total, &resident) == 2, "no %s", path);
	fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

static size_t children(void)
{
	char path[64], text[4096] = "";
	size_t count = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)harness.pid,
		 (int)harness.pid);
	f = fopen(path, "r");
	if (f == NULL) /* the kernel was built without it */
		return 0;
	if (fgets(text, sizeof(text), f) == NULL)
		text[0] = '\0';
	fclose(f);
	for (const char *at = text; *at != '\0'; at++)
		count += *at == ' ' ? 1 : 0;
	return count;
}

/* Subscribes this connection to starts and stops. */
static void follow(void)
{
	struct json_object *params = json_object_new_object(), *types = json_object_new_array();

	json_object_array_add(types, json_object_new_string("ModuleStarted"));
	json_object_array_add(types, json_object_new_string("ModuleStopped"));
	json_object_object_add(params, "types", types);
	json_object_put(harness_request("events", params));
	json_object_put(params);
}

/* Writes the role's file, reloads, and waits until the event TYPE of the role has come. */
static void switch_role(const char *enabled, const char *type)
{
	bool seen = false;
	struct error e;

	rig_role("abi-good", "enabled = %s\n", enabled);
	must(control_send(&harness.control, "reload", NULL, NULL, &e) == ADIT_OK, "%s", e.text);
	while (!seen) {
		struct json_object *message = NULL, *params;

		must(control_receive(&harness.control, (int)harness_limit(RIG_WAIT_MS), &message,
				     &e) == ADIT_OK,
		     "waiting for %s: %s", type, e.text);
		params = json_object_member(message, "params");
		seen = strcmp(json_text(params, "type", ""), type) == 0 &&
		       strcmp(json_text(json_object_member(params, "data"), "module_name", ""),
			      "abi-good") == 0;
		json_object_put(message);
	}
}

static unsigned long wanted_cycles(void)
{
	const char *text = getenv("ADIT_TEST_CYCLES");
	unsigned long cycles = text != NULL ? strtoul(text, NULL, 10) : CYCLES;

	return cycles > WARM_UP ? cycles : WARM_UP + 1;
}

START_TEST(on_and_off)
{
	unsigned long cycles = wanted_cycles();
	size_t files = 0, kib = 0, processes = 0;
	uint64_t start = clock_monotonic_ms();
	pid_t node;

	rig_put_plugin("abi-good");
	harness_start();
	harness_wait_running();
	node = harness_pid("node");
	follow();
	for (unsigned long i = 0; i < cycles; i++) {
		if (i == WARM_UP) {
			files = descriptors();
			processes = children();
			kib = resident_kib();
		}
		switch_role("true", "ModuleStarted");
		switch_role("false", "ModuleStopped");
	}
	fprintf(stderr,
		"%lu times on and off in %llu ms; after the first %d: %zu -> %zu descriptors, "
		"%zu -> %zu children, %zu -> %zu KiB resident\n",
		cycles, (unsigned long long)(clock_monotonic_ms() - start), WARM_UP, files,
		descriptors(), processes, children(), kib, resident_kib());
	must(descriptors() == files, "aditd has more descriptors than before");
	must(children() == processes, "aditd has more children than before");
	must(resident_kib() <= kib || resident_kib() - kib <= GROWTH_KIB, "aditd has grown");
	must(harness_pid("node") == node, "node has another process");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cycles");
	TCase *c = tcase_create("cycles");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, rig_setup, rig_teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_test(c, on_and_off);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
