/* SPDX-License-Identifier: MIT */
/*
 * token_cache.h: the file that keeps a token over a restart: JSON, mode 0600, replaced as a whole
 * and never changed in place.
 *
 *	{"version": 1, "app_node": "http://localhost:3000", "kind": "app-node" or "oauth2",
 *	 "access_token": "..", "refresh_token": "..", "expires": 1790000000, "lifetime": 300,
 *	 "user": "..", "email": "..", "roles": [".."]}
 *
 * Reading and writing block for as long as a small file takes.
 */
#ifndef MININGOS_TOKEN_CACHE_H
#define MININGOS_TOKEN_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"
#include "plugins/miningos/oauth_token.h"

#define TOKEN_CACHE_MAX 32768 /* bytes of the file */

/* Fills *TOKEN, to be wiped. ADIT_E_NOT_FOUND: no such file. ADIT_E_PERMISSION_DENIED: it is not of
 * this user, or others can get at it. ADIT_E_CONFIG: a symbolic link, no regular file, too large or
 * not of that form. ADIT_E_IO. */
int32_t token_cache_load(const char *path, struct oauth_token *token, struct error *e);
/* Writes beside PATH, syncs, renames, syncs the directory. ADIT_E_IO. */
int32_t token_cache_store(const char *path, const struct oauth_token *token, struct error *e);
/* That there is none is no error. */
int32_t token_cache_remove(const char *path, struct error *e);

/* The text of a file. ADIT_E_CONFIG. */
int32_t token_cache_parse(const char *text, size_t size, struct oauth_token *token,
			  struct error *e);

#endif
