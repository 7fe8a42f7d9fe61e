/* SPDX-License-Identifier: MIT */
/* store.h: the templates that were handed out: those of the current tip, and for ten seconds those
 * of the tips before, so that a solution that was under way still becomes a block. Bounded in
 * number and in bytes of transactions; the oldest leave first, those for other machines before the
 * others once they are half of all, and those that a class serves now never. */
#ifndef TP_STORE_H
#define TP_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugins/template-provider/template.h"

#define TP_STORE_MAX 64
#define TP_STORE_MAX_DATA ((size_t)192 << 20)
#define TP_STORE_GRACE_MS 10000u

struct tp_store_entry {
	struct tp_template *template;
	uint64_t expires_ms; /* 0: of the current tip */
};

/* Zero-initialised is empty. */
struct tp_store {
	struct tp_store_entry entries[TP_STORE_MAX]; /* by id, ascending */
	uint32_t count;
};

/* Takes T, whose id is above all others. False (and T freed) when everything that is kept is
 * pinned. */
bool tp_store_add(struct tp_store *s, struct tp_template *t);
/* NULL when it is not, or no longer, known. *OLD (may be NULL): it is of an earlier tip. */
struct tp_template *tp_store_find(struct tp_store *s, uint64_t id, bool *old);
/* The tip moved: everything that is kept now expires ten seconds from NOW_MS. */
void tp_store_retire(struct tp_store *s, uint64_t now_ms);
/* Frees what has expired. Returns when the next one does, 0 for never. */
uint64_t tp_store_expire(struct tp_store *s, uint64_t now_ms);
void tp_store_clear(struct tp_store *s);

#endif
