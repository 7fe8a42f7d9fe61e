/* SPDX-License-Identifier: MIT */
/* api.h: the role's methods for other roles and aditctl, adit-miningos(8). */
#ifndef MININGOS_API_H
#define MININGOS_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"

struct json_object;
struct miningos;
struct action;

#define LOCAL_ACTIONS 200u /* that are remembered */

enum local_status {
	LOCAL_FREE,
	LOCAL_VOTING,
	LOCAL_EXECUTING,
	LOCAL_COMPLETED,
	LOCAL_FAILED,
	LOCAL_DENIED
};

/* An action that somebody here asked for. */
struct local_action {
	struct miningos *m;
	uint64_t id; /* its time in ms, or more where two came at once */
	enum local_status status;
	const struct action *action;
	char thing_id[65];
	char role[72]; /* instead of a thing; "" for none */
	char user[72];
	char error[320];
	struct json_object *params; /* while it may still be done */
	struct json_object *shown;  /* of them, without passwords; kept */
	struct json_object *result;
	uint64_t done_ms;
};

struct api {
	struct local_action actions[LOCAL_ACTIONS]; /* a ring */
	size_t next;
	uint64_t last_id;
};

int32_t api_begin(struct miningos *m, struct error *e);
void api_end(struct miningos *m);

#endif
