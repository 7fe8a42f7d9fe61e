/* SPDX-License-Identifier: MIT */
/* hooks.h: what happens among the miners. */
#ifndef JDC_HOOKS_H
#define JDC_HOOKS_H

#include "lib/mining/mining.h"

extern const struct mining_hooks jdc_hooks;

#endif
