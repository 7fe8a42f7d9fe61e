/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/things.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/chans.h"

static size_t bucket(const struct things *things, const char *text)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a; ids are hashes, codes are our own */

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211u;
	return (size_t)(h ^ h >> 29) & things->mask;
}

bool things_init(struct things *things, size_t most)
{
	size_t buckets = 1024;

	while (buckets < most)
		buckets *= 2;
	*things = (struct things){.most = most, .mask = buckets - 1, .next_code = 1};
	things->list = calloc(most, sizeof(*things->list));
	things->by_id = calloc(buckets, sizeof(*things->by_id));
	things->by_code = calloc(buckets, sizeof(*things->by_code));
	things->by_name = calloc(buckets, sizeof(*things->by_name));
	return things->list != NULL && things->by_id != NULL && things->by_code != NULL &&
	       things->by_name != NULL;
}

void things_fini(struct things *things)
{
	for (size_t i = 0; i < things->count; i++)
		thing_free(things->list[i]);
	free(things->list);
	free(things->by_id);
	free(things->by_code);
	free(things->by_name);
	*things = (struct things){0};
}

/* --- finding --- */

struct thing *things_find(const struct things *things, const char *id)
{
	struct thing *t = things->by_id[bucket(things, id)];

	while (t != NULL && strcmp(t->id, id) != 0)
		t = t->next_id;
	return t;
}

struct thing *things_find_code(const struct things *things, const char *code)
{
	struct thing *t = things->by_code[bucket(things, code)];

	while (t != NULL && strcmp(t->code, code) != 0)
		t = t->next_code;
	return t;
}

struct thing *things_find_name(const struct things *things, const char *name)
{
	struct thing *t = things->by_name[bucket(things, name)];

	while (t != NULL && strcmp(t->name, name) != 0)
		t = t->next_name;
	return t;
}

static void link_code(struct things *things, struct thing *t)
{
	size_t b = bucket(things, t->code);

	t->next_code = things->by_code[b];
	things->by_code[b] = t;
}

static void unlink_code(struct things *things, struct thing *t)
{
	struct thing **at = &things->by_code[bucket(things, t->code)];

	while (*at != t)
		at = &(*at)->next_code;
	*at = t->next_code;
}

static void enter(struct things *things, struct thing *t)
{
	size_t b = bucket(things, t->id);

	t->place = things->count;
	things->list[things->count++] = t;
	t->next_id = things->by_id[b];
	things->by_id[b] = t;
	link_code(things, t);
	if (t->name != NULL) {
		b = bucket(things, t->name);
		t->next_name = things->by_name[b];
		things->by_name[b] = t;
	}
}

/* Out of the indexes, not of the list. */
static void leave(struct things *things, struct thing *t)
{
	struct thing **at = &things->by_id[bucket(things, t->id)];

	while (*at != t)
		at = &(*at)->next_id;
	*at = t->next_id;
	unlink_code(things, t);
	if (t->name == NULL)
		return;
	at = &things->by_name[bucket(things, t->name)];
	while (*at != t)
		at = &(*at)->next_name;
	*at = t->next_name;
}

/* --- changes --- */

void things_next_code(const struct things *things, char out[THING_CODE_MAX + 1])
{
	uint64_t number = things->next_code;

	do
		snprintf(out, THING_CODE_MAX + 1, "SV2-%04llu", (unsigned long long)number++);
	while (things_find_code(things, out) != NULL);
}

static bool is_chosen(void *user, struct thing *t)
{
	return t == user;
}

/* The one to forget when there is no room. */
static struct thing *oldest_away(const struct things *things)
{
	struct thing *oldest = NULL;

	for (size_t i = 0; i < things->count; i++) {
		struct thing *t = things->list[i];

		if (t->name == NULL || t->chan != NULL || json_object_array_length(t->comments) > 0)
			continue;
		if (oldest == NULL || t->since_ms < oldest->since_ms)
			oldest = t;
	}
	return oldest;
}

struct thing *things_add(struct things *things, const char *id, const char *code, const char *name)
{
	char made_id[16], made_code[THING_CODE_MAX + 1];
	struct thing *t;

	if (things->count == things->most &&
	    ((t = oldest_away(things)) == NULL || things_remove(things, is_chosen, t) == 0))
		return NULL;
	if (code == NULL) {
		things_next_code(things, made_code);
		code = made_code;
		things->next_code = strtoull(made_code + 4, NULL, 10) + 1;
	}
	if (id == NULL) {
		thing_make_id(name, made_id);
		id = made_id;
	}
	t = thing_new(id, code, name);
	if (t == NULL)
		return NULL;
	enter(things, t);
	things->dirty = true;
	return t;
}

void things_set_code(struct things *things, struct thing *t, const char *code)
{
	unlink_code(things, t);
	snprintf(t->code, sizeof(t->code), "%s", code);
	link_code(things, t);
	things->dirty = true;
}

size_t things_remove(struct things *things, bool (*choose)(void *user, struct thing *t), void *user)
{
	size_t kept = 0, removed;

	for (size_t i = 0; i < things->count; i++) {
		struct thing *t = things->list[i];

		if (choose(user, t)) {
			leave(things, t);
			chan_forget_thing(t);
			thing_free(t);
			continue;
		}
		t->place = kept;
		things->list[kept++] = t;
	}
	removed = things->count - kept;
	things->count = kept;
	things->dirty = things->dirty || removed > 0;
	return removed;
}
