/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/thing.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/sha256.h"
#include "plugins/miningos/chans.h"

/* Without an accepted share for so long a miner does not mine. */
#define SILENCE_MS 300000u
/* In error: of so many shares or more at least half were refused. */
#define ERROR_SHARES 8u

const char *thing_status_name(enum thing_status status)
{
	static const char *const names[] = {"offline", "mining", "sleeping", "not_mining", "error"};

	return names[status];
}

void thing_make_id(const char *name, char out[16])
{
	static const char digits[] =
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint8_t hash[32];

	sha256(name, strlen(name), hash);
	/* Two bytes a digit: the bias of what is left over is a thousandth. */
	for (size_t i = 0; i < 15; i++)
		out[i] = digits[(hash[2 * i] * 256u + hash[2 * i + 1]) % 62];
	out[15] = '\0';
}

struct thing *thing_new(const char *id, const char *code, const char *name)
{
	struct thing *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	snprintf(t->id, sizeof(t->id), "%s", id);
	snprintf(t->code, sizeof(t->code), "%s", code);
	t->name = name != NULL ? strdup(name) : NULL;
	t->opts = json_object_new_object();
	t->info = json_object_new_object();
	t->tags = json_object_new_array();
	t->comments = json_object_new_array();
	if (t->opts == NULL || t->info == NULL || t->tags == NULL || t->comments == NULL ||
	    (name != NULL && t->name == NULL)) {
		thing_free(t);
		return NULL;
	}
	return t;
}

void thing_free(struct thing *t)
{
	if (t == NULL)
		return;
	json_object_put(t->opts);
	json_object_put(t->info);
	json_object_put(t->tags);
	json_object_put(t->comments);
	free(t->samples);
	free(t->name);
	free(t);
}

/* --- snapshots --- */

static enum thing_status status_of(const struct thing *t, uint64_t at)
{
	if (t->device[0] != '\0' && t->device_paused)
		return THING_SLEEPING;
	if (t->chan == NULL)
		return THING_OFFLINE;
	if (t->bad.rejected + t->bad.stale >= ERROR_SHARES &&
	    t->bad.rejected + t->bad.stale >= t->bad.accepted)
		return THING_ERROR;
	return t->last_share_ms != 0 && at < t->last_share_ms + SILENCE_MS ? THING_MINING
									   : THING_NOT_MINING;
}

void thing_snap(struct thing *t, uint64_t at)
{
	struct snapshot *s = &t->snap;

	/* What is in error is seen by the last few snapshots. */
	t->bad.accepted += t->added.accepted;
	t->bad.rejected += t->added.rejected;
	t->bad.stale += t->added.stale;
	*s = (struct snapshot){.ts = at, .status = status_of(t, at), .added = t->added};
	t->added = (struct share_counts){0};
	t->bad.accepted /= 2;
	t->bad.rejected /= 2;
	t->bad.stale /= 2;
	t->sampled.accepted += s->added.accepted;
	t->sampled.rejected += s->added.rejected;
	t->sampled.stale += s->added.stale;
	s->paused = t->device_paused;
	if (t->chan == NULL)
		return;
	s->uptime_ms = at > t->since_ms ? at - t->since_ms : 0;
	s->mhs_1m = window_rate(&t->window, at, 60000) / 1e6;
	s->mhs_5m = window_rate(&t->window, at, 300000) / 1e6;
	s->mhs_30m = window_rate(&t->window, at, 1800000) / 1e6;
	s->mhs_avg = s->uptime_ms >= 10000 ? t->work / (double)s->uptime_ms / 1000.0 : 0;
	chan_totals(t->chan, &s->total, &s->difficulty);
	snprintf(t->endpoint, sizeof(t->endpoint), "%s", t->chan->endpoint);
}
