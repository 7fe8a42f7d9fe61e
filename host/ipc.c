/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/ipc.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "lib/util/clock.h"
#include "lib/util/reader.h"

#define IPC_READ_SIZE (256 * 1024)
#define IPC_FRAMES_PER_WAKEUP 256

struct ipc_channel {
	int fd;
	struct event *readable;
	struct event *writable;
	struct event *flush; /* made active by the first frame of a wake-up */
	struct evbuffer *in;
	struct evbuffer *out;
	ipc_frame_fn on_frame;
	ipc_closed_fn on_closed;
	void *user;
	bool closed;
	bool dispatching;
	bool freed; /* inside a callback */
};

int32_t ipc_encode_header(const struct ipc_frame *f, uint8_t header[IPC_HEADER])
{
	size_t name = f->name != NULL ? strlen(f->name) : 0;
	size_t text = f->text != NULL ? strlen(f->text) : 0;
	struct writer w;

	if (name > IPC_NAME_MAX || f->json_size > IPC_JSON_MAX ||
	    f->attachment_size > IPC_ATTACHMENT_MAX)
		return ADIT_E_LIMIT;
	if (text > IPC_TEXT_MAX)
		text = IPC_TEXT_MAX;
	writer_init(&w, header, IPC_HEADER);
	writer_u32(&w, IPC_MAGIC);
	writer_u8(&w, f->kind);
	writer_u8(&w, IPC_VERSION);
	writer_u16(&w, f->flags);
	writer_u32(&w, f->source);
	writer_u32(&w, f->target);
	writer_u64(&w, f->correlation);
	writer_u64(&w, f->extra);
	writer_u32(&w, (uint32_t)f->status);
	writer_u16(&w, (uint16_t)name);
	writer_u16(&w, (uint16_t)text);
	writer_u32(&w, (uint32_t)f->json_size);
	writer_u32(&w, (uint32_t)f->attachment_size);
	return w.failed ? ADIT_E_INTERNAL : ADIT_OK;
}

struct ipc_sizes {
	size_t name;
	size_t text;
	size_t json;
	size_t attachment;
};

/* Reads and checks a header. */
static int32_t ipc_header(struct reader *r, struct ipc_frame *f, struct ipc_sizes *sizes)
{
	uint32_t magic = reader_u32(r);
	uint8_t version;

	f->kind = reader_u8(r);
	version = reader_u8(r);
	f->flags = reader_u16(r);
	f->source = reader_u32(r);
	f->target = reader_u32(r);
	f->correlation = reader_u64(r);
	f->extra = reader_u64(r);
	f->status = (int32_t)reader_u32(r);
	sizes->name = reader_u16(r);
	sizes->text = reader_u16(r);
	sizes->json = reader_u32(r);
	sizes->attachment = reader_u32(r);
	if (r->failed || magic != IPC_MAGIC || version != IPC_VERSION || f->kind == 0 ||
	    f->kind >= IPC_KIND_COUNT || sizes->name > IPC_NAME_MAX || sizes->text > IPC_TEXT_MAX ||
	    sizes->json > IPC_JSON_MAX || sizes->attachment > IPC_ATTACHMENT_MAX)
		return ADIT_E_PROTOCOL;
	return ADIT_OK;
}

int32_t ipc_frame_size(const uint8_t header[IPC_HEADER], size_t *size)
{
	struct ipc_sizes sizes;
	struct ipc_frame f;
	struct reader r;

	reader_init(&r, header, IPC_HEADER);
	if (ipc_header(&r, &f, &sizes) != ADIT_OK)
		return ADIT_E_PROTOCOL;
	*size = IPC_HEADER + sizes.name + sizes.text + sizes.json + sizes.attachment;
	return ADIT_OK;
}

int32_t ipc_decode(const uint8_t *data, size_t size, struct ipc_frame *f,
		   struct ipc_strings *strings)
{
	struct ipc_sizes sizes;
	struct reader r;

	reader_init(&r, data, size);
	if (ipc_header(&r, f, &sizes) != ADIT_OK)
		return ADIT_E_PROTOCOL;
	reader_copy(&r, strings->name, sizes.name);
	strings->name[sizes.name] = '\0';
	reader_copy(&r, strings->text, sizes.text);
	strings->text[sizes.text] = '\0';
	f->name = strings->name;
	f->text = strings->text;
	f->json_size = sizes.json;
	f->json = reader_bytes(&r, sizes.json);
	f->attachment_size = sizes.attachment;
	f->attachment = reader_bytes(&r, sizes.attachment);
	if (sizes.attachment == 0)
		f->attachment = NULL;
	if (r.failed || reader_left(&r) > 0 || strlen(strings->name) != sizes.name ||
	    strlen(strings->text) != sizes.text)
		return ADIT_E_PROTOCOL;
	return ADIT_OK;
}

/* Ends the channel and tells the owner. */
static void ipc_close(struct ipc_channel *c, const char *reason)
{
	if (c->closed)
		return;
	c->closed = true;
	(void)event_del(c->readable);
	(void)event_del(c->writable);
	(void)event_del(c->flush);
	c->on_closed(c->user, reason);
}

static void ipc_release(struct ipc_channel *c)
{
	event_free(c->readable);
	event_free(c->writable);
	event_free(c->flush);
	evbuffer_free(c->in);
	evbuffer_free(c->out);
	(void)close(c->fd);
	free(c);
}

/* Hands over one whole frame of the input; 0 when there is none yet. */
static int ipc_take(struct ipc_channel *c)
{
	uint8_t header[IPC_HEADER];
	struct ipc_strings strings;
	struct ipc_frame frame;
	size_t size;
	const uint8_t *data;

	if (evbuffer_copyout(c->in, header, IPC_HEADER) < IPC_HEADER)
		return 0;
	if (ipc_frame_size(header, &size) != ADIT_OK) {
		ipc_close(c, "a malformed frame");
		return 0;
	}
	if (evbuffer_get_length(c->in) < size)
		return 0;
	data = evbuffer_pullup(c->in, (ev_ssize_t)size);
	if (data == NULL || ipc_decode(data, size, &frame, &strings) != ADIT_OK) {
		ipc_close(c, "a malformed frame");
		return 0;
	}
	c->on_frame(c->user, &frame);
	(void)evbuffer_drain(c->in, size);
	return 1;
}

/* Hands over at most LIMIT frames. */
static void ipc_dispatch(struct ipc_channel *c, size_t limit)
{
	c->dispatching = true;
	for (size_t i = 0; i < limit; i++) {
		if (c->closed || ipc_take(c) == 0)
			break;
		/* the rest waits for its turn: other processes have frames, too */
		if (i == limit - 1 && !c->closed)
			event_active(c->readable, EV_TIMEOUT, 0);
	}
	c->dispatching = false;
}

/* Reads once; false at the end of the stream. */
static bool ipc_read(struct ipc_channel *c)
{
	int got = evbuffer_read(c->in, c->fd, IPC_READ_SIZE);

	return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static void ipc_on_readable(evutil_socket_t fd, short what, void *user)
{
	struct ipc_channel *c = user;
	bool open = true;

	(void)fd;
	if ((what & EV_READ) != 0)
		open = ipc_read(c);
	ipc_dispatch(c, open ? IPC_FRAMES_PER_WAKEUP : SIZE_MAX);
	if (!open)
		ipc_close(c, "");
	if (c->freed)
		ipc_release(c);
}

void ipc_drain(struct ipc_channel *c)
{
	size_t before = SIZE_MAX;

	while (!c->closed && evbuffer_get_length(c->in) != before) {
		before = evbuffer_get_length(c->in);
		if (!ipc_read(c))
			break;
	}
	ipc_dispatch(c, SIZE_MAX);
	if (c->freed)
		ipc_release(c);
}

/* Writes what it can. */
static void ipc_write(struct ipc_channel *c)
{
	while (evbuffer_get_length(c->out) > 0) {
		int wrote = evbuffer_write(c->out, c->fd);

		if (wrote > 0)
			continue;
		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0 && errno == EAGAIN)
			(void)event_add(c->writable, NULL);
		/* another error: the reading side sees the end and tells it */
		return;
	}
}

static void ipc_on_writable(evutil_socket_t fd, short what, void *user)
{
	(void)fd;
	(void)what;
	ipc_write(user);
}

struct ipc_channel *ipc_channel_new(struct event_base *base, int fd, ipc_frame_fn on_frame,
				    ipc_closed_fn on_closed, void *user)
{
	struct ipc_channel *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->fd = fd;
	c->on_frame = on_frame;
	c->on_closed = on_closed;
	c->user = user;
	c->in = evbuffer_new();
	c->out = evbuffer_new();
	c->readable = event_new(base, fd, EV_READ | EV_PERSIST, ipc_on_readable, c);
	c->writable = event_new(base, fd, EV_WRITE, ipc_on_writable, c);
	c->flush = event_new(base, -1, 0, ipc_on_writable, c);
	(void)evutil_make_socket_nonblocking(fd);
	if (c->in != NULL && c->out != NULL && c->readable != NULL && c->writable != NULL &&
	    c->flush != NULL && event_add(c->readable, NULL) == 0)
		return c;
	if (c->in != NULL)
		evbuffer_free(c->in);
	if (c->out != NULL)
		evbuffer_free(c->out);
	if (c->readable != NULL)
		event_free(c->readable);
	if (c->writable != NULL)
		event_free(c->writable);
	if (c->flush != NULL)
		event_free(c->flush);
	free(c);
	return NULL;
}

void ipc_channel_free(struct ipc_channel *c)
{
	if (c == NULL)
		return;
	c->closed = true;
	(void)event_del(c->readable);
	(void)event_del(c->writable);
	(void)event_del(c->flush);
	if (c->dispatching)
		c->freed = true;
	else
		ipc_release(c);
}

int32_t ipc_send(struct ipc_channel *c, const struct ipc_frame *frame)
{
	uint8_t header[IPC_HEADER];
	size_t text = frame->text != NULL ? strlen(frame->text) : 0;
	bool idle = evbuffer_get_length(c->out) == 0;
	size_t total;
	int32_t error;

	if (c->closed)
		return ADIT_E_UNAVAILABLE;
	error = ipc_encode_header(frame, header);
	if (error != ADIT_OK)
		return error;
	if (text > IPC_TEXT_MAX)
		text = IPC_TEXT_MAX;
	total = IPC_HEADER + text + frame->json_size + frame->attachment_size;
	if (evbuffer_get_length(c->out) + total > IPC_QUEUE_MAX)
		return ADIT_E_LIMIT;
	if (evbuffer_add(c->out, header, sizeof(header)) != 0 ||
	    (frame->name != NULL && evbuffer_add(c->out, frame->name, strlen(frame->name)) != 0) ||
	    (text > 0 && evbuffer_add(c->out, frame->text, text) != 0) ||
	    (frame->json_size > 0 && evbuffer_add(c->out, frame->json, frame->json_size) != 0) ||
	    (frame->attachment_size > 0 &&
	     evbuffer_add(c->out, frame->attachment, frame->attachment_size) != 0)) {
		/* half a frame is queued, nothing can follow it: both sides see the end */
		(void)shutdown(c->fd, SHUT_RDWR);
		return ADIT_E_NO_MEMORY;
	}
	if (idle)
		event_active(c->flush, EV_WRITE, 0);
	return ADIT_OK;
}

size_t ipc_pending(const struct ipc_channel *c)
{
	return evbuffer_get_length(c->out);
}

void ipc_flush(struct ipc_channel *c, int timeout_ms)
{
	uint64_t deadline = clock_monotonic_ms() + (uint64_t)timeout_ms;

	while (evbuffer_get_length(c->out) > 0) {
		struct pollfd fd = {.fd = c->fd, .events = POLLOUT};
		uint64_t now = clock_monotonic_ms();

		if (now >= deadline || poll(&fd, 1, (int)(deadline - now)) <= 0)
			return;
		if (evbuffer_write(c->out, c->fd) < 0 && errno != EAGAIN && errno != EINTR)
			return;
	}
}
