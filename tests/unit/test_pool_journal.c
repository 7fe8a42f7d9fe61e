/* SPDX-License-Identifier: MIT */
/* The journal of found blocks where disks are full, files damaged, and processes killed. */
#include "config.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bitcoin/target.h"
#include "tests/unit/pool_rig.h"

static char directory[64];
static char path[96];

static void setup(void)
{
	snprintf(directory, sizeof directory, "/tmp/adit-test-journal-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/blocks-1.journal", directory);
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", directory);
	ck_assert_int_eq(system(command), 0);
}

static void begin(struct bench *b)
{
	bench_make(b, NULL);
	fake_host_set_state_dir(b->host, directory);
	bench_start(b);
	tdp_open(b, 0);
}

static struct miner begin_mining(struct bench *b, struct fake_conn **c)
{
	begin(b);
	new_tip(b, 0, 1, NBITS_EASY);
	*c = connect_miner(b, 1, 0);
	return open_miner(b, *c, false);
}

static void find_block(struct miner *m)
{
	uint8_t target[32];

	target_from_nbits(NBITS_EASY, target);
	solve(m, target, true);
	expect_accepted(m);
}

static off_t journal_size(void)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_size;
}

static size_t lines(void)
{
	char *text = fake_host_read_file(path);
	size_t count = 0;

	ck_assert_ptr_nonnull(text);
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		count++;
	free(text);
	return count;
}

/* No file of this process may grow past SIZE, as on a disk with so much left. */
static void leave_room(rlim_t size)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static bool retried(void *user)
{
	const struct bench *b = user;

	return b->pool->mining.journal.error[0] == '\0';
}

/* The block goes out all the same; log and state say what is wrong; no part of a line stays; once
 * there is room again, the block is written down. */
START_TEST(full_disk)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m = begin_mining(&b, &c);
	off_t before;

	find_block(&m);
	before = journal_size();
	leave_room((rlim_t)before + (_i == 0 ? 0 : 100));
	fake_conn_skip(b.tdp[0]);
	find_block(&m);
	ck_assert_ptr_nonnull(fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION));
	ck_assert_int_eq(journal_size(), before);
	ck_assert(fake_host_logged(b.host, "a found block can't be written down"));
	ck_assert_ptr_nonnull(
	    strstr(fake_host_status(b.host), "found blocks can't be written to disk"));
	ck_assert_uint_eq(b.pool->mining.blocks.count, 2);
	leave_room(RLIM_INFINITY);
	ck_assert(fake_host_wait(b.host, retried, &b, 30000));
	ck_assert_uint_eq(lines(), 2);
	ck_assert_ptr_null(strstr(fake_host_status(b.host), "disk"));
	leave(&b, c);
	bench_end(&b);
	begin(&b);
	ck_assert_uint_eq(b.pool->mining.blocks.count, 2);
	bench_end(&b);
}
END_TEST

/* What a worker left that there is no more, since the pool was started with fewer, the first one
 * takes over. */
START_TEST(fewer_workers)
{
	static const char *const names[] = {"blocks-2.journal", "blocks-9.journal.old"};
	char other[128];
	struct bench b;
	struct fake_conn *c;
	struct miner m = begin_mining(&b, &c);

	find_block(&m);
	leave(&b, c);
	bench_end(&b);
	snprintf(other, sizeof other, "%s/%s", directory, names[_i]);
	ck_assert_int_eq(rename(path, other), 0);
	begin(&b);
	ck_assert_uint_eq(b.pool->mining.blocks.count, 1);
	fake_conn_skip(b.tdp[0]);
	new_tip(&b, 0, 1, NBITS_EASY);
	ck_assert_uint_eq(fake_conn_count(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION), 1);
	bench_end(&b);
}
END_TEST

/* A journal that can't be opened is a fault of the configuration, and said with its path. */
START_TEST(no_journal)
{
	struct bench b;

	ck_assert_int_eq(symlink("/nonexistent/file", path), 0);
	bench_make(&b, NULL);
	fake_host_set_state_dir(b.host, directory);
	ck_assert_int_ne(fake_host_start(b.host, &adit_plugin), ADIT_OK);
	ck_assert_ptr_nonnull(strstr(fake_host_error(b.host), "blocks-1.journal"));
	bench_free(&b);
}
END_TEST

/* Zeros, as a loss of power leaves them, and a cut line don't hide what comes after them. */
START_TEST(zeros_inside)
{
	static const char zeros[600];
	struct bench b;
	struct fake_conn *c;
	struct miner m = begin_mining(&b, &c);
	FILE *f;

	find_block(&m);
	f = fopen(path, "a");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(zeros, 1, sizeof zeros, f), sizeof zeros);
	fclose(f);
	find_block(&m);
	leave(&b, c);
	bench_end(&b);
	begin(&b);
	ck_assert_uint_eq(b.pool->mining.blocks.count, 2);
	bench_end(&b);
}
END_TEST

static bool two_are_kept(void *user)
{
	const struct bench *b = user;

	return b->pool->mining.blocks.count == 2;
}

static bool rotated(void *user)
{
	char old[128];

	(void)user;
	snprintf(old, sizeof old, "%s.old", path);
	return access(old, F_OK) == 0;
}

/* A block whose line was the last before the file became NAME.old is not forgotten. */
START_TEST(rotation_keeps_pending)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	const struct sent *s;
	FILE *f = fopen(path, "a");

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < (4 << 20) / 64; i++)
		ck_assert_int_eq(fprintf(f, "%63d\n", i), 64);
	fclose(f);
	m = begin_mining(&b, &c);
	find_block(&m);
	ck_assert(fake_host_wait(b.host, rotated, NULL, 10000));
	ck_assert_int_eq(journal_size(), 0);
	leave(&b, c);
	bench_end(&b);
	begin(&b);
	ck_assert_uint_eq(b.pool->mining.blocks.count, 1);
	new_tip(&b, 0, 1, NBITS_EASY);
	s = fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.submit_solution.header_nonce, m.nonce);
	bench_end(&b);
}
END_TEST

/* The process that replaces this one has made the full file NAME.old and goes on in a new one: this
 * one only follows, and both files keep what they have. */
START_TEST(rotation_by_another)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;
	struct stat st;
	char old[128];
	FILE *f = fopen(path, "a");

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < (4 << 20) / 64; i++)
		ck_assert_int_eq(fprintf(f, "%63d\n", i), 64);
	fclose(f);
	m = begin_mining(&b, &c);
	snprintf(old, sizeof old, "%s.old", path);
	ck_assert_int_eq(rename(path, old), 0);
	f = fopen(path, "a");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_gt(fprintf(f, "a line of the other process\n"), 0);
	fclose(f);
	find_block(&m);
	fake_host_run(b.host, 200);
	ck_assert_int_eq(journal_size(), 28);
	ck_assert_int_eq(stat(old, &st), 0);
	ck_assert_int_gt(st.st_size, 4 << 20);
	find_block(&m);
	ck_assert_int_gt(journal_size(), 28);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* Appends the newest line of the file FROM to the file AT as if the process of slice 2 had written
 * it, with another nonce in the header: another block. */
static void written_by_another(const char *from, const char *at)
{
	char *text = fake_host_read_file(from);
	char *end = strrchr(text, '\n');
	char *line, *slice, *header;
	FILE *f = fopen(at, "a");

	ck_assert_ptr_nonnull(f);
	*end = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	slice = strstr(line, "\"slice\":1,");
	header = strstr(line, "\"header\":\"");
	ck_assert(slice && header);
	slice[8] = '2';
	memcpy(header + 10 + 152, "01020304", 8);
	ck_assert_int_gt(fprintf(f, "%s\n", line), 0);
	ck_assert_int_eq(fclose(f), 0);
	free(text);
}

/* While this process takes another one's place, that one finds a block: this one keeps it, sends it
 * at once and again to a provider that comes back on the same tip, and drops it at the next. Its
 * own lines it does not take for another's. */
START_TEST(another_writes_too)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m = begin_mining(&b, &c);
	const struct sent *s;

	find_block(&m);
	ck_assert_ptr_nonnull(fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION));
	fake_conn_skip(b.tdp[0]);
	written_by_another(path, path);
	journal_follow(&b.pool->mining);
	ck_assert_uint_eq(b.pool->mining.blocks.count, 2);
	s = fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION);
	ck_assert_ptr_nonnull(s);
	ck_assert_uint_eq(s->body.submit_solution.header_nonce, 0x04030201);
	fake_conn_skip(b.tdp[0]);
	journal_follow(&b.pool->mining);
	ck_assert_uint_eq(b.pool->mining.blocks.count, 2);
	ck_assert_ptr_null(fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION));
	leave(&b, c);
	tdp_close(&b, 0);
	tdp_open(&b, 0);
	new_tip(&b, 0, 1, NBITS_EASY);
	ck_assert_ptr_nonnull(fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION));
	ck_assert_ptr_nonnull(fake_conn_next(b.tdp[0], ADIT_SV2_SUBMIT_SOLUTION));
	new_tip(&b, 0, 2, NBITS_EASY);
	ck_assert_uint_eq(b.pool->mining.blocks.count, 0);
	bench_end(&b);
}
END_TEST

/* This process makes the full file NAME.old while the other one still writes to it. */
START_TEST(another_writes_to_the_old_one)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m = begin_mining(&b, &c);
	char old[128];

	snprintf(old, sizeof old, "%s.old", path);
	b.pool->mining.journal.size = 8 << 20;
	find_block(&m);
	ck_assert(fake_host_wait(b.host, rotated, NULL, 30000));
	written_by_another(old, old);
	ck_assert(fake_host_wait(b.host, two_are_kept, &b, 30000));
	leave(&b, c);
	bench_end(&b);
}
END_TEST

/* The other one has made it NAME.old and writes to a new one, to which this process goes on. */
START_TEST(another_writes_to_a_new_one)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m = begin_mining(&b, &c);
	char old[128];

	snprintf(old, sizeof old, "%s.old", path);
	find_block(&m);
	ck_assert_int_eq(rename(path, old), 0);
	written_by_another(old, path);
	ck_assert(fake_host_wait(b.host, two_are_kept, &b, 30000));
	find_block(&m);
	ck_assert_uint_eq(lines(), 2);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pool-journal");
	TCase *c = tcase_create("journal");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, full_disk, 0, 2);
	tcase_add_loop_test(c, fewer_workers, 0, 2);
	tcase_add_test(c, no_journal);
	tcase_add_test(c, zeros_inside);
	tcase_add_test(c, rotation_keeps_pending);
	tcase_add_test(c, rotation_by_another);
	tcase_add_test(c, another_writes_too);
	tcase_add_test(c, another_writes_to_the_old_one);
	tcase_add_test(c, another_writes_to_a_new_one);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
