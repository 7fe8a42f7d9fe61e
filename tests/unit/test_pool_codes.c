/* SPDX-License-Identifier: MIT */
/*
 * Every error_code with which the pool refuses a share, a channel or an update, each with a way to
 * get it; and adit-pool(8) lists these and no others. The finer points of each are in
 *
 *   test_pool.c         shares (every_error, table_of_duplicates), channels (open_refused), updates
 *   test_pool_limits.c  share-rate-exceeded, pool-overloaded, channel-capacity-exhausted
 *   test_pool_payout.c  unknown-user, invalid-user-identity
 *   test_pool_custom.c  SetCustomMiningJob.Error
 */
#include "config.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/pool_rig.h"

#define ADDRESS "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"

/* A pool with one miner that has a share to send, and a request for a channel to spoil. */
struct scene {
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	bool standard;
	float hashrate;
	struct adit_u256 max_target;
	uint16_t min_extranonce;
	struct adit_sv2_update_channel update;
};

enum what { SHARE, OPEN, UPDATE, KINDS };

struct row {
	enum what what;
	const char *code;
	void (*spoil)(struct scene *s);
	const char *key; /* an option, or NULL */
	const char *value;
	uint32_t flags; /* of the connection that asks for a channel */
};

/* --- how to get them ---------------------------------------------------------------------------
 */

static void nothing(struct scene *s)
{
	(void)s;
}

static void other_channel(struct scene *s)
{
	s->m.channel += 10;
	s->update.channel_id = s->m.channel;
}

static void other_job(struct scene *s)
{
	s->m.job += 1000;
}

static void tip_comes(struct scene *s)
{
	new_tip(&s->b, 0, 2, NBITS_HARD);
}

static void short_extranonce(struct scene *s)
{
	s->m.rollable--;
}

static void early(struct scene *s)
{
	s->m.ntime = s->m.min_ntime - 1;
}

static void fixed_bit(struct scene *s)
{
	s->m.share_version ^= 1;
}

static void rolled_bit(struct scene *s)
{
	s->m.share_version ^= 1 << 13;
}

static void too_easy(struct scene *s)
{
	solve(&s->m, s->m.target, false);
}

static void sent_before(struct scene *s)
{
	expect_accepted(&s->m);
}

static void one_before(struct scene *s)
{
	expect_accepted(&s->m);
	solve(&s->m, s->m.target, true);
}

static void full_table(struct scene *s)
{
	s->b.pool->mining.duplicates.count = s->b.pool->mining.duplicates.limit;
}

static void no_hashrate(struct scene *s)
{
	s->hashrate = NAN;
	s->update.nominal_hash_rate = -1;
}

static void no_target(struct scene *s)
{
	memset(&s->max_target, 0, sizeof s->max_target);
	s->update.max_target = s->max_target;
}

static void long_extranonce(struct scene *s)
{
	s->min_extranonce = 14;
}

static void standard(struct scene *s)
{
	s->standard = true;
}

static void account(struct scene *s)
{
	s->b.user = "alice";
}

static void wrong_address(struct scene *s)
{
	s->b.user = "sri/solo/bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4/w";
}

static const struct row rows[] = {
    {SHARE, "invalid-channel-id", other_channel, NULL, NULL, 0},
    {SHARE, "invalid-job-id", other_job, NULL, NULL, 0},
    {SHARE, "stale-share", tip_comes, NULL, NULL, 0},
    {SHARE, "bad-extranonce-size", short_extranonce, NULL, NULL, 0},
    {SHARE, "invalid-share", early, NULL, NULL, 0},
    {SHARE, "invalid-non-rollable-version-bit", fixed_bit, NULL, NULL, 0},
    {SHARE, "version-rolling-not-allowed", rolled_bit, "version_rolling", "false", 0},
    {SHARE, "difficulty-too-low", too_easy, NULL, NULL, 0},
    {SHARE, "duplicate-share", sent_before, NULL, NULL, 0},
    {SHARE, "too-many-shares", full_table, NULL, NULL, 0},
    {SHARE, "share-rate-exceeded", one_before, "max_share_rate", "1", 0},
    {SHARE, "pool-overloaded", one_before, "max_total_share_rate", "1", 0},
    {OPEN, "invalid-nominal-hashrate", no_hashrate, NULL, NULL, 0},
    {OPEN, "max-target-out-of-range", no_target, NULL, NULL, 0},
    {OPEN, "min-extranonce-size-too-large", long_extranonce, NULL, NULL, 0},
    {OPEN, "extended-channels-not-supported-for-standard-jobs", nothing, NULL, NULL,
     ADIT_SV2_REQUIRES_STANDARD_JOBS},
    {OPEN, "standard-channels-not-supported-for-custom-work", standard, "custom_jobs", "any",
     ADIT_SV2_REQUIRES_WORK_SELECTION},
    {OPEN, "unknown-user", account, "identities", "solo", 0},
    {OPEN, "invalid-user-identity", wrong_address, NULL, NULL, 0},
    {OPEN, "channel-capacity-exhausted", nothing, "max_total_channels", "1", 0},
    {UPDATE, "invalid-channel-id", other_channel, NULL, NULL, 0},
    {UPDATE, "invalid-nominal-hashrate", no_hashrate, NULL, NULL, 0},
    {UPDATE, "max-target-out-of-range", no_target, NULL, NULL, 0},
};

#define ROWS (sizeof rows / sizeof rows[0])

/* --- getting them ------------------------------------------------------------------------------
 */

static void try_open(struct scene *s, const struct row *row)
{
	struct fake_conn *c = connect_miner(&s->b, 2, row->flags);
	const struct sent *sent;

	row->spoil(s);
	send_open(&s->b, c, s->standard, s->hashrate, &s->max_target, s->min_extranonce);
	sent = fake_conn_next(c, ADIT_SV2_OPEN_MINING_CHANNEL_ERROR);
	ck_assert_ptr_nonnull(sent);
	ck_assert(sent_text_is(&sent->body.open_mining_channel_error.error_code, row->code));
	ck_assert(!c->closed);
	leave(&s->b, c);
}

static void try_update(struct scene *s, const struct row *row)
{
	const struct sent *sent;

	row->spoil(s);
	s->b.server.handlers->update_channel(s->b.server.context, &s->c->head, &s->update);
	sent = fake_conn_next(s->c, ADIT_SV2_UPDATE_CHANNEL_ERROR);
	ck_assert_ptr_nonnull(sent);
	ck_assert(sent_text_is(&sent->body.update_channel_error.error_code, row->code));
}

START_TEST(every_code)
{
	const struct row *row = &rows[_i];
	char directory[] = "/tmp/test-pool-codes-XXXXXX";
	char keys[64], lock[80];
	struct fake_option more[] = {{"token_key", keys}, {row->key, row->value}, {NULL, NULL}};
	struct scene s = {.max_target = any_target,
			  .min_extranonce = 8,
			  .update = {.nominal_hash_rate = 1, .max_target = any_target}};

	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(keys, sizeof keys, "%s/token.key", directory);
	snprintf(lock, sizeof lock, "%s.lock", keys);
	bench_make(&s.b, more);
	s.b.user = ADDRESS;
	bench_start(&s.b);
	tdp_open(&s.b, 0);
	new_tip(&s.b, 0, 1, NBITS_HARD);
	s.c = connect_miner(&s.b, 1, 0);
	s.m = open_miner(&s.b, s.c, false);
	s.update.channel_id = s.m.channel;
	solve(&s.m, s.m.target, true);
	if (row->what == OPEN) {
		try_open(&s, row);
	} else if (row->what == UPDATE) {
		try_update(&s, row);
	} else {
		row->spoil(&s);
		expect_refused(&s.m, row->code);
	}
	ck_assert(!s.c->closed);
	leave(&s.b, s.c);
	bench_end(&s.b);
	unlink(keys); /* which the pool has made, if it serves custom jobs */
	unlink(lock);
	ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

/* --- the page ----------------------------------------------------------------------------------
 */

static bool in_table(enum what what, const char *code)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (rows[i].what == what && strcmp(rows[i].code, code) == 0)
			return true;
	}
	return false;
}

/* The codes of a line ".It Li a , b". */
static size_t read_codes(char *line, enum what what)
{
	size_t count = 0;
	char *at = NULL;

	for (char *code = strtok_r(line + strlen(".It Li "), " ,\n", &at); code;
	     code = strtok_r(NULL, " ,\n", &at)) {
		ck_assert_msg(in_table(what, code), "%s is in adit-pool(8), not here", code);
		count++;
	}
	return count;
}

START_TEST(page_has_them)
{
	static const char *const titles[KINDS] = {".Ss Refused shares\n", ".Ss Refused channels\n",
						  ".Ss Refused updates\n"};
	const char *srcdir = getenv("srcdir");
	char path[1024], line[512];
	enum what what = KINDS;
	size_t count = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/man/adit-pool.8", srcdir ? srcdir : ".");
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "no %s", path);
	while (fgets(line, sizeof line, f)) {
		if (strncmp(line, ".Ss ", 4) == 0) {
			for (what = SHARE; what < KINDS && strcmp(titles[what], line) != 0; what++)
				;
		} else if (what < KINDS && strncmp(line, ".It Li ", 7) == 0) {
			count += read_codes(line, what);
		}
	}
	fclose(f);
	ck_assert_uint_eq(count, ROWS);
}
END_TEST

/* No result of a share is without a row. */
START_TEST(results_have_codes)
{
	for (int i = SHARE_INVALID_CHANNEL; i < SHARE_RESULTS; i++)
		ck_assert_msg(in_table(SHARE, share_result_code((enum share_result)i)), "result %d",
			      i);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pool-codes");
	TCase *c = tcase_create("codes");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, every_code, 0, (int)ROWS);
	tcase_add_test(c, page_has_them);
	tcase_add_test(c, results_have_codes);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
