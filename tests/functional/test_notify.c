/* SPDX-License-Identifier: MIT */
/*
 * What a service manager is told: a socket of the test stands for systemd's. READY=1 comes when all
 * roles run, or when it is known which can't; a reload is told at its begin and at its end; signs
 * of life; STOPPING=1. No role process inherits the socket's name.
 */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "tests/functional/abi_rig.h"

#define MS 60000

static int manager = -1;
static char said[1024]; /* the last message */

/* Makes the manager's socket: in the directory, or with an abstract name. */
static void listen_at(bool abstract)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[sizeof(address.sun_path)];
	socklen_t size;

	snprintf(name, sizeof(name), "%s%s/notify", abstract ? "@" : "", harness.directory);
	setenv("NOTIFY_SOCKET", name, 1);
	memcpy(address.sun_path, name, strlen(name));
	size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	if (abstract)
		address.sun_path[0] = '\0';
	else
		size = sizeof(address);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(manager, 0);
	ck_assert_int_eq(bind(manager, (const struct sockaddr *)&address, size), 0);
}

static void setup(void)
{
	rig_setup();
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static void teardown(void)
{
	rig_teardown();
	if (manager >= 0)
		close(manager);
	manager = -1;
	unsetenv("NOTIFY_SOCKET");
}

/* The next message, in `said`. */
static void hear(void)
{
	struct pollfd watch = {.fd = manager, .events = POLLIN};
	ssize_t n;

	must(poll(&watch, 1, (int)harness_limit(MS)) == 1, "nothing more is told; the last was: %s",
	     said);
	n = recv(manager, said, sizeof(said) - 1, 0);
	ck_assert_int_ge(n, 0);
	said[n] = '\0';
}

static bool has_line(const char *line)
{
	char copy[sizeof(said)];
	char *rest = copy, *at;

	memcpy(copy, said, sizeof(said));
	while ((at = strsep(&rest, "\n")) != NULL) {
		if (strcmp(at, line) == 0)
			return true;
	}
	return false;
}

/* Goes on to the message with LINE; until then nobody may say UNTIL_THEN_NOT (NULL: anything). */
static void await_line(const char *line, const char *until_then_not)
{
	do {
		hear();
		must(until_then_not == NULL || !has_line(until_then_not), "before %s came %s", line,
		     until_then_not);
	} while (!has_line(line));
}

static bool role_is(const char *name, const char *state)
{
	struct rig_state s = rig_state(name);
	bool is = strcmp(s.state, state) == 0;

	rig_state_free(&s);
	return is;
}

/* NAME is not in the environment of process PID. */
static bool lacks(pid_t pid, const char *name)
{
	static char text[65536];
	char path[64];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	f = fopen(path, "r");
	must(f != NULL, "no %s", path);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	for (const char *at = text; at < text + n; at += strlen(at) + 1) {
		if (strncmp(at, name, strlen(name)) == 0)
			return false;
	}
	return true;
}

START_TEST(from_start_to_end)
{
	unsigned long long before, told;
	const char *at;

	listen_at(_i == 1);
	rig_put_plugin("abi-good");
	rig_role("abi-good", "enabled = true\n");
	harness_start();
	await_line("READY=1", NULL);
	ck_assert(has_line("STATUS=2 roles run"));
	ck_assert(role_is("abi-good", "running"));
	ck_assert(role_is("node", "running"));
	ck_assert(lacks(harness_pid("abi-good"), "NOTIFY_SOCKET="));

	before = clock_monotonic_us();
	rig_role("abi-good", "enabled = false\n");
	rig_reload();
	await_line("RELOADING=1", "READY=1");
	at = strstr(said, "\nMONOTONIC_USEC=");
	must(at != NULL, "no time in: %s", said);
	told = strtoull(at + strlen("\nMONOTONIC_USEC="), NULL, 10);
	ck_assert(told >= before && told <= clock_monotonic_us());
	await_line("READY=1", NULL);
	ck_assert(has_line("STATUS=1 role runs"));

	rig_role("abi-good", "enabled = true\n");
	rig_reload();
	await_line("RELOADING=1", "READY=1");
	await_line("READY=1", NULL);
	ck_assert(has_line("STATUS=2 roles run"));
	harness_stop();
	await_line("STOPPING=1", "READY=1");
}
END_TEST

/* A configuration that is refused: the reload has an end all the same. */
START_TEST(refused_reload)
{
	listen_at(false);
	rig_put_plugin("abi-good");
	rig_role("abi-good", "enabled = true\n");
	harness_start();
	await_line("READY=1", NULL);
	rig_role("abi-good", "enabled = maybe\n");
	rig_reload();
	ck_assert(harness_log_has("the new configuration is not used"));
	await_line("RELOADING=1", "READY=1");
	await_line("READY=1", NULL);
	ck_assert(has_line("STATUS=2 roles run"));
	harness_stop();
}
END_TEST

/* A role that can't be started does not keep the service from being started. */
START_TEST(one_fails)
{
	listen_at(false);
	rig_put_plugin("abi-wrong");
	rig_put_plugin("abi-good");
	rig_role("abi-wrong", "how = fail-init\n");
	rig_role("abi-good", "enabled = true\n");
	harness_start();
	await_line("READY=1", NULL);
	must(has_line("STATUS=2 of 3 roles run; failing: abi-wrong"), "not told: %s", said);
	ck_assert(role_is("abi-good", "running"));
	ck_assert(role_is("abi-wrong", "failing"));
	harness_stop();
}
END_TEST

START_TEST(signs_of_life)
{
	listen_at(false);
	setenv("WATCHDOG_USEC", "200000", 1);
	harness_start();
	unsetenv("WATCHDOG_USEC");
	for (int i = 0; i < 3; i++)
		await_line("WATCHDOG=1", NULL);
	ck_assert(lacks(harness_pid("node"), "WATCHDOG_USEC="));
	harness_stop();
}
END_TEST

/* WATCHDOG_PID is not ours: whoever is between the manager and us gives the signs. */
START_TEST(no_signs_of_life_for_another)
{
	listen_at(false);
	setenv("WATCHDOG_USEC", "2000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	harness_start();
	await_line("READY=1", "WATCHDOG=1");
	harness_stop();
	await_line("STOPPING=1", "WATCHDOG=1");
}
END_TEST

/* A name that is none, or at which nobody listens, keeps nothing from running. */
START_TEST(nobody_listens)
{
	setenv("NOTIFY_SOCKET", _i == 0 ? "/nowhere/at/all" : "vsock:2:1234", 1);
	harness_start();
	harness_wait_running();
	ck_assert(harness_log_has("NOTIFY_SOCKET is") == (_i == 1));
	harness_stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("notify");
	TCase *c = tcase_create("notify");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_loop_test(c, from_start_to_end, 0, 2);
	tcase_add_test(c, refused_reload);
	tcase_add_test(c, one_fails);
	tcase_add_test(c, signs_of_life);
	tcase_add_test(c, no_signs_of_life_for_another);
	tcase_add_loop_test(c, nobody_listens, 0, 2);
	suite_add_tcase(suite, c);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
