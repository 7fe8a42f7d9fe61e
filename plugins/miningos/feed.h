/* SPDX-License-Identifier: MIT */
/* feed.h: the events that the role follows, and what each is for. */
#ifndef MININGOS_FEED_H
#define MININGOS_FEED_H

#include <stdint.h>

#include "lib/util/error.h"

struct miningos;

int32_t feed_begin(struct miningos *m, struct error *e);

#endif
