/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/node_stats.h"

#include <json-c/json.h>
#include <string.h>

#include <adit/node.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"

#define CALL_MS 10000u

/* What is asked for, and which member of the answer becomes which of ours. */
static const struct {
	const char *method;
	struct {
		const char *theirs;
		const char *ours;
	} members[6];
} questions[] = {
    {"get_chain_info", {{"hash", "chain_tip"}, {"height", "height"}, {"difficulty", "difficulty"}}},
    {"get_sync_status", {{"synced", "is_synced"}}},
    {"get_network_stats",
     {{"peer_count", "peer_count"},
      {"hash_rate", "hash_rate"},
      {"bytes_sent", "bytes_sent"},
      {"bytes_received", "bytes_received"}}},
    {"get_mempool_size",
     {{"transaction_count", "mempool_transaction_count"},
      {"size_bytes", "mempool_size_bytes"},
      {"total_fee", "mempool_total_fee_sats"}}},
};

#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

static void finish(struct miningos *m)
{
	struct node_stats *s = &m->node_stats;

	json_object_put(s->now);
	s->now = s->next;
	s->next = NULL;
	if (m->api->event_wanted(m->host, "MiningOSStatsUpdated"))
		mos_publish(m, "MiningOSStatsUpdated", node_stats_json(m));
}

static void on_answer(struct miningos *m, size_t question, const struct adit_reply *reply)
{
	struct node_stats *s = &m->node_stats;
	struct json_object *answer = NULL;

	if (reply->error == ADIT_OK)
		(void)parse_json(reply->json, reply->json_size, &answer);
	for (size_t i = 0; i < 6 && questions[question].members[i].ours != NULL; i++) {
		struct json_object *value =
		    get_member(answer, questions[question].members[i].theirs);

		add_object(s->next, questions[question].members[i].ours, json_object_get(value));
	}
	json_object_put(answer);
	if (--s->open == 0)
		finish(m);
}

static void on_chain(void *user, const struct adit_reply *reply)
{
	on_answer(user, 0, reply);
}

static void on_sync(void *user, const struct adit_reply *reply)
{
	on_answer(user, 1, reply);
}

static void on_network(void *user, const struct adit_reply *reply)
{
	on_answer(user, 2, reply);
}

static void on_mempool(void *user, const struct adit_reply *reply)
{
	on_answer(user, 3, reply);
}

void node_stats_collect(struct miningos *m)
{
	static const adit_reply_fn fns[QUESTIONS] = {on_chain, on_sync, on_network, on_mempool};
	struct node_stats *s = &m->node_stats;

	if (s->open > 0)
		return;
	json_object_put(s->next);
	s->next = json_object_new_object();
	add_count(s->next, "timestamp", mos_now_ms() / 1000);
	for (size_t i = 0; i < QUESTIONS; i++) {
		if (m->api->call(m->host, ADIT_NODE_ROLE, questions[i].method, "{}", 2, NULL, 0,
				 CALL_MS, fns[i], m, NULL, NULL) == ADIT_OK)
			s->open++;
	}
}

static void on_timer(void *user)
{
	node_stats_collect(user);
}

int32_t node_stats_begin(struct miningos *m, struct error *e)
{
	uint32_t interval = m->settings.collection_interval_seconds * 1000;
	int32_t r;

	if (!m->settings.stats_enabled)
		return ADIT_OK;
	r = m->api->timer_add(m->host, interval, interval, on_timer, m, NULL, NULL);
	if (r != ADIT_OK)
		return error_set(e, r, "no timer");
	node_stats_collect(m);
	return ADIT_OK;
}

void node_stats_end(struct miningos *m)
{
	json_object_put(m->node_stats.now);
	json_object_put(m->node_stats.next);
	m->node_stats = (struct node_stats){0};
}

struct json_object *node_stats_json(const struct miningos *m)
{
	struct json_object *copy = copy_json(m->node_stats.now);

	return copy != NULL ? copy : json_object_new_object();
}
