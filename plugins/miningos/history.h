/* SPDX-License-Identifier: MIT */
/*
 * history.h: what happened to things: alerts that came up, and changes of what is stored. The last
 * thousands of each, as getHistoricalLogs has them.
 */
#ifndef MININGOS_HISTORY_H
#define MININGOS_HISTORY_H

#include <stddef.h>
#include <stdint.h>

struct json_object;
struct miningos;
struct thing;

#define HISTORY_MAX 4000u

struct history_list {
	struct json_object *entries[HISTORY_MAX]; /* a ring */
	size_t count, next;
};

struct history {
	struct history_list alerts;
	struct history_list info;
};

void history_fini(struct history *h);
/* ENTRY is consumed. */
void history_add(struct history_list *list, struct json_object *entry);
/* The INDEXth from the newest on; NULL past the oldest. */
struct json_object *history_at(const struct history_list *list, size_t index);
/* Of the info list: WHAT ("registered", "updated", "forgotten") was done to T by USER (NULL: by
 * itself). */
void history_note(struct miningos *m, const struct thing *t, const char *what, const char *user,
		  uint64_t at_ms);

#endif
