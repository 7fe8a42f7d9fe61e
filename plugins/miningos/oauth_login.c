/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <adit/plugin.h>

#include "lib/bitcoin/sha256.h"
#include "lib/util/buf.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"
#include "plugins/miningos/oauth_answers.h"
#include "plugins/miningos/oauth_impl.h"
#include "plugins/miningos/oauth_listener.h"
#include "plugins/miningos/oauth_request.h"

#define START_PATH "/login/"
#define MAX_WRONG 20
#define BUSY "too much under way, or out of memory"

static void make_secret(char out[OAUTH_SECRET_TEXT])
{
	uint8_t bytes[32];

	random_bytes(bytes, sizeof(bytes));
	http_base64url_encode(bytes, sizeof(bytes), out);
	secure_wipe(bytes, sizeof(bytes));
}

/* In a time that does not depend on where they differ. */
static bool same_secret(const char *text, const char *secret)
{
	size_t size = strlen(secret);
	unsigned char differs = 0;

	if (size == 0 || strlen(text) != size)
		return false;
	for (size_t i = 0; i < size; i++)
		differs |= (unsigned char)(text[i] ^ secret[i]);
	return differs == 0;
}

/* --- its end ------------------------------------------------------------------------------------
 */

/* The browser's part is over; what it brought may still be tried. */
static void stop_waiting(struct oauth *o)
{
	struct oauth_login *login = &o->login;

	login->pending = false;
	if (login->listener != NULL)
		oauth_listener_close(login->listener);
	if (login->timer != NULL)
		event_free(login->timer);
	login->timer = NULL;
	secure_wipe(login->state, sizeof(login->state));
}

static void judge(struct oauth *o, int32_t error, const char *message)
{
	struct oauth_login *login = &o->login;
	rest_login_fn fn = login->fn;

	login->fn = NULL;
	secure_wipe(&login->candidate, sizeof(login->candidate));
	secure_wipe(login->verifier, sizeof(login->verifier));
	if (error != ADIT_OK) {
		oauth_log(o, ADIT_LOG_WARNING, "login failed: %s", message);
		oauth_set_problem(o, "log in again: aditctl miningos login", "login failed: %s",
				  message);
		oauth_set_state(o, o->token.access[0] == '\0' ? REST_LOGIN_NEEDED : o->state);
	}
	if (fn != NULL)
		fn(login->user, error, message);
}

void oauth_login_end(struct oauth *o)
{
	struct oauth_login *login = &o->login;

	stop_waiting(o);
	if (login->call == NULL)
		return;
	http_client_cancel(login->call);
	login->call = NULL;
	judge(o, ADIT_E_CANCELLED, "another login began, or it was ended");
}

static void on_timeout(evutil_socket_t fd, short what, void *user)
{
	struct oauth *o = user;

	(void)fd;
	(void)what;
	stop_waiting(o);
	judge(o, ADIT_E_TIMEOUT, "nobody came back from the browser in time");
}

/* --- a token is tried ---------------------------------------------------------------------------
 */

static void on_candidate(void *user, const struct http_answer *answer)
{
	struct oauth *o = user;
	struct oauth_login *login = &o->login;
	struct oauth_token *token = &login->candidate;
	struct oauth_user who = {0};
	struct oauth_claims claims;
	struct error e = {0};
	char word[160] = "";

	login->call = NULL;
	if (answer->error == ADIT_OK) {
		oauth_saw_date(o, answer->date);
		oauth_read_problem(answer->body->data, answer->body->size, word, sizeof(word));
	}
	if (answer->error != ADIT_OK)
		(void)error_set(&e, answer->error, "the app-node: %s", answer->message);
	else if (answer->status == 401 || strncmp(word, "ERR_AUTH_FAIL", 13) == 0)
		(void)error_set(
		    &e, ADIT_E_PERMISSION_DENIED,
		    "the app-node does not take this token from here: it has expired, or "
		    "it was made for another address (log in from this machine, or "
		    "through it)");
	else if (answer->status == 200)
		(void)oauth_read_userinfo(answer->body->data, answer->body->size, &who, &e);
	else if (answer->status != 404 || token->kind != OAUTH_OAUTH2)
		(void)error_set(&e, ADIT_E_PROTOCOL,
				"the app-node answers HTTP status %ld; see app_node_url",
				answer->status);
	if (e.code != ADIT_OK) {
		judge(o, e.code, e.text);
		return;
	}
	memcpy(token->user, who.user, sizeof(token->user));
	memcpy(token->email, who.email, sizeof(token->email));
	oauth_token_read(token->access, &claims);
	token->roles = claims.roles.known ? claims.roles : who.roles;
	o->from_cache = false;
	o->renewed_ms = 0;
	o->renewals = 0;
	o->write_known = false;
	memset(&o->have, 0, sizeof(o->have));
	memset(&o->lost, 0, sizeof(o->lost));
	/* An OAuth2 server has just given it; how old a token is that somebody pasted nobody knows.
	 */
	oauth_adopt(o, token, token->lifetime > 0);
	judge(o, ADIT_OK, "");
}

static bool try_candidate(struct oauth *o)
{
	struct oauth_login *login = &o->login;

	login->call = oauth_get(o, "/auth/userinfo", login->candidate.access, on_candidate, o);
	return login->call != NULL;
}

static void on_exchange(void *user, const struct http_answer *answer)
{
	struct oauth *o = user;
	struct oauth_token *token = &o->login.candidate;
	struct error e = {0};
	char word[160];

	o->login.call = NULL;
	if (answer->error != ADIT_OK) {
		(void)error_set(&e, answer->error, "oauth_token_url: %s", answer->message);
	} else if (answer->status != 200) {
		oauth_read_problem(answer->body->data, answer->body->size, word, sizeof(word));
		(void)error_set(&e, ADIT_E_PERMISSION_DENIED,
				"oauth_token_url: HTTP status %ld%s%s", answer->status,
				word[0] != '\0' ? ": " : "", word);
	} else if (oauth_read_grant(answer->body->data, answer->body->size, token, &e) == ADIT_OK) {
		if (try_candidate(o))
			return;
		(void)error_set(&e, ADIT_E_LIMIT, "%s", BUSY);
	}
	judge(o, e.code, e.text);
}

/* RFC 6749 section 4.1.3, RFC 7636 section 4.5 */
static bool exchange(struct oauth *o, const char *code)
{
	struct oauth_login *login = &o->login;
	struct buf form = {0};

	memset(&login->candidate, 0, sizeof(login->candidate));
	login->candidate.kind = OAUTH_OAUTH2;
	oauth_form_add(&form, "grant_type", "authorization_code");
	oauth_form_add(&form, "code", code);
	oauth_form_add(&form, "redirect_uri", o->settings.callback_url);
	oauth_form_add(&form, "code_verifier", login->verifier);
	login->call = oauth_post_form(o, &form, on_exchange, o);
	secure_wipe(form.data, form.size);
	buf_free(&form);
	return login->call != NULL;
}

static bool take_token(struct oauth *o, const char *token, const char *refresh)
{
	struct oauth_token *candidate = &o->login.candidate;

	memset(candidate, 0, sizeof(*candidate));
	strcpy(candidate->access, token);
	if (refresh != NULL) {
		strcpy(candidate->refresh, refresh);
		candidate->kind = OAUTH_OAUTH2;
	}
	return try_candidate(o);
}

/* --- the browser comes back ---------------------------------------------------------------------
 */

/* Whether RESULT belongs to the login that is pending; SECRET came with it. */
static bool belongs(const struct oauth *o, const struct oauth_result *result, const char *secret)
{
	const struct oauth_login *login = &o->login;

	if (!login->pending || !same_secret(secret, login->state))
		return false;
	return login->code_flow ? result->token[0] == '\0' : result->code[0] == '\0';
}

/* What the browser brought. E says why nothing came of it; else it is tried now. */
static int32_t take_result(struct oauth *o, const struct oauth_result *result, struct error *e)
{
	bool tried;

	stop_waiting(o);
	if (result->error[0] != '\0')
		return error_set(e, ADIT_E_PERMISSION_DENIED, "the login ended with %s%s",
				 result->error,
				 strcmp(result->error, "ERR_USER_INVALID") == 0
				     ? " (the app-node has no user with that address)"
				     : "");
	tried = result->token[0] != '\0' ? take_token(o, result->token, NULL)
					 : exchange(o, result->code);
	return tried ? ADIT_OK : error_set(e, ADIT_E_LIMIT, "%s", BUSY);
}

static void on_callback(struct oauth *o, const struct oauth_request *request,
			struct oauth_reply *reply)
{
	struct oauth_login *login = &o->login;
	struct oauth_result result;
	struct error e = {0};
	bool there = oauth_result_read(request->query, strlen(request->query), &result);

	if (!login->pending) {
		*reply = (struct oauth_reply){.status = 410, .text = "This login is over."};
	} else if (!there ||
		   !belongs(o, &result, login->code_flow ? result.state : request->cookie)) {
		*reply = (struct oauth_reply){
		    .status = 400,
		    .text = "This is not the answer to the login that adit began. Begin at the "
			    "address that it printed, in this browser."};
		if (++login->wrong >= MAX_WRONG) {
			stop_waiting(o);
			judge(o, ADIT_E_LIMIT, "too many requests that were not the answer");
		}
	} else {
		*reply = (struct oauth_reply){
		    .status = 200,
		    .text = "adit has the answer. Close this window, and see "
			    "\"aditctl miningos oauth-status\" for what came of it."};
		if (take_result(o, &result, &e) != ADIT_OK)
			judge(o, e.code, e.text);
	}
	secure_wipe(&result, sizeof(result));
}

static void on_request(void *user, const struct oauth_request *request, struct oauth_reply *reply)
{
	struct oauth *o = user;
	struct oauth_login *login = &o->login;

	reply->text = "There is nothing here.";
	if (strcmp(request->path, o->callback.path) == 0)
		on_callback(o, request, reply);
	else if (login->pending && !login->code_flow &&
		 strncmp(request->path, START_PATH, strlen(START_PATH)) == 0 &&
		 same_secret(request->path + strlen(START_PATH), login->state))
		*reply = (struct oauth_reply){.status = 302,
					      .location = login->target,
					      .cookie = login->state,
					      .text = "To the login."};
}

/* --- it begins ----------------------------------------------------------------------------------
 */

/* RFC 6749 section 4.1.1, RFC 7636 section 4.3 */
static int32_t write_authorization(struct oauth *o, struct error *e)
{
	struct oauth_login *login = &o->login;
	uint8_t digest[32];
	char challenge[OAUTH_SECRET_TEXT];
	struct buf query = {.limit = sizeof(login->target) / 2};

	make_secret(login->verifier);
	sha256(login->verifier, strlen(login->verifier), digest);
	http_base64url_encode(digest, sizeof(digest), challenge);
	oauth_form_add(&query, "response_type", "code");
	oauth_form_add(&query, "client_id", o->settings.client_id);
	oauth_form_add(&query, "redirect_uri", o->settings.callback_url);
	if (o->settings.scopes != NULL)
		oauth_form_add(&query, "scope", o->settings.scopes);
	oauth_form_add(&query, "state", login->state);
	oauth_form_add(&query, "code_challenge", challenge);
	oauth_form_add(&query, "code_challenge_method", "S256");
	if (query.failed ||
	    snprintf(login->target, sizeof(login->target), "%s?%.*s", o->settings.authorize_url,
		     (int)query.size, (const char *)query.data) >= (int)sizeof(login->target)) {
		buf_free(&query);
		return error_set(e, ADIT_E_CONFIG,
				 "oauth_authorize_url, oauth_client_id, oauth_scopes "
				 "or oauth_callback_url are too long");
	}
	buf_free(&query);
	memcpy(login->url, login->target, sizeof(login->url));
	return ADIT_OK;
}

static int32_t prepare(struct oauth *o, struct error *e)
{
	struct oauth_login *login = &o->login;

	login->wrong = 0;
	login->code_flow = o->settings.authorize_url != NULL;
	make_secret(login->state);
	if (!login->code_flow) {
		snprintf(login->target, sizeof(login->target), "%s/oauth/%s", o->base_url,
			 o->settings.provider);
		if (o->callback_is_ours)
			snprintf(login->url, sizeof(login->url), "%s" START_PATH "%s",
				 o->callback.origin, login->state);
		else
			memcpy(login->url, login->target, sizeof(login->url));
		return ADIT_OK;
	}
	if (o->settings.client_id == NULL || o->settings.token_url == NULL)
		return error_set(e, ADIT_E_CONFIG,
				 "oauth_authorize_url needs oauth_client_id and oauth_token_url "
				 "beside it");
	if (!o->callback_is_ours)
		return error_set(
		    e, ADIT_E_CONFIG,
		    "oauth_authorize_url needs an oauth_callback_url on this machine that "
		    "is not the app-node's, such as http://127.0.0.1:8400/callback");
	return write_authorization(o, e);
}

static int32_t wait_for_it(struct oauth *o, struct error *e)
{
	struct oauth_login *login = &o->login;
	struct timeval limit = {.tv_sec = (time_t)(o->settings.login_timeout_ms / 1000),
				.tv_usec =
				    (suseconds_t)(o->settings.login_timeout_ms % 1000 * 1000)};

	oauth_listener_free(login->listener);
	login->listener = NULL;
	if (o->callback_is_ours) {
		struct error why = {0};

		if (oauth_listener_new(&login->listener, o->base, &o->callback, on_request, o,
				       &why) != ADIT_OK)
			return error_set(e, why.code, "oauth_callback_url: %s", why.text);
	}
	login->timer = evtimer_new(o->base, on_timeout, o);
	if (login->timer == NULL || evtimer_add(login->timer, &limit) != 0)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	login->until_ms = clock_monotonic_ms() + o->settings.login_timeout_ms;
	login->pending = true;
	return ADIT_OK;
}

int32_t oauth_login_start(struct oauth *o, const char **url, const char **listener, struct error *e)
{
	int32_t result;

	if (strcmp(o->settings.provider, "none") == 0)
		return error_set(e, ADIT_E_UNSUPPORTED,
				 "oauth_provider is none: there is no login");
	oauth_login_end(o);
	result = prepare(o, e);
	if (result == ADIT_OK)
		result = wait_for_it(o, e);
	if (result != ADIT_OK) {
		stop_waiting(o);
		return result;
	}
	*url = o->login.url;
	*listener = o->callback_is_ours ? o->settings.callback_url : NULL;
	if (o->token.access[0] == '\0')
		oauth_set_state(o, REST_LOGIN_PENDING);
	return ADIT_OK;
}

/* --- it is handed over --------------------------------------------------------------------------
 */

/* The address that a browser was sent to. */
static int32_t take_address(struct oauth *o, const char *text, size_t size, struct error *e)
{
	const char *query = memchr(text, '?', size);
	const char *mark = memchr(text, '#', size);
	struct oauth_result result;
	int32_t error;

	if (mark != NULL)
		size = (size_t)(mark - text);
	if (query == NULL || query >= text + size)
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "there is no login in this address");
	query++;
	if (!oauth_result_read(query, (size_t)(text + size - query), &result))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "there is neither authToken= nor code= in this address");
	if (result.token[0] == '\0' && !belongs(o, &result, result.state))
		error = error_set(e, ADIT_E_INVALID_ARGUMENT,
				  "this address is not the answer to a login that is pending");
	else {
		oauth_login_end(o);
		error = take_result(o, &result, e);
	}
	secure_wipe(&result, sizeof(result));
	return error;
}

int32_t oauth_login_token(struct oauth *o, const char *text, size_t size, const char *refresh,
			  rest_login_fn fn, void *user, struct error *e)
{
	char token[OAUTH_TOKEN_MAX + 1];
	int32_t error;
	bool address;

	while (size > 0 && (unsigned char)text[size - 1] <= ' ')
		size--;
	address = size > 8 &&
		  (strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0);
	if (!address && !oauth_token_is_good(text, size))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "this is no token");
	if (refresh != NULL && !oauth_token_is_good(refresh, strlen(refresh)))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "this is no refresh token");
	if (strcmp(o->settings.provider, "none") == 0)
		return error_set(e, ADIT_E_UNSUPPORTED,
				 "oauth_provider is none: there is no login");
	if (address) {
		error = take_address(o, text, size, e);
	} else {
		oauth_login_end(o);
		memcpy(token, text, size);
		token[size] = '\0';
		error = take_token(o, token, refresh) ? ADIT_OK
						      : error_set(e, ADIT_E_LIMIT, "%s", BUSY);
		secure_wipe(token, sizeof(token));
	}
	if (error != ADIT_OK)
		return error;
	o->login.fn = fn;
	o->login.user = user;
	return ADIT_OK;
}
