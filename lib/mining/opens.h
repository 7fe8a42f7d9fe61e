/* SPDX-License-Identifier: MIT */
/*
 * opens.h: which channels that clients ask for are opened at once, which wait, and which are
 * refused.
 *
 * Past `open_rate`, while there is no work, or while shares come near `max_total_share_rate`,
 * requests wait; the connections that have such take turns. What waits counts as a channel for the
 * limits, and is bounded by connection, so that a flood of requests takes no more memory than the
 * channels would.
 */
#ifndef MINING_OPENS_H
#define MINING_OPENS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <adit/sv2.h>

struct mining;
struct mining_conn;

/* Either message that asks for a channel. */
struct open_request {
	uint32_t request_id;
	bool standard;
	struct adit_bytes user; /* borrowed */
	float hashrate;
	struct adit_u256 max_target;
	uint16_t min_extranonce; /* extended */
};

struct waiting_open {
	STAILQ_ENTRY(waiting_open) link;
	struct open_request request; /* its user is the bytes below */
	uint8_t user[];
};

STAILQ_HEAD(waiting_opens, waiting_open);
TAILQ_HEAD(waiting_conns, mining_conn);

/* Of one engine. */
struct opens {
	struct waiting_conns conns; /* the next one's turn first */
	uint32_t count;             /* requests that wait */
	double allowed;             /* channels that may be opened now */
	uint64_t filled_ms;         /* when `allowed` was reckoned, monotonic */
	uint64_t timer;             /* 0: not set */
	uint64_t delayed;           /* requests that had to wait */
	uint64_t refused_waiting;   /* max_pending_opens */
	uint64_t refused_channels;  /* max_channels */
	uint64_t refused_total;     /* max_total_channels */
	uint64_t refused_room;      /* max_payouts, extranonces or memory */
};

void opens_init(struct mining *mining);
/* CONN asks for a channel: answers, or has it wait. What the handler of the message returns. */
int32_t opens_arrived(struct mining_conn *conn, const struct open_request *request);
/* Each second. */
void opens_tick(struct mining *mining);
/* What waits is refused with CODE. */
void opens_refuse(struct mining *mining, const char *code);
/* The role stops: nothing waits any more. */
void opens_stop(struct mining *mining);
/* CONN ends: nothing of it waits any more. */
void opens_forget(struct mining_conn *conn);

#endif
