/* SPDX-License-Identifier: MIT */
/* oauth_token.h: a token, what is known of it, and what an app-node's token says itself. */
#ifndef MININGOS_OAUTH_TOKEN_H
#define MININGOS_OAUTH_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

#define OAUTH_TOKEN_MAX 4096 /* characters */
#define OAUTH_ROLES 32
#define OAUTH_ROLE_MAX 64

struct oauth_roles {
	bool known;
	size_t count;
	char names[OAUTH_ROLES][OAUTH_ROLE_MAX];
};

enum oauth_kind {
	OAUTH_APP_NODE, /* renewed by POST /auth/token, as long as it is good */
	OAUTH_OAUTH2    /* renewed by its refresh token (RFC 6749 section 6), if it has one */
};

/* Wiped with secure_wipe() by whoever has one. */
struct oauth_token {
	char access[OAUTH_TOKEN_MAX + 1]; /* empty: none */
	char refresh[OAUTH_TOKEN_MAX + 1];
	enum oauth_kind kind;
	char app_node[288]; /* origin that it is for, and that alone is sent it */
	int64_t expires;    /* our clock, seconds since 1970; 0: not known */
	int64_t lifetime;   /* seconds; 0: not known */
	char user[64];
	char email[256];
	struct oauth_roles roles;
};

/* Whether TEXT can be a token: 1 to OAUTH_TOKEN_MAX printable characters of ASCII, no blanks. */
bool oauth_token_is_good(const char *text, size_t size);

/* What an app-node's token says of itself, unverified: nobody but the app-node can check it, and
 * this is only to know when to renew it, and with which roles. */
struct oauth_claims {
	int64_t issued; /* the app-node's clock; 0: not said */
	int64_t expires;
	struct oauth_roles roles;
};
/* TOKEN: a JWT (RFC 7519), or "pub:api:UUID-USER-roles:R1:R2". Another one says nothing. */
void oauth_token_read(const char *token, struct oauth_claims *claims);

/* Roles as an array of texts, or one text with colons, commas or blanks between. False, and ROLES
 * not known, when it is neither. Names that are no word or too long, and more than OAUTH_ROLES, are
 * left out. */
bool oauth_roles_read(struct json_object *value, struct oauth_roles *roles);
bool oauth_roles_have(const struct oauth_roles *roles, const char *name);
/* [..]; the caller puts it. NULL without memory. */
struct json_object *oauth_roles_json(const struct oauth_roles *roles);
/* "a, b", cut. */
void oauth_roles_text(const struct oauth_roles *roles, char *out, size_t room);
/* Those of BEFORE that NOW has not. Known when both are. */
void oauth_roles_lost(const struct oauth_roles *before, const struct oauth_roles *now,
		      struct oauth_roles *lost);

#endif
