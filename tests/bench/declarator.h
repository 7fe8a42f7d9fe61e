/* SPDX-License-Identifier: MIT */
/*
 * declarator.h: a job declarator that does one step after the other, on three connections. Whatever
 * goes wrong, or takes longer than a minute, ends the program.
 */
#ifndef BENCH_DECLARATOR_H
#define BENCH_DECLARATOR_H

#include <stddef.h>
#include <stdint.h>

#include "lib/noise/noise.h"
#include "lib/util/buf.h"
#include "tests/unit/declarer.h"

struct declarator_line {
	int fd; /* -1: closed */
	struct noise_cipher send;
	struct noise_cipher receive;
	struct buf sealed; /* one frame */
};

struct declarator {
	struct declarator_line templates;
	struct declarator_line declaration;
	struct declarator_line mining;
	struct declarer work;
	uint8_t token[255];
	uint32_t token_size;
	uint32_t requests;
	uint32_t channel;
	uint64_t template_ns; /* when the template was there, monotonic */
};

/* Connects to a template provider, takes its template and the transactions of it, and closes. */
void declarator_template(struct declarator *d, uint16_t port);
/* Connects to a job declaration server. */
void declarator_declaration(struct declarator *d, uint16_t port);
/* Connects to a pool and opens an extended channel. */
void declarator_mining(struct declarator *d, uint16_t port);
/* Takes a token and makes of the work what can be declared. */
void declarator_prepare(struct declarator *d);
/* Declares it; returns how many transactions were asked for. */
uint32_t declarator_declare(struct declarator *d);
/* The two halves of it, for declarations of several at a time: sends it; waits until transactions
 * are asked for, and leaves it at that, or until it is accepted. */
void declarator_begin(struct declarator *d);
void declarator_await_asked(struct declarator *d);
void declarator_await_accepted(struct declarator *d);
/* SetCustomMiningJob of what was declared, until the pool has accepted it. */
void declarator_set_job(struct declarator *d);
void declarator_hang_up(struct declarator_line *l);
void declarator_free(struct declarator *d);

#endif
