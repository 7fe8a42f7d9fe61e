/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jdc/uplink.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/sv2/socket.h"
#include "lib/util/clock.h"

#define EXTENSIONS_UNANSWERED "no answer to RequestExtensions" /* lib/sv2/conn.c */
#define REFUSED "refused: " /* SetupConnection.Error; lib/sv2/client.c */

/* --- words -------------------------------------------------------------------------------------
 */

void uplink_log(struct uplink *u, int32_t level, const char *format, ...)
{
	char text[512];
	va_list ap;
	int at;

	if (!u->o.api->log_enabled(u->o.host, level))
		return;
	at = snprintf(text, sizeof text, "%s: ", u->o.pool->name);
	va_start(ap, format);
	(void)vsnprintf(text + at, sizeof text - (size_t)at, format, ap);
	va_end(ap);
	u->o.api->log(u->o.host, level, text, strlen(text));
}

const char *uplink_text(const struct adit_bytes *bytes, char *out, size_t capacity)
{
	size_t size = bytes->size < capacity - 1 ? bytes->size : capacity - 1;

	for (size_t i = 0; i < size; i++)
		out[i] = isprint(bytes->data[i]) ? (char)bytes->data[i] : '?';
	out[size] = '\0';
	return out;
}

static void side_log(void *context, int32_t level, const char *text)
{
	struct uplink_side *side = context;

	uplink_log(side->uplink, level, "%s: %s",
		   side == &side->uplink->mining ? "pool" : "job declaration server", text);
}

/* --- faults ------------------------------------------------------------------------------------
 */

static void tell_fault(void *user)
{
	struct uplink *u = user;

	u->fault_due = false;
	u->fault_told = true;
	if (u->o.events->failed)
		u->o.events->failed(u->o.context, u, u->fault, u->fault_text);
}

void uplink_fail(struct uplink *u, enum upstream_fault fault, const char *format, ...)
{
	va_list ap;

	if (!u->connected || u->fault != UPSTREAM_NO_FAULT)
		return;
	u->fault = fault;
	va_start(ap, format);
	(void)vsnprintf(u->fault_text, sizeof u->fault_text, format, ap);
	va_end(ap);
	u->fault_due =
	    u->o.api->timer_add(u->o.host, 0, 0, tell_fault, u, NULL, &u->fault_timer) == ADIT_OK;
}

bool uplink_alive(const struct uplink *u)
{
	return u->connected && u->fault == UPSTREAM_NO_FAULT;
}

/* The texts are the specification's examples and what implementations send; who never sends them
 * is treated as if it had refused for another reason. */
bool uplink_code_stale(const struct adit_bytes *code)
{
	static const char *const codes[] = {"stale-chain-tip", "stale-share"};

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		if (code->size == strlen(codes[i]) && memcmp(code->data, codes[i], code->size) == 0)
			return true;
	}
	return false;
}

void uplink_called_stale(uint64_t *since)
{
	if (*since == 0)
		*since = clock_monotonic_ms();
}

bool uplink_may_change(struct uplink *u)
{
	uint64_t now = clock_monotonic_ms();

	if (u->changes == 0 || now - u->changes_ms >= UPLINK_CHANGES_MS) {
		u->changes_ms = now;
		u->changes = 0;
	}
	if (++u->changes <= UPLINK_CHANGES_MAX)
		return true;
	uplink_fail(u, UPSTREAM_BROKE_PROTOCOL,
		    "its outputs or extranonce prefix changed more than %d times in %d seconds",
		    UPLINK_CHANGES_MAX, UPLINK_CHANGES_MS / 1000);
	return false;
}

void uplink_set_tip(struct uplink *u, const uint8_t prev_hash[32])
{
	if (u->has_tip && memcmp(u->tip, prev_hash, 32) == 0)
		return;
	memcpy(u->tip, prev_hash, 32);
	u->has_tip = true;
	u->tip_number++;
	u->stale_ms = u->stale_job_ms = 0;
}

/* --- connecting --------------------------------------------------------------------------------
 */

static bool declares(const struct uplink *u)
{
	return u->mode == JDC_FULL_TEMPLATE || u->mode == JDC_COINBASE_ONLY;
}

static uint32_t setup_flags(const struct uplink *u, bool mining)
{
	uint32_t flags = 0;

	if (!mining)
		return u->mode == JDC_FULL_TEMPLATE ? ADIT_SV2_DECLARE_TX_DATA : 0;
	if (u->o.settings->mining.version_rolling)
		flags |= ADIT_SV2_REQUIRES_VERSION_ROLLING;
	if (declares(u))
		flags |= ADIT_SV2_REQUIRES_WORK_SELECTION;
	return flags;
}

static void side_free(struct uplink_side *side)
{
	const struct adit_sv2_client_service *clients = side->uplink->o.clients;
	struct adit_sv2_client *client = side->client;

	side->client = NULL;
	side->conn = NULL;
	if (client)
		clients->free(clients->service, client);
}

static void side_start(struct uplink_side *side, const struct pool_server *server)
{
	struct uplink *u = side->uplink;
	const struct adit_sv2_client_service *clients = u->o.clients;
	bool mining = side == &u->mining;
	bool asks = u->o.settings->worker_identity && !side->plain_setup;
	char key[NOISE_KEY_TEXT_SIZE];
	char why[256] = "";
	struct error e = {0};
	int32_t result;
	const struct adit_sv2_client_options options = {
	    .size = sizeof options,
	    .flags = setup_flags(u, mining),
	    .address = side->redirect[0] ? side->redirect : server->address,
	    .authority = key,
	    .connect_timeout_ms = u->o.settings->connect_timeout_ms,
	    .handshake_timeout_ms = u->o.settings->answer_timeout_ms,
	    .log = side_log,
	};

	if (pool_server_key(server, key, &e) != ADIT_OK) {
		uplink_fail(u, UPSTREAM_NOT_REACHED, "%.150s", e.text);
		return;
	}
	if (mining)
		result = adit_sv2_client_mining(clients, &options,
						asks ? &uplink_mining_handlers
						     : &uplink_mining_plain_handlers,
						side, &side->client, why, sizeof why);
	else
		result = adit_sv2_client_job_declaration(clients, &options, &uplink_jds_handlers,
							 side, &side->client, why, sizeof why);
	if (result != ADIT_OK)
		uplink_fail(u, UPSTREAM_NOT_REACHED, "%.150s", why);
}

/* What was said on the connection: nothing of it is known on the next one. */
static void side_forget(struct uplink_side *side)
{
	struct uplink *u = side->uplink;

	if (side == &u->mining) {
		u->open = u->has_group = u->has_job = u->has_pool_tip = false;
		u->opening_ms = 0;
		u->future_count = 0;
	} else {
		u->token_count = u->asked_count = 0;
		buf_clear(&u->outputs);
	}
}

static void clear_attempt(struct uplink *u)
{
	side_forget(&u->mining);
	side_forget(&u->jds);
	u->ready = false;
	u->fault = UPSTREAM_NO_FAULT;
	u->fault_told = false;
	u->stale_ms = u->stale_job_ms = 0;
	u->redirects = 0;
	u->changes = 0;
	u->update_refused = false;
	u->unanswered = 0;
	u->sequence = 0;
	memset(u->sent, 0, sizeof u->sent);
	uplink_forget_declarations(u);
}

/* Where a Reconnect pointed to is for one attempt. */
static void side_forget_redirect(struct uplink_side *side)
{
	if (!side->redirected)
		side->redirect[0] = '\0';
	side->redirected = false;
}

void uplink_connect(struct uplink *u, enum jdc_mode mode, double hash_rate)
{
	const struct pool_settings *pool = u->o.pool;

	uplink_disconnect(u);
	side_forget_redirect(&u->mining);
	side_forget_redirect(&u->jds);
	u->connected = true;
	u->mode = mode;
	u->wanted = pool->hash_rate > 0 && !(hash_rate > 0) ? pool->hash_rate : (float)hash_rate;
	side_start(&u->mining, &pool->pool);
	if (declares(u))
		side_start(&u->jds, &pool->jds);
}

void uplink_disconnect(struct uplink *u)
{
	u->connected = false;
	if (u->fault_due)
		u->o.api->timer_cancel(u->o.host, u->fault_timer);
	u->fault_due = false;
	side_free(&u->mining);
	side_free(&u->jds);
	clear_attempt(u);
}

void uplink_side_opened(struct uplink_side *side, struct adit_sv2_conn *conn)
{
	side->conn = conn;
}

/* The connection is dialled anew within the same attempt. */
static void side_again(struct uplink_side *side)
{
	struct uplink *u = side->uplink;

	side->redirected = false;
	side_free(side);
	side_forget(side);
	side_start(side, side == &u->mining ? &u->o.pool->pool : &u->o.pool->jds);
}

void uplink_side_closed(struct uplink_side *side, const char *reason)
{
	struct uplink *u = side->uplink;
	bool was_open = side->conn != NULL;
	const char *who = side == &u->mining ? "pool" : "job declaration server";

	side->conn = NULL;
	if (!uplink_alive(u) || side->client == NULL) /* it is being freed */
		return;
	if (was_open && side->redirected && !u->ready) {
		side_again(side);
		return;
	}
	/* A pool that does not know of extensions: once more, without asking. */
	if (!was_open && !side->plain_setup && strstr(reason, EXTENSIONS_UNANSWERED) != NULL) {
		side->plain_setup = true;
		side_again(side);
		return;
	}
	if (was_open)
		uplink_fail(u, UPSTREAM_LOST, "%s: %.120s", who, reason);
	else if (strncmp(reason, REFUSED, strlen(REFUSED)) == 0)
		uplink_fail(u, UPSTREAM_SETUP_REFUSED, "%s: %.120s", who, reason);
	else
		uplink_fail(u, UPSTREAM_NOT_REACHED, "%s: %.120s", who, reason);
}

/* The place is kept for the next attempt: an established pool is dialled at once again. */
int32_t uplink_redirect(struct uplink_side *side, const struct adit_sv2_reconnect *m)
{
	struct uplink *u = side->uplink;
	const struct pool_server *now = side == &u->mining ? &u->o.pool->pool : &u->o.pool->jds;
	struct sv2_address to;
	struct error e = {0};

	if (!uplink_alive(u))
		return ADIT_OK;
	if (++u->redirects > UPLINK_REDIRECTS_MAX) {
		uplink_fail(u, UPSTREAM_LOST, "too many Reconnects");
		return ADIT_OK;
	}
	if (sv2_address_parse(side->redirect[0] ? side->redirect : now->address, &to, &e) !=
	    ADIT_OK)
		return ADIT_E_INTERNAL;
	for (uint32_t i = 0; i < m->new_host.size; i++) {
		if (!isgraph(m->new_host.data[i]))
			return ADIT_E_PROTOCOL;
	}
	if (m->new_host.size > 0) {
		memcpy(to.host, m->new_host.data, m->new_host.size);
		to.host[m->new_host.size] = '\0';
	}
	if (m->new_port != 0)
		to.port = m->new_port;
	sv2_address_format(&to, side->redirect, sizeof side->redirect);
	side->redirected = true;
	adit_sv2_close(side->conn, "the pool asked to reconnect");
	if (u->ready)
		uplink_fail(u, UPSTREAM_LOST, "it asked to reconnect to %s", side->redirect);
	return ADIT_OK;
}

void uplink_check_ready(struct uplink *u)
{
	bool has_work = declares(u) ? u->jds.conn != NULL && u->outputs.size > 0 : u->has_job;

	if (u->ready || !uplink_alive(u) || !u->open || !has_work)
		return;
	u->ready = true;
	if (u->o.events->ready)
		u->o.events->ready(u->o.context, u);
}

/* --- time --------------------------------------------------------------------------------------
 */

void uplink_hash_rate(struct uplink *u, double hash_rate)
{
	u->wanted = isfinite(hash_rate) && hash_rate > 0 && hash_rate < 1e30 ? (float)hash_rate : 0;
}

/* UpdateChannel (specification 05 section 5.3.7): not for every breath of the estimate. */
static void update_channel(struct uplink *u, uint64_t now_ms)
{
	struct adit_sv2_update_channel m = {.channel_id = u->channel_id,
					    .nominal_hash_rate = u->wanted};

	if (!u->open || u->mining.conn == NULL || now_ms - u->claimed_ms < 1000 ||
	    fabsf(u->wanted - u->claimed) <= u->claimed / 5)
		return;
	memset(m.max_target.b, 0xff, sizeof m.max_target.b);
	u->claimed = u->wanted;
	u->claimed_ms = now_ms;
	adit_sv2_send(u->mining.conn, ADIT_SV2_UPDATE_CHANNEL, &m);
}

void uplink_tick(struct uplink *u, uint64_t now_ms)
{
	uint32_t patience = u->o.settings->answer_timeout_ms;

	if (u->fault != UPSTREAM_NO_FAULT && !u->fault_due && !u->fault_told)
		tell_fault(u); /* there was no memory for the timer */
	if (!uplink_alive(u))
		return;
	if (u->opening_ms != 0 && now_ms - u->opening_ms >= patience)
		uplink_fail(u, UPSTREAM_UNANSWERED, "OpenExtendedMiningChannel: no answer");
	if ((u->stale_ms != 0 && now_ms >= u->stale_ms + patience) ||
	    (u->stale_job_ms != 0 && now_ms >= u->stale_job_ms + patience))
		uplink_fail(u, UPSTREAM_SHARE_REFUSED,
			    "it calls our tip old, and there is no newer one");
	if (u->jds.conn != NULL)
		uplink_fill_tokens(u, now_ms);
	uplink_step(u, now_ms);
	update_channel(u, now_ms);
}

/* --- life --------------------------------------------------------------------------------------
 */

void uplink_init(struct uplink *u, const struct uplink_options *options)
{
	*u = (struct uplink){.o = *options};
	u->mining.uplink = u->jds.uplink = u;
	u->outputs.limit = UPLINK_OUTPUTS_MAX;
}

void uplink_fini(struct uplink *u)
{
	uplink_disconnect(u);
	buf_free(&u->outputs);
}
