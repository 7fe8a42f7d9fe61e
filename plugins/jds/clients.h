/* SPDX-License-Identifier: MIT */
/* clients.h: connections of job declarators. */
#ifndef JDS_CLIENTS_H
#define JDS_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "plugins/jds/jds.h"

#define JDS_PENDING_MAX 4 /* declarations of one client that are not yet answered */
#define JDS_LATE_MAX 8    /* requests that it did not answer in time */
/* Tokens that a client may ask for at once, and each second after that. */
#define JDS_TOKENS_BURST 1000
#define JDS_TOKENS_RATE 100
#define JDS_WRONG_SOLUTIONS_MAX 100

struct jds_client {
	TAILQ_ENTRY(jds_client) link;
	struct jds *jds;
	struct adit_sv2_conn *conn;
	bool shows_transactions; /* DECLARE_TX_DATA */
	struct jds_jobs jobs;
	uint32_t pending;
	size_t pending_bytes;
	uint32_t declared;
	uint32_t wrong_solutions;
	double tokens; /* left in the bucket */
	uint64_t tokens_ms;
	uint32_t late[JDS_LATE_MAX]; /* request ids, a ring */
	uint32_t late_count;         /* ever */
};

/* The table of this role's side of the job declaration protocol; context is a struct jds. */
extern const struct adit_sv2_job_declaration_server_handlers client_handlers;

#endif
