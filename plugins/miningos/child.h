/* SPDX-License-Identifier: MIT */
/* child.h: a child process with a socketpair as its descriptor 3 and a pipe for what it prints. For
 * a process that runs an event loop and has no handler of SIGCHLD: the end of the child is read
 * from descriptors, and nobody else's children are waited for. */
#ifndef MININGOS_CHILD_H
#define MININGOS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/util/error.h"

struct child {
	pid_t pid;   /* 0: there is none */
	int channel; /* our end, non-blocking; -1 */
	int output;  /* its standard output and error, non-blocking; -1 */
	int exit;    /* readable when it has ended (a pidfd); -1 where the kernel has none */
};

/* Starts PROGRAM (a path). The child is the leader of a process group of its own, gets SIGKILL when
 * this process dies, has default signals, DIRECTORY as its working directory, /dev/null as its
 * standard input, no core dumps, and no other descriptor than those four. A program that can't be
 * executed ends with 127. ADIT_E_IO. */
int32_t child_start(struct child *c, const char *program, char *const argv[], char *const envp[],
		    const char *directory, struct error *e);
void child_kill(const struct child *c);  /* SIGKILL to its group */
bool child_ended(const struct child *c); /* though not waited for yet */
/* Waits until it has ended, kills what it has left behind and closes all descriptors: `pid` is 0
 * then. WHY says how it ended: "exit status 3", "killed by signal 9". */
void child_wait(struct child *c, char *why, size_t size);

#endif
