/* SPDX-License-Identifier: MIT */
/*
 * looks.h: looking at the miners. Every things_update_interval_seconds, and soon after one came or
 * went, the roles in `sources` are asked for their channels, page by page, and those in `devices`
 * for their state; then every thing has a new snapshot. Between looks, each second, the share log
 * is read.
 */
#ifndef MININGOS_LOOKS_H
#define MININGOS_LOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

struct miningos;

#define SOURCES_MAX 16u

struct source {
	struct miningos *m;
	char role[64];
	unsigned open; /* calls under way */
	bool failed;   /* some of its channels are not known */
	bool device;
	char pool_url[320];  /* upstream that it mines for, "" when it has none: it is a pool itself */
	char pool_user[160]; /* its user identity there */
	bool whole; /* as configured: stands for all instances of the role */
};

struct looks {
	struct source
	    sources[4 * SOURCES_MAX]; /* as configured, and the instances that were found */
	size_t count;
	unsigned open; /* of all */
	int turn;      /* what is asked at present: see looks.c */
	bool again;    /* somebody wants another look after this one */
	bool soon;     /* a timer for it runs */
	uint64_t soon_timer;
	uint64_t looked_ms;           /* Unix: of the last look that is complete */
	char logged[SOURCES_MAX][72]; /* workers that have a ring in the share log */
	size_t logged_count;
	uint64_t shares_lost;
};

int32_t looks_begin(struct miningos *m, struct error *e);
/* Asks for a look within seconds, however often it is called. */
void looks_soon(struct miningos *m);
/* The source of ROLE; NULL when it is none. */
const struct source *looks_source(const struct looks *looks, const char *role);
/* Takes what the share log has; also called before a look is over. */
void looks_read_shares(struct miningos *m);

#endif
