/* SPDX-License-Identifier: MIT */
/* uplink_jds.c: the job declaration server: tokens, and what it says of declarations. */
#include "config.h"

#include "plugins/jdc/uplink.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/declared_coinbase.h"
#include "lib/util/clock.h"
#include "lib/util/reader.h"

/* --- tokens ------------------------------------------------------------------------------------
 */

static void drop_token(struct uplink *u)
{
	u->token_count--;
	memmove(u->tokens, u->tokens + 1, u->token_count * sizeof u->tokens[0]);
}

void uplink_fill_tokens(struct uplink *u, uint64_t now_ms)
{
	const char *user = u->o.pool->user;
	struct adit_sv2_allocate_mining_job_token m = {
	    .user_identifier = {.data = (const uint8_t *)user, .size = (uint32_t)strlen(user)}};

	while (u->token_count > 0 && now_ms - u->tokens[0].at_ms >= TOKEN_AGE_MS)
		drop_token(u);
	if (u->asked_count > 0 && now_ms - u->asked_ms[0] >= u->o.settings->answer_timeout_ms) {
		uplink_fail(u, UPSTREAM_UNANSWERED, "AllocateMiningJobToken: no answer");
		return;
	}
	while (u->token_count + u->asked_count < u->o.settings->tokens && u->jds.conn != NULL) {
		m.request_id = ++u->last_request;
		u->asked_tokens[u->asked_count] = m.request_id;
		u->asked_ms[u->asked_count++] = now_ms;
		adit_sv2_send(u->jds.conn, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN, &m);
	}
}

bool uplink_take_token(struct uplink *u, uint64_t now_ms, struct uplink_token *token)
{
	while (u->token_count > 0 && now_ms - u->tokens[0].at_ms >= TOKEN_AGE_MS)
		drop_token(u);
	if (u->token_count == 0)
		return false;
	*token = u->tokens[0];
	drop_token(u);
	return true;
}

static void on_opened(void *context, struct adit_sv2_conn *conn,
		      const struct adit_sv2_setup_connection_success *success)
{
	struct uplink_side *side = context;

	(void)success;
	uplink_side_opened(side, conn);
	if (uplink_alive(side->uplink))
		uplink_fill_tokens(side->uplink, clock_monotonic_ms());
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	(void)conn;
	uplink_side_closed(context, reason);
}

static bool forget_request(struct uplink *u, uint32_t request_id)
{
	uint32_t at = 0;

	while (at < u->asked_count && u->asked_tokens[at] != request_id)
		at++;
	if (at == u->asked_count)
		return false;
	u->asked_count--;
	memmove(&u->asked_tokens[at], &u->asked_tokens[at + 1],
		(u->asked_count - at) * sizeof u->asked_tokens[0]);
	memmove(&u->asked_ms[at], &u->asked_ms[at + 1],
		(u->asked_count - at) * sizeof u->asked_ms[0]);
	return true;
}

/* Outputs of value 0, one at least (specification 06 section 6.4.3). */
static bool outputs_valid(const struct adit_bytes *outputs)
{
	struct outputs_summary s;

	return outputs->size <= UPLINK_OUTPUTS_MAX &&
	       outputs_summarize(outputs->data, outputs->size, (const uint8_t *)"", 0, &s) &&
	       s.count > 0 && s.total == 0;
}

/* Tokens that were given out for other outputs are worth nothing then. */
static void take_outputs(struct uplink *u, const struct adit_bytes *outputs)
{
	bool first = u->outputs.size == 0;

	if (u->outputs.size == outputs->size &&
	    memcmp(u->outputs.data, outputs->data, outputs->size) == 0)
		return;
	if (!uplink_may_change(u))
		return;
	buf_clear(&u->outputs);
	(void)buf_append(&u->outputs, outputs->data, outputs->size);
	u->token_count = 0;
	uplink_drop_unsaid(u);
	if (!first && u->ready && u->o.events->outputs)
		u->o.events->outputs(u->o.context, u);
}

static int32_t on_token(void *context, struct adit_sv2_conn *conn,
			const struct adit_sv2_allocate_mining_job_token_success *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;
	uint64_t now = clock_monotonic_ms();
	struct uplink_token *token;

	(void)conn;
	if (!uplink_alive(u))
		return ADIT_OK;
	if (!forget_request(u, m->request_id)) {
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL, "a token that was not asked for");
		return ADIT_OK;
	}
	if (!outputs_valid(&m->coinbase_tx_outputs)) {
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL, "a token with unusable outputs");
		return ADIT_OK;
	}
	take_outputs(u, &m->coinbase_tx_outputs);
	if (u->token_count == UPLINK_TOKENS_MAX)
		drop_token(u);
	token = &u->tokens[u->token_count++];
	token->size = (uint8_t)m->mining_job_token.size;
	memcpy(token->data, m->mining_job_token.data, token->size);
	token->at_ms = now;
	u->counts.tokens++;
	uplink_check_ready(u);
	uplink_step(u, now);
	return ADIT_OK;
}

/* --- declarations ------------------------------------------------------------------------------
 */

static void no_such_request(struct uplink *u, const char *what)
{
	uplink_fail(u, UPSTREAM_BROKE_PROTOCOL, "%s for nothing that was asked", what);
}

static int32_t on_declared(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_declare_mining_job_success *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;
	struct declaration *d = uplink_find_request(u, DECLARATION_DECLARED, m->request_id);

	(void)conn;
	if (!uplink_alive(u))
		return ADIT_OK;
	if (!d) {
		no_such_request(u, "DeclareMiningJob.Success");
		return ADIT_OK;
	}
	uplink_declared(u, d);
	uplink_set_job(u, d, &m->new_mining_job_token, clock_monotonic_ms());
	return ADIT_OK;
}

static int32_t on_declare_error(void *context, struct adit_sv2_conn *conn,
				const struct adit_sv2_declare_mining_job_error *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;
	struct declaration *d = uplink_find_request(u, DECLARATION_DECLARED, m->request_id);

	(void)conn;
	if (!uplink_alive(u))
		return ADIT_OK;
	if (d)
		uplink_refused(u, d, "DeclareMiningJob.Error", &m->error_code);
	else
		no_such_request(u, "DeclareMiningJob.Error");
	return ADIT_OK;
}

/* Where each of D's transactions begins, in AT (d->tx_count + 1 places, from calloc). */
static size_t *index_transactions(const struct declaration *d)
{
	size_t *at = calloc((size_t)d->tx_count + 1, sizeof *at);
	struct reader r;

	if (!at)
		return NULL;
	reader_init(&r, d->txs.data, d->txs.size);
	for (uint32_t i = 0; i < d->tx_count; i++) {
		at[i] = (size_t)(r.at - d->txs.data);
		(void)reader_bytes(&r, reader_u24(&r));
	}
	at[d->tx_count] = d->txs.size;
	return at;
}

/* The transactions at POSITIONS, each with its length, into OUT. False: there is none at one of
 * them, or it is asked for twice, or no memory. */
static bool collect(const struct declaration *d, const struct adit_sv2_seq *positions,
		    struct buf *out)
{
	size_t *at = index_transactions(d);
	bool good = at != NULL && positions->count <= d->tx_count;

	for (uint32_t i = 0; good && i < positions->count; i++) {
		uint32_t place = positions->data[2 * i] | (uint32_t)positions->data[2 * i + 1] << 8;

		good = place < d->tx_count;
		if (good)
			good = buf_append(out, d->txs.data + at[place], at[place + 1] - at[place]);
	}
	free(at);
	return good;
}

static int32_t on_provide(void *context, struct adit_sv2_conn *conn,
			  const struct adit_sv2_provide_missing_transactions *m)
{
	struct uplink *u = ((struct uplink_side *)context)->uplink;
	struct declaration *d = uplink_find_request(u, DECLARATION_DECLARED, m->request_id);
	struct adit_sv2_provide_missing_transactions_success answer = {.request_id = m->request_id};
	struct buf out = {.limit = (size_t)16 << 20};

	if (!uplink_alive(u))
		return ADIT_OK;
	if (!d) {
		no_such_request(u, "ProvideMissingTransactions");
		return ADIT_OK;
	}
	if (++d->provided > UPLINK_PROVIDES_MAX ||
	    !collect(d, &m->unknown_tx_position_list, &out)) {
		buf_free(&out);
		uplink_fail(u, UPSTREAM_BROKE_PROTOCOL,
			    "ProvideMissingTransactions asks for what is not declared");
		return ADIT_OK;
	}
	u->counts.provided += m->unknown_tx_position_list.count;
	answer.transaction_list = (struct adit_sv2_seq){.data = out.data,
							.size = (uint32_t)out.size,
							.count = m->unknown_tx_position_list.count};
	d->since_ms = clock_monotonic_ms(); /* it has asked: its time begins again */
	adit_sv2_send(conn, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS_SUCCESS, &answer);
	buf_free(&out);
	return ADIT_OK;
}

static int32_t on_reconnect(void *context, struct adit_sv2_conn *conn,
			    const struct adit_sv2_reconnect *m)
{
	(void)conn;
	return uplink_redirect(context, m);
}

const struct adit_sv2_job_declaration_client_handlers uplink_jds_handlers = {
    .size = sizeof(struct adit_sv2_job_declaration_client_handlers),
    .opened = on_opened,
    .closed = on_closed,
    .reconnect = on_reconnect,
    .allocate_mining_job_token_success = on_token,
    .provide_missing_transactions = on_provide,
    .declare_mining_job_success = on_declared,
    .declare_mining_job_error = on_declare_error,
};
