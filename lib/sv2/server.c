/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/sv2/extensions.h"
#include "lib/sv2/server_impl.h"
#include "lib/sv2/socket.h"
#include "lib/sv2/trace.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"

static enum sv2_scope protocol_scope(uint8_t protocol)
{
	static const enum sv2_scope scopes[SV2_PROTOCOLS] = {
	    [ADIT_SV2_MINING] = SV2_SCOPE_MINING,
	    [ADIT_SV2_JOB_DECLARATION] = SV2_SCOPE_JOB_DECLARATION,
	    [ADIT_SV2_TEMPLATE_DISTRIBUTION] = SV2_SCOPE_TEMPLATE,
	};

	return scopes[protocol];
}

/* --- limits ------------------------------------------------------------------------------------
 */

/* Tells the acceptor whether connections are wanted. */
static void server_update_accepting(struct sv2_server *s)
{
	bool open = false;

	for (size_t i = 0; i < SV2_PROTOCOLS; i++)
		open = open || s->apps[i].open;
	sv2_acceptor_open(s->acceptor, open && !s->paused);
}

static void server_handshake_over(struct sv2_server *s)
{
	s->stats.handshakes--;
	sv2_limits_changed(s);
}

/* The other workers leave connections to this one or not. */
static void server_accepting(void *owner, bool accepting)
{
	struct sv2_server *s = owner;

	sv2_workers_beat(s->workers, clock_monotonic_ms(), accepting);
	s->accepting = accepting;
}

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
	struct sv2_server *s = arg;

	(void)fd;
	(void)what;
	sv2_workers_beat(s->workers, clock_monotonic_ms(), s->accepting);
}

/* --- SetupConnection ---------------------------------------------------------------------------
 */

/* Answers with SetupConnection.Error; the connection ends once it is written. */
static int32_t setup_refuse(struct server_conn *sc, uint32_t flags, const char *code)
{
	struct adit_sv2_setup_connection_error m = {
	    .flags = flags,
	    .error_code = {.data = (const uint8_t *)code, .size = (uint32_t)strlen(code)}};
	char reason[96];

	sc->server->stats.refused_setup++;
	(void)sv2_conn_send(&sc->c, ADIT_SV2_SETUP_CONNECTION_ERROR, &m);
	(void)snprintf(reason, sizeof(reason), "SetupConnection refused: %s", code);
	sv2_conn_end(&sc->c, SV2_END_REFUSED, reason);
	return ADIT_OK;
}

static int32_t setup_accept(struct server_conn *sc, struct server_app *app, uint8_t protocol,
			    uint32_t flags)
{
	struct adit_sv2_setup_connection_success m = {.used_version = SV2_VERSION, .flags = flags};
	struct sv2_server *s = sc->server;
	int32_t r = sv2_conn_send(&sc->c, ADIT_SV2_SETUP_CONNECTION_SUCCESS, &m);

	if (r != ADIT_OK)
		return r;
	sc->app = app;
	sv2_conn_open(&sc->c, protocol_scope(protocol));
	server_handshake_over(s);
	if (s->options.connected != NULL)
		s->options.connected(s->options.observer, &sc->c.head);
	if (sc->c.phase == SV2_OPEN && app->callbacks.opened != NULL)
		app->callbacks.opened(app->context, &sc->c.head);
	return ADIT_OK;
}

/* Flags of the request that are not supported; of a protocol that isn't served, none is. Section
 * 3.6.3 wants them in each SetupConnection.Error. */
static uint32_t setup_unsupported(const struct sv2_server *s,
				  const struct adit_sv2_setup_connection *m)
{
	if (m->protocol >= SV2_PROTOCOLS || s->apps[m->protocol].table == NULL)
		return m->flags;
	return m->flags & ~s->apps[m->protocol].callbacks.supported_flags;
}

/* Specification 05 section 5.3.1: REQUIRES_FIXED_VERSION is not set towards a client that set
 * REQUIRES_VERSION_ROLLING; whatever the application says, such a client is refused. */
static bool setup_contradicts(const struct adit_sv2_setup_connection *m, uint32_t flags)
{
	return m->protocol == ADIT_SV2_MINING &&
	       (m->flags & ADIT_SV2_REQUIRES_VERSION_ROLLING) != 0 &&
	       (flags & ADIT_SV2_REQUIRES_FIXED_VERSION) != 0;
}

/* The rules of specification 03 sections 3.6.1 to 3.6.3, with the errors that they leave open as in
 * the specification's pending change #225: versions that don't overlap or are reversed, a protocol
 * that isn't served, flags that aren't understood. */
static int32_t server_setup(struct server_conn *sc, const struct adit_sv2_setup_connection *m)
{
	struct adit_sv2_setup_result result = {0};
	struct server_app *app;
	uint32_t unknown = setup_unsupported(sc->server, m);

	if (m->min_version > SV2_VERSION || m->max_version < SV2_VERSION)
		return setup_refuse(sc, unknown, "protocol-version-mismatch");
	if (m->protocol >= SV2_PROTOCOLS || sc->server->apps[m->protocol].table == NULL)
		return setup_refuse(sc, unknown, "unsupported-protocol");
	app = &sc->server->apps[m->protocol];
	if (!app->open)
		return setup_refuse(sc, unknown, "service-unavailable");
	if (unknown != 0)
		return setup_refuse(sc, unknown, "unsupported-feature-flags");
	sc->c.flags = m->flags;
	if (app->callbacks.setup != NULL)
		app->callbacks.setup(app->context, &sc->c.head, m, &result);
	if (sc->c.phase != SV2_SETUP)
		return ADIT_OK;
	if (result.error_code != NULL)
		return setup_refuse(sc, result.error_flags, result.error_code);
	if (setup_contradicts(m, result.flags))
		return setup_refuse(sc, ADIT_SV2_REQUIRES_VERSION_ROLLING,
				    "unsupported-feature-flags");
	return setup_accept(sc, app, m->protocol, result.flags);
}

/* --- extensions --------------------------------------------------------------------------------
 */

/* Extension 0x0001: a client that lacks a required extension may ask once more. */
static int32_t server_extensions(struct server_conn *sc,
				 const struct adit_sv2_request_extensions *m)
{
	const struct sv2_server_callbacks *app = &sc->app->callbacks;
	uint32_t supported = app->supported_extensions | app->required_extensions;
	bool met;
	int32_t r = sv2_extensions_answer(&sc->c, m, supported, app->required_extensions, &met);

	if (r == ADIT_OK && !met && sc->extensions_refused)
		sv2_conn_end(&sc->c, SV2_END_PROTOCOL, "required extensions are not requested");
	sc->extensions_refused = !met;
	return r;
}

static bool server_extensions_met(const struct server_conn *sc)
{
	return (sc->app->callbacks.required_extensions & ~sc->c.extensions) == 0;
}

/* --- connections -------------------------------------------------------------------------------
 */

static struct server_conn *server_conn_of(struct sv2_conn *c)
{
	return (struct server_conn *)c;
}

static int32_t server_message(struct sv2_conn *c, int32_t message, const void *body)
{
	struct server_conn *sc = server_conn_of(c);
	char reason[96];
	bool handled;
	int32_t r;

	if (c->phase == SV2_SETUP)
		return server_setup(sc, body);
	if (message == ADIT_SV2_REQUEST_EXTENSIONS)
		return server_extensions(sc, body);
	sc->mines = sc->mines || message == ADIT_SV2_SUBMIT_SHARES_STANDARD ||
		    message == ADIT_SV2_SUBMIT_SHARES_EXTENDED;
	if (!server_extensions_met(sc)) {
		sv2_conn_end(c, SV2_END_PROTOCOL, "required extensions are not negotiated");
		return ADIT_E_PROTOCOL;
	}
	r = sv2_dispatch(c->scope, SV2_SERVER, sc->app->table, sc->app->context, &c->head, message,
			 body, &handled);
	if (!handled) {
		(void)snprintf(reason, sizeof(reason), "%s is not served",
			       sv2_message(message)->title);
		sv2_conn_end(c, SV2_END_PROTOCOL, reason);
	}
	return r;
}

static void server_batch_end(struct sv2_conn *c)
{
	const struct server_app *app = server_conn_of(c)->app;

	if (app->callbacks.batch_end != NULL)
		app->callbacks.batch_end(app->context, &c->head);
}

static void server_count_end(struct sv2_server *s, const struct sv2_conn *c)
{
	if (c->end == SV2_END_PROTOCOL)
		s->stats.protocol_errors++;
	else if (!c->opened && c->end != SV2_END_REFUSED && c->end != SV2_END_LOCAL)
		s->stats.handshakes_failed++;
}

static void server_closed(struct sv2_conn *c, const char *reason)
{
	struct server_conn *sc = server_conn_of(c);
	struct sv2_server *s = sc->server;

	server_count_end(s, c);
	if (c->end == SV2_END_LOCAL || c->end == SV2_END_PEER)
		sv2_log(&s->log, ADIT_LOG_DEBUG, "%s (%u): %s", c->peer, c->id, reason);
	else
		sv2_log_limited(&s->log, ADIT_LOG_INFO, "%s (%u): %s", c->peer, c->id, reason);
	if (!c->opened) {
		server_handshake_over(s);
		return;
	}
	if (sc->app->callbacks.closed != NULL)
		sc->app->callbacks.closed(sc->app->context, &c->head, reason);
	if (s->options.disconnected != NULL)
		s->options.disconnected(s->options.observer, &c->head, reason);
}

static void server_release(struct sv2_conn *c)
{
	struct server_conn *sc = server_conn_of(c);
	struct sv2_server *s = sc->server;

	s->stats.connections--;
	if (c->phase < SV2_DRAINING && !c->opened)
		s->stats.handshakes--;
	sv2_limits_release(s, sc->address);
	sv2_limits_changed(s);
	free(sc);
}

static const struct sv2_conn_ops server_ops = {
    .message = server_message,
    .batch_end = server_batch_end,
    .closed = server_closed,
    .release = server_release,
};

/* Signs a certificate when there is none or half of its time is over; also when the clock was set
 * back to before it. */
static int32_t server_identity(struct sv2_server *s)
{
	uint32_t now = clock_unix();
	uint32_t validity = s->options.certificate_validity;
	int32_t r;

	if (s->conn_options.plain || s->identity_given)
		return ADIT_OK;
	if (s->identity_issued != 0 && now >= s->identity_issued &&
	    now - s->identity_issued < validity / 2)
		return ADIT_OK;
	r = noise_identity_issue(&s->identity, s->authority_secret, now, validity,
				 s->options.certificate_skew);
	s->identity_issued = r == ADIT_OK ? now : 0;
	return r;
}

/* A socket was accepted: FD is ours. */
static void server_accepted(void *owner, int fd, bool is_unix)
{
	struct sv2_server *s = owner;
	struct server_conn *sc;
	uint64_t address = 0;

	if (!is_unix && !sv2_limits_address(s, fd, &address)) {
		close(fd);
		return;
	}
	sc = calloc(1, sizeof(*sc));
	if (sc == NULL || server_identity(s) != ADIT_OK) {
		free(sc);
		close(fd);
		sv2_limits_release(s, address);
		sv2_log_limited(&s->log, ADIT_LOG_ERROR, "no memory or no certificate");
		return;
	}
	sc->server = s;
	sc->address = address;
	sv2_socket_peer(fd, is_unix, sc->c.peer);
	s->stats.accepted++;
	s->stats.connections++;
	s->stats.handshakes++;
	sv2_limits_changed(s);
	(void)sv2_conn_start(&sc->c, &s->loop, fd, SV2_SERVER, &server_ops, &s->conn_options);
}

static const struct sv2_acceptor_ops accept_ops = {
    .admission = sv2_limits_admission,
    .accepted = server_accepted,
    .refused = sv2_limits_refused,
    .accepting = server_accepting,
};

/* --- life --------------------------------------------------------------------------------------
 */

static void server_destroy(void *owner)
{
	struct sv2_server *s = owner;

	s->paused = true;
	sv2_loop_fini(&s->loop);
	sv2_acceptor_free(s->acceptor);
	if (s->beat != NULL)
		event_free(s->beat);
	sv2_workers_close(s->own_workers);
	noise_identity_wipe(&s->identity);
	secure_wipe(s->authority_secret, sizeof(s->authority_secret));
	free(s);
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
	return value > 0 ? value : fallback;
}

/* Time-outs and limits of OPTIONS; 0 is the default. */
static void server_set_limits(struct sv2_server *s, const struct sv2_server_options *options)
{
	struct sv2_server_options *o = &s->options;
	uint32_t workers;
	uint32_t timeouts[3];

	o->certificate_validity = or_default(options->certificate_validity, 86400);
	o->certificate_skew = or_default(options->certificate_skew, 3600);
	o->handshake_timeout_ms = or_default(options->handshake_timeout_ms, 10000);
	o->idle_timeout_ms = options->idle_timeout_ms;
	o->write_timeout_ms = or_default(options->write_timeout_ms, 30000);
	o->max_connections = or_default(options->max_connections, 1024);
	o->max_handshakes = or_default(options->max_handshakes, 256);
	o->max_per_address = options->max_per_address;
	o->accept_rate = options->accept_rate;
	o->max_pending = options->max_pending > 0 ? options->max_pending : (size_t)4 << 20;
	o->max_queued = options->max_queued > 0 ? options->max_queued : (size_t)256 << 20;
	o->max_unfinished =
	    options->max_unfinished > 0 ? options->max_unfinished : (size_t)64 << 20;
	s->conn_options.handshake_timeout_ms = o->handshake_timeout_ms;
	s->conn_options.idle_timeout_ms = o->idle_timeout_ms;
	s->conn_options.write_timeout_ms = o->write_timeout_ms;
	s->conn_options.max_pending = o->max_pending;
	workers = sv2_workers_count(s->workers);
	s->loop.max_queued = o->max_queued / workers;
	s->loop.max_held = o->max_unfinished / workers;
	timeouts[0] = o->handshake_timeout_ms;
	timeouts[1] = o->idle_timeout_ms;
	timeouts[2] = o->write_timeout_ms;
	sv2_loop_set_tick(&s->loop, sv2_loop_tick_for(timeouts, 3));
}

/* Who the server is, of OPTIONS. */
static void server_set_identity(struct sv2_server *s, const struct sv2_server_options *options)
{
	if (options->authority_secret != NULL)
		memcpy(s->authority_secret, options->authority_secret, sizeof(s->authority_secret));
	if (options->identity != NULL)
		s->identity = *options->identity;
	s->identity_given = options->identity != NULL;
	s->identity_issued = 0;
}

static int32_t server_init(struct sv2_server *s, struct event_base *base,
			   const struct sv2_server_options *options)
{
	const struct timeval beat = {.tv_usec = SV2_WORKERS_BEAT_MS * 1000};
	int32_t r = sv2_loop_init(&s->loop, base, 1000, server_destroy, s);

	if (r != ADIT_OK)
		return r;
	s->options = *options;
	s->options.authority_secret = NULL;
	s->options.identity = NULL;
	s->log = (struct sv2_log){.fn = options->log, .user = options->log_user};
	s->conn_options = (struct sv2_conn_options){
	    .plain = options->authority_secret == NULL && options->identity == NULL,
	    .identity = &s->identity,
	};
	server_set_identity(s, options);
	s->workers = options->workers;
	if (s->workers == NULL) {
		r = sv2_workers_open(NULL, 0, 1, &s->own_workers, NULL);
		s->workers = s->own_workers;
	}
	if (r != ADIT_OK)
		return r;
	s->loop.overload = sv2_limits_shed;
	server_set_limits(s, options);
	if (sv2_workers_shared(s->workers)) {
		s->beat = event_new(base, -1, EV_PERSIST, on_beat, s);
		if (s->beat == NULL || event_add(s->beat, &beat) < 0)
			return ADIT_E_NO_MEMORY;
		sv2_workers_beat(s->workers, clock_monotonic_ms(), false);
	}
	s->acceptor = sv2_acceptor_new(&s->loop, &s->log, &accept_ops, s);
	return s->acceptor != NULL ? server_identity(s) : ADIT_E_NO_MEMORY;
}

struct sv2_server *sv2_server_new(struct event_base *base, const struct sv2_server_options *options)
{
	struct sv2_server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	if (server_init(s, base, options) == ADIT_OK)
		return s;
	server_destroy(s);
	return NULL;
}

int32_t sv2_server_configure(struct sv2_server *s, const struct sv2_server_options *options)
{
	bool plain = options->authority_secret == NULL && options->identity == NULL;
	int32_t r;

	if (plain != s->conn_options.plain)
		return ADIT_E_INVALID_ARGUMENT;
	server_set_limits(s, options);
	server_set_identity(s, options);
	r = server_identity(s);
	sv2_acceptor_room(s->acceptor);
	return r;
}

/* Ends every connection of APP (NULL: of all) with Reconnect, unless it was sent one before; `closed`
 * is called before this returns. */
static void server_end_all(struct sv2_server *s, const struct server_app *app, const char *reason)
{
	static const struct adit_sv2_reconnect elsewhere;
	struct sv2_conn *c;

	TAILQ_FOREACH(c, &s->loop.conns, link)
	{
		if (c->phase >= SV2_DRAINING || (app != NULL && server_conn_of(c)->app != app))
			continue;
		if (c->phase == SV2_OPEN && !c->told_reconnect)
			(void)sv2_conn_send(c, ADIT_SV2_RECONNECT, &elsewhere);
		sv2_conn_end_now(c, SV2_END_LOCAL, reason);
	}
}

void sv2_server_free(struct sv2_server *s)
{
	struct sv2_conn *c;

	if (s == NULL)
		return;
	sv2_loop_enter(&s->loop);
	s->paused = true;
	server_update_accepting(s);
	server_end_all(s, NULL, "the server stops");
	TAILQ_FOREACH(c, &s->loop.conns, link)
	sv2_conn_write(c);
	s->loop.doomed = true;
	sv2_loop_leave(&s->loop);
}

int32_t sv2_server_listen(struct sv2_server *s, int fd, bool is_unix)
{
	return sv2_acceptor_add(s->acceptor, fd, is_unix);
}

static void server_withdraw(struct sv2_server *s, struct server_app *app)
{
	sv2_loop_enter(&s->loop);
	app->open = false;
	server_end_all(s, app, "the service ends");
	app->table = NULL;
	server_update_accepting(s);
	sv2_loop_leave(&s->loop);
}

/* The beginning that all tables of servers share; ADIT_E_UNSUPPORTED when PROTOCOL has none. */
static int32_t server_callbacks(uint8_t protocol, const void *table,
				struct sv2_server_callbacks *out)
{
	switch (protocol) {
	case ADIT_SV2_MINING:
		*out = sv2_callbacks_mining_server(table);
		return ADIT_OK;
	case ADIT_SV2_JOB_DECLARATION:
		*out = sv2_callbacks_job_declaration_server(table);
		return ADIT_OK;
	case ADIT_SV2_TEMPLATE_DISTRIBUTION:
		*out = sv2_callbacks_template_server(table);
		return ADIT_OK;
	default:
		return ADIT_E_UNSUPPORTED;
	}
}

int32_t sv2_server_set(struct sv2_server *s, uint8_t protocol, const void *handlers, void *context)
{
	struct server_app fresh = {.table = handlers, .context = context};
	struct server_app *app;
	int32_t r;

	if (protocol >= SV2_PROTOCOLS)
		return ADIT_E_UNSUPPORTED;
	app = &s->apps[protocol];
	if (handlers == NULL) {
		if (app->table != NULL)
			server_withdraw(s, app);
		return ADIT_OK;
	}
	if (app->table != NULL)
		return ADIT_E_EXISTS;
	r = server_callbacks(protocol, handlers, &fresh.callbacks);
	if (r == ADIT_OK && fresh.callbacks.size < sizeof(fresh.callbacks))
		return ADIT_E_INVALID_ARGUMENT; /* `size` was forgotten */
	if (r == ADIT_OK)
		*app = fresh;
	return r;
}

int32_t sv2_server_set_mining(struct sv2_server *s, const struct adit_sv2_mining_server_handlers *h,
			      void *context)
{
	return sv2_server_set(s, ADIT_SV2_MINING, h, context);
}

int32_t sv2_server_set_job_declaration(struct sv2_server *s,
				       const struct adit_sv2_job_declaration_server_handlers *h,
				       void *context)
{
	return sv2_server_set(s, ADIT_SV2_JOB_DECLARATION, h, context);
}

int32_t sv2_server_set_template(struct sv2_server *s,
				const struct adit_sv2_template_server_handlers *h, void *context)
{
	return sv2_server_set(s, ADIT_SV2_TEMPLATE_DISTRIBUTION, h, context);
}

void sv2_server_set_open(struct sv2_server *s, uint8_t protocol, bool open)
{
	if (protocol >= SV2_PROTOCOLS || s->apps[protocol].table == NULL)
		return;
	s->apps[protocol].open = open;
	server_update_accepting(s);
}

void sv2_server_pause(struct sv2_server *s)
{
	s->paused = true;
	server_update_accepting(s);
}

uint32_t sv2_server_trace(struct sv2_server *s, uint32_t id, const struct sv2_tracer *tracer)
{
	return sv2_loop_trace(&s->loop, id, tracer);
}

void sv2_server_stats(const struct sv2_server *s, struct sv2_server_stats *out)
{
	*out = s->stats;
	out->refused_limit = out->refused_connections + out->refused_handshakes +
			     out->refused_memory + out->refused_address;
	out->accepting = s->accepting;
	out->bytes_queued = s->loop.queued;
	out->bytes_unfinished = s->loop.held;
	out->certificate_until = s->conn_options.plain ? 0 : s->identity.not_valid_after;
	out->messages_in = s->loop.messages_in;
	out->messages_out = s->loop.messages_out;
	out->bytes_in = s->loop.bytes_in;
	out->bytes_out = s->loop.bytes_out;
}

void sv2_server_each(struct sv2_server *s, void (*fn)(void *user, struct adit_sv2_conn *conn),
		     void *user)
{
	struct sv2_conn *c;

	sv2_loop_enter(&s->loop);
	TAILQ_FOREACH(c, &s->loop.conns, link)
	if (c->phase == SV2_OPEN)
		fn(user, &c->head);
	sv2_loop_leave(&s->loop);
}
