/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/fake_host.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <adit/share_log.h>

#include "lib/util/buf.h"
#include "lib/util/clock.h"

#define PATIENCE_MS 60000

enum registration_kind { REG_SUBSCRIPTION, REG_METHOD, REG_TIMER, REG_IO, REG_CALL };

/* Anything that ends with a destructor. */
struct registration {
	struct registration *next;
	struct adit_host *host;
	enum registration_kind kind;
	uint64_t id;
	char *name; /* event type, method */
	int32_t fd;
	bool repeats;
	struct event *event;
	union {
		adit_event_fn event;
		adit_method_fn method;
		adit_timer_fn timer;
		adit_io_fn io;
		adit_reply_fn reply;
	} fn;
	void *user;
	adit_destroy_fn destroy;
};

struct setting {
	struct setting *next;
	char *key;
	char *value;
};

struct published {
	struct published *next;
	char *type;
	char *json;
};

struct listening {
	struct listening *next;
	char *key;
	char address[160];
	int32_t fd;
	bool is_unix;
};

/* The share log of an instance: the newest records. */
struct adit_share_writer {
	struct adit_share shares[FAKE_HOST_SHARES];
	size_t count; /* in all */
};

/* Work for the next turn of the loop: an event to deliver, a request, a reply. */
struct deferred {
	struct deferred *next;
	enum deferred_kind { DEFER_EVENT, DEFER_REQUEST, DEFER_REPLY } kind;
	struct adit_host *host; /* who receives it */
	struct adit_request *request;
	uint64_t id; /* of the subscription or call */
	uint64_t sequence;
	int32_t error;
	char *name;
	char *source;
	char *json;
	size_t json_size;
	uint8_t *attachment;
	size_t attachment_size;
};

struct process {
	struct event_base *base;
	struct event *turn;
	struct deferred *first;
	struct deferred **last;
	struct adit_host *hosts;
	struct service *services;
	uint64_t last_id;
};

struct service {
	struct service *next;
	char *name;
	const void *table;
};

struct adit_request {
	struct adit_request *next;
	struct adit_host *callee;
	struct adit_host *caller; /* NULL: the test itself */
	uint64_t call;
	struct fake_reply *sink;
};

struct adit_host {
	struct adit_host *next;
	struct process *process;
	char *role;
	char *worker_name;
	char network[16];
	char state_dir[256];
	bool own_state_dir;
	bool want_events;
	bool stopped;
	uint64_t sequence;
	const struct adit_plugin_descriptor *plugin;
	void *instance;
	struct registration *registrations;
	struct adit_request *requests;
	struct setting *settings;
	struct published *published;
	struct listening *listening;
	struct adit_share_writer share_log;
	struct buf log;
	char error[512];
	char status[256];
	char failure[256];
};

static void die(const char *what)
{
	fprintf(stderr, "fake host: %s\n", what);
	abort();
}

static void *need(void *p)
{
	if (p == NULL)
		die("out of memory");
	return p;
}

static char *copy_text(const char *text, size_t size)
{
	char *out = need(malloc(size + 1));

	if (size > 0)
		memcpy(out, text, size);
	out[size] = '\0';
	return out;
}

static char *copy_string(const char *text)
{
	return copy_text(text, strlen(text));
}

static void *copy_bytes(const void *data, size_t size)
{
	void *out;

	if (size == 0)
		return NULL;
	out = need(malloc(size));
	memcpy(out, data, size);
	return out;
}

/* --- registrations -----------------------------------------------------------------------------
 */

static struct registration *registration_new(struct adit_host *h, enum registration_kind kind,
					     const char *name, void *user, adit_destroy_fn destroy)
{
	struct registration *r = need(calloc(1, sizeof(*r)));

	r->host = h;
	r->kind = kind;
	r->id = ++h->process->last_id;
	r->name = name != NULL ? copy_string(name) : NULL;
	r->fd = -1;
	r->user = user;
	r->destroy = destroy;
	r->next = h->registrations;
	h->registrations = r;
	return r;
}

static struct registration *registration_find(struct adit_host *h, enum registration_kind kind,
					      uint64_t id)
{
	for (struct registration *r = h->registrations; r != NULL; r = r->next)
		if (r->kind == kind && r->id == id)
			return r;
	return NULL;
}

static struct registration *method_find(struct adit_host *h, const char *name)
{
	for (struct registration *r = h->registrations; r != NULL; r = r->next)
		if (r->kind == REG_METHOD && strcmp(r->name, name) == 0)
			return r;
	return NULL;
}

static void registration_unlink(struct registration *r)
{
	struct registration **at = &r->host->registrations;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	if (r->event != NULL)
		event_free(r->event);
	r->event = NULL;
}

/* Of an unlinked one. */
static void registration_free(struct registration *r)
{
	if (r->destroy != NULL)
		r->destroy(r->user);
	free(r->name);
	free(r);
}

static void registration_end(struct adit_host *h, enum registration_kind kind, uint64_t id)
{
	struct registration *r = registration_find(h, kind, id);

	if (r == NULL)
		return;
	registration_unlink(r);
	registration_free(r);
}

static struct timeval milliseconds(uint32_t ms)
{
	struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (ms % 1000) * 1000};

	return tv;
}

/* --- the queue ---------------------------------------------------------------------------------
 */

static struct deferred *defer(struct adit_host *receiver, enum deferred_kind kind)
{
	struct deferred *d = need(calloc(1, sizeof(*d)));
	struct process *p = receiver->process;
	struct timeval now = {0};

	d->kind = kind;
	d->host = receiver;
	*p->last = d;
	p->last = &d->next;
	event_add(p->turn, &now);
	return d;
}

static void deferred_free(struct deferred *d)
{
	free(d->name);
	free(d->source);
	free(d->json);
	free(d->attachment);
	free(d);
}

static void deliver_event(struct deferred *d)
{
	struct registration *r = registration_find(d->host, REG_SUBSCRIPTION, d->id);
	struct adit_event event = {
	    .size = sizeof(event),
	    .type = d->name,
	    .source = d->source,
	    .sequence = d->sequence,
	    .json = d->json,
	    .json_size = d->json_size,
	    .attachment = d->attachment,
	    .attachment_size = d->attachment_size,
	};

	if (r != NULL)
		r->fn.event(r->user, &event);
}

static void answer(struct adit_host *h, struct adit_request *request, int32_t error,
		   const char *message, const char *json, size_t json_size, const void *attachment,
		   size_t attachment_size);

static void deliver_request(struct deferred *d)
{
	struct registration *r = method_find(d->host, d->name);
	struct adit_request_info info = {
	    .size = sizeof(info),
	    .method = d->name,
	    .caller = d->source,
	    .json = d->json,
	    .json_size = d->json_size,
	    .attachment = d->attachment,
	    .attachment_size = d->attachment_size,
	};

	if (r != NULL)
		r->fn.method(r->user, d->request, &info);
	else
		answer(d->host, d->request, ADIT_E_NOT_FOUND, "no such method", NULL, 0, NULL, 0);
}

static void deliver_reply(struct deferred *d)
{
	struct registration *r = registration_find(d->host, REG_CALL, d->id);
	struct adit_reply reply = {
	    .size = sizeof(reply),
	    .error = d->error,
	    .message = d->name,
	    .json = d->json,
	    .json_size = d->json_size,
	    .attachment = d->attachment,
	    .attachment_size = d->attachment_size,
	};

	if (r == NULL)
		return;
	registration_unlink(r);
	r->fn.reply(r->user, &reply);
	registration_free(r);
}

/* Only what was queued before this turn, so that endless ping-pong still lets the loop turn. */
static void on_turn(evutil_socket_t fd, short what, void *user)
{
	struct process *p = user;
	struct deferred *d = p->first;

	(void)fd;
	(void)what;
	p->first = NULL;
	p->last = &p->first;
	while (d != NULL) {
		struct deferred *next = d->next;

		if (d->host != NULL && d->kind == DEFER_EVENT)
			deliver_event(d);
		else if (d->host != NULL && d->kind == DEFER_REQUEST)
			deliver_request(d);
		else if (d->host != NULL)
			deliver_reply(d);
		deferred_free(d);
		d = next;
	}
}

static void queue_forget(struct adit_host *h)
{
	for (struct deferred *d = h->process->first; d != NULL; d = d->next)
		if (d->host == h)
			d->host = NULL;
}

/* --- the table ---------------------------------------------------------------------------------
 */

static int32_t api_info(struct adit_host *h, struct adit_instance_info *out)
{
	struct adit_instance_info info = {
	    .size = out->size,
	    .worker = 1,
	    .workers = 1,
	    .server_id = 1,
	    .slice = 1,
	    .role = h->role,
	    .instance = h->role,
	    .worker_name = h->worker_name,
	    .state_dir = h->state_dir,
	    .network = h->network,
	};

	memcpy(out, &info, out->size < sizeof(info) ? out->size : sizeof(info));
	return ADIT_OK;
}

static void api_log(struct adit_host *h, int32_t level, const char *text, size_t size)
{
	static const char letters[] = "EWIDT";

	if (memchr(text, '\n', size) != NULL)
		die("a log line with a newline in it");
	if (h->log.size > (1u << 20))
		buf_clear(&h->log);
	buf_append(&h->log, text, size);
	buf_append_u8(&h->log, '\n');
	if (getenv("FAKE_HOST_LOG") != NULL)
		fprintf(stderr, "%c %s: %.*s\n", letters[level], h->worker_name, (int)size, text);
}

static bool api_log_enabled(struct adit_host *h, int32_t level)
{
	(void)h;
	return level <= ADIT_LOG_TRACE;
}

static const char *api_config(struct adit_host *h, const char *key)
{
	for (struct setting *s = h->settings; s != NULL; s = s->next)
		if (strcmp(s->key, key) == 0)
			return s->value;
	return NULL;
}

static int32_t api_config_int(struct adit_host *h, const char *key, int64_t *value)
{
	const char *text = api_config(h, key);
	char *end;

	if (text == NULL)
		return ADIT_E_NOT_FOUND;
	*value = strtoll(text, &end, 10);
	return *text != '\0' && *end == '\0' ? ADIT_OK : ADIT_E_CONFIG;
}

static int32_t api_config_bool(struct adit_host *h, const char *key, bool *value)
{
	const char *text = api_config(h, key);

	if (text == NULL)
		return ADIT_E_NOT_FOUND;
	*value = strcmp(text, "true") == 0;
	return *value || strcmp(text, "false") == 0 ? ADIT_OK : ADIT_E_CONFIG;
}

static void api_set_error(struct adit_host *h, const char *text)
{
	snprintf(h->error, sizeof(h->error), "%s", text);
	if (getenv("FAKE_HOST_LOG") != NULL)
		fprintf(stderr, "! %s: %s\n", h->worker_name, text);
}

static bool subscribes(struct registration *r, const char *type)
{
	return r->kind == REG_SUBSCRIPTION && strcmp(r->name, type) == 0;
}

static bool api_event_wanted(struct adit_host *h, const char *type)
{
	if (h->want_events)
		return true;
	for (struct adit_host *other = h->process->hosts; other != NULL; other = other->next)
		for (struct registration *r = other->registrations; r != NULL; r = r->next)
			if (subscribes(r, type))
				return true;
	return false;
}

static void record_event(struct adit_host *h, const char *type, const char *json, size_t size)
{
	struct published *p = need(calloc(1, sizeof(*p)));
	struct published **at = &h->published;

	p->type = copy_string(type);
	p->json = copy_text(json, size);
	while (*at != NULL)
		at = &(*at)->next;
	*at = p;
}

static int32_t api_publish(struct adit_host *h, const char *type, const char *json,
			   size_t json_size, const void *attachment, size_t attachment_size)
{
	if (json_size > (1u << 20) || attachment_size > (32u << 20))
		return ADIT_E_LIMIT;
	record_event(h, type, json, json_size);
	h->sequence++;
	for (struct adit_host *other = h->process->hosts; other != NULL; other = other->next)
		for (struct registration *r = other->registrations; r != NULL; r = r->next) {
			struct deferred *d;

			if (!subscribes(r, type))
				continue;
			d = defer(other, DEFER_EVENT);
			d->id = r->id;
			d->sequence = h->sequence;
			d->name = copy_string(type);
			d->source = copy_string(h->worker_name);
			d->json = copy_text(json, json_size);
			d->json_size = json_size;
			d->attachment = copy_bytes(attachment, attachment_size);
			d->attachment_size = attachment_size;
		}
	return ADIT_OK;
}

static int32_t api_subscribe(struct adit_host *h, const char *type, adit_event_fn fn, void *user,
			     adit_destroy_fn destroy, uint64_t *id)
{
	struct registration *r = registration_new(h, REG_SUBSCRIPTION, type, user, destroy);

	r->fn.event = fn;
	if (id != NULL)
		*id = r->id;
	return ADIT_OK;
}

static void api_unsubscribe(struct adit_host *h, uint64_t id)
{
	registration_end(h, REG_SUBSCRIPTION, id);
}

static struct adit_host *role_find(struct process *p, const char *role)
{
	for (struct adit_host *h = p->hosts; h != NULL; h = h->next)
		if (strcmp(h->role, role) == 0)
			return h;
	return NULL;
}

static void request_send(struct adit_host *callee, struct adit_host *caller, uint64_t call,
			 struct fake_reply *sink, const char *method, const char *json,
			 size_t json_size, const void *attachment, size_t attachment_size)
{
	struct adit_request *request = need(calloc(1, sizeof(*request)));
	struct deferred *d = defer(callee, DEFER_REQUEST);

	request->callee = callee;
	request->caller = caller;
	request->call = call;
	request->sink = sink;
	request->next = callee->requests;
	callee->requests = request;
	d->request = request;
	d->name = copy_string(method);
	d->source = copy_string(caller != NULL ? caller->worker_name : "control");
	d->json = copy_text(json, json_size);
	d->json_size = json_size;
	d->attachment = copy_bytes(attachment, attachment_size);
	d->attachment_size = attachment_size;
}

static void reply_queue(struct adit_host *caller, uint64_t call, int32_t error, const char *message,
			const char *json, size_t json_size, const void *attachment,
			size_t attachment_size)
{
	struct deferred *d = defer(caller, DEFER_REPLY);

	d->id = call;
	d->error = error;
	d->name = copy_string(message != NULL ? message : "");
	d->json = copy_text(json, json_size);
	d->json_size = json_size;
	d->attachment = copy_bytes(attachment, attachment_size);
	d->attachment_size = attachment_size;
}

static void on_deadline(evutil_socket_t fd, short what, void *user)
{
	struct registration *r = user;
	struct adit_reply reply = {
	    .size = sizeof(reply),
	    .error = ADIT_E_TIMEOUT,
	    .message = "no answer in time",
	    .json = "",
	};

	(void)fd;
	(void)what;
	registration_unlink(r);
	r->fn.reply(r->user, &reply);
	registration_free(r);
}

static int32_t api_call(struct adit_host *h, const char *target, const char *method,
			const char *json, size_t json_size, const void *attachment,
			size_t attachment_size, uint32_t deadline_ms, adit_reply_fn fn, void *user,
			adit_destroy_fn destroy, uint64_t *id)
{
	struct adit_host *callee = role_find(h->process, target);
	struct registration *r = registration_new(h, REG_CALL, method, user, destroy);
	struct timeval after = milliseconds(deadline_ms);

	r->fn.reply = fn;
	r->event = need(evtimer_new(h->process->base, on_deadline, r));
	event_add(r->event, &after);
	if (id != NULL)
		*id = r->id;
	if (callee == NULL)
		reply_queue(h, r->id, ADIT_E_NOT_FOUND, "no such role", NULL, 0, NULL, 0);
	else
		request_send(callee, h, r->id, NULL, method, json, json_size, attachment,
			     attachment_size);
	return ADIT_OK;
}

static void api_call_cancel(struct adit_host *h, uint64_t id)
{
	registration_end(h, REG_CALL, id);
}

static int32_t api_register_method(struct adit_host *h, const char *method, int32_t mode,
				   adit_method_fn fn, void *user, adit_destroy_fn destroy)
{
	(void)mode;
	if (method_find(h, method) != NULL)
		return ADIT_E_EXISTS;
	registration_new(h, REG_METHOD, method, user, destroy)->fn.method = fn;
	return ADIT_OK;
}

static void sink_fill(struct fake_reply *sink, int32_t error, const char *message, const char *json,
		      size_t json_size, const void *attachment, size_t attachment_size)
{
	sink->error = error;
	sink->message = copy_string(message != NULL ? message : "");
	sink->json = copy_text(json, json_size);
	sink->attachment = copy_bytes(attachment, attachment_size);
	sink->attachment_size = attachment_size;
}

static void answer(struct adit_host *h, struct adit_request *request, int32_t error,
		   const char *message, const char *json, size_t json_size, const void *attachment,
		   size_t attachment_size)
{
	struct adit_request **at = &h->requests;

	while (*at != NULL && *at != request)
		at = &(*at)->next;
	if (*at == NULL)
		die("a request was answered twice, or by another instance");
	*at = request->next;
	if (request->sink != NULL)
		sink_fill(request->sink, error, message, json, json_size, attachment,
			  attachment_size);
	else if (request->caller != NULL)
		reply_queue(request->caller, request->call, error, message, json, json_size,
			    attachment, attachment_size);
	free(request);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
	struct registration *r = user;

	(void)fd;
	(void)what;
	if (r->repeats) {
		r->fn.timer(r->user); /* may cancel itself: R is not touched afterwards */
		return;
	}
	registration_unlink(r);
	r->fn.timer(r->user);
	registration_free(r);
}

static void on_first_timer(evutil_socket_t fd, short what, void *user)
{
	struct registration *r = user;
	struct timeval every = milliseconds((uint32_t)r->fd);

	event_free(r->event);
	r->event = need(event_new(r->host->process->base, -1, EV_PERSIST, on_timer, r));
	event_add(r->event, &every);
	on_timer(fd, what, r);
}

/* A timer has no descriptor, so its field keeps the interval. */
static int32_t api_timer_add(struct adit_host *h, uint32_t delay_ms, uint32_t repeat_ms,
			     adit_timer_fn fn, void *user, adit_destroy_fn destroy, uint64_t *id)
{
	struct registration *r = registration_new(h, REG_TIMER, NULL, user, destroy);
	struct timeval after = milliseconds(delay_ms);

	r->fn.timer = fn;
	r->repeats = repeat_ms > 0;
	r->fd = (int32_t)repeat_ms;
	r->event = need(evtimer_new(h->process->base, r->repeats ? on_first_timer : on_timer, r));
	event_add(r->event, &after);
	if (id != NULL)
		*id = r->id;
	return ADIT_OK;
}

static void api_timer_cancel(struct adit_host *h, uint64_t id)
{
	registration_end(h, REG_TIMER, id);
}

static void on_io(evutil_socket_t fd, short what, void *user)
{
	struct registration *r = user;
	uint32_t flags = ((what & EV_READ) != 0 ? ADIT_IO_READ : 0u) |
			 ((what & EV_WRITE) != 0 ? ADIT_IO_WRITE : 0u);

	r->fn.io(r->user, (int32_t)fd, flags);
}

static int32_t api_io_watch(struct adit_host *h, int32_t fd, uint32_t flags, adit_io_fn fn,
			    void *user, adit_destroy_fn destroy, uint64_t *id)
{
	struct registration *r = registration_new(h, REG_IO, NULL, user, destroy);
	int what = EV_PERSIST | ((flags & ADIT_IO_READ) != 0 ? EV_READ : 0) |
		   ((flags & ADIT_IO_WRITE) != 0 ? EV_WRITE : 0);

	r->fn.io = fn;
	r->fd = fd;
	r->event = need(event_new(h->process->base, fd, (short)what, on_io, r));
	event_add(r->event, NULL);
	if (id != NULL)
		*id = r->id;
	return ADIT_OK;
}

static void api_io_unwatch(struct adit_host *h, uint64_t id)
{
	registration_end(h, REG_IO, id);
}

static int32_t api_listener(struct adit_host *h, const char *key, uint32_t index,
			    struct adit_listener *out)
{
	for (struct listening *l = h->listening; l != NULL; l = l->next) {
		struct adit_listener listener = {
		    .size = out->size,
		    .fd = l->fd,
		    .address = l->address,
		    .is_unix = l->is_unix,
		};

		if (strcmp(l->key, key) != 0 || index-- > 0)
			continue;
		memcpy(out, &listener, out->size < sizeof(listener) ? out->size : sizeof(listener));
		return ADIT_OK;
	}
	return ADIT_E_NOT_FOUND;
}

static const void *api_service_find(struct adit_host *h, const char *name)
{
	for (struct service *s = h->process->services; s != NULL; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s->table;
	return NULL;
}

static int32_t api_service_offer(struct adit_host *h, const char *name, const void *table)
{
	struct service *s;

	if (api_service_find(h, name) != NULL)
		return ADIT_E_EXISTS;
	s = need(calloc(1, sizeof(*s)));
	s->name = copy_string(name);
	s->table = table;
	s->next = h->process->services;
	h->process->services = s;
	return ADIT_OK;
}

static void *api_loop(struct adit_host *h, const char *kind)
{
	return strcmp(kind, "libevent-2") == 0 ? h->process->base : NULL;
}

static void api_stopped(struct adit_host *h)
{
	h->stopped = true;
}

static void api_fail(struct adit_host *h, const char *reason)
{
	snprintf(h->failure, sizeof(h->failure), "%s", reason);
}

static int32_t api_share_log_writer(struct adit_host *h, struct adit_share_writer **writer)
{
	*writer = &h->share_log;
	return ADIT_OK;
}

static void api_share_log_append(struct adit_share_writer *writer, const struct adit_share *share)
{
	struct adit_share *copy = &writer->shares[writer->count++ % FAKE_HOST_SHARES];

	if (share->user_size > ADIT_SHARE_USER_MAX)
		die("share_log_append: user_size");
	memset(copy, 0, sizeof(*copy));
	memcpy(copy, share, offsetof(struct adit_share, user) + share->user_size);
	if (share->worker_size > 0 && adit_share_worker(share) == NULL)
		die("share_log_append: worker_size");
	if (share->worker_size > 0)
		memcpy(copy->user + share->user_size + 1, adit_share_worker(share),
		       share->worker_size);
	copy->sequence = writer->count;
}

static int32_t api_share_log_ring(struct adit_host *h, uint32_t index, struct adit_share_ring *ring)
{
	(void)h;
	(void)index;
	(void)ring;
	return ADIT_E_NOT_FOUND;
}

static int32_t api_share_log_read(struct adit_host *h, uint32_t index, struct adit_share *shares,
				  uint32_t most, uint32_t *count, uint64_t *lost)
{
	(void)h;
	(void)index;
	(void)shares;
	(void)most;
	*count = 0;
	*lost = 0;
	return ADIT_E_NOT_FOUND;
}

static int32_t api_share_log_seek(struct adit_host *h, uint32_t index, uint64_t sequence)
{
	(void)h;
	(void)index;
	(void)sequence;
	return ADIT_E_NOT_FOUND;
}

static void api_status(struct adit_host *h, const char *text)
{
	snprintf(h->status, sizeof(h->status), "%s", text);
}

static const struct adit_host_api table = {
    .magic = ADIT_HOST_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_host_api),
    .info = api_info,
    .log = api_log,
    .log_enabled = api_log_enabled,
    .config = api_config,
    .config_int = api_config_int,
    .config_bool = api_config_bool,
    .set_error = api_set_error,
    .event_wanted = api_event_wanted,
    .publish = api_publish,
    .subscribe = api_subscribe,
    .unsubscribe = api_unsubscribe,
    .call = api_call,
    .call_cancel = api_call_cancel,
    .register_method = api_register_method,
    .reply = answer,
    .timer_add = api_timer_add,
    .timer_cancel = api_timer_cancel,
    .io_watch = api_io_watch,
    .io_unwatch = api_io_unwatch,
    .listener = api_listener,
    .service_offer = api_service_offer,
    .service_find = api_service_find,
    .loop = api_loop,
    .stopped = api_stopped,
    .fail = api_fail,
    .status = api_status,
    .share_log_writer = api_share_log_writer,
    .share_log_append = api_share_log_append,
    .share_log_ring = api_share_log_ring,
    .share_log_read = api_share_log_read,
    .share_log_seek = api_share_log_seek,
};

const struct adit_host_api *fake_host_api(void)
{
	return &table;
}

/* --- configuration -----------------------------------------------------------------------------
 */

void fake_host_set_config(struct adit_host *h, const char *key, const char *value)
{
	struct setting *s = need(calloc(1, sizeof(*s)));

	s->key = copy_string(key);
	s->value = copy_string(value);
	s->next = h->settings;
	h->settings = s;
}

/* 5s -> 5000 */
static void duration_to_ms(const char *text, char *out, size_t capacity)
{
	static const struct {
		const char *unit;
		unsigned long ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"", 1}};
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].unit) == 0) {
			snprintf(out, capacity, "%lu", value * units[i].ms);
			return;
		}
	die("a duration in a manifest that is none");
}

/* One line of [config_schema]: key = [secret] type | default | range | help */
static void schema_line(struct adit_host *h, const char *line)
{
	char key[64];
	char type[16];
	char value[256];
	char ms[32];

	if (sscanf(line, "%63[^ =] = secret %15[^ |] | %255[^|]", key, type, value) != 3 &&
	    sscanf(line, "%63[^ =] = %15[^ |] | %255[^|]", key, type, value) != 3)
		die("a schema line that is not `key = type | default | range | help'");
	for (size_t n = strlen(value); n > 0 && value[n - 1] == ' '; n--)
		value[n - 1] = '\0';
	if (strcmp(value, "-") == 0 || strcmp(value, "required") == 0)
		return;
	if (strcmp(type, "duration") == 0) {
		duration_to_ms(value, ms, sizeof(ms));
		fake_host_set_config(h, key, ms);
	} else {
		fake_host_set_config(h, key, value);
	}
}

static void schema_defaults(struct adit_host *h, const char *manifest)
{
	char *text = copy_string(manifest);
	char *rest = text;
	bool inside = false;

	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		if (line[0] == '[')
			inside = strcmp(line, "[config_schema]") == 0;
		else if (inside && line[0] != '\0' && line[0] != ';' && line[0] != '#')
			schema_line(h, line);
	}
	free(text);
}

void fake_host_set_state_dir(struct adit_host *h, const char *directory)
{
	if (h->own_state_dir)
		rmdir(h->state_dir);
	h->own_state_dir = false;
	snprintf(h->state_dir, sizeof(h->state_dir), "%s", directory);
}

void fake_host_set_network(struct adit_host *h, const char *network)
{
	snprintf(h->network, sizeof(h->network), "%s", network);
}

void fake_host_want_events(struct adit_host *h, bool wanted)
{
	h->want_events = wanted;
}

char *fake_host_read_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = NULL;
	size_t size = 0;

	if (f == NULL)
		return NULL;
	if (getdelim(&text, &size, '\0', f) < 0) {
		free(text);
		text = copy_string("");
	}
	fclose(f);
	return text;
}

static int32_t listen_unix(struct listening *l, const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(sun.sun_path))
		return -1;
	strcpy(sun.sun_path, path);
	snprintf(l->address, sizeof(l->address), "unix:%s", path);
	l->is_unix = true;
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return l->fd < 0 ? -1 : bind(l->fd, (struct sockaddr *)&sun, sizeof(sun));
}

static int32_t listen_tcp(struct listening *l, const char *address)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(sin);
	const char *colon = strrchr(address, ':');

	if (colon == NULL || strncmp(address, "127.0.0.1:", 10) != 0)
		return -1;
	sin.sin_port = htons((uint16_t)atoi(colon + 1));
	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    getsockname(l->fd, (struct sockaddr *)&sin, &size) != 0)
		return -1;
	snprintf(l->address, sizeof(l->address), "127.0.0.1:%u", ntohs(sin.sin_port));
	return 0;
}

const char *fake_host_listen(struct adit_host *h, const char *key, const char *address)
{
	struct listening *l = need(calloc(1, sizeof(*l)));
	struct listening **at = &h->listening;
	int32_t result;

	l->fd = -1;
	l->key = copy_string(key);
	if (strncmp(address, "unix:", 5) == 0)
		result = listen_unix(l, address + 5);
	else
		result = listen_tcp(l, address);
	while (*at != NULL)
		at = &(*at)->next;
	*at = l;
	return result == 0 && listen(l->fd, 64) == 0 ? l->address : NULL;
}

/* --- life cycle --------------------------------------------------------------------------------
 */

static struct process *process_new(void)
{
	struct process *p = need(calloc(1, sizeof(*p)));

	p->base = need(event_base_new());
	p->turn = need(evtimer_new(p->base, on_turn, p));
	p->last = &p->first;
	return p;
}

static void process_free(struct process *p)
{
	while (p->first != NULL) {
		struct deferred *d = p->first;

		p->first = d->next;
		deferred_free(d);
	}
	while (p->services != NULL) {
		struct service *s = p->services;

		p->services = s->next;
		free(s->name);
		free(s);
	}
	event_free(p->turn);
	event_base_free(p->base);
	free(p);
}

struct adit_host *fake_host_new(const char *role, const char *manifest,
				const struct fake_option *options, struct adit_host *sibling)
{
	struct adit_host *h = need(calloc(1, sizeof(*h)));
	const char *tmp = getenv("TMPDIR");

	h->process = sibling != NULL ? sibling->process : process_new();
	h->next = h->process->hosts;
	h->process->hosts = h;
	h->role = copy_string(role);
	h->worker_name = need(malloc(strlen(role) + 3));
	sprintf(h->worker_name, "%s.1", role);
	snprintf(h->network, sizeof(h->network), "regtest");
	snprintf(h->state_dir, sizeof(h->state_dir), "%s/adit-test-XXXXXX",
		 tmp != NULL ? tmp : "/tmp");
	h->own_state_dir = mkdtemp(h->state_dir) != NULL;
	h->want_events = true;
	if (manifest != NULL)
		schema_defaults(h, manifest);
	for (; options != NULL && options->key != NULL; options++)
		fake_host_set_config(h, options->key, options->value);
	return h;
}

int32_t fake_host_start(struct adit_host *h, const struct adit_plugin_descriptor *plugin)
{
	int32_t result;

	if (plugin->magic != ADIT_PLUGIN_MAGIC || plugin->abi_major != ADIT_ABI_MAJOR ||
	    plugin->size < sizeof(*plugin))
		die("a descriptor of another ABI");
	result = plugin->init(&table, h, &h->instance);
	if (result != ADIT_OK)
		return result;
	h->plugin = plugin;
	result = plugin->start(h->instance);
	if (result != ADIT_OK)
		(void)fake_host_stop(h);
	return result;
}

int32_t fake_host_reload(struct adit_host *h)
{
	if (h->plugin == NULL || h->plugin->reload == NULL)
		return ADIT_E_UNSUPPORTED;
	return h->plugin->reload(h->instance);
}

/* Open calls end without an answer, open requests with one: the process is gone. */
static void registrations_end(struct adit_host *h)
{
	while (h->registrations != NULL) {
		struct registration *r = h->registrations;

		registration_unlink(r);
		registration_free(r);
	}
	queue_forget(h);
	while (h->requests != NULL)
		answer(h, h->requests, ADIT_E_UNAVAILABLE, "the role ended", NULL, 0, NULL, 0);
	for (struct adit_host *other = h->process->hosts; other != NULL; other = other->next)
		for (struct adit_request *q = other->requests; q != NULL; q = q->next)
			if (q->caller == h)
				q->caller = NULL;
}

static bool is_stopped(void *user)
{
	return ((struct adit_host *)user)->stopped;
}

int32_t fake_host_stop(struct adit_host *h)
{
	int32_t result = ADIT_OK;

	if (h->plugin == NULL)
		return ADIT_OK;
	h->stopped = false;
	if (h->plugin->stop != NULL)
		result = h->plugin->stop(h->instance);
	if (result == ADIT_E_UNAVAILABLE)
		result = fake_host_wait(h, is_stopped, h, 5000) ? ADIT_OK : ADIT_E_TIMEOUT;
	registrations_end(h);
	h->plugin->fini(h->instance);
	h->plugin = NULL;
	h->instance = NULL;
	return result;
}

void *fake_host_instance(struct adit_host *h)
{
	return h->instance;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void host_free_lists(struct adit_host *h)
{
	while (h->settings != NULL) {
		struct setting *s = h->settings;

		h->settings = s->next;
		free(s->key);
		free(s->value);
		free(s);
	}
	while (h->listening != NULL) {
		struct listening *l = h->listening;

		h->listening = l->next;
		if (l->is_unix)
			unlink(l->address + strlen("unix:"));
		if (l->fd >= 0)
			close(l->fd);
		free(l->key);
		free(l);
	}
	fake_host_forget_events(h);
}

void fake_host_free(struct adit_host *h)
{
	struct adit_host **at;

	if (h == NULL)
		return;
	(void)fake_host_stop(h);
	registrations_end(h);
	host_free_lists(h);
	if (h->own_state_dir)
		nftw(h->state_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	for (at = &h->process->hosts; *at != h;)
		at = &(*at)->next;
	*at = h->next;
	if (h->process->hosts == NULL)
		process_free(h->process);
	buf_free(&h->log);
	free(h->role);
	free(h->worker_name);
	free(h);
}

struct event_base *fake_host_base(struct adit_host *h)
{
	return h->process->base;
}

static bool never(void *user)
{
	(void)user;
	return false;
}

/* The loop's own timer wakes it up for the deadline. */
static bool wait_for(struct adit_host *h, bool (*condition)(void *user), void *user,
		     uint32_t limit_ms)
{
	uint64_t end = clock_monotonic_ms() + limit_ms;
	struct timeval tick;
	uint64_t now;

	while (!condition(user)) {
		now = clock_monotonic_ms();
		if (now >= end)
			return false;
		tick = milliseconds(end - now < 50 ? (uint32_t)(end - now) : 50);
		event_base_loopexit(h->process->base, &tick);
		event_base_loop(h->process->base, EVLOOP_ONCE);
	}
	return true;
}

void fake_host_run(struct adit_host *h, uint32_t ms)
{
	(void)wait_for(h, never, NULL, ms);
}

bool fake_host_wait(struct adit_host *h, bool (*condition)(void *user), void *user,
		    uint32_t limit_ms)
{
	return wait_for(h, condition, user, limit_ms > PATIENCE_MS ? limit_ms : PATIENCE_MS);
}

/* --- what the test asks ------------------------------------------------------------------------
 */

static bool reply_arrived(void *user)
{
	return ((struct fake_reply *)user)->message != NULL;
}

/* An answer that comes after the time-out must not write into the reply that was given up. */
static void request_abandon(struct adit_host *h, struct fake_reply *sink)
{
	for (struct adit_request *q = h->requests; q != NULL; q = q->next)
		if (q->sink == sink)
			q->sink = NULL;
}

struct fake_reply *fake_host_call(struct adit_host *h, const char *method, const char *json,
				  const void *attachment, size_t attachment_size)
{
	struct fake_reply *reply = need(calloc(1, sizeof(*reply)));

	request_send(h, NULL, 0, reply, method, json, strlen(json), attachment, attachment_size);
	if (!fake_host_wait(h, reply_arrived, reply, 10000)) {
		request_abandon(h, reply);
		sink_fill(reply, ADIT_E_TIMEOUT, "no answer in time", NULL, 0, NULL, 0);
	}
	return reply;
}

void fake_reply_free(struct fake_reply *reply)
{
	if (reply == NULL)
		return;
	free(reply->message);
	free(reply->json);
	free(reply->attachment);
	free(reply);
}

static bool of_type(const struct published *p, const char *type)
{
	return type == NULL || strcmp(p->type, type) == 0;
}

size_t fake_host_published(struct adit_host *h, const char *type)
{
	size_t count = 0;

	for (struct published *p = h->published; p != NULL; p = p->next)
		count += of_type(p, type);
	return count;
}

const char *fake_host_event(struct adit_host *h, const char *type, size_t index)
{
	for (struct published *p = h->published; p != NULL; p = p->next)
		if (of_type(p, type) && index-- == 0)
			return p->json;
	return NULL;
}

const char *fake_host_event_type(struct adit_host *h, size_t index)
{
	for (struct published *p = h->published; p != NULL; p = p->next)
		if (index-- == 0)
			return p->type;
	return NULL;
}

size_t fake_host_share_count(struct adit_host *h)
{
	return h->share_log.count;
}

const struct adit_share *fake_host_share(struct adit_host *h, size_t index)
{
	if (index >= h->share_log.count || h->share_log.count - index > FAKE_HOST_SHARES)
		return NULL;
	return &h->share_log.shares[index % FAKE_HOST_SHARES];
}

void fake_host_forget_events(struct adit_host *h)
{
	while (h->published != NULL) {
		struct published *p = h->published;

		h->published = p->next;
		free(p->type);
		free(p->json);
		free(p);
	}
}

bool fake_host_logged(struct adit_host *h, const char *text)
{
	return h->log.size > 0 && memmem(h->log.data, h->log.size, text, strlen(text)) != NULL;
}

const char *fake_host_error(struct adit_host *h)
{
	return h->error;
}

const char *fake_host_status(struct adit_host *h)
{
	return h->status;
}

const char *fake_host_failure(struct adit_host *h)
{
	return h->failure;
}

size_t fake_host_registrations(struct adit_host *h)
{
	size_t count = 0;

	for (struct registration *r = h->registrations; r != NULL; r = r->next)
		count++;
	return count;
}
