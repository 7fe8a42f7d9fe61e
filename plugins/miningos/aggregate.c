/* SPDX-License-Identifier: MIT */
/* aggregate.c: sums and means over the things with a tag, under MiningOS's names. */
#include "config.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "plugins/miningos/alerts.h"
#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"

#define GROUPS_MAX 200 /* containers that are told apart */

struct sums {
	uint64_t count;
	uint64_t active; /* of which a hash rate is known */
	uint64_t statuses[5];
	double mhs;
	double uptime_ms;
	struct json_object *groups; /* by container: hash rate, and how many */
	struct json_object *group_counts;
	struct json_object *alerts;
};

bool thing_has_tag(const struct miningos *m, const struct thing *t, const char *tag)
{
	if (tag == NULL || strcmp(tag, "t-miner") == 0 || strcmp(tag, "t-" THING_TYPE) == 0 ||
	    strcmp(tag, "sv2") == 0 || strcmp(tag, m->settings.miner_tag) == 0)
		return true;
	if (strncmp(tag, "id-", 3) == 0 && strcmp(tag + 3, t->id) == 0)
		return true;
	if (strncmp(tag, "code-", 5) == 0 && strcmp(tag + 5, t->code) == 0)
		return true;
	if (strncmp(tag, "pos-", 4) == 0 && strcmp(tag + 4, get_text(t->info, "pos", "")) == 0)
		return true;
	if (strncmp(tag, "container-", 10) == 0 &&
	    strcmp(tag + 10, get_text(t->info, "container", "")) == 0)
		return true;
	for (size_t i = 0; i < json_object_array_length(t->tags); i++) {
		struct json_object *own = json_object_array_get_idx(t->tags, i);

		if (json_object_is_type(own, json_type_string) &&
		    strcmp(json_object_get_string(own), tag) == 0)
			return true;
	}
	return false;
}

static void add_to(struct json_object *o, const char *key, double value)
{
	if (json_object_object_length(o) < GROUPS_MAX || json_object_object_get_ex(o, key, NULL))
		add_double(o, key, get_double(o, key, 0) + value);
}

static void add_thing(struct sums *s, const struct thing *t)
{
	const char *container = get_text(t->info, "container", "unknown");

	s->count++;
	s->statuses[t->snap.status]++;
	alerts_count(t, s->alerts);
	add_to(s->groups, container, t->snap.mhs_5m);
	add_to(s->group_counts, container, 1);
	if (t->snap.status == THING_OFFLINE)
		return;
	s->active += t->snap.mhs_5m > 0;
	s->mhs += t->snap.mhs_5m;
	s->uptime_ms += (double)t->snap.uptime_ms;
}

/* VALUE for the one type that there is. */
static struct json_object *by_type(double value)
{
	struct json_object *o = json_object_new_object();

	add_double(o, THING_TYPE, value);
	return o;
}

static double over(double sum, uint64_t count)
{
	return count > 0 ? sum / (double)count : 0;
}

/* Means by container. */
static struct json_object *group_means(const struct sums *s, double factor)
{
	struct json_object *o = json_object_new_object();

	json_object_object_foreach(s->groups, key, sum)
	{
		double count = get_double(s->group_counts, key, 1);

		add_double(o, key, json_object_get_double(sum) * factor / count);
	}
	return o;
}

static struct json_object *group_sums(const struct sums *s, double factor)
{
	struct json_object *o = json_object_new_object();

	json_object_object_foreach(s->groups, key, sum)
	    add_double(o, key, json_object_get_double(sum) * factor);
	return o;
}

/* All members that begin with NAME: hash rates, or with a FACTOR what goes with them. */
static void add_figures(struct json_object *o, const char *name, const struct sums *s,
			double factor)
{
	uint64_t online = s->count - s->statuses[THING_OFFLINE];
	char key[64];

#define KEY(suffix) (snprintf(key, sizeof(key), "%s" suffix, name), key)
	add_double(o, KEY("_sum"), s->mhs * factor);
	add_double(o, KEY("_avg"), over(s->mhs * factor, online));
	add_count(o, KEY("_cnt"), s->count);
	add_count(o, KEY("_cnt_active"), s->active);
	add_object(o, KEY("_group_sum"), group_sums(s, factor));
	add_object(o, KEY("_group_avg"), group_means(s, factor));
	add_object(o, KEY("_type_group_sum"), by_type(s->mhs * factor));
	add_object(o, KEY("_type_group_avg"), by_type(over(s->mhs * factor, online)));
	add_object(o, KEY("_container_group_sum"), group_sums(s, factor));
	add_object(o, KEY("_container_group_avg"), group_means(s, factor));
#undef KEY
}

static void add_counts(struct json_object *o, const struct sums *s)
{
	const uint64_t *n = s->statuses;
	uint64_t normal = s->count - n[THING_OFFLINE] - n[THING_SLEEPING];

	add_count(o, "offline_or_sleeping_miners_cnt", n[THING_OFFLINE] + n[THING_SLEEPING]);
	add_count(o, "online_or_minor_error_miners_cnt", n[THING_MINING]);
	add_count(o, "error_miners_cnt", n[THING_ERROR]);
	add_count(o, "not_mining_miners_cnt", n[THING_NOT_MINING]);
	add_count(o, "offline_cnt", n[THING_OFFLINE]);
	add_count(o, "power_mode_sleep_cnt", n[THING_SLEEPING]);
	add_count(o, "power_mode_low_cnt", 0);
	add_count(o, "power_mode_normal_cnt", normal);
	add_count(o, "power_mode_high_cnt", 0);
	add_object(o, "offline_type_cnt", by_type((double)n[THING_OFFLINE]));
	add_object(o, "mining_type_cnt", by_type((double)n[THING_MINING]));
	add_object(o, "sleeping_type_cnt", by_type((double)n[THING_SLEEPING]));
	add_object(o, "not_mining_type_cnt", by_type((double)n[THING_NOT_MINING]));
	add_object(o, "error_type_cnt", by_type((double)n[THING_ERROR]));
	add_object(o, "alerts_cnt", json_object_get(s->alerts));
}

struct json_object *aggregate(const struct miningos *m, const char *tag)
{
	struct json_object *o = json_object_new_object();
	struct sums s = {.groups = json_object_new_object(),
			 .group_counts = json_object_new_object(),
			 .alerts = json_object_new_object()};
	double efficiency = m->settings.nominal_efficiency_w_ths;

	for (size_t i = 0; i < m->things.count; i++) {
		if (thing_has_tag(m, m->things.list[i], tag))
			add_thing(&s, m->things.list[i]);
	}
	/* The names with 1m are MiningOS's history: both are of five minutes. */
	add_figures(o, "hashrate_mhs_1m", &s, 1);
	add_figures(o, "hashrate_mhs_5m", &s, 1);
	add_double(o, "nominal_hashrate_mhs_sum", 0);
	add_double(o, "nominal_hashrate_mhs_avg", 0);
	add_figures(o, "power_w", &s, efficiency / 1e6);
	add_double(o, "efficiency_w_ths_avg", efficiency);
	add_double(o, "uptime_ms_avg", over(s.uptime_ms, s.count - s.statuses[THING_OFFLINE]));
	/* Stratum V2 tells neither temperature nor frequency. */
	add_object(o, "temperature_c_group_avg", json_object_new_object());
	add_object(o, "temperature_c_group_max", json_object_new_object());
	add_counts(o, &s);
	json_object_put(s.groups);
	json_object_put(s.group_counts);
	json_object_put(s.alerts);
	return o;
}
