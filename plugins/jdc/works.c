/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/jdc/works.h"

#include <stdlib.h>

#include "plugins/jdc/jdc.h"

void works_init(struct works *w)
{
	*w = (struct works){0};
	TAILQ_INIT(&w->list);
}

struct work *work_new(struct works *w, struct coinbase *c)
{
	struct work *work = calloc(1, sizeof *work);

	if (!work)
		return NULL;
	work->id = ++w->last_id;
	work->coinbase = c;
	w->count++;
	TAILQ_INSERT_HEAD(&w->list, work, link);
	return work;
}

void work_free(struct works *w, struct work *work)
{
	TAILQ_REMOVE(&w->list, work, link);
	w->count--;
	free(work);
}

struct work *works_find(struct works *w, uint64_t id)
{
	struct work *work;

	TAILQ_FOREACH(work, &w->list, link)
	{
		if (work->id == id)
			return work;
	}
	return NULL;
}

struct work *works_find_job(struct works *w, const struct jdc_pool *pool, uint32_t job_id)
{
	struct work *work;

	TAILQ_FOREACH(work, &w->list, link)
	{
		if (work->state == WORK_KNOWN && work->pool == pool &&
		    work->attempt == pool->attempt && work->job_id == job_id)
			return work;
	}
	return NULL;
}

void works_forget_pool(struct works *w, const struct jdc_pool *pool)
{
	struct work *work;

	TAILQ_FOREACH(work, &w->list, link)
	{
		if (work->pool != pool)
			continue;
		work->state = WORK_NEW;
		work->pool = NULL;
	}
}
