/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/history.h"

#include <json-c/json.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"

static void list_fini(struct history_list *list)
{
	for (size_t i = 0; i < HISTORY_MAX; i++)
		json_object_put(list->entries[i]);
	*list = (struct history_list){0};
}

void history_fini(struct history *h)
{
	list_fini(&h->alerts);
	list_fini(&h->info);
}

void history_add(struct history_list *list, struct json_object *entry)
{
	json_object_put(list->entries[list->next]);
	list->entries[list->next] = entry;
	list->next = (list->next + 1) % HISTORY_MAX;
	if (list->count < HISTORY_MAX)
		list->count++;
}

struct json_object *history_at(const struct history_list *list, size_t index)
{
	if (index >= list->count)
		return NULL;
	return list->entries[(list->next + HISTORY_MAX - 1 - index) % HISTORY_MAX];
}

void history_note(struct miningos *m, const struct thing *t, const char *what, const char *user,
		  uint64_t at_ms)
{
	struct json_object *o = json_object_new_object();
	struct json_object *thing = json_object_new_object();

	add_count(o, "ts", at_ms);
	add_text(o, "name", what);
	add_text(thing, "id", t->id);
	add_text(thing, "code", t->code);
	add_text(thing, "type", THING_TYPE);
	add_object(thing, "info", copy_json(t->info));
	add_object(o, "thing", thing);
	if (user != NULL)
		add_text(o, "user", user);
	history_add(&m->history->info, o);
}
