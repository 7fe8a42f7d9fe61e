/* SPDX-License-Identifier: MIT */
/* swarm.c: sockets and the loop; what the clients say is in swarm_sv2.c. */
#include "config.h"

#include "tests/bench/swarm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/util/clock.h"
#include "tests/bench/bench.h"

#define IN_FLIGHT 64     /* clients that are connecting at a time */
#define SILENCE_MS 60000 /* the server may take this long for anything */
#define SOURCES 250      /* 127.0.0.2 and so on */
#define READ_SIZE 65536
#define EVENTS 512

/* --- a socket ----------------------------------------------------------------------------------
 */

static void bind_source(int fd, size_t index)
{
	const int on = 1;
	struct sockaddr_in source = {.sin_family = AF_INET};

	/* The port is chosen at connect(), so that each address has all of them. */
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(index % SOURCES));
	if (bind(fd, (const struct sockaddr *)&source, sizeof(source)) != 0)
		bench_broken("a source address in 127.0.0.0/8 can't be used");
}

static int connect_from(size_t index, uint16_t port)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	const int on = 1;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		bench_broken("no socket: raise RLIMIT_NOFILE");
	bind_source(fd, index);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		bench_broken("a connection was not accepted");
	return fd;
}

static void client_start(struct swarm *s, size_t index)
{
	struct swarm_client *c = &s->clients[index];
	struct epoll_event watch = {.events = EPOLLIN, .data.ptr = c};

	*c = (struct swarm_client){.fd = connect_from(index, s->port)};
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, c->fd, &watch) != 0)
		bench_broken("epoll_ctl");
	swarm_begin(s, c);
}

static void client_close(struct swarm_client *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	noise_cipher_fini(&c->send);
	noise_cipher_fini(&c->receive);
	buf_free(&c->in);
}

void swarm_send(struct swarm_client *c, const uint8_t *data, size_t size)
{
	/* It fits the socket's buffer: nothing more is sent before it is answered. */
	if (send(c->fd, data, size, MSG_NOSIGNAL) != (ssize_t)size)
		bench_broken("the server closed a connection, or does not read");
}

/* --- the loop ----------------------------------------------------------------------------------
 */

static void client_read(struct swarm *s, struct swarm_client *c)
{
	static uint8_t scratch[READ_SIZE];
	ssize_t n = recv(c->fd, scratch, sizeof(scratch), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		bench_broken("the server closed a connection");
	s->counts.bytes += (size_t)n;
	swarm_receive(s, c, scratch, (size_t)n);
}

/* One turn; waits for MS at most. False when nothing came. */
static bool turn(struct swarm *s, int ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(s->epoll, events, EVENTS, ms);

	for (int i = 0; i < n; i++)
		client_read(s, events[i].data.ptr);
	return n > 0;
}

static void turn_or_break(struct swarm *s)
{
	if (!turn(s, SILENCE_MS))
		bench_broken("the server is silent");
}

static void make(struct swarm *s, enum swarm_kind kind, uint16_t port, size_t count)
{
	*s = (struct swarm){.kind = kind, .port = port, .count = count};
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->clients = calloc(count, sizeof(*s->clients));
	if (s->epoll < 0 || s->clients == NULL)
		bench_broken("out of memory");
	for (size_t i = 0; i < count; i++)
		s->clients[i].fd = -1;
}

static void open_all(struct swarm *s)
{
	for (size_t started = 0; s->ready < s->count;) {
		while (started < s->count && started - s->ready < IN_FLIGHT)
			client_start(s, started++);
		if (s->ready < s->count)
			turn_or_break(s);
	}
}

void swarm_open(struct swarm *s, enum swarm_kind kind, uint16_t port, size_t count)
{
	make(s, kind, port, count);
	open_all(s);
}

void swarm_open_bare(struct swarm *s, uint16_t port, size_t count, size_t request, size_t answer)
{
	make(s, SWARM_BARE, port, count);
	s->request = request;
	s->answer = answer;
	open_all(s);
}

void swarm_close(struct swarm *s)
{
	for (size_t i = 0; i < s->count; i++)
		client_close(&s->clients[i]);
	free(s->clients);
	(void)close(s->epoll);
	*s = (struct swarm){0};
}

void swarm_is_ready(struct swarm *s, struct swarm_client *c)
{
	(void)c;
	s->ready++;
}

/* One of the clients is always idle here: the one that was just answered. */
void swarm_next_batch(struct swarm *s)
{
	while (s->batch > 0) {
		struct swarm_client *c = &s->clients[s->next];

		s->next = (s->next + 1) % s->count;
		if (c->unanswered == 0) {
			swarm_send_shares(s, c);
			return;
		}
	}
}

uint64_t swarm_submit(struct swarm *s, size_t window, size_t batch, uint64_t most, uint32_t ms)
{
	uint64_t from = clock_monotonic_ns();
	uint64_t until = from + (uint64_t)ms * 1000000;
	uint64_t target = s->counts.accepted + most;

	s->batch = batch;
	for (size_t i = 0; i < window && i < s->count; i++)
		swarm_next_batch(s);
	while (s->counts.accepted < target && clock_monotonic_ns() < until)
		turn_or_break(s);
	s->batch = 0;
	while (s->unanswered > 0)
		turn_or_break(s);
	return clock_monotonic_ns() - from;
}

void swarm_await(struct swarm *s, const uint64_t *counter, uint64_t target)
{
	while (*counter < target)
		turn_or_break(s);
}

void swarm_rest(struct swarm *s, uint32_t ms)
{
	uint64_t until = clock_monotonic_ms() + ms;
	uint64_t now;

	while ((now = clock_monotonic_ms()) < until)
		(void)turn(s, (int)(until - now));
}

void swarm_settle(struct swarm *s, uint32_t ms)
{
	while (turn(s, (int)ms))
		;
}

/* Resets the clients that are ready and puts new ones in their places; how many it reset. */
static size_t renew(struct swarm *s, size_t *started, size_t count)
{
	size_t done = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct swarm_client *c = &s->clients[i];

		if (c->fd >= 0 && c->phase != SWARM_READY)
			continue;
		if (c->fd >= 0) {
			client_close(c);
			done++;
		}
		if (*started < count) {
			client_start(s, i);
			(*started)++;
		}
	}
	return done;
}

uint64_t swarm_churn(struct swarm *s, enum swarm_kind kind, uint16_t port, size_t count)
{
	uint64_t from = clock_monotonic_ns();
	size_t started = 0;
	size_t done = 0;

	make(s, kind, port, IN_FLIGHT);
	for (;;) {
		done += renew(s, &started, count);
		if (done == count)
			break;
		if (kind != SWARM_BARE)
			turn_or_break(s);
	}
	swarm_close(s);
	return clock_monotonic_ns() - from;
}
