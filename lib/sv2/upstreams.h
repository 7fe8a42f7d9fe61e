/* SPDX-License-Identifier: MIT */
/*
 * upstreams.h: which of several upstreams a proxy works for, in order of preference, and when it
 * works for itself (solo). For every role that has a pool above it. adit-jdc(8) has the diagram.
 *
 *            +--------- tried again at once, or when its time has come ---------+
 *            v                                                                  |
 *        TRYING --gives work--> ACTIVE --lost after it was well------------> WAITING
 *          |  |                 ^   |  \--refused, unanswered, lost at once-> COOLING
 *          |  +--gives work, but another one is active--> STANDBY               |
 *          |                    |       well for return_ms                      |
 *          |                    +-----------------------+                       |
 *          +--not reached--> WAITING    +--misbehaved--> COOLING                |
 *                                                                    (its time over: WAITING)
 *
 * An upstream that can't be reached waits retry_min_ms, doubling to retry_max_ms, with jitter. One
 * that was reached and misbehaved cools for cool_min_ms, doubling to cool_max_ms; being well for
 * proven_ms ends the doubling. None is given up. When the active one fails, those that wait are
 * tried in their order at once whatever they wait for, the next one beside the one before after
 * stagger_ms; the first that gives work becomes the active one. If none does for solo_ms, or none
 * is left to be tried, it is solo, until any upstream gives work. An upstream that is preferred to
 * the active one is tried when its time has come, and takes its place back after return_ms of being
 * well.
 *
 * While there are no templates, an upstream for which jobs are declared is asked for the pool's own
 * jobs instead; it is connected to anew when that changes.
 *
 * No time is read, nothing is allocated, no I/O is done here: the role tells what happened and when
 * (monotonic milliseconds), and is told what to do. Everything runs on the role's loop.
 */
#ifndef SV2_UPSTREAMS_H
#define SV2_UPSTREAMS_H

#include <stdbool.h>
#include <stdint.h>

#define UPSTREAMS_MAX 16

enum upstream_state {
	UPSTREAM_WAITING, /* until at_ms; 0: not wanted at present */
	UPSTREAM_COOLING, /* until at_ms */
	UPSTREAM_TRYING,  /* given up at at_ms */
	UPSTREAM_STANDBY, /* takes its place back at at_ms */
	UPSTREAM_ACTIVE
};

/* What an upstream did. */
enum upstream_fault {
	UPSTREAM_NO_FAULT,
	UPSTREAM_NOT_REACHED,     /* no connection, no handshake, no work in time */
	UPSTREAM_LOST,            /* the connection ended */
	UPSTREAM_SETUP_REFUSED,   /* SetupConnection.Error */
	UPSTREAM_CHANNEL_REFUSED, /* OpenMiningChannel.Error, CloseChannel, extranonce too short */
	UPSTREAM_DECLARATION_REFUSED, /* of a job on the present tip */
	UPSTREAM_SHARE_REFUSED,       /* of a job that it had acknowledged */
	UPSTREAM_UNANSWERED,          /* a request, past its time */
	UPSTREAM_BROKE_PROTOCOL
};

/* One upstream; embedded in what the role keeps of it. */
struct upstream {
	bool declares; /* jobs are declared to it while there are templates; set by the role */

	/* The rest is read only for the role. */
	enum upstream_state state;
	bool with_templates;       /* as it was connected to: jobs are declared */
	enum upstream_fault fault; /* the last one */
	uint32_t failures;         /* attempts in a row that did not reach it */
	uint32_t coolings;         /* misbehaviours, until it is proven */
	uint64_t since_ms;         /* in this state */
	uint64_t at_ms;            /* see the states */
	bool asked;                /* upstreams_prefer(): no wait before it is returned to */
};

struct upstreams_options {
	uint32_t stagger_ms;   /* 500: head start before the next one is tried, too */
	uint32_t attempt_ms;   /* 10000: from the attempt to work */
	uint32_t solo_ms;      /* 4000: without work, before it is solo */
	uint32_t return_ms;    /* 10000: well, before a preferred one takes its place back */
	uint32_t settled_ms;   /* 10000: work for so long, and losing the connection is no fault */
	uint32_t proven_ms;    /* 600000: work for so long, and old faults are forgotten */
	uint32_t retry_min_ms; /* 1000 */
	uint32_t retry_max_ms; /* 30000 */
	uint32_t cool_min_ms;  /* 30000 */
	uint32_t cool_max_ms;  /* 600000 */
};

/* What the role does. None may call back into upstreams_*(); what it learns meanwhile it tells
 * later, from the loop. */
struct upstreams_actions {
	/* Connects to U and asks for work, for declaring when u->with_templates. An attempt that
	 * goes on is ended first by disconnect(). */
	void (*connect)(void *context, struct upstream *u);
	/* Ends the attempt or connection. Also called when it has ended already. */
	void (*disconnect)(void *context, struct upstream *u);
	/* The work is from TO now; NULL: from nobody, it is solo. FROM (NULL: none or solo) is
	 * disconnected after this returns, if it is not already. */
	void (*switched)(void *context, struct upstream *from, struct upstream *to);
	/* Uniform in 0..BOUND-1, for jitter. */
	uint32_t (*random_below)(uint32_t bound);
};

struct upstreams {
	struct upstream *items[UPSTREAMS_MAX]; /* in order of preference */
	uint32_t count;
	struct upstreams_options options;
	const struct upstreams_actions *actions;
	void *context;
	bool running;
	bool templates;          /* there are some */
	bool solo;               /* active is NULL because none gives work */
	bool seeking;            /* active is NULL, not yet solo */
	struct upstream *active; /* NULL: solo or seeking */
	struct upstream *first;  /* of the present search, whatever the order; NULL: none */
	uint64_t seeking_ms;     /* since when */
	uint64_t next_ms;        /* the search's next attempt */
	uint64_t switches;       /* how often upstreams_actions.switched was called */
};

/* OPTIONS: what is 0 takes the default written beside it. ACTIONS is kept by reference. */
void upstreams_init(struct upstreams *all, const struct upstreams_options *options,
		    const struct upstreams_actions *actions, void *context);
/* Puts U, of which `declares` is set, before the one at POSITION; past the last one: at the end. It
 * is tried when its turn comes. False when there are UPSTREAMS_MAX. */
bool upstreams_add(struct upstreams *all, struct upstream *u, uint32_t position, uint64_t now_ms);
/* Disconnects and forgets U. If it was the active one, the next is sought. */
void upstreams_remove(struct upstreams *all, struct upstream *u, uint64_t now_ms);
/* Tries U now, even if it cools, and goes over to it as soon as it gives work, if it is preferred
 * to the active one. */
void upstreams_prefer(struct upstreams *all, struct upstream *u, uint64_t now_ms);

/* Begins. With no upstream it is solo when this returns. */
void upstreams_start(struct upstreams *all, bool templates, uint64_t now_ms);
/* Disconnects all; `switched` is not called. */
void upstreams_stop(struct upstreams *all, uint64_t now_ms);

/* U, which is tried, gives work: connections are set up, a channel is open and there is a job, or
 * there may be one. Ignored when it is not tried. */
void upstreams_ready(struct upstreams *all, struct upstream *u, uint64_t now_ms);
/* U failed. Ignored when it is neither tried nor connected to. */
void upstreams_failed(struct upstreams *all, struct upstream *u, enum upstream_fault fault,
		      uint64_t now_ms);
/* Whether there are templates of our own. */
void upstreams_templates(struct upstreams *all, bool templates, uint64_t now_ms);
/* Time has passed. Returns in how many milliseconds this wants to be called again, at most 60000;
 * every other function here may make that sooner: call this after it. */
uint32_t upstreams_tick(struct upstreams *all, uint64_t now_ms);

/* "waiting", "cooling" ...; "not reached", "declaration refused" ... */
const char *upstream_state_name(enum upstream_state state);
const char *upstream_fault_name(enum upstream_fault fault);

#endif
