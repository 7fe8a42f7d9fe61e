/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <json-c/json.h>

#include "host/json_text.h"
#include "host/log.h"

#define CONTROL_CLIENTS_MAX 32
#define CONTROL_LINE_MAX ((size_t)1 << 20)
#define CONTROL_OUTPUT_MAX ((size_t)32 << 20)
#define CONTROL_DEPTH 32
#define CONTROL_FINISH_S 10 /* allowed to a client that is being closed for taking the rest */

static void control_send(struct control_client *client, const struct buf *text);

/* A member of BATCH has been dealt with; after the last one the answer leaves, if there is any. */
static void control_batch_leave(struct control_batch *batch)
{
	struct control_client *client = batch->client;

	if (--batch->open > 0)
		return;
	if (batch->text.size > 0 && !client->gone) {
		(void)buf_append(&batch->text, "]\n", 2);
		control_send(client, &batch->text); /* closes the client when it grew too long */
	}
	buf_free(&batch->text);
	free(batch);
}

static void control_request_free(struct control_request *request)
{
	struct control_request **at = &request->client->requests;

	while (*at != request)
		at = &(*at)->next;
	*at = request->next;
	request->client->request_count--;
	calls_caller_gone(request->client->control->host->calls, request);
	if (request->job != NULL)
		request->free_job(request->job);
	if (request->batch != NULL)
		control_batch_leave(request->batch);
	free(request->id);
	free(request);
}

static void control_client_free(struct control_client *client)
{
	struct control_client **at = &client->control->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	client->control->client_count--;
	client->gone = true;
	bus_leave(&client->control->host->bus, &client->subscriber);
	while (client->requests != NULL)
		control_request_free(client->requests);
	bufferevent_free(client->stream);
	free(client);
}

bool control_write(struct control_client *client, const struct buf *text)
{
	struct evbuffer *out = bufferevent_get_output(client->stream);

	if (text->failed || evbuffer_get_length(out) + text->size > CONTROL_OUTPUT_MAX)
		return false;
	return bufferevent_write(client->stream, text->data, text->size) == 0;
}

/* No more is read; the client goes when its output is written. */
static void control_finish(struct control_client *client)
{
	static const struct timeval wait = {CONTROL_FINISH_S, 0};

	client->closing = true;
	(void)bufferevent_disable(client->stream, EV_READ);
	(void)bufferevent_set_timeouts(client->stream, NULL, &wait);
}

static void control_send(struct control_client *client, const struct buf *text)
{
	if (!control_write(client, text))
		control_finish(client);
}

/* One answer without its newline: sent, or put into the answer to BATCH. */
static void control_put(struct control_client *client, struct control_batch *batch,
			struct buf *answer)
{
	if (batch == NULL) {
		(void)buf_append(answer, "\n", 1);
		control_send(client, answer);
		return;
	}
	(void)buf_append(&batch->text, batch->text.size == 0 ? "[" : ",", 1);
	if (answer->failed || !buf_append(&batch->text, answer->data, answer->size))
		batch->text.failed = true;
}

void control_answer(struct control_request *request, const void *result, size_t size)
{
	struct buf line = {.limit = size + 1024};

	if (request->id != NULL) {
		(void)buf_printf(&line, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":", request->id);
		if (size > 0)
			(void)json_text_embed(&line, result, size);
		else
			(void)buf_append(&line, "null", 4);
		(void)buf_append(&line, "}", 1);
		control_put(request->client, request->batch, &line);
	}
	buf_free(&line);
	control_request_free(request);
}

/* ID is JSON text. */
static void control_send_error(struct control_client *client, struct control_batch *batch,
			       const char *id, int code, const char *message, int32_t data_code)
{
	struct buf line = {0};

	(void)buf_printf(
	    &line, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":%d,\"message\":", id, code);
	(void)json_text_string(&line, message);
	(void)buf_printf(&line, ",\"data\":{\"code\":\"%s\"}}}", adit_error_name(data_code));
	control_put(client, batch, &line);
	buf_free(&line);
}

void control_error(struct control_request *request, int code, const char *message,
		   int32_t data_code)
{
	if (request->id != NULL)
		control_send_error(request->client, request->batch, request->id, code, message,
				   data_code);
	control_request_free(request);
}

/* The request's `id` as JSON text; false when it is none. */
static bool control_id(struct json_object *message, char **id)
{
	struct json_object *value;
	const char *text;

	*id = NULL;
	if (!json_object_object_get_ex(message, "id", &value))
		return true;
	if (!json_object_is_type(value, json_type_null) &&
	    !json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double) &&
	    !json_object_is_type(value, json_type_string))
		return false;
	text =
	    value == NULL ? "null" : json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN);
	*id = strlen(text) <= 256 ? strdup(text) : NULL;
	return *id != NULL;
}

/* What is no request is answered even without an id (JSON-RPC 2.0, section 5). */
static bool control_is_request(struct json_object *message, struct json_object **method,
			       struct json_object **params)
{
	struct json_object *version;

	*params = NULL;
	return json_object_object_get_ex(message, "jsonrpc", &version) &&
	       json_object_is_type(version, json_type_string) &&
	       strcmp(json_object_get_string(version), "2.0") == 0 &&
	       json_object_object_get_ex(message, "method", method) &&
	       json_object_is_type(*method, json_type_string) &&
	       (!json_object_object_get_ex(message, "params", params) || *params == NULL ||
		json_object_is_type(*params, json_type_object) ||
		json_object_is_type(*params, json_type_array));
}

static void control_request(struct control_client *client, struct control_batch *batch,
			    struct json_object *message)
{
	struct json_object *method;
	struct json_object *params;
	struct control_request *request;
	char *id = NULL;

	if (!json_object_is_type(message, json_type_object) || !control_id(message, &id) ||
	    !control_is_request(message, &method, &params)) {
		control_send_error(client, batch, id != NULL ? id : "null", CONTROL_INVALID,
				   "expected \"jsonrpc\":\"2.0\", a method and params as an object",
				   ADIT_E_INVALID_ARGUMENT);
		free(id);
		return;
	}
	request = client->request_count < CONTROL_REQUESTS_MAX ? calloc(1, sizeof(*request)) : NULL;
	if (request == NULL) {
		control_send_error(client, batch, id != NULL ? id : "null", CONTROL_FAILED,
				   "too many requests are open: wait for answers", ADIT_E_LIMIT);
		free(id);
		return;
	}
	request->client = client;
	request->batch = batch;
	if (batch != NULL)
		batch->open++;
	request->id = id;
	request->next = client->requests;
	client->requests = request;
	client->request_count++;
	if (params != NULL && !json_object_is_type(params, json_type_object))
		control_error(request, CONTROL_PARAMS,
			      "params: expected an object, parameters have names",
			      ADIT_E_INVALID_ARGUMENT);
	else
		control_dispatch(request, json_object_get_string(method), params);
}

/* Several requests in an array, answered in one (JSON-RPC 2.0, section 6). */
static void control_batch(struct control_client *client, struct json_object *messages)
{
	size_t count = json_object_array_length(messages);
	struct control_batch *batch;

	if (count == 0 || count > CONTROL_BATCH_MAX) {
		control_send_error(client, NULL, "null", CONTROL_INVALID,
				   "a batch has 1 to 32 requests", ADIT_E_INVALID_ARGUMENT);
		return;
	}
	batch = calloc(1, sizeof(*batch));
	if (batch == NULL) {
		control_send_error(client, NULL, "null", CONTROL_FAILED, "out of memory",
				   ADIT_E_NO_MEMORY);
		return;
	}
	batch->client = client;
	batch->text.limit = CONTROL_OUTPUT_MAX;
	batch->open = 1; /* ours, so that it does not leave before all have been begun */
	for (size_t i = 0; i < count; i++)
		control_request(client, batch, json_object_array_get_idx(messages, i));
	control_batch_leave(batch);
}

/* LINE ends with a NUL, which is what ends a number for json-c. */
static void control_line(struct control_client *client, const char *line, size_t size)
{
	struct json_tokener *tokener = json_tokener_new_ex(CONTROL_DEPTH);
	struct json_object *message = NULL;

	if (strspn(line, " \t\r") == size) { /* an empty line */
		json_tokener_free(tokener);
		return;
	}
	if (tokener != NULL)
		message = json_text_valid(line, size)
			      ? json_tokener_parse_ex(tokener, line, (int)size + 1)
			      : NULL;
	if (message == NULL)
		control_send_error(client, NULL, "null", CONTROL_PARSE,
				   "the line is no JSON: expected one request or an array of them",
				   ADIT_E_INVALID_ARGUMENT);
	else if (json_object_is_type(message, json_type_array))
		control_batch(client, message);
	else
		control_request(client, NULL, message);
	(void)json_object_put(message);
	json_tokener_free(tokener);
}

static void control_on_read(struct bufferevent *stream, void *user)
{
	struct control_client *client = user;
	struct evbuffer *in = bufferevent_get_input(stream);
	size_t size;
	char *line;

	while (!client->closing && (line = evbuffer_readln(in, &size, EVBUFFER_EOL_LF)) != NULL) {
		if (size <= CONTROL_LINE_MAX)
			control_line(client, line, size);
		free(line);
	}
	if (!client->closing && evbuffer_get_length(in) > CONTROL_LINE_MAX) {
		control_send_error(client, NULL, "null", CONTROL_INVALID,
				   "the request is longer than 1 MiB", ADIT_E_LIMIT);
		control_finish(client);
	}
	if (client->closing && client->requests == NULL &&
	    evbuffer_get_length(bufferevent_get_output(stream)) == 0)
		control_client_free(client);
}

static void control_on_written(struct bufferevent *stream, void *user)
{
	struct control_client *client = user;

	(void)stream;
	if (client->closing && client->requests == NULL)
		control_client_free(client);
}

static void control_on_event(struct bufferevent *stream, short what, void *user)
{
	struct control_client *client = user;
	bool waits =
	    client->requests != NULL || evbuffer_get_length(bufferevent_get_output(stream)) > 0;

	/* `echo REQUEST | nc -U SOCKET` ends its side before the answer has come */
	if ((what & BEV_EVENT_EOF) != 0 && waits && client->subscriber.count == 0)
		control_finish(client);
	else
		control_client_free(client);
}

/* Who is at the other end of FD. */
static bool control_is_admin(int fd)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
		return false;
	return credentials.uid == 0 || credentials.uid == geteuid();
}

/* Makes room for an administrator: readers must not lock him out. */
static void control_drop_reader(struct control *control)
{
	for (struct control_client *client = control->clients; client != NULL;
	     client = client->next) {
		if (!client->admin) {
			control_client_free(client);
			return;
		}
	}
}

static void control_accept(struct control *control, int fd)
{
	struct control_client *client;
	bool admin = control_is_admin(fd);

	if (control->client_count >= CONTROL_CLIENTS_MAX && admin)
		control_drop_reader(control);
	client = control->client_count < CONTROL_CLIENTS_MAX ? calloc(1, sizeof(*client)) : NULL;
	if (client != NULL)
		client->stream =
		    bufferevent_socket_new(control->host->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (client == NULL || client->stream == NULL) {
		log_line(ADIT_LOG_WARNING, "control", "a client is refused: too many");
		free(client);
		(void)close(fd);
		return;
	}
	client->control = control;
	client->admin = admin;
	client->next = control->clients;
	control->clients = client;
	control->client_count++;
	bufferevent_setcb(client->stream, control_on_read, control_on_written, control_on_event,
			  client);
	bufferevent_setwatermark(client->stream, EV_READ, 0, CONTROL_LINE_MAX + 65536);
	(void)bufferevent_enable(client->stream, EV_READ | EV_WRITE);
}

static void control_on_readable(evutil_socket_t fd, short what, void *user)
{
	struct control *control = user;
	int peer = accept4((int)fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (peer >= 0)
		control_accept(control, peer);
	else if (errno == EMFILE || errno == ENFILE)
		log_line(ADIT_LOG_ERROR, "control", "accept: %s", strerror(errno));
}

struct control *control_open(struct host *host, struct error *e)
{
	struct control *control = calloc(1, sizeof(*control));

	if (control == NULL) {
		(void)error_set(e, ADIT_E_NO_MEMORY, "out of memory");
		return NULL;
	}
	control->host = host;
	control->fd = -1;
	if (listener_open_unix(host->conf->control_socket, &control->fd, e) != ADIT_OK) {
		free(control);
		return NULL;
	}
	control->path = strdup(host->conf->control_socket);
	control->readable =
	    event_new(host->base, control->fd, EV_READ | EV_PERSIST, control_on_readable, control);
	if (control->readable == NULL || event_add(control->readable, NULL) != 0 ||
	    control->path == NULL) {
		(void)error_set(e, ADIT_E_NO_MEMORY, "out of memory");
		control_close(control);
		return NULL;
	}
	return control;
}

void control_close(struct control *control)
{
	if (control == NULL)
		return;
	while (control->clients != NULL)
		control_client_free(control->clients);
	if (control->readable != NULL)
		event_free(control->readable);
	if (control->path != NULL)
		(void)unlink(control->path);
	(void)close(control->fd);
	free(control->path);
	free(control);
}
