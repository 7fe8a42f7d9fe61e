/* SPDX-License-Identifier: MIT */
/* The role template-provider: serves the Template Distribution Protocol on a Unix socket inside the
 * machine and turns solutions into blocks. */
#include "config.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <adit/plugin.h>
#include <adit/sv2.h>

#include "lib/sv2/server.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"
#include "plugins/template-provider/block.h"
#include "plugins/template-provider/host.h"
#include "plugins/template-provider/provider.h"
#include "plugins/template-provider/source.h"
#include "plugins/template-provider/submit.h"

/* RequestTransactionData.Success of a full block has to fit the queue of a slow reader. */
#define MAX_PENDING ((size_t)32 << 20)

struct tp_plugin {
	struct tp_host host;
	struct tp_provider provider;
	struct tp_source source;
	struct tp_submitter *submitter;
	struct sv2_server *server;
	uint64_t solutions;
	uint64_t timer; /* valid while armed */
	bool armed;
	int64_t max_clients;
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
	char text[384];

	if (s == NULL)
		snprintf(text, sizeof(text), "waiting for the node: %s",
			 p->source.state[0] != '\0' ? p->source.state : "no answer yet");
	else if (p->source.state[0] != '\0')
		snprintf(text, sizeof(text),
			 "the node is away (%s); serving height %u to %u clients", p->source.state,
			 s->height, p->provider.client_count);
	else
		snprintf(text, sizeof(text), "serving height %u to %u clients", s->height,
			 p->provider.client_count);
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

	if (text[0] != '\0')
		tp_log(&p->host, ADIT_LOG_WARNING, "no template from the node: %s", text);
	else
		tp_log(&p->host, ADIT_LOG_INFO, "the node gives templates");
	show_state(p);
}

/* --- what clients say --- */

static void on_opened(void *context, struct adit_sv2_conn *conn)
{
	struct tp_plugin *p = context;
	struct tp_client *c = tp_provider_join(&p->provider, conn);

	adit_sv2_set_user(conn, c);
	if (c == NULL)
		adit_sv2_close(conn, "no memory for another client");
	show_state(p);
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct tp_plugin *p = context;
	struct tp_client *c = adit_sv2_user(conn);

	tp_log(&p->host, ADIT_LOG_DEBUG, "client %s left: %s", adit_sv2_peer(conn), reason);
	if (c != NULL)
		tp_provider_leave(&p->provider, c);
	show_state(p);
}

static int32_t on_constraints(void *context, struct adit_sv2_conn *conn,
			      const struct adit_sv2_coinbase_output_constraints *m)
{
	struct tp_plugin *p = context;
	struct tp_client *c = adit_sv2_user(conn);
	struct error e;

	if (c == NULL)
		return ADIT_E_UNAVAILABLE;
	int32_t r = tp_provider_constrain(&p->provider, c, m->coinbase_output_max_additional_size,
					  m->coinbase_output_max_additional_sigops,
					  clock_monotonic_ms(), &e);
	if (r != ADIT_OK)
		tp_log(&p->host, ADIT_LOG_WARNING, "client %s: %s", adit_sv2_peer(conn), e.text);
	plan(p);
	return r;
}

static int32_t on_request_data(void *context, struct adit_sv2_conn *conn,
			       const struct adit_sv2_request_transaction_data *m)
{
	struct tp_plugin *p = context;

	return tp_provider_transactions(&p->provider, conn, m->template_id);
}

/* There is no answer to SubmitSolution, so a solution that can't be used costs the client nothing
 * but a line in our log. */
static int32_t on_solution(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_submit_solution *m)
{
	struct tp_plugin *p = context;
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
		tp_submit(p->submitter, hash, &block);
		return ADIT_OK;
	}
	buf_free(&block);
	tp_submitter_refused(p->submitter, e.text);
	tp_log(&p->host, ADIT_LOG_WARNING, "solution of client %s: %s", adit_sv2_peer(conn),
	       e.text);
	return ADIT_OK;
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
	p->source.min_interval_ms = (uint32_t)interval;
	p->source.empty_first = (uint32_t)empty_first;
	*instance = p;
	return ADIT_OK;
}

/* This server speaks without encryption, which has no business on a network. */
static int32_t listen_all(struct tp_plugin *p)
{
	const struct tp_host *h = &p->host;
	struct adit_listener l = {.size = sizeof(l)};
	uint32_t i = 0;

	for (; h->api->listener(h->handle, "listen", i, &l) == ADIT_OK; i++) {
		if (!l.is_unix)
			return fail(p, ADIT_E_CONFIG,
				    "listen: only unix:PATH, the connection is not encrypted");
		if (sv2_server_listen(p->server, l.fd, true) != ADIT_OK)
			return fail(p, ADIT_E_IO, "listen: the socket can't be used");
	}
	if (i == 0)
		return fail(p, ADIT_E_CONFIG,
			    "listen: name at least one socket, e.g. unix:tdp.sock");
	return ADIT_OK;
}

static int32_t open_server(struct tp_plugin *p)
{
	const struct tp_host *h = &p->host;
	struct event_base *base = h->api->loop(h->handle, "libevent-2");
	struct sv2_server_options options = {
	    .max_pending = MAX_PENDING, .log = server_log, .log_user = p};

	h->api->config_int(h->handle, "max_clients", &p->max_clients);
	options.max_connections = (uint32_t)p->max_clients;
	if (base == NULL)
		return fail(p, ADIT_E_UNSUPPORTED, "the host's loop is not libevent 2");
	p->server = sv2_server_new(base, &options);
	if (p->server == NULL)
		return fail(p, ADIT_E_NO_MEMORY, "no memory for the server");
	int32_t r = sv2_server_set_template(p->server, &handlers, p);
	if (r == ADIT_OK)
		r = listen_all(p);
	if (r == ADIT_OK)
		sv2_server_set_open(p->server, ADIT_SV2_TEMPLATE_DISTRIBUTION, true);
	return r;
}

static int32_t tp_start(void *instance)
{
	struct tp_plugin *p = instance;
	const struct tp_host *h = &p->host;
	int32_t r;

	p->submitter = tp_submitter_new(h, p->state_dir);
	if (p->submitter == NULL)
		return fail(p, ADIT_E_NO_MEMORY, "no memory");
	r = h->api->register_method(h->handle, "status", ADIT_METHOD_ALL, on_status, p, NULL);
	if (r == ADIT_OK)
		r = open_server(p);
	if (r == ADIT_OK)
		r = tp_source_start(&p->source, h, on_snapshot, on_source_state, p);
	if (r != ADIT_OK)
		return r;
	tp_submitter_resume(p->submitter);
	show_state(p);
	return ADIT_OK;
}

/* Takes over when a better template is worth sending; for another number of clients the role is
 * started again. */
static int32_t tp_reload(void *instance)
{
	struct tp_plugin *p = instance;
	const struct tp_host *h = &p->host;
	int64_t threshold, interval, empty_first, max_clients;

	if (h->api->config_int(h->handle, "fee_threshold", &threshold) != ADIT_OK ||
	    h->api->config_int(h->handle, "min_interval", &interval) != ADIT_OK ||
	    h->api->config_int(h->handle, "empty_first", &empty_first) != ADIT_OK ||
	    h->api->config_int(h->handle, "max_clients", &max_clients) != ADIT_OK ||
	    max_clients != p->max_clients)
		return ADIT_E_UNSUPPORTED;
	p->provider.fee_threshold = (uint64_t)threshold;
	p->provider.min_interval_ms = (uint64_t)interval;
	p->source.min_interval_ms = (uint32_t)interval;
	p->source.empty_first = (uint32_t)empty_first;
	plan(p);
	return ADIT_OK;
}

/* Clients reconnect by themselves; a block that is under way stays in the journal. */
static int32_t tp_stop(void *instance)
{
	struct tp_plugin *p = instance;
	const struct tp_host *h = &p->host;

	tp_source_stop(&p->source);
	sv2_server_free(p->server);
	p->server = NULL;
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
