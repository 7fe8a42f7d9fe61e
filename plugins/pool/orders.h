/* SPDX-License-Identifier: MIT */
/* orders.h: what administrators order: the method `renew_extranonce`. */
#ifndef POOL_ORDERS_H
#define POOL_ORDERS_H

#include <stdint.h>

struct pool;

/* Registers the methods. */
int32_t orders_start(struct pool *pool);

#endif
