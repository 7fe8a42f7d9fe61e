/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/local_actions.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/actions.h"
#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"

#define JSON_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* Who is to approve has so long. */
#define VOTING_MS ((uint64_t)24 * 3600 * 1000)

static void clear(struct local_action *a)
{
	json_object_put(a->params);
	json_object_put(a->shown);
	json_object_put(a->result);
	*a = (struct local_action){0};
}

void api_end(struct miningos *m)
{
	for (size_t i = 0; i < LOCAL_ACTIONS; i++)
		clear(&m->api_state->actions[i]);
}

static const char *status_name(const struct local_action *a)
{
	static const char *const names[] = {"",          "VOTING", "EXECUTING",
					    "COMPLETED", "FAILED", "DENIED"};

	return names[a->status];
}

static struct json_object *action_json(const struct local_action *a)
{
	struct json_object *o = json_object_new_object();

	add_count(o, "action_id", a->id);
	add_text(o, "action", a->action->name);
	add_text(o, "target", a->thing_id[0] ? a->thing_id : a->role[0] ? a->role : NULL);
	add_object(o, "params", json_object_get(a->shown));
	add_text(o, "user", a->user);
	add_text(o, "status", status_name(a));
	add_object(o, "result", json_object_get(a->result));
	add_text(o, "error", a->error[0] ? a->error : NULL);
	add_count(o, "created", a->id);
	add_object(o, "done", a->done_ms ? json_object_new_int64((int64_t)a->done_ms) : NULL);
	return o;
}

/* An approval that nobody gave in a day is refused. */
static void expire(struct miningos *m)
{
	uint64_t now = mos_now_ms();

	for (size_t i = 0; i < LOCAL_ACTIONS; i++) {
		struct local_action *a = &m->api_state->actions[i];

		if (a->status != LOCAL_VOTING || now < a->id + VOTING_MS)
			continue;
		a->status = LOCAL_DENIED;
		a->done_ms = now;
		snprintf(a->error, sizeof(a->error), "nobody approved it within a day");
	}
}

/* A free place: the oldest that is done. NULL: all are under way. */
static struct local_action *new_action(struct miningos *m)
{
	struct api *api = m->api_state;
	uint64_t id = mos_now_ms();

	expire(m);
	for (size_t i = 0; i < LOCAL_ACTIONS; i++) {
		struct local_action *a = &api->actions[(api->next + i) % LOCAL_ACTIONS];

		if (a->status == LOCAL_VOTING || a->status == LOCAL_EXECUTING)
			continue;
		api->next = (api->next + i + 1) % LOCAL_ACTIONS;
		clear(a);
		if (id <= api->last_id)
			id = api->last_id + 1;
		api->last_id = id;
		a->m = m;
		a->id = id;
		return a;
	}
	return NULL;
}

static void on_done(void *ctx, struct json_object *result, const char *error, const char *text)
{
	struct local_action *a = ctx;

	a->status = error == NULL ? LOCAL_COMPLETED : LOCAL_FAILED;
	a->result = json_object_get(result);
	a->done_ms = mos_now_ms();
	json_object_put(a->params);
	a->params = NULL;
	if (error != NULL)
		snprintf(a->error, sizeof(a->error), "%s%s%s", error, text[0] ? ": " : "", text);
}

static void execute(struct local_action *a)
{
	struct miningos *m = a->m;
	struct thing *t = a->thing_id[0] ? things_find(&m->things, a->thing_id) : NULL;
	const char *wrong = a->thing_id[0] && t == NULL ? "ERR_THING_NOTFOUND"
							: a->action->validate(m, t, a->params);
	char number[32];

	a->status = LOCAL_EXECUTING;
	if (wrong != NULL) {
		on_done(a, NULL, wrong, "");
		return;
	}
	snprintf(number, sizeof(number), "%llu", (unsigned long long)a->id);
	action_start(m, a->action, t, a->params, a->user, number, on_done, a);
}

/* --- trigger_action ---------------------------------------------------------------------------
 */

/* The parameters of an action as a list: given as one, or by name. */
static struct json_object *list_params(struct json_object *o, const char *action, const char *role)
{
	struct json_object *given = get_member(o, "params");
	struct json_object *list, *one = NULL;

	if (json_object_is_type(given, json_type_array))
		return json_object_get(given);
	list = json_object_new_array();
	if (strcmp(action, "setPowerMode") == 0)
		one = get_member(o, "mode");
	else if (strcmp(action, "setHashrate") == 0)
		one = get_member(o, "hashrate");
	else if (strcmp(action, "setLED") == 0)
		one = get_member(o, "enabled");
	else if (strcmp(action, "setupPools") == 0 || strcmp(action, "updatePoolConfig") == 0)
		one =
		    get_member(o, "config") != NULL || get_member(o, "pool_url") != NULL ? o : NULL;
	if (role != NULL)
		json_object_array_add(list, json_object_new_string(role));
	else if (one != NULL || (strcmp(action, "setHashrate") == 0 &&
				 json_object_object_get_ex(o, "hashrate", NULL)))
		json_object_array_add(list, json_object_get(one));
	return list;
}

/* What people are told beside MiningOS's name of an error. */
static const char *advice(const char *error)
{
	static const char *const list[][2] = {
	    {"ERR_THING_NOT_CONNECTED", "the miner is offline"},
	    {"ERR_THING_NOTFOUND", "target: the id or code of a miner, or a role of `sources` or "
				   "`devices`"},
	    {"ERR_SET_POWER_MODE_INVALID", "mode=sleep or mode=normal"},
	    {"ERR_SET_POWER_MODE_UNSUPPORTED", "only miners that are roles of this machine rest "
					       "(mode=sleep) and go on (mode=normal)"},
	    {"ERR_SET_HASHRATE_INVALID", "hashrate=RATE, hashes a second, or hashrate=null"},
	    {"ERR_SET_LED_UNSUPPORTED", "a Stratum V2 miner has no light that can be reached"},
	    {"ERR_SET_LED_ENABLED_INVALID", "enabled=true or enabled=false"},
	    {"ERR_POOL_CONFIG_INVALID",
	     "pool_url=HOST:PORT, perhaps with stratum2+tcp:// before it "
	     "and /KEY behind it; pool_user=NAME; authority_key=KEY"},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		if (strcmp(list[i][0], error) == 0)
			return list[i][1];
	}
	return "";
}

static void answer_wrong(struct miningos *m, struct adit_request *request, int32_t code,
			 const char *text)
{
	m->api->reply(m->host, request, code, text, "", 0, NULL, 0);
}

/* The names of all actions that are allowed, for a message. */
static void allowed_names(const struct miningos *m, char *out, size_t size)
{
	const struct action *action;
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; (action = action_at(i)) != NULL && used < size; i++) {
		if (action_allowed(m, action) && action->start != NULL)
			used += (size_t)snprintf(out + used, size - used, "%s%s",
						 used > 0 ? ", " : "", action->name);
	}
}

/* The action that O names; NULL after REQUEST was answered. */
static const struct action *wanted_action(struct miningos *m, struct adit_request *request,
					  struct json_object *o)
{
	const char *name = get_text(o, "action_type", get_text(o, "action", ""));
	const struct action *action = action_find(name);
	char text[512], names[320];

	if (action != NULL && action->start != NULL && action_allowed(m, action))
		return action;
	allowed_names(m, names, sizeof(names));
	if (!m->settings.actions_enabled)
		snprintf(text, sizeof(text), "actions are off: actions_enabled of the section [%s]",
			 m->info.instance);
	else if (action != NULL && action->start != NULL)
		snprintf(text, sizeof(text),
			 "%s is not in supported_actions of the section [%s]; allowed are %s", name,
			 m->info.instance, names);
	else if (action != NULL)
		snprintf(text, sizeof(text), "%s is only done for MiningOS; from here there are %s",
			 name, names);
	else
		snprintf(text, sizeof(text), "action_type: there is no action `%.60s`, but %s",
			 name, names);
	answer_wrong(m, request,
		     action != NULL ? ADIT_E_PERMISSION_DENIED : ADIT_E_INVALID_ARGUMENT, text);
	return NULL;
}

static struct thing *find_target(struct miningos *m, const char *target)
{
	struct thing *t = things_find(&m->things, target);

	return t != NULL ? t : things_find_code(&m->things, target);
}

/* What ACTION is to be done to. False after REQUEST was answered. */
static bool read_target(struct miningos *m, struct adit_request *request, struct json_object *o,
			const struct action *action, struct thing **t, const char **role)
{
	const char *target = get_text(o, "target", NULL);
	char text[256];

	*t = target != NULL ? find_target(m, target) : NULL;
	*role = *t == NULL && strcmp(action->name, "reboot") == 0 ? target : NULL;
	if (*t != NULL || *role != NULL ||
	    (target == NULL && action->alone && action->bit != MOS_REBOOT))
		return true;
	snprintf(text, sizeof(text),
		 "target: %s%.80s%s the id or code of a miner is expected; get_miner_list has them",
		 target != NULL ? "there is no thing `" : "", target != NULL ? target : "",
		 target != NULL ? "`:" : "");
	answer_wrong(m, request, target != NULL ? ADIT_E_NOT_FOUND : ADIT_E_INVALID_ARGUMENT, text);
	return false;
}

static void trigger(struct miningos *m, struct adit_request *request, const char *caller,
		    struct json_object *o, const struct action *action)
{
	struct json_object *params;
	struct local_action *a;
	const char *role, *wrong;
	struct thing *t;
	char text[320];

	if (!read_target(m, request, o, action, &t, &role))
		return;
	params = list_params(o, action->name, role);
	wrong = action->validate(m, t, params);
	a = wrong == NULL ? new_action(m) : NULL;
	if (a == NULL) {
		if (wrong != NULL)
			snprintf(text, sizeof(text), "%s%s%s", wrong, advice(wrong)[0] ? ": " : "",
				 advice(wrong));
		answer_wrong(m, request, wrong != NULL ? ADIT_E_INVALID_ARGUMENT : ADIT_E_LIMIT,
			     wrong != NULL ? text : "too many actions are under way");
		json_object_put(params);
		return;
	}
	a->action = action;
	a->params = params;
	a->shown = action_shown(action, params);
	snprintf(a->thing_id, sizeof(a->thing_id), "%s", t != NULL ? t->id : "");
	snprintf(a->role, sizeof(a->role), "%s", role != NULL ? role : "");
	snprintf(a->user, sizeof(a->user), "%s", caller);
	/* Who is at the control socket could do it without us. */
	if (m->settings.require_approval && action->changes && strcmp(caller, "control") != 0) {
		a->status = LOCAL_VOTING;
		mos_log(m, ADIT_LOG_INFO,
			"action %llu: %s wants %s; `aditctl miningos action %llu` shows all of it, "
			"`approve %llu` lets it: %.250s",
			(unsigned long long)a->id, caller, action->name, (unsigned long long)a->id,
			(unsigned long long)a->id,
			json_object_to_json_string_ext(a->shown, JSON_FLAGS));
	} else {
		execute(a);
	}
	mos_answer(m, request, action_json(a));
}

void on_trigger_action(void *user, struct adit_request *request,
		       const struct adit_request_info *info)
{
	struct miningos *m = user;
	struct json_object *o = mos_params(m, request, info);
	const struct action *action;

	if (o == NULL)
		return;
	action = wanted_action(m, request, o);
	if (action != NULL)
		trigger(m, request, info->caller, o, action);
	json_object_put(o);
}

/* --- the others ---------------------------------------------------------------------------------
 */

/* The action that the parameters name; NULL after REQUEST was answered. */
static struct local_action *named_action(struct miningos *m, struct adit_request *request,
					 const struct adit_request_info *info)
{
	struct json_object *o = mos_params(m, request, info);
	uint64_t id;

	if (o == NULL)
		return NULL;
	id = get_count(o, "action_id", 0);
	if (id == 0)
		id = strtoull(get_text(o, "action_id", "0"), NULL, 10);
	json_object_put(o);
	expire(m);
	for (size_t i = 0; id != 0 && i < LOCAL_ACTIONS; i++) {
		struct local_action *a = &m->api_state->actions[i];

		if (a->status != LOCAL_FREE && a->id == id)
			return a;
	}
	answer_wrong(m, request, ADIT_E_NOT_FOUND,
		     "action_id: there is no such action, or it is long gone; list_actions has the "
		     "latest");
	return NULL;
}

void on_get_action_status(void *user, struct adit_request *request,
			  const struct adit_request_info *info)
{
	struct miningos *m = user;
	struct local_action *a = named_action(m, request, info);

	if (a != NULL)
		mos_answer(m, request, action_json(a));
}

static void decide(struct miningos *m, struct adit_request *request,
		   const struct adit_request_info *info, bool yes)
{
	struct local_action *a;

	/* Nobody approves what they want themselves: only the administrator does. */
	if (strcmp(info->caller, "control") != 0) {
		answer_wrong(m, request, ADIT_E_PERMISSION_DENIED,
			     "only an administrator may do this, with aditctl");
		return;
	}
	a = named_action(m, request, info);
	if (a == NULL)
		return;
	if (a->status != LOCAL_VOTING) {
		answer_wrong(m, request, ADIT_E_INVALID_ARGUMENT,
			     "this action does not wait for an approval");
		return;
	}
	if (yes) {
		execute(a);
	} else {
		a->status = LOCAL_DENIED;
		a->done_ms = mos_now_ms();
		snprintf(a->error, sizeof(a->error), "denied by the administrator");
		mos_log(m, ADIT_LOG_INFO, "action %llu: denied by the administrator",
			(unsigned long long)a->id);
	}
	mos_answer(m, request, action_json(a));
}

void on_approve_action(void *user, struct adit_request *request,
		       const struct adit_request_info *info)
{
	decide(user, request, info, true);
}

void on_deny_action(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	decide(user, request, info, false);
}

void on_list_actions(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct miningos *m = user;
	struct json_object *o = json_object_new_object(), *names = json_object_new_array(),
			   *list = json_object_new_array();
	const struct action *action;

	(void)info;
	expire(m);
	for (size_t i = 0; (action = action_at(i)) != NULL; i++) {
		struct json_object *one = json_object_new_object();

		add_text(one, "action", action->name);
		add_bool(one, "allowed", action_allowed(m, action));
		add_text(one, "level", action->rack ? "rack" : "thing");
		add_count(one, "votes", action->votes);
		json_object_array_add(names, one);
	}
	for (size_t i = 0; i < LOCAL_ACTIONS; i++) {
		const struct api *api = m->api_state;
		const struct local_action *a =
		    &api->actions[(api->next + LOCAL_ACTIONS - 1 - i) % LOCAL_ACTIONS];

		if (a->status != LOCAL_FREE)
			json_object_array_add(list, action_json(a));
	}
	add_object(o, "supported", names);
	add_bool(o, "enabled", m->settings.actions_enabled);
	add_bool(o, "require_approval", m->settings.require_approval);
	add_object(o, "actions", list);
	mos_answer(m, request, o);
}
