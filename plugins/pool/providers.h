/* SPDX-License-Identifier: MIT */
/*
 * providers.h: the template providers, in order of preference. All are connected; work comes from
 * the first that has a template and a tip. When none is left, the last work goes on.
 */
#ifndef POOL_PROVIDERS_H
#define POOL_PROVIDERS_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/sv2.h>

#include "lib/util/error.h"
#include "plugins/pool/settings.h"
#include "plugins/pool/templates.h"

#define PROVIDER_FUTURES_MAX 8

struct event_base;
struct pool;
struct sv2_client;

struct provider {
	struct pool *pool;
	char *address;         /* without the key; owned */
	uint8_t authority[32]; /* x of the authority key that a HOST:PORT must prove */
	struct sv2_client *client;
	struct adit_sv2_conn *conn; /* NULL: not connected */
	bool has_tip;               /* since it connected */
	struct tip tip;
	struct template *current;                       /* newest of the tip */
	struct template *futures[PROVIDER_FUTURES_MAX]; /* oldest first */
	uint32_t future_count;
};

struct providers {
	struct provider items[POOL_PROVIDERS_MAX];
	uint32_t count;
	struct provider *active; /* whose work is mined; NULL: none is ready */
};

/* Starts to connect to the configured providers. */
int32_t providers_start(struct pool *pool, struct event_base *base, struct error *e);
void providers_fini(struct pool *pool);

/* The handlers of every provider's connection; context is a struct provider. */
extern const struct adit_sv2_template_client_handlers provider_handlers;

#endif
