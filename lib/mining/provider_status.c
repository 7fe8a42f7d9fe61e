/* SPDX-License-Identifier: MIT */
/* What administrators see of the template providers. */
#include "config.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "lib/mining/engine.h"
#include "lib/mining/preference.h"
#include "lib/util/clock.h"
#include "lib/util/hex.h"

static const char *state_name(const struct provider *p)
{
	if (!p->conn)
		return "away";
	if (p == p->mining->providers.active)
		return "active";
	if (!p->has_tip)
		return "waiting";
	if (!p->current)
		return "refused";
	if (preference_owes_long(&p->mining->providers, p, clock_monotonic_ms()))
		return "stuck";
	return p->behind_ms ? "behind" : "ready";
}

void provider_describe(const struct provider *p, char *out, size_t capacity)
{
	const char *name = state_name(p);
	const char *why = !p->conn ? p->away : p->fault;

	if (strcmp(name, "active") == 0 || strcmp(name, "ready") == 0)
		name = "";
	snprintf(out, capacity, "%s%s%s", name, *name && *why ? ": " : "", *name ? why : "");
}

static void add_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

static struct json_object *provider_json(const struct provider *p, uint64_t now_ms)
{
	struct json_object *o = json_object_new_object();
	char hex[65];

	add_text(o, "address", p->address);
	add_text(o, "state", state_name(p));
	json_object_object_add(o, "height", json_object_new_uint64(preference_height(p)));
	hex_encode_reversed(p->tip.prev_hash, 32, hex);
	add_text(o, "prev_hash", p->conn && p->has_tip ? hex : NULL);
	json_object_object_add(o, "tip_age_ms",
			       p->conn && p->has_tip ? json_object_new_uint64(now_ms - p->tip_ms)
						     : NULL);
	json_object_object_add(o, "refused", json_object_new_uint64(p->refused));
	json_object_object_add(o, "switches", json_object_new_uint64(p->switches_to));
	add_text(o, "reason", !p->conn && p->away[0] != '\0' ? p->away : NULL);
	add_text(o, "fault", p->fault[0] != '\0' ? p->fault : NULL);
	return o;
}

struct json_object *providers_json(const struct mining *mining)
{
	const struct providers *all = &mining->providers;
	struct json_object *list = json_object_new_array();

	for (uint32_t i = 0; i < all->count; i++)
		json_object_array_add(list, provider_json(&all->items[i], clock_monotonic_ms()));
	return list;
}
