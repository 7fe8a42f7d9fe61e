/* SPDX-License-Identifier: MIT */
/*
 * bench_bus.c: calls and events between two roles through a real aditd, against three bare
 * processes that pass messages of the same size through the same kind of sockets. Both are waits of
 * several processes for each other, so the clock is the wall's and the measure the median of the
 * rounds.
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/aditctl/control.h"
#include "lib/util/clock.h"
#include "tests/bench/bench.h"

#define ROUNDS 20000
/* Bytes of a call on the socket: envelope, names, JSON. */
#define MESSAGE_SIZE 160
#define START_MS 10000

/* --- the floor -------------------------------------------------------------------------------- */

/* Passes each message from one socket to the other, alternately. */
static _Noreturn void relay(int a, int b)
{
	char message[MESSAGE_SIZE];

	for (;;) {
		if (recv(a, message, sizeof(message), MSG_WAITALL) != (ssize_t)sizeof(message) ||
		    send(b, message, sizeof(message), MSG_NOSIGNAL) < 0 ||
		    recv(b, message, sizeof(message), MSG_WAITALL) != (ssize_t)sizeof(message) ||
		    send(a, message, sizeof(message), MSG_NOSIGNAL) < 0)
			_exit(0);
	}
}

static _Noreturn void answer(int fd)
{
	char message[MESSAGE_SIZE];

	for (;;) {
		if (recv(fd, message, sizeof(message), MSG_WAITALL) != (ssize_t)sizeof(message) ||
		    send(fd, message, sizeof(message), MSG_NOSIGNAL) < 0)
			_exit(0);
	}
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Median nanoseconds of a message to the third process and back. */
static double floor_round_trip(void)
{
	static uint32_t times[ROUNDS];
	char message[MESSAGE_SIZE] = {0};
	int near[2];
	int far[2];
	pid_t children[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, near) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, far) != 0)
		bench_broken("no sockets");
	children[0] = fork();
	if (children[0] == 0) {
		(void)close(near[0]);
		(void)close(far[1]);
		relay(near[1], far[0]);
	}
	children[1] = fork();
	if (children[1] == 0) {
		(void)close(near[0]);
		(void)close(near[1]);
		(void)close(far[0]);
		answer(far[1]);
	}
	(void)close(near[1]);
	(void)close(far[0]);
	(void)close(far[1]);
	for (size_t i = 0; i < ROUNDS; i++) {
		uint64_t start = clock_monotonic_ns();

		if (send(near[0], message, sizeof(message), MSG_NOSIGNAL) < 0 ||
		    recv(near[0], message, sizeof(message), MSG_WAITALL) !=
			(ssize_t)sizeof(message))
			bench_broken("the bare processes failed");
		times[i] = (uint32_t)(clock_monotonic_ns() - start);
	}
	(void)close(near[0]);
	(void)waitpid(children[0], NULL, 0);
	(void)waitpid(children[1], NULL, 0);
	qsort(times, ROUNDS, sizeof(times[0]), by_size);
	return times[ROUNDS / 2];
}

/* --- aditd ------------------------------------------------------------------------------------ */

struct daemon {
	char directory[64];
	char socket[96];
	pid_t pid;
	struct control control;
};

static void daemon_configure(const struct daemon *d, const char *config)
{
	FILE *f = fopen(config, "w");

	if (f == NULL ||
	    fprintf(f,
		    "[host]\nstate_dir = %s\nrun_dir = %s\nplugin_dir = %s\nlog_level = error\n"
		    "[node]\nbackend = embedded\nnetwork = regtest\n"
		    "[bench-bus@a]\ngrant = all\nside = a\n"
		    "[bench-bus@b]\ngrant = all\nside = b\n",
		    d->directory, d->directory, ADIT_STAGE_BENCH) < 0 ||
	    fclose(f) != 0)
		bench_broken("no configuration");
}

static struct json_object *daemon_call(struct daemon *d, const char *method, const char *parameters)
{
	struct json_object *params = json_object_new_object();
	struct json_object *result;
	struct error e = {0};
	int32_t r;

	json_object_object_add(params, "target", json_object_new_string("bench-bus@a"));
	json_object_object_add(params, "method", json_object_new_string(method));
	json_object_object_add(params, "params", json_tokener_parse(parameters));
	json_object_object_add(params, "deadline_ms", json_object_new_int(60000));
	r = control_request(&d->control, "call", params, 60000, &result, &e);
	json_object_put(params);
	return r == ADIT_OK ? result : NULL;
}

/* Waits until both sides answer. */
static void daemon_wait(struct daemon *d)
{
	uint64_t deadline = clock_monotonic_ms() + START_MS;
	struct error e = {0};

	while (control_open(&d->control, d->socket, &e) != ADIT_OK) {
		if (clock_monotonic_ms() > deadline)
			bench_broken(e.text);
		(void)usleep(20000);
	}
	for (;;) {
		struct json_object *result = daemon_call(d, "calls", "{\"rounds\":100}");

		if (result != NULL) {
			json_object_put(result);
			return;
		}
		if (clock_monotonic_ms() > deadline)
			bench_broken("the roles do not run");
		(void)usleep(20000);
	}
}

static void daemon_start(struct daemon *d)
{
	char config[96];

	(void)snprintf(d->directory, sizeof(d->directory), "/tmp/adit-bench-XXXXXX");
	if (mkdtemp(d->directory) == NULL)
		bench_broken("no directory");
	(void)snprintf(config, sizeof(config), "%s/adit.conf", d->directory);
	(void)snprintf(d->socket, sizeof(d->socket), "%s/control.sock", d->directory);
	daemon_configure(d, config);
	d->pid = fork();
	if (d->pid == 0) {
		(void)execl(ADITD, ADITD, "-c", config, (char *)NULL);
		_exit(127);
	}
	daemon_wait(d);
}

static void daemon_stop(struct daemon *d)
{
	char command[128];

	control_close(&d->control);
	(void)kill(d->pid, SIGTERM);
	(void)waitpid(d->pid, NULL, 0);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", d->directory);
	if (system(command) != 0)
		fprintf(stderr, "adit-bench: %s stays\n", d->directory);
}

static double number(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v))
		bench_broken("an answer without numbers");
	return json_object_get_double(v);
}

static void row(struct bench *b, const char *name, double value, double floor)
{
	b->rows[b->count++] = (struct bench_row){.name = name, .value = value, .floor = floor};
}

void bench_bus(struct bench *b)
{
	static char batched[64];
	struct daemon d = {.control = {.fd = -1}};
	double floor = floor_round_trip();
	struct json_object *r;
	double each;

	b->title = "bus: between two roles through aditd; the floor is three bare processes";
	daemon_start(&d);
	r = daemon_call(&d, "calls", "{\"rounds\":20000}");
	if (r == NULL)
		bench_broken("the calls failed");
	row(b, "call, round trip, p50", number(r, "p50"), floor);
	json_object_put(r);
	r = daemon_call(&d, "events", "{\"rounds\":20000,\"batch\":1,\"window\":1}");
	if (r == NULL || number(r, "lost") > 0)
		bench_broken("the events failed");
	row(b, "event there and event back, one by one, p50", number(r, "p50"), floor);
	json_object_put(r);
	r = daemon_call(&d, "events", "{\"rounds\":5000,\"batch\":100,\"window\":20}");
	if (r == NULL || number(r, "lost") > 0)
		bench_broken("the events failed");
	each = number(r, "total") / 500000;
	/* at most 5,000 ns: 200,000 a second */
	(void)snprintf(batched, sizeof(batched), "event, batches of 100: %.0f a second",
		       1e9 / each);
	row(b, batched, each, 5000);
	json_object_put(r);
	daemon_stop(&d);
}
