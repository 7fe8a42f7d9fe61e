/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/accept.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sv2/socket.h"
#include "lib/util/error.h"

#define FULL_MS 1000     /* a peer waits so long for another worker */
#define EXHAUSTED_MS 200 /* rest when descriptors run out */
#define REFUSE_BATCH 16  /* refusals a listener and turn */

struct listener {
	struct sv2_acceptor *acceptor;
	struct listener *next;
	struct event *event;
	int fd;
	bool is_unix;
};

struct sv2_acceptor {
	struct sv2_loop *loop;
	struct sv2_log *log;
	void (*accepted)(void *owner, int fd, const char *peer);
	void (*refused)(void *owner);
	void *owner;
	struct listener *listeners;
	struct event *timer;
	bool open;
	bool full;
	bool exhausted;
	bool watching;
};

/* Brings the events in line with the state. */
static void acceptor_apply(struct sv2_acceptor *a)
{
	bool watch = a->open && !a->full && !a->exhausted;
	struct timeval full = {.tv_sec = FULL_MS / 1000};
	struct timeval exhausted = {.tv_usec = EXHAUSTED_MS * 1000};

	for (struct listener *l = a->listeners; l != NULL && watch != a->watching; l = l->next)
		(void)(watch ? event_add(l->event, NULL) : event_del(l->event));
	a->watching = watch;
	if (!a->open || (!a->full && !a->exhausted))
		(void)event_del(a->timer);
	else if (!event_pending(a->timer, EV_TIMEOUT, NULL))
		(void)event_add(a->timer, a->exhausted ? &exhausted : &full);
}

void sv2_acceptor_set(struct sv2_acceptor *a, bool open, bool full)
{
	if (a == NULL || (a->open == open && a->full == full))
		return;
	a->open = open;
	a->full = full;
	acceptor_apply(a);
}

static int listener_accept(const struct listener *l)
{
	return accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* accept() failed: out of descriptors or memory means rest, all else concerns that peer alone. */
static void acceptor_failed(struct sv2_acceptor *a, int error)
{
	if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
		return;
	sv2_log_limited(a->log, ADIT_LOG_WARNING, "can't accept a connection: %s%s",
			strerror(error),
			error == EMFILE ? " (raise LimitNOFILE, or lower max_connections)" : "");
	a->exhausted = true;
	acceptor_apply(a);
}

static void on_connection(evutil_socket_t listener, short what, void *arg)
{
	struct listener *l = arg;
	struct sv2_acceptor *a = l->acceptor;
	char peer[SV2_PEER_SIZE];
	int fd;

	(void)listener;
	(void)what;
	fd = listener_accept(l);
	if (fd < 0) {
		acceptor_failed(a, errno);
		return;
	}
	sv2_socket_peer(fd, l->is_unix, peer);
	if (!l->is_unix)
		sv2_socket_tune(fd);
	sv2_loop_enter(a->loop);
	a->accepted(a->owner, fd, peer);
	sv2_loop_leave(a->loop);
}

/* Closes what waits at L; nobody else wanted it. */
static void listener_refuse(struct sv2_acceptor *a, const struct listener *l)
{
	for (int i = 0; i < REFUSE_BATCH; i++) {
		int fd = listener_accept(l);

		if (fd < 0)
			return;
		close(fd);
		a->refused(a->owner);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct sv2_acceptor *a = arg;

	(void)fd;
	(void)what;
	a->exhausted = false;
	for (struct listener *l = a->listeners; l != NULL && a->full; l = l->next)
		listener_refuse(a, l);
	acceptor_apply(a);
}

struct sv2_acceptor *sv2_acceptor_new(struct sv2_loop *loop, struct sv2_log *log,
				      void (*accepted)(void *owner, int fd, const char *peer),
				      void (*refused)(void *owner), void *owner)
{
	struct sv2_acceptor *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->loop = loop;
	a->log = log;
	a->accepted = accepted;
	a->refused = refused;
	a->owner = owner;
	a->timer = evtimer_new(loop->base, on_timer, a);
	if (a->timer == NULL) {
		free(a);
		return NULL;
	}
	return a;
}

void sv2_acceptor_free(struct sv2_acceptor *a)
{
	if (a == NULL)
		return;
	while (a->listeners != NULL) {
		struct listener *l = a->listeners;

		a->listeners = l->next;
		event_free(l->event);
		free(l);
	}
	event_free(a->timer);
	free(a);
}

int32_t sv2_acceptor_add(struct sv2_acceptor *a, int fd, bool is_unix)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return ADIT_E_NO_MEMORY;
	*l = (struct listener){.acceptor = a, .fd = fd, .is_unix = is_unix, .next = a->listeners};
	l->event = event_new(a->loop->base, fd, EV_READ | EV_PERSIST, on_connection, l);
	if (l->event == NULL || evutil_make_socket_nonblocking(fd) < 0 ||
	    (a->watching && event_add(l->event, NULL) < 0)) {
		if (l->event != NULL)
			event_free(l->event);
		free(l);
		return ADIT_E_IO;
	}
	a->listeners = l;
	return ADIT_OK;
}
