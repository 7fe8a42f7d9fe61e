/* SPDX-License-Identifier: MIT */
/* The life of jobs on a channel: specification 05. */
#include "config.h"

#include <check.h>
#include <string.h>

#include "plugins/cpu-miner/channel.h"
#include "tests/unit/test_miner.h"

#define CHANNEL 5u
#define GROUP 9u

static struct miner_channel c;
static struct error e;

static struct adit_u256 filled(uint8_t value)
{
	struct adit_u256 u;

	memset(u.b, value, 32);
	return u;
}

static void open_standard(void)
{
	static const uint8_t prefix[20] = {1, 2, 3};
	struct adit_sv2_open_standard_mining_channel_success m = {
	    .channel_id = CHANNEL,
	    .target = filled(0x11),
	    .extranonce_prefix = {.data = prefix, .size = sizeof(prefix)},
	    .group_channel_id = GROUP,
	};

	ck_assert_int_eq(miner_channel_open_standard(&c, &m, &e), ADIT_OK);
}

static int32_t open_extended(uint32_t prefix_size, uint16_t size, uint32_t min_size)
{
	static const uint8_t prefix[32] = {1, 2, 3};
	struct adit_sv2_open_extended_mining_channel_success m = {
	    .channel_id = CHANNEL,
	    .target = filled(0x11),
	    .extranonce_size = size,
	    .extranonce_prefix = {.data = prefix, .size = prefix_size},
	    .group_channel_id = {.present = true, .value = GROUP},
	};

	return miner_channel_open_extended(&c, min_size, &m, &e);
}

/* NOW == 0: a future job. */
static int32_t job_on(uint32_t channel, uint32_t id, uint32_t min_ntime)
{
	struct adit_sv2_new_mining_job m = {
	    .channel_id = channel,
	    .job_id = id,
	    .ntime_start = {.present = min_ntime != 0, .value = min_ntime},
	    .version = 0x20000000,
	    .merkle_root = filled((uint8_t)id),
	};

	return miner_channel_new_job(&c, &m, 77, &e);
}

static int32_t extended_job_on(uint32_t channel, uint32_t id, uint32_t min_ntime)
{
	static const uint8_t prefix[60] = {2, 0, 0, 0, 1}, suffix[30] = {0xff};
	static const uint8_t path[64] = {4};
	struct adit_sv2_new_extended_mining_job m = {
	    .channel_id = channel,
	    .job_id = id,
	    .ntime_start = {.present = min_ntime != 0, .value = min_ntime},
	    .version = 0x20000000,
	    .version_rolling_allowed = true,
	    .merkle_path = {.data = path, .size = 64, .count = 2},
	    .coinbase_tx_prefix = {.data = prefix, .size = sizeof(prefix)},
	    .coinbase_tx_suffix = {.data = suffix, .size = sizeof(suffix)},
	};

	return miner_channel_new_extended_job(&c, &m, 77, &e);
}

static int32_t tip_on(uint32_t channel, uint32_t job, uint8_t hash)
{
	struct adit_sv2_set_new_prev_hash m = {
	    .channel_id = channel,
	    .job_id = job,
	    .prev_hash = filled(hash),
	    .ntime_start = 1000u + hash,
	    .nbits = 0x1d00ffff,
	};

	return miner_channel_set_prev_hash(&c, &m, 99, &e);
}

static void target_on(uint32_t channel, uint8_t value)
{
	struct adit_sv2_set_target m = {.channel_id = channel, .target = filled(value)};

	miner_channel_set_target(&c, &m);
}

static void teardown(void)
{
	miner_channel_reset(&c);
}

static void active_is(uint32_t id, uint8_t target, uint8_t prev)
{
	struct adit_u256 t = filled(target), p = filled(prev);

	ck_assert_ptr_nonnull(c.active);
	ck_assert_uint_eq(c.active->job_id, id);
	ck_assert_mem_eq(c.active->target, t.b, 32);
	ck_assert_mem_eq(c.active->prev_hash, p.b, 32);
}

START_TEST(future_job_then_tip)
{
	open_standard();
	ck_assert_int_eq(job_on(CHANNEL, 1, 0), ADIT_OK);
	ck_assert_ptr_null(c.active);
	ck_assert_int_eq(tip_on(CHANNEL, 1, 0xaa), ADIT_OK);
	active_is(1, 0x11, 0xaa);
	ck_assert_uint_eq(c.active->min_ntime, 1000 + 0xaa);
	ck_assert_uint_eq(c.active->started_us, 99);
	ck_assert_uint_eq(c.active->nbits, 0x1d00ffff);
	/* diff 1: 0xffff << 208 */
	ck_assert_uint_eq(c.active->block_target[26], 0xff);
	ck_assert_uint_eq(c.active->block_target[27], 0xff);
	ck_assert_uint_eq(c.active->block_target[28], 0);
}
END_TEST

START_TEST(job_for_now_replaces_the_active_one)
{
	open_standard();
	job_on(CHANNEL, 1, 0);
	tip_on(CHANNEL, 1, 0xaa);
	struct miner_job *first = miner_job_ref(c.active);
	ck_assert_int_eq(job_on(CHANNEL, 2, 5000), ADIT_OK);
	active_is(2, 0x11, 0xaa);
	ck_assert_uint_eq(c.active->min_ntime, 5000);
	ck_assert_uint_eq(c.active->started_us, 77);
	/* Shares of the past job of this tip are still wanted, those of the tip before are not. */
	ck_assert(miner_channel_wants(&c, first));
	job_on(CHANNEL, 3, 0);
	ck_assert(miner_channel_wants(&c, first));
	tip_on(CHANNEL, 3, 0xbb);
	ck_assert(!miner_channel_wants(&c, first));
	ck_assert(miner_channel_wants(&c, c.active));
	miner_job_unref(first);
}
END_TEST

START_TEST(job_for_now_without_a_tip)
{
	open_standard();
	ck_assert_int_eq(job_on(CHANNEL, 1, 5000), ADIT_E_PROTOCOL);
	ck_assert_ptr_null(c.active);
	ck_assert_uint_eq(c.future_count, 0);
}
END_TEST

/* The named job is used and all other future ones end with the old tip. */
START_TEST(a_tip_clears_the_future)
{
	open_standard();
	job_on(CHANNEL, 1, 0);
	job_on(CHANNEL, 2, 0);
	job_on(CHANNEL, 3, 0);
	ck_assert_int_eq(tip_on(CHANNEL, 2, 0xaa), ADIT_OK);
	active_is(2, 0x11, 0xaa);
	ck_assert_uint_eq(c.future_count, 0);
	ck_assert_int_eq(tip_on(CHANNEL, 3, 0xbb), ADIT_E_PROTOCOL);
}
END_TEST

START_TEST(a_tip_with_an_unknown_job_changes_nothing)
{
	open_standard();
	job_on(CHANNEL, 1, 0);
	tip_on(CHANNEL, 1, 0xaa);
	job_on(CHANNEL, 2, 0);
	ck_assert_int_eq(tip_on(CHANNEL, 7, 0xbb), ADIT_E_PROTOCOL);
	ck_assert_ptr_nonnull(strstr(e.text, "7"));
	/* An active job is no future job either. */
	ck_assert_int_eq(tip_on(CHANNEL, 1, 0xbb), ADIT_E_PROTOCOL);
	active_is(1, 0x11, 0xaa);
	ck_assert_uint_eq(c.future_count, 1);
	ck_assert_uint_eq(c.tip, 1);
	ck_assert_int_eq(tip_on(CHANNEL, 2, 0xbb), ADIT_OK);
}
END_TEST

START_TEST(future_jobs_are_bounded)
{
	open_standard();
	for (uint32_t id = 1; id <= MINER_FUTURE_JOBS + 3; id++)
		ck_assert_int_eq(job_on(CHANNEL, id, 0), ADIT_OK);
	ck_assert_uint_eq(c.future_count, MINER_FUTURE_JOBS);
	ck_assert_int_eq(tip_on(CHANNEL, 3, 0xaa), ADIT_E_PROTOCOL);
	ck_assert_int_eq(tip_on(CHANNEL, 4, 0xaa), ADIT_OK);
}
END_TEST

START_TEST(a_future_job_sent_again_replaces_itself)
{
	open_standard();
	job_on(CHANNEL, 1, 0);
	job_on(CHANNEL, 1, 0);
	ck_assert_uint_eq(c.future_count, 1);
}
END_TEST

/* SetTarget: active jobs keep what they had, future jobs take the newest. */
START_TEST(targets_belong_to_jobs)
{
	open_standard();
	job_on(CHANNEL, 1, 0);
	target_on(CHANNEL, 0x22);
	tip_on(CHANNEL, 1, 0xaa);
	active_is(1, 0x22, 0xaa);
	target_on(CHANNEL, 0x33);
	active_is(1, 0x22, 0xaa);
	job_on(CHANNEL, 2, 5000);
	active_is(2, 0x33, 0xaa);
	job_on(CHANNEL, 3, 0);
	target_on(GROUP, 0x44);
	active_is(2, 0x33, 0xaa);
	tip_on(GROUP, 3, 0xbb);
	active_is(3, 0x44, 0xbb);
}
END_TEST

/* SetExtranoncePrefix holds for jobs that come after it. */
START_TEST(prefixes_belong_to_jobs)
{
	static const uint8_t other[20] = {0xee};
	struct adit_sv2_set_extranonce_prefix m = {
	    .channel_id = CHANNEL, .extranonce_prefix = {.data = other, .size = sizeof(other)}};

	ck_assert_int_eq(open_extended(20, 8, 4), ADIT_OK);
	extended_job_on(CHANNEL, 1, 0);
	ck_assert_int_eq(miner_channel_set_prefix(&c, &m, &e), ADIT_OK);
	extended_job_on(CHANNEL, 2, 0);
	tip_on(CHANNEL, 1, 0xaa);
	ck_assert_uint_eq(c.active->extranonce_prefix[0], 1);
	extended_job_on(CHANNEL, 3, 5000);
	ck_assert_uint_eq(c.active->extranonce_prefix[0], 0xee);
	ck_assert_uint_eq(c.active->extranonce_size, 8);
	/* A prefix that leaves no room for the rolled bytes is refused; nothing changes. */
	m.extranonce_prefix.size = 25;
	ck_assert_int_eq(miner_channel_set_prefix(&c, &m, &e), ADIT_E_PROTOCOL);
	ck_assert_uint_eq(c.extranonce_prefix_size, 20);
	/* One for a group is none for us. */
	m.channel_id = GROUP;
	ck_assert_int_eq(miner_channel_set_prefix(&c, &m, &e), ADIT_OK);
	ck_assert_uint_eq(c.extranonce_prefix_size, 20);
}
END_TEST

START_TEST(group_and_channel_and_others)
{
	ck_assert_int_eq(open_extended(20, 8, 4), ADIT_OK);
	extended_job_on(GROUP, 1, 0);
	extended_job_on(CHANNEL, 2, 0);
	extended_job_on(77, 3, 0);
	ck_assert_uint_eq(c.future_count, 2);
	ck_assert_int_eq(tip_on(77, 3, 0xaa), ADIT_OK);
	ck_assert_ptr_null(c.active);
	ck_assert_int_eq(tip_on(GROUP, 1, 0xaa), ADIT_OK);
	active_is(1, 0x11, 0xaa);
	target_on(77, 0x99);
	extended_job_on(CHANNEL, 4, 5000);
	active_is(4, 0x11, 0xaa);
}
END_TEST

START_TEST(another_group)
{
	static const uint8_t ids[] = {1, 0, 0, 0, CHANNEL, 0, 0, 0};
	struct adit_sv2_set_group_channel m = {.group_channel_id = 42,
					       .channel_ids = {.data = ids, .size = 8, .count = 2}};

	ck_assert_int_eq(open_extended(20, 8, 4), ADIT_OK);
	miner_channel_set_group(&c, &m);
	ck_assert(miner_channel_is(&c, 42));
	ck_assert(!miner_channel_is(&c, GROUP));
	m.group_channel_id = 43;
	m.channel_ids.size = 4;
	m.channel_ids.count = 1;
	miner_channel_set_group(&c, &m);
	ck_assert(!miner_channel_is(&c, 43));
}
END_TEST

/* A standard channel in a group works on the group's extended jobs, with nothing to roll. */
START_TEST(standard_channel_with_a_groups_job)
{
	open_standard();
	ck_assert_int_eq(extended_job_on(GROUP, 1, 0), ADIT_OK);
	ck_assert_int_eq(tip_on(GROUP, 1, 0xaa), ADIT_OK);
	ck_assert(!c.active->has_root);
	ck_assert_uint_eq(c.active->extranonce_size, 0);
	ck_assert_uint_eq(c.active->extranonce_prefix_size, 20);
}
END_TEST

START_TEST(standard_jobs_on_an_extended_channel)
{
	ck_assert_int_eq(open_extended(20, 8, 4), ADIT_OK);
	ck_assert_int_eq(job_on(CHANNEL, 1, 0), ADIT_E_PROTOCOL);
	ck_assert_int_eq(job_on(77, 1, 0), ADIT_OK);
}
END_TEST

START_TEST(sizes_of_the_extranonce)
{
	ck_assert_int_eq(open_extended(20, 3, 4), ADIT_E_PROTOCOL);
	ck_assert(!c.open);
	ck_assert_int_eq(open_extended(32, 1, 0), ADIT_E_PROTOCOL);
	ck_assert_int_eq(open_extended(0, 33, 0), ADIT_E_PROTOCOL);
	ck_assert_int_eq(open_extended(1, 65535, 0), ADIT_E_PROTOCOL);
	ck_assert(!c.open);
	ck_assert_int_eq(open_extended(0, 32, 0), ADIT_OK);
	miner_channel_reset(&c);
	ck_assert_int_eq(open_extended(32, 0, 0), ADIT_OK);
}
END_TEST

/* Parts of a coinbase that can't be: too short, with the BIP141 marker, more levels than a tree
 * has. */
START_TEST(coinbase_parts_are_looked_at)
{
	uint8_t prefix[60] = {2, 0, 0, 0, 1}, suffix[30] = {0};
	static const uint8_t path[33 * 32];
	struct adit_sv2_new_extended_mining_job m = {
	    .merkle_path = {.data = path, .size = 32 * 32, .count = 32},
	    .coinbase_tx_prefix = {.data = prefix, .size = sizeof(prefix)},
	    .coinbase_tx_suffix = {.data = suffix, .size = sizeof(suffix)},
	};
	struct miner_job *job = miner_job_new_extended(&m);

	ck_assert_ptr_nonnull(job);
	miner_job_unref(job);
	m.merkle_path.count = 33;
	m.merkle_path.size = 33 * 32;
	ck_assert_ptr_null(miner_job_new_extended(&m));
	m.merkle_path.count = 0;
	m.merkle_path.size = 0;
	prefix[4] = 0;
	prefix[5] = 1;
	ck_assert_ptr_null(miner_job_new_extended(&m));
	prefix[4] = 1;
	m.coinbase_tx_prefix.size = 5;
	ck_assert_ptr_null(miner_job_new_extended(&m));
	m.coinbase_tx_prefix.size = 0;
	m.coinbase_tx_prefix.data = NULL;
	ck_assert_ptr_null(miner_job_new_extended(&m));
	m.coinbase_tx_prefix = (struct adit_bytes){.data = prefix, .size = sizeof(prefix)};
	m.coinbase_tx_suffix.size = 8;
	ck_assert_ptr_null(miner_job_new_extended(&m));
}
END_TEST

START_TEST(version_rolling_rights)
{
	open_standard();
	c.fixed_version = true;
	job_on(CHANNEL, 1, 0);
	tip_on(CHANNEL, 1, 0xaa);
	ck_assert(!c.active->version_rolling);
	c.fixed_version = false;
	job_on(CHANNEL, 2, 5000);
	ck_assert(c.active->version_rolling);
}
END_TEST

/* After a reconnect everything is new: what an old job found is not wanted. */
START_TEST(nothing_of_an_old_connection)
{
	open_standard();
	c.session = 1;
	job_on(CHANNEL, 1, 0);
	tip_on(CHANNEL, 1, 0xaa);
	struct miner_job *job = miner_job_ref(c.active);
	miner_channel_reset(&c);
	ck_assert_ptr_null(c.active);
	ck_assert(!miner_channel_wants(&c, job));
	open_standard();
	c.session = 2;
	job_on(CHANNEL, 1, 0);
	tip_on(CHANNEL, 1, 0xaa);
	ck_assert(!miner_channel_wants(&c, job));
	miner_job_unref(job);
}
END_TEST

START_TEST(a_closed_channel_takes_nothing)
{
	ck_assert_int_eq(job_on(CHANNEL, 1, 0), ADIT_OK);
	ck_assert_int_eq(job_on(0, 1, 0), ADIT_OK);
	ck_assert_int_eq(extended_job_on(0, 1, 0), ADIT_OK);
	ck_assert_int_eq(tip_on(0, 1, 0), ADIT_OK);
	ck_assert_uint_eq(c.future_count, 0);
}
END_TEST

Suite *miner_channel_suite(void)
{
	Suite *s = suite_create("channel");
	TCase *t = tcase_create("channel");

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_test(t, future_job_then_tip);
	tcase_add_test(t, job_for_now_replaces_the_active_one);
	tcase_add_test(t, job_for_now_without_a_tip);
	tcase_add_test(t, a_tip_clears_the_future);
	tcase_add_test(t, a_tip_with_an_unknown_job_changes_nothing);
	tcase_add_test(t, future_jobs_are_bounded);
	tcase_add_test(t, a_future_job_sent_again_replaces_itself);
	tcase_add_test(t, targets_belong_to_jobs);
	tcase_add_test(t, prefixes_belong_to_jobs);
	tcase_add_test(t, group_and_channel_and_others);
	tcase_add_test(t, another_group);
	tcase_add_test(t, standard_channel_with_a_groups_job);
	tcase_add_test(t, standard_jobs_on_an_extended_channel);
	tcase_add_test(t, sizes_of_the_extranonce);
	tcase_add_test(t, coinbase_parts_are_looked_at);
	tcase_add_test(t, version_rolling_rights);
	tcase_add_test(t, nothing_of_an_old_connection);
	tcase_add_test(t, a_closed_channel_takes_nothing);
	suite_add_tcase(s, t);
	return s;
}
