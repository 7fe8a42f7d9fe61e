/* SPDX-License-Identifier: MIT */
/* The mempool's events of the embedded chain: what differs before and after something happened. */
#include "config.h"

#include "host/node/embedded.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TOLD 500 /* one by one, of each kind */

void embedded_pool_before(const struct embedded *b, struct pool_image *image)
{
	const struct service *s = b->service;

	memset(image, 0, sizeof(*image));
	if (!s->api->event_wanted(s->host, "NewTransaction") &&
	    !s->api->event_wanted(s->host, "MempoolTransactionAdded") &&
	    !s->api->event_wanted(s->host, "MempoolTransactionRemoved"))
		return;
	image->numbers = malloc((b->mempool.count + 1) * sizeof(*image->numbers));
	if (image->numbers == NULL)
		return;
	for (size_t i = 0; i < b->mempool.count; i++)
		image->numbers[i] = b->mempool.txs[i]->number;
	image->count = b->mempool.count;
}

static void told_arrival(struct embedded *b, struct pool_image *image, const struct traffic_tx *t)
{
	if (image->arrivals++ >= MAX_TOLD) {
		b->arrivals_skipped++;
		return;
	}
	service_transaction_seen(b->service, t->txid);
	service_transaction_added(b->service, t->txid,
				  (double)t->fee / (((double)t->weight + 3) / 4),
				  &b->arrivals_skipped);
}

static void told_departure(struct embedded *b, struct pool_image *image, uint64_t number)
{
	struct traffic_tx t;

	if (image->departures++ >= MAX_TOLD) {
		b->departures_skipped++;
		return;
	}
	traffic_make(number, &t);
	service_transaction_left(b->service, t.txid,
				 traffic_set_has(&b->chain.confirmed, number) ? "confirmed"
									      : "unknown",
				 &b->departures_skipped);
}

/* Both are in order of their numbers. */
void embedded_pool_after(struct embedded *b, struct pool_image *image)
{
	const struct mempool *m = &b->mempool;
	size_t before = 0;
	size_t now = 0;

	if (image->numbers == NULL)
		return;
	b->service->mempool_tx = m->count;
	while (before < image->count || now < m->count) {
		bool both = before < image->count && now < m->count;

		if (both && image->numbers[before] == m->txs[now]->number) {
			before++;
			now++;
		} else if (now == m->count ||
			   (both && image->numbers[before] < m->txs[now]->number)) {
			told_departure(b, image, image->numbers[before++]);
		} else {
			told_arrival(b, image, m->txs[now++]);
		}
	}
	free(image->numbers);
	image->numbers = NULL;
}
