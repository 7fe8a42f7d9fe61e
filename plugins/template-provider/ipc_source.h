/* SPDX-License-Identifier: MIT */
/*
 * ipc_source.h: the insides of the source `bitcoin-ipc`: Bitcoin Core's Mining interface. The
 * files:
 *
 *   ipc_source.c    what is done with the link to the node: is it ready, pulse, states
 *   ipc_feed.c      templates: createNewBlock, waitNext on a thread of its own, fetching the parts
 *   ipc_template.c  one template at the node: how long it is kept there, and solutions of it
 *   ipc_block.c     blocks of which no template is known
 *   ipc_parts.c     the parts of a template and the snapshot they make
 *
 * Every call has a deadline. A call that fails, for whatever reason, ends the session and not more:
 * the source says why, and tries again.
 */
#ifndef TP_IPC_SOURCE_H
#define TP_IPC_SOURCE_H

#include <sys/queue.h>

#include "lib/bitcoin/tx.h"
#include "lib/node-ipc/link.h"
#include "plugins/template-provider/ipc_parts.h"
#include "plugins/template-provider/source.h"

struct ipc_source;
struct ipc_fetch;
struct ipc_block;

/* A template at the node. It is destroyed there with the last reference. */
struct ipc_template {
	struct tp_origin origin; /* first: of the snapshot, which holds a reference */
	LIST_ENTRY(ipc_template) link;
	struct ipc_source *source; /* NULL: closed */
	uint64_t session;          /* number of the session that the capability is of */
	struct capn_cap *cap;
	uint32_t refs;
};

struct ipc_source {
	struct tp_source head;
	struct node_link link;
	struct event *pace; /* begins a wait that was put off */
	struct event *mail; /* sends blocks that came while the link stood */
	char network[16];
	int known_dialect; /* that was told last; -1: none */
	char state[256];
	bool told; /* the state was told at least once */

	/* Of the session: */
	struct ipc_template *current; /* what waitNext goes on from */
	struct ipc_template *waited;  /* what it was called on; NULL: it is not */
	uint64_t wait_began_ms;
	uint32_t wait_ms;
	uint32_t wait_rushes; /* answers in a row that came at once */
	uint64_t adopted_ms;  /* when `current` came */
	struct ipc_fetch *fetch;
	unsigned missed; /* looks in a row that found another tip */

	uint64_t last_id;
	bool has_tip;
	uint8_t tip[32]; /* that the newest snapshot builds on */
	LIST_HEAD(, ipc_template) templates;
	TAILQ_HEAD(, ipc_block) blocks; /* without an answer, oldest first */
};

/* --- ipc_source.c --- */
/* Says that all is well. */
void ipc_is_well(struct ipc_source *s);

/* --- ipc_feed.c --- */
/* The node is ready: the first template, and all that follow. */
void ipc_feed_start(struct ipc_source *s);
/* The session is over: forgets what was of it. */
void ipc_feed_stop(struct ipc_source *s);
void ipc_feed_wait(struct ipc_source *s);
/* The session is about to be closed: ends the wait, where the node's version can. */
void ipc_feed_interrupt(struct ipc_source *s);

/* --- ipc_template.c --- */
/* Takes over the reference to CAP, also when there is no memory: NULL. */
struct ipc_template *ipc_template_new(struct ipc_source *s, struct capn_cap *cap);
struct ipc_template *ipc_template_ref(struct ipc_template *t);
void ipc_template_unref(struct ipc_template *t); /* NULL is fine */
/* The source is closed; snapshots may outlive it. */
void ipc_templates_detach(struct ipc_source *s);
/* Header and coinbase of BLOCK, borrowed; false: it is none. */
bool ipc_split_block(const uint8_t *block, size_t size, struct block_header *h,
		     struct tx *coinbase);
/* What RESULT of a call that takes a block says. TEXT gets the reason, in printable characters; ""
 * for none. */
#define IPC_REASON_MAX 192
enum tp_verdict ipc_verdict(const struct capn_return *result, char text[IPC_REASON_MAX]);

/* --- ipc_block.c --- */
/* As `submit` of a source. */
struct tp_attempt *
ipc_block_submit(struct tp_source *source, const uint8_t *block, size_t size,
		 void (*done)(void *user, enum tp_verdict verdict, const char *text), void *user);
/* Sends what has not been sent, when the node is there, and the right one. */
void ipc_blocks_send(struct ipc_source *s);
/* Somebody waits for an answer. */
bool ipc_blocks_wait(const struct ipc_source *s);
/* No call is open any more: ends what is left. */
void ipc_blocks_end(struct ipc_source *s);

#endif
