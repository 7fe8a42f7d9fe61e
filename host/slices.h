/* SPDX-License-Identifier: MIT */
/*
 * slices.h: the numbers that make extranonce prefixes unique: every start of a role instance in a
 * worker gets the next one, so a restarted worker never hands out a prefix whose shares may still
 * be in flight. The counter is kept in STATE_DIR/slice and reserved ahead, so that a start writes
 * nothing.
 */
#ifndef HOST_SLICES_H
#define HOST_SLICES_H

#include <stdint.h>

#include "lib/util/error.h"

#define SLICES_AHEAD 64

struct slices {
	char *path;
	uint32_t next;
	uint32_t reserved; /* numbers below are this run's to use */
};

/* Reads the counter in DIRECTORY (0 without a file) and reserves the first numbers. ADIT_E_IO with
 * a text when the file is not a counter or can't be written. */
int32_t slices_open(struct slices *s, const char *directory, struct error *e);
/* The next number; they come round after 65,536 of them. */
int32_t slices_next(struct slices *s, uint16_t *slice, struct error *e);
void slices_close(struct slices *s);

#endif
