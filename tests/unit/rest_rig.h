/* SPDX-License-Identifier: MIT */
/* rest_rig.h: a REST client of the role miningos beside an app-node that the test scripts. */
#ifndef REST_RIG_H
#define REST_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_script.h"
#include "plugins/miningos/rest.h"

#define RIG_PATIENCE_MS 60000
#define RIG_SECRET "hush" /* stands in every token, and nowhere else */

/* As much of an app-node as tokens need. It takes one token; each renewal gives another one and
 * ends the one before. Not an app-node's authority: what is wrong is what the test makes wrong. */
struct app {
	struct script_server server;
	char token[512]; /* that it takes, without "Bearer "; empty: none */
	bool jwt;        /* new tokens say when they end */
	int64_t ahead;   /* its clock, seconds before ours */
	int64_t lifetime;
	char roles[128];   /* of the token, with ":" between */
	char allowed[128]; /* roles that a renewal can have */
	bool roles_in_token;
	bool deaf;         /* it takes none at all */
	unsigned tokens;   /* given */
	unsigned renewals; /* asked for */
	unsigned checks;   /* GET /auth/userinfo */
	unsigned permissions;
	char asked[256];  /* body of the last renewal */
	int token_status; /* of POST /auth/token; 0: as it should be */
	int userinfo_status;
	bool strict_roles; /* ERR_ROLES_INVALID for roles that are not allowed */
	char stale[512];   /* a token that is good for its renewal alone */
	unsigned refuse;   /* the next so many calls get 401, whatever their token */
	/* Everything else, when its token is good. */
	void (*answer)(struct app *app, struct script_request *request);
	const char *body; /* without `answer`: 200 with this */
	int status;
	unsigned calls;
	char last[512]; /* target of the last one */
	char last_body[512];
};

struct rig {
	struct event_base *base;
	bool own_base;
	struct app app;
	struct rest *rest;
	struct rest_settings settings;
	char url[128];
	char dir[64];
	char cache[128];
	char log[16384];
	unsigned changes;
	/* of the last answer */
	unsigned answers;
	int32_t error;
	char message[1024];
	char json[8192];
	bool login_needed;
	size_t orks;
	size_t failed;
	size_t bytes;
	unsigned judged;
	int32_t judged_error;
};

void rig_init(struct rig *r);
/* On a loop that is the test's. */
void rig_init_at(struct rig *r, struct event_base *base);
/* Also checks that the log and the status never had a token in them. */
void rig_free(struct rig *r);
/* Makes the client; the settings can be changed before. */
void rig_new(struct rig *r);
void rig_start(struct rig *r);
/* With a token in the cache, until the client is ready. */
void rig_start_ready(struct rig *r);
/* As rig_free() does it, and a new client can follow. */
void rig_stop(struct rig *r);
/* Gives the app-node a token of ROLES and puts it into the cache file. */
void rig_cache_token(struct rig *r, const char *roles);
void app_make_token(struct app *app, const char *roles);

/* The loop until CONDITION holds; the test fails when it does not in RIG_PATIENCE_MS. */
void rig_wait(struct rig *r, bool (*condition)(struct rig *r));
void rig_wait_state(struct rig *r, enum rest_state state);
/* Until no event is ready any more. */
void rig_settle(struct rig *r);
/* Calls and waits for the answer. */
void rig_call(struct rig *r, const char *endpoint, const char *arguments);
/* Calls only. NULL: refused, with `error` and `message`. */
struct rest_call *rig_send(struct rig *r, const char *endpoint, const char *arguments);
void rig_wait_answers(struct rig *r, unsigned count);
void rig_on_judged(void *user, int32_t error, const char *message);
/* A member of rest_status() as text, "" without; one buffer for all. */
const char *rig_status(struct rig *r, const char *member);

#endif
