/* SPDX-License-Identifier: MIT */
/*
 * pool_config.h: the action setupPools, which is updatePoolConfig elsewhere: another pool for the
 * role that mines upstream (pool_config_target). All miners behind that role have one upstream, so
 * of an action that names many of them the first does it, and the others have its result.
 */
#ifndef MININGOS_POOL_CONFIG_H
#define MININGOS_POOL_CONFIG_H

#include <stdint.h>

struct action_run;
struct json_object;
struct miningos;
struct thing;

struct pool_update {
	struct json_object *shown; /* what was sent last, without its password; NULL: nothing */
	uint8_t digest[32];        /* of all that was sent: its secrets are not kept */
	char number[32];            /* of the action that it was for */
	uint64_t done_ms;           /* Unix, when it was taken; 0: not yet, or refused */
};

/* [{config: {id, poolUrls: [{url, workerName, workerPassword?, authorityKey?, jdsUrl?}, ..]}}], of
 * which the first is taken, or
 * [{pool_url, pool_user?, pool_password?, authority_key?, jds_url?}]. */
const char *pool_config_check(struct miningos *m, const struct thing *t,
			      struct json_object *params);
/* What of PARAMS goes to the role, under its names, without the password; a new object. */
struct json_object *pool_config_shown(struct json_object *params);
void pool_config_start(struct action_run *run);
void pool_config_end(struct miningos *m);

#endif
