/* SPDX-License-Identifier: MIT */
/*
 * abi_count.c: a plugin that asks for everything it can be called for, all of it often, and keeps
 * books: calls that came after its stop had completed, destructors that were called not once. It
 * leaves everything registered when it stops. What it found stands in the file `report` in its
 * state directory when it has ended, as `NAME=NUMBER` lines; all is well when `late`, `unended`,
 * `twice` and `events_left` are 0.
 *
 * Key `stop`: `now` completes the stop at once, `later` from a timer, when everything has happened
 * at least once more.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include <adit/plugin.h>

#define COUNT_MAX 4096 /* registrations in one life */
#define COUNT_TIMERS 8

enum count_kind { COUNT_EVENT, COUNT_REPLY, COUNT_METHOD, COUNT_TIMER, COUNT_IO, COUNT_KINDS };

static const char *const count_names[] = {"event", "reply", "method", "timer", "io"};

struct count;

/* One registration: what is its `user`. */
struct count_entry {
	struct count *p;
	unsigned destroyed;
};

struct count {
	const struct adit_host_api *api;
	struct adit_host *host;
	struct adit_instance_info info;
	struct count_entry entries[COUNT_MAX];
	size_t used;
	unsigned calls[COUNT_KINDS];
	unsigned late;
	unsigned refused; /* registrations after the end */
	unsigned taken;   /* the same, but they were not refused */
	bool ended;       /* the stop has completed */
	bool stopping;
	unsigned at_stop[COUNT_KINDS];
	int pipe[2];
	unsigned events; /* of the loop, counted */
	unsigned events_before;
};

static int count_one(const struct event_base *base, const struct event *event, void *user)
{
	struct count *p = user;

	(void)base;
	if (event_pending(event, EV_TIMEOUT, NULL) != 0 || event_get_fd(event) == p->pipe[0])
		p->events++;
	return 0;
}

/* What the loop of the process holds: timers, and watchers of our pipe. */
static unsigned count_events(struct count *p)
{
	p->events = 0;
	(void)event_base_foreach_event(p->api->loop(p->host, "libevent-2"), count_one, p);
	return p->events;
}

static struct count_entry *count_entry(struct count *p)
{
	struct count_entry *e = p->used < COUNT_MAX ? &p->entries[p->used++] : NULL;

	if (e != NULL)
		*e = (struct count_entry){.p = p};
	return e;
}

static void count_timer(void *user);

static void count_destroy(void *user)
{
	struct count_entry *e = user;
	struct count *p = e->p;

	e->destroyed++;
	/* A destructor that asks for more, at the end: there must be no more. */
	if (!p->ended)
		return;
	if (p->api->timer_add(p->host, 0, 1, count_timer, e, NULL, NULL) == ADIT_OK)
		p->taken++;
	else
		p->refused++;
}

/* Each callback begins with this. */
static struct count *count_called(void *user, enum count_kind kind)
{
	struct count_entry *e = user;
	struct count *p = e->p;

	p->calls[kind]++;
	if (p->ended || e->destroyed > 0)
		p->late++;
	return p;
}

static void count_event(void *user, const struct adit_event *event)
{
	(void)event;
	(void)count_called(user, COUNT_EVENT);
}

static void count_reply(void *user, const struct adit_reply *reply)
{
	(void)reply;
	(void)count_called(user, COUNT_REPLY);
}

static void count_io(void *user, int32_t fd, uint32_t flags)
{
	char bytes[16];

	(void)count_called(user, COUNT_IO);
	if ((flags & ADIT_IO_READ) != 0 && read(fd, bytes, sizeof(bytes)) < 0)
		return;
}

/* Never answered: it is open when the instance ends. */
static void count_hold(void *user, struct adit_request *request,
		       const struct adit_request_info *info)
{
	(void)request;
	(void)info;
	(void)count_called(user, COUNT_METHOD);
}

static void count_echo(void *user, struct adit_request *request,
		       const struct adit_request_info *info)
{
	const struct count *p = count_called(user, COUNT_METHOD);

	p->api->reply(p->host, request, ADIT_OK, NULL, info->json, info->json_size,
		      info->attachment, info->attachment_size);
}

static void count_status(void *user, struct adit_request *request,
			 const struct adit_request_info *info)
{
	const struct count *p = ((const struct count_entry *)user)->p;
	char json[256];
	int size = 0;

	(void)info;
	for (int i = 0; i < COUNT_KINDS; i++)
		size += snprintf(json + size, sizeof(json) - (size_t)size, "%s\"%s\":%u",
				 i == 0 ? "{" : ",", count_names[i], p->calls[i]);
	size += snprintf(json + size, sizeof(json) - (size_t)size, "}");
	p->api->reply(p->host, request, ADIT_OK, NULL, json, (size_t)size, NULL, 0);
}

static void count_call(struct count *p, const char *method)
{
	struct count_entry *e = count_entry(p);

	if (e != NULL && p->api->call(p->host, p->info.instance, method, "{}", 2, "attached", 8,
				      60000, count_reply, e, count_destroy, NULL) != ADIT_OK)
		p->used--;
}

/* Everything has happened since the stop was asked for, but for calls, which a stopping role is not
 * given any more. */
static bool count_all_happened(const struct count *p)
{
	for (int i = 0; i < COUNT_KINDS; i++)
		if (i != COUNT_METHOD && p->calls[i] <= p->at_stop[i])
			return false;
	return true;
}

static void count_timer(void *user)
{
	struct count *p = count_called(user, COUNT_TIMER);

	if (p->ended)
		return;
	(void)p->api->publish(p->host, "AbiCount", "{\"n\":1}", 7, "attached", 8);
	if (write(p->pipe[1], "!", 1) < 0 && errno != EAGAIN)
		p->late++;
	if (p->used < COUNT_MAX - 64)
		count_call(p, p->calls[COUNT_TIMER] % 8 == 0 ? "hold" : "echo");
	if (!p->stopping || !count_all_happened(p))
		return;
	p->ended = true; /* callbacks that are ready to run at this very moment are late, too */
	p->api->stopped(p->host);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static int32_t count_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	struct count *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return ADIT_E_NO_MEMORY;
	p->api = api;
	p->host = host;
	p->info.size = sizeof(p->info);
	(void)api->info(host, &p->info);
	if (pipe2(p->pipe, O_NONBLOCK | O_CLOEXEC) != 0) {
		free(p);
		return ADIT_E_IO;
	}
	p->events_before = count_events(p);
	*instance = p;
	return ADIT_OK;
}

static int32_t count_method(struct count *p, const char *name, adit_method_fn fn)
{
	return p->api->register_method(p->host, name, ADIT_METHOD_ALL, fn, count_entry(p),
				       count_destroy);
}

static int32_t count_start(void *instance)
{
	struct count *p = instance;
	const struct adit_host_api *api = p->api;
	static const char *const types[] = {"AbiCount", "AbiCount", "*", "NewBlock"};
	int32_t error = count_method(p, "hold", count_hold);

	if (error == ADIT_OK)
		error = count_method(p, "echo", count_echo);
	if (error == ADIT_OK)
		error = count_method(p, "status", count_status);
	for (size_t i = 0; i < 4 && error == ADIT_OK; i++)
		error = api->subscribe(p->host, types[i], count_event, count_entry(p),
				       count_destroy, NULL);
	for (uint32_t i = 0; i < COUNT_TIMERS && error == ADIT_OK; i++)
		error = api->timer_add(p->host, i, i % 4 == 3 ? 0 : 1 + i, count_timer,
				       count_entry(p), count_destroy, NULL);
	if (error == ADIT_OK) /* will not have come before the end */
		error = api->timer_add(p->host, 86400000, 0, count_timer, count_entry(p),
				       count_destroy, NULL);
	for (int i = 0; i < 2 && error == ADIT_OK; i++)
		error = api->io_watch(p->host, p->pipe[0], ADIT_IO_READ, count_io, count_entry(p),
				      count_destroy, NULL);
	return error;
}

static int32_t count_stop(void *instance)
{
	struct count *p = instance;
	const char *when = p->api->config(p->host, "stop");

	p->stopping = true;
	memcpy(p->at_stop, p->calls, sizeof(p->calls));
	if (strcmp(when, "later") == 0)
		return ADIT_E_UNAVAILABLE;
	p->ended = true;
	return ADIT_OK;
}

/* The books, at the very end. */
static void count_report(struct count *p)
{
	unsigned unended = 0;
	unsigned twice = 0;
	char path[4096];
	FILE *f;

	for (size_t i = 0; i < p->used; i++) {
		unended += p->entries[i].destroyed == 0 ? 1 : 0;
		twice += p->entries[i].destroyed > 1 ? 1 : 0;
	}
	(void)snprintf(path, sizeof(path), "%s/report", p->info.state_dir);
	f = fopen(path, "w");
	if (f == NULL)
		return;
	for (int i = 0; i < COUNT_KINDS; i++)
		(void)fprintf(f, "%s=%u\n", count_names[i], p->calls[i]);
	(void)fprintf(f, "registered=%zu\nlate=%u\nunended=%u\ntwice=%u\nrefused=%u\ntaken=%u\n",
		      p->used, p->late, unended, twice, p->refused, p->taken);
	(void)fprintf(f, "events_left=%u\n", count_events(p) - p->events_before);
	(void)fclose(f);
}

static void count_fini(void *instance)
{
	struct count *p = instance;

	p->ended = true;
	count_report(p);
	(void)close(p->pipe[0]);
	(void)close(p->pipe[1]);
	free(p);
}

const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = "abi-count",
    .version = "1.0",
    .init = count_init,
    .start = count_start,
    .stop = count_stop,
    .fini = count_fini,
};
