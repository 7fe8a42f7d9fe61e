/* SPDX-License-Identifier: MIT */
/* The declaration server of fake_upstream.h. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/declared_coinbase.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/sv2/server.h"
#include "lib/util/random.h"
#include "lib/util/reader.h"
#include "tests/functional/fake_side.h"

#define PENDING_MAX 64

/* A declaration whose transactions were asked for. */
struct pending {
	bool used;
	struct adit_sv2_conn *conn;
	uint32_t request_id;
	uint32_t count;
	uint8_t *wtxids;
	struct fake_job job;
};

struct fake_jds {
	struct sv2_server *server;
	struct adit_sv2_job_declaration_server_handlers handlers;
	struct pending pending[PENDING_MAX];
};

/* --- connections --------------------------------------------------------------------------------
 */

static void on_setup(void *context, struct adit_sv2_conn *conn,
		     const struct adit_sv2_setup_connection *request,
		     struct adit_sv2_setup_result *result)
{
	struct fake *f = context;

	(void)request;
	fake_asked(f, FAKE_JDS_SETUP);
	if (fake_how(f, FAKE_JDS_SETUP) == FAKE_REFUSED)
		result->error_code = fake_code(f, FAKE_JDS_SETUP);
	if (fake_how(f, FAKE_JDS_SETUP) == FAKE_HANG_UP)
		adit_sv2_close(conn, "as ordered");
}

static void on_opened(void *context, struct adit_sv2_conn *conn)
{
	struct fake *f = context;

	fake_joined(f, conn);
	f->shared->records.jds_connections++;
	f->shared->records.answered[FAKE_JDS_SETUP]++;
}

static void forget(struct pending *p)
{
	free(p->wtxids);
	buf_free(&p->job.prefix);
	buf_free(&p->job.suffix);
	*p = (struct pending){0};
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct fake *f = context;

	(void)reason;
	for (size_t i = 0; i < PENDING_MAX; i++) {
		if (f->jds->pending[i].used && f->jds->pending[i].conn == conn)
			forget(&f->jds->pending[i]);
	}
	fake_left(f, conn);
	f->shared->records.jds_connections--;
}

static void close_one(void *user, struct adit_sv2_conn *conn)
{
	(void)user;
	adit_sv2_close(conn, "as ordered");
}

void fake_jds_close_all(struct fake *f)
{
	if (f->jds != NULL)
		sv2_server_each(f->jds->server, close_one, NULL);
}

/* --- tokens -------------------------------------------------------------------------------------
 */

static int32_t on_allocate(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_allocate_mining_job_token *m)
{
	struct fake *f = context;
	uint8_t outputs[10 + sizeof(fake_script)] = {1, [9] = sizeof(fake_script)};
	uint8_t worthless[FAKE_TOKEN_SIZE];
	const struct fake_token *token;
	struct adit_sv2_allocate_mining_job_token_success answer = {
	    .request_id = m->request_id,
	    .coinbase_tx_outputs = {.data = outputs, .size = sizeof(outputs)}};
	struct adit_sv2_allocate_mining_job_token_success foreign;

	fake_asked(f, FAKE_TOKEN);
	memcpy(outputs + 10, fake_script, sizeof(fake_script));
	random_bytes(worthless, sizeof(worthless));
	token = fake_new_token(f, FAKE_ALLOCATED);
	answer.mining_job_token = (struct adit_bytes){.data = token->data, .size = FAKE_TOKEN_SIZE};
	foreign = answer;
	foreign.mining_job_token.data = worthless;
	fake_reply(f, FAKE_TOKEN, conn,
		   &(struct fake_reply){.good = ADIT_SV2_ALLOCATE_MINING_JOB_TOKEN_SUCCESS,
					.good_body = &answer,
					.bad = -1,
					.foreign_body = &foreign});
	return ADIT_OK;
}

/* --- declarations -------------------------------------------------------------------------------
 */

static void answer(struct fake *f, struct adit_sv2_conn *conn, uint32_t request_id,
		   const struct fake_job *job)
{
	struct fake_token *token = fake_new_token(f, FAKE_DECLARED);
	struct adit_sv2_declare_mining_job_success good = {
	    .request_id = request_id,
	    .new_mining_job_token = {.data = token->data, .size = FAKE_TOKEN_SIZE}};
	struct adit_sv2_declare_mining_job_success foreign = good;
	struct adit_sv2_declare_mining_job_error bad = {
	    .request_id = request_id,
	    .error_code = fake_text(fake_code(f, FAKE_DECLARATION)),
	    .error_details = fake_text("as ordered")};

	token->job = *job;
	token->job.prefix = token->job.suffix = (struct buf){0};
	buf_append(&token->job.prefix, job->prefix.data, job->prefix.size);
	buf_append(&token->job.suffix, job->suffix.data, job->suffix.size);
	foreign.request_id += 100000;
	fake_reply(f, FAKE_DECLARATION, conn,
		   &(struct fake_reply){.good = ADIT_SV2_DECLARE_MINING_JOB_SUCCESS,
					.good_body = &good,
					.bad = ADIT_SV2_DECLARE_MINING_JOB_ERROR,
					.bad_body = &bad,
					.foreign_body = &foreign});
}

static void refuse(struct adit_sv2_conn *conn, uint32_t request_id, const char *code)
{
	struct adit_sv2_declare_mining_job_error m = {.request_id = request_id,
						      .error_code = fake_text(code)};

	adit_sv2_send(conn, ADIT_SV2_DECLARE_MINING_JOB_ERROR, &m);
}

/* The coinbase as declared, without marker, flag and witness, which have to be there. */
static bool strip(struct fake *f, const struct adit_sv2_declare_mining_job *m, struct fake_job *job)
{
	const struct adit_bytes *prefix = &m->coinbase_tx_prefix;
	const struct adit_bytes *suffix = &m->coinbase_tx_suffix;
	struct declared_coinbase c;
	struct adit_bytes outputs;
	const char *why;
	bool input;

	why = declared_coinbase_read(prefix->data, prefix->size, suffix->data, suffix->size, &c,
				     &input);
	if (why != NULL || prefix->size < 6 || prefix->data[4] != 0 || suffix->size < 4 + 34) {
		fake_wrong(f, "a coinbase that is none: %s", why != NULL ? why : "no witness");
		return false;
	}
	outputs = (struct adit_bytes){.data = c.outputs, .size = (uint32_t)c.outputs_size};
	if (!fake_is_paid(&outputs)) {
		fake_wrong(f, "a declared coinbase does not pay the pool");
		return false;
	}
	buf_append(&job->prefix, prefix->data, 4);
	buf_append(&job->prefix, prefix->data + 6, prefix->size - 6);
	buf_append(&job->suffix, suffix->data, suffix->size - 4 - 34);
	buf_append(&job->suffix, suffix->data + suffix->size - 4, 4);
	return true;
}

static struct pending *new_pending(struct fake *f, struct adit_sv2_conn *conn,
				   const struct adit_sv2_declare_mining_job *m)
{
	struct pending *p = f->jds->pending;

	while (p->used) {
		p++;
		fake_require(p < f->jds->pending + PENDING_MAX);
	}
	*p = (struct pending){.used = true,
			      .conn = conn,
			      .request_id = m->request_id,
			      .count = m->wtxid_list.count,
			      .wtxids = malloc(m->wtxid_list.size + 1),
			      .job = {.version = m->version}};
	fake_require(p->wtxids != NULL);
	if (m->wtxid_list.size > 0)
		memcpy(p->wtxids, m->wtxid_list.data, m->wtxid_list.size);
	return p;
}

static int32_t on_declare(void *context, struct adit_sv2_conn *conn,
			  const struct adit_sv2_declare_mining_job *m)
{
	struct fake *f = context;
	const struct fake_token *token = fake_find_token(f, &m->mining_job_token);
	struct adit_sv2_provide_missing_transactions ask = {.request_id = m->request_id};
	struct buf positions = {0};
	struct pending *p;

	fake_asked(f, FAKE_DECLARATION);
	if (token == NULL || token->kind != FAKE_ALLOCATED) {
		refuse(conn, m->request_id, "invalid-mining-job-token");
		return ADIT_OK;
	}
	p = new_pending(f, conn, m);
	if (!strip(f, m, &p->job)) {
		refuse(conn, m->request_id, "invalid-coinbase-tx");
		forget(p);
		return ADIT_OK;
	}
	if (p->count == 0) {
		answer(f, conn, p->request_id, &p->job);
		forget(p);
		return ADIT_OK;
	}
	for (uint32_t i = 0; i < p->count; i++)
		buf_append_u16(&positions, (uint16_t)i);
	ask.unknown_tx_position_list = (struct adit_sv2_seq){
	    .data = positions.data, .size = (uint32_t)positions.size, .count = p->count};
	adit_sv2_send(conn, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS, &ask);
	buf_free(&positions);
	return ADIT_OK;
}

/* Whether LIST are the transactions that were asked for; then the merkle path is made of them. */
static bool take(struct fake *f, struct pending *p, const struct adit_sv2_seq *list)
{
	uint8_t(*txids)[32] = calloc(p->count, 32);
	bool good = txids != NULL && list->count == p->count;
	struct reader r;

	reader_init(&r, list->data, list->size);
	for (uint32_t i = 0; good && i < p->count; i++) {
		struct reader one;
		uint32_t size = reader_u24(&r);
		const uint8_t *data = reader_bytes(&r, size);
		uint8_t wtxid[32];
		struct tx tx;

		reader_init(&one, data, data != NULL ? size : 0);
		good = tx_parse(&one, &tx) && reader_left(&one) == 0;
		if (!good)
			break;
		tx_wtxid(&tx, wtxid);
		tx_txid(&tx, txids[i]);
		good = memcmp(wtxid, p->wtxids + 32 * (size_t)i, 32) == 0;
		f->shared->records.transactions += good;
	}
	if (good)
		p->job.depth = (uint32_t)merkle_path(txids, p->count, p->job.path);
	free(txids);
	return good;
}

static int32_t on_provided(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_provide_missing_transactions_success *m)
{
	struct fake *f = context;

	for (struct pending *p = f->jds->pending; p < f->jds->pending + PENDING_MAX; p++) {
		if (!p->used || p->conn != conn || p->request_id != m->request_id)
			continue;
		if (take(f, p, &m->transaction_list)) {
			answer(f, conn, p->request_id, &p->job);
		} else {
			fake_wrong(f, "not the transactions that were asked for");
			refuse(conn, p->request_id, "invalid-job");
		}
		forget(p);
		return ADIT_OK;
	}
	fake_wrong(f, "transactions that nobody asked for");
	return ADIT_OK;
}

/* Of which declared job it is, it does not say. */
static int32_t on_solution(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_push_solution *m)
{
	struct fake *f = context;

	(void)conn;
	fake_asked(f, FAKE_SOLUTION);
	for (size_t i = 0; i < FAKE_TOKENS; i++) {
		struct fake_job job = f->tokens[i].job;
		uint8_t target[32], hash[32];

		if (f->tokens[i].kind != FAKE_DECLARED || !target_from_nbits(m->nbits, target))
			continue;
		memcpy(job.prev_hash, m->prev_hash.b, 32);
		job.nbits = m->nbits;
		fake_hash(&job, m->extranonce.data, m->extranonce.size, m->version, m->ntime,
			  m->nonce, hash);
		if (!target_met(hash, target))
			continue;
		f->shared->records.solutions_good++;
		f->shared->records.answered[FAKE_SOLUTION]++;
		return ADIT_OK;
	}
	fake_wrong(f, "a solution that solves no declared job");
	return ADIT_OK;
}

/* --- start --------------------------------------------------------------------------------------
 */

void fake_jds_start(struct fake *f, int listener, const uint8_t secret[32])
{
	struct sv2_server_options options = {.authority_secret = secret};

	f->jds = calloc(1, sizeof(*f->jds));
	fake_require(f->jds != NULL);
	f->jds->handlers = (struct adit_sv2_job_declaration_server_handlers){
	    .size = sizeof(f->jds->handlers),
	    .supported_flags = ADIT_SV2_DECLARE_TX_DATA,
	    .setup = on_setup,
	    .opened = on_opened,
	    .closed = on_closed,
	    .allocate_mining_job_token = on_allocate,
	    .declare_mining_job = on_declare,
	    .provide_missing_transactions_success = on_provided,
	    .push_solution = on_solution,
	};
	f->jds->server = sv2_server_new(f->base, &options);
	fake_require(f->jds->server != NULL);
	fake_require(sv2_server_set_job_declaration(f->jds->server, &f->jds->handlers, f) ==
		     ADIT_OK);
	fake_require(sv2_server_listen(f->jds->server, listener, false) == ADIT_OK);
	sv2_server_set_open(f->jds->server, ADIT_SV2_JOB_DECLARATION, true);
}
