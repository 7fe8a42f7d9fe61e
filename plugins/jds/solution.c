/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jds/solution.h"

#include <string.h>

#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/target.h"
#include "lib/util/hex.h"
#include "plugins/jds/block.h"
#include "plugins/jds/jobs.h"
#include "plugins/jds/submit.h"

static void submit(struct jds *jds, const struct jds_job *job, struct block_header *header,
		   const uint8_t *extranonce, const uint8_t hash[32])
{
	struct buf block = {0};
	char name[65];

	hex_encode_reversed(hash, 32, name);
	jds_log(jds, ADIT_LOG_INFO, "block %s by %s: %u transactions", name,
		adit_sv2_peer(job->client->conn), job->count + 1);
	if (block_make(job, header, extranonce, &block)) {
		submit_block(jds, hash, &block);
	} else {
		jds->stats.blocks_rejected++;
		jds_log(jds, ADIT_LOG_ERROR, "block %s can't be submitted: out of memory", name);
	}
	buf_free(&block);
}

/* Whether M solves JOB: then HEADER is complete and HASH its hash. */
static bool solves(const struct jds_job *job, const struct adit_sv2_push_solution *m,
		   struct block_header *header, uint8_t hash[32])
{
	uint8_t target[32];
	uint8_t bytes[80];

	*header = (struct block_header){
	    .version = m->version, .time = m->ntime, .nbits = m->nbits, .nonce = m->nonce};
	memcpy(header->prev_hash, m->prev_hash.b, 32);
	if (job->state != JDS_DECLARED || memcmp(job->prev_hash, m->prev_hash.b, 32) != 0 ||
	    job->nbits != m->nbits || job->coinbase.extranonce_size != m->extranonce.size ||
	    !target_from_nbits(m->nbits, target) ||
	    !block_root(job, m->extranonce.data, header->merkle_root))
		return false;
	block_header_write(header, bytes);
	sha256d_header(bytes, hash);
	return target_met(hash, target);
}

int32_t solution_pushed(struct jds_client *client, const struct adit_sv2_push_solution *m)
{
	struct jds *jds = client->jds;
	struct block_header header;
	struct jds_job *job;
	uint8_t hash[32];

	TAILQ_FOREACH_REVERSE(job, &client->jobs, jds_jobs, of_client)
	{
		if (!solves(job, m, &header, hash))
			continue;
		jds->stats.solutions++;
		submit(jds, job, &header, m->extranonce.data, hash);
		return ADIT_OK;
	}
	/* Of a job from before the tip that it made itself, most likely. */
	jds_log(jds, ADIT_LOG_DEBUG, "a solution of %s fits no job of the present tip",
		adit_sv2_peer(client->conn));
	if (++client->wrong_solutions > JDS_WRONG_SOLUTIONS_MAX)
		adit_sv2_close(client->conn, "too many solutions that fit no job");
	return ADIT_OK;
}
