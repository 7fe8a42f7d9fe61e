/* SPDX-License-Identifier: MIT */
/*
 * classes.h: payout classes. Channels whose blocks pay the same outputs are of one class: they
 * share the coinbase of each template, and on each connection they form one group. A class's group
 * has the same id on all connections, so a message to it is encoded once and is the same bytes
 * everywhere.
 *
 * The role's own class is always there and comes first in every broadcast; its group is
 * CHANNEL_GROUP. The others live as long as they have a channel, and are bounded in number. Their
 * group ids are counted from CHANNEL_GROUP_FIRST on and not used again, so on no connection an id
 * is ever a channel's and a group's.
 */
#ifndef MINING_CLASSES_H
#define MINING_CLASSES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* An address's script: at most a witness program of 40 bytes. */
#define PAYEE_SCRIPT_MAX 42

struct channel;
struct coinbase;
struct mining_conn;

#define CHANNEL_GROUP 1u
#define CHANNEL_GROUP_FIRST 0x80000000u /* ids of channels are below */

#define CLASSES_BUCKETS 1024

/* Who gets a block that a channel finds. */
struct payee {
	uint8_t own_percent; /* 100: all to the role's own outputs; 0: all to the script */
	uint8_t script_size;
	uint8_t script[PAYEE_SCRIPT_MAX];
};

struct payout_class {
	TAILQ_ENTRY(payout_class) link;
	LIST_ENTRY(payout_class) bucket;
	uint32_t group_id;
	uint32_t channels;
	struct payee payee;
	LIST_HEAD(, group) groups;
	LIST_HEAD(, coinbase) coinbases; /* of the present payouts; none is owned */
};

TAILQ_HEAD(class_list, payout_class);
TAILQ_HEAD(channel_list, channel);

/* The channels of one class on one connection; never empty. */
struct group {
	LIST_ENTRY(group) of_class;
	LIST_ENTRY(group) of_conn;
	struct payout_class *class;
	struct mining_conn *conn;
	struct channel_list channels;
};

struct classes {
	struct class_list list;   /* the role's own first */
	struct payout_class *own; /* that one */
	uint32_t count;           /* the others */
	uint32_t max;             /* of them */
	uint32_t last_group_id;
	LIST_HEAD(, payout_class) buckets[CLASSES_BUCKETS];
};

/* Both get the same. */
bool payee_equal(const struct payee *a, const struct payee *b);

/* At most MAX classes besides the role's own. */
int32_t classes_init(struct classes *classes, uint32_t max);
void classes_fini(struct classes *classes);
/* Puts CHANNEL into the class of PAYEE and its group on the channel's connection; both are made
 * when they are not there. False when there are too many classes, or no memory: nothing has
 * changed. The channel must be in no class. */
bool classes_join(struct classes *classes, struct channel *channel, const struct payee *payee);
/* The same for a channel that is in a class, and leaves that one. */
bool classes_move(struct classes *classes, struct channel *channel, const struct payee *payee);
/* Takes CHANNEL out of its class; what gets empty ends. */
void classes_leave(struct classes *classes, struct channel *channel);
/* The group ID of CONN, NULL when it has no such. */
struct group *group_find(struct mining_conn *conn, uint32_t id);
/* The outputs have changed: every coinbase made so far is for past jobs only. */
void classes_forget_coinbases(struct classes *classes);

#endif
