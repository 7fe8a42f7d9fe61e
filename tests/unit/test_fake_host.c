/* SPDX-License-Identifier: MIT */
/* The fake host keeps the promises of adit/plugin.h that tests of plugins rely on. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_host.h"

struct seen {
	struct adit_host *host;
	uint64_t id;
	int calls;
	int destroyed;
	int32_t error;
	char text[64];
};

static void seen_destroy(void *user)
{
	((struct seen *)user)->destroyed++;
}

static bool seen_any(void *user)
{
	return ((struct seen *)user)->calls > 0;
}

static void seen_event(void *user, const struct adit_event *event)
{
	struct seen *s = user;

	s->calls++;
	snprintf(s->text, sizeof(s->text), "%s %s", event->source, event->json);
}

static void seen_reply(void *user, const struct adit_reply *reply)
{
	struct seen *s = user;

	s->calls++;
	s->error = reply->error;
	snprintf(s->text, sizeof(s->text), "%s%.*s", reply->json, (int)reply->attachment_size,
		 reply->attachment != NULL ? (const char *)reply->attachment : "");
}

static void echo(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	fake_host_api()->reply(user, request, ADIT_OK, NULL, info->json, info->json_size, "!", 1);
}

static void silence(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	(void)user;
	(void)request;
	(void)info;
}

static void seen_timer(void *user)
{
	struct seen *s = user;

	if (++s->calls == 3)
		fake_host_api()->timer_cancel(s->host, s->id);
}

START_TEST(defaults_come_from_the_manifest)
{
	static const char manifest[] = "[plugin]\nname = x\n[config_schema]\n; comment\n"
				       "a = duration | 5s | 1s..1m | help\nb = string | - | - | h\n"
				       "c = int | 7 | 0..9 | help\nd = bool | true | - | help\n";
	static const struct fake_option options[] = {{"c", "8"}, {NULL, NULL}};
	struct adit_host *h = fake_host_new("x", manifest, options, NULL);
	const struct adit_host_api *api = fake_host_api();
	int64_t value;
	bool flag = false;

	ck_assert_str_eq(api->config(h, "a"), "5000");
	ck_assert_ptr_null(api->config(h, "b"));
	ck_assert_int_eq(api->config_int(h, "c", &value), ADIT_OK);
	ck_assert_int_eq(value, 8);
	ck_assert_int_eq(api->config_bool(h, "d", &flag), ADIT_OK);
	ck_assert(flag);
	ck_assert_int_eq(api->config_int(h, "b", &value), ADIT_E_NOT_FOUND);
	fake_host_free(h);
}
END_TEST

START_TEST(events_reach_siblings_later)
{
	struct adit_host *a = fake_host_new("a", NULL, NULL, NULL);
	struct adit_host *b = fake_host_new("b", NULL, NULL, a);
	const struct adit_host_api *api = fake_host_api();
	struct seen s = {0};

	fake_host_want_events(a, false);
	ck_assert(!api->event_wanted(a, "Tick"));
	api->subscribe(b, "Tick", seen_event, &s, seen_destroy, NULL);
	ck_assert(api->event_wanted(a, "Tick"));
	api->publish(a, "Tick", "{}", 2, NULL, 0);
	ck_assert_int_eq(s.calls, 0);
	ck_assert(fake_host_wait(a, seen_any, &s, 1000));
	ck_assert_str_eq(s.text, "a.1 {}");
	ck_assert_uint_eq(fake_host_published(a, "Tick"), 1);
	ck_assert_str_eq(fake_host_event(a, NULL, 0), "{}");
	fake_host_free(b);
	ck_assert_int_eq(s.destroyed, 1);
	fake_host_free(a);
}
END_TEST

START_TEST(calls_are_answered_once)
{
	struct adit_host *a = fake_host_new("a", NULL, NULL, NULL);
	struct adit_host *b = fake_host_new("b", NULL, NULL, a);
	const struct adit_host_api *api = fake_host_api();
	struct seen s = {0};
	struct seen late = {0};
	struct seen lost = {0};

	api->register_method(b, "echo", ADIT_METHOD_ANY, echo, b, NULL);
	api->register_method(b, "silence", ADIT_METHOD_ANY, silence, b, NULL);
	api->call(a, "b", "echo", "{\"x\":1}", 7, NULL, 0, 1000, seen_reply, &s, seen_destroy,
		  NULL);
	ck_assert_int_eq(s.calls, 0);
	ck_assert(fake_host_wait(a, seen_any, &s, 1000));
	ck_assert_str_eq(s.text, "{\"x\":1}!");
	ck_assert_int_eq(s.destroyed, 1);
	api->call(a, "b", "silence", "{}", 2, NULL, 0, 20, seen_reply, &late, seen_destroy, NULL);
	ck_assert(fake_host_wait(a, seen_any, &late, 1000));
	ck_assert_int_eq(late.error, ADIT_E_TIMEOUT);
	ck_assert_int_eq(late.destroyed, 1);
	api->call(a, "b", "silence", "{}", 2, NULL, 0, 5000, seen_reply, &lost, seen_destroy, NULL);
	fake_host_run(a, 20);
	fake_host_free(b);
	ck_assert(fake_host_wait(a, seen_any, &lost, 1000));
	ck_assert_int_eq(lost.error, ADIT_E_UNAVAILABLE);
	fake_host_free(a);
}
END_TEST

START_TEST(a_test_calls_methods)
{
	struct adit_host *a = fake_host_new("a", NULL, NULL, NULL);
	struct fake_reply *reply;

	fake_host_api()->register_method(a, "echo", ADIT_METHOD_ALL, echo, a, NULL);
	reply = fake_host_call(a, "echo", "{}", NULL, 0);
	ck_assert_int_eq(reply->error, ADIT_OK);
	ck_assert_str_eq(reply->json, "{}");
	ck_assert_uint_eq(reply->attachment_size, 1);
	fake_reply_free(reply);
	reply = fake_host_call(a, "other", "{}", NULL, 0);
	ck_assert_int_eq(reply->error, ADIT_E_NOT_FOUND);
	fake_reply_free(reply);
	fake_host_free(a);
}
END_TEST

START_TEST(timers_repeat_and_end)
{
	struct adit_host *a = fake_host_new("a", NULL, NULL, NULL);
	struct seen once = {0};
	struct seen many = {.host = a};

	fake_host_api()->timer_add(a, 1, 0, seen_timer, &once, seen_destroy, NULL);
	fake_host_api()->timer_add(a, 1, 2, seen_timer, &many, seen_destroy, &many.id);
	fake_host_run(a, 60);
	ck_assert_int_eq(once.calls, 1);
	ck_assert_int_eq(once.destroyed, 1);
	ck_assert_int_eq(many.calls, 3);
	ck_assert_int_eq(many.destroyed, 1);
	ck_assert_uint_eq(fake_host_registrations(a), 0);
	fake_host_free(a);
}
END_TEST

START_TEST(listeners_are_found_by_index)
{
	struct adit_host *a = fake_host_new("a", NULL, NULL, NULL);
	struct adit_listener l = {.size = sizeof(l)};
	const char *address = fake_host_listen(a, "listen", "127.0.0.1:0");

	ck_assert_ptr_nonnull(address);
	ck_assert_int_eq(fake_host_api()->listener(a, "listen", 0, &l), ADIT_OK);
	ck_assert_str_eq(l.address, address);
	ck_assert_int_eq(fake_host_api()->listener(a, "listen", 1, &l), ADIT_E_NOT_FOUND);
	fake_host_free(a);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fake host");
	TCase *tcase = tcase_create("fake host");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, defaults_come_from_the_manifest);
	tcase_add_test(tcase, events_reach_siblings_later);
	tcase_add_test(tcase, calls_are_answered_once);
	tcase_add_test(tcase, a_test_calls_methods);
	tcase_add_test(tcase, timers_repeat_and_end);
	tcase_add_test(tcase, listeners_are_found_by_index);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
