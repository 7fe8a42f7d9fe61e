/* SPDX-License-Identifier: MIT */
/* plugins/miningos, REST: the client beside an app-node in this process that does right or wrong.
 */
#include "config.h"

#include <check.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "plugins/miningos/oauth_token.h"
#include "plugins/miningos/token_cache.h"
#include "rest_rig.h"

static struct rig r;

static void setup(void)
{
	rig_init(&r);
}

static void teardown(void)
{
	rig_free(&r);
}

static bool cached(char out[OAUTH_TOKEN_MAX + 1])
{
	static struct oauth_token token;
	struct error e = {0};

	if (token_cache_load(r.cache, &token, &e) != ADIT_OK)
		return false;
	strcpy(out, token.access);
	return true;
}

static char text[OAUTH_TOKEN_MAX + 1];

/* --- calls --------------------------------------------------------------------------------------
 */

START_TEST(without_a_token_nothing_is_sent)
{
	rig_start(&r);
	ck_assert_int_eq(rest_state(r.rest), REST_LOGIN_NEEDED);
	rig_call(&r, "list-things", NULL);
	ck_assert_int_eq(r.error, ADIT_E_PERMISSION_DENIED);
	ck_assert(r.login_needed);
	ck_assert_ptr_nonnull(strstr(r.message, "aditctl miningos login"));
	ck_assert_uint_eq(r.app.server.requests, 0);
	ck_assert_str_eq(rig_status(&r, "state"), "\"login-needed\"");
}
END_TEST

START_TEST(token_of_the_cache_is_tried_then_used)
{
	rig_cache_token(&r, "admin:site_manager");
	rig_start(&r);
	ck_assert_int_eq(rest_state(r.rest), REST_CHECKING);
	/* This one waits until that is known. */
	r.app.body = "[[{\"id\":\"a\"}],[{\"id\":\"b\"}]]";
	rig_call(&r, "list-things", "{\"limit\":5}");
	ck_assert_msg(r.error == ADIT_OK, "%s", r.message);
	ck_assert_str_eq(r.app.last, "/auth/list-things?limit=5");
	ck_assert_str_eq(r.json, "[[{\"id\":\"a\"}],[{\"id\":\"b\"}]]");
	ck_assert_uint_eq(r.orks, 2);
	ck_assert_uint_eq(r.app.checks, 1);
	ck_assert_str_eq(r.app.server.log[0], "GET /auth/userinfo");
	ck_assert_str_eq(rig_status(&r, "email"), "\"op@site.example\"");
	ck_assert_str_eq(rig_status(&r, "roles"), "[\"admin\",\"site_manager\"]");
	ck_assert_str_eq(rig_status(&r, "kind"), "\"app-node\"");
}
END_TEST

START_TEST(refused_token_is_renewed_and_the_call_repeated)
{
	struct stat st;

	rig_start_ready(&r);
	r.app.refuse = 1;
	rig_call(&r, "push-action", "{\"query\":{},\"action\":\"reboot\",\"params\":[]}");
	ck_assert_msg(r.error == ADIT_OK, "%s", r.message);
	ck_assert_uint_eq(r.app.renewals, 1);
	ck_assert_uint_eq(r.app.calls, 1);
	ck_assert_str_eq(r.app.asked, "{\"roles\":[\"admin\",\"site_manager\"]}");
	ck_assert_str_eq(r.app.last_body, "{\"query\":{},\"action\":\"reboot\",\"params\":[]}");
	ck_assert(cached(text));
	ck_assert_str_eq(text, r.app.token);
	ck_assert_int_eq(stat(r.cache, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_str_eq(rig_status(&r, "renewals"), "1");
	ck_assert_str_eq(rig_status(&r, "lost_roles"), "");
}
END_TEST

START_TEST(refused_twice_is_an_answer)
{
	rig_start_ready(&r);
	r.app.refuse = 2;
	rig_call(&r, "list-things", NULL);
	ck_assert_int_eq(r.error, ADIT_E_PERMISSION_DENIED);
	ck_assert(r.login_needed);
	ck_assert_ptr_nonnull(strstr(r.message, "ERR_AUTH_FAIL"));
	ck_assert_uint_eq(r.app.refuse, 0);
	ck_assert_uint_eq(r.app.renewals, 1);
	/* The next one so soon is not renewed for again, the token is only tried. */
	rig_wait_state(&r, REST_READY);
	r.app.refuse = 1;
	rig_call(&r, "list-things", NULL);
	ck_assert_msg(r.error == ADIT_OK, "%s", r.message);
	ck_assert_uint_eq(r.app.renewals, 1);
}
END_TEST

START_TEST(many_refused_at_once_are_renewed_for_once)
{
	rig_start_ready(&r);
	strcpy(r.app.stale, r.app.token);
	for (int i = 0; i < 20; i++)
		ck_assert_ptr_nonnull(rig_send(&r, "list-things", NULL));
	rig_wait_answers(&r, 20);
	ck_assert_msg(r.error == ADIT_OK, "%s", r.message);
	ck_assert_uint_eq(r.app.calls, 20);
	ck_assert_uint_eq(r.app.renewals, 1);
}
END_TEST

static struct script_request *held;

static void hold(struct app *app, struct script_request *request)
{
	(void)app;
	held = request;
}

static bool is_held(struct rig *rig)
{
	(void)rig;
	return held != NULL;
}

static bool may_write(struct rig *rig)
{
	return strcmp(rig_status(rig, "write"), "true") == 0;
}

static bool is_settled(struct rig *rig)
{
	return rig->app.checks == 2 && rig->app.permissions == 2;
}

/* The answer to what was sent before a renewal says nothing about the new token. */
START_TEST(late_refusal_of_an_old_token_costs_nothing)
{
	rig_start_ready(&r);
	rig_wait(&r, may_write);
	held = NULL;
	r.app.answer = hold;
	ck_assert_ptr_nonnull(rig_send(&r, "list-things", NULL));
	rig_wait(&r, is_held);
	r.app.answer = NULL;
	r.app.refuse = 1;
	rig_call(&r, "list-things", NULL);
	ck_assert_int_eq(r.error, ADIT_OK);
	rig_wait(&r, is_settled);
	script_answer(held, 401, "", "{\"message\":\"ERR_AUTH_FAIL\"}");
	rig_wait_answers(&r, 2);
	ck_assert_msg(r.error == ADIT_OK, "%s", r.message);
	ck_assert_uint_eq(r.app.renewals, 1);
	ck_assert_uint_eq(r.app.checks, 2);
}
END_TEST

START_TEST(restarted_app_node_needs_a_login)
{
	rig_start_ready(&r);
	r.app.token[0] = '\0';
	rig_call(&r, "list-things", NULL);
	ck_assert_int_eq(r.error, ADIT_E_PERMISSION_DENIED);
	ck_assert(r.login_needed);
	ck_assert_int_eq(rest_state(r.rest), REST_LOGIN_NEEDED);
	ck_assert(!cached(text));
	ck_assert_ptr_nonnull(strstr(rig_status(&r, "next"), "aditctl miningos login"));
	ck_assert_ptr_nonnull(strstr(r.log, "login needed"));
}
END_TEST

START_TEST(missing_permission_is_no_bad_token)
{
	rig_start_ready(&r);
	r.app.status = 401;
	r.app.body = "{\"statusCode\":401,\"message\":\"ERR_AUTH_FAIL_NO_PERMS\"}";
	rig_call(&r, "miners", NULL);
	ck_assert_int_eq(r.error, ADIT_E_PERMISSION_DENIED);
	ck_assert(!r.login_needed);
	ck_assert_uint_eq(r.app.renewals, 0);
	ck_assert_int_eq(rest_state(r.rest), REST_READY);
}
END_TEST

static void truncated(struct app *app, struct script_request *request)
{
	static const char bytes[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[[1,2";

	(void)app;
	script_raw(request, bytes, sizeof(bytes) - 1, true);
}

static void chunked(struct app *app, struct script_request *request)
{
	static const char bytes[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				    "3\r\n[[1\r\n3\r\n,2]\r\n1\r\n]\r\n0\r\n\r\n";

	(void)app;
	script_raw(request, bytes, sizeof(bytes) - 1, false);
}

static void big(struct app *app, struct script_request *request)
{
	(void)app;
	script_flood(request, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", 100u << 20);
}

static void slow(struct app *app, struct script_request *request)
{
	(void)app;
	script_drip(request, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
}

static void hang(struct app *app, struct script_request *request)
{
	(void)app;
	script_hang(request);
}

static const struct {
	int status;
	const char *body;
	void (*answer)(struct app *app, struct script_request *request);
	uint32_t timeout_ms;
	int32_t error;
} outcomes[] = {
    {200, "[[]]", NULL, 0, ADIT_OK},
    {0, NULL, chunked, 0, ADIT_OK},
    {403, "{\"error\":\"ERR_WRITE_PERM_REQUIRED\"}", NULL, 0, ADIT_E_PERMISSION_DENIED},
    {404, "<html></html>", NULL, 0, ADIT_E_NOT_FOUND},
    {400, "{\"message\":\"ERR_QUERY_INVALID_JSON\"}", NULL, 0, ADIT_E_INVALID_ARGUMENT},
    {500, "{}", NULL, 0, ADIT_E_UNAVAILABLE},
    {200, "<html></html>", NULL, 0, ADIT_E_PROTOCOL},
    {200, "{\"a\":1}", NULL, 0, ADIT_E_PROTOCOL},
    {200, "[1,2]", NULL, 0, ADIT_E_PROTOCOL},
    {0, NULL, truncated, 0, ADIT_E_UNAVAILABLE},
    {0, NULL, big, 0, ADIT_E_LIMIT},
    {0, NULL, slow, 300, ADIT_E_TIMEOUT},
    {0, NULL, hang, 300, ADIT_E_TIMEOUT},
};

START_TEST(outcomes_are_told_apart)
{
	rig_cache_token(&r, "admin");
	rig_new(&r);
	if (outcomes[_i].timeout_ms != 0) {
		/* The token is tried with patience, the call has none. */
		rest_free(r.rest);
		r.settings.timeout_ms = outcomes[_i].timeout_ms;
		rig_new(&r);
	}
	rest_start(r.rest);
	rig_wait_state(&r, REST_READY);
	r.app.status = outcomes[_i].status;
	r.app.body = outcomes[_i].body;
	r.app.answer = outcomes[_i].answer;
	rig_call(&r, "list-things", NULL);
	ck_assert_msg(r.error == outcomes[_i].error, "%s: %s", adit_error_name(r.error), r.message);
	ck_assert_int_eq(r.message[0] != '\0', r.error != ADIT_OK);
	ck_assert(!r.login_needed);
	ck_assert_int_eq(rest_state(r.rest), REST_READY);
}
END_TEST

static struct script_server thief;
static unsigned thefts;

static void on_theft(void *user, struct script_request *request)
{
	(void)user;
	thefts++;
	script_answer(request, 200, "", "[[]]");
}

static void redirect(struct app *app, struct script_request *request)
{
	char header[128];

	(void)app;
	snprintf(header, sizeof(header), "Location: http://127.0.0.1:%u/auth/list-things\r\n",
		 (unsigned)thief.port);
	script_answer(request, 307, header, "");
}

START_TEST(token_goes_to_no_other_place)
{
	script_server_init(&thief, r.base, on_theft, NULL);
	thefts = 0;
	rig_start_ready(&r);
	r.app.answer = redirect;
	rig_call(&r, "list-things", NULL);
	ck_assert_int_eq(r.error, ADIT_E_PROTOCOL);
	ck_assert_ptr_nonnull(strstr(r.message, "app_node_url"));
	rig_stop(&r);
	/* Nor does one that is kept go to an app-node that is configured later. */
	snprintf(r.url, sizeof(r.url), "http://127.0.0.1:%u", (unsigned)thief.port);
	rig_start(&r);
	ck_assert_int_eq(rest_state(r.rest), REST_LOGIN_NEEDED);
	rig_call(&r, "list-things", NULL);
	ck_assert_int_eq(r.error, ADIT_E_PERMISSION_DENIED);
	ck_assert_ptr_nonnull(strstr(rig_status(&r, "problem"), "is for http://127.0.0.1:"));
	ck_assert_uint_eq(thefts, 0);
	script_server_free(&thief);
}
END_TEST

START_TEST(calls_are_bounded_and_cancelled)
{
	struct rest_call *first = NULL;

	rig_start_ready(&r);
	r.app.answer = hang;
	for (int i = 0; i < 64; i++) {
		struct rest_call *call = rig_send(&r, "list-things", NULL);

		ck_assert_ptr_nonnull(call);
		if (first == NULL)
			first = call;
	}
	ck_assert_ptr_null(rig_send(&r, "list-things", NULL));
	ck_assert_int_eq(r.error, ADIT_E_LIMIT);
	rest_cancel(first);
	ck_assert_ptr_nonnull(rig_send(&r, "list-things", NULL));
	rig_settle(&r);
	ck_assert_uint_eq(r.answers, 0);
	/* The others end with the client. */
}
END_TEST

START_TEST(unknown_endpoint_is_told)
{
	rig_start_ready(&r);
	ck_assert_ptr_null(rig_send(&r, "register-rack", NULL));
	ck_assert_int_eq(r.error, ADIT_E_NOT_FOUND);
	ck_assert_ptr_null(rig_send(&r, "list-racks", NULL));
	ck_assert_int_eq(r.error, ADIT_E_INVALID_ARGUMENT);
}
END_TEST

START_TEST(file_is_handed_out)
{
	rig_start_ready(&r);
	r.app.body = "not JSON at all";
	rig_call(&r, "download-logs", "{\"id\":\"x y\"}");
	ck_assert_int_eq(r.error, ADIT_OK);
	ck_assert_uint_eq(r.bytes, strlen(r.app.body));
	ck_assert_str_eq(r.app.last, "/auth/download-logs/x%20y");
}
END_TEST

START_TEST(no_provider_no_token)
{
	r.settings.provider = "none";
	rig_start(&r);
	ck_assert_int_eq(rest_state(r.rest), REST_READY);
	rig_call(&r, "list-things", NULL);
	/* This app-node wants one all the same. */
	ck_assert_int_eq(r.error, ADIT_E_PERMISSION_DENIED);
	ck_assert_uint_eq(r.app.renewals, 0);
}
END_TEST

/* --- renewal ------------------------------------------------------------------------------------
 */

static bool was_renewed(struct rig *rig)
{
	return rig->app.renewals > 0 && rest_state(rig->rest) == REST_READY;
}

static bool was_renewed_twice(struct rig *rig)
{
	return rig->app.renewals > 1 && rest_state(rig->rest) == REST_READY;
}

START_TEST(token_is_renewed_before_it_expires)
{
	r.app.jwt = _i == 1;
	r.app.lifetime = 5;
	r.settings.token_ttl_ms = 5000;
	rig_start_ready(&r);
	if (!r.app.jwt) {
		/* What the cache says of its life holds for the first one. */
		ck_assert_int_gt(atoi(rig_status(&r, "renews_in")), 60);
		r.app.refuse = 1;
		rig_call(&r, "list-things", NULL);
		ck_assert_int_eq(r.error, ADIT_OK);
		r.app.renewals = 0;
	}
	ck_assert_int_le(atoi(rig_status(&r, "renews_in")), 3);
	rig_wait(&r, was_renewed);
	rig_wait(&r, was_renewed_twice);
	ck_assert(cached(text));
	ck_assert_str_eq(text, r.app.token);
	ck_assert_ptr_null(strstr(r.log, "login needed"));
}
END_TEST

START_TEST(clocks_may_differ)
{
	r.app.jwt = true;
	r.app.lifetime = 900;
	r.app.ahead = _i == 0 ? -100000 : 100000;
	rig_start_ready(&r);
	ck_assert_int_le(labs(atol(rig_status(&r, "clock_skew")) - (long)r.app.ahead), 5);
	ck_assert_int_gt(atoi(rig_status(&r, "expires_in")), 800);
	ck_assert_int_le(atoi(rig_status(&r, "expires_in")), 900);
	ck_assert_int_gt(atoi(rig_status(&r, "renews_in")), 400);
	ck_assert_uint_eq(r.app.renewals, 0);
}
END_TEST

START_TEST(pasted_token_of_unknown_age_is_renewed_at_once)
{
	struct error e = {0};
	char token[512];

	r.app.roles_in_token = _i == 1;
	app_make_token(&r.app, "admin");
	strcpy(token, r.app.token);
	rig_start(&r);
	ck_assert_int_eq(
	    rest_login_token(r.rest, token, strlen(token), NULL, rig_on_judged, &r, &e), ADIT_OK);
	rig_wait(&r, was_renewed);
	ck_assert_uint_eq(r.judged, 1);
	ck_assert_int_eq(r.judged_error, ADIT_OK);
	ck_assert_str_eq(r.app.asked, "{\"roles\":[\"admin\"]}");
	ck_assert_str_ne(r.app.token, token);
	ck_assert(cached(text));
	ck_assert_str_eq(text, r.app.token);
}
END_TEST

START_TEST(lost_roles_are_noticed_and_asked_for_again)
{
	r.app.roles_in_token = _i == 1;
	rig_start_ready(&r);
	strcpy(r.app.allowed, "site_manager");
	r.app.refuse = 1;
	rig_call(&r, "list-things", NULL);
	ck_assert_int_eq(r.error, ADIT_OK);
	while (strcmp(rig_status(&r, "lost_roles"), "[\"admin\"]") != 0)
		event_base_loop(r.base, EVLOOP_ONCE);
	ck_assert_str_eq(rig_status(&r, "roles"), "[\"site_manager\"]");
	ck_assert_ptr_nonnull(strstr(r.log, "lost these roles: admin"));
	ck_assert_ptr_nonnull(strstr(rig_status(&r, "problem"), "admin"));
	ck_assert_int_eq(rest_state(r.rest), REST_READY);
	/* Over a restart they are still those that the login had. */
	rig_stop(&r);
	strcpy(r.app.allowed, "admin:site_manager");
	rig_start(&r);
	rig_wait_state(&r, REST_READY);
	r.app.refuse = 1;
	rig_call(&r, "list-things", NULL);
	ck_assert_str_eq(r.app.asked, "{\"roles\":[\"admin\",\"site_manager\"]}");
	while (rig_status(&r, "lost_roles")[0] != '\0')
		event_base_loop(r.base, EVLOOP_ONCE);
}
END_TEST

START_TEST(refused_roles_are_learned_anew)
{
	rig_start_ready(&r);
	r.app.strict_roles = true;
	strcpy(r.app.allowed, "site_manager");
	strcpy(r.app.roles, "site_manager");
	r.app.refuse = 1;
	rig_call(&r, "list-things", NULL);
	ck_assert_msg(r.error == ADIT_OK, "%s", r.message);
	ck_assert_uint_eq(r.app.renewals, 2);
	ck_assert_str_eq(r.app.asked, "{\"roles\":[\"site_manager\"]}");
}
END_TEST

START_TEST(renewal_that_fails_is_tried_again)
{
	rig_start_ready(&r);
	r.app.token_status = 503;
	r.app.refuse = 1;
	/* The token may be good still: the call goes out with it. */
	rig_call(&r, "list-things", NULL);
	ck_assert_msg(r.error == ADIT_OK, "%s", r.message);
	ck_assert_int_eq(rest_state(r.rest), REST_READY);
	ck_assert_ptr_nonnull(strstr(rig_status(&r, "problem"), "503"));
	r.app.token_status = 0;
	rig_wait(&r, was_renewed_twice);
	ck_assert_str_eq(rig_status(&r, "problem"), "");
}
END_TEST

START_TEST(odd_answer_to_a_renewal_means_trying_the_token)
{
	rig_start_ready(&r);
	r.app.token_status = 200; /* no token in it */
	r.app.refuse = 1;
	rig_call(&r, "list-things", NULL);
	ck_assert_ptr_nonnull(strstr(rig_status(&r, "problem"), "no token"));
	rig_wait_state(&r, REST_READY);
	ck_assert_uint_ge(r.app.checks, 2);
}
END_TEST

static bool was_asked(struct rig *rig)
{
	return rig->app.checks > 0;
}

START_TEST(unreachable_app_node_is_tried_again)
{
	rig_cache_token(&r, "admin");
	r.app.userinfo_status = 502;
	rig_start(&r);
	rig_wait(&r, was_asked);
	rig_wait_state(&r, REST_UNREACHABLE);
	ck_assert(cached(text));
	ck_assert_ptr_nonnull(strstr(rig_status(&r, "problem"), "502"));
	r.app.userinfo_status = 0;
	rig_wait_state(&r, REST_READY);
	ck_assert_str_eq(rig_status(&r, "problem"), "");
}
END_TEST

START_TEST(nobody_listens)
{
	rig_cache_token(&r, "admin");
	strcpy(r.url, "http://127.0.0.1:1");
	rig_cache_token(&r, "admin");
	rig_start(&r);
	rig_wait_state(&r, REST_UNREACHABLE);
	rig_call(&r, "list-things", NULL);
	ck_assert_int_eq(r.error, ADIT_E_UNAVAILABLE);
	ck_assert(cached(text));
}
END_TEST

START_TEST(token_of_the_environment)
{
	char old[512];

	app_make_token(&r.app, "admin");
	strcpy(old, r.app.token);
	r.settings.access_token = old;
	rig_start(&r);
	rig_wait_state(&r, REST_READY);
	rig_stop(&r);
	/* One in the cache comes first, and when it is not good any more, that of the environment.
	 */
	rig_cache_token(&r, "admin");
	app_make_token(&r.app, "admin");
	r.settings.access_token = r.app.token;
	rig_start(&r);
	rig_wait_state(&r, REST_READY);
	ck_assert_ptr_null(strstr(r.log, "login needed"));
}
END_TEST

START_TEST(file_in_the_way_is_told)
{
	ck_assert_int_eq(symlink("/etc/hostname", r.cache), 0);
	rig_start(&r);
	ck_assert_int_eq(rest_state(r.rest), REST_LOGIN_NEEDED);
	ck_assert_ptr_nonnull(strstr(rig_status(&r, "problem"), "symbolic link"));
	ck_assert_ptr_nonnull(strstr(r.log, "symbolic link"));
}
END_TEST

START_TEST(logout_forgets)
{
	rig_start_ready(&r);
	ck_assert(cached(text));
	rest_logout(r.rest);
	ck_assert_int_eq(rest_state(r.rest), REST_LOGIN_NEEDED);
	ck_assert(!cached(text));
	rig_call(&r, "list-things", NULL);
	ck_assert(r.login_needed);
}
END_TEST

/* --- pages --------------------------------------------------------------------------------------
 */

static struct {
	unsigned pages;
	size_t items;
	int32_t error;
	bool last;
	unsigned stop_after;
	struct rest_pages *handle;
	bool cancel;
} pages;

static bool on_page(void *user, const struct rest_page *page)
{
	(void)user;
	pages.pages++;
	pages.error = page->error;
	pages.last = page->last;
	if (page->items != NULL)
		pages.items += json_object_array_length(page->items);
	if (pages.cancel)
		rest_pages_cancel(pages.handle);
	return pages.pages != pages.stop_after;
}

static size_t things;

/* Two orks; the first has THINGS, the second three quarters of that. */
static void answer_page(struct app *app, struct script_request *request)
{
	const char *offset_text = strstr(request->target, "offset=");
	const char *limit_text = strstr(request->target, "limit=");
	size_t offset = strtoul(offset_text + 7, NULL, 10);
	size_t limit = strtoul(limit_text + 6, NULL, 10);
	char *body = malloc(2u << 20);
	size_t size = 0;

	(void)app;
	ck_assert_ptr_nonnull(body);
	body[size++] = '[';
	for (size_t ork = 0; ork < 2; ork++) {
		size_t count = ork == 0 ? things : things * 3 / 4;

		size += (size_t)sprintf(body + size, "%s[", ork > 0 ? "," : "");
		for (size_t i = offset; i < count && i < offset + limit; i++)
			size += (size_t)sprintf(body + size, "%s{\"id\":\"thing-%zu-%zu\"}",
						i > offset ? "," : "", ork, i);
		body[size++] = ']';
	}
	body[size++] = ']';
	body[size] = '\0';
	script_answer(request, 200, "", body);
	free(body);
}

static void begin_pages(uint32_t limit, size_t max)
{
	struct json_object *arguments = json_tokener_parse("{\"fields\":{\"id\":1}}");
	struct error e = {0};

	memset(&pages, 0, sizeof(pages));
	r.app.answer = answer_page;
	r.settings.max_bytes = 4 << 20;
	ck_assert_msg(rest_pages(r.rest, "list-things", arguments, limit, max, on_page, NULL,
				 &pages.handle, &e) == ADIT_OK,
		      "%s", e.text);
	json_object_put(arguments);
}

static void wait_last(void)
{
	uint64_t until = clock_monotonic_ms() + RIG_PATIENCE_MS;

	while (!pages.last) {
		ck_assert_uint_lt(clock_monotonic_ms(), until);
		event_base_loop(r.base, EVLOOP_ONCE);
	}
}

START_TEST(ten_thousand_things_come_in_pages)
{
	rig_start_ready(&r);
	things = 10000;
	begin_pages(1000, 100000);
	wait_last();
	ck_assert_int_eq(pages.error, ADIT_OK);
	ck_assert_uint_eq(pages.items, 17500);
	/* Ten full ones of the first ork; only the eleventh tells that there are no more. */
	ck_assert_uint_eq(pages.pages, 11);
	ck_assert_str_eq(r.app.last,
			 "/auth/list-things?offset=10000&limit=1000&fields=%7B%22id%22%3A1%7D");
}
END_TEST

START_TEST(pages_end_where_they_should)
{
	rig_start_ready(&r);
	things = 0;
	begin_pages(10, 100);
	wait_last();
	ck_assert_uint_eq(pages.pages, 1);
	ck_assert_uint_eq(pages.items, 0);
	things = 100;
	begin_pages(10, 100);
	wait_last();
	ck_assert_int_eq(pages.error, ADIT_E_LIMIT);
	ck_assert_uint_le(pages.items, 100);
	begin_pages(10, 1000);
	pages.stop_after = 2;
	while (pages.pages < 2)
		event_base_loop(r.base, EVLOOP_ONCE);
	rig_settle(&r);
	ck_assert_uint_eq(pages.pages, 2);
	begin_pages(10, 1000);
	pages.cancel = true;
	while (pages.pages < 1)
		event_base_loop(r.base, EVLOOP_ONCE);
	rig_settle(&r);
	ck_assert_uint_eq(pages.pages, 1);
	begin_pages(10, 1000);
	rest_pages_cancel(pages.handle);
	begin_pages(10, 1000);
	r.app.answer = NULL;
	r.app.status = 500;
	wait_last();
	ck_assert_int_eq(pages.error, ADIT_E_UNAVAILABLE);
	r.app.answer = answer_page;
	begin_pages(10, 1000);
	/* That one ends with the client. */
}
END_TEST

START_TEST(not_everything_has_pages)
{
	struct error e = {0};

	rig_start_ready(&r);
	ck_assert_int_eq(rest_pages(r.rest, "pools", NULL, 10, 10, on_page, NULL, NULL, &e),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(rest_pages(r.rest, "list-things", NULL, 0, 10, on_page, NULL, NULL, &e),
			 ADIT_E_INVALID_ARGUMENT);
	ck_assert_int_eq(rest_pages(r.rest, "no", NULL, 1, 10, on_page, NULL, NULL, &e),
			 ADIT_E_NOT_FOUND);
}
END_TEST

static Suite *rest_suite(void)
{
	Suite *suite = suite_create("miningos REST");
	TCase *tc = tcase_create("calls");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, without_a_token_nothing_is_sent);
	tcase_add_test(tc, token_of_the_cache_is_tried_then_used);
	tcase_add_test(tc, refused_token_is_renewed_and_the_call_repeated);
	tcase_add_test(tc, refused_twice_is_an_answer);
	tcase_add_test(tc, many_refused_at_once_are_renewed_for_once);
	tcase_add_test(tc, late_refusal_of_an_old_token_costs_nothing);
	tcase_add_test(tc, restarted_app_node_needs_a_login);
	tcase_add_test(tc, missing_permission_is_no_bad_token);
	tcase_add_loop_test(tc, outcomes_are_told_apart, 0, sizeof(outcomes) / sizeof(outcomes[0]));
	tcase_add_test(tc, token_goes_to_no_other_place);
	tcase_add_test(tc, calls_are_bounded_and_cancelled);
	tcase_add_test(tc, unknown_endpoint_is_told);
	tcase_add_test(tc, file_is_handed_out);
	tcase_add_test(tc, no_provider_no_token);
	suite_add_tcase(suite, tc);
	tc = tcase_create("renewal");
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, token_is_renewed_before_it_expires, 0, 2);
	tcase_add_loop_test(tc, clocks_may_differ, 0, 2);
	tcase_add_loop_test(tc, pasted_token_of_unknown_age_is_renewed_at_once, 0, 2);
	tcase_add_loop_test(tc, lost_roles_are_noticed_and_asked_for_again, 0, 2);
	tcase_add_test(tc, refused_roles_are_learned_anew);
	tcase_add_test(tc, renewal_that_fails_is_tried_again);
	tcase_add_test(tc, odd_answer_to_a_renewal_means_trying_the_token);
	tcase_add_test(tc, unreachable_app_node_is_tried_again);
	tcase_add_test(tc, nobody_listens);
	tcase_add_test(tc, token_of_the_environment);
	tcase_add_test(tc, file_in_the_way_is_told);
	tcase_add_test(tc, logout_forgets);
	suite_add_tcase(suite, tc);
	tc = tcase_create("pages");
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, ten_thousand_things_come_in_pages);
	tcase_add_test(tc, pages_end_where_they_should);
	tcase_add_test(tc, not_everything_has_pages);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(rest_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
