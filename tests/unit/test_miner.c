/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/unit/test_miner.h"

#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"
#include "lib/bitcoin/tx.h"

struct miner_job *test_job(const uint8_t *target)
{
	struct adit_sv2_new_mining_job m = {.job_id = 1, .version = 0x20000000};
	struct miner_job *job;

	memset(m.merkle_root.b, 0x5a, 32);
	job = miner_job_new_standard(&m);
	ck_assert_ptr_nonnull(job);
	memset(job->prev_hash, 0x77, 32);
	job->nbits = 0x1d00ffff;
	job->min_ntime = 1700000000;
	if (target != NULL)
		memcpy(job->target, target, 32);
	else
		memset(job->target, 0xff, 32);
	return job;
}

void test_header(const struct miner_job *job, const uint8_t root[32], uint32_t version,
		 uint32_t ntime, uint32_t nonce, uint8_t hash[32])
{
	struct block_header h = {
	    .version = version, .time = ntime, .nbits = job->nbits, .nonce = nonce};
	uint8_t header[80];

	memcpy(h.prev_hash, job->prev_hash, 32);
	memcpy(h.merkle_root, root, 32);
	block_header_write(&h, header);
	sha256d(header, 80, hash);
}

int main(void)
{
	SRunner *r = srunner_create(miner_channel_suite());
	int failed;

	srunner_add_suite(r, miner_search_suite());
	srunner_add_suite(r, miner_hasher_suite());
	srunner_add_suite(r, miner_plugin_suite());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
