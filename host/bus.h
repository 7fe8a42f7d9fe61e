/* SPDX-License-Identifier: MIT */
/*
 * bus.h: events. Every publisher's events of a type carry a sequence number of that publisher and
 * type, so a subscriber sees no gap; what it could not be given (its queue was full) is counted and
 * told with the next event it gets.
 */
#ifndef HOST_BUS_H
#define HOST_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

#define BUS_TYPE_MAX 63
#define BUS_TYPES_PER_SUBSCRIBER 64
#define BUS_TYPES_PER_SOURCE 256

struct bus_event {
	const char *type;
	const char *source;
	uint64_t sequence;
	const void *json;
	size_t json_size;
	const void *attachment;
	size_t attachment_size;
};

struct bus_type {
	char name[BUS_TYPE_MAX + 1]; /* "*": every type */
	uint64_t number;             /* of a source: the last sequence; of a subscriber: lost */
};

/* What a publisher keeps across its restarts. */
struct bus_source {
	struct bus_type *types;
	size_t count;
};

/* Takes the event with the number LOST before it; false: no room, count this one as lost. */
typedef bool (*bus_deliver_fn)(void *user, const struct bus_event *event, uint64_t lost);

struct bus_subscriber {
	struct bus_subscriber *next;
	bus_deliver_fn deliver;
	void *user;
	struct bus_type *types;
	size_t count;
};

/* Told when the first subscriber of a type comes and the last one goes. */
typedef void (*bus_wanted_fn)(void *user, const char *type, bool wanted);

struct bus {
	struct bus_subscriber *subscribers;
	bus_wanted_fn on_wanted;
	void *user;
};

/* The subscriber's storage is the caller's, which calls bus_leave() before it goes. */
void bus_join(struct bus *bus, struct bus_subscriber *s, bus_deliver_fn deliver, void *user);
void bus_leave(struct bus *bus, struct bus_subscriber *s);

/* TYPE "*" is every type. ADIT_E_INVALID_ARGUMENT for a name that is none, ADIT_E_LIMIT. */
int32_t bus_subscribe(struct bus *bus, struct bus_subscriber *s, const char *type);
void bus_unsubscribe(struct bus *bus, struct bus_subscriber *s, const char *type);

/* Gives EVENT, whose `sequence` is set here, to all who want it. */
int32_t bus_publish(struct bus *bus, struct bus_source *source, struct bus_event *event);
bool bus_wanted(const struct bus *bus, const char *type);
/* Calls FN(user, type, true) for every type somebody subscribes to; a type may come twice. */
void bus_each_wanted(const struct bus *bus, bus_wanted_fn fn, void *user);
void bus_source_free(struct bus_source *source);

/* [A-Z][A-Za-z0-9]*, at most BUS_TYPE_MAX bytes. */
bool bus_type_valid(const char *type);
/* Whether the plugin ROLE ("" for the host) may publish TYPE: core events come from their owner
 * only. */
bool bus_may_publish(const char *role, const char *type);

#endif
