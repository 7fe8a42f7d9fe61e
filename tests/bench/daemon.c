/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/bench/daemon.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/aditctl/json.h"
#include "lib/util/clock.h"
#include "tests/bench/bench.h"

#define START_MS 60000
#define ANSWER_MS 60000
#define PAUSE_US 20000

/* --- life --------------------------------------------------------------------------------------
 */

void daemon_prepare(struct daemon *d, const char *plugins)
{
	*d = (struct daemon){.control = {.fd = -1}};
	(void)snprintf(d->directory, sizeof(d->directory), "/tmp/adit-bench-XXXXXX");
	if (mkdtemp(d->directory) == NULL)
		bench_broken("no directory");
	(void)snprintf(d->config, sizeof(d->config), "%s/adit.conf", d->directory);
	(void)snprintf(d->socket, sizeof(d->socket), "%s/control.sock", d->directory);
	daemon_configure(d,
			 "[host]\nstate_dir = %s\nrun_dir = %s\nplugin_dir = %s\n"
			 "log_level = error\n",
			 d->directory, d->directory, plugins);
}

void daemon_configure(const struct daemon *d, const char *format, ...)
{
	FILE *f = fopen(d->config, "a");
	va_list arguments;

	if (f == NULL)
		bench_broken("no configuration");
	va_start(arguments, format);
	if (vfprintf(f, format, arguments) < 0)
		bench_broken("no configuration");
	va_end(arguments);
	if (fclose(f) != 0)
		bench_broken("no configuration");
}

void daemon_start(struct daemon *d)
{
	uint64_t deadline = clock_monotonic_ms() + START_MS;
	struct error e = {0};

	d->pid = fork();
	if (d->pid == 0) {
		/* It ends with the benchmark, however that ends. */
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		(void)execl(ADITD, ADITD, "-c", d->config, (char *)NULL);
		_exit(127);
	}
	while (control_open(&d->control, d->socket, &e) != ADIT_OK) {
		if (clock_monotonic_ms() > deadline || waitpid(d->pid, NULL, WNOHANG) != 0)
			bench_broken("aditd does not start");
		(void)usleep(PAUSE_US);
	}
}

void daemon_stop(struct daemon *d)
{
	char command[128];

	control_close(&d->control);
	(void)kill(d->pid, SIGTERM);
	(void)waitpid(d->pid, NULL, 0);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", d->directory);
	if (system(command) != 0)
		fprintf(stderr, "adit-bench: %s stays\n", d->directory);
}

/* --- asking ------------------------------------------------------------------------------------
 */

struct json_object *daemon_call(struct daemon *d, const char *target, const char *method,
				const char *parameters)
{
	struct json_object *params = json_object_new_object();
	struct json_object *result;
	struct error e = {0};
	int32_t r;

	json_object_object_add(params, "target", json_object_new_string(target));
	json_object_object_add(params, "method", json_object_new_string(method));
	json_object_object_add(params, "params", json_tokener_parse(parameters));
	json_object_object_add(params, "deadline_ms", json_object_new_int(ANSWER_MS));
	r = control_request(&d->control, "call", params, ANSWER_MS, &result, &e);
	json_object_put(params);
	return r == ADIT_OK ? result : NULL;
}

static struct json_object *daemon_status(struct daemon *d)
{
	struct json_object *result;
	struct error e = {0};

	if (control_request(&d->control, "status", NULL, ANSWER_MS, &result, &e) != ADIT_OK)
		bench_broken(e.text);
	return result;
}

static struct json_object *role_workers(struct json_object *status, const char *role)
{
	struct json_object *roles = json_array_member(status, "roles");

	for (size_t i = 0; i < json_count(roles); i++) {
		struct json_object *r = json_element(roles, i);

		if (strcmp(json_text(r, "name", ""), role) == 0)
			return json_array_member(r, "workers");
	}
	return NULL;
}

int64_t daemon_number(struct daemon *d, const char *role, size_t index, const char *key)
{
	struct json_object *status = daemon_status(d);
	struct json_object *worker = json_element(role_workers(status, role), index);
	int64_t number = json_integer(json_object_member(worker, "status"), key, -1);

	json_object_put(status);
	return number;
}

static bool all_run(struct daemon *d)
{
	struct json_object *status = daemon_status(d);
	struct json_object *roles = json_array_member(status, "roles");
	const char *node = json_text(json_object_member(status, "node"), "state", "");
	bool good = strcmp(node, "ready") == 0;

	for (size_t i = 0; i < json_count(roles); i++) {
		const char *state = json_text(json_element(roles, i), "state", "");

		good = good && strcmp(state, "running") == 0;
	}
	json_object_put(status);
	return good;
}

void daemon_wait_running(struct daemon *d)
{
	uint64_t deadline = clock_monotonic_ms() + START_MS;

	while (!all_run(d)) {
		if (clock_monotonic_ms() > deadline)
			bench_broken("the roles do not run");
		(void)usleep(PAUSE_US);
	}
}

/* --- what processes use ------------------------------------------------------------------------
 */

void daemon_watch(struct daemon *d, const char *role)
{
	struct json_object *status = daemon_status(d);
	struct json_object *workers = role_workers(status, role);

	d->worker_count = json_count(workers);
	if (d->worker_count == 0 || d->worker_count > DAEMON_WORKERS)
		bench_broken("a role without processes");
	for (size_t i = 0; i < d->worker_count; i++) {
		d->workers[i] = (pid_t)json_integer(json_element(workers, i), "pid", 0);
		if (d->workers[i] <= 0)
			bench_broken("a worker does not run");
	}
	json_object_put(status);
}

pid_t daemon_pid(struct daemon *d, const char *role)
{
	struct json_object *status = daemon_status(d);
	pid_t pid = (pid_t)json_integer(json_element(role_workers(status, role), 0), "pid", 0);

	json_object_put(status);
	if (pid <= 0)
		bench_broken("a role without processes");
	return pid;
}

double process_cpu_ns(pid_t pid)
{
	struct timespec now;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &now) != 0)
		bench_broken("a measured process is gone");
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

double daemon_cpu_ns(const struct daemon *d)
{
	double sum = 0;

	for (size_t i = 0; i < d->worker_count; i++)
		sum += process_cpu_ns(d->workers[i]);
	return sum;
}

double daemon_resident(const struct daemon *d)
{
	long page = sysconf(_SC_PAGESIZE);
	double sum = 0;

	for (size_t i = 0; i < d->worker_count; i++) {
		char path[64];
		long resident;
		FILE *f;

		(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)d->workers[i]);
		f = fopen(path, "r");
		if (f == NULL || fscanf(f, "%*d %ld", &resident) != 1)
			bench_broken("a measured process is gone");
		(void)fclose(f);
		sum += (double)resident * (double)page;
	}
	return sum;
}
