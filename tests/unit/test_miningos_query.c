/* SPDX-License-Identifier: MIT */
/* Queries of the role miningos: conditions, projections, orders, and regular expressions of
 * strangers. */
#include "config.h"

#include <check.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/miningos/jsons.h"
#include "plugins/miningos/query.h"
#include "plugins/miningos/regex.h"

static struct json_object *parse(const char *text)
{
	struct json_object *o = NULL;

	ck_assert_msg(parse_json(text, strlen(text), &o), "not JSON: %s", text);
	return o;
}

/* --- regular expressions --- */

static bool regex(const char *pattern, const char *flags, const char *text)
{
	struct mos_regex *re = mos_regex_new(pattern, flags);
	int64_t steps = 10000000;
	bool matched;

	ck_assert_msg(re != NULL, "refused: %s", pattern);
	matched = mos_regex_match(re, text, strlen(text), &steps);
	ck_assert_int_ge(steps, 0);
	mos_regex_free(re);
	return matched;
}

static const struct {
	const char *pattern;
	const char *flags;
	const char *text;
	bool matches;
} patterns[] = {
    {"abc", NULL, "xabcx", true},
    {"abc", NULL, "xabx", false},
    {"", NULL, "", true},
    {"^$", NULL, "", true},
    {"^$", NULL, "a", false},
    {"^abc$", NULL, "abc", true},
    {"^bc", NULL, "abc", false},
    {"ab$", NULL, "abc", false},
    {"a.c", NULL, "abc", true},
    {"a.c", NULL, "a\nc", false},
    {"a.c", "s", "a\nc", true},
    {"ABC", "i", "xabcx", true},
    {"[a-c]+$", NULL, "zzabc", true},
    {"^[^a-c]+$", NULL, "zza", false},
    {"^[]-]$", NULL, "x", false},
    {"[A-Z]", "i", "q", true},
    {"^\\d+$", NULL, "12345", true},
    {"^\\d+$", NULL, "123a5", false},
    {"^\\w+\\s\\S+$", NULL, "foo_1 bar", true},
    {"\\.", NULL, "ab", false},
    {"^a*$", NULL, "", true},
    {"^a+$", NULL, "", false},
    {"^a?b$", NULL, "b", true},
    {"^a?b$", NULL, "aab", false},
    {"^(ab)+$", NULL, "ababab", true},
    {"^(?:ab|cd)*$", NULL, "abcdab", true},
    {"^(ab|cd)*$", NULL, "abc", false},
    {"^a{3}$", NULL, "aaa", true},
    {"^a{3}$", NULL, "aaaa", false},
    {"^a{2,3}$", NULL, "a", false},
    {"^a{2,3}$", NULL, "aaa", true},
    {"^a{2,3}$", NULL, "aaaa", false},
    {"^a{2,}$", NULL, "aaaaaa", true},
    {"^a{2,}$", NULL, "a", false},
    {"^(a|b){0,2}c$", NULL, "abc", true},
    {"^(a|b){0,2}c$", NULL, "ababc", false},
    {"^(a*)*$", NULL, "aaab", false},
    {"x|y|z", NULL, "aaz", true},
    {"x|^y|z$", NULL, "ay", false},
    {"^(|a)b$", NULL, "b", true},
    {"SV2-000[1-3]", NULL, "SV2-0002", true},
    {"a+?b", NULL, "aab", true},
};

START_TEST(test_regex)
{
	ck_assert_msg(regex(patterns[_i].pattern, patterns[_i].flags, patterns[_i].text) ==
			  patterns[_i].matches,
		      "/%s/ and \"%s\"", patterns[_i].pattern, patterns[_i].text);
}
END_TEST

START_TEST(test_regex_refused)
{
	static const char *const bad[] = {"(",      ")",     "[",     "a)",      "*",     "a**b(",
					  "\\1",    "\\b",   "(?=a)", "a{2",     "a{,3}", "a{3,2}",
					  "a{999}", "[b-a]", "\\",    "(?<n>a)", "a{0}",  "\\pL"};
	char many[MOS_REGEX_PATTERN_MAX + 2];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(mos_regex_new(bad[i], NULL) == NULL, "taken: %s", bad[i]);
	ck_assert_ptr_null(mos_regex_new("a", "x"));
	memset(many, 'a', sizeof(many));
	many[sizeof(many) - 1] = '\0';
	ck_assert_ptr_null(mos_regex_new(many, NULL));
	/* Written out it would be 64 * 64 * 64 instructions. */
	ck_assert_ptr_null(mos_regex_new("((a{64}){64}){64}", NULL));
	memset(many, '(', 200);
	many[200] = '\0';
	ck_assert_ptr_null(mos_regex_new(many, NULL));
}
END_TEST

/* What takes others exponential time takes pattern times text, and no more than is allowed. */
START_TEST(test_regex_hostile)
{
	static const char *const evil[] = {"^(a+)+$",   "^(a|a)*$",      "^(a|aa)+$",
					   "(.*a){20}", "(a?){30}a{30}", "((a*)*)*b"};
	char text[MOS_REGEX_TEXT_MAX];

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '!';
	for (size_t i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
		struct mos_regex *re = mos_regex_new(evil[i], NULL);
		int64_t steps = INT64_MAX;

		ck_assert_ptr_nonnull(re);
		(void)mos_regex_match(re, text, sizeof(text), &steps);
		ck_assert_int_ge(INT64_MAX - steps, 1);
		ck_assert_int_le(INT64_MAX - steps, 4001 * (int64_t)sizeof(text));
		steps = 100;
		ck_assert(!mos_regex_match(re,
					   "!aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
					   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
					   105, &steps) ||
			  steps >= 0);
		mos_regex_free(re);
	}
}
END_TEST

/* What is entered without a character costs, too: alternatives that are empty, anchors. */
START_TEST(test_regex_empty)
{
	static const char *const evil[] = {"(?:(?:|){60}){3}!", "(?:a{0,1}){2}(?:\\n?){60}!",
					   "(?:(?:^|){20}){20}!"};
	char text[MOS_REGEX_TEXT_MAX];

	memset(text, 'a', sizeof(text));
	for (size_t i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
		struct mos_regex *re = mos_regex_new(evil[i], NULL);
		int64_t steps = INT64_MAX;

		ck_assert_ptr_nonnull(re);
		ck_assert(!mos_regex_match(re, text, sizeof(text), &steps));
		ck_assert_int_ge(INT64_MAX - steps, 100 * (int64_t)sizeof(text));
		mos_regex_free(re);
	}
}
END_TEST

/* --- conditions --- */

static const char document[] =
    "{\"id\":\"k3\",\"code\":\"SV2-0007\",\"n\":7,\"d\":1.5,\"b\":true,\"nul\":null,"
    "\"tags\":[\"t-miner\",\"sv2\",\"id-k3\"],\"info\":{\"container\":\"c1\",\"pos\":\"1-1\"},"
    "\"comments\":[{\"user\":\"ann\",\"ts\":5},{\"user\":\"bob\",\"ts\":9}],"
    "\"last\":{\"alerts\":null,\"snap\":{\"stats\":{\"status\":\"mining\",\"errors\":[]}}}}";

static const struct {
	const char *query;
	bool matches;
} conditions[] = {
    {"{}", true},
    {"{\"id\":\"k3\"}", true},
    {"{\"id\":\"k4\"}", false},
    {"{\"n\":7.0}", true},
    {"{\"n\":{\"$gt\":6,\"$lt\":8}}", true},
    {"{\"n\":{\"$gt\":7}}", false},
    {"{\"n\":{\"$gte\":7}}", true},
    {"{\"n\":{\"$lte\":6.9}}", false},
    {"{\"n\":{\"$gt\":\"6\"}}", false},
    {"{\"code\":{\"$gt\":\"SV2-0006\"}}", true},
    {"{\"n\":{\"$ne\":7}}", false},
    {"{\"none\":{\"$ne\":7}}", true},
    {"{\"none\":null}", true},
    {"{\"nul\":null}", true},
    {"{\"id\":null}", false},
    {"{\"none\":{\"$exists\":true}}", false},
    {"{\"none\":{\"$exists\":false}}", true},
    {"{\"nul\":{\"$exists\":true}}", true},
    {"{\"tags\":\"sv2\"}", true},
    {"{\"tags\":{\"$in\":[\"x\",\"sv2\"]}}", true},
    {"{\"tags\":{\"$in\":[]}}", false},
    {"{\"tags\":{\"$nin\":[\"sv2\"]}}", false},
    {"{\"tags\":{\"$ne\":\"t-container\"}}", true},
    {"{\"tags\":{\"$all\":[\"sv2\",\"t-miner\"]}}", true},
    {"{\"tags\":{\"$all\":[\"sv2\",\"y\"]}}", false},
    {"{\"tags\":{\"$size\":3}}", true},
    {"{\"tags\":[\"t-miner\",\"sv2\",\"id-k3\"]}", true},
    {"{\"tags.0\":\"t-miner\"}", true},
    {"{\"tags.1\":\"t-miner\"}", false},
    {"{\"tags\":{\"$regex\":\"^id-\"}}", true},
    {"{\"code\":{\"$regex\":\"^sv2\",\"$options\":\"i\"}}", true},
    {"{\"code\":{\"$regex\":\"^sv2\"}}", false},
    {"{\"code\":{\"$not\":{\"$regex\":\"^SV2\"}}}", false},
    {"{\"n\":{\"$not\":{\"$gt\":6,\"$lt\":7}}}", true},
    {"{\"info.container\":\"c1\"}", true},
    {"{\"info.container\":{\"$in\":[\"c2\"]}}", false},
    {"{\"info\":{\"container\":\"c1\",\"pos\":\"1-1\"}}", true},
    {"{\"info\":{\"container\":\"c1\"}}", false},
    {"{\"comments.user\":\"bob\"}", true},
    {"{\"comments.user\":\"eve\"}", false},
    {"{\"comments\":{\"$elemMatch\":{\"user\":\"ann\",\"ts\":9}}}", false},
    {"{\"comments\":{\"$elemMatch\":{\"user\":\"ann\",\"ts\":{\"$lt\":6}}}}", true},
    {"{\"last.snap.stats.status\":\"mining\"}", true},
    {"{\"last.alerts\":{\"$ne\":null}}", false},
    {"{\"$and\":[{\"n\":7},{\"b\":true}]}", true},
    {"{\"$and\":[{\"n\":7},{\"b\":false}]}", false},
    {"{\"$or\":[{\"n\":8},{\"b\":true}]}", true},
    {"{\"$or\":[{\"n\":8},{\"b\":false}]}", false},
    {"{\"$nor\":[{\"n\":8},{\"b\":false}]}", true},
    {"{\"$or\":[{\"$and\":[{\"n\":7},{\"id\":\"x\"}]},{\"tags\":\"sv2\"}],\"d\":1.5}", true},
    {"{\"n\":7,\"d\":2}", false},
    {"{\"id\":{\"$in\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\",\"k\",\"l\","
     "\"m\","
     "\"n\",\"o\",\"p\",\"q\",\"k3\"]}}",
     true},
};

START_TEST(test_conditions)
{
	struct json_object *query = parse(conditions[_i].query), *o = parse(document);
	struct query *q = query_new(query);

	ck_assert_msg(q != NULL, "refused: %s", conditions[_i].query);
	json_object_put(query); /* it is not needed any more */
	ck_assert_msg(query_matches(q, o) == conditions[_i].matches, "%s", conditions[_i].query);
	ck_assert(!query_exhausted(q));
	query_free(q);
	json_object_put(o);
}
END_TEST

START_TEST(test_conditions_refused)
{
	static const char *const bad[] = {"[]",
					  "1",
					  "{\"a\":{\"$where\":\"1\"}}",
					  "{\"$where\":\"while(1);\"}",
					  "{\"a\":{\"$in\":1}}",
					  "{\"$and\":{}}",
					  "{\"$and\":[1]}",
					  "{\"a\":{\"$regex\":\"(\"}}",
					  "{\"a\":{\"$regex\":5}}",
					  "{\"a\":{\"$regex\":\"a\",\"$options\":\"q\"}}",
					  "{\"a\":{\"$eq\":1,\"b\":2}}",
					  "{\"a\":{\"$elemMatch\":3}}"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct json_object *o = parse(bad[i]);

		ck_assert_msg(query_new(o) == NULL, "taken: %s", bad[i]);
		json_object_put(o);
	}
}
END_TEST

START_TEST(test_too_many_parts)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	struct json_object *deep = json_object_new_object();

	for (int i = 0; i < 1001; i++)
		json_object_array_add(list, parse("{\"a\":1}"));
	json_object_object_add(o, "$or", list);
	ck_assert_ptr_null(query_new(o));
	json_object_put(o);
	for (int i = 0; i < 60; i++) {
		struct json_object *outer = json_object_new_object();

		list = json_object_new_array();
		json_object_array_add(list, deep);
		json_object_object_add(outer, "$and", list);
		deep = outer;
	}
	ck_assert_ptr_null(query_new(deep));
	json_object_put(deep);
}
END_TEST

/* A query that asks for too much ends, and says so. */
START_TEST(test_exhaustion)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	struct json_object *one = json_object_new_object();
	char text[4000];
	struct query *q;
	int rounds = 0;

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	json_object_object_add(one, "a", json_object_new_string(text));
	for (int i = 0; i < 200; i++)
		json_object_array_add(list, parse("{\"a\":{\"$regex\":\"(a?a?a?a?a?){40}!\"}}"));
	json_object_object_add(o, "$or", list);
	q = query_new(o);
	ck_assert_ptr_nonnull(q);
	while (!query_exhausted(q) && rounds++ < 10000)
		ck_assert(!query_matches(q, one));
	ck_assert(query_exhausted(q));
	query_free(q);
	json_object_put(o);
	json_object_put(one);
}
END_TEST

/* Ways that lead nowhere are walked, too. */
START_TEST(test_exhaustion_of_paths)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	struct json_object *one = parse("{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":1}}}}}");
	struct query *q;
	int rounds = 0;

	for (int i = 0; i < 300; i++)
		json_object_array_add(list, parse("{\"a.b.c.d.f\":{\"$exists\":true}}"));
	json_object_object_add(o, "$or", list);
	q = query_new(o);
	ck_assert_ptr_nonnull(q);
	while (!query_exhausted(q) && rounds++ < 50000)
		ck_assert(!query_matches(q, one));
	ck_assert(query_exhausted(q));
	query_free(q);
	json_object_put(o);
	json_object_put(one);
}
END_TEST

START_TEST(test_uses)
{
	struct json_object *o = parse("{\"$or\":[{\"a\":1},{\"last.snap\":1}]}");
	struct query *q = query_new(o);

	ck_assert(query_uses(q, "last"));
	ck_assert(!query_uses(q, "las"));
	ck_assert(query_uses(q, "a"));
	query_free(q);
	json_object_put(o);
}
END_TEST

/* --- projections and orders --- */

static const struct {
	const char *fields;
	const char *result;
} projections[] = {
    {"{\"id\":1}", "{\"id\":\"k3\"}"},
    {"{\"id\":1,\"none\":1,\"info.pos\":1}", "{\"id\":\"k3\",\"info\":{\"pos\":\"1-1\"}}"},
    {"{\"comments.user\":1}", "{\"comments\":[{\"user\":\"ann\"},{\"user\":\"bob\"}]}"},
    {"{\"last.snap.stats.status\":1}", "{\"last\":{\"snap\":{\"stats\":{\"status\":\"mining\"}}}}"},
    {"{\"id\":0,\"n\":0,\"d\":0,\"b\":0,\"nul\":0,\"tags\":0,\"comments\":0,\"last\":0,\"info."
     "pos\":0}",
     "{\"code\":\"SV2-0007\",\"info\":{\"container\":\"c1\"}}"},
    {"{\"n.x\":1,\"d\":true}", "{\"d\":1.5}"},
};

START_TEST(test_projection)
{
	struct json_object *fields = parse(projections[_i].fields), *o = parse(document);
	struct json_object *result = query_project(o, fields);

	ck_assert_str_eq(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN),
			 projections[_i].result);
	json_object_put(result);
	json_object_put(fields);
	json_object_put(o);
}
END_TEST

START_TEST(test_no_projection)
{
	struct json_object *o = parse(document), *empty = json_object_new_object();
	struct json_object *same = query_project(o, empty);

	ck_assert_ptr_eq(same, o);
	json_object_put(same);
	same = query_project(o, NULL);
	ck_assert_ptr_eq(same, o);
	json_object_put(same);
	json_object_put(empty);
	json_object_put(o);
}
END_TEST

START_TEST(test_order)
{
	struct json_object *list =
	    parse("[{\"a\":2,\"b\":\"x\"},{\"a\":1,\"b\":\"y\"},{\"b\":\"z\"},"
		  "{\"a\":2,\"b\":\"w\"},{\"a\":\"t\"}]");
	struct json_object *sort = parse("{\"a\":-1,\"b\":1}");
	static const size_t expected[] = {4, 3, 0, 1, 2};
	struct sort_order order;
	struct sort_key keys[5];

	ck_assert(sort_order_read(&order, sort));
	for (size_t i = 0; i < 5; i++) {
		keys[i].index = i;
		sort_key_take(&keys[i], &order, json_object_array_get_idx(list, i));
	}
	sort_keys(keys, 5, &order);
	for (size_t i = 0; i < 5; i++) {
		ck_assert_uint_eq(keys[i].index, expected[i]);
		sort_key_drop(&keys[i], &order);
	}
	json_object_put(sort);
	sort = parse("{\"a\":2}");
	ck_assert(!sort_order_read(&order, sort));
	json_object_put(sort);
	sort = parse("[1]");
	ck_assert(!sort_order_read(&order, sort));
	json_object_put(sort);
	ck_assert(sort_order_read(&order, NULL));
	ck_assert_uint_eq(order.count, 0);
	json_object_put(list);
}
END_TEST

#define COUNT(list) ((int)(sizeof(list) / sizeof((list)[0])))

int main(void)
{
	Suite *s = suite_create("miningos-query");
	TCase *c = tcase_create("regex");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(c, test_regex, 0, COUNT(patterns));
	tcase_add_test(c, test_regex_refused);
	tcase_add_test(c, test_regex_hostile);
	tcase_add_test(c, test_regex_empty);
	suite_add_tcase(s, c);
	c = tcase_create("conditions");
	tcase_add_loop_test(c, test_conditions, 0, COUNT(conditions));
	tcase_add_test(c, test_conditions_refused);
	tcase_add_test(c, test_too_many_parts);
	tcase_add_test(c, test_exhaustion);
	tcase_add_test(c, test_exhaustion_of_paths);
	tcase_add_test(c, test_uses);
	tcase_set_timeout(c, 60);
	suite_add_tcase(s, c);
	c = tcase_create("shapes");
	tcase_add_loop_test(c, test_projection, 0, COUNT(projections));
	tcase_add_test(c, test_no_projection);
	tcase_add_test(c, test_order);
	suite_add_tcase(s, c);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
