/* SPDX-License-Identifier: MIT */
/*
 * bench_bus.c: calls and events between two roles through a real aditd, against three bare
 * processes that pass messages of the same size through the same kind of sockets. Both are waits of
 * several processes for each other, so the clock is the wall's and the measure the median of the
 * rounds. All of them run on one processor: else what is measured is on which one the kernel wakes
 * each of them, and how deeply that one slept, which differs from run to run by a factor of two.
 */
#include "config.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "tests/bench/bench.h"
#include "tests/bench/daemon.h"

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

/* Waits until both sides answer. */
static void sides_wait(struct daemon *d)
{
	uint64_t deadline = clock_monotonic_ms() + START_MS;

	for (;;) {
		struct json_object *result =
		    daemon_call(d, "bench-bus@a", "calls", "{\"rounds\":100}");

		if (result != NULL) {
			json_object_put(result);
			return;
		}
		if (clock_monotonic_ms() > deadline)
			bench_broken("the roles do not run");
		(void)usleep(20000);
	}
}

static void sides_start(struct daemon *d)
{
	daemon_prepare(d, ADIT_STAGE_BENCH);
	daemon_configure(d, "[node]\nbackend = embedded\nnetwork = regtest\n"
			    "[bench-bus@a]\ngrant = all\nside = a\n"
			    "[bench-bus@b]\ngrant = all\nside = b\n");
	daemon_start(d);
	sides_wait(d);
}

static struct json_object *side_call(struct daemon *d, const char *method, const char *parameters)
{
	return daemon_call(d, "bench-bus@a", method, parameters);
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
	struct bench_row *r = bench_row(b, "%s", name);

	r->value = value;
	r->floor = floor;
}

/* From here on on one processor, also whoever is started; BEFORE: where it might run until now. */
static void stay_here(cpu_set_t *before)
{
	cpu_set_t here;
	int cpu = sched_getcpu();

	CPU_ZERO(&here);
	if (cpu >= 0)
		CPU_SET((size_t)cpu, &here);
	if (sched_getaffinity(0, sizeof(*before), before) != 0 ||
	    sched_setaffinity(0, sizeof(here), &here) != 0)
		bench_broken("can't stay on one processor");
}

void bench_bus(struct bench *b)
{
	static char batched[64];
	struct daemon d;
	struct json_object *r;
	cpu_set_t before;
	double floor;
	double each;

	stay_here(&before);
	floor = floor_round_trip();
	b->title = "bus: between two roles through aditd; the floor is three bare processes";
	sides_start(&d);
	r = side_call(&d, "calls", "{\"rounds\":20000}");
	if (r == NULL)
		bench_broken("the calls failed");
	row(b, "call, round trip, p50", number(r, "p50"), floor);
	json_object_put(r);
	r = side_call(&d, "events", "{\"rounds\":20000,\"batch\":1,\"window\":1}");
	if (r == NULL || number(r, "lost") > 0)
		bench_broken("the events failed");
	row(b, "event there and event back, one by one, p50", number(r, "p50"), floor);
	json_object_put(r);
	r = side_call(&d, "events", "{\"rounds\":5000,\"batch\":100,\"window\":20}");
	if (r == NULL || number(r, "lost") > 0)
		bench_broken("the events failed");
	each = number(r, "total") / 500000;
	/* at most 5,000 ns: 200,000 a second */
	(void)snprintf(batched, sizeof(batched), "event, batches of 100: %.0f a second",
		       1e9 / each);
	row(b, batched, each, 5000);
	json_object_put(r);
	daemon_stop(&d);
	(void)sched_setaffinity(0, sizeof(before), &before);
}
