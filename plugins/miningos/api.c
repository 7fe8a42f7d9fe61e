/* SPDX-License-Identifier: MIT */
/* api.c: the methods that show the role's state; local_actions.c has those that act. */
#include "config.h"

#include "plugins/miningos/api.h"

#include <json-c/json.h>
#include <math.h>
#include <string.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/link.h"
#include "plugins/miningos/local_actions.h"
#include "plugins/miningos/miningos.h"

#define MINERS_DEFAULT 200u
#define MINERS_MAX 2000u

/* --- status --- */

static double in_unit(const char *unit, double hashes)
{
	static const struct {
		char prefix;
		double factor;
	} units[] = {{'k', 1e3}, {'M', 1e6}, {'G', 1e9}, {'T', 1e12}, {'P', 1e15}, {'E', 1e18}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].prefix == unit[0])
			return hashes / units[i].factor;
	}
	return hashes;
}

static void add_things(struct json_object *o, const struct miningos *m)
{
	struct json_object *by = json_object_new_object();
	uint64_t counts[5] = {0};
	double hashes = 0;

	for (size_t i = 0; i < m->things.count; i++) {
		const struct snapshot *s = &m->things.list[i]->snap;

		counts[s->status]++;
		hashes += s->mhs_5m * 1e6;
	}
	for (int i = 0; i < 5; i++)
		add_count(by, thing_status_name((enum thing_status)i), counts[i]);
	add_count(o, "things", m->things.count);
	add_object(o, "statuses", by);
	add_double(o, "hashrate", hashes);
	add_double(o, "hashrate_in_unit", in_unit(m->settings.hashrate_unit, hashes));
	add_text(o, "hashrate_unit", m->settings.hashrate_unit);
}

static void add_racks(struct json_object *o, const struct miningos *m)
{
	struct json_object *list = json_object_new_array();
	const char *id, *type;

	for (size_t i = 0; rack_describe(m, i, &id, &type); i++) {
		struct json_object *rack = json_object_new_object();

		add_text(rack, "id", id);
		add_text(rack, "type", type);
		add_text(rack, "rpc_public_key", m->rack.keys[i][0] ? m->rack.keys[i] : NULL);
		add_object(rack, "registered",
			   m->rack.registered_ms[i] != 0
			       ? json_object_new_int64((int64_t)m->rack.registered_ms[i])
			       : NULL);
		json_object_array_add(list, rack);
	}
	add_object(o, "racks", list);
}

static void on_status(void *user, struct adit_request *request,
		      const struct adit_request_info *info)
{
	struct miningos *m = user;
	const struct share_counts *shares = &m->series.shares;
	struct json_object *o = json_object_new_object(), *sums = json_object_new_object();

	(void)info;
	add_racks(o, m);
	add_things(o, m);
	add_count(sums, "accepted", shares->accepted);
	add_count(sums, "rejected", shares->rejected);
	add_count(sums, "stale", shares->stale);
	add_count(sums, "missed", m->looks.shares_lost);
	add_object(o, "shares", sums);
	add_object(o, "looked",
		   m->looks.looked_ms != 0 ? json_object_new_int64((int64_t)m->looks.looked_ms)
					   : NULL);
	link_status(m, o);
	add_object(o, "node", node_stats_json(m));
	if (m->settings.expose_via_http)
		add_object(o, "template", template_json(m));
	mos_answer(m, request, o);
}

/* --- miners --- */

static struct json_object *miner_json(const struct thing *t)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "id", t->id);
	add_text(o, "code", t->code);
	add_text(o, "user", get_text(t->opts, "user", NULL));
	add_text(o, "role", get_text(t->opts, "role", NULL));
	add_text(o, "channel", chan_name_of(t));
	add_text(o, "status", thing_status_name(t->snap.status));
	add_double(o, "hashrate", t->snap.mhs_5m * 1e6);
	add_count(o, "accepted", t->snap.total.accepted);
	add_count(o, "rejected", t->snap.total.rejected);
	add_count(o, "stale", t->snap.total.stale);
	add_count(o, "uptime_ms", t->snap.uptime_ms);
	add_text(o, "device", t->device[0] ? t->device : NULL);
	add_count(o, "alerts", t->alert_count);
	return o;
}

static void on_get_miner_list(void *user, struct adit_request *request,
			      const struct adit_request_info *info)
{
	struct miningos *m = user;
	struct json_object *params = mos_params(m, request, info), *o, *list;
	size_t offset, limit;

	if (params == NULL)
		return;
	offset = (size_t)get_count(params, "offset", 0);
	limit = (size_t)get_count(params, "limit", MINERS_DEFAULT);
	json_object_put(params);
	if (limit > MINERS_MAX)
		limit = MINERS_MAX;
	list = json_object_new_array();
	for (size_t i = offset; i < m->things.count && i - offset < limit; i++)
		json_object_array_add(list, miner_json(m->things.list[i]));
	o = json_object_new_object();
	add_count(o, "count", m->things.count);
	add_count(o, "offset", offset);
	add_object(o, "miners", list);
	mos_answer(m, request, o);
}

static void on_get_template(void *user, struct adit_request *request,
			    const struct adit_request_info *info)
{
	struct miningos *m = user;

	(void)info;
	if (m->settings.expose_via_http)
		mos_answer(m, request, template_json(m));
	else
		m->api->reply(m->host, request, ADIT_E_PERMISSION_DENIED,
			      "expose_via_http of the section [miningos] is off", "", 0, NULL, 0);
}

static void on_get_stats(void *user, struct adit_request *request,
			 const struct adit_request_info *info)
{
	(void)info;
	mos_answer(user, request, node_stats_json(user));
}

int32_t api_begin(struct miningos *m, struct error *e)
{
	static const struct {
		const char *name;
		int32_t mode;
		adit_method_fn fn;
	} methods[] = {
	    {"status", ADIT_METHOD_ANY | ADIT_METHOD_LOOKS, on_status},
	    {"get_miner_list", ADIT_METHOD_ANY | ADIT_METHOD_LOOKS, on_get_miner_list},
	    {"get_action_status", ADIT_METHOD_ANY | ADIT_METHOD_LOOKS, on_get_action_status},
	    {"list_actions", ADIT_METHOD_ANY | ADIT_METHOD_LOOKS, on_list_actions},
	    {"get_template", ADIT_METHOD_ANY | ADIT_METHOD_LOOKS, on_get_template},
	    {"get_stats", ADIT_METHOD_ANY | ADIT_METHOD_LOOKS, on_get_stats},
	    {"trigger_action", ADIT_METHOD_ANY, on_trigger_action},
	    {"approve_action", ADIT_METHOD_ANY, on_approve_action},
	    {"deny_action", ADIT_METHOD_ANY, on_deny_action},
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		int32_t r = m->api->register_method(m->host, methods[i].name, methods[i].mode,
						    methods[i].fn, m, NULL);

		if (r != ADIT_OK)
			return error_set(e, r, "the method %s can't be registered",
					 methods[i].name);
	}
	return ADIT_OK;
}
