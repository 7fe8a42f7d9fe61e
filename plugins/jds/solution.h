/* SPDX-License-Identifier: MIT */
/* solution.h: PushSolution: the block of a declared job goes to the node at once. */
#ifndef JDS_SOLUTION_H
#define JDS_SOLUTION_H

#include <adit/sv2.h>

#include "plugins/jds/clients.h"

/* The message does not say which job it solves: it is the one whose header meets the target with
 * it, so one declared in the same moment does no harm. There is no answer. Returns what the message
 * handler returns. */
int32_t solution_pushed(struct jds_client *client, const struct adit_sv2_push_solution *m);

#endif
