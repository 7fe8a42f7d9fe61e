/* SPDX-License-Identifier: MIT */
/*
 * harness.h: a real aditd for a test: a directory of its own, a configuration, free loopback ports,
 * the plugins of the build tree, and the control socket to look at it.
 *
 * One daemon a test, in the global `harness`; harness_setup and harness_teardown are check
 * fixtures. Everything that can go wrong ends the test and shows the end of the daemon's log.
 * The directory is in $TMPDIR, or in /tmp when that is long; $ADIT_TEST_KEEP keeps it.
 * Waiting is polling with a bound, never a fixed sleep. Time limits are generous: they say when to
 * give up, and are multiplied by $ADIT_TEST_SLOW (a whole number) on machines that need it.
 */
#ifndef FUNCTIONAL_HARNESS_H
#define FUNCTIONAL_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <check.h>
#include <json-c/json.h>

#include "host/aditctl/control.h"
#include "host/aditctl/json.h"

/* How long anything that is waited for may take, and a whole test (seconds): much longer than on an
 * idle machine, and only ever spent by what fails. */
#define HARNESS_WAIT_MS 60000
#define HARNESS_TEST_S 200 /* make check multiplies it by $CK_TIMEOUT_MULTIPLIER, 5 */

/* An address of the regtest network: the P2WPKH example of BIP173, under the prefix bcrt. */
#define HARNESS_ADDRESS "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

struct harness {
	char directory[64];
	char config[96];  /* DIRECTORY/adit.conf */
	char log[96];     /* what aditd wrote to standard error */
	char socket[96];  /* its control socket */
	uint16_t port;    /* on which sv2-server listens */
	unsigned workers; /* of process `mining`, 1; to be set before it is configured */
	const char *server_keys; /* more lines for [sv2-server], or NULL; likewise */
	const char *plugins; /* a plugin folder instead of the build tree's, or NULL; likewise */
	const char *program; /* to run instead of the build tree's aditd, or NULL; likewise */
	/* More addresses: behind the template provider's socket; before it in the pool's list (each
	 * with a comma). NULL: none; likewise. */
	const char *tp_listen;
	const char *providers;
	pid_t pid;        /* of aditd, 0: not running */
	struct control control;
	bool connected;
	bool beside;    /* this process has other children, which outlive the daemon */
	bool no_grants; /* sections get no `grant = all`: set by tests of just that */
};

extern struct harness harness;

void harness_setup(void);
/* Stops a daemon that still runs, asserting as harness_stop() does, and removes the directory. */
void harness_teardown(void);

/* Fails the test with a text unless CONDITION holds. */
#define must(condition, ...)                                                                       \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			harness_report();                                                          \
			ck_abort_msg(__VA_ARGS__);                                                 \
		}                                                                                  \
	} while (0)
/* Writes the end of the daemon's log and the last status to standard error. */
void harness_report(void);

/* --- configuration --- */
/* Appends to adit.conf; after the line [ROLE] comes `grant = all`, which plugins of a build tree
 * need that is not root's. */
void harness_configure(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A whole pool: [host], [node] on the embedded chain with difficulty NBITS, sv2-server and pool in
 * process `mining`, template-provider in process `templates`. POOL_KEYS are more lines for [pool].
 * No miner. */
void harness_configure_pool(const char *nbits, const char *pool_keys);
/* A section [cpu-miner@NAME]; HASHRATE in hashes a second, 0: as fast as it can. */
void harness_configure_miner(const char *name, const char *channel, unsigned hashrate);
/* A TCP port on 127.0.0.1 that was free a moment ago. */
uint16_t harness_free_port(void);

/* --- life --- */
/* Runs `aditd -c CONFIG EXTRA...` to its end and returns its exit status; *OUTPUT (freed by the
 * caller) is what it wrote on both streams. */
int harness_run(const char *extra, char **output);
/* Runs `aditctl -s SOCKET ARGUMENTS`, the arguments as a shell reads them, and returns its exit
 * status; *OUTPUT (freed by the caller) is what it wrote on both streams. */
int harness_aditctl(const char *arguments, char **output);
/* Starts aditd and waits until its control socket answers. */
void harness_start(void);
/* Waits until the node is ready and all enabled roles run. */
void harness_wait_running(void);
/* SIGTERM; asserts that aditd ends with status 0 and leaves no process behind. */
void harness_stop(void);
/* The same when somebody else (aditctl stop) has told it to. */
void harness_await_end(void);

/* --- looking --- */
/* The result of a control request; the caller's. */
struct json_object *harness_request(const char *method, struct json_object *params);
struct json_object *harness_status(void);
/* The entry of a role instance ("pool") in a status; borrowed, NULL when there is none. */
struct json_object *harness_role(struct json_object *status, const char *name);
/* What worker INDEX (from 0) of ROLE said of itself, and its pid if it runs; NULL and 0 if it
 * doesn't. */
struct json_object *harness_worker_said(struct json_object *status, const char *role, size_t index);
pid_t harness_worker_pid(struct json_object *status, const char *role, size_t index);
/* What the first worker of ROLE said of itself; borrowed, may be NULL while it starts. */
struct json_object *harness_said(struct json_object *status, const char *role);
/* One number out of a fresh status: of a role's own answer, or of "node"; -1 when it isn't there.
 */
int64_t harness_number(const char *role, const char *key);
/* Pid of the first worker of ROLE; 0 while there is none. */
pid_t harness_pid(const char *role);
bool harness_log_has(const char *text);

/* --- waiting --- */
uint64_t harness_limit(uint64_t ms); /* MS times $ADIT_TEST_SLOW */
/* Polls CONDITION until it is true. WHAT completes "gave up waiting until ...". */
void harness_wait(uint64_t ms, bool (*condition)(void *user), void *user, const char *what);
/* Waits until harness_number(ROLE, KEY) >= LEAST and returns it. */
int64_t harness_wait_number(const char *role, const char *key, int64_t least, uint64_t ms);
/* Waits until what `aditctl status` shows contains TEXT. */
void harness_wait_status(const char *text);
/* Waits until the log has TEXT: what a role says comes there in no order with what is seen of it
 * elsewhere. */
void harness_wait_log(const char *text);
/* A short pause between two looks. */
void harness_pause(void);

/* kill -9 of the process of ROLE; returns when the host has another one running, with its pid. */
pid_t harness_kill(const char *role);

#endif
