/* SPDX-License-Identifier: MIT */
/*
 * custom.h: jobs that miners composed themselves (SetCustomMiningJob, specification 05 section
 * 5.3.18), on connections with REQUIRES_WORK_SELECTION: these get no jobs and no tips of the pool.
 *
 * The token in the message is sealed (lib/sv2/token.h), so any worker on any machine that has the
 * key can tell what it was given out for. A declared job has to say again what was declared; one
 * without a declaration (coinbase-only mode) is judged by what the pool knows itself: the tip, the
 * height, and that the coinbase pays the output that the token names.
 *
 * A custom job is a template without a provider, so its shares are judged as any other's. A block
 * found on it can't be sent to a template provider, which does not know its transactions: the
 * miner's own node has it, and the job declaration server if the job was declared to it.
 */
#ifndef POOL_CUSTOM_H
#define POOL_CUSTOM_H

#include <stddef.h>
#include <stdint.h>

#include <adit/sv2.h>

#include "lib/mining/channels.h"
#include "lib/sv2/token.h"
#include "lib/util/error.h"
#include "plugins/pool/early.h"

struct job;
struct json_object;
struct pool;
struct mining_conn;
struct token_keys;

#define CUSTOM_HELD_MAX ((size_t)64 << 20) /* bytes of all custom jobs of this process */

/* The key `custom_jobs`. */
enum custom_policy {
	CUSTOM_NONE,
	CUSTOM_DECLARED, /* full-template: only declared jobs */
	CUSTOM_ANY
};

struct custom {
	struct token_keys *keys; /* NULL with CUSTOM_NONE */
	size_t held;             /* bytes of all custom jobs */
	struct early_jobs early; /* oldest first */
	uint64_t accepted;
	uint64_t refused;
};

/* What the pool has of a channel on a connection for custom jobs. */
struct custom_channel {
	struct early_job *early; /* NULL: none waits */
	uint8_t user_digest[JOB_TOKEN_USER];
};

static inline struct custom_channel *custom_of(const struct channel *channel)
{
	return channel->role;
}

/* Loads or makes the keys of tokens, unless custom jobs are off. */
int32_t custom_init(struct pool *pool, struct error *e);
void custom_fini(struct pool *pool);
/* CHANNEL of USER begins; false without memory. */
bool custom_channel_opened(struct channel *channel, const struct adit_bytes *user);
void custom_channel_closed(struct channel *channel);
/* SetCustomMiningJob of CONN: answered. Returns what the message handler returns. */
int32_t custom_set_job(struct mining_conn *conn, const struct adit_sv2_set_custom_mining_job *m);
/* The same for a job that has waited for the tip: it is taken or refused. */
int32_t custom_judge(struct mining_conn *conn, const struct adit_sv2_set_custom_mining_job *m);
/* SetCustomMiningJob.Error. */
void custom_refuse(struct mining_conn *conn, const struct adit_sv2_set_custom_mining_job *m,
		   const char *code);
/* The tip is another one: custom jobs on the old one are stale. */
void custom_new_tip(struct pool *pool);
/* CHANNEL's share on its custom job JOB is a block. */
void custom_block(struct channel *channel, const struct job *job, const uint8_t hash[32]);
/* Adds the counters to `status`. */
void custom_status(const struct pool *pool, struct json_object *o);

#endif
