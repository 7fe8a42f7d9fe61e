/* SPDX-License-Identifier: MIT */
/* registration.c: what plugins asked to be called for, and how it ends: exactly once. */
#include "config.h"

#include <stdlib.h>

#include <event2/event.h>

#include "host/role.h"

struct registration *registration_new(struct adit_host *host, enum registration_kind kind,
				      void *user, adit_destroy_fn destroy)
{
	struct registration *r = host->state != INSTANCE_STOPPED ? calloc(1, sizeof(*r)) : NULL;

	if (r == NULL)
		return NULL;
	r->id = handles_add(&host->role->handles, r);
	if (r->id == 0) {
		free(r);
		return NULL;
	}
	r->kind = kind;
	r->host = host;
	r->user = user;
	r->destroy = destroy;
	r->next = host->registrations;
	if (r->next != NULL)
		r->next->previous = r;
	host->registrations = r;
	return r;
}

int32_t registration_refusal(const struct adit_host *host)
{
	return host->state == INSTANCE_STOPPED ? ADIT_E_UNAVAILABLE : ADIT_E_NO_MEMORY;
}

static void registration_free(struct registration *r)
{
	if (r->destroy != NULL)
		r->destroy(r->user);
	free(r->name);
	free(r);
}

void registration_end(struct registration *r)
{
	if (r->ended)
		return;
	r->ended = true;
	handles_remove(&r->host->role->handles, r->id);
	if (r->previous != NULL)
		r->previous->next = r->next;
	else
		r->host->registrations = r->next;
	if (r->next != NULL)
		r->next->previous = r->previous;
	if (r->event != NULL) {
		event_free(r->event);
		r->event = NULL;
	}
	if (r->kind == REGISTRATION_SUBSCRIPTION && r->name != NULL)
		role_bus_left(r->host, r->name);
	if (r->busy == 0)
		registration_free(r);
}

struct registration *registration_find(struct adit_host *host, uint64_t id,
				       enum registration_kind kind)
{
	struct registration *r = handles_get(&host->role->handles, id);

	return r != NULL && r->host == host && r->kind == kind ? r : NULL;
}

bool registration_enter(struct registration *r)
{
	if (r->host->state == INSTANCE_STOPPED || r->host->role->exiting)
		return false;
	r->busy++;
	return true;
}

void registration_leave(struct registration *r)
{
	if (--r->busy == 0 && r->ended)
		registration_free(r);
}

void registrations_revoke(struct adit_host *host)
{
	role_requests_end(host);
	while (host->registrations != NULL)
		registration_end(host->registrations);
}
