/* SPDX-License-Identifier: MIT */
/* A mining client's channel under a server that sends anything in any order: per step a byte that
 * chooses the message, then its fields, as far as the input goes. */
#include "config.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util/reader.h"
#include "plugins/cpu-miner/channel.h"
#include "plugins/cpu-miner/search.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static struct adit_bytes take_bytes(struct reader *r, uint32_t size)
{
	uint32_t n = size <= reader_left(r) ? size : (uint32_t)reader_left(r);

	return (struct adit_bytes){.data = reader_bytes(r, n), .size = n};
}

static struct adit_sv2_option_u32 take_option(struct reader *r)
{
	uint8_t present = reader_u8(r);

	return (struct adit_sv2_option_u32){.present = (present & 1) != 0, .value = reader_u32(r)};
}

static struct adit_sv2_seq take_seq(struct reader *r, uint32_t element)
{
	struct adit_bytes b = take_bytes(r, reader_u8(r) * element);
	uint32_t count = b.size / element;

	return (struct adit_sv2_seq){.data = b.data, .size = count * element, .count = count};
}

static void do_open(struct miner_channel *c, struct reader *r, bool standard)
{
	struct adit_sv2_open_standard_mining_channel_success s = {.channel_id = reader_u8(r)};
	struct adit_sv2_open_extended_mining_channel_success x = {.channel_id = s.channel_id};
	struct error e;

	if (c->open)
		miner_channel_reset(c);
	s.group_channel_id = x.group_channel_id.value = reader_u8(r);
	x.group_channel_id.present = (s.group_channel_id & 1) != 0;
	x.extranonce_size = reader_u16(r);
	s.extranonce_prefix = x.extranonce_prefix = take_bytes(r, reader_u8(r));
	reader_copy(r, s.target.b, 32);
	if (standard)
		(void)miner_channel_open_standard(c, &s, &e);
	else
		(void)miner_channel_open_extended(c, 4, &x, &e);
}

static int32_t do_job(struct miner_channel *c, struct reader *r)
{
	struct adit_sv2_new_mining_job m = {.channel_id = reader_u8(r)};
	struct error e;

	m.job_id = reader_u8(r);
	m.ntime_start = take_option(r);
	m.version = reader_u32(r);
	reader_copy(r, m.merkle_root.b, 32);
	return miner_channel_new_job(c, &m, 1, &e);
}

static int32_t do_extended_job(struct miner_channel *c, struct reader *r)
{
	struct adit_sv2_new_extended_mining_job m = {.channel_id = reader_u8(r)};
	struct error e;

	m.job_id = reader_u8(r);
	m.ntime_start = take_option(r);
	m.version = reader_u32(r);
	m.version_rolling_allowed = (reader_u8(r) & 1) != 0;
	m.merkle_path = take_seq(r, 32);
	m.coinbase_tx_prefix = take_bytes(r, reader_u16(r));
	m.coinbase_tx_suffix = take_bytes(r, reader_u16(r));
	return miner_channel_new_extended_job(c, &m, 2, &e);
}

static int32_t do_tip(struct miner_channel *c, struct reader *r)
{
	struct adit_sv2_set_new_prev_hash m = {.channel_id = reader_u8(r)};
	struct error e;

	m.job_id = reader_u8(r);
	reader_copy(r, m.prev_hash.b, 32);
	m.ntime_start = reader_u32(r);
	m.nbits = reader_u32(r);
	return miner_channel_set_prev_hash(c, &m, 3, &e);
}

static int32_t do_rest(struct miner_channel *c, struct reader *r, uint8_t which)
{
	struct adit_sv2_set_target target = {.channel_id = reader_u8(r)};
	struct adit_sv2_set_extranonce_prefix prefix = {.channel_id = target.channel_id};
	struct adit_sv2_set_group_channel group = {.group_channel_id = target.channel_id};
	struct error e;

	if (which == 5) {
		reader_copy(r, target.target.b, 32);
		miner_channel_set_target(c, &target);
	} else if (which == 6) {
		prefix.extranonce_prefix = take_bytes(r, reader_u8(r));
		return miner_channel_set_prefix(c, &prefix, &e);
	} else {
		group.channel_ids = take_seq(r, 4);
		miner_channel_set_group(c, &group);
	}
	return ADIT_OK;
}

static int32_t step(struct miner_channel *c, struct reader *r)
{
	uint8_t which = reader_u8(r) % 8;

	switch (which) {
	case 0:
	case 1:
		do_open(c, r, which == 0);
		return ADIT_OK;
	case 2:
		return do_job(c, r);
	case 3:
		return do_extended_job(c, r);
	case 4:
		return do_tip(c, r);
	default:
		return do_rest(c, r, which);
	}
}

static void check(const struct miner_channel *c)
{
	struct miner_search s;
	struct miner_found found;
	bool hit;

	require(c->future_count <= MINER_FUTURE_JOBS);
	require(c->extranonce_prefix_size + c->extranonce_size <= MINER_EXTRANONCE_MAX);
	if (c->active == NULL)
		return;
	require(c->has_tip && c->open && miner_channel_wants(c, c->active));
	require(c->active->extranonce_prefix_size + c->active->extranonce_size <=
		MINER_EXTRANONCE_MAX);
	miner_search_init(&s, c->active, 1, 3, 77);
	require(miner_search_run(&s, 5000000, 3, &found, &hit) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct miner_channel c = {0};
	struct reader r;

	reader_init(&r, data, size);
	while (reader_left(&r) > 0 && !r.failed) {
		int32_t result = step(&c, &r);

		check(&c);
		if (result != ADIT_OK)
			miner_channel_reset(&c); /* the connection ends */
	}
	miner_channel_reset(&c);
	return 0;
}
