/* SPDX-License-Identifier: MIT */
/*
 * listeners.h: the listening sockets, all of them the host's: one per address, opened before its
 * role is started and kept across the role's restarts, so that a restart refuses nobody.
 */
#ifndef HOST_LISTENERS_H
#define HOST_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/util/error.h"

struct listener {
	struct listener *next;
	char *owner;     /* "instance key" */
	char *requested; /* as configured */
	char *address;   /* as bound */
	int fd;
	bool is_unix;
	bool used; /* by the current configuration */
};

struct listeners {
	struct listener *first;
};

/* The socket of REQUESTED (a text of address_normal()) for OWNER; opens it if need be. On ADIT_E_IO
 * E tells the address and the reason. The listener stays the set's. */
int32_t listeners_open(struct listeners *all, const char *owner, const char *requested,
		       const struct listener **out, struct error *e);

/* Whether all of LIST, a setting of type listen of INSTANCE, is open. */
bool listeners_have(const struct listeners *all, const char *instance, const char *key,
		    const char *list);

/* Closes those for which `used` is false, and sets it to false on the others. */
void listeners_sweep(struct listeners *all);
void listeners_free(struct listeners *all);

/* Opens a listening Unix socket at PATH, mode 0660; a stale one is replaced, one that answers is
 * not. */
int32_t listener_open_unix(const char *path, int *fd, struct error *e);

#endif
