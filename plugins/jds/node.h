/* SPDX-License-Identifier: MIT */
/*
 * node.h: what is asked of the node through NodeAPI (adit/node.h). Jobs wait in one line for their
 * turn: a few calls at a time, so that declarations, however many, leave the node to those who
 * submit blocks.
 */
#ifndef JDS_NODE_H
#define JDS_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/util/error.h"
#include "plugins/jds/jobs.h"

#define JDS_NODE_CALLS_MAX 4

/* Follows the tip from now on. */
int32_t node_start(struct jds *jds, struct error *e);
/* Puts JOB at the end of the line; declare_turn() is called when it is its turn. */
void node_line_up(struct jds_job *job);
/* Of JOB, whose turn it is: a call of METHOD with ATTACHMENT. FN gets the job, and has to go on
 * with it. False when the call can't be made. */
bool node_call(struct jds_job *job, const char *method, const struct buf *attachment,
	       adit_reply_fn fn);
/* To be called by FN first: the turn is over, the next one begins. */
void node_called(struct jds_job *job);
/* JOB goes: out of the line, and whatever is under way is cancelled. */
void node_forget(struct jds_job *job);

#endif
