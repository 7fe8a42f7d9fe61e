/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/pool/status.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "lib/mining/answers.h"
#include "lib/mining/summary.h"
#include "plugins/pool/pool.h"

/* --- the state line ----------------------------------------------------------------------------
 */

/* Why work does not come from the first provider of the list: appends to TEXT. */
static void add_first(const struct providers *all, char *text, size_t capacity)
{
	size_t size = strlen(text);
	char why[200];

	if (all->count == 0 || all->active == all->items)
		return;
	provider_describe(all->items, why, sizeof why);
	if (why[0] != '\0')
		snprintf(text + size, capacity - size, " (%.100s is %s)", all->items[0].address,
			 why);
}

static void say_work(const struct pool *pool, char *text, size_t capacity)
{
	const struct providers *all = &pool->mining.providers;
	bool connected = false;

	for (uint32_t i = 0; i < all->count; i++)
		connected = connected || all->items[i].conn;
	if (!pool->mining.current)
		snprintf(text, capacity, "%s",
			 connected ? "waiting for a template"
				   : "connecting to the template provider");
	else if (all->active && all->active != all->items)
		snprintf(text, capacity, "mining at height %u, with templates of %.100s",
			 pool->mining.current->height, all->active->address);
	else if (all->active)
		snprintf(text, capacity, "mining at height %u", pool->mining.current->height);
	else
		snprintf(text, capacity, "mining at height %u on the last template: %s",
			 pool->mining.current->height,
			 connected ? "no template provider has a usable one for the tip"
				   : "the template provider is away");
	if (pool->mining.current || !connected)
		add_first(all, text, capacity);
}

void status_update(struct pool *pool)
{
	char text[500];

	say_work(pool, text, sizeof text);
	summary_state(&pool->mining, text);
}

/* --- the method `status`
 * -----------------------------------------------------------------------------------
 */

void status_answer(void *user, struct adit_request *request, const struct adit_request_info *info)
{
	struct pool *pool = user;
	struct json_object *o = json_object_new_object();

	(void)info;
	summary_shares(o, &pool->mining);
	summary_tip(o, &pool->mining);
	add_count(o, "template_id", pool->mining.current ? pool->mining.current->id : 0);
	summary_providers(o, &pool->mining);
	custom_status(pool, o);
	add_double(o, "best_difficulty", pool->mining.stats.best_difficulty);
	summary_miners(o, &pool->mining);
	answer(&pool->mining, request, o);
}
