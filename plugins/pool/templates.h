/* SPDX-License-Identifier: MIT */
/*
 * templates.h: a block template made into work: its coinbase cut where the extranonce goes, its
 * merkle path, its tip. Counted references; jobs, providers and the current state hold one each.
 */
#ifndef POOL_TEMPLATES_H
#define POOL_TEMPLATES_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/sv2.h>

#include "lib/bitcoin/merkle.h"
#include "lib/util/buf.h"
#include "lib/util/error.h"
#include "plugins/pool/payout.h"

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
	struct provider *provider; /* borrowed; lives as long as the pool */
	uint64_t id;               /* as the provider counts */
	uint32_t job_id;           /* under which it last went to all channels */
	bool announced;            /* as a future job that no new tip has ended */
	uint32_t version;
	uint32_t height;   /* 0: the coinbase prefix does not tell */
	uint64_t value;    /* satoshi */
	struct tip tip;    /* of a future template: zeros until it is activated */
	struct buf prefix; /* coinbase up to the extranonce, stripped of BIP141 */
	struct buf suffix; /* and after it */
	uint32_t depth;    /* elements of `path` */
	uint8_t path[MERKLE_MAX_DEPTH][32];
};

/* What a coinbase of this pool consists of, besides the template. */
struct coinbase_parts {
	const struct payout *payout;
	const char *tag; /* goes into the scriptSig; may be empty */
	size_t extranonce_size;
};

/* Checks MESSAGE and makes it into work, with one reference. NULL with E filled. */
struct template *template_new(const struct adit_sv2_new_template *message,
			      const struct coinbase_parts *parts, struct error *e);
struct template *template_ref(struct template *t);
/* Drops a reference; T may be NULL. */
void template_unref(struct template *t);

/* Reads MESSAGE; ADIT_E_PROTOCOL when its nBits are no valid target. */
int32_t tip_read(struct tip *tip, const struct adit_sv2_template_set_new_prev_hash *message,
		 struct error *e);

/* Merkle root of T's block with this extranonce, given in two pieces; nothing is allocated. */
void template_merkle_root(const struct template *t, const uint8_t *extranonce_prefix,
			  size_t extranonce_prefix_size, const uint8_t *extranonce,
			  size_t extranonce_size, uint8_t out[32]);

#endif
