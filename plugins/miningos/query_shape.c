/* SPDX-License-Identifier: MIT */
/* query_shape.c: projections and orders of query.h. */
#include "config.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/query.h"

#define FIELDS_MAX 256u
#define PATH_DEPTH_MAX 24u

/* --- projection --- */

/* Paths that begin at one object. */
struct paths {
	const char *at[FIELDS_MAX];
	size_t count;
};

/* How KEY stands to PATHS: 0 it is in none; 1 it is one; 2 some lead on from it, which go to REST.
 */
static int relation(const struct paths *paths, const char *key, struct paths *rest)
{
	size_t size = strlen(key);
	int result = 0;

	rest->count = 0;
	for (size_t i = 0; i < paths->count; i++) {
		if (strncmp(paths->at[i], key, size) != 0)
			continue;
		if (paths->at[i][size] == '\0')
			return 1;
		if (paths->at[i][size] == '.') {
			rest->at[rest->count++] = paths->at[i] + size + 1;
			result = 2;
		}
	}
	return result;
}

static struct json_object *project(struct json_object *value, const struct paths *paths,
				   bool inclusive, unsigned depth);

static struct json_object *project_array(struct json_object *list, const struct paths *paths,
					 bool inclusive, unsigned depth)
{
	struct json_object *out = json_object_new_array();

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		if (json_object_is_type(one, json_type_object))
			json_object_array_add(out, project(one, paths, inclusive, depth + 1));
		else if (!inclusive)
			json_object_array_add(out, json_object_get(one));
	}
	return out;
}

static struct json_object *project(struct json_object *value, const struct paths *paths,
				   bool inclusive, unsigned depth)
{
	struct json_object *out;
	struct paths *rest;

	if (depth > PATH_DEPTH_MAX)
		return NULL;
	if (json_object_is_type(value, json_type_array))
		return project_array(value, paths, inclusive, depth);
	if (!json_object_is_type(value, json_type_object))
		return inclusive ? NULL : json_object_get(value);
	rest = malloc(sizeof(*rest));
	out = json_object_new_object();
	if (rest == NULL)
		return out;
	json_object_object_foreach(value, key, member)
	{
		int how = relation(paths, key, rest);

		if (how == 2 && (json_object_is_type(member, json_type_object) ||
				 json_object_is_type(member, json_type_array)))
			json_object_object_add(out, key,
					       project(member, rest, inclusive, depth + 1));
		else if ((how == 1) == inclusive && (how != 2 || !inclusive))
			json_object_object_add(out, key, json_object_get(member));
	}
	free(rest);
	return out;
}

struct json_object *query_project(struct json_object *document, struct json_object *fields)
{
	struct json_object *out;
	struct paths *paths;
	bool inclusive = false;

	if (!json_object_is_type(fields, json_type_object) ||
	    json_object_object_length(fields) == 0)
		return json_object_get(document);
	paths = malloc(sizeof(*paths));
	if (paths == NULL)
		return json_object_get(document);
	json_object_object_foreach(fields, first, wanted)
	{
		(void)first;
		inclusive = inclusive || json_object_get_boolean(wanted);
	}
	paths->count = 0;
	json_object_object_foreach(fields, path, value)
	{
		if (paths->count < FIELDS_MAX && (json_object_get_boolean(value) != 0) == inclusive)
			paths->at[paths->count++] = path;
	}
	out = project(document, paths, inclusive, 0);
	free(paths);
	return out;
}

/* --- order --- */

bool sort_order_read(struct sort_order *order, struct json_object *sort)
{
	order->count = 0;
	if (sort == NULL)
		return true;
	if (!json_object_is_type(sort, json_type_object) ||
	    json_object_object_length(sort) > QUERY_SORT_MAX)
		return false;
	json_object_object_foreach(sort, path, direction)
	{
		size_t size = strlen(path);
		int sign = json_object_get_int(direction);

		if (size >= sizeof(order->paths[0]) || (sign != 1 && sign != -1))
			return false;
		memcpy(order->paths[order->count], path, size + 1);
		order->directions[order->count++] = sign;
	}
	return true;
}

void sort_key_take(struct sort_key *key, const struct sort_order *order,
		   struct json_object *document)
{
	for (size_t i = 0; i < order->count; i++)
		key->values[i] = json_object_get(query_at(document, order->paths[i]));
}

void sort_key_drop(struct sort_key *key, const struct sort_order *order)
{
	for (size_t i = 0; i < order->count; i++)
		json_object_put(key->values[i]);
}

/* Of different types null comes first, then numbers, texts, objects, arrays, booleans. */
static int rank(const struct json_object *v)
{
	switch (json_object_get_type(v)) {
	case json_type_null:
		return 0;
	case json_type_int:
	case json_type_double:
		return 1;
	case json_type_string:
		return 2;
	case json_type_object:
		return 3;
	case json_type_array:
		return 4;
	default:
		return 5;
	}
}

static int compare_values(struct json_object *a, struct json_object *b)
{
	int by_rank = rank(a) - rank(b);
	double x, y;

	if (by_rank != 0)
		return by_rank;
	if (rank(a) == 2)
		return strcmp(json_object_get_string(a), json_object_get_string(b));
	if (rank(a) != 1 && rank(a) != 5)
		return 0;
	x = json_object_get_double(a);
	y = json_object_get_double(b);
	return x < y ? -1 : x > y;
}

/* qsort() has no argument for its function; everything runs on one thread. */
static const struct sort_order *sorting;

static int compare_keys(const void *left, const void *right)
{
	const struct sort_key *a = left, *b = right;

	for (size_t i = 0; i < sorting->count; i++) {
		int order = compare_values(a->values[i], b->values[i]);

		if (order != 0)
			return sorting->directions[i] > 0 ? order : -order;
	}
	return a->index < b->index ? -1 : a->index > b->index;
}

void sort_keys(struct sort_key *keys, size_t count, const struct sort_order *order)
{
	sorting = order;
	if (count > 1)
		qsort(keys, count, sizeof(*keys), compare_keys);
	sorting = NULL;
}
