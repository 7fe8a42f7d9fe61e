/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jds/clients.h"

#include <stdlib.h>
#include <string.h>

#include "lib/sv2/token.h"
#include "lib/util/buf.h"
#include "lib/util/clock.h"
#include "plugins/jds/declare.h"
#include "plugins/jds/jobs.h"
#include "plugins/jds/solution.h"

static void on_setup(void *context, struct adit_sv2_conn *conn,
		     const struct adit_sv2_setup_connection *request,
		     struct adit_sv2_setup_result *result)
{
	const struct jds *jds = context;
	bool shows = request->flags & ADIT_SV2_DECLARE_TX_DATA;

	(void)conn;
	if (!shows && jds->settings.modes == JDS_FULL_TEMPLATE)
		result->error_code = "missing-declare-tx-data-flag";
	if (shows && jds->settings.modes == JDS_COINBASE_ONLY) {
		result->error_flags = ADIT_SV2_DECLARE_TX_DATA;
		result->error_code = "unsupported-feature-flags";
	}
}

static void on_opened(void *context, struct adit_sv2_conn *conn)
{
	struct jds *jds = context;
	struct jds_client *client = calloc(1, sizeof(*client));

	adit_sv2_set_user(conn, client);
	if (client == NULL) {
		adit_sv2_close(conn, "out of memory");
		return;
	}
	client->jds = jds;
	client->conn = conn;
	client->shows_transactions = adit_sv2_conn_flags(conn) & ADIT_SV2_DECLARE_TX_DATA;
	client->tokens = JDS_TOKENS_BURST;
	client->tokens_ms = clock_monotonic_ms();
	TAILQ_INIT(&client->jobs);
	TAILQ_INSERT_TAIL(&jds->clients, client, link);
	jds->client_count++;
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct jds *jds = context;
	struct jds_client *client = adit_sv2_user(conn);
	struct jds_job *job;

	jds_log(jds, ADIT_LOG_DEBUG, "client %s left: %s", adit_sv2_peer(conn), reason);
	if (client == NULL)
		return;
	while ((job = TAILQ_FIRST(&client->jobs)) != NULL)
		job_free(job);
	TAILQ_REMOVE(&jds->clients, client, link);
	jds->client_count--;
	free(client);
	adit_sv2_set_user(conn, NULL);
}

/* --- tokens -------------------------------------------------------------------------------------
 */

/* The protocol has no answer that refuses a token, so who asks for too many is sent away. */
static bool may_have_token(struct jds_client *client)
{
	uint64_t now = clock_monotonic_ms();

	client->tokens += (double)(now - client->tokens_ms) * JDS_TOKENS_RATE / 1000;
	client->tokens_ms = now;
	if (client->tokens > JDS_TOKENS_BURST)
		client->tokens = JDS_TOKENS_BURST;
	if (client->tokens < 1)
		return false;
	client->tokens--;
	return true;
}

/* One output of value 0: the pool's. */
static size_t write_outputs(const struct jds_settings *s, uint8_t out[10 + JOB_TOKEN_SCRIPT_MAX])
{
	memset(out, 0, 9);
	out[0] = 1;
	out[9] = s->pay_size;
	memcpy(out + 10, s->pay, s->pay_size);
	return 10u + s->pay_size;
}

static int32_t on_allocate(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_allocate_mining_job_token *m)
{
	struct jds *jds = context;
	struct jds_client *client = adit_sv2_user(conn);
	uint8_t outputs[10 + JOB_TOKEN_SCRIPT_MAX];
	uint8_t sealed[JOB_TOKEN_MAX];
	struct job_token token = {.expires = clock_unix() + jds->settings.token_lifetime,
				  .id = ++jds->last_id,
				  .pay_size = jds->settings.pay_size};
	struct adit_sv2_allocate_mining_job_token_success answer = {
	    .request_id = m->request_id, .mining_job_token = {.data = sealed}};

	if (client == NULL)
		return ADIT_E_UNAVAILABLE;
	if (!may_have_token(client)) {
		adit_sv2_close(conn, "too many tokens asked for");
		return ADIT_OK;
	}
	token.kind = client->shows_transactions ? JOB_TOKEN_TO_DECLARE : JOB_TOKEN_COINBASE_ONLY;
	memcpy(token.pay, jds->settings.pay, token.pay_size);
	job_token_user(m->user_identifier.data, m->user_identifier.size, token.user);
	answer.mining_job_token.size = (uint32_t)job_token_seal(jds->keys, &token, sealed);
	if (answer.mining_job_token.size == 0)
		return ADIT_E_INTERNAL;
	answer.coinbase_tx_outputs.data = outputs;
	answer.coinbase_tx_outputs.size = (uint32_t)write_outputs(&jds->settings, outputs);
	jds->stats.tokens++;
	adit_sv2_send(conn, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN_SUCCESS, &answer);
	return ADIT_OK;
}

/* --- jobs ---------------------------------------------------------------------------------------
 */

static int32_t on_declare(void *context, struct adit_sv2_conn *conn,
			  const struct adit_sv2_declare_mining_job *m)
{
	struct jds_client *client = adit_sv2_user(conn);

	(void)context;
	return client != NULL ? declare_job(client, m) : ADIT_E_UNAVAILABLE;
}

static int32_t on_provided(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_provide_missing_transactions_success *m)
{
	struct jds_client *client = adit_sv2_user(conn);

	(void)context;
	return client != NULL ? declare_provided(client, m) : ADIT_E_UNAVAILABLE;
}

static int32_t on_solution(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_push_solution *m)
{
	struct jds_client *client = adit_sv2_user(conn);

	(void)context;
	return client != NULL ? solution_pushed(client, m) : ADIT_E_UNAVAILABLE;
}

const struct adit_sv2_job_declaration_server_handlers client_handlers = {
    .size = sizeof(client_handlers),
    .supported_flags = ADIT_SV2_DECLARE_TX_DATA,
    .setup = on_setup,
    .opened = on_opened,
    .closed = on_closed,
    .allocate_mining_job_token = on_allocate,
    .declare_mining_job = on_declare,
    .provide_missing_transactions_success = on_provided,
    .push_solution = on_solution,
};
