/* SPDX-License-Identifier: MIT */
/* status.h: what administrators see. */
#ifndef JDC_STATUS_H
#define JDC_STATUS_H

#include <stdint.h>

#include "lib/util/error.h"

struct jdc;

/* Registers the methods and opens the share log, mining_begin(). */
int32_t status_start(struct jdc *jdc, struct error *e);
/* The state line of `aditctl status`. */
void status_update(struct jdc *jdc);

#endif
