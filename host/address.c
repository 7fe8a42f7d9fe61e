/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define ADDRESS_UNIX "unix:"

/* Splits HOST:PORT or [V6]:PORT. */
static bool address_split(const char *text, char *host, size_t capacity, bool *v6, uint16_t *port)
{
	const char *colon = strrchr(text, ':');
	const char *from = text;
	size_t size;
	char *end;
	unsigned long number;

	if (colon == NULL || colon[1] < '0' || colon[1] > '9')
		return false;
	number = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || number > 65535)
		return false;
	*port = (uint16_t)number;
	size = (size_t)(colon - text);
	*v6 = size >= 2 && text[0] == '[' && text[size - 1] == ']';
	if (*v6) {
		from++;
		size -= 2;
	}
	if (size == 0 || size >= capacity)
		return false;
	memcpy(host, from, size);
	host[size] = '\0';
	return *v6 || strchr(host, ':') == NULL;
}

static int32_t address_normal_unix(const char *path, const char *base, struct buf *out,
				   struct error *e)
{
	size_t before = out->size;

	if (path[0] == '\0')
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "expected a path after `unix:`");
	if (path[0] == '/')
		(void)buf_printf(out, ADDRESS_UNIX "%s", path);
	else
		(void)buf_printf(out, ADDRESS_UNIX "%s/%s", base, path);
	/* sun_path holds 108 bytes with the NUL (unix(7)) */
	if (out->size - before - strlen(ADDRESS_UNIX) >=
	    sizeof(((struct sockaddr_un *)0)->sun_path))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "expected a socket path of at most 107 bytes, not %.*s",
				 (int)(out->size - before), (const char *)out->data + before);
	return ADIT_OK;
}

static int32_t address_normal_inet(const char *text, bool connect, struct buf *out, struct error *e)
{
	char host[200];
	struct in6_addr in6;
	struct in_addr in4;
	uint16_t port;
	bool v6;

	if (!address_split(text, host, sizeof(host), &v6, &port))
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "expected HOST:PORT, [V6]:PORT or unix:PATH, not `%.60s`", text);
	if (strcmp(host, "localhost") == 0)
		strcpy(host, "127.0.0.1");
	else if (strcmp(host, "*") == 0 && !connect)
		strcpy(host, "0.0.0.0");
	if (v6 && inet_pton(AF_INET6, host, &in6) == 1)
		(void)buf_printf(out, "[%s]:%u", host, port);
	else if (!v6 && (connect || inet_pton(AF_INET, host, &in4) == 1))
		(void)buf_printf(out, "%s:%u", host, port);
	else
		return error_set(e, ADIT_E_INVALID_ARGUMENT,
				 "expected a numeric address before the port, not `%.60s`", text);
	return ADIT_OK;
}

int32_t address_normal(const char *text, const char *base, bool connect, struct buf *out,
		       struct error *e)
{
	char address[ADDRESS_TEXT_MAX];
	size_t size = connect ? strcspn(text, " \t") : strlen(text);
	int32_t error;

	if (size >= sizeof(address))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "expected at most %d bytes",
				 ADDRESS_TEXT_MAX - 1);
	memcpy(address, text, size);
	address[size] = '\0';
	if (strncmp(address, ADDRESS_UNIX, strlen(ADDRESS_UNIX)) == 0)
		error = address_normal_unix(address + strlen(ADDRESS_UNIX), base, out, e);
	else
		error = address_normal_inet(address, connect, out, e);
	if (error == ADIT_OK)
		(void)buf_printf(out, "%s", text + size);
	return error;
}

bool address_sockaddr(const char *text, struct sockaddr_storage *address, socklen_t *size)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_in in4 = {.sin_family = AF_INET};
	char host[64];
	uint16_t port;
	bool v6;

	if (strncmp(text, ADDRESS_UNIX, strlen(ADDRESS_UNIX)) == 0) {
		const char *path = text + strlen(ADDRESS_UNIX);

		if (strlen(path) >= sizeof(local.sun_path))
			return false;
		strcpy(local.sun_path, path);
		memcpy(address, &local, sizeof(local));
		*size = sizeof(local);
		return true;
	}
	if (!address_split(text, host, sizeof(host), &v6, &port))
		return false;
	if (v6) {
		in6.sin6_port = htons(port);
		memcpy(address, &in6, sizeof(in6));
		*size = sizeof(in6);
		return inet_pton(AF_INET6, host, &((struct sockaddr_in6 *)address)->sin6_addr) == 1;
	}
	in4.sin_port = htons(port);
	memcpy(address, &in4, sizeof(in4));
	*size = sizeof(in4);
	return inet_pton(AF_INET, host, &((struct sockaddr_in *)address)->sin_addr) == 1;
}

void address_text(const struct sockaddr *address, socklen_t size, char *out)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (address->sa_family == AF_UNIX && size > sizeof(sa_family_t)) {
		struct sockaddr_un local;

		memset(&local, 0, sizeof(local));
		memcpy(&local, address, size < sizeof(local) ? size : sizeof(local) - 1);
		(void)snprintf(out, ADDRESS_TEXT_MAX, ADDRESS_UNIX "%.107s", local.sun_path);
	} else if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof(in6));
		(void)inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
		(void)snprintf(out, ADDRESS_TEXT_MAX, "[%s]:%u", host, ntohs(in6.sin6_port));
	} else if (address->sa_family == AF_INET) {
		struct sockaddr_in in4;

		memcpy(&in4, address, sizeof(in4));
		(void)inet_ntop(AF_INET, &in4.sin_addr, host, sizeof(host));
		(void)snprintf(out, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(in4.sin_port));
	} else {
		(void)snprintf(out, ADDRESS_TEXT_MAX, "?");
	}
}
