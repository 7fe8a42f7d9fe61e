/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jdc/events.h"

#include <json-c/json.h>

#include "lib/mining/answers.h"
#include "plugins/jdc/jdc.h"

#define JSON_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

static bool wanted(struct jdc *jdc, const char *type)
{
	return jdc->mining.api->event_wanted(jdc->mining.host, type);
}

/* Publishes OBJECT and frees it. */
static void publish(struct jdc *jdc, const char *type, struct json_object *object)
{
	size_t size;
	const char *text = json_object_to_json_string_length(object, JSON_FLAGS, &size);

	if (text)
		jdc->mining.api->publish(jdc->mining.host, type, text, size, NULL, 0);
	json_object_put(object);
}

void events_pool_connected(struct jdc *jdc, const struct jdc_pool *pool)
{
	struct json_object *o;

	if (!wanted(jdc, "MiningPoolConnected"))
		return;
	o = json_object_new_object();
	add_text(o, "pool_url", pool->settings.pool.address);
	add_text(o, "pool_id", pool->settings.name);
	publish(jdc, "MiningPoolConnected", o);
}

void events_pool_disconnected(struct jdc *jdc, const struct jdc_pool *pool, const char *reason)
{
	struct json_object *o;

	if (!wanted(jdc, "MiningPoolDisconnected"))
		return;
	o = json_object_new_object();
	add_text(o, "pool_url", pool->settings.pool.address);
	add_text(o, "pool_id", pool->settings.name);
	add_text(o, "reason", reason);
	publish(jdc, "MiningPoolDisconnected", o);
}

void events_job(struct jdc *jdc, const struct template *t)
{
	struct json_object *o;

	if (!wanted(jdc, "MiningJobCreated"))
		return;
	o = json_object_new_object();
	add_count(o, "job_id", t->job_id);
	add_hash(o, "prev_hash", t->tip.prev_hash);
	add_count(o, "height", t->height);
	publish(jdc, "MiningJobCreated", o);
}

void events_block(struct jdc *jdc, const struct judged_share *s)
{
	struct json_object *o;
	char name[128];

	if (!wanted(jdc, "BlockFound"))
		return;
	channel_name(s->channel, name, sizeof name);
	o = json_object_new_object();
	add_hash(o, "block_hash", s->hash);
	add_count(o, "height", s->job->template->height);
	add_text(o, "channel", name);
	add_text(o, "user", s->channel->user);
	add_count(o, "job_id", s->job->id);
	publish(jdc, "BlockFound", o);
}
