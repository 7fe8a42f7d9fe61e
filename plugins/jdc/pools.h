/* SPDX-License-Identifier: MIT */
/* pools.h: the pools, and which of them is worked for. */
#ifndef JDC_POOLS_H
#define JDC_POOLS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/util/error.h"

struct jdc;
struct jdc_pool;
struct pool_settings;

/* At start: the configured pools; they are connected to as soon as it is known whether there are
 * templates. */
int32_t pools_start(struct jdc *jdc, struct error *e);
/* Disconnects and frees all. */
void pools_stop(struct jdc *jdc);
/* A pool with SETTINGS (copied), before the others. NULL: no memory, or no place. */
struct jdc_pool *pools_add_first(struct jdc *jdc, const struct pool_settings *settings);
/* Disconnects and frees POOL. */
void pools_remove(struct jdc *jdc, struct jdc_pool *pool);
/* The configuration has other pools: those of it replace those that were. */
int32_t pools_reload(struct jdc *jdc, struct error *e);
/* POOL is tried at once, and worked for as soon as it gives work. */
void pools_prefer(struct jdc *jdc, struct jdc_pool *pool);
/* Template providers have work, or have none any more. */
void pools_templates(struct jdc *jdc, bool there);
/* In how many milliseconds POOL may be tried again; 0: now, or it is being tried; UINT64_MAX: it is
 * connected. */
uint64_t pool_next_ms(const struct jdc_pool *pool, uint64_t now_ms);
/* Each second. */
void pools_second(struct jdc *jdc, uint64_t now_ms);

#endif
