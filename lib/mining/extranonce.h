/* SPDX-License-Identifier: MIT */
/*
 * extranonce.h: who searches where. The full extranonce of every job of this process is
 *
 *   base | filler | channel number (2 or 3 bytes, big-endian) | rollable
 *
 * The base is what was given from above, and may change while channels live: the prefix of this
 * process's channel at an upstream. Of the bytes that the upstream leaves, what clients and number
 * do not need is filler, zeros, so that clients roll the same size whatever the upstream. With
 * nobody above the base is server_id (2) | slice (2): server_id is of the machine, slice of this
 * start of this worker, so prefixes never repeat over workers, restarts and machines.
 *
 * A standard channel owns one point of its range: its rollable bytes are zero, so that all members
 * of a group have the same full length (specification 05 section 5.1.3).
 */
#ifndef MINING_EXTRANONCE_H
#define MINING_EXTRANONCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXTRANONCE_OWN_BASE 4 /* server_id and slice */
#define EXTRANONCE_MAX 32     /* prefix and rollable together: B0_32 on the wire */

/* How long the parts are. */
struct extranonce_sizes {
	uint8_t base;
	uint8_t filler;
	uint8_t number;
	uint8_t rollable;
};

struct extranonce {
	struct extranonce_sizes size;
	uint8_t base[EXTRANONCE_MAX];
	uint8_t own[EXTRANONCE_OWN_BASE];
	uint32_t numbers; /* how many there are */
	uint32_t next;    /* where the search for a free number goes on */
	uint32_t live;
	uint8_t *used; /* a bit a channel number */
};

/* Divides the ROOM bytes that follow a base of BASE bytes (0: as many as are needed) for numbers of
 * NUMBER bytes and clients that roll ROLLABLE. False when they are too few, or more than a message
 * can say. A client that is a proxy itself has the prefix for its base and ROLLABLE for its room.
 */
bool extranonce_divide(struct extranonce_sizes *out, size_t base, size_t room, size_t number,
		       size_t rollable);

/* The base is this process's own. Sizes as for extranonce_divide(); NUMBER 2 or 3.
 * ADIT_E_INVALID_ARGUMENT or ADIT_E_NO_MEMORY. */
int32_t extranonce_init(struct extranonce *x, uint16_t server_id, uint16_t slice, uint8_t number,
			uint8_t rollable);
void extranonce_fini(struct extranonce *x);
/* Another base of SIZE bytes with ROOM behind it; BASE NULL: this process's own. ROLLABLE 0: as it
 * is. False, and nothing has changed, when that can't be divided. The prefixes of all channels are
 * others then. */
bool extranonce_set_base(struct extranonce *x, const uint8_t *base, size_t size, size_t room,
			 uint8_t rollable);
/* The next number upward that no open channel has; a number that was given back comes around again
 * only after all others. False when every number is taken. */
bool extranonce_take(struct extranonce *x, uint32_t *number);
/* Gives NUMBER back: its channel is closed, none of its jobs can yield a share any more. */
void extranonce_give(struct extranonce *x, uint32_t number);
/* Full length of every extranonce. */
size_t extranonce_size(const struct extranonce *x);
/* Writes the prefix of channel NUMBER and returns its size: all but the rollable bytes, for a
 * standard channel the full length. */
size_t extranonce_prefix(const struct extranonce *x, uint32_t number, bool standard,
			 uint8_t out[EXTRANONCE_MAX]);

#endif
