/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/custom.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/declared_coinbase.h"
#include "lib/bitcoin/target.h"
#include "lib/bitcoin/tx.h"
#include "lib/mining/work.h"
#include "lib/sv2/token.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"
#include "plugins/pool/events.h"
#include "plugins/pool/pool.h"

#define NTIME_AHEAD_MAX 7200 /* seconds; consensus: MAX_FUTURE_BLOCK_TIME */
/* How far a job's time may be before the tip's: clocks differ. The real bound is the median of the
 * last eleven blocks' times, which template distribution does not tell. */
#define NTIME_BEHIND_MAX 600
#define VERSION_MIN 4               /* consensus: BIP34, BIP66 and BIP65 are in force */
#define LOCK_TIME_IS_TIME 500000000 /* a lock time below is a height */
#define SEQUENCE_FINAL 0xffffffffu

int32_t custom_init(struct pool *pool, struct error *e)
{
	TAILQ_INIT(&pool->custom.early);
	if (pool->config.custom_jobs == CUSTOM_NONE)
		return ADIT_OK;
	return token_keys_open(&pool->custom.keys, pool->config.token_key, clock_unix(), e);
}

void custom_fini(struct pool *pool)
{
	token_keys_free(pool->custom.keys);
	pool->custom.keys = NULL;
}

bool custom_channel_opened(struct channel *channel, const struct adit_bytes *user)
{
	struct custom_channel *own;

	if (!channel->conn->custom_work)
		return true;
	own = calloc(1, sizeof *own);
	if (!own)
		return false;
	job_token_user(user->data, user->size, own->user_digest);
	channel->role = own;
	return true;
}

void custom_channel_closed(struct channel *channel)
{
	if (!channel->role)
		return;
	early_forget(channel);
	free(channel->role);
	channel->role = NULL;
}

/* --- what a job has to be -----------------------------------------------------------------------
 */

static bool same_digest(const struct adit_bytes *bytes, const uint8_t digest[JOB_TOKEN_DIGEST])
{
	uint8_t own[JOB_TOKEN_DIGEST];

	job_token_digest(bytes->data, bytes->size, own);
	return memcmp(own, digest, sizeof own) == 0;
}

static struct adit_bytes path_bytes(const struct adit_sv2_set_custom_mining_job *m)
{
	return (struct adit_bytes){.data = m->merkle_path.data, .size = m->merkle_path.size};
}

/* What was declared is said again, field by field. NULL or the error_code. */
static const char *check_declared(const struct adit_sv2_set_custom_mining_job *m,
				  const struct declared_job *j, size_t extranonce_size)
{
	struct adit_bytes path = path_bytes(m);

	if (m->ntime_start < j->min_ntime)
		return "invalid-min-ntime";
	if (m->version != j->version)
		return "invalid-version";
	if (m->coinbase_tx_version != j->coinbase_version)
		return "invalid-coinbase-tx-version";
	if (!same_digest(&m->coinbase_prefix, j->script))
		return "invalid-coinbase-prefix";
	if (m->coinbase_tx_input_n_sequence != j->sequence)
		return "invalid-coinbase-tx-input-n-sequence";
	if (!same_digest(&m->coinbase_tx_outputs, j->outputs))
		return "invalid-coinbase-tx-outputs";
	if (m->coinbase_tx_locktime != j->lock_time)
		return "invalid-coinbase-tx-locktime";
	if (!same_digest(&path, j->merkle_path))
		return "invalid-merkle-path";
	/* What was checked was a coinbase of another length. */
	return extranonce_size == j->extranonce_size ? NULL : "invalid-coinbase-tx";
}

/* Whether a coinbase at HEIGHT (0: not known) may be in the next block. */
static bool is_final(uint32_t lock_time, uint32_t sequence, uint32_t height)
{
	return lock_time == 0 || sequence == SEQUENCE_FINAL ||
	       (lock_time < LOCK_TIME_IS_TIME && (height == 0 || lock_time < height));
}

/* The reward goes to the output that the token names. */
static bool pays_pool(const struct pool *pool, const struct job_token *t,
		      const struct adit_bytes *outputs)
{
	struct outputs_summary s;

	if (!outputs_summarize(outputs->data, outputs->size, t->pay, t->pay_size, &s))
		return false;
	return s.total == 0 ||
	       (s.paid > 0 && (double)s.paid * 100 >= (double)s.total * pool->config.pool_share);
}

/* Nobody has looked at this job: what the pool can tell of it. */
static const char *check_undeclared(const struct pool *pool, const struct job_token *t,
				    const struct adit_sv2_set_custom_mining_job *m)
{
	uint32_t height = pool->mining.current->height;
	uint32_t said;

	if (m->ntime_start + (uint64_t)NTIME_BEHIND_MAX < pool->mining.tip.min_ntime)
		return "invalid-min-ntime";
	if ((int32_t)m->version < VERSION_MIN)
		return "invalid-version";
	if (!bip34_height(m->coinbase_prefix.data, m->coinbase_prefix.size, &said) ||
	    (height && said != height))
		return "invalid-coinbase-prefix";
	if (!pays_pool(pool, t, &m->coinbase_tx_outputs))
		return "invalid-coinbase-tx-outputs";
	if (!is_final(m->coinbase_tx_locktime, m->coinbase_tx_input_n_sequence, height))
		return "invalid-coinbase-tx-locktime";
	return NULL;
}

/* Whether the token lets CHANNEL set a job at all. */
static const char *check_token(const struct channel *channel, const struct job_token *t)
{
	if (memcmp(t->user, custom_of(channel)->user_digest, sizeof t->user) != 0)
		return "invalid-mining-job-token";
	if (t->kind == JOB_TOKEN_DECLARED)
		return NULL;
	return t->kind == JOB_TOKEN_COINBASE_ONLY &&
		       pool_of(channel->conn)->config.custom_jobs == CUSTOM_ANY
		   ? NULL
		   : "job-not-yet-validated";
}

static const char *check_job(const struct channel *channel, const struct job_token *t,
			     const struct adit_sv2_set_custom_mining_job *m)
{
	const struct pool *pool = pool_of(channel->conn);
	bool declared = t->kind == JOB_TOKEN_DECLARED;
	size_t extranonce = extranonce_size(&pool->mining.extranonce);
	const char *code = check_token(channel, t);

	if (code)
		return code;
	if (!pool->mining.has_tip || memcmp(m->prev_hash.b, pool->mining.tip.prev_hash, 32) != 0 ||
	    (declared && memcmp(m->prev_hash.b, t->job.prev_hash, 32) != 0))
		return "stale-chain-tip";
	if (m->nbits != pool->mining.tip.nbits)
		return "invalid-nbits";
	if (m->ntime_start > (uint64_t)clock_unix() + NTIME_AHEAD_MAX)
		return "invalid-min-ntime";
	code = declared ? check_declared(m, &t->job, extranonce) : check_undeclared(pool, t, m);
	if (code)
		return code;
	if (m->merkle_path.count > MERKLE_MAX_DEPTH)
		return "invalid-merkle-path";
	if (m->coinbase_prefix.size + extranonce > COINBASE_SCRIPT_MAX)
		return "invalid-coinbase-tx";
	return NULL;
}

/* --- making it ----------------------------------------------------------------------------------
 */

/* The stripped coinbase up to the extranonce: the client's script and nothing between. */
static void write_prefix(struct buf *out, const struct adit_sv2_set_custom_mining_job *m,
			 size_t extranonce)
{
	static const uint8_t zeros[32];

	buf_append_u32(out, m->coinbase_tx_version);
	buf_append_u8(out, 1);
	buf_append(out, zeros, sizeof zeros);
	buf_append_u32(out, UINT32_MAX);
	buf_append_u8(out, (uint8_t)(m->coinbase_prefix.size + extranonce));
	buf_append(out, m->coinbase_prefix.data, m->coinbase_prefix.size);
}

static void fill_template(struct template *t, struct pool *pool,
			  const struct adit_sv2_set_custom_mining_job *m)
{
	t->refs = 1;
	t->version = m->version;
	t->version_rolling = pool->mining.config.version_rolling;
	if (!bip34_height(m->coinbase_prefix.data, m->coinbase_prefix.size, &t->height))
		t->height = 0;
	memcpy(t->tip.prev_hash, m->prev_hash.b, 32);
	(void)target_from_nbits(m->nbits, t->tip.target); /* as the pool's tip has them */
	t->tip.hashes = target_work(t->tip.target);
	t->tip.nbits = m->nbits;
	t->tip.min_ntime = m->ntime_start;
	t->depth = m->merkle_path.count;
	if (t->depth)
		memcpy(t->path, m->merkle_path.data, (size_t)t->depth * 32);
	write_prefix(&t->prefix, m, extranonce_size(&pool->mining.extranonce));
	t->account = &pool->custom.held;
	t->account_size = sizeof *t + sizeof(struct coinbase) + m->coinbase_tx_outputs.size +
			  m->coinbase_prefix.size;
	*t->account += t->account_size;
}

/* The coinbase with its template, one reference; NULL without memory. */
static struct coinbase *make_coinbase(struct pool *pool,
				      const struct adit_sv2_set_custom_mining_job *m)
{
	struct template *t = calloc(1, sizeof *t);
	struct coinbase *c = calloc(1, sizeof *c);

	if (!t || !c) {
		free(t);
		free(c);
		return NULL;
	}
	fill_template(t, pool, m);
	c->refs = 1;
	c->template = t;
	buf_append_u32(&c->suffix, m->coinbase_tx_input_n_sequence);
	buf_append(&c->suffix, m->coinbase_tx_outputs.data, m->coinbase_tx_outputs.size);
	buf_append_u32(&c->suffix, m->coinbase_tx_locktime);
	if (!t->prefix.failed && !c->suffix.failed)
		return c;
	coinbase_unref(c);
	return NULL;
}

static int32_t give_job(struct channel *channel, const struct adit_sv2_set_custom_mining_job *m)
{
	struct pool *pool = pool_of(channel->conn);
	struct coinbase *c = make_coinbase(pool, m);
	uint32_t id = work_job_id(&pool->mining);
	struct adit_sv2_set_custom_mining_job_success answer = {
	    .channel_id = m->channel_id, .request_id = m->request_id, .job_id = id};
	struct job *job =
	    c ? jobs_add(&channel->jobs, c, id, JOB_ACTIVE, channel->prefix, channel->prefix_size)
	      : NULL;

	coinbase_unref(c);
	if (!job)
		return ADIT_E_NO_MEMORY;
	job_set_target(job, channel->target);
	channel->needs_job = false;
	pool->custom.accepted++;
	adit_sv2_send(channel->conn->sv2, ADIT_SV2_SET_CUSTOM_MINING_JOB_SUCCESS, &answer);
	return ADIT_OK;
}

void custom_refuse(struct mining_conn *conn, const struct adit_sv2_set_custom_mining_job *m,
		   const char *code)
{
	struct adit_sv2_set_custom_mining_job_error answer = {
	    .channel_id = m->channel_id,
	    .request_id = m->request_id,
	    .error_code = {.data = (const uint8_t *)code, .size = (uint32_t)strlen(code)},
	};

	pool_of(conn)->custom.refused++;
	mining_log(conn->mining, ADIT_LOG_DEBUG, "custom job of %s refused: %s",
		   adit_sv2_peer(conn->sv2), code);
	adit_sv2_send(conn->sv2, ADIT_SV2_SET_CUSTOM_MINING_JOB_ERROR, &answer);
}

/* NULL when M may be mined; else the error_code. */
static const char *judge(struct mining_conn *conn, const struct channel *channel,
			 const struct adit_sv2_set_custom_mining_job *m)
{
	struct pool *pool = pool_of(conn);
	struct job_token token;
	const char *code;

	if (!conn->custom_work)
		return "jd-not-supported";
	if (!channel)
		return "invalid-channel-id";
	if (!job_token_open(pool->custom.keys, m->mining_job_token.data, m->mining_job_token.size,
			    clock_unix(), &token))
		return "invalid-mining-job-token";
	code = check_job(channel, &token, m);
	return !code && pool->custom.held > CUSTOM_HELD_MAX ? "too-many-jobs" : code;
}

static int32_t settle(struct mining_conn *conn, struct channel *channel,
		      const struct adit_sv2_set_custom_mining_job *m, const char *code)
{
	if (!code)
		return give_job(channel, m);
	custom_refuse(conn, m, code);
	return ADIT_OK;
}

int32_t custom_judge(struct mining_conn *conn, const struct adit_sv2_set_custom_mining_job *m)
{
	struct channel *channel = channel_find(conn, m->channel_id);

	return settle(conn, channel, m, judge(conn, channel, m));
}

int32_t custom_set_job(struct mining_conn *conn, const struct adit_sv2_set_custom_mining_job *m)
{
	struct channel *channel = channel_find(conn, m->channel_id);
	const char *code = judge(conn, channel, m);

	if (code && strcmp(code, "stale-chain-tip") == 0 && early_is(pool_of(conn), m) &&
	    early_keep(channel, m))
		return ADIT_OK;
	return settle(conn, channel, m, code);
}

/* --- afterwards ---------------------------------------------------------------------------------
 */

void custom_new_tip(struct pool *pool)
{
	struct mining_conn *conn;

	TAILQ_FOREACH(conn, &pool->mining.conns, link)
	{
		for (uint32_t i = 0; conn->custom_work && i < conn->count; i++) {
			struct channel *channel = conn->channels[i];

			/* No job has this number: all end. */
			(void)jobs_activate(&channel->jobs, 0, channel->target);
		}
	}
	early_new_tip(pool);
}

void custom_block(struct channel *channel, const struct job *job, const uint8_t hash[32])
{
	struct pool *pool = pool_of(channel->conn);
	char name[128];
	char hex[65];

	channel_name(channel, name, sizeof name);
	hex_encode_reversed(hash, 32, hex);
	mining_log(
	    &pool->mining, ADIT_LOG_INFO,
	    "block found: height %u, %s, by %s \"%s\" on a job of its own, whose node submits "
	    "it",
	    job->template->height, hex, name, channel->user);
	events_block(channel, job, hash);
}

void custom_status(const struct pool *pool, struct json_object *o)
{
	json_object_object_add(o, "custom_jobs", json_object_new_uint64(pool->custom.accepted));
	json_object_object_add(o, "custom_jobs_refused",
			       json_object_new_uint64(pool->custom.refused));
	json_object_object_add(o, "custom_jobs_bytes", json_object_new_uint64(pool->custom.held));
}
