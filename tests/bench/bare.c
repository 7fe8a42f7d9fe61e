/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "tests/bench/bare.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/daemon.h"

#define BACKLOG 4096
#define EVENTS 4096
#define BUFFER_SIZE 65536

/* In the process; everything that fails ends it, and the benchmark notices. */
struct server {
	int listener;
	int orders;
	int epoll;
	size_t request;
	size_t answer;
	int *peers;
	size_t peer_count;
};

static uint8_t buffer[BUFFER_SIZE];

/* --- the process -------------------------------------------------------------------------------
 */

static void watch(const struct server *s, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		_exit(1);
}

static int take_peer(const struct server *s)
{
	const int on = 1;
	int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		_exit(1);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static _Noreturn void serve_accept(const struct server *s)
{
	for (;;) {
		int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			_exit(0);
		(void)close(fd);
	}
}

static void echo(const struct server *s, int fd)
{
	ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
	size_t answers = n > 0 ? (size_t)n / s->request : 0;

	if (n <= 0)
		(void)close(fd);
	else if (answers > 0 && send(fd, buffer, answers * s->answer, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static void add_peer(struct server *s)
{
	int *grown = realloc(s->peers, (s->peer_count + 1) * sizeof(*grown));

	if (grown == NULL)
		_exit(1);
	s->peers = grown;
	s->peers[s->peer_count++] = take_peer(s);
}

static void send_to_all(const struct server *s)
{
	size_t size;

	if (read(s->orders, &size, sizeof(size)) != (ssize_t)sizeof(size))
		_exit(0);
	for (size_t i = 0; i < s->peer_count; i++)
		if (send(s->peers[i], buffer, size, MSG_NOSIGNAL) != (ssize_t)size)
			_exit(1);
	if (write(s->orders, &size, sizeof(size)) != (ssize_t)sizeof(size))
		_exit(0);
}

static void serve_event(struct server *s, int fd)
{
	if (fd == s->orders) {
		send_to_all(s);
	} else if (fd != s->listener) {
		echo(s, fd);
	} else {
		add_peer(s);
		watch(s, s->peers[s->peer_count - 1]);
	}
}

static _Noreturn void serve_echo(struct server *s)
{
	static struct epoll_event events[EVENTS];

	watch(s, s->listener);
	watch(s, s->orders);
	for (;;) {
		int n = epoll_wait(s->epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++)
			serve_event(s, events[i].data.fd);
	}
}

static _Noreturn void serve(struct server *s, enum bare_kind kind)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0)
		_exit(1);
	if (kind == BARE_ACCEPT)
		serve_accept(s);
	serve_echo(s);
}

/* --- the benchmark's side ----------------------------------------------------------------------
 */

static int listen_somewhere(uint16_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(fd, BACKLOG) != 0 || getsockname(fd, (struct sockaddr *)&at, &size) != 0)
		bench_broken("no listening socket");
	*port = ntohs(at.sin_port);
	return fd;
}

void bare_start(struct bare *b, enum bare_kind kind, size_t request, size_t answer)
{
	struct server s = {.request = request, .answer = answer};
	int ends[2];

	s.listener = listen_somewhere(&b->port);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		bench_broken("no sockets");
	b->orders = ends[0];
	s.orders = ends[1];
	b->pid = fork();
	if (b->pid == 0) {
		(void)close(ends[0]);
		serve(&s, kind);
	}
	(void)close(ends[1]);
	(void)close(s.listener);
	if (b->pid < 0)
		bench_broken("no process");
}

void bare_stop(struct bare *b)
{
	(void)close(b->orders);
	(void)kill(b->pid, SIGKILL);
	(void)waitpid(b->pid, NULL, 0);
}

void bare_send(const struct bare *b, size_t size)
{
	if (size > BUFFER_SIZE || write(b->orders, &size, sizeof(size)) != (ssize_t)sizeof(size) ||
	    read(b->orders, &size, sizeof(size)) != (ssize_t)sizeof(size))
		bench_broken("the bare server failed");
}

double bare_cpu_ns(const struct bare *b)
{
	return process_cpu_ns(b->pid);
}
