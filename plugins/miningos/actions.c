/* SPDX-License-Identifier: MIT */
/* actions.c: how an action runs and ends; miner_actions.c has what each does. */
#include "config.h"

#include "plugins/miningos/actions.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"

/* Who waits for an action gets its time-out's answer, not that of the call below it. */
#define CALL_MORE_MS 2000u

bool action_allowed(const struct miningos *m, const struct action *action)
{
	return m->settings.actions_enabled &&
	       (action->bit == 0 || (m->settings.supported_actions & action->bit) != 0);
}

/* The audit: who did what to what, and how it ended. Parameters are not told: passwords of pools
 * are among them. */
static void tell(const struct action_run *run, const char *error, const char *text)
{
	struct miningos *m = run->m;
	const struct thing *t = run->thing_id[0] ? things_find(&m->things, run->thing_id) : NULL;
	const char *role = action_role(run->action, run->params);
	const char *target = t != NULL          ? t->code
			     : run->thing_id[0] ? run->thing_id
			     : role != NULL     ? role
						: "the rack";
	struct json_object *o;

	mos_log(m, ADIT_LOG_INFO, "action %s: %s on %s for %s: %s%s%.200s", run->number,
		run->action->name, target, run->user, error != NULL ? error : "done",
		error != NULL && text[0] != '\0' ? ": " : "", error != NULL ? text : "");
	if (!m->api->event_wanted(m->host, "MiningOSActionExecuted"))
		return;
	o = json_object_new_object();
	add_text(o, "action_id", run->number);
	add_text(o, "action_type", run->action->name);
	add_text(o, "target",
		 run->thing_id[0] ? run->thing_id
		 : role != NULL   ? role
				  : m->settings.rack_id);
	add_text(o, "user", run->user);
	add_bool(o, "success", error == NULL);
	add_text(o, "error", error);
	mos_publish(m, "MiningOSActionExecuted", o);
}

static void end(struct action_run *run, struct json_object *result, const char *error,
		const char *text)
{
	struct miningos *m = run->m;

	TAILQ_REMOVE(&m->actions, run, link);
	if (run->timing)
		m->api->timer_cancel(m->host, run->timer);
	if (run->calling)
		m->api->call_cancel(m->host, run->call);
	tell(run, error, text);
	run->fn(run->ctx, result, error, text);
	json_object_put(result);
	json_object_put(run->params);
	free(run);
}

void action_done(struct action_run *run, struct json_object *result)
{
	end(run, result, NULL, "");
}

void action_failed(struct action_run *run, const char *error, const char *text)
{
	end(run, NULL, error, text);
}

static void on_timeout(void *user)
{
	struct action_run *run = user;

	run->timing = false;
	action_failed(run, "ERR_ACTION_TIMEOUT", "it took longer than timeout_seconds");
}

void action_start(struct miningos *m, const struct action *action, struct thing *t,
		  struct json_object *params, const char *user, const char *number,
		  action_done_fn fn, void *ctx)
{
	struct action_run *run = calloc(1, sizeof(*run));

	if (run == NULL) {
		fn(ctx, NULL, "ERR_NO_MEMORY", "out of memory");
		return;
	}
	*run = (struct action_run){
	    .m = m, .action = action, .params = json_object_get(params), .fn = fn, .ctx = ctx};
	if (t != NULL)
		snprintf(run->thing_id, sizeof(run->thing_id), "%s", t->id);
	snprintf(run->user, sizeof(run->user), "%s", user != NULL ? user : "somebody");
	snprintf(run->number, sizeof(run->number), "%s", number);
	TAILQ_INSERT_TAIL(&m->actions, run, link);
	run->timing = m->api->timer_add(m->host, m->settings.timeout_seconds * 1000, 0, on_timeout,
					run, NULL, &run->timer) == ADIT_OK;
	action->start(run);
}

/* --- calls of other roles --- */

struct pending {
	struct action_run *run;
	const char *(*check)(struct json_object *answer);
};

static void on_reply(void *user, const struct adit_reply *reply)
{
	struct pending *p = user;
	struct action_run *run = p->run;
	struct json_object *answer = NULL, *result;
	const char *wrong = NULL;

	run->calling = false;
	if (reply->error != ADIT_OK) {
		char text[256];

		snprintf(text, sizeof(text), "%s", reply->message);
		action_failed(run,
			      reply->error == ADIT_E_TIMEOUT ? "ERR_ACTION_TIMEOUT"
							     : "ERR_ACTION_FAILED",
			      text);
		return;
	}
	(void)parse_json(reply->json, reply->json_size, &answer);
	if (p->check != NULL)
		wrong = p->check(answer);
	if (wrong != NULL) {
		json_object_put(answer);
		action_failed(run, wrong, "");
		return;
	}
	result = json_object_new_object();
	add_bool(result, "success", true);
	add_object(result, "data", answer);
	action_done(run, result);
}

void action_call(struct action_run *run, const char *target, const char *method,
		 struct json_object *params, const char *(*check)(struct json_object *answer))
{
	struct miningos *m = run->m;
	const char *json = params != NULL ? json_object_to_json_string(params) : "{}";
	struct pending *p = malloc(sizeof(*p));
	int32_t r = ADIT_E_NO_MEMORY;

	if (p != NULL) {
		*p = (struct pending){.run = run, .check = check};
		r = m->api->call(m->host, target, method, json, strlen(json), NULL, 0,
				 m->settings.timeout_seconds * 1000 + CALL_MORE_MS, on_reply, p,
				 free, &run->call);
	}
	json_object_put(params);
	if (r == ADIT_OK)
		run->calling = true;
	else
		action_failed(run, "ERR_ACTION_FAILED", "the host refuses the call");
}

void actions_end(struct miningos *m)
{
	struct action_run *run;

	/* That it stops is what rackReboot wanted. */
	while ((run = TAILQ_FIRST(&m->actions)) != NULL) {
		if (strcmp(run->action->name, "rackReboot") == 0)
			action_done(run, NULL);
		else
			action_failed(run, "ERR_RACK_STOPPED", "the role stops");
	}
}
