/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/orders.h"

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/mining/answers.h"
#include "lib/mining/engine.h"
#include "lib/mining/server.h"
#include "lib/mining/work.h"

#define REASON_MAX 100 /* bytes of a reason for the log */
#define WRONG_MAX 256  /* bytes of what is wrong with parameters */

static struct mining_conn *find_conn(struct mining *mining, const struct miner_name *name)
{
	struct mining_conn *conn;

	if (!name->own)
		return NULL;
	TAILQ_FOREACH(conn, &mining->conns, link)
	{
		if (adit_sv2_conn_id(conn->sv2) == name->conn)
			return conn;
	}
	return NULL;
}

/* Sets DIFFICULTY (0: automatic again) for good and tells the client. */
static struct json_object *set_one(struct channel *channel, double difficulty)
{
	struct json_object *o = json_object_new_object();
	char name[128];

	(void)vardiff_fix(&channel->vardiff, &channel->conn->mining->config.vardiff,
			  difficulty > 0 ? target_difficulty_work(difficulty) : 0);
	if (channel_set_target(channel))
		work_retarget(channel);
	channel_name(channel, name, sizeof name);
	mining_log(channel->conn->mining, ADIT_LOG_INFO, "channel %s: difficulty %g, %s", name,
		   target_difficulty(channel->target), difficulty > 0 ? "fixed" : "automatic");
	add_text(o, "channel", name);
	add_double(o, "difficulty", target_difficulty(channel->target));
	json_object_object_add(o, "fixed", json_object_new_boolean(difficulty > 0));
	return o;
}

/* A number above 0, or null for automatic (0 then); false with what is WRONG. */
static bool read_difficulty(const struct mining *mining, struct json_object *params, double *out,
			    char wrong[WRONG_MAX])
{
	const struct vardiff_options *o = &mining->config.vardiff;
	struct json_object *value;
	double work;

	snprintf(wrong, WRONG_MAX,
		 "difficulty: expected a number above 0, or null to have it steered again");
	*out = 0;
	if (!json_object_object_get_ex(params, "difficulty", &value))
		return false;
	if (!value)
		return true;
	if (!json_object_is_type(value, json_type_double) &&
	    !json_object_is_type(value, json_type_int))
		return false;
	*out = json_object_get_double(value);
	if (!isfinite(*out) || *out <= 0)
		return false;
	snprintf(wrong, WRONG_MAX,
		 "difficulty: %g is outside of min_difficulty and max_difficulty "
		 "of the section [%s], %s and %s",
		 *out, mining->info.instance, mining->api->config(mining->host, "min_difficulty"),
		 mining->api->config(mining->host, "max_difficulty"));
	work = target_difficulty_work(*out);
	return work >= o->min_work && work <= o->max_work;
}

/* The member KEY of PARAMS, as a name; false with what is WRONG. */
static bool read_name(const struct mining *mining, struct json_object *params, const char *key,
		      struct miner_name *name, char wrong[WRONG_MAX])
{
	struct json_object *value;

	snprintf(wrong, WRONG_MAX,
		 "%s: expected the name of a connection or channel, such as %s/7 or %s/7/2: "
		 "get_connected_miners and list_channels show them",
		 key, mining->info.worker_name, mining->info.worker_name);
	return json_object_object_get_ex(params, key, &value) &&
	       json_object_is_type(value, json_type_string) &&
	       miner_name_parse(mining, json_object_get_string(value), name);
}

void on_set_difficulty(void *user, struct adit_request *request,
		       const struct adit_request_info *info)
{
	struct mining *mining = user;
	struct json_object *params = read_params(mining, request, info);
	struct json_object *o, *list;
	struct miner_name name;
	char wrong[WRONG_MAX];
	struct mining_conn *conn;
	double difficulty;

	if (!params)
		return;
	if (!read_name(mining, params, "channel", &name, wrong) ||
	    !read_difficulty(mining, params, &difficulty, wrong)) {
		answer_error(mining, request, ADIT_E_INVALID_ARGUMENT, wrong);
		json_object_put(params);
		return;
	}
	json_object_put(params);
	list = json_object_new_array();
	conn = find_conn(mining, &name);
	for (uint32_t i = 0; conn && i < conn->count; i++) {
		if (name.channel == 0 || conn->channels[i]->id == name.channel)
			json_object_array_add(list, set_one(conn->channels[i], difficulty));
	}
	o = json_object_new_object();
	add_count(o, "changed", json_object_array_length(list));
	json_object_object_add(o, "channels", list);
	answer(mining, request, o);
}

static bool disconnect(struct mining *mining, const struct miner_name *name, const char *reason)
{
	struct mining_conn *conn = find_conn(mining, name);
	struct channel *channel;

	if (!conn)
		return false;
	if (name->channel == 0) {
		mining_log(mining, ADIT_LOG_INFO, "%s is disconnected: %s",
			   adit_sv2_peer(conn->sv2), reason);
		adit_sv2_close(conn->sv2, reason);
		return true;
	}
	channel = channel_find(conn, name->channel);
	if (channel)
		server_close_channel(channel, reason);
	return channel != NULL;
}

void on_disconnect_miner(void *user, struct adit_request *request,
			 const struct adit_request_info *info)
{
	struct mining *mining = user;
	struct json_object *params = read_params(mining, request, info);
	char reason[REASON_MAX + 1] = "disconnected by the administrator";
	struct json_object *o, *value;
	struct miner_name name;
	char wrong[WRONG_MAX];

	if (!params)
		return;
	if (json_object_object_get_ex(params, "reason", &value) &&
	    json_object_is_type(value, json_type_string))
		snprintf(reason, sizeof reason, "%s", json_object_get_string(value));
	if (read_name(mining, params, "miner", &name, wrong)) {
		o = json_object_new_object();
		add_count(o, "disconnected", disconnect(mining, &name, reason));
		answer(mining, request, o);
	} else {
		answer_error(mining, request, ADIT_E_INVALID_ARGUMENT, wrong);
	}
	json_object_put(params);
}

/* How many of CONN's channels, of which NUMBER alone unless it is 0, got a new prefix. */
static uint32_t renew(struct mining_conn *conn, uint32_t number)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < conn->count; i++) {
		if ((number == 0 || conn->channels[i]->id == number) &&
		    work_renew_prefix(conn->channels[i]))
			count++;
	}
	return count;
}

void on_renew_extranonce(void *user, struct adit_request *request,
			 const struct adit_request_info *info)
{
	struct mining *mining = user;
	struct json_object *params = read_params(mining, request, info);
	struct json_object *o;
	struct miner_name name = {.own = true};
	struct mining_conn *conn;
	char wrong[WRONG_MAX];
	uint32_t count = 0;

	if (!params)
		return;
	if (json_object_object_get_ex(params, "channel", NULL) &&
	    !read_name(mining, params, "channel", &name, wrong)) {
		answer_error(mining, request, ADIT_E_INVALID_ARGUMENT, wrong);
		json_object_put(params);
		return;
	}
	json_object_put(params);
	TAILQ_FOREACH(conn, &mining->conns, link)
	{
		if (name.own && (name.conn == 0 || adit_sv2_conn_id(conn->sv2) == name.conn))
			count += renew(conn, name.channel);
	}
	o = json_object_new_object();
	add_count(o, "renewed", count);
	answer(mining, request, o);
}
