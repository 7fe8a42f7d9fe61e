/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "host/log.h"
#include "lib/util/clock.h"

#define WATCHDOG_LEAST_US 2000 /* shorter periods are not for a program */
#define WATCHDOG_MOST_US (UINT64_C(7) * 86400 * 1000000)

/* NAME as a Unix address: a path, or "@" and an abstract name. */
static bool notify_address(struct notify *n, const char *name)
{
	size_t size = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || size < 2 || size >= sizeof(n->address.sun_path))
		return false;
	n->address.sun_family = AF_UNIX;
	memcpy(n->address.sun_path, name, size);
	if (name[0] == '@')
		n->address.sun_path[0] = '\0';
	/* an abstract name has no end but that of the address */
	n->address_size =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (name[0] == '@' ? 0 : 1));
	return true;
}

static bool notify_send(const struct notify *n, const char *text)
{
	ssize_t sent;

	do
		sent = sendto(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
			      (const struct sockaddr *)&n->address, n->address_size);
	while (sent < 0 && errno == EINTR);
	return sent >= 0;
}

static void notify_on_watchdog(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	(void)notify_send(user, "WATCHDOG=1");
}

/* A decimal number, 0 when TEXT (may be NULL) is none. */
static uint64_t notify_number(const char *text)
{
	char *end;
	uint64_t value;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' ? value : 0;
}

static void notify_watch(struct notify *n, struct event_base *base)
{
	uint64_t period = notify_number(getenv("WATCHDOG_USEC"));
	const char *pid = getenv("WATCHDOG_PID");
	struct timeval half;

	/* of a process that was between the manager and us */
	if (pid != NULL && notify_number(pid) != (uint64_t)getpid())
		return;
	if (period < WATCHDOG_LEAST_US || period > WATCHDOG_MOST_US)
		return;
	half =
	    (struct timeval){(time_t)(period / 2 / 1000000), (suseconds_t)(period / 2 % 1000000)};
	n->watchdog = event_new(base, -1, EV_PERSIST, notify_on_watchdog, n);
	if (n->watchdog == NULL || event_add(n->watchdog, &half) != 0)
		log_line(ADIT_LOG_ERROR, "aditd", "out of memory: no sign of life is sent");
}

void notify_open(struct notify *n, struct event_base *base)
{
	const char *name = getenv("NOTIFY_SOCKET");

	if (name == NULL)
		return;
	if (!notify_address(n, name)) {
		log_line(ADIT_LOG_WARNING, "aditd",
			 "NOTIFY_SOCKET is \"%s\": expected a path or @ and a name", name);
	} else {
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (n->fd > 0)
			notify_watch(n, base);
		else
			log_line(ADIT_LOG_WARNING, "aditd", "a socket for NOTIFY_SOCKET: %s",
				 strerror(errno));
	}
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

void notify_state(struct notify *n, enum notify_phase phase, const char *status)
{
	char text[NOTIFY_STATUS_MAX + 100];
	char now[NOTIFY_STATUS_MAX];
	int used = 0;

	(void)snprintf(now, sizeof(now), "%s", status);
	if (n->fd <= 0 || (phase == n->phase && strcmp(now, n->status) == 0))
		return;
	if (phase == n->phase)
		text[0] = '\0';
	else if (phase == NOTIFY_RELOADING)
		used = snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu\n",
				(unsigned long long)clock_monotonic_us());
	else
		used = snprintf(text, sizeof(text), "%s",
				phase == NOTIFY_READY      ? "READY=1\n"
				: phase == NOTIFY_STOPPING ? "STOPPING=1\n"
							   : "");
	(void)snprintf(text + used, sizeof(text) - (size_t)used, "STATUS=%s", now);
	if (!notify_send(n, text))
		return;
	n->phase = phase;
	memcpy(n->status, now, sizeof(now));
}

void notify_close(struct notify *n)
{
	if (n->watchdog != NULL)
		event_free(n->watchdog);
	if (n->fd > 0)
		(void)close(n->fd);
	*n = (struct notify){0};
}
