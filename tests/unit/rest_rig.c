/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "rest_rig.h"

#include <check.h>
#include <event2/event.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/http/url.h"
#include "lib/util/clock.h"
#include "plugins/miningos/oauth_token.h"
#include "plugins/miningos/token_cache.h"

/* --- the app-node -------------------------------------------------------------------------------
 */

static void make_jwt(struct app *app, const char *roles)
{
	int64_t now = (int64_t)clock_unix() + app->ahead;
	char claims[400];
	char text[600];
	char list[200] = "";

	if (app->roles_in_token)
		snprintf(list, sizeof(list), ",\"roles\":\"%.120s\"", roles);
	snprintf(claims, sizeof(claims),
		 "{\"sub\":\"1\",\"jti\":\"%u\",\"iat\":%lld,\"exp\":%lld%s}", app->tokens,
		 (long long)now, (long long)(now + app->lifetime), list);
	http_base64url_encode(claims, strlen(claims), text);
	snprintf(app->token, sizeof(app->token), "e30.%.400s." RIG_SECRET "%u", text, app->tokens);
}

void app_make_token(struct app *app, const char *roles)
{
	char copy[128];

	snprintf(copy, sizeof(copy), "%s", roles);
	app->tokens++;
	strcpy(app->roles, copy);
	if (app->jwt)
		make_jwt(app, copy);
	else if (app->roles_in_token)
		snprintf(app->token, sizeof(app->token), "pub:api:" RIG_SECRET "%u-1-roles:%s",
			 app->tokens, copy);
	else
		snprintf(app->token, sizeof(app->token), RIG_SECRET "%u", app->tokens);
}

static void app_answer(struct app *app, struct script_request *request, int status,
		       const char *body)
{
	time_t now = (time_t)((int64_t)clock_unix() + app->ahead);
	char date[64];
	struct tm tm;

	strftime(date, sizeof(date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime_r(&now, &tm));
	script_answer(request, status, date, body);
}

static void app_refuse(struct app *app, struct script_request *request)
{
	app_answer(app, request, 401,
		   "{\"statusCode\":401,\"error\":\"Authentication failed\",\"message\":\"ERR_AUTH_"
		   "FAIL\"}");
}

static bool word_in(const char *word, size_t size, const char *list)
{
	while (*list != '\0') {
		size_t here = strcspn(list, ":");

		if (here == size && memcmp(list, word, size) == 0)
			return true;
		list += here;
		list += *list != '\0';
	}
	return false;
}

/* The roles that the body asks for and that are allowed. False: it asks for others. */
static bool granted(struct app *app, struct json_object *body, char out[128])
{
	struct json_object *roles = json_object_object_get(body, "roles");
	bool all = true;

	out[0] = '\0';
	for (size_t i = 0; roles != NULL && i < json_object_array_length(roles); i++) {
		const char *role = json_object_get_string(json_object_array_get_idx(roles, i));

		if (!word_in(role, strlen(role), app->allowed))
			all = false;
		else
			snprintf(out + strlen(out), 128 - strlen(out), "%s%s",
				 out[0] != '\0' ? ":" : "", role);
	}
	return all;
}

static void app_renew(struct app *app, struct script_request *request)
{
	struct json_object *body = json_tokener_parse(request->body);
	char roles[128];
	char text[600];
	bool all;

	ck_assert_str_eq(script_header(request, "content-type"), "application/json");
	snprintf(app->asked, sizeof(app->asked), "%.250s", request->body);
	all = granted(app, body, roles);
	json_object_put(body);
	if (app->token_status != 0) {
		app_answer(app, request, app->token_status, "{\"message\":\"ERR_SCRIPTED\"}");
	} else if (app->strict_roles && !all) {
		app_answer(app, request, 400,
			   "{\"statusCode\":400,\"message\":\"ERR_ROLES_INVALID\"}");
	} else {
		app_make_token(app, roles);
		snprintf(text, sizeof(text), "{\"token\":\"%s\"}", app->token);
		app_answer(app, request, 200, text);
	}
}

static void app_userinfo(struct app *app, struct script_request *request)
{
	char text[400];

	app->checks++;
	if (app->userinfo_status != 0) {
		app_answer(app, request, app->userinfo_status, "{}");
		return;
	}
	snprintf(
	    text, sizeof(text),
	    "{\"userId\":1,\"ips\":[\"127.0.0.1\"],\"metadata\":{\"email\":\"op@site.example\","
	    "\"roles\":\"%s\"}}",
	    app->roles);
	app_answer(app, request, 200, text);
}

static void app_other(struct app *app, struct script_request *request)
{
	app->calls++;
	snprintf(app->last, sizeof(app->last), "%.500s", request->target);
	snprintf(app->last_body, sizeof(app->last_body), "%.500s", request->body);
	if (app->answer != NULL)
		app->answer(app, request);
	else
		app_answer(app, request, app->status != 0 ? app->status : 200,
			   app->body != NULL ? app->body : "[[]]");
}

static void on_request(void *user, struct script_request *request)
{
	struct app *app = user;
	const char *authorization = script_header(request, "authorization");
	bool own = strncmp(request->target, "/auth/token", 11) == 0 ||
		   strncmp(request->target, "/auth/userinfo", 14) == 0 ||
		   strncmp(request->target, "/auth/permissions", 17) == 0;
	bool good = app->token[0] != '\0' && !app->deaf &&
		    strncmp(authorization, "Bearer ", 7) == 0 &&
		    strcmp(authorization + 7, app->token) == 0;

	if (strcmp(request->target, "/auth/token") == 0 && strcmp(request->method, "POST") == 0)
		app->renewals++;
	if (!own && strcmp(app->stale, app->token) == 0)
		good = false;
	if (!own && app->refuse > 0) {
		app->refuse--;
		good = false;
	}
	if (!good)
		app_refuse(app, request);
	else if (!own)
		app_other(app, request);
	else if (strcmp(request->target, "/auth/token") == 0)
		app_renew(app, request);
	else if (strcmp(request->target, "/auth/userinfo") == 0)
		app_userinfo(app, request);
	else if (++app->permissions > 0)
		app_answer(app, request, 200,
			   "{\"permissions\":{\"write\":true,\"caps\":[],\"superAdmin\":false}}");
}

/* --- the client ---------------------------------------------------------------------------------
 */

static void on_log(void *user, int32_t level, const char *text)
{
	struct rig *r = user;
	size_t size = strlen(r->log);

	(void)level;
	snprintf(r->log + size, sizeof(r->log) - size, "%s\n", text);
}

static void on_changed(void *user)
{
	struct rig *r = user;

	r->changes++;
}

void rig_init(struct rig *r)
{
	struct event_base *base = event_base_new();

	ck_assert_ptr_nonnull(base);
	rig_init_at(r, base);
	r->own_base = true;
}

void rig_init_at(struct rig *r, struct event_base *base)
{
	memset(r, 0, sizeof(*r));
	r->base = base;
	script_server_init(&r->app.server, r->base, on_request, &r->app);
	snprintf(r->url, sizeof(r->url), "http://127.0.0.1:%u", (unsigned)r->app.server.port);
	strcpy(r->dir, "/tmp/adit-rest.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(r->dir));
	snprintf(r->cache, sizeof(r->cache), "%s/token.json", r->dir);
	r->app.lifetime = 300;
	r->app.roles_in_token = true;
	strcpy(r->app.allowed, "admin:site_manager");
	r->settings =
	    (struct rest_settings){.app_node_url = r->url,
				   .provider = "google",
				   .callback_url = "http://localhost:3000/oauth/google/callback",
				   .token_cache = r->cache,
				   .timeout_ms = RIG_PATIENCE_MS,
				   .token_ttl_ms = 300000,
				   .login_timeout_ms = RIG_PATIENCE_MS,
				   .max_bytes = 1 << 20};
}

static void rig_check_secrets(struct rig *r)
{
	struct json_object *status = rest_status(r->rest);

	ck_assert_ptr_null(strstr(json_object_to_json_string(status), RIG_SECRET));
	ck_assert_ptr_null(strstr(r->log, RIG_SECRET));
	ck_assert_ptr_null(strstr(r->message, RIG_SECRET));
	json_object_put(status);
}

void rig_stop(struct rig *r)
{
	if (r->rest == NULL)
		return;
	rig_check_secrets(r);
	rest_free(r->rest);
	r->rest = NULL;
}

void rig_free(struct rig *r)
{
	rig_stop(r);
	script_server_free(&r->app.server);
	if (r->own_base)
		event_base_free(r->base);
	(void)unlink(r->cache);
	ck_assert_int_eq(rmdir(r->dir), 0);
}

void rig_new(struct rig *r)
{
	struct rest_owner owner = {.user = r, .log = on_log, .changed = on_changed};
	struct error e = {0};

	ck_assert_msg(rest_new(&r->rest, r->base, &r->settings, &owner, &e) == ADIT_OK, "%s",
		      e.text);
}

void rig_start(struct rig *r)
{
	rig_new(r);
	rest_start(r->rest);
}

void rig_cache_token(struct rig *r, const char *roles)
{
	static struct oauth_token token;
	struct error e = {0};

	app_make_token(&r->app, roles);
	memset(&token, 0, sizeof(token));
	strcpy(token.access, r->app.token);
	snprintf(token.app_node, sizeof(token.app_node), "%s", r->url);
	token.expires = (int64_t)clock_unix() + 300;
	token.lifetime = 300;
	ck_assert_msg(token_cache_store(r->cache, &token, &e) == ADIT_OK, "%s", e.text);
}

void rig_start_ready(struct rig *r)
{
	rig_cache_token(r, "admin:site_manager");
	rig_start(r);
	rig_wait_state(r, REST_READY);
}

/* --- waiting ------------------------------------------------------------------------------------
 */

void rig_wait(struct rig *r, bool (*condition)(struct rig *r))
{
	uint64_t until = clock_monotonic_ms() + RIG_PATIENCE_MS;
	struct timeval tv = {.tv_usec = 50000};

	while (!condition(r)) {
		ck_assert_msg(clock_monotonic_ms() < until, "waited in vain; the log:\n%s", r->log);
		event_base_loopexit(r->base, &tv);
		event_base_loop(r->base, EVLOOP_ONCE);
	}
}

void rig_wait_state(struct rig *r, enum rest_state state)
{
	uint64_t until = clock_monotonic_ms() + RIG_PATIENCE_MS;

	while (rest_state(r->rest) != state) {
		ck_assert_msg(clock_monotonic_ms() < until, "it is %s; the log:\n%s",
			      rest_state_name(rest_state(r->rest)), r->log);
		event_base_loop(r->base, EVLOOP_ONCE);
	}
}

void rig_settle(struct rig *r)
{
	event_base_loop(r->base, EVLOOP_NONBLOCK);
}

static void on_answer(void *user, const struct rest_answer *answer)
{
	struct rig *r = user;

	r->answers++;
	r->error = answer->error;
	r->login_needed = answer->login_needed;
	r->orks = answer->orks;
	r->failed = answer->failed;
	r->bytes = answer->size;
	snprintf(r->message, sizeof(r->message), "%s", answer->message);
	snprintf(r->json, sizeof(r->json), "%s",
		 answer->json != NULL
		     ? json_object_to_json_string_ext(answer->json, JSON_C_TO_STRING_PLAIN)
		     : "");
}

struct rest_call *rig_send(struct rig *r, const char *endpoint, const char *arguments)
{
	struct json_object *o = arguments != NULL ? json_tokener_parse(arguments) : NULL;
	struct rest_call *call = NULL;
	struct error e = {0};

	r->error = rest_call(r->rest, endpoint, o, on_answer, r, &call, &e);
	snprintf(r->message, sizeof(r->message), "%s", e.text);
	json_object_put(o);
	return r->error == ADIT_OK ? call : NULL;
}

void rig_wait_answers(struct rig *r, unsigned count)
{
	uint64_t until = clock_monotonic_ms() + RIG_PATIENCE_MS;

	while (r->answers < count) {
		ck_assert_msg(clock_monotonic_ms() < until, "no answer; the log:\n%s", r->log);
		event_base_loop(r->base, EVLOOP_ONCE);
	}
}

void rig_call(struct rig *r, const char *endpoint, const char *arguments)
{
	unsigned before = r->answers;

	ck_assert_msg(rig_send(r, endpoint, arguments) != NULL, "%s", r->message);
	rig_wait_answers(r, before + 1);
}

void rig_on_judged(void *user, int32_t error, const char *message)
{
	struct rig *r = user;

	r->judged++;
	r->judged_error = error;
	snprintf(r->message, sizeof(r->message), "%s", message);
}

const char *rig_status(struct rig *r, const char *member)
{
	static char text[4096];
	struct json_object *status = rest_status(r->rest);
	struct json_object *value = NULL;

	ck_assert_ptr_nonnull(status);
	json_object_object_get_ex(status, member, &value);
	snprintf(text, sizeof(text), "%s",
		 value != NULL ? json_object_to_json_string_ext(
				     value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
			       : "");
	json_object_put(status);
	return text;
}
