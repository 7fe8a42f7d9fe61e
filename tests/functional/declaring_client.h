/* SPDX-License-Identifier: MIT */
/*
 * declaring_client.h: a job declarator for tests, with three connections: to a template provider,
 * to a job declaration server, to a pool. It asks, waits for the answer, and does the next step
 * only when it is told to. Failures end the test, and so does what does not come within
 * PROBE_WAIT_MS, whatever else comes meanwhile.
 */
#ifndef FUNCTIONAL_DECLARING_CLIENT_H
#define FUNCTIONAL_DECLARING_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/functional/probe.h"
#include "tests/unit/declarer.h"

struct declaring_client {
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
bool dc_send(struct probe *p, int32_t message, const void *body);
/* Noise and SetupConnection of PROTOCOL with FLAGS. */
void dc_setup(struct probe *p, uint16_t port, uint8_t protocol, uint32_t flags);

/* Connects to a template provider and takes its template with the transactions, of a block at least
 * LEAST_HEIGHT high. */
void dc_templates(struct declaring_client *j, uint16_t port, uint32_t least_height);
void dc_declaration(struct declaring_client *j, uint16_t port, uint32_t flags);
/* With an extended channel of USER. */
void dc_mining(struct declaring_client *j, uint16_t port, const char *user);
/* A token of USER; from now on the work pays what it says. */
void dc_allocate(struct declaring_client *j, const char *user);
/* Declares the work, providing what is missing; the token is the declared job's then. Returns how
 * many transactions were asked for. */
uint32_t dc_declare(struct declaring_client *j);
/* Answers PROVIDE out of the work; returns how many transactions were asked for. */
uint32_t dc_provide(struct declaring_client *j,
		    const struct adit_sv2_provide_missing_transactions *p);
/* Sets the work as custom job; NULL, or the error code (static storage). */
const char *dc_set_job(struct declaring_client *j);
/* Searches on for a share, or for a block, and submits it: NULL when it was accepted, else the
 * error code (static storage). */
const char *dc_share(struct declaring_client *j, bool block);
/* PushSolution of what was submitted last. */
void dc_push(struct declaring_client *j);
void dc_close(struct declaring_client *j);

#endif
