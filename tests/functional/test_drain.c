/* SPDX-License-Identifier: MIT */
/*
 * The mining process is replaced while clients connect without a pause: none is refused, none is
 * closed before its SetupConnection is answered, and who is connected is told to reconnect. Then
 * what may come in between: a replacement that does not come up, an end, a crash, a hang, another
 * restart or a new configuration while the former process drains.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "tests/functional/harness.h"
#include "tests/functional/probe.h"

#define NBITS "207fffff"
#define POOL_KEYS "shares_per_minute = 600\nmin_difficulty = 0.000000001\n"
#define MS HARNESS_WAIT_MS
#define ROUNDS 4
#define HELD 4
#define WORKERS_MAX 4
#define ANSWER_MS HARNESS_WAIT_MS

/* --- the client that connects and connects ------------------------------------------------------
 * A process of its own, which shares these counts with the test. */

struct tally {
	volatile bool stop;
	volatile unsigned long tried;
	volatile unsigned long answered; /* SetupConnection.Success came */
	volatile unsigned long refused;  /* connect() failed */
	volatile unsigned long cut;      /* ended before SetupConnection was answered */
	volatile unsigned long denied;   /* SetupConnection.Error */
	volatile unsigned long late;     /* no answer in time */
	volatile uint64_t longest_us;    /* from connect() to the end of the handshake */
};

static struct tally *tally;
static pid_t client;

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* 1: SIZE bytes are there, 0: not in time, -1: the connection has ended before. */
static int read_all(int fd, uint8_t *out, size_t size)
{
	size_t got = 0;

	while (got < size) {
		struct pollfd watch = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&watch, 1, (int)harness_limit(ANSWER_MS)) != 1)
			return 0;
		n = recv(fd, out + got, size - got, 0);
		if (n <= 0)
			return -1;
		got += (size_t)n;
	}
	return 1;
}

/* As probe_handshake(), for a server that may misbehave. */
static int client_handshake(struct probe *p)
{
	uint8_t act1[NOISE_ACT1_SIZE], act2[NOISE_ACT2_SIZE];
	struct noise_handshake hs;
	struct error e = {0};
	int got;

	if (noise_initiator_start(&hs, act1) != ADIT_OK || !probe_send_raw(p, act1, sizeof(act1)))
		return -1;
	got = read_all(p->fd, act2, sizeof(act2));
	if (got != 1)
		return got;
	if (noise_initiator_finish(&hs, act2, NULL, clock_unix(), 60, &p->send, &p->receive, &e) !=
	    ADIT_OK)
		return -1;
	p->encrypted = true;
	return 1;
}

static void client_setup(struct probe *p)
{
	static const uint8_t name[] = "probe";
	const struct adit_sv2_setup_connection request = {
	    .protocol = ADIT_SV2_MINING,
	    .min_version = 2,
	    .max_version = 2,
	    .endpoint_host = {name, sizeof(name) - 1},
	    .vendor = {name, sizeof(name) - 1},
	};
	union sv2_body body;
	int32_t message = -2;

	if (probe_send(p, ADIT_SV2_SETUP_CONNECTION, &request))
		message = probe_receive(p, (int)harness_limit(ANSWER_MS), &body);
	if (message == ADIT_SV2_SETUP_CONNECTION_SUCCESS)
		tally->answered++;
	else if (message == ADIT_SV2_SETUP_CONNECTION_ERROR)
		tally->denied++;
	else if (message == -1)
		tally->late++;
	else
		tally->cut++;
}

static void client_attempt(const struct sockaddr_in *address)
{
	struct probe p = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	uint64_t begun = now_us();
	int got;

	tally->tried++;
	if (connect(p.fd, (const struct sockaddr *)address, sizeof(*address)) != 0) {
		tally->refused++;
		close(p.fd);
		return;
	}
	got = client_handshake(&p);
	if (now_us() - begun > tally->longest_us)
		tally->longest_us = now_us() - begun;
	if (got == 1)
		client_setup(&p);
	else if (got == 0)
		tally->late++;
	else
		tally->cut++;
	probe_close(&p);
}

static void client_start(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(harness.port)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	memset(tally, 0, sizeof(*tally));
	client = fork();
	ck_assert_int_ge(client, 0);
	if (client > 0)
		return;
	while (!tally->stop && getppid() != 1) {
		client_attempt(&address);
		(void)poll(NULL, 0, 1);
	}
	_exit(0);
}

static bool client_has_gone_on(void *user)
{
	return tally->answered >= *(const unsigned long *)user;
}

/* Some more connections have been answered. */
static void client_goes_on(void)
{
	unsigned long least = tally->answered + 20;

	harness_wait(MS, client_has_gone_on, &least, "the client is answered again");
}

static void client_end(const char *what)
{
	int status;

	client_goes_on();
	tally->stop = true;
	ck_assert_int_eq(waitpid(client, &status, 0), client);
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the client failed: %#x",
	     (unsigned)status);
	fprintf(stderr,
		"%s: %lu connects, %lu answered, %lu refused, %lu cut, %lu denied, %lu late; "
		"longest from connect to handshake %llu.%llu ms\n",
		what, tally->tried, tally->answered, tally->refused, tally->cut, tally->denied,
		tally->late, (unsigned long long)tally->longest_us / 1000,
		(unsigned long long)tally->longest_us % 1000 / 100);
	must(tally->refused == 0, "%lu connects were refused", tally->refused);
}

static void client_end_unharmed(const char *what)
{
	client_end(what);
	must(tally->cut == 0 && tally->denied == 0 && tally->late == 0,
	     "%lu connections were closed, %lu denied and %lu not answered in time", tally->cut,
	     tally->denied, tally->late);
}

/* --- the daemon ---------------------------------------------------------------------------------
 */

static void begin(unsigned workers)
{
	tally =
	    mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(tally != MAP_FAILED);
	harness.workers = workers;
	harness_configure_pool(NBITS, POOL_KEYS);
	harness_start();
	harness_wait_running();
}

struct workers {
	size_t count; /* with those that come and go */
	size_t running;
	pid_t pids[WORKERS_MAX]; /* of the running ones */
	pid_t draining;          /* one of these, 0: none */
	char error[256];         /* why one was not replaced */
};

static void look(const char *role, struct workers *w)
{
	struct json_object *result = harness_request("roles", NULL);
	struct json_object *list = json_array_member(harness_role(result, role), "workers");

	memset(w, 0, sizeof(*w));
	w->count = json_count(list);
	for (size_t i = 0; i < w->count; i++) {
		struct json_object *worker = json_element(list, i);
		const char *state = json_text(worker, "state", "");
		pid_t pid = (pid_t)json_integer(worker, "pid", 0);

		if (strcmp(state, "running") == 0 && w->running < WORKERS_MAX)
			w->pids[w->running++] = pid;
		if (strcmp(state, "draining") == 0)
			w->draining = pid;
		if (*json_text(worker, "replace_error", "") != '\0')
			snprintf(w->error, sizeof(w->error), "%s",
				 json_text(worker, "replace_error", ""));
	}
	json_object_put(result);
}

struct change {
	struct workers before;
	size_t workers; /* that there are to be */
};

static bool was_there(const struct workers *w, pid_t pid)
{
	for (size_t i = 0; i < w->running; i++) {
		if (w->pids[i] == pid)
			return true;
	}
	return false;
}

static bool all_are_new(void *user)
{
	const struct change *change = user;
	struct workers now;

	look("pool", &now);
	if (now.count != change->workers || now.running != change->workers)
		return false;
	for (size_t i = 0; i < now.running; i++) {
		if (was_there(&change->before, now.pids[i]))
			return false;
	}
	return true;
}

static void ask_restart(const char *role)
{
	struct json_object *params = json_object_new_object();

	json_object_object_add(params, "role", json_object_new_string(role));
	json_object_put(harness_request("restart", params));
	json_object_put(params);
}

static void await_new(const struct change *change)
{
	struct change copy = *change;

	harness_wait(MS, all_are_new, &copy, "all workers run in new processes");
}

static void restart(unsigned workers)
{
	struct change change = {.workers = workers};

	look("pool", &change.before);
	ask_restart("pool");
	await_new(&change);
}

static bool one_drains(void *user)
{
	struct workers now;

	look("pool", &now);
	*(pid_t *)user = now.draining;
	return now.draining > 0;
}

static bool none_drains(void *user)
{
	struct workers now;

	(void)user;
	look("pool", &now);
	return now.draining == 0 && now.count == harness.workers && now.running == harness.workers;
}

/* Restarts with a connection that is being set up, which makes the former process drain for two
 * seconds; returns that process. */
static pid_t restart_and_drain(struct probe *silent)
{
	pid_t pid = 0;

	probe_connect(silent, harness.port);
	harness_wait_number("sv2-server", "handshakes", 1, MS); /* it was accepted */
	ask_restart("pool");
	harness_wait(MS, one_drains, &pid, "the former process drains");
	return pid;
}

/* --- the client is served on --------------------------------------------------------------------
 */

static void hold(struct probe *p, struct probe_channel *c)
{
	const char *verdict;

	probe_ready(p, harness.port);
	probe_open_standard(p, c);
	verdict = probe_verdict(p, c, probe_submit(p, c, c->job_id, probe_mine(c, true)));
	/* another one's block may have made it stale */
	must(verdict == NULL || strcmp(verdict, "stale-share") == 0, "share: %s", verdict);
}

/* Told to reconnect, once, and the end is that of a stream, not a reset. */
static void is_told(struct probe *p)
{
	union sv2_body body;
	int32_t message;

	probe_expect(p, ADIT_SV2_RECONNECT, &body);
	do {
		message = probe_receive(p, (int)harness_limit(ANSWER_MS), &body);
		must(message != ADIT_SV2_RECONNECT, "told twice to reconnect");
	} while (message >= 0);
	must(message == -2, "the connection is not closed after Reconnect");
	probe_close(p);
}

static void restarts_refuse_nobody(unsigned workers)
{
	struct probe held[HELD];
	struct probe_channel channels[HELD];
	char what[64];

	begin(workers);
	client_start();
	client_goes_on();
	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < HELD; i++)
			hold(&held[i], &channels[i]);
		restart(workers);
		for (size_t i = 0; i < HELD; i++)
			is_told(&held[i]);
		client_goes_on();
	}
	snprintf(what, sizeof(what), "%d restarts of %u worker(s)", ROUNDS, workers);
	client_end_unharmed(what);
	harness_stop();
}

START_TEST(one_worker_is_replaced)
{
	restarts_refuse_nobody(1);
}
END_TEST

START_TEST(two_workers_are_replaced)
{
	restarts_refuse_nobody(2);
}
END_TEST

/* The former process has accepted them and they are not set up yet: it serves them, and then tells
 * them to reconnect. */
START_TEST(who_is_at_the_door_is_served)
{
	struct probe connected, encrypted;
	union sv2_body body;
	pid_t old = 0;

	begin(1);
	probe_connect(&connected, harness.port);
	probe_connect(&encrypted, harness.port);
	probe_handshake(&encrypted, NULL); /* it was accepted last */
	ask_restart("pool");
	harness_wait(MS, one_drains, &old, "the former process drains");
	probe_handshake(&connected, NULL);
	probe_setup(&connected);
	must(one_drains(&old), "it did not wait for the second one");
	must(probe_receive(&connected, 0, &body) == -1, "it is told something already");
	probe_setup(&encrypted);
	is_told(&connected);
	is_told(&encrypted);
	harness_wait(MS, none_drains, NULL, "the former process has gone");
	must(kill(old, 0) != 0, "another one than the former process drained");
	harness_stop();
}
END_TEST

/* Who is connected to a killed process loses the connection; nobody is refused. */
START_TEST(kill_refuses_nobody)
{
	begin(1);
	client_start();
	client_goes_on();
	for (int i = 0; i < 2; i++) {
		harness_kill("pool");
		client_goes_on();
	}
	client_end("2 times kill -9");
	harness_stop();
}
END_TEST

static void edit(const char *from, const char *to)
{
	char text[8192];
	char *at;
	FILE *f = fopen(harness.config, "r");
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	f = fopen(harness.config, "w");
	ck_assert_ptr_nonnull(f);
	for (const char *rest = text; (at = strstr(rest, from)) != NULL;) {
		memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
		memcpy(at, to, strlen(to));
		rest = at + strlen(to);
	}
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

static void reload(void)
{
	json_object_put(harness_request("reload", NULL));
}

/* What can't be changed in a running process: another number of them, an address. */
START_TEST(reload_refuses_nobody)
{
	struct change change = {.workers = 2};
	char from[64], to[96];

	begin(1);
	client_start();
	client_goes_on();
	look("pool", &change.before);
	edit("workers = 1", "workers = 2");
	reload();
	await_new(&change);
	client_goes_on();

	look("pool", &change.before);
	snprintf(from, sizeof(from), "listen = 127.0.0.1:%u", harness.port);
	snprintf(to, sizeof(to), "%s, 127.0.0.1:%u", from, harness_free_port());
	edit(from, to);
	reload();
	await_new(&change);
	client_goes_on();

	/* a setting that the plugin does not take over live */
	look("pool", &change.before);
	edit("min_difficulty", "extranonce_size = 14\nmin_difficulty");
	reload();
	await_new(&change);
	client_end_unharmed("3 reloads");
	harness_stop();
}
END_TEST

/* --- what may come in between -------------------------------------------------------------------
 */

static bool says_error(void *user)
{
	look("pool", user);
	return ((struct workers *)user)->error[0] != '\0';
}

/* It can't read its key: the old one goes on, all workers of it, and aditctl says so. */
START_TEST(replacement_fails)
{
	struct workers before, now;
	char key[160], *output;

	begin(2);
	client_start();
	look("pool", &before);
	snprintf(key, sizeof(key), "%s/state/sv2-server/authority.key", harness.directory);
	ck_assert_int_eq(chmod(key, 0644), 0);
	ck_assert_int_ne(harness_aditctl("restart sv2-server", &output), 0);
	must(strstr(output, "sv2-server.1 is not replaced") != NULL &&
		 strstr(output, "authority.key") != NULL && strstr(output, "runs on") != NULL,
	     "%s", output);
	free(output);
	harness_wait(MS, says_error, &now, "the status says that it was not replaced");
	must(now.running == 2 && now.pids[0] == before.pids[0] && now.pids[1] == before.pids[1],
	     "the processes of before are gone");
	client_goes_on();
	ck_assert_int_eq(chmod(key, 0600), 0);
	must(harness_aditctl("restart pool", &output) == 0, "%s", output);
	free(output);
	look("pool", &now);
	must(now.error[0] == '\0' && now.running == 2 && !was_there(&before, now.pids[0]) &&
		 !was_there(&before, now.pids[1]),
	     "not replaced: %s", now.error);
	client_end_unharmed("a failed and a good restart");
	harness_stop();
}
END_TEST

START_TEST(restart_in_a_restart)
{
	struct change change = {.workers = 2};

	begin(2);
	client_start();
	look("pool", &change.before);
	for (int i = 0; i < 5; i++)
		ask_restart(i % 2 == 0 ? "pool" : "sv2-server.2");
	await_new(&change);
	harness_wait(MS, none_drains, NULL, "all is quiet again");
	client_end_unharmed("5 restarts at once");
	harness_stop();
}
END_TEST

START_TEST(end_while_draining)
{
	struct probe silent;

	begin(1);
	(void)restart_and_drain(&silent);
	harness_stop(); /* asserts that nobody is left */
	probe_close(&silent);
}
END_TEST

START_TEST(crash_while_draining)
{
	struct probe silent;
	struct workers now;
	pid_t old;

	begin(1);
	old = restart_and_drain(&silent);
	ck_assert_int_eq(kill(old, SIGKILL), 0);
	harness_wait(MS, none_drains, NULL, "the former process has gone");
	look("pool", &now);
	must(now.running == 1 && now.pids[0] != old, "the new process does not run");
	harness_wait_log("which was replaced: killed by signal 9");
	probe_close(&silent);
	harness_stop();
}
END_TEST

/* The watchdog lets a draining process be: its deadline is that of the stop. */
START_TEST(hang_while_draining)
{
	struct probe silent;
	struct workers now;
	pid_t old;

	begin(1);
	old = restart_and_drain(&silent);
	ck_assert_int_eq(kill(old, SIGSTOP), 0);
	harness_wait(MS, none_drains, NULL, "the former process has been killed");
	harness_wait_log("did not stop within 5 s: it is killed");
	look("pool", &now);
	must(now.running == 1 && now.pids[0] != old, "the new process does not run");
	probe_close(&silent);
	harness_stop();
}
END_TEST

static bool is_off(void *user)
{
	struct json_object *result = harness_request("roles", NULL);
	struct json_object *role = harness_role(result, "pool");
	bool off = strcmp(json_text(role, "state", ""), "disabled") == 0;

	json_object_put(result);
	return off && kill(*(pid_t *)user, 0) != 0;
}

START_TEST(disabled_while_draining)
{
	struct probe silent;
	pid_t old;

	begin(1);
	old = restart_and_drain(&silent);
	edit("process = mining", "enabled = false\nprocess = mining");
	reload();
	harness_wait(MS, is_off, &old, "the role is off and the former process has gone");
	probe_close(&silent);
	harness_stop();
}
END_TEST

/* The worker dies while another one starts in its place: that one is it. */
START_TEST(crash_while_replaced)
{
	struct change change = {.workers = 1};

	begin(1);
	client_start();
	client_goes_on();
	for (int i = 0; i < 3; i++) {
		look("pool", &change.before);
		ask_restart("pool");
		ck_assert_int_eq(kill(change.before.pids[0], SIGKILL), 0);
		await_new(&change);
	}
	client_end("3 restarts with kill -9");
	harness_stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("drain");
	TCase *c = tcase_create("drain");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(c, harness_setup, harness_teardown);
	tcase_set_timeout(c, HARNESS_TEST_S);
	tcase_add_test(c, one_worker_is_replaced);
	tcase_add_test(c, two_workers_are_replaced);
	tcase_add_test(c, who_is_at_the_door_is_served);
	tcase_add_test(c, kill_refuses_nobody);
	tcase_add_test(c, reload_refuses_nobody);
	tcase_add_test(c, replacement_fails);
	tcase_add_test(c, restart_in_a_restart);
	tcase_add_test(c, end_while_draining);
	tcase_add_test(c, crash_while_draining);
	tcase_add_test(c, hang_while_draining);
	tcase_add_test(c, disabled_while_draining);
	tcase_add_test(c, crash_while_replaced);
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
