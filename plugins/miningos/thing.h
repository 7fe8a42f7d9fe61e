/* SPDX-License-Identifier: MIT */
/* thing.h: a thing, MiningOS's word for a device: what is stored of it, and what it does now. */
#ifndef MININGOS_THING_H
#define MININGOS_THING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "plugins/miningos/window.h"

#define THING_ID_MAX 64
#define THING_CODE_MAX 64
#define THING_TYPE "miner-sv2"
#define THING_SAMPLES 288 /* of five minutes: a day */

struct json_object;
struct chan;

enum thing_status { THING_OFFLINE, THING_MINING, THING_SLEEPING, THING_NOT_MINING, THING_ERROR };

/* As MiningOS writes it. */
const char *thing_status_name(enum thing_status status);

struct share_counts {
	uint64_t accepted;
	uint64_t rejected;
	uint64_t stale;
};

/* What was measured at one moment; `last` of a thing is made of it. */
struct snapshot {
	uint64_t ts; /* Unix ms; 0: there was none yet */
	enum thing_status status;
	struct share_counts added;               /* since the snapshot before */
	struct share_counts total;               /* of the connection */
	double mhs_avg, mhs_1m, mhs_5m, mhs_30m; /* MH/s */
	double difficulty;
	uint64_t uptime_ms;
	bool paused; /* by an action */
};

/* Every five minutes. */
struct sample {
	uint32_t ts; /* Unix time in seconds, a multiple of 300 */
	float mhs_5m;
	float mhs_30m;
	float mhs_avg;
	uint32_t accepted; /* since the sample before */
	uint16_t rejected;
	uint16_t stale;
	uint8_t status;
};

struct alert {
	const char *name; /* one of alerts.c's */
	uint64_t created_ms;
	char uuid[37];
};

#define THING_ALERTS 4

struct thing {
	char id[THING_ID_MAX + 1];
	char code[THING_CODE_MAX + 1];
	char *name; /* what its id was made of; NULL when it was registered by hand */
	struct json_object *opts;
	struct json_object *info;
	struct json_object *tags; /* the caller's, an array; those by rule are not stored */
	struct json_object *comments;
	/* now */
	struct chan *chan; /* NULL: it is not connected */
	char device[72];   /* worker of a role of this machine that it is, "" for none */
	bool device_paused;
	uint64_t device_limit;  /* hashes a second, 0 for none */
	double device_hashrate; /* as it measures it itself; 0 when not known */
	char endpoint[80];      /* address of the connection, the last one */
	uint64_t since_ms;      /* Unix: connected, or away, since */
	uint64_t last_share_ms; /* Unix; 0: none yet */
	double work;            /* hashes since it connected */
	struct window window;
	struct share_counts added; /* since the last snapshot */
	struct share_counts bad;   /* of the last snapshots, decaying: whether it is in error */
	struct snapshot snap;
	struct share_counts minute;  /* since the last minute */
	struct share_counts sampled; /* since the last sample */
	struct sample *samples;      /* a ring */
	uint16_t sample_count, sample_next, sample_room;
	struct alert alerts[THING_ALERTS];
	uint8_t alert_count;
	/* of the table */
	bool doomed; /* about to be removed */
	size_t place;
	uint32_t ordinal;      /* of those with its role and user */
	uint32_t free_ordinal; /* of the first of them: the lowest that may be free */
	struct thing *next_id, *next_code, *next_name;
};

/* 15 base62 characters made of NAME. */
void thing_make_id(const char *name, char out[16]);
/* A new one; NULL without memory. What it keeps is not set, but for empty objects. */
struct thing *thing_new(const char *id, const char *code, const char *name);
void thing_free(struct thing *t);
/* A new snapshot from what was counted; AT is Unix ms. */
void thing_snap(struct thing *t, uint64_t at);
/* What MiningOS sees of it; LAST: with its last snapshot. A new object. */
struct miningos;
struct json_object *thing_json(const struct miningos *m, const struct thing *t, bool last);
/* Only its tags, a new array. */
struct json_object *thing_tags(const struct miningos *m, const struct thing *t);
/* {success, raw_errors, stats, config}: of a snapshot. */
struct json_object *thing_snap_json(const struct miningos *m, const struct thing *t,
				    const struct snapshot *s);

#endif
