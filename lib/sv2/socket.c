/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/sv2/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void sv2_socket_tune(int fd)
{
	const int on = 1;
	const int idle_s = 60;
	const int interval_s = 15;
	const int count = 4;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static void peer_unix(int fd, char out[SV2_PEER_SIZE])
{
	struct ucred who;
	socklen_t size = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0)
		(void)snprintf(out, SV2_PEER_SIZE, "unix:pid %ld", (long)who.pid);
	else
		(void)snprintf(out, SV2_PEER_SIZE, "unix:");
}

/* AT as text; false when it is no internet address. */
static bool format_address(const struct sockaddr_storage *at, socklen_t size,
			   char out[SV2_PEER_SIZE])
{
	char host[64];
	char port[8];

	if ((at->ss_family != AF_INET && at->ss_family != AF_INET6) ||
	    getnameinfo((const struct sockaddr *)at, size, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return false;
	(void)snprintf(out, SV2_PEER_SIZE, at->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
		       port);
	return true;
}

void sv2_socket_peer(int fd, bool is_unix, char out[SV2_PEER_SIZE])
{
	struct sockaddr_storage at;
	socklen_t size = sizeof(at);

	if (is_unix)
		peer_unix(fd, out);
	else if (getpeername(fd, (struct sockaddr *)&at, &size) < 0 ||
		 !format_address(&at, size, out))
		(void)snprintf(out, SV2_PEER_SIZE, "unknown");
}

void sv2_socket_local(int fd, char out[SV2_PEER_SIZE])
{
	struct sockaddr_storage at;
	socklen_t size = sizeof(at);

	if (getsockname(fd, (struct sockaddr *)&at, &size) < 0 || !format_address(&at, size, out))
		out[0] = '\0';
}

/* IPv6 addresses whose first 64 bits are 0x00000000 and something are of no network (RFC 4291
 * section 2.4), so that IPv4 fits in there. */
#define KEY_IPV4 (UINT64_C(1) << 32)
#define KEY_LOOPBACK6 1u

static uint64_t key_v4(const uint8_t b[4])
{
	return KEY_IPV4 +
	       ((uint64_t)b[0] << 24 | (uint64_t)b[1] << 16 | (uint64_t)b[2] << 8 | b[3]);
}

static uint64_t key_v6(const struct in6_addr *a)
{
	uint64_t prefix = 0;

	if (IN6_IS_ADDR_V4MAPPED(a))
		return key_v4(a->s6_addr + 12);
	for (size_t i = 0; i < 8; i++)
		prefix = prefix << 8 | a->s6_addr[i];
	return prefix != 0 ? prefix : KEY_LOOPBACK6;
}

uint64_t sv2_socket_key(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage all;
	} at;
	socklen_t size = sizeof(at);
	uint8_t b[4];

	if (getpeername(fd, &at.any, &size) < 0)
		return 0;
	if (at.any.sa_family == AF_INET6)
		return key_v6(&at.v6.sin6_addr);
	if (at.any.sa_family != AF_INET)
		return 0;
	memcpy(b, &at.v4.sin_addr, sizeof(b));
	return key_v4(b);
}

static int32_t address_parse_unix(const char *path, struct sv2_address *a, struct error *e)
{
	if (path[0] != '/' || strlen(path) >= sizeof(a->path))
		return error_set(e, ADIT_E_CONFIG,
				 "unix:%s: expected unix:/PATH with at most %zu bytes of path",
				 path, sizeof(a->path) - 1);
	a->is_unix = true;
	(void)snprintf(a->path, sizeof(a->path), "%s", path);
	return ADIT_OK;
}

static bool parse_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long value;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || value < 1 || value > UINT16_MAX)
		return false;
	*port = (uint16_t)value;
	return true;
}

/* What stands in brackets, as far as it must be known here: the resolver reads it. */
static bool is_v6(const char *text, size_t size)
{
	return memchr(text, ':', size) != NULL && memchr(text, '[', size) == NULL &&
	       memchr(text, ']', size) == NULL;
}

int32_t sv2_address_parse(const char *text, struct sv2_address *a, struct error *e)
{
	const char *colon = strrchr(text, ':');
	const char *host = text;
	size_t size;

	*a = (struct sv2_address){0};
	if (strncmp(text, "unix:", 5) == 0)
		return address_parse_unix(text + 5, a, e);
	size = colon != NULL ? (size_t)(colon - text) : 0;
	if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
		host++;
		size = is_v6(host, size - 2) ? size - 2 : 0;
	} else if (strcspn(text, ":[] \t") < size) {
		size = 0;
	}
	if (size == 0 || size >= sizeof(a->host) || !parse_port(colon + 1, &a->port))
		return error_set(e, ADIT_E_CONFIG,
				 "%s: expected HOST:PORT, [IPV6]:PORT or unix:/PATH", text);
	memcpy(a->host, host, size);
	return ADIT_OK;
}

void sv2_address_format(const struct sv2_address *a, char *out, size_t capacity)
{
	if (a->is_unix)
		(void)snprintf(out, capacity, "unix:%s", a->path);
	else
		(void)snprintf(out, capacity, strchr(a->host, ':') != NULL ? "[%s]:%u" : "%s:%u",
			       a->host, a->port);
}
