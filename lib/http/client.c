/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/http/client.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <adit/error.h>

#include "lib/util/buf.h"
#include "lib/util/random.h"

#define CONNECT_TIMEOUT_MS 5000L
#define IDLE_CONNECTIONS 8L
#define MAX_HEADER_BYTES (64 * 1024)

struct http_client {
	struct event_base *base;
	struct event *timer;
	CURLM *multi;
	char *ca_file;
	struct http_call *calls;
	size_t count;
	size_t max_calls;
};

struct http_call {
	struct http_call *next;
	struct http_client *client;
	CURL *easy;
	struct curl_slist *headers;
	struct buf request;
	struct buf response;
	size_t header_bytes;
	int64_t date;
	char type[128];
	char location[512];
	bool secret;
	bool in_multi;
	bool answering;
	bool cancelled;
	http_answer_fn fn;
	void *user;
	char curl_error[CURL_ERROR_SIZE];
};

/* --- one call -----------------------------------------------------------------------------------
 */

static void wipe(struct http_call *call)
{
	secure_wipe(call->request.data, call->request.size);
	secure_wipe(call->response.data, call->response.size);
	for (struct curl_slist *line = call->headers; line != NULL; line = line->next)
		secure_wipe(line->data, strlen(line->data));
}

static void call_free(struct http_call *call)
{
	struct http_client *c = call->client;
	struct http_call **at = &c->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	c->count--;
	if (call->in_multi)
		curl_multi_remove_handle(c->multi, call->easy);
	if (call->easy != NULL)
		curl_easy_cleanup(call->easy);
	if (call->secret)
		wipe(call);
	curl_slist_free_all(call->headers);
	buf_free(&call->request);
	buf_free(&call->response);
	free(call);
}

/* Gives the answer and ends the call. */
static void call_answer(struct http_call *call, int32_t error, const char *message)
{
	struct http_answer answer = {.error = error,
				     .message = message,
				     .body = &call->response,
				     .type = call->type,
				     .location = call->location,
				     .date = call->date};

	if (error == ADIT_OK)
		curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &answer.status);
	call->answering = true;
	if (!call->cancelled)
		call->fn(call->user, &answer);
	call_free(call);
}

static int32_t error_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return ADIT_OK;
	case CURLE_OPERATION_TIMEDOUT:
		return ADIT_E_TIMEOUT;
	case CURLE_UNSUPPORTED_PROTOCOL: /* what answers begins like no HTTP */
	case CURLE_WEIRD_SERVER_REPLY:
		return ADIT_E_PROTOCOL;
	default:
		return ADIT_E_UNAVAILABLE;
	}
}

static void call_done(struct http_call *call, CURLcode code)
{
	const char *message =
	    call->curl_error[0] != '\0' ? call->curl_error : curl_easy_strerror(code);
	char text[96];

	curl_multi_remove_handle(call->client->multi, call->easy);
	call->in_multi = false;
	if (call->response.failed) {
		snprintf(text, sizeof(text), "the answer is too large: more than %zu bytes",
			 call->response.limit);
		call_answer(call, ADIT_E_LIMIT, text);
	} else if (call->header_bytes > MAX_HEADER_BYTES)
		call_answer(call, ADIT_E_LIMIT, "the answer's headers are too large");
	else
		call_answer(call, error_of(code), code == CURLE_OK ? "" : message);
}

/* --- libcurl on libevent ------------------------------------------------------------------------
 */

static void drain(struct http_client *c)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
		struct http_call *call = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		call_done(call, message->data.result);
	}
}

static void on_socket(evutil_socket_t fd, short what, void *user)
{
	struct http_client *c = user;
	int flags = ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
		    ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
	int running;

	curl_multi_socket_action(c->multi, fd, flags, &running);
	drain(c);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
	struct http_client *c = user;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	drain(c);
}

static int set_timer(CURLM *multi, long ms, void *user)
{
	struct http_client *c = user;
	struct timeval tv;

	(void)multi;
	if (ms < 0) {
		evtimer_del(c->timer);
		return 0;
	}
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	evtimer_add(c->timer, &tv);
	return 0;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *per_socket)
{
	struct http_client *c = user;
	struct event *event = per_socket;
	int flags = EV_PERSIST;

	(void)easy;
	if (event != NULL)
		event_free(event);
	if (what == CURL_POLL_REMOVE) {
		curl_multi_assign(c->multi, fd, NULL);
		return 0;
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		flags |= EV_READ;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		flags |= EV_WRITE;
	event = event_new(c->base, fd, (short)flags, on_socket, c);
	curl_multi_assign(c->multi, fd, event);
	return event != NULL && event_add(event, NULL) == 0 ? 0 : -1;
}

struct http_client *http_client_new(struct event_base *base, size_t max_calls, const char *ca_file)
{
	struct http_client *c;
	bool ok;

	/* Counts how often; the last clean-up ends it. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		curl_global_cleanup();
		return NULL;
	}
	c->base = base;
	c->max_calls = max_calls;
	if (ca_file != NULL)
		c->ca_file = strdup(ca_file);
	c->timer = evtimer_new(base, on_timer, c);
	c->multi = curl_multi_init();
	ok = c->timer != NULL && c->multi != NULL && (ca_file == NULL || c->ca_file != NULL);
	if (!ok) {
		http_client_free(c);
		return NULL;
	}
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS);
	return c;
}

void http_client_free(struct http_client *c)
{
	if (c == NULL)
		return;
	while (c->calls != NULL)
		call_free(c->calls);
	if (c->multi != NULL)
		curl_multi_cleanup(c->multi);
	if (c->timer != NULL)
		event_free(c->timer);
	free(c->ca_file);
	free(c);
	curl_global_cleanup();
}

/* --- what comes ---------------------------------------------------------------------------------
 */

static size_t on_data(char *data, size_t size, size_t count, void *user)
{
	struct http_call *call = user;

	return buf_append(&call->response, data, size * count) ? size * count : 0;
}

/* When the line of SIZE bytes at DATA is the header NAME, its value is copied to OUT, cut. */
static bool take_header(const char *data, size_t size, const char *name, char *out, size_t room)
{
	size_t length = strlen(name);

	if (size <= length || strncasecmp(data, name, length) != 0 || data[length] != ':')
		return false;
	data += length + 1;
	size -= length + 1;
	while (size > 0 && (*data == ' ' || *data == '\t')) {
		data++;
		size--;
	}
	while (size > 0 && (unsigned char)data[size - 1] <= ' ')
		size--;
	if (size >= room)
		size = room - 1;
	memcpy(out, data, size);
	out[size] = '\0';
	return true;
}

static size_t on_header(char *data, size_t unit, size_t count, void *user)
{
	struct http_call *call = user;
	size_t size = unit * count;
	char date[64];

	call->header_bytes += size;
	if (call->header_bytes > MAX_HEADER_BYTES)
		return 0;
	if (take_header(data, size, "date", date, sizeof(date))) {
		time_t when = curl_getdate(date, NULL);

		call->date = when > 0 ? (int64_t)when : 0;
	}
	(void)take_header(data, size, "content-type", call->type, sizeof(call->type));
	(void)take_header(data, size, "location", call->location, sizeof(call->location));
	return size;
}

/* --- sending ------------------------------------------------------------------------------------
 */

static void restrict_protocols(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static void set_server(struct http_call *call)
{
	CURL *easy = call->easy;

	restrict_protocols(easy);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (call->client->ca_file != NULL) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, call->client->ca_file);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	}
}

static void set_callbacks(struct http_call *call)
{
	CURL *easy = call->easy;

	curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_error);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
}

static bool set_request(struct http_call *call, const struct http_request *request)
{
	CURL *easy = call->easy;

	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
	if (request->body != NULL) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->request.size);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)call->request.data);
	}
	/* After the body, which would make it a POST. */
	if (request->body != NULL || strcmp(request->method, "GET") != 0)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	if (request->user != NULL) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		if (curl_easy_setopt(easy, CURLOPT_USERNAME, request->user) != CURLE_OK ||
		    curl_easy_setopt(easy, CURLOPT_PASSWORD, request->password) != CURLE_OK)
			return false;
	}
	return curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK;
}

static bool add_header(struct http_call *call, const char *line)
{
	struct curl_slist *longer = curl_slist_append(call->headers, line);

	if (longer == NULL)
		return false;
	call->headers = longer;
	return true;
}

static bool call_begin(struct http_call *call, const struct http_request *request)
{
	/* Without an "Expect" of its own libcurl would wait a second before it sends a large body.
	 */
	bool ok = add_header(call, "Expect:");

	for (size_t i = 0; ok && request->headers != NULL && request->headers[i] != NULL; i++)
		ok = add_header(call, request->headers[i]);
	/* A byte more than nothing, so that an empty body has an address. */
	if (request->body != NULL)
		ok = ok && buf_reserve(&call->request, request->size + 1) != NULL &&
		     buf_append(&call->request, request->body, request->size);
	call->easy = curl_easy_init();
	if (!ok || call->easy == NULL)
		return false;
	set_server(call);
	set_callbacks(call);
	if (!set_request(call, request) ||
	    curl_multi_add_handle(call->client->multi, call->easy) != CURLM_OK)
		return false;
	call->in_multi = true;
	return true;
}

struct http_call *http_client_send(struct http_client *c, const struct http_request *request,
				   http_answer_fn fn, void *user)
{
	struct http_call *call = c->count < c->max_calls ? calloc(1, sizeof(*call)) : NULL;

	if (call == NULL)
		return NULL;
	call->client = c;
	call->fn = fn;
	call->user = user;
	call->secret = request->secret;
	call->response.limit = request->max_bytes;
	call->next = c->calls;
	c->calls = call;
	c->count++;
	if (!call_begin(call, request)) {
		call_free(call);
		return NULL;
	}
	return call;
}

void http_client_cancel(struct http_call *call)
{
	if (call == NULL)
		return;
	call->cancelled = true;
	if (!call->answering)
		call_free(call);
}
