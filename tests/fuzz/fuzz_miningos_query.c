/* SPDX-License-Identifier: MIT */
/* Queries, projections, orders and regular expressions of an ork: up to the first NUL a query, then
 * fields, then an order, then a document. None may take longer than it is allowed, and what is
 * taken answers the same twice. */
#include "config.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/query.h"
#include "plugins/miningos/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* The next piece as JSON; NULL when it is none. */
static struct json_object *piece(const char **at, const char *end)
{
	const char *nul = memchr(*at, 0, (size_t)(end - *at));
	size_t size = nul != NULL ? (size_t)(nul - *at) : (size_t)(end - *at);
	struct json_object *o = NULL;

	(void)parse_json(*at, size, &o);
	*at = nul != NULL ? nul + 1 : end;
	return o;
}

static void try_regex(const char *text, size_t size)
{
	char pattern[MOS_REGEX_PATTERN_MAX + 1];
	int64_t steps = 1000000, again = 1000000;
	struct mos_regex *re;
	size_t used = size < sizeof(pattern) - 1 ? size : sizeof(pattern) - 1;

	memcpy(pattern, text, used);
	pattern[used] = '\0';
	re = mos_regex_new(pattern, "i");
	if (re == NULL)
		return;
	require(mos_regex_match(re, text, size, &steps) == mos_regex_match(re, text, size, &again));
	require(steps == again);
	mos_regex_free(re);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data, *end = at + size;
	struct json_object *query, *fields, *sort, *document, *projected;
	struct sort_key key = {0};
	struct sort_order order;
	struct query *q;

	try_regex(at, size);
	query = piece(&at, end);
	fields = piece(&at, end);
	sort = piece(&at, end);
	document = piece(&at, end);
	q = query_new(query);
	if (q != NULL) {
		bool matches = query_matches(q, document);

		require(query_exhausted(q) || query_matches(q, document) == matches ||
			query_exhausted(q));
		(void)query_uses(q, "last");
	}
	query_free(q);
	projected = query_project(document, fields);
	json_object_put(projected);
	if (sort_order_read(&order, sort)) {
		sort_key_take(&key, &order, document);
		sort_keys(&key, 1, &order);
		sort_key_drop(&key, &order);
	}
	json_object_put(query);
	json_object_put(fields);
	json_object_put(sort);
	json_object_put(document);
	return 0;
}
