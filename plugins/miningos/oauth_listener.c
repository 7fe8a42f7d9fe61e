/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/oauth_listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util/random.h"

#define MAX_CONNECTIONS 8
#define TIMEOUT_S 10

struct conn {
	struct oauth_listener *listener;
	struct bufferevent *bev;
	bool serving;
	bool answered;
};

struct oauth_listener {
	struct event_base *base;
	struct http_url url;
	struct evconnlistener *sockets[2];
	struct conn conns[MAX_CONNECTIONS];
	oauth_listener_fn fn;
	void *user;
};

static void conn_close(struct conn *c)
{
	bufferevent_free(c->bev);
	memset(c, 0, sizeof(*c));
}

/* --- answers ------------------------------------------------------------------------------------
 */

static const char *reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 302:
		return "Found";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 410:
		return "Gone";
	case 414:
		return "URI Too Long";
	case 421:
		return "Misdirected Request";
	case 431:
		return "Request Header Fields Too Large";
	default:
		return "Bad Request";
	}
}

static void conn_answer(struct conn *c, const struct oauth_reply *reply)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);

	c->answered = true;
	bufferevent_disable(c->bev, EV_READ);
	evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\n", reply->status, reason(reply->status));
	if (reply->location != NULL)
		evbuffer_add_printf(out, "Location: %s\r\n", reply->location);
	if (reply->cookie != NULL)
		evbuffer_add_printf(
		    out, "Set-Cookie: " OAUTH_COOKIE "=%s; Path=/; HttpOnly; SameSite=Lax\r\n",
		    reply->cookie);
	/* The address that the browser shows has the token in it: it is not to go on from here. */
	evbuffer_add_printf(out,
			    "Content-Type: text/plain; charset=utf-8\r\n"
			    "X-Content-Type-Options: nosniff\r\n"
			    "Content-Security-Policy: default-src 'none'\r\n"
			    "Referrer-Policy: no-referrer\r\n"
			    "Cache-Control: no-store\r\n"
			    "Connection: close\r\n"
			    "Content-Length: %zu\r\n\r\n%s\n",
			    strlen(reply->text) + 1, reply->text);
}

/* As a browser writes it: without the port where that is the scheme's own. */
static bool is_own_host(const struct oauth_listener *l, const char *host)
{
	char own[288];

	snprintf(own, sizeof(own), "%s:%u", l->url.host, (unsigned)l->url.port);
	return strcasecmp(host, own) == 0 ||
	       (l->url.port == 80 && strcasecmp(host, l->url.host) == 0);
}

static void conn_serve(struct conn *c, const char *head, size_t size)
{
	struct oauth_listener *l = c->listener;
	struct oauth_reply reply = {.text = "This is no request that is answered here."};
	struct oauth_request request;

	reply.status = oauth_request_read(head, size, &request);
	if (reply.status == 0 && !is_own_host(l, request.host))
		reply.status = 421;
	if (reply.status == 0) {
		reply.status = 404;
		l->fn(l->user, &request, &reply);
	}
	secure_wipe(&request, sizeof(request));
	conn_answer(c, &reply);
}

/* --- connections --------------------------------------------------------------------------------
 */

static void on_read(struct bufferevent *bev, void *user)
{
	struct conn *c = user;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	struct oauth_reply reply = {.status = 431, .text = "That is too much for a request."};
	size_t size = end.pos >= 0 ? (size_t)end.pos + 4 : 0;
	unsigned char *head;

	if (c->answered)
		return;
	if (size > OAUTH_REQUEST_MAX ||
	    (size == 0 && evbuffer_get_length(in) >= OAUTH_REQUEST_MAX)) {
		conn_answer(c, &reply);
		return;
	}
	if (size == 0)
		return;
	head = evbuffer_pullup(in, (ev_ssize_t)size);
	if (head == NULL) {
		conn_close(c);
		return;
	}
	c->serving = true;
	conn_serve(c, (const char *)head, size);
	secure_wipe(head, size);
}

static void on_write(struct bufferevent *bev, void *user)
{
	struct conn *c = user;

	if (c->answered && evbuffer_get_length(bufferevent_get_output(bev)) == 0) {
		(void)shutdown(bufferevent_getfd(bev), SHUT_WR);
		conn_close(c);
	}
}

static void on_event(struct bufferevent *bev, short what, void *user)
{
	(void)bev;
	(void)what;
	conn_close(user);
}

static struct conn *free_place(struct oauth_listener *l)
{
	for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
		if (l->conns[i].bev == NULL)
			return &l->conns[i];
	}
	return NULL;
}

static void on_accept(struct evconnlistener *socket, evutil_socket_t fd, struct sockaddr *from,
		      int size, void *user)
{
	struct oauth_listener *l = user;
	struct conn *c = free_place(l);
	struct timeval limit = {.tv_sec = TIMEOUT_S};

	(void)socket;
	(void)from;
	(void)size;
	if (c != NULL)
		c->bev = bufferevent_socket_new(l->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (c == NULL || c->bev == NULL) {
		(void)close(fd);
		return;
	}
	c->listener = l;
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, OAUTH_REQUEST_MAX);
	bufferevent_set_timeouts(c->bev, &limit, &limit);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static struct evconnlistener *listen_at(struct oauth_listener *l, const struct sockaddr *at,
					size_t size)
{
	return evconnlistener_new_bind(l->base, on_accept, l,
				       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
					   LEV_OPT_REUSEABLE,
				       MAX_CONNECTIONS, at, (int)size);
}

/* The port of the other family could be somebody else's, and browsers try that one first. */
static bool listen_both(struct oauth_listener *l)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(l->url.port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_port = htons(l->url.port),
				  .sin6_addr = in6addr_loopback};
	bool name = strcasecmp(l->url.host, "localhost") == 0;

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (name || inet_pton(AF_INET, l->url.host, &v4.sin_addr) == 1)
		l->sockets[0] = listen_at(l, (struct sockaddr *)&v4, sizeof(v4));
	if (l->url.host[0] != '[' && l->sockets[0] == NULL)
		return false;
	if (!name && l->url.host[0] != '[')
		return true;
	l->sockets[1] = listen_at(l, (struct sockaddr *)&v6, sizeof(v6));
	if (l->sockets[1] != NULL)
		return true;
	return name && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
}

int32_t oauth_listener_new(struct oauth_listener **out, struct event_base *base,
			   const struct http_url *url, oauth_listener_fn fn, void *user,
			   struct error *e)
{
	struct oauth_listener *l = calloc(1, sizeof(*l));

	*out = NULL;
	if (l == NULL)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	l->base = base;
	l->url = *url;
	l->fn = fn;
	l->user = user;
	if (!listen_both(l)) {
		(void)error_set(e, ADIT_E_IO, "%s can't be listened on: %s", url->origin,
				strerror(errno));
		oauth_listener_free(l);
		return ADIT_E_IO;
	}
	*out = l;
	return ADIT_OK;
}

void oauth_listener_close(struct oauth_listener *l)
{
	for (size_t i = 0; i < 2; i++) {
		if (l->sockets[i] != NULL)
			evconnlistener_free(l->sockets[i]);
		l->sockets[i] = NULL;
	}
	for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
		if (l->conns[i].bev != NULL && !l->conns[i].serving)
			conn_close(&l->conns[i]);
	}
}

void oauth_listener_free(struct oauth_listener *l)
{
	if (l == NULL)
		return;
	oauth_listener_close(l);
	for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
		if (l->conns[i].bev != NULL)
			conn_close(&l->conns[i]);
	}
	free(l);
}
