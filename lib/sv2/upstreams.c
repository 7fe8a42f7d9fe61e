/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/upstreams.h"

#include <stddef.h>
#include <string.h>

#define TICK_MAX_MS 60000

/* --- one upstream ------------------------------------------------------------------------------
 */

static void enter(struct upstream *u, enum upstream_state state, uint64_t now_ms, uint64_t at_ms)
{
	u->state = state;
	u->since_ms = now_ms;
	u->at_ms = at_ms;
}

static bool is_connected(const struct upstream *u)
{
	return u->state >= UPSTREAM_TRYING;
}

/* MIN doubled TIMES times, at most MAX, less up to a quarter. */
static uint32_t back_off(const struct upstreams *all, uint32_t min, uint32_t max, uint32_t times)
{
	uint32_t wait = min;

	while (times-- > 0 && wait < max)
		wait = wait > max / 2 ? max : wait * 2;
	wait = wait > max ? max : wait;
	return wait - all->actions->random_below(wait / 4 + 1);
}

static void try(struct upstreams *all, struct upstream *u, uint64_t now_ms)
{
	u->with_templates = u->declares && all->templates;
	enter(u, UPSTREAM_TRYING, now_ms, now_ms + all->options.attempt_ms);
	all->actions->connect(all->context, u);
}

/* Ends what goes on with U; it may be tried again at AT_MS, 0: when it is wanted. */
static void release(struct upstreams *all, struct upstream *u, uint64_t now_ms, uint64_t at_ms)
{
	enter(u, UPSTREAM_WAITING, now_ms, at_ms);
	all->actions->disconnect(all->context, u);
}

static bool misbehaved(const struct upstreams *all, const struct upstream *u,
		       enum upstream_fault fault, uint64_t now_ms)
{
	if (fault == UPSTREAM_NOT_REACHED)
		return false;
	if (fault != UPSTREAM_LOST)
		return true;
	return u->state != UPSTREAM_TRYING && now_ms - u->since_ms < all->options.settled_ms;
}

/* Where U goes after FAULT. */
static void punish(struct upstreams *all, struct upstream *u, enum upstream_fault fault,
		   uint64_t now_ms)
{
	const struct upstreams_options *o = &all->options;
	bool bad = misbehaved(all, u, fault, now_ms);
	bool was_tried = u->state == UPSTREAM_TRYING;

	u->fault = fault;
	u->asked = false;
	if (bad) {
		uint32_t wait = back_off(all, o->cool_min_ms, o->cool_max_ms, u->coolings++);

		enter(u, UPSTREAM_COOLING, now_ms, now_ms + wait);
	} else if (was_tried) {
		uint32_t wait = back_off(all, o->retry_min_ms, o->retry_max_ms, u->failures++);

		enter(u, UPSTREAM_WAITING, now_ms, now_ms + wait);
	} else {
		enter(u, UPSTREAM_WAITING, now_ms, now_ms); /* it was well: again at once */
	}
	all->actions->disconnect(all->context, u);
}

/* --- whose work it is --------------------------------------------------------------------------
 */

static bool preferred(const struct upstreams *all, const struct upstream *u,
		      const struct upstream *to)
{
	for (uint32_t i = 0; i < all->count; i++) {
		if (all->items[i] == u)
			return u != to;
		if (all->items[i] == to)
			return false;
	}
	return false;
}

/* Those after the active one are not needed. */
static void release_rest(struct upstreams *all, uint64_t now_ms)
{
	for (uint32_t i = 0; i < all->count; i++) {
		struct upstream *u = all->items[i];

		if (u != all->active && is_connected(u) && !preferred(all, u, all->active))
			release(all, u, now_ms, 0);
	}
}

static void activate(struct upstreams *all, struct upstream *u, uint64_t now_ms)
{
	struct upstream *from = all->active;

	all->active = u;
	all->solo = all->seeking = false;
	all->first = NULL;
	u->asked = false;
	enter(u, UPSTREAM_ACTIVE, now_ms, 0);
	all->switches++;
	all->actions->switched(all->context, from, u);
	release_rest(all, now_ms);
}

static void go_solo(struct upstreams *all)
{
	all->seeking = false;
	all->solo = true;
	all->first = NULL;
	all->switches++;
	all->actions->switched(all->context, NULL, NULL);
}

/* --- the search --------------------------------------------------------------------------------
 */

static struct upstream *first_standby(const struct upstreams *all)
{
	for (uint32_t i = 0; i < all->count; i++) {
		if (all->items[i]->state == UPSTREAM_STANDBY)
			return all->items[i];
	}
	return NULL;
}

/* The one to be tried next in a search; NULL: all that may be are. */
static struct upstream *next_candidate(const struct upstreams *all)
{
	if (all->first && all->first->state == UPSTREAM_WAITING)
		return all->first;
	for (uint32_t i = 0; i < all->count; i++) {
		struct upstream *u = all->items[i];

		if (u->state == UPSTREAM_WAITING && u->at_ms <= all->seeking_ms)
			return u;
	}
	return NULL;
}

static bool any_tried(const struct upstreams *all)
{
	for (uint32_t i = 0; i < all->count; i++) {
		if (all->items[i]->state == UPSTREAM_TRYING)
			return true;
	}
	return false;
}

/* One after the other; one that was not reached last time has no head start. */
static void search(struct upstreams *all, uint64_t now_ms)
{
	while (now_ms >= all->next_ms) {
		struct upstream *u = next_candidate(all);

		if (!u)
			break;
		if (u == all->first)
			all->first = NULL;
		all->next_ms = now_ms + (u->failures == 0 ? all->options.stagger_ms : 0);
		try(all, u, now_ms);
	}
	if ((!any_tried(all) && !next_candidate(all)) ||
	    now_ms - all->seeking_ms >= all->options.solo_ms)
		go_solo(all);
}

/* There is no active one any more. FIRST (may be NULL) is tried before the others. */
static void seek(struct upstreams *all, struct upstream *first, uint64_t now_ms)
{
	struct upstream *standby = first_standby(all);

	all->active = NULL;
	all->first = first;
	all->seeking_ms = all->next_ms = now_ms;
	if (standby && !first) {
		activate(all, standby, now_ms);
		return;
	}
	all->seeking = true;
	for (uint32_t i = 0; i < all->count; i++) {
		if (all->items[i]->state == UPSTREAM_WAITING)
			all->items[i]->at_ms = now_ms; /* whatever it waited for */
	}
	search(all, now_ms);
}

/* --- what happens ------------------------------------------------------------------------------
 */

void upstreams_ready(struct upstreams *all, struct upstream *u, uint64_t now_ms)
{
	if (u->state != UPSTREAM_TRYING)
		return;
	u->failures = 0;
	if (!all->active || (u->asked && preferred(all, u, all->active)))
		activate(all, u, now_ms);
	else if (preferred(all, u, all->active))
		enter(u, UPSTREAM_STANDBY, now_ms, now_ms + all->options.return_ms);
	else
		release(all, u, now_ms, 0);
}

void upstreams_failed(struct upstreams *all, struct upstream *u, enum upstream_fault fault,
		      uint64_t now_ms)
{
	bool was_active = u == all->active;

	if (!is_connected(u))
		return;
	punish(all, u, fault, now_ms);
	if (!all->running)
		return;
	if (was_active) {
		seek(all, NULL, now_ms);
	} else if (all->seeking) {
		all->next_ms = now_ms; /* it has no head start any more */
		search(all, now_ms);
	}
}

/* Those that were connected to for the other kind of work, anew. */
void upstreams_templates(struct upstreams *all, bool templates, uint64_t now_ms)
{
	struct upstream *active = all->active;
	bool renew = false;

	if (templates == all->templates)
		return;
	all->templates = templates;
	for (uint32_t i = 0; i < all->count; i++) {
		struct upstream *u = all->items[i];

		if (!u->declares || !is_connected(u))
			continue;
		renew = renew || u == active;
		release(all, u, now_ms, 0);
	}
	if (!all->running)
		return;
	if (renew)
		seek(all, active, now_ms);
	else if (all->seeking)
		search(all, now_ms);
}

/* --- time --------------------------------------------------------------------------------------
 */

/* One that is not needed for the present work: its times. */
static void tick_one(struct upstreams *all, struct upstream *u, uint64_t now_ms)
{
	if (u->state == UPSTREAM_COOLING && now_ms >= u->at_ms)
		enter(u, UPSTREAM_WAITING, now_ms, now_ms);
	if (u->state == UPSTREAM_ACTIVE && now_ms - u->since_ms >= all->options.proven_ms)
		u->coolings = 0;
	if (u->state == UPSTREAM_TRYING && now_ms >= u->at_ms)
		upstreams_failed(all, u, UPSTREAM_NOT_REACHED, now_ms);
	else if (u->state == UPSTREAM_STANDBY && now_ms >= u->at_ms)
		activate(all, u, now_ms);
	else if (u->state == UPSTREAM_WAITING && now_ms >= u->at_ms && !all->seeking &&
		 (all->solo || preferred(all, u, all->active)))
		try(all, u, now_ms);
}

static void at_the_latest(uint64_t *next_ms, uint64_t at_ms)
{
	if (at_ms < *next_ms)
		*next_ms = at_ms;
}

static uint32_t until_next(const struct upstreams *all, uint64_t now_ms)
{
	uint64_t next = now_ms + TICK_MAX_MS;

	for (uint32_t i = 0; i < all->count; i++) {
		const struct upstream *u = all->items[i];
		bool is_wanted = all->solo || (!all->seeking && preferred(all, u, all->active));

		if (u->state != UPSTREAM_ACTIVE && (u->state != UPSTREAM_WAITING || is_wanted))
			at_the_latest(&next, u->at_ms);
	}
	if (all->seeking) {
		at_the_latest(&next, all->seeking_ms + all->options.solo_ms);
		if (next_candidate(all))
			at_the_latest(&next, all->next_ms);
	}
	return next > now_ms ? (uint32_t)(next - now_ms) : 1;
}

uint32_t upstreams_tick(struct upstreams *all, uint64_t now_ms)
{
	if (!all->running)
		return TICK_MAX_MS;
	for (uint32_t i = 0; i < all->count; i++)
		tick_one(all, all->items[i], now_ms);
	if (all->seeking)
		search(all, now_ms);
	return until_next(all, now_ms);
}

/* --- the list ----------------------------------------------------------------------------------
 */

static void take_default(uint32_t *value, uint32_t otherwise)
{
	if (*value == 0)
		*value = otherwise;
}

void upstreams_init(struct upstreams *all, const struct upstreams_options *options,
		    const struct upstreams_actions *actions, void *context)
{
	struct upstreams_options *o = &all->options;

	*all = (struct upstreams){.options = *options, .actions = actions, .context = context};
	take_default(&o->stagger_ms, 500);
	take_default(&o->attempt_ms, 10000);
	take_default(&o->solo_ms, 4000);
	take_default(&o->return_ms, 10000);
	take_default(&o->settled_ms, 10000);
	take_default(&o->proven_ms, 600000);
	take_default(&o->retry_min_ms, 1000);
	take_default(&o->retry_max_ms, 30000);
	take_default(&o->cool_min_ms, 30000);
	take_default(&o->cool_max_ms, 600000);
}

bool upstreams_add(struct upstreams *all, struct upstream *u, uint32_t position, uint64_t now_ms)
{
	uint32_t at = position < all->count ? position : all->count;

	if (all->count == UPSTREAMS_MAX)
		return false;
	*u = (struct upstream){.declares = u->declares, .since_ms = now_ms};
	memmove(&all->items[at + 1], &all->items[at],
		(all->count - at) * sizeof(struct upstream *));
	all->items[at] = u;
	all->count++;
	return true;
}

void upstreams_remove(struct upstreams *all, struct upstream *u, uint64_t now_ms)
{
	bool was_active = u == all->active;
	uint32_t at = 0;

	while (at < all->count && all->items[at] != u)
		at++;
	if (at == all->count)
		return;
	if (is_connected(u))
		release(all, u, now_ms, 0);
	all->count--;
	memmove(&all->items[at], &all->items[at + 1],
		(all->count - at) * sizeof(struct upstream *));
	if (all->first == u)
		all->first = NULL;
	if (was_active)
		seek(all, NULL, now_ms);
	else if (all->seeking)
		search(all, now_ms);
}

void upstreams_prefer(struct upstreams *all, struct upstream *u, uint64_t now_ms)
{
	if (u == all->active || !all->running)
		return;
	u->asked = true;
	if (u->state == UPSTREAM_STANDBY)
		activate(all, u, now_ms);
	else if (u->state != UPSTREAM_TRYING)
		try(all, u, now_ms);
}

void upstreams_start(struct upstreams *all, bool templates, uint64_t now_ms)
{
	all->running = true;
	all->templates = templates;
	seek(all, NULL, now_ms);
}

void upstreams_stop(struct upstreams *all, uint64_t now_ms)
{
	all->running = all->seeking = all->solo = false;
	all->active = all->first = NULL;
	for (uint32_t i = 0; i < all->count; i++) {
		if (is_connected(all->items[i]))
			release(all, all->items[i], now_ms, 0);
	}
}

const char *upstream_state_name(enum upstream_state state)
{
	static const char *const names[] = {"waiting", "cooling", "trying", "standby", "active"};

	return names[state];
}

const char *upstream_fault_name(enum upstream_fault fault)
{
	static const char *const names[] = {"",
					    "not reached",
					    "connection lost",
					    "connection refused by SetupConnection.Error",
					    "channel refused",
					    "declaration refused",
					    "share refused",
					    "no answer",
					    "broke the protocol"};

	return names[fault];
}
