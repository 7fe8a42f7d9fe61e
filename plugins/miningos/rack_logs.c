/* SPDX-License-Identifier: MIT */
/* rack_logs.c: the rack's methods tailLog and getHistoricalLogs. */
#include "config.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"
#include "plugins/miningos/query.h"
#include "plugins/miningos/rack_methods.h"

#define LIMIT_DEFAULT 100u
#define LIMIT_MAX 5000u

/* "5m", "3h", "1D", "1W" as ms; 0 when it is none. */
static uint64_t parse_span(const char *text)
{
	char *unit;
	unsigned long count = strtoul(text, &unit, 10);
	uint64_t ms;

	if (unit == text || count == 0 || count > 10000 || unit[0] == '\0' || unit[1] != '\0')
		return 0;
	switch (*unit) {
	case 'm':
		ms = 60000;
		break;
	case 'h':
	case 'H':
		ms = 3600000;
		break;
	case 'd':
	case 'D':
		ms = 86400000;
		break;
	case 'W':
	case 'w':
		ms = 604800000;
		break;
	default:
		return 0;
	}
	return ms * count;
}

static void read_range(const struct rack_call *call, struct log_range *range)
{
	bool bounded = rack_param(call, "start") != NULL || rack_param(call, "end") != NULL;
	const char *group = rack_text(call, "groupRange");

	*range = (struct log_range){
	    .start = rack_number(call, "start", 0),
	    .end = rack_number(call, "end", INT64_MAX),
	    .offset = (size_t)rack_number(call, "offset", 0),
	    .limit = (size_t)rack_number(call, "limit", bounded ? LIMIT_MAX : LIMIT_DEFAULT),
	    .group_ms = group != NULL ? parse_span(group) : 0,
	    .average = rack_truthy(call, "shouldCalculateAvg"),
	};
	if (range->limit > LIMIT_MAX)
		range->limit = LIMIT_MAX;
}

/* Answers with LIST, which is consumed, each entry with the wanted fields only. */
static void answer_list(struct rack_call *call, struct json_object *list)
{
	struct json_object *fields = rack_param(call, "fields"), *out;

	if (!json_object_is_type(fields, json_type_object)) {
		rack_answer(call, list);
		return;
	}
	out = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		struct json_object *projected = query_project(one, fields);

		/* Whoever follows a series needs its times. */
		if (projected != one && get_member(projected, "ts") == NULL)
			add_object(projected, "ts", json_object_get(get_member(one, "ts")));
		json_object_array_add(out, projected);
	}
	json_object_put(list);
	rack_answer(call, out);
}

static bool tag_exists(const struct miningos *m, const char *tag)
{
	if (strcmp(tag, "t-miner") == 0 || strcmp(tag, "t-" THING_TYPE) == 0)
		return true;
	for (size_t i = 0; i < m->things.count; i++) {
		if (thing_has_tag(m, m->things.list[i], tag))
			return true;
	}
	return false;
}

void rack_tail_log(struct rack_call *call)
{
	struct miningos *m = call->m;
	const char *key = rack_text(call, "key"), *tag = rack_text(call, "tag");
	struct log_range range;
	const struct log *log;
	struct thing *t;

	if (key == NULL || (logs_room(key) == 0 && strcmp(key, "thing-5m") != 0)) {
		rack_refuse(call, "ERR_LOG_KEY_NOTFOUND");
		return;
	}
	if (tag == NULL || tag[0] == '\0') {
		rack_refuse(call, "ERR_LOG_TAG_INVALID");
		return;
	}
	read_range(call, &range);
	if (strcmp(key, "thing-5m") == 0) {
		t = things_find(&m->things, strncmp(tag, "id-", 3) == 0 ? tag + 3 : tag);
		if (t == NULL)
			rack_refuse(call, "ERR_LOG_NOTFOUND");
		else
			answer_list(call, samples_json(m, t, range.start, range.end, range.offset,
						       range.limit));
		return;
	}
	log = logs_find(&m->logs, key, tag);
	if (log != NULL)
		answer_list(call, log_read(log, &range));
	else if (tag_exists(m, tag))
		rack_answer(call, json_object_new_array());
	else
		rack_refuse(call, "ERR_LOG_NOTFOUND");
}

/* Entries of LIST in the range that match, newest first. *ERROR when the query can't be used. */
static struct json_object *read_history(struct rack_call *call, const struct history_list *list,
					const struct log_range *range, const char **error)
{
	struct json_object *query = rack_param(call, "query"), *out = json_object_new_array();
	struct query *q = query_new(query);
	struct json_object *entry;
	size_t skipped = 0;

	*error = q == NULL ? "ERR_QUERY_INVALID" : NULL;
	for (size_t i = 0; q != NULL && (entry = history_at(list, i)) != NULL &&
			   json_object_array_length(out) < range->limit;
	     i++) {
		uint64_t ts = get_count(entry, "ts", 0);

		if (ts < range->start || ts > range->end || !query_matches(q, entry))
			continue;
		if (skipped++ >= range->offset)
			json_object_array_add(out, json_object_get(entry));
	}
	if (q != NULL && query_exhausted(q))
		*error = "ERR_QUERY_TOO_EXPENSIVE";
	query_free(q);
	return out;
}

/* LIST in another order; a new array. */
static struct json_object *sorted(struct json_object *list, const struct sort_order *order)
{
	size_t count = json_object_array_length(list);
	struct json_object *out = json_object_new_array();
	struct sort_key *keys = calloc(count + 1, sizeof(*keys));

	for (size_t i = 0; keys != NULL && i < count; i++) {
		keys[i].index = i;
		sort_key_take(&keys[i], order, json_object_array_get_idx(list, i));
	}
	if (keys != NULL)
		sort_keys(keys, count, order);
	for (size_t i = 0; keys != NULL && i < count; i++) {
		json_object_array_add(
		    out, json_object_get(json_object_array_get_idx(list, keys[i].index)));
		sort_key_drop(&keys[i], order);
	}
	free(keys);
	return out;
}

void rack_historical_logs(struct rack_call *call)
{
	const char *type = rack_text(call, "logType");
	const struct history *h = call->m->history;
	struct json_object *list, *ordered;
	struct sort_order order;
	struct log_range range;
	const char *error;

	if (type == NULL || (strcmp(type, "alerts") != 0 && strcmp(type, "info") != 0)) {
		rack_refuse(call, "ERR_INFO_HISTORY_LOG_TYPE_INVALID");
		return;
	}
	if (!sort_order_read(&order, rack_param(call, "sort"))) {
		rack_refuse(call, "ERR_SORT_INVALID");
		return;
	}
	read_range(call, &range);
	list = read_history(call, type[0] == 'a' ? &h->alerts : &h->info, &range, &error);
	if (error != NULL) {
		json_object_put(list);
		rack_refuse(call, error);
		return;
	}
	if (order.count > 0) {
		ordered = sorted(list, &order);
		json_object_put(list);
		list = ordered;
	}
	answer_list(call, list);
}
