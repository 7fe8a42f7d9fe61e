/* SPDX-License-Identifier: MIT */
/*
 * What a reader of the share log makes of any memory. The first 8 bytes are how far it has read,
 * the next one how many records it takes at a time; the rest is a ring of 64 records, repeated to
 * fill it. Between two looks the ring is turned into its own complement, as a writer gone wild
 * might.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <adit/error.h>

#include "host/share_ring.h"

#define PREFIX 9

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is handed out is inside of the record, and counted. */
static void check_read(const struct share_ring *ring, struct share_cursor *cursor, uint32_t most)
{
	struct adit_share shares[64];
	struct share_cursor before = *cursor;
	uint64_t last = before.read;
	uint32_t count;
	int32_t error = share_ring_read(ring, cursor, shares, most, &count);

	if (count > most || (error != ADIT_OK && count > 0))
		abort();
	for (uint32_t i = 0; i < count; i++) {
		if (shares[i].sequence <= last || shares[i].user_size > ADIT_SHARE_USER_MAX ||
		    (shares[i].worker_size > 0 && adit_share_worker(&shares[i]) == NULL) ||
		    shares[i].user[shares[i].user_size] != '\0')
			abort();
		last = shares[i].sequence;
	}
	if (error == ADIT_OK && (cursor->read < last ||
				 cursor->read - before.read != cursor->lost - before.lost + count))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t bytes = share_ring_bytes(SHARE_RING_LEAST);
	struct share_cursor cursor = {0};
	struct share_ring ring;
	uint8_t *memory;

	if (share_ring_map(&ring, NULL, size) && ring.capacity != share_ring_round(ring.capacity))
		abort();
	if (size <= PREFIX)
		return 0;
	memory = malloc(bytes);
	if (memory == NULL || !share_ring_map(&ring, memory, bytes))
		abort();
	for (size_t i = 0; i < bytes; i++)
		memory[i] = data[PREFIX + i % (size - PREFIX)];
	memcpy(&cursor.read, data, 8);
	for (int i = 0; i < 4; i++) {
		check_read(&ring, &cursor, data[8] % 65);
		if (i == 1) {
			for (size_t at = 0; at < bytes; at++)
				memory[at] ^= 0xff;
		}
	}
	share_ring_resume(&ring);
	share_cursor_begin(&cursor, &ring);
	(void)share_cursor_seek(&cursor, &ring, cursor.read + data[8]);
	check_read(&ring, &cursor, 64);
	free(memory);
	return 0;
}
