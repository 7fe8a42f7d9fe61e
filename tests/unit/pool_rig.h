/* SPDX-License-Identifier: MIT */
/* pool_rig.h: a pool with everything around it: the test is template provider, miners and host. */
#ifndef POOL_RIG_H
#define POOL_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "plugins/pool/pool.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/fake_sv2.h"

extern const struct adit_plugin_descriptor adit_plugin;

#define NBITS_HARD 0x170331dbu /* a block of the main chain in 2024: never found here */
#define NBITS_EASY 0x207fffffu /* regtest: every other hash is a block */
#define BLOCK_VERSION 0x20000000u

struct bench {
	struct adit_host *host;
	struct adit_host *server_host;
	struct fake_server server;
	struct pool *pool;
	struct mining *mining; /* the pool's, or that of another role which a test started */
	struct fake_conn *tdp[2];
	uint64_t next_template;
	uint8_t height; /* of templates, 101 at first */
	uint32_t now;
	char *manifest;
	const char *user; /* user_identity of send_open() */
};

/* What a miner knows about one channel. */
struct miner {
	struct bench *bench;
	struct fake_conn *conn;
	bool standard;
	uint32_t channel;
	uint8_t target[32];
	uint8_t prefix[32];
	size_t prefix_size;
	size_t rollable;
	/* the job that it works on */
	uint32_t job;
	uint32_t version;
	uint32_t min_ntime;
	uint32_t nbits;
	uint8_t prev_hash[32];
	uint8_t root[32]; /* standard */
	const struct adit_sv2_new_extended_mining_job *extended;
	/* the share it is about to send */
	uint32_t sequence;
	uint32_t ntime;
	uint32_t share_version;
	uint32_t nonce;
	const char *worker; /* extension 0x0002; NULL: not said */
	uint8_t extranonce[32];
	uint8_t hash[32];
	uint8_t header[80];
};

extern const struct adit_u256 any_target;
/* The configuration of bench_make(): shares are found in a few tries and are no blocks. */
extern const struct fake_option usual[];
/* The branches of every template. */
extern const uint8_t siblings[2][32];

char *manifest_text(void);

/* Everything but a started pool; MORE overrides the usual configuration (may be NULL). */
void bench_make(struct bench *b, const struct fake_option *more);
void bench_start(struct bench *b);
void bench_stop(struct bench *b);
void bench_free(struct bench *b);
/* The role's Ith template provider. */
struct provider *provider(struct bench *b, int i);
/* The provider's side of its connection. */
void tdp_open(struct bench *b, int i);
void tdp_close(struct bench *b, int i);
struct adit_sv2_new_template template_message(struct bench *b, bool future);
/* A template with the next id, which is returned; two branches. */
uint64_t send_template(struct bench *b, int i, bool future);
/* SetNewPrevHash for template ID: a hash all of whose bytes are TIP. What the handler returned. */
int32_t send_tip(struct bench *b, int i, uint64_t id, uint8_t tip, uint32_t nbits);
/* Both. */
void new_tip(struct bench *b, int i, uint8_t tip, uint32_t nbits);
/* A pool that serves: connected, with a template on tip 1. */
void bench_ready(struct bench *b, const struct fake_option *more, uint32_t nbits);
void bench_end(struct bench *b);
/* Asks for a channel; the answer is recorded. */
void send_open(struct bench *b, struct fake_conn *conn, bool standard, float hashrate,
	       const struct adit_u256 *max_target, uint16_t min_extranonce);
/* Takes the next job and, when it is a future one, the SetNewPrevHash that activates it. */
void take_job(struct miner *m);
/* A channel with its first job. */
struct miner open_miner(struct bench *b, struct fake_conn *conn, bool standard);
struct fake_conn *connect_miner(struct bench *b, uint32_t id, uint32_t flags);
/* Header and hash of the share that M would send. */
void hash_header(struct miner *m);
/* Goes on to the next nonce whose hash meets TARGET (or, with MEETS false, does not). */
void solve(struct miner *m, const uint8_t target[32], bool meets);
void submit(struct miner *m);
void batch_end(struct miner *m);
/* Submits and expects a SubmitShares.Success of this one share. */
void expect_accepted(struct miner *m);
/* Submits and expects a SubmitShares.Error with CODE. */
void expect_refused(struct miner *m, const char *code);
/* The miner disconnects. */
void leave(struct bench *b, struct fake_conn *c);

#endif
