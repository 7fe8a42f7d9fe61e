/* SPDX-License-Identifier: MIT */
/*
 * work.h: templates go out to the channels as jobs. A message to the group is encoded once and its
 * frame sent to every connection; the group's id is the same on all of them and job ids are counted
 * for the whole process, so a job has the same id wherever it went.
 */
#ifndef POOL_WORK_H
#define POOL_WORK_H

#include <stdbool.h>

#include "plugins/pool/channels.h"
#include "plugins/pool/templates.h"

/* T may be activated by a SetNewPrevHash to come: a future job to everyone. */
void work_future(struct pool *pool, struct template *t);
/* T stands on the present tip: a job to be mined at once. */
void work_now(struct pool *pool, struct template *t);
/* T, whose tip is set, replaces everything: SetNewPrevHash, or work_now() on an unchanged tip. */
void work_switch(struct pool *pool, struct template *t);
/* What a channel that was just opened gets: its first job and the tip, then announced futures. */
int32_t work_channel_start(struct channel *channel);
/* SetTarget and, so that it takes effect, a new job of the current template (at most one a second:
 * otherwise later, by work_tick()). */
void work_retarget(struct channel *channel);
/* Jobs that are still owed to CHANNEL. */
void work_tick(struct channel *channel, uint64_t now_ms);

#endif
