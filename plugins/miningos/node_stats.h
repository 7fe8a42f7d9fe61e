/* SPDX-License-Identifier: MIT */
/* node_stats.h: figures of chain, network and mempool, from the role node, on a timer. */
#ifndef MININGOS_NODE_STATS_H
#define MININGOS_NODE_STATS_H

#include <stdint.h>

#include "lib/util/error.h"

struct json_object;
struct miningos;

struct node_stats {
	struct json_object *now;  /* the last that are complete; NULL: none yet */
	struct json_object *next; /* while they are collected */
	unsigned open;
};

int32_t node_stats_begin(struct miningos *m, struct error *e);
void node_stats_end(struct miningos *m);
/* Collects them now, unless that is under way. Then publishes MiningOSStatsUpdated. */
void node_stats_collect(struct miningos *m);
/* {chain_tip, height, timestamp, difficulty, is_synced, peer_count, hash_rate, bytes_sent,
 * bytes_received, mempool_transaction_count, mempool_size_bytes, mempool_total_fee_sats}; what the
 * node does not tell is null. A new object; {} before the first. */
struct json_object *node_stats_json(const struct miningos *m);

#endif
