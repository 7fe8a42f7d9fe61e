/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/early.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/tx.h"
#include "lib/util/clock.h"
#include "plugins/pool/custom.h"
#include "plugins/pool/pool.h"

bool early_is(const struct pool *pool, const struct adit_sv2_set_custom_mining_job *m)
{
	uint32_t height;

	return pool->mining.current && pool->mining.current->height > 0 &&
	       bip34_height(m->coinbase_prefix.data, m->coinbase_prefix.size, &height) &&
	       height == pool->mining.current->height + 1;
}

static void drop(struct early_job *early)
{
	struct pool *pool = pool_of(early->channel->conn);

	TAILQ_REMOVE(&pool->custom.early, early, link);
	pool->custom.held -= early->size;
	custom_of(early->channel)->early = NULL;
	free(early);
}

/* Refuses what is waiting for its channel. */
static void refuse(struct early_job *early)
{
	custom_refuse(early->channel->conn, &early->m, "stale-chain-tip");
	drop(early);
}

static const uint8_t *put(uint8_t **at, const uint8_t *data, size_t size)
{
	uint8_t *to = *at;

	if (size > 0)
		memcpy(to, data, size);
	*at += size;
	return to;
}

bool early_keep(struct channel *channel, const struct adit_sv2_set_custom_mining_job *m)
{
	struct pool *pool = pool_of(channel->conn);
	size_t size = sizeof(struct early_job) + m->mining_job_token.size +
		      m->coinbase_prefix.size + m->coinbase_tx_outputs.size + m->merkle_path.size;
	struct early_job *early;
	uint8_t *at;

	if (custom_of(channel)->early)
		refuse(custom_of(channel)->early);
	if (pool->custom.held + size > CUSTOM_HELD_MAX || !(early = malloc(size)))
		return false;
	*early = (struct early_job){
	    .channel = channel, .since_ms = clock_monotonic_ms(), .size = size, .m = *m};
	at = early->bytes;
	early->m.mining_job_token.data =
	    put(&at, m->mining_job_token.data, m->mining_job_token.size);
	early->m.coinbase_prefix.data = put(&at, m->coinbase_prefix.data, m->coinbase_prefix.size);
	early->m.coinbase_tx_outputs.data =
	    put(&at, m->coinbase_tx_outputs.data, m->coinbase_tx_outputs.size);
	early->m.merkle_path.data = put(&at, m->merkle_path.data, m->merkle_path.size);
	TAILQ_INSERT_TAIL(&pool->custom.early, early, link);
	pool->custom.held += size;
	custom_of(channel)->early = early;
	return true;
}

void early_new_tip(struct pool *pool)
{
	struct early_job *early;

	while ((early = TAILQ_FIRST(&pool->custom.early))) {
		struct mining_conn *conn = early->channel->conn;

		if (custom_judge(conn, &early->m) != ADIT_OK)
			adit_sv2_close(conn->sv2, "out of memory");
		drop(early);
	}
}

void early_tick(struct pool *pool, uint64_t now_ms)
{
	struct early_job *early;

	/* oldest first */
	while ((early = TAILQ_FIRST(&pool->custom.early)) && now_ms - early->since_ms >= EARLY_MS)
		refuse(early);
}

void early_forget(struct channel *channel)
{
	if (custom_of(channel)->early)
		drop(custom_of(channel)->early);
}
