/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "host/listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/address.h"

#define LISTENER_BACKLOG 1024

/* Removes the socket file that a host that is gone has left at PATH. */
static int32_t listener_remove_stale(const struct sockaddr_un *address, struct error *e)
{
	const char *path = address->sun_path;
	struct stat st;
	int fd;
	int result;

	if (lstat(path, &st) != 0)
		return ADIT_OK;
	if (!S_ISSOCK(st.st_mode))
		return error_set(e, ADIT_E_IO, "unix:%s: a file that is no socket is in the way",
				 path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(e, ADIT_E_IO, "unix:%s: %s", path, strerror(errno));
	result = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	if (result != 0 && errno == ECONNREFUSED)
		result = unlink(path);
	else
		result = -1;
	(void)close(fd);
	if (result != 0)
		return error_set(e, ADIT_E_IO, "unix:%s: another process listens there", path);
	return ADIT_OK;
}

int32_t listener_open_unix(const char *path, int *out, struct error *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd;
	int result;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "unix:%s: longer than 107 bytes",
				 path);
	strcpy(address.sun_path, path);
	if (listener_remove_stale(&address, e) != ADIT_OK)
		return ADIT_E_IO;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0117);
	result = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&address, sizeof(address));
	(void)umask(mask);
	if (result == 0)
		result = listen(fd, LISTENER_BACKLOG);
	if (result != 0) {
		(void)error_set(e, ADIT_E_IO, "unix:%s: %s", path, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return ADIT_E_IO;
	}
	*out = fd;
	return ADIT_OK;
}

static int32_t listener_open_inet(const char *text, int *out, struct error *e)
{
	struct sockaddr_storage address;
	socklen_t size;
	int one = 1;
	int fd;

	if (!address_sockaddr(text, &address, &size))
		return error_set(e, ADIT_E_INVALID_ARGUMENT, "%s: not an address", text);
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (address.ss_family == AF_INET6)
			(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	}
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, size) != 0 ||
	    listen(fd, LISTENER_BACKLOG) != 0) {
		(void)error_set(e, ADIT_E_IO, "%s: %s", text, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return ADIT_E_IO;
	}
	*out = fd;
	return ADIT_OK;
}

static struct listener *listener_new(const char *owner, const char *requested, int fd, bool is_unix)
{
	struct listener *l = calloc(1, sizeof(*l));
	struct sockaddr_storage bound = {0};
	socklen_t size = sizeof(bound);
	char text[ADDRESS_TEXT_MAX];

	if (l == NULL)
		return NULL;
	if (getsockname(fd, (struct sockaddr *)&bound, &size) == 0 && !is_unix)
		address_text((const struct sockaddr *)&bound, size, text);
	else
		(void)snprintf(text, sizeof(text), "%s", requested);
	l->fd = fd;
	l->is_unix = is_unix;
	l->owner = strdup(owner);
	l->requested = strdup(requested);
	l->address = strdup(text);
	return l;
}

int32_t listeners_open(struct listeners *all, const char *owner, const char *requested,
		       const struct listener **out, struct error *e)
{
	bool is_unix = strncmp(requested, "unix:", 5) == 0;
	struct listener *l;
	int32_t error;
	int fd;

	for (l = all->first; l != NULL; l = l->next) {
		if (strcmp(l->owner, owner) == 0 && strcmp(l->requested, requested) == 0) {
			l->used = true;
			*out = l;
			return ADIT_OK;
		}
	}
	error = is_unix ? listener_open_unix(requested + 5, &fd, e)
			: listener_open_inet(requested, &fd, e);
	if (error != ADIT_OK)
		return error;
	l = listener_new(owner, requested, fd, is_unix);
	if (l == NULL) {
		(void)close(fd);
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	}
	l->used = true;
	l->next = all->first;
	all->first = l;
	*out = l;
	return ADIT_OK;
}

static bool listener_is(const struct listeners *all, const char *owner, const char *requested)
{
	for (const struct listener *l = all->first; l != NULL; l = l->next) {
		if (strcmp(l->owner, owner) == 0 && strcmp(l->requested, requested) == 0)
			return true;
	}
	return false;
}

bool listeners_have(const struct listeners *all, const char *instance, const char *key,
		    const char *list)
{
	char *copy = strdup(list);
	char *at = NULL;
	char owner[160];
	bool have = copy != NULL;

	(void)snprintf(owner, sizeof(owner), "%s %s", instance, key);
	for (char *item = copy != NULL ? strtok_r(copy, ",", &at) : NULL; item != NULL;
	     item = strtok_r(NULL, ",", &at))
		have = have && listener_is(all, owner, item);
	free(copy);
	return have;
}

static void listener_free(struct listener *l)
{
	if (l->is_unix)
		(void)unlink(l->requested + 5);
	(void)close(l->fd);
	free(l->owner);
	free(l->requested);
	free(l->address);
	free(l);
}

void listeners_sweep(struct listeners *all)
{
	struct listener **at = &all->first;

	while (*at != NULL) {
		struct listener *l = *at;

		if (l->used) {
			l->used = false;
			at = &l->next;
			continue;
		}
		*at = l->next;
		listener_free(l);
	}
}

void listeners_free(struct listeners *all)
{
	for (struct listener *l = all->first; l != NULL; l = l->next)
		l->used = false;
	listeners_sweep(all);
}
