/* SPDX-License-Identifier: MIT */
/* What an upstream demands: the first part of the extranonce, and the easiest target it pays for.
 */
#include "config.h"

#include <string.h>

#include "lib/bitcoin/coinbase.h"
#include "lib/mining/engine.h"
#include "lib/mining/work.h"

/* --- the base of the extranonce ----------------------------------------------------------------
 */

static int32_t check_script(const struct extranonce *x, const char *tag, struct error *e)
{
	size_t size = strlen(tag);
	size_t script = TEMPLATE_SCRIPT_MAX + (size ? 1 + size : 0) + 1 + extranonce_size(x);

	if (size > MINING_TAG_MAX || script > COINBASE_SCRIPT_MAX)
		return error_set(e, ADIT_E_LIMIT,
				 "an extranonce of %zu bytes and a tag of %zu do not fit into the "
				 "coinbase's scriptSig",
				 extranonce_size(x), size);
	return ADIT_OK;
}

static int32_t divide(const struct mining *mining, const struct mining_base *base,
		      struct extranonce *x, struct error *e)
{
	bool resized = base && base->rollable && base->rollable != x->size.rollable;

	if (resized && mining->channel_count > 0)
		return error_set(e, ADIT_E_LIMIT, "there are channels that roll %u bytes",
				 x->size.rollable);
	if (extranonce_set_base(x, base ? base->bytes : NULL, base ? base->size : 0,
				base ? base->room : 0, base ? base->rollable : 0))
		return ADIT_OK;
	return error_set(e, ADIT_E_LIMIT,
			 "%u bytes of extranonce after a prefix of %u: %u are needed, and no more "
			 "than %u together",
			 base ? base->room : 0, base ? base->size : 0,
			 x->size.number + (resized ? base->rollable : x->size.rollable),
			 EXTRANONCE_MAX);
}

static const char *present_tag(const struct mining *mining)
{
	return mining->has_base_tag ? mining->base_tag : mining->config.tag;
}

/* Whether X and TAG make the extranonces and coinbases that there are. */
static bool is_present(const struct mining *mining, const struct extranonce *x, const char *tag)
{
	const struct extranonce *now = &mining->extranonce;

	return memcmp(&x->size, &now->size, sizeof x->size) == 0 &&
	       memcmp(x->base, now->base, x->size.base) == 0 &&
	       strcmp(tag, present_tag(mining)) == 0;
}

static void keep_tag(struct mining *mining, const char *tag)
{
	mining->has_base_tag = tag != NULL;
	if (tag)
		memmove(mining->base_tag, tag, strlen(tag) + 1);
}

static void tell_channels(struct mining *mining)
{
	struct mining_conn *conn;

	TAILQ_FOREACH(conn, &mining->conns, link)
	{
		for (uint32_t i = 0; i < conn->count; i++) {
			channel_remake_prefix(conn->channels[i]);
			work_send_prefix(conn->channels[i]);
		}
	}
}

int32_t mining_set_base(struct mining *mining, const struct mining_base *base, struct error *e)
{
	const char *tag = base && base->tag ? base->tag : mining->config.tag;
	struct extranonce x = mining->extranonce;
	int32_t result = divide(mining, base, &x, e);

	if (result == ADIT_OK)
		result = check_script(&x, tag, e);
	if (result != ADIT_OK)
		return result;
	mining->base_edition++;
	if (mining->source == SOURCE_UPSTREAM) {
		work_forget_announcements(mining);
		upstream_forget(mining);
	}
	if (is_present(mining, &x, tag))
		return ADIT_OK;
	mining->extranonce = x;
	keep_tag(mining, base ? base->tag : NULL);
	mining_outputs_changed(mining);
	providers_remake(mining);
	tell_channels(mining);
	return ADIT_OK;
}

size_t mining_share_extranonce(const struct judged_share *s, uint8_t out[32])
{
	const struct job *job = s->job;
	size_t base, size;

	if (!job)
		return 0;
	base = job->template->base_size;
	size = job->prefix_size - base;
	memcpy(out, job->prefix + base, size);
	if (s->share->extranonce_size > 0)
		memcpy(out + size, s->share->extranonce, s->share->extranonce_size);
	return size + s->share->extranonce_size;
}

/* --- the easiest target ------------------------------------------------------------------------
 */

void mining_set_bound(struct mining *mining, const uint8_t target[32])
{
	struct mining_conn *conn;

	mining->has_bound = target != NULL;
	if (target)
		memcpy(mining->bound, target, 32);
	TAILQ_FOREACH(conn, &mining->conns, link)
	{
		for (uint32_t i = 0; i < conn->count; i++) {
			if (channel_set_target(conn->channels[i]))
				work_send_target(conn->channels[i]);
		}
	}
}
