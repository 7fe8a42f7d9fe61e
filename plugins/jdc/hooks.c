/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jdc/hooks.h"

#include "lib/mining/share_log.h"
#include "plugins/jdc/events.h"
#include "plugins/jdc/jdc.h"
#include "plugins/jdc/pools.h"
#include "plugins/jdc/sources.h"
#include "plugins/jdc/status.h"

static void on_log(void *context, int32_t level, const char *text, size_t size)
{
	const struct mining *mining = &((struct jdc *)context)->mining;

	mining->api->log(mining->host, level, text, size);
}

static void on_changed(void *context)
{
	status_update(context);
}

static void on_tick(void *context, uint64_t now_ms)
{
	pools_second(context, now_ms);
}

static uint32_t on_outputs(void *context, const struct payee *payee, uint64_t value,
			   struct buf *out)
{
	(void)payee; /* there is one class */
	return source_coinbase(context, value, out);
}

static void on_coinbase_made(void *context, struct coinbase *c)
{
	struct jdc *jdc = context;

	c->role = work_new(&jdc->works, c);
}

static void on_coinbase_freed(void *context, struct coinbase *c)
{
	struct jdc *jdc = context;
	struct work *work = c->role;

	/* A block waits until the pool knows the job, or that it won't. */
	jdc->counts.held_dropped += held_keep_blocks(&jdc->held, work->id);
	work_free(&jdc->works, work);
	c->role = NULL;
}

static void on_adopted(void *context, struct template *t, const struct tip *before, bool new_tip)
{
	struct jdc *jdc = context;

	(void)before;
	source_adopted(jdc, t, new_tip);
	events_job(jdc, t);
}

static void on_share(void *context, const struct judged_share *s)
{
	share_log_record(&((struct jdc *)context)->mining, s);
	if (s->result == SHARE_ACCEPTED || s->result == SHARE_BLOCK)
		source_share(context, s);
}

static void on_block(void *context, const struct judged_share *s)
{
	source_block(context, s);
	events_block(context, s);
}

static void on_templates(void *context, bool there)
{
	pools_templates(context, there);
}

static int32_t on_transactions(void *context, struct provider *provider,
			       const struct adit_sv2_request_transaction_data_success *m)
{
	source_transactions(context, provider, m);
	return ADIT_OK;
}

static int32_t on_no_transactions(void *context, struct provider *provider,
				  const struct adit_sv2_request_transaction_data_error *m)
{
	source_no_transactions(context, provider, m->template_id);
	return ADIT_OK;
}

const struct mining_hooks jdc_hooks = {
    .log = on_log,
    .changed = on_changed,
    .tick = on_tick,
    .outputs = on_outputs,
    .coinbase_made = on_coinbase_made,
    .coinbase_freed = on_coinbase_freed,
    .adopted = on_adopted,
    .share = on_share,
    .block = on_block,
    .templates = on_templates,
    .transactions = on_transactions,
    .no_transactions = on_no_transactions,
};
