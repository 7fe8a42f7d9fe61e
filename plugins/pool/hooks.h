/* SPDX-License-Identifier: MIT */
/* hooks.h: what the engine for miners asks the pool, and tells it. */
#ifndef POOL_HOOKS_H
#define POOL_HOOKS_H

#include "lib/mining/mining.h"

/* Context is the struct pool. */
extern const struct mining_hooks pool_hooks;

#endif
