/* SPDX-License-Identifier: MIT */
/*
 * jds.h: one instance of the role `jds`, a job declaration server (specification 06).
 *
 *   clients.c   connections: tokens are given out
 *   declare.c   a declaration on its way: which transactions are missing, who is asked, what is
 * said jobs.c      declared jobs and what they hold;  txs.c  the transactions, each kept once
 *   block.c     the block that a job makes, and what can be said of it without the node
 *   node.c      what is asked of the node, a few at a time
 *   solution.c  PushSolution: the job that it solves;  submit.c  the block goes to the node
 */
#ifndef JDS_JDS_H
#define JDS_JDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <adit/plugin.h>
#include <adit/sv2.h>

#include "lib/util/buf.h"
#include "plugins/jds/settings.h"
#include "plugins/jds/txs.h"

struct jds_client;
struct jds_job;
struct submission;

TAILQ_HEAD(jds_jobs, jds_job);
TAILQ_HEAD(jds_clients, jds_client);
TAILQ_HEAD(submissions, submission);

/* The chain's tip, as the node told last. */
struct jds_tip {
	uint8_t hash[32];
	uint32_t height;
	uint32_t nbits; /* of the next block */
	uint32_t median_time;
};

struct jds_stats {
	uint64_t tokens;
	uint64_t declared; /* accepted */
	uint64_t refused;
	uint64_t asked; /* transactions asked of clients */
	uint64_t evicted;
	uint64_t shed; /* declarations under way */
	uint64_t solutions;
	uint64_t blocks_accepted;
	uint64_t blocks_rejected;
};

struct jds {
	const struct adit_host_api *api;
	struct adit_host *host;
	struct adit_instance_info info;
	struct jds_settings settings;
	struct token_keys *keys;
	const struct adit_sv2_server_service *server; /* NULL: not serving */
	bool open;

	bool has_tip;
	struct jds_tip tip;
	bool tip_asked;       /* the call is under way */
	bool tip_again;       /* it has changed since it was asked for */
	bool blind_lookup;    /* the node can't look for transactions: said once */
	bool blind_check;     /* nor check blocks */
	uint32_t node_calls;  /* under way */
	bool turn_due;        /* the next in line is called from a timer */
	struct jds_jobs line; /* that wait for their turn to call */

	struct txs txs;
	size_t held;    /* bytes of jobs, their transactions not among them */
	size_t pending; /* bytes that those which are not answered yet have brought */
	uint64_t last_id;
	struct jds_clients clients;
	uint32_t client_count;
	struct submissions submissions; /* blocks that the node has not judged yet */
	uint32_t submission_count;
	struct jds_stats stats;
};

/* One line for the log. */
void jds_log(struct jds *jds, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
