/* SPDX-License-Identifier: MIT */
/* minerpool.h: the second rack, minerpool-sv2: the pool's own figures, in the shape that MiningOS
 * has them of pools. */
#ifndef MININGOS_MINERPOOL_H
#define MININGOS_MINERPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct miningos;
struct rack_call;

#define MINERPOOL_BLOCKS 500u

struct found_block {
	char hash[65];
	uint64_t ts; /* Unix ms */
	uint64_t height;
	uint64_t value; /* of the template, in satoshi; 0: not known */
	char user[128];
	bool accepted; /* by the node */
};

struct minerpool {
	struct found_block blocks[MINERPOOL_BLOCKS]; /* a ring */
	size_t count, next;
};

/* Of BlockFound and BlockMined; DATA is borrowed. */
void minerpool_found(struct miningos *m, struct json_object *data);
void minerpool_mined(struct miningos *m, struct json_object *data);
/* Every five minutes, TS Unix ms. */
void minerpool_sample(struct miningos *m, uint64_t ts);
/* getWrkExtData of the rack. */
void minerpool_answer(struct rack_call *call);

#endif
