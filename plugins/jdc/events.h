/* SPDX-License-Identifier: MIT */
/* events.h: what others are told, see adit-events(7). */
#ifndef JDC_EVENTS_H
#define JDC_EVENTS_H

#include <stdint.h>

struct jdc;
struct jdc_pool;
struct judged_share;
struct template;

/* The work is for POOL from now on, or is not any more. */
void events_pool_connected(struct jdc *jdc, const struct jdc_pool *pool);
void events_pool_disconnected(struct jdc *jdc, const struct jdc_pool *pool, const char *reason);
void events_job(struct jdc *jdc, const struct template *t);
void events_block(struct jdc *jdc, const struct judged_share *s);

#endif
