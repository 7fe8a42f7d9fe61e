/* SPDX-License-Identifier: MIT */
/*
 * summary.h: what every role with miners shows of itself at one glance: the state line, and the
 * members that `status` and `get_pool_stats` have in common. On the loop of the role's process.
 */
#ifndef MINING_SUMMARY_H
#define MINING_SUMMARY_H

struct json_object;
struct mining;

/* Rewrites the state line: WORK, and what is wrong with the journal. */
void summary_state(const struct mining *mining, const char *work);

/* Members of `status`, added to O in this order:
 * connections, channels, hashrate (hashes a second), shares_accepted, shares_rejected (stale ones
 * aside), shares_stale, rejects, blocks_found */
void summary_shares(struct json_object *o, const struct mining *mining);
/* journal_error, height, prev_hash */
void summary_tip(struct json_object *o, const struct mining *mining);
/* template_provider, template_providers, jobs_sent */
void summary_providers(struct json_object *o, const struct mining *mining);
/* miners: the first 200 channels, since an answer is bounded; `list_channels` has pages */
void summary_miners(struct json_object *o, const struct mining *mining);

/* Members of `get_pool_stats`, in this order: miner_count, channel_count, hashrate, total_shares,
 * accepted_shares, rejected_shares (stale ones among them), stale_shares. */
void summary_totals(struct json_object *o, const struct mining *mining);

#endif
