/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/buf.h"
#include "lib/util/clock.h"

static const struct tp_source_type *const types[] = {&tp_node_source, &tp_ipc_source};

static const struct tp_source_callbacks entry_callbacks;

static int32_t open_entry(struct tp_sources *s, uint32_t i, struct error *e)
{
	struct tp_sources_entry *entry = &s->entries[i];
	struct tp_source head = {.type = entry->type,
				 .host = s->host,
				 .settings = &s->settings,
				 .callbacks = &entry_callbacks,
				 .user = entry};

	if (entry->source != NULL)
		return ADIT_OK;
	entry->source = entry->type->open(&head, e);
	return entry->source != NULL ? ADIT_OK : e->code;
}

static void close_entry(struct tp_sources_entry *entry)
{
	if (entry->source != NULL)
		entry->type->close(entry->source);
	entry->source = NULL;
	entry->well = false;
	entry->state[0] = '\0';
}

/* It was given a block that has no verdict yet. */
static bool is_busy(const struct tp_sources_entry *entry)
{
	return entry->source != NULL && entry->type->is_busy != NULL &&
	       entry->type->is_busy(entry->source);
}

/* --- what is said -------------------------------------------------------------------------------
 */

static void tell(struct tp_sources *s)
{
	char text[sizeof(s->state)] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < s->count && used < sizeof(text); i++) {
		const struct tp_sources_entry *entry = &s->entries[i];
		const char *name = s->count > 1 ? entry->type->name : "";

		if (entry->source == NULL || entry->state[0] == '\0')
			continue;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s%s",
					 used > 0 ? "; " : "", name, s->count > 1 ? ": " : "",
					 entry->state);
	}
	if (strcmp(text, s->state) == 0)
		return;
	memcpy(s->state, text, sizeof(text));
	s->callbacks->state(s->user, s->state);
}

/* --- whose templates are served -----------------------------------------------------------------
 */

/* The sources after the preferred one are open while it is not well. */
static void open_rest(struct tp_sources *s)
{
	struct error e;

	for (uint32_t i = 1; i < s->count; i++) {
		if (open_entry(s, i, &e) != ADIT_OK)
			snprintf(s->entries[i].state, sizeof(s->entries[i].state), "%.200s",
				 e.text);
	}
}

static bool may_serve(const struct tp_sources *s, uint32_t i, uint32_t height)
{
	if (!s->serving || i == s->active || height >= s->height)
		return true;
	/* Below the tip that is served: only if that one's source seems not to come back. */
	return s->lost_ms != 0 && clock_monotonic_ms() - s->lost_ms >= TP_SOURCES_PATIENCE_MS;
}

static void on_snapshot(void *user, struct tp_snapshot *snapshot)
{
	struct tp_sources_entry *entry = user;
	struct tp_sources *s = entry->owner;
	uint32_t i = (uint32_t)(entry - s->entries);

	/* A stand-in's answer that was still under way. */
	if (i > s->active && s->serving && s->entries[s->active].well) {
		tp_snapshot_unref(snapshot);
		return;
	}
	if (!may_serve(s, i, snapshot->height)) {
		snprintf(entry->state, sizeof(entry->state),
			 "at height %u, below the %u that is served", snapshot->height, s->height);
		tp_snapshot_unref(snapshot);
		tell(s);
		return;
	}
	if (s->serving && i != s->active)
		tp_log(s->host, ADIT_LOG_INFO, "templates come from %s now", entry->type->name);
	s->active = i;
	s->serving = true;
	s->height = snapshot->height;
	s->lost_ms = 0;
	entry->well = true;
	entry->state[0] = '\0';
	for (uint32_t other = i + 1; other < s->count; other++) {
		if (!is_busy(&s->entries[other]))
			close_entry(&s->entries[other]);
	}
	tell(s);
	s->callbacks->snapshot(s->user, snapshot);
}

static void on_state(void *user, const char *text)
{
	struct tp_sources_entry *entry = user;
	struct tp_sources *s = entry->owner;

	entry->well = text[0] == '\0';
	snprintf(entry->state, sizeof(entry->state), "%s", text);
	if (entry == &s->entries[s->active] && !entry->well && s->lost_ms == 0)
		s->lost_ms = clock_monotonic_ms();
	if (entry == &s->entries[0] && !entry->well)
		open_rest(s);
	tell(s);
}

static const struct tp_source_callbacks entry_callbacks = {on_snapshot, on_state};

/* --- life ---------------------------------------------------------------------------------------
 */

static const struct tp_source_type *find_type(const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strlen(types[i]->name) == size && memcmp(types[i]->name, name, size) == 0)
			return types[i];
	}
	return NULL;
}

/* The keys that sources are opened with, as one text; the caller's, NULL: no memory. */
static char *join_keys(const struct tp_host *h)
{
	static const char *const keys[] = {"source", "network", "datadir", "socket",
					   "node_timeout"};
	struct buf text = {0};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *value = h->api->config(h->handle, keys[i]);

		(void)buf_printf(&text, "%s\n", value != NULL ? value : "");
	}
	if (!text.failed && buf_append_u8(&text, 0))
		return (char *)text.data;
	buf_free(&text);
	return NULL;
}

bool tp_sources_changed(const struct tp_sources *s)
{
	char *now = join_keys(s->host);
	bool changed = now == NULL || s->keys == NULL || strcmp(now, s->keys) != 0;

	free(now);
	return changed;
}

/* The key is a list that the host has checked: words, commas and blanks. */
static int32_t configure(struct tp_sources *s, struct error *e)
{
	const char *at = s->host->api->config(s->host->handle, "source");

	for (at = at != NULL ? at : "node"; *at != '\0';) {
		size_t size = strcspn(at, ", \t");
		const struct tp_source_type *type = find_type(at, size);

		if (size == 0) {
			at++;
			continue;
		}
		if (type == NULL)
			return error_set(e, ADIT_E_CONFIG, "source: %.*s is none", (int)size, at);
		for (uint32_t i = 0; i < s->count; i++) {
			if (s->entries[i].type == type)
				return error_set(e, ADIT_E_CONFIG, "source: %s is named twice",
						 type->name);
		}
		s->entries[s->count++] = (struct tp_sources_entry){.owner = s, .type = type};
		if (type->check(s->host, e) != ADIT_OK)
			return e->code;
		at += size;
	}
	return s->count > 0 ? ADIT_OK : error_set(e, ADIT_E_CONFIG, "source: none is named");
}

int32_t tp_sources_start(struct tp_sources *s, const struct tp_host *host,
			 const struct tp_source_callbacks *callbacks, void *user, struct error *e)
{
	struct tp_source_settings settings = s->settings;
	int32_t r;

	*s = (struct tp_sources){
	    .settings = settings, .host = host, .callbacks = callbacks, .user = user};
	s->keys = join_keys(host);
	r = configure(s, e);
	return r == ADIT_OK ? open_entry(s, 0, e) : r;
}

void tp_sources_stop(struct tp_sources *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		close_entry(&s->entries[i]);
	s->count = 0;
	free(s->keys);
	s->keys = NULL;
}

const char *tp_sources_active(const struct tp_sources *s)
{
	return s->count > 0 ? s->entries[s->active].type->name : "";
}

bool tp_sources_well(const struct tp_sources *s)
{
	return s->count > 0 && s->entries[s->active].well;
}

struct tp_attempt *
tp_sources_submit(void *sources, const uint8_t *block, size_t size,
		  void (*done)(void *user, enum tp_verdict verdict, const char *text), void *user)
{
	struct tp_sources *s = sources;
	struct error e;

	for (uint32_t i = 0; i < s->count; i++) {
		struct tp_sources_entry *entry = &s->entries[i];

		if (entry->type->submit != NULL && open_entry(s, i, &e) == ADIT_OK)
			return entry->type->submit(entry->source, block, size, done, user);
	}
	return NULL;
}
