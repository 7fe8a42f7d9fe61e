/* SPDX-License-Identifier: MIT */
/* oauth_answers.h: what servers answer about tokens. The texts are from outside. */
#ifndef MININGOS_OAUTH_ANSWERS_H
#define MININGOS_OAUTH_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/util/error.h"
#include "plugins/miningos/oauth_token.h"

/* What there is of GET /auth/userinfo and GET /auth/permissions. */
struct oauth_user {
	char user[64];
	char email[256];
	struct oauth_roles roles;
};

/* {userId, ips, metadata: {email, roles}, ..}: `roles` and `email` may be outside of metadata, too.
 * ADIT_E_PROTOCOL when it is no object. */
int32_t oauth_read_userinfo(const void *text, size_t size, struct oauth_user *user,
			    struct error *e);
/* {permissions: {write, ..}}. ADIT_E_PROTOCOL without a `write` that is true or false. */
int32_t oauth_read_permissions(const void *text, size_t size, bool *write, struct error *e);
/* {token} of POST /auth/token. TOKEN is to be wiped. */
int32_t oauth_read_renewal(const void *text, size_t size, char token[OAUTH_TOKEN_MAX + 1],
			   struct error *e);
/* RFC 6749 section 5.1: access_token, token_type (bearer), expires_in, refresh_token. What TOKEN
 * has as refresh token stays when there is no new one; `lifetime` is 0 when nothing is said. */
int32_t oauth_read_grant(const void *text, size_t size, struct oauth_token *token, struct error *e);
/* Of an answer that is an error: its word (the app-node's `message` or `error`, RFC 6749
 * section 5.2's `error`), "" without. */
void oauth_read_problem(const void *text, size_t size, char *out, size_t room);

#endif
