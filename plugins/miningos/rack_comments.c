/* SPDX-License-Identifier: MIT */
/* rack_comments.c: the rack's methods for comments, which people write on things. */
#include "config.h"

#include <json-c/json.h>
#include <string.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"
#include "plugins/miningos/rack_methods.h"

#define COMMENT_MAX 4096u /* bytes */
#define COMMENTS_MAX 100u /* of one thing; the oldest goes */

static void add_new(struct json_object *list, const char *comment, const char *user,
		    const char *pos, uint64_t ts)
{
	struct json_object *o = json_object_new_object();
	char id[THING_ID_MAX + 1];

	mos_random_id(id);
	add_text(o, "id", id);
	add_count(o, "ts", ts);
	add_text(o, "comment", comment);
	add_text(o, "user", user);
	if (pos != NULL)
		add_text(o, "pos", pos);
	if (json_object_array_length(list) >= COMMENTS_MAX)
		json_object_array_del_idx(list, 0, 1);
	json_object_array_add(list, o);
}

void comment_add(struct thing *t, const char *comment, const char *user, const char *pos,
		 uint64_t ts)
{
	struct json_object *list = copy_json(t->comments);

	if (strlen(comment) <= COMMENT_MAX)
		add_new(list, comment, user, pos, ts);
	json_object_put(t->comments);
	t->comments = list;
}

static struct thing *find_thing(const struct rack_call *call)
{
	const char *id = rack_text(call, "thingId");

	return id != NULL ? things_find(&call->m->things, id) : NULL;
}

static void done(struct rack_call *call)
{
	call->m->things.dirty = true;
	mos_save_things(call->m, true);
	rack_answer_count(call, 1);
}

void rack_save_comment(struct rack_call *call)
{
	struct thing *t = find_thing(call);
	const char *comment = rack_text(call, "comment");

	if (t == NULL) {
		rack_refuse(call, "ERR_THING_NOTFOUND");
	} else if (comment == NULL || comment[0] == '\0' || strlen(comment) > COMMENT_MAX) {
		rack_refuse(call, "ERR_COMMENT_INVALID");
	} else {
		comment_add(t, comment, rack_text(call, "user"), rack_text(call, "pos"),
			    mos_now_ms());
		done(call);
	}
}

/* The comment that id or ts name; its index in the list. False after CALL was refused. */
static bool find_comment(struct rack_call *call, struct thing **thing, size_t *index)
{
	const char *id = rack_text(call, "id"), *user = rack_text(call, "user");
	uint64_t ts = rack_number(call, "ts", 0);
	struct thing *t = find_thing(call);
	size_t count, i;

	*thing = t;
	if (t == NULL) {
		rack_refuse(call, "ERR_THING_NOTFOUND");
		return false;
	}
	count = json_object_array_length(t->comments);
	if (count == 0) {
		rack_refuse(call, "ERR_THING_COMMENTS_NOTFOUND");
		return false;
	}
	for (i = 0; i < count; i++) {
		struct json_object *o = json_object_array_get_idx(t->comments, i);

		if (id != NULL ? strcmp(get_text(o, "id", ""), id) == 0
			       : ts != 0 && get_count(o, "ts", 0) == ts)
			break;
	}
	if (i == count) {
		rack_refuse(call, "ERR_THING_COMMENT_NOTFOUND");
		return false;
	}
	*index = i;
	if (strcmp(get_text(json_object_array_get_idx(t->comments, i), "user", ""),
		   user != NULL ? user : "") == 0)
		return true;
	rack_refuse(call, "ERR_COMMENT_ACCESS_DENIED");
	return false;
}

void rack_edit_comment(struct rack_call *call)
{
	const char *comment = rack_text(call, "comment");
	struct json_object *list, *o;
	struct thing *t;
	size_t index;

	if (!find_comment(call, &t, &index))
		return;
	if (comment == NULL || comment[0] == '\0' || strlen(comment) > COMMENT_MAX) {
		rack_refuse(call, "ERR_COMMENT_INVALID");
		return;
	}
	list = copy_json(t->comments);
	o = json_object_array_get_idx(list, index);
	add_text(o, "comment", comment);
	add_count(o, "updatedAt", mos_now_ms());
	if (rack_text(call, "pos") != NULL)
		add_text(o, "pos", rack_text(call, "pos"));
	json_object_put(t->comments);
	t->comments = list;
	done(call);
}

void rack_delete_comment(struct rack_call *call)
{
	struct json_object *list;
	struct thing *t;
	size_t index;

	if (!find_comment(call, &t, &index))
		return;
	list = copy_json(t->comments);
	json_object_array_del_idx(list, index, 1);
	json_object_put(t->comments);
	t->comments = list;
	done(call);
}
