/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/alerts.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "lib/util/random.h"
#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"

/* After this a miner that is away, or silent, is worth an alert. */
#define PATIENCE_MS 300000u

static const struct kind {
	const char *name;
	const char *code;
	const char *description;
	const char *severity;
} kinds[] = {
    {"miner_offline", "SV2_OFFLINE", "The miner has no connection for five minutes", "high"},
    {"miner_not_mining", "SV2_SILENT",
     "The miner is connected and sends no good shares for five "
     "minutes",
     "high"},
    {"shares_refused", "SV2_REFUSED", "At least half of its latest shares were refused", "medium"},
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	return NULL;
}

/* The alert that T's state asks for, NULL for none. There is one at a time: what is offline does
 * not mine either. */
static const char *wanted(const struct thing *t)
{
	uint64_t now = t->snap.ts;
	bool long_enough = t->since_ms != 0 && now > t->since_ms + PATIENCE_MS;

	switch (t->snap.status) {
	case THING_OFFLINE:
		return long_enough && strcmp(get_text(t->info, "container", ""), "maintenance") != 0
			   ? "miner_offline"
			   : NULL;
	case THING_NOT_MINING:
		return long_enough ? "miner_not_mining" : NULL;
	case THING_ERROR:
		return "shares_refused";
	default:
		return NULL;
	}
}

static void make_uuid(char out[37])
{
	uint8_t b[16];

	random_bytes(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		 b[13], b[14], b[15]);
}

static struct json_object *alert_json(const struct alert *alert)
{
	const struct kind *kind = find_kind(alert->name);
	struct json_object *o = json_object_new_object();

	add_text(o, "name", kind->name);
	add_text(o, "code", kind->code);
	add_text(o, "description", kind->description);
	add_text(o, "severity", kind->severity);
	add_count(o, "createdAt", alert->created_ms);
	add_text(o, "uuid", alert->uuid);
	return o;
}

static void raise_alert(struct miningos *m, struct thing *t, const char *name)
{
	struct alert *alert = &t->alerts[t->alert_count++];
	struct json_object *o, *thing;

	*alert = (struct alert){.name = name, .created_ms = t->snap.ts};
	make_uuid(alert->uuid);
	o = alert_json(alert);
	add_count(o, "ts", alert->created_ms);
	thing = json_object_new_object();
	add_text(thing, "id", t->id);
	add_text(thing, "code", t->code);
	add_text(thing, "type", THING_TYPE);
	add_object(thing, "tags", thing_tags(m, t));
	add_object(thing, "info", copy_json(t->info));
	add_object(o, "thing", thing);
	history_add(&m->history->alerts, o);
}

void alerts_update(struct miningos *m, struct thing *t)
{
	const char *name = wanted(t);
	uint8_t kept = 0;
	bool there = false;

	for (uint8_t i = 0; i < t->alert_count; i++) {
		if (name == NULL || strcmp(t->alerts[i].name, name) != 0)
			continue;
		t->alerts[kept++] = t->alerts[i];
		there = true;
	}
	t->alert_count = kept;
	if (name != NULL && !there)
		raise_alert(m, t, name);
}

struct json_object *alerts_json(const struct thing *t)
{
	struct json_object *list;

	if (t->alert_count == 0)
		return NULL;
	list = json_object_new_array();
	for (uint8_t i = 0; i < t->alert_count; i++)
		json_object_array_add(list, alert_json(&t->alerts[i]));
	return list;
}

void alerts_count(const struct thing *t, struct json_object *counts)
{
	for (uint8_t i = 0; i < t->alert_count; i++) {
		const char *severity = find_kind(t->alerts[i].name)->severity;

		add_count(counts, severity, get_count(counts, severity, 0) + 1);
	}
}
