/* SPDX-License-Identifier: MIT */
/* miner_actions.c: the actions, one by one. */
#include "config.h"

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plugins/miningos/actions.h"
#include "plugins/miningos/chans.h"
#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"
#include "plugins/miningos/pool_config.h"

#define RESTART "host.restart" /* answered by the host for every role, adit/plugin.h */
#define SHARES_PER_MINUTE 6    /* that a hash rate is turned into a difficulty for */

static struct json_object *first(struct json_object *params)
{
	return json_object_is_type(params, json_type_array) ? json_object_array_get_idx(params, 0)
							    : NULL;
}

static size_t count_of(struct json_object *params)
{
	return json_object_is_type(params, json_type_array) ? json_object_array_length(params) : 0;
}

static struct thing *thing_of(const struct action_run *run)
{
	return things_find(&run->m->things, run->thing_id);
}

/* --- reboot --- */

/* Without a thing: a role that is looked at here, by its name. */
static const char *check_reboot(struct miningos *m, const struct thing *t,
				struct json_object *params)
{
	struct json_object *role = first(params);

	if (t != NULL)
		return t->chan == NULL && t->device[0] == '\0' ? ERR_AWAY : NULL;
	for (size_t i = 0; json_object_is_type(role, json_type_string) && i < m->looks.count; i++) {
		if (strcmp(m->looks.sources[i].role, json_object_get_string(role)) == 0)
			return NULL;
	}
	return "ERR_THING_NOTFOUND";
}

const char *action_role(const struct action *action, struct json_object *params)
{
	struct json_object *role = first(params);

	return action->bit == MOS_REBOOT && json_object_is_type(role, json_type_string)
		   ? json_object_get_string(role)
		   : NULL;
}

struct json_object *action_shown(const struct action *action, struct json_object *params)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {{MOS_SET_POWER_MODE, "mode"}, {MOS_SET_HASHRATE, "hashrate"}};
	struct json_object *o;

	if (action->bit == MOS_SETUP_POOLS)
		return pool_config_shown(params);
	o = json_object_new_object();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (action->bit == names[i].bit)
			add_object(o, names[i].name, copy_json(first(params)));
	}
	return o;
}

static const char *was_disconnected(struct json_object *answer)
{
	return get_count(answer, "disconnected", 0) > 0 ? NULL : ERR_AWAY;
}

/* A miner that is a role of this machine is restarted; of another one the connection ends, and it
 * comes back with a new one. The machine itself is never touched. */
static void start_reboot(struct action_run *run)
{
	struct thing *t = thing_of(run);
	struct json_object *params;
	char name[CHAN_NAME_MAX + 1], worker[CHAN_NAME_MAX + 1];
	char *slash;

	looks_soon(run->m);
	if (t == NULL) {
		action_call(run, json_object_get_string(first(run->params)), RESTART, NULL, NULL);
		return;
	}
	if (t->device[0] != '\0') {
		action_call(run, t->device, RESTART, NULL, NULL);
		return;
	}
	/* worker/connection/channel: the connection. */
	snprintf(name, sizeof(name), "%s", t->chan->name);
	snprintf(worker, sizeof(worker), "%.*s", (int)strcspn(name, "/"), name);
	slash = strrchr(name, '/');
	if (slash != NULL)
		*slash = '\0';
	params = json_object_new_object();
	add_text(params, "miner", name);
	add_text(params, "reason", "reboot, an action of MiningOS");
	action_call(run, worker, "disconnect_miner", params, was_disconnected);
}

/* --- power --- */

static const char *check_power(struct miningos *m, const struct thing *t,
			       struct json_object *params)
{
	struct json_object *mode = first(params);
	const char *text =
	    json_object_is_type(mode, json_type_string) ? json_object_get_string(mode) : "";

	(void)m;
	if (strcmp(text, "low") == 0 || strcmp(text, "high") == 0)
		return "ERR_SET_POWER_MODE_UNSUPPORTED";
	if (strcmp(text, "normal") != 0 && strcmp(text, "sleep") != 0)
		return "ERR_SET_POWER_MODE_INVALID";
	/* Stratum V2 has no message by which a miner rests. */
	return t->device[0] == '\0' ? "ERR_SET_POWER_MODE_UNSUPPORTED" : NULL;
}

static void start_power(struct action_run *run)
{
	struct thing *t = thing_of(run);
	const char *mode = json_object_get_string(first(run->params));
	bool sleep = strcmp(mode, "sleep") == 0;

	looks_soon(run->m);
	action_call(run, t->device, sleep ? "pause" : "resume", NULL, NULL);
}

/* --- LED --- */

static const char *check_led(struct miningos *m, const struct thing *t, struct json_object *params)
{
	(void)m;
	(void)t;
	return json_object_is_type(first(params), json_type_boolean)
		   ? "ERR_SET_LED_UNSUPPORTED"
		   : "ERR_SET_LED_ENABLED_INVALID";
}

static void start_led(struct action_run *run)
{
	action_failed(run, "ERR_SET_LED_UNSUPPORTED",
		      "a Stratum V2 miner has no light that can be reached");
}

/* --- hash rate --- */

static bool is_number(struct json_object *v)
{
	return json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double);
}

static const char *check_hashrate(struct miningos *m, const struct thing *t,
				  struct json_object *params)
{
	struct json_object *rate = first(params);
	double value = json_object_get_double(rate);

	(void)m;
	if (count_of(params) == 0 || (rate != NULL && !is_number(rate)) ||
	    (rate != NULL && !(value > 0 && value <= 1e21)))
		return "ERR_SET_HASHRATE_INVALID";
	return t->chan == NULL && t->device[0] == '\0' ? ERR_AWAY : NULL;
}

static const char *was_changed(struct json_object *answer)
{
	return get_count(answer, "changed", 0) > 0 ? NULL : ERR_AWAY;
}

/* H/s, null for none. The CPU miner is capped; another miner does what it does, and what can be set
 * is the difficulty of its shares, for the hash rate that is named. */
static void start_hashrate(struct action_run *run)
{
	struct thing *t = thing_of(run);
	struct json_object *rate = first(run->params), *params = json_object_new_object();
	char worker[CHAN_NAME_MAX + 1];

	looks_soon(run->m);
	if (t->device[0] != '\0') {
		add_object(params, "hashrate", json_object_get(rate));
		action_call(run, t->device, "set_hashrate", params, NULL);
		return;
	}
	snprintf(worker, sizeof(worker), "%.*s", (int)strcspn(t->chan->name, "/"), t->chan->name);
	add_text(params, "channel", t->chan->name);
	if (rate != NULL)
		add_double(params, "difficulty",
			   json_object_get_double(rate) * 60 / SHARES_PER_MINUTE / 4294967296.0);
	else
		add_object(params, "difficulty", NULL);
	action_call(run, worker, "set_difficulty", params, was_changed);
}

/* --- figures --- */

static const char *check_nothing(struct miningos *m, const struct thing *t,
				 struct json_object *params)
{
	(void)m;
	(void)t;
	(void)params;
	return NULL;
}

static void start_stats(struct action_run *run)
{
	struct miningos *m = run->m;
	const struct thing *t = run->thing_id[0] ? thing_of(run) : NULL;
	struct json_object *o = json_object_new_object();

	add_bool(o, "success", true);
	add_object(o, "data", t != NULL ? thing_snap_json(m, t, &t->snap) : node_stats_json(m));
	node_stats_collect(m);
	action_done(run, o);
}

static void start_template(struct action_run *run)
{
	struct json_object *o = json_object_new_object();

	template_refresh(run->m, true);
	add_bool(o, "success", true);
	action_done(run, o);
}

/* --- the rack --- */

static void start_rack_reboot(struct action_run *run)
{
	action_call(run, run->m->info.worker_name, RESTART, NULL, NULL);
}

/* --- the table --- */

static const struct action actions[] = {
    {"reboot", MOS_REBOOT, 1, false, true, true, check_reboot, start_reboot},
    {"setPowerMode", MOS_SET_POWER_MODE, 1, false, true, false, check_power, start_power},
    /* Not a matter of supported_actions, so that the refusal says why. */
    {"setLED", 0, 1, false, true, false, check_led, start_led},
    {"setHashrate", MOS_SET_HASHRATE, 1, false, true, false, check_hashrate, start_hashrate},
    {"setupPools", MOS_SETUP_POOLS, 1, false, true, true, pool_config_check, pool_config_start},
    {"updatePoolConfig", MOS_SETUP_POOLS, 1, false, true, true, pool_config_check,
     pool_config_start},
    {"queryStats", MOS_QUERY_STATS, 1, false, false, true, check_nothing, start_stats},
    {"refreshTemplate", MOS_REFRESH_TEMPLATE, 1, false, false, true, check_nothing, start_template},
    {"registerThing", 0, 1, true, true, false, NULL, NULL},
    {"updateThing", 0, 1, true, true, false, NULL, NULL},
    {"forgetThings", 0, 1, true, true, false, NULL, NULL},
    {"rackReboot", 0, 2, true, true, true, check_nothing, start_rack_reboot},
};

const struct action *action_at(size_t index)
{
	return index < sizeof(actions) / sizeof(actions[0]) ? &actions[index] : NULL;
}

const struct action *action_find(const char *name)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	}
	return NULL;
}
