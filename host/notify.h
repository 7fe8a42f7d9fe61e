/* SPDX-License-Identifier: MIT */
/*
 * notify.h: tells a service manager how the daemon does: the protocol of sd_notify(3), which is
 * lines KEY=VALUE in a datagram to the Unix socket whose name is in the environment variable
 * NOTIFY_SOCKET. Runs in the host only. Without that variable nothing is sent.
 *
 * No call blocks. What the socket has no room for is sent at the next call of notify_state(), which
 * the host makes each second.
 */
#ifndef HOST_NOTIFY_H
#define HOST_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_STATUS_MAX 400 /* bytes of a line for people */

struct event;
struct event_base;

enum notify_phase { NOTIFY_STARTING, NOTIFY_READY, NOTIFY_RELOADING, NOTIFY_STOPPING };

struct notify {
	int fd; /* 0: nobody wants to know */
	struct sockaddr_un address;
	socklen_t address_size;
	enum notify_phase phase; /* that was told last */
	char status[NOTIFY_STATUS_MAX];
	struct event *watchdog;
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and takes them out of the environment, so
 * that no role process takes them for its own. From then on WATCHDOG=1 goes out from the loop BASE,
 * twice in each period, if the manager wants it. Logs a warning when the address can't be used. */
void notify_open(struct notify *n, struct event_base *base);
/* Tells PHASE and STATUS, a line for people, as far as they have changed: READY=1, RELOADING=1 with
 * MONOTONIC_USEC, STOPPING=1; STATUS=. */
void notify_state(struct notify *n, enum notify_phase phase, const char *status);
void notify_close(struct notify *n);

#endif
