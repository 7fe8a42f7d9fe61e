/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/events.h"

#include <json-c/json.h>
#include <stdio.h>

#include "lib/bitcoin/target.h"
#include "lib/mining/text.h"
#include "lib/util/hex.h"
#include "plugins/pool/pool.h"

#define JSON_FLAGS (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* Publishes OBJECT and frees it. */
static void publish(struct pool *pool, const char *type, struct json_object *object)
{
	size_t size;
	const char *text;

	if (!object)
		return;
	text = json_object_to_json_string_length(object, JSON_FLAGS, &size);
	if (text)
		pool->mining.api->publish(pool->mining.host, type, text, size, NULL, 0);
	json_object_put(object);
}

static void add_hash(struct json_object *object, const char *key, const uint8_t hash[32])
{
	char hex[65];

	hex_encode_reversed(hash, 32, hex);
	json_object_object_add(object, key, json_object_new_string(hex));
}

static void add_channel(struct json_object *object, const struct channel *channel)
{
	char name[128];

	channel_name(channel, name, sizeof name);
	json_object_object_add(object, "channel", json_object_new_string(name));
}

void events_job(struct pool *pool, const struct template *t)
{
	struct json_object *object;

	if (!pool->mining.api->event_wanted(pool->mining.host, "MiningJobCreated"))
		return;
	object = json_object_new_object();
	json_object_object_add(object, "job_id", json_object_new_int64(t->job_id));
	add_hash(object, "prev_hash", t->tip.prev_hash);
	json_object_object_add(object, "height", json_object_new_int64(t->height));
	publish(pool, "MiningJobCreated", object);
}

void events_difficulty(struct pool *pool, const struct tip *before, const struct template *t)
{
	struct json_object *object;
	char bits[9];

	if (pool->mining.info.worker != 1 ||
	    !pool->mining.api->event_wanted(pool->mining.host, "MiningDifficultyChanged"))
		return;
	snprintf(bits, sizeof bits, "%08x", t->tip.nbits);
	object = json_object_new_object();
	json_object_object_add(object, "old_difficulty",
			       json_object_new_double(target_difficulty(before->target)));
	json_object_object_add(object, "new_difficulty",
			       json_object_new_double(target_difficulty(t->tip.target)));
	json_object_object_add(object, "height", json_object_new_int64(t->height));
	json_object_object_add(object, "bits", json_object_new_string(bits));
	publish(pool, "MiningDifficultyChanged", object);
}

void events_share(const struct channel *channel, const struct job *job, const uint8_t hash[32],
		  const struct adit_bytes *worker)
{
	struct pool *pool = pool_of(channel->conn);
	char name[WORKER_NAME_MAX + 1];
	struct json_object *object;

	if (!pool->mining.api->event_wanted(pool->mining.host, "ShareSubmitted"))
		return;
	object = json_object_new_object();
	json_object_object_add(object, "job_id", json_object_new_int64(job->id));
	add_hash(object, "share_hash", hash);
	json_object_object_add(object, "miner_id", json_object_new_string(channel->user));
	add_channel(object, channel);
	if (worker->size > 0 && worker->size <= WORKER_NAME_MAX) {
		text_printable(worker->data, worker->size, name);
		json_object_object_add(object, "worker", json_object_new_string(name));
	}
	json_object_object_add(object, "difficulty", json_object_new_double(job->difficulty));
	publish(pool, "ShareSubmitted", object);
}

void events_block(const struct channel *channel, const struct job *job, const uint8_t hash[32])
{
	struct pool *pool = pool_of(channel->conn);
	struct json_object *object;

	if (!pool->mining.api->event_wanted(pool->mining.host, "BlockFound"))
		return;
	object = json_object_new_object();
	add_hash(object, "block_hash", hash);
	json_object_object_add(object, "height", json_object_new_int64(job->template->height));
	add_channel(object, channel);
	json_object_object_add(object, "user", json_object_new_string(channel->user));
	json_object_object_add(object, "job_id", json_object_new_int64(job->id));
	publish(pool, "BlockFound", object);
}
