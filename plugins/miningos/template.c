/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/template.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include <adit/node.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"

#define CALL_MS 30000u

static void publish(struct miningos *m)
{
	if (m->api->event_wanted(m->host, "MiningOSTemplateUpdated"))
		mos_publish(m, "MiningOSTemplateUpdated", template_json(m));
}

/* From a template as the node has it, whole or without transactions (COUNT of them then). */
static struct json_object *summary(struct json_object *t, uint64_t count)
{
	static const struct {
		const char *theirs;
		const char *ours;
	} members[] = {
	    {"version", "version"},
	    {"prev_hash", "previousblockhash"},
	    {"coinbase_value", "coinbasevalue"},
	    {"target", "target"},
	    {"mintime", "mintime"},
	    {"curtime", "curtime"},
	    {"height", "height"},
	    {"id", "id"},
	};
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		add_object(o, members[i].ours, json_object_get(get_member(t, members[i].theirs)));
	/* As a number, which is how it stands in a header. */
	add_count(o, "bits", strtoul(get_text(t, "bits", "0"), NULL, 16));
	add_count(o, "transactions", count);
	return o;
}

static void replace(struct miningos *m, struct json_object *o)
{
	json_object_put(m->template.now);
	m->template.now = o;
	m->template.value = get_count(o, "coinbasevalue", 0);
	m->template.value_height = get_count(o, "height", 0);
	publish(m);
}

void template_event(struct miningos *m, struct json_object *data)
{
	struct json_object *empty = get_member(data, "empty");

	if (!m->settings.template_enabled)
		return;
	/* A new tip comes with all that is known before the transactions are; of a better template
	 * on the same tip only its size is told, and the timer asks for the rest. */
	if (json_object_is_type(empty, json_type_object)) {
		replace(m, summary(empty, get_count(data, "tx_count", 0)));
		return;
	}
	if (m->template.now == NULL) {
		template_refresh(m, false);
		return;
	}
	add_count(m->template.now, "transactions", get_count(data, "tx_count", 0));
	add_object(m->template.now, "previousblockhash",
		   json_object_get(get_member(data, "prev_hash")));
	add_object(m->template.now, "height", json_object_get(get_member(data, "height")));
	add_object(m->template.now, "id", json_object_get(get_member(data, "id")));
	publish(m);
}

static void on_template(void *user, const struct adit_reply *reply)
{
	struct miningos *m = user;
	struct json_object *t = NULL, *list;

	m->template.asking = false;
	if (reply->error != ADIT_OK || !parse_json(reply->json, reply->json_size, &t))
		return;
	list = get_member(t, "transactions");
	replace(m, summary(t, json_object_is_type(list, json_type_array)
				  ? json_object_array_length(list)
				  : 0));
	json_object_put(t);
}

void template_refresh(struct miningos *m, bool force)
{
	struct template_state *s = &m->template;
	uint64_t now = mos_now_ms();

	if (s->asking || !m->settings.template_enabled ||
	    (!force && s->asked_ms != 0 && now >= s->asked_ms &&
	     now < s->asked_ms + (uint64_t)m->settings.cache_duration_seconds * 1000))
		return;
	s->asked_ms = now;
	s->asking = m->api->call(m->host, ADIT_NODE_ROLE, "get_block_template", "{}", 2, NULL, 0,
				 CALL_MS, on_template, m, NULL, NULL) == ADIT_OK;
}

static void on_timer(void *user)
{
	template_refresh(user, false);
}

int32_t template_begin(struct miningos *m, struct error *e)
{
	uint32_t interval = m->settings.update_interval_seconds * 1000;
	int32_t r;

	if (!m->settings.template_enabled)
		return ADIT_OK;
	r = m->api->timer_add(m->host, interval, interval, on_timer, m, NULL, NULL);
	if (r != ADIT_OK)
		return error_set(e, r, "no timer");
	template_refresh(m, false);
	return ADIT_OK;
}

void template_end(struct miningos *m)
{
	json_object_put(m->template.now);
	m->template = (struct template_state){0};
}

struct json_object *template_json(const struct miningos *m)
{
	struct json_object *copy = copy_json(m->template.now);

	return copy != NULL ? copy : json_object_new_object();
}
