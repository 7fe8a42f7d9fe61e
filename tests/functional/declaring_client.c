/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/functional/declaring_client.h"

#include <stdio.h>
#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/sv2/frame.h"
#include "lib/util/clock.h"
#include "lib/util/reader.h"
#include "tests/functional/harness.h"

static struct adit_bytes text(const char *t)
{
	return (struct adit_bytes){.data = (const uint8_t *)t, .size = (uint32_t)strlen(t)};
}

bool dc_send(struct probe *p, int32_t message, const void *body)
{
	struct buf frame = {0};
	size_t size = 0;
	uint8_t *out;
	bool sent;

	must(sv2_encode_frame(message, body, NULL, 0, &size) == ADIT_OK,
	     "message %d can't be encoded", message);
	out = buf_reserve(&frame, size);
	must(out != NULL && sv2_encode_frame(message, body, out, size, &size) == ADIT_OK,
	     "message %d can't be encoded", message);
	sent = probe_send_frame(p, out, size);
	buf_free(&frame);
	return sent;
}

void dc_setup(struct probe *p, uint16_t port, uint8_t protocol, uint32_t flags)
{
	struct adit_sv2_setup_connection request = {
	    .protocol = protocol,
	    .min_version = 2,
	    .max_version = 2,
	    .flags = flags,
	    .endpoint_host = text("127.0.0.1"),
	    .vendor = text("adit"),
	    .hardware_version = text("declaring client"),
	};
	union sv2_body body;

	probe_connect(p, port);
	probe_handshake(p, NULL);
	must(dc_send(p, ADIT_SV2_SETUP_CONNECTION, &request), "closed before SetupConnection");
	probe_expect(p, ADIT_SV2_SETUP_CONNECTION_SUCCESS, &body);
}

/* The next message; WHAT is waited for until UNTIL. */
static int32_t next(struct probe *p, uint64_t until, union sv2_body *body, const char *what)
{
	uint64_t now = clock_monotonic_ms();
	int32_t message = now < until ? probe_receive(p, (int)(until - now), body) : -1;

	must(message >= 0, "%s%s", what, message == -2 ? ": closed" : "");
	return message;
}

static uint64_t deadline(void)
{
	return clock_monotonic_ms() + harness_limit(PROBE_WAIT_MS);
}

/* --- templates ----------------------------------------------------------------------------------
 */

static void take_template(struct declaring_client *j, const struct adit_sv2_new_template *t)
{
	j->template_id = t->template_id;
	j->work.version = t->version;
	j->work.value = t->coinbase_tx_value_remaining;
	must(bip34_height(t->coinbase_prefix.data, t->coinbase_prefix.size, &j->work.height),
	     "a template without a height");
}

static void take_tip(struct declaring_client *j,
		     const struct adit_sv2_template_set_new_prev_hash *m)
{
	memcpy(j->work.prev_hash, m->prev_hash.b, 32);
	j->work.nbits = m->n_bits;
	j->work.ntime = m->ntime_start;
}

/* A whole template and the tip that it is for. */
static void await_template(struct declaring_client *j, uint32_t least_height)
{
	uint64_t until = deadline();
	uint64_t tip_for = 0;
	union sv2_body body;

	do {
		int32_t message =
		    next(&j->templates, until, &body, "no template of that height came");

		if (message == ADIT_SV2_NEW_TEMPLATE)
			take_template(j, &body.new_template);
		if (message != ADIT_SV2_TEMPLATE_SET_NEW_PREV_HASH)
			continue;
		take_tip(j, &body.template_set_new_prev_hash);
		tip_for = body.template_set_new_prev_hash.template_id;
	} while (tip_for == 0 || tip_for != j->template_id || j->work.height < least_height);
}

void dc_templates(struct declaring_client *j, uint16_t port, uint32_t least_height)
{
	struct adit_sv2_coinbase_output_constraints constraints = {
	    .coinbase_output_max_additional_size = 100};
	struct adit_sv2_request_transaction_data request;
	const struct adit_sv2_seq *list;
	union sv2_body body;
	struct reader r;

	dc_setup(&j->templates, port, ADIT_SV2_TEMPLATE_DISTRIBUTION, 0);
	must(dc_send(&j->templates, ADIT_SV2_COINBASE_OUTPUT_CONSTRAINTS, &constraints), "closed");
	await_template(j, least_height);
	request.template_id = j->template_id;
	must(dc_send(&j->templates, ADIT_SV2_REQUEST_TRANSACTION_DATA, &request), "closed");
	probe_expect(&j->templates, ADIT_SV2_REQUEST_TRANSACTION_DATA_SUCCESS, &body);
	list = &body.request_transaction_data_success.transaction_list;
	reader_init(&r, list->data, list->size);
	buf_clear(&j->work.txs);
	j->work.tx_count = 0;
	for (uint32_t i = 0; i < list->count; i++) {
		uint32_t size = reader_u24(&r);

		declarer_add_tx(&j->work, reader_bytes(&r, size), size);
	}
	probe_close(&j->templates);
}

/* --- declaration --------------------------------------------------------------------------------
 */

void dc_declaration(struct declaring_client *j, uint16_t port, uint32_t flags)
{
	dc_setup(&j->declaration, port, ADIT_SV2_JOB_DECLARATION, flags);
}

static void keep_token(struct declaring_client *j, const struct adit_bytes *token)
{
	must(token->size <= sizeof(j->token), "a token of %u bytes", token->size);
	memcpy(j->token, token->data, token->size);
	j->token_size = token->size;
}

void dc_allocate(struct declaring_client *j, const char *user)
{
	struct adit_sv2_allocate_mining_job_token m = {.user_identifier = text(user),
						       .request_id = ++j->requests};
	union sv2_body body;

	must(dc_send(&j->declaration, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN, &m), "closed");
	probe_expect(&j->declaration, ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN_SUCCESS, &body);
	must(body.allocate_mining_job_token_success.request_id == j->requests, "wrong request");
	keep_token(j, &body.allocate_mining_job_token_success.mining_job_token);
	declarer_pay(&j->work, &body.allocate_mining_job_token_success.coinbase_tx_outputs);
	declarer_make(&j->work);
}

uint32_t dc_provide(struct declaring_client *j,
		    const struct adit_sv2_provide_missing_transactions *p)
{
	uint32_t count = p->unknown_tx_position_list.count;
	struct buf out = {0};
	struct adit_sv2_provide_missing_transactions_success m =
	    declarer_provide(&j->work, p->request_id, &p->unknown_tx_position_list, &out);

	must(dc_send(&j->declaration, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS_SUCCESS, &m), "closed");
	buf_free(&out);
	return count;
}

uint32_t dc_declare(struct declaring_client *j)
{
	struct adit_bytes token = {.data = j->token, .size = j->token_size};
	struct adit_sv2_declare_mining_job m =
	    declarer_declaration(&j->work, ++j->requests, &token);
	const struct adit_sv2_declare_mining_job_error *error;
	union sv2_body body;
	uint64_t until = deadline();
	uint32_t asked = 0;
	int32_t message;

	must(dc_send(&j->declaration, ADIT_SV2_DECLARE_MINING_JOB, &m), "closed");
	do {
		message = next(&j->declaration, until, &body, "a declaration is not answered");
		if (message == ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS)
			asked += dc_provide(j, &body.provide_missing_transactions);
	} while (message == ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS);
	error = &body.declare_mining_job_error;
	must(message == ADIT_SV2_DECLARE_MINING_JOB_SUCCESS, "refused: %.*s, %.*s",
	     (int)error->error_code.size, (const char *)error->error_code.data,
	     (int)error->error_details.size, (const char *)error->error_details.data);
	keep_token(j, &body.declare_mining_job_success.new_mining_job_token);
	return asked;
}

/* --- mining -------------------------------------------------------------------------------------
 */

void dc_mining(struct declaring_client *j, uint16_t port, const char *user)
{
	struct adit_sv2_open_extended_mining_channel m = {
	    .request_id = ++j->requests, .user_identity = text(user), .min_extranonce_size = 8};
	const struct adit_sv2_open_extended_mining_channel_success *s;
	union sv2_body body;

	memset(m.max_target.b, 0xff, sizeof(m.max_target.b));
	dc_setup(&j->mining, port, ADIT_SV2_MINING,
		 ADIT_SV2_REQUIRES_WORK_SELECTION | ADIT_SV2_REQUIRES_VERSION_ROLLING);
	must(dc_send(&j->mining, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL, &m), "closed");
	probe_expect(&j->mining, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS, &body);
	s = &body.open_extended_mining_channel_success;
	must(s->extranonce_prefix.size + s->extranonce_size == DECLARER_EXTRANONCE,
	     "another extranonce than this was written for");
	j->channel = s->channel_id;
	j->target = s->target;
	j->prefix_size = s->extranonce_prefix.size;
	memset(j->extranonce, 0, sizeof(j->extranonce));
	memcpy(j->extranonce, s->extranonce_prefix.data, s->extranonce_prefix.size);
}

static const char *code_of(const struct adit_bytes *code)
{
	static char out[256];

	snprintf(out, sizeof(out), "%.*s", (int)code->size, (const char *)code->data);
	return out;
}

const char *dc_set_job(struct declaring_client *j)
{
	struct adit_bytes token = {.data = j->token, .size = j->token_size};
	struct adit_sv2_set_custom_mining_job m =
	    declarer_job(&j->work, j->channel, ++j->requests, &token);
	uint64_t until = deadline();
	union sv2_body body;
	int32_t message;

	must(dc_send(&j->mining, ADIT_SV2_SET_CUSTOM_MINING_JOB, &m), "closed");
	do {
		message = next(&j->mining, until, &body, "SetCustomMiningJob is not answered");
		/* of the next job */
		if (message == ADIT_SV2_SET_TARGET)
			j->target = body.set_target.target;
	} while (message != ADIT_SV2_SET_CUSTOM_MINING_JOB_SUCCESS &&
		 message != ADIT_SV2_SET_CUSTOM_MINING_JOB_ERROR);
	if (message == ADIT_SV2_SET_CUSTOM_MINING_JOB_ERROR)
		return code_of(&body.set_custom_mining_job_error.error_code);
	must(body.set_custom_mining_job_success.request_id == j->requests, "wrong request");
	j->job = body.set_custom_mining_job_success.job_id;
	return NULL;
}

const char *dc_share(struct declaring_client *j, bool block)
{
	struct adit_sv2_submit_shares_extended m = {
	    .channel_id = j->channel,
	    .sequence_number = ++j->sequence,
	    .job_id = j->job,
	    .ntime = j->work.ntime,
	    .version = j->work.version,
	    .extranonce = {.data = j->extranonce + j->prefix_size,
			   .size = DECLARER_EXTRANONCE - j->prefix_size},
	};
	uint8_t network[32];
	uint64_t until;
	union sv2_body body;
	int32_t message;

	must(target_from_nbits(j->work.nbits, network), "no target");
	must(block || !target_met(j->target.b, network), "every share is a block here");
	/* A share may be a block by chance where a test wants none: then another one is taken. */
	do
		declarer_solve(&j->work, j->extranonce, block ? network : j->target.b, &j->nonce,
			       j->hash);
	while (!block && target_met(j->hash, network));
	m.nonce = j->nonce;
	until = deadline();
	must(dc_send(&j->mining, ADIT_SV2_SUBMIT_SHARES_EXTENDED, &m), "closed");
	do {
		message = next(&j->mining, until, &body, "a share is not answered");
	} while (message != ADIT_SV2_SUBMIT_SHARES_SUCCESS &&
		 message != ADIT_SV2_SUBMIT_SHARES_ERROR);
	return message == ADIT_SV2_SUBMIT_SHARES_SUCCESS
		   ? NULL
		   : code_of(&body.submit_shares_error.error_code);
}

void dc_push(struct declaring_client *j)
{
	struct adit_sv2_push_solution m = {
	    .extranonce = {.data = j->extranonce, .size = sizeof(j->extranonce)},
	    .nonce = j->nonce,
	    .ntime = j->work.ntime,
	    .nbits = j->work.nbits,
	    .version = j->work.version,
	};

	memcpy(m.prev_hash.b, j->work.prev_hash, 32);
	must(dc_send(&j->declaration, ADIT_SV2_PUSH_SOLUTION, &m), "closed");
}

void dc_close(struct declaring_client *j)
{
	probe_close(&j->templates);
	probe_close(&j->declaration);
	probe_close(&j->mining);
	declarer_free(&j->work);
}
