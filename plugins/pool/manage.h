/* SPDX-License-Identifier: MIT */
/*
 * manage.h: the methods by which a pool is looked at and managed, adit-pool(8). They are also
 * called under the name `stratum-v2` (aliases in the manifest).
 */
#ifndef POOL_MANAGE_H
#define POOL_MANAGE_H

#include <stdint.h>

#include "lib/util/error.h"

struct pool;

/* Registers all methods of the role and opens the share log, mining_begin(). */
int32_t manage_start(struct pool *pool, struct error *e);

#endif
