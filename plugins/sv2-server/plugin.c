/* SPDX-License-Identifier: MIT */
/* plugin.c: the life cycle of the role sv2-server, and the service it offers. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sv2/keys.h"
#include "lib/util/clock.h"
#include "plugins/sv2-server/instance.h"
#include "plugins/sv2-server/report.h"

#define EXPIRY_LOOK_MS 3600000u
#define SETTINGS_COME_MS 100
#define DRAIN_TURN_MS 50
#define DRAIN_TURNS 50 /* 2.5 s: the host allows 5 for drain and stop */
#define SETUP_TURN_MS 10
#define SETUP_TURNS 200 /* 2 s for connections that are being set up */

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

/* Says where PROTOCOL is served: of several servers of a machine an operator has to tell which is
 * the pool and which its job declaration server. */
static void say_where(const struct instance *in, uint8_t protocol)
{
	static const char *const who[] = {
	    [ADIT_SV2_MINING] = "miners connect",
	    [ADIT_SV2_JOB_DECLARATION] = "job declarators connect (jds_address)",
	    [ADIT_SV2_TEMPLATE_DISTRIBUTION] = "template clients connect",
	};
	struct adit_listener l = {.size = sizeof(l)};
	char line[256];

	for (uint32_t i = 0; in->api->listener(in->host, "listen", i, &l) == ADIT_OK; i++) {
		(void)snprintf(line, sizeof(line), "%s to stratum2+tcp://%s/%s", who[protocol],
			       l.address, in->public_text);
		instance_log(in, ADIT_LOG_INFO, line);
	}
}

static int32_t serve(void *server, uint8_t protocol, const void *handlers, void *context)
{
	struct instance *in = server;
	int32_t r;

	if (in->server == NULL)
		return ADIT_E_UNAVAILABLE;
	if (handlers == NULL)
		return ADIT_E_INVALID_ARGUMENT;
	r = sv2_server_set(in->server, protocol, handlers, context);
	if (r == ADIT_OK)
		say_where(in, protocol);
	return r;
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
	char line[512];
	int32_t level = sv2_certificate_expiry(in->certificate_from, in->certificate_until,
					       clock_unix(), line, sizeof(line));

	if (level >= 0)
		instance_log(in, level, line);
}

static void say_new_key(struct instance *in, const char *public_text)
{
	char line[NOISE_KEY_TEXT_SIZE + 96];

	(void)snprintf(in->public_text, sizeof(in->public_text), "%s", public_text);
	(void)snprintf(line, sizeof(line),
		       "another authority: miners have to be configured with its key %s",
		       in->public_text);
	instance_log(in, ADIT_LOG_WARNING, line);
}

static int32_t expiry_watch(struct instance *in, struct error *e)
{
	expiry_look(in);
	if (in->api->timer_add(in->host, EXPIRY_LOOK_MS, EXPIRY_LOOK_MS, expiry_look, in, NULL,
			       &in->expiry_timer) != ADIT_OK)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	return ADIT_OK;
}

/* What the certificate says of its life; zero when it is renewed here. */
static void take_life(struct instance *in, const struct sv2_keys *keys)
{
	in->certificate_from = keys->certificate_from;
	in->certificate_until = keys->certificate_until;
}

static int32_t open_workers(struct instance *in, struct error *e)
{
	struct adit_instance_info info = {.size = sizeof(info)};
	int32_t r = in->api->info(in->host, &info);

	if (r != ADIT_OK)
		return error_set(e, r, "the host does not say which worker this is");
	return sv2_workers_open(info.state_dir, info.worker - 1, info.workers, &in->workers, e);
}

static int32_t make_server(struct instance *in, struct error *e)
{
	struct event_base *base = in->api->loop(in->host, "libevent-2");
	struct sv2_server_options options = in->settings.options;
	struct sv2_keys keys;
	int32_t r;

	if (base == NULL)
		return error_set(e, ADIT_E_UNSUPPORTED, "this host has no libevent loop");
	r = sv2_keys_load(&in->settings.keys, &keys, &options, e);
	memcpy(in->public_text, keys.public_text, sizeof(in->public_text));
	if (r == ADIT_OK)
		r = open_workers(in, e);
	if (r == ADIT_OK) {
		options.workers = in->workers;
		options.log = server_log;
		options.log_user = in;
		options.connected = report_connected;
		options.disconnected = report_disconnected;
		options.observer = in;
		in->server = sv2_server_new(base, &options);
		take_life(in, &keys);
		if (in->server == NULL)
			r = error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	sv2_keys_wipe(&keys);
	return r == ADIT_OK ? expiry_watch(in, e) : r;
}

/* Takes over SETTINGS, and what the key files hold now. Nothing changes unless all of it is good.
 */
static int32_t apply(struct instance *in, const struct settings *settings, struct error *e)
{
	struct sv2_server_options options = settings->options;
	struct sv2_keys keys;
	int32_t r = sv2_keys_load(&settings->keys, &keys, &options, e);

	if (r == ADIT_OK) {
		r = sv2_server_configure(in->server, &options);
		if (r != ADIT_OK)
			(void)error_set(e, r, "no certificate could be made");
		take_life(in, &keys);
		if (strcmp(keys.public_text, in->public_text) != 0)
			say_new_key(in, keys.public_text);
	}
	sv2_keys_wipe(&keys);
	return r;
}

static void look_for_certificate(void *user)
{
	struct instance *in = user;
	uint32_t before = in->certificate_until;
	struct error e = {0};
	char line[sizeof(e.text) + 64];

	if (in->settings.keys.static_key[0] == '\0')
		return;
	if (apply(in, &in->settings, &e) != ADIT_OK) {
		(void)snprintf(line, sizeof(line), "reload: %s; it goes on with what it had",
			       e.text);
		instance_log(in, ADIT_LOG_ERROR, line);
	} else if (in->certificate_until != before) {
		instance_log(in, ADIT_LOG_INFO, "a new certificate is in use");
		expiry_look(in);
	}
}

/* The configuration was read again; this role's section may be the same, but a certificate have
 * been renewed. New settings, if there are any, come just behind this event. */
static void on_config_loaded(void *user, const struct adit_event *event)
{
	struct instance *in = user;

	(void)event;
	(void)in->api->timer_add(in->host, SETTINGS_COME_MS, 0, look_for_certificate, in, NULL,
				 NULL);
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
		(void)snprintf(line, sizeof(line), "listens at stratum2+tcp://%s/%s", l.address,
			       in->public_text);
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

static void drop_server(struct instance *in)
{
	sv2_server_free(in->server);
	in->server = NULL;
	sv2_workers_close(in->workers);
	in->workers = NULL;
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
	if (r == ADIT_OK && in->server != NULL)
		r = in->api->subscribe(in->host, "ConfigLoaded", on_config_loaded, in, NULL, NULL);
	if (r != ADIT_OK) {
		drop_server(in);
		return r;
	}
	in->api->status(in->host, in->settings.listens ? "listening" : "no listener, clients only");
	return ADIT_OK;
}

/* Listeners apart, which the process has inherited, everything is taken over as it runs. */
static int32_t plugin_reload(void *instance)
{
	struct instance *in = instance;
	struct settings settings;
	struct error e = {0};
	int32_t r = settings_read(&settings, in->api, in->host, &e);

	if (r == ADIT_OK && strcmp(settings.listen, in->settings.listen) != 0)
		return ADIT_E_UNSUPPORTED;
	if (r == ADIT_OK && in->server != NULL)
		r = apply(in, &settings, &e);
	if (r != ADIT_OK) {
		(void)fail(in, &e);
		return ADIT_E_CONFIG;
	}
	in->settings = settings;
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

static bool nobody_at_the_door(const struct instance *in)
{
	struct sv2_server_stats stats;

	sv2_server_stats(in->server, &stats);
	return stats.handshakes == 0;
}

static void on_setup_turn(void *user)
{
	struct instance *in = user;

	if (!nobody_at_the_door(in) && --in->drain_turns > 0)
		return;
	in->api->timer_cancel(in->host, in->drain_timer);
	in->api->stopped(in->host);
}

/* Who has been accepted is set up before the roles behind this one stop: it then is told to
 * reconnect, instead of finding a closed door. Everybody else waits in the listener's queue for the
 * process that comes next. */
static int32_t plugin_drain(void *instance)
{
	struct instance *in = instance;

	if (in->server == NULL)
		return ADIT_OK;
	sv2_server_pause(in->server);
	if (nobody_at_the_door(in))
		return ADIT_OK;
	in->drain_turns = SETUP_TURNS;
	return in->api->timer_add(in->host, SETUP_TURN_MS, SETUP_TURN_MS, on_setup_turn, in, NULL,
				  &in->drain_timer) == ADIT_OK
		   ? ADIT_E_UNAVAILABLE
		   : ADIT_OK;
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
	drop_server(in);
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
    .reload = plugin_reload,
    .stop = plugin_stop,
    .fini = plugin_fini,
    .drain = plugin_drain,
};
