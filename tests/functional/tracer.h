/* SPDX-License-Identifier: MIT */
/*
 * tracer.h: stops a process of the daemon at each of its system calls, with ptrace(2), to see what
 * it does and to kill it between two of them. The process itself is not prepared for it in any way.
 */
#ifndef FUNCTIONAL_TRACER_H
#define FUNCTIONAL_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where a process was stopped: about to make system call NR, or back from it. */
struct tracer_stop {
	bool entry;
	long nr; /* SYS_... */
	uint64_t args[6];
	int64_t result; /* of an exit */
};

/* False when this machine does not let a process trace its descendants. */
bool tracer_permitted(void);
/* Stops PID and takes it over. When the test ends, PID is killed. */
void tracer_seize(pid_t pid);
/* Lets PID run until it enters or leaves a system call. */
void tracer_next(pid_t pid, struct tracer_stop *stop);
/* kill -9 where it stands: the system call that it was about to make is not made. */
void tracer_kill(pid_t pid);
/* Lets it go on untraced. */
void tracer_release(pid_t pid);

/* "write" and the like for those that a test names, else the number. */
const char *tracer_name(long nr);
/* PID's descriptor of the accepted side of the TCP connection from LOCAL_PORT to SERVER_PORT. */
int tracer_find_tcp(pid_t pid, uint16_t server_port, uint16_t client_port);
/* Where PID's descriptor FD leads ("/path", "socket:[..]"); "" when it isn't open. */
void tracer_descriptor(pid_t pid, int fd, char *out, size_t capacity);
/* Reads SIZE bytes at ADDRESS of PID; false when it can't. */
bool tracer_peek(pid_t pid, uint64_t address, void *out, size_t size);

#endif
