/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/orders.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "plugins/pool/pool.h"
#include "plugins/pool/work.h"

/* How many channels got a new prefix: the one called NAME, or all when it is NULL. */
static uint32_t renew(struct pool *pool, const char *name)
{
	struct pool_conn *conn;
	uint32_t count = 0;

	TAILQ_FOREACH(conn, &pool->conns, link)
	{
		for (uint32_t i = 0; i < conn->count; i++) {
			char own[128];

			channel_name(conn->channels[i], own, sizeof own);
			if ((!name || strcmp(name, own) == 0) &&
			    work_renew_prefix(conn->channels[i]))
				count++;
		}
	}
	return count;
}

static void on_renew_extranonce(void *user, struct adit_request *request,
				const struct adit_request_info *info)
{
	struct pool *pool = user;
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *o =
	    tokener ? json_tokener_parse_ex(tokener, info->json, (int)info->json_size) : NULL;
	struct json_object *channel = NULL;
	char answer[64];
	int size;

	if (json_object_object_get_ex(o, "channel", &channel) &&
	    !json_object_is_type(channel, json_type_string)) {
		pool->api->reply(pool->host, request, ADIT_E_INVALID_ARGUMENT,
				 "channel: expected a name such as pool.1/7/2, as list_channels "
				 "shows it",
				 "", 0, NULL, 0);
	} else {
		size = snprintf(answer, sizeof answer, "{\"renewed\":%u}",
				renew(pool, channel ? json_object_get_string(channel) : NULL));
		pool->api->reply(pool->host, request, ADIT_OK, "", answer, (size_t)size, NULL, 0);
	}
	json_object_put(o);
	if (tokener)
		json_tokener_free(tokener);
}

int32_t orders_start(struct pool *pool)
{
	return pool->api->register_method(pool->host, "renew_extranonce", ADIT_METHOD_ALL,
					  on_renew_extranonce, pool, NULL);
}
