/* SPDX-License-Identifier: MIT */
/*
 * traffic.h: the synthetic transactions of the embedded chain. Transaction N is a function of N
 * alone: whoever has a transaction can tell which one it claims to be (an OP_RETURN output says
 * so), make it again and compare. So the chain verifies what a block contains without keeping what
 * it handed out, and a template from before a restart still gives a valid block.
 *
 * Numbers come in families of eight: legacy, segwit and taproot spends of outputs out of nowhere,
 * and children of earlier members. Signatures are random bytes, values are worth nothing.
 */
#ifndef NODE_TRAFFIC_H
#define NODE_TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/bitcoin/tx.h"

#define TRAFFIC_MAX_SIZE 1200 /* bytes of the largest transaction */
#define TRAFFIC_MAX_PARENTS 2

struct traffic_tx {
	uint64_t number;
	uint8_t data[TRAFFIC_MAX_SIZE];
	uint32_t size;
	uint32_t weight;
	uint32_t sigops; /* cost */
	uint64_t fee;
	uint8_t txid[32];
	uint8_t wtxid[32];
	uint64_t parents[TRAFFIC_MAX_PARENTS]; /* numbers, smaller than the own one */
	uint32_t parents_count;
};

/* Makes transaction NUMBER. */
void traffic_make(uint64_t number, struct traffic_tx *out);
/* Which one TX is, byte for byte; made in *OUT. False when it is none of ours. */
bool traffic_identify(const struct tx *tx, struct traffic_tx *out);

/* Which numbers are in the chain. Numbers below `floor` all are. */
struct traffic_set {
	uint8_t *bits;
	uint64_t limit; /* numbers that `bits` has room for */
	uint64_t next;  /* one past the highest number in the set */
	uint64_t floor; /* the lowest number that is not in the set */
};

bool traffic_set_has(const struct traffic_set *set, uint64_t number);
/* False without memory. */
bool traffic_set_add(struct traffic_set *set, uint64_t number);
void traffic_set_remove(struct traffic_set *set, uint64_t number);
void traffic_set_free(struct traffic_set *set);

#endif
