/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/hooks.h"

#include "lib/mining/share_log.h"
#include "plugins/pool/events.h"
#include "plugins/pool/payouts.h"
#include "plugins/pool/pool.h"
#include "plugins/pool/status.h"

static void on_log(void *context, int32_t level, const char *text, size_t size)
{
	const struct mining *mining = &((struct pool *)context)->mining;

	mining->api->log(mining->host, level, text, size);
}

static void on_changed(void *context)
{
	status_update(context);
}

static void on_tick(void *context, uint64_t now_ms)
{
	struct pool *pool = context;

	pool->sample_due = true;
	payouts_tick(pool);
	early_tick(pool, now_ms);
}

static const char *on_identify(void *context, const struct adit_bytes *user, struct payee *payee)
{
	const struct pool *pool = context;

	return identity_parse(user, pool->config.network, pool->config.identities, payee);
}

static bool on_channel_opened(void *context, struct channel *channel, const struct adit_bytes *user)
{
	(void)context;
	return custom_channel_opened(channel, user);
}

static void on_channel_closed(void *context, struct channel *channel)
{
	(void)context;
	custom_channel_closed(channel);
}

static int32_t on_custom_job(void *context, struct mining_conn *conn,
			     const struct adit_sv2_set_custom_mining_job *m)
{
	(void)context;
	return custom_set_job(conn, m);
}

static uint32_t on_outputs(void *context, const struct payee *payee, uint64_t value,
			   struct buf *out)
{
	const struct pool *pool = context;

	return payout_outputs(&pool->payout, payee, value, out);
}

static void on_adopted(void *context, struct template *t, const struct tip *before, bool new_tip)
{
	struct pool *pool = context;

	if (before && before->nbits != t->tip.nbits)
		events_difficulty(pool, before, t);
	if (new_tip)
		custom_new_tip(pool);
	events_job(pool, t);
}

static void on_share(void *context, const struct judged_share *s)
{
	struct pool *pool = context;

	share_log_record(&pool->mining, s);
	if (pool->sample_due && (s->result == SHARE_ACCEPTED || s->result == SHARE_BLOCK)) {
		pool->sample_due = false;
		events_share(s->channel, s->job, s->hash, &s->share->worker);
	}
}

static void on_block(void *context, const struct judged_share *s)
{
	struct pool *pool = context;

	if (!s->job->template->provider) {
		custom_block(s->channel, s->job, s->hash);
		return;
	}
	events_block(s->channel, s->job, s->hash);
	payouts_block(pool, s->job->coinbase);
}

const struct mining_hooks pool_hooks = {
    .log = on_log,
    .changed = on_changed,
    .tick = on_tick,
    .identify = on_identify,
    .channel_opened = on_channel_opened,
    .channel_closed = on_channel_closed,
    .custom_job = on_custom_job,
    .outputs = on_outputs,
    .adopted = on_adopted,
    .share = on_share,
    .block = on_block,
};
