/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/client.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/sv2/conn.h"
#include "lib/sv2/dial.h"
#include "lib/sv2/dispatch.h"
#include "lib/sv2/extensions.h"
#include "lib/sv2/log.h"
#include "lib/sv2/trace.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"

#define WRITE_TIMEOUT_MS 30000

/* A connection that the server ends so soon is a failure like others. */
#define BRIEF_MS 2000

/* Extension 0x0001 section 4: the answer is waited for twice as long as connecting took, inside
 * these bounds; after two attempts without an answer the next one doesn't ask. */
#define EXTENSIONS_WAIT_MIN_MS 250
#define EXTENSIONS_WAIT_MAX_MS 2000
#define EXTENSIONS_ATTEMPTS 2

/* Strings of SetupConnection, at most 255 bytes each. */
struct client_texts {
	char vendor[256];
	char hardware_version[256];
	char firmware[256];
	char device_id[256];
};

struct client_conn {
	struct sv2_conn c; /* first */
	struct sv2_client *client;
	struct adit_sv2_setup_connection_success success; /* until `opened` */
	uint32_t asked;                                   /* extensions: a mask */
	uint32_t failures;                                /* of the client, before this one */
};

struct sv2_client {
	struct sv2_loop loop;
	struct sv2_log log;
	struct sv2_conn_options conn_options;
	uint8_t authority_x[32];
	struct client_texts texts;
	uint32_t flags;
	uint32_t connect_timeout_ms;
	uint32_t retry_min_ms;
	uint32_t retry_max_ms;
	enum sv2_scope scope;
	uint8_t protocol; /* enum adit_sv2_protocol */
	struct sv2_client_callbacks callbacks;
	const void *table;
	void *context;
	struct sv2_address configured;
	struct sv2_address target; /* CONFIGURED, or where a Reconnect pointed to */
	struct event *retry;
	uint32_t failures;   /* attempts since the last one that was set up */
	uint32_t unanswered; /* of these, ended without an answer to RequestExtensions */
	struct sv2_dial *dial;
	struct client_conn *conn; /* from connected to `closed` */
	bool stopping;
	char last_error[SV2_REASON_SIZE];
};

/* --- attempts ----------------------------------------------------------------------------------
 */

static void client_schedule(struct sv2_client *c, uint32_t delay_ms)
{
	struct timeval delay = {.tv_sec = delay_ms / 1000,
				.tv_usec = (suseconds_t)(delay_ms % 1000) * 1000};

	(void)event_add(c->retry, &delay);
}

/* Doubles from retry_min to retry_max; between half of it and all of it, so that many clients of a
 * server that went down don't come back together. */
static uint32_t client_back_off(const struct sv2_client *c)
{
	uint64_t delay = c->retry_min_ms;

	for (uint32_t i = 1; i < c->failures && delay < c->retry_max_ms; i++)
		delay *= 2;
	if (delay > c->retry_max_ms)
		delay = c->retry_max_ms;
	return (uint32_t)(delay / 2) + random_below((uint32_t)(delay - delay / 2) + 1);
}

/* The attempt, or the connection, is over: try again later. */
static void client_again(struct sv2_client *c)
{
	c->failures++;
	/* A Reconnect's target that can't be reached is given up for the configured one. */
	if (c->failures > 1)
		c->target = c->configured;
	client_schedule(c, client_back_off(c));
}

/* The same reason again and again is worth one line. */
static void client_log_failure(struct sv2_client *c, const char *reason)
{
	char address[300];
	bool repeated = strncmp(c->last_error, reason, sizeof(c->last_error) - 1) == 0;

	sv2_address_format(&c->target, address, sizeof(address));
	sv2_log(&c->log, repeated ? ADIT_LOG_DEBUG : ADIT_LOG_WARNING, "%s: %s", address, reason);
	(void)snprintf(c->last_error, sizeof(c->last_error), "%s", reason);
}

static void client_failed(struct sv2_client *c, const char *reason)
{
	client_log_failure(c, reason);
	if (c->callbacks.closed != NULL)
		c->callbacks.closed(c->context, NULL, reason);
	if (!c->stopping)
		client_again(c);
}

/* --- the connection ----------------------------------------------------------------------------
 */

static struct client_conn *client_conn_of(struct sv2_conn *conn)
{
	return (struct client_conn *)conn;
}

static struct adit_bytes bytes_of(const char *text)
{
	return (struct adit_bytes){.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
}

static void client_ready(struct sv2_conn *conn)
{
	const struct sv2_client *c = client_conn_of(conn)->client;
	struct adit_sv2_setup_connection m = {
	    .protocol = c->protocol,
	    .min_version = SV2_VERSION,
	    .max_version = SV2_VERSION,
	    .flags = c->flags,
	    .endpoint_host = bytes_of(c->target.host),
	    .endpoint_port = c->target.port,
	    .vendor = bytes_of(c->texts.vendor),
	    .hardware_version = bytes_of(c->texts.hardware_version),
	    .firmware = bytes_of(c->texts.firmware),
	    .device_id = bytes_of(c->texts.device_id),
	};

	conn->flags = c->flags;
	(void)sv2_conn_send(conn, ADIT_SV2_SETUP_CONNECTION, &m);
}

/* A peer's text for a log line: printable ASCII, the rest as '?'. */
static void printable(const struct adit_bytes *in, char *out, size_t capacity)
{
	size_t n = in->size < capacity - 1 ? in->size : capacity - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = isprint(in->data[i]) ? (char)in->data[i] : '?';
	out[n] = '\0';
}

/* SetupConnection.Error (section 3.6.3). The code is for people: an unknown one is logged and
 * changes nothing (section 3.5). */
static int32_t client_refused(struct sv2_conn *conn,
			      const struct adit_sv2_setup_connection_error *m)
{
	char code[64];
	char reason[128];

	printable(&m->error_code, code, sizeof(code));
	(void)snprintf(reason, sizeof(reason), "refused: %s (flags 0x%x)", code, m->flags);
	sv2_conn_end(conn, SV2_END_REFUSED, reason);
	return ADIT_OK;
}

static int32_t client_open(struct client_conn *cc)
{
	struct sv2_client *c = cc->client;
	struct sv2_conn *conn = &cc->c;

	sv2_conn_open(conn, c->scope);
	cc->failures = c->failures;
	c->failures = 0;
	sv2_log(&c->log, ADIT_LOG_INFO, "connected to %s", conn->peer);
	if (c->callbacks.opened != NULL)
		c->callbacks.opened(c->context, &conn->head, &cc->success);
	return ADIT_OK;
}

static uint32_t client_extensions(const struct sv2_client *c)
{
	return c->callbacks.wanted_extensions | c->callbacks.required_extensions;
}

/* RequestExtensions goes out before any other message; the answer opens the connection. */
static int32_t client_ask(struct client_conn *cc)
{
	uint64_t wait = 2 * (clock_monotonic_ms() - cc->c.started);

	cc->asked = client_extensions(cc->client);
	if (wait < EXTENSIONS_WAIT_MIN_MS)
		wait = EXTENSIONS_WAIT_MIN_MS;
	if (wait > EXTENSIONS_WAIT_MAX_MS)
		wait = EXTENSIONS_WAIT_MAX_MS;
	sv2_conn_await_extensions(&cc->c, (uint32_t)wait);
	return sv2_extensions_request(&cc->c, cc->asked);
}

/* SetupConnection.Success (section 3.6.2). What its flags require, the application judges. */
static int32_t client_accepted(struct sv2_conn *conn,
			       const struct adit_sv2_setup_connection_success *m)
{
	struct client_conn *cc = client_conn_of(conn);
	const struct sv2_client *c = cc->client;

	if (m->used_version != SV2_VERSION) {
		sv2_conn_end(conn, SV2_END_PROTOCOL, "the server chose an unknown version");
		return ADIT_OK;
	}
	cc->success = *m;
	if (client_extensions(c) == 0 ||
	    (c->callbacks.required_extensions == 0 && c->unanswered >= EXTENSIONS_ATTEMPTS))
		return client_open(cc);
	return client_ask(cc);
}

/* The server has granted EXTENSIONS. */
static int32_t client_granted(struct sv2_conn *conn, uint32_t extensions)
{
	struct client_conn *cc = client_conn_of(conn);
	uint32_t missing = cc->client->callbacks.required_extensions & ~extensions;
	char reason[96];

	cc->client->unanswered = 0;
	if (missing != 0) {
		(void)snprintf(reason, sizeof(reason),
			       "the server lacks required extensions (mask 0x%x)", missing);
		sv2_conn_end(conn, SV2_END_REFUSED, reason);
		return ADIT_OK;
	}
	conn->extensions = extensions & cc->asked;
	conn->asks_extensions = false;
	return conn->phase == SV2_OPEN ? ADIT_OK : client_open(cc);
}

/* None of ours is supported; that is no obstacle unless there are some that the server requires:
 * had we known them, we had asked for them. */
static int32_t client_extensions_error(struct sv2_conn *conn,
				       const struct adit_sv2_request_extensions_error *m)
{
	char reason[96];

	if (m->required_extensions.count == 0)
		return client_granted(conn, 0);
	(void)snprintf(reason, sizeof(reason), "the server requires extension 0x%04x",
		       sv2_extensions_first(&m->required_extensions));
	sv2_conn_end(conn, SV2_END_REFUSED, reason);
	return ADIT_OK;
}

/* Reconnect (specification 03 section 3.6.5), when the application leaves it to us: the authority
 * key and the encryption stay what they are. */
static int32_t client_redirect(struct sv2_conn *conn, const struct adit_sv2_reconnect *m)
{
	struct sv2_client *c = client_conn_of(conn)->client;

	for (uint32_t i = 0; i < m->new_host.size; i++)
		if (!isgraph(m->new_host.data[i]))
			return ADIT_E_PROTOCOL;
	if (!c->target.is_unix && m->new_host.size > 0) {
		memcpy(c->target.host, m->new_host.data, m->new_host.size);
		c->target.host[m->new_host.size] = '\0';
	}
	if (!c->target.is_unix && m->new_port != 0)
		c->target.port = m->new_port;
	c->failures = 0; /* a server that redirects is no failure: the next attempt goes there */
	sv2_conn_end(conn, SV2_END_LOCAL, "the server asked to reconnect");
	return ADIT_OK;
}

static int32_t client_unhandled(struct sv2_conn *conn, int32_t message, const void *body)
{
	char reason[96];

	if (message == ADIT_SV2_RECONNECT)
		return client_redirect(conn, body);
	if (message == ADIT_SV2_CHANNEL_ENDPOINT_CHANGED)
		return ADIT_OK;
	(void)snprintf(reason, sizeof(reason), "%s is not expected", sv2_message(message)->title);
	sv2_conn_end(conn, SV2_END_PROTOCOL, reason);
	return ADIT_E_PROTOCOL;
}

/* ChannelEndpointChanged (section 3.6.4): extension state ends, and negotiation begins again. The
 * message is the application's all the same. */
static int32_t client_endpoint_changed(struct client_conn *cc)
{
	if (cc->asked == 0 || cc->c.asks_extensions)
		return ADIT_OK;
	cc->c.extensions = 0;
	cc->c.deadline = clock_monotonic_ms() + cc->client->conn_options.handshake_timeout_ms;
	return sv2_extensions_request(&cc->c, cc->asked);
}

static int32_t client_message(struct sv2_conn *conn, int32_t message, const void *body)
{
	struct sv2_client *c = client_conn_of(conn)->client;
	bool handled;
	int32_t r;

	if (message == ADIT_SV2_SETUP_CONNECTION_SUCCESS)
		return client_accepted(conn, body);
	if (message == ADIT_SV2_SETUP_CONNECTION_ERROR)
		return client_refused(conn, body);
	if (message == ADIT_SV2_REQUEST_EXTENSIONS_SUCCESS)
		return client_granted(
		    conn,
		    sv2_extensions_mask(&((const struct adit_sv2_request_extensions_success *)body)
					     ->supported_extensions));
	if (message == ADIT_SV2_REQUEST_EXTENSIONS_ERROR)
		return client_extensions_error(conn, body);
	if (message == ADIT_SV2_CHANNEL_ENDPOINT_CHANGED &&
	    client_endpoint_changed(client_conn_of(conn)) != ADIT_OK)
		return ADIT_OK; /* ending already */
	r = sv2_dispatch(c->scope, SV2_CLIENT, c->table, c->context, &conn->head, message, body,
			 &handled);
	return handled ? r : client_unhandled(conn, message, body);
}

static void client_batch_end(struct sv2_conn *conn)
{
	const struct sv2_client *c = client_conn_of(conn)->client;

	if (c->callbacks.batch_end != NULL)
		c->callbacks.batch_end(c->context, &conn->head);
}

/* RequestExtensions had no answer: time ran out, or the server closed on a message that it doesn't
 * know, though it ought to have skipped it. */
static bool client_unanswered(const struct client_conn *cc)
{
	return cc->c.asks_extensions && (cc->c.end == SV2_END_TIMEOUT || cc->c.end == SV2_END_PEER);
}

/* The server ended it as soon as it was there. */
static bool client_was_brief(const struct sv2_conn *conn)
{
	return conn->end == SV2_END_PEER && clock_monotonic_ms() - conn->started < BRIEF_MS;
}

static void client_closed(struct sv2_conn *conn, const char *reason)
{
	struct sv2_client *c = client_conn_of(conn)->client;

	c->conn = NULL;
	if (!conn->opened) {
		if (client_unanswered(client_conn_of(conn)))
			c->unanswered++;
		if (!c->stopping)
			client_failed(c, reason);
		return;
	}
	/* A server that breaks the protocol each time, or hangs up, must not be asked at full
	 * speed; nor does it say anything new. */
	if (conn->end == SV2_END_PROTOCOL || client_was_brief(conn))
		c->failures = client_conn_of(conn)->failures;
	else
		c->last_error[0] = '\0';
	if (conn->end == SV2_END_LOCAL)
		sv2_log(&c->log, ADIT_LOG_INFO, "%s: %s", conn->peer, reason);
	else
		client_log_failure(c, reason);
	if (c->callbacks.closed != NULL)
		c->callbacks.closed(c->context, &conn->head, reason);
	if (!c->stopping)
		client_again(c);
}

static void client_release(struct sv2_conn *conn)
{
	free(client_conn_of(conn));
}

static const struct sv2_conn_ops client_ops = {
    .ready = client_ready,
    .message = client_message,
    .batch_end = client_batch_end,
    .closed = client_closed,
    .release = client_release,
};

static void on_dialled(void *user, int fd, const char *error)
{
	struct sv2_client *c = user;
	struct client_conn *cc;

	sv2_loop_enter(&c->loop);
	c->dial = NULL;
	cc = fd >= 0 ? calloc(1, sizeof(*cc)) : NULL;
	if (cc != NULL) {
		cc->client = c;
		sv2_address_format(&c->target, cc->c.peer, sizeof(cc->c.peer));
		c->conn = cc;
		if (sv2_conn_start(&cc->c, &c->loop, fd, SV2_CLIENT, &client_ops,
				   &c->conn_options) != ADIT_OK) {
			c->conn = NULL;
			client_failed(c, "out of memory");
		}
	} else {
		if (fd >= 0)
			close(fd);
		client_failed(c, error != NULL ? error : "out of memory");
	}
	sv2_loop_leave(&c->loop);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct sv2_client *c = arg;

	(void)fd;
	(void)what;
	sv2_loop_enter(&c->loop);
	c->dial = sv2_dial_start(c->loop.base, &c->target, c->connect_timeout_ms, on_dialled, c);
	if (c->dial == NULL)
		client_failed(c, "out of memory");
	sv2_loop_leave(&c->loop);
}

/* --- life --------------------------------------------------------------------------------------
 */

static void client_destroy(void *owner)
{
	struct sv2_client *c = owner;

	sv2_loop_fini(&c->loop);
	if (c->retry != NULL)
		event_free(c->retry);
	free(c);
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
	return value > 0 ? value : fallback;
}

static void copy_text(char out[256], const char *text, const char *fallback)
{
	(void)snprintf(out, 256, "%s", text != NULL ? text : fallback);
}

static void client_defaults(struct sv2_client *c, const struct sv2_client_options *o)
{
	copy_text(c->texts.vendor, o->vendor, "adit");
	copy_text(c->texts.hardware_version, o->hardware_version, "");
	copy_text(c->texts.firmware, o->firmware, "");
	copy_text(c->texts.device_id, o->device_id, "");
	c->flags = o->flags;
	c->connect_timeout_ms = or_default(o->connect_timeout_ms, 5000);
	c->retry_min_ms = or_default(o->retry_min_ms, 1000);
	c->retry_max_ms = or_default(o->retry_max_ms, 30000);
	if (o->authority_x != NULL)
		memcpy(c->authority_x, o->authority_x, sizeof(c->authority_x));
	c->conn_options = (struct sv2_conn_options){
	    .plain = o->plain,
	    .authority_x = o->authority_x != NULL ? c->authority_x : NULL,
	    .certificate_skew = or_default(o->certificate_skew, 60),
	    .handshake_timeout_ms = or_default(o->handshake_timeout_ms, 10000),
	    .idle_timeout_ms = o->idle_timeout_ms,
	    .write_timeout_ms = or_default(o->write_timeout_ms, WRITE_TIMEOUT_MS),
	    .max_pending = o->max_pending > 0 ? o->max_pending : (size_t)4 << 20,
	};
	c->log = (struct sv2_log){.fn = o->log, .user = o->log_user};
}

/* Without Noise on the way to another machine anybody can read and change what is said. */
static bool address_is_near(const struct sv2_address *a)
{
	return a->is_unix || strcmp(a->host, "localhost") == 0 || strcmp(a->host, "::1") == 0 ||
	       strncmp(a->host, "127.", 4) == 0;
}

/* At each start, so that nobody forgets. */
static void client_warn(struct sv2_client *c, const struct sv2_client_options *options)
{
	if (options->plain && !address_is_near(&c->configured))
		sv2_log(&c->log, ADIT_LOG_WARNING,
			"%s: the connection is not encrypted: anybody on the way can read and "
			"change what is said",
			options->address);
	if (!options->plain && options->authority_x == NULL)
		sv2_log(
		    &c->log, ADIT_LOG_WARNING,
		    "%s: no authority key is configured: the connection is encrypted, but anybody "
		    "could be at the other end",
		    options->address);
}

/* A client that has yet to learn what it speaks. */
static struct sv2_client *client_new(struct event_base *base,
				     const struct sv2_client_options *options, struct error *e)
{
	struct sv2_client *c = calloc(1, sizeof(*c));
	uint32_t timeouts[3];

	if (c == NULL) {
		(void)error_set(e, ADIT_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	client_defaults(c, options);
	timeouts[0] = c->conn_options.handshake_timeout_ms;
	timeouts[1] = c->conn_options.idle_timeout_ms;
	timeouts[2] = c->conn_options.write_timeout_ms;
	if (sv2_address_parse(options->address, &c->configured, e) != ADIT_OK) {
		free(c);
		return NULL;
	}
	c->target = c->configured;
	if (sv2_loop_init(&c->loop, base, sv2_loop_tick_for(timeouts, 3), client_destroy, c) ==
	    ADIT_OK)
		c->retry = evtimer_new(base, on_retry, c);
	if (c->retry == NULL) {
		(void)error_set(e, ADIT_E_NO_MEMORY, "out of memory");
		client_destroy(c);
		return NULL;
	}
	client_warn(c, options);
	client_schedule(c, 0);
	return c;
}

/* What C speaks; ADIT_E_UNSUPPORTED when PROTOCOL has no table of handlers,
 * ADIT_E_INVALID_ARGUMENT when TABLE's `size` was forgotten. */
static int32_t client_speaks(struct sv2_client *c, uint8_t protocol, const void *table)
{
	switch (protocol) {
	case ADIT_SV2_MINING:
		c->scope = SV2_SCOPE_MINING;
		c->callbacks = sv2_callbacks_mining_client(table);
		break;
	case ADIT_SV2_JOB_DECLARATION:
		c->scope = SV2_SCOPE_JOB_DECLARATION;
		c->callbacks = sv2_callbacks_job_declaration_client(table);
		break;
	case ADIT_SV2_TEMPLATE_DISTRIBUTION:
		c->scope = SV2_SCOPE_TEMPLATE;
		c->callbacks = sv2_callbacks_template_client(table);
		break;
	default:
		return ADIT_E_UNSUPPORTED;
	}
	c->protocol = protocol;
	c->table = table;
	return c->callbacks.size >= sizeof(c->callbacks) ? ADIT_OK : ADIT_E_INVALID_ARGUMENT;
}

struct sv2_client *sv2_client_new(struct event_base *base, const struct sv2_client_options *options,
				  uint8_t protocol, const void *handlers, void *context,
				  struct error *e)
{
	struct sv2_client *c = client_new(base, options, e);
	int32_t r;

	if (c == NULL)
		return NULL;
	c->context = context;
	r = client_speaks(c, protocol, handlers);
	if (r == ADIT_OK)
		return c;
	if (r == ADIT_E_UNSUPPORTED)
		(void)error_set(e, r, "protocol %u has no client here", protocol);
	else
		(void)error_set(e, r, "the table of handlers has no proper `size`");
	sv2_client_free(c);
	return NULL;
}

struct sv2_client *sv2_client_new_mining(struct event_base *base,
					 const struct sv2_client_options *options,
					 const struct adit_sv2_mining_client_handlers *handlers,
					 void *context, struct error *e)
{
	return sv2_client_new(base, options, ADIT_SV2_MINING, handlers, context, e);
}

struct sv2_client *
sv2_client_new_job_declaration(struct event_base *base, const struct sv2_client_options *options,
			       const struct adit_sv2_job_declaration_client_handlers *handlers,
			       void *context, struct error *e)
{
	return sv2_client_new(base, options, ADIT_SV2_JOB_DECLARATION, handlers, context, e);
}

struct sv2_client *sv2_client_new_template(struct event_base *base,
					   const struct sv2_client_options *options,
					   const struct adit_sv2_template_client_handlers *handlers,
					   void *context, struct error *e)
{
	return sv2_client_new(base, options, ADIT_SV2_TEMPLATE_DISTRIBUTION, handlers, context, e);
}

void sv2_client_free(struct sv2_client *c)
{
	struct client_conn *cc;

	if (c == NULL || c->stopping)
		return;
	sv2_loop_enter(&c->loop);
	c->stopping = true;
	(void)event_del(c->retry);
	sv2_dial_cancel(c->dial);
	c->dial = NULL;
	cc = c->conn;
	if (cc != NULL) {
		sv2_conn_end_now(&cc->c, SV2_END_LOCAL, "the client stops");
		sv2_conn_write(&cc->c);
	}
	c->loop.doomed = true;
	sv2_loop_leave(&c->loop);
}

struct adit_sv2_conn *sv2_client_conn(struct sv2_client *c)
{
	return c->conn != NULL && c->conn->c.phase == SV2_OPEN ? &c->conn->c.head : NULL;
}

uint32_t sv2_client_trace(struct sv2_client *c, uint32_t id, const struct sv2_tracer *tracer)
{
	return sv2_loop_trace(&c->loop, id, tracer);
}
