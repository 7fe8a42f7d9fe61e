/* SPDX-License-Identifier: MIT */
/* Workers behind extended channels: extension 0x0002. */
#include "config.h"

#include <adit/share_log.h>
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/pool_rig.h"

static const struct worker *find_worker(struct bench *b, const struct miner *m, const char *name)
{
	const struct channel *channel = channel_find(m->conn->user, m->channel);
	const struct worker *w;

	(void)b;
	LIST_FOREACH(w, &channel->workers, in_channel)
	{
		if (strcmp(w->name, name) == 0)
			return w;
	}
	return NULL;
}

static void share_of(struct miner *m, const char *worker)
{
	m->worker = worker;
	solve(m, m->target, true);
	expect_accepted(m);
}

/* Three workers, one at a time. */
static void list_in_pages(struct bench *b)
{
	char params[64] = "{\"limit\":1}";
	unsigned next = 1, seen = 0;
	struct fake_reply *r;

	while (next > 0) {
		const char *at;

		r = fake_host_call(b->host, "list_workers", params, NULL, 0);
		ck_assert_int_eq(r->error, ADIT_OK);
		seen += strstr(r->json, "\"worker\":") != NULL;
		at = strstr(r->json, "\"next\":");
		ck_assert_ptr_nonnull(at);
		ck_assert(sscanf(at, "\"next\":%u", &next) == 1 || strstr(at, "null"));
		if (strstr(at, "null"))
			next = 0;
		fake_reply_free(r);
		snprintf(params, sizeof params, "{\"limit\":1,\"after\":%u}", next);
		ck_assert_uint_le(seen, 3);
	}
	ck_assert_uint_eq(seen, 3);
	r = fake_host_call(b->host, "list_workers", "{\"after\":\"pool.1/1/2\"}", NULL, 0);
	ck_assert_int_eq(r->error, ADIT_E_INVALID_ARGUMENT);
	ck_assert_ptr_nonnull(strstr(r->message, "a number"));
	fake_reply_free(r);
}

START_TEST(workers_are_counted)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m[2];
	struct fake_reply *r;

	bench_ready(&b, NULL, NBITS_HARD);
	ck_assert_uint_eq(b.server.handlers->supported_extensions, ADIT_SV2_WORKER_HASHRATE);
	c = connect_miner(&b, 1, 0);
	m[0] = open_miner(&b, c, false);
	m[1] = open_miner(&b, c, false);
	share_of(&m[0], NULL); /* not negotiated: nobody is counted */
	share_of(&m[0], "");
	ck_assert_uint_eq(b.pool->mining.workers.count, 0);
	ck_assert_ptr_null(b.pool->mining.workers.entries);
	share_of(&m[0], "rig1");
	share_of(&m[0], "rig1");
	expect_refused(&m[0], "duplicate-share");
	share_of(&m[0], "bad\x01name");
	share_of(&m[1], "rig1"); /* another channel's is another worker */
	m[1].job += 1000;
	expect_refused(&m[1], "invalid-job-id");
	ck_assert_uint_eq(b.pool->mining.workers.count, 3);
	ck_assert_uint_eq(find_worker(&b, &m[0], "rig1")->accepted, 2);
	ck_assert_uint_eq(find_worker(&b, &m[0], "rig1")->rejected, 1);
	ck_assert_double_gt(find_worker(&b, &m[0], "rig1")->rate.value, 0);
	ck_assert_uint_eq(find_worker(&b, &m[0], "bad?name")->accepted, 1);
	ck_assert_uint_eq(find_worker(&b, &m[1], "rig1")->accepted, 1);
	ck_assert_uint_eq(find_worker(&b, &m[1], "rig1")->rejected, 1);
	r = fake_host_call(b.host, "list_workers", "{}", NULL, 0);
	ck_assert_int_eq(r->error, ADIT_OK);
	ck_assert_ptr_nonnull(strstr(r->json, "\"worker\":\"bad?name\""));
	ck_assert_ptr_nonnull(strstr(r->json, "\"count\":3"));
	fake_reply_free(r);
	list_in_pages(&b);
	leave(&b, c);
	ck_assert_uint_eq(b.pool->mining.workers.count, 0);
	bench_end(&b);
}
END_TEST

START_TEST(workers_are_bounded)
{
	static const struct fake_option few[] = {{"max_workers", "8"}, {NULL, NULL}};
	struct bench b;
	struct fake_conn *c;
	struct miner m[5];
	char name[16];

	bench_ready(&b, few, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	for (int i = 0; i < 5; i++)
		m[i] = open_miner(&b, c, false);
	/* A quarter for each channel; with all of them the table is full. */
	for (int k = 0; k < 3; k++) {
		for (int i = 0; i < 5; i++) {
			snprintf(name, sizeof name, "rig%d", k);
			share_of(&m[i], name);
		}
	}
	ck_assert_uint_eq(b.pool->mining.workers.count, 8);
	ck_assert_uint_eq(b.pool->mining.workers.unlisted, 7);
	ck_assert_uint_eq(b.pool->mining.stats.accepted, 15);
	ck_assert_uint_eq(channel_find(c->user, m[0].channel)->worker_count, 2);
	ck_assert_uint_eq(channel_find(c->user, m[4].channel)->worker_count, 1);
	/* A channel that ends makes room. */
	struct adit_sv2_close_channel close = {.channel_id = m[0].channel};

	b.server.handlers->close_channel(b.server.context, &c->head, &close);
	share_of(&m[4], "rig1");
	ck_assert_uint_eq(find_worker(&b, &m[4], "rig1")->accepted, 1);
	leave(&b, c);
	bench_end(&b);
}
END_TEST

START_TEST(event_names_the_worker)
{
	struct bench b;
	struct fake_conn *c;
	struct miner m;

	bench_ready(&b, NULL, NBITS_HARD);
	c = connect_miner(&b, 1, 0);
	m = open_miner(&b, c, false);
	b.pool->sample_due = true;
	share_of(&m, "rig7");
	ck_assert_uint_eq(fake_host_published(b.host, "ShareSubmitted"), 1);
	ck_assert_ptr_nonnull(
	    strstr(fake_host_event(b.host, "ShareSubmitted", 0), "\"worker\":\"rig7\""));
	/* and so does the share log, if the share does */
	ck_assert_str_eq(adit_share_worker(fake_host_share(b.host, 0)), "rig7");
	ck_assert_str_eq(fake_host_share(b.host, 0)->user, channel_find(c->user, m.channel)->user);
	share_of(&m, NULL);
	ck_assert_ptr_null(adit_share_worker(fake_host_share(b.host, 1)));
	leave(&b, c);
	bench_end(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pool workers");
	TCase *c = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(c, workers_are_counted);
	tcase_add_test(c, workers_are_bounded);
	tcase_add_test(c, event_names_the_worker);
	tcase_set_timeout(c, 60);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
