/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/conn.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/sv2/socket.h"
#include "lib/sv2/trace.h"
#include "lib/util/clock.h"

/* An ending connection may take this long to write its last bytes, and the peer to close. */
#define DRAIN_MS 5000
#define LINGER_MS 1000

/* --- what applications see ---------------------------------------------------------------------
 */

struct sv2_conn *sv2_conn_of(struct adit_sv2_conn *conn)
{
	return (struct sv2_conn *)conn;
}

static const struct sv2_conn *conn_of_const(const struct adit_sv2_conn *conn)
{
	return (const struct sv2_conn *)conn;
}

static int32_t api_send(struct adit_sv2_conn *conn, int32_t message, const void *body)
{
	struct sv2_conn *c = sv2_conn_of(conn);

	return c->phase == SV2_OPEN ? sv2_conn_send(c, message, body) : ADIT_E_UNAVAILABLE;
}

static int32_t api_send_frame(struct adit_sv2_conn *conn, const uint8_t *frame, size_t size)
{
	struct sv2_conn *c = sv2_conn_of(conn);

	return c->phase == SV2_OPEN ? sv2_conn_queue_frame(c, frame, size) : ADIT_E_UNAVAILABLE;
}

static void api_close(struct adit_sv2_conn *conn, const char *reason)
{
	sv2_conn_end(sv2_conn_of(conn), SV2_END_LOCAL, reason);
}

static void api_set_user(struct adit_sv2_conn *conn, void *user)
{
	sv2_conn_of(conn)->user = user;
}

static void *api_user(const struct adit_sv2_conn *conn)
{
	return conn_of_const(conn)->user;
}

static uint32_t api_id(const struct adit_sv2_conn *conn)
{
	return conn_of_const(conn)->id;
}

static uint32_t api_flags(const struct adit_sv2_conn *conn)
{
	return conn_of_const(conn)->flags;
}

static const char *api_peer(const struct adit_sv2_conn *conn)
{
	return conn_of_const(conn)->peer;
}

static size_t api_pending(const struct adit_sv2_conn *conn)
{
	return sv2_conn_pending(conn_of_const(conn));
}

static uint32_t api_extensions(const struct adit_sv2_conn *conn)
{
	return conn_of_const(conn)->extensions;
}

static void api_flush(struct adit_sv2_conn *conn)
{
	sv2_conn_push(sv2_conn_of(conn));
}

static const struct adit_sv2_conn_api conn_api = {
    .size = sizeof(struct adit_sv2_conn_api),
    .version = 1,
    .send = api_send,
    .encode = sv2_encode_frame,
    .send_frame = api_send_frame,
    .close = api_close,
    .set_user = api_set_user,
    .user = api_user,
    .id = api_id,
    .flags = api_flags,
    .peer = api_peer,
    .pending = api_pending,
    .extensions = api_extensions,
    .flush = api_flush,
};

/* --- ending ------------------------------------------------------------------------------------
 */

/* What is queued is worth writing only to a peer that may still want it. */
static bool end_drops(const struct sv2_conn *c, enum sv2_end end)
{
	switch (end) {
	case SV2_END_LOCAL:
	case SV2_END_REFUSED:
		return false;
	case SV2_END_PROTOCOL:
		return sv2_conn_pending(c) == 0;
	case SV2_END_PEER:
	case SV2_END_NOISE:
	case SV2_END_TIMEOUT:
	case SV2_END_LIMIT:
	case SV2_END_INTERNAL:
		break;
	}
	return true;
}

void sv2_conn_end(struct sv2_conn *c, enum sv2_end end, const char *reason)
{
	if (c->phase >= SV2_ENDING)
		return;
	c->phase = SV2_ENDING;
	c->end = (uint8_t)end;
	c->drop = end_drops(c, end);
	c->reset = end == SV2_END_LIMIT || end == SV2_END_TIMEOUT;
	(void)snprintf(c->reason, sizeof(c->reason), "%s", reason != NULL ? reason : "closed");
	if (c->traced)
		sv2_trace_end(c);
	sv2_loop_schedule(c->loop, c);
}

/* ENDING to DRAINING: the owner is told. */
static void conn_say_closed(struct sv2_conn *c)
{
	c->phase = SV2_DRAINING;
	c->deadline = clock_monotonic_ms() + DRAIN_MS;
	c->ops->closed(c, c->reason);
}

void sv2_conn_end_now(struct sv2_conn *c, enum sv2_end end, const char *reason)
{
	sv2_conn_end(c, end, reason);
	if (c->phase == SV2_ENDING)
		conn_say_closed(c);
}

/* DRAINING: once all is written end of file is said; the peer's ends the connection (on_readable).
 */
static void conn_drain(struct sv2_conn *c)
{
	if (c->drop) {
		sv2_conn_destroy(c);
		return;
	}
	if (sv2_conn_pending(c) > 0 || c->eof_out)
		return;
	c->eof_out = true;
	c->deadline = clock_monotonic_ms() + LINGER_MS;
	if (c->eof_in || shutdown(c->fd, SHUT_WR) < 0)
		sv2_conn_destroy(c);
}

void sv2_conn_flush(struct sv2_conn *c)
{
	if (c->phase == SV2_ENDING)
		conn_say_closed(c);
	if (!c->drop)
		sv2_conn_write(c);
	if (c->phase == SV2_ENDING)
		conn_say_closed(c);
	if (c->phase == SV2_DRAINING)
		conn_drain(c);
}

void sv2_conn_check_deadlines(struct sv2_conn *c, uint64_t now)
{
	const struct sv2_conn_options *o = c->options;

	if (c->phase < SV2_OPEN) {
		if (now - c->started >= o->handshake_timeout_ms)
			sv2_conn_end(c, SV2_END_TIMEOUT,
				     c->phase == SV2_HANDSHAKE ? "handshake timed out"
							       : "no SetupConnection in time");
		else if (c->phase == SV2_EXTENSIONS && now >= c->deadline)
			sv2_conn_end(c, SV2_END_TIMEOUT, "no answer to RequestExtensions");
	} else if (c->phase == SV2_OPEN) {
		if (o->idle_timeout_ms > 0 && now - c->last_read >= o->idle_timeout_ms)
			sv2_conn_end(c, SV2_END_TIMEOUT, "idle for too long");
		else if (c->asks_extensions && now >= c->deadline)
			sv2_conn_end(c, SV2_END_TIMEOUT, "no answer to RequestExtensions");
		else if (sv2_conn_stalls(c, now))
			sv2_conn_end(c, SV2_END_TIMEOUT, "the peer does not read");
	} else if (c->phase == SV2_DRAINING && now >= c->deadline) {
		c->drop = c->reset = true;
		sv2_loop_schedule(c->loop, c);
	}
}

/* --- reading -----------------------------------------------------------------------------------
 */

/* The peer closed, or reading failed. */
static void conn_read_ended(struct sv2_conn *c, int error)
{
	char reason[96];

	(void)event_del(c->read_event);
	c->eof_in = true;
	if (c->phase == SV2_DRAINING) {
		if (error != 0 || sv2_conn_pending(c) == 0)
			sv2_conn_destroy(c);
		return; /* a peer that closed only its side gets the rest */
	}
	if (error == 0)
		(void)snprintf(reason, sizeof(reason), "closed by the peer");
	else
		(void)snprintf(reason, sizeof(reason), "connection lost: %s", strerror(error));
	sv2_conn_end(c, SV2_END_PEER, reason);
}

static void conn_read(struct sv2_conn *c)
{
	struct sv2_loop *l = c->loop;
	ssize_t n = recv(c->fd, l->scratch, SV2_SCRATCH_SIZE, 0);

	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return;
	if (n <= 0) {
		conn_read_ended(c, n == 0 ? 0 : errno);
		return;
	}
	if (c->phase >= SV2_ENDING)
		return;
	l->bytes_in += (size_t)n;
	c->last_read = clock_monotonic_ms();
	sv2_conn_receive(c, l->scratch, (size_t)n);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct sv2_conn *c = arg;
	struct sv2_loop *l = c->loop;

	(void)fd;
	(void)what;
	sv2_loop_enter(l);
	conn_read(c);
	sv2_loop_leave(l);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct sv2_conn *c = arg;
	struct sv2_loop *l = c->loop;

	(void)fd;
	(void)what;
	sv2_loop_enter(l);
	sv2_conn_flush(c);
	sv2_loop_leave(l);
}

/* --- life --------------------------------------------------------------------------------------
 */

/* See conn_taken(). */
static bool socket_counts(int fd)
{
	int domain = AF_UNIX;
	socklen_t size = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain != AF_UNIX;
}

/* First bytes: a client begins the handshake; without Noise both sides are ready at once. */
static int32_t conn_begin(struct sv2_conn *c)
{
	uint8_t act1[NOISE_ACT1_SIZE];
	int32_t r;

	if (c->options->plain) {
		c->phase = SV2_SETUP;
		if (c->ops->ready != NULL)
			c->ops->ready(c);
		return ADIT_OK;
	}
	if (c->side == SV2_SERVER)
		return ADIT_OK;
	r = noise_initiator_start(&c->handshake, act1);
	return r == ADIT_OK ? sv2_conn_queue_raw(c, act1, sizeof(act1)) : r;
}

int32_t sv2_conn_start(struct sv2_conn *c, struct sv2_loop *loop, int fd, enum sv2_side side,
		       const struct sv2_conn_ops *ops, const struct sv2_conn_options *options)
{
	static _Atomic uint32_t last_id;
	int32_t r = ADIT_E_NO_MEMORY;

	c->head.api = &conn_api;
	c->loop = loop;
	c->ops = ops;
	c->options = options;
	c->fd = fd;
	c->counted = socket_counts(fd);
	c->side = (uint8_t)side;
	c->id = atomic_fetch_add(&last_id, 1) + 1;
	c->started = c->last_read = clock_monotonic_ms();
	sv2_loop_join(loop, c);
	c->read_event = event_new(loop->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->write_event = event_new(loop->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	if (c->read_event != NULL && c->write_event != NULL && event_add(c->read_event, NULL) == 0)
		r = conn_begin(c);
	if (r != ADIT_OK)
		sv2_conn_destroy(c);
	return r;
}

void sv2_conn_await_extensions(struct sv2_conn *c, uint32_t ms)
{
	c->phase = SV2_EXTENSIONS;
	c->deadline = clock_monotonic_ms() + ms;
}

void sv2_conn_open(struct sv2_conn *c, enum sv2_scope scope)
{
	c->phase = SV2_OPEN;
	c->scope = (uint8_t)scope;
	c->opened = true;
}

/* What the system holds for a peer that takes nothing goes with the connection; else it would stay
 * for minutes, and the peer would not learn of the end. */
static void conn_close(const struct sv2_conn *c)
{
	const struct linger at_once = {.l_onoff = 1};

	if (c->reset && sv2_conn_unsent(c))
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(c->fd);
}

void sv2_conn_local(const struct sv2_conn *c, char *out)
{
	sv2_socket_local(c->fd, out);
}

void sv2_conn_destroy(struct sv2_conn *c)
{
	sv2_loop_part(c->loop, c);
	c->loop->held -= c->held;
	c->loop->queued -= sv2_conn_pending(c);
	if (c->read_event != NULL)
		event_free(c->read_event);
	if (c->write_event != NULL)
		event_free(c->write_event);
	conn_close(c);
	noise_handshake_wipe(&c->handshake);
	noise_cipher_fini(&c->send);
	noise_cipher_fini(&c->receive);
	buf_free(&c->unit);
	buf_free(&c->payload);
	buf_free(&c->out);
	c->ops->release(c);
}
