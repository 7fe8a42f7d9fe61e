/* SPDX-License-Identifier: MIT */
/* Each benchmark that starts a pool runs, with tiny counts, and says what it measured in the form
 * that doc/performance.md promises. How fast anything is, is not looked at. */
#include "config.h"

#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/aditctl/json.h"

static const struct {
	const char *name;
	const char *unit;
	size_t shapes;
	size_t shapes_ipc; /* further ones where the fake node is built */
	const char *more;  /* a number that each shape has besides */
} benches[] = {
    {"shares", "ns", 5, 0, "accepted"},       {"handshakes", "ns", 1, 0, "crypto"},
    {"fanout", "ns", 8, 0, "median_ms"},      {"tip", "ns", 6, 6, "templates_us"},
    {"memory", "bytes", 3, 0, "connections"}, {"declare", "ns", 7, 0, "transactions"},
};

/* The output of the quick run of NAME, ended by a NUL. */
static size_t run(const char *name, char *text, size_t capacity)
{
	char command[512];
	size_t size;
	FILE *from;

	snprintf(command, sizeof(command), "%s --quick --json %s", ADIT_BENCH, name);
	from = popen(command, "r");
	ck_assert_ptr_nonnull(from);
	size = fread(text, 1, capacity - 1, from);
	text[size] = '\0';
	ck_assert_msg(pclose(from) == 0, "%s failed; it said: %s", command, text);
	return size;
}

static void has_numbers(struct json_object *o, const char *unit)
{
	ck_assert_str_ne(json_text(o, "name", ""), "");
	ck_assert_str_eq(json_text(o, "unit", ""), unit);
	ck_assert(json_object_object_get_ex(o, "value", NULL));
	ck_assert(json_object_object_get_ex(o, "ratio", NULL));
	ck_assert_double_gt(json_number(o, "floor", 0), 0);
	/* An increment of resident memory can be nothing when there are so few connections. */
	if (strcmp(unit, "ns") == 0) {
		ck_assert_double_gt(json_number(o, "value", 0), 0);
		ck_assert_double_gt(json_number(o, "ratio", 0), 0);
	}
}

START_TEST(well_formed)
{
	static char text[65536];
	size_t size = run(benches[_i].name, text, sizeof(text));
	struct json_object *o = NULL;
	struct json_object *shapes;
	struct error e = {0};
	double worst;

	ck_assert_msg(json_parse(text, size, &o, &e) == ADIT_OK, "%s: %s", e.text, text);
	ck_assert_str_eq(json_text(o, "name", ""), benches[_i].name);
	has_numbers(o, benches[_i].unit);
	/* These and shapes; the clock's time is a shape's. */
	ck_assert_int_eq(json_object_object_length(o), 6);
	shapes = json_array_member(o, "shapes");
	ck_assert_uint_eq(json_count(shapes),
			  benches[_i].shapes +
			      (access(FAKE_NODE, X_OK) == 0 ? benches[_i].shapes_ipc : 0));
	worst = json_number(o, "ratio", 0);
	for (size_t i = 0; i < json_count(shapes); i++) {
		struct json_object *shape = json_element(shapes, i);

		has_numbers(shape, benches[_i].unit);
		if (strcmp(benches[_i].unit, "ns") == 0)
			ck_assert_double_gt(json_number(shape, "wall_ns", 0), 0);
		ck_assert_double_gt(json_number(shape, benches[_i].more, 0), 0);
		ck_assert_double_ge(json_number(shape, "ratio", 0), worst);
	}
	json_object_put(o);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bench");
	TCase *c = tcase_create("smoke");
	SRunner *runner;
	int failed;

	tcase_set_timeout(c, 900);
	tcase_add_loop_test(c, well_formed, 0, (int)(sizeof(benches) / sizeof(benches[0])));
	suite_add_tcase(suite, c);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
