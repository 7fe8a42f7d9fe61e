/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/pool_config.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"
#include "lib/util/random.h"
#include "plugins/miningos/actions.h"
#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"

#define URL_MAX 512u
#define SAME_MS 60000u /* the same again within this is the same action */

/* Ours and the one that says nothing of the version; those by which MiningOS's pages know a pool of
 * Stratum V2 are no others'. */
static const char *const schemes[] = {"stratum2+tcp://", "stratum+tcp://"};
static const char *const their_schemes[] = {"stratum+sv2://", "sv2://"};

/* What update_pool_config is to be given: members of FROM (theirs or ours) under its names. */
static void take(struct json_object *to, const char *name, struct json_object *from,
		 const char *theirs)
{
	const char *text = get_text(from, theirs, get_text(from, name, NULL));

	if (text != NULL && text[0] != '\0')
		add_text(to, name, text);
}

/* The URL in the form that update_pool_config takes. */
static void translate_url(struct json_object *o)
{
	const char *url = get_text(o, "pool_url", "");
	char text[URL_MAX + 32];

	for (size_t i = 0; i < sizeof(their_schemes) / sizeof(their_schemes[0]); i++) {
		size_t size = strlen(their_schemes[i]);

		if (strncmp(url, their_schemes[i], size) != 0 || strlen(url) > URL_MAX)
			continue;
		/* A key behind it needs the scheme. */
		snprintf(text, sizeof(text), "%s%s",
			 strchr(url + size, '/') != NULL ? schemes[0] : "", url + size);
		add_text(o, "pool_url", text);
		return;
	}
}

static struct json_object *target_params(struct json_object *params)
{
	struct json_object *given =
	    json_object_is_type(params, json_type_array) && json_object_array_length(params) > 0
		? json_object_array_get_idx(params, 0)
		: NULL;
	struct json_object *urls = get_member(get_member(given, "config"), "poolUrls");
	struct json_object *o = json_object_new_object();

	if (json_object_is_type(urls, json_type_array) && json_object_array_length(urls) > 0)
		given = json_object_array_get_idx(urls, 0);
	take(o, "pool_url", given, "url");
	take(o, "pool_user", given, "workerName");
	take(o, "pool_password", given, "workerPassword");
	take(o, "authority_key", given, "authorityKey");
	take(o, "jds_url", given, "jdsUrl");
	translate_url(o);
	return o;
}

/* HOST:PORT, with a scheme of Stratum V2 before it or none, and perhaps a key behind it. */
static bool is_url(const char *url)
{
	const char *colon;

	if (strlen(url) > URL_MAX || strpbrk(url, " \t\r\n\"\\") != NULL)
		return false;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (strncmp(url, schemes[i], strlen(schemes[i])) == 0) {
			url += strlen(schemes[i]);
			break;
		}
	}
	/* Any other is not what is spoken here. */
	if (strstr(url, "://") != NULL)
		return false;
	colon = strrchr(url, ':');
	return colon != NULL && colon != url && colon[1] >= '1' && colon[1] <= '9';
}

const char *pool_config_check(struct miningos *m, const struct thing *t, struct json_object *params)
{
	struct json_object *o = target_params(params);
	const char *url = get_text(o, "pool_url", NULL);
	bool good = url != NULL && is_url(url);

	(void)m;
	(void)t;
	json_object_put(o);
	return good ? NULL : "ERR_POOL_CONFIG_INVALID";
}

struct json_object *pool_config_shown(struct json_object *params)
{
	struct json_object *o = target_params(params);

	json_object_object_del(o, "pool_password");
	return o;
}

/* What is remembered of a configuration, SHOWN, as MiningOS lists pools. */
static struct json_object *as_pools(struct json_object *shown)
{
	struct json_object *list = json_object_new_array(), *o = json_object_new_object();

	add_text(o, "url", get_text(shown, "pool_url", NULL));
	add_text(o, "workerName", get_text(shown, "pool_user", NULL));
	json_object_array_add(list, o);
	return list;
}

/* RUN's thing has it. */
static void note_thing(struct action_run *run)
{
	struct json_object *given = json_object_array_get_idx(run->params, 0);
	const char *id = get_text(get_member(given, "config"), "id", NULL);
	struct thing *t = things_find(&run->m->things, run->thing_id);
	struct json_object *info;

	if (t == NULL || id == NULL)
		return;
	info = copy_json(t->info);
	add_text(info, "poolConfig", id);
	json_object_put(t->info);
	t->info = info;
	run->m->things.dirty = true;
}

static void finish(struct action_run *run, const struct json_object *data)
{
	struct json_object *o = json_object_new_object();

	note_thing(run);
	add_bool(o, "success", true);
	add_object(o, "data", copy_json((struct json_object *)(uintptr_t)data));
	action_done(run, o);
}

/* All that wait for the same. */
static void end_all(struct miningos *m, const char *number, struct json_object *data, int32_t error,
		    const char *text)
{
	struct action_run *run, *next;

	for (run = TAILQ_FIRST(&m->actions); run != NULL; run = next) {
		next = TAILQ_NEXT(run, link);
		if (run->action->start != pool_config_start || strcmp(run->number, number) != 0)
			continue;
		if (error == ADIT_OK)
			finish(run, data);
		else
			action_failed(run,
				      error == ADIT_E_TIMEOUT ? "ERR_ACTION_TIMEOUT"
							      : "ERR_POOL_CONFIG_REFUSED",
				      text);
	}
}

static void on_reply(void *user, const struct adit_reply *reply)
{
	struct miningos *m = user;
	struct json_object *data = NULL;
	char number[32], text[256];
	int32_t error = reply->error;

	if (error == ADIT_OK)
		(void)parse_json(reply->json, reply->json_size, &data);
	m->pool_update_open = false;
	snprintf(number, sizeof(number), "%s", m->pool_update.number);
	snprintf(text, sizeof(text), "%s", reply->message);
	if (error == ADIT_OK) {
		m->pool_update.done_ms = mos_now_ms();
		json_object_put(m->pool_config);
		m->pool_config = as_pools(m->pool_update.shown);
	}
	end_all(m, number, data, error, text);
	json_object_put(data);
}

/* Frees PARAMS of target_params(), and leaves neither its password nor that of JSON, its text, in
 * memory that others get. */
static void params_free(struct json_object *params, const char *json)
{
	const char *password = get_text(params, "pool_password", NULL);

	if (password != NULL)
		secure_wipe((char *)(uintptr_t)password, strlen(password));
	secure_wipe((char *)(uintptr_t)json, strlen(json));
	json_object_put(params);
}

/* RUN goes the way of another that asks for the same, or has to wait for one that doesn't. */
static void join_other(struct action_run *run, bool same)
{
	if (!run->m->pool_update_open)
		finish(run, NULL);
	else if (!same)
		action_failed(run, "ERR_POOL_CONFIG_BUSY",
			      "another pool is being set at this moment");
}

void pool_config_start(struct action_run *run)
{
	struct miningos *m = run->m;
	struct pool_update *u = &m->pool_update;
	struct json_object *params = target_params(run->params);
	const char *json = json_object_to_json_string_ext(params, JSON_C_TO_STRING_PLAIN);
	uint8_t digest[32];
	bool same;
	int32_t code;

	sha256(json, strlen(json), digest);
	same = u->shown != NULL && memcmp(digest, u->digest, sizeof(digest)) == 0 &&
	       strcmp(u->number, run->number) == 0;
	if (m->pool_update_open || (same && mos_now_ms() < u->done_ms + SAME_MS)) {
		params_free(params, json);
		join_other(run, same);
		return;
	}
	json_object_put(u->shown);
	*u = (struct pool_update){.shown = pool_config_shown(run->params)};
	memcpy(u->digest, digest, sizeof(digest));
	snprintf(u->number, sizeof(u->number), "%s", run->number);
	m->pool_update_open = true;
	code = m->api->call(m->host, m->settings.pool_config_target, "update_pool_config", json,
			    strlen(json), NULL, 0, m->settings.timeout_seconds * 1000, on_reply, m,
			    NULL, NULL);
	params_free(params, json);
	if (code == ADIT_OK)
		return;
	m->pool_update_open = false;
	action_failed(run, "ERR_ACTION_FAILED", "the host refuses the call");
}

void pool_config_end(struct miningos *m)
{
	json_object_put(m->pool_update.shown);
	json_object_put(m->pool_config);
	m->pool_update = (struct pool_update){0};
	m->pool_config = NULL;
}
