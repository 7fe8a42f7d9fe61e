/* SPDX-License-Identifier: MIT */
/*
 * orders.h: update_pool_config: a fleet manager names the pool. It becomes the first of the pools
 * at once, and if it gives no job in time everything is as it was before. Not kept over a restart.
 */
#ifndef JDC_ORDERS_H
#define JDC_ORDERS_H

#include <stdint.h>

#include <adit/plugin.h>

struct jdc;
struct jdc_pool;

/* The method; USER is the struct jdc. */
void on_update_pool_config(void *user, struct adit_request *request,
			   const struct adit_request_info *info);
/* Some times a second: has the ordered pool proved itself, or is it too late? */
void order_tick(struct jdc *jdc, uint64_t now_ms);
/* The pools are about to be others: nothing is rolled back any more. */
void order_forget(struct jdc *jdc);

#endif
