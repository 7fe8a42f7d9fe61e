/* SPDX-License-Identifier: MIT */
/* plugins/miningos, REST: the role's methods, as others and aditctl call them, and its keys. */
#include "config.h"

#include <check.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_host.h"
#include "rest_rig.h"

static struct rig r;
static struct adit_host *host;
static struct fake_reply *reply;

static void setup(void)
{
	host = fake_host_new("miningos", NULL, NULL, NULL);
	rig_init_at(&r, fake_host_base(host));
}

static void teardown(void)
{
	fake_reply_free(reply);
	reply = NULL;
	rig_free(&r);
	fake_host_free(host);
}

static void begin(void)
{
	rig_new(&r);
	ck_assert_int_eq(rest_register(r.rest, fake_host_api(), host), ADIT_OK);
	rest_start(r.rest);
}

static void call(const char *method, const char *json, int32_t error)
{
	fake_reply_free(reply);
	reply = fake_host_call(host, method, json, NULL, 0);
	ck_assert_msg(reply->error == error, "%s %s: %s: %s", method, json,
		      adit_error_name(reply->error), reply->message);
	ck_assert_int_eq(reply->message[0] != '\0', error != ADIT_OK);
	ck_assert_ptr_null(strstr(reply->json, RIG_SECRET));
	ck_assert_ptr_null(strstr(reply->message, RIG_SECRET));
}

static bool says(const char *text)
{
	return strstr(reply->json, text) != NULL;
}

START_TEST(login_by_method)
{
	char params[600];

	begin();
	call("oauth_status", "{}", ADIT_OK);
	ck_assert(says("\"login-needed\""));
	call("rest_call", "{\"endpoint\":\"list-things\"}", ADIT_E_PERMISSION_DENIED);
	call("oauth_login", "", ADIT_OK);
	ck_assert(says("/oauth/google\""));
	ck_assert(says("\"login-pending\""));
	call("oauth_login", "{}", ADIT_OK);
	call("oauth_login", "[]", ADIT_E_INVALID_ARGUMENT);
	call("oauth_login", "{\"token\"", ADIT_E_INVALID_ARGUMENT);
	call("oauth_login", "{\"token\":\"\"}", ADIT_E_INVALID_ARGUMENT);
	call("oauth_login", "{\"token\":\"a b\"}", ADIT_E_INVALID_ARGUMENT);
	call("oauth_login", "{\"token\":\"a\\u0000b\"}", ADIT_E_INVALID_ARGUMENT);
	call("oauth_login", "{\"token\":\"a\",\"refresh_token\":\"\\n\"}", ADIT_E_INVALID_ARGUMENT);
	call("oauth_login", "{\"token\":\"nobody-knows-it\"}", ADIT_E_PERMISSION_DENIED);
	app_make_token(&r.app, "admin");
	snprintf(params, sizeof(params), "{\"token\":\"%s\"}", r.app.token);
	call("oauth_login", params, ADIT_OK);
	ck_assert(says("\"op@site.example\""));
	call("rest_call", "{\"endpoint\":\"list-things\"}", ADIT_OK);
	call("oauth_logout", "{}", ADIT_OK);
	ck_assert(says("\"login-needed\""));
}
END_TEST

static void file(struct app *app, struct script_request *request)
{
	(void)app;
	script_answer(request, 200, "", "\x1f\x8b file");
}

START_TEST(calls_by_method)
{
	rig_cache_token(&r, "admin");
	begin();
	r.app.body = "[[{\"id\":\"a\"}],{\"error\":\"ERR_ORK_X\"}]";
	call("rest_call", "{\"endpoint\":\"list-things\",\"arguments\":{\"limit\":3}}", ADIT_OK);
	ck_assert_str_eq(r.app.last, "/auth/list-things?limit=3");
	ck_assert(says("\"answer\":[[{\"id\":\"a\"}]"));
	ck_assert(says("\"orks\":2"));
	ck_assert(says("\"failed\":1"));
	ck_assert(says("\"problem\":\"ERR_ORK_X\""));
	r.app.answer = file;
	call("rest_call", "{\"endpoint\":\"download-logs\",\"arguments\":{\"id\":\"5\"}}", ADIT_OK);
	ck_assert(says("\"bytes\":7"));
	ck_assert_uint_eq(reply->attachment_size, 7);
	ck_assert_mem_eq(reply->attachment, "\x1f\x8b file", 7);
	call("rest_call", "{}", ADIT_E_INVALID_ARGUMENT);
	call("rest_call", "", ADIT_E_INVALID_ARGUMENT);
	call("rest_call", "{\"endpoint\":5}", ADIT_E_INVALID_ARGUMENT);
	call("rest_call", "{\"endpoint\":\"register-rack\"}", ADIT_E_NOT_FOUND);
	call("rest_call", "{\"endpoint\":\"list-things\",\"arguments\":[]}",
	     ADIT_E_INVALID_ARGUMENT);
	call("rest_call", "{\"endpoint\":\"list-things\",\"arguments\":{\"other\":1}}",
	     ADIT_E_INVALID_ARGUMENT);
	r.app.answer = NULL;
	r.app.status = 500;
	call("rest_call", "{\"endpoint\":\"list-things\"}", ADIT_E_UNAVAILABLE);
	call("rest_endpoints", "{}", ADIT_OK);
	ck_assert(says("\"push-action\""));
}
END_TEST

/* 450 things, and an ork that fails beside. */
static void page(struct app *app, struct script_request *request)
{
	size_t offset = strtoul(strstr(request->target, "offset=") + 7, NULL, 10);
	size_t limit = strtoul(strstr(request->target, "limit=") + 6, NULL, 10);
	char body[4096] = "[[";

	(void)app;
	for (size_t i = offset; i < 450 && i < offset + limit; i++)
		snprintf(body + strlen(body), sizeof(body) - strlen(body), "%s%zu",
			 i > offset ? "," : "", i);
	strcat(body, "],{\"error\":\"ERR_ORK_X\"}]");
	script_answer(request, 200, "", body);
}

START_TEST(lists_by_method)
{
	rig_cache_token(&r, "admin");
	begin();
	r.app.answer = page;
	call("rest_list", "{\"endpoint\":\"list-things\"}", ADIT_OK);
	ck_assert(says("\"count\":450"));
	ck_assert(says(",448,449]"));
	ck_assert(says("\"problem\":\"ERR_ORK_X\""));
	ck_assert_uint_eq(r.app.calls, 3);
	call("rest_list", "{\"endpoint\":\"list-things\",\"limit\":451}", ADIT_OK);
	ck_assert(says("\"count\":450"));
	ck_assert_uint_eq(r.app.calls, 4);
	call("rest_list", "{\"endpoint\":\"list-things\",\"most\":449}", ADIT_E_LIMIT);
	call("rest_list", "{\"endpoint\":\"list-things\",\"limit\":0}", ADIT_E_INVALID_ARGUMENT);
	call("rest_list", "{\"endpoint\":\"list-things\",\"most\":-1}", ADIT_E_INVALID_ARGUMENT);
	call("rest_list", "{}", ADIT_E_INVALID_ARGUMENT);
	call("rest_list", "{\"endpoint\":\"pools\"}", ADIT_E_INVALID_ARGUMENT);
	/* The app-node gives 200 of these at most: who asks for more must not take that for all. */
	r.app.answer = NULL;
	r.app.body = "[]";
	call("rest_list", "{\"endpoint\":\"miners\",\"limit\":1000}", ADIT_OK);
	ck_assert_str_eq(r.app.last, "/auth/miners?offset=0&limit=200");
	r.app.status = 500;
	call("rest_list", "{\"endpoint\":\"miners\"}", ADIT_E_UNAVAILABLE);
}
END_TEST

/* What the bus takes is less than what the app-node may answer. */
START_TEST(answer_that_is_too_large_to_hand_on)
{
	const size_t size = 9u << 20;
	char *body = malloc(size + 1);

	ck_assert_ptr_nonnull(body);
	memset(body, 'a', size);
	memcpy(body, "[[\"", 3);
	strcpy(body + size - 3, "\"]]");
	r.settings.max_bytes = 16u << 20;
	rig_cache_token(&r, "admin");
	begin();
	r.app.body = body;
	call("rest_call", "{\"endpoint\":\"list-things\"}", ADIT_E_LIMIT);
	ck_assert_ptr_nonnull(strstr(reply->message, "fields"));
	free(body);
}
END_TEST

static void hang(struct app *app, struct script_request *request)
{
	(void)app;
	script_hang(request);
	rest_stop(r.rest);
}

/* The role ends while one is under way, and is asked again before its stop has completed. */
START_TEST(stop_answers_everybody)
{
	rig_cache_token(&r, "admin");
	begin();
	r.app.answer = hang;
	call(_i == 0 ? "rest_call" : "rest_list", "{\"endpoint\":\"list-things\"}",
	     ADIT_E_CANCELLED);
	call("rest_call", "{\"endpoint\":\"list-things\"}", ADIT_E_UNAVAILABLE);
	call("rest_list", "{\"endpoint\":\"list-things\"}", ADIT_E_UNAVAILABLE);
	call("oauth_login", "{}", ADIT_E_UNAVAILABLE);
	call("oauth_login", "{\"token\":\"a\"}", ADIT_E_UNAVAILABLE);
	call("oauth_status", "{}", ADIT_OK);
	call("oauth_logout", "{}", ADIT_OK);
}
END_TEST

START_TEST(keys_and_environment)
{
	static const struct fake_option options[] = {
	    {"app_node_url", "http://app.example:3000"},
	    {"oauth_provider", "my-own"},
	    {"http_timeout", "1500"},
	    {"http_max_answer", "2"},
	    {"oauth_token_ttl", "60000"},
	    {"oauth_login_timeout", "5000"},
	    {"token_cache_file", "/nowhere/t.json"},
	    {NULL, NULL},
	};
	struct adit_host *own = fake_host_new("miningos", NULL, options, NULL);
	const struct adit_host_api *api = fake_host_api();
	struct rest_settings s;
	struct error e = {0};

	unsetenv("MININGOS_ACCESS_TOKEN");
	unsetenv("MININGOS_OAUTH_TOKEN_URL");
	ck_assert_msg(rest_settings_read(&s, api, own, &e) == ADIT_OK, "%s", e.text);
	ck_assert_str_eq(s.app_node_url, "http://app.example:3000");
	ck_assert_uint_eq(s.timeout_ms, 1500);
	ck_assert_uint_eq(s.max_bytes, 2u << 20);
	ck_assert_ptr_null(s.token_url);
	ck_assert_ptr_null(s.access_token);
	setenv("MY_OWN_OAUTH_TOKEN_URL", "http://b.example/token", 1);
	setenv("MININGOS_ACCESS_TOKEN", "abc", 1);
	ck_assert_int_eq(rest_settings_read(&s, api, own, &e), ADIT_OK);
	ck_assert_str_eq(s.token_url, "http://b.example/token");
	ck_assert_str_eq(s.access_token, "abc");
	setenv("MININGOS_OAUTH_TOKEN_URL", "http://a.example/token", 1);
	ck_assert_int_eq(rest_settings_read(&s, api, own, &e), ADIT_OK);
	ck_assert_str_eq(s.token_url, "http://a.example/token");
	fake_host_set_config(own, "oauth_token_url", "http://c.example/token");
	ck_assert_int_eq(rest_settings_read(&s, api, own, &e), ADIT_OK);
	ck_assert_str_eq(s.token_url, "http://c.example/token");
	fake_host_free(own);
}
END_TEST

static Suite *methods_suite(void)
{
	Suite *suite = suite_create("miningos REST, methods");
	TCase *tc = tcase_create("methods");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, login_by_method);
	tcase_add_test(tc, calls_by_method);
	tcase_add_test(tc, lists_by_method);
	tcase_add_test(tc, answer_that_is_too_large_to_hand_on);
	tcase_add_loop_test(tc, stop_answers_everybody, 0, 2);
	tcase_add_test(tc, keys_and_environment);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(methods_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
