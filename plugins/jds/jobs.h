/* SPDX-License-Identifier: MIT */
/*
 * jobs.h: jobs of clients, from DeclareMiningJob until they are of no use any more. A declared job
 * is kept for PushSolution until the tip changes, JDS_DECLARED_MAX of a client at most. All jobs of
 * the process share one memory bound; who has most loses its oldest declared job first, which costs
 * only that this server can't publish a block of it. Half of it is all that declarations under way
 * may take, whoever's they are: of those, too, who has most loses the oldest. Of a declaration that
 * counts what is there because of it: transactions that others have as well cost nothing more.
 */
#ifndef JDS_JOBS_H
#define JDS_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "lib/bitcoin/declared_coinbase.h"
#include "lib/bitcoin/merkle.h"
#include "plugins/jds/jds.h"

#define JDS_DECLARED_MAX 8
/* No block has more transactions than its weight allows for ones of 60 bytes without witness. */
#define JDS_TXS_MAX 16666

enum jds_state {
	JDS_LOOKUP,   /* the node is asked, or about to be, for transactions */
	JDS_MISSING,  /* the client is */
	JDS_EARLY,    /* for a tip that the node does not have yet */
	JDS_CHECK,    /* the node checks the block, or is about to */
	JDS_DECLARED, /* kept for PushSolution */
};

struct jds_job {
	TAILQ_ENTRY(jds_job) of_client; /* oldest first */
	TAILQ_ENTRY(jds_job) in_line;
	struct jds_client *client;
	enum jds_state state;
	bool lined_up;
	bool calling; /* the node */
	bool timed;
	uint64_t call;
	uint64_t timer; /* valid while timed */
	uint64_t
	    patience_ms; /* monotonic; until when a busy node is asked again; 0: it wasn't busy */
	uint32_t request_id;
	struct job_token token; /* it was declared with */

	uint32_t version;
	uint8_t prev_hash[32]; /* of the tip it was checked on, from JDS_CHECK on */
	uint32_t nbits;
	uint32_t min_ntime;
	uint8_t *prefix; /* of the coinbase, as declared; owned */
	size_t prefix_size;
	uint8_t *suffix; /* owned */
	size_t suffix_size;
	struct declared_coinbase coinbase; /* of these two */
	uint32_t depth;
	uint8_t path[MERKLE_MAX_DEPTH][32];

	size_t held;         /* bytes of all of this */
	size_t brought;      /* with the transactions that nobody had before it */
	size_t bytes;        /* with all transactions, as if nobody else had them */
	uint8_t *wtxids;     /* 32 bytes each; owned; NULL once all are there */
	struct jds_tx **txs; /* NULL: missing; owned, with a reference each */
	uint32_t count;
	uint32_t missing;
	uint64_t weight; /* of those that are there */
};

/* A job of CLIENT from its declaration; its coinbase has been read into COINBASE already, and
 * points into M. NULL without memory. */
struct jds_job *job_new(struct jds_client *client, const struct adit_sv2_declare_mining_job *m,
			const struct declared_coinbase *coinbase);
/* Ends whatever is under way for it. */
void job_free(struct jds_job *job);
/* Takes over a reference to TX, which is the one at place I. */
void job_take(struct jds_job *job, uint32_t i, struct jds_tx *tx);
/* It was accepted: forgets what is not needed any more, and its client's oldest when it has too
 * many. */
void job_keep(struct jds_job *job);
/* Which job has to go for the bounds to be kept, declared or under way; NULL: they are. */
struct jds_job *jobs_burden(const struct jds *jds);
/* The tip is another one: declared jobs on others are of no use. */
void jobs_new_tip(struct jds *jds);

#endif
