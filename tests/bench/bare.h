/* SPDX-License-Identifier: MIT */
/* bare.h: a server that does nothing but the system calls, in a process of its own: the floors. */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bare {
	pid_t pid;
	uint16_t port; /* on 127.0.0.1 */
	int orders;    /* socket to the process */
};

enum bare_kind {
	BARE_ACCEPT, /* accepts a connection and closes it */
	BARE_ECHO    /* epoll; one read, and one write of ANSWER bytes for each REQUEST bytes */
};

void bare_start(struct bare *b, enum bare_kind kind, size_t request, size_t answer);
void bare_stop(struct bare *b);
/* BARE_ECHO: one send() of SIZE bytes on each connection. Returns when all are done. */
void bare_send(const struct bare *b, size_t size);
/* Nanoseconds of CPU that it has used, kernel included. */
double bare_cpu_ns(const struct bare *b);

#endif
