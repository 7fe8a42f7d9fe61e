/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jds/status.h"

#include <json-c/json.h>
#include <stdio.h>

#include "lib/sv2/token.h"
#include "lib/util/hex.h"
#include "plugins/jds/clients.h"

static void add(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static void add_jobs(struct json_object *o, const struct jds *jds)
{
	const struct jds_client *client;
	uint64_t declared = 0;
	uint64_t pending = 0;

	TAILQ_FOREACH(client, &jds->clients, link)
	{
		declared += client->declared;
		pending += client->pending;
	}
	add(o, "jobs", declared);
	add(o, "pending", pending);
}

static void on_status(void *user, struct adit_request *request,
		      const struct adit_request_info *info)
{
	struct jds *jds = user;
	struct json_object *o = json_object_new_object();
	const struct jds_stats *s = &jds->stats;
	char hash[65] = "";
	const char *text;
	size_t size;

	(void)info;
	if (jds->has_tip)
		hex_encode_reversed(jds->tip.hash, 32, hash);
	add(o, "clients", jds->client_count);
	add_jobs(o, jds);
	add(o, "tokens", s->tokens);
	add(o, "declared", s->declared);
	add(o, "refused", s->refused);
	add(o, "transactions_asked", s->asked);
	add(o, "jobs_evicted", s->evicted);
	add(o, "declarations_shed", s->shed);
	add(o, "solutions", s->solutions);
	add(o, "blocks_accepted", s->blocks_accepted);
	add(o, "blocks_rejected", s->blocks_rejected);
	add(o, "transactions", jds->txs.count);
	add(o, "memory", jds->txs.bytes + jds->held);
	add(o, "token_keys", token_keys_count(jds->keys));
	add(o, "height", jds->has_tip ? jds->tip.height : 0);
	json_object_object_add(o, "tip", json_object_new_string(hash));
	json_object_object_add(o, "node_checks_blocks", json_object_new_boolean(!jds->blind_check));
	json_object_object_add(o, "node_finds_transactions",
			       json_object_new_boolean(!jds->blind_lookup));
	text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN, &size);
	jds->api->reply(jds->host, request, ADIT_OK, "", text, size, NULL, 0);
	json_object_put(o);
}

int32_t status_start(struct jds *jds)
{
	return jds->api->register_method(jds->host, "status", ADIT_METHOD_ALL | ADIT_METHOD_LOOKS,
					 on_status, jds, NULL);
}

void status_update(struct jds *jds)
{
	char text[128];

	if (jds->has_tip)
		snprintf(text, sizeof(text), "serving height %u", jds->tip.height + 1);
	else
		snprintf(text, sizeof(text), "waiting for the node");
	jds->api->status(jds->host, text);
}
