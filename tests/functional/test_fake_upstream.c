/* SPDX-License-Identifier: MIT */
/* The upstream that tests of jdc play, tried with a client that is known to be good: what is right
 * is counted as right, and what is wrong is seen. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "host/node/traffic.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"
#include "tests/functional/declaring_client.h"
#include "tests/functional/fake_upstream.h"
#include "tests/functional/harness.h"

#define USER "farm.one"

static struct fake_upstream upstream;

/* A job of some block that nobody has heard of. */
static void make_work(struct declaring_client *j)
{
	uint64_t number = 0;

	j->work.height = 500;
	j->work.value = 5000000000;
	j->work.version = 0x20000000;
	j->work.nbits = 0x1f00ffff;
	j->work.ntime = (uint32_t)clock_unix();
	random_bytes(j->work.prev_hash, 30);
	while (j->work.tx_count < 5) {
		struct traffic_tx t;

		traffic_make(number++, &t);
		if (t.parents_count == 0)
			declarer_add_tx(&j->work, t.data, t.size);
	}
}

static void setup(void)
{
	harness_setup();
	fake_upstream_start(&upstream, &(struct fake_options){0});
}

static void teardown(void)
{
	fake_upstream_stop(&upstream);
	harness_teardown();
}

static void join(struct declaring_client *j)
{
	*j = (struct declaring_client){0};
	j->templates.fd = -1;
	make_work(j);
	dc_declaration(j, upstream.jds_port, ADIT_SV2_DECLARE_TX_DATA);
	dc_mining(j, upstream.pool_port, USER);
}

static uint64_t wrong(void)
{
	return upstream.shared->records.wrong;
}

START_TEST(what_is_right)
{
	struct declaring_client j;

	join(&j);
	ck_assert_str_eq(upstream.shared->records.user, USER);
	dc_allocate(&j, USER);
	ck_assert_uint_eq(dc_declare(&j), 5);
	ck_assert_ptr_null(dc_set_job(&j));
	ck_assert_ptr_null(dc_share(&j, false));
	ck_assert_ptr_null(dc_share(&j, true));
	dc_push(&j);
	fake_upstream_wait(&upstream, FAKE_SOLUTION, 1);
	fake_upstream_check(&upstream);
	ck_assert_uint_eq(fake_upstream_answered(&upstream, FAKE_SHARE), 2);
	ck_assert_uint_eq(upstream.shared->records.blocks, 1);
	ck_assert_uint_eq(upstream.shared->records.solutions_good, 1);
	ck_assert_uint_eq(upstream.shared->records.transactions, 5);
	/* in coinbase-only mode */
	dc_allocate(&j, USER);
	ck_assert_ptr_null(dc_set_job(&j));
	ck_assert_ptr_null(dc_share(&j, false));
	fake_upstream_check(&upstream);
	dc_close(&j);
}
END_TEST

START_TEST(what_is_wrong)
{
	struct declaring_client j;
	const char *code;

	join(&j);
	dc_allocate(&j, USER);
	(void)dc_declare(&j);
	j.work.outputs.data[1]++; /* another value than was declared */
	(void)dc_set_job(&j);
	ck_assert_uint_eq(wrong(), 1);
	j.work.outputs.data[1]--;
	ck_assert_ptr_null(dc_set_job(&j));
	ck_assert_uint_eq(wrong(), 1);
	j.extranonce[DECLARER_EXTRANONCE - 1] = 1;
	ck_assert_ptr_null(dc_share(&j, false));
	j.nonce--; /* the same once more */
	ck_assert_str_eq(dc_share(&j, false), "duplicate-share");
	j.target.b[31] = 0xff;
	j.target.b[30] = 0xff; /* as easy as it gets */
	do /* one of them may be good by chance */
		code = dc_share(&j, false);
	while (code == NULL);
	ck_assert_str_eq(code, "difficulty-too-low");
	ck_assert_uint_eq(wrong(), 3);
	ck_assert_uint_eq(upstream.shared->records.shares_bad, 2);
	dc_close(&j);
}
END_TEST

/* Orders at run time, death and return. */
START_TEST(orders)
{
	struct declaring_client j;

	join(&j);
	dc_allocate(&j, USER);
	fake_upstream_refuse(&upstream, FAKE_CUSTOM_JOB, "stale-chain-tip");
	(void)dc_declare(&j);
	ck_assert_str_eq(dc_set_job(&j), "stale-chain-tip");
	fake_upstream_answer(&upstream, FAKE_CUSTOM_JOB, FAKE_LATE);
	ck_assert_ptr_null(dc_set_job(&j));
	fake_upstream_answer(&upstream, FAKE_SHARE, FAKE_REFUSED);
	ck_assert_str_eq(dc_share(&j, false), "difficulty-too-low");
	fake_upstream_order(&upstream, FAKE_CLOSE_POOL);
	probe_expect_close(&j.mining);
	dc_close(&j);
	fake_upstream_kill(&upstream);
	fake_upstream_revive(&upstream);
	fake_upstream_freeze(&upstream, true);
	fake_upstream_freeze(&upstream, false);
	fake_upstream_answer(&upstream, FAKE_CUSTOM_JOB, FAKE_WELL);
	join(&j);
	dc_allocate(&j, USER);
	(void)dc_declare(&j);
	ck_assert_ptr_null(dc_set_job(&j));
	fake_upstream_check(&upstream);
	dc_close(&j);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("the tests' upstream");
	TCase *c = tcase_create("fake");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, (double)harness_limit(HARNESS_TEST_S));
	tcase_add_test(c, what_is_right);
	tcase_add_test(c, what_is_wrong);
	tcase_add_test(c, orders);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
