/* SPDX-License-Identifier: MIT */
/* session.h: the connection to the pool: opens the channel, feeds the hashing threads, submits what
 * they find and keeps the accounts. Nothing of one connection outlives it. */
#ifndef MINER_SESSION_H
#define MINER_SESSION_H

#include <event2/event.h>

#include "plugins/cpu-miner/channel.h"
#include "plugins/cpu-miner/hasher.h"
#include "plugins/cpu-miner/host.h"
#include "plugins/cpu-miner/options.h"

#define MINER_REJECT_CODES 16

struct miner_reject {
	char code[48];
	uint64_t count;
};

struct miner_stats {
	char local[80]; /* our address as the server sees it, "" while there is no connection */
	bool connected;
	bool mining;
	uint64_t submitted;
	uint64_t accepted;
	uint64_t rejected;
	uint64_t dropped; /* found for a tip or connection that was gone by then */
	uint64_t blocks;  /* shares that met the target of the network and were not refused */
	uint32_t reject_count;
	struct miner_reject
	    rejects[MINER_REJECT_CODES]; /* the last one gathers what finds no room */
};

struct miner_session;

/* Connects, again and again, until it is freed. Everything is borrowed for its life. RATE: hashes a
 * second to announce at first. */
struct miner_session *miner_session_new(const struct miner_host *host,
					const struct miner_options *options,
					struct miner_hasher *hasher, double rate, struct error *e);
void miner_session_free(struct miner_session *s); /* NULL is fine */
/* HASHER takes the place of the one before, which the caller frees: what that has found is
 * submitted, and the present job goes on. */
void miner_session_set_hasher(struct miner_session *s, struct miner_hasher *hasher);
/* S goes on with the accounts of the session before it. */
void miner_session_set_accounts(struct miner_session *s, const struct miner_stats *stats);
/* HELD: the threads rest, and the connection stays. */
void miner_session_hold(struct miner_session *s, bool held);
/* The threads do RATE hashes a second: the server is told when that is news. */
void miner_session_measured(struct miner_session *s, double rate);
const struct miner_stats *miner_session_stats(const struct miner_session *s);

#endif
