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

#define FULL_MS 1000     /* a peer waits so long for room */
#define EXHAUSTED_MS 200 /* rest when descriptors run out */
#define REFUSE_BATCH 16  /* refusals a listener and turn */

struct listener {
	struct sv2_acceptor *acceptor;
	struct listener *next;
	struct event *event;
	int fd;
	bool is_unix;
};

/* Why accepting rests. */
enum rest { AWAKE, REST_YIELD, REST_FULL, REST_LATER, REST_EXHAUSTED };

struct sv2_acceptor {
	struct sv2_loop *loop;
	struct sv2_log *log;
	const struct sv2_acceptor_ops *ops;
	void *owner;
	struct listener *listeners;
	struct event *timer; /* ends the rest */
	enum rest rest;
	bool open;
	bool watching;
};

/* Brings the events in line with the state. */
static void acceptor_apply(struct sv2_acceptor *a)
{
	bool watch = a->open && a->rest == AWAKE;

	for (struct listener *l = a->listeners; l != NULL && watch != a->watching; l = l->next)
		(void)(watch ? event_add(l->event, NULL) : event_del(l->event));
	a->watching = watch;
}

static void acceptor_rest(struct sv2_acceptor *a, enum rest rest, uint32_t ms)
{
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	a->rest = rest;
	(void)event_add(a->timer, &wait);
	acceptor_apply(a);
}

static void acceptor_wake(struct sv2_acceptor *a)
{
	a->rest = AWAKE;
	(void)event_del(a->timer);
	acceptor_apply(a);
}

void sv2_acceptor_open(struct sv2_acceptor *a, bool open)
{
	if (a == NULL || a->open == open)
		return;
	a->open = open;
	acceptor_wake(a);
	a->ops->accepting(a->owner, open);
}

void sv2_acceptor_room(struct sv2_acceptor *a)
{
	if (a != NULL && a->rest != AWAKE && a->rest != REST_EXHAUSTED)
		acceptor_wake(a);
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
	acceptor_rest(a, REST_EXHAUSTED, EXHAUSTED_MS);
	a->ops->accepting(a->owner, false);
}

static void listener_take(const struct listener *l)
{
	struct sv2_acceptor *a = l->acceptor;
	int fd = listener_accept(l);

	if (fd < 0) {
		acceptor_failed(a, errno);
		return;
	}
	if (!l->is_unix)
		sv2_socket_tune(fd);
	a->ops->accepted(a->owner, fd, l->is_unix);
}

/* Asks the owner; what is against a connection now makes accepting rest. */
static enum sv2_admission acceptor_ask(struct sv2_acceptor *a)
{
	uint32_t wait_ms = 1;
	enum sv2_admission answer = a->ops->admission(a->owner, &wait_ms);

	if (answer == SV2_ADMIT_YIELD)
		acceptor_rest(a, REST_YIELD, SV2_YIELD_MS);
	else if (answer == SV2_ADMIT_FULL)
		acceptor_rest(a, REST_FULL, FULL_MS);
	else if (answer == SV2_ADMIT_LATER)
		acceptor_rest(a, REST_LATER, wait_ms);
	return answer;
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;
	struct sv2_acceptor *a = l->acceptor;

	(void)fd;
	(void)what;
	sv2_loop_enter(a->loop);
	if (a->watching && acceptor_ask(a) == SV2_ADMIT)
		listener_take(l);
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
		a->ops->refused(a->owner);
	}
}

/* The rest is over, but for one that is full still. What was left to others and is here still is
 * taken, one from each listener. */
static void acceptor_rested(struct sv2_acceptor *a, enum rest was)
{
	enum sv2_admission now = was == REST_EXHAUSTED ? SV2_ADMIT : acceptor_ask(a);

	for (struct listener *l = a->listeners; l != NULL; l = l->next) {
		if (was == REST_FULL && now == SV2_ADMIT_FULL)
			listener_refuse(a, l);
		else if (was == REST_YIELD && (now == SV2_ADMIT || now == SV2_ADMIT_YIELD))
			listener_take(l);
	}
	if (a->rest == REST_YIELD)
		acceptor_wake(a);
	else
		acceptor_apply(a);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct sv2_acceptor *a = arg;
	enum rest was = a->rest;

	(void)fd;
	(void)what;
	sv2_loop_enter(a->loop);
	a->rest = AWAKE;
	if (was == REST_EXHAUSTED && a->open)
		a->ops->accepting(a->owner, true);
	if (a->open)
		acceptor_rested(a, was);
	sv2_loop_leave(a->loop);
}

struct sv2_acceptor *sv2_acceptor_new(struct sv2_loop *loop, struct sv2_log *log,
				      const struct sv2_acceptor_ops *ops, void *owner)
{
	struct sv2_acceptor *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->loop = loop;
	a->log = log;
	a->ops = ops;
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
