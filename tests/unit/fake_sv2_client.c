/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/fake_sv2_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What every client's table begins with. */
struct callbacks {
	uint32_t size;
	ADIT_SV2_CLIENT_CALLBACKS
};

static const struct callbacks *callbacks_of(const struct adit_sv2_client *c)
{
	return c->handlers;
}

static int32_t create(void *service, const struct adit_sv2_client_options *options,
		      uint8_t protocol, const void *handlers, void *context,
		      struct adit_sv2_client **client, char *why, size_t why_size)
{
	struct fake_clients *f = service;
	struct adit_sv2_client *c;

	*client = NULL;
	if (f->verdict != ADIT_OK) {
		snprintf(why, why_size, "as the test said");
		return f->verdict;
	}
	if (f->count == FAKE_CLIENTS_MAX)
		abort();
	c = calloc(1, sizeof *c);
	if (c == NULL)
		abort();
	c->protocol = protocol;
	c->handlers = handlers;
	c->context = context;
	c->flags = options->flags;
	snprintf(c->address, sizeof c->address, "%s", options->address);
	snprintf(c->authority, sizeof c->authority, "%s",
		 options->authority != NULL ? options->authority : "");
	f->items[f->count++] = c;
	*client = c;
	return ADIT_OK;
}

static void client_free(void *service, struct adit_sv2_client *c)
{
	(void)service;
	if (c == NULL)
		return;
	if (c->freed)
		abort();
	if (c->conn != NULL)
		fake_client_close(c, "the client stops");
	c->freed = true;
}

static struct adit_sv2_conn *client_conn(void *service, struct adit_sv2_client *c)
{
	(void)service;
	return c->conn != NULL ? &c->conn->head : NULL;
}

void fake_clients_init(struct fake_clients *f)
{
	*f = (struct fake_clients){.service = {.size = sizeof f->service,
					       .version = 1,
					       .service = f,
					       .create = create,
					       .free = client_free,
					       .conn = client_conn}};
}

void fake_clients_fini(struct fake_clients *f)
{
	for (size_t i = 0; i < f->count; i++) {
		if (!f->items[i]->freed)
			abort();
		if (f->items[i]->last != NULL)
			fake_conn_free(f->items[i]->last);
		free(f->items[i]);
	}
	f->count = 0;
}

struct adit_sv2_client *fake_client_find(struct fake_clients *f, uint8_t protocol,
					 const char *address)
{
	for (size_t i = f->count; i > 0; i--) {
		struct adit_sv2_client *c = f->items[i - 1];

		if (!c->freed && c->protocol == protocol &&
		    (address == NULL || strcmp(c->address, address) == 0))
			return c;
	}
	return NULL;
}

size_t fake_clients_live(const struct fake_clients *f)
{
	size_t live = 0;

	for (size_t i = 0; i < f->count; i++)
		live += !f->items[i]->freed;
	return live;
}

struct fake_conn *fake_client_open(struct fake_clients *f, struct adit_sv2_client *c,
				   uint32_t flags)
{
	const struct adit_sv2_setup_connection_success success = {.used_version = 2,
								  .flags = flags};
	static uint32_t last_id;

	if (c->last != NULL)
		fake_conn_free(c->last);
	c->last = c->conn = fake_conn_new(++last_id, c->flags);
	c->conn->extensions = f->grants & callbacks_of(c)->wanted_extensions;
	callbacks_of(c)->opened(c->context, &c->conn->head, &success);
	return c->conn;
}

void fake_client_close(struct adit_sv2_client *c, const char *reason)
{
	struct fake_conn *conn = c->conn;

	c->conn = NULL;
	if (conn != NULL)
		conn->closed = true;
	callbacks_of(c)->closed(c->context, conn != NULL ? &conn->head : NULL, reason);
}
