/* SPDX-License-Identifier: MIT */
/*
 * preference.h: whose templates are mined, when there are several template providers.
 *
 * The protocol tells a client previous hashes, no work behind them. What can be compared is the
 * height, which stands at the front of every coinbase (BIP34). So:
 *
 *   1. Work comes from the first provider in the configured order that is ready: connected, with a
 *      tip and a template on it.
 *   2. A provider is behind while another one that is ready has a greater height. For
 *      `patience_ms` that is the time that a block takes to reach all nodes, and nothing changes.
 *      Then the provider counts as stuck, and the first one that is not behind takes over.
 *   3. Which of two tips of the same height is right, nobody can tell: the active provider's stays.
 *   4. A provider that took a block and is still on the tip before it after `owing_ms` counts as
 *      stuck too: the block was none, or goes nowhere. If no other is left it is used all the same.
 *   5. A provider that was lost, stuck or had its template refused gets its place back when it has
 *      been ready, and not behind, for `return_ms`, and is on the active one's tip or a higher one.
 *      It is taken earlier only when no other is left.
 *   6. When the active provider is lost, the others may be a block behind: going back to an older
 *      tip waits for `patience_ms`, too. Until then the last work goes on.
 *
 * The functions know neither connections nor loop; times are those of the monotonic clock.
 */
#ifndef MINING_PREFERENCE_H
#define MINING_PREFERENCE_H

#include <stdbool.h>
#include <stdint.h>

struct provider;
struct providers;

bool preference_is_ready(const struct provider *p);
/* Height of the block that P's template makes; 0 while it has none, or does not tell. */
uint32_t preference_height(const struct provider *p);

/* P, which was ready before, came to be ready at NOW_MS, or its tip moved. */
void preference_well(struct provider *p, uint64_t now_ms, uint32_t return_ms);
/* P was lost, or has no work for its tip. */
void preference_failed(struct provider *p);
/* P was sent a block for the tip that it is on. Its next tip settles that. */
void preference_owes(struct provider *p, uint64_t now_ms);
/* Whether P counts as stuck for a block that became of nothing. */
bool preference_owes_long(const struct providers *all, const struct provider *p, uint64_t now_ms);

/* What is mined now has HEIGHT (0: nothing, or not known). Returns the provider whose work is to be
 * mined, NULL to go on with what is there. *NEXT_MS: when to ask again if nothing happens before,
 * 0: no need. */
struct provider *preference_pick(struct providers *all, uint32_t height, uint64_t now_ms,
				 uint64_t *next_ms);

#endif
