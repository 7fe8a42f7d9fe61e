/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/cpu-miner/job.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/coinbase.h"

/* version 4, input count 1, null outpoint 36, script length 1, shortest BIP34 push 1 */
#define MIN_COINBASE_PREFIX 43u
/* sequence 4, output count 1, lock time 4 */
#define MIN_COINBASE_SUFFIX 9u

struct miner_job *miner_job_new_standard(const struct adit_sv2_new_mining_job *m)
{
	struct miner_job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	atomic_init(&job->refs, 1);
	job->job_id = m->job_id;
	job->version = m->version;
	job->version_rolling = true; /* always allowed for standard jobs */
	job->has_root = true;
	memcpy(job->root, m->merkle_root.b, 32);
	return job;
}

/* Byte 4 of a transaction is its input count, 1 for a coinbase; the marker of BIP141 is 0. */
static bool is_plausible(const struct adit_sv2_new_extended_mining_job *m)
{
	return m->coinbase_tx_prefix.size >= MIN_COINBASE_PREFIX &&
	       m->coinbase_tx_prefix.data[4] == 1 &&
	       m->coinbase_tx_suffix.size >= MIN_COINBASE_SUFFIX &&
	       m->merkle_path.count <= MERKLE_MAX_DEPTH;
}

static const uint8_t *store(uint8_t **at, const uint8_t *data, size_t size)
{
	uint8_t *here = *at;

	if (size > 0)
		memcpy(here, data, size);
	*at += size;
	return here;
}

struct miner_job *miner_job_new_extended(const struct adit_sv2_new_extended_mining_job *m)
{
	size_t size =
	    (size_t)m->coinbase_tx_prefix.size + m->coinbase_tx_suffix.size + m->merkle_path.size;
	struct miner_job *job = is_plausible(m) ? calloc(1, sizeof(*job) + size) : NULL;
	uint8_t *at;

	if (job == NULL)
		return NULL;
	atomic_init(&job->refs, 1);
	job->job_id = m->job_id;
	job->version = m->version;
	job->version_rolling = m->version_rolling_allowed;
	at = (uint8_t *)(job + 1);
	job->coinbase_prefix_size = m->coinbase_tx_prefix.size;
	job->coinbase_prefix = store(&at, m->coinbase_tx_prefix.data, m->coinbase_tx_prefix.size);
	job->coinbase_suffix_size = m->coinbase_tx_suffix.size;
	job->coinbase_suffix = store(&at, m->coinbase_tx_suffix.data, m->coinbase_tx_suffix.size);
	job->depth = m->merkle_path.count;
	job->path = store(&at, m->merkle_path.data, m->merkle_path.size);
	return job;
}

struct miner_job *miner_job_ref(struct miner_job *job)
{
	atomic_fetch_add(&job->refs, 1);
	return job;
}

void miner_job_unref(struct miner_job *job)
{
	if (job != NULL && atomic_fetch_sub(&job->refs, 1) == 1)
		free(job);
}

void miner_job_root(const struct miner_job *job, const uint8_t *extranonce, uint8_t out[32])
{
	uint8_t txid[32];

	if (job->has_root) {
		memcpy(out, job->root, 32);
		return;
	}
	coinbase_txid(job->coinbase_prefix, job->coinbase_prefix_size, job->extranonce_prefix,
		      job->extranonce_prefix_size, extranonce, job->extranonce_size,
		      job->coinbase_suffix, job->coinbase_suffix_size, txid);
	merkle_fold(txid, job->path, job->depth, out);
}
