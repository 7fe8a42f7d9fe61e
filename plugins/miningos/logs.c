/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/logs.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/files.h"
#include "plugins/miningos/jsons.h"

#define MEAN_DEPTH 4u

size_t logs_room(const char *key)
{
	static const struct {
		const char *key;
		size_t room;
	} keys[] = {
	    {"stat-rtd", 1},          {"stat-5m", 300},      {"stat-30m", 336},
	    {"stat-3h", 240},         {"stat-1D", 400},      {"stat-shares-1m", 300},
	    {"stat-shares-30m", 336}, {"stat-startup", 300}, {"pool-stats", 300},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i].key, key) == 0)
			return keys[i].room;
	}
	return 0;
}

void logs_fini(struct logs *logs)
{
	for (size_t i = 0; i < logs->count; i++) {
		struct log *log = logs->list[i];

		for (size_t k = 0; k < log->room; k++)
			free(log->entries[k].json);
		free(log->entries);
		free(log);
	}
	logs->count = 0;
}

struct log *logs_find(const struct logs *logs, const char *key, const char *tag)
{
	for (size_t i = 0; i < logs->count; i++) {
		if (strcmp(logs->list[i]->key, key) == 0 && strcmp(logs->list[i]->tag, tag) == 0)
			return logs->list[i];
	}
	return NULL;
}

static struct log *new_log(struct logs *logs, const char *key, const char *tag)
{
	size_t room = logs_room(key);
	struct log *log;

	if (room == 0 || logs->count == LOGS_MAX || strlen(tag) > LOGS_TAG_MAX)
		return NULL;
	log = calloc(1, sizeof(*log));
	if (log != NULL)
		log->entries = calloc(room, sizeof(*log->entries));
	if (log == NULL || log->entries == NULL) {
		free(log);
		return NULL;
	}
	snprintf(log->key, sizeof(log->key), "%s", key);
	snprintf(log->tag, sizeof(log->tag), "%s", tag);
	log->room = room;
	logs->list[logs->count++] = log;
	return log;
}

const struct log_entry *log_at(const struct log *log, size_t index)
{
	return index < log->count ? &log->entries[(log->next + log->room - 1 - index) % log->room]
				  : NULL;
}

void logs_add(struct logs *logs, const char *key, const char *tag, uint64_t ts,
	      struct json_object *entry)
{
	struct log *log = logs_find(logs, key, tag);
	const struct log_entry *newest;
	struct log_entry *at;
	const char *text;

	if (log == NULL)
		log = new_log(logs, key, tag);
	add_count(entry, "ts", ts);
	text = json_object_to_json_string_ext(entry, JSON_C_TO_STRING_PLAIN);
	if (log == NULL || text == NULL || strlen(text) > LOG_ENTRY_MAX) {
		json_object_put(entry);
		return;
	}
	newest = log_at(log, 0);
	if (newest != NULL && (newest->ts == ts || log->room == 1)) {
		log->next = (log->next + log->room - 1) % log->room;
		log->count--;
	}
	at = &log->entries[log->next];
	free(at->json);
	*at = (struct log_entry){.ts = ts, .json = strdup(text)};
	log->next = (log->next + 1) % log->room;
	if (log->count < log->room)
		log->count++;
	json_object_put(entry);
}

/* --- means -------------------------------------------------------------------------------------
 */

static bool is_number(const struct json_object *v)
{
	return json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double);
}

static struct json_object *mean(struct json_object *list, unsigned depth);

/* The mean of the member KEY of all objects in LIST that have it. */
static struct json_object *mean_member(struct json_object *list, const char *key,
				       struct json_object *first, unsigned depth)
{
	struct json_object *objects;
	double sum = 0;
	size_t count = 0;

	if (json_object_is_type(first, json_type_object) && depth < MEAN_DEPTH) {
		struct json_object *result;

		objects = json_object_new_array();
		for (size_t i = 0; i < json_object_array_length(list); i++) {
			struct json_object *v = get_member(json_object_array_get_idx(list, i), key);

			if (json_object_is_type(v, json_type_object))
				json_object_array_add(objects, json_object_get(v));
		}
		result = mean(objects, depth + 1);
		json_object_put(objects);
		return result;
	}
	if (!is_number(first))
		return json_object_get(first);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *v = get_member(json_object_array_get_idx(list, i), key);

		if (is_number(v)) {
			sum += json_object_get_double(v);
			count++;
		}
	}
	return json_object_new_double(sum / (double)count);
}

static struct json_object *mean(struct json_object *list, unsigned depth)
{
	struct json_object *out;

	if (json_object_array_length(list) == 0)
		return NULL;
	out = json_object_new_object();
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		json_object_object_foreach(json_object_array_get_idx(list, i), key, value)
		{
			if (!json_object_object_get_ex(out, key, NULL))
				json_object_object_add(out, key,
						       mean_member(list, key, value, depth));
		}
	}
	return out;
}

struct json_object *logs_mean(struct json_object *list)
{
	return mean(list, 0);
}

/* --- reading -----------------------------------------------------------------------------------
 */

static struct json_object *parse_entry(const struct log_entry *entry)
{
	struct json_object *o = NULL;

	if (entry->json != NULL)
		(void)parse_json(entry->json, strlen(entry->json), &o);
	return o;
}

/* The entry that stands for the span of the INDEXth; *INDEX becomes the first one of the next. */
static struct json_object *read_group(const struct log *log, const struct log_range *range,
				      size_t *index)
{
	const struct log_entry *entry = log_at(log, *index);
	struct json_object *newest = parse_entry(entry);
	uint64_t span = range->group_ms > 0 ? entry->ts / range->group_ms : 0;
	struct json_object *all, *result;

	if (range->group_ms == 0) {
		(*index)++;
		return newest;
	}
	all = json_object_new_array();
	while (entry != NULL && entry->ts / range->group_ms == span && entry->ts >= range->start) {
		if (range->average)
			json_object_array_add(all, parse_entry(entry));
		entry = log_at(log, ++*index);
	}
	if (!range->average) {
		json_object_put(all);
		return newest;
	}
	result = logs_mean(all);
	if (result != NULL)
		add_count(result, "ts", get_count(newest, "ts", 0));
	json_object_put(all);
	json_object_put(newest);
	return result;
}

struct json_object *log_read(const struct log *log, const struct log_range *range)
{
	struct json_object *out = json_object_new_array();
	const struct log_entry *entry;
	size_t index = 0, skipped = 0;

	while ((entry = log_at(log, index)) != NULL && entry->ts >= range->start &&
	       json_object_array_length(out) < range->limit) {
		struct json_object *one;

		if (entry->ts > range->end) {
			index++;
			continue;
		}
		one = read_group(log, range, &index);
		if (skipped++ < range->offset)
			json_object_put(one);
		else
			json_object_array_add(out, one);
	}
	return out;
}

/* --- the file ----------------------------------------------------------------------------------
 */

static void load_line(void *user, const char *text, size_t size)
{
	struct logs *logs = user;
	struct json_object *o, *entry;

	if (size > LOG_ENTRY_MAX + 1024 || !parse_json(text, size, &o))
		return;
	entry = get_member(o, "entry");
	if (json_object_is_type(entry, json_type_object))
		logs_add(logs, get_text(o, "key", ""), get_text(o, "tag", ""),
			 get_count(entry, "ts", 0), json_object_get(entry));
	json_object_put(o);
}

int32_t logs_load(struct logs *logs, const char *file, struct error *e)
{
	return file_read_lines(file, load_line, logs, e);
}

static void write_logs(FILE *f, void *user)
{
	const struct logs *logs = user;

	for (size_t i = 0; i < logs->count; i++) {
		const struct log *log = logs->list[i];
		struct json_object *tag = json_object_new_string(log->tag);

		for (size_t k = log->count; k > 0; k--) {
			const struct log_entry *entry = log_at(log, k - 1);

			if (entry->json != NULL)
				fprintf(f, "{\"key\":\"%s\",\"tag\":%s,\"entry\":%s}\n", log->key,
					json_object_to_json_string(tag), entry->json);
		}
		json_object_put(tag);
	}
}

int32_t logs_save(const struct logs *logs, const char *file, struct error *e)
{
	return file_replace(file, write_logs, (void *)(uintptr_t)logs, e);
}
