/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/summary.h"

#include <json-c/json.h>
#include <stdio.h>

#include "lib/mining/answers.h"
#include "lib/mining/engine.h"
#include "lib/mining/listing.h"
#include "lib/util/clock.h"

#define MINERS_MAX 200

void summary_state(const struct mining *m, const char *work)
{
	const char *journal = m->journal.error;
	char text[700];

	snprintf(text, sizeof text, "%s%s%s", work,
		 *journal ? "; found blocks can't be written to disk: " : "", journal);
	m->api->status(m->host, text);
}

static uint64_t refused_count(const struct mining_stats *stats)
{
	uint64_t count = 0;

	for (int i = SHARE_INVALID_CHANNEL; i < SHARE_RESULTS; i++)
		count += stats->results[i];
	return count;
}

void summary_shares(struct json_object *o, const struct mining *m)
{
	add_count(o, "connections", m->conn_count);
	add_count(o, "channels", m->channel_count);
	add_double(o, "hashrate", rate_get(&m->stats.rate, clock_monotonic_ms()));
	add_count(o, "shares_accepted", m->stats.accepted);
	add_count(o, "shares_rejected", refused_count(&m->stats) - m->stats.results[SHARE_STALE]);
	add_count(o, "shares_stale", m->stats.stale);
	json_object_object_add(o, "rejects", listing_reasons(m->stats.results));
	add_count(o, "blocks_found", m->stats.blocks_found);
}

void summary_tip(struct json_object *o, const struct mining *m)
{
	add_text(o, "journal_error", m->journal.error[0] ? m->journal.error : NULL);
	add_count(o, "height", m->current ? m->current->height : 0);
	if (m->current)
		add_hash(o, "prev_hash", m->current->tip.prev_hash);
	else
		add_text(o, "prev_hash", NULL);
}

void summary_providers(struct json_object *o, const struct mining *m)
{
	add_text(o, "template_provider", m->providers.active ? m->providers.active->address : NULL);
	json_object_object_add(o, "template_providers", providers_json(m));
	add_count(o, "jobs_sent", m->stats.jobs_sent);
}

static struct json_object *channels_json(const struct mining *m, uint32_t max)
{
	struct json_object *list = json_object_new_array();
	uint64_t now = clock_monotonic_ms();
	const struct mining_conn *conn;

	TAILQ_FOREACH(conn, &m->conns, link)
	{
		for (uint32_t i = 0; i < conn->count; i++) {
			if (max-- == 0)
				return list;
			json_object_array_add(list, listing_channel(conn->channels[i], now));
		}
	}
	return list;
}

void summary_miners(struct json_object *o, const struct mining *m)
{
	json_object_object_add(o, "miners", channels_json(m, MINERS_MAX));
}

void summary_totals(struct json_object *o, const struct mining *m)
{
	const struct mining_stats *stats = &m->stats;
	uint64_t refused = refused_count(stats);

	add_count(o, "miner_count", m->conn_count);
	add_count(o, "channel_count", m->channel_count);
	add_double(o, "hashrate", rate_get(&stats->rate, clock_monotonic_ms()));
	add_count(o, "total_shares", stats->accepted + refused);
	add_count(o, "accepted_shares", stats->accepted);
	add_count(o, "rejected_shares", refused);
	add_count(o, "stale_shares", stats->stale);
}
