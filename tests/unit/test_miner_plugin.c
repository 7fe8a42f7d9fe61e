/* SPDX-License-Identifier: MIT */
/* The role as a whole, against a server of lib/sv2 over TCP and Noise that plays the pool and
 * checks each share by computing it anew. */
#include "config.h"

#include <check.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/bitcoin/merkle.h"
#include "lib/bitcoin/target.h"
#include "lib/noise/keys.h"
#include "lib/sv2/server.h"
#include "plugins/cpu-miner/session.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/test_miner.h"

extern const struct adit_plugin_descriptor adit_plugin;

#define CHANNEL 3u
#define GROUP 4u
#define BASE_TIME 1700000000u
#define JOB_VERSION 0x20000000u
#define ROLLED 0x1fffe000u

static const uint8_t prefix_part[43] = {[0] = 2, [4] = 1, [41] = 40, [42] = 0x51};
static const uint8_t suffix_part[20] = {0xff, 0xff, 0xff, 0xff, 1};
static const uint8_t path_part[64] = {7, 8, 9};
static const uint8_t extranonce_prefix[20] = {0xaa, 0xbb};

static struct adit_host *host, *pool_host;
static struct event_base *base;
static char key_text[NOISE_KEY_TEXT_SIZE];
static uint8_t secret[32];
static char upstream[64];

/* The pool. */
static struct {
	struct sv2_server *server;
	struct adit_sv2_conn *conn;
	int opens;  /* requests for a channel */
	int refuse; /* so many of them are refused */
	int closed;
	int shares;
	int shares_of[8]; /* by job id */
	int updates;
	uint32_t flags;
	uint32_t last_sequence;
	uint32_t last_version;
	float hash_rate;
	char user[64];
	uint8_t prev_hash[32];
	uint8_t prev_of[8][32]; /* by job id */
	uint8_t target[32];     /* of all jobs */
	bool extended;
	bool lenient;        /* does not check shares */
	uint64_t generation; /* connections */
} pool;

/* --- what the pool sends --- */

static void tell(int32_t message, const void *body)
{
	ck_assert_int_eq(adit_sv2_send(pool.conn, message, body), ADIT_OK);
}

static struct adit_u256 root_of(uint32_t job_id)
{
	struct adit_u256 root;

	memset(root.b, 0x40 + (int)job_id, 32);
	return root;
}

static void send_job(uint32_t id, uint32_t min_ntime)
{
	struct adit_sv2_new_mining_job m = {
	    .channel_id = CHANNEL,
	    .job_id = id,
	    .ntime_start = {.present = min_ntime != 0, .value = min_ntime},
	    .version = JOB_VERSION,
	    .merkle_root = root_of(id),
	};

	memcpy(pool.prev_of[id], pool.prev_hash, 32);
	tell(ADIT_SV2_NEW_MINING_JOB, &m);
}

static void send_extended_job(uint32_t channel, uint32_t id, uint32_t min_ntime)
{
	struct adit_sv2_new_extended_mining_job m = {
	    .channel_id = channel,
	    .job_id = id,
	    .ntime_start = {.present = min_ntime != 0, .value = min_ntime},
	    .version = JOB_VERSION,
	    .version_rolling_allowed = true,
	    .merkle_path = {.data = path_part, .size = 64, .count = 2},
	    .coinbase_tx_prefix = {.data = prefix_part, .size = sizeof(prefix_part)},
	    .coinbase_tx_suffix = {.data = suffix_part, .size = sizeof(suffix_part)},
	};

	tell(ADIT_SV2_NEW_EXTENDED_MINING_JOB, &m);
}

static void send_tip(uint32_t job, uint8_t fill)
{
	struct adit_sv2_set_new_prev_hash m = {
	    .channel_id = pool.extended ? GROUP : CHANNEL,
	    .job_id = job,
	    .ntime_start = BASE_TIME,
	    .nbits = 0x207fffff,
	};

	memset(pool.prev_hash, fill, 32);
	memcpy(pool.prev_of[job], pool.prev_hash, 32);
	memcpy(m.prev_hash.b, pool.prev_hash, 32);
	tell(ADIT_SV2_SET_NEW_PREV_HASH, &m);
}

static void first_job(void)
{
	if (pool.extended)
		send_extended_job(GROUP, 1, 0);
	else
		send_job(1, 0);
	/* Another tip for each connection, so that no share of an old one would pass. */
	send_tip(1, (uint8_t)(0x77 + pool.generation));
}

/* --- what the pool hears --- */

static void on_opened(void *context, struct adit_sv2_conn *conn)
{
	(void)context;
	pool.conn = conn;
	pool.flags = adit_sv2_conn_flags(conn);
	pool.generation++;
}

static void on_closed(void *context, struct adit_sv2_conn *conn, const char *reason)
{
	(void)context;
	(void)conn;
	(void)reason;
	pool.conn = NULL;
	pool.closed++;
}

static bool refuses(uint32_t request_id)
{
	static const char code[] = "unknown-user";
	struct adit_sv2_open_mining_channel_error m = {
	    .request_id = request_id,
	    .error_code = {.data = (const uint8_t *)code, .size = sizeof(code) - 1},
	};

	pool.opens++;
	if (pool.refuse == 0)
		return false;
	pool.refuse--;
	tell(ADIT_SV2_OPEN_MINING_CHANNEL_ERROR, &m);
	return true;
}

static void note_open(const struct adit_bytes *user, float rate)
{
	snprintf(pool.user, sizeof(pool.user), "%.*s", (int)user->size, (const char *)user->data);
	pool.hash_rate = rate;
	memset(pool.shares_of, 0, sizeof(pool.shares_of));
}

static int32_t on_open_standard(void *context, struct adit_sv2_conn *conn,
				const struct adit_sv2_open_standard_mining_channel *m)
{
	struct adit_sv2_open_standard_mining_channel_success success = {
	    .request_id = m->request_id,
	    .channel_id = CHANNEL,
	    .extranonce_prefix = {.data = extranonce_prefix, .size = sizeof(extranonce_prefix)},
	    .group_channel_id = GROUP,
	};

	(void)context;
	(void)conn;
	if (refuses(m->request_id))
		return ADIT_OK;
	note_open(&m->user_identity, m->nominal_hash_rate);
	memcpy(success.target.b, pool.target, 32);
	tell(ADIT_SV2_OPEN_STANDARD_MINING_CHANNEL_SUCCESS, &success);
	first_job();
	return ADIT_OK;
}

static int32_t on_open_extended(void *context, struct adit_sv2_conn *conn,
				const struct adit_sv2_open_extended_mining_channel *m)
{
	struct adit_sv2_open_extended_mining_channel_success success = {
	    .request_id = m->request_id,
	    .channel_id = CHANNEL,
	    .extranonce_size = 8,
	    .extranonce_prefix = {.data = extranonce_prefix, .size = sizeof(extranonce_prefix)},
	    .group_channel_id = {.present = true, .value = GROUP},
	};

	(void)context;
	(void)conn;
	if (refuses(m->request_id))
		return ADIT_OK;
	ck_assert_uint_eq(m->min_extranonce_size, 4);
	note_open(&m->user_identity, m->nominal_hash_rate);
	memcpy(success.target.b, pool.target, 32);
	tell(ADIT_SV2_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS, &success);
	first_job();
	return ADIT_OK;
}

/* Every share has to be right. */
static void check_share(uint32_t job_id, uint32_t sequence, const uint8_t root[32],
			uint32_t version, uint32_t ntime, uint32_t nonce)
{
	struct miner_job job = {.nbits = 0x207fffff};
	struct adit_sv2_submit_shares_success m = {.channel_id = CHANNEL,
						   .last_sequence_number = sequence,
						   .new_submits_accepted_count = 1};
	uint8_t hash[32];

	ck_assert_uint_lt(job_id, 8);
	memcpy(job.prev_hash, pool.prev_of[job_id], 32);
	test_header(&job, root, version, ntime, nonce, hash);
	ck_assert(pool.lenient || target_met(hash, pool.target));
	ck_assert_uint_eq(version & ~ROLLED, JOB_VERSION);
	ck_assert_uint_ge(ntime, BASE_TIME);
	ck_assert_uint_lt(ntime, BASE_TIME + 20);
	pool.shares++;
	pool.shares_of[job_id]++;
	pool.last_sequence = sequence;
	pool.last_version = version;
	tell(ADIT_SV2_SUBMIT_SHARES_SUCCESS, &m);
}

static int32_t on_standard_share(void *context, struct adit_sv2_conn *conn,
				 const struct adit_sv2_submit_shares_standard *m)
{
	struct adit_u256 root = root_of(m->job_id);

	(void)context;
	(void)conn;
	ck_assert_uint_eq(m->channel_id, CHANNEL);
	check_share(m->job_id, m->sequence_number, root.b, m->version, m->ntime, m->nonce);
	return ADIT_OK;
}

static int32_t on_extended_share(void *context, struct adit_sv2_conn *conn,
				 const struct adit_sv2_submit_shares_extended *m)
{
	uint8_t txid[32], root[32];

	(void)context;
	(void)conn;
	ck_assert_uint_eq(m->channel_id, CHANNEL);
	ck_assert_uint_eq(m->extranonce.size, 8);
	coinbase_txid(prefix_part, sizeof(prefix_part), extranonce_prefix,
		      sizeof(extranonce_prefix), m->extranonce.data, 8, suffix_part,
		      sizeof(suffix_part), txid);
	merkle_fold(txid, path_part, 2, root);
	check_share(m->job_id, m->sequence_number, root, m->version, m->ntime, m->nonce);
	return ADIT_OK;
}

static int32_t on_update(void *context, struct adit_sv2_conn *conn,
			 const struct adit_sv2_update_channel *m)
{
	(void)context;
	(void)conn;
	ck_assert_uint_eq(m->channel_id, CHANNEL);
	pool.updates++;
	pool.hash_rate = m->nominal_hash_rate;
	return ADIT_OK;
}

static const struct adit_sv2_mining_server_handlers handlers = {
    .size = sizeof(handlers),
    .supported_flags = ADIT_SV2_REQUIRES_STANDARD_JOBS,
    .opened = on_opened,
    .closed = on_closed,
    .open_standard_mining_channel = on_open_standard,
    .open_extended_mining_channel = on_open_extended,
    .submit_shares_standard = on_standard_share,
    .submit_shares_extended = on_extended_share,
    .update_channel = on_update,
};

/* --- scaffolding --- */

static void start_pool(void)
{
	struct sv2_server_options options = {.authority_secret = secret};
	struct adit_listener l = {.size = sizeof(l)};

	ck_assert_int_eq(fake_host_api()->listener(pool_host, "listen", 0, &l), ADIT_OK);
	pool.server = sv2_server_new(base, &options);
	ck_assert_ptr_nonnull(pool.server);
	ck_assert_int_eq(sv2_server_set_mining(pool.server, &handlers, NULL), ADIT_OK);
	ck_assert_int_eq(sv2_server_listen(pool.server, l.fd, false), ADIT_OK);
	sv2_server_set_open(pool.server, ADIT_SV2_MINING, true);
}

static void setup(void)
{
	const char *srcdir = getenv("srcdir"); /* `make check` sets it */
	uint8_t public_x[32];
	char path[512];
	char *manifest;

	snprintf(path, sizeof(path), "%s/plugins/cpu-miner/cpu-miner.manifest",
		 srcdir != NULL ? srcdir : ".");
	manifest = fake_host_read_file(path);
	ck_assert_msg(manifest != NULL, "%s: not there", path);
	memset(&pool, 0, sizeof(pool));
	memset(pool.target, 0xff, 30); /* with the next line one hash in 4096 */
	pool.target[30] = 0x0f;
	ck_assert_int_eq(noise_key_generate(secret, public_x), ADIT_OK);
	noise_public_format(public_x, key_text);
	host = fake_host_new("cpu-miner", manifest, NULL, NULL);
	free(manifest);
	pool_host = fake_host_new("pool", NULL, NULL, host);
	base = fake_host_base(host);
	const char *bound = fake_host_listen(pool_host, "listen", "127.0.0.1:0");
	ck_assert_ptr_nonnull(bound);
	snprintf(upstream, sizeof(upstream), "%s", bound);
	fake_host_set_config(host, "upstream", upstream);
	fake_host_set_config(host, "authority_public_key", key_text);
	fake_host_set_config(host, "user", "demo.worker");
	fake_host_set_config(host, "hashrate_limit", "200000");
	start_pool();
}

static void begin(bool extended)
{
	pool.extended = extended;
	fake_host_set_config(host, "channel", extended ? "extended" : "standard");
	ck_assert_msg(fake_host_start(host, &adit_plugin) == ADIT_OK, "%s", fake_host_error(host));
}

static void teardown(void)
{
	fake_host_stop(host);
	ck_assert_uint_eq(fake_host_registrations(host), 0);
	sv2_server_free(pool.server);
	fake_host_free(pool_host);
	fake_host_free(host);
}

static bool has_shares(void *user)
{
	return pool.shares >= *(int *)user;
}

static void wait_shares(int more)
{
	int n = pool.shares + more;

	ck_assert(fake_host_wait(host, has_shares, &n, 10000));
}

static bool has_opens(void *user)
{
	return pool.opens >= *(int *)user;
}

static void wait_opens(int n)
{
	ck_assert(fake_host_wait(host, has_opens, &n, 10000));
}

/* The role's status; the caller frees it. */
static struct json_object *status(void)
{
	struct fake_reply *r = fake_host_call(host, "status", "{}", NULL, 0);
	struct json_object *o;

	ck_assert_int_eq(r->error, ADIT_OK);
	o = json_tokener_parse(r->json);
	ck_assert_ptr_nonnull(o);
	fake_reply_free(r);
	return o;
}

static int64_t status_of(const char *key)
{
	struct json_object *o = status(), *v;
	int64_t value;

	ck_assert_msg(json_object_object_get_ex(o, key, &v), "no %s", key);
	value = json_object_get_int64(v);
	json_object_put(o);
	return value;
}

/* --- the tests --- */

START_TEST(standard_channel)
{
	begin(false);
	wait_shares(10);
	ck_assert_uint_eq(pool.flags, ADIT_SV2_REQUIRES_STANDARD_JOBS);
	ck_assert_str_eq(pool.user, "demo.worker");
	ck_assert(pool.hash_rate > 1000 && pool.hash_rate <= 200000);
	ck_assert_uint_eq(pool.last_sequence, (uint32_t)pool.shares);
	fake_host_run(host, 20);
	ck_assert_int_ge(status_of("shares_submitted"), 10);
	ck_assert_int_ge(status_of("shares_accepted"), 10);
	ck_assert_int_eq(status_of("shares_rejected"), 0);
	/* Bits 207fffff: half of all hashes are blocks, and so is each of these. */
	ck_assert_int_ge(status_of("blocks"), 10);
	ck_assert_int_eq(status_of("connected"), 1);
	ck_assert_int_eq(status_of("threads"), 1);
	ck_assert_int_ge(status_of("hashes"), 10000);
	ck_assert_int_gt(status_of("hashrate") + 1, 0);
	ck_assert_ptr_nonnull(strstr(fake_host_status(host), "mining for 127.0.0.1:"));
}
END_TEST

START_TEST(extended_channel)
{
	begin(true);
	wait_shares(10);
	ck_assert_uint_eq(pool.flags, 0);
	ck_assert_int_eq(status_of("shares_rejected"), 0);
}
END_TEST

START_TEST(standard_channel_with_group_jobs)
{
	fake_host_set_config(host, "header_only", "false");
	begin(false);
	wait_shares(1);
	ck_assert_uint_eq(pool.flags, 0);
}
END_TEST

/* A job for now, and a new tip: after each the shares are those of the new job. */
START_TEST(jobs_follow_each_other)
{
	begin(false);
	wait_shares(2);
	send_job(2, BASE_TIME);
	while (pool.shares_of[2] < 2)
		wait_shares(1);
	send_job(3, 0);
	fake_host_run(host, 50);
	ck_assert_int_eq(pool.shares_of[3], 0);
	send_tip(3, 0x88);
	while (pool.shares_of[3] < 2)
		wait_shares(1);
	ck_assert_int_eq(status_of("shares_rejected"), 0);
}
END_TEST

START_TEST(refused_channels_are_asked_for_again)
{
	pool.refuse = 1;
	begin(false);
	wait_opens(1);
	fake_host_run(host, 100);
	ck_assert_int_eq(pool.opens, 1);
	ck_assert_str_eq(fake_host_status(host), "the server opens no channel: unknown-user");
	wait_opens(2);
	wait_shares(1);
	ck_assert_uint_eq(pool.generation, 1);
}
END_TEST

START_TEST(closed_channels_are_opened_again)
{
	static const char why[] = "moved.";
	struct adit_sv2_close_channel m = {
	    .channel_id = GROUP, .reason_code = {.data = (const uint8_t *)why, .size = 6}};

	uint8_t frame[64];
	size_t size;

	begin(false);
	wait_shares(2);
	/* A code that our own encoder would refuse. */
	ck_assert_int_eq(
	    adit_sv2_encode(pool.conn, ADIT_SV2_CLOSE_CHANNEL, &m, frame, sizeof(frame), &size),
	    ADIT_OK);
	frame[size - 1] = '\n';
	ck_assert_int_eq(adit_sv2_send_frame(pool.conn, frame, size), ADIT_OK);
	fake_host_run(host, 50);
	/* Control characters of the peer don't reach our state line. */
	ck_assert_str_eq(fake_host_status(host), "the server closed the channel: moved?");
	wait_opens(2);
	wait_shares(1);
	ck_assert_uint_eq(pool.generation, 1);
}
END_TEST

/* After a reconnect: a new channel, sequence numbers from 1, and no share of an old job. */
START_TEST(reconnect)
{
	begin(true);
	wait_shares(3);
	ck_assert_uint_ge(pool.last_sequence, 3);
	adit_sv2_close(pool.conn, "the test wants it");
	wait_opens(2);
	ck_assert_int_eq(pool.closed, 1);
	ck_assert_uint_eq(pool.generation, 2);
	int before = pool.shares;
	wait_shares(2);
	ck_assert_uint_eq(pool.last_sequence, (uint32_t)(pool.shares - before));
	ck_assert_int_eq(pool.shares_of[1], pool.shares - before);
}
END_TEST

/* A server that names a job it never sent: the miner leaves, and is back with a clean slate. */
START_TEST(protocol_errors_end_the_connection)
{
	begin(false);
	wait_shares(1);
	send_tip(7, 0x99);
	wait_opens(2);
	ck_assert_int_eq(pool.closed, 1);
	ck_assert(fake_host_logged(host, "SetNewPrevHash names job 7"));
	wait_shares(1);
}
END_TEST

/* From here on no hash is a share. */
static void stop_shares(void)
{
	struct adit_sv2_set_target m = {.channel_id = CHANNEL};

	tell(ADIT_SV2_SET_TARGET, &m);
	send_job(2, 0);
	send_tip(2, 0x12);
	fake_host_run(host, 50);
}

START_TEST(rejects_are_counted)
{
	static const char code[] = "stale-share";
	struct adit_sv2_submit_shares_error m = {
	    .channel_id = CHANNEL,
	    .error_code = {.data = (const uint8_t *)code, .size = sizeof(code) - 1}};
	struct json_object *o, *rejects, *v;
	int64_t blocks, shares;

	begin(false);
	wait_shares(3);
	pool.lenient = true;
	stop_shares();
	blocks = status_of("blocks");
	shares = pool.shares;
	ck_assert_int_eq(blocks, shares);
	m.sequence_number = pool.last_sequence;
	for (int i = 0; i < 2; i++)
		tell(ADIT_SV2_SUBMIT_SHARES_ERROR, &m);
	fake_host_run(host, 50);
	ck_assert_int_eq(pool.shares, shares);
	o = status();
	ck_assert(json_object_object_get_ex(o, "rejects", &rejects));
	ck_assert(json_object_object_get_ex(rejects, "stale-share", &v));
	ck_assert_int_eq(json_object_get_int64(v), 2);
	json_object_put(o);
	ck_assert_int_eq(status_of("shares_rejected"), 2);
	/* That share was no block after all; once is enough. */
	ck_assert_int_eq(status_of("blocks"), blocks - 1);
}
END_TEST

/* What is found for a tip that is gone by then is not sent. With every hash a share, some are
 * always on their way between threads and loop. */
START_TEST(shares_of_an_old_tip_are_dropped)
{
	memset(pool.target, 0xff, 32);
	begin(false);
	wait_shares(10);
	for (uint32_t i = 0; i < 50 && status_of("shares_dropped") == 0; i++) {
		send_job(2 + i % 4, 0);
		send_tip(2 + i % 4, (uint8_t)i);
		wait_shares(20);
	}
	ck_assert_int_gt(status_of("shares_dropped"), 0);
}
END_TEST

/* A pool that lets everything pass is not flooded beyond what it reads. */
START_TEST(any_hash_is_a_share)
{
	memset(pool.target, 0xff, 32);
	begin(false);
	wait_shares(3000);
	ck_assert_int_eq(pool.closed, 0);
	ck_assert_int_eq(status_of("shares_rejected"), 0);
}
END_TEST

START_TEST(a_wrong_authority)
{
	uint8_t other_secret[32], other[32];
	char text[NOISE_KEY_TEXT_SIZE];

	noise_key_generate(other_secret, other);
	noise_public_format(other, text);
	fake_host_set_config(host, "authority_public_key", text);
	begin(false);
	fake_host_run(host, 300);
	ck_assert_int_eq(pool.opens, 0);
	ck_assert_int_eq(status_of("connected"), 0);
	ck_assert_ptr_nonnull(strstr(fake_host_status(host), "not connected"));
}
END_TEST

START_TEST(the_key_file_comes_later)
{
	char path[] = "/tmp/adit-test-key-XXXXXX";
	int fd = mkstemp(path);
	FILE *out;

	close(fd);
	unlink(path);
	fake_host_set_config(host, "authority_public_key", "");
	fake_host_set_config(host, "authority_key_file", path);
	begin(false);
	fake_host_run(host, 100);
	ck_assert_ptr_nonnull(strstr(fake_host_status(host), path));
	out = fopen(path, "w");
	fprintf(out, "%s\n", key_text);
	fclose(out);
	wait_shares(1);
	unlink(path);
}
END_TEST

START_TEST(upstream_as_url)
{
	char url[160];

	snprintf(url, sizeof(url), "stratum2+tcp://%s/%s", upstream, key_text);
	fake_host_set_config(host, "upstream", url);
	fake_host_set_config(host, "authority_public_key", "");
	begin(false);
	wait_shares(1);
}
END_TEST

/* The server hears of a hash rate that is notably another than the announced one. */
START_TEST(hash_rate_is_updated)
{
	struct miner_host mine = {.api = fake_host_api(), .handle = host};
	struct miner_options options = {.has_authority = true, .user = "x", .threads = 1};
	struct miner_hasher *hasher;
	struct miner_session *session;
	struct error e = {0};

	snprintf(options.upstream, sizeof(options.upstream), "%s", upstream);
	noise_public_parse(key_text, options.authority_x, &e);
	hasher = miner_hasher_new(1, 100000, &e);
	session = miner_session_new(&mine, &options, hasher, 1000, &e);
	ck_assert_msg(session != NULL, "%s", e.text);
	miner_session_measured(session, 1e6); /* nobody to tell yet */
	wait_shares(1);
	ck_assert(pool.hash_rate > 999 && pool.hash_rate < 1001);
	miner_session_measured(session, 1300);
	miner_session_measured(session, 800);
	miner_session_measured(session, 0);
	fake_host_run(host, 50);
	ck_assert_int_eq(pool.updates, 0);
	miner_session_measured(session, 1500);
	fake_host_run(host, 50);
	ck_assert_int_eq(pool.updates, 1);
	ck_assert(pool.hash_rate > 1499 && pool.hash_rate < 1501);
	miner_session_measured(session, 1500);
	miner_session_measured(session, 1000);
	fake_host_run(host, 50);
	ck_assert_int_eq(pool.updates, 2);
	ck_assert(pool.hash_rate > 999 && pool.hash_rate < 1001);
	miner_session_free(session);
	miner_hasher_free(hasher);
}
END_TEST

/* Threads and rate change under the connection: the job goes on, nothing that was found is lost,
 * and the server hears of it. */
START_TEST(reload_of_the_work)
{
	int64_t hashes;

	begin(_i == 1);
	wait_shares(5);
	hashes = status_of("hashes");
	fake_host_set_config(host, "threads", "3");
	fake_host_set_config(host, "hashrate_limit", "20000");
	ck_assert_msg(fake_host_reload(host) == ADIT_OK, "%s", fake_host_error(host));
	ck_assert_int_eq(status_of("threads"), 3);
	ck_assert_int_ge(status_of("hashes"), hashes);
	wait_shares(5);
	ck_assert_int_eq(pool.updates, 1);
	ck_assert(pool.hash_rate > 19999 && pool.hash_rate < 20001);
	ck_assert_int_eq(pool.opens, 1);
	ck_assert_int_eq(pool.closed, 0);
	ck_assert_int_eq(status_of("shares_rejected"), 0);
	ck_assert_int_eq(status_of("shares_dropped"), 0);
	/* the same again is nothing */
	ck_assert_int_eq(fake_host_reload(host), ADIT_OK);
	fake_host_run(host, 50);
	ck_assert_int_eq(pool.updates, 1);
}
END_TEST

/* Another user takes another connection, in the same process; the accounts go on. */
static void order(const char *method, const char *params, int32_t error)
{
	struct fake_reply *r = fake_host_call(host, method, params, NULL, 0);

	ck_assert_msg(r->error == error, "%s %s: %d %s", method, params, (int)r->error, r->message);
	fake_reply_free(r);
}

/* The connection stays, no share comes, and afterwards it goes on where it was. */
START_TEST(pause_and_resume)
{
	uint64_t generation;
	struct json_object *o, *v;
	int64_t hashes;

	begin(false);
	wait_shares(3);
	generation = pool.generation;
	order("pause", "{}", ADIT_OK);
	order("pause", "{}", ADIT_OK);
	ck_assert_int_eq(status_of("paused"), 1);
	ck_assert_str_eq(fake_host_status(host), "paused");
	/* What the threads had begun is over when nothing is counted any more. */
	do {
		hashes = status_of("hashes");
		fake_host_run(host, 100);
	} while (status_of("hashes") != hashes);
	pool.shares = 0;
	send_job(2, BASE_TIME); /* new work does not wake it */
	fake_host_run(host, 500);
	ck_assert_int_eq(status_of("hashes"), hashes);
	ck_assert_int_eq(pool.shares, 0);
	ck_assert_int_eq(status_of("connected"), 1);
	order("resume", "{}", ADIT_OK);
	wait_shares(3);
	ck_assert_int_eq(status_of("paused"), 0);
	ck_assert_uint_eq(pool.generation, generation);
	o = status();
	ck_assert(json_object_object_get_ex(o, "local_address", &v));
	ck_assert_ptr_nonnull(strstr(json_object_get_string(v), "127.0.0.1:"));
	json_object_put(o);
}
END_TEST

/* A new connection of a paused miner does not work either. */
START_TEST(pause_over_connections)
{
	begin(false);
	wait_shares(3);
	order("pause", "{}", ADIT_OK);
	adit_sv2_close(pool.conn, "try");
	wait_opens(2);
	fake_host_run(host, 300);
	pool.shares = 0;
	fake_host_run(host, 500);
	ck_assert_int_eq(pool.shares, 0);
	order("resume", "{}", ADIT_OK);
	wait_shares(3);
}
END_TEST

START_TEST(hash_rate_is_capped)
{
	static const char *const wrong[] = {"{}",
					    "[]",
					    "{\"hashrate\":\"1\"}",
					    "{\"hashrate\":0}",
					    "{\"hashrate\":-5}",
					    "{\"hashrate\":1e300}",
					    "no"};

	begin(false);
	wait_shares(3);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		order("set_hashrate", wrong[i], ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(status_of("hashrate_limit"), 200000);
	order("set_hashrate", "{\"hashrate\":50000}", ADIT_OK);
	ck_assert_int_eq(status_of("hashrate_limit"), 50000);
	wait_shares(3);
	ck_assert_int_eq(pool.opens, 1);
	order("set_hashrate", "{\"hashrate\":null}", ADIT_OK);
	ck_assert_int_eq(status_of("hashrate_limit"), 200000);
	/* What the file says comes back with a reload. */
	order("set_hashrate", "{\"hashrate\":50000}", ADIT_OK);
	order("pause", "{}", ADIT_OK);
	ck_assert_int_eq(fake_host_reload(host), ADIT_OK);
	ck_assert_int_eq(status_of("hashrate_limit"), 200000);
	ck_assert_int_eq(status_of("paused"), 0);
	wait_shares(3);
}
END_TEST

START_TEST(reload_of_the_user)
{
	int64_t submitted;

	begin(false);
	wait_shares(5);
	submitted = status_of("shares_submitted");
	fake_host_set_config(host, "user", "someone.else");
	fake_host_set_config(host, "threads", "2");
	ck_assert_msg(fake_host_reload(host) == ADIT_OK, "%s", fake_host_error(host));
	wait_opens(2);
	ck_assert_str_eq(pool.user, "someone.else");
	wait_shares(3);
	ck_assert_int_gt(status_of("shares_submitted"), submitted);
	ck_assert_int_eq(status_of("shares_rejected"), 0);
	ck_assert_int_eq(status_of("threads"), 2);
}
END_TEST

/* What can't be used changes nothing. */
START_TEST(reload_refused)
{
	begin(false);
	wait_shares(1);
	fake_host_set_config(host, "threads", "2");
	fake_host_set_config(host, "upstream", "nowhere");
	ck_assert_int_eq(fake_host_reload(host), ADIT_E_CONFIG);
	ck_assert_str_ne(fake_host_error(host), "");
	wait_shares(3);
	ck_assert_int_eq(status_of("threads"), 1);
	ck_assert_int_eq(pool.opens, 1);
	fake_host_set_config(host, "nominal_hash_rate", "lots");
	ck_assert_int_eq(fake_host_reload(host), ADIT_E_CONFIG);
	wait_shares(1);
	ck_assert_int_eq(pool.closed, 0);
}
END_TEST

static void refused(const char *key, const char *value, const char *said)
{
	struct adit_host *h = fake_host_new("cpu-miner", NULL, NULL, host);
	static const char *const defaults[][2] = {
	    {"upstream", "127.0.0.1:1"}, {"threads", "1"},
	    {"hashrate_limit", "0"},     {"channel", "standard"},
	    {"nominal_hash_rate", "0"},  {"min_extranonce_size", "4"},
	    {"header_only", "true"},     {"user", "x"}};

	fake_host_set_config(h, "authority_public_key", key_text);
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		fake_host_set_config(h, defaults[i][0], defaults[i][1]);
	fake_host_set_config(h, key, value);
	ck_assert_int_eq(fake_host_start(h, &adit_plugin), ADIT_E_CONFIG);
	ck_assert_msg(strstr(fake_host_error(h), said) != NULL, "%s", fake_host_error(h));
	fake_host_free(h);
}

START_TEST(bad_configuration_is_named)
{
	char long_user[300];

	memset(long_user, 'x', sizeof(long_user) - 1);
	long_user[sizeof(long_user) - 1] = '\0';
	refused("authority_public_key", "", "authority_public_key");
	refused("authority_public_key", "nonsense", "authority key");
	refused("upstream", "", "upstream");
	refused("upstream", "stratum2+tcp://host:1", "AUTHORITY_KEY");
	refused("upstream", "stratum2+tcp://host:1/xyz", "authority key");
	refused("nominal_hash_rate", "fast", "nominal_hash_rate");
	refused("nominal_hash_rate", "-1", "nominal_hash_rate");
	refused("nominal_hash_rate", "nan", "nominal_hash_rate");
	refused("threads", "100000", "threads");
	refused("user", long_user, "user");
}
END_TEST

Suite *miner_plugin_suite(void)
{
	Suite *s = suite_create("role cpu-miner");
	TCase *c = tcase_create("role");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, standard_channel);
	tcase_add_test(c, extended_channel);
	tcase_add_test(c, standard_channel_with_group_jobs);
	tcase_add_test(c, jobs_follow_each_other);
	tcase_add_test(c, refused_channels_are_asked_for_again);
	tcase_add_test(c, closed_channels_are_opened_again);
	tcase_add_test(c, reconnect);
	tcase_add_test(c, protocol_errors_end_the_connection);
	tcase_add_test(c, rejects_are_counted);
	tcase_add_test(c, shares_of_an_old_tip_are_dropped);
	tcase_add_test(c, any_hash_is_a_share);
	tcase_add_test(c, a_wrong_authority);
	tcase_add_test(c, the_key_file_comes_later);
	tcase_add_test(c, upstream_as_url);
	tcase_add_test(c, hash_rate_is_updated);
	tcase_add_loop_test(c, reload_of_the_work, 0, 2);
	tcase_add_test(c, reload_of_the_user);
	tcase_add_test(c, pause_and_resume);
	tcase_add_test(c, pause_over_connections);
	tcase_add_test(c, hash_rate_is_capped);
	tcase_add_test(c, reload_refused);
	tcase_add_test(c, bad_configuration_is_named);
	suite_add_tcase(s, c);
	return s;
}
