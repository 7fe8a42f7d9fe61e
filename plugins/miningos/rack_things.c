/* SPDX-License-Identifier: MIT */
/* rack_things.c: the rack's methods that list things. */
#include "config.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"
#include "plugins/miningos/query.h"
#include "plugins/miningos/rack_methods.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX                                                                                  \
	20000 /* whole, that is more than the bridge takes in one line, and refused there */

/* --- a query over all things --- */

struct selection {
	struct miningos *m;
	struct query *query; /* NULL: everything */
	struct sort_order order;
	struct json_object *fields;
	bool last; /* the answer has `last` */
	bool look; /* query or order look at `last` */
};

/* False after CALL was refused. */
static bool select_begin(struct selection *s, struct rack_call *call)
{
	struct json_object *query = rack_param(call, "query");

	*s = (struct selection){.m = call->m,
				.fields = rack_param(call, "fields"),
				.last = rack_truthy(call, "status")};
	if (query != NULL && (!json_object_is_type(query, json_type_object) ||
			      json_object_object_length(query) > 0)) {
		s->query = query_new(query);
		if (s->query == NULL) {
			rack_refuse(call, "ERR_QUERY_INVALID");
			return false;
		}
	}
	if (!sort_order_read(&s->order, rack_param(call, "sort"))) {
		query_free(s->query);
		rack_refuse(call, "ERR_SORT_INVALID");
		return false;
	}
	s->look = s->query != NULL && query_uses(s->query, "last");
	for (size_t i = 0; i < s->order.count; i++)
		s->look = s->look || strncmp(s->order.paths[i], "last", 4) == 0;
	return true;
}

static struct json_object *shown(const struct selection *s, const struct thing *t)
{
	struct json_object *whole = thing_json(s->m, t, s->last);
	struct json_object *o = query_project(whole, s->fields);

	json_object_put(whole);
	return o;
}

static bool matches(struct selection *s, const struct thing *t, struct json_object **document)
{
	*document = NULL;
	if (s->query == NULL && s->order.count == 0)
		return true;
	*document = thing_json(s->m, t, s->last || s->look);
	if (s->query == NULL || query_matches(s->query, *document))
		return true;
	json_object_put(*document);
	*document = NULL;
	return false;
}

/* In the order in which they were registered. */
static struct json_object *select_plain(struct selection *s, size_t offset, size_t limit)
{
	struct json_object *list = json_object_new_array(), *document;
	size_t skipped = s->query == NULL ? offset : 0;

	for (size_t i = skipped; i < s->m->things.count && json_object_array_length(list) < limit;
	     i++) {
		const struct thing *t = s->m->things.list[i];

		if (!matches(s, t, &document))
			continue;
		json_object_put(document);
		if (skipped++ >= offset)
			json_object_array_add(list, shown(s, t));
	}
	return list;
}

static struct json_object *select_sorted(struct selection *s, size_t offset, size_t limit)
{
	struct json_object *list = json_object_new_array(), *document;
	size_t count = 0;
	struct sort_key *keys = calloc(s->m->things.count + 1, sizeof(*keys));

	for (size_t i = 0; keys != NULL && i < s->m->things.count; i++) {
		if (!matches(s, s->m->things.list[i], &document))
			continue;
		keys[count].index = i;
		sort_key_take(&keys[count++], &s->order, document);
		json_object_put(document);
	}
	if (keys != NULL)
		sort_keys(keys, count, &s->order);
	for (size_t i = 0; i < count; i++) {
		if (i >= offset && i - offset < limit)
			json_object_array_add(list, shown(s, s->m->things.list[keys[i].index]));
		sort_key_drop(&keys[i], &s->order);
	}
	free(keys);
	return list;
}

void rack_list_things(struct rack_call *call)
{
	size_t offset = (size_t)rack_number(call, "offset", 0);
	size_t limit = (size_t)rack_number(call, "limit", LIMIT_DEFAULT);
	struct json_object *list;
	struct selection s;

	if (!select_begin(&s, call))
		return;
	if (limit > LIMIT_MAX)
		limit = LIMIT_MAX;
	list =
	    s.order.count > 0 ? select_sorted(&s, offset, limit) : select_plain(&s, offset, limit);
	if (s.query != NULL && query_exhausted(s.query)) {
		json_object_put(list);
		rack_refuse(call, "ERR_QUERY_TOO_EXPENSIVE");
	} else {
		rack_answer(call, list);
	}
	query_free(s.query);
}

void rack_things_count(struct rack_call *call)
{
	struct json_object *document;
	struct selection s;
	int64_t count = 0;

	if (!select_begin(&s, call))
		return;
	s.order.count = 0;
	for (size_t i = 0; i < s.m->things.count; i++) {
		count += matches(&s, s.m->things.list[i], &document);
		json_object_put(document);
	}
	if (s.query != NULL && query_exhausted(s.query))
		rack_refuse(call, "ERR_QUERY_TOO_EXPENSIVE");
	else
		rack_answer_count(call, count);
	query_free(s.query);
}

bool rack_select(struct miningos *m, struct json_object *query,
		 bool (*fn)(void *user, struct thing *t), void *user, const char **error)
{
	struct query *q = query_new(query);
	bool look;

	*error = NULL;
	if (q == NULL) {
		*error = "ERR_QUERY_INVALID";
		return false;
	}
	look = query_uses(q, "last");
	for (size_t i = 0; i < m->things.count && *error == NULL; i++) {
		struct json_object *document = thing_json(m, m->things.list[i], look);
		bool matched = query_matches(q, document);

		json_object_put(document);
		if (query_exhausted(q))
			*error = "ERR_QUERY_TOO_EXPENSIVE";
		else if (matched && !fn(user, m->things.list[i]))
			break;
	}
	query_free(q);
	return *error == NULL;
}
