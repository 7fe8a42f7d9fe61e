/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Events that one owner alone publishes, see adit-events(7). */
static const struct {
	const char *type;
	const char *owner; /* "": the host */
} bus_owned[] = {
    {"NewBlock", "node"},
    {"BlockDisconnected", "node"},
    {"ChainReorg", "node"},
    {"BlockTemplateUpdated", "node"},
    {"BlockMined", "node"},
    {"SyncStateChanged", "node"},
    {"NewTransaction", "node"},
    {"MempoolTransactionAdded", "node"},
    {"MempoolTransactionRemoved", "node"},
    {"ModuleStarted", ""},
    {"ModuleStopped", ""},
    {"ModuleCrashed", ""},
    {"NodeStartupCompleted", ""},
    {"NodeShutdown", ""},
    {"ConfigLoaded", ""},
};

bool bus_type_valid(const char *type)
{
	size_t size = strlen(type);

	return size > 0 && size <= BUS_TYPE_MAX && type[0] >= 'A' && type[0] <= 'Z' &&
	       strspn(type, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") ==
		   size;
}

bool bus_may_publish(const char *role, const char *type)
{
	for (size_t i = 0; i < sizeof(bus_owned) / sizeof(bus_owned[0]); i++) {
		if (strcmp(bus_owned[i].type, type) == 0)
			return strcmp(bus_owned[i].owner, role) == 0;
	}
	return true;
}

static struct bus_type *bus_find(struct bus_type *types, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	}
	return NULL;
}

static struct bus_type *bus_add(struct bus_type **types, size_t *count, size_t most,
				const char *name)
{
	struct bus_type *list;

	if (*count >= most)
		return NULL;
	list = realloc(*types, (*count + 1) * sizeof(*list));
	if (list == NULL)
		return NULL;
	*types = list;
	list += (*count)++;
	memset(list, 0, sizeof(*list));
	(void)snprintf(list->name, sizeof(list->name), "%s", name);
	return list;
}

void bus_join(struct bus *bus, struct bus_subscriber *s, bus_deliver_fn deliver, void *user)
{
	s->deliver = deliver;
	s->user = user;
	s->next = bus->subscribers;
	bus->subscribers = s;
}

bool bus_wanted(const struct bus *bus, const char *type)
{
	for (const struct bus_subscriber *s = bus->subscribers; s != NULL; s = s->next) {
		if (bus_find(s->types, s->count, type) != NULL)
			return true;
	}
	return false;
}

int32_t bus_subscribe(struct bus *bus, struct bus_subscriber *s, const char *type)
{
	bool before = bus_wanted(bus, type);

	if (strcmp(type, "*") != 0 && !bus_type_valid(type))
		return ADIT_E_INVALID_ARGUMENT;
	if (bus_find(s->types, s->count, type) != NULL)
		return ADIT_OK;
	if (bus_add(&s->types, &s->count, BUS_TYPES_PER_SUBSCRIBER, type) == NULL)
		return ADIT_E_LIMIT;
	if (!before)
		bus->on_wanted(bus->user, type, true);
	return ADIT_OK;
}

void bus_unsubscribe(struct bus *bus, struct bus_subscriber *s, const char *type)
{
	struct bus_type *found = bus_find(s->types, s->count, type);
	char name[BUS_TYPE_MAX + 1];

	if (found == NULL)
		return;
	memcpy(name, found->name, sizeof(name));
	*found = s->types[--s->count];
	if (!bus_wanted(bus, name))
		bus->on_wanted(bus->user, name, false);
}

void bus_leave(struct bus *bus, struct bus_subscriber *s)
{
	struct bus_subscriber **at = &bus->subscribers;

	while (s->count > 0)
		bus_unsubscribe(bus, s, s->types[s->count - 1].name);
	free(s->types);
	s->types = NULL;
	while (*at != NULL && *at != s)
		at = &(*at)->next;
	if (*at == s)
		*at = s->next;
}

int32_t bus_publish(struct bus *bus, struct bus_source *source, struct bus_event *event)
{
	struct bus_type *own = bus_find(source->types, source->count, event->type);

	if (own == NULL)
		own = bus_add(&source->types, &source->count, BUS_TYPES_PER_SOURCE, event->type);
	if (own == NULL)
		return ADIT_E_LIMIT;
	event->sequence = ++own->number;
	for (struct bus_subscriber *s = bus->subscribers, *next; s != NULL; s = next) {
		struct bus_type *wanted = bus_find(s->types, s->count, event->type);

		next = s->next;
		if (wanted == NULL)
			wanted = bus_find(s->types, s->count, "*");
		if (wanted == NULL)
			continue;
		if (s->deliver(s->user, event, wanted->number))
			wanted->number = 0;
		else
			wanted->number++;
	}
	return ADIT_OK;
}

void bus_each_wanted(const struct bus *bus, bus_wanted_fn fn, void *user)
{
	for (const struct bus_subscriber *s = bus->subscribers; s != NULL; s = s->next) {
		for (size_t i = 0; i < s->count; i++)
			fn(user, s->types[i].name, true);
	}
}

void bus_source_free(struct bus_source *source)
{
	free(source->types);
	source->types = NULL;
	source->count = 0;
}
