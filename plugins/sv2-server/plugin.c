/* SPDX-License-Identifier: MIT */
/* plugin.c: the life cycle of the role sv2-server, and the service it offers. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/noise/noise.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"
#include "plugins/sv2-server/instance.h"
#include "plugins/sv2-server/report.h"

#define EXPIRY_LOOK_MS 3600000u
#define EXPIRY_WARN_S (14u * 86400u) /* or the last quarter of its life, if that is shorter */
#define DRAIN_TURN_MS 50
#define DRAIN_TURNS 80 /* 4 s: the host allows 5 */

static void instance_log(const struct instance *in, int32_t level, const char *text)
{
	in->api->log(in->host, level, text, strlen(text));
}

static void server_log(void *user, int32_t level, const char *text)
{
	const struct instance *in = user;

	if (in->api->log_enabled(in->host, level))
		instance_log(in, level, text);
}

/* --- the service -------------------------------------------------------------------------------
 */

static int32_t serve(void *server, uint8_t protocol, const void *handlers, void *context)
{
	struct instance *in = server;

	if (in->server == NULL)
		return ADIT_E_UNAVAILABLE;
	if (handlers == NULL)
		return ADIT_E_INVALID_ARGUMENT;
	return sv2_server_set(in->server, protocol, handlers, context);
}

static void withdraw(void *server, uint8_t protocol)
{
	struct instance *in = server;

	if (in->server != NULL)
		(void)sv2_server_set(in->server, protocol, NULL, NULL);
}

static void set_open(void *server, uint8_t protocol, bool open)
{
	struct instance *in = server;

	if (in->server != NULL)
		sv2_server_set_open(in->server, protocol, open);
}

/* --- life cycle --------------------------------------------------------------------------------
 */

static int32_t fail(const struct instance *in, const struct error *e)
{
	in->api->set_error(in->host, e->text);
	return e->code;
}

/* An instance without listeners is there for the clients alone. When another instance of the
 * process offers clients already, those who look for them find that one: any will do. */
static int32_t offer_services(struct instance *in)
{
	int32_t r = ADIT_OK;

	if (in->settings.listens)
		r = in->api->service_offer(in->host, ADIT_SV2_SERVER_SERVICE, &in->service);
	if (r != ADIT_OK) {
		in->api->set_error(in->host,
				   "another sv2-server of this process has listeners already: give "
				   "one of them another process, or no `listen`");
		return r;
	}
	clients_init(&in->clients, in);
	r = in->api->service_offer(in->host, ADIT_SV2_CLIENT_SERVICE, &in->clients.service);
	return r == ADIT_E_EXISTS ? ADIT_OK : r;
}

static int32_t plugin_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	struct instance *in = calloc(1, sizeof(*in));
	struct error e = {0};
	int32_t r;

	if (in == NULL)
		return ADIT_E_NO_MEMORY;
	in->api = api;
	in->host = host;
	in->service = (struct adit_sv2_server_service){.size = sizeof(in->service),
						       .version = 1,
						       .server = in,
						       .serve = serve,
						       .withdraw = withdraw,
						       .set_open = set_open};
	r = settings_read(&in->settings, api, host, &e);
	if (r != ADIT_OK)
		r = fail(in, &e);
	else
		r = offer_services(in);
	if (r != ADIT_OK) {
		free(in);
		return r;
	}
	*instance = in;
	return ADIT_OK;
}

/* A certificate that was signed elsewhere is not renewed here: before it ends the log says so at
 * every look, and louder when it is over. */
static void expiry_look(void *user)
{
	const struct instance *in = user;
	uint32_t now = clock_unix();
	uint32_t life = in->certificate_until - in->certificate_from;
	uint32_t left = in->certificate_until > now ? in->certificate_until - now : 0;
	char line[512];

	if (left > (life / 4 < EXPIRY_WARN_S ? life / 4 : EXPIRY_WARN_S))
		return;
	(void)snprintf(
	    line, sizeof(line),
	    "the certificate %s %lu hours %lu minutes%s: have the authority sign it again "
	    "(aditctl keys sign), put the file in place, and `aditctl restart` this role",
	    left > 0 ? "expires in" : "has expired; it was valid for",
	    (unsigned long)(left > 0 ? left : life) / 3600,
	    (unsigned long)(left > 0 ? left : life) / 60 % 60,
	    left > 0 ? "" : ", miners refuse it");
	instance_log(in, left > 0 ? ADIT_LOG_WARNING : ADIT_LOG_ERROR, line);
}

static int32_t expiry_watch(struct instance *in, struct error *e)
{
	expiry_look(in);
	if (in->api->timer_add(in->host, EXPIRY_LOOK_MS, EXPIRY_LOOK_MS, expiry_look, in, NULL,
			       &in->expiry_timer) != ADIT_OK)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	return ADIT_OK;
}

static int32_t make_server(struct instance *in, struct error *e)
{
	struct event_base *base = in->api->loop(in->host, "libevent-2");
	struct sv2_server_options options = in->settings.options;
	struct noise_identity id = {0};
	uint8_t secret[32];
	bool elsewhere = in->settings.static_path[0] != '\0';
	int32_t r;

	if (base == NULL)
		return error_set(e, ADIT_E_UNSUPPORTED, "this host has no libevent loop");
	r = elsewhere ? settings_identity(&in->settings, &id, in->public_text, e)
		      : settings_authority(&in->settings, secret, in->public_text, e);
	if (r != ADIT_OK)
		return r;
	if (elsewhere)
		options.identity = &id;
	else
		options.authority_secret = secret;
	options.log = server_log;
	options.log_user = in;
	options.connected = report_connected;
	options.disconnected = report_disconnected;
	options.observer = in;
	in->server = sv2_server_new(base, &options);
	in->certificate_from = id.valid_from;
	in->certificate_until = id.not_valid_after;
	noise_identity_wipe(&id);
	secure_wipe(secret, sizeof(secret));
	if (in->server == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	return elsewhere ? expiry_watch(in, e) : ADIT_OK;
}

static int32_t take_listeners(struct instance *in, struct error *e)
{
	struct adit_listener l = {.size = sizeof(l)};
	char line[256];
	uint32_t i;
	int32_t r;

	for (i = 0; in->api->listener(in->host, "listen", i, &l) == ADIT_OK; i++) {
		r = sv2_server_listen(in->server, l.fd, l.is_unix != 0);
		if (r != ADIT_OK)
			return error_set(e, r, "%s: can't be watched", l.address);
		(void)snprintf(line, sizeof(line), "miners connect to stratum2+tcp://%s/%s",
			       l.address, in->public_text);
		instance_log(in, ADIT_LOG_INFO, line);
	}
	if (i == 0)
		return error_set(e, ADIT_E_INTERNAL, "listen: the host opened no listener");
	return ADIT_OK;
}

static int32_t register_methods(struct instance *in)
{
	int32_t r =
	    in->api->register_method(in->host, "status", ADIT_METHOD_ALL, report_status, in, NULL);

	return r == ADIT_OK ? trace_register(in) : r;
}

static int32_t plugin_start(void *instance)
{
	struct instance *in = instance;
	struct error e = {0};
	int32_t r = ADIT_OK;

	if (in->settings.listens) {
		r = make_server(in, &e);
		if (r == ADIT_OK)
			r = take_listeners(in, &e);
	}
	if (r != ADIT_OK)
		(void)fail(in, &e);
	else
		r = register_methods(in);
	if (r != ADIT_OK) {
		sv2_server_free(in->server);
		in->server = NULL;
		return r;
	}
	in->api->status(in->host, in->settings.listens ? "listening" : "no listener, clients only");
	return ADIT_OK;
}

static bool drained(const struct instance *in)
{
	struct sv2_server_stats stats;

	sv2_server_stats(in->server, &stats);
	return stats.connections == 0;
}

static void on_drain_turn(void *user)
{
	struct instance *in = user;

	if (!drained(in) && --in->drain_turns > 0)
		return;
	in->api->timer_cancel(in->host, in->drain_timer);
	in->api->stopped(in->host);
}

static void close_one(void *user, struct adit_sv2_conn *conn)
{
	(void)user;
	adit_sv2_close(conn, "the server stops");
}

/* The roles that were served have stopped before and told their miners to reconnect; what is left
 * is on its way out. */
static int32_t plugin_stop(void *instance)
{
	struct instance *in = instance;

	trace_end(in, "the server stops");
	clients_free_all(&in->clients);
	if (in->server == NULL)
		return ADIT_OK;
	sv2_server_pause(in->server);
	sv2_server_each(in->server, close_one, NULL);
	if (drained(in))
		return ADIT_OK;
	in->drain_turns = DRAIN_TURNS;
	if (in->api->timer_add(in->host, DRAIN_TURN_MS, DRAIN_TURN_MS, on_drain_turn, in, NULL,
			       &in->drain_timer) != ADIT_OK)
		return ADIT_OK;
	return ADIT_E_UNAVAILABLE;
}

static void plugin_fini(void *instance)
{
	struct instance *in = instance;

	clients_free_all(&in->clients);
	sv2_server_free(in->server);
	free(in);
}

ADIT_EXPORT extern const struct adit_plugin_descriptor adit_plugin;
const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = "sv2-server",
    .version = PACKAGE_VERSION,
    .init = plugin_init,
    .start = plugin_start,
    .stop = plugin_stop,
    .fini = plugin_fini,
};
