/* SPDX-License-Identifier: MIT */
/* The role template-provider: serves the Template Distribution Protocol, on a Unix socket inside
 * the machine and over TCP with Noise to others, and turns solutions into blocks. */
#include "config.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <adit/plugin.h>
#include <adit/sv2.h>

#include "lib/sv2/keys.h"
#include "lib/sv2/log.h"
#include "lib/sv2/server.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"
#include "plugins/template-provider/block.h"
#include "plugins/template-provider/host.h"
#include "plugins/template-provider/listen.h"
#include "plugins/template-provider/provider.h"
#include "plugins/template-provider/sources.h"
#include "plugins/template-provider/submit.h"

#define EXPIRY_LOOK_MS 3600000u
#define SETTINGS_COME_MS 100

/* What the handlers of a server know: whose clients come there. */
struct tp_door {
	struct tp_plugin *plugin;
	bool remote;
};

struct tp_plugin {
	struct tp_host host;
	struct tp_provider provider;
	struct tp_sources sources;
	struct tp_submitter *submitter;
	struct tp_listen listen;
	struct tp_door doors[2]; /* this machine's, the others' */
	struct sv2_log peers;    /* for what clients can cause */
	uint64_t expiry_timer;   /* of a certificate that isn't renewed here */
	uint64_t solutions;
	uint64_t timer; /* valid while armed */
	bool armed;
	char state_dir[4096];
};

static void plan(struct tp_plugin *p);

static void on_timer(void *user)
{
	struct tp_plugin *p = user;

	p->armed = false;
	plan(p);
}

/* Does what is due and arms the one timer for what comes next. Called after everything that
 * happened. */
static void plan(struct tp_plugin *p)
{
	const struct tp_host *h = &p->host;
	uint64_t now = clock_monotonic_ms();
	uint64_t next = tp_provider_tick(&p->provider, now);

	if (p->armed)
		h->api->timer_cancel(h->handle, p->timer);
	p->armed = false;
	if (next == 0)
		return;
	uint32_t delay = next > now ? (uint32_t)(next - now) : 0;
	p->armed = h->api->timer_add(h->handle, delay, 0, on_timer, p, NULL, &p->timer) == ADIT_OK;
}

static void show_state(const struct tp_plugin *p)
{
	const struct tp_snapshot *s = p->provider.latest;
	const char *state = p->sources.state;
	char text[800];

	if (s == NULL)
		snprintf(text, sizeof(text), "waiting for the node: %s",
			 state[0] != '\0' ? state : "no answer yet");
	else if (state[0] == '\0')
		snprintf(text, sizeof(text), "serving height %u to %u clients", s->height,
			 p->provider.client_count);
	else if (tp_sources_well(&p->sources))
		snprintf(text, sizeof(text), "serving height %u from %s to %u clients; %s",
			 s->height, tp_sources_active(&p->sources), p->provider.client_count,
			 state);
	else
		snprintf(text, sizeof(text),
			 "serving height %u to %u clients; the node is away (%s)", s->height,
			 p->provider.client_count, state);
	p->host.api->status(p->host.handle, text);
}

/* --- what the source says --- */

static void on_snapshot(void *user, struct tp_snapshot *s)
{
	struct tp_plugin *p = user;

	bool new_tip = tp_provider_update(&p->provider, s, clock_monotonic_ms());

	plan(p);
	if (!new_tip)
		return;
	s = p->provider.latest;
	tp_log(&p->host, ADIT_LOG_DEBUG, "template for height %u: %u transactions", s->height,
	       s->tx_count);
	tp_submitter_tip(p->submitter, s->prev_hash);
	show_state(p);
}

static void on_source_state(void *user, const char *text)
{
	struct tp_plugin *p = user;

	if (text[0] != '\0' && tp_sources_well(&p->sources))
		tp_log(&p->host, ADIT_LOG_WARNING, "%s", text);
	else if (text[0] != '\0')
		tp_log(&p->host, ADIT_LOG_WARNING, "no template from the node: %s", text);
	else
		tp_log(&p->host, ADIT_LOG_INFO, "the node gives templates");
	show_state(p);
}

static const struct tp_source_callbacks source_callbacks = {on_snapshot, on_source_state};

/* --- what clients say --- */

static struct tp_plugin *plugin_of(void *context)
{
	const struct tp_door *door = context;

	return door->plugin;
}

static void on_opened(void *context, struct adit_sv2_conn *conn)
{
	const struct tp_door *door = context;
	struct tp_plugin *p = door->plugin;
	struct tp_client *c =
	    tp_provider_join(&p->provider, conn, door->remote, clock_monotonic_ms());

	adit_sv2_set_user(conn, c);
	if (c == NULL)
		adit_sv2_close(conn, "no memory for another client");
	plan(p);
	show_state(p);
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct tp_plugin *p = plugin_of(context);
	struct tp_client *c = adit_sv2_user(conn);

	tp_log(&p->host, ADIT_LOG_DEBUG, "client %s left: %s", adit_sv2_peer(conn), reason);
	if (c != NULL)
		tp_provider_leave(&p->provider, c);
	show_state(p);
}

static int32_t on_constraints(void *context, struct adit_sv2_conn *conn,
			      const struct adit_sv2_coinbase_output_constraints *m)
{
	struct tp_plugin *p = plugin_of(context);
	struct tp_client *c = adit_sv2_user(conn);
	struct error e;

	if (c == NULL)
		return ADIT_E_UNAVAILABLE;
	int32_t r = tp_provider_constrain(&p->provider, c, m->coinbase_output_max_additional_size,
					  m->coinbase_output_max_additional_sigops,
					  clock_monotonic_ms(), &e);
	if (r != ADIT_OK)
		sv2_log_limited(&p->peers, ADIT_LOG_WARNING, "client %s: %s", adit_sv2_peer(conn),
				e.text);
	plan(p);
	return r;
}

static int32_t on_request_data(void *context, struct adit_sv2_conn *conn,
			       const struct adit_sv2_request_transaction_data *m)
{
	struct tp_plugin *p = plugin_of(context);
	struct tp_client *c = adit_sv2_user(conn);

	if (c == NULL)
		return ADIT_E_UNAVAILABLE;
	return tp_provider_transactions(&p->provider, c, m->template_id, clock_monotonic_ms());
}

/* There is no answer to SubmitSolution: one that can't be used, as it happens around a new tip,
 * costs the client nothing but a line in our log, unless it sends nothing else. */
static int32_t on_solution(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_submit_solution *m)
{
	struct tp_plugin *p = plugin_of(context);
	struct tp_client *c = adit_sv2_user(conn);
	struct tp_template *t = tp_store_find(&p->provider.store, m->template_id, NULL);
	struct tp_solution solution = {
	    .version = m->version,
	    .ntime = m->header_timestamp,
	    .nonce = m->header_nonce,
	    .coinbase = m->coinbase_tx.data,
	    .coinbase_size = m->coinbase_tx.size,
	};
	struct buf block = {0};
	uint8_t hash[32];
	struct error e = {0};

	p->solutions++;
	if (t == NULL)
		error_set(&e, ADIT_E_NOT_FOUND, "its template %llu is not known (any more)",
			  (unsigned long long)m->template_id);
	else if (tp_block_assemble(t, &solution, &block, hash, &e) == ADIT_OK) {
		tp_submit(p->submitter, hash, &block, t->snapshot->origin,
			  !t->snapshot->partial && t->tx_count == t->snapshot->tx_count);
		return c != NULL ? tp_provider_solution(c, true) : ADIT_OK;
	}
	buf_free(&block);
	tp_submitter_refused(p->submitter, e.text);
	sv2_log_limited(&p->peers, ADIT_LOG_WARNING, "solution of client %s: %s",
			adit_sv2_peer(conn), e.text);
	return c != NULL ? tp_provider_solution(c, false) : ADIT_OK;
}

static const struct adit_sv2_template_server_handlers handlers = {
    .size = sizeof(handlers),
    .opened = on_opened,
    .closed = on_closed,
    .coinbase_output_constraints = on_constraints,
    .request_transaction_data = on_request_data,
    .submit_solution = on_solution,
};

/* --- the method `status` --- */

static void add_u64(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static struct json_object *status_object(const struct tp_plugin *p)
{
	const struct tp_snapshot *s = p->provider.latest;
	struct json_object *o = json_object_new_object();
	struct tp_submit_stats stats;
	char hex[65] = "";
	uint64_t fees = 0;

	tp_submitter_stats(p->submitter, &stats);
	if (s != NULL) {
		hex_encode_reversed(s->prev_hash, 32, hex);
		tp_fit(s, 0, 0, &fees);
	}
	json_object_object_add(o, "source", json_object_new_string(tp_sources_active(&p->sources)));
	add_u64(o, "clients", p->provider.client_count);
	add_u64(o, "templates", p->provider.store.count);
	add_u64(o, "template_id", p->provider.last_id);
	add_u64(o, "height", s != NULL ? s->height : 0);
	json_object_object_add(o, "prev_hash", json_object_new_string(hex));
	add_u64(o, "fees", fees);
	add_u64(o, "tx_count", s != NULL ? s->tx_count : 0);
	add_u64(o, "solutions", p->solutions);
	add_u64(o, "accepted", stats.accepted);
	add_u64(o, "rejected", stats.rejected);
	add_u64(o, "pending", stats.pending);
	json_object_object_add(o, "last_reject", json_object_new_string(stats.last_reject));
	add_u64(o, "remote_clients", p->provider.remote_count);
	add_u64(o, "refused_requests", p->provider.refused_requests);
	json_object_object_add(o, "network", tp_listen_json(&p->listen));
	return o;
}

static void on_status(void *user, struct adit_request *request,
		      const struct adit_request_info *info)
{
	struct tp_plugin *p = user;
	struct json_object *o = status_object(p);
	size_t size;
	const char *json = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, &size);

	(void)info;
	p->host.api->reply(p->host.handle, request, ADIT_OK, "", json, size, NULL, 0);
	json_object_put(o);
}

/* --- life cycle --- */

static void server_log(void *user, int32_t level, const char *text)
{
	struct tp_plugin *p = user;

	tp_log(&p->host, level, "%s", text);
}

static int32_t fail(struct tp_plugin *p, int32_t code, const char *text)
{
	p->host.api->set_error(p->host.handle, text);
	return code;
}

static int32_t tp_init(const struct adit_host_api *api, struct adit_host *host, void **instance)
{
	struct adit_instance_info info = {.size = sizeof(info)};
	struct tp_plugin *p = calloc(1, sizeof(*p));
	int64_t threshold, interval, empty_first;

	if (p == NULL)
		return ADIT_E_NO_MEMORY;
	p->host = (struct tp_host){.api = api, .handle = host};
	p->peers = (struct sv2_log){.fn = server_log, .user = p};
	if (api->info(host, &info) != ADIT_OK || info.state_dir == NULL ||
	    api->config_int(host, "fee_threshold", &threshold) != ADIT_OK ||
	    api->config_int(host, "min_interval", &interval) != ADIT_OK ||
	    api->config_int(host, "empty_first", &empty_first) != ADIT_OK) {
		int32_t r =
		    fail(p, ADIT_E_CONFIG, "fee_threshold, min_interval, empty_first: no value");

		free(p);
		return r;
	}
	snprintf(p->state_dir, sizeof(p->state_dir), "%s", info.state_dir);
	tp_provider_init(&p->provider, (uint64_t)threshold, (uint64_t)interval, clock_unix_ms());
	p->sources.settings = (struct tp_source_settings){.fee_threshold = (uint64_t)threshold,
							  .min_interval_ms = (uint32_t)interval,
							  .empty_first = (uint32_t)empty_first};
	*instance = p;
	return ADIT_OK;
}

/* What of the settings concerns what clients get. */
static void take_settings(struct tp_plugin *p, const struct tp_settings *s)
{
	p->provider.limits = s->limits;
}

static int32_t open_servers(struct tp_plugin *p)
{
	struct error e = {0};
	int32_t r;

	p->doors[0] = (struct tp_door){.plugin = p};
	p->doors[1] = (struct tp_door){.plugin = p, .remote = true};
	r = tp_listen_open(&p->listen, &p->host, &handlers, &p->doors[0], &p->doors[1], server_log,
			   p, &e);
	if (r != ADIT_OK)
		return fail(p, r, e.text);
	take_settings(p, &p->listen.settings);
	return ADIT_OK;
}

/* --- a certificate of an authority elsewhere ---
 *
 * It is not renewed here: before it ends the log says so at every look, and louder when it is over.
 */

static void expiry_look(void *user)
{
	const struct tp_plugin *p = user;
	char line[512];
	int32_t level =
	    sv2_certificate_expiry(p->listen.certificate_from, p->listen.certificate_until,
				   clock_unix(), line, sizeof(line));

	if (level >= 0)
		tp_log(&p->host, level, "%s", line);
}

static void look_for_certificate(void *user)
{
	struct tp_plugin *p = user;
	struct tp_settings same = p->listen.settings;
	uint32_t before = p->listen.certificate_until;
	struct error e = {0};

	if (tp_listen_configure(&p->listen, &same, &e) != ADIT_OK)
		tp_log(&p->host, ADIT_LOG_ERROR, "reload: %s; it goes on with what it had", e.text);
	else if (p->listen.certificate_until != before)
		tp_log(&p->host, ADIT_LOG_INFO, "a new certificate is in use");
	expiry_look(p);
}

/* The configuration was read again; this role's section may be the same, but a certificate have
 * been renewed. New settings, if there are any, come just behind this event. */
static void on_config_loaded(void *user, const struct adit_event *event)
{
	struct tp_plugin *p = user;
	const struct tp_host *h = &p->host;

	(void)event;
	(void)h->api->timer_add(h->handle, SETTINGS_COME_MS, 0, look_for_certificate, p, NULL,
				NULL);
}

static int32_t watch_certificate(struct tp_plugin *p)
{
	const struct tp_host *h = &p->host;
	int32_t r;

	if (p->listen.remote == NULL)
		return ADIT_OK;
	expiry_look(p);
	r = h->api->timer_add(h->handle, EXPIRY_LOOK_MS, EXPIRY_LOOK_MS, expiry_look, p, NULL,
			      &p->expiry_timer);
	if (r == ADIT_OK)
		r = h->api->subscribe(h->handle, "ConfigLoaded", on_config_loaded, p, NULL, NULL);
	return r == ADIT_OK ? r : fail(p, r, "no memory");
}

static int32_t tp_start(void *instance)
{
	struct tp_plugin *p = instance;
	const struct tp_host *h = &p->host;
	struct error e;
	int32_t r;

	p->submitter = tp_submitter_new(h, p->state_dir);
	if (p->submitter == NULL)
		return fail(p, ADIT_E_NO_MEMORY, "no memory");
	r = h->api->register_method(h->handle, "status", ADIT_METHOD_ALL, on_status, p, NULL);
	if (r == ADIT_OK)
		r = open_servers(p);
	if (r == ADIT_OK)
		r = watch_certificate(p);
	if (r != ADIT_OK)
		return r;
	if (tp_sources_start(&p->sources, h, &source_callbacks, p, &e) != ADIT_OK)
		return fail(p, e.code, e.text);
	tp_submitter_resume(p->submitter, tp_sources_submit, &p->sources);
	show_state(p);
	return ADIT_OK;
}

/* Clients stay connected. Where it listens can't be changed in a running process. */
static int32_t tp_reload(void *instance)
{
	struct tp_plugin *p = instance;
	const struct tp_host *h = &p->host;
	int64_t threshold, interval, empty_first;
	struct tp_settings settings;
	struct error e = {0};
	int32_t r;

	if (h->api->config_int(h->handle, "fee_threshold", &threshold) != ADIT_OK ||
	    h->api->config_int(h->handle, "min_interval", &interval) != ADIT_OK ||
	    h->api->config_int(h->handle, "empty_first", &empty_first) != ADIT_OK ||
	    tp_sources_changed(&p->sources))
		return ADIT_E_UNSUPPORTED;
	r = tp_settings_read(&settings, h, &e);
	if (r == ADIT_OK)
		r = tp_listen_configure(&p->listen, &settings, &e);
	if (r != ADIT_OK)
		return r == ADIT_E_UNSUPPORTED ? r : fail(p, ADIT_E_CONFIG, e.text);
	take_settings(p, &settings);
	p->provider.fee_threshold = (uint64_t)threshold;
	p->provider.min_interval_ms = (uint64_t)interval;
	p->sources.settings = (struct tp_source_settings){.fee_threshold = (uint64_t)threshold,
							  .min_interval_ms = (uint32_t)interval,
							  .empty_first = (uint32_t)empty_first};
	plan(p);
	return ADIT_OK;
}

/* Clients reconnect by themselves; a block that is under way stays in the journal. */
static int32_t tp_stop(void *instance)
{
	struct tp_plugin *p = instance;
	const struct tp_host *h = &p->host;

	tp_sources_stop(&p->sources);
	tp_listen_close(&p->listen);
	if (p->armed)
		h->api->timer_cancel(h->handle, p->timer);
	p->armed = false;
	tp_submitter_free(p->submitter);
	p->submitter = NULL;
	return ADIT_OK;
}

static void tp_fini(void *instance)
{
	struct tp_plugin *p = instance;

	tp_stop(p);
	tp_provider_fini(&p->provider);
	free(p);
}

ADIT_EXPORT extern const struct adit_plugin_descriptor adit_plugin;

const struct adit_plugin_descriptor adit_plugin = {
    .magic = ADIT_PLUGIN_MAGIC,
    .abi_major = ADIT_ABI_MAJOR,
    .abi_minor = ADIT_ABI_MINOR,
    .size = sizeof(struct adit_plugin_descriptor),
    .name = "template-provider",
    .version = PACKAGE_VERSION,
    .init = tp_init,
    .start = tp_start,
    .reload = tp_reload,
    .stop = tp_stop,
    .fini = tp_fini,
};
