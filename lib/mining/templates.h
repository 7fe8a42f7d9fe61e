/* SPDX-License-Identifier: MIT */
/*
 * templates.h: a block template made into work: its coinbase up to the extranonce, its merkle path,
 * its tip; and what follows the extranonce, which is different for each payout class. Counted
 * references: providers and the current state hold a template, jobs a coinbase, that its template.
 */
#ifndef MINING_TEMPLATES_H
#define MINING_TEMPLATES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <adit/sv2.h>

#include "lib/bitcoin/merkle.h"
#include "lib/mining/classes.h"
#include "lib/util/buf.h"
#include "lib/util/error.h"

#define TEMPLATE_SCRIPT_MAX                                                                        \
	8 /* bytes at the front of the script, of a template provider                              \
	     (specification 07 section 7.2) */

struct mining;
struct provider;

/* What stands on: SetNewPrevHash of the template distribution protocol. */
struct tip {
	uint8_t prev_hash[32]; /* as it stands in the header */
	uint8_t target[32];    /* a block's hash is at or below it */
	double hashes;         /* expected for a block */
	uint32_t nbits;
	uint32_t min_ntime; /* Unix seconds; where miners start */
};

struct template
{
	uint32_t refs;
	struct mining *mining; /* for its hooks; NULL: none is called */
	struct provider
	    *provider; /* borrowed; lives as long as the engine. NULL: not of a template provider */
	size_t *account; /* where its bytes are counted, NULL: nowhere */
	size_t account_size;
	uint64_t id;     /* as the provider counts */
	uint32_t job_id; /* under which it last went to all channels */
	bool announced;  /* as a future job that no new tip has ended */
	bool due;        /* to be announced, unless its tip came with it */
	uint32_t version;
	uint32_t height;   /* 0: the coinbase prefix does not tell */
	uint64_t value;    /* satoshi */
	struct tip tip;    /* of a future template: zeros until it is activated */
	struct buf prefix; /* coinbase up to the extranonce, stripped of BIP141 */
	uint32_t sequence; /* of the coinbase's input */
	uint32_t lock_time;
	struct buf outputs; /* the template's own, which go last */
	uint32_t outputs_count;
	uint32_t depth; /* elements of `path` */
	uint8_t path[MERKLE_MAX_DEPTH][32];

	bool version_rolling;  /* clients may change the BIP323 bits */
	uint8_t base_size;     /* of the extranonce when this was made */
	uint32_t base_edition; /* of an upstream's job: for that one alone */
	uint32_t tx_version;   /* of the coinbase */
	struct buf script;     /* what it begins its script with */
	struct coinbase
	    *only; /* an upstream's job: it is the coinbase for all classes, lives as long
		      as the template, and its references are the template's. Else NULL */
};

/* What follows the extranonce, for one class. */
struct coinbase {
	uint32_t refs;
	struct template *template;  /* one reference */
	struct payout_class *class; /* NULL: of payouts that are past */
	LIST_ENTRY(coinbase) link;  /* in that class's list */
	bool pays_own;              /* an output of the role's own was reckoned with */
	uint32_t edition;           /* of the role's outputs */
	void *role;                 /* the role's, see mining.h; NULL at first */
	struct buf suffix;          /* stripped of BIP141 */
};

/* What goes into the role's coinbases, besides the template's. */
struct coinbase_parts {
	const char *tag; /* may be empty */
	size_t extranonce_size;
	uint8_t base_size; /* of it */
	bool version_rolling;
	uint32_t outputs_size; /* bytes of outputs that providers were told to leave room for */
};

/* Checks MESSAGE and makes it into work, with one reference. NULL with E filled. */
struct template *template_new(const struct adit_sv2_new_template *message,
			      const struct coinbase_parts *parts, struct error *e);
/* T, made by template_new(), once more with other PARTS, for the same place: job id and
 * announcement are T's. NULL with E. */
struct template *template_again(const struct template *t, const struct coinbase_parts *parts,
				struct error *e);
/* JOB of an upstream as a template with its one coinbase, whose role pointer is ROLE; `tip` is to
 * be set. FULL bytes of extranonce go between its halves, BASE of them the upstream's. NULL with E,
 * ADIT_E_PROTOCOL when the halves are no coinbase around those. */
struct template *template_whole(struct mining *mining,
				const struct adit_sv2_new_extended_mining_job *job, size_t full,
				uint8_t base, void *role, struct error *e);
struct template *template_ref(struct template *t);
/* Drops a reference; T may be NULL. */
void template_unref(struct template *t);

/* A tip whose target is what NBITS say; ADIT_E_PROTOCOL when they are no target. */
int32_t tip_set(struct tip *tip, const uint8_t prev_hash[32], uint32_t nbits, uint32_t min_ntime,
		struct error *e);
/* Reads MESSAGE; ADIT_E_PROTOCOL when its nBits are no valid target. */
int32_t tip_read(struct tip *tip, const struct adit_sv2_template_set_new_prev_hash *message,
		 struct error *e);

/* The coinbase of T for CLASS, with one reference for the caller: the one that is there already,
 * else a new one that divides the reward as the hook outputs() of MINING says. NULL: no memory. */
struct coinbase *coinbase_take(struct mining *mining, struct template *t,
			       struct payout_class *class);
struct coinbase *coinbase_ref(struct coinbase *c);
/* Drops a reference; C may be NULL. */
void coinbase_unref(struct coinbase *c);
/* Merkle root of C's block with this extranonce, given in two pieces; nothing is allocated. */
void coinbase_merkle_root(const struct coinbase *c, const uint8_t *extranonce_prefix,
			  size_t extranonce_prefix_size, const uint8_t *extranonce,
			  size_t extranonce_size, uint8_t out[32]);

#endif
