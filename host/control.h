/* SPDX-License-Identifier: MIT */
/*
 * control.h: the control socket: JSON-RPC 2.0, one JSON object a line each way. Clients are known
 * by their credentials: root and the host's own user may do everything, others (the socket's group)
 * read: status, roles, describe, config, events, the log level, and `status` of a role by `call`.
 */
#ifndef HOST_CONTROL_H
#define HOST_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "host/host.h"
#include "lib/util/buf.h"

struct bufferevent;
struct event;
struct json_object;
struct control_client;

#define CONTROL_REQUESTS_MAX 64
#define CONTROL_BATCH_MAX 32

/* JSON-RPC error codes (section 5.1 of its specification); the last one is ours. */
enum control_error {
	CONTROL_PARSE = -32700,
	CONTROL_INVALID = -32600,
	CONTROL_NO_METHOD = -32601,
	CONTROL_PARAMS = -32602,
	CONTROL_FAILED = -32000
};

/* Requests that came in one array; their answers leave together. */
struct control_batch {
	struct control_client *client;
	unsigned open;   /* members that are not dealt with yet */
	struct buf text; /* the answer as far as it has grown, "" while nothing is to be answered */
};

/* A request that is being answered. */
struct control_request {
	struct control_request *next;
	struct control_client *client;
	struct control_batch *batch; /* NULL: it came alone */
	char *id;                    /* JSON text; NULL: a notification, which is not answered */
	void *job;                   /* of the method, freed by free_job */
	void (*free_job)(void *job);
};

struct control_client {
	struct control_client *next;
	struct control *control;
	struct bufferevent *stream;
	bool admin;
	bool closing; /* goes when its output is written */
	bool gone;    /* being freed: nothing is sent any more */
	struct control_request *requests;
	unsigned request_count;
	struct bus_subscriber subscriber;
};

struct control {
	struct host *host;
	char *path;
	int fd;
	struct event *readable;
	struct control_client *clients;
	unsigned client_count;
};

/* Answers REQUEST and frees it. RESULT is JSON text. */
void control_answer(struct control_request *request, const void *result, size_t size);
/* DATA_CODE: the adit error of CONTROL_FAILED. */
void control_error(struct control_request *request, int code, const char *message,
		   int32_t data_code);
/* Appends to the client's output; false when it has more waiting than it may. */
bool control_write(struct control_client *client, const struct buf *text);

/* control_methods.c: begins to answer METHOD. PARAMS is borrowed, NULL when there are none. */
void control_dispatch(struct control_request *request, const char *method,
		      struct json_object *params);

/* control_status.c: what `status` and `roles` answer. */
void control_status(struct control_request *request);
void control_roles(struct control_request *request);
/* Appends "KEY":[NAME,..] for the capabilities of SET. */
void control_put_rights(struct buf *out, const char *key, uint32_t set);

/* control_admin.c: `restart`, `log`. control_describe.c: `describe`. */
void control_restart(struct control_request *request, struct json_object *params);
void control_log(struct control_request *request, struct json_object *params);
void control_describe(struct control_request *request, struct json_object *params);

/* The text at KEY of PARAMS (which may be NULL); NULL when there is none or it is no string. */
const char *control_string(struct json_object *params, const char *key);

/* control_config.c: `config`, `config_set`, `config_reset`, `reload`. */
void control_config(struct control_request *request, struct json_object *params);
void control_config_set(struct control_request *request, struct json_object *params);
void control_config_reset(struct control_request *request, struct json_object *params);
void control_reload(struct control_request *request);

#endif
