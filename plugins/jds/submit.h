/* SPDX-License-Identifier: MIT */
/*
 * submit.h: a block to the node. It is written to the state directory first, and stays there until
 * the node has judged it: after a crash, or a node that was away for long, the next run sends it
 * again. Written, not synced: the block has to be on its way first; it is synced when the node
 * could not take it at once.
 */
#ifndef JDS_SUBMIT_H
#define JDS_SUBMIT_H

#include <stdint.h>

#include "lib/util/buf.h"
#include "plugins/jds/jds.h"

/* Blocks under way at a time; one more is tried once. */
#define SUBMISSIONS_MAX 64
#define SUBMIT_RETRY_MS 1000
/* Of a node that answers at once that it can't; of one that is away the node service says so after
 * a minute. */
#define SUBMIT_TRIES 60

/* Takes BLOCK's bytes and leaves it empty; HASH is of its header. */
void submit_block(struct jds *jds, const uint8_t hash[32], struct buf *block);
/* At the start: what an earlier run left behind. */
void submit_resume(struct jds *jds);
/* At the stop; what is under way stays on disk. */
void submit_end(struct jds *jds);

#endif
