/* SPDX-License-Identifier: MIT */
/*
 * query.h: the queries of MiningOS, which are those of MongoDB: a condition, a projection and an
 * order, as JSON, over JSON.
 *
 * Conditions: a member's value or path ("last.snap.stats.status", also through arrays) with a
 * value, with $eq $ne $gt $gte $lt $lte $in $nin $exists $regex ($options) $not $size $all
 * $elemMatch; and $and $or $nor. A path that meets an array is any of its elements. They come from
 * strangers: one has at most 1,000 parts, 24 levels, lists of 16 values or 20,000 texts, and
 * regular expressions as in regex.h; what is not known is refused, not ignored.
 */
#ifndef MININGOS_QUERY_H
#define MININGOS_QUERY_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

struct query;

/* QUERY is an object, or NULL for one that everything meets; it is not needed any more afterwards.
 * NULL when it is none that is understood, or memory is short. */
struct query *query_new(struct json_object *query);
void query_free(struct query *q);
/* A query may take only so many steps for all documents together; past that nothing matches, and
 * it is exhausted. */
bool query_matches(struct query *q, struct json_object *document);
bool query_exhausted(const struct query *q);
/* Whether it looks at the member TOP of a document at all. */
bool query_uses(const struct query *q, const char *top);

/* FIELDS is {"path":1, ...} (these and "id" only when it is named, too), or {"path":0, ...} (all
 * but these). A new object. With no FIELDS (NULL, empty, no object): DOCUMENT itself, with another
 * reference. */
struct json_object *query_project(struct json_object *document, struct json_object *fields);

#define QUERY_SORT_MAX 8

/* What one document is ordered by. */
struct sort_key {
	size_t index;                               /* the caller's */
	struct json_object *values[QUERY_SORT_MAX]; /* with references of their own */
};

struct sort_order {
	size_t count; /* 0: no order */
	char paths[QUERY_SORT_MAX][128];
	int directions[QUERY_SORT_MAX]; /* 1, -1 */
};

/* SORT is {"path":1 or -1, ...}; false when it is something else (NULL and {} are no order). */
bool sort_order_read(struct sort_order *order, struct json_object *sort);
void sort_key_take(struct sort_key *key, const struct sort_order *order,
		   struct json_object *document);
void sort_key_drop(struct sort_key *key, const struct sort_order *order);
/* Sorts; equal ones keep the order of `index`. */
void sort_keys(struct sort_key *keys, size_t count, const struct sort_order *order);

/* The value at PATH of DOCUMENT, objects only; NULL when there is none. Borrowed. */
struct json_object *query_at(struct json_object *document, const char *path);

#endif
