/* SPDX-License-Identifier: MIT */
/*
 * chans.h: the mining channels of pool, jdc and others that are open now, and the things that they
 * are. A channel belongs to the thing of its role and user identity; of several with the same
 * identity each has a thing of its own, by the lowest number that is free.
 */
#ifndef MININGOS_CHANS_H
#define MININGOS_CHANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "plugins/miningos/thing.h"

struct miningos;

#define CHAN_NAME_MAX 127
#define CHAN_ROLE_MAX 63

struct chan {
	char name[CHAN_NAME_MAX + 1]; /* worker/connection/channel */
	char role[CHAN_ROLE_MAX + 1]; /* "pool", "jdc@a" */
	struct thing *thing;          /* NULL: it is to be none */
	struct chan *next;
	uint32_t round; /* of looking in which it was seen last */
	bool counted;   /* `total` is known */
	bool fresh;     /* in the list of those without a thing */
	TAILQ_ENTRY(chan) link;
	struct share_counts early; /* before it had one, with their work and the last one's time */
	double early_work;
	uint64_t early_ms;
	struct share_counts total;
	double difficulty;
	char user[256];
	char endpoint[80]; /* address of its connection */
};

TAILQ_HEAD(chan_list, chan);

struct chans {
	struct chan **buckets;
	struct chan_list fresh;
	size_t mask;
	size_t count;
	size_t most;
	uint32_t round;
};

bool chans_init(struct chans *chans, size_t most);
void chans_fini(struct chans *chans);
struct chan *chans_find(const struct chans *chans, const char *name);
/* The channel NAME of USER at ROLE; made when it is not known. It has no thing yet, for that of a
 * channel that has ended may be its. NULL: too many. */
struct chan *chans_open(struct miningos *m, const char *name, const char *role, const char *user);
/* Ends those of ROLE whose round is another one than ROUND; its things are offline from then on. */
void chans_close_role(struct miningos *m, const char *role, uint32_t round);
/* Gives channels their things, in the order in which they were opened; after those that ended were
 * closed. */
void chans_attach(struct miningos *m, uint64_t at_ms);

/* What becomes of shares: HASHES is the work of the accepted ones. RECENT false: they are of an
 * earlier run of this role and count for the hash rate alone. */
void chan_shares(struct chan *chan, const struct share_counts *shares, double hashes,
		 uint64_t at_ms, bool recent);
void chan_totals(const struct chan *chan, struct share_counts *total, double *difficulty);
/* The name of T's channel, NULL when it has none. */
const char *chan_name_of(const struct thing *t);
/* T is about to be freed. */
void chan_forget_thing(struct thing *t);

#endif
