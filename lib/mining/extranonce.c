/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/extranonce.h"

#include <stdlib.h>
#include <string.h>

#include <adit/error.h>

int32_t extranonce_init(struct extranonce *x, uint16_t server_id, uint16_t slice, uint8_t rollable)
{
	*x = (struct extranonce){.server_id = server_id, .slice = slice, .rollable = rollable};
	/* 2 MiB of addresses; a page is touched per 32768 numbers in use. */
	x->used = calloc(EXTRANONCE_NUMBERS / 8, 1);
	return x->used ? ADIT_OK : ADIT_E_NO_MEMORY;
}

void extranonce_fini(struct extranonce *x)
{
	free(x->used);
	x->used = NULL;
}

static bool number_used(const struct extranonce *x, uint32_t number)
{
	return (x->used[number / 8] >> (number % 8)) & 1;
}

bool extranonce_take(struct extranonce *x, uint32_t *number)
{
	if (x->live == EXTRANONCE_NUMBERS)
		return false;
	while (number_used(x, x->next))
		x->next = (x->next + 1) % EXTRANONCE_NUMBERS;
	*number = x->next;
	x->used[*number / 8] |= (uint8_t)(1u << (*number % 8));
	x->next = (x->next + 1) % EXTRANONCE_NUMBERS;
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

size_t extranonce_size(const struct extranonce *x)
{
	return EXTRANONCE_PREFIX + (size_t)x->rollable;
}

size_t extranonce_prefix(const struct extranonce *x, uint32_t number, bool standard,
			 uint8_t out[EXTRANONCE_MAX])
{
	memset(out, 0, EXTRANONCE_MAX);
	out[0] = (uint8_t)(x->server_id >> 8);
	out[1] = (uint8_t)x->server_id;
	out[2] = (uint8_t)(x->slice >> 8);
	out[3] = (uint8_t)x->slice;
	out[4] = (uint8_t)(number >> 16);
	out[5] = (uint8_t)(number >> 8);
	out[6] = (uint8_t)number;
	return standard ? extranonce_size(x) : EXTRANONCE_PREFIX;
}
