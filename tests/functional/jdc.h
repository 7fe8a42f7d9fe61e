/* SPDX-License-Identifier: MIT */
/*
 * jdc.h: a job declarator for tests, with three connections: to a template provider, to a job
 * declaration server, to a pool. It asks, waits for the answer, and does the next step only when it
 * is told to. Failures end the test, and so does what does not come within PROBE_WAIT_MS, whatever
 * else comes meanwhile.
 */
#ifndef FUNCTIONAL_JDC_H
#define FUNCTIONAL_JDC_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/functional/probe.h"
#include "tests/unit/declarer.h"

struct jdc {
	struct probe templates;
	struct probe declaration;
	struct probe mining;
	struct declarer work; /* of the newest template */
	uint64_t template_id;
	uint32_t requests;
	uint32_t channel;
	struct adit_u256 target; /* of shares */
	uint8_t extranonce[DECLARER_EXTRANONCE];
	uint32_t prefix_size; /* of it, given by the pool */
	uint32_t job;         /* the one that is mined */
	uint32_t nonce;
	uint32_t sequence;
	uint8_t hash[32];
	uint8_t token[255];
	uint32_t token_size;
};

/* Encodes and sends a message of any size. False when the server has closed. */
bool jdc_send(struct probe *p, int32_t message, const void *body);
/* Noise and SetupConnection of PROTOCOL with FLAGS. */
void jdc_setup(struct probe *p, uint16_t port, uint8_t protocol, uint32_t flags);

/* Connects to a template provider and takes its template with the transactions, of a block at least
 * LEAST_HEIGHT high. */
void jdc_templates(struct jdc *j, uint16_t port, uint32_t least_height);
void jdc_declaration(struct jdc *j, uint16_t port, uint32_t flags);
/* With an extended channel of USER. */
void jdc_mining(struct jdc *j, uint16_t port, const char *user);
/* A token of USER; from now on the work pays what it says. */
void jdc_allocate(struct jdc *j, const char *user);
/* Declares the work, providing what is missing; the token is the declared job's then. Returns how
 * many transactions were asked for. */
uint32_t jdc_declare(struct jdc *j);
/* Answers PROVIDE out of the work; returns how many transactions were asked for. */
uint32_t jdc_provide(struct jdc *j, const struct adit_sv2_provide_missing_transactions *p);
/* Sets the work as custom job; NULL, or the error code (static storage). */
const char *jdc_set_job(struct jdc *j);
/* Searches on for a share, or for a block, and submits it: NULL when it was accepted, else the
 * error code (static storage). */
const char *jdc_share(struct jdc *j, bool block);
/* PushSolution of what was submitted last. */
void jdc_push(struct jdc *j);
void jdc_close(struct jdc *j);

#endif
