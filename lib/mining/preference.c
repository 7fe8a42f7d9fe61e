/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/preference.h"

#include <stddef.h>
#include <string.h>

#include "lib/mining/providers.h"

bool preference_is_ready(const struct provider *p)
{
	return p->conn && p->has_tip && p->current;
}

uint32_t preference_height(const struct provider *p)
{
	return preference_is_ready(p) ? p->current->height : 0;
}

void preference_well(struct provider *p, uint64_t now_ms, uint32_t return_ms)
{
	p->tip_ms = now_ms;
	if (!p->doubted)
		return;
	p->doubted = false;
	p->trusted_ms = now_ms + return_ms;
}

void preference_failed(struct provider *p)
{
	p->doubted = true;
	p->behind_ms = 0;
}

void preference_owes(struct provider *p, uint64_t now_ms)
{
	if (p->owes_ms == 0)
		p->owes_ms = now_ms;
}

bool preference_owes_long(const struct providers *all, const struct provider *p, uint64_t now_ms)
{
	return p->owes_ms && now_ms - p->owes_ms >= all->owing_ms;
}

static bool is_stuck(const struct providers *all, const struct provider *p, uint64_t now_ms)
{
	return (p->behind_ms && now_ms - p->behind_ms >= all->patience_ms) ||
	       preference_owes_long(all, p, now_ms);
}

/* Who falls behind, and who has caught up. */
static void compare(struct providers *all, uint64_t now_ms)
{
	uint32_t top = 0;

	for (uint32_t i = 0; i < all->count; i++) {
		uint32_t height = preference_height(&all->items[i]);

		/* Who makes nothing of blocks is no measure for the others. */
		if (height > top && !preference_owes_long(all, &all->items[i], now_ms))
			top = height;
	}
	for (uint32_t i = 0; i < all->count; i++) {
		struct provider *p = &all->items[i];
		uint32_t height = preference_height(p);

		if (height && height < top) {
			p->behind_ms = p->behind_ms ? p->behind_ms : now_ms;
			continue;
		}
		if (is_stuck(all, p, now_ms))
			p->trusted_ms = now_ms + all->return_ms;
		p->behind_ms = 0;
	}
}

static void at_the_latest(uint64_t *next_ms, uint64_t at_ms)
{
	if (*next_ms == 0 || at_ms < *next_ms)
		*next_ms = at_ms;
}

/* Going over from ACTIVE to P leaves no tip for another one that is as good. */
static bool leads_on(const struct provider *p, const struct provider *active)
{
	return preference_height(p) > preference_height(active) ||
	       memcmp(p->tip.prev_hash, active->tip.prev_hash, 32) == 0;
}

/* One that is preferred to ACTIVE, which is in order, and well again. */
static struct provider *returned(struct providers *all, struct provider *active, uint64_t now_ms,
				 uint64_t *next_ms)
{
	for (struct provider *p = all->items; p < active; p++) {
		if (!preference_is_ready(p) || p->behind_ms || is_stuck(all, p, now_ms) ||
		    !leads_on(p, active))
			continue;
		if (now_ms >= p->trusted_ms)
			return p;
		at_the_latest(next_ms, p->trusted_ms);
	}
	return active;
}

/* OWING: also one that owes a block. */
static struct provider *first_not_behind(struct providers *all, bool owing, uint64_t now_ms)
{
	for (uint32_t i = 0; i < all->count; i++) {
		struct provider *p = &all->items[i];

		if (preference_is_ready(p) && !p->behind_ms &&
		    (owing || !preference_owes_long(all, p, now_ms)))
			return p;
	}
	return NULL;
}

/* ACTIVE is lost or stuck. Of providers that all owe blocks it is as good as any. */
static struct provider *first_good(struct providers *all, struct provider *active, uint64_t now_ms)
{
	struct provider *best = first_not_behind(all, false, now_ms);

	if (!best && active && preference_is_ready(active) && !active->behind_ms)
		return active;
	return best ? best : first_not_behind(all, true, now_ms);
}

struct provider *preference_pick(struct providers *all, uint32_t height, uint64_t now_ms,
				 uint64_t *next_ms)
{
	struct provider *active = all->active;
	struct provider *best;

	*next_ms = 0;
	compare(all, now_ms);
	if (active && preference_is_ready(active) && !is_stuck(all, active, now_ms)) {
		all->lost_ms = 0;
		if (active->behind_ms)
			at_the_latest(next_ms, active->behind_ms + all->patience_ms);
		if (active->owes_ms)
			at_the_latest(next_ms, active->owes_ms + all->owing_ms);
		return returned(all, active, now_ms, next_ms);
	}
	best = first_good(all, active, now_ms);
	if (!best || best == active || preference_height(best) >= height) {
		all->lost_ms = 0;
		return best;
	}
	if (all->lost_ms == 0)
		all->lost_ms = now_ms;
	if (now_ms - all->lost_ms >= all->patience_ms)
		return best;
	at_the_latest(next_ms, all->lost_ms + all->patience_ms);
	return active && preference_is_ready(active) ? active : NULL;
}
