/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "plugins/miningos/query.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/regex.h"

#define PARTS_MAX 1000u
#define DEPTH_MAX 24u
#define PATH_DEPTH_MAX 24u
#define LIST_MAX 16u        /* values that are compared one by one */
#define TEXTS_MAX 20000u    /* of a list of texts, which are looked up */
#define STEPS_MAX 300000000 /* of all documents together: a second or two */
#define STEPS_CONDITION 8   /* what a condition costs, in steps of a regular expression */

enum kind {
	/* of documents */
	Q_AND,
	Q_OR,
	Q_NOR,
	Q_PATH, /* all children hold for what is at the path */
	/* of a value */
	Q_EQ,
	Q_GT,
	Q_GTE,
	Q_LT,
	Q_LTE,
	Q_IN,
	Q_EXISTS,
	Q_REGEX,
	Q_SIZE,
	Q_ALL,
	Q_ELEM, /* children are conditions of documents */
	Q_NOT   /* children are conditions of the value */
};

struct part {
	uint8_t kind;
	bool negated;
	char *path;
	struct json_object *value;
	struct json_object *texts; /* a long list's, as the members of an object */
	struct mos_regex *regex;
	struct part *children;
	struct part *next;
};

struct query {
	struct part root; /* Q_AND */
	unsigned parts;
	bool bad;
	int64_t steps; /* that are left */
};

/* Of the query that is evaluated; there is one thread. */
static int64_t *steps_left;

/* --- reading -----------------------------------------------------------------------------------
 */

static void read_document(struct query *q, struct part *into, struct json_object *o,
			  unsigned depth);

static struct part *add_part(struct query *q, struct part *parent, enum kind kind)
{
	struct part *part = q->parts < PARTS_MAX ? calloc(1, sizeof(*part)) : NULL;
	struct part **end = &parent->children;

	if (part == NULL) {
		q->bad = true;
		return NULL;
	}
	q->parts++;
	part->kind = (uint8_t)kind;
	while (*end != NULL)
		end = &(*end)->next;
	*end = part;
	return part;
}

static void read_regex(struct query *q, struct part *part, struct json_object *value,
		       struct json_object *siblings)
{
	if (json_object_is_type(value, json_type_string))
		part->regex = mos_regex_new(json_object_get_string(value),
					    get_text(siblings, "$options", NULL));
	if (part->regex == NULL)
		q->bad = true;
}

/* A list of texts becomes a table; another one has to be short. */
static void read_values(struct query *q, struct part *part, struct json_object *list)
{
	size_t count = json_object_array_length(list);

	if (count <= LIST_MAX)
		return;
	if (count > TEXTS_MAX) {
		q->bad = true;
		return;
	}
	part->texts = json_object_new_object();
	for (size_t i = 0; i < count && !q->bad; i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		if (json_object_is_type(one, json_type_string))
			json_object_object_add(part->texts, json_object_get_string(one), NULL);
		else
			q->bad = true;
	}
}

static void read_conditions(struct query *q, struct part *into, struct json_object *o,
			    unsigned depth);

static const struct {
	const char *name;
	enum kind kind;
	bool negated;
	bool array; /* its value has to be one */
} operators[] = {
    {"$eq", Q_EQ, false, false},          {"$ne", Q_EQ, true, false},
    {"$gt", Q_GT, false, false},          {"$gte", Q_GTE, false, false},
    {"$lt", Q_LT, false, false},          {"$lte", Q_LTE, false, false},
    {"$in", Q_IN, false, true},           {"$nin", Q_IN, true, true},
    {"$exists", Q_EXISTS, false, false},  {"$regex", Q_REGEX, false, false},
    {"$size", Q_SIZE, false, false},      {"$all", Q_ALL, false, true},
    {"$elemMatch", Q_ELEM, false, false}, {"$not", Q_NOT, true, false},
};

/* One operator of a value: NAME with VALUE. */
static void read_operator(struct query *q, struct part *into, const char *name,
			  struct json_object *value, struct json_object *siblings, unsigned depth)
{
	struct part *part;
	size_t i = 0;

	while (i < sizeof(operators) / sizeof(operators[0]) && strcmp(operators[i].name, name) != 0)
		i++;
	if (i == sizeof(operators) / sizeof(operators[0]) ||
	    (operators[i].array && !json_object_is_type(value, json_type_array))) {
		q->bad = true;
		return;
	}
	part = add_part(q, into, operators[i].kind);
	if (part == NULL)
		return;
	part->negated = operators[i].negated;
	part->value = json_object_get(value);
	if (part->kind == Q_IN)
		read_values(q, part, value);
	else if (part->kind == Q_ALL && json_object_array_length(value) > LIST_MAX)
		q->bad = true;
	else if (part->kind == Q_EXISTS)
		part->negated = !json_object_get_boolean(value);
	else if (part->kind == Q_REGEX)
		read_regex(q, part, value, siblings);
	else if (part->kind == Q_NOT)
		read_conditions(q, part, value, depth + 1);
	else if (part->kind == Q_ELEM)
		read_document(q, part, value, depth + 1);
}

static bool has_operators(struct json_object *o)
{
	if (!json_object_is_type(o, json_type_object))
		return false;
	json_object_object_foreach(o, key, value)
	{
		(void)value;
		if (key[0] == '$')
			return true;
	}
	return false;
}

static void read_conditions(struct query *q, struct part *into, struct json_object *o,
			    unsigned depth)
{
	if (depth > DEPTH_MAX || q->bad) {
		q->bad = true;
		return;
	}
	if (!has_operators(o)) {
		struct part *part = add_part(q, into, Q_EQ);

		if (part != NULL)
			part->value = json_object_get(o);
		return;
	}
	json_object_object_foreach(o, key, value)
	{
		if (strcmp(key, "$options") != 0)
			read_operator(q, into, key, value, o, depth);
	}
}

static void read_list(struct query *q, struct part *into, enum kind kind, struct json_object *list,
		      unsigned depth)
{
	struct part *part = add_part(q, into, kind);

	if (part == NULL || !json_object_is_type(list, json_type_array)) {
		q->bad = true;
		return;
	}
	for (size_t i = 0; i < json_object_array_length(list) && !q->bad; i++) {
		struct part *one = add_part(q, part, Q_AND);

		if (one != NULL)
			read_document(q, one, json_object_array_get_idx(list, i), depth + 1);
	}
}

static void read_document(struct query *q, struct part *into, struct json_object *o, unsigned depth)
{
	if (depth > DEPTH_MAX || q->bad || !json_object_is_type(o, json_type_object)) {
		q->bad = true;
		return;
	}
	json_object_object_foreach(o, key, value)
	{
		struct part *part;

		if (strcmp(key, "$and") == 0) {
			read_list(q, into, Q_AND, value, depth);
		} else if (strcmp(key, "$or") == 0) {
			read_list(q, into, Q_OR, value, depth);
		} else if (strcmp(key, "$nor") == 0) {
			read_list(q, into, Q_NOR, value, depth);
		} else if (key[0] == '$') {
			/* $elemMatch: {$gt: 3} is of the element itself. */
			read_operator(q, into, key, value, o, depth);
		} else {
			part = add_part(q, into, Q_PATH);
			if (part == NULL)
				return;
			part->path = strdup(key);
			if (part->path == NULL)
				q->bad = true;
			read_conditions(q, part, value, depth + 1);
		}
	}
}

/* Frees what PART has, not PART. Depth is bounded by reading. */
static void clear_part(struct part *part)
{
	struct part *child;

	free(part->path);
	json_object_put(part->value);
	json_object_put(part->texts);
	mos_regex_free(part->regex);
	while ((child = part->children) != NULL) {
		part->children = child->next;
		clear_part(child);
		free(child);
	}
}

struct query *query_new(struct json_object *query)
{
	struct query *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->root.kind = Q_AND;
	q->steps = STEPS_MAX;
	if (query != NULL)
		read_document(q, &q->root, query, 0);
	if (q->bad) {
		query_free(q);
		return NULL;
	}
	return q;
}

void query_free(struct query *q)
{
	if (q == NULL)
		return;
	clear_part(&q->root);
	free(q);
}

/* --- values ------------------------------------------------------------------------------------
 */

static bool is_number(const struct json_object *v)
{
	return json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double);
}

static bool equal(struct json_object *a, struct json_object *b)
{
	if (is_number(a) && is_number(b)) {
		double x = json_object_get_double(a), y = json_object_get_double(b);

		return !(x < y) && !(x > y);
	}
	return json_object_equal(a, b) != 0;
}

/* -1, 0, 1; 2 when they can't be compared. */
static int compare(struct json_object *a, struct json_object *b)
{
	if (is_number(a) && is_number(b)) {
		double x = json_object_get_double(a), y = json_object_get_double(b);

		return x < y ? -1 : x > y ? 1 : 0;
	}
	if (json_object_is_type(a, json_type_string) && json_object_is_type(b, json_type_string)) {
		int order = strcmp(json_object_get_string(a), json_object_get_string(b));

		return order < 0 ? -1 : order > 0 ? 1 : 0;
	}
	if (json_object_is_type(a, json_type_boolean) && json_object_is_type(b, json_type_boolean))
		return json_object_get_boolean(a) - json_object_get_boolean(b);
	return a == NULL && b == NULL ? 0 : 2;
}

static bool in_list(struct json_object *value, struct json_object *list)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (equal(value, json_object_array_get_idx(list, i)))
			return true;
	}
	return false;
}

/* Every value of LIST is VALUE, or an element of it. */
static bool has_all(struct json_object *value, struct json_object *list)
{
	bool array = json_object_is_type(value, json_type_array);

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *wanted = json_object_array_get_idx(list, i);

		if (!(array ? in_list(wanted, value) : equal(value, wanted)))
			return false;
	}
	return json_object_array_length(list) > 0;
}

static bool is_one_of(const struct part *part, struct json_object *value)
{
	if (part->texts == NULL)
		return in_list(value, part->value);
	return json_object_is_type(value, json_type_string) &&
	       json_object_object_get_ex(part->texts, json_object_get_string(value), NULL);
}

static bool holds_here(const struct part *part, struct json_object *value)
{
	int order;

	*steps_left -= STEPS_CONDITION;
	if (*steps_left < 0)
		return false;
	switch ((enum kind)part->kind) {
	case Q_EQ:
		return equal(value, part->value);
	case Q_IN:
		return is_one_of(part, value);
	case Q_GT:
	case Q_GTE:
	case Q_LT:
	case Q_LTE:
		order = compare(value, part->value);
		if (order == 2)
			return false;
		if (order == 0)
			return part->kind == Q_GTE || part->kind == Q_LTE;
		return (order > 0) == (part->kind == Q_GT || part->kind == Q_GTE);
	case Q_REGEX:
		return json_object_is_type(value, json_type_string) &&
		       mos_regex_match(part->regex, json_object_get_string(value),
				       (size_t)json_object_get_string_len(value), steps_left);
	default:
		return false;
	}
}

static bool holds_all(const struct part *parts, struct json_object *document);
static bool at_path(const struct part *condition, struct json_object *document, const char *path,
		    unsigned depth);

static bool elements_match(const struct part *part, struct json_object *value)
{
	if (!json_object_is_type(value, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		if (holds_all(part->children, json_object_array_get_idx(value, i)))
			return true;
	}
	return false;
}

/* The condition, not negated, of a VALUE that was found (or of a path that leads nowhere). */
static bool holds(const struct part *part, struct json_object *value, bool found)
{
	switch ((enum kind)part->kind) {
	case Q_EXISTS:
		return found;
	case Q_SIZE:
		return found && json_object_is_type(value, json_type_array) &&
		       is_number(part->value) &&
		       (double)json_object_array_length(value) ==
			   json_object_get_double(part->value);
	case Q_ALL:
		return found && has_all(value, part->value);
	case Q_ELEM:
		return found && elements_match(part, value);
	default:
		break;
	}
	if (!found) /* null stands for what is not there */
		return (part->kind == Q_EQ && part->value == NULL) ||
		       (part->kind == Q_IN && is_one_of(part, NULL));
	if (holds_here(part, value))
		return true;
	if (json_object_is_type(value, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(value); i++) {
			if (holds_here(part, json_object_array_get_idx(value, i)))
				return true;
		}
	}
	return false;
}

static bool array_at_path(const struct part *condition, struct json_object *array, const char *path,
			  unsigned depth)
{
	size_t span = strspn(path, "0123456789");
	size_t count = json_object_array_length(array);

	if (span > 0 && span < 9 && (path[span] == '.' || path[span] == '\0')) {
		size_t index = (size_t)strtoul(path, NULL, 10);

		if (index < count && path[span] == '\0')
			return holds(condition, json_object_array_get_idx(array, index), true);
		if (index < count)
			return at_path(condition, json_object_array_get_idx(array, index),
				       path + span + 1, depth + 1);
	}
	for (size_t i = 0; i < count; i++) {
		struct json_object *one = json_object_array_get_idx(array, i);

		if (json_object_is_type(one, json_type_object) &&
		    at_path(condition, one, path, depth + 1))
			return true;
	}
	/* No element has it: as if it were not there. */
	return count == 0 && holds(condition, NULL, false);
}

static bool at_path(const struct part *condition, struct json_object *document, const char *path,
		    unsigned depth)
{
	struct json_object *value = NULL;
	size_t size = strcspn(path, ".");
	char key[128];

	*steps_left -= STEPS_CONDITION; /* the way there, also when it leads nowhere */
	if (*steps_left < 0 || depth > PATH_DEPTH_MAX || size >= sizeof(key))
		return false;
	if (json_object_is_type(document, json_type_array))
		return array_at_path(condition, document, path, depth);
	memcpy(key, path, size);
	key[size] = '\0';
	if (!json_object_is_type(document, json_type_object) ||
	    !json_object_object_get_ex(document, key, &value))
		return holds(condition, NULL, false);
	if (path[size] == '\0')
		return holds(condition, value, true);
	return at_path(condition, value, path + size + 1, depth + 1);
}

static bool path_holds(const struct part *path, struct json_object *document);

/* $not: {..}: not all of its conditions. */
static bool not_holds(const struct part *part, struct json_object *document, const char *path)
{
	for (const struct part *c = part->children; c != NULL; c = c->next) {
		bool one = c->kind == Q_NOT ? not_holds(c, document, path)
					    : at_path(c, document, path, 0) != c->negated;

		if (!one)
			return true;
	}
	return false;
}

static bool path_holds(const struct part *path, struct json_object *document)
{
	for (const struct part *c = path->children; c != NULL; c = c->next) {
		bool one = c->kind == Q_NOT ? not_holds(c, document, path->path)
					    : at_path(c, document, path->path, 0) != c->negated;

		if (!one)
			return false;
	}
	return true;
}

static bool holds_any(const struct part *parts, struct json_object *document)
{
	for (; parts != NULL; parts = parts->next) {
		if (holds_all(parts->children, document))
			return true;
	}
	return false;
}

static bool holds_all(const struct part *parts, struct json_object *document)
{
	for (; parts != NULL; parts = parts->next) {
		bool one;

		switch ((enum kind)parts->kind) {
		case Q_AND:
			one = holds_all(parts->children, document);
			break;
		case Q_OR:
			one = holds_any(parts->children, document);
			break;
		case Q_NOR:
			one = !holds_any(parts->children, document);
			break;
		case Q_PATH:
			one = path_holds(parts, document);
			break;
		case Q_NOT:
			one = !holds_all(parts->children, document);
			break;
		default:
			one = holds(parts, document, true) != parts->negated;
		}
		if (!one)
			return false;
	}
	return true;
}

bool query_matches(struct query *q, struct json_object *document)
{
	steps_left = &q->steps;
	return holds_all(q->root.children, document) && q->steps >= 0;
}

bool query_exhausted(const struct query *q)
{
	return q->steps < 0;
}

static bool uses(const struct part *part, const char *top, size_t size)
{
	if (part->path != NULL && strncmp(part->path, top, size) == 0 &&
	    (part->path[size] == '\0' || part->path[size] == '.'))
		return true;
	for (const struct part *c = part->children; c != NULL; c = c->next) {
		if (uses(c, top, size))
			return true;
	}
	return false;
}

bool query_uses(const struct query *q, const char *top)
{
	return uses(&q->root, top, strlen(top));
}

struct json_object *query_at(struct json_object *document, const char *path)
{
	char key[128];

	for (;;) {
		size_t size = strcspn(path, ".");

		if (size >= sizeof(key))
			return NULL;
		memcpy(key, path, size);
		key[size] = '\0';
		document = get_member(document, key);
		if (path[size] == '\0' || document == NULL)
			return document;
		path += size + 1;
	}
}
