/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "lib/mining/classes.h"

#include <stdlib.h>
#include <string.h>
#include <string.h>

#include "lib/mining/channels.h"
#include "lib/mining/templates.h"

bool payee_equal(const struct payee *a, const struct payee *b)
{
	return a->own_percent == b->own_percent && a->script_size == b->script_size &&
	       memcmp(a->script, b->script, a->script_size) == 0;
}

static uint32_t bucket_of(const struct payee *payee)
{
	uint32_t h = 2166136261u ^ payee->own_percent; /* FNV-1a */

	for (size_t i = 0; i < payee->script_size; i++)
		h = (h ^ payee->script[i]) * 16777619u;
	return h % CLASSES_BUCKETS;
}

static struct payout_class *class_new(struct classes *classes, const struct payee *payee,
				      uint32_t group_id)
{
	struct payout_class *class = calloc(1, sizeof *class);

	if (!class)
		return NULL;
	class->payee = *payee;
	class->group_id = group_id;
	LIST_INIT(&class->groups);
	LIST_INIT(&class->coinbases);
	TAILQ_INSERT_TAIL(&classes->list, class, link);
	LIST_INSERT_HEAD(&classes->buckets[bucket_of(payee)], class, bucket);
	return class;
}

static void class_forget_coinbases(struct payout_class *class)
{
	struct coinbase *c;

	while ((c = LIST_FIRST(&class->coinbases))) {
		LIST_REMOVE(c, link);
		c->class = NULL;
	}
}

static void class_free(struct classes *classes, struct payout_class *class)
{
	class_forget_coinbases(class);
	LIST_REMOVE(class, bucket);
	TAILQ_REMOVE(&classes->list, class, link);
	free(class);
}

int32_t classes_init(struct classes *classes, uint32_t max)
{
	static const struct payee own = {.own_percent = 100};

	*classes = (struct classes){.max = max, .last_group_id = CHANNEL_GROUP_FIRST - 1};
	TAILQ_INIT(&classes->list);
	classes->own = class_new(classes, &own, CHANNEL_GROUP);
	return classes->own ? ADIT_OK : ADIT_E_NO_MEMORY;
}

void classes_fini(struct classes *classes)
{
	if (classes->own)
		class_free(classes, classes->own);
	classes->own = NULL;
}

static struct payout_class *class_find(struct classes *classes, const struct payee *payee)
{
	struct payout_class *class;

	LIST_FOREACH(class, &classes->buckets[bucket_of(payee)], bucket)
	{
		if (payee_equal(&class->payee, payee))
			return class;
	}
	return NULL;
}

static struct payout_class *class_take(struct classes *classes, const struct payee *payee)
{
	struct payout_class *class = class_find(classes, payee);

	if (class || classes->count >= classes->max || classes->last_group_id == UINT32_MAX)
		return class;
	class = class_new(classes, payee, classes->last_group_id + 1);
	if (class) {
		classes->last_group_id++;
		classes->count++;
	}
	return class;
}

static void class_drop(struct classes *classes, struct payout_class *class)
{
	if (class == classes->own || class->channels > 0)
		return;
	class_free(classes, class);
	classes->count--;
}

static struct group *group_take(struct payout_class *class, struct mining_conn *conn)
{
	struct group *group = group_find(conn, class->group_id);

	if (group)
		return group;
	group = calloc(1, sizeof *group);
	if (!group)
		return NULL;
	group->class = class;
	group->conn = conn;
	TAILQ_INIT(&group->channels);
	LIST_INSERT_HEAD(&class->groups, group, of_class);
	LIST_INSERT_HEAD(&conn->groups, group, of_conn);
	return group;
}

/* The group of CONN for PAYEE, made when it is not there; NULL when there can be none. */
static struct group *group_for(struct classes *classes, struct mining_conn *conn,
			       const struct payee *payee)
{
	struct payout_class *class = class_take(classes, payee);
	struct group *group = class ? group_take(class, conn) : NULL;

	if (class && !group)
		class_drop(classes, class);
	return group;
}

static void enter(struct group *group, struct channel *channel)
{
	channel->group = group;
	TAILQ_INSERT_TAIL(&group->channels, channel, in_group);
	group->class->channels++;
}

bool classes_join(struct classes *classes, struct channel *channel, const struct payee *payee)
{
	struct group *group = group_for(classes, channel->conn, payee);

	if (group)
		enter(group, channel);
	return group != NULL;
}

bool classes_move(struct classes *classes, struct channel *channel, const struct payee *payee)
{
	struct group *group = group_for(classes, channel->conn, payee);

	if (!group)
		return false;
	if (group != channel->group) {
		classes_leave(classes, channel);
		enter(group, channel);
	}
	return true;
}

void classes_leave(struct classes *classes, struct channel *channel)
{
	struct group *group = channel->group;
	struct payout_class *class = group->class;

	channel->group = NULL;
	TAILQ_REMOVE(&group->channels, channel, in_group);
	class->channels--;
	if (TAILQ_EMPTY(&group->channels)) {
		LIST_REMOVE(group, of_class);
		LIST_REMOVE(group, of_conn);
		free(group);
	}
	class_drop(classes, class);
}

struct group *group_find(struct mining_conn *conn, uint32_t id)
{
	struct group *group;

	LIST_FOREACH(group, &conn->groups, of_conn)
	{
		if (group->class->group_id == id)
			return group;
	}
	return NULL;
}

void classes_forget_coinbases(struct classes *classes)
{
	struct payout_class *class;

	TAILQ_FOREACH(class, &classes->list, link)
	class_forget_coinbases(class);
}
