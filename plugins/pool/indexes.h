/* SPDX-License-Identifier: MIT */
/*
 * indexes.h: how far the ranged descriptors of `payout` have been used: the file payout.index in
 * the state directory, a line "INDEX DESCRIPTOR" (without checksum) for each that was ever
 * configured.
 *
 * All workers of the role use the same index. The one that finds a block steps it on, under a lock
 * (payout.index.lock), and only when nobody else has: two blocks of one index make one step. The
 * new file is synced and renamed into place before the first job with the new script is made; the
 * other workers see that it is another file.
 */
#ifndef POOL_INDEXES_H
#define POOL_INDEXES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/bitcoin/reward.h"
#include "lib/util/error.h"

struct indexes {
	char *path;                       /* owned; NULL before indexes_init() */
	char *lock_path;                  /* owned */
	uint32_t value[REWARD_ITEMS_MAX]; /* of the items of the reward; 0 where not ranged */
	ino_t seen_inode; /* of the file that they were read from; 0: there was none */
	struct timespec seen_time;
};

int32_t indexes_init(struct indexes *x, const char *state_dir);
void indexes_fini(struct indexes *x);
/* Reads the present index of each ranged item of REWARD; one that was never used is at 0. No file
 * is looked at when none is ranged. ADIT_E_IO when the file can't be read or is damaged. */
int32_t indexes_read(struct indexes *x, const struct reward *reward, struct error *e);
/* Whether there is another file than the one that was read last. */
bool indexes_changed(const struct indexes *x);
/* Steps on those indexes of REWARD that are still what `value` says, and reads them all again.
 * `value` does not change on an error: ADIT_E_UNAVAILABLE when another worker is at it (try again
 * later), ADIT_E_IO otherwise. Syncs: milliseconds, on the loop, once for a found block. */
int32_t indexes_advance(struct indexes *x, const struct reward *reward, struct error *e);

#endif
