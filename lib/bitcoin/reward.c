/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/bitcoin/reward.h"

#include <stdlib.h>
#include <string.h>

#define PARTS_OF_PERCENT (REWARD_WHOLE / 100)
#define DECIMALS_MAX 4

/* Length of the first item of TEXT: up to a comma outside of parentheses. */
static size_t item_span(const char *text)
{
	int depth = 0;
	size_t i;

	for (i = 0; text[i] != '\0'; i++) {
		if (text[i] == '(')
			depth++;
		else if (text[i] == ')')
			depth--;
		else if (text[i] == ',' && depth <= 0)
			break;
	}
	return i;
}

/* Reads "97.5%" at *AT and goes behind it; *PARTS stays 0 when there is no percentage. */
static int32_t read_percent(const char **at, uint32_t *parts, struct error *e)
{
	size_t size = strspn(*at, "0123456789.");
	const char *p = *at;
	uint32_t unit = PARTS_OF_PERCENT;
	uint32_t value = 0;

	*parts = 0;
	if (size == 0 || p[size + strspn(p + size, " \t")] != '%')
		return ADIT_OK;
	for (; *p >= '0' && *p <= '9' && value <= 100; p++)
		value = value * 10 + (uint32_t)(*p - '0');
	if (value > 100)
		value = 101;
	value *= PARTS_OF_PERCENT;
	if (*p == '.') {
		for (p++; *p >= '0' && *p <= '9' && unit > 1; p++) {
			unit /= 10;
			value += (uint32_t)(*p - '0') * unit;
		}
	}
	if (p != *at + size || value == 0 || value > REWARD_WHOLE)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "%.*s%%: expected a percentage above 0, at most 100, with %d "
				 "decimals at most",
				 (int)size, *at, DECIMALS_MAX);
	*parts = value;
	*at += size + strspn(*at + size, " \t") + 1;
	return ADIT_OK;
}

static int32_t read_item(struct reward *out, const char *text, size_t size,
			 enum bitcoin_network network, struct error *e)
{
	struct reward_item *item = &out->items[out->count];
	const char *at = text + strspn(text, " \t");
	struct script script;
	size_t left;
	int32_t result = read_percent(&at, &item->parts, e);

	if (result != ADIT_OK)
		return result;
	at += strspn(at, " \t");
	left = at < text + size ? (size_t)(text + size - at) : 0;
	while (left > 0 && (at[left - 1] == ' ' || at[left - 1] == '\t'))
		left--;
	if (left == 0)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "expected an address or a descriptor, after its percentage when "
				 "there are several");
	item->descriptor = strndup(at, left);
	if (!item->descriptor)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	out->count++;
	item->ranged = strchr(item->descriptor, '(') && descriptor_is_ranged(item->descriptor);
	return descriptor_script_at(item->descriptor, network, 0, &script, e);
}

/* Gives what is left to the item without a percentage. */
static int32_t divide(struct reward *out, struct error *e)
{
	uint32_t sum = 0;
	uint32_t without = 0;

	out->rest = 0;
	for (uint32_t i = 0; i < out->count; i++) {
		sum += out->items[i].parts;
		if (out->items[i].parts > 0)
			continue;
		out->rest = i;
		without++;
	}
	if (without > 1)
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "%u of %u have no percentage; at most one may leave it out and "
				 "gets what the others leave",
				 without, out->count);
	if (sum > REWARD_WHOLE || (sum == REWARD_WHOLE) != (without == 0))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "the percentages make %g, %s",
				 (double)sum / PARTS_OF_PERCENT,
				 without ? "so nothing is left for the one without a percentage"
					 : "not 100");
	if (without)
		out->items[out->rest].parts = REWARD_WHOLE - sum;
	return ADIT_OK;
}

static int32_t read_list(struct reward *out, const char *text, enum bitcoin_network network,
			 struct error *e)
{
	for (;;) {
		size_t size = item_span(text);
		int32_t result;

		if (out->count == REWARD_ITEMS_MAX)
			return error_set(e, ADIT_E_INVALID_ARGUMENT, "more than %d outputs",
					 REWARD_ITEMS_MAX);
		result = read_item(out, text, size, network, e);
		if (result != ADIT_OK)
			return result;
		if (text[size] == '\0')
			return divide(out, e);
		text += size + 1;
	}
}

int32_t reward_parse(struct reward *out, const char *text, enum bitcoin_network network,
		     struct error *e)
{
	int32_t result;

	*out = (struct reward){0};
	result = read_list(out, text, network, e);
	if (result != ADIT_OK)
		reward_free(out);
	return result;
}

void reward_free(struct reward *reward)
{
	for (uint32_t i = 0; i < reward->count; i++)
		free(reward->items[i].descriptor);
	*reward = (struct reward){0};
}
