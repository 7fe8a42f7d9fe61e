/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/store.h"

#include <string.h>

static void remove_at(struct tp_store *s, uint32_t i)
{
	tp_template_free(s->entries[i].template);
	s->count--;
	memmove(&s->entries[i], &s->entries[i + 1], (s->count - i) * sizeof(s->entries[0]));
}

/* Snapshots are shared by neighbours: only the classes' templates of one moment share one. */
static size_t data_size(const struct tp_store *s)
{
	const struct tp_snapshot *last = NULL;
	size_t sum = 0;

	for (uint32_t i = 0; i < s->count; i++) {
		const struct tp_snapshot *snapshot = s->entries[i].template->snapshot;

		if (snapshot != last)
			sum += snapshot->data_size;
		last = snapshot;
	}
	return sum;
}

static bool remote_has_half(const struct tp_store *s)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->count; i++)
		count += s->entries[i].template->remote;
	return count >= TP_STORE_MAX / 2;
}

static bool evict_oldest_of(struct tp_store *s, bool remote, bool local)
{
	for (uint32_t i = 0; i < s->count; i++) {
		const struct tp_template *t = s->entries[i].template;

		if (t->pins > 0 || (t->remote ? !remote : !local))
			continue;
		remove_at(s, i);
		return true;
	}
	return false;
}

/* Clients on other machines can have templates made, by changing their constraints; that must not
 * cost the pool of this machine one that it finds a block for. */
static bool evict_oldest(struct tp_store *s)
{
	return (remote_has_half(s) && evict_oldest_of(s, true, false)) ||
	       evict_oldest_of(s, true, true);
}

bool tp_store_add(struct tp_store *s, struct tp_template *t)
{
	while (s->count == TP_STORE_MAX) {
		if (evict_oldest(s))
			continue;
		tp_template_free(t);
		return false;
	}
	while (data_size(s) + t->snapshot->data_size > TP_STORE_MAX_DATA && evict_oldest(s))
		;
	s->entries[s->count++] = (struct tp_store_entry){.template = t};
	return true;
}

struct tp_template *tp_store_find(struct tp_store *s, uint64_t id, bool *old)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->entries[i].template->id != id)
			continue;
		if (old != NULL)
			*old = s->entries[i].expires_ms != 0;
		return s->entries[i].template;
	}
	return NULL;
}

void tp_store_retire(struct tp_store *s, uint64_t now_ms)
{
	for (uint32_t i = 0; i < s->count; i++) {
		if (s->entries[i].expires_ms == 0)
			s->entries[i].expires_ms = now_ms + TP_STORE_GRACE_MS;
	}
}

uint64_t tp_store_expire(struct tp_store *s, uint64_t now_ms)
{
	uint64_t next = 0;

	for (uint32_t i = 0; i < s->count;) {
		uint64_t at = s->entries[i].expires_ms;

		if (at != 0 && at <= now_ms && s->entries[i].template->pins == 0) {
			remove_at(s, i);
			continue;
		}
		if (at != 0 && (next == 0 || at < next))
			next = at;
		i++;
	}
	return next;
}

void tp_store_clear(struct tp_store *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		tp_template_free(s->entries[i].template);
	s->count = 0;
}
