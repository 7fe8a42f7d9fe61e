/* SPDX-License-Identifier: MIT */
/* fake_side.h: inside of the process of fake_upstream.h: what its pool and its declaration server
 * have in common. */
#ifndef FUNCTIONAL_FAKE_SIDE_H
#define FUNCTIONAL_FAKE_SIDE_H

#include <event2/event.h>

#include <adit/sv2.h>

#include "lib/bitcoin/merkle.h"
#include "lib/util/buf.h"
#include "tests/functional/fake_upstream.h"

#define FAKE_TOKEN_SIZE 16
#define FAKE_TOKENS 512
#define FAKE_JOBS 128

/* A job as declared, and as it is mined. */
struct fake_job {
	uint32_t id; /* 0: no job */
	uint32_t channel;
	bool active;
	uint32_t version;
	uint8_t prev_hash[32];
	uint32_t nbits;
	uint32_t min_ntime;
	struct buf prefix; /* stripped, up to the extranonce */
	struct buf suffix;
	uint8_t path[MERKLE_MAX_DEPTH][32];
	uint32_t depth;
	uint8_t extranonce_prefix[32];
	uint8_t target[32];
};

enum fake_token_kind { FAKE_NO_TOKEN, FAKE_ALLOCATED, FAKE_DECLARED };

struct fake_token {
	enum fake_token_kind kind;
	uint8_t data[FAKE_TOKEN_SIZE];
	struct fake_job job; /* of a declared one */
};

struct fake {
	struct fake_shared *shared;
	struct event_base *base;
	struct fake_token tokens[FAKE_TOKENS];
	uint32_t token_count; /* ever */
	struct fake_job jobs[FAKE_JOBS];
	uint32_t job_count; /* ever; the last one's id */
	uint32_t channel_count;
	uint8_t prev_hash[32]; /* of the pool's own jobs */
	uint32_t height;
	struct fake_pool *pool;
	struct fake_jds *jds;
};

/* --- fake_upstream.c --- */
void fake_require(bool condition);
/* Something that no honest client sends. */
void fake_wrong(struct fake *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One more of STEP has come. */
void fake_asked(struct fake *f, enum fake_step step);
enum fake_answer fake_how(const struct fake *f, enum fake_step step);
const char *fake_code(const struct fake *f, enum fake_step step);
struct adit_bytes fake_text(const char *text);

/* The answers to a request, of which one is sent, as STEP's order says. */
struct fake_reply {
	int32_t good;
	const void *good_body;
	int32_t bad;
	const void *bad_body;
	const void *foreign_body; /* of message `good`; NULL: nothing */
};
void fake_reply(struct fake *f, enum fake_step step, struct adit_sv2_conn *conn,
		const struct fake_reply *reply);
/* Each connection is told of, so that late answers find it or not. */
void fake_joined(struct fake *f, struct adit_sv2_conn *conn);
void fake_left(struct fake *f, struct adit_sv2_conn *conn);

struct fake_token *fake_new_token(struct fake *f, enum fake_token_kind kind);
/* NULL: it was never given out. */
struct fake_token *fake_find_token(struct fake *f, const struct adit_bytes *token);
/* The script that has to be paid. */
extern const uint8_t fake_script[22];
/* Whether all of OUTPUTS (with count) goes to it. */
bool fake_is_paid(const struct adit_bytes *outputs);
/* The header hash of JOB with the full EXTRANONCE (of 20 bytes or SIZE). */
void fake_hash(const struct fake_job *job, const uint8_t *extranonce, size_t size, uint32_t version,
	       uint32_t ntime, uint32_t nonce, uint8_t hash[32]);

/* --- fake_pool.c and fake_jds.c --- */
/* Serves PROTOCOL on the socket LISTENER from now on. */
void fake_pool_start(struct fake *f, int listener, const uint8_t secret[32]);
void fake_jds_start(struct fake *f, int listener, const uint8_t secret[32]);
void fake_pool_order(struct fake *f, enum fake_order order);
void fake_jds_close_all(struct fake *f);

#endif
