/* SPDX-License-Identifier: MIT */
/* rpc_auth.h: who we are to the node: a user with password from the configuration, or the cookie
 * that the node writes anew at each start. */
#ifndef NODE_RPC_AUTH_H
#define NODE_RPC_AUTH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "lib/util/error.h"

#define RPC_AUTH_MAX 512

struct rpc_auth {
	char cookie[512]; /* path; empty with a configured user */
	char user[RPC_AUTH_MAX];
	char password[RPC_AUTH_MAX];
	/* Which file the two came from. */
	ino_t inode;
	off_t size;
	struct timespec changed;
};

/* USER NULL: the cookie at COOKIE. ADIT_E_CONFIG when something is too long. */
int32_t rpc_auth_init(struct rpc_auth *a, const char *cookie, const char *user,
		      const char *password, struct error *e);
/* Wipes. */
void rpc_auth_fini(struct rpc_auth *a);
/* Reads the cookie when it is another file than before, or in any case with FORCE. *CHANGED tells
 * whether user or password are others now. ADIT_E_UNAVAILABLE without a readable cookie. */
int32_t rpc_auth_refresh(struct rpc_auth *a, bool force, bool *changed, struct error *e);

#endif
