/* SPDX-License-Identifier: MIT */
/*
 * extranonce.h: who searches where. The full extranonce of every job of this process is
 *
 *   server_id (2) | slice (2) | channel number (3) | rollable (13 by default)
 *
 * big-endian. server_id is of the machine, slice of this start of this worker, so prefixes never
 * repeat over workers, restarts and machines; the channel number is of this worker. A standard
 * channel owns one point of its range: its rollable bytes are zero, so that all members of a group
 * have the same full length (specification 05 section 5.1.3).
 */
#ifndef MINING_EXTRANONCE_H
#define MINING_EXTRANONCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXTRANONCE_OWN_BASE 4 /* server_id and slice */
#define EXTRANONCE_PREFIX 7   /* bytes before the rollable ones */
#define EXTRANONCE_MAX 32     /* prefix and rollable together: B0_32 on the wire */
#define EXTRANONCE_NUMBERS (1u << 24)

struct extranonce {
	uint16_t server_id;
	uint16_t slice;
	uint8_t rollable; /* bytes that an extended channel's client rolls */
	uint8_t *used;    /* a bit a channel number */
	uint32_t next;    /* where the search for a free number goes on */
	uint32_t live;
};

int32_t extranonce_init(struct extranonce *x, uint16_t server_id, uint16_t slice, uint8_t rollable);
void extranonce_fini(struct extranonce *x);
/* The next number upward that no open channel has; a number that was given back comes around again
 * only after all others. False when every number is taken. */
bool extranonce_take(struct extranonce *x, uint32_t *number);
/* Gives NUMBER back: its channel is closed, none of its jobs can yield a share any more. */
void extranonce_give(struct extranonce *x, uint32_t number);
/* Full length of every extranonce. */
size_t extranonce_size(const struct extranonce *x);
/* Writes the prefix of channel NUMBER and returns its size: EXTRANONCE_PREFIX, for a standard
 * channel the full length. */
size_t extranonce_prefix(const struct extranonce *x, uint32_t number, bool standard,
			 uint8_t out[EXTRANONCE_MAX]);

#endif
