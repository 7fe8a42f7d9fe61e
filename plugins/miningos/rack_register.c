/* SPDX-License-Identifier: MIT */
/* rack_register.c: the rack's methods that make, change and forget things. */
#include "config.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/miningos.h"
#include "plugins/miningos/rack_methods.h"

#define OBJECT_MAX 16384 /* bytes of opts, info and tags as text, each */
#define TAGS_MAX 64u

/* --- what is asked for ------------------------------------------------------------------------
 */

/* The member KEY, which is to be of TYPE if it is there. False: it is not, or too large. */
static bool member_fits(const struct rack_call *call, const char *key, enum json_type type)
{
	struct json_object *value = rack_param(call, key);

	return value == NULL || (json_object_is_type(value, type) &&
				 strlen(json_object_to_json_string(value)) <= OBJECT_MAX);
}

/* Ends in -DIGITS, as MiningOS wants it. */
static bool is_code(const char *code)
{
	const char *dash = strrchr(code, '-');

	return dash != NULL && dash != code && dash[1] != '\0' &&
	       strspn(dash + 1, "0123456789") == strlen(dash + 1) && strlen(code) <= THING_CODE_MAX;
}

static bool is_hex_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* xx:xx:xx:xx:xx:xx; *MULTICAST: it is nobody's own. */
static bool is_mac(const char *text, bool *multicast)
{
	unsigned first = 0;

	if (strlen(text) != 17)
		return false;
	for (size_t i = 0; i < 17; i++) {
		if (i % 3 == 2 ? text[i] != ':' : !is_hex_digit(text[i]))
			return false;
	}
	(void)sscanf(text, "%2x", &first);
	*multicast = (first & 1) != 0;
	return true;
}

/* Whether another thing than SELF has VALUE under KEY of its info, or of its opts. */
static bool is_taken(const struct miningos *m, const struct thing *self, bool opts, const char *key,
		     const char *value, const char *container)
{
	for (size_t i = 0; i < m->things.count; i++) {
		const struct thing *t = m->things.list[i];

		if (t == self || strcmp(get_text(opts ? t->opts : t->info, key, ""), value) != 0)
			continue;
		if (container == NULL || strcmp(get_text(t->info, "container", ""), container) == 0)
			return true;
	}
	return false;
}

/* What is wrong with INFO and OPTS for SELF (NULL: a new one), or NULL. */
static const char *check_parts(const struct miningos *m, const struct thing *self,
			       struct json_object *info, struct json_object *opts)
{
	const char *serial = get_text(info, "serialNum", "");
	const char *mac = get_text(info, "macAddress", "");
	const char *pos = get_text(info, "pos", "");
	const char *address = get_text(opts, "address", "");
	const char *container =
	    get_text(info, "container", self != NULL ? get_text(self->info, "container", "") : "");
	bool multicast = false;

	if (serial[0] != '\0' && is_taken(m, self, false, "serialNum", serial, NULL))
		return "ERR_THING_SERIALNUM_EXISTS";
	if (mac[0] != '\0' && !is_mac(mac, &multicast))
		return "ERR_THING_MACADDRESS_INVALID";
	if (multicast)
		return "ERR_THING_MACADDRESS_MULTICAST";
	if (mac[0] != '\0' && is_taken(m, self, false, "macAddress", mac, NULL))
		return "ERR_THING_MACADDRESS_EXISTS";
	if (pos[0] != '\0' && is_taken(m, self, false, "pos", pos, container))
		return "ERR_THING_POS_EXISTS";
	if (address[0] != '\0' && is_taken(m, self, true, "address", address, NULL))
		return "ERR_THING_IP_ADDRESS_EXISTS";
	return NULL;
}

static const char *check_shape(const struct rack_call *call)
{
	struct json_object *tags = rack_param(call, "tags");

	if (!member_fits(call, "opts", json_type_object))
		return "ERR_THING_VALIDATE_OPTS_INVALID";
	if (!member_fits(call, "info", json_type_object))
		return "ERR_THING_INFO_INVALID";
	if (!member_fits(call, "tags", json_type_array) ||
	    (tags != NULL && json_object_array_length(tags) > TAGS_MAX))
		return "ERR_THING_TAGS_INVALID";
	return NULL;
}

/* --- changes -----------------------------------------------------------------------------------
 */

/* FROM's members go into *INTO, which is another object then: what was answered before keeps its
 * own. */
static void merge(struct json_object **into, struct json_object *from, bool overwrite)
{
	struct json_object *o;

	if (from == NULL)
		return;
	o = overwrite ? json_object_new_object() : copy_json(*into);
	json_object_object_foreach(from, key, value)
	    json_object_object_add(o, key, copy_json(value));
	json_object_put(*into);
	*into = o;
}

static void merge_tags(struct json_object **into, struct json_object *from, bool overwrite)
{
	struct json_object *list;

	if (from == NULL)
		return;
	list = overwrite ? json_object_new_array() : copy_json(*into);
	for (size_t i = 0; i < json_object_array_length(from); i++) {
		struct json_object *tag = json_object_array_get_idx(from, i);
		bool there = !json_object_is_type(tag, json_type_string);

		for (size_t k = 0; !there && k < json_object_array_length(list); k++)
			there = json_object_equal(tag, json_object_array_get_idx(list, k));
		if (!there && json_object_array_length(list) < TAGS_MAX)
			json_object_array_add(list, json_object_get(tag));
	}
	json_object_put(*into);
	*into = list;
}

static void apply(struct rack_call *call, struct thing *t, bool overwrite, const char *what)
{
	uint64_t now = mos_now_ms();
	struct json_object *created = json_object_get(get_member(t->info, "createdAt"));
	const char *comment = rack_text(call, "comment");

	merge(&t->opts, rack_param(call, "opts"), overwrite);
	merge(&t->info, rack_param(call, "info"), overwrite);
	merge_tags(&t->tags, rack_param(call, "tags"), overwrite);
	if (created != NULL)
		add_object(t->info, "createdAt", created);
	else
		add_count(t->info, "createdAt", now);
	add_count(t->info, "updatedAt", now);
	if (comment != NULL && comment[0] != '\0')
		comment_add(t, comment, rack_text(call, "user"), rack_text(call, "pos"), now);
	call->m->things.dirty = true;
	history_note(call->m, t, what, rack_text(call, "user"), now);
	mos_save_things(call->m, true);
}

/* The name by which a miner that connects finds a thing that was registered for it: role and user
 * of its opts. NULL: it is for none, or another has it. */
static const char *name_for(struct miningos *m, struct json_object *opts, char *out, size_t size)
{
	const char *user = get_text(opts, "user", "");
	const char *role = get_text(opts, "role", m->looks.sources[0].role);

	if (user[0] == '\0')
		return NULL;
	snprintf(out, size, "%s/1/%s", role, user);
	return things_find_name(&m->things, out) == NULL ? out : NULL;
}

static const char *check_new(struct rack_call *call)
{
	struct miningos *m = call->m;
	const char *id = rack_text(call, "id"), *code = rack_text(call, "code");
	const char *wrong = check_shape(call);

	if (wrong != NULL)
		return wrong;
	if (!json_object_is_type(rack_param(call, "opts"), json_type_object))
		return "ERR_THING_VALIDATE_OPTS_INVALID";
	if ((id == NULL && rack_param(call, "id") != NULL) ||
	    (id != NULL && (id[0] == '\0' || strlen(id) > THING_ID_MAX)))
		return "ERR_THING_ID_INVALID";
	if (id != NULL && things_find(&m->things, id) != NULL)
		return "ERR_THING_WITH_ID_ALREADY_EXISTS";
	if ((code == NULL && rack_param(call, "code") != NULL) || (code != NULL && !is_code(code)))
		return "ERR_THING_CODE_INVALID";
	if (code != NULL && things_find_code(&m->things, code) != NULL)
		return "ERR_THING_WITH_CODE_ALREADY_EXISTS";
	return check_parts(m, NULL, rack_param(call, "info"), rack_param(call, "opts"));
}

void rack_register_thing(struct rack_call *call)
{
	struct miningos *m = call->m;
	const char *id = rack_text(call, "id"), *wrong = check_new(call), *name;
	char made[THING_ID_MAX + 1], buffer[512];
	struct thing *t;

	if (wrong != NULL) {
		rack_refuse(call, wrong);
		return;
	}
	name = name_for(m, rack_param(call, "opts"), buffer, sizeof(buffer));
	if (id == NULL && name == NULL) {
		mos_random_id(made);
		id = made;
	}
	t = things_add(&m->things, id, rack_text(call, "code"), name);
	if (t == NULL) {
		rack_refuse(call, "ERR_THINGS_LIMIT");
		return;
	}
	t->since_ms = mos_now_ms();
	apply(call, t, true, "registered");
	looks_soon(m);
	rack_answer_count(call, 1);
}

void rack_update_thing(struct rack_call *call)
{
	struct miningos *m = call->m;
	const char *id = rack_text(call, "id"), *code = rack_text(call, "code");
	struct thing *t = id != NULL ? things_find(&m->things, id) : NULL;
	const char *wrong;

	if (t == NULL) {
		rack_refuse(call, "ERR_THING_NOTFOUND");
		return;
	}
	wrong = check_shape(call);
	if (wrong == NULL)
		wrong = check_parts(m, t, rack_param(call, "info"), rack_param(call, "opts"));
	if (wrong == NULL && code != NULL && strcmp(code, t->code) != 0) {
		if (!is_code(code))
			wrong = "ERR_THING_CODE_INVALID";
		else if (things_find_code(&m->things, code) != NULL)
			wrong = "ERR_THING_WITH_CODE_ALREADY_EXISTS";
		else
			things_set_code(&m->things, t, code);
	}
	if (wrong != NULL) {
		rack_refuse(call, wrong);
		return;
	}
	apply(call, t, rack_truthy(call, "forceOverwrite"), "updated");
	rack_answer_count(call, 1);
}

/* --- forgetting --- */

static bool mark(void *user, struct thing *t)
{
	(void)user;
	t->doomed = true;
	return true;
}

static bool is_doomed(void *user, struct thing *t)
{
	struct rack_call *call = user;

	if (t->doomed)
		history_note(call->m, t, "forgotten", rack_text(call, "user"), mos_now_ms());
	return t->doomed;
}

void rack_forget_things(struct rack_call *call)
{
	struct json_object *query = rack_param(call, "query");
	const char *error;

	/* Nothing to choose by is not everything. */
	if (!rack_truthy(call, "all") && !json_object_is_type(query, json_type_object)) {
		rack_refuse(call, "ERR_QUERY_INVALID");
		return;
	}
	if (!rack_select(call->m, rack_truthy(call, "all") ? NULL : query, mark, NULL, &error)) {
		for (size_t i = 0; i < call->m->things.count; i++)
			call->m->things.list[i]->doomed = false;
		rack_refuse(call, error);
		return;
	}
	(void)things_remove(&call->m->things, is_doomed, call);
	mos_save_things(call->m, true);
	looks_soon(call->m);
	rack_answer_count(call, 1);
}
