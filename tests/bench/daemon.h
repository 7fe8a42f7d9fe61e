/* SPDX-License-Identifier: MIT */
/* daemon.h: a real aditd for a benchmark: a directory of its own, its control socket, its processes
 * and what they use. Everything that goes wrong ends the program, and aditd with it. */
#ifndef BENCH_DAEMON_H
#define BENCH_DAEMON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <json-c/json.h>

#include "host/aditctl/control.h"

#define DAEMON_WORKERS 4 /* most processes of a role that are looked at */

struct daemon {
	char directory[64];
	char config[96];
	char socket[96];
	pid_t pid;
	struct control control;
	/* the processes of a role, see daemon_watch() */
	pid_t workers[DAEMON_WORKERS];
	size_t worker_count;
};

/* Makes the directory and begins the configuration with [host]; PLUGINS is the plugin folder. */
void daemon_prepare(struct daemon *d, const char *plugins);
/* Appends to the configuration. */
void daemon_configure(const struct daemon *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Starts aditd and waits until its control socket answers. */
void daemon_start(struct daemon *d);
/* Waits until the node is ready and all roles run. */
void daemon_wait_running(struct daemon *d);
/* Stops it and removes the directory. */
void daemon_stop(struct daemon *d);

/* `aditctl call TARGET METHOD PARAMETERS`; NULL when it fails. The caller's. */
struct json_object *daemon_call(struct daemon *d, const char *target, const char *method,
				const char *parameters);
/* One number of what worker INDEX of ROLE says of itself; -1 when it isn't there. */
int64_t daemon_number(struct daemon *d, const char *role, size_t index, const char *key);

/* The processes of ROLE are those that the following are about. */
void daemon_watch(struct daemon *d, const char *role);
/* The process of ROLE, its first worker. */
pid_t daemon_pid(struct daemon *d, const char *role);
/* Nanoseconds of CPU that they have used, kernel included. */
double daemon_cpu_ns(const struct daemon *d);
/* Their resident bytes. */
double daemon_resident(const struct daemon *d);

/* Nanoseconds of CPU that process PID has used, kernel included. */
double process_cpu_ns(pid_t pid);

#endif
