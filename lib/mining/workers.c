/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/workers.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mining/channels.h"
#include "lib/mining/text.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"

void workers_init(struct workers *w, uint32_t max)
{
	*w = (struct workers){.max = max};
	LIST_INIT(&w->free);
	/* Peers choose the names: they shall not choose the bucket. */
	random_bytes(&w->seed, sizeof w->seed);
}

void workers_fini(struct workers *w)
{
	free(w->entries);
	free(w->buckets);
	*w = (struct workers){0};
}

static bool make_table(struct workers *w)
{
	uint32_t buckets = 1;

	if (w->entries)
		return true;
	while (buckets < w->max)
		buckets *= 2;
	w->entries = calloc(w->max, sizeof *w->entries);
	w->buckets = calloc(buckets, sizeof *w->buckets);
	if (!w->entries || !w->buckets) {
		free(w->entries);
		free(w->buckets);
		w->entries = NULL;
		w->buckets = NULL;
		return false;
	}
	w->mask = buckets - 1;
	for (uint32_t i = w->max; i-- > 0;)
		LIST_INSERT_HEAD(&w->free, &w->entries[i], in_bucket);
	return true;
}

static struct worker_list *bucket_of(const struct workers *w, const struct channel *channel,
				     const char *name)
{
	uint32_t h = (2166136261u ^ w->seed) + channel->number * 2654435761u; /* FNV-1a from here */

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return &w->buckets[(h ^ h >> 15) & w->mask];
}

/* A new entry in BUCKET; NULL when CHANNEL may have no more, or there is none. */
static struct worker *add_worker(struct workers *w, struct channel *channel, const char *name,
				 struct worker_list *bucket)
{
	struct worker *worker = LIST_FIRST(&w->free);

	if (!worker ||
	    channel->worker_count >= (w->max + WORKERS_CHANNEL_PART - 1) / WORKERS_CHANNEL_PART)
		return NULL;
	LIST_REMOVE(worker, in_bucket);
	*worker = (struct worker){.channel = channel};
	strcpy(worker->name, name);
	rate_start(&worker->rate, clock_monotonic_ms());
	LIST_INSERT_HEAD(bucket, worker, in_bucket);
	LIST_INSERT_HEAD(&channel->workers, worker, in_channel);
	channel->worker_count++;
	w->count++;
	return worker;
}

static struct worker *take_worker(struct workers *w, struct channel *channel, const char *name)
{
	struct worker_list *bucket;
	struct worker *worker;

	if (w->max == 0 || !make_table(w))
		return NULL;
	bucket = bucket_of(w, channel, name);
	LIST_FOREACH(worker, bucket, in_bucket)
	{
		if (worker->channel == channel && strcmp(worker->name, name) == 0)
			return worker;
	}
	return add_worker(w, channel, name, bucket);
}

void workers_share(struct workers *w, struct channel *channel, const struct adit_bytes *name,
		   enum share_result result, double hashes)
{
	char text[WORKER_NAME_MAX + 1];
	struct worker *worker;

	if (name->size == 0 || name->size > WORKER_NAME_MAX)
		return;
	text_printable(name->data, name->size, text);
	worker = take_worker(w, channel, text);
	if (!worker) {
		w->unlisted++;
		return;
	}
	if (result != SHARE_ACCEPTED && result != SHARE_BLOCK) {
		worker->rejected++;
		return;
	}
	worker->accepted++;
	worker->last_share_ms = clock_monotonic_ms();
	rate_add(&worker->rate, worker->last_share_ms, hashes);
}

void workers_release(struct workers *w, struct channel *channel)
{
	struct worker *worker;

	while ((worker = LIST_FIRST(&channel->workers))) {
		LIST_REMOVE(worker, in_channel);
		LIST_REMOVE(worker, in_bucket);
		LIST_INSERT_HEAD(&w->free, worker, in_bucket);
		worker->channel = NULL;
		w->count--;
	}
	channel->worker_count = 0;
}
