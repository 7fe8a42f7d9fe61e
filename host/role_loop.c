/* SPDX-License-Identifier: MIT */
/* role_loop.c: timers and watched descriptors of plugins. */
#include "config.h"

#include <event2/event.h>

#include "host/role.h"

static void role_set_timer(const struct registration *r, uint32_t ms)
{
	struct timeval wait = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};

	(void)event_add(r->event, &wait);
}

static void role_on_timer(evutil_socket_t fd, short what, void *user)
{
	struct registration *r = user;

	(void)fd;
	(void)what;
	if (!registration_enter(r))
		return;
	r->fn.timer(r->user);
	if (!r->ended && r->repeat_ms > 0)
		role_set_timer(r, r->repeat_ms);
	else
		registration_end(r);
	registration_leave(r);
}

int32_t role_timer_add(struct adit_host *host, uint32_t delay_ms, uint32_t repeat_ms,
		       adit_timer_fn fn, void *user, adit_destroy_fn destroy, uint64_t *id)
{
	struct registration *r;

	if (fn == NULL)
		return ADIT_E_INVALID_ARGUMENT;
	r = registration_new(host, REGISTRATION_TIMER, user, NULL);
	if (r == NULL)
		return registration_refusal(host);
	r->event = evtimer_new(host->role->base, role_on_timer, r);
	if (r->event == NULL) {
		registration_end(r);
		return ADIT_E_NO_MEMORY;
	}
	r->destroy = destroy;
	r->fn.timer = fn;
	r->repeat_ms = repeat_ms;
	role_set_timer(r, delay_ms);
	if (id != NULL)
		*id = r->id;
	return ADIT_OK;
}

void role_timer_cancel(struct adit_host *host, uint64_t id)
{
	struct registration *r = registration_find(host, id, REGISTRATION_TIMER);

	if (r != NULL)
		registration_end(r);
}

static void role_on_io(evutil_socket_t fd, short what, void *user)
{
	struct registration *r = user;
	uint32_t flags = 0;

	if ((what & EV_READ) != 0)
		flags |= ADIT_IO_READ;
	if ((what & EV_WRITE) != 0)
		flags |= ADIT_IO_WRITE;
	if (!registration_enter(r)) {
		(void)event_del(r->event); /* or it would be ready again and again */
		return;
	}
	r->fn.io(r->user, (int32_t)fd, flags);
	registration_leave(r);
}

int32_t role_io_watch(struct adit_host *host, int32_t fd, uint32_t flags, adit_io_fn fn, void *user,
		      adit_destroy_fn destroy, uint64_t *id)
{
	struct registration *r;
	short what = EV_PERSIST;

	if (fd < 0 || fn == NULL || flags == 0 ||
	    (flags & ~(uint32_t)(ADIT_IO_READ | ADIT_IO_WRITE)) != 0)
		return ADIT_E_INVALID_ARGUMENT;
	if ((flags & ADIT_IO_READ) != 0)
		what |= EV_READ;
	if ((flags & ADIT_IO_WRITE) != 0)
		what |= EV_WRITE;
	r = registration_new(host, REGISTRATION_IO, user, NULL);
	if (r == NULL)
		return registration_refusal(host);
	r->event = event_new(host->role->base, fd, what, role_on_io, r);
	if (r->event == NULL || event_add(r->event, NULL) != 0) {
		registration_end(r);
		return ADIT_E_IO;
	}
	r->destroy = destroy;
	r->fn.io = fn;
	if (id != NULL)
		*id = r->id;
	return ADIT_OK;
}

void role_io_unwatch(struct adit_host *host, uint64_t id)
{
	struct registration *r = registration_find(host, id, REGISTRATION_IO);

	if (r != NULL)
		registration_end(r);
}
