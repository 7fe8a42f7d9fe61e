/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/oauth_request.h"

#include <string.h>
#include <strings.h>

#include "lib/http/url.h"
#include "lib/util/random.h"
#include "plugins/miningos/rest_json.h"

static bool copy(const char *text, size_t size, char *out, size_t room)
{
	if (size >= room)
		return false;
	memcpy(out, text, size);
	out[size] = '\0';
	return true;
}

/* "GET /path?query HTTP/1.1" */
static int read_line(const char *line, size_t size, struct oauth_request *request)
{
	const char *space = memchr(line, ' ', size);
	const char *end = line + size;
	const char *target;
	const char *mark;

	if (space == NULL)
		return 400;
	if (space - line != 3 || memcmp(line, "GET", 3) != 0)
		return 405;
	target = space + 1;
	space = memchr(target, ' ', (size_t)(end - target));
	if (space == NULL || end - space != 9 || memcmp(space, " HTTP/1.", 8) != 0 ||
	    (space[8] != '0' && space[8] != '1') || *target != '/')
		return 400;
	for (const char *at = target; at < space; at++) {
		if (*at <= ' ' || *at > '~')
			return 400;
	}
	mark = memchr(target, '?', (size_t)(space - target));
	if (mark == NULL)
		mark = space;
	if (!copy(target, (size_t)(mark - target), request->path, sizeof(request->path)))
		return 414;
	mark += mark < space;
	if (!copy(mark, (size_t)(space - mark), request->query, sizeof(request->query)))
		return 414;
	return 0;
}

/* "a=1; adit_login=..." */
static void read_cookie(const char *value, size_t size, struct oauth_request *request)
{
	const size_t length = strlen(OAUTH_COOKIE);
	const char *end = value + size;

	for (const char *at = value; at < end;) {
		const char *stop = memchr(at, ';', (size_t)(end - at));
		size_t here = (size_t)((stop != NULL ? stop : end) - at);

		if (here > length && memcmp(at, OAUTH_COOKIE, length) == 0 && at[length] == '=')
			(void)copy(at + length + 1, here - length - 1, request->cookie,
				   sizeof(request->cookie));
		at += here + 1;
		while (at < end && *at == ' ')
			at++;
	}
}

static int read_header(const char *line, size_t size, struct oauth_request *request)
{
	const char *colon = memchr(line, ':', size);
	size_t name;
	const char *value;
	size_t left;

	if (colon == NULL || colon == line)
		return 400;
	name = (size_t)(colon - line);
	value = colon + 1;
	left = size - name - 1;
	while (left > 0 && (*value == ' ' || *value == '\t')) {
		value++;
		left--;
	}
	while (left > 0 && (value[left - 1] == ' ' || value[left - 1] == '\t'))
		left--;
	if (name == 6 && strncasecmp(line, "cookie", 6) == 0)
		read_cookie(value, left, request);
	if (name != 4 || strncasecmp(line, "host", 4) != 0)
		return 0;
	if (request->host[0] != '\0' || left == 0 ||
	    !copy(value, left, request->host, sizeof(request->host)) ||
	    strlen(request->host) != left)
		return 400;
	return 0;
}

int oauth_request_read(const char *head, size_t size, struct oauth_request *request)
{
	const char *end = head + size;
	bool first = true;
	int status = 0;

	memset(request, 0, sizeof(*request));
	while (status == 0) {
		const char *stop = memchr(head, '\n', (size_t)(end - head));
		size_t line;

		if (stop == NULL || stop == head || stop[-1] != '\r')
			return 400;
		line = (size_t)(stop - 1 - head);
		if (line == 0 && !first)
			return request->host[0] != '\0' ? 0 : 400;
		status = first ? read_line(head, line, request) : read_header(head, line, request);
		first = false;
		head = stop + 1;
	}
	return status;
}

bool oauth_result_read(const char *query, size_t size, struct oauth_result *result)
{
	char error[512];
	unsigned kinds = 0;

	memset(result, 0, sizeof(*result));
	if (http_query_value(query, size, "authToken", result->token, sizeof(result->token)) &&
	    result->token[0] != '\0') {
		/* One that can't be a token makes nothing else good. */
		kinds += oauth_token_is_good(result->token, strlen(result->token)) ? 1 : 2;
	}
	if (http_query_value(query, size, "code", result->code, sizeof(result->code)) &&
	    result->code[0] != '\0')
		kinds++;
	if (http_query_value(query, size, "error", error, sizeof(error)) && error[0] != '\0') {
		rest_json_show(error, result->error, sizeof(result->error));
		kinds++;
	}
	(void)http_query_value(query, size, "state", result->state, sizeof(result->state));
	if (kinds == 1)
		return true;
	secure_wipe(result, sizeof(*result));
	return false;
}
