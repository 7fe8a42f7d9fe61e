/* SPDX-License-Identifier: MIT */
/* rack_actions.c: the rack's methods by which MiningOS acts. */
#include "config.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/actions.h"
#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"
#include "plugins/miningos/query.h"
#include "plugins/miningos/rack_methods.h"

/* --- getWriteCalls ------------------------------------------------------------------------------
 */

struct write_calls {
	struct miningos *m;
	const struct action *action;
	struct json_object *params;
	struct json_object *calls;
	const char *wrong;
};

static bool add_call(void *user, struct thing *t)
{
	struct write_calls *w = user;
	struct json_object *o;

	/* Of a fleet somebody is always away: who is, has an error of its own when its turn comes.
	 */
	w->wrong = w->action->validate(w->m, t, w->params);
	if (w->wrong != NULL && strcmp(w->wrong, ERR_AWAY) == 0)
		w->wrong = NULL;
	if (w->wrong != NULL)
		return false;
	o = json_object_new_object();
	add_text(o, "id", t->id);
	add_object(o, "tags", thing_tags(w->m, t));
	json_object_array_add(w->calls, o);
	return true;
}

/* Whether an action of a rack is for this one: rackActionId, or what query and parameters name. */
static bool names_rack(const struct rack_call *call)
{
	struct json_object *query = rack_param(call, "query");
	struct json_object *params = rack_param(call, "params");
	struct json_object *given =
	    json_object_is_type(params, json_type_array) && json_object_array_length(params) > 0
		? json_object_array_get_idx(params, 0)
		: NULL;
	const char *named = rack_text(call, "rackActionId");

	if (named == NULL)
		named = get_text(given, "rackId", NULL);
	if (named == NULL)
		named = get_text(query, "rack", get_text(query, "id", NULL));
	return named == NULL || strcmp(named, call->rack_id) == 0;
}

static void answer_calls(struct rack_call *call, unsigned votes, struct json_object *calls)
{
	struct json_object *o = json_object_new_object();

	add_count(o, "reqVotes", votes);
	add_object(o, "calls", calls);
	rack_answer(call, o);
}

static void write_calls_of_rack(struct rack_call *call, const struct action *action)
{
	struct json_object *calls = json_object_new_array(), *o;

	if (names_rack(call)) {
		o = json_object_new_object();
		add_text(o, "id", call->rack_id);
		add_object(o, "tags", json_object_new_array());
		json_object_array_add(calls, o);
	}
	answer_calls(call, action->votes, calls);
}

void rack_write_calls(struct rack_call *call)
{
	const char *name = rack_text(call, "action"), *error;
	const struct action *action = name != NULL ? action_find(name) : NULL;
	struct write_calls w = {
	    .m = call->m, .action = action, .params = rack_param(call, "params")};

	/* What is not in the list has no calls, which is how MiningOS hears of it. */
	if (action == NULL || !action_allowed(call->m, action)) {
		answer_calls(call, 1, json_object_new_array());
		return;
	}
	if (action->rack) {
		write_calls_of_rack(call, action);
		return;
	}
	w.calls = json_object_new_array();
	if (!rack_select(call->m, rack_param(call, "query"), add_call, &w, &error))
		w.wrong = error;
	if (w.wrong == NULL) {
		answer_calls(call, action->votes, w.calls);
		return;
	}
	json_object_put(w.calls);
	rack_refuse(call, w.wrong);
}

/* --- queryThing ---------------------------------------------------------------------------------
 */

/* What the ork adds behind the parameters: {actionId, user}. NULL when it is not there. */
static struct json_object *added_part(struct json_object *params)
{
	size_t count =
	    json_object_is_type(params, json_type_array) ? json_object_array_length(params) : 0;
	struct json_object *last = count > 0 ? json_object_array_get_idx(params, count - 1) : NULL;

	return get_member(last, "actionId") != NULL ? last : NULL;
}

/* The number of the action that CALL is part of: the ork's, or one of its own, since only what one
 * action does may have one upstream change in common. */
static void action_number(const struct rack_call *call, const char *method, char out[32])
{
	struct json_object *id = get_member(added_part(rack_param(call, "params")), "actionId");

	if (id != NULL)
		snprintf(out, 32, "%s", json_object_get_string(id));
	else
		snprintf(out, 32, "%s-%u", method, (unsigned)++call->m->calls_numbered);
}

/* PARAMS without it; a new array. */
static struct json_object *own_params(struct json_object *params)
{
	struct json_object *list = json_object_new_array();
	size_t count =
	    json_object_is_type(params, json_type_array) ? json_object_array_length(params) : 0;

	if (added_part(params) != NULL)
		count--;
	for (size_t i = 0; i < count; i++)
		json_object_array_add(list, json_object_get(json_object_array_get_idx(params, i)));
	return list;
}

static void on_done(void *ctx, struct json_object *result, const char *error, const char *text)
{
	struct rack_call *call = ctx;
	struct json_object *o;
	char message[320];

	if (error == NULL) {
		rack_answer(call, json_object_get(result));
		return;
	}
	/* As controllers of miners answer: the action's end says what was wrong. */
	o = json_object_new_object();
	add_bool(o, "success", false);
	snprintf(message, sizeof(message), "%s%s%s", error, text[0] ? ": " : "", text);
	add_text(o, "error_msg", message);
	rack_answer(call, o);
}

/* What another role said to a change is not MiningOS's: only that it was done. */
static void on_changed(void *ctx, struct json_object *result, const char *error, const char *text)
{
	struct json_object *o;

	if (error != NULL) {
		on_done(ctx, result, error, text);
		return;
	}
	o = json_object_new_object();
	add_bool(o, "success", true);
	rack_answer(ctx, o);
}

/* Methods of a thing that only look. False: METHOD is none. */
static bool look_method(struct rack_call *call, struct thing *t, const char *method)
{
	struct json_object *o;

	if (strcmp(method, "getSnap") == 0)
		o = thing_snap_json(call->m, t, &t->snap);
	else if (strcmp(method, "getThing") == 0)
		o = thing_json(call->m, t, true);
	else
		return false;
	rack_answer(call, o);
	return true;
}

void rack_query_thing(struct rack_call *call)
{
	struct miningos *m = call->m;
	const char *id = rack_text(call, "id"), *method = rack_text(call, "method"), *wrong;
	struct thing *t = id != NULL ? things_find(&m->things, id) : NULL;
	struct json_object *params = rack_param(call, "params"), *added = added_part(params), *own;
	const struct action *action = method != NULL ? action_find(method) : NULL;
	char number[32];

	if (t == NULL) {
		rack_refuse(call, "ERR_THING_NOTFOUND");
		return;
	}
	if (method != NULL && action == NULL && look_method(call, t, method))
		return;
	if (action == NULL || action->rack || !action_allowed(m, action)) {
		rack_refuse(call, "ERR_THING_METHOD_NOTFOUND");
		return;
	}
	/* An ork says which vote a call comes from. */
	if (m->settings.require_approval && action->changes && added == NULL) {
		rack_refuse(call, "ERR_ACTION_NOT_APPROVED");
		return;
	}
	own = own_params(params);
	wrong = action->validate(m, t, own);
	if (wrong != NULL) {
		rack_refuse(call, wrong);
	} else {
		action_number(call, "queryThing", number);
		action_start(m, action, t, own, get_text(added, "user", NULL), number,
			     action->changes ? on_changed : on_done, call);
	}
	json_object_put(own);
}

/* --- applyThings --------------------------------------------------------------------------------
 */

/* One call of applyThings: how many it still waits for. */
struct apply {
	struct rack_call *call;
	const struct action *action;
	struct json_object *params;
	char number[32]; /* one for all its things */
	uint64_t open;
	uint64_t good;
};

static void apply_end(struct apply *a)
{
	if (--a->open > 0)
		return;
	rack_answer_count(a->call, (int64_t)a->good);
	json_object_put(a->params);
	free(a);
}

static void on_applied(void *ctx, struct json_object *result, const char *error, const char *text)
{
	struct apply *a = ctx;

	(void)result;
	(void)text;
	a->good += error == NULL;
	apply_end(a);
}

static bool apply_one(void *user, struct thing *t)
{
	struct apply *a = user;

	if (a->action->validate(a->call->m, t, a->params) != NULL)
		return true;
	a->open++;
	action_start(a->call->m, a->action, t, a->params,
		     get_text(added_part(rack_param(a->call, "params")), "user", NULL),
		     a->number, on_applied, a);
	return true;
}

void rack_apply_things(struct rack_call *call)
{
	struct miningos *m = call->m;
	const char *method = rack_text(call, "method"), *error;
	const struct action *action = method != NULL ? action_find(method) : NULL;
	struct apply *a;

	if (action == NULL || action->rack || !action_allowed(m, action)) {
		rack_refuse(call, "ERR_METHOD_INVALID");
		return;
	}
	if (m->settings.require_approval && action->changes &&
	    added_part(rack_param(call, "params")) == NULL) {
		rack_refuse(call, "ERR_ACTION_NOT_APPROVED");
		return;
	}
	a = calloc(1, sizeof(*a));
	if (a == NULL) {
		rack_refuse(call, "ERR_NO_MEMORY");
		return;
	}
	*a = (struct apply){.call = call,
			    .action = action,
			    .params = own_params(rack_param(call, "params")),
			    .open = 1};
	action_number(call, "applyThings", a->number);
	if (!rack_select(m, rack_param(call, "query"), apply_one, a, &error) && a->open == 1 &&
	    a->good == 0) {
		rack_refuse(call, error);
		json_object_put(a->params);
		free(a);
		return;
	}
	apply_end(a);
}

/* --- rackReboot ---------------------------------------------------------------------------------
 */

/* The answer goes out before the process ends. */
static void reboot_now(void *user)
{
	struct miningos *m = user;

	action_start(m, action_find("rackReboot"), NULL, NULL, m->reboot_user, "rackReboot",
		     mos_ignore, NULL);
}

void rack_reboot(struct rack_call *call)
{
	struct miningos *m = call->m;
	struct json_object *params = call->params;

	if (json_object_is_type(params, json_type_object) && rack_param(call, "params") != NULL)
		params = rack_param(call, "params");
	if (!m->settings.actions_enabled) {
		rack_refuse(call, "ERR_ACTION_NOT_ALLOWED");
		return;
	}
	snprintf(m->reboot_user, sizeof(m->reboot_user), "%s",
		 get_text(call->params, "user", get_text(added_part(params), "user", "MiningOS")));
	(void)m->api->timer_add(m->host, 500, 0, reboot_now, m, NULL, NULL);
	rack_answer_count(call, 1);
}
