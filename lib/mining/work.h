/* SPDX-License-Identifier: MIT */
/*
 * work.h: templates go out to the channels as jobs. A message to the groups of a payout class is
 * encoded once and its frame sent to every connection that has one; a class's group id is the same
 * on all of them and job ids are counted for the whole process, so a job has the same id wherever
 * it went.
 */
#ifndef MINING_WORK_H
#define MINING_WORK_H

#include <stdbool.h>

#include "lib/mining/channels.h"
#include "lib/mining/templates.h"

/* The next of the job ids of this process. */
uint32_t work_job_id(struct mining *mining);
/* T may be activated by a SetNewPrevHash to come: a future job to everyone. */
void work_future(struct mining *mining, struct template *t);
/* T stands on the present tip: a job to be mined at once. */
void work_now(struct mining *mining, struct template *t);
/* T, whose tip is set, replaces everything: SetNewPrevHash, or work_now() on an unchanged tip. */
void work_switch(struct mining *mining, struct template *t);
/* What a channel that was just opened gets: its first job and the tip, then announced futures. */
int32_t work_channel_start(struct channel *channel);
/* What is mined and announced goes out once more as new jobs, since the coinbases are others now.
 */
void work_refresh(struct mining *mining);
/* CHANNEL has moved to another group: SetGroupChannel, unless its connection takes standard jobs
 * only, where groups are nothing that messages are sent to. Jobs of the new group are owed:
 * work_refresh() has to follow. */
void work_set_group(struct channel *channel);
/* SetExtranoncePrefix with a new prefix and, so that it takes effect, a new job as work_retarget()
 * sends it. False when there can be none at present (channel_renew_prefix()). */
bool work_renew_prefix(struct channel *channel);
/* SetTarget and, so that it takes effect, a new job of the current template (at most one a second:
 * otherwise later, by work_tick() or work_late_jobs()). */
void work_retarget(struct channel *channel);
/* SetTarget alone; the job is owed. */
void work_send_target(struct channel *channel);
/* SetExtranoncePrefix alone; the job is owed. */
void work_send_prefix(struct channel *channel);
/* Whether there is something to mine, for a new channel, too. */
bool work_there(const struct mining *mining);
/* The future work of the present source; *COUNT of it. */
struct template *const *work_futures(const struct mining *mining, uint32_t *count);
/* Future work that went out will not be activated. */
void work_forget_announcements(struct mining *mining);
/* Jobs that are still owed to CHANNEL. */
void work_tick(struct channel *channel, uint64_t now_ms);
/* The same for all channels, each second; nothing is done when none had to wait. */
void work_late_jobs(struct mining *mining);

#endif
