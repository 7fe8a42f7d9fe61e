/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/sv2/accept.h"
#include "lib/sv2/conn.h"
#include "lib/sv2/dispatch.h"
#include "lib/sv2/extensions.h"
#include "lib/sv2/log.h"
#include "lib/sv2/trace.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"

#define PROTOCOLS 3

/* Who serves a protocol. */
struct server_app {
	struct sv2_server_callbacks callbacks;
	const void *table; /* NULL: nobody */
	void *context;
	bool open;
};

struct sv2_server {
	struct sv2_loop loop;
	struct sv2_log log;
	struct sv2_server_options options;
	struct sv2_conn_options conn_options;
	struct sv2_acceptor *acceptor;
	struct noise_identity identity;
	uint8_t authority_secret[32];
	uint32_t identity_issued; /* Unix seconds */
	bool identity_given;      /* signed elsewhere */
	bool paused;
	struct server_app apps[PROTOCOLS];
	struct sv2_server_stats stats;
};

struct server_conn {
	struct sv2_conn c; /* first */
	struct sv2_server *server;
	struct server_app *app;  /* once open */
	bool extensions_refused; /* once: there is one more try */
};

static enum sv2_scope protocol_scope(uint8_t protocol)
{
	static const enum sv2_scope scopes[PROTOCOLS] = {
	    [ADIT_SV2_MINING] = SV2_SCOPE_MINING,
	    [ADIT_SV2_JOB_DECLARATION] = SV2_SCOPE_JOB_DECLARATION,
	    [ADIT_SV2_TEMPLATE_DISTRIBUTION] = SV2_SCOPE_TEMPLATE,
	};

	return scopes[protocol];
}

/* --- limits ------------------------------------------------------------------------------------
 */

/* Tells the acceptor what it may do now. */
static void server_update_accepting(struct sv2_server *s)
{
	bool open = false;
	bool full = s->stats.connections >= s->options.max_connections ||
		    s->stats.handshakes >= s->options.max_handshakes;

	for (size_t i = 0; i < PROTOCOLS; i++)
		open = open || s->apps[i].open;
	sv2_acceptor_set(s->acceptor, open && !s->paused, full);
}

static void server_handshake_over(struct sv2_server *s)
{
	s->stats.handshakes--;
	server_update_accepting(s);
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
	if (m->protocol >= PROTOCOLS || s->apps[m->protocol].table == NULL)
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
	if (m->protocol >= PROTOCOLS || sc->server->apps[m->protocol].table == NULL)
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
	server_update_accepting(s);
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
static void server_accepted(void *owner, int fd, const char *peer)
{
	struct sv2_server *s = owner;
	struct server_conn *sc = calloc(1, sizeof(*sc));

	if (sc == NULL || server_identity(s) != ADIT_OK) {
		free(sc);
		close(fd);
		sv2_log_limited(&s->log, ADIT_LOG_ERROR, "%s: no memory or no certificate", peer);
		return;
	}
	sc->server = s;
	(void)snprintf(sc->c.peer, sizeof(sc->c.peer), "%s", peer);
	s->stats.accepted++;
	s->stats.connections++;
	s->stats.handshakes++;
	if (sv2_conn_start(&sc->c, &s->loop, fd, SV2_SERVER, &server_ops, &s->conn_options) !=
	    ADIT_OK)
		return; /* released already */
	server_update_accepting(s);
}

static void server_refused(void *owner)
{
	struct sv2_server *s = owner;

	s->stats.refused_limit++;
}

/* --- life --------------------------------------------------------------------------------------
 */

static void server_destroy(void *owner)
{
	struct sv2_server *s = owner;

	s->paused = true;
	sv2_loop_fini(&s->loop);
	sv2_acceptor_free(s->acceptor);
	noise_identity_wipe(&s->identity);
	secure_wipe(s->authority_secret, sizeof(s->authority_secret));
	free(s);
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
	return value > 0 ? value : fallback;
}

static void server_defaults(struct sv2_server *s, const struct sv2_server_options *options)
{
	struct sv2_server_options *o = &s->options;

	*o = *options;
	o->certificate_validity = or_default(o->certificate_validity, 86400);
	o->certificate_skew = or_default(o->certificate_skew, 3600);
	o->handshake_timeout_ms = or_default(o->handshake_timeout_ms, 10000);
	o->write_timeout_ms = or_default(o->write_timeout_ms, 30000);
	o->max_connections = or_default(o->max_connections, 1024);
	o->max_handshakes = or_default(o->max_handshakes, 256);
	o->max_pending = o->max_pending > 0 ? o->max_pending : (size_t)4 << 20;
	if (o->authority_secret != NULL)
		memcpy(s->authority_secret, o->authority_secret, sizeof(s->authority_secret));
	if (o->identity != NULL)
		s->identity = *o->identity;
	s->identity_given = o->identity != NULL;
	s->conn_options = (struct sv2_conn_options){
	    .plain = o->authority_secret == NULL && o->identity == NULL,
	    .identity = &s->identity,
	    .handshake_timeout_ms = o->handshake_timeout_ms,
	    .idle_timeout_ms = o->idle_timeout_ms,
	    .write_timeout_ms = o->write_timeout_ms,
	    .max_pending = o->max_pending,
	};
	o->authority_secret = NULL;
	o->identity = NULL;
	s->log = (struct sv2_log){.fn = o->log, .user = o->log_user};
}

struct sv2_server *sv2_server_new(struct event_base *base, const struct sv2_server_options *options)
{
	struct sv2_server *s = calloc(1, sizeof(*s));
	uint32_t timeouts[3];

	if (s == NULL)
		return NULL;
	server_defaults(s, options);
	timeouts[0] = s->options.handshake_timeout_ms;
	timeouts[1] = s->options.idle_timeout_ms;
	timeouts[2] = s->options.write_timeout_ms;
	if (sv2_loop_init(&s->loop, base, sv2_loop_tick_for(timeouts, 3), server_destroy, s) !=
	    ADIT_OK) {
		noise_identity_wipe(&s->identity);
		secure_wipe(s->authority_secret, sizeof(s->authority_secret));
		free(s);
		return NULL;
	}
	s->acceptor = sv2_acceptor_new(&s->loop, &s->log, server_accepted, server_refused, s);
	if (s->acceptor == NULL || server_identity(s) != ADIT_OK) {
		server_destroy(s);
		return NULL;
	}
	return s;
}

/* Ends every connection of APP (NULL: of all) with Reconnect; `closed` is called before this
 * returns. */
static void server_end_all(struct sv2_server *s, const struct server_app *app, const char *reason)
{
	static const struct adit_sv2_reconnect elsewhere;
	struct sv2_conn *c;

	TAILQ_FOREACH(c, &s->loop.conns, link)
	{
		if (c->phase >= SV2_DRAINING || (app != NULL && server_conn_of(c)->app != app))
			continue;
		if (c->phase == SV2_OPEN)
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

	if (protocol >= PROTOCOLS)
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
	if (protocol >= PROTOCOLS || s->apps[protocol].table == NULL)
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
