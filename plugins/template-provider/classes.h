/* SPDX-License-Identifier: MIT */
/* classes.h: clients with nearly the same coinbase constraints share templates. Constraints are
 * rounded up to steps of 2,000 weight units and 100 signature operations; there are at most four
 * classes of clients on this machine, and four of clients on others. The two kinds share none:
 * nobody from outside makes the blocks of the pool inside smaller. */
#ifndef TP_CLASSES_H
#define TP_CLASSES_H

#include <stdbool.h>
#include <stdint.h>

#include "plugins/template-provider/template.h"

#define TP_CLASSES_MAX 4 /* of each kind */
#define TP_CLASS_SLOTS (2 * TP_CLASSES_MAX)
#define TP_CLASS_WEIGHT_STEP 2000u
#define TP_CLASS_SIGOPS_STEP 100u

struct tp_class {
	uint64_t weight;             /* reserved for header and coinbase */
	uint32_t sigops;             /* reserved, as cost */
	uint32_t clients;            /* 0: the slot is free */
	struct tp_template *current; /* pinned; NULL: none built yet */
	bool tip_due;                /* the tip moved: `current` is of the one before */
	bool remote;                 /* of clients on other machines */
	uint64_t sent_ms;            /* when current was made */
};

/* Zero-initialised is empty. */
struct tp_classes {
	struct tp_class slots[TP_CLASS_SLOTS]; /* first those of this machine */
};

/* Joins a class of its kind that reserves at least WEIGHT and SIGOPS and returns it: the one of the
 * rounded values; else a free slot; else the smallest that covers them; else the one that has to
 * grow least, grown. A class that grew has no current template; what its clients hold stays valid
 * for them. */
struct tp_class *tp_classes_join(struct tp_classes *c, uint64_t weight, uint32_t sigops,
				 bool remote);
/* The last client's leave frees the slot. */
void tp_class_leave(struct tp_class *class);
/* Makes T (may be NULL) the class's current template. */
void tp_class_set_current(struct tp_class *class, struct tp_template *t, uint64_t now_ms);

#endif
