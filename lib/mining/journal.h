/* SPDX-License-Identifier: MIT */
/*
 * journal.h: found blocks on disk: one JSON object a line in the state directory,
 *
 *   {"time":.., "height":.., "hash":"..", "provider":"unix:/..", "template_id":..,
 *    "slice":.., "header":"80 bytes in hex", "coinbase":"with witness, in hex"}
 *
 * A line is written before the block leaves for the template provider, and synced a moment after
 * it has left: the write is a copy into the kernel's memory, which outlives this process; the sync
 * is for the power of the machine, and must not come between a block and the network.
 */
#ifndef MINING_JOURNAL_H
#define MINING_JOURNAL_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/util/error.h"

struct pending_block;
struct mining;

struct journal {
	int fd;     /* -1: not open */
	off_t seen; /* its lines up to here have been read */
	int former; /* the file that was full; -1: none since the start */
	off_t former_seen;
	char *path;
	int64_t size;        /* of the file, bytes */
	uint64_t sync_timer; /* 0: nothing to sync */
	char error[96];      /* why blocks can't be written down, "" when they can */
};

/* Opens it and brings back the youngest blocks as pending ones, those of workers that there are no
 * more with the first worker's. On a full disk the role goes on
 * without; else ADIT_E_IO with the reason in E. */
int32_t journal_start(struct mining *mining, struct error *e);
void journal_stop(struct mining *mining);
/* Writes BLOCK down and marks it so. When that fails, the log and the state line say so, and
 * journal_retry() tries again. */
void journal_write(struct mining *mining, struct pending_block *block);
/* Writes down what could not be before, of the blocks that are still pending. */
void journal_retry(struct mining *mining);
/* Takes over the blocks that another process has written down since the last time. */
void journal_follow(struct mining *mining);

#endif
