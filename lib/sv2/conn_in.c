/* SPDX-License-Identifier: MIT */
/*
 * conn_in.c: from bytes to messages. Bytes are taken in units: a handshake act, a frame header, a
 * chunk of a payload (without Noise the whole payload). A unit that lies complete in the socket's
 * read is opened where it lies; only an incomplete one is copied, and its storage grows with the
 * bytes that really arrive. Headers are judged before any byte of their payload is kept.
 */
#include "config.h"

#include <stdio.h>

#include "lib/sv2/conn.h"
#include "lib/sv2/trace.h"
#include "lib/util/clock.h"

static int32_t conn_fault(struct sv2_conn *c, enum sv2_end end, const char *reason)
{
	sv2_conn_end(c, end, reason);
	return ADIT_E_PROTOCOL;
}

/* --- handshake ---------------------------------------------------------------------------------
 */

static int32_t conn_noise_done(struct sv2_conn *c)
{
	noise_handshake_wipe(&c->handshake);
	c->sealed = true;
	c->phase = SV2_SETUP;
	if (c->ops->ready != NULL)
		c->ops->ready(c);
	return ADIT_OK;
}

/* Server: specification 04 sections 4.5.1.2 and 4.5.2.1. */
static int32_t conn_act1(struct sv2_conn *c, const uint8_t *act1)
{
	uint8_t act2[NOISE_ACT2_SIZE];
	struct error e = {0};
	int32_t r = noise_responder(&c->handshake, c->options->identity, act1, act2, &c->send,
				    &c->receive, &e);

	if (r != ADIT_OK)
		return conn_fault(c, SV2_END_NOISE, e.text);
	r = sv2_conn_queue_raw(c, act2, sizeof(act2));
	return r == ADIT_OK ? conn_noise_done(c) : r;
}

/* Client: specification 04 section 4.5.2.2. */
static int32_t conn_act2(struct sv2_conn *c, const uint8_t *act2)
{
	struct error e = {0};
	int32_t r =
	    noise_initiator_finish(&c->handshake, act2, c->options->authority_x, clock_unix(),
				   c->options->certificate_skew, &c->send, &c->receive, &e);

	return r == ADIT_OK ? conn_noise_done(c) : conn_fault(c, SV2_END_NOISE, e.text);
}

/* --- frames ------------------------------------------------------------------------------------
 */

/* Whether the peer may send M now: SetupConnection and its answer are each side's first message
 * (specification 03 section 3.6.1), the answer about extensions comes before all others (extension
 * 0x0001 section 4), and a connection carries one protocol. */
static bool conn_expects(const struct sv2_conn *c, int32_t message, const struct sv2_message *m)
{
	uint8_t from = c->side == SV2_SERVER ? SV2_C2S : SV2_S2C;

	if ((m->direction & from) == 0)
		return false;
	if (c->phase == SV2_SETUP)
		return message == ADIT_SV2_SETUP_CONNECTION ||
		       message == ADIT_SV2_SETUP_CONNECTION_SUCCESS ||
		       message == ADIT_SV2_SETUP_CONNECTION_ERROR;
	if (m->scope == SV2_SCOPE_EXTENSIONS)
		return c->side == SV2_SERVER || c->asks_extensions;
	if (c->phase == SV2_EXTENSIONS)
		return message == ADIT_SV2_RECONNECT;
	return m->scope == c->scope || message == ADIT_SV2_RECONNECT ||
	       message == ADIT_SV2_CHANNEL_ENDPOINT_CHANGED;
}

static int32_t conn_bad_header(struct sv2_conn *c, const struct sv2_header *h, const char *what)
{
	char reason[96];

	(void)snprintf(reason, sizeof(reason), "%s (type 0x%02x, %u bytes)", what, h->type,
		       h->size);
	return conn_fault(c, SV2_END_PROTOCOL, reason);
}

/* Judges a header. Messages of extensions that we don't speak are skipped (specification 03 section
 * 3.4.1), with or without the channel bit: it would have a proxy forward them, and no channel leads
 * on from here. For our own messages the bit doesn't matter (see messages.def). */
static int32_t conn_header(struct sv2_conn *c, const struct sv2_header *h)
{
	const struct sv2_message *m;

	c->message = sv2_message_find(h->extension, h->type);
	c->left = c->payload_size = h->size;
	c->in_payload = true;
	m = sv2_message(c->message);
	c->skip = m == NULL && h->extension != 0 && c->phase > SV2_SETUP;
	if (c->skip)
		return ADIT_OK;
	if (m == NULL)
		return conn_bad_header(c, h, "unknown message");
	if (!conn_expects(c, c->message, m))
		return conn_bad_header(c, h,
				       c->phase == SV2_SETUP ? "message before SetupConnection"
							     : "message out of place");
	if (h->size > m->max_payload)
		return conn_bad_header(c, h, "message too large");
	return ADIT_OK;
}

/* A payload is complete. */
static int32_t conn_message(struct sv2_conn *c, const uint8_t *payload, size_t size)
{
	union sv2_body body;
	char reason[96];
	size_t used;
	int32_t r = sv2_decode(c->message, payload, size, &body, &used);

	if (r == ADIT_OK && c->extensions != 0)
		r = sv2_decode_tlvs(c->message, c->extensions, payload + used, size - used, &body);
	if (r != ADIT_OK) {
		(void)snprintf(reason, sizeof(reason), "malformed %s",
			       sv2_message(c->message)->title);
		return conn_fault(c, SV2_END_PROTOCOL, reason);
	}
	if (c->traced)
		sv2_trace_message(c, SV2_TRACE_IN, c->message, &body);
	c->loop->messages_in++;
	c->batch = c->batch || c->phase == SV2_OPEN;
	r = c->ops->message(c, c->message, &body);
	if (r != ADIT_OK) {
		(void)snprintf(reason, sizeof(reason), "%s refused: %s",
			       sv2_message(c->message)->title, adit_error_name(r));
		sv2_conn_end(c, SV2_END_PROTOCOL, reason);
	}
	return r;
}

/* The frame ends: its message is handled and its storage given back. */
static int32_t conn_frame_end(struct sv2_conn *c, const uint8_t *payload, size_t size)
{
	int32_t r = c->skip ? ADIT_OK : conn_message(c, payload, size);

	c->in_payload = false;
	buf_free(&c->payload);
	return r;
}

/* A payload of several chunks is put together. */
static int32_t conn_chunk(struct sv2_conn *c, const uint8_t *chunk, size_t size)
{
	c->payload.limit = c->payload_size;
	if (!c->skip && !buf_append(&c->payload, chunk, size))
		return conn_fault(c, SV2_END_INTERNAL, "out of memory");
	return c->left == 0 ? conn_frame_end(c, c->payload.data, c->payload.size) : ADIT_OK;
}

/* --- units -------------------------------------------------------------------------------------
 */

/* Bytes of the next unit on the wire. */
static size_t conn_unit_size(const struct sv2_conn *c)
{
	size_t mac = c->sealed ? NOISE_MAC_SIZE : 0;

	if (c->phase == SV2_HANDSHAKE)
		return c->side == SV2_SERVER ? NOISE_ACT1_SIZE : NOISE_ACT2_SIZE;
	if (!c->in_payload)
		return SV2_HEADER_SIZE + mac;
	if (c->left > SV2_CHUNK_SIZE && (c->sealed || c->skip))
		return SV2_CHUNK_SIZE + mac;
	return c->left + mac;
}

/* Handles one complete unit, in place. */
static int32_t conn_unit(struct sv2_conn *c, uint8_t *unit, size_t size)
{
	struct sv2_header h;
	int32_t r;

	if (c->phase == SV2_HANDSHAKE)
		return c->side == SV2_SERVER ? conn_act1(c, unit) : conn_act2(c, unit);
	if (c->sealed && noise_open(&c->receive, unit, size, unit) != ADIT_OK)
		return conn_fault(c, SV2_END_PROTOCOL, "wrong MAC");
	if (c->sealed)
		size -= NOISE_MAC_SIZE;
	if (!c->in_payload) {
		sv2_header_read(unit, &h);
		r = conn_header(c, &h);
		return r == ADIT_OK && h.size == 0 ? conn_frame_end(c, unit, 0) : r;
	}
	c->left -= (uint32_t)size;
	if (size == c->payload_size)
		return conn_frame_end(c, unit, size);
	return conn_chunk(c, unit, size);
}

/* Adds to the incomplete unit and handles it once it is whole; returns how many bytes it took. */
static size_t conn_complete(struct sv2_conn *c, const uint8_t *data, size_t size)
{
	size_t want = conn_unit_size(c);
	size_t take = want - c->unit.size < size ? want - c->unit.size : size;

	c->unit.limit = want;
	if (!buf_append(&c->unit, data, take)) {
		sv2_conn_end(c, SV2_END_INTERNAL, "out of memory");
		return size;
	}
	if (c->unit.size == want) {
		(void)conn_unit(c, c->unit.data, want);
		buf_free(&c->unit);
	}
	return take;
}

/* What is kept until more comes. */
static void conn_hold(struct sv2_conn *c)
{
	size_t held = c->unit.capacity + c->payload.capacity;

	if (held == c->held)
		return;
	c->loop->held += held - c->held;
	c->held = held;
	sv2_loop_grown(c->loop);
}

void sv2_conn_receive(struct sv2_conn *c, uint8_t *data, size_t size)
{
	c->batch = false;
	while (size > 0 && c->phase < SV2_ENDING) {
		size_t unit = conn_unit_size(c);

		if (c->unit.size > 0 || size < unit)
			unit = conn_complete(c, data, size);
		else
			(void)conn_unit(c, data, unit);
		data += unit;
		size -= unit;
	}
	if (c->phase == SV2_OPEN && c->batch)
		c->ops->batch_end(c);
	conn_hold(c);
}
