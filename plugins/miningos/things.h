/* SPDX-License-Identifier: MIT */
/*
 * things.h: all things, in the order in which they were registered, found by id, code and name; and
 * the file that keeps them, STATE/things.json: a line of JSON each. It is written whole, to a new
 * file that takes the old one's place.
 */
#ifndef MININGOS_THINGS_H
#define MININGOS_THINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"
#include "plugins/miningos/thing.h"

struct things {
	struct thing **list;
	size_t count;
	size_t most;
	size_t mask; /* buckets - 1 */
	struct thing **by_id, **by_code, **by_name;
	uint64_t next_code;
	bool dirty; /* differs from the file */
};

/* Room for MOST things. False without memory. */
bool things_init(struct things *things, size_t most);
void things_fini(struct things *things);

struct thing *things_find(const struct things *things, const char *id);
struct thing *things_find_code(const struct things *things, const char *code);
struct thing *things_find_name(const struct things *things, const char *name);

/* The code that comes next, SV2-0001 at first. */
void things_next_code(const struct things *things, char out[THING_CODE_MAX + 1]);
/* Adds one: ID NULL is made of NAME, CODE NULL is the next. NULL when memory is short, or there are
 * `most` things of which none can be forgotten: those that were registered for a miner that is
 * away, without a comment, the one first that is away for longest. */
struct thing *things_add(struct things *things, const char *id, const char *code, const char *name);
/* Whether ID or CODE are there is the caller's to ask before. */
void things_set_code(struct things *things, struct thing *t, const char *code);
/* Removes all that CHOOSE says yes to; how many. */
size_t things_remove(struct things *things, bool (*choose)(void *user, struct thing *t),
		     void *user);

/* Reads FILE, which need not exist. A line that is none is counted in *BAD and left out. */
int32_t things_load(struct things *things, const char *file, size_t *bad, struct error *e);
int32_t things_save(struct things *things, const char *file, struct error *e);

#endif
