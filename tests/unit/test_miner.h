/* SPDX-License-Identifier: MIT */
/* test_miner.h: the suites of the role cpu-miner, one per file. */
#ifndef TEST_MINER_H
#define TEST_MINER_H

#include <check.h>
#include <stdint.h>

#include "plugins/cpu-miner/job.h"

Suite *miner_channel_suite(void);
Suite *miner_search_suite(void);
Suite *miner_hasher_suite(void);
Suite *miner_plugin_suite(void);

/* An active standard job like any, with TARGET (NULL: every hash meets it). */
struct miner_job *test_job(const uint8_t *target);
/* SHA-256d and merkle root of a found header, computed without the parts under test. */
void test_header(const struct miner_job *job, const uint8_t root[32], uint32_t version,
		 uint32_t ntime, uint32_t nonce, uint8_t hash[32]);

#endif
