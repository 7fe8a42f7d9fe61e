/* SPDX-License-Identifier: MIT */
/* methods.h: the methods of a role with miners are made known to the host, at its start. */
#ifndef MINING_METHODS_H
#define MINING_METHODS_H

#include <stddef.h>
#include <stdint.h>

#include <adit/plugin.h>

#include "lib/util/error.h"

struct mining;

struct mining_method {
	const char *name;
	int32_t mode; /* ADIT_METHOD_... */
	adit_method_fn fn;
};

/* Registers METHODS, whose `user` is the role (the hooks' context); the engine's, which all roles
 * with miners have (listing.h, orders.h); and opens the share log. The error of the host, with E:
 * what it would not do. */
int32_t mining_begin(struct mining *mining, const struct mining_method *methods, size_t count,
		     struct error *e);

#endif
