/* SPDX-License-Identifier: MIT */
/*
 * rig.h: a whole pool to load: aditd with the embedded chain, a template provider, and sv2-server
 * and pool in one process (or several), whose CPU time is what is measured.
 */
#ifndef BENCH_RIG_H
#define BENCH_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/bench/daemon.h"

#define RIG_TRANSACTIONS 3000 /* so many give a merkle path of 12 levels */
#define RIG_LEVELS 12

struct rig {
	struct daemon daemon;
	uint16_t port;
	pid_t ticker;
};

/* What rig_start_as() makes of it. */
struct rig_kind {
	size_t connections;
	unsigned workers;
	unsigned empty_first;   /* key of the template provider */
	const char *ipc_socket; /* of a node on regtest, whose templates are used; NULL: the
				   embedded chain's */
	bool easy;              /* every other hash is a block: a tip costs the node no search */
};

/* A TCP port on 127.0.0.1 that was free a moment ago. */
uint16_t rig_free_port(void);
/* Starts it for CONNECTIONS connections over WORKERS processes, on a chain of one block and without
 * transactions. Says on standard error which limits it lifted. */
void rig_start(struct rig *r, size_t connections, unsigned workers);
/* The same of other kinds. An IPC node's chain is not mined on. */
void rig_start_as(struct rig *r, const struct rig_kind *kind);
void rig_stop(struct rig *r);
/* Adds COUNT transactions to the mempool: a new template, and jobs from it. */
void rig_add_transactions(struct rig *r, unsigned count);
/* A new tip. */
void rig_new_tip(struct rig *r);
/* A process that makes a new tip, and half a second later a new job, each second, until it is
 * stopped. It keeps the merkle path at 12 levels, also when a share was a block. */
void rig_tick_start(struct rig *r);
void rig_tick_stop(struct rig *r);

#endif
