/* SPDX-License-Identifier: MIT */
/* status.h: what administrators see. */
#ifndef JDS_STATUS_H
#define JDS_STATUS_H

#include "plugins/jds/jds.h"

/* Registers the method `status`. */
int32_t status_start(struct jds *jds);
/* The state line. */
void status_update(struct jds *jds);

#endif
