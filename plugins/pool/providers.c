/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/providers.h"

#include <stdlib.h>
#include <string.h>

#include "lib/noise/keys.h"
#include "lib/sv2/client.h"
#include "plugins/pool/pool.h"
#include "plugins/pool/status.h"
#include "plugins/pool/work.h"

/* A provider on the same machine is back soon. */
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000

static void drop_futures(struct provider *p)
{
	for (uint32_t i = 0; i < p->future_count; i++)
		template_unref(p->futures[i]);
	p->future_count = 0;
}

static void set_current(struct provider *p, struct template *t)
{
	template_ref(t);
	template_unref(p->current);
	p->current = t;
}

static bool is_ready(const struct provider *p)
{
	return p->conn && p->has_tip;
}

/* The first provider that is ready becomes the active one; its work goes out if it is new. */
static void choose_active(struct pool *pool)
{
	struct providers *all = &pool->providers;
	struct provider *best = NULL;

	for (uint32_t i = 0; i < all->count && !best; i++) {
		if (is_ready(&all->items[i]))
			best = &all->items[i];
	}
	if (best != all->active) {
		all->active = best;
		if (best && best->current != pool->current) {
			pool_log(pool, ADIT_LOG_INFO, "templates now come from %s", best->address);
			work_switch(pool, best->current);
		}
	}
	status_update(pool);
}

static void provider_opened(void *context, struct adit_sv2_conn *conn,
			    const struct adit_sv2_setup_connection_success *success)
{
	struct provider *p = context;
	const struct payout *payout = &p->pool->config.payout;
	struct adit_sv2_coinbase_output_constraints constraints = {
	    .coinbase_output_max_additional_size = payout->size,
	    .coinbase_output_max_additional_sigops = payout->sigops,
	};

	(void)success;
	p->conn = conn;
	p->has_tip = false;
	adit_sv2_send(conn, ADIT_SV2_COINBASE_OUTPUT_CONSTRAINTS, &constraints);
	status_update(p->pool);
}

static void provider_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct provider *p = context;
	bool was_connected = p->conn != NULL;

	(void)conn;
	(void)reason; /* the client has logged it */
	p->conn = NULL;
	drop_futures(p);
	choose_active(p->pool);
	if (was_connected && p->pool->current && !p->pool->providers.active &&
	    p->pool->providers.count > 0)
		pool_log(p->pool, ADIT_LOG_WARNING,
			 "no template provider is left: mining goes on with the last template");
}

static void add_future(struct provider *p, struct template *t)
{
	if (p->future_count == PROVIDER_FUTURES_MAX) {
		template_unref(p->futures[0]);
		memmove(&p->futures[0], &p->futures[1],
			(PROVIDER_FUTURES_MAX - 1) * sizeof(struct template *));
		p->future_count--;
	}
	p->futures[p->future_count++] = template_ref(t);
	/* The first future template of a connection is the present work, not a look ahead: it goes
	 * out when its tip is known, without ending work on the same tip. */
	if (p->pool->providers.active == p && p->has_tip)
		work_future(p->pool, t);
}

static int32_t provider_new_template(void *context, struct adit_sv2_conn *conn,
				     const struct adit_sv2_new_template *message)
{
	struct provider *p = context;
	struct pool *pool = p->pool;
	struct coinbase_parts parts = {.payout = &pool->config.payout,
				       .tag = pool->config.tag,
				       .extranonce_size = extranonce_size(&pool->extranonce)};
	struct error e = {0};
	struct template *t;

	(void)conn;
	if (!message->future_template && !p->has_tip) {
		pool_log(pool, ADIT_LOG_WARNING, "template provider %s: a template before any tip",
			 p->address);
		return ADIT_E_PROTOCOL;
	}
	t = template_new(message, &parts, &e);
	if (!t) {
		pool_log(pool, ADIT_LOG_WARNING, "template provider %s: template %llu refused: %s",
			 p->address, (unsigned long long)message->template_id, e.text);
		return e.code;
	}
	t->provider = p;
	if (message->future_template) {
		add_future(p, t);
	} else {
		t->tip = p->tip;
		set_current(p, t);
		if (pool->providers.active == p)
			work_now(pool, t);
	}
	template_unref(t);
	return ADIT_OK;
}

static struct template *find_future(struct provider *p, uint64_t id)
{
	/* Newest first: a provider may send an id again. */
	for (uint32_t i = p->future_count; i-- > 0;) {
		if (p->futures[i]->id == id)
			return p->futures[i];
	}
	return NULL;
}

static int32_t provider_new_prev_hash(void *context, struct adit_sv2_conn *conn,
				      const struct adit_sv2_template_set_new_prev_hash *message)
{
	struct provider *p = context;
	struct pool *pool = p->pool;
	struct template *t = find_future(p, message->template_id);
	struct error e = {0};
	struct tip tip;

	(void)conn;
	if (!t)
		error_set(&e, ADIT_E_PROTOCOL, "SetNewPrevHash for unknown template %llu",
			  (unsigned long long)message->template_id);
	if (!t || tip_read(&tip, message, &e) != ADIT_OK) {
		pool_log(pool, ADIT_LOG_WARNING, "template provider %s: %s", p->address, e.text);
		return e.code;
	}
	t->tip = tip;
	p->tip = tip;
	p->has_tip = true;
	set_current(p, t);
	if (pool->providers.active == p)
		work_switch(pool, t);
	drop_futures(p);
	choose_active(pool);
	blocks_tip(pool, p);
	return ADIT_OK;
}

const struct adit_sv2_template_client_handlers provider_handlers = {
    .size = sizeof(struct adit_sv2_template_client_handlers),
    .opened = provider_opened,
    .closed = provider_closed,
    .new_template = provider_new_template,
    .template_set_new_prev_hash = provider_new_prev_hash,
};

static void client_log(void *user, int32_t level, const char *text)
{
	struct provider *p = user;

	pool_log(p->pool, level, "template provider: %s", text);
}

/* "unix:PATH" is plain, inside of the machine; everything else is "HOST:PORT KEY", encrypted, with
 * the authority's public key. */
static int32_t read_address(struct provider *p, const char *text, bool *plain, struct error *e)
{
	size_t size = strcspn(text, " \t");
	const char *key = text + size + strspn(text + size, " \t");
	struct error why = {0};

	*plain = strncmp(text, "unix:", 5) == 0;
	if (*plain)
		size = strlen(text);
	else if (noise_public_parse(key, p->authority, &why) != ADIT_OK)
		return error_set(e, ADIT_E_CONFIG,
				 "template_provider: %s: expected HOST:PORT and the provider's "
				 "authority public key: %s",
				 text, why.text);
	p->address = strndup(text, size);
	return p->address ? ADIT_OK : error_set(e, ADIT_E_NO_MEMORY, "out of memory");
}

static int32_t provider_start(struct provider *p, struct event_base *base, const char *text,
			      struct error *e)
{
	struct sv2_client_options options = {.retry_min_ms = RETRY_MIN_MS,
					     .retry_max_ms = RETRY_MAX_MS,
					     .log = client_log,
					     .log_user = p};
	int32_t result = read_address(p, text, &options.plain, e);

	if (result != ADIT_OK)
		return result;
	options.address = p->address;
	options.authority_x = options.plain ? NULL : p->authority;
	p->client = sv2_client_new_template(base, &options, &provider_handlers, p, e);
	return p->client ? ADIT_OK : e->code;
}

int32_t providers_start(struct pool *pool, struct event_base *base, struct error *e)
{
	struct providers *all = &pool->providers;

	for (uint32_t i = 0; i < pool->config.provider_count; i++) {
		struct provider *p = &all->items[all->count++];
		int32_t result;

		*p = (struct provider){.pool = pool};
		result = provider_start(p, base, pool->config.providers[i], e);
		if (result != ADIT_OK)
			return result;
	}
	return ADIT_OK;
}

void providers_fini(struct pool *pool)
{
	struct providers *all = &pool->providers;
	uint32_t count = all->count;

	all->count = 0; /* closing them one by one moves no work from one to the next */
	for (uint32_t i = 0; i < count; i++) {
		struct provider *p = &all->items[i];

		if (p->client)
			sv2_client_free(p->client);
		p->client = NULL;
		drop_futures(p);
		template_unref(p->current);
		p->current = NULL;
		free(p->address);
		p->address = NULL;
	}
	all->active = NULL;
}
