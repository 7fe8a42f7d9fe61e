/* SPDX-License-Identifier: MIT */
/* block.h: the block that a declared job makes. Knows neither connections nor the node. */
#ifndef JDS_BLOCK_H
#define JDS_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/bitcoin/tx.h"
#include "lib/util/buf.h"
#include "plugins/jds/jobs.h"

/* Whether the job's transactions, all of which are there, can be a block together: weight and
 * legacy signature operations. NULL, or what is wrong. */
const char *block_limits(const struct jds_job *job);
/* The siblings of the coinbase, from the transactions, into the job. False without memory. */
bool block_path(struct jds_job *job);
/* BIP141: the coinbase commits to the transactions' witnesses, or need not. NULL, or what is wrong;
 * for nodes that can't check blocks. */
const char *block_commitment(const struct jds_job *job);
/* The header's merkle root with EXTRANONCE (of the coinbase's extranonce_size). False without
 * memory. */
bool block_root(const struct jds_job *job, const uint8_t *extranonce, uint8_t root[32]);
/* The whole block, appended to OUT; HEADER's merkle root is filled in. False without memory. */
bool block_make(const struct jds_job *job, struct block_header *header, const uint8_t *extranonce,
		struct buf *out);

#endif
