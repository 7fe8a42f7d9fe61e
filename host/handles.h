/* SPDX-License-Identifier: MIT */
/* handles.h: numbers for pointers. A number is never 0 and never used again, so a stale one finds
 * nothing. */
#ifndef HOST_HANDLES_H
#define HOST_HANDLES_H

#include <stddef.h>
#include <stdint.h>

struct handle_slot {
	void *pointer; /* NULL: free */
	uint32_t generation;
	uint32_t next_free; /* slot + 1; 0: none */
};

struct handles {
	struct handle_slot *slots;
	size_t count;
	uint32_t first_free; /* slot + 1; 0: none */
};

/* A number for POINTER; 0 when memory ran out. */
uint64_t handles_add(struct handles *h, void *pointer);
void *handles_get(const struct handles *h, uint64_t handle);
void handles_remove(struct handles *h, uint64_t handle);
void handles_free(struct handles *h);

#endif
