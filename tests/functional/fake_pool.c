/* SPDX-License-Identifier: MIT */
/* The pool of fake_upstream.h: it takes custom jobs, or gives its own, and judges shares. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/sv2/server.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"
#include "tests/functional/fake_side.h"
#include "tests/unit/declarer.h"

#define CHANNELS 64
#define SEEN 256

struct channel {
	struct adit_sv2_conn *conn; /* NULL: a free place */
	uint32_t id;
	uint8_t target[32];
	uint8_t prefix[32];
};

struct fake_pool {
	struct sv2_server *server;
	struct adit_sv2_mining_server_handlers handlers;
	struct channel channels[CHANNELS];
	uint8_t seen[SEEN][32]; /* hashes of shares, a ring */
	uint32_t seen_count;
};

static struct channel *find_channel(struct fake *f, const struct adit_sv2_conn *conn, uint32_t id)
{
	for (struct channel *c = f->pool->channels; c < f->pool->channels + CHANNELS; c++) {
		if (c->conn == conn && c->id == id)
			return c;
	}
	return NULL;
}

static bool chooses_work(const struct adit_sv2_conn *conn)
{
	return adit_sv2_conn_flags(conn) & ADIT_SV2_REQUIRES_WORK_SELECTION;
}

/* --- connections --------------------------------------------------------------------------------
 */

static void on_setup(void *context, struct adit_sv2_conn *conn,
		     const struct adit_sv2_setup_connection *request,
		     struct adit_sv2_setup_result *result)
{
	struct fake *f = context;

	(void)request;
	fake_asked(f, FAKE_SETUP);
	if (fake_how(f, FAKE_SETUP) == FAKE_REFUSED)
		result->error_code = fake_code(f, FAKE_SETUP);
	if (fake_how(f, FAKE_SETUP) == FAKE_HANG_UP)
		adit_sv2_close(conn, "as ordered");
}

static void on_opened(void *context, struct adit_sv2_conn *conn)
{
	struct fake *f = context;

	fake_joined(f, conn);
	f->shared->records.pool_connections++;
	f->shared->records.answered[FAKE_SETUP]++;
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct fake *f = context;

	(void)reason;
	for (size_t i = 0; i < CHANNELS; i++) {
		if (f->pool->channels[i].conn == conn)
			f->pool->channels[i] = (struct channel){0};
	}
	fake_left(f, conn);
	f->shared->records.pool_connections--;
}

static void close_one(void *user, struct adit_sv2_conn *conn)
{
	(void)user;
	adit_sv2_close(conn, "as ordered");
}

/* --- jobs ---------------------------------------------------------------------------------------
 */

static struct fake_job *new_job(struct fake *f, const struct channel *c)
{
	struct fake_job *job = &f->jobs[f->job_count % FAKE_JOBS];

	buf_free(&job->prefix);
	buf_free(&job->suffix);
	*job = (struct fake_job){.id = ++f->job_count, .channel = c->id};
	memcpy(job->extranonce_prefix, c->prefix, 32);
	memcpy(job->target, c->target, 32);
	return job;
}

static struct fake_job *find_job(struct fake *f, uint32_t id)
{
	struct fake_job *job = &f->jobs[(id - 1) % FAKE_JOBS];

	return id > 0 && job->id == id ? job : NULL;
}

static void end_jobs(struct fake *f, const struct channel *c)
{
	for (size_t i = 0; i < FAKE_JOBS; i++) {
		if (f->jobs[i].channel == c->id)
			f->jobs[i].active = false;
	}
}

/* The pool's own job for C, of a block that nobody else knows of, and how it is sent. */
static struct fake_job *make_own(struct fake *f, const struct channel *c,
				 struct adit_sv2_new_extended_mining_job *m)
{
	struct fake_job *job = new_job(f, c);
	struct declarer d = {.height = f->height, .value = 5000000000};

	buf_append(&d.pool_output, fake_script, sizeof(fake_script));
	declarer_make(&d);
	buf_append(&job->prefix, d.prefix.data, d.prefix.size);
	buf_append(&job->suffix, d.suffix.data, d.suffix.size);
	declarer_free(&d);
	job->version = 0x20000000;
	job->nbits = f->shared->options.nbits;
	job->min_ntime = (uint32_t)clock_unix();
	memcpy(job->prev_hash, f->prev_hash, 32);
	job->depth = 3;
	random_bytes(job->path, (size_t)job->depth * 32);
	*m = (struct adit_sv2_new_extended_mining_job){
	    .channel_id = c->id,
	    .job_id = job->id,
	    .version = job->version,
	    .version_rolling_allowed = true,
	    .merkle_path = {.data = &job->path[0][0], .size = job->depth * 32, .count = job->depth},
	    .coinbase_tx_prefix = {.data = job->prefix.data, .size = (uint32_t)job->prefix.size},
	    .coinbase_tx_suffix = {.data = job->suffix.data, .size = (uint32_t)job->suffix.size},
	};
	return job;
}

static void send_tip(struct fake *f, const struct channel *c, uint32_t job_id)
{
	struct adit_sv2_set_new_prev_hash m = {.channel_id = c->id,
					       .job_id = job_id,
					       .ntime_start = (uint32_t)clock_unix(),
					       .nbits = f->shared->options.nbits};

	memcpy(m.prev_hash.b, f->prev_hash, 32);
	adit_sv2_send(c->conn, ADIT_SV2_SET_NEW_PREV_HASH, &m);
}

static void give_own(struct fake *f, const struct channel *c)
{
	struct adit_sv2_new_extended_mining_job m;
	struct fake_job *job = make_own(f, c, &m);

	end_jobs(f, c);
	job->active = true;
	adit_sv2_send(c->conn, ADIT_SV2_NEW_EXTENDED_MINING_JOB, &m);
	send_tip(f, c, job->id);
}

/* --- channels -----------------------------------------------------------------------------------
 */

static int32_t on_open(void *context, struct adit_sv2_conn *conn,
		       const struct adit_sv2_open_extended_mining_channel *m)
{
	struct fake *f = context;
	const struct fake_options *o = &f->shared->options;
	struct channel *c = find_channel(f, NULL, 0);
	struct adit_sv2_open_extended_mining_channel_success good = {
	    .request_id = m->request_id, .extranonce_size = o->rolled_size};
	struct adit_sv2_open_extended_mining_channel_success foreign;
	struct adit_sv2_open_mining_channel_error bad = {
	    .request_id = m->request_id, .error_code = fake_text(fake_code(f, FAKE_CHANNEL))};

	fake_asked(f, FAKE_CHANNEL);
	fake_require(c != NULL);
	memcpy(f->shared->records.user, m->user_identity.data, m->user_identity.size);
	f->shared->records.user[m->user_identity.size] = '\0';
	*c = (struct channel){.conn = conn, .id = ++f->channel_count};
	random_bytes(c->prefix, sizeof(c->prefix));
	target_from_difficulty(o->difficulty, c->target);
	if (target_compare(m->max_target.b, c->target) < 0)
		memcpy(c->target, m->max_target.b, 32);
	good.channel_id = c->id;
	memcpy(good.target.b, c->target, 32);
	good.extranonce_prefix = (struct adit_bytes){.data = c->prefix, .size = o->prefix_size};
	good.group_channel_id = (struct adit_sv2_option_u32){.present = true, .value = 0x10000};
	foreign = good;
	foreign.request_id += 100000;
	fake_reply(f, FAKE_CHANNEL, conn,
		   &(struct fake_reply){.good = ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS,
					.good_body = &good,
					.bad = ADIT_SV2_OPEN_MINING_CHANNEL_ERROR,
					.bad_body = &bad,
					.foreign_body = &foreign});
	if (!chooses_work(conn) && fake_how(f, FAKE_CHANNEL) == FAKE_WELL)
		give_own(f, c);
	return ADIT_OK;
}

static int32_t on_standard(void *context, struct adit_sv2_conn *conn,
			   const struct adit_sv2_open_standard_mining_channel *m)
{
	struct fake *f = context;
	struct adit_sv2_open_mining_channel_error bad = {
	    .request_id = m->request_id, .error_code = fake_text("unsupported-channel")};

	fake_wrong(f, "a standard channel is asked for");
	adit_sv2_send(conn, ADIT_SV2_OPEN_MINING_CHANNEL_ERROR, &bad);
	return ADIT_OK;
}

static int32_t on_update(void *context, struct adit_sv2_conn *conn,
			 const struct adit_sv2_update_channel *m)
{
	struct fake *f = context;

	if (find_channel(f, conn, m->channel_id) == NULL)
		fake_wrong(f, "UpdateChannel of no channel");
	return ADIT_OK;
}

static int32_t on_close(void *context, struct adit_sv2_conn *conn,
			const struct adit_sv2_close_channel *m)
{
	struct channel *c = find_channel(context, conn, m->channel_id);

	if (c != NULL)
		*c = (struct channel){0};
	return ADIT_OK;
}

/* --- custom jobs --------------------------------------------------------------------------------
 */

static bool same(const struct buf *b, const struct fake_job *job, bool suffix)
{
	const struct buf *other = suffix ? &job->suffix : &job->prefix;

	return b->size == other->size && memcmp(b->data, other->data, b->size) == 0;
}

/* The job of M for channel C. */
static struct fake_job *make_custom(struct fake *f, const struct channel *c,
				    const struct adit_sv2_set_custom_mining_job *m)
{
	static const uint8_t zeros[32];
	const struct fake_options *o = &f->shared->options;
	struct fake_job *job = new_job(f, c);

	job->active = true;
	job->version = m->version;
	memcpy(job->prev_hash, m->prev_hash.b, 32);
	job->nbits = m->nbits;
	job->min_ntime = m->ntime_start;
	buf_append_u32(&job->prefix, m->coinbase_tx_version);
	buf_append_u8(&job->prefix, 1);
	buf_append(&job->prefix, zeros, 32);
	buf_append_u32(&job->prefix, UINT32_MAX);
	buf_append_u8(&job->prefix,
		      (uint8_t)(m->coinbase_prefix.size + o->prefix_size + o->rolled_size));
	buf_append(&job->prefix, m->coinbase_prefix.data, m->coinbase_prefix.size);
	buf_append_u32(&job->suffix, m->coinbase_tx_input_n_sequence);
	buf_append(&job->suffix, m->coinbase_tx_outputs.data, m->coinbase_tx_outputs.size);
	buf_append_u32(&job->suffix, m->coinbase_tx_locktime);
	job->depth = m->merkle_path.count <= MERKLE_MAX_DEPTH ? m->merkle_path.count : 0;
	if (job->depth > 0)
		memcpy(job->path, m->merkle_path.data, (size_t)job->depth * 32);
	return job;
}

/* NULL, or how M breaks the rules. */
static const char *judge_job(struct fake *f, const struct fake_token *token,
			     const struct fake_job *job,
			     const struct adit_sv2_set_custom_mining_job *m)
{
	const struct fake_options *o = &f->shared->options;

	if (!fake_is_paid(&m->coinbase_tx_outputs))
		return "a custom job does not pay the pool";
	if ((size_t)m->coinbase_prefix.size + o->prefix_size + o->rolled_size > 100)
		return "a scriptSig of more than 100 bytes";
	if (m->merkle_path.count > MERKLE_MAX_DEPTH)
		return "a merkle path that no block has";
	if (token->kind != FAKE_DECLARED)
		return NULL;
	if (!same(&job->prefix, &token->job, false) || !same(&job->suffix, &token->job, true))
		return "another coinbase than was declared";
	if (job->version != token->job.version)
		return "another version than was declared";
	if (job->depth != token->job.depth ||
	    memcmp(job->path, token->job.path, (size_t)job->depth * 32) != 0)
		return "another merkle path than was declared";
	return NULL;
}

static int32_t on_custom(void *context, struct adit_sv2_conn *conn,
			 const struct adit_sv2_set_custom_mining_job *m)
{
	struct fake *f = context;
	const struct channel *c = find_channel(f, conn, m->channel_id);
	const struct fake_token *token = fake_find_token(f, &m->mining_job_token);
	struct adit_sv2_set_custom_mining_job_success good = {.channel_id = m->channel_id,
							      .request_id = m->request_id};
	struct adit_sv2_set_custom_mining_job_success foreign;
	struct adit_sv2_set_custom_mining_job_error bad = {
	    .channel_id = m->channel_id,
	    .request_id = m->request_id,
	    .error_code = fake_text(fake_code(f, FAKE_CUSTOM_JOB))};
	const struct fake_job *job;
	const char *why;

	fake_asked(f, FAKE_CUSTOM_JOB);
	if (c == NULL || token == NULL) {
		bad.error_code =
		    fake_text(c == NULL ? "invalid-channel-id" : "invalid-mining-job-token");
		adit_sv2_send(conn, ADIT_SV2_SET_CUSTOM_MINING_JOB_ERROR, &bad);
		return ADIT_OK;
	}
	job = make_custom(f, c, m);
	why = judge_job(f, token, job, m);
	if (why != NULL)
		fake_wrong(f, "%s", why);
	good.job_id = job->id;
	foreign = good;
	foreign.request_id += 100000;
	fake_reply(f, FAKE_CUSTOM_JOB, conn,
		   &(struct fake_reply){.good = ADIT_SV2_SET_CUSTOM_MINING_JOB_SUCCESS,
					.good_body = &good,
					.bad = ADIT_SV2_SET_CUSTOM_MINING_JOB_ERROR,
					.bad_body = &bad,
					.foreign_body = &foreign});
	return ADIT_OK;
}

/* --- shares -------------------------------------------------------------------------------------
 */

static void name_worker(struct fake *f, const struct adit_bytes *name)
{
	struct fake_records *r = &f->shared->records;
	uint32_t count = r->worker_count;

	if (name->data == NULL || name->size >= FAKE_TEXT)
		return;
	for (uint32_t i = 0; i < count; i++) {
		if (strlen(r->workers[i]) == name->size &&
		    memcmp(r->workers[i], name->data, name->size) == 0)
			return;
	}
	if (count == FAKE_WORKERS)
		return;
	memcpy(r->workers[count], name->data, name->size);
	r->worker_count = count + 1;
}

static bool is_new(struct fake *f, const uint8_t hash[32])
{
	struct fake_pool *p = f->pool;

	for (uint32_t i = 0; i < SEEN && i < p->seen_count; i++) {
		if (memcmp(p->seen[i], hash, 32) == 0)
			return false;
	}
	memcpy(p->seen[p->seen_count++ % SEEN], hash, 32);
	return true;
}

/* NULL, or the error code. A share of a job that a new tip ended is no fault. */
static const char *judge_share(struct fake *f, const struct fake_job *job,
			       const struct adit_sv2_submit_shares_extended *m)
{
	const struct fake_options *o = &f->shared->options;
	uint8_t extranonce[64];
	uint8_t network[32], hash[32];
	const char *code = NULL;

	if (job == NULL || job->channel != m->channel_id)
		code = "invalid-job-id";
	else if (m->extranonce.size != o->rolled_size)
		code = "bad-extranonce-size";
	if (code == NULL) {
		memcpy(extranonce, job->extranonce_prefix, o->prefix_size);
		memcpy(extranonce + o->prefix_size, m->extranonce.data, m->extranonce.size);
		fake_hash(job, extranonce, (size_t)o->prefix_size + o->rolled_size, m->version,
			  m->ntime, m->nonce, hash);
		if (!target_met(hash, job->target))
			code = "difficulty-too-low";
		else if (!is_new(f, hash))
			code = "duplicate-share";
		else if (target_from_nbits(job->nbits, network) && target_met(hash, network))
			f->shared->records.blocks++;
	}
	if (code != NULL) {
		f->shared->records.shares_bad++;
		fake_wrong(f, "a bad share: %s", code);
	} else if (!job->active) {
		code = "stale-share";
	}
	return code;
}

static int32_t on_share(void *context, struct adit_sv2_conn *conn,
			const struct adit_sv2_submit_shares_extended *m)
{
	struct fake *f = context;
	const struct channel *c = find_channel(f, conn, m->channel_id);
	const char *code = judge_share(f, find_job(f, m->job_id), m);
	struct adit_sv2_submit_shares_success good = {.channel_id = m->channel_id,
						      .last_sequence_number = m->sequence_number,
						      .new_submits_accepted_count = 1};
	struct adit_sv2_submit_shares_success foreign;
	struct adit_sv2_submit_shares_error bad = {
	    .channel_id = m->channel_id,
	    .sequence_number = m->sequence_number,
	    .error_code = fake_text(code != NULL ? code : fake_code(f, FAKE_SHARE))};

	fake_asked(f, FAKE_SHARE);
	name_worker(f, &m->user_identity);
	if (c == NULL)
		fake_wrong(f, "a share of no channel");
	if (c == NULL || code != NULL) {
		adit_sv2_send(conn, ADIT_SV2_SUBMIT_SHARES_ERROR, &bad);
		return ADIT_OK;
	}
	good.new_shares_sum = (uint64_t)target_difficulty(c->target);
	foreign = good;
	foreign.last_sequence_number += 100000;
	fake_reply(f, FAKE_SHARE, conn,
		   &(struct fake_reply){.good = ADIT_SV2_SUBMIT_SHARES_SUCCESS,
					.good_body = &good,
					.bad = ADIT_SV2_SUBMIT_SHARES_ERROR,
					.bad_body = &bad,
					.foreign_body = &foreign});
	return ADIT_OK;
}

/* --- orders -------------------------------------------------------------------------------------
 */

static void set_target(struct channel *c)
{
	struct adit_sv2_set_target m = {.channel_id = c->id};

	for (size_t i = 0; i < 32; i++)
		c->target[i] = (uint8_t)(c->target[i] >> 1 | (i < 31 ? c->target[i + 1] << 7 : 0));
	memcpy(m.target.b, c->target, 32);
	adit_sv2_send(c->conn, ADIT_SV2_SET_TARGET, &m);
}

static void set_prefix(struct fake *f, struct channel *c)
{
	struct adit_sv2_set_extranonce_prefix m = {
	    .channel_id = c->id,
	    .extranonce_prefix = {.data = c->prefix, .size = f->shared->options.prefix_size}};

	random_bytes(c->prefix, sizeof(c->prefix));
	adit_sv2_send(c->conn, ADIT_SV2_SET_EXTRANONCE_PREFIX, &m);
	if (!chooses_work(c->conn))
		give_own(f, c);
}

static void close_channel(struct channel *c)
{
	struct adit_sv2_close_channel m = {.channel_id = c->id,
					   .reason_code = fake_text("as-ordered")};

	adit_sv2_send(c->conn, ADIT_SV2_CLOSE_CHANNEL, &m);
	*c = (struct channel){0};
}

static void bad_job(struct fake *f, const struct channel *c, enum fake_order order)
{
	static uint8_t path[255 * 32];
	struct adit_sv2_new_extended_mining_job m;
	uint8_t nonsense[60];

	if (order == FAKE_BAD_TIP) {
		send_tip(f, c, 0x7fffffff);
		return;
	}
	(void)make_own(f, c, &m);
	m.ntime_start = (struct adit_sv2_option_u32){true, (uint32_t)clock_unix()};
	random_bytes(nonsense, sizeof(nonsense));
	if (order == FAKE_BAD_COINBASE)
		m.coinbase_tx_prefix = m.coinbase_tx_suffix =
		    (struct adit_bytes){.data = nonsense, .size = sizeof(nonsense)};
	else
		m.merkle_path =
		    (struct adit_sv2_seq){.data = path, .size = sizeof(path), .count = 255};
	adit_sv2_send(c->conn, ADIT_SV2_NEW_EXTENDED_MINING_JOB, &m);
}

static void order_channel(struct fake *f, struct channel *c, enum fake_order order)
{
	if (order == FAKE_SET_TARGET)
		set_target(c);
	else if (order == FAKE_SET_PREFIX)
		set_prefix(f, c);
	else if (order == FAKE_CLOSE_CHANNEL)
		close_channel(c);
	else if (order == FAKE_NEW_TIP)
		give_own(f, c);
	else
		bad_job(f, c, order);
}

static void reconnect_one(void *user, struct adit_sv2_conn *conn)
{
	struct adit_sv2_reconnect m = {0};

	(void)user;
	adit_sv2_send(conn, ADIT_SV2_RECONNECT, &m);
}

void fake_pool_order(struct fake *f, enum fake_order order)
{
	if (order == FAKE_NEW_TIP) {
		random_bytes(f->prev_hash, 30);
		f->height++;
	}
	if (order == FAKE_CLOSE_POOL || order == FAKE_RECONNECT) {
		sv2_server_each(f->pool->server,
				order == FAKE_RECONNECT ? reconnect_one : close_one, f);
		return;
	}
	for (size_t i = 0; i < CHANNELS; i++) {
		if (f->pool->channels[i].conn != NULL)
			order_channel(f, &f->pool->channels[i], order);
	}
}

void fake_pool_start(struct fake *f, int listener, const uint8_t secret[32])
{
	struct sv2_server_options options = {.authority_secret = secret};
	const struct fake_options *o = &f->shared->options;

	f->pool = calloc(1, sizeof(*f->pool));
	fake_require(f->pool != NULL);
	random_bytes(f->prev_hash, 30);
	f->height = 1000;
	f->pool->handlers = (struct adit_sv2_mining_server_handlers){
	    .size = sizeof(f->pool->handlers),
	    .supported_flags = ADIT_SV2_REQUIRES_VERSION_ROLLING |
			       (o->no_jds ? 0 : ADIT_SV2_REQUIRES_WORK_SELECTION),
	    .supported_extensions = o->no_worker_names ? 0 : ADIT_SV2_WORKER_HASHRATE,
	    .setup = on_setup,
	    .opened = on_opened,
	    .closed = on_closed,
	    .open_standard_mining_channel = on_standard,
	    .open_extended_mining_channel = on_open,
	    .update_channel = on_update,
	    .close_channel = on_close,
	    .submit_shares_extended = on_share,
	    .set_custom_mining_job = on_custom,
	};
	f->pool->server = sv2_server_new(f->base, &options);
	fake_require(f->pool->server != NULL);
	fake_require(sv2_server_set_mining(f->pool->server, &f->pool->handlers, f) == ADIT_OK);
	fake_require(sv2_server_listen(f->pool->server, listener, false) == ADIT_OK);
	sv2_server_set_open(f->pool->server, ADIT_SV2_MINING, true);
}
