/* SPDX-License-Identifier: MIT */
/* job.h: one mining job. It is filled on the loop, and from its activation on never changes: then
 * hashing threads read it too. References may be taken and given back on any thread. */
#ifndef MINER_JOB_H
#define MINER_JOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adit/sv2.h>

#include "lib/bitcoin/merkle.h"

#define MINER_EXTRANONCE_MAX 32

struct miner_job {
	atomic_uint refs;
	uint32_t job_id;
	uint32_t version;
	bool version_rolling;
	/* A standard job names the merkle root; for an extended one it follows from the coinbase.
	 */
	bool has_root;
	uint8_t root[32];
	uint8_t extranonce_prefix[MINER_EXTRANONCE_MAX]; /* the channel's when the job came */
	uint32_t extranonce_prefix_size;
	uint32_t extranonce_size;       /* bytes to roll; 0 on a standard channel */
	const uint8_t *coinbase_prefix; /* these three point behind the struct */
	uint32_t coinbase_prefix_size;
	const uint8_t *coinbase_suffix;
	uint32_t coinbase_suffix_size;
	const uint8_t *path;
	uint32_t depth;

	/* From the activation. */
	uint8_t prev_hash[32];
	uint32_t nbits;
	uint32_t min_ntime; /* smallest header time */
	uint64_t
	    started_us; /* monotonic clock; the header time may grow by one a second from here */
	uint8_t target[32]; /* of a share */
	uint8_t block_target[32];
	uint64_t tip;     /* number of the tip: shares of another one are of no use */
	uint64_t session; /* number of the connection */
};

/* One reference; NULL: no memory. The job is not active. */
struct miner_job *miner_job_new_standard(const struct adit_sv2_new_mining_job *m);
/* NULL too for coinbase parts that can't be ones: shorter than any, or with BIP141 fields; or a
 * merkle path that is longer than a block can need. */
struct miner_job *miner_job_new_extended(const struct adit_sv2_new_extended_mining_job *m);
struct miner_job *miner_job_ref(struct miner_job *job);
void miner_job_unref(struct miner_job *job); /* NULL is fine */

/* The merkle root with EXTRANONCE (job->extranonce_size bytes) as rolled part. Does not allocate.
 */
void miner_job_root(const struct miner_job *job, const uint8_t *extranonce, uint8_t out[32]);

#endif
