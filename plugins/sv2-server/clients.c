/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/sv2-server/clients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/noise/keys.h"
#include "lib/sv2/client.h"
#include "lib/util/error.h"
#include "plugins/sv2-server/instance.h"

#define ADDRESS_MAX 512

struct adit_sv2_client {
	TAILQ_ENTRY(adit_sv2_client) link;
	struct instance *in;
	struct sv2_client *client;
	void (*log)(void *context, int32_t level, const char *text); /* the plugin's, or NULL */
	void *context;
};

static void client_log(void *user, int32_t level, const char *text)
{
	const struct adit_sv2_client *c = user;
	const struct instance *in = c->in;

	if (c->log != NULL)
		c->log(c->context, level, text);
	else if (in->api->log_enabled(in->host, level))
		in->api->log(in->host, level, text, strlen(text));
}

/* --- options -----------------------------------------------------------------------------------
 */

/* The caller's options as far as its header knew them. */
static struct adit_sv2_client_options known(const struct adit_sv2_client_options *options)
{
	struct adit_sv2_client_options o = {0};
	size_t size = options->size < sizeof(o) ? options->size : sizeof(o);

	memcpy(&o, options, size);
	o.size = sizeof(o);
	return o;
}

/* "HOST:PORT KEY" becomes "HOST:PORT" in ADDRESS; returns where KEY begins, or NULL. A path may
 * have blanks. */
static const char *split_key(const char *text, char address[ADDRESS_MAX])
{
	size_t size = strncmp(text, "unix:", 5) == 0 ? strlen(text) : strcspn(text, " \t");
	const char *key = text + size + strspn(text + size, " \t");

	(void)snprintf(address, ADDRESS_MAX, "%.*s", (int)size, text);
	return *key != '\0' ? key : NULL;
}

/* AUTHORITY gets the key's x; *TO points to it when there is a key. */
static int32_t read_options(const struct adit_sv2_client_options *o, char address[ADDRESS_MAX],
			    uint8_t authority[32], struct sv2_client_options *to, struct error *e)
{
	const char *key;

	if (o->address == NULL || strlen(o->address) >= ADDRESS_MAX)
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "no address, or one too long");
	key = split_key(o->address, address);
	if (o->authority != NULL && *o->authority != '\0')
		key = o->authority;
	*to = (struct sv2_client_options){
	    .address = address,
	    .plain = o->plain || strncmp(address, "unix:", 5) == 0,
	    .flags = o->flags,
	    .vendor = o->vendor,
	    .hardware_version = o->hardware_version,
	    .firmware = o->firmware,
	    .device_id = o->device_id,
	    .connect_timeout_ms = o->connect_timeout_ms,
	    .handshake_timeout_ms = o->handshake_timeout_ms,
	    .idle_timeout_ms = o->idle_timeout_ms,
	    .write_timeout_ms = o->write_timeout_ms,
	    .max_pending = o->max_pending,
	    .retry_min_ms = o->retry_min_ms,
	    .retry_max_ms = o->retry_max_ms,
	    .log = client_log,
	};
	if (key == NULL)
		return ADIT_OK;
	if (to->plain)
		return error_set(e, ADIT_E_CONFIG,
				 "%s: an authority key, but the connection is not encrypted",
				 address);
	to->authority_x = authority;
	return noise_public_parse(key, authority, e);
}

/* --- the service -------------------------------------------------------------------------------
 */

static int32_t make(struct clients *all, const struct adit_sv2_client_options *options,
		    uint8_t protocol, const void *handlers, void *context,
		    struct adit_sv2_client *c, struct error *e)
{
	const struct adit_sv2_client_options o = known(options);
	struct event_base *base = all->in->api->loop(all->in->host, "libevent-2");
	struct sv2_client_options lib;
	char address[ADDRESS_MAX];
	uint8_t authority[32];
	int32_t r = read_options(&o, address, authority, &lib, e);

	if (r != ADIT_OK)
		return r;
	if (base == NULL)
		return error_set(e, ADIT_E_UNSUPPORTED, "this host has no libevent loop");
	*c = (struct adit_sv2_client){.in = all->in, .log = o.log, .context = context};
	lib.log_user = c;
	c->client = sv2_client_new(base, &lib, protocol, handlers, context, e);
	return c->client != NULL ? ADIT_OK : e->code;
}

static int32_t client_create(void *service, const struct adit_sv2_client_options *options,
			     uint8_t protocol, const void *handlers, void *context,
			     struct adit_sv2_client **client, char *why, size_t why_size)
{
	struct clients *all = service;
	struct adit_sv2_client *c = calloc(1, sizeof(*c));
	struct error e = {.text = "out of memory"};
	int32_t r = ADIT_E_NO_MEMORY;

	*client = NULL;
	if (c != NULL && handlers != NULL)
		r = make(all, options, protocol, handlers, context, c, &e);
	else if (c != NULL)
		r = error_set(&e, ADIT_E_INVALID_ARGUMENT, "no handlers");
	if (r != ADIT_OK) {
		free(c);
		if (why != NULL && why_size > 0)
			(void)snprintf(why, why_size, "%s", e.text);
		return r;
	}
	TAILQ_INSERT_TAIL(&all->list, c, link);
	all->count++;
	trace_client(all->in, c->client);
	*client = c;
	return ADIT_OK;
}

static void client_free(void *service, struct adit_sv2_client *client)
{
	struct clients *all = service;

	if (client == NULL)
		return;
	TAILQ_REMOVE(&all->list, client, link);
	all->count--;
	sv2_client_free(client->client);
	free(client);
}

static struct adit_sv2_conn *client_conn(void *service, struct adit_sv2_client *client)
{
	(void)service;
	return sv2_client_conn(client->client);
}

void clients_init(struct clients *all, struct instance *in)
{
	*all = (struct clients){.in = in,
				.service = {.size = sizeof(all->service),
					    .version = 1,
					    .service = all,
					    .create = client_create,
					    .free = client_free,
					    .conn = client_conn}};
	TAILQ_INIT(&all->list);
}

void clients_free_all(struct clients *all)
{
	struct adit_sv2_client *c;

	while ((c = TAILQ_FIRST(&all->list)) != NULL)
		client_free(all, c);
}

uint32_t clients_trace(struct clients *all, uint32_t id, const struct sv2_tracer *tracer)
{
	struct adit_sv2_client *c;
	uint32_t count = 0;

	TAILQ_FOREACH(c, &all->list, link)
	count += sv2_client_trace(c->client, id, tracer);
	return count;
}
