/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "http_script.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define FLOOD_PIECE 65536

struct script_conn {
	struct script_server *server;
	struct script_conn *next;
	struct bufferevent *bev;
	struct event *drip;
	struct script_request request;
	uint64_t flood; /* bytes to come */
	bool closing;   /* once all is written */
};

static void conn_free(struct script_conn *c)
{
	struct script_conn **at = &c->server->conns;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->server->open--;
	if (c->drip != NULL)
		event_free(c->drip);
	bufferevent_free(c->bev);
	free(c);
}

/* --- requests --- */

const char *script_header(const struct script_request *request, const char *name)
{
	static char value[4096];
	size_t length = strlen(name);

	for (const char *line = request->head; line != NULL && *line != '\0';) {
		const char *end = strstr(line, "\r\n");

		if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
			line += length + 1;
			line += strspn(line, " ");
			snprintf(value, sizeof(value), "%.*s",
				 end != NULL ? (int)(end - line) : (int)strlen(line), line);
			return value;
		}
		line = end != NULL ? end + 2 : NULL;
	}
	return "";
}

/* False: not all of a request is there. */
static bool take_request(struct script_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct script_request *r = &c->request;
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	size_t head;
	size_t body;

	if (end.pos < 0 || (size_t)end.pos + 5 > sizeof(r->head))
		return false;
	head = (size_t)end.pos + 4;
	evbuffer_copyout(in, r->head, head);
	r->head[head] = '\0';
	body = strtoul(script_header(r, "content-length"), NULL, 10);
	if (body >= sizeof(r->body) || evbuffer_get_length(in) < head + body)
		return false;
	evbuffer_drain(in, head);
	evbuffer_remove(in, r->body, body);
	r->body[body] = '\0';
	r->body_size = body;
	r->conn = c;
	return sscanf(r->head, "%15s %8191s", r->method, r->target) == 2;
}

static void on_read(struct bufferevent *bev, void *user)
{
	struct script_conn *c = user;
	struct script_server *s = c->server;

	(void)bev;
	if (c->closing || c->flood > 0 || !take_request(c))
		return;
	snprintf(s->log[s->requests % SCRIPT_LOG], sizeof(s->log[0]), "%.15s %.230s",
		 c->request.method, c->request.target);
	s->requests++;
	s->fn(s->user, &c->request);
}

static void on_write(struct bufferevent *bev, void *user)
{
	static char piece[FLOOD_PIECE];
	struct script_conn *c = user;
	size_t size = c->flood < FLOOD_PIECE ? (size_t)c->flood : FLOOD_PIECE;

	if (size > 0) {
		memset(piece, ' ', size);
		c->flood -= size;
		c->server->sent += size;
		bufferevent_write(bev, piece, size);
	} else if (c->closing && c->drip == NULL) {
		conn_free(c);
	}
}

static void on_event(struct bufferevent *bev, short what, void *user)
{
	(void)bev;
	(void)what;
	conn_free(user);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
		      int size, void *user)
{
	struct script_server *s = user;
	struct script_conn *c = calloc(1, sizeof(*c));

	(void)listener;
	(void)from;
	(void)size;
	if (c == NULL)
		abort();
	c->server = s;
	c->next = s->conns;
	s->conns = c;
	s->open++;
	s->connections++;
	c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL)
		abort();
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* --- answers --- */

void script_raw(struct script_request *request, const void *bytes, size_t size, bool close)
{
	request->conn->closing = close;
	bufferevent_write(request->conn->bev, bytes, size);
}

void script_answer(struct script_request *request, int status, const char *headers,
		   const char *body)
{
	struct bufferevent *bev = request->conn->bev;
	char date[64];
	time_t now = time(NULL);
	struct tm tm;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	evbuffer_add_printf(bufferevent_get_output(bev),
			    "HTTP/1.1 %d Status\r\nContent-Type: application/json\r\n%s"
			    "%s%s%sContent-Length: %zu\r\n\r\n%s",
			    status, headers, strstr(headers, "Date:") == NULL ? "Date: " : "",
			    strstr(headers, "Date:") == NULL ? date : "",
			    strstr(headers, "Date:") == NULL ? "\r\n" : "", strlen(body), body);
}

void script_flood(struct script_request *request, const char *head, uint64_t size)
{
	request->conn->flood = size;
	request->conn->closing = true;
	bufferevent_write(request->conn->bev, head, strlen(head));
}

static void on_drip(evutil_socket_t fd, short what, void *user)
{
	struct script_conn *c = user;

	(void)fd;
	(void)what;
	bufferevent_write(c->bev, " ", 1);
}

void script_drip(struct script_request *request, const char *head)
{
	struct script_conn *c = request->conn;
	struct timeval tv = {.tv_usec = 20000};

	bufferevent_write(c->bev, head, strlen(head));
	c->drip = event_new(c->server->base, -1, EV_PERSIST, on_drip, c);
	if (c->drip == NULL || event_add(c->drip, &tv) != 0)
		abort();
}

void script_hang(struct script_request *request)
{
	(void)request;
}

/* --- life --- */

void script_server_init(struct script_server *s, struct event_base *base, script_fn fn, void *user)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);

	memset(s, 0, sizeof(*s));
	s->base = base;
	s->fn = fn;
	s->user = user;
	s->listener =
	    evconnlistener_new_bind(base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE,
				    16, (struct sockaddr *)&at, sizeof(at));
	if (s->listener == NULL ||
	    getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&at, &size) != 0)
		abort();
	s->port = ntohs(at.sin_port);
}

void script_server_free(struct script_server *s)
{
	while (s->conns != NULL)
		conn_free(s->conns);
	evconnlistener_free(s->listener);
}
