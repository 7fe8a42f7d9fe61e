/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <json-c/json.h>
#include <string.h>

#include "lib/util/clock.h"
#include "plugins/miningos/oauth_impl.h"

const char *rest_state_name(enum rest_state state)
{
	static const char *const names[] = {"login-needed", "login-pending", "checking",
					    "ready",        "renewing",      "unreachable"};

	return names[state];
}

static void add_text(struct json_object *o, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0')
		json_object_object_add(o, key, json_object_new_string(text));
}

static void add_seconds(struct json_object *o, const char *key, uint64_t at_ms)
{
	int64_t left = (int64_t)at_ms - (int64_t)clock_monotonic_ms();

	if (at_ms != 0)
		json_object_object_add(o, key, json_object_new_int64(left / 1000));
}

static void add_token(struct json_object *out, const struct oauth *o)
{
	json_object_object_add(
	    out, "kind",
	    json_object_new_string(o->token.kind == OAUTH_OAUTH2 ? "oauth2" : "app-node"));
	add_text(out, "user", o->token.user);
	add_text(out, "email", o->token.email);
	if (o->have.known)
		json_object_object_add(out, "roles", oauth_roles_json(&o->have));
	if (o->lost.count > 0)
		json_object_object_add(out, "lost_roles", oauth_roles_json(&o->lost));
	if (o->write_known)
		json_object_object_add(out, "write", json_object_new_boolean(o->write));
	add_seconds(out, "expires_in", o->expires_ms);
	add_seconds(out, "renews_in", o->renews_ms);
}

static void add_login(struct json_object *out, const struct oauth *o)
{
	struct json_object *login = json_object_new_object();

	add_text(login, "url", o->login.url);
	add_seconds(login, "expires_in", o->login.until_ms);
	if (o->callback_is_ours)
		add_text(login, "listener", o->settings.callback_url);
	json_object_object_add(out, "login", login);
}

struct json_object *oauth_status(const struct oauth *o)
{
	struct json_object *out = json_object_new_object();

	if (out == NULL)
		return NULL;
	add_text(out, "state", rest_state_name(o->state));
	add_text(out, "app_node", o->base_url);
	add_text(out, "provider", o->settings.provider);
	if (o->token.access[0] != '\0')
		add_token(out, o);
	if (o->skew_known)
		json_object_object_add(out, "clock_skew", json_object_new_int64(o->skew));
	json_object_object_add(out, "renewals", json_object_new_int64((int64_t)o->renewals));
	add_text(out, "problem", o->problem);
	add_text(out, "next", o->next);
	if (o->login.pending)
		add_login(out, o);
	return out;
}
