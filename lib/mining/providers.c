/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/providers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mining/engine.h"
#include "lib/mining/preference.h"
#include "lib/mining/work.h"
#include "lib/noise/keys.h"
#include "lib/sv2/client.h"
#include "lib/util/clock.h"

/* A provider on the same machine is back soon. */
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000

/* How many times `provider_patience` a block may take to become the tip, and the least of it. */
#define OWING_PATIENCES 5
#define OWING_MIN_MS 1000

/* What a provider may send. */
#define TEMPLATES_MAX 5000
#define TEMPLATES_WINDOW_MS 10000
#define TEMPLATES_TOO_MANY "more than 5000 templates in 10 seconds"

static void drop_futures(struct provider *p)
{
	for (uint32_t i = 0; i < p->future_count; i++)
		template_unref(p->futures[i]);
	p->future_count = 0;
}

/* T may be NULL. */
static void set_current(struct provider *p, struct template *t)
{
	if (t)
		template_ref(t);
	template_unref(p->current);
	p->current = t;
}

/* --- whose work is mined -----------------------------------------------------------------------
 */

static void choose_active(struct mining *mining);

/* Whether what P sends goes out to the channels. */
static bool is_mined(const struct provider *p)
{
	return p->mining->providers.active == p && p->mining->source == SOURCE_TEMPLATES;
}

static void on_timer(void *user)
{
	struct mining *mining = user;

	mining->providers.armed = false;
	choose_active(mining);
}

static void arm(struct mining *mining, uint64_t at_ms, uint64_t now_ms)
{
	struct providers *all = &mining->providers;
	uint32_t delay = at_ms > now_ms ? (uint32_t)(at_ms - now_ms) : 0;

	if (all->armed)
		mining->api->timer_cancel(mining->host, all->timer);
	all->armed_ms = at_ms;
	all->armed = at_ms != 0 && mining->api->timer_add(mining->host, delay, 0, on_timer, mining,
							  NULL, &all->timer) == ADIT_OK;
}

static const char *why_not(const struct provider *p)
{
	if (!p->conn)
		return "is not connected";
	if (p->behind_ms)
		return "is behind";
	if (p->owes_ms)
		return "made no tip of a block";
	return preference_is_ready(p) ? "was preferred less" : "has no usable template";
}

static void log_switch(struct mining *mining, const struct provider *from,
		       const struct provider *to)
{
	if (from)
		mining_log(mining, ADIT_LOG_INFO,
			   "templates now come from %s, at height %u: %s, at height %u, %s",
			   to->address, to->current->height, from->address,
			   from->current ? from->current->height : 0, why_not(from));
	else
		mining_log(mining, ADIT_LOG_INFO, "templates now come from %s, at height %u",
			   to->address, to->current->height);
}

/* Work first, words later. The future jobs of the one before are made again should it come back:
 * channels to come would not know them. */
static void activate(struct mining *mining, struct provider *best)
{
	struct providers *all = &mining->providers;
	struct provider *before = all->active;

	all->active = best;
	for (uint32_t i = 0; before && i < before->future_count; i++)
		before->futures[i]->announced = false;
	if (!best)
		return;
	best->switches_to++;
	if (best->current != mining->current && mining->source == SOURCE_TEMPLATES) {
		work_switch(mining, best->current);
		log_switch(mining, before, best);
	}
}

static void blame(struct provider *p, const char *text);

/* Blocks that became of nothing are worth a line each. */
static void blame_owing(struct providers *all, uint64_t now_ms)
{
	for (uint32_t i = 0; i < all->count; i++) {
		struct provider *p = &all->items[i];

		if (p->owing_told || !preference_owes_long(all, p, now_ms))
			continue;
		p->owing_told = true;
		blame(p, "it was sent a block, and its tip is the one before still");
	}
}

void providers_sent_block(struct mining *mining, struct provider *p, const uint8_t prev_hash[32])
{
	struct providers *all = &mining->providers;
	uint64_t now = clock_monotonic_ms();

	if (!p->has_tip || memcmp(p->tip.prev_hash, prev_hash, 32) != 0)
		return;
	preference_owes(p, now);
	if (!all->armed || all->armed_ms > now + all->owing_ms)
		arm(mining, now + all->owing_ms, now);
}

static void choose_active(struct mining *mining)
{
	struct providers *all = &mining->providers;
	uint64_t now = clock_monotonic_ms();
	uint64_t next;
	bool mined = mining->current && mining->source == SOURCE_TEMPLATES;
	struct provider *best =
	    preference_pick(all, mined ? mining->current->height : 0, now, &next);

	if (best != all->active)
		activate(mining, best);
	if ((best != NULL) != all->there) {
		all->there = best != NULL;
		if (mining->hooks->templates)
			mining->hooks->templates(mining->context, all->there);
	}
	blame_owing(all, now);
	if (all->count > 0)
		arm(mining, next, now);
	mining_changed(mining);
}

/* --- connections -------------------------------------------------------------------------------
 */

static void send_constraints(struct provider *p)
{
	const struct mining_limits *limits = &p->mining->limits;
	struct adit_sv2_coinbase_output_constraints constraints = {
	    .coinbase_output_max_additional_size = limits->size,
	    .coinbase_output_max_additional_sigops = limits->sigops,
	};

	p->constraints_size = limits->size;
	p->constraints_sigops = limits->sigops;
	p->answers_constraints = true;
	adit_sv2_send(p->conn, ADIT_SV2_COINBASE_OUTPUT_CONSTRAINTS, &constraints);
}

static void provider_opened(void *context, struct adit_sv2_conn *conn,
			    const struct adit_sv2_setup_connection_success *success)
{
	struct provider *p = context;

	(void)success;
	p->conn = conn;
	p->away[0] = '\0';
	p->has_tip = false;
	p->has_refused_id = false;
	send_constraints(p);
	mining_changed(p->mining);
}

static void provider_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct provider *p = context;
	struct providers *all = &p->mining->providers;
	bool was_connected = p->conn != NULL;

	(void)conn;
	snprintf(p->away, sizeof p->away, "%s", reason); /* the client has logged it */
	if (preference_is_ready(p))
		preference_failed(p);
	p->conn = NULL;
	drop_futures(p);
	choose_active(p->mining);
	if (was_connected && p->mining->current && p->mining->source == SOURCE_TEMPLATES &&
	    !all->active && !all->lost_ms && all->count > 0)
		mining_log(p->mining, ADIT_LOG_WARNING,
			   "no template provider is left: mining goes on with the last template");
}

/* --- templates ---------------------------------------------------------------------------------
 */

static void remove_future(struct provider *p, uint32_t at)
{
	template_unref(p->futures[at]);
	p->future_count--;
	memmove(&p->futures[at], &p->futures[at + 1],
		(p->future_count - at) * sizeof p->futures[0]);
}

static struct template *find_future(struct provider *p, uint64_t id, uint32_t *at)
{
	for (*at = 0; *at < p->future_count; ++*at) {
		if (p->futures[*at]->id == id)
			return p->futures[*at];
	}
	return NULL;
}

static void add_future(struct provider *p, struct template *t)
{
	uint32_t at;

	/* An id that comes again means the new template. The job of the old one ends with the tip.
	 */
	if (find_future(p, t->id, &at))
		remove_future(p, at);
	else if (p->future_count == PROVIDER_FUTURES_MAX)
		remove_future(p, 0);
	p->futures[p->future_count++] = template_ref(t);
	/* What answers the constraints is most likely the present work, not a look ahead: it goes
	 * out when its tip is known, without ending work on the same tip. */
	t->due = p->has_tip && !p->answers_constraints;
}

/* All that came in one read is known. A future template whose SetNewPrevHash came with it went out
 * with that, to one connection after the other; the others are announced now. */
static void provider_batch_end(void *context, struct adit_sv2_conn *conn)
{
	struct provider *p = context;

	(void)conn;
	for (uint32_t i = 0; i < p->future_count; i++) {
		struct template *t = p->futures[i];

		if (t->due && !t->announced && is_mined(p))
			work_future(p->mining, t);
		t->due = false;
	}
}

/* A template on the tip that P is on. */
static void take_current(struct provider *p, struct template *t)
{
	struct mining *mining = p->mining;

	t->tip = p->tip;
	set_current(p, t);
	if (is_mined(p)) {
		work_now(mining, t);
		return;
	}
	if (mining->providers.active == p)
		return;
	preference_well(p, clock_monotonic_ms(), mining->providers.return_ms);
	choose_active(mining);
}

/* Says what is wrong with P: aloud when it is something new. */
static void blame(struct provider *p, const char *text)
{
	bool again = strncmp(p->fault, text, sizeof p->fault - 1) == 0;

	mining_log(p->mining, again ? ADIT_LOG_DEBUG : ADIT_LOG_WARNING, "template provider %s: %s",
		   p->address, text);
	snprintf(p->fault, sizeof p->fault, "%s", text);
}

/* A template that can't be mined. The others of P stay; when a tip is to come with it, P has no
 * work there. */
static void refuse(struct provider *p, const struct adit_sv2_new_template *message,
		   const struct error *why)
{
	char text[sizeof p->fault];
	uint32_t at;

	p->refused++;
	snprintf(text, sizeof text, "template refused: %.140s", why->text);
	blame(p, text);
	if (!message->future_template)
		return;
	if (find_future(p, message->template_id, &at))
		remove_future(p, at);
	p->refused_id = message->template_id;
	p->has_refused_id = true;
}

/* Each template is a message to every miner, so there is an end to it. Nodes that make blocks on
 * demand, for tests, have hundreds a second for a while; no other has. */
static int32_t count_template(struct provider *p)
{
	uint64_t now = clock_monotonic_ms();

	if (now - p->window_ms >= TEMPLATES_WINDOW_MS) {
		p->window_ms = now;
		p->window_count = 0;
	}
	if (++p->window_count <= TEMPLATES_MAX)
		return ADIT_OK;
	p->window_ms = 0;
	blame(p, TEMPLATES_TOO_MANY);
	return ADIT_E_LIMIT;
}

static struct coinbase_parts coinbase_parts(const struct mining *mining)
{
	const struct extranonce *x = &mining->extranonce;

	return (struct coinbase_parts){.tag = mining->has_base_tag ? mining->base_tag
								   : mining->config.tag,
				       .extranonce_size = extranonce_size(x),
				       .base_size = x->size.base,
				       .version_rolling = mining->config.version_rolling,
				       .outputs_size = mining->limits.size};
}

static int32_t provider_new_template(void *context, struct adit_sv2_conn *conn,
				     const struct adit_sv2_new_template *message)
{
	struct provider *p = context;
	struct mining *mining = p->mining;
	struct coinbase_parts parts = coinbase_parts(mining);
	struct error e = {0};
	struct template *t;

	(void)conn;
	if (count_template(p) != ADIT_OK)
		return ADIT_E_LIMIT;
	if (!message->future_template && !p->has_tip) {
		blame(p, "a template before any tip");
		return ADIT_E_PROTOCOL;
	}
	t = template_new(message, &parts, &e);
	if (!t) {
		refuse(p, message, &e);
		return ADIT_OK;
	}
	t->mining = mining;
	t->provider = p;
	if (message->future_template)
		add_future(p, t);
	else
		take_current(p, t);
	template_unref(t);
	return ADIT_OK;
}

/* TIP, with the template T for it; NULL when that was refused. */
static void take_tip(struct provider *p, const struct tip *tip, struct template *t)
{
	struct mining *mining = p->mining;

	if (memcmp(p->tip.prev_hash, tip->prev_hash, 32) != 0) {
		p->owes_ms = 0;
		p->owing_told = false;
	}
	p->tip = *tip;
	p->has_tip = true;
	p->answers_constraints = false;
	set_current(p, t);
	if (t) {
		t->tip = *tip;
		if (is_mined(p))
			work_switch(mining, t);
		preference_well(p, clock_monotonic_ms(), mining->providers.return_ms);
	} else {
		preference_failed(p);
	}
	drop_futures(p);
	choose_active(mining);
	blocks_tip(mining, p);
}

static int32_t provider_new_prev_hash(void *context, struct adit_sv2_conn *conn,
				      const struct adit_sv2_template_set_new_prev_hash *message)
{
	struct provider *p = context;
	uint32_t at;
	struct template *t = find_future(p, message->template_id, &at);
	bool refused = p->has_refused_id && p->refused_id == message->template_id;
	char text[sizeof p->fault];
	struct error e = {0};
	struct tip tip;

	(void)conn;
	if (!t && !refused) {
		snprintf(text, sizeof text, "SetNewPrevHash for unknown template %llu",
			 (unsigned long long)message->template_id);
		blame(p, text);
		return ADIT_E_PROTOCOL;
	}
	if (tip_read(&tip, message, &e) != ADIT_OK) {
		blame(p, e.text);
		return e.code;
	}
	take_tip(p, &tip, t);
	return ADIT_OK;
}

/* --- another extranonce ------------------------------------------------------------------------
 */

/* What is put in T's place; NULL when it can't be made. */
static struct template *made_again(struct mining *mining, const struct template *t)
{
	struct coinbase_parts parts = coinbase_parts(mining);
	struct error e = {0};
	struct template *again = template_again(t, &parts, &e);

	if (!again)
		mining_log(mining, ADIT_LOG_ERROR, "a template can't be used any more: %s", e.text);
	return again;
}

static void remake_futures(struct provider *p)
{
	for (uint32_t i = p->future_count; i-- > 0;) {
		struct template *again = made_again(p->mining, p->futures[i]);

		if (again) {
			template_unref(p->futures[i]);
			p->futures[i] = again;
		} else {
			p->refused_id = p->futures[i]->id;
			p->has_refused_id = true;
			remove_future(p, i);
		}
	}
}

/* AGAIN is mined in the place of what was; NULL is no work, as at first. */
static void replace_current(struct mining *mining, struct template *again)
{
	if (again)
		template_ref(again);
	template_unref(mining->current);
	mining->current = again;
}

void providers_remake(struct mining *mining)
{
	struct template *before = mining->current;
	struct template *again;

	for (uint32_t i = 0; i < mining->providers.count; i++) {
		struct provider *p = &mining->providers.items[i];

		remake_futures(p);
		if (!p->current)
			continue;
		again = made_again(mining, p->current);
		if (p->current == mining->current)
			replace_current(mining, again);
		set_current(p, again);
		template_unref(again);
	}
	/* Of a provider that has none on its new tip. */
	if (mining->current && mining->current == before && !before->only) {
		again = made_again(mining, before);
		replace_current(mining, again);
		template_unref(again);
	}
}

/* --- what the role asks for --------------------------------------------------------------------
 */

static int32_t provider_transactions(void *context, struct adit_sv2_conn *conn,
				     const struct adit_sv2_request_transaction_data_success *m)
{
	struct provider *p = context;
	const struct mining_hooks *hooks = p->mining->hooks;

	(void)conn;
	return hooks->transactions ? hooks->transactions(p->mining->context, p, m)
				   : ADIT_E_PROTOCOL;
}

static int32_t provider_no_transactions(void *context, struct adit_sv2_conn *conn,
					const struct adit_sv2_request_transaction_data_error *m)
{
	struct provider *p = context;
	const struct mining_hooks *hooks = p->mining->hooks;

	(void)conn;
	return hooks->no_transactions ? hooks->no_transactions(p->mining->context, p, m)
				      : ADIT_E_PROTOCOL;
}

const struct adit_sv2_template_client_handlers provider_handlers = {
    .size = sizeof(struct adit_sv2_template_client_handlers),
    .opened = provider_opened,
    .batch_end = provider_batch_end,
    .closed = provider_closed,
    .new_template = provider_new_template,
    .template_set_new_prev_hash = provider_new_prev_hash,
    .request_transaction_data_success = provider_transactions,
    .request_transaction_data_error = provider_no_transactions,
};

/* --- life --------------------------------------------------------------------------------------
 */

static void client_log(void *user, int32_t level, const char *text)
{
	struct provider *p = user;

	mining_log(p->mining, level, "template provider: %s", text);
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

static void take_times(struct mining *mining)
{
	struct providers *all = &mining->providers;
	uint32_t owing = OWING_PATIENCES * mining->config.provider_patience_ms;

	all->patience_ms = mining->config.provider_patience_ms;
	all->return_ms = mining->config.provider_return_ms;
	all->owing_ms = owing > OWING_MIN_MS ? owing : OWING_MIN_MS;
}

int32_t providers_start(struct mining *mining, struct event_base *base, struct error *e)
{
	struct providers *all = &mining->providers;

	take_times(mining);
	for (uint32_t i = 0; i < mining->config.provider_count; i++) {
		struct provider *p = &all->items[all->count++];
		int32_t result;

		*p = (struct provider){.mining = mining};
		result = provider_start(p, base, mining->config.providers[i], e);
		if (result != ADIT_OK)
			return result;
	}
	return ADIT_OK;
}

void providers_fini(struct mining *mining)
{
	struct providers *all = &mining->providers;
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
	if (all->armed)
		mining->api->timer_cancel(mining->host, all->timer);
	all->armed = false;
}

void providers_tell_limits(struct mining *mining)
{
	struct providers *all = &mining->providers;
	const struct mining_limits *limits = &mining->limits;

	for (uint32_t i = 0; i < all->count; i++) {
		struct provider *p = &all->items[i];

		if (p->conn && (p->constraints_size != limits->size ||
				p->constraints_sigops != limits->sigops))
			send_constraints(p);
	}
}

void providers_reload(struct mining *mining)
{
	take_times(mining);
	choose_active(mining);
}
