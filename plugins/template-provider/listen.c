/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/template-provider/listen.h"

#include <stdio.h>
#include <string.h>

/* RequestTransactionData.Success of a full block has to fit the queue of a slow reader. */
#define MAX_PENDING ((size_t)32 << 20)
/* Beside what was asked for, the templates of one more tip. */
#define BESIDE_OUTSTANDING ((size_t)8 << 20)
/* A tenth of what a block may have. */
#define MAX_SIGOPS 8000

/* --- settings ----------------------------------------------------------------------------------
 */

static int32_t read_number(const struct tp_host *h, const char *key, uint32_t divisor,
			   uint32_t *out, struct error *e)
{
	int64_t value;

	if (h->api->config_int(h->handle, key, &value) != ADIT_OK || value < 0 ||
	    value / divisor > UINT32_MAX)
		return error_set(e, ADIT_E_CONFIG, "%s: no usable value", key);
	*out = (uint32_t)(value / divisor);
	return ADIT_OK;
}

static int32_t read_keys(struct tp_settings *s, const struct tp_host *h, struct error *e)
{
	struct adit_instance_info info = {.size = sizeof(info)};

	if (h->api->info(h->handle, &info) != ADIT_OK || info.state_dir == NULL)
		return error_set(e, ADIT_E_CONFIG, "the host does not tell the state directory");
	return sv2_key_files_set(&s->keys, h->api->config(h->handle, "authority_key"),
				 h->api->config(h->handle, "static_key"),
				 h->api->config(h->handle, "certificate"), info.state_dir, e);
}

int32_t tp_settings_read(struct tp_settings *s, const struct tp_host *h, struct error *e)
{
	uint32_t outstanding = 0;
	const struct {
		const char *key;
		uint32_t divisor;
		uint32_t *out;
	} numbers[] = {
	    {"max_clients", 1, &s->max_clients},
	    {"certificate_validity", 1000, &s->remote.certificate_validity},
	    {"certificate_skew", 1000, &s->remote.certificate_skew},
	    {"max_handshakes", 1, &s->remote.max_handshakes},
	    {"max_per_address", 1, &s->remote.max_per_address},
	    {"accept_rate", 1, &s->remote.accept_rate},
	    {"max_coinbase", 1, &s->limits.size},
	    {"max_requests", 1, &s->limits.requests},
	    {"max_outstanding", 1, &outstanding},
	};
	const char *listen = h->api->config(h->handle, "listen");
	int32_t r = ADIT_OK;

	*s = (struct tp_settings){.limits.sigops = MAX_SIGOPS};
	if (listen != NULL && strlen(listen) >= sizeof(s->listen))
		return error_set(e, ADIT_E_CONFIG, "listen: more than %zu bytes",
				 sizeof(s->listen) - 1);
	(void)snprintf(s->listen, sizeof(s->listen), "%s", listen != NULL ? listen : "");
	for (size_t i = 0; r == ADIT_OK && i < sizeof(numbers) / sizeof(numbers[0]); i++)
		r = read_number(h, numbers[i].key, numbers[i].divisor, numbers[i].out, e);
	s->remote.max_connections = s->max_clients;
	s->remote.max_pending = outstanding + BESIDE_OUTSTANDING;
	s->limits.outstanding = outstanding;
	return r == ADIT_OK ? read_keys(s, h, e) : r;
}

/* --- servers -----------------------------------------------------------------------------------
 */

/* What is asked of OPTIONS beyond the settings is the same for both. */
static int32_t start_server(struct tp_listen *l, struct sv2_server **server,
			    const struct sv2_server_options *options,
			    const struct adit_sv2_template_server_handlers *handlers, void *context,
			    struct error *e)
{
	const struct tp_host *h = l->host;
	struct event_base *base = h->api->loop(h->handle, "libevent-2");
	int32_t r;

	if (base == NULL)
		return error_set(e, ADIT_E_UNSUPPORTED, "the host's loop is not libevent 2");
	*server = sv2_server_new(base, options);
	if (*server == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "no memory for the server");
	r = sv2_server_set_template(*server, handlers, context);
	return r == ADIT_OK ? r : error_set(e, r, "the server takes no handlers");
}

/* Loads the keys and has the server, if it is there, take them over with SETTINGS. */
static int32_t load_keys(struct tp_listen *l, const struct tp_settings *settings,
			 struct sv2_keys *keys, struct sv2_server_options *options, struct error *e)
{
	int32_t r;

	*options = settings->remote;
	r = sv2_keys_load(&settings->keys, keys, options, e);
	if (r == ADIT_OK && l->remote != NULL &&
	    sv2_server_configure(l->remote, options) != ADIT_OK)
		r = error_set(e, ADIT_E_INTERNAL, "no certificate could be made");
	if (r != ADIT_OK)
		return r;
	if (l->public_text[0] != '\0' && strcmp(l->public_text, keys->public_text) != 0)
		tp_log(l->host, ADIT_LOG_WARNING,
		       "another authority: clients have to be configured with its key %s",
		       keys->public_text);
	memcpy(l->public_text, keys->public_text, sizeof(l->public_text));
	l->certificate_from = keys->certificate_from;
	l->certificate_until = keys->certificate_until;
	return ADIT_OK;
}

static int32_t listen_at(struct tp_listen *l, const struct adit_listener *at, struct error *e)
{
	struct sv2_server *server = at->is_unix ? l->local : l->remote;

	if (sv2_server_listen(server, at->fd, at->is_unix != 0) != ADIT_OK)
		return error_set(e, ADIT_E_IO, "listen: %s: the socket can't be used", at->address);
	if (!at->is_unix)
		tp_log(l->host, ADIT_LOG_INFO,
		       "pools on other machines connect with: template_provider = %s %s",
		       at->address, l->public_text);
	return ADIT_OK;
}

static int32_t count_kinds(const struct tp_listen *l, uint32_t *local, uint32_t *remote,
			   struct error *e)
{
	const struct tp_host *h = l->host;
	struct adit_listener at = {.size = sizeof(at)};

	*local = *remote = 0;
	for (uint32_t i = 0; h->api->listener(h->handle, "listen", i, &at) == ADIT_OK; i++)
		*(at.is_unix ? local : remote) += 1;
	if (*local + *remote > 0)
		return ADIT_OK;
	return error_set(e, ADIT_E_CONFIG, "listen: name at least one socket, e.g. unix:tdp.sock");
}

static int32_t listen_all(struct tp_listen *l, struct error *e)
{
	const struct tp_host *h = l->host;
	struct adit_listener at = {.size = sizeof(at)};
	int32_t r = ADIT_OK;

	for (uint32_t i = 0;
	     r == ADIT_OK && h->api->listener(h->handle, "listen", i, &at) == ADIT_OK; i++)
		r = listen_at(l, &at, e);
	if (r != ADIT_OK)
		return r;
	if (l->local != NULL)
		sv2_server_set_open(l->local, ADIT_SV2_TEMPLATE_DISTRIBUTION, true);
	if (l->remote != NULL)
		sv2_server_set_open(l->remote, ADIT_SV2_TEMPLATE_DISTRIBUTION, true);
	return ADIT_OK;
}

static void local_options(const struct tp_settings *s, struct sv2_server_options *out)
{
	*out = (struct sv2_server_options){.max_connections = s->max_clients,
					   .max_pending = MAX_PENDING};
}

int32_t tp_listen_open(struct tp_listen *l, const struct tp_host *h,
		       const struct adit_sv2_template_server_handlers *handlers, void *local,
		       void *remote, sv2_log_fn log, void *log_user, struct error *e)
{
	struct sv2_server_options options;
	struct sv2_keys keys;
	uint32_t locals, remotes;
	int32_t r;

	l->host = h;
	r = tp_settings_read(&l->settings, h, e);
	if (r == ADIT_OK)
		r = count_kinds(l, &locals, &remotes, e);
	if (r == ADIT_OK && locals > 0) {
		local_options(&l->settings, &options);
		options.log = log;
		options.log_user = log_user;
		r = start_server(l, &l->local, &options, handlers, local, e);
	}
	if (r == ADIT_OK && remotes > 0) {
		r = load_keys(l, &l->settings, &keys, &options, e);
		options.log = log;
		options.log_user = log_user;
		if (r == ADIT_OK)
			r = start_server(l, &l->remote, &options, handlers, remote, e);
		sv2_keys_wipe(&keys);
	}
	return r == ADIT_OK ? listen_all(l, e) : r;
}

int32_t tp_listen_configure(struct tp_listen *l, const struct tp_settings *s, struct error *e)
{
	struct sv2_server_options options;
	struct sv2_keys keys;
	int32_t r = ADIT_OK;

	if (strcmp(s->listen, l->settings.listen) != 0)
		return error_set(e, ADIT_E_UNSUPPORTED, "other addresses");
	if (l->remote != NULL) {
		r = load_keys(l, s, &keys, &options, e);
		sv2_keys_wipe(&keys);
	}
	if (r != ADIT_OK)
		return r;
	l->settings = *s;
	if (l->local == NULL)
		return ADIT_OK;
	local_options(s, &options);
	return sv2_server_configure(l->local, &options);
}

void tp_listen_close(struct tp_listen *l)
{
	sv2_server_free(l->local);
	sv2_server_free(l->remote);
	l->local = l->remote = NULL;
}

/* --- status ------------------------------------------------------------------------------------
 */

static void add_u64(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static struct json_object *addresses(const struct tp_listen *l)
{
	const struct tp_host *h = l->host;
	struct json_object *list = json_object_new_array();
	struct adit_listener at = {.size = sizeof(at)};

	for (uint32_t i = 0; h->api->listener(h->handle, "listen", i, &at) == ADIT_OK; i++) {
		if (!at.is_unix)
			json_object_array_add(list, json_object_new_string(at.address));
	}
	return list;
}

struct json_object *tp_listen_json(const struct tp_listen *l)
{
	struct sv2_server_stats stats;
	struct json_object *o;

	if (l->remote == NULL)
		return NULL;
	o = json_object_new_object();
	sv2_server_stats(l->remote, &stats);
	json_object_object_add(o, "listen", addresses(l));
	json_object_object_add(o, "authority_public_key", json_object_new_string(l->public_text));
	add_u64(o, "certificate_expires", stats.certificate_until);
	json_object_object_add(o, "certificate_renewed",
			       json_object_new_boolean(l->certificate_until == 0));
	add_u64(o, "connections", stats.connections);
	add_u64(o, "handshakes", stats.handshakes);
	add_u64(o, "accepted", stats.accepted);
	add_u64(o, "refused_connections", stats.refused_connections);
	add_u64(o, "refused_handshakes", stats.refused_handshakes);
	add_u64(o, "refused_address", stats.refused_address);
	add_u64(o, "refused_memory", stats.refused_memory);
	add_u64(o, "refused_setup", stats.refused_setup);
	add_u64(o, "accept_delays", stats.accept_delays);
	add_u64(o, "handshakes_failed", stats.handshakes_failed);
	add_u64(o, "protocol_errors", stats.protocol_errors);
	add_u64(o, "bytes_queued", stats.bytes_queued);
	add_u64(o, "bytes_out", stats.bytes_out);
	return o;
}
