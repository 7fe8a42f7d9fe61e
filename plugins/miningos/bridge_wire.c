/* SPDX-License-Identifier: MIT */
/* bridge_wire.c: the lines between us and the child. */
#include "config.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "plugins/miningos/bridge_impl.h"
#include "plugins/miningos/bridge_message.h"

/* What waits for the child to read, and how much of that is moved to the front at once. */
#define OUT_MAX ((size_t)64 << 20)
#define OUT_RESERVE ((size_t)1 << 20) /* more than that, for what is SMALL: errors */
#define SMALL 4096u
#define OUT_DRAIN ((size_t)1 << 20)
/* Reads in one turn of the loop. */
#define READS 16
/* Lines that are none, one after another. A single one may be what our parser does not take. */
#define BAD_MAX 20u

static void wire_unwatch(struct bridge *b, uint64_t *watch)
{
	if (*watch != 0)
		b->api->io_unwatch(b->host, *watch);
	*watch = 0;
}

void bridge_break(struct bridge *b, const char *why)
{
	if (b->broken || b->child.pid == 0)
		return;
	b->broken = true;
	if (b->phase != BRIDGE_STOPPING)
		bridge_trouble(b, false, NULL, "the bridge was killed: %s", why);
	child_kill(&b->child);
	wire_unwatch(b, &b->watch_in);
}

/* --- out --- */

static void wire_on_writable(void *user, int32_t fd, uint32_t flags);

/* Sends what the socket takes, and watches it for the rest. */
static void wire_flush(struct bridge *b)
{
	while (b->out_sent < b->out.size) {
		ssize_t n = send(b->child.channel, b->out.data + b->out_sent,
				 b->out.size - b->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			b->out_sent += (size_t)n;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			break;
		else if (errno != EINTR)
			b->out_sent = b->out.size; /* it has gone, as we are about to read */
	}
	if (b->out_sent == b->out.size) {
		buf_clear(&b->out);
		b->out_sent = 0;
		if (b->out.capacity > OUT_DRAIN)
			buf_free(&b->out);
	} else if (b->out_sent >= OUT_DRAIN) {
		buf_drain(&b->out, b->out_sent);
		b->out_sent = 0;
	}
	if (b->out.size == 0) {
		wire_unwatch(b, &b->watch_out);
	} else if (b->watch_out == 0 &&
		   b->api->io_watch(b->host, b->child.channel, ADIT_IO_WRITE, wire_on_writable, b,
				    NULL, &b->watch_out) != ADIT_OK) {
		b->watch_out = 0;
		bridge_break(b, "it can't be written to");
	}
}

static void wire_on_writable(void *user, int32_t fd, uint32_t flags)
{
	(void)fd;
	(void)flags;
	wire_flush(user);
}

bool bridge_send(struct bridge *b, uint32_t id, const char *head, const char *body, size_t size)
{
	char begin[160];
	int length = snprintf(begin, sizeof(begin), "{\"id\":%u,%s", id, head);
	uint8_t *at;

	if (b->child.pid == 0 || b->broken || length < 0 || (size_t)length >= sizeof(begin) ||
	    size > BRIDGE_LINE_MAX - (size_t)length - 2)
		return false;
	b->out.limit = size <= SMALL ? OUT_MAX + OUT_RESERVE : OUT_MAX;
	at = buf_reserve(&b->out, (size_t)length + size + 2);
	if (at == NULL) {
		b->out.failed = false; /* what is in it is whole lines */
		return false;
	}
	memcpy(at, begin, (size_t)length);
	if (size > 0)
		memcpy(at + length, body, size);
	memcpy(at + (size_t)length + size, "}\n", 2);
	b->out.size += (size_t)length + size + 2;
	wire_flush(b);
	return true;
}

/* --- in --- */

static void wire_listening(struct bridge *b, const struct json_object *params)
{
	struct json_object *list;

	if (!json_object_object_get_ex(params, "listening", &list) ||
	    !json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < b->rack_count; i++) {
		b->racks[i].listening = false;
		for (size_t j = 0; j < json_object_array_length(list); j++) {
			const char *id = json_object_get_string(json_object_array_get_idx(list, j));

			if (id != NULL && strcmp(id, b->racks[i].id) == 0)
				b->racks[i].listening = true;
		}
	}
	bridge_changed(b);
}

static bool wire_has_rack(const struct bridge *b, const char *id)
{
	for (size_t i = 0; i < b->rack_count; i++) {
		if (strcmp(b->racks[i].id, id) == 0)
			return true;
	}
	return false;
}

static void wire_request(struct bridge *b, const struct bridge_message *m)
{
	const uint64_t number = (uint64_t)b->generation << 32 | m->id;

	b->requests++;
	b->requests_open++;
	if (!wire_has_rack(b, m->rack))
		bridge_answer(b, number, "ERR_RACK_NOTFOUND", NULL, 0);
	else if (b->requests_open > BRIDGE_REQUESTS_MAX)
		bridge_answer(b, number, "ERR_BRIDGE_BUSY", NULL, 0);
	else
		b->on_request(b->user, number, m->rack, m->method, m->peer, m->value);
}

static void wire_line(struct bridge *b, const char *line, size_t size)
{
	struct bridge_message m;
	struct error e = {0};

	if (bridge_message_parse(line, size, &m, &e) != ADIT_OK) {
		b->bad_lines++;
		bridge_log(b, ADIT_LOG_DEBUG, "bridge: a line of %zu bytes: %s", size, e.text);
		if (++b->bad_in_row > BAD_MAX)
			bridge_break(b, "it says what nobody understands");
		return;
	}
	b->bad_in_row = 0;
	if (m.kind == BRIDGE_REQUEST && b->phase == BRIDGE_RUNNING)
		wire_request(b, &m);
	else if (m.kind == BRIDGE_NOTE && strcmp(m.method, "state") == 0)
		wire_listening(b, m.value);
	else if (m.kind == BRIDGE_ANSWER) {
		if (m.error != NULL && m.text[0] != '\0')
			bridge_log(b, ADIT_LOG_DEBUG, "bridge: %s: %.200s", m.error, m.text);
		/* while it starts, the text says what is wrong */
		if (m.error != NULL && b->phase == BRIDGE_STARTING)
			(void)snprintf(b->trouble, sizeof(b->trouble), "%s", m.text);
		(void)bridge_calls_answer(b, m.id, m.error, m.value);
	}
	bridge_message_free(&m);
}

static void wire_lines(struct bridge *b)
{
	const char *line;
	size_t size;
	enum lines_result result = LINES_LINE;

	while (!b->broken && result == LINES_LINE) {
		result = lines_next(&b->in, &line, &size);
		if (result == LINES_LINE)
			wire_line(b, line, size);
	}
	if (result == LINES_LONG)
		bridge_break(b, "a line is too long");
	else if (result == LINES_NO_MEMORY)
		bridge_break(b, "out of memory");
}

static void wire_on_readable(void *user, int32_t fd, uint32_t flags)
{
	struct bridge *b = user;

	(void)flags;
	for (int i = 0; i < READS && !b->broken; i++) {
		uint8_t *at = lines_room(&b->in);
		ssize_t n = at != NULL ? read(fd, at, LINES_CHUNK) : 0;

		if (at == NULL) {
			bridge_break(b, "out of memory");
		} else if (n > 0) {
			b->bytes_in += (uint64_t)n;
			lines_added(&b->in, (size_t)n);
			wire_lines(b);
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			break;
		} else {
			wire_unwatch(b, &b->watch_in); /* it is about to exit, or has to */
			b->closed_ms = clock_monotonic_ms();
			break;
		}
	}
}

static void wire_on_output(void *user, int32_t fd, uint32_t flags)
{
	(void)fd;
	(void)flags;
	bridge_output_read(user);
}

bool bridge_wire_open(struct bridge *b)
{
	b->in.max = BRIDGE_LINE_MAX;
	b->broken = false;
	b->closed_ms = 0;
	b->bad_in_row = 0;
	return b->api->io_watch(b->host, b->child.channel, ADIT_IO_READ, wire_on_readable, b, NULL,
				&b->watch_in) == ADIT_OK &&
	       b->api->io_watch(b->host, b->child.output, ADIT_IO_READ, wire_on_output, b, NULL,
				&b->watch_output) == ADIT_OK;
}

void bridge_wire_drain(struct bridge *b)
{
	while (b->watch_in != 0 && !b->broken) { /* the end of the stream is there already */
		const uint64_t before = b->bytes_in;

		wire_on_readable(b, b->child.channel, ADIT_IO_READ);
		if (b->bytes_in == before)
			break;
	}
	bridge_output_read(b);
}

void bridge_wire_close(struct bridge *b)
{
	wire_unwatch(b, &b->watch_in);
	wire_unwatch(b, &b->watch_out);
	wire_unwatch(b, &b->watch_output);
	lines_free(&b->in);
	lines_free(&b->output);
	buf_free(&b->out);
	b->out_sent = 0;
	b->requests_open = 0;
}

void bridge_answer(struct bridge *b, uint64_t request, const char *error, const char *json,
		   size_t size)
{
	const uint32_t id = (uint32_t)request;
	struct json_object *word;
	const char *text;

	if (request >> 32 != b->generation || b->child.pid == 0 || b->requests_open == 0)
		return;
	b->requests_open--;
	if (error == NULL && size > BRIDGE_LINE_MAX - 200)
		error = "ERR_ANSWER_TOO_LONG";
	if (error == NULL && bridge_send(b, id, "\"result\":", json, size))
		return;
	word = json_object_new_string(error != NULL ? error : "ERR_BRIDGE_BUSY");
	text = json_object_to_json_string_ext(word, JSON_C_TO_STRING_PLAIN);
	if (text == NULL || !bridge_send(b, id, "\"error\":", text, strlen(text)))
		bridge_break(b, "it does not read its answers");
	json_object_put(word);
}
