/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/upstream.h"

#include <string.h>

#include "lib/mining/engine.h"
#include "lib/mining/preference.h"
#include "lib/mining/work.h"

void upstream_forget(struct mining *mining)
{
	struct upstream_work *u = &mining->upstream;

	for (uint32_t i = 0; i < u->future_count; i++)
		template_unref(u->futures[i]);
	*u = (struct upstream_work){0};
}

static void remove_future(struct upstream_work *u, uint32_t at)
{
	template_unref(u->futures[at]);
	u->future_count--;
	memmove(&u->futures[at], &u->futures[at + 1],
		(u->future_count - at) * sizeof u->futures[0]);
}

/* Of two with the same id the later one. */
static struct template *find_future(const struct upstream_work *u, uint32_t id)
{
	for (uint32_t i = u->future_count; i-- > 0;) {
		if (u->futures[i]->id == id)
			return u->futures[i];
	}
	return NULL;
}

/* Takes over the reference. */
static void add_future(struct mining *mining, struct template *t)
{
	struct upstream_work *u = &mining->upstream;

	if (u->future_count == UPSTREAM_FUTURES_MAX)
		remove_future(u, 0);
	u->futures[u->future_count++] = t;
	/* What comes before the first tip is most likely for that one: it goes out with it, and
	 * ends nothing on the same tip. */
	if (u->has_tip)
		work_future(mining, t);
}

int32_t mining_upstream_job(struct mining *mining,
			    const struct adit_sv2_new_extended_mining_job *job, void *role,
			    struct error *e)
{
	struct upstream_work *u = &mining->upstream;
	const struct extranonce *x = &mining->extranonce;
	struct template *t;

	if (mining->source != SOURCE_UPSTREAM)
		return error_set(e, ADIT_E_UNAVAILABLE, "work comes from elsewhere");
	if (job->ntime_start.present && !u->has_tip)
		return error_set(e, ADIT_E_PROTOCOL, "a job for a tip that was not announced");
	t = template_whole(mining, job, extranonce_size(x), x->size.base, role, e);
	if (!t)
		return e->code;
	t->version_rolling = t->version_rolling && mining->config.version_rolling;
	t->base_edition = mining->base_edition;
	if (!job->ntime_start.present) {
		add_future(mining, t);
		return ADIT_OK;
	}
	t->tip = u->tip;
	t->tip.min_ntime = job->ntime_start.value;
	work_switch(mining, t);
	template_unref(t);
	return ADIT_OK;
}

int32_t mining_upstream_tip(struct mining *mining, const struct adit_sv2_set_new_prev_hash *m,
			    struct error *e)
{
	struct upstream_work *u = &mining->upstream;
	struct template *t = find_future(u, m->job_id);
	struct tip tip;

	if (mining->source != SOURCE_UPSTREAM)
		return error_set(e, ADIT_E_UNAVAILABLE, "work comes from elsewhere");
	if (!t)
		return error_set(e, ADIT_E_PROTOCOL, "SetNewPrevHash for unknown job %u",
				 m->job_id);
	if (tip_set(&tip, m->prev_hash.b, m->nbits, m->ntime_start, e) != ADIT_OK)
		return e->code;
	u->tip = tip;
	u->has_tip = true;
	t->tip = tip;
	template_ref(t);
	for (uint32_t i = 0; i < u->future_count; i++)
		template_unref(u->futures[i]);
	u->future_count = 0;
	work_switch(mining, t);
	template_unref(t);
	return ADIT_OK;
}

/* --- the source --------------------------------------------------------------------------------
 */

static void set_source(struct mining *mining, enum mining_source source)
{
	mining->source = source;
	/* Channels may have future jobs of the source before; those are not counted on any more. */
	work_forget_announcements(mining);
	upstream_forget(mining);
}

void mining_use_templates(struct mining *mining)
{
	const struct provider *p = mining->providers.active;

	if (mining->source == SOURCE_TEMPLATES)
		return;
	set_source(mining, SOURCE_TEMPLATES);
	if (p && preference_is_ready(p))
		work_switch(mining, p->current);
	mining_changed(mining);
}

void mining_use_upstream(struct mining *mining)
{
	set_source(mining, SOURCE_UPSTREAM);
	mining_changed(mining);
}

void mining_use_nothing(struct mining *mining)
{
	set_source(mining, SOURCE_NOTHING);
	template_unref(mining->current);
	mining->current = NULL;
	if (mining->open && mining->server)
		mining->server->set_open(mining->server->server, ADIT_SV2_MINING, false);
	mining->open = false;
	mining_changed(mining);
}
