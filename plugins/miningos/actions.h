/* SPDX-License-Identifier: MIT */
/*
 * actions.h: what can be done to miners, and doing it. An action comes from a vote in MiningOS (the
 * rack's queryThing), or from here (the method trigger_action). Each ends with a line in the log
 * and the event MiningOSActionExecuted, after timeout_seconds at the latest.
 *
 * Errors are names as MiningOS has them, "ERR_SET_POWER_MODE_INVALID".
 */
#ifndef MININGOS_ACTIONS_H
#define MININGOS_ACTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct json_object;
struct miningos;
struct thing;

/* The thing is not connected: no matter of the parameters. */
#define ERR_AWAY "ERR_THING_NOT_CONNECTED"

struct action_run;

struct action {
	const char *name;
	uint32_t bit;   /* of supported_actions; 0: not a matter of it */
	unsigned votes; /* that MiningOS has to have */
	bool rack;      /* of the rack, not of a thing */
	bool changes;   /* wants approval */
	bool alone;     /* can be done without a thing */
	/* Whether PARAMS (an array, without what the ork adds) are good for T (NULL: for none). An
	 * error, or NULL. */
	const char *(*validate)(struct miningos *m, const struct thing *t,
				struct json_object *params);
	/* Does it, and ends RUN with action_done() or action_failed(), now or later. */
	void (*start)(struct action_run *run);
};

/* NULL when there is none of that name. */
const struct action *action_find(const char *name);
/* The INDEXth; NULL past the last. */
const struct action *action_at(size_t index);
/* The role that PARAMS of a reboot name instead of a thing; NULL: none. */
const char *action_role(const struct action *action, struct json_object *params);
/* What PARAMS (validated) ask for, by name: {mode}, {hashrate}, {pool_url, ..}; no password. A new
 * object, {} when there is nothing to say. */
struct json_object *action_shown(const struct action *action, struct json_object *params);
/* actions_enabled, and in supported_actions. */
bool action_allowed(const struct miningos *m, const struct action *action);

/* The end: RESULT (borrowed, may be NULL), or ERROR with TEXT for people ("" if none). */
typedef void (*action_done_fn)(void *ctx, struct json_object *result, const char *error,
			       const char *text);

struct action_run {
	struct miningos *m;
	const struct action *action;
	char thing_id[65]; /* "" for none */
	char user[128];    /* who wants it */
	char number[32];   /* of the action, as MiningOS or we number it */
	struct json_object *params;
	uint64_t call; /* to another role, while `calling` */
	bool calling;
	uint64_t timer;
	bool timing;
	action_done_fn fn;
	void *ctx;
	TAILQ_ENTRY(action_run) link;
};

TAILQ_HEAD(action_runs, action_run);

/* Does ACTION to the thing T (NULL for none). It has been validated. FN is called once, now or
 * later. */
void action_start(struct miningos *m, const struct action *action, struct thing *t,
		  struct json_object *params, const char *user, const char *number,
		  action_done_fn fn, void *ctx);
/* From inside of `start` or a reply. RESULT is consumed. */
void action_done(struct action_run *run, struct json_object *result);
void action_failed(struct action_run *run, const char *error, const char *text);
/* Calls METHOD of the role TARGET with PARAMS (consumed); its answer ends the action: {success:
 * true} and the answer as `data`, or the error. CHECK, if not NULL, gives an error for an answer
 * that is none. */
void action_call(struct action_run *run, const char *target, const char *method,
		 struct json_object *params, const char *(*check)(struct json_object *answer));
/* The role stops. Ends all with ERR_RACK_STOPPED; rackReboot has done what it was to. */
void actions_end(struct miningos *m);

#endif
