/* SPDX-License-Identifier: MIT */
/*
 * share_ring.h: a ring of share records in shared memory: one writer, any number of readers, none
 *of whom waits. See adit/share_log.h for what a record is, share_log.h for the files.
 *
 *	0                  u64 written: sequence of the newest record, 0: none yet
 *	SHARE_RING_HEADER  CAPACITY records; the one with sequence s is at s % CAPACITY
 *
 * The writer clears a record's sequence, writes the rest, then the sequence, then `written`. A
 *reader that finds the sequence it looks for, before and after it copied the record, has it whole
 *(a seqlock for each record). So a writer that is killed half-way leaves a record that nobody takes
 *for one, and its successor writes it again.
 *
 * Readers have the memory read-only, and believe nothing in it: the capacity comes from the size of
 * the file, which is sealed, an index from a sequence and the capacity, and sizes inside a record
 *are checked in the copy.
 */
#ifndef HOST_SHARE_RING_H
#define HOST_SHARE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/share_log.h>

#define SHARE_RING_HEADER 4096
#define SHARE_RING_LEAST 64u     /* records */
#define SHARE_RING_MOST 4194304u /* records: 1.25 GiB */

/* A mapped ring; borrows the memory, which is aligned to 8 bytes. */
struct share_ring {
	void *memory;
	uint64_t capacity; /* a power of two */
};

/* Where a reader is. */
struct share_cursor {
	uint64_t read; /* sequence of the last record that was read or lost */
	uint64_t lost; /* records that were overwritten before they were read */
};

/* Bytes of a file with CAPACITY records. */
size_t share_ring_bytes(uint64_t capacity);
/* CAPACITY rounded up to a power of two within the bounds. */
uint64_t share_ring_round(uint64_t capacity);
/* RING on the BYTES of MEMORY; false when no ring has that size. */
bool share_ring_map(struct share_ring *ring, void *memory, size_t bytes);

/* Sequence of the newest record. Of MEMORY only the header is read. */
uint64_t share_ring_written(const void *memory);

/* The writer's. `resume`: before the first record of a new writer; a record that its predecessor
 * had finished and not yet counted becomes one. `append` sets sequence and time of what it writes,
 * cuts user_size at ADIT_SHARE_USER_MAX, and does not read `user` beyond it. */
void share_ring_resume(struct share_ring *ring);
void share_ring_append(struct share_ring *ring, const struct adit_share *share);

/* A reader's: the oldest record that is there is the next one. */
void share_cursor_begin(struct share_cursor *cursor, const struct share_ring *ring);
/* Sets CURSOR so that SEQUENCE is next. False: it is not 1 to `written` + 1. */
bool share_cursor_seek(struct share_cursor *cursor, const struct share_ring *ring,
		       uint64_t sequence);
/* Copies at most MOST records to SHARES; *COUNT is how many. Looks at CAPACITY records at most.
 * What is gone or damaged is added to cursor->lost. ADIT_E_PROTOCOL when `written` went back, which
 * no writer of ours does: the cursor goes there, too. */
int32_t share_ring_read(const struct share_ring *ring, struct share_cursor *cursor,
			struct adit_share *shares, uint32_t most, uint32_t *count);

#endif
