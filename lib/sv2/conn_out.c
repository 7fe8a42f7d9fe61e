/* SPDX-License-Identifier: MIT */
/*
 * conn_out.c: from messages to bytes. A message is encoded into the queue and sealed where it lies;
 * the flush event writes the queue once per wake-up; a found block doesn't wait for it.
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lib/sv2/conn.h"
#include "lib/sv2/trace.h"
#include "lib/util/clock.h"

/* An empty queue keeps its storage up to this, so that a busy connection doesn't allocate. */
#define KEEP_SIZE 2048
/* Within the write timeout a peer takes all that was queued, or at least this much. Less is a stall
 * too: who reads a byte a second would else hold a full queue for ever. */
#define PROGRESS_SIZE ((size_t)64 << 10)

size_t sv2_conn_pending(const struct sv2_conn *c)
{
	return c->out.size - c->out_at;
}

/* Bytes that the peer has taken, of all that were given to the socket. The system takes megabytes
 * for a TCP peer that takes nothing, or is gone; what of them the peer has acknowledged it tells.
 * (Of a Unix socket, whose buffer is small, it would count storage and not bytes.) */
static uint64_t conn_taken(const struct sv2_conn *c)
{
	int held = 0;

	if (!c->counted || ioctl(c->fd, SIOCOUTQ, &held) < 0 || held < 0)
		return c->written;
	return (uint64_t)held < c->written ? c->written - (uint64_t)held : 0;
}

bool sv2_conn_unsent(const struct sv2_conn *c)
{
	return conn_taken(c) < c->written;
}

/* The write timeout begins anew, for what waits now for a peer that has TAKEN so much; without any
 * it does not run. */
static void conn_owe(struct sv2_conn *c, uint64_t taken, uint64_t now)
{
	uint64_t waits = c->written - taken + sv2_conn_pending(c);

	c->owes = waits > 0;
	c->owed = taken + (waits < PROGRESS_SIZE ? waits : PROGRESS_SIZE);
	c->owed_since = now;
}

/* A peer that takes its bytes is asked about four times in a write timeout, not at each tick. */
bool sv2_conn_stalls(struct sv2_conn *c, uint64_t now)
{
	uint64_t passed = now - c->owed_since;
	uint64_t taken;

	if (!c->owes || passed < c->options->write_timeout_ms / 4)
		return false;
	taken = conn_taken(c);
	if (taken < c->owed)
		return passed >= c->options->write_timeout_ms;
	conn_owe(c, taken, now);
	return false;
}

/* Room for SIZE bytes at the queue's end. A message alone in the queue may pass the bound: the
 * frame limits it, and a peer that reads is not to blame for its size. */
static int32_t conn_room(struct sv2_conn *c, size_t size, uint8_t **at)
{
	size_t pending = sv2_conn_pending(c);

	if (pending > 0 && pending + size > c->options->max_pending) {
		sv2_conn_end(c, SV2_END_LIMIT, "the peer reads too slowly");
		return ADIT_E_LIMIT;
	}
	if (c->out_at > 0 && c->out.capacity - c->out.size < size) {
		buf_drain(&c->out, c->out_at);
		c->out_at = 0;
	}
	c->out.limit = SIZE_MAX;
	*at = buf_reserve(&c->out, size);
	if (*at == NULL) {
		sv2_conn_end(c, SV2_END_INTERNAL, "out of memory");
		return ADIT_E_NO_MEMORY;
	}
	return ADIT_OK;
}

/* SIZE bytes have been put where conn_room() said. */
static void conn_queued(struct sv2_conn *c, size_t size)
{
	c->out.size += size;
	c->loop->queued += size;
	if (!c->owes)
		conn_owe(c, c->written, clock_monotonic_ms());
	if (!c->write_armed)
		sv2_loop_schedule(c->loop, c);
	else
		sv2_loop_grown(c->loop);
}

int32_t sv2_conn_queue_raw(struct sv2_conn *c, const uint8_t *data, size_t size)
{
	uint8_t *at;
	int32_t r = conn_room(c, size, &at);

	if (r != ADIT_OK)
		return r;
	memcpy(at, data, size);
	conn_queued(c, size);
	return ADIT_OK;
}

/* Nothing goes out before SetupConnection is answered but the answer (pending change #225). Only
 * what this side may send in this connection: anything else is a mistake of ours. */
static bool conn_may_send(const struct sv2_conn *c, const struct sv2_message *m)
{
	uint8_t to = c->side == SV2_SERVER ? SV2_S2C : SV2_C2S;

	if (m == NULL || (m->direction & to) == 0)
		return false;
	if (m->scope == SV2_SCOPE_EXTENSIONS)
		return c->phase > SV2_SETUP;
	/* SetupConnection and its answer, once; then the others. */
	if (m->scope == SV2_SCOPE_COMMON)
		return (c->phase == SV2_OPEN) ==
		       (m == sv2_message(ADIT_SV2_RECONNECT) ||
			m == sv2_message(ADIT_SV2_CHANNEL_ENDPOINT_CHANGED));
	return c->phase == SV2_OPEN && m->scope == c->scope;
}

/* A sealed frame, or what took its place, is in the queue's room. */
static int32_t conn_sealed(struct sv2_conn *c, int32_t r, size_t size)
{
	if (r != ADIT_OK) {
		sv2_conn_end(c, SV2_END_INTERNAL, "a frame could not be sealed");
		return r;
	}
	conn_queued(c, size);
	c->loop->messages_out++;
	return ADIT_OK;
}

/* A found block is worth a write of its own: a wake-up may bring thousands of shares. */
static bool leaves_at_once(int32_t message)
{
	return message == ADIT_SV2_SUBMIT_SOLUTION || message == ADIT_SV2_PUSH_SOLUTION;
}

int32_t sv2_conn_send(struct sv2_conn *c, int32_t message, const void *body)
{
	union sv2_body copy;
	size_t payload;
	size_t wire;
	size_t header = c->sealed ? SV2_SEALED_HEADER_SIZE : SV2_HEADER_SIZE;
	uint8_t *at;
	int32_t r;

	if (c->phase >= SV2_ENDING)
		return ADIT_E_UNAVAILABLE;
	if (!conn_may_send(c, sv2_message(message)))
		return ADIT_E_INVALID_ARGUMENT;
	body = sv2_keep_tlvs(message, c->extensions, body, &copy);
	r = sv2_encoded_size(message, body, &payload);
	if (r != ADIT_OK)
		return r;
	wire = c->sealed ? sv2_sealed_size((uint32_t)payload) : header + payload;
	r = conn_room(c, wire, &at);
	if (r != ADIT_OK)
		return r;
	sv2_header_write(message, (uint32_t)payload, at);
	r = sv2_encode(message, body, at + header, payload, &payload);
	if (c->traced && r == ADIT_OK)
		sv2_trace_message(c, SV2_TRACE_OUT, message, body);
	if (r == ADIT_OK && c->sealed)
		r = sv2_seal_in_place(&c->send, at, (uint32_t)payload);
	c->told_reconnect = c->told_reconnect || message == ADIT_SV2_RECONNECT;
	r = conn_sealed(c, r, wire);
	if (r == ADIT_OK && leaves_at_once(message) && !c->write_armed)
		sv2_conn_write(c);
	return r;
}

int32_t sv2_conn_queue_frame(struct sv2_conn *c, const uint8_t *frame, size_t size)
{
	struct sv2_header h;
	size_t wire;
	uint8_t *at;
	int32_t r;

	if (size < SV2_HEADER_SIZE)
		return ADIT_E_INVALID_ARGUMENT;
	sv2_header_read(frame, &h);
	if (size - SV2_HEADER_SIZE != h.size ||
	    !conn_may_send(c, sv2_message(sv2_message_find(h.extension, h.type))))
		return ADIT_E_INVALID_ARGUMENT;
	wire = c->sealed ? sv2_sealed_size(h.size) : size;
	r = conn_room(c, wire, &at);
	if (r != ADIT_OK)
		return r;
	if (c->traced)
		sv2_trace_frame(c, frame, size);
	if (c->sealed)
		r = sv2_seal_frame(&c->send, frame, size, at);
	else
		memcpy(at, frame, size);
	return conn_sealed(c, r, wire);
}

static void conn_arm_write(struct sv2_conn *c, bool arm)
{
	if (arm == c->write_armed)
		return;
	c->write_armed = arm;
	if (!arm)
		(void)event_del(c->write_event);
	else if (event_add(c->write_event, NULL) < 0)
		sv2_conn_end(c, SV2_END_INTERNAL, "the event loop refuses the socket");
}

static void conn_write_failed(struct sv2_conn *c, int error)
{
	char reason[96];

	(void)snprintf(reason, sizeof(reason), "connection lost: %s", strerror(error));
	c->drop = true;
	sv2_conn_end(c, SV2_END_PEER, reason);
}

void sv2_conn_write(struct sv2_conn *c)
{
	size_t pending = sv2_conn_pending(c);
	ssize_t n;

	if (pending == 0)
		return;
	n = send(c->fd, c->out.data + c->out_at, pending, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		conn_write_failed(c, errno);
		return;
	}
	if (n > 0) {
		c->out_at += (size_t)n;
		c->loop->queued -= (size_t)n;
		c->loop->bytes_out += (size_t)n;
		c->written += (size_t)n;
	}
	conn_arm_write(c, n < (ssize_t)pending);
	if (n < (ssize_t)pending)
		return;
	c->out_at = 0;
	if (c->out.capacity > KEEP_SIZE)
		buf_free(&c->out);
	else
		buf_clear(&c->out);
}

/* C stays in the list of the flush event, which finds nothing left to write, or how it ended. */
void sv2_conn_push(struct sv2_conn *c)
{
	if (c->phase < SV2_ENDING && !c->write_armed)
		sv2_conn_write(c);
}
