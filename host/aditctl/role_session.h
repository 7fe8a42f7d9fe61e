/* SPDX-License-Identifier: MIT */
/* role_session.h: a command that is about one role: its methods called, its workers' answers. */
#ifndef ADITCTL_ROLE_SESSION_H
#define ADITCTL_ROLE_SESSION_H

#include "host/aditctl/commands.h"

struct role_session {
	const struct options *o;
	const char *role; /* --role, or what the command is named after */
	struct control control;
};

/* Connects for the command that is about the role OTHERWISE where --role names none. O is borrowed
 * as long as the session. EXIT_OK, or the exit status after it was said why; else to be closed with
 * control_close(&s->control). */
int role_open(struct role_session *s, const struct options *o, const char *otherwise);

/* Calls METHOD of TARGET; PARAMS (may be NULL) is consumed, *RESULT the caller's. */
int32_t role_call(struct role_session *s, const char *target, const char *method,
		  struct json_object *params, struct json_object **result, struct error *e);

/* Says on standard error what failed, and where to look when the role or its method is not there;
 * the exit status. */
int role_failed(struct role_session *s, const struct error *e);
/* The same for an answer that is well-formed but not what was asked for. */
int role_no_answer(struct role_session *s);

/* The answers of all workers, [{worker, result | error}, ...]: an array also of a role's one
 * worker, and when TARGET is a worker. PARAMS is consumed, the answers are the caller's. NULL after
 * *STATUS was set. */
struct json_object *role_gather(struct role_session *s, const char *target, const char *method,
				struct json_object *params, int *status);
/* EXIT_REFUSED after the errors among ANSWERS were told, if there are any, else EXIT_OK. */
int role_report_errors(struct json_object *answers);

#endif
