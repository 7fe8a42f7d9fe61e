/* SPDX-License-Identifier: MIT */
/* When the node is asked for a template. The node is a sibling in the fake host. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "plugins/template-provider/source.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/test_tp.h"
#include "tests/unit/tp_fixture.h"

static struct tp_host host;
static struct adit_host *node;
static struct tp_source *source;
static struct tp_source_settings settings;
static struct fixture f;
static int calls, snapshots, states;
static bool away, silent;
static bool last_partial;
static uint64_t last_id;
static char state[128];
static struct adit_request *held;

static void reply(struct adit_request *request)
{
	if (away)
		fake_host_api()->reply(node, request, ADIT_E_UNAVAILABLE, "initial download: 12 %",
				       "", 0, NULL, 0);
	else
		fake_host_api()->reply(node, request, ADIT_OK, "", (const char *)f.json.data,
				       f.json.size, f.data.data, f.data.size);
}

static void answer(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	(void)user;
	(void)info;
	calls++;
	if (silent)
		held = request;
	else
		reply(request);
}

static void on_snapshot(void *user, struct tp_snapshot *s)
{
	(void)user;
	snapshots++;
	last_id = s->id;
	last_partial = s->partial;
	tp_snapshot_unref(s);
}

static void on_state(void *user, const char *text)
{
	(void)user;
	states++;
	snprintf(state, sizeof(state), "%s", text);
}

static void setup(void)
{
	calls = snapshots = states = 0;
	away = silent = false;
	settings = (struct tp_source_settings){0};
	state[0] = '\0';
	fixture_init(&f, 1, 3);
	fixture_render(&f);
	host = (struct tp_host){.api = fake_host_api(),
				.handle = fake_host_new("template-provider", NULL, NULL, NULL)};
	node = fake_host_new("node", NULL, NULL, host.handle);
	fake_host_api()->register_method(node, "get_block_template", ADIT_METHOD_ANY, answer, NULL,
					 NULL);
}

static void begin(void)
{
	static const struct tp_source_callbacks callbacks = {on_snapshot, on_state};
	struct tp_source head = {
	    .type = &tp_node_source, .host = &host, .settings = &settings, .callbacks = &callbacks};
	struct error e;

	source = tp_node_source.open(&head, &e);
	ck_assert_ptr_nonnull(source);
}

static void teardown(void)
{
	tp_node_source.close(source);
	ck_assert_uint_eq(fake_host_registrations(host.handle), 0);
	fake_host_free(node);
	fake_host_free(host.handle);
	fixture_free(&f);
}

static void announce(bool new_tip)
{
	const char *json = new_tip ? "{\"id\":2,\"new_tip\":true}" : "{\"id\":2,\"new_tip\":false}";

	fake_host_api()->publish(node, "BlockTemplateUpdated", json, strlen(json), NULL, 0);
}

static bool has_snapshots(void *user)
{
	return snapshots >= *(int *)user;
}

static void wait_snapshots(int n)
{
	ck_assert(fake_host_wait(host.handle, has_snapshots, &n, 5000));
}

START_TEST(asks_at_the_start_and_at_events)
{
	begin();
	wait_snapshots(1);
	fake_host_run(host.handle, 30);
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(states, 0);
	f.id = 2;
	fixture_render(&f);
	announce(false);
	wait_snapshots(2);
	ck_assert_uint_eq(last_id, 2);
	ck_assert_int_eq(calls, 2);
}
END_TEST

START_TEST(asks_again_while_the_node_is_away)
{
	away = true;
	begin();
	fake_host_run(host.handle, 50);
	ck_assert_str_eq(state, "initial download: 12 %");
	ck_assert_int_eq(calls, 1);
	away = false;
	wait_snapshots(1);
	ck_assert_int_eq(calls, 2);
	ck_assert_str_eq(state, "");
	ck_assert_int_eq(states, 2);
}
END_TEST

START_TEST(readiness_ends_the_back_off)
{
	away = true;
	begin();
	fake_host_run(host.handle, 900); /* the next try would be a second away */
	ck_assert_int_eq(calls, 3);
	away = false;
	fake_host_api()->publish(node, "SyncStateChanged", "{}", 2, NULL, 0);
	fake_host_run(host.handle, 50);
	ck_assert_int_eq(snapshots, 1);
}
END_TEST

START_TEST(a_bad_template_is_said)
{
	f.txs[0].size++;
	fixture_render(&f);
	begin();
	fake_host_run(host.handle, 50);
	ck_assert_int_eq(snapshots, 0);
	ck_assert_ptr_nonnull(strstr(state, "size"));
}
END_TEST

/* News on the same tip wait for the interval, a new tip does not. */
START_TEST(news_are_not_asked_for_too_often)
{
	settings.min_interval_ms = 300;
	begin();
	wait_snapshots(1);
	for (int i = 0; i < 5; i++) {
		announce(false);
		fake_host_run(host.handle, 20);
	}
	ck_assert_int_eq(calls, 1);
	fake_host_run(host.handle, 300);
	ck_assert_int_eq(calls, 2);
	announce(false);
	announce(true);
	wait_snapshots(3);
	ck_assert_int_eq(calls, 3);
}
END_TEST

/* Better fees: the answer under way counts, and one more question follows it. */
START_TEST(an_event_during_a_call)
{
	silent = true;
	begin();
	fake_host_run(host.handle, 30);
	ck_assert_int_eq(calls, 1);
	announce(false);
	announce(false);
	fake_host_run(host.handle, 30);
	ck_assert_int_eq(calls, 1);
	silent = false;
	reply(held);
	wait_snapshots(2);
	fake_host_run(host.handle, 30);
	ck_assert_int_eq(calls, 2);
}
END_TEST

/* A new tip does not wait for an answer that may not come. */
START_TEST(a_new_tip_during_a_call)
{
	silent = true;
	begin();
	fake_host_run(host.handle, 30);
	silent = false;
	announce(true);
	wait_snapshots(1);
	ck_assert_int_eq(calls, 2);
	reply(held);
	fake_host_run(host.handle, 30);
	ck_assert_int_eq(snapshots, 1);
}
END_TEST

/* Announces a new tip with COUNT transactions, together with what an empty block needs. */
static void announce_tip(uint32_t count, const char *damage)
{
	struct fixture empty;
	struct buf json = {0};

	fixture_init(&empty, 9, 0);
	fixture_render(&empty);
	buf_printf(&json, "{\"id\":9,\"new_tip\":true,\"tx_count\":%u,\"empty\":", count);
	buf_append(&json, empty.json.data, empty.json.size);
	buf_printf(&json, "%s}", damage);
	fake_host_api()->publish(node, "BlockTemplateUpdated", (char *)json.data, json.size, NULL,
				 0);
	buf_free(&json);
	fixture_free(&empty);
}

START_TEST(an_empty_template_first)
{
	settings.empty_first = 100;
	begin();
	wait_snapshots(1);
	silent = true;
	announce_tip(100, "");
	wait_snapshots(2);
	ck_assert(last_partial);
	ck_assert_uint_eq(last_id, 9);
	/* The question is under way already. */
	fake_host_run(host.handle, 30);
	ck_assert_int_eq(calls, 2);
	reply(held);
	wait_snapshots(3);
	ck_assert(!last_partial);
}
END_TEST

/* Few transactions, switched off, or nothing that could be used: the whole one alone. */
START_TEST(no_empty_template)
{
	settings.empty_first = 100;
	begin();
	wait_snapshots(1);
	announce_tip(99, "");
	wait_snapshots(2);
	ck_assert(!last_partial);
	announce_tip(100, "0");
	wait_snapshots(3);
	ck_assert(!last_partial);
	announce(true);
	wait_snapshots(4);
	ck_assert(!last_partial);
	settings.empty_first = 0;
	announce_tip(5000, "");
	wait_snapshots(5);
	ck_assert(!last_partial);
	fake_host_run(host.handle, 30);
	ck_assert_int_eq(snapshots, 5);
}
END_TEST

Suite *tp_source_suite(void)
{
	Suite *s = suite_create("source");
	TCase *c = tcase_create("source");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, asks_at_the_start_and_at_events);
	tcase_add_test(c, asks_again_while_the_node_is_away);
	tcase_add_test(c, readiness_ends_the_back_off);
	tcase_add_test(c, a_bad_template_is_said);
	tcase_add_test(c, news_are_not_asked_for_too_often);
	tcase_add_test(c, an_event_during_a_call);
	tcase_add_test(c, a_new_tip_during_a_call);
	tcase_add_test(c, an_empty_template_first);
	tcase_add_test(c, no_empty_template);
	suite_add_tcase(s, c);
	return s;
}
