/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/fake_sv2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *need(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

/* --- the connection ----------------------------------------------------------------------------
 */

/* Decodes FRAME as the peer would; what can't be decoded ends the test. */
static int32_t record(struct fake_conn *c, const uint8_t *frame, size_t size, bool by_frame)
{
	struct sent *s = need(calloc(1, sizeof *s + size));
	uint16_t extension;
	size_t used = 0;

	if (c->closed) {
		free(s);
		return ADIT_E_UNAVAILABLE;
	}
	memcpy(s->frame, frame, size);
	extension = (uint16_t)((frame[0] | frame[1] << 8) & 0x7fff);
	s->message = sv2_message_find(extension, frame[2]);
	s->by_frame = by_frame;
	if (s->message < 0 || c->count == FAKE_SENT_MAX ||
	    sv2_decode(s->message, s->frame + 6, size - 6, &s->body, &used) != ADIT_OK ||
	    sv2_decode_tlvs(s->message, c->extensions, s->frame + 6 + used, size - 6 - used,
			    &s->body) != ADIT_OK) {
		fprintf(stderr, "fake sv2: message type %02x can't be read\n", frame[2]);
		abort();
	}
	c->sent[c->count++] = s;
	return ADIT_OK;
}

static int32_t conn_send(struct adit_sv2_conn *conn, int32_t message, const void *body)
{
	size_t size;
	uint8_t *frame;
	int32_t result;

	if (sv2_encode_frame(message, body, NULL, 0, &size) != ADIT_OK)
		abort();
	frame = need(malloc(size));
	if (sv2_encode_frame(message, body, frame, size, &size) != ADIT_OK)
		abort();
	result = record((struct fake_conn *)conn, frame, size, false);
	free(frame);
	return result;
}

static int32_t conn_send_frame(struct adit_sv2_conn *conn, const uint8_t *frame, size_t size)
{
	return record((struct fake_conn *)conn, frame, size, true);
}

static void conn_close(struct adit_sv2_conn *conn, const char *reason)
{
	struct fake_conn *c = (struct fake_conn *)conn;

	c->closed = true;
	snprintf(c->reason, sizeof c->reason, "%s", reason);
}

static void conn_set_user(struct adit_sv2_conn *conn, void *user)
{
	((struct fake_conn *)conn)->user = user;
}

static void *conn_user(const struct adit_sv2_conn *conn)
{
	return ((const struct fake_conn *)conn)->user;
}

static uint32_t conn_id(const struct adit_sv2_conn *conn)
{
	return ((const struct fake_conn *)conn)->id;
}

static uint32_t conn_flags(const struct adit_sv2_conn *conn)
{
	return ((const struct fake_conn *)conn)->flags;
}

static const char *conn_peer(const struct adit_sv2_conn *conn)
{
	(void)conn;
	return "127.0.0.1:9";
}

static size_t conn_pending(const struct adit_sv2_conn *conn)
{
	(void)conn;
	return 0;
}

static uint32_t conn_extensions(const struct adit_sv2_conn *conn)
{
	return ((const struct fake_conn *)conn)->extensions;
}

static void conn_flush(struct adit_sv2_conn *conn)
{
	struct fake_conn *c = (struct fake_conn *)conn;

	c->flushed = c->count;
}

static const struct adit_sv2_conn_api conn_api = {
    .size = sizeof conn_api,
    .version = 1,
    .send = conn_send,
    .encode = sv2_encode_frame,
    .send_frame = conn_send_frame,
    .close = conn_close,
    .set_user = conn_set_user,
    .user = conn_user,
    .id = conn_id,
    .flags = conn_flags,
    .peer = conn_peer,
    .pending = conn_pending,
    .extensions = conn_extensions,
    .flush = conn_flush,
};

struct fake_conn *fake_conn_new(uint32_t id, uint32_t flags)
{
	struct fake_conn *c = need(calloc(1, sizeof *c));

	c->head.api = &conn_api;
	c->id = id;
	c->flags = flags;
	return c;
}

void fake_conn_free(struct fake_conn *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->sent[i]);
	free(c);
}

const struct sent *fake_conn_next(struct fake_conn *c, int32_t message)
{
	for (size_t i = c->read; i < c->count; i++) {
		if (c->sent[i]->message != message)
			continue;
		c->read = i + 1;
		return c->sent[i];
	}
	return NULL;
}

size_t fake_conn_count(const struct fake_conn *c, int32_t message)
{
	size_t count = 0;

	for (size_t i = c->read; i < c->count; i++)
		count += c->sent[i]->message == message;
	return count;
}

void fake_conn_skip(struct fake_conn *c)
{
	c->read = c->count;
}

bool sent_text_is(const struct adit_bytes *bytes, const char *text)
{
	return bytes->size == strlen(text) && memcmp(bytes->data, text, bytes->size) == 0;
}

/* --- the service -------------------------------------------------------------------------------
 */

static int32_t serve(void *server, uint8_t protocol, const void *handlers, void *context)
{
	struct fake_server *s = server;

	if (protocol != ADIT_SV2_MINING)
		return ADIT_E_UNSUPPORTED;
	if (s->handlers != NULL)
		return ADIT_E_EXISTS;
	s->handlers = handlers;
	s->context = context;
	return ADIT_OK;
}

static void server_remove(struct fake_server *s, struct fake_conn *c, const char *reason)
{
	for (size_t i = 0; i < s->conn_count; i++) {
		if (s->conns[i] != c)
			continue;
		s->conns[i] = s->conns[--s->conn_count];
		c->closed = true;
		s->handlers->closed(s->context, &c->head, reason);
		return;
	}
}

static void withdraw(void *server, uint8_t protocol)
{
	struct fake_server *s = server;

	if (protocol != ADIT_SV2_MINING)
		abort();
	while (s->conn_count > 0)
		server_remove(s, s->conns[0], "withdrawn");
	s->handlers = NULL;
	s->withdrawn++;
}

static void set_open(void *server, uint8_t protocol, bool open)
{
	struct fake_server *s = server;

	if (protocol != ADIT_SV2_MINING)
		abort();
	s->open = open;
	s->opened_times += open;
}

void fake_server_init(struct fake_server *s)
{
	*s = (struct fake_server){0};
	s->service.size = sizeof s->service;
	s->service.version = 1;
	s->service.server = s;
	s->service.serve = serve;
	s->service.withdraw = withdraw;
	s->service.set_open = set_open;
}

struct fake_conn *fake_server_connect(struct fake_server *s, uint32_t id, uint32_t flags,
				      struct adit_sv2_setup_result *result)
{
	struct adit_sv2_setup_connection request = {
	    .protocol = ADIT_SV2_MINING, .min_version = 2, .max_version = 2, .flags = flags};
	struct adit_sv2_setup_result local = {0};
	struct fake_conn *c = fake_conn_new(id, flags);

	if (result == NULL)
		result = &local;
	*result = (struct adit_sv2_setup_result){0};
	if (flags & ~s->handlers->supported_flags) {
		result->error_flags = flags & ~s->handlers->supported_flags;
		result->error_code = "unsupported-feature-flags";
	} else if (s->handlers->setup != NULL) {
		s->handlers->setup(s->context, &c->head, &request, result);
	}
	if (result->error_code != NULL) {
		fake_conn_free(c);
		return NULL;
	}
	s->conns[s->conn_count++] = c;
	if (s->handlers->opened != NULL)
		s->handlers->opened(s->context, &c->head);
	return c;
}

void fake_server_disconnect(struct fake_server *s, struct fake_conn *c)
{
	server_remove(s, c, "gone");
}
