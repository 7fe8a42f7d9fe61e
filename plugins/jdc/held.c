/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jdc/held.h"

#include <stdlib.h>

bool held_init(struct held *h, uint32_t capacity)
{
	*h = (struct held){.capacity = capacity};
	if (capacity == 0)
		return true;
	h->items = calloc(capacity, sizeof *h->items);
	return h->items != NULL;
}

void held_fini(struct held *h)
{
	free(h->items);
	*h = (struct held){0};
}

static struct held_share *at(struct held *h, uint32_t i)
{
	return &h->items[(h->first + i) % h->capacity];
}

struct held_share *held_add(struct held *h, uint64_t *dropped)
{
	if (h->count == h->capacity) {
		++*dropped;
		if (h->capacity == 0)
			return NULL;
		h->first = (h->first + 1) % h->capacity;
		h->count--;
	}
	return at(h, h->count++);
}

uint32_t held_take(struct held *h, uint64_t work,
		   void (*fn)(void *context, const struct held_share *s), void *context)
{
	uint32_t kept = 0;
	uint32_t count = h->count;

	for (uint32_t i = 0; i < count; i++) {
		const struct held_share *s = at(h, i);

		if (s->work != work)
			*at(h, kept++) = *s;
		else if (fn)
			fn(context, s);
	}
	h->count = kept;
	return count - kept;
}

void held_clear(struct held *h)
{
	h->count = 0;
}

uint32_t held_keep_blocks(struct held *h, uint64_t work)
{
	uint32_t kept = 0;
	uint32_t count = h->count;

	for (uint32_t i = 0; i < count; i++) {
		const struct held_share *s = at(h, i);

		if (s->block || (work != 0 && s->work != work))
			*at(h, kept++) = *s;
	}
	h->count = kept;
	return count - kept;
}
