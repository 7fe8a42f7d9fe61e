/* SPDX-License-Identifier: MIT */
/*
 * tipper.h: a process that makes a new tip when it is told to, so that the benchmark can look at
 * its miners meanwhile: by an order to the embedded node, by being a fake node
 * (tests/capnp/fakenode.cc) itself, or by a command. All take lines and answer each by a line.
 */
#ifndef BENCH_TIPPER_H
#define BENCH_TIPPER_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "tests/bench/rig.h"

struct tipper {
	pid_t pid;
	int orders;
	FILE *answers;
};

/* The fake node is only built where the reference implementation of Cap'n Proto is installed. */
bool tipper_has_fake(void);
/* A fake node that listens at SOCKET, a path that is free. Returns when it listens. */
void tipper_fake(struct tipper *t, const char *socket);
/* Reorganisations of one block in the embedded node of R. */
void tipper_embedded(struct tipper *t, const struct rig *r);
/* COMMAND by the shell; it has to make a block. */
void tipper_command(struct tipper *t, const char *command);
/* Says LINE without waiting for the answer. */
void tipper_say(const struct tipper *t, const char *line);
/* Waits for the answer to what was said last. */
void tipper_answer(const struct tipper *t);
void tipper_stop(struct tipper *t);

#endif
