/* SPDX-License-Identifier: MIT */
/* plugins/miningos, REST: logins. The test is the browser, and what is at its other end. */
#include "config.h"

#include <arpa/inet.h>
#include <check.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/bitcoin/sha256.h"
#include "lib/http/client.h"
#include "lib/http/url.h"
#include "lib/util/buf.h"
#include "lib/util/clock.h"
#include "rest_rig.h"

static struct rig r;
static struct http_client *browser;
static char callback[64];
static struct {
	unsigned count;
	int32_t error;
	long status;
	char location[512];
	char body[512];
} seen;

/* --- an OAuth2 server ---------------------------------------------------------------------------
 */

static struct {
	struct script_server server;
	char url[64];
	unsigned grants;
	char form[2048];
	char authorization[256];
	int status;
	const char *body;
} idp;

static void on_idp(void *user, struct script_request *request)
{
	static char body[1024];

	(void)user;
	idp.grants++;
	snprintf(idp.form, sizeof(idp.form), "%.2000s", request->body);
	snprintf(idp.authorization, sizeof(idp.authorization), "%.250s",
		 script_header(request, "authorization"));
	ck_assert_str_eq(script_header(request, "content-type"),
			 "application/x-www-form-urlencoded");
	if (idp.status != 0) {
		script_answer(request, idp.status, "", idp.body);
		return;
	}
	app_make_token(&r.app, "admin");
	snprintf(body, sizeof(body),
		 "{\"access_token\":\"%s\",\"token_type\":\"Bearer\",\"expires_in\":300,"
		 "\"refresh_token\":\"refresh-" RIG_SECRET "-%u\"}",
		 r.app.token, idp.grants);
	script_answer(request, 200, "", body);
}

/* --- the rig ------------------------------------------------------------------------------------
 */

static unsigned free_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, size), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	close(fd);
	return ntohs(at.sin_port);
}

static void setup(void)
{
	rig_init(&r);
	memset(&seen, 0, sizeof(seen));
	memset(&idp, 0, sizeof(idp));
	browser = http_client_new(r.base, 20, NULL);
	snprintf(callback, sizeof(callback), "http://127.0.0.1:%u/callback", free_port());
	r.settings.callback_url = callback;
}

static void teardown(void)
{
	http_client_free(browser);
	rig_free(&r);
}

static void setup_code(void)
{
	static char authorize[96];
	static char token[96];

	setup();
	script_server_init(&idp.server, r.base, on_idp, NULL);
	snprintf(idp.url, sizeof(idp.url), "http://127.0.0.1:%u", (unsigned)idp.server.port);
	snprintf(authorize, sizeof(authorize), "%s/authorize", idp.url);
	snprintf(token, sizeof(token), "%s/token", idp.url);
	r.settings.authorize_url = authorize;
	r.settings.token_url = token;
	r.settings.client_id = "adit rack";
	r.settings.scopes = "profile email";
	r.app.roles_in_token = false;
}

static void teardown_code(void)
{
	script_server_free(&idp.server);
	teardown();
}

static void on_page(void *user, const struct http_answer *answer)
{
	(void)user;
	seen.count++;
	seen.error = answer->error;
	seen.status = answer->status;
	snprintf(seen.location, sizeof(seen.location), "%s", answer->location);
	snprintf(seen.body, sizeof(seen.body), "%.*s", (int)answer->body->size,
		 (const char *)answer->body->data);
}

static void wait_pages(unsigned count)
{
	uint64_t until = clock_monotonic_ms() + RIG_PATIENCE_MS;

	while (seen.count < count) {
		ck_assert_uint_lt(clock_monotonic_ms(), until);
		event_base_loop(r.base, EVLOOP_ONCE);
	}
}

/* Opens URL with these headers (NULL: none) and waits for the answer. */
static void browse_as(const char *method, const char *url, const char *header)
{
	const char *headers[] = {header, NULL};
	struct http_request request = {.method = method,
				       .url = url,
				       .headers = headers,
				       .timeout_ms = RIG_PATIENCE_MS,
				       .max_bytes = 10000};
	unsigned before = seen.count;

	ck_assert_ptr_nonnull(http_client_send(browser, &request, on_page, NULL));
	wait_pages(before + 1);
}

static void browse(const char *header, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void browse(const char *header, const char *format, ...)
{
	char url[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(url, sizeof(url), format, args);
	va_end(args);
	browse_as("GET", url, header);
}

static char login_url[4096];

static void begin_login(bool listens)
{
	const char *url;
	const char *listener;
	struct error e = {0};

	ck_assert_msg(rest_login_start(r.rest, &url, &listener, &e) == ADIT_OK, "%s", e.text);
	snprintf(login_url, sizeof(login_url), "%s", url);
	if (listens)
		ck_assert_str_eq(listener, callback);
	else
		ck_assert_ptr_null(listener);
}

/* The secret that the start page has in its address, as the browser gets it for a cookie. */
static const char *cookie_of(const char *url)
{
	static char header[128];

	snprintf(header, sizeof(header), "Cookie: adit_login=%.100s", strrchr(url, '/') + 1);
	return header;
}

/* --- tokens that are handed over ----------------------------------------------------------------
 */

static bool was_judged(struct rig *rig)
{
	return rig->judged > 0;
}

static void hand_over(const char *text, int32_t expected)
{
	struct error e = {0};
	int32_t result = rest_login_token(r.rest, text, strlen(text), NULL, rig_on_judged, &r, &e);

	ck_assert_msg(result == expected, "%s: %s", adit_error_name(result), e.text);
	ck_assert_int_eq(e.text[0] != '\0', expected != ADIT_OK);
}

START_TEST(good_token_is_taken)
{
	char text[600];

	app_make_token(&r.app, "admin");
	rig_start(&r);
	/* As a terminal hands it on; or the whole address. */
	if (_i == 0)
		snprintf(text, sizeof(text), "%s\r\n", r.app.token);
	else
		snprintf(text, sizeof(text), "https://ui.example/?authToken=%s#x", r.app.token);
	hand_over(text, ADIT_OK);
	ck_assert_uint_eq(r.judged, 0);
	rig_wait(&r, was_judged);
	ck_assert_int_eq(r.judged_error, ADIT_OK);
	ck_assert_uint_eq(r.judged, 1);
	rig_wait_state(&r, REST_READY);
	ck_assert_str_eq(rig_status(&r, "email"), "\"op@site.example\"");
	ck_assert_str_eq(rig_status(&r, "problem"), "");
	rig_call(&r, "list-things", NULL);
	ck_assert_msg(r.error == ADIT_OK, "%s", r.message);
}
END_TEST

START_TEST(bad_token_changes_nothing)
{
	rig_start_ready(&r);
	hand_over("nothing that it knows", ADIT_E_INVALID_ARGUMENT);
	hand_over("", ADIT_E_INVALID_ARGUMENT);
	hand_over("http://localhost:3000/", ADIT_E_INVALID_ARGUMENT);
	hand_over("http://localhost:3000/?code=a&state=b", ADIT_E_INVALID_ARGUMENT);
	hand_over("nothing-that-it-knows", ADIT_OK);
	rig_wait(&r, was_judged);
	ck_assert_int_eq(r.judged_error, ADIT_E_PERMISSION_DENIED);
	ck_assert_ptr_nonnull(strstr(r.message, "address"));
	ck_assert_int_eq(rest_state(r.rest), REST_READY);
	rig_call(&r, "list-things", NULL);
	ck_assert_msg(r.error == ADIT_OK, "%s", r.message);
}
END_TEST

START_TEST(another_token_ends_the_first_ones_trial)
{
	rig_start(&r);
	app_make_token(&r.app, "admin");
	hand_over("first", ADIT_OK);
	hand_over(r.app.token, ADIT_OK);
	ck_assert_uint_eq(r.judged, 1);
	ck_assert_int_eq(r.judged_error, ADIT_E_CANCELLED);
	rig_wait_state(&r, REST_READY);
	ck_assert_uint_eq(r.judged, 2);
	ck_assert_int_eq(r.judged_error, ADIT_OK);
}
END_TEST

START_TEST(trial_ends_with_the_client)
{
	rig_start(&r);
	hand_over("first", ADIT_OK);
	rig_stop(&r);
	ck_assert_uint_eq(r.judged, 0);
}
END_TEST

/* --- the app-node's login -----------------------------------------------------------------------
 */

START_TEST(default_callback_is_not_ours)
{
	char expected[256];

	r.settings.callback_url = "http://localhost:3000/oauth/google/callback";
	rig_start(&r);
	begin_login(false);
	snprintf(expected, sizeof(expected), "%s/oauth/google", r.url);
	ck_assert_str_eq(login_url, expected);
	ck_assert_int_eq(rest_state(r.rest), REST_LOGIN_PENDING);
	ck_assert_ptr_nonnull(strstr(rig_status(&r, "login"), "/oauth/google"));
}
END_TEST

START_TEST(browser_brings_the_token)
{
	char expected[256];

	app_make_token(&r.app, "admin");
	rig_start(&r);
	begin_login(true);
	ck_assert_int_eq(strncmp(login_url, "http://127.0.0.1:", 17), 0);
	browse(NULL, "%s", login_url);
	ck_assert_int_eq(seen.status, 302);
	snprintf(expected, sizeof(expected), "%s/oauth/google", r.url);
	ck_assert_str_eq(seen.location, expected);
	browse(cookie_of(login_url), "%s?authToken=%s", callback, r.app.token);
	ck_assert_int_eq(seen.status, 200);
	ck_assert_ptr_null(strstr(seen.body, RIG_SECRET));
	rig_wait_state(&r, REST_READY);
	ck_assert_str_eq(rig_status(&r, "login"), "");
	/* Once, and nobody listens there any more. */
	browse(cookie_of(login_url), "%s?authToken=%s", callback, r.app.token);
	ck_assert_int_eq(seen.error, ADIT_E_UNAVAILABLE);
}
END_TEST

START_TEST(only_the_browser_that_began_can_end_it)
{
	char host[64];

	app_make_token(&r.app, "admin");
	rig_start(&r);
	begin_login(true);
	browse(NULL, "%s?authToken=%s", callback, r.app.token);
	ck_assert_int_eq(seen.status, 400);
	browse("Cookie: adit_login=other", "%s?authToken=%s", callback, r.app.token);
	ck_assert_int_eq(seen.status, 400);
	browse(cookie_of(login_url), "%s?authToken=", callback);
	ck_assert_int_eq(seen.status, 400);
	browse(cookie_of(login_url), "%s?code=a&state=%s", callback, strrchr(login_url, '/') + 1);
	ck_assert_int_eq(seen.status, 400);
	browse(cookie_of(login_url), "%s-other?authToken=%s", callback, r.app.token);
	ck_assert_int_eq(seen.status, 404);
	browse(NULL, "%.*s/login/guess", (int)(strrchr(callback, '/') - callback), callback);
	ck_assert_int_eq(seen.status, 404);
	/* A name that was made to lead here. */
	snprintf(host, sizeof(host), "Host: evil.example");
	browse(host, "%s", login_url);
	ck_assert_int_eq(seen.status, 421);
	browse_as("POST", login_url, NULL);
	ck_assert_int_eq(seen.status, 405);
	ck_assert_int_eq(rest_state(r.rest), REST_LOGIN_PENDING);
	ck_assert_uint_eq(r.app.checks, 0);
}
END_TEST

START_TEST(guesses_are_counted)
{
	rig_start(&r);
	begin_login(true);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(rest_state(r.rest), REST_LOGIN_PENDING);
		browse("Cookie: adit_login=other", "%s?authToken=a", callback);
		ck_assert_int_eq(seen.status, 400);
	}
	ck_assert_int_eq(rest_state(r.rest), REST_LOGIN_NEEDED);
	browse(NULL, "%s", login_url);
	ck_assert_int_eq(seen.error, ADIT_E_UNAVAILABLE);
}
END_TEST

START_TEST(login_that_fails_is_told)
{
	rig_start(&r);
	begin_login(true);
	browse(cookie_of(login_url), "%s?error=ERR_USER_INVALID", callback);
	ck_assert_int_eq(seen.status, 200);
	ck_assert_int_eq(rest_state(r.rest), REST_LOGIN_NEEDED);
	ck_assert_ptr_nonnull(strstr(rig_status(&r, "problem"), "ERR_USER_INVALID"));
	ck_assert_ptr_nonnull(strstr(rig_status(&r, "problem"), "no user with that address"));
}
END_TEST

START_TEST(login_ends_by_itself)
{
	r.settings.login_timeout_ms = 100;
	rig_start(&r);
	begin_login(true);
	rig_wait_state(&r, REST_LOGIN_NEEDED);
	ck_assert_ptr_nonnull(strstr(rig_status(&r, "problem"), "in time"));
	browse(NULL, "%s", login_url);
	ck_assert_int_eq(seen.error, ADIT_E_UNAVAILABLE);
}
END_TEST

START_TEST(new_login_replaces_the_old)
{
	char first[4096];

	app_make_token(&r.app, "admin");
	rig_start(&r);
	begin_login(true);
	strcpy(first, login_url);
	begin_login(true);
	ck_assert_str_ne(first, login_url);
	browse(NULL, "%s", first);
	ck_assert_int_eq(seen.status, 404);
	browse(cookie_of(first), "%s?authToken=%s", callback, r.app.token);
	ck_assert_int_eq(seen.status, 400);
	browse(cookie_of(login_url), "%s?authToken=%s", callback, r.app.token);
	ck_assert_int_eq(seen.status, 200);
	rig_wait_state(&r, REST_READY);
}
END_TEST

START_TEST(port_that_is_taken_is_told)
{
	struct script_server other;
	const char *url;
	const char *listener;
	struct error e = {0};

	script_server_init(&other, r.base, on_idp, NULL);
	snprintf(callback, sizeof(callback), "http://127.0.0.1:%u/callback", (unsigned)other.port);
	rig_start(&r);
	ck_assert_int_eq(rest_login_start(r.rest, &url, &listener, &e), ADIT_E_IO);
	ck_assert_ptr_nonnull(strstr(e.text, "oauth_callback_url"));
	ck_assert_int_eq(rest_state(r.rest), REST_LOGIN_NEEDED);
	script_server_free(&other);
}
END_TEST

/* What is no request, what is too much of one, and many who say nothing. */
START_TEST(listener_is_bounded)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	static char head[20000];
	char answer[64] = "";
	int fds[12];
	int fd;

	rig_start(&r);
	begin_login(true);
	at.sin_port = htons((uint16_t)strtoul(strrchr(callback, ':') + 1, NULL, 10));
	for (size_t i = 0; i < 12; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fds[i], (struct sockaddr *)&at, sizeof(at));
	}
	while (recv(fds[11], answer, 1, 0) != 0) /* closed: there is no place for it */
		event_base_loop(r.base, EVLOOP_ONCE);
	for (size_t i = 0; i < 12; i++)
		close(fds[i]);
	rig_settle(&r);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	(void)connect(fd, (struct sockaddr *)&at, sizeof(at));
	memset(head, 'a', sizeof(head));
	ck_assert_int_gt(send(fd, head, sizeof(head), MSG_NOSIGNAL), 17000);
	while (recv(fd, answer, sizeof(answer) - 1, 0) < 0)
		event_base_loop(r.base, EVLOOP_ONCE);
	ck_assert_int_eq(strncmp(answer, "HTTP/1.1 431", 12), 0);
	close(fd);
	browse(NULL, "%s", login_url);
	ck_assert_int_eq(seen.status, 302);
}
END_TEST

/* --- the authorization code flow ----------------------------------------------------------------
 */

static const char *value_of(const char *url, const char *name)
{
	static char value[1024];
	const char *query = strchr(url, '?') + 1;

	ck_assert_msg(http_query_value(query, strlen(query), name, value, sizeof(value)), "%s",
		      url);
	return value;
}

static const char *form_value(const char *name)
{
	static char value[1024];

	return http_query_value(idp.form, strlen(idp.form), name, value, sizeof(value)) ? value
											: "";
}

static void login_by_code(void)
{
	char state[128];

	begin_login(true);
	snprintf(state, sizeof(state), "%s", value_of(login_url, "state"));
	browse(NULL, "%s?code=the%%20code&state=%s", callback, state);
	ck_assert_int_eq(seen.status, 200);
	rig_wait_state(&r, REST_READY);
}

START_TEST(code_is_exchanged_for_a_token)
{
	uint8_t digest[32];
	char challenge[64];
	char expected[64];

	if (_i == 1)
		r.settings.client_secret = "s3cret&" RIG_SECRET;
	rig_start(&r);
	begin_login(true);
	ck_assert_int_eq(
	    strncmp(login_url, r.settings.authorize_url, strlen(r.settings.authorize_url)), 0);
	ck_assert_str_eq(value_of(login_url, "response_type"), "code");
	ck_assert_str_eq(value_of(login_url, "client_id"), "adit rack");
	ck_assert_str_eq(value_of(login_url, "redirect_uri"), callback);
	ck_assert_str_eq(value_of(login_url, "scope"), "profile email");
	ck_assert_str_eq(value_of(login_url, "code_challenge_method"), "S256");
	snprintf(challenge, sizeof(challenge), "%s", value_of(login_url, "code_challenge"));
	browse(NULL, "%s?code=the%%20code&state=%s", callback, value_of(login_url, "state"));
	rig_wait_state(&r, REST_READY);
	ck_assert_str_eq(form_value("grant_type"), "authorization_code");
	ck_assert_str_eq(form_value("code"), "the code");
	ck_assert_str_eq(form_value("redirect_uri"), callback);
	sha256(form_value("code_verifier"), strlen(form_value("code_verifier")), digest);
	http_base64url_encode(digest, sizeof(digest), expected);
	ck_assert_str_eq(challenge, expected);
	/* Who we are: by name alone, or by HTTP Basic. */
	ck_assert_str_eq(form_value("client_id"), _i == 0 ? "adit rack" : "");
	ck_assert_int_eq(strncmp(idp.authorization, "Basic ", 6) == 0, _i == 1);
	ck_assert_str_eq(rig_status(&r, "kind"), "\"oauth2\"");
	ck_assert_int_gt(atoi(rig_status(&r, "expires_in")), 200);
	rig_call(&r, "list-things", NULL);
	ck_assert_msg(r.error == ADIT_OK, "%s", r.message);
}
END_TEST

START_TEST(state_has_to_be_the_same)
{
	char state[128];

	rig_start(&r);
	begin_login(true);
	snprintf(state, sizeof(state), "%s", value_of(login_url, "state"));
	browse(NULL, "%s?code=a&state=%s1", callback, state);
	ck_assert_int_eq(seen.status, 400);
	state[5] = state[5] == 'a' ? 'b' : 'a';
	browse(NULL, "%s?code=a&state=%s", callback, state);
	ck_assert_int_eq(seen.status, 400);
	browse(NULL, "%s?code=a", callback);
	ck_assert_int_eq(seen.status, 400);
	browse(NULL, "%s?authToken=a&state=%s", callback, value_of(login_url, "state"));
	ck_assert_int_eq(seen.status, 400);
	ck_assert_uint_eq(idp.grants, 0);
	/* By hand, as when the browser is on another machine. */
	snprintf(r.message, sizeof(r.message), "%s?code=a&state=%s", callback,
		 value_of(login_url, "state"));
	hand_over(r.message, ADIT_OK);
	rig_wait(&r, was_judged);
	ck_assert_msg(r.judged_error == ADIT_OK, "%s", r.message);
	ck_assert_uint_eq(idp.grants, 1);
}
END_TEST

START_TEST(refused_code_is_told)
{
	idp.status = 400;
	idp.body = "{\"error\":\"invalid_grant\",\"error_description\":\"no\"}";
	rig_start(&r);
	begin_login(true);
	browse(NULL, "%s?code=a&state=%s", callback, value_of(login_url, "state"));
	rig_wait_state(&r, REST_LOGIN_NEEDED);
	ck_assert_ptr_nonnull(strstr(rig_status(&r, "problem"), "invalid_grant"));
	begin_login(true);
	browse(NULL, "%s?error=access_denied&state=%s", callback, value_of(login_url, "state"));
	ck_assert_ptr_nonnull(strstr(rig_status(&r, "problem"), "access_denied"));
}
END_TEST

START_TEST(refresh_token_renews)
{
	unsigned i;

	rig_start(&r);
	login_by_code();
	for (i = 1; i <= 2; i++) {
		char expected[64];

		/* Refused everywhere, also where an app-node would renew it. */
		app_make_token(&r.app, "admin");
		if (i == 2)
			rig_stop(&r);
		if (i == 2)
			rig_start(&r);
		rig_call(&r, "list-things", NULL);
		ck_assert_msg(r.error == ADIT_OK, "%s", r.message);
		ck_assert_str_eq(form_value("grant_type"), "refresh_token");
		snprintf(expected, sizeof(expected), "refresh-" RIG_SECRET "-%u", i);
		ck_assert_str_eq(form_value("refresh_token"), expected);
		ck_assert_uint_eq(r.app.renewals, 0);
		rig_wait_state(&r, REST_READY);
	}
}
END_TEST

/* Tokens that the one gives and the other does not take must not go in a circle. */
START_TEST(renewal_that_helps_nothing_ends)
{
	rig_start(&r);
	login_by_code();
	r.app.deaf = true;
	rig_call(&r, "list-things", NULL);
	ck_assert_int_eq(r.error, ADIT_E_PERMISSION_DENIED);
	rig_wait_state(&r, REST_LOGIN_NEEDED);
	ck_assert_uint_eq(idp.grants, 2);
}
END_TEST

START_TEST(refused_refresh_token_needs_a_login)
{
	rig_start(&r);
	login_by_code();
	r.app.token[0] = '\0';
	idp.status = 400;
	idp.body = "{\"error\":\"invalid_grant\"}";
	rig_call(&r, "list-things", NULL);
	ck_assert_int_eq(r.error, ADIT_E_PERMISSION_DENIED);
	ck_assert(r.login_needed);
	ck_assert_int_eq(rest_state(r.rest), REST_LOGIN_NEEDED);
}
END_TEST

START_TEST(refresh_token_can_be_handed_over)
{
	struct error e = {0};

	r.settings.authorize_url = NULL;
	app_make_token(&r.app, "admin");
	rig_start(&r);
	ck_assert_int_eq(rest_login_token(r.rest, r.app.token, strlen(r.app.token), "mine",
					  rig_on_judged, &r, &e),
			 ADIT_OK);
	/* How old the token is nobody knows: it is renewed at once. */
	while (idp.grants == 0)
		event_base_loop(r.base, EVLOOP_ONCE);
	ck_assert_str_eq(form_value("refresh_token"), "mine");
	rig_wait_state(&r, REST_READY);
	ck_assert_uint_eq(r.app.renewals, 0);
}
END_TEST

START_TEST(keys_that_do_not_fit_are_told)
{
	const char *url;
	const char *listener;
	struct error e = {0};

	if (_i == 0)
		r.settings.client_id = NULL;
	else if (_i == 1)
		r.settings.token_url = "";
	else
		r.settings.callback_url = "http://localhost:3000/oauth/google/callback";
	rig_start(&r);
	ck_assert_int_eq(rest_login_start(r.rest, &url, &listener, &e), ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(e.text, _i == 2 ? "oauth_callback_url" : "oauth_client_id"));
}
END_TEST

static const struct {
	const char *key;
	const char *url;
} bad_urls[] = {{"app_node_url", "localhost:3000"},
		{"app_node_url", "http://user:pw@localhost/"},
		{"oauth_callback_url", "ftp://localhost/"},
		{"oauth_authorize_url", "x"},
		{"oauth_token_url", "http://x/?a"}};

START_TEST(addresses_are_checked)
{
	const struct rest_owner owner = {0};
	struct rest_settings s = r.settings;
	struct error e = {0};
	const char *key = bad_urls[_i].key;

	if (strcmp(key, "app_node_url") == 0)
		s.app_node_url = bad_urls[_i].url;
	else if (strcmp(key, "oauth_callback_url") == 0)
		s.callback_url = bad_urls[_i].url;
	else if (strcmp(key, "oauth_authorize_url") == 0)
		s.authorize_url = bad_urls[_i].url;
	else
		s.token_url = bad_urls[_i].url;
	ck_assert_int_eq(rest_new(&r.rest, r.base, &s, &owner, &e), ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(e.text, key));
	ck_assert_ptr_null(r.rest);
}
END_TEST

static Suite *login_suite(void)
{
	Suite *suite = suite_create("miningos REST, logins");
	TCase *tc = tcase_create("handed over");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, good_token_is_taken, 0, 2);
	tcase_add_test(tc, bad_token_changes_nothing);
	tcase_add_test(tc, another_token_ends_the_first_ones_trial);
	tcase_add_test(tc, trial_ends_with_the_client);
	tcase_add_loop_test(tc, addresses_are_checked, 0, sizeof(bad_urls) / sizeof(bad_urls[0]));
	suite_add_tcase(suite, tc);
	tc = tcase_create("app-node");
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, default_callback_is_not_ours);
	tcase_add_test(tc, browser_brings_the_token);
	tcase_add_test(tc, only_the_browser_that_began_can_end_it);
	tcase_add_test(tc, guesses_are_counted);
	tcase_add_test(tc, login_that_fails_is_told);
	tcase_add_test(tc, login_ends_by_itself);
	tcase_add_test(tc, new_login_replaces_the_old);
	tcase_add_test(tc, port_that_is_taken_is_told);
	tcase_add_test(tc, listener_is_bounded);
	suite_add_tcase(suite, tc);
	tc = tcase_create("code");
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup_code, teardown_code);
	tcase_add_loop_test(tc, code_is_exchanged_for_a_token, 0, 2);
	tcase_add_test(tc, state_has_to_be_the_same);
	tcase_add_test(tc, refused_code_is_told);
	tcase_add_test(tc, refresh_token_renews);
	tcase_add_test(tc, renewal_that_helps_nothing_ends);
	tcase_add_test(tc, refused_refresh_token_needs_a_login);
	tcase_add_test(tc, refresh_token_can_be_handed_over);
	tcase_add_loop_test(tc, keys_that_do_not_fit_are_told, 0, 3);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(login_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
