/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/capnp/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Bytes of one read, and reads of one wake-up: a talkative peer must not keep the loop. */
#define READ_SIZE ((size_t)65536)
#define READS_AT_ONCE 16

struct capn_socket {
	int fd;
	struct capn_rpc *rpc;
	struct event *readable;
	struct event *writable;
	struct event *flush; /* made active when there is something to do */
	capn_socket_ended_fn *ended;
	void *user;
	struct error reason;
	bool over;    /* nothing is read or sent any more, `ended` is due or done */
	bool running; /* in a callback of ours */
	bool closed;  /* free it when that returns */
};

static void destroy(struct capn_socket *s)
{
	struct event *events[] = {s->readable, s->writable, s->flush};
	for (size_t i = 0; i < 3; i++)
		if (events[i] != NULL)
			event_free(events[i]);
	if (s->rpc != NULL)
		capn_rpc_free(s->rpc);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

void capn_socket_close(struct capn_socket *s)
{
	s->closed = true;
	s->over = true;
	if (!s->running)
		destroy(s);
	else
		capn_rpc_close(s->rpc, "the connection was closed");
}

struct capn_rpc *capn_socket_rpc(struct capn_socket *s)
{
	return s->rpc;
}

static void on_ready(void *user)
{
	struct capn_socket *s = user;
	event_active(s->flush, EV_TIMEOUT, 0);
}

/* The conversation found a fault or was aborted: what it still has to say goes out, then it ends.
 */
static void on_ended(void *user, const struct error *reason)
{
	struct capn_socket *s = user;
	s->reason = *reason;
	s->over = true;
	event_del(s->readable);
	on_ready(s);
}

static const struct capn_rpc_callbacks callbacks = {on_ready, on_ended};

/* The socket failed or was closed by the peer. */
static void broken(struct capn_socket *s, int error)
{
	if (s->over)
		return;
	if (error == 0)
		error_set(&s->reason, ADIT_E_UNAVAILABLE, "the peer closed the connection");
	else
		error_set(&s->reason, ADIT_E_UNAVAILABLE, "the connection broke: %s",
			  strerror(error));
	s->over = true;
	event_del(s->readable);
	capn_rpc_close(s->rpc, s->reason.text);
	on_ready(s);
}

static void enter(struct capn_socket *s)
{
	s->running = true;
}

static void leave(struct capn_socket *s)
{
	s->running = false;
	if (s->closed)
		destroy(s);
}

static void on_readable(evutil_socket_t fd, short what, void *user)
{
	static uint8_t bytes[READ_SIZE];
	struct capn_socket *s = user;
	(void)what;
	enter(s);
	for (int i = 0; i < READS_AT_ONCE && !s->over; i++) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			broken(s, n < 0 ? errno : 0);
			break;
		}
		capn_rpc_input(s->rpc, bytes, (size_t)n);
		if ((size_t)n < sizeof(bytes))
			break;
	}
	leave(s);
}

static void send_some(struct capn_socket *s, struct buf *out)
{
	size_t sent = 0;
	while (sent < out->size) {
		ssize_t n =
		    send(s->fd, out->data + sent, out->size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			event_add(s->writable, NULL);
			break;
		}
		if (n < 0) {
			broken(s, errno);
			sent = out->size;
			break;
		}
		sent += (size_t)n;
	}
	buf_drain(out, sent);
}

static void on_flush(evutil_socket_t fd, short what, void *user)
{
	struct capn_socket *s = user;
	(void)fd;
	(void)what;
	enter(s);
	struct buf *out = capn_rpc_flush(s->rpc);
	if (out != NULL && !s->closed)
		send_some(s, out);
	if (s->over && !s->closed && s->ended != NULL) {
		capn_socket_ended_fn *ended = s->ended;
		s->ended = NULL;
		ended(s->user, &s->reason);
	}
	leave(s);
}

bool capn_socket_turn(struct capn_socket *s, uint32_t timeout_ms)
{
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	struct buf *out;

	if (s->running || s->over)
		return false;
	enter(s);
	out = capn_rpc_flush(s->rpc);
	if (out != NULL)
		send_some(s, out);
	if (out != NULL && out->size > 0)
		p.events |= POLLOUT;
	s->running = false;
	if (!s->over && poll(&p, 1, (int)timeout_ms) > 0 && (p.revents & ~POLLOUT) != 0)
		on_readable(s->fd, EV_READ, s);
	return !s->over;
}

struct capn_socket *capn_socket_adopt(struct event_base *base, int fd, capn_socket_ended_fn *ended,
				      void *user, struct error *e)
{
	struct capn_socket *s = calloc(1, sizeof(*s));
	if (s == NULL) {
		close(fd);
		error_set(e, ADIT_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	s->fd = fd;
	s->ended = ended;
	s->user = user;
	s->rpc = capn_rpc_new(&callbacks, s);
	s->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, s);
	s->writable = event_new(base, fd, EV_WRITE, on_flush, s);
	s->flush = event_new(base, -1, 0, on_flush, s);
	if (s->rpc == NULL || s->readable == NULL || s->writable == NULL || s->flush == NULL ||
	    event_add(s->readable, NULL) != 0) {
		error_set(e, ADIT_E_NO_MEMORY, "out of memory");
		destroy(s);
		return NULL;
	}
	return s;
}

static int32_t connect_code(int error)
{
	switch (error) {
	case ENOENT:
		return ADIT_E_NOT_FOUND;
	case EACCES:
	case EPERM:
		return ADIT_E_PERMISSION_DENIED;
	default:
		return ADIT_E_UNAVAILABLE;
	}
}

struct capn_socket *capn_socket_connect(struct event_base *base, const char *path,
					capn_socket_ended_fn *ended, void *user, struct error *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t size = strlen(path);
	if (size == 0 || size >= sizeof(address.sun_path)) {
		error_set(e, ADIT_E_INVALID_ARGUMENT, "%s: the path of a socket has 1 to %zu bytes",
			  path, sizeof(address.sun_path) - 1);
		return NULL;
	}
	memcpy(address.sun_path, path, size);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		error_set(e, ADIT_E_IO, "socket: %s", strerror(errno));
		return NULL;
	}
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		error_set(e, connect_code(errno), "%s: %s", path, strerror(errno));
		close(fd);
		return NULL;
	}
	return capn_socket_adopt(base, fd, ended, user, e);
}
