/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/series.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/alerts.h"
#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"

#define MINUTE_MS 60000u
#define FIVE_MS 300000u
#define TICK_MS 5000u
#define TAGS_MAX 40u /* tags that have a series each */

/* --- snapshots --- */

void snaps_take(struct miningos *m, uint64_t at)
{
	struct json_object *now;

	for (size_t i = 0; i < m->things.count; i++) {
		thing_snap(m->things.list[i], at);
		alerts_update(m, m->things.list[i]);
	}
	now = aggregate(m, NULL);
	logs_add(&m->logs, "stat-rtd", "t-miner", at, now);
}

void shares_count(struct miningos *m, const struct share_counts *shares)
{
	m->series.shares.accepted += shares->accepted;
	m->series.shares.rejected += shares->rejected;
	m->series.shares.stale += shares->stale;
}

/* --- samples --- */

static uint16_t small(uint64_t n)
{
	return n < UINT16_MAX ? (uint16_t)n : UINT16_MAX;
}

/* The ring grows with what is in it: most things are young, or away. */
static bool make_room(struct thing *t)
{
	uint16_t room = t->sample_room == 0 ? 12 : (uint16_t)(t->sample_room * 2);
	struct sample *samples;

	if (t->sample_count < t->sample_room || t->sample_room == THING_SAMPLES)
		return t->sample_room > 0;
	if (room > THING_SAMPLES)
		room = THING_SAMPLES;
	samples = realloc(t->samples, room * sizeof(*samples));
	if (samples == NULL)
		return t->sample_room > 0;
	t->samples = samples;
	t->sample_next = t->sample_count; /* not full before, so it never went round */
	t->sample_room = room;
	return true;
}

static void take_sample(struct thing *t, uint64_t ts)
{
	const struct snapshot *s = &t->snap;

	if (s->ts == 0 || !make_room(t))
		return;
	t->samples[t->sample_next] = (struct sample){
	    .ts = (uint32_t)(ts / 1000),
	    .mhs_5m = (float)s->mhs_5m,
	    .mhs_30m = (float)s->mhs_30m,
	    .mhs_avg = (float)s->mhs_avg,
	    .accepted = (uint32_t)t->sampled.accepted,
	    .rejected = small(t->sampled.rejected),
	    .stale = small(t->sampled.stale),
	    .status = (uint8_t)s->status,
	};
	t->sampled = (struct share_counts){0};
	t->sample_next = (uint16_t)((t->sample_next + 1) % t->sample_room);
	if (t->sample_count < t->sample_room)
		t->sample_count++;
}

static struct json_object *sample_json(const struct miningos *m, const struct thing *t,
				       const struct sample *sample)
{
	struct json_object *o = json_object_new_object();
	struct snapshot s = {
	    .ts = (uint64_t)sample->ts * 1000,
	    .status = (enum thing_status)sample->status,
	    .added = {.accepted = sample->accepted,
		      .rejected = sample->rejected,
		      .stale = sample->stale},
	    .mhs_avg = (double)sample->mhs_avg,
	    .mhs_1m = (double)sample->mhs_5m,
	    .mhs_5m = (double)sample->mhs_5m,
	    .mhs_30m = (double)sample->mhs_30m,
	    .total = t->snap.total,
	    .difficulty = t->snap.difficulty,
	    .uptime_ms = t->snap.uptime_ms,
	};

	add_count(o, "ts", s.ts);
	add_text(o, "err", NULL);
	add_object(o, "snap", thing_snap_json(m, t, &s));
	return o;
}

struct json_object *samples_json(const struct miningos *m, const struct thing *t, uint64_t start,
				 uint64_t end, size_t offset, size_t limit)
{
	struct json_object *out = json_object_new_array();
	size_t skipped = 0;

	for (size_t i = 0; i < t->sample_count; i++) {
		const struct sample *s =
		    &t->samples[(t->sample_next + (size_t)t->sample_room - 1 - i) % t->sample_room];
		uint64_t ts = (uint64_t)s->ts * 1000;

		if (ts < start || json_object_array_length(out) >= limit)
			break;
		if (ts <= end && skipped++ >= offset)
			json_object_array_add(out, sample_json(m, t, s));
	}
	return out;
}

/* --- series by tag --- */

/* Tags that have no series: they are of one thing. */
static bool is_single(const char *tag)
{
	static const char *const prefixes[] = {"id-", "code-", "pos-", "site-"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(tag, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

/* All tags of all things, as the members of a new object, whose values are the shares of a minute.
 */
static struct json_object *all_tags(const struct miningos *m)
{
	struct json_object *all = json_object_new_object();

	json_object_object_add(all, "t-miner", NULL);
	for (size_t i = 0; i < m->things.count; i++) {
		struct json_object *tags = thing_tags(m, m->things.list[i]);

		for (size_t k = 0; k < json_object_array_length(tags); k++) {
			const char *tag =
			    json_object_get_string(json_object_array_get_idx(tags, k));

			if (!is_single(tag) && (unsigned)json_object_object_length(all) < TAGS_MAX)
				json_object_object_add(all, tag, NULL);
		}
		json_object_put(tags);
	}
	return all;
}

/* The mean of what stat-5m has of the last SPAN_MS goes to KEY. */
static void add_mean(struct miningos *m, const char *key, const char *tag, uint64_t ts,
		     uint64_t span_ms)
{
	const struct log *log = logs_find(&m->logs, "stat-5m", tag);
	struct log_range range = {.start = ts - span_ms + 1, .end = ts, .limit = SIZE_MAX};
	struct json_object *list, *mean;

	if (log == NULL)
		return;
	list = log_read(log, &range);
	mean = logs_mean(list);
	json_object_put(list);
	if (mean != NULL)
		logs_add(&m->logs, key, tag, ts, mean);
}

static void five_minutes(struct miningos *m, uint64_t ts)
{
	struct json_object *tags = all_tags(m), *startup;

	for (size_t i = 0; i < m->things.count; i++)
		take_sample(m->things.list[i], ts);
	json_object_object_foreach(tags, tag, unused)
	{
		(void)unused;
		logs_add(&m->logs, "stat-5m", tag, ts, aggregate(m, tag));
		if (ts % (30 * (uint64_t)MINUTE_MS) == 0)
			add_mean(m, "stat-30m", tag, ts, 30 * (uint64_t)MINUTE_MS);
		if (ts % (180 * (uint64_t)MINUTE_MS) == 0)
			add_mean(m, "stat-3h", tag, ts, 180 * (uint64_t)MINUTE_MS);
		if (ts % (1440 * (uint64_t)MINUTE_MS) == 0)
			add_mean(m, "stat-1D", tag, ts, 1440 * (uint64_t)MINUTE_MS);
	}
	json_object_put(tags);
	startup = json_object_new_object();
	add_count(startup, "startupStatus", m->looks.looked_ms != 0);
	logs_add(&m->logs, "stat-startup", "t-miner", ts, startup);
	minerpool_sample(m, ts);
}

/* --- shares --- */

static void add_shares(struct json_object *sums, const char *tag, const struct share_counts *s)
{
	struct json_object *o = get_member(sums, tag);

	if (o == NULL) {
		if ((unsigned)json_object_object_length(sums) >= TAGS_MAX)
			return;
		o = json_object_new_object();
		add_object(sums, tag, o);
	}
	add_count(o, "pools_accepted_shares_total",
		  get_count(o, "pools_accepted_shares_total", 0) + s->accepted);
	add_count(o, "pools_rejected_shares_total",
		  get_count(o, "pools_rejected_shares_total", 0) + s->rejected);
	add_count(o, "pools_stale_shares_total",
		  get_count(o, "pools_stale_shares_total", 0) + s->stale);
}

/* The sum of a half hour's minutes. */
static void half_hour(struct miningos *m, const char *tag, uint64_t ts)
{
	const struct log *log = logs_find(&m->logs, "stat-shares-1m", tag);
	struct log_range range = {
	    .start = ts - 30 * (uint64_t)MINUTE_MS + 1, .end = ts, .limit = SIZE_MAX};
	struct json_object *list, *sum;

	if (log == NULL)
		return;
	list = log_read(log, &range);
	sum = json_object_new_object();
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		struct share_counts s = {
		    .accepted = get_count(one, "pools_accepted_shares_total", 0),
		    .rejected = get_count(one, "pools_rejected_shares_total", 0),
		    .stale = get_count(one, "pools_stale_shares_total", 0)};

		add_shares(sum, tag, &s);
	}
	logs_add(&m->logs, "stat-shares-30m", tag, ts, json_object_get(get_member(sum, tag)));
	json_object_put(sum);
	json_object_put(list);
}

static void one_minute(struct miningos *m, uint64_t ts)
{
	struct json_object *sums = json_object_new_object();
	struct share_counts none = {0};
	char tag[LOGS_TAG_MAX + 1];

	add_shares(sums, "t-miner", &none);
	for (size_t i = 0; i < m->things.count; i++) {
		struct thing *t = m->things.list[i];

		snprintf(tag, sizeof(tag), "container-%s",
			 get_text(t->info, "container", "unknown"));
		add_shares(sums, "t-miner", &t->minute);
		add_shares(sums, tag, &t->minute);
		t->minute = none;
	}
	json_object_object_foreach(sums, name, sum)
	{
		logs_add(&m->logs, "stat-shares-1m", name, ts, json_object_get(sum));
		if (ts % (30 * (uint64_t)MINUTE_MS) == 0)
			half_hour(m, name, ts);
	}
	json_object_put(sums);
}

/* --- time --- */

void series_tick(struct miningos *m, uint64_t now)
{
	uint64_t minute = now / MINUTE_MS, five = now / FIVE_MS;

	if (minute == m->series.minute)
		return;
	m->series.minute = minute;
	one_minute(m, minute * MINUTE_MS);
	if (five == m->series.five)
		return;
	m->series.five = five;
	five_minutes(m, five * FIVE_MS);
}

static void on_tick(void *user)
{
	struct miningos *m = user;

	series_tick(m, mos_now_ms());
	mos_save_things(m, false);
}

int32_t series_begin(struct miningos *m, struct error *e)
{
	uint64_t now = mos_now_ms();
	int32_t r;

	m->series.minute = now / MINUTE_MS;
	m->series.five = now / FIVE_MS;
	r = m->api->timer_add(m->host, TICK_MS, TICK_MS, on_tick, m, NULL, NULL);
	return r == ADIT_OK ? r : error_set(e, r, "no timer");
}
