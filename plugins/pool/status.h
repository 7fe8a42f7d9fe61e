/* SPDX-License-Identifier: MIT */
/* status.h: what administrators see: the state line and the methods `status`, `list_channels`,
 * `list_jobs` and `list_workers`. */
#ifndef POOL_STATUS_H
#define POOL_STATUS_H

#include <stdint.h>

struct pool;

/* Rewrites the state line. */
void status_update(struct pool *pool);
/* Registers the methods. */
int32_t status_start(struct pool *pool);

#endif
