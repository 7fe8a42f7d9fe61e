/* SPDX-License-Identifier: MIT */
/*
 * control.h: a blocking client of aditd's control socket: JSON-RPC 2.0, one object a line each way.
 * Also used by the functional tests.
 */
#ifndef ADITCTL_CONTROL_H
#define ADITCTL_CONTROL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

#include "lib/util/buf.h"
#include "lib/util/error.h"

#define CONTROL_REQUEST_MAX ((size_t)1 << 20) /* what aditd takes */
#define CONTROL_ANSWER_MAX ((size_t)16 << 20) /* what we take */

struct control {
	int fd; /* -1: closed */
	struct buf in;
	size_t scanned;            /* bytes of `in` known to hold no newline */
	uint64_t last_id;          /* of the newest request */
	bool refused;              /* control_request failed because aditd said no */
	const sigset_t *wait_mask; /* NULL, or the signal mask while waiting: see control_receive */
};

/* The socket's path: $ADIT_SOCKET, else control_socket or run_dir of [host] in CONFIG (when it can
 * be read), else the built-in place. OUT always ends with a NUL. */
void control_path(const char *config, char *out, size_t capacity);

/* Connects. The text of a failure says what to do next. */
int32_t control_open(struct control *c, const char *path, struct error *e);
void control_close(struct control *c);

/* Sends one request; PARAMS is borrowed and may be NULL. *ID (may be NULL) receives its id. */
int32_t control_send(struct control *c, const char *method, struct json_object *params,
		     uint64_t *id, struct error *e);
/* The next message, an answer or a notification; the caller owns *MESSAGE (json_object_put).
 * TIMEOUT_MS < 0 waits for ever. ADIT_E_TIMEOUT; ADIT_E_CANCELLED when a signal came while
 * waiting (with `wait_mask` as the mask); ADIT_E_IO when the connection is gone; ADIT_E_PROTOCOL
 * when the other end does not speak the protocol (the connection is of no more use). */
int32_t control_receive(struct control *c, int timeout_ms, struct json_object **message,
			struct error *e);
/* Sends a request and waits for its answer; notifications on the way are dropped. *RESULT is the
 * caller's. An error answer yields its code and text. */
int32_t control_request(struct control *c, const char *method, struct json_object *params,
			int timeout_ms, struct json_object **result, struct error *e);
/* True when MESSAGE answers request ID: then *RESULT (the caller's) or *CODE and E are filled. */
bool control_answer(struct json_object *message, uint64_t id, struct json_object **result,
		    int32_t *code, struct error *e);

#endif
