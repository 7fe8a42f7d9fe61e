/* SPDX-License-Identifier: MIT */
/*
 * fake_upstream.h: a pool and its job declaration server in one process of their own, on two
 * loopback ports with Noise, that do right or wrong as the test says, at any time, and tell what
 * they saw. Orders and records lie in memory that both processes have.
 *
 * The pool takes custom jobs and gives jobs of its own to channels without work selection; it
 *judges every share of either. The declaration server asks for all transactions of a job and looks
 *at them. Jobs are checked by the rules of the protocol, not by a chain: there is no node here.
 *
 *	fake_upstream_start(&u, &(struct fake_options){0});
 *	fake_upstream_answer(&u, FAKE_DECLARATION, FAKE_REFUSED);
 *	... harness_configure("address = 127.0.0.1:%u\nauthority_key = %s\n", u.pool_port, u.key)
 *... fake_upstream_wait(&u, FAKE_DECLARATION, 1); fake_upstream_stop(&u);
 */
#ifndef FUNCTIONAL_FAKE_UPSTREAM_H
#define FUNCTIONAL_FAKE_UPSTREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/noise/keys.h"

/* What a client asks for, in the order in which it does. */
enum fake_step {
	FAKE_SETUP,       /* SetupConnection of the pool */
	FAKE_JDS_SETUP,   /* and of the declaration server */
	FAKE_CHANNEL,     /* OpenExtendedMiningChannel */
	FAKE_TOKEN,       /* AllocateMiningJobToken */
	FAKE_DECLARATION, /* DeclareMiningJob */
	FAKE_CUSTOM_JOB,  /* SetCustomMiningJob */
	FAKE_SHARE,       /* SubmitSharesExtended */
	FAKE_SOLUTION,    /* PushSolution; has no answer */
	FAKE_STEPS
};

/* How it is answered. Setups know FAKE_WELL, FAKE_REFUSED and FAKE_HANG_UP only. */
enum fake_answer {
	FAKE_WELL,
	FAKE_REFUSED, /* with the step's code, see fake_upstream_code() */
	FAKE_LATE,    /* well, after `late_ms` */
	FAKE_NEVER,
	FAKE_TWICE,   /* well, and again */
	FAKE_FOREIGN, /* an answer to what nobody asked; a token that is good for nothing; shares:
		       * an error for one that was never sent */
	FAKE_HANG_UP  /* end of file instead */
};

/* Once, to all channels. */
enum fake_order {
	FAKE_NOTHING,
	FAKE_SET_TARGET, /* half of what it was */
	FAKE_SET_PREFIX, /* another one of the same size */
	FAKE_CLOSE_CHANNEL,
	FAKE_RECONNECT,    /* to the same pool */
	FAKE_CLOSE_POOL,   /* end of file on all mining connections */
	FAKE_CLOSE_JDS,    /* and on the others */
	FAKE_NEW_TIP,      /* for the pool's own jobs */
	FAKE_BAD_COINBASE, /* a job of the pool's that is no transaction */
	FAKE_BAD_PATH,     /* a job whose merkle path no block can have */
	FAKE_BAD_TIP       /* SetNewPrevHash with a job that was never sent */
};

struct fake_options {
	uint32_t nbits;       /* of the pool's own jobs; 0: 0x1f00ffff */
	double difficulty;    /* of shares; 0: 0.000001 */
	uint8_t prefix_size;  /* of the extranonce; 0: 4 */
	uint8_t rolled_size;  /* the client's part; 0: 16 */
	bool no_jds;          /* there is none, and no work selection */
	bool no_worker_names; /* extension 0x0002 is not supported */
};

#define FAKE_TEXT 256
#define FAKE_WORKERS 8

/* Written by the process, read by the test. */
struct fake_records {
	_Atomic uint64_t steps[FAKE_STEPS];    /* how often each was asked for */
	_Atomic uint64_t answered[FAKE_STEPS]; /* how often well */
	_Atomic uint64_t at_ms[FAKE_STEPS];    /* monotonic, when it was answered well last */
	_Atomic uint32_t pool_connections;     /* that are set up now */
	_Atomic uint32_t jds_connections;
	_Atomic uint64_t shares_bad; /* not of a job that was acknowledged, or not good enough */
	_Atomic uint64_t blocks;     /* shares that are */
	_Atomic uint64_t solutions_good;
	_Atomic uint64_t transactions;         /* that were provided, as asked */
	_Atomic uint64_t wrong;                /* messages that break a rule */
	char why[FAKE_TEXT];                   /* of the last of those */
	char user[FAKE_TEXT];                  /* of the last channel */
	char workers[FAKE_WORKERS][FAKE_TEXT]; /* named by shares, each once; "" past the last */
	_Atomic uint32_t worker_count;
};

struct fake_orders {
	_Atomic uint32_t answers[FAKE_STEPS];
	char codes[FAKE_STEPS][48]; /* to be set before the answers */
	_Atomic uint32_t late_ms;
	_Atomic uint32_t order; /* FAKE_NOTHING when it is done */
};

struct fake_shared {
	struct fake_options options;
	struct fake_orders orders;
	struct fake_records records;
};

struct fake_upstream {
	pid_t pid; /* 0: there is none */
	uint16_t pool_port;
	uint16_t jds_port;
	char key[NOISE_KEY_TEXT_SIZE];
	uint8_t secret[32];
	struct fake_shared *shared;
};

/* Starts it; its ports can be connected to when this returns. */
void fake_upstream_start(struct fake_upstream *u, const struct fake_options *options);
/* Ends it as kill -9 does, and forgets all about it. */
void fake_upstream_stop(struct fake_upstream *u);
/* Ends the process as kill -9 does: its ports refuse; the records stay. */
void fake_upstream_kill(struct fake_upstream *u);
/* Starts it again after that, with the same ports and key; records go on. */
void fake_upstream_revive(struct fake_upstream *u);
/* Stops the process: connections come about in the kernel, and nothing is ever said. */
void fake_upstream_freeze(struct fake_upstream *u, bool frozen);

/* From now on. */
void fake_upstream_answer(struct fake_upstream *u, enum fake_step step, enum fake_answer answer);
/* The code of refusals; also makes it FAKE_REFUSED. */
void fake_upstream_refuse(struct fake_upstream *u, enum fake_step step, const char *code);
/* Does it, and returns when that is done. */
void fake_upstream_order(struct fake_upstream *u, enum fake_order order);

uint64_t fake_upstream_asked(const struct fake_upstream *u, enum fake_step step);
uint64_t fake_upstream_answered(const struct fake_upstream *u, enum fake_step step);
/* Waits until STEP was asked for, or answered well, COUNT times in all. */
void fake_upstream_wait_asked(const struct fake_upstream *u, enum fake_step step, uint64_t count);
void fake_upstream_wait(const struct fake_upstream *u, enum fake_step step, uint64_t count);
/* Waits until it has answered well COUNT more of them than now. */
void fake_upstream_wait_more(const struct fake_upstream *u, enum fake_step step, uint64_t count);
/* Fails the test if anything came that breaks the protocol's rules, or a bad share. */
void fake_upstream_check(const struct fake_upstream *u);

/* A port to which connections never come about: its queue is full. */
struct fake_black_hole {
	int fds[16];
	uint16_t port;
};
void fake_black_hole_start(struct fake_black_hole *b);
void fake_black_hole_stop(struct fake_black_hole *b);

#endif
