/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/oauth.h"

#include <event2/event.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <adit/plugin.h>

#include "lib/util/buf.h"
#include "lib/util/clock.h"
#include "lib/util/random.h"
#include "plugins/miningos/oauth_answers.h"
#include "plugins/miningos/oauth_impl.h"
#include "plugins/miningos/oauth_listener.h"
#include "plugins/miningos/token_cache.h"

#define SHORTEST_LIFE 5      /* seconds; what an app-node takes for `ttl` */
#define RENEW_PAUSE_MS 10000 /* a token refused so soon after its renewal is tried, not renewed */
#define LONGEST_PAUSE_S 60
#define LOG_IN "log in: aditctl miningos login"

static void begin(struct oauth *o, enum oauth_op op);

/* --- saying so ----------------------------------------------------------------------------------
 */

void oauth_log(const struct oauth *o, int32_t level, const char *format, ...)
{
	char text[512];
	va_list args;

	if (o->owner.log == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	o->owner.log(o->owner.user, level, text);
}

void oauth_set_problem(struct oauth *o, const char *next, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(o->problem, sizeof(o->problem), format, args);
	va_end(args);
	snprintf(o->next, sizeof(o->next), "%s", next);
}

static void no_problem(struct oauth *o)
{
	o->problem[0] = '\0';
	o->next[0] = '\0';
}

void oauth_set_state(struct oauth *o, enum rest_state state)
{
	/* `changed` comes also when only what the state is about is another. */
	o->state = state;
	if (o->owner.changed != NULL)
		o->owner.changed(o->owner.user);
}

enum rest_state oauth_state(const struct oauth *o)
{
	return o->state;
}

const char *oauth_base_url(const struct oauth *o)
{
	return o->base_url;
}

void oauth_explain(const struct oauth *o, char *out, size_t room)
{
	snprintf(out, room, "login needed%s%s; %s", o->problem[0] != '\0' ? ": " : "", o->problem,
		 o->next[0] != '\0' ? o->next : LOG_IN);
}

bool oauth_waits(const struct oauth *o)
{
	return o->op == OAUTH_CHECK || o->op == OAUTH_RENEW || o->op == OAUTH_RELEARN;
}

static bool no_login(const struct oauth *o)
{
	return strcmp(o->settings.provider, "none") == 0;
}

bool oauth_bearer(const struct oauth *o, const char **bearer, uint64_t *generation)
{
	*generation = o->generation;
	*bearer = o->token.access[0] != '\0' ? o->token.access : NULL;
	return *bearer != NULL || no_login(o);
}

void oauth_saw_date(struct oauth *o, int64_t date)
{
	if (date <= 0)
		return;
	o->skew_known = true;
	o->skew = date - (int64_t)clock_unix();
}

/* --- requests -----------------------------------------------------------------------------------
 */

static void end_call(struct oauth *o)
{
	http_client_cancel(o->call);
	o->call = NULL;
	o->op = OAUTH_NOTHING;
}

/* REQUEST to the app-node's PATH, with TOKEN; CONTENT_TYPE NULL: it has no body. */
static struct http_call *send_bearer(struct oauth *o, const char *path, const char *token,
				     const char *content_type, struct http_request *request,
				     http_answer_fn fn, void *user)
{
	char bearer[OAUTH_TOKEN_MAX + 32];
	char url[1024];
	const char *headers[] = {bearer, content_type, NULL};
	struct http_call *call;

	request->url = url;
	request->headers = headers;
	request->timeout_ms = o->settings.timeout_ms;
	request->max_bytes = OAUTH_ANSWER_MAX;
	request->secret = true;
	snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", token);
	snprintf(url, sizeof(url), "%s%s", o->base_url, path);
	call = http_client_send(o->http, request, fn, user);
	secure_wipe(bearer, sizeof(bearer));
	return call;
}

struct http_call *oauth_get(struct oauth *o, const char *path, const char *token, http_answer_fn fn,
			    void *user)
{
	struct http_request request = {.method = "GET"};

	return send_bearer(o, path, token, NULL, &request, fn, user);
}

void oauth_form_add(struct buf *form, const char *name, const char *value)
{
	buf_printf(form, "%s%s=", form->size > 0 ? "&" : "", name);
	http_url_encode(form, value, strlen(value));
}

/* Name and password of HTTP Basic are encoded like a form there (RFC 6749 section 2.3.1). */
static bool encode(const char *text, char *out, size_t room)
{
	struct buf b = {.limit = room - 1};
	bool ok;

	http_url_encode(&b, text, strlen(text));
	ok = !b.failed;
	if (ok)
		memcpy(out, b.data, b.size);
	out[ok ? b.size : 0] = '\0';
	secure_wipe(b.data, b.size);
	buf_free(&b);
	return ok;
}

struct http_call *oauth_post_form(struct oauth *o, struct buf *form, http_answer_fn fn, void *user)
{
	static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
					      "Accept: application/json", NULL};
	char name[1024];
	char secret[1024];
	struct http_request request = {.method = "POST",
				       .url = o->token_url,
				       .headers = headers,
				       .timeout_ms = o->settings.timeout_ms,
				       .max_bytes = OAUTH_ANSWER_MAX,
				       .secret = true};
	struct http_call *call = NULL;
	bool ok = true;

	if (o->settings.client_secret != NULL && o->settings.client_id != NULL) {
		ok = encode(o->settings.client_id, name, sizeof(name)) &&
		     encode(o->settings.client_secret, secret, sizeof(secret));
		request.user = name;
		request.password = secret;
	} else if (o->settings.client_id != NULL) {
		oauth_form_add(form, "client_id", o->settings.client_id);
	}
	request.body = form->data;
	request.size = form->size;
	if (ok && !form->failed)
		call = http_client_send(o->http, &request, fn, user);
	secure_wipe(secret, sizeof(secret));
	return call;
}

/* --- time ---------------------------------------------------------------------------------------
 */

static bool can_renew(const struct oauth *o)
{
	return o->token.kind == OAUTH_APP_NODE || o->token.refresh[0] != '\0';
}

/* Not for a token that was renewed a moment ago: that would have no end. */
static bool may_renew(const struct oauth *o)
{
	return can_renew(o) &&
	       (o->renewed_ms == 0 || clock_monotonic_ms() - o->renewed_ms > RENEW_PAUSE_MS);
}

static void arm(struct oauth *o, enum oauth_op op, uint64_t ms)
{
	struct timeval tv = {.tv_sec = (time_t)(ms / 1000),
			     .tv_usec = (suseconds_t)(ms % 1000 * 1000)};

	o->timer_op = op;
	evtimer_del(o->timer);
	evtimer_add(o->timer, &tv);
}

/* Seconds that the token has left, of *LIFE seconds in all (0: not known). False: nobody says. */
static bool time_left(struct oauth *o, bool fresh, int64_t *left, int64_t *life)
{
	struct oauth_claims claims;
	int64_t now = (int64_t)clock_unix();
	int64_t ttl = (int64_t)(o->settings.token_ttl_ms / 1000);

	oauth_token_read(o->token.access, &claims);
	if (claims.expires > 0) {
		*life = claims.issued > 0 && claims.issued < claims.expires
			    ? claims.expires - claims.issued
			    : ttl;
		/* A new one's life begins now, whatever the clocks say. */
		*left = fresh && claims.issued > 0 ? *life : claims.expires - (now + o->skew);
	} else if (fresh) {
		*life = o->token.lifetime > 0 ? o->token.lifetime : ttl;
		*left = *life;
	} else if (o->token.expires > 0 && o->token.lifetime > 0) {
		*life = o->token.lifetime;
		*left = o->token.expires - now;
	} else {
		*life = ttl;
		*left = 0;
		return false;
	}
	if (*life < SHORTEST_LIFE)
		*life = SHORTEST_LIFE;
	if (*left > *life)
		*left = *life;
	return true;
}

/* When it is to be renewed: three fifths into its life, at once when its age is not known. */
static void plan(struct oauth *o, bool fresh)
{
	uint64_t now = clock_monotonic_ms();
	int64_t left;
	int64_t life;
	int64_t wait;
	bool known = time_left(o, fresh, &left, &life);

	o->token.lifetime = life;
	o->token.expires = known ? (int64_t)clock_unix() + left : 0;
	o->expires_ms = known ? now + (left > 0 ? (uint64_t)left * 1000 : 0) : 0;
	wait = left * 1000 - life * 400;
	if (wait < (fresh ? 1000 : 0))
		wait = fresh ? 1000 : 0;
	if (can_renew(o)) {
		o->renews_ms = now + (uint64_t)wait;
		arm(o, OAUTH_RENEW, (uint64_t)wait);
		return;
	}
	o->renews_ms = 0;
	evtimer_del(o->timer);
	if (known)
		arm(o, OAUTH_CHECK, left > 0 ? (uint64_t)left * 1000 : 0);
}

static uint64_t pause_ms(struct oauth *o)
{
	uint64_t seconds = o->failures < 6 ? UINT64_C(1) << o->failures : LONGEST_PAUSE_S;

	o->failures++;
	return seconds * 1000 + random_below(500);
}

/* --- the token ----------------------------------------------------------------------------------
 */

static void store(struct oauth *o)
{
	struct error e = {0};

	if (o->settings.token_cache != NULL &&
	    token_cache_store(o->settings.token_cache, &o->token, &e) != ADIT_OK)
		oauth_log(o, ADIT_LOG_WARNING, "the token is not kept over a restart: %s", e.text);
}

static void forget(struct oauth *o)
{
	struct error e = {0};

	end_call(o);
	evtimer_del(o->timer);
	secure_wipe(&o->token, sizeof(o->token));
	memset(&o->have, 0, sizeof(o->have));
	memset(&o->lost, 0, sizeof(o->lost));
	o->write_known = false;
	o->expires_ms = 0;
	o->renews_ms = 0;
	o->generation++;
	if (o->settings.token_cache != NULL &&
	    token_cache_remove(o->settings.token_cache, &e) != ADIT_OK)
		oauth_log(o, ADIT_LOG_WARNING, "%s", e.text);
}

static enum rest_state without_token(const struct oauth *o)
{
	return o->login.pending ? REST_LOGIN_PENDING : REST_LOGIN_NEEDED;
}

/* Notes which roles the token has, as it or the app-node says. */
static void take_roles(struct oauth *o, const struct oauth_roles *said)
{
	struct oauth_claims claims;
	struct oauth_roles before = o->lost;
	char text[200];

	oauth_token_read(o->token.access, &claims);
	if (!claims.roles.known && !said->known)
		return;
	o->have = claims.roles.known ? claims.roles : *said;
	if (!o->token.roles.known)
		o->token.roles = o->have;
	oauth_roles_lost(&o->token.roles, &o->have, &o->lost);
	if (o->lost.count == 0)
		return;
	oauth_roles_text(&o->lost, text, sizeof(text));
	if (o->lost.count != before.count)
		oauth_log(o, ADIT_LOG_WARNING, "the renewed token of %s lost these roles: %s",
			  o->base_url, text);
	oauth_set_problem(o, "have the roles given back at the app-node, then " LOG_IN,
			  "the renewed token lost these roles: %s", text);
}

void oauth_adopt(struct oauth *o, const struct oauth_token *token, bool fresh)
{
	struct oauth_roles unknown = {0};

	end_call(o);
	if (token != &o->token)
		o->token = *token;
	memcpy(o->token.app_node, o->app_node.origin, sizeof(o->token.app_node));
	o->generation++;
	o->failures = 0;
	o->relearned = false;
	no_problem(o);
	plan(o, fresh);
	take_roles(o, &unknown);
	store(o);
	begin(o, OAUTH_VERIFY);
	oauth_set_state(o, REST_READY);
}

/* There is none any more; WHY and what to do is shown. */
static void login_needed(struct oauth *o, const char *why)
{
	bool had = o->token.access[0] != '\0';

	/* A token of the environment may be newer than the one that was kept. */
	if (o->from_cache && o->settings.access_token != NULL &&
	    strcmp(o->settings.access_token, o->token.access) != 0) {
		forget(o);
		o->from_cache = false;
		strcpy(o->token.access, o->settings.access_token);
		begin(o, OAUTH_CHECK);
		return;
	}
	if (had)
		forget(o);
	oauth_set_problem(o, LOG_IN, "%s", why);
	oauth_log(o, ADIT_LOG_WARNING, "%s: login needed: %s; " LOG_IN, o->base_url, why);
	oauth_set_state(o, without_token(o));
}

void oauth_refused(struct oauth *o, uint64_t generation)
{
	if (generation == o->generation && o->token.access[0] != '\0' && !oauth_waits(o))
		begin(o, may_renew(o) ? OAUTH_RENEW : OAUTH_CHECK);
}

/* --- answers ------------------------------------------------------------------------------------
 */

/* The app-node was not reached, or is not well: OP is tried again. Until the token expires it is as
 * good as before. */
static void again(struct oauth *o, enum oauth_op op, const char *why)
{
	uint64_t now = clock_monotonic_ms();
	bool good = op == OAUTH_RENEW && (o->expires_ms == 0 || now < o->expires_ms);
	uint64_t wait = pause_ms(o);

	if (o->failures == 1)
		oauth_log(o, ADIT_LOG_WARNING, "%s: %s; tried again", o->base_url, why);
	oauth_set_problem(o,
			  "tried again by itself; is the app-node running, and app_node_url right?",
			  "%s", why);
	if (op == OAUTH_RENEW)
		o->renews_ms = now + wait;
	arm(o, op, wait);
	oauth_set_state(o, good ? REST_READY : REST_UNREACHABLE);
}

struct told {
	bool arrived; /* with a status that says something */
	bool refused;
	char text[300];
	char word[160];
};

static void listen_to(struct told *t, const struct http_answer *answer)
{
	memset(t, 0, sizeof(*t));
	if (answer->error != ADIT_OK) {
		snprintf(t->text, sizeof(t->text), "%.280s", answer->message);
		return;
	}
	oauth_read_problem(answer->body->data, answer->body->size, t->word, sizeof(t->word));
	snprintf(t->text, sizeof(t->text), "HTTP status %ld%s%s", answer->status,
		 t->word[0] != '\0' ? ": " : "", t->word);
	t->arrived = answer->status < 500 && answer->status != 429;
	/* A thrown error is answered with 400. */
	t->refused = answer->status == 401 ||
		     (answer->status == 400 && (strcmp(t->word, "ERR_AUTH_FAIL") == 0 ||
						strcmp(t->word, "ERR_OLD_TOKEN_INVALID") == 0));
}

static void take_user(struct oauth *o, const struct oauth_user *user)
{
	if (user->user[0] != '\0')
		memcpy(o->token.user, user->user, sizeof(o->token.user));
	if (user->email[0] != '\0')
		memcpy(o->token.email, user->email, sizeof(o->token.email));
	take_roles(o, &user->roles);
}

static void say_ready(struct oauth *o)
{
	char roles[200];

	oauth_roles_text(&o->have, roles, sizeof(roles));
	oauth_log(o, ADIT_LOG_INFO, "logged in to %s%s%s%s%s", o->base_url,
		  o->token.email[0] != '\0' ? " as " : "", o->token.email,
		  roles[0] != '\0' ? ", roles " : "", roles);
}

/* The token of the cache or the environment, or one that was refused somewhere. */
static void on_check(struct oauth *o, const struct http_answer *answer)
{
	struct oauth_user user;
	struct told t;
	struct error e = {0};

	listen_to(&t, answer);
	if (t.refused && o->token.kind == OAUTH_OAUTH2 && may_renew(o))
		begin(o, OAUTH_RENEW);
	else if (t.refused)
		login_needed(o, "the app-node does not take the token: it has expired, or the "
				"app-node was restarted, or the token is of another address");
	else if (!t.arrived)
		again(o, OAUTH_CHECK, t.text);
	else if (answer->status == 404 && o->token.kind == OAUTH_OAUTH2)
		oauth_adopt(o, &o->token, false);
	else if (answer->status != 200)
		again(o, OAUTH_CHECK, t.text);
	else if (oauth_read_userinfo(answer->body->data, answer->body->size, &user, &e) != ADIT_OK)
		again(o, OAUTH_CHECK, e.text);
	else {
		o->failures = 0;
		o->generation++;
		no_problem(o);
		plan(o, false);
		take_user(o, &user);
		say_ready(o);
		begin(o, OAUTH_PERMISSIONS);
		oauth_set_state(o, REST_READY);
	}
}

static void on_verify(struct oauth *o, const struct http_answer *answer)
{
	struct oauth_user user;
	struct told t;
	struct error e = {0};

	listen_to(&t, answer);
	if (t.refused) {
		begin(o, OAUTH_CHECK);
		return;
	}
	/* Another failure says nothing about the token. */
	if (answer->error != ADIT_OK || answer->status != 200 ||
	    oauth_read_userinfo(answer->body->data, answer->body->size, &user, &e) != ADIT_OK)
		return;
	take_user(o, &user);
	store(o);
	if (o->renewals == 0)
		say_ready(o);
	begin(o, OAUTH_PERMISSIONS);
	oauth_set_state(o, REST_READY);
}

static void on_permissions(struct oauth *o, const struct http_answer *answer)
{
	struct error e = {0};

	if (answer->error != ADIT_OK || answer->status != 200 ||
	    oauth_read_permissions(answer->body->data, answer->body->size, &o->write, &e) !=
		ADIT_OK)
		return;
	o->write_known = true;
	oauth_set_state(o, o->state);
}

/* What to ask for now that the roles were refused: those that the token has. */
static void on_relearn(struct oauth *o, const struct http_answer *answer)
{
	struct oauth_user user;
	struct error e = {0};

	if (answer->error != ADIT_OK || answer->status != 200 ||
	    oauth_read_userinfo(answer->body->data, answer->body->size, &user, &e) != ADIT_OK) {
		again(o, OAUTH_RENEW, "the roles of the token can't be learned");
		return;
	}
	o->token.roles = user.roles;
	begin(o, OAUTH_RENEW);
}

static int32_t read_new(struct oauth *o, const struct http_answer *answer,
			struct oauth_token *fresh, struct error *e)
{
	const struct buf *body = answer->body;

	*fresh = o->token;
	if (o->token.kind == OAUTH_OAUTH2)
		return oauth_read_grant(body->data, body->size, fresh, e);
	fresh->lifetime = 0;
	return oauth_read_renewal(body->data, body->size, fresh->access, e);
}

static void on_renew(struct oauth *o, const struct http_answer *answer)
{
	struct oauth_token fresh;
	struct told t;
	struct error e = {0};

	listen_to(&t, answer);
	if (answer->error == ADIT_OK && answer->status == 200) {
		if (read_new(o, answer, &fresh, &e) == ADIT_OK) {
			o->renewed_ms = clock_monotonic_ms();
			o->renewals++;
			oauth_log(o, ADIT_LOG_DEBUG, "%s: the token is renewed", o->base_url);
			oauth_adopt(o, &fresh, true);
		} else {
			again(o, OAUTH_CHECK, e.text);
		}
		secure_wipe(&fresh, sizeof(fresh));
	} else if (!t.arrived)
		again(o, OAUTH_RENEW, t.text);
	else if (t.refused || strcmp(t.word, "invalid_grant") == 0)
		login_needed(o,
			     "the token could not be renewed: it has expired, or the app-node was "
			     "restarted, or an earlier answer was lost");
	else if (strcmp(t.word, "ERR_ROLES_INVALID") == 0 && !o->relearned) {
		o->relearned = true;
		begin(o, OAUTH_RELEARN);
	} else
		again(o, OAUTH_RENEW, t.text);
}

static void on_answer(void *user, const struct http_answer *answer)
{
	static void (*const handlers[])(struct oauth *, const struct http_answer *) = {
	    [OAUTH_CHECK] = on_check,
	    [OAUTH_RENEW] = on_renew,
	    [OAUTH_VERIFY] = on_verify,
	    [OAUTH_RELEARN] = on_relearn,
	    [OAUTH_PERMISSIONS] = on_permissions,
	};
	struct oauth *o = user;
	enum oauth_op op = o->op;

	o->call = NULL;
	o->op = OAUTH_NOTHING;
	if (answer->error == ADIT_OK && (op != OAUTH_RENEW || o->token.kind == OAUTH_APP_NODE))
		oauth_saw_date(o, answer->date);
	handlers[op](o, answer);
}

/* --- what is asked ------------------------------------------------------------------------------
 */

static struct http_call *send_renewal(struct oauth *o)
{
	struct json_object *body = json_object_new_object();
	struct http_request request = {.method = "POST"};
	struct http_call *call;

	json_object_object_add(body, "roles", oauth_roles_json(&o->token.roles));
	request.body =
	    json_object_to_json_string_length(body, JSON_C_TO_STRING_PLAIN, &request.size);
	call = send_bearer(o, "/auth/token", o->token.access, "Content-Type: application/json",
			   &request, on_answer, o);
	json_object_put(body);
	return call;
}

static struct http_call *send_refresh(struct oauth *o)
{
	struct buf form = {0};
	struct http_call *call;

	oauth_form_add(&form, "grant_type", "refresh_token");
	oauth_form_add(&form, "refresh_token", o->token.refresh);
	call = oauth_post_form(o, &form, on_answer, o);
	secure_wipe(form.data, form.size);
	buf_free(&form);
	return call;
}

static void begin(struct oauth *o, enum oauth_op op)
{
	/* Roles that are not known would be lost. */
	if (op == OAUTH_RENEW && o->token.kind == OAUTH_APP_NODE && !o->token.roles.known &&
	    !o->relearned) {
		o->relearned = true;
		op = OAUTH_RELEARN;
	}
	end_call(o);
	o->op = op;
	if (op == OAUTH_RENEW)
		o->call = o->token.kind == OAUTH_OAUTH2 ? send_refresh(o) : send_renewal(o);
	else
		o->call =
		    oauth_get(o, op == OAUTH_PERMISSIONS ? "/auth/permissions" : "/auth/userinfo",
			      o->token.access, on_answer, o);
	if (o->call == NULL) {
		o->op = OAUTH_NOTHING;
		if (op == OAUTH_CHECK || op == OAUTH_RENEW || op == OAUTH_RELEARN)
			again(o, op == OAUTH_RELEARN ? OAUTH_RENEW : op,
			      "too much under way, or out of memory");
	} else if (op == OAUTH_CHECK)
		oauth_set_state(o, REST_CHECKING);
	else if (op == OAUTH_RENEW || op == OAUTH_RELEARN)
		oauth_set_state(o, REST_RENEWING);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
	struct oauth *o = user;

	(void)fd;
	(void)what;
	if (o->token.access[0] != '\0' && !oauth_waits(o))
		begin(o, o->timer_op);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static bool copy_texts(struct rest_settings *to, const struct rest_settings *from)
{
	const struct {
		const char **to;
		const char *from;
	} texts[] = {
	    {&to->app_node_url, from->app_node_url}, {&to->provider, from->provider},
	    {&to->client_id, from->client_id},       {&to->client_secret, from->client_secret},
	    {&to->callback_url, from->callback_url}, {&to->authorize_url, from->authorize_url},
	    {&to->token_url, from->token_url},       {&to->scopes, from->scopes},
	    {&to->token_cache, from->token_cache},   {&to->access_token, from->access_token},
	};
	bool ok = true;

	*to = *from;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		bool there = texts[i].from != NULL && texts[i].from[0] != '\0';

		*texts[i].to = there ? strdup(texts[i].from) : NULL;
		ok = ok && (!there || *texts[i].to != NULL);
	}
	return ok;
}

static void free_text(const char *text)
{
	char *own = (char *)(uintptr_t)text;

	if (own == NULL)
		return;
	secure_wipe(own, strlen(own));
	free(own);
}

static void free_texts(struct rest_settings *s)
{
	free_text(s->app_node_url);
	free_text(s->provider);
	free_text(s->client_id);
	free_text(s->client_secret);
	free_text(s->callback_url);
	free_text(s->authorize_url);
	free_text(s->token_url);
	free_text(s->scopes);
	free_text(s->token_cache);
	free_text(s->access_token);
}

/* The app-node's own callback is at /oauth/PROVIDER/callback; and what has its port is the
 * app-node. */
static bool is_ours(const struct http_url *callback, const struct http_url *app_node)
{
	size_t size = strlen(callback->path);

	if (!http_url_is_loopback(callback) || strcmp(callback->scheme, "http") != 0)
		return false;
	if (http_url_is_loopback(app_node) && app_node->port == callback->port)
		return false;
	return !(size > 16 && strncmp(callback->path, "/oauth/", 7) == 0 &&
		 strcmp(callback->path + size - 9, "/callback") == 0);
}

static int32_t check_url(const char *key, const char *text, struct http_url *url, struct error *e)
{
	struct error why = {0};

	if (http_url_parse(text, url, &why) == ADIT_OK)
		return ADIT_OK;
	return error_set(e, ADIT_E_CONFIG, "%s: %s", key, why.text);
}

static int32_t read_urls(struct oauth *o, struct error *e)
{
	struct rest_settings *s = &o->settings;
	struct http_url other;
	size_t size;

	if (s->app_node_url == NULL || s->provider == NULL)
		return error_set(e, ADIT_E_CONFIG, "app_node_url and oauth_provider are needed");
	if (check_url("app_node_url", s->app_node_url, &o->app_node, e) != ADIT_OK ||
	    (s->callback_url != NULL &&
	     check_url("oauth_callback_url", s->callback_url, &o->callback, e) != ADIT_OK) ||
	    (s->authorize_url != NULL &&
	     check_url("oauth_authorize_url", s->authorize_url, &other, e) != ADIT_OK) ||
	    (s->token_url != NULL &&
	     check_url("oauth_token_url", s->token_url, &other, e) != ADIT_OK))
		return ADIT_E_CONFIG;
	if (s->token_url != NULL && strlen(s->token_url) >= sizeof(o->token_url))
		return error_set(e, ADIT_E_CONFIG, "oauth_token_url is too long");
	if (s->access_token != NULL &&
	    !oauth_token_is_good(s->access_token, strlen(s->access_token)))
		return error_set(e, ADIT_E_CONFIG, "MININGOS_ACCESS_TOKEN holds no token");
	o->callback_is_ours = o->callback.host[0] != '\0' && is_ours(&o->callback, &o->app_node);
	snprintf(o->base_url, sizeof(o->base_url), "%.287s%.511s", o->app_node.origin,
		 o->app_node.path);
	size = strlen(o->base_url);
	if (o->base_url[size - 1] == '/')
		o->base_url[size - 1] = '\0';
	if (s->token_url != NULL)
		strcpy(o->token_url, s->token_url);
	else
		snprintf(o->token_url, sizeof(o->token_url), "%s/oauth/token", o->base_url);
	return ADIT_OK;
}

int32_t oauth_new(struct oauth **out, struct event_base *base, struct http_client *http,
		  const struct rest_settings *s, const struct rest_owner *owner, struct error *e)
{
	struct oauth *o = calloc(1, sizeof(*o));
	int32_t result;

	*out = NULL;
	if (o == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	o->base = base;
	o->http = http;
	o->owner = *owner;
	o->timer = evtimer_new(base, on_timer, o);
	if (!copy_texts(&o->settings, s) || o->timer == NULL)
		result = error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	else
		result = read_urls(o, e);
	if (result != ADIT_OK) {
		oauth_free(o);
		return result;
	}
	*out = o;
	return ADIT_OK;
}

void oauth_stop(struct oauth *o)
{
	o->owner = (struct rest_owner){0};
	o->login.fn = NULL;
	oauth_login_end(o);
	oauth_listener_free(o->login.listener);
	o->login.listener = NULL;
	end_call(o);
	if (o->timer != NULL)
		evtimer_del(o->timer);
	secure_wipe(&o->token, sizeof(o->token));
	o->state = REST_LOGIN_NEEDED;
}

void oauth_free(struct oauth *o)
{
	if (o == NULL)
		return;
	oauth_stop(o);
	if (o->timer != NULL)
		event_free(o->timer);
	free_texts(&o->settings);
	secure_wipe(o, sizeof(*o));
	free(o);
}

/* True when there is a token to try. */
static bool load(struct oauth *o)
{
	struct error e = {0};
	int32_t result = ADIT_E_NOT_FOUND;

	if (o->settings.token_cache != NULL)
		result = token_cache_load(o->settings.token_cache, &o->token, &e);
	if (result == ADIT_OK && strcmp(o->token.app_node, o->app_node.origin) != 0) {
		(void)error_set(&e, ADIT_E_CONFIG, "the token in %s is for %s, not for %s",
				o->settings.token_cache, o->token.app_node, o->app_node.origin);
		result = ADIT_E_CONFIG;
		secure_wipe(&o->token, sizeof(o->token));
	}
	o->from_cache = result == ADIT_OK;
	if (result != ADIT_OK && result != ADIT_E_NOT_FOUND) {
		oauth_set_problem(o, LOG_IN, "%s", e.text);
		oauth_log(o, ADIT_LOG_WARNING, "%s", e.text);
	}
	if (result != ADIT_OK && o->settings.access_token != NULL) {
		strcpy(o->token.access, o->settings.access_token);
		return true;
	}
	return result == ADIT_OK;
}

void oauth_start(struct oauth *o)
{
	if (strcmp(o->app_node.scheme, "http") == 0 && !http_url_is_loopback(&o->app_node))
		oauth_log(o, ADIT_LOG_WARNING,
			  "app_node_url is http: whoever is between here and %s can read the token",
			  o->app_node.host);
	if (no_login(o)) {
		oauth_set_state(o, REST_READY);
	} else if (load(o)) {
		begin(o, OAUTH_CHECK);
	} else {
		if (o->problem[0] == '\0')
			oauth_set_problem(o, LOG_IN, "nobody has logged in yet");
		oauth_log(o, ADIT_LOG_INFO, "%s: login needed; " LOG_IN, o->base_url);
		oauth_set_state(o, REST_LOGIN_NEEDED);
	}
}

void oauth_logout(struct oauth *o)
{
	oauth_login_end(o);
	if (no_login(o))
		return;
	forget(o);
	oauth_set_problem(o, LOG_IN, "logged out");
	oauth_set_state(o, REST_LOGIN_NEEDED);
}
