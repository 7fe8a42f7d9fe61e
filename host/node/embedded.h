/* SPDX-License-Identifier: MIT */
/* embedded.h: what the parts of the backend `embedded` share. */
#ifndef NODE_EMBEDDED_H
#define NODE_EMBEDDED_H

#include <stdbool.h>
#include <stdint.h>

#include "host/node/block_accept.h"
#include "host/node/mempool.h"
#include "host/node/service.h"

struct reorg;

struct embedded {
	struct service *service;
	struct chain chain;
	struct chain_store store;
	struct mempool mempool;
	uint32_t tx_interval_ms;
	uint32_t template_interval_ms;
	bool mempool_changed;
	/* Arrivals and departures that were not told one by one since the last event of the kind.
	 */
	uint64_t arrivals_skipped;
	uint64_t departures_skipped;
	struct reorg *reorg; /* under way, or NULL */
	uint64_t reorg_serial;
};

/* A timer of the host. */
int32_t embedded_timer(struct embedded *b, uint32_t delay, uint32_t repeat, adit_timer_fn fn);
/* What has become of the chain: events, mempool, template. */
void embedded_announce(struct embedded *b, const struct acceptance *a);

/* embedded_events.c: the mempool as it is, if anyone follows its events; and after it changed, the
 * events. What the image holds goes with the second. */
struct pool_image {
	uint64_t *numbers;
	size_t count;
	unsigned arrivals;
	unsigned departures;
};
void embedded_pool_before(const struct embedded *b, struct pool_image *image);
void embedded_pool_after(struct embedded *b, struct pool_image *image);

/* embedded_query.c: everything but headers. */
void embedded_query(struct embedded *b, const struct query *q, struct service_request *request);

/* Begins to replace the last DEPTH blocks; answers REQUEST when that is done. */
void reorg_begin(struct embedded *b, uint32_t depth, struct service_request *request);
/* Gives up what is under way, as ERROR with MESSAGE. */
void reorg_end(struct embedded *b, int32_t error, const char *message);

#endif
