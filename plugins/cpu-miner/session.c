/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/cpu-miner/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/sv2/client.h"
#include "lib/sv2/conn.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"

#define REOPEN_MIN_MS 1000u
#define REOPEN_MAX_MS 30000u
/* With this much unsent the threads have to wait. */
#define MAX_UNSENT 65536u
#define UNSENT_WAIT_MS 20u
/* Of the blocks whose shares are not yet acknowledged. */
#define RECENT_BLOCKS 16u
/* The server hears of a hash rate that is this factor off. */
#define NOTABLE 1.4

struct miner_session {
	const struct miner_host *host;
	const struct miner_options *options;
	struct miner_hasher *hasher;
	struct sv2_client *client;
	struct adit_sv2_conn *conn; /* NULL while there is none */
	struct miner_channel channel;
	struct miner_job *given; /* what the threads work on; a reference */
	uint64_t session;        /* counts connections and channels */
	uint32_t server_flags;
	uint32_t request_id;
	uint32_t sequence;
	double announced;
	uint64_t watch;  /* valid while watching */
	uint64_t pause;  /* valid while paused */
	uint64_t reopen; /* valid while reopening */
	bool held;       /* the threads get no work */
	bool watching;
	bool paused;
	bool reopening;
	uint32_t reopen_ms;
	uint32_t block_sequences[RECENT_BLOCKS];
	uint32_t block_count;
	struct miner_stats stats;
};

static struct adit_bytes bytes_of(const char *text)
{
	return (struct adit_bytes){.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
}

/* Text of a peer for log and status: what is not printable ASCII becomes '?'. */
static void printable(const struct adit_bytes *text, char *out, size_t capacity)
{
	size_t n = text->size < capacity - 1 ? text->size : capacity - 1;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = text->data[i];

		out[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	out[n] = '\0';
}

/* --- work for the threads --- */

static void watch_results(struct miner_session *s);

static void give_job(struct miner_session *s)
{
	struct miner_job *wanted = s->held ? NULL : s->channel.active;
	uint64_t seed;

	if (wanted == s->given)
		return;
	random_bytes(&seed, sizeof(seed));
	miner_hasher_set_job(s->hasher, wanted, seed);
	miner_job_unref(s->given);
	s->given = wanted != NULL ? miner_job_ref(wanted) : NULL;
	if (s->stats.mining != (s->given != NULL) && s->given != NULL)
		miner_state(s->host, "mining for %s", s->options->upstream);
	s->stats.mining = s->given != NULL;
}

static void close_channel(struct miner_session *s)
{
	miner_channel_reset(&s->channel);
	give_job(s);
	s->block_count = 0;
}

static void note_block(struct miner_session *s, const struct miner_result *r)
{
	if (!target_met(r->found.hash, r->job->block_target))
		return;
	s->stats.blocks++;
	s->block_sequences[s->block_count++ % RECENT_BLOCKS] = s->sequence;
	miner_log(s->host, ADIT_LOG_INFO, "found a block (job %u)", r->job->job_id);
}

static int32_t send_standard(struct miner_session *s, const struct miner_result *r)
{
	struct adit_sv2_submit_shares_standard m = {
	    .channel_id = s->channel.id,
	    .sequence_number = s->sequence,
	    .job_id = r->job->job_id,
	    .nonce = r->found.nonce,
	    .ntime = r->found.ntime,
	    .version = r->found.version,
	};

	return adit_sv2_send(s->conn, ADIT_SV2_SUBMIT_SHARES_STANDARD, &m);
}

static int32_t send_extended(struct miner_session *s, const struct miner_result *r)
{
	struct adit_sv2_submit_shares_extended m = {
	    .channel_id = s->channel.id,
	    .sequence_number = s->sequence,
	    .job_id = r->job->job_id,
	    .nonce = r->found.nonce,
	    .ntime = r->found.ntime,
	    .version = r->found.version,
	    .extranonce = {.data = r->found.extranonce, .size = r->found.extranonce_size},
	};

	return adit_sv2_send(s->conn, ADIT_SV2_SUBMIT_SHARES_EXTENDED, &m);
}

static void submit(struct miner_session *s, const struct miner_result *r)
{
	int32_t sent;

	if (s->conn == NULL || !miner_channel_wants(&s->channel, r->job)) {
		s->stats.dropped++;
		return;
	}
	s->sequence++;
	sent = s->channel.standard ? send_standard(s, r) : send_extended(s, r);
	if (sent != ADIT_OK)
		return;
	s->stats.submitted++;
	note_block(s, r);
}

static void on_resume(void *user)
{
	struct miner_session *s = user;

	s->paused = false;
	watch_results(s);
}

/* A server that reads slowly slows the threads down, through their full queue. */
static void pause_results(struct miner_session *s)
{
	const struct miner_host *h = s->host;

	h->api->io_unwatch(h->handle, s->watch);
	s->watching = false;
	s->paused = h->api->timer_add(h->handle, UNSENT_WAIT_MS, 0, on_resume, s, NULL,
				      &s->pause) == ADIT_OK;
}

static void on_results(void *user, int32_t fd, uint32_t flags)
{
	struct miner_session *s = user;
	struct miner_result r;

	(void)fd;
	(void)flags;
	while (s->conn == NULL || adit_sv2_pending(s->conn) <= MAX_UNSENT) {
		if (!miner_hasher_take(s->hasher, &r))
			return;
		submit(s, &r);
		miner_job_unref(r.job);
	}
	pause_results(s);
}

static void watch_results(struct miner_session *s)
{
	const struct miner_host *h = s->host;

	s->watching = h->api->io_watch(h->handle, miner_hasher_fd(s->hasher), ADIT_IO_READ,
				       on_results, s, NULL, &s->watch) == ADIT_OK;
}

/* --- the channel --- */

/* The easiest target of all: no share is too easy for a CPU. */
static const struct adit_u256 any_target = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static void open_channel(struct miner_session *s)
{
	struct adit_bytes user = bytes_of(s->options->user);

	s->channel.session = ++s->session;
	s->channel.fixed_version = (s->server_flags & ADIT_SV2_REQUIRES_FIXED_VERSION) != 0;
	s->sequence = 0;
	s->request_id++;
	if (s->options->extended) {
		struct adit_sv2_open_extended_mining_channel m = {
		    .request_id = s->request_id,
		    .user_identity = user,
		    .nominal_hash_rate = (float)s->announced,
		    .max_target = any_target,
		    .min_extranonce_size = (uint16_t)s->options->min_extranonce_size,
		};
		adit_sv2_send(s->conn, ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL, &m);
		return;
	}
	struct adit_sv2_open_standard_mining_channel m = {
	    .request_id = s->request_id,
	    .user_identity = user,
	    .nominal_hash_rate = (float)s->announced,
	    .max_target = any_target,
	};
	adit_sv2_send(s->conn, ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL, &m);
}

static void on_reopen(void *user)
{
	struct miner_session *s = user;

	s->reopening = false;
	if (s->conn != NULL && !s->channel.open)
		open_channel(s);
}

static void reopen_later(struct miner_session *s, const char *why, const struct adit_bytes *code)
{
	const struct miner_host *h = s->host;
	char text[128];

	printable(code, text, sizeof(text));
	close_channel(s);
	miner_log(h, ADIT_LOG_WARNING, "%s: %s; opening a channel again in %u ms", why, text,
		  s->reopen_ms);
	miner_state(h, "%s: %s", why, text);
	if (s->reopening)
		h->api->timer_cancel(h->handle, s->reopen);
	s->reopening = h->api->timer_add(h->handle, s->reopen_ms, 0, on_reopen, s, NULL,
					 &s->reopen) == ADIT_OK;
	s->reopen_ms = s->reopen_ms * 2 > REOPEN_MAX_MS ? REOPEN_MAX_MS : s->reopen_ms * 2;
}

/* Whether a Success answers the request that is open now. */
static bool is_answer(const struct miner_session *s, uint32_t request_id)
{
	return !s->channel.open && request_id == s->request_id;
}

static void opened_channel(struct miner_session *s)
{
	s->reopen_ms = REOPEN_MIN_MS;
	miner_log(s->host, ADIT_LOG_INFO, "channel %u is open", s->channel.id);
	miner_state(s->host, "waiting for a job of %s", s->options->upstream);
}

/* Says what the peer did wrong and passes the error on, which closes the connection. */
static int32_t judged(struct miner_session *s, int32_t r, const struct error *e)
{
	if (r != ADIT_OK)
		miner_log(s->host, ADIT_LOG_WARNING, "%s: %s", s->options->upstream, e->text);
	else
		give_job(s);
	return r;
}

static int32_t
on_open_standard_success(void *context, struct adit_sv2_conn *conn,
			 const struct adit_sv2_open_standard_mining_channel_success *m)
{
	struct miner_session *s = context;
	struct error e;
	int32_t r;

	(void)conn;
	if (!is_answer(s, m->request_id) || s->options->extended)
		return ADIT_E_PROTOCOL;
	r = miner_channel_open_standard(&s->channel, m, &e);
	if (r == ADIT_OK)
		opened_channel(s);
	return judged(s, r, &e);
}

static int32_t
on_open_extended_success(void *context, struct adit_sv2_conn *conn,
			 const struct adit_sv2_open_extended_mining_channel_success *m)
{
	struct miner_session *s = context;
	struct error e;
	int32_t r;

	(void)conn;
	if (!is_answer(s, m->request_id) || !s->options->extended)
		return ADIT_E_PROTOCOL;
	r = miner_channel_open_extended(&s->channel, s->options->min_extranonce_size, m, &e);
	if (r == ADIT_OK)
		opened_channel(s);
	return judged(s, r, &e);
}

static int32_t on_open_error(void *context, struct adit_sv2_conn *conn,
			     const struct adit_sv2_open_mining_channel_error *m)
{
	struct miner_session *s = context;

	(void)conn;
	if (is_answer(s, m->request_id))
		reopen_later(s, "the server opens no channel", &m->error_code);
	return ADIT_OK;
}

static int32_t on_close_channel(void *context, struct adit_sv2_conn *conn,
				const struct adit_sv2_close_channel *m)
{
	struct miner_session *s = context;

	(void)conn;
	if (miner_channel_is(&s->channel, m->channel_id))
		reopen_later(s, "the server closed the channel", &m->reason_code);
	return ADIT_OK;
}

/* --- jobs --- */

static int32_t on_job(void *context, struct adit_sv2_conn *conn,
		      const struct adit_sv2_new_mining_job *m)
{
	struct miner_session *s = context;
	struct error e;

	(void)conn;
	return judged(s, miner_channel_new_job(&s->channel, m, clock_monotonic_us(), &e), &e);
}

static int32_t on_extended_job(void *context, struct adit_sv2_conn *conn,
			       const struct adit_sv2_new_extended_mining_job *m)
{
	struct miner_session *s = context;
	struct error e;

	(void)conn;
	return judged(s, miner_channel_new_extended_job(&s->channel, m, clock_monotonic_us(), &e),
		      &e);
}

static int32_t on_prev_hash(void *context, struct adit_sv2_conn *conn,
			    const struct adit_sv2_set_new_prev_hash *m)
{
	struct miner_session *s = context;
	struct error e;

	(void)conn;
	return judged(s, miner_channel_set_prev_hash(&s->channel, m, clock_monotonic_us(), &e), &e);
}

static int32_t on_target(void *context, struct adit_sv2_conn *conn,
			 const struct adit_sv2_set_target *m)
{
	struct miner_session *s = context;

	(void)conn;
	miner_channel_set_target(&s->channel, m);
	return ADIT_OK;
}

static int32_t on_prefix(void *context, struct adit_sv2_conn *conn,
			 const struct adit_sv2_set_extranonce_prefix *m)
{
	struct miner_session *s = context;
	struct error e;

	(void)conn;
	return judged(s, miner_channel_set_prefix(&s->channel, m, &e), &e);
}

static int32_t on_group(void *context, struct adit_sv2_conn *conn,
			const struct adit_sv2_set_group_channel *m)
{
	struct miner_session *s = context;

	(void)conn;
	miner_channel_set_group(&s->channel, m);
	return ADIT_OK;
}

/* --- accounts --- */

static void count_reject(struct miner_stats *stats, const char *code)
{
	uint32_t i = 0;

	stats->rejected++;
	while (i < stats->reject_count && strcmp(stats->rejects[i].code, code) != 0)
		i++;
	if (i == MINER_REJECT_CODES)
		i--;
	else if (i == stats->reject_count)
		snprintf(stats->rejects[stats->reject_count++].code, sizeof(stats->rejects[0].code),
			 "%s", i == MINER_REJECT_CODES - 1 ? "other" : code);
	stats->rejects[i].count++;
}

static int32_t on_shares_success(void *context, struct adit_sv2_conn *conn,
				 const struct adit_sv2_submit_shares_success *m)
{
	struct miner_session *s = context;

	(void)conn;
	if (miner_channel_is(&s->channel, m->channel_id))
		s->stats.accepted += m->new_submits_accepted_count;
	return ADIT_OK;
}

static int32_t on_shares_error(void *context, struct adit_sv2_conn *conn,
			       const struct adit_sv2_submit_shares_error *m)
{
	struct miner_session *s = context;
	uint32_t known = s->block_count < RECENT_BLOCKS ? s->block_count : RECENT_BLOCKS;
	char code[sizeof(s->stats.rejects[0].code)];

	(void)conn;
	if (!miner_channel_is(&s->channel, m->channel_id))
		return ADIT_OK;
	printable(&m->error_code, code, sizeof(code));
	count_reject(&s->stats, code);
	miner_log(s->host, ADIT_LOG_DEBUG, "share %u was refused: %s", m->sequence_number, code);
	for (uint32_t i = 0; i < known; i++) {
		if (s->block_sequences[i] != m->sequence_number)
			continue;
		s->block_sequences[i] = 0;
		s->stats.blocks--;
	}
	return ADIT_OK;
}

static int32_t on_update_error(void *context, struct adit_sv2_conn *conn,
			       const struct adit_sv2_update_channel_error *m)
{
	struct miner_session *s = context;
	char code[64];

	(void)conn;
	printable(&m->error_code, code, sizeof(code));
	miner_log(s->host, ADIT_LOG_WARNING, "the server refused the new hash rate: %s", code);
	return ADIT_OK;
}

void miner_session_hold(struct miner_session *s, bool held)
{
	if (s->held == held)
		return;
	s->held = held;
	give_job(s);
	if (held)
		miner_state(s->host, "paused");
}

void miner_session_measured(struct miner_session *s, double rate)
{
	struct adit_sv2_update_channel m = {
	    .channel_id = s->channel.id,
	    .nominal_hash_rate = (float)rate,
	    .max_target = any_target,
	};

	if (s->conn == NULL || !s->channel.open || rate <= 0)
		return;
	if (rate < s->announced * NOTABLE && rate * NOTABLE > s->announced)
		return;
	s->announced = rate;
	adit_sv2_send(s->conn, ADIT_SV2_UPDATE_CHANNEL, &m);
	miner_log(s->host, ADIT_LOG_INFO, "told the server a hash rate of %.0f H/s", rate);
}

/* --- the connection --- */

static void on_opened(void *context, struct adit_sv2_conn *conn,
		      const struct adit_sv2_setup_connection_success *success)
{
	struct miner_session *s = context;

	s->conn = conn;
	s->stats.connected = true;
	sv2_conn_local(sv2_conn_of(conn), s->stats.local);
	s->server_flags = success->flags;
	s->reopen_ms = REOPEN_MIN_MS;
	if (!s->options->extended && (success->flags & ADIT_SV2_REQUIRES_EXTENDED_CHANNELS) != 0) {
		miner_log(s->host, ADIT_LOG_ERROR,
			  "%s takes extended channels only: set channel = extended",
			  s->options->upstream);
		miner_state(s->host, "the server takes extended channels only");
		return;
	}
	open_channel(s);
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	struct miner_session *s = context;
	const struct miner_host *h = s->host;

	(void)conn;
	if (s->reopening)
		h->api->timer_cancel(h->handle, s->reopen);
	s->reopening = false;
	s->conn = NULL;
	s->stats.connected = false;
	s->stats.local[0] = '\0';
	close_channel(s);
	miner_state(h, "not connected to %s: %s", s->options->upstream, reason);
}

static const struct adit_sv2_mining_client_handlers handlers = {
    .size = sizeof(handlers),
    .opened = on_opened,
    .closed = on_closed,
    .open_standard_mining_channel_success = on_open_standard_success,
    .open_extended_mining_channel_success = on_open_extended_success,
    .open_mining_channel_error = on_open_error,
    .close_channel = on_close_channel,
    .new_mining_job = on_job,
    .new_extended_mining_job = on_extended_job,
    .set_new_prev_hash = on_prev_hash,
    .set_target = on_target,
    .set_extranonce_prefix = on_prefix,
    .set_group_channel = on_group,
    .submit_shares_success = on_shares_success,
    .submit_shares_error = on_shares_error,
    .update_channel_error = on_update_error,
};

static void client_log(void *user, int32_t level, const char *text)
{
	struct miner_session *s = user;

	miner_log(s->host, level, "%s", text);
}

static struct sv2_client *new_client(struct miner_session *s, struct error *e)
{
	const struct miner_host *h = s->host;
	struct event_base *base = h->api->loop(h->handle, "libevent-2");
	struct sv2_client_options options = {
	    .address = s->options->upstream,
	    .authority_x = s->options->authority_x,
	    .vendor = "adit",
	    .hardware_version = "cpu-miner",
	    .firmware = PACKAGE_VERSION,
	    .log = client_log,
	    .log_user = s,
	};

	if (base == NULL) {
		error_set(e, ADIT_E_UNSUPPORTED, "the host's loop is not libevent 2");
		return NULL;
	}
	if (!s->options->extended && s->options->header_only)
		options.flags = ADIT_SV2_REQUIRES_STANDARD_JOBS;
	return sv2_client_new_mining(base, &options, &handlers, s, e);
}

struct miner_session *miner_session_new(const struct miner_host *host,
					const struct miner_options *options,
					struct miner_hasher *hasher, double rate, struct error *e)
{
	struct miner_session *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		error_set(e, ADIT_E_NO_MEMORY, "no memory");
		return NULL;
	}
	s->host = host;
	s->options = options;
	s->hasher = hasher;
	s->announced = rate;
	s->client = new_client(s, e);
	if (s->client == NULL) {
		free(s);
		return NULL;
	}
	watch_results(s);
	miner_state(host, "connecting to %s", options->upstream);
	return s;
}

void miner_session_free(struct miner_session *s)
{
	if (s == NULL)
		return;
	sv2_client_free(s->client);
	close_channel(s);
	if (s->watching)
		s->host->api->io_unwatch(s->host->handle, s->watch);
	if (s->paused)
		s->host->api->timer_cancel(s->host->handle, s->pause);
	if (s->reopening)
		s->host->api->timer_cancel(s->host->handle, s->reopen);
	free(s);
}

void miner_session_set_hasher(struct miner_session *s, struct miner_hasher *hasher)
{
	const struct miner_host *h = s->host;
	struct miner_job *job = s->given;
	struct miner_result r;
	uint64_t seed;

	while (miner_hasher_take(s->hasher, &r)) {
		submit(s, &r);
		miner_job_unref(r.job);
	}
	s->hasher = hasher;
	random_bytes(&seed, sizeof(seed));
	if (job != NULL)
		miner_hasher_set_job(hasher, job, seed);
	if (!s->watching)
		return; /* after the pause */
	h->api->io_unwatch(h->handle, s->watch);
	watch_results(s);
}

void miner_session_set_accounts(struct miner_session *s, const struct miner_stats *stats)
{
	s->stats = *stats;
	s->stats.connected = false;
	s->stats.local[0] = '\0';
	s->stats.mining = false;
}

const struct miner_stats *miner_session_stats(const struct miner_session *s)
{
	return &s->stats;
}
