/* SPDX-License-Identifier: MIT */
/* pool_show.h: what a pool answers, as tables for people. */
#ifndef ADITCTL_POOL_SHOW_H
#define ADITCTL_POOL_SHOW_H

#include "host/aditctl/commands.h"

/* A list of which each worker of a pool has its own, asked for in pages. */
struct pool_list {
	const char *method;
	const char *member; /* of the answer: the entries */
	const char *word;   /* what they are, in the plural */
	const char *headings;
	void (*add)(struct table *t, struct json_object *entry); /* a row */
};

/* The list that the command NAME shows; NULL when it shows none. */
const struct pool_list *pool_list_find(const char *name);

/* KEY of all ANSWERS, as below, summed up: what is no number or negative counts as 0. */
int64_t pool_sum(struct json_object *answers, const char *key);

/* The answers of all workers, [{worker, result | error}, ...]. */
void pool_show_stats(const struct options *o, struct json_object *answers);
void pool_show_jobs(const struct options *o, struct json_object *answers);
/* The answer of one. */
void pool_show_template(const struct options *o, struct json_object *answer);
void pool_show_config(const struct options *o, struct json_object *answer);

#endif
