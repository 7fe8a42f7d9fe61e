/* SPDX-License-Identifier: MIT */
/* thing_json.c: a thing as MiningOS sees it: the answer of listThings, field by field. */
#include "config.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/alerts.h"
#include "plugins/miningos/chans.h"
#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"

#define TAG_MAX 127

/* --- tags --- */

static void add_tag(struct json_object *tags, const char *prefix, const char *text)
{
	char tag[TAG_MAX + 1];

	if (text[0] == '\0')
		return;
	snprintf(tag, sizeof(tag), "%s%s", prefix, text);
	for (size_t i = 0; i < json_object_array_length(tags); i++) {
		if (strcmp(json_object_get_string(json_object_array_get_idx(tags, i)), tag) == 0)
			return;
	}
	json_object_array_add(tags, json_object_new_string(tag));
}

struct json_object *thing_tags(const struct miningos *m, const struct thing *t)
{
	struct json_object *tags = json_object_new_array();

	add_tag(tags, "t-", THING_TYPE);
	add_tag(tags, "", "t-miner");
	add_tag(tags, "", m->settings.miner_tag);
	add_tag(tags, "", "sv2");
	for (size_t i = 0; i < json_object_array_length(t->tags); i++) {
		struct json_object *tag = json_object_array_get_idx(t->tags, i);

		if (json_object_is_type(tag, json_type_string))
			add_tag(tags, "", json_object_get_string(tag));
	}
	add_tag(tags, "id-", t->id);
	add_tag(tags, "code-", t->code);
	add_tag(tags, "container-", get_text(t->info, "container", ""));
	add_tag(tags, "pos-", get_text(t->info, "pos", ""));
	return tags;
}

/* --- the snapshot --- */

static struct json_object *shares_json(const struct share_counts *s, const char *pool)
{
	struct json_object *o = json_object_new_object();

	if (pool != NULL)
		add_text(o, "pool", pool);
	add_count(o, "accepted", s->accepted);
	add_count(o, "rejected", s->rejected);
	add_count(o, "stale", s->stale);
	return o;
}

static struct json_object *rates_json(const struct thing *t, const struct snapshot *s)
{
	struct json_object *o = json_object_new_object();

	add_double(o, "avg", s->mhs_avg);
	/* Shares don't tell five seconds; a device of this machine measures them itself. */
	add_double(o, "t_5s",
		   t->device[0] != '\0' && s->status == THING_MINING ? t->device_hashrate / 1e6
								     : s->mhs_1m);
	add_double(o, "t_5m", s->mhs_5m);
	add_double(o, "t_30m", s->mhs_30m);
	return o;
}

static struct json_object *errors_json(const struct snapshot *s)
{
	struct json_object *list = json_object_new_array();
	struct json_object *o;
	char text[160];

	if (s->status != THING_ERROR)
		return list;
	o = json_object_new_object();
	snprintf(text, sizeof(text), "at least half of its latest shares were refused");
	add_text(o, "name", "shares_refused");
	add_text(o, "message", text);
	add_text(o, "msg", text);
	add_count(o, "timestamp", s->ts);
	json_object_array_add(list, o);
	return list;
}

static struct json_object *stats_json(const struct miningos *m, const struct thing *t,
				      const struct snapshot *s)
{
	struct json_object *o = json_object_new_object();
	struct json_object *pools = json_object_new_array();
	double efficiency = m->settings.nominal_efficiency_w_ths;
	const char *pool = get_text(t->opts, "role", "pool");

	add_text(o, "status", thing_status_name(s->status));
	add_object(o, "errors", errors_json(s));
	add_count(o, "uptime_ms", s->uptime_ms);
	/* What the protocol does not tell, power, frequency and temperature, is left out, but for
	 * what was configured. */
	if (efficiency > 0) {
		add_double(o, "power_w", s->mhs_5m / 1e6 * efficiency);
		add_double(o, "efficiency_w_ths", efficiency);
		add_double(o, "nominal_efficiency_w_ths", efficiency);
	}
	add_object(o, "hashrate_mhs", rates_json(t, s));
	add_object(o, "all_pools_shares", shares_json(&s->added, NULL));
	json_object_array_add(pools, shares_json(&s->total, pool));
	add_object(o, "pool_status", pools);
	add_double(o, "share_difficulty", s->difficulty);
	return o;
}

/* HOST of "HOST:PORT", "[V6]:PORT"; "" of what has no port. */
static void split_endpoint(const char *endpoint, char *host, size_t size, uint64_t *port)
{
	const char *colon = strrchr(endpoint, ':');
	size_t span;

	host[0] = '\0';
	*port = 0;
	if (colon == NULL || strncmp(endpoint, "unix:", 5) == 0)
		return;
	span = (size_t)(colon - endpoint);
	if (endpoint[0] == '[' && span >= 2) {
		endpoint++;
		span -= 2;
	}
	snprintf(host, size, "%.*s", (int)span, endpoint);
	*port = strtoul(colon + 1, NULL, 10);
}

/* Where its work goes: to the pool that its role mines for, or to the role, which is a pool. */
static struct json_object *pools_json(const struct miningos *m, const struct thing *t)
{
	struct json_object *list = json_object_new_array(), *o = json_object_new_object();
	const char *role = get_text(t->opts, "role", "pool");
	const struct source *s = looks_source(&m->looks, role);
	char url[96];

	if (s != NULL && s->pool_url[0] != '\0') {
		add_text(o, "url", s->pool_url);
		add_text(o, "username", s->pool_user);
	} else {
		snprintf(url, sizeof(url), "stratum2+tcp://%s", role);
		add_text(o, "url", url);
		add_text(o, "username", get_text(t->opts, "user", ""));
	}
	json_object_array_add(list, o);
	return list;
}

static struct json_object *config_json(const struct miningos *m, const struct thing *t,
				       const struct snapshot *s)
{
	struct json_object *o = json_object_new_object();
	struct json_object *network = json_object_new_object();
	char host[64];
	uint64_t port;

	add_object(o, "pool_config", pools_json(m, t));
	add_text(o, "power_mode", s->status == THING_SLEEPING ? "sleep" : "normal");
	add_bool(o, "suspended", s->paused);
	add_bool(o, "led_status", false);
	split_endpoint(t->endpoint, host, sizeof(host), &port);
	if (host[0] != '\0')
		add_text(network, "ip_address", host);
	add_object(o, "network_config", network);
	if (t->device[0] != '\0') {
		add_text(o, "device", t->device);
		add_count(o, "hashrate_limit", t->device_limit);
	}
	return o;
}

struct json_object *thing_snap_json(const struct miningos *m, const struct thing *t,
				    const struct snapshot *s)
{
	struct json_object *o = json_object_new_object();
	struct json_object *stats;

	if (s->status == THING_OFFLINE) {
		stats = json_object_new_object();
		add_text(stats, "status", "offline");
		add_bool(o, "success", false);
		add_object(o, "raw_errors", json_object_new_array());
		add_object(o, "stats", stats);
		add_object(o, "config", json_object_new_object());
		return o;
	}
	add_bool(o, "success", true);
	add_object(o, "raw_errors", json_object_new_array());
	add_object(o, "stats", stats_json(m, t, s));
	add_object(o, "config", config_json(m, t, s));
	return o;
}

static struct json_object *last_json(const struct miningos *m, const struct thing *t)
{
	struct json_object *o = json_object_new_object();
	struct snapshot s = t->snap;

	/* Who is being repaired is not asked. */
	if (strcmp(get_text(t->info, "container", ""), "maintenance") == 0)
		s.status = THING_OFFLINE;
	add_count(o, "ts", s.ts != 0 ? s.ts : m->started_ms);
	add_text(o, "err", NULL);
	add_object(o, "alerts", alerts_json(t));
	add_object(o, "snap", thing_snap_json(m, t, &s));
	return o;
}

struct json_object *thing_json(const struct miningos *m, const struct thing *t, bool last)
{
	struct json_object *o = json_object_new_object();
	char host[64];
	uint64_t port;

	add_text(o, "id", t->id);
	add_text(o, "code", t->code);
	add_text(o, "type", THING_TYPE);
	add_object(o, "tags", thing_tags(m, t));
	add_object(o, "info", json_object_get(t->info));
	add_text(o, "rack", m->settings.rack_id);
	add_object(o, "comments", json_object_get(t->comments));
	add_object(o, "opts", json_object_get(t->opts));
	split_endpoint(t->endpoint, host, sizeof(host), &port);
	if (host[0] != '\0') {
		add_text(o, "address", host);
		add_count(o, "port", port);
	}
	if (last)
		add_object(o, "last", last_json(m, t));
	return o;
}
