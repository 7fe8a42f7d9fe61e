/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/handles.h"

#include <stdlib.h>

#define HANDLES_MAX ((size_t)1 << 24)

/* A number is generation << 32 | slot + 1. */
static struct handle_slot *handles_slot(const struct handles *h, uint64_t handle)
{
	size_t slot = (uint32_t)handle;

	if (slot == 0 || slot > h->count || h->slots[slot - 1].generation != handle >> 32 ||
	    h->slots[slot - 1].pointer == NULL)
		return NULL;
	return &h->slots[slot - 1];
}

static int handles_grow(struct handles *h)
{
	size_t count = h->count > 0 ? h->count * 2 : 16;
	struct handle_slot *slots;

	if (count > HANDLES_MAX)
		return -1;
	slots = realloc(h->slots, count * sizeof(*slots));
	if (slots == NULL)
		return -1;
	h->slots = slots;
	for (size_t i = count; i > h->count; i--) {
		slots[i - 1] = (struct handle_slot){.next_free = h->first_free};
		h->first_free = (uint32_t)i;
	}
	h->count = count;
	return 0;
}

uint64_t handles_add(struct handles *h, void *pointer)
{
	struct handle_slot *slot;
	uint32_t number;

	if (h->first_free == 0 && handles_grow(h) != 0)
		return 0;
	number = h->first_free;
	slot = &h->slots[number - 1];
	h->first_free = slot->next_free;
	slot->pointer = pointer;
	slot->generation++;
	return (uint64_t)slot->generation << 32 | number;
}

void *handles_get(const struct handles *h, uint64_t handle)
{
	const struct handle_slot *slot = handles_slot(h, handle);

	return slot != NULL ? slot->pointer : NULL;
}

void handles_remove(struct handles *h, uint64_t handle)
{
	struct handle_slot *slot = handles_slot(h, handle);

	if (slot == NULL)
		return;
	slot->pointer = NULL;
	slot->next_free = h->first_free;
	h->first_free = (uint32_t)handle;
}

void handles_free(struct handles *h)
{
	free(h->slots);
	h->slots = NULL;
	h->count = 0;
	h->first_free = 0;
}
