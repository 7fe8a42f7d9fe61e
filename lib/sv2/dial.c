/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/dial.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/dns.h>
#include <event2/util.h>

struct sv2_dial {
	struct event_base *base;
	struct sv2_address address;
	struct timeval timeout;
	sv2_dial_fn fn;
	void *user;
	struct event
	    *event; /* the next step, the time-out of the resolver, or the socket under way */
	struct evdns_base *dns;
	struct evdns_getaddrinfo_request *request;
	struct evutil_addrinfo *found;
	struct evutil_addrinfo *next; /* to be tried, within FOUND */
	int fd;
	bool cancelled;
	char error[320]; /* of the latest failure */
};

static void dial_free(struct sv2_dial *d)
{
	if (d->event != NULL)
		event_free(d->event);
	if (d->dns != NULL)
		evdns_base_free(d->dns, 0);
	if (d->found != NULL)
		evutil_freeaddrinfo(d->found);
	if (d->fd >= 0)
		close(d->fd);
	free(d);
}

static void dial_report(struct sv2_dial *d, int fd)
{
	sv2_dial_fn fn = d->fn;
	void *user = d->user;
	char error[sizeof(d->error)];

	memcpy(error, d->error, sizeof(error));
	dial_free(d);
	fn(user, fd, fd < 0 ? error : NULL);
}

static void dial_try(struct sv2_dial *d);

/* The socket under way is connected, failed, or took too long. */
static void on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct sv2_dial *d = arg;
	int error = (what & EV_TIMEOUT) != 0 ? ETIMEDOUT : 0;
	socklen_t size = sizeof(error);

	if (error == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	event_free(d->event);
	d->event = NULL;
	d->fd = -1;
	if (error == 0) {
		dial_report(d, fd);
		return;
	}
	close(fd);
	(void)snprintf(d->error, sizeof(d->error), "%s", strerror(error));
	dial_try(d);
}

/* Begins to connect; false with `error` set when that can't be. */
static bool dial_connect(struct sv2_dial *d, int family, const struct sockaddr *at, socklen_t size)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || (connect(fd, at, size) < 0 && errno != EINPROGRESS)) {
		(void)snprintf(d->error, sizeof(d->error), "%s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (family != AF_UNIX)
		sv2_socket_tune(fd);
	d->fd = fd;
	d->event = event_new(d->base, fd, EV_WRITE, on_connected, d);
	if (d->event != NULL && event_add(d->event, &d->timeout) == 0)
		return true;
	close(fd);
	d->fd = -1;
	(void)snprintf(d->error, sizeof(d->error), "out of memory");
	return false;
}

/* Tries addresses until one is under way; reports when there are no more. */
static void dial_try(struct sv2_dial *d)
{
	while (d->next != NULL) {
		const struct evutil_addrinfo *a = d->next;

		d->next = a->ai_next;
		if (dial_connect(d, a->ai_family, a->ai_addr, (socklen_t)a->ai_addrlen))
			return;
	}
	dial_report(d, -1);
}

static void dial_unix(struct sv2_dial *d)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	memcpy(at.sun_path, d->address.path, sizeof(at.sun_path));
	if (!dial_connect(d, AF_UNIX, (const struct sockaddr *)&at, sizeof(at)))
		dial_report(d, -1);
}

static void on_resolved(int result, struct evutil_addrinfo *found, void *arg)
{
	struct sv2_dial *d = arg;

	d->request = NULL;
	d->found = found;
	if (d->event != NULL)
		event_free(d->event);
	d->event = NULL;
	if (d->cancelled) {
		dial_free(d);
		return;
	}
	d->next = found;
	if (result != 0)
		(void)snprintf(d->error, sizeof(d->error), "%s: %s", d->address.host,
			       evutil_gai_strerror(result));
	dial_try(d);
}

/* The resolver calls back once more, and D is freed then. */
static void dial_abandon(struct sv2_dial *d)
{
	if (d->event != NULL)
		event_free(d->event);
	d->event = NULL;
	d->cancelled = true;
	evdns_getaddrinfo_cancel(d->request);
}

static void on_resolver_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct sv2_dial *d = arg;
	sv2_dial_fn fn = d->fn;
	void *user = d->user;
	char error[sizeof(d->error)];

	(void)fd;
	(void)what;
	(void)snprintf(error, sizeof(error), "%s: the name server does not answer",
		       d->address.host);
	dial_abandon(d);
	fn(user, -1, error);
}

/* A machine without /etc/resolv.conf still has /etc/hosts. */
static void dial_resolve(struct sv2_dial *d, const char *port, const struct evutil_addrinfo *hints)
{
	struct evdns_getaddrinfo_request *request;

	d->dns = evdns_base_new(d->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (d->dns == NULL) {
		on_resolved(EVUTIL_EAI_MEMORY, NULL, d);
		return;
	}
	(void)evdns_base_resolv_conf_parse(d->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
	/* May answer at once: then D is gone and NULL comes back. */
	request = evdns_getaddrinfo(d->dns, d->address.host, port, hints, on_resolved, d);
	if (request == NULL)
		return;
	d->request = request;
	d->event = evtimer_new(d->base, on_resolver_timeout, d);
	if (d->event != NULL)
		(void)event_add(d->event, &d->timeout);
}

static void dial_tcp(struct sv2_dial *d)
{
	struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_STREAM,
					.ai_protocol = IPPROTO_TCP,
					.ai_flags = EVUTIL_AI_NUMERICHOST};
	struct evutil_addrinfo *found = NULL;
	char port[8];

	(void)snprintf(port, sizeof(port), "%u", d->address.port);
	if (evutil_getaddrinfo(d->address.host, port, &hints, &found) == 0) {
		on_resolved(0, found, d);
		return;
	}
	hints.ai_flags = 0;
	dial_resolve(d, port, &hints);
}

/* First step, from the loop. */
static void on_begin(evutil_socket_t fd, short what, void *arg)
{
	struct sv2_dial *d = arg;

	(void)fd;
	(void)what;
	event_free(d->event);
	d->event = NULL;
	if (d->address.is_unix)
		dial_unix(d);
	else
		dial_tcp(d);
}

struct sv2_dial *sv2_dial_start(struct event_base *base, const struct sv2_address *address,
				uint32_t timeout_ms, sv2_dial_fn fn, void *user)
{
	struct sv2_dial *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	*d = (struct sv2_dial){.base = base, .address = *address, .fn = fn, .user = user, .fd = -1};
	d->timeout = (struct timeval){.tv_sec = timeout_ms / 1000,
				      .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
	d->event = event_new(base, -1, 0, on_begin, d);
	if (d->event == NULL) {
		free(d);
		return NULL;
	}
	event_active(d->event, EV_TIMEOUT, 0);
	return d;
}

void sv2_dial_cancel(struct sv2_dial *d)
{
	if (d == NULL)
		return;
	if (d->request == NULL)
		dial_free(d);
	else
		dial_abandon(d);
}
