/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/share_ring.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include <adit/error.h>

#define RECORD_WORDS (sizeof(struct adit_share) / 8)
#define FIXED_BYTES offsetof(struct adit_share, user)

_Static_assert(sizeof(struct adit_share) == 320, "a record has 320 bytes");
_Static_assert(offsetof(struct adit_share, sequence) == 0, "its sequence is its first word");
_Static_assert(sizeof(_Atomic uint64_t) == 8 && ATOMIC_LLONG_LOCK_FREE == 2,
	       "shared words are plain ones");

size_t share_ring_bytes(uint64_t capacity)
{
	return SHARE_RING_HEADER + (size_t)capacity * sizeof(struct adit_share);
}

uint64_t share_ring_round(uint64_t capacity)
{
	uint64_t rounded = SHARE_RING_LEAST;

	while (rounded < capacity && rounded < SHARE_RING_MOST)
		rounded *= 2;
	return rounded;
}

bool share_ring_map(struct share_ring *ring, void *memory, size_t bytes)
{
	uint64_t capacity;

	if (bytes < SHARE_RING_HEADER)
		return false;
	capacity = (bytes - SHARE_RING_HEADER) / sizeof(struct adit_share);
	if (capacity != share_ring_round(capacity) || bytes != share_ring_bytes(capacity))
		return false;
	*ring = (struct share_ring){.memory = memory, .capacity = capacity};
	return true;
}

static _Atomic uint64_t *ring_written(const struct share_ring *ring)
{
	return ring->memory;
}

/* The words of the record with SEQUENCE; the first is its sequence. */
static _Atomic uint64_t *ring_record(const struct share_ring *ring, uint64_t sequence)
{
	size_t index = (size_t)(sequence & (ring->capacity - 1));

	return (_Atomic uint64_t *)(void *)((uint8_t *)ring->memory + SHARE_RING_HEADER +
					    index * sizeof(struct adit_share));
}

uint64_t share_ring_written(const void *memory)
{
	/* C11 has no atomic load from a const object */
	_Atomic uint64_t *written = (_Atomic uint64_t *)(uintptr_t)memory;

	return atomic_load_explicit(written, memory_order_acquire);
}

void share_ring_resume(struct share_ring *ring)
{
	uint64_t next = share_ring_written(ring->memory) + 1;

	if (atomic_load_explicit(ring_record(ring, next), memory_order_acquire) == next)
		atomic_store_explicit(ring_written(ring), next, memory_order_release);
}

/* Unix time in ms, to the kernel's tick: a read of memory. */
static uint64_t ring_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void share_ring_append(struct share_ring *ring, const struct adit_share *share)
{
	uint64_t next = atomic_load_explicit(ring_written(ring), memory_order_relaxed) + 1;
	_Atomic uint64_t *record = ring_record(ring, next);
	uint64_t words[RECORD_WORDS];
	struct adit_share fixed;
	size_t user =
	    share->user_size < ADIT_SHARE_USER_MAX ? share->user_size : ADIT_SHARE_USER_MAX;
	size_t worker =
	    user + 1 + share->worker_size <= ADIT_SHARE_USER_MAX ? share->worker_size : 0;
	size_t text = worker > 0 ? user + 1 + worker : user;
	size_t count = (FIXED_BYTES + text + 7) / 8;

	memcpy(&fixed, share, FIXED_BYTES);
	fixed.time_ms = ring_now_ms();
	fixed.user_size = (uint16_t)user;
	fixed.worker_size = (uint16_t)worker;
	words[count - 1] = 0; /* the bytes behind the text */
	memcpy(words, &fixed, FIXED_BYTES);
	memcpy((uint8_t *)words + FIXED_BYTES, share->user, text);
	atomic_store_explicit(record, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (size_t i = 1; i < count; i++)
		atomic_store_explicit(&record[i], words[i], memory_order_relaxed);
	atomic_store_explicit(record, next, memory_order_release);
	atomic_store_explicit(ring_written(ring), next, memory_order_release);
}

/* The record with SEQUENCE. False: another one, or half a one, is in its place, or its user_size is
 * not one. */
static bool ring_copy(const struct share_ring *ring, uint64_t sequence, struct adit_share *share)
{
	_Atomic uint64_t *record = ring_record(ring, sequence);
	uint64_t words[RECORD_WORDS];
	size_t text;

	words[0] = atomic_load_explicit(record, memory_order_acquire);
	if (words[0] != sequence)
		return false;
	for (size_t i = 1; i < RECORD_WORDS; i++)
		words[i] = atomic_load_explicit(&record[i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(record, memory_order_relaxed) != sequence)
		return false;
	memcpy(share, words, sizeof(*share));
	if (share->user_size > ADIT_SHARE_USER_MAX)
		return false;
	text = share->user_size;
	if (adit_share_worker(share) != NULL)
		text += (size_t)1 + share->worker_size;
	else
		share->worker_size = 0;
	/* what an older, longer text has left */
	memset(share->user + text, 0, sizeof(share->user) - text);
	share->user[share->user_size] = '\0';
	return true;
}

void share_cursor_begin(struct share_cursor *cursor, const struct share_ring *ring)
{
	uint64_t written = share_ring_written(ring->memory);

	*cursor = (struct share_cursor){0};
	if (written > ring->capacity)
		cursor->read = written - ring->capacity;
}

bool share_cursor_seek(struct share_cursor *cursor, const struct share_ring *ring,
		       uint64_t sequence)
{
	if (sequence == 0 || sequence - 1 > share_ring_written(ring->memory))
		return false;
	cursor->read = sequence - 1;
	return true;
}

int32_t share_ring_read(const struct share_ring *ring, struct share_cursor *cursor,
			struct adit_share *shares, uint32_t most, uint32_t *count)
{
	uint64_t written = share_ring_written(ring->memory);

	*count = 0;
	if (written < cursor->read) {
		cursor->read = written;
		return ADIT_E_PROTOCOL;
	}
	if (written - cursor->read > ring->capacity) {
		uint64_t oldest = written - ring->capacity;

		cursor->lost += oldest - cursor->read;
		cursor->read = oldest;
	}
	while (*count < most && cursor->read < written) {
		cursor->read++;
		if (ring_copy(ring, cursor->read, &shares[*count]))
			(*count)++;
		else
			cursor->lost++;
	}
	return ADIT_OK;
}
