/* SPDX-License-Identifier: MIT */
/* submit.h: the way of a found block to the node. A block is noted in the journal, sent, and sent
 * again with back-off for as long as the node is not there and the tip has not moved; it is struck
 * out when the node has judged it.
 *
 * A block of a template that is at the node (struct tp_origin) goes there straight. When that
 * brings no acceptance in time, for whatever reason, it goes to the role `node`. That role hears of
 * an accepted one too: it counts blocks and tells of them, and may have another node.
 *
 * A block whose template is at the node no more, since it is of an earlier run or the session
 * ended, goes to the role `node` and to the node that templates come from, both at a time, and
 * again with each try. The first that takes it is enough, and a refusal is one when both have
 * spoken. */
#ifndef TP_SUBMIT_H
#define TP_SUBMIT_H

#include "lib/util/buf.h"
#include "plugins/template-provider/host.h"
#include "plugins/template-provider/snapshot.h"

/* Blocks under way. One more than that is left to the journal. */
#define TP_SUBMIT_MAX 16

struct tp_submitter;

struct tp_submit_stats {
	uint64_t accepted;
	uint64_t rejected;
	uint32_t pending;
	const char *last_reject; /* borrowed; "" when there was none */
};

/* HOST is borrowed for the life of the submitter; DIR (copied) is the journal's directory. NULL: no
 * memory. */
struct tp_submitter *tp_submitter_new(const struct tp_host *host, const char *dir);
/* Cancels what is under way; the journal keeps it. */
void tp_submitter_free(struct tp_submitter *s);

/* Hands BLOCK (borrowed as long as DONE of the answer is set), whose template is not known any
 * more, to the node that templates come from, as soon as that is there. DONE as in struct
 * tp_origin. NULL: there is no such way. */
typedef struct tp_attempt *
tp_way_fn(void *user, const uint8_t *block, size_t size,
	  void (*done)(void *user, enum tp_verdict verdict, const char *text), void *done_user);

/* Sends the blocks of an earlier life again, by the role `node` and by WAY, which gets USER, may be
 * NULL, and is the submitter's from now on. */
void tp_submitter_resume(struct tp_submitter *s, tp_way_fn *way, void *user);
/* Sends BLOCK (serialized; its storage is taken over, also on failure) with HASH in internal order.
 * ORIGIN (may be NULL, used within the call only) is that of its snapshot, WHOLE as in struct
 * tp_origin. The same block again while it is under way is nothing new. */
void tp_submit(struct tp_submitter *s, const uint8_t hash[32], struct buf *block,
	       struct tp_origin *origin, bool whole);
/* PREV_HASH is the tip now. Blocks that build on another one get a last try, at once. */
void tp_submitter_tip(struct tp_submitter *s, const uint8_t prev_hash[32]);
/* A solution was refused here, before the node saw it. */
void tp_submitter_refused(struct tp_submitter *s, const char *reason);
void tp_submitter_stats(const struct tp_submitter *s, struct tp_submit_stats *out);

#endif
