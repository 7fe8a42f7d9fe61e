/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/feed.h"

#include <json-c/json.h>
#include <string.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"

/* Figures of the node are old after a block; those of the mempool by themselves, in a minute. */
static void on_chain(struct miningos *m, const char *type, struct json_object *data)
{
	(void)type;
	(void)data;
	if (m->settings.stats_enabled)
		node_stats_collect(m);
}

static void on_template(struct miningos *m, const char *type, struct json_object *data)
{
	(void)type;
	template_event(m, data);
}

static void on_found(struct miningos *m, const char *type, struct json_object *data)
{
	(void)type;
	minerpool_found(m, data);
}

static void on_mined(struct miningos *m, const char *type, struct json_object *data)
{
	(void)type;
	minerpool_mined(m, data);
}

/* Somebody came or went, or a role began or ended. */
static void on_miners(struct miningos *m, const char *type, struct json_object *data)
{
	(void)type;
	(void)data;
	looks_soon(m);
}

/* A share of a channel that is not known yet: its miner is new. */
static void on_share(struct miningos *m, const char *type, struct json_object *data)
{
	(void)type;
	if (chans_find(&m->chans, get_text(data, "channel", "")) == NULL)
		looks_soon(m);
}

static void on_peers(struct miningos *m, const char *type, struct json_object *data)
{
	(void)type;
	(void)data;
	if (m->settings.stats_enabled)
		node_stats_collect(m);
}

/* There may be many; each says how large the mempool is. */
static void on_mempool(struct miningos *m, const char *type, struct json_object *data)
{
	struct json_object *size = get_member(data, "mempool_size");

	(void)type;
	if (m->node_stats.now != NULL && size != NULL)
		add_object(m->node_stats.now, "mempool_transaction_count", json_object_get(size));
}

static const struct {
	const char *type;
	void (*fn)(struct miningos *m, const char *type, struct json_object *data);
} feeds[] = {
    {"NewBlock", on_chain},
    {"ChainTipUpdated", on_chain},
    {"BlockDisconnected", on_chain},
    {"BlockTemplateUpdated", on_template},
    {"BlockTemplateGenerated", on_template}, /* what others call it */
    {"BlockFound", on_found},
    {"BlockMined", on_mined},
    {"ShareSubmitted", on_share},
    {"StratumClientConnected", on_miners},
    {"StratumClientDisconnected", on_miners},
    {"ModuleStarted", on_miners},
    {"ModuleStopped", on_miners},
    {"ModuleCrashed", on_miners},
    {"PeerConnected", on_peers},
    {"PeerDisconnected", on_peers},
    {"PeerBanned", on_peers},
    {"PeerUnbanned", on_peers},
    {"MempoolTransactionAdded", on_mempool},
    {"MempoolTransactionRemoved", on_mempool},
    {"MempoolThresholdExceeded", on_mempool},
    {"MempoolCleared", on_mempool},
};

static void on_event(void *user, const struct adit_event *event)
{
	struct miningos *m = user;
	struct json_object *data;

	if (!parse_json(event->json, event->json_size, &data))
		return;
	for (size_t i = 0; i < sizeof(feeds) / sizeof(feeds[0]); i++) {
		if (strcmp(feeds[i].type, event->type) == 0)
			feeds[i].fn(m, event->type, data);
	}
	json_object_put(data);
}

int32_t feed_begin(struct miningos *m, struct error *e)
{
	for (size_t i = 0; i < sizeof(feeds) / sizeof(feeds[0]); i++) {
		uint64_t id;
		int32_t r;

		/* The node compares its mempool for as long as somebody follows it. */
		if (feeds[i].fn == on_mempool && !m->settings.stats_enabled)
			continue;
		r = m->api->subscribe(m->host, feeds[i].type, on_event, m, NULL, &id);
		if (r != ADIT_OK)
			return error_set(e, r, "can't follow %s", feeds[i].type);
	}
	return ADIT_OK;
}
