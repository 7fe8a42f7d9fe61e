/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/payouts.h"

#include <string.h>

#include "lib/mining/server.h"
#include "lib/mining/work.h"
#include "plugins/pool/pool.h"

/* After the block has left for the template provider; before the node's next template is likely. */
#define ADVANCE_DELAY_MS 10

static int32_t make_payout(struct pool *pool, const struct reward *reward, struct payout *out,
			   struct error *e)
{
	int32_t result = indexes_read(&pool->indexes, reward, e);

	if (result != ADIT_OK)
		return result;
	return payout_make(out, reward, pool->indexes.value, pool->mining.info.network, e);
}

static bool payees_admitted(const struct pool_config *config)
{
	return config->identities != IDENTITY_POOL && config->mining.max_classes > 0;
}

int32_t payouts_init(struct pool *pool, struct error *e)
{
	const struct pool_config *config = &pool->config;
	struct mining_limits limits;
	int32_t result;

	if (indexes_init(&pool->indexes, pool->mining.info.state_dir) != ADIT_OK)
		return error_set(e, ADIT_E_NO_MEMORY, "out of memory");
	result = make_payout(pool, &config->reward, &pool->payout, e);
	if (result != ADIT_OK)
		return result;
	limits = payout_limits(&pool->payout, payees_admitted(config));
	mining_set_limits(&pool->mining, limits.size, limits.sigops);
	return ADIT_OK;
}

void payouts_fini(struct pool *pool)
{
	indexes_fini(&pool->indexes);
}

int32_t payouts_check(struct pool *pool, const struct pool_config *config, struct error *e)
{
	uint32_t first[REWARD_ITEMS_MAX] = {0}; /* no index makes another size */
	struct payout payout;
	struct mining_limits limits;
	int32_t result = payout_make(&payout, &config->reward, first, pool->mining.info.network, e);

	if (result != ADIT_OK)
		return result;
	limits = payout_limits(&payout, payees_admitted(config));
	if (limits.size > pool->mining.limits.size || limits.sigops > pool->mining.limits.sigops)
		return ADIT_E_UNSUPPORTED;
	return ADIT_OK;
}

/* --- new outputs -------------------------------------------------------------------------------
 */

/* Takes over the outputs of the present configuration and indexes. */
static bool adopt_payout(struct pool *pool)
{
	struct payout payout;
	struct error e = {0};

	if (make_payout(pool, &pool->config.reward, &payout, &e) != ADIT_OK) {
		mining_log(&pool->mining, ADIT_LOG_ERROR, "the payout stays as it was: %s", e.text);
		return false;
	}
	pool->payout = payout;
	mining_outputs_changed(&pool->mining);
	return true;
}

static void advance(void *user)
{
	struct pool *pool = user;
	struct error e = {0};
	int32_t result = indexes_advance(&pool->indexes, &pool->config.reward, &e);

	pool->advance_timer = 0;
	if (result == ADIT_E_UNAVAILABLE)
		return; /* with the next tick */
	pool->advance_due = false;
	if (result != ADIT_OK)
		mining_log(&pool->mining, ADIT_LOG_ERROR,
			   "the next block pays the same script again: %s", e.text);
	else if (adopt_payout(pool))
		mining_refresh(&pool->mining);
}

void payouts_block(struct pool *pool, const struct coinbase *c)
{
	bool ranged = false;

	for (uint32_t i = 0; i < pool->config.reward.count; i++)
		ranged = ranged || pool->config.reward.items[i].ranged;
	if (!ranged || !c->pays_own || c->edition != pool->mining.edition || pool->advance_due)
		return;
	pool->advance_due = true;
	pool->mining.api->timer_add(pool->mining.host, ADVANCE_DELAY_MS, 0, advance, pool, NULL,
				    &pool->advance_timer);
}

void payouts_tick(struct pool *pool)
{
	bool ranged = false;

	for (uint32_t i = 0; i < pool->config.reward.count; i++)
		ranged = ranged || pool->config.reward.items[i].ranged;
	if (!ranged)
		return;
	if (pool->advance_due && !pool->advance_timer)
		advance(pool);
	else if (!pool->advance_due && indexes_changed(&pool->indexes) && adopt_payout(pool))
		mining_refresh(&pool->mining);
}

/* --- reload ------------------------------------------------------------------------------------
 */

/* Puts CHANNEL into the class of PAYEE. False when there is no room for it. */
static bool move_channel(struct channel *channel, const struct payee *payee)
{
	uint32_t before = channel->group->class->group_id;

	if (!classes_move(&channel->conn->mining->classes, channel, payee))
		return false;
	if (channel->group->class->group_id != before)
		work_set_group(channel);
	return true;
}

/* NULL, or the reason why CHANNEL has to go. */
static const char *classify(struct channel *channel)
{
	const struct pool_config *config = &pool_of(channel->conn)->config;
	struct adit_bytes user = {.data = (const uint8_t *)channel->user,
				  .size = (uint32_t)strlen(channel->user)};
	struct payee payee;
	const char *code = identity_parse(&user, config->network, config->identities, &payee);

	if (!code && !move_channel(channel, &payee))
		code = "channel-capacity-exhausted";
	return code;
}

static void classify_all(struct pool *pool)
{
	struct mining_conn *conn;

	TAILQ_FOREACH(conn, &pool->mining.conns, link)
	{
		/* Downward: a channel that is closed takes itself out. */
		for (uint32_t i = conn->count; i-- > 0;) {
			const char *code = classify(conn->channels[i]);

			if (code)
				server_close_channel(conn->channels[i], code);
		}
	}
}

static bool same_reward(const struct reward *a, const struct reward *b)
{
	if (a->count != b->count || a->rest != b->rest)
		return false;
	for (uint32_t i = 0; i < a->count; i++) {
		if (a->items[i].parts != b->items[i].parts ||
		    strcmp(a->items[i].descriptor, b->items[i].descriptor) != 0)
			return false;
	}
	return true;
}

void payouts_reload(struct pool *pool, const struct pool_config *before)
{
	const struct pool_config *config = &pool->config;
	bool others = config->identities != before->identities;
	bool outputs = !same_reward(&config->reward, &before->reward);

	pool->mining.classes.max = config->mining.max_classes;
	if (others)
		classify_all(pool);
	if (outputs)
		outputs = adopt_payout(pool);
	if (others || outputs)
		mining_refresh(&pool->mining);
}
