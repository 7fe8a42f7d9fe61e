/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/aditctl/control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ini.h>

#include "host/aditctl/json.h"
#include "host/aditctl/text.h"
#include "host/paths.h"
#include "lib/util/clock.h"

#define READ_SIZE 65536u

/* --- where the socket is ------------------------------------------------------------------------
 */

struct host_section {
	char control_socket[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 64];
	char run_dir[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 64];
};

static int take_line(void *user, const char *section, const char *name, const char *value)
{
	struct host_section *host = user;

	if (strcmp(section, "host") != 0)
		return 1;
	if (strcmp(name, "control_socket") == 0)
		snprintf(host->control_socket, sizeof(host->control_socket), "%s", value);
	else if (strcmp(name, "run_dir") == 0)
		snprintf(host->run_dir, sizeof(host->run_dir), "%s", value);
	return 1;
}

/* PATH and REST; a relative PATH starts at the directory of the file CONFIG (adit.conf(5)). */
static void beside(const char *config, const char *path, const char *rest, char *out,
		   size_t capacity)
{
	const char *slash = strrchr(config, '/');
	int size = *path != '/' && slash != NULL ? (int)(slash - config) + 1 : 0;

	snprintf(out, capacity, "%.*s%s%s", size, config, path, rest);
}

void control_path(const char *config, char *out, size_t capacity)
{
	struct host_section host = {"", ""};
	const char *environment = getenv("ADIT_SOCKET");

	if (environment != NULL && *environment != '\0') {
		snprintf(out, capacity, "%s", environment);
		return;
	}
	/* A file with errors is aditd's to complain about. */
	(void)ini_parse(config, take_line, &host);
	if (*host.control_socket != '\0')
		beside(config, host.control_socket, "", out, capacity);
	else if (*host.run_dir != '\0')
		beside(config, host.run_dir, "/control.sock", out, capacity);
	else
		snprintf(out, capacity, "%s/control.sock", ADIT_RUNDIR);
}

/* --- connecting ---------------------------------------------------------------------------------
 */

static int32_t cannot_connect(const char *path, int reason, struct error *e)
{
	switch (reason) {
	case ENOENT:
	case ENOTDIR:
		return error_set(e, ADIT_E_UNAVAILABLE,
				 "aditd is not running: no socket at %s; start it with "
				 "`aditd -c FILE`, or name its socket with -s or ADIT_SOCKET",
				 path);
	case ECONNREFUSED:
		return error_set(
		    e, ADIT_E_UNAVAILABLE,
		    "aditd is not running: nobody listens at %s, which a stopped aditd left "
		    "behind; start it with `aditd -c FILE`",
		    path);
	case EACCES:
	case EPERM:
		return error_set(e, ADIT_E_PERMISSION_DENIED,
				 "%s: permission denied; run aditctl as the user that runs aditd, "
				 "or as root",
				 path);
	default:
		return error_set(e, ADIT_E_UNAVAILABLE, "%s: %s", path, strerror(reason));
	}
}

int32_t control_open(struct control *c, const char *path, struct error *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int saved;

	memset(c, 0, sizeof(*c));
	c->in.limit = CONTROL_ANSWER_MAX;
	c->fd = -1;
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "%.60s...: the path of a socket is at most %zu bytes long", path,
				 sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return error_set(e, ADIT_E_IO, "socket: %s", strerror(errno));
	if (connect(c->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return ADIT_OK;
	saved = errno;
	control_close(c);
	return cannot_connect(path, saved, e);
}

void control_close(struct control *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buf_free(&c->in);
}

/* --- sending ------------------------------------------------------------------------------------
 */

static int32_t gone(struct error *e)
{
	return error_set(e, ADIT_E_IO, "aditd closed the connection; see its log");
}

static int32_t send_all(struct control *c, const char *data, size_t size, struct error *e)
{
	while (size > 0) {
		ssize_t n = send(c->fd, data, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return gone(e);
		data += n;
		size -= (size_t)n;
	}
	return ADIT_OK;
}

int32_t control_send(struct control *c, const char *method, struct json_object *params,
		     uint64_t *id, struct error *e)
{
	struct json_object *request = json_object_new_object();
	size_t size = 0;
	const char *text;
	int32_t result;

	c->last_id++;
	if (id != NULL)
		*id = c->last_id;
	json_object_object_add(request, "jsonrpc", json_object_new_string("2.0"));
	json_object_object_add(request, "id", json_object_new_int64((int64_t)c->last_id));
	json_object_object_add(request, "method", json_object_new_string(method));
	json_object_object_add(request, "params",
			       params != NULL ? json_object_get(params) : json_object_new_object());
	text = json_object_to_json_string_length(request, JSON_C_TO_STRING_PLAIN, &size);
	if (text == NULL)
		result = error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	else if (size >= CONTROL_REQUEST_MAX)
		result = error_set(e, ADIT_E_LIMIT, "the request is longer than %zu bytes",
				   CONTROL_REQUEST_MAX);
	else
		result = send_all(c, text, size, e);
	if (result == ADIT_OK)
		result = send_all(c, "\n", 1, e);
	json_object_put(request);
	return result;
}

/* --- receiving ----------------------------------------------------------------------------------
 */

/* Takes the first whole line of what has arrived; false when there is none yet. */
static bool take_message(struct control *c, struct json_object **message, int32_t *result,
			 struct error *e)
{
	char *line = (char *)c->in.data;
	char *end;
	size_t size;

	if (c->scanned == c->in.size)
		return false;
	end = memchr(line + c->scanned, '\n', c->in.size - c->scanned);
	if (end == NULL) {
		c->scanned = c->in.size;
		return false;
	}
	size = (size_t)(end - line);
	*end = '\0';
	*result = json_parse(line, size, message, e);
	if (*result == ADIT_OK && !json_object_is_type(*message, json_type_object)) {
		json_object_put(*message);
		*message = NULL;
		*result = error_set(e, ADIT_E_PROTOCOL, "aditd sent something that is no object");
	}
	buf_drain(&c->in, size + 1);
	c->scanned = 0;
	return true;
}

/* Waits until something can be read. */
static int32_t wait_readable(struct control *c, int timeout_ms, struct error *e)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	struct timespec limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
	int n = ppoll(&p, 1, timeout_ms < 0 ? NULL : &limit, c->wait_mask);

	if (n > 0)
		return ADIT_OK;
	if (n == 0)
		return error_set(e, ADIT_E_TIMEOUT, "aditd did not answer in time; see its log");
	if (errno == EINTR)
		return error_set(e, ADIT_E_CANCELLED, "interrupted");
	return error_set(e, ADIT_E_IO, "poll: %s", strerror(errno));
}

static int32_t read_more(struct control *c, struct error *e)
{
	uint8_t *room = buf_reserve(&c->in, READ_SIZE);
	ssize_t n;

	if (room == NULL)
		return error_set(e, ADIT_E_PROTOCOL, "aditd sent a line of more than %zu bytes",
				 CONTROL_ANSWER_MAX - READ_SIZE);
	n = recv(c->fd, room, READ_SIZE, MSG_DONTWAIT);
	if (n > 0)
		c->in.size += (size_t)n;
	else if (n == 0 || (errno != EINTR && errno != EAGAIN))
		return gone(e);
	return ADIT_OK;
}

int32_t control_receive(struct control *c, int timeout_ms, struct json_object **message,
			struct error *e)
{
	uint64_t until = clock_monotonic_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
	int32_t result = ADIT_OK;

	*message = NULL;
	while (!take_message(c, message, &result, e)) {
		uint64_t now = clock_monotonic_ms();
		int left = timeout_ms < 0 ? -1 : now < until ? (int)(until - now) : 0;

		result = wait_readable(c, left, e);
		if (result == ADIT_OK)
			result = read_more(c, e);
		if (result != ADIT_OK)
			break;
	}
	return result;
}

/* The adit error that an error answer names: data.code where aditd gave one. */
static int32_t answer_code(struct json_object *error)
{
	const char *name = json_text(json_object_member(error, "data"), "code", "");

	for (int32_t code = ADIT_E_INTERNAL; code >= ADIT_E_CONFIG; code--)
		if (strcmp(name, adit_error_name(code)) == 0)
			return code;
	switch (json_integer(error, "code", 0)) { /* JSON-RPC 2.0 section 5.1 */
	case -32601:
		return ADIT_E_NOT_FOUND;
	case -32600:
	case -32602:
	case -32700:
		return ADIT_E_INVALID_ARGUMENT;
	default:
		return ADIT_E_INTERNAL;
	}
}

bool control_answer(struct json_object *message, uint64_t id, struct json_object **result,
		    int32_t *code, struct error *e)
{
	struct json_object *error = json_member(message, "error");
	char text[256];

	*result = NULL;
	/* An error before the id could be read is answered with id null. */
	if (json_integer(message, "id", -1) != (int64_t)id &&
	    !(error != NULL && json_member(message, "id") == NULL))
		return false;
	if (error != NULL) {
		text_clean(json_text(error, "message", "no reason given"), text, sizeof(text));
		*code = answer_code(error);
		error_set(e, *code, "%s (%s)", text, adit_error_name(*code));
		return true;
	}
	*code = ADIT_OK;
	*result = json_object_get(json_member(message, "result"));
	return true;
}

int32_t control_request(struct control *c, const char *method, struct json_object *params,
			int timeout_ms, struct json_object **result, struct error *e)
{
	uint64_t until = clock_monotonic_ms() + (uint64_t)timeout_ms;
	struct json_object *message;
	uint64_t id;
	int32_t code;

	*result = NULL;
	c->refused = false;
	code = control_send(c, method, params, &id, e);
	while (code == ADIT_OK) {
		uint64_t now = clock_monotonic_ms();
		bool answered;

		code = control_receive(c, now < until ? (int)(until - now) : 0, &message, e);
		if (code != ADIT_OK)
			break;
		answered = control_answer(message, id, result, &code, e);
		json_object_put(message);
		c->refused = answered && code != ADIT_OK;
		if (answered)
			break;
	}
	return code;
}
