/* SPDX-License-Identifier: MIT */
/* role_bus.c: events, as a plugin publishes and receives them. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "host/bus.h"
#include "host/rights.h"
#include "host/role.h"

#define WANTED_MAX 1024

static char **role_wanted_find(const struct role *role, const char *type)
{
	for (size_t i = 0; i < role->wanted_count; i++) {
		if (strcmp(role->wanted[i], type) == 0)
			return &role->wanted[i];
	}
	return NULL;
}

void role_bus_wanted(struct role *role, const char *type, bool wanted)
{
	char **found = role_wanted_find(role, type);
	char **list;

	if (!wanted && found != NULL) {
		free(*found);
		*found = role->wanted[--role->wanted_count];
	}
	if (!wanted || found != NULL || role->wanted_count >= WANTED_MAX)
		return;
	list = realloc(role->wanted, (role->wanted_count + 1) * sizeof(*list));
	if (list == NULL)
		return;
	role->wanted = list;
	list[role->wanted_count] = strdup(type);
	if (list[role->wanted_count] != NULL)
		role->wanted_count++;
}

bool role_event_wanted(struct adit_host *host, const char *type)
{
	return role_wanted_find(host->role, type) != NULL ||
	       role_wanted_find(host->role, "*") != NULL;
}

int32_t role_publish(struct adit_host *host, const char *type, const char *json, size_t json_size,
		     const void *attachment, size_t attachment_size)
{
	const struct ipc_frame frame = {
	    .kind = IPC_PUBLISH,
	    .source = host->start->id,
	    .name = type,
	    .json = json,
	    .json_size = json_size,
	    .attachment = attachment,
	    .attachment_size = attachment_size,
	};

	if (!bus_type_valid(type))
		return ADIT_E_INVALID_ARGUMENT;
	if (role_may(host, CAPABILITY_PUBLISH_EVENTS, type) != ADIT_OK ||
	    !bus_may_publish(host->start->role, type))
		return ADIT_E_PERMISSION_DENIED;
	if (!role_event_wanted(host, type))
		return ADIT_OK;
	return ipc_send(host->role->channel, &frame);
}

static size_t role_bus_count(const struct adit_host *host, const char *type)
{
	size_t count = 0;

	for (const struct registration *r = host->registrations; r != NULL; r = r->next) {
		if (r->kind == REGISTRATION_SUBSCRIPTION && strcmp(r->name, type) == 0)
			count++;
	}
	return count;
}

static int32_t role_bus_tell(struct adit_host *host, uint8_t kind, const char *type)
{
	const struct ipc_frame frame = {.kind = kind, .source = host->start->id, .name = type};

	return ipc_send(host->role->channel, &frame);
}

void role_bus_left(struct adit_host *host, const char *type)
{
	if (role_bus_count(host, type) == 0)
		(void)role_bus_tell(host, IPC_UNSUBSCRIBE, type);
}

static size_t role_bus_types(const struct adit_host *host)
{
	size_t count = 0;

	for (const struct registration *r = host->registrations; r != NULL; r = r->next)
		count += r->kind == REGISTRATION_SUBSCRIPTION ? 1 : 0;
	return count;
}

int32_t role_subscribe(struct adit_host *host, const char *type, adit_event_fn fn, void *user,
		       adit_destroy_fn destroy, uint64_t *id)
{
	struct registration *r;
	int32_t error;

	if (fn == NULL || (strcmp(type, "*") != 0 && !bus_type_valid(type)))
		return ADIT_E_INVALID_ARGUMENT;
	if (role_may(host, CAPABILITY_SUBSCRIBE_EVENTS, type) != ADIT_OK)
		return ADIT_E_PERMISSION_DENIED;
	if (role_bus_types(host) >= BUS_TYPES_PER_SUBSCRIBER)
		return ADIT_E_LIMIT;
	error = role_bus_count(host, type) > 0 ? ADIT_OK : role_bus_tell(host, IPC_SUBSCRIBE, type);
	if (error != ADIT_OK)
		return error;
	r = registration_new(host, REGISTRATION_SUBSCRIPTION, user, destroy);
	if (r == NULL)
		return registration_refusal(host);
	r->name = strdup(type);
	if (r->name == NULL) {
		r->destroy = NULL;
		registration_end(r);
		return ADIT_E_NO_MEMORY;
	}
	r->fn.event = fn;
	if (id != NULL)
		*id = r->id;
	return ADIT_OK;
}

void role_unsubscribe(struct adit_host *host, uint64_t id)
{
	struct registration *r = registration_find(host, id, REGISTRATION_SUBSCRIPTION);

	if (r != NULL)
		registration_end(r);
}

/* The subscriptions of HOST that an event of TYPE is for, by number. The host delivers each event
 * once to an instance. */
static size_t role_bus_select(struct adit_host *host, const char *type, uint64_t ids[])
{
	size_t count = 0;

	for (const struct registration *r = host->registrations; r != NULL; r = r->next) {
		if (r->kind == REGISTRATION_SUBSCRIPTION && count < BUS_TYPES_PER_SUBSCRIBER &&
		    (strcmp(r->name, type) == 0 || strcmp(r->name, "*") == 0))
			ids[count++] = r->id;
	}
	return count;
}

void role_bus_event(struct role *role, const struct ipc_frame *frame)
{
	const struct adit_event event = {
	    .size = sizeof(event),
	    .type = frame->name,
	    .source = frame->text,
	    .sequence = frame->correlation,
	    .lost = frame->extra,
	    .json = frame->json,
	    .json_size = frame->json_size,
	    .attachment = frame->attachment,
	    .attachment_size = frame->attachment_size,
	};

	for (size_t i = 0; i < role->start->instance_count; i++) {
		struct adit_host *host = &role->hosts[i];
		uint64_t ids[BUS_TYPES_PER_SUBSCRIBER];
		size_t count;

		if (host->start->id != frame->target)
			continue;
		count = role_bus_select(host, frame->name, ids);
		for (size_t j = 0; j < count; j++) {
			/* one callback may have ended the next one's subscription */
			struct registration *r =
			    registration_find(host, ids[j], REGISTRATION_SUBSCRIPTION);

			if (r == NULL || !registration_enter(r))
				continue;
			r->fn.event(r->user, &event);
			registration_leave(r);
		}
	}
}
