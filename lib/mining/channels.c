/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/channels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bitcoin/target.h"
#include "lib/mining/engine.h"
#include "lib/mining/text.h"
#include "lib/util/clock.h"

/* The upstream's target makes a channel's shares at most so many times as frequent as it is steered
 * to. */
#define FLOOD_FACTOR 10.0

/* Into the list by its number: the latest are at the end, and those that came a little earlier may
 * be set up a little later. */
static void conn_insert(struct mining *mining, struct mining_conn *conn)
{
	uint32_t number = adit_sv2_conn_id(conn->sv2);
	struct mining_conn *before = TAILQ_LAST(&mining->conns, mining_conn_list);

	while (before && adit_sv2_conn_id(before->sv2) > number)
		before = TAILQ_PREV(before, mining_conn_list, link);
	if (before)
		TAILQ_INSERT_AFTER(&mining->conns, before, conn, link);
	else
		TAILQ_INSERT_HEAD(&mining->conns, conn, link);
	mining->conn_count++;
}

struct mining_conn *conn_new(struct mining *mining, struct adit_sv2_conn *sv2)
{
	struct mining_conn *conn = calloc(1, sizeof *conn);

	if (!conn)
		return NULL;
	conn->mining = mining;
	conn->sv2 = sv2;
	conn->standard_jobs = adit_sv2_conn_flags(sv2) & ADIT_SV2_REQUIRES_STANDARD_JOBS;
	conn->custom_work = adit_sv2_conn_flags(sv2) & ADIT_SV2_REQUIRES_WORK_SELECTION;
	conn->opened_ms = clock_monotonic_ms();
	conn->next_id = CHANNEL_FIRST;
	LIST_INIT(&conn->groups);
	STAILQ_INIT(&conn->opens);
	conn_insert(mining, conn);
	return conn;
}

void conn_free(struct mining_conn *conn)
{
	while (conn->count > 0)
		channel_free(conn->channels[conn->count - 1]);
	free(conn->channels);
	opens_forget(conn);
	TAILQ_REMOVE(&conn->mining->conns, conn, link);
	conn->mining->conn_count--;
	free(conn);
}

/* Index of the first channel whose id is not below ID. */
static uint32_t channel_position(const struct mining_conn *conn, uint32_t id)
{
	uint32_t low = 0;
	uint32_t high = conn->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (conn->channels[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct channel *channel_find(struct mining_conn *conn, uint32_t id)
{
	uint32_t at = channel_position(conn, id);

	return at < conn->count && conn->channels[at]->id == id ? conn->channels[at] : NULL;
}

static bool conn_make_room(struct mining_conn *conn)
{
	uint32_t capacity = conn->capacity ? conn->capacity * 2 : 1;
	struct channel **channels;

	if (conn->count < conn->capacity)
		return true;
	channels = realloc(conn->channels, capacity * sizeof(struct channel *));
	if (!channels)
		return false;
	conn->channels = channels;
	conn->capacity = capacity;
	return true;
}

static void channel_start(struct channel *channel, const struct channel_request *request)
{
	struct mining *mining = channel->conn->mining;
	uint64_t now = clock_monotonic_ms();

	channel->standard = request->standard;
	channel_remake_prefix(channel);
	memcpy(channel->max_target, request->max_target, 32);
	vardiff_start(&channel->vardiff, &mining->config.vardiff, request->hashrate,
		      target_work(channel->max_target), now);
	channel_set_target(channel);
	channel->tip_number = mining->tip_number;
	rate_start(&channel->stats.rate, now);
}

/* A place among the payouts and one in the space of extranonces; both or none. */
static bool take_places(struct channel *channel, const struct channel_request *request)
{
	struct mining *mining = channel->conn->mining;

	if (!classes_join(&mining->classes, channel, request->payee))
		return false;
	if (extranonce_take(&mining->extranonce, &channel->number))
		return true;
	classes_leave(&mining->classes, channel);
	return false;
}

static void leave_places(struct channel *channel)
{
	struct mining *mining = channel->conn->mining;

	extranonce_give(&mining->extranonce, channel->number);
	if (channel->has_retired)
		extranonce_give(&mining->extranonce, channel->retired_number);
	classes_leave(&mining->classes, channel);
}

struct channel *channel_new(struct mining_conn *conn, const struct channel_request *request,
			    const char **code)
{
	struct mining *mining = conn->mining;
	struct channel *channel;

	*code = "channel-capacity-exhausted";
	if (conn->count >= mining->config.max_channels || conn->next_id == CHANNEL_GROUP_FIRST ||
	    !conn_make_room(conn))
		return NULL;
	channel = calloc(1, sizeof *channel + request->user.size + 1);
	if (!channel)
		return NULL;
	channel->conn = conn;
	if (!take_places(channel, request)) {
		free(channel);
		return NULL;
	}
	channel->id = conn->next_id;
	text_printable(request->user.data, request->user.size, channel->user);
	channel_start(channel, request);
	if (mining->hooks->channel_opened &&
	    !mining->hooks->channel_opened(mining->context, channel, &request->user)) {
		leave_places(channel);
		free(channel);
		return NULL;
	}
	conn->next_id++;
	conn->channels[conn->count++] = channel; /* ids only grow: the order holds */
	mining->channel_count++;
	return channel;
}

static bool prefix_in_use(const struct channel *channel, uint32_t number)
{
	const struct extranonce *x = &channel->conn->mining->extranonce;
	uint8_t prefix[EXTRANONCE_MAX];

	extranonce_prefix(x, number, channel->standard, prefix);
	for (uint32_t i = 0; i < channel->jobs.count; i++) {
		if (memcmp(channel->jobs.items[i].prefix, prefix, channel->prefix_size) == 0)
			return true;
	}
	return false;
}

bool channel_renew_prefix(struct channel *channel)
{
	struct extranonce *x = &channel->conn->mining->extranonce;
	uint32_t number;

	if (channel->has_retired && prefix_in_use(channel, channel->retired_number))
		return false;
	if (!extranonce_take(x, &number))
		return false;
	if (channel->has_retired)
		extranonce_give(x, channel->retired_number);
	channel->retired_number = channel->number;
	channel->has_retired = true;
	channel->number = number;
	extranonce_prefix(x, number, channel->standard, channel->prefix);
	return true;
}

void channel_remake_prefix(struct channel *channel)
{
	channel->prefix_size =
	    (uint8_t)extranonce_prefix(&channel->conn->mining->extranonce, channel->number,
				       channel->standard, channel->prefix);
}

static void unqueue_acknowledgement(struct channel *channel)
{
	struct channel **at = &channel->conn->unacknowledged;

	while (*at && *at != channel)
		at = &(*at)->ack.next;
	if (*at)
		*at = channel->ack.next;
}

void channel_free(struct channel *channel)
{
	struct mining_conn *conn = channel->conn;
	uint32_t at = channel_position(conn, channel->id);

	if (channel->ack.queued)
		unqueue_acknowledgement(channel);
	conn->count--;
	memmove(&conn->channels[at], &conn->channels[at + 1],
		(conn->count - at) * sizeof(struct channel *));
	conn->mining->channel_count--;
	if (conn->mining->hooks->channel_closed)
		conn->mining->hooks->channel_closed(conn->mining->context, channel);
	jobs_fini(&channel->jobs);
	workers_release(&conn->mining->workers, channel);
	leave_places(channel);
	free(channel);
}

void channel_name(const struct channel *channel, char *out, size_t capacity)
{
	const struct mining_conn *conn = channel->conn;

	snprintf(out, capacity, "%s/%u/%u", conn->mining->info.worker_name,
		 adit_sv2_conn_id(conn->sv2), channel->id);
}

/* TARGET is made as easy as the upstream's, but not so easy that the channel sends shares without
 * end: an upstream that was told of no hash rate yet may count every hash. */
static void ease_target(const struct channel *channel, uint8_t target[32])
{
	const struct mining *mining = channel->conn->mining;
	const struct vardiff_options *o = &mining->config.vardiff;
	const uint8_t *bound = mining->bound;
	uint8_t flood[32];

	if (target_compare(target, bound) >= 0)
		return;
	target_from_hashrate(vardiff_flood_hashrate(&channel->vardiff, o),
			     o->shares_per_minute * FLOOD_FACTOR, flood);
	if (target_compare(flood, bound) < 0)
		bound = flood;
	if (target_compare(target, bound) < 0)
		memcpy(target, bound, 32);
}

bool channel_set_target(struct channel *channel)
{
	const struct mining *mining = channel->conn->mining;
	const struct vardiff *v = &channel->vardiff;
	uint8_t target[32];

	/* The specification's formula divides by a whole number, too coarse for small work. */
	if (v->work < 1024)
		target_from_difficulty(v->work * 65535 / 0x1p48, target);
	else
		target_from_hashrate(v->work, 60, target);
	if (mining->has_bound)
		ease_target(channel, target);
	/* The device's bound to the last digit. */
	if (v->work <= v->least_work || target_compare(target, channel->max_target) > 0)
		memcpy(target, channel->max_target, 32);
	if (memcmp(target, channel->target, 32) == 0)
		return false;
	memcpy(channel->target, target, 32);
	return true;
}
