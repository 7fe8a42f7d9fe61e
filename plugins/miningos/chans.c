/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/chans.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"

#define ORDINAL_MAX 1000000u

static struct chan **slot(const struct chans *chans, const char *name)
{
	uint64_t h = 14695981039346656037u;
	struct chan **at;

	for (const char *c = name; *c != '\0'; c++)
		h = (h ^ (unsigned char)*c) * 1099511628211u;
	at = &chans->buckets[(size_t)(h ^ h >> 29) & chans->mask];
	while (*at != NULL && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

bool chans_init(struct chans *chans, size_t most)
{
	size_t buckets = 1024;

	while (buckets < most)
		buckets *= 2;
	*chans = (struct chans){.mask = buckets - 1, .most = most};
	TAILQ_INIT(&chans->fresh);
	chans->buckets = calloc(buckets, sizeof(*chans->buckets));
	return chans->buckets != NULL;
}

void chans_fini(struct chans *chans)
{
	for (size_t i = 0; chans->buckets != NULL && i <= chans->mask; i++) {
		struct chan *chan;

		while ((chan = chans->buckets[i]) != NULL) {
			chans->buckets[i] = chan->next;
			free(chan);
		}
	}
	free(chans->buckets);
	*chans = (struct chans){0};
}

struct chan *chans_find(const struct chans *chans, const char *name)
{
	return *slot(chans, name);
}

/* --- the thing of a channel --- */

static void thing_name(const struct chan *chan, uint32_t ordinal, char *out, size_t size)
{
	snprintf(out, size, "%s/%u/%s", chan->role, ordinal, chan->user);
}

static struct thing *new_thing(struct miningos *m, const struct chan *chan, const char *name,
			       uint64_t at_ms)
{
	struct thing *t = things_add(&m->things, NULL, NULL, name);
	char *worker;

	if (t == NULL)
		return NULL;
	add_text(t->opts, "role", chan->role);
	add_text(t->opts, "user", chan->user);
	worker = strrchr(chan->user, '.');
	if (worker != NULL && worker[1] != '\0')
		add_text(t->info, "worker", worker + 1);
	add_text(t->info, "user", chan->user);
	add_text(t->info, "pool", chan->role);
	add_count(t->info, "createdAt", at_ms);
	add_count(t->info, "updatedAt", at_ms);
	history_note(m, t, "registered", NULL, at_ms);
	return t;
}

static void connect_thing(struct chan *chan, struct thing *t, uint64_t at_ms)
{
	chan->thing = t;
	t->chan = chan;
	t->since_ms = at_ms;
	t->work = 0;
	t->last_share_ms = 0;
	t->bad = (struct share_counts){0};
	window_begin(&t->window, chan->early_ms != 0 ? chan->early_ms : at_ms);
	if (chan->early_ms == 0)
		return;
	chan_shares(chan, &chan->early, chan->early_work, chan->early_ms, true);
	chan->early = (struct share_counts){0};
	chan->early_work = 0;
}

static void attach(struct miningos *m, struct chan *chan, uint64_t at_ms)
{
	struct thing *t, *first;
	char name[CHAN_ROLE_MAX + sizeof(chan->user) + 16];
	uint32_t ordinal = 1;

	thing_name(chan, 1, name, sizeof(name));
	first = things_find_name(&m->things, name);
	/* Of a thousand channels of one user none looks at all the others. */
	if (first != NULL && first->chan != NULL && first->free_ordinal > 1)
		ordinal = first->free_ordinal;
	for (; ordinal < ORDINAL_MAX; ordinal++) {
		thing_name(chan, ordinal, name, sizeof(name));
		t = things_find_name(&m->things, name);
		if (t == NULL)
			t = m->settings.auto_register_miners ? new_thing(m, chan, name, at_ms)
							     : NULL;
		else if (t->chan != NULL)
			continue;
		if (t != NULL) {
			t->ordinal = ordinal;
			connect_thing(chan, t, at_ms);
		}
		break;
	}
	thing_name(chan, 1, name, sizeof(name));
	first = things_find_name(&m->things, name);
	if (first != NULL)
		first->free_ordinal = ordinal + 1;
}

static void set_fresh(struct chans *chans, struct chan *chan, bool fresh)
{
	if (chan->fresh == fresh)
		return;
	chan->fresh = fresh;
	if (fresh)
		TAILQ_INSERT_TAIL(&chans->fresh, chan, link);
	else
		TAILQ_REMOVE(&chans->fresh, chan, link);
}

void chans_attach(struct miningos *m, uint64_t at_ms)
{
	struct chan *chan, *next;

	for (chan = TAILQ_FIRST(&m->chans.fresh); chan != NULL; chan = next) {
		next = TAILQ_NEXT(chan, link);
		attach(m, chan, at_ms);
		if (chan->thing != NULL)
			set_fresh(&m->chans, chan, false);
	}
}

static void release(struct miningos *m, struct chan *chan, uint64_t at_ms)
{
	struct thing *t = chan->thing, *first;
	char name[CHAN_ROLE_MAX + sizeof(chan->user) + 16];

	if (t == NULL)
		return;
	t->chan = NULL;
	t->since_ms = at_ms;
	m->things.dirty = true; /* `seen` */
	thing_name(chan, 1, name, sizeof(name));
	first = things_find_name(&m->things, name);
	if (first != NULL && t->ordinal < first->free_ordinal)
		first->free_ordinal = t->ordinal;
}

void chan_forget_thing(struct thing *t)
{
	if (t->chan != NULL)
		t->chan->thing = NULL;
	t->chan = NULL;
}

/* --- channels --- */

struct chan *chans_open(struct miningos *m, const char *name, const char *role, const char *user)
{
	struct chans *chans = &m->chans;
	struct chan **at = slot(chans, name);
	struct chan *chan = *at;

	if (chan == NULL) {
		if (chans->count >= chans->most || strlen(name) > CHAN_NAME_MAX ||
		    strlen(role) > CHAN_ROLE_MAX || (chan = calloc(1, sizeof(*chan))) == NULL)
			return NULL;
		snprintf(chan->name, sizeof(chan->name), "%s", name);
		snprintf(chan->role, sizeof(chan->role), "%s", role);
		snprintf(chan->user, sizeof(chan->user), "%s", user);
		*at = chan;
		chans->count++;
	}
	chan->round = chans->round;
	set_fresh(chans, chan, chan->thing == NULL);
	return chan;
}

void chans_close_role(struct miningos *m, const char *role, uint32_t round)
{
	struct chans *chans = &m->chans;
	uint64_t now = mos_now_ms();

	for (size_t i = 0; i <= chans->mask; i++) {
		struct chan **at = &chans->buckets[i];

		while (*at != NULL) {
			struct chan *chan = *at;

			if (chan->round == round || strcmp(chan->role, role) != 0) {
				at = &chan->next;
				continue;
			}
			*at = chan->next;
			release(m, chan, now);
			set_fresh(chans, chan, false);
			free(chan);
			chans->count--;
		}
	}
}

void chan_shares(struct chan *chan, const struct share_counts *shares, double hashes,
		 uint64_t at_ms, bool recent)
{
	struct thing *t = chan->thing;

	if (t == NULL) {
		chan->early.accepted += recent ? shares->accepted : 0;
		chan->early.rejected += recent ? shares->rejected : 0;
		chan->early.stale += recent ? shares->stale : 0;
		chan->early_work += recent ? hashes : 0;
		chan->early_ms = at_ms;
		return;
	}
	if (shares->accepted > 0) {
		window_add(&t->window, at_ms, hashes);
		t->work += hashes;
		if (at_ms > t->last_share_ms)
			t->last_share_ms = at_ms;
	}
	if (!recent)
		return;
	t->added.accepted += shares->accepted;
	t->added.rejected += shares->rejected;
	t->added.stale += shares->stale;
	t->minute.accepted += shares->accepted;
	t->minute.rejected += shares->rejected;
	t->minute.stale += shares->stale;
}

void chan_totals(const struct chan *chan, struct share_counts *total, double *difficulty)
{
	*total = chan->total;
	*difficulty = chan->difficulty;
}

const char *chan_name_of(const struct thing *t)
{
	return t->chan != NULL ? t->chan->name : NULL;
}
