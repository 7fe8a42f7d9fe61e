/* SPDX-License-Identifier: MIT */
/*
 * miningos_rig.h: the role miningos in a fake host, with a pool, a CPU miner and a node that a test
 * plays: what they answer is set here, what they were asked is kept.
 */
#ifndef MININGOS_RIG_H
#define MININGOS_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plugins/miningos/miningos.h"
#include "tests/unit/fake_host.h"

struct json_object;

struct rig {
	struct adit_host *host; /* of miningos */
	struct miningos *m;
	struct json_object *channels; /* of the pool, an array as list_channels has it */
	struct json_object *device;   /* status of the CPU miner */
	struct json_object *status;   /* of the pool; NULL: it has no such method */
	unsigned pages;               /* list_channels was asked so often */
	char asked[64][512];          /* "ROLE METHOD JSON" of everything else, in order */
	size_t asked_count;
	bool pool_gone;  /* the pool answers unavailable */
	bool pool_mute;  /* update_pool_config gets no answer */
	bool pool_wrong; /* update_pool_config is refused */
};

extern struct rig rig;

/* OPTIONS ended by a NULL key, or NULL. Starts everything; the first look is over when it returns.
 */
void rig_begin(const struct fake_option *options);
/* Stops and starts miningos alone, with what it has in its directory. */
void rig_restart(void);
void rig_end(void);

/* A channel of the pool, pool.1/CONN/CHANNEL. */
void rig_channel(unsigned conn, unsigned channel, const char *user, const char *endpoint);
/* Its counters from now on. */
void rig_shares(unsigned conn, unsigned channel, unsigned accepted, unsigned rejected,
		unsigned stale);
void rig_no_channels(void);
/* Has the miners looked at, and waits until that is over. */
void rig_look(void);

/* Calls METHOD of the miners' rack (or of RACK), and waits. The answer (the caller's), or NULL with
 * the error in rig_error(). */
struct json_object *rig_call(const char *method, const char *params);
struct json_object *rig_call_rack(const char *rack, const char *method, const char *params);
const char *rig_error(void); /* "" when there was none */
/* The same, and the answer has to be RESULT, or the error ERROR. */
void rig_expect(const char *method, const char *params, const char *result);
void rig_expect_error(const char *method, const char *params, const char *error);
/* A method of the role, called as `control`; the result is the caller's, NULL after an error, whose
 * code is in *CODE (may be NULL). */
struct json_object *rig_method(const char *method, const char *params, int32_t *code);

struct json_object *rig_parse(const char *text);
/* The member at PATH ("a.b"), a text or a number; has to be there. */
const char *rig_text(struct json_object *o, const char *path);
double rig_number(struct json_object *o, const char *path);
/* The id of the thing of USER at the pool. */
const char *rig_thing(const char *user);
/* The last of rig.asked, "" for none. */
const char *rig_asked(void);

#endif
