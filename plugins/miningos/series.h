/* SPDX-License-Identifier: MIT */
/*
 * series.h: snapshots of all things, and what is made of them as time goes by: a sample of each
 * thing every five minutes, aggregates by tag (stat-rtd, stat-5m, stat-30m, stat-3h, stat-1D), sums
 * of shares (stat-shares-1m, stat-shares-30m).
 */
#ifndef MININGOS_SERIES_H
#define MININGOS_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"
#include "plugins/miningos/thing.h"

struct json_object;
struct miningos;

struct series {
	uint64_t minute; /* number of the last minute, and five minutes, that were dealt with */
	uint64_t five;
	struct share_counts shares; /* of all things, since this role began */
};

int32_t series_begin(struct miningos *m, struct error *e);
/* A new snapshot of every thing, at AT (Unix ms). */
void snaps_take(struct miningos *m, uint64_t at);
/* Shares of all things together have grown. */
void shares_count(struct miningos *m, const struct share_counts *shares);
/* What is due at NOW: once a minute from the timer. */
void series_tick(struct miningos *m, uint64_t now);

/* Whether TAG, one of thing_tags(), is one of T's; NULL is everybody's. */
bool thing_has_tag(const struct miningos *m, const struct thing *t, const char *tag);
/* Aggregates of the things with TAG (NULL: all) as they are now; a new object. */
struct json_object *aggregate(const struct miningos *m, const char *tag);
/* The entries of thing-5m of T, newest first, within START..END. A new array. */
struct json_object *samples_json(const struct miningos *m, const struct thing *t, uint64_t start,
				 uint64_t end, size_t offset, size_t limit);

#endif
