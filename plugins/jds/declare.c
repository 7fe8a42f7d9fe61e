/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jds/declare.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/sv2/token.h"
#include "lib/util/clock.h"
#include "lib/util/reader.h"
#include "plugins/jds/block.h"
#include "plugins/jds/clients.h"
#include "plugins/jds/node.h"

/* SetCustomMiningJob follows at once. */
#define DECLARED_LIFETIME 600 /* seconds */
/* Between two tries at a node that is asked too much: its allowance grows by the second. */
#define BUSY_PAUSE_MS 200

/* --- answers ------------------------------------------------------------------------------------
 */

static void send_error(struct jds_client *client, uint32_t request_id, const char *code,
		       const char *details)
{
	struct adit_sv2_declare_mining_job_error m = {
	    .request_id = request_id,
	    .error_code = {.data = (const uint8_t *)code, .size = (uint32_t)strlen(code)},
	    .error_details = {.data = (const uint8_t *)details, .size = (uint32_t)strlen(details)},
	};

	client->jds->stats.refused++;
	jds_log(client->jds, ADIT_LOG_DEBUG, "declaration of %s refused: %s: %s",
		adit_sv2_peer(client->conn), code, details);
	adit_sv2_send(client->conn, ADIT_SV2_DECLARE_MINING_JOB_ERROR, &m);
}

/* A client that was asked for transactions may answer still: that will be no fault of its. */
static void refuse(struct jds_job *job, const char *code, const char *details)
{
	struct jds_client *client = job->client;

	if (job->state == JDS_MISSING)
		client->late[client->late_count++ % JDS_LATE_MAX] = job->request_id;
	send_error(client, job->request_id, code, details);
	job_free(job);
}

/* Keeps the bounds of memory after JOB has grown (NULL: after one was declared). False when it is
 * gone for it. */
static bool make_room(struct jds *jds, const struct jds_job *job)
{
	struct jds_job *burden;
	bool stays = true;

	while (stays && (burden = jobs_burden(jds)) != NULL) {
		stays = burden != job;
		if (burden->state == JDS_DECLARED) {
			jds->stats.evicted++;
			job_free(burden);
			continue;
		}
		jds->stats.shed++;
		refuse(burden, "internal-error",
		       "too many declarations are under way, and this client's take most of the "
		       "memory for them");
	}
	return stays;
}

static size_t seal(const struct jds_job *job, uint8_t out[JOB_TOKEN_MAX])
{
	struct jds *jds = job->client->jds;
	struct job_token t = job->token;
	struct declared_job *j = &t.job;

	t.kind = JOB_TOKEN_DECLARED;
	t.id = ++jds->last_id;
	t.expires = clock_unix() + DECLARED_LIFETIME;
	*j = (struct declared_job){.version = job->version,
				   .nbits = job->nbits,
				   .min_ntime = job->min_ntime,
				   .coinbase_version = job->coinbase.version,
				   .sequence = job->coinbase.sequence,
				   .lock_time = job->coinbase.lock_time,
				   .extranonce_size = (uint8_t)job->coinbase.extranonce_size};
	memcpy(j->prev_hash, job->prev_hash, 32);
	job_token_digest(job->coinbase.script, job->coinbase.script_size, j->script);
	job_token_digest(job->coinbase.outputs, job->coinbase.outputs_size, j->outputs);
	job_token_digest(&job->path[0][0], (size_t)job->depth * 32, j->merkle_path);
	return job_token_seal(jds->keys, &t, out);
}

static void accept(struct jds_job *job)
{
	struct jds *jds = job->client->jds;
	uint8_t token[JOB_TOKEN_MAX];
	size_t size = seal(job, token);
	struct adit_sv2_declare_mining_job_success m = {
	    .request_id = job->request_id,
	    .new_mining_job_token = {.data = token, .size = (uint32_t)size},
	};

	if (size == 0) {
		refuse(job, "internal-error", "the token can't be sealed");
		return;
	}
	jds->stats.declared++;
	adit_sv2_send(job->client->conn, ADIT_SV2_DECLARE_MINING_JOB_SUCCESS, &m);
	job_keep(job); /* which may be the oldest that its client has too many of */
	(void)make_room(jds, NULL);
}

/* --- the block ----------------------------------------------------------------------------------
 */

/* A node's reason, as the client should understand it. */
static const char *code_of(const char *reason)
{
	static const char *const stale[] = {"inconclusive", "inconclusive-not-best-prevblk",
					    "prev-blk-not-found", "bad-cb-height",
					    "bad-txns-nonfinal"};

	for (size_t i = 0; i < sizeof(stale) / sizeof(stale[0]); i++)
		if (strcmp(reason, stale[i]) == 0)
			return "stale-chain-tip";
	return "invalid-job";
}

/* The reason of a check_block's answer; "" when the block is valid. */
static bool read_verdict(const struct adit_reply *reply, char *reason, size_t capacity)
{
	char text[512];
	struct json_object *o, *value;
	bool good;

	if (reply->json_size >= sizeof(text))
		return false;
	memcpy(text, reply->json, reply->json_size);
	text[reply->json_size] = '\0';
	o = json_tokener_parse(text);
	good = json_object_object_get_ex(o, "valid", &value);
	reason[0] = '\0';
	if (good && !json_object_get_boolean(value)) {
		good = json_object_object_get_ex(o, "reason", &value);
		snprintf(reason, capacity, "%s", good ? json_object_get_string(value) : "");
	}
	json_object_put(o);
	return good;
}

/* The node can't tell: what can be said without it. */
static void check_alone(struct jds_job *job)
{
	struct jds *jds = job->client->jds;
	const char *wrong = block_commitment(job);

	if (!jds->blind_check)
		jds_log(jds, ADIT_LOG_WARNING,
			"the node can't check blocks: declared jobs are taken without that");
	jds->blind_check = true;
	if (wrong != NULL)
		refuse(job, "invalid-job", wrong);
	else
		accept(job);
}

static void on_pause_over(void *user)
{
	struct jds_job *job = user;

	job->timed = false;
	node_line_up(job);
}

/* The node is asked too much: again after a pause, as long as an answer may take. */
static bool ask_later(struct jds_job *job)
{
	struct jds *jds = job->client->jds;
	uint64_t now = clock_monotonic_ms();

	if (job->patience_ms == 0)
		job->patience_ms = now + jds->settings.answer_timeout_ms;
	if (now >= job->patience_ms)
		return false;
	job->timed = jds->api->timer_add(jds->host, BUSY_PAUSE_MS, 0, on_pause_over, job, NULL,
					 &job->timer) == ADIT_OK;
	return job->timed;
}

static void on_checked(void *user, const struct adit_reply *reply)
{
	struct jds_job *job = user;
	char reason[128];

	node_called(job);
	if (reply->error == ADIT_E_UNSUPPORTED)
		check_alone(job);
	else if (reply->error == ADIT_E_LIMIT && ask_later(job))
		return;
	else if (reply->error != ADIT_OK)
		refuse(job, "internal-error", reply->message);
	else if (!read_verdict(reply, reason, sizeof(reason)))
		refuse(job, "internal-error", "the node's answer can't be read");
	else if (reason[0] != '\0')
		refuse(job, code_of(reason), reason);
	else
		accept(job);
}

static void check_turn(struct jds_job *job)
{
	static const uint8_t zeros[COINBASE_EXTRANONCE_MAX];
	const struct jds_tip *tip = &job->client->jds->tip;
	uint32_t now = (uint32_t)clock_unix();
	struct block_header header = {.version = job->version, .nbits = tip->nbits};
	struct buf block = {0};
	bool called;

	memcpy(job->prev_hash, tip->hash, 32);
	job->nbits = tip->nbits;
	job->min_ntime = tip->median_time + 1;
	memcpy(header.prev_hash, tip->hash, 32);
	header.time = now > job->min_ntime ? now : job->min_ntime;
	called = block_make(job, &header, zeros, &block) &&
		 node_call(job, "check_block", &block, on_checked);
	buf_free(&block);
	if (!called)
		refuse(job, "internal-error", "the node can't be asked");
}

static bool pays_pool(const struct jds_job *job)
{
	struct outputs_summary s;

	if (!outputs_summarize(job->coinbase.outputs, job->coinbase.outputs_size, job->token.pay,
			       job->token.pay_size, &s))
		return false;
	return s.total == 0 ||
	       (s.paid > 0 &&
		(double)s.paid * 100 >= (double)s.total * job->client->jds->settings.pool_share);
}

static void on_late(void *user)
{
	struct jds_job *job = user;

	job->timed = false;
	if (job->state == JDS_EARLY)
		refuse(job, "stale-chain-tip", "not the height that follows this server's tip");
	else
		refuse(job, "missing-txs", "the missing transactions did not come in time");
}

/* JOB waits in STATE, for a time: for the tip half as long, since clients have patience for about
 * as long as they are given themselves, and take no answer for a fault. */
static void await(struct jds_job *job, enum jds_state state)
{
	struct jds *jds = job->client->jds;
	uint32_t ms = jds->settings.answer_timeout_ms;

	job->state = state;
	job->timed = jds->api->timer_add(jds->host, state == JDS_EARLY ? ms / 2 : ms, 0, on_late,
					 job, NULL, &job->timer) == ADIT_OK;
	if (!job->timed)
		refuse(job, "internal-error", "no timer");
}

static void stop_waiting(struct jds_job *job)
{
	struct jds *jds = job->client->jds;

	if (job->timed)
		jds->api->timer_cancel(jds->host, job->timer);
	job->timed = false;
}

/* All transactions are there. */
static void check(struct jds_job *job)
{
	const struct jds *jds = job->client->jds;
	const char *wrong = block_limits(job);
	uint32_t height = 0;

	if (wrong != NULL)
		refuse(job, "invalid-job", wrong);
	else if (!bip34_height(job->coinbase.script, job->coinbase.script_size, &height))
		refuse(job, "invalid-coinbase-tx-input",
		       "its scriptSig does not begin with a height");
	else if (!block_path(job))
		refuse(job, "internal-error", "out of memory");
	else if (height == jds->tip.height + 2)
		await(job, JDS_EARLY); /* the client's node was faster */
	else if (height != jds->tip.height + 1)
		refuse(job, "stale-chain-tip", "not the height that follows this server's tip");
	else {
		job->state = JDS_CHECK;
		node_line_up(job);
	}
}

void declare_new_tip(struct jds *jds)
{
	struct jds_client *client;

	TAILQ_FOREACH(client, &jds->clients, link)
	{
		struct jds_job *next;

		for (struct jds_job *job = TAILQ_FIRST(&client->jobs); job != NULL; job = next) {
			next = TAILQ_NEXT(job, of_client);
			if (job->state != JDS_EARLY)
				continue;
			stop_waiting(job);
			check(job);
		}
	}
}

/* --- transactions -------------------------------------------------------------------------------
 */

/* Asks the client for what nobody here knows. */
static void ask_client(struct jds_job *job)
{
	struct buf positions = {0};
	struct adit_sv2_provide_missing_transactions m = {.request_id = job->request_id};

	for (uint32_t i = 0; i < job->count; i++) {
		if (job->txs[i] == NULL)
			buf_append_u16(&positions, (uint16_t)i);
	}
	if (positions.failed) {
		refuse(job, "internal-error", "out of memory");
		return;
	}
	m.unknown_tx_position_list = (struct adit_sv2_seq){
	    .data = positions.data, .size = (uint32_t)positions.size, .count = job->missing};
	job->client->jds->stats.asked += job->missing;
	adit_sv2_send(job->client->conn, ADIT_SV2_PROVIDE_MISSING_TRANSACTIONS, &m);
	buf_free(&positions);
	await(job, JDS_MISSING);
}

/* Takes what is kept here already; it may have come with another job meanwhile. */
static void take_known(struct jds_job *job)
{
	for (uint32_t i = 0; i < job->count; i++) {
		struct jds_tx *tx = NULL;

		if (job->txs[i] == NULL)
			tx = txs_find(&job->client->jds->txs, job->wtxids + 32 * (size_t)i);
		if (tx != NULL)
			job_take(job, i, tx);
	}
}

/* BIP141. No more are taken then. */
static bool too_heavy(const struct jds_job *job)
{
	return job->weight > 4000000;
}

/* The node's answer: for each that was asked for, its size and itself. */
static void take_found(struct jds_job *job, const struct adit_reply *reply)
{
	struct reader r;

	reader_init(&r, reply->attachment, reply->attachment_size);
	for (uint32_t i = 0; i < job->count && !too_heavy(job); i++) {
		uint32_t size;
		const uint8_t *data;
		struct jds_tx *tx = NULL;

		if (job->txs[i] != NULL)
			continue;
		size = reader_u32(&r);
		data = reader_bytes(&r, size);
		if (size > 0 && data != NULL)
			tx = txs_add(&job->client->jds->txs, job->wtxids + 32 * (size_t)i, data,
				     size);
		if (tx != NULL)
			job_take(job, i, tx);
	}
}

static void on_found(void *user, const struct adit_reply *reply)
{
	struct jds_job *job = user;
	struct jds *jds = job->client->jds;

	/* Before the turn ends: the next one in line may bring some of these, too. */
	if (reply->error == ADIT_OK)
		take_found(job, reply);
	node_called(job);
	if (reply->error != ADIT_OK && reply->error != ADIT_E_LIMIT && !jds->blind_lookup)
		jds_log(jds, ADIT_LOG_WARNING,
			"the node gives no transactions, clients have to: %s", reply->message);
	if (reply->error != ADIT_E_LIMIT) /* else it is asked too much at the moment, not blind */
		jds->blind_lookup = reply->error != ADIT_OK;
	take_known(job);
	if (too_heavy(job))
		refuse(job, "invalid-job", "heavier than a block may be");
	else if (!make_room(jds, job))
		return;
	else if (job->missing > 0)
		ask_client(job);
	else
		check(job);
}

static void lookup_turn(struct jds_job *job)
{
	struct buf wtxids = {0};
	bool called;

	take_known(job);
	for (uint32_t i = 0; i < job->count; i++) {
		if (job->txs[i] == NULL)
			buf_append(&wtxids, job->wtxids + 32 * (size_t)i, 32);
	}
	if (job->missing == 0) {
		check(job);
		return;
	}
	called = !wtxids.failed && node_call(job, "get_transactions_by_wtxid", &wtxids, on_found);
	buf_free(&wtxids);
	if (!called)
		ask_client(job);
}

void declare_turn(struct jds_job *job)
{
	if (job->state == JDS_LOOKUP)
		lookup_turn(job);
	else
		check_turn(job);
}

/* --- what clients send --------------------------------------------------------------------------
 */

static int compare_wtxids(const void *a, const void *b)
{
	return memcmp(a, b, 32);
}

/* A list that no block can have: too long, or with a transaction twice. */
static const char *check_list(const struct adit_sv2_seq *list)
{
	const char *wrong = NULL;
	uint8_t *sorted;

	if (list->count > JDS_TXS_MAX)
		return "more transactions than a block can have";
	sorted = malloc(list->size > 0 ? list->size : 1);
	if (sorted == NULL)
		return "out of memory";
	if (list->size > 0)
		memcpy(sorted, list->data, list->size);
	qsort(sorted, list->count, 32, compare_wtxids);
	for (uint32_t i = 1; i < list->count && wrong == NULL; i++) {
		if (memcmp(sorted + 32 * (size_t)i, sorted + 32 * (size_t)(i - 1), 32) == 0)
			wrong = "a transaction twice";
	}
	free(sorted);
	return wrong;
}

/* What is wrong at first sight: the error_code, with *DETAILS. */
static const char *check_message(struct jds_client *client,
				 const struct adit_sv2_declare_mining_job *m,
				 struct job_token *token, struct declared_coinbase *coinbase,
				 const char **details)
{
	bool input;

	*details = "not a token for a declaration, or expired";
	if (!job_token_open(client->jds->keys, m->mining_job_token.data, m->mining_job_token.size,
			    clock_unix(), token) ||
	    token->kind != JOB_TOKEN_TO_DECLARE)
		return "invalid-mining-job-token";
	*details = "too many declarations at a time";
	if (client->pending >= JDS_PENDING_MAX)
		return "internal-error";
	*details = declared_coinbase_read(m->coinbase_tx_prefix.data, m->coinbase_tx_prefix.size,
					  m->coinbase_tx_suffix.data, m->coinbase_tx_suffix.size,
					  coinbase, &input);
	if (*details != NULL)
		return input ? "invalid-coinbase-tx-input" : "invalid-coinbase-tx";
	*details = check_list(&m->wtxid_list);
	return *details != NULL ? "invalid-job" : NULL;
}

int32_t declare_job(struct jds_client *client, const struct adit_sv2_declare_mining_job *m)
{
	struct declared_coinbase coinbase;
	struct job_token token;
	const char *details;
	const char *code = check_message(client, m, &token, &coinbase, &details);
	struct jds_job *job;

	if (code != NULL) {
		send_error(client, m->request_id, code, details);
		return ADIT_OK;
	}
	job = job_new(client, m, &coinbase);
	if (job == NULL) {
		send_error(client, m->request_id, "internal-error", "out of memory");
		return ADIT_OK;
	}
	job->token = token;
	job->state = JDS_LOOKUP;
	take_known(job);
	if (!pays_pool(job))
		refuse(job, "invalid-coinbase-tx", "the pool's output gets too little");
	else if (!make_room(client->jds, job))
		return ADIT_OK;
	else if (job->missing == 0)
		check(job);
	else
		node_line_up(job);
	return ADIT_OK;
}

static struct jds_job *find_asked(struct jds_client *client, uint32_t request_id)
{
	struct jds_job *job;

	TAILQ_FOREACH(job, &client->jobs, of_client)
	{
		if (job->state == JDS_MISSING && job->request_id == request_id)
			return job;
	}
	return NULL;
}

/* An answer to what it was already told to be too late for. Each is forgiven once. */
static bool was_late(struct jds_client *client, uint32_t request_id)
{
	uint32_t count = client->late_count < JDS_LATE_MAX ? client->late_count : JDS_LATE_MAX;

	for (uint32_t i = 0; i < count; i++) {
		if (client->late[i] != request_id)
			continue;
		client->late[i] = client->late[count - 1];
		client->late_count = count - 1;
		return true;
	}
	return false;
}

/* NULL, or what is wrong with the transactions. */
static const char *take_provided(struct jds_job *job, const struct adit_sv2_seq *list)
{
	struct reader r;

	if (list->count != job->missing)
		return "not as many transactions as were asked for";
	reader_init(&r, list->data, list->size);
	for (uint32_t i = 0; i < job->count; i++) {
		uint32_t size;
		const uint8_t *data;
		struct jds_tx *tx;

		if (job->txs[i] != NULL)
			continue;
		size = reader_u24(&r);
		data = reader_bytes(&r, size);
		tx = data != NULL
			 ? txs_add(&job->client->jds->txs, job->wtxids + 32 * (size_t)i, data, size)
			 : NULL;
		if (tx == NULL)
			return "not the transactions that were asked for";
		job_take(job, i, tx);
		if (too_heavy(job))
			return "heavier than a block may be";
	}
	return NULL;
}

int32_t declare_provided(struct jds_client *client,
			 const struct adit_sv2_provide_missing_transactions_success *m)
{
	struct jds_job *job = find_asked(client, m->request_id);
	const char *wrong;

	if (job == NULL)
		return was_late(client, m->request_id) ? ADIT_OK : ADIT_E_PROTOCOL;
	stop_waiting(job);
	job->state = JDS_CHECK; /* it has answered */
	wrong = take_provided(job, &m->transaction_list);
	if (wrong != NULL)
		refuse(job, "invalid-job", wrong);
	else if (make_room(client->jds, job))
		check(job);
	return ADIT_OK;
}
