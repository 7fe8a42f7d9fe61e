/* SPDX-License-Identifier: MIT */
/* status.h: what administrators see. */
#ifndef JDC_STATUS_H
#define JDC_STATUS_H

#include <stdint.h>

struct jdc;

/* Registers the methods. */
int32_t status_start(struct jdc *jdc);
/* The state line of `aditctl status`. */
void status_update(struct jdc *jdc);

#endif
