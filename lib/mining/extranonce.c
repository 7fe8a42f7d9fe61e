/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/extranonce.h"

#include <stdlib.h>
#include <string.h>

#include <adit/error.h>

bool extranonce_divide(struct extranonce_sizes *out, size_t base, size_t room, size_t number,
		       size_t rollable)
{
	if (room == 0)
		room = number + rollable;
	if (number + rollable > room || base + room > EXTRANONCE_MAX)
		return false;
	*out = (struct extranonce_sizes){.base = (uint8_t)base,
					 .filler = (uint8_t)(room - number - rollable),
					 .number = (uint8_t)number,
					 .rollable = (uint8_t)rollable};
	return true;
}

int32_t extranonce_init(struct extranonce *x, uint16_t server_id, uint16_t slice, uint8_t number,
			uint8_t rollable)
{
	*x = (struct extranonce){.own = {(uint8_t)(server_id >> 8), (uint8_t)server_id,
					 (uint8_t)(slice >> 8), (uint8_t)slice}};
	if (number < 2 || number > 3 ||
	    !extranonce_divide(&x->size, EXTRANONCE_OWN_BASE, 0, number, rollable))
		return ADIT_E_INVALID_ARGUMENT;
	memcpy(x->base, x->own, sizeof x->own);
	x->numbers = 1u << (8 * number);
	/* 2 MiB of addresses with 3 bytes; a page is touched per 32768 numbers in use. */
	x->used = calloc(x->numbers / 8, 1);
	return x->used ? ADIT_OK : ADIT_E_NO_MEMORY;
}

void extranonce_fini(struct extranonce *x)
{
	free(x->used);
	x->used = NULL;
}

bool extranonce_set_base(struct extranonce *x, const uint8_t *base, size_t size, size_t room,
			 uint8_t rollable)
{
	if (!base) {
		base = x->own;
		size = sizeof x->own;
		room = 0;
	}
	if (!extranonce_divide(&x->size, size, room, x->size.number,
			       rollable ? rollable : x->size.rollable))
		return false;
	memcpy(x->base, base, size);
	return true;
}

static bool number_used(const struct extranonce *x, uint32_t number)
{
	return (x->used[number / 8] >> (number % 8)) & 1;
}

bool extranonce_take(struct extranonce *x, uint32_t *number)
{
	if (x->live == x->numbers)
		return false;
	while (number_used(x, x->next))
		x->next = (x->next + 1) % x->numbers;
	*number = x->next;
	x->used[*number / 8] |= (uint8_t)(1u << (*number % 8));
	x->next = (x->next + 1) % x->numbers;
	x->live++;
	return true;
}

void extranonce_give(struct extranonce *x, uint32_t number)
{
	if (!number_used(x, number))
		return;
	x->used[number / 8] &= (uint8_t) ~(1u << (number % 8));
	x->live--;
}

static size_t prefix_size(const struct extranonce *x)
{
	return (size_t)x->size.base + x->size.filler + x->size.number;
}

size_t extranonce_size(const struct extranonce *x)
{
	return prefix_size(x) + x->size.rollable;
}

size_t extranonce_prefix(const struct extranonce *x, uint32_t number, bool standard,
			 uint8_t out[EXTRANONCE_MAX])
{
	size_t end = prefix_size(x);

	memset(out, 0, EXTRANONCE_MAX);
	memcpy(out, x->base, x->size.base);
	for (size_t i = end; i > end - x->size.number; i--) {
		out[i - 1] = (uint8_t)number;
		number >>= 8;
	}
	return standard ? extranonce_size(x) : end;
}
